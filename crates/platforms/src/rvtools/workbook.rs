//! Tabs of an .xlsx file as rows of named cells, within bounds.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use calamine::{Data, DataRef, Reader, Xlsx};
use serde_json::Value;

use super::ReadError;

/// The most that a workbook may unpack to. The export of ten thousand VMs unpacks to some 100 MiB.
pub const MAX_UNPACKED_BYTES: u64 = 512 << 20;
/// An .xlsx file has a few parts for each tab.
const MAX_PARTS: usize = 4096;

/// One row below the header: header to value, in the order of the columns.
#[derive(Debug)]
pub(super) struct Row {
    /// Its number in the sheet, from 1.
    pub(super) number: u32,
    pub(super) cells: Vec<(String, Value)>,
}

/// Refuses what unpacks to too much. The sizes that the archive declares are not trusted: every part is unpacked to
/// nowhere first, and counted.
pub(super) fn check_size(bytes: &[u8], limit: u64) -> Result<(), ReadError> {
    let broken = |error: zip::result::ZipError| ReadError::NotAWorkbook { reason: error.to_string() };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > MAX_PARTS {
        return Err(ReadError::NotAWorkbook {
            reason: format!("{} parts; at most {MAX_PARTS} are expected", archive.len()),
        });
    }
    let mut declared: u64 = 0;
    for part in 0..archive.len() {
        declared = declared.saturating_add(archive.by_index_raw(part).map_err(broken)?.size());
    }
    if declared > limit {
        return Err(ReadError::TooLarge { limit });
    }
    let mut left = limit;
    for part in 0..archive.len() {
        let entry = archive.by_index(part).map_err(broken)?;
        let read = std::io::copy(&mut entry.take(left + 1), &mut std::io::sink())
            .map_err(|error| ReadError::NotAWorkbook { reason: error.to_string() })?;
        left = left.checked_sub(read).ok_or(ReadError::TooLarge { limit })?;
    }
    Ok(())
}

/// An open workbook.
pub(super) struct Workbook<'a> {
    xlsx: Xlsx<Cursor<&'a [u8]>>,
    pub(super) tabs: Vec<String>,
}

impl<'a> Workbook<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, ReadError> {
        check_size(bytes, MAX_UNPACKED_BYTES)?;
        let broken = |reason: String| ReadError::NotAWorkbook { reason };
        let xlsx = guarded(|| Xlsx::new(Cursor::new(bytes)))
            .map_err(broken)?
            .map_err(|error: calamine::XlsxError| broken(error.to_string()))?;
        let tabs = xlsx.sheet_names();
        Ok(Self { xlsx, tabs })
    }

    /// The rows of a tab; `None`: there is no such tab. Cells are streamed: a sheet whose only cells are the first and
    /// the last possible one would otherwise take all memory.
    pub(super) fn rows(&mut self, tab: &str) -> Result<Option<Vec<Row>>, ReadError> {
        let Some(name) = self.tabs.iter().find(|name| name.trim().eq_ignore_ascii_case(tab)).cloned() else {
            return Ok(None);
        };
        match guarded(|| self.cells(tab, &name)) {
            Ok(rows) => rows.map(Some),
            Err(reason) => Err(ReadError::Tab { tab: tab.to_owned(), reason }),
        }
    }

    fn cells(&mut self, tab: &str, name: &str) -> Result<Vec<Row>, ReadError> {
        let broken =
            |error: calamine::XlsxError| ReadError::Tab { tab: tab.to_owned(), reason: error.to_string() };
        let mut cells = self.xlsx.worksheet_cells_reader(name).map_err(broken)?;
        let mut header: BTreeMap<u32, String> = BTreeMap::new();
        let mut rows: Vec<Row> = Vec::new();
        while let Some(cell) = cells.next_cell().map_err(broken)? {
            let (row, column) = cell.get_position();
            let Some(value) = value(cell.get_value()) else { continue };
            if row == 0 {
                let title = value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
                header.insert(column, title);
                continue;
            }
            let Some(title) = header.get(&column) else { continue };
            let number = row.saturating_add(1);
            match rows.last_mut() {
                Some(last) if last.number == number => last.cells.push((title.clone(), value)),
                _ => rows.push(Row { number, cells: vec![(title.clone(), value)] }),
            }
        }
        Ok(rows)
    }
}

/// The library that reads workbooks computes with numbers of the file unchecked, which panics where overflow is checked: a
/// damaged cell is a reason to refuse the workbook, not to end the program.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .map_err(|_| "a cell or its address is damaged".to_owned())
}

/// `None`: an empty cell.
fn value(cell: &DataRef<'_>) -> Option<Value> {
    match cell {
        DataRef::Empty => None,
        DataRef::Bool(value) => Some(Value::Bool(*value)),
        DataRef::Int(value) => Some(Value::from(*value)),
        // Spreadsheets keep every number as a float; a whole one is a count here.
        DataRef::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => {
            Some(Value::from(*value as i64))
        }
        DataRef::Float(value) => Some(Value::from(*value)),
        DataRef::String(text) => text_value(text),
        DataRef::SharedString(text) => text_value(text),
        other => text_value(&Data::from(other.clone()).to_string()),
    }
}

fn text_value(text: &str) -> Option<Value> {
    let text = text.trim();
    (!text.is_empty()).then(|| Value::from(text))
}

impl Row {
    /// Takes a cell by the first of these headers that it has, whatever their case.
    pub(super) fn take(&mut self, headers: &[&str]) -> Option<Value> {
        headers.iter().find_map(|header| {
            let at = self.cells.iter().position(|(title, _)| title.eq_ignore_ascii_case(header))?;
            Some(self.cells.remove(at).1)
        })
    }

    pub(super) fn text(&mut self, headers: &[&str]) -> Option<String> {
        self.take(headers).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// A whole number, with or without thousands separators.
    pub(super) fn number(&mut self, headers: &[&str]) -> Option<u64> {
        match self.take(headers)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.replace([',', ' ', '\''], "").parse().ok(),
            _ => None,
        }
    }

    pub(super) fn flag(&mut self, headers: &[&str]) -> Option<bool> {
        match self.take(headers)? {
            Value::Bool(value) => Some(value),
            Value::Number(number) => number.as_u64().map(|number| number != 0),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Some(true),
                "false" | "no" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }
}
