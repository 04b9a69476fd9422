//! What steps ask of the platform, and whether the datacentre shows what they were to bring about.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::id::{ElementId, HostId, VmId};
use underpin_model::plan::{Step, StepKind};
use underpin_platforms::platform::{Action, Evidence};

use super::run::Run;
use crate::datacentre::{HostPower, PowerState};
use crate::script::Session;
use crate::script::orders::last_saved;
use crate::script::words::clock;

impl Session {
    /// What is asked of the platform; nothing at a gate.
    pub(super) fn action_of(&self, run: &Run<'_>, step: &Step) -> Option<Action> {
        Some(match step.kind.clone() {
            StepKind::Gate { .. } => return None,
            StepKind::Freeze { cluster, what } => {
                Action::Freeze { cluster, what: what.into_iter().collect() }
            }
            StepKind::Thaw { cluster } => {
                Action::Thaw { saved: last_saved(&self.datacentre, &cluster).unwrap_or_default(), cluster }
            }
            StepKind::Stage { element, change } => Action::Stage {
                to: run.hops.get(&(element.clone(), change)).cloned().unwrap_or_default(),
                element,
            },
            StepKind::BackupCheck { element } => Action::BackupCheck { element },
            StepKind::Migrate { vm, from, to, live, mbps, .. } => {
                // Where the platform places, a guest comes home from where it has put it.
                let from = run
                    .placed
                    .as_ref()
                    .and_then(|_| HostId::new(self.host_of(vm.as_str())?).ok())
                    .unwrap_or(from);
                if run.placed.is_some() && from == to {
                    return None;
                }
                Action::Migrate { vm, from, to, live, mbps: (mbps > 0).then_some(mbps) }
            }
            StepKind::Evacuate { host, only_to, mbps, .. } => Action::Evacuate {
                host,
                only_to: only_to.into_iter().collect(),
                mbps: (mbps > 0).then_some(mbps),
            },
            StepKind::Stop { vm, host, .. } => Action::Stop { vm, host },
            StepKind::Start { vm, host } => Action::Start { vm, host },
            StepKind::Suspend { vm, host, .. } => Action::Suspend { vm, host },
            StepKind::Resume { vm, host } => Action::Resume { vm, host },
            StepKind::Patch { element, method, to, unit, .. } => Action::Patch { element, method, to, unit },
            StepKind::Reboot { element, quick } => Action::Reboot { element, quick },
            StepKind::Attest { element } => Action::Attest { element },
            StepKind::Verify { element } => Action::Verify { element },
        })
    }

