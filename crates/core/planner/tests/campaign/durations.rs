//! Durations fitted to history: in the steps, in the report, and where they are not.

use underpin_model::change::{Method, Target};
use underpin_model::fleet::{Fleet, HardwareClass, Observation, TimedOutcome, TimedStep};
use underpin_model::id::ClusterId;
use underpin_model::plan::{DurationFrom, Outcome, StepKind};
use underpin_model::policy::{Durations, Scope, Spread};
use underpin_planner::campaign::Planned;

use crate::build::{at, change, fleet, of, planned, planning, policy};

/// Reboots of a host that took so many seconds, one after the other.
fn watched(fleet: &mut Fleet, host: &str, seconds: &[f64], outcome: TimedOutcome) {
    let host = fleet.hosts.iter().find(|it| it.id.as_str() == host).map(|it| it.id.clone());
    for &seconds in seconds {
        let history = &mut planning(fleet).history;
        history.push(Observation {
            host: host.clone(),
            hardware: None,
            platform: None,
            step: TimedStep::Reboot,
            method: Method::EvacuateReboot,
            seconds,
            at: at(&format!("2026-10-01T00:00:{:02}Z", history.len() % 60)),
            outcome,
        });
    }
}

/// How long the reboot of a host takes in the plan, at its median and 95th percentile.
fn reboot(it: &Planned, host: &str) -> Spread {
    let of = |step: &&underpin_model::plan::Step| matches!(&step.kind, StepKind::Reboot { element, .. } if element.as_str() == host);
    let step = it.plan.steps.iter().find(of).unwrap();
    Spread { p50_s: step.p50_s, p95_s: step.p95_s }
}

/// Two kinds of hardware: h1 and h2, h3.
fn two_kinds() -> Fleet {
    let mut fleet = fleet(3);
    for (at, host) in fleet.hosts.iter_mut().enumerate() {
        host.model = Some(if at < 2 { "fast" } else { "slow" }.to_owned());
    }
    fleet
}

#[test]
fn hosts_are_planned_with_what_their_hardware_took_and_the_report_says_so() {
    let mut fleet = two_kinds();
    let usual = Durations::of(Method::EvacuateReboot).reboot;
    let before = planned(&fleet, &policy());
    assert_eq!(reboot(&before, "h3"), usual, "nothing watched: the policy, to the second");
    assert!(
        before.report.durations.iter().flat_map(|it| &it.steps).all(|it| it.from == DurationFrom::Policy)
    );
    watched(&mut fleet, "h3", &[3000.0; 20], TimedOutcome::Ok);
    watched(&mut fleet, "h1", &[300.0; 20], TimedOutcome::Ok);
    // The lint reads the spans of the plan and finds nothing in it.
    let after = planned(&fleet, &policy());
    assert!(reboot(&after, "h3").p95_s > 3000 && reboot(&after, "h1").p95_s < usual.p95_s);
    assert_eq!(reboot(&after, "h1"), reboot(&after, "h2"), "of the same hardware");
    let of_h3 = after.report.durations.iter().find(|it| it.elements.iter().any(|it| it.as_str() == "h3"));
    let steps = &of_h3.unwrap().steps;
    let fitted = steps.iter().find(|it| it.step == TimedStep::Reboot).unwrap();
    let from = DurationFrom::Fitted { same_hardware: 20, same_platform: 20, others: 0, at_least: 0 };
    assert_eq!((&fitted.from, fitted.spread.p95_s), (&from, reboot(&after, "h3").p95_s));
    let others = steps.iter().filter(|it| it.step != TimedStep::Reboot);
    assert!(others.clone().count() > 3 && others.clone().all(|it| it.from == DurationFrom::Policy));
    assert!(after.report.eta.p50_s <= after.report.eta.p95_s);
    // The order of the file changes nothing.
    planning(&mut fleet).history.reverse();
    assert_eq!(planned(&fleet, &policy()).plan, after.plan);
}

#[test]
fn a_step_that_runs_still_lengthens_the_plan_and_a_change_that_states_its_durations_is_not_fitted() {
    let mut fleet = two_kinds();
    watched(&mut fleet, "h3", &[5000.0; 10], TimedOutcome::Running);
    let usual = Durations::of(Method::EvacuateReboot);
    assert!(reboot(&planned(&fleet, &policy()), "h3").p95_s > 5000);
    planning(&mut fleet).changes[0].durations = Some(usual);
    let stated = planned(&fleet, &policy());
    assert_eq!(reboot(&stated, "h3").p95_s, usual.reboot.p95_s);
    let from = DurationFrom::Change { change: "go".to_owned() };
    assert!(stated.report.durations.iter().flat_map(|it| &it.steps).all(|it| it.from == from));
}

