//! What a full plan says of the static wave model: its bound, and what forces the plan beyond it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may fail loudly and read the reference data"
)]

#[path = "campaign/build.rs"]
#[allow(dead_code, unreachable_pub, reason = "not all of it is used here")]
mod build;
mod support;

use std::collections::BTreeMap;

use build::{change, clean, fleet, guest, planned, planning, policy, request};
use serde_json::Value;
use support::seen;
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, Fleet, PlatformRelease};
use underpin_model::plan::{Forced, Outcome, StaticStatus, StaticWaves};
use underpin_model::policy::{FailureSets, Policy, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Planned, Request, plan};
use underpin_planner::instances::{btrplace, ganeti, waves_json};

/// A converted instance with what a full plan needs: a release to leave, one to reach, and guests that may move.
fn plannable(mut fleet: Fleet) -> Fleet {
    for host in &mut fleet.hosts {
        host.platform = Some(PlatformRelease {
            family: Family::Proxmox,
            train: Some("8".to_owned()),
            release: Some("8.0.1".to_owned()),
        });
        host.ring = Some("production".to_owned());
    }
    for vm in &mut fleet.vms {
        vm.allowed_actions = vec![Action::LiveMigrate];
        vm.dirty_rate_mib_s = Some(1.0);
    }
    planning(&mut fleet).changes = vec![change("go", "8.0.2")];
    fleet
}

/// No limit but those of the instance, which demands a reserve or does not.
fn open(fleet: &Fleet, reserve: bool) -> Policy {
    let mut policy = policy();
    policy.planning.most_away.per_cluster = u32::try_from(fleet.hosts.len()).unwrap();
    policy.planning.canaries_per_class = 0;
    policy.planning.failure_sets = if reserve { FailureSets::Host } else { FailureSets::None };
    policy
}

/// The difference is explained: arithmetic leads up to some number of waves, and each wave beyond has a reason of its own.
fn explained(it: &StaticWaves) {
    if it.waves <= it.at_least {
        assert!(it.forced.is_empty() && it.proven, "{it:#?}");
        return;
    }
    let mut reached = it.at_least;
    let mut pairs = it.not_shown;
    for force in &it.forced {
        match &force.what {
            Forced::Stages { at_least, .. } => reached = reached.max(*at_least),
            Forced::MostAway { at_least, .. } if *at_least > 0 => reached = reached.max(*at_least),
            _ => pairs += 1,
        }
    }
    assert!(!it.forced.is_empty() && reached + pairs >= it.waves, "{it:#?}");
    assert_eq!(it.proven, reached >= it.waves, "{it:#?}");
}

fn only(it: &Planned) -> &StaticWaves {
    assert_eq!(it.report.static_waves.len(), 1);
    &it.report.static_waves[0]
}

/// A plan after so many other orders; the lint must find no error in it.
fn searched(fleet: &Fleet, policy: &Policy, evaluations: u64) -> Planned {
    let loss = BTreeMap::new();
    let request = Request { evaluations, ..request(fleet, policy, &loss) };
    let planned = plan(&request).unwrap();
    clean(fleet, policy, &planned.plan);
    planned
}

#[test]
fn full_plans_of_proven_instances_state_the_static_bound_and_what_forces_more() {
    let Some(path) = support::planning("waves-proven.json") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let raw: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut most = 0;
    for evaluations in [0, 400] {
        let mut forces: BTreeMap<String, u32> = BTreeMap::new();
        let (mut whole, mut blocked, mut different) = (0, 0, 0);
        for instance in raw.iter().filter(|it| it["result"]["verdict"] != "infeasible") {
            let id = instance["id"].as_str().unwrap();
            let proven = u32::try_from(instance["result"]["optimal_waves"].as_u64().unwrap()).unwrap();
            let fleet = plannable(waves_json(&text, Some(id), seen()).unwrap());
            let it = searched(&fleet, &open(&fleet, instance["n_plus"].as_bool().unwrap()), evaluations);
            let left: Vec<_> =
                it.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked).collect();
            assert!(left.iter().all(|it| !it.reasons.is_empty()), "{id}: {left:#?}");
            assert_eq!(it.report.elements.len(), fleet.hosts.len(), "{id}");
            if it.plan.waves.is_empty() {
                assert_eq!(left.len(), fleet.hosts.len(), "{id}");
                blocked += 1;
                println!("{id}: proven {proven}, no host planned: {:?}", left[0].reasons);
                continue;
            }
            let beside = only(&it);
            assert_eq!((beside.status, beside.found), (StaticStatus::Optimal, Some(proven)), "{id}");
            assert_eq!(beside.waves as usize, it.plan.waves.len(), "{id}");
            assert!(beside.waves >= beside.at_least, "{id}: {beside:#?}");
            assert_eq!(left.len() + beside.planned as usize, fleet.hosts.len(), "{id}");
            if left.is_empty() {
                whole += 1;
                assert_eq!(beside.at_least, proven, "{id}");
                different += u32::from(beside.waves > proven);
            }
            explained(beside);
            for force in &beside.forced {
                let by = serde_json::to_value(force).unwrap()["by"].as_str().unwrap().to_owned();
                *forces.entry(format!("{by}{}", if force.proven { ", proven" } else { "" })).or_default() +=
                    1;
            }
            println!(
                "{id}: {} of {} hosts planned, proven {proven}, at least {}, ours {}, {} reasons",
                beside.planned,
                beside.hosts,
                beside.at_least,
                beside.waves,
                beside.forced.len()
            );
        }
        println!(
            "{evaluations} evaluations: {whole} planned whole, {different} of them in more waves than proven, {blocked} wholly blocked; \
             {forces:?}"
        );
        most = most.max(whole);
    }
    // Not a promise but a guard: most of them are planned to the last host.
    assert!(most >= 20, "{most}");
}

