//! Cadence: how often a platform asks for maintenance.
//!
//! A [`History`] holds every dated patch of a fact base. A [`Query`] picks some of them - platform, product line,
//! component, area, policy - and [`History::cadence`] answers with one [`Series`] for each platform, line or component
//! that it is split by: dates, batches, gaps, patches per maintenance, volume by class, and "a host built on day X would
//! have been put into maintenance N times by day Y, once every Z days".
//!
//! ```
//! use jiff::civil::date;
//! use underpin_exposure::cadence::{Interval, of_dates};
//!
//! let dates = [date(2007, 7, 12), date(2007, 8, 15), date(2007, 8, 15), date(2007, 11, 1)];
//! let interval = Interval { built: Some(date(2007, 7, 2)), until: Some(date(2007, 11, 29)) };
//! let series = of_dates(&dates, interval, 0)?;
//! assert_eq!((series.maintenances, series.mean_interval_days), (Some(3), Some(50.0)));
//! # Ok::<(), underpin_exposure::cadence::CadenceError>(())
//! ```
//!
//! What the numbers mean:
//! - A *date* is a day on which at least one patch came. A *batch* is one maintenance: the patches of all dates within
//!   `batch_days` of its first date. With 0 every date is a maintenance of its own.
//! - The interval is `(built, until]`: a host has what was published up to the day it was built.
//!   `mean_interval_days = (until - built) / maintenances`. Gaps are between first days of neighbouring batches, so
//!   `mean_gap_days = (last - first) / (maintenances - 1)`.
//! - Days of three kinds are never mixed in one series ([`Dated`]): when a release was published, when an advisory was,
//!   and when a package was *built* (the date of a changelog entry), which may be days before users could get it.
//! - Nothing is made up: fewer than two dates give no gaps (`None`), a line without data says so, and a series whose
//!   facts end before `until` names the day on which they end. Silence after that day means that nobody looked. Patches of
//!   which the facts do not state what a policy asks for are counted apart; where only such are there, the number of
//!   maintenances is not known (`None`), which is not 0.

mod applicable;
mod gaps;
mod history;
mod measure;
mod taken;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use underpin_model::facts::PatchClass;

use crate::report::Area;

pub use applicable::Installed;
pub use gaps::{Batch, Gaps, Quantile, Trend, TrendDirection};
pub use history::{History, Patch};
pub use measure::{CLASSES, of_dates};

/// What the day of a patch means. Days of different kinds are never in one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dated {
    /// A release was published.
    Published,
    /// An advisory was published; the release that it speaks of may have come earlier.
    Advisory,
    /// A package was built (a changelog's date), not when users could get it.
    Built,
}

impl Dated {
    /// The one with this name, as [`Self::name`] writes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// All kinds, the one that is taken first where nothing is asked for at the front.
    pub const ALL: [Self; 3] = [Self::Published, Self::Advisory, Self::Built];

    /// The name in queries and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Advisory => "advisory",
            Self::Built => "built",
        }
    }
}

/// Which patches make a maintenance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// All of them.
    #[default]
    All,
    /// Those that their issuer calls security patches, or that name a vulnerability.
    Security,
    /// Those that name a CVE.
    Cve,
    /// Those of components that the hosts of a fleet have installed.
    Applicable,
}

impl Policy {
    /// The one with this name, as [`Self::name`] writes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// All policies.
    pub const ALL: [Self; 4] = [Self::All, Self::Security, Self::Cve, Self::Applicable];

    /// The name in queries and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Security => "security",
            Self::Cve => "cve",
            Self::Applicable => "applicable",
        }
    }
}

/// What a platform's patches are split by, one series each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// One series a product line.
    Line,
    /// One series a component.
    Component,
    /// One series an area of the platform.
    Area,
    /// One series a patch class.
    Class,
}

impl Split {
    /// The one with this name, as [`Self::name`] writes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// All ways to split.
    pub const ALL: [Self; 4] = [Self::Line, Self::Component, Self::Area, Self::Class];

