//! The replay of a group of pools: event by event, ends before starts in the same second, and all checks at the end of it.

mod judged;
mod traffic;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use underpin_model::plan::{Rule, Severity};

use crate::affinity::Affinities;
use crate::report::{At, Log, Said};
use crate::restart::Restart;
use crate::room::{self, Need};
use crate::state::{Group, State};
use crate::timeline::{Doing, Timeline, leaves_running};
use crate::world::{Locus, NONE, Power, World, ix};

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
    /// The exceptions from some rules of affinity end.
    Bind,
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
    /// Hosts whose load rose in this second, each with the step that raised it, and steps that need an empty host.
    loaded: Vec<(u32, Option<u32>)>,
    must_be_empty: Vec<(u32, u32)>,
    /// Steps that take what a host keeps in memory, suspended guests with it.
    loses_memory: Vec<(u32, u32)>,
    /// Steps that do not find their guest, by guest and what is there instead: one cause, and what follows from it.
    lost: BTreeMap<(u32, Found), Cause>,
    /// Hosts that are not empty when they have to be, by host, wave and what is there.
    occupied: BTreeMap<(u32, u32, bool), Cause>,
    /// Hosts that carry more than they can, until they no longer do, by host, which of [`room::NAMES`] is short, and the exception that
    /// excuses it: what comes when that has ended is no longer excused.
    over: BTreeMap<(u32, usize, Option<usize>), Cause>,
    /// The same when it is over.
    was_over: Vec<Cause>,
}

/// What a step finds where it expects its guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Nowhere,
    Busy,
    /// On another host of the group.
    On(u32),
    Is(Power),
}

/// The first of several findings that one mistake brings about; the others are counted.
struct Cause {
    rule: Rule,
    at: At,
    locus: Locus,
    said: Said,
    follow: u32,
}

/// Replays a group; returns how many events it had.
pub(crate) fn replay(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    group: &Group,
    within: &Within,
    affinities: Affinities,
    left_out: &FxHashSet<u32>,
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
        lost: BTreeMap::new(),
        occupied: BTreeMap::new(),
        over: BTreeMap::new(),
        was_over: Vec::new(),
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
    replay.tell(log);
    replay.finish(log);
    replay.left_out(left_out, log);
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
                if path.serves() > path.from {
                    events.push((path.from, What::Away(local)));
                    events.push((path.serves(), What::Back(local)));
                }
            }
        }
        for (change, number) in self.timeline.capacities.iter().zip(0u32..) {
            if group.hosts.binary_search(&change.host).is_ok() {
                events.push((change.at, What::Resize(number)));
            }
        }
        // What is beyond the last step of the group is beyond what the plan does there.
        let last = events.iter().map(|it| it.0).max().unwrap_or(0);
        let ends = self.affinities.ends().into_iter().filter(|it| *it < last);
        events.extend(ends.map(|it| (it, What::Bind)));
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
            What::Bind => {
                self.affinities.bind(&self.state, now, self.world, log);
                self.restart.search_all();
            }
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
                self.loaded.push((local, None));
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
            Doing::Evacuate { host, moves, beside, mbps } => {
                let from = self.local_host(*host);
                self.choice(at, from, moves, beside, log);
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
        let found = match self.state.guests.get_mut(ix(number)) {
            None => Found::Nowhere,
            Some(it) if it.busy => Found::Busy,
            Some(it) if it.host != host => Found::On(it.host),
            Some(it) if !powers.contains(&it.power) => Found::Is(it.power),
            Some(it) => {
                it.busy = true;
                return Some(number);
            }
        };
        // While it stands where a step did not find it, no later step that expects it elsewhere says anything new.
        if let Some(cause) = self.lost.get_mut(&(vm, found)) {
            cause.follow += 1;
            return None;
        }
        let world = self.world;
        let name = |local: u32| {
            self.state.stations.get(ix(local)).map_or("no host of its pools", |it| world.host_id(it.host))
        };
        let text = match found {
            Found::Nowhere => "it is not known where the guest stands".to_owned(),
            Found::Busy => "another step is still working on the guest".to_owned(),
            Found::On(stands) => format!("the guest stands on {}", name(stands)),
            Found::Is(Power::Off) => "the guest is off".to_owned(),
            Found::Is(Power::Runs) => "the guest runs".to_owned(),
            Found::Is(Power::Suspended) => "the guest is suspended".to_owned(),
        };
        let expected = format!("a guest on {} that the step can work on", name(host));
        let said = (format!("VM {}", world.vm_id(vm)), text, expected);
        let locus = world.locus_of_vm(vm, NONE);
        self.lost.insert((vm, found), Cause { rule: Rule::WellFormed, at, locus, said, follow: 0 });
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
        self.loaded.push((to, at.step));
        let world = self.world;
        log.compared(Rule::Capacity);
        let locus = world.locus_of_vm(it.vm, station.host);
        let place = || format!("host {}", world.host_id(station.host));
        if station.away > 0 {
            log.error(Rule::Capacity, at, &locus, || {
                let found = format!("takes VM {} while it is away", world.vm_id(it.vm));
                (place(), found, "no guest before it was verified".into())
            });
        }
        // Whoever put it there takes it out, and nobody knows when; once it is verified it is no longer away, and still takes nobody.
        let kept = world.hosts.get(ix(station.host)).is_some_and(|it| it.maintenance);
        if kept && station.away == 0 {
            log.error(Rule::Capacity, at, &locus, || {
                let found = format!("takes VM {}, and was in maintenance at the start", world.vm_id(it.vm));
                (place(), found, "no guest in this plan".into())
            });
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
            Doing::Evacuate { host, moves, mbps, .. } => {
                let from = self.local_host(*host);
                for (vm, to) in moves {
                    self.land(self.local_vm(*vm), from, self.local_host(*to));
                }
                self.evacuation_over(from, moves, u64::from(*mbps));
                // The platform's maintenance mode waits for every guest that still runs.
                self.must_be_empty.push((step, from));
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

    /// The end of a second: everything that it changed is judged at once.
    fn settle(&mut self, now: u32, log: &mut Log<'_>) {
        let mut loaded = std::mem::take(&mut self.loaded);
        self.over_no_more();
        // Of several steps that raise the load of a host in one second the last is named.
        loaded.sort_unstable_by_key(|it| Reverse(*it));
        loaded.dedup_by_key(|it| it.0);
        for (host, step) in loaded.drain(..).rev() {
            self.load(At { at_s: Some(now), step }, host, log);
            self.restart.loaded(host);
        }
        self.loaded = loaded;
        for (step, host) in std::mem::take(&mut self.must_be_empty) {
            self.empty(At::step(step, now), step, host, false, log);
        }
        for (step, host) in std::mem::take(&mut self.loses_memory) {
            self.empty(At::step(step, now), step, host, true, log);
        }
        self.affinities.settle(&self.state, At::moment(now), self.world, log);
        self.restart.settle(&self.state, &self.affinities, now, log);
    }
}
