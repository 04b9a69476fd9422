//! Guests.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::element::element;
use super::{ComponentSet, Extra, Provenance, Seen};
use crate::id::{
    ApplicationId, ClusterId, ComponentSetId, HostId, ImageId, NetworkId, StorageId, TenantId, VmId,
};
use crate::text::Text;

/// Whether a guest runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerState {
    /// It runs.
    On,
    /// It is off.
    Off,
    /// It is suspended. Where it was saved to disk, nobody says so: the memory of its host counts as what keeps it, and only a quick
    /// boot leaves that alone.
    Suspended,
}

/// The VMM that a live guest was started on: a running QEMU keeps the old emulator until its guest moves or restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunningVmm {
    /// Component name as in the host's components (`qemu`, `pve-qemu-kvm`, `qemu-kvm`, `xen`).
    pub component: Text,
    /// The version of it that this guest runs on.
    pub version: Text,
}

/// What may be done to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Move it while it runs.
    LiveMigrate,
    /// Move it while it is off.
    ColdMigrate,
    /// Suspend it in place.
    Suspend,
    /// Power it off, with its owner's consent.
    PowerOff,
}

/// What a lock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LockKind {
    /// A backup runs.
    Backup,
    /// A snapshot exists or is being made.
    Snapshot,
    /// Media of the host is mounted.
    MountedMedia,
    /// Anything else.
    Other,
}

impl LockKind {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Snapshot => "snapshot",
            Self::MountedMedia => "mounted-media",
            Self::Other => "other",
        }
    }
}

/// Something that holds a guest where it is until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lock {
    /// What for.
    pub kind: LockKind,
    /// When it ends; `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// Keys that only this platform can open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SealedKeys {
    /// The guest has a vTPM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vtpm: Option<bool>,
    /// PCRs that keys are sealed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pcrs: Vec<u8>,
}

element! {
    /// A guest.
    Vm(VmId) {
        /// The host that it runs on; `None`: off, or unknown.
        host: Option<HostId>,
        /// Its cluster, where its host is not known.
        cluster: Option<ClusterId>,
        /// Its tenant.
        tenant: Option<TenantId>,
        /// The application that it serves.
        application: Option<ApplicationId>,
        /// Its role in the application.
        role: Option<Text>,
        /// The image that it was made from.
        image: Option<ImageId>,
        /// Whether it runs; `None`: unknown.
        power: Option<PowerState>,
        /// Virtual CPUs.
        vcpus: Option<u32>,
        /// Memory in MiB.
        memory_mib: Option<u64>,
        /// How much of its memory lies in huge pages, in MiB: that is taken from the huge pages of its host alone. Nothing said: none.
        hugepages_mib: Option<u64>,
        /// How fast it dirties memory, in MiB/s.
        dirty_rate_mib_s: Option<f64>,
        /// The VMM release that this guest runs on.
        vmm: Option<RunningVmm>,
        /// Machine type (`pc-q35-7.2`) or virtual hardware version.
        machine_type: Option<Text>,
        /// When it was last cold-started: CPU flags are fixed then.
        cold_started_at: Option<Timestamp>,
        /// CPU features that it needs.
        cpu_features: Vec<String>,
        /// Devices passed through from the host.
        passthrough: Vec<String>,
        /// Storage that it needs.
        storage: Vec<StorageId>,
        /// Networks that it needs.
        #[serde(deserialize_with = "super::read::exact")]
        networks: Vec<NetworkId>,
        /// What may be done to it; empty: nothing is known to be allowed.
        #[serde(deserialize_with = "super::read::exact")]
        allowed_actions: Vec<Action>,
        /// What holds it where it is.
        locks: Vec<Lock>,
        /// Keys sealed to the platform.
        sealed_keys: Option<Box<SealedKeys>>,
        /// Guest operating system as the platform tells it.
        guest_os: Option<Text>,
        /// Version of the guest tools.
        guest_tools: Option<Text>,
        /// Sets of the components inside it.
        component_sets: Vec<ComponentSetId>,
        /// Components of its own.
        components: Option<Box<ComponentSet>>,
    }
}

/// Together or apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AffinityKind {
    /// On the same host.
    Together,
    /// On different hosts.
    Apart,
    /// Only on the hosts named.
    OnHosts,
}

/// Must or should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// A plan that breaks it is wrong.
    Must,
    /// A plan that breaks it is worse.
    Should,
}

/// A rule about where VMs stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Affinity {
    /// Together, apart, or on hosts.
    pub kind: AffinityKind,
    /// Must or should.
    pub strength: Strength,
    /// The VMs.
    pub vms: Vec<VmId>,
    /// The hosts, for [`AffinityKind::OnHosts`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostId>,
}
