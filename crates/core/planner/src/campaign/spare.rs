//! More room never makes a plan worse: a greedy search may do better without a host than with it, so that plans without the hosts
//! that no change is about are tried too.

use rayon::prelude::*;

use super::drive::{Driven, drive};
use super::facts::Facts;
use super::order;
use super::search::Worth;
use super::{PlanError, Request};
use underpin_model::plan::Outcome;

/// The best of the plans that use every host, all but the roomiest that no change is about, or none of these.
pub(super) fn best<'a>(request: &Request<'a>, facts: &Facts<'a>) -> Result<Driven, PlanError> {
    let mut spare = spare(request, facts);
    if spare.is_empty() {
        return drive(request, facts, &[]);
    }
    let free = |host: u32| {
        let guests = facts.home.iter().zip(&facts.guests).filter(|it| *it.0 == host);
        let used: u64 = guests.map(|it| it.1.holds[0]).sum();
        facts.hosts[host as usize].capacity.map_or(0, |it| it[0].saturating_sub(used))
    };
    spare.sort_by_cached_key(|&it| (std::cmp::Reverse(free(it)), it));
    let mut without: Vec<&[u32]> = vec![&[], &spare[..1]];
    if spare.len() > 1 {
        without.push(&spare);
    }
    let plans: Result<Vec<Driven>, PlanError> =
        without.into_par_iter().map(|without| drive(request, facts, without)).collect();
    let mut best: Option<(Worth, Driven)> = None;
    for driven in plans? {
        let worth = worth(facts, &driven);
        if best.as_ref().is_none_or(|it| worth.better(&it.0)) {
            best = Some((worth, driven));
        }
    }
    best.map_or_else(|| drive(request, facts, &[]), |it| Ok(it.1))
}

/// Hosts that take guests and that no change is about.
fn spare(request: &Request<'_>, facts: &Facts<'_>) -> Vec<u32> {
    let mut due = vec![false; facts.hosts.len()];
    for change in request.changes() {
        for host in
            order::concerned(request.fleet, change).due.iter().filter_map(|it| facts.host(it.as_str()))
        {
            due[host as usize] = true;
        }
    }
    let open = |host: u32| {
        let it = &facts.hosts[host as usize];
        it.capacity.is_some() && it.it.maintenance != Some(true)
    };
    (0..facts.hosts.len() as u32).filter(|&host| !due[host as usize] && open(host)).collect()
}

fn worth(facts: &Facts<'_>, driven: &Driven) -> Worth {
    let mut worth = Worth::default();
    worth.blocked = driven.fates.values().filter(|it| it.outcome == Some(Outcome::Blocked)).count();
    driven.waves.iter().for_each(|it| worth.add(facts, &it.staged));
    worth
}
