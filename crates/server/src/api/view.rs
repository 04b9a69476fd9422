//! The forms of answers.

use jiff::Timestamp;
use serde::Serialize;
use underpin_exposure::report::{Asset, Fix, Reason, Status, VulnerabilityView};
use utoipa::ToSchema;

use crate::analyst::kind_name;
use crate::index::{AdvisoryEntry, AssetEntry, Counts, Index};
use crate::priority::Priority;
use crate::query::Exposure;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T: ToSchema> {
    /// The rows.
    pub(super) items: Vec<T>,
    /// How many there are on all pages.
    pub(super) total: u64,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// Numbers of exposures by status.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct StatusCounts {
    unknown_no_source: u64,
    unknown_conflict: u64,
    unknown_version: u64,
    unknown_running: u64,
    under_investigation: u64,
    affected: u64,
    fixed_not_running: u64,
    fixed: u64,
    not_affected: u64,
}

impl From<&Counts> for StatusCounts {
    fn from(counts: &Counts) -> Self {
        let [
            unknown_no_source,
            unknown_conflict,
            unknown_version,
            unknown_running,
            under_investigation,
            affected,
            fixed_not_running,
            fixed,
            not_affected,
        ] = *counts;
        Self {
            unknown_no_source,
            unknown_conflict,
            unknown_version,
            unknown_running,
            under_investigation,
            affected,
            fixed_not_running,
            fixed,
            not_affected,
        }
    }
}

/// An asset with the number of its exposures.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetView {
    /// `host`, `vm`, `image`, `management_plane`, `witness`, `storage`.
    pub(super) kind: String,
    /// Its id.
    pub(super) id: String,
    /// Its exposures.
    pub(super) counts: StatusCounts,
}

impl AssetView {
    pub(super) fn new(index: &Index, asset: &AssetEntry) -> Self {
        let counts = index.groups.get(asset.group as usize).map(|g| StatusCounts::from(&g.counts));
        Self {
            kind: kind_name(asset.kind).to_owned(),
            id: asset.id.to_string(),
            counts: counts.unwrap_or_default(),
        }
    }
}

/// An exposure: asset, component, vulnerability, status, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExposureView {
    /// The asset: `kind` and `id`.
    #[schema(value_type = Object)]
    asset: Asset,
    /// Component name.
    component: String,
    /// Installed version.
    version: String,
    /// Running version, where known.
    running_version: Option<String>,
    /// The vulnerability; absent for a component that no source covers.
    vulnerability: Option<String>,
    /// The status.
    #[schema(value_type = String)]
    status: Status,
    /// Why, most important first.
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Reason>,
    /// What closes it.
    #[schema(value_type = Option<Object>)]
    fix: Option<Fix>,
}

impl From<&Exposure<'_>> for ExposureView {
    fn from(exposure: &Exposure<'_>) -> Self {
        let finding = exposure.finding;
        Self {
            asset: Asset { kind: exposure.asset.kind, id: exposure.asset.id.clone() },
            component: finding.component.to_string(),
            version: finding.version.to_string(),
            running_version: finding.running_version.as_ref().map(ToString::to_string),
            vulnerability: finding.vulnerability.as_ref().map(ToString::to_string),
            status: finding.status,
            reasons: finding.reasons.clone(),
            fix: finding.fix.clone(),
        }
    }
}

/// A vulnerability with who is hit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VulnerabilityRow {
    /// What is known about it, merged over all feeds.
    #[schema(value_type = Object)]
    facts: VulnerabilityView,
    /// Hosts with an open exposure.
    hosts: u64,
    /// VMs with an open exposure, or on a host with one.
    vms: u64,
    /// Tenants of these VMs.
    tenants: u64,
    /// What closes it.
    #[schema(value_type = Option<Object>)]
    fix: Option<Fix>,
}

impl VulnerabilityRow {
    pub(super) fn new(facts: VulnerabilityView, priority: Option<&Priority>) -> Self {
        Self {
            facts,
            hosts: priority.map_or(0, |p| p.hosts),
            vms: priority.map_or(0, |p| p.vms),
            tenants: priority.map_or(0, |p| p.tenants),
            fix: priority.and_then(|p| p.fix.clone()),
        }
    }
}

/// An advisory.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AdvisoryView {
    /// Its id.
    id: String,
    /// A short title, if a feed has one.
    title: Option<String>,
    /// When it was published.
    #[schema(value_type = Option<String>, format = DateTime)]
    published: Option<Timestamp>,
    /// When it was last changed.
    #[schema(value_type = Option<String>, format = DateTime)]
    updated: Option<Timestamp>,
    /// The issuer's severity word.
    severity: Option<String>,
    /// The vulnerabilities that it speaks about.
    vulnerabilities: Vec<String>,
    /// Feed and document that have it.
    sources: Vec<Source>,
}

/// A document of a feed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Source {
    feed: String,
    document: String,
}

impl AdvisoryView {
    pub(super) fn new(id: &str, entry: &AdvisoryEntry) -> Self {
        let source =
            |(feed, document): &(String, String)| Source { feed: feed.clone(), document: document.clone() };
        Self {
            id: id.to_owned(),
            title: entry.title.clone(),
            published: entry.published,
            updated: entry.updated,
            severity: entry.severity.clone(),
            vulnerabilities: entry.vulnerabilities.iter().map(ToString::to_string).collect(),
            sources: entry.feeds.iter().map(source).collect(),
        }
    }
}

/// A version of the fleet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FleetVersion {
    pub(super) id: String,
    pub(super) name: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: Timestamp,
    /// SHA-256 of the document.
    pub(super) sha256: String,
    /// Length of the document.
    pub(super) bytes: u64,
    /// It is the one that is assessed.
    pub(super) current: bool,
}

/// A feed: how old it is, what it covers, what is in quarantine.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FeedView {
    pub(super) id: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) fetched_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) updated_at: Option<Timestamp>,
    pub(super) documents: u64,
    pub(super) quarantined: u64,
}

/// A document in quarantine.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuarantinedView {
    pub(super) feed: String,
    pub(super) path: String,
    /// Where it is wrong.
    pub(super) at: String,
    pub(super) reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) since: Timestamp,
    pub(super) sha256: String,
}

/// The current assessment: counts and feeds, without the exposures.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssessmentView {
    pub(super) id: String,
    pub(super) fleet: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) as_of: Timestamp,
    /// Counts by status, unknown first.
    #[schema(value_type = Object)]
    pub(super) summary: underpin_exposure::report::Summary,
    /// Feeds with age and coverage.
    #[schema(value_type = Vec<Object>)]
    pub(super) feeds: Vec<underpin_exposure::report::FeedState>,
    /// Hosts, VMs and images of the fleet that the assessment does not speak about.
    pub(super) unassessed: u64,
    /// The order of `vulnerabilities`, in words.
    pub(super) order: String,
}
