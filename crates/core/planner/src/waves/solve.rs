//! From the bounds over the heuristic to the exhaustive search.

use std::collections::BTreeMap;

use super::bounds::{self, Bounds};
use super::exact::{Exact, Searched};
use super::instance::Instance;
use super::moves;
use super::partition::{balanced, by_count, hosts_of, vms_on};
use super::placer::Placer;
use super::problem::{NONE, Problem};
use super::subsets::Subsets;
use super::{BadInstance, Infeasible, Options, Outcome, Proof, Solution, Wave};

/// VMs times waves up to which many partitions are tried for fewer moves.
const SMALL: usize = 4_000;

struct Found {
    schedule: Vec<Wave>,
    moves: u64,
}

struct Solver<'p, 'a> {
    problem: &'p Problem<'a>,
    options: Options,
    left: u64,
}

/// Solves one instance: fewest waves, then few moves.
///
/// # Errors
/// [`BadInstance`] when the instance contradicts itself in form. Contradictions in meaning are an answer: infeasible.
pub fn solve(instance: &Instance, options: &Options) -> Result<Solution, BadInstance> {
    instance.check()?;
    let problem = Problem::new(instance);
    if let Some(reason) = bounds::impossible(&problem) {
        return Ok(infeasible(reason, Proof::Bound));
    }
    let mut bounds = bounds::cheap(&problem);
    if problem.alive.is_empty() {
        return Ok(answer(&problem, Outcome::Optimal, None, bounds));
    }
    let subsets = Subsets::new(&problem);
    if let Some(subsets) = &subsets {
        bounds.insert("host_subsets", subsets.least(subsets.all()));
    }
    let mut solver = Solver { problem: &problem, options: *options, left: options.evaluations };
    let mut found = solver.heuristic(best(&bounds), subsets.as_ref());
    let open = |found: &Option<Found>, bounds: &Bounds| {
        found.as_ref().is_none_or(|it| it.schedule.len() > best(bounds))
    };
    if open(&found, &bounds)
        && let Some(subsets) = &subsets
        && let Some(mut exact) = Exact::new(&problem, subsets, options.evaluations)
    {
        if found.is_none()
            && let Some(host) = exact.host_that_must_stay()
        {
            let host = instance.host_name(host);
            let reason = format!(
                "while host {host} is away there is no placement of all VMs on the others: all were tried"
            );
            return Ok(infeasible(reason, Proof::Exhausted));
        }
        while open(&found, &bounds) {
            let waves = best(&bounds);
            match exact.search(waves) {
                Searched::Waves(states) => found = solver.concrete(&mut exact, subsets, &states).or(found),
                Searched::Exhausted if waves < problem.alive.len() => {
                    bounds.insert("search", waves + 1);
                    continue;
                }
                Searched::Exhausted | Searched::BudgetEnded => {}
            }
            break;
        }
    }
    let outcome = match &found {
        Some(it) if it.schedule.len() <= best(&bounds) => Outcome::Optimal,
        Some(_) => Outcome::Feasible,
        None => Outcome::Unknown(format!(
            "budget ended after {} evaluations: no schedule was found and none is excluded",
            options.evaluations
        )),
    };
    Ok(answer(&problem, outcome, found, bounds))
}

fn best(bounds: &Bounds) -> usize {
    bounds.values().copied().max().unwrap_or(1).max(1)
}

fn infeasible(reason: String, proof: Proof) -> Solution {
    Solution {
        outcome: Outcome::Infeasible(Infeasible { reason, proof }),
        schedule: Vec::new(),
        lower_bound: BTreeMap::new(),
        moves: 0,
        moves_bound: 0,
    }
}

fn answer(problem: &Problem<'_>, outcome: Outcome, found: Option<Found>, bounds: Bounds) -> Solution {
    let (schedule, moves) = found.map_or_else(Default::default, |it| (it.schedule, it.moves));
    let vms = vms_on(problem);
    let placed: usize = vms.iter().sum();
    let first: usize = schedule.first().map_or(0, |wave| wave.hosts.iter().map(|host| vms[*host]).sum());
    let moves_bound = if schedule.is_empty() { 0 } else { (placed + first) as u64 };
    Solution { outcome, schedule, lower_bound: bounds, moves, moves_bound }
}

