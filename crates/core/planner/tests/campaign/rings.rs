//! Rings, canaries, soak, emergency.

use std::collections::BTreeMap;

use underpin_model::change::Method;
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, Application, Fleet, Lock, LockKind, ManagementPlane};
use underpin_model::id::{ApplicationId, HostId, ManagementPlaneId};
use underpin_model::plan::{Outcome, Profile, Reason, Relaxation, Rule, SoakSince, StepKind, Trial};
use underpin_model::policy::{Policy, Ring, Scope, Window};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Parent, Request, plan};

use super::build::{clean, fleet, guest, of, planned, request};

fn two_rings() -> Policy {
    let ring = |name: &str, days| Ring { name: name.to_owned(), soak: Days::new(days).unwrap() };
    Policy { rings: vec![ring("test", 2.0), ring("production", 1.0)], ..Policy::default() }
}

/// Six hosts, two of them in ring test, two models of machine.
fn ringed() -> Fleet {
    let mut fleet = fleet(6);
    for (number, host) in fleet.hosts.iter_mut().enumerate() {
        host.ring = Some(if number < 2 { "test" } else { "production" }.to_owned());
        host.model = Some(if number % 3 == 2 { "R2" } else { "R1" }.to_owned());
    }
    for number in 1..=6 {
        guest(&mut fleet, &format!("h{number}"), 8);
    }
    fleet
}

#[test]
fn rings_wait_for_soak_and_every_class_has_a_canary() {
    let it = planned(&ringed(), &two_rings());
    let waves: Vec<(Option<&str>, bool, &str)> =
        it.plan.waves.iter().map(|it| (it.ring.as_deref(), it.canary, it.elements[0].as_str())).collect();
    let (test, production) = (Some("test"), Some("production"));
    assert_eq!(waves[..2], [(test, true, "h1"), (test, false, "h2")]);
    // R2 is not in ring test: its canary is the first of production.
    assert_eq!(waves[2], (production, true, "h3"));
    assert!(waves[3..].iter().all(|it| it.0 == production && !it.1));
    for pair in [(0, 1), (1, 2), (2, 3)] {
        let (before, after) = (&it.plan.waves[pair.0], &it.plan.waves[pair.1]);
        assert!(after.start_s + 300 >= before.soak_until_s, "{pair:?}");
        // The wave says what it waits for: a wave before it was over long ago.
        let (ring, until_s) = (before.ring.clone(), before.soak_until_s);
        assert_eq!(it.report.waves[pair.1].reasons, [Reason::Soak { ring, until_s }], "{pair:?}");
    }
    assert!(it.report.waves[0].reasons.is_empty());
    assert!(matches!(&of(&it, "h1").reasons[..], [Reason::Canary { class }] if class.contains("R1")));
    assert!(
        of(&it, "h4")
            .reasons
            .iter()
            .any(|it| matches!(it, Reason::Soak { ring: Some(ring), .. } if ring == "production"))
    );
}

#[test]
fn a_canary_waits_for_no_other_of_its_ring() {
    // A pool in which h1 comes first, and of the other model h2 is to try the release before h3 has it.
    let mut fleet = fleet(3);
    for (number, host) in fleet.hosts.iter_mut().enumerate() {
        host.platform.as_mut().unwrap().family = Family::XcpNg;
        host.model = Some(if number == 0 { "R1" } else { "R2" }.to_owned());
    }
    let mut plane = ManagementPlane::new(ManagementPlaneId::new("pool").unwrap());
    plane.platform = Some(Family::XcpNg);
    plane.runs_on = Some(vec![fleet.hosts[0].id.clone()]);
    fleet.clusters[0].managed_by = vec![plane.id.clone()];
    fleet.management_planes.push(plane);
    let it = planned(&fleet, &two_rings());
    let waves: Vec<(bool, &str)> =
        it.plan.waves.iter().map(|it| (it.canary, it.elements[0].as_str())).collect();
    assert_eq!(waves, [(true, "h1"), (true, "h2"), (false, "h3")]);
    let starts: Vec<u32> = it.plan.waves.iter().map(|it| it.start_s / 86_400).collect();
    assert_eq!(starts, [0, 0, 1], "one day of soak, not two");
    // Host, soak, host: the bound knows that the coordinator and the canary need not wait for each other's soak.
    let path = it.plan.waves[2].end_s - it.plan.waves[2].start_s;
    let bound = it.report.bounds.makespan_at_least_s;
    assert!((86_400..=86_400 + 2 * path).contains(&bound), "{bound} and {path}");
}

