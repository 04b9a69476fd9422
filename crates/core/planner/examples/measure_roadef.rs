//! One measured search in a process of its own, for `cargo xtask bench roadef`: reads a model and its initial assignment, looks for
//! so many seconds, and prints what the checker says about the result as one JSON object.
//!
//! `measure_roadef MODEL ASSIGNMENT SECONDS`
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures reads files, the clock and its own memory"
)]

use std::time::Instant;

use serde_json::json;
use underpin_planner::reassignment::{Options, check, improve, lower_bound, read_assignment, read_model};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, assignment, limit_s] = words.as_slice() else {
        return Err("usage: measure_roadef MODEL ASSIGNMENT SECONDS".into());
    };
    let limit_s: f64 = limit_s.parse()?;
    let started = Instant::now();
    let instance = read_model(&std::fs::read_to_string(model)?)?;
    let initial = read_assignment(&std::fs::read_to_string(assignment)?, &instance)?;
    // Reading counts, as it did in the challenge.
    let spent = || started.elapsed().as_secs_f64() / limit_s;
    let found = improve(&instance, &initial, &Options { seed: 1, evaluations: u64::MAX }, &spent)?;
    let seconds = started.elapsed().as_secs_f64();
    let verdict = check(&instance, &initial, &found.assignment);
    println!(
        "{}",
        json!({
            "machines": instance.machine_count(),
            "processes": instance.process_count(),
            "resources": instance.resource_count(),
            "initial": i64::try_from(check(&instance, &initial, &initial).cost.total())?,
            "bound": i64::try_from(lower_bound(&instance))?,
            "cost": i64::try_from(verdict.cost.total())?,
            "feasible": verdict.is_feasible(),
            "moved": verdict.moved,
            "evaluations": found.evaluations,
            "seconds": seconds,
            "peak_bytes": peak_bytes(),
        })
    );
    Ok(())
}

/// The largest resident size of this process, as the kernel tells it.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
