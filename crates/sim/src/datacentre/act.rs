//! Orders begin: what is checked first, and how long it takes.

use std::collections::BTreeSet;

use underpin_model::change::Method;
use underpin_model::plan::Frozen;
use underpin_model::policy::{Durations, Spread};
use underpin_platforms::platform::{Action, Evidence, FailureKind, Saved};

use super::Datacentre;
use super::fit::No;
use super::moves::Origin;
use super::state::{EventKind, Happening, HostPower, PowerState, TaskPhase};
use crate::fault::{FaultKind, Subject};

impl Datacentre {
    /// Begins what a task was ordered for.
    pub(crate) fn act(&mut self, task: usize) {
        let Some(action) = self.tasks.get(task).map(|it| it.action.clone()) else { return };
        let (host, vm) = subject(&action);
        let at = Subject { host: host.as_deref(), vm: vm.as_deref(), action: Some(action.name()) };
        if self.strikes("lies", &at).is_some() {
            if let Some(it) = self.tasks.get_mut(task) {
                it.lie = true;
            }
            let spread = self.usual(&action);
            return self.ends_in(task, spread, 1.0);
        }
        if let Err((kind, text)) = self.try_act(task, &action) {
            self.fail(task, kind, text);
        }
    }

    fn try_act(&mut self, task: usize, action: &Action) -> Result<(), No> {
        match action {
            Action::Freeze { cluster, what } => self.freeze(task, cluster.as_str(), what),
            Action::Thaw { cluster, saved } => self.thaw(task, cluster.as_str(), saved),
            Action::Migrate { vm, from, to, live, mbps } => {
                let (guest, from) = self.guest_on(vm.as_str(), from.as_str())?;
                let to = self.at_host(to.as_str())?;
                self.migrate(task, guest, (from, to), *live, *mbps)
            }
            Action::Evacuate { host, .. } => self.evacuate(task, host.as_str()),
            Action::Stop { vm, host } => self.guest_task(task, vm.as_str(), host.as_str(), PowerState::On),
            Action::Suspend { vm, host } => self.guest_task(task, vm.as_str(), host.as_str(), PowerState::On),
            Action::Resume { vm, host } => {
                self.guest_task(task, vm.as_str(), host.as_str(), PowerState::Suspended)
            }
            Action::Start { vm, host } => self.start(task, vm.as_str(), host.as_str()),
            Action::Stage { element, .. }
            | Action::BackupCheck { element }
            | Action::Attest { element }
            | Action::Verify { element } => self.element_task(task, element.as_str(), action),
            Action::Patch { element, .. } => self.patch(task, element.as_str(), action),
            Action::Reboot { element, quick } => self.reboot(task, element.as_str(), *quick),
            Action::EnterMaintenance { host } => self.maintenance(task, host.as_str(), true),
            Action::ExitMaintenance { host } => self.maintenance(task, host.as_str(), false),
        }
    }

    fn freeze(&mut self, task: usize, cluster: &str, what: &BTreeSet<Frozen>) -> Result<(), No> {
        let at = self.index.clusters.get(cluster).copied().ok_or_else(|| gone("cluster", cluster))?;
        let saved: Saved = what.iter().map(|it| (*it, self.in_force(at, *it))).collect();
        for it in what {
            self.set_in_force(at, *it, false);
        }
        self.done(task, Evidence::Frozen { saved });
        Ok(())
    }

    fn thaw(&mut self, task: usize, cluster: &str, saved: &Saved) -> Result<(), No> {
        let at = self.index.clusters.get(cluster).copied().ok_or_else(|| gone("cluster", cluster))?;
        for (what, on) in saved {
            self.set_in_force(at, *what, *on);
        }
        let now = saved.keys().map(|it| (*it, self.in_force(at, *it))).collect();
        self.done(task, Evidence::Thawed { now });
        Ok(())
    }

