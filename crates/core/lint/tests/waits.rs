//! A plan says by `after` what its steps have to wait for: whoever carries it out late follows nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]
#![allow(dead_code, reason = "other tests use more of the support")]

mod support;

use support::{Case, element, host, migrate, vm};
use underpin_lint::Finding;
use underpin_model::plan::{Rule, Severity, StepKind};

fn order(case: &Case) -> Vec<Finding> {
    case.lint().findings.into_iter().filter(|it| it.rule == Rule::Order).collect()
}

/// The sound plan, with a guest that comes home and one that was suspended.
fn both_ways() -> Case {
    let mut case = Case::sound();
    case.add(4, "h3", migrate("v3", "h2", "h3"), 14_700, 60);
    case.add(4, "h3", StepKind::Suspend { vm: vm("v9"), host: host("h3"), consent: None }, 12_500, 60);
    case.add(4, "h3", StepKind::Resume { vm: vm("v9"), host: host("h3") }, 14_700, 60);
    let mut guest = case.vm("v5").clone();
    guest.id = vm("v9");
    guest.host = Some(host("h3"));
    guest.memory_mib = Some(1024);
    guest.allowed_actions = vec![underpin_model::fleet::Action::Suspend];
    case.fleet.vms.push(guest);
    case.policy.planning.consent_needed.retain(|it| *it != underpin_model::fleet::Action::Suspend);
    case
}

/// The same, each wave of hosts with a gate of its own.
fn gated() -> Case {
    let mut case = both_ways();
    for (wave, start_s) in [(2, 860), (3, 6700), (4, 12_500)] {
        let gate = StepKind::Gate { cluster: Some(support::cluster()) };
        case.plan.steps.push(support::step(wave, None, gate, start_s, 0));
    }
    case.tidy();
    case
}

/// The kinds of waits that are missed when they are gone, each alone: all that there are.
fn missed(sound: &Case) -> Vec<String> {
    assert!(order(sound).is_empty(), "{:#?}", order(sound));
    let mut kinds = std::collections::BTreeSet::new();
    for step in 0..sound.plan.steps.len() {
        for at in 0..sound.plan.steps[step].after.len() {
            let mut case = sound.clone();
            let gone = case.plan.steps[step].after.remove(at) as usize;
            let found = order(&case);
            let names = [gone, step]
                .map(|it| serde_json::to_value(&case.plan.steps[it].kind).unwrap()["kind"].to_string());
            assert_eq!(found.len(), 1, "{names:?}: {found:#?}");
            let told = (found[0].severity, found[0].step, found[0].at_s);
            let expected = &case.plan.steps[step];
            assert_eq!(told, (Severity::Error, Some(expected.id), Some(expected.start_s)));
            let told = format!("does not wait for step {gone}, ");
            assert!(found[0].found.contains(&told), "{names:?}: {found:#?}");
            kinds.insert(names);
        }
    }
    kinds.iter().map(|it| it.join(" ").replace('"', "")).collect()
}

