//! Windows, freezes, re-planning.

use std::collections::BTreeMap;

use jiff::civil::time;
use underpin_model::change::{Change, Layer, Target};
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, Fleet, Lock, LockKind, ManagementPlane, Witness};
use underpin_model::id::{ManagementPlaneId, WitnessId};
use underpin_model::plan::{Outcome, Reason, Relaxation, StepKind, Trial};
use underpin_model::policy::{Day, Freeze, Policy, Scope, Window};
use underpin_planner::campaign::{Parent, Request, plan, relax};
use underpin_planner::diff::diff;

use super::build::{
    array_of_two_controllers, at, change, clean, fleet, guest, of, planned, planning, policy, request, tenant,
};

pub fn window(scope: Scope, days: Vec<Day>, hour: i8, minutes: u32) -> Window {
    Window {
        id: format!("w-{hour}"),
        scope,
        days,
        from: time(hour, 0, 0, 0),
        minutes,
        time_zone: Some("Europe/Berlin".to_owned()),
        first: None,
        last: None,
    }
}

#[test]
fn guests_of_a_tenant_move_in_its_window_only() {
    let mut fleet = fleet(3);
    let acme = tenant(&mut fleet, "acme");
    guest(&mut fleet, "h1", 8).tenant = Some(acme.clone());
    let mut policy = policy();
    policy.planning.window =
        vec![window(Scope { tenants: vec![acme.clone()], ..Scope::default() }, vec![Day::Sun], 2, 60)];
    let it = planned(&fleet, &policy);
    let moves: Vec<_> =
        it.plan.steps.iter().filter(|it| matches!(it.kind, StepKind::Migrate { .. })).collect();
    assert!(!moves.is_empty());
    for step in &moves {
        // Sunday, two to three in Berlin.
        assert!(it.plan.instant(step.start_s) >= at("2026-11-22T01:00:00Z"), "{step:?}");
        assert!(it.plan.instant(step.end_s()) <= at("2026-11-22T02:00:00Z"), "{step:?}");
    }
    // Hosts without its guests did not wait.
    assert!(of(&it, "h2").start_s < of(&it, "h1").start_s);
    assert!(
        of(&it, "h1")
            .reasons
            .iter()
            .any(|it| matches!(it, Reason::WindowOpens { tenant: Some(t), .. } if *t == acme))
    );
}

#[test]
fn guests_whose_windows_never_overlap_leave_their_host_one_after_the_other() {
    let mut fleet = fleet(3);
    let (acme, zeta) = (tenant(&mut fleet, "acme"), tenant(&mut fleet, "zeta"));
    guest(&mut fleet, "h1", 8).tenant = Some(acme.clone());
    guest(&mut fleet, "h1", 8).tenant = Some(zeta.clone());
    guest(&mut fleet, "h1", 8);
    let of_tenant =
        |it: &underpin_model::id::TenantId| Scope { tenants: vec![it.clone()], ..Scope::default() };
    let mut policy = policy();
    policy.planning.window = vec![
        window(of_tenant(&acme), vec![Day::Sun], 2, 60),
        Window { id: "z".to_owned(), ..window(of_tenant(&zeta), vec![Day::Tue], 2, 60) },
    ];
    let it = planned(&fleet, &policy);
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned, "{:?}", of(&it, "h1").reasons);
    let days: Vec<(String, u32)> = it
        .plan
        .steps
        .iter()
        .filter_map(|step| match &step.kind {
            StepKind::Migrate { vm, from, .. } if from.as_str() == "h1" => {
                Some((vm.to_string(), step.start_s / 86_400))
            }
            _ => None,
        })
        .collect();
    // One of the two leaves in its own window; the other, and who has none, when the host is changed.
    assert_eq!(days.len(), 3, "{days:?}");
    let patch = it
        .plan
        .steps
        .iter()
        .find(|it| matches!(&it.kind, StepKind::Patch { element, .. } if element.as_str() == "h1"));
    let day = |vm: &str| days.iter().find(|it| it.0 == vm).unwrap().1;
    assert_ne!(day("v001"), day("v002"));
    assert_eq!(day("v003"), patch.unwrap().start_s / 86_400);
    assert!(it.report.waves.iter().any(|it| matches!(it.reasons[..], [Reason::LeavesEarly { .. }])));
}

