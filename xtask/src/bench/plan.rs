//! Static waves on the BtrPlace instances, reboot groups beside Ganeti's `hroller`, full plans, and small instances beside exact
//! solvers.

mod exact;
mod full;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde_json::Value;

use super::{Spread, mb, number};
use crate::{process, workspace};

/// Runs of each, in turn.
const RUNS: usize = 3;
/// Longest run of the peer.
const PATIENCE: Duration = Duration::from_mins(10);

/// Builds the program that measures plans, and says where it is.
pub(super) fn build() -> Result<PathBuf> {
    let arguments =
        ["build", "--release", "--locked", "--package", "underpin-planner", "--example", "measure"];
    let status = workspace::cargo_command(&arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "the program that measures plans does not build");
    let target = workspace::metadata(false)?.target_directory;
    Ok(target.as_std_path().join("release/examples/measure"))
}

/// One part: `full`, `exact` or `static`.
pub(super) fn measure(program: &Path, part: &str, planning: &Path) -> Result<String> {
    match part {
        "full" => Ok(format!("## Full plan\n\n{}", full::measure(program)?)),
        "exact" => Ok(format!("## Plan beside exact solvers\n\n{}", exact::measure(program, planning)?)),
        _ => Ok(format!(
            "## Plan\n\n{}{}",
            btrplace(program, &planning.join("btrplace-tdsc.tar.gz"))?,
            hroller(program, &planning.join("hroller"))?
        )),
    }
}

fn once(measure: &Path, words: [&str; 2], input: &[u8]) -> Result<Value> {
    let mut child = Command::new(measure)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the program that measures plans")?;
    child.stdin.take().context("no standard input")?.write_all(input)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "measuring {words:?} failed");
    serde_json::from_slice(&output.stdout).context("cannot read what was measured")
}

fn btrplace(measure: &Path, archive: &Path) -> Result<String> {
    let mut rows = String::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(archive)?));
    for entry in archive.entries()? {
        let entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let name = path.rsplit('/').next().unwrap_or_default().trim_end_matches("_1.gz").to_owned();
        if !path.ends_with(".gz") {
            continue;
        }
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(entry).read_to_end(&mut text)?;
        let runs: Result<Vec<Value>> = (0..RUNS).map(|_| once(measure, ["btrplace", &name], &text)).collect();
        let runs = runs?;
        println!("plan: {name}");
        let first = runs.first().context("nothing was measured")?;
        let seconds: Result<Vec<f64>> = runs.iter().map(|run| number(run, "plan_s")).collect();
        let whole = |key: &str| number(first, key).map(|it| format!("{it:.0}"));
        writeln!(
            rows,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
            whole("hosts")?,
            whole("vms")?,
            whole("waves")?,
            whole("bound")?,
            whole("moves")?,
            whole("moves_bound")?,
            Spread::of(seconds?)?,
            mb(number(first, "peak_bytes")?)
        )?;
    }
    Ok(format!(
        "Static waves (`underpin plan --waves-only`) of the BtrPlace TDSC instances: all online nodes are patched, demand as the views tell now, \
         spread and among in every wave, VMs that are ready placed first. Planning alone, one thread; reading is not counted. {RUNS} runs; \
         median (least to most). Promised: at most one wave over the bound, under 5 s.\n\n\
         | Instance | Hosts | VMs | Waves | Bound | Moves | Their bound | Seconds | Peak MB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}\n"
    ))
}

/// Both programs on one cluster: rows of a table.
fn compare(measure: &Path, folder: &Path, name: &str, text: &str, flags: &str) -> Result<String> {
    let ours: Result<Vec<(f64, Value)>> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            let run = once(measure, ["ganeti", flags], text.as_bytes())?;
            Ok((started.elapsed().as_secs_f64(), run))
        })
        .collect();
    let ours = ours?;
    let mine = Spread::of(ours.iter().map(|it| it.0))?;
    let groups = ours.first().map_or(Value::Null, |it| it.1["waves"].clone());
    let file = folder.join("cluster.data");
    fs::write(&file, text)?;
    let run = peer(&file, flags, PATIENCE)?;
    let ratio = run.seconds.map_or_else(|| "-".to_owned(), |it| format!("{:.1}", it / mine.median));
    let seconds = run.seconds.map_or_else(|| format!("over {}", PATIENCE.as_secs()), |it| format!("{it:.2}"));
    let peak = ours.iter().map(|it| number(&it.1, "peak_bytes")).collect::<Result<Vec<f64>>>()?;
    let peak = peak.into_iter().fold(0.0, f64::max);
    println!("plan: {name} {flags}");
    let shown = if flags.is_empty() { "none" } else { flags };
    Ok(format!(
        "| {name} | `{shown}` | {groups} | {} | {mine:.3} | {seconds} | {ratio} | {} | {} |\n",
        run.groups,
        mb(peak),
        mb(run.peak_bytes)
    ))
}

