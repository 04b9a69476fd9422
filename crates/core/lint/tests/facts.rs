//! Findings that hang on a fact: when leave ends, what releases are called, what was watched, what may hold a host back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]

mod support;

use std::collections::BTreeSet;

use serde_json::json;
use support::{Case, GIB, affinity, exception, migrate, vm};
use underpin_lint::Finding;
use underpin_model::change::{Method, Target};
use underpin_model::fleet::{Action, AffinityKind, Lock, LockKind, Redundancy};
use underpin_model::plan::{LeftOut, Rule, Severity, SoakSince, Soaking, StepKind};
use underpin_model::policy::Scope;

fn errors(case: &Case) -> BTreeSet<Rule> {
    case.rules(Severity::Error)
}

#[test]
fn a_rule_that_is_excused_binds_from_the_moment_at_which_the_exception_ends() {
    let sound = |last_day: &str, kind: AffinityKind, vms: &[&str], hosts: &[&str]| {
        let mut case = Case::sound();
        // Midnight is an hour after the start: the first wave is over, the second has not begun.
        case.plan.starts_at = "2026-11-20T23:00:00Z".parse().unwrap();
        case.fleet.affinities.push(affinity(kind, vms, hosts));
        let rule = match kind {
            AffinityKind::Apart => Rule::Apart,
            AffinityKind::Together => Rule::Together,
            AffinityKind::OnHosts => Rule::OnHosts,
        };
        let scope = Scope { clusters: vec![support::cluster()], ..Scope::default() };
        case.policy.planning.exception = vec![exception(rule, scope, last_day)];
        case
    };
    let told = |case: &Case| -> BTreeSet<(Rule, Option<u32>)> {
        let found = case.lint().findings.into_iter().filter(|it| it.severity == Severity::Error);
        found.map(|it| (it.rule, it.at_s)).collect()
    };
    for (kind, rule, vms, hosts) in [
        (AffinityKind::Apart, Rule::Apart, &["v1", "v4"][..], &[][..]),
        (AffinityKind::OnHosts, Rule::OnHosts, &["v1"], &["h1", "h2"]),
    ] {
        let case = sound("2026-11-21", kind, vms, hosts);
        assert!(!told(&case).iter().any(|it| it.0 == rule), "{kind:?}: {:#?}", case.lint().findings);
        let case = sound("2026-11-20", kind, vms, hosts);
        assert!(told(&case).contains(&(rule, Some(3600))), "{kind:?}: {:#?}", case.lint().findings);
    }
    let apart = |last_day: &str| {
        let mut case = sound(last_day, AffinityKind::Together, &["v1", "v6"], &[]);
        case.migration("v6").kind = migrate("v6", "h1", "h3");
        told(&case).into_iter().find(|it| it.0 == Rule::Together)
    };
    assert_eq!((apart("2026-11-21"), apart("2026-11-20")), (None, Some((Rule::Together, Some(3600)))));
    // After a failure guests are placed by the rule from then on, and not before: v4 fits beside v3 alone.
    let only_there = |last_day: &str| {
        let mut case = sound(last_day, AffinityKind::Apart, &["v3", "v4"], &[]);
        case.vm("v4").cpu_features = vec!["amx".into()];
        for host in ["h3", "h4"] {
            case.host(host).cpu.as_mut().unwrap().features.push("amx".into());
        }
        told(&case).into_iter().find(|it| it.0 == Rule::Restartability)
    };
    assert_eq!(only_there("2026-11-20"), Some((Rule::Restartability, Some(3600))));
    assert_eq!(only_there("2026-11-21"), Some((Rule::Restartability, Some(12_500))), "then h3 is away");
}

#[test]
fn releases_of_esxi_are_ordered_by_their_trains() {
    // Guests leave h1 for h4 while h1 runs the old release.
    let directions = |old: &str, of_h4: &str, new: &str| {
        let mut case = Case::sound();
        for host in &mut case.fleet.hosts {
            let platform = host.platform.as_mut().unwrap();
            platform.family = underpin_model::facts::Family::Esxi;
            platform.release = Some(if host.id.as_str() == "h4" { of_h4 } else { old }.into());
        }
        case.change("upgrade").to = Target::Release { release: new.into(), via: Vec::new() };
        for step in &mut case.plan.steps {
            if let StepKind::Patch { element, to, .. } = &mut step.kind
                && element.as_str() != "p1"
            {
                *to = new.into();
            }
        }
        let found = case.lint().findings.into_iter().filter(|it| it.rule == Rule::Direction);
        found.map(|it| (it.severity, it.place)).collect::<BTreeSet<_>>()
    };
    let (u2, u3) = ("VMware ESXi 8.0.2 build-23305546", "VMware ESXi 8.0.3 build-24022510");
    assert_eq!(directions(u2, u3, u3), BTreeSet::new(), "to the next train");
    assert_eq!(directions(u3, u3, u3), BTreeSet::new());
    let down = |host: &str| (Severity::Error, format!("host {host}"));
    assert_eq!(directions(u3, u2, u3), BTreeSet::from([down("h4")]));
    let unknown = (Severity::Unknown, "host h4".to_owned());
    assert_eq!(
        directions("8.0 U3d", u3, "8.0 U3d"),
        BTreeSet::from([unknown]),
        "one train, told in two ways"
    );
}

