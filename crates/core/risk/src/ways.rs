//! Ways in to a machine: how many there are, from where they are reached, and how likely an attacker gets to one.

use underpin_exposure::reach::is_off;
pub use underpin_exposure::reach::{Door, PublicReach};
use underpin_model::fleet::{AuthenticationMethod, ManagementInterface};
use underpin_model::policy::Parameter;

use crate::build::reach::Rates;
use crate::span::Span;

/// How many ways in there are, by where they are reached from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ways {
    /// Known to be on: from the public Internet, from inside only, from where is not known.
    pub on: [u32; 3],
    /// Not known whether on: likewise.
    pub perhaps: [u32; 3],
    /// Known to be off, or reached from the machine itself only.
    pub off: u32,
    /// Whether every one that is not off demands a second factor; `None`: not known, or none is listed.
    pub second_factor: Option<bool>,
}

/// So many ways in that an attacker gets to one for sure, unless the policy says that none is ever got to.
const MORE_THAN_LISTED: u32 = 10_000;

impl Ways {
    /// The ways in of one kind among the interfaces of a machine. What is listed twice word by word is one.
    #[must_use]
    pub fn of(interfaces: &[ManagementInterface], door: Door, reach: &PublicReach<'_>) -> Self {
        let mut ways = Self::default();
        let first =
            |(at, it): &(usize, &ManagementInterface)| !interfaces.iter().take(*at).any(|other| other == *it);
        let once = interfaces.iter().enumerate().filter(first).map(|it| it.1);
        for interface in once.filter(|it| Door::of(it) == Some(door)) {
            let place = match reach.of_interface(interface) {
                Some(true) => 0,
                Some(false) => 1,
                None => 2,
            };
            let counter = if is_off(interface) {
                &mut ways.off
            } else if interface.enabled == Some(true) {
                &mut ways.on[place]
            } else {
                &mut ways.perhaps[place]
            };
            *counter += 1;
        }
        let open = interfaces.iter().filter(|it| Door::of(it) == Some(door) && !is_off(it));
        ways.second_factor = open.map(demands_second_factor).reduce(weaker).flatten();
        ways
    }

    /// How likely a campaign that tries this fleet and has an account gets in by one of them: `reach` times the chance to get past
    /// the second factor, where all demand one. Where that is not known, it counts in the low end alone.
    #[must_use]
    pub fn entry(&self, rates: &Rates) -> Span {
        let past = match self.second_factor {
            Some(true) => rates.second_factor,
            Some(false) => Span::exactly(1.0),
            None => Span { low: rates.second_factor.low, ..Span::exactly(1.0) },
        };
        self.reach(rates).with(past, |reach, past| reach * past)
    }

    /// The parameter that bounds [`Ways::entry`], and why it is what it is.
    #[must_use]
    pub fn why_entry(&self) -> (Parameter, String) {
        let (parameter, why) = self.why();
        match self.second_factor {
            Some(true) => (
                Parameter::SecondFactor,
                format!("{why}; by who has an account and gets past a second factor"),
            ),
            Some(false) => {
                (parameter, format!("{why}; by who has an account: a password is enough somewhere"))
            }
            None => {
                let unknown =
                    "whether a second factor is demanded is not known, which counts in the low end alone";
                (parameter, format!("{why}; by who has an account; {unknown}"))
            }
        }
    }

    /// What is not known at its worst: where a way in is reached from is not known, the public Internet reaches it, where none is
    /// listed at all there are more than anybody lists, and a second factor is not demanded.
    #[must_use]
    pub fn at_worst(mut self) -> Self {
        self.second_factor = self.second_factor.or(Some(false));
        for counts in [&mut self.on, &mut self.perhaps] {
            counts[0] += std::mem::take(&mut counts[2]);
        }
        if self.open() + self.off == 0 {
            self.on[0] = MORE_THAN_LISTED;
        }
        self
    }

