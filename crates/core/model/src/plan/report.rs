//! What a plan's report says: what would unblock, moves and room, what is given up, and all of it together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, Eta, StaticWaves};
use super::outcome::{ElementOutcome, WaveReport};
use super::{Rule, Severity};
use crate::change::Method;
use crate::fleet::{Action, TimedStep};
use crate::id::{ClusterId, ElementId, HostId, ManagementPlaneId, TenantId, VmId};
use crate::policy::{Homing, Spread};
use crate::quantity::Loss;

/// A change of the input that would unblock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Relaxation {
    /// More hosts like the largest of the cluster.
    SpareHosts {
        /// The cluster.
        cluster: ClusterId,
        /// How many.
        hosts: u32,
    },
    /// A tenant's consent.
    Consent {
        /// The tenant; absent: the operator's own guests.
        tenant: Option<TenantId>,
        /// The action.
        action: Action,
        /// The guests.
        vms: Vec<VmId>,
    },
    /// A longer window.
    LongerWindow {
        /// The tenant; absent: the hosts' own.
        tenant: Option<TenantId>,
        /// By so many minutes.
        minutes: u32,
    },
    /// A window every day where none opens.
    OpenWindow {
        /// The tenant whose guests it is about; absent: the hosts' own.
        tenant: Option<TenantId>,
        /// The hosts that it is about; empty where it is a tenant's or a plane's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<HostId>,
        /// The management planes that it is about, without the hosts beneath them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        planes: Vec<ManagementPlaneId>,
        /// So long, from midnight UTC.
        minutes: u32,
    },
    /// Without the reserve for a failure, by an exception.
    WithoutReserve {
        /// The cluster.
        cluster: ClusterId,
    },
    /// Without a freeze of the calendar, by an exception from `freeze-calendar`: it lifts every freeze of whom it names.
    WithoutFreeze {
        /// The freeze's id in the policy.
        freeze: String,
        /// The tenant whose guests it is about; absent: the hosts' own.
        tenant: Option<TenantId>,
        /// The hosts that it is about; empty where it is a tenant's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<HostId>,
    },
    /// Without a freeze of the calendar at all: no exception from it speaks of management planes, witnesses and storage.
    LiftFreeze {
        /// The freeze's id in the policy.
        freeze: String,
    },
    /// Without a rule.
    WithoutRule {
        /// The rule.
        rule: Rule,
        /// The guests.
        vms: Vec<VmId>,
    },
    /// More hosts away at a time.
    MostAway {
        /// The cluster.
        cluster: ClusterId,
        /// How many.
        most: u32,
    },
    /// A fact that somebody must find out.
    Fact {
        /// The element.
        element: ElementId,
        /// The fact.
        fact: String,
    },
    /// More bandwidth for migrations.
    Bandwidth {
        /// The host.
        host: HostId,
        /// At least so much, in Mbit/s.
        mbps: u32,
    },
    /// Repair what is degraded.
    Repair {
        /// The cluster or storage.
        element: ElementId,
    },
    /// The lock on a guest ends.
    Unlock {
        /// The guest.
        vm: VmId,
    },
}

/// What trying a relaxation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trial {
    /// A plan with it (and with what goes with it) contains the elements.
    Enough,
    /// A plan with it contains none of them: what else is in the way was not found.
    NotEnough,
    /// No plan was made with it: it is needed, and perhaps not enough.
    NotTried,
}

/// What a relaxation costs: an amount, or the key of the policy that would price it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    /// In the policy's currency; absent: the policy does not state the key, or the units are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Loss>,
    /// The key of the policy that prices it, or would.
    pub key: String,
    /// How many units of what the key prices; absent: a plan with it would tell, and there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<f64>,
    /// What the key prices: `host-days`, `minutes`, `gbps-hosts`, `vm-hours`, `repairs`, `unlocks`, `facts`, `exceptions`.
    pub unit: String,
    /// The key is at its default: a judgement.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub judgement: bool,
}

/// What a plan of the clusters concerned comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanFigures {
    /// Elements that are changed.
    pub planned: u32,
    /// End, in seconds.
    pub ends_s: u32,
    /// Moves.
    pub moves: u64,
    /// Guests that are interrupted.
    pub interrupted: u64,
}

/// What a plan with a relaxation costs beside one without, both made at once and without search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialCost {
    /// Without it.
    pub without: PlanFigures,
    /// With it.
    pub with: PlanFigures,
    /// Elements that are changed without it and not with it: the two plans are not of the same elements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loses: Vec<ElementId>,
    /// Hosts whose failure would no longer be sure to find room: those of the largest failure set of the policy.
    pub reserve_hosts: u32,
}

/// What must be relaxed beside something else that is not enough alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Also {
    /// What else would have to change.
    pub relaxation: Relaxation,
    /// What that costs.
    pub price: Price,
}

/// The smallest relaxation that would unblock elements, with its price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counterfactual {
    /// What would have to change.
    pub relaxation: Relaxation,
    /// What it costs.
    pub price: Price,
    /// Neither is enough alone: this has to change with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Also>,
    /// What trying it came to.
    pub trial: Trial,
    /// The elements that are blocked in this plan and changed by the one with it, whatever blocks them; unless it is enough, those of
    /// which it is a reason.
    pub unblocks: Vec<ElementId>,
    /// Position in this list of one that unblocks all of these, loses no more and costs no more: one of the two will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_by: Option<u32>,
    /// What the plan with it costs, where it is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<TrialCost>,
    /// Loss per day that staying blocked costs, in the policy's currency.
    pub loss_per_day: f64,
}

