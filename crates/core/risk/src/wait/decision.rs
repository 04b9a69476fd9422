//! One decision with all that it rests on: optimum, band, sensitivity, value of information.

use serde::Serialize;
use underpin_model::policy::Parameter;

use super::curve::{Choice, InvalidInput, Optimum, Terms, days_or_never};
use super::draws::Draws;
use super::information::{self, InformationValue};
use super::lumps::Lumped;
use super::sensitivity::{self, Sensitivity};
use super::situation::{Belief, Situation};
use super::table::{Grid, Table, best_of};
use super::values::{Assumptions, Values};

/// Draws of the parameters.
pub const DRAWS: u32 = 400;

/// A 5 % and a 95 % quantile over the draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// 5 %.
    pub low: f64,
    /// 95 %.
    pub high: f64,
}

/// A point of the loss curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Days of waiting.
    pub days: f64,
    /// Loss.
    pub loss: f64,
    /// Its band.
    pub band: Band,
    /// Its terms.
    pub terms: Terms,
}

/// The interval of the best time over the draws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OptimumInterval {
    /// 5 % quantile in days; `None`: never.
    #[serde(serialize_with = "days_or_never")]
    pub low_days: Option<f64>,
    /// 95 % quantile in days; `None`: never.
    #[serde(serialize_with = "days_or_never")]
    pub high_days: Option<f64>,
    /// Share of the draws in which it is best to patch now.
    pub now: f64,
    /// To wait.
    pub wait: f64,
    /// Not to patch within the horizon.
    pub never: f64,
}

/// What is recommended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// Patch now.
    PatchNow,
    /// Wait, then patch.
    Wait {
        /// Days.
        days: f64,
    },
    /// Do not take this release within the horizon: mitigate.
    Mitigate,
}

/// A decision with all that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// What is recommended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The best time.
    #[serde(flatten)]
    pub optimum: Optimum,
    /// Terms of patching now.
    pub now: Terms,
    /// Terms of the best choice.
    pub best: Terms,
    /// Terms of not patching.
    pub never: Terms,
    /// Band of the loss of the best choice.
    pub band: Band,
    /// Band of the loss of patching now.
    pub band_now: Band,
    /// Band of the loss of not patching.
    pub band_never: Band,
    /// Where the best time lies under uncertainty.
    pub optimum_interval: OptimumInterval,
    /// Probability that the recommended kind of choice is the best one, over the draws.
    pub right: f64,
    /// It is the best one in fewer than half of the draws: the recommendation is weak.
    pub weak: bool,
    /// Patching now is chosen although something else would lose less, because that is within
    /// [`FLAT`](super::curve::FLAT) of it: the curve is flat.
    pub flat: bool,
    /// What it loses against the best choice, on average over the draws.
    pub regret: f64,
    /// Probability that a host has been compromised already through what the release closes. No part of the loss: it
    /// does not depend on the decision.
    pub compromised_before: f64,
    /// Loss that this means, over all hosts.
    pub loss_before: f64,
    /// What is believed about the release.
    pub belief: Belief,
    /// The tornado.
    pub sensitivity: Vec<Sensitivity>,
    /// The parameter that the decision hinges on; `None`: none turns it within its range.
    pub hinge: Option<Parameter>,
    /// What more observations are worth.
    pub information: Vec<InformationValue>,
    /// The loss curve.
    pub curve: Vec<CurvePoint>,
}

/// Decides about one group and one release.
///
/// # Errors
/// [`InvalidInput`] where a number is outside its domain.
pub fn decide(
    situation: &Situation,
    assumptions: &Assumptions,
    soak_days: f64,
    seed: u64,
) -> Result<Decision, InvalidInput> {
    let draws = Draws::of(assumptions, (DRAWS, seed), situation.rates, situation.approaches.iter());
    decide_under(situation, assumptions, soak_days, &draws)
}

