//! Clusters: degraded ones, and what is frozen in them while their hosts are touched.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use underpin_model::plan::{Frozen, Rule, Severity, StepKind};
use underpin_model::policy::Placing;

use crate::report::{At, Log};
use crate::timeline::{Act, Doing, Timeline};
use crate::world::{Elem, Locus, NONE, World, ix};

/// The clusters that a step touches.
fn clusters(world: &World<'_>, act: &Act<'_>) -> Vec<u32> {
    let of_host = |host: u32| world.hosts.get(ix(host)).map_or(NONE, |it| it.cluster);
    let mut all: Vec<u32> = act.hosts().map(of_host).collect();
    all.extend(act.subject.and_then(Elem::host).map(of_host));
    if let Some(element) = act.named().filter(|it| it.host().is_none()) {
        all.extend(world.clusters_on(element));
    }
    all.retain(|it| *it != NONE);
    all.sort_unstable();
    all.dedup();
    all
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let ranges = freezes(world, timeline, log);
    let mut unfrozen = vec![false; world.clusters.len()];
    // Of each cluster and time without a freeze the first step that touches, and how many follow.
    let mut between: BTreeMap<(u32, usize), (At, String, u32)> = BTreeMap::new();
    for (act, step) in timeline.acts.iter().zip(0u32..).filter(|it| it.0.touches) {
        let at = At::step(step, act.start);
        for cluster in clusters(world, act) {
            degraded(world, at, cluster, log);
        }
        let hosts = act.hosts().filter_map(|host| world.hosts.get(ix(host)));
        let mut own: Vec<u32> = hosts.map(|it| it.cluster).filter(|it| *it != NONE).collect();
        own.dedup();
        for cluster in own {
            log.compared(Rule::FreezeThaw);
            let place = || format!("cluster {}", world.cluster_id(cluster));
            let locus = Locus { cluster, ..Locus::NOWHERE };
            match ranges.get(&cluster) {
                Some(ranges) if !ranges.iter().any(|it| it.0 <= act.start && act.end <= it.1) => {
                    let gap = ranges.iter().filter(|it| it.1 <= act.start).count();
                    let told = between.entry((cluster, gap)).and_modify(|it| it.2 += 1);
                    told.or_insert_with(|| {
                        let found =
                            format!("touched from {} to {} s, while nothing is frozen", act.start, act.end);
                        (at, found, 0)
                    });
                }
                // Its hosts are changed. Once for each cluster: without a freeze every step is the same mistake.
                None if of_subject(world, act) == cluster => {
                    if let Some(told) = unfrozen.get_mut(ix(cluster))
                        && !std::mem::replace(told, true)
                    {
                        log.error(Rule::FreezeThaw, at, &locus, || {
                            let found = if balances(world, timeline, cluster) {
                                "its balancing is on, and moves guests against the plan"
                            } else {
                                "its hosts are touched, and nothing in it is frozen"
                            };
                            (place(), found.into(), "a freeze over before the first step that touches".into())
                        });
                    }
                }
                _ => {}
            }
        }
    }
    for ((cluster, _), (at, found, follow)) in between {
        log.error(Rule::FreezeThaw, at, &Locus { cluster, ..Locus::NOWHERE }, || {
            let more = if follow > 0 { format!(", and by {follow} steps after it") } else { String::new() };
            let place = format!("cluster {}", world.cluster_id(cluster));
            (place, found + &more, "the freeze over before, and the thaw after".into())
        });
    }
}

/// The cluster of the host for whose change a step is done.
fn of_subject(world: &World<'_>, act: &Act<'_>) -> u32 {
    let host = act.subject.and_then(Elem::host);
    host.and_then(|it| world.hosts.get(ix(it))).map_or(NONE, |it| it.cluster)
}

/// Balancing is known to be on where the plan itself places.
fn balances(world: &World<'_>, timeline: &Timeline<'_>, cluster: u32) -> bool {
    timeline.plan.placing == Placing::WePlace
        && world.clusters.get(ix(cluster)).is_some_and(|it| it.load_balancing == Some(true))
}

fn degraded(world: &World<'_>, at: At, cluster: u32, log: &mut Log<'_>) {
    log.compared(Rule::Degraded);
    if world.clusters.get(ix(cluster)).is_some_and(|it| it.degraded == Some(true)) {
        log.error(Rule::Degraded, at, &Locus { cluster, ..Locus::NOWHERE }, || {
            let place = format!("cluster {}", world.cluster_id(cluster));
            (place, "touched although it is degraded".into(), "nothing touched until it is whole".into())
        });
    }
}

/// From the end of each freeze to the start of its thaw, by cluster.
fn freezes(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) -> FxHashMap<u32, Vec<(u32, u32)>> {
    let mut ranges: FxHashMap<u32, Vec<(u32, u32)>> = FxHashMap::default();
    let mut open: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
    let mut unknown: Vec<(At, u32, &str)> = Vec::new();
    let mut bad = |at: At, cluster: u32, found: &str, expected: &str| {
        log.error(Rule::FreezeThaw, at, &Locus { cluster, ..Locus::NOWHERE }, || {
            (format!("cluster {}", world.cluster_id(cluster)), found.into(), expected.into())
        });
    };
    for ((act, step), number) in timeline.acts.iter().zip(&timeline.plan.steps).zip(0u32..) {
        let at = At::step(number, act.start);
        match act.doing {
            Doing::Freeze { cluster } => {
                let StepKind::Freeze { what, .. } = &step.kind else { continue };
                let lacks = |it: Frozen| !what.contains(&it);
                let known = world.clusters.get(ix(cluster));
                if lacks(Frozen::Balancing) && balances(world, timeline, cluster) {
                    bad(at, cluster, "balancing is on, and not frozen", "balancing among what is frozen");
                }
                if lacks(Frozen::AdmissionControl)
                    && known.is_some_and(|it| it.admission_control == Some(true))
                {
                    let expected =
                        "admission control among what is frozen: the plan keeps the reserve itself";
                    bad(at, cluster, "admission control is on, and not frozen", expected);
                }
                if lacks(Frozen::Balancing)
                    && timeline.plan.placing == Placing::WePlace
                    && known.is_some_and(|it| it.load_balancing.is_none())
                {
                    unknown.push((at, cluster, "balancing"));
                }
                // No fact says whether guests start by themselves on a host that comes back.
                if lacks(Frozen::AutoStart) {
                    unknown.push((at, cluster, "the start of guests by themselves"));
                }
                if open.insert(cluster, (number, act.end)).is_some() {
                    bad(at, cluster, "frozen twice", "a thaw between: the second saves what the first froze");
                }
            }
            Doing::Thaw { cluster } => match open.remove(&cluster) {
                Some((_, from)) => ranges.entry(cluster).or_default().push((from, act.start)),
                None => bad(at, cluster, "thawed without having been frozen", "a freeze before it"),
            },
            _ => {}
        }
    }
    let mut left: Vec<(u32, (u32, u32))> = open.into_iter().collect();
    left.sort_unstable();
    for (cluster, (step, from)) in left {
        bad(
            At::step(step, from),
            cluster,
            "frozen and never thawed",
            "a thaw after its last step that touches",
        );
        ranges.entry(cluster).or_default().push((from, NONE));
    }
    for (at, cluster, what) in unknown {
        log.add(Rule::FreezeThaw, Severity::Unknown, at, || {
            let found = format!("{what} is not frozen, and nobody knows whether it is on");
            let place = format!("cluster {}", world.cluster_id(cluster));
            (place, found, format!("{what} among what is frozen"))
        });
    }
    ranges
}