/// Moves of guests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moves {
    /// All of them.
    pub moves: u64,
    /// Guests that move.
    pub guests: u64,
    /// Moves beyond the first of a guest.
    pub again: u64,
    /// Pauses of all guests together, in milliseconds.
    pub pause_ms: u64,
    /// Guests that are powered off or suspended, those that move while they are off among them.
    pub interrupted: u64,
}

/// The least room that a cluster has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityFloor {
    /// The cluster.
    pub cluster: ClusterId,
    /// Memory that is free on hosts that are not away, at the worst moment, in MiB.
    pub free_memory_mib: u64,
    /// That moment, in seconds.
    pub at_s: u32,
    /// Free memory at the start, in MiB.
    pub at_start_mib: u64,
}

/// Exposure that is still open.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExposurePoint {
    /// From this moment, in seconds.
    pub at_s: u32,
    /// Elements still to be changed.
    pub open: u32,
    /// Loss per day that they stand for, in the policy's currency.
    pub loss_per_day: f64,
}

/// Another way that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// Where guests stay.
    pub homing: Homing,
    /// Moves.
    pub moves: u64,
    /// End, in seconds.
    pub makespan_s: u32,
    /// What its moves cost, in the policy's currency.
    pub move_price: f64,
    /// Elements that it changes.
    pub planned: u32,
}

/// What an emergency gives up against the same plan in the normal profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GivenUp {
    /// What: `soak`, `ring-order`, `windows`, `hosts-away`.
    pub what: String,
    /// How much, in words with numbers.
    pub how: String,
    /// Hosts that it is about; of `soak`: those that have a release before its soak as canary or in an earlier ring would have ended.
    pub hosts: u32,
    /// Guests that stood on these hosts at the start.
    #[serde(default)]
    pub guests: u32,
    /// What the open holes of these hosts cost a day, in the policy's currency: what is cut short by it.
    #[serde(default)]
    pub loss_per_day: f64,
    /// Of `soak`: which is cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub soaks: Vec<CutSoak>,
    /// Of `soak`: days by which these hosts have the release too early, summed up.
    #[serde(default)]
    pub host_days: f64,
    /// Of `soak`: what a bad release that the whole soak would have stopped costs on these hosts, times its probability, in the policy's
    /// currency: `regression_prior` x `q` x `ring_stops` x `hours_after_regression` x `loss.vm_hour_down` of each guest, as if
    /// nothing stood in for guests whose host is down.
    #[serde(default)]
    pub bad_release: f64,
}

/// A soak that an emergency cuts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CutSoak {
    /// The ring.
    pub ring: String,
    /// As the policy asks for it otherwise, in seconds.
    pub from_s: u32,
    /// As it is now, in seconds.
    pub to_s: u32,
}

/// Something that was wrong before the plan, or that nobody can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// The rule.
    pub rule: Rule,
    /// How bad.
    pub severity: Severity,
    /// Where.
    pub place: String,
    /// What is there and what was expected.
    pub text: String,
}

/// Where the durations of some elements' steps are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DurationSource {
    /// The elements: hosts of one product and hardware, or others that are changed alike.
    pub elements: Vec<ElementId>,
    /// Their method.
    pub method: Method,
    /// Its steps, those that take no time left out.
    pub steps: Vec<StepDuration>,
}

/// How long one step is planned to take, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepDuration {
    /// The step.
    pub step: TimedStep,
    /// Median and 95th percentile.
    pub spread: Spread,
    /// Who says so.
    #[serde(flatten)]
    pub from: DurationFrom,
}

/// Who says how long a step takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum DurationFrom {
    /// The policy.
    Policy,
    /// The change.
    Change {
        /// Which.
        change: String,
    },
    /// Fitted from history, the policy being worth a few observations.
    Fitted {
        /// Observations on the same product and hardware.
        same_hardware: u32,
        /// On other hardware of the same product.
        same_platform: u32,
        /// On other products.
        others: u32,
        /// Of all these, steps that took at least so long: failed, or running still.
        at_least: u32,
    },
}

/// The report of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReport {
    /// Version of this file's form: `underpin/plan-report/1`.
    pub format: String,
    /// SHA-256 of the plan in hexadecimal.
    pub plan_sha256: String,
    /// When it is over.
    pub eta: Eta,
    /// How good it is.
    pub bounds: Bounds,
    /// The static wave model of each cluster in which something is changed, by cluster.
    #[serde(default)]
    pub static_waves: Vec<StaticWaves>,
    /// Moves.
    pub moves: Moves,
    /// Elements by id.
    pub elements: Vec<ElementOutcome>,
    /// Waves by number.
    pub waves: Vec<WaveReport>,
    /// What would unblock.
    pub counterfactuals: Vec<Counterfactual>,
    /// Least room by cluster.
    pub capacity_floors: Vec<CapacityFloor>,
    /// Exposure over time.
    pub exposure: Vec<ExposurePoint>,
    /// Other ways.
    pub alternatives: Vec<Alternative>,
    /// What an emergency gives up; empty in the normal profile.
    pub given_up: Vec<GivenUp>,
    /// Exceptions of the policy that the plan uses, by id.
    pub exceptions_used: Vec<String>,
    /// What was wrong before, and what nobody can tell.
    pub standing: Vec<Standing>,
    /// Where durations are from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub durations: Vec<DurationSource>,
    /// What the plan changed against its parent; empty without one.
    pub changed: Vec<String>,
}
