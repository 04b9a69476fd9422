//! Weighted samples: a rare tail estimated where plain Monte Carlo sees nothing.
//!
//! For models with more than one factor a quadrature is out of reach, so the sampler is tried where the exact value is known.
//! Three measures, each a textbook one: the hosts are integrated out given the factor (conditional Monte Carlo); the factor is
//! drawn around the place where the integrand is highest (importance sampling; Glasserman and Li, Management Science 51,
//! 2005); and its quantile is stratified, two draws a stratum, so that the spread within each stratum tells the error.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use underpin_model::quantity::{InvalidArgument, Probability};

use crate::binomial::{count, tail};
use crate::normal::quantile;
use crate::tail::{OneFactor, correlation};

/// An estimate with its error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WeightedEstimate {
    /// Estimate of the tail probability.
    pub probability: Probability,
    /// Its standard error, from the spread within the strata.
    pub standard_error: f64,
    /// Samples drawn.
    pub samples: u64,
    /// Variance of plain Monte Carlo with as many samples (`P(1-P)/samples`) over that of this estimate: plain Monte Carlo needs
    /// so many times more samples. `None`: nothing was left to estimate, the answer is exact.
    pub variance_reduction: Option<f64>,
}

impl WeightedEstimate {
    fn exact(probability: Probability) -> Self {
        Self { probability, standard_error: 0.0, samples: 0, variance_reduction: None }
    }
}

/// Estimates [`crate::tail::one_factor_gaussian_tail`] from `samples` weighted draws (an odd number is raised by one). The same
/// seed gives the same estimate.
///
/// # Errors
/// `rho` is not from 0 to 1, `n` is above [`crate::binomial::LARGEST_COUNT`], or `samples` is below 4: two strata are needed to tell an error.
pub fn weighted_gaussian_tail(
    n: u64,
    p: Probability,
    rho: f64,
    k: u64,
    samples: u64,
    seed: u64,
) -> Result<WeightedEstimate, InvalidArgument> {
    let rho = correlation(rho)?;
    count(n)?;
    InvalidArgument::unless(samples >= 4, "samples", samples as f64, "at least 4 samples")?;
    let factor = OneFactor::new(p, rho).filter(|_| (1..=n).contains(&k));
    let Some(factor) = factor else {
        return crate::tail::one_factor_gaussian_tail(n, p, rho, k).map(WeightedEstimate::exact);
    };
    let shift = most_likely_factor(&factor, n, k);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let strata = samples.div_ceil(2);
    let (mut mean, mut variance) = (0.0, 0.0);
    for stratum in 0..strata {
        let mut draw = || {
            // The sum is below `strata` and may be 0 only in the first stratum, where the factor would be infinite.
            let place = (stratum as f64 + rng.random::<f64>()) / strata as f64;
            let about = quantile(Probability::nearest(place.max(f64::MIN_POSITIVE))).unwrap_or_default();
            let z = shift + about;
            // Ratio of the densities of N(0,1) and N(shift,1).
            (0.5 * shift * shift - shift * z).exp() * tail(n, factor.given(z), k)
        };
        let (one, other) = (draw(), draw());
        mean += 0.5 * (one + other) / strata as f64;
        // Variance of the mean of two draws, from their difference.
        variance += 0.25 * (one - other).powi(2) / (strata as f64).powi(2);
    }
    let probability = Probability::nearest(mean);
    let plain = probability.get() * probability.complement().get() / (2 * strata) as f64;
    Ok(WeightedEstimate {
        probability,
        standard_error: variance.sqrt(),
        samples: 2 * strata,
        variance_reduction: Some(plain / variance).filter(|it| it.is_finite()),
    })
}

