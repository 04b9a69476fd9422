//! The fleet file: what was observed of the stack, with where and when.
//!
//! Every element kind is a list of its own; references go by id and are checked ([`validate`]). Every element carries
//! [`Seen`], and `provenance` overrides it per fact. Unknown fields are kept in `extra`, so that a newer file or a
//! richer source loses nothing. A missing fact is `None`: unknown, never fine.

mod changes;
mod component;
mod element;
mod finding;
mod hardware;
mod history;
mod host;
mod placement;
mod planning;
mod provenance;
mod read;
mod sample;
mod schema;
mod tenants;
mod validate;
mod vm;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use component::{Component, ComponentKind, ComponentSet, Install, SourcePackage};
pub use element::{
    Application, Cluster, Element, FaultDomain, Image, ManagementPlane, Network, Redundancy, Site, Storage,
    Tenant, Witness,
};
pub use finding::{FleetError, FleetWarning, MAX_FINDINGS};
pub use hardware::HardwareClass;
pub use history::{Observation, TimedOutcome, TimedStep};
pub use host::{
    AuthenticationMethod, Capacity, Cpu, Host, Listener, ManagementInterface, Migration, PlatformRelease,
    Reach, Setting, VirtualizationRole,
};
pub use planning::{AmongParts, NonRedundant, Planning, RebootGroups, RebootHost, RebootVm};
pub use provenance::{Provenance, Seen};
pub use read::{Checked, read};
pub use sample::{SampleSpec, sample};
pub use schema::{SCHEMA_ID, example, schema};
pub use tenants::tenants_without_vms;
pub use validate::validate;
pub use vm::{
    Action, Affinity, AffinityKind, Lock, LockKind, PowerState, RunningVmm, SealedKeys, Strength, Vm,
};

use crate::id::ComponentSetId;

/// The value of `format` in a fleet file of this version.
pub const FORMAT: &str = "underpin/fleet/1";

/// Fields that this version does not know, kept as they came.
pub type Extra = BTreeMap<String, Value>;

/// A whole fleet as observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fleet {
    /// Version of this file's form: `underpin/fleet/1`.
    pub format: String,
    /// Name of the fleet.
    pub name: String,
    /// Where and when the facts were seen, unless an element says otherwise.
    pub seen: Seen,
    /// Sites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Site>,
    /// Fault domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fault_domains: Vec<FaultDomain>,
    /// Clusters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Cluster>,
    /// Management planes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub management_planes: Vec<ManagementPlane>,
    /// Witnesses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Witness>,
    /// Storage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage: Vec<Storage>,
    /// Networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// Sets of components that assets share by reference.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "read::unique")]
    pub component_sets: BTreeMap<ComponentSetId, ComponentSet>,
    /// Hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Host>,
    /// Tenants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<Tenant>,
    /// Applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<Application>,
    /// Images and templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// VMs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vms: Vec<Vm>,
    /// Affinity and anti-affinity rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affinities: Vec<Affinity>,
    /// Limits and rules that planning follows on this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planning: Option<Planning>,
    /// Unknown fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Fleet {
    /// A fleet without elements.
    #[must_use]
    pub fn new(name: impl Into<String>, seen: Seen) -> Self {
        Self {
            format: FORMAT.to_owned(),
            name: name.into(),
            seen,
            sites: Vec::new(),
            fault_domains: Vec::new(),
            clusters: Vec::new(),
            management_planes: Vec::new(),
            witnesses: Vec::new(),
            storage: Vec::new(),
            networks: Vec::new(),
            component_sets: BTreeMap::new(),
            hosts: Vec::new(),
            tenants: Vec::new(),
            applications: Vec::new(),
            images: Vec::new(),
            vms: Vec::new(),
            affinities: Vec::new(),
            planning: None,
            extra: Extra::new(),
        }
    }
}

/// For `skip_serializing_if`: a fact that is not known is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
