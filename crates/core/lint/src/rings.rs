//! Rings, canaries and soak.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::{Layer, Target};
use underpin_model::plan::{Profile, Rule, Wave};

use crate::changes::Members;
use crate::report::{At, Log};
use crate::soaking::{self, Soaking};
use crate::timeline::{Doing, Timeline};
use crate::world::{Elem, Locus, NONE, Power, World, ix};

/// Seconds of a day.
pub(crate) const DAY_S: f64 = 86_400.0;

/// Hosts of a wave that a finding names.
const MOST_NAMED: usize = 3;

/// A wave of hosts for one change, as its steps say.
struct Stage {
    wave: u32,
    ring: u32,
    /// The latest ring that the fleet gives one of its hosts.
    own_ring: u32,
    cluster: u32,
    /// It has its pool's coordinator.
    coordinator: bool,
    canary: bool,
    /// First step that touches.
    from: u32,
    soak_until: u32,
    hosts: Vec<u32>,
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, log: &mut Log<'_>) {
    soak(world, timeline, log);
    let all = stages(world, timeline);
    let excused = Excused::new(world, members, &all);
    for (&change, stages) in &all {
        let Some(target) = timeline.changes.get(ix(change)) else { continue };
        order(world, timeline, change, stages, log);
        before(world, timeline, change, (stages, &soaking::of_change(world, timeline, members, change)), log);
        if !matches!(target.to, Target::Setting { .. }) {
            canaries(world, timeline, change, stages, &excused, log);
        }
    }
}

