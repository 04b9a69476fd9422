//! The fleet and the policy as numbers: hosts and guests in fixed order, with what places and times depend on.

mod bonds;
mod classes;
mod contradictions;
mod excepted;
mod order;

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, AffinityKind, Fleet, Host, Migration, PowerState, Vm};
use underpin_model::policy::{Exception, MigrationPolicy, Policy};

pub(super) use self::bonds::members;
use self::classes::Classes;
use self::contradictions::Contradiction;
use self::order::{coordinators, ranks};
use super::Request;
use super::durations::Fitted;
use super::room::{self, Room};

/// No element.
pub(super) const NONE: u32 = u32::MAX;

/// A host.
#[derive(Debug, Clone)]
pub(super) struct HostFacts<'a> {
    pub(super) it: &'a Host,
    pub(super) cluster: u32,
    /// Less what suspended guests hold. `None`: unknown, so that it takes no guest.
    pub(super) capacity: Option<Room>,
    pub(super) link_mbps: u32,
    pub(super) slots: u32,
    /// Hosts of one class reach the same and have the same CPU features.
    pub(super) class: u32,
    /// Hosts of one hardware class learn from each other's canaries.
    pub(super) hardware: u32,
    /// Position of its ring among the policy's: in a pool with a coordinator at least the coordinator's.
    pub(super) ring: usize,
    /// Position of the ring that the fleet gives it.
    pub(super) own_ring: usize,
    /// It speaks for its pool, and its product demands that it comes first.
    pub(super) coordinator: bool,
    /// Position of its release among those of its product; `None`: unknown.
    pub(super) release: Option<u32>,
    /// A guest that is suspended in its memory.
    pub(super) asleep: Vec<&'a Vm>,
    /// Loss per day that its holes stand for.
    pub(super) loss_per_day: f64,
}

/// A running guest on a known host.
#[derive(Debug, Clone)]
pub(super) struct GuestFacts<'a> {
    pub(super) it: &'a Vm,
    /// `None`: unknown, so that it cannot be placed.
    pub(super) demand: Option<Room>,
    /// What is known of it: that much its host carries.
    pub(super) holds: Room,
    pub(super) dirty_mib_s: f64,
    /// Guests of one class need the same reach and CPU features.
    pub(super) class: u32,
    pub(super) tenant: u32,
    pub(super) application: u32,
    /// Groups of guests that must be apart.
    pub(super) apart: Vec<u32>,
    /// Guests that must be on its host, itself among them; empty: none.
    pub(super) together: Vec<u32>,
    /// Hosts that it is bound to; `None`: any.
    pub(super) bound: Option<Vec<u32>>,
    /// Hosts with a suspended guest that it must be apart from.
    pub(super) barred: Vec<u32>,
    /// It is to be with a suspended guest, which stays on this host: it does not move, but where the host fails it starts elsewhere without it.
    pub(super) held: Option<u32>,
    /// Rules that bind it and contradict each other, by position in [`Facts::contradictions`]: it moves nowhere.
    pub(super) contradiction: Option<u32>,
    /// The roll-out needs it.
    pub(super) controller: bool,
    /// An exception lets everything be done to it, whatever it allows.
    pub(super) any_action: bool,
    /// Rules that should hold for it, by position in [`Facts::wishes`].
    pub(super) wishes: Vec<u32>,
}

impl GuestFacts<'_> {
    /// It uses a device of its host, which no other host has.
    pub(super) fn has_device(&self) -> bool {
        !self.it.passthrough.is_empty()
    }
}

/// A rule about affinity that should hold: kept where nothing speaks against it.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) kind: AffinityKind,
    pub(super) members: Vec<u32>,
    pub(super) hosts: Vec<u32>,
}

/// A cluster: hosts and guests are ranges, since both are sorted by cluster.
#[derive(Debug, Clone)]
pub(super) struct ClusterFacts {
    /// Position in the fleet; `NONE`: a host without a cluster stands alone.
    pub(super) at: u32,
    pub(super) hosts: std::ops::Range<u32>,
    pub(super) guests: std::ops::Range<u32>,
}

