//! Facts of VMware security advisories: ids, days, CVEs, and what fixes them.
//!
//! JSON: `[{id, issued, updated, no_later_than, cves, cvss2, fixed: [{product, version, bulletin | build | vib}]}]`.
//!
//! Each fix row is a claim in the line (`5.1`) of its version:
//!
//! | row | claim |
//! | --- | --- |
//! | `build` | [`Verdict::FixedIn`] that build of ESXi, ESX or vCenter Server |
//! | `vib` `esx-base 5.1.0-0.8.911593` | the same: `esx-base` carries the build of the image, here 911593 |
//! | any other `vib` | `FixedIn` the version of that package, a component of its own ([`NameKind::Binary`]) |
//! | `bulletin` | `FixedIn` whose text is the **bulletin**, e.g. `ESXi410-201110201-SG` |
//!
//! A bulletin orders nothing by itself. Matching resolves it through the releases whose
//! [`bulletin`](underpin_model::facts::ReleaseFact::bulletin) it is (table of ESXi builds); that table lists the patch
//! release of a month (`ESXi410-201110001`), of which the bulletins `ESXi410-201110NNN-*` are parts, hence the join is on
//! the text up to and including the six digits of the month. Where it joins nothing the claim stays undecided.
//!
//! `no_later_than` is the day on which somebody else wrote a check or a mail, never the day of issue: it serves as
//! `updated` where that is missing and never as `published`. An advisory may list several CVSS vectors without saying
//! whose they are; a vector is kept only where there is one CVE and one vector. The table is a selection (it has gaps
//! between its first and last advisory), so it promises no coverage.

use std::sync::Arc;

use serde::Deserialize;
use underpin_model::facts::{
    Advisory, Claim, Document, Family, Format, NameKind, PatchClass, Product, Verdict, VulnerabilityFacts,
};
use underpin_model::id::VulnerabilityId;
use underpin_model::version::Scheme;

use super::rows::{self, Cell, Wrong, read_json};
use super::{esxi_builds, vcenter_releases, vmware};
use crate::Defect;

const FORMAT: Format = Format::VmsaFacts;

#[derive(Deserialize)]
struct Row {
    id: String,
    issued: Option<String>,
    updated: Option<String>,
    no_later_than: Option<String>,
    cves: Vec<String>,
    #[serde(default)]
    cvss2: Vec<String>,
    fixed: Vec<Fix>,
}

#[derive(Deserialize)]
struct Fix {
    product: String,
    version: String,
    bulletin: Option<String>,
    build: Option<String>,
    vib: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let table: Vec<Row> = read_json(bytes, FORMAT)?;
    let mut document = Document::new(FORMAT.name(), FORMAT);
    for (index, row) in table.iter().enumerate() {
        let (advisory, scored) =
            advisory(row).map_err(|wrong| wrong.at_pointer(FORMAT, &format!("/{index}")))?;
        document.updated = document.updated.max(advisory.updated);
        document.advisories.push(advisory);
        document.vulnerabilities.extend(scored);
    }
    Ok(document)
}

fn advisory(row: &Row) -> Cell<(Advisory, Option<VulnerabilityFacts>)> {
    let id = rows::advisory("id", &row.id)?;
    let issued = rows::optional_date("issued", row.issued.as_deref())?;
    let updated = rows::optional_date("updated", row.updated.as_deref())?;
    let no_later_than = rows::optional_date("no_later_than", row.no_later_than.as_deref())?;
    let mut named = Vec::with_capacity(row.cves.len());
    for (index, cve) in row.cves.iter().enumerate() {
        named.push(rows::cve(&format!("cves/{index}"), cve)?);
    }
    let scored = scored(&named, &row.cvss2)?;
    if named.is_empty() {
        named.push(rows::vulnerability("id", &row.id)?);
    }
    let vulnerabilities: Arc<[VulnerabilityId]> = named.into();
    let mut claims: Vec<Claim> = Vec::with_capacity(row.fixed.len());
    for (index, fix) in row.fixed.iter().enumerate() {
        let (product, version) = fixed(fix, index)?;
        let claim = Claim {
            vulnerabilities: Arc::clone(&vulnerabilities),
            product: Arc::new(product),
            verdict: Verdict::FixedIn(version),
            fallback: false,
        };
        // The same fix comes from a remote check (build) and from a local one (vib).
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    let advisory = Advisory {
        id,
        title: None,
        published: issued.and_then(rows::midnight),
        updated: updated.or(issued).or(no_later_than).and_then(rows::midnight),
        class: Some(PatchClass::Security),
        severity: None,
        claims,
        remedies: Vec::new(),
    };
    Ok((advisory, scored))
}

fn scored(cves: &[VulnerabilityId], vectors: &[String]) -> Cell<Option<VulnerabilityFacts>> {
    let mut read = Vec::with_capacity(vectors.len());
    for (index, vector) in vectors.iter().enumerate() {
        read.push(rows::vector(format!("cvss2/{index}"), vector, "a CVSS 2.0 vector")?);
    }
    let [cve] = cves else { return Ok(None) };
    if read.len() != 1 {
        return Ok(None);
    }
    let mut facts = VulnerabilityFacts::new(cve.clone());
    facts.cvss = read;
    Ok(Some(facts))
}

fn fixed(fix: &Fix, index: usize) -> Cell<(Product, Arc<str>)> {
    let at = |column: &str| format!("fixed/{index}/{column}");
    let (family, component) = match fix.product.as_str() {
        "ESXi" => (Family::Esxi, esxi_builds::COMPONENT),
        "ESX" => (Family::Esxi, "ESX"),
        "vCenter Server" => (Family::Vcenter, vcenter_releases::COMPONENT),
        other => return Err(Wrong::new(at("product"), other, "ESXi, ESX or vCenter Server")),
    };
    let line = vmware::line(&fix.version)
        .ok_or_else(|| Wrong::new(at("version"), &fix.version, "a version such as 5.1.0"))?;
    let scheme = family.scheme();
    let mut product = Product {
        family,
        train: Some(line),
        component: component.into(),
        name_kind: NameKind::Product,
        arch: None,
        module: None,
        hardware: None,
        scheme,
    };
    let version = match (&fix.build, &fix.vib, &fix.bulletin) {
        (Some(build), None, None) => rows::number(&at("build"), build, "a build number")?,
        (None, Some(vib), None) => {
            let expected = "a package and its version, such as esx-base 5.1.0-0.8.911593";
            let wrong = || Wrong::new(at("vib"), vib, expected);
            let (package, version) = vib.split_once(' ').ok_or_else(wrong)?;
            if package == "esx-base" {
                let build = version.rsplit('.').next().unwrap_or_default();
                rows::number(&at("vib"), build, expected).map_err(|_| wrong())?
            } else {
                product.component = rows::name(&at("vib"), package)?;
                product.name_kind = NameKind::Binary;
                product.scheme = Scheme::Generic;
                rows::name(&at("vib"), version)?
            }
        }
        (None, None, Some(bulletin)) => rows::name(&at("bulletin"), bulletin)?,
        _ => {
            return Err(Wrong::new(
                at("version"),
                &fix.version,
                "exactly one of bulletin, build and vib beside it",
            ));
        }
    };
    Ok((product, version))
}
