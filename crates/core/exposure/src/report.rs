//! The result of an assessment: who stands on what, why, and how old that knowledge is.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use underpin_model::facts::{Coverage, Justification, PatchClass, Restart};
use underpin_model::id::{AdvisoryId, FeedId, VulnerabilityId};
use underpin_model::ssvc::{Decision, HumanImpact, Timeline};

use crate::decision::Points;

/// What is known about one vulnerability in one component of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No feed covers this component, or not up to the day of the assessment.
    UnknownNoSource,
    /// Feeds contradict each other.
    UnknownConflict,
    /// A version cannot be compared (a foreign train, not a version).
    UnknownVersion,
    /// The fix is installed; it is not known what runs.
    UnknownRunning,
    /// The issuer is still looking.
    UnderInvestigation,
    /// Vulnerable.
    Affected,
    /// The fix is installed, the old code still runs, or a condition of the fix does not hold.
    FixedNotRunning,
    /// The fix is installed and in force.
    Fixed,
    /// Not vulnerable, for the reason given.
    NotAffected,
}

impl Status {
    /// Every status, in the order of reports.
    pub const ALL: [Self; 9] = [
        Self::UnknownNoSource,
        Self::UnknownConflict,
        Self::UnknownVersion,
        Self::UnknownRunning,
        Self::UnderInvestigation,
        Self::Affected,
        Self::FixedNotRunning,
        Self::Fixed,
        Self::NotAffected,
    ];

    /// Name in JSON and CSV: `affected`, `fixed_not_running`, ...
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownNoSource => "unknown_no_source",
            Self::UnknownConflict => "unknown_conflict",
            Self::UnknownVersion => "unknown_version",
            Self::UnknownRunning => "unknown_running",
            Self::UnderInvestigation => "under_investigation",
            Self::Affected => "affected",
            Self::FixedNotRunning => "fixed_not_running",
            Self::Fixed => "fixed",
            Self::NotAffected => "not_affected",
        }
    }

    /// What people read: `unknown: no source`, `fixed, not running`, ...
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::UnknownNoSource => "unknown: no source",
            Self::UnknownConflict => "unknown: sources disagree",
            Self::UnknownVersion => "unknown: version not comparable",
            Self::UnknownRunning => "unknown: not known what runs",
            Self::UnderInvestigation => "under investigation",
            Self::Affected => "affected",
            Self::FixedNotRunning => "fixed, not running",
            Self::Fixed => "fixed",
            Self::NotAffected => "not affected",
        }
    }

    /// Someone has to do something: affected, or fixed but not running.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Affected | Self::FixedNotRunning)
    }
}

/// What kind of asset an exposure is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetKind {
    /// A host.
    Host,
    /// A VM.
    Vm,
    /// An image.
    Image,
    /// A management plane.
    ManagementPlane,
    /// A witness.
    Witness,
    /// Storage.
    Storage,
}

/// An asset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Asset {
    /// Its kind.
    pub kind: AssetKind,
    /// Its id in the fleet.
    pub id: Arc<str>,
}

