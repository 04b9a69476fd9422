//! Several clusters in one plan: none spoils another's.

use std::collections::BTreeMap;

use proptest::prelude::*;
use underpin_model::fleet::{Application, Cluster, Fleet};
use underpin_model::id::{ApplicationId, ClusterId, ElementId};
use underpin_model::plan::{Outcome, Reason, Relaxation, Rule, Trial};
use underpin_model::policy::{FailureSets, Policy, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::plan;

use super::build::{change, fleet, guest, host, of, planned, planning, policy, request};

fn element(id: &str) -> ElementId {
    ElementId::new(id).unwrap()
}

/// The small cluster `c` of three hosts, whose change is about them alone; the application `shop` is on h2.
fn shop() -> Fleet {
    let mut fleet = fleet(3);
    let id = ApplicationId::new("shop").unwrap();
    fleet.applications.push(Application::new(id.clone()));
    for _ in 0..2 {
        guest(&mut fleet, "h2", 8).application = Some(id.clone());
    }
    // h1 alone has room for its guests.
    guest(&mut fleet, "h3", 95);
    fleet.vms.last_mut().unwrap().allowed_actions.clear();
    planning(&mut fleet).changes[0].elements = ["h1", "h2"].map(element).to_vec();
    fleet
}

/// Another cluster, `d`, and its change: of its two hosts in ring test none can be done, and the one in ring production can.
fn beside(fleet: &mut Fleet) {
    fleet.clusters.push(Cluster::new(ClusterId::new("d").unwrap()));
    for (number, id) in ["d1", "d2", "d3"].into_iter().enumerate() {
        fleet.hosts.push(host(id, "d"));
        let host = fleet.hosts.last_mut().unwrap();
        host.capacity.as_mut().unwrap().memory_mib = Some(if number < 2 { 102_400 } else { 51_200 });
        host.model = Some("other".to_owned());
    }
    guest(fleet, "d1", 60);
    guest(fleet, "d2", 60);
    let mut change = change("go-d", "8.0.3");
    change.elements = ["d1", "d2", "d3"].map(element).to_vec();
    planning(fleet).changes.push(change);
}

fn two_rings(fleet: &mut Fleet, test: &[&str]) -> Policy {
    for host in &mut fleet.hosts {
        host.ring = Some(if test.contains(&host.id.as_str()) { "test" } else { "production" }.to_owned());
    }
    let ring = |name: &str| Ring { name: name.to_owned(), soak: Days::new(1.0).unwrap() };
    let mut policy = Policy { rings: vec![ring("test"), ring("production")], ..Policy::default() };
    policy.planning.failure_sets = FailureSets::None;
    policy
}

#[test]
fn a_canary_that_is_still_to_come_holds_back_its_own_cluster_alone() {
    let mut fleet = shop();
    let alone = fleet.clone();
    beside(&mut fleet);
    let rings = ["h1", "h2", "h3", "d1", "d2"];
    for mut fleet in [alone, fleet] {
        let policy = two_rings(&mut fleet, &rings);
        let it = planned(&fleet, &policy);
        for host in ["h1", "h2"] {
            assert_eq!(of(&it, host).outcome, Outcome::Planned, "{:?}", of(&it, host).reasons);
        }
    }
}

#[test]
fn where_release_diversity_rules_out_the_hosts_with_room_it_is_the_reason() {
    // h1 has the release already, and the first canary is one of ring production: until then shop must not be wholly on it.
    let mut fleet = shop();
    fleet.hosts[0].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    fleet.hosts[0].changed_at = Some("2026-01-01T00:00:00Z".parse().unwrap());
    fleet.hosts.push(host("h4", "c"));
    fleet.hosts[3].capacity.as_mut().unwrap().memory_mib = Some(6 * 1024);
    planning(&mut fleet).changes[0].elements.push(element("h4"));
    fleet.hosts[0].model = Some("other".to_owned());
    fleet.hosts[0].capacity.as_mut().unwrap().memory_mib = Some(60 * 1024);
    let mut policy = two_rings(&mut fleet, &["h1", "h2", "h3"]);
    let it = planned(&fleet, &policy);
    let shop = ApplicationId::new("shop").unwrap();
    assert_eq!(of(&it, "h4").outcome, Outcome::Planned);
    assert_eq!(of(&it, "h2").reasons, [Reason::ReleaseDiversity { application: shop }]);
    let tried = |what: &dyn Fn(&Relaxation) -> bool| {
        it.report.counterfactuals.iter().any(|it| it.trial == Trial::Enough && what(&it.relaxation))
    };
    assert!(tried(&|it| matches!(it, Relaxation::WithoutRule { rule: Rule::ReleaseDiversity, .. })));
    assert!(tried(&|it| matches!(it, Relaxation::SpareHosts { hosts: 1, .. })));
    policy.planning.release_diversity = false;
    assert_eq!(of(&planned(&fleet, &policy), "h2").outcome, Outcome::Planned);
    // Without a host that has room it is a matter of room.
    policy.planning.release_diversity = true;
    fleet.hosts[0].capacity.as_mut().unwrap().memory_mib = Some(12 * 1024);
    let it = planned(&fleet, &policy);
    assert!(
        of(&it, "h2").reasons.iter().all(|it| !matches!(it, Reason::ReleaseDiversity { .. })),
        "{:?}",
        of(&it, "h2").reasons
    );
}

/// A cluster by number, of hosts and guests of its own; applications too.
fn cluster(fleet: &mut Fleet, number: usize, hosts: &[(u64, bool)], guests: &[(usize, u64, usize)]) {
    let id = format!("k{number}");
    fleet.clusters.push(Cluster::new(ClusterId::new(id.clone()).unwrap()));
    let mut own = change(&format!("go-{number}"), "8.0.2");
    for (at, (gib, test)) in hosts.iter().enumerate() {
        let name = format!("{id}-h{at}");
        let mut host = host(&name, &id);
        host.capacity.as_mut().unwrap().memory_mib = Some(gib * 1024);
        host.ring = Some(if *test { "test" } else { "production" }.to_owned());
        own.elements.push(element(&name));
        fleet.hosts.push(host);
    }
    for application in 0..2 {
        let id = ApplicationId::new(format!("{id}-a{application}")).unwrap();
        fleet.applications.push(Application::new(id));
    }
    for (host, gib, application) in guests {
        let vm = guest(fleet, &format!("{id}-h{}", host % hosts.len()), *gib);
        vm.application = Some(ApplicationId::new(format!("{id}-a{application}")).unwrap());
    }
    planning(fleet).changes.push(own);
}

type Hosts = Vec<(u64, bool)>;
type Guests = Vec<(usize, u64, usize)>;

fn clusters() -> impl Strategy<Value = Vec<(Hosts, Guests)>> {
    let hosts = prop::collection::vec((32..100_u64, any::<bool>()), 2..5);
    let guests = prop::collection::vec((0..4_usize, 4..40_u64, 0..2_usize), 0..8);
    prop::collection::vec((hosts, guests), 2..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Clusters that share no rule are planned together as well as apart (without search, whose budget they share).
    #[test]
    fn clusters_together_have_no_fewer_hosts_planned_than_apart(all in clusters(), reserve in any::<bool>()) {
        let of = |which: &dyn Fn(usize) -> bool| {
            let mut it = fleet(0);
            it.clusters.clear();
            planning(&mut it).changes.clear();
            for (number, (hosts, guests)) in all.iter().enumerate().filter(|it| which(it.0)) {
                cluster(&mut it, number, hosts, guests);
            }
            it
        };
        let mut policy = policy();
        policy.rings.insert(0, Ring { name: "test".to_owned(), soak: Days::new(1.0).unwrap() });
        policy.rings[1].soak = Days::new(1.0).unwrap();
        policy.planning.failure_sets = if reserve { FailureSets::Host } else { FailureSets::None };
        let loss = BTreeMap::new();
        let count = |it: &Fleet| {
            let it = plan(&request(it, &policy, &loss)).unwrap();
            it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count()
        };
        let apart: usize = (0..all.len()).map(|own| count(&of(&|it| it == own))).sum();
        let together = of(&|_| true);
        prop_assert!(count(&together) >= apart, "{} of {}", count(&together), apart);
        super::build::clean(&together, &policy, &plan(&request(&together, &policy, &loss)).unwrap().plan);
    }
}
