//! What a plan's report says: what becomes of every element, why, what would unblock it, and how good the plan is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, Severity};
use crate::change::Method;
use crate::fleet::{Action, TimedStep};
use crate::id::{ApplicationId, ClusterId, ElementId, HostId, StorageId, TenantId, VmId};
use crate::policy::{Homing, Spread};
use crate::quantity::Loss;

/// Why something waits, or is not possible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Reason {
    /// It waits for the soak of an earlier ring, or of the canaries of its own.
    Soak {
        /// The ring that soaks; absent where hosts have none.
        ring: Option<String>,
        /// Until then, in seconds.
        until_s: u32,
    },
    /// It waits for hosts of an earlier wave to come back.
    EarlierWave {
        /// The wave's number.
        wave: u32,
    },
    /// It waits for another change.
    EarlierChange {
        /// The change.
        change: String,
        /// The element that must be changed first.
        element: ElementId,
    },
    /// It waits for a window to open.
    WindowOpens {
        /// The tenant whose window it is; absent: the hosts' own.
        tenant: Option<TenantId>,
        /// At that moment, in seconds.
        at_s: u32,
    },
    /// Guests of a tenant leave a host before it is changed, since their windows are not open when it is.
    LeavesEarly {
        /// The tenant.
        tenant: TenantId,
    },
    /// No window within the horizon is long enough or open at the right time.
    OutsideWindow {
        /// The tenant whose window it is; absent: the hosts' own.
        tenant: Option<TenantId>,
        /// Seconds that are needed at a stretch.
        needs_s: u32,
        /// The longest opening in the horizon, in seconds.
        longest_s: u32,
    },
    /// A rule binds a guest to its host, or to guests that cannot leave.
    RequiredAffinity {
        /// The guest.
        vm: VmId,
        /// The rule.
        rule: Rule,
    },
    /// No host that may take the guest has the CPU features that it needs.
    NoTargetWithFeature {
        /// The guest.
        vm: VmId,
        /// Features that no candidate has, or those that it needs.
        features: Vec<String>,
    },
    /// No host that may take the guest reaches what it needs.
    NoTargetWithReach {
        /// The guest.
        vm: VmId,
        /// Storage and networks that it needs.
        needs: Vec<String>,
    },
    /// Candidates have a lower release only.
    NoTargetWithRelease {
        /// The guest.
        vm: VmId,
    },
    /// The guest is larger than any other host.
    LargerThanAnyHost {
        /// The guest.
        vm: VmId,
        /// Its memory in MiB.
        memory_mib: u64,
    },
    /// The cluster has not enough room for what must leave.
    Short {
        /// The resource: `memory_mib`, `vcpus`, `hugepages_mib`.
        resource: String,
        /// How much is missing at least.
        short: u64,
        /// The reserve for a failure is what is missing: without it there would be room.
        reserve: bool,
    },
    /// Should a host fail, rules, reach or pieces that are too small leave a guest without a place, though there is enough of each resource.
    NoPlaceAfterFailure {
        /// The guest.
        vm: VmId,
    },
    /// A placement does not exist although the sums would do.
    Fragmented {
        /// The guest that found no place.
        vm: VmId,
    },
    /// Changes that would share the drain have no method in common.
    NoCommonMethod {
        /// Their ids.
        changes: Vec<String>,
    },
    /// The guest's owner has not allowed any action that would empty the host.
    NoAllowedAction {
        /// The guest.
        vm: VmId,
        /// Why it cannot move: `controller`, `suspended`, `no-slots`, `passthrough`, `vtpm`, `local-disk`, `not-allowed`.
        pinned_by: String,
    },
    /// The action needs consent that is not there, or was refused.
    Consent {
        /// The guest.
        vm: VmId,
        /// Its tenant.
        tenant: Option<TenantId>,
        /// The action.
        action: Action,
        /// It was refused, as opposed to not answered.
        refused: bool,
    },
    /// A lock holds the guest.
    Locked {
        /// The guest.
        vm: VmId,
        /// Until then, in seconds; absent: nobody knows.
        until_s: Option<u32>,
    },
    /// The guest writes faster than its migration could copy.
    DoesNotConverge {
        /// The guest.
        vm: VmId,
        /// Its dirty rate in Mbit/s.
        dirty_mbps: u32,
        /// The best bandwidth between its host and a target, in Mbit/s.
        best_mbps: u32,
    },
    /// A fact is missing without which nobody can tell.
    UnknownFact {
        /// The element.
        element: ElementId,
        /// The fact as in the fleet file.
        fact: String,
    },
    /// The cluster is degraded.
    Degraded {
        /// The cluster.
        cluster: ClusterId,
    },
    /// Storage has lost redundancy.
    StorageRedundancy {
        /// The storage.
        storage: StorageId,
    },
    /// The policy or the change says: not now.
    Deferred,
    /// It is done already: nothing is to be changed.
    AlreadyThere,
    /// The guests of one application would all be on a release that soaks.
    ReleaseDiversity {
        /// The application.
        application: ApplicationId,
    },
    /// A limit on hosts away makes it wait.
    MostAway {
        /// What it limits: `cluster`, `fault-domain`, `ring`, `tenant`.
        of: String,
        /// The number.
        most: u32,
    },
    /// The exposure is largest here: it comes first.
    MostUrgent {
        /// Loss per day that it stays open, in the policy's currency.
        loss_per_day: f64,
    },
    /// It covers a hardware class before the others of its ring.
    Canary {
        /// The class.
        class: String,
    },
    /// It manages the others: it comes first.
    Coordinator,
    /// A cycle among changes.
    Cycle {
        /// The changes.
        changes: Vec<String>,
    },
}

