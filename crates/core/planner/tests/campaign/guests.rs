//! Guests that cannot simply move.

use std::collections::BTreeMap;

use underpin_model::fleet::{
    Action, Affinity, AffinityKind, Cluster, Lock, LockKind, Network, Redundancy, Storage, Strength,
};
use underpin_model::id::{ClusterId, HostId, NetworkId, StorageId, VmId};
use underpin_model::plan::{ElementOutcome, Outcome, Reason, Relaxation, Rule, StepKind, Trial};
use underpin_model::policy::{Homing, Placing};
use underpin_planner::campaign::{Planned, Request, plan};

use super::build::{
    at, consent, finally, fleet, guest, host, of, planned, planning, policy, request, story, tenant,
};
use super::rules::rule;

#[test]
fn a_pinned_guest_is_powered_off_only_with_consent() {
    let mut fleet = fleet(3);
    let acme = tenant(&mut fleet, "acme");
    let vm = guest(&mut fleet, "h1", 8);
    vm.tenant = Some(acme.clone());
    vm.passthrough = vec!["0000:3b:00.0".to_owned()];
    vm.allowed_actions = vec![Action::LiveMigrate, Action::PowerOff];
    let blocked = planned(&fleet, &policy());
    let id = VmId::new("v001").unwrap();
    let reason = Reason::Consent {
        vm: id.clone(),
        tenant: Some(acme.clone()),
        action: Action::PowerOff,
        refused: false,
    };
    assert_eq!(
        (of(&blocked, "h1").outcome, &of(&blocked, "h1").reasons[..]),
        (Outcome::Blocked, &[reason][..])
    );
    let way = &blocked.report.counterfactuals[0];
    assert_eq!(
        way.relaxation,
        Relaxation::Consent { tenant: Some(acme), action: Action::PowerOff, vms: vec![id] }
    );
    assert!(way.trial == Trial::Enough && way.unblocks[0].as_str() == "h1");

    consent(&mut fleet, Action::PowerOff, true);
    let it = planned(&fleet, &policy());
    assert_eq!(
        story(&it.plan, "h1"),
        ["stage", "stop", "patch 1 8.0.2", "reboot", "attest", "verify", "start"]
    );
    assert_eq!(it.report.moves.interrupted, 1);

    consent(&mut fleet, Action::PowerOff, false);
    let refused = planned(&fleet, &policy());
    assert!(matches!(of(&refused, "h1").reasons[..], [Reason::Consent { refused: true, .. }]));
}

#[test]
fn consent_that_has_run_out_is_none() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::PowerOff];
    consent(&mut fleet, Action::PowerOff, true);
    planning(&mut fleet).consents[0].until = Some(at("2026-11-20T00:00:00Z"));
    assert_eq!(of(&planned(&fleet, &policy()), "h1").outcome, Outcome::Blocked);
    // One that begins later is waited for.
    planning(&mut fleet).consents[0].until = None;
    planning(&mut fleet).consents[0].from = Some(at("2026-11-22T00:00:00Z"));
    let it = planned(&fleet, &policy());
    let stop = it.plan.steps.iter().find(|it| it.kind.vm().is_some()).unwrap();
    assert!(stop.start_s >= 86_400);
}

#[test]
fn nothing_is_done_to_a_guest_of_which_nothing_is_allowed() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8).allowed_actions.clear();
    let it = planned(&fleet, &policy());
    assert!(
        matches!(&of(&it, "h1").reasons[..], [Reason::NoAllowedAction { pinned_by, .. }] if pinned_by == "not-allowed")
    );
    assert_eq!(of(&it, "h2").outcome, Outcome::Planned, "the others go on");
}