/// One link of a reason chain: a fact that led to the status, and who states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What kind of fact: stable, for machines (`fixed-in`, `running-differs`, `vex-flag`, `no-coverage`, ...).
    pub code: ReasonCode,
    /// The fact in a sentence, with its values; shared where one advisory says it of many vulnerabilities.
    pub text: Arc<str>,
    /// The feed that states it; `None`: the fleet itself.
    pub feed: Option<FeedId>,
    /// The document of the feed.
    pub document: Option<Arc<str>>,
}

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// The installed version, and where it was seen.
    Installed,
    /// The installed version is below the first fixed one.
    BelowFix,
    /// The installed version is the fixed one or later.
    AtOrAboveFix,
    /// The installed version is in a range that the source calls affected.
    InAffectedRange,
    /// The installed version is outside every affected range.
    OutsideAffectedRange,
    /// The source says not affected, with its justification.
    VexNotAffected,
    /// The source is still looking.
    VexUnderInvestigation,
    /// What runs is not what is installed.
    RunningDiffers,
    /// It is not known what runs.
    RunningUnknown,
    /// A live guest still runs on the old VMM.
    GuestOnOldVmm,
    /// A guest was not cold-started since the fix.
    GuestNotColdStarted,
    /// A setting in force closes it.
    SettingCloses,
    /// A workaround is said to exist; it closes nothing, because it is not in force or nobody reviewed it.
    WorkaroundKnown,
    /// A setting that the fix needs is not in force.
    SettingMissing,
    /// A newer update that contains the fix is installed.
    Superseded,
    /// No feed covers the component.
    NoCoverage,
    /// A feed covered it, but not up to the day of the assessment.
    CoverageEnded,
    /// Two sources contradict each other.
    SourcesDisagree,
    /// A version cannot be compared.
    NotComparable,
    /// A package that carries no code (a metapackage, documentation, source).
    CarriesNoCode,
    /// The claim is about another architecture, module or processor.
    OtherArchitecture,
    /// Anything else, said in the text.
    Note,
}

/// What closes an exposure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// The first release that has it; `None`: there is none, or none is known.
    pub version: Option<Arc<str>>,
    /// The advisory that announces it.
    pub advisory: Option<AdvisoryId>,
    /// What kind of patch it is.
    pub class: PatchClass,
    /// The area of the platform that it changes.
    pub area: Area,
    /// What must be restarted.
    pub restart: Restart,
    /// Everything that must hold before it counts, in the order of doing.
    pub needs: Vec<Need>,
    /// Whether what it repairs is used on the asset.
    pub needed: Needed,
}

/// Whether a fix is needed where it is due: is what it repairs used there?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum Needed {
    /// It is used.
    Yes {
        /// The fact that says so.
        why: String,
    },
    /// It is installed and not used.
    No {
        /// The fact that says so.
        why: String,
    },
    /// The facts do not tell.
    Unknown {
        /// Which fact is missing.
        why: String,
    },
}

impl Needed {
    /// The fact that decides, or the one that is missing.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Yes { why } | Self::No { why } | Self::Unknown { why } => why,
        }
    }
}

/// The area of the platform that a component belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Hypervisor core (Xen, KVM, VMkernel, Hyper-V).
    VmmCore,
    /// Device emulation (QEMU, OVMF's devices).
    DeviceEmulation,
    /// Management and console (libvirt, xapi, vCenter, pve-manager).
    Management,
    /// Kernel of the host or control domain.
    Kernel,
    /// Firmware and microcode.
    Firmware,
    /// Guest tools and drivers.
    GuestTools,
    /// Virtual networking (Open vSwitch).
    Network,
    /// Anything else on the host.
    Other,
}

impl Area {
    /// All areas.
    pub const ALL: [Self; 8] = [
        Self::VmmCore,
        Self::DeviceEmulation,
        Self::Management,
        Self::Kernel,
        Self::Firmware,
        Self::GuestTools,
        Self::Network,
        Self::Other,
    ];

    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::VmmCore => "vmm-core",
            Self::DeviceEmulation => "device-emulation",
            Self::Management => "management",
            Self::Kernel => "kernel",
            Self::Firmware => "firmware",
            Self::GuestTools => "guest-tools",
            Self::Network => "network",
            Self::Other => "other",
        }
    }
}

