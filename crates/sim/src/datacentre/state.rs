//! What a datacentre is made of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use underpin_model::change::Method;
use underpin_model::fleet::Redundancy;
use underpin_model::id::{ClusterId, HostId, ManagementPlaneId, StorageId, VmId};
use underpin_model::policy::{Durations, Spread};
use underpin_platforms::platform::{Action, Evidence, FailureKind, Key};

/// Whether a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPower {
    /// It runs.
    Up,
    /// It is on its way down and up again.
    Rebooting,
    /// It is down, and nobody brings it up.
    Down,
}

impl HostPower {
    /// Its word in scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Rebooting => "rebooting",
            Self::Down => "down",
        }
    }
}

/// A host.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Position of its cluster.
    pub(crate) cluster: Option<usize>,
    /// Whether it runs.
    pub power: HostPower,
    /// Its management cannot be reached.
    pub partitioned: bool,
    /// It takes no guests.
    pub maintenance: bool,
    /// How often it went down.
    pub(crate) away: u32,
    /// How often it booted.
    pub boots: u32,
    /// Id of its current boot.
    pub boot_id: String,
    /// When it booted, where that is known.
    pub(crate) booted_at: Option<Timestamp>,
    /// The release that runs.
    pub running: Option<String>,
    /// The release that the next boot runs.
    pub installed: Option<String>,
    /// Releases that were brought to it.
    pub(crate) staged: BTreeSet<String>,
    /// Virtual CPUs that it can carry.
    pub vcpus: u32,
    /// Memory that it can carry, in MiB.
    pub memory_mib: u64,
    /// Huge pages that it has beside, in MiB.
    pub hugepages_mib: u64,
    /// Bandwidth of its link for migrations, each way, in Mbit/s.
    pub migration_mbps: u32,
    /// Bandwidth of its management link, each way, in Mbit/s.
    pub management_mbps: u32,
    /// Migrations at a time.
    pub slots: u32,
    /// Network uplinks that are up.
    pub uplinks: u32,
    /// Paths to storage that are up.
    pub storage_paths: u32,
    /// Settings in force, as text.
    pub settings: BTreeMap<String, String>,
    /// Positions of the guests on it, whatever their power.
    pub(crate) guests: BTreeSet<usize>,
    /// The task that works on it.
    pub(crate) busy: Option<usize>,
}

/// Why a guest does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hung {
    /// Since it landed where it is.
    Landed,
    /// Its storage is gone.
    Storage,
}

/// How a guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// It boots.
    Booting,
    /// It does not answer.
    Hung(Hung),
}

impl Health {
    /// Its word in scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Booting => "booting",
            Self::Hung(_) => "hung",
        }
    }
}

pub(crate) use underpin_model::fleet::PowerState;

/// A guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Guest {
    /// Its id.
    pub id: VmId,
    /// Position of the host that it is on, or was on last.
    pub(crate) host: Option<usize>,
    /// Whether it runs.
    pub power: PowerState,
    /// How it is, while it runs.
    pub health: Health,
    /// It is meant to run: nobody has powered it off.
    pub wanted: bool,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// How much of it lies in huge pages, in MiB.
    pub hugepages_mib: u64,
    /// Memory that it dirties, in MiB/s.
    pub dirty_mib_s: f64,
    /// The platform starts it by itself on a host that comes back.
    pub auto_start: bool,
    /// Moves to another host that were completed.
    pub moves: u32,
    /// How often it was cut off: its host went down under it.
    pub killed: u32,
    /// How often the platform restarted it after that.
    pub restarts: u32,
    /// Pauses of its moves together, in milliseconds.
    pub paused_ms: u64,
    /// How often it was started.
    pub(crate) starts: u32,
    /// The task that works on it.
    pub(crate) busy: Option<usize>,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// Guests of a failed host are restarted elsewhere. Nothing in the simulation switches it off.
    pub ha_restart: bool,
    /// Guests are moved by load.
    pub balancing: bool,
    /// The balancer is scheduled.
    pub(crate) balancer_runs: bool,
    /// Guests with auto-start are started on a host that comes back.
    pub auto_start: bool,
    /// Starts and maintenance are refused where the reserve for a failure would be gone.
    pub admission_control: bool,
    /// Migrations use the management links.
    pub migrates_over_management: bool,
    /// Positions of the planes that manage it.
    pub(crate) planes: Vec<usize>,
}

/// Storage.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage {
    /// Its id.
    pub id: StorageId,
    /// Positions of the hosts that carry it; none: an array of its own.
    pub(crate) members: BTreeSet<usize>,
    /// Copies of the data: with so many members away it is gone.
    pub copies: u32,
    /// How much redundancy is left; `None`: unknown.
    pub redundancy: Option<Redundancy>,
    /// How long copies take to be restored after a member was away.
    pub resync: Spread,
    /// How often its members changed.
    pub(crate) epoch: u32,
}

/// A management plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// Its id.
    pub id: ManagementPlaneId,
    /// Position of the guest that it is, if it is one.
    pub(crate) guest: Option<usize>,
    /// Positions of the hosts that it runs on, otherwise.
    pub(crate) hosts: Vec<usize>,
    /// It answers.
    pub up: bool,
    /// It is being changed: it does not answer meanwhile.
    pub(crate) changing: bool,
    /// It boots, and will answer.
    pub(crate) booting: bool,
    /// How often its guest had been started when it answered last.
    pub(crate) starts: u32,
    /// How often it went down.
    pub(crate) epoch: u32,
}

