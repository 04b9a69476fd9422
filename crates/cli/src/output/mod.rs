//! Writing data to stdout or a file.

pub(crate) mod progress;

use std::io::{self, Write as _};
use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::exit::Failure;

/// Writes text to stdout. A reader that has seen enough (`head`) is no error.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::File),
    }
}

/// Writes a value as JSON to stdout.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Internal(format!("cannot write JSON: {error}")))?;
    text.push('\n');
    data(&text)
}

/// Writes bytes to a file whole or not at all: beside it first, then in its place.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    underpin_engine::data::write_atomic(path, bytes).map_err(|error| Failure::Data(error.to_string()))
}

/// A table in the house style: no frame, a line under the header, as wide as the terminal.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(
        header.iter().map(|text| comfy_table::Cell::new(text).add_attribute(comfy_table::Attribute::Bold)),
    );
    table
}

/// Talk: to stderr.
macro_rules! say {
    ($($argument:tt)*) => { anstream::eprintln!($($argument)*) };
}
pub(crate) use say;
