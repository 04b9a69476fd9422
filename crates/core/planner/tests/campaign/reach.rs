//! What a host reaches itself counts, and what its cluster shares only where it states nothing.

use underpin_lint::{Options, lint};
use underpin_model::change::Target;
use underpin_model::fleet::{AffinityKind, Storage};
use underpin_model::id::StorageId;
use underpin_model::plan::{Outcome, Reason, Rule, Severity, StepKind};
use underpin_model::policy::FailureSets;

use super::build::{fleet, guest, of, planned, planning, policy};
use super::rules::rule;

#[test]
fn guests_go_where_their_storage_is_reached_by_host_or_cluster() {
    let mut fleet = fleet(3);
    let ids = ["sa", "sb"].map(|it| StorageId::new(it).unwrap());
    fleet.storage.extend(ids.clone().map(Storage::new));
    fleet.clusters[0].storage = ids.to_vec();
    guest(&mut fleet, "h1", 8).storage = vec![ids[1].clone()];
    // Nobody states any: all reach what the cluster shares.
    assert_eq!(of(&planned(&fleet, &policy()), "h1").outcome, Outcome::Planned);
    // The others state that they reach the first one, and the second one is shared in vain.
    let mut stated = fleet.clone();
    stated.hosts[1].reach.storage = vec![ids[0].clone()];
    stated.hosts[2].reach.storage = vec![ids[0].clone()];
    let it = planned(&stated, &policy());
    let needs = |it: &Reason| matches!(it, Reason::NoTargetWithReach { needs, .. } if needs == &["sb"]);
    assert!(of(&it, "h1").reasons.iter().any(needs), "{:?}", of(&it, "h1"));
    // One of two: the guest goes to the other, and the lint finds it where the target was changed by hand.
    stated.hosts[2].reach.storage.clear();
    planning(&mut stated).changes[0].elements = vec![underpin_model::id::ElementId::new("h1").unwrap()];
    // While it is there nobody else could restart it.
    let mut policy = policy();
    policy.planning.failure_sets = FailureSets::None;
    let it = planned(&stated, &policy);
    let mut plan = it.plan;
    let step = plan.steps.iter_mut().find(|it| matches!(it.kind, StepKind::Migrate { .. })).unwrap();
    let StepKind::Migrate { to, .. } = &mut step.kind else { unreachable!() };
    assert_eq!(to.as_str(), "h3");
    *to = stated.hosts[1].id.clone();
    let found = lint(&stated, &policy, &plan, &Options::default()).findings;
    let errors: Vec<Rule> =
        found.iter().filter(|it| it.severity == Severity::Error).map(|it| it.rule).collect();
    assert!(errors.contains(&Rule::Reach), "{found:#?}");
}

#[test]
fn a_host_beyond_a_release_of_the_way_is_not_taken_down_to_it() {
    let mut fleet = fleet(2);
    planning(&mut fleet).changes[0].to =
        Target::Release { release: "8.1".to_owned(), via: vec!["8.0.3".to_owned()] };
    fleet.hosts[1].platform.as_mut().unwrap().release = Some("8.0.5".to_owned());
    let it = planned(&fleet, &policy());
    let hops =
        |host: &str| super::build::story(&it.plan, host).into_iter().filter(|it| it.starts_with("patch"));
    assert_eq!(hops("h1").collect::<Vec<_>>(), ["patch 1 8.0.3", "patch 1 8.1"]);
    assert_eq!(hops("h2").collect::<Vec<_>>(), ["patch 1 8.1"]);
}

/// h2's guest goes to h1; no host could take the one with the device then, and none could before: the device is in h1.
#[test]
fn no_reserve_is_held_for_a_guest_with_a_device_of_its_host() {
    let mut fleet = fleet(4);
    let with_device = guest(&mut fleet, "h1", 60);
    with_device.passthrough = vec!["0000:3b:00.0".to_owned()];
    let id = with_device.id.clone();
    for host in ["h2", "h3", "h3", "h4", "h4"] {
        guest(&mut fleet, host, 25);
    }
    planning(&mut fleet).changes[0].elements =
        ["h2", "h3", "h4"].map(|it| underpin_model::id::ElementId::new(it).unwrap()).to_vec();
    let it = planned(&fleet, &policy());
    for host in ["h2", "h3", "h4"] {
        assert_eq!(of(&it, host).outcome, Outcome::Planned, "{:?}", of(&it, host));
    }
    let restarts = |it: &&underpin_model::plan::Standing| it.rule == Rule::Restartability;
    let told: Vec<_> = it.report.standing.iter().filter(restarts).collect();
    assert!(told.len() == 1 && told[0].text.ends_with(id.as_str()), "{told:?}");
    // Who is to be with it is started alone, and counts.
    let beside = guest(&mut fleet, "h1", 15).id.clone();
    fleet.affinities.push(rule(AffinityKind::Together, &[id.as_str(), beside.as_str()], &[]));
    let it = planned(&fleet, &policy());
    assert_eq!(it.report.standing.iter().filter(restarts).count(), 1, "{:?}", it.report.standing);
}
