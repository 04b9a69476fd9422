//! What owners say for a time, and guests of which nobody knows where they are.

use std::collections::BTreeMap;

use underpin_lint::{Options, lint};
use underpin_model::fleet::{Action, Fleet};
use underpin_model::plan::{Outcome, Reason, Rule, Severity, StepKind};
use underpin_planner::campaign::{PlanError, Request, plan};

use super::build::{at, consent, fleet, guest, of, planned, planning, policy, request, start};

/// A guest on h1 that may only be powered off, its owner's yes, and a no from and until.
fn refused(from: Option<&str>, until: Option<&str>) -> Fleet {
    let mut fleet = fleet(2);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::PowerOff];
    consent(&mut fleet, Action::PowerOff, true);
    consent(&mut fleet, Action::PowerOff, false);
    let no = &mut planning(&mut fleet).consents[1];
    (no.from, no.until) = (from.map(at), until.map(at));
    fleet
}

#[test]
fn a_no_counts_while_it_stands_and_no_longer() {
    let mut policy = policy();
    policy.planning.failure_sets = underpin_model::policy::FailureSets::None;
    let noon = Some("2026-11-21T12:00:00Z");
    let it = planned(&refused(None, noon), &policy);
    assert_eq!(of(&it, "h1").outcome, Outcome::Planned);
    let stop = it.plan.steps.iter().find(|it| matches!(it.kind, StepKind::Stop { .. })).unwrap();
    assert!(it.plan.instant(stop.start_s) >= at("2026-11-21T12:00:00Z"), "{stop:?}");
    // One that begins later is planned before it: the guest is up again by then.
    let later = planned(&refused(noon, None), &policy);
    assert_eq!(of(&later, "h1").outcome, Outcome::Planned);
    assert!(later.plan.instant(of(&later, "h1").end_s.unwrap()) <= at("2026-11-21T12:00:00Z"));
    // For good, and to beyond the horizon.
    for until in [None, Some("2028-01-01T00:00:00Z")] {
        let it = planned(&refused(None, until), &policy);
        let reasons = &of(&it, "h1").reasons;
        assert!(
            reasons.iter().any(|it| matches!(it, Reason::Consent { refused: true, .. })),
            "{until:?}: {reasons:?}"
        );
    }
    // What has run out counts for nothing.
    let over = planned(&refused(None, Some("2026-11-20T12:00:00Z")), &policy);
    assert_eq!(
        of(&over, "h1").start_s,
        planned(&refused(None, Some("2026-11-20T00:00:00Z")), &policy).report.elements[0].start_s
    );
    assert_eq!(of(&over, "h1").outcome, Outcome::Planned);
}

#[test]
fn a_no_binds_where_no_consent_is_needed_too() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    consent(&mut fleet, Action::LiveMigrate, false);
    planning(&mut fleet).consents[0].until = Some(at("2026-11-21T12:00:00Z"));
    let it = planned(&fleet, &policy());
    let moves = it.plan.steps.iter().filter(|it| matches!(it.kind, StepKind::Migrate { .. }));
    let early = moves.filter(|step| it.plan.instant(step.start_s) < at("2026-11-21T12:00:00Z")).count();
    assert_eq!((early, of(&it, "h1").outcome), (0, Outcome::Planned));
    planning(&mut fleet).consents[0].until = None;
    assert_eq!(of(&planned(&fleet, &policy()), "h1").outcome, Outcome::Blocked);
}

#[test]
fn a_guest_that_runs_nobody_knows_where_is_told_by_plan_and_lint() {
    let mut fleet = fleet(3);
    guest(&mut fleet, "h1", 8);
    assert!(planned(&fleet, &policy()).report.standing.is_empty());
    fleet.vms[0].host = None;
    let it = planned(&fleet, &policy());
    let [standing] = &it.report.standing[..] else { unreachable!("{:?}", it.report.standing) };
    assert_eq!((standing.rule, standing.severity), (Rule::OccupiedHost, Severity::Unknown));
    assert_eq!(standing.place, "v001");
    let report = lint(&fleet, &policy(), &it.plan, &Options::default());
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    let found = &report.findings[0];
    assert_eq!((found.rule, found.severity), (Rule::OccupiedHost, Severity::Unknown));
    assert_eq!(found.place, "VM v001");
    // One that is off is nowhere.
    fleet.vms[0].power = Some(underpin_model::fleet::PowerState::Off);
    let it = planned(&fleet, &policy());
    assert!(it.report.standing.is_empty());
    assert_eq!(lint(&fleet, &policy(), &it.plan, &Options::default()).findings, []);
}

#[test]
fn a_start_far_from_when_the_fleet_was_seen_is_told() {
    let mut fleet = fleet(2);
    guest(&mut fleet, "h1", 8);
    let (policy, loss) = (policy(), BTreeMap::new());
    for (seen, words) in [
        ("2026-11-21T02:00:00Z", Some("2 h after the plan starts")),
        ("2026-11-20T00:00:00Z", None),
        ("2026-11-14T00:00:00Z", None),
        ("2026-11-01T00:00:00Z", Some("20 days before the plan starts")),
    ] {
        fleet.seen.at = at(seen);
        let it = plan(&request(&fleet, &policy, &loss)).unwrap();
        let told: Vec<&str> = it.report.standing.iter().map(|it| it.text.as_str()).collect();
        match words {
            Some(words) => assert!(told.len() == 1 && told[0].contains(words), "{seen}: {told:?}"),
            None => assert!(told.is_empty(), "{seen}: {told:?}"),
        }
    }
}

#[test]
fn a_start_after_which_the_calendar_ends_is_refused() {
    let fleet = fleet(1);
    let (policy, loss) = (policy(), BTreeMap::new());
    let from = |text: &str| plan(&Request { starts_at: at(text), ..request(&fleet, &policy, &loss) });
    assert!(from("9999-09-01T00:00:00Z").is_ok());
    let error = from("9999-12-01T00:00:00Z").unwrap_err();
    assert!(matches!(error, PlanError::Start { horizon_days: 90, .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.starts_with("starts_at: found 9999-12-01T00:00:00Z, expected a moment"), "{said}");
    assert!(start() < at("9999-12-01T00:00:00Z"));
}
