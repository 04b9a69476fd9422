//! What a decision is about: a release, the holes that it closes, and what stands on the hosts. From it and the
//! parameters come the [`Inputs`] of the curve.

use serde::Serialize;
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::{AttackPath, Parameter};
use underpin_model::quantity::{Days, Probability};

use super::curve::{AgedHazard, Inputs, Penalty};
use super::evidence::{Beta, Tally};
use super::values::Values;
use crate::hazard::{EPSS_DAYS, Hazard, HazardSource, LARGEST_EPSS};
use crate::portfolio::Impact;

/// What is known about exploitation of a hole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "exploitation")]
pub enum Exploited {
    /// Listed as known exploited so many days ago, with its EPSS score, if any.
    Listed {
        /// Days since then.
        days_ago: f64,
        /// EPSS.
        epss: Option<Probability>,
    },
    /// An EPSS score.
    Scored {
        /// EPSS.
        epss: Probability,
    },
    /// Nothing is known.
    Unscored,
}

impl Exploited {
    /// The hazard, by the same rules as [`Hazard::of`].
    #[must_use]
    pub fn hazard(self, values: &Values) -> Hazard {
        match self {
            Self::Listed { days_ago, epss } => {
                let floor = Probability::nearest(values.get(Parameter::KevFloor));
                Hazard {
                    thirty_days: epss.filter(|it| *it > floor).unwrap_or(floor),
                    age: Days::new(days_ago).unwrap_or_default(),
                    shape: values.get(Parameter::Shape),
                    source: HazardSource::Kev,
                }
            }
            Self::Scored { epss } => Hazard::constant(epss, HazardSource::Epss),
            Self::Unscored => {
                let base = Probability::nearest(values.get(Parameter::EpssUnknown));
                Hazard::constant(base, HazardSource::Unknown)
            }
        }
    }
}

/// How an attacker gets to the host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Way {
    /// The path; `None`: no vector is known, the likeliest path counts.
    pub path: Option<AttackPath>,
    /// An interface of the host can be reached from the public Internet; `None`: unknown, which counts as yes.
    pub publicly_exposed: Option<bool>,
    /// Guests on the host.
    pub guests: f64,
    /// Probability that the controls on the path all fail.
    pub controls_fail: f64,
}

/// The probability that a host is hit, given a campaign that tries this fleet: reach x control fails.
#[must_use]
pub fn hit_given_campaign(way: &Way, values: &Values) -> f64 {
    let network =
        if way.publicly_exposed == Some(false) { Parameter::ReachInternal } else { Parameter::ReachExposed };
    let network = values.get(network);
    let guest = 1.0 - (1.0 - values.get(Parameter::GuestCompromised)).powf(way.guests);
    let reach = match way.path {
        Some(AttackPath::Network | AttackPath::ManagementPlane) => network,
        Some(AttackPath::Guest | AttackPath::Local) => guest,
        None => network.max(guest),
    };
    (reach * way.controls_fail).clamp(0.0, 1.0)
}

/// A hole that the release closes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hole {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// What is known about exploitation.
    #[serde(flatten)]
    pub exploited: Exploited,
    /// How an attacker gets to the host.
    pub way: Way,
    /// What a hit takes of what stands on the host.
    pub impact: Impact,
    /// Share of the group's hosts on which it is open.
    pub share: f64,
    /// Days since it became public; `None`: unknown.
    pub public_days: Option<f64>,
}

impl Hole {
    /// The 30-day probability that it is exploited, aimed at this fleet, reaches a host and passes the controls.
    #[must_use]
    pub fn hit_in_thirty_days(&self, values: &Values) -> f64 {
        let exploited = self.exploited.hazard(values).thirty_days.get();
        exploited * values.get(Parameter::Aimed) * hit_given_campaign(&self.way, values)
    }

    /// Cumulative hit hazard of the next 30 days. EPSS, and the question how likely a campaign aims at this fleet, are
    /// both about 30 days: their product becomes a hazard in the exact form, with the profile of the exploitation hazard
    /// over time. Over 30 days this is the probability of compound risk, and beyond it does not saturate.
    fn hazard_of_thirty_days(&self, values: &Values) -> f64 {
        -(-self.hit_in_thirty_days(values).min(LARGEST_EPSS)).ln_1p() * self.share
    }

