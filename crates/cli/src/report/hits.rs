//! Which groups of assets each vulnerability is open on, and whose VMs these are.

use std::collections::BTreeMap;

use underpin_exposure::Assessment;
use underpin_exposure::report::AssetKind;
use underpin_model::fleet::Fleet;
use underpin_model::id::VulnerabilityId;

/// Made in one pass over fleet and findings, so that asking for a vulnerability does not go over either again.
pub(crate) struct Hits<'a> {
    /// By vulnerability: the groups that it is open on.
    groups: BTreeMap<&'a VulnerabilityId, Vec<usize>>,
    /// By group: tenants whose VMs are in it or stand on a host in it, as positions in the fleet's list, in order.
    tenants: Vec<Vec<usize>>,
}

impl<'a> Hits<'a> {
    pub(crate) fn new(fleet: &Fleet, assessment: &'a Assessment) -> Self {
        let mut groups: BTreeMap<&VulnerabilityId, Vec<usize>> = BTreeMap::new();
        for (at, group) in assessment.groups.iter().enumerate() {
            for finding in group.findings_in(&assessment.findings).filter(|one| one.status.is_open()) {
                let Some(id) = &finding.vulnerability else { continue };
                let hit = groups.entry(id).or_default();
                if hit.last() != Some(&at) {
                    hit.push(at);
                }
            }
        }
        Self { groups, tenants: tenants(fleet, assessment) }
    }

    /// Number of tenants with a VM that is hit itself or stands on a host that is.
    pub(crate) fn tenants(&self, id: &VulnerabilityId) -> usize {
        let groups = self.groups.get(id).into_iter().flatten();
        let mut hit: Vec<usize> =
            groups.filter_map(|group| self.tenants.get(*group)).flatten().copied().collect();
        hit.sort_unstable();
        hit.dedup();
        hit.len()
    }
}

/// The group that each asset is in.
pub(crate) fn group_of(assessment: &Assessment) -> BTreeMap<(AssetKind, &str), usize> {
    let assets = assessment.groups.iter().enumerate();
    assets.flat_map(|(at, group)| group.assets.iter().map(move |one| ((one.kind, &*one.id), at))).collect()
}

fn tenants(fleet: &Fleet, assessment: &Assessment) -> Vec<Vec<usize>> {
    let group_of = group_of(assessment);
    let known: BTreeMap<&str, usize> =
        fleet.tenants.iter().enumerate().map(|(at, tenant)| (tenant.id.as_str(), at)).collect();
    let mut tenants = vec![Vec::new(); assessment.groups.len()];
    for vm in &fleet.vms {
        let Some(tenant) = vm.tenant.as_ref().and_then(|id| known.get(id.as_str())) else { continue };
        let own = Some((AssetKind::Vm, vm.id.as_str()));
        let host = vm.host.as_ref().map(|id| (AssetKind::Host, id.as_str()));
        for group in own.iter().chain(&host).filter_map(|asset| group_of.get(asset)) {
            if let Some(list) = tenants.get_mut(*group) {
                list.push(*tenant);
            }
        }
    }
    for list in &mut tenants {
        list.sort_unstable();
        list.dedup();
    }
    tenants
}
