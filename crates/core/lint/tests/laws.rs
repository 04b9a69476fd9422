//! Laws that hold for every plan, however odd, and cases that a single mutation does not reach.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use support::{Case, GIB, affinity, change, element, exception, host, migrate, patch, step, vm};
use underpin_lint::{Options, lint};
use underpin_model::change::{Change, Layer, Method, Target};
use underpin_model::fleet::{Action, AffinityKind, Capacity, PowerState, Strength};
use underpin_model::plan::{LeftOut, Profile, Rule, Severity, StepKind};
use underpin_model::policy::{Durations, FailureSets, Homing, Placing, Scope, Spread};

fn errors(case: &Case) -> BTreeSet<Rule> {
    case.rules(Severity::Error)
}

#[test]
fn a_plan_of_nothing_over_a_fleet_without_changes_is_clean() {
    let mut case = Case::sound();
    case.plan.steps.clear();
    case.plan.waves.clear();
    assert_eq!(errors(&case), BTreeSet::from([Rule::Coverage]), "what is needed is missing");
    case.planning().changes.clear();
    let report = case.lint();
    assert!(report.findings.is_empty() && report.events == 0, "{:#?}", report.findings);
    assert_eq!(report.of(Rule::Capacity).unwrap().compared, 0, "nothing was compared, and it says so");
}

#[test]
fn what_was_wrong_before_is_told_and_is_no_error_until_the_plan_makes_it_worse() {
    let mut case = Case::sound();
    case.host("h4").capacity =
        Some(Capacity { memory_mib: Some(7 * GIB), vcpus: Some(64), ..Capacity::default() });
    case.fleet.affinities.push(affinity(AffinityKind::Apart, &["v2", "v5"], &[]));
    case.fleet.affinities.push(affinity(AffinityKind::OnHosts, &["v3"], &["h1", "h2"]));
    let before = case.rules(Severity::Before);
    assert!(before.is_superset(&BTreeSet::from([Rule::Capacity, Rule::Apart, Rule::OnHosts])), "{before:?}");
    // The plan sends two more to the host that is too full.
    assert!(errors(&case).contains(&Rule::Capacity));
    assert!(!errors(&case).contains(&Rule::Apart) && !errors(&case).contains(&Rule::OnHosts));
    for (guest, to) in [("v1", "h3"), ("v6", "h3")] {
        case.migration(guest).kind = migrate(guest, "h1", to);
    }
    case.remove(|it| matches!(it, StepKind::Migrate { vm, .. } if vm.as_str() == "v3"));
    assert!(!errors(&case).contains(&Rule::Capacity), "{:?}", errors(&case));
}

#[test]
fn a_guest_that_nobody_could_restart_was_so_before() {
    let mut case = Case::sound();
    case.vm("v3").cpu_features = vec!["amx".into()];
    case.host("h3").cpu.as_mut().unwrap().features.push("amx".into());
    case.host("h2").cpu.as_mut().unwrap().features.push("amx".into());
    assert!(errors(&case).contains(&Rule::Restartability), "while one of two is away nobody restarts it");
    case.host("h2").cpu.as_mut().unwrap().features.pop();
    let report = case.lint();
    assert_eq!(errors(&case), BTreeSet::from([Rule::CpuFeatures]), "the target lacks it");
    let hopeless = report.findings.iter().find(|it| it.rule == Rule::Restartability).unwrap();
    assert_eq!((hopeless.severity, hopeless.place.as_str()), (Severity::Before, "VM v3"));
}

#[test]
fn a_fact_that_is_missing_is_unknown_and_no_error() {
    let mut case = Case::sound();
    case.vm("v1").memory_mib = None;
    case.host("h1").platform.as_mut().unwrap().release = None;
    case.vm("v2").cpu_features = vec!["sse4".into()];
    case.host("h1").cpu = None;
    let unknown = case.rules(Severity::Unknown);
    let expected =
        [Rule::Capacity, Rule::Restartability, Rule::MigrationTime, Rule::CpuFeatures, Rule::Direction];
    assert!(unknown.is_superset(&BTreeSet::from(expected)), "{unknown:?}");
    assert!(errors(&case).is_empty(), "{:#?}", case.lint().findings);
}

