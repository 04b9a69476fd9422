//! The binomial distribution with full relative precision, however far the tail.
//!
//! A tail of 1e-161 is a sum of terms near it, so each term must be right by itself: the deviance form (Loader, "Fast and
//! accurate computation of binomial probabilities", 2000) avoids the difference of large log-gammas, which at 1e5 hosts
//! would leave nine digits. The tail is a sum of its own terms, never `1 - cdf`.

use std::f64::consts::PI;

use statrs::function::factorial::ln_factorial;
use underpin_model::quantity::{InvalidArgument, Probability};

/// The largest count that the formulas of this crate take: their time grows with it, and no fleet is larger.
pub const LARGEST_COUNT: u64 = 1 << 27;

pub(crate) fn count(n: u64) -> Result<(), InvalidArgument> {
    InvalidArgument::unless(n <= LARGEST_COUNT, "n", n as f64, "a count of at most 2^27")
}

/// A success probability with its complement, each with its own digits: `1 - p` has none left where `p` rounds to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Odds {
    /// Probability.
    pub(crate) p: f64,
    /// Its complement.
    pub(crate) q: f64,
}

impl From<Probability> for Odds {
    fn from(it: Probability) -> Self {
        Self { p: it.get(), q: it.complement().get() }
    }
}

/// `P(X = k)`, X binomial(n, p); 0 for `k > n`.
#[must_use]
pub fn probability_of(n: u64, p: Probability, k: u64) -> Probability {
    Probability::nearest(mass(n, p.into(), k))
}

/// `P(X >= k)`, X binomial(n, p): a survival function, 0 for `k > n`.
#[must_use]
pub fn at_least(n: u64, p: Probability, k: u64) -> Probability {
    Probability::nearest(tail(n, p.into(), k))
}

/// All of `P(X = 0) ..= P(X = n)`.
pub(crate) fn masses(n: u64, odds: Odds) -> Vec<f64> {
    (0..=n).map(|k| mass(n, odds, k)).collect()
}

pub(crate) fn mass(n: u64, Odds { p, q }: Odds, k: u64) -> f64 {
    if k > n {
        return 0.0;
    }
    let (nf, kf) = (n as f64, k as f64);
    if k == 0 {
        return power(q, p, nf);
    }
    if k == n {
        return power(p, q, nf);
    }
    if p == 0.0 || q == 0.0 {
        return 0.0;
    }
    let rest = nf - kf;
    let exponent = stirling_error(n)
        - stirling_error(k)
        - stirling_error(n - k)
        - deviance(kf, nf * p)
        - deviance(rest, nf * q);
    (nf / (2.0 * PI * kf * rest)).sqrt() * exponent.exp()
}

/// `base^n` where the complement of the base is the one that has the digits near 1.
fn power(base: f64, complement: f64, n: f64) -> f64 {
    if n == 0.0 {
        return 1.0;
    }
    let ln = if base > 0.5 { (-complement).ln_1p() } else { base.ln() };
    (n * ln).exp()
}

pub(crate) fn tail(n: u64, odds: Odds, k: u64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n {
        return 0.0;
    }
    // Sum the side whose terms fall from the first one on: above the mean upwards, else the complement downwards.
    if k as f64 > n as f64 * odds.p {
        upwards(n, odds, k)
    } else {
        1.0 - upwards(n, Odds { p: odds.q, q: odds.p }, n - k + 1)
    }
}

fn upwards(n: u64, odds: Odds, from: u64) -> f64 {
    let mut term = mass(n, odds, from);
    let ratio = odds.p / odds.q;
    let mut sum = 0.0;
    for k in from..=n {
        sum += term;
        if term <= sum * f64::EPSILON * 0.01 {
            break;
        }
        term *= (n - k) as f64 / (k + 1) as f64 * ratio;
    }
    sum
}

/// `ln n! - ((n + 1/2) ln n - n + ln(2 pi)/2)`: what Stirling's formula lacks.
fn stirling_error(n: u64) -> f64 {
    let x = n as f64;
    if n < 16 {
        return ln_factorial(n) - ((x + 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln());
    }
    let square = x * x;
    (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * square)) / square) / square)
            / square)
        / x
}

/// `x ln(x/mean) + mean - x`, by its series where the two nearly cancel.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() + mean - x;
    }
    let v = difference / (x + mean);
    let square = v * v;
    let mut power = 2.0 * x * v;
    let mut sum = difference * v;
    for j in 1..1000_u32 {
        power *= square;
        let next = sum + power / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(it: f64) -> Probability {
        Probability::new(it).unwrap()
    }

    /// Values of a calculation with 60 digits.
    #[test]
    fn far_tails_keep_twelve_digits() {
        for (n, probability, k, expected) in TAILS {
            let got = at_least(*n, p(*probability), *k).get();
            assert!(
                (got / expected - 1.0).abs() < 1e-12,
                "n {n} p {probability} k {k}: {got}, expected {expected}"
            );
        }
    }

    #[test]
    fn the_ends_are_exact() {
        assert_eq!(at_least(0, p(0.3), 0).get(), 1.0);
        assert_eq!(at_least(0, p(0.3), 1).get(), 0.0);
        assert_eq!(at_least(5, p(0.0), 1).get(), 0.0);
        assert_eq!(at_least(5, p(1.0), 5).get(), 1.0);
        assert_eq!(at_least(5, p(0.5), 6).get(), 0.0);
        assert_eq!(probability_of(5, p(1.0), 5).get(), 1.0);
        assert_eq!(probability_of(5, p(1.0), 4).get(), 0.0);
        assert_eq!(at_least(5000, p(0.08), 5000).get(), 0.0);
    }

    proptest! {
        #[test]
        fn masses_add_up_and_the_tail_falls_in_k(n in 1_u64..300, probability in 0.0..=1.0_f64) {
            let all = masses(n, p(probability).into());
            prop_assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for k in 1..=n {
                prop_assert!(at_least(n, p(probability), k) <= at_least(n, p(probability), k - 1));
            }
        }
    }

    const TAILS: &[(u64, f64, u64, f64)] = &[
        (10, 0.05, 3, 0.011503557379296876),
        (100, 0.02, 20, 1.2100752001101126e-14),
        (100, 0.02, 50, 4.221122276852327e-57),
        (1000, 0.01, 100, 8.274776878913917e-65),
        (1000, 0.001, 100, 2.6181505053541136e-161),
        (100000, 0.001, 200, 8.887059167655865e-19),
        (100000, 0.3, 30500, 0.0002887967651907624),
        (100000, 0.3, 29000, 0.9999999999978358),
        (50, 0.9, 50, 0.00515377520732012),
        (50, 0.9, 10, 1.0),
        (3, 1e-09, 2, 2.9999999980000005e-18),
    ];
}