#[test]
fn a_local_disk_pins_its_guest() {
    let mut fleet = fleet(3);
    let local = StorageId::new("local-h1").unwrap();
    let mut storage = Storage::new(local.clone());
    storage.shared = Some(false);
    fleet.storage.push(storage);
    fleet.hosts[0].reach.storage = vec![local.clone()];
    guest(&mut fleet, "h1", 8).storage = vec![local];
    let it = planned(&fleet, &policy());
    let needs = |it: &ElementOutcome| match &it.reasons[..] {
        [Reason::NoTargetWithReach { needs, .. }] => needs.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(needs(of(&it, "h1")), ["local-h1"]);
    // What others reach is not named, what only its own host has is.
    let shared = StorageId::new("shared").unwrap();
    fleet.storage.push(Storage::new(shared.clone()));
    for host in &mut fleet.hosts {
        host.reach.storage.push(shared.clone());
    }
    fleet.vms[0].storage = vec![shared];
    fleet.hosts[0].reach.licence_sets = vec!["licence".to_owned()];
    assert_eq!(needs(of(&planned(&fleet, &policy()), "h1")), ["licence"]);
}

#[test]
fn features_exclude_targets() {
    let mut fleet = fleet(4);
    for host in &mut fleet.hosts {
        host.cpu = Some(underpin_model::fleet::Cpu::default());
    }
    fleet.hosts[0].cpu.as_mut().unwrap().features = vec!["avx512f".to_owned()];
    guest(&mut fleet, "h1", 8).cpu_features = vec!["avx512f".to_owned()];
    let it = planned(&fleet, &policy());
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::NoTargetWithFeature { .. }]));
    for host in 2..4 {
        fleet.hosts[host].cpu.as_mut().unwrap().features = vec!["avx512f".to_owned()];
    }
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned);
}

#[test]
fn a_guest_that_writes_too_fast_is_found_in_the_plan() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 64).dirty_rate_mib_s = Some(3000.0);
    let it = planned(&fleet, &policy());
    assert!(matches!(
        of(&it, "h1").reasons[..],
        [Reason::DoesNotConverge { dirty_mbps: 25_166, best_mbps: 10_000, .. }]
    ));
    assert!(matches!(it.report.counterfactuals[0].relaxation, Relaxation::Bandwidth { mbps: 29_000, .. }));
    assert!(it.report.counterfactuals[0].trial == Trial::Enough);
}

#[test]
fn locks_that_end_are_waited_for_and_others_block() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8).locks =
        vec![Lock { kind: LockKind::Backup, expires: Some(at("2026-11-21T05:00:00Z")) }];
    let it = planned(&fleet, &policy());
    let moved = it.plan.steps.iter().find(|it| it.kind.vm().is_some()).unwrap();
    assert!(moved.start_s >= 5 * 3600, "{moved:?}");
    fleet.vms[0].locks[0].expires = None;
    assert!(matches!(
        of(&planned(&fleet, &policy()), "h1").reasons[..],
        [Reason::Locked { until_s: None, .. }]
    ));
}

#[test]
fn affinity_holds_while_guests_move() {
    let mut fleet = fleet(5);
    for host in ["h1", "h2", "h3"] {
        guest(&mut fleet, host, 8);
    }
    guest(&mut fleet, "h1", 4);
    guest(&mut fleet, "h1", 4);
    fleet.affinities = vec![
        rule(AffinityKind::Apart, &["v001", "v002", "v003"], &[]),
        rule(AffinityKind::Together, &["v004", "v005"], &[]),
        rule(AffinityKind::OnHosts, &["v002"], &["h2", "h3", "h4", "h5"]),
    ];
    let it = planned(&fleet, &policy());
    assert_eq!(it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count(), 5);
    let end = finally(&fleet, &it.plan);
    assert_eq!(end["v004"], end["v005"]);
}

#[test]
fn a_guest_bound_to_its_host_blocks_it() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    fleet.affinities = vec![rule(AffinityKind::OnHosts, &["v001"], &["h1"])];
    let it = planned(&fleet, &policy());
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::RequiredAffinity { rule: Rule::OnHosts, .. }]));
    assert!(it.report.counterfactuals[0].trial == Trial::Enough);
}

#[test]
fn guests_that_come_home_stand_as_before() {
    let mut fleet = fleet(4);
    for host in ["h1", "h2", "h3", "h4"] {
        guest(&mut fleet, host, 8);
        guest(&mut fleet, host, 16);
    }
    let mut policy = policy();
    policy.planning.homing = Homing::Home;
    let it = planned(&fleet, &policy);
    let before = finally(&fleet, &underpin_model::plan::Plan { steps: Vec::new(), ..it.plan.clone() });
    assert_eq!(finally(&fleet, &it.plan), before);
    assert_eq!((it.report.moves.moves, it.report.bounds.moves_at_least), (16, 16));
}

