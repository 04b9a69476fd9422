//! What planning needs beside what was observed: limits, reserves, and rules that no affinity can say.
//!
//! Unlike facts, these are intent: a field that is not known is an error here, since a limit that is misspelt and
//! ignored is worse than none.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::Observation;
use super::is_default;
use crate::change::{Change, Consent};
use crate::id::{HostId, VmId};

/// Limits and rules of planning.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Planning {
    /// Most hosts of one cluster that are away at a time; `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_hosts_per_wave: Option<u32>,
    /// The hosts of a cluster that remain must, less the largest of them, still sum up to the demand.
    #[serde(default, skip_serializing_if = "is_default")]
    pub n_plus_one: bool,
    /// Sets of hosts by name, for `among`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::read::unique")]
    pub parts: BTreeMap<String, Vec<HostId>>,
    /// VMs that must all be in one part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<AmongParts>,
    /// Changes that wait for elements of this fleet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What owners of guests said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
    /// Steps that were watched before. Durations of the policy are fitted to them; a change's own durations stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Observation>,
    /// Plan groups that reboot together instead of waves that are emptied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_groups: Option<RebootGroups>,
}

/// VMs that must all be in one of several parts, the same for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmongParts {
    /// The VMs.
    pub vms: Vec<VmId>,
    /// Names in [`Planning::parts`].
    pub parts: Vec<String>,
}

/// What happens to a VM that has no second copy when its host reboots.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NonRedundant {
    /// It finds memory and disk outside the group, and moves home afterwards.
    #[default]
    Move,
    /// It is not looked at.
    Ignore,
    /// Its host is in no group.
    Skip,
}

/// The model of clusters whose VMs have a second copy on one other host (Ganeti's `hroller`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebootGroups {
    /// VMs are shut down, so that two primaries may share a secondary.
    #[serde(default, skip_serializing_if = "is_default")]
    pub offline_maintenance: bool,
    /// Second copies leave the group too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub full_evacuation: bool,
    /// Only the first group is wanted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub first_group_only: bool,
    /// What happens to VMs without a second copy.
    #[serde(default)]
    pub non_redundant: NonRedundant,
    /// Facts of hosts.
    #[serde(default)]
    pub hosts: Vec<RebootHost>,
    /// Facts of VMs.
    #[serde(default)]
    pub vms: Vec<RebootVm>,
}

/// A host as [`RebootGroups`] sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebootHost {
    /// The host.
    pub id: HostId,
    /// Memory that is free now, in MiB.
    pub free_memory_mib: u64,
    /// Disk that is free now, in MiB.
    pub free_disk_mib: u64,
    /// Left out of all groups (not asked for); it can take VMs all the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left_out: bool,
    /// Its group comes last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub last: bool,
}

/// A VM as [`RebootGroups`] sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RebootVm {
    /// The VM.
    pub id: VmId,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk in MiB.
    pub disk_mib: u64,
    /// The host of its second copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary: Option<HostId>,
}
