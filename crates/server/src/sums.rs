//! Counts by tenant and by platform, made once per assessment.

use std::collections::BTreeMap;

use underpin_exposure::report::{AssetKind, Status};

use crate::index::{Counts, Index, add, slot};

/// A tenant or platform.
#[derive(Debug, Clone)]
pub(crate) struct Sum {
    pub(crate) name: String,
    /// VMs of the tenant, hosts of the platform.
    pub(crate) members: u64,
    pub(crate) counts: Counts,
}

fn most_open(sums: &mut [Sum]) {
    let open = |sum: &Sum| -> u64 {
        let of = |status| sum.counts.get(slot(status)).copied().unwrap_or(0);
        of(Status::Affected) + of(Status::FixedNotRunning)
    };
    sums.sort_by(|a, b| open(b).cmp(&open(a)).then_with(|| a.name.cmp(&b.name)));
}

/// What each tenant stands on, most open exposures first.
pub(crate) fn by_tenant(index: &Index) -> Vec<Sum> {
    let sum = |id: &str| Sum {
        name: id.to_owned(),
        members: index.tenant_vms(id).count() as u64,
        counts: index.sum(index.beneath(id)),
    };
    let mut sums: Vec<_> = index.fleet.tenants.iter().map(|tenant| sum(tenant.id.as_str())).collect();
    most_open(&mut sums);
    sums
}

/// The hosts of each platform and the VMs on them, most open exposures first.
pub(crate) fn by_platform(index: &Index) -> Vec<Sum> {
    let mut sums: BTreeMap<&str, (u64, Counts)> = BTreeMap::new();
    for host in &index.fleet.hosts {
        let (hosts, counts) = sums.entry(Index::platform(host)).or_default();
        *hosts += 1;
        let guests = index.guests(host.id.as_str()).map(|vm| (AssetKind::Vm, vm.id.as_str()));
        for (kind, id) in guests.chain([(AssetKind::Host, host.id.as_str())]) {
            if let Some(own) = index.counts_of(kind, id) {
                add(counts, own);
            }
        }
    }
    let sum = |(name, (members, counts)): (&str, _)| Sum { name: name.to_owned(), members, counts };
    let mut sums: Vec<_> = sums.into_iter().map(sum).collect();
    most_open(&mut sums);
    sums
}
