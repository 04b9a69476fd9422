//! Waits between the waves of a cluster: hosts of a later one do not go before those of an earlier one are back, however late.

use std::collections::BTreeMap;

use underpin_model::plan::Rule;

use super::{Told, Waits};
use crate::report::{At, Log};
use crate::timeline::{Doing, Path, Timeline};
use crate::world::{Elem, Locus, NONE, World, ix};

/// A wave in a cluster, as its steps say.
struct Stay {
    wave: u32,
    /// From the first to the last step that touches.
    from: u32,
    until: u32,
    /// Steps that touch and wait for no other of their drain.
    roots: Vec<u32>,
    /// Verifications that close its drains; of one without, whatever touches.
    closing: Vec<u32>,
}

pub(super) fn check(world: &World<'_>, timeline: &Timeline<'_>, waits: &mut Waits, log: &mut Log<'_>) {
    for (cluster, mut stays) in stays(world, timeline) {
        stays.sort_by_key(|it| (it.until, it.from, it.wave));
        // The latest start of those that are over by then.
        let mut latest = Vec::with_capacity(stays.len());
        for it in &stays {
            latest.push(latest.last().copied().unwrap_or(0).max(it.from));
        }
        for it in &stays {
            let over = stays.partition_point(|other| other.until <= it.from);
            let Some(&last) = over.checked_sub(1).and_then(|at| latest.get(at)) else { continue };
            // Those that end before another starts that is over, too, are what that one waits for.
            let first = stays.partition_point(|other| other.until <= last).min(over);
            let before = stays.get(first..over).unwrap_or_default();
            let needed: Vec<u32> = before.iter().flat_map(|it| it.closing.iter().copied()).collect();
            let mut told = None;
            for &root in &it.roots {
                log.compared_many(Rule::Order, needed.len() as u64);
                Told::add(&mut told, root, &waits.missing(root, &needed));
            }
            if let Some(told) = told {
                let start = timeline.acts.get(ix(told.step)).map_or(0, |it| it.start);
                let locus = Locus { cluster, ..Locus::NOWHERE };
                log.error(Rule::Order, At::step(told.step, start), &locus, || {
                    told.say(timeline.plan, format!("wave {}", it.wave))
                });
            }
        }
    }
}

/// The waves of each cluster.
fn stays(world: &World<'_>, timeline: &Timeline<'_>) -> BTreeMap<u32, Vec<Stay>> {
    let mut all: BTreeMap<(u32, u32), Stay> = BTreeMap::new();
    for path in timeline.paths.iter().filter(|it| it.from != NONE) {
        let Elem::Host(host) = path.element else { continue };
        let cluster = world.hosts.get(ix(host)).map_or(NONE, |it| it.cluster);
        if cluster == NONE {
            continue;
        }
        let stay = all.entry((cluster, path.wave)).or_insert(Stay {
            wave: path.wave,
            from: NONE,
            until: 0,
            roots: Vec::new(),
            closing: Vec::new(),
        });
        stay.from = stay.from.min(path.from);
        stay.until = stay.until.max(path.until);
        ends(timeline, path, stay);
    }
    let mut of: BTreeMap<u32, Vec<Stay>> = BTreeMap::new();
    for ((cluster, _), stay) in all {
        of.entry(cluster).or_default().push(stay);
    }
    of
}

/// With which steps a drain begins, and with which it is over.
fn ends(timeline: &Timeline<'_>, path: &Path, stay: &mut Stay) {
    let act = |it: u32| timeline.acts.get(ix(it));
    let touching = || path.steps.iter().copied().filter(|it| act(*it).is_some_and(|it| it.touches));
    let works = |it: u32| {
        act(it)
            .is_some_and(|it| it.named() == Some(path.element) && !matches!(it.doing, Doing::Evacuate { .. }))
    };
    let before = stay.roots.len();
    stay.roots.extend(touching().take_while(|it| !works(*it)));
    if stay.roots.len() == before {
        stay.roots.extend(touching().next());
    }
    let verify = |it: &u32| {
        act(*it)
            .is_some_and(|it| matches!(it.doing, Doing::Verify { .. }) && it.named() == Some(path.element))
    };
    match path.steps.iter().copied().rfind(verify) {
        Some(it) => stay.closing.push(it),
        None => stay.closing.extend(touching()),
    }
}
