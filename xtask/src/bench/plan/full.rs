//! The full plan of a made-up fleet in which everything binds, beside `hroller`'s groups of the same fleet.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use super::super::{THREADS, mb, number};
use super::{once, peer};
use crate::process;

/// Hosts of the fleets, 20 guests on each, 50 hosts a cluster.
const SIZES: [u32; 4] = [1_000, 2_500, 5_000, 10_000];
/// Hosts of the fleets that the peer sees too.
const BESIDE: [u32; 2] = [1_000, 10_000];
/// Longest run of the peer.
const PATIENCE: Duration = Duration::from_mins(3);

/// Plans the fleets, lets the peer group two of them, and says how time and memory compare and grow.
pub(super) fn measure(program: &Path) -> Result<String> {
    let (mut rows, mut more, mut beside) = (String::new(), String::new(), String::new());
    let mut points = Vec::new();
    for hosts in SIZES {
        let ours = once(program, ["campaign", &hosts.to_string()], b"")?;
        println!("plan: {hosts} hosts in full: {ours}");
        rows += &row(&ours)?;
        more += &details(hosts, &ours);
        points.push([number(&ours, "vms")?, number(&ours, "plan_cpu_s")?, number(&ours, "lint_s")?]);
        if BESIDE.contains(&hosts) {
            beside += &compare(program, hosts, &ours)?;
        }
    }
    Ok(format!(
        "The full plan (`underpin plan`, no search beyond the first plan) of made-up fleets, 20 VMs a host, 50 hosts a cluster, 88 % of \
         the memory in use: 30 % of the VMs must be apart from or together with others, 5 % are pinned (to be powered off or \
         suspended), one in 200 writes faster than its link carries, a fifth of the tenants has nightly windows, a reserve for any one \
         host holds at every moment, four hosts of a cluster may be away, three rings with a day of soak, 2,500 Mbit/s a host for migrations. \
         {THREADS} threads, one run each; reading is not counted, the fleet in memory is counted in the peak. Makespan: the plan's end over \
         its lower bound. Promised for 10,000 hosts: under 3 s, under 629 MB (600 MiB), no finding of the lint, makespan within 1.5 of its bound.\n\n\
         | Hosts | VMs | Planned | Blocked | Plan s | Plan CPU s | Fleet MB | Peak MB | Lint s | Lint errors | Waves | Bound | Moves | Bound | Makespan h | over its bound |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}\n{more}\n{}\n\n{beside}\n",
        growth(&points)
    ))
}

fn row(it: &Value) -> Result<String> {
    let whole = |key: &str| number(it, key).map(|it| format!("{it:.0}"));
    let outcome = |key: &str| it["outcomes"][key].as_u64().unwrap_or(0);
    Ok(format!(
        "| {} | {} | {} | {} | {:.2} | {:.2} | {} | {} | {:.1} | {} | {} | {} | {} | {} | {:.0} | {:.2} |\n",
        whole("hosts")?,
        whole("vms")?,
        outcome("planned"),
        outcome("blocked"),
        number(it, "plan_s")?,
        number(it, "plan_cpu_s")?,
        mb(number(it, "fleet_bytes")?),
        mb(number(it, "peak_bytes")?),
        number(it, "lint_s")?,
        whole("lint_errors")?,
        whole("waves")?,
        whole("waves_bound")?,
        whole("moves")?,
        whole("moves_bound")?,
        number(it, "makespan_s")? / 3600.0,
        number(it, "makespan_s")? / number(it, "bound")?.max(1.0),
    ))
}

/// What blocks and what forces waves, in words.
fn details(hosts: u32, it: &Value) -> String {
    let list = |key: &str| {
        let of = it[key]
            .as_object()
            .map(|it| it.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>());
        of.filter(|it| !it.is_empty()).map_or_else(|| "none".to_owned(), |it| it.join(", "))
    };
    format!(
        "{hosts} hosts: reasons of blocked hosts: {}. Static model by cluster: {}; most waves {} at least, {} found; what forces the plan \
         beyond: {}. Its makespan is bound by {}.\n",
        list("blocked_by"),
        list("static"),
        it["static_bound"],
        it["static_found"],
        list("forced_by"),
        it["bound_by"],
    )
}

/// The exponent of time over VMs, from the smallest to the largest fleet.
fn growth(points: &[[f64; 3]]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let exponent = |of: usize| (last[of] / first[of]).ln() / (last[0] / first[0]).ln();
    format!(
        "Growth from {:.0} to {:.0} VMs in independent clusters: processor time of the plan as VMs to the power of **{:.2}**, time of the lint **{:.2}**.",
        first[0],
        last[0],
        exponent(1),
        exponent(2)
    )
}

/// The peer on the same fleet.
fn compare(program: &Path, hosts: u32, ours: &Value) -> Result<String> {
    if !process::is_installed("hroller") {
        println!("skipped: hroller not found (package ganeti-htools)");
        return Ok(format!(
            "{hosts} hosts beside `hroller`: not measured, it is not installed (package ganeti-htools).\n"
        ));
    }
    let output = Command::new(program)
        .args(["campaign-as-ganeti", &hosts.to_string()])
        .output()
        .context("cannot start the program that measures plans")?;
    ensure!(output.status.success(), "the fleet cannot be written as hroller reads it");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("cluster.data");
    fs::write(&file, output.stdout)?;
    let run = peer(&file, "", PATIENCE)?;
    println!("plan: {hosts} hosts by hroller: {run:?}");
    let (seconds, peak) = (number(ours, "plan_s")?, number(ours, "peak_bytes")?);
    let cpu = run.cpu_s / number(ours, "plan_cpu_s")?.max(0.01);
    let time = match run.seconds {
        Some(it) => format!(
            "{it:.1} s ({} groups), **{:.1}** times ours; {:.1} s of processor time, **{cpu:.1}** times ours",
            run.groups,
            it / seconds,
            run.cpu_s
        ),
        None => format!(
            "cut off after {} s without an answer, more than **{:.0}** times ours; {:.1} s of processor time, more than **{cpu:.1}** times ours",
            PATIENCE.as_secs(),
            PATIENCE.as_secs_f64() / seconds,
            run.cpu_s
        ),
    };
    Ok(format!(
        "{hosts} hosts beside `hroller`, which sees the same fleet on shared storage (memory only; no rules, rings, windows, reserve or \
         times): {time}; peak {} MB, **{:.2}** times ours.\n",
        mb(run.peak_bytes),
        run.peak_bytes / peak
    ))
}
