//! One mistake is one finding: what follows from it is counted, what does not is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]
#![allow(dead_code, reason = "other tests use more of the support")]

mod support;

use support::{Case, migrate};
use underpin_lint::Finding;
use underpin_model::plan::{Rule, Severity, StepKind};

fn of(case: &Case, rule: Rule) -> Vec<Finding> {
    case.lint().findings.into_iter().filter(|it| it.rule == rule).collect()
}

#[test]
fn ids_that_are_off_by_as_much_are_one_finding() {
    let mut case = Case::sound();
    let steps = case.plan.steps.len();
    let attest = case.plan.steps.iter().position(|it| matches!(it.kind, StepKind::Attest { .. })).unwrap();
    // The attestation of the plane: the others stand where they stood, and one waits for a step by its id.
    let verify = case.plan.steps[attest + 1].id;
    case.plan.steps.last_mut().unwrap().after.push(verify);
    // What waited for it waits for what it waited for.
    case.plan.steps[attest + 1].after = case.plan.steps[attest].after.clone();
    case.plan.steps.remove(attest);
    let found = of(&case, Rule::WellFormed);
    assert_eq!(found.len(), 1, "{found:#?}");
    let after = steps - attest - 2;
    assert_eq!(found[0].found, format!("id {}, and {after} ids after it are off by as much", attest + 1));
    assert!(of(&case, Rule::Order).is_empty(), "{:#?}", of(&case, Rule::Order));
    // A second one further on is another finding.
    case.plan.steps.remove(attest + 4);
    assert_eq!(of(&case, Rule::WellFormed).iter().filter(|it| it.found.starts_with("id ")).count(), 2);
    // What waits for the step that is missing is told once for all that wait.
    case.plan.steps.iter_mut().for_each(|it| it.after.clear());
    for it in case.plan.steps.iter_mut().rev().take(3) {
        it.after = vec![u32::try_from(attest).unwrap()];
    }
    let found = of(&case, Rule::WellFormed);
    let missing: Vec<&Finding> = found.iter().filter(|it| it.found.starts_with("after step")).collect();
    assert_eq!(missing.len(), 1, "{missing:#?}");
    assert_eq!(missing[0].found, format!("after step {attest}, as 2 steps more do"));
}

#[test]
fn two_guests_that_are_lost_are_two_findings() {
    let mut case = Case::sound();
    case.fleet.affinities.clear();
    case.remove(|it| matches!(it, StepKind::Migrate { vm, .. } if matches!(vm.as_str(), "v1" | "v2")));
    for (vm, from, to, start_s) in [
        ("v1", "h4", "h3", 11_000),
        ("v2", "h1", "h3", 11_000),
        ("v1", "h3", "h4", 11_100),
        ("v1", "h4", "h3", 11_200),
    ] {
        case.add(3, "h2", migrate(vm, from, to), start_s, 60);
    }
    let lost: Vec<Finding> =
        of(&case, Rule::WellFormed).into_iter().filter(|it| it.place.starts_with("VM ")).collect();
    let told: Vec<(&str, &str)> = lost.iter().map(|it| (it.place.as_str(), it.found.as_str())).collect();
    assert_eq!(
        told,
        [
            ("VM v1", "the guest stands on h1, as 2 steps after it find too"),
            ("VM v2", "the guest stands on h2")
        ]
    );
    // Both stand in the way where they are: each host is told once, for its patch and its reboot.
    let occupied = of(&case, Rule::OccupiedHost);
    let told: Vec<(&str, &str)> = occupied.iter().map(|it| (it.place.as_str(), it.found.as_str())).collect();
    assert_eq!(
        told,
        [
            ("host h1", "1 running guests, v1 among them, as 1 step after it finds too"),
            ("host h2", "1 running guests, v2 among them, as 1 step after it finds too"),
        ]
    );
}

#[test]
fn lines_tell_what_happens_first_and_one_mistake_once() {
    let mut case = Case::sound();
    // A guest leaves so late that its host is patched under it, and all that stands behind the step starts before it.
    case.migration("v2").start_s += 6000;
    let report = case.lint();
    let lines = report.lines();
    let rule = |at: usize| lines[at].first.rule;
    let paper = |it: Rule| matches!(it, Rule::WellFormed | Rule::Order);
    let errors = lines.iter().take_while(|it| it.first.severity == Severity::Error).count();
    assert!(lines[errors..].iter().all(|it| it.first.severity != Severity::Error));
    let world = (0..errors).take_while(|it| !paper(rule(*it))).count();
    assert!(world > 0 && (world..errors).all(|it| paper(rule(it))), "{lines:#?}");
    assert!((0..world).any(|it| rule(it) == Rule::OccupiedHost), "{lines:#?}");
    // Steps behind it that start before it, and who waits for it, are one line each.
    let started = lines.iter().filter(|it| it.first.expected.contains("the start of a step before it"));
    let started: Vec<usize> = started.map(|it| it.more).collect();
    assert!(started.len() == 1 && started[0] > 2, "{lines:#?}");
    assert!(lines.iter().filter(|it| it.first.rule == Rule::Order).count() == 1, "{lines:#?}");
    // Nothing is lost: every finding is a line, or one of those that are counted.
    assert_eq!(lines.iter().map(|it| 1 + it.more).sum::<usize>(), report.findings.len());
}
