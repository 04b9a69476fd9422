//! From a fleet to a datacentre that runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use underpin_model::fleet::{self, Element as _, Fleet, Vm};
use underpin_model::id::{ClusterId, HostId, InvalidId, VmId};
use underpin_model::policy::{MigrationPolicy, Spread};

use super::Datacentre;
use super::state::{Cluster, Guest, Health, Host, HostPower, Plane, PowerState, Settings, Storage};
use crate::chunks::Chunks;
use crate::dice::Dice;

/// What a host can carry where the fleet does not say: the simulation needs a number, the observation still says nothing.
const UNKNOWN_HOST: (u32, u64) = (128, 512 * 1024);
/// What a guest needs where the fleet does not say.
const UNKNOWN_GUEST: (u32, u64) = (2, 4096);
/// Bandwidth of a management link where nobody says, in Mbit/s.
const MANAGEMENT_MBPS: u32 = 1000;

/// Positions by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Index {
    pub(crate) hosts: BTreeMap<String, usize>,
    pub(crate) guests: BTreeMap<String, usize>,
    pub(crate) clusters: BTreeMap<String, usize>,
    pub(crate) storage: BTreeMap<String, usize>,
    pub(crate) planes: BTreeMap<String, usize>,
}

/// Why something cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The id is taken.
    #[error("{0} exists; choose another id")]
    Exists(String),
    /// There is no such thing.
    #[error("there is no {0} {1}; add it first")]
    Unknown(&'static str, String),
    /// The id is none.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

/// A host to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHost {
    /// Its id.
    pub id: String,
    /// Its cluster; made if it is new.
    pub cluster: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Bandwidth for migrations, each way, in Mbit/s.
    pub migration_mbps: u32,
    /// The release that runs.
    pub release: String,
}

/// A guest to add.
#[derive(Debug, Clone, PartialEq)]
pub struct NewGuest {
    /// Its id.
    pub id: String,
    /// Its host.
    pub host: String,
    /// It runs.
    pub on: bool,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Memory that it dirties, in MiB/s; `None`: as the default policy says.
    pub dirty_mib_s: Option<f64>,
}

/// A setting as text: what a script compares, and what a host tells.
pub(super) fn setting_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn positions<'a>(ids: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    ids.enumerate().map(|(at, id)| (id.to_owned(), at)).collect()
}

impl Datacentre {
    /// A datacentre that stands as a fleet says, at the moment at which it was seen. The fleet is taken as checked: a reference
    /// that leads nowhere is passed over.
    #[must_use]
    pub fn new(fleet: Fleet, seed: u64) -> Self {
        let index = Index {
            hosts: positions(fleet.hosts.iter().map(|it| it.id())),
            guests: positions(fleet.vms.iter().map(|it| it.id())),
            clusters: positions(fleet.clusters.iter().map(|it| it.id())),
            storage: positions(fleet.storage.iter().map(|it| it.id())),
            planes: positions(fleet.management_planes.iter().map(|it| it.id())),
        };
        let mut it = Self {
            start: fleet.seen.at,
            clock_ms: 0,
            hosts: Chunks::default(),
            guests: Chunks::default(),
            clusters: Vec::new(),
            storage: Vec::new(),
            planes: Vec::new(),
            settings: Settings::default(),
            declared: None,
            queue: BTreeMap::new(),
            serial: 0,
            tasks: Chunks::default(),
            running: 0,
            keys: Arc::default(),
            generation: 0,
            moves: BTreeMap::new(),
            reshare: false,
            faults: BTreeMap::new(),
            stale: None,
            dice: Dice::new(seed),
            log: Chunks::default(),
            index: Arc::new(index),
            base: Arc::new(fleet),
        };
        it.fill();
        it
    }

    fn fill(&mut self) {
        let base = Arc::clone(&self.base);
        self.clusters = base.clusters.iter().map(|from| self.cluster_of(from)).collect();
        for from in &base.storage {
            self.storage.push(Storage {
                id: from.id.clone(),
                members: Default::default(),
                copies: 2,
                redundancy: from.redundancy,
                resync: Spread::new(1200, 2400),
                epoch: 0,
            });
        }
        for from in &base.management_planes {
            let hosts = from.runs_on.iter().flatten().filter_map(|id| self.host_at(id.as_str())).collect();
            self.planes.push(Plane {
                id: from.id.clone(),
                guest: None,
                hosts,
                up: true,
                changing: false,
                booting: false,
                starts: 0,
                epoch: 0,
            });
        }
        for from in &base.hosts {
            let host = self.host_of(from);
            self.hosts.push(host);
        }
        for from in &base.vms {
            self.put(from);
        }
        for cluster in 0..self.clusters.len() {
            self.balancer(cluster);
        }
    }