#[test]
fn a_preference_that_is_not_met_is_worse_and_no_error() {
    let mut case = Case::sound();
    let mut should = affinity(AffinityKind::Apart, &["v1", "v4"], &[]);
    should.strength = Strength::Should;
    case.fleet.affinities.push(should);
    assert_eq!(case.rules(Severity::Worse), BTreeSet::from([Rule::Apart]));
    assert!(case.lint().is_clean());
    case.fleet.affinities.pop();
    case.plan.homing = Homing::Home;
    assert_eq!(case.rules(Severity::Worse), BTreeSet::from([Rule::FinalState]));
}

#[test]
fn an_exception_excuses_its_rule_in_its_scope_until_its_day() {
    let mut case = Case::sound();
    case.fleet.clusters[0].degraded = Some(true);
    let here = Scope { clusters: vec![support::cluster()], ..Scope::default() };
    case.policy.planning.exception = vec![exception(Rule::Degraded, here.clone(), "2026-11-21")];
    let report = case.lint();
    assert!(report.is_clean() && report.findings.is_empty(), "{:#?}", report.findings);
    let used = &report.exceptions[0];
    assert_eq!(
        (used.id.as_str(), used.owner.as_str(), used.first.place.as_str()),
        ("one-night", "operations", "cluster c1")
    );
    assert!(used.uses > 10, "every step that touches is one use: {}", used.uses);
    let elsewhere = Scope { hosts: vec![host("h3")], ..Scope::default() };
    for (rule, scope, expires) in [
        (Rule::Degraded, here.clone(), "2026-11-20"),
        (Rule::Degraded, elsewhere, "2026-12-31"),
        (Rule::Capacity, here, "2026-12-31"),
    ] {
        case.policy.planning.exception = vec![exception(rule, scope, expires)];
        assert_eq!(errors(&case), BTreeSet::from([Rule::Degraded]));
        assert!(case.lint().exceptions.is_empty());
    }
}

#[test]
fn both_ends_of_a_migration_count_and_ends_come_before_starts() {
    let mut case = Case::sound();
    case.policy.planning.failure_sets = FailureSets::None;
    // The target has room for one guest beside its own: the second may come in the very second in which the first leaves again.
    case.host("h4").capacity.as_mut().unwrap().memory_mib = Some(16 * GIB);
    case.fleet.affinities.clear();
    case.migration("v6").kind = migrate("v6", "h1", "h3");
    case.add(2, "h1", migrate("v1", "h4", "h3"), 920, 40);
    case.add(2, "h1", migrate("v6", "h3", "h4"), 960, 40);
    assert!(!errors(&case).contains(&Rule::Capacity), "{:#?}", case.lint().findings);
    let back = |it: &StepKind| matches!(it, StepKind::Migrate { vm, from, .. } if (vm.as_str(), from.as_str()) == ("v6", "h3"));
    case.step(back).start_s = 959;
    case.tidy();
    assert!(errors(&case).contains(&Rule::Capacity), "a second earlier both count");
}

#[test]
fn what_a_guest_on_its_way_gives_up_is_its_own_again_when_it_has_arrived() {
    let mut case = Case::sound();
    case.fleet.affinities.clear();
    case.fleet.vms.retain(|it| matches!(it.id.as_str(), "v1" | "v6"));
    case.vm("v6").memory_mib = Some(12 * GIB);
    for (id, gib) in [("h2", 8), ("h3", 0), ("h4", 12)] {
        case.host(id).capacity.as_mut().unwrap().memory_mib = Some(gib * GIB);
    }
    case.remove(|it| matches!(it, StepKind::Migrate { vm, .. } if vm.as_str() == "v6"));
    // On its way v1 (8 GiB) could be restarted on h2, and v6 (12 GiB) on h4; once it stands on h4, v6 has no place.
    let report = case.lint();
    let short: Vec<_> = report.findings.iter().filter(|it| it.rule == Rule::Restartability).collect();
    assert_eq!((short[0].severity, short[0].at_s), (Severity::Error, Some(920)), "{short:#?}");
    assert_eq!(short[0].place, "failure of host h1");
}

