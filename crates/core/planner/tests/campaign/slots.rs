//! Guests that must be together, and hosts that have fewer slots than they are many.

use underpin_lint::{Options, lint};
use underpin_model::fleet::{AffinityKind, Fleet};
use underpin_model::plan::{Outcome, Plan, Rule, Severity, StepKind};

use super::build::{fleet, guest, of, planned, policy};
use super::rules::rule;

/// Three guests that must be together on the first of three hosts, with so many slots.
fn three(slots: [u32; 3]) -> Fleet {
    let mut fleet = fleet(3);
    for (host, slots) in fleet.hosts.iter_mut().zip(slots) {
        host.migration.as_mut().unwrap().slots = Some(slots);
    }
    for gib in [8, 4, 2] {
        guest(&mut fleet, "h1", gib);
    }
    fleet.affinities = vec![rule(AffinityKind::Together, &["v001", "v002", "v003"], &[])];
    fleet
}

/// Start and end of the migrations of the first host's guests.
fn spans(plan: &Plan) -> Vec<(u32, u32)> {
    let moves = plan.steps.iter().filter(|it| {
        let own = it.subject.as_ref().is_some_and(|it| it.as_str() == "h1");
        own && matches!(it.kind, StepKind::Migrate { .. })
    });
    let mut spans: Vec<_> = moves.map(|it| (it.start_s, it.end_s())).collect();
    spans.sort_unstable();
    spans
}

#[test]
fn guests_that_must_be_together_follow_each_other_where_slots_are_fewer() {
    for (slots, at_once) in [([4, 4, 4], 3), ([2, 4, 4], 2), ([4, 1, 1], 1), ([1, 1, 1], 1)] {
        let fleet = three(slots);
        let it = planned(&fleet, &policy());
        for host in ["h1", "h2", "h3"] {
            assert_eq!(of(&it, host).outcome, Outcome::Planned, "{slots:?} {:?}", of(&it, host));
        }
        let spans = spans(&it.plan);
        let [first, second, third] = spans[..] else { panic!("{spans:?}") };
        let begin = |it: (u32, u32)| it.0 == first.0;
        assert_eq!([first, second, third].into_iter().filter(|it| begin(*it)).count(), at_once, "{spans:?}");
        // Whoever goes later goes when those before have arrived, and no later: a pause would be one in which they are apart.
        let arrived = |many: usize| spans[..many].iter().map(|it| it.1).max().unwrap();
        assert!(at_once > 2 || third.0 == arrived(2), "{spans:?}");
        assert!(at_once > 1 || second.0 == arrived(1), "{spans:?}");
    }
}

#[test]
fn between_guests_that_must_be_together_and_follow_each_other_there_is_no_pause() {
    let fleet = three([1, 1, 1]);
    let mut plan = planned(&fleet, &policy()).plan;
    let apart = |plan: &Plan| {
        let report = lint(&fleet, &policy(), plan, &Options::default());
        report.findings.iter().any(|it| it.rule == Rule::Together && it.severity == Severity::Error)
    };
    assert!(!apart(&plan));
    let second = spans(&plan)[1].0;
    let at =
        |it: &underpin_model::plan::Step| it.start_s == second && matches!(it.kind, StepKind::Migrate { .. });
    // One second less of the one before it: nobody is on the way then.
    plan.steps.iter_mut().filter(|it| it.end_s() == second && !at(it)).for_each(|it| it.p95_s -= 1);
    assert!(apart(&plan));
}
