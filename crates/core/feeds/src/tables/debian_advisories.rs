//! Debian security advisories (DSA, DLA) of hypervisor packages.
//!
//! CSV: `date,id,source,cves,fixed`; CVEs by space, `fixed` as `suite=version; suite=version`.
//!
//! Each row is an advisory with one [`Verdict::FixedIn`] claim per suite on the *source* package. A first issue
//! (`DSA-4566-1`) that names no CVE is its own vulnerability; a later issue without CVEs (`DSA-5257-2`) repairs the
//! update before it and closes no hole, so it makes no claim. `suite=<end-of-life>` means that the suite will not get a
//! fix: every version stays affected and the remedy says [`RemedyKind::NoFixPlanned`].
//!
//! Covered is each source package in each of its suites, from the suite's first to the suite's last row: a suite that
//! is no longer supported stops being covered, although the table goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use underpin_model::facts::{
    Advisory, Claim, Coverage, DateKind, Document, Family, Format, NameKind, PatchClass, Product, Range,
    ReleaseFact, Remedy, RemedyKind, Restart, Verdict,
};
use underpin_model::id::VulnerabilityId;

use super::promises::Promises;
use super::rows::{self, Cell, Row, Wrong, read_csv};
use crate::Defect;

const FORMAT: Format = Format::DebianAdvisories;
const UNSUPPORTED: &str = "<end-of-life>";

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let mut table = Table::default();
    read_csv(bytes, FORMAT, &["date", "id", "source", "cves", "fixed"], |row| table.add(row))?;
    Ok(table.finish())
}

#[derive(Default)]
struct Table {
    advisories: Vec<Advisory>,
    releases: Vec<ReleaseFact>,
    /// Days per suite.
    suites: Promises,
    lines: BTreeSet<(Arc<str>, Arc<str>)>,
}

impl Table {
    fn add(&mut self, row: &Row<'_>) -> Cell<()> {
        let date = rows::date("date", row.text("date"))?;
        let id = rows::advisory("id", row.text("id"))?;
        let source = rows::name("source", row.text("source"))?;
        let named = row
            .text("cves")
            .split_whitespace()
            .map(|cve| rows::cve("cves", cve))
            .collect::<Cell<Vec<_>>>()?;
        let vulnerabilities = vulnerabilities(named, id.as_str())?;
        let (mut claims, mut remedies) = (Vec::new(), Vec::new());
        for fix in row.text("fixed").split(';').map(str::trim).filter(|fix| !fix.is_empty()) {
            let (suite, version) = fix
                .split_once('=')
                .ok_or_else(|| Wrong::new("fixed", fix, "suite=version pairs, separated by semicolons"))?;
            let (suite, version) = (rows::name("fixed", suite)?, rows::name("fixed", version)?);
            self.suites.seen(&Family::Debian, Some(&suite), None, date);
            self.lines.insert((Arc::clone(&suite), Arc::clone(&source)));
            let supported = &*version != UNSUPPORTED;
            if supported {
                self.releases.push(ReleaseFact {
                    family: Family::Debian,
                    train: Some(Arc::clone(&suite)),
                    component: Arc::clone(&source),
                    version: Arc::clone(&version),
                    date,
                    date_kind: DateKind::Published,
                    bulletin: Some(id.clone()),
                    class: Some(PatchClass::Security),
                    fixes: vulnerabilities.to_vec(),
                });
            } else {
                remedies.push(no_fix(&vulnerabilities));
            }
            if !vulnerabilities.is_empty() {
                claims.push(Claim {
                    vulnerabilities: Arc::clone(&vulnerabilities),
                    product: Arc::new(product(suite, Arc::clone(&source))),
                    verdict: if supported {
                        Verdict::FixedIn(version)
                    } else {
                        Verdict::Affected(Range::all())
                    },
                    fallback: false,
                });
            }
        }
        let published = rows::midnight(date);
        self.advisories.push(Advisory {
            id,
            title: None,
            published,
            updated: published,
            class: Some(PatchClass::Security),
            severity: None,
            claims,
            remedies,
        });
        Ok(())
    }

    fn finish(self) -> Document {
        let mut document = Document::new(FORMAT.name(), FORMAT);
        document.updated = self.advisories.iter().filter_map(|advisory| advisory.published).max();
        document.advisories = self.advisories;
        document.releases = self.releases;
        for suite in self.suites.into_coverage() {
            let of_suite = self.lines.iter().filter(|(train, _)| Some(train) == suite.train.as_ref());
            document.coverage.extend(
                of_suite.map(|(_, source)| Coverage { component: Some(Arc::clone(source)), ..suite.clone() }),
            );
        }
        document
    }
}

fn vulnerabilities(named: Vec<VulnerabilityId>, id: &str) -> Cell<Arc<[VulnerabilityId]>> {
    if named.is_empty() && id.ends_with("-1") {
        return Ok(Arc::from([rows::vulnerability("id", id)?]));
    }
    Ok(named.into())
}

fn product(suite: Arc<str>, source: Arc<str>) -> Product {
    Product {
        family: Family::Debian,
        train: Some(suite),
        component: source,
        name_kind: NameKind::Source,
        arch: None,
        module: None,
        hardware: None,
        scheme: Family::Debian.scheme(),
    }
}

fn no_fix(vulnerabilities: &Arc<[VulnerabilityId]>) -> Remedy {
    Remedy {
        vulnerabilities: Arc::clone(vulnerabilities),
        kind: RemedyKind::NoFixPlanned,
        restart: Restart::Unknown,
        url: None,
    }
}