/// The plan as the platform would carry it out: it evacuates, the plan expects where to.
fn platform_places() -> Case {
    let mut case = Case::sound();
    case.plan.placing = Placing::PlatformPlaces;
    case.policy.planning.placing = Placing::PlatformPlaces;
    case.remove(|it| matches!(it, StepKind::Migrate { .. }));
    let evacuate = |from: &str, moves: &[(&str, &str)], to: &[&str]| StepKind::Evacuate {
        host: host(from),
        expected: moves.iter().map(|(guest, to)| (vm(guest), host(to))).collect(),
        only_to: to.iter().map(|it| host(it)).collect(),
        mbps: 5000,
    };
    case.add(2, "h1", evacuate("h1", &[("v1", "h4"), ("v6", "h4")], &["h4", "h2"]), 860, 120);
    case.add(3, "h2", evacuate("h2", &[("v2", "h1")], &["h1", "h4"]), 6700, 60);
    case.add(4, "h3", evacuate("h3", &[("v3", "h2")], &["h1", "h2"]), 12_500, 60);
    case
}

#[test]
fn an_evacuation_counts_what_it_expects() {
    let case = platform_places();
    assert!(case.lint().findings.is_empty(), "{:#?}", case.lint().findings);
    type Mutation = (Rule, fn(&mut Case));
    let mutations: [Mutation; 13] = [
        (Rule::Reach, |it| it.host("h2").cluster = None),
        (Rule::WellFormed, |it| it.plan.placing = Placing::WePlace),
        (Rule::WellFormed, |it| evacuation(it, |_, only_to, _| only_to.retain(|it| it.as_str() != "h4"))),
        (Rule::OccupiedHost, |it| {
            it.fleet.affinities.clear();
            evacuation(it, |expected, _, _| drop(expected.pop()));
        }),
        (Rule::Capacity, |it| it.host("h4").capacity.as_mut().unwrap().vcpus = Some(11)),
        (Rule::MigrationBandwidth, |it| evacuation(it, |_, _, mbps| *mbps = 10_001)),
        (Rule::MigrationTime, |it| {
            let step = it.step(|it| matches!(it, StepKind::Evacuate { .. }));
            (step.p50_s, step.p95_s) = (39, 39);
        }),
        (Rule::AllowedAction, |it| it.vm("v6").allowed_actions.clear()),
        (Rule::Direction, |it| it.host("h4").platform.as_mut().unwrap().release = Some("8.0".into())),
        // Of what the platform may choose beside the targets: h2 takes whoever comes.
        (Rule::Direction, |it| it.host("h2").platform.as_mut().unwrap().release = Some("8.0".into())),
        (Rule::CpuFeatures, |it| {
            for host in ["h1", "h4"] {
                it.host(host).cpu.as_mut().unwrap().features.push("amx".into());
            }
            it.vm("v1").cpu_features = vec!["amx".into()];
            it.policy.planning.failure_sets = FailureSets::None;
        }),
        (Rule::Capacity, |it| {
            it.host("h2").capacity.as_mut().unwrap().memory_mib = Some(31 * GIB);
        }),
        (Rule::Capacity, |it| {
            it.host("h3").maintenance = Some(true);
            evacuation(it, |_, only_to, _| only_to.push(host("h3")));
        }),
    ];
    for (rule, mutate) in mutations {
        let mut case = platform_places();
        mutate(&mut case);
        assert!(errors(&case).contains(&rule), "{rule:?}: {:#?}", case.lint().findings);
    }
}