#[test]
fn every_wait_that_is_needed_is_missed_when_it_is_gone() {
    let of_drains = [
        "attest verify",
        "backup-check patch",
        "migrate patch",
        "patch attest",
        "patch reboot",
        "reboot attest",
        "stage patch",
        "stop patch",
        "suspend patch",
        "verify migrate",
        "verify resume",
        "verify start",
    ];
    let plain =
        ["freeze migrate", "migrate thaw", "resume thaw", "start migrate", "start suspend", "verify stop"];
    let gates = [
        "freeze gate",
        "gate migrate",
        "gate stop",
        "gate suspend",
        "migrate thaw",
        "resume thaw",
        "start gate",
        "verify gate",
    ];
    let and = |more: &[&str]| {
        let mut all: Vec<String> = of_drains.iter().chain(more).map(ToString::to_string).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(missed(&both_ways()), and(&plain));
    assert_eq!(missed(&gated()), and(&gates));
}

#[test]
fn a_freeze_waits_for_the_thaw_before_it() {
    let mut case = both_ways();
    let cluster = support::cluster();
    let what = vec![underpin_model::plan::Frozen::Balancing];
    for (kind, start_s) in
        [(StepKind::Thaw { cluster: cluster.clone() }, 10_000), (StepKind::Freeze { cluster, what }, 12_000)]
    {
        case.plan.steps.push(support::step(0, None, kind, start_s, 10));
    }
    case.tidy();
    let id = |case: &Case, start_s: u32| case.plan.steps.iter().find(|it| it.start_s == start_s).unwrap().id;
    let (thaw, freeze) = (id(&case, 10_000), id(&case, 12_000));
    let told = |case: &Case| {
        let wanted = format!("freeze of c1 does not wait for step {thaw}, thaw of c1");
        order(case).iter().any(|it| it.found.starts_with(&wanted))
    };
    assert!(told(&case), "{:#?}", order(&case));
    case.plan.steps[freeze as usize].after.push(thaw);
    assert!(!told(&case), "{:#?}", order(&case));
}

#[test]
fn a_wait_through_others_is_one() {
    let mut case = both_ways();
    let stage = StepKind::Stage { element: element("h2"), change: "upgrade".into() };
    case.add(3, "h2", stage, 930, 10);
    let leaves = case.migration("v6").id;
    let far = case.step(|it| matches!(it, StepKind::Stage { element, .. } if element.as_str() == "h2")).id;
    let patch = |it: &StepKind| matches!(it, StepKind::Patch { element, .. } if element.as_str() == "h1");
    case.step(patch).after.retain(|it| *it != leaves);
    case.step(patch).after.push(far);
    assert_eq!(order(&case).len(), 1);
    // A step for another element, and one that comes after the guest has left.
    case.plan.steps[far as usize].after = vec![leaves];
    let found = order(&case);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_is_missing_in_one_drain_is_told_once() {
    let mut case = Case::sound();
    case.plan.steps.iter_mut().for_each(|it| it.after.clear());
    let found = order(&case);
    let told: Vec<(&str, &str)> = found.iter().map(|it| (it.place.as_str(), it.found.as_str())).collect();
    let expected = [
        ("p1", "patch of p1 does not wait for step 1, staging on p1, and 3 more such waits are missing"),
        (
            "cluster c1",
            "migration of v1 does not wait for step 0, freeze of c1, and 1 more such waits are missing",
        ),
        (
            "wave 2",
            "migration of v1 does not wait for step 5, verification of p1, and 1 more such waits are missing",
        ),
        ("h1", "patch of h1 does not wait for step 6, staging on h1, and 5 more such waits are missing"),
        (
            "wave 3",
            "migration of v2 does not wait for step 12, verification of h1, and 1 more such waits are missing",
        ),
        ("h2", "patch of h2 does not wait for step 13, migration of v2, and 5 more such waits are missing"),
        ("wave 4", "migration of v3 does not wait for step 19, start of v5"),
        ("h3", "patch of h3 does not wait for step 20, migration of v3, and 3 more such waits are missing"),
        ("cluster c1", "thaw of c1 does not wait for step 24, verification of h3"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_wave_waits_for_the_one_before_it_in_its_cluster() {
    let mut case = Case::sound();
    let verified = |case: &mut Case, id: &str| {
        case.step(|it| matches!(it, StepKind::Verify { element } if element.as_str() == id)).id
    };
    let first = verified(&mut case, "h1");
    let stop = case.step(|it| matches!(it, StepKind::Stop { .. })).id as usize;
    case.plan.steps[stop].after.retain(|it| *it != first);
    let found = order(&case);
    let told: Vec<(&str, &str)> = found.iter().map(|it| (it.place.as_str(), it.found.as_str())).collect();
    let expected = format!("stop of v5 does not wait for step {first}, verification of h1");
    assert_eq!(told, [("wave 3", expected.as_str())]);
    // Those that overlap are no matter of this rule: limits on hosts away are.
    case.shift(3, -4000);
    let first = verified(&mut case, "h1");
    case.migration("v3").after.push(first);
    assert!(order(&case).is_empty(), "{:#?}", order(&case));
}