#[test]
fn guests_that_are_too_many_for_one_opening_take_several() {
    let mut fleet = fleet(3);
    let acme = tenant(&mut fleet, "acme");
    for host in &mut fleet.hosts {
        host.migration.as_mut().unwrap().bandwidth_mbps = Some(1000);
    }
    // Five minutes each over 1 Gbit/s, by P95.
    for _ in 0..3 {
        guest(&mut fleet, "h1", 24).tenant = Some(acme.clone());
    }
    let mut policy = policy();
    policy.planning.window = vec![window(Scope { tenants: vec![acme], ..Scope::default() }, vec![], 2, 15)];
    let it = planned(&fleet, &policy);
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned, "{:?}", of(&it, "h1").reasons);
    let days: std::collections::BTreeSet<u32> = it
        .plan
        .steps
        .iter()
        .filter(|it| matches!(&it.kind, StepKind::Migrate { from, .. } if from.as_str() == "h1"))
        .map(|it| it.start_s / 86_400)
        .collect();
    assert_eq!(days.len(), 2);
}

#[test]
fn a_path_with_its_rollback_must_fit_the_window() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    let mut policy = policy();
    policy.planning.window = vec![window(Scope::default(), vec![], 22, 45)];
    let it = planned(&fleet, &policy);
    // 10 + 20 minutes, attesting and verifying, and 30 for the rollback.
    let Reason::OutsideWindow { tenant: None, needs_s, longest_s: 2700 } = of(&it, "h2").reasons[0] else {
        panic!("{:?}", of(&it, "h2"));
    };
    assert!(needs_s >= 3600, "{needs_s}");
    let way = &it.report.counterfactuals[0];
    assert!(
        matches!(way.relaxation, Relaxation::LongerWindow { minutes, .. } if minutes >= 19)
            && way.trial == Trial::Enough
    );
    policy.planning.window[0].minutes = 75;
    let it = planned(&fleet, &policy);
    assert_eq!(of(&it, "h2").outcome, Outcome::Planned);
    // One host a night.
    let starts: Vec<u32> = it.plan.waves.iter().map(|it| it.start_s / 86_400).collect();
    assert_eq!(starts, [0, 1, 2]);
}

/// A host whose cluster stands on one element of each other layer, with a change of that element alone.
fn changed(layer: Layer) -> (Fleet, &'static str) {
    let mut fleet = fleet(1);
    let id = match layer {
        Layer::ManagementPlane => {
            let plane = ManagementPlane::new(ManagementPlaneId::new("vc").unwrap());
            fleet.clusters[0].managed_by = vec![plane.id.clone()];
            fleet.management_planes.push(plane);
            "vc"
        }
        Layer::Witness => {
            let witness = Witness::new(WitnessId::new("w").unwrap());
            fleet.clusters[0].witness = Some(witness.id.clone());
            fleet.witnesses.push(witness);
            "w"
        }
        _ => {
            array_of_two_controllers(&mut fleet);
            "array"
        }
    };
    let units = if layer == Layer::Storage { 2 } else { 1 };
    planning(&mut fleet).changes = vec![Change { layer, units, ..change("firmware", "9") }];
    (fleet, id)
}

#[test]
fn planes_witnesses_and_storage_fit_their_window_with_their_rollback() {
    // 43.5 minutes, each controller 43, and 30 to take it back.
    for (layer, least) in [(Layer::ManagementPlane, 74), (Layer::Witness, 74), (Layer::Storage, 117)] {
        let (mut fleet, id) = changed(layer);
        let mut policy = policy();
        for minutes in [30, least - 30, least - 29, least - 1, least] {
            policy.planning.window = vec![window(Scope::default(), vec![], 22, minutes)];
            let it = planned(&fleet, &policy);
            let fits = if minutes < least { Outcome::Blocked } else { Outcome::Planned };
            assert_eq!(of(&it, id).outcome, fits, "{id}: {minutes}");
            if minutes < least {
                // The least that is enough is.
                let way = it.report.counterfactuals.iter().find(|it| it.trial == Trial::Enough).unwrap();
                let more = Relaxation::LongerWindow { tenant: None, minutes: least - minutes };
                assert_eq!(way.relaxation, more, "{id}: {minutes}");
            }
        }
        // A hop more takes as long again, or not at all.
        planning(&mut fleet).changes[0].to =
            Target::Release { release: "9".to_owned(), via: vec!["8".to_owned()] };
        assert_eq!(of(&planned(&fleet, &policy), id).outcome, Outcome::Blocked, "{id}");
        // Without a window it only has to end by the horizon.
        policy.planning.window.clear();
        assert_eq!(of(&planned(&fleet, &policy), id).outcome, Outcome::Planned, "{id}");
    }
}

