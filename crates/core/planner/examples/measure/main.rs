//! One measured plan in a process of its own, for `cargo xtask bench plan`: reads a public instance from standard input
//! and prints what came out as one JSON object.
//!
//! `measure btrplace NAME` · `measure ganeti FLAGS` · `measure campaign HOSTS`, a full plan of a
//! made-up fleet, and `measure campaign-as-ganeti HOSTS`, the same fleet as Ganeti's tools read it · `measure migrations MOVES`,
//! which makes up its instance: a host for each 20 moves, in clusters of 10 hosts · `measure waves all`, every instance of an array
//! as in `underpin plan convert --from waves-json` · `measure ucc15 NAME`, the schedule of one published migration plan.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures reads input, the clock and its own memory"
)]

mod campaign;
mod small;

use std::io::Read as _;
use std::time::Instant;

use serde_json::json;
use underpin_model::fleet::Seen;
use underpin_planner::instances::{btrplace, ganeti};
use underpin_planner::migrations::{self, Load, Move, Node, schedule};
use underpin_planner::waves::{Options, plan_waves};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [format, about] = words.as_slice() else {
        return Err("usage: measure btrplace|ganeti|campaign|campaign-as-ganeti|migrations|waves|ucc15 NAME|FLAGS|HOSTS|MOVES".into());
    };
    if format == "campaign-as-ganeti" {
        return campaign::as_ganeti(about.parse()?);
    }
    if format == "campaign" {
        return campaign::measure(about.parse()?);
    }
    if format == "migrations" {
        return migrations(about.parse()?);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    match format.as_str() {
        "waves" => return small::waves(&text),
        "ucc15" => return small::migrations(&text),
        _ => {}
    }
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

/// Half of the hosts of each cluster send all they have to the other half; every tenth goes the other way, where room
/// has to be freed first.
fn migrations(count: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut state = 1_u64;
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let host = |at: usize| Node {
        out_mbps: 25_000,
        in_mbps: 25_000,
        slots: 8,
        free: vec![if at % 10 < 5 { 0 } else { 50 * 16 }],
    };
    let nodes: Vec<Node> = (0..count.div_ceil(200) * 10).map(host).collect();
    let moves: Vec<Move> = (0..count)
        .map(|vm| {
            let first = vm / 200 * 10;
            let (one, other) = (first + random(5), first + 5 + random(5));
            let (from, to) = if vm % 10 == 0 { (other, one) } else { (one, other) };
            let memory_gb = 1 << random(5);
            let load = Load::Precopy {
                memory_mb: f64::from(memory_gb) * 1074.0,
                dirty_mb_per_s: 10.0 * random(20) as f64,
                threshold_mb: 100.0,
            };
            let demand = vec![i64::from(memory_gb)];
            Move { vm, from, to, demand, load, most_mbps: Some(10_000), ..Move::default() }
        })
        .collect();
    let started = Instant::now();
    let answer = schedule(&nodes, &moves, &migrations::Options::default())?;
    let plan_s = started.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "hosts": nodes.len(),
            "moves": count,
            "plan_s": plan_s,
            "makespan_ms": answer.makespan_ms,
            "lower_bound": answer.lower_bound,
            "evaluations": answer.evaluations,
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

/// Seconds of processor time that this process took so far, all threads together: what other programs on the machine take does not
/// count.
fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name in brackets; user and system time are the 14th and 15th field, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}
