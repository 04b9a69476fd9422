//! The fleet by dense numbers: elements sorted by id, so that no order of the file shows in what is found.

use rustc_hash::FxHashMap;
use underpin_model::change::Layer;
use underpin_model::facts::Family;
use underpin_model::fleet::{Cluster, Fleet, Host, ManagementPlane, PowerState, Vm};
use underpin_model::policy::{Policy, Scope};

use crate::needs::Needs;
use crate::room::{self, MOST, Need, Room};

/// The number of nothing.
pub(crate) const NONE: u32 = u32::MAX;
/// Where a finding is, for the scopes of exceptions, windows and freezes: numbers, or [`NONE`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Locus {
    pub(crate) cluster: u32,
    pub(crate) host: u32,
    pub(crate) plane: u32,
    pub(crate) tenant: u32,
}

impl Locus {
    pub(crate) const NOWHERE: Self = Self { cluster: NONE, host: NONE, plane: NONE, tenant: NONE };
}

/// An element that a change can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Elem {
    Host(u32),
    Plane(u32),
    Witness(u32),
    Storage(u32),
}

impl Elem {
    pub(crate) fn layer(self) -> Layer {
        match self {
            Self::Host(_) => Layer::Host,
            Self::Plane(_) => Layer::ManagementPlane,
            Self::Witness(_) => Layer::Witness,
            Self::Storage(_) => Layer::Storage,
        }
    }

    pub(crate) fn host(self) -> Option<u32> {
        match self {
            Self::Host(host) => Some(host),
            _ => None,
        }
    }
}

/// A host.
pub(crate) struct HostRow<'a> {
    pub(crate) host: &'a Host,
    pub(crate) cluster: u32,
    /// Its cluster, or itself where it has none: guests move within a pool only.
    pub(crate) pool: u32,
    pub(crate) room: Room,
    /// Its ring by the order of the policy; one that the policy does not name counts as the last. In a pool whose coordinator comes
    /// first, nobody's ring is earlier than the coordinator's.
    pub(crate) ring: u32,
    /// The ring that the fleet gives it. In a pool that is late because of its coordinator, the order of these holds within.
    pub(crate) own_ring: u32,
    pub(crate) slots: u32,
    pub(crate) mbps: u64,
    /// Networks of migrations by name; hosts of a pool that name none share one.
    pub(crate) network: u32,
    /// What it offers guests: a number of [`Needs`].
    pub(crate) offer: u32,
    pub(crate) domains: Vec<u32>,
    /// It takes no guests until the plan has brought it back.
    pub(crate) maintenance: bool,
}

/// How a guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Power {
    Runs,
    Suspended,
    Off,
}

/// A guest.
pub(crate) struct VmRow<'a> {
    pub(crate) vm: &'a Vm,
    pub(crate) host: u32,
    pub(crate) power: Power,
    pub(crate) memory_mib: Option<u64>,
    pub(crate) vcpus: Option<u64>,
    pub(crate) demand: Need,
    pub(crate) tenant: u32,
    pub(crate) application: u32,
    /// What it needs of a host: a number of [`Needs`].
    pub(crate) need: u32,
}

/// Numbers of ids.
pub(crate) type Index<'a> = FxHashMap<&'a str, u32>;

/// The fleet by numbers.
pub(crate) struct World<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) policy: &'a Policy,
    pub(crate) hosts: Vec<HostRow<'a>>,
    pub(crate) vms: Vec<VmRow<'a>>,
    pub(crate) clusters: Vec<&'a Cluster>,
    pub(crate) planes: Vec<&'a ManagementPlane>,
    /// Planes that manage each cluster.
    pub(crate) managed_by: Vec<Vec<u32>>,
    /// Storage that each host or its cluster uses.
    pub(crate) storage_of: Vec<Vec<u32>>,
    /// Pools: clusters, then hosts that are in none.
    pub(crate) pools: u32,
    pub(crate) host_at: Index<'a>,
    pub(crate) vm_at: Index<'a>,
    pub(crate) cluster_at: Index<'a>,
    pub(crate) plane_at: Index<'a>,
    pub(crate) storage_at: Index<'a>,
    pub(crate) witness_at: Index<'a>,
    pub(crate) tenants: Vec<&'a str>,
    pub(crate) tenant_at: Index<'a>,
    pub(crate) domain_at: Index<'a>,
    pub(crate) application_at: Index<'a>,
    pub(crate) networks: u32,
    pub(crate) needs: Needs<'a>,
}

