//! The law of what would unblock: acted out on the whole fleet, as `plan what-if` does, it gains what it says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use underpin_model::fleet::{Action, Cluster, Fleet, Lock, LockKind};
use underpin_model::id::{ClusterId, ElementId, HostId, VmId};
use underpin_model::plan::{Counterfactual, Outcome, Relaxation, Trial};
use underpin_model::policy::{Policy, Scope};
use underpin_planner::campaign::{Request, plan, relax, with_spare_hosts};

use super::build::{consent, fleet, guest, host, planning, policy, request, tenant};
use super::laws::random;

/// Something that stands in the way.
fn trouble(fleet: &mut Fleet, policy: &mut Policy, kind: u8, at: usize, owner: usize) {
    let owner = ["a", "b", "c"][owner];
    let some = at % fleet.vms.len().max(1);
    match kind {
        0..=2 => {
            let tenant = tenant(fleet, owner);
            consent(
                fleet,
                [Action::PowerOff, Action::Suspend, Action::ColdMigrate][usize::from(kind)],
                false,
            );
            let vm = fleet.vms.get(some).map(|it| it.id.clone());
            let no = planning(fleet).consents.last_mut().unwrap();
            match at % 3 {
                0 => no.tenants = vec![tenant],
                1 => no.vms = vm.into_iter().collect(),
                _ => {}
            }
        }
        3 => {
            if let Some(vm) = fleet.vms.get_mut(some) {
                vm.locks = vec![Lock { kind: LockKind::Backup, expires: None }];
            }
        }
        4 => fleet.clusters[0].degraded = Some(true),
        5 => {
            if let Some(vm) = fleet.vms.get_mut(some) {
                vm.allowed_actions =
                    [vec![], vec![Action::PowerOff], vec![Action::ColdMigrate, Action::PowerOff]][at % 3]
                        .clone();
            }
        }
        6 => planning(fleet).consents.clear(),
        7 => {
            let tenants = vec![tenant(fleet, owner)];
            let scope = Scope { tenants, ..Scope::default() };
            policy.planning.window.push(super::time::window(scope, Vec::new(), 2, 2 + (at % 60) as u32));
        }
        8 => {
            if let Some(vm) = fleet.vms.get_mut(some) {
                vm.dirty_rate_mib_s = Some(3000.0);
            }
        }
        // Half of the hosts are of a cluster of their own.
        _ => {
            fleet.clusters.push(Cluster::new(ClusterId::new("d").unwrap()));
            for it in fleet.hosts.iter_mut().skip(1).step_by(2) {
                it.cluster = Some(ClusterId::new("d").unwrap());
            }
            fleet.hosts.push(host("h9", "d"));
        }
    }
}

/// All of it; the cluster is split once at most.
fn make_trouble(fleet: &mut Fleet, policy: &mut Policy, troubles: Vec<(u8, usize, usize)>) {
    let mut split = false;
    for (kind, at, owner) in troubles {
        if kind < 9 || !std::mem::replace(&mut split, true) {
            trouble(fleet, policy, kind, at, owner);
        }
    }
}

fn outcomes(fleet: &Fleet, policy: &Policy, evaluations: u64) -> (BTreeSet<ElementId>, Vec<Counterfactual>) {
    let loss = BTreeMap::new();
    let it = plan(&Request { evaluations, ..request(fleet, policy, &loss) }).unwrap();
    let planned = it.report.elements.into_iter().filter(|it| it.outcome == Outcome::Planned);
    (planned.map(|it| it.element).collect(), it.report.counterfactuals)
}