#[test]
fn an_evacuation_waits_for_guests_that_stay_for_ever() {
    let mut case = platform_places();
    // v5 is stopped while its host is changed, and here only after the others have left.
    let stop = case.step(|it| matches!(it, StepKind::Stop { .. }));
    stop.start_s = 6765;
    case.tidy();
    let found: Vec<_> =
        case.lint().findings.into_iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(
        found.len() == 1 && found[0].rule == Rule::OccupiedHost && found[0].at_s == Some(6760),
        "{found:#?}"
    );
    // It stops in time, and the evacuation would not wait for it, were it late.
    case.step(|it| matches!(it, StepKind::Stop { .. })).start_s = 6660;
    case.gate(3).start_s = 6660;
    case.tidy();
    assert!(errors(&case).contains(&Rule::Order), "{:#?}", case.lint().findings);
    let stop = case.step(|it| matches!(it, StepKind::Stop { .. })).id;
    let evacuate = |it: &StepKind| matches!(it, StepKind::Evacuate { host, .. } if host.as_str() == "h2");
    case.step(evacuate).after.push(stop);
    assert!(case.lint().findings.is_empty(), "{:#?}", case.lint().findings);
}

fn evacuation(
    case: &mut Case,
    change: impl FnOnce(
        &mut Vec<(underpin_model::id::VmId, underpin_model::id::HostId)>,
        &mut Vec<underpin_model::id::HostId>,
        &mut u32,
    ),
) {
    let step = case.step(|it| matches!(it, StepKind::Evacuate { .. }));
    if let StepKind::Evacuate { expected, only_to, mbps, .. } = &mut step.kind {
        change(expected, only_to, mbps);
    }
}

/// The second host by a quick boot: its guests are suspended meanwhile.
fn quick_boot() -> Case {
    let mut case = Case::sound();
    case.change("upgrade").methods = vec![Method::EvacuateReboot, Method::QuickBoot];
    let guests = |it: &StepKind| it.vm().is_some_and(|it| matches!(it.as_str(), "v2" | "v5"));
    case.remove(guests);
    for id in ["v2", "v5"] {
        case.vm(id).allowed_actions = vec![Action::Suspend];
        case.add(
            3,
            "h2",
            StepKind::Suspend { vm: vm(id), host: host("h2"), consent: Some("sleep".into()) },
            6700,
            30,
        );
        case.add(3, "h2", StepKind::Resume { vm: vm(id), host: host("h2") }, 8810, 30);
    }
    let mut sleep = case.planning().consents[0].clone();
    (sleep.id, sleep.action, sleep.vms) = ("sleep".into(), Action::Suspend, vec![vm("v2"), vm("v5")]);
    case.planning().consents.push(sleep);
    for it in case.plan.steps.iter_mut().filter(|it| it.wave == 3) {
        match &mut it.kind {
            StepKind::Patch { method, .. } => *method = Method::QuickBoot,
            StepKind::Reboot { quick, .. } => *quick = true,
            _ => {}
        }
    }
    case
}

#[test]
fn suspended_guests_stay_through_a_quick_boot() {
    let case = quick_boot();
    assert!(case.lint().findings.is_empty(), "{:#?}", case.lint().findings);
    let mut awake = case.clone();
    awake.remove(|it| matches!(it, StepKind::Suspend { vm, .. } if vm.as_str() == "v2"));
    assert!(errors(&awake).contains(&Rule::OccupiedHost));
    let mut asleep = case.clone();
    asleep.remove(|it| matches!(it, StepKind::Resume { vm, .. } if vm.as_str() == "v2"));
    assert_eq!(errors(&asleep), BTreeSet::from([Rule::FinalState]));
    let mut early = case;
    early.step(|it| matches!(it, StepKind::Resume { vm, .. } if vm.as_str() == "v2")).start_s = 8700;
    early.tidy();
    assert_eq!(errors(&early), BTreeSet::from([Rule::Capacity]), "the host is not verified yet");
}

