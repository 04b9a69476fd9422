//! What must follow when a portfolio changes.

use underpin_model::id::TenantId;
use underpin_risk::compound::{Judgement, Options, Thresholds, judge, mean_loss};
use underpin_risk::portfolio::{Gate, HostClass, Portfolio};

use crate::enumeration;
use crate::made;

fn options() -> Options {
    let at_least = Thresholds { hosts: vec![1, 2, 3, 5], guests: vec![1, 4], tenants: vec![1, 2] };
    Options { levels: vec![0.5, 0.9, 0.95, 0.99], at_least, samples: 4_000, ..Options::default() }
}

fn judged(portfolio: &Portfolio) -> Judgement {
    judge(portfolio, &options()).unwrap()
}

/// CVaR at 0.95 by enumeration, without error.
fn cvar(portfolio: &Portfolio) -> f64 {
    enumeration::tail(&enumeration::law(portfolio), 0.95).1
}

/// Nothing is less in `more` than in `less`: exact figures to rounding, sampled ones within their errors.
fn no_less(what: &str, less: &Portfolio, more: &Portfolio) {
    let (a, b) = (judged(less), judged(more));
    assert!(b.fleet.mean >= a.fleet.mean - 1e-9, "{what}: mean {} to {}", a.fleet.mean, b.fleet.mean);
    assert!(b.any_hit.probability >= a.any_hit.probability - 1e-12, "{what}: any hit");
    for (a, b) in a.hosts_hit_at_least.iter().zip(&b.hosts_hit_at_least) {
        assert!(b.probability >= a.probability - 1e-12, "{what}: {a:?} to {b:?}");
    }
    assert!(cvar(more) >= cvar(less) - 1e-9, "{what}: the model itself");
    for (a, b) in a.fleet.cvar.iter().zip(&b.fleet.cvar) {
        let error = 4.0 * a.standard_error.hypot(b.standard_error) + 1e-12 * a.value;
        assert!(b.value >= a.value - error, "{what}: {a:?} to {b:?}");
    }
}

#[test]
fn an_exposure_more_never_lowers_risk() {
    for seed in 0..8 {
        let less = made::tiny(seed);
        for shock in 0..6 {
            let mut more = less.clone();
            let responses = &more.classes[0].responses;
            let Err(place) = responses.binary_search_by_key(&shock, |it| it.shock) else { continue };
            made::change(&mut more, 0, |all| all.insert(place, made::response(shock, 0.3, made::ALL)));
            no_less(&format!("{seed}: shock {shock}"), &less, &more);
        }
    }
}

#[test]
fn a_control_without_side_effects_never_raises_risk() {
    for seed in 0..8 {
        let more = made::tiny(seed);
        let mut less = more.clone();
        let mut changed = false;
        made::change(&mut less, 1, |all| {
            for response in all.iter_mut().filter(|it| it.gate.is_none() && it.shock != 3) {
                response.gate = Some(Gate { shock: 3, otherwise: 0.1 });
                changed = true;
            }
        });
        if changed {
            no_less(&format!("{seed}"), &less, &more);
        }
    }
}

#[test]
fn splitting_a_class_changes_nothing() {
    for seed in 0..8 {
        let whole = made::tiny(seed);
        let mut split = whole.clone();
        let twin = HostClass { label: "twin".to_owned(), ..split.classes[0].clone() };
        split.classes.push(twin);
        let twin = split.classes.len() as u32 - 1;
        split.hosts.iter_mut().filter(|it| it.class == 0).step_by(2).for_each(|it| it.class = twin);
        let (a, b) = (judged(&whole), judged(&split));
        same_exactly(&a, &b);
        same_within_errors(&a, &b);
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + a.abs())
}

fn same_exactly(a: &Judgement, b: &Judgement) {
    assert!(close(a.fleet.mean, b.fleet.mean));
    assert!(close(a.any_hit.probability, b.any_hit.probability));
    for (a, b) in a.tenants.iter().zip(&b.tenants) {
        assert!(close(a.figures.mean, b.figures.mean));
    }
    for (a, b) in a.any_hit.shapley.iter().zip(&b.any_hit.shapley) {
        assert!(a.cause == b.cause && close(a.share, b.share));
    }
    let pairs = a.hosts_hit_at_least.iter().zip(&b.hosts_hit_at_least);
    for (a, b) in pairs.chain(a.guests_hit_at_least.iter().zip(&b.guests_hit_at_least)) {
        assert!(close(a.probability, b.probability), "{a:?} {b:?}");
    }
}

