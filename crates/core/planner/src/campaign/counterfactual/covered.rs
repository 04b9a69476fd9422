//! Relaxations beside which another one does all that they do, for no more.

use std::collections::BTreeSet;

use underpin_model::id::ElementId;
use underpin_model::plan::{Counterfactual, Price, Trial};

/// Marks every relaxation that is enough, and of which another one (the first of equals) leaves nothing to do.
pub(super) fn mark(all: &mut [Counterfactual]) {
    let covered: Vec<Option<u32>> = all
        .iter()
        .enumerate()
        .map(|(at, it)| {
            let mut others = all.iter().enumerate().filter(|(other, _)| *other != at);
            let by = others.find(|(other, by)| covers(by, it) && (*other < at || !covers(it, by)));
            by.map(|(other, _)| other as u32)
        })
        .collect();
    all.iter_mut().zip(covered).for_each(|(it, by)| it.covered_by = by);
}

/// Whether one unblocks all that the other does, loses no more, and costs no more as far as both are priced alike.
fn covers(one: &Counterfactual, other: &Counterfactual) -> bool {
    let enough = |it: &Counterfactual| it.trial == Trial::Enough;
    let loses = |it: &Counterfactual| -> BTreeSet<ElementId> {
        it.cost.iter().flat_map(|it| it.loses.iter().cloned()).collect()
    };
    let of: BTreeSet<&ElementId> = one.unblocks.iter().collect();
    enough(one)
        && enough(other)
        && one.cost.is_some()
        && other.cost.is_some()
        && other.unblocks.iter().all(|it| of.contains(it))
        && loses(one).is_subset(&loses(other))
        && costs_no_more(one, other)
}

fn costs_no_more(one: &Counterfactual, other: &Counterfactual) -> bool {
    match (prices(one).as_slice(), prices(other).as_slice()) {
        ([one], [other]) => no_more(one, other),
        // One of two things that both have to change costs no more than both.
        ([one], both) => both.iter().any(|it| no_more(one, it)),
        (both, [_]) => amount(both).zip(amount(&prices(other))).is_some_and(|(one, other)| one <= other),
        (both, others) => {
            let known = amount(both).zip(amount(others)).map(|(one, other)| one <= other);
            known.unwrap_or_else(|| both.iter().zip(others).all(|(one, other)| no_more(one, other)))
        }
    }
}

fn prices(it: &Counterfactual) -> Vec<&Price> {
    [&it.price].into_iter().chain(it.also.as_ref().map(|it| &it.price)).collect()
}

fn amount(prices: &[&Price]) -> Option<f64> {
    prices.iter().map(|it| it.amount.map(|it| it.get())).sum()
}

/// By the amounts; where neither has one, by the units of the same key.
fn no_more(one: &Price, other: &Price) -> bool {
    match (one.amount, other.amount) {
        (Some(one), Some(other)) => one <= other,
        (None, None) => {
            let units = one.units.zip(other.units);
            one.key == other.key && units.is_some_and(|(one, other)| one <= other)
        }
        _ => false,
    }
}
