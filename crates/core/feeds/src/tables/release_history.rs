//! Changelog entries of hypervisor packages of Debian, Proxmox and XCP-ng.
//!
//! JSON lines: `{source_package, platform, version, distribution, date, cves, xsas, security}`; `urgency` is ignored.
//!
//! Each entry is a [`ReleaseFact`] whose day is the changelog's ([`DateKind::Built`]), not the day of publication. An
//! entry that names CVEs or XSAs is also an advisory `platform/source@version`: these are fixed in that version of the
//! *source* package for that train. `security` also marks entries that went to a security suite and name no id.
//!
//! # Trains
//! - Debian: the distribution, with `-security`, `-updates` and `-proposed-updates` taken off: these publish for the
//!   suite. `bookworm-backports` stays a train of its own.
//! - Proxmox: the major release whose base the distribution names (`bookworm` -> `8`). `unstable`, `pve`, `stable` name
//!   none; then only `pve-manager` tells, because its version is the product's.
//! - XCP-ng: a release suffix in the version (`.xcpng8.2`). Without one, what the days of the entries support. The
//!   table has one changelog per package, in which each entry builds on the ones before. Xen's goes from 4.13.2 (2020-12-18)
//!   through 4.17.3 (2024-01-26) to 4.17.6 (2026-01-28), the kernel's 4.19.19-8 from 2020-06-24 to 2025-07-30: both go
//!   on after the end of 8.2 (2025-06-25), in the days of 8.3 (released 2024-10-07), so they are 8.3's and what they fix
//!   is fixed there. Whether 8.2 ever got one of them is not told: it gets none. Kernels 4.19.19-7 (2020-01-08 to
//!   2020-05-12) lie around the release of 8.1 (2020-03-31) and before that of 8.2 (2020-11-13): their train is unknown.
//! - Otherwise the train is unknown (`None`).
//!
//! # Coverage
//! Each source package in each train, from the first to the last entry of that package and train. Nothing is promised
//! where the train is unknown, for entries that were never released (`UNRELEASED`), and for other distributions that
//! happen to be named in a Debian changelog.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use underpin_model::facts::{
    Advisory, Claim, DateKind, Document, Family, Format, NameKind, PatchClass, Product, ReleaseFact, Verdict,
};
use underpin_model::id::VulnerabilityId;

use super::promises::Promises;
use super::rows::{self, Cell, Wrong, read_json_lines};
use crate::Defect;

const FORMAT: Format = Format::ReleaseHistory;

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    source_package: Cow<'a, str>,
    #[serde(borrow)]
    platform: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    distribution: Option<Cow<'a, str>>,
    #[serde(borrow)]
    date: Cow<'a, str>,
    #[serde(borrow)]
    cves: Vec<Cow<'a, str>>,
    xsas: Vec<u32>,
    security: bool,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let mut table = Table::default();
    read_json_lines(bytes, FORMAT, |line, entry: Entry<'_>| table.add(line, &entry))?;
    let mut document = Document::new(FORMAT.name(), FORMAT);
    document.updated = table.releases.iter().map(|release| release.date).max().and_then(rows::midnight);
    document.advisories = table.advisories;
    document.releases = table.releases;
    document.coverage = table.promises.into_coverage();
    Ok(document)
}

type Line = (Family, Option<Arc<str>>, Arc<str>);

#[derive(Default)]
struct Table {
    advisories: Vec<Advisory>,
    releases: Vec<ReleaseFact>,
    promises: Promises,
    products: BTreeMap<Line, Arc<Product>>,
    /// Name of an entry to its line.
    seen: FxHashMap<String, u64>,
}

