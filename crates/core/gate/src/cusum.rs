//! How long a CUSUM chart runs until it signals: its average run length (ARL), in observations.
//!
//! `C_n = max(0, C_{n-1} + X_n - k)` with `X` normal of mean `shift` and deviation 1; it signals when `C_n > h` (Page, 1954).
//! The run length from the state `u` solves `L(u) = 1 + L(0) Phi(k-u-shift) + integral over y in 0..h of L(y) phi(y-u+k-shift)`
//! (Page; Goel and Wu, 1971), here with Gauss-Legendre nodes: 40 give ten digits.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use serde::{Deserialize, Serialize};
use underpin_model::quantity::InvalidArgument;

const NODES: usize = 40;

/// Beyond this limit 40 nodes no longer follow the density, which has deviation 1.
const LARGEST_H: f64 = 20.0;

/// Beyond this a double holds no digit of the run length: the system that gives it is as ill-conditioned as it is long.
const LONGEST: f64 = 1e13;

/// Average run lengths of a chart, in observations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunLengths {
    /// Of the chart that watches one side. [`CEILING`] where it is longer than that.
    pub one_sided: f64,
    /// Of two charts, one a side: `1/(1/L(shift) + 1/L(-shift))`.
    pub two_sided: f64,
    /// Siegmund's approximation of the one-sided one (1985): `(e^{-2Db} + 2Db - 1)/(2 D^2)`, `D = shift - k`, `b = h + 1.166`.
    pub siegmund: f64,
}

/// The longest run length that is told; longer ones are shown as this.
pub const CEILING: f64 = LONGEST;

/// Average run lengths from 0 of a chart with limit `h` and allowance `k` at a `shift` of the mean, all in standard deviations.
///
/// # Errors
/// `h` is not above 0 and at most 20, `k` is not from 0 to 20, or the shift is not finite within 40.
pub fn cusum_arl(h: f64, k: f64, shift: f64) -> Result<RunLengths, InvalidArgument> {
    InvalidArgument::unless(h > 0.0 && h <= LARGEST_H, "h", h, "a limit above 0 and at most 20")?;
    InvalidArgument::unless((0.0..=LARGEST_H).contains(&k), "k", k, "an allowance from 0 to 20")?;
    let expected = "a shift from -40 to 40 deviations";
    InvalidArgument::unless(shift.abs() <= 2.0 * LARGEST_H, "shift", shift, expected)?;
    let (same, other) = (one_sided(h, k, shift), one_sided(h, k, -shift));
    Ok(RunLengths {
        one_sided: same,
        two_sided: 1.0 / (1.0 / same + 1.0 / other),
        siegmund: siegmund(h, k, shift),
    })
}

fn siegmund(h: f64, k: f64, shift: f64) -> f64 {
    let (drift, b) = (shift - k, h + 1.166);
    let x = 2.0 * drift * b;
    // The series where the difference would cancel: b^2 (1 - x/3 + x^2/12 - x^3/60 + ...).
    let length = if x.abs() < 1e-3 {
        b * b * (1.0 - x / 3.0 + x * x / 12.0 - x * x * x / 60.0)
    } else {
        ((-x).exp_m1() + x) / (2.0 * drift * drift)
    };
    length.min(CEILING)
}

fn one_sided(h: f64, k: f64, shift: f64) -> f64 {
    let nodes: Vec<(f64, f64)> =
        gauss_legendre(NODES).into_iter().map(|(x, w)| (0.5 * h * (x + 1.0), 0.5 * h * w)).collect();
    let states: Vec<f64> = [0.0].into_iter().chain(nodes.iter().map(|it| it.0)).collect();
    // Unknowns: L(0), then L at the nodes. Each row: L(u) - L(0) Phi(..) - sum w L(y) phi(..) = 1.
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(states.len());
    for (at, u) in states.iter().enumerate() {
        let mut row = vec![-cdf(k - u - shift)];
        row.extend(nodes.iter().map(|(y, w)| -w * density(y - u + k - shift)));
        if let Some(own) = row.get_mut(at) {
            *own += 1.0;
        }
        row.push(1.0);
        rows.push(row);
    }
    let length = first_unknown(rows).filter(|it| *it >= 1.0 - 1e-9).unwrap_or(CEILING);
    length.clamp(1.0, CEILING)
}

fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

