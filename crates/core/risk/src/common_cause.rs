//! Failures of redundant parts with one cause: the beta-factor model (NUREG/CR-5485, IEC 61508-6).

use underpin_model::quantity::{InvalidArgument, Probability};

use crate::binomial::{Odds, tail};

/// Probability that at least `needed_to_fail` of `n` like parts fail: the share `beta` of the failures of a part strikes all
/// of them at once, the others are independent. To first order, `beta p + C(n, m) ((1-beta) p)^m`, which is what the tables
/// of the standards hold; at most 1.
///
/// A "2 of 3" system works with 2 of 3 parts, so 2 failures of 3 make it fail.
///
/// # Errors
/// `needed_to_fail` is 0 or more than `n`.
pub fn beta_factor_approximation(
    p: Probability,
    beta: Probability,
    needed_to_fail: u32,
    n: u32,
) -> Result<Probability, InvalidArgument> {
    check(needed_to_fail, n)?;
    let own = (1.0 - beta.get()) * p.get();
    // One factor C(n,m) own^m at a time: neither overflows by itself before the other makes up for it.
    let independent: f64 = (0..needed_to_fail).map(|i| f64::from(n - i) / f64::from(i + 1) * own).product();
    Ok(Probability::nearest(beta.get() * p.get() + independent))
}

/// The same without the approximation: the common cause strikes, or else at least `needed_to_fail` of `n` parts fail by
/// themselves.
///
/// # Errors
/// `needed_to_fail` is 0 or more than `n`.
pub fn beta_factor(
    p: Probability,
    beta: Probability,
    needed_to_fail: u32,
    n: u32,
) -> Result<Probability, InvalidArgument> {
    check(needed_to_fail, n)?;
    let common = beta.get() * p.get();
    let own = (1.0 - beta.get()) * p.get();
    let independent = tail(n.into(), Odds { p: own, q: 1.0 - own }, needed_to_fail.into());
    Ok(Probability::nearest(common + (1.0 - common) * independent))
}

fn check(needed_to_fail: u32, n: u32) -> Result<(), InvalidArgument> {
    InvalidArgument::unless(
        (1..=n).contains(&needed_to_fail),
        "needed_to_fail",
        needed_to_fail.into(),
        "a count from 1 to n",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(it: f64) -> Probability {
        Probability::new(it).unwrap()
    }

    #[test]
    fn two_of_three_as_published() {
        let got = beta_factor_approximation(p(1e-3), p(0.05), 2, 3).unwrap().get();
        assert!((got / 5.270_75e-5 - 1.0).abs() < 1e-12);
        // Without a common cause it is the binomial term, 3e-6.
        assert!((beta_factor_approximation(p(1e-3), p(0.0), 2, 3).unwrap().get() / 3e-6 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_ends() {
        assert_eq!(beta_factor_approximation(p(1.0), p(0.3), 1, 3).unwrap(), Probability::CERTAIN);
        for at in [beta_factor, beta_factor_approximation] {
            assert_eq!(at(p(0.2), p(1.0), 3, 3).unwrap().get(), 0.2);
            assert_eq!(at(p(0.0), p(0.3), 1, 3).unwrap().get(), 0.0);
            assert_eq!(at(p(0.1), p(0.3), 0, 3).unwrap_err().name, "needed_to_fail");
            assert!(at(p(0.1), p(0.3), 4, 3).is_err());
        }
    }

    proptest! {
        #[test]
        fn the_approximation_is_an_upper_bound_that_meets_rare_events(
            probability in 0.0..1.0_f64, beta in 0.0..=1.0_f64, n in 1_u32..20, share in 0.0..1.0_f64,
        ) {
            let m = 1 + (share * f64::from(n)) as u32;
            let exact = beta_factor(p(probability), p(beta), m, n).unwrap().get();
            let rough = beta_factor_approximation(p(probability), p(beta), m, n).unwrap().get();
            prop_assert!(exact <= rough * (1.0 + 1e-12));
            let rare = probability * 1e-6;
            let exact = beta_factor(p(rare), p(beta), m, n).unwrap().get();
            let rough = beta_factor_approximation(p(rare), p(beta), m, n).unwrap().get();
            prop_assert!((rough - exact).abs() <= 1e-4 * exact);
        }
    }
}