/// References sorted by id.
fn sorted<'a, T>(all: &'a [T], id: impl Fn(&'a T) -> &'a str) -> Vec<&'a T> {
    let mut rows: Vec<&T> = all.iter().collect();
    rows.sort_by(|a, b| id(a).cmp(id(b)));
    rows.dedup_by(|a, b| id(a) == id(b));
    rows
}

fn numbered<'a>(ids: impl Iterator<Item = &'a str>) -> Index<'a> {
    ids.zip(0u32..).collect()
}

fn at(index: &Index<'_>, id: Option<&str>) -> u32 {
    id.and_then(|it| index.get(it)).copied().unwrap_or(NONE)
}

/// A number as an index; [`NONE`] leads nowhere.
pub(crate) fn ix(number: u32) -> usize {
    number as usize
}

impl<'a> World<'a> {
    pub(crate) fn new(fleet: &'a Fleet, policy: &'a Policy) -> Self {
        let clusters = sorted(&fleet.clusters, |it| it.id.as_str());
        let planes = sorted(&fleet.management_planes, |it| it.id.as_str());
        let storage = sorted(&fleet.storage, |it| it.id.as_str());
        let networks = sorted(&fleet.networks, |it| it.id.as_str());
        let witnesses = sorted(&fleet.witnesses, |it| it.id.as_str());
        let tenants = sorted(&fleet.tenants, |it| it.id.as_str());
        let applications = sorted(&fleet.applications, |it| it.id.as_str());
        let domains = sorted(&fleet.fault_domains, |it| it.id.as_str());
        let plane_at = numbered(planes.iter().map(|it| it.id.as_str()));
        let network_at = numbered(networks.iter().map(|it| it.id.as_str()));
        let managed_by = clusters
            .iter()
            .map(|it| it.managed_by.iter().filter_map(|id| plane_at.get(id.as_str()).copied()).collect())
            .collect();
        let mut world = Self {
            fleet,
            policy,
            hosts: Vec::with_capacity(fleet.hosts.len()),
            vms: Vec::with_capacity(fleet.vms.len()),
            cluster_at: numbered(clusters.iter().map(|it| it.id.as_str())),
            pools: u32::try_from(clusters.len()).unwrap_or(NONE),
            clusters,
            planes,
            managed_by,
            storage_of: Vec::new(),
            host_at: Index::default(),
            vm_at: Index::default(),
            plane_at,
            storage_at: numbered(storage.iter().map(|it| it.id.as_str())),
            witness_at: numbered(witnesses.iter().map(|it| it.id.as_str())),
            tenants: tenants.iter().map(|it| it.id.as_str()).collect(),
            tenant_at: numbered(tenants.iter().map(|it| it.id.as_str())),
            domain_at: numbered(domains.iter().map(|it| it.id.as_str())),
            application_at: numbered(applications.iter().map(|it| it.id.as_str())),
            networks: u32::try_from(networks.len()).unwrap_or(NONE),
            needs: Needs::default(),
        };
        world.add_hosts(&network_at);
        world.pools();
        world.add_vms();
        world
    }

    fn pools(&mut self) {
        for cluster in 0..u32::try_from(self.clusters.len()).unwrap_or(NONE) {
            let coordinators = crate::sequence::coordinators_of(self, cluster);
            let ring = coordinators.iter().filter_map(|it| self.hosts.get(ix(*it))).map(|it| it.ring).max();
            let Some(ring) = ring else { continue };
            self.hosts
                .iter_mut()
                .filter(|it| it.cluster == cluster)
                .for_each(|it| it.ring = it.ring.max(ring));
        }
    }

