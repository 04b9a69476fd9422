//! ESXi builds: which build was released when, in which line and update train, under which bulletin.
//!
//! CSV: `build,minor,release_date,name,bulletin`. Each row is a [`ReleaseFact`] of the component `ESXi`; its version is
//! the build. A bulletin may have two builds, the full one and the "(Security only)" one; the latter is
//! [`PatchClass::Security`].
//!
//! Covered is each line (`8.0`) from its first to its last row, and each update train (`8.0U3`) from its own first row
//! to the last row of its line. This table lists releases, not vulnerabilities.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use underpin_model::facts::{
    Coverage, DateKind, Document, Family, Format, PatchClass, Period, ReleaseFact, Subject,
};

use super::rows::{self, Cell, Row, Wrong, read_csv};
use super::vmware;
use crate::Defect;

const FORMAT: Format = Format::EsxiBuilds;
/// The product name in facts and fleets.
pub(super) const COMPONENT: &str = "ESXi";

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let component: Arc<str> = COMPONENT.into();
    let (mut releases, mut lines) = (Vec::new(), Lines::default());
    read_csv(bytes, FORMAT, &["build", "minor", "release_date", "name", "bulletin"], |row| {
        let (line, release) = release(row, &component)?;
        lines.seen(line, release.train.clone(), release.date);
        releases.push(release);
        Ok(())
    })?;
    let mut document = Document::new(FORMAT.name(), FORMAT);
    document.updated = releases.iter().map(|release| release.date).max().and_then(rows::midnight);
    document.coverage = lines.coverage(&Family::Esxi, &component);
    document.releases = releases;
    Ok(document)
}

fn release(row: &Row<'_>, component: &Arc<str>) -> Cell<(Arc<str>, ReleaseFact)> {
    let minor = row.text("minor");
    let line = vmware::line(minor).ok_or_else(|| Wrong::new("minor", minor, "a line such as 8.0"))?;
    let name = rows::name("name", row.text("name"))?;
    let bulletin = row.text("bulletin");
    let class = if name.to_ascii_lowercase().contains("(security only)") {
        Some(PatchClass::Security)
    } else {
        vmware::bulletin_class(bulletin)
    };
    let release = ReleaseFact {
        family: Family::Esxi,
        train: Some(vmware::train(&line, &name)),
        component: Arc::clone(component),
        version: rows::number("build", row.text("build"), "a build number")?,
        date: rows::date("release_date", row.text("release_date"))?,
        date_kind: DateKind::Published,
        bulletin: if bulletin.is_empty() { None } else { Some(rows::advisory("bulletin", bulletin)?) },
        class,
        fixes: Vec::new(),
    };
    Ok((line, release))
}

/// Lines and the update trains in them, with their days.
#[derive(Default)]
pub(super) struct Lines {
    lines: BTreeMap<Arc<str>, Period>,
    trains: BTreeMap<Arc<str>, (Arc<str>, Date)>,
}

impl Lines {
    pub(super) fn seen(&mut self, line: Arc<str>, train: Option<Arc<str>>, date: Date) {
        let period = self.lines.entry(Arc::clone(&line)).or_insert(Period { from: date, to: date });
        period.from = period.from.min(date);
        period.to = period.to.max(date);
        if let Some(train) = train.filter(|train| *train != line) {
            let first = &mut self.trains.entry(train).or_insert((line, date)).1;
            *first = (*first).min(date);
        }
    }

    pub(super) fn coverage(&self, family: &Family, component: &Arc<str>) -> Vec<Coverage> {
        let cover = |train: &Arc<str>, period| Coverage {
            of: Subject::Releases,
            family: family.clone(),
            train: Some(Arc::clone(train)),
            component: Some(Arc::clone(component)),
            period,
        };
        let lines = self.lines.iter().map(|(line, period)| cover(line, *period));
        let trains = self.trains.iter().filter_map(|(train, (line, from))| {
            self.lines.get(line).map(|period| cover(train, Period { from: *from, to: period.to }))
        });
        lines.chain(trains).collect()
    }
}
