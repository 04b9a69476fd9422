//! Support periods of platforms.
//!
//! JSON: `{product: {cycles: [{cycle, release, eol, latest, latest_release, codename}], version_dates: {version: day}}}`.
//!
//! Each cycle is a [`Lifecycle`] whose end is `eol`, the end of security support (not of paid extensions): a day, or
//! `true` (over, day not known) or `false` (no end known). Each of `version_dates` is the [`ReleaseFact`] of a point
//! release. Debian's trains are code names, as in its advisories; those of the others are the cycles. Windows Server
//! is a family of products here as elsewhere; its trains are the cycles (`2012-r2`). No fixes are listed, so no coverage
//! is promised.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::Deserialize;
use underpin_model::facts::{DateKind, Document, Family, Format, Lifecycle, LifecycleDate, ReleaseFact};

use super::rows::{self, Cell, escape, read_json};
use crate::Defect;

const FORMAT: Format = Format::EndOfLife;

#[derive(Deserialize)]
struct ProductRow {
    cycles: Vec<Cycle>,
    #[serde(default)]
    version_dates: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Cycle {
    cycle: String,
    codename: Option<String>,
    release: Option<String>,
    eol: End,
    latest: Option<String>,
    latest_release: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a day or true or false")]
enum End {
    Flag(bool),
    Day(String),
}

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let table: BTreeMap<String, ProductRow> = read_json(bytes, FORMAT)?;
    let mut document = Document::new(FORMAT.name(), FORMAT);
    for (product, row) in &table {
        let base = format!("/{}", escape(product));
        let component =
            rows::name(&escape(product), product).map_err(|wrong| wrong.at_pointer(FORMAT, ""))?;
        let family = family(product);
        for (index, cycle) in row.cycles.iter().enumerate() {
            let lifecycle = lifecycle(&family, cycle)
                .map_err(|wrong| wrong.at_pointer(FORMAT, &format!("{base}/cycles/{index}")))?;
            document.lifecycles.push(lifecycle);
        }
        for (version, day) in &row.version_dates {
            let release = point_release(&family, &component, version, day, &row.cycles)
                .map_err(|wrong| wrong.at_pointer(FORMAT, &format!("{base}/version_dates")))?;
            document.releases.push(release);
        }
    }
    let newest = document.lifecycles.iter().filter_map(|cycle| cycle.latest_date.max(cycle.released)).max();
    let newest = newest.max(document.releases.iter().map(|release| release.date).max());
    document.updated = newest.and_then(rows::midnight);
    Ok(document)
}

fn family(product: &str) -> Family {
    match product {
        "windows-server" => Family::Windows,
        other => Family::from_name(other),
    }
}

fn train(family: &Family, cycle: &Cycle) -> Cell<Arc<str>> {
    match (family, &cycle.codename) {
        (Family::Debian, Some(codename)) => rows::name("codename", &codename.to_ascii_lowercase()),
        _ => rows::name("cycle", &cycle.cycle),
    }
}

fn lifecycle(family: &Family, cycle: &Cycle) -> Cell<Lifecycle> {
    let end_of_life = match &cycle.eol {
        End::Flag(true) => LifecycleDate::Ended,
        End::Flag(false) => LifecycleDate::NotYet,
        End::Day(day) => LifecycleDate::On(rows::date("eol", day)?),
    };
    Ok(Lifecycle {
        family: family.clone(),
        train: train(family, cycle)?,
        released: rows::optional_date("release", cycle.release.as_deref())?,
        end_of_life,
        latest: cycle.latest.as_deref().map(|latest| rows::name("latest", latest)).transpose()?,
        latest_date: rows::optional_date("latest_release", cycle.latest_release.as_deref())?,
    })
}

fn point_release(
    family: &Family,
    component: &Arc<str>,
    version: &str,
    day: &str,
    cycles: &[Cycle],
) -> Cell<ReleaseFact> {
    let date: Date = rows::date(&escape(version), day)?;
    // `12.5` belongs to cycle `12`, `8.3.0` to `8.3`: the longest cycle that ends at a dot of the version.
    let of_cycle = |cycle: &&Cycle| {
        version
            .strip_prefix(cycle.cycle.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let cycle = cycles.iter().filter(of_cycle).max_by_key(|cycle| cycle.cycle.len());
    Ok(ReleaseFact {
        family: family.clone(),
        train: cycle.map(|cycle| train(family, cycle)).transpose()?,
        component: Arc::clone(component),
        version: rows::name(&escape(version), version)?,
        date,
        date_kind: DateKind::Published,
        bulletin: None,
        class: None,
        fixes: Vec::new(),
    })
}