    fn cluster_of(&self, from: &fleet::Cluster) -> Cluster {
        Cluster {
            id: from.id.clone(),
            ha_restart: from.ha_restart.unwrap_or(false),
            balancing: from.load_balancing.unwrap_or(false),
            balancer_runs: false,
            auto_start: false,
            admission_control: from.admission_control.unwrap_or(false),
            migrates_over_management: false,
            planes: from
                .managed_by
                .iter()
                .filter_map(|id| self.index.planes.get(id.as_str()).copied())
                .collect(),
        }
    }

    fn host_of(&self, from: &fleet::Host) -> Host {
        let capacity = from.capacity.unwrap_or_default();
        let migration = from.migration.clone().unwrap_or_default();
        let policy = MigrationPolicy::default();
        let release = from.platform.as_ref().and_then(|it| it.release.clone());
        Host {
            id: from.id.clone(),
            cluster: from.cluster.as_ref().and_then(|id| self.index.clusters.get(id.as_str()).copied()),
            power: HostPower::Up,
            partitioned: false,
            maintenance: from.maintenance.unwrap_or(false),
            away: 0,
            boots: 0,
            boot_id: from.boot_id.clone().unwrap_or_else(|| format!("{}/boot/0", from.id)),
            booted_at: from.booted_at,
            running: release.clone(),
            installed: release,
            staged: Default::default(),
            vcpus: capacity.vcpus.unwrap_or(UNKNOWN_HOST.0),
            memory_mib: capacity.memory_mib.unwrap_or(UNKNOWN_HOST.1),
            hugepages_mib: capacity.hugepages_mib.unwrap_or(0),
            migration_mbps: migration.bandwidth_mbps.unwrap_or(policy.bandwidth_mbps),
            management_mbps: MANAGEMENT_MBPS,
            slots: migration.slots.unwrap_or(policy.slots),
            uplinks: 2,
            storage_paths: 4,
            settings: from
                .settings
                .iter()
                .map(|(name, it)| (name.clone(), setting_text(it.value())))
                .collect(),
            guests: Default::default(),
            busy: None,
        }
    }

    /// Puts a guest where it stands. A guest whose power is unknown counts as running, as it does in plans.
    fn put(&mut self, from: &Vm) {
        let at = self.guests.len();
        let host = from.host.as_ref().and_then(|id| self.host_at(id.as_str()));
        let on = from.power.unwrap_or(PowerState::On);
        let memory_mib = from.memory_mib.unwrap_or(UNKNOWN_GUEST.1);
        let per_gib = MigrationPolicy::default().dirty_mib_s_per_gib;
        let power = if host.is_none() { PowerState::Off } else { on };
        self.guests.push(Guest {
            id: from.id.clone(),
            host,
            power,
            health: Health::Well,
            wanted: power != PowerState::Off,
            vcpus: from.vcpus.unwrap_or(UNKNOWN_GUEST.0),
            memory_mib,
            hugepages_mib: from.hugepages_mib.unwrap_or(0),
            dirty_mib_s: from.dirty_rate_mib_s.unwrap_or(memory_mib as f64 / 1024.0 * per_gib).max(0.0),
            auto_start: false,
            moves: 0,
            killed: 0,
            restarts: 0,
            paused_ms: 0,
            starts: 0,
            busy: None,
        });
        if let Some(host) = host.and_then(|it| self.hosts.get_mut(it)) {
            host.guests.insert(at);
        }
    }