/// What the simulated platform does by itself, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How long the steps of each method take.
    pub durations: BTreeMap<Method, Durations>,
    /// Every duration is its median.
    pub exact: bool,
    /// How long a guest boots.
    pub guest_boot: Spread,
    /// How long stopping, suspending, resuming a guest and registering it elsewhere takes.
    pub guest_action: Spread,
    /// How long a failure of a host takes to be noticed, in milliseconds.
    pub ha_detects_ms: u64,
    /// How often the balancer looks, in milliseconds.
    pub balancer_ms: u64,
    /// How much fuller than another a host must be for the balancer to move a guest, in percent of its memory.
    pub balancer_percent: u32,
    /// How long after a host came back guests are started by themselves, in milliseconds.
    pub auto_start_ms: u64,
    /// How long a management plane takes to answer after its guest runs again.
    pub plane_boot: Spread,
    /// A migration that takes longer fails; `None`: it may take for ever.
    pub migration_timeout_ms: Option<u64>,
    /// A reboot that takes longer is reported failed; `None`: never.
    pub reboot_timeout_ms: Option<u64>,
    /// Longest pause at the end of a migration, in milliseconds: copying goes on until what is left can be sent in that time.
    pub longest_pause_ms: u32,
    /// Rounds of copying after which a migration gives up.
    pub most_rounds: u32,
    /// A host with running guests refuses to reboot.
    pub refuses_occupied: bool,
    /// An evacuation that finds no target for a guest waits for ever, instead of failing.
    pub evacuation_waits: bool,
    /// Running guests do not move to a host with a lower release.
    pub refuses_lower: bool,
    /// Guests with a vTPM move while they run.
    pub vtpm_moves: bool,
    /// How long the caller of an order waits for its answer, in seconds.
    pub call_timeout_s: u32,
}

impl Default for Settings {
    /// Judgements in the range of what platforms do: failures are noticed within 30 s, balancers look every 5 minutes.
    fn default() -> Self {
        Self {
            durations: BTreeMap::new(),
            exact: false,
            guest_boot: Spread::new(60, 180),
            guest_action: Spread::new(10, 30),
            ha_detects_ms: 30_000,
            balancer_ms: 300_000,
            balancer_percent: 20,
            auto_start_ms: 30_000,
            plane_boot: Spread::new(300, 600),
            migration_timeout_ms: None,
            reboot_timeout_ms: None,
            longest_pause_ms: 500,
            most_rounds: 30,
            refuses_occupied: false,
            evacuation_waits: false,
            refuses_lower: false,
            vtpm_moves: true,
            call_timeout_s: 30,
        }
    }
}

impl Settings {
    pub(crate) fn durations_of(&self, method: Method) -> Durations {
        self.durations.get(&method).copied().unwrap_or_else(|| Durations::of(method))
    }
}

/// A task as the datacentre sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its key.
    pub key: Key,
    /// What was ordered.
    pub action: Action,
    /// When it began, in milliseconds of the virtual clock.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it stands.
    pub phase: TaskPhase,
    /// It is going to be reported done without being done.
    pub(crate) lie: bool,
    /// When it is to end, where that is known.
    pub(crate) ends_ms: Option<u64>,
    /// How the guest was before a move that needs it off.
    pub(crate) was_on: bool,
    /// Guests that an evacuation has moved, with the positions of their hosts.
    pub(crate) moved: Vec<(usize, usize)>,
    /// Why an evacuation will fail, once the moves that it began have ended.
    pub(crate) trouble: Option<(FailureKind, String)>,
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskPhase {
    /// It goes on.
    Running,
    /// The platform says that it is done.
    Done(Evidence),
    /// It failed.
    Failed(FailureKind, String),
}

impl TaskPhase {
    /// Its word in scripts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done(_) => "done",
            Self::Failed(..) => "failed",
        }
    }
}

/// What kind of thing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A task began or ended.
    Task,
    /// A guest moved or changed its power.
    Guest,
    /// A host went down or came back.
    Host,
    /// Storage lost or regained redundancy.
    Storage,
    /// A management plane went away or came back.
    Plane,
    /// A fault began, struck or ended.
    Fault,
    /// Something that must never happen to a guest: it was cut off, or runs and does not answer.
    Harm,
}

impl EventKind {
    /// Its word in scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Guest => "guest",
            Self::Host => "host",
            Self::Storage => "storage",
            Self::Plane => "plane",
            Self::Fault => "fault",
            Self::Harm => "harm",
        }
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in milliseconds of the virtual clock.
    pub at_ms: u64,
    /// What kind of thing.
    pub kind: EventKind,
    /// What.
    pub text: String,
}

/// What is to happen at some moment. Each says by a counter which state it was meant for, and is passed over in any other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    TaskEnds(usize),
    EvacuationLooks(usize),
    HostReturns { host: usize, away: u32, task: Option<usize> },
    GuestBooted { guest: usize, starts: u32 },
    Restart { guest: usize },
    AutoStart { host: usize, boots: u32 },
    Balance { cluster: usize },
    Resynced { storage: usize, epoch: u32 },
    PlaneUp { plane: usize, epoch: u32 },
    FaultBegins(Box<crate::fault::Fault>),
    FaultEnds(u64),
    Flaps { fault: u64, host: usize },
}
