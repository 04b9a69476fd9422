//! Orders end: what they did.

use underpin_model::change::Method;
use underpin_platforms::platform::{Action, Evidence, FailureKind, GuestHealth};

use super::Datacentre;
use super::fit::No;
use super::state::{EventKind, Happening, Health, HostPower, PowerState, TaskPhase};
use crate::fault::Subject;

/// Measurements that a boot is compared by: the PCRs 0 to 7 of the firmware.
const COMPARED: u32 = 8;

impl Datacentre {
    /// The time of a task is over.
    pub(crate) fn task_ends(&mut self, task: usize) {
        let Some(it) = self.tasks.get(task).filter(|it| it.phase == TaskPhase::Running) else { return };
        let (action, lie, was_on) = (it.action.clone(), it.lie, it.was_on);
        if lie {
            let evidence = self.pretended(&action);
            return self.done(task, evidence);
        }
        let result = match &action {
            Action::Stage { element, to } => self.staged(element.as_str(), to),
            Action::Patch { element, method, to, .. } => self.patched(element.as_str(), *method, to),
            Action::Reboot { element, .. } => self.reboot_time_is_over(element.as_str()),
            Action::Attest { element } => self.attested(element.as_str()),
            Action::Verify { element } => self.verified(element.as_str()),
            Action::Migrate { vm, to, .. } => self.moved_off(vm.as_str(), to.as_str(), was_on),
            Action::Stop { vm, .. } => self.powered(vm.as_str(), PowerState::Off),
            Action::Suspend { vm, .. } => self.powered(vm.as_str(), PowerState::Suspended),
            Action::Resume { vm, .. } => self.powered(vm.as_str(), PowerState::On),
            Action::Start { vm, host } => self.started(vm.as_str(), host.as_str()),
            _ => Ok(Evidence::Word),
        };
        match result {
            Ok(evidence) => self.done(task, evidence),
            Err((kind, text)) => self.fail(task, kind, text),
        }
    }

    fn staged(&mut self, element: &str, to: &[String]) -> Result<Evidence, No> {
        if let Some(host) = self.host_at(element).and_then(|it| self.hosts.get_mut(it)) {
            Self::answers(host)?;
            host.staged.extend(to.iter().cloned());
        }
        Ok(Evidence::Word)
    }

    fn patched(&mut self, element: &str, method: Method, to: &str) -> Result<Evidence, No> {
        let id = element_id(element)?;
        let Some(host) = self.host_at(element).and_then(|it| self.hosts.get_mut(it)) else {
            self.change_element(element, false);
            return Ok(Evidence::Installed { element: id, release: Some(to.to_owned()) });
        };
        // A setting is in force at once; one that takes a reboot is rebooted afterwards all the same.
        if let Some((name, value)) = to.split_once('=') {
            host.settings.insert(name.to_owned(), value.to_owned());
            return Ok(Evidence::Installed { element: id, release: host.installed.clone() });
        }
        host.installed = Some(to.to_owned());
        if matches!(method, Method::LivePatch | Method::InPlace) {
            host.running = Some(to.to_owned());
        }
        Ok(Evidence::Installed { element: id, release: Some(to.to_owned()) })
    }

    /// The time that a reboot may take is over: it never went down, or it is not back yet.
    fn reboot_time_is_over(&mut self, element: &str) -> Result<Evidence, No> {
        let id = element_id(element)?;
        let Some(host) = self.host_at(element).and_then(|it| self.hosts.get(it)) else {
            self.change_element(element, false);
            return Ok(Evidence::Booted { element: id, boot_id: None, running: None });
        };
        if host.power != HostPower::Up {
            return Err((FailureKind::TookTooLong, format!("host {element} is not back")));
        }
        Ok(Evidence::Booted {
            element: id,
            boot_id: Some(host.boot_id.clone()),
            running: host.running.clone(),
        })
    }

    fn attested(&mut self, element: &str) -> Result<Evidence, No> {
        if let Some(host) = self.host_at(element).and_then(|it| self.hosts.get(it)) {
            Self::answers(host)?;
        }
        let at = Subject { host: Some(element), vm: None, action: Some("attest") };
        let differ = self.strikes("attestation-differs", &at).map(|_| "PCR 4".to_owned());
        let differ = differ.into_iter().collect();
        Ok(Evidence::Attested { element: element_id(element)?, compared: COMPARED, differ })
    }

    fn verified(&mut self, element: &str) -> Result<Evidence, No> {
        let id = element_id(element)?;
        let Some(host) = self.host_at(element) else {
            return Ok(Evidence::Verified { element: id, facts: None, unwell: Vec::new() });
        };
        if let Some(it) = self.hosts.get(host) {
            Self::answers(it)?;
        }
        let here = self.hosts.get(host).into_iter().flat_map(|it| it.guests.iter());
        let guests = here.filter_map(|it| self.guests.get(*it)).filter(|it| it.power == PowerState::On);
        let unwell =
            guests.filter(|it| it.health != Health::Well).map(|it| (it.id.clone(), health(it.health)));
        Ok(Evidence::Verified { element: id, unwell: unwell.collect(), facts: self.facts(host) })
    }