#[test]
fn degraded_storage_holds_its_hosts_back() {
    let mut fleet = fleet(2);
    let id = StorageId::new("pool").unwrap();
    let mut storage = Storage::new(id.clone());
    storage.redundancy = Some(Redundancy::Rebuilding);
    fleet.storage.push(storage);
    fleet.clusters[0].storage = vec![id];
    let it = planned(&fleet, &policy());
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::StorageRedundancy { .. }]));
    fleet.storage[0].redundancy = Some(Redundancy::Full);
    fleet.clusters[0].degraded = Some(true);
    let it = planned(&fleet, &policy());
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::Degraded { .. }]));
    assert!(matches!(it.report.counterfactuals[0].relaxation, Relaxation::Repair { .. }));
}

#[test]
fn sizes_that_fit_nowhere_are_named() {
    let mut fleet = fleet(3);
    fleet.hosts[0].capacity.as_mut().unwrap().memory_mib = Some(409_600);
    guest(&mut fleet, "h1", 200);
    let it = planned(&fleet, &policy());
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::LargerThanAnyHost { memory_mib: 204_800, .. }]));
    fleet.vms[0].memory_mib = None;
    let it = planned(&fleet, &policy());
    assert!(matches!(&of(&it, "h1").reasons[..], [Reason::UnknownFact { fact, .. }] if fact == "memory_mib"));
}

#[test]
fn a_guest_of_another_host_makes_room() {
    let mut fleet = fleet(3);
    fleet.hosts[0].capacity.as_mut().unwrap().memory_mib = Some(204_800);
    for host in &mut fleet.hosts[1..] {
        host.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    }
    // 130 GiB are free on the others, but nowhere 80 of them.
    guest(&mut fleet, "h1", 80);
    guest(&mut fleet, "h2", 30);
    guest(&mut fleet, "h3", 40);
    let mut policy = policy();
    policy.planning.failure_sets = underpin_model::policy::FailureSets::None;
    let it = planned(&fleet, &policy);
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned, "{:?}", of(&it, "h1"));
    let moves: Vec<String> = it
        .plan
        .steps
        .iter()
        .filter(|step| step.subject.as_ref().is_some_and(|it| it.as_str() == "h1"))
        .filter_map(|step| match &step.kind {
            StepKind::Migrate { vm, from, to, .. } => Some(format!("{vm} {from} {to}")),
            _ => None,
        })
        .collect();
    assert_eq!(moves, ["v002 h2 h3", "v001 h1 h2"]);
    // However late the first is: the room of the second is where it still stands.
    let step = |guest: &str| {
        let is = |kind: &StepKind| matches!(kind, StepKind::Migrate { vm, .. } if vm.as_str() == guest);
        it.plan.steps.iter().find(|it| is(&it.kind)).unwrap()
    };
    assert!(step("v001").after.contains(&step("v002").id), "{:?}", step("v001"));
    // A platform that places by itself is not helped.
    policy.planning.placing = Placing::PlatformPlaces;
    let it = planned(&fleet, &policy);
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::Fragmented { .. }]), "{:?}", of(&it, "h1").reasons);
}

#[test]
fn a_platform_that_places_empties_a_host_once_all_that_stays_is_at_rest() {
    let (mut fleet, mut policy) = (fleet(3), policy());
    policy.planning.placing = Placing::PlatformPlaces;
    guest(&mut fleet, "h1", 8);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::PowerOff];
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::ColdMigrate];
    consent(&mut fleet, Action::PowerOff, true);
    consent(&mut fleet, Action::ColdMigrate, true);
    let it = planned(&fleet, &policy);
    let own: Vec<&underpin_model::plan::Step> =
        it.plan.steps.iter().filter(|it| it.subject.as_ref().is_some_and(|it| it.as_str() == "h1")).collect();
    let evacuate = own.iter().find(|it| matches!(it.kind, StepKind::Evacuate { .. })).unwrap();
    let rests =
        |kind: &StepKind| matches!(kind, StepKind::Stop { .. } | StepKind::Migrate { live: false, .. });
    let rest: Vec<_> = own.iter().filter(|it| rests(&it.kind)).collect();
    assert_eq!(rest.len(), 2, "{own:#?}");
    for it in rest {
        assert!(evacuate.after.contains(&it.id) && it.end_s() <= evacuate.start_s, "{it:?} {evacuate:?}");
    }
}

