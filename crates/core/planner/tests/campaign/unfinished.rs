//! What a parent plan began and nobody finished is told when it is planned again.

use std::collections::BTreeMap;

use underpin_model::change::Method;
use underpin_model::fleet::{Action, Fleet, PowerState};
use underpin_model::plan::{Plan, Rule, Standing, StepKind};
use underpin_planner::campaign::{Parent, Request, plan};

use super::build::{consent, fleet, guest, planned, planning, policy, request};

/// What is told of the fleet in the middle of its first wave, at the reboot of its host.
fn told(fleet: &Fleet, first: &Plan) -> Vec<Standing> {
    let loss = BTreeMap::new();
    let reboot = first.steps.iter().find(|it| matches!(it.kind, StepKind::Reboot { .. })).unwrap();
    let (parent, starts_at) = (Some(Parent { plan: first, sha256: "00" }), first.instant(reboot.start_s));
    let policy = policy();
    let again = plan(&Request { parent, starts_at, ..request(fleet, &policy, &loss) }).unwrap();
    let standing = again.report.standing.into_iter();
    standing.filter(|it| matches!(it.rule, Rule::FinalState | Rule::MostAway)).collect()
}

#[test]
fn guests_that_the_parent_took_down_and_hosts_that_it_left_in_maintenance_are_told() {
    for (action, power, word) in
        [(Action::PowerOff, PowerState::Off, "start"), (Action::Suspend, PowerState::Suspended, "resume")]
    {
        let mut fleet = fleet(1);
        guest(&mut fleet, "h1", 8).allowed_actions = vec![action];
        consent(&mut fleet, action, true);
        if action == Action::Suspend {
            planning(&mut fleet).changes[0].methods = vec![Method::QuickBoot];
        }
        let first = planned(&fleet, &policy()).plan;
        assert!(told(&fleet, &first).is_empty(), "it runs, and the host is in service");
        fleet.vms[0].power = Some(power);
        fleet.hosts[0].maintenance = Some(true);
        let told = told(&fleet, &first);
        let places: Vec<(&str, Rule)> = told.iter().map(|it| (it.place.as_str(), it.rule)).collect();
        assert_eq!(places, [("h1", Rule::MostAway), ("v001", Rule::FinalState)]);
        assert!(told[1].text.contains(&format!("{word} it once h1 is verified")), "{}", told[1].text);
    }
}

#[test]
fn a_guest_that_was_down_before_its_step_is_nobodys_unfinished_business() {
    let mut fleet = fleet(1);
    guest(&mut fleet, "h1", 8).allowed_actions = vec![Action::PowerOff];
    consent(&mut fleet, Action::PowerOff, true);
    let mut first = planned(&fleet, &policy()).plan;
    let stop = first.steps.iter().position(|it| matches!(it.kind, StepKind::Stop { .. })).unwrap();
    first.steps[stop].start_s = u32::MAX;
    fleet.vms[0].power = Some(PowerState::Off);
    assert!(told(&fleet, &first).is_empty());
}
