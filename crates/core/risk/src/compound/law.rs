//! The normal law, and the rules that integrals over it and over the unit interval are taken by.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::erf::{erfc, erfc_inv};

/// Probability of a standard normal below `x`.
pub(super) fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x / SQRT_2)
}

/// Quantile of a standard normal; minus and plus infinity at 0 and 1.
pub(super) fn normal_quantile(probability: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * probability)
}

/// Where the factor is cut: beyond lies 2e-19 of it.
const REACH: f64 = 9.0;

/// Nodes and weights of the trapezoid rule for a mean over the standard normal factor.
///
/// The functions integrated are analytic, at the steepest like a normal cdf of some width `w` in `z`: on the whole line, a
/// step of `h` then errs by about `exp(-2 (pi w / h)^2)`, which no Gauss rule of as many nodes attains on them.
pub(super) fn factor_nodes(step: f64) -> Vec<(f64, f64)> {
    let half = (REACH / step).ceil() as i32;
    let weight = |z: f64| step * (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
    (-half..=half).map(|at| f64::from(at) * step).map(|z| (z, weight(z))).collect()
}

/// Nodes and weights of Gauss-Legendre on 0 to 1: exact for polynomials of degree `2 count - 1`.
pub(super) fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let n = count.max(1);
    (0..n)
        .map(|at| {
            let mut x = (PI * (at as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (mut p, mut before) = (x, 1.0);
                for k in 2..=n {
                    let k = k as f64;
                    (p, before) = (((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k, p);
                }
                slope = n as f64 * (x * p - before) / (x * x - 1.0);
                let step = p / slope;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_integrate_what_they_promise() {
        let moment =
            |step: f64, k: i32| -> f64 { factor_nodes(step).iter().map(|(z, w)| w * z.powi(k)).sum() };
        for step in [0.25, 0.125] {
            assert!((moment(step, 0) - 1.0).abs() < 1e-14);
            assert!((moment(step, 4) - 3.0).abs() < 1e-12);
        }
        for count in [1, 2, 7, 100] {
            let degree = 2 * count - 1;
            let sum: f64 = gauss_legendre(count).iter().map(|(x, w)| w * x.powi(degree as i32)).sum();
            assert!((sum * (degree + 1) as f64 - 1.0).abs() < 1e-11, "{count}: {sum}");
        }
        assert!((normal_cdf(normal_quantile(1e-9)) / 1e-9 - 1.0).abs() < 1e-9);
    }
}
