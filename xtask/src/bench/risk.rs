//! The distribution of a fleet's losses, against a Monte Carlo of the same model in numpy.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use super::{Spread, mb, measured, number, once};

/// Hosts of the fleets that are judged.
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

/// Hosts of the fleets that numpy draws too.
const BESIDE: [u32; 2] = [10_000, 100_000];

const RUNS: usize = 3;

/// Seconds after which numpy's draws stop and their time is scaled to the accuracy.
const PATIENCE: u32 = 60;

/// Plain Monte Carlo of the model, written for numpy.
const PROGRAM: &str = include_str!("risk.py");

/// Judges fleets of several sizes, draws some of them in numpy, and says how they compare.
pub(super) fn measure(measure: &Path, _: &Path) -> Result<String> {
    let folder = tempfile::tempdir().context("no room for numpy and the portfolios")?;
    let chain = chain(measure, folder.path())?;
    let python = python_with_numpy(folder.path())?;
    let (mut rows, mut ratios) = (String::new(), String::new());
    for hosts in SIZES {
        let runs: Vec<Value> =
            (0..RUNS).map(|_| once(measure, &["risk", &hosts.to_string()])).collect::<Result<_>>()?;
        println!("risk: {hosts} hosts");
        rows += &row(&runs)?;
        if BESIDE.contains(&hosts) {
            ratios += &beside(measure, &python, folder.path(), hosts, &runs)?;
        }
    }
    Ok(format!(
        "## Risk\n\n{chain}\n\
         Made-up portfolios (`compound::sample`, seed 1): ten VMs a host, a tenant for each hundred hosts, twenty hosts a class, 200 \
         vulnerabilities and two controls that may fail everywhere. One row is `compound::judge` with its default options (10,000 \
         weighted samples), all figures of fleet, clusters, tenants and causes. {RUNS} runs; median (least to most). Promised for \
         100,000 hosts: under 10 s, peak under 2,147 MB (2 GiB).\n\n\
         | Hosts | VMs | Tenants | Responses | Seconds | Before MB | Peak MB | Variance reduction at 0.99 | at 0.999 |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}\n\
         The same portfolios by plain Monte Carlo in numpy ({PROGRAM_NOTE}), drawn until the standard error of the probability to \
         exceed the 0.999 quantile of the fleet's loss is as small as that above, for {PATIENCE} s at most; where that was not \
         enough, the time is scaled by the variance that remains.\n\n\
         | Hosts | Underpin s | numpy draws | numpy s | of these drawn | numpy's mean loss over the exact one | Time ratio |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n{ratios}",
    ))
}

/// The whole chain on made-up fleets: what a report on risk costs from an assessment on.
fn chain(measure: &Path, folder: &Path) -> Result<String> {
    let file = folder.join("fleet.json").to_string_lossy().into_owned();
    let mut rows = String::new();
    for hosts in SIZES {
        once(measure, &["whole", &hosts.to_string(), &file])?;
        let runs: Vec<Value> = (0..RUNS).map(|_| once(measure, &["chain", &file])).collect::<Result<_>>()?;
        println!("risk: the whole chain, {hosts} hosts");
        let sum = |place: &dyn Fn(&Value) -> &Value, key: &str| -> Result<Spread> {
            let values: Result<Vec<f64>> = runs.iter().map(|run| number(place(run), key)).collect();
            Spread::of(values?)
        };
        let whole = |key: &str| sum(&|run| run, key);
        let mut cells: Vec<String> = Vec::new();
        for key in ["hosts", "vms", "tenants", "open", "exploited", "classes", "decisions"] {
            cells.push(format!("{:.0}", whole(key)?.median));
        }
        for lap in ["assess", "build", "judge", "wait"] {
            let (clock, processors) =
                (sum(&|run| &run[lap], "seconds")?, sum(&|run| &run[lap], "processor")?);
            cells.push(format!("{:.2} / {:.2}", clock.median, processors.median));
        }
        cells.extend([whole("seconds")?.to_string(), whole("processor")?.to_string()]);
        cells.extend([mb(whole("before")?.most), mb(whole("peak")?.most)]);
        rows += &format!("| {} |\n", cells.join(" | "));
    }
    Ok(format!(
        "The whole chain on made-up fleets (`fleet sample`, cut to ten VMs a host, a tenant for each hundred hosts) with the built-in \
         facts, of which 200 vulnerabilities are left open: what applies to which host (assess), and from that, in the sum, the portfolio (build), its \
         distribution of losses (judge, 10,000 weighted samples) and patch or wait for every group and release (wait). Each lap in seconds by the \
         clock / of the processors: on a machine that does nothing else the sum of the processors is twice the clock at best. Before: fleet, \
         facts and assessment in memory. {RUNS} runs; median (least to most). Promised for 100,000 hosts: under 10 s, peak under 2,147 MB.\n\n\
         | Hosts | VMs | Tenants | Open | Exploited | Classes | Decisions | Assess s | Build s | Judge s | Wait s | Seconds | Of the processors | Before MB | Peak MB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}",
    ))
}

