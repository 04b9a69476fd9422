//! The hosts of a fleet with what is open on them, what stands before them and what stands on them: the part of the risk model
//! that patch or wait shares, so that both price a hole by the same path.
//!
//! A portfolio is built with the parameters of a policy. Patch or wait moves them to see what a decision hinges on, so that
//! here they stay open: an [`Approach`] becomes a probability when [`Rates`] are given.

use std::collections::{BTreeMap, BTreeSet};

use underpin_exposure::Assessment;
use underpin_model::fleet::Fleet;
use underpin_model::id::{HostId, TenantId, VulnerabilityId};
use underpin_model::policy::{Policy, Scope};

use super::Unpriced;
use super::controls::Controls;
use super::hole::Way;
use super::open::Open;
use super::reach::{Machine, Rates, reach};
use super::survey::{HostFacts, Survey};
use crate::portfolio::Impact;
use crate::scope::Reader;

/// Hosts that a hole is open on and that answer to it alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passing {
    /// Their share of the hosts of the approach.
    pub share: f64,
    /// The way by which the hole is used there.
    pub way: Way,
    /// What decides how they are reached.
    pub machine: Machine,
    /// Probability that the controls on the way all fail.
    pub controls_fail: f64,
}

/// How the hosts of a group answer to a hole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Approach(pub Vec<Passing>);

impl Approach {
    /// The probability that a host is hit, given a campaign that tries this fleet: `reach` x `control fails`, the mean
    /// over the hosts.
    #[must_use]
    pub fn hit(&self, rates: &Rates) -> f64 {
        let one = |it: &Passing| it.share * reach(it.way, &it.machine, rates).value * it.controls_fail;
        self.0.iter().map(one).sum::<f64>().clamp(0.0, 1.0)
    }

    /// Nobody knows by which way the hole is used on some of them.
    #[must_use]
    pub fn way_is_unknown(&self) -> bool {
        self.0.iter().any(|it| it.way == Way::Unknown)
    }

    /// Whether the public Internet reaches some of them is not known and counts.
    #[must_use]
    pub fn exposure_is_unknown(&self) -> bool {
        self.0.iter().any(|it| it.machine.exposure_is_unknown(it.way))
    }
}

/// How a hole is open on some hosts of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OnHosts {
    /// What a hit takes.
    pub(crate) impact: Impact,
    /// How many hosts.
    pub(crate) hosts: u32,
    /// How they answer.
    pub(crate) approach: Approach,
}

/// Hosts that answer alike to holes of a way: by machine and set of controls.
type Alike = BTreeMap<(Machine, u32), u32>;

/// The same over several ways.
type Answers = BTreeMap<(Way, Machine, u32), u32>;

/// Some hosts, counted by what decides how they answer: made once for all holes that are open on them.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    /// By set of open holes and way.
    counts: BTreeMap<(u32, Way), Alike>,
    /// The sets.
    sets: BTreeSet<u32>,
}

/// The hosts of a fleet.
pub(crate) struct Hosts<'a> {
    survey: Survey<'a>,
    open: Open,
    controls: Controls<'a>,
}

impl<'a> Hosts<'a> {
    pub(crate) fn of(fleet: &'a Fleet, assessment: &Assessment, policy: &'a Policy) -> Self {
        let survey = Survey::of(fleet);
        let open = Open::of(assessment, &survey, &mut Unpriced::default());
        let controls = Controls::of(policy, &survey);
        Self { survey, open, controls }
    }

    /// Counts hosts.
    pub(crate) fn crowd<'h>(&self, hosts: impl Iterator<Item = &'h HostId>) -> Crowd {
        let mut crowd = Crowd::default();
        for at in hosts.filter_map(|id| self.survey.host_index.get(id.as_str())) {
            let at = *at as usize;
            let number = self.open.of_host.get(at).copied().flatten();
            let Some((number, set)) = number.and_then(|it| Some((it, self.open.sets.get(it as usize)?)))
            else {
                continue;
            };
            let Some(facts) = self.survey.hosts.get(at) else { continue };
            let machine = self.survey.machine(facts);
            let controls = self.controls.of_host.get(at).copied().unwrap_or(0);
            crowd.sets.insert(number);
            for way in set.ways.iter().copied() {
                let alike = crowd.counts.entry((number, way)).or_default();
                *alike.entry((machine.asked_by(|it| it == way), controls)).or_default() += 1;
            }
        }
        crowd
    }

    /// How a vulnerability is open on some hosts, by what a hit takes: the area of the platform that has it may differ.
    pub(crate) fn holes<'c>(
        &self,
        vulnerability: &VulnerabilityId,
        crowds: impl Iterator<Item = &'c Crowd>,
    ) -> Vec<OnHosts> {
        // Open vulnerabilities are in the order of their ids.
        let Ok(shock) = self.open.vulnerabilities.binary_search_by(|it| it.id.cmp(vulnerability)) else {
            return Vec::new();
        };
        let mut by_impact: Vec<(Impact, Answers)> = Vec::new();
        for (crowd, number) in crowds.flat_map(|it| it.sets.iter().map(move |set| (it, *set))) {
            let Some(set) = self.open.sets.get(number as usize) else { continue };
            let hole = set.holes.binary_search_by(|it| (it.shock as usize).cmp(&shock));
            let Some(hole) = hole.ok().and_then(|it| set.holes.get(it)) else { continue };
            let place = by_impact.iter().position(|(impact, _)| *impact == hole.impact);
            let place = place.unwrap_or_else(|| {
                by_impact.push((hole.impact, Answers::new()));
                by_impact.len() - 1
            });
            let Some((_, alike)) = by_impact.get_mut(place) else { continue };
            for ((machine, controls), count) in crowd.counts.get(&(number, hole.way)).into_iter().flatten() {
                *alike.entry((hole.way, *machine, *controls)).or_default() += count;
            }
        }
        by_impact.into_iter().map(|(impact, alike)| self.on_hosts(impact, alike)).collect()
    }

    fn on_hosts(&self, impact: Impact, alike: Answers) -> OnHosts {
        let hosts: u32 = alike.values().sum();
        let passing = |((way, machine, controls), count): ((Way, Machine, u32), u32)| Passing {
            share: f64::from(count) / f64::from(hosts.max(1)),
            way,
            machine,
            controls_fail: self.controls.all_fail(controls, way),
        };
        OnHosts { impact, hosts, approach: Approach(alike.into_iter().map(passing).collect()) }
    }

    /// What stands on a host: tenants with the number of their guests that run, or of which it is not known.
    pub(crate) fn stands_on(&self, host: &HostId) -> impl Iterator<Item = (Option<&TenantId>, u32)> {
        let stands = self.facts(host).map_or(&[][..], |it| self.survey.stands_on(it));
        stands.iter().map(|it| (self.survey.tenants.get(it.tenant as usize).and_then(Option::as_ref), it.vms))
    }

    /// Of some hosts those that a promise is about: where tenants are named, any of their guests on a host makes it one.
    pub(crate) fn promised<'h>(&self, scope: &Scope, hosts: impl Iterator<Item = &'h HostId>) -> Vec<bool> {
        let reader = Reader::new(scope);
        let one = |host: &HostId| {
            self.facts(host).is_some_and(|it| reader.concerns_host(it.place(), self.survey.tenants_on(it)))
        };
        hosts.map(one).collect()
    }

    fn facts(&self, host: &HostId) -> Option<&HostFacts<'a>> {
        self.survey.hosts.get(*self.survey.host_index.get(host.as_str())? as usize)
    }
}