/// The same with draws that were made for many decisions.
pub(super) fn decide_under(
    situation: &Situation,
    assumptions: &Assumptions,
    soak_days: f64,
    draws: &Draws,
) -> Result<Decision, InvalidInput> {
    let lumped = Lumped::of(situation);
    let hits = situation.hits(&assumptions.values);
    let inputs = lumped.inputs(&assumptions.values, &hits);
    let optimum = inputs.optimum()?;
    let belief = situation.belief(&assumptions.values);
    let grid = Grid::of(&inputs);
    let table = Table::of(&grid, &inputs);
    let coarse = Lumped::coarse(situation, &assumptions.values, &hits);
    let base = coarse.inputs(&assumptions.values, &hits);
    let uncertain = Uncertain::draw(
        &coarse,
        (&draws.under(assumptions), &draws.hits(&situation.approaches)),
        &grid,
        &optimum,
    );
    let variants = sensitivity::Variants {
        situation,
        lumped: &coarse,
        assumptions,
        grid: &grid,
        base: &base,
        hits: &hits,
        table: &Table::of(&grid, &base),
    };
    let sensitivity = variants.tornado(optimum.choice);
    let best = optimum.days.map_or_else(|| inputs.never(), |days| inputs.at(days));
    let (compromised_before, loss_before) = lumped.before_now(&assumptions.values, &hits);
    let (right, optimum_interval) = (uncertain.share(optimum.choice), uncertain.interval());
    let curve = grid.even_days().zip(uncertain.losses).map(|(days, losses)| {
        let terms = inputs.at(days);
        CurvePoint { days, loss: terms.total(), band: band(losses), terms }
    });
    Ok(Decision {
        verdict: match (optimum.choice, optimum.days) {
            (Choice::Now, _) => Verdict::PatchNow,
            (Choice::Wait, Some(days)) => Verdict::Wait { days },
            _ => Verdict::Mitigate,
        },
        optimum,
        now: inputs.at(0.0),
        best,
        never: inputs.never(),
        band: band(uncertain.best),
        band_now: band(uncertain.now),
        band_never: band(uncertain.never),
        optimum_interval,
        right,
        weak: right < 0.5,
        flat: optimum.is_flat(),
        regret: mean(&uncertain.regret),
        compromised_before,
        loss_before,
        belief,
        hinge: sensitivity::hinge(&sensitivity),
        sensitivity,
        information: information::values(situation, &inputs, (&grid, &table), &belief, soak_days),
        curve: curve.collect(),
    })
}

/// Losses under every draw.
struct Uncertain {
    /// Per time of the chart, all draws.
    losses: Vec<Vec<f64>>,
    now: Vec<f64>,
    never: Vec<f64>,
    best: Vec<f64>,
    regret: Vec<f64>,
    optima: Vec<Optimum>,
}

impl Uncertain {
    fn draw(
        lumped: &Lumped<'_>,
        (draws, hits): (&[Values], &[Vec<f64>]),
        grid: &Grid,
        chosen: &Optimum,
    ) -> Self {
        let empty = Vec::with_capacity(draws.len());
        let mut all = Self {
            losses: vec![empty.clone(); grid.even_days().count()],
            now: empty.clone(),
            never: empty.clone(),
            best: empty.clone(),
            regret: empty,
            optima: Vec::with_capacity(draws.len()),
        };
        let mut losses = Vec::new();
        for (values, hits) in draws.iter().zip(hits) {
            let inputs = lumped.inputs(values, hits);
            let table = Table::of(grid, &inputs);
            losses.clear();
            losses.extend(table.losses(grid, &inputs));
            for (all, one) in all.losses.iter_mut().zip(grid.at_even(&losses)) {
                all.push(one);
            }
            let own = best_of(grid, losses.iter().copied(), table.never(grid, &inputs));
            let taken = chosen.days.map_or(own.loss_never, |days| inputs.at(days).total());
            all.now.push(own.loss_now);
            all.never.push(own.loss_never);
            all.best.push(taken);
            all.regret.push((taken - own.loss_now.min(own.loss_wait).min(own.loss_never)).max(0.0));
            all.optima.push(own);
        }
        all
    }

    fn share(&self, choice: Choice) -> f64 {
        let same = self.optima.iter().filter(|it| it.choice == choice).count();
        same as f64 / self.optima.len().max(1) as f64
    }

    /// Never sorts after every number of days.
    fn interval(&self) -> OptimumInterval {
        let days: Vec<f64> = self.optima.iter().map(|it| it.days.unwrap_or(f64::MAX)).collect();
        let Band { low, high } = band(days);
        let known = |it: f64| (it < f64::MAX).then_some(it);
        OptimumInterval {
            low_days: known(low),
            high_days: known(high),
            now: self.share(Choice::Now),
            wait: self.share(Choice::Wait),
            never: self.share(Choice::Never),
        }
    }
}

fn mean(list: &[f64]) -> f64 {
    list.iter().sum::<f64>() / list.len().max(1) as f64
}

/// Quantiles by the nearest rank, so that each is one of the values.
fn band(mut list: Vec<f64>) -> Band {
    let mut at = |share: f64| {
        let rank = (share * list.len() as f64).ceil() as usize;
        let place = rank.saturating_sub(1);
        if place < list.len() { *list.select_nth_unstable_by(place, f64::total_cmp).1 } else { 0.0 }
    };
    Band { low: at(0.05), high: at(0.95) }
}
