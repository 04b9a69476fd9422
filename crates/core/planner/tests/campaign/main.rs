//! Plans of small fleets: what they do, why, and that the lint finds nothing in them.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests may fail loudly"
)]

mod answers;
mod before;
mod build;
mod clusters;
mod contradictions;
mod coupled;
mod diffs;
mod diversity;
mod durations;
mod edits;
mod exceptions;
mod frozen;
mod guests;
mod homeward;
mod homing;
mod late;
mod laws;
mod layers;
mod maintenance;
mod methods_wait;
mod numbers;
mod pools;
mod reach;
mod regroup;
mod reported;
mod rings;
#[path = "../support/rules.rs"]
mod rules;
mod sample;
mod scattered;
mod slots;
mod spread;
mod suspended;
mod time;
mod tried;
mod unblock;
mod unfinished;

use build::{fleet, guest, of, planned, planning, policy, story};
use underpin_model::change::Method;
use underpin_model::fleet::{Action, Fleet};
use underpin_model::plan::{Outcome, Reason, Relaxation, Rule, StepKind, Trial};
use underpin_planner::campaign::{PlanError, with_spare_hosts};

#[test]
fn hosts_are_emptied_changed_and_verified_one_after_the_other() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        guest(&mut fleet, host, 8);
        guest(&mut fleet, host, 16);
    }
    let it = planned(&fleet, &policy());
    assert_eq!(it.plan.waves.len(), 3);
    assert_eq!(story(&it.plan, "h1"), ["stage", "patch 1 8.0.2", "reboot", "attest", "verify"]);
    assert!(it.report.elements.iter().all(|it| it.outcome == Outcome::Planned));
    // Guests of the first wave land on hosts that are still to come, and move again; those of the others go to hosts that are done.
    assert_eq!((it.report.moves.moves, it.report.bounds.moves_at_least), (8, 8));
    assert_eq!((it.report.bounds.waves, it.report.bounds.waves_at_least), (3, 3));
    assert!(it.report.bounds.makespan_s >= it.report.bounds.makespan_at_least_s);
    assert!(it.report.eta.p50_s < it.report.eta.p95_s);
    let open: Vec<u32> = it.report.exposure.iter().map(|it| it.open).collect();
    assert_eq!(open, [3, 2, 1, 0]);
}

#[test]
fn guests_that_another_plan_might_stop_raise_no_bound() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        let vm = guest(&mut fleet, host, 8);
        vm.allowed_actions = vec![Action::LiveMigrate, Action::PowerOff];
    }
    build::consent(&mut fleet, Action::PowerOff, true);
    let it = planned(&fleet, &policy());
    // They move here, and need not.
    assert!(it.report.moves.moves > 0);
    assert_eq!(it.report.bounds.moves_at_least, 0);
}

#[test]
fn whoever_can_only_leave_must_move_whatever_else_its_owner_agrees_to() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        guest(&mut fleet, host, 8).allowed_actions = vec![Action::LiveMigrate, Action::Suspend];
    }
    build::consent(&mut fleet, Action::Suspend, true);
    let bound = |fleet: &Fleet| planned(fleet, &policy()).report.bounds.moves_at_least;
    // A full reboot takes what is suspended; the guest of the first host lands on one that is still to be emptied.
    assert_eq!(bound(&fleet), 4);
    // Nobody is sure to leave where the host may keep its guests, suspended or running.
    for other in [Method::QuickBoot, Method::LivePatch] {
        let mut fleet = fleet.clone();
        planning(&mut fleet).changes[0].methods = vec![Method::EvacuateReboot, other];
        assert_eq!(bound(&fleet), 0, "{other:?}");
    }
    // Of some hosts only: they leave these once.
    planning(&mut fleet).changes[0].elements =
        ["h1", "h2"].map(|it| underpin_model::id::ElementId::new(it).unwrap()).to_vec();
    assert_eq!(bound(&fleet), 2);
}

