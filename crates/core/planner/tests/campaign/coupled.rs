//! Clusters that a limit couples: who goes first makes the others wait.

use std::collections::BTreeMap;

use underpin_model::fleet::{Cluster, Fleet};
use underpin_model::id::{ClusterId, ElementId};
use underpin_model::policy::{FailureSets, Policy, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Planned, Request, plan};

use super::build::{clean, fleet, guest, host, planning, policy, request, tenant};

/// Six clusters of two hosts, the first of each to be changed, with guests of these tenants on it; of each tenant one host may be away.
fn path(tenants: [&[&str]; 6]) -> (Fleet, Policy) {
    let mut fleet = fleet(0);
    fleet.clusters.clear();
    let mut elements = Vec::new();
    for (cluster, tenants) in ["c1", "c2", "c3", "c4", "c5", "c6"].into_iter().zip(tenants) {
        fleet.clusters.push(Cluster::new(ClusterId::new(cluster).unwrap()));
        let ids = [format!("{cluster}-a"), format!("{cluster}-b")];
        fleet.hosts.extend(ids.iter().map(|id| host(id, cluster)));
        for it in tenants {
            let owner = tenant(&mut fleet, it);
            guest(&mut fleet, &ids[0], 4).tenant = Some(owner);
        }
        elements.push(ElementId::new(ids[0].as_str()).unwrap());
    }
    planning(&mut fleet).changes[0].elements = elements;
    let mut policy = policy();
    policy.planning.failure_sets = FailureSets::None;
    policy.planning.canaries_per_class = 0;
    policy.planning.most_away.per_tenant = Some(1);
    (fleet, policy)
}

fn searched(fleet: &Fleet, policy: &Policy, evaluations: u64) -> Planned {
    let loss = BTreeMap::new();
    let planned = plan(&Request { evaluations, ..request(fleet, policy, &loss) }).unwrap();
    clean(fleet, policy, &planned.plan);
    planned
}

#[test]
fn an_order_of_clusters_is_found_in_which_none_waits_longer_than_it_must() {
    // A path: each shares a tenant with the next. First come, first served takes three turns, since the clusters stand in another order.
    let (fleet, policy) =
        path([&["t1"], &["t3", "t4"], &["t1", "t2"], &["t2", "t3"], &["t4", "t5"], &["t5"]]);
    let ends = |evaluations: u64| {
        let bounds = searched(&fleet, &policy, evaluations).report.bounds;
        f64::from(bounds.makespan_s) / f64::from(bounds.makespan_at_least_s)
    };
    // Each tenant's two hosts one after the other are the bound.
    let (first, best) = (ends(0), ends(200));
    assert!(first > 1.4 && best < 1.1, "{first} and {best} times the bound");
}

#[test]
fn hosts_that_one_tenant_lets_go_one_at_a_time_bound_the_plan() {
    let (fleet, policy) = path([&["t1"]; 6]);
    let bounds = searched(&fleet, &policy, 0).report.bounds;
    // All six one after the other; without the limit over clusters they could go side by side.
    assert_eq!(bounds.makespan_bound_by, "hosts-away");
    assert!(bounds.makespan_at_least_s <= bounds.makespan_s, "{bounds:?}");
    assert!(f64::from(bounds.makespan_s) < 1.2 * f64::from(bounds.makespan_at_least_s), "{bounds:?}");
}

#[test]
fn whoever_has_another_ring_to_come_goes_first_where_only_one_may_be_away() {
    // Two hosts of cluster c1 and one of c2 in the first ring, one at a time; another one of c2 in the second, which waits for its own cluster.
    let mut fleet = fleet(0);
    fleet.clusters.clear();
    for (cluster, rings) in [("c1", ["x", "x"]), ("c2", ["x", "y"])] {
        fleet.clusters.push(Cluster::new(ClusterId::new(cluster).unwrap()));
        for (number, ring) in rings.into_iter().enumerate() {
            let mut host = host(&format!("{cluster}-{number}"), cluster);
            host.ring = Some(ring.to_owned());
            fleet.hosts.push(host);
        }
    }
    let changes = &mut planning(&mut fleet).changes;
    let mut other = changes[0].clone();
    other.id = "go-too".to_owned();
    changes.push(other);
    for (change, cluster) in changes.iter_mut().zip(["c1", "c2"]) {
        change.clusters = vec![ClusterId::new(cluster).unwrap()];
    }
    let ring = |name: &str| Ring { name: name.to_owned(), soak: Days::new(0.0).unwrap() };
    let mut policy = Policy { rings: vec![ring("x"), ring("y")], ..policy() };
    policy.planning.failure_sets = FailureSets::None;
    policy.planning.canaries_per_class = 0;
    policy.planning.most_away.per_ring = Some(1);
    let bounds = searched(&fleet, &policy, 64).report.bounds;
    // Three turns of the first ring, the second beside them.
    assert!(f64::from(bounds.makespan_s) < 1.1 * f64::from(bounds.makespan_at_least_s), "{bounds:?}");
}
