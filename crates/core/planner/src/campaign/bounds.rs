//! Lower bounds that no plan of the same hosts can beat (waves, moves, time), for the report.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::plan::{Bounds, Plan};
use underpin_model::policy::Homing;

use super::Request;
use super::calendar::{Calendar, Seconds, earliest, tenants_wait};
use super::drive::Driven;
use super::facts::Facts;
use super::leave::live;
use super::room::KINDS;
use super::timing::Work;

/// Bounds for the hosts that the plan changes, with what it reached.
pub(super) fn bounds(
    request: &Request<'_>,
    facts: &Facts<'_>,
    driven: &Driven,
    plan: &Plan,
    moves: u64,
) -> Bounds {
    let (waves_at_least, waves) = waves(facts, driven);
    let calendar = Calendar::new(facts, request.starts_at, tenants_wait(request)).ok();
    let (makespan_at_least_s, makespan_bound_by) = makespan(facts, calendar.as_ref(), driven);
    Bounds {
        waves_at_least,
        waves,
        moves_at_least: moves_at_least(facts, driven),
        moves,
        makespan_at_least_s,
        makespan_s: plan.end_s(),
        makespan_bound_by: makespan_bound_by.to_owned(),
    }
}

/// Guests that are stopped or suspended while their host is changed.
fn staying(works: &[&Work]) -> BTreeSet<u32> {
    works.iter().flat_map(|it| it.departures.iter().filter(|it| !it.how.moves()).map(|it| it.guest)).collect()
}

/// Works of each cluster.
fn by_cluster(driven: &Driven) -> BTreeMap<u32, Vec<&Work>> {
    let mut works: BTreeMap<u32, Vec<&Work>> = BTreeMap::new();
    for wave in &driven.waves {
        works.entry(wave.cluster).or_default().extend(wave.staged.works.iter());
    }
    works
}

/// Waves of the cluster that needs most: hosts by the limit on hosts away, and by capacity: while hosts of capacity A are away
/// the others carry all guests, so that A is at most the room that is free (`W >= C(to change) / (C - D)`).
fn waves(facts: &Facts<'_>, driven: &Driven) -> (u32, u32) {
    let mut most = (0, 0);
    for (cluster, works) in by_cluster(driven) {
        let count = driven.waves.iter().filter(|it| it.cluster == cluster).count() as u32;
        // Stages follow one another, so that each has waves of its own.
        let mut by_stage: BTreeMap<usize, usize> = BTreeMap::new();
        for wave in driven.waves.iter().filter(|it| it.cluster == cluster) {
            *by_stage.entry(wave.stage).or_default() +=
                wave.staged.works.iter().filter(|it| !it.hops.is_empty()).count();
        }
        let mut bound = by_stage.values().map(|it| it.div_ceil(driven.most) as u64).sum::<u64>();
        let it = &facts.clusters[cluster as usize];
        // Guests that stay on their host, stopped or suspended, need no room elsewhere.
        let stays = staying(&works);
        let leaving: Vec<&&Work> = works
            .iter()
            .filter(|it| !it.hops.is_empty() && it.departures.iter().any(|it| it.how.moves()))
            .collect();
        for resource in 0..KINDS {
            let capacity = |host: u32| facts.hosts[host as usize].capacity.map_or(0, |it| it[resource]);
            let all: u64 = it.hosts.clone().map(capacity).sum();
            // A host that carries too much at the start makes no other one smaller.
            let mut used: BTreeMap<u32, u64> = BTreeMap::new();
            for guest in it.guests.clone().filter(|guest| !stays.contains(guest)) {
                let demand = facts.guests[guest as usize].holds[resource];
                let used = used.entry(facts.home[guest as usize]).or_default();
                *used = used.saturating_add(demand);
            }
            let demand: u64 = used.iter().map(|(&host, &used)| used.min(capacity(host))).sum();
            let to_change: u64 = leaving.iter().map(|work| capacity(work.host)).sum();
            if let Some(free) = all.checked_sub(demand).filter(|it| *it > 0) {
                bound = bound.max(to_change.div_ceil(free));
            }
        }
        most = most.max((bound as u32, count));
    }
    most
}

/// Every guest of a host that is emptied moves once; twice where guests come home. Where no host is done or unconcerned at the
/// start, the guests of the first wave land on hosts that are still to be emptied, and move again: at least those of the host
/// with the fewest.
fn moves_at_least(facts: &Facts<'_>, driven: &Driven) -> u64 {
    let mut bound = 0;
    for (cluster, works) in by_cluster(driven) {
        let changed: BTreeSet<u32> = works.iter().map(|it| it.host).collect();
        // As they stood at the start; guests that stay (stopped, suspended) do not move.
        let stays = staying(&works);
        let emptied: Vec<u32> = works.iter().filter(|it| !it.hops.is_empty()).map(|it| it.host).collect();
        let cluster = &facts.clusters[cluster as usize];
        let mut guests: BTreeMap<u32, u64> = emptied.iter().map(|&it| (it, 0)).collect();
        for guest in cluster.guests.clone().filter(|it| !stays.contains(it)) {
            if let Some(count) = guests.get_mut(&facts.home[guest as usize]) {
                *count += 1;
            }
        }
        let once: u64 = guests.values().sum();
        let in_place = works.iter().all(|it| it.departures.is_empty());
        if in_place {
            continue;
        }
        bound += match driven.homing {
            // All but those that a rule holds back come home.
            Homing::Home => once + works.iter().map(|it| it.come_home.len() as u64).sum::<u64>(),
            Homing::Drift if changed.len() == cluster.hosts.len() => {
                once + guests.values().min().copied().unwrap_or(0)
            }
            Homing::Drift => once,
        };
    }
    bound
}