#[test]
fn a_platform_that_places_is_given_targets_over_whose_links_all_guests_converge() {
    let (mut fleet, mut policy) = (fleet(4), policy());
    policy.planning.placing = Placing::PlatformPlaces;
    let slow = |fleet: &mut underpin_model::fleet::Fleet, host: usize| {
        fleet.hosts[host].migration.as_mut().unwrap().bandwidth_mbps = Some(1000);
    };
    slow(&mut fleet, 1);
    // What is quick to move and what writes 200 MiB/s leave h1 together: at 1 Gbit/s only the first would ever arrive.
    guest(&mut fleet, "h1", 90);
    guest(&mut fleet, "h1", 8).dirty_rate_mib_s = Some(200.0);
    let it = planned(&fleet, &policy);
    let to: Vec<String> = it
        .plan
        .steps
        .iter()
        .filter_map(|it| match &it.kind {
            StepKind::Evacuate { host, only_to, .. } if host.as_str() == "h1" => Some(only_to),
            _ => None,
        })
        .flatten()
        .map(ToString::to_string)
        .collect();
    assert!(!to.is_empty() && !to.contains(&"h2".to_owned()), "{to:?}");
    slow(&mut fleet, 2);
    slow(&mut fleet, 3);
    let it = planned(&fleet, &policy);
    let reasons = &of(&it, "h1").reasons;
    assert!(matches!(reasons[..], [Reason::DoesNotConverge { best_mbps: 1000, .. }]), "{reasons:?}");
}

#[test]
fn room_is_left_in_one_piece_for_the_guests_of_a_failure() {
    let mut fleet = fleet(4);
    fleet.hosts[2].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    // Done hosts are preferred, but if the guest of h1 went to h3, nobody could take that of h2, should it fail.
    guest(&mut fleet, "h1", 30);
    guest(&mut fleet, "h2", 80);
    guest(&mut fleet, "h4", 40);
    let it = planned(&fleet, &policy());
    for host in ["h1", "h2", "h4"] {
        assert_eq!(of(&it, host).outcome, Outcome::Planned, "{:?}", of(&it, host));
    }
    let first = it.plan.steps.iter().find_map(|step| match &step.kind {
        StepKind::Migrate { vm, from, to, .. } => Some(format!("{vm} {from} {to}")),
        _ => None,
    });
    assert_eq!(first.as_deref(), Some("v001 h1 h4"));
}

#[test]
fn a_rule_that_leaves_no_place_after_a_failure_is_not_called_a_lack_of_room() {
    let mut fleet = fleet(3);
    for host in &mut fleet.hosts[1..] {
        host.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    }
    // With h1 away and h2 failed only h3 remains, where its guest must not be.
    guest(&mut fleet, "h2", 8);
    guest(&mut fleet, "h3", 8);
    fleet.affinities = vec![rule(AffinityKind::Apart, &["v001", "v002"], &[])];
    let it = planned(&fleet, &policy());
    assert!(
        matches!(&of(&it, "h1").reasons[..], [Reason::NoPlaceAfterFailure { .. }]),
        "{:?}",
        of(&it, "h1")
    );
}

