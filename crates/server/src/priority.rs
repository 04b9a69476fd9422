//! What to do first.

use std::cmp::{Ordering, Reverse};

use rustc_hash::{FxHashMap, FxHashSet};
use underpin_exposure::report::{AssetKind, Fix};
use underpin_exposure::urgency;
use underpin_model::id::VulnerabilityId;

use crate::index::Index;

/// A vulnerability with open exposures, and who is hit.
#[derive(Debug, Clone)]
pub(crate) struct Priority {
    pub(crate) id: VulnerabilityId,
    /// Hosts with an open exposure.
    pub(crate) hosts: u64,
    /// VMs with an open exposure of their own or on a host with one.
    pub(crate) vms: u64,
    /// Tenants of these VMs.
    pub(crate) tenants: u64,
    /// The first fix that a finding gives.
    pub(crate) fix: Option<Fix>,
}

/// Per group: which VMs stand on it, by the group that the VM itself is in, and whose they are.
struct Standing {
    /// Host group and VM group (`None`: not assessed) to number of VMs.
    pairs: FxHashMap<u32, FxHashMap<Option<u32>, u64>>,
    /// Group to tenants.
    tenants: FxHashMap<u32, FxHashSet<u32>>,
}

fn standing(index: &Index) -> Standing {
    let mut standing = Standing { pairs: FxHashMap::default(), tenants: FxHashMap::default() };
    let group = |kind, id: &str| Some(index.asset(index.number(kind, id)?)?.group);
    for (host, vms) in index.fleet.hosts.iter().zip(&index.vms_on) {
        let Some(below) = group(AssetKind::Host, host.id.as_str()) else { continue };
        for vm in vms.iter().filter_map(|place| index.fleet.vms.get(*place as usize)) {
            let own = group(AssetKind::Vm, vm.id.as_str());
            *standing.pairs.entry(below).or_default().entry(own).or_default() += 1;
            if let Some(tenant) = vm.tenant.as_ref().and_then(|t| index.tenants.get(t.as_str())) {
                standing.tenants.entry(below).or_default().insert(*tenant);
            }
        }
    }
    for vm in &index.fleet.vms {
        let tenant = vm.tenant.as_ref().and_then(|t| index.tenants.get(t.as_str()));
        if let (Some(own), Some(tenant)) = (group(AssetKind::Vm, vm.id.as_str()), tenant) {
            standing.tenants.entry(own).or_default().insert(*tenant);
        }
    }
    standing
}

/// All vulnerabilities with open exposures, in the order of [`underpin_exposure::SORT_KEY`].
pub(crate) fn rank(index: &Index) -> Vec<Priority> {
    let standing = standing(index);
    let mut priorities: Vec<Priority> =
        index.found.iter().filter_map(|(id, found)| hit(index, &standing, id, found)).collect();
    priorities.sort_by(|a, b| order(index, a, b));
    priorities
}

fn hit(index: &Index, standing: &Standing, id: &VulnerabilityId, found: &[(u32, usize)]) -> Option<Priority> {
    let finding = |at: &usize| index.assessment.findings.get(*at);
    let open: Vec<_> =
        found.iter().filter(|(_, at)| finding(at).is_some_and(|f| f.status.is_open())).collect();
    let fix = open.iter().find_map(|(_, at)| finding(at)?.fix.clone());
    let groups: FxHashSet<u32> = open.iter().map(|(group, _)| *group).collect();
    if groups.is_empty() {
        return None;
    }
    let (mut hosts, mut vms, mut tenants) = (0, 0, FxHashSet::default());
    for group in &groups {
        let Some(entry) = index.groups.get(*group as usize) else { continue };
        let members = entry.assets.clone().filter_map(|n| index.asset(n));
        let (mut own_hosts, mut own_vms) = (0, 0);
        for member in members {
            own_hosts += u64::from(member.kind == AssetKind::Host);
            own_vms += u64::from(member.kind == AssetKind::Vm);
        }
        hosts += own_hosts;
        vms += own_vms;
        // VMs on these hosts, without those that are counted by their own group.
        for (own, count) in standing.pairs.get(group).into_iter().flatten() {
            vms += if own.is_some_and(|own| groups.contains(&own)) { 0 } else { *count };
        }
        tenants.extend(standing.tenants.get(group).into_iter().flatten().copied());
    }
    Some(Priority { id: id.clone(), hosts, vms, tenants: tenants.len() as u64, fix })
}

fn order(index: &Index, a: &Priority, b: &Priority) -> Ordering {
    let urgent = |p: &Priority| index.assessment.vulnerabilities.get(&p.id).map(urgency);
    // A vulnerability of which nothing is known comes after those of which something is.
    let known = |p: &Priority| urgent(p).map_or((true, None), |urgency| (false, Some(urgency)));
    known(a).cmp(&known(b)).then(Reverse(a.vms).cmp(&Reverse(b.vms))).then_with(|| a.id.cmp(&b.id))
}