/// What becomes of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is changed in a wave.
    Planned,
    /// It cannot be changed as things stand.
    Blocked,
    /// It is left on purpose.
    Deferred,
    /// It is where it should be.
    NotNeeded,
}

/// An element in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ElementOutcome {
    /// The element.
    pub element: ElementId,
    /// The changes that are about it.
    pub changes: Vec<String>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Its wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// When it is touched first, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_s: Option<u32>,
    /// When it is verified, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_s: Option<u32>,
    /// Why so, and why not earlier.
    pub reasons: Vec<Reason>,
}

/// A wave in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaveReport {
    /// The wave's number.
    pub wave: u32,
    /// Moves in it.
    pub moves: u32,
    /// Longest pause of a guest, in milliseconds.
    pub longest_pause_ms: u32,
    /// What it waits for.
    pub reasons: Vec<Reason>,
}

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
    /// Without the reserve for a failure, by an exception.
    WithoutReserve {
        /// The cluster.
        cluster: ClusterId,
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

/// The smallest relaxation that would unblock elements, with its price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counterfactual {
    /// What would have to change.
    pub relaxation: Relaxation,
    /// The elements that it unblocks.
    pub unblocks: Vec<ElementId>,
    /// It was tried: a plan with it contains these elements. Otherwise it is necessary, and perhaps not enough.
    pub tried: bool,
    /// What it costs, in the policy's currency, where the policy prices it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Loss>,
    /// Loss per day that staying blocked costs, in the policy's currency.
    pub loss_per_day: f64,
}

/// When the plan is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Eta {
    /// If every step takes its median and starts at its planned time or after what it waits for, in seconds.
    pub p50_s: u32,
    /// As planned: every step at its 95th percentile, in seconds.
    pub p95_s: u32,
}

/// Lower bounds that no plan can beat, with what the plan reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// Waves of the cluster that needs most, at least: capacity, limits on hosts away, anti-affinity.
    pub waves_at_least: u32,
    /// Waves of that cluster in this plan.
    pub waves: u32,
    /// Moves, at least.
    pub moves_at_least: u64,
    /// Moves in this plan.
    pub moves: u64,
    /// Time to the end of the last step, at least, in seconds, at the 95th percentile of each step.
    pub makespan_at_least_s: u32,
    /// In this plan.
    pub makespan_s: u32,
    /// The term that gives the bound on time: `longest-host`, `hosts-away`, `link`, `soak`, `window`.
    pub makespan_bound_by: String,
}

/// How much is known about the static wave model of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StaticStatus {
    /// A schedule was found, and no schedule has fewer waves.
    Optimal,
    /// A schedule was found; fewer waves are neither found nor excluded.
    Feasible,
    /// It is proven that there is no schedule of all hosts of the cluster.
    Infeasible,
    /// Neither a schedule nor a proof that there is none was found within the budget.
    Unknown,
}

