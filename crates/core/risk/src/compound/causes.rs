//! What of the mean loss is whose: the exact share of each cause.
//!
//! A host loses up to a level of impact where any of its causes reaches that level; those that do share the step up to it alike.
//! That is the Shapley value of the loss among the causes that hit, and its mean is the integral over `t` from 0 to 1 of the
//! slope of the mean loss by the probability of the cause, at the probabilities of all causes times `t`, times that probability
//! (multilinear extension, Owen). Controls keep their probability to fail: that one was open is no cause of its own.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::exact::places;
use super::prepared::{AlikeClasses, DIMENSIONS, PerDimension, Prepared};
use super::shape::{Shape, Table};
use super::union::{Scale, Union};
use crate::quadrature::gauss_legendre;

/// Laws that are worked out one after the other, so that the order of their sum does not depend on threads.
const TOGETHER: usize = 32;

/// Greatest [`Union::rate`] up to which Gauss-Legendre of so many places errs by less than 1e-9 of the integral: the `k`th
/// derivative of the slope is at most `rate^k` times itself.
const RULES: [(usize, f64); 6] = [(1, 1e-4), (2, 0.04), (3, 0.3), (4, 1.0), (6, 3.0), (8, 5.0)];

/// Places with their weights, and the rate up to which they serve.
type Rule = (f64, Vec<(f64, f64)>);

/// The mean loss of the fleet by shock. `mean` is the whole, which the shares sum to.
pub(super) fn mean_by_shock(prepared: &Prepared, mean: f64) -> Vec<f64> {
    let table = Table::for_one(prepared);
    let rules = RULES.map(|(places, rate)| (rate, gauss_legendre(places)));
    let laws = worth_by_law(prepared);
    let parts: Vec<Vec<f64>> = laws
        .par_chunks(TOGETHER)
        .map(|laws| {
            let mut shares = vec![0.0; prepared.shocks.len()];
            for (class, worth) in laws {
                add_shares(prepared, (*class, worth), &table, &rules, &mut shares);
            }
            shares
        })
        .collect();
    let mut shares = vec![0.0; prepared.shocks.len()];
    for part in parts {
        for (share, one) in shares.iter_mut().zip(part) {
            *share += one;
        }
    }
    for (share, probability) in shares.iter_mut().zip(&prepared.shocks) {
        *share *= probability;
    }
    // To the last digit the sum of what is integrated here and there is the same but for rounding.
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share *= mean / sum);
    }
    shares
}

/// What stands on all classes of one law, with one of them: those of one profile whose planes are of the same kinds.
fn worth_by_law(prepared: &Prepared) -> Vec<(usize, PerDimension)> {
    let mut places: FxHashMap<AlikeClasses, usize> = FxHashMap::default();
    let mut laws: Vec<(usize, PerDimension)> = Vec::new();
    for (at, class) in prepared.classes.iter().enumerate().filter(|(_, class)| class.size() > 0) {
        let place = *places.entry(prepared.alike(class)).or_insert_with(|| {
            laws.push((at, [0.0; DIMENSIONS]));
            laws.len() - 1
        });
        for (sum, worth) in laws[place].1.iter_mut().zip(class.worth) {
            *sum += worth;
        }
    }
    laws
}

/// Adds, for each shock, the integrated slope of the mean loss of a class that so much stands on.
fn add_shares(
    prepared: &Prepared,
    (class, worth): (usize, &PerDimension),
    table: &Table<'_>,
    rules: &[Rule],
    shares: &mut [f64],
) {
    let mut events = events(prepared, class, worth);
    for (node, &(_, weight)) in table.nodes.iter().enumerate() {
        for (step, shape) in &mut events {
            shape.fill(table, node);
            add_integral(&shape.union, weight * *step, rules, shares);
        }
    }
}

/// The events that a class loses by, each with what is lost: some cause reaches a level of impact.
fn events(prepared: &Prepared, class: usize, worth: &PerDimension) -> Vec<(f64, Shape)> {
    let impacts = prepared.impacts_of(&prepared.classes[class]);
    let mut steps: Vec<(Vec<bool>, usize, f64, f64)> = Vec::new();
    for dimension in 0..DIMENSIONS {
        let mut levels: Vec<f64> = impacts.iter().map(|it| it[dimension]).filter(|&it| it > 0.0).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        let mut below = 0.0;
        for level in levels {
            let reaches: Vec<bool> = impacts.iter().map(|impact| impact[dimension] >= level).collect();
            let step = worth[dimension] * (level - below);
            below = level;
            match steps.iter_mut().find(|(mask, ..)| *mask == reaches) {
                Some((.., sum)) => *sum += step,
                None => steps.push((reaches, dimension, level, step)),
            }
        }
    }
    let of_step = |(_, dimension, level, step): (Vec<bool>, usize, f64, f64)| {
        let shape = Shape::new(prepared, [(class, 1.0)].into_iter(), |impact| impact[dimension] >= level);
        (step, shape)
    };
    steps.into_iter().filter(|it| it.3 > 0.0).map(of_step).collect()
}

fn add_integral(union: &Union, weight: f64, rules: &[Rule], slopes: &mut [f64]) {
    let rate = union.rate();
    match rules.iter().find(|(most, _)| rate <= *most) {
        Some((_, rule)) => union.add_slopes(rule, Scale::of_hits, weight, slopes),
        None => union.add_slopes(&places(union, Scale::of_hits), Scale::of_hits, weight, slopes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compound::exact;
    use crate::compound::prepared::loss;
    use crate::compound::sample::{SampleSpec, sample};

    #[test]
    fn what_is_integrated_by_cause_is_the_mean_before_it_is_made_so() {
        let portfolio = sample(&SampleSpec {
            hosts: 400,
            vms_per_host: 4,
            tenants: 8,
            vulnerabilities: 60,
            classes: 20,
            seed: 3,
        })
        .unwrap();
        let prepared = Prepared::new(&portfolio);
        let labels: Vec<String> = portfolio.classes.iter().map(|class| class.label.clone()).collect();
        let laws = exact::classes(&prepared, &labels).unwrap();
        let means = prepared.classes.iter().zip(&laws).map(|it| loss(&it.0.worth, &it.1.mean_impact()));
        let mean: f64 = means.sum();
        let table = Table::for_one(&prepared);
        let rules = RULES.map(|(places, rate)| (rate, gauss_legendre(places)));
        let mut shares = vec![0.0; prepared.shocks.len()];
        for (class, worth) in worth_by_law(&prepared) {
            add_shares(&prepared, (class, &worth), &table, &rules, &mut shares);
        }
        let sum: f64 = shares.iter().zip(&prepared.shocks).map(|(share, shock)| share * shock).sum();
        assert!((sum / mean - 1.0).abs() < 1e-9, "{sum} of {mean}");
    }

    #[test]
    fn each_rule_serves_up_to_its_rate() {
        for (places, rate) in RULES {
            let rule = gauss_legendre(places);
            let sum: f64 = rule.iter().map(|&(t, weight)| weight * rate * (-rate * t).exp()).sum();
            let exact = -(-rate).exp_m1();
            assert!((sum / exact - 1.0).abs() < 1e-9, "{rate}: {sum}, {exact}");
        }
    }
}
