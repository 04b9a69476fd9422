//! The instances with a proven number of waves.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may fail loudly and read the reference data"
)]

mod support;

use serde_json::Value;
use support::{Plain, planning, seen};
use underpin_planner::instances::waves_json;
use underpin_planner::waves::{Options, Status, plan_waves};

#[test]
fn every_proven_instance_is_solved_to_its_number_or_proven_infeasible() {
    let Some(path) = planning("waves-proven.json") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let raw: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(raw.len(), 36);
    let (mut ours, mut theirs) = (0, 0);
    for instance in &raw {
        let id = instance["id"].as_str().unwrap();
        let fleet = waves_json(&text, Some(id), seen()).unwrap();
        let answer = plan_waves(&fleet, &Options::default()).unwrap();
        if instance["result"]["verdict"] == "infeasible" {
            assert_eq!(answer.status, Status::Infeasible, "{id}");
            let why = answer.infeasible.unwrap();
            assert!(why.reason.contains("host"), "{id}: {}", why.reason);
            assert!(answer.waves.is_none() && answer.schedule.is_empty(), "{id}");
            println!("{id}: infeasible ({:?}) {}", why.proof, why.reason);
            continue;
        }
        let proven = usize::try_from(instance["result"]["optimal_waves"].as_u64().unwrap()).unwrap();
        assert_eq!(answer.waves, Some(proven), "{id}");
        assert_eq!((answer.status, answer.lower_bound["best"]), (Status::Optimal, proven), "{id}");
        Plain::of_json(instance).accepts(&answer);
        ours += answer.moves;
        theirs += instance["result"]["best_moves"].as_u64().unwrap_or(0);
        println!(
            "{id}: {proven} waves, {} moves (best known {})",
            answer.moves, instance["result"]["best_moves"]
        );
    }
    println!("moves: {ours}, best known {theirs}");
    // A heuristic: no promise but that it stays near what was found with an exact solver.
    assert!(ours * 100 <= theirs * 125, "{ours} moves, best known {theirs}");
}

#[test]
fn an_instance_is_named_by_id_or_position_and_read_whole() {
    let one = r#"[{"id": "a", "host_cap": [[1,1],[1,1]], "vm_dem": [[1,1]], "vm_host": [0]}]"#;
    assert_eq!(waves_json(one, None, seen()).unwrap(), waves_json(one, Some("0"), seen()).unwrap());
    let wrong = [
        ("[]", None, "the instance"),
        (one, Some("b"), "the instance"),
        ("{", None, "the file"),
        (&one.replace("\"vm_host\": [0]", "\"vm_host\": [2]"), None, "/0/vm_host/0"),
        (&one.replace("\"vm_host\": [0]", "\"vm_host\": []"), None, "/0/vm_host"),
        (&one.replace("[[1,1]]", "[[1,99999999999999]]"), None, "/0/vm_dem/0"),
        (&one.replace("[[1,1]]", "[[-1,1]]"), None, "the file"),
        (&one.replace("\"vm_host\"", "\"anti_affinity\": [[0,7]], \"vm_host\""), None, "/0/anti_affinity/0"),
    ];
    for (text, which, place) in wrong {
        let error = waves_json(text, which, seen()).unwrap_err();
        assert_eq!(error.place, place, "{text}: {error}");
    }
}
