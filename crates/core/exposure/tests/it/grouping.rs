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

/// Narrowed to some statuses, an assessment has exactly the rows of these, and still counts all.
#[test]
fn narrowing_keeps_the_rows_of_the_statuses_and_the_counts() {
    let documents = underpin_feeds::builtin::documents().map(|(_, document)| document.unwrap()).collect();
    let base = FactBase::new(vec![feed("built-in", documents)]);
    let fleet = sample(&SampleSpec { hosts: 30, seed: 2, ..SampleSpec::default() }, now());
    let whole = assess(&fleet, &base, &Options::at(now()));
    let by_status = whole.by_status();
    assert!(by_status.len() >= 5, "{by_status:?}");
    assert_eq!(by_status[&Status::Affected], whole.summary.affected);
    for wanted in [&[Status::Affected, Status::FixedNotRunning][..], &[Status::Fixed], &[]] {
        let rows = |assessment: &underpin_exposure::Assessment| -> Vec<String> {
            let rows = assessment.exposures().filter(|one| wanted.contains(&one.finding.status));
            rows.map(|one| format!("{:?} {:?}", one.asset, one.finding)).collect()
        };
        let part = whole.clone().only(wanted);
        assert_eq!(part.summary, whole.summary);
        assert_eq!(part.exposures().count(), rows(&whole).len());
        assert!(rows(&part) == rows(&whole));
        let counted: BTreeMap<_, _> =
            by_status.iter().filter(|(status, _)| wanted.contains(status)).map(|(a, b)| (*a, *b)).collect();
        assert_eq!(part.by_status(), counted);
    }
}

#[test]
fn only_what_is_open_is_due() {
    let of = |installed: &str| {
        let components = vec![package("qemu-utils", installed, Some(("qemu", None)))];
        let fleet = fleet(vec![host("h1", set(Family::Debian, "bookworm", components))], vec![]);
        let assessment = run(&fleet, vec![debian_fix("DSA-1", "bookworm", "qemu", "CVE-1", "1:7.2-9")]);
        let row = assessment.exposures().find(|one| one.finding.vulnerability.is_some()).unwrap().row();
        (row.status, row.due.is_some(), assessment.vulnerabilities[&vulnerability("CVE-1")].due.is_some())
    };
    assert_eq!(of("1:7.2-1"), (Status::Affected, true, true));
    assert_eq!(of("1:7.2-9"), (Status::Fixed, false, false));
}

/// Whether what a fix repairs is used is counted over the assets that are hit.
#[test]
fn priorities_say_on_how_many_assets_a_fix_is_needed() {
    let emulator = |id: &str| {
        let components = vec![package("qemu-system-x86", "1:7.2-1", Some(("qemu", None)))];
        host(id, set(Family::Debian, "bookworm", components))
    };
    let mut guest = vm("vm", "busy");
    guest.power = Some(underpin_model::fleet::PowerState::On);
    let fleet = fleet(vec![emulator("busy"), emulator("idle"), emulator("idle-2")], vec![guest]);
    let assessment = run(&fleet, vec![debian_fix("DSA-1", "bookworm", "qemu", "CVE-1", "1:7.2-9")]);
    let priorities = assessment.priorities();
    let used = priorities[0].used;
    assert_eq!((used.yes, used.no, used.unknown), (2, 2, 0), "the busy host and its guest; the idle ones");
    assert_eq!(used.yes + used.no + used.unknown, priorities[0].assets());
}
