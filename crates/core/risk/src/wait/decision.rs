//! One decision with all that it rests on: optimum, band, sensitivity, value of information.

use serde::Serialize;
use underpin_model::policy::Parameter;

use super::course::Course;
use super::curve::{Choice, Inputs, InvalidInput, Optimum, Terms, days_or_never};
use super::draws::{Draws, Hits};
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

/// The best time over a longer span.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Longer {
    /// That span, in days.
    pub horizon_days: f64,
    /// Days of waiting, from today.
    pub optimum_days: f64,
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
    /// The shortest of twice and four times the span over which it is best to patch after all; `None` where it is best to patch within the
    /// span itself, or over none of them. A patch late in a span pays its whole cost for the few days that are left of it, so that
    /// *never* may be a matter of where the span ends.
    pub over_longer: Option<Longer>,
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

impl Decision {
    /// The mark of a recommendation that most draws of the parameters contradict, short enough for a table.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        self.weak.then(|| format!("weak: best in {:.0} % of draws", (self.right * 100.0).floor()))
    }
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
    let mut uncertain = Uncertain::draw(
        &coarse,
        (draws.under(assumptions), draws.hits(&situation.approaches)),
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
    let (compromised_before, loss_before) = lumped.before_now(&assumptions.values, &hits);
    let (right, optimum_interval) = (uncertain.share(optimum.choice), uncertain.interval());
    let course = Course::of(&inputs);
    let curve = grid.even_days().zip(uncertain.bands()).map(|(days, band)| {
        let terms = course.at(days);
        CurvePoint { days, loss: terms.total(), band, terms }
    });
    let curve = curve.collect();
    Ok(Decision {
        verdict: match (optimum.choice, optimum.days) {
            (Choice::Now, _) => Verdict::PatchNow,
            (Choice::Wait, Some(days)) => Verdict::Wait { days },
            _ => Verdict::Mitigate,
        },
        optimum,
        now: course.at(0.0),
        best: optimum.days.map_or_else(|| course.never(), |days| course.at(days)),
        never: course.never(),
        band: band(&mut uncertain.best),
        band_now: band(&mut uncertain.now),
        band_never: band(&mut uncertain.never),
        optimum_interval,
        right,
        weak: right < 0.5,
        over_longer: over_longer(&inputs, &optimum)?,
        flat: optimum.is_flat(),
        regret: mean(&uncertain.regret),
        compromised_before,
        loss_before,
        belief,
        hinge: sensitivity::hinge(&sensitivity),
        sensitivity,
        information: information::values(situation, &inputs, (&grid, &table), &belief, soak_days),
        curve,
    })
}

/// Where the span decides: what is never best within it, and is within a longer one.
fn over_longer(inputs: &Inputs, optimum: &Optimum) -> Result<Option<Longer>, InvalidInput> {
    if optimum.choice != Choice::Never {
        return Ok(None);
    }
    for times in [2.0, 4.0] {
        let longer = Inputs { horizon_days: times * inputs.horizon_days, ..inputs.clone() };
        if let Some(optimum_days) = longer.optimum()?.days {
            return Ok(Some(Longer { horizon_days: longer.horizon_days, optimum_days }));
        }
    }
    Ok(None)
}

/// Losses under every draw.
struct Uncertain {
    /// All times of the chart, draw by draw.
    losses: Vec<f64>,
    now: Vec<f64>,
    never: Vec<f64>,
    best: Vec<f64>,
    regret: Vec<f64>,
    optima: Vec<Optimum>,
}

impl Uncertain {
    fn draw(
        lumped: &Lumped<'_>,
        (draws, mut hits): (impl Iterator<Item = Values>, Hits<'_>),
        grid: &Grid,
        chosen: &Optimum,
    ) -> Self {
        let count = DRAWS as usize;
        let empty = || Vec::with_capacity(count);
        let mut all = Self {
            losses: Vec::with_capacity(count * grid.even_days().count()),
            now: empty(),
            never: empty(),
            best: empty(),
            regret: empty(),
            optima: Vec::with_capacity(count),
        };
        let mut losses = Vec::new();
        let mut inputs = Inputs::default();
        for (draw, values) in draws.enumerate() {
            inputs = lumped.inputs_in(inputs, &values, hits.under(draw));
            let table = Table::of(grid, &inputs);
            losses.clear();
            losses.extend(table.losses(grid, &inputs));
            all.losses.extend(grid.at_even(&losses));
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

    /// The band at each time of the chart.
    fn bands(&self) -> impl Iterator<Item = Band> + '_ {
        let times = self.losses.len() / self.optima.len().max(1);
        let mut of_time = Vec::with_capacity(self.optima.len());
        (0..times).map(move |at| {
            of_time.clear();
            of_time.extend(self.losses.iter().skip(at).step_by(times));
            band(&mut of_time)
        })
    }

    fn share(&self, choice: Choice) -> f64 {
        let same = self.optima.iter().filter(|it| it.choice == choice).count();
        same as f64 / self.optima.len().max(1) as f64
    }

    /// Never sorts after every number of days.
    fn interval(&self) -> OptimumInterval {
        let mut days: Vec<f64> = self.optima.iter().map(|it| it.days.unwrap_or(f64::MAX)).collect();
        let Band { low, high } = band(&mut days);
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
fn band(list: &mut [f64]) -> Band {
    let place = |share: f64| ((share * list.len() as f64).ceil() as usize).saturating_sub(1);
    let (low, high) = (place(0.05), place(0.95));
    if high >= list.len() {
        return Band { low: 0.0, high: 0.0 };
    }
    let (_, at_low, above) = list.select_nth_unstable_by(low, f64::total_cmp);
    let low_value = *at_low;
    // What is not above the low one needs no sorting again.
    let high_value = match high.checked_sub(low + 1) {
        Some(place) => *above.select_nth_unstable_by(place, f64::total_cmp).1,
        None => low_value,
    };
    Band { low: low_value, high: high_value }
}
