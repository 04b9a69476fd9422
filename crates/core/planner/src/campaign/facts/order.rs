//! What is above what: releases of a product, and hosts that speak for their pools.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::{Change, Target};
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, Host};
use underpin_model::version::{Comparison, compare};

/// Releases of each product in their order. Where versions cannot be compared, what a change leads to is higher.
pub(super) fn ranks<'a>(fleet: &'a Fleet, changes: &'a [Change]) -> BTreeMap<(&'a Family, &'a str), u32> {
    let mut seen: BTreeMap<&Family, BTreeMap<&str, u32>> = BTreeMap::new();
    for platform in fleet.hosts.iter().filter_map(|it| it.platform.as_ref()) {
        let releases = seen.entry(&platform.family).or_default();
        if let Some(release) = &platform.release {
            releases.entry(release).or_insert(0);
        }
    }
    for change in changes {
        let Target::Release { release, via } = &change.to else { continue };
        for (family, releases) in &mut seen {
            if change.platforms.is_empty() || change.platforms.contains(family) {
                for (hop, release) in via.iter().chain([release]).enumerate() {
                    releases.entry(release).and_modify(|it| *it = hop as u32 + 1).or_insert(hop as u32 + 1);
                }
            }
        }
    }
    let mut ranks = BTreeMap::new();
    for (family, releases) in seen {
        let mut sorted: Vec<(&str, u32)> = releases.into_iter().collect();
        sorted.sort_by(|a, b| match compare(family.scheme(), a.0, b.0) {
            Ok(Comparison::Ordered(order)) if order != Ordering::Equal => order,
            _ => (a.1, a.0).cmp(&(b.1, b.0)),
        });
        ranks.extend(
            sorted.into_iter().enumerate().map(|(rank, (release, _))| ((family, release), rank as u32)),
        );
    }
    ranks
}

/// Hosts on which the planes of pools run, where the product demands that these come first.
pub(super) fn coordinators(fleet: &Fleet) -> BTreeSet<&str> {
    let pools = |host: &&Host| {
        host.platform.as_ref().is_some_and(|it| matches!(it.family, Family::XcpNg | Family::XenServer))
    };
    let managed = |host: &&Host| {
        let cluster = fleet.clusters.iter().find(|it| host.cluster.as_ref() == Some(&it.id));
        let planes =
            fleet.management_planes.iter().filter(|it| it.runs_on.iter().flatten().any(|on| *on == host.id));
        cluster.is_some_and(|cluster| planes.into_iter().any(|it| cluster.managed_by.contains(&it.id)))
    };
    let on: BTreeSet<&str> =
        fleet.management_planes.iter().flat_map(|it| &it.runs_on).flatten().map(|it| it.as_str()).collect();
    let hosts = fleet.hosts.iter().filter(pools).filter(|it| on.contains(it.id.as_str()));
    hosts.filter(managed).map(|it| it.id.as_str()).collect()
}