fn same_within_errors(a: &Judgement, b: &Judgement) {
    for (a, b) in a.fleet.cvar.iter().zip(&b.fleet.cvar) {
        let error = 5.0 * a.standard_error.hypot(b.standard_error) + 1e-9;
        assert!((a.value - b.value).abs() <= error, "{a:?} {b:?}");
    }
}

#[test]
fn the_order_of_hosts_changes_nothing_at_all() {
    for seed in 0..8 {
        let portfolio = made::tiny(seed);
        let mut turned = portfolio.clone();
        turned.hosts.reverse();
        assert_eq!(judged(&portfolio), judged(&turned));
    }
}

#[test]
fn more_dependence_never_lowers_cvar_while_the_probability_of_any_and_a_quantile_may_fall() {
    let mut before: Option<Judgement> = None;
    for rho in [0.0, 0.1, 0.3, 0.6] {
        let portfolio = made::one_factor(100, 0.05, rho);
        let now = judge(&portfolio, &Options { samples: 10_000, ..options() }).unwrap();
        if let Some(before) = before {
            assert!((before.fleet.mean - now.fleet.mean).abs() < 1e-9, "the marginals stay");
            for (a, b) in before.fleet.cvar.iter().zip(&now.fleet.cvar) {
                let error = 3.0 * a.standard_error.hypot(b.standard_error);
                assert!(b.value >= a.value - error, "{rho}: {a:?} {b:?}");
            }
            // At 0.95 and beyond the growth is plain.
            assert!(now.fleet.cvar[2].value > before.fleet.cvar[2].value);
            assert!(now.any_hit.probability < before.any_hit.probability, "any hit falls");
            assert!(now.fleet.quantiles[0].value < before.fleet.quantiles[0].value, "the median falls");
        }
        before = Some(now);
    }
}

/// Hosts with three holes of one campaign each, all of them certain; the probability of a hit is scaled.
fn three_holes(rho: f64, scale: f64) -> Portfolio {
    let mut portfolio = made::one_factor(100, 0.5, rho);
    portfolio.shocks = (0..3).map(|at| made::exploit(at, 1.0)).collect();
    let response = |at: u32| made::response(at, scale * f64::from(at + 1), made::ALL);
    made::change(&mut portfolio, 0, |all| *all = (0..3).map(response).collect());
    portfolio
}

#[test]
fn at_equal_marginals_more_dependence_never_lowers_cvar_of_hosts_with_several_holes() {
    // Each host is worth 1 and lost whole.
    let hit = |rho: f64, scale: f64| mean_loss(&three_holes(rho, scale)).unwrap() / 100.0;
    let target = hit(0.0, 0.01);
    let mut before: Option<Judgement> = None;
    for rho in [0.0, 0.1, 0.3, 0.6] {
        // One strength of the attacker for all campaigns: the holes of a host are hit together, so that it is hit more rarely.
        assert!(hit(rho, 0.01) < target + 1e-12, "{rho}");
        let (mut low, mut high) = (0.01, 0.05);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if hit(rho, middle) < target { low = middle } else { high = middle }
        }
        let now = judge(&three_holes(rho, high), &Options { samples: 10_000, ..options() }).unwrap();
        assert!((now.classes[0].hit - target).abs() < 1e-9, "the marginals stay");
        if let Some(before) = before {
            for (a, b) in before.fleet.cvar.iter().zip(&now.fleet.cvar) {
                let error = 3.0 * a.standard_error.hypot(b.standard_error);
                assert!(b.value >= a.value - error, "{rho}: {a:?} {b:?}");
            }
            assert!(now.fleet.cvar[2].value > before.fleet.cvar[2].value, "{rho}");
        }
        before = Some(now);
    }
}

#[test]
fn common_causes_make_the_tail_that_the_naive_figure_does_not_see() {
    let mut portfolio = made::one_factor(100, 0.5, 0.2);
    portfolio.shocks[0].probability = 0.05;
    portfolio.tenants.push(TenantId::new("u").ok());
    let compound = judged(&portfolio);
    let naive = judge(&portfolio, &Options { independent: true, ..options() }).unwrap();
    assert!(close(compound.fleet.mean, naive.fleet.mean));
    for (compound, naive) in compound.classes.iter().zip(&naive.classes) {
        assert_eq!(compound, naive);
    }
    let error = naive.sampling.deviation;
    assert!(error < 4.0, "samples of the naive figure have the exact mean too: {error}");
    assert!(compound.fleet.cvar[3].value > 5.0 * naive.fleet.cvar[3].value);
    assert!(compound.any_hit.probability < 0.06 && naive.any_hit.probability > 0.9);
    let survival = (1.0 - naive.classes[0].hit).powi(100);
    assert!(close(naive.any_hit.probability, 1.0 - survival));
}
