//! How likely an attacker gets to where a hole can be used, given that a campaign tries this fleet.

use underpin_model::policy::{Parameter, Parameters};

use super::hole::Way;
use super::survey::Guests;
use crate::portfolio::Factor;
use crate::span::Span;
use crate::ways::Ways;

/// What decides the reach of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Machine {
    pub(super) software: Ways,
    pub(super) controller: Ways,
    /// Guests that run on it; `None`: it is a management plane.
    pub(super) guests: Option<Guests>,
}

/// The factor `reach` of a way.
pub(super) fn reach(way: Way, machine: &Machine, parameters: &Parameters) -> Factor {
    let (span, parameter, source) = span(way, machine, parameters);
    Factor {
        name: "reach",
        value: span.value,
        low: span.low,
        high: span.high,
        parameter: Some(parameter),
        source: source.into(),
    }
}

fn span(way: Way, machine: &Machine, parameters: &Parameters) -> (Span, Parameter, String) {
    let inside = Span::of(&parameters.setting(Parameter::ReachInternal));
    match (way, machine.guests) {
        (Way::Network, _) => machine.software.reach(parameters),
        (Way::Controller, _) => {
            let (span, parameter, why) = machine.controller.reach(parameters);
            (span, parameter, format!("management controller: {why}"))
        }
        (Way::Beside, _) => machine.software.reach_from_beside(parameters),
        (Way::Guest, Some(guests)) => from_guests(guests, parameters),
        // A management plane has no guests: what is local there needs an account.
        (Way::Account | Way::Guest, _) => {
            let why = "an account on the machine, as hard to get as one way in from inside: a judgement";
            (Span { low: 0.0, ..inside }, Parameter::ReachInternal, why.to_owned())
        }
        (Way::Touch, _) => {
            let span = Span { low: 0.0, value: inside.low, high: inside.value };
            let why = "by touching the machine, harder than any way in from inside: a judgement";
            (span, Parameter::ReachInternal, why.to_owned())
        }
        (Way::Unknown, _) => {
            let known = Way::ALL.into_iter().filter(|it| *it != Way::Unknown);
            let spans: Vec<Span> = known.map(|it| span(it, machine, parameters).0).collect();
            let why = "no CVSS vector is known: any way, from the hardest to the easiest";
            (Span::one_of(&spans), Parameter::ReachInternal, why.to_owned())
        }
    }
}

/// One of `n` guests is in the attacker's hands: `1-(1-g)^n`. Guests of unknown state count, but in the low end.
fn from_guests(guests: Guests, parameters: &Parameters) -> (Span, Parameter, String) {
    let one = Span::of(&parameters.setting(Parameter::GuestCompromised));
    let all = one.any_of(guests.on + guests.perhaps);
    let span = Span { low: one.any_of(guests.on).low, ..all };
    let perhaps = match guests.perhaps {
        0 => String::new(),
        count => format!(" and {count} of unknown state"),
    };
    (span, Parameter::GuestCompromised, format!("from inside one of {} guests that run{perhaps}", guests.on))
}
