//! CVE JSON 5 records: the CNA's container and those of the ADPs.

mod affected;
mod vmware;
mod wire;

use std::sync::Arc;

use underpin_model::facts::{Advisory, Cvss, Document, Format, Kev, Ssvc, VulnerabilityFacts};
use underpin_model::id::AdvisoryId;

use crate::Defect;
use crate::identity::vulnerability_id;
use crate::json::{Text, day, defect, instant, is_vector, read, short_title};
use wire::{Container, Record};

/// Parses a CVE record.
pub(crate) fn parse(text: &str) -> Result<Document, Defect> {
    let record: Record<'_> = read(text, Format::Cve5)?;
    let metadata = &record.cve_metadata;
    let id = vulnerability_id(metadata.cve_id.as_str())
        .map_err(|error| defect(Format::Cve5, "/cveMetadata/cveId", error.to_string()))?;
    let cve = id.as_str().to_owned();
    let mut document = Document::new(cve.as_str(), Format::Cve5);
    document.updated = metadata.date_updated.map(|date| date.0);
    let mut facts = VulnerabilityFacts::new(id.clone());
    facts.withdrawn = metadata.state.as_str() == "REJECTED";
    let published = record.containers.cna.date_public.or(metadata.date_published).map(|date| date.0);
    facts.published = published;

    let containers = std::iter::once(("/containers/cna".to_owned(), &record.containers.cna)).chain(
        record
            .containers
            .adp
            .iter()
            .enumerate()
            .map(|(index, adp)| (format!("/containers/adp/{index}"), adp)),
    );
    let mut claims = affected::Claims::new(Arc::from([id]));
    for (at, container) in containers {
        scores(&mut facts, container, &at, &mut document.left_out);
        others(&mut facts, container, &at)?;
        for affected in &container.affected {
            claims.add(affected);
        }
    }
    // A rejected record is no vulnerability: it claims nothing.
    if !facts.withdrawn {
        document.advisories.push(Advisory {
            id: AdvisoryId::new(cve.as_str())
                .map_err(|error| defect(Format::Cve5, "/cveMetadata/cveId", error.to_string()))?,
            title: record.containers.cna.title.as_ref().and_then(|title| short_title(title.as_str())),
            published: metadata.date_published.map(|date| date.0),
            updated: document.updated,
            class: None,
            severity: None,
            claims: claims.finish(),
            remedies: Vec::new(),
        });
    }
    document.vulnerabilities.push(facts);
    Ok(document)
}

fn scores(facts: &mut VulnerabilityFacts, container: &Container<'_>, at: &str, left_out: &mut Vec<String>) {
    let scorer = container.provider_metadata.as_ref().and_then(|provider| provider.short_name.as_ref());
    for (index, metric) in container.metrics.iter().enumerate() {
        for vector in [&metric.v2, &metric.v30, &metric.v31, &metric.v4].into_iter().flatten() {
            let cvss = Cvss {
                vector: vector.vector_string.as_str().to_owned(),
                scorer: scorer.map(|name| name.as_str().to_owned()),
            };
            if !facts.cvss.contains(&cvss)
                && is_vector(&cvss.vector, || format!("{at}/metrics/{index}"), left_out)
            {
                facts.cvss.push(cvss);
            }
        }
    }
}

/// SSVC and KEV, which CISA publishes as metrics of kind `other`. Other kinds, and decision values that are not
/// known here, are passed over; a date that is none is a defect.
fn others(facts: &mut VulnerabilityFacts, container: &Container<'_>, at: &str) -> Result<(), Defect> {
    for (index, metric) in container.metrics.iter().enumerate() {
        let Some(other) = &metric.other else { continue };
        let at = |field: &str| format!("{at}/metrics/{index}/other/content/{field}");
        match other.kind.as_str() {
            "ssvc" => {
                let assessed = match other.content.get("timestamp").and_then(serde_json::Value::as_str) {
                    Some(text) => {
                        Some(instant(text).map_err(|reason| defect(Format::Cve5, at("timestamp"), reason))?)
                    }
                    None => None,
                };
                facts.ssvc = ssvc(&other.content, assessed).or(facts.ssvc);
            }
            "kev" => {
                let Some(added) = other.content.get("dateAdded").and_then(serde_json::Value::as_str) else {
                    continue;
                };
                let added = day(added).map_err(|reason| defect(Format::Cve5, at("dateAdded"), reason))?;
                facts.kev = Some(Kev { added, due: None, ransomware: false });
            }
            _ => {}
        }
    }
    Ok(())
}

fn ssvc(content: &serde_json::Value, at: Option<jiff::Timestamp>) -> Option<Ssvc> {
    let options = content.get("options")?.as_array()?;
    let value = |name: &str| {
        let value = options.iter().find_map(|option| option.get(name))?;
        Some(serde_json::Value::String(value.as_str()?.to_lowercase()))
    };
    Some(Ssvc {
        exploitation: serde_json::from_value(value("Exploitation")?).ok()?,
        automatable: serde_json::from_value(value("Automatable")?).ok()?,
        technical_impact: serde_json::from_value(value("Technical Impact")?).ok()?,
        at,
    })
}

/// A text that may be missing or empty.
fn present<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|text| text.as_str().trim()).filter(|text| !text.is_empty())
}