    fn migrate(
        &mut self,
        task: usize,
        guest: usize,
        (from, to): (usize, usize),
        live: bool,
        mbps: Option<u32>,
    ) -> Result<(), No> {
        self.bound(guest, live)?;
        if let Some(host) = self.hosts.get(from) {
            Self::answers(host)?;
        }
        let power = self.guests.get(guest).map_or(PowerState::Off, |it| it.power);
        if live && power != PowerState::On {
            let text = format!(
                "{} does not run; move it while it is off, or start it first",
                self.guest_name(guest)
            );
            return Err((FailureKind::NotAsExpected, text));
        }
        if from == to {
            return Err((FailureKind::NotAsExpected, format!("{} is there already", self.guest_name(guest))));
        }
        self.fits(guest, to)?;
        if live {
            self.not_lower(guest, to)?;
        }
        self.take_guest(task, guest)?;
        if live {
            self.begin_move(guest, from, to, Origin::Task(task), mbps);
            return Ok(());
        }
        if let Some(it) = self.tasks.get_mut(task) {
            it.was_on = power == PowerState::On;
        }
        if let Some(it) = self.guests.get_mut(guest).filter(|it| it.power == PowerState::On) {
            it.power = PowerState::Off;
        }
        self.plane_guest_changed(guest);
        self.ends_in(task, self.settings.guest_action, 1.0);
        Ok(())
    }

    fn evacuate(&mut self, task: usize, host: &str) -> Result<(), No> {
        let at = self.at_host(host)?;
        self.answering(at)?;
        self.keeps_reserve(at, true, 0)?;
        if let Some(it) = self.hosts.get_mut(at) {
            it.maintenance = true;
        }
        self.plan(0, Happening::EvacuationLooks(task));
        Ok(())
    }

    fn guest_task(&mut self, task: usize, vm: &str, host: &str, expected: PowerState) -> Result<(), No> {
        let (guest, at) = self.guest_on(vm, host)?;
        self.answering(at)?;
        let power = self.guests.get(guest).map(|it| it.power);
        if power != Some(expected) {
            let now = power.map_or("gone", power_name);
            let text = format!("{vm} is {now}, expected {}", power_name(expected));
            return Err((FailureKind::NotAsExpected, text));
        }
        if self.move_of(guest).is_some() {
            return Err((FailureKind::Busy, format!("{vm} is being moved")));
        }
        self.take_guest(task, guest)?;
        self.ends_in(task, self.settings.guest_action, 1.0);
        Ok(())
    }

    fn start(&mut self, task: usize, vm: &str, host: &str) -> Result<(), No> {
        let guest = self.guest_at(vm).ok_or_else(|| gone("guest", vm))?;
        let at = self.at_host(host)?;
        if self.guests.get(guest).is_some_and(|it| it.power != PowerState::Off) {
            return Err((FailureKind::NotAsExpected, format!("{vm} is not off")));
        }
        if self.guests.get(guest).is_some_and(|it| it.host.is_some_and(|it| it != at)) {
            self.bound(guest, false)?;
        }
        self.fits(guest, at)?;
        self.keeps_reserve(at, false, self.guests.get(guest).map_or(0, |it| it.memory_mib))?;
        self.take_guest(task, guest)?;
        self.ends_in(task, self.settings.guest_action, 1.0);
        Ok(())
    }

    fn element_task(&mut self, task: usize, element: &str, action: &Action) -> Result<(), No> {
        if let Some(host) = self.host_at(element) {
            self.answering(host)?;
        }
        let slow = if matches!(action, Action::Stage { .. }) { self.slow_storage(element) } else { 1.0 };
        let spread = self.usual(action);
        self.ends_in(task, spread, slow);
        Ok(())
    }

    fn patch(&mut self, task: usize, element: &str, action: &Action) -> Result<(), No> {
        let Action::Patch { method, to, .. } = action else { return Ok(()) };
        let usual = self.usual(action);
        let slow = self.slow_storage(element);
        let Some(at) = self.host_at(element) else {
            self.change_element(element, true);
            self.ends_in(task, usual, slow);
            return Ok(());
        };
        self.answering(at)?;
        self.take_host(task, at)?;
        let staged = self.hosts.get(at).is_some_and(|it| it.staged.contains(to));
        // What was not brought before is brought now.
        let stage = if staged { Spread::new(0, 0) } else { self.durations_of(*method).stage };
        let spread =
            Spread::new(usual.p50_s.saturating_add(stage.p50_s), usual.p95_s.saturating_add(stage.p95_s));
        self.ends_in(task, spread, slow);
        Ok(())
    }

