//! Hosts that are in maintenance when a plan begins: away, and nobody goes there.

use underpin_lint::{Options, lint};
use underpin_model::change::Method;
use underpin_model::fleet::{Action, Fleet, PowerState};
use underpin_model::id::ElementId;
use underpin_model::plan::{Outcome, Reason, Rule, Severity, Step, StepKind, Wave};
use underpin_model::policy::{FailureSets, Homing, Policy, Ring};
use underpin_model::quantity::Days;

use super::build::{change, consent, fleet, guest, of, planned, planning, policy, tenant};
use super::homing::not_home;

/// `h1` of ring lab with a day of soak, `h2` and `h3` of ring main, the last in maintenance: one may be away.
fn one_in_maintenance() -> (Fleet, Policy) {
    let mut fleet = fleet(3);
    for (host, ring) in fleet.hosts.iter_mut().zip(["lab", "main", "main"]) {
        host.ring = Some(ring.to_owned());
    }
    fleet.hosts[2].maintenance = Some(true);
    guest(&mut fleet, "h1", 8);
    guest(&mut fleet, "h2", 8);
    let ring = |name: &str, days| Ring { name: name.to_owned(), soak: Days::new(days).unwrap() };
    let mut policy = Policy { rings: vec![ring("lab", 1.0), ring("main", 0.0)], ..Policy::default() };
    policy.planning.failure_sets = FailureSets::None;
    (fleet, policy)
}

#[test]
fn a_host_in_maintenance_of_a_later_ring_does_not_hold_up_an_earlier_one() {
    let (fleet, policy) = one_in_maintenance();
    let it = planned(&fleet, &policy);
    assert!(["h1", "h2", "h3"].iter().all(|id| of(&it, id).outcome == Outcome::Planned));
    let begins = |id: &str| of(&it, id).start_s.unwrap();
    assert!(begins("h3") < begins("h1") && begins("h1") + 86_400 < begins("h2"), "{:?}", it.plan.waves);
}

#[test]
fn the_ring_of_a_host_in_maintenance_binds_as_soon_as_a_guest_goes_there() {
    let (fleet, policy) = one_in_maintenance();
    let mut plan = planned(&fleet, &policy).plan;
    let last = plan.steps.iter_mut().rev().find_map(|it| match &mut it.kind {
        StepKind::Migrate { to, .. } => Some(to),
        _ => None,
    });
    *last.unwrap() = fleet.hosts[2].id.clone();
    let report = lint(&fleet, &policy, &plan, &Options::default());
    assert!(
        report.findings.iter().any(|it| it.rule == Rule::RingOrder && it.severity == Severity::Error),
        "{report:?}"
    );
}

#[test]
fn no_guest_goes_to_a_host_that_was_in_maintenance_however_often_it_is_changed() {
    let (mut fleet, policy) = one_in_maintenance();
    let mut second = change("then", "8.0.3");
    second.after = vec!["go".to_owned()];
    planning(&mut fleet).changes.push(second);
    let it = planned(&fleet, &policy);
    let to_it = |it: &&Step| matches!(&it.kind, StepKind::Migrate { to, .. } if to.as_str() == "h3");
    assert!(it.plan.steps.iter().find(to_it).is_none(), "{:?}", it.plan.steps.iter().find(to_it));
    assert!(it.plan.steps.iter().any(|it| matches!(&it.kind, StepKind::Patch { to, .. } if to == "8.0.3")));
}

/// Of two hardware classes one has its canary by a host that was changed before; the host in maintenance is of that class and still has a guest.
#[test]
fn a_host_in_maintenance_with_guests_makes_room_for_the_canary_of_another_class() {
    let mut fleet = fleet(4);
    for (host, class) in fleet.hosts.iter_mut().zip(["new", "old", "old", "old"]) {
        host.model = Some(class.to_owned());
    }
    fleet.hosts[1].maintenance = Some(true);
    fleet.hosts[3].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    for host in ["h1", "h2", "h3"] {
        guest(&mut fleet, host, 8);
    }
    let it = planned(&fleet, &policy());
    let outcome = |id: &str| of(&it, id).outcome;
    assert!(["h1", "h2", "h3"].iter().all(|id| outcome(id) == Outcome::Planned), "{:?}", it.report.elements);
}

