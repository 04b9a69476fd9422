//! Where confidentiality, integrity and availability stand, per host, management plane, cluster, VM and tenant: each statement with
//! the facts that made it.
//!
//! ```
//! use underpin_model::fleet::{Fleet, Host, Seen};
//! use underpin_model::id::HostId;
//! use underpin_model::policy::Policy;
//! use underpin_risk::standing::{Answer, Standings, Topic};
//!
//! let at: jiff::Timestamp = "2026-11-21T00:00:00Z".parse()?;
//! let mut fleet = Fleet::new("one", Seen { at, by: "hand".to_owned() });
//! fleet.hosts.push(Host::new(HostId::new("h")?));
//! let policy = Policy::default();
//! let standing = Standings::new(&fleet, &policy).host(&HostId::new("h")?).unwrap();
//! let migration = standing.statement(Topic::MigrationEncrypted).unwrap();
//! assert_eq!(migration.answer, Answer::Unknown);
//! assert_eq!((migration.open.low, migration.open.high), (0.0, 1.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A fact that is missing makes the answer [`Answer::Unknown`], names the place where it belongs, and is priced as a range:
//! [`Statement::open`] reaches from what the best value would leave open to what the worst would, and [`Statement::price`] is what that
//! costs where no cause of the compound model does.

mod availability;
mod change;
mod encryption;
mod managed;
mod roll_up;
mod statement;
mod ways_in;

use rustc_hash::FxHashMap;
use underpin_model::fleet::{Application, Cluster, Fleet, Host, ManagementPlane, Network, Storage, Vm};
use underpin_model::id::{
    ApplicationId, ClusterId, HostId, ManagementPlaneId, NetworkId, StorageId, TenantId, VmId,
};
use underpin_model::policy::Policy;

pub use crate::clear::LOCAL_STORAGE_ENCRYPTED;
pub use crate::levels::Level;
pub use crate::managed::MANAGEMENT_PLANE;
pub use change::{CHANGE_TRACKED, PATCH_MECHANISM};
pub use statement::{Answer, Dimension, Evidence, Standing, Statement, Topic};

use crate::clear::Clear;
use crate::levels::Levels;
use crate::scope::Reader;
use crate::ways::PublicReach;
use roll_up::roll_up;

/// An element with its position in the file.
type Placed<'f, T> = (usize, &'f T);

/// The standings of a fleet, worked out when they are asked for.
#[derive(Debug)]
pub struct Standings<'f> {
    fleet: &'f Fleet,
    policy: &'f Policy,
    hosts: FxHashMap<&'f HostId, Placed<'f, Host>>,
    vms: FxHashMap<&'f VmId, Placed<'f, Vm>>,
    clusters: FxHashMap<&'f ClusterId, Placed<'f, Cluster>>,
    planes: FxHashMap<&'f ManagementPlaneId, Placed<'f, ManagementPlane>>,
    storage: FxHashMap<&'f StorageId, Placed<'f, Storage>>,
    networks: FxHashMap<&'f NetworkId, Placed<'f, Network>>,
    applications: FxHashMap<&'f ApplicationId, Placed<'f, Application>>,
    reach: PublicReach<'f>,
    levels: Levels<'f>,
    clear: Clear<'f>,
    /// Tenants with live VMs on each host.
    tenants_on: FxHashMap<&'f HostId, Vec<Option<&'f TenantId>>>,
    /// Scopes of the policy's controls.
    readers: Vec<Reader<'f>>,
}

fn placed<T, I: Eq + std::hash::Hash>(list: &[T], id: fn(&T) -> &I) -> FxHashMap<&I, Placed<'_, T>> {
    // Of two elements with one id, which a checked file never has, the first counts.
    list.iter().enumerate().rev().map(|(at, it)| (id(it), (at, it))).collect()
}

impl<'f> Standings<'f> {
    /// Indexes a fleet.
    #[must_use]
    pub fn new(fleet: &'f Fleet, policy: &'f Policy) -> Self {
        let mut standings = Self {
            fleet,
            policy,
            hosts: placed(&fleet.hosts, |it| &it.id),
            vms: placed(&fleet.vms, |it| &it.id),
            clusters: placed(&fleet.clusters, |it| &it.id),
            planes: placed(&fleet.management_planes, |it| &it.id),
            storage: placed(&fleet.storage, |it| &it.id),
            networks: placed(&fleet.networks, |it| &it.id),
            applications: placed(&fleet.applications, |it| &it.id),
            reach: PublicReach::of(fleet),
            levels: Levels::of(fleet),
            clear: Clear::of(fleet, policy),
            tenants_on: FxHashMap::default(),
            readers: policy.controls.iter().map(|it| Reader::new(&it.scope)).collect(),
        };
        standings.index_tenants();
        standings
    }

