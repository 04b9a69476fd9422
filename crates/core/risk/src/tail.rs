//! How many of `n` hosts fail at once, when they do not fail independently.
//!
//! The one-factor Gaussian model: host `i` fails when `sqrt(rho) Z + sqrt(1-rho) e_i < Phi^-1(p)` with one `Z` for all. Given
//! `Z = z` the hosts are independent with `p(z) = Phi((Phi^-1(p) - sqrt(rho) z)/sqrt(1-rho))`, so the tail is one integral over
//! binomial tails (Vasicek, "Probability of loss on loan portfolio", 1987; science: the mixture is the right primitive).
//! The beta-binomial model draws the common probability from a beta distribution instead.

use statrs::function::gamma::ln_gamma;
use underpin_model::quantity::{InvalidArgument, Probability};

use crate::binomial::{Odds, count, tail};
use crate::normal::{cdf, density, quantile};
use crate::quadrature::integral;

/// The density of the factor is below the smallest double outside of it.
const FACTOR_LIMIT: f64 = 38.0;

/// Relative error that the integral is driven to: well below the 1e-9 that is promised.
const INTEGRAL_TOLERANCE: f64 = 1e-13;

/// `P(at least k of n)` in the one-factor Gaussian model with the marginal probability `p` and the correlation `rho`.
///
/// `rho = 0` is the binomial tail, `rho = 1` its limit: all or none. `k = 0` is certain, `k > n` never happens.
///
/// # Errors
/// `rho` is not from 0 to 1, or `n` is above [`crate::binomial::LARGEST_COUNT`].
pub fn one_factor_gaussian_tail(
    n: u64,
    p: Probability,
    rho: f64,
    k: u64,
) -> Result<Probability, InvalidArgument> {
    let rho = correlation(rho)?;
    count(n)?;
    if k == 0 {
        return Ok(Probability::CERTAIN);
    }
    if k > n {
        return Ok(Probability::NEVER);
    }
    let Some(factor) = OneFactor::new(p, rho) else {
        // A certain or impossible event, or no correlation: nothing depends on the factor. With rho = 1 all share one fate.
        return Ok(if rho < 1.0 { Probability::nearest(tail(n, p.into(), k)) } else { p });
    };
    let integrand = |z: f64| density(z) * tail(n, factor.given(z), k);
    let breaks = factor.breaks(n, k);
    Ok(Probability::nearest(integral(integrand, &breaks, INTEGRAL_TOLERANCE)))
}

/// `q` with `P(share of failed hosts <= q) = alpha` in an infinitely large fleet:
/// `Phi((Phi^-1(p) + sqrt(rho) Phi^-1(alpha))/sqrt(1-rho))` (Vasicek).
///
/// The limits are values: `rho = 1` gives all (1) above `alpha = 1 - p`, else none (0).
///
/// # Errors
/// `rho` is not from 0 to 1.
pub fn vasicek_quantile(
    p: Probability,
    rho: f64,
    alpha: Probability,
) -> Result<Probability, InvalidArgument> {
    let rho = correlation(rho)?;
    let Some(threshold) = quantile(p).filter(|_| rho > 0.0) else {
        return Ok(p);
    };
    if rho == 1.0 {
        let all = alpha > p.complement();
        return Ok(if all { Probability::CERTAIN } else { Probability::NEVER });
    }
    let Some(factor) = quantile(alpha) else {
        return Ok(alpha);
    };
    Ok(Probability::nearest(cdf((threshold + rho.sqrt() * factor) / (1.0 - rho).sqrt())))
}

