//! The best of several ways to plan the same. More room never makes a plan worse: a greedy search may do better without a host than with
//! it, so that plans without the hosts that no change is about are tried too. And what counts over all clusters, release diversity, is settled
//! stage by stage: that lets hosts be done that no cluster could do by itself, but may make others wait that need not.

use rayon::prelude::*;

use super::drive::{Driven, Way, drive};
use super::facts::Facts;
use super::order;
use super::search::Worth;
use super::{PlanError, Request, kept, scatter, sequence};
use underpin_model::plan::Outcome;

/// The best of the plans that use every host, all but the roomiest that no change is about, or none of these; where clusters relied on one another
/// in it and the request leaves time to search, of those in which they do not as well.
///
/// What keeps to the parent plan gives way where a host of it is lost, and rings that are merged to rings one after the other where those
/// leave fewer hosts out.
pub(super) fn best<'a>(request: &Request<'a>, facts: &Facts<'a>) -> Result<Driven, PlanError> {
    let mut best = searched(request, facts, Manner { keeps: true, merges: true })?;
    let others = [
        (Manner { keeps: false, merges: true }, kept::loses(request, &best)),
        (Manner { keeps: true, merges: false }, request.merges_rings() && left_out(&best) > 0),
    ];
    for (manner, _) in others.into_iter().filter(|it| it.1 && request.evaluations > 0) {
        let other = searched(request, facts, manner)?;
        if left_out(&other) < left_out(&best) {
            best = other;
        }
    }
    Ok(best)
}

/// What a search starts from.
#[derive(Debug, Clone, Copy)]
struct Manner {
    keeps: bool,
    merges: bool,
}

fn searched<'a>(request: &Request<'a>, facts: &Facts<'a>, manner: Manner) -> Result<Driven, PlanError> {
    let spare = spare(request, facts);
    let mut without: Vec<&[u32]> = vec![&[]];
    if !spare.is_empty() {
        without.push(&spare[..1]);
    }
    if spare.len() > 1 {
        without.push(&spare);
    }
    let mut found = best_without(request, facts, &without, (true, manner))?;
    if found.1.relied && request.evaluations > 0 {
        found = better(found, best_without(request, facts, &without, (false, manner))?);
    }
    // What is best for one stage may leave no room for the next.
    if request.evaluations > 0 && left_out(&found.1) > 0 {
        let unsearched = Request { evaluations: 0, ..*request };
        found = better(found, best_without(&unsearched, facts, &without, (true, manner))?);
    }
    let way = found.2;
    let found = sequence::improved(request, facts, found)?;
    scatter::improved(request, facts, found, way)
}

/// A plan with what it is worth and the way that led to it.
pub(super) type Found<'w> = (Worth, Driven, Way<'w>);

/// The better of two; the first of equals.
pub(super) fn better<'w>(best: Found<'w>, it: Found<'w>) -> Found<'w> {
    if it.0.better(&best.0) { it } else { best }
}

fn best_without<'a, 'w>(
    request: &Request<'a>,
    facts: &Facts<'a>,
    without: &[&'w [u32]],
    (relies, Manner { keeps, merges }): (bool, Manner),
) -> Result<Found<'w>, PlanError> {
    let way = Way { without: &[], relies, sequence: None, salts: None, keeps, merges };
    let ways = without.par_iter().map(|&without| Way { without, ..way });
    let plans: Result<Vec<Found<'w>>, PlanError> = ways.map(|way| found(request, facts, way)).collect();
    plans?.into_iter().reduce(better).ok_or(PlanError::NoChanges)
}

/// The plan that one way leads to.
pub(super) fn found<'a, 'w>(
    request: &Request<'a>,
    facts: &Facts<'a>,
    way: Way<'w>,
) -> Result<Found<'w>, PlanError> {
    let driven = drive(request, facts, way)?;
    Ok((worth(facts, &driven), driven, way))
}

/// Hosts that take guests and that no change is about, the roomiest first.
fn spare(request: &Request<'_>, facts: &Facts<'_>) -> Vec<u32> {
    let mut due = vec![false; facts.hosts.len()];
    for change in request.changes() {
        for host in
            order::concerned(request.fleet, change).due.iter().filter_map(|it| facts.host(it.as_str()))
        {
            due[host as usize] = true;
        }
    }
    let open = |host: u32| facts.hosts[host as usize].capacity.is_some() && !facts.in_maintenance(host);
    let free = |host: u32| {
        let guests = facts.home.iter().zip(&facts.guests).filter(|it| *it.0 == host);
        let used: u64 = guests.map(|it| it.1.holds[0]).sum();
        facts.hosts[host as usize].capacity.map_or(0, |it| it[0].saturating_sub(used))
    };
    let hosts = 0..facts.hosts.len() as u32;
    let mut spare: Vec<u32> = hosts.filter(|&host| !due[host as usize] && open(host)).collect();
    spare.sort_by_cached_key(|&it| (std::cmp::Reverse(free(it)), it));
    spare
}

fn left_out(driven: &Driven) -> usize {
    driven.fates.values().filter(|it| it.outcome == Some(Outcome::Blocked)).count()
}

fn worth(facts: &Facts<'_>, driven: &Driven) -> Worth {
    let mut worth = Worth::default();
    worth.blocked = left_out(driven);
    driven.waves.iter().for_each(|it| worth.add(facts, &it.staged));
    worth
}
