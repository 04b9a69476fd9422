//! The elements around hosts and VMs.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ComponentSet, Extra, Provenance, Seen};
use crate::facts::Family;
use crate::id::{
    ApplicationId, ClusterId, ComponentSetId, FaultDomainId, HostId, ImageId, ManagementPlaneId, NetworkId,
    SiteId, StorageId, TenantId, WitnessId,
};

/// What every element of the stack has, whatever its kind.
pub trait Element {
    /// The facts that provenance can speak of: every field but `id`, `seen` and `provenance`.
    const FACTS: &'static [&'static str];
    /// The id, unique among all elements of the fleet.
    fn id(&self) -> &str;
    /// What people call it, if not its id.
    fn name(&self) -> Option<&str>;
    /// Where and when single facts were seen.
    fn provenance(&self) -> &Provenance;
    /// Unknown fields.
    fn extra(&self) -> &Extra;
}

macro_rules! element {
    ($(#[$doc:meta])* $name:ident($id:ty) { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            /// Unique among all elements of the fleet.
            pub id: $id,
            /// What people call it, if not its id.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub name: Option<String>,
            $(
                $(#[$field_doc])*
                #[serde(default, skip_serializing_if = "super::is_default")]
                pub $field: $type,
            )*
            /// Where and when it was seen, if not as the whole file.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub seen: Option<Box<Seen>>,
            /// Where and when single facts were seen.
            #[serde(
                default,
                skip_serializing_if = "Provenance::is_empty",
                deserialize_with = "crate::fleet::read::unique"
            )]
            pub provenance: Provenance,
            /// Unknown fields.
            #[serde(flatten)]
            pub extra: Extra,
        }

        impl $name {
            /// An element of which nothing but its id is known.
            #[must_use]
            pub fn new(id: $id) -> Self {
                Self {
                    id,
                    name: None,
                    $($field: Default::default(),)*
                    seen: None,
                    provenance: Provenance::new(),
                    extra: Extra::new(),
                }
            }
        }

        impl $crate::fleet::Element for $name {
            const FACTS: &'static [&'static str] = &["name", $(stringify!($field),)*];
            fn id(&self) -> &str {
                self.id.as_str()
            }
            fn name(&self) -> Option<&str> {
                self.name.as_deref()
            }
            fn provenance(&self) -> &Provenance {
                &self.provenance
            }
            fn extra(&self) -> &Extra {
                &self.extra
            }
        }
    };
}
pub(super) use element;

element! {
    /// A place with its own power, network and people.
    Site(SiteId) {
        /// IANA time zone, for windows in local time.
        time_zone: Option<String>,
    }
}

element! {
    /// Things that fail together: a rack, a power feed.
    FaultDomain(FaultDomainId) {
        /// The site that it is in.
        site: Option<SiteId>,
    }
}

element! {
    /// Hosts between which guests can move.
    Cluster(ClusterId) {
        /// The site that it is in.
        site: Option<SiteId>,
        /// The hypervisor product.
        platform: Option<Family>,
        /// The planes that manage it.
        managed_by: Vec<ManagementPlaneId>,
        /// The witness of its quorum.
        witness: Option<WitnessId>,
        /// Storage that its hosts share: what a host reaches that states none of its own.
        storage: Vec<StorageId>,
        /// Networks that its hosts share: what a host reaches that states none of its own.
        networks: Vec<NetworkId>,
        /// Guests of a failed host are restarted elsewhere.
        ha_restart: Option<bool>,
        /// Capacity for a failed host is held back.
        admission_control: Option<bool>,
        /// Guests are moved by load without being asked.
        load_balancing: Option<bool>,
        /// It runs without its full redundancy now.
        degraded: Option<bool>,
    }
}

element! {
    /// What manages clusters: vCenter, XAPI coordinator, Proxmox cluster manager, OpenStack control plane, engine.
    ManagementPlane(ManagementPlaneId) {
        /// The product.
        platform: Option<Family>,
        /// The site that it runs at.
        site: Option<SiteId>,
        /// The hosts that it runs on; an empty list: none of the fleet. `None`: unknown.
        runs_on: Option<Vec<HostId>>,
        /// Sets of its components.
        component_sets: Vec<ComponentSetId>,
        /// Components of its own.
        components: Option<ComponentSet>,
        /// Ways in. An empty list says as much as none, that nobody has listed any: what is off is listed with `enabled` false.
        management_interfaces: Vec<super::ManagementInterface>,
    }
}

element! {
    /// A vote that keeps a quorum alive.
    Witness(WitnessId) {
        /// The site that it is at.
        site: Option<SiteId>,
        /// Its components.
        components: Option<ComponentSet>,
    }
}

/// How much redundancy storage has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Redundancy {
    /// As designed.
    Full,
    /// Something is missing, nothing is lost yet.
    Degraded,
    /// Copies are being restored.
    Rebuilding,
    /// There was never any.
    None,
}

impl Redundancy {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Degraded => "degraded",
            Self::Rebuilding => "rebuilding",
            Self::None => "none",
        }
    }
}

element! {
    /// A datastore, pool or array.
    Storage(StorageId) {
        /// The site that it is at.
        site: Option<SiteId>,
        /// How much redundancy is left; `None`: unknown.
        redundancy: Option<Redundancy>,
        /// It is reached by several hosts.
        shared: Option<bool>,
        /// Data is encrypted at rest.
        encrypted_at_rest: Option<bool>,
        /// Traffic to it is encrypted.
        encrypted_in_transit: Option<bool>,
        /// Components of its controllers.
        components: Option<ComponentSet>,
    }
}

element! {
    /// A network.
    Network(NetworkId) {
        /// The site that it is at.
        site: Option<SiteId>,
        /// What it carries: `management`, `migration`, `storage`, `guest`.
        purpose: Vec<String>,
        /// Its traffic is encrypted.
        encrypted: Option<bool>,
        /// It can be reached from the public Internet.
        publicly_exposed: Option<bool>,
    }
}

element! {
    /// A party whose applications run on VMs.
    Tenant(TenantId) {
        /// Who answers for it (a role or a mailbox of the operator's choice).
        contact: Option<String>,
    }
}

element! {
    /// An application of a tenant.
    Application(ApplicationId) {
        /// Its tenant.
        tenant: Option<TenantId>,
        /// What it needs to work.
        depends_on: Vec<ApplicationId>,
        /// What harm its failure can do to people or mission: an SSVC human impact value.
        human_impact: Option<crate::ssvc::HumanImpact>,
    }
}

element! {
    /// A template or golden image from which VMs are made.
    Image(ImageId) {
        /// Its tenant; `None`: offered to all.
        tenant: Option<TenantId>,
        /// The day it was built.
        built: Option<Date>,
        /// Sets of its components.
        component_sets: Vec<ComponentSetId>,
        /// Components of its own.
        components: Option<ComponentSet>,
    }
}
