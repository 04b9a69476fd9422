//! What of the fleet a reader of the figures must know: tenants of whom nothing runs, and planes above planes.

use std::collections::BTreeSet;

use serde::Serialize;
use underpin_model::fleet::{Fleet, tenants_without_vms};

use super::derivation::Warning;
use super::survey::{HostFacts, Survey};

/// Names and ways that are written out.
const NAMED: usize = 3;

/// A plane that manages a host on which another plane runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PlaneOnPlane {
    /// The plane above.
    pub plane: String,
    /// The host that it manages.
    pub host: String,
    /// The plane that runs there.
    pub carries: String,
    /// Hosts that this one manages and the one above does not.
    pub beyond: u64,
}

/// Tenants without VMs, where the file lists any: where it lists none, that is told once.
pub(super) fn without_guests(fleet: &Fleet) -> Option<Warning> {
    let places = if fleet.vms.is_empty() { Vec::new() } else { tenants_without_vms(fleet) };
    let mut tenants: Vec<String> =
        places.iter().filter_map(|at| Some(fleet.tenants.get(*at)?.id.to_string())).collect();
    tenants.sort();
    let more = tenants.len().saturating_sub(NAMED);
    tenants.truncate(NAMED);
    (!tenants.is_empty()).then_some(Warning::TenantsWithoutGuests { tenants, more })
}

/// Planes whose fall takes hosts that other planes run on, which manage hosts beyond: that way is not followed to these.
pub(super) fn planes_on_planes(survey: &Survey<'_>) -> Option<Warning> {
    let managed: Vec<BTreeSet<u32>> =
        survey.hosts_of_plane.iter().map(|it| it.iter().copied().collect()).collect();
    let one = |(above, host, carried): (u32, &HostFacts<'_>, usize)| {
        let name = |at: usize| survey.planes.get(at).map(|it| it.id.to_string());
        let beyond = managed.get(carried)?.difference(managed.get(above as usize)?).count() as u64;
        let (plane, carries) = (name(above as usize)?, name(carried)?);
        (beyond > 0).then(|| PlaneOnPlane { plane, host: host.host.id.to_string(), carries, beyond })
    };
    let carried = survey.runs_on.iter().enumerate().flat_map(|(at, on)| on.iter().map(move |it| (at, it)));
    let carried = carried.filter_map(|(at, host)| Some((at, survey.hosts.get(*host as usize)?)));
    let ways = carried.flat_map(|(at, host)| host.planes.iter().map(move |above| (*above, host, at)));
    let ways: BTreeSet<PlaneOnPlane> = ways.filter_map(one).collect();
    let more = ways.len().saturating_sub(NAMED);
    let ways: Vec<PlaneOnPlane> = ways.into_iter().take(NAMED).collect();
    (!ways.is_empty()).then_some(Warning::PlanesOnPlanes { ways, more })
}