/// Everything that planning reads.
pub(super) struct Facts<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) policy: &'a Policy,
    pub(super) hosts: Vec<HostFacts<'a>>,
    pub(super) guests: Vec<GuestFacts<'a>>,
    /// Where each guest stands.
    pub(super) home: Vec<u32>,
    pub(super) clusters: Vec<ClusterFacts>,
    /// Members of each group that must be apart.
    pub(super) apart: Vec<Vec<u32>>,
    /// Rules about affinity that must hold and cannot.
    pub(super) contradictions: Vec<Contradiction>,
    /// Rules about affinity that should hold.
    pub(super) wishes: Vec<Wish>,
    /// Running guests of each application.
    pub(super) applications: Vec<Vec<u32>>,
    /// Whether guests of a class may stand on hosts of a class.
    fits: Vec<bool>,
    host_classes: usize,
    /// Names of hardware classes.
    pub(super) hardware: Vec<String>,
    /// Position of a release among those of its product.
    ranks: BTreeMap<(&'a Family, &'a str), u32>,
    host_places: FxHashMap<&'a str, u32>,
    /// Guests that run, or are suspended, nobody knows where.
    pub(super) nowhere: Vec<&'a Vm>,
    /// How long steps take.
    pub(super) durations: Fitted<'a>,
    /// Exceptions from rules about guests, with the clusters that are planned under them.
    pub(super) excepted: Vec<(u32, &'a Exception)>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(request: &Request<'a>) -> Self {
        let (fleet, policy) = (request.fleet, request.policy);
        let cluster_places: FxHashMap<&str, u32> = places(fleet.clusters.iter().map(|it| it.id.as_str()));
        let mut order: Vec<(u32, &Host)> = fleet
            .hosts
            .iter()
            .map(|it| (it.cluster.as_ref().and_then(|id| cluster_places.get(id.as_str())).copied(), it))
            .map(|(cluster, it)| (cluster.unwrap_or(NONE), it))
            .collect();
        let name = |cluster: u32| fleet.clusters.get(cluster as usize).map(|it| it.id.as_str());
        // By name, so that the order of the file does not matter; hosts without a cluster last.
        order.sort_by(|a, b| (a.0 == NONE, name(a.0), &a.1.id).cmp(&(b.0 == NONE, name(b.0), &b.1.id)));
        let ranks = ranks(fleet, request.changes());
        let mut classes = Classes { coordinators: coordinators(fleet), ..Classes::default() };
        let mut facts = Self {
            fleet,
            policy,
            hosts: Vec::with_capacity(order.len()),
            guests: Vec::new(),
            home: Vec::new(),
            clusters: Vec::new(),
            apart: Vec::new(),
            contradictions: Vec::new(),
            wishes: Vec::new(),
            applications: Vec::new(),
            fits: Vec::new(),
            host_classes: 0,
            hardware: Vec::new(),
            ranks,
            host_places: FxHashMap::default(),
            nowhere: Vec::new(),
            durations: Fitted::new(fleet, &policy.planning),
            excepted: Vec::new(),
        };
        for (cluster, host) in order {
            facts.add_host(cluster, host, request, &mut classes);
        }
        facts.add_guests(&mut classes);
        classes.finish(&mut facts);
        facts.rules(request.starts_at);
        facts.except(request.starts_at);
        facts.pools();
        facts
    }

    fn add_host(&mut self, cluster: u32, host: &'a Host, request: &Request<'a>, classes: &mut Classes<'a>) {
        let at = self.hosts.len() as u32;
        let same = self.clusters.last().is_some_and(|it| it.at == cluster && cluster != NONE);
        if !same {
            self.clusters.push(ClusterFacts { at: cluster, hosts: at..at, guests: 0..0 });
        }
        if let Some(last) = self.clusters.last_mut() {
            last.hosts.end = at + 1;
        }
        self.host_places.insert(host.id.as_str(), at);
        let defaults = &self.policy.planning.migration;
        let migration = host.migration.as_ref();
        let release = host.platform.as_ref().and_then(|it| Some((&it.family, it.release.as_deref()?)));
        self.hosts.push(HostFacts {
            it: host,
            cluster: self.clusters.len() as u32 - 1,
            capacity: host.capacity.as_ref().and_then(room::of_host),
            link_mbps: link(defaults, migration),
            slots: migration.and_then(|it| it.slots).unwrap_or(defaults.slots),
            class: classes.host(host, self.fleet.clusters.get(cluster as usize)),
            hardware: classes.hardware(host),
            ring: ring(self.policy, host),
            own_ring: ring(self.policy, host),
            coordinator: classes.coordinators.contains(host.id.as_str()),
            release: release.and_then(|it| self.ranks.get(&it)).copied(),
            asleep: Vec::new(),
            loss_per_day: request.loss_per_day.get(&host.id).copied().unwrap_or(0.0).max(0.0),
        });
    }

    fn add_guests(&mut self, classes: &mut Classes<'a>) {
        let tenants: FxHashMap<&str, u32> = places(self.fleet.tenants.iter().map(|it| it.id.as_str()));
        let applications: FxHashMap<&str, u32> =
            places(self.fleet.applications.iter().map(|it| it.id.as_str()));
        self.suspended();
        let running = |it: &&Vm| !matches!(it.power, Some(PowerState::Off | PowerState::Suspended));
        let mut order: Vec<(u32, &Vm)> = Vec::with_capacity(self.fleet.vms.len());
        for vm in self.fleet.vms.iter().filter(running) {
            match vm.host.as_ref().and_then(|id| self.host_places.get(id.as_str())) {
                Some(&host) => order.push((host, vm)),
                None => self.nowhere.push(vm),
            }
        }
        order.sort_unstable_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        self.applications = vec![Vec::new(); self.fleet.applications.len()];
        let controllers = &self.policy.planning.controllers;
        let per_gib = self.policy.planning.migration.dirty_mib_s_per_gib;
        for (host, vm) in order {
            let at = self.guests.len() as u32;
            let place = |map: &FxHashMap<&str, u32>, id: Option<&str>| {
                id.and_then(|id| map.get(id)).copied().unwrap_or(NONE)
            };
            let application = place(&applications, vm.application.as_ref().map(AsRef::as_ref));
            if let Some(members) = self.applications.get_mut(application as usize) {
                members.push(at);
            }
            let default = vm.memory_mib.map_or(0.0, |it| it as f64 / 1024.0 * per_gib);
            self.guests.push(GuestFacts {
                it: vm,
                demand: room::of_guest(vm),
                holds: room::known(vm),
                dirty_mib_s: vm.dirty_rate_mib_s.unwrap_or(default).max(0.0),
                class: classes.guest(vm, self.hosts.get(host as usize).map(|it| it.it)),
                tenant: place(&tenants, vm.tenant.as_ref().map(AsRef::as_ref)),
                application,
                apart: Vec::new(),
                together: Vec::new(),
                bound: None,
                barred: Vec::new(),
                held: None,
                contradiction: None,
                controller: controllers.contains(&vm.id),
                any_action: false,
                wishes: Vec::new(),
            });
            self.home.push(host);
            let cluster = self.hosts.get(host as usize).map_or(0, |it| it.cluster as usize);
            if let Some(cluster) = self.clusters.get_mut(cluster) {
                if cluster.guests.is_empty() {
                    cluster.guests = at..at;
                }
                cluster.guests.end = at + 1;
            }
        }
    }

    /// A suspended guest keeps its memory where it is.
    fn suspended(&mut self) {
        let suspended = |it: &&Vm| it.power == Some(PowerState::Suspended);
        for vm in self.fleet.vms.iter().filter(suspended) {
            let host = vm.host.as_ref().and_then(|id| self.host_places.get(id.as_str()));
            let Some(host) = host.and_then(|&it| self.hosts.get_mut(it as usize)) else {
                self.nowhere.push(vm);
                continue;
            };
            if let Some(capacity) = &mut host.capacity {
                let kept = room::asleep(vm);
                *capacity = std::array::from_fn(|it| capacity[it].saturating_sub(kept[it]));
            }
            let at = host.asleep.partition_point(|it| it.id < vm.id);
            host.asleep.insert(at, vm);
        }
    }

    /// Nobody comes before the coordinator of its pool, so that nobody's ring is earlier than its.
    fn pools(&mut self) {
        for cluster in &self.clusters {
            let hosts = self
                .hosts
                .get_mut(cluster.hosts.start as usize..cluster.hosts.end as usize)
                .unwrap_or_default();
            let ring = hosts.iter().filter(|it| it.coordinator).map(|it| it.ring).max().unwrap_or(0);
            hosts.iter_mut().for_each(|it| it.ring = it.ring.max(ring));
        }
    }

    /// Whether a guest may stand on a host by its reach, its features and what binds it, whatever room there is.
    pub(super) fn may_stand(&self, guest: u32, host: u32) -> bool {
        self.may_be_bound(guest, host) && self.may_restart(guest, host)
    }

    /// The same where its host has failed.
    pub(super) fn may_restart(&self, guest: u32, host: u32) -> bool {
        let it = &self.guests[guest as usize];
        it.is_bound_to(host) && !it.barred.contains(&host) && self.reaches(it, host)
    }

    /// Whether a rule lets a guest be on a host at all: what is broken at the start is not done again.
    pub(super) fn may_be_bound(&self, guest: u32, host: u32) -> bool {
        let it = &self.guests[guest as usize];
        it.is_bound_to(host) && it.held.is_none_or(|held| held == host)
    }

    pub(super) fn reaches(&self, guest: &GuestFacts<'_>, host: u32) -> bool {
        let class = self.hosts[host as usize].class as usize;
        self.fits.get(guest.class as usize * self.host_classes + class).copied().unwrap_or(false)
    }

    /// Position of a release among those of a product.
    pub(super) fn rank(&self, family: &Family, release: &str) -> Option<u32> {
        // Keys borrow from the fleet; a lookup needs the same shape.
        self.ranks.iter().find(|((f, r), _)| *f == family && *r == release).map(|(_, rank)| *rank)
    }

    /// A host was found in maintenance.
    pub(super) fn in_maintenance(&self, host: u32) -> bool {
        self.hosts[host as usize].it.maintenance == Some(true)
    }

    /// The same, and without a guest: nobody runs on it in this plan, so that nobody waits for its soak. Pools have an order of their own.
    pub(super) fn out_of_service(&self, host: u32) -> bool {
        let it = &self.hosts[host as usize];
        let cluster = &self.clusters[it.cluster as usize];
        self.in_maintenance(host)
            && it.asleep.is_empty()
            && !cluster.guests.clone().any(|it| self.home[it as usize] == host)
            && !cluster.hosts.clone().any(|it| self.hosts[it as usize].coordinator)
    }

    pub(super) fn host(&self, id: &str) -> Option<u32> {
        self.host_places.get(id).copied()
    }

    /// The cluster's name, or the host's where it stands alone.
    pub(super) fn cluster_name(&self, cluster: u32) -> String {
        let facts = &self.clusters[cluster as usize];
        match self.fleet.clusters.get(facts.at as usize) {
            Some(it) => it.id.as_str().to_owned(),
            None => self
                .hosts
                .get(facts.hosts.start as usize)
                .map_or_else(String::new, |it| it.it.id.as_str().to_owned()),
        }
    }
}