#[test]
fn huge_pages_are_room_of_their_own() {
    let mut fleet = fleet(4);
    for (number, host) in fleet.hosts.iter_mut().enumerate() {
        host.platform.as_mut().unwrap().release =
            Some(if number == 0 { "8.0.1" } else { "8.0.2" }.to_owned());
        let capacity = host.capacity.as_mut().unwrap();
        // All memory but 8 GiB lies in huge pages, of which h4 has too few.
        capacity.hugepages_mib = Some([92, 92, 92, 30][number] * 1024);
        capacity.memory_mib = Some(8192);
    }
    guest(&mut fleet, "h1", 40).hugepages_mib = Some(40 * 1024);
    guest(&mut fleet, "h1", 8);
    guest(&mut fleet, "h2", 92).hugepages_mib = Some(60 * 1024);
    fleet.vms[2].memory_mib = Some(60 * 1024);
    let mut policy = policy();
    policy.planning.failure_sets = underpin_model::policy::FailureSets::None;
    // h2 has 32 GiB left: only h3 takes the first; its huge pages leave the memory of h3 as it is.
    let it = planned(&fleet, &policy);
    let places = finally(&fleet, &it.plan);
    assert_eq!(places["v001"], "h3", "{:?}", of(&it, "h1"));
    fleet.hosts[2].capacity.as_mut().unwrap().hugepages_mib = Some(39 * 1024);
    let it = planned(&fleet, &policy);
    let short = |it: &Reason| matches!(it, Reason::Fragmented { .. } | Reason::Short { .. });
    assert!(of(&it, "h1").reasons.iter().any(short), "{:?}", of(&it, "h1"));
    // Restartability asks for them too: with h3 away in a failure nobody could take the guest.
    fleet.hosts[2].capacity.as_mut().unwrap().hugepages_mib = Some(92 * 1024);
    policy.planning.failure_sets = underpin_model::policy::FailureSets::Host;
    let it = planned(&fleet, &policy);
    let reserve = |it: &Reason| matches!(it, Reason::Short { resource, reserve: true, .. } if resource == "hugepages_mib");
    assert!(of(&it, "h1").reasons.iter().any(reserve), "{:?}", of(&it, "h1"));
}

#[test]
fn wishes_are_kept_where_nothing_speaks_against_them() {
    let wish = |kind, vms: &[&str], hosts: &[&str]| Affinity {
        strength: Strength::Should,
        ..rule(kind, vms, hosts)
    };
    let mut fleet = fleet(4);
    fleet.hosts[3].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    guest(&mut fleet, "h1", 8);
    guest(&mut fleet, "h2", 8);
    guest(&mut fleet, "h3", 8);
    let target = |fleet: &underpin_model::fleet::Fleet, vm: &str| {
        finally(fleet, &planned(fleet, &policy()).plan)[vm].clone()
    };
    assert_eq!((target(&fleet, "v001"), target(&fleet, "v002")), ("h4".to_owned(), "h4".to_owned()));
    fleet.affinities = vec![wish(AffinityKind::Apart, &["v001", "v002"], &[])];
    assert_ne!(target(&fleet, "v001"), target(&fleet, "v002"));
    fleet.affinities = vec![wish(AffinityKind::OnHosts, &["v001"], &["h3", "h2"])];
    assert_ne!(target(&fleet, "v001"), "h4");
}

#[test]
fn the_guest_that_steers_moves_live_only_and_keeps_off_releases_that_soak() {
    let mut fleet = fleet(4);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::LiveMigrate, Action::PowerOff, Action::Suspend];
    for action in [Action::PowerOff, Action::Suspend] {
        consent(&mut fleet, action, true);
    }
    planning(&mut fleet).changes[0].methods = vec![underpin_model::change::Method::QuickBoot];
    let mut policy = policy();
    policy.rings[0].soak = underpin_model::quantity::Days::new(1.0).unwrap();
    let steps = |it: &Planned| -> Vec<String> {
        let about = it.plan.steps.iter().filter(|it| it.kind.vm().is_some());
        about.map(|it| serde_json::to_value(&it.kind).unwrap()["kind"].as_str().unwrap().to_owned()).collect()
    };
    // A quick boot suspends guests.
    assert_eq!(steps(&planned(&fleet, &policy)), ["suspend", "resume"]);
    policy.planning.controllers = vec![VmId::new("v001").unwrap()];
    let it = planned(&fleet, &policy);
    assert!(steps(&it).iter().all(|it| it == "migrate") && !steps(&it).is_empty(), "{:?}", steps(&it));
    // The canary is another host, and it is not where the guest goes.
    let canary = it.plan.waves[0].elements[0].to_string();
    let end = finally(&fleet, &it.plan);
    assert_ne!(canary, "h1");
    assert_ne!(it.plan.waves[0].elements.len(), 0, "{end:?}");
    // Where it cannot move, nobody stops it.
    fleet.vms[0].allowed_actions = vec![Action::PowerOff];
    let it = planned(&fleet, &policy);
    assert!(
        matches!(&of(&it, "h1").reasons[..], [.., Reason::NoAllowedAction { pinned_by, .. }] if pinned_by == "controller"),
        "{:?}",
        of(&it, "h1").reasons
    );
}

