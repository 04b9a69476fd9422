//! One measured plan in a process of its own, for `cargo xtask bench plan`: reads a public instance from standard input
//! and prints what came out as one JSON object.
//!
//! `measure btrplace NAME` · `measure ganeti FLAGS`
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures reads input, the clock and its own memory"
)]

use std::io::Read as _;
use std::time::Instant;

use serde_json::json;
use underpin_model::fleet::Seen;
use underpin_planner::instances::{btrplace, ganeti};
use underpin_planner::waves::{Options, plan_waves};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [format, about] = words.as_slice() else {
        return Err("usage: measure btrplace|ganeti NAME|FLAGS".into());
    };
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let seen = Seen { at: "2026-01-15T09:00:00Z".parse()?, by: "bench".to_owned() };
    let started = Instant::now();
    let fleet = match format.as_str() {
        "btrplace" => btrplace(&text, about, seen)?,
        "ganeti" => ganeti(&text, "cluster", about, seen)?,
        other => return Err(format!("no format is called {other}").into()),
    };
    let read_s = started.elapsed().as_secs_f64();
    drop(text);
    let started = Instant::now();
    let answer = plan_waves(&fleet, &Options::default())?;
    let plan_s = started.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "hosts": answer.clusters.iter().map(|it| it.hosts).sum::<usize>(),
            "vms": fleet.vms.len(),
            "read_s": read_s,
            "plan_s": plan_s,
            "waves": answer.waves,
            "bound": answer.lower_bound.get("best"),
            "moves": answer.moves,
            "moves_bound": answer.moves_bound,
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
