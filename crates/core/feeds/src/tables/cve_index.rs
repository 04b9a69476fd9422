//! Index of CVE records about hypervisors: vectors, SSVC decision points, KEV day.
//!
//! CSV: `cve,tags,published,assigner,vendor_products,cvss31,cvss40,ssvc,kev`. Each row is [`VulnerabilityFacts`]. The index
//! names products without versions; it makes no claim about them and promises no coverage. Who scored is not told.

use underpin_model::facts::{Document, Format, Kev, Ssvc, VulnerabilityFacts};
use underpin_model::ssvc::{Automatable, Exploitation, TechnicalImpact};

use super::rows::{self, Cell, Row, Wrong, read_csv};
use crate::Defect;

const FORMAT: Format = Format::CveIndex;

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let mut document = Document::new(FORMAT.name(), FORMAT);
    read_csv(bytes, FORMAT, &["cve", "published", "cvss31", "cvss40", "ssvc", "kev"], |row| {
        let facts = facts(row)?;
        document.updated = document.updated.max(facts.published);
        document.vulnerabilities.push(facts);
        Ok(())
    })?;
    Ok(document)
}

fn facts(row: &Row<'_>) -> Cell<VulnerabilityFacts> {
    let mut facts = VulnerabilityFacts::new(rows::cve("cve", row.text("cve"))?);
    facts.published = rows::optional_date("published", Some(row.text("published")))?.and_then(rows::midnight);
    for (column, version, expected) in
        [("cvss31", "CVSS:3.", "a CVSS 3.0 or 3.1 vector"), ("cvss40", "CVSS:4.0/", "a CVSS 4.0 vector")]
    {
        let vector = row.text(column);
        if vector.is_empty() {
            continue;
        }
        if !vector.starts_with(version) {
            return Err(Wrong::new(column, vector, expected));
        }
        facts.cvss.push(rows::vector(column, vector, expected)?);
    }
    facts.ssvc = ssvc(row.text("ssvc"))?;
    let added = rows::optional_date("kev", Some(row.text("kev")))?;
    facts.kev = added.map(|added| Kev { added, due: None, ransomware: false });
    Ok(facts)
}

fn ssvc(value: &str) -> Cell<Option<Ssvc>> {
    if value.is_empty() {
        return Ok(None);
    }
    let wrong =
        || Wrong::new("ssvc", value, "exploitation/automatable/technical impact, such as none/no/partial");
    let lower = value.to_ascii_lowercase();
    let [exploitation, automatable, impact] = lower.split('/').collect::<Vec<_>>()[..] else {
        return Err(wrong());
    };
    Ok(Some(Ssvc {
        exploitation: match exploitation {
            "none" => Exploitation::None,
            "poc" | "public poc" => Exploitation::Poc,
            "active" => Exploitation::Active,
            _ => return Err(wrong()),
        },
        automatable: match automatable {
            "no" => Automatable::No,
            "yes" => Automatable::Yes,
            _ => return Err(wrong()),
        },
        technical_impact: match impact {
            "partial" => TechnicalImpact::Partial,
            "total" => TechnicalImpact::Total,
            _ => return Err(wrong()),
        },
        at: None,
    }))
}
