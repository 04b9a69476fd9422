//! An instance of a public format is refused with a place, or becomes a fleet whose waves are an answer, or moves that have
//! a schedule or a reason why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_model::fleet::Seen;
use underpin_planner::instances::{UCC15_LINKS_MBPS, btrplace, ganeti, ucc15, waves_json};
use underpin_planner::migrations::{self, schedule};
use underpin_planner::waves::{Options, plan_waves};

fn migrations(text: &str) {
    match ucc15(text, &UCC15_LINKS_MBPS) {
        Ok(plan) => {
            let options = migrations::Options { evaluations: 2_000, ..Default::default() };
            match schedule(&plan.nodes, &plan.moves, &options) {
                Ok(got) => assert!(got.best_bound_ms() <= got.makespan_ms),
                Err(why) => assert!(!why.to_string().is_empty()),
            }
        }
        Err(error) => assert!(!error.place.is_empty() && !error.expected.is_empty()),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((format, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    if *format == b'm' {
        return migrations(text);
    }
    let Ok(at) = "2026-01-15T09:00:00Z".parse() else { return };
    let seen = Seen { at, by: "fuzz".to_owned() };
    let read = match format {
        b'w' => waves_json(text, Some("0"), seen),
        b'b' => btrplace(text, "fuzz", seen),
        _ => {
            // The first line is the peer's flags.
            let (flags, cluster) = text.split_once('\n').unwrap_or((text, ""));
            ganeti(cluster, "fuzz", flags, seen)
        }
    };
    match read {
        Ok(fleet) => {
            let options = Options { seed: 1, evaluations: 2_000 };
            if let Ok(answer) = plan_waves(&fleet, &options) {
                assert_eq!(answer.waves.is_some(), answer.infeasible.is_none() && answer.unknown.is_none());
            }
        }
        Err(error) => assert!(!error.place.is_empty() && !error.expected.is_empty()),
    }
});
