//! Waits between what happens in a cluster: hosts of a later wave do not go before those of an earlier one are back, however late, nor
//! before what the cluster stands on is, nor before guests are home and run again; and what is frozen stays so meanwhile.

use std::collections::BTreeMap;

use underpin_model::plan::Rule;

use super::{Told, Waits};
use crate::report::{At, Log};
use crate::timeline::{Doing, Path, Timeline};
use crate::world::{Elem, Locus, NONE, World, ix};

/// With what drains and waves begin.
pub(super) struct Ways {
    /// Of each path, the steps that touch and wait for no other of their drain.
    pub(super) first: Vec<Vec<u32>>,
    /// The gate of each wave that has one.
    pub(super) gates: BTreeMap<u32, u32>,
}

/// A wave in a cluster, or the change of an element under it, as its steps say.
#[derive(Default)]
struct Stay {
    wave: u32,
    /// From the first to the last step that touches.
    from: u32,
    until: u32,
    /// It is a wave of hosts.
    hosts: bool,
    /// Its gate.
    gate: Option<u32>,
    /// Steps that touch and wait for no other of their drain.
    roots: Vec<u32>,
    /// Guests that go home, start or are resumed at the end of its drains; of one without, its verification, or whatever touches.
    over: Vec<u32>,
}

impl Stay {
    /// What everything else in it waits for: its gate, if it has one.
    fn opening(&self) -> &[u32] {
        if self.gate.is_some() { self.gate.as_slice() } else { &self.roots }
    }
}

/// A cluster is frozen from the end of one step to the start of another.
struct Frozen {
    freeze: u32,
    from: u32,
    thaw: u32,
    until: u32,
}

pub(super) fn check(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    ways: &Ways,
    waits: &mut Waits,
    log: &mut Log<'_>,
) {
    let frozen = frozen(timeline);
    for (cluster, mut stays) in stays(world, timeline, ways) {
        stays.sort_by_key(|it| (it.until, it.from, it.wave));
        let mut check = Check { world, timeline, cluster, waits, log };
        check.one_after_the_other(&stays);
        let frozen = frozen.get(&cluster).map(Vec::as_slice).unwrap_or_default();
        for it in frozen {
            check.within(it, &stays);
        }
        // Whoever thaws late must not thaw what is frozen again.
        for pair in frozen.windows(2) {
            if let [before, after] = pair {
                check.all(&[after.freeze], &[before.thaw], || {
                    format!("cluster {}", world.cluster_id(cluster))
                });
            }
        }
    }
}

struct Check<'c, 'a, 'l> {
    world: &'c World<'a>,
    timeline: &'c Timeline<'a>,
    cluster: u32,
    waits: &'c mut Waits,
    log: &'c mut Log<'l>,
}

impl Check<'_, '_, '_> {
    /// Each waits for those before it, by the clock, that nothing between them waits for already.
    fn one_after_the_other(&mut self, stays: &[Stay]) {
        // The latest start of those that are over by then.
        let mut latest = Vec::with_capacity(stays.len());
        for it in stays {
            latest.push(latest.last().copied().unwrap_or(0).max(it.from));
        }
        for it in stays {
            let over = stays.partition_point(|other| other.until <= it.from);
            let Some(&last) = over.checked_sub(1).and_then(|at| latest.get(at)) else { continue };
            // Those that end before another starts that is over, too, are what that one waits for.
            let first = stays.partition_point(|other| other.until <= last).min(over);
            let before = stays.get(first..over).unwrap_or_default();
            let needed: Vec<u32> = before.iter().flat_map(|it| it.over.iter().copied()).collect();
            self.all(it.opening(), &needed, || format!("wave {}", it.wave));
        }
    }

    /// All of some steps wait for all of some others.
    fn all(&mut self, steps: &[u32], needed: &[u32], place: impl Fn() -> String) {
        let mut told = None;
        for &step in steps {
            self.log.compared_many(Rule::Order, needed.len() as u64);
            Told::add(&mut told, step, &self.waits.missing(step, needed));
        }
        self.tell(told, place);
    }

    /// What begins within a freeze waits for it, and the thaw for all that is over by then.
    fn within(&mut self, frozen: &Frozen, stays: &[Stay]) {
        let inside: Vec<&Stay> = stays
            .iter()
            .filter(|it| it.hosts && frozen.from <= it.from && it.until <= frozen.until)
            .collect();
        // The others wait for these, or these for them.
        let first = inside.iter().map(|it| it.until).min().unwrap_or(0);
        let last = inside.iter().map(|it| it.from).max().unwrap_or(0);
        let roots = inside.iter().filter(|it| it.from < first).flat_map(|it| it.opening().iter().copied());
        let over = inside.iter().filter(|it| it.until > last).flat_map(|it| it.over.iter().copied());
        let (roots, over): (Vec<u32>, Vec<u32>) = (roots.collect(), over.collect());
        let place = format!("cluster {}", self.world.cluster_id(self.cluster));
        self.all(&roots, &[frozen.freeze], || place.clone());
        self.all(&[frozen.thaw], &over, || place.clone());
    }

    fn tell(&mut self, told: Option<Told>, place: impl Fn() -> String) {
        let Some(told) = told else { return };
        let start = self.timeline.acts.get(ix(told.step)).map_or(0, |it| it.start);
        let locus = Locus { cluster: self.cluster, ..Locus::NOWHERE };
        let plan = self.timeline.plan;
        self.log.error(Rule::Order, At::step(told.step, start), &locus, || told.say(plan, place()));
    }
}