/// Hosts by name, the first of them where they are many.
fn named(world: &World<'_>, hosts: &[u32]) -> String {
    let name = |it: &u32| world.hosts.get(ix(*it)).map_or("?", |it| it.host.id.as_str());
    let names: Vec<&str> = hosts.iter().take(MOST_NAMED).map(name).collect();
    match hosts.len().saturating_sub(MOST_NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// The rings of a wave's hosts: the latest of them, and the longest soak that any demands.
fn rings(world: &World<'_>, wave: &Wave) -> (u32, f64) {
    let hosts = wave.elements.iter().filter_map(|it| world.host_at.get(it.as_str()));
    let rings = hosts.filter_map(|it| world.hosts.get(ix(*it))).map(|it| it.ring);
    rings.fold((0, 0.0), |(ring, soak), it| {
        let days = world.policy.rings.get(ix(it)).map_or(0.0, |it| it.soak.get());
        (ring.max(it), soak.max(days))
    })
}

/// The soak after a wave is at least the policy's.
fn soak(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let factor = match timeline.profile {
        Profile::Normal => 1.0,
        Profile::Emergency => world.policy.planning.emergency.soak_factor.clamp(0.0, 1.0),
    };
    for (wave, number) in timeline.plan.waves.iter().zip(1u32..) {
        if wave.layer != Layer::Host {
            continue;
        }
        log.compared(Rule::Soak);
        // A second of tolerance: the soak is a number of days times a factor, rounded by whoever plans.
        let needed = rings(world, wave).1 * DAY_S * factor - 1.0;
        let given = f64::from(wave.soak_until_s) - f64::from(wave.end_s);
        if given < needed {
            let host = wave.elements.iter().find_map(|it| world.host_at.get(it.as_str())).copied();
            let locus = host.map_or(Locus::NOWHERE, |it| world.locus(it));
            log.error(Rule::Soak, At::moment(wave.end_s), &locus, || {
                let found = format!("{given} s of soak after its end");
                (format!("wave {number}"), found, format!("at least {:.0} s", needed + 1.0))
            });
        }
    }
}

/// Hosts that were in maintenance before, on which no guest is at any time of the plan: their release puts nobody at risk, and nobody waits for
/// them. Pools have an order of their own.
pub(crate) fn unused(world: &World<'_>, timeline: &Timeline<'_>) -> BTreeSet<u32> {
    let mut used: BTreeSet<u32> =
        world.vms.iter().filter(|it| it.power != Power::Off).map(|it| it.host).collect();
    for act in &timeline.acts {
        match &act.doing {
            Doing::Migrate { to, .. } => used.extend([*to]),
            Doing::Start { host, .. } | Doing::Resume { host, .. } => used.extend([*host]),
            Doing::Evacuate { moves, beside, .. } => {
                used.extend(moves.iter().map(|it| it.1).chain(beside.iter().copied()));
            }
            _ => {}
        }
    }
    let has_order = |cluster: u32| !crate::sequence::coordinators_of(world, cluster).is_empty();
    let hosts = world.hosts.iter().zip(0u32..).filter(|it| it.0.maintenance && !used.contains(&it.1));
    hosts.filter(|it| !has_order(it.0.cluster)).map(|it| it.1).collect()
}

/// The waves of hosts of each change.
fn stages(world: &World<'_>, timeline: &Timeline<'_>) -> BTreeMap<u32, Vec<Stage>> {
    let mut first_touch = vec![NONE; timeline.plan.waves.len()];
    let mut of_change: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for act in &timeline.acts {
        let Some(first) = act.wave.checked_sub(1).and_then(|it| first_touch.get_mut(ix(it))) else {
            continue;
        };
        if act.touches {
            *first = (*first).min(act.start);
        }
        if let Doing::Patch { element: Elem::Host(host), change, .. } = act.doing {
            of_change.entry((change, act.wave)).or_default().push(host);
        }
    }
    let unused = unused(world, timeline);
    let mut all: BTreeMap<u32, Vec<Stage>> = BTreeMap::new();
    for ((change, number), mut hosts) in of_change {
        let Some(wave) = timeline.plan.wave(number) else { continue };
        hosts.sort_unstable();
        hosts.dedup();
        hosts.retain(|it| !unused.contains(it));
        if hosts.is_empty() {
            continue;
        }
        let from = first_touch.get(ix(number - 1)).copied().unwrap_or(NONE);
        let (ring, _) = rings(world, wave);
        let soak_until = wave.soak_until_s;
        let rows = || hosts.iter().filter_map(|it| world.hosts.get(ix(*it)));
        let cluster = rows().next().map_or(NONE, |it| it.cluster);
        let coordinators = crate::sequence::coordinators_of(world, cluster);
        all.entry(change).or_default().push(Stage {
            wave: number,
            ring,
            own_ring: rows().map(|it| it.own_ring).max().unwrap_or(ring),
            cluster,
            coordinator: hosts.iter().any(|it| coordinators.contains(it)),
            canary: wave.canary,
            from,
            soak_until,
            hosts,
        });
    }
    all
}

/// Later rings wait for the soak of earlier ones, and the rest of a ring for that of its canaries. In a pool that is late because of its
/// coordinator the same holds, after this one, for the rings that its hosts would have: nobody waits for who comes later.
fn order(world: &World<'_>, timeline: &Timeline<'_>, change: u32, stages: &[Stage], log: &mut Log<'_>) {
    let emergency = timeline.profile == Profile::Emergency;
    let may_merge = emergency && world.policy.planning.emergency.merge_rings;
    let latest = Latest::of(stages);
    let early = |merged: bool| {
        let of = |it| Some((it, latest.awaited(it, merged).filter(|soak| it.from < soak.0)?));
        stages.iter().filter_map(of).collect::<Vec<(&Stage, Soak)>>()
    };
    stages.iter().for_each(|_| log.compared(Rule::RingOrder));
    let mut found = early(may_merge);
    // An emergency may merge rings and need not: one after the other keeps the order, too.
    if may_merge && !found.is_empty() && early(false).is_empty() {
        found.clear();
    }
    let name = |ring: u32| world.policy.rings.get(ix(ring)).map_or("?", |it| it.name.as_str());
    for (it, (until, waits_for)) in found {
        let locus = it.hosts.first().map_or(Locus::NOWHERE, |host| world.locus(*host));
        log.error(Rule::RingOrder, At::moment(it.from), &locus, || {
            let change = timeline.changes.get(ix(change)).map_or("?", |it| it.id.as_str());
            let place = format!("wave {} of ring {}", it.wave, name(it.ring));
            let found = format!("{} start at {} s for change {change:?}", named(world, &it.hosts), it.from);
            let first = stages.iter().find(|it| it.wave == waits_for);
            let hosts = first.map_or_else(String::new, |it| named(world, &it.hosts));
            let canary = if first.is_some_and(|it| it.canary) { ", canary" } else { "" };
            (place, found, format!("after {until} s, when wave {waits_for} ({hosts}{canary}) has soaked"))
        });
    }
}

/// When a soak ends, and the wave that it is of.
type Soak = (u32, u32);

/// The latest soak of each ring, and of its canaries and pools by the ring that they would have.
#[derive(Default)]
struct Latest {
    of_ring: BTreeMap<u32, Soak>,
    of_canaries: BTreeMap<(u32, u32), Soak>,
    of_pools: BTreeMap<(u32, u32, u32), Soak>,
    of_coordinators: BTreeMap<u32, Soak>,
}

impl Latest {
    fn of(stages: &[Stage]) -> Self {
        let mut all = Self::default();
        for it in stages {
            let soak = (it.soak_until, it.wave);
            let latest = |known: &mut Soak| *known = (*known).max(soak);
            latest(all.of_ring.entry(it.ring).or_default());
            if it.canary {
                latest(all.of_canaries.entry((it.ring, it.own_ring)).or_default());
            }
            if !it.coordinator {
                latest(all.of_pools.entry((it.cluster, it.ring, it.own_ring)).or_default());
            } else if it.canary {
                latest(all.of_coordinators.entry(it.cluster).or_default());
            }
        }
        all
    }

    /// The last soak that hosts wait for, with rings merged or one after the other.
    fn awaited(&self, it: &Stage, merged: bool) -> Option<Soak> {
        let earlier = if merged {
            // Every canary soaks before anything that is none.
            self.of_canaries.values().max().copied().filter(|_| !it.canary)
        } else {
            self.of_ring.range(..it.ring).map(|it| *it.1).max()
        };
        let own = self.of_canaries.range((it.ring, 0)..=(it.ring, it.own_ring)).map(|it| *it.1).max();
        let own = own.filter(|_| !it.canary && !it.coordinator);
        let first = self.of_coordinators.get(&it.cluster).copied().filter(|_| !it.canary && !it.coordinator);
        let pool = self.of_pools.range((it.cluster, it.ring, 0)..(it.cluster, it.ring, it.own_ring));
        let pool = pool.map(|it| *it.1).max();
        let pool = pool.filter(|_| !merged && !it.coordinator && it.cluster != NONE);
        earlier.into_iter().chain(own).chain(first).chain(pool).max()
    }
}

/// The same for hosts that had the change before the plan began: later rings wait for their soak, and everybody who is no canary for
/// that of those that their hardware class is to learn from.
fn before(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    change: u32,
    (stages, soaking): (&[Stage], &[Soaking]),
    log: &mut Log<'_>,
) {
    let emergency = timeline.profile == Profile::Emergency;
    let merged = emergency && world.policy.planning.emergency.merge_rings;
    for it in stages.iter().filter(|_| !soaking.is_empty()) {
        log.compared(Rule::RingOrder);
        let binds = |soak: &&Soaking| (soak.canary && !it.canary) || (!merged && soak.ring < it.ring);
        let Some(last) = soaking.iter().filter(binds).max_by_key(|it| it.until) else { continue };
        if it.from >= last.until {
            continue;
        }
        let locus = it.hosts.first().map_or(Locus::NOWHERE, |host| world.locus(*host));
        log.error(Rule::RingOrder, At::moment(it.from), &locus, || {
            let change = timeline.changes.get(ix(change)).map_or("?", |it| it.id.as_str());
            let host = world.hosts.get(ix(last.host)).map_or("?", |it| it.host.id.as_str());
            let found = format!("{} start at {} s for change {change:?}", named(world, &it.hosts), it.from);
            (
                format!("wave {}", it.wave),
                found,
                format!("after {} s, when {host} has soaked, which had it before", last.until),
            )
        });
    }
}

/// Maker, model and processor of a host.
pub(crate) type Hardware<'a> = [Option<&'a str>; 3];

/// What a host's hardware is, as far as a bad release can tell.
pub(crate) fn hardware<'a>(world: &World<'a>, host: u32) -> Hardware<'a> {
    let Some(host) = world.hosts.get(ix(host)).map(|it| it.host) else { return [None; 3] };
    let cpu = host.cpu.as_ref();
    let processor = cpu.and_then(|it| it.signature.as_deref().or(it.model.as_deref()));
    [host.vendor.as_deref(), host.model.as_deref(), processor]
}

