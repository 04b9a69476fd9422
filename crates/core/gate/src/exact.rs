//! Exact tests of counts.

use serde::{Deserialize, Serialize};
use underpin_model::quantity::{InvalidArgument, Probability};

/// The side on which a difference counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alternative {
    /// The first is larger.
    Greater,
    /// The first is smaller.
    Less,
    /// Either.
    TwoSided,
}

/// Tables of more events than this take too long to sum.
const MOST: u64 = 1 << 26;

/// Fisher's exact test of the table `[[a, b], [c, d]]`: the hypergeometric tail at `a` with all margins fixed (Fisher, 1934).
/// Two-sided: all tables that are at most as probable as this one.
///
/// The masses are built by their ratios from the most probable one, so that no factorial is ever taken, and a tail keeps its
/// digits down to 1e-300.
///
/// # Errors
/// The counts add up to more than 2^26.
pub fn fisher_exact(table: [[u64; 2]; 2], alternative: Alternative) -> Result<Probability, InvalidArgument> {
    let [[a, b], [c, d]] = table;
    let total = [a, b, c, d].into_iter().fold(0_u64, u64::saturating_add);
    InvalidArgument::unless(total <= MOST, "table", total as f64, "counts that add up to at most 2^26")?;
    let (row, column) = (a + b, a + c);
    let low = (row + column).saturating_sub(total);
    let high = row.min(column);
    let masses = masses(row, column, total, low, high);
    let here = masses.get(usize::try_from(a - low).unwrap_or(usize::MAX)).copied().unwrap_or_default();
    // Tables whose masses differ by rounding only are equally probable.
    let rare = here * (1.0 + 1e-7);
    let chosen = |at: u64, mass: f64| match alternative {
        Alternative::Greater => at >= a,
        Alternative::Less => at <= a,
        Alternative::TwoSided => mass <= rare,
    };
    let inside: f64 = (low..).zip(&masses).filter(|(at, mass)| chosen(*at, **mass)).map(|it| it.1).sum();
    Ok(Probability::nearest(inside / masses.iter().sum::<f64>()))
}

/// Masses from `low` to `high` relative to the most probable one.
fn masses(row: u64, column: u64, total: u64, low: u64, high: u64) -> Vec<f64> {
    // Mass at x+1 over mass at x.
    let ratio = |x: u64| {
        let (x, row, column, total) = (x as f64, row as f64, column as f64, total as f64);
        (row - x) * (column - x) / ((x + 1.0) * (total - row - column + x + 1.0))
    };
    let mode = (low..high).find(|x| ratio(*x) < 1.0).unwrap_or(high);
    let mut below: Vec<f64> = Vec::new();
    let mut mass = 1.0;
    for x in (low..mode).rev() {
        mass /= ratio(x);
        below.push(mass);
    }
    below.reverse();
    below.push(1.0);
    mass = 1.0;
    for x in mode..high {
        mass *= ratio(x);
        below.push(mass);
    }
    below
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(table: [[u64; 2]; 2], alternative: Alternative) -> f64 {
        fisher_exact(table, alternative).unwrap().get()
    }

    #[test]
    fn the_lady_who_tastes_tea() {
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-14, "{got}");
        near(p([[3, 1], [1, 3]], Alternative::Greater), 17.0 / 70.0);
        near(p([[4, 0], [0, 4]], Alternative::Greater), 1.0 / 70.0);
        near(p([[3, 1], [1, 3]], Alternative::TwoSided), 34.0 / 70.0);
        near(p([[3, 1], [1, 3]], Alternative::Less), 69.0 / 70.0);
        near(p([[3, 7], [0, 10]], Alternative::Greater), 2.0 / 19.0);
    }

    #[test]
    fn empty_and_large_tables() {
        for alternative in [Alternative::Greater, Alternative::Less, Alternative::TwoSided] {
            assert_eq!(p([[0, 0], [0, 0]], alternative), 1.0);
            assert_eq!(p([[0, 5], [0, 3]], alternative), 1.0);
        }
        assert!(p([[100, 99_900], [10, 99_990]], Alternative::Greater) < 1e-18);
        assert_eq!(fisher_exact([[u64::MAX, 1], [1, 1]], Alternative::Less).unwrap_err().name, "table");
    }

    proptest! {
        #[test]
        fn both_sides_share_the_table_itself(a in 0_u64..40, b in 0_u64..40, c in 0_u64..40, d in 0_u64..40) {
            let table = [[a, b], [c, d]];
            let (greater, less) = (p(table, Alternative::Greater), p(table, Alternative::Less));
            prop_assert!(greater + less >= 1.0 - 1e-12);
            // Swapping the rows turns the sides.
            prop_assert!((p([[c, d], [a, b]], Alternative::Less) - greater).abs() < 1e-12);
            prop_assert!(p(table, Alternative::TwoSided) >= greater.min(less) - 1e-12);
            if b > 0 && c > 0 {
                let further = p([[a + 1, b - 1], [c - 1, d + 1]], Alternative::Greater);
                prop_assert!(further <= greater);
            }
        }
    }
}
