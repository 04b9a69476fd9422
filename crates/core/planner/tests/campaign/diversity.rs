//! An application keeps a guest off a release that soaks: anywhere in the fleet, not in each cluster.

use std::collections::BTreeMap;

use underpin_lint::{Options, lint};
use underpin_model::change::Target;
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, AffinityKind, Application, Cluster, Fleet, SampleSpec, sample};
use underpin_model::id::{ApplicationId, ClusterId, HostId, VmId};
use underpin_model::plan::{Outcome, Plan, Reason, Rule, Severity};
use underpin_model::policy::{FailureSets, Policy, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Request, plan};

use super::build::{at, consent, fleet, guest, host, of, planned, planning, policy, request};
use super::homing::{canary_of_two, not_home};
use super::rules::rule;

/// Hosts that are planned, when they are done, and the plan.
fn made(fleet: &Fleet, release_diversity: bool, evaluations: u64) -> (usize, u32, Plan) {
    let (mut policy, loss) = (Policy::default(), BTreeMap::new());
    policy.planning.release_diversity = release_diversity;
    let starts_at = at("2026-11-22T00:00:00Z");
    let it = plan(&Request { evaluations, starts_at, ..request(fleet, &policy, &loss) }).unwrap();
    let planned = it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count();
    let end = it.plan.waves.iter().map(|it| it.end_s).max().unwrap_or(0);
    (planned, end, it.plan)
}

/// Whether the lint accepts a plan by the default policy.
fn keeps_the_rules(fleet: &Fleet, plan: &Plan) -> bool {
    lint(fleet, &Policy::default(), plan, &Options::default()).is_clean()
}

#[test]
fn where_a_plan_without_the_rule_happens_to_keep_it_the_one_with_it_does_as_much() {
    let (mut compared, mut later) = (0, 0);
    for (hosts, seed) in [20, 30].into_iter().flat_map(|hosts| (1..=15).map(move |seed| (hosts, seed))) {
        let fleet = sample(&SampleSpec { hosts, seed, ..SampleSpec::default() }, at("2026-11-22T00:00:00Z"));
        let (with, end, plan) = made(&fleet, true, 20);
        assert!(keeps_the_rules(&fleet, &plan), "{hosts} hosts, seed {seed}");
        let (without, earliest, plan) = made(&fleet, false, 20);
        if keeps_the_rules(&fleet, &plan) {
            println!("{hosts} hosts, seed {seed}: {with} by {end}, without the rule {without} by {earliest}");
            assert!(with >= without, "{hosts} hosts, seed {seed}: {with} instead of {without}");
            compared += 1;
            later += usize::from(end > earliest + 60);
        }
    }
    // One of them goes by other canaries, and waits for a soak more.
    assert!(compared > 10 && later <= 1, "{later} of {compared}");
}

#[test]
fn clusters_rely_on_one_another_only_where_that_makes_the_better_plan() {
    let fleet =
        sample(&SampleSpec { hosts: 20, seed: 5, ..SampleSpec::default() }, at("2026-11-22T00:00:00Z"));
    // A first plan takes one way; a search tries the other one as well, and here it ends nearly a week earlier with as many hosts.
    let (first, late, _) = made(&fleet, true, 0);
    let (searched, early, plan) = made(&fleet, true, 20);
    assert!(searched >= first && early + 6 * 86_400 <= late, "{first} by {late}, {searched} by {early}");
    assert!(keeps_the_rules(&fleet, &plan));
}

/// Two clusters of three hosts, the second of a product that does not change or of the same; `shop` has one guest in each, which is
/// stopped where it stands.
fn two_clusters(second: &Family) -> Fleet {
    let mut fleet = fleet(3);
    fleet.clusters.push(Cluster::new(ClusterId::new("d").unwrap()));
    for number in 1..=3 {
        let mut host = host(&format!("k{number}"), "d");
        host.platform.as_mut().unwrap().family = second.clone();
        fleet.hosts.push(host);
    }
    planning(&mut fleet).changes[0].platforms = vec![Family::Proxmox];
    let id = ApplicationId::new("shop").unwrap();
    fleet.applications.push(Application::new(id.clone()));
    for host in ["h1", "k1"] {
        let vm = guest(&mut fleet, host, 8);
        (vm.application, vm.allowed_actions) = (Some(id.clone()), vec![Action::PowerOff]);
    }
    consent(&mut fleet, Action::PowerOff, true);
    fleet
}

#[test]
fn a_guest_in_a_cluster_of_another_product_keeps_its_application_off_the_release() {
    let mut fleet = two_clusters(&Family::Debian);
    // One host alone: it is the canary.
    fleet.hosts.retain(|it| !["h2", "h3"].contains(&it.id.as_str()));
    let it = planned(&fleet, &policy());
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned, "{:?}", of(&it, "h1").reasons);
}

