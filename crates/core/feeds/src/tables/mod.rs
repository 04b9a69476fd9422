//! The fact tables.

use underpin_model::facts::{Document, Format};

use crate::{Defect, Position};

/// The table format of these bytes, if they are one.
#[must_use]
pub(crate) fn recognise(bytes: &[u8]) -> Option<Format> {
    let _ = bytes;
    None
}

/// Parses a fact table.
pub(crate) fn parse(bytes: &[u8], format: Format) -> Result<Document, Defect> {
    let _ = bytes;
    Err(Defect {
        at: Position::Pointer(String::new()),
        reason: format!("no reader for the table {format}"),
        format: Some(format),
    })
}