/// `P(X >= k)`, X beta-binomial: `n` hosts share a probability that is beta(`a`, `b`). Time grows with `n`.
///
/// # Errors
/// `a` or `b` is not a finite number above 0, or `n` is above [`crate::binomial::LARGEST_COUNT`].
pub fn beta_binomial_tail(n: u64, a: f64, b: f64, k: u64) -> Result<Probability, InvalidArgument> {
    count(n)?;
    shape("a", a)?;
    shape("b", b)?;
    if k == 0 {
        return Ok(Probability::CERTAIN);
    }
    let mut ln_mass = ln_beta_binomial_zero(n, a, b);
    let mut sum = 0.0;
    for j in 0..=n {
        if j >= k {
            sum += ln_mass.exp();
        }
        let (j, left) = (j as f64, (n - j) as f64);
        ln_mass += (left * (a + j) / ((j + 1.0) * (b + left - 1.0))).ln();
    }
    Ok(Probability::nearest(sum))
}

/// `P(X = 0)`, X beta-binomial(`n`, `a`, `b`).
///
/// # Errors
/// `a` or `b` is not a finite number above 0.
pub fn beta_binomial_none(n: u64, a: f64, b: f64) -> Result<Probability, InvalidArgument> {
    shape("a", a)?;
    shape("b", b)?;
    Ok(Probability::nearest(ln_beta_binomial_zero(n, a, b).exp()))
}

/// `ln P(X = 0) = ln B(a, b+n) - ln B(a, b)`. A product for the counts of a fleet, because it cancels nothing; by log-gamma
/// beyond, where the loop would take longer than the nine digits are worth.
fn ln_beta_binomial_zero(n: u64, a: f64, b: f64) -> f64 {
    const LOOP: u64 = 1 << 20;
    if n <= LOOP {
        return (0..n).map(|i| (-a / (a + b + i as f64)).ln_1p()).sum();
    }
    let n = n as f64;
    ln_gamma(b + n) - ln_gamma(b) + ln_gamma(a + b) - ln_gamma(a + b + n)
}

/// The model once `p` and `rho` are strictly between their ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneFactor {
    threshold: f64,
    loading: f64,
    residual: f64,
}

impl OneFactor {
    /// `None` where the factor decides nothing or everything: `p` or `rho` is 0 or 1, or `rho` is no correlation.
    #[must_use]
    pub fn new(p: Probability, rho: f64) -> Option<Self> {
        let inside = rho > 0.0 && rho < 1.0;
        let threshold = quantile(p).filter(|_| inside)?;
        Some(Self { threshold, loading: rho.sqrt(), residual: (1.0 - rho).sqrt() })
    }

    /// `Phi((Phi^-1(p) - sqrt(rho) z)/sqrt(1-rho))`: the probability of one host, given the factor.
    #[must_use]
    pub fn probability(&self, z: f64) -> Probability {
        Probability::nearest(self.given(z).p)
    }

    pub(crate) fn given(&self, z: f64) -> Odds {
        let at = (self.threshold - self.loading * z) / self.residual;
        Odds { p: cdf(at), q: cdf(-at) }
    }

    /// The factor at which the expected share of failures is `k/n`, and how wide the step of the tail around it is.
    pub(crate) fn step(&self, n: u64, k: u64) -> (f64, f64) {
        // Half a host inside, so that k = n has a finite place too.
        let share = (k as f64 - 0.5) / n as f64;
        let at = quantile(Probability::nearest(share)).unwrap_or_default();
        let centre = (self.threshold - self.residual * at) / self.loading;
        let spread = (share * (1.0 - share) / n as f64).sqrt();
        (centre, spread / density(at).max(f64::MIN_POSITIVE) * self.residual / self.loading)
    }

    /// Where the integrand may be steep or high: around the step in widths that grow fourfold, and around the most likely factor.
    fn breaks(&self, n: u64, k: u64) -> Vec<f64> {
        let (centre, width) = self.step(n, k);
        let inside = |z: &f64| *z > -FACTOR_LIMIT && *z < FACTOR_LIMIT;
        let mut breaks = vec![-FACTOR_LIMIT, FACTOR_LIMIT];
        breaks.extend([-16.0, -8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0, 16.0]);
        breaks.extend(Some(centre).filter(inside));
        let mut distance = width.clamp(1e-9, FACTOR_LIMIT);
        while distance < 2.0 * FACTOR_LIMIT {
            breaks.extend([centre - distance, centre + distance].into_iter().filter(inside));
            distance *= 4.0;
        }
        breaks.sort_by(f64::total_cmp);
        breaks
    }
}

