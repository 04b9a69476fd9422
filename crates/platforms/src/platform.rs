//! What every platform is to whoever acts on it: [`Platform`].
//!
//! The contract has the form that real platforms have: an order is taken as a *task*, which is asked after until it has ended.
//! It is written for a caller that can be killed at any instruction:
//!
//! - **Same key, same task.** [`Platform::begin`] with a key that was seen before returns the task of the first time and starts
//!   nothing. Whoever does not know whether an order arrived sends it again.
//! - **Generations fence.** An order of a lower generation than the highest one seen is refused: an executor that was
//!   overtaken can no longer move anything.
//! - **Done is the platform's word**, not a fact. [`Evidence`] says what it claims; the caller compares with an
//!   [`Observation`] that is younger than the task's end.
//! - **An observation is never atomic.** It may be stale ([`Observation::seen_at`]), partial ([`Observation::missing`]), or fail.
//! - **What is not understood is carried**: [`TaskState::Unknown`], [`FailureKind::Other`], [`GuestHealth::Unknown`].
//! - **The restart of guests after a failure cannot be switched off**: no [`Action`] says so, and [`Frozen`] has no value for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use underpin_model::change::Method;
use underpin_model::fleet::{Capacity, Fleet, PowerState};
use underpin_model::id::{ClusterId, ElementId, HostId, VmId};
use underpin_model::plan::Frozen;

use crate::Note;

/// A platform that can be observed and acted on.
pub trait Platform: Send + Sync {
    /// What it can do. Constant while a session with it lasts.
    ///
    /// # Errors
    /// [`PlatformError::Timeout`] and [`PlatformError::Unreachable`].
    fn capabilities(&self) -> impl Future<Output = Result<Capabilities, PlatformError>> + Send;

    /// What is there now, as far as the platform knows.
    ///
    /// # Errors
    /// [`PlatformError::Timeout`] and [`PlatformError::Unreachable`]. What could not be seen in part is no error but a note.
    fn observe(&self) -> impl Future<Output = Result<Observation, PlatformError>> + Send;

    /// Orders an action; at once or later the task fails or is done. The same key returns the same task.
    ///
    /// # Errors
    /// [`PlatformError::StaleGeneration`], [`PlatformError::KeyReused`], [`PlatformError::UnknownObject`] and
    /// [`PlatformError::Refused`]: nothing was begun. [`PlatformError::Timeout`] and [`PlatformError::Unreachable`]: nobody
    /// knows; order again with the same key.
    fn begin(
        &self,
        key: &Key,
        generation: u64,
        action: &Action,
    ) -> impl Future<Output = Result<TaskId, PlatformError>> + Send;

    /// How a task stands. Platforms forget tasks: [`TaskState::Unknown`] says nothing about what became of it.
    ///
    /// # Errors
    /// [`PlatformError::Timeout`] and [`PlatformError::Unreachable`].
    fn task(&self, task: &TaskId) -> impl Future<Output = Result<TaskState, PlatformError>> + Send;

    /// Asks a task to stop at its next safe point. What it did until then stays done; the task's state tells when it has ended.
    ///
    /// # Errors
    /// [`PlatformError::Refused`]: it is past its last safe point, or over. [`PlatformError::UnknownObject`],
    /// [`PlatformError::StaleGeneration`], [`PlatformError::Timeout`], [`PlatformError::Unreachable`].
    fn cancel(
        &self,
        task: &TaskId,
        generation: u64,
    ) -> impl Future<Output = Result<(), PlatformError>> + Send;
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

names! {
    /// What makes an order the same order: chosen by the caller, for example plan, step and attempt.
    Key;
    /// A task as the platform names it.
    TaskId;
}

/// One thing that a platform may be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Moves running guests.
    LiveMigrate,
    /// Moves guests that are off.
    ColdMigrate,
    /// Keeps a migration within the bandwidth that it is given.
    MigrationBandwidth,
    /// Suspends guests to memory.
    Suspend,
    /// Restarts without the firmware.
    QuickBoot,
    /// Patches running code.
    LivePatch,
    /// Empties a host by itself.
    Evacuate,
    /// Stops a task before its end.
    Cancel,
    /// Gives measurements of a boot.
    Attest,
}

