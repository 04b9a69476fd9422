//! Where assets stand, and which scopes of a policy speak of them.

use std::collections::{BTreeMap, BTreeSet};

use underpin_exposure::report::{Asset, AssetKind};
use underpin_model::facts::Family;
use underpin_model::fleet::{ComponentSet, Fleet};
use underpin_model::id::{ClusterId, ComponentSetId, ManagementPlaneId, TenantId};
use underpin_model::policy::Scope;

/// What a scope asks of an asset.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    cluster: Option<ClusterId>,
    tenants: BTreeSet<TenantId>,
    /// A VM on it, or itself, belongs to no tenant that is known.
    without_tenant: bool,
    family: Option<Family>,
    /// Products and trains that it runs; a train of `None` is not known.
    pub(super) releases: BTreeSet<(Family, Option<String>)>,
}

/// Where assets stand, by kind and id.
pub(crate) struct Places {
    of: BTreeMap<(AssetKind, String), Place>,
    /// The planes that manage each cluster.
    managed_by: BTreeMap<ClusterId, Vec<ManagementPlaneId>>,
}

impl Places {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let mut places: BTreeMap<(AssetKind, String), Place> = BTreeMap::new();
        for host in &fleet.hosts {
            let mut place = Place { cluster: host.cluster.clone(), ..Place::default() };
            if let Some(platform) = &host.platform {
                place.family = Some(platform.family.clone());
                place.releases.insert((platform.family.clone(), platform.train.clone()));
            }
            place.releases.extend(releases(fleet, &host.component_sets, host.components.as_ref()));
            places.insert((AssetKind::Host, host.id.to_string()), place);
        }
        for vm in &fleet.vms {
            let host = vm.host.as_ref().map(|it| (AssetKind::Host, it.to_string()));
            let below = host.and_then(|it| places.get_mut(&it));
            let mut place = Place { cluster: vm.cluster.clone(), ..Place::default() };
            place.tenants.extend(vm.tenant.clone());
            place.without_tenant = vm.tenant.is_none();
            if let Some(below) = below {
                below.tenants.extend(vm.tenant.clone());
                below.without_tenant |= vm.tenant.is_none();
                place.cluster = place.cluster.or_else(|| below.cluster.clone());
                place.family = below.family.clone();
            }
            place.releases = releases(fleet, &vm.component_sets, vm.components.as_deref());
            places.insert((AssetKind::Vm, vm.id.to_string()), place);
        }
        for plane in &fleet.management_planes {
            let place = Place { family: plane.platform.clone(), ..Place::default() };
            places.insert((AssetKind::ManagementPlane, plane.id.to_string()), place);
        }
        let managed_by = fleet.clusters.iter().map(|it| (it.id.clone(), it.managed_by.clone())).collect();
        Self { of: places, managed_by }
    }

    pub(super) fn all(&self) -> &BTreeMap<(AssetKind, String), Place> {
        &self.of
    }

    fn get(&self, asset: &Asset) -> Option<&Place> {
        self.of.get(&(asset.kind, asset.id.to_string()))
    }

    /// The tenants of an asset: its own, or those whose VMs stand on it.
    pub(super) fn tenants(&self, asset: &Asset) -> impl Iterator<Item = &TenantId> {
        self.get(asset).into_iter().flat_map(|it| &it.tenants)
    }

    /// Whether anything is a tenant's.
    pub(super) fn has_any_of(&self, tenant: &TenantId) -> bool {
        self.of.values().any(|it| it.tenants.contains(tenant))
    }

    /// Whether an accepted risk of a scope covers an asset: every list that is not empty must name it, or what it stands
    /// under. A scope of tenants covers a host only if all its guests are theirs: the guest of another one did not agree.
    pub(super) fn covered(&self, scope: &Scope, asset: &Asset) -> bool {
        let none = Place::default();
        let place = self.get(asset).unwrap_or(&none);
        let id = &*asset.id;
        let host = asset.kind == AssetKind::Host && scope.hosts.iter().any(|it| it.as_str() == id);
        let plane =
            asset.kind == AssetKind::ManagementPlane && scope.planes.iter().any(|it| it.as_str() == id);
        let managed = || {
            let planes = place.cluster.as_ref().and_then(|it| self.managed_by.get(it));
            asset.kind == AssetKind::Host
                && planes.is_some_and(|it| it.iter().any(|it| scope.planes.contains(it)))
        };
        let all_theirs = || {
            !place.without_tenant
                && !place.tenants.is_empty()
                && place.tenants.iter().all(|it| scope.tenants.contains(it))
        };
        (scope.hosts.is_empty() || host)
            && (scope.planes.is_empty() || plane || managed())
            && (scope.clusters.is_empty()
                || place.cluster.as_ref().is_some_and(|it| scope.clusters.contains(it)))
            && (scope.tenants.is_empty() || all_theirs())
            && (scope.platforms.is_empty()
                || place.family.as_ref().is_some_and(|it| scope.platforms.contains(it)))
    }

    /// Whether an asset is in a scope. What is not known of it is in no list.
    pub(super) fn holds(&self, scope: &Scope, asset: &Asset) -> bool {
        let none = Place::default();
        let place = self.get(asset).unwrap_or(&none);
        let id = &*asset.id;
        let is = |kind, listed: bool| asset.kind == kind && listed;
        (scope.hosts.is_empty() || is(AssetKind::Host, scope.hosts.iter().any(|it| it.as_str() == id)))
            && (scope.planes.is_empty()
                || is(AssetKind::ManagementPlane, scope.planes.iter().any(|it| it.as_str() == id)))
            && (scope.clusters.is_empty()
                || place.cluster.as_ref().is_some_and(|it| scope.clusters.contains(it)))
            && (scope.tenants.is_empty() || scope.tenants.iter().any(|it| place.tenants.contains(it)))
            && (scope.platforms.is_empty()
                || place.family.as_ref().is_some_and(|it| scope.platforms.contains(it)))
    }
}

fn releases(
    fleet: &Fleet,
    shared: &[ComponentSetId],
    own: Option<&ComponentSet>,
) -> BTreeSet<(Family, Option<String>)> {
    let sets = shared.iter().filter_map(|it| fleet.component_sets.get(it)).chain(own);
    sets.filter_map(|it| Some((it.family.clone()?, it.train.clone()))).collect()
}
