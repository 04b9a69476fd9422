//! What cannot be judged is refused with its place; what is empty is no error; no output is NaN or infinite.

use underpin_risk::compound::{Options, PortfolioError, Thresholds, judge};
use underpin_risk::portfolio::{Gate, HostClass, Plane, Portfolio};

use crate::made;

/// The error of a portfolio of which something was broken.
fn broken(change: impl FnOnce(&mut Portfolio)) -> PortfolioError {
    let mut portfolio = made::tiny(5);
    portfolio.classes[0].responses =
        [made::response(0, 0.1, made::ALL), made::response(1, 0.1, made::ALL)].into();
    judge(&portfolio, &Options::default()).unwrap();
    change(&mut portfolio);
    judge(&portfolio, &Options::default()).unwrap_err()
}

#[test]
fn what_is_no_probability_loss_or_correlation_is_refused_with_its_place() {
    for value in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        for error in [
            broken(|it| it.shocks[1].probability = value),
            broken(|it| made::change(it, 0, |all| all[0].probability = value)),
            broken(|it| made::change(it, 0, |all| all[0].gate = Some(Gate { shock: 3, otherwise: value }))),
            broken(|it| made::change(it, 0, |all| all[0].impact.integrity = value)),
            broken(|it| it.planes[0].takes_host = value),
            broken(|it| it.planes[0].gate = Some(Gate { shock: 0, otherwise: value })),
        ] {
            assert!(matches!(error, PortfolioError::Probability { .. }), "{error:?}");
        }
        assert!(matches!(broken(|it| it.rho = value), PortfolioError::Rho(_)));
    }
    for value in [-1.0, f64::NAN, f64::INFINITY, 1e200] {
        assert!(matches!(broken(|it| it.holdings[0].integrity = value), PortfolioError::Loss { .. }));
    }
    assert!(matches!(broken(|it| it.rho = 1.0), PortfolioError::Rho(_)));
    assert!(matches!(broken(|it| it.horizon_days = 0.0), PortfolioError::Horizon(_)));
    let error = broken(|it| made::change(it, 0, |all| all[1].probability = 2.0)).to_string();
    assert!(error.contains("class 0 (class 0), response 1") && error.contains("from 0 to 1"), "{error}");
}

#[test]
fn indices_that_lead_nowhere_are_refused_with_their_place() {
    for error in [
        broken(|it| it.hosts[0].class = 9),
        broken(|it| it.hosts[0].cluster = 9),
        broken(|it| it.hosts[0].holdings = 0..999),
        broken(|it| it.holdings[0].tenant = 9),
        broken(|it| it.classes[0].planes = vec![9]),
        broken(|it| it.classes[0].planes = vec![0, 0]),
        broken(|it| made::change(it, 0, |all| all[1].shock = 99)),
        broken(|it| it.planes[0].gate = Some(Gate { shock: 99, otherwise: 0.5 })),
        broken(|it| made::change(it, 0, |all| all[1].gate = Some(Gate { shock: 99, otherwise: 0.5 }))),
    ] {
        assert!(matches!(error, PortfolioError::Index { .. }), "{error:?}");
    }
    let error = broken(|it| made::change(it, 0, |all| all.swap(0, 1)));
    assert!(matches!(error, PortfolioError::Order { at: 1, shock: 0, .. }), "{error:?}");
}

#[test]
fn too_many_tangled_planes_are_refused() {
    let mut portfolio = made::one_factor(3, 0.1, 0.2);
    for at in 0..20 {
        portfolio.planes.push(Plane {
            id: underpin_model::id::ManagementPlaneId::new(format!("p{at}")).unwrap(),
            responses: vec![made::response(0, 0.1, made::ALL)],
            takes_host: 0.5,
            gate: None,
            impact: made::ALL,
            runs_on: Vec::new(),
        });
        portfolio.classes[0].planes.push(at);
    }
    let error = judge(&portfolio, &Options::default()).unwrap_err();
    assert!(matches!(error, PortfolioError::Tangled { count: 20, .. }), "{error:?}");
}

