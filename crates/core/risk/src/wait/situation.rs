//! What a decision is about: a release, the holes that it closes, and what stands on the hosts. From it and the
//! parameters come the [`Inputs`] of the curve.
//!
//! Hosts are hit alike where the same holes are open by the same ways behind the same controls: such a [`Stratum`] has hazards of
//! its own. What stands on its hosts may differ, because every loss is linear in it: their mean is exact.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::Parameter;

use super::curve::{Inputs, Penalty};
use super::evidence::Tally;
use super::lumps::Lumped;
use super::values::Values;
use crate::build::hole::Way;
use crate::build::hosts::Approach;
use crate::build::reach::Rates;
use crate::evidence::Beta;
use crate::hazard::Exploited;
use crate::portfolio::Impact;
use crate::withdrawals::Withdrawal;

/// A hole that the release closes, as it is open on some hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct Hole {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// What is known about exploitation.
    pub exploited: Exploited,
    /// The way by which it is used.
    pub way: Way,
    /// What a hit takes of what stands on the host.
    pub impact: Impact,
    /// Days since it became public; `None`: unknown.
    pub public_days: Option<f64>,
}

/// Hosts of the group that are hit alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Stratum {
    /// Their share of the hosts on which the release is due.
    pub share: f64,
    /// What stands on one of them, on average.
    pub worth: Worth,
    /// The holes that are open on them: places in [`Situation::holes`].
    pub holes: Arc<[usize]>,
    /// How they answer, once for each way by which these holes are used: places in [`Situation::approaches`].
    pub answers: Vec<usize>,
}

/// What stands on one host, on average, in the policy's currency.
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
    /// Of it that of VMs that a copy stands in for while their host is down.
    pub with_copies: f64,
    /// Of it that of VMs that are restarted on another host.
    pub restarted: f64,
}

impl Worth {
    /// Adds so many times another.
    pub fn add(&mut self, times: f64, other: &Self) {
        self.vms += times * other.vms;
        self.stated_records += times * other.stated_records;
        self.per_record += times * other.per_record;
        self.corrupted += times * other.corrupted;
        self.hour_down += times * other.hour_down;
        self.with_copies += times * other.with_copies;
        self.restarted += times * other.restarted;
    }

    /// Loss of one hour with the host down, less what copies and restarts spare.
    #[must_use]
    pub fn host_hour_down(&self, values: &Values) -> f64 {
        let spared = |it: f64, leaves| it * (1.0 - values.get(leaves));
        self.hour_down
            - spared(self.with_copies, Parameter::CopiesLeave)
            - spared(self.restarted, Parameter::RestartLeaves)
    }

    /// Loss of a hit.
    #[must_use]
    pub fn loss(&self, impact: Impact, values: &Values) -> f64 {
        let disclosed = self.stated_records + self.per_record * values.get(Parameter::RecordsPerVm);
        disclosed * impact.confidentiality
            + self.corrupted * impact.integrity
            + self.hour_down * values.get(Parameter::HoursAfterCompromise) * impact.availability
    }
}

/// A release of the component that hosts of the group run now, and that the new one replaces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Installed {
    /// The share of the hosts that run it.
    pub share: f64,
    /// What stands on one of them, on average.
    pub worth: Worth,
    /// Days since it appeared.
    pub age_days: f64,
    /// Its withdrawal, where its maker has withdrawn it.
    pub withdrawal: Option<&'static Withdrawal>,
    /// What runs on this hardware showed.
    pub tally: Tally,
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
    /// All hosts, by how they are hit.
    pub strata: Vec<Stratum>,
    /// The ranges of the parameters that reach depends on.
    pub rates: Rates,
    /// Days since the release appeared.
    pub release_age_days: f64,
    /// What trials and canaries on this hardware showed.
    pub tally: Tally,
    /// Spread of the share of hosts that a bad release hits, low and high, from which its Beta distribution comes.
    pub hit_range: (f64, f64),
    /// Share of these hosts in the first ring; 1 where the roll-out is not staged for this hardware.
    pub first_ring_share: f64,
    /// Days from now until an earlier ring will have run the release: see [`Inputs::ring_from_days`].
    pub ring_from_days: f64,
    /// What the hosts run now, as far as it is known when that appeared.
    pub installed: Arc<[Installed]>,
    /// Known bugs; `None`: none known, or not priced.
    pub known_bugs: Option<KnownBugs>,
    /// Loss of the maintenance of one host, the mean over all of them.
    pub maintenance: f64,
    /// Of it, what is saved because the drain is shared with changes that are decided for the same time, the mean over all hosts.
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