/// What forces waves beyond those of the static model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Forced {
    /// Rings, canaries and soak: hosts of different stages are never away together.
    Stages {
        /// Stages in which hosts of the cluster are changed.
        stages: u32,
        /// Waves that these stages need at least, each by its own hosts.
        at_least: u32,
    },
    /// A limit on hosts away.
    MostAway {
        /// What it limits: `cluster`, or as in [`Reason::MostAway`].
        of: String,
        /// The number.
        most: u32,
        /// Waves that it alone demands; 0: it was met at a single wave.
        at_least: u32,
    },
    /// A host speaks for its pool: it comes first, and alone.
    Coordinator {
        /// The host.
        host: HostId,
    },
    /// A wave waits for a window, a consent or the end of a lock.
    Window {
        /// The wave.
        wave: u32,
        /// The tenant whose window it is; absent: the hosts' own.
        tenant: Option<TenantId>,
    },
    /// Without the hosts of two waves that follow each other the cluster has not enough capacity, in sum.
    Room {
        /// The later of the two waves.
        wave: u32,
        /// The resource.
        resource: String,
        /// How much is missing at least.
        short: u64,
        /// With as much held back as the largest of the remaining hosts has: the reserve for a failure.
        reserve: bool,
    },
    /// Both waves' hosts could be empty, but then some failure would leave guests without a place, although the sums
    /// would do.
    Restartability {
        /// The later of the two waves.
        wave: u32,
        /// The resource.
        resource: String,
        /// How much is missing at least.
        short: u64,
    },
    /// A guest of the later wave finds no room (counted where it comes from and where it goes to, while no guest of another host
    /// moves out of its way), or its rules leave no host while it moves.
    NoTarget {
        /// The later of the two waves.
        wave: u32,
        /// The guest.
        vm: VmId,
        /// Its host.
        from: HostId,
        /// Hosts would have room: rules (affinity, reach, releases) exclude them.
        rules: bool,
    },
    /// Guests of the earlier wave stand on a host of the later one meanwhile.
    Moves {
        /// The later of the two waves.
        wave: u32,
        /// Some of these guests, with the host that takes them.
        moves: Vec<(VmId, HostId)>,
        /// How many there are.
        count: u32,
    },
    /// Nothing was found that forces it: a better search may join the waves.
    NotFound {
        /// The later of the two waves.
        wave: u32,
    },
}

/// A reason for waves beyond the static bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveForce {
    /// What it is.
    #[serde(flatten)]
    pub what: Forced,
    /// By arithmetic: no plan with these stages and limits has fewer waves than it says, or these hosts are never away together
    /// whatever the placement (others may be). Otherwise it holds as guests stand in this plan: the search found no better one.
    pub proven: bool,
}

/// The static wave model of one cluster beside the plan's own waves: how few waves would do if only the placement while each
/// wave is away had to hold (capacity, affinity that must hold, `planning.max_hosts_per_wave`, `planning.n_plus_one` in sum),
/// and not the way there. Guests that are stopped or suspended on their host are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StaticWaves {
    /// The cluster, or the host that is in none.
    pub cluster: ElementId,
    /// Its hosts that are not in maintenance: the model takes each of them away once, those that need no change too.
    pub hosts: u32,
    /// Hosts of it that the plan changes.
    pub planned: u32,
    /// What is known about the model; where some hosts need no change, about a schedule for the others.
    pub status: StaticStatus,
    /// Waves for the hosts that the plan changes, at least: the model's bound where these are all hosts, else that of the sums.
    pub at_least: u32,
    /// Waves of the best schedule of the model, where one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u32>,
    /// Why the model has no schedule, or why nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Waves of this plan.
    pub waves: u32,
    /// Fewer waves are excluded: by the static bound, or by limits and stages. Otherwise a better search may find some.
    pub proven: bool,
    /// What forces the difference; empty where there is none.
    pub forced: Vec<WaveForce>,
    /// Pairs of waves that were not looked at, beyond those in `forced`.
    pub not_shown: u32,
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
    /// Guests that are powered off or suspended.
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
    /// Hosts that have a release before its soak in an earlier ring would have ended.
    pub hosts: u32,
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
