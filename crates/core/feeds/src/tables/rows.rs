//! Reading rows and cells: what all tables have in common is how a bad cell is reported.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use underpin_model::facts::{Cvss, Format};
use underpin_model::id::{AdvisoryId, MAX_ID_BYTES, VulnerabilityId};

use crate::identity::vulnerability_id;
use crate::json::is_plausible;
use crate::{Defect, Position};

/// Longest part of a bad value that is shown.
const SHOWN: usize = 80;

/// A cell that is not what its column promises.
#[derive(Debug)]
pub(super) struct Wrong {
    column: String,
    value: String,
    expected: Cow<'static, str>,
}

/// The content of a cell, or what is wrong with it.
pub(super) type Cell<T> = Result<T, Wrong>;

impl Wrong {
    pub(super) fn new(
        column: impl Into<String>,
        value: &str,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut end = value.len().min(SHOWN);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let mut shown = value.get(..end).unwrap_or_default().to_owned();
        if end < value.len() {
            shown.push('\u{2026}');
        }
        Self { column: column.into(), value: shown, expected: expected.into() }
    }

    fn reason(&self) -> String {
        format!(
            "{} is {:?}, expected {}; correct or remove this row, no row of the table is used until then",
            self.column, self.value, self.expected
        )
    }

    /// As a defect of a table that is read by lines.
    pub(super) fn at_line(&self, format: Format, line: u64) -> Defect {
        Defect { at: Position::Line { line }, reason: self.reason(), format: Some(format) }
    }

    /// As a defect of a JSON table; `row` is the pointer of the row, the column (a pointer without its first slash)
    /// completes it.
    pub(super) fn at_pointer(&self, format: Format, row: &str) -> Defect {
        let pointer = format!("{row}/{}", self.column);
        Defect { at: Position::Pointer(pointer), reason: self.reason(), format: Some(format) }
    }
}

/// The cells of one CSV row by column name.
pub(super) struct Row<'a> {
    columns: &'a [(&'static str, usize)],
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The text of a column; [`read_csv`] has made sure that the column is there.
    pub(super) fn text(&self, column: &'static str) -> &str {
        let index = self.columns.iter().find(|(name, _)| *name == column).map(|(_, index)| *index);
        index.and_then(|index| self.record.get(index)).unwrap_or_default().trim()
    }
}

/// Reads a CSV table with a header line and hands each row to `each`.
pub(super) fn read_csv(
    bytes: &[u8],
    format: Format,
    wanted: &[&'static str],
    mut each: impl FnMut(&Row<'_>) -> Cell<()>,
) -> Result<(), Defect> {
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header = reader.headers().map_err(|error| csv_defect(&error, format, 1))?;
    let mut columns = Vec::with_capacity(wanted.len());
    for name in wanted {
        let Some(index) = header.iter().position(|cell| cell.trim() == *name) else {
            let reason = format!("the header has no column {name:?}; expected {}", wanted.join(","));
            return Err(Defect { at: Position::Line { line: 1 }, reason, format: Some(format) });
        };
        columns.push((*name, index));
    }
    let mut record = csv::StringRecord::new();
    loop {
        let before = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(csv_defect(&error, format, before)),
        }
        let line = record.position().map_or(before, csv::Position::line);
        each(&Row { columns: &columns, record: &record }).map_err(|wrong| wrong.at_line(format, line))?;
    }
}

fn csv_defect(error: &csv::Error, format: Format, fallback: u64) -> Defect {
    let line = error.position().map_or(fallback, csv::Position::line).max(1);
    let reason = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the row has {len} cells, expected {expected_len} as in the header")
        }
        csv::ErrorKind::Utf8 { err, .. } => {
            format!("cell {} is not UTF-8; save the table as UTF-8", err.field() + 1)
        }
        _ => format!("the row cannot be read as CSV: {error}"),
    };
    Defect { at: Position::Line { line }, reason, format: Some(format) }
}

/// Reads a JSON table into `T`.
pub(super) fn read_json<T: DeserializeOwned>(bytes: &[u8], format: Format) -> Result<T, Defect> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let table = serde_path_to_error::deserialize(&mut json).map_err(|error| Defect {
        at: Position::Pointer(pointer(error.path())),
        reason: format!("{}; expected the layout of a {format} table", error.inner()),
        format: Some(format),
    })?;
    json.end().map_err(|error| Defect {
        at: Position::Pointer(String::new()),
        reason: format!("{error}; expected one JSON value and nothing behind it"),
        format: Some(format),
    })?;
    Ok(table)
}

