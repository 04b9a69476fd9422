//! The fleet as the builder needs it: per host its guests, ways in, planes and holdings. Hosts, planes, clusters and tenants are
//! in the order of their ids, so that the order of the file changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap};
use underpin_exposure::report::AssetKind;
use underpin_exposure::{Missing, Unseen};
use underpin_model::fleet::{Cluster, Fleet, Host, ManagementPlane, Vm};
use underpin_model::id::{ApplicationId, ClusterId, ManagementPlaneId, TenantId};
use underpin_model::policy::Parameter;

use super::reach::{Guests, Machine};
use crate::levels::{Left, Levels, is_live};
use crate::scope::HostPlace;
use crate::ways::{Door, PublicReach, Ways};

/// One host.
#[derive(Debug)]
pub(super) struct HostFacts<'f> {
    pub(super) host: &'f Host,
    pub(super) cluster: u32,
    pub(super) managed_by: &'f [ManagementPlaneId],
    /// Indices of the planes that manage it; see [`super::seats`] for those beyond the planes of the fleet.
    pub(super) planes: Vec<u32>,
    pub(super) guests: Guests,
    pub(super) software: Ways,
    pub(super) controller: Ways,
    /// Its stretch of [`Survey::stands`].
    pub(super) stands: Range<u32>,
}

impl<'f> HostFacts<'f> {
    pub(super) fn place(&self) -> HostPlace<'f> {
        HostPlace {
            id: &self.host.id,
            cluster: self.host.cluster.as_ref(),
            platform: self.host.platform.as_ref().map(|it| &it.family),
            planes: self.managed_by,
        }
    }
}

/// How many VMs of one tenant stand on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) host: u32,
    pub(super) tenant: u32,
    pub(super) vms: u32,
    /// Of them those that have less than a whole outage when the host is down, if no level holds of which it is not known.
    pub(super) at_worst: Spared,
    /// The same, if all of those hold.
    pub(super) at_best: Spared,
}

/// VMs that something stands in for when their host is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spared {
    /// A copy.
    pub(crate) copies: u32,
    /// A restart on another host.
    pub(crate) restarts: u32,
}

impl Spared {
    fn add(&mut self, left: Left) {
        match left {
            Left::Copies => self.copies += 1,
            Left::Restart => self.restarts += 1,
            Left::Whole => {}
        }
    }

    /// Of so many VMs how many are down for the whole outage that is left, one that is spared by its share.
    pub(crate) fn down(self, vms: u32, parameter: impl Fn(Parameter) -> f64) -> f64 {
        let spared = |count: u32, left: Left| f64::from(count) * (1.0 - left.share(&parameter));
        f64::from(vms) - spared(self.copies, Left::Copies) - spared(self.restarts, Left::Restart)
    }
}

/// Live VMs of one tenant of which no host is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unplaced {
    /// The cluster on whose hosts they stand; `None`: they may stand on any host of the fleet.
    pub(super) cluster: Option<u32>,
    pub(super) tenant: u32,
    pub(super) vms: u32,
}

/// The whole fleet.
#[derive(Debug)]
pub(super) struct Survey<'f> {
    pub(super) hosts: Vec<HostFacts<'f>>,
    pub(super) planes: Vec<&'f ManagementPlane>,
    /// Hosts of each plane.
    pub(super) hosts_of_plane: Vec<Vec<u32>>,
    /// Clusters of each plane.
    clusters_of_plane: Vec<Vec<&'f ClusterId>>,
    /// Hosts that each plane runs on, each once.
    pub(super) runs_on: Vec<Vec<u32>>,
    pub(super) stands: Vec<Stand>,
    pub(super) tenants: Vec<Option<TenantId>>,
    pub(super) clusters: Vec<Option<ClusterId>>,
    /// Places of hosts by id.
    pub(super) host_index: FxHashMap<&'f str, u32>,
    /// Live VMs of which no host is known, each cluster and tenant once.
    pub(super) unplaced: Vec<Unplaced>,
    /// Live VMs of which it is not known what stands in for them when their host is down.
    pub(super) of_unknown_level: u64,
    /// The file lists VMs.
    pub(super) lists_vms: bool,
    /// Hosts of which no plane is known are under one of which nothing is known: [`super::unmanaged`].
    pub(super) under_unknown: bool,
    /// Machines of which kernel or hypervisor is not known.
    unseen: Unseen<'f>,
}