/// Hosts of each hardware class that a change is about, and those of them that had it before the plan: nobody needs a canary to learn
/// what they tell.
fn members_of<'a>(world: &World<'a>, members: &Members, change: u32) -> BTreeMap<Hardware<'a>, (u32, u32)> {
    let mut of: BTreeMap<Hardware<'_>, (u32, u32)> = BTreeMap::new();
    for (element, due) in members.get(ix(change)).into_iter().flatten() {
        let Some(host) = element.host() else { continue };
        let count = of.entry(hardware(world, host)).or_default();
        *count = (count.0 + 1, count.1 + u32::from(!due));
    }
    of
}

/// Waves that are canaries of a change whatever their flag says: those of its first wave's ring with the first hosts of a hardware class
/// that needs some, as far as they start before the first wave has soaked.
pub(crate) fn tried_first(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    members: &Members,
    change: u32,
) -> Vec<u32> {
    let stages = stages(world, timeline).remove(&change).unwrap_or_default();
    let classes = members_of(world, members, change);
    let mut hosts: Vec<(u32, u32, &Stage)> =
        stages.iter().flat_map(|it| it.hosts.iter().map(move |host| (it.from, *host, it))).collect();
    hosts.sort_unstable_by_key(|it| (it.0, it.1));
    let mut taken: BTreeMap<Hardware<'_>, u32> = BTreeMap::new();
    let mut first: Option<(u32, u32)> = None;
    let mut waves = Vec::new();
    for (from, host, stage) in hosts {
        let class = hardware(world, host);
        let (all, there) = classes.get(&class).copied().unwrap_or_default();
        let taken = taken.entry(class).or_default();
        *taken += 1;
        if *taken > world.policy.planning.canaries_of(all).saturating_sub(there) {
            continue;
        }
        let (ring, soaked) = *first.get_or_insert((stage.ring, stage.soak_until));
        if stage.ring == ring && from < soaked {
            waves.push(stage.wave);
        }
    }
    waves
}

