//! The CISA catalogue of Known Exploited Vulnerabilities.

use jiff::tz::TimeZone;
use rustc_hash::FxHashSet;
use serde::Deserialize;
use underpin_model::facts::{Document, Format, Kev, VulnerabilityFacts};

use crate::Defect;
use crate::identity::vulnerability_id;
use crate::json::{Day, Instant, Text, defect, plausible, read, shown};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue<'a> {
    #[serde(borrow)]
    catalog_version: Text<'a>,
    date_released: Instant,
    count: Option<usize>,
    #[serde(borrow)]
    vulnerabilities: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(rename = "cveID", borrow)]
    cve: Text<'a>,
    date_added: Day,
    due_date: Option<Day>,
    #[serde(borrow)]
    known_ransomware_campaign_use: Option<Text<'a>>,
}

/// Parses the catalogue.
pub(crate) fn parse(text: &str) -> Result<Document, Defect> {
    let catalogue: Catalogue<'_> = read(text, Format::Kev)?;
    if let Some(count) = catalogue.count
        && count != catalogue.vulnerabilities.len()
    {
        let reason = format!(
            "the catalogue says {count} vulnerabilities and has {}: parts of it are missing",
            catalogue.vulnerabilities.len()
        );
        return Err(defect(Format::Kev, "/count", reason));
    }
    plausible(catalogue.date_released.0.to_zoned(TimeZone::UTC).date())
        .map_err(|reason| defect(Format::Kev, "/dateReleased", reason))?;
    let mut document = Document::new(format!("kev-{}", catalogue.catalog_version.as_str()), Format::Kev);
    document.updated = Some(catalogue.date_released.0);
    let mut seen = FxHashSet::default();
    for (index, entry) in catalogue.vulnerabilities.iter().enumerate() {
        let at = || format!("/vulnerabilities/{index}/cveID");
        let id = vulnerability_id(entry.cve.as_str())
            .map_err(|error| defect(Format::Kev, at(), error.to_string()))?;
        if !seen.insert(id.clone()) {
            let reason = format!("{} is listed twice", shown(entry.cve.as_str()));
            return Err(defect(Format::Kev, at(), reason));
        }
        let mut facts = VulnerabilityFacts::new(id);
        facts.kev = Some(Kev {
            added: entry.date_added.0,
            due: entry.due_date.map(|day| day.0),
            ransomware: entry
                .known_ransomware_campaign_use
                .as_ref()
                .is_some_and(|text| text.as_str().eq_ignore_ascii_case("known")),
        });
        document.vulnerabilities.push(facts);
    }
    Ok(document)
}