#[test]
fn what_nobody_consents_to_lowers_no_bound() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        guest(&mut fleet, host, 8).allowed_actions = vec![Action::LiveMigrate, Action::PowerOff];
    }
    let it = planned(&fleet, &policy());
    // Those of the first host move again.
    assert_eq!(it.report.bounds.moves_at_least, 4);
    assert!(it.report.moves.moves >= 4);
}

#[test]
fn hosts_that_are_there_already_are_left_alone() {
    let mut fleet = fleet(3);
    fleet.hosts[1].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    guest(&mut fleet, "h1", 8);
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "h2").outcome, Outcome::NotNeeded);
    assert_eq!(of(&it, "h2").reasons, [Reason::AlreadyThere]);
    assert_eq!(it.plan.waves.len(), 2);
    // The one that is done takes the guest, so that it moves once.
    assert_eq!((it.report.moves.moves, it.report.moves.again), (1, 0));
}

#[test]
fn the_reserve_for_a_failure_blocks_and_a_spare_host_would_unblock() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        for _ in 0..3 {
            guest(&mut fleet, host, 16);
        }
    }
    // 144 of 300 GiB: with one away and one failed, 100 GiB remain.
    let it = planned(&fleet, &policy());
    assert!(it.plan.waves.is_empty());
    let reasons = &of(&it, "h1").reasons;
    assert!(
        matches!(&reasons[..], [Reason::Short { resource, reserve: true, short }] if resource == "memory_mib" && *short > 0),
        "{reasons:?}"
    );
    let spare = &it.report.counterfactuals;
    let text = serde_json::to_string(spare).unwrap();
    assert!(spare.iter().all(|it| it.trial == Trial::Enough && !it.unblocks.is_empty()), "{spare:#?}");
    assert!(text.contains("spare-hosts") && text.contains("without-reserve"), "{text}");
}

#[test]
fn new_hosts_unblock_what_the_report_says_they_would() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        for _ in 0..3 {
            guest(&mut fleet, host, 16);
        }
    }
    let cluster = fleet.clusters[0].id.clone();
    let report = planned(&fleet, &policy()).report;
    let spare = report.counterfactuals.iter().find_map(|it| match &it.relaxation {
        Relaxation::SpareHosts { hosts, .. } => Some((*hosts, it)),
        _ => None,
    });
    let (hosts, said) = spare.unwrap();
    let planned_with = |hosts: u32| {
        let mut more = fleet.clone();
        assert!(with_spare_hosts(&mut more, &cluster, hosts));
        let elements = planned(&more, &policy()).report.elements;
        let all = elements.into_iter().filter(|it| it.outcome == Outcome::Planned);
        all.map(|it| it.element).filter(|it| !it.as_str().starts_with("new-")).collect::<Vec<_>>()
    };
    assert_eq!(said.trial, Trial::Enough);
    assert_eq!(planned_with(hosts), said.unblocks);
    assert_eq!(planned_with(hosts - 1), []);
    let nowhere = underpin_model::id::ClusterId::new("nowhere").unwrap();
    assert!(!with_spare_hosts(&mut fleet.clone(), &nowhere, 1));
}

#[test]
fn an_exception_with_a_name_lets_the_reserve_go() {
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        for _ in 0..3 {
            guest(&mut fleet, host, 16);
        }
    }
    let text = "[[ring]]\nname = \"production\"\nsoak = 0\n[[planning.exception]]\nid = \"x\"\nrule = \"restartability\"\n\
                owner = \"head of operations\"\nexpires = 2026-12-31\nprice = 7\nreason = \"hosts are on order\"\n";
    let policy = underpin_model::policy::read(&text.replace("2026-12-31", "\"2026-12-31\"")).unwrap();
    let it = planned(&fleet, &policy);
    assert_eq!(it.plan.waves.len(), 3);
    assert_eq!(it.report.exceptions_used, ["x"]);
    let expired = underpin_model::policy::read(&text.replace("2026-12-31", "\"2026-11-20\"")).unwrap();
    assert!(planned(&fleet, &expired).plan.waves.is_empty());
    // What does not end before it does is not planned under it: a day each for soak, and the exception ends with the first.
    let soaks = text.replace("soak = 0", "soak = 1").replace("2026-12-31", "\"2026-11-21\"");
    let ends = planned(&fleet, &underpin_model::policy::read(&soaks).unwrap());
    assert_eq!(ends.plan.waves.len(), 1, "{:?}", ends.plan.waves);
}

