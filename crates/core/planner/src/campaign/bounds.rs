//! Lower bounds that no plan of the same hosts can beat (waves, moves, time), for the report.

use std::collections::BTreeMap;

use underpin_model::plan::{Bounds, Plan};
use underpin_model::policy::Homing;

use super::calendar::Seconds;
use super::drive::Driven;
use super::facts::Facts;
use super::leave::live;
use super::timing::Work;

/// Bounds for the hosts that the plan changes, with what it reached.
pub(super) fn bounds(facts: &Facts<'_>, driven: &Driven, plan: &Plan, moves: u64) -> Bounds {
    let (waves_at_least, waves) = waves(facts, driven);
    let (makespan_at_least_s, makespan_bound_by) = makespan(facts, driven);
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
    let mut limit: BTreeMap<u32, usize> = BTreeMap::new();
    for stage in &driven.stages {
        for &(cluster, _, _, _, at_most) in &stage.clusters {
            limit.insert(cluster, at_most);
        }
    }
    for (cluster, works) in by_cluster(driven) {
        let count = driven.waves.iter().filter(|it| it.cluster == cluster).count() as u32;
        let away = limit.get(&cluster).copied().unwrap_or(1).max(1);
        let mut bound = works.len().div_ceil(away) as u64;
        let it = &facts.clusters[cluster as usize];
        let leaving: Vec<&&Work> =
            works.iter().filter(|it| it.departures.iter().any(|it| it.how.moves())).collect();
        for resource in 0..2 {
            let capacity = |host: u32| facts.hosts[host as usize].capacity.map_or(0, |it| it[resource]);
            let all: u64 = it.hosts.clone().map(capacity).sum();
            let demand: u64 = it
                .guests
                .clone()
                .filter_map(|guest| facts.guests[guest as usize].demand)
                .map(|it| it[resource])
                .sum();
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
        let changed: std::collections::BTreeSet<u32> = works.iter().map(|it| it.host).collect();
        // As they stood at the start; guests that stay (stopped, suspended) do not move.
        let stays: std::collections::BTreeSet<u32> = works
            .iter()
            .flat_map(|it| it.departures.iter().filter(|it| !it.how.moves()).map(|it| it.guest))
            .collect();
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
            Homing::Home => 2 * once,
            Homing::Drift if changed.len() == cluster.hosts.len() => {
                once + guests.values().min().copied().unwrap_or(0)
            }
            Homing::Drift => once,
        };
    }
    bound
}

/// Time: stages follow one another with their soak; within a stage a cluster needs its longest host, and its hosts' paths over
/// the hosts that may be away; a path has at least the time of its guests over the host's link.
fn makespan(facts: &Facts<'_>, driven: &Driven) -> (Seconds, &'static str) {
    let mut evacuation: BTreeMap<u32, u64> = BTreeMap::new();
    for work in driven.waves.iter().flat_map(|it| &it.staged.works) {
        let link = facts.hosts[work.host as usize].link_mbps;
        let factor = facts.policy.planning.migration.p95_factor.max(1.0);
        let seconds: f64 = work
            .departures
            .iter()
            .filter(|it| it.how == super::leave::How::Live && facts.home[it.guest as usize] == work.host)
            .filter_map(|it| live(facts, it.guest, link))
            .map(|it| it.total_s * factor)
            .sum();
        evacuation.insert(work.host, seconds as u64);
    }
    let mut levels: BTreeMap<u32, (u64, u64, &'static str)> = BTreeMap::new();
    let mut soaked = 0_u64;
    for (at, stage) in driven.stages.iter().enumerate() {
        let (mut longest, mut by) = (0, "longest-host");
        for &(cluster, _, path, sum, most) in &stage.clusters {
            let hosts = facts.clusters[cluster as usize].hosts.clone();
            // Which of its hosts are in this stage is not kept; no evacuation is counted for the longest but the least.
            let least = hosts.filter_map(|it| evacuation.get(&it)).min().copied().unwrap_or(0);
            let alone = u64::from(path) + least;
            let shared = sum / (most.max(1) as u64);
            for (bound, name) in [(alone, "longest-host"), (shared, "hosts-away")] {
                if bound > longest {
                    (longest, by) = (bound, name);
                }
            }
        }
        let entry = levels.entry(stage.level).or_insert((0, 0, by));
        entry.0 += longest;
        // The soak of the last stage of all is not waited for.
        if at + 1 < driven.stages.len() {
            entry.1 += u64::from(stage.soak);
            soaked += u64::from(stage.soak);
        }
        entry.2 = by;
    }
    let work: u64 = levels.values().map(|it| it.0).sum();
    let elements = driven.elements.iter().map(|it| u64::from(it.end - it.start)).max().unwrap_or(0);
    let total = (work + soaked).max(elements);
    let by = if soaked > work {
        "soak"
    } else {
        levels.values().max_by_key(|it| it.0).map_or("longest-host", |it| it.2)
    };
    (u32::try_from(total).unwrap_or(u32::MAX), by)
}