#[test]
fn a_live_patch_leaves_guests_running_and_its_host_away() {
    let mut case = Case::sound();
    case.change("upgrade").methods = vec![Method::EvacuateReboot, Method::LivePatch];
    case.remove(|it| {
        it.vm().is_some_and(|it| it.as_str() == "v3")
            || matches!(it, StepKind::Reboot { element, .. } if element.as_str() == "h3")
    });
    for it in case.plan.steps.iter_mut().filter(|it| it.wave == 4) {
        if let StepKind::Patch { method, .. } = &mut it.kind {
            *method = Method::LivePatch;
        }
    }
    assert!(case.lint().findings.is_empty(), "{:#?}", case.lint().findings);
    // A guest of the host that is patched must find a place all the same, should it fail.
    for id in ["h1", "h2", "h4"] {
        case.host(id).capacity.as_mut().unwrap().memory_mib = Some(40 * GIB);
    }
    case.vm("v3").memory_mib = Some(17 * GIB);
    assert!(errors(&case).is_empty(), "{:#?}", case.lint().findings);
    case.vm("v3").memory_mib = Some(41 * GIB);
    assert!(errors(&case).is_empty(), "it never had a place");
    assert_eq!(case.rules(Severity::Before), BTreeSet::from([Rule::Restartability]));
}

#[test]
fn two_changes_share_one_drain_in_hops() {
    let mut case = Case::sound();
    case.change("upgrade").to = Target::Release { release: "8.2".into(), via: vec!["8.1".into()] };
    assert!(case.lint().findings.is_empty(), "the hop that a host runs already is behind it");
    let quick = Durations { patch: Spread::new(5, 10), ..support::durations(Method::EvacuateReboot) };
    let setting = Change {
        to: Target::Setting { name: "iommu".into(), value: "on".into(), reboot: true },
        methods: vec![Method::EvacuateReboot, Method::Defer],
        durations: Some(quick),
        ..change("iommu", Layer::Host, &["h3"], "")
    };
    case.planning().changes.push(setting);
    assert_eq!(errors(&case), BTreeSet::from([Rule::Coverage]));
    let mut one_drain = case.clone();
    one_drain.add(4, "h3", patch("h3", "iommu", Method::EvacuateReboot, "iommu=on"), 12_560, 40);
    assert!(one_drain.lint().findings.is_empty(), "{:#?}", one_drain.lint().findings);
    let mut after_reboot = case.clone();
    after_reboot.add(4, "h3", patch("h3", "iommu", Method::EvacuateReboot, "iommu=on"), 14_400, 10);
    assert_eq!(
        errors(&after_reboot),
        BTreeSet::from([Rule::Method, Rule::Coverage])
            .intersection(&errors(&after_reboot))
            .copied()
            .collect()
    );
    assert!(errors(&after_reboot).contains(&Rule::Method));
    case.plan.left_out = vec![LeftOut { element: element("h3"), change: "iommu".into(), deferred: true }];
    assert!(case.lint().findings.is_empty());
}

#[test]
fn units_follow_each_other_when_the_one_before_is_verified() {
    let mut case = Case::sound();
    support::two_units(&mut case);
    assert!(case.lint().findings.is_empty(), "{:#?}", case.lint().findings);
    // Not after the second one only, and not while the second one is under way.
    let is_verify = |it: &StepKind| matches!(it, StepKind::Verify { element } if element.as_str() == "s1");
    case.step(is_verify).p95_s = 371;
    assert!(errors(&case).contains(&Rule::Method), "{:#?}", case.lint().findings);
    case.step(is_verify).start_s = 16_599;
    case.tidy();
    assert!(errors(&case).contains(&Rule::Method), "{:#?}", case.lint().findings);
}