    /// Adds a host, and its cluster if that is new.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add_host(&mut self, new: &NewHost) -> Result<(), AddError> {
        if self.index.hosts.contains_key(&new.id) {
            return Err(AddError::Exists(format!("host {}", new.id)));
        }
        let id = HostId::new(new.id.as_str())?;
        self.add_cluster(&new.cluster)?;
        let mut from = fleet::Host::new(id);
        from.cluster = Some(ClusterId::new(new.cluster.as_str())?);
        from.capacity = Some(fleet::Capacity {
            vcpus: Some(new.vcpus),
            memory_mib: Some(new.memory_mib),
            ..fleet::Capacity::default()
        });
        from.migration = Some(fleet::Migration {
            bandwidth_mbps: Some(new.migration_mbps),
            ..fleet::Migration::default()
        });
        from.platform = Some(fleet::PlatformRelease {
            family: underpin_model::facts::Family::Other("simulated".into()),
            train: None,
            release: Some(new.release.clone()),
        });
        let host = self.host_of(&from);
        Arc::make_mut(&mut self.index).hosts.insert(new.id.clone(), self.hosts.len());
        Arc::make_mut(&mut self.base).hosts.push(from);
        self.hosts.push(host);
        Ok(())
    }

    /// Adds a cluster if it is new.
    ///
    /// # Errors
    /// [`AddError::Id`].
    pub fn add_cluster(&mut self, id: &str) -> Result<(), AddError> {
        if self.index.clusters.contains_key(id) {
            return Ok(());
        }
        let mut from = fleet::Cluster::new(ClusterId::new(id)?);
        from.ha_restart = Some(true);
        let cluster = self.cluster_of(&from);
        Arc::make_mut(&mut self.index).clusters.insert(id.to_owned(), self.clusters.len());
        Arc::make_mut(&mut self.base).clusters.push(from);
        self.clusters.push(cluster);
        Ok(())
    }

    /// Adds storage if it is new.
    ///
    /// # Errors
    /// [`AddError::Id`].
    pub fn add_storage(&mut self, id: &str) -> Result<(), AddError> {
        if self.index.storage.contains_key(id) {
            return Ok(());
        }
        let mut from = fleet::Storage::new(underpin_model::id::StorageId::new(id)?);
        from.redundancy = Some(fleet::Redundancy::Full);
        from.shared = Some(true);
        Arc::make_mut(&mut self.index).storage.insert(id.to_owned(), self.storage.len());
        self.storage.push(Storage {
            id: from.id.clone(),
            members: Default::default(),
            copies: 2,
            redundancy: from.redundancy,
            resync: Spread::new(1200, 2400),
            epoch: 0,
        });
        Arc::make_mut(&mut self.base).storage.push(from);
        Ok(())
    }

    /// Adds a guest.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add_guest(&mut self, new: &NewGuest) -> Result<(), AddError> {
        if self.index.guests.contains_key(&new.id) {
            return Err(AddError::Exists(format!("guest {}", new.id)));
        }
        let Some(host) = self.host_at(&new.host).and_then(|it| self.hosts.get(it)) else {
            return Err(AddError::Unknown("host", new.host.clone()));
        };
        let mut from = Vm::new(VmId::new(new.id.as_str())?);
        from.host = Some(host.id.clone());
        from.power = Some(if new.on { PowerState::On } else { PowerState::Off });
        from.vcpus = Some(new.vcpus);
        from.memory_mib = Some(new.memory_mib);
        from.dirty_rate_mib_s = new.dirty_mib_s;
        from.allowed_actions = vec![fleet::Action::LiveMigrate];
        Arc::make_mut(&mut self.index).guests.insert(new.id.clone(), self.guests.len());
        self.put(&from);
        Arc::make_mut(&mut self.base).vms.push(from);
        Ok(())
    }

    /// Makes a management plane of a guest: while the guest does not answer, neither does the plane of its cluster.
    ///
    /// # Errors
    /// [`AddError`].
    pub fn add_plane(&mut self, id: &str, guest: &str) -> Result<(), AddError> {
        if self.index.planes.contains_key(id) {
            return Err(AddError::Exists(format!("plane {id}")));
        }
        let Some(at) = self.guest_at(guest) else {
            return Err(AddError::Unknown("vm", guest.to_owned()));
        };
        let from = fleet::ManagementPlane::new(underpin_model::id::ManagementPlaneId::new(id)?);
        let plane = self.planes.len();
        let starts = self.guests.get(at).map_or(0, |it| it.starts);
        self.planes.push(Plane {
            id: from.id.clone(),
            guest: Some(at),
            hosts: Vec::new(),
            up: true,
            changing: false,
            booting: false,
            starts,
            epoch: 0,
        });
        Arc::make_mut(&mut self.index).planes.insert(id.to_owned(), plane);
        let cluster = self.guests.get(at).and_then(|it| self.hosts.get(it.host?)?.cluster);
        let base = Arc::make_mut(&mut self.base);
        if let Some(cluster) = cluster {
            if let Some(it) = self.clusters.get_mut(cluster) {
                it.planes.push(plane);
            }
            if let Some(it) = base.clusters.get_mut(cluster) {
                it.managed_by.push(from.id.clone());
            }
        }
        base.management_planes.push(from);
        Ok(())
    }

    /// Position of a host.
    pub(crate) fn host_at(&self, id: &str) -> Option<usize> {
        self.index.hosts.get(id).copied()
    }

    /// Position of a guest.
    pub(crate) fn guest_at(&self, id: &str) -> Option<usize> {
        self.index.guests.get(id).copied()
    }
}