#[test]
fn a_limit_on_hosts_away_is_what_forces_waves_of_one() {
    let mut fleet = fleet(4);
    for host in ["h1", "h2", "h3", "h4"] {
        guest(&mut fleet, host, 8);
    }
    let it = planned(&fleet, &policy());
    let it = only(&it);
    // The others could carry all with two away at a time, or three.
    assert_eq!((it.status, it.at_least, it.found, it.waves), (StaticStatus::Optimal, 2, Some(2), 4));
    let [force] = &it.forced[..] else { panic!("{it:#?}") };
    assert!(force.proven);
    assert_eq!(force.what, Forced::MostAway { of: "cluster".to_owned(), most: 1, at_least: 4 });
}

#[test]
fn rings_force_waves_of_their_own() {
    let mut fleet = fleet(4);
    for host in ["h1", "h2", "h3", "h4"] {
        guest(&mut fleet, host, 8);
    }
    for host in &mut fleet.hosts[..1] {
        host.ring = Some("test".to_owned());
    }
    for host in &mut fleet.hosts[1..2] {
        host.ring = Some("development".to_owned());
    }
    let mut policy = open(&fleet, false);
    let ring = |name: &str| Ring { name: name.to_owned(), soak: Days::new(1.0).unwrap() };
    policy.rings = vec![ring("test"), ring("development"), ring("production")];
    let it = planned(&fleet, &policy);
    let it = only(&it);
    assert_eq!((it.at_least, it.waves), (2, 3));
    let [force] = &it.forced[..] else { panic!("{it:#?}") };
    assert_eq!((&force.what, force.proven), (&Forced::Stages { stages: 3, at_least: 3 }, true));
}

#[test]
fn the_reserve_for_a_failure_forces_by_its_sums() {
    // 192 of 400 GiB. Two away at a time would do; with a third host's room held back they are too many.
    let mut fleet = fleet(4);
    for host in ["h1", "h2", "h3", "h4"] {
        for _ in 0..6 {
            guest(&mut fleet, host, 8);
        }
    }
    assert_eq!(planned(&fleet, &open(&fleet, false)).plan.waves.len(), 2);
    let it = planned(&fleet, &open(&fleet, true));
    let it = only(&it);
    assert_eq!((it.at_least, it.waves), (2, 4));
    assert_eq!(it.forced.len(), 3);
    for force in &it.forced {
        let why = serde_json::to_string(force).unwrap();
        assert!(force.proven, "{why}");
        let Forced::Room { resource, short, reserve, .. } = &force.what else { panic!("{why}") };
        // 192 GiB on two hosts, one of which must be free: 92 short.
        assert_eq!((resource.as_str(), *short, *reserve), ("memory_mib", 92 * 1024, true));
    }
    explained(it);
    // Where the instance asks for it in sum, the static model needs as many.
    planning(&mut fleet).n_plus_one = true;
    let it = planned(&fleet, &open(&fleet, true));
    assert_eq!((only(&it).at_least, only(&it).forced.len()), (4, 0));
}