#[test]
fn whoever_is_beyond_a_target_is_no_longer_asked_for() {
    let mut case = Case::sound();
    case.leave_out("h3", "upgrade");
    case.plan.left_out.clear();
    assert_eq!(errors(&case), BTreeSet::from([Rule::Coverage]));
    // Another train of ESXi: its fixes cannot be compared, that it follows is known.
    for it in &mut case.fleet.hosts {
        let running = it.platform.as_mut().unwrap();
        running.family = underpin_model::facts::Family::Esxi;
        running.release = Some(if it.id.as_str() == "h3" { "9.0.0" } else { "8.0.2" }.into());
    }
    case.change("upgrade").to = Target::Release { release: "8.0.3".into(), via: vec![] };
    for it in &mut case.plan.steps {
        if let StepKind::Patch { change, to, .. } = &mut it.kind
            && change == "upgrade"
        {
            *to = "8.0.3".into();
        }
    }
    case.host("h4").platform.as_mut().unwrap().release = Some("8.0.3".into());
    assert!(case.lint().is_clean(), "{:#?}", case.lint().findings);
    case.host("h3").platform.as_mut().unwrap().release = Some("8.0.2".into());
    assert_eq!(errors(&case), BTreeSet::from([Rule::Coverage]));
}

#[test]
fn each_hop_counts_from_the_one_before_it() {
    let mut case = Case::sound();
    let way = |it: &StepKind| matches!(it, StepKind::Patch { element, .. } if element.as_str() == "h3");
    case.add(4, "h3", patch("h3", "upgrade", Method::EvacuateReboot, "8.4"), 12_560, 40);
    let lower = |case: &Case| case.lint().of(Rule::Direction).unwrap().errors;
    assert_eq!(lower(&case), 1, "{:#?}", case.lint().findings);
    if let StepKind::Patch { to, .. } = &mut case.step(way).kind {
        *to = "8.1.5".into();
    }
    assert_eq!(lower(&case), 0);
}

#[test]
fn an_emergency_gives_up_what_the_policy_says_and_no_more() {
    let mut case = Case::sound();
    for wave in &mut case.plan.waves {
        wave.soak_until_s = wave.end_s + (wave.soak_until_s - wave.end_s) / 2;
    }
    assert_eq!(errors(&case), BTreeSet::from([Rule::Soak]));
    case.plan.profile = Profile::Emergency;
    case.policy.planning.emergency.soak_factor = 0.5;
    assert!(case.lint().is_clean(), "{:#?}", case.lint().findings);
    // What it is excused from is told, at every place.
    let excused: Vec<_> = case.lint().findings;
    assert_eq!((excused.len(), case.rules(Severity::Worse)), (3, BTreeSet::from([Rule::Soak])));
    assert!(excused[0].expected.ends_with("at least 3600 s; only an emergency is excused"), "{excused:#?}");
    let few =
        lint(&case.fleet, &case.policy, &case.plan, &Options { most_findings: 1, ..Options::default() });
    assert_eq!((few.findings.len(), few.count(Severity::Worse)), (1, 3));
    // The rings follow the canaries at once, and not before.
    case.shift(4, -3_500);
    assert_eq!(errors(&case), BTreeSet::from([Rule::RingOrder]));
    case.policy.planning.emergency.merge_rings = true;
    assert!(case.lint().is_clean(), "{:#?}", case.lint().findings);
    assert_eq!(case.rules(Severity::Worse), BTreeSet::from([Rule::RingOrder, Rule::Soak]));
    // More hosts away, and tenants outside their windows.
    let mut case = Case::sound();
    case.policy.planning.most_away.per_cluster = 0;
    case.policy.planning.emergency.per_cluster = Some(1);
    assert_eq!(errors(&case), BTreeSet::from([Rule::MostAway]));
    case.plan.profile = Profile::Emergency;
    case.policy.planning.emergency.soak_factor = 1.0;
    assert_eq!(
        (errors(&case), case.rules(Severity::Worse)),
        (BTreeSet::new(), BTreeSet::from([Rule::MostAway]))
    );
    // An emergency that gives up nothing is as any other plan.
    case.policy.planning.most_away.per_cluster = 1;
    assert!(case.lint().findings.is_empty(), "{:#?}", case.lint().findings);
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let mut case = Case::sound();
    case.fleet.clusters[0].degraded = Some(true);
    let all = case.lint();
    let options = Options { most_findings: 3, ..Options::default() };
    let few = lint(&case.fleet, &case.policy, &case.plan, &options);
    assert_eq!(few.findings.len(), 3);
    assert_eq!(few.of(Rule::Degraded).unwrap().errors, all.findings.len() as u64);
    assert_eq!(few.count(Severity::Error), all.count(Severity::Error));
    assert_eq!(few.findings, all.findings[..3]);
}