impl<'f> Survey<'f> {
    /// What is not known of what makes a host's or plane's platform.
    pub(super) fn missing(&self, (kind, at): (AssetKind, u32)) -> Option<Missing> {
        let id = if kind == AssetKind::Host {
            self.hosts.get(at as usize).map(|it| it.host.id.as_str())
        } else {
            self.planes.get(at as usize).map(|it| it.id.as_str())
        };
        self.unseen.of_machine(kind, id?)
    }

    /// Hosts and planes of which it is not known whether the public Internet reaches their software.
    pub(super) fn of_unknown_reach(&self, fleet: &Fleet) -> u64 {
        let reach = PublicReach::of(fleet);
        let planes = self.planes.iter().map(|it| Ways::of(&it.management_interfaces, Door::Software, &reach));
        let all = self.hosts.iter().map(|it| it.software).chain(planes);
        all.filter(Ways::exposure_is_unknown).count() as u64
    }

    /// Live VMs of which no host is known.
    pub(super) fn without_host(&self) -> u64 {
        self.unplaced.iter().map(|it| u64::from(it.vms)).sum()
    }

    /// VMs of no known host as guests of every host that they may stand on: which of these it is, nobody knows.
    pub(super) fn guests_at_worst(&mut self) {
        if self.unplaced.is_empty() {
            return;
        }
        let (mut anywhere, mut in_cluster) = (0_u32, vec![0_u32; self.clusters.len()]);
        for it in &self.unplaced {
            let sum = it.cluster.and_then(|at| in_cluster.get_mut(at as usize)).unwrap_or(&mut anywhere);
            *sum = sum.saturating_add(it.vms);
        }
        for host in &mut self.hosts {
            let here = in_cluster.get(host.cluster as usize).copied().unwrap_or(0);
            let perhaps = host.guests.perhaps.saturating_add(anywhere).saturating_add(here);
            // Hosts add both kinds up.
            host.guests.perhaps = perhaps.min(u32::MAX - host.guests.on);
        }
    }

    /// What is not known of the ways in, at its worst.
    pub(super) fn reach_at_worst(&mut self) {
        for host in &mut self.hosts {
            host.software = host.software.at_worst();
            host.controller = host.controller.at_worst();
        }
    }

    pub(super) fn of(fleet: &'f Fleet) -> Self {
        let mut hosts: Vec<&Host> = fleet.hosts.iter().collect();
        hosts.par_sort_by(|a, b| a.id.cmp(&b.id));
        let mut planes: Vec<&ManagementPlane> = fleet.management_planes.iter().collect();
        planes.sort_by(|a, b| a.id.cmp(&b.id));
        let mut host_index = FxHashMap::with_capacity_and_hasher(hosts.len(), FxBuildHasher);
        for (at, host) in hosts.iter().enumerate() {
            host_index.entry(host.id.as_str()).or_insert(number(at));
        }
        let (clusters, cluster_index) = clusters(fleet, &hosts);
        let on = |plane: &&ManagementPlane| {
            let hosts = plane.runs_on.iter().flatten().filter_map(|it| host_index.get(it.as_str()).copied());
            hosts.collect::<BTreeSet<u32>>().into_iter().collect()
        };
        let mut clusters_of_plane = vec![Vec::new(); planes.len()];
        for (cluster, plane) in
            fleet.clusters.iter().flat_map(|it| it.managed_by.iter().map(|by| (&it.id, by)))
        {
            if let Some(list) = planes
                .binary_search_by(|it| it.id.cmp(plane))
                .ok()
                .and_then(|at| clusters_of_plane.get_mut(at))
            {
                list.push(cluster);
            }
        }
        let mut survey = Self {
            clusters_of_plane,
            runs_on: planes.iter().map(on).collect(),
            hosts: Vec::new(),
            hosts_of_plane: vec![Vec::new(); planes.len()],
            planes,
            stands: Vec::new(),
            tenants: Vec::new(),
            clusters,
            host_index,
            unplaced: Vec::new(),
            of_unknown_level: 0,
            lists_vms: !fleet.vms.is_empty(),
            under_unknown: false,
            unseen: Unseen::of(fleet),
        };
        survey.add_hosts(fleet, &hosts, &cluster_index);
        survey.add_vms(fleet, &cluster_index);
        survey
    }

