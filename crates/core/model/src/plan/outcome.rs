//! What becomes of every element and wave of a plan, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rule;
use crate::change::Method;
use crate::fleet::Action;
use crate::id::{ApplicationId, ClusterId, ElementId, HostId, StorageId, TenantId, VmId};

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
    /// It waits for an owner's consent to begin, or for a refusal to end.
    ConsentBegins {
        /// The tenant; absent: the operator's own guests.
        tenant: Option<TenantId>,
        /// The action.
        action: Action,
        /// At that moment, in seconds.
        at_s: u32,
    },
    /// Guests of a tenant leave a host before it is changed, since their windows are not open when it is.
    LeavesEarly {
        /// The tenant.
        tenant: TenantId,
    },
    /// The plan before had guests on their way home, and this one brings them there.
    WayHome,
    /// No window within the horizon is long enough.
    OutsideWindow {
        /// The tenant whose window it is; absent: the hosts' own.
        tenant: Option<TenantId>,
        /// Seconds that are needed at a stretch.
        needs_s: u32,
        /// The longest opening in the horizon, in seconds.
        longest_s: u32,
    },
    /// No window opens within the horizon.
    NoWindow {
        /// The tenant whose window it is; absent: the hosts' own.
        tenant: Option<TenantId>,
        /// Seconds that are needed at a stretch.
        needs_s: u32,
    },
    /// There are windows that are long enough, but none from the earliest start on, or none while all others that are needed at
    /// once are open.
    WindowsApart {
        /// The tenant whose window it is; absent: the hosts' own.
        tenant: Option<TenantId>,
        /// Seconds that are needed at a stretch.
        needs_s: u32,
    },
    /// A freeze of the calendar holds it back: without it there would be time.
    InFreeze {
        /// The freeze's id in the policy.
        freeze: String,
        /// Its reason there.
        reason: String,
        /// The tenant whose guests it holds back; absent: the hosts or elements themselves.
        tenant: Option<TenantId>,
        /// Until then, in seconds; absent: past all that is planned.
        until_s: Option<u32>,
    },
    /// It would be over after the last moment that is planned for, or for which an exception holds.
    PastHorizon {
        /// When it would be over, in seconds.
        ends_s: u32,
        /// The last moment, in seconds.
        horizon_s: u32,
    },
    /// A rule binds a guest to its host, or to guests that cannot leave.
    RequiredAffinity {
        /// The guest.
        vm: VmId,
        /// The rule.
        rule: Rule,
    },
    /// Rules that must hold contradict each other: wherever the guest moves, one of them is broken.
    Contradiction {
        /// The guest.
        vm: VmId,
        /// The rules, by their position among the fleet's affinities.
        affinities: Vec<u32>,
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
        /// What the nearest of them lacks: storage, networks, licence sets of the guest's host and, for a vTPM, its key providers.
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
    /// Changes of the host take a reboot, and what methods they allow is done without one.
    TakesReboot {
        /// Those that take it.
        changes: Vec<String>,
    },
    /// A host takes part in no migration: the fleet file gives it no slots. It has to have some before guests can leave it, or come to it.
    NoSlots {
        /// The host.
        host: HostId,
    },
    /// The guest's owner has not allowed any action that would empty the host.
    NoAllowedAction {
        /// The guest.
        vm: VmId,
        /// Why it cannot move: `controller`, `suspended`, `maintenance` (of its host: it may rest there alone, and would run there again),
        /// `passthrough`, `vtpm`, `local-disk`, `not-allowed`.
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
        /// What it limits: `cluster`, `fault-domain`, `ring`, `tenant` (hosts away), `network` (Mbit/s).
        of: String,
        /// Which of them.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// The number.
        most: u32,
        /// Hosts that use it up for as long as they are in maintenance.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        away: Vec<HostId>,
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
