//! Small instances beside exact solvers: OR-Tools CP-SAT and HiGHS, from Python packages of fixed versions.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use super::super::{measured, number};
use super::once;

/// The packages that solve.
const PACKAGES: [&str; 2] = ["ortools==9.14.6206", "highspy==1.15.1"];
/// The models, written for them.
const PROGRAM: &str = include_str!("exact.py");
/// Random instances.
const RANDOM: &str = "40";
/// Longest search of an exact solver for one instance, in seconds.
const PATIENCE_S: &str = "30";

/// Solves small instances by all of them, and says where answers differ.
pub(super) fn measure(program: &Path, planning: &Path) -> Result<String> {
    let folder = tempfile::tempdir().context("no room for the exact solvers")?;
    let python = python(folder.path())?;
    let proven = fs::read_to_string(planning.join("waves-proven.json"))?;
    let random = serde_json::to_string(&solvers(&python, &["random", RANDOM])?)?;
    let mut rows = String::new();
    for (name, text, solver) in [
        ("the 36 published ones (`waves-proven.json`)", &proven, "cpsat"),
        ("random", &random, "cpsat"),
        ("random", &random, "highs"),
    ] {
        rows += &waves(program, &python, folder.path(), name, text, solver)?;
        println!("plan: {name} beside {solver}");
    }
    let migrations = migrations(program, &python, folder.path(), &planning.join("migrations-ucc15.tar.gz"))?;
    Ok(format!(
        "Small instances of the static model beside exact solvers of the same model (written from its description; {}), {PATIENCE_S} s \
         at most for each instance, two threads. Equal: as many waves, or both say that there is no solution. \"Closed\": the solver proved its \
         answer. Every schedule of ours is checked by the other side's own rules.\n\n\
         | Instances | Solver | Number | Closed | Ours equal | Ours worse | Ours better | Schedules accepted | Ours proven | Our s in all | Solver's s in all |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}\n{migrations}\n",
        PACKAGES.join(", ")
    ))
}

/// A Python with the solvers, in a folder of its own.
fn python(folder: &Path) -> Result<PathBuf> {
    let home = folder.join("venv");
    let made =
        Command::new("python3").args(["-m", "venv"]).arg(&home).status().context("cannot start python3")?;
    let python = home.join("bin/python");
    let fetched = Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES).status();
    ensure!(
        made.success() && fetched.is_ok_and(|status| status.success()),
        "the exact solvers cannot be installed: `pip install {}` in a virtual environment",
        PACKAGES.join(" ")
    );
    Ok(python)
}

fn solvers(python: &Path, words: &[&str]) -> Result<Value> {
    let mut command = Command::new(python);
    command.args(["-c", PROGRAM]).args(words);
    measured(command)
}

/// One row: our answers beside a solver's.
fn waves(
    program: &Path,
    python: &Path,
    folder: &Path,
    name: &str,
    text: &str,
    solver: &str,
) -> Result<String> {
    let ours = once(program, ["waves", "all"], text.as_bytes())?;
    let (asked, answered) = (folder.join("instances.json"), folder.join("ours.json"));
    fs::write(&asked, text)?;
    fs::write(&answered, serde_json::to_string(&ours)?)?;
    let words = ["waves", &asked.to_string_lossy(), &answered.to_string_lossy(), PATIENCE_S, solver]
        .map(str::to_owned);
    let both = solvers(python, &words.each_ref().map(String::as_str))?;
    let both = both.as_array().context("the exact solver printed no list")?;
    let count = |which: &dyn Fn(&Value) -> bool| both.iter().filter(|it| which(it)).count();
    let none = |it: &Value| it["none"] == true;
    let equal = |it: &Value| if none(it) { it["ours"].is_null() } else { it["ours"] == it["waves"] };
    let worse = |it: &Value| {
        let less = |of: &Value, than: &Value| of.as_u64().zip(than.as_u64()).is_some_and(|it| it.0 < it.1);
        !none(it) && !it["waves"].is_null() && (it["ours"].is_null() || less(&it["waves"], &it["ours"]))
    };
    let sum = |key: &str| both.iter().map(|it| number(it, key)).sum::<Result<f64>>();
    let proven = |it: &Value| it["our_status"] == "optimal" || it["our_status"] == "infeasible";
    let wrong: Vec<&Value> = both.iter().filter(|it| it["closed"] == true && !equal(it)).collect();
    if let Some(first) = wrong.first() {
        println!("plan: {} answers differ, the first {first}", wrong.len());
    }
    Ok(format!(
        "| {name} | {solver} | {} | {} | {} | {} | {} | {} | {} | {:.2} | {:.1} |\n",
        both.len(),
        count(&|it| it["closed"] == true),
        count(&equal),
        count(&worse),
        count(&|it| !equal(it) && !worse(it)),
        count(&|it| it["accepted"] == true),
        count(&proven),
        sum("our_s")?,
        sum("seconds")?,
    ))
}

/// The published migration plans: our makespans, theirs, and the solver's.
fn migrations(program: &Path, python: &Path, folder: &Path, archive: &Path) -> Result<String> {
    let mut plans = Vec::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(archive)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if !entry.header().entry_type().is_file() || name.ends_with("PLAN_STATS.json") {
            continue;
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text)?;
        plans.push(once(program, ["ucc15", &name], &text)?);
    }
    let file = folder.join("plans.json");
    fs::write(&file, serde_json::to_string(&plans)?)?;
    let both = solvers(python, &["migrations", &file.to_string_lossy(), PATIENCE_S])?;
    println!("plan: migrations beside cpsat");
    let both = both.as_array().context("the exact solver printed no list")?;
    let mean = |key: &str| -> Result<f64> {
        let sum = both.iter().map(|it| number(it, key)).sum::<Result<f64>>()?;
        Ok(sum / both.len().max(1) as f64)
    };
    let equal = both.iter().filter(|it| it["ours_s"].as_f64() == it["makespan_s"].as_f64()).count();
    let closed = both.iter().filter(|it| it["makespan_s"].as_f64() == it["bound_s"].as_f64()).count();
    let mut text = String::new();
    writeln!(
        text,
        "The {} published migration plans of UCC 2015 (same moves, durations, links and capacity at both ends): mean makespan {:.2} s \
         theirs, {:.2} s ours, {:.2} s CP-SAT's, which proves {closed} of them; ours is equal to CP-SAT's in {equal}. Mean time to find it: \
         {:.4} s ours, {:.2} s CP-SAT's.",
        both.len(),
        mean("theirs_s")?,
        mean("ours_s")?,
        mean("makespan_s")?,
        mean("our_plan_s")?,
        mean("seconds")?,
    )?;
    Ok(text)
}
