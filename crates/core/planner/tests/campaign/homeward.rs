//! Guests that the parent plan has on their way home when it is planned again are brought home, or told with what keeps them away.

use std::collections::BTreeMap;

use jiff::Timestamp;
use underpin_model::fleet::{Action, Fleet};
use underpin_model::plan::{Plan, Reason, Rule, Severity, Standing, Step, StepKind};
use underpin_model::policy::{Homing, Placing, Policy};
use underpin_planner::campaign::{Parent, Planned, Request, plan};

use super::build::{clean, consent, finally, fleet, guest, planned, planning, policy, request};

/// The fleet as a plan leaves it that is stopped so many seconds after its start.
fn carried_out(fleet: &Fleet, plan: &Plan, until_s: u32) -> Fleet {
    let mut then = fleet.clone();
    then.seen.at = plan.instant(until_s);
    for step in plan.steps.iter().filter(|it| it.end_s() <= until_s) {
        let mut goes = |vm: &str, to: &str| {
            let vm = then.vms.iter_mut().find(|it| it.id.as_str() == vm).unwrap();
            vm.host = Some(underpin_model::id::HostId::new(to).unwrap());
        };
        match &step.kind {
            StepKind::Migrate { vm, to, .. } => goes(vm.as_str(), to.as_str()),
            StepKind::Evacuate { expected, .. } => {
                expected.iter().for_each(|(vm, to)| goes(vm.as_str(), to.as_str()));
            }
            StepKind::Patch { element, to, .. } => {
                let changed_at = Some(plan.instant(step.end_s()));
                let host = then.hosts.iter_mut().find(|it| it.id.as_str() == element.as_str()).unwrap();
                host.platform.as_mut().unwrap().release = Some(to.clone());
                host.changed_at = changed_at;
            }
            _ => {}
        }
    }
    then
}

fn again(fleet: &Fleet, policy: &Policy, first: &Plan, starts_at: Timestamp) -> Planned {
    let loss = BTreeMap::new();
    let parent = Some(Parent { plan: first, sha256: "00" });
    let planned = plan(&Request { parent, starts_at, ..request(fleet, policy, &loss) }).unwrap();
    clean(fleet, policy, &planned.plan);
    planned
}

/// Three hosts with two guests each, which come home.
fn three(action: Action) -> (Fleet, Policy) {
    let mut fleet = fleet(3);
    for host in ["h1", "h1", "h2", "h2", "h3", "h3"] {
        guest(&mut fleet, host, 8).allowed_actions = vec![action];
    }
    consent(&mut fleet, Action::ColdMigrate, true);
    let mut policy = policy();
    policy.planning.homing = Homing::Home;
    (fleet, policy)
}

/// The first step that brings a guest home.
fn homecoming(plan: &Plan) -> &Step {
    let home = |it: &&Step| match &it.kind {
        StepKind::Migrate { to, .. } => it.subject.as_ref().is_some_and(|it| it.as_str() == to.as_str()),
        _ => false,
    };
    plan.steps.iter().find(home).unwrap()
}

fn away(it: &Planned) -> Vec<&Standing> {
    let away = |it: &&Standing| it.rule == Rule::FinalState && it.severity == Severity::Worse;
    it.report.standing.iter().filter(away).collect()
}

#[test]
fn who_is_on_the_way_home_when_it_is_planned_again_comes_home() {
    for action in [Action::LiveMigrate, Action::ColdMigrate] {
        for placing in [Placing::WePlace, Placing::PlatformPlaces] {
            let (fleet, mut policy) = three(action);
            policy.planning.placing = placing;
            let first = planned(&fleet, &policy).plan;
            let homes = finally(&fleet, &first);
            // Before the first of them leaves for home, and while the last one is on its way.
            let home = homecoming(&first);
            let last = first.steps.iter().rfind(|it| it.wave == home.wave).unwrap();
            for until_s in [home.start_s, last.end_s() - 1] {
                let fleet = carried_out(&fleet, &first, until_s);
                let it = again(&fleet, &policy, &first, first.instant(until_s));
                assert_eq!(finally(&fleet, &it.plan), homes, "{action:?} {placing:?} at {until_s}");
                assert_eq!(away(&it), Vec::<&Standing>::new());
                let wave = &it.report.waves[0];
                assert_eq!(wave.reasons[0], Reason::WayHome, "they come first");
                assert_eq!(it.plan.waves.iter().flat_map(|it| &it.elements).count(), 2);
                // Whoever follows the second plan when it is cut short finds them, too.
                let cut =
                    it.plan.steps.iter().find(|it| matches!(it.kind, StepKind::Migrate { .. })).unwrap();
                let third = again(&fleet, &policy, &it.plan, it.plan.instant(cut.start_s));
                assert_eq!(finally(&fleet, &third.plan), homes);
            }
        }
    }
}

#[test]
fn who_cannot_come_home_is_told_with_what_keeps_it() {
    let (fleet, mut policy) = three(Action::LiveMigrate);
    let first = planned(&fleet, &policy).plan;
    let until_s = homecoming(&first).start_s;
    let then = carried_out(&fleet, &first, until_s);
    let told = |fleet: &Fleet, policy: &Policy, says: &str| {
        let it = again(fleet, policy, &first, first.instant(until_s));
        away(&it).iter().filter(|it| it.text.contains(says) && it.text.contains("not at home on h")).count()
    };
    let mut full = then.clone();
    let home = match &homecoming(&first).kind {
        StepKind::Migrate { to, .. } => to.as_str().to_owned(),
        _ => String::new(),
    };
    guest(&mut full, &home, 90).allowed_actions = Vec::new();
    assert_eq!(told(&full, &policy, "no room for it by now"), 1);
    let mut shut = then.clone();
    shut.hosts.iter_mut().find(|it| it.id.as_str() == home).unwrap().maintenance = Some(true);
    assert_eq!(told(&shut, &policy, "its home is in maintenance"), 2);
    let mut refused = then.clone();
    consent(&mut refused, Action::LiveMigrate, false);
    assert_eq!(told(&refused, &policy, "does not let it move"), 2);
    // Where guests stay where they went nobody is missed.
    policy.planning.homing = Homing::Drift;
    let it = again(&then, &policy, &first, first.instant(until_s));
    assert!(away(&it).is_empty() && it.report.waves.iter().all(|it| it.reasons != [Reason::WayHome]));
}

#[test]
fn whose_home_gets_another_change_comes_home_when_that_is_done() {
    let (fleet, policy) = three(Action::LiveMigrate);
    let first = planned(&fleet, &policy).plan;
    let homes = finally(&fleet, &first);
    let until_s = homecoming(&first).start_s;
    let mut then = carried_out(&fleet, &first, until_s);
    planning(&mut then).changes[0].to =
        underpin_model::change::Target::Release { release: "8.0.3".to_owned(), via: Vec::new() };
    let it = again(&then, &policy, &first, first.instant(until_s));
    assert_eq!(finally(&then, &it.plan), homes);
    let last = it.report.waves.last().unwrap();
    assert_eq!(last.reasons[0], Reason::WayHome);
}
