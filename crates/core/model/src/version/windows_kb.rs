//! Windows updates by the number of their knowledge base article: `KB5034129`.

use std::cmp::Ordering;

use super::{Comparison, InvalidVersion, Scheme, by_value};

/// Says whether two updates are the same one.
///
/// Different updates are [incomparable](Comparison::Incomparable): a higher number is not a later update; only a
/// supersedence chain tells which one replaces which.
///
/// # Errors
/// [`InvalidVersion`] for anything but digits, optionally after `KB`.
pub fn compare(left: &str, right: &str) -> Result<Comparison, InvalidVersion> {
    Ok(match by_value(number(left)?, number(right)?) {
        Ordering::Equal => Comparison::Ordered(Ordering::Equal),
        Ordering::Less | Ordering::Greater => Comparison::Incomparable,
    })
}

fn number(text: &str) -> Result<&[u8], InvalidVersion> {
    let trimmed = text.trim_matches([' ', '\t']);
    let digits = match trimmed.split_at_checked(2) {
        Some((prefix, digits)) if prefix.eq_ignore_ascii_case("kb") => digits,
        _ => trimmed,
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(InvalidVersion::new(Scheme::WindowsKb, text, "expected digits, optionally after KB"));
    }
    Ok(digits.as_bytes())
}