#[test]
fn an_application_is_never_wholly_on_what_soaks() {
    let mut fleet = ringed();
    let id = ApplicationId::new("shop").unwrap();
    fleet.applications.push(Application::new(id.clone()));
    // Both of its guests stand on hosts of ring test: the second must not follow the first onto the canary.
    for number in 0..2 {
        fleet.vms[number].application = Some(id.clone());
    }
    let it = planned(&fleet, &two_rings());
    assert_eq!(it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count(), 6);
}

#[test]
fn an_emergency_says_what_it_gives_up() {
    let (fleet, mut policy) = (ringed(), two_rings());
    let normal = planned(&fleet, &policy);
    assert!(normal.report.given_up.is_empty());
    policy.planning.emergency.soak_factor = 0.1;
    policy.planning.emergency.merge_rings = true;
    let loss = BTreeMap::new();
    let fast = plan(&Request { profile: Profile::Emergency, ..request(&fleet, &policy, &loss) }).unwrap();
    clean(&fleet, &policy, &fast.plan);
    assert!(
        fast.plan.end_s() * 4 < normal.plan.end_s(),
        "{} against {}",
        fast.plan.end_s(),
        normal.plan.end_s()
    );
    let what: Vec<&str> = fast.report.given_up.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(what, ["soak", "ring-order"]);
    assert!(fast.report.given_up.iter().all(|it| it.hosts > 0));
    // Windows are given up where there are some of tenants.
    policy.planning.emergency.outside_windows = true;
    let window = |scope: &str| {
        let text = format!("[[planning.window]]\nid = \"w\"\nfrom = \"00:00\"\nminutes = 1440\n{scope}");
        underpin_model::policy::read(&text).unwrap().planning.window
    };
    for (windows, given) in
        [(Vec::new(), false), (window(""), false), (window("scope = { tenants = [\"acme\"] }\n"), true)]
    {
        policy.planning.window = windows;
        let it = plan(&Request { profile: Profile::Emergency, ..request(&fleet, &policy, &loss) }).unwrap();
        assert_eq!(it.report.given_up.iter().any(|it| it.what == "windows"), given);
    }
}

#[test]
fn the_most_urgent_come_first() {
    let mut fleet = fleet(4);
    for number in 1..=4 {
        guest(&mut fleet, &format!("h{number}"), 8);
    }
    let policy = super::build::policy();
    let loss: BTreeMap<HostId, f64> =
        [("h3", 5.0), ("h2", 1.0)].into_iter().map(|(id, loss)| (HostId::new(id).unwrap(), loss)).collect();
    let it = plan(&request(&fleet, &policy, &loss)).unwrap();
    clean(&fleet, &policy, &it.plan);
    let order: Vec<&str> =
        it.plan.waves.iter().filter(|it| !it.canary).map(|it| it.elements[0].as_str()).collect();
    assert_eq!(order.iter().position(|it| *it == "h3"), Some(0), "{order:?}");
    assert!(of(&it, "h3").reasons.contains(&Reason::MostUrgent { loss_per_day: 5.0 }));
    assert_eq!(it.report.exposure[0].loss_per_day, 6.0);
}

#[test]
fn the_diversity_of_releases_can_be_switched_off() {
    let mut fleet = fleet(2);
    let id = ApplicationId::new("a").unwrap();
    fleet.applications.push(Application::new(id.clone()));
    for _ in 0..2 {
        let vm = guest(&mut fleet, "h1", 1);
        vm.application = Some(id.clone());
        vm.allowed_actions = vec![Action::PowerOff];
    }
    super::build::consent(&mut fleet, Action::PowerOff, true);
    fleet.hosts.pop();
    let mut policy = super::build::policy();
    let outcome = |policy: &Policy| of(&planned(&fleet, policy), "h1").outcome;
    assert_eq!(outcome(&policy), Outcome::Blocked);
    policy.planning.release_diversity = false;
    assert_eq!(outcome(&policy), Outcome::Planned);
}

