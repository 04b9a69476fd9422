//! Tests that may be looked at after every observation: mixture sequential ratios, e-values, Wald's test.
//!
//! An e-value has a mean of at most 1 while nothing is wrong, so that the chance of ever seeing `1/alpha` is at most `alpha`
//! (Ville's inequality). The p-values here are those of the moment; a caller that wants the smallest so far keeps it.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;
use underpin_model::quantity::{InvalidArgument, Probability};

/// Sums of shares may be off 1 by rounding.
const SHARES_ROUNDING: f64 = 1e-9;

/// Evidence against "nothing is wrong", kept as its logarithm: it may leave the range of a double in either direction.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Evidence {
    ln: f64,
}

impl Evidence {
    /// The factor itself; the largest double where it is larger.
    #[must_use]
    pub fn value(self) -> f64 {
        self.ln.exp().min(f64::MAX)
    }

    /// Natural logarithm; the least double where the evidence is 0.
    #[must_use]
    pub fn ln(self) -> f64 {
        self.ln.max(f64::MIN)
    }

    /// `min(1, 1/value)`: an anytime-valid p-value.
    #[must_use]
    pub fn p_value(self) -> Probability {
        Probability::nearest((-self.ln).exp())
    }

    /// It has reached `1/alpha`.
    #[must_use]
    pub fn rejects(self, alpha: Probability) -> bool {
        self.p_value() <= alpha
    }
}

fn positive(name: &'static str, found: f64) -> Result<(), InvalidArgument> {
    InvalidArgument::unless(found.is_finite() && found > 0.0, name, found, "a finite number above 0")
}

fn inside(name: &'static str, it: Probability) -> Result<f64, InvalidArgument> {
    let accepted = it > Probability::NEVER && it < Probability::CERTAIN;
    InvalidArgument::unless(accepted, name, it.get(), "a probability above 0 and below 1")?;
    Ok(it.get())
}

/// Mixture sequential ratio of two normal samples of `n_per_arm` with the known variance `sigma2` each; the difference of the
/// means is normal with variance `tau2` under the alternative (Johari et al., "Peeking at A/B tests", 2017):
/// `sqrt(2s/(2s+nt)) exp(n^2 t d^2/(4s(2s+nt)))`.
///
/// # Errors
/// A variance is not above 0, or the difference is not finite.
pub fn msprt_two_sample_normal(
    mean_difference: f64,
    n_per_arm: u64,
    sigma2: f64,
    tau2: f64,
) -> Result<Evidence, InvalidArgument> {
    InvalidArgument::unless(
        mean_difference.is_finite(),
        "mean_difference",
        mean_difference,
        "a finite number",
    )?;
    positive("sigma2", sigma2)?;
    positive("tau2", tau2)?;
    // In units of the variance: the share of the mixture, which neither overflows nor loses digits.
    let ratio = n_per_arm as f64 * (tau2 / (2.0 * sigma2));
    let scaled = mean_difference / sigma2.sqrt();
    // ratio/(1+ratio), which stays a number where the ratio is infinite.
    let share = if ratio > 1.0 { 1.0 / (1.0 + 1.0 / ratio) } else { ratio / (1.0 + ratio) };
    let ln = 0.25 * n_per_arm as f64 * scaled * scaled * share - 0.5 * ratio.min(f64::MAX).ln_1p();
    Ok(Evidence { ln: if ln.is_nan() { f64::MAX } else { ln.min(f64::MAX) } })
}

/// Bayes factor of counts against the shares `theta0`, with a Dirichlet mixture over all shares:
/// `B(alpha + x)/B(alpha)/prod theta0_i^x_i` (Lindon and Malek, 2020). `theta0` are the shares of exposure: canary host-hours of
/// all host-hours.
///
/// # Errors
/// The three differ in length or are shorter than 2; a share is 0 or they do not add up to 1; an `alpha` is not above 0.
pub fn multinomial_anytime_bf(
    counts: &[u64],
    theta0: &[Probability],
    alpha: &[f64],
) -> Result<Evidence, InvalidArgument> {
    let n = counts.len();
    InvalidArgument::unless(n >= 2, "counts", n as f64, "at least 2 counts")?;
    InvalidArgument::unless(theta0.len() == n, "theta0", theta0.len() as f64, "as many shares as counts")?;
    InvalidArgument::unless(alpha.len() == n, "alpha", alpha.len() as f64, "as many weights as counts")?;
    let sum: f64 = theta0.iter().map(|it| it.get()).sum();
    let expected = "shares that add up to 1";
    InvalidArgument::unless((sum - 1.0).abs() <= SHARES_ROUNDING, "theta0", sum, expected)?;
    let (mut ln, mut weights, mut total) = (0.0, 0.0, 0.0);
    for ((x, theta), a) in counts.iter().zip(theta0).zip(alpha) {
        positive("alpha", *a)?;
        let (x, theta) = (*x as f64, inside("theta0", *theta)?);
        ln += ln_gamma(a + x) - ln_gamma(*a) - x * theta.ln();
        weights += a;
        total += x;
    }
    ln -= ln_gamma(weights + total) - ln_gamma(weights);
    Ok(Evidence { ln })
}