    /// What to split by where nobody says: one platform whose lines are products side by side, as those of ESXi are, by line
    /// unless lines or components are asked for. Pooled they would be one host that takes the patches of all.
    #[must_use]
    pub fn usual(platforms: &[String], lines: &[String], components: &[String]) -> Option<Self> {
        let [platform] = platforms else { return None };
        (platform.eq_ignore_ascii_case("esxi") && lines.is_empty() && components.is_empty())
            .then_some(Self::Line)
    }

    /// The name in queries and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Component => "component",
            Self::Area => "area",
            Self::Class => "class",
        }
    }
}

/// The life of a host: built on one day, looked at on another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The day on which the host was built; patches of that day are in it. `None`: from the first patch on.
    pub built: Option<Date>,
    /// The last day that counts. `None`: as far as the facts go.
    pub until: Option<Date>,
}

/// Which patches, and how they are counted.
#[derive(Debug, Clone, Default)]
pub struct Query<'a> {
    /// Platforms by name (`esxi`, `proxmox`). Empty: all that the facts have.
    pub platforms: Vec<String>,
    /// Product lines (`6.7`, `bookworm`); each makes a series of every platform that has it. Empty: all lines together.
    pub lines: Vec<String>,
    /// Components by name, `*` for any letters; together one series. Empty: all.
    pub components: Vec<String>,
    /// Only components of this area.
    pub area: Option<Area>,
    /// Only patches of this class; those that state none are counted apart.
    pub class: Option<PatchClass>,
    /// Only patches whose bulletin starts with this text (`DSA-`).
    pub bulletin: Option<String>,
    /// Only days of this kind. `None`: of the first kind in [`Dated::ALL`] that the patches have which the policy takes.
    pub dated: Option<Dated>,
    /// Which patches make a maintenance.
    pub policy: Policy,
    /// What the hosts of the fleet have installed; needed by [`Policy::Applicable`].
    pub installed: Option<&'a Installed>,
    /// The life of the host.
    pub interval: Interval,
    /// Patches within so many days of the first one are one maintenance.
    pub batch_days: u16,
    /// What to split by.
    pub by: Option<Split>,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cadence {
    /// Which patches made a maintenance.
    pub policy: Policy,
    /// Patches within so many days of the first one were one maintenance.
    pub batch_days: u16,
    /// One series for each platform, line or part, in the order asked for.
    pub series: Vec<Series>,
    /// Platforms and lines that were asked for and have no series.
    pub warnings: Vec<String>,
}

/// A cadence as the command line and the API give it: a single series stands at the top, where a script finds it without an
/// index; all are in `series`.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    #[serde(flatten)]
    only: Option<&'a Series>,
    #[serde(flatten)]
    all: &'a Cadence,
}

impl<'a> Answer<'a> {
    /// Of this cadence.
    #[must_use]
    pub fn of(cadence: &'a Cadence) -> Self {
        let only = match cadence.series.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        Self { only, all: cadence }
    }
}