/// Who may be a canary whatever its wave says of itself: a plan that calls every host one has none.
struct Excused<'a> {
    /// Of each change and hardware, how many canaries are still wanted.
    wanted: Vec<BTreeMap<Hardware<'a>, u32>>,
    /// The changes of each host.
    changes: BTreeMap<u32, Vec<u32>>,
    coordinators: BTreeSet<u32>,
}

impl<'a> Excused<'a> {
    fn new(world: &World<'a>, members: &Members, all: &BTreeMap<u32, Vec<Stage>>) -> Self {
        let wanted = (0..members.len() as u32).map(|change| {
            let of = members_of(world, members, change).into_iter();
            let wanted = |(all, there)| world.policy.planning.canaries_of(all).saturating_sub(there);
            of.map(|(class, hosts)| (class, wanted(hosts))).collect()
        });
        let mut changes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (change, stages) in all {
            for host in stages.iter().flat_map(|it| &it.hosts) {
                changes.entry(*host).or_default().push(*change);
            }
        }
        let clusters = 0..world.clusters.len() as u32;
        let coordinators = clusters.flat_map(|it| crate::sequence::coordinators_of(world, it)).collect();
        Self { wanted: wanted.collect(), changes, coordinators }
    }

    fn of(&self, change: u32, class: &Hardware<'a>) -> u32 {
        self.wanted.get(ix(change)).and_then(|it| it.get(class)).copied().unwrap_or_default()
    }

    /// Hosts of one class, in the order of their starts: which of them may go as canaries. Those that get the same changes have as
    /// many as any of these wants; a pool's coordinator comes first anyway.
    fn canaries(&self, class: &Hardware<'a>, hosts: impl Iterator<Item = u32>) -> BTreeSet<u32> {
        let mut taken: BTreeMap<&[u32], u32> = BTreeMap::new();
        let is_canary = |host: &u32| {
            let changes = self.changes.get(host).map(Vec::as_slice).unwrap_or_default();
            let taken = taken.entry(changes).or_default();
            let wanted = changes.iter().map(|it| self.of(*it, class)).max().unwrap_or(0);
            self.coordinators.contains(host) || {
                *taken += 1;
                *taken <= wanted
            }
        };
        hosts.filter(is_canary).collect()
    }
}

/// Of each hardware class the first hosts soak before the others go.
fn canaries(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    change: u32,
    stages: &[Stage],
    excused: &Excused<'_>,
    log: &mut Log<'_>,
) {
    if world.policy.planning.canaries_per_class == 0 {
        return;
    }
    // Of each class: start, end of the soak, canary or not, host.
    let mut classes: BTreeMap<Hardware<'_>, Vec<(u32, u32, bool, u32)>> = BTreeMap::new();
    for stage in stages {
        for host in &stage.hosts {
            let of = classes.entry(hardware(world, *host)).or_default();
            of.push((stage.from, stage.soak_until, stage.canary, *host));
        }
    }
    for (class, mut hosts) in classes {
        log.compared(Rule::RingOrder);
        hosts.sort_unstable();
        let wanted = ix(excused.of(change, &class));
        let canaries = excused.canaries(&class, hosts.iter().filter(|it| it.2).map(|it| it.3));
        for &(from, _, _, host) in hosts.iter().skip(wanted) {
            let soaked = hosts.iter().filter(|it| it.1 <= from).count();
            if canaries.contains(&host) || soaked >= wanted {
                continue;
            }
            log.error(Rule::RingOrder, At::moment(from), &world.locus(host), || {
                let change = timeline.changes.get(ix(change)).map_or("?", |it| it.id.as_str());
                let class: Vec<&str> = class.iter().map(|it| it.unwrap_or("?")).collect();
                let place = format!("hardware {}", class.join(" / "));
                let others = named(world, &[host]);
                let found =
                    format!("{others} goes when {soaked} hosts of it have soaked with change {change:?}");
                let first: Vec<u32> = hosts.iter().take(wanted).map(|it| it.3).collect();
                (place, found, format!("at least {wanted} before it, as canaries: {}", named(world, &first)))
            });
        }
    }
}