/// E-value of a bet on each outcome: `prod(1 + lambda (x_i - m0))`, for the hypothesis that the mean is at most `m0` (Waudby-Smith
/// and Ramdas, 2024).
///
/// # Errors
/// `lambda` could lose more than everything: it must lie from `-1/(1-m0)` to `1/m0`.
pub fn betting_evalue(outcomes: &[bool], m0: Probability, lambda: f64) -> Result<Evidence, InvalidArgument> {
    let (win, lose) = (lambda * m0.complement().get(), -lambda * m0.get());
    let accepted = lambda.is_finite() && win >= -1.0 && lose >= -1.0;
    InvalidArgument::unless(accepted, "lambda", lambda, "a bet from -1/(1-m0) to 1/m0")?;
    let wins = outcomes.iter().filter(|it| **it).count();
    // A bet that lost everything stays at 0: its logarithm is infinite, `value` and `p_value` are not.
    let times = |count: usize, change: f64| if count == 0 { 0.0 } else { count as f64 * change.ln_1p() };
    Ok(Evidence { ln: times(wins, win) + times(outcomes.len() - wins, lose) })
}

/// The two limits of Wald's sequential test on the logarithm of the likelihood ratio.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SprtLimits {
    /// `ln((1-beta)/alpha)`: at or above it, the alternative is accepted.
    pub upper: f64,
    /// `ln(beta/(1-alpha))`: at or below it, the hypothesis is accepted.
    pub lower: f64,
}

/// Limits of Wald's test (Wald, 1945) for the error rates `alpha` (false alarm) and `beta` (miss).
///
/// # Errors
/// A rate is 0 or 1, or they add up to 1 or more: then the limits cross.
pub fn sprt(alpha: Probability, beta: Probability) -> Result<SprtLimits, InvalidArgument> {
    let (a, b) = (inside("alpha", alpha)?, inside("beta", beta)?);
    InvalidArgument::unless(a + b < 1.0, "alpha + beta", a + b, "below 1")?;
    Ok(SprtLimits { upper: (-b).ln_1p() - a.ln(), lower: b.ln() - (-a).ln_1p() })
}

/// Mean numbers of observations until Wald's test ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SprtObservations {
    /// While the hypothesis `p0` holds.
    pub under_h0: f64,
    /// While the alternative `p1` holds.
    pub under_h1: f64,
}