/// One condition of a fix: all must hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "need")]
pub enum Need {
    /// Install a release.
    Install {
        /// Component.
        component: Arc<str>,
        /// First version that has the fix.
        version: Arc<str>,
    },
    /// Reboot the host into it (guests are evacuated or stopped).
    RebootHost,
    /// Restart a service on the host.
    RestartService {
        /// The service or component.
        component: Arc<str>,
    },
    /// Move every live guest away and back, or restart it, so that it runs on the new VMM.
    RecreateGuests,
    /// Cold-start every guest (CPU flags are fixed at start).
    ColdStartGuests,
    /// Put a setting in force.
    Set {
        /// Setting name.
        setting: Arc<str>,
        /// Value.
        value: String,
    },
    /// Load a microcode or firmware revision.
    LoadFirmware {
        /// Revision.
        revision: Arc<str>,
    },
    /// What is installed is not what runs, and what would put it in force is not known: no advisory says it, and the component is
    /// none of those of which it is known.
    Unknown {
        /// The component.
        component: Arc<str>,
    },
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install { component, version } => write!(f, "install {component} {version}"),
            Self::RebootHost => f.write_str("reboot the host"),
            Self::RestartService { component } => write!(f, "restart {component}"),
            Self::RecreateGuests => f.write_str("move or restart its guests"),
            Self::ColdStartGuests => f.write_str("cold-start its guests"),
            Self::Set { setting, value } => write!(f, "set {setting}={value}"),
            Self::LoadFirmware { revision } => write!(f, "load revision {revision}"),
            Self::Unknown { component } => {
                write!(f, "put {component} in force (how is not known: restart what uses it, or reboot)")
            }
        }
    }
}

/// The answer for one component and one vulnerability, the same for every asset of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Component (package) name.
    pub component: Arc<str>,
    /// Installed version.
    pub version: Arc<str>,
    /// Running version, where known.
    pub running_version: Option<Arc<str>>,
    /// The vulnerability; `None` for a component that no source covers.
    pub vulnerability: Option<VulnerabilityId>,
    /// The status.
    pub status: Status,
    /// Why, most important first.
    pub reasons: Vec<Reason>,
    /// What closes it.
    pub fix: Option<Fix>,
}

/// Assets for which the matching saw the same facts: they share their findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The assets.
    pub assets: Vec<Asset>,
    /// What surrounds them and weighs in decisions.
    pub context: Context,
    /// Their findings: stretches of [`Assessment::findings`]. Equal components of different groups share findings.
    pub findings: Vec<Range<u32>>,
}

impl Group {
    /// The group's findings, out of [`Assessment::findings`].
    pub fn findings_in<'f>(&self, all: &'f [Finding]) -> impl Iterator<Item = &'f Finding> + use<'f, '_> {
        self.findings
            .iter()
            .flat_map(|stretch| all.get(stretch.start as usize..stretch.end as usize).unwrap_or(&[]))
    }
}

/// What surrounds an asset and weighs in SSVC and BOD 26-04 decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Context {
    /// It can be reached from the public Internet; `None`: unknown.
    pub publicly_exposed: Option<bool>,
    /// The greatest human impact of the applications on it; `None`: unknown.
    pub human_impact: Option<HumanImpact>,
}

/// What is known about a vulnerability, merged over all feeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VulnerabilityView {
    /// Its id.
    pub id: VulnerabilityId,
    /// Other names.
    pub aliases: Vec<VulnerabilityId>,
    /// When it became public.
    pub published: Option<Date>,
    /// Highest base score of the newest CVSS version given, with its vector.
    pub cvss: Option<CvssView>,
    /// The day that exploitation became known (KEV).
    pub kev: Option<Date>,
    /// EPSS probability of the newest score.
    pub epss: Option<f64>,
    /// The decision points.
    pub points: Points,
    /// SSVC decision: the most urgent one over the assets on which it is open.
    pub ssvc: Option<SsvcView>,
    /// BOD 26-04 outcome: the strictest over the assets on which it is open, by the earliest day; `None` where it is open nowhere.
    pub due: Option<DueView>,
    /// Advisories that speak about it.
    pub advisories: Vec<AdvisoryId>,
}

/// A computed score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CvssView {
    /// Base score.
    pub score: f64,
    /// Its vector.
    pub vector: String,
}

/// An SSVC decision with the decision points that no source gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsvcView {
    /// What to do.
    pub decision: Decision,
    /// Derived or assumed points, as `automatable=yes (from CVSS)`.
    pub assumed: Vec<String>,
}

