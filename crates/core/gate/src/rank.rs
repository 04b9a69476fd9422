//! The rank test of two samples (Mann and Whitney, 1947), with mid-ranks for ties.

use std::f64::consts::FRAC_1_SQRT_2;

use serde::{Deserialize, Serialize};
use underpin_model::quantity::{InvalidArgument, Probability};

pub use crate::exact::Alternative;

/// How the p-value is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RankMethod {
    /// Normal approximation, with the variance corrected for ties and a continuity correction of 1/2.
    Asymptotic,
    /// All divisions of the pooled ranks, ties included.
    Exact,
}

/// The result of a rank test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RankTest {
    /// `U` of the first sample: pairs in which it is larger, ties counted half.
    pub u: f64,
    /// The p-value.
    pub p: Probability,
}

/// The exact method is limited to this many observations: its table grows with the fourth power.
pub const MOST_EXACT: usize = 120;

/// Tests whether values of `x` tend to be larger (or smaller, or either) than those of `y`. Where all values are equal, p is 1.
///
/// # Errors
/// A sample is empty or holds a NaN or infinite value; the exact method is asked for more than [`MOST_EXACT`] observations.
pub fn mann_whitney(
    x: &[f64],
    y: &[f64],
    alternative: Alternative,
    method: RankMethod,
) -> Result<RankTest, InvalidArgument> {
    for (name, sample) in [("x", x), ("y", y)] {
        InvalidArgument::unless(!sample.is_empty(), name, 0.0, "at least one value")?;
        let odd = sample.iter().find(|it| !it.is_finite());
        InvalidArgument::unless(odd.is_none(), name, odd.copied().unwrap_or_default(), "finite values")?;
    }
    let (doubled, ties) = doubled_ranks(x, y);
    let (n1, n2) = (x.len() as f64, y.len() as f64);
    let rank_sum: u64 = doubled.iter().take(x.len()).sum();
    let u = 0.5 * rank_sum as f64 - 0.5 * n1 * (n1 + 1.0);
    let p = match method {
        RankMethod::Asymptotic => asymptotic(u, n1, n2, ties, alternative),
        RankMethod::Exact => {
            let n = doubled.len();
            let expected = "at most 120 observations for the exact method; take the asymptotic one";
            InvalidArgument::unless(n <= MOST_EXACT, "x and y", n as f64, expected)?;
            exact(&doubled, x.len(), rank_sum, alternative)
        }
    };
    Ok(RankTest { u, p })
}

/// Twice the mid-rank of each value, those of `x` first, and the sum of `t^3 - t` over groups of `t` equal values. Doubled
/// ranks are whole numbers, which can be counted.
fn doubled_ranks(x: &[f64], y: &[f64]) -> (Vec<u64>, f64) {
    let mut order: Vec<(usize, f64)> = x.iter().chain(y).copied().enumerate().collect();
    // Adding 0 makes -0 the same as 0.
    order.sort_by(|a, b| (a.1 + 0.0).total_cmp(&(b.1 + 0.0)));
    let mut doubled = vec![0; order.len()];
    let (mut ties, mut before) = (0.0, 0_u64);
    for group in order.chunk_by(|a, b| a.1 == b.1) {
        let size = group.len() as u64;
        for (place, _) in group {
            if let Some(rank) = doubled.get_mut(*place) {
                *rank = 2 * before + size + 1;
            }
        }
        before += size;
        let size = size as f64;
        ties += size * size * size - size;
    }
    (doubled, ties)
}

fn asymptotic(u: f64, n1: f64, n2: f64, ties: f64, alternative: Alternative) -> Probability {
    let n = n1 + n2;
    let variance = n1 * n2 / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    if variance <= 0.0 || variance.is_nan() {
        return Probability::CERTAIN;
    }
    let (chosen, sides) = match alternative {
        Alternative::Greater => (u, 1.0),
        Alternative::Less => (n1 * n2 - u, 1.0),
        Alternative::TwoSided => (u.max(n1 * n2 - u), 2.0),
    };
    let z = (chosen - 0.5 * n1 * n2 - 0.5) / variance.sqrt();
    Probability::nearest(sides * 0.5 * libm::erfc(z * FRAC_1_SQRT_2))
}