    fn add_hosts(
        &mut self,
        fleet: &'f Fleet,
        hosts: &[&'f Host],
        cluster_index: &FxHashMap<Option<&ClusterId>, u32>,
    ) {
        let by_id: FxHashMap<&ClusterId, &Cluster> = fleet.clusters.iter().map(|it| (&it.id, it)).collect();
        let plane_index: FxHashMap<&ManagementPlaneId, u32> =
            self.planes.iter().enumerate().map(|(at, it)| (&it.id, number(at))).collect();
        let reach = PublicReach::of(fleet);
        let facts = |host: &&'f Host| {
            let cluster = host.cluster.as_ref().and_then(|id| by_id.get(id)).copied();
            let managed_by = cluster.map_or(&[][..], |it| &it.managed_by);
            let planes: BTreeSet<u32> =
                managed_by.iter().filter_map(|id| plane_index.get(id).copied()).collect();
            HostFacts {
                host,
                cluster: cluster_index.get(&cluster.map(|it| &it.id)).copied().unwrap_or(0),
                managed_by,
                planes: planes.into_iter().collect(),
                guests: Guests::default(),
                software: Ways::of(&host.management_interfaces, Door::Software, &reach),
                controller: Ways::of(&host.management_interfaces, Door::Controller, &reach),
                stands: 0..0,
            }
        };
        self.hosts = hosts.par_iter().map(facts).collect();
        for (at, host) in self.hosts.iter().enumerate() {
            for plane in &host.planes {
                if let Some(list) = self.hosts_of_plane.get_mut(*plane as usize) {
                    list.push(number(at));
                }
            }
        }
    }

    fn add_vms(&mut self, fleet: &'f Fleet, cluster_index: &FxHashMap<Option<&ClusterId>, u32>) {
        let of_application: FxHashMap<&ApplicationId, &TenantId> =
            fleet.applications.iter().filter_map(|it| Some((&it.id, it.tenant.as_ref()?))).collect();
        let tenant_of = |vm: &'f Vm| {
            let by_application = || of_application.get(vm.application.as_ref()?).copied();
            vm.tenant.as_ref().or_else(by_application)
        };
        let levels = Levels::of(fleet);
        let parts: Vec<Placed<'_>> = fleet
            .vms
            .par_chunks(VMS_AT_ONCE)
            .map(|it| Placed::of(it, &self.host_index, &tenant_of, &levels))
            .collect();
        let mut names: BTreeSet<Option<&TenantId>> = fleet.tenants.iter().map(|it| Some(&it.id)).collect();
        parts.iter().for_each(|it| names.extend(&it.tenants));
        let numbers: FxHashMap<Option<&TenantId>, u32> =
            names.iter().enumerate().map(|(at, it)| (*it, number(at))).collect();
        let mut guests: Vec<(u32, u32, Left, Left)> =
            Vec::with_capacity(parts.iter().map(|it| it.list.len()).sum());
        // A cluster without a host that is listed says nothing of where its VMs stand.
        let with_hosts: BTreeSet<u32> = self.hosts.iter().map(|it| it.cluster).collect();
        let cluster = |id: &'f ClusterId| cluster_index.get(&Some(id)).filter(|it| with_hosts.contains(it));
        let mut unplaced: BTreeMap<(Option<u32>, u32), u32> = BTreeMap::new();
        for part in parts {
            let of_part: Vec<u32> =
                part.tenants.iter().map(|it| numbers.get(it).copied().unwrap_or(0)).collect();
            for (id, tenant) in part.unplaced {
                let tenant = of_part.get(tenant as usize).copied().unwrap_or(0);
                *unplaced.entry((id.and_then(cluster).copied(), tenant)).or_default() += 1;
            }
            for (at, tenant, known_on, [worst, best]) in part.list {
                guests.push((at, of_part.get(tenant as usize).copied().unwrap_or(0), worst, best));
                if let Some(host) = self.hosts.get_mut(at as usize) {
                    let count = if known_on { &mut host.guests.on } else { &mut host.guests.perhaps };
                    *count += 1;
                }
            }
        }
        let one = |((cluster, tenant), vms)| Unplaced { cluster, tenant, vms };
        self.unplaced = unplaced.into_iter().map(one).collect();
        guests.par_sort_unstable();
        self.tenants = names.into_iter().map(Option::<&TenantId>::cloned).collect();
        for run in guests.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let Some(&(host, tenant, ..)) = run.first() else { continue };
            let at = number(self.stands.len());
            let (mut at_worst, mut at_best) = (Spared::default(), Spared::default());
            for (.., worst, best) in run {
                at_worst.add(*worst);
                at_best.add(*best);
                self.of_unknown_level += u64::from(worst != best);
            }
            self.stands.push(Stand { host, tenant, vms: number(run.len()), at_worst, at_best });
            if let Some(facts) = self.hosts.get_mut(host as usize) {
                let start = if facts.stands.end == 0 { at } else { facts.stands.start };
                facts.stands = start..at + 1;
            }
        }
    }

    /// What decides how a host is reached. Where the file lists no VMs, one guest may be on it.
    pub(super) fn machine(&self, facts: &HostFacts<'_>) -> Machine {
        let guests = if self.lists_vms { facts.guests } else { Guests { on: 0, perhaps: 1 } };
        Machine { software: facts.software, controller: facts.controller, guests: Some(guests) }
    }

    /// What stands on a host.
    pub(super) fn stands_on(&self, host: &HostFacts<'_>) -> &[Stand] {
        self.stands.get(host.stands.start as usize..host.stands.end as usize).unwrap_or(&[])
    }

    /// The clusters that a plane manages, with hosts or without.
    pub(super) fn clusters_of_plane(&self, plane: usize) -> impl Iterator<Item = &'f ClusterId> {
        self.clusters_of_plane.get(plane).into_iter().flatten().copied()
    }

    /// The hosts of a plane on which guests run, or all if none do: an empty host has nothing for the plane to take.
    pub(super) fn hosts_at_stake(&self, plane: usize) -> Vec<&HostFacts<'f>> {
        let hosts = self.hosts_of_plane.get(plane).into_iter().flatten();
        let hosts: Vec<_> = hosts.filter_map(|at| self.hosts.get(*at as usize)).collect();
        let with_guests: Vec<_> =
            hosts.iter().copied().filter(|it| self.tenants_on(it).next().is_some()).collect();
        if with_guests.is_empty() { hosts } else { with_guests }
    }

    /// The tenants with guests on a host.
    pub(super) fn tenants_on(&self, host: &HostFacts<'_>) -> impl Iterator<Item = Option<&TenantId>> {
        self.stands_on(host).iter().map(|it| self.tenants.get(it.tenant as usize).and_then(Option::as_ref))
    }
}