    /// A guest that was moved while it was off.
    fn moved_off(&mut self, vm: &str, to: &str, was_on: bool) -> Result<Evidence, No> {
        let (Some(guest), Some(host)) = (self.guest_at(vm), self.host_at(to)) else {
            return Ok(Evidence::Word);
        };
        let result = self.fits(guest, host);
        if result.is_ok() {
            self.relocate(guest, host);
            self.tell(EventKind::Guest, format!("{vm} moved to {to} while it was off"));
            if let Some(it) = self.guests.get_mut(guest) {
                it.moves += 1;
            }
        }
        let at = self.guests.get(guest).and_then(|it| it.host);
        if was_on && self.host_is_up(guest) && at.is_some_and(|at| self.fits(guest, at).is_ok()) {
            // Where it was, if it could not go; its room may be gone.
            self.power_up(guest);
        } else if was_on {
            self.plan(0, Happening::Restart { guest });
        }
        result.map(|()| self.evidence_of(guest))
    }

    fn powered(&mut self, vm: &str, power: PowerState) -> Result<Evidence, No> {
        let Some(guest) = self.guest_at(vm) else { return Ok(Evidence::Word) };
        if let Some(host) = self.guests.get(guest).and_then(|it| self.hosts.get(it.host?)) {
            Self::answers(host)?;
        }
        if let Some(it) = self.guests.get_mut(guest) {
            it.power = power;
            it.wanted = power != PowerState::Off;
        }
        let state = super::act::power_name(power);
        self.tell(EventKind::Guest, format!("{vm} is {state}"));
        self.plane_guest_changed(guest);
        Ok(self.evidence_of(guest))
    }

    fn started(&mut self, vm: &str, host: &str) -> Result<Evidence, No> {
        let (Some(guest), Some(host)) = (self.guest_at(vm), self.host_at(host)) else {
            return Ok(Evidence::Word);
        };
        // The room may be gone since it was ordered.
        self.fits(guest, host)?;
        self.relocate(guest, host);
        self.power_up(guest);
        Ok(self.evidence_of(guest))
    }

    fn host_is_up(&self, guest: usize) -> bool {
        let host = self.guests.get(guest).and_then(|it| self.hosts.get(it.host?));
        host.is_some_and(|it| it.power == HostPower::Up)
    }

    /// A guest boots where it is.
    pub(crate) fn power_up(&mut self, guest: usize) {
        let span_ms = self.takes_ms(self.settings.guest_boot, 1.0);
        let Some(it) = self.guests.get_mut(guest) else { return };
        it.power = PowerState::On;
        it.health = Health::Booting;
        it.wanted = true;
        it.starts += 1;
        let starts = it.starts;
        self.plan(span_ms, Happening::GuestBooted { guest, starts });
        self.plane_guest_changed(guest);
    }

    pub(crate) fn guest_booted(&mut self, guest: usize, starts: u32) {
        let Some(it) = self.guests.get_mut(guest) else { return };
        if it.starts == starts && it.power == PowerState::On && it.health == Health::Booting {
            it.health = Health::Well;
            self.plane_guest_changed(guest);
        }
    }

    fn evidence_of(&self, guest: usize) -> Evidence {
        let Some(it) = self.guests.get(guest) else { return Evidence::Word };
        let host = it.host.and_then(|at| self.hosts.get(at)).map(|it| it.id.clone());
        Evidence::Guest { vm: it.id.clone(), host, power: it.power, pause_ms: None }
    }

    pub(crate) fn move_of_task_ended(&mut self, task: usize, guest: usize, result: Result<u64, No>) {
        match result {
            Ok(paused_ms) => {
                let mut evidence = self.evidence_of(guest);
                if let Evidence::Guest { pause_ms, .. } = &mut evidence {
                    *pause_ms = Some(paused_ms);
                }
                self.done(task, evidence);
            }
            Err((kind, text)) => self.fail(task, kind, text),
        }
    }

    /// What a platform that lies says was done.
    fn pretended(&self, action: &Action) -> Evidence {
        match action {
            Action::Migrate { vm, to, .. } => Evidence::Guest {
                vm: vm.clone(),
                host: Some(to.clone()),
                power: PowerState::On,
                pause_ms: Some(u64::from(self.settings.longest_pause_ms) / 2),
            },
            Action::Patch { element, to, .. } => {
                Evidence::Installed { element: element.clone(), release: Some(to.clone()) }
            }
            Action::Reboot { element, .. } => {
                let host = self.host_at(element.as_str()).and_then(|it| self.hosts.get(it));
                Evidence::Booted {
                    element: element.clone(),
                    boot_id: host.map(|it| format!("{}/boot/{}", it.id, it.boots + 1)),
                    running: host.and_then(|it| it.installed.clone()),
                }
            }
            Action::Evacuate { host, .. } => Evidence::Emptied { host: host.clone(), moved: Vec::new() },
            Action::EnterMaintenance { host } => Evidence::Maintenance { host: host.clone(), on: true },
            Action::ExitMaintenance { host } => Evidence::Maintenance { host: host.clone(), on: false },
            _ => Evidence::Word,
        }
    }
}

/// Health as the platform tells it.
pub(crate) fn health(health: Health) -> GuestHealth {
    match health {
        Health::Well => GuestHealth::Well,
        Health::Booting => GuestHealth::Booting,
        Health::Hung(_) => GuestHealth::Hung,
    }
}

fn element_id(element: &str) -> Result<underpin_model::id::ElementId, No> {
    underpin_model::id::ElementId::new(element).map_err(|it| (FailureKind::NotAsExpected, it.to_string()))
}
