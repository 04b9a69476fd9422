//! The standard normal distribution, to the precision of a double in both tails.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use libm::erfc;
use statrs::function::erf::erfc_inv;
use underpin_model::quantity::Probability;

/// Density at `z`.
#[must_use]
pub fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// `Phi(z)`, the probability of at most `z`. The upper tail is `cdf(-z)`, never `1 - cdf(z)`: that loses all digits.
///
/// By `erfc` of libm, which is right to the last digit; that of statrs is off by 1e-10, which quantiles of a large fleet
/// multiply to nearly the promised 1e-9.
#[must_use]
pub fn cdf(z: f64) -> f64 {
    0.5 * erfc(-z * FRAC_1_SQRT_2)
}

/// `Phi^-1(p)`; `None` at 0 and 1, where it is infinite.
///
/// The inverse of the library is refined by one Newton step on the tail that is the smaller one: without it, 1e-9 is met, but
/// not the last digits that a difference of two quantiles needs.
#[must_use]
pub fn quantile(p: Probability) -> Option<f64> {
    Some(place(p.get())).filter(|it| it.is_finite())
}

/// As [`quantile`], of a number from 0 to 1, infinite at its ends.
pub(crate) fn place(p: f64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return if p <= 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // 1 - p is exact where it is the smaller tail.
    let (tail, sign) = if p <= 0.5 { (p, 1.0) } else { (1.0 - p, -1.0) };
    let start = -erfc_inv(2.0 * tail) / FRAC_1_SQRT_2;
    let slope = density(start);
    // In the subnormal range the slope underflows, and the start is as good as it gets.
    let refined = if slope > 0.0 { start - (cdf(start) - tail) / slope } else { start };
    sign * if refined.is_finite() { refined } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance * expected.abs(), "got {got}, expected {expected}");
    }

    /// Values of a calculation with 40 digits.
    #[test]
    fn both_tails_keep_their_digits() {
        for (z, expected) in CDF {
            near(cdf(*z), *expected, 1e-13);
        }
        for (p, expected) in QUANTILE {
            near(quantile(Probability::new(*p).unwrap()).unwrap(), *expected, 1e-13);
        }
    }

    #[test]
    fn the_quantile_is_the_inverse_and_has_none_at_the_ends() {
        for p in [1e-300, 1e-100, 1e-12, 0.01, 0.3, 0.5, 0.7, 0.999] {
            let z = quantile(Probability::new(p).unwrap()).unwrap();
            near(cdf(z), p, 1e-12);
        }
        assert_eq!(quantile(Probability::NEVER), None);
        assert_eq!(quantile(Probability::CERTAIN), None);
        assert_eq!((place(0.0), place(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }

    const CDF: &[(f64, f64)] = &[
        (-37.0, 5.725571222524577e-300),
        (-20.0, 2.7536241186062337e-89),
        (-8.25, 7.919726314642477e-17),
        (-3.1, 0.0009676032132183566),
        (-1.0, 0.15865525393145705),
        (-0.25, 0.4012936743170763),
        (0.0, 0.5),
        (0.5, 0.6914624612740131),
        (2.0, 0.9772498680518208),
        (6.0, 0.9999999990134123),
    ];
    const QUANTILE: &[(f64, f64)] = &[
        (1e-300, -37.0470962993612),
        (1e-100, -21.273453560965326),
        (1e-30, -11.464024688443615),
        (1e-12, -7.034483825301132),
        (0.001, -3.0902323061678136),
        (0.08, -1.4050715603096324),
        (0.25, -0.6744897501960817),
        (0.45, -0.12566134685507402),
        (0.55, 0.12566134685507416),
        (0.975, 1.9599639845400538),
        (0.999, 3.090232306167813),
    ];
}
