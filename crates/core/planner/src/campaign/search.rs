//! Better orders of hosts, within a budget, by large-neighbourhood search: clusters side by side, each from its own seed, so that the number of threads does
//! not matter.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::Request;
use super::couplings::Couplings;
use super::facts::Facts;
use super::stage::{Candidate, Cluster, Shared, Staged, StagedWave};

/// Plans one stage of every cluster that has candidates.
pub(super) fn stages<'f, 'a>(
    request: &Request<'a>,
    shared: &Shared<'f, 'a>,
    clusters: &mut [Cluster<'f, 'a>],
    couplings: &mut Couplings,
    mut candidates: BTreeMap<u32, Vec<Candidate>>,
    canary: bool,
) -> Vec<(u32, Staged)> {
    let share = request.evaluations / (candidates.len().max(1) as u64);
    if couplings.bind {
        let mut results = Vec::with_capacity(candidates.len());
        for (at, hosts) in candidates {
            let Some(cluster) = clusters.get_mut(at as usize) else { continue };
            results.push((at, one(request, shared, cluster, couplings, hosts, canary, at, share)));
        }
        return results;
    }
    let work: Vec<(u32, &mut Cluster<'f, 'a>, Vec<Candidate>)> = clusters
        .iter_mut()
        .enumerate()
        .filter_map(|(at, cluster)| Some((at as u32, cluster, candidates.remove(&(at as u32))?)))
        .collect();
    work.into_par_iter()
        .map(|(at, cluster, hosts)| {
            let mut none = Couplings::default();
            (at, one(request, shared, cluster, &mut none, hosts, canary, at, share))
        })
        .collect()
}

/// One cluster: the first order, then others.
#[allow(clippy::too_many_arguments, reason = "the parts of one call that runs beside others of its kind")]
fn one<'f, 'a>(
    request: &Request<'a>,
    shared: &Shared<'f, 'a>,
    cluster: &mut Cluster<'f, 'a>,
    couplings: &mut Couplings,
    hosts: Vec<Candidate>,
    canary: bool,
    at: u32,
    evaluations: u64,
) -> Staged {
    if evaluations == 0 || hosts.len() < 2 {
        return cluster.stage(shared, couplings, hosts, canary);
    }
    let seed = request.seed ^ (u64::from(at) << 32) ^ u64::from(canary);
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut order = hosts;
    let mut best = {
        let (mut trial, mut limits) = (cluster.clone(), couplings.clone());
        let staged = trial.stage(shared, &mut limits, order.clone(), canary);
        (Worth::of(shared, &staged), staged, trial, limits)
    };
    for _ in 0..evaluations {
        let mut other = order.clone();
        vary(&mut other, &best.1, &mut dice);
        let (mut trial, mut limits) = (cluster.clone(), couplings.clone());
        let staged = trial.stage(shared, &mut limits, other.clone(), canary);
        let worth = Worth::of(shared, &staged);
        if worth.better(&best.0) {
            best = (worth, staged, trial, limits);
            order = other;
        }
    }
    (*cluster, *couplings) = (best.2, best.3);
    best.1
}

/// Another order to try, near the best one. Either a neighbourhood of it is torn down: hosts of a wave or two and some that are
/// blocked are taken out and put back elsewhere, for the planner to place anew; or a single host goes elsewhere, or two exchange
/// places.
fn vary(order: &mut [Candidate], best: &Staged, dice: &mut ChaCha8Rng) {
    let mut below = |end: usize| (dice.next_u64() % (end as u64).max(1)) as usize;
    let mut loose: BTreeSet<u32> = BTreeSet::new();
    match below(3) {
        0 => {
            for _ in 0..=below(2) {
                let wave = best.waves.get(below(best.waves.len()));
                loose.extend(wave.iter().flat_map(|it| &it.works).map(|it| it.host));
            }
            let blocked = best.blocked.len();
            let some = (0..blocked.min(3)).filter_map(|_| best.blocked.get(below(blocked)));
            loose.extend(some.map(|it| it.0).collect::<Vec<_>>());
        }
        1 => loose.extend(order.get(below(order.len())).map(|it| it.host)),
        _ => {
            let (a, b) = (below(order.len()), below(order.len()));
            let (first, second) = (order[a].priority, order[b].priority);
            (order[a].priority, order[b].priority) = (second, first);
        }
    }
    for it in order.iter().filter(|it| loose.contains(&it.host)).map(|it| it.host).collect::<Vec<_>>() {
        let to = below(order.len());
        // Half a step before another: priorities need no whole numbers.
        let place = order[to].priority - 0.5;
        order.iter_mut().filter(|other| other.host == it).for_each(|other| other.priority = place);
    }
    order.sort_by(|a, b| a.priority.total_cmp(&b.priority));
    for (rank, it) in order.iter_mut().enumerate() {
        it.priority = rank as f64;
    }
}

/// What a stage is worth, in the order in which it counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Worth {
    pub(super) blocked: usize,
    /// Loss while open: loss per day times seconds.
    loss: f64,
    end: u32,
    moves: usize,
}

impl Worth {
    fn of(shared: &Shared<'_, '_>, staged: &Staged) -> Self {
        let mut worth = Self { blocked: staged.blocked.len(), ..Self::default() };
        staged.waves.iter().for_each(|it| worth.add(shared.facts, it));
        worth
    }

    pub(super) fn add(&mut self, facts: &Facts<'_>, wave: &StagedWave) {
        self.end = self.end.max(wave.end);
        for (work, times) in wave.works.iter().zip(&wave.times) {
            let loss = facts.hosts[work.host as usize].loss_per_day;
            self.loss += loss * f64::from(wave.start.saturating_add(times.end));
            self.moves += times.out.len() + times.home.len();
        }
    }

    pub(super) fn better(&self, other: &Self) -> bool {
        let loss = self.loss.total_cmp(&other.loss);
        (self.blocked.cmp(&other.blocked))
            .then(loss)
            .then(self.end.cmp(&other.end))
            .then(self.moves.cmp(&other.moves))
            .is_lt()
    }
}
