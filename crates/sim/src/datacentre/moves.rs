//! Migrations: pre-copy rounds over links that all share, and the pause at the end.

use underpin_platforms::platform::FailureKind;

use super::Datacentre;
use super::state::{EventKind, Health, HostPower, Hung, PowerState};
use crate::fault::Subject;
use crate::link::{Flow, max_min};

/// One Mbit/s in MiB/s.
const MIB_S_PER_MBPS: f64 = 1_000_000.0 / 8.0 / 1_048_576.0;
/// Less than that is nothing, in MiB.
const NOTHING_MIB: f64 = 1e-6;

/// Who wanted a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Task(usize),
    Evacuation(usize),
    Balancer,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Phase {
    /// It waits for a slot on both hosts.
    Queued,
    /// Memory is copied while the guest runs.
    Copying { round: u32, round_began_ms: u64, left_mib: f64 },
    /// The guest pauses for the rest.
    Paused { until_ms: u64, pause_ms: u64 },
}

/// A live migration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Move {
    pub(crate) guest: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) origin: Origin,
    /// Bandwidth that it was given.
    most_mbps: Option<u32>,
    pub(crate) phase: Phase,
    /// In MiB/s.
    rate: f64,
    began_ms: u64,
    memory_mib: f64,
    sent_mib: f64,
    /// It copies nothing any more once so much was sent.
    stalls_at_mib: Option<f64>,
    /// It breaks off once so much was sent.
    breaks_at_mib: Option<f64>,
    gives_up_ms: Option<u64>,
}

impl Move {
    /// The target keeps room for it: from its first byte on.
    pub(crate) fn holds_target(&self) -> bool {
        self.phase != Phase::Queued
    }

    pub(crate) fn percent(&self) -> u8 {
        match &self.phase {
            Phase::Queued => 0,
            Phase::Copying { round: 1, left_mib, .. } => {
                let done = 1.0 - left_mib / self.memory_mib.max(NOTHING_MIB);
                (done * 90.0).clamp(0.0, 90.0) as u8
            }
            Phase::Copying { .. } => 90,
            Phase::Paused { .. } => 99,
        }
    }

    /// What it sends until something about it is to be decided.
    fn until_decision_mib(&self, left_mib: f64) -> f64 {
        let by = |limit: Option<f64>| limit.map_or(f64::INFINITY, |it| (it - self.sent_mib).max(0.0));
        left_mib.min(by(self.breaks_at_mib)).min(by(self.stalls_at_mib))
    }

    fn stalled(&self) -> bool {
        self.stalls_at_mib.is_some_and(|it| self.sent_mib >= it - NOTHING_MIB)
    }

    pub(crate) fn next_ms(&self, now_ms: u64) -> Option<u64> {
        let decision = match &self.phase {
            Phase::Queued => None,
            Phase::Paused { until_ms, .. } => return Some(*until_ms),
            Phase::Copying { left_mib, .. } if self.rate > 0.0 && !self.stalled() => {
                let span_ms = (self.until_decision_mib(*left_mib) / self.rate * 1000.0).ceil();
                // Far beyond any clock: it never ends.
                (span_ms < 1e15).then(|| now_ms.saturating_add((span_ms as u64).max(1)))
            }
            Phase::Copying { .. } => None,
        };
        decision.into_iter().chain(self.gives_up_ms).min()
    }

    /// Sends for a while. No decision falls inside: the clock stops at each.
    pub(crate) fn pass(&mut self, span_ms: u64) {
        if self.stalled() {
            return;
        }
        if let Phase::Copying { left_mib, .. } = &mut self.phase {
            let sent = (self.rate * span_ms as f64 / 1000.0).min(*left_mib);
            *left_mib -= sent;
            self.sent_mib += sent;
        }
    }
}

