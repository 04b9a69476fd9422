//! How many of many independent events of unequal probability happen: the Poisson-binomial distribution, exactly.
//!
//! Masses are convolved by divide and conquer, directly where a factor is short and by Fourier transform where both are
//! long. A transform has an absolute error of about 1e-16, so a far tail is computed under tilted probabilities, whose mean is
//! at the tail, and weighted back (Esscher transform): its error is relative again.

use std::collections::BinaryHeap;

use realfft::RealFftPlanner;
use underpin_model::quantity::Probability;

use crate::binomial::{self, Odds};

/// Up to this length of the shorter factor the direct way is faster, and exact in each digit.
const SHORT: usize = 64;

/// `P(X = 0) ..= P(X = n)`. Absolute error about 1e-15; [`poisson_binomial_tail`] keeps the digits of far tails.
#[must_use]
pub fn poisson_binomial_pmf(p: &[Probability]) -> Vec<f64> {
    masses(p.iter().map(|it| (Odds::from(*it), 1)))
}

/// The same for groups of `count` events with one probability each.
#[must_use]
pub fn grouped_pmf(groups: &[(Probability, u64)]) -> Vec<f64> {
    masses(groups.iter().map(|(p, count)| (Odds::from(*p), *count)))
}

/// `P(X >= k)` of events with unequal probabilities, to a relative error of about 1e-12 however far the tail.
#[must_use]
pub fn poisson_binomial_tail(p: &[Probability], k: u64) -> Probability {
    let groups: Vec<(Probability, u64)> = p.iter().map(|it| (*it, 1)).collect();
    grouped_tail(&groups, k)
}

/// The same for groups of `count` events with one probability each.
#[must_use]
pub fn grouped_tail(groups: &[(Probability, u64)], k: u64) -> Probability {
    let certain: u64 = groups.iter().filter(|it| it.0 == Probability::CERTAIN).map(|it| it.1).sum();
    let open: Vec<(f64, u64)> = groups
        .iter()
        .filter(|it| it.0 > Probability::NEVER && it.0 < Probability::CERTAIN)
        .map(|it| (it.0.get(), it.1))
        .collect();
    let n: u64 = open.iter().map(|it| it.1).sum();
    let k = k.saturating_sub(certain);
    if k == 0 {
        return Probability::CERTAIN;
    }
    if k > n {
        return Probability::NEVER;
    }
    if let [(p, _)] = open.as_slice() {
        return Probability::nearest(binomial::tail(n, Odds { p: *p, q: 1.0 - p }, k));
    }
    if k == n {
        return Probability::nearest(open.iter().map(|(p, count)| *count as f64 * p.ln()).sum::<f64>().exp());
    }
    let tilt = tilt_to_mean(&open, k as f64);
    let tilted = masses(open.iter().map(|(p, count)| (tilted(*p, tilt), *count)));
    // ln of the moment generating function at the tilt, which weighs the masses back.
    let ln_weight: f64 = open.iter().map(|(p, count)| *count as f64 * ln_moment(*p, tilt)).sum();
    let from = usize::try_from(k).unwrap_or(usize::MAX);
    let beyond: f64 =
        tilted.iter().skip(from).enumerate().map(|(over, mass)| mass * (-tilt * over as f64).exp()).sum();
    Probability::nearest((ln_weight - tilt * k as f64).exp() * beyond)
}

fn tilted(p: f64, tilt: f64) -> Odds {
    // Both ends from the log-odds, so that neither loses digits.
    let odds = (p / (1.0 - p)).ln() + tilt;
    Odds { p: 1.0 / (1.0 + (-odds).exp()), q: 1.0 / (1.0 + odds.exp()) }
}

/// `ln(1 - p + p e^tilt)`.
fn ln_moment(p: f64, tilt: f64) -> f64 {
    if tilt > 700.0 { p.ln() + tilt } else { (p * tilt.exp_m1()).ln_1p() }
}