impl Belief {
    /// Of a release that is bad with this probability on its first day and hits this share then. Others have run it for `found`, its age
    /// times the rate at which bad ones are found: not withdrawn since, it is bad with `p e^-found / (1 - p + p e^-found)`.
    #[must_use]
    pub fn of(at_release: f64, hit: Beta, found: f64, tally: &Tally) -> Self {
        let at_release = at_release.clamp(0.0, 1.0);
        let still = at_release * (-found).exp();
        // What is certain stays so: no age is without it.
        let by_age = match at_release {
            1.0.. => at_release,
            _ if still > 0.0 => still / (still + (1.0 - at_release)),
            _ => 0.0,
        };
        let (by_others, after_others) = hit.update(by_age, tally.others_same_hardware);
        let (now, hit) = after_others.update(by_others, tally.own);
        Self { at_release, by_age, by_others, now, hit }
    }
}

impl Situation {
    /// What is believed about the release under these parameters.
    #[must_use]
    pub fn belief(&self, values: &Values) -> Belief {
        let at_release = values.get(Parameter::RegressionPrior);
        let found = values.get(Parameter::Theta) * self.release_age_days;
        Belief::of(at_release, self.hit(values), found, &self.tally)
    }

    /// Loss of a host to the release that it runs now, if it stays on it for good: believed bad as any of its line, or known to be.
    pub(super) fn staying(&self, values: &Values) -> f64 {
        let any = self.hit(values);
        let loss = |it: &Installed| {
            let at_release = match it.withdrawal {
                Some(_) => 1.0,
                None => values.get(Parameter::RegressionPrior),
            };
            let hit = it.withdrawal.and_then(|it| it.share(self.hit_range)).unwrap_or(any);
            let found = values.get(Parameter::Theta) * it.age_days;
            let Belief { now, hit, .. } = Belief::of(at_release, hit, found, &it.tally);
            it.share * now * hit.mean() * it.worth.host_hour_down(values)
        };
        self.installed.iter().map(loss).fold(0.0, |sum, it| sum + it)
            * values.get(Parameter::HoursAfterRegression)
    }

    /// Share of hosts that a bad release hits, before any run of it.
    fn hit(&self, values: &Values) -> Beta {
        Beta::from_range(values.get(Parameter::RegressionHit), self.hit_range.0, self.hit_range.1)
    }

    /// It failed on a host of this hardware. What its maker has withdrawn is not decided about.
    #[must_use]
    pub fn is_known_to_be_bad(&self) -> bool {
        self.tally.on_this_hardware().failures > 0
    }

    /// Per approach, the probability that a host is hit, given a campaign that tries this fleet.
    pub(super) fn hits(&self, values: &Values) -> Vec<f64> {
        let rates = self.rates.at(|it| values.get(it));
        self.approaches.iter().map(|it| it.hit(&rates)).collect()
    }

    /// What stands on a host, the mean over all of them.
    #[must_use]
    pub fn worth(&self) -> Worth {
        let mut sum = Worth::default();
        self.strata.iter().for_each(|it| sum.add(it.share, &it.worth));
        sum
    }

    /// The holes of a stratum, each with the place of how its hosts answer to it.
    pub(super) fn open_on<'s>(&'s self, stratum: &'s Stratum) -> impl Iterator<Item = (&'s Hole, usize)> {
        let uses = |at: &usize, way| self.approaches.get(*at).is_some_and(|it| it.way == way);
        let answer = move |hole: &Hole| stratum.answers.iter().copied().find(|at| uses(at, hole.way));
        let holes = stratum.holes.iter().filter_map(|at| self.holes.get(*at));
        holes.filter_map(move |hole| Some((hole, answer(hole)?)))
    }

    /// Per vulnerability, the probability that a host of the group is hit through it in the next 30 days, the mean over all
    /// hosts: `exploited in the wild` x `aimed at this fleet` x `reach` x `control fails`.
    #[must_use]
    pub fn hit_in_thirty_days(&self, values: &Values) -> BTreeMap<&VulnerabilityId, f64> {
        let hits = self.hits(values);
        let mut sums = BTreeMap::new();
        for stratum in &self.strata {
            for (hole, answer) in self.open_on(stratum) {
                let exploited = hole.exploited.hazard(|it| values.get(it)).thirty_days.get();
                let hit = hits.get(answer).copied().unwrap_or(0.0);
                *sums.entry(&hole.vulnerability).or_default() +=
                    stratum.share * exploited * values.get(Parameter::Aimed) * hit;
            }
        }
        sums
    }

    /// The inputs of the curve under these parameters.
    #[must_use]
    pub fn inputs(&self, values: &Values) -> Inputs {
        Lumped::of(self).inputs(values, &self.hits(values))
    }

    /// Compromise that may have happened already, since each hole became public: probability per host, the mean over all
    /// hosts, and expected loss over all hosts. It does not depend on when the release comes, and is no part of the curve.
    #[must_use]
    pub fn before_now(&self, values: &Values) -> (f64, f64) {
        Lumped::of(self).before_now(values, &self.hits(values))
    }
}
