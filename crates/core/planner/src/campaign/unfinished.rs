//! What the parent plan began and nobody finished: guests that it took down, and hosts that are in maintenance since.

use std::collections::BTreeMap;

use underpin_model::fleet::{PowerState, Vm};
use underpin_model::plan::{Rule, Severity, Standing, Step, StepKind};

use super::Request;
use super::facts::Facts;

/// Told, and not done by the plan: nobody knows whether the owner of a guest wants it down by now, and whether a host was attested.
pub(super) fn unfinished(request: &Request<'_>, facts: &Facts<'_>) -> Vec<Standing> {
    let Some(parent) = &request.parent else { return Vec::new() };
    let since = request.starts_at.as_second().saturating_sub(parent.plan.starts_at.as_second());
    let begun = parent.plan.steps.iter().filter(|it| i64::from(it.start_s) <= since);
    let vms: BTreeMap<&str, &Vm> = request.fleet.vms.iter().map(|it| (it.id.as_str(), it)).collect();
    let mut told: BTreeMap<(&str, Rule), Standing> = BTreeMap::new();
    for step in begun {
        if let Some(it) = of_guest(&vms, step).or_else(|| of_host(facts, step)) {
            told.insert(it.0, it.1);
        }
    }
    told.into_values().collect()
}

/// A guest that a step took down and that is down still.
fn of_guest<'s>(vms: &BTreeMap<&str, &Vm>, step: &'s Step) -> Option<((&'s str, Rule), Standing)> {
    let (vm, host, power, [took, again]) = match &step.kind {
        StepKind::Stop { vm, host, .. } => (vm, host, PowerState::Off, ["powered it off", "start"]),
        StepKind::Suspend { vm, host, .. } => (vm, host, PowerState::Suspended, ["suspended it", "resume"]),
        _ => return None,
    };
    let is = vms.get(vm.as_str()).filter(|it| it.power == Some(power))?;
    let stands = is.host.as_ref().map_or("nobody knows where", |it| it.as_str());
    let text = format!(
        "the plan before {took} to change {host}, and it is down still, on {stands}: this plan does not {again} it; {again} it once \
         {host} is verified"
    );
    Some(((vm.as_str(), Rule::FinalState), before(Rule::FinalState, vm.as_str(), text)))
}

/// A host that a step changed and that is in maintenance still.
fn of_host<'s>(facts: &Facts<'_>, step: &'s Step) -> Option<((&'s str, Rule), Standing)> {
    let StepKind::Patch { element, .. } = &step.kind else { return None };
    facts.host(element.as_str()).filter(|it| facts.in_maintenance(*it))?;
    let text = "the plan before began to change it, and it is in maintenance still: it counts as away; once it is attested and \
                verified, take it out of maintenance and plan again";
    let rule = Rule::MostAway;
    Some(((element.as_str(), rule), before(rule, element.as_str(), text.to_owned())))
}

fn before(rule: Rule, place: &str, text: String) -> Standing {
    Standing { rule, severity: Severity::Before, place: place.to_owned(), text }
}