/// Counts the divisions by rank sum, one observation after the other.
fn exact(doubled: &[u64], n1: usize, observed: u64, alternative: Alternative) -> Probability {
    let most = usize::try_from(doubled.iter().sum::<u64>()).unwrap_or(usize::MAX);
    // ways[j][s]: divisions that put j of the observations so far into the first sample, with doubled rank sum s. As shares of
    // all divisions they would underflow before the counts overflow: 120 over 60 is 1e35.
    let mut ways = vec![vec![0.0; most + 1]; n1 + 1];
    if let Some(start) = ways.first_mut().and_then(|it| it.first_mut()) {
        *start = 1.0;
    }
    for rank in doubled {
        let rank = usize::try_from(*rank).unwrap_or(usize::MAX);
        for j in (1..=n1).rev() {
            let (fewer, more) = ways.split_at_mut(j);
            let (Some(from), Some(into)) = (fewer.last(), more.first_mut()) else { continue };
            for (into, from) in into.iter_mut().skip(rank).zip(from) {
                *into += from;
            }
        }
    }
    let sums = ways.pop().unwrap_or_default();
    let observed = usize::try_from(observed).unwrap_or(usize::MAX);
    let all: f64 = sums.iter().sum();
    let less = sums.iter().take(observed + 1).sum::<f64>() / all;
    let greater = sums.iter().skip(observed).sum::<f64>() / all;
    Probability::nearest(match alternative {
        Alternative::Greater => greater,
        Alternative::Less => less,
        Alternative::TwoSided => 2.0 * less.min(greater),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIDES: [Alternative; 3] = [Alternative::Greater, Alternative::Less, Alternative::TwoSided];

    fn test(x: &[f64], y: &[f64], alternative: Alternative, method: RankMethod) -> RankTest {
        mann_whitney(x, y, alternative, method).unwrap()
    }

    /// Seven of ten canary samples at a hundred times the baseline must not pass (a Kayenta test lets them).
    #[test]
    fn seven_of_ten_bad_samples_are_seen() {
        let (ones, bad) = ([1.0; 10], [100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 1.0, 1.0, 1.0]);
        let got = test(&ones, &bad, Alternative::Less, RankMethod::Asymptotic);
        assert_eq!(got.u, 15.0);
        assert!((got.p.get() / 0.000_808_386_415_310_303 - 1.0).abs() < 1e-11, "{got:?}");
        // Exactly, with ties: all seven of the same sample, of the ways to choose 7 of 20.
        let exact = test(&ones, &bad, Alternative::Less, RankMethod::Exact).p.get();
        assert!((exact - 120.0 / 77_520.0).abs() < 1e-15, "{exact}");
    }

    #[test]
    fn equal_samples_say_nothing() {
        for side in SIDES {
            for method in [RankMethod::Asymptotic, RankMethod::Exact] {
                assert_eq!(test(&[2.0; 3], &[2.0; 4], side, method).p, Probability::CERTAIN);
                assert_eq!(test(&[0.0], &[-0.0], side, method).p, Probability::CERTAIN);
            }
        }
    }

    #[test]
    fn wrong_samples_are_named() {
        let name =
            |x: &[f64], y: &[f64]| mann_whitney(x, y, Alternative::Less, RankMethod::Exact).unwrap_err().name;
        assert_eq!(name(&[], &[1.0]), "x");
        assert_eq!(name(&[1.0], &[]), "y");
        assert_eq!(name(&[1.0], &[f64::NAN]), "y");
        assert_eq!(name(&[f64::INFINITY], &[1.0]), "x");
        assert_eq!(name(&[1.0; 61], &[1.0; 60]), "x and y");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn exact_is_the_share_of_divisions(
            x in prop::collection::vec(0_u8..6, 1..6), y in prop::collection::vec(0_u8..6, 1..6),
        ) {
            let values = |it: &[u8]| it.iter().map(|it| f64::from(*it)).collect::<Vec<_>>();
            let (x, y) = (values(&x), values(&y));
            let all: Vec<f64> = x.iter().chain(&y).copied().collect();
            let pairs = |first: u32| -> f64 {
                let inside = |at: usize| first >> at & 1 == 1;
                let pair = |i: usize, j: usize| if all[i] > all[j] { 1.0 } else if all[i] == all[j] { 0.5 } else { 0.0 };
                (0..all.len())
                    .flat_map(|i| (0..all.len()).map(move |j| (i, j)))
                    .filter(|(i, j)| inside(*i) && !inside(*j))
                    .map(|(i, j)| pair(i, j))
                    .sum()
            };
            let observed = pairs((1 << x.len()) - 1);
            let divisions: Vec<f64> = (0_u32..1 << all.len())
                .filter(|it| it.count_ones() as usize == x.len())
                .map(pairs)
                .collect();
            let share = divisions.iter().filter(|it| **it >= observed).count() as f64 / divisions.len() as f64;
            let got = test(&x, &y, Alternative::Greater, RankMethod::Exact);
            prop_assert!(got.u == observed && (got.p.get() - share).abs() < 1e-12, "{:?} {} {}", got, observed, share);
        }

        #[test]
        fn samples_can_be_swapped(
            x in prop::collection::vec(-5.0..5.0_f64, 1..20), y in prop::collection::vec(-5.0..5.0_f64, 1..20),
        ) {
            for method in [RankMethod::Asymptotic, RankMethod::Exact] {
                let (one, other) = (test(&x, &y, Alternative::Less, method), test(&y, &x, Alternative::Greater, method));
                prop_assert!((one.p.get() - other.p.get()).abs() < 1e-12);
                prop_assert!((one.u + other.u - (x.len() * y.len()) as f64).abs() < 1e-9);
            }
        }
    }
}
