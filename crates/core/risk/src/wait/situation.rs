//! What a decision is about: a release, the holes that it closes, and what stands on the hosts. From it and the
//! parameters come the [`Inputs`] of the curve.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::Parameter;

use super::curve::{AgedHazard, Inputs, Penalty};
use super::evidence::Tally;
use super::values::Values;
use crate::build::hosts::Approach;
use crate::build::reach::Rates;
use crate::evidence::Beta;
use crate::hazard::{EPSS_DAYS, Exploited, LARGEST_EPSS, rise};
use crate::portfolio::Impact;

/// A hole that the release closes.
#[derive(Debug, Clone, PartialEq)]
pub struct Hole {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// What is known about exploitation.
    pub exploited: Exploited,
    /// How the hosts on which it is open answer: its place in [`Situation::approaches`].
    pub approach: usize,
    /// What a hit takes of what stands on the host.
    pub impact: Impact,
    /// Share of the group's hosts on which it is open.
    pub share: f64,
    /// Days since it became public; `None`: unknown.
    pub public_days: Option<f64>,
}

/// Holes that the hazard model cannot tell apart, as one: the same facts of exploitation, approach and impact.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Lump {
    exploited: Exploited,
    approach: usize,
    impact: Impact,
    /// Sum of the shares of hosts on which each is open.
    share: f64,
}

impl Lump {
    fn of(hole: &Hole) -> Self {
        Self { exploited: hole.exploited, approach: hole.approach, impact: hole.impact, share: hole.share }
    }

    /// Cumulative hit hazard of the next 30 days. EPSS, and the question how likely a campaign aims at this fleet, are
    /// both about 30 days: their product becomes a hazard in the exact form, with the profile of the exploitation hazard
    /// over time. Over 30 days this is the probability of compound risk, and beyond it does not saturate.
    fn hazard_of_thirty_days(&self, values: &Values, hits: &[f64]) -> f64 {
        self.hazard_of(self.hit_in_thirty_days(values, hits))
    }

    /// The same were none of it listed as known exploited: constant, and a listing does not lower it.
    fn unlisted_hazard_of_thirty_days(&self, values: &Values, hits: &[f64]) -> f64 {
        let exploited = self.exploited.hazard(|it| values.get(it)).unlisted.get();
        self.hazard_of(self.hit_if(exploited, values, hits))
    }

    /// Cumulative hit hazard of a 30-day probability.
    fn hazard_of(&self, hit: f64) -> f64 {
        -(-hit.min(LARGEST_EPSS)).ln_1p() * self.share
    }

    /// The 30-day probability that one of it is exploited, aimed at this fleet, reaches a host and passes the controls.
    fn hit_in_thirty_days(&self, values: &Values, hits: &[f64]) -> f64 {
        let exploited = self.exploited.hazard(|it| values.get(it)).thirty_days.get();
        self.hit_if(exploited, values, hits)
    }

    /// The probability that a host is hit, of one that it is exploited.
    fn hit_if(&self, exploited: f64, values: &Values, hits: &[f64]) -> f64 {
        exploited * values.get(Parameter::Aimed) * hits.get(self.approach).copied().unwrap_or(0.0)
    }

    /// Cumulative hit hazard of the days since it became public until now, were it open all the time.
    fn hazard_until_now(&self, public_days: Option<f64>, values: &Values, hits: &[f64]) -> f64 {
        let thirty = self.hazard_of_thirty_days(values, hits);
        let days = public_days.unwrap_or(0.0).max(0.0);
        match self.exploited {
            Exploited::Listed { days_ago, .. } => {
                let shape = values.get(Parameter::Shape);
                let falling =
                    thirty * rise(0.0, shape, days.min(days_ago)) / rise(days_ago, shape, EPSS_DAYS);
                falling.max(self.unlisted_hazard_of_thirty_days(values, hits) * days / EPSS_DAYS)
            }
            Exploited::Scored { .. } | Exploited::Unscored => thirty * days / EPSS_DAYS,
        }
    }
}

/// What stands on one host of the group, on average, in the policy's currency.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownBugs {
    /// Hits per host and day.
    pub per_host_day: f64,
    /// Hours that the VMs of the host are down after one.
    pub hours_down: f64,
}

