//! Which relaxation stands first.

use std::cmp::Ordering;

use underpin_model::plan::{Counterfactual, Relaxation, Trial};

/// What stands for most loss comes first, then what unblocks more, then what is enough; of these the cheapest. Whatever nobody prices comes
/// behind what has a price, in the order of what it asks: a word, leave, things to be bought, and the reserve.
pub(super) fn sort(all: &mut [Counterfactual]) {
    all.sort_by(|a, b| {
        let loss = b.loss_per_day.total_cmp(&a.loss_per_day);
        (loss.then(b.unblocks.len().cmp(&a.unblocks.len())).then(tried(a).cmp(&tried(b))))
            .then_with(|| cheaper(a, b))
            .then_with(|| asks(a).cmp(&asks(b)))
    });
}

fn tried(it: &Counterfactual) -> u8 {
    match it.trial {
        Trial::Enough => 0,
        Trial::NotTried => 1,
        Trial::NotEnough => 2,
    }
}

fn cheaper(a: &Counterfactual, b: &Counterfactual) -> Ordering {
    match (amount(a), amount(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// What it costs, with what it needs beside it.
fn amount(it: &Counterfactual) -> Option<f64> {
    let also = it.also.as_ref().map(|it| &it.price);
    [&it.price].into_iter().chain(also).map(|it| it.amount.map(|it| it.get())).sum()
}

fn asks(it: &Counterfactual) -> (bool, u8) {
    let of = match it.relaxation {
        Relaxation::Fact { .. } | Relaxation::Unlock { .. } => 0,
        Relaxation::Consent { .. } | Relaxation::LongerWindow { .. } | Relaxation::OpenWindow { .. } => 1,
        Relaxation::MostAway { .. }
        | Relaxation::WithoutRule { .. }
        | Relaxation::WithoutFreeze { .. }
        | Relaxation::LiftFreeze { .. } => 2,
        Relaxation::Repair { .. } | Relaxation::Bandwidth { .. } => 3,
        Relaxation::SpareHosts { .. } => 4,
        Relaxation::WithoutReserve { .. } => 5,
    };
    (it.also.is_some(), of)
}