#[test]
fn at_most_half_of_a_hardware_class_are_canaries() {
    let mut policy = two_rings();
    let canaries = |policy: &Policy| {
        let it = planned(&ringed(), policy);
        assert!(it.report.elements.iter().all(|it| it.outcome == Outcome::Planned));
        it.plan.waves.iter().filter(|it| it.canary).map(|it| it.elements.len()).sum::<usize>()
    };
    // Of four R1 and two R2.
    assert_eq!(canaries(&policy), 2);
    policy.planning.canaries_per_class = 2;
    assert_eq!(canaries(&policy), 3);
    policy.planning.canaries_per_class = u32::MAX;
    assert_eq!(canaries(&policy), 3);
    // The only host of a class is its canary.
    assert_eq!((policy.planning.canaries_of(1), policy.planning.canaries_of(0)), (1, 1));
    policy.planning.canaries_per_class = 0;
    assert_eq!(policy.planning.canaries_of(8), 0);
}

#[test]
fn a_change_that_leaves_the_release_keeps_no_application_from_moving() {
    let mut fleet = ringed();
    let id = ApplicationId::new("shop").unwrap();
    fleet.applications.push(Application::new(id.clone()));
    fleet.vms.iter_mut().for_each(|it| it.application = Some(id.clone()));
    let change = &mut super::build::planning(&mut fleet).changes[0];
    change.to =
        underpin_model::change::Target::Component { name: "xen".to_owned(), version: "4.17.5".to_owned() };
    let it = planned(&fleet, &two_rings());
    let left: Vec<_> = it.report.elements.iter().filter(|it| it.outcome != Outcome::Planned).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn before_the_first_canary_nobody_goes_wholly_onto_the_release() {
    // R1 has the release on h1 already and needs no canary; R2 has its first one in production, days later.
    let mut fleet = ringed();
    fleet.hosts[0].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    let id = ApplicationId::new("shop").unwrap();
    fleet.applications.push(Application::new(id.clone()));
    for number in 0..2 {
        fleet.vms[number].application = Some(id.clone());
    }
    // It is stopped while its host is changed: the other one alone runs on the release meanwhile.
    fleet.vms[1].allowed_actions = vec![Action::PowerOff];
    super::build::consent(&mut fleet, Action::PowerOff, true);
    let it = planned(&fleet, &two_rings());
    assert!(it.plan.waves.iter().any(|it| it.canary && it.ring.as_deref() == Some("production")));
    // The ring of h2 comes before that canary, and so h2 cannot wait for it.
    assert_eq!(of(&it, "h2").reasons, [Reason::ReleaseDiversity { application: id }]);
    let ways = it.report.counterfactuals.iter();
    let rule = |it: &Relaxation| matches!(it, Relaxation::WithoutRule { rule: Rule::ReleaseDiversity, .. });
    assert!(ways.filter(|it| it.trial == Trial::Enough).any(|it| rule(&it.relaxation)));
}

#[test]
fn where_no_canary_can_be_done_nobody_waits_for_one() {
    let mut fleet = fleet(4);
    for (host, (model, release)) in
        fleet.hosts.iter_mut().zip([("R9", "8.0.1"), ("R1", "8.0.1"), ("R1", "8.0.2"), ("R1", "8.0.2")])
    {
        host.model = Some(model.to_owned());
        host.platform.as_mut().unwrap().release = Some(release.to_owned());
    }
    // Each of h1 and h2 has the last guest of an application that is not on the release; it stays.
    for (app, host) in [("a", "h1"), ("b", "h2")] {
        let id = ApplicationId::new(app).unwrap();
        fleet.applications.push(Application::new(id.clone()));
        guest(&mut fleet, "h3", 1).application = Some(id.clone());
        let vm = guest(&mut fleet, host, 1);
        (vm.application, vm.allowed_actions) = (Some(id), vec![Action::PowerOff]);
    }
    super::build::consent(&mut fleet, Action::PowerOff, true);
    let it = planned(&fleet, &super::build::policy());
    // h1 is the first of its hardware, and its release would soak; that of h2 runs on others like it.
    assert!(matches!(of(&it, "h1").reasons[..], [Reason::ReleaseDiversity { .. }]), "{:?}", of(&it, "h1"));
    assert_eq!(of(&it, "h2").outcome, Outcome::Planned, "{:?}", of(&it, "h2").reasons);
}

#[test]
fn guests_of_a_live_patched_canary_run_on_its_release() {
    let mut fleet = ringed();
    for change in &mut fleet.planning.as_mut().unwrap().changes {
        change.methods = vec![Method::LivePatch];
    }
    let id = ApplicationId::new("shop").unwrap();
    fleet.applications.push(Application::new(id.clone()));
    for vm in &mut fleet.vms[0..2] {
        vm.application = Some(id.clone());
        vm.host = Some(HostId::new("h1").unwrap());
    }
    let it = planned(&fleet, &two_rings());
    assert_ne!(it.plan.waves[0].elements[0].as_str(), "h1");
}

/// The fleet once the canary of its plan is done, with that plan and its end.
fn canary_done() -> (Fleet, Policy, underpin_model::plan::Plan) {
    let (mut fleet, policy) = (ringed(), two_rings());
    let first = planned(&fleet, &policy);
    let canary = &first.plan.waves[0];
    for host in fleet.hosts.iter_mut().filter(|it| it.id.as_str() == canary.elements[0].as_str()) {
        host.platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    }
    for step in first.plan.steps.iter().filter(|it| it.wave == canary.number) {
        if let StepKind::Migrate { vm, to, .. } = &step.kind {
            fleet.vms.iter_mut().filter(|it| it.id == *vm).for_each(|it| it.host = Some(to.clone()));
        }
    }
    fleet.seen.at = first.plan.instant(canary.end_s);
    (fleet, policy, first.plan)
}

/// Nothing is touched before a moment, the first wave says why, and the bound knows it.
fn waits_until(it: &underpin_planner::campaign::Planned, soaked: jiff::Timestamp) {
    assert!(!it.plan.waves.is_empty());
    for step in it.plan.steps.iter().filter(|it| it.kind.touches()) {
        assert!(it.plan.instant(step.start_s) >= soaked, "{step:?}");
    }
    let [Reason::Soak { ring: Some(ring), until_s }] = &it.report.waves[0].reasons[..] else {
        panic!("{:?}", it.report.waves[0]);
    };
    assert_eq!((ring.as_str(), it.plan.instant(*until_s)), ("test", soaked));
    let bounds = &it.report.bounds;
    assert!(bounds.makespan_at_least_s <= bounds.makespan_s, "{bounds:?}");
    // Both rings' soak, less the hours since.
    assert!(bounds.makespan_at_least_s > until_s + 86_400, "{bounds:?}");
    assert_eq!(bounds.makespan_bound_by, "soak");
}

/// The lint finds a plan that forgets such a soak: its waves wait for nothing of the first one.
fn found_without(fleet: &Fleet, policy: &Policy, it: &underpin_model::plan::Plan) {
    let first = it.waves[0].start_s - 600;
    let mut early = it.clone();
    for step in &mut early.steps {
        step.start_s = step.start_s.saturating_sub(first);
    }
    for wave in &mut early.waves {
        for at in [&mut wave.start_s, &mut wave.end_s, &mut wave.soak_until_s] {
            *at = at.saturating_sub(first);
        }
    }
    let report = underpin_lint::lint(fleet, policy, &early, &underpin_lint::Options::default());
    let found = report
        .findings
        .iter()
        .any(|it| it.rule == Rule::RingOrder && it.expected.contains("which had it before"));
    assert!(found, "{:#?}", report.findings);
}

#[test]
fn what_the_parent_changed_soaks_on_in_the_plan_that_follows() {
    let (fleet, policy, first) = canary_done();
    let loss = BTreeMap::new();
    let parent = Some(Parent { plan: &first, sha256: "00" });
    let now = first.instant(first.waves[0].end_s + 3600);
    let next = plan(&Request { parent, starts_at: now, ..request(&fleet, &policy, &loss) }).unwrap();
    clean(&fleet, &policy, &next.plan);
    let soaked = first.instant(first.waves[0].soak_until_s);
    waits_until(&next, soaked);
    found_without(&fleet, &policy, &next.plan);
    // And in the plan that follows that one, which did not change the canary itself.
    let parent = Some(Parent { plan: &next.plan, sha256: "01" });
    let now = now + jiff::SignedDuration::from_hours(5);
    let third = plan(&Request { parent, starts_at: now, ..request(&fleet, &policy, &loss) }).unwrap();
    clean(&fleet, &policy, &third.plan);
    waits_until(&third, soaked);
    // A host that was long done when the parent was made does not soak again.
    let mut fleet = ringed();
    fleet.hosts[5].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    fleet.hosts[5].booted_at = Some(super::build::at("2026-01-01T00:00:00Z"));
    let first = planned(&fleet, &policy).plan;
    fleet.hosts[5].booted_at = None;
    let parent = Some(Parent { plan: &first, sha256: "00" });
    let again = plan(&Request { parent, ..request(&fleet, &policy, &loss) }).unwrap();
    assert!(again.plan.soaking.is_empty(), "{:?}", again.plan.soaking);
}

#[test]
fn without_a_parent_a_soak_runs_from_when_the_host_was_changed() {
    let (mut fleet, policy, first) = canary_done();
    let loss = BTreeMap::new();
    let done = first.instant(first.waves[0].end_s);
    let hour = jiff::SignedDuration::from_hours(1);
    let day = 24 * hour;
    let next = |fleet: &Fleet, policy: &Policy| {
        let it = plan(&Request { starts_at: done + 2 * hour, ..request(fleet, policy, &loss) }).unwrap();
        clean(fleet, policy, &it.plan);
        it
    };
    let told =
        |it: &underpin_planner::campaign::Planned| it.report.standing.iter().any(|it| it.rule == Rule::Soak);
    // Nobody knows since when: from when it was seen.
    fleet.seen.at = done + hour;
    let it = next(&fleet, &policy);
    waits_until(&it, done + hour + 2 * day);
    assert!(told(&it));
    found_without(&fleet, &policy, &it.plan);
    // Since it booted; or since a time that is said.
    fleet.hosts[0].booted_at = Some(done - hour);
    let it = next(&fleet, &policy);
    waits_until(&it, done - hour + 2 * day);
    // What may have come later without a boot is said.
    let early = |it: &underpin_planner::campaign::Planned| {
        it.report.standing.iter().any(|it| it.rule == Rule::Soak && it.text.contains("from its last boot"))
    };
    assert!(early(&it) && it.plan.soaking.iter().all(|it| it.since == SoakSince::Boot));
    fleet.hosts[0].changed_at = Some(done - 3 * hour);
    let it = next(&fleet, &policy);
    waits_until(&it, done - 3 * hour + 2 * day);
    assert!(!told(&it) && it.plan.soaking.iter().all(|it| it.since == SoakSince::Fleet));
    found_without(&fleet, &policy, &underpin_model::plan::Plan { soaking: Vec::new(), ..it.plan });
    // What can be patched into a running host says nothing by its boot.
    fleet.hosts[0].changed_at = None;
    super::build::planning(&mut fleet).changes[0].methods = vec![Method::LivePatch, Method::EvacuateReboot];
    assert!(told(&next(&fleet, &policy)));
    // Long ago: nobody waits.
    fleet.hosts[0].changed_at = Some(done - 10 * day);
    let it = next(&fleet, &policy);
    assert!(it.plan.soaking.is_empty() && it.plan.waves[0].start_s < 86_400 && !told(&it));
}

/// Four hosts of one model whose canary soaks for a day.
fn of_one_model() -> (Fleet, Policy) {
    let mut fleet = fleet(4);
    for host in ["h1", "h2", "h3", "h4"] {
        guest(&mut fleet, host, 8);
    }
    (fleet, two_rings())
}

/// Where h1 can be done in two weeks only, another one is the canary, and all others are done long before.
fn done_before_h1(fleet: &Fleet, policy: &Policy) {
    let it = planned(fleet, policy);
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned, "{:?}", of(&it, "h1").reasons);
    assert_ne!(it.plan.waves[0].elements[0].as_str(), "h1");
    assert!(it.plan.waves[0].canary);
    for host in ["h2", "h3", "h4"] {
        assert!(of(&it, host).end_s.unwrap() < 3 * 86_400, "{host}: {:?}", of(&it, host));
    }
    assert!(of(&it, "h1").start_s.unwrap() >= 13 * 86_400);
}

