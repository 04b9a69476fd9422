//! Orders of coupled clusters over all stages. A stage that is best by itself may take what a later one needs more: which orders are best
//! together shows only when all of it is planned, so that whole plans are tried, from the one that was found stage by stage.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::best::{Found, found};
use super::drive::{Driven, Way};
use super::facts::Facts;
use super::search::Worth;
use super::{PlanError, Request};

/// Tells the dice of whole plans from those of stages.
const DICE: u64 = 0x0005_e9ce;

/// Orders of clusters by stage.
pub(super) type Orders = BTreeMap<usize, Vec<u32>>;

/// The orders that a plan is made in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence<'w> {
    orders: &'w Orders,
    /// The orders of hosts within each cluster are searched too.
    searches: bool,
}

impl<'w> Sequence<'w> {
    pub(super) fn at(&self, stage: usize) -> Given<'w> {
        let order = self.orders.get(&stage).map(Vec::as_slice).unwrap_or_default();
        Given { order, searches: self.searches }
    }
}

/// The order that one stage is planned in.
pub(super) struct Given<'w> {
    order: &'w [u32],
    searches: bool,
}

impl Given<'_> {
    /// The order of those clusters that have something to do; who is not named comes last, since an earlier stage may leave more than it did.
    pub(super) fn order<'c>(&self, clusters: impl Iterator<Item = &'c u32>) -> Vec<u32> {
        let mut left: BTreeSet<u32> = clusters.copied().collect();
        let mut order: Vec<u32> = self.order.iter().copied().filter(|it| left.remove(it)).collect();
        order.extend(left);
        order
    }

    /// Evaluations that each of its clusters gets.
    pub(super) fn share(&self, most: u64) -> u64 {
        if self.searches { most } else { 0 }
    }
}

/// The plan, or a better one in other orders of clusters. A plan that follows another one keeps its order.
pub(super) fn improved<'a>(
    request: &Request<'a>,
    facts: &Facts<'a>,
    best: Found<'_>,
) -> Result<(Worth, Driven), PlanError> {
    let (worth, driven, way) = best;
    let orders = driven.orders.clone();
    // As many plans as a stage tries orders; one stage alone has tried its own.
    let clusters = orders.values().map(Vec::len).max().unwrap_or(0);
    let plans = request.evaluations / clusters.max(1) as u64;
    if (way.keeps && request.parent.is_some()) || orders.len() < 2 || clusters < 2 || plans == 0 {
        return Ok((worth, driven));
    }
    let made = |orders: &Orders, searches: bool| -> Result<(Worth, Driven), PlanError> {
        let sequence = Some(Sequence { orders, searches });
        found(request, facts, Way { sequence, ..way }).map(|it| (it.0, it.1))
    };
    let mut dice = ChaCha8Rng::seed_from_u64(request.seed ^ DICE);
    let mut here = made(&orders, false)?;
    let mut tried: BTreeSet<Orders> = BTreeSet::from([orders, here.1.orders.clone()]);
    for _ in 0..plans {
        let Some(next) = (0..TIMES).map(|_| vary(&here.1, &mut dice)).find(|it| !tried.contains(it)) else {
            continue;
        };
        let it = made(&next, false)?;
        tried.extend([next, it.1.orders.clone()]);
        // Orders that are worth the same may lead to better ones.
        if !here.0.better(&it.0) {
            here = it;
        }
    }
    let mut best = (worth, driven);
    if here.1.orders != best.1.orders {
        let searched = made(&here.1.orders, true)?;
        for it in [here, searched] {
            if it.0.better(&best.0) {
                best = it;
            }
        }
    }
    Ok(best)
}

/// Neighbours that are looked at for one that was not tried.
const TIMES: usize = 8;

/// Other orders, near those of a plan: a cluster comes sooner in a stage, or first in all stages, or two change places; every other time
/// one that ends last.
fn vary(plan: &Driven, dice: &mut ChaCha8Rng) -> Orders {
    let mut below = |end: usize| (dice.next_u64() % (end as u64).max(1)) as usize;
    let mut orders = plan.orders.clone();
    let stages: Vec<usize> = orders.iter().filter(|it| it.1.len() > 1).map(|it| *it.0).collect();
    let Some(order) = stages.get(below(stages.len())).and_then(|it| orders.get_mut(it)) else {
        return orders;
    };
    let ends =
        |cluster: &u32| plan.waves.iter().filter(|it| it.cluster == *cluster).map(|it| it.staged.end).max();
    let last = order.iter().map(ends).max();
    let late: Vec<usize> = (0..order.len()).filter(|&at| Some(ends(&order[at])) == last).collect();
    let from = match below(2) {
        0 => late.get(below(late.len())).copied().unwrap_or_default(),
        _ => below(order.len()),
    };
    match below(3) {
        0 => {
            let to = below(order.len());
            order.swap(from, to);
        }
        1 => {
            let cluster = order.remove(from);
            order.insert(below(order.len() + 1), cluster);
        }
        _ => {
            let cluster = order[from];
            orders.values_mut().for_each(|it| it.sort_by_key(|it| *it != cluster));
        }
    }
    orders
}

#[cfg(test)]
mod tests;
