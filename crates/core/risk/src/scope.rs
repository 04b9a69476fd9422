//! Whether a control or an accepted risk of the policy speaks of a host or of a management plane.

use rustc_hash::FxHashSet;
use underpin_model::facts::Family;
use underpin_model::fleet::ManagementPlane;
use underpin_model::id::{ClusterId, HostId, ManagementPlaneId, TenantId};
use underpin_model::policy::Scope;

/// What a scope can ask of a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostPlace<'f> {
    pub(crate) id: &'f HostId,
    pub(crate) cluster: Option<&'f ClusterId>,
    pub(crate) platform: Option<&'f Family>,
    /// The planes that manage it.
    pub(crate) planes: &'f [ManagementPlaneId],
}

/// A scope with its lists as sets: a list may name every host of a big fleet.
#[derive(Debug)]
pub(crate) struct Reader<'p> {
    clusters: FxHashSet<&'p ClusterId>,
    hosts: FxHashSet<&'p HostId>,
    planes: FxHashSet<&'p ManagementPlaneId>,
    tenants: FxHashSet<&'p TenantId>,
    platforms: &'p [Family],
}

impl<'p> Reader<'p> {
    pub(crate) fn new(scope: &'p Scope) -> Self {
        Self {
            clusters: scope.clusters.iter().collect(),
            hosts: scope.hosts.iter().collect(),
            planes: scope.planes.iter().collect(),
            tenants: scope.tenants.iter().collect(),
            platforms: &scope.platforms,
        }
    }