/// One run of the peer.
#[derive(Debug)]
struct PeerRun {
    /// `None`: it did not end in time.
    seconds: Option<f64>,
    /// Its number of groups, or why there is none.
    groups: String,
    /// Seconds of processor time, as last seen.
    cpu_s: f64,
    /// Its largest resident size as last seen, at most some milliseconds before its end.
    peak_bytes: f64,
}

/// Runs the peer for some time at most.
fn peer(file: &Path, flags: &str, patience: Duration) -> Result<PeerRun> {
    let started = Instant::now();
    let mut child = Command::new("hroller")
        .arg("-t")
        .arg(file)
        .args(["--no-headers", "--force"])
        .args(flags.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start hroller")?;
    let mut out = child.stdout.take().context("no standard output")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    let (mut peak_bytes, mut cpu_s): (f64, f64) = (0.0, 0.0);
    let status = loop {
        peak_bytes = peak_bytes.max(peak(&proc.join("status")).unwrap_or(0.0));
        cpu_s = cpu_s.max(processor(&proc.join("stat")).unwrap_or(0.0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Ok(PeerRun { seconds: None, groups: "-".to_owned(), cpu_s, peak_bytes });
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let seconds = Some(started.elapsed().as_secs_f64());
    let Ok(Ok(text)) = reader.join() else { bail!("cannot read what hroller printed") };
    let groups = if status.success() { text.lines().count().to_string() } else { "none".to_owned() };
    Ok(PeerRun { seconds, groups, cpu_s, peak_bytes })
}

/// The largest resident size of a process in bytes, as the kernel tells it.
fn peak(status: &Path) -> Option<f64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
}

/// Seconds of processor time that a process took.
fn processor(stat: &Path) -> Option<f64> {
    let text = fs::read_to_string(stat).ok()?;
    // After the name in brackets; user and system time, in hundredths of a second.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
}

fn hroller(measure: &Path, data: &Path) -> Result<String> {
    if !process::is_installed("hroller") {
        println!("skipped: hroller not found (package ganeti-htools)");
        return Ok("Reboot groups beside `hroller`: not measured, the program is not installed (package ganeti-htools).\n".to_owned());
    }
    let folder = tempfile::tempdir()?;
    let mut rows = String::new();
    for (file, flags) in [
        ("hroller-full.data", ""),
        ("hroller-full.data", "--full-evacuation"),
        ("hroller-nonredundant.data", ""),
        ("hroller-nodegroups.data", ""),
    ] {
        let text = fs::read_to_string(data.join(file))?;
        rows += &compare(measure, folder.path(), file, &text, flags)?;
    }
    let sparse = generated(1_000, 20, 4);
    rows += &compare(
        measure,
        folder.path(),
        "generated, 1,000 nodes, 20,000 instances, 4 neighbours",
        &sparse,
        "",
    )?;
    let dense = generated(1_000, 20, 49);
    rows += &compare(
        measure,
        folder.path(),
        "generated, 1,000 nodes, 20,000 instances, 49 neighbours",
        &dense,
        "",
    )?;
    Ok(format!(
        "Reboot groups under the model and flags of Ganeti's `hroller`, which runs on the same file. Whole processes, reading included; ours {RUNS} \
         runs, median (least to most), the peer one. Generated clusters: node groups of 50, DRBD, the second copy of each instance on one \
         of so many neighbours in its group. Ratio: their seconds over ours.\n\n\
         | Cluster | Flags | Groups | hroller's | Seconds | hroller's | Ratio | Peak MB | hroller's |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}\n"
    ))
}

/// A cluster of node groups of 50 with so many instances a node, each with its second copy on a node near by.
fn generated(nodes: usize, each: usize, neighbours: usize) -> String {
    const GROUP: usize = 50;
    // A small linear generator: the graph must be the same on every machine, not good.
    let mut state: u64 = 1;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % bound
    };
    let mut text = String::new();
    for group in 0..nodes.div_ceil(GROUP) {
        text += &format!("group-{group}|uuid-{group}|preferred||\n");
    }
    text.push('\n');
    for node in 0..nodes {
        let role = if node == 0 { 'M' } else { 'N' };
        text += &format!("node-{node}|524288|0|262144|9000000|4500000|64|{role}|uuid-{}|1\n", node / GROUP);
    }
    text.push('\n');
    for node in 0..nodes {
        let (base, place) = (node / GROUP * GROUP, node % GROUP);
        for instance in 0..each {
            let second = base + (place + 1 + next(neighbours)) % GROUP;
            text +=
                &format!("inst-{node}-{instance}|4096|10240|2|running|Y|node-{node}|node-{second}|drbd||1\n");
        }
    }
    text + "\n\n|128,1,1024,1,1,1|128,1,1024,1,1,1;65536,64,9048576,16,8,12|drbd,plain|4.0|32.0\n"
}

/// Where the instances are.
pub(super) fn data() -> Result<PathBuf> {
    let shared = workspace::shared_data();
    Ok(shared.context("shared/data is not found: set UNDERPIN_SHARED_DATA to its folder")?.join("planning"))
}
