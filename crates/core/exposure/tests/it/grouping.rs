//! Equal assets are matched once, and counted each.

use std::collections::BTreeMap;
use std::sync::Arc;

use underpin_exposure::{FactBase, Options, Status, assess};
use underpin_model::facts::Family;
use underpin_model::fleet::{Fleet, SampleSpec, sample};
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

/// Each host and its VMs, assessed alone, have the findings that they have in the whole fleet.
#[test]
fn grouping_changes_no_answer() {
    let documents: Vec<_> =
        underpin_feeds::builtin::documents().map(|(_, document)| document.unwrap()).collect();
    let base = FactBase::new(vec![feed("built-in", documents)]);
    let whole = sample(&SampleSpec { hosts: 12, seed: 5, ..SampleSpec::default() }, now());
    let rows = |fleet: &Fleet| -> BTreeMap<Arc<str>, Vec<String>> {
        let mut rows: BTreeMap<Arc<str>, Vec<String>> = BTreeMap::new();
        let assessment = assess(fleet, &base, &Options::at(now()));
        for one in assessment.exposures() {
            let row = serde_json::to_string(one.finding).unwrap();
            rows.entry(Arc::clone(&one.asset.id)).or_default().push(row);
        }
        rows.values_mut().for_each(|list| list.sort_unstable());
        rows
    };
    let together = rows(&whole);
    let mut compared = 0;
    for host in &whole.hosts {
        let mut alone = whole.clone();
        alone.hosts.retain(|one| one.id == host.id);
        alone.vms.retain(|vm| vm.host.as_ref() == Some(&host.id));
        if alone.vms.is_empty() {
            // Without any VM in the fleet it is not known whether guests were listed at all: another question.
            continue;
        }
        let vms = alone.vms.iter().map(|vm| vm.id.as_str());
        let found = rows(&alone);
        for id in vms.chain([host.id.as_str()]) {
            assert_eq!(found.get(id), together.get(id), "{id}");
            compared += found.get(id).map_or(0, Vec::len);
        }
    }
    assert!(compared > 1000, "{compared}");
}
