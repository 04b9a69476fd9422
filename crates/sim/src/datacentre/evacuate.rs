//! The platform empties a host by itself.

use underpin_model::plan::Frozen;
use underpin_platforms::platform::{Action, Evidence, FailureKind};

use super::Datacentre;
use super::fit::No;
use super::moves::Origin;
use super::state::{Happening, HostPower, PowerState, TaskPhase};

/// How often an evacuation that waits looks again, in milliseconds.
const LOOKS_EVERY_MS: u64 = 30_000;

impl Datacentre {
    /// Looks for guests that can leave now.
    pub(crate) fn evacuation_looks(&mut self, task: usize) {
        let Some((host, only_to, mbps)) = self.evacuation(task) else { return };
        if self.hosts.get(host).is_some_and(|it| it.power != HostPower::Up) {
            let text = format!("host {} went down", self.name_of(host));
            return self.fail(task, FailureKind::HostNotReady, text);
        }
        if let Some((kind, text)) = self.tasks.get(task).and_then(|it| it.trouble.clone()) {
            if !self.moves.values().any(|it| it.origin == Origin::Evacuation(task)) {
                self.fail(task, kind, text);
            }
            return;
        }
        // Its scheduler is part of the management plane: without it nothing new is begun.
        if !self.manages(host) {
            return self.plan(LOOKS_EVERY_MS, Happening::EvacuationLooks(task));
        }
        let mut stuck: Vec<(usize, No)> = Vec::new();
        let here: Vec<usize> =
            self.hosts.get(host).map(|it| it.guests.iter().copied().collect()).unwrap_or_default();
        for guest in here {
            let on = self.guests.get(guest).is_some_and(|it| it.power == PowerState::On);
            if !on || self.move_of(guest).is_some() {
                continue;
            }
            let target = self.bound(guest, true).and_then(|()| {
                let none = || (FailureKind::NoTarget, format!("no host takes {}", self.guest_name(guest)));
                self.best_target(guest, Some(host), &only_to, true).ok_or_else(none)
            });
            match target {
                Ok(to) => self.begin_move(guest, host, to, Origin::Evacuation(task), mbps),
                Err(no) => stuck.push((guest, no)),
            }
        }
        self.evacuation_ends(task, host, &stuck);
    }

    fn evacuation_ends(&mut self, task: usize, host: usize, stuck: &[(usize, No)]) {
        if self.moves.values().any(|it| it.origin == Origin::Evacuation(task)) {
            return;
        }
        let Some((_, (kind, text))) = stuck.first() else {
            let moved = self.tasks.get(task).map(|it| it.moved.clone()).unwrap_or_default();
            let ids = |(guest, to): &(usize, usize)| {
                Some((self.guests.get(*guest)?.id.clone(), self.hosts.get(*to)?.id.clone()))
            };
            let moved = moved.iter().filter_map(ids).collect();
            if let Some(host) = self.hosts.get(host).map(|it| it.id.clone()) {
                self.done(task, Evidence::Emptied { host, moved });
            }
            return;
        };
        if self.settings.evacuation_waits {
            return self.plan(LOOKS_EVERY_MS, Happening::EvacuationLooks(task));
        }
        let names: Vec<String> = stuck.iter().map(|(guest, _)| self.guest_name(*guest)).collect();
        self.fail(task, kind.clone(), format!("left on the host: {}: {text}", names.join(", ")));
    }

    pub(crate) fn move_of_evacuation_ended(
        &mut self,
        task: usize,
        guest: usize,
        to: usize,
        result: Result<u64, No>,
    ) {
        if self.evacuation(task).is_none() {
            return;
        }
        match result {
            Ok(_) => {
                if let Some(it) = self.tasks.get_mut(task) {
                    it.moved.push((guest, to));
                }
                self.plan(0, Happening::EvacuationLooks(task));
            }
            // The same guest at once again would fail again: later.
            Err(_) if self.settings.evacuation_waits => {
                self.plan(LOOKS_EVERY_MS, Happening::EvacuationLooks(task));
            }
            // The others are let go on first.
            Err((kind, text)) => {
                let text = format!("left on the host: {}: {text}", self.guest_name(guest));
                if let Some(it) = self.tasks.get_mut(task) {
                    it.trouble.get_or_insert((kind, text));
                }
                self.plan(0, Happening::EvacuationLooks(task));
            }
        }
    }

    /// What an evacuation that goes on is about.
    fn evacuation(&self, task: usize) -> Option<(usize, Vec<usize>, Option<u32>)> {
        let it = self.tasks.get(task).filter(|it| it.phase == TaskPhase::Running)?;
        let Action::Evacuate { host, only_to, mbps } = &it.action else { return None };
        let only_to = only_to.iter().filter_map(|it| self.host_at(it.as_str())).collect();
        Some((self.host_at(host.as_str())?, only_to, *mbps))
    }

    /// What is in force in a cluster, of the things that can be frozen.
    pub(crate) fn in_force(&self, cluster: usize, what: Frozen) -> bool {
        self.clusters.get(cluster).is_some_and(|it| match what {
            Frozen::Balancing => it.balancing,
            Frozen::AutoStart => it.auto_start,
            Frozen::AdmissionControl => it.admission_control,
        })
    }

    pub(crate) fn set_in_force(&mut self, cluster: usize, what: Frozen, on: bool) {
        let Some(it) = self.clusters.get_mut(cluster) else { return };
        match what {
            Frozen::Balancing => it.balancing = on,
            Frozen::AutoStart => it.auto_start = on,
            Frozen::AdmissionControl => it.admission_control = on,
        }
        self.balancer(cluster);
    }
}