pub(crate) fn correlation(rho: f64) -> Result<f64, InvalidArgument> {
    InvalidArgument::unless((0.0..=1.0).contains(&rho), "rho", rho, "a correlation from 0 to 1")?;
    Ok(rho)
}

fn shape(name: &'static str, found: f64) -> Result<(), InvalidArgument> {
    InvalidArgument::unless(found.is_finite() && found > 0.0, name, found, "a finite shape above 0")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(it: f64) -> Probability {
        Probability::new(it).unwrap()
    }

    fn gaussian(n: u64, probability: f64, rho: f64, k: u64) -> f64 {
        one_factor_gaussian_tail(n, p(probability), rho, k).unwrap().get()
    }

    fn near(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance * expected.abs(), "got {got}, expected {expected}");
    }

    /// One host fails with its marginal probability, whatever the correlation; two with the bivariate normal, which for the
    /// median is `1/4 + asin(rho)/(2 pi)` (Sheppard).
    #[test]
    fn what_is_known_in_closed_form_is_met() {
        for rho in [0.0, 1e-6, 0.01, 0.3, 0.9, 0.999, 0.999_999, 1.0] {
            for probability in [1e-12, 0.001, 0.3, 0.999] {
                near(gaussian(1, probability, rho, 1), probability, 1e-11);
            }
            let both = 0.25 + rho.asin() / (2.0 * std::f64::consts::PI);
            near(gaussian(2, 0.5, rho, 2), both, 1e-11);
        }
    }

    /// The mean number of failures is `n p`: the sum of the tails over `k`.
    #[test]
    fn the_tails_add_up_to_the_mean() {
        for (n, probability, rho) in [(40, 0.02, 0.3), (200, 0.001, 0.8), (40, 0.5, 0.05)] {
            let sum: f64 = (1..=n).map(|k| gaussian(n, probability, rho, k)).sum();
            near(sum, n as f64 * probability, 1e-10);
        }
    }

    #[test]
    fn far_tails_stay_smooth_and_large_fleets_work() {
        // Against the limit of a large fleet: P(share >= s) = Phi((Phi^-1(p) - sqrt(1-rho) Phi^-1(s))/sqrt(rho)).
        let limit = |probability: f64, rho: f64, share: f64| {
            let (a, b) = (quantile(p(probability)).unwrap(), quantile(p(share)).unwrap());
            cdf((a - (1.0 - rho).sqrt() * b) / rho.sqrt())
        };
        near(gaussian(1_000_000, 0.01, 0.2, 100_000), limit(0.01, 0.2, 0.1), 2e-4);
        near(gaussian(1_000_000, 1e-6, 0.1, 100_000), limit(1e-6, 0.1, 0.1), 2e-3);
    }

    #[test]
    fn limits_are_values_and_wrong_correlations_are_named() {
        assert_eq!(gaussian(10, 0.2, 1.0, 7), 0.2);
        assert_eq!(gaussian(10, 0.2, 0.0, 11), 0.0);
        assert_eq!(gaussian(0, 0.2, 0.5, 0), 1.0);
        assert_eq!(gaussian(0, 0.2, 0.5, 1), 0.0);
        assert_eq!(gaussian(10, 0.0, 0.5, 1), 0.0);
        assert_eq!(gaussian(10, 1.0, 0.5, 10), 1.0);
        for rho in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = one_factor_gaussian_tail(10, p(0.1), rho, 2).unwrap_err();
            assert_eq!(error.to_string(), format!("rho: found {rho}, expected a correlation from 0 to 1"));
            assert!(vasicek_quantile(p(0.1), rho, p(0.9)).is_err());
        }
        assert_eq!(one_factor_gaussian_tail(u64::MAX, p(0.1), 0.1, 2).unwrap_err().name, "n");
        assert_eq!(beta_binomial_tail(u64::MAX, 1.0, 1.0, 2).unwrap_err().name, "n");
    }

    #[test]
    fn the_quantile_of_a_large_fleet_has_its_limits() {
        let q = |probability, rho, alpha| vasicek_quantile(p(probability), rho, p(alpha)).unwrap().get();
        near(q(0.01, 0.12, 0.999), 0.090_325_831_326_065_31, 1e-12);
        assert_eq!(q(0.3, 0.0, 0.999), 0.3);
        assert_eq!((q(0.3, 1.0, 0.69), q(0.3, 1.0, 0.71)), (0.0, 1.0));
        assert_eq!((q(0.3, 0.5, 0.0), q(0.3, 0.5, 1.0)), (0.0, 1.0));
        assert_eq!((q(0.0, 0.5, 0.9), q(1.0, 0.5, 0.9)), (0.0, 1.0));
    }

    #[test]
    fn a_beta_mixture_of_ones_is_uniform() {
        for k in 0..=20 {
            near(beta_binomial_tail(20, 1.0, 1.0, k).unwrap().get(), (21 - k) as f64 / 21.0, 1e-12);
        }
        assert_eq!(beta_binomial_tail(20, 1.0, 1.0, 21).unwrap(), Probability::NEVER);
        assert_eq!(beta_binomial_none(0, 1.0, 1.0).unwrap(), Probability::CERTAIN);
        // A very narrow beta is a binomial.
        near(beta_binomial_tail(10, 5e8, 95e8, 3).unwrap().get(), gaussian(10, 0.05, 0.0, 3), 1e-6);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(beta_binomial_tail(10, bad, 1.0, 1).unwrap_err().name, "a");
            assert_eq!(beta_binomial_none(10, 1.0, bad).unwrap_err().name, "b");
        }
    }

    #[test]
    fn both_ways_to_no_failure_at_all_agree() {
        let n = (1 << 20) + 1;
        let by_gamma = ln_beta_binomial_zero(n, 0.2, 9.8);
        let by_product: f64 = (0..n).map(|i| (-0.2 / (10.0 + i as f64)).ln_1p()).sum();
        near(by_gamma, by_product, 1e-8);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn tails_are_probabilities_that_fall_in_k(
            n in 1_u64..500, probability in 0.0..=1.0_f64, rho in 0.0..=1.0_f64, share in 0.0..1.0_f64,
        ) {
            let k = (share * n as f64) as u64;
            let (here, next) = (gaussian(n, probability, rho, k), gaussian(n, probability, rho, k + 1));
            prop_assert!((0.0..=1.0).contains(&next) && next <= here + 1e-12, "{} then {}", here, next);
        }

        #[test]
        fn more_dependence_raises_far_tails_and_lowers_the_first(
            n in 20_u64..200, probability in 0.001..0.05_f64, rho in 0.0..0.7_f64, more in 0.01..0.2_f64,
        ) {
            prop_assert!(gaussian(n, probability, rho + more, n / 2) >= gaussian(n, probability, rho, n / 2));
            prop_assert!(gaussian(n, probability, rho + more, 1) <= gaussian(n, probability, rho, 1) + 1e-12);
        }

        #[test]
        fn a_higher_probability_never_lowers_a_tail(
            n in 1_u64..100, probability in 0.0..0.9_f64, more in 0.0..0.1_f64, rho in 0.0..1.0_f64, k in 1_u64..50,
        ) {
            prop_assert!(gaussian(n, probability + more, rho, k) >= gaussian(n, probability, rho, k) * (1.0 - 1e-11));
        }

        #[test]
        fn beta_binomial_tails_fall_in_k(n in 1_u64..200, a in 0.05..5.0_f64, b in 0.05..50.0_f64, k in 0_u64..200) {
            let at = |k| beta_binomial_tail(n, a, b, k).unwrap();
            prop_assert!(at(k + 1) <= at(k));
            let none = beta_binomial_none(n, a, b).unwrap().get();
            prop_assert!((none + at(1).get() - 1.0).abs() < 1e-10);
        }
    }
}
