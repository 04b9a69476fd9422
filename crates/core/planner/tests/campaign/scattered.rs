//! Small clusters in which it decides who stands where before: targets that nobody would choose are tried as well.

use std::collections::BTreeMap;

use underpin_model::fleet::{Cpu, Fleet};
use underpin_model::plan::{Outcome, Profile};
use underpin_model::policy::{FailureSets, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Parent, Planned, Request, plan};

use super::build::{clean, fleet, guest, policy, request};

/// Memory, vCPUs and whether it has what some guests need, of each host; the third is done already.
const HOSTS: [(u64, u32, bool); 5] =
    [(16, 32, false), (16, 64, true), (32, 16, true), (24, 32, false), (24, 32, true)];

/// Host, memory, vCPUs and whether it needs what some hosts lack, of each guest.
const GUESTS: [(usize, u64, u32, bool); 13] = [
    (1, 4, 4, false),
    (1, 4, 4, false),
    (2, 4, 4, false),
    (2, 1, 2, false),
    (3, 2, 1, false),
    (3, 4, 4, true),
    (3, 1, 1, true),
    (3, 1, 1, false),
    (3, 2, 2, true),
    (4, 4, 2, false),
    (4, 4, 1, false),
    (5, 4, 4, true),
    (5, 2, 1, false),
];

fn mixed() -> Fleet {
    let mut fleet = fleet(HOSTS.len());
    let features = |wide: bool| if wide { vec!["avx512f".to_owned()] } else { Vec::new() };
    let models = ["M2", "M2", "M1", "M1", "M1"];
    for ((host, model), (gib, vcpus, wide)) in fleet.hosts.iter_mut().zip(models).zip(HOSTS) {
        host.model = Some(model.to_owned());
        let capacity = host.capacity.as_mut().unwrap();
        (capacity.memory_mib, capacity.vcpus) = (Some(gib * 1024), Some(vcpus));
        host.cpu = Some(Cpu { features: features(wide), ..Cpu::default() });
    }
    fleet.hosts[2].platform.as_mut().unwrap().release = Some("8.0.2".to_owned());
    for (host, gib, vcpus, wide) in GUESTS {
        let guest = guest(&mut fleet, &format!("h{host}"), gib);
        guest.vcpus = Some(vcpus);
        guest.cpu_features = features(wide);
    }
    fleet
}

#[test]
fn other_targets_are_tried_where_hosts_of_a_small_cluster_find_no_room() {
    let (fleet, policy, loss) = (mixed(), policy(), BTreeMap::new());
    let changed = |evaluations: u64| {
        let it = plan(&Request { evaluations, ..request(&fleet, &policy, &loss) }).unwrap();
        clean(&fleet, &policy, &it.plan);
        it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count()
    };
    // By the targets that are chosen without a search two hosts stay as they are, in whatever order.
    assert_eq!((changed(0), changed(64)), (2, 4));
}

/// Since the parent was made one guest went elsewhere, whichever it was and wherever it fits: what the parent promised its hosts is kept, or as
/// much as a plan of the fleet as it is now.
#[test]
fn hosts_that_the_parents_targets_lose_are_found_afresh() {
    let (fleet, policy, loss) = (mixed(), policy(), BTreeMap::new());
    let made = |fleet: &Fleet, parent| {
        let it = plan(&Request { evaluations: 64, parent, ..request(fleet, &policy, &loss) }).unwrap();
        clean(fleet, &policy, &it.plan);
        it
    };
    let hosts = |it: &Planned| it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count();
    let first = made(&fleet, None);
    for (guest, at) in (0..GUESTS.len()).flat_map(|guest| (0..HOSTS.len()).map(move |at| (guest, at))) {
        let mut now = fleet.clone();
        now.vms[guest].host = Some(now.hosts[at].id.clone());
        let parent = Some(Parent { plan: &first.plan, sha256: "00" });
        let (followed, afresh) = (hosts(&made(&now, parent)), hosts(&made(&now, None)));
        assert!(followed >= afresh.min(hosts(&first)), "guest {guest} on host {at}: {followed}, {afresh}");
    }
}

/// What can be done ring by ring can be done in an emergency, whichever host is in the first ring and whichever guest stands elsewhere.
#[test]
fn rings_are_merged_only_where_that_leaves_out_no_more_hosts() {
    let (mut policy, loss) = (policy(), BTreeMap::new());
    let ring = |name: &str| Ring { name: name.to_owned(), soak: Days::new(0.0).unwrap() };
    policy.rings = vec![ring("test"), ring("production")];
    policy.planning.emergency.merge_rings = true;
    for (first, guest, at) in (0..HOSTS.len() * GUESTS.len() * HOSTS.len())
        .map(|it| (it % HOSTS.len(), it / HOSTS.len() % GUESTS.len(), it / HOSTS.len() / GUESTS.len()))
    {
        let mut fleet = mixed();
        fleet.hosts[first].ring = Some("test".to_owned());
        fleet.vms[guest].host = Some(fleet.hosts[at].id.clone());
        let hosts = |profile| {
            let it = plan(&Request { evaluations: 4, profile, ..request(&fleet, &policy, &loss) }).unwrap();
            clean(&fleet, &policy, &it.plan);
            it.report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count()
        };
        let (normal, emergency) = (hosts(Profile::Normal), hosts(Profile::Emergency));
        assert!(
            emergency >= normal,
            "h{} first, guest {guest} on host {at}: {emergency}, {normal}",
            first + 1
        );
    }
}

/// Guests of R2 fit on h3 alone, whose guest has only h2 to go to, and that one's only h1: by the time that these three of R1 are done there
/// is room. Neither host of R2 can be the first of its class before, and both come after.
#[test]
fn a_class_whose_first_host_finds_no_room_yet_goes_after_the_others() {
    let mut fleet = fleet(5);
    let wide = || vec!["avx512f".to_owned()];
    for (host, (model, gib)) in
        fleet.hosts.iter_mut().zip([("R1", 50), ("R1", 80), ("R1", 80), ("R2", 80), ("R2", 80)])
    {
        host.model = Some(model.to_owned());
        host.capacity.as_mut().unwrap().memory_mib = Some(gib * 1024);
    }
    for host in &mut fleet.hosts[2..] {
        host.cpu = Some(Cpu { features: wide(), ..Cpu::default() });
    }
    for (host, gib, is_wide) in [("h2", 48, false), ("h3", 56, false), ("h4", 60, true), ("h5", 60, true)] {
        let guest = guest(&mut fleet, host, gib);
        guest.cpu_features = if is_wide { wide() } else { Vec::new() };
    }
    let mut policy = policy();
    policy.rings[0].soak = Days::new(1.0).unwrap();
    policy.planning.failure_sets = FailureSets::None;
    policy.planning.emergency.merge_rings = true;
    let loss = BTreeMap::new();
    for profile in [Profile::Normal, Profile::Emergency] {
        let it = plan(&Request { profile, ..request(&fleet, &policy, &loss) }).unwrap();
        clean(&fleet, &policy, &it.plan);
        let done: Vec<&str> =
            it.plan.waves.iter().flat_map(|it| &it.elements).map(|it| it.as_str()).collect();
        assert_eq!(done.first(), Some(&"h1"), "{profile:?}: {:?}", it.report.elements);
        assert_eq!(done.len(), 5, "{profile:?}: {:?}", it.report.elements);
        // The first of R2 soaks before the second.
        let [.., first, second] = &it.plan.waves[..] else { panic!("{:?}", it.plan.waves) };
        assert!(first.soak_until_s > first.end_s + 3600 && second.start_s + 300 >= first.soak_until_s);
    }
}
