//! Integrals. [`integral`] takes one smooth function to nearly the precision of a double: adaptive Gauss-Kronrod, 7 and 15
//! points (QUADPACK). Where thousands of functions are integrated at the same nodes, the rules with fixed nodes serve.

use std::f64::consts::PI;

use crate::normal;

/// Places of the 15 points on `[0, 1]`, outermost first; the other half mirrors them.
const PLACES: [f64; 8] = [
    0.991_455_371_120_812_6,
    0.949_107_912_342_758_5,
    0.864_864_423_359_769_1,
    0.741_531_185_599_394_4,
    0.586_087_235_467_691_1,
    0.405_845_151_377_397_2,
    0.207_784_955_007_898_47,
    0.0,
];
/// Weights of the 15 points.
const KRONROD: [f64; 8] = [
    0.022_935_322_010_529_224,
    0.063_092_092_629_978_55,
    0.104_790_010_322_250_18,
    0.140_653_259_715_525_92,
    0.169_004_726_639_267_9,
    0.190_350_578_064_785_4,
    0.204_432_940_075_298_9,
    0.209_482_141_084_727_83,
];
/// Weights of the 7 points: every second place.
const GAUSS: [f64; 4] =
    [0.129_484_966_168_869_7, 0.279_705_391_489_276_7, 0.381_830_050_505_118_9, 0.417_959_183_673_469_4];

/// A piece is halved at most so often: a double has no more digits to tell its ends apart.
const DEEPEST: u32 = 48;

/// Integral of `f` over the span of `breaks`, piece by piece, to a relative error of about `tolerance`.
///
/// `breaks` rise. A peak is found for certain only where a break is near it: the caller knows where its function is steep.
#[must_use]
pub fn integral(f: impl Fn(f64) -> f64, breaks: &[f64], tolerance: f64) -> f64 {
    let mut todo: Vec<(f64, f64, f64, f64, u32)> = Vec::with_capacity(breaks.len());
    let mut rough = 0.0;
    for ends in breaks.windows(2) {
        let &[from, to] = ends else { continue };
        let (value, error) = both(&f, from, to);
        rough += value.abs();
        todo.push((from, to, value, error, 0));
    }
    let mut sum = 0.0;
    while let Some((from, to, value, error, depth)) = todo.pop() {
        // The difference of the two rules is far above the error of the better one.
        if error <= tolerance * rough || error <= 4.0 * f64::EPSILON * value.abs() || depth == DEEPEST {
            sum += value;
            continue;
        }
        let middle = 0.5 * (from + to);
        let (left, left_error) = both(&f, from, middle);
        let (right, right_error) = both(&f, middle, to);
        rough += (left.abs() + right.abs() - value.abs()).max(0.0);
        todo.push((from, middle, left, left_error, depth + 1));
        todo.push((middle, to, right, right_error, depth + 1));
    }
    sum
}

/// The 15-point value and its difference from the 7-point value.
fn both(f: &impl Fn(f64) -> f64, from: f64, to: f64) -> (f64, f64) {
    let (centre, half) = (0.5 * (from + to), 0.5 * (to - from));
    let (mut kronrod, mut gauss) = (0.0, 0.0);
    for (at, (place, weight)) in PLACES.iter().zip(KRONROD).enumerate() {
        let value =
            if *place == 0.0 { f(centre) } else { f(centre - half * place) + f(centre + half * place) };
        kronrod += weight * value;
        if at % 2 == 1 {
            gauss += GAUSS.get(at / 2).copied().unwrap_or_default() * value;
        }
    }
    (kronrod * half, ((kronrod - gauss) * half).abs())
}

/// Where the factor is cut: beyond lies 2e-19 of it.
const REACH: f64 = 9.0;

/// Nodes and weights of the trapezoid rule for a mean over the standard normal factor.
///
/// The functions integrated are analytic, at the steepest like a normal cdf of some width `w` in `z`: on the whole line, a
/// step of `h` then errs by about `exp(-2 (pi w / h)^2)`, which no Gauss rule of as many nodes attains on them.
pub(crate) fn factor_nodes(step: f64) -> Vec<(f64, f64)> {
    let half = (REACH / step).ceil() as i32;
    let weight = |z: f64| step * normal::density(z);
    (-half..=half).map(|at| f64::from(at) * step).map(|z| (z, weight(z))).collect()
}

/// Nodes and weights of Gauss-Legendre on 0 to 1: exact for polynomials of degree `2 count - 1`.
pub(crate) fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
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
    fn both_rules_are_exact_for_the_polynomials_that_they_promise() {
        // 15 Kronrod points are exact to degree 22, 7 Gauss points to degree 13.
        for degree in (0..=22).step_by(2) {
            let (value, difference) = both(&|x: f64| x.powi(degree), -1.0, 1.0);
            assert!((value - 2.0 / f64::from(degree + 1)).abs() < 1e-15, "degree {degree}: {value}");
            assert_eq!(difference < 1e-15, degree <= 13, "degree {degree}: {difference}");
        }
    }

    #[test]
    fn a_steep_function_is_met() {
        let got = integral(|x| 1.0 / (1.0 + 1e8 * x * x), &[-1.0, 0.0, 1.0], 1e-13);
        assert!((got / (2e-4 * 1e4_f64.atan()) - 1.0).abs() < 1e-12, "{got}");
        assert_eq!(integral(|x| x, &[], 1e-12), 0.0);
    }

    #[test]
    fn the_rules_with_fixed_nodes_integrate_what_they_promise() {
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
    }
}
