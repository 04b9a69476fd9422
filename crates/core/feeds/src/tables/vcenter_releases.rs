//! vCenter releases: which build was released when.
//!
//! JSON: `[{build, fullName, releaseDate, osType}]`. The appliance and the Windows edition are one product with, at
//! times, one build each; rows that repeat a build on the same day (editions, languages) are one [`ReleaseFact`].
//! Covered is each line from its first to its last row, update trains as in the table of ESXi builds.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::Deserialize;
use underpin_model::facts::{DateKind, Document, Family, Format, ReleaseFact};

use super::esxi_builds::Lines;
use super::rows::{self, Cell, Wrong, read_json};
use super::vmware;
use crate::Defect;

const FORMAT: Format = Format::VcenterReleases;
/// The product name in facts and fleets.
pub(super) const COMPONENT: &str = "vCenter Server";

#[derive(Deserialize)]
struct Row {
    build: String,
    #[serde(rename = "fullName")]
    full_name: String,
    #[serde(rename = "releaseDate")]
    release_date: String,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let table: Vec<Row> = read_json(bytes, FORMAT)?;
    let component: Arc<str> = COMPONENT.into();
    let (mut seen, mut lines) = (FxHashSet::default(), Lines::default());
    let mut document = Document::new(FORMAT.name(), FORMAT);
    for (index, row) in table.iter().enumerate() {
        let (line, release) =
            release(row, &component).map_err(|wrong| wrong.at_pointer(FORMAT, &format!("/{index}")))?;
        if seen.insert((Arc::clone(&release.version), release.date)) {
            lines.seen(line, release.train.clone(), release.date);
            document.releases.push(release);
        }
    }
    document.updated = document.releases.iter().map(|release| release.date).max().and_then(rows::midnight);
    document.coverage = lines.coverage(&Family::Vcenter, &component);
    Ok(document)
}

fn release(row: &Row, component: &Arc<str>) -> Cell<(Arc<str>, ReleaseFact)> {
    let name = rows::name("fullName", &row.full_name)?;
    let expected = "a product name with its version, such as vCenter Server 6.7 Update 3a";
    let line = name
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(|word| word.trim_end_matches(|c: char| c.is_ascii_lowercase()))
        .and_then(vmware::line)
        .ok_or_else(|| Wrong::new("fullName", &name, expected))?;
    let release = ReleaseFact {
        family: Family::Vcenter,
        train: Some(vmware::train(&line, &name)),
        component: Arc::clone(component),
        version: rows::number("build", &row.build, "a build number")?,
        date: rows::date("releaseDate", &row.release_date)?,
        date_kind: DateKind::Published,
        bulletin: None,
        class: None,
        fixes: Vec::new(),
    };
    Ok((line, release))
}
