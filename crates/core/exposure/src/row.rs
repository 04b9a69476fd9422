//! The assessment as rows: one per asset, component and vulnerability; and what to do first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use underpin_model::id::VulnerabilityId;

use crate::decision;
use crate::report::{
    Assessment, Asset, AssetKind, CvssView, DueView, Finding, Fix, Group, Needed, Reason, SsvcView, Status,
    VulnerabilityView,
};
use crate::view;

/// One exposure, borrowed from its assessment.
#[derive(Debug, Clone, Copy)]
pub struct Exposure<'a> {
    /// The asset.
    pub asset: &'a Asset,
    /// Its group.
    pub group: &'a Group,
    /// The finding.
    pub finding: &'a Finding,
    /// What is known about the vulnerability.
    pub vulnerability: Option<&'a VulnerabilityView>,
}

/// One exposure as it is written to JSON and CSV.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExposureRow {
    /// Id of the asset.
    pub asset: Arc<str>,
    /// Kind of the asset.
    pub asset_kind: AssetKind,
    /// Component.
    pub component: Arc<str>,
    /// Installed version.
    pub version: Arc<str>,
    /// Running version, where known.
    pub running_version: Option<Arc<str>>,
    /// The vulnerability; none where no source covers the component.
    pub vulnerability: Option<VulnerabilityId>,
    /// The status.
    pub status: Status,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The day that exploitation became known.
    pub kev: Option<Date>,
    /// EPSS probability.
    pub epss: Option<f64>,
    /// Score and vector.
    pub cvss: Option<CvssView>,
    /// SSVC decision for this asset.
    pub ssvc: Option<SsvcView>,
    /// BOD 26-04 outcome for this asset; only where something is to be done: affected, or fixed and not running.
    pub due: Option<DueView>,
    /// What closes it.
    pub fix: Option<Fix>,
}

impl Exposure<'_> {
    /// The row, with the decisions for this very asset.
    #[must_use]
    pub fn row(&self) -> ExposureRow {
        let view = self.vulnerability;
        let points = view.map(|view| &view.points);
        ExposureRow {
            asset: Arc::clone(&self.asset.id),
            asset_kind: self.asset.kind,
            component: Arc::clone(&self.finding.component),
            version: Arc::clone(&self.finding.version),
            running_version: self.finding.running_version.clone(),
            vulnerability: self.finding.vulnerability.clone(),
            status: self.finding.status,
            reasons: self.finding.reasons.clone(),
            kev: view.and_then(|view| view.kev),
            epss: view.and_then(|view| view.epss),
            cvss: view.and_then(|view| view.cvss.clone()),
            ssvc: points.map(|points| decision::ssvc(points, self.group.context)),
            due: points
                .filter(|_| self.finding.status.is_open())
                .map(|points| decision::due(points, self.group.context)),
            fix: self.finding.fix.clone(),
        }
    }
}

/// On how many of the assets that are hit what a fix repairs is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    /// It is used.
    pub yes: u64,
    /// It is installed and not used.
    pub no: u64,
    /// The facts do not tell.
    pub unknown: u64,
}

impl Used {
    fn add(&mut self, finding: &Finding, assets: u64) {
        match finding.fix.as_ref().map(|fix| &fix.needed) {
            Some(Needed::Yes { .. }) => self.yes += assets,
            Some(Needed::No { .. }) => self.no += assets,
            Some(Needed::Unknown { .. }) | None => self.unknown += assets,
        }
    }
}

/// One vulnerability with who is hit, in the order of what to do first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Priority<'a> {
    /// The vulnerability.
    pub vulnerability: &'a VulnerabilityView,
    /// Assets on which it is affected, by kind.
    pub affected: BTreeMap<AssetKind, u64>,
    /// Assets on which it is fixed but not running, by kind.
    pub fixed_not_running: BTreeMap<AssetKind, u64>,
    /// On how many of these what the fix repairs is used.
    pub used: Used,
    /// The finding that stands for it: the first one with the worst status.
    pub example: &'a Finding,
}

/// How [`Assessment::priorities`] sorts, for people.
pub const SORT_KEY: &str = "known exploited first (KEV), then the SSVC decision, then the earlier BOD 26-04 deadline, \
                            then the higher EPSS, then the higher CVSS score, then the more assets or VMs hit, then the id";