#[test]
fn limits_on_hosts_away_make_waves_larger_and_bind() {
    let mut fleet = fleet(8);
    for number in 1..=8 {
        guest(&mut fleet, &format!("h{number}"), 8);
    }
    let mut policy = policy();
    policy.planning.most_away.per_cluster = 3;
    let it = planned(&fleet, &policy);
    // The canary goes alone.
    assert_eq!((it.plan.waves.len(), it.report.bounds.waves_at_least), (4, 4));
    for (number, host) in fleet.hosts.iter_mut().enumerate() {
        let id = underpin_model::id::FaultDomainId::new(format!("rack-{}", number % 2)).unwrap();
        host.fault_domains = vec![id];
    }
    fleet.fault_domains = (0..2)
        .map(|it| underpin_model::id::FaultDomainId::new(format!("rack-{it}")).unwrap())
        .map(underpin_model::fleet::FaultDomain::new)
        .collect();
    policy.planning.most_away.per_fault_domain = Some(1);
    let it = planned(&fleet, &policy);
    assert_eq!(it.plan.waves.len(), 5, "one of each rack after the canary");
}

#[test]
fn without_changes_there_is_nothing_to_plan() {
    let mut fleet = fleet(1);
    planning(&mut fleet).changes.clear();
    let loss = std::collections::BTreeMap::new();
    let error = underpin_planner::campaign::plan(&build::request(&fleet, &policy(), &loss)).unwrap_err();
    assert_eq!(error, PlanError::NoChanges);
    assert!(error.to_string().contains("planning.changes"));
}

#[test]
fn what_fights_the_plan_is_frozen_around_each_busy_time() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    fleet.clusters[0].load_balancing = Some(false);
    let it = planned(&fleet, &policy());
    let first = it.plan.steps.iter().find(|it| matches!(it.kind, StepKind::Freeze { .. })).unwrap();
    let text = serde_json::to_string(&first.kind).unwrap();
    assert!(
        !text.contains("balancing") && text.contains("auto-start") && text.contains("admission-control"),
        "{text}"
    );
    assert!(matches!(it.plan.steps.last().unwrap().kind, StepKind::Thaw { .. }));
}

#[test]
fn a_cluster_that_is_balanced_between_its_waves_is_named() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    let mut policy = policy();
    let told = |fleet: &Fleet, policy: &underpin_model::policy::Policy| {
        let it = planned(fleet, policy);
        let all = it.report.standing.into_iter().filter(|it| it.rule == Rule::FreezeThaw);
        all.map(|it| (it.place, it.text)).collect::<Vec<_>>()
    };
    // One wave right after the other: it is frozen throughout.
    fleet.clusters[0].load_balancing = Some(true);
    assert_eq!(told(&fleet, &policy), []);
    // A canary that soaks for a day: it is thawed meanwhile.
    policy.rings[0].soak = underpin_model::quantity::Days::new(1.0).unwrap();
    let told_now = told(&fleet, &policy);
    assert_eq!((told_now.len(), told_now[0].0.as_str()), (1, "c"));
    assert!(
        told_now[0].1.starts_with("balancing is on, and") && told_now[0].1.contains("up to 24 h"),
        "{told_now:?}"
    );
    fleet.clusters[0].load_balancing = Some(false);
    assert_eq!(told(&fleet, &policy), []);
}
