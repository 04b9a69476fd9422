//! One mistake is one finding: what follows from it is counted, what does not is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]
#![allow(dead_code, reason = "other tests use more of the support")]

mod support;

use support::{Case, GIB, exception, migrate};
use underpin_lint::Finding;
use underpin_model::plan::{Rule, Severity, StepKind};
use underpin_model::policy::Scope;

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

/// A host on which one guest too many arrives, and another one 70 s later.
fn overloaded() -> Case {
    let mut case = Case::sound();
    case.fleet.affinities.clear();
    case.host("h4").capacity.as_mut().unwrap().memory_mib = Some(12 * GIB);
    case.migration("v6").start_s = 930;
    case.tidy();
    case
}

#[test]
fn a_host_that_carries_too_much_is_one_finding_until_it_no_longer_does() {
    let mut case = overloaded();
    // Both leave; when one of them comes back it is too much again.
    for (vm, from, to, start_s) in
        [("v1", "h4", "h1", 11_000), ("v6", "h4", "h1", 11_100), ("v1", "h1", "h4", 11_200)]
    {
        case.add(3, "h2", migrate(vm, from, to), start_s, 60);
    }
    let step = |at: u32| case.plan.steps.iter().find(|it| it.start_s == at).map(|it| it.id);
    let found = of(&case, Rule::Capacity);
    let told: Vec<_> = found.iter().map(|it| (it.at_s, it.step, it.place.as_str(), &*it.found)).collect();
    let first = case.plan.steps.iter().find(|it| it.kind == migrate("v1", "h1", "h4")).map(|it| it.id);
    assert_eq!(
        told,
        [
            (Some(860), first, "host h4", "16384 MiB of memory needed, as 1 step after it finds too"),
            (Some(11_200), step(11_200), "host h4", "16384 MiB of memory needed"),
        ]
    );
}

#[test]
fn what_comes_when_an_exception_has_ended_is_not_counted_with_what_it_excused() {
    let mut case = overloaded();
    case.policy.planning.exception = vec![exception(Rule::Capacity, Scope::default(), "2026-11-21")];
    assert!(of(&case, Rule::Capacity).is_empty());
    // The first guest comes 40 s before the exception ends, the second one 30 s after that.
    case.plan.starts_at = "2026-11-21T23:45:00Z".parse().unwrap();
    let at: Vec<_> = of(&case, Rule::Capacity).iter().map(|it| it.at_s).collect();
    assert_eq!(at, [Some(930)]);
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