impl Datacentre {
    /// Begins a live migration that was found to be possible.
    pub(crate) fn begin_move(
        &mut self,
        guest: usize,
        from: usize,
        to: usize,
        origin: Origin,
        most_mbps: Option<u32>,
    ) {
        let Some(memory_mib) = self.guests.get(guest).map(|it| it.memory_mib as f64) else { return };
        let (host, vm) = (self.name_of(from), self.guest_name(guest));
        let at = Subject { host: Some(&host), vm: Some(&vm), action: Some("migrate") };
        let stalls = self.strikes("migration-stalls", &at).is_some();
        let breaks = self.strikes("migration-fails", &at).is_some();
        let serial = self.serial();
        self.moves.insert(
            serial,
            Move {
                guest,
                from,
                to,
                origin,
                most_mbps,
                phase: Phase::Queued,
                rate: 0.0,
                began_ms: self.clock_ms,
                memory_mib,
                sent_mib: 0.0,
                stalls_at_mib: stalls.then_some(memory_mib / 2.0),
                breaks_at_mib: breaks.then_some(memory_mib / 2.0),
                gives_up_ms: self.settings.migration_timeout_ms.map(|it| self.clock_ms.saturating_add(it)),
            },
        );
        self.admit_moves();
    }

    /// Starts what waits, in order, where both hosts have a slot.
    fn admit_moves(&mut self) {
        let waiting: Vec<u64> = self
            .moves
            .iter()
            .filter(|(_, it)| it.phase == Phase::Queued)
            .map(|(serial, _)| *serial)
            .collect();
        for serial in waiting {
            let Some((from, to, guest)) = self.moves.get(&serial).map(|it| (it.from, it.to, it.guest)) else {
                continue;
            };
            if !(self.has_slot(from) && self.has_slot(to)) {
                continue;
            }
            // The room that was there when it was ordered may be gone.
            if let Err((kind, text)) = self.fits(guest, to) {
                self.end_move(serial, Err((kind, text)));
                continue;
            }
            let now_ms = self.clock_ms;
            if let Some(it) = self.moves.get_mut(&serial) {
                it.phase = Phase::Copying { round: 1, round_began_ms: now_ms, left_mib: it.memory_mib };
            }
            self.reshare = true;
        }
    }

    fn has_slot(&self, host: usize) -> bool {
        let taken =
            self.moves.values().filter(|it| it.holds_target() && (it.from == host || it.to == host)).count();
        self.hosts.get(host).is_some_and(|it| taken < it.slots as usize)
    }

    /// Shares bandwidth anew where something changed.
    pub(crate) fn share(&mut self) {
        if !std::mem::take(&mut self.reshare) {
            return;
        }
        for it in self.moves.values_mut() {
            it.rate = 0.0;
        }
        // Two links per host (out, in), and one per evacuation whose bandwidth is limited as a whole.
        let mut capacity: Vec<f64> = Vec::new();
        let mut links: std::collections::BTreeMap<(usize, u8), usize> = std::collections::BTreeMap::new();
        let mut flows = Vec::new();
        let copying: Vec<u64> = self
            .moves
            .iter()
            .filter(|(_, it)| matches!(it.phase, Phase::Copying { .. }) && !it.stalled())
            .map(|(serial, _)| *serial)
            .collect();
        for it in copying.iter().filter_map(|serial| self.moves.get(serial)) {
            let mut crossed = Vec::new();
            let whole = match it.origin {
                Origin::Evacuation(task) => it.most_mbps.map(|mbps| (task, 2, mbps)),
                Origin::Task(_) | Origin::Balancer => None,
            };
            let ends = [(it.from, 0, self.link_mbps(it.from)), (it.to, 1, self.link_mbps(it.to))];
            for (of, way, mbps) in ends.into_iter().chain(whole) {
                let link = *links.entry((of, way)).or_insert_with(|| {
                    capacity.push(f64::from(mbps) * MIB_S_PER_MBPS);
                    capacity.len() - 1
                });
                crossed.push(link);
            }
            let alone = it.most_mbps.filter(|_| whole.is_none()).map(|it| f64::from(it) * MIB_S_PER_MBPS);
            flows.push(Flow { links: crossed, most: alone });
        }
        for (serial, rate) in copying.iter().zip(max_min(&capacity, &flows)) {
            if let Some(it) = self.moves.get_mut(serial) {
                it.rate = rate;
            }
        }
    }