    fn add_hosts(&mut self, network_at: &Index<'_>) {
        let policy = &self.policy.planning.migration;
        let last_ring = u32::try_from(self.policy.rings.len().saturating_sub(1)).unwrap_or(NONE);
        let named = self.networks;
        for host in sorted(&self.fleet.hosts, |it| it.id.as_str()) {
            let number = u32::try_from(self.hosts.len()).unwrap_or(NONE);
            self.host_at.insert(host.id.as_str(), number);
            let cluster = at(&self.cluster_at, host.cluster.as_ref().map(AsRef::as_ref));
            let pool = if cluster == NONE {
                self.pools += 1;
                self.pools - 1
            } else {
                cluster
            };
            let shared = self.clusters.get(ix(cluster)).copied();
            let mut storage: Vec<u32> = host
                .reach
                .storage
                .iter()
                .chain(shared.iter().flat_map(|it| &it.storage))
                .filter_map(|it| self.storage_at.get(it.as_str()).copied())
                .collect();
            storage.sort_unstable();
            storage.dedup();
            self.storage_of.push(storage);
            let migration = host.migration.as_ref();
            let network = migration.and_then(|it| it.network.as_ref());
            let ring = host.ring.as_deref();
            let ring = self.policy.rings.iter().position(|it| Some(it.name.as_str()) == ring);
            let ring = ring.and_then(|it| u32::try_from(it).ok()).unwrap_or(last_ring);
            self.hosts.push(HostRow {
                host,
                cluster,
                pool,
                room: room::of_host(host.capacity.as_ref()),
                ring,
                own_ring: ring,
                slots: migration.and_then(|it| it.slots).unwrap_or(policy.slots),
                mbps: u64::from(migration.and_then(|it| it.bandwidth_mbps).unwrap_or(policy.bandwidth_mbps)),
                network: match at(network_at, network.map(AsRef::as_ref)) {
                    NONE => named.saturating_add(pool),
                    known => known,
                },
                offer: self.needs.offer(host, shared),
                domains: host
                    .fault_domains
                    .iter()
                    .filter_map(|it| self.domain_at.get(it.as_str()).copied())
                    .collect(),
                maintenance: host.maintenance == Some(true),
            });
        }
        self.networks = named.saturating_add(self.pools);
    }

    fn add_vms(&mut self) {
        for vm in sorted(&self.fleet.vms, |it| it.id.as_str()) {
            let number = u32::try_from(self.vms.len()).unwrap_or(NONE);
            self.vm_at.insert(vm.id.as_str(), number);
            let host = at(&self.host_at, vm.host.as_ref().map(AsRef::as_ref));
            let stands_on = self.hosts.get(ix(host)).map(|it| it.host);
            self.vms.push(VmRow {
                vm,
                host,
                power: match vm.power {
                    Some(PowerState::On) | None => Power::Runs,
                    Some(PowerState::Suspended) => Power::Suspended,
                    Some(PowerState::Off) => Power::Off,
                },
                memory_mib: vm.memory_mib.map(|it| it.min(MOST)),
                vcpus: vm.vcpus.map(u64::from),
                demand: room::of_guest(vm),
                tenant: at(&self.tenant_at, vm.tenant.as_ref().map(AsRef::as_ref)),
                application: at(&self.application_at, vm.application.as_ref().map(AsRef::as_ref)),
                need: self.needs.need(vm, stands_on),
            });
        }
    }