#[test]
fn a_history_lowers_what_a_step_takes_at_least() {
    let mut case = Case::sound();
    let reboot = |it: &StepKind| matches!(it, StepKind::Reboot { element, .. } if element.as_str() == "h3");
    (case.step(reboot).p50_s, case.step(reboot).p95_s) = (400, 900);
    assert_eq!(errors(&case), BTreeSet::from([Rule::StepTime]));
    case.policy.planning.durations =
        [(Method::EvacuateReboot, support::durations(Method::EvacuateReboot))].into();
    case.change("upgrade").durations = None;
    assert_eq!(errors(&case), BTreeSet::from([Rule::StepTime]), "nothing was watched");
    let watch = |case: &mut Case, step: &str, seconds: f64| {
        let watched = json!({"host": "h1", "step": step, "method": "evacuate-reboot", "seconds": seconds,
            "at": "2026-11-01T00:00:00Z"});
        case.planning().history.push(serde_json::from_value(watched).unwrap());
    };
    watch(&mut case, "patch", 100.0);
    assert_eq!(errors(&case), BTreeSet::from([Rule::StepTime]), "another step");
    watch(&mut case, "reboot", 400.9);
    assert_eq!(errors(&case), BTreeSet::new());
    case.step(reboot).p50_s = 399;
    assert_eq!(errors(&case), BTreeSet::from([Rule::StepTime]));
    // What a change declares holds whatever was watched.
    case.change("upgrade").durations = Some(support::durations(Method::EvacuateReboot));
    case.step(reboot).p50_s = 400;
    assert_eq!(errors(&case), BTreeSet::from([Rule::StepTime]));
}

#[test]
fn a_plan_that_changes_nothing_is_never_without_a_word() {
    let mut case = Case::sound();
    let touched = |case: &Case| {
        let patches = case.plan.steps.iter().filter_map(|it| match &it.kind {
            StepKind::Patch { element, change, .. } => Some((element.clone(), change.clone())),
            _ => None,
        });
        patches.collect::<BTreeSet<_>>()
    };
    let all = touched(&case);
    case.plan.left_out = all
        .iter()
        .map(|(element, change)| LeftOut {
            element: element.clone(),
            change: change.clone(),
            deferred: false,
        })
        .collect();
    (case.plan.steps, case.plan.waves) = (Vec::new(), Vec::new());
    let report = case.lint();
    let told = |it: &&Finding| it.place == "the plan" && it.severity == Severity::Unknown;
    let told = report.findings.iter().find(told).unwrap_or_else(|| panic!("{report:#?}"));
    assert!(told.found.contains(&format!("leaves {} out", all.len())), "{told:?}");
}

