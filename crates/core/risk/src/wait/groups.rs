//! Patch or wait for every group of a fleet and every release that is due on it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use serde::Serialize;
use underpin_exposure::report::{DueView, VulnerabilityView};
use underpin_exposure::{Assessment, FactBase, decision as context};
use underpin_model::facts::Restart;
use underpin_model::fleet::Fleet;
use underpin_model::id::{HostId, VulnerabilityId};
use underpin_model::policy::{Parameter, Policy, PromiseKind};
use underpin_model::ssvc;

use super::curve::{InvalidInput, Penalty};
use super::decision::{Decision, decide};
use super::evidence::{Evidence, Tally};
use super::prior::{LineHistory, Prior, history, line, prior};
use super::sentence;
use super::situation::{Hole, KnownBugs, Situation, Worth};
use super::target::{self, Calendar, Due, LineKey, OpenHole, Target};
use super::values::Assumptions;
use crate::build::hosts::{Approach, Hosts};
use crate::build::reach::Rates;
use crate::groups::{GroupKey, HardwareClass, groups as groups_of};
use crate::hazard::Exploited;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// Its assessment.
    pub assessment: &'a Assessment,
    /// The facts that it was assessed with.
    pub base: &'a FactBase,
    /// The policy.
    pub policy: &'a Policy,
    /// Trials, canaries, known bugs.
    pub evidence: &'a Evidence,
    /// Span that losses are counted over, in days; [`HORIZON_DAYS`] where nobody says otherwise.
    pub horizon_days: f64,
}

/// The usual span: a quarter.
pub const HORIZON_DAYS: f64 = 90.0;

/// Which release of a line a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The smallest that closes everything that can be closed, and the newest there is.
    OnlyOne,
    /// The smallest; there is a newer one.
    Smallest,
    /// The newest of the line.
    Newest,
    /// No release is known, or not which.
    Unknown,
}

/// The state of a promise for a group and a release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromiseState {
    /// The promise.
    pub id: String,
    /// The day of its deadline.
    pub deadline: Date,
    /// Days to it; negative: it is broken.
    pub days_left: i32,
    /// This group's part of the penalty: its share of the hosts that the promise is about.
    pub penalty: f64,
}

/// Patch or wait, for one group of hosts and one release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupDecision {
    /// The group.
    pub group: GroupKey,
    /// Hosts on which the release is due.
    pub hosts: Vec<HostId>,
    /// VMs on them that run, or of which it is not known.
    pub vms: u32,
    /// The component that is released as one: source package or product.
    pub component: String,
    /// The release; `None`: unknown.
    pub release: Option<String>,
    /// Which one it is.
    pub role: Role,
    /// The day that its maturity counts from.
    pub released: Option<Date>,
    /// What that day is.
    pub released_basis: &'static str,
    /// Vulnerabilities that it closes here.
    pub closes: Vec<VulnerabilityId>,
    /// Of them, known to be exploited.
    pub exploited: u32,
    /// Open vulnerabilities of the component that no known release closes.
    pub without_fix: u32,
    /// Changes that are due on these hosts and share a drain with it.
    pub changes: u32,
    /// How likely a release of the line is bad.
    pub prior: Option<Prior>,
    /// What trials and canaries showed.
    pub tally: Tally,
    /// The worst SSVC outcome of what it closes.
    pub ssvc: Option<ssvc::Decision>,
    /// The most urgent BOD 26-04 outcome of what it closes.
    pub bod_26_04: Option<DueView>,
    /// Promises.
    pub promises: Vec<PromiseState>,
    /// What was assumed or not priced because a fact is missing.
    pub assumed: Vec<String>,
    /// The decision; `None`: it cannot be made.
    pub wait: Option<Decision>,
    /// The fact without which it cannot be made.
    pub unknown: Option<String>,
    /// What is recommended and why, in one sentence.
    pub recommendation: String,
}

