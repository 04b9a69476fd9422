//! The timeline of one wave, in seconds from its start.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use underpin_model::change::Method;
use underpin_model::policy::{COLD_MOVE, Durations, Homing, Placing, Spread};

use super::calendar::Seconds;
use super::facts::{Facts, HostFacts};
use super::homing::StaysAway;
use super::leave::{Departure, How, live};

/// Powering a guest off and on, suspending and resuming it: judgements, since no published figures cover all
/// platforms.
pub(super) const STOP: Spread = Spread::new(30, 120);
pub(super) const START: Spread = Spread::new(30, 120);
pub(super) const SUSPEND: Spread = Spread::new(60, 180);
pub(super) const RESUME: Spread = Spread::new(60, 180);

/// One hop of a change on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hop {
    /// Position of the change.
    pub(super) change: u32,
    /// Which of its hops.
    pub(super) hop: u32,
    /// A reboot follows it, for all hops since the last one.
    pub(super) reboot: bool,
}

/// What is done to one host in a wave.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) host: u32,
    pub(super) method: Method,
    pub(super) hops: Vec<Hop>,
    pub(super) durations: Durations,
    pub(super) departures: Vec<Departure>,
    /// Guests that come home afterwards: all that moved, unless a rule holds them back.
    pub(super) come_home: Vec<u32>,
    /// Guests that would come home if nothing held them back, with what does.
    pub(super) stay_away: Vec<(u32, StaysAway)>,
    /// Hosts beside the targets onto which a platform that places may move them: any of these has room for all.
    pub(super) also: Vec<u32>,
}

/// A migration with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) guest: u32,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) live: bool,
    pub(super) start: Seconds,
    pub(super) span: Spread,
    pub(super) mbps: u32,
    pub(super) pause_ms: u32,
}

impl Work {
    /// Guests come home to the host, and nothing else is done: nobody misses it meanwhile.
    pub(super) fn only_takes(&self) -> bool {
        self.hops.is_empty() && self.departures.iter().all(|it| it.to == self.host)
    }
}

impl Move {
    pub(super) fn end(&self) -> Seconds {
        self.start.saturating_add(self.span.p95_s)
    }
}

/// When things happen to one host.
#[derive(Debug, Clone, Default)]
pub(super) struct HostTimes {
    pub(super) out: Vec<Move>,
    /// Guests that stay are stopped from then on.
    pub(super) stop: Seconds,
    /// Start of each hop's patch.
    pub(super) patches: Vec<Seconds>,
    pub(super) attest: Seconds,
    pub(super) verify: Seconds,
    /// Guests that stayed are started from then on.
    pub(super) start: Seconds,
    pub(super) home: Vec<Move>,
    /// Everything is over.
    pub(super) end: Seconds,
}

/// Lays out a wave.
pub(super) fn layout(facts: &Facts<'_>, works: &[Work], homing: Homing) -> Vec<HostTimes> {
    let mut times = vec![HostTimes::default(); works.len()];
    let (made, ready) = make_room(facts, works);
    for (work, it) in made {
        times[work].out.push(it);
    }
    match facts.policy.planning.placing {
        Placing::WePlace => {
            for (work, it) in schedule(facts, departures(works, ready)) {
                times[work].out.push(it);
            }
            for (work, times) in works.iter().zip(&mut times) {
                let left = times.out.iter().map(Move::end).max().unwrap_or(0);
                times.stop = left;
                in_place(work, times, left.saturating_add(pauses(work).0));
            }
        }
        Placing::PlatformPlaces => one_by_one(facts, works, &mut times, ready),
    }
    if homing == Homing::Home {
        let mut wanted = Vec::new();
        for (at, work) in works.iter().enumerate() {
            for &guest in &work.come_home {
                let Some(out) = work.departures.iter().find(|it| it.guest == guest) else { continue };
                wanted.push(Wanted {
                    work: at,
                    guest,
                    from: out.to,
                    to: work.host,
                    live: out.how == How::Live,
                    ready: times[at].end,
                });
            }
        }
        for (work, it) in schedule(facts, wanted) {
            times[work].end = times[work].end.max(it.end());
            times[work].home.push(it);
        }
    }
    times
}

