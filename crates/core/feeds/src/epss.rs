//! EPSS scores of FIRST: a CSV, usually with a comment line that names the model and the day.

use rustc_hash::FxHashMap;
use underpin_model::facts::{Document, Epss, Format, VulnerabilityFacts};

use crate::identity::vulnerability_id;
use crate::json::{instant, plausible, shown};
use crate::{Defect, Position};

fn bad(line: u64, reason: impl Into<String>) -> Defect {
    Defect { at: Position::Line { line }, reason: reason.into(), format: Some(Format::Epss) }
}

/// Parses the scores. A line that cannot be used is left out and told: the others count.
pub(crate) fn parse(text: &str) -> Result<Document, Defect> {
    let mut model = None;
    let mut scored = None;
    if let Some(comment) = text.trim_start().strip_prefix('#') {
        for part in comment.lines().next().unwrap_or_default().split(',') {
            match part.trim().split_once(':') {
                Some(("model_version", version)) => model = Some(version.trim().to_owned()),
                Some(("score_date", date)) => scored = Some(instant(date).map_err(|reason| bad(1, reason))?),
                _ => {}
            }
        }
    }
    let of = |at: jiff::Timestamp| plausible(at.to_zoned(jiff::tz::TimeZone::UTC).date());
    let day = scored.map(of).transpose().map_err(|reason| bad(1, format!("score_date: {reason}")))?;
    let id = day.map_or_else(|| "epss".to_owned(), |day| format!("epss-{day}"));
    let mut document = Document::new(id, Format::Epss);
    document.updated = scored;

    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| csv_defect(&error))?.clone();
    let column = |name: &str| {
        headers.iter().position(|header| header.eq_ignore_ascii_case(name)).ok_or_else(|| {
            bad(reader_line(text), format!("no column {name:?}; expected cve,epss,percentile"))
        })
    };
    let (cve, epss, percentile) = (column("cve")?, column("epss")?, column("percentile")?);
    let read = |row: Result<csv::StringRecord, csv::Error>| {
        let row = row.map_err(|error| csv_defect(&error))?;
        let line = row.position().map_or(0, csv::Position::line);
        let name = row.get(cve).unwrap_or_default();
        let mut facts =
            VulnerabilityFacts::new(vulnerability_id(name).map_err(|error| bad(line, error.to_string()))?);
        facts.epss = Some(Epss {
            probability: share(row.get(epss), "epss", name)
                .and_then(|it| uncertain(it, name))
                .map_err(|reason| bad(line, reason))?,
            percentile: share(row.get(percentile), "percentile", name).map_err(|reason| bad(line, reason))?,
            model: model.clone(),
            scored: day,
        });
        Ok((line, facts))
    };
    let mut place = FxHashMap::default();
    let mut first = None;
    for row in reader.records() {
        let mut left_out =
            |defect: &Defect| document.left_out.push(format!("{}: {}", defect.at, defect.reason));
        match read(row) {
            Ok((line, facts)) => {
                let at = *place.entry(facts.id.clone()).or_insert(document.vulnerabilities.len());
                match document.vulnerabilities.get_mut(at) {
                    Some(known) => left_out(&again(known, facts, line)),
                    None => document.vulnerabilities.push(facts),
                }
            }
            Err(defect) => {
                left_out(&defect);
                first.get_or_insert(defect);
            }
        }
    }
    // Each line is a fact of its own, so that one bad line says nothing about the others; without a good one it is no table of scores.
    match first {
        Some(defect) if document.vulnerabilities.is_empty() => Err(defect),
        _ => Ok(document),
    }
}

/// Keeps the higher of two scores of one vulnerability: a missed exploitation costs more than a feared one.
fn again(known: &mut VulnerabilityFacts, other: VulnerabilityFacts, line: u64) -> Defect {
    let of = |it: &VulnerabilityFacts| it.epss.as_ref().map_or(0.0, |epss| epss.probability);
    let (a, b) = (of(known), of(&other));
    if b > a {
        known.epss = other.epss;
    }
    let name = shown(known.id.as_str());
    bad(line, format!("{name} is scored twice, {a} and {b}; expected once, the higher counts"))
}

/// The line of the header, for its defects.
fn reader_line(text: &str) -> u64 {
    if text.trim_start().starts_with('#') { 2 } else { 1 }
}

fn csv_defect(error: &csv::Error) -> Defect {
    bad(error.position().map_or(1, csv::Position::line), error.to_string())
}

fn share(cell: Option<&str>, column: &str, name: &str) -> Result<f64, String> {
    let cell = cell.unwrap_or_default();
    match cell.parse::<f64>() {
        // NaN is in no range.
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("{column} of {} is {}; expected a number from 0 to 1", shown(name), shown(cell))),
    }
}

/// A score of exactly 1 is no forecast: its hazard has no end, and no model publishes it. To take it for some number below 1 would
/// make one up.
fn uncertain(score: f64, name: &str) -> Result<f64, String> {
    if score < 1.0 {
        return Ok(score);
    }
    Err(format!(
        "epss of {} is {score}; expected less than 1: nothing is certain, and what is known to be exploited belongs in a KEV list",
        shown(name)
    ))
}