/// Decides for every group and every release that is due, in the order of the groups.
///
/// # Errors
/// [`InvalidInput`] where a number of the policy, the evidence or the request is outside its domain.
pub fn groups(request: &Request<'_>) -> Result<Vec<GroupDecision>, InvalidInput> {
    if !(request.horizon_days.is_finite() && request.horizon_days > 0.0) {
        let expected = "a finite number of days above 0";
        return Err(InvalidInput { place: "horizon_days".to_owned(), found: request.horizon_days, expected });
    }
    let scene = Scene::of(request);
    let cases = scene.cases();
    let decided: Result<Vec<Vec<GroupDecision>>, _> =
        cases.par_iter().map(|case| scene.decide(case)).collect();
    Ok(decided?.into_iter().flatten().collect())
}

/// One group and one line.
pub(super) struct Case {
    key: GroupKey,
    /// Hosts of the group, whether the line is due on them or not.
    members: Vec<usize>,
    line: LineKey,
    pub(super) due: Due,
    /// Lines of the group that need a drain.
    drains: u32,
}

impl Case {
    /// The hosts on which the line is due.
    fn hosts(&self) -> BTreeSet<usize> {
        let closed: BTreeSet<usize> =
            self.due.holes.values().flat_map(|it| it.hosts.iter().copied()).collect();
        if closed.is_empty() { self.members.iter().copied().collect() } else { closed }
    }
}

pub(super) struct Scene<'a> {
    request: &'a Request<'a>,
    day: Date,
    hosts: Hosts<'a>,
    histories: BTreeMap<LineKey, LineHistory>,
}

impl<'a> Scene<'a> {
    pub(super) fn of(request: &'a Request<'a>) -> Self {
        let day = request.assessment.as_of.to_zoned(TimeZone::UTC).date();
        let hosts = Hosts::of(request.fleet, request.assessment, request.policy);
        Self { request, day, hosts, histories: BTreeMap::new() }.with_histories()
    }

    fn with_histories(mut self) -> Self {
        let lines: BTreeSet<LineKey> = self.cases().into_iter().map(|it| it.line).collect();
        let one = |it: LineKey| {
            let of = it.train.as_deref().map_or("", |train| line(&it.family, train));
            let found = history(self.request.base, &it.family, of, &it.component, self.day);
            (it, found)
        };
        self.histories = lines.into_par_iter().map(one).collect::<Vec<_>>().into_iter().collect();
        self
    }

    pub(super) fn cases(&self) -> Vec<Case> {
        let Request { fleet, assessment, .. } = *self.request;
        let by_host = target::groups_by_host(assessment);
        let calendar = Calendar::of(self.request.base, self.day);
        let groups: Vec<_> = groups_of(fleet).into_iter().collect();
        let of_group = |(key, members): &(GroupKey, Vec<usize>)| {
            let lines = target::due(fleet, &calendar, assessment, &by_host, members);
            let drains = lines.values().filter(|it| needs_drain(it) && !it.versions.is_empty()).count();
            let drains = u32::try_from(drains).unwrap_or(u32::MAX);
            let case = |(line, due)| Case { key: key.clone(), members: members.clone(), line, due, drains };
            lines.into_iter().map(case).collect::<Vec<_>>()
        };
        groups.par_iter().flat_map_iter(of_group).collect()
    }

    fn decide(&self, case: &Case) -> Result<Vec<GroupDecision>, InvalidInput> {
        let shell = self.shell(case);
        match target::targets(self.request.base, &case.line, &case.due, self.day) {
            Err(missing) => Ok(vec![unknown(shell, missing)]),
            Ok((smallest, newest)) => {
                let role = if newest.is_some() { Role::Smallest } else { Role::OnlyOne };
                let both = [(role, Some(smallest)), (Role::Newest, newest)];
                let both = both.into_iter().filter_map(|(role, target)| Some((role, target?)));
                both.map(|(role, target)| self.release(case, shell.clone(), role, &target)).collect()
            }
        }
    }

