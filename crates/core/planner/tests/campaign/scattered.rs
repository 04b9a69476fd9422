//! Small clusters in which it decides who stands where before: targets that nobody would choose are tried as well.

use std::collections::BTreeMap;

use underpin_model::fleet::{Cpu, Fleet};
use underpin_model::plan::Outcome;
use underpin_planner::campaign::{Request, plan};

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