/// VMs that are placed together.
const VMS_AT_ONCE: usize = 16_384;

/// Some VMs by host and tenant.
struct Placed<'f> {
    /// Tenants in the order that they were met.
    tenants: Vec<Option<&'f TenantId>>,
    /// Per VM of a known host: its place, the place of its tenant in the list, whether it is known to run, and what is left of an
    /// outage of its host at worst and at best.
    list: Vec<(u32, u32, bool, [Left; 2])>,
    /// VMs of no known host: their cluster, and the place of their tenant in the list.
    unplaced: Vec<(Option<&'f ClusterId>, u32)>,
}

impl<'f> Placed<'f> {
    fn of(
        vms: &'f [Vm],
        hosts: &FxHashMap<&str, u32>,
        tenant_of: &impl Fn(&'f Vm) -> Option<&'f TenantId>,
        levels: &Levels<'f>,
    ) -> Self {
        let mut places: FxHashMap<Option<&TenantId>, u32> = FxHashMap::default();
        let mut placed = Self { tenants: Vec::new(), list: Vec::new(), unplaced: Vec::new() };
        for vm in vms.iter().filter(|it| is_live(it)) {
            let tenant = *places.entry(tenant_of(vm)).or_insert_with_key(|it| {
                placed.tenants.push(*it);
                number(placed.tenants.len() - 1)
            });
            match vm.host.as_ref().and_then(|id| hosts.get(id.as_str())) {
                Some(at) => {
                    let holds = levels.holds(vm);
                    let left = [holds.at_worst(), holds.at_best()];
                    placed.list.push((*at, tenant, vm.power.is_some(), left));
                }
                None => placed.unplaced.push((vm.cluster.as_ref(), tenant)),
            }
        }
        placed
    }
}

fn clusters<'f>(
    fleet: &'f Fleet,
    hosts: &[&'f Host],
) -> (Vec<Option<ClusterId>>, FxHashMap<Option<&'f ClusterId>, u32>) {
    let mut names: BTreeSet<Option<&ClusterId>> = fleet.clusters.iter().map(|it| Some(&it.id)).collect();
    let known: FxHashMap<&ClusterId, ()> = fleet.clusters.iter().map(|it| (&it.id, ())).collect();
    if hosts.iter().any(|it| it.cluster.as_ref().is_none_or(|id| !known.contains_key(id))) {
        names.insert(None);
    }
    let index = names.iter().enumerate().map(|(at, it)| (*it, number(at))).collect();
    (names.into_iter().map(Option::<&ClusterId>::cloned).collect(), index)
}

/// A position as the portfolio writes it; the builder refuses fleets with more.
pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
