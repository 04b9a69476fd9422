//! Matching whole fleets, and reading the file of a large one.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{Spread, mb, number, once};

/// Hosts of the fleets that are matched.
const SIZES: [u32; 4] = [2_500, 5_000, 10_000, 20_000];

/// Hosts of the fleet that the promise is about.
const PROMISED: u32 = 10_000;

const RUNS: usize = 5;

/// Matches fleets of several sizes, reads the file of one, and says how long it took.
pub(super) fn measure(measure: &Path, shared: &Path) -> Result<String> {
    let feeds = shared.to_string_lossy().into_owned();
    let mut rows = String::new();
    let mut largest_set = 0.0;
    for hosts in SIZES {
        let mut runs: Vec<Value> = Vec::new();
        for _ in 0..RUNS {
            runs.push(once(measure, &["match", &hosts.to_string(), &feeds])?);
        }
        println!("match: {hosts} hosts");
        rows += &row(&runs)?;
        largest_set = number(&runs[0], "largest_set")?;
    }
    let mut text = format!(
        "## Match\n\n\
         Made-up fleets (`fleet::sample`, seed 1) against the built-in facts and all feeds of the reference data. Up to {largest_set:.0} components a \
         host, in sets that hosts share by reference. Reading is not counted: \"index\" is `FactBase::new` over all documents, \"assess\" is \
         `assess`; what is in memory before (fleet and documents) is counted in the peak. {RUNS} runs; median (least to \
         most). Promised for {PROMISED} hosts: index and assess together under 2 s, peak under 1,074 MB (1 GiB).\n\n",
    );
    text += "| Hosts | VMs | Images | Groups | Findings | Exposures | Index s | Assess s | Together s | Before MB | Peak MB |\n";
    text += "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    text += &rows;
    text += &reading(measure)?;
    Ok(text)
}

fn row(runs: &[Value]) -> Result<String> {
    let each = |key: &str| -> Result<Spread> {
        let values: Result<Vec<f64>> = runs.iter().map(|run| number(run, key)).collect();
        Spread::of(values?)
    };
    let sums: Result<Vec<f64>> =
        runs.iter().map(|run| Ok(number(run, "index")? + number(run, "assess")?)).collect();
    let mut cells: Vec<String> = Vec::new();
    for key in ["hosts", "vms", "images", "groups", "findings", "exposures"] {
        cells.push(format!("{:.0}", each(key)?.median));
    }
    cells.extend([each("index")?.to_string(), each("assess")?.to_string(), Spread::of(sums?)?.to_string()]);
    cells.extend([mb(each("before")?.most), mb(each("peak")?.most)]);
    Ok(format!("| {} |\n", cells.join(" | ")))
}

/// Reads the file of the promised fleet, with all its checks.
fn reading(measure: &Path) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("fleet.json").to_string_lossy().into_owned();
    once(measure, &["fleet", &PROMISED.to_string(), &file])?;
    let mut runs: Vec<Value> = Vec::new();
    for _ in 0..RUNS {
        runs.push(once(measure, &["read", &file])?);
    }
    let each = |key: &str| -> Result<Spread> {
        let values: Result<Vec<f64>> = runs.iter().map(|run| number(run, key)).collect();
        Spread::of(values?)
    };
    Ok(format!(
        "\nReading and checking the file of the fleet of {PROMISED} hosts ({} MB of JSON): {} s, peak {} MB.\n",
        mb(each("bytes")?.median),
        each("seconds")?,
        mb(each("peak")?.most),
    ))
}
