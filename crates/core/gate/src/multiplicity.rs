//! Many tests at once: p-values adjusted so that the share of false alarms among the alarms stays below a level.

use underpin_model::quantity::Probability;

/// Adjusted p-values of Benjamini and Hochberg (1995), in the order of the input: for tests that are independent or
/// positively dependent.
#[must_use]
pub fn benjamini_hochberg(p: &[Probability]) -> Vec<Probability> {
    step_up(p, 1.0)
}

/// Adjusted p-values of Benjamini and Yekutieli (2001), in the order of the input: for any dependence, at the price of the
/// factor `1 + 1/2 + ... + 1/n`.
#[must_use]
pub fn benjamini_yekutieli(p: &[Probability]) -> Vec<Probability> {
    let factor = (1..=p.len()).map(|i| 1.0 / i as f64).sum();
    step_up(p, factor)
}

/// `p_(i) factor n/i`, from the largest on never above the one after it.
fn step_up(p: &[Probability], factor: f64) -> Vec<Probability> {
    let mut ranked: Vec<(usize, f64)> = p.iter().map(|it| it.get()).enumerate().collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    let n = ranked.len() as f64;
    let mut adjusted = vec![Probability::CERTAIN; p.len()];
    let mut least = 1.0_f64;
    for (rank, (place, value)) in ranked.into_iter().enumerate().rev() {
        least = least.min(value * factor * n / (rank + 1) as f64);
        if let Some(into) = adjusted.get_mut(place) {
            *into = Probability::nearest(least);
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(it: &[f64]) -> Vec<Probability> {
        it.iter().map(|it| Probability::new(*it).unwrap()).collect()
    }

    #[test]
    fn by_hand() {
        let near = |got: Vec<Probability>, expected: &[f64]| {
            assert!(
                got.iter().zip(expected).all(|(got, expected)| (got.get() - expected).abs() < 1e-15),
                "{got:?}"
            );
        };
        near(benjamini_hochberg(&all(&[0.04, 0.01, 0.03])), &[0.04, 0.03, 0.04]);
        near(benjamini_yekutieli(&all(&[0.04, 0.01, 0.03])), &[0.22 / 3.0, 0.055, 0.22 / 3.0]);
        assert!(benjamini_hochberg(&[]).is_empty() && benjamini_yekutieli(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn adjusted_values_are_larger_keep_the_order_and_do_not_depend_on_it(
            values in prop::collection::vec(0.0..=1.0_f64, 1..40),
        ) {
            let p = all(&values);
            let (bh, by) = (benjamini_hochberg(&p), benjamini_yekutieli(&p));
            for (i, one) in p.iter().enumerate() {
                prop_assert!(bh[i].get() >= one.get() * (1.0 - 1e-12) && by[i].get() >= bh[i].get() * (1.0 - 1e-12));
                for (j, other) in p.iter().enumerate() {
                    prop_assert!(one > other || bh[i] <= bh[j]);
                }
            }
            let turned: Vec<Probability> = p.iter().rev().copied().collect();
            let again: Vec<Probability> = benjamini_hochberg(&turned).into_iter().rev().collect();
            prop_assert_eq!(again, bh);
        }
    }
}
