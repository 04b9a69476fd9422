//! Debian versions: `[epoch:]upstream[-revision]`, as Debian Policy 5.6.12 defines and dpkg applies it.

use std::cmp::Ordering;

use super::{InvalidVersion, Scheme, by_value, take_while};

struct Version<'a> {
    epoch: u32,
    upstream: &'a [u8],
    revision: &'a [u8],
}

/// Orders two versions as `dpkg --compare-versions` does.
///
/// # Errors
/// [`InvalidVersion`] for a text that `dpkg --validate-version` calls bad syntax.
pub fn compare(left: &str, right: &str) -> Result<Ordering, InvalidVersion> {
    let (left, right) = (parse(left)?, parse(right)?);
    Ok(left
        .epoch
        .cmp(&right.epoch)
        .then_with(|| order(left.upstream, right.upstream))
        .then_with(|| order(left.revision, right.revision)))
}

fn parse(text: &str) -> Result<Version<'_>, InvalidVersion> {
    let invalid = |reason| InvalidVersion::new(Scheme::Dpkg, text, reason);
    // dpkg strips blanks at both ends, but no other white space.
    let trimmed = text.trim_matches([' ', '\t']);
    if trimmed.is_empty() {
        return Err(invalid("it is empty"));
    }
    let (epoch, rest) = match trimmed.split_once(':') {
        Some((epoch, rest)) => (parse_epoch(epoch).map_err(invalid)?, rest),
        None => (0, trimmed),
    };
    if rest.is_empty() {
        return Err(invalid("nothing follows the colon of the epoch"));
    }
    let (upstream, revision) = match rest.rsplit_once('-') {
        Some((_, "")) => return Err(invalid("the revision after the last hyphen is empty")),
        Some((upstream, revision)) => (upstream, revision),
        None => (rest, ""),
    };
    if !upstream.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(invalid("the upstream version does not start with a digit"));
    }
    let allowed = |byte: u8, signs: &[u8]| byte.is_ascii_alphanumeric() || signs.contains(&byte);
    if !upstream.bytes().all(|byte| allowed(byte, b".-+~:")) {
        return Err(invalid("the upstream version may hold only letters, digits and . - + ~ :"));
    }
    if !revision.bytes().all(|byte| allowed(byte, b".+~")) {
        return Err(invalid("the revision may hold only letters, digits and . + ~"));
    }
    Ok(Version { epoch, upstream: upstream.as_bytes(), revision: revision.as_bytes() })
}

/// dpkg reads the epoch with `strtol` into an `int`, so a sign is accepted as long as the value is not negative.
fn parse_epoch(text: &str) -> Result<u32, &'static str> {
    let (negative, digits) = match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(digits), _) => (true, digits),
        (None, Some(digits)) => (false, digits),
        (None, None) => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err("the epoch before the first colon is not a number");
    }
    let digits = digits.trim_start_matches('0');
    match (negative, digits.is_empty()) {
        (_, true) => Ok(0),
        (true, false) => Err("the epoch is negative"),
        (false, false) => match digits.parse::<i32>() {
            Ok(epoch) => Ok(epoch.unsigned_abs()),
            Err(_) => Err("the epoch is above 2147483647"),
        },
    }
}

/// Alternates between a run without digits, ordered by [`rank`], and a run of digits, ordered by value.
fn order(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        loop {
            let (l, r) = (rank(left.first()), rank(right.first()));
            if l != r {
                return l.cmp(&r);
            }
            if l == 0 {
                break;
            }
            // Equal and not zero: both start with the same sign or letter.
            left = left.get(1..).unwrap_or_default();
            right = right.get(1..).unwrap_or_default();
        }
        let (left_digits, left_rest) = take_while(left, |byte| byte.is_ascii_digit());
        let (right_digits, right_rest) = take_while(right, |byte| byte.is_ascii_digit());
        let digits = by_value(left_digits, right_digits);
        if digits != Ordering::Equal {
            return digits;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

/// Tilde before the end and digits, these before letters, letters before signs.
fn rank(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}