    /// A host.
    #[must_use]
    pub fn host(&self, id: &HostId) -> Option<Standing> {
        let (at, host) = *self.hosts.get(id)?;
        Some(Standing { element: id.to_string(), statements: self.of_host(at, host) })
    }

    /// A management plane.
    #[must_use]
    pub fn plane(&self, id: &ManagementPlaneId) -> Option<Standing> {
        let (at, plane) = *self.planes.get(id)?;
        let mut statements = vec![self.hosts_of_plane(at, plane)];
        statements.extend(self.ways_of_plane(at, plane));
        statements.extend(self.controls_of_plane(plane));
        statements.sort_by_key(|it| it.topic);
        Some(Standing { element: id.to_string(), statements })
    }

    /// A cluster: its own settings, and what its hosts come to.
    #[must_use]
    pub fn cluster(&self, id: &ClusterId) -> Option<Standing> {
        let (at, cluster) = *self.clusters.get(id)?;
        let members = self.fleet.hosts.iter().enumerate();
        let members = members.filter(|(_, it)| it.cluster.as_ref() == Some(&cluster.id));
        let mut statements = roll_up(members.map(|(at, host)| self.of_host(at, host)), "hosts");
        // What the cluster itself says is not a matter of counting its hosts.
        let own = [self.restart(Some((at, cluster))), self.balancing(Some((at, cluster)))];
        statements.retain(|it| own.iter().all(|own| own.topic != it.topic));
        statements.extend(own);
        statements.sort_by_key(|it| it.topic);
        Some(Standing { element: id.to_string(), statements })
    }

    /// A VM: its own availability, and what its host leaves of confidentiality and integrity.
    #[must_use]
    pub fn vm(&self, id: &VmId) -> Option<Standing> {
        let (at, vm) = *self.vms.get(id)?;
        Some(Standing { element: id.to_string(), statements: self.of_vm(at, vm) })
    }

    /// A tenant: what its VMs come to. Without VMs there is nothing to state.
    #[must_use]
    pub fn tenant(&self, id: &TenantId) -> Option<Standing> {
        self.fleet.tenants.iter().find(|it| it.id == *id)?;
        let of_application = |vm: &Vm| {
            let (_, application) = self.applications.get(vm.application.as_ref()?)?;
            application.tenant.as_ref()
        };
        let own = self.fleet.vms.iter().enumerate();
        let own = own.filter(|(_, vm)| vm.tenant.as_ref().or_else(|| of_application(vm)) == Some(id));
        let statements = roll_up(own.map(|(at, vm)| self.of_vm(at, vm)), "VMs");
        Some(Standing { element: id.to_string(), statements })
    }

    fn of_host(&self, at: usize, host: &Host) -> Vec<Statement> {
        self.of_host_for(at, host, self.clear.worth_on(host))
    }

    /// Of what is worth so much there.
    fn of_host_for(&self, at: usize, host: &Host, worth: f64) -> Vec<Statement> {
        let cluster = host.cluster.as_ref().and_then(|id| self.clusters.get(id)).copied();
        let mut statements = vec![
            self.restart(cluster),
            self.balancing(cluster),
            self.shared_storage_of_host(at, host),
            self.migration_encrypted(at, host, worth),
            self.storage_encrypted(at, host, worth),
            self.data_at_rest(at, host, worth),
            self.change_tracking(at, host),
            self.patch_mechanism(at, host),
            self.management_plane(at, host),
        ];
        statements.extend(self.ways_of_host(at, host));
        statements.extend(self.controls_of_host(host));
        statements.sort_by_key(|it| it.topic);
        statements
    }

    fn of_vm(&self, at: usize, vm: &'f Vm) -> Vec<Statement> {
        let mut statements = vec![
            self.availability_level(at, vm),
            self.allowed_actions(at, vm),
            self.shared_storage_of_vm(at, vm),
        ];
        match vm.host.as_ref().and_then(|id| self.hosts.get(id)) {
            Some((at, host)) => {
                let below = self.of_host_for(*at, host, self.clear.worth_of(vm));
                statements.extend(below.into_iter().filter(|it| it.topic != Topic::SharedStorage));
            }
            None => statements.push(Statement::unknown(
                Topic::Host,
                "the host is not known, and with it nothing of what stands below".to_owned(),
                vec![format!("/vms/{at}/host")],
            )),
        }
        statements.sort_by_key(|it| it.topic);
        statements
    }
}