/// What a platform can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// What it can do.
    pub can: BTreeSet<Capability>,
    /// What it can freeze.
    pub freezes: BTreeSet<Frozen>,
}

/// What was seen, and what could not be seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The facts in the form that everything else reads.
    pub fleet: Fleet,
    /// When they were seen by the platform's clock. Older than the call where the platform answers from an inventory.
    pub seen_at: Timestamp,
    /// What a host tells of itself beyond the fleet; a host that is missing did not answer.
    pub hosts: BTreeMap<HostId, HostFacts>,
    /// Guests whose health the platform knows.
    pub health: BTreeMap<VmId, GuestHealth>,
    /// What could not be seen. Elements that it names are in the fleet as they were last seen, or not at all.
    pub missing: Vec<Note>,
}

/// What a host tells of itself, to be compared before and after; `None`: it does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Id of the current boot.
    pub boot_id: Option<String>,
    /// The release that runs.
    pub running: Option<String>,
    /// The release that the next boot would run.
    pub installed: Option<String>,
    /// Network uplinks that are up.
    pub uplinks: Option<u32>,
    /// Paths to storage that are up.
    pub storage_paths: Option<u32>,
    /// What it can carry.
    pub capacity: Capacity,
    /// Settings in force, as text.
    pub settings: BTreeMap<String, String>,
    /// It takes no guests.
    pub maintenance: Option<bool>,
}

impl HostFacts {
    /// What is less or other than before, in words: uplinks, storage paths, capacity, settings. A fact that was known and is
    /// unknown now counts as lost.
    #[must_use]
    pub fn worse_than(&self, before: &Self) -> Vec<String> {
        let mut worse = Vec::new();
        let mut number = |what: &str, before: Option<u64>, now: Option<u64>| match (before, now) {
            (Some(had), None) => worse.push(format!("{what}: {had} before, unknown now")),
            (Some(had), Some(has)) if has < had => worse.push(format!("{what}: {had} before, {has} now")),
            _ => {}
        };
        number("uplinks", before.uplinks.map(u64::from), self.uplinks.map(u64::from));
        number("storage paths", before.storage_paths.map(u64::from), self.storage_paths.map(u64::from));
        number("vCPUs", before.capacity.vcpus.map(u64::from), self.capacity.vcpus.map(u64::from));
        number("memory in MiB", before.capacity.memory_mib, self.capacity.memory_mib);
        number("huge pages in MiB", before.capacity.hugepages_mib, self.capacity.hugepages_mib);
        number("local storage in GiB", before.capacity.local_storage_gib, self.capacity.local_storage_gib);
        for (name, had) in &before.settings {
            match self.settings.get(name) {
                Some(has) if has == had => {}
                Some(has) => worse.push(format!("setting {name}: {had} before, {has} now")),
                None => worse.push(format!("setting {name}: {had} before, unknown now")),
            }
        }
        worse
    }
}

/// How a guest is, as far as the platform can tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestHealth {
    /// It answers.
    Well,
    /// It boots.
    Booting,
    /// It runs and does not answer.
    Hung,
    /// Anything else, as the platform says it.
    #[serde(untagged)]
    Unknown(String),
}

/// What was in force before it was frozen: put back by [`Action::Thaw`].
pub type Saved = BTreeMap<Frozen, bool>;