/// The factor at which density times tail is highest, by golden section on its logarithm, which is concave: the binomial tail
/// is log-concave in the log-odds. Below the step the tail is near 1, so the maximum lies between 0 and the step, or is 0.
fn most_likely_factor(factor: &OneFactor, n: u64, k: u64) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_894_8;
    let height = |z: f64| {
        let there = tail(n, factor.given(z), k);
        if there > 0.0 { there.ln() - 0.5 * z * z } else { f64::NEG_INFINITY }
    };
    let (centre, width) = factor.step(n, k);
    // At a low factor hosts fail; the search starts where the tail is surely above 0.
    let (mut low, mut high) = (centre.min(0.0) - 8.0 * width.min(1.0), 0.0);
    for _ in 0..80 {
        let (left, right) = (high - RATIO * (high - low), low + RATIO * (high - low));
        if height(left) < height(right) && height(right).is_finite() {
            low = left;
        } else {
            high = right;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::one_factor_gaussian_tail;

    /// The rows of the reference table: hosts, marginal probability, correlation, at least.
    const ROWS: [(u64, f64, f64, u64); 7] = [
        (10, 0.05, 0.2, 3),
        (100, 0.02, 0.1, 10),
        (100, 0.02, 0.3, 20),
        (100, 0.02, 0.5, 50),
        (1000, 0.01, 0.2, 100),
        (1000, 0.001, 0.5, 100),
        (5000, 0.08, 0.9, 5000),
    ];

    fn p(it: f64) -> Probability {
        Probability::new(it).unwrap()
    }

    fn estimate(row: (u64, f64, f64, u64), samples: u64, seed: u64) -> WeightedEstimate {
        weighted_gaussian_tail(row.0, p(row.1), row.2, row.3, samples, seed).unwrap()
    }

    fn exact(row: (u64, f64, f64, u64)) -> f64 {
        one_factor_gaussian_tail(row.0, p(row.1), row.2, row.3).unwrap().get()
    }

    #[test]
    fn ten_thousand_weighted_samples_are_within_one_percent() {
        for row in ROWS {
            let got = estimate(row, 10_000, 1);
            let error = got.probability.get() / exact(row) - 1.0;
            let reduction = got.variance_reduction.unwrap();
            println!(
                "{row:?}: {:.6e}, relative error {error:+.1e}, standard error {:.1e}, variance reduction {reduction:.3e}",
                got.probability.get(),
                got.standard_error / got.probability.get(),
            );
            assert!(error.abs() < 0.01, "{row:?}: {error}");
            assert!(got.standard_error < 0.01 * got.probability.get(), "{row:?}: {got:?}");
            assert_eq!(got.samples, 10_000);
            assert!(reduction > 1000.0, "{row:?}: {reduction}");
        }
    }

    /// Over 200 seeds the error in units of the reported standard error has mean square 1, and three of them are rarely passed.
    #[test]
    fn the_reported_error_is_honest() {
        for row in ROWS {
            let exact = exact(row);
            let errors: Vec<f64> = (0..200)
                .map(|seed| {
                    let got = estimate(row, 400, seed);
                    (got.probability.get() - exact) / got.standard_error
                })
                .collect();
            let square = errors.iter().map(|it| it * it).sum::<f64>() / 200.0;
            let far = errors.iter().filter(|it| it.abs() > 3.0).count();
            println!("{row:?}: mean square {square:.2}, beyond three {far}");
            assert!((0.6..1.6).contains(&square), "{row:?}: {square}");
            assert!(far <= 6, "{row:?}: {far} of 200");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_estimate_and_another_another() {
        assert_eq!(estimate(ROWS[2], 100, 5), estimate(ROWS[2], 100, 5));
        assert_ne!(estimate(ROWS[2], 100, 5), estimate(ROWS[2], 100, 6));
    }

    #[test]
    fn what_needs_no_samples_is_exact_and_too_few_are_refused() {
        let got = weighted_gaussian_tail(10, p(0.05), 0.0, 3, 100, 1).unwrap();
        assert_eq!((got.samples, got.standard_error, got.variance_reduction), (0, 0.0, None));
        assert!((got.probability.get() - 0.011_503_557_379_296_871).abs() < 1e-12);
        assert_eq!(
            weighted_gaussian_tail(10, p(0.05), 0.2, 11, 100, 1).unwrap().probability,
            Probability::NEVER
        );
        assert_eq!(weighted_gaussian_tail(10, p(0.05), 0.2, 3, 3, 1).unwrap_err().name, "samples");
        assert_eq!(weighted_gaussian_tail(10, p(0.05), f64::NAN, 3, 100, 1).unwrap_err().name, "rho");
    }

    /// Far beyond anything that plain sampling could see.
    #[test]
    fn a_tail_of_one_in_a_trillion() {
        let row = (200, 1e-4, 0.15, 60);
        let got = estimate(row, 10_000, 3);
        assert!(exact(row) < 1e-9, "{}", exact(row));
        assert!((got.probability.get() / exact(row) - 1.0).abs() < 0.01, "{got:?} {}", exact(row));
    }
}
