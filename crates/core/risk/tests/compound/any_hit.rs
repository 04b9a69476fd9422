//! The probability that any is hit, and its Shapley values, where rules and differences run out of digits.

use underpin_model::id::ManagementPlaneId;
use underpin_risk::compound::{AnyHit, Method, Options, judge};
use underpin_risk::portfolio::{Gate, Plane, Portfolio, Response};
use underpin_risk::quadrature::integral;

use crate::made;

fn any_hit(portfolio: &Portfolio) -> AnyHit {
    let any = judge(portfolio, &Options { samples: 1_000, ..Options::default() }).unwrap().any_hit;
    assert_eq!((any.method, any.standard_error), (Method::Exact, 0.0));
    any
}

/// Shares sum to the probability, and none is negative.
fn sums_up(what: &str, any: &AnyHit) {
    let sum: f64 = any.shapley.iter().map(|it| it.share).sum();
    assert!((sum / any.probability - 1.0).abs() < 1e-9, "{what}: {sum} of {}", any.probability);
    assert!(any.shapley.iter().all(|it| it.share > 0.0), "{what}");
}

/// As many exploits as asked, each answered by the one class with a probability of its own, some behind a control.
fn many(hosts: u32, shocks: u32, rho: f64, probability: impl Fn(u32) -> f64) -> Portfolio {
    let mut portfolio = made::one_factor(hosts, 0.5, rho);
    portfolio.shocks = (0..shocks).map(|at| made::exploit(at as usize, probability(at))).collect();
    portfolio.shocks.push(made::control(0, 0.05));
    let gate = Gate { shock: shocks, otherwise: 0.1 };
    let response = |at: u32| Response {
        left: 1.0,
        gate: at.is_multiple_of(3).then_some(gate),
        ..made::response(at, 0.02 + 0.9 * f64::from(at % 7) / 7.0, made::ALL)
    };
    made::change(&mut portfolio, 0, |all| *all = (0..shocks).map(response).collect());
    portfolio
}

#[test]
fn shares_of_thousands_of_shocks_that_saturate_sum_to_the_probability() {
    for rho in [0.0, 0.15, 0.99] {
        let any = any_hit(&many(6, 3_000, rho, |at| [1.0, 0.9, 0.3][at as usize % 3]));
        assert!(any.shapley.len() == 3_001 && any.probability > 0.6, "{rho}: {}", any.probability);
        sums_up(&format!("rho {rho}"), &any);
    }
}

#[test]
fn shares_of_a_saturated_portfolio_are_their_integrals() {
    // One host, no factor: survival is the product of `1 - t a`, two thousand of one `a` and a thousand of another.
    let (few, more) = (0.05, 0.8);
    let mut portfolio = made::one_factor(1, 0.5, 0.0);
    portfolio.shocks = (0..3_000).map(|at| made::exploit(at, 1.0)).collect();
    let response = |at: u32| made::response(at, if at < 2_000 { few } else { more }, made::ALL);
    made::change(&mut portfolio, 0, |all| *all = (0..3_000).map(response).collect());
    let any = any_hit(&portfolio);
    let breaks: Vec<f64> = std::iter::once(0.0).chain((0..=16).rev().map(|at| 0.5f64.powi(at))).collect();
    let share = |own: f64, counts: [i32; 2]| {
        let rest = |t: f64| (1.0 - t * few).powi(counts[0]) * (1.0 - t * more).powi(counts[1]);
        own * integral(rest, &breaks, 1e-14)
    };
    let expected = [share(few, [1_999, 1_000]), share(more, [2_000, 999])];
    for (at, one) in any.shapley.iter().enumerate() {
        let expected = expected[usize::from(at >= 2_000)];
        assert!((one.share / expected - 1.0).abs() < 1e-9, "{at}: {} but {expected}", one.share);
    }
}

#[test]
fn over_a_tiny_span_no_digit_of_a_share_is_lost() {
    // Exploits of one in a trillion, one of them through a plane and its control too: to first order all is a sum.
    let (count, chance) = (40, 1e-12);
    let mut portfolio = many(5, count, 0.0, |_| chance);
    portfolio.planes.push(Plane {
        id: ManagementPlaneId::new("p").unwrap(),
        responses: vec![made::response(1, 0.25, made::ALL)],
        takes_host: 0.5,
        gate: Some(Gate { shock: count, otherwise: 0.2 }),
        impact: made::ALL,
        runs_on: Vec::new(),
    });
    portfolio.classes[0].planes = vec![0];
    let any = any_hit(&portfolio);
    sums_up("tiny", &any);
    let of = |it: &Response| {
        let survives = |multiplier: f64| (1.0 - multiplier * it.probability).powi(5);
        let none = match it.gate {
            Some(gate) => 0.05 * survives(1.0) + 0.95 * survives(gate.otherwise),
            None => survives(1.0),
        };
        let takes = |left: f64| 1.0 - (1.0 - 0.5 * left).powi(5);
        let plane = if it.shock == 1 { 0.25 * (0.05 * takes(1.0) + 0.95 * takes(0.2)) } else { 0.0 };
        chance * (1.0 - none * (1.0 - plane))
    };
    let expected: f64 = portfolio.classes[0].responses.iter().map(of).sum();
    assert!((any.probability / expected - 1.0).abs() < 1e-9, "{} but {expected}", any.probability);
}