/// Guests of other hosts that make room move first, in turns where one needs the room of another; when the last has arrived.
fn make_room(facts: &Facts<'_>, works: &[Work]) -> (Vec<(usize, Move)>, Seconds) {
    let mut done: Vec<(usize, Move)> = Vec::new();
    let mut turn: Vec<Wanted> = Vec::new();
    let mut now = 0;
    let mut run = |turn: Vec<Wanted>, now: Seconds| {
        done.extend(schedule(facts, turn));
        done.iter().map(|it| it.1.end()).max().unwrap_or(now)
    };
    for (work, it) in works.iter().enumerate().flat_map(|(at, work)| {
        work.departures.iter().filter(|it| it.from != work.host).map(move |it| (at, it))
    }) {
        if turn.iter().any(|other| other.from == it.to) {
            now = run(std::mem::take(&mut turn), now);
        }
        let live = it.how == How::Live;
        turn.push(Wanted { work, guest: it.guest, from: it.from, to: it.to, live, ready: now });
    }
    if !turn.is_empty() {
        now = run(turn, now);
    }
    (done, now)
}

fn departures(works: &[Work], ready: Seconds) -> Vec<Wanted> {
    let of = |(at, work): (usize, &Work)| {
        let moves = work.departures.iter().filter(|it| it.how.moves() && it.from == work.host);
        let wanted = moves.map(|it| Wanted {
            work: at,
            guest: it.guest,
            from: it.from,
            to: it.to,
            live: it.how == How::Live,
            ready,
        });
        wanted.collect::<Vec<_>>()
    };
    works.iter().enumerate().flat_map(of).collect()
}

/// How a platform that places is given time: host after host, guest after guest, at a rate that every link on the way carries, since
/// nobody knows what it does at once. Its maintenance mode waits for every guest that runs: those that stay, and those that move cold,
/// go to rest before.
fn one_by_one(facts: &Facts<'_>, works: &[Work], times: &mut [HostTimes], ready: Seconds) {
    let link = |host: u32| facts.hosts[host as usize].link_mbps;
    let mut now = ready;
    for ((at, work), times) in works.iter().enumerate().zip(times) {
        let (live, cold): (Vec<Wanted>, Vec<Wanted>) =
            departures(std::slice::from_ref(work), now).into_iter().partition(|it| it.live);
        times.stop = now;
        let rest = now.saturating_add(pauses(work).0);
        let links = live.iter().map(|it| link(it.from).min(link(it.to)));
        let narrow = links.min().unwrap_or(0);
        for (which, rate) in [(cold, 0), (live, narrow)] {
            for it in &which {
                let Some(moved) = moved(facts, &Wanted { work: at, ..*it }, now, rate) else { continue };
                now = moved.end();
                times.out.push(moved);
            }
            now = now.max(rest);
        }
        in_place(work, times, now);
    }
}

/// How long the guests that stay take to rest, and to run again.
fn pauses(work: &Work) -> (Seconds, Seconds) {
    let span = |how: How| match how {
        How::Suspend => (SUSPEND.p95_s, RESUME.p95_s),
        How::Stop => (STOP.p95_s, START.p95_s),
        How::Live | How::Cold => (0, 0),
    };
    let stays = work.departures.iter().map(|it| span(it.how));
    stays.fold((0, 0), |most, it| (most.0.max(it.0), most.1.max(it.1)))
}

/// What happens on the host itself, once its guests are out or at rest.
fn in_place(work: &Work, times: &mut HostTimes, mut now: Seconds) {
    for hop in &work.hops {
        times.patches.push(now);
        now = now.saturating_add(work.durations.patch.p95_s);
        if hop.reboot {
            now = now.saturating_add(work.durations.reboot.p95_s);
        }
    }
    times.attest = now;
    now = now.saturating_add(work.durations.attest.p95_s);
    times.verify = now;
    now = now.saturating_add(work.durations.verify.p95_s);
    times.start = now;
    times.end = now.saturating_add(pauses(work).1);
}

