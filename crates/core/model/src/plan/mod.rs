//! The plan: an immutable timed list of steps, so specific that nothing is left to choose when it is carried out.
//!
//! **Time.** Offsets are whole seconds from [`Plan::starts_at`]. A step holds the span `[start_s, start_s + p95_s)`: what comes
//! after it starts no earlier. So the timeline is the one of slow steps, every rule is checked on it, and a step that is faster
//! only leaves a gap. [`Eta::p50_s`] says when the whole would be over if every step took its median.
//!
//! **What stands where.** A guest counts on its host from the start of the plan; on both ends while it migrates; on the target
//! alone afterwards. A stopped guest needs nothing; a suspended one its memory. A guest whose power is unknown counts as running.
//!
//! **Away.** A host is away from its wave's first step that touches it or its guests ([`StepKind::touches`]) until its last.
//! While it is away, no guest moves to it but its own coming home after it was verified. From the start of its first `patch` or
//! `reboot` until the end of its last `verify` it is *down* (unless the method leaves guests running): it holds no guest that
//! runs, and counts for no capacity.
//!
//! **Rules.** What holds at every moment is listed in [`Rule`]; the planner keeps it and the lint finds where it is broken.

mod bounds;
mod outcome;
mod read;
mod report;
mod rule;
mod schema;
mod step;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::{Layer, Method};
use crate::id::{ClusterId, ElementId, HostId};
use crate::policy::{Homing, Placing};

pub use bounds::{Bounds, Eta, Forced, StaticStatus, StaticWaves, WaveForce};
pub use outcome::{ElementOutcome, Outcome, Reason, WaveReport};
pub use read::{MAX_BYTES, MAX_STEPS, PlanError, read};
pub use report::{
    Also, Alternative, CapacityFloor, Counterfactual, CutSoak, DurationFrom, DurationSource, ExposurePoint,
    GivenUp, Moves, PlanFigures, PlanReport, Price, Relaxation, Standing, StepDuration, Trial, TrialCost,
};
pub use rule::{Rule, Severity};
pub use schema::{report_schema, schema};
pub use step::{Frozen, Step, StepKind};

/// The value of `format` in a plan of this version.
pub const FORMAT: &str = "underpin/plan/1";

/// The value of `format` in a report of this version.
pub const REPORT_FORMAT: &str = "underpin/plan-report/1";

/// How cautious a plan is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// As the policy says.
    #[default]
    Normal,
    /// Soak and rings compressed within the policy's limits; [`PlanReport::given_up`] says what that gives up.
    Emergency,
}

/// What a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MadeFrom {
    /// Name of the fleet.
    pub fleet: String,
    /// When the fleet was seen.
    pub seen_at: Timestamp,
    /// SHA-256 of the fleet file in hexadecimal, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet_sha256: Option<String>,
    /// SHA-256 of the policy file in hexadecimal; absent: the default policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_sha256: Option<String>,
    /// Seed of the search.
    pub seed: u64,
    /// Plans that were evaluated.
    pub evaluations: u64,
}

/// Hosts (or one other element) that are changed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// Its number, from 1, in the order of start.
    pub number: u32,
    /// What kind of elements it changes.
    pub layer: Layer,
    /// Their cluster; absent where they belong to none or to several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterId>,
    /// Their ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<String>,
    /// They are the first of their hardware classes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// The elements that it changes; none: guests leave hosts of a later wave early.
    pub elements: Vec<ElementId>,
    /// First step's start.
    pub start_s: u32,
    /// Last step's end, every step at its 95th percentile.
    pub end_s: u32,
    /// What was changed soaks until then: later rings wait for it.
    pub soak_until_s: u32,
}

/// An immutable plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this file's form: `underpin/plan/1`.
    pub format: String,
    /// SHA-256 in hexadecimal of the plan that this one follows; it becomes the target only if that one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What it was made from.
    pub made_from: MadeFrom,
    /// The instant that offsets count from; whole seconds.
    pub starts_at: Timestamp,
    /// How cautious it is.
    pub profile: Profile,
    /// Who places.
    pub placing: Placing,
    /// Where guests stay.
    pub homing: Homing,
    /// Waves by number.
    pub waves: Vec<Wave>,
    /// Steps by id, which is their position; starts never fall.
    pub steps: Vec<Step>,
    /// Soaks that began before the plan and are not over when it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub soaking: Vec<Soaking>,
    /// Elements that have a change to come and are not in any wave; why is in the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// A host that had a change before the plan began, and on which it soaks still: later rings wait for it, and the rest of its own where
/// it is one of the canaries of its hardware class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Soaking {
    /// The host.
    pub element: ElementId,
    /// The change.
    pub change: String,
    /// It is one of those that the rest of its hardware class learns from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// Until then, in seconds.
    pub until_s: u32,
    /// How its beginning is known.
    pub since: SoakSince,
}

/// How the beginning of a soak is known that began before the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SoakSince {
    /// The fleet says since when the host runs what it runs.
    Fleet,
    /// The fleet says when it booted, and the change takes a reboot: too early where it got the change later without one.
    Boot,
    /// The parent plan says when it was to have it, or until when it soaks.
    Parent,
    /// Nobody knows: it counts from the moment at which the host was seen with it.
    Seen,
}

/// An element that the plan leaves as it is although a change waits for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The element.
    pub element: ElementId,
    /// The change.
    pub change: String,
    /// The policy chose so, as opposed to: nothing else was possible.
    pub deferred: bool,
}

impl Plan {
    /// The step with an id.
    #[must_use]
    pub fn step(&self, id: u32) -> Option<&Step> {
        self.steps.get(usize::try_from(id).ok()?)
    }

    /// The wave with a number.
    #[must_use]
    pub fn wave(&self, number: u32) -> Option<&Wave> {
        self.waves.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// When each wave begins to touch what it changes, in seconds. What is staged and checked comes before.
    #[must_use]
    pub fn waves_begin(&self) -> Vec<u32> {
        let mut begins: Vec<Option<u32>> = vec![None; self.waves.len()];
        for step in self.steps.iter().filter(|it| it.kind.touches()) {
            let at = step.wave.checked_sub(1).and_then(|it| usize::try_from(it).ok());
            if let Some(it) = at.and_then(|it| begins.get_mut(it)) {
                *it = Some(it.map_or(step.start_s, |before| before.min(step.start_s)));
            }
        }
        begins.into_iter().zip(&self.waves).map(|(it, wave)| it.unwrap_or(wave.start_s)).collect()
    }

    /// End of the last step, in seconds.
    #[must_use]
    pub fn end_s(&self) -> u32 {
        self.steps.iter().map(Step::end_s).max().unwrap_or(0)
    }

    /// The instant of an offset.
    #[must_use]
    pub fn instant(&self, offset_s: u32) -> Timestamp {
        self.starts_at
            .checked_add(jiff::SignedDuration::from_secs(i64::from(offset_s)))
            .unwrap_or(Timestamp::MAX)
    }

    /// The method by which each host is changed: of its first `patch` step.
    pub fn methods(&self) -> impl Iterator<Item = (&ElementId, Method)> {
        self.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Patch { element, method, .. } => Some((element, *method)),
            _ => None,
        })
    }
}

/// The element id of a host.
#[must_use]
pub fn element_of(host: &HostId) -> Option<ElementId> {
    ElementId::new(host.as_str()).ok()
}