    /// Those that are on or may be.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.on.iter().chain(&self.perhaps).sum()
    }

    /// How likely a campaign that tries this fleet gets to one of them. What is not known whether on counts as
    /// on but in the low end; without any on the list the machine is taken to have one of which nothing is known.
    #[must_use]
    pub fn reach(&self, rates: &Rates) -> Span {
        let Rates { exposed, inside, .. } = *rates;
        let unknown = Span::one_of(&[inside, exposed]);
        if self.open() == 0 {
            return if self.off > 0 { rates.harder_than_inside() } else { unknown };
        }
        let any = |counts: [u32; 3]| {
            exposed.any_of(counts[0]).or(inside.any_of(counts[1])).or(unknown.any_of(counts[2]))
        };
        let sure = any(self.on);
        Span { low: sure.low, ..sure.or(any(self.perhaps)) }
    }

    /// The parameter that bounds [`Ways::reach`], and why it is what it is.
    #[must_use]
    pub fn why(&self) -> (Parameter, String) {
        if self.open() == 0 && self.off > 0 {
            let why = format!("all {} listed ways in are off; what else listens is not known", self.off);
            return (Parameter::ReachInternal, why);
        }
        if self.open() == 0 {
            let why = "no way in is listed: unknown, priced as one way in from inside or from outside";
            return (Parameter::ReachInternal, why.to_owned());
        }
        let exposed = self.on[0] + self.perhaps[0] > 0;
        (if exposed { Parameter::ReachExposed } else { Parameter::ReachInternal }, self.words())
    }

    /// Whether the public Internet reaches the machine is not known, and decides how likely it is reached.
    #[must_use]
    pub fn exposure_is_unknown(&self) -> bool {
        self.on[2] + self.perhaps[2] > 0 || self.open() + self.off == 0
    }

    /// As [`Ways::reach`] for an attacker on the same network segment: each way in is one from inside.
    #[must_use]
    pub fn reach_from_beside(&self, rates: &Rates) -> Span {
        let (sure, all) = (self.on.iter().sum::<u32>(), self.open());
        let low = if all == 0 { 0.0 } else { rates.inside.any_of(sure).low };
        Span { low, ..rates.inside.any_of(all.max(1)) }
    }

    /// In words: `2 ways in from inside, 1 from unknown networks`.
    #[must_use]
    pub fn words(&self) -> String {
        let places = ["from the public Internet", "from inside", "from unknown networks"];
        let mut parts: Vec<String> = Vec::new();
        for (counts, note) in [(self.on, ""), (self.perhaps, " (not known whether on)")] {
            for (count, place) in counts.iter().zip(places).filter(|(count, _)| **count > 0) {
                parts.push(format!("{count} {place}{note}"));
            }
        }
        if self.off > 0 {
            parts.push(format!("{} off", self.off));
        }
        if parts.is_empty() {
            "no way in is listed".to_owned()
        } else {
            format!("ways in: {}", parts.join(", "))
        }
    }
}

/// Whether each way to prove who one is takes a second factor.
fn demands_second_factor(interface: &ManagementInterface) -> Option<bool> {
    interface.authentication.iter().map(takes_second_factor).reduce(weaker).flatten()
}

/// Whether a way to prove who one is takes a second factor. Who need not prove anything has none either.
pub(crate) fn takes_second_factor(method: &AuthenticationMethod) -> Option<bool> {
    if method.method == "none" { Some(false) } else { method.second_factor }
}

/// The weaker of two doors: one without a second factor is enough, and one of which nothing is known may be it.
fn weaker(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    if one == Some(false) || other == Some(false) { Some(false) } else { one.and(other) }
}

#[cfg(test)]
mod tests {
    use underpin_model::policy::Parameters;

    use super::*;

    fn reach(ways: Ways) -> Span {
        ways.reach(&Rates::of(&Parameters::default()))
    }

