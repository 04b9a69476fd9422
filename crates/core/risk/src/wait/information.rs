//! What one more observation is worth before a decision, and what getting it costs.
//!
//! The loss of each choice is linear in `m`, the expected share of hosts that the release hits (probability of a bad
//! release times share hit). The least loss over all choices is therefore concave in `m`, and since the expectation of
//! `m` after an observation is `m` before it, an observation is never worth less than nothing. Nor more than knowing for certain
//! whether the release is bad and which share it hits, since that tells all that any observation can (Jensen).

use serde::Serialize;

use super::course::Course;
use super::curve::Inputs;
use super::evidence::Count;
use super::situation::{Belief, Situation};
use super::table::{Grid, Table};
use underpin_model::quantity::Probability;

/// What could be done to learn more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observation {
    /// One more host of this hardware class, away from production.
    Trial,
    /// One more production host of this class, watched.
    CanaryHost,
    /// One more day in which others may report a fault.
    SoakDay,
    /// Knowing for certain whether the release is bad, and which share of hosts it hits then: no observation is worth more.
    Certainty,
}

/// What an observation is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct InformationValue {
    /// The observation.
    pub observation: Observation,
    /// How much less is lost, on average, by deciding after it: never negative.
    pub value: f64,
    /// What it costs: exposure of all hosts while it is made, and the risk of the observed host.
    pub cost: f64,
    /// Days that it takes.
    pub days: f64,
}

impl InformationValue {
    /// It is worth more than it costs.
    #[must_use]
    pub fn pays(&self) -> bool {
        self.value > self.cost
    }
}

/// What each observation is worth for a decision. `soak_days` is how long a trial or a canary is watched.
#[must_use]
pub(super) fn values(
    situation: &Situation,
    inputs: &Inputs,
    (grid, table): (&Grid, &Table),
    belief: &Belief,
    soak_days: f64,
) -> Vec<InformationValue> {
    // How bad the release is changes no hazard: one table, made of them, serves all.
    let others = Inputs { hazards: Vec::new(), ..inputs.clone() };
    let least = |bad: f64, hit: f64| table.least(grid, &Inputs { bad, hit, ..others.clone() });
    let before = least(belief.now, belief.hit.mean());
    let soak_days = soak_days.min(inputs.horizon_days);
    let course = Course::of(inputs);
    let at_now = course.at(0.0);
    let delay = |days: f64| {
        let later = course.at(days);
        let lost = |it: &super::curve::Terms| {
            it.exposure + it.incomplete_fix + it.staying + it.known_bugs + it.penalties
        };
        (lost(&later) - lost(&at_now)).max(0.0)
    };
    let one_host = one_host(belief, before, &least);
    let risk_of_host = belief.now * belief.hit.mean() * inputs.loss_per_bad_host;
    let observed = [one_host, soak_day(belief, inputs.theta * inputs.horizon_days.min(1.0), before, &least)];
    let certainty = observed.into_iter().fold(certainty(belief, before, &least), f64::max);
    let row = |observation, value: f64, cost, days| {
        // Less than rounding of two nearly equal sums is nothing.
        let value = if value > ROUNDING * before.abs() { value } else { 0.0 };
        InformationValue { observation, value, cost, days }
    };
    let canary = delay(soak_days) * (1.0 - 1.0 / situation.hosts.max(1.0)) + risk_of_host;
    vec![
        row(Observation::Trial, one_host, delay(soak_days), soak_days),
        row(Observation::CanaryHost, one_host, canary, soak_days),
        row(Observation::SoakDay, observed[1], delay(1.0), 1.0),
        row(Observation::Certainty, certainty, 0.0, 0.0),
    ]
}

/// Share of a loss below which a difference is rounding.
const ROUNDING: f64 = 1e-12;

/// Places at which the share of hosts hit is known for certain: midpoints of as many equally likely stretches of its distribution.
const SHARES: u32 = 64;

/// Expected gain of knowing all. The share is worked out at [`SHARES`] places, scaled to its mean: what that leaves out of an uncertain
/// share is less than any single observation tells of it, or that observation stands for it.
fn certainty(belief: &Belief, before: f64, least: &impl Fn(f64, f64) -> f64) -> f64 {
    let places = (0..SHARES).map(|at| (f64::from(at) + 0.5) / f64::from(SHARES));
    let shares: Vec<f64> = places.map(|it| belief.hit.quantile(Probability::nearest(it)).get()).collect();
    let mean = shares.iter().sum::<f64>() / f64::from(SHARES);
    let scale = if mean > 0.0 { belief.hit.mean() / mean } else { 0.0 };
    let if_bad = shares.iter().map(|it| least(1.0, (it * scale).min(1.0))).sum::<f64>() / f64::from(SHARES);
    before - belief.now * if_bad - (1.0 - belief.now) * least(0.0, belief.hit.mean())
}

/// Expected gain of a while in which others find a bad release with probability `1 - e^-rate`: it is withdrawn, or a little less likely bad.
fn soak_day(belief: &Belief, rate: f64, before: f64, least: &impl Fn(f64, f64) -> f64) -> f64 {
    let found = belief.now * -(-rate).exp_m1();
    if found <= 0.0 || found >= 1.0 {
        return 0.0;
    }
    let share = belief.hit.mean();
    before - found * least(1.0, share) - (1.0 - found) * least((belief.now - found) / (1.0 - found), share)
}

/// Expected gain of seeing one host of this class run the release: it is hit, or it stays clean.
fn one_host(belief: &Belief, before: f64, least: &impl Fn(f64, f64) -> f64) -> f64 {
    let is_hit = belief.now * belief.hit.mean();
    if is_hit <= 0.0 || is_hit >= 1.0 {
        return 0.0;
    }
    let after = |failures| {
        let (bad, hit) = belief.hit.update(belief.now, Count { hosts: 1, failures });
        least(bad, hit.mean())
    };
    before - is_hit * after(1) - (1.0 - is_hit) * after(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Beta;

    /// The theorem that the value rests on; and with it an observation about a linear loss is worth nothing.
    #[test]
    fn the_expected_share_hit_is_the_same_after_an_observation_as_before() {
        for (now, a, b) in [(0.05, 0.136, 1.56), (0.5, 3.0, 4.0), (1.0, 2.0, 9.0)] {
            let hit = Beta { a, b };
            let belief = Belief { at_release: now, by_age: now, by_others: now, now, hit };
            let linear = |bad: f64, share: f64| 7.0 * bad * share;
            assert!(one_host(&belief, linear(now, hit.mean()), &linear).abs() < 1e-12);
            let concave = |bad: f64, share: f64| (bad * share).min(0.03);
            assert!(one_host(&belief, concave(now, hit.mean()), &concave) >= 0.0);
        }
    }
}
