//! Dotted versions in the manner of Semantic Versioning 2.0.0, for upstreams that follow it more or less.
//!
//! - A `v` before the first digit and build metadata after the first `+` do not count.
//! - The release is a row of numbers and words; what separates them does not count, a missing part is 0, so `4.17` equals
//!   `4.17.0`. A word that names a pre-release (`rc`, `beta`, ...) sorts before 0, any other word after 0 and before 1:
//!   `4.17.0rc1 < 4.17 < 4.17a < 4.17.1`.
//! - After the first hyphen or tilde comes a pre-release; it sorts before its release. Its parts are ordered as in semver
//!   (numbers before words, fewer before more), except that `rc9` sorts before `rc10`.

use std::cmp::Ordering;

use super::{InvalidVersion, Scheme, by_value, take_while};

/// Words that make a part of the release a pre-release.
const PRE_RELEASE: [&[u8]; 8] =
    [b"alpha", b"beta", b"dev", b"pre", b"preview", b"rc", b"snapshot", b"unstable"];

#[derive(Clone, Copy)]
enum Part<'a> {
    Number(&'a [u8]),
    Word(&'a [u8]),
}

/// Orders any two texts that are not blank: a total order of what the module page says counts.
///
/// # Errors
/// [`InvalidVersion`] for a text without a letter or digit.
pub fn compare(left: &str, right: &str) -> Result<Ordering, InvalidVersion> {
    let ((left, left_pre), (right, right_pre)) = (split(left)?, split(right)?);
    Ok(order_release(left, right).then_with(|| match (left_pre.is_empty(), right_pre.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => order_pre_release(left_pre, right_pre),
    }))
}

/// The release and the pre-release, empty when there is none.
fn split(text: &str) -> Result<(&[u8], &[u8]), InvalidVersion> {
    if !text.bytes().any(is_part) {
        return Err(InvalidVersion::new(Scheme::Generic, text, "it has no letter or digit"));
    }
    let bytes = text.trim().as_bytes();
    let bytes = match bytes {
        [b'v' | b'V', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => rest,
        _ => bytes,
    };
    let (bytes, _metadata) = take_while(bytes, |byte| byte != b'+');
    let (release, pre_release) = take_while(bytes, |byte| byte != b'-' && byte != b'~');
    Ok((release, pre_release))
}

/// Everything beyond ASCII counts as a letter, so that no two such texts are equal by accident.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

fn next_part(text: &[u8]) -> (Option<Part<'_>>, &[u8]) {
    let (_, at) = take_while(text, |byte| !is_part(byte));
    match at.first() {
        None => (None, at),
        Some(first) if first.is_ascii_digit() => {
            let (number, rest) = take_while(at, |byte| byte.is_ascii_digit());
            (Some(Part::Number(number)), rest)
        }
        Some(_) => {
            let (word, rest) = take_while(at, |byte| is_part(byte) && !byte.is_ascii_digit());
            (Some(Part::Word(word)), rest)
        }
    }
}

/// Orders two rows of parts as if both went on with zeros for ever; on such rows the order of the parts carries over.
fn order_release(mut left: &[u8], mut right: &[u8]) -> Ordering {
    loop {
        let ((left_part, left_rest), (right_part, right_rest)) = (next_part(left), next_part(right));
        if left_part.is_none() && right_part.is_none() {
            return Ordering::Equal;
        }
        let zero = Part::Number(b"0");
        let order = order_release_part(left_part.unwrap_or(zero), right_part.unwrap_or(zero));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
}

fn order_release_part(left: Part<'_>, right: Part<'_>) -> Ordering {
    let class = |part: Part<'_>| match part {
        Part::Word(word) if PRE_RELEASE.iter().any(|name| name.eq_ignore_ascii_case(word)) => 0,
        Part::Number(digits) if digits.iter().all(|digit| *digit == b'0') => 1,
        Part::Word(_) => 2,
        Part::Number(_) => 3,
    };
    class(left).cmp(&class(right)).then_with(|| order_same(left, right))
}

fn order_pre_release(mut left: &[u8], mut right: &[u8]) -> Ordering {
    loop {
        let ((left_part, left_rest), (right_part, right_rest)) = (next_part(left), next_part(right));
        let order = match (left_part, right_part) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => order_same(left, right),
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
}

/// Numbers by value before words by their bytes without regard to letter case.
fn order_same(left: Part<'_>, right: Part<'_>) -> Ordering {
    match (left, right) {
        (Part::Number(left), Part::Number(right)) => by_value(left, right),
        (Part::Number(_), Part::Word(_)) => Ordering::Less,
        (Part::Word(_), Part::Number(_)) => Ordering::Greater,
        (Part::Word(left), Part::Word(right)) => {
            let lower = |byte: &u8| byte.to_ascii_lowercase();
            left.iter().map(lower).cmp(right.iter().map(lower))
        }
    }
}