    #[test]
    fn each_way_in_is_a_try() {
        // One of two inside: 1 - 0.95^2; beside one from outside: 1 - 0.5 * 0.95^2.
        let inside = reach(Ways { on: [0, 2, 0], ..Ways::default() });
        assert!((inside.value - 0.0975).abs() < 1e-12);
        let both = reach(Ways { on: [1, 2, 0], ..Ways::default() });
        assert!((both.value - (1.0 - 0.5 * 0.9025)).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_known_is_a_range_and_never_fine() {
        let nothing = reach(Ways::default());
        assert!((nothing.low, nothing.high) == (0.005, 0.9) && (nothing.value - 0.275).abs() < 1e-12);
        let perhaps = reach(Ways { perhaps: [0, 1, 0], ..Ways::default() });
        assert_eq!(
            (perhaps.low, perhaps.value, perhaps.high),
            (0.0, 0.050_000_000_000_000_044, 0.300_000_000_000_000_04)
        );
        // At its worst it is as if the public Internet reached it, and what is known stays as it is.
        let unknown = Ways { on: [0, 0, 1], ..Ways::default() };
        assert_eq!(reach(unknown.at_worst()), reach(Ways { on: [1, 0, 0], ..Ways::default() }));
        assert_eq!(reach(Ways::default().at_worst()), Span::exactly(1.0), "there may be any number of them");
        for known in [Ways { on: [1, 2, 0], ..Ways::default() }, Ways { off: 2, ..Ways::default() }] {
            let known = Ways { second_factor: Some(true), ..known };
            assert_eq!(known.at_worst(), known);
        }
        let off = reach(Ways { off: 2, ..Ways::default() });
        assert_eq!((off.low, off.value, off.high), (0.0, 0.005, 0.05));
    }

    #[test]
    fn a_second_factor_counts_where_every_door_has_one() {
        let door = |factors: &[Option<bool>]| {
            let methods: Vec<_> = factors
                .iter()
                .map(|it| serde_json::json!({ "method": "password", "second_factor": it }))
                .collect();
            let text = serde_json::json!({ "kind": "ssh", "enabled": true, "authentication": methods });
            serde_json::from_value::<ManagementInterface>(text).unwrap()
        };
        let (yes, no, unknown) = (door(&[Some(true)]), door(&[Some(true), Some(false)]), door(&[]));
        let of = |doors: &[&ManagementInterface]| {
            let doors: Vec<ManagementInterface> = doors.iter().map(|it| (*it).clone()).collect();
            Ways::of(&doors, Door::Software, &PublicReach::default()).second_factor
        };
        assert_eq!(of(&[&yes]), Some(true));
        assert_eq!(of(&[&yes, &no]), Some(false));
        assert_eq!(of(&[&yes, &unknown]), None);
        assert_eq!(of(&[&unknown, &no]), Some(false));
        assert_eq!(of(&[]), None);
        let off = ManagementInterface { enabled: Some(false), ..no };
        assert_eq!(of(&[&yes, &off]), Some(true), "what is off is no door");
    }

    #[test]
    fn who_has_an_account_must_get_past_the_second_factor() {
        let rates = Rates::of(&Parameters::default());
        let one = Ways { on: [0, 1, 0], ..Ways::default() };
        let entry = |second_factor| Ways { second_factor, ..one }.entry(&rates);
        let reached = one.reach(&rates);
        assert_eq!(entry(Some(false)), reached);
        assert_eq!(entry(Some(true)), reached.with(rates.second_factor, |a, b| a * b));
        assert!((entry(Some(true)).value - 0.05 * 0.0144).abs() < 1e-12);
        // Not known is never fine: the value is that of none, and the low end that of one.
        assert_eq!(entry(None), Span { low: entry(Some(true)).low, ..reached });
        assert_eq!(Ways { second_factor: None, ..one }.at_worst().entry(&rates), reached);
    }
}