#[test]
fn a_host_in_maintenance_with_guests_is_the_canary_of_its_class_in_place_of_another() {
    let (mut fleet, policy) = one_in_maintenance();
    fleet.hosts[2].ring = Some("lab".to_owned());
    fleet.vms[0].host = Some(fleet.hosts[2].id.clone());
    let it = planned(&fleet, &policy);
    let begins = |id: &str| of(&it, id).start_s.unwrap();
    assert!(begins("h3") + 86_400 < begins("h1"), "{:?}", it.plan.waves);
    assert_eq!(it.plan.waves.iter().filter(|it| it.canary).count(), 1);
}

#[test]
fn a_guest_that_is_off_counts_under_no_limit_of_its_tenant() {
    let (mut fleet, mut policy) = one_in_maintenance();
    let owner = tenant(&mut fleet, "t");
    guest(&mut fleet, "h3", 8).tenant = Some(owner.clone());
    fleet.vms[0].tenant = Some(owner);
    policy.planning.most_away.per_cluster = 2;
    policy.planning.most_away.per_tenant = Some(1);
    let outcome = |fleet: &Fleet| of(&planned(fleet, &policy), "h1").outcome;
    assert_eq!(outcome(&fleet), Outcome::Blocked);
    fleet.vms[0].power = Some(PowerState::Off);
    assert_eq!(outcome(&fleet), Outcome::Planned);
}

/// Whether a guest goes to a host, or begins to run there again.
fn takes(it: &Step, id: &str) -> bool {
    match &it.kind {
        StepKind::Migrate { to, .. } => to.as_str() == id,
        StepKind::Start { host, .. } | StepKind::Resume { host, .. } => host.as_str() == id,
        _ => false,
    }
}

#[test]
fn a_home_that_was_in_maintenance_takes_none_of_its_guests_back() {
    let (mut fleet, mut policy) = one_in_maintenance();
    guest(&mut fleet, "h3", 8);
    policy.planning.homing = Homing::Home;
    let it = planned(&fleet, &policy);
    assert_eq!(of(&it, "h3").outcome, Outcome::Planned);
    assert!(!it.plan.steps.iter().any(|it| takes(it, "h3")), "{:?}", it.plan.steps);
    let told = not_home(&it);
    let of_it = told.iter().find(|it| it.place == "v003").unwrap();
    assert!(of_it.text.contains("not at home on h3: its home is in maintenance"), "{of_it:?}");
    fleet.hosts[2].maintenance = Some(false);
    let it = planned(&fleet, &policy);
    assert!(it.plan.steps.iter().any(|it| takes(it, "h3")) && not_home(&it).is_empty());
}

#[test]
fn no_guest_is_put_to_rest_on_a_host_in_maintenance_since_it_would_run_there_again() {
    let (mut fleet, policy) = one_in_maintenance();
    planning(&mut fleet).changes[0].elements = vec![ElementId::new("h3").unwrap()];
    let allowed = vec![Action::LiveMigrate, Action::Suspend, Action::PowerOff];
    guest(&mut fleet, "h3", 8).allowed_actions = allowed;
    consent(&mut fleet, Action::PowerOff, true);
    consent(&mut fleet, Action::Suspend, true);
    planning(&mut fleet).changes[0].methods = vec![Method::QuickBoot];
    // It would rather be suspended, and moves.
    let it = planned(&fleet, &policy);
    assert_eq!(of(&it, "h3").outcome, Outcome::Planned);
    assert!(!it.plan.steps.iter().any(|it| takes(it, "h3")), "{:?}", it.plan.steps);
    // Where it may do nothing else nobody changes its host.
    fleet.vms[2].allowed_actions = vec![Action::PowerOff];
    for method in [Method::QuickBoot, Method::EvacuateReboot, Method::PowerOff] {
        planning(&mut fleet).changes[0].methods = vec![method];
        let pinned =
            Reason::NoAllowedAction { vm: fleet.vms[2].id.clone(), pinned_by: "maintenance".to_owned() };
        assert_eq!(of(&planned(&fleet, &policy), "h3").reasons, [pinned], "{method:?}");
        let mut out = fleet.clone();
        out.hosts[2].maintenance = None;
        assert_eq!(of(&planned(&out, &policy), "h3").outcome, Outcome::Planned, "{method:?}");
    }
}

