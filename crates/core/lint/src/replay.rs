//! The replay of a group of pools: event by event, ends before starts in the same second, and all checks at the end of it.

use underpin_model::plan::{Rule, Severity};
use underpin_model::policy::Homing;

use crate::affinity::Affinities;
use crate::report::{At, Log};
use crate::restart::Restart;
use crate::room::{self, Need};
use crate::state::{Group, State};
use crate::timeline::{Doing, Timeline, leaves_running};
use crate::world::{NONE, Power, World, ix};

/// What happens; the order of the variants is the order within a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A step is over.
    End(u32),
    /// A host of the group is back.
    Back(u32),
    /// A host's capacity becomes that of an entry of the timeline.
    Resize(u32),
    /// A host of the group goes away.
    Away(u32),
    /// A step begins.
    Begin(u32),
}

/// Numbers of hosts and guests within their groups.
pub(crate) struct Within {
    pub(crate) host: Vec<u32>,
    pub(crate) vm: Vec<u32>,
}

pub(crate) struct Replay<'r, 'a> {
    world: &'r World<'a>,
    timeline: &'r Timeline<'a>,
    within: &'r Within,
    state: State,
    affinities: Affinities,
    restart: Restart<'r, 'a>,
    /// What hosts that were overcommitted carried at the start, in MiB and vCPUs; 0 for others.
    at_start: Vec<Need>,
    /// Hosts whose load rose in this second, and steps that need an empty host.
    loaded: Vec<u32>,
    must_be_empty: Vec<(u32, u32)>,
    /// Steps that take what a host keeps in memory, suspended guests with it.
    loses_memory: Vec<(u32, u32)>,
}

/// Replays a group; returns how many events it had.
pub(crate) fn replay(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    group: &Group,
    within: &Within,
    affinities: Affinities,
    log: &mut Log<'_>,
) -> u64 {
    let state = State::new(world, group, &within.host);
    let restart = Restart::new(world, group, within, &state);
    let at_start = state.stations.iter().map(|it| room::beyond(&it.used, &it.room)).collect();
    let mut replay = Replay {
        world,
        timeline,
        within,
        state,
        affinities,
        restart,
        at_start,
        loaded: Vec::new(),
        must_be_empty: Vec::new(),
        loses_memory: Vec::new(),
    };
    replay.before(log);
    let events = replay.events(group);
    let mut at = 0;
    while let Some(&(now, _)) = events.get(at) {
        while let Some(&(moment, what)) = events.get(at)
            && moment == now
        {
            replay.happen(now, what, log);
            at += 1;
        }
        replay.settle(now, log);
    }
    replay.finish(log);
    events.len() as u64
}

impl Replay<'_, '_> {
    fn events(&self, group: &Group) -> Vec<(u32, What)> {
        let mut events = Vec::with_capacity(group.steps.len() * 2);
        for &step in &group.steps {
            let Some(act) = self.timeline.acts.get(ix(step)) else { continue };
            events.push((act.start, What::Begin(step)));
            // A step without a span ends as it begins: its end must not come before that.
            if act.end > act.start {
                events.push((act.end, What::End(step)));
            }
        }
        for (&host, local) in group.hosts.iter().zip(0u32..) {
            let maintenance = self.world.hosts.get(ix(host)).is_some_and(|it| it.maintenance);
            let mut paths = self.timeline.paths_of(host);
            if maintenance && let Some(path) = paths.find(|it| it.verified != NONE) {
                events.push((path.verified, What::Back(local)));
            }
            for path in self.timeline.paths_of(host) {
                if path.until > path.from {
                    events.push((path.from, What::Away(local)));
                    events.push((path.until, What::Back(local)));
                }
            }
        }
        for (change, number) in self.timeline.capacities.iter().zip(0u32..) {
            if group.hosts.binary_search(&change.host).is_ok() {
                events.push((change.at, What::Resize(number)));
            }
        }
        events.sort_unstable();
        events
    }