impl Solver<'_, '_> {
    /// Tries partitions from the bound on, until a number of waves works.
    fn heuristic(&mut self, bound: usize, subsets: Option<&Subsets>) -> Option<Found> {
        let hosts = self.problem.alive.len();
        let mut waves = bound.min(hosts);
        loop {
            let found = self.with_waves(waves, subsets);
            if found.is_some() || waves >= hosts || self.left == 0 {
                return found;
            }
            // Step by step near the bound, then faster: with one host a wave the packing is as loose as it gets.
            waves = (waves + 1).max(waves + (waves - bound) / 2).min(hosts);
        }
    }

    fn with_waves(&mut self, waves: usize, subsets: Option<&Subsets>) -> Option<Found> {
        let small = self.problem.vms() * waves <= SMALL;
        let mut best: Option<Found> = None;
        let keep = |best: &mut Option<Found>, next: Option<Found>| {
            if let Some(next) = next
                && best
                    .as_ref()
                    .is_none_or(|it| (next.schedule.len(), next.moves) < (it.schedule.len(), it.moves))
            {
                *best = Some(next);
            }
        };
        let attempts = if small { 12 } else { 3 };
        for attempt in 0..attempts {
            if self.left == 0 || (!small && best.is_some()) {
                break;
            }
            if let Some(partition) = balanced(self.problem, waves, attempt, self.options.seed) {
                let next = self.place(&partition);
                keep(&mut best, next);
            }
        }
        if small && let Some(subsets) = subsets {
            for partition in by_count(self.problem, subsets, waves, 40, self.options.seed) {
                if self.left == 0 {
                    break;
                }
                let next = self.place(&partition);
                keep(&mut best, next);
            }
        }
        best
    }

    /// Places all VMs wave after wave; `None`: some found no place.
    fn place(&mut self, partition: &[Vec<usize>]) -> Option<Found> {
        let mut placer = Placer::new(self.problem);
        let each = 20_000 + 70 * self.problem.vms() as u64;
        let mut placements = Vec::new();
        let mut before: &[usize] = &[];
        let mut complete = true;
        for hosts in partition {
            if placer.wave(before, hosts, each.min(self.left)) > 0 {
                complete = false;
                break;
            }
            placements.push(placer.host_of.clone());
            before = hosts;
        }
        self.left = self.left.saturating_sub(placer.evaluations.max(1));
        complete.then(|| self.found(partition, placements))
    }

    fn found(&self, partition: &[Vec<usize>], mut placements: Vec<Vec<u32>>) -> Found {
        if self.problem.vms() * partition.len() <= SMALL {
            placements = moves::fewer(self.problem, partition, placements);
        }
        let vms = &self.problem.instance.vms;
        let start = vms.iter().map(|vm| vm.host.map_or(NONE, super::problem::index)).collect();
        let mut moves = 0;
        let mut last: Vec<u32> = start;
        let mut schedule = Vec::new();
        for (hosts, placement) in partition.iter().zip(placements) {
            let moved = |vm: &usize| last[*vm] != NONE && last[*vm] != placement[*vm];
            moves += (0..vms.len()).filter(moved).map(|vm| u64::from(vms[vm].vms)).sum::<u64>();
            let mut hosts = hosts.clone();
            hosts.sort_unstable();
            schedule.push(Wave { hosts, placement: placement.iter().map(|host| *host as usize).collect() });
            last = placement;
        }
        Found { schedule, moves }
    }

    /// Real hosts for the counts that the exhaustive search found: by the placer, or as the search placed them.
    fn concrete(&mut self, exact: &mut Exact<'_, '_>, subsets: &Subsets, states: &[usize]) -> Option<Found> {
        let vms = vms_on(self.problem);
        let mut best: Option<Found> = None;
        for turn in 0..states.len() {
            let mut order = states.to_vec();
            order.rotate_left(turn);
            let partition = hosts_of(subsets, &order, &vms, 0);
            let next = self.place(&partition);
            if let Some(next) = next
                && best.as_ref().is_none_or(|it| next.moves < it.moves)
            {
                best = Some(next);
            }
        }
        best.or_else(|| {
            let partition = hosts_of(subsets, states, &vms, 0);
            let placements: Option<Vec<Vec<u32>>> =
                states.iter().zip(&partition).map(|(state, hosts)| exact.placement(*state, hosts)).collect();
            Some(self.found(&partition, placements?))
        })
    }
}
