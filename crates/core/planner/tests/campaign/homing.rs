//! With `homing = "home"` whoever does not come home is named, with what keeps it away.

use underpin_model::change::Target;
use underpin_model::fleet::{Application, Fleet};
use underpin_model::id::{ApplicationId, ElementId, VmId};
use underpin_model::plan::{Outcome, Rule, Severity, Standing};
use underpin_model::policy::{FailureSets, Homing, Policy};
use underpin_planner::campaign::Planned;

use super::build::{fleet, guest, of, planned, planning, policy};

pub fn not_home(it: &Planned) -> Vec<&Standing> {
    let away = |it: &&Standing| it.rule == Rule::FinalState && it.severity == Severity::Worse;
    it.report.standing.iter().filter(away).collect()
}

/// Four hosts, of which the first is to be changed and has two guests of one application.
pub fn canary_of_two() -> (Fleet, Policy) {
    let mut fleet = fleet(4);
    let application = ApplicationId::new("shop").unwrap();
    fleet.applications.push(Application::new(application.clone()));
    for _ in 0..2 {
        guest(&mut fleet, "h1", 8).application = Some(application.clone());
    }
    planning(&mut fleet).changes[0].elements = vec![ElementId::new("h1").unwrap()];
    let mut policy = policy();
    policy.planning.homing = Homing::Home;
    (fleet, policy)
}

#[test]
fn whom_a_soak_keeps_away_is_named() {
    let (fleet, mut policy) = canary_of_two();
    let it = planned(&fleet, &policy);
    let [away] = not_home(&it)[..] else { panic!("{:?}", it.report.standing) };
    assert!(away.text.contains("not at home on h1: at home its application would wholly be"), "{away:?}");
    policy.planning.release_diversity = false;
    assert_eq!(not_home(&planned(&fleet, &policy)).len(), 0);
    policy.planning.controllers = vec![VmId::new("v002").unwrap()];
    let it = planned(&fleet, &policy);
    let [away] = not_home(&it)[..] else { panic!("{:?}", it.report.standing) };
    assert!(away.place == "v002" && away.text.contains("it steers the roll-out"), "{away:?}");
    // Who is to stay where it went is not missed at home.
    policy.planning.homing = Homing::Drift;
    assert_eq!(not_home(&planned(&fleet, &policy)).len(), 0);
}

#[test]
fn whom_a_smaller_home_keeps_away_is_named_and_who_must_be_with_it_stays_too() {
    use super::rules::rule;
    use underpin_model::fleet::AffinityKind;
    let mut fleet = fleet(3);
    for _ in 0..4 {
        guest(&mut fleet, "h1", 20);
    }
    let change = &mut planning(&mut fleet).changes[0];
    change.elements = vec![ElementId::new("h1").unwrap()];
    change.capacity_after =
        Some(underpin_model::fleet::Capacity { memory_mib: Some(30_720), ..Default::default() });
    let mut policy = policy();
    policy.planning.homing = Homing::Home;
    policy.planning.failure_sets = FailureSets::None;
    let away = |fleet: &Fleet, says: &str| {
        let it = planned(fleet, &policy);
        assert_eq!(of(&it, "h1").outcome, Outcome::Planned);
        not_home(&it).iter().filter(|it| it.text.contains(says)).count()
    };
    assert_eq!(away(&fleet, "too little room"), 3);
    fleet.affinities = vec![rule(AffinityKind::Together, &["v001", "v002"], &[])];
    assert_eq!(away(&fleet, "one that it must be with does not come home"), 1);
    assert_eq!(away(&fleet, "not at home"), 4);
}

#[test]
fn who_stands_on_a_later_release_than_its_home_gets_does_not_come_home() {
    let (mut fleet, mut policy) = canary_of_two();
    policy.planning.release_diversity = false;
    assert_eq!(not_home(&planned(&fleet, &policy)).len(), 0);
    // A release that is lower than that of the others, or a component, which leaves the release what it is.
    let component = Target::Component { name: "xen".to_owned(), version: "4.17.5".to_owned() };
    for (to, others) in [(planning(&mut fleet).changes[0].to.clone(), "8.0.3"), (component, "8.0.2")] {
        planning(&mut fleet).changes[0].to = to;
        for host in &mut fleet.hosts[1..] {
            host.platform.as_mut().unwrap().release = Some(others.to_owned());
        }
        let it = planned(&fleet, &policy);
        assert_eq!(of(&it, "h1").outcome, Outcome::Planned);
        let away = not_home(&it);
        assert!(away.len() == 2 && away.iter().all(|it| it.text.contains("release is older")), "{away:?}");
    }
}