    fn happen(&mut self, now: u32, what: What, log: &mut Log<'_>) {
        match what {
            What::Begin(step) => {
                self.begin(now, step, log);
                if self.timeline.acts.get(ix(step)).is_some_and(|it| it.end == it.start) {
                    self.end(step);
                }
            }
            What::End(step) => self.end(step),
            What::Away(host) => {
                if let Some(station) = self.state.stations.get_mut(ix(host)) {
                    station.away += 1;
                }
                self.restart.gone(host);
            }
            What::Back(host) => {
                if let Some(station) = self.state.stations.get_mut(ix(host)) {
                    station.away = station.away.saturating_sub(1);
                }
                self.restart.back(host);
            }
            What::Resize(number) => {
                let Some(change) = self.timeline.capacities.get(ix(number)) else { return };
                let Some(&local) = self.within.host.get(ix(change.host)) else { return };
                if let Some(station) = self.state.stations.get_mut(ix(local)) {
                    room::changed(&mut station.room, &change.capacity);
                }
                self.loaded.push(local);
                self.restart.loaded(local);
            }
        }
    }

    fn local_host(&self, host: u32) -> u32 {
        self.within.host.get(ix(host)).copied().unwrap_or(NONE)
    }

    fn local_vm(&self, vm: u32) -> u32 {
        self.within.vm.get(ix(vm)).copied().unwrap_or(NONE)
    }

    fn begin(&mut self, now: u32, step: u32, log: &mut Log<'_>) {
        let Some(act) = self.timeline.acts.get(ix(step)) else { return };
        let at = At::step(step, now);
        match &act.doing {
            Doing::Migrate { vm, from, to, live, mbps, .. } => {
                let (from, to) = (self.local_host(*from), self.local_host(*to));
                self.depart(at, *vm, from, to, *live, log);
                self.traffic(at, from, to, u64::from(*mbps), log);
            }
            Doing::Evacuate { host, moves, mbps } => {
                let from = self.local_host(*host);
                for (vm, to) in moves {
                    let running = self.state.guests.get(ix(self.local_vm(*vm)));
                    let running = running.is_some_and(|it| it.power == Power::Runs);
                    self.depart(at, *vm, from, self.local_host(*to), running, log);
                }
                self.evacuation_traffic(at, from, moves, u64::from(*mbps), log);
            }
            Doing::Stop { vm, host, .. } | Doing::Suspend { vm, host, .. } => {
                self.take(at, *vm, self.local_host(*host), &[Power::Runs], log);
            }
            Doing::Start { vm, host } => self.wake(at, *vm, self.local_host(*host), Power::Off, log),
            Doing::Resume { vm, host } => self.wake(at, *vm, self.local_host(*host), Power::Suspended, log),
            Doing::Patch { element, method, .. } if !leaves_running(*method) => {
                let host = element.host().map_or(NONE, |it| self.local_host(it));
                self.must_be_empty.push((step, host));
            }
            Doing::Reboot { element, quick } => {
                let host = element.host().map_or(NONE, |it| self.local_host(it));
                self.must_be_empty.push((step, host));
                if !*quick {
                    self.loses_memory.push((step, host));
                }
            }
            _ => {}
        }
    }