    /// Cumulative hit hazard from the day that it became public until now, were it open all the time.
    fn hazard_until_now(&self, values: &Values) -> f64 {
        let thirty = self.hazard_of_thirty_days(values);
        let days = self.public_days.unwrap_or(0.0).max(0.0);
        match self.exploited {
            Exploited::Listed { days_ago, .. } => {
                let shape = values.get(Parameter::Shape);
                let until = |t: f64| t.powf(shape);
                let next = until(days_ago + EPSS_DAYS) - until(days_ago);
                thirty * until(days.min(days_ago)) / next
            }
            Exploited::Scored { .. } | Exploited::Unscored => thirty * days / EPSS_DAYS,
        }
    }
}

/// What stands on one host of the group, on average, in the policy's currency.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Worth {
    /// VMs.
    pub vms: f64,
    /// Loss of disclosing all records whose number the policy states.
    pub stated_records: f64,
    /// Loss of disclosing one record of each VM whose number of records is the parameter `records_per_vm`.
    pub per_record: f64,
    /// Loss of corrupting all of them.
    pub corrupted: f64,
    /// Loss of one hour with all of them down.
    pub hour_down: f64,
}

impl Worth {
    /// Loss of a hit.
    #[must_use]
    pub fn loss(&self, impact: Impact, values: &Values) -> f64 {
        let disclosed = self.stated_records + self.per_record * values.get(Parameter::RecordsPerVm);
        disclosed * impact.confidentiality
            + self.corrupted * impact.integrity
            + self.hour_down * values.get(Parameter::HoursAfterCompromise) * impact.availability
    }
}

/// Known bugs that the release repairs and these hosts can hit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct KnownBugs {
    /// Hits per host and day.
    pub per_host_day: f64,
    /// Hours that the VMs of the host are down after one.
    pub hours_down: f64,
}

/// Everything about one group and one release that parameters do not say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Situation {
    /// Span that losses are counted over, in days.
    pub horizon_days: f64,
    /// Hosts on which the release is due.
    pub hosts: f64,
    /// What it closes.
    pub holes: Vec<Hole>,
    /// What stands on a host.
    pub worth: Worth,
    /// Days since the release appeared.
    pub release_age_days: f64,
    /// The release was withdrawn by its maker.
    pub withdrawn: bool,
    /// What trials and canaries on this hardware showed.
    pub tally: Tally,
    /// Spread of the share of hosts that a bad release hits, low and high, from which its Beta distribution comes.
    pub hit_range: (f64, f64),
    /// Share of these hosts in the first ring; 1 where the roll-out is not staged for this hardware.
    pub first_ring_share: f64,
    /// Known bugs; `None`: none known, or not priced.
    pub known_bugs: Option<KnownBugs>,
    /// Loss of the maintenance of one host.
    pub maintenance: f64,
    /// Changes that share the drain, this one included; at least 1.
    pub changes: u32,
    /// Share of the maintenance that each further change saves.
    pub shared_drain_saves: f64,
    /// Promises with a deadline ahead.
    pub penalties: Vec<Penalty>,
}

/// The belief about a release.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Belief {
    /// Probability that it is bad for this hardware, on the day it appeared.
    pub at_release: f64,
    /// The same now, because it has not been withdrawn.
    pub by_age: f64,
    /// The same after others have run it on this hardware.
    pub by_others: f64,
    /// The same after own trials and canaries.
    pub now: f64,
    /// Share of hosts that it hits if it is bad.
    pub hit: Beta,
}

impl Situation {
    /// What is believed about the release under these parameters.
    #[must_use]
    pub fn belief(&self, values: &Values) -> Belief {
        let at_release = values.get(Parameter::RegressionPrior).clamp(0.0, 1.0);
        let hit = Beta::from_range(values.get(Parameter::RegressionHit), self.hit_range.0, self.hit_range.1);
        if self.withdrawn {
            return Belief { at_release, by_age: 1.0, by_others: 1.0, now: 1.0, hit };
        }
        // Not withdrawn at this age: with rate theta a bad one would have been.
        let still = at_release * (-values.get(Parameter::Theta) * self.release_age_days).exp();
        let by_age = if still > 0.0 { still / (still + 1.0 - at_release) } else { 0.0 };
        let (by_others, after_others) = hit.update(by_age, self.tally.others_same_hardware);
        let (now, hit) = after_others.update(by_others, self.tally.own);
        Belief { at_release, by_age, by_others, now, hit }
    }