    /// What is known whatever the release.
    pub(super) fn shell(&self, case: &Case) -> GroupDecision {
        let fleet = self.request.fleet;
        let hosts = case.hosts();
        let views: Vec<(&VulnerabilityView, &OpenHole)> = self.views(case).collect();
        let ssvc = views.iter().map(|(view, hole)| context::ssvc(&view.points, hole.context).decision).max();
        let due = views.iter().map(|(view, hole)| context::due(&view.points, hole.context));
        let exploited = views.iter().filter(|(view, _)| view.kev.is_some_and(|it| it <= self.day)).count();
        GroupDecision {
            group: case.key.clone(),
            hosts: hosts.iter().filter_map(|at| fleet.hosts.get(*at)).map(|it| it.id.clone()).collect(),
            vms: self.ids(&hosts).flat_map(|it| self.hosts.stands_on(it)).map(|(_, vms)| vms).sum(),
            component: case.line.component.clone(),
            release: None,
            role: Role::Unknown,
            released: None,
            released_basis: "unknown",
            closes: case.due.holes.keys().cloned().collect(),
            exploited: u32::try_from(exploited).unwrap_or(u32::MAX),
            without_fix: u32::try_from(case.due.without_fix.len()).unwrap_or(u32::MAX),
            changes: if needs_drain(&case.due) { case.drains.max(1) } else { 1 },
            prior: None,
            tally: Tally::default(),
            ssvc,
            // The earliest day; without one, the strictest table entry.
            bod_26_04: due.min_by_key(|it| (it.date.unwrap_or(Date::MAX), std::cmp::Reverse(it.timeline))),
            promises: Vec::new(),
            assumed: Vec::new(),
            wait: None,
            unknown: None,
            recommendation: String::new(),
        }
    }