/// Wald's approximation (no overshoot) of the mean number of observations for a failure probability of `p0` against `p1`.
///
/// # Errors
/// As [`sprt`]; or `p0` or `p1` is 0 or 1, or they are equal: nothing could be told apart.
pub fn sprt_asn_bernoulli(
    p0: Probability,
    p1: Probability,
    alpha: Probability,
    beta: Probability,
) -> Result<SprtObservations, InvalidArgument> {
    let SprtLimits { upper, lower } = sprt(alpha, beta)?;
    let (p0, p1) = (inside("p0", p0)?, inside("p1", p1)?);
    InvalidArgument::unless(p0 != p1, "p1", p1, "a probability other than p0")?;
    let (failure, success) = ((p1 / p0).ln(), (-p1).ln_1p() - (-p0).ln_1p());
    let drift = |p: f64| p * failure + (1.0 - p) * success;
    let (a, b) = (alpha.get(), beta.get());
    let observations = |sum: f64, p: f64| {
        let mean = sum / drift(p);
        // Neighbouring doubles are no two hypotheses.
        let expected = "a probability that differs from p0 by more than rounding";
        InvalidArgument::unless(mean.is_finite() && mean >= 0.0, "p1", p1, expected).map(|()| mean)
    };
    Ok(SprtObservations {
        under_h0: observations((1.0 - a) * lower + a * upper, p0)?,
        under_h1: observations(b * lower + (1.0 - b) * upper, p1)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(it: f64) -> Probability {
        Probability::new(it).unwrap()
    }

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-11 * expected.abs(), "got {got}, expected {expected}");
    }

    #[test]
    fn evidence_stays_within_the_doubles() {
        let huge = msprt_two_sample_normal(1e6, 1_000_000, 1.0, 1.0).unwrap();
        assert_eq!((huge.value(), huge.p_value()), (f64::MAX, Probability::NEVER));
        let extreme = msprt_two_sample_normal(f64::MAX, u64::MAX, f64::MIN_POSITIVE, f64::MAX).unwrap();
        assert!(extreme.value().is_finite() && extreme.ln().is_finite());
        let lost = betting_evalue(&[false, true], p(0.5), 2.0).unwrap();
        assert_eq!((lost.value(), lost.p_value()), (0.0, Probability::CERTAIN));
        assert!(lost.ln().is_finite() && !lost.rejects(p(0.05)));
        assert!(huge.rejects(p(0.001)));
    }

    #[test]
    fn before_the_first_observation_there_is_no_evidence() {
        near(msprt_two_sample_normal(0.3, 0, 1.0, 1.0).unwrap().value(), 1.0);
        near(multinomial_anytime_bf(&[0, 0], &[p(0.5), p(0.5)], &[1.0, 2.0]).unwrap().value(), 1.0);
        near(betting_evalue(&[], p(0.1), 1.0).unwrap().value(), 1.0);
    }

    #[test]
    fn wrong_arguments_are_named() {
        let name = |result: Result<Evidence, InvalidArgument>| result.unwrap_err().name;
        assert_eq!(name(msprt_two_sample_normal(f64::NAN, 1, 1.0, 1.0)), "mean_difference");
        assert_eq!(name(msprt_two_sample_normal(0.0, 1, 0.0, 1.0)), "sigma2");
        assert_eq!(name(msprt_two_sample_normal(0.0, 1, 1.0, f64::INFINITY)), "tau2");
        assert_eq!(name(multinomial_anytime_bf(&[1], &[p(1.0)], &[1.0])), "counts");
        assert_eq!(name(multinomial_anytime_bf(&[1, 2], &[p(0.5), p(0.6)], &[1.0, 1.0])), "theta0");
        assert_eq!(name(multinomial_anytime_bf(&[1, 2], &[p(0.0), p(1.0)], &[1.0, 1.0])), "theta0");
        assert_eq!(name(multinomial_anytime_bf(&[1, 2], &[p(0.5), p(0.5)], &[1.0, 0.0])), "alpha");
        for bad in [2.1, -2.1, f64::NAN] {
            assert_eq!(name(betting_evalue(&[true], p(0.5), bad)), "lambda");
        }
        assert_eq!(sprt(p(0.0), p(0.1)).unwrap_err().name, "alpha");
        assert_eq!(sprt(p(0.5), p(0.5)).unwrap_err().name, "alpha + beta");
        let asn = |p0, p1| sprt_asn_bernoulli(p(p0), p(p1), p(0.05), p(0.1));
        assert_eq!(asn(0.1, 0.1).unwrap_err().name, "p1");
        assert_eq!(asn(0.0, 0.1).unwrap_err().name, "p0");
        assert!(asn(0.1, 0.1 + f64::EPSILON / 16.0).is_err());
    }

    proptest! {
        /// The mean of an e-value is at most 1 while the hypothesis holds: summed over all outcomes of a few observations.
        #[test]
        fn e_values_have_mean_one_under_the_hypothesis(m0 in 0.01..0.99_f64, stake in -0.99..0.99_f64) {
            let lambda = if stake > 0.0 { stake / m0 } else { stake / (1.0 - m0) };
            let (mut bets, mut counts) = (0.0, 0.0);
            for state in 0_u32..64 {
                let outcomes: Vec<bool> = (0..6).map(|at| state >> at & 1 == 1).collect();
                let failures = u64::from(state.count_ones());
                let weight = m0.powi(failures as i32) * (1.0 - m0).powi(6 - failures as i32);
                bets += weight * betting_evalue(&outcomes, p(m0), lambda).unwrap().value();
                let theta = [p(m0), p(1.0 - m0)];
                counts += weight * multinomial_anytime_bf(&[failures, 6 - failures], &theta, &[1.0, 1.0]).unwrap().value();
            }
            prop_assert!((bets - 1.0).abs() < 1e-9 && (counts - 1.0).abs() < 1e-9, "{} {}", bets, counts);
        }

        #[test]
        fn stricter_rates_take_more_observations(p0 in 0.001..0.2_f64, ratio in 1.5..4.0_f64, alpha in 0.01..0.2_f64) {
            let asn = |alpha| sprt_asn_bernoulli(p(p0), p(p0 * ratio), p(alpha), p(0.1)).unwrap();
            prop_assert!(asn(alpha / 2.0).under_h1 > asn(alpha).under_h1);
        }
    }
}
