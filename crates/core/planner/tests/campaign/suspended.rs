//! Suspended guests: they keep their memory where they are.

use underpin_model::change::Method;
use underpin_model::fleet::{Action, Affinity, AffinityKind, Capacity, Fleet, PowerState, Strength};
use underpin_model::plan::{Outcome, Reason, StepKind};
use underpin_model::policy::FailureSets;

use super::build::{consent, fleet, guest, of, planned, planning, policy};
use super::rules::rule;

/// Three hosts of 96 GiB, the last of 192; all of its 40 GiB would be lost with it while `h1` is away, since `h2` carries 60 GiB.
fn short_by_four() -> Fleet {
    let mut fleet = fleet(3);
    for (host, gib) in fleet.hosts.iter_mut().zip([96, 96, 192]) {
        host.capacity =
            Some(Capacity { vcpus: Some(64), memory_mib: Some(gib * 1024), ..Capacity::default() });
    }
    guest(&mut fleet, "h1", 20);
    guest(&mut fleet, "h2", 40).allowed_actions.clear();
    for gib in [8, 24, 8, 16] {
        guest(&mut fleet, "h3", gib).allowed_actions.clear();
    }
    fleet.vms[5].power = Some(PowerState::Suspended);
    fleet
}

#[test]
fn a_rule_with_a_suspended_guest_does_not_write_the_others_off() {
    let mut fleet = short_by_four();
    fleet.affinities.push(rule(AffinityKind::Together, &["v003", "v004", "v006"], &[]));
    let it = planned(&fleet, &policy());
    // A failure starts the others elsewhere, without it.
    assert!(it.report.standing.is_empty(), "{:?}", it.report.standing);
    let first = of(&it, "h1");
    assert_eq!(first.outcome, Outcome::Blocked, "{first:?}");
}

#[test]
fn a_host_that_a_change_shrinks_still_holds_its_suspended_guests() {
    let mut fleet = fleet(2);
    guest(&mut fleet, "h1", 32).allowed_actions.clear();
    guest(&mut fleet, "h1", 8).power = Some(PowerState::Suspended);
    let change = &mut planning(&mut fleet).changes[0];
    change.methods = vec![Method::LivePatch];
    change.capacity_after = Some(Capacity { memory_mib: Some(36 * 1024), ..Capacity::default() });
    let mut policy = policy();
    policy.planning.failure_sets = FailureSets::None;
    let it = planned(&fleet, &policy);
    let short = Reason::Short { resource: "memory_mib".to_owned(), short: 4096, reserve: false };
    assert_eq!(of(&it, "h1").reasons, [short]);
    assert_eq!(of(&it, "h2").outcome, Outcome::Planned);
    planning(&mut fleet).changes[0].capacity_after.as_mut().unwrap().memory_mib = Some(40 * 1024);
    assert_eq!(of(&planned(&fleet, &policy), "h1").outcome, Outcome::Planned);
}

#[test]
fn a_suspended_guest_counts_in_rules_that_must_hold() {
    for kind in [AffinityKind::Apart, AffinityKind::Together] {
        let mut fleet = fleet(4);
        let own = guest(&mut fleet, "h1", 8).id.clone();
        let other = guest(&mut fleet, if kind == AffinityKind::Apart { "h2" } else { "h1" }, 60);
        other.power = Some(PowerState::Suspended);
        let other = other.id.clone();
        fleet.affinities.push(Affinity {
            kind,
            strength: Strength::Must,
            vms: vec![own.clone(), other],
            hosts: Vec::new(),
        });
        let it = planned(&fleet, &policy());
        let to: Vec<&str> = it
            .plan
            .steps
            .iter()
            .filter_map(|step| match &step.kind {
                StepKind::Migrate { vm, to, .. } if *vm == own => Some(to.as_str()),
                _ => None,
            })
            .collect();
        match kind {
            AffinityKind::Apart => assert!(!to.is_empty() && !to.contains(&"h2"), "{to:?}"),
            _ => assert!(to.is_empty(), "{to:?}"),
        }
    }
}

