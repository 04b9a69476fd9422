//! The loss curve on plain numbers.

use std::path::{Path, PathBuf};

use underpin_risk::wait::curve::{AgedHazard, Choice, Hazards, Inputs, Penalty};

fn shared_data() -> Option<PathBuf> {
    let named = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = named.or_else(|| here.ancestors().map(|it| it.join("shared/data")).find(|it| it.is_dir()));
    if found.is_none() {
        assert!(std::env::var_os("UNDERPIN_REQUIRE_ALL").is_none_or(|it| it != "1"), "shared/data not found");
        println!("skipped: shared/data not found");
    }
    found
}

/// The same on all hosts: a loss, a constant hazard and others of which any hit takes it.
fn even(lambda: f64, exposure: f64, aged: Vec<AgedHazard>) -> Hazards {
    Hazards { share: 1.0, loss: exposure, constant_per_day: lambda, aged }
}

/// One host, a constant hazard, a release of age 0: the closed form.
fn plain(lambda: f64, exposure: f64, bad: f64, theta: f64, regression: f64, horizon_days: f64) -> Inputs {
    Inputs {
        horizon_days,
        hosts: 1.0,
        hazards: vec![even(lambda, exposure, Vec::new())],
        bad,
        theta,
        hit: 1.0,
        loss_per_bad_host: regression,
        first_ring_share: 1.0,
        ..Inputs::default()
    }
}