#[test]
fn a_host_whose_window_opens_late_is_no_canary() {
    let (mut fleet, mut policy) = of_one_model();
    let late = |scope: Scope| {
        let first = Some(jiff::civil::date(2026, 12, 5));
        vec![Window { first, ..super::time::window(scope, Vec::new(), 1, 240) }]
    };
    policy.planning.window = late(Scope { hosts: vec![fleet.hosts[0].id.clone()], ..Scope::default() });
    done_before_h1(&fleet, &policy);
    // The same by its only guest's.
    let acme = super::build::tenant(&mut fleet, "acme");
    fleet.vms[0].tenant = Some(acme.clone());
    policy.planning.window = late(Scope { tenants: vec![acme], ..Scope::default() });
    // It stays on h1 meanwhile, whichever host the others' guests go to.
    done_before_h1(&fleet, &policy);
}

#[test]
fn a_host_whose_guest_may_be_touched_late_is_no_canary() {
    let (mut fleet, policy) = of_one_model();
    fleet.vms[0].allowed_actions = vec![Action::PowerOff];
    super::build::consent(&mut fleet, Action::PowerOff, true);
    let later = super::build::start() + jiff::SignedDuration::from_hours(24 * 14);
    super::build::planning(&mut fleet).consents[0].from = Some(later);
    done_before_h1(&fleet, &policy);
    // A lock that ends then is the same.
    let (mut fleet, policy) = of_one_model();
    fleet.vms[0].locks = vec![Lock { kind: LockKind::Backup, expires: Some(later) }];
    done_before_h1(&fleet, &policy);
}

