//! A guest that moves cold is off meanwhile: with consent that the step names, for as long as that takes, and not where it could run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]

mod support;

use std::collections::BTreeSet;

use support::{Case, host, migrate, vm};
use underpin_model::change::Consent;
use underpin_model::fleet::Action;
use underpin_model::plan::{Rule, Severity, StepKind};

/// The sound case with a guest that moves cold, as its owner agrees to.
fn cold() -> Case {
    let mut case = Case::sound();
    case.vm("v3").allowed_actions = vec![Action::ColdMigrate];
    case.planning().consents.push(Consent {
        id: "off".into(),
        tenants: Vec::new(),
        applications: Vec::new(),
        vms: vec![vm("v3")],
        action: Action::ColdMigrate,
        granted: true,
        from: None,
        until: None,
    });
    let step = case.migration("v3");
    if let StepKind::Migrate { live, mbps, pause_ms, consent, .. } = &mut step.kind {
        (*live, *mbps, *pause_ms, *consent) = (false, 0, 0, Some("off".into()));
    }
    let end_s = step.end_s();
    (step.p50_s, step.p95_s) = (60, 180);
    let by_s = step.end_s() - end_s;
    // What comes after it comes so much later.
    for it in case.plan.steps.iter_mut().filter(|it| it.start_s >= end_s) {
        it.start_s += by_s;
    }
    for it in case.plan.waves.iter_mut().filter(|it| it.soak_until_s >= end_s) {
        it.soak_until_s += by_s;
    }
    case.tidy();
    case
}

fn kind(case: &mut Case) -> &mut StepKind {
    &mut case.migration("v3").kind
}

fn unnamed(case: &mut Case) {
    if let StepKind::Migrate { consent, .. } = kind(case) {
        *consent = None;
    }
}

#[test]
fn a_cold_move_has_its_consent_and_takes_its_time() {
    assert!(cold().lint().findings.is_empty(), "{:#?}", cold().lint().findings);
    let errors = |change: fn(&mut Case)| {
        let mut case = cold();
        change(&mut case);
        case.rules(Severity::Error)
    };
    let of = |rule| BTreeSet::from([rule]);
    // However the guest's move is cut short.
    assert_eq!(errors(|it| it.migration("v3").p95_s = 179), of(Rule::MigrationTime));
    assert_eq!(errors(|it| it.migration("v3").p50_s = 59), of(Rule::MigrationTime));
    assert_eq!(errors(unnamed), of(Rule::Consent));
    let other = |it: &mut Case| {
        if let StepKind::Migrate { consent, .. } = kind(it) {
            *consent = Some("yes".into());
        }
    };
    assert_eq!(errors(other), of(Rule::Consent));
    assert_eq!(errors(|it| it.planning().consents[1].granted = false), of(Rule::Consent));
    // Where the policy asks for none there is nothing to name.
    let free = |it: &mut Case| {
        unnamed(it);
        it.policy.planning.consent_needed.clear();
    };
    assert_eq!(errors(free), BTreeSet::new());
}

#[test]
fn a_live_move_that_was_made_cold_in_a_second_is_found() {
    let mut case = cold();
    let step = case.migration("v3");
    (step.p50_s, step.p95_s) = (1, 1);
    case.vm("v3").allowed_actions.push(Action::LiveMigrate);
    assert_eq!(case.rules(Severity::Error), BTreeSet::from([Rule::MigrationTime]));
}

#[test]
fn who_may_move_live_and_moves_cold_is_told() {
    let worse = |change: fn(&mut Case)| {
        let mut case = cold();
        case.vm("v3").allowed_actions.push(Action::LiveMigrate);
        change(&mut case);
        case.rules(Severity::Worse).contains(&Rule::MigrationTime)
    };
    assert!(worse(|_| {}));
    // What it writes, a device and its owner speak for the cold.
    assert!(!worse(|it| it.vm("v3").dirty_rate_mib_s = Some(1e6)));
    assert!(!worse(|it| it.policy.planning.consent_needed.push(Action::LiveMigrate)));
    assert!(!worse(|it| {
        let refusal = Consent {
            id: "no".into(),
            action: Action::LiveMigrate,
            granted: false,
            ..it.planning().consents[1].clone()
        };
        it.planning().consents.push(refusal);
    }));
}

#[test]
fn guests_come_home_in_a_wave_that_lists_no_host_only_after_a_plan_before() {
    let mut case = Case::sound();
    let end = case.plan.end_s();
    // It is where the plan before put it; its home, which nothing is to come for, is as it is.
    case.vm("v4").host = Some(host("h1"));
    let mut wave = case.plan.waves.last().unwrap().clone();
    (wave.elements, wave.number, wave.ring) = (Vec::new(), wave.number + 1, None);
    (wave.start_s, wave.end_s, wave.soak_until_s) = (end, end, end + 600);
    let number = wave.number;
    case.plan.waves.push(wave);
    case.plan.steps.push(support::gate(number, end));
    case.add(number, "h4", migrate("v4", "h1", "h4"), end, 60);
    let form = |case: &Case| {
        let found = case.lint().findings;
        found.iter().any(|it| it.rule == Rule::WellFormed && it.found == "steps for h4")
    };
    assert!(form(&case), "{:#?}", case.lint().findings);
    case.plan.parent = Some("00".into());
    assert!(!form(&case), "{:#?}", case.lint().findings);
}
