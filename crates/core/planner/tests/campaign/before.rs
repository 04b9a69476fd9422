//! What held at the start, and what did not: neither is made worse, and planner and lint mean the same by it.

use underpin_model::fleet::AffinityKind;
use underpin_model::id::ElementId;
use underpin_model::plan::{Outcome, Reason};

use super::build::{fleet, guest, of, planned, planning, policy};
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
