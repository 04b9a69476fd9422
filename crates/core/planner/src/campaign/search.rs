//! Better orders of hosts, within a budget, by large-neighbourhood search: clusters side by side, each from its own seed, so that the number of threads does
//! not matter.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::couplings::Couplings;
use super::facts::Facts;
use super::leave::{How, mixed};
use super::scatter::{MOST_IN_CLUSTER, MOST_IN_FLEET};
use super::stage::{Candidate, Cluster, Shared, Staged, StagedWave, placed_out};
use super::{Request, spread};

/// Clusters that are looked at again at a time: those that the next stage would wait for.
const SLOWEST: usize = 8;
/// Other orders that each of them is given at a time.
const TRIES: u64 = 2;
/// The hosts of one in so many clusters are looked at again at a time; with fewer clusters none, so that a first plan stays quick.
const ONE_IN: usize = 4;
/// Times that they are looked at again.
const ROUNDS: usize = 4;

/// Plans one stage of every cluster that has candidates and that no limit couples to others; in those that are named a change is tried first.
pub(super) fn stages<'f, 'a>(
    request: &Request<'a>,
    shared: &Shared<'f, 'a>,
    clusters: &mut [Cluster<'f, 'a>],
    mut candidates: BTreeMap<u32, Vec<Candidate>>,
    tries: &BTreeSet<u32>,
) -> Vec<(u32, Staged)> {
    let share = request.evaluations / (candidates.len().max(1) as u64);
    let none = Couplings::default();
    let work: Vec<(u32, &Cluster<'f, 'a>, Vec<Candidate>)> = clusters
        .iter()
        .enumerate()
        .filter_map(|(at, cluster)| Some((at as u32, cluster, candidates.remove(&(at as u32))?)))
        .collect();
    let mut searches: Vec<(u32, &Cluster<'f, 'a>, Search<'f, 'a>)> = work
        .into_par_iter()
        .map(|(at, before, hosts)| {
            let mut search =
                Search::new(shared, before, &none, hosts, tries.contains(&at), seed(request, tries, at));
            search.spread(shared, before, &none, share);
            if !search.stands(shared) {
                search.improve(shared, before, &none, share);
            }
            (at, before, search)
        })
        .collect();
    if shared.kept.is_none() {
        hurry(shared, &none, &mut searches);
    }
    let found: Vec<(u32, Search<'f, 'a>)> = searches.into_iter().map(|it| (it.0, it.2)).collect();
    let mut results = Vec::with_capacity(found.len());
    for (at, search) in found {
        if let Some(cluster) = clusters.get_mut(at as usize) {
            *cluster = search.cluster;
        }
        results.push((at, search.staged));
    }
    results
}

/// Every cluster has dice of its own, its canaries others than the rest.
pub(super) fn seed(request: &Request<'_>, tries: &BTreeSet<u32>, at: u32) -> u64 {
    request.seed ^ (u64::from(at) << 32) ^ u64::from(tries.contains(&at))
}

/// Other orders for the clusters that end last: the next stage waits for them everywhere. Until the last of all gains nothing any more.
fn hurry<'f, 'a>(
    shared: &Shared<'f, 'a>,
    none: &Couplings,
    searches: &mut [(u32, &Cluster<'f, 'a>, Search<'f, 'a>)],
) {
    let some = SLOWEST.min(searches.len() / ONE_IN);
    for _ in 0..ROUNDS {
        searches.sort_by_key(|it| (std::cmp::Reverse(it.2.worth.end), it.0));
        let last = searches.first().map(|it| it.2.worth.end);
        searches[..some].par_iter_mut().for_each(|(_, before, search)| {
            search.vary(shared, before, none, TRIES);
        });
        if searches.iter().map(|it| it.2.worth.end).max() >= last {
            break;
        }
    }
    searches.sort_by_key(|it| it.0);
}

/// The best order of one cluster's hosts so far, and what comes of it.
pub(super) struct Search<'f, 'a> {
    order: Vec<Candidate>,
    canary: bool,
    dice: ChaCha8Rng,
    worth: Worth,
    pub(super) staged: Staged,
    pub(super) cluster: Cluster<'f, 'a>,
    pub(super) couplings: Couplings,
}