#[test]
fn a_freeze_is_left_alone() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    let mut policy = policy();
    policy.planning.freeze = vec![Freeze {
        id: "sale".to_owned(),
        scope: Scope::default(),
        from: at("2026-11-20T00:00:00Z"),
        until: at("2026-11-28T00:00:00Z"),
        reason: "sale".to_owned(),
    }];
    let it = planned(&fleet, &policy);
    assert!(
        it.plan
            .steps
            .iter()
            .filter(|it| it.kind.touches())
            .all(|step| it.plan.instant(step.start_s) >= at("2026-11-28T00:00:00Z"))
    );
}

#[test]
fn a_plan_from_the_same_facts_keeps_what_stands() {
    let mut fleet = fleet(5);
    for number in 1..=5 {
        guest(&mut fleet, &format!("h{number}"), 8);
    }
    let (policy, loss) = (policy(), BTreeMap::new());
    let first = planned(&fleet, &policy);
    let parent = Parent { plan: &first.plan, sha256: "00" };
    let again = plan(&Request { parent: Some(parent), ..request(&fleet, &policy, &loss) }).unwrap();
    clean(&fleet, &policy, &again.plan);
    assert!(diff(&first.plan, &again.plan).is_empty(), "{:?}", again.report.changed);
    assert_eq!(again.plan.parent.as_deref(), Some("00"));

    // In the middle: one host is done, and a guest that nobody may touch has appeared on another.
    let done = first.plan.waves[0].elements[0].clone();
    let stuck = first.plan.waves[3].elements[0].clone();
    for host in fleet.hosts.iter_mut().filter(|it| it.id.as_str() == done.as_str()) {
        host.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    }
    for step in first.plan.steps.iter().filter(|it| it.wave == 1) {
        if let StepKind::Migrate { vm, to, .. } = &step.kind {
            fleet.vms.iter_mut().filter(|it| it.id == *vm).for_each(|it| it.host = Some(to.clone()));
        }
    }
    guest(&mut fleet, stuck.as_str(), 1).allowed_actions.clear();
    let now = first.plan.instant(first.plan.waves[0].end_s);
    let next =
        plan(&Request { parent: Some(parent), starts_at: now, ..request(&fleet, &policy, &loss) }).unwrap();
    clean(&fleet, &policy, &next.plan);
    let changed = diff(&first.plan, &next.plan);
    assert!(changed.removed.contains(&done) && changed.removed.contains(&stuck), "{changed:?}");
    assert_eq!((changed.removed.len(), changed.added.len()), (2, 0));
    // The others keep their order, their targets and, but for what staging and freezing take, their time.
    assert_eq!((changed.same + changed.moved.len(), changed.redirected.len()), (3, 0), "{changed:#?}");
    let late = |it: &underpin_planner::diff::Moved| it.start.1.as_second() - it.start.0.as_second();
    assert!(changed.moved.iter().all(|it| (0..=330).contains(&late(it))), "{changed:#?}");
    let order = |plan: &underpin_model::plan::Plan| -> Vec<String> {
        let all = plan.waves.iter().flat_map(|it| &it.elements).map(ToString::to_string);
        all.filter(|it| *it != done.as_str() && *it != stuck.as_str()).collect()
    };
    assert_eq!(order(&first.plan), order(&next.plan));
    // The facts say that it runs the target; the plans alone do not.
    let mut changed = changed;
    assert_eq!((&changed.needless, changed.done.len()), (&vec![done.clone()], 0));
    changed.settle(|it| *it == done);
    assert_eq!(changed.done, [done]);
    assert_eq!(next.report.changed, changed.lines());
}

