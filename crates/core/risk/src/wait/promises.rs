//! Promises about the hosts of a group: until when which release must be in force, and what breaking them costs here.
//!
//! A clock runs per host, since the day on which the first of its fixes was announced. Where someone has accepted a risk, its clock
//! stands still up to and with the last day of that, as in [`clocks`](crate::clocks): the deadline is the later of both days.
//!
//! One promise that one host breaks is paid once, however many releases are late on it. So its penalty is split evenly between
//! the releases that may break it within the horizon: each of them alone would be enough, and an even split is the Shapley value of
//! that. Where one has broken it already, the penalty is that one's, and nothing is left to be lost to the others.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use rustc_hash::FxHashMap;
use serde::Serialize;
use underpin_exposure::Assessment;
use underpin_exposure::report::{Asset, AssetKind, VulnerabilityView};
use underpin_model::id::TenantId;
use underpin_model::policy::{AcceptedRisk, Promise, PromiseKind};
use underpin_model::ssvc::HumanImpact;

use super::due::{self, Due, OpenHole};
use super::groups::Request;
use crate::build::hosts::Hosts;
use crate::clocks::Acceptance;
use crate::clocks::acceptance::Acceptances;
use crate::clocks::places::Places;

/// The state of a promise for a group and a release: of the hosts with one deadline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromiseState {
    /// The promise.
    pub id: String,
    /// Whom it is given to by name; empty: to everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<TenantId>,
    /// The day of its deadline.
    pub deadline: Date,
    /// Days to it; negative: it is broken.
    pub days_left: i32,
    /// Hosts with this deadline.
    pub hosts: u32,
    /// Their part of the penalty, as far as it is this release's: each host's share of it, split evenly between the releases
    /// that may break the promise on that host. Over all groups these are never more than the penalty.
    pub penalty: f64,
    /// The accepted risk that moves the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

/// What promises say about a release of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Stated {
    pub(super) states: Vec<PromiseState>,
    /// What was assumed because a fact is missing.
    pub(super) assumed: Vec<String>,
}

/// A promise to fix within some days, with the hosts that it is about.
struct Promised<'a> {
    promise: &'a Promise,
    /// Per host of the fleet.
    about: Vec<bool>,
    hosts: usize,
}

/// Accepted risks, and where hosts stand.
struct Accepted<'a> {
    risks: Acceptances<'a>,
    places: Places,
}

/// The promises of a policy to fix within some days.
pub(super) struct Promises<'a> {
    request: &'a Request<'a>,
    day: Date,
    list: Vec<Promised<'a>>,
    /// `None`: nothing is accepted.
    accepted: Option<Accepted<'a>>,
}

/// Since when the clock of a release runs on hosts that are alike.
#[derive(Default)]
struct Clock<'a> {
    /// The first announcement among fixes whose risk nobody accepted.
    first: Option<Date>,
    /// Announcements of the others.
    accepted: Vec<(Date, Vec<&'a AcceptedRisk>)>,
}

/// A day until which a release must be in force, and the accepted risk that moved it.
type Deadline = (Date, Option<Acceptance>);

/// Hosts with a deadline, and those of them whose penalty is this release's.
#[derive(Default)]
struct Bearing {
    hosts: usize,
    bears: f64,
}

/// The greatest human impact of the applications on each host, where it is known.
fn impacts(assessment: &Assessment) -> FxHashMap<&str, HumanImpact> {
    let hosts = assessment.groups.iter().filter_map(|it| Some((it, it.context.human_impact?)));
    hosts
        .flat_map(|(group, impact)| {
            let hosts = group.assets.iter().filter(|it| it.kind == AssetKind::Host);
            hosts.map(move |it| (&*it.id, impact))
        })
        .collect()
}