#[test]
fn hardware_that_has_gone_teaches_by_its_name() {
    let mut fleet = two_kinds();
    watched(&mut fleet, "h3", &[3000.0; 20], TimedOutcome::Ok);
    let by_host = planned(&fleet, &policy());
    let platform = fleet.hosts[2].platform.as_ref().map(|it| it.family.clone());
    for it in &mut planning(&mut fleet).history {
        it.host = None;
        it.platform.clone_from(&platform);
        it.hardware = Some(HardwareClass { model: Some("slow".to_owned()), ..HardwareClass::default() });
    }
    assert_eq!(planned(&fleet, &policy()).plan, by_host.plan);
}

#[test]
fn a_drain_with_two_changes_takes_the_longer_of_each_step() {
    let mut fleet = fleet(2);
    let mut second = change("also", "x");
    second.to = Target::Setting { name: "smt".to_owned(), value: "off".to_owned(), reboot: false };
    let mut short = Durations::of(Method::EvacuateReboot);
    (short.rollback, short.verify) = (Spread::new(60, 120), Spread::new(400, 800));
    planning(&mut fleet).changes[0].durations = Some(short);
    planning(&mut fleet).changes.push(second);
    let it = planned(&fleet, &policy());
    let policys = Durations::of(Method::EvacuateReboot).rollback;
    let of_step = |step: TimedStep| {
        let mut all = it.report.durations.iter().flat_map(|it| &it.steps).filter(move |it| it.step == step);
        (all.next().unwrap(), all.next())
    };
    let (rollback, more) = of_step(TimedStep::Rollback);
    assert_eq!((rollback.spread, &rollback.from, more), (policys, &DurationFrom::Policy, None));
    let (verify, _) = of_step(TimedStep::Verify);
    assert_eq!(
        (verify.spread, &verify.from),
        (short.verify, &DurationFrom::Change { change: "go".to_owned() })
    );
    let planned_s = it.plan.steps.iter().find(|it| matches!(it.kind, StepKind::Verify { .. })).unwrap().p95_s;
    assert_eq!(planned_s, 800);
    // The drain and what takes it back end in the window, or nothing begins in it.
    let length = it.plan.waves[0].end_s - it.plan.waves[0].start_s;
    let minutes = |more: u32| (length + 1800 + more).div_ceil(60);
    for (window, outcome) in [(minutes(0), Outcome::Planned), (minutes(0) - 10, Outcome::Blocked)] {
        let mut policy = policy();
        let scope = Scope { clusters: vec![ClusterId::new("c").unwrap()], ..Scope::default() };
        policy.planning.window.push(crate::time::window(scope, Vec::new(), 2, window));
        assert_eq!(of(&planned(&fleet, &policy), "h1").outcome, outcome, "{window} minutes");
    }
}

#[test]
fn a_drain_takes_the_longest_median_and_the_longest_slow_case() {
    let mut fleet = fleet(3);
    let mut second = change("also", "x");
    second.to = Target::Setting { name: "smt".to_owned(), value: "off".to_owned(), reboot: true };
    let own = Spread::new(600, 870);
    planning(&mut fleet).changes[0].durations =
        Some(Durations { reboot: own, ..Durations::of(Method::EvacuateReboot) });
    planning(&mut fleet).changes.push(second);
    // Mostly quick, sometimes very slow: the usual case is quicker than the change says, the slow one slower.
    watched(&mut fleet, "h1", &[20.0, 30.0, 2000.0, 25.0, 3000.0, 60.0], TimedOutcome::Ok);
    // The lint of `planned` takes the least that the changes declare: it finds nothing.
    let it = planned(&fleet, &policy());
    let taken = reboot(&it, "h1");
    assert!(taken.p50_s == own.p50_s && taken.p95_s > own.p95_s, "{taken:?}");
    let mut steps = it.report.durations.iter().flat_map(|it| &it.steps);
    let said = steps.find(|it| it.step == TimedStep::Reboot).unwrap();
    assert_eq!(said.spread, taken);
    assert!(matches!(said.from, DurationFrom::Fitted { .. }), "{:?}", said.from);
}
