//! A plan says by `after` what its steps have to wait for: whoever carries it out late follows nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]
#![allow(dead_code, reason = "other tests use more of the support")]

mod support;

use support::{Case, element, host, migrate, vm};
use underpin_lint::Finding;
use underpin_model::change::Method;
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
    let of_waves = [
        "freeze gate",
        "gate migrate",
        "gate stop",
        "gate suspend",
        "migrate thaw",
        "resume thaw",
        "start gate",
        "verify gate",
    ];
    let mut all: Vec<&str> = of_drains.into_iter().chain(of_waves).collect();
    all.sort_unstable();
    assert_eq!(missed(&both_ways()), all);
}

#[test]
fn a_freeze_waits_for_the_thaw_before_it() {
    let mut case = both_ways();
    let cluster = support::cluster();
    let what = vec![underpin_model::plan::Frozen::Balancing, underpin_model::plan::Frozen::AutoStart];
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
        ("cluster c1", "gate does not wait for step 0, freeze of c1"),
        ("wave 2", "gate does not wait for step 5, verification of p1"),
        ("wave 2", "migration of v1 does not wait for step 7, gate, and 1 more such waits are missing"),
        ("h1", "patch of h1 does not wait for step 6, staging on h1, and 5 more such waits are missing"),
        ("wave 3", "gate does not wait for step 13, verification of h1"),
        ("wave 3", "migration of v2 does not wait for step 15, gate, and 1 more such waits are missing"),
        ("h2", "patch of h2 does not wait for step 14, staging on h2, and 6 more such waits are missing"),
        ("wave 4", "gate does not wait for step 22, start of v5"),
        ("wave 4", "migration of v3 does not wait for step 24, gate"),
        ("h3", "patch of h3 does not wait for step 23, staging on h3, and 4 more such waits are missing"),
        ("cluster c1", "thaw of c1 does not wait for step 29, verification of h3"),
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
    case.gate(3).after.retain(|it| *it != first);
    let found = order(&case);
    let told: Vec<(&str, &str)> = found.iter().map(|it| (it.place.as_str(), it.found.as_str())).collect();
    let expected = format!("gate does not wait for step {first}, verification of h1");
    assert_eq!(told, [("wave 3", expected.as_str())]);
    // Those that overlap are no matter of this rule: limits on hosts away are.
    case.shift(3, -4000);
    let first = verified(&mut case, "h1");
    case.gate(4).after.push(first);
    assert!(order(&case).is_empty(), "{:#?}", order(&case));
}

#[test]
fn whatever_disturbs_first_waits_for_the_gate_of_its_wave() {
    // Of a live patch nobody has to leave: it is what disturbs first, whoever moves meanwhile.
    let mut case = Case::sound();
    case.change("upgrade").methods = vec![Method::EvacuateReboot, Method::LivePatch];
    let of_h3 = |it: &StepKind| it.element().is_some_and(|it| it.as_str() == "h3");
    case.remove(|it| of_h3(it) && matches!(it, StepKind::Reboot { .. }));
    let patch = case.step(|it| of_h3(it) && matches!(it, StepKind::Patch { .. }));
    if let StepKind::Patch { method, .. } = &mut patch.kind {
        *method = Method::LivePatch;
    }
    patch.start_s = 12_500;
    case.tidy();
    let gate = case.gate(4).id;
    assert!(order(&case).is_empty(), "{:#?}", order(&case));
    case.step(|it| of_h3(it) && matches!(it, StepKind::Patch { .. })).after.retain(|it| *it != gate);
    let found = order(&case);
    let told: Vec<(&str, &str)> = found.iter().map(|it| (it.place.as_str(), it.found.as_str())).collect();
    let expected = format!("patch of h3 does not wait for step {gate}, gate");
    assert_eq!(told, [("wave 4", expected.as_str())]);
}

#[test]
fn hosts_outside_any_cluster_have_gates_too() {
    let mut case = Case::sound();
    case.host("h3").cluster = None;
    let wave = case.plan.waves.iter_mut().find(|it| it.number == 4).unwrap();
    wave.cluster = None;
    let told = |case: &Case| {
        let found = order(case);
        found.iter().filter(|it| it.place == "wave 4").map(|it| it.found.clone()).collect::<Vec<_>>()
    };
    assert!(told(&case).is_empty(), "{:#?}", order(&case));
    case.plan.steps.retain(|it| it.wave != 4 || !matches!(it.kind, StepKind::Gate { .. }));
    assert_eq!(told(&case), ["it touches hosts, and has no gate"]);
}
