//! Xen security advisories: numbers and the days on which they became public.
//!
//! YAML: `- xsa: 1`, `date:`, `affected: yes|no`, optionally `unused: yes`. The words are booleans in YAML 1.1 and
//! texts in YAML 1.2; both are read. `affected` is a verdict on Qubes OS, not on Xen, and makes no claim here. A number
//! that was never used is a withdrawn vulnerability. The table names no fix, so it promises no coverage.

use serde::Deserialize;
use underpin_model::facts::{Document, Format, VulnerabilityFacts};

use super::rows::{self, Cell, Wrong};
use crate::{Defect, Position};

const FORMAT: Format = Format::XenAdvisories;

#[derive(Deserialize)]
struct Row {
    xsa: u32,
    date: String,
    affected: YesNo,
    unused: Option<YesNo>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum YesNo {
    Flag(bool),
    Word(String),
}

impl YesNo {
    fn read(&self, column: &str) -> Cell<bool> {
        match self {
            Self::Flag(flag) => Ok(*flag),
            Self::Word(word) => match word.to_ascii_lowercase().as_str() {
                "yes" => Ok(true),
                "no" => Ok(false),
                _ => Err(Wrong::new(column, word, "yes or no")),
            },
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Document, Defect> {
    let whole = |line: usize, reason: String| Defect {
        at: Position::Line { line: line.max(1) as u64 },
        reason,
        format: Some(FORMAT),
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        whole(line, "the line is not UTF-8; save the table as UTF-8".to_owned())
    })?;
    let table: Vec<Row> = serde_yaml_ng::from_str(text).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        whole(line, format!("{error}; expected a list of xsa, date, affected"))
    })?;
    let mut document = Document::new(FORMAT.name(), FORMAT);
    for (index, row) in table.iter().enumerate() {
        let facts = facts(row).map_err(|wrong| wrong.at_line(FORMAT, line_of_item(text, index)))?;
        document.updated = document.updated.max(facts.published);
        document.vulnerabilities.push(facts);
    }
    Ok(document)
}

fn facts(row: &Row) -> Cell<VulnerabilityFacts> {
    row.affected.read("affected")?;
    let mut facts = VulnerabilityFacts::new(rows::xsa("xsa", row.xsa)?);
    facts.published = rows::midnight(rows::date("date", &row.date)?);
    facts.withdrawn = row.unused.as_ref().map_or(Ok(false), |unused| unused.read("unused"))?;
    Ok(facts)
}

/// The line on which the item starts, counted from 1; the first line if the list is not written one item a dash.
fn line_of_item(text: &str, index: usize) -> u64 {
    let starts = (1_u64..).zip(text.lines()).filter(|(_, line)| line.starts_with("- "));
    starts.map(|(line, _)| line).nth(index).unwrap_or(1)
}