#[test]
fn hostile_plans_are_findings_and_no_panic() {
    let mut case = Case::sound();
    for it in &mut case.plan.steps {
        it.start_s = u32::MAX - 1;
        it.p95_s = u32::MAX;
        it.after = vec![u32::MAX, it.id, it.id.wrapping_add(1)];
    }
    assert!(errors(&case).is_superset(&BTreeSet::from([Rule::WellFormed, Rule::Order])));
    let mut backwards = Case::sound();
    backwards.plan.steps.reverse();
    assert!(!backwards.lint().is_clean());
    let mut huge = Case::sound();
    for it in &mut huge.fleet.vms {
        (it.memory_mib, it.vcpus, it.dirty_rate_mib_s) = (Some(u64::MAX), Some(u32::MAX), Some(f64::NAN));
    }
    assert!(!huge.lint().is_clean());
    let mut none = Case::sound();
    none.policy.rings.clear();
    none.fleet.hosts.clear();
    assert!(!none.lint().is_clean());
    let mut negative = Case::sound();
    negative.policy.planning.migration.p95_factor = f64::NAN;
    negative.policy.planning.migration.dirty_mib_s_per_gib = -1.0;
    assert!(negative.lint().is_clean());
}

#[test]
fn a_million_duplicates_are_counted_in_bounded_space() {
    let mut case = Case::sound();
    let twice = step(2, Some("h1"), migrate("v1", "h1", "h4"), 860, 60);
    let left = LeftOut { element: element("h3"), change: "upgrade".into(), deferred: false };
    case.plan.steps.extend(std::iter::repeat_n(twice, 1_000_000));
    case.plan.left_out = vec![left; 1000];
    let report = case.lint();
    assert!(report.of(Rule::WellFormed).unwrap().errors >= 1_000_000);
    assert!(report.findings.len() < 100 * Rule::ALL.len());
}