    fn reboot(&mut self, task: usize, element: &str, quick: bool) -> Result<(), No> {
        let Some(at) = self.host_at(element) else {
            self.change_element(element, true);
            let spread = self.durations_of(Method::EvacuateReboot).reboot;
            self.ends_in(task, spread, 1.0);
            return Ok(());
        };
        self.answering(at)?;
        let occupied = self.running_on(at);
        if self.settings.refuses_occupied && occupied > 0 {
            let text = format!("host {element} has {occupied} running guests; move or stop them first");
            return Err((FailureKind::NotAsExpected, text));
        }
        self.take_host(task, at)?;
        let method = if quick { Method::QuickBoot } else { Method::EvacuateReboot };
        let spread = self.durations_of(method).reboot;
        let subject = Subject { host: Some(element), vm: None, action: Some("reboot") };
        if self.strikes("no-reboot", &subject).is_some() {
            self.ends_in(task, spread, 1.0);
            return Ok(());
        }
        let slow = match self.strikes("slow-return", &subject) {
            Some(FaultKind::SlowReturn(factor)) => factor,
            _ => 1.0,
        };
        let span_ms = self.takes_ms(spread, slow);
        if let Some(it) = self.tasks.get_mut(task) {
            it.ends_ms = Some(self.clock_ms.saturating_add(span_ms));
        }
        if let Some(most_ms) = self.settings.reboot_timeout_ms {
            self.plan(most_ms, Happening::TaskEnds(task));
        }
        self.host_goes_down(at, HostPower::Rebooting, quick, "it reboots");
        let away = self.hosts.get(at).map_or(0, |it| it.away);
        self.plan(span_ms, Happening::HostReturns { host: at, away, task: Some(task) });
        Ok(())
    }

    fn maintenance(&mut self, task: usize, host: &str, on: bool) -> Result<(), No> {
        let at = self.at_host(host)?;
        self.answering(at)?;
        if on {
            self.keeps_reserve(at, true, 0)?;
        }
        let Some(it) = self.hosts.get_mut(at) else { return Ok(()) };
        it.maintenance = on;
        let host = it.id.clone();
        self.done(task, Evidence::Maintenance { host, on });
        Ok(())
    }

    /// A guest that is on the host that the order names.
    fn guest_on(&self, vm: &str, host: &str) -> Result<(usize, usize), No> {
        let guest = self.guest_at(vm).ok_or_else(|| gone("guest", vm))?;
        let at = self.at_host(host)?;
        match self.guests.get(guest).and_then(|it| it.host) {
            Some(found) if found == at => Ok((guest, at)),
            found => {
                let found =
                    found.map_or_else(|| "on no host".to_owned(), |it| format!("on {}", self.name_of(it)));
                Err((
                    FailureKind::NotAsExpected,
                    format!("{vm} is {found}, expected on {host}; observe again"),
                ))
            }
        }
    }

    fn at_host(&self, host: &str) -> Result<usize, No> {
        self.host_at(host).ok_or_else(|| gone("host", host))
    }

    fn answering(&self, host: usize) -> Result<(), No> {
        self.hosts.get(host).map_or(Ok(()), Self::answers)
    }

    /// Nobody else works on the guest.
    fn take_guest(&mut self, task: usize, guest: usize) -> Result<(), No> {
        let moved = self.move_of(guest).is_some();
        let other = self.guests.get(guest).and_then(|it| it.busy);
        if moved || other.is_some() {
            let by =
                other.map_or_else(|| "the platform's own move".to_owned(), |it| format!("task-{}", it + 1));
            return Err((FailureKind::Busy, format!("{} is held by {by}", self.guest_name(guest))));
        }
        if let Some(it) = self.guests.get_mut(guest) {
            it.busy = Some(task);
        }
        Ok(())
    }

    fn take_host(&mut self, task: usize, host: usize) -> Result<(), No> {
        let Some(it) = self.hosts.get_mut(host) else { return Ok(()) };
        if let Some(other) = it.busy {
            return Err((FailureKind::Busy, format!("host {} is held by task-{}", it.id, other + 1)));
        }
        it.busy = Some(task);
        Ok(())
    }

    /// Running guests on a host.
    pub(crate) fn running_on(&self, host: usize) -> usize {
        let here = self.hosts.get(host).into_iter().flat_map(|it| it.guests.iter());
        here.filter_map(|it| self.guests.get(*it)).filter(|it| it.power == PowerState::On).count()
    }

    /// How long the steps of a method take: as the story sets it, else as the changes of the drain declare.
    fn durations_of(&self, method: Method) -> Durations {
        let set = self.settings.durations.get(&method).copied();
        set.or(self.declared).unwrap_or_else(|| Durations::of(method))
    }