    /// A step takes hold of a guest: it must be where the step says, in a state that it can work on.
    fn take(&mut self, at: At, vm: u32, host: u32, powers: &[Power], log: &mut Log<'_>) -> Option<u32> {
        log.compared(Rule::WellFormed);
        let number = self.local_vm(vm);
        let known = self.state.guests.get_mut(ix(number));
        let stands = known.as_ref().map_or(NONE, |it| it.host);
        let problem = match &known {
            None => Some("it is not known where the guest stands".to_owned()),
            Some(it) if it.busy => Some("another step is still working on the guest".to_owned()),
            Some(it) if it.host != host => None,
            Some(it) if !powers.contains(&it.power) => Some(match it.power {
                Power::Off => "the guest is off".to_owned(),
                Power::Runs => "the guest runs".to_owned(),
                Power::Suspended => "the guest is suspended".to_owned(),
            }),
            Some(it) => {
                let number = (it.host == host).then_some(number);
                if let Some(guest) = known {
                    guest.busy = true;
                }
                return number;
            }
        };
        let world = self.world;
        let name = |local: u32| {
            self.state.stations.get(ix(local)).map_or("no host of its pools", |it| world.host_id(it.host))
        };
        log.error(Rule::WellFormed, at, &world.locus_of_vm(vm, NONE), || {
            let found = problem.unwrap_or_else(|| format!("the guest stands on {}", name(stands)));
            (
                format!("VM {}", world.vm_id(vm)),
                found,
                format!("a guest on {} that the step can work on", name(host)),
            )
        });
        None
    }

    /// A guest sets out: from now on it counts at both ends.
    fn depart(&mut self, at: At, vm: u32, from: u32, to: u32, live: bool, log: &mut Log<'_>) {
        let powers: &[Power] =
            if live { &[Power::Runs] } else { &[Power::Runs, Power::Off, Power::Suspended] };
        let Some(guest) = self.take(at, vm, from, powers, log) else { return };
        let leaves_away = self.state.stations.get(ix(from)).is_some_and(|it| it.away > 0);
        if let Some(it) = self.state.guests.get_mut(ix(guest)) {
            it.to = to;
            if leaves_away {
                it.home = from;
            }
        }
        self.restart.moved(guest, from);
        self.arrive(at, guest, to, log);
        if to != from {
            self.state.enter(guest, to);
        }
        self.affinities.enter(&self.state, guest, to, at, self.world, log);
        self.restart.moved(guest, to);
    }

    /// What must hold when a host takes a guest.
    fn arrive(&mut self, at: At, guest: u32, to: u32, log: &mut Log<'_>) {
        let (Some(it), Some(station)) = (self.state.guests.get(ix(guest)), self.state.stations.get(ix(to)))
        else {
            return;
        };
        self.loaded.push(to);
        let world = self.world;
        log.compared(Rule::Capacity);
        let now = at.at_s.unwrap_or(0);
        let locus = world.locus_of_vm(it.vm, station.host);
        let place = || format!("host {}", world.host_id(station.host));
        if station.away > 0 {
            let back = self.timeline.paths_of(station.host).any(|path| {
                path.from <= now && now <= path.until && path.verified != NONE && path.verified <= now
            });
            if !(back && it.home == to) {
                log.error(Rule::Capacity, at, &locus, || {
                    let found = format!("takes VM {} while it is away", world.vm_id(it.vm));
                    (place(), found, "no guest but its own, coming home after it was verified".into())
                });
            }
        }
        let row = world.vms.get(ix(it.vm));
        let unknown_need = row.is_some_and(|it| it.memory_mib.is_none() || it.vcpus.is_none());
        if unknown_need && it.stands() {
            log.add(Rule::Capacity, Severity::Unknown, at, || {
                let place = format!("VM {}", world.vm_id(it.vm));
                (place, "it moves, and its memory or vCPUs are not known".into(), "both known".into())
            });
        }
        if station.room.iter().any(Option::is_none) {
            log.add(Rule::Capacity, Severity::Unknown, at, || {
                (place(), "it takes a guest, and its capacity is not known".into(), "memory and vCPUs".into())
            });
        }
    }

    /// A guest begins to run where it stands.
    fn wake(&mut self, at: At, vm: u32, host: u32, from: Power, log: &mut Log<'_>) {
        let Some(guest) = self.take(at, vm, host, &[from], log) else { return };
        if !self.state.guests.get(ix(guest)).is_some_and(|it| it.by_plan) {
            let world = self.world;
            log.error(Rule::WellFormed, at, &world.locus_of_vm(vm, NONE), || {
                let expected = "a guest that the plan stopped or suspended";
                (format!("VM {}", world.vm_id(vm)), "it was so before the plan".into(), expected.into())
            });
        }
        self.state.switch(guest, Power::Runs);
        self.arrive(at, guest, host, log);
        if from == Power::Off {
            self.affinities.enter(&self.state, guest, host, at, self.world, log);
        }
        self.restart.moved(guest, host);
    }

