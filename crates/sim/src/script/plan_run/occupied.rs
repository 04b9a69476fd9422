//! A host that holds guests which the plan has elsewhere by then is neither patched nor rebooted.

use underpin_model::change::Method;
use underpin_model::plan::{Step, StepKind};

use super::run::Run;
use crate::datacentre::PowerState;
use crate::script::Session;

/// Guests that are named; the rest are counted.
const MOST_NAMED: usize = 3;

impl Session {
    /// Why a step that interrupts what runs on its host must not begin: guests are on it. A balancer, a person or a restart has put them
    /// there since the plan was made, and no step of it takes them away.
    pub(super) fn still_occupied(&self, run: &Run<'_>, step: &Step) -> Option<String> {
        let (element, suspended_too) = match &step.kind {
            StepKind::Patch { element, method, .. } if interrupts(*method) => (element, false),
            // What is suspended lives through a reboot without the firmware alone.
            StepKind::Reboot { element, quick } => (element, !quick),
            _ => return None,
        };
        let host = self.datacentre.hosts.get(self.datacentre.host_at(element.as_str())?)?;
        let there = host.guests.iter().filter_map(|it| self.datacentre.guests.get(*it));
        let held = there.filter(|it| match it.power {
            PowerState::On => true,
            PowerState::Suspended => suspended_too,
            PowerState::Off => false,
        });
        let names: Vec<String> = held.map(|it| it.id.to_string()).collect();
        if names.is_empty() {
            return None;
        }
        let named = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let moved =
            |id: &str| run.plan.steps.iter().any(|it| it.kind.vm().is_some_and(|it| it.as_str() == id));
        let why = if names.iter().all(|it| !moved(it)) { ", which no step of the plan moves" } else { "" };
        Some(format!(
            "{element} holds {named}{more}{why}; expected an empty host; plan again from what is there, with --parent"
        ))
    }
}

/// Guests do not run on while a host is changed by this method.
fn interrupts(method: Method) -> bool {
    match method {
        Method::LivePatch | Method::InPlace | Method::Defer => false,
        Method::QuickBoot | Method::EvacuateReboot | Method::PowerOff => true,
    }
}
