//! RPM versions: `[epoch:]version[-release]`, each part ordered segment by segment.

use std::cmp::Ordering;

use super::{InvalidVersion, Scheme, by_value, take_while};

struct Version<'a> {
    epoch: &'a [u8],
    version: &'a [u8],
    release: Option<&'a [u8]>,
}

/// Orders two EVRs by epoch (none is 0), version and release.
///
/// When one of them has no release, only epoch and version count, as in an RPM dependency: `1.0` stands for every
/// release of 1.0. The order is therefore transitive among texts that all have a release, or all have none.
///
/// # Errors
/// [`InvalidVersion`] when the version or a stated release is empty, or holds white space or control characters.
pub fn compare(scheme: Scheme, left: &str, right: &str) -> Result<Ordering, InvalidVersion> {
    let (left, right) = (parse(scheme, left)?, parse(scheme, right)?);
    let order = by_value(left.epoch, right.epoch).then_with(|| order_segments(left.version, right.version));
    Ok(match (left.release, right.release) {
        (Some(left), Some(right)) => order.then_with(|| order_segments(left, right)),
        _ => order,
    })
}

fn parse(scheme: Scheme, text: &str) -> Result<Version<'_>, InvalidVersion> {
    let invalid = |reason| InvalidVersion::new(scheme, text, reason);
    let trimmed = text.trim_matches([' ', '\t']);
    if trimmed.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
        return Err(invalid("it holds white space or a control character"));
    }
    // Only digits before a colon are an epoch; any other colon belongs to the version.
    let (epoch, rest) = match trimmed.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|digit| digit.is_ascii_digit()) => (epoch, rest),
        _ => ("", trimmed),
    };
    let (version, release) = match rest.rsplit_once('-') {
        Some((version, release)) => (version, Some(release.as_bytes())),
        None => (rest, None),
    };
    if version.is_empty() {
        return Err(invalid("the version is empty; expected [epoch:]version[-release]"));
    }
    if release.is_some_and(<[u8]>::is_empty) {
        return Err(invalid("the release after the last hyphen is empty"));
    }
    Ok(Version { epoch: epoch.as_bytes(), version: version.as_bytes(), release })
}

/// What a version goes on with after its separators. The order of the variants is RPM's: a tilde sorts before the
/// end, a caret after the end but before any segment, letters before numbers.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Next {
    Tilde,
    End,
    Caret,
    Letters,
    Digits,
}

/// Orders two versions (or two releases): the algorithm known as `rpmvercmp`.
#[must_use]
pub fn order_segments(mut left: &[u8], mut right: &[u8]) -> Ordering {
    loop {
        let (left_next, left_at) = next(left);
        let (right_next, right_at) = next(right);
        if left_next != right_next {
            return left_next.cmp(&right_next);
        }
        let (left_segment, left_rest) = segment(left_next, left_at);
        let (right_segment, right_rest) = segment(right_next, right_at);
        let order = match left_next {
            Next::End => return Ordering::Equal,
            Next::Tilde | Next::Caret => Ordering::Equal,
            Next::Letters => left_segment.cmp(right_segment),
            Next::Digits => by_value(left_segment, right_segment),
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
}

fn next(text: &[u8]) -> (Next, &[u8]) {
    let (_, at) = take_while(text, |byte| !byte.is_ascii_alphanumeric() && byte != b'~' && byte != b'^');
    let next = match at.first() {
        None => Next::End,
        Some(b'~') => Next::Tilde,
        Some(b'^') => Next::Caret,
        Some(byte) if byte.is_ascii_digit() => Next::Digits,
        Some(_) => Next::Letters,
    };
    (next, at)
}

fn segment(next: Next, at: &[u8]) -> (&[u8], &[u8]) {
    match next {
        Next::Digits => take_while(at, |byte| byte.is_ascii_digit()),
        Next::Letters => take_while(at, |byte| byte.is_ascii_alphabetic()),
        Next::Tilde | Next::Caret => at.split_at(at.len().min(1)),
        Next::End => (at, at),
    }
}
