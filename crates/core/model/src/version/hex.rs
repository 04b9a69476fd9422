//! Hexadecimal revisions, as microcode carries them: `0x2b000571`.

use std::cmp::Ordering;

use super::{InvalidVersion, Scheme};

/// Orders two revisions by value. The `0x` is optional; leading zeros and letter case do not count.
///
/// # Errors
/// [`InvalidVersion`] for anything but hexadecimal digits.
pub fn compare(left: &str, right: &str) -> Result<Ordering, InvalidVersion> {
    let (left, right) = (digits(left)?, digits(right)?);
    let lower = |digit: u8| digit.to_ascii_lowercase();
    Ok(left.len().cmp(&right.len()).then_with(|| left.bytes().map(lower).cmp(right.bytes().map(lower))))
}

fn digits(text: &str) -> Result<&str, InvalidVersion> {
    let trimmed = text.trim_matches([' ', '\t']);
    let digits = trimmed.strip_prefix("0x").or_else(|| trimmed.strip_prefix("0X")).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(InvalidVersion::new(
            Scheme::Hex,
            text,
            "expected hexadecimal digits, optionally after 0x",
        ));
    }
    Ok(digits.trim_start_matches('0'))
}