/// The tilt at which the mean is `mean`; 0 where the mean is there already. It need not be exact: any tilt is right, this one
/// keeps most digits.
fn tilt_to_mean(open: &[(f64, u64)], mean: f64) -> f64 {
    let at = |tilt: f64| open.iter().map(|(p, count)| *count as f64 * tilted(*p, tilt).p).sum::<f64>();
    if at(0.0) >= mean {
        return 0.0;
    }
    // The log-odds of a double end near 745 on either side.
    let (mut low, mut high) = (0.0, 1500.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if at(middle) < mean {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// One factor; the heap hands out the shortest first, because two short ones are cheaper than a short and a long one.
struct Factor(Vec<f64>, usize);

impl Ord for Factor {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.0.len(), other.1).cmp(&(self.0.len(), self.1))
    }
}
impl PartialOrd for Factor {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Factor {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Factor {}

fn masses(groups: impl Iterator<Item = (Odds, u64)>) -> Vec<f64> {
    let mut heap: BinaryHeap<Factor> =
        groups.enumerate().map(|(at, (odds, count))| Factor(binomial::masses(count, odds), at)).collect();
    let mut planner = RealFftPlanner::<f64>::new();
    let mut at = heap.len();
    while let Some(Factor(one, _)) = heap.pop() {
        let Some(Factor(other, _)) = heap.pop() else {
            return one;
        };
        heap.push(Factor(convolved(&mut planner, &one, &other), at));
        at += 1;
    }
    vec![1.0]
}

/// Distribution of the sum of two independent counts.
fn convolved(planner: &mut RealFftPlanner<f64>, one: &[f64], other: &[f64]) -> Vec<f64> {
    if one.len().min(other.len()) <= SHORT {
        return direct(one, other);
    }
    // A transform fails only on lengths that do not fit, which these do; direct is right in any case.
    transformed(planner, one, other).unwrap_or_else(|| direct(one, other))
}

fn direct(one: &[f64], other: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; (one.len() + other.len()).saturating_sub(1)];
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    for (shift, weight) in short.iter().enumerate() {
        for (into, mass) in sum.iter_mut().skip(shift).zip(long) {
            *into += weight * mass;
        }
    }
    sum
}

fn transformed(planner: &mut RealFftPlanner<f64>, one: &[f64], other: &[f64]) -> Option<Vec<f64>> {
    let length = one.len() + other.len() - 1;
    let padded = length.next_power_of_two();
    let (forward, inverse) = (planner.plan_fft_forward(padded), planner.plan_fft_inverse(padded));
    let spectrum = |masses: &[f64]| {
        let mut input = masses.to_vec();
        input.resize(padded, 0.0);
        let mut output = forward.make_output_vec();
        forward.process(&mut input, &mut output).ok().map(|()| output)
    };
    let mut product = spectrum(one)?;
    for (into, factor) in product.iter_mut().zip(spectrum(other)?) {
        *into *= factor;
    }
    let mut sum = inverse.make_output_vec();
    inverse.process(&mut product, &mut sum).ok()?;
    sum.truncate(length);
    let scale = 1.0 / padded as f64;
    for mass in &mut sum {
        // What rounding left below nothing is nothing.
        *mass = (*mass * scale).max(0.0);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(it: f64) -> Probability {
        Probability::new(it).unwrap()
    }

    /// One event after the other: the definition, slow.
    fn one_by_one(all: &[Probability]) -> Vec<f64> {
        let mut masses = vec![1.0];
        for it in all {
            masses = direct(&masses, &[1.0 - it.get(), it.get()]);
        }
        masses
    }

    fn unequal(n: usize) -> Vec<Probability> {
        (0..n).map(|i| p(0.0005 + 0.3 * ((i * 7919) % n) as f64 / n as f64)).collect()
    }

    #[test]
    fn masses_are_those_of_the_definition() {
        for n in [0, 1, 2, 63, 500, 3000] {
            let all = unequal(n);
            let (fast, slow) = (poisson_binomial_pmf(&all), one_by_one(&all));
            assert_eq!(fast.len(), n + 1);
            for (k, (fast, slow)) in fast.iter().zip(&slow).enumerate() {
                assert!((fast - slow).abs() < 1e-14, "n {n} k {k}: {fast}, expected {slow}");
            }
        }
    }

    #[test]
    fn far_tails_keep_their_digits() {
        let all = unequal(1000);
        let slow = one_by_one(&all);
        for k in [1, 100, 150, 160, 200, 300, 500, 700, 999, 1000] {
            let expected: f64 = slow.iter().skip(k).rev().sum();
            let got = poisson_binomial_tail(&all, k as u64).get();
            assert!(
                expected < f64::MIN_POSITIVE || (got / expected - 1.0).abs() < 1e-11,
                "k {k}: {got}, {expected}"
            );
        }
        assert!(poisson_binomial_tail(&all, 500).get() < 1e-100);
    }

    #[test]
    fn equal_probabilities_are_binomial_however_they_are_grouped() {
        let groups = [(p(0.01), 300), (p(0.01), 600), (p(0.01), 100)];
        for k in [1, 10, 40, 100] {
            let (got, expected) =
                (grouped_tail(&groups, k).get(), binomial::at_least(1000, p(0.01), k).get());
            assert!((got / expected - 1.0).abs() < 1e-11, "k {k}: {got}, expected {expected}");
        }
    }

    #[test]
    fn certain_and_impossible_events_shift_and_vanish() {
        let all = [p(1.0), p(0.0), p(0.5), p(1.0), p(0.25)];
        assert_eq!(poisson_binomial_tail(&all, 2), Probability::CERTAIN);
        assert!((poisson_binomial_tail(&all, 3).get() - 0.625).abs() < 1e-15);
        assert!((poisson_binomial_tail(&all, 4).get() - 0.125).abs() < 1e-15);
        assert_eq!(poisson_binomial_tail(&all, 5), Probability::NEVER);
        assert_eq!(poisson_binomial_tail(&[], 0), Probability::CERTAIN);
        assert_eq!(poisson_binomial_tail(&[], 1), Probability::NEVER);
        assert_eq!(grouped_pmf(&[(p(0.5), 0)]), [1.0]);
        // Log-odds at the ends of a double.
        assert!(poisson_binomial_tail(&[p(1e-300), p(1e-300), p(0.5)], 2).get() > 0.9e-300);
    }

    #[test]
    fn a_hundred_thousand_unequal_hosts() {
        let all = unequal(100_000);
        let pmf = poisson_binomial_pmf(&all);
        let mean: f64 = pmf.iter().enumerate().map(|(k, mass)| k as f64 * mass).sum();
        let expected: f64 = all.iter().map(|it| it.get()).sum();
        assert!((mean / expected - 1.0).abs() < 1e-9);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn tails_fall_in_k_and_rise_with_any_probability(
            all in prop::collection::vec(0.0..=1.0_f64, 1..60), k in 0_u64..60, more in 0.0..1.0_f64,
        ) {
            let all: Vec<Probability> = all.into_iter().map(p).collect();
            let here = poisson_binomial_tail(&all, k).get();
            prop_assert!(poisson_binomial_tail(&all, k + 1).get() <= here * (1.0 + 1e-11));
            let mut raised = all.clone();
            raised[0] = raised[0].or(p(more));
            prop_assert!(poisson_binomial_tail(&raised, k).get() >= here * (1.0 - 1e-11));
            let slow: f64 = one_by_one(&all).iter().skip(k as usize).sum();
            prop_assert!((here - slow).abs() <= 1e-11 * slow + 1e-300);
        }
    }
}