/// A migration that is wanted.
#[derive(Clone, Copy)]
struct Wanted {
    work: usize,
    guest: u32,
    from: u32,
    to: u32,
    live: bool,
    ready: Seconds,
}

/// What is in use of a host's links and slots.
#[derive(Debug, Clone, Copy, Default)]
struct InUse {
    out_mbps: u32,
    in_mbps: u32,
    migrations: u32,
}

/// Starts each migration as soon as its links and slots allow, the largest first. Each is given what is free of both links,
/// at least half of the narrower: waiting for a whole link beats sharing it among many, since every sharer writes meanwhile.
/// Guests that must be together start at one moment and share what one would be given; where slots are fewer, as many as there are,
/// and the next when these have arrived: while one is on its way, the others may be on either side. What the first took is theirs
/// until the last is there, so that no moment is without one on its way.
fn schedule(facts: &Facts<'_>, wanted: Vec<Wanted>) -> Vec<(usize, Move)> {
    let mut units = units(facts, wanted);
    let mut in_use = rustc_hash::FxHashMap::<u32, InUse>::default();
    let mut ends: BinaryHeap<Reverse<(Seconds, usize)>> = BinaryHeap::new();
    let (mut done, mut held): (Vec<(usize, Move)>, Vec<Claim>) = (Vec::new(), Vec::new());
    let mut now = units.first().map_or(0, |it| it.ready());
    while !units.is_empty() {
        units.retain(|unit| {
            if unit.ready() > now {
                return true;
            }
            let Some(started) = start(facts, &in_use, &unit.0, now) else { return true };
            for claimed in claims(&started) {
                claim(&mut in_use, &claimed, true);
                ends.push(Reverse((claimed.end, held.len())));
                held.push(claimed);
            }
            done.extend(unit.0.iter().map(|it| it.work).zip(started));
            false
        });
        let next_ready = units.iter().map(Unit::ready).filter(|&it| it > now).min();
        let Some(next) = ends.peek().map(|it| it.0.0).into_iter().chain(next_ready).min() else { break };
        now = next;
        while let Some(&Reverse((end, at))) = ends.peek() {
            if end > now {
                break;
            }
            ends.pop();
            claim(&mut in_use, &held[at], false);
        }
    }
    done
}

/// Guests that move as one.
struct Unit(Vec<Wanted>);

impl Unit {
    fn ready(&self) -> Seconds {
        self.0.iter().map(|it| it.ready).max().unwrap_or(0)
    }
}

fn units(facts: &Facts<'_>, wanted: Vec<Wanted>) -> Vec<Unit> {
    let mut tied: std::collections::BTreeMap<(u32, u32, u32), Vec<Wanted>> =
        std::collections::BTreeMap::new();
    for it in wanted {
        let first = facts.guests[it.guest as usize].together.first().copied().unwrap_or(it.guest);
        tied.entry((first, it.from, it.to)).or_default().push(it);
    }
    let memory = |guest: u32| facts.guests[guest as usize].it.memory_mib.unwrap_or(0);
    let mut units: Vec<Unit> = tied.into_values().map(Unit).collect();
    // A stable sort: equals stay in the order of their guests.
    units.sort_by_key(|it| (it.ready(), Reverse(it.0.iter().map(|it| memory(it.guest)).sum::<u64>())));
    units
}

/// What a migration, or several that follow each other, take of both links and of the slots.
struct Claim {
    from: u32,
    to: u32,
    mbps: u32,
    end: Seconds,
}

/// What a unit that has started takes: each of its guests until it is there, or, where some go later, the first of them until all are.
fn claims(started: &[Move]) -> Vec<Claim> {
    let of = |it: &Move| Claim { from: it.from, to: it.to, mbps: it.mbps, end: it.end() };
    let now = started.first().map_or(0, |it| it.start);
    if started.iter().all(|it| it.start == now) {
        return started.iter().map(of).collect();
    }
    let end = started.iter().map(Move::end).max().unwrap_or(now);
    started.iter().filter(|it| it.start == now).map(|it| Claim { end, ..of(it) }).collect()
}

