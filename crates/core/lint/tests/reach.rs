//! What a host reaches itself counts, and what its cluster shares only where it states nothing; what nobody knows is no place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail by panicking")]

mod support;

use std::collections::BTreeSet;

use support::{Case, GIB};
use underpin_lint::Finding;
use underpin_model::id::StorageId;
use underpin_model::plan::{Rule, Severity};

fn of(case: &Case, severity: Severity) -> Vec<String> {
    let all = case.lint().findings;
    let restart = |it: &&Finding| (it.rule, it.severity) == (Rule::Restartability, severity);
    all.iter().filter(restart).map(|it| format!("{}: {}", it.place, it.found)).collect()
}

/// The cluster shares both storages, a guest of the last host needs the second one too, and hosts state what they reach.
fn stated(reach: [&[&str]; 4]) -> Case {
    let mut case = Case::sound();
    let all = |ids: &[&str]| ids.iter().map(|it| StorageId::new(*it).unwrap()).collect::<Vec<_>>();
    case.fleet.clusters[0].storage = all(&["s1", "s2"]);
    case.vm("v4").storage = all(&["s1", "s2"]);
    for (id, ids) in ["h1", "h2", "h3", "h4"].into_iter().zip(reach) {
        case.host(id).reach.storage = all(ids);
    }
    case
}

#[test]
fn a_host_that_states_its_storage_is_no_place_for_what_its_cluster_shares_beside_it() {
    // Nobody states anything: what the cluster shares is what they reach.
    assert!(stated([&[]; 4]).lint().findings.is_empty());
    // Of the others none reaches the second: that guest was lost with its host before the plan.
    let case = stated([&["s1"], &["s1"], &["s1"], &["s1", "s2"]]);
    assert_eq!(of(&case, Severity::Before), ["VM v4: no other host of its cluster could ever take it"]);
    assert!(case.rules(Severity::Error).is_empty(), "{:#?}", case.lint().findings);
    // One does, or says nothing: while it is away, and while the other one still could, nobody else is a place.
    for second in [&["s1", "s2"][..], &[]] {
        let case = stated([&["s1"], second, &["s1"], &["s1", "s2"]]);
        assert_eq!(case.rules(Severity::Error), BTreeSet::from([Rule::Restartability]));
        assert_eq!(of(&case, Severity::Error), ["failure of host h4: 1 guests without a place (v4)"]);
    }
}

#[test]
fn a_place_that_nobody_knows_to_be_one_is_none_at_the_start() {
    let mut case = Case::sound();
    case.vm("v4").cpu_features = vec!["amx".into()];
    case.host("h4").cpu.as_mut().unwrap().features.push("amx".into());
    // Were these features known, it would be a place, or never one. It is changed, and away for a while.
    case.host("h1").cpu = None;
    let told = of(&case, Severity::Unknown);
    assert_eq!(told, ["VM v4: no other host of its cluster is known to have what it needs"]);
    assert!(case.rules(Severity::Error).is_empty(), "{:#?}", case.lint().findings);
    // Another host is known to have them, and is full: what it could do empty says nothing of the start.
    case.host("h3").cpu.as_mut().unwrap().features.push("amx".into());
    case.host("h3").capacity.as_mut().unwrap().memory_mib = Some(8 * GIB);
    let told = of(&case, Severity::Unknown);
    let perhaps = "failure of host h4: places only on hosts of which not everything is known";
    assert!(!told.is_empty() && told.iter().all(|it| it == perhaps), "{told:#?}");
    assert!(case.rules(Severity::Error).is_empty(), "{:#?}", case.lint().findings);
}