/// The freezes of each cluster that are thawed.
fn frozen(timeline: &Timeline<'_>) -> BTreeMap<u32, Vec<Frozen>> {
    let mut all: BTreeMap<u32, Vec<Frozen>> = BTreeMap::new();
    let mut open: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for (act, step) in timeline.acts.iter().zip(0u32..) {
        match act.doing {
            Doing::Freeze { cluster } => drop(open.insert(cluster, (step, act.end))),
            Doing::Thaw { cluster } => {
                if let Some((freeze, from)) = open.remove(&cluster) {
                    let it = Frozen { freeze, from, thaw: step, until: act.start };
                    all.entry(cluster).or_default().push(it);
                }
            }
            _ => {}
        }
    }
    all
}

/// What happens in each cluster.
fn stays(world: &World<'_>, timeline: &Timeline<'_>, ways: &Ways) -> BTreeMap<u32, Vec<Stay>> {
    let mut all: BTreeMap<(u32, u32), Stay> = BTreeMap::new();
    for (path, first) in timeline.paths.iter().zip(&ways.first).filter(|it| it.0.from != NONE) {
        for cluster in world.clusters_on(path.element) {
            let stay = all.entry((cluster, path.wave)).or_insert(Stay {
                wave: path.wave,
                from: NONE,
                hosts: path.element.host().is_some(),
                gate: ways.gates.get(&path.wave).copied(),
                ..Stay::default()
            });
            stay.from = stay.from.min(path.from);
            stay.until = stay.until.max(path.until);
            stay.roots.extend(first);
            over(timeline, path, stay);
        }
    }
    let mut of: BTreeMap<u32, Vec<Stay>> = BTreeMap::new();
    for ((cluster, _), stay) in all {
        of.entry(cluster).or_default().push(stay);
    }
    of
}

/// With which steps a drain is over.
fn over(timeline: &Timeline<'_>, path: &Path, stay: &mut Stay) {
    let act = |it: u32| timeline.acts.get(ix(it));
    let touching = || path.steps.iter().copied().filter(|it| act(*it).is_some_and(|it| it.touches));
    let returns = |it: &u32| match act(*it).map(|it| &it.doing) {
        Some(Doing::Migrate { to, .. }) => path.element == Elem::Host(*to),
        Some(Doing::Start { .. } | Doing::Resume { .. }) => true,
        _ => false,
    };
    // They wait for the verification by themselves.
    let before = stay.over.len();
    stay.over.extend(touching().filter(returns));
    if stay.over.len() > before {
        return;
    }
    let verify = |it: &u32| {
        act(*it)
            .is_some_and(|it| matches!(it.doing, Doing::Verify { .. }) && it.named() == Some(path.element))
    };
    match path.steps.iter().copied().rfind(verify) {
        Some(it) => stay.over.push(it),
        None => stay.over.extend(touching()),
    }
}