#[test]
fn the_class_with_most_behind_it_has_its_canary_first() {
    let mut fleet = fleet(5);
    for (number, host) in fleet.hosts.iter_mut().enumerate() {
        host.model = Some(if number < 2 { "R1" } else { "R2" }.to_owned());
    }
    // More guests stand behind R1, though h1 is the first of all.
    for _ in 0..3 {
        guest(&mut fleet, "h4", 1);
    }
    let canaries = |fleet: &Fleet, loss: &BTreeMap<HostId, f64>| -> Vec<String> {
        let it = plan(&request(fleet, &two_rings(), loss)).unwrap();
        let canaries = it.plan.waves.iter().filter(|it| it.canary);
        canaries.map(|it| it.elements[0].to_string()).collect()
    };
    assert_eq!(canaries(&fleet, &BTreeMap::new()), ["h3", "h1"]);
    // What the holes of a class cost counts before the number of its guests.
    let loss = BTreeMap::from([(HostId::new("h2").unwrap(), 5.0)]);
    assert_eq!(canaries(&fleet, &loss)[1], "h3");
}

/// Guests of the first two hosts can run nowhere else, so that neither can be done; all others can, and one of them is the canary.
#[test]
fn where_the_first_hosts_cannot_be_done_another_is_the_canary() {
    let ring = Ring { name: "production".to_owned(), soak: Days::new(1.0).unwrap() };
    let policy = Policy { rings: vec![ring], ..Policy::default() };
    for hosts in 4..=6 {
        let mut fleet = fleet(hosts);
        for at in 0..hosts {
            fleet.hosts[at].capacity.as_mut().unwrap().memory_mib = Some(65_536);
            if at < 2 {
                fleet.hosts[at].reach.licence_sets = vec!["licence".to_owned()];
            }
            (0..3).for_each(|_| drop(guest(&mut fleet, &format!("h{}", at + 1), 8).id.clone()));
        }
        let it = planned(&fleet, &policy);
        let first = it.plan.waves.iter().find(|it| it.layer == underpin_model::change::Layer::Host).unwrap();
        assert!(first.canary, "{hosts}: {:?}", it.plan.waves);
        assert_eq!(it.plan.waves.iter().map(|it| it.elements.len()).sum::<usize>(), hosts - 2);
    }
}
