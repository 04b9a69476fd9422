//! The 50 published migration plans: their durations exactly, and no makespan above theirs.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may fail loudly and read the reference data"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Read as _;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::migrations::check;
use support::planning;
use underpin_planner::instances::{UCC15_LINKS_MBPS, Ucc15, ucc15};
use underpin_planner::migrations::{Load, Options, schedule};

/// The files of the archive by their names.
fn files() -> Option<BTreeMap<String, String>> {
    let path = planning("migrations-ucc15.tar.gz")?;
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let mut text = String::new();
        if entry.header().entry_type().is_file() && name != "PLAN_STATS.json" {
            entry.read_to_string(&mut text).unwrap();
            files.insert(name, text);
        }
    }
    Some(files)
}

fn read(text: &str) -> Ucc15 {
    ucc15(text, &UCC15_LINKS_MBPS).unwrap()
}

#[test]
fn all_published_durations_are_reproduced() {
    let Some(files) = files() else { return };
    let mut equal = 0;
    for text in files.values() {
        let plan = read(text);
        for (it, theirs) in plan.moves.iter().zip(&plan.theirs) {
            assert_eq!(it.load.timing(theirs.mbps).unwrap().duration_ms, theirs.duration_ms());
            equal += 1;
        }
        // Their plans hold under our reading of the links and of room at both ends.
        check(&plan.nodes, &plan.moves, &plan.theirs, None).unwrap();
    }
    assert_eq!((files.len(), equal), (50, 500));
}

#[test]
fn no_published_makespan_is_shorter_than_ours() {
    let Some(files) = files() else { return };
    let (mut theirs, mut ours, mut shorter, mut optimal) = (0, 0, 0, 0);
    for (name, text) in &files {
        let plan = read(text);
        let got = schedule(&plan.nodes, &plan.moves, &Options::default()).unwrap();
        check(&plan.nodes, &plan.moves, &got.moves, None).unwrap();
        // The durations are theirs too: none is allotted less than the plan of others has.
        assert!(got.moves.iter().zip(&plan.theirs).all(|(got, theirs)| got.mbps == theirs.mbps));
        println!(
            "{name}: theirs {} s, ours {} s, optimal {}, bounds {:?}, {} evaluations",
            plan.their_makespan_ms() / 1000,
            got.makespan_ms / 1000,
            got.optimal,
            got.lower_bound,
            got.evaluations
        );
        assert!(got.makespan_ms <= plan.their_makespan_ms(), "{name}");
        assert!(got.best_bound_ms() <= got.makespan_ms, "{name}");
        theirs += plan.their_makespan_ms();
        ours += got.makespan_ms;
        shorter += usize::from(got.makespan_ms < plan.their_makespan_ms());
        optimal += usize::from(got.optimal);
    }
    println!("theirs {theirs} ms, ours {ours} ms, shorter {shorter}, optimal {optimal}");
    assert_eq!((theirs, files.len()), (253_280 * 50, 50));
    // Proven for each, so that no later search can change it: a mean of 220.94 s against 253.28 s.
    assert_eq!((ours, shorter, optimal), (11_047_000, 34, 50));
}

fn small() -> Value {
    let writes = json!({"maxDirtySize": 96, "maxDirtyDuration": 2, "memUsed": 2000, "dirtyRate": 2.0});
    json!({
        "origin": {
            "mapping": {"readyVMs": [], "offlineNodes": [],
                "onlineNodes": {"0": {"runningVMs": [0]}, "1": {"runningVMs": [1], "sleepingVMs": []}}},
            "attributes": {"nodes": {}, "vms": {"0": writes, "1": writes}},
            "views": [{"id": "shareableResource", "rcId": "mem", "defCapacity": 4, "defConsumption": 2,
                "nodes": {"0": 3}, "vms": {"1": 1}}]
        },
        "actions": [{"id": "migrateVM", "vm": 0, "from": 0, "to": 1, "start": 0, "end": 51, "bw": 500}]
    })
}

#[test]
fn a_plan_is_read_whole_or_refused_with_its_place() {
    let plan = ucc15(&small().to_string(), &[500, 1000]).unwrap();
    assert_eq!((plan.nodes[0].free[0], plan.nodes[1].free[0]), (1, 3));
    assert_eq!((plan.moves[0].demand[0], plan.moves[0].most_mbps), (2, Some(500)));
    assert!(matches!(plan.moves[0].load, Load::HotSet { hot_set_mb: 96.0, .. }));
    assert_eq!((plan.their_makespan_ms(), plan.node_numbers.as_slice()), (51_000, [0, 1].as_slice()));

    type Change = fn(&mut Value);
    let wrong: [(Change, &str); 12] = [
        (|it| it["actions"][0]["id"] = json!("bootNode"), "/actions/0/id"),
        (|it| it["actions"][0]["from"] = json!(1), "/actions/0/from"),
        (|it| it["actions"][0]["to"] = json!(0), "/actions/0/to"),
        (|it| it["actions"][0]["to"] = json!(7), "/actions/0/to"),
        (|it| it["actions"][0]["end"] = json!(0), "/actions/0/end"),
        (|it| it["actions"][0]["bw"] = json!(501), "/actions/0/bw"),
        (|it| it["actions"][0]["bw"] = json!("x"), "/actions/0"),
        (|it| it["actions"][0]["vm"] = json!(-1), "/actions/0"),
        (|it| it["origin"]["attributes"]["vms"] = json!({}), "/actions/0/vm"),
        (|it| it["origin"]["views"][0]["vms"]["0"] = json!(-5), "/origin/views/0"),
        (|it| it["origin"]["views"][0]["id"] = json!("ns"), "/origin/views/0/id"),
        (
            |it| it["origin"]["mapping"]["onlineNodes"]["x"] = json!({"runningVMs": []}),
            "/origin/mapping/onlineNodes",
        ),
    ];
    for (change, place) in wrong {
        let mut raw = small();
        change(&mut raw);
        let error = ucc15(&raw.to_string(), &[500, 1000]).unwrap_err();
        assert_eq!(error.place, place, "{error}");
    }
    let mut twice = small();
    let again = twice["actions"][0].clone();
    twice["actions"].as_array_mut().unwrap().push(again);
    assert_eq!(ucc15(&twice.to_string(), &[500, 1000]).unwrap_err().place, "/actions/1");
    twice["origin"]["mapping"]["onlineNodes"]["1"]["runningVMs"] = json!([0]);
    assert!(ucc15(&twice.to_string(), &[500, 1000]).unwrap_err().found.contains("VM 0 twice"));
    assert_eq!(ucc15(&small().to_string(), &UCC15_LINKS_MBPS).unwrap_err().place, "links");
    assert_eq!(ucc15("[]", &[]).unwrap_err().place, "the file");
}

proptest! {
    #[test]
    fn a_damaged_plan_is_a_schedule_or_a_reason(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[0-9\\-e.,:\"{}\\[\\]n]{0,3}"), 1..4),
    ) {
        let mut text = small().to_string();
        for (at, by) in changes {
            let at = at.index(text.len());
            text.replace_range(at..=at, &by);
        }
        match ucc15(&text, &[500, 1000]) {
            Ok(plan) => match schedule(&plan.nodes, &plan.moves, &Options::default()) {
                Ok(got) => prop_assert_eq!(check(&plan.nodes, &plan.moves, &got.moves, None), Ok(())),
                Err(why) => prop_assert!(!why.to_string().is_empty()),
            },
            Err(error) => prop_assert!(!error.place.is_empty() && !error.expected.is_empty()),
        }
    }
}