impl<'a> Promises<'a> {
    pub(super) fn of(request: &'a Request<'a>, hosts: &Hosts<'_>, day: Date) -> Self {
        let promises = request.policy.promises.iter().filter(|it| it.kind == PromiseKind::FixWithin);
        let impacts = impacts(request.assessment);
        let about = |promise: &'a Promise| {
            let mut about = hosts.promised(&promise.scope, request.fleet.hosts.iter().map(|it| &it.id));
            if let Some(least) = promise.human_impact_at_least {
                // Like a score that nobody knows: it may be enough.
                for (about, host) in about.iter_mut().zip(&request.fleet.hosts) {
                    *about &= impacts.get(host.id.as_str()).is_none_or(|it| *it >= least);
                }
            }
            let hosts = about.iter().filter(|it| **it).count();
            Promised { promise, about, hosts }
        };
        let list: Vec<Promised<'a>> = promises.map(about).collect();
        let risks = &request.policy.accepted;
        let holds = !list.is_empty() && risks.iter().any(|it| it.expires >= day);
        let accepted =
            holds.then(|| Accepted { risks: Acceptances::of(risks, day), places: Places::of(request.fleet) });
        Self { request, day, list, accepted }
    }

    /// What the promises say about each of the releases that are due on hosts of some bunches.
    pub(super) fn state(&self, bunches: &[Vec<usize>], due: &[&Due]) -> Vec<Stated> {
        let mut stated = vec![Stated::default(); due.len()];
        for promised in &self.list {
            let clocks: Vec<_> = due.iter().map(|it| self.clocks(promised.promise, it)).collect();
            let mut states: Vec<BTreeMap<Deadline, Bearing>> = Vec::new();
            states.resize_with(due.len(), BTreeMap::new);
            for (bunch, hosts) in bunches.iter().enumerate() {
                let is_about = |at: &&usize| promised.about.get(**at).copied().unwrap_or(false);
                let hosts: Vec<usize> = hosts.iter().filter(is_about).copied().collect();
                let on: Vec<(usize, &Clock<'_>)> =
                    clocks.iter().enumerate().filter_map(|(at, it)| Some((at, it.get(&bunch)?))).collect();
                if hosts.is_empty() || on.is_empty() {
                    continue;
                }
                for (at, _) in on.iter().filter(|it| it.1.first.is_none() && it.1.accepted.is_empty()) {
                    let id = &promised.promise.id;
                    let told =
                        format!("promise {id}: the day of the fix is not known, so neither its deadline");
                    if let Some(it) = stated.get_mut(*at).filter(|it| !it.assumed.contains(&told)) {
                        it.assumed.push(told);
                    }
                }
                if on.iter().all(|it| it.1.accepted.is_empty()) {
                    let count = hosts.len();
                    self.add(&mut states, self.deadlines(promised.promise, &on, None), count);
                } else {
                    for host in hosts {
                        self.add(&mut states, self.deadlines(promised.promise, &on, Some(host)), 1);
                    }
                }
            }
            for (stated, states) in stated.iter_mut().zip(states) {
                stated.states.extend(states.into_iter().map(|it| self.one(promised, it)));
            }
        }
        stated
    }

    fn one(&self, promised: &Promised<'_>, of: (Deadline, Bearing)) -> PromiseState {
        let ((deadline, accepted), Bearing { hosts, bears }) = of;
        PromiseState {
            id: promised.promise.id.clone(),
            tenants: promised.promise.scope.tenants.clone(),
            deadline,
            days_left: self.days_left(deadline),
            hosts: u32::try_from(hosts).unwrap_or(u32::MAX),
            penalty: promised.promise.penalty.get() * bears / promised.hosts.max(1) as f64,
            accepted,
        }
    }

    fn days_left(&self, deadline: Date) -> i32 {
        (deadline - self.day).get_days()
    }

    /// Since when the clocks of a release run, by bunch.
    fn clocks(&self, promise: &Promise, due: &Due) -> BTreeMap<usize, Clock<'_>> {
        let known = &self.request.assessment.vulnerabilities;
        let speaks_of = |view: &VulnerabilityView| {
            let score = view.cvss.as_ref().map(|it| it.score);
            promise.cvss_at_least.is_none_or(|least| score.is_none_or(|score| score >= least))
                && (!promise.exploited_only || view.kev.is_some_and(|it| it <= self.day))
        };
        let mut clocks: BTreeMap<usize, Clock<'_>> = BTreeMap::new();
        for (id, OpenHole { bunches, .. }) in &due.holes {
            if !known.get(id).is_some_and(speaks_of) {
                continue;
            }
            let assessment = self.request.assessment;
            let about = self.accepted.as_ref().map_or_else(Vec::new, |it| it.risks.about(assessment, id));
            for (bunch, announced) in bunches {
                let clock = clocks.entry(*bunch).or_default();
                match announced {
                    Some(day) if !about.is_empty() => clock.accepted.push((*day, about.clone())),
                    _ => clock.first = due::earlier(clock.first, *announced),
                }
            }
        }
        clocks
    }

    /// Until when each release must be in force on a host, or on all that are alike. What lies beyond the calendar is no deadline.
    fn deadlines(
        &self,
        promise: &Promise,
        clocks: &[(usize, &Clock<'_>)],
        host: Option<usize>,
    ) -> Vec<(usize, Deadline)> {
        let host = host.and_then(|it| self.request.fleet.hosts.get(it));
        let asset = host.map(|it| Asset { kind: AssetKind::Host, id: it.id.as_str().into() });
        let due = |since: Date| since.checked_add(i64::from(promise.days).days()).ok();
        let accepted = |(since, about): &(Date, Vec<&AcceptedRisk>)| {
            let due = due(*since)?;
            let (known, asset) = (self.accepted.as_ref()?, asset.as_ref()?);
            let by = known.risks.on(about, &known.places, asset);
            let by = by.filter(|it| !it.expired && it.expires > due);
            Some((by.as_ref().map_or(due, |it| it.expires), by))
        };
        let one = |(at, clock): &(usize, &Clock<'_>)| {
            let plain = clock.first.and_then(due).map(|it| (it, None));
            Some((*at, plain.into_iter().chain(clock.accepted.iter().filter_map(accepted)).min()?))
        };
        clocks.iter().filter_map(one).collect()
    }

    /// Adds hosts with these deadlines: of the releases that press first, each bears an even part.
    fn add(
        &self,
        states: &mut [BTreeMap<Deadline, Bearing>],
        deadlines: Vec<(usize, Deadline)>,
        hosts: usize,
    ) {
        let pressing = |deadline: Date| match self.days_left(deadline) {
            left if left < 0 => 0,
            left if f64::from(left) < self.request.horizon_days => 1,
            _ => 2,
        };
        let most = deadlines.iter().map(|it| pressing(it.1.0)).min();
        let bears = |deadline: &Deadline| Some(pressing(deadline.0)) == most;
        let bearers = deadlines.iter().filter(|it| bears(&it.1)).count().max(1);
        for (at, deadline) in deadlines {
            let part = if bears(&deadline) { hosts as f64 / bearers as f64 } else { 0.0 };
            let Some(of_release) = states.get_mut(at) else { continue };
            let known = of_release.entry(deadline).or_default();
            known.hosts += hosts;
            known.bears += part;
        }
    }
}
