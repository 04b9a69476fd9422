//! Intel microcode releases: which processors got which revision, and which advisories the release is for.
//!
//! CSV: `release,release_date,intel_sa,change,processor,stepping,signature_fms,platform_mask,old_rev,new_rev`.
//!
//! One [`ReleaseFact`] and one advisory `microcode-RELEASE` per release. A row that is `new` or `updated` claims
//! [`Verdict::FixedIn`] its new revision for its [`Hardware`], for every INTEL-SA id of the *release*: the release notes do
//! not say which id is about which processor, so a claim may name an advisory that does not concern its processor.
//! `removed` and `prior-disclosure` rows claim nothing. Old revisions are read past: some have digit errors in the source.
//! Covered is the whole family from the first to the last release.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use underpin_model::facts::{
    Advisory, Claim, DateKind, Document, Family, Format, Hardware, NameKind, PatchClass, Product,
    ReleaseFact, Verdict,
};
use underpin_model::id::{AdvisoryId, VulnerabilityId};

use super::promises::Promises;
use super::rows::{self, Cell, Row, Wrong, read_csv};
use crate::Defect;

const FORMAT: Format = Format::MicrocodeHistory;
const COMPONENT: &str = "intel-microcode";
const COLUMNS: [&str; 7] =
    ["release", "release_date", "intel_sa", "change", "signature_fms", "platform_mask", "new_rev"];

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let mut releases = BTreeMap::new();
    read_csv(bytes, FORMAT, &COLUMNS, |row| add(row, &mut releases))?;
    let component: Arc<str> = COMPONENT.into();
    let (mut document, mut promises) = (Document::new(FORMAT.name(), FORMAT), Promises::default());
    for (name, release) in releases {
        document.updated = document.updated.max(rows::midnight(release.date));
        promises.seen(&Family::IntelMicrocode, None, Some(&component), release.date);
        document.releases.push(release.fact(name, &component));
        document.advisories.push(release.advisory());
    }
    document.coverage = promises.into_coverage();
    Ok(document)
}

struct Release {
    id: AdvisoryId,
    date: Date,
    vulnerabilities: Arc<[VulnerabilityId]>,
    claims: Vec<Claim>,
}

fn add(row: &Row<'_>, releases: &mut BTreeMap<Arc<str>, Release>) -> Cell<()> {
    let name = rows::name("release", row.text("release"))?;
    let date = rows::date("release_date", row.text("release_date"))?;
    let id = rows::advisory("release", &format!("microcode-{name}"))?;
    let vulnerabilities = advisories(row.text("intel_sa"))?;
    let release =
        releases.entry(name).or_insert_with(|| Release { id, date, vulnerabilities, claims: Vec::new() });
    if release.date != date {
        return Err(Wrong::new("release_date", row.text("release_date"), "one day per release"));
    }
    let hardware = Hardware {
        signature: signature(row.text("signature_fms"))?,
        platform_mask: hexadecimal("platform_mask", row.text("platform_mask"))?,
    };
    let revision = row.text("new_rev");
    match row.text("change") {
        "new" | "updated" => {
            hexadecimal("new_rev", revision)?;
        }
        "removed" | "prior-disclosure" => return Ok(()),
        other => return Err(Wrong::new("change", other, "new, updated, removed or prior-disclosure")),
    }
    if release.vulnerabilities.is_empty() {
        return Ok(());
    }
    let claim = Claim {
        vulnerabilities: Arc::clone(&release.vulnerabilities),
        product: Arc::new(product(hardware)),
        verdict: Verdict::FixedIn(revision.into()),
        fallback: false,
    };
    // Processors of several names may share signature, mask and revision.
    if !release.claims.contains(&claim) {
        release.claims.push(claim);
    }
    Ok(())
}

impl Release {
    fn class(&self) -> Option<PatchClass> {
        (!self.vulnerabilities.is_empty()).then_some(PatchClass::Security)
    }

    fn fact(&self, name: Arc<str>, component: &Arc<str>) -> ReleaseFact {
        ReleaseFact {
            family: Family::IntelMicrocode,
            train: None,
            component: Arc::clone(component),
            version: name,
            date: self.date,
            date_kind: DateKind::Published,
            bulletin: Some(self.id.clone()),
            class: self.class(),
            fixes: self.vulnerabilities.to_vec(),
        }
    }

    fn advisory(self) -> Advisory {
        let published = rows::midnight(self.date);
        Advisory {
            class: self.class(),
            id: self.id,
            title: None,
            published,
            updated: published,
            severity: None,
            claims: self.claims,
            remedies: Vec::new(),
        }
    }
}

fn product(hardware: Hardware) -> Product {
    Product {
        family: Family::IntelMicrocode,
        train: None,
        component: COMPONENT.into(),
        name_kind: NameKind::Product,
        arch: None,
        module: None,
        hardware: Some(hardware),
        scheme: Family::IntelMicrocode.scheme(),
    }
}

fn advisories(cell: &str) -> Cell<Arc<[VulnerabilityId]>> {
    cell.split_whitespace()
        .map(|id| match id.strip_prefix("INTEL-SA-") {
            Some(number) if number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                rows::vulnerability("intel_sa", id)
            }
            _ => Err(Wrong::new("intel_sa", id, "ids such as INTEL-SA-01249, separated by spaces")),
        })
        .collect()
}

fn hexadecimal(column: &str, value: &str) -> Cell<u32> {
    let wrong = || Wrong::new(column, value, "1 to 8 hexadecimal digits without prefix");
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u32::from_str_radix(value, 16).map_err(|_| wrong())
}

fn signature(value: &str) -> Cell<Arc<str>> {
    let parts: Vec<&str> = value.split('-').collect();
    let pair = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if parts.len() == 3 && parts.iter().all(pair) {
        Ok(value.to_ascii_lowercase().into())
    } else {
        Err(Wrong::new("signature_fms", value, "family-model-stepping in hexadecimal, such as 06-55-04"))
    }
}