#[test]
fn whatever_comes_late_holds_up_what_comes_after_it() {
    let mut fleet = fleet(4);
    for number in 1..=3 {
        guest(&mut fleet, &format!("h{number}"), 8);
    }
    let it = planned(&fleet, &policy());
    let step = |id: u32| it.plan.steps.iter().find(|it| it.id == id).unwrap();
    // All that must be over before a step starts, however late.
    let before = |id: u32| {
        let mut all = std::collections::BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            open.extend(step(id).after.iter().filter(|it| all.insert(**it)));
        }
        all.into_iter().map(step).collect::<Vec<_>>()
    };
    assert!(it.plan.waves.len() > 2);
    for wave in &it.plan.waves {
        for own in it.plan.steps.iter().filter(|it| it.wave == wave.number && it.kind.touches()) {
            let before = before(own.id);
            let frozen = before.iter().any(|it| matches!(it.kind, StepKind::Freeze { .. }));
            assert!(frozen, "{own:?}");
            let back = before.iter().filter(|it| matches!(it.kind, StepKind::Verify { .. }));
            let others = back.filter(|it| it.wave < wave.number).count();
            let earlier = it.plan.waves.iter().filter(|it| it.number < wave.number);
            assert_eq!(others, earlier.map(|it| it.elements.len()).sum::<usize>(), "{own:?}");
        }
    }
    let thaw = it.plan.steps.iter().find(|it| matches!(it.kind, StepKind::Thaw { .. })).unwrap();
    assert_eq!(before(thaw.id).len() + 1, it.plan.steps.len());
}

#[test]
fn what_never_fits_says_which_of_windows_consents_locks_and_the_horizon_it_is() {
    let mut fleet = fleet(3);
    let acme = tenant(&mut fleet, "acme");
    guest(&mut fleet, "h1", 8).tenant = Some(acme.clone());
    let reason = |fleet: &Fleet, policy: &Policy| of(&planned(fleet, policy), "h1").reasons[0].clone();
    // Both are long enough, and never open together.
    let mut windows = policy();
    let scope = Scope { tenants: vec![acme], ..Scope::default() };
    windows.planning.window =
        vec![window(scope, vec![Day::Sun], 2, 240), window(Scope::default(), vec![Day::Mon], 2, 240)];
    fleet.vms[0].allowed_actions = vec![Action::PowerOff];
    super::build::consent(&mut fleet, Action::PowerOff, true);
    assert!(
        matches!(reason(&fleet, &windows), Reason::WindowsApart { .. }),
        "{:?}",
        reason(&fleet, &windows)
    );
    // The consent ends before anything could start.
    planning(&mut fleet).consents[0].until = Some(at("2026-11-21T00:01:00Z"));
    let found = reason(&fleet, &policy());
    assert!(matches!(found, Reason::Consent { refused: false, .. }), "{found:?}");
    planning(&mut fleet).consents[0].until = None;
    let expires = Some(at("2026-11-21T12:00:00Z"));
    fleet.vms[0].locks = vec![Lock { kind: LockKind::Backup, expires }];
    assert!(of(&planned(&fleet, &policy()), "h1").outcome == Outcome::Planned);
    fleet.vms[0].locks[0].expires = Some(at("2028-11-21T12:00:00Z"));
    let found = reason(&fleet, &policy());
    assert!(
        matches!(found, Reason::Locked { until_s: Some(_), .. } | Reason::PastHorizon { .. }),
        "{found:?}"
    );
}

#[test]
fn a_window_too_short_is_the_reason_whatever_else_is_in_the_way() {
    // With one host away and one failed there is no room: the reserve fails too.
    let mut fleet = fleet(3);
    for host in ["h1", "h2", "h3"] {
        for _ in 0..3 {
            guest(&mut fleet, host, 16);
        }
    }
    let mut policy = policy();
    policy.planning.window = vec![window(Scope::default(), vec![], 22, 45)];
    let it = planned(&fleet, &policy);
    for host in ["h1", "h2", "h3"] {
        let reasons = &of(&it, host).reasons;
        assert!(
            matches!(reasons[..], [Reason::OutsideWindow { tenant: None, needs_s: 3601.., longest_s: 2700 }]),
            "{host}: {reasons:?}"
        );
    }
    let ways = &it.report.counterfactuals;
    assert!(ways.iter().all(|it| matches!(it.relaxation, Relaxation::LongerWindow { .. })), "{ways:#?}");
    // Both would have to change.
    assert!(ways[0].trial == Trial::Enough && ways[0].also.is_some(), "{ways:#?}");
}

