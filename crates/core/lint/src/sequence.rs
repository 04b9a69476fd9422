//! What comes before what: planes before hosts, changes after those that they name, coordinators first.

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::change::{Layer, Target};
use underpin_model::facts::Family;
use underpin_model::plan::Rule;

use crate::changes::Members;
use crate::report::{At, Log};
use crate::timeline::{Doing, Timeline};
use crate::world::{Elem, NONE, World, ix};

const RULE: Rule = Rule::ChangeOrder;

/// When an element gets a change: first and last patch, and when it is verified.
#[derive(Clone, Copy)]
struct Done {
    from: u32,
    patched: u32,
    verified: u32,
    wave: u32,
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, log: &mut Log<'_>) {
    let done = done(timeline);
    let mut all: Vec<((u32, Elem), Done)> = done.iter().map(|it| (*it.0, *it.1)).collect();
    all.sort_unstable_by_key(|it| it.0);
    for ((change, element), it) in &all {
        named(world, timeline, members, &done, *change, *element, *it, log);
    }
    planes(world, timeline, members, log);
    coordinators(world, timeline, members, &all, log);
}

fn done(timeline: &Timeline<'_>) -> FxHashMap<(u32, Elem), Done> {
    let mut verified: FxHashMap<(u32, Elem), u32> = FxHashMap::default();
    for path in &timeline.paths {
        verified.insert((path.wave, path.element), path.verified);
    }
    let mut all: FxHashMap<(u32, Elem), Done> = FxHashMap::default();
    for act in &timeline.acts {
        let Doing::Patch { element, change, .. } = act.doing else { continue };
        let verified = verified.get(&(act.wave, element)).copied().unwrap_or(NONE);
        let it = all.entry((change, element)).or_insert(Done {
            from: act.start,
            patched: act.end,
            verified,
            wave: act.wave,
        });
        it.from = it.from.min(act.start);
        it.patched = it.patched.max(act.end);
        it.verified = it.verified.max(verified);
    }
    all
}

/// The elements that an element depends on, itself among them.
fn depends_on(world: &World<'_>, element: Elem) -> Vec<Elem> {
    let mut all = vec![element];
    match element {
        Elem::Host(host) => {
            let cluster = world.hosts.get(ix(host)).map_or(NONE, |it| it.cluster);
            all.extend(world.managed_by.get(ix(cluster)).into_iter().flatten().map(|it| Elem::Plane(*it)));
            let witness = world.clusters.get(ix(cluster)).and_then(|it| it.witness.as_ref());
            let witness = witness.and_then(|it| world.witness_at.get(it.as_str()));
            all.extend(witness.map(|it| Elem::Witness(*it)));
            all.extend(world.storage_of.get(ix(host)).into_iter().flatten().map(|it| Elem::Storage(*it)));
        }
        Elem::Plane(plane) => {
            let hosts = world.planes.get(ix(plane)).into_iter().flat_map(|it| &it.runs_on).flatten();
            all.extend(hosts.filter_map(|it| world.host_at.get(it.as_str())).map(|it| Elem::Host(*it)));
        }
        _ => {}
    }
    all
}

/// A change comes after those that it names, on everything that its element depends on.
#[allow(clippy::too_many_arguments, reason = "the plan by numbers, and one change of one element in it")]
fn named(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    members: &Members,
    done: &FxHashMap<(u32, Elem), Done>,
    change: u32,
    element: Elem,
    it: Done,
    log: &mut Log<'_>,
) {
    let Some(own) = timeline.changes.get(ix(change)).filter(|it| !it.after.is_empty()) else { return };
    for earlier in &own.after {
        let Some(&number) = timeline.change_at.get(earlier.as_str()) else {
            log.error(RULE, At::NONE, &world.locus_of(element), || {
                let found = format!("change {:?} after {earlier:?}, which is none", own.id);
                (world.id(element), found, "changes of the fleet".into())
            });
            continue;
        };
        for on in depends_on(world, element) {
            if members.get(ix(number)).and_then(|it| it.get(&on)) != Some(&true) {
                continue;
            }
            log.compared(RULE);
            let before = done.get(&(number, on));
            let ready = before.map(|before| {
                // In one drain the patches follow each other; otherwise the earlier one is verified first.
                if on == element && before.wave == it.wave { before.patched } else { before.verified }
            });
            if ready.is_none_or(|ready| it.from < ready) {
                log.error(RULE, At::moment(it.from), &world.locus_of(element), || {
                    let found = format!("change {:?} at {} s", own.id, it.from);
                    let on = world.id(on);
                    let expected = match ready {
                        Some(NONE) => format!("{earlier:?} verified on {on} before"),
                        Some(ready) => format!("after {ready} s, when {earlier:?} is done on {on}"),
                        None => format!("{earlier:?} done on {on} before, which the plan leaves out"),
                    };
                    (world.id(element), found, expected)
                });
            }
        }
    }
}

