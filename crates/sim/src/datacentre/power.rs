//! Hosts go down and come back, and what becomes of the guests on them.

use underpin_platforms::platform::{Evidence, FailureKind};

use super::Datacentre;
use super::state::{EventKind, Happening, Health, HostPower, PowerState};
use crate::fault::{FaultKind, Subject};

/// How often the restart of a guest for which there is no room is tried again, in milliseconds.
const RETRY_MS: u64 = 60_000;

impl Datacentre {
    /// A host goes down with everything on it. Guests that are suspended to memory survive a quick boot.
    pub(crate) fn host_goes_down(&mut self, host: usize, power: HostPower, quick: bool, why: &str) {
        let Some(it) = self.hosts.get_mut(host) else { return };
        it.power = power;
        it.away += 1;
        let (name, holder) = (it.id.to_string(), it.busy);
        let guests: Vec<usize> = it.guests.iter().copied().collect();
        self.tell(EventKind::Host, format!("{name} goes down: {why}"));
        // What is rebooted on purpose goes on with its own task.
        if power == HostPower::Down
            && let Some(task) = holder
        {
            self.fail(task, FailureKind::HostNotReady, format!("host {name} went down"));
        }
        self.break_moves(host);
        for guest in guests {
            self.cut_off(guest, &name, quick);
        }
        self.members_changed(host);
        self.planes_changed();
    }

    fn cut_off(&mut self, guest: usize, host: &str, quick: bool) {
        let Some(it) = self.guests.get_mut(guest) else { return };
        let survives = it.power == PowerState::Off || (quick && it.power == PowerState::Suspended);
        if survives {
            return;
        }
        it.power = PowerState::Off;
        it.health = Health::Well;
        it.killed += 1;
        let (vm, busy) = (it.id.to_string(), it.busy);
        self.tell(EventKind::Harm, format!("{vm} was cut off: {host} went down under it"));
        if let Some(task) = busy {
            self.fail(task, FailureKind::HostNotReady, format!("host {host} went down"));
        }
        self.plan(self.settings.ha_detects_ms, Happening::Restart { guest });
        self.plane_guest_changed(guest);
    }

    /// A host comes back, unless it does not.
    pub(crate) fn host_returns(&mut self, host: usize, away: u32, task: Option<usize>) {
        let Some(it) = self.hosts.get(host) else { return };
        if it.away != away || it.power != HostPower::Rebooting {
            return;
        }
        let name = it.id.to_string();
        let at = Subject { host: Some(&name), vm: None, action: Some("reboot") };
        if self.strikes("no-return", &at).is_some() {
            if let Some(it) = self.hosts.get_mut(host) {
                it.power = HostPower::Down;
            }
            // Nobody tells: the task goes on until the platform gives it up.
            return self.tell(EventKind::Host, format!("{name} does not come back"));
        }
        let changed = match self.strikes("returns-with", &at) {
            Some(FaultKind::ReturnsWith(changed)) => Some(changed),
            _ => None,
        };
        let now = self.now();
        let Some(it) = self.hosts.get_mut(host) else { return };
        it.power = HostPower::Up;
        it.boots += 1;
        it.boot_id = format!("{name}/boot/{}", it.boots);
        it.booted_at = Some(now);
        it.running = it.installed.clone();
        if let Some(changed) = changed {
            it.uplinks = changed.uplinks.unwrap_or(it.uplinks);
            it.storage_paths = changed.storage_paths.unwrap_or(it.storage_paths);
            it.vcpus = changed.capacity.vcpus.unwrap_or(it.vcpus);
            it.memory_mib = changed.capacity.memory_mib.unwrap_or(it.memory_mib);
            it.hugepages_mib = changed.capacity.hugepages_mib.unwrap_or(it.hugepages_mib);
            it.settings.extend(changed.settings);
        }
        let (boots, boot_id, running) = (it.boots, it.boot_id.clone(), it.running.clone());
        let release = running.as_deref().unwrap_or("an unknown release");
        self.tell(EventKind::Host, format!("{name} is back: boot {boots}, runs {release}"));
        self.members_changed(host);
        self.planes_changed();
        self.plan(self.settings.auto_start_ms, Happening::AutoStart { host, boots });
        if let (Some(task), Ok(element)) = (task, underpin_model::id::ElementId::new(name)) {
            self.done(task, Evidence::Booted { element, boot_id: Some(boot_id), running });
        }
    }

    /// The platform restarts a guest that was cut off, where there is room; otherwise it tries again.
    pub(crate) fn restart(&mut self, guest: usize) {
        let Some(it) = self.guests.get(guest) else { return };
        let cluster = it.host.and_then(|at| self.hosts.get(at)?.cluster);
        let ha = cluster.and_then(|at| self.clusters.get(at)).is_some_and(|it| it.ha_restart);
        if !ha || it.power != PowerState::Off || !it.wanted || it.busy.is_some() {
            return;
        }
        let Some(to) = self.best_target(guest, None, &[], false) else {
            return self.plan(RETRY_MS, Happening::Restart { guest });
        };
        self.relocate(guest, to);
        if let Some(it) = self.guests.get_mut(guest) {
            it.restarts += 1;
        }
        let (vm, host) = (self.guest_name(guest), self.name_of(to));
        self.tell(EventKind::Guest, format!("{vm} is restarted on {host} after a failure"));
        self.power_up(guest);
    }

    /// Guests that are to start by themselves do so on a host that came back, even where a plan keeps it empty.
    pub(crate) fn auto_start(&mut self, host: usize, boots: u32) {
        let Some(it) = self.hosts.get(host).filter(|it| it.boots == boots && it.power == HostPower::Up)
        else {
            return;
        };
        let Some(cluster) = it.cluster else { return };
        if !self.clusters.get(cluster).is_some_and(|it| it.auto_start) {
            return;
        }
        let of_cluster = |it: &super::state::Guest| {
            it.host.and_then(|at| self.hosts.get(at)).is_some_and(|it| it.cluster == Some(cluster))
        };
        let waiting: Vec<usize> = self
            .guests
            .iter()
            .enumerate()
            .filter(|(_, it)| {
                it.auto_start && it.power == PowerState::Off && it.busy.is_none() && of_cluster(it)
            })
            .map(|(at, _)| at)
            .collect();
        for guest in waiting {
            if self.fits(guest, host).is_err() {
                continue;
            }
            self.relocate(guest, host);
            let (vm, name) = (self.guest_name(guest), self.name_of(host));
            self.tell(EventKind::Guest, format!("{vm} starts by itself on {name}"));
            self.power_up(guest);
        }
    }
}