/// What the comparison leaves out, in numpy's favour.
const PROGRAM_NOTE: &str = "one process, which draws the same shocks, planes, factor and hosts and sums losses by fleet, tenant and \
                            cluster, but has no quantiles, causes or closed forms to work out";

fn row(runs: &[Value]) -> Result<String> {
    let each = |key: &str| -> Result<Spread> {
        let values: Result<Vec<f64>> = runs.iter().map(|run| number(run, key)).collect();
        Spread::of(values?)
    };
    let mut cells: Vec<String> = Vec::new();
    for key in ["hosts", "guests", "tenants", "responses"] {
        cells.push(format!("{:.0}", each(key)?.median));
    }
    cells.extend([each("seconds")?.to_string(), mb(each("before")?.most), mb(each("peak")?.most)]);
    for level in [0.99, 0.999] {
        cells.push(format!("{:.0}", number(&tail(&runs[0], level)?, "factor")?));
    }
    Ok(format!("| {} |\n", cells.join(" | ")))
}

/// What the tilts won at a level.
fn tail(run: &Value, level: f64) -> Result<Value> {
    let list = run["sampling"]["variance_reduction"].as_array().context("no variance reduction")?;
    let found = list.iter().find(|it| it["level"].as_f64() == Some(level));
    found.cloned().with_context(|| format!("no variance reduction at {level}"))
}

fn beside(measure: &Path, python: &Path, folder: &Path, hosts: u32, runs: &[Value]) -> Result<String> {
    let file = folder.join("portfolio.json").to_string_lossy().into_owned();
    once(measure, &["portfolio", &hosts.to_string(), &file])?;
    let first = runs.first().context("nothing was measured")?;
    let quantiles = first["fleet"]["quantiles"].as_array().context("no quantiles")?;
    let quantile = quantiles.last().context("no quantiles")?;
    let error = number(&tail(first, number(quantile, "level")?)?, "standard_error")?;
    let mut command = Command::new(python);
    let words = [number(quantile, "value")?.to_string(), error.to_string(), PATIENCE.to_string()];
    command.args(["-c", PROGRAM, &file]).args(words);
    let theirs = measured(command)?;
    let seconds: Result<Vec<f64>> = runs.iter().map(|run| number(run, "seconds")).collect();
    let ours = Spread::of(seconds?)?.median;
    let (full, drawn) = (number(&theirs, "seconds_to_accuracy")?, number(&theirs, "seconds")?);
    Ok(format!(
        "| {hosts} | {ours:.2} | {:.0} | {full:.0} | {drawn:.0} | {:.3} ± {:.3} | **{:.0}** |\n",
        number(&theirs, "draws_to_accuracy")?,
        number(&theirs, "mean")? / number(&first["fleet"], "mean")?,
        number(&theirs, "mean_error")? / number(&first["fleet"], "mean")?,
        full / ours,
    ))
}

/// A Python with numpy: that of the machine, or one in a folder of its own.
fn python_with_numpy(folder: &Path) -> Result<PathBuf> {
    let has = |python: &Path| {
        let mut command = Command::new(python);
        command.args(["-c", "import numpy"]).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let python = PathBuf::from("python3");
    if has(&python) {
        return Ok(python);
    }
    let home = folder.join("venv");
    let made =
        Command::new(&python).args(["-m", "venv"]).arg(&home).status().context("cannot start python3")?;
    let python = home.join("bin/python");
    let fetched = Command::new(&python).args(["-m", "pip", "install", "--quiet", "numpy"]).status();
    ensure!(
        made.success() && fetched.is_ok_and(|status| status.success()) && has(&python),
        "numpy is not there and cannot be installed: `pip install numpy`, then again"
    );
    fs::metadata(&python)?;
    Ok(python)
}
