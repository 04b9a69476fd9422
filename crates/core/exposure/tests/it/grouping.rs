//! Equal assets are matched once, and counted each.

use underpin_exposure::Status;
use underpin_model::facts::Family;
use underpin_model::id::ComponentSetId;

use crate::build::*;

#[test]
fn hosts_that_share_a_set_share_findings_and_are_counted_each() {
    let components = vec![package("qemu-utils", "1:7.2-1", Some(("qemu", None)))];
    let shared = ComponentSetId::new("kvm").unwrap();
    let mut hosts = Vec::new();
    for number in 0..50 {
        let mut host = host(&format!("h{number}"), set(Family::Debian, "bookworm", vec![]));
        host.components = None;
        host.component_sets = vec![shared.clone()];
        hosts.push(host);
    }
    // One of them differs in what runs, which does not matter to qemu-utils: another group, the same findings.
    hosts[7].running.insert("linux".to_owned(), "6.1.0-1".to_owned());
    let mut fleet = fleet(hosts, vec![]);
    fleet.component_sets.insert(shared, set(Family::Debian, "bookworm", components));
    let assessment = run(&fleet, vec![debian_fix("DSA-1", "bookworm", "qemu", "CVE-1", "1:7.2-9")]);
    assert_eq!(assessment.findings.len(), 1);
    assert_eq!(assessment.groups.len(), 2);
    assert_eq!((assessment.summary.assets, assessment.summary.affected), (50, 50));
    assert_eq!(assessment.exposures().filter(|one| one.finding.status == Status::Affected).count(), 50);
    let priorities = assessment.priorities();
    assert_eq!((priorities.len(), priorities[0].assets()), (1, 50));
}
