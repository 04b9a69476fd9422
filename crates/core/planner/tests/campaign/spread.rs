//! Guests of a wave over the links of their targets.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::Target;
use underpin_model::fleet::{AffinityKind, Capacity, Fleet};
use underpin_model::plan::{Outcome, Plan, StepKind};
use underpin_model::policy::{Homing, Policy};
use underpin_planner::campaign::{Planned, Request, plan};

use super::build::{clean, fleet, guest, planning, policy, request};
use super::rules::rule;

/// Hosts of which the first ones are changed, at once, with so many guests on each.
fn leavers(hosts: usize, changed: usize, guests: usize, gib: u64) -> (Fleet, Policy) {
    let mut fleet = fleet(hosts);
    for number in 1..=changed {
        for _ in 0..guests {
            guest(&mut fleet, &format!("h{number}"), gib);
        }
    }
    let elements = (1..=changed).map(|it| underpin_model::id::ElementId::new(format!("h{it}")).unwrap());
    planning(&mut fleet).changes[0].elements = elements.collect();
    let mut policy = policy();
    policy.planning.canaries_per_class = 0;
    policy.planning.release_diversity = false;
    policy.planning.most_away.per_cluster = changed as u32;
    (fleet, policy)
}

fn with(fleet: &Fleet, policy: &Policy, evaluations: u64) -> Planned {
    let loss = BTreeMap::new();
    let it = plan(&Request { evaluations, ..request(fleet, policy, &loss) }).unwrap();
    clean(fleet, policy, &it.plan);
    it
}

fn targets(plan: &Plan) -> BTreeSet<&str> {
    let to = plan.steps.iter().filter_map(|it| match &it.kind {
        StepKind::Migrate { to, .. } => Some(to.as_str()),
        _ => None,
    });
    to.collect()
}

/// The plan with a budget ends earlier than the one without, with as many hosts, waves and moves, and uses so many targets.
fn ends_earlier(fleet: &Fleet, policy: &Policy, used: usize) {
    let (packed, spread) = (with(fleet, policy, 0), with(fleet, policy, 8));
    let figures = |it: &Planned| (it.report.bounds.waves, it.report.moves.moves);
    assert_eq!(figures(&packed), figures(&spread));
    let ends = |it: &Planned| it.plan.end_s();
    assert!(ends(&spread) + 60 < ends(&packed), "{} and {}", ends(&spread), ends(&packed));
    assert!(targets(&packed.plan).len() < used);
    assert_eq!(targets(&spread.plan).len(), used);
}

#[test]
fn hosts_that_leave_at_once_go_to_targets_of_their_own() {
    // Three hosts into two targets: one of these receives twice as much as any of them sends.
    let (fleet, policy) = leavers(6, 3, 4, 12);
    ends_earlier(&fleet, &policy, 3);
}

#[test]
fn a_host_with_a_wide_link_fills_several_narrow_ones() {
    let (mut fleet, policy) = leavers(5, 1, 6, 15);
    fleet.hosts[0].migration.as_mut().unwrap().bandwidth_mbps = Some(40_000);
    ends_earlier(&fleet, &policy, 4);
}

#[test]
fn a_later_wave_spreads_over_hosts_that_are_done() {
    // Both waves take three hosts; the second finds three that are done and empty.
    let (fleet, mut policy) = leavers(9, 6, 4, 8);
    policy.planning.most_away.per_cluster = 3;
    let (packed, spread) = (with(&fleet, &policy, 0), with(&fleet, &policy, 8));
    assert!(packed.report.moves.moves >= spread.report.moves.moves);
    assert_eq!((packed.plan.waves.len(), spread.plan.waves.len()), (2, 2));
    let length = |it: &Planned| it.plan.waves[1].end_s - it.plan.waves[1].start_s;
    assert!(length(&spread) + 60 < length(&packed), "{} and {}", length(&spread), length(&packed));
}

#[test]
fn a_search_finds_targets_from_which_more_hosts_can_be_changed() {
    let mut fleet = fleet(4);
    planning(&mut fleet).changes[0].to =
        Target::Setting { name: "smt".to_owned(), value: "off".to_owned(), reboot: true };
    for (host, memory_mib) in fleet.hosts.iter_mut().zip([None, Some(196_608), None, Some(262_144)]) {
        host.ring = None;
        host.capacity =
            memory_mib.map(|it| Capacity { vcpus: Some(96), memory_mib: Some(it), ..Capacity::default() });
    }
    for host in ["h1", "h3", "h4"] {
        guest(&mut fleet, host, 8);
    }
    for vm in &mut fleet.vms[1..] {
        (vm.memory_mib, vm.vcpus) = (None, None);
        vm.allowed_actions.clear();
    }
    fleet.affinities = vec![
        rule(AffinityKind::Apart, &["v002", "v003"], &[]),
        rule(AffinityKind::Apart, &["v001", "v002"], &[]),
    ];
    let mut policy = policy();
    policy.planning.most_away.per_cluster = 2;
    policy.planning.homing = Homing::Home;
    let loss = BTreeMap::new();
    let left = |evaluations| {
        let it = plan(&Request { evaluations, ..request(&fleet, &policy, &loss) }).unwrap();
        clean(&fleet, &policy, &it.plan);
        it.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked).count()
    };
    assert_eq!((left(0), left(64)), (4, 3));
}