    /// The bandwidth that a host's migrations share each way, in Mbit/s.
    fn link_mbps(&self, host: usize) -> u32 {
        let Some(it) = self.hosts.get(host) else { return 0 };
        let over_management =
            it.cluster.and_then(|at| self.clusters.get(at)).is_some_and(|it| it.migrates_over_management);
        let own = if over_management { it.management_mbps } else { it.migration_mbps };
        let slow = self.faults.values().filter_map(|fault| match fault.kind {
            crate::fault::FaultKind::SlowLink(mbps)
                if fault.scope.host.as_deref().is_none_or(|at| at == it.id.as_str()) =>
            {
                Some(mbps)
            }
            _ => None,
        });
        slow.chain([own]).min().unwrap_or(own)
    }

    /// What happens to migrations at this moment.
    pub(crate) fn moves_happen(&mut self) {
        let serials: Vec<u64> = self.moves.keys().copied().collect();
        for serial in serials {
            self.move_happens(serial);
        }
    }

    fn move_happens(&mut self, serial: u64) {
        let now_ms = self.clock_ms;
        let Some(it) = self.moves.get(&serial) else { return };
        let sent_enough = |limit: Option<f64>| limit.is_some_and(|it_at| it.sent_mib >= it_at - NOTHING_MIB);
        if it.gives_up_ms.is_some_and(|end| end <= now_ms) && !matches!(it.phase, Phase::Paused { .. }) {
            let text = format!("it took longer than {} s", (now_ms - it.began_ms) / 1000);
            return self.end_move(serial, Err((FailureKind::TookTooLong, text)));
        }
        if sent_enough(it.breaks_at_mib) {
            let text = "the connection between the hosts broke".to_owned();
            return self.end_move(serial, Err((FailureKind::Other("migration-broke".to_owned()), text)));
        }
        match it.phase.clone() {
            Phase::Copying { round, round_began_ms, left_mib } if left_mib <= NOTHING_MIB => {
                self.round_ends(serial, round, now_ms.saturating_sub(round_began_ms));
            }
            Phase::Paused { until_ms, pause_ms } if until_ms <= now_ms => self.land(serial, pause_ms),
            // What stalls leaves its bandwidth to others.
            _ => self.reshare |= it.stalled() && it.rate > 0.0,
        }
    }

    /// After a round: little enough is left to pause for it, or another round, or it will never be little enough.
    fn round_ends(&mut self, serial: u64, round: u32, took_ms: u64) {
        let now_ms = self.clock_ms;
        let (most_rounds, longest_pause_ms) =
            (self.settings.most_rounds, f64::from(self.settings.longest_pause_ms));
        let Some(it) = self.moves.get(&serial) else { return };
        let dirty_mib_s = self.guests.get(it.guest).map_or(0.0, |it| it.dirty_mib_s);
        let dirtied = (dirty_mib_s * took_ms as f64 / 1000.0).min(it.memory_mib);
        let pause_ms = if dirtied <= NOTHING_MIB { 0.0 } else { dirtied / it.rate * 1000.0 };
        if pause_ms > longest_pause_ms && round >= most_rounds {
            let text = format!(
                "after {round} rounds {dirtied:.0} MiB are left: the guest writes {dirty_mib_s:.0} MiB/s, {:.0} MiB/s are copied",
                it.rate
            );
            return self.end_move(serial, Err((FailureKind::DoesNotConverge, text)));
        }
        let Some(it) = self.moves.get_mut(&serial) else { return };
        it.phase = if pause_ms > longest_pause_ms {
            Phase::Copying { round: round + 1, round_began_ms: now_ms, left_mib: dirtied }
        } else {
            let pause_ms = (pause_ms.ceil() as u64).max(1);
            Phase::Paused { until_ms: now_ms + pause_ms, pause_ms }
        };
        if matches!(it.phase, Phase::Paused { .. }) {
            // The rest is little: it does not take bandwidth from others.
            let guest = it.guest;
            self.reshare = true;
            self.plane_guest_changed(guest);
        }
    }

