//! Rules of affinity, by names.

use underpin_model::fleet::{Affinity, AffinityKind, Strength};
use underpin_model::id::{HostId, VmId};

/// A rule that must hold.
pub(crate) fn rule(kind: AffinityKind, vms: &[&str], hosts: &[&str]) -> Affinity {
    Affinity {
        kind,
        strength: Strength::Must,
        vms: vms.iter().map(|it| VmId::new(*it).unwrap()).collect(),
        hosts: hosts.iter().map(|it| HostId::new(*it).unwrap()).collect(),
    }
}
