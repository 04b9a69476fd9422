//! What would unblock, as a table: how it was tried, what it costs, or which key of the policy would say.

use underpin_model::plan::{Counterfactual, Price, Trial, TrialCost};
use underpin_risk::wait::sentence::short as number;

use super::Shown;
use super::words::{self, relaxation};
use super::zones::span;
use crate::output::{List, wrapped};

impl Shown<'_> {
    pub(super) fn unblock(&self) -> String {
        let Some(report) = self.report.filter(|it| !it.counterfactuals.is_empty()) else {
            return String::new();
        };
        let header =
            ["UNBLOCKS", "TRIED", "PRICE", "COST A DAY", "WHAT WOULD UNBLOCK, WHICH, AND WHAT IT COSTS"];
        let mut list = List::new(&header, self.width);
        for it in report.counterfactuals.iter().take(self.most()) {
            let unblocks = if it.trial == Trial::NotEnough { 0 } else { it.unblocks.len() };
            list.row([
                unblocks.to_string(),
                tried(it).to_owned(),
                sum(it),
                number(it.loss_per_day),
                what(it),
            ]);
        }
        let what = "What would unblock: TRIED yes means that a plan with it has these elements; no, that it is needed and may not be \
                    enough; not enough, that a plan with it has none of them, whatever one other relaxation was tried with it. COST A DAY \
                    is what staying blocked costs.";
        let all = report.counterfactuals.len();
        format!("\n{}{list}{}", wrapped(what, "", self.width), self.more(all))
    }
}

fn tried(it: &Counterfactual) -> &'static str {
    match (it.trial, &it.also) {
        (Trial::Enough, None) => "yes",
        (Trial::Enough, Some(_)) => "yes, both",
        (Trial::NotEnough, _) => "not enough",
        (Trial::NotTried, _) => "no",
    }
}

/// The price of everything that has to change.
fn sum(it: &Counterfactual) -> String {
    let all: Vec<&Price> = [&it.price].into_iter().chain(it.also.as_ref().map(|it| &it.price)).collect();
    let known: Vec<f64> = all.iter().filter_map(|it| Some(it.amount?.get())).collect();
    let sum = number(known.iter().sum());
    match known.len() {
        0 => "not set".to_owned(),
        few if few < all.len() => format!("over {sum}"),
        _ => sum,
    }
}

fn what(it: &Counterfactual) -> String {
    let mut text = match &it.also {
        None => relaxation(&it.relaxation),
        Some(also) => format!(
            "{}, and with it (neither is enough alone) {}",
            relaxation(&it.relaxation),
            relaxation(&also.relaxation)
        ),
    };
    if it.trial == Trial::NotEnough {
        text += " is not enough alone";
    }
    text += &format!(": {}; {}", words::elements(&it.unblocks), price(&it.price));
    if let Some(also) = &it.also {
        text += &format!("; {}", price(&also.price));
    }
    if let Some(cost) = &it.cost {
        text += &format!("; {}", in_the_plan(cost));
    }
    if let Some(other) = it.covered_by {
        text += &format!("; row {} does as much for no more", other + 1);
    }
    text
}

/// Where a price is from, or what would say it.
pub(super) fn price(price: &Price) -> String {
    let key = &price.key;
    let judged = if price.judgement { ", a judgement" } else { "" };
    match (price.amount, price.units) {
        (Some(amount), Some(units)) => {
            format!("price {} for {} ({key}{judged})", number(amount.get()), count(units, &price.unit))
        }
        (Some(amount), None) => format!("price {} ({key}{judged})", number(amount.get())),
        (None, Some(units)) => format!("{key} would price {}", count(units, &price.unit)),
        (None, None) => format!("{key} would price it by a plan with it, and there is none"),
    }
}

fn count(units: f64, unit: &str) -> String {
    let words = match unit {
        "host-days" => "days of spare hosts",
        "gbps-hosts" => "Gbit/s of hosts",
        "vm-hours" => "hours of guests down",
        "minutes" => "minutes",
        "repairs" | "unlocks" | "facts" | "exceptions" => return format!("the {}", &unit[..unit.len() - 1]),
        other => other,
    };
    format!("{} {words}", number(units))
}

/// What the plan with it costs beside the one without.
pub(super) fn in_the_plan(cost: &TrialCost) -> String {
    let TrialCost { without, with, loses, reserve_hosts } = cost;
    let more = |what: &str, before: u64, after: u64| {
        let sign = if after < before { '-' } else { '+' };
        (before != after).then(|| format!("{what} {sign}{}", before.abs_diff(after)))
    };
    let ends = match with.ends_s.cmp(&without.ends_s) {
        std::cmp::Ordering::Equal => "ends as before".to_owned(),
        std::cmp::Ordering::Less => format!("ends {} earlier", span(without.ends_s - with.ends_s)),
        std::cmp::Ordering::Greater => format!("ends {} later", span(with.ends_s - without.ends_s)),
    };
    let parts = [
        Some(ends),
        more("moves", without.moves, with.moves),
        more("guests interrupted", without.interrupted, with.interrupted),
        (!loses.is_empty()).then(|| format!("loses {} ({})", loses.len(), words::elements(loses))),
        (*reserve_hosts > 0).then(|| format!("without the reserve for {reserve_hosts} host(s)")),
    ];
    format!("the plan with it {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}
