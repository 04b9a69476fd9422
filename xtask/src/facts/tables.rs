//! Tables that are kept as they are, and the two whose rows carry prose or links.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use fs_err as fs;
use serde_json::{Map, Value, json};

use super::FactFile;

pub(super) fn all(feeds: &Path) -> anyhow::Result<Vec<FactFile>> {
    let csv = |name, origin, day| {
        let text = read(feeds, origin)?;
        csv(name, origin, &text, day).with_context(|| origin.to_owned())
    };
    Ok(vec![
        csv("cve-index.csv", "cve5-hypervisors-index.csv", "published")?,
        csv("debian-advisories.csv", "debian-dsa-dla-hypervisor-2007-2023.csv", "date")?,
        csv("esxi-builds.csv", "esxi-builds-2009-2025.csv", "release_date")?,
        csv("microcode-history.csv", "microcode-history.csv", "release_date")?,
        csv("msrc-updates.csv", "msrc-hyperv-2010-2026.csv", "date")?,
        json_lines(feeds)?,
        json_rows(feeds, "vcenter-releases.json", "vcenter-releases-2007-2019.json", "releaseDate")?,
        json_rows(feeds, "vmsa-facts.json", "vmsa-facts.json", "no_later_than")?,
        json_rows(feeds, "xen-not-applicable.json", "xen-not-applicable.json", "")?,
        end_of_life(feeds)?,
        xen_advisories(feeds)?,
        kev(feeds)?,
    ])
}

fn read(feeds: &Path, origin: &str) -> anyhow::Result<String> {
    Ok(fs::read_to_string(feeds.join(origin))?)
}

/// Header, then rows in text order.
fn csv(name: &'static str, origin: &'static str, text: &str, day: &str) -> anyhow::Result<FactFile> {
    let (header, body) = text.split_once('\n').context("the table has no header")?;
    let column =
        header.trim().split(',').position(|cell| cell == day).context("the table has no column of days")?;
    let mut lines: Vec<&str> = body.lines().filter(|line| !line.is_empty()).collect();
    if lines.iter().any(|line| line.matches('"').count() % 2 == 1) {
        bail!("a cell spans several lines: such rows cannot be sorted as lines");
    }
    lines.sort_unstable();
    let mut days = Vec::new();
    for line in &lines {
        let cells = cells(line);
        let cell = cells.get(column).with_context(|| format!("no cell {} in {line:?}", column + 1))?;
        days.extend(iso(cell));
    }
    let text = format!("{}\n{}\n", header.trim(), lines.join("\n"));
    Ok(FactFile { name, origin, text, rows: lines.len(), days })
}

/// The cells of a CSV line whose quoted cells hold no quotes.
fn cells(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .collect()
}

/// An ISO day of `2025-09-09`, `20250909` or a timestamp.
fn iso(cell: &str) -> Option<String> {
    match cell.len() {
        8 if cell.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(format!("{}-{}-{}", cell.get(..4)?, cell.get(4..6)?, cell.get(6..)?))
        }
        10.. => cell.get(..10).map(str::to_owned),
        _ => None,
    }
}

fn json_lines(feeds: &Path) -> anyhow::Result<FactFile> {
    let (name, origin) = ("release-history.jsonl", "release-history.jsonl");
    let text = read(feeds, origin)?;
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    let mut days = Vec::new();
    for line in &lines {
        let row: Value = serde_json::from_str(line)?;
        days.extend(row["date"].as_str().and_then(iso));
    }
    Ok(FactFile { name, origin, text: lines.join("\n") + "\n", rows: lines.len(), days })
}

/// A JSON array, one row a line, in its own order, without links to release notes.
fn json_rows(feeds: &Path, name: &'static str, origin: &'static str, day: &str) -> anyhow::Result<FactFile> {
    let mut table: Vec<Map<String, Value>> = serde_json::from_str(&read(feeds, origin)?).context(origin)?;
    let mut days = Vec::new();
    for row in &mut table {
        row.remove("releaseNotes");
        days.extend(row.get(day).and_then(Value::as_str).and_then(iso));
    }
    let rows: Vec<String> = table.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    Ok(FactFile { name, origin, text: format!("[\n{}\n]\n", rows.join(",\n")), rows: rows.len(), days })
}

/// One cycle a line, products in text order.
fn end_of_life(feeds: &Path) -> anyhow::Result<FactFile> {
    let (name, origin) = ("end-of-life.json", "endoflife.json");
    let table: BTreeMap<String, Value> = serde_json::from_str(&read(feeds, origin)?).context(origin)?;
    let (mut products, mut rows, mut days) = (Vec::new(), 0, Vec::new());
    for (product, row) in &table {
        let cycles = row["cycles"].as_array().with_context(|| format!("{product} has no cycles"))?;
        rows += cycles.len();
        days.extend(cycles.iter().filter_map(|cycle| cycle["latest_release"].as_str().and_then(iso)));
        let cycles: Vec<String> = cycles.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        products.push(format!(
            "{}: {{\"cycles\": [\n{}\n], \"version_dates\": {}}}",
            serde_json::to_string(product)?,
            cycles.join(",\n"),
            serde_json::to_string_pretty(&row["version_dates"])?
        ));
    }
    Ok(FactFile { name, origin, text: format!("{{\n{}\n}}\n", products.join(",\n")), rows, days })
}

/// As it is: four short lines a row.
fn xen_advisories(feeds: &Path) -> anyhow::Result<FactFile> {
    let (name, origin) = ("xen-advisories.yml", "xen-xsa-2011-2026.yml");
    let text = read(feeds, origin)?;
    let rows = text.lines().filter(|line| line.starts_with("- xsa:")).count();
    let days = text.lines().filter_map(|line| line.trim().strip_prefix("date: ").and_then(iso)).collect();
    Ok(FactFile { name, origin, text, rows, days })
}

/// The catalogue without its descriptions, names and notes.
fn kev(feeds: &Path) -> anyhow::Result<FactFile> {
    let (name, origin) = ("kev.json", "cisa-kev-2025-08-25.json");
    let catalogue: Value = serde_json::from_str(&read(feeds, origin)?).context(origin)?;
    let entries = catalogue["vulnerabilities"].as_array().context("the catalogue has no vulnerabilities")?;
    let (mut rows, mut days) = (Vec::new(), Vec::new());
    for entry in entries {
        days.extend(entry["dateAdded"].as_str().and_then(iso));
        let kept: Map<String, Value> = ["cveID", "dateAdded", "dueDate", "knownRansomwareCampaignUse"]
            .into_iter()
            .map(|key| (key.to_owned(), entry[key].clone()))
            .collect();
        rows.push(serde_json::to_string(&kept)?);
    }
    rows.sort_unstable();
    let text = format!(
        "{{\n\"title\": {},\n\"catalogVersion\": {},\n\"dateReleased\": {},\n\"count\": {},\n\"vulnerabilities\": [\n{}\n]\n}}\n",
        catalogue["title"],
        catalogue["catalogVersion"],
        catalogue["dateReleased"],
        json!(rows.len()),
        rows.join(",\n")
    );
    Ok(FactFile { name, origin, text, rows: rows.len(), days })
}
