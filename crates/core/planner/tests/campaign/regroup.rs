//! Guests of other hosts that move so that the reserve for a failure holds.

use std::collections::BTreeMap;

use underpin_model::fleet::{AffinityKind, Fleet};
use underpin_model::plan::{Outcome, Reason, StepKind};
use underpin_model::policy::{Placing, Policy};
use underpin_planner::campaign::{Request, plan};

use super::build::{clean, fleet, guest, of, planned, policy, request};
use super::rules::rule;

/// Four hosts; the guest of the third, which is to be changed first, must be apart from those of the first and the last.
fn apart() -> (Fleet, Policy) {
    let mut fleet = fleet(4);
    for host in ["h1", "h3", "h4"] {
        guest(&mut fleet, host, 8);
    }
    fleet.affinities = vec![
        rule(AffinityKind::Apart, &["v001", "v002"], &[]),
        rule(AffinityKind::Apart, &["v002", "v003"], &[]),
    ];
    fleet.hosts[2].ring = Some("test".to_owned());
    let mut policy = policy();
    policy
        .rings
        .insert(0, underpin_model::policy::Ring { name: "test".to_owned(), ..policy.rings[0].clone() });
    (fleet, policy)
}

#[test]
fn others_move_together_so_that_a_guest_that_is_apart_can_be_restarted() {
    let (fleet, policy) = apart();
    let it = planned(&fleet, &policy);
    let outcomes: Vec<Outcome> = it.report.elements.iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes, [Outcome::Planned; 4], "{:?}", it.report.elements);
    // Of the first wave: one of the two others joins the other one, and only then the host is emptied.
    let moves = it.plan.steps.iter().filter(|it| it.wave == 1).filter_map(|step| match &step.kind {
        StepKind::Migrate { vm, from, to, .. } => {
            Some((vm.as_str(), from.as_str(), to.as_str(), step.start_s, step.end_s()))
        }
        _ => None,
    });
    let moves: Vec<_> = moves.collect();
    let [first, second] = moves[..] else { panic!("{moves:?}") };
    assert_eq!((first.0, first.1, first.2), ("v001", "h1", "h4"));
    assert_eq!((second.0, second.1), ("v002", "h3"));
    assert!(first.4 <= second.3, "{moves:?}");
}

#[test]
fn a_platform_that_places_moves_no_guests_of_other_hosts() {
    let (fleet, mut policy) = apart();
    policy.planning.placing = Placing::PlatformPlaces;
    let it = planned(&fleet, &policy);
    let reasons = &of(&it, "h3").reasons;
    assert!(
        matches!(&reasons[..], [Reason::NoPlaceAfterFailure { vm }] if vm.as_str() == "v002"),
        "{reasons:?}"
    );
}

/// A cluster of hosts of so many GiB, and its guests, each on a host and of so many GiB.
fn small(hosts: &[u64], guests: &[(&str, u64)]) -> Fleet {
    let mut it = fleet(hosts.len());
    for (host, gib) in it.hosts.iter_mut().zip(hosts) {
        host.capacity.as_mut().unwrap().memory_mib = Some(gib * 1024);
    }
    for (host, gib) in guests {
        guest(&mut it, host, *gib);
    }
    it
}

/// Hosts that a plan that is searched for changes, and who of other hosts moves in its first wave.
fn done(fleet: &Fleet) -> (Vec<String>, Vec<String>) {
    let (policy, loss) = (policy(), BTreeMap::new());
    let it = plan(&Request { evaluations: 64, ..request(fleet, &policy, &loss) }).unwrap();
    clean(fleet, &policy, &it.plan);
    let planned = it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned);
    let planned: Vec<String> = planned.map(|it| it.element.to_string()).collect();
    let first = it.plan.waves.first().map(|it| it.elements.clone()).unwrap_or_default();
    let moves = it.plan.steps.iter().filter(|it| it.wave == 1).filter_map(|step| match &step.kind {
        StepKind::Migrate { vm, from, .. } => {
            let other = first.iter().all(|it| it.as_str() != from.as_str());
            other.then(|| vm.to_string())
        }
        _ => None,
    });
    (planned, moves.collect())
}

/// The host of the first guest has room for it until its own guests have gone there: only then is nobody left who could take v004.
#[test]
fn others_move_for_those_who_find_no_place_once_the_guests_of_a_host_have_gone() {
    let guests = [("h4", 24), ("h3", 16), ("h2", 4), ("h1", 24), ("h2", 12)];
    let fleet = small(&[48, 32, 48, 32], &guests);
    let (planned, moved) = done(&fleet);
    assert_eq!(planned, ["h2", "h4"]);
    assert_eq!(moved, ["v002"]);
}

/// v001 may be on h3 and h4 alone, and finds room on h3 until v002 goes there, which must be apart from v003.
#[test]
fn others_move_for_those_who_are_bound_to_a_host_that_takes_guests() {
    let guests = [("h4", 12), ("h1", 8), ("h4", 24), ("h3", 8), ("h3", 8)];
    let mut fleet = small(&[64, 64, 32, 48], &guests);
    fleet.affinities = vec![
        rule(AffinityKind::Apart, &["v002", "v003"], &[]),
        rule(AffinityKind::OnHosts, &["v001"], &["h3", "h4"]),
    ];
    let (planned, moved) = done(&fleet);
    assert_eq!(planned, ["h1", "h2"]);
    assert_eq!(moved.len(), 1, "{moved:?}");
}