impl GuestFacts<'_> {
    /// The rules that name hosts let it be on one.
    pub(super) fn is_bound_to(&self, host: u32) -> bool {
        self.bound.as_ref().is_none_or(|it| it.contains(&host))
    }
}

fn places<'a>(ids: impl Iterator<Item = &'a str>) -> FxHashMap<&'a str, u32> {
    ids.enumerate().map(|(at, id)| (id, at as u32)).collect()
}

/// Position of a host's ring; a host whose ring the policy does not know is in the last.
fn ring(policy: &Policy, host: &Host) -> usize {
    let known = host.ring.as_ref().and_then(|name| policy.rings.iter().position(|it| it.name == *name));
    known.unwrap_or(policy.rings.len().saturating_sub(1))
}

/// How a guest can be dealt with while its host is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) live: bool,
    pub(super) cold: bool,
    pub(super) suspend: bool,
    pub(super) power_off: bool,
}

impl Allowed {
    pub(super) fn of(guest: &GuestFacts<'_>) -> Self {
        let vm = guest.it;
        let allowed = |action| guest.any_action || vm.allowed_actions.contains(&action);
        // A device of the host cannot follow a running guest, and not a cold one either.
        let pinned = guest.has_device();
        Self {
            live: allowed(Action::LiveMigrate) && !pinned,
            cold: allowed(Action::ColdMigrate) && !pinned,
            suspend: allowed(Action::Suspend) && !pinned,
            power_off: allowed(Action::PowerOff),
        }
    }
}

/// Ids that come more than once, which no plan can tell apart; the reader refuses them, this is for values made by hand.
pub(super) fn twice(fleet: &Fleet) -> Option<String> {
    let mut seen = FxHashSet::default();
    let hosts = fleet.hosts.iter().map(|it| it.id.as_str());
    let vms = fleet.vms.iter().map(|it| it.id.as_str());
    hosts.chain(vms).find(|id| !seen.insert(*id)).map(str::to_owned)
}

/// Bandwidth of a host's migrations: no more than all that its network, named or not, gives to migrations.
fn link(policy: &MigrationPolicy, host: Option<&Migration>) -> u32 {
    let own = host.and_then(|it| it.bandwidth_mbps).unwrap_or(policy.bandwidth_mbps);
    policy.network_mbps.map_or(own, |most| own.min(most))
}
