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

mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use underpin_model::fleet::{Capacity, Fleet};
use underpin_model::id::{HostId, VmId};
use underpin_model::plan::Frozen;

pub use self::order::{Action, Evidence, FailureKind, Saved, TaskState};
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
