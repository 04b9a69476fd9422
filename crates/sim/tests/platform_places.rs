//! Where the platform places: plans of the planner are carried out, and made again at a gate where the platform chose otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use underpin_model::change::Target;
use underpin_model::fleet::{SampleSpec, sample};
use underpin_model::plan::Outcome;
use underpin_model::policy::{Homing, Placing, Policy};
use underpin_planner::campaign::Planned;
use underpin_sim::Datacentre;
use underpin_sim::script::{Limits, Session};

use support::{One, planned};

fn outcome(it: &Planned, wanted: Outcome) -> usize {
    it.report.elements.iter().filter(|it| it.outcome == wanted).count()
}

#[test]
fn plans_for_a_platform_that_places_are_completed_by_planning_again_at_gates() {
    completed_by_planning_again(Homing::Drift);
}

/// Guests come home from where the platform has put them.
#[test]
fn a_platform_that_places_may_choose_where_guests_are_until_they_come_home() {
    completed_by_planning_again(Homing::Home);
}

fn completed_by_planning_again(homing: Homing) {
    let mut policy = Policy::default();
    (policy.planning.placing, policy.planning.homing) = (Placing::PlatformPlaces, homing);
    let mut again = 0;
    for seed in [1, 3, 5] {
        let spec = SampleSpec { hosts: 40, seed, ..SampleSpec::default() };
        let mut fleet = sample(&spec, "2026-11-20T00:00:00Z".parse().unwrap());
        // Balancers between the waves are another story.
        fleet.clusters.iter_mut().for_each(|it| it.load_balancing = Some(false));
        // The simulation knows releases, and no components beside them.
        for (number, change) in fleet.planning.as_mut().unwrap().changes.iter_mut().enumerate() {
            if matches!(change.to, Target::Component { .. }) {
                change.to = Target::Release { release: format!("99.{number}"), via: Vec::new() };
            }
        }
        let mut session = Session::with(Datacentre::new(fleet.clone(), 1), Limits::default());
        let fought = |session: &Session| -> Vec<_> {
            let fleet = session.datacentre().fleet();
            fleet.clusters.iter().map(|it| (it.load_balancing, it.admission_control)).collect()
        };
        let as_it_was = fought(&session);
        session.line("set exact=on", &One(Vec::new()), |_| {}).unwrap();
        let mut now = planned(&fleet, &policy, None);
        let first = outcome(&now, Outcome::Planned);
        assert!(first > 10, "seed {seed}: {first}");
        for round in 0.. {
            assert!(round < 3 * first, "seed {seed}: {round} plans and no end");
            if now.plan.steps.is_empty() {
                break;
            }
            let mut said = Vec::new();
            let bytes = serde_json::to_vec(&now.plan).unwrap();
            session.line("plan run it.json", &One(bytes), |line| said.push(line.to_owned())).unwrap();
            session.line("expect total killed=0 harms=0", &One(Vec::new()), |_| {}).unwrap();
            let ended = ["done", "differs"].iter().any(|kind| {
                let expected = format!("expect answer kind={kind}");
                session.line(&expected, &One(Vec::new()), |_| {}).is_ok()
            });
            assert_eq!(fought(&session), as_it_was, "seed {seed}, plan {round}: something is still frozen");
            if ended {
                break;
            }
            let held = session.line("expect answer kind=again", &One(Vec::new()), |_| {});
            assert!(held.is_ok(), "seed {seed}, plan {round}: {:?}", said.last());
            again += 1;
            let fleet = session.datacentre().fleet();
            now = planned(&fleet, &policy, Some(&now.plan));
        }
        // Everything that the first plan was to change runs what it was to run; of the others some may have been unblocked.
        let fleet = session.datacentre().fleet();
        let left = planned(&fleet, &policy, Some(&now.plan));
        let names: Vec<_> = left.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).collect();
        assert!(names.is_empty(), "seed {seed}: {names:#?}");
    }
    assert!(again > 0 || homing == Homing::Home, "the platform never chose otherwise");
}