impl<'f, 'a> Search<'f, 'a> {
    pub(super) fn new(
        shared: &Shared<'f, 'a>,
        before: &Cluster<'f, 'a>,
        limits: &Couplings,
        mut order: Vec<Candidate>,
        canary: bool,
        seed: u64,
    ) -> Self {
        let (mut cluster, mut couplings) = (before.clone(), limits.clone());
        (cluster.spreads, cluster.avoids, cluster.scatters) = (false, None, before.salt);
        if let Some(salt) = before.salt {
            shuffle(&mut order, salt ^ u64::from(before.waves));
        }
        let staged = cluster.stage(shared, &mut couplings, order.clone(), canary);
        cluster.scatters = None;
        let worth = Worth::of(shared, &staged);
        Self { order, canary, dice: ChaCha8Rng::seed_from_u64(seed), worth, staged, cluster, couplings }
    }

    /// Whatever the parent plan has of these hosts, this one has as well.
    pub(super) fn stands(&self, shared: &Shared<'_, '_>) -> bool {
        shared.kept.is_some_and(|kept| !self.staged.blocked.iter().any(|it| kept.has(it.0)))
    }

    /// Where guests wait for the links of their targets: the same order with targets that could have them soonest, if that is better
    /// and takes neither more waves nor more moves.
    pub(super) fn spread(
        &mut self,
        shared: &Shared<'f, 'a>,
        before: &Cluster<'f, 'a>,
        limits: &Couplings,
        evaluations: u64,
    ) {
        if evaluations == 0 || before.salt.is_some() || !spread::might_help(shared.facts, &self.staged) {
            return;
        }
        let (mut cluster, mut couplings) = (before.clone(), limits.clone());
        cluster.spreads = true;
        let staged = cluster.stage(shared, &mut couplings, self.order.clone(), self.canary);
        let worth = Worth::of(shared, &staged);
        let more = staged.waves.len() > self.staged.waves.len() || worth.moves > self.worth.moves;
        if !more && worth.better(&self.worth) {
            (self.worth, self.staged) = (worth, staged);
            (self.cluster, self.couplings) = (cluster, couplings);
        }
    }

    /// One time in four, and always where there is no other order, a host that guests do not go to: where they stand decides who can be
    /// emptied later.
    fn avoids(&mut self, hosts: &[u32]) -> Option<u32> {
        let is_meant = self.order.len() < 2 || self.dice.next_u64().is_multiple_of(4);
        let at = (self.dice.next_u64() % (hosts.len() as u64).max(1)) as usize;
        hosts.get(at).copied().filter(|_| is_meant)
    }

    /// Looks for a better order; where a small cluster has hosts that found no room by half of the time, for other targets in the other
    /// half.
    pub(super) fn improve(
        &mut self,
        shared: &Shared<'f, 'a>,
        before: &Cluster<'f, 'a>,
        limits: &Couplings,
        evaluations: u64,
    ) {
        // Of small fleets whole plans are tried, once it is known that somebody is left out for good.
        let is_whole = before.salt.is_none() && shared.facts.hosts.len() <= MOST_IN_FLEET;
        if is_whole || before.rooms.hosts().len() > MOST_IN_CLUSTER {
            return self.vary(shared, before, limits, evaluations);
        }
        let stuck = |it: &Self| it.staged.blocked.iter().flat_map(|it| &it.1).any(placed_out);
        // What dice have put somewhere stays there: it may be what a later stage needs.
        if before.salt.is_some() && !stuck(self) {
            return;
        }
        let half = evaluations / 2;
        self.vary(shared, before, limits, evaluations - half);
        for _ in 0..half {
            if stuck(self) {
                self.scatter(shared, before, limits);
            } else {
                self.vary(shared, before, limits, 1);
            }
        }
    }