/// What can be ordered. Mirrors the steps of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Switches off what would fight a plan; [`Evidence::Frozen`] says what was on.
    Freeze {
        /// The cluster.
        cluster: ClusterId,
        /// What.
        what: BTreeSet<Frozen>,
    },
    /// Puts back what was saved.
    Thaw {
        /// The cluster.
        cluster: ClusterId,
        /// What was in force before.
        saved: Saved,
    },
    /// Brings what a change needs to an element; touches no guest.
    Stage {
        /// The element.
        element: ElementId,
        /// The releases (or settings), each hop on the way.
        to: Vec<String>,
    },
    /// Makes sure that a backup of the element's own state exists and can be read.
    BackupCheck {
        /// The element.
        element: ElementId,
    },
    /// Moves a guest.
    Migrate {
        /// The guest.
        vm: VmId,
        /// From where: an order that reality has left fails.
        from: HostId,
        /// To where.
        to: HostId,
        /// While it runs; otherwise it is off meanwhile and ends as it was.
        live: bool,
        /// Bandwidth that it is given, in Mbit/s; `None`: what the links have.
        mbps: Option<u32>,
    },
    /// Takes no more guests and moves away those that are there, to wherever the platform thinks best.
    Evacuate {
        /// The host.
        host: HostId,
        /// Hosts that may take guests; empty: any.
        only_to: BTreeSet<HostId>,
        /// Bandwidth of all moves together, in Mbit/s; `None`: what the links have.
        mbps: Option<u32>,
    },
    /// Powers a guest off.
    Stop {
        /// The guest.
        vm: VmId,
        /// Its host: an order that reality has left fails.
        host: HostId,
    },
    /// Starts a guest.
    Start {
        /// The guest.
        vm: VmId,
        /// Where.
        host: HostId,
    },
    /// Suspends a guest to memory.
    Suspend {
        /// The guest.
        vm: VmId,
        /// Its host.
        host: HostId,
    },
    /// Resumes a guest.
    Resume {
        /// The guest.
        vm: VmId,
        /// Its host.
        host: HostId,
    },
    /// Installs a release (or setting).
    Patch {
        /// The element.
        element: ElementId,
        /// How.
        method: Method,
        /// What is there afterwards; it runs after a reboot, unless the method needs none.
        to: String,
        /// Which of the element's units, from 1.
        unit: u32,
    },
    /// Reboots an element. Whether an occupied host refuses is up to the platform: the caller looks first.
    Reboot {
        /// The element.
        element: ElementId,
        /// Without the firmware; guests that are suspended to memory stay.
        quick: bool,
    },
    /// Reads the measurements of an element's boot and compares them.
    Attest {
        /// The element.
        element: ElementId,
    },
    /// Reads what a host tells of itself, and the health of its guests; the caller compares.
    Verify {
        /// The element.
        element: ElementId,
    },
    /// Lets a host take no more guests, and moves none.
    EnterMaintenance {
        /// The host.
        host: HostId,
    },
    /// Lets a host take guests again.
    ExitMaintenance {
        /// The host.
        host: HostId,
    },
}

impl Action {
    /// The word of the action in files and messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Freeze { .. } => "freeze",
            Self::Thaw { .. } => "thaw",
            Self::Stage { .. } => "stage",
            Self::BackupCheck { .. } => "backup-check",
            Self::Migrate { .. } => "migrate",
            Self::Evacuate { .. } => "evacuate",
            Self::Stop { .. } => "stop",
            Self::Start { .. } => "start",
            Self::Suspend { .. } => "suspend",
            Self::Resume { .. } => "resume",
            Self::Patch { .. } => "patch",
            Self::Reboot { .. } => "reboot",
            Self::Attest { .. } => "attest",
            Self::Verify { .. } => "verify",
            Self::EnterMaintenance { .. } => "enter-maintenance",
            Self::ExitMaintenance { .. } => "exit-maintenance",
        }
    }
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum TaskState {
    /// It goes on.
    Running {
        /// How far it is, in percent, where the platform tells.
        percent: Option<u8>,
    },
    /// The platform says that it is done.
    Done {
        /// What the platform claims.
        evidence: Evidence,
    },
    /// It ended without its result. What it did until then is to be observed.
    Failed {
        /// Which way.
        kind: FailureKind,
        /// In the platform's words.
        text: String,
    },
    /// The platform does not know the task, or says something that nobody understands.
    Unknown {
        /// What it says.
        text: String,
    },
}

