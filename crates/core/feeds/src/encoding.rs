//! From bytes to text: UTF-8 with or without a byte order mark, nothing else.

use crate::{Defect, Position};

/// The text of a document, without its byte order mark.
///
/// # Errors
/// A [`Defect`] that names the encoding, where it can be told, and the line of the first byte that is not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Defect> {
    if let Some(name) = foreign(bytes) {
        return Err(at_line(1, format!("the document is {name}; convert it to UTF-8 first")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let sound = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + sound.iter().filter(|byte| **byte == b'\n').count();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let reason = if error.error_len().is_none() {
            format!("the document ends inside a UTF-8 character at byte {}: truncated?", error.valid_up_to())
        } else {
            format!(
                "byte {} is 0x{byte:02x}, which is not UTF-8 (Latin-1?); convert the document to UTF-8",
                error.valid_up_to()
            )
        };
        at_line(u64::try_from(line).unwrap_or(u64::MAX), reason)
    })
}

fn at_line(line: u64, reason: String) -> Defect {
    Defect { at: Position::Line { line }, reason, format: None }
}

/// What the first bytes show it to be, if not UTF-8. Four bytes tell UTF-16 and UTF-32 without a mark as well,
/// because a feed's first character is always ASCII.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, 1..=255, ..] | [1..=255, 0, 0, 0, ..] => {
            Some("UTF-32")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..] => {
            Some("UTF-16")
        }
        [0x1f, 0x8b, ..] => Some("compressed (gzip)"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("compressed (zstd)"),
        [b'P', b'K', 3, 4, ..] => Some("an archive (zip)"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Some("compressed (xz)"),
        _ => None,
    }
}