/// The JSON pointer (RFC 6901) of a path.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// A key as a JSON pointer writes it.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Reads JSON lines and hands each row with its line number to `each`; empty lines are skipped.
pub(super) fn read_json_lines<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    format: Format,
    mut each: impl FnMut(u64, T) -> Cell<()>,
) -> Result<(), Defect> {
    for (number, line) in (1_u64..).zip(bytes.split(|&byte| byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let row = serde_json::from_slice(line).map_err(|error| Defect {
            at: Position::Line { line: number },
            reason: format!("{error}; expected one row of a {format} table as a JSON object"),
            format: Some(format),
        })?;
        each(number, row).map_err(|wrong| wrong.at_line(format, number))?;
    }
    Ok(())
}

/// An ISO date between 1970 and 2999.
pub(super) fn date(column: &str, value: &str) -> Cell<Date> {
    let wrong = || Wrong::new(column, value, "an ISO date (YYYY-MM-DD) from 1970-01-01 to 2999-12-31");
    let parsed: Date =
        if value.len() == 10 { value.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
    if is_plausible(parsed) { Ok(parsed) } else { Err(wrong()) }
}

/// As [`date`], `None` if the cell is empty.
pub(super) fn optional_date(column: &str, value: Option<&str>) -> Cell<Option<Date>> {
    value.filter(|text| !text.is_empty()).map(|text| date(column, text)).transpose()
}

/// A day of eight digits: `20250909`.
pub(super) fn compact_date(column: &str, value: &str) -> Cell<Date> {
    let wrong = || Wrong::new(column, value, "a date of eight digits (YYYYMMDD) from 1970 to 2999");
    if value.len() != 8 || !is_digits(value) {
        return Err(wrong());
    }
    let (year, rest) = value.split_at(4);
    let (month, day) = rest.split_at(2);
    date(column, &format!("{year}-{month}-{day}")).map_err(|_| wrong())
}

/// Midnight UTC of a day: tables know days only.
pub(super) fn midnight(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// A CVE id.
pub(super) fn cve(column: &str, value: &str) -> Cell<VulnerabilityId> {
    let wrong = || Wrong::new(column, value, "a CVE id (CVE-YYYY-NNNN...)");
    let id = vulnerability_id(value).map_err(|_| wrong())?;
    let (year, number) =
        id.as_str().strip_prefix("CVE-").and_then(|rest| rest.split_once('-')).ok_or_else(wrong)?;
    if year.len() != 4 || !is_digits(year) || number.len() < 4 || !is_digits(number) {
        return Err(wrong());
    }
    Ok(id)
}

/// A Xen security advisory as a vulnerability: `XSA-435`.
pub(super) fn xsa(column: &str, number: u32) -> Cell<VulnerabilityId> {
    let text = format!("XSA-{number}");
    VulnerabilityId::new(text.as_str()).map_err(|_| Wrong::new(column, &text, "the number of an XSA"))
}

/// A vulnerability that has its issuer's name.
pub(super) fn vulnerability(column: &str, value: &str) -> Cell<VulnerabilityId> {
    vulnerability_id(value).map_err(|_| Wrong::new(column, value, NAME))
}

/// A CVSS vector: all of it is read, and what cannot be is refused by metric.
pub(super) fn vector(column: impl Into<String>, value: &str, expected: &str) -> Cell<Cvss> {
    match underpin_model::cvss::score(value) {
        Ok(_) => Ok(Cvss { vector: value.to_owned(), scorer: None }),
        Err(it) => {
            let expected = format!("{expected}; at {:?}: {}", it.part, it.reason);
            Err(Wrong::new(column, value, expected))
        }
    }
}

/// An advisory's id.
pub(super) fn advisory(column: &str, value: &str) -> Cell<AdvisoryId> {
    AdvisoryId::new(value).map_err(|_| Wrong::new(column, value, NAME))
}

const NAME: &str = "a name of 1 to 512 bytes without control characters";

/// A name or version: not empty, not endless, printable.
pub(super) fn name(column: &str, value: &str) -> Cell<Arc<str>> {
    let value = value.trim();
    if value.is_empty() || value.len() > MAX_ID_BYTES || value.chars().any(char::is_control) {
        return Err(Wrong::new(column, value, NAME));
    }
    Ok(value.into())
}

/// A number as text: a build, a KB.
pub(super) fn number(column: &str, value: &str, expected: &'static str) -> Cell<Arc<str>> {
    if is_digits(value) && value.len() <= 20 {
        Ok(value.into())
    } else {
        Err(Wrong::new(column, value, expected))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
