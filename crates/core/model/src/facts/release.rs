//! Releases, what they replace, and how long they are supported.

use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Family;
use crate::id::{AdvisoryId, VulnerabilityId};

/// What a patch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatchClass {
    /// Closes a vulnerability.
    Security,
    /// Repairs a fault.
    BugFix,
    /// Supports new hardware.
    HardwareEnablement,
    /// Adds or enhances a feature.
    Feature,
}

/// What a release's date means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateKind {
    /// When it was built (a changelog's date), NOT when users could get it.
    Built,
    /// When it was published.
    Published,
}

/// One release of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFact {
    /// The product line.
    pub family: Family,
    /// The train (suite, line) that it was released for.
    pub train: Option<Arc<str>>,
    /// Source package or product.
    pub component: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// Its day.
    pub date: Date,
    /// What the day means.
    pub date_kind: DateKind,
    /// Bulletin, advisory or release name.
    pub bulletin: Option<AdvisoryId>,
    /// What it is for, where the source says so.
    pub class: Option<PatchClass>,
    /// The vulnerabilities that it names as fixed.
    pub fixes: Vec<VulnerabilityId>,
}

/// One update replaces another (MSRC KB chains).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Supersedence {
    /// The product that both are for.
    pub component: Arc<str>,
    /// The newer update: a KB number without prefix.
    pub newer: Arc<str>,
    /// The update that it replaces.
    pub older: Arc<str>,
}

/// A date that may be unknown: community tables say only yes or no at times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleDate {
    /// It ends on this day.
    On(Date),
    /// It has ended, on a day that is not known.
    Ended,
    /// No end is known yet.
    NotYet,
}

/// How long one train of a product is supported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// The product line.
    pub family: Family,
    /// The train.
    pub train: Arc<str>,
    /// First release.
    pub released: Option<Date>,
    /// End of security support.
    pub end_of_life: LifecycleDate,
    /// The newest release at the time of the table.
    pub latest: Option<Arc<str>>,
    /// Its date.
    pub latest_date: Option<Date>,
}
