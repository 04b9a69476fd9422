//! The samples: repeatable, honest about their errors, bounded in weight.

use underpin_model::id::ManagementPlaneId;
use underpin_risk::compound::sample::{SampleSpec, sample};
use underpin_risk::compound::{Method, Options, judge};
use underpin_risk::portfolio::{HostClass, Plane, Portfolio};

use crate::made;

fn fleet(hosts: u32) -> Portfolio {
    let spec = SampleSpec { hosts, vms_per_host: 4, tenants: 20, vulnerabilities: 40, classes: 20, seed: 3 };
    sample(&spec).unwrap()
}

#[test]
fn threads_change_nothing_and_seeds_do() {
    let portfolio = fleet(400);
    let at = |threads: usize, seed: u64| {
        let options = Options { samples: 2_000, seed, ..Options::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let judgement = pool.install(|| judge(&portfolio, &options).unwrap());
        serde_json::to_string(&judgement).unwrap()
    };
    let one = at(1, 7);
    assert_eq!(one, at(4, 7));
    assert_ne!(one, at(1, 8));
}

#[test]
fn weights_are_bounded_and_the_tilts_pay() {
    let judgement = judge(&fleet(1_000), &Options::default()).unwrap();
    let sampling = &judgement.sampling;
    assert!(sampling.components.len() > 2, "{sampling:?}");
    assert!(sampling.components[0].share >= 0.25 && sampling.components[0].theta == 0.0);
    assert!(sampling.largest_weight <= 4.0 + 1e-12, "{sampling:?}");
    assert!((sampling.mean_weight - 1.0).abs() < 0.05, "{sampling:?}");
    assert!(sampling.ess > 1_000.0, "{sampling:?}");
    assert!(sampling.deviation < 4.0, "{sampling:?}");
    let at = |level: f64| sampling.variance_reduction.iter().find(|it| it.level == level).unwrap().factor;
    assert!(at(0.99) > 1.5 && at(0.999) > 5.0, "{sampling:?}");
}

/// Share of the seeds whose figure is within two reported standard errors of the truth, and the ratio of the spread to
/// the mean reported error.
fn honesty(figures: &[(f64, f64)], truth: f64) -> (usize, f64) {
    let within = figures.iter().filter(|(value, error)| (value - truth).abs() <= 2.0 * error).count();
    let squares: f64 = figures.iter().map(|(value, _)| (value - truth).powi(2)).sum();
    let reported: f64 = figures.iter().map(|(_, error)| error * error).sum();
    (within, (squares / reported).sqrt())
}

#[test]
fn reported_errors_are_honest_over_thirty_seeds() {
    // Everything is known exactly here: the tail of the counts, and the mean of the loss.
    let portfolio = made::one_factor(200, 0.02, 0.2);
    let run = |seed: u64, exact: bool| {
        let at_least =
            underpin_risk::compound::Thresholds { hosts: vec![20], guests: vec![], tenants: vec![] };
        judge(&portfolio, &Options { samples: 4_000, seed, exact, at_least, ..Options::default() }).unwrap()
    };
    let exact = run(0, true);
    assert_eq!(exact.hosts_hit_at_least[0].method, Method::Exact);
    let runs: Vec<_> = (0..30).map(|seed| run(seed, false)).collect();
    let tails: Vec<(f64, f64)> = runs
        .iter()
        .map(|it| (it.hosts_hit_at_least[0].probability, it.hosts_hit_at_least[0].standard_error))
        .collect();
    let means: Vec<(f64, f64)> =
        runs.iter().map(|it| (it.sampling.mean.value, it.sampling.mean.standard_error)).collect();
    for (figures, truth) in [(tails, exact.hosts_hit_at_least[0].probability), (means, exact.fleet.mean)] {
        let (within, ratio) = honesty(&figures, truth);
        assert!(within >= 25, "{within} of 30 within two errors of {truth}: {figures:?}");
        assert!((0.6..1.5).contains(&ratio), "spread over reported error: {ratio}");
    }
}

#[test]
fn intervals_of_quantiles_cover_what_many_samples_find() {
    let portfolio = fleet(400);
    let many = judge(&portfolio, &Options { samples: 200_000, ..Options::default() }).unwrap();
    let mut covered = 0;
    for seed in 100..160 {
        let judgement = judge(&portfolio, &Options { samples: 4_000, seed, ..Options::default() }).unwrap();
        let (found, truth) = (&judgement.fleet.quantiles[2], &many.fleet.quantiles[2]);
        covered += usize::from(found.low <= truth.value && truth.value <= found.high);
    }
    assert!(covered >= 51, "{covered} of 60");
}

#[test]
fn the_probability_of_any_hit_is_sampled_where_too_much_is_tangled_and_says_so() {
    // 25 planes of two hosts each, all hit by one shock with probability 0.1, each taking a host with 0.5.
    let mut portfolio = made::one_factor(50, 0.0, 0.0);
    portfolio.shocks[0].probability = 0.3;
    let class = portfolio.classes[0].clone();
    portfolio.classes.clear();
    for at in 0..25u32 {
        portfolio.planes.push(Plane {
            id: ManagementPlaneId::new(format!("p{at}")).unwrap(),
            responses: vec![made::response(0, 0.1, made::ALL)],
            takes_host: 0.5,
            gate: None,
            impact: made::ALL,
            runs_on: Vec::new(),
        });
        portfolio.classes.push(HostClass { planes: vec![at], ..class.clone() });
    }
    for (at, host) in (0..).zip(&mut portfolio.hosts) {
        host.class = at % 25;
    }
    let any = judge(&portfolio, &Options::default()).unwrap().any_hit;
    let truth = 0.3 * (1.0 - (1.0 - 0.1 * 0.75f64).powi(25));
    assert_ne!(any.method, Method::Exact);
    assert!(any.shapley.is_empty() && any.standard_error > 0.0, "{any:?}");
    assert!((any.probability - truth).abs() < 4.0 * any.standard_error, "{any:?} but {truth}");
}
