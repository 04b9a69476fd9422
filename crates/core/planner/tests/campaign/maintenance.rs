//! Hosts that are in maintenance when a plan begins: away, and nobody goes there.

use underpin_lint::{Options, lint};
use underpin_model::fleet::{Fleet, PowerState};
use underpin_model::plan::{Outcome, Rule, Severity, StepKind};
use underpin_model::policy::{FailureSets, Policy, Ring};
use underpin_model::quantity::Days;

use super::build::{change, fleet, guest, of, planned, planning, policy, tenant};

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
    let to_it = |it: &&underpin_model::plan::Step| matches!(&it.kind, StepKind::Migrate { to, .. } if to.as_str() == "h3");
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
