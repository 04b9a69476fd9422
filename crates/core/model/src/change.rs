//! What is to become of elements: releases and settings to move to, and what their owners said to it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Family;
use crate::fleet::{Action, Capacity};
use crate::id::{ApplicationId, ClusterId, ElementId, TenantId, VmId};
use crate::policy::Durations;

/// The kinds of elements that a plan can change.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Management planes. Changed before the hosts that they manage.
    ManagementPlane,
    /// Witnesses.
    Witness,
    /// Storage: its controllers one after the other, with no host of its clusters away meanwhile.
    Storage,
    /// Hosts.
    #[default]
    Host,
}

impl Layer {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ManagementPlane => "management-plane",
            Self::Witness => "witness",
            Self::Storage => "storage",
            Self::Host => "host",
        }
    }
}

/// How a change reaches an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The running code is patched; guests stay and run on.
    LivePatch,
    /// Guests are suspended to memory, the platform restarts without the firmware, guests resume.
    QuickBoot,
    /// Guests leave, the host reboots. Guests that cannot leave are suspended or powered off where that is allowed.
    EvacuateReboot,
    /// Every guest is powered off, with consent.
    PowerOff,
    /// In place, without a reboot and without touching guests: what management planes, witnesses and storage do, and hosts for a change
    /// that takes no reboot.
    InPlace,
    /// Not now: the hole is mitigated by other means.
    Defer,
}

impl Method {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LivePatch => "live-patch",
            Self::QuickBoot => "quick-boot",
            Self::EvacuateReboot => "evacuate-reboot",
            Self::PowerOff => "power-off",
            Self::InPlace => "in-place",
            Self::Defer => "defer",
        }
    }
}

/// Where a change leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// A release of the platform.
    Release {
        /// As the platform names it.
        release: String,
        /// Releases that must be run on the way, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        via: Vec<String>,
    },
    /// A version of one component, where the release keeps its name through updates (XCP-ng, Windows).
    Component {
        /// Its name, as in what the host runs (`running`).
        name: String,
        /// The version that is to run.
        version: String,
    },
    /// A setting.
    Setting {
        /// Its name, as in the fleet's settings.
        name: String,
        /// Its value.
        value: String,
        /// It takes a reboot.
        #[serde(default)]
        reboot: bool,
    },
}

/// A change: a target, and the elements that are to reach it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Its name, unique among the changes.
    pub id: String,
    /// The kind of its elements.
    #[serde(default)]
    pub layer: Layer,
    /// Elements of that kind, by id; empty: all that match the other lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<ElementId>,
    /// Only elements of these clusters (planes that manage them, storage that they use); empty: of any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterId>,
    /// Only elements of these products; empty: of any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Family>,
    /// Where it leads.
    pub to: Target,
    /// Ways to carry it out, the preferred first; empty: for hosts evacuate and reboot, or, where it takes no reboot, in place or along
    /// with the other changes of the host; in place for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// Changes, by id, that must be complete on every element that this one's elements depend on, or are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Units of the element that are changed one after the other (controllers of a storage); 1 where not said.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub units: u32,
    /// What a host can carry afterwards, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_after: Option<Capacity>,
    /// How long it takes, where that differs from the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durations: Option<Durations>,
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(units: &u32) -> bool {
    *units == 1
}

/// What an owner said to an action on guests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Its name.
    pub id: String,
    /// Guests of these tenants; every list that is not empty must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<TenantId>,
    /// Guests of these applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<ApplicationId>,
    /// These guests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vms: Vec<VmId>,
    /// The action.
    pub action: Action,
    /// Yes or no. A no that matches is stronger than any yes.
    pub granted: bool,
    /// The answer holds from then on; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The answer holds until then; absent: until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Consent {
    /// Whether the answer speaks of a guest.
    #[must_use]
    pub fn speaks_of(&self, vm: &crate::fleet::Vm) -> bool {
        fn within<T: PartialEq>(list: &[T], it: Option<&T>) -> bool {
            list.is_empty() || it.is_some_and(|it| list.contains(it))
        }
        within(&self.tenants, vm.tenant.as_ref())
            && within(&self.applications, vm.application.as_ref())
            && within(&self.vms, Some(&vm.id))
    }

    /// Whether the answer holds for the whole of a span.
    #[must_use]
    pub fn holds(&self, from: Timestamp, until: Timestamp) -> bool {
        self.from.is_none_or(|it| it <= from) && self.until.is_none_or(|it| until <= it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_files_are_the_names() {
        for it in [Layer::ManagementPlane, Layer::Witness, Layer::Storage, Layer::Host] {
            assert_eq!(serde_json::to_value(it).unwrap(), it.name());
        }
        use Method::{Defer, EvacuateReboot, InPlace, LivePatch, PowerOff, QuickBoot};
        for it in [LivePatch, QuickBoot, EvacuateReboot, PowerOff, InPlace, Defer] {
            assert_eq!(serde_json::to_value(it).unwrap(), it.name());
        }
    }
}