#[test]
fn rules_of_guests_bind_the_static_model_too() {
    use underpin_model::fleet::{Affinity, AffinityKind, Strength};
    let mut fleet = fleet(5);
    let vms = vec![guest(&mut fleet, "h1", 8).id.clone(), guest(&mut fleet, "h2", 8).id.clone()];
    for host in ["h4", "h5"] {
        guest(&mut fleet, host, 8);
    }
    assert_eq!(only(&planned(&fleet, &open(&fleet, false))).found, Some(2));
    // Two guests on two of three hosts: these leave one by one.
    let on = Affinity {
        kind: AffinityKind::OnHosts,
        strength: Strength::Must,
        vms,
        hosts: fleet.hosts[..3].iter().map(|it| it.id.clone()).collect(),
    };
    let apart = Affinity { kind: AffinityKind::Apart, hosts: Vec::new(), ..on.clone() };
    fleet.affinities = vec![on, apart];
    let it = planned(&fleet, &open(&fleet, false));
    let it = only(&it);
    assert_eq!(it.found, Some(3), "{it:#?}");
    assert!(it.waves >= 3, "{it:#?}");
    explained(it);
}

#[test]
fn the_bound_of_a_plan_of_some_hosts_is_that_of_the_sums() {
    // Three of four hosts are there already; the guests of the fourth fit anywhere.
    let mut fleet = fleet(4);
    for host in ["h1", "h2", "h3", "h4"] {
        for _ in 0..11 {
            guest(&mut fleet, host, 8);
        }
    }
    for host in &mut fleet.hosts[1..] {
        host.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    }
    fleet.vms.retain(|it| it.host.as_ref().is_none_or(|it| it.as_str() != "h2"));
    let it = planned(&fleet, &open(&fleet, false));
    let it = only(&it);
    assert_eq!((it.hosts, it.planned, it.waves, it.at_least), (4, 1, 1, 1));
    // All four would take more, one by one: a schedule for the fourth, and not the best.
    assert_eq!((it.status, it.found), (StaticStatus::Feasible, Some(4)));
}

#[test]
fn a_host_that_needs_no_change_and_must_stay_makes_no_plan_infeasible() {
    // A guest that only h3 can carry.
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    guest(&mut fleet, "h3", 90);
    for host in &mut fleet.hosts[..2] {
        host.capacity.as_mut().unwrap().memory_mib = Some(51_200);
    }
    let it = planned(&fleet, &open(&fleet, false));
    assert_eq!(only(&it).status, StaticStatus::Infeasible, "{:#?}", only(&it));
    fleet.hosts[2].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    let it = planned(&fleet, &open(&fleet, false));
    let it = only(&it);
    assert_eq!((it.status, it.planned, it.waves), (StaticStatus::Unknown, 2, it.waves));
    assert!(it.why.as_ref().unwrap().contains("1 of them need no change"), "{it:#?}");
}

#[test]
fn every_converted_instance_has_a_full_plan_that_keeps_every_rule() {
    let Some(path) = support::planning("waves-proven.json") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let raw: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut planned = 0;
    for instance in &raw {
        let id = instance["id"].as_str().unwrap();
        planned += full(&waves_json(&text, Some(id), seen()).unwrap(), id);
    }
    assert!(planned > 0, "no host of any instance is planned");
    let small = r#"{"model": {"mapping": {"readyVMs": [], "onlineNodes": {"0": {"runningVMs": [0], "sleepingVMs": []},
        "1": {"runningVMs": [1], "sleepingVMs": []}, "2": {"runningVMs": [], "sleepingVMs": []}}, "offlineNodes": []},
        "views": [{"id": "shareableResource", "rcId": "memory", "defConsumption": 1024, "defCapacity": 8192, "nodes": {}, "vms": {}},
        {"id": "shareableResource", "rcId": "uCpu", "defConsumption": 1, "defCapacity": 8, "nodes": {}, "vms": {}}]}, "constraints": []}"#;
    assert_eq!(full(&btrplace(small, "small", seen()).unwrap(), "btrplace"), 3);
    let Some(path) = support::planning("hroller/hroller-full.data") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let fleet = ganeti(&text, "hroller", "--full-evacuation", seen()).unwrap();
    assert!(full(&fleet, "hroller") > 0);
}

/// Hosts that the full plan changes under the default policy; it tells of every host and is lint-clean.
fn full(fleet: &Fleet, id: &str) -> usize {
    let (policy, loss) = (Policy::default(), BTreeMap::new());
    let planned = plan(&request(fleet, &policy, &loss)).unwrap();
    clean(fleet, &policy, &planned.plan);
    let elements = &planned.report.elements;
    assert_eq!(elements.len(), fleet.hosts.len(), "{id}");
    assert!(planned.report.static_waves.len() <= fleet.clusters.len(), "{id}");
    elements.iter().filter(|it| it.outcome == Outcome::Planned).count()
}
