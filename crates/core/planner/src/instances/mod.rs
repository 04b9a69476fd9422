//! Public instance formats, read into fleet files: the limits and the model that belong to them go into the file's
//! planning section. Plans of migrations are read into moves, because they have a plan of others to compare with.
//!
//! All of it is text from strangers: a reader takes the whole of it or says where it is wrong.

mod btrplace;
mod ganeti;
mod ucc15;
mod waves_json;

pub use btrplace::btrplace;
pub use ganeti::ganeti;
pub use ucc15::{UCC15_LINKS_MBPS, Ucc15, ucc15};
pub use waves_json::waves_json;

use rustc_hash::FxHashSet;
use underpin_model::change::{Change, Layer, Target};
use underpin_model::fleet::{Action, Capacity, Cluster, Fleet, Host, Vm};
use underpin_model::id::{ClusterId, HostId, VmId};

/// Most hosts, and most VMs, of an instance.
pub const MAX_ELEMENTS: usize = 1 << 20;

/// Longest excerpt of a value in a message, in characters.
const MAX_EXCERPT: usize = 60;

/// What is wrong with an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: found {found}, expected {expected}")]
pub struct InstanceError {
    /// JSON pointer, or line.
    pub place: String,
    /// What is there, shortened.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl InstanceError {
    pub(crate) fn new(place: impl Into<String>, found: impl AsRef<str>, expected: impl Into<String>) -> Self {
        let found = found.as_ref();
        let shown = match found.char_indices().nth(MAX_EXCERPT) {
            Some((end, _)) => format!("{}...", found.get(..end).unwrap_or_default()),
            None => found.to_owned(),
        };
        Self { place: place.into(), found: shown, expected: expected.into() }
    }
}

/// A host of a cluster.
fn host(
    name: &str,
    cluster: &ClusterId,
    vcpus: Option<u32>,
    memory_mib: Option<u64>,
) -> Result<Host, InstanceError> {
    let mut host = Host::new(HostId::new(name).map_err(|error| unusable(name, &error))?);
    host.cluster = Some(cluster.clone());
    host.capacity = Some(Capacity { vcpus, memory_mib, ..Capacity::default() });
    Ok(host)
}

/// A VM on a host, or of a cluster and on none.
fn vm(name: &str, on: Option<&Host>, cluster: &ClusterId) -> Result<Vm, InstanceError> {
    let mut vm = Vm::new(VmId::new(name).map_err(|error| unusable(name, &error))?);
    match on {
        Some(host) => vm.host = Some(host.id.clone()),
        None => vm.cluster = Some(cluster.clone()),
    }
    Ok(vm)
}

fn cluster(fleet: &mut Fleet, name: &str) -> Result<ClusterId, InstanceError> {
    let id = ClusterId::new(name).map_err(|error| unusable(name, &error))?;
    fleet.clusters.push(Cluster::new(id.clone()));
    Ok(id)
}

/// What the full plan needs beside the static model: instances are about hosts that all go away once, and guests that move live.
fn plannable(mut fleet: Fleet) -> Fleet {
    for vm in &mut fleet.vms {
        vm.allowed_actions = vec![Action::LiveMigrate];
    }
    fleet.planning.get_or_insert_default().changes = vec![Change {
        id: "maintenance".to_owned(),
        layer: Layer::Host,
        elements: Vec::new(),
        clusters: Vec::new(),
        platforms: Vec::new(),
        // No instance says what its hosts run: a release would make them differ from one another on the way.
        to: Target::Setting { name: "maintenance".to_owned(), value: "done".to_owned(), reboot: true },
        methods: Vec::new(),
        after: Vec::new(),
        units: 1,
        capacity_after: None,
        durations: None,
    }];
    fleet
}

fn unusable(name: &str, error: &dyn std::fmt::Display) -> InstanceError {
    InstanceError::new("a name", name, format!("a name that can be an id: {error}"))
}

fn too_many(what: &str, count: usize) -> Result<(), InstanceError> {
    if count <= MAX_ELEMENTS {
        return Ok(());
    }
    Err(InstanceError::new(what, count.to_string(), format!("at most {MAX_ELEMENTS} of them")))
}

/// Ids are unique among all elements of a fleet, names of other tools are not: a repeated one gets its number.
#[derive(Default)]
struct Names(FxHashSet<String>);

impl Names {
    fn unique(&mut self, name: &str, number: usize) -> String {
        let mut own = name.to_owned();
        while !self.0.insert(own.clone()) {
            own = format!("{own}@{number}");
        }
        own
    }
}