/// Everything about one group and one release that parameters do not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Situation {
    /// Span that losses are counted over, in days.
    pub horizon_days: f64,
    /// Hosts on which the release is due.
    pub hosts: f64,
    /// What it closes.
    pub holes: Vec<Hole>,
    /// How hosts answer to them: the paths of compound risk, each worked out once for all holes that share it.
    pub approaches: Vec<Approach>,
    /// The ranges of the parameters that reach depends on.
    pub rates: Rates,
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
    pub penalties: Arc<[Penalty]>,
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

    /// Per approach, the probability that a host is hit, given a campaign that tries this fleet.
    pub(super) fn hits(&self, values: &Values) -> Vec<f64> {
        let rates = self.rates.at(|it| values.get(it));
        self.approaches.iter().map(|it| it.hit(&rates)).collect()
    }

    /// Per vulnerability, the probability that a host of the group is hit through it in the next 30 days, the mean over all
    /// hosts: `exploited in the wild` x `aimed at this fleet` x `reach` x `control fails`.
    #[must_use]
    pub fn hit_in_thirty_days(&self, values: &Values) -> BTreeMap<&VulnerabilityId, f64> {
        let hits = self.hits(values);
        let mut sums = BTreeMap::new();
        for hole in &self.holes {
            *sums.entry(&hole.vulnerability).or_default() +=
                Lump::of(hole).hit_in_thirty_days(values, &hits) * hole.share;
        }
        sums
    }

    /// The inputs of the curve under these parameters.
    #[must_use]
    pub fn inputs(&self, values: &Values) -> Inputs {
        Lumped::of(self).inputs(values, &self.hits(values))
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
        let hits = self.hits(values);
        let (hazard, weighted) = self.holes.iter().fold((0.0, 0.0), |(hazard, weighted), hole| {
            let own = Lump::of(hole).hazard_until_now(hole.public_days, values, &hits);
            (hazard + own, weighted + own * self.worth.loss(hole.impact, values))
        });
        let probability = -(-hazard).exp_m1();
        let loss = if hazard > 0.0 { weighted / hazard * probability } else { 0.0 };
        (probability, loss * self.hosts)
    }
}

/// A situation whose holes are lumped: made once for the many variants of one decision.
pub(super) struct Lumped<'s> {
    situation: &'s Situation,
    lumps: Vec<Lump>,
}

impl<'s> Lumped<'s> {
    pub(super) fn of(situation: &'s Situation) -> Self {
        let mut lumps: Vec<Lump> = Vec::new();
        for one in situation.holes.iter().map(Lump::of) {
            let alike = |it: &&mut Lump| {
                it.exploited == one.exploited && it.approach == one.approach && it.impact == one.impact
            };
            match lumps.iter_mut().find(alike) {
                Some(lump) => lump.share += one.share,
                None => lumps.push(one),
            }
        }
        Self { situation, lumps }
    }

    /// The inputs of the curve under parameters, of which each approach's probability of a hit is known.
    pub(super) fn inputs(&self, values: &Values, hits: &[f64]) -> Inputs {
        let it = self.situation;
        let belief = it.belief(values);
        let mut inputs = Inputs {
            horizon_days: it.horizon_days,
            hosts: it.hosts,
            incomplete_fix: values.get(Parameter::IncompleteFix),
            bad: belief.now,
            theta: values.get(Parameter::Theta),
            hit: belief.hit.mean(),
            loss_per_bad_host: it.worth.hour_down * values.get(Parameter::HoursAfterRegression),
            ring_stops: values.get(Parameter::RingStops),
            first_ring_share: it.first_ring_share,
            known_bugs_per_day: it
                .known_bugs
                .map_or(0.0, |bugs| bugs.per_host_day * bugs.hours_down * it.worth.hour_down),
            maintenance: it.maintenance,
            shared_drain_saves: it.shared(),
            penalties: Arc::clone(&it.penalties),
            ..Inputs::default()
        };
        for lump in &self.lumps {
            let hazard = lump.exploited.hazard(|parameter| values.get(parameter));
            let thirty_days = lump.hazard_of_thirty_days(values, hits);
            let loss = it.worth.loss(lump.impact, values);
            if hazard.shape < 1.0 {
                let age_days = hazard.age.get();
                let constant_thirty_days = lump.unlisted_hazard_of_thirty_days(values, hits);
                let shape = hazard.shape;
                inputs.aged.push(AgedHazard { thirty_days, constant_thirty_days, age_days, shape, loss });
            } else {
                inputs.constant_per_day += thirty_days / EPSS_DAYS;
                inputs.constant_loss_per_day += thirty_days / EPSS_DAYS * loss;
            }
        }
        inputs
    }
}