    pub(crate) fn host_id(&self, host: u32) -> &'a str {
        self.hosts.get(ix(host)).map_or("?", |it| it.host.id.as_str())
    }

    pub(crate) fn vm_id(&self, vm: u32) -> &'a str {
        self.vms.get(ix(vm)).map_or("?", |it| it.vm.id.as_str())
    }

    pub(crate) fn cluster_id(&self, cluster: u32) -> &'a str {
        self.clusters.get(ix(cluster)).map_or("no cluster", |it| it.id.as_str())
    }

    /// The id of any element.
    pub(crate) fn id(&self, element: Elem) -> String {
        let of = |index: &Index<'a>, number: u32| {
            index.iter().find(|it| *it.1 == number).map_or("?", |it| it.0).to_owned()
        };
        match element {
            Elem::Host(it) => self.host_id(it).to_owned(),
            Elem::Plane(it) => self.planes.get(ix(it)).map_or("?", |it| it.id.as_str()).to_owned(),
            Elem::Witness(it) => of(&self.witness_at, it),
            Elem::Storage(it) => of(&self.storage_at, it),
        }
    }

    /// The element of an id. Ids are unique among all elements of a fleet.
    pub(crate) fn element(&self, id: &str) -> Option<Elem> {
        let host = self.host_at.get(id).map(|it| Elem::Host(*it));
        let plane = || self.plane_at.get(id).map(|it| Elem::Plane(*it));
        let storage = || self.storage_at.get(id).map(|it| Elem::Storage(*it));
        let witness = || self.witness_at.get(id).map(|it| Elem::Witness(*it));
        host.or_else(plane).or_else(storage).or_else(witness)
    }

    /// The clusters that an element is of: that of a host, and those that stand on anything else.
    pub(crate) fn clusters_on(&self, element: Elem) -> Vec<u32> {
        let clusters = || self.clusters.iter().zip(0u32..);
        let mut all: Vec<u32> = match element {
            Elem::Host(host) => self.hosts.get(ix(host)).map(|it| it.cluster).into_iter().collect(),
            Elem::Plane(plane) => {
                let managed = self.managed_by.iter().zip(0u32..).filter(|it| it.0.contains(&plane));
                managed.map(|it| it.1).collect()
            }
            Elem::Storage(storage) => {
                let users = self.storage_of.iter().zip(&self.hosts);
                let users = users.filter(|it| it.0.binary_search(&storage).is_ok()).map(|it| it.1.cluster);
                let is = |id: &str| self.storage_at.get(id) == Some(&storage);
                let named = clusters().filter(|it| it.0.storage.iter().any(|it| is(it.as_str())));
                users.chain(named.map(|it| it.1)).collect()
            }
            Elem::Witness(witness) => {
                let is = |id: &str| self.witness_at.get(id) == Some(&witness);
                let its = clusters().filter(|it| it.0.witness.as_ref().is_some_and(|it| is(it.as_str())));
                its.map(|it| it.1).collect()
            }
        };
        all.retain(|it| *it != NONE);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Where a host is.
    pub(crate) fn locus(&self, host: u32) -> Locus {
        let cluster = self.hosts.get(ix(host)).map_or(NONE, |it| it.cluster);
        Locus { cluster, host, ..Locus::NOWHERE }
    }

    /// Where a guest on a host is.
    pub(crate) fn locus_of_vm(&self, vm: u32, host: u32) -> Locus {
        Locus { tenant: self.vms.get(ix(vm)).map_or(NONE, |it| it.tenant), ..self.locus(host) }
    }

    /// Where an element is.
    pub(crate) fn locus_of(&self, element: Elem) -> Locus {
        match element {
            Elem::Host(host) => self.locus(host),
            Elem::Plane(plane) => Locus { plane, ..Locus::NOWHERE },
            _ => Locus::NOWHERE,
        }
    }

    /// The product of a host, as itself or its cluster says.
    pub(crate) fn family(&self, host: u32) -> Option<&'a Family> {
        let row = self.hosts.get(ix(host))?;
        let own = row.host.platform.as_ref().map(|it| &it.family);
        own.or_else(|| self.clusters.get(ix(row.cluster)).and_then(|it| it.platform.as_ref()))
    }

    /// Whether a scope speaks of a place: every list that is not empty must match.
    pub(crate) fn within(&self, scope: &Scope, locus: &Locus) -> bool {
        fn lists<T: AsRef<str>>(list: &[T], id: Option<&str>) -> bool {
            list.is_empty() || id.is_some_and(|id| list.iter().any(|it| it.as_ref() == id))
        }
        let cluster = self.clusters.get(ix(locus.cluster)).map(|it| it.id.as_str());
        let host = self.hosts.get(ix(locus.host)).map(|it| it.host.id.as_str());
        let plane = self.planes.get(ix(locus.plane)).copied();
        let planes = || {
            let managing = self.managed_by.get(ix(locus.cluster)).into_iter().flatten();
            let managing = managing.filter_map(|it| self.planes.get(ix(*it)).copied());
            plane.into_iter().chain(managing).any(|it| scope.planes.contains(&it.id))
        };
        let family = || match plane {
            Some(plane) => plane.platform.as_ref(),
            None if locus.host != NONE => self.family(locus.host),
            None => self.clusters.get(ix(locus.cluster)).and_then(|it| it.platform.as_ref()),
        };
        let tenant = || self.tenants.get(ix(locus.tenant)).copied();
        lists(&scope.clusters, cluster)
            && lists(&scope.hosts, host)
            && (scope.planes.is_empty() || planes())
            && (scope.tenants.is_empty() || lists(&scope.tenants, tenant()))
            && (scope.platforms.is_empty() || family().is_some_and(|it| scope.platforms.contains(it)))
    }
}