#[test]
fn an_empty_cluster_and_guests_that_are_off_are_no_trouble() {
    let mut case = Case::sound();
    for it in &mut case.fleet.vms {
        it.power = Some(PowerState::Off);
    }
    case.remove(|it| it.vm().is_some());
    assert!(case.lint().findings.is_empty(), "{:#?}", case.lint().findings);
    // A guest that is off may go anywhere, over any release, with consent and in the cold.
    let mut cold = migrate("v3", "h3", "h2");
    if let StepKind::Migrate { live, mbps, pause_ms, .. } = &mut cold {
        (*live, *mbps, *pause_ms) = (false, 0, 0);
    }
    case.add(4, "h3", cold, 12_500, 180);
    assert_eq!(errors(&case), BTreeSet::from([Rule::AllowedAction, Rule::Consent]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_order_of_the_fleet_changes_no_finding(seed in any::<u64>(), broken in 0usize..5) {
        let mut case = Case::sound();
        match broken {
            1 => case.host("h4").capacity.as_mut().unwrap().memory_mib = Some(12 * GIB),
            2 => {
                for id in ["h2", "h3", "h4"] {
                    case.host(id).capacity.as_mut().unwrap().memory_mib = Some(26 * GIB);
                }
            }
            3 => case.fleet.affinities.push(affinity(AffinityKind::Apart, &["v1", "v4", "v2"], &[])),
            4 => case.fleet.clusters[0].degraded = Some(true),
            _ => {}
        }
        let report = case.lint();
        let mut random = seed;
        let mut next = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % most
        };
        for at in (1..case.fleet.hosts.len()).rev() {
            case.fleet.hosts.swap(at, next(at + 1));
        }
        for at in (1..case.fleet.vms.len()).rev() {
            case.fleet.vms.swap(at, next(at + 1));
        }
        prop_assert_eq!(case.lint(), report);
    }

    #[test]
    fn any_plan_can_be_linted(
        changes in prop::collection::vec((0usize..30, 0u32..9, any::<u32>(), any::<u32>(), 0usize..8), 0..12),
    ) {
        let mut case = Case::sound();
        let names = ["h1", "h2", "h3", "h4", "v1", "v2", "p1", "nobody"];
        for (at, what, start_s, p95_s, name) in changes {
            let count = case.plan.steps.len();
            let step = &mut case.plan.steps[at % count];
            let name = names[name];
            match what {
                0 => step.start_s = start_s,
                1 => step.p95_s = p95_s,
                2 => step.wave = start_s % 9,
                3 => step.subject = Some(element(name)),
                4 => step.kind = migrate(name, "h1", "h3"),
                5 => step.kind = StepKind::Start { vm: vm(name), host: host("h2") },
                6 => step.kind = StepKind::Reboot { element: element(name), quick: true },
                7 => step.after = vec![start_s, p95_s % 30],
                _ => step.kind = migrate("v1", "h4", name),
            }
        }
        let report = case.lint();
        prop_assert_eq!(report.checked.len(), Rule::ALL.len());
        prop_assert_eq!(case.lint(), report);
    }
}

#[test]
fn a_fleet_that_is_stale_or_seen_later_and_balancing_that_nobody_knows_are_unknown() {
    let unknown = |case: &Case| -> Vec<(Rule, String)> {
        let all = case.lint().findings.into_iter().filter(|it| it.severity == Severity::Unknown);
        all.map(|it| (it.rule, it.found)).collect()
    };
    let days = |days: i64| {
        let mut case = Case::sound();
        case.plan.starts_at = case.fleet.seen.at + jiff::SignedDuration::from_hours(24 * days);
        case.planning().consents[0].until = None;
        unknown(&case)
    };
    assert!(days(7).is_empty(), "{:?}", days(7));
    let found = days(8);
    assert!(found.len() == 1 && found[0].0 == Rule::WellFormed, "{found:?}");
    assert!(found[0].1.starts_with("the fleet was seen 8 days before the plan starts"), "{found:?}");
    assert!(days(-1)[0].1.starts_with("the fleet was seen 24 h after the plan starts"), "{:?}", days(-1));
    let mut case = Case::sound();
    case.fleet.clusters[0].load_balancing = None;
    assert!(unknown(&case).is_empty());
    if let StepKind::Freeze { what, .. } = &mut case.step(|it| matches!(it, StepKind::Freeze { .. })).kind {
        what.clear();
    }
    let found = unknown(&case);
    assert!(
        found.len() == 2
            && found[0].1.starts_with("balancing is not frozen, and nobody knows")
            && found[1].1.starts_with("the start of guests by themselves is not frozen, and nobody knows"),
        "{found:?}"
    );
}

#[test]
fn a_guest_that_drifted_to_a_host_rests_there_and_is_started_again() {
    let mut case = Case::sound();
    let it = case.vm("v5");
    it.host = Some(host("h3"));
    it.allowed_actions.push(Action::LiveMigrate);
    case.add(2, "h1", migrate("v5", "h3", "h2"), 2900, 60);
    let report = case.lint();
    assert!(report.is_clean(), "{:#?}", report.findings);
    // Before the host was verified it may not.
    case.step(|it| matches!(it, StepKind::Start { .. })).start_s = 8700;
    case.tidy();
    assert!(errors(&case).contains(&Rule::Capacity), "{:#?}", case.lint().findings);
}