impl Assessment {
    /// Every exposure, asset by asset.
    pub fn exposures(&self) -> impl Iterator<Item = Exposure<'_>> {
        self.groups
            .iter()
            .flat_map(move |group| group.assets.iter().flat_map(move |asset| self.exposures_of(group, asset)))
    }

    /// The exposures of one asset of a group.
    pub fn exposures_of<'a>(
        &'a self,
        group: &'a Group,
        asset: &'a Asset,
    ) -> impl Iterator<Item = Exposure<'a>> {
        group.findings_in(&self.findings).map(move |finding| Exposure {
            asset,
            group,
            finding,
            vulnerability: finding.vulnerability.as_ref().and_then(|id| self.vulnerabilities.get(id)),
        })
    }

    /// Exposures by status: a finding of a group counts once per asset of the group.
    #[must_use]
    pub fn by_status(&self) -> BTreeMap<Status, u64> {
        let mut by_status: BTreeMap<Status, u64> = BTreeMap::new();
        let sizes = self.groups.iter().map(|group| (group, group.assets.len() as u64));
        for (finding, times) in self.findings.iter().zip(view::times(sizes, self.findings.len())) {
            *by_status.entry(finding.status).or_default() += times;
        }
        by_status
    }

    /// The assessment with the exposures of these statuses only. [`Assessment::summary`] still counts all.
    #[must_use]
    pub fn only(mut self, statuses: &[Status]) -> Self {
        // How many findings before each place are kept: where its stretch begins or ends afterwards.
        let mut kept = Vec::with_capacity(self.findings.len() + 1);
        let mut count = 0_u32;
        kept.push(count);
        for finding in &self.findings {
            count += u32::from(statuses.contains(&finding.status));
            kept.push(count);
        }
        let place = |at: u32| kept.get(at as usize).copied().unwrap_or(count);
        for group in &mut self.groups {
            for stretch in &mut group.findings {
                *stretch = place(stretch.start)..place(stretch.end);
            }
            group.findings.retain(|stretch| !stretch.is_empty());
        }
        self.findings.retain(|finding| statuses.contains(&finding.status));
        self
    }

    /// The vulnerabilities that are open somewhere, sorted by what to do first ([`SORT_KEY`]).
    #[must_use]
    pub fn priorities(&self) -> Vec<Priority<'_>> {
        let mut by_id: BTreeMap<&VulnerabilityId, Priority<'_>> = BTreeMap::new();
        for group in &self.groups {
            let mut seen: BTreeMap<&VulnerabilityId, &Finding> = BTreeMap::new();
            for finding in group.findings_in(&self.findings).filter(|one| one.status.is_open()) {
                if let Some(id) = &finding.vulnerability {
                    // Several components of one asset count the asset once, with the worse status.
                    let worst = seen.entry(id).or_insert(finding);
                    if finding.status < worst.status {
                        *worst = finding;
                    }
                }
            }
            for (id, finding) in seen {
                let Some(view) = self.vulnerabilities.get(id) else { continue };
                let entry = by_id.entry(id).or_insert_with(|| Priority {
                    vulnerability: view,
                    affected: BTreeMap::new(),
                    fixed_not_running: BTreeMap::new(),
                    used: Used::default(),
                    example: finding,
                });
                if finding.status < entry.example.status {
                    entry.example = finding;
                }
                entry.used.add(finding, group.assets.len() as u64);
                let counts = match finding.status {
                    Status::Affected => &mut entry.affected,
                    _ => &mut entry.fixed_not_running,
                };
                for asset in &group.assets {
                    *counts.entry(asset.kind).or_default() += 1;
                }
            }
        }
        let mut list: Vec<Priority<'_>> = by_id.into_values().collect();
        list.sort_by_cached_key(Priority::key);
        list
    }
}

impl Priority<'_> {
    /// Assets on which it is open.
    #[must_use]
    pub fn assets(&self) -> u64 {
        self.affected.values().chain(self.fixed_not_running.values()).sum()
    }

    fn key(&self) -> impl Ord + use<> {
        (urgency(self.vulnerability), Reverse(self.assets()), self.vulnerability.id.clone())
    }
}

/// The part of [`SORT_KEY`] that a vulnerability has by itself; the least comes first.
pub fn urgency(view: &VulnerabilityView) -> impl Ord + use<> {
    let millionths = |value: f64| (value * 1_000_000.0) as u64;
    (
        view.kev.is_none(),
        Reverse(view.ssvc.as_ref().map(|view| view.decision)),
        view.due.as_ref().map_or((true, None), |due| (due.date.is_none(), due.date)),
        Reverse(view.epss.map(millionths)),
        Reverse(view.cvss.as_ref().map(|cvss| millionths(cvss.score))),
    )
}