    fn end(&mut self, step: u32) {
        let Some(act) = self.timeline.acts.get(ix(step)) else { return };
        match &act.doing {
            Doing::Migrate { vm, from, to, mbps, .. } => {
                let (from, to) = (self.local_host(*from), self.local_host(*to));
                self.land(self.local_vm(*vm), from, to);
                self.traffic_over(from, to, u64::from(*mbps));
            }
            Doing::Evacuate { host, moves, mbps } => {
                let from = self.local_host(*host);
                for (vm, to) in moves {
                    self.land(self.local_vm(*vm), from, self.local_host(*to));
                }
                self.evacuation_over(from, moves, u64::from(*mbps));
            }
            Doing::Stop { vm, host, .. } => self.rest(self.local_vm(*vm), *host, Power::Off),
            Doing::Suspend { vm, host, .. } => self.rest(self.local_vm(*vm), *host, Power::Suspended),
            Doing::Start { vm, .. } | Doing::Resume { vm, .. } => {
                let guest = self.local_vm(*vm);
                if let Some(it) = self.state.guests.get_mut(ix(guest))
                    && it.power == Power::Runs
                    && it.to == NONE
                {
                    it.busy = false;
                }
            }
            _ => {}
        }
    }

    /// A guest has arrived. Steps that never took hold of it change nothing.
    fn land(&mut self, guest: u32, from: u32, to: u32) {
        let Some(it) = self.state.guests.get(ix(guest)) else { return };
        if it.to != to || it.host != from || to == NONE {
            return;
        }
        if from != to {
            self.state.leave(guest, from);
        }
        self.affinities.leave(&self.state, guest, from);
        if let Some(it) = self.state.guests.get_mut(ix(guest)) {
            it.host = to;
            it.to = NONE;
            it.busy = false;
        }
        self.restart.moved(guest, from);
        self.restart.moved(guest, to);
    }

    /// A guest has stopped or was suspended.
    fn rest(&mut self, guest: u32, host: u32, power: Power) {
        let host = self.local_host(host);
        let Some(it) = self.state.guests.get(ix(guest)) else { return };
        if it.host != host || !it.busy || it.to != NONE || it.power != Power::Runs {
            return;
        }
        if power == Power::Off {
            self.affinities.leave(&self.state, guest, host);
        }
        self.state.switch(guest, power);
        if let Some(it) = self.state.guests.get_mut(ix(guest)) {
            it.busy = false;
            it.by_plan = true;
        }
        self.restart.moved(guest, host);
    }

    fn traffic(&mut self, at: At, from: u32, to: u32, mbps: u64, log: &mut Log<'_>) {
        for (end, leaves) in [(from, true), (to, false)] {
            if let Some(station) = self.state.stations.get_mut(ix(end)) {
                station.migrations += 1;
                if leaves {
                    station.out_mbps += mbps;
                } else {
                    station.in_mbps += mbps;
                }
            }
            self.slots(at, end, log);
            self.link(at, end, log);
        }
    }

    fn slots(&self, at: At, host: u32, log: &mut Log<'_>) {
        let Some(station) = self.state.stations.get(ix(host)) else { return };
        let most = self.world.hosts.get(ix(station.host)).map_or(0, |it| it.slots);
        log.compared(Rule::MigrationSlots);
        if station.migrations > most {
            let world = self.world;
            log.error(Rule::MigrationSlots, at, &world.locus(station.host), || {
                let found = format!("{} migrations at a time", station.migrations);
                (format!("host {}", world.host_id(station.host)), found, format!("at most {most}"))
            });
        }
    }

