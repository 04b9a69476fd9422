//! Live VMs of which no host is known, and the hosts that they may stand on: those of their cluster, and all where it is not known or has none.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::fleet::{Fleet, Host, Vm};
use underpin_model::id::{ClusterId, HostId};

use crate::draft::{Vmm, is_live, vmm_of};

/// The hosts and VMMs of a fleet that such VMs may stand on and run in.
#[derive(Debug, Default)]
pub(crate) struct Nowhere<'f> {
    /// Hosts in the order of their ids; empty where no such VM is.
    all: BTreeSet<&'f HostId>,
    of_cluster: BTreeMap<&'f ClusterId, BTreeSet<&'f HostId>>,
    /// What such VMs run in that may stand on any host, and by cluster.
    anywhere: BTreeSet<Vmm<'f>>,
    in_cluster: BTreeMap<&'f ClusterId, BTreeSet<Vmm<'f>>>,
}

/// Whether there are any.
pub(crate) fn are_any(fleet: &Fleet) -> bool {
    fleet.vms.iter().any(is)
}

fn is(vm: &Vm) -> bool {
    vm.host.is_none() && is_live(vm)
}

impl<'f> Nowhere<'f> {
    pub(crate) fn of(fleet: &'f Fleet) -> Self {
        let mut nowhere = Self::default();
        if !are_any(fleet) {
            return nowhere;
        }
        for host in &fleet.hosts {
            nowhere.all.insert(&host.id);
            if let Some(cluster) = &host.cluster {
                nowhere.of_cluster.entry(cluster).or_default().insert(&host.id);
            }
        }
        for vm in fleet.vms.iter().filter(|it| is(it)) {
            let cluster = vm.cluster.as_ref().filter(|it| nowhere.of_cluster.contains_key(it));
            let list = match cluster {
                Some(cluster) => nowhere.in_cluster.entry(cluster).or_default(),
                None => &mut nowhere.anywhere,
            };
            list.insert(vmm_of(vm));
        }
        nowhere
    }

    /// The hosts that a VM may stand on, by id.
    pub(crate) fn hosts(&self, vm: &Vm) -> impl Iterator<Item = &'f HostId> + '_ {
        let of_cluster = vm.cluster.as_ref().and_then(|it| self.of_cluster.get(it));
        of_cluster.unwrap_or(&self.all).iter().copied()
    }

    /// What such VMs run in that may stand on a host.
    pub(crate) fn guests(&self, host: &Host) -> impl Iterator<Item = Vmm<'f>> + '_ {
        let of_cluster = host.cluster.as_ref().and_then(|it| self.in_cluster.get(it));
        self.anywhere.iter().chain(of_cluster.into_iter().flatten()).copied()
    }
}