    /// The inputs of the curve under these parameters.
    #[must_use]
    pub fn inputs(&self, values: &Values) -> Inputs {
        let belief = self.belief(values);
        let mut inputs = Inputs {
            horizon_days: self.horizon_days,
            hosts: self.hosts,
            incomplete_fix: values.get(Parameter::IncompleteFix),
            bad: belief.now,
            theta: values.get(Parameter::Theta),
            hit: belief.hit.mean(),
            loss_per_bad_host: self.worth.hour_down * values.get(Parameter::HoursAfterRegression),
            ring_stops: values.get(Parameter::RingStops),
            first_ring_share: self.first_ring_share,
            known_bugs_per_day: self
                .known_bugs
                .map_or(0.0, |it| it.per_host_day * it.hours_down * self.worth.hour_down),
            maintenance: self.maintenance,
            shared_drain_saves: self.shared(),
            penalties: self.penalties.clone(),
            ..Inputs::default()
        };
        for hole in &self.holes {
            let hazard = hole.exploited.hazard(values);
            let thirty_days = hole.hazard_of_thirty_days(values);
            let loss = self.worth.loss(hole.impact, values);
            if hazard.shape < 1.0 {
                let age_days = hazard.age.get();
                inputs.aged.push(AgedHazard { thirty_days, age_days, shape: hazard.shape, loss });
            } else {
                inputs.constant_per_day += thirty_days / EPSS_DAYS;
                inputs.constant_loss_per_day += thirty_days / EPSS_DAYS * loss;
            }
        }
        inputs
    }

    /// What each of several changes saves of the maintenance: all share the drain of the first.
    fn shared(&self) -> f64 {
        let changes = f64::from(self.changes.max(1));
        self.maintenance * self.shared_drain_saves * (changes - 1.0) / changes
    }

    /// Compromise that may have happened already, since each hole became public: probability per host, and expected loss
    /// over all hosts. It does not depend on when the release comes, and is no part of the curve.
    #[must_use]
    pub fn before_now(&self, values: &Values) -> (f64, f64) {
        let (hazard, weighted) = self.holes.iter().fold((0.0, 0.0), |(hazard, weighted), hole| {
            let own = hole.hazard_until_now(values);
            (hazard + own, weighted + own * self.worth.loss(hole.impact, values))
        });
        let probability = -(-hazard).exp_m1();
        let loss = if hazard > 0.0 { weighted / hazard * probability } else { 0.0 };
        (probability, loss * self.hosts)
    }
}

#[cfg(test)]
mod tests {
    use underpin_model::policy::Parameters;

    use super::*;

    #[test]
    fn a_campaign_hits_by_reach_and_failing_controls() {
        let values = Values::of(&Parameters::default());
        let hit = |path, publicly_exposed, guests, controls_fail| {
            hit_given_campaign(&Way { path, publicly_exposed, guests, controls_fail }, &values)
        };
        let network = Some(AttackPath::Network);
        assert_eq!(hit(network, Some(true), 9.0, 1.0), 0.5);
        assert_eq!(hit(network, None, 9.0, 1.0), 0.5, "unknown is never taken for fine");
        assert_eq!(hit(network, Some(false), 9.0, 0.1), 0.05 * 0.1);
        let guest = hit(Some(AttackPath::Guest), None, 50.0, 1.0);
        assert!((guest - (1.0 - 0.999_f64.powi(50))).abs() < 1e-12);
        assert_eq!(hit(Some(AttackPath::Guest), None, 0.0, 1.0), 0.0, "no guest, no escape");
        assert_eq!(hit(None, Some(false), 500.0, 1.0), hit(Some(AttackPath::Guest), None, 500.0, 1.0));
    }
}
