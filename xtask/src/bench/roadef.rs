//! The placement engine on the instances of the ROADEF/EURO challenge 2012, beside its winner.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;

use super::{THREADS, mb, measured, number};
use crate::workspace;

/// What to run: `[--only a1_1,...] [--seconds 300]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Names of instances; empty: all.
    only: Vec<String>,
    /// Of each search, reading included.
    seconds: u64,
}

impl Options {
    pub(super) fn of(words: &[&str]) -> Result<Self> {
        let mut options = Self { only: Vec::new(), seconds: 300 };
        for pair in words.chunks(2) {
            match pair {
                ["--only", names] => options.only = names.split(',').map(str::to_owned).collect(),
                ["--seconds", seconds] => {
                    options.seconds = seconds.parse().context("--seconds takes a whole number")?;
                }
                _ => bail!("usage: cargo xtask bench roadef [--only a1_1,...] [--seconds 300]"),
            }
        }
        Ok(options)
    }
}

/// A row of the reference results.
struct Reference {
    name: String,
    winner: f64,
}

fn references(planning: &Path, options: &Options) -> Result<Vec<Reference>> {
    let table = fs::read_to_string(planning.join("roadef2012-reference-results.tsv"))?;
    let mut all = Vec::new();
    for row in table.lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let (Some(name), Some(winner)) = (cells.first(), cells.last()) else { continue };
        all.push(Reference { name: (*name).to_owned(), winner: winner.parse()? });
    }
    let unknown = options.only.iter().find(|name| all.iter().all(|it| it.name != **name));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        bail!("there is no instance {unknown}; there are {}", names.join(", "));
    }
    all.retain(|it| options.only.is_empty() || options.only.contains(&it.name));
    Ok(all)
}

/// Builds the program that measures, runs the instances one after the other, and says what came out.
pub(super) fn measure(planning: &Path, options: &Options) -> Result<String> {
    let references = references(planning, options)?;
    let arguments =
        ["build", "--release", "--locked", "--package", "underpin-planner", "--example", "measure_roadef"];
    let status = workspace::cargo_command(&arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "the program that measures searches does not build");
    let target = workspace::metadata(false)?.target_directory;
    let program = target.as_std_path().join("release/examples/measure_roadef");
    let folder = tempfile::tempdir()?;
    let archive = fs::File::open(planning.join("roadef2012-a-b.tar.gz"))?;
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(folder.path())?;
    let mut rows = String::new();
    for reference in &references {
        rows += &row(&program, &folder.path().join("roadef2012"), reference, options.seconds)?;
    }
    Ok(format!(
        "## Placement engine\n\nMachine reassignment, ROADEF/EURO challenge 2012: `underpin roadef` on the public instances, {} s each, reading \
         included, {THREADS} threads, seed 1. Each result is accepted by a checker that shares no code with the search. S41: the winner of the \
         challenge, 300 s on a machine of its time (published results). Gaps: above the lower bound, in percent of it; the last column is our cost \
         over the winner's, in percent (negative: less). Aim: within 1 % of the winner where its gap is below 1 %.\n\n\
         | Instance | Machines | Processes | Initial | Lower bound | S41 | Ours | S41 gap | Our gap | Over S41 | Moves tried, millions | Peak MB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{rows}\n",
        options.seconds
    ))
}

fn row(program: &Path, folder: &Path, reference: &Reference, seconds: u64) -> Result<String> {
    let Reference { name, winner } = reference;
    let mut command = Command::new(program);
    command.arg(folder.join(format!("model_{name}.txt"))).arg(folder.join(format!("assignment_{name}.txt")));
    command.arg(seconds.to_string());
    let run = measured(command)?;
    ensure!(run["feasible"] == true, "the checker refuses what was found for {name}: {run}");
    let (cost, bound) = (number(&run, "cost")?, number(&run, "bound")?);
    let whole = |key: &str| number(&run, key).map(|it| format!("{it:.0}"));
    println!("roadef: {name} {cost:.0}, the winner {winner:.0}");
    let mut text = String::new();
    writeln!(
        text,
        "| {name} | {} | {} | {} | {bound:.0} | {winner:.0} | {cost:.0} | {} | {} | {} | {:.0} | {} |",
        whole("machines")?,
        whole("processes")?,
        whole("initial")?,
        above(*winner, bound),
        above(cost, bound),
        above(cost, *winner),
        number(&run, "evaluations")? / 1e6,
        mb(number(&run, "peak_bytes")?)
    )?;
    Ok(text)
}

/// By how much a cost is above another, in percent of that.
fn above(cost: f64, reference: f64) -> String {
    if reference > 0.0 { format!("{:.4}", (cost - reference) / reference * 100.0) } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_instances_and_seconds() {
        assert_eq!(Options::of(&[]).unwrap(), Options { only: Vec::new(), seconds: 300 });
        let options = Options::of(&["--only", "a1_1,b_9", "--seconds", "20"]).unwrap();
        assert_eq!(options, Options { only: vec!["a1_1".to_owned(), "b_9".to_owned()], seconds: 20 });
        for words in [&["--only"][..], &["--seconds", "soon"], &["a1_1"]] {
            assert!(Options::of(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn gaps_are_percent_of_the_reference() {
        assert_eq!((above(101.0, 100.0), above(99.0, 100.0)), ("1.0000".to_owned(), "-1.0000".to_owned()));
        assert_eq!(above(5.0, 0.0), "-");
    }
}