    /// The guest goes on, on the other host.
    fn land(&mut self, serial: u64, pause_ms: u64) {
        let Some((guest, to)) = self.moves.get(&serial).map(|it| (it.guest, it.to)) else { return };
        self.relocate(guest, to);
        if let Some(it) = self.guests.get_mut(guest) {
            it.moves += 1;
            it.paused_ms += pause_ms;
        }
        self.end_move(serial, Ok(pause_ms));
        self.landed(guest, to);
    }

    /// A guest runs on a host that it was not started on: it may hang there.
    pub(crate) fn landed(&mut self, guest: usize, host: usize) {
        let (vm, on) = (self.guest_name(guest), self.name_of(host));
        let release = self.hosts.get(host).and_then(|it| it.running.clone());
        let at = Subject { host: Some(&on), vm: Some(&vm), action: Some("migrate") };
        if self.strikes_on("hangs", &at, release.as_deref()).is_some() {
            if let Some(it) = self.guests.get_mut(guest) {
                it.health = Health::Hung(Hung::Landed);
            }
            let release = release.unwrap_or_else(|| "an unknown release".to_owned());
            self.tell(
                EventKind::Harm,
                format!("{vm} runs and does not answer since it landed on {on} ({release})"),
            );
        }
        self.plane_guest_changed(guest);
    }

    /// A migration is over, one way or the other.
    pub(crate) fn end_move(&mut self, serial: u64, result: Result<u64, super::fit::No>) {
        let Some(it) = self.moves.remove(&serial) else { return };
        self.reshare = true;
        let (vm, from, to) = (self.guest_name(it.guest), self.name_of(it.from), self.name_of(it.to));
        let took_s = (self.clock_ms - it.began_ms) / 1000;
        match &result {
            Ok(pause_ms) => self.tell(
                EventKind::Guest,
                format!("{vm} moved from {from} to {to} in {took_s} s, paused {pause_ms} ms"),
            ),
            Err((kind, text)) => {
                self.tell(EventKind::Guest, format!("{vm} did not move from {from} to {to}: {kind}: {text}"));
            }
        }
        match it.origin {
            Origin::Task(task) => self.move_of_task_ended(task, it.guest, result),
            Origin::Evacuation(task) => self.move_of_evacuation_ended(task, it.guest, it.to, result),
            Origin::Balancer => {}
        }
        self.admit_moves();
        self.plane_guest_changed(it.guest);
    }

    /// Migrations that cannot go on because a host went down, or their guest did.
    pub(crate) fn break_moves(&mut self, host: usize) {
        let broken: Vec<u64> = self
            .moves
            .iter()
            .filter(|(_, it)| it.from == host || it.to == host)
            .map(|(serial, _)| *serial)
            .collect();
        for serial in broken {
            let down = self.name_of(host);
            let state = self.hosts.get(host).map_or("gone", |it| match it.power {
                HostPower::Up => "out of reach",
                HostPower::Rebooting | HostPower::Down => "down",
            });
            self.end_move(serial, Err((FailureKind::HostNotReady, format!("host {down} is {state}"))));
        }
    }

    /// The serial of a guest's migration, if it is on its way.
    pub(crate) fn move_of(&self, guest: usize) -> Option<u64> {
        self.moves.iter().find(|(_, it)| it.guest == guest).map(|(serial, _)| *serial)
    }

    pub(crate) fn name_of(&self, host: usize) -> String {
        self.hosts.get(host).map_or_else(String::new, |it| it.id.to_string())
    }

    pub(crate) fn guest_name(&self, guest: usize) -> String {
        self.guests.get(guest).map_or_else(String::new, |it| it.id.to_string())
    }

    /// A guest that runs on a host that does.
    pub(crate) fn runs(&self, guest: usize) -> bool {
        self.guests.get(guest).is_some_and(|it| {
            it.power == PowerState::On
                && it.host.and_then(|at| self.hosts.get(at)).is_some_and(|it| it.power == HostPower::Up)
        })
    }
}
