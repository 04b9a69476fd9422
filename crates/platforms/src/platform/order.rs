//! What can be ordered of a platform, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use underpin_model::change::Method;
use underpin_model::fleet::PowerState;
use underpin_model::id::{ClusterId, ElementId, HostId, VmId};
use underpin_model::plan::Frozen;

use super::{GuestHealth, HostFacts};

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
    /// Installs a release, or brings a setting in force.
    Patch {
        /// The element.
        element: ElementId,
        /// How.
        method: Method,
        /// What is there afterwards; it runs after a reboot, unless the method needs none. A setting is `NAME=VALUE`.
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
    /// The target runs a lower release than the guest's host.
    LowerRelease = "lower-release",
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