/// Works by stage and cluster.
type Stages<'w> = BTreeMap<usize, BTreeMap<u32, Vec<&'w Work>>>;

/// Time: the stages of a change follow one another with their soak; within a stage a cluster needs its longest host, the sum of
/// its hosts' paths over the hosts that may be away, and openings enough for the guests that move in windows only. A path is what
/// is done on the host, and at least its own guests over its link.
fn makespan(facts: &Facts<'_>, calendar: Option<&Calendar<'_>>, driven: &Driven) -> (Seconds, &'static str) {
    let mut changes: BTreeMap<u32, Stages<'_>> = BTreeMap::new();
    for wave in &driven.waves {
        for work in &wave.staged.works {
            let of: BTreeSet<u32> = work.hops.iter().map(|it| it.change).collect();
            for change in of {
                let stages = changes.entry(change).or_default();
                stages.entry(wave.stage).or_default().entry(wave.cluster).or_default().push(work);
            }
        }
    }
    let elements = driven.elements.iter().map(|it| u64::from(it.end - it.start)).max().unwrap_or(0);
    let mut best = (elements, "longest-host");
    for stages in changes.values() {
        let plain = chain(facts, None, driven, stages);
        let bound = match calendar.map(|it| chain(facts, Some(it), driven, stages)) {
            Some(windows) if windows.0 > plain.0 => (windows.0, "window"),
            _ => plain,
        };
        if bound.0 > best.0 {
            best = bound;
        }
    }
    (u32::try_from(best.0).unwrap_or(u32::MAX), best.1)
}

/// The stages of one change one after the other.
fn chain(
    facts: &Facts<'_>,
    calendar: Option<&Calendar<'_>>,
    driven: &Driven,
    stages: &Stages<'_>,
) -> (u64, &'static str) {
    let (mut now, mut soaked, mut by) = (0, 0, "longest-host");
    let last = stages.keys().max();
    for (stage, clusters) in stages {
        let start = now;
        for works in clusters.values() {
            let paths = works.iter().map(|it| path(facts, it));
            let longest = start + paths.clone().max().unwrap_or(0);
            let shared = start + paths.sum::<u64>().div_ceil(driven.most as u64);
            if shared > longest && shared > now {
                by = "hosts-away";
            }
            now = now.max(longest).max(shared);
            if let Some(calendar) = calendar {
                now = now.max(in_windows(facts, calendar, driven.most, works, start));
            }
        }
        // The soak of the last stage is not waited for.
        if Some(stage) != last {
            let soak = driven.stages.get(*stage).map_or(0, |&soak| u64::from(soak));
            (now, soaked) = (now + soak, soaked + soak);
        }
    }
    (now, if soaked > now - soaked { "soak" } else { by })
}

/// First moment at which hosts whose guests move in windows only can be done, from a moment on: each is away from the last such
/// move until it is changed, so that in an opening of length `L` no more than `most * (L / path + 1)` can be; and none before its
/// own windows were open.
fn in_windows(facts: &Facts<'_>, calendar: &Calendar<'_>, most: usize, works: &[&Work], start: u64) -> u64 {
    let from = Seconds::try_from(start).unwrap_or(Seconds::MAX);
    let mut latest = start;
    // Hosts by calendar of their guests, each with what is done on it.
    let mut waiting: BTreeMap<u32, (u32, Vec<u64>)> = BTreeMap::new();
    for work in works {
        let done = in_place(work);
        if let Some(spans) = calendar.host(work.host) {
            let path = Seconds::try_from(path(facts, work)).unwrap_or(Seconds::MAX);
            let length = path.saturating_add(work.durations.rollback.p95_s);
            let opens = earliest(spans, from, length).unwrap_or(from);
            latest = latest.max(u64::from(opens) + u64::from(path));
        }
        let own = work.departures.iter().filter(|it| it.from == work.host && it.how.moves());
        let numbers: BTreeMap<u32, u32> = own
            .map(|it| (calendar.guest_number(it.guest), it.guest))
            .filter(|it| it.0 != super::facts::NONE)
            .collect();
        for (number, guest) in numbers {
            waiting.entry(number).or_insert((guest, Vec::new())).1.push(done);
        }
    }
    for (guest, hosts) in waiting.into_values() {
        let Some(spans) = calendar.guest(guest) else { continue };
        let path = hosts.iter().copied().min().unwrap_or(0).max(1);
        let mut left = hosts.len() as u64;
        for &(opens, shuts) in spans.iter().filter(|it| it.1 > from) {
            let opens = u64::from(opens.max(from));
            let room = most as u64 * ((u64::from(shuts) - opens) / path + 1);
            if left <= room {
                latest = latest.max(opens + left.div_ceil(most as u64) * path);
                break;
            }
            left -= room;
        }
    }
    latest
}

fn path(facts: &Facts<'_>, work: &Work) -> u64 {
    let host = &facts.hosts[work.host as usize];
    let factor = facts.policy.planning.migration.p95_factor.max(1.0);
    let own = |guest: u32| facts.home[guest as usize] == work.host;
    let live_s: f64 = work
        .departures
        .iter()
        .filter(|it| it.how == super::leave::How::Live && own(it.guest))
        .filter_map(|it| live(facts, it.guest, host.link_mbps))
        .map(|it| it.total_s * factor)
        .sum();
    in_place(work) + live_s as u64
}

/// Seconds of what is done on a host itself.
fn in_place(work: &Work) -> u64 {
    let spans = &work.durations;
    let reboots = work.hops.iter().filter(|it| it.reboot).count() as u64;
    work.hops.len() as u64 * u64::from(spans.patch.p95_s)
        + reboots * u64::from(spans.reboot.p95_s)
        + u64::from(spans.attest.p95_s)
        + u64::from(spans.verify.p95_s)
}