    /// Whether it speaks of a host with guests of these tenants. A scope of tenants speaks of a host whose guests are all
    /// theirs: the guest of another one is a way around.
    pub(crate) fn covers_host<'t>(
        &self,
        host: HostPlace<'_>,
        mut tenants: impl Iterator<Item = Option<&'t TenantId>>,
    ) -> bool {
        let mut any = false;
        self.covers_place(host)
            && (self.tenants.is_empty()
                || (tenants.all(|it| {
                    any = true;
                    it.is_some_and(|it| self.tenants.contains(it))
                }) && any))
    }

    /// Whether a promise in this scope is about a host with guests of these tenants: one guest of a tenant that is named
    /// is enough, for it is promised to that tenant.
    pub(crate) fn concerns_host<'t>(
        &self,
        host: HostPlace<'_>,
        mut tenants: impl Iterator<Item = Option<&'t TenantId>>,
    ) -> bool {
        self.covers_place(host)
            && (self.tenants.is_empty() || tenants.any(|it| it.is_some_and(|it| self.tenants.contains(it))))
    }

    fn covers_place(&self, host: HostPlace<'_>) -> bool {
        (self.clusters.is_empty() || host.cluster.is_some_and(|it| self.clusters.contains(it)))
            && (self.hosts.is_empty() || self.hosts.contains(host.id))
            && (self.platforms.is_empty() || host.platform.is_some_and(|it| self.platforms.contains(it)))
            && (self.planes.is_empty() || host.planes.iter().any(|it| self.planes.contains(it)))
    }

    /// Whether it speaks of a plane itself, and so of the plane's own ways in: of what is there besides the hosts under it. Hosts and
    /// tenants say nothing of it; clusters do if they are all that the plane manages.
    pub(crate) fn covers_plane<'c>(
        &self,
        plane: &ManagementPlane,
        mut clusters: impl Iterator<Item = &'c ClusterId>,
    ) -> bool {
        let mut any = false;
        let mut all_named = || {
            clusters.all(|it| {
                any = true;
                self.clusters.contains(it)
            }) && any
        };
        self.hosts.is_empty()
            && self.tenants.is_empty()
            && self.may_cover(&plane.id)
            && (self.platforms.is_empty()
                || plane.platform.as_ref().is_some_and(|it| self.platforms.contains(it)))
            && (self.clusters.is_empty() || all_named())
    }

    /// It names no planes, or this one.
    pub(crate) fn may_cover(&self, plane: &ManagementPlaneId) -> bool {
        self.planes.is_empty() || self.planes.contains(plane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_that_is_not_empty_must_match() {
        let id = |it: &str| HostId::new(it).unwrap();
        let cluster = ClusterId::new("a").unwrap();
        let (h1, h2) = (id("h1"), id("h2"));
        let place =
            |id| HostPlace { id, cluster: Some(&cluster), platform: Some(&Family::Esxi), planes: &[] };
        let mut scope = Scope { hosts: vec![h1.clone()], ..Scope::default() };
        let none = || std::iter::empty::<Option<&TenantId>>();
        assert!(Reader::new(&scope).covers_host(place(&h1), none()));
        assert!(!Reader::new(&scope).covers_host(place(&h2), none()));
        scope.platforms = vec![Family::Debian];
        assert!(!Reader::new(&scope).covers_host(place(&h1), none()));
    }

    #[test]
    fn a_scope_of_tenants_needs_every_guest_of_the_host() {
        let (a, b) = (TenantId::new("a").unwrap(), TenantId::new("b").unwrap());
        let host = HostId::new("h").unwrap();
        let place = HostPlace { id: &host, cluster: None, platform: None, planes: &[] };
        let scope = Scope { tenants: vec![a.clone()], ..Scope::default() };
        let reader = Reader::new(&scope);
        assert!(reader.covers_host(place, [Some(&a)].into_iter()));
        assert!(!reader.covers_host(place, [Some(&a), Some(&b)].into_iter()));
        assert!(!reader.covers_host(place, [Some(&a), None].into_iter()));
        assert!(!reader.covers_host(place, std::iter::empty()));
    }

    #[test]
    fn a_promise_to_a_tenant_is_about_every_host_with_one_of_its_guests() {
        let (a, b) = (TenantId::new("a").unwrap(), TenantId::new("b").unwrap());
        let (host, other) = (HostId::new("h").unwrap(), HostId::new("elsewhere").unwrap());
        let place = |id| HostPlace { id, cluster: None, platform: None, planes: &[] };
        let scope = Scope { tenants: vec![a.clone()], hosts: vec![host.clone()], ..Scope::default() };
        let reader = Reader::new(&scope);
        assert!(reader.concerns_host(place(&host), [Some(&a), Some(&b), None].into_iter()));
        assert!(!reader.concerns_host(place(&host), [Some(&b), None].into_iter()));
        assert!(!reader.concerns_host(place(&host), std::iter::empty()));
        assert!(!reader.concerns_host(place(&other), [Some(&a)].into_iter()));
    }

    #[test]
    fn a_scope_of_hosts_or_tenants_says_nothing_of_a_plane_and_one_of_clusters_names_all_of_its() {
        let cluster = |it: &str| ClusterId::new(it).unwrap();
        let (a, b) = (cluster("a"), cluster("b"));
        let mut plane = ManagementPlane::new(ManagementPlaneId::new("vc").unwrap());
        plane.platform = Some(Family::Vcenter);
        let covers = |scope: Scope| Reader::new(&scope).covers_plane(&plane, [&a, &b].into_iter());
        assert!(covers(Scope::default()));
        let host = HostId::new("h").unwrap();
        assert!(!covers(Scope { hosts: vec![host.clone()], ..Scope::default() }));
        assert!(!covers(Scope { hosts: vec![host], planes: vec![plane.id.clone()], ..Scope::default() }));
        let tenants = vec![TenantId::new("t").unwrap()];
        assert!(!covers(Scope { tenants, ..Scope::default() }));
        assert!(!covers(Scope { clusters: vec![a.clone()], ..Scope::default() }));
        assert!(covers(Scope { clusters: vec![a.clone(), b.clone()], ..Scope::default() }));
        assert!(covers(Scope { platforms: vec![Family::Vcenter], ..Scope::default() }));
        assert!(!covers(Scope { platforms: vec![Family::Esxi], ..Scope::default() }));
        let of_nothing = Scope { clusters: vec![a.clone()], ..Scope::default() };
        assert!(!Reader::new(&of_nothing).covers_plane(&plane, std::iter::empty()), "it manages none");
    }
}