/// What a platform claims about a task that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Evidence {
    /// Nothing but its word.
    Word,
    /// What was in force before it was frozen.
    Frozen {
        /// To be given back with [`Action::Thaw`].
        saved: Saved,
    },
    /// What is in force after thawing.
    Thawed {
        /// Compare with what was saved.
        now: Saved,
    },
    /// Where a guest is and how.
    Guest {
        /// The guest.
        vm: VmId,
        /// Its host.
        host: Option<HostId>,
        /// Whether it runs.
        power: PowerState,
        /// How long it paused, in milliseconds, where it moved.
        pause_ms: Option<u64>,
    },
    /// A host was emptied.
    Emptied {
        /// The host.
        host: HostId,
        /// Guests with the hosts that took them.
        moved: Vec<(VmId, HostId)>,
    },
    /// What the next boot of an element runs (what it runs now, where no reboot is needed).
    Installed {
        /// The element.
        element: ElementId,
        /// The release.
        release: Option<String>,
    },
    /// An element booted.
    Booted {
        /// The element.
        element: ElementId,
        /// Id of the boot.
        boot_id: Option<String>,
        /// The release that runs.
        running: Option<String>,
    },
    /// Measurements were compared. None compared is a failure, not a success.
    Attested {
        /// The element.
        element: ElementId,
        /// How many were compared.
        compared: u32,
        /// Those that differ.
        differ: Vec<String>,
    },
    /// What a host tells of itself.
    Verified {
        /// The element.
        element: ElementId,
        /// Its facts; none for what is not a host.
        facts: Option<HostFacts>,
        /// Its guests that are not well.
        unwell: Vec<(VmId, GuestHealth)>,
    },
    /// Whether a host takes guests.
    Maintenance {
        /// The host.
        host: HostId,
        /// It takes none.
        on: bool,
    },
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a task failed.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum FailureKind {
            $($(#[$doc])* $name,)*
            /// A reason that this version does not know, as the platform says it.
            Other(String),
        }

        impl FailureKind {
            /// Its name in files and messages.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<String> for FailureKind {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$name,)*
                    _ => Self::Other(text),
                }
            }
        }
    };
}

failures! {
    /// The target has not enough free memory.
    NotEnoughMemory = "not-enough-memory",
    /// The target has not enough free vCPUs.
    NotEnoughCpu = "not-enough-cpu",
    /// The guest is bound to its host: a device, a local disk, a vTPM.
    Pinned = "pinned",
    /// A rule forbids it.
    Affinity = "affinity",
    /// The target does not reach the guest's storage or network.
    Reach = "reach",
    /// The target lacks CPU features of the guest.
    CpuFeatures = "cpu-features",
    /// Something holds the guest.
    Locked = "locked",
    /// The guest writes faster than its migration copies.
    DoesNotConverge = "does-not-converge",
    /// The reserve for a failure would be gone.
    AdmissionControl = "admission-control",
    /// The host is down, does not answer, or takes no guests.
    HostNotReady = "host-not-ready",
    /// Guests are left for which there is no target.
    NoTarget = "no-target",
    /// The object is not in the state that the order expects.
    NotAsExpected = "not-as-expected",
    /// The release was not staged, or does not fit.
    NotStaged = "not-staged",
    /// Something else is done to the same object.
    Busy = "busy",
    /// It took longer than the platform allows.
    TookTooLong = "took-too-long",
    /// It was cancelled.
    Cancelled = "cancelled",
    /// The platform cannot do this.
    NotSupported = "not-supported",
}