    fn views<'s>(&'s self, case: &'s Case) -> impl Iterator<Item = (&'s VulnerabilityView, &'s OpenHole)> {
        let known = &self.request.assessment.vulnerabilities;
        case.due.holes.iter().filter_map(|(id, hole)| Some((known.get(id)?, hole)))
    }

    fn release(
        &self,
        case: &Case,
        mut shell: GroupDecision,
        role: Role,
        target: &Target,
    ) -> Result<GroupDecision, InvalidInput> {
        let policy = self.request.policy;
        let name = format!("{} {}", case.line.component, target.version);
        shell.release = Some(target.version.clone());
        shell.role = role;
        shell.released = target.released;
        shell.released_basis = target.basis;
        shell.promises = self.promises(case, &mut shell.assumed);
        let Some(released) = target.released else {
            return Ok(unknown(shell, format!("the day on which {name} was released")));
        };
        let known = self.histories.get(&case.line).cloned().unwrap_or_default();
        let prior = prior(known, &policy.parameters);
        let mut assumptions = Assumptions::of(&policy.parameters);
        assumptions.learn(prior.together.clone());
        shell.prior = Some(prior);
        shell.tally = self.request.evidence.about(&name, &case.key.hardware);
        let situation = self.situation(case, &mut shell, &name, released, target.withdrawn.is_some());
        let soak = policy.rings.first().map_or(3.0, |it| it.soak.get());
        let decision = decide(&situation, &assumptions, soak, policy.seed)?;
        if let Some(withdrawal) = &target.withdrawn {
            shell.assumed.push(format!("{} was withdrawn: {}", withdrawal.release, withdrawal.what));
        }
        shell.recommendation =
            sentence::recommend(&shell, &decision, &policy.currency, self.request.horizon_days);
        shell.wait = Some(decision);
        Ok(shell)
    }

    pub(super) fn situation(
        &self,
        case: &Case,
        shell: &mut GroupDecision,
        name: &str,
        released: Date,
        withdrawn: bool,
    ) -> Situation {
        let policy = self.request.policy;
        let hosts = case.hosts();
        let hit = policy.parameters.setting(Parameter::RegressionHit);
        let maintenance = if needs_drain(&case.due) { policy.maintenance.per_host.get() } else { 0.0 };
        let penalties = shell.promises.iter().filter(|it| it.days_left >= 0);
        let (holes, approaches) = self.holes(case, &hosts, &mut shell.assumed);
        Situation {
            horizon_days: self.request.horizon_days,
            hosts: hosts.len() as f64,
            holes,
            approaches,
            rates: Rates::of(&policy.parameters),
            worth: self.worth(&hosts),
            release_age_days: f64::from((self.day - released).get_days().max(0)),
            withdrawn,
            tally: shell.tally,
            hit_range: (hit.low, hit.high),
            first_ring_share: self.first_ring_share(&case.key, &mut shell.assumed),
            known_bugs: self.known_bugs(case, name, &mut shell.assumed),
            maintenance,
            changes: shell.changes,
            shared_drain_saves: policy.maintenance.shared_drain_saves.get(),
            penalties: penalties
                .map(|it| Penalty { promise: it.id.clone(), at_days: it.days_left.into(), loss: it.penalty })
                .collect(),
        }
    }

    /// What the release closes, and how the hosts answer to it.
    fn holes(
        &self,
        case: &Case,
        hosts: &BTreeSet<usize>,
        assumed: &mut Vec<String>,
    ) -> (Vec<Hole>, Vec<Approach>) {
        let mut approaches: Vec<Approach> = Vec::new();
        let mut holes = Vec::new();
        let (mut unscored, mut undated) = (0, 0);
        let mut without_way = BTreeSet::new();
        for (view, open) in self.views(case) {
            let exploited = Exploited::of(view, self.day);
            let public_days = view.published.map(|it| f64::from((self.day - it).get_days().max(0)));
            unscored += usize::from(exploited == Exploited::Unscored);
            undated += usize::from(public_days.is_none());
            for found in self.hosts.holes(&view.id, self.ids(&open.hosts)) {
                if found.approach.way_is_unknown() {
                    without_way.insert(&view.id);
                }
                let known = approaches.iter().position(|it| *it == found.approach);
                let approach = known.unwrap_or_else(|| {
                    approaches.push(found.approach);
                    approaches.len() - 1
                });
                holes.push(Hole {
                    vulnerability: view.id.clone(),
                    exploited,
                    approach,
                    impact: found.impact,
                    share: f64::from(found.hosts) / hosts.len().max(1) as f64,
                    public_days,
                });
            }
        }
        if undated > 0 {
            assumed.push(format!(
                "the day of becoming public is not known, so that compromise before now is understated: vulnerabilities {undated}"
            ));
        }
        if unscored > 0 {
            assumed.push(format!(
                "without an EPSS score the parameter epss_unknown counts: vulnerabilities {unscored}"
            ));
        }
        if !without_way.is_empty() {
            assumed.push(format!(
                "without a CVSS vector any way counts, from the hardest to the easiest, and half of what stands there is lost: \
                 vulnerabilities {}",
                without_way.len()
            ));
        }
        if approaches.iter().any(Approach::exposure_is_unknown) {
            assumed.push(
                "whether the public Internet reaches these hosts is not in the fleet: counted between yes and no"
                    .to_owned(),
            );
        }
        (holes, approaches)
    }

    fn ids<'s>(&'s self, hosts: &'s BTreeSet<usize>) -> impl Iterator<Item = &'s HostId> {
        hosts.iter().filter_map(|at| self.request.fleet.hosts.get(*at)).map(|it| &it.id)
    }

    /// What stands on the hosts, by the rates of each tenant, as in compound risk: guests that run, or may.
    fn worth(&self, hosts: &BTreeSet<usize>) -> Worth {
        let mut worth = Worth::default();
        for (tenant, vms) in self.ids(hosts).flat_map(|it| self.hosts.stands_on(it)) {
            let rates = self.request.policy.loss.of(tenant);
            let each = f64::from(vms) / hosts.len().max(1) as f64;
            worth.vms += each;
            match rates.records_per_vm {
                Some(records) => worth.stated_records += each * records * rates.record_disclosed.get(),
                None => worth.per_record += each * rates.record_disclosed.get(),
            }
            worth.corrupted += each * rates.system_corrupted.get();
            worth.hour_down += each * rates.vm_hour_down.get();
        }
        worth
    }

    /// A first ring stops a bad release for those after it only where it has hosts of their hardware.
    fn first_ring_share(&self, key: &GroupKey, assumed: &mut Vec<String>) -> f64 {
        let rings = &self.request.policy.rings;
        let place = |ring: Option<&str>| rings.iter().position(|it| Some(it.name.as_str()) == ring);
        let Some(own) = place(key.ring.as_deref()) else {
            assumed.push(
                "the ring of these hosts is not known to the policy: no earlier ring protects them"
                    .to_owned(),
            );
            return 1.0;
        };
        let earlier = |it: &underpin_model::fleet::Host| {
            place(it.ring.as_deref()).is_some_and(|at| at < own)
                && it.platform.as_ref().map(|it| it.family.to_string()) == key.platform
                && !key.hardware.is_unknown()
                && HardwareClass::of(it) == key.hardware
        };
        if own > 0 && self.request.fleet.hosts.iter().any(earlier) {
            return 0.0;
        }
        if own > 0 {
            assumed.push(
                "no host of an earlier ring has this hardware: no earlier ring protects these".to_owned(),
            );
        }
        1.0
    }

    fn known_bugs(&self, case: &Case, name: &str, assumed: &mut Vec<String>) -> Option<KnownBugs> {
        let priced = self.request.evidence.known_bugs.iter().filter(|it| it.release == name);
        let sum = priced.fold((0.0, 0.0), |(rate, hours), it| {
            (rate + it.per_host_day, hours + it.per_host_day * it.hours_down)
        });
        if sum.0 > 0.0 {
            return Some(KnownBugs { per_host_day: sum.0, hours_down: sum.1 / sum.0 });
        }
        if case.due.bug_fixes > 0 {
            assumed.push(format!("{} bug fixes that apply here are not priced", case.due.bug_fixes));
        }
        None
    }

    fn promises(&self, case: &Case, assumed: &mut Vec<String>) -> Vec<PromiseState> {
        let fleet = self.request.fleet;
        let mut states = Vec::new();
        for promise in self.request.policy.promises.iter().filter(|it| it.kind == PromiseKind::FixWithin) {
            let within = self.hosts.promised(&promise.scope, fleet.hosts.iter().map(|it| &it.id));
            let scoped: BTreeSet<usize> = (0..).zip(within).filter(|(_, it)| *it).map(|(at, _)| at).collect();
            let about = |(view, hole): &(&VulnerabilityView, &OpenHole)| {
                let score = view.cvss.as_ref().map(|it| it.score);
                promise.cvss_at_least.is_none_or(|least| score.is_none_or(|score| score >= least))
                    && (!promise.exploited_only || view.kev.is_some_and(|it| it <= self.day))
                    && hole.hosts.iter().any(|at| scoped.contains(at))
            };
            let holes: Vec<&OpenHole> = self.views(case).filter(about).map(|(_, hole)| hole).collect();
            if holes.is_empty() {
                continue;
            }
            let Some(since) = holes.iter().filter_map(|it| it.announced).min() else {
                assumed.push(format!(
                    "promise {}: the day of the fix is not known, so neither its deadline",
                    promise.id
                ));
                continue;
            };
            let Ok(deadline) = since.checked_add(i64::from(promise.days).days()) else { continue };
            let own: BTreeSet<usize> =
                holes.iter().flat_map(|it| it.hosts.intersection(&scoped).copied()).collect();
            states.push(PromiseState {
                id: promise.id.clone(),
                deadline,
                days_left: (deadline - self.day).get_days(),
                penalty: promise.penalty.get() * own.len() as f64 / scoped.len().max(1) as f64,
            });
        }
        states
    }
}

fn unknown(mut shell: GroupDecision, missing: String) -> GroupDecision {
    shell.recommendation = sentence::unknown(&shell, &missing);
    shell.unknown = Some(missing);
    shell
}

/// A restart of the machine, or of nobody knows what, empties the host.
fn needs_drain(due: &Due) -> bool {
    due.restart.is_none_or(|it| it >= Restart::Machine)
}