/// One line of patches, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// What it is: platform, line, component.
    pub name: String,
    /// The platform; `None` for dates from a file.
    pub platform: Option<String>,
    /// The product line, where there is one.
    pub line: Option<String>,
    /// What the days are; `None`: not known, as for dates from a file.
    pub dated: Option<Dated>,
    /// Batches in the interval: how often the host would have been put into maintenance. `None`: not known, because
    /// nothing is known of the interval, or of no patch in it whether the policy takes it. At least so many where
    /// [`Self::patches_untold`] is above 0.
    pub maintenances: Option<usize>,
    /// Batches if the policy took every patch of which that is not known; `None`: nothing is known of the interval.
    pub maintenances_at_most: Option<usize>,
    /// Patches in the interval of which the facts do not state what the policy or the class asks for. They are in no other
    /// figure.
    pub patches_untold: usize,
    /// `(until - built) / maintenances` in days, at most so many where [`Self::patches_untold`] is above 0; `None`
    /// without either day or without a maintenance.
    pub mean_interval_days: Option<f64>,
    /// The day on which the host was built.
    pub built: Option<Date>,
    /// The last day that counted.
    pub until: Option<Date>,
    /// `until - built` in days.
    pub span_days: Option<i32>,
    /// Different days with a patch; `None` where the number of maintenances is not known.
    pub distinct_dates: Option<usize>,
    /// Patches: different bulletins, updates or versions; `None` where the number of maintenances is not known.
    pub patches: Option<usize>,
    /// Mean and largest number of patches in a maintenance.
    pub patches_per_maintenance: Option<PerMaintenance>,
    /// Mean days between neighbouring maintenances; `None` for fewer than two.
    pub mean_gap_days: Option<f64>,
    /// Days between neighbouring maintenances; `None` for fewer than two maintenances.
    pub gaps: Option<Gaps>,
    /// Whether maintenances become more or less frequent; `None` for fewer than four.
    pub trend: Option<Trend>,
    /// The first day of which the facts tell something about this series, in the interval or not.
    pub covered_from: Option<Date>,
    /// The last day of which the facts tell something about this series; later silence means that nobody looked.
    pub covered_until: Option<Date>,
    /// Days of the interval after [`Self::covered_until`].
    pub unknown_days: Option<i32>,
    /// How old the line is and whether it is still supported, on the last day that counted.
    pub maturity: Option<Maturity>,
    /// Volume by class; `not stated` where neither the issuer nor a named vulnerability tells.
    pub by_class: Vec<Volume>,
    /// Volume by component.
    pub by_component: Vec<Volume>,
    /// Volume by area of the platform.
    pub by_area: Vec<Volume>,
    /// The maintenances.
    pub batches: Vec<Batch>,
    /// What a reader must know before comparing: missing data, the kind of the days.
    pub notes: Vec<String>,
}

/// Patches that come together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PerMaintenance {
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: usize,
}

/// How much of a series belongs to one class, component or area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// The class, component or area.
    pub name: String,
    /// Its patches.
    pub patches: usize,
    /// Maintenances that hold at least one of them.
    pub maintenances: usize,
}

/// Where a line is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Maturity {
    /// The day that this speaks about.
    pub at: Date,
    /// First release, where known.
    pub released: Option<Date>,
    /// Days since the first release; `None`: not known, or not yet released.
    pub age_days: Option<i32>,
    /// The end of security support, where known.
    pub end_of_life: Option<Date>,
    /// The phase.
    pub phase: Phase,
}

impl Maturity {
    /// How long there is security support, in words that stay true on any later day: a line that was supported on the last day of its
    /// facts may have ended since.
    #[must_use]
    pub fn support(&self) -> String {
        match (self.phase, self.end_of_life) {
            (Phase::Supported, Some(end)) => format!("until {end}"),
            (Phase::Supported, None) => "no end known".to_owned(),
            (Phase::Ended, Some(end)) => format!("ended {end}"),
            (phase, _) => phase.name().to_owned(),
        }
    }
}

/// A phase of a product line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not known.
    Unknown,
    /// Not yet released.
    Unreleased,
    /// Released and supported.
    Supported,
    /// Security support has ended.
    Ended,
}

impl Phase {
    /// The word in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Unreleased => "unreleased",
            Self::Supported => "supported",
            Self::Ended => "ended",
        }
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CadenceError {
    /// The interval ends before it starts.
    #[error("until {until} is before built {built}; give a later day, or an earlier built day")]
    Backwards {
        /// Start.
        built: Date,
        /// End.
        until: Date,
    },
    /// No fact is about this platform.
    #[error("platform {found:?} is not in the facts; known are {known}")]
    UnknownPlatform {
        /// What was asked for.
        found: String,
        /// All platforms.
        known: String,
    },
    /// No platform of the query has this line.
    #[error("line {found:?} is of none of these platforms; known are {known}")]
    UnknownLine {
        /// What was asked for.
        found: String,
        /// Lines of the platforms.
        known: String,
    },
    /// No platform of the query has such a component.
    #[error("no component {found:?} of these platforms is in the facts; known are {known}")]
    UnknownComponent {
        /// What was asked for.
        found: String,
        /// Components of the platforms.
        known: String,
    },
    /// The policy asks for a fleet.
    #[error(
        "the policy `applicable` needs a fleet: it counts patches of components that its hosts have installed"
    )]
    NoFleet,
}