impl Table {
    fn add(&mut self, line: u64, entry: &Entry<'_>) -> Cell<()> {
        let family = Family::from_name(&rows::name("platform", &entry.platform)?);
        let source = rows::name("source_package", &entry.source_package)?;
        let version = rows::name("version", &entry.version)?;
        let date = rows::date("date", &entry.date)?;
        let distribution = entry.distribution.as_deref();
        let train = train(&family, &source, &version, distribution).map(Arc::from);
        let mut fixes = entry.cves.iter().map(|cve| rows::cve("cves", cve)).collect::<Cell<Vec<_>>>()?;
        for number in &entry.xsas {
            fixes.push(rows::xsa("xsas", *number)?);
        }
        let id = format!("{family}/{source}@{version}");
        if self.seen.insert(id.clone(), line).is_some() {
            return Err(Wrong::new("version", &id, "one entry per platform, source package and version"));
        }
        if let Some(train) = train.as_ref().filter(|train| is_promised(&family, train)) {
            self.promises.seen(&family, Some(train), Some(&source), date);
        }
        let class = entry.security.then_some(PatchClass::Security);
        if !fixes.is_empty() {
            let product = self.product((family.clone(), train.clone(), Arc::clone(&source)));
            let verdict = Verdict::FixedIn(Arc::clone(&version));
            self.advisories.push(Advisory {
                id: rows::advisory("version", &id)?,
                title: None,
                // The day of a build is not a day of publication.
                published: None,
                updated: rows::midnight(date),
                class,
                severity: None,
                claims: vec![Claim { vulnerabilities: shared(&fixes), product, verdict, fallback: false }],
                remedies: Vec::new(),
            });
        }
        self.releases.push(ReleaseFact {
            family,
            train,
            component: source,
            version,
            date,
            date_kind: DateKind::Built,
            bulletin: None,
            class,
            fixes,
        });
        Ok(())
    }

    fn product(&mut self, line: Line) -> Arc<Product> {
        let product = self.products.entry(line.clone()).or_insert_with(|| {
            let (family, train, component) = line;
            let scheme = family.scheme();
            Arc::new(Product {
                family,
                train,
                component,
                name_kind: NameKind::Source,
                arch: None,
                module: None,
                hardware: None,
                scheme,
            })
        });
        Arc::clone(product)
    }
}

fn shared(fixes: &[VulnerabilityId]) -> Arc<[VulnerabilityId]> {
    fixes.iter().cloned().collect()
}

fn train(family: &Family, source: &str, version: &str, distribution: Option<&str>) -> Option<String> {
    match (family, distribution) {
        (Family::Proxmox, _) => distribution
            .and_then(proxmox_release)
            .map(str::to_owned)
            .or_else(|| manager_release(source, version)),
        (Family::XcpNg, None) => xcp_ng_release(source, version),
        (_, Some(distribution)) => Some(suite(distribution).to_owned()),
        (_, None) => None,
    }
}

fn suite(distribution: &str) -> &str {
    ["-security", "-proposed-updates", "-updates"]
        .iter()
        .find_map(|pocket| distribution.strip_suffix(pocket))
        .unwrap_or(distribution)
}

/// The Proxmox VE release that stands on a Debian release.
fn proxmox_release(distribution: &str) -> Option<&'static str> {
    match suite(distribution) {
        "squeeze" => Some("2"),
        "wheezy" => Some("3"),
        "jessie" => Some("4"),
        "stretch" => Some("5"),
        "buster" => Some("6"),
        "bullseye" => Some("7"),
        "bookworm" => Some("8"),
        "trixie" => Some("9"),
        _ => None,
    }
}

/// `pve-manager` has the version of the product that it manages.
fn manager_release(source: &str, version: &str) -> Option<String> {
    let major = version.split('.').next()?;
    (source == "pve-manager" && major.parse::<u16>().is_ok()).then(|| major.to_owned())
}

fn xcp_ng_release(source: &str, version: &str) -> Option<String> {
    if let Some((_, release)) = version.split_once(".xcpng") {
        return Some(release.to_owned()).filter(|release| release.starts_with(|c: char| c.is_ascii_digit()));
    }
    let (upstream, build) = version.split_once('-')?;
    match (source, upstream) {
        ("xen", _) => {
            let parts: Option<Vec<u32>> = upstream.split('.').map(|part| part.parse().ok()).collect();
            parts.filter(|parts| parts.as_slice() > [4, 13, 1].as_slice()).map(|_| "8.3".to_owned())
        }
        ("kernel", "4.19.19") if build.starts_with("8.") => Some("8.3".to_owned()),
        _ => None,
    }
}

/// Debian's own suites since there have been security advisories for hypervisors.
const DEBIAN_SUITES: [&str; 14] = [
    "sarge",
    "etch",
    "lenny",
    "squeeze",
    "wheezy",
    "jessie",
    "stretch",
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "unstable",
    "experimental",
];

fn is_promised(family: &Family, train: &str) -> bool {
    let base = train.strip_suffix("-backports").unwrap_or(train);
    *family != Family::Debian || DEBIAN_SUITES.contains(&base)
}