#[test]
fn the_lint_finds_guests_that_go_to_a_host_that_was_in_maintenance_after_it_was_verified() {
    let (mut fleet, mut policy) = one_in_maintenance();
    guest(&mut fleet, "h3", 8);
    policy.planning.homing = Homing::Home;
    for stops in [false, true] {
        if stops {
            fleet.vms[2].allowed_actions = vec![Action::PowerOff];
            consent(&mut fleet, Action::PowerOff, true);
        }
        // Nobody knew of the maintenance.
        fleet.hosts[2].maintenance = None;
        let plan = planned(&fleet, &policy).plan;
        assert!(plan.steps.iter().any(|it| takes(it, "h3")));
        fleet.hosts[2].maintenance = Some(true);
        let report = lint(&fleet, &policy, &plan, &Options::default());
        let found = report.findings.iter().find(|it| it.rule == Rule::Capacity).unwrap();
        let place = (found.severity, found.place.as_str());
        assert_eq!(place, (Severity::Error, "host h3"), "{report:?}");
        assert!(found.found.contains("in maintenance at the start"), "{found:?}");
    }
}

/// Six hosts of which the first two are in maintenance and empty, each other one with a guest.
fn two_in_maintenance() -> Fleet {
    let mut fleet = fleet(6);
    fleet.hosts[..2].iter_mut().for_each(|it| it.maintenance = Some(true));
    for host in ["h3", "h4", "h5", "h6"] {
        guest(&mut fleet, host, 8);
    }
    fleet
}

#[test]
fn hosts_that_were_away_at_the_start_excuse_nobody_once_they_are_back() {
    let (fleet, mut policy) = (two_in_maintenance(), policy());
    policy.planning.most_away.per_cluster = 2;
    let it = planned(&fleet, &policy);
    let at_once = |it: &Wave| it.elements.len() == 2 && it.elements.iter().all(|it| it.as_str() > "h2");
    let waves: Vec<&Wave> = it.plan.waves.iter().filter(|it| at_once(it)).collect();
    assert!(!waves.is_empty(), "{:?}", it.plan.waves);
    // Two were away at the start, and one may be.
    policy.planning.most_away.per_cluster = 1;
    let report = lint(&fleet, &policy, &it.plan, &Options::default());
    let errors = report.findings.iter().filter(|it| it.severity == Severity::Error);
    let errors: Vec<_> = errors.map(|it| (it.rule, it.found.as_str())).collect();
    assert_eq!(errors.len(), waves.len(), "{errors:?}");
    let two_away = |it: &(Rule, &str)| it.0 == Rule::MostAway && it.1.starts_with("2 hosts away");
    assert!(errors.iter().all(two_away), "{errors:?}");
}

#[test]
fn hosts_in_maintenance_do_not_keep_each_other_from_being_changed() {
    let mut fleet = two_in_maintenance();
    let it = planned(&fleet, &policy());
    let out: Vec<_> = it.report.elements.iter().filter(|it| it.outcome != Outcome::Planned).collect();
    assert!(out.is_empty(), "{out:?}");
    let begins = |id: &str| of(&it, id).start_s.unwrap();
    let back = begins("h1").max(begins("h2"));
    assert!(["h3", "h4", "h5", "h6"].iter().all(|id| begins(id) > back), "{:?}", it.plan.waves);
    // One of them that stays away uses the limit up for all that are not.
    fleet.hosts[0].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "h2").outcome, Outcome::Planned);
    assert!(matches!(&of(&it, "h3").reasons[..], [Reason::MostAway { away, .. }] if away.len() == 1));
}
