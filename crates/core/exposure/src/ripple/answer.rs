//! The words of an answer: elements, how they stand on each other, and why there is none.

use std::fmt;

use serde::{Deserialize, Serialize};
use underpin_model::id::TenantId;

/// Kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A site.
    Site,
    /// A fault domain.
    FaultDomain,
    /// A network.
    Network,
    /// A datastore, pool or array.
    Storage,
    /// A quorum witness.
    Witness,
    /// A management plane.
    ManagementPlane,
    /// A cluster.
    Cluster,
    /// A host.
    Host,
    /// An image.
    Image,
    /// A VM.
    Vm,
    /// An application.
    Application,
    /// A tenant.
    Tenant,
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Site => "site",
            Self::FaultDomain => "fault domain",
            Self::Network => "network",
            Self::Storage => "storage",
            Self::Witness => "witness",
            Self::ManagementPlane => "management plane",
            Self::Cluster => "cluster",
            Self::Host => "host",
            Self::Image => "image",
            Self::Vm => "vm",
            Self::Application => "application",
            Self::Tenant => "tenant",
        })
    }
}

/// How one element stands on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It carries the component that was asked for.
    Carries,
    /// It is at a site or in a fault domain.
    LocatedIn,
    /// It is a host (or a VM whose host is not known) of a cluster.
    MemberOf,
    /// It is managed by a plane.
    ManagedBy,
    /// It is a plane that runs on a host.
    RunsOn,
    /// It is a VM on a host.
    HostedOn,
    /// Its data is there.
    StoredOn,
    /// It is connected there.
    ConnectedTo,
    /// Its quorum needs that witness.
    WitnessedBy,
    /// It was made from an image.
    MadeFrom,
    /// It is an application that a VM serves.
    ServedBy,
    /// It is an application that needs another.
    DependsOn,
    /// It is a tenant whose application, VM or image that is.
    Owns,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Carries => "carries",
            Self::LocatedIn => "located in",
            Self::MemberOf => "member of",
            Self::ManagedBy => "managed by",
            Self::RunsOn => "runs on",
            Self::HostedOn => "hosted on",
            Self::StoredOn => "stored on",
            Self::ConnectedTo => "connected to",
            Self::WitnessedBy => "witnessed by",
            Self::MadeFrom => "made from",
            Self::ServedBy => "served by",
            Self::DependsOn => "depends on",
            Self::Owns => "owns",
        })
    }
}

/// One element above or below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Node {
    /// Steps from what was asked for; 0 only for assets that carry the component that was asked for.
    pub distance: u32,
    /// Its kind.
    pub kind: NodeKind,
    /// Its id.
    pub id: String,
    /// The relation of the last step towards it.
    pub via: Relation,
}

/// VMs of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TenantVms {
    /// The tenant; `None`: VMs whose tenant is not known.
    pub tenant: Option<TenantId>,
    /// How many of its VMs are among those above (and the VM that was asked for, if it was one).
    pub vms: usize,
}

/// What a change to an element touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ripple {
    /// What was asked for.
    pub at: String,
    /// What stands on it, nearest first. For a component, the assets that carry it come first.
    pub above: Vec<Node>,
    /// What it stands on, nearest first. For a component, what the assets that carry it stand on.
    pub below: Vec<Node>,
    /// VMs touched, by tenant, in order of the tenants' ids.
    pub tenants: Vec<TenantVms>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RippleError {
    /// No element has this id, and no asset carries a component of this name (and version).
    #[error("no element or component {at:?} in the fleet{}", did_you_mean(.suggestions))]
    Unknown {
        /// What was asked for, shortened.
        at: String,
        /// Ids and component names that look most like it, nearest first.
        suggestions: Vec<String>,
    },
}

fn did_you_mean(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return "; give the id of an element, a component's name, or name@version".to_owned();
    }
    format!("; did you mean {}?", suggestions.join(", "))
}