    fn link(&self, at: At, host: u32, log: &mut Log<'_>) {
        let Some(station) = self.state.stations.get(ix(host)) else { return };
        let most = self.world.hosts.get(ix(station.host)).map_or(0, |it| it.mbps);
        for (way, mbps) in [("out", station.out_mbps), ("in", station.in_mbps)] {
            log.compared(Rule::MigrationBandwidth);
            if mbps > most {
                let world = self.world;
                log.error(Rule::MigrationBandwidth, at, &world.locus(station.host), || {
                    let found = format!("{mbps} Mbit/s {way} given to migrations");
                    (format!("host {}", world.host_id(station.host)), found, format!("at most {most} Mbit/s"))
                });
            }
        }
    }

    /// An evacuation may send all that it was given to any one of its targets at a time; slots are the platform's own matter.
    fn evacuation_traffic(&mut self, at: At, from: u32, moves: &[(u32, u32)], mbps: u64, log: &mut Log<'_>) {
        if let Some(station) = self.state.stations.get_mut(ix(from)) {
            station.out_mbps += mbps;
        }
        self.link(at, from, log);
        for target in targets(moves) {
            let target = self.local_host(target);
            if let Some(station) = self.state.stations.get_mut(ix(target)) {
                station.in_mbps += mbps;
            }
            self.link(at, target, log);
        }
    }

    fn traffic_over(&mut self, from: u32, to: u32, mbps: u64) {
        if let Some(station) = self.state.stations.get_mut(ix(from)) {
            station.migrations = station.migrations.saturating_sub(1);
            station.out_mbps = station.out_mbps.saturating_sub(mbps);
        }
        if let Some(station) = self.state.stations.get_mut(ix(to)) {
            station.migrations = station.migrations.saturating_sub(1);
            station.in_mbps = station.in_mbps.saturating_sub(mbps);
        }
    }

    fn evacuation_over(&mut self, from: u32, moves: &[(u32, u32)], mbps: u64) {
        if let Some(station) = self.state.stations.get_mut(ix(from)) {
            station.out_mbps = station.out_mbps.saturating_sub(mbps);
        }
        for target in targets(moves) {
            let target = self.local_host(target);
            if let Some(station) = self.state.stations.get_mut(ix(target)) {
                station.in_mbps = station.in_mbps.saturating_sub(mbps);
            }
        }
    }

    /// The end of a second: everything that it changed is judged at once.
    fn settle(&mut self, now: u32, log: &mut Log<'_>) {
        let mut loaded = std::mem::take(&mut self.loaded);
        loaded.sort_unstable();
        loaded.dedup();
        for host in loaded.drain(..) {
            self.load(At::moment(now), host, log);
            self.restart.loaded(host);
        }
        self.loaded = loaded;
        for (step, host) in std::mem::take(&mut self.must_be_empty) {
            self.empty(At::step(step, now), host, log);
        }
        for (step, host) in std::mem::take(&mut self.loses_memory) {
            self.nobody_asleep(At::step(step, now), host, log);
        }
        self.affinities.settle(&self.state, At::moment(now), self.world, log);
        self.restart.settle(&self.state, &self.affinities, now, log);
    }

    /// A host carries no more than it can.
    fn load(&self, at: At, host: u32, log: &mut Log<'_>) {
        let Some(it) = self.state.stations.get(ix(host)) else { return };
        let start = self.at_start.get(ix(host)).copied().unwrap_or_default();
        let world = self.world;
        for (((what, used), most), at_start) in room::NAMES.iter().zip(it.used).zip(it.room).zip(start) {
            let Some(most) = most else { continue };
            log.compared(Rule::Capacity);
            if used > most && used > at_start {
                log.error(Rule::Capacity, at, &world.locus(it.host), || {
                    let place = format!("host {}", world.host_id(it.host));
                    (place, format!("{used} {what} needed"), format!("at most {most} {what}"))
                });
            }
        }
    }