#[test]
fn what_is_broken_at_the_start_is_not_done_again() {
    let mut fleet = fleet(4);
    guest(&mut fleet, "h1", 8);
    guest(&mut fleet, "h2", 8).allowed_actions = vec![Action::PowerOff];
    consent(&mut fleet, Action::PowerOff, true);
    fleet.affinities = vec![
        rule(AffinityKind::OnHosts, &["v001"], &["h3", "h4"]),
        rule(AffinityKind::OnHosts, &["v002"], &["h3"]),
    ];
    let mut policy = policy();
    policy.planning.homing = Homing::Home;
    let it = planned(&fleet, &policy);
    let end = finally(&fleet, &it.plan);
    assert!(["h3", "h4"].contains(&end["v001"].as_str()), "{end:?}");
    let told: Vec<&str> = super::homing::not_home(&it).iter().map(|it| it.place.as_str()).collect();
    assert_eq!(told, ["v001"]);
    assert!(matches!(of(&it, "h2").reasons[..], [Reason::RequiredAffinity { rule: Rule::OnHosts, .. }]));
}

#[test]
fn a_host_without_slots_takes_part_in_no_migration() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    fleet.hosts[0].migration.as_mut().unwrap().slots = Some(0);
    let it = planned(&fleet, &policy());
    let no_slots = |host: &str| [Reason::NoSlots { host: HostId::new(host).unwrap() }];
    assert_eq!(of(&it, "h1").reasons, no_slots("h1"));
    // Nothing but slots would help: no action that might be allowed, and no host more.
    assert!(it.report.counterfactuals.is_empty(), "{:?}", it.report.counterfactuals);
    fleet.hosts[0].migration.as_mut().unwrap().slots = Some(4);
    fleet.hosts[1].migration.as_mut().unwrap().slots = Some(0);
    assert_eq!(finally(&fleet, &planned(&fleet, &policy()).plan)["v001"], "h3");
    fleet.hosts[2].migration.as_mut().unwrap().slots = Some(0);
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "h1").reasons, no_slots("h2"));
    assert!(it.report.counterfactuals.is_empty(), "{:?}", it.report.counterfactuals);
}

#[test]
fn a_guest_that_a_rule_names_twice_counts_once() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    guest(&mut fleet, "h2", 8);
    fleet.affinities = vec![rule(AffinityKind::Apart, &["v001", "v001", "v002"], &[])];
    let once = {
        let mut fleet = fleet.clone();
        fleet.affinities = vec![rule(AffinityKind::Apart, &["v001", "v002"], &[])];
        planned(&fleet, &policy())
    };
    let twice = planned(&fleet, &policy());
    assert_eq!(once.plan, twice.plan);
    assert!(twice.report.standing.is_empty(), "{:?}", twice.report.standing);
}

#[test]
fn a_cold_move_interrupts_its_guest() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::ColdMigrate];
    consent(&mut fleet, Action::ColdMigrate, true);
    let it = planned(&fleet, &policy());
    assert!(it.report.moves.moves > 0);
    assert_eq!(it.report.moves.interrupted, it.report.moves.moves);
}

/// What steps give to migrations.
fn rates(it: &Planned) -> Vec<u32> {
    let rates = it.plan.steps.iter().filter_map(|it| match it.kind {
        StepKind::Migrate { mbps, .. } | StepKind::Evacuate { mbps, .. } => Some(mbps),
        _ => None,
    });
    rates.collect()
}

