//! Faults: when they begin, strike and end.

use std::sync::Arc;

use super::Datacentre;
use super::state::{EventKind, Happening, HostPower};
use crate::fault::{Fault, FaultKind, Often, Subject};

impl Datacentre {
    /// Adds a fault now. Returns the number by which it can be mended.
    pub fn add_fault(&mut self, fault: Fault) -> u64 {
        let number = self.fault_begins(Box::new(fault));
        self.share();
        number
    }

    /// Adds a fault that begins later.
    pub fn schedule_fault(&mut self, in_ms: u64, fault: Fault) {
        self.plan(in_ms, Happening::FaultBegins(Box::new(fault)));
    }

    /// Mends a fault. False: there is none with this number.
    pub fn mend(&mut self, number: u64) -> bool {
        let there = self.faults.contains_key(&number);
        self.fault_ends(number);
        self.share();
        there
    }

    /// The faults that are there, by number.
    pub fn faults(&self) -> impl Iterator<Item = (u64, &Fault)> {
        self.faults.iter().map(|(number, fault)| (*number, fault))
    }

    /// Positions of the hosts that a fault is about.
    fn hosts_of(&self, fault: &Fault) -> Vec<usize> {
        match &fault.scope.host {
            Some(host) => self.host_at(host).into_iter().collect(),
            None => (0..self.hosts.len()).collect(),
        }
    }

    pub(crate) fn fault_begins(&mut self, fault: Box<Fault>) -> u64 {
        let number = self.serial();
        if let Some(until_ms) = fault.until_ms {
            self.plan(until_ms.saturating_sub(self.clock_ms), Happening::FaultEnds(number));
        }
        let about = self.hosts_of(&fault);
        let place = fault.scope.host.as_ref().or(fault.scope.vm.as_ref());
        let place = place.map_or_else(String::new, |it| format!(" at {it}"));
        self.tell(EventKind::Fault, format!("fault {}{place} begins", fault.kind.name()));
        let kind = fault.kind.clone();
        if kind == FaultKind::StaleInventory {
            self.stale = Some(Arc::new(self.seen()));
        }
        self.faults.insert(number, *fault);
        self.reshare = true;
        for host in about {
            match kind {
                FaultKind::PowerLoss if self.hosts.get(host).is_some_and(|it| it.power == HostPower::Up) => {
                    self.host_goes_down(host, HostPower::Down, false, "its power is lost");
                }
                FaultKind::Partition => self.partition(host, true),
                FaultKind::Flapping { .. } => self.flaps(number, host),
                _ => {}
            }
        }
        number
    }

    pub(crate) fn fault_ends(&mut self, number: u64) {
        let Some(fault) = self.faults.remove(&number) else { return };
        self.reshare = true;
        self.tell(EventKind::Fault, format!("fault {} ends", fault.kind.name()));
        if fault.kind == FaultKind::StaleInventory {
            self.stale = None;
        }
        for host in self.hosts_of(&fault) {
            match fault.kind {
                FaultKind::PowerLoss => self.power_is_back(host),
                FaultKind::Partition | FaultKind::Flapping { .. } => self.partition(host, false),
                _ => {}
            }
        }
    }

    /// A host that is down boots. True if it was down.
    pub fn power_on(&mut self, host: &str) -> bool {
        match self.host_at(host) {
            Some(at) if self.hosts.get(at).is_some_and(|it| it.power == HostPower::Down) => {
                self.power_is_back(at);
                true
            }
            _ => false,
        }
    }

    fn power_is_back(&mut self, host: usize) {
        let Some(it) = self.hosts.get_mut(host).filter(|it| it.power == HostPower::Down) else { return };
        it.power = HostPower::Rebooting;
        // Whoever waits for a reboot that did not end waits for this.
        let (away, task) = (it.away, it.busy);
        let spread = self.settings.durations_of(underpin_model::change::Method::EvacuateReboot).reboot;
        let span_ms = self.takes_ms(spread, 1.0);
        self.plan(span_ms, Happening::HostReturns { host, away, task });
    }

    /// Management of a host goes or comes. Its guests run on, and nothing is restarted: storage shows that it lives.
    fn partition(&mut self, host: usize, partitioned: bool) {
        let Some(it) = self.hosts.get_mut(host).filter(|it| it.partitioned != partitioned) else { return };
        it.partitioned = partitioned;
        let text = format!("{} {}", it.id, if partitioned { "does not answer" } else { "answers again" });
        self.tell(EventKind::Host, text);
    }

    pub(crate) fn flaps(&mut self, fault: u64, host: usize) {
        let Some(FaultKind::Flapping { away_ms, back_ms }) =
            self.faults.get(&fault).map(|it| it.kind.clone())
        else {
            return;
        };
        let goes = self.hosts.get(host).is_some_and(|it| !it.partitioned);
        self.partition(host, goes);
        let span_ms = if goes { away_ms } else { back_ms };
        // At least a second: a host that flaps for ever must not stop the clock.
        self.plan(span_ms.max(1000), Happening::Flaps { fault, host });
    }

    /// Whether a fault strikes here. One that strikes so many times has one time less afterwards.
    pub(crate) fn strikes(&mut self, kind: &str, at: &Subject<'_>) -> Option<FaultKind> {
        self.strikes_on(kind, at, None)
    }

    /// The same for faults that are about a release.
    pub(crate) fn strikes_on(
        &mut self,
        kind: &str,
        at: &Subject<'_>,
        release: Option<&str>,
    ) -> Option<FaultKind> {
        let about = |fault: &Fault| {
            let on_release = match &fault.kind {
                FaultKind::Hangs { on: Some(on) } => release == Some(on.as_str()),
                _ => true,
            };
            fault.kind.name() == kind && fault.is_about(at) && on_release
        };
        let candidates: Vec<u64> =
            self.faults.iter().filter(|(_, it)| about(it)).map(|(number, _)| *number).collect();
        for number in candidates {
            let Some((often, found)) = self.faults.get(&number).map(|it| (it.often, it.kind.clone())) else {
                continue;
            };
            let struck = match often {
                Often::Always => true,
                Often::Times(left) => {
                    if let Some(it) = self.faults.get_mut(&number) {
                        it.often = Often::Times(left.saturating_sub(1));
                    }
                    if left <= 1 {
                        self.faults.remove(&number);
                    }
                    left > 0
                }
                Often::Rate(rate) => self.dice.chance(rate),
            };
            if struck {
                let place = at.vm.or(at.host).map_or_else(String::new, |it| format!(" at {it}"));
                self.tell(EventKind::Fault, format!("fault {kind} strikes{place}"));
                return Some(found);
            }
        }
        None
    }

    /// By how much the platform's clock is ahead, in milliseconds.
    pub(crate) fn skew_ms(&self) -> i64 {
        let skews = self.faults.values().filter_map(|it| match it.kind {
            FaultKind::ClockSkew(ms) => Some(ms),
            _ => None,
        });
        skews.fold(0, i64::saturating_add)
    }
}