#[test]
fn where_both_clusters_try_the_release_one_of_them_keeps_a_guest_off_it() {
    let mut fleet = two_clusters(&Family::Proxmox);
    fleet.hosts.retain(|it| ["h1", "k1"].contains(&it.id.as_str()));
    // Two kinds of hardware: each of them is a canary, and only one may be.
    fleet.hosts[1].model = Some("R2".to_owned());
    let it = planned(&fleet, &policy());
    let blocked: Vec<_> =
        it.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked).map(|it| &it.reasons).collect();
    let id = ApplicationId::new("shop").unwrap();
    assert!(blocked.len() <= 1, "{blocked:?}");
    assert!(
        blocked.iter().all(|it| **it == [Reason::ReleaseDiversity { application: id.clone() }]),
        "{blocked:?}"
    );
}

/// Two models of machine: `h1` has room for the guests of one other host, and each of the others is full of one application's guests. While the
/// canary of the first model soaks, no application may go there as a whole, so that the second model has no canary beside it.
#[test]
fn a_hardware_class_without_a_canary_sends_its_first_host_ahead_of_the_others() {
    let mut fleet = fleet(4);
    for (number, model) in ["R1", "R2", "R2", "R2"].into_iter().enumerate() {
        fleet.hosts[number].model = Some(model.to_owned());
    }
    for host in ["h2", "h3", "h4"] {
        let id = ApplicationId::new(format!("of-{host}")).unwrap();
        fleet.applications.push(Application::new(id.clone()));
        let ids: [VmId; 2] = std::array::from_fn(|_| {
            let vm = guest(&mut fleet, host, 40);
            vm.application = Some(id.clone());
            vm.id.clone()
        });
        let pair: Vec<&str> = ids.iter().map(VmId::as_str).collect();
        fleet.affinities.push(rule(AffinityKind::Together, &pair, &[]));
    }
    let ring = Ring { name: "production".to_owned(), soak: Days::new(1.0).unwrap() };
    let mut policy = Policy { rings: vec![ring], ..Policy::default() };
    policy.planning.failure_sets = FailureSets::None;
    // Most is lost on the first model: its canary is the first of all.
    let loss = BTreeMap::from([(HostId::new("h1").unwrap(), 5.0)]);
    let it = plan(&request(&fleet, &policy, &loss)).unwrap();
    super::build::clean(&fleet, &policy, &it.plan);
    let waves: Vec<_> =
        it.plan.waves.iter().map(|it| (it.elements.len(), it.start_s, it.soak_until_s)).collect();
    assert_eq!(waves.iter().map(|it| it.0).sum::<usize>(), 4, "{waves:?}");
    assert_eq!(it.plan.waves[0].elements[0].as_str(), "h1");
    assert!(waves[1].0 == 1 && waves[1].1 + 300 >= waves[0].2, "{waves:?}");
    assert!(
        waves[2..].iter().all(|it| it.1 + 300 >= waves[1].2),
        "others of the class do not wait: {waves:?}"
    );
}

/// Two guests of one application come home to a host that tries a change, whatever it is about: the planner keeps one of them away, and the
/// lint finds a plan that does not.
#[test]
fn nobody_comes_home_as_a_whole_to_a_host_that_tries_a_component_or_a_setting() {
    let component = Target::Component { name: "xen".to_owned(), version: "4.17.5".to_owned() };
    let setting = |reboot| Target::Setting { name: "smt".to_owned(), value: "off".to_owned(), reboot };
    let release = Target::Release { release: "8.0.2".to_owned(), via: Vec::new() };
    for to in [release, component, setting(true)] {
        let (mut fleet, mut policy) = canary_of_two();
        policy.rings[0].soak = Days::new(1.0).unwrap();
        planning(&mut fleet).changes[0].to = to.clone();
        assert_eq!(not_home(&planned(&fleet, &policy)).len(), 1, "{to:?}");
        policy.planning.release_diversity = false;
        let both = planned(&fleet, &policy);
        assert_eq!(not_home(&both).len(), 0, "{to:?}");
        policy.planning.release_diversity = true;
        let report = lint(&fleet, &policy, &both.plan, &Options::default());
        let found: Vec<_> = report.findings.iter().filter(|it| it.severity == Severity::Error).collect();
        let [found] = found[..] else { panic!("{to:?}: {found:?}") };
        assert_eq!(
            (found.rule, found.place.as_str()),
            (Rule::ReleaseDiversity, "application shop"),
            "{to:?}"
        );
    }
    // Who stays where it is is not taken anywhere.
    let (mut fleet, mut policy) = canary_of_two();
    policy.rings[0].soak = Days::new(1.0).unwrap();
    planning(&mut fleet).changes[0].to = setting(false);
    assert_eq!(of(&planned(&fleet, &policy), "h1").outcome, Outcome::Planned);
}