/// As the flags of `plan what-if` say it: one guest, one host at a time.
fn said(it: &Relaxation) -> Vec<Relaxation> {
    match it {
        Relaxation::Consent { tenant, action, vms } => {
            let one = |vm: &VmId| Relaxation::Consent {
                tenant: tenant.clone(),
                action: *action,
                vms: vec![vm.clone()],
            };
            vms.iter().map(one).collect()
        }
        Relaxation::OpenWindow { tenant: None, hosts, planes, minutes } if planes.is_empty() => {
            let one = |host: &HostId| Relaxation::OpenWindow {
                tenant: None,
                hosts: vec![host.clone()],
                planes: Vec::new(),
                minutes: *minutes,
            };
            hosts.iter().map(one).collect()
        }
        other => vec![other.clone()],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_tried_gains_on_the_whole_fleet_exactly_what_it_says(
        (mut fleet, mut policy) in random(),
        troubles in prop::collection::vec((0..10_u8, 0..30_usize, 0..3_usize), 1..5),
        evaluations in 0..6_u64,
    ) {
        make_trouble(&mut fleet, &mut policy, troubles);
        let (before, ways) = outcomes(&fleet, &policy, evaluations);
        for way in ways.iter().filter(|it| it.trial == Trial::Enough) {
            let relaxed = [&way.relaxation].into_iter().chain(way.also.as_ref().map(|it| &it.relaxation));
            let (mut fleet, mut policy) = (fleet.clone(), policy.clone());
            for it in relaxed.flat_map(said) {
                prop_assert!(relax(&it, &mut fleet, &mut policy), "{it:?}");
            }
            let after = outcomes(&fleet, &policy, evaluations).0;
            let old = |it: &&ElementId| !it.as_str().starts_with("new-");
            let gained: Vec<&ElementId> = after.difference(&before).filter(old).collect();
            prop_assert_eq!(gained, way.unblocks.iter().collect::<Vec<_>>(), "{:?}", way);
            let lost: Vec<&ElementId> = before.difference(&after).collect();
            prop_assert_eq!(lost, way.cost.iter().flat_map(|it| &it.loses).collect::<Vec<_>>(), "{:?}", way);
        }
    }

    #[test]
    fn of_two_that_are_enough_together_neither_is_enough_alone(
        (mut fleet, mut policy) in random(),
        troubles in prop::collection::vec((0..10_u8, 0..30_usize, 0..3_usize), 1..5),
        evaluations in 0..6_u64,
    ) {
        make_trouble(&mut fleet, &mut policy, troubles);
        let ways = outcomes(&fleet, &policy, evaluations).1;
        for way in ways.iter().filter(|it| it.trial == Trial::Enough) {
            let Some(also) = &way.also else { continue };
            for alone in [&way.relaxation, &also.relaxation] {
                let (mut fleet, mut policy) = (fleet.clone(), policy.clone());
                for it in said(alone) {
                    prop_assert!(relax(&it, &mut fleet, &mut policy), "{it:?}");
                }
                let after = outcomes(&fleet, &policy, evaluations).0;
                prop_assert!(!way.unblocks.iter().all(|it| after.contains(it)), "{alone:?} alone: {way:?}");
            }
        }
    }
}

/// Three hosts; by the targets that are chosen without a search the third could be changed with two more, and with one by others.
fn one_more_would_do() -> Fleet {
    let mut it = fleet(3);
    for (host, gib) in it.hosts.iter_mut().zip([32, 64, 48]) {
        host.capacity.as_mut().unwrap().memory_mib = Some(gib * 1024);
    }
    let guests = [
        ("h1", 12, true),
        ("h3", 12, false),
        ("h2", 20, false),
        ("h3", 24, false),
        ("h2", 12, true),
        ("h2", 12, false),
    ];
    for (host, gib, pinned) in guests {
        let vm = guest(&mut it, host, gib);
        if pinned {
            vm.allowed_actions.clear();
        }
    }
    it
}

#[test]
fn no_more_hosts_are_offered_than_do_for_whoever_asks_by_hand() {
    let (fleet, policy) = (one_more_would_do(), policy());
    let ways = outcomes(&fleet, &policy, 64).1;
    let spare = |it: &&Counterfactual| it.also.is_none() && it.trial == Trial::Enough;
    let of = |it: &Counterfactual| match &it.relaxation {
        Relaxation::SpareHosts { cluster, hosts } => Some((cluster.clone(), *hosts, it.unblocks.clone())),
        _ => None,
    };
    let (cluster, hosts, unblocks) = ways.iter().filter(spare).find_map(of).unwrap();
    let gained = |hosts: u32| {
        let mut fleet = fleet.clone();
        assert!(with_spare_hosts(&mut fleet, &cluster, hosts));
        outcomes(&fleet, &policy, 64).0
    };
    assert!(unblocks.iter().all(|it| gained(hosts).contains(it)));
    assert!((1..hosts).all(|it| !unblocks.iter().all(|element| gained(it).contains(element))), "{hosts}");
}
