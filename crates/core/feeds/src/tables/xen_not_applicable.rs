//! Xen security advisories that the Debian xen changelog says do not apply, and why.
//!
//! JSON: `[{package_version, xsa, reason_class}]`. Each row is [`Verdict::NotAffected`] for exactly that version of the
//! Debian source package `xen`; nothing follows for any other version, so the table promises no coverage. Rows of one
//! version form one advisory. A class of reasons that is not known is [`Justification::NotGiven`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use underpin_model::facts::{
    Advisory, Claim, Document, Family, Format, Justification, NameKind, Product, Range, Verdict,
};

use super::rows::{self, Cell, read_json};
use crate::Defect;

const FORMAT: Format = Format::XenNotApplicable;

#[derive(Deserialize)]
struct Row {
    package_version: String,
    xsa: u32,
    reason_class: String,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let table: Vec<Row> = read_json(bytes, FORMAT)?;
    let product = Arc::new(Product {
        family: Family::Debian,
        train: None,
        component: "xen".into(),
        name_kind: NameKind::Source,
        arch: None,
        module: None,
        hardware: None,
        scheme: Family::Debian.scheme(),
    });
    let mut document = Document::new(FORMAT.name(), FORMAT);
    let mut versions = BTreeMap::new();
    for (index, row) in table.iter().enumerate() {
        add(row, &product, &mut versions, &mut document.advisories)
            .map_err(|wrong| wrong.at_pointer(FORMAT, &format!("/{index}")))?;
    }
    Ok(document)
}

fn add<'a>(
    row: &'a Row,
    product: &Arc<Product>,
    versions: &mut BTreeMap<&'a str, usize>,
    advisories: &mut Vec<Advisory>,
) -> Cell<()> {
    let version = rows::name("package_version", &row.package_version)?;
    let claim = Claim {
        vulnerabilities: Arc::from([rows::xsa("xsa", row.xsa)?]),
        product: Arc::clone(product),
        verdict: Verdict::NotAffected(Range::exactly(version), justification(&row.reason_class)),
        fallback: false,
    };
    let at = *versions.entry(&row.package_version).or_insert(advisories.len());
    if let Some(advisory) = advisories.get_mut(at) {
        advisory.claims.push(claim);
        return Ok(());
    }
    advisories.push(Advisory {
        id: rows::advisory("package_version", &format!("debian/xen@{}/not-applicable", row.package_version))?,
        title: None,
        published: None,
        updated: None,
        class: None,
        severity: None,
        claims: vec![claim],
        remedies: Vec::new(),
    });
    Ok(())
}

fn justification(reason_class: &str) -> Justification {
    match reason_class {
        // The hole is in software that another package ships, or nobody.
        "linux-kernel" | "qemu" | "xapi-not-shipped" | "blktap-not-shipped" | "windows-pv-drivers" => {
            Justification::ComponentNotPresent
        }
        "version-range" => Justification::VersionNotInRange,
        "documentation-only" | "no-code-change" => Justification::VulnerableCodeNotPresent,
        _ => Justification::NotGiven,
    }
}