#[test]
fn a_window_that_never_opens_is_not_called_too_short() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    let never = |scope: Scope| Window {
        first: Some(jiff::civil::date(2030, 1, 1)),
        time_zone: None,
        ..window(scope, vec![], 0, 600)
    };
    let mut it = policy();
    it.planning.window = vec![never(Scope::default())];
    let found = planned(&fleet, &it);
    for host in ["h1", "h2", "h3"] {
        let reasons = &of(&found, host).reasons;
        assert!(matches!(reasons[..], [Reason::NoWindow { tenant: None, .. }]), "{host}: {reasons:?}");
    }
    let [way] = &found.report.counterfactuals[..] else { panic!("{:#?}", found.report.counterfactuals) };
    let Relaxation::OpenWindow { tenant: None, hosts, minutes, .. } = &way.relaxation else {
        panic!("{way:#?}")
    };
    assert_eq!((way.trial, hosts.len(), way.unblocks.is_empty()), (Trial::Enough, 3, false));
    // The least of it: with a window so long from midnight some host is done, with a minute less none is.
    let done = |minutes: u32| {
        let mut policy = it.clone();
        policy.planning.window.push(Window {
            id: "now".to_owned(),
            first: None,
            minutes,
            ..never(Scope::default())
        });
        planned(&fleet, &policy).report.elements.iter().any(|it| it.outcome == Outcome::Planned)
    };
    assert!(done(*minutes) && !done(minutes - 1), "{minutes}");
    // The same of a tenant's guests: the hosts without one are done.
    let acme = tenant(&mut fleet, "acme");
    fleet.vms[0].tenant = Some(acme.clone());
    let mut it = policy();
    it.planning.window = vec![never(Scope { tenants: vec![acme.clone()], ..Scope::default() })];
    let found = planned(&fleet, &it);
    let reasons = &of(&found, "h1").reasons;
    assert!(
        matches!(&reasons[..], [Reason::NoWindow { tenant: Some(it), .. }] if *it == acme),
        "{reasons:?}"
    );
    assert_eq!(of(&found, "h2").outcome, Outcome::Planned);
    let way = &found.report.counterfactuals[0];
    assert!(
        matches!(&way.relaxation, Relaxation::OpenWindow { tenant: Some(it), .. } if *it == acme),
        "{way:#?}"
    );
    assert_eq!(way.trial, Trial::Enough);
}

#[test]
fn what_is_waited_for_is_called_by_its_name() {
    let mut fleet = fleet(2);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::PowerOff];
    super::build::consent(&mut fleet, Action::PowerOff, true);
    let noon = at("2026-11-21T12:00:00Z");
    planning(&mut fleet).consents[0].from = Some(noon);
    let mut policy = policy();
    policy.planning.failure_sets = underpin_model::policy::FailureSets::None;
    let it = planned(&fleet, &policy);
    let waits = |it: &underpin_planner::campaign::Planned, is: &dyn Fn(&Reason) -> bool| {
        it.report.waves.iter().flat_map(|it| &it.reasons).any(is)
    };
    let begins = |it: &Reason| matches!(it, Reason::ConsentBegins { action: Action::PowerOff, at_s, .. } if *at_s > 40_000);
    assert!(waits(&it, &begins), "{:#?}", it.report.waves);
    planning(&mut fleet).consents[0].from = None;
    fleet.vms[0].locks = vec![Lock { kind: LockKind::Backup, expires: Some(noon) }];
    let it = planned(&fleet, &policy);
    let locked = |it: &Reason| matches!(it, Reason::Locked { until_s: Some(43_200), .. });
    assert!(waits(&it, &locked), "{:#?}", it.report.waves);
}

