//! Which hosts a scope of the policy is about, and which VMs stand on a host.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use underpin_model::fleet::{Cluster, Fleet, Vm};
use underpin_model::id::ClusterId;
use underpin_model::policy::Scope;

/// Where things are in a fleet.
pub(super) struct Places<'f> {
    fleet: &'f Fleet,
    clusters: BTreeMap<&'f ClusterId, &'f Cluster>,
    /// By position of the host.
    vms: Vec<Vec<&'f Vm>>,
}

impl<'f> Places<'f> {
    pub(super) fn of(fleet: &'f Fleet) -> Self {
        let at: FxHashMap<_, _> = fleet.hosts.iter().enumerate().map(|(at, host)| (&host.id, at)).collect();
        let mut vms = vec![Vec::new(); fleet.hosts.len()];
        for vm in &fleet.vms {
            let host = vm.host.as_ref().and_then(|id| at.get(id));
            if let Some(list) = host.and_then(|at| vms.get_mut(*at)) {
                list.push(vm);
            }
        }
        Self { fleet, clusters: fleet.clusters.iter().map(|it| (&it.id, it)).collect(), vms }
    }

    /// The VMs on a host.
    pub(super) fn vms(&self, host: usize) -> &[&'f Vm] {
        self.vms.get(host).map_or(&[], Vec::as_slice)
    }

    /// Every list of the scope that is not empty names the host, or what it belongs to or carries.
    pub(super) fn holds(&self, scope: &Scope, at: usize) -> bool {
        let Some(host) = self.fleet.hosts.get(at) else { return false };
        let cluster = host.cluster.as_ref();
        let planes = cluster.and_then(|id| self.clusters.get(id)).map_or(&[][..], |it| &it.managed_by);
        let tenants = || self.vms(at).iter().filter_map(|it| it.tenant.as_ref());
        (scope.clusters.is_empty() || cluster.is_some_and(|it| scope.clusters.contains(it)))
            && (scope.hosts.is_empty() || scope.hosts.contains(&host.id))
            && (scope.planes.is_empty() || planes.iter().any(|it| scope.planes.contains(it)))
            && (scope.tenants.is_empty() || tenants().any(|it| scope.tenants.contains(it)))
            && (scope.platforms.is_empty()
                || host.platform.as_ref().is_some_and(|it| scope.platforms.contains(&it.family)))
    }
}

#[cfg(test)]
mod tests {
    use underpin_model::facts::Family;
    use underpin_model::fleet::{SampleSpec, sample};
    use underpin_model::id::HostId;

    use super::*;

    #[test]
    fn a_host_is_in_a_scope_when_every_list_names_it() {
        let fleet = sample(&SampleSpec::default(), jiff::Timestamp::UNIX_EPOCH);
        let places = Places::of(&fleet);
        let at = (0..fleet.hosts.len()).find(|at| !places.vms(*at).is_empty()).unwrap();
        let host = &fleet.hosts[at];
        let own = Scope {
            clusters: host.cluster.iter().cloned().collect(),
            hosts: vec![host.id.clone()],
            tenants: places.vms(at).iter().filter_map(|it| it.tenant.clone()).take(1).collect(),
            platforms: vec![host.platform.as_ref().unwrap().family.clone()],
            ..Scope::default()
        };
        assert!(places.holds(&Scope::default(), at) && places.holds(&own, at));
        let elsewhere = Scope { hosts: vec![HostId::new("elsewhere").unwrap()], ..own.clone() };
        let other = Scope { platforms: vec![Family::Other("other".into())], ..own };
        assert!(!places.holds(&elsewhere, at) && !places.holds(&other, at));
        assert!(!places.holds(&Scope::default(), usize::MAX));
    }
}
