//! Hosts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::element::element;
use super::{Cluster, ComponentSet, Extra, Provenance, Seen};
use crate::facts::Family;
use crate::id::{ClusterId, ComponentSetId, FaultDomainId, HostId, NetworkId, SiteId, StorageId};

/// The hypervisor product of a host with its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlatformRelease {
    /// The product.
    pub family: Family,
    /// Its train.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// Its release as it names itself (`8.3.5`, `VMware ESXi 8.0.3 build-24585383`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

/// The processors of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    /// Maker: `GenuineIntel`, `AuthenticAMD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Model text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Family-model-stepping in hexadecimal: `06-55-04`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Platform id bit mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_mask: Option<u32>,
    /// Loaded microcode revision in hexadecimal: `0x2007006`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microcode: Option<String>,
    /// Logical processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// Simultaneous multithreading is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smt: Option<bool>,
    /// Feature flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "super::read::exact")]
    pub features: Vec<String>,
}

/// What a host can carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Virtual CPUs, overcommit included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<u32>,
    /// Memory for guests in MiB, without huge pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// Huge pages in MiB: they come on top of the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hugepages_mib: Option<u64>,
    /// Local storage in GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_storage_gib: Option<u64>,
}

/// How guests leave and enter a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Migration {
    /// Bandwidth for migrations in Mbit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_mbps: Option<u32>,
    /// Migrations at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// The network that they use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkId>,
    /// The traffic is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
}

/// What a host can reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// Storage. Where a host states none, it is what its cluster shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "super::read::exact")]
    pub storage: Vec<StorageId>,
    /// Networks. Where a host states none, they are what its cluster shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "super::read::exact")]
    pub networks: Vec<NetworkId>,
    /// Key providers, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_providers: Vec<String>,
    /// Licence sets, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licence_sets: Vec<String>,
}

impl Reach {
    /// The storage that a host of a cluster reaches: what it states itself, and what its hosts share only where it states none.
    #[must_use]
    pub fn storage_in<'a>(&'a self, cluster: Option<&'a Cluster>) -> &'a [StorageId] {
        match cluster {
            Some(it) if self.storage.is_empty() => &it.storage,
            _ => &self.storage,
        }
    }

    /// The networks that a host of a cluster reaches, told in the same way.
    #[must_use]
    pub fn networks_in<'a>(&'a self, cluster: Option<&'a Cluster>) -> &'a [NetworkId] {
        match cluster {
            Some(it) if self.networks.is_empty() => &it.networks,
            _ => &self.networks,
        }
    }
}

/// A setting in force, with where and when it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Setting {
    /// The value with its own provenance.
    Seen {
        /// The value.
        value: Value,
        /// Where and when it was seen.
        seen: Seen,
    },
    /// The value alone; seen as its element.
    Plain(Value),
}

impl Setting {
    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        match self {
            Self::Seen { value, .. } | Self::Plain(value) => value,
        }
    }
}

/// A way to prove who one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthenticationMethod {
    /// `password`, `key`, `certificate`, `directory`, `federation`, `none`.
    pub method: String,
    /// A second factor is demanded; `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<bool>,
}

/// A way in to manage something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManagementInterface {
    /// `ssh`, `https`, `bmc`, `api`, `console`.
    pub kind: String,
    /// Address and port that it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Networks from which it is reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "super::read::exact")]
    pub networks: Vec<NetworkId>,
    /// It is switched on; `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Ways to authenticate.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "super::read::exact")]
    pub authentication: Vec<AuthenticationMethod>,
}

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Listener {
    /// `tcp`, `tcp6`, `udp`, `udp6`, `unix`.
    pub protocol: String,
    /// Address (or path).
    pub address: String,
    /// Port, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Program that listens, where it can be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// What a machine is to virtualization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VirtualizationRole {
    /// Runs guests on bare metal.
    Host,
    /// Runs guests and is a guest itself.
    NestedHost,
    /// Is a guest and runs none.
    Guest,
    /// Neither.
    BareMetal,
}

element! {
    /// A machine that carries guests.
    Host(HostId) {
        /// Its cluster.
        cluster: Option<ClusterId>,
        /// Its site, if not its cluster's.
        site: Option<SiteId>,
        /// The fault domains that it is in.
        #[serde(deserialize_with = "super::read::exact")]
        fault_domains: Vec<FaultDomainId>,
        /// `test`, `development`, `production`, or the policy's own rings.
        ring: Option<String>,
        /// The hypervisor product and release.
        platform: Option<PlatformRelease>,
        /// What it is to virtualization.
        role: Option<VirtualizationRole>,
        /// Sets of its components.
        #[serde(deserialize_with = "super::read::exact")]
        component_sets: Vec<ComponentSetId>,
        /// Components of its own.
        components: Option<ComponentSet>,
        /// What runs, as opposed to what is installed: component name (`linux`, `qemu`, `xen`, `libvirt`) to version.
        #[serde(deserialize_with = "super::read::unique")]
        running: BTreeMap<String, String>,
        /// Running kernel release as `uname -r` prints it.
        kernel_release: Option<String>,
        /// Id of the current boot.
        boot_id: Option<String>,
        /// When it booted.
        booted_at: Option<Timestamp>,
        /// Since when it runs what it runs: when its release, a component or a setting last changed.
        changed_at: Option<Timestamp>,
        /// Maker of the machine.
        vendor: Option<String>,
        /// Model of the machine.
        model: Option<String>,
        /// Firmware release of the machine.
        firmware: Option<String>,
        /// Processors.
        cpu: Option<Cpu>,
        /// What it can carry.
        capacity: Option<Capacity>,
        /// How guests leave and enter.
        migration: Option<Migration>,
        /// What it reaches.
        reach: Reach,
        /// Settings in force, by name (`slpd.enabled`, `esxi.ssh`, `kernel.mitigations`).
        #[serde(deserialize_with = "super::read::unique")]
        settings: BTreeMap<String, Setting>,
        /// Ways in. An empty list says as much as none, that nobody has listed any: what is off is listed with `enabled` false.
        #[serde(deserialize_with = "super::read::exact")]
        management_interfaces: Vec<ManagementInterface>,
        /// Listening sockets.
        #[serde(deserialize_with = "super::read::exact")]
        listeners: Vec<Listener>,
        /// It is in maintenance now.
        maintenance: Option<bool>,
    }
}
