//! The hosts of a report by group: what each loses, and what is recommended for it.

use std::collections::BTreeMap;

use serde::Serialize;
use underpin_exposure::report::DueView;
use underpin_model::fleet::{HardwareClass, Host};
use underpin_model::ssvc;

use super::Request;
use crate::compound::Judgement;
use crate::groups::GroupKey;
use crate::portfolio::Portfolio;
use crate::wait::groups::Broken;
use crate::wait::{self, GroupDecision};

/// What the hosts of the report are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupBy {
    /// Platform release, hardware class and ring: what one decision to patch or wait is about.
    Decision,
    /// Cluster.
    Cluster,
    /// Hypervisor product and train.
    Platform,
    /// Platform release.
    Release,
    /// Hardware class.
    Hardware,
    /// Ring.
    Ring,
}

impl GroupBy {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Decision, Self::Cluster, Self::Platform, Self::Release, Self::Hardware, Self::Ring];

    /// Name on the command line and in addresses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Cluster => "cluster",
            Self::Platform => "platform",
            Self::Release => "release",
            Self::Hardware => "hardware",
            Self::Ring => "ring",
        }
    }

    fn of(self, host: &Host) -> String {
        let unknown = || "unknown".to_owned();
        let key = || GroupKey::of(host);
        let joined = |parts: [Option<String>; 2]| {
            let known: Vec<String> = parts.into_iter().flatten().collect();
            if known.is_empty() { unknown() } else { known.join(" ") }
        };
        match self {
            Self::Decision => key().to_string(),
            Self::Cluster => host.cluster.as_ref().map_or_else(unknown, ToString::to_string),
            Self::Platform => joined([key().platform, key().train]),
            Self::Release => joined([key().platform, key().release]),
            Self::Hardware => HardwareClass::of(host).to_string(),
            Self::Ring => host.ring.clone().unwrap_or_else(unknown),
        }
    }
}

/// One group of hosts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupRisk {
    /// Its name.
    pub group: String,
    /// Hosts.
    pub hosts: u64,
    /// Guests on them.
    pub guests: u64,
    /// Mean loss over the horizon: exact.
    pub mean_loss: f64,
    /// Greatest probability that one given host of it is hit.
    pub hit: f64,
    /// Patch or wait, for the release that closes most (grouped by decision only).
    pub wait: Option<wait::Decision>,
    /// Why there is no such decision, where there is none.
    pub wait_missing: Option<String>,
    /// What is recommended, in one sentence; where it cannot be decided, the fact that is missing.
    pub recommendation: Option<String>,
    /// What others ask for of the release that the recommendation is about (grouped by decision only).
    pub duties: Option<Duties>,
    /// Every release that is due on the group, without curves.
    pub releases: Vec<DueRelease>,
}

/// A release that is due on a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DueRelease {
    /// The component that is released as one.
    pub component: String,
    /// The release; `None`: not known.
    pub release: Option<String>,
    /// Which one of its line.
    pub role: wait::groups::Role,
    /// Hosts on which it is due.
    pub hosts: u64,
    /// Vulnerabilities that it closes here.
    pub closes: u64,
    /// What is recommended.
    pub recommendation: String,
    /// What others ask for.
    #[serde(flatten)]
    pub duties: Duties,
}

/// What others ask for, beside what the losses say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Duties {
    /// The worst SSVC outcome of what the release closes.
    pub ssvc: Option<ssvc::Decision>,
    /// The BOD 26-04 outcome.
    pub bod_26_04: Option<DueView>,
    /// Promises that are broken.
    pub broken: Vec<Broken>,
}

impl Duties {
    fn of(decision: &GroupDecision) -> Self {
        Self { ssvc: decision.ssvc, bod_26_04: decision.bod_26_04.clone(), broken: decision.broken() }
    }
}

/// The groups with exact means: a host's mean loss is its class's mean impact times what it holds.
pub(super) fn groups(
    request: &Request<'_>,
    portfolio: &Portfolio,
    judgement: &Judgement,
    decisions: &[GroupDecision],
) -> Vec<GroupRisk> {
    let names: BTreeMap<&str, String> =
        request.fleet.hosts.iter().map(|host| (host.id.as_str(), request.group_by.of(host))).collect();
    let mut groups: BTreeMap<&str, GroupRisk> = BTreeMap::new();
    for line in &portfolio.hosts {
        let Some(name) = names.get(line.id.as_str()) else { continue };
        let group = groups.entry(name).or_insert_with(|| GroupRisk {
            group: name.clone(),
            hosts: 0,
            guests: 0,
            mean_loss: 0.0,
            hit: 0.0,
            wait: None,
            wait_missing: None,
            recommendation: None,
            duties: None,
            releases: Vec::new(),
        });
        group.hosts += 1;
        if let Some(class) = judgement.classes.get(line.class as usize) {
            group.hit = group.hit.max(class.hit);
            let holdings = portfolio.holdings_of(line);
            group.mean_loss += holdings.iter().map(|it| it.loss(class.mean_impact)).sum::<f64>();
        }
        group.guests += portfolio.holdings_of(line).iter().map(|it| u64::from(it.vms)).sum::<u64>();
    }
    for decision in decisions {
        if let Some(group) = groups.get_mut(decision.group.to_string().as_str()) {
            add_decision(group, decision);
        }
    }
    let mut groups: Vec<GroupRisk> = groups.into_values().collect();
    groups.iter_mut().for_each(|it| it.wait_missing = wait_missing(request.group_by, it));
    groups.sort_by(|a, b| b.mean_loss.total_cmp(&a.mean_loss).then_with(|| a.group.cmp(&b.group)));
    groups
}

/// Why a group has no decision.
fn wait_missing(group_by: GroupBy, group: &GroupRisk) -> Option<String> {
    if group.wait.is_some() {
        return None;
    }
    if group_by != GroupBy::Decision {
        let why = "patch or wait is decided for hosts of one platform release, hardware class and ring: grouped by decision";
        return Some(why.to_owned());
    }
    let nothing_due = || {
        "no release is due that closes an open vulnerability of these hosts or replaces one that is known to be bad".to_owned()
    };
    Some(group.recommendation.clone().unwrap_or_else(nothing_due))
}

/// Of several releases that are due, the one whose absence costs most speaks for the group; of two of one component, which close
/// the same, the one that gains more.
fn add_decision(group: &mut GroupRisk, decision: &GroupDecision) {
    group.releases.push(DueRelease {
        component: decision.component.clone(),
        release: decision.release.clone(),
        role: decision.role,
        hosts: decision.hosts.len() as u64,
        closes: decision.closes.len() as u64,
        recommendation: decision.recommendation.clone(),
        duties: Duties::of(decision),
    });
    if decision.better.is_some() {
        return;
    }
    let stakes = |it: &Option<wait::Decision>| it.as_ref().map(|it| it.optimum.loss_never);
    if group.recommendation.is_none() || stakes(&decision.wait) > stakes(&group.wait) {
        group.recommendation = Some(decision.recommendation.clone());
        group.duties = Some(Duties::of(decision));
        group.wait.clone_from(&decision.wait);
    }
}
