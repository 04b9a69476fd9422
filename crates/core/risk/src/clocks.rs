//! Promises of the policy as running clocks.
//!
//! A clock has a state, the fact that started it, the day that it is due, and what the plan makes of it: the assets of each
//! kind are patched in the order of their due days at the pace that is planned for the kind, and one whose turn comes after its
//! due day will breach. Of a kind without a pace nobody knows, and that is said. A clock whose start no source dates is
//! `unknown` and names the missing fact; nothing is left out silently.
//!
//! A risk that someone has accepted stops the clocks of its vulnerability in its scope up to and with the day on which it
//! expires; with the first moment of the next day (UTC) they stand where they would have stood.

pub(crate) mod acceptance;
mod forecast;
pub(crate) mod places;
mod read;
mod tenants;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use underpin_exposure::report::{Asset, AssetKind, Need};
use underpin_model::policy::{PromiseKind, short};
use underpin_model::quantity::Loss;

pub use forecast::{Turn, turns};
pub use read::read;
pub use tenants::{Answer, TenantClocks, by_tenant, tenant_named};

/// Days that count as soon where nobody says otherwise.
pub const SOON_DAYS: u16 = 7;

/// Where a clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not done, and the due day has passed.
    Breached,
    /// A fact is missing: the clock cannot be read.
    Unknown,
    /// Not done, and due within the days that count as soon.
    DueSoon,
    /// Not done, and not due yet.
    Running,
    /// Not done, and the risk is accepted: the clock stands still until that expires.
    Accepted,
    /// What starts the clock has not happened: no fix is published, the end of life lies ahead.
    NotStarted,
    /// Done after its due day or before it: the due day has passed and the day of doing is not recorded.
    Done,
    /// Done, and the due day is not past.
    Kept,
}

impl State {
    /// Every state, the most pressing first.
    pub const ALL: [Self; 8] = [
        Self::Breached,
        Self::Unknown,
        Self::DueSoon,
        Self::Running,
        Self::Accepted,
        Self::NotStarted,
        Self::Done,
        Self::Kept,
    ];

    /// The word in output and in questions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Breached => "breached",
            Self::Unknown => "unknown",
            Self::DueSoon => "due-soon",
            Self::Running => "running",
            Self::Accepted => "accepted",
            Self::NotStarted => "not-started",
            Self::Done => "done",
            Self::Kept => "kept",
        }
    }

    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Breached => "breached",
            Self::Unknown => "unknown",
            Self::DueSoon => "due soon",
            Self::Running => "running",
            Self::Accepted => "accepted",
            Self::NotStarted => "not started",
            Self::Done => "done, day not recorded",
            Self::Kept => "kept",
        }
    }
}

/// One clock, for all the assets on which it reads the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clock {
    /// The promise.
    pub promise: String,
    /// What it demands.
    pub kind: PromiseKind,
    /// What it is about: a vulnerability, or a release.
    pub subject: String,
    /// The component in which it is, with its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The version that closes it, where that is not installed and one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What is to be done where the fix is installed and not in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Where it stands.
    pub state: State,
    /// The day that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Date>,
    /// The day that it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// The fact that started it and who states it, or the fact that is missing.
    pub evidence: String,
    /// The acceptance that stops it, or that stopped it until it expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
    /// The assets, in order.
    pub assets: Vec<Asset>,
    /// Those among them whose turn comes after the due day at the planned pace, of the kinds that have one.
    #[serde(skip_serializing_if = "is_zero")]
    pub will_breach: usize,
    /// Those among them of a kind for which no pace is planned: whether they will breach is not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub forecast_unknown: usize,
}

impl Clock {
    /// Somebody has to work on its assets: a fix is known that is not installed, or installed and not in force. What is not in force
    /// always needs something, if only [`Need::Unknown`].
    #[must_use]
    pub fn waits(&self) -> bool {
        self.fix.is_some() || !self.needs.is_empty()
    }
}

/// A risk that someone accepted, as a clock shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Acceptance {
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it holds.
    pub expires: Date,
    /// That day has passed.
    pub expired: bool,
    /// Why it was accepted.
    pub reason: String,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Assets of one kind that will breach a promise on one day at the planned pace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForecastBreach {
    /// The promise.
    pub promise: String,
    /// The first day after the due day, or after that on which its acceptance expires, if that is later.
    pub on: Date,
    /// Their kind.
    pub kind: AssetKind,
    /// How many.
    pub assets: usize,
    /// `at the planned pace 12 hosts breach "contract" on 2026-12-03`.
    pub sentence: String,
}

/// Assets of one kind that wait for a fix under a promise, and of which nobody planned the pace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForecastUnknown {
    /// The promise.
    pub promise: String,
    /// Their kind.
    pub kind: AssetKind,
    /// How many.
    pub assets: usize,
    /// `3 VMs wait for a fix under "contract"; no pace is planned for VMs: whether they breach is unknown`.
    pub sentence: String,
}

/// One promise in sum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PromiseState {
    /// Its name.
    pub promise: String,
    /// What it demands.
    pub kind: PromiseKind,
    /// Within so many days.
    pub days: u32,
    /// Clocks x assets by state; every state is there.
    pub counts: BTreeMap<State, usize>,
    /// Penalty, once the promise is broken.
    pub penalty: Loss,
    /// It is broken now.
    pub broken: bool,
}

/// All clocks on a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The day.
    pub as_of: Date,
    /// Hosts patched per day in the forecast.
    pub hosts_per_day: f64,
    /// Days that count as soon.
    pub soon_days: u16,
    /// Hosts that wait for a fix, in the forecast.
    pub hosts_to_patch: usize,
    /// The day on which the last of them has its fix at that pace; `None`: no host waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_patched_on: Option<Date>,
    /// Tenants, clusters, hosts, planes and platforms that promises name and the fleet does not have, in words.
    pub warnings: Vec<String>,
    /// The promises in the order of the policy.
    pub promises: Vec<PromiseState>,
    /// Who will breach and when, by day.
    pub forecast: Vec<ForecastBreach>,
    /// Of whom that is not known.
    pub forecast_unknown: Vec<ForecastUnknown>,
    /// The clocks, the most pressing first.
    pub clocks: Vec<Clock>,
}

/// How clocks are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Days that count as soon.
    pub soon_days: u16,
    /// Hosts patched per day in the forecast. The paces of other kinds are those of the policy's maintenance.
    pub hosts_per_day: f64,
}

/// Why clocks cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClockError {
    /// The policy promises nothing.
    #[error(
        "the policy has no promise, expected at least one such as [[promise]] id = \"contract\", kind = \"fix-within\", days = 30"
    )]
    NoPromise,
    /// The pace is none.
    #[error("found a pace of {} hosts per day, expected from 0.001 to 1000000", short(*.0))]
    Pace(f64),
}