    fn empty(&self, at: At, host: u32, log: &mut Log<'_>) {
        let Some(it) = self.state.stations.get(ix(host)) else { return };
        log.compared(Rule::OccupiedHost);
        let world = self.world;
        if let Some(first) =
            it.running.iter().filter_map(|it| self.state.guests.get(ix(*it))).min_by_key(|it| it.vm)
        {
            log.error(Rule::OccupiedHost, at, &world.locus(it.host), || {
                let found =
                    format!("{} running guests, {} among them", it.running.len(), world.vm_id(first.vm));
                let place = format!("host {}", world.host_id(it.host));
                (place, found, "no running guest while the method interrupts them".into())
            });
        }
    }

    fn nobody_asleep(&self, at: At, host: u32, log: &mut Log<'_>) {
        let Some(it) = self.state.stations.get(ix(host)) else { return };
        log.compared(Rule::OccupiedHost);
        let asleep = it.asleep.iter().filter_map(|it| self.state.guests.get(ix(*it)));
        if let Some(first) = asleep.min_by_key(|it| it.vm) {
            let world = self.world;
            log.error(Rule::OccupiedHost, at, &world.locus(it.host), || {
                let found =
                    format!("{} suspended guests, {} among them", it.asleep.len(), world.vm_id(first.vm));
                let place = format!("host {}", world.host_id(it.host));
                (place, found, "none: only a quick boot keeps what is in memory".into())
            });
        }
    }

    /// What was wrong before the plan.
    fn before(&mut self, log: &mut Log<'_>) {
        let world = self.world;
        for it in &self.state.stations {
            for ((what, used), most) in room::NAMES.iter().zip(it.used).zip(it.room) {
                let Some(most) = most else { continue };
                log.compared(Rule::Capacity);
                if used > most {
                    log.add(Rule::Capacity, Severity::Before, At::moment(0), || {
                        let place = format!("host {}", world.host_id(it.host));
                        (place, format!("{used} {what} needed"), format!("at most {most} {what}"))
                    });
                }
            }
        }
        self.affinities.before(&self.state, world, log);
        self.restart.before(&self.state, &self.affinities, log);
    }

    /// Where everything ends.
    fn finish(&self, log: &mut Log<'_>) {
        let world = self.world;
        let ends = At::moment(self.timeline.end_s());
        for it in &self.state.guests {
            let Some(row) = world.vms.get(ix(it.vm)) else { continue };
            let start = self.local_host(row.host);
            if row.power != Power::Runs || start == NONE {
                continue;
            }
            log.compared(Rule::FinalState);
            let station = self.state.stations.get(ix(it.host));
            let down = station.is_some_and(|it| {
                self.timeline.paths_of(it.host).any(|path| path.down_from != NONE && path.down_until == NONE)
            });
            let problem = if it.power != Power::Runs || it.busy {
                Some("the guest does not run any more")
            } else if down {
                Some("the guest's host is never back from being down")
            } else {
                None
            };
            let place = || format!("VM {}", world.vm_id(it.vm));
            if let Some(found) = problem {
                let host = station.map_or(NONE, |it| it.host);
                log.error(Rule::FinalState, ends, &world.locus_of_vm(it.vm, host), || {
                    (place(), found.into(), "a guest that runs, as it did at the start".into())
                });
            } else if self.timeline.plan.homing == Homing::Home && it.host != start {
                log.add(Rule::FinalState, Severity::Worse, ends, || {
                    let found = format!("it ends on {}", station.map_or("?", |it| world.host_id(it.host)));
                    (place(), found, format!("{}, where it was at the start", world.host_id(row.host)))
                });
            }
        }
    }
}

/// Distinct targets of an evacuation.
fn targets(moves: &[(u32, u32)]) -> Vec<u32> {
    let mut all: Vec<u32> = moves.iter().map(|it| it.1).collect();
    all.sort_unstable();
    all.dedup();
    all
}
