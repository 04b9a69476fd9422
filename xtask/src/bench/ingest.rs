//! Reading advisories, against the JSON parser of Python alone.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::Value;

use super::{Spread, mb, measured, number, once};

/// Archives with the CSAF, OSV and CVE documents.
const ARCHIVES: [&str; 3] = ["csaf-redhat-samples.tar.gz", "cve5-hypervisors.tar.gz", "osv-almalinux.tar.gz"];

/// How much is read in one run, in bytes.
const VOLUME: u64 = 300_000_000;

const RUNS: usize = 5;

/// Reads every file of a folder and parses it, nothing more.
const PYTHON: &str = "
import json, os, resource, sys, time
start, size = time.perf_counter(), 0
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), 'rb') as file:
            text = file.read()
        size += len(text)
        json.loads(text)
print(json.dumps({'seconds': time.perf_counter() - start, 'bytes': size,
    'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
";

/// Documents on disk: their number, bytes together, and the largest.
struct Laid {
    files: usize,
    bytes: u64,
    largest: (u64, Vec<u8>),
}

/// Runs both readers in turn and says how they compare.
pub(super) fn measure(measure: &Path, shared: &Path) -> Result<String> {
    let folder = tempfile::tempdir().context("no room for the documents")?;
    let laid = lay_out(shared, folder.path())?;
    let path = folder.path().to_string_lossy().into_owned();
    let (mut ours, mut theirs): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        let mut python = Command::new("python3");
        python.args(["-c", PYTHON, &path]);
        theirs.push(measured(python)?);
        ours.push(once(measure, &["ingest", &path])?);
        println!("ingest: run {run} of {RUNS}");
    }
    let alone = tempfile::tempdir()?;
    fs::write(alone.path().join("largest.json"), &laid.largest.1)?;
    let alone = once(measure, &["ingest", &alone.path().to_string_lossy()])?;
    table(&laid, &ours, &theirs, &alone)
}

fn table(laid: &Laid, ours: &[Value], theirs: &[Value], alone: &Value) -> Result<String> {
    let rate = |runs: &[Value]| -> Result<Spread> {
        let rates: Result<Vec<f64>> =
            runs.iter().map(|run| Ok(laid.bytes as f64 / 1e6 / number(run, "seconds")?)).collect();
        Spread::of(rates?)
    };
    let each = |runs: &[Value], key: &str| -> Result<Spread> {
        let values: Result<Vec<f64>> = runs.iter().map(|run| number(run, key)).collect();
        Spread::of(values?)
    };
    let (our_rate, their_rate) = (rate(ours)?, rate(theirs)?);
    let largest = laid.largest.0 as f64;
    // Peak and facts of one process belong together: the run that comes nearest to the bound is shown.
    let mut nearest: Option<(f64, f64)> = None;
    for run in ours {
        let (peak, bound) = (number(run, "peak")?, 3.0 * largest + number(run, "kept")?);
        if nearest.is_none_or(|(other, limit)| peak - bound > other - limit) {
            nearest = Some((peak, bound));
        }
    }
    let (peak, bound) = nearest.context("nothing was measured")?;
    let holds = if peak < bound { "holds" } else { "DOES NOT HOLD" };
    let documents = each(ours, "documents")?.median;
    let mut text = format!(
        "## Ingest\n\n\
         The CSAF, CVE and OSV documents of the reference data, repeated as plain files: {} files, {} MB, the largest {:.1} MB. \
         {documents:.0} documents are accepted and their facts kept, each repetition as a feed of its own. Both readers find and read the \
         files themselves (from the page cache); Python does nothing with them but `json.loads`, one file after the other. {RUNS} \
         runs each in turn; median (least to most).\n\n",
        laid.files,
        mb(laid.bytes as f64),
        largest / 1e6,
    );
    text += "| | Seconds | MB/s | Peak MB |\n| --- | --- | --- | --- |\n";
    for (name, runs, rate) in [("Underpin", ours, our_rate), ("Python `json.loads`", theirs, their_rate)] {
        let peak = mb(each(runs, "peak")?.most);
        text += &format!("| {name} | {} | {rate:.0} | {peak} |\n", each(runs, "seconds")?);
    }
    text += &format!(
        "\nRatio of the medians: **{:.2}** (promised: at least 1, and over 100 MB/s). Memory, in the run nearest to the bound: peak {} \
         MB, program included, against 3 times the largest document plus the facts kept ({} MB) = {} MB: {holds}. The facts kept are taken \
         as what is resident at the end less what was at the start, so they include memory that the allocator has not given back. \
         The largest document alone, its facts included: peak {:.1} times its size.\n",
        our_rate.median / their_rate.median,
        mb(peak),
        mb(bound - 3.0 * largest),
        mb(bound),
        number(alone, "peak")? / largest,
    );
    Ok(text)
}

/// Unpacks the archives again and again, each time into a folder of its own, until there is enough.
fn lay_out(shared: &Path, folder: &Path) -> Result<Laid> {
    let mut laid = Laid { files: 0, bytes: 0, largest: (0, Vec::new()) };
    for round in 1.. {
        let folder = folder.join(format!("round-{round}"));
        fs::create_dir(&folder)?;
        for archive in ARCHIVES {
            let file = fs::File::open(shared.join(archive))?;
            let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
            for entry in archive.entries()? {
                let mut entry = entry?;
                if entry.path()?.extension().is_none_or(|extension| extension != "json") {
                    continue;
                }
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                laid.files += 1;
                laid.bytes += bytes.len() as u64;
                fs::write(folder.join(format!("{}.json", laid.files)), &bytes)?;
                if bytes.len() as u64 > laid.largest.0 {
                    laid.largest = (bytes.len() as u64, bytes);
                }
                if laid.bytes >= VOLUME {
                    return Ok(laid);
                }
            }
        }
        // Archives without documents would go round for ever.
        anyhow::ensure!(laid.files > 0, "{} has no documents", shared.display());
    }
    Ok(laid)
}