    /// How long an action usually takes.
    pub(crate) fn usual(&self, action: &Action) -> Spread {
        let of = |method: Method| self.durations_of(method);
        match action {
            Action::Stage { .. } => of(Method::EvacuateReboot).stage,
            Action::BackupCheck { .. } => Spread::new(30, 60),
            Action::Patch { method, .. } => of(*method).patch,
            Action::Reboot { quick: true, .. } => of(Method::QuickBoot).reboot,
            Action::Reboot { quick: false, .. } => of(Method::EvacuateReboot).reboot,
            Action::Attest { .. } => of(Method::EvacuateReboot).attest,
            Action::Verify { .. } => of(Method::EvacuateReboot).verify,
            _ => self.settings.guest_action,
        }
    }

    pub(crate) fn takes_ms(&mut self, spread: Spread, slow: f64) -> u64 {
        let drawn_ms = self.dice.duration_ms(spread);
        let ms = if self.settings.exact { u64::from(spread.p50_s) * 1000 } else { drawn_ms };
        // A factor of a script may be anything; a year is long enough for every task.
        (ms as f64 * slow.clamp(0.0, 1e6)).min(365.0 * 86_400_000.0) as u64
    }

    fn ends_in(&mut self, task: usize, spread: Spread, slow: f64) {
        let span_ms = self.takes_ms(spread, slow);
        if let Some(it) = self.tasks.get_mut(task) {
            it.ends_ms = Some(self.clock_ms.saturating_add(span_ms));
        }
        self.plan(span_ms, Happening::TaskEnds(task));
    }

    /// Ends a task well.
    pub(crate) fn done(&mut self, task: usize, evidence: Evidence) {
        self.end_task(task, TaskPhase::Done(evidence));
    }

    /// Ends a task badly.
    pub(crate) fn fail(&mut self, task: usize, kind: FailureKind, text: String) {
        self.end_task(task, TaskPhase::Failed(kind, text));
    }

    fn end_task(&mut self, task: usize, phase: TaskPhase) {
        let now_ms = self.clock_ms;
        let Some(it) = self.tasks.get_mut(task).filter(|it| it.phase == TaskPhase::Running) else { return };
        let text = match &phase {
            TaskPhase::Failed(kind, text) => {
                format!("task-{} {}: failed: {kind}: {text}", task + 1, it.action.name())
            }
            other => format!("task-{} {}: {}", task + 1, it.action.name(), other.name()),
        };
        it.phase = phase;
        it.ended_ms = Some(now_ms);
        let (host, vm) = subject(&it.action);
        self.running = self.running.saturating_sub(1);
        if let Some(it) = vm.and_then(|it| self.guest_at(&it)).and_then(|it| self.guests.get_mut(it)) {
            it.busy = it.busy.filter(|it| *it != task);
        }
        if let Some(it) = host.and_then(|it| self.host_at(&it)).and_then(|it| self.hosts.get_mut(it)) {
            it.busy = it.busy.filter(|it| *it != task);
        }
        self.tell(EventKind::Task, text);
    }
}

fn gone(kind: &str, id: &str) -> No {
    (FailureKind::NotAsExpected, format!("there is no {kind} {id} any more; observe again"))
}

/// The word for the power of a guest.
pub(crate) const fn power_name(power: PowerState) -> &'static str {
    match power {
        PowerState::On => "on",
        PowerState::Off => "off",
        PowerState::Suspended => "suspended",
    }
}

/// The host (or other element) and the guest that an action is about.
pub(crate) fn subject(action: &Action) -> (Option<String>, Option<String>) {
    match action {
        Action::Freeze { .. } | Action::Thaw { .. } => (None, None),
        Action::Migrate { vm, from, .. } => (Some(from.to_string()), Some(vm.to_string())),
        Action::Stop { vm, host }
        | Action::Start { vm, host }
        | Action::Suspend { vm, host }
        | Action::Resume { vm, host } => (Some(host.to_string()), Some(vm.to_string())),
        Action::Evacuate { host, .. }
        | Action::EnterMaintenance { host }
        | Action::ExitMaintenance { host } => (Some(host.to_string()), None),
        Action::Stage { element, .. }
        | Action::BackupCheck { element }
        | Action::Patch { element, .. }
        | Action::Reboot { element, .. }
        | Action::Attest { element }
        | Action::Verify { element } => (Some(element.to_string()), None),
    }
}
