//! What held at the start, and what did not: neither is made worse, and planner and lint mean the same by it.

use underpin_model::fleet::{AffinityKind, PowerState};
use underpin_model::id::ElementId;
use underpin_model::plan::{Outcome, Reason};

use std::collections::BTreeMap;

use underpin_lint::{Options, lint};
use underpin_model::fleet::Fleet;
use underpin_model::plan::{Rule, Severity};
use underpin_model::policy::{FailureSets, Policy};
use underpin_planner::campaign::{Planned, plan};

use super::build::{fleet, guest, of, planned, planning, policy, request};
use super::rules::rule;

#[test]
fn who_must_be_with_a_guest_that_nobody_could_restart_keeps_its_own_place() {
    let outcome = |gib: u64| {
        let mut fleet = fleet(3);
        for (host, gib) in [("h1", 1), ("h1", gib), ("h2", 13), ("h3", 65)] {
            guest(&mut fleet, host, gib);
        }
        fleet.hosts[0].capacity.as_mut().unwrap().memory_mib = Some(120 * 1024);
        // The first is lost with h1 whatever the plan does; the second need not be.
        fleet.affinities = vec![
            rule(AffinityKind::Together, &["v001", "v002"], &[]),
            rule(AffinityKind::OnHosts, &["v001"], &["h1"]),
        ];
        let it = planned(&fleet, &policy());
        let lost = it.report.standing.iter().find(|it| it.place == "h1");
        assert!(lost.is_some_and(|it| it.text.contains("no place was found for 1 ")), "{lost:?}");
        of(&it, "h2").clone()
    };
    let tight = outcome(30);
    assert_eq!(tight.outcome, Outcome::Blocked);
    assert!(matches!(tight.reasons[..], [Reason::Short { reserve: true, .. }]), "{tight:?}");
    assert_eq!(outcome(10).outcome, Outcome::Planned);
}

#[test]
fn places_that_only_a_careful_search_finds_held_at_the_start_as_well() {
    // On 36 and 48 GiB there is room for these, and for nothing else; by the largest first, fullest or emptiest host, there is not.
    let outcome = |gib: u64| {
        let mut fleet = fleet(4);
        for (host, gib) in [("h1", 18), ("h1", 18), ("h1", 24), ("h1", 24), ("h2", 64), ("h3", 52)] {
            guest(&mut fleet, host, gib);
        }
        fleet.hosts[3].capacity.as_mut().unwrap().memory_mib = Some(4096);
        if gib > 0 {
            guest(&mut fleet, "h4", gib);
        }
        planning(&mut fleet).changes[0].elements = vec![ElementId::new("h4").unwrap()];
        let it = planned(&fleet, &policy());
        assert!(it.report.standing.iter().all(|it| it.place != "h1"), "{:?}", it.report.standing);
        of(&it, "h4").clone()
    };
    let tight = outcome(2);
    assert_eq!(tight.outcome, Outcome::Blocked);
    assert!(matches!(tight.reasons[..], [Reason::Short { reserve: true, .. }]), "{tight:?}");
    assert_eq!(outcome(0).outcome, Outcome::Planned);
}

/// Hosts of so many GiB, of which `h1` alone is to be changed.
fn hosts_of(gib: &[u64]) -> Fleet {
    let mut fleet = fleet(gib.len());
    for (host, gib) in fleet.hosts.iter_mut().zip(gib) {
        host.capacity.as_mut().unwrap().memory_mib = Some(gib * 1024);
    }
    planning(&mut fleet).changes[0].elements = vec![ElementId::new("h1").unwrap()];
    fleet
}

/// A plan that keeps no reserve, and whether the lint finds that it makes one worse that was broken.
fn without_reserve(fleet: &Fleet) -> (Planned, bool) {
    let mut none = policy();
    none.planning.failure_sets = FailureSets::None;
    let loss = BTreeMap::new();
    let it = plan(&request(fleet, &none, &loss)).unwrap();
    let report = lint(fleet, &Policy::default(), &it.plan, &Options::default());
    let worse =
        report.findings.iter().any(|it| it.rule == Rule::Restartability && it.severity == Severity::Error);
    (it, worse)
}

#[test]
fn of_a_reserve_that_lacked_before_the_fewest_that_are_lost_are_counted() {
    // Should h2 fail, six of its guests find room on h3, and the large one does not. Largest first, six would be lost at once.
    let case = |small: usize| {
        let mut fleet = hosts_of(&[10, 33, 12]);
        guest(&mut fleet, "h2", 12);
        for _ in 0..small {
            guest(&mut fleet, "h2", 2);
        }
        guest(&mut fleet, "h1", 10);
        fleet
    };
    let worse = case(6);
    let it = planned(&worse, &policy());
    assert_eq!(of(&it, "h1").outcome, Outcome::Blocked);
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::Short { reserve: true, .. }]), "{it:?}");
    let lost = it.report.standing.iter().find(|it| it.place == "h2");
    assert!(lost.is_some_and(|it| it.text.contains("no place was found for 1 ")), "{lost:?}");
    let (it, found) = without_reserve(&worse);
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned);
    assert!(found, "one was lost and six would be");

    // With one small guest, and room for it beside the one that moves, as many are lost as were.
    let same = case(1);
    assert_eq!(of(&planned(&same, &policy()), "h1").outcome, Outcome::Planned);
    assert!(!without_reserve(&same).1);
}

/// h3 has too few huge pages for the guest that is suspended there, and room for all who need none.
#[test]
fn what_a_guest_needs_nothing_of_may_be_short_where_it_restarts() {
    let mut fleet = fleet(3);
    let sleeps = guest(&mut fleet, "h3", 1);
    (sleeps.power, sleeps.hugepages_mib) = (Some(PowerState::Suspended), Some(1024));
    guest(&mut fleet, "h2", 1);
    guest(&mut fleet, "h1", 1);
    planning(&mut fleet).changes[0].elements = vec![ElementId::new("h2").unwrap()];
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "h2").outcome, Outcome::Planned, "{:?}", of(&it, "h2"));
}

/// h3 has too few huge pages for the guest that runs there. One of the two on h1, which must be apart and are not, can restart on it, and
/// does so at every moment of the plan.
#[test]
fn what_is_short_on_a_host_from_the_start_takes_no_place_of_those_who_need_none_of_it() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h3", 1).hugepages_mib = Some(1024);
    for _ in 0..2 {
        guest(&mut fleet, "h1", 1);
    }
    fleet.affinities = vec![rule(AffinityKind::Apart, &["v002", "v003"], &[])];
    for host in ["h2", "h3"] {
        planning(&mut fleet).changes[0].elements = vec![ElementId::new(host).unwrap()];
        let it = planned(&fleet, &policy());
        // Both places are needed: h2 is the only other one of them.
        assert_eq!(of(&it, host).outcome, Outcome::Blocked, "{:?}", of(&it, host));
    }
}