#[test]
fn what_is_left_out_though_nothing_holds_it_back_is_told() {
    let mut left = Case::sound();
    left.leave_out("h3", "upgrade");
    left.fleet.storage[0].redundancy = Some(Redundancy::Full);
    let found = left.lint().findings;
    let told: Vec<_> = found.iter().map(|it| (it.rule, it.severity, it.place.as_str())).collect();
    assert_eq!(told, [(Rule::Coverage, Severity::Unknown, "host h3")], "{found:#?}");
    // Whatever may hold it back is a reason, and it is not the lint that says which.
    type Reason = (&'static str, fn(&mut Case));
    let reasons: [Reason; 12] = [
        ("a lock", |it| {
            it.vm("v3").locks = vec![Lock { kind: LockKind::Backup, expires: None }];
        }),
        ("an action that is not allowed", |it| it.vm("v3").allowed_actions.clear()),
        ("a device", |it| it.vm("v3").passthrough = vec!["gpu".into()]),
        ("memory that nobody knows", |it| it.vm("v3").memory_mib = None),
        ("a feature of its host alone", |it| {
            it.host("h3").cpu.as_mut().unwrap().features.push("amx".into());
            it.vm("v3").cpu_features = vec!["amx".into()];
        }),
        ("too little room for one more failure", |it| {
            for id in ["h1", "h2", "h4"] {
                it.host(id).capacity.as_mut().unwrap().memory_mib = Some(24 * GIB);
            }
            it.vm("v3").memory_mib = Some(20 * GIB);
        }),
        ("a rule", |it| {
            it.fleet.affinities.push(affinity(AffinityKind::OnHosts, &["v3"], &["h3"]));
        }),
        ("storage that is not known to be whole", |it| it.fleet.storage[0].redundancy = None),
        ("an owner who says no", |it| {
            let mut no = it.planning().consents[0].clone();
            (no.id, no.granted, no.action, no.vms) =
                ("no".into(), false, Action::LiveMigrate, vec![vm("v3")]);
            it.planning().consents.push(no);
        }),
        ("a window", |it| {
            let window = json!({"id": "w", "scope": {"hosts": ["h3"]}, "from": "20:00", "minutes": 60});
            it.policy.planning.window = vec![serde_json::from_value(window).unwrap()];
        }),
        ("another change before it", |it| it.change("upgrade").after = vec!["plane".into()]),
        ("the end of all planning", |it| it.policy.planning.horizon_days = 1),
    ];
    for (what, hold) in reasons {
        let mut case = left.clone();
        hold(&mut case);
        let report = case.lint();
        let told = report.findings.iter().find(|it| it.rule == Rule::Coverage);
        assert_eq!(told, None, "{what}");
    }
}

#[test]
fn a_no_holds_back_the_hosts_of_its_own_guests_alone() {
    let mut left = Case::sound();
    left.leave_out("h3", "upgrade");
    left.fleet.storage[0].redundancy = Some(Redundancy::Full);
    let told = |action: Action, guest: &str| {
        let mut case = left.clone();
        let mut no = case.planning().consents[0].clone();
        (no.id, no.granted, no.action, no.vms) = ("no".into(), false, action, vec![vm(guest)]);
        case.planning().consents.push(no);
        case.lint().findings.iter().any(|it| it.rule == Rule::Coverage && it.place == "host h3")
    };
    assert!(!told(Action::LiveMigrate, "v3"));
    assert!(told(Action::LiveMigrate, "v4"), "another host's guest");
    assert!(told(Action::PowerOff, "v3"), "it may move while it runs");
}

#[test]
fn a_soak_whose_beginning_nobody_knows_runs_from_when_the_host_was_seen_or_as_the_parent_has_it() {
    // h4 runs the release; a soak of two hours ends after the second wave begins.
    let mut case = Case::sound();
    let starts = case.plan.starts_at;
    (case.fleet.seen.at, case.plan.made_from.seen_at) = (starts, starts);
    case.change("upgrade").elements.push(support::element("h4"));
    assert_eq!(errors(&case), BTreeSet::from([Rule::RingOrder]), "whatever the plan lists");
    let says = |case: &mut Case, until_s: u32, since: SoakSince| {
        let (element, change) = (support::element("h4"), "upgrade".to_owned());
        case.plan.soaking = vec![Soaking { element, change, canary: true, until_s, since }];
    };
    says(&mut case, 10, SoakSince::Parent);
    assert_eq!(errors(&case), BTreeSet::from([Rule::RingOrder]), "there is no parent");
    case.plan.parent = Some("0".repeat(64));
    assert_eq!(errors(&case), BTreeSet::new());
    says(&mut case, 7200, SoakSince::Parent);
    assert_eq!(errors(&case), BTreeSet::from([Rule::RingOrder]));
    says(&mut case, 10, SoakSince::Seen);
    assert_eq!(errors(&case), BTreeSet::from([Rule::RingOrder]), "it was seen when the plan starts");
}

/// What is found and expected about a rule.
fn said(case: &Case, rule: Rule) -> Vec<(String, String)> {
    let found = case.lint().findings.into_iter().filter(|it| it.rule == rule);
    found.map(|it| (it.found, it.expected)).collect()
}

#[test]
fn who_goes_too_early_is_named_with_the_canary_that_it_should_have_waited_for() {
    let mut case = Case::sound();
    case.shift(3, -3000);
    case.vm("v2").application = None;
    let said = said(&case, Rule::RingOrder);
    let canary = |it: &(String, String)| {
        it.0.starts_with("h2 start at 3700 s") && it.1.contains("when wave 2 (h1, canary) has soaked")
    };
    assert!(said.iter().any(canary), "{said:#?}");
    let class =
        |it: &(String, String)| it.0.starts_with("h2 goes when 0 hosts") && it.1.ends_with("canaries: h1");
    assert!(said.iter().any(class), "{said:#?}");
}

#[test]
fn a_plan_whose_policy_nobody_knows_is_told_either_way() {
    let case = Case::sound();
    let told = |planned: Option<&str>, held_to: Option<&str>| {
        let mut plan = case.plan.clone();
        plan.made_from.policy_sha256 = planned.map(str::to_owned);
        let options = underpin_lint::Options {
            policy_sha256: held_to.map(str::to_owned),
            ..underpin_lint::Options::default()
        };
        let report = underpin_lint::lint(&case.fleet, &case.policy, &plan, &options);
        let found = report.findings.into_iter().find(|it| it.place == "made_from.policy_sha256");
        found.map(|it| it.severity)
    };
    let (one, other) = ("a".repeat(64), "b".repeat(64));
    assert_eq!(told(None, None), None);
    assert_eq!(told(Some(&one), Some(&one)), None);
    assert_eq!(told(Some(&one), Some(&other)), Some(Severity::Error));
    assert_eq!(told(Some(&one), None), Some(Severity::Unknown));
    assert_eq!(told(None, Some(&one)), Some(Severity::Unknown));
}