    /// Tries any order, and targets that the dice say.
    fn scatter(&mut self, shared: &Shared<'f, 'a>, before: &Cluster<'f, 'a>, limits: &Couplings) {
        let mut order = self.order.clone();
        if self.dice.next_u64().is_multiple_of(2) {
            vary(&mut order, &self.staged, &mut self.dice);
        } else {
            shuffle(&mut order, self.dice.next_u64());
        }
        let (mut cluster, mut couplings) = (before.clone(), limits.clone());
        (cluster.spreads, cluster.scatters) = (false, Some(self.dice.next_u64()));
        let staged = cluster.stage(shared, &mut couplings, order.clone(), self.canary);
        cluster.scatters = None;
        let worth = Worth::of(shared, &staged);
        if worth.better(&self.worth) {
            (self.worth, self.staged, self.order) = (worth, staged, order);
            (self.cluster, self.couplings) = (cluster, couplings);
        }
    }

    /// Tries other orders and targets, and keeps what is better.
    pub(super) fn vary(
        &mut self,
        shared: &Shared<'f, 'a>,
        before: &Cluster<'f, 'a>,
        limits: &Couplings,
        evaluations: u64,
    ) {
        let hosts: Vec<u32> = before.rooms.hosts().collect();
        for _ in 0..evaluations {
            let mut order = self.order.clone();
            let avoids = self.avoids(&hosts);
            if self.order.len() > 1 && (avoids.is_none() || self.dice.next_u64().is_multiple_of(2)) {
                vary(&mut order, &self.staged, &mut self.dice);
            }
            let (mut cluster, mut couplings) = (before.clone(), limits.clone());
            (cluster.spreads, cluster.avoids) = (self.cluster.spreads, avoids);
            let staged = cluster.stage(shared, &mut couplings, order.clone(), self.canary);
            let worth = Worth::of(shared, &staged);
            if worth.better(&self.worth) {
                (self.worth, self.staged, self.order) = (worth, staged, order);
                (self.cluster, self.couplings) = (cluster, couplings);
            }
        }
        self.cluster.avoids = None;
    }
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
    renumber(order);
}

fn shuffle(order: &mut [Candidate], dice: u64) {
    order.sort_by_key(|it| mixed(dice ^ u64::from(it.host)));
    renumber(order);
}

fn renumber(order: &mut [Candidate]) {
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
    /// Hosts that are still to come in clusters that are planned, each with the second from which it can.
    waiting: u64,
    /// Guests that are stopped, suspended or moved cold: the others are preferred, though none of these moves.
    interrupted: usize,
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
            self.interrupted += work.departures.iter().filter(|it| it.how != How::Live).count();
            self.moves += times.out.len() + times.home.len();
        }
    }

    /// What comes later in a cluster waits for this stage of it.
    pub(super) fn wait(&mut self, cluster: &Cluster<'_, '_>) {
        let facts = cluster.rooms.facts;
        for (host, _) in cluster.rooms.hosts().zip(&cluster.due).filter(|it| *it.1) {
            self.loss += facts.hosts[host as usize].loss_per_day * f64::from(cluster.free_at);
            self.waiting += u64::from(cluster.free_at);
        }
    }

    pub(super) fn better(&self, other: &Self) -> bool {
        let loss = self.loss.total_cmp(&other.loss);
        (self.blocked.cmp(&other.blocked))
            .then(loss)
            .then(self.end.cmp(&other.end))
            .then(self.waiting.cmp(&other.waiting))
            .then(self.interrupted.cmp(&other.interrupted))
            .then(self.moves.cmp(&other.moves))
            .is_lt()
    }
}

#[cfg(test)]
mod tests {
    use super::Worth;

    #[test]
    fn who_interrupts_nobody_is_better_than_who_moves_less() {
        let moved = Worth { end: 100, moves: 5, ..Worth::default() };
        let stopped = Worth { end: 100, interrupted: 1, ..Worth::default() };
        assert!(moved.better(&stopped) && !stopped.better(&moved));
        // Time comes before both.
        assert!(Worth { end: 99, ..stopped }.better(&moved));
    }
}
