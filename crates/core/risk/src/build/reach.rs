//! How likely an attacker gets to where a hole can be used, given that a campaign tries this fleet.

use underpin_model::policy::{Parameter, Parameters};

use super::hole::Way;
use crate::portfolio::Factor;
use crate::span::Span;
use crate::ways::{Door, Ways};

/// Guests that run on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guests {
    /// Powered on.
    pub on: u32,
    /// Not known whether powered on.
    pub perhaps: u32,
}

/// What decides the reach of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Machine {
    /// Ways in to its software.
    pub software: Ways,
    /// Ways in to its management controller.
    pub controller: Ways,
    /// Guests that run on it; `None`: it is a management plane.
    pub guests: Option<Guests>,
}

impl Machine {
    /// The same without the facts that none of these ways asks for: machines that differ in them alone answer alike.
    #[must_use]
    pub fn asked_by(mut self, uses: impl Fn(Way) -> bool) -> Self {
        let asks = |wanted: &[Way]| uses(Way::Unknown) || wanted.iter().any(|it| uses(*it));
        if !asks(&[Way::Guest]) {
            self.guests = self.guests.map(|_| Guests::default());
        }
        // A hole of no known way is priced without an account ([`Way::OTHERS`]): it asks for no second factor.
        self.software =
            asked_of(self.software, asks(&[Way::Network, Way::Beside]), uses(Way::NetworkAccount));
        self.controller = asked_of(self.controller, asks(&[Way::Controller]), uses(Way::ControllerAccount));
        self
    }

    /// Whether the public Internet reaches what a way in leads to is not known, and a hole that is used by this way asks for it.
    #[must_use]
    pub fn exposure_is_unknown(&self, way: Way, door: Door) -> bool {
        match (door, way) {
            (Door::Software, Way::Network | Way::NetworkAccount | Way::Unknown) => {
                self.software.exposure_is_unknown()
            }
            (Door::Controller, Way::Controller | Way::ControllerAccount | Way::Unknown) => {
                self.controller.exposure_is_unknown()
            }
            _ => false,
        }
    }
}

/// Ways in without what no hole asks for.
fn asked_of(ways: Ways, reached: bool, entered: bool) -> Ways {
    match (reached, entered) {
        (_, true) => ways,
        (true, false) => Ways { second_factor: None, ..ways },
        (false, false) => Ways::default(),
    }
}

/// The parameters that reach depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// [`Parameter::ReachExposed`]: one way in that the public Internet reaches.
    pub exposed: Span,
    /// [`Parameter::ReachInternal`]: one way in from inside.
    pub inside: Span,
    /// [`Parameter::GuestCompromised`]: one guest.
    pub guest: Span,
    /// [`Parameter::SecondFactor`]: a second factor that is demanded.
    pub second_factor: Span,
}

impl Rates {
    /// Those of a policy.
    #[must_use]
    pub fn of(parameters: &Parameters) -> Self {
        let span = |it| Span::of(&parameters.setting(it));
        Self {
            exposed: span(Parameter::ReachExposed),
            inside: span(Parameter::ReachInternal),
            guest: span(Parameter::GuestCompromised),
            second_factor: span(Parameter::SecondFactor),
        }
    }

    /// Whether a parameter is one of those that reach depends on.
    #[must_use]
    pub fn depend_on(parameter: Parameter) -> bool {
        use Parameter::{GuestCompromised, ReachExposed, ReachInternal, SecondFactor};
        matches!(parameter, ReachExposed | ReachInternal | GuestCompromised | SecondFactor)
    }

    /// The same ranges with other values.
    #[must_use]
    pub fn at(self, value: impl Fn(Parameter) -> f64) -> Self {
        let moved = |span, parameter| Span { value: value(parameter), ..span };
        Self {
            exposed: moved(self.exposed, Parameter::ReachExposed),
            inside: moved(self.inside, Parameter::ReachInternal),
            guest: moved(self.guest, Parameter::GuestCompromised),
            second_factor: moved(self.second_factor, Parameter::SecondFactor),
        }
    }

    /// Harder than any way in from inside: its low end as the value, which is no more than the value of those.
    #[must_use]
    pub fn harder_than_inside(&self) -> Span {
        let Span { low, value, .. } = self.inside;
        Span { low: 0.0, value: low.min(value), high: value }
    }
}

/// How likely a campaign that tries this fleet gets to where a hole of this way can be used.
#[must_use]
pub fn reach(way: Way, machine: &Machine, rates: &Rates) -> Span {
    match (way, machine.guests) {
        (Way::Network, _) => machine.software.reach(rates),
        (Way::NetworkAccount, _) => machine.software.entry(rates),
        (Way::Controller, _) => machine.controller.reach(rates),
        (Way::ControllerAccount, _) => machine.controller.entry(rates),
        (Way::Beside, _) => machine.software.reach_from_beside(rates),
        // One of `n` guests is in the attacker's hands: `1-(1-g)^n`. Guests of unknown state count, but in the low end.
        (Way::Guest, Some(guests)) => {
            let all = rates.guest.any_of(guests.on + guests.perhaps);
            Span { low: rates.guest.any_of(guests.on).low, ..all }
        }
        // A management plane has no guests: what is local there needs an account.
        (Way::Account | Way::Guest, _) => Span { low: 0.0, ..rates.inside },
        (Way::Touch, _) => rates.harder_than_inside(),
        (Way::Unknown, _) => Span::any_one_of(Way::OTHERS.into_iter().map(|it| reach(it, machine, rates))),
    }
}

/// [`reach`] as a factor of a path, with where it is from.
pub(super) fn factor(way: Way, machine: &Machine, parameters: &Parameters) -> Factor {
    let span = reach(way, machine, &Rates::of(parameters));
    let (parameter, source) = why(way, machine);
    Factor {
        name: "reach",
        value: span.value,
        low: span.low,
        high: span.high,
        parameter: Some(parameter),
        source: source.into(),
    }
}

fn of_controller((parameter, why): (Parameter, String)) -> (Parameter, String) {
    (parameter, format!("management controller: {why}"))
}

/// The parameter that bounds the reach of a way, and where it is from.
fn why(way: Way, machine: &Machine) -> (Parameter, String) {
    let by_inside = |why: &str| (Parameter::ReachInternal, why.to_owned());
    match (way, machine.guests) {
        (Way::Network, _) => machine.software.why(),
        (Way::NetworkAccount, _) => machine.software.why_entry(),
        (Way::Controller, _) => of_controller(machine.controller.why()),
        (Way::ControllerAccount, _) => of_controller(machine.controller.why_entry()),
        (Way::Beside, _) => {
            by_inside(&format!("from the same network segment: {}", machine.software.words()))
        }
        (Way::Guest, Some(Guests { on, perhaps })) => {
            let perhaps = match perhaps {
                0 => String::new(),
                count => format!(" and {count} of unknown state"),
            };
            (Parameter::GuestCompromised, format!("from inside one of {on} guests that run{perhaps}"))
        }
        (Way::Account | Way::Guest, _) => {
            by_inside("an account on the machine, as hard to get as one way in from inside: a judgement")
        }
        (Way::Touch, _) => {
            by_inside("by touching the machine, harder than any way in from inside: a judgement")
        }
        (Way::Unknown, _) => by_inside("no CVSS vector is known: any way, from the hardest to the easiest"),
    }
}