impl From<FailureKind> for String {
    fn from(kind: FailureKind) -> Self {
        kind.name().to_owned()
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a call to a platform had no answer, or one that is no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// No answer came in time. The order may have been carried out.
    #[error(
        "{call}: no answer within {after_s} s; whether it was carried out is not known: ask again with the same key"
    )]
    Timeout {
        /// The call.
        call: &'static str,
        /// How long was waited, in seconds.
        after_s: u32,
    },
    /// The platform cannot be reached. The order may have been carried out, if the connection broke on the way back.
    #[error("{call}: {what} cannot be reached; wait until it can, then ask again with the same key")]
    Unreachable {
        /// The call.
        call: &'static str,
        /// What does not answer.
        what: String,
    },
    /// The platform says no. Nothing was begun.
    #[error("refused: {reason}")]
    Refused {
        /// Why, and the way out.
        reason: String,
    },
    /// There is no such object. Nothing was begun.
    #[error("there is no {kind} {id}; observe again: it may have been removed or renamed")]
    UnknownObject {
        /// `host`, `guest`, `cluster`, `element`, `task`.
        kind: &'static str,
        /// The id.
        id: String,
    },
    /// Another executor has taken over. Nothing was begun.
    #[error(
        "generation {given} is behind {current}: another executor has taken over; stop, and read the current plan"
    )]
    StaleGeneration {
        /// Of the order.
        given: u64,
        /// The highest one seen.
        current: u64,
    },
    /// The key belongs to another action. Nothing was begun.
    #[error("key {key} was used for another action; a key names one order for ever: choose another")]
    KeyReused {
        /// The key.
        key: String,
    },
}

impl PlatformError {
    /// The order may have been carried out all the same: ask again with the same key before anything else.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Unreachable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_of_a_platform_are_carried_and_written_as_they_came() {
        let read: FailureKind = serde_json::from_str("\"PVE_NEW_REASON\"").unwrap();
        assert_eq!(read, FailureKind::Other("PVE_NEW_REASON".to_owned()));
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"PVE_NEW_REASON\"");
        let known: FailureKind = serde_json::from_str("\"pinned\"").unwrap();
        assert_eq!(known, FailureKind::Pinned);
        let health: GuestHealth = serde_json::from_str("\"quorum-lost\"").unwrap();
        assert_eq!(health, GuestHealth::Unknown("quorum-lost".to_owned()));
        assert_eq!(serde_json::from_str::<GuestHealth>("\"hung\"").unwrap(), GuestHealth::Hung);
    }

    #[test]
    fn no_action_can_switch_the_restart_of_guests_off() {
        // What can be frozen is a closed list. A value more for it must be looked at with this law in mind.
        for what in [Frozen::Balancing, Frozen::AutoStart, Frozen::AdmissionControl] {
            match what {
                Frozen::Balancing | Frozen::AutoStart | Frozen::AdmissionControl => {}
            }
        }
        let refused = r#"{"do":"freeze","cluster":"c1","what":["ha-restart"]}"#;
        assert!(serde_json::from_str::<Action>(refused).is_err());
    }

    #[test]
    fn less_of_anything_is_worse_and_what_is_no_longer_known_is_lost() {
        let before = HostFacts {
            uplinks: Some(2),
            storage_paths: Some(4),
            capacity: Capacity { memory_mib: Some(1024), ..Capacity::default() },
            settings: [("smt".to_owned(), "off".to_owned())].into(),
            ..HostFacts::default()
        };
        assert_eq!(before.worse_than(&before), Vec::<String>::new());
        let mut now = HostFacts { uplinks: Some(1), storage_paths: None, ..before.clone() };
        now.settings.insert("smt".to_owned(), "on".to_owned());
        let worse = now.worse_than(&before);
        assert_eq!(
            worse,
            [
                "uplinks: 2 before, 1 now",
                "storage paths: 4 before, unknown now",
                "setting smt: off before, on now"
            ]
        );
        assert_eq!(HostFacts::default().worse_than(&HostFacts::default()), Vec::<String>::new());
        // More than before is not worse.
        assert!(HostFacts { uplinks: Some(3), ..before.clone() }.worse_than(&before).is_empty());
    }
}
