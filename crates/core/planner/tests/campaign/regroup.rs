//! Guests of other hosts that move so that the reserve for a failure holds.

use underpin_model::fleet::{AffinityKind, Fleet};
use underpin_model::plan::{Outcome, Reason, StepKind};
use underpin_model::policy::{Placing, Policy};

use super::build::{fleet, guest, of, planned, policy};
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
