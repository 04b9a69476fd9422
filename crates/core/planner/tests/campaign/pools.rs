//! Pools whose coordinator comes first, and what becomes of them where it cannot.

use std::collections::BTreeMap;

use proptest::prelude::*;
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, AffinityKind, Fleet, ManagementPlane};
use underpin_model::id::{ElementId, FaultDomainId, ManagementPlaneId};
use underpin_model::plan::{Outcome, Reason};
use underpin_model::policy::{Policy, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{plan, with_spare_hosts};

use super::build::{array_of_two_controllers, clean, fleet, guest, of, planned, planning, policy, request};
use super::rules::rule;

/// Makes a fleet's hosts a pool, with one of them as its coordinator.
fn pool(fleet: &mut Fleet, coordinator: usize) {
    for host in &mut fleet.hosts {
        host.platform.as_mut().unwrap().family = Family::XcpNg;
    }
    let mut plane = ManagementPlane::new(ManagementPlaneId::new("pool").unwrap());
    plane.platform = Some(Family::XcpNg);
    plane.runs_on = Some(vec![fleet.hosts[coordinator].id.clone()]);
    fleet.clusters[0].managed_by = vec![plane.id.clone()];
    fleet.management_planes.push(plane);
}

fn ring(name: &str, soak: f64) -> Ring {
    Ring { name: name.to_owned(), soak: Days::new(soak).unwrap() }
}

#[test]
fn who_waits_for_a_coordinator_that_cannot_be_done_is_left_out_with_it() {
    let mut fleet = fleet(2);
    pool(&mut fleet, 0);
    fleet.hosts[1].model = Some("R2".to_owned());
    // One of two that must be together may only be suspended: that is found as the host is emptied.
    guest(&mut fleet, "h1", 4);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::Suspend];
    fleet.affinities.push(rule(AffinityKind::Together, &["v001", "v002"], &[]));
    let it = planned(&fleet, &policy());
    assert!(it.plan.waves.is_empty(), "{:?}", it.plan.waves);
    assert!(!of(&it, "h1").reasons.is_empty());
    let element = ElementId::new("h1").unwrap();
    assert_eq!(of(&it, "h2").reasons, [Reason::EarlierChange { change: "go".to_owned(), element }]);
}

#[test]
fn a_host_whose_window_opens_before_that_of_its_coordinator_waits() {
    let mut fleet = fleet(3);
    pool(&mut fleet, 2);
    let scope = |host: usize| underpin_model::policy::Scope {
        hosts: vec![fleet.hosts[host].id.clone()],
        ..Default::default()
    };
    let mut policy = policy();
    policy.planning.window = vec![super::time::window(scope(2), Vec::new(), 20, 180)];
    let it = planned(&fleet, &policy);
    assert_eq!(it.plan.waves[0].elements[0].as_str(), "h3");
}

#[test]
fn canaries_of_a_later_ring_hold_nobody_of_a_late_pool_back() {
    let mut fleet = fleet(3);
    pool(&mut fleet, 2);
    for (host, (ring, model)) in
        fleet.hosts.iter_mut().zip([("test", "A"), ("production", "B"), ("production", "A")])
    {
        (host.ring, host.model) = (Some(ring.to_owned()), Some(model.to_owned()));
    }
    let policy = Policy { rings: vec![ring("test", 1.0), ring("production", 0.1)], ..policy() };
    let it = planned(&fleet, &policy);
    let order: Vec<&str> = it.plan.waves.iter().map(|it| it.elements[0].as_str()).collect();
    assert_eq!(order, ["h3", "h1", "h2"]);
    // The other way round the lint says which wave it is about.
    let mut turned = it.plan.clone();
    for wave in turned.waves.iter_mut().filter(|it| it.elements[0].as_str() == "h1") {
        wave.soak_until_s += 864_000;
    }
    let report = underpin_lint::lint(&fleet, &policy, &turned, &underpin_lint::Options::default());
    assert!(!report.is_clean());
}

#[test]
fn a_host_more_fails_with_no_other() {
    let mut fleet = fleet(2);
    for host in &mut fleet.hosts {
        host.fault_domains = vec![FaultDomainId::new("rack").unwrap()];
    }
    let cluster = fleet.clusters[0].id.clone();
    assert!(with_spare_hosts(&mut fleet, &cluster, 2));
    assert!(fleet.hosts[2..].iter().all(|it| it.fault_domains.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Coordinators in any ring, storage with two controllers before or after the hosts.
    #[test]
    fn every_plan_of_pools_is_clean(
        (mut fleet, mut policy) in super::laws::random(),
        coordinator in 0..7_usize,
        rings in prop::collection::vec(0..3_usize, 7),
        array in 0..3_u8,
    ) {
        let coordinator = coordinator % fleet.hosts.len();
        pool(&mut fleet, coordinator);
        let names = ["test", "development", "production"];
        policy.rings = names.iter().zip([0.5, 1.0, 0.1]).map(|(name, soak)| ring(name, soak)).collect();
        for (host, ring) in fleet.hosts.iter_mut().zip(rings) {
            host.ring = Some(names[ring].to_owned());
        }
        if array > 0 {
            array_of_two_controllers(&mut fleet);
        }
        if array == 2 {
            planning(&mut fleet).changes[1].after = vec!["go".to_owned()];
        }
        let loss = BTreeMap::new();
        let it = plan(&request(&fleet, &policy, &loss)).unwrap();
        clean(&fleet, &policy, &it.plan);
        let bounds = &it.report.bounds;
        prop_assert!(bounds.makespan_s >= bounds.makespan_at_least_s, "{bounds:?}");
        prop_assert!(bounds.moves >= bounds.moves_at_least, "{bounds:?}");
        prop_assert!(bounds.waves >= bounds.waves_at_least, "{bounds:?}");
        for element in &it.report.elements {
            prop_assert!(element.outcome == Outcome::Planned || !element.reasons.is_empty(), "{element:?}");
        }
    }
}