/// Planes with the waves in which they get a change that names one of hosts: that one comes after these on purpose.
fn follows_hosts(timeline: &Timeline<'_>) -> FxHashSet<(u32, u32)> {
    let of_hosts = |id: &String| {
        let change = timeline.change_at.get(id.as_str()).and_then(|it| timeline.changes.get(ix(*it)));
        change.is_some_and(|it| it.layer == Layer::Host)
    };
    let named = timeline.acts.iter().filter_map(|act| match act.doing {
        Doing::Patch { element: Elem::Plane(plane), change, .. } => {
            let change = timeline.changes.get(ix(change))?;
            change.after.iter().any(of_hosts).then_some((act.wave, plane))
        }
        _ => None,
    });
    named.collect()
}

/// Planes that the plan changes are done before it touches the hosts that they manage; one that could not be changed holds them back.
fn planes(world: &World<'_>, timeline: &Timeline<'_>, members: &Members, log: &mut Log<'_>) {
    let mut ready: Vec<Option<(u32, u32)>> = vec![None; world.planes.len()];
    let follows = follows_hosts(timeline);
    for path in timeline.paths.iter().filter(|it| it.from != NONE) {
        if let Elem::Plane(plane) = path.element
            && !follows.contains(&(path.wave, plane))
            && let Some(it) = ready.get_mut(ix(plane))
        {
            *it = (*it).max(Some((path.verified, plane)));
        }
    }
    for left in timeline.plan.left_out.iter().filter(|it| !it.deferred) {
        let Some(&plane) = world.plane_at.get(left.element.as_str()) else { continue };
        let change = timeline.change_at.get(left.change.as_str());
        let needed = change.and_then(|it| members.get(ix(*it))?.get(&Elem::Plane(plane)));
        if needed == Some(&true)
            && let Some(it) = ready.get_mut(ix(plane))
        {
            *it = Some((NONE, plane));
        }
    }
    for path in timeline.paths.iter().filter(|it| it.from != NONE) {
        let Elem::Host(host) = path.element else { continue };
        let cluster = world.hosts.get(ix(host)).map_or(NONE, |it| it.cluster);
        let planes = world.managed_by.get(ix(cluster)).into_iter().flatten();
        for (until, plane) in planes.filter_map(|it| ready.get(ix(*it)).copied().flatten()) {
            log.compared(RULE);
            if path.from < until {
                log.error(RULE, At::moment(path.from), &world.locus(host), || {
                    let plane = world.id(Elem::Plane(plane));
                    let expected = match until {
                        NONE => format!("management plane {plane} changed and verified before"),
                        until => format!("after {until} s, when management plane {plane} is done"),
                    };
                    (format!("host {}", world.host_id(host)), format!("touched at {} s", path.from), expected)
                });
            }
        }
    }
}

/// The hosts that coordinate their pool: a plane of XCP-ng or XenServer runs on the host that the others take their orders from.
pub(crate) fn coordinators_of(world: &World<'_>, cluster: u32) -> Vec<u32> {
    let planes = world.managed_by.get(ix(cluster)).into_iter().flatten();
    let mut all: Vec<u32> = planes
        .filter_map(|it| world.planes.get(ix(*it)))
        .flat_map(|it| it.runs_on.iter().flatten())
        .filter_map(|it| world.host_at.get(it.as_str()).copied())
        .filter(|host| world.hosts.get(ix(*host)).is_some_and(|it| it.cluster == cluster))
        .filter(|host| matches!(world.family(*host), Some(Family::XcpNg | Family::XenServer)))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// In a pool with a coordinator, that is the first to get a release.
fn coordinators(
    world: &World<'_>,
    timeline: &Timeline<'_>,
    members: &Members,
    all: &[((u32, Elem), Done)],
    log: &mut Log<'_>,
) {
    let of_cluster: Vec<Vec<u32>> =
        (0u32..).zip(&world.clusters).map(|it| coordinators_of(world, it.0)).collect();
    let done: FxHashMap<(u32, Elem), Done> = all.iter().copied().collect();
    for ((change, element), it) in all {
        let (Elem::Host(host), Some(what)) = (*element, timeline.changes.get(ix(*change))) else { continue };
        if !matches!(what.to, Target::Release { .. }) {
            continue;
        }
        let cluster = world.hosts.get(ix(host)).map_or(NONE, |it| it.cluster);
        let coordinators = of_cluster.get(ix(cluster)).map_or(&[][..], Vec::as_slice);
        if coordinators.contains(&host) {
            continue;
        }
        for &first in coordinators {
            let needed = members.get(ix(*change)).and_then(|it| it.get(&Elem::Host(first)));
            if needed != Some(&true) {
                continue;
            }
            log.compared(RULE);
            let ready = done.get(&(*change, Elem::Host(first))).map_or(NONE, |it| it.verified);
            if it.from < ready {
                log.error(RULE, At::moment(it.from), &world.locus(host), || {
                    let found = format!("change {:?} at {} s", what.id, it.from);
                    let expected =
                        format!("its coordinator {} changed and verified before", world.host_id(first));
                    (format!("host {}", world.host_id(host)), found, expected)
                });
            }
        }
    }
}