fn cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// First unknown of a linear system, each row with its right side last: elimination from the last unknown on, with row
/// pivoting. `None`: singular.
fn first_unknown(mut rows: Vec<Vec<f64>>) -> Option<f64> {
    for column in (0..rows.len()).rev() {
        let size = |row: &Vec<f64>| row.get(column).copied().unwrap_or_default().abs();
        let best = (0..=column)
            .max_by(|a, b| rows.get(*a).map_or(0.0, size).total_cmp(&rows.get(*b).map_or(0.0, size)))?;
        rows.swap(best, column);
        let pivot = rows.pop()?;
        let head = *pivot.get(column)?;
        if head == 0.0 || !head.is_finite() {
            return None;
        }
        let right = *pivot.last()?;
        if column == 0 {
            return Some(right / head).filter(|it| it.is_finite());
        }
        for row in &mut rows {
            let factor = row.get(column).copied().unwrap_or_default() / head;
            for (into, value) in row.iter_mut().zip(&pivot) {
                *into -= factor * value;
            }
        }
    }
    None
}

/// Places and weights of `n`-point Gauss-Legendre quadrature on `[-1, 1]`: roots of the Legendre polynomial by Newton's method.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let legendre = |x: f64| {
        let (mut before, mut value) = (1.0, x);
        for j in 2..=n {
            let j = j as f64;
            (before, value) = (value, ((2.0 * j - 1.0) * x * value - (j - 1.0) * before) / j);
        }
        (value, n as f64 * (x * value - before) / (x * x - 1.0))
    };
    (0..n)
        .map(|i| {
            let mut x = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            for _ in 0..20 {
                let (value, slope) = legendre(x);
                x -= value / slope;
            }
            let (_, slope) = legendre(x);
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quadrature_is_exact_for_polynomials() {
        for degree in (0..=78).step_by(2) {
            let sum: f64 = gauss_legendre(NODES).iter().map(|(x, w)| w * x.powi(degree)).sum();
            assert!((sum - 2.0 / f64::from(degree + 1)).abs() < 1e-13, "degree {degree}: {sum}");
        }
    }

    /// The printed table of two-sided charts with k = 0.5 (three digits).
    #[test]
    fn the_textbook_table() {
        for (h, lengths) in [(4.0, [168.0, 74.2, 26.6, 13.3, 8.38]), (5.0, [465.0, 139.0, 38.0, 17.0, 10.4])]
        {
            for (shift, expected) in [0.0, 0.25, 0.5, 0.75, 1.0].into_iter().zip(lengths) {
                let got = cusum_arl(h, 0.5, shift).unwrap().two_sided;
                assert!(
                    (got / expected - 1.0).abs() < 5e-3,
                    "h {h} shift {shift}: {got}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn a_tiny_limit_is_a_test_of_single_observations() {
        // Almost without memory: the run length is that of a geometric distribution.
        let got = cusum_arl(1e-9, 1.0, 0.0).unwrap().one_sided;
        assert!((got * cdf(-1.0) - 1.0).abs() < 1e-6, "{got}");
    }

    #[test]
    fn what_no_double_holds_is_the_ceiling_and_wrong_arguments_are_named() {
        let got = cusum_arl(20.0, 5.0, -30.0).unwrap();
        assert_eq!((got.one_sided, got.siegmund), (CEILING, CEILING));
        assert!(got.two_sided.is_finite() && got.two_sided >= 1.0);
        for bad in [0.0, -1.0, 21.0, f64::NAN] {
            assert_eq!(cusum_arl(bad, 0.5, 0.0).unwrap_err().name, "h");
        }
        assert_eq!(cusum_arl(4.0, f64::NAN, 0.0).unwrap_err().name, "k");
        assert_eq!(cusum_arl(4.0, 0.5, f64::INFINITY).unwrap_err().name, "shift");
    }

    #[test]
    fn the_approximation_is_smooth_where_the_drift_vanishes() {
        let at = |shift| siegmund(4.0, 0.5, shift);
        assert!((at(0.5) - 5.166 * 5.166).abs() < 1e-12);
        for step in [9.6e-5, 9.8e-5] {
            assert!((at(0.5 + step) / (26.687_556 * (1.0 - 2.0 * step * 5.166 / 3.0)) - 1.0).abs() < 1e-6);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_larger_shift_is_seen_sooner_and_a_higher_limit_later(
            h in 1.0..6.0_f64, k in 0.1..1.0_f64, shift in -1.0..3.0_f64,
        ) {
            let at = |h, shift| cusum_arl(h, k, shift).unwrap().one_sided;
            prop_assert!(at(h, shift + 0.1) < at(h, shift) * (1.0 + 1e-9));
            prop_assert!(at(h + 0.1, shift) > at(h, shift) * (1.0 - 1e-9));
        }
    }
}