/// A BOD 26-04 outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueView {
    /// The strictest outcome of the table that holds: `14 days`, `fix on system upgrade`.
    pub timeline: Timeline,
    /// The earliest day of any outcome that holds, where one gives a day and it is known from when it counts.
    pub date: Option<Date>,
    /// The day that it counts from: published, or listed in KEV.
    pub since: Option<Date>,
    /// The strictest outcome and the one that is due earliest, each with its own day, where they are not the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<Duty>,
    /// Derived or assumed points.
    pub assumed: Vec<String>,
}

impl DueView {
    /// What is due, each with its day.
    pub fn each(&self) -> impl Iterator<Item = Duty> {
        let one = Duty { timeline: self.timeline, date: self.date, since: self.since };
        self.duties.is_empty().then_some(one).into_iter().chain(self.duties.iter().copied())
    }
}

/// `14 days (2026-12-05)`, or `14 days from ?` where nobody knows since when; where another outcome is due earlier, both.
impl fmt::Display for DueView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, duty) in self.each().enumerate() {
            f.write_str(if at > 0 { "; " } else { "" })?;
            write!(f, "{}", duty.timeline)?;
            match duty.date {
                Some(day) => write!(f, " ({day})")?,
                None if duty.timeline.days().is_some() => f.write_str(" from ?")?,
                None => {}
            }
        }
        Ok(())
    }
}

/// One outcome of the table with its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// The outcome.
    pub timeline: Timeline,
    /// Its day, where it gives one and it is known from when it counts.
    pub date: Option<Date>,
    /// The day that it counts from.
    pub since: Option<Date>,
}

/// How old a feed is and what it covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedState {
    /// The feed.
    pub id: FeedId,
    /// When its content was last updated by its issuer.
    pub updated: Option<Timestamp>,
    /// When it was fetched or read.
    pub fetched: Option<Timestamp>,
    /// Days from `updated` to the day of the assessment.
    pub age_days: Option<i64>,
    /// Older than the limit for its kind.
    pub stale: bool,
    /// What it covers.
    pub covers: Vec<Coverage>,
    /// Documents accepted.
    pub documents: usize,
}

/// Counts of exposures (asset x component x vulnerability) by status; unknown comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Components on assets that no source covers up to the day of the assessment.
    pub unknown_no_source: u64,
    /// Unknown for other reasons: sources disagree, versions not comparable, under investigation.
    pub unknown_other: u64,
    /// Assets assessed.
    pub assets: u64,
    /// Vulnerable.
    pub affected: u64,
    /// Fixed on disk only.
    pub fixed_not_running: u64,
    /// Fixed.
    pub fixed: u64,
    /// Not vulnerable.
    pub not_affected: u64,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The moment that it speaks about.
    pub as_of: Timestamp,
    /// The feeds that it knows from.
    pub feeds: Vec<FeedState>,
    /// Counts.
    pub summary: Summary,
    /// Groups of assets with the same facts.
    pub groups: Vec<Group>,
    /// Findings of all groups.
    pub findings: Vec<Finding>,
    /// The vulnerabilities that findings name, by id.
    pub vulnerabilities: std::collections::BTreeMap<VulnerabilityId, VulnerabilityView>,
}

/// A justification in words.
#[must_use]
pub fn justification(why: Justification) -> &'static str {
    match why {
        Justification::ComponentNotPresent => "the component is not present",
        Justification::VulnerableCodeNotPresent => "the vulnerable code is not present",
        Justification::VulnerableCodeNotInExecutePath => "the vulnerable code is never run",
        Justification::VulnerableCodeCannotBeControlledByAdversary => {
            "an adversary cannot control the vulnerable code"
        }
        Justification::InlineMitigationsAlreadyExist => "mitigations are built in",
        Justification::VersionNotInRange => "the version is outside the vulnerable range",
        Justification::NotGiven => "no reason is given",
    }
}