#[test]
fn the_curve_is_the_closed_form_where_nothing_else_applies() {
    let Some(data) = shared_data() else { return };
    let text = std::fs::read(data.join("vectors/risk-and-gate.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let rows = vectors["optimal_patch_time"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let of = |key: &str| row[key].as_f64().unwrap();
        let inputs = plain(of("lam"), of("Ce"), of("p0"), of("theta"), of("Cp"), 90.0);
        let best = inputs.optimum().unwrap();
        // A minimum is flat: its place is known to the root of the precision of its value.
        assert!((best.days.unwrap() - of("t_star")).abs() < 1e-5, "{row} {best:?}");
        assert!((best.loss / of("loss") - 1.0).abs() < 1e-9, "{row} {best:?}");
        assert!((best.loss_now / of("loss_now") - 1.0).abs() < 1e-9, "{row} {best:?}");
        for days in [0.0, 3.0, 17.5, 90.0] {
            let hit = -(-of("lam") * days).exp_m1();
            let closed = of("Ce") * hit + of("Cp") * of("p0") * (-of("theta") * days).exp();
            assert!((inputs.at(days).total() / closed - 1.0).abs() < 1e-9, "{row} at {days}");
        }
    }
}

/// Where the hazard outlives the reports about bad releases, the stationary point is the worst time of all.
#[test]
fn a_stationary_point_that_is_a_maximum_is_not_taken() {
    let (lambda, exposure, bad, theta, regression): (f64, f64, f64, f64, f64) =
        (0.02, 100.0, 0.5, 0.01, 300.0);
    let stationary = (regression * bad * theta / (exposure * lambda)).ln() / (theta - lambda);
    let inputs = plain(lambda, exposure, bad, theta, regression, 365.0);
    let loss = |days: f64| inputs.at(days).total();
    assert!(stationary > 20.0, "{stationary}");
    assert!(loss(stationary) > loss(stationary - 20.0) && loss(stationary) > loss(stationary + 20.0));
    let best = inputs.optimum().unwrap();
    assert_eq!((best.choice, best.days), (Choice::Never, None));
    assert!(best.loss < loss(0.0) && best.loss < loss(365.0));
    let cheap = plain(lambda, exposure, 0.01, theta, regression, 365.0).optimum().unwrap();
    assert_eq!((cheap.choice, cheap.days), (Choice::Now, Some(0.0)));
}

#[test]
fn each_end_point_can_be_best() {
    assert_eq!(plain(0.2, 1000.0, 0.05, 0.1, 100.0, 90.0).optimum().unwrap().choice, Choice::Now);
    assert_eq!(plain(0.001, 100.0, 0.15, 0.1, 50.0, 90.0).optimum().unwrap().choice, Choice::Wait);
    let dear = Inputs { maintenance: 50.0, ..plain(0.0001, 100.0, 0.15, 0.1, 50.0, 90.0) };
    let best = dear.optimum().unwrap();
    assert_eq!((best.choice, best.days), (Choice::Never, None));
    assert!((best.loss - dear.never().total()).abs() < 1e-12);
    let nothing = Inputs { horizon_days: 90.0, hosts: 3.0, ..Inputs::default() };
    assert_eq!(nothing.optimum().unwrap().choice, Choice::Now);
}

#[test]
fn a_penalty_is_avoided_on_the_day_of_its_deadline() {
    let free = plain(0.001, 100.0, 0.15, 0.1, 50.0, 90.0);
    let penalties = [Penalty { promise: "p".to_owned(), at_days: 10.0, loss: 40.0 }].into();
    let bound = Inputs { penalties, ..free.clone() };
    assert_eq!(bound.optimum().unwrap().days, Some(10.0));
    assert_eq!((bound.at(10.0).penalties, bound.at(10.001).penalties), (0.0, 40.0));
    assert_eq!(bound.never().penalties, 40.0);
    assert!(free.optimum().unwrap().days.unwrap() > 20.0);
}

#[test]
fn terms_are_separate_and_do_what_they_say() {
    let inputs = Inputs {
        incomplete_fix: 0.1,
        ring_stops: 0.9,
        first_ring_share: 0.2,
        staying: 3.0,
        known_bugs_per_day: 0.5,
        maintenance: 4.0,
        shared_drain_saves: 1.0,
        ..plain(0.01, 100.0, 0.1, 0.05, 50.0, 90.0)
    };
    let it = inputs.at(10.0);
    let bad = 0.1 * (-0.5_f64).exp() * 50.0;
    assert!((it.regression_first_ring - bad * 0.2).abs() < 1e-12);
    assert!((it.regression_later_rings - bad * 0.8 * 0.1).abs() < 1e-12);
    assert!((it.exposure - 100.0 * -(-0.1_f64).exp_m1()).abs() < 1e-9);
    // Survived ten days, then a tenth of the hazard for eighty.
    assert!((it.incomplete_fix - (-0.1_f64).exp() * 100.0 * -(-0.08_f64).exp_m1()).abs() < 1e-9);
    assert!((it.staying - 3.0 * -(-0.5_f64).exp_m1()).abs() < 1e-12);
    assert_eq!((it.known_bugs, it.maintenance, it.shared_drain), (5.0, 4.0, -1.0));
    let sum: f64 = it.named().iter().map(|(_, loss)| loss).sum();
    assert!((sum - it.total()).abs() < 1e-12);
    let never = inputs.never();
    assert_eq!((never.maintenance, never.regression_first_ring, never.known_bugs), (0.0, 0.0, 45.0));
    assert!((never.staying - 3.0 * -(-4.5_f64).exp_m1()).abs() < 1e-12);
}

/// Falling hazards of which any takes the loss: a sum of many small steps is the judge, before the patch and after it.
#[test]
fn falling_hazards_agree_with_a_fine_sum() {
    let aged = vec![
        AgedHazard { thirty_days: 0.8, constant_thirty_days: 0.0, age_days: 2.0, shape: 0.28 },
        AgedHazard { thirty_days: 0.5, constant_thirty_days: 0.0, age_days: 400.0, shape: 0.6 },
    ];
    let hazards = vec![even(0.01, 1000.0, aged.clone())];
    let inputs = Inputs { hazards, incomplete_fix: 0.2, ..plain(0.0, 0.0, 0.0, 0.0, 0.0, 90.0) };
    let cumulative = |hole: &AgedHazard, t: f64| {
        let until = |t: f64| (hole.age_days + t).powf(hole.shape) - hole.age_days.powf(hole.shape);
        hole.thirty_days * until(t) / until(30.0)
    };
    let steps = 200_000;
    let (mut before, mut after, mut left, mut last) = (0.0, 0.0, 1000.0, 0.0);
    for step in 1..=2 * steps {
        // Fine steps where hazards are steep, and a time of them at the patch.
        let part = f64::from(step) / f64::from(steps);
        let t = if step <= steps { 45.0 * part.powi(3) } else { 45.0 * part };
        let now: f64 = 0.01 * t + cumulative(&aged[0], t) + cumulative(&aged[1], t);
        let share = if step <= steps { 1.0 } else { 0.2 };
        let lost = left * share * (now - last);
        *if step <= steps { &mut before } else { &mut after } += lost;
        (left, last) = (left - lost, now);
    }
    let got = inputs.at(45.0);
    assert!((got.exposure / before - 1.0).abs() < 1e-3, "{got:?} {before}");
    assert!((got.incomplete_fix / after - 1.0).abs() < 1e-3, "{got:?} {after}");
}

#[test]
fn bad_inputs_are_refused_with_their_place() {
    let good = plain(0.01, 100.0, 0.1, 0.05, 50.0, 90.0);
    let refused = |it: Inputs| it.optimum().unwrap_err().to_string();
    assert_eq!(
        refused(Inputs { bad: 1.5, ..good.clone() }),
        "bad: found 1.5, expected a probability from 0 to 1"
    );
    assert!(refused(Inputs { hit: f64::NAN, ..good.clone() }).starts_with("hit: found NaN"));
    assert!(refused(Inputs { horizon_days: 0.0, ..good.clone() }).starts_with("horizon_days"));
    assert!(refused(Inputs { theta: f64::INFINITY, ..good.clone() }).starts_with("theta"));
    let aged = vec![AgedHazard { thirty_days: 1.0, constant_thirty_days: 0.0, age_days: 0.0, shape: 0.0 }];
    let of = |hazards| Inputs { hazards, ..good.clone() };
    assert!(refused(of(vec![even(0.01, 1.0, aged)])).starts_with("hazards.0.aged.0.shape"));
    let (one, wrong) = (even(0.01, 1.0, Vec::new()), even(-0.01, 1.0, Vec::new()));
    assert!(refused(of(vec![one, wrong])).starts_with("hazards.1.constant_per_day: found -0.01"));
    assert!(refused(Inputs { shared_drain_saves: 1.0, ..good }).contains("at most the cost"));
}
