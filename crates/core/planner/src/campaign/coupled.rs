//! Clusters that limits of the policy couple are planned one after the other: who comes first takes what the others then wait for. Which
//! order of clusters is best shows only when all are planned, so that several are tried.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::Request;
use super::couplings::Couplings;
use super::search::{Search, Worth, seed};
use super::sequence::Given;
use super::stage::{Candidate, Cluster, Shared, Staged};

/// One stage of all clusters that have candidates, as they come in one order.
struct Sweep<'f, 'a> {
    order: Vec<u32>,
    found: BTreeMap<u32, (Cluster<'f, 'a>, Staged)>,
    couplings: Couplings,
    worth: Worth,
}

/// What does not change from one order to another.
struct Round<'r, 'f, 'a> {
    request: &'r Request<'a>,
    shared: &'r Shared<'f, 'a>,
    clusters: &'r [Cluster<'f, 'a>],
    couplings: &'r Couplings,
    candidates: &'r BTreeMap<u32, Vec<Candidate>>,
    tries: &'r BTreeSet<u32>,
}

/// What every stage of coupled clusters changes.
pub(super) struct Limits<'l, 'f, 'a> {
    pub(super) clusters: &'l mut [Cluster<'f, 'a>],
    pub(super) couplings: &'l mut Couplings,
}

/// Plans one stage of every cluster that has candidates, in the order that is given, or else in the best order of clusters that was found
/// with as many evaluations as then go to the orders of hosts. The order comes with it.
pub(super) fn stages<'f, 'a>(
    request: &Request<'a>,
    shared: &Shared<'f, 'a>,
    limits: Limits<'_, 'f, 'a>,
    candidates: &BTreeMap<u32, Vec<Candidate>>,
    tries: &BTreeSet<u32>,
    given: Option<&Given<'_>>,
) -> (Vec<u32>, Vec<(u32, Staged)>) {
    let Limits { clusters, couplings } = limits;
    let round = Round { request, shared, clusters, couplings, candidates, tries };
    let best = match given {
        Some(given) => round.sweep(given.order(candidates.keys()), given.share(round.share())),
        None => round.best(),
    };
    let mut results = Vec::with_capacity(best.found.len());
    *couplings = best.couplings;
    for (at, (cluster, staged)) in best.found {
        if let Some(it) = clusters.get_mut(at as usize) {
            *it = cluster;
        }
        results.push((at, staged));
    }
    (best.order, results)
}

impl<'f, 'a> Round<'_, 'f, 'a> {
    /// Evaluations for each of the clusters.
    fn share(&self) -> u64 {
        self.request.evaluations / self.candidates.len().max(1) as u64
    }

    fn best(&self) -> Sweep<'f, 'a> {
        let share = self.share();
        let orders = if self.candidates.len() > 1 { share } else { 0 };
        let mut best = self.sweep(self.candidates.keys().copied().collect(), 0);
        let mut dice = ChaCha8Rng::seed_from_u64(self.request.seed);
        for _ in 0..orders {
            if self.stands(&best) {
                break;
            }
            let it = self.sweep(vary(&best, &mut dice), 0);
            if it.worth.better(&best.worth) {
                best = it;
            }
        }
        if share > 0 {
            let it = self.sweep(best.order.clone(), share);
            if it.worth.better(&best.worth) {
                best = it;
            }
        }
        best
    }

    /// All hosts of the parent plan are in this one too: its order stands.
    fn stands(&self, sweep: &Sweep<'f, 'a>) -> bool {
        let mut blocked = sweep.found.values().flat_map(|it| &it.1.blocked);
        self.shared.kept.is_some_and(|kept| !blocked.any(|it| kept.has(it.0)))
    }

    /// Plans the clusters in an order, each with so many evaluations of its own.
    fn sweep(&self, order: Vec<u32>, share: u64) -> Sweep<'f, 'a> {
        let mut couplings = self.couplings.clone();
        let (mut found, mut worth) = (BTreeMap::new(), Worth::default());
        for &at in &order {
            let Some(cluster) = self.clusters.get(at as usize) else { continue };
            let hosts = self.candidates.get(&at).cloned().unwrap_or_default();
            let tries = self.tries.contains(&at);
            let seed = seed(self.request, self.tries, at);
            let mut search = Search::new(self.shared, cluster, &couplings, hosts, tries, seed);
            search.spread(self.shared, cluster, &couplings, share);
            if !search.stands(self.shared) {
                search.improve(self.shared, cluster, &couplings, share);
            }
            couplings = search.couplings;
            worth.blocked += search.staged.blocked.len();
            search.staged.waves.iter().for_each(|it| worth.add(self.shared.facts, it));
            worth.wait(&search.cluster);
            found.insert(at, (search.cluster, search.staged));
        }
        Sweep { order, found, couplings, worth }
    }
}

/// Another order, near the best one: a cluster, every other time one that ends last or leaves a host out, comes sooner.
fn vary(best: &Sweep<'_, '_>, dice: &mut ChaCha8Rng) -> Vec<u32> {
    let mut below = |end: usize| (dice.next_u64() % (end as u64).max(1)) as usize;
    let mut order = best.order.clone();
    let last = |it: &Staged| (it.blocked.len(), it.waves.iter().map(|it| it.end).max());
    let worst = best.found.values().map(|it| last(&it.1)).max();
    let late: Vec<usize> =
        (0..order.len()).filter(|&at| best.found.get(&order[at]).map(|it| last(&it.1)) == worst).collect();
    let from = match below(2) {
        0 => late.get(below(late.len())).copied().unwrap_or_default(),
        _ => below(order.len()),
    };
    let cluster = order.remove(from);
    order.insert(below(from.max(1)), cluster);
    order
}
