//! Instances of 5,000 nodes: few in a test, all of them in `cargo xtask bench plan`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may fail loudly and read the reference data"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use serde_json::{Value, json};
use support::{Plain, planning, seen};
use underpin_planner::instances::btrplace;
use underpin_planner::waves::{Options, plan_waves};

/// The instance, read again by other code. Ids of nodes and VMs count from 0 without gaps.
fn plain(raw: &Value) -> Plain {
    let mapping = &raw["model"]["mapping"];
    let ids = |list: &Value| -> Vec<usize> { serde_json::from_value(list.clone()).unwrap_or_default() };
    let online: BTreeMap<String, Value> = serde_json::from_value(mapping["onlineNodes"].clone()).unwrap();
    let off: BTreeSet<usize> = ids(&mapping["offlineNodes"]).into_iter().collect();
    let mut start = BTreeMap::new();
    for (node, held) in &online {
        let node: usize = node.parse().unwrap();
        start.extend(ids(&held["runningVMs"]).into_iter().map(|vm| (vm, Some(node))));
    }
    start.extend(ids(&mapping["readyVMs"]).into_iter().map(|vm| (vm, None)));
    let views = raw["model"]["views"].as_array().unwrap();
    let view = |name: &str| views.iter().find(|it| it["rcId"] == name).unwrap();
    let (cpu, memory) = (view("uCpu"), view("memory"));
    let value = |view: &Value, list: &str, id: usize| view[list][id.to_string()].as_i64().unwrap();
    let both = |list: &str, id: usize| vec![value(cpu, list, id), value(memory, list, id)];
    let hosts = online.len() + off.len();
    let constraints = raw["constraints"].as_array().unwrap();
    let of = |id: &'static str| constraints.iter().filter(move |it| it["id"] == id);
    Plain {
        capacity: (0..hosts).map(|id| both("nodes", id)).collect(),
        demand: (0..start.len()).map(|id| both("vms", id)).collect(),
        start: start.into_values().collect(),
        off,
        apart: of("spread").map(|it| ids(&it["vms"])).collect(),
        among: of("among")
            .map(|it| {
                let parts: Vec<BTreeSet<usize>> = serde_json::from_value(it["parts"].clone()).unwrap();
                (ids(&it["vms"]), parts)
            })
            .collect(),
        n_plus: false,
        most: 0,
    }
}

#[test]
fn large_instances_come_within_one_wave_of_the_bound() {
    let Some(path) = planning("btrplace-tdsc.tar.gz") else { return };
    let only = std::env::var("UNDERPIN_BTRPLACE")
        .unwrap_or("li_r3_p5000_c100,nr_r6_p5000_c0_,nr_r6_p5000_c100".to_owned());
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut seen_any = 0;
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        if !only.split(',').any(|it| name.contains(it)) || !name.ends_with(".gz") {
            continue;
        }
        let mut text = String::new();
        flate2::read::GzDecoder::new(entry).read_to_string(&mut text).unwrap();
        let fleet = btrplace(&text, &name, seen()).unwrap();
        let answer = plan_waves(&fleet, &Options::default()).unwrap();
        let bound = answer.lower_bound["best"];
        println!(
            "{name}: {:?} waves, bound {:?}, {} moves (bound {})",
            answer.waves, answer.lower_bound, answer.moves, answer.moves_bound
        );
        plain(&serde_json::from_str(&text).unwrap()).accepts(&answer);
        assert!(answer.waves.unwrap() <= bound + 1, "{name}");
        seen_any += 1;
    }
    assert!(seen_any > 0);
}

fn small() -> Value {
    json!({
        "model": {
            "mapping": {"readyVMs": [2, 3], "offlineNodes": [3],
                "onlineNodes": {"0": {"runningVMs": [0], "sleepingVMs": []}, "1": {"runningVMs": [1]},
                    "2": {"runningVMs": [], "sleepingVMs": [4]}}},
            "views": [{"id": "shareableResource", "rcId": "uCpu", "defCapacity": 4, "defConsumption": 1,
                "nodes": {"0": 8}, "vms": {"1": 2}}, {"id": "ns", "type": "vm", "map": {}}]
        },
        "constraints": [{"id": "spread", "vms": [0, 1, 2], "continuous": true},
            {"id": "spread", "vms": [0, 1, 2], "continuous": true},
            {"id": "among", "vms": [0, 1], "parts": [[0, 1, 2], [3]]}, {"id": "running", "vm": 2}],
        "objective": {"id": "minimizeMTTR"}
    })
}

#[test]
fn ready_vms_that_shall_run_are_placed_and_what_is_unknown_is_refused() {
    let fleet = btrplace(&small().to_string(), "small", seen()).unwrap();
    assert_eq!((fleet.affinities.len(), fleet.planning.as_ref().unwrap().among.len()), (1, 1));
    let answer = plan_waves(&fleet, &Options::default()).unwrap();
    // Three VMs that must be apart, on three hosts of which one is away at a time.
    assert!(answer.infeasible.as_ref().unwrap().reason.contains("3 VMs must be on hosts of their own"));
    assert_eq!((answer.left_out.not_running, answer.left_out.nowhere), (2, 0));
    let mut two = small();
    two["constraints"][0]["vms"] = json!([0, 1]);
    two["constraints"][1]["vms"] = json!([0, 1]);
    let fleet = btrplace(&two.to_string(), "small", seen()).unwrap();
    let answer = plan_waves(&fleet, &Options::default()).unwrap();
    assert_eq!(answer.waves, Some(3));
    assert!(answer.schedule.iter().all(|wave| wave.placement[2].is_some() && wave.placement[3].is_none()));

    type Change = fn(&mut Value);
    let wrong: [(Change, &str); 6] = [
        (|it| it["constraints"][0]["id"] = json!("fence"), "/constraints/0"),
        (|it| it["constraints"][0]["vms"] = json!([9]), "/constraints/0"),
        (|it| it["constraints"][2]["parts"] = json!([[9]]), "/constraints/2"),
        (|it| it["model"]["views"][0]["rcId"] = json!("net"), "/model/views/0"),
        (|it| it["model"]["mapping"]["readyVMs"] = json!([0]), "/model/mapping"),
        (|it| it["model"]["mapping"]["onlineNodes"]["x"] = json!({}), "/model/mapping/onlineNodes"),
    ];
    for (change, place) in wrong {
        let mut raw = small();
        change(&mut raw);
        let error = btrplace(&raw.to_string(), "small", seen()).unwrap_err();
        assert_eq!(error.place, place, "{error}");
    }
}