    /// Whether the datacentre shows what the platform reported.
    pub(super) fn holds(
        &self,
        run: &mut Run<'_>,
        step: &Step,
        evidence: &Evidence,
        boots: u32,
    ) -> Result<(), String> {
        let data = &self.datacentre;
        let host_of = |vm: &VmId| {
            let at = data.guest_at(vm.as_str()).and_then(|it| data.guests.get(it)?.host);
            at.map_or_else(|| "no host".to_owned(), |it| data.name_of(it))
        };
        let expect = |what: &str, found: &str, wanted: &str| {
            if found == wanted { Ok(()) } else { Err(format!("{what} is {found}, expected {wanted}")) }
        };
        match (&step.kind, evidence) {
            (StepKind::Migrate { vm, to, .. }, _) => {
                expect(&format!("the host of {vm}"), &host_of(vm), to.as_str())
            }
            (StepKind::Stop { vm, .. }, _) => self.powered(vm, PowerState::Off),
            (StepKind::Suspend { vm, .. }, _) => self.powered(vm, PowerState::Suspended),
            (StepKind::Start { vm, .. } | StepKind::Resume { vm, .. }, _) => self.powered(vm, PowerState::On),
            (StepKind::Evacuate { host, only_to, .. }, evidence) => {
                let left = data.host_at(host.as_str()).map_or(0, |it| data.running_on(it));
                expect("the number of guests left", &left.to_string(), "0")?;
                // Whoever an earlier evacuation brought elsewhere than expected was not on this host.
                let moved = match evidence {
                    Evidence::Emptied { moved, .. } => moved.as_slice(),
                    _ => &[],
                };
                let out = moved
                    .iter()
                    .map(|it| (&it.0, host_of(&it.0)))
                    .find(|(_, on)| on != host.as_str() && !only_to.iter().any(|it| it.as_str() == on));
                out.map_or(Ok(()), |(vm, on)| Err(format!("{vm} went to {on}, which may not take guests")))
            }
            (StepKind::Patch { element, to, .. }, _) => {
                let host = data.host_at(element.as_str()).and_then(|it| data.hosts.get(it));
                if let (Some((setting, value)), Some(before)) =
                    (to.split_once('='), run.before.get_mut(element))
                {
                    before.settings.insert(setting.to_owned(), value.to_owned());
                    return Ok(());
                }
                host.map_or(Ok(()), |it| {
                    expect("the installed release", it.installed.as_deref().unwrap_or("unknown"), to)
                })
            }
            (StepKind::Reboot { element, .. }, _) => {
                let host = data.host_at(element.as_str()).and_then(|it| data.hosts.get(it));
                match host {
                    Some(it) if it.boots <= boots => Err(format!("the boot id is {} as before", it.boot_id)),
                    Some(it) if it.power != HostPower::Up => Err(format!("the host is {}", it.power.name())),
                    _ => Ok(()),
                }
            }
            (StepKind::Attest { .. }, Evidence::Attested { compared, differ, .. }) => {
                if *compared == 0 {
                    return Err("no measurement was compared".to_owned());
                }
                if differ.is_empty() {
                    Ok(())
                } else {
                    Err(format!("measurements differ: {}", differ.join(", ")))
                }
            }
            (StepKind::Verify { element }, Evidence::Verified { facts, unwell, .. }) => {
                if let (Some(now), Some(before)) = (facts, run.before.get(element)) {
                    let worse = now.worse_than(before);
                    if !worse.is_empty() {
                        return Err(worse.join("; "));
                    }
                }
                let hung: Vec<&str> = unwell
                    .iter()
                    .filter(|it| it.1 != underpin_platforms::platform::GuestHealth::Booting)
                    .map(|it| it.0.as_str())
                    .collect();
                if hung.is_empty() {
                    Ok(())
                } else {
                    Err(format!("guests do not answer: {}", hung.join(", ")))
                }
            }
            (StepKind::Thaw { cluster }, _) => {
                let saved = last_saved(data, cluster).unwrap_or_default();
                let at = data.index.clusters.get(cluster.as_str()).copied();
                let other =
                    saved.iter().find(|(what, on)| at.is_some_and(|at| data.in_force(at, **what) != **on));
                other.map_or(Ok(()), |(what, on)| Err(format!("{what:?} is not back to {on}")))
            }
            _ => Ok(()),
        }
    }

    fn powered(&self, vm: &VmId, wanted: PowerState) -> Result<(), String> {
        let power = self
            .datacentre
            .guest_at(vm.as_str())
            .and_then(|it| self.datacentre.guests.get(it))
            .map(|it| it.power);
        if power == Some(wanted) {
            Ok(())
        } else {
            Err(format!("{vm} is {power:?}, expected {wanted:?}").to_lowercase())
        }
    }

    /// Where the plan would have guests and releases after the steps that were done, and they are not there.
    pub(super) fn differences(&self, run: &Run<'_>) -> Vec<String> {
        let mut hosts: BTreeMap<&VmId, &str> = BTreeMap::new();
        let mut releases: BTreeMap<&ElementId, &str> = BTreeMap::new();
        let mut emptied: BTreeSet<&VmId> = BTreeSet::new();
        for (at, step) in run.plan.steps.iter().enumerate() {
            if run.waits.get(at) != Some(&usize::MAX) {
                continue;
            }
            match &step.kind {
                StepKind::Migrate { vm, to, .. } => {
                    hosts.insert(vm, to.as_str());
                }
                StepKind::Evacuate { expected, .. } => emptied.extend(expected.iter().map(|it| &it.0)),
                StepKind::Patch { element, to, .. } if !to.contains('=') => {
                    releases.insert(element, to);
                }
                _ => {}
            }
        }
        let mut lines = Vec::new();
        for (vm, planned) in hosts.iter().filter(|it| !emptied.contains(it.0)) {
            let guest = self.datacentre.guest_at(vm.as_str()).and_then(|it| self.datacentre.guests.get(it));
            let on = guest
                .and_then(|it| it.host)
                .map_or_else(|| "no host".to_owned(), |it| self.datacentre.name_of(it));
            if on != *planned {
                lines.push(format!("{vm} is on {on}, planned on {planned}"));
            }
        }
        for (element, planned) in releases {
            let host = self.datacentre.host_at(element.as_str()).and_then(|it| self.datacentre.hosts.get(it));
            if let Some(it) = host.filter(|it| it.running.as_deref() != Some(planned)) {
                let runs = it.running.as_deref().unwrap_or("an unknown release");
                lines.push(format!(
                    "{element} runs {runs}, planned {planned}, at {}",
                    clock(self.datacentre.clock_ms())
                ));
            }
        }
        lines
    }
}