#[test]
fn nothing_is_staged_frozen_or_thawed_in_a_freeze() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    let mut policy = policy();
    let freeze = |from: &str, until: &str| Freeze {
        id: format!("until {until}"),
        scope: Scope { clusters: vec![fleet.clusters[0].id.clone()], ..Scope::default() },
        from: at(from),
        until: at(until),
        reason: String::new(),
    };
    let end = at("2026-11-22T06:00:00Z");
    policy.planning.freeze = vec![freeze("2026-11-20T00:00:00Z", "2026-11-22T06:00:00Z")];
    // No rollback is waited for: a wave may end when the next freeze begins, and is thawed before.
    let mut spans = policy.planning.durations_of(underpin_model::change::Method::EvacuateReboot);
    spans.rollback = underpin_model::policy::Spread::new(0, 0);
    planning(&mut fleet).changes[0].durations = Some(spans);
    let it = planned(&fleet, &policy);
    assert!(it.plan.steps.iter().all(|step| it.plan.instant(step.start_s) >= end), "{:#?}", it.plan.steps[0]);
    assert_eq!(it.plan.instant(it.plan.steps[0].start_s), end);
    // The lint says so of a plan that stages, or freezes the cluster, before.
    for kind in ["stage", "freeze"] {
        let mut early = it.plan.clone();
        let of =
            |step: &underpin_model::plan::Step| serde_json::to_value(&step.kind).unwrap()["kind"] == kind;
        let step = early.steps.iter_mut().find(|step| of(step)).unwrap();
        step.start_s -= spans.stage.p95_s + 1;
        let report = underpin_lint::lint(&fleet, &policy, &early, &underpin_lint::Options::default());
        let told = report.findings.iter().any(|it| it.rule == underpin_model::plan::Rule::FreezeCalendar);
        assert!(told, "{kind}: {:#?}", report.findings);
    }
    // Another freeze begins just when the first wave would be over, and its thaw would not.
    let first = it.plan.instant(it.plan.waves[0].end_s);
    let next = Freeze { from: first, until: at("2026-11-23T06:00:00Z"), ..policy.planning.freeze[0].clone() };
    policy.planning.freeze.push(next);
    let later = planned(&fleet, &policy);
    assert!(later.plan.instant(later.plan.waves[0].start_s) >= at("2026-11-23T06:00:00Z"));
    // Staging may come before a window, which protects guests.
    policy.planning.freeze.clear();
    policy.planning.window = vec![window(Scope::default(), vec![], 7, 600)];
    let it = planned(&fleet, &policy);
    let (stage, begins) = (it.plan.waves[0].start_s, it.plan.waves_begin()[0]);
    assert_eq!(it.plan.instant(begins), at("2026-11-21T06:00:00Z"));
    assert_eq!(begins - stage, spans.stage.p95_s);
}

#[test]
fn a_plane_whose_window_never_opens_is_offered_one_that_does_not_speak_of_its_hosts() {
    let mut fleet = fleet(2);
    let id = ManagementPlaneId::new("vc").unwrap();
    fleet.management_planes.push(ManagementPlane::new(id.clone()));
    fleet.clusters[0].managed_by = vec![id.clone()];
    let mut plane = change("plane", "9");
    plane.layer = Layer::ManagementPlane;
    planning(&mut fleet).changes.push(plane);
    let scope = Scope { planes: vec![id.clone()], platforms: vec![Family::Vcenter], ..Scope::default() };
    let mut it = policy();
    it.planning.window = vec![Window {
        first: Some(jiff::civil::date(2030, 1, 1)),
        time_zone: None,
        ..window(scope, vec![], 0, 600)
    }];
    let found = planned(&fleet, &it);
    let reasons = &of(&found, "vc").reasons;
    assert!(matches!(reasons[..], [Reason::NoWindow { tenant: None, .. }]), "{reasons:?}");
    let [way] = &found.report.counterfactuals[..] else { panic!("{:#?}", found.report.counterfactuals) };
    let Relaxation::OpenWindow { tenant: None, hosts, planes, .. } = &way.relaxation else {
        panic!("{way:#?}")
    };
    assert_eq!((hosts.len(), planes.as_slice(), way.trial), (0, &[id][..], Trial::Enough));
    // Its hosts wait for it, and then may be touched at any time.
    assert_eq!(way.unblocks.len(), 3, "{way:?}");
    let (mut fleet, mut policy) = (fleet.clone(), it);
    assert!(relax(&way.relaxation, &mut fleet, &mut policy));
    let with = planned(&fleet, &policy);
    assert!(with.report.elements.iter().all(|it| it.outcome == Outcome::Planned));
    // It goes in the second night, which it fills: held to its window the hosts would come in the third.
    assert!(with.plan.end_s() < 2 * 86_400, "{}", with.plan.end_s());
}
