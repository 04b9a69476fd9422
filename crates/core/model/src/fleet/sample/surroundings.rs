//! What stands below the hosts of a sample: sites, fault domains, clusters and what they share.

use super::super::{
    AuthenticationMethod, Cluster, Component, ComponentKind, ComponentSet, Extra, FaultDomain, Fleet,
    ManagementInterface, ManagementPlane, Network, Redundancy, Site, Storage, Witness,
};
use super::catalogue::{PLATFORMS, Platform};
use super::{Dice, id};
use crate::facts::Family;
use crate::id::{ClusterId, FaultDomainId, ManagementPlaneId, NetworkId, SiteId, StorageId, WitnessId};

const SITES: [(&str, &str); 6] = [
    ("north", "Europe/Berlin"),
    ("south", "Europe/Madrid"),
    ("east", "Asia/Tokyo"),
    ("west", "America/Chicago"),
    ("coast", "America/Sao_Paulo"),
    ("hill", "Asia/Kolkata"),
];

/// Racks of each site.
const RACKS: usize = 4;
/// Hosts of a cluster, about.
const CLUSTER_HOSTS: u32 = 16;

/// The platform of a cluster, from its name.
pub(super) fn platform_of(cluster: &ClusterId) -> Option<&'static Platform> {
    let slug = cluster.as_str().split('-').next()?;
    PLATFORMS.iter().find(|it| it.slug == slug)
}

/// Adds what `hosts` hosts need.
pub(super) fn fill(fleet: &mut Fleet, hosts: u32, dice: &mut Dice) {
    let clusters = hosts.div_ceil(CLUSTER_HOSTS).max(1) as usize;
    let sites = clusters.div_ceil(3).clamp(1, SITES.len());
    for (name, zone) in SITES.iter().take(sites) {
        let Some(id) = id!(SiteId, "{name}") else { continue };
        for rack in 1..=RACKS {
            let Some(rack) = id!(FaultDomainId, "{name}-rack-{rack}") else { continue };
            let mut domain = FaultDomain::new(rack);
            domain.site = Some(id.clone());
            fleet.fault_domains.push(domain);
        }
        for (purpose, encrypted) in
            [("management", true), ("migration", false), ("storage", false), ("guest", false)]
        {
            let Some(network) = id!(NetworkId, "{name}-{purpose}") else { continue };
            let mut network = Network::new(network);
            network.site = Some(id.clone());
            network.purpose = vec![purpose.to_owned()];
            network.encrypted = Some(encrypted);
            network.publicly_exposed = (purpose != "storage").then_some(purpose == "guest");
            fleet.networks.push(network);
        }
        let mut site = Site::new(id);
        site.time_zone = Some((*zone).to_owned());
        fleet.sites.push(site);
    }
    let weights: Vec<(u32, &Platform)> = PLATFORMS.iter().map(|it| (it.weight, it)).collect();
    for at in 0..clusters {
        // The first clusters take one platform each, so that a fleet of a few hundred hosts has them all.
        let platform = PLATFORMS.get(at).or_else(|| dice.weighted(&weights).copied());
        if let (Some(platform), Some(site)) = (platform, fleet.sites.get(at % sites).map(|it| it.id.clone()))
        {
            cluster(fleet, at, platform, &site, dice);
        }
    }
}

fn cluster(fleet: &mut Fleet, at: usize, platform: &Platform, site: &SiteId, dice: &mut Dice) {
    let slug = platform.slug;
    let Some(cluster) = id!(ClusterId, "{slug}-{:03}", at + 1) else { return };
    let mut cluster = Cluster::new(cluster);
    cluster.site = Some(site.clone());
    cluster.platform = Some((platform.family)());
    for number in 1..=2 {
        let Some(id) = id!(StorageId, "{slug}-{:03}-store-{number}", at + 1) else { continue };
        cluster.storage.push(id.clone());
        fleet.storage.push(storage(id, site, dice));
    }
    cluster.networks =
        fleet.networks.iter().filter(|it| it.site.as_ref() == Some(site)).map(|it| it.id.clone()).collect();
    cluster.managed_by = plane(fleet, at, platform, site).into_iter().collect();
    if dice.chance(30)
        && let Some(id) = id!(WitnessId, "{slug}-{:03}-witness", at + 1)
    {
        cluster.witness = Some(id.clone());
        let mut witness = Witness::new(id);
        witness.site = fleet.sites.get((at + 1) % fleet.sites.len().max(1)).map(|it| it.id.clone());
        fleet.witnesses.push(witness);
    }
    cluster.ha_restart = dice.chance(90).then_some(dice.chance(85));
    cluster.admission_control = dice.chance(80).then_some(dice.chance(60));
    cluster.load_balancing = dice.chance(80).then_some(dice.chance(50));
    cluster.degraded = Some(dice.chance(1));
    fleet.clusters.push(cluster);
}

fn storage(id: StorageId, site: &SiteId, dice: &mut Dice) -> Storage {
    let states = [
        (97, Some(Redundancy::Full)),
        (1, Some(Redundancy::Degraded)),
        (1, Some(Redundancy::Rebuilding)),
        (1, None),
    ];
    let mut storage = Storage::new(id);
    storage.site = Some(site.clone());
    storage.redundancy = dice.weighted(&states).copied().flatten();
    storage.shared = Some(true);
    storage.encrypted_at_rest = dice.chance(80).then_some(dice.chance(70));
    storage.encrypted_in_transit = dice.chance(60).then_some(dice.chance(40));
    storage
}

/// vCenter manages the ESXi clusters of a site; any other cluster has a control plane of its own.
fn plane(fleet: &mut Fleet, at: usize, platform: &Platform, site: &SiteId) -> Option<ManagementPlaneId> {
    let family = (platform.family)();
    let esxi = family == Family::Esxi;
    let id = if esxi {
        id!(ManagementPlaneId, "vcenter-{site}")?
    } else {
        id!(ManagementPlaneId, "{}-{:03}-control", platform.slug, at + 1)?
    };
    if fleet.management_planes.iter().any(|it| it.id == id) {
        return Some(id);
    }
    let mut plane = ManagementPlane::new(id.clone());
    plane.site = Some(site.clone());
    plane.platform = Some(if esxi { Family::Vcenter } else { family });
    if esxi {
        plane.components = Some(ComponentSet {
            family: Some(Family::Vcenter),
            train: Some("8.0U3".to_owned()),
            components: vec![Component::new("vCenter Server", "8.0.3.00400", ComponentKind::Product)],
            extra: Extra::new(),
        });
    }
    plane.management_interfaces = vec![ManagementInterface {
        kind: "https".to_owned(),
        listen: None,
        networks: id!(NetworkId, "{site}-management").into_iter().collect(),
        enabled: Some(true),
        authentication: vec![AuthenticationMethod { method: "directory".to_owned(), second_factor: None }],
    }];
    // Of its own machines, as many control planes are; the fleet file says so.
    plane.runs_on = Some(Vec::new());
    fleet.management_planes.push(plane);
    Some(id)
}
