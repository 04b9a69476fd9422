//! A small made-up fleet: everything alike, so that stories can be told about what differs.

use jiff::Timestamp;
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Action, Capacity, Cluster, Fleet, Host, Migration, PlatformRelease, PowerState, Redundancy, Seen,
    Storage, Vm,
};
use underpin_model::id::{ClusterId, HostId, InvalidId, StorageId, VmId};

use crate::dice::Dice;

/// The instant at which examples begin: 2026-01-15T00:00:00Z.
pub(crate) const SEEN: Timestamp = Timestamp::constant(1_768_435_200, 0);

/// The release that hosts of an example run.
pub(crate) const RELEASE: &str = "1.0";

/// What an example looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Example {
    pub(crate) hosts: usize,
    pub(crate) guests: usize,
    pub(crate) seed: u64,
    /// Memory of every guest in MiB; `None`: 4 to 32 GiB by chance.
    pub(crate) memory_mib: Option<u64>,
    /// Memory of every host in MiB.
    pub(crate) host_mib: u64,
}

/// Hosts of one cluster with shared storage; guests are dealt to them one after the other.
pub(crate) fn fleet(example: &Example) -> Result<Fleet, InvalidId> {
    let mut fleet = Fleet::new("example", Seen { at: SEEN, by: "simulation".to_owned() });
    let mut dice = Dice::new(example.seed);
    let cluster = ClusterId::new("cluster-1")?;
    let shared = StorageId::new("storage-1")?;
    let mut storage = Storage::new(shared.clone());
    storage.redundancy = Some(Redundancy::Full);
    storage.shared = Some(true);
    fleet.storage.push(storage);
    let mut of = Cluster::new(cluster.clone());
    of.ha_restart = Some(true);
    of.load_balancing = Some(false);
    of.admission_control = Some(false);
    of.storage.push(shared.clone());
    fleet.clusters.push(of);
    for number in 1..=example.hosts {
        let mut host = Host::new(HostId::new(format!("host-{number}"))?);
        host.cluster = Some(cluster.clone());
        host.platform = Some(PlatformRelease {
            family: Family::Other("simulated".into()),
            train: None,
            release: Some(RELEASE.to_owned()),
        });
        host.capacity =
            Some(Capacity { vcpus: Some(128), memory_mib: Some(example.host_mib), ..Capacity::default() });
        host.migration =
            Some(Migration { bandwidth_mbps: Some(10_000), slots: Some(8), ..Migration::default() });
        fleet.hosts.push(host);
    }
    for number in 0..example.guests {
        let mut vm = Vm::new(VmId::new(format!("vm-{}", number + 1))?);
        let drawn =
            [4, 8, 16, 32].get(usize::try_from(dice.below(4)).unwrap_or(0)).map_or(4096, |gib| gib * 1024);
        vm.host = fleet.hosts.get(number % example.hosts.max(1)).map(|it| it.id.clone());
        vm.power = Some(PowerState::On);
        vm.vcpus = Some(2);
        vm.memory_mib = Some(example.memory_mib.unwrap_or(drawn));
        vm.storage.push(shared.clone());
        vm.allowed_actions = vec![Action::LiveMigrate];
        fleet.vms.push(vm);
    }
    Ok(fleet)
}