#[test]
fn a_full_reboot_takes_no_suspended_guest_with_it() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8).power = Some(PowerState::Suspended);
    guest(&mut fleet, "h2", 8).allowed_actions = vec![Action::Suspend];
    consent(&mut fleet, Action::Suspend, true);
    let it = planned(&fleet, &policy());
    assert!(
        matches!(&of(&it, "h1").reasons[..], [Reason::NoAllowedAction { pinned_by, .. }] if pinned_by == "suspended"),
        "{:?}",
        of(&it, "h1").reasons
    );
    // Nor is a guest suspended for one.
    assert_eq!(of(&it, "h2").outcome, Outcome::Blocked);
    planning(&mut fleet).changes[0].methods = vec![Method::QuickBoot];
    let it = planned(&fleet, &policy());
    assert_eq!((of(&it, "h1").outcome, of(&it, "h2").outcome), (Outcome::Planned, Outcome::Planned));
}

/// Guests that are to be with one that is suspended: where their host fails, each may start elsewhere, and only those that are to
/// be with each other must find room on one host, here 12 GiB on the fourth.
#[test]
fn who_is_suspended_ties_nobody_who_runs() {
    let text = r#"{"format": "underpin/fleet/1", "name": "tied", "seen": {"at": "2026-03-02T00:00:00Z", "by": "hand"}, "clusters": [{"id": "one"}],
        "hosts": [{"id": "h1", "cluster": "one"}, {"id": "h2", "cluster": "one", "ring": "test"},
            {"id": "h3", "cluster": "one", "capacity": {"vcpus": 128, "memory_mib": 196608, "hugepages_mib": 16384}},
            {"id": "h4", "cluster": "one", "capacity": {"vcpus": 128, "memory_mib": 98304, "hugepages_mib": 16384}}],
        "vms": [{"id": "a", "host": "h1", "memory_mib": 4096}, {"id": "b", "host": "h1", "memory_mib": 8192},
            {"id": "c", "host": "h1", "memory_mib": 4096}, {"id": "d", "host": "h1", "power": "suspended"},
            {"id": "e", "host": "h2", "vcpus": 2, "memory_mib": 8192, "allowed_actions": ["live-migrate"], "hugepages_mib": 4096},
            {"id": "f", "host": "h2", "vcpus": 2, "memory_mib": 16384, "allowed_actions": ["live-migrate"]},
            {"id": "g", "host": "h2", "vcpus": 4, "memory_mib": 8192, "allowed_actions": ["live-migrate"]},
            {"id": "h", "host": "h2", "vcpus": 1, "memory_mib": 16384, "allowed_actions": ["live-migrate"], "hugepages_mib": 4096},
            {"id": "i", "host": "h4", "memory_mib": 4096}, {"id": "j", "host": "h4", "memory_mib": 8192},
            {"id": "k", "host": "h4", "memory_mib": 8192}, {"id": "l", "host": "h4", "memory_mib": 24576}],
        "affinities": [{"kind": "together", "strength": "must", "vms": ["a", "d"]}, {"kind": "together", "strength": "must", "vms": ["d", "c"]},
            {"kind": "together", "strength": "must", "vms": ["c", "b"]},
            {"kind": "on-hosts", "strength": "must", "vms": ["b"], "hosts": ["h1", "h4"]}],
        "planning": {"changes": [{"id": "go", "to": {"release": {"release": "8.0.3"}}, "methods": ["quick-boot", "evacuate-reboot"]}]}}"#;
    let fleet = underpin_model::fleet::read(text.as_bytes()).unwrap().fleet;
    let mut policy = policy();
    policy
        .rings
        .insert(0, underpin_model::policy::Ring { name: "test".to_owned(), ..policy.rings[0].clone() });
    let it = planned(&fleet, &policy);
    assert_eq!(of(&it, "h2").outcome, Outcome::Planned, "{:?}", it.report.elements);
}