#[test]
fn no_migration_has_more_than_its_network_gives() {
    let mut fleet = fleet(4);
    fleet.networks.push(Network::new(NetworkId::new("migration").unwrap()));
    for host in ["h1", "h2", "h3"] {
        guest(&mut fleet, host, 8);
        guest(&mut fleet, host, 8);
    }
    let mut policy = policy();
    policy.planning.migration.network_mbps = Some(3000);
    policy.planning.most_away.per_cluster = 2;
    // All hosts name it; none does; every other one, so that whatever goes from one to the other takes of both.
    let some: [fn(u32) -> bool; 3] = [|_| true, |_| false, |at| at % 2 == 0];
    for named in some {
        for (host, at) in fleet.hosts.iter_mut().zip(0u32..) {
            let network = NetworkId::new("migration").unwrap();
            host.migration.as_mut().unwrap().network = Some(network).filter(|_| named(at));
        }
        for placing in [Placing::WePlace, Placing::PlatformPlaces] {
            policy.planning.placing = placing;
            let it = planned(&fleet, &policy);
            let rates = rates(&it);
            assert!(!rates.is_empty() && rates.iter().all(|it| *it <= 3000), "{rates:?}");
            assert_eq!(it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count(), 4);
        }
    }
}

#[test]
fn hosts_that_name_no_network_share_that_of_their_cluster_and_no_other() {
    let mut fleet = fleet(3);
    fleet.clusters.push(Cluster::new(ClusterId::new("d").unwrap()));
    fleet.hosts.extend(["d1", "d2", "d3"].map(|it| host(it, "d")));
    for host in ["h1", "d1"] {
        guest(&mut fleet, host, 8);
    }
    for host in &mut fleet.hosts {
        host.migration = None;
    }
    let mut policy = policy();
    policy.planning.migration.network_mbps = Some(1000);
    // Nobody waits for another cluster's canary.
    for (host, model) in fleet.hosts.iter_mut().zip(["R1", "R1", "R1", "R2", "R2", "R2"]) {
        host.model = Some(model.to_owned());
    }
    let it = planned(&fleet, &policy);
    let start = |of: &str| {
        it.plan
            .steps
            .iter()
            .find(|step| matches!(&step.kind, StepKind::Migrate { from, .. } if from.as_str() == of))
    };
    assert_eq!(rates(&it).iter().max(), Some(&1000));
    assert_eq!(start("h1").unwrap().start_s, start("d1").unwrap().start_s);
}

#[test]
fn hosts_in_maintenance_count_under_the_limits_that_couple_clusters() {
    let mut fleet = fleet(3);
    fleet.clusters.push(Cluster::new(ClusterId::new("d").unwrap()));
    fleet.hosts.push(host("away", "d"));
    fleet.hosts[3].maintenance = Some(true);
    fleet.hosts[3].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    guest(&mut fleet, "h1", 8);
    let mut policy = policy();
    policy.planning.most_away.per_ring = Some(1);
    let it = planned(&fleet, &policy);
    // The host that uses the limit up is named, though it is of another cluster.
    let away = vec![fleet.hosts[3].id.clone()];
    let most = |of: &str, name: &str| {
        let (of, name) = (of.to_owned(), name.to_owned());
        Reason::MostAway { of, name, most: 1, away: away.clone() }
    };
    let ring = most("ring", "production");
    assert!(of(&it, "h1").reasons.contains(&ring), "{:?}", of(&it, "h1"));
    policy.planning.most_away.per_ring = Some(2);
    assert_eq!(of(&planned(&fleet, &policy), "h1").outcome, Outcome::Planned);
    // Whichever limit it is, it is called by its name.
    policy.planning.most_away.per_fault_domain = Some(1);
    let rack = underpin_model::id::FaultDomainId::new("rack").unwrap();
    for at in [0, 3] {
        fleet.hosts[at].fault_domains = vec![rack.clone()];
    }
    let it = planned(&fleet, &policy);
    assert!(of(&it, "h1").reasons.contains(&most("fault-domain", "rack")), "{:?}", of(&it, "h1"));
    (policy.planning.most_away.per_fault_domain, policy.planning.most_away.per_tenant) = (None, Some(1));
    let acme = tenant(&mut fleet, "acme");
    guest(&mut fleet, "away", 8);
    fleet.vms.iter_mut().for_each(|it| it.tenant = Some(acme.clone()));
    let it = planned(&fleet, &policy);
    assert!(of(&it, "h1").reasons.contains(&most("tenant", "acme")), "{:?}", of(&it, "h1"));
}

