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
use super::survey::{HostFacts, Spared, Survey};
use crate::portfolio::Impact;
use crate::scope::Reader;
use crate::ways::Door;

/// How hosts answer to holes that are used by one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Approach {
    /// The way.
    pub way: Way,
    /// What decides how they are reached.
    pub machine: Machine,
    /// Probability that the controls on the way all fail.
    pub controls_fail: f64,
}

impl Approach {
    /// The probability that such a host is hit, given a campaign that tries this fleet: `reach` x `control fails`.
    #[must_use]
    pub fn hit(&self, rates: &Rates) -> f64 {
        (reach(self.way, &self.machine, rates).value * self.controls_fail).clamp(0.0, 1.0)
    }

    /// Nobody knows by which way these holes are used.
    #[must_use]
    pub fn way_is_unknown(&self) -> bool {
        self.way == Way::Unknown
    }

    /// Whether the public Internet reaches these hosts by such a way in is not known and counts.
    #[must_use]
    pub fn exposure_is_unknown(&self, door: Door) -> bool {
        self.machine.exposure_is_unknown(self.way, door)
    }
}

/// What decides how a host answers to all that is open on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind {
    /// The set of open holes; `None`: it was not assessed, and nothing is known to be open.
    set: Option<u32>,
    machine: Machine,
    /// The set of controls.
    controls: u32,
}

impl Kind {
    /// The set of open holes; `None`: nothing is known to be open.
    pub(crate) fn set(&self) -> Option<u32> {
        self.set
    }
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

    /// Some hosts by kind, in an order that does not depend on theirs.
    pub(crate) fn kinds<'h>(
        &self,
        hosts: impl Iterator<Item = &'h HostId>,
    ) -> BTreeMap<Kind, Vec<&'h HostId>> {
        let mut kinds: BTreeMap<Kind, Vec<&HostId>> = BTreeMap::new();
        for id in hosts {
            let Some(at) = self.survey.host_index.get(id.as_str()).map(|it| *it as usize) else { continue };
            let Some(facts) = self.survey.hosts.get(at) else { continue };
            let set = self.open.of_host.get(at).copied().flatten();
            let ways = set.and_then(|it| self.open.sets.get(it as usize)).map(|it| &it.ways);
            let machine =
                self.survey.machine(facts).asked_by(|it| ways.is_some_and(|ways| ways.contains(&it)));
            let controls = self.controls.of_host.get(at).copied().unwrap_or(0);
            kinds.entry(Kind { set, machine, controls }).or_default().push(id);
        }
        kinds.values_mut().for_each(|it| it.sort_unstable());
        kinds
    }

    /// The place of a vulnerability among those that are open somewhere.
    pub(crate) fn place(&self, vulnerability: &VulnerabilityId) -> Option<u32> {
        // They are in the order of their ids.
        let at = self.open.vulnerabilities.binary_search_by(|it| it.id.cmp(vulnerability)).ok()?;
        u32::try_from(at).ok()
    }

    /// By which way a vulnerability is used on hosts of a kind, and what a hit takes; `None`: it is not open there.
    pub(crate) fn open_on(&self, kind: &Kind, place: u32) -> Option<(Way, Impact)> {
        let set = self.open.sets.get(kind.set? as usize)?;
        let at = set.holes.binary_search_by_key(&place, |it| it.shock).ok()?;
        set.holes.get(at).map(|it| (it.way, it.impact))
    }

    /// How hosts of a kind answer to holes that are used by a way.
    pub(crate) fn approach(&self, kind: &Kind, way: Way) -> Approach {
        let machine = kind.machine.asked_by(|it| it == way);
        Approach { way, machine, controls_fail: self.controls.all_fail(kind.controls, way) }
    }

    /// What stands on a host: tenants with the number of their guests that run, or of which it is not known, and those of them that
    /// something is known to stand in for.
    pub(crate) fn stands_on(&self, host: &HostId) -> impl Iterator<Item = (Option<&TenantId>, u32, Spared)> {
        let stands = self.facts(host).map_or(&[][..], |it| self.survey.stands_on(it));
        let tenant = |it: u32| self.survey.tenants.get(it as usize).and_then(Option::as_ref);
        stands.iter().map(move |it| (tenant(it.tenant), it.vms, it.at_worst))
    }

    /// Of some hosts those that a promise is about: where tenants are named, any of their guests on a host makes it one.
    pub(crate) fn promised<'h>(&self, scope: &Scope, hosts: impl Iterator<Item = &'h HostId>) -> Vec<bool> {
        let reader = Reader::new(scope);
        let one = |host: &HostId| {
            self.facts(host).is_some_and(|it| reader.concerns_host(it.place(), self.survey.tenants_on(it)))
        };
        hosts.map(one).collect()
    }

    /// VMs of no known host that may stand on one of some hosts.
    pub(crate) fn perhaps_on<'h>(&self, hosts: impl Iterator<Item = &'h HostId>) -> u32 {
        if self.survey.unplaced.is_empty() {
            return 0;
        }
        let clusters: BTreeSet<u32> = hosts.filter_map(|it| Some(self.facts(it)?.cluster)).collect();
        let unplaced = self.survey.unplaced.iter();
        let here = unplaced.filter(|it| it.cluster.is_none_or(|it| clusters.contains(&it)));
        here.fold(0, |sum, it| sum.saturating_add(it.vms))
    }

    /// The fleet lists VMs.
    pub(crate) fn lists_vms(&self) -> bool {
        self.survey.lists_vms
    }

    fn facts(&self, host: &HostId) -> Option<&HostFacts<'a>> {
        self.survey.hosts.get(*self.survey.host_index.get(host.as_str())? as usize)
    }
}