fn claim(in_use: &mut rustc_hash::FxHashMap<u32, InUse>, it: &Claim, claim: bool) {
    let sign = |value: &mut u32, by: u32| {
        *value = if claim { value.saturating_add(by) } else { value.saturating_sub(by) };
    };
    let from = in_use.entry(it.from).or_default();
    sign(&mut from.out_mbps, it.mbps);
    sign(&mut from.migrations, 1);
    let to = in_use.entry(it.to).or_default();
    sign(&mut to.in_mbps, it.mbps);
    sign(&mut to.migrations, 1);
}

fn start(
    facts: &Facts<'_>,
    in_use: &rustc_hash::FxHashMap<u32, InUse>,
    unit: &[Wanted],
    now: Seconds,
) -> Option<Vec<Move>> {
    let first = unit.first()?;
    let used = |host: u32| in_use.get(&host).copied().unwrap_or_default();
    let (from, to) = (&facts.hosts[first.from as usize], &facts.hosts[first.to as usize]);
    let (out, into) = (used(first.from), used(first.to));
    let abreast = abreast(unit.len() as u32, &[from, to]);
    let slots = |host: &HostFacts<'_>, used: InUse| used.migrations + abreast <= host.slots.max(1);
    if !slots(from, out) || !slots(to, into) {
        return None;
    }
    if !first.live {
        return in_turns(facts, unit, abreast, now, 0);
    }
    let free = from.link_mbps.saturating_sub(out.out_mbps).min(to.link_mbps.saturating_sub(into.in_mbps));
    let narrow = from.link_mbps.min(to.link_mbps);
    if free == 0 || free < narrow / 2 {
        return None;
    }
    let share = free / abreast;
    let converges = |it: &Wanted| live(facts, it.guest, share).is_some_and(|it| it.converged);
    if free < narrow && !unit.iter().all(converges) {
        return None;
    }
    in_turns(facts, unit, abreast, now, share)
}

/// How many of so many guests that move as one are on their way at once between hosts.
pub(super) fn abreast(guests: u32, hosts: &[&HostFacts<'_>]) -> u32 {
    hosts.iter().fold(guests, |least, it| least.min(it.slots)).max(1)
}

/// Guests that move as one, so many at once: the next when these have arrived, and at that moment.
fn in_turns(facts: &Facts<'_>, unit: &[Wanted], abreast: u32, now: Seconds, mbps: u32) -> Option<Vec<Move>> {
    let mut all: Vec<Move> = Vec::with_capacity(unit.len());
    let mut turn_at = now;
    for turn in unit.chunks(abreast as usize) {
        let first = all.len();
        for it in turn {
            all.push(moved(facts, it, turn_at, mbps)?);
        }
        turn_at = all[first..].iter().map(Move::end).max().unwrap_or(turn_at);
    }
    Some(all)
}

/// A migration at a rate.
fn moved(facts: &Facts<'_>, wanted: &Wanted, now: Seconds, mbps: u32) -> Option<Move> {
    let base = Move {
        guest: wanted.guest,
        from: wanted.from,
        to: wanted.to,
        live: wanted.live,
        start: now,
        span: COLD_MOVE,
        mbps: 0,
        pause_ms: 0,
    };
    if !wanted.live {
        return Some(base);
    }
    let run = live(facts, wanted.guest, mbps)?;
    let factor = facts.policy.planning.migration.p95_factor.max(1.0);
    let seconds = |it: f64| it.ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
    Some(Move {
        span: Spread::new(seconds(run.total_s), seconds(run.total_s * factor)),
        mbps,
        pause_ms: (run.downtime_s * 1000.0).ceil().clamp(0.0, f64::from(u32::MAX)) as u32,
        ..base
    })
}
