//! What feeds state, in one form for all formats.
//!
//! A parser (crate `underpin-feeds`) turns one [`Document`] of any [`Format`] into these values; matching (crate
//! `underpin-exposure`) never sees a format. Facts only: ids, dates, versions, verdicts. No vendor prose is kept
//! beyond a short title.

mod claim;
mod condition;
mod coverage;
mod release;
mod vulnerability;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use claim::{
    Advisory, Bound, Claim, Family, Hardware, Justification, NameKind, Product, Range, Remedy, RemedyKind,
    Restart, Verdict,
};
pub use condition::{Condition, Effect, Review, SettingValue};
pub use coverage::{Coverage, Period, Subject};
pub use release::{DateKind, Lifecycle, LifecycleDate, PatchClass, ReleaseFact, Supersedence};
pub use vulnerability::{Cvss, Epss, Kev, Ssvc, VulnerabilityFacts};

/// The form that a document came in. Recognised from content, never from a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// CSAF 2.0: security advisories and VEX.
    Csaf,
    /// CVE JSON 5 record.
    Cve5,
    /// OSV document.
    Osv,
    /// CISA Known Exploited Vulnerabilities catalogue.
    Kev,
    /// FIRST EPSS scores (CSV).
    Epss,
    /// Table of Debian DSA/DLA (CSV).
    DebianAdvisories,
    /// Table of ESXi builds (CSV).
    EsxiBuilds,
    /// Table of vCenter releases (JSON).
    VcenterReleases,
    /// Table of VMSA facts (JSON).
    VmsaFacts,
    /// Table of Xen security advisories (YAML).
    XenAdvisories,
    /// Table of XSAs that do not apply to a package version (JSON).
    XenNotApplicable,
    /// Table of MSRC Hyper-V updates with KB supersedence (CSV).
    MsrcUpdates,
    /// Changelog entries of hypervisor packages (JSON lines).
    ReleaseHistory,
    /// Table of support periods (JSON).
    EndOfLife,
    /// Table of Intel microcode revisions (CSV).
    MicrocodeHistory,
    /// Index of CVE records: vectors, SSVC triple, KEV date (CSV).
    CveIndex,
    /// Table of conditions: workarounds, and what a fix needs besides its release (CSV).
    Conditions,
}

impl Format {
    /// The stable name that appears in output: `csaf`, `cve5`, `osv`, `kev`, ...
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Csaf => "csaf",
            Self::Cve5 => "cve5",
            Self::Osv => "osv",
            Self::Kev => "kev",
            Self::Epss => "epss",
            Self::DebianAdvisories => "debian-advisories",
            Self::EsxiBuilds => "esxi-builds",
            Self::VcenterReleases => "vcenter-releases",
            Self::VmsaFacts => "vmsa-facts",
            Self::XenAdvisories => "xen-advisories",
            Self::XenNotApplicable => "xen-not-applicable",
            Self::MsrcUpdates => "msrc-updates",
            Self::ReleaseHistory => "release-history",
            Self::EndOfLife => "end-of-life",
            Self::MicrocodeHistory => "microcode-history",
            Self::CveIndex => "cve-index",
            Self::Conditions => "conditions",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Everything that one document states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The document's own id (CSAF tracking id, CVE id, OSV id), or the table's name.
    pub id: String,
    /// What it was parsed as.
    pub format: Format,
    /// When its issuer last changed it; for a table, the newest date in it.
    pub updated: Option<Timestamp>,
    /// Advisories with their claims about products.
    pub advisories: Vec<Advisory>,
    /// Facts about vulnerabilities that do not depend on a product.
    pub vulnerabilities: Vec<VulnerabilityFacts>,
    /// Releases with their dates, for cadence and running-release questions.
    pub releases: Vec<ReleaseFact>,
    /// Which update replaces which.
    pub supersedences: Vec<Supersedence>,
    /// Support periods.
    pub lifecycles: Vec<Lifecycle>,
    /// What must hold besides a version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What the document covers, beyond the mere products of its claims (a table that lists all releases of a train
    /// covers the whole train; a single advisory covers only itself and leaves this empty).
    pub coverage: Vec<Coverage>,
    /// Lines of a table, and vectors, that could not be used, each with place, value and expectation; the rest of the document counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl Document {
    /// A document that states nothing yet.
    #[must_use]
    pub fn new(id: impl Into<String>, format: Format) -> Self {
        Self {
            id: id.into(),
            format,
            updated: None,
            advisories: Vec::new(),
            vulnerabilities: Vec::new(),
            releases: Vec::new(),
            supersedences: Vec::new(),
            lifecycles: Vec::new(),
            conditions: Vec::new(),
            coverage: Vec::new(),
            left_out: Vec::new(),
        }
    }
}