#[test]
fn a_host_that_a_plane_runs_on_has_a_class_of_its_own_or_is_refused() {
    let mut portfolio = made::carried(1);
    assert!(judge(&portfolio, &Options::default()).is_ok());
    let (host, other) = (portfolio.planes[0].runs_on[0] as usize, 4);
    portfolio.hosts[other].class = portfolio.hosts[host].class;
    let error = judge(&portfolio, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("runs on host h9, whose class has other hosts"), "{error}");
    portfolio.planes[0].runs_on = vec![99];
    let error = judge(&portfolio, &Options::default()).unwrap_err();
    assert!(matches!(error, PortfolioError::Index { index: 99, .. }), "{error:?}");
}

#[test]
fn levels_and_samples_outside_their_range_are_refused() {
    let portfolio = made::tiny(1);
    for level in [0.0, 1.0, f64::NAN] {
        let options = Options { levels: vec![level], ..Options::default() };
        assert!(matches!(judge(&portfolio, &options), Err(PortfolioError::Level(_))));
    }
    for samples in [0, 999, 1_000_001] {
        let error = judge(&portfolio, &Options { samples, ..Options::default() }).unwrap_err();
        assert_eq!(error, PortfolioError::Samples(samples));
        assert!(error.to_string().contains("from 1000 to 1000000"), "{error}");
    }
}

#[test]
fn an_empty_fleet_and_a_tenant_without_guests_have_no_risk() {
    let nothing = judge(&Portfolio::default(), &Options::default()).unwrap();
    assert_eq!(
        (nothing.hosts, nothing.guests, nothing.fleet.mean, nothing.any_hit.probability),
        (0, 0, 0.0, 0.0)
    );
    assert!(nothing.fleet.cvar.iter().all(|it| it.value == 0.0));
    assert!(nothing.hosts_hit_at_least.iter().all(|it| it.probability == 0.0));
    let mut portfolio = made::one_factor(3, 0.5, 0.2);
    portfolio.tenants.push(None);
    let judgement = judge(&portfolio, &Options::default()).unwrap();
    let tenant = &judgement.tenants[1];
    assert_eq!((tenant.guests, tenant.hosts, tenant.figures.mean), (0, 0, 0.0));
    assert!(tenant.figures.quantiles.iter().all(|it| it.value == 0.0 && it.high == 0.0));
}

#[test]
fn nothing_is_ever_nan_or_infinite() {
    // Numbers that are not finite become `null`, and those that may be absent are dropped first.
    fn numbers(value: &serde_json::Value, path: &str) {
        match value {
            serde_json::Value::Null => {
                let may = ["variance_reduction", "at_most", "tenant", "cluster"];
                assert!(may.iter().any(|name| path.ends_with(name)), "{path} is null");
            }
            serde_json::Value::Array(list) => list.iter().for_each(|it| numbers(it, path)),
            serde_json::Value::Object(map) => {
                map.iter().for_each(|(key, it)| numbers(it, &format!("{path}.{key}")));
            }
            _ => {}
        }
    }
    let at_least = Thresholds { hosts: vec![0, 1, 99], guests: vec![0, 5, u64::MAX], tenants: vec![0, 9] };
    let mut cases: Vec<Portfolio> = (0..6).map(made::tiny).collect();
    for probability in [0.0, 1.0, 1e-300] {
        for rho in [0.0, 0.999] {
            cases.push(made::one_factor(50, probability, rho));
        }
    }
    let mut rich = made::one_factor(50, 0.01, 0.5);
    // A class without hosts that would be hit for certain.
    rich.classes.insert(
        0,
        HostClass { responses: [made::response(0, 1.0, made::ALL)].into(), ..rich.classes[0].clone() },
    );
    rich.hosts.iter_mut().for_each(|host| host.class = 1);
    rich.holdings.iter_mut().for_each(|it| it.availability = 1e100);
    cases.push(rich);
    for portfolio in cases {
        for (independent, exact) in [(true, true), (false, true), (false, false)] {
            let options = Options {
                independent,
                exact,
                at_least: at_least.clone(),
                samples: 1_000,
                ..Options::default()
            };
            let judgement = judge(&portfolio, &options).unwrap();
            numbers(&serde_json::to_value(&judgement).unwrap(), "");
            for at in &judgement.hosts_hit_at_least {
                assert!((0.0..=1.0).contains(&at.probability), "{at:?}");
            }
        }
    }
}