#[test]
fn guests_that_can_move_at_once_are_not_stopped() {
    // Roomy hosts, guests that may be moved live, cold or powered off, and everybody agrees.
    for (hosts, most) in [(3, 1), (6, 2), (8, 3)] {
        let mut fleet = fleet(hosts);
        for number in 0..hosts * 4 {
            let vm = guest(&mut fleet, &format!("h{}", number % hosts + 1), 1 + number as u64 % 7);
            vm.allowed_actions = vec![Action::LiveMigrate, Action::ColdMigrate, Action::PowerOff];
        }
        for action in [Action::PowerOff, Action::ColdMigrate] {
            consent(&mut fleet, action, true);
        }
        let mut policy = policy();
        policy.planning.most_away.per_cluster = most;
        let loss = BTreeMap::new();
        for evaluations in [0, 20] {
            let it = plan(&Request { evaluations, ..request(&fleet, &policy, &loss) }).unwrap();
            assert_eq!(it.report.moves.interrupted, 0);
            assert!(it.report.moves.moves > 0);
        }
    }
}

#[test]
fn guests_that_may_be_stopped_raise_neither_waves_nor_time() {
    // Two guests of 90 GiB: nobody has room for a second one, and each takes minutes over its link.
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        guest(&mut fleet, host, 90).allowed_actions = vec![Action::LiveMigrate, Action::PowerOff];
    }
    consent(&mut fleet, Action::PowerOff, true);
    let mut policy = policy();
    policy.planning.failure_sets = underpin_model::policy::FailureSets::None;
    let it = planned(&fleet, &policy);
    let bounds = &it.report.bounds;
    assert_eq!((bounds.waves, bounds.waves_at_least), (3, 3), "{bounds:?}");
    // By capacity alone it would be 300 of 30 GiB that are free, ten waves.
    assert_eq!((it.report.moves.moves, it.report.moves.interrupted), (0, 3));
    assert!(bounds.makespan_at_least_s <= bounds.makespan_s, "{bounds:?}");
    // Hosts with room, so that they move: the bound holds for a plan that stops them, which takes less.
    for vm in &mut fleet.vms {
        vm.memory_mib = Some(40 * 1024);
    }
    let moved = planned(&fleet, &policy);
    assert!(moved.report.moves.moves > 0);
    assert!(moved.report.bounds.makespan_at_least_s <= bounds.makespan_s, "{:?}", moved.report.bounds);
}

#[test]
fn a_platform_that_places_may_choose_every_host_that_has_room_for_all() {
    let (mut fleet, mut policy) = (fleet(5), policy());
    policy.planning.placing = Placing::PlatformPlaces;
    for _ in 0..3 {
        guest(&mut fleet, "h1", 8);
    }
    planning(&mut fleet).changes[0].elements = vec![underpin_model::id::ElementId::new("h1").unwrap()];
    // h5 has 3 GiB left, and h4 a guest that they must not meet.
    guest(&mut fleet, "h5", 97);
    guest(&mut fleet, "h4", 1);
    for vm in ["v001", "v002", "v003"] {
        fleet.affinities.push(rule(AffinityKind::Apart, &[vm, "v005"], &[]));
    }
    let choice =
        |fleet: &underpin_model::fleet::Fleet, policy: &underpin_model::policy::Policy| -> Vec<String> {
            let it = planned(fleet, policy);
            let of_h1 = it.plan.steps.iter().find_map(|it| match &it.kind {
                StepKind::Evacuate { host, only_to, .. } if host.as_str() == "h1" => Some(only_to.clone()),
                _ => None,
            });
            of_h1.unwrap().iter().map(ToString::to_string).collect()
        };
    assert_eq!(choice(&fleet, &policy), ["h2", "h3"]);
    policy.planning.failure_sets = underpin_model::policy::FailureSets::None;
    // Guests that must be apart never are together on one host, whichever it is.
    fleet.affinities = vec![rule(AffinityKind::Apart, &["v001", "v002", "v003"], &[])];
    let three = choice(&fleet, &policy);
    assert_eq!(three.len(), 3, "{three:?}");
    // Who comes home comes from where the plan says.
    fleet.affinities.clear();
    policy.planning.homing = Homing::Home;
    assert_eq!(choice(&fleet, &policy).len(), 1);
}
