//! JSON values as feeds write them, and the place of what is wrong in them.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_path_to_error::{Path, Segment};
use underpin_model::facts::Format;

use crate::{Defect, Position};

/// Reads one value, fast; only when that fails, reads again to learn where.
pub(crate) fn read<'de, T: Deserialize<'de>>(text: &'de str, format: Format) -> Result<T, Defect> {
    serde_json::from_str(text).map_err(|error| locate::<T>(text, format, &error))
}

/// The second reading, which tracks the path. It is only ever paid for a document that is refused.
fn locate<'de, T: Deserialize<'de>>(text: &'de str, format: Format, error: &serde_json::Error) -> Defect {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let at = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(traced) => pointer(traced.path()),
        // The value itself is sound, what follows it is not.
        Ok(_) => String::new(),
    };
    Defect { at: Position::Pointer(at), reason: error.to_string(), format: Some(format) }
}

/// An RFC 6901 pointer of a traced path.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&escape(key)),
            Segment::Enum { variant } => pointer.push_str(&escape(variant)),
            Segment::Unknown => pointer.push('?'),
        }
    }
    // A syntax error inside a value leaves the unknown step last: the value's own place is the answer.
    while let Some(shorter) = pointer.strip_suffix("/?") {
        pointer.truncate(shorter.len());
    }
    pointer
}

/// One reference token of a pointer.
pub(crate) fn escape(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// A defect at a pointer.
pub(crate) fn defect(format: Format, at: impl Into<String>, reason: impl Into<String>) -> Defect {
    Defect { at: Position::Pointer(at.into()), reason: reason.into(), format: Some(format) }
}

/// A text for a message: never more than a line's worth of a value that may have a million characters.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{:?}...", text.get(..at).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Whether a text is a CVSS vector. One that is not is left out and told, and the rest of its document counts: read half, it would
/// make a vulnerability look harmless. An empty text states nothing.
pub(crate) fn is_vector(text: &str, at: impl FnOnce() -> String, left_out: &mut Vec<String>) -> bool {
    if text.trim().is_empty() {
        return false;
    }
    match underpin_model::cvss::score(text) {
        Ok(_) => true,
        Err(error) => {
            left_out.push(format!("{}: {error}", at()));
            false
        }
    }
}

/// A title that stays short whatever the document has.
pub(crate) fn short_title(text: &str) -> Option<String> {
    const MOST: usize = 200;
    let text = text.trim();
    (!text.is_empty()).then(|| match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    })
}

/// A string that is borrowed from the document unless it has escapes. Unlike `Cow`, it also borrows inside lists,
/// which hold most of the text of a large CSAF document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// An instant as feeds write it: RFC 3339; CVE records also leave out the offset (then UTC is meant) or the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant(pub(crate) Timestamp);

/// Reads an instant or says what is wrong with it.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|error| text.parse::<Date>().map(|day| day.at(0, 0, 0, 0)).map_err(|_| error))
        .map_err(|error| {
            format!("{} is no date: {error}; expected one like 2024-06-25T14:16:01Z", shown(text))
        })?;
    // A text with an offset that failed as a timestamp must not pass as a local time.
    TimeZone::UTC.to_timestamp(civil).map_err(|error| format!("{} is out of range: {error}", shown(text)))
}

/// Whether a day may be meant. One outside of this stretch is a slip of the keyboard, or the zero of some program; it would
/// stretch ages, coverage and cadence by centuries.
pub(crate) fn is_plausible(day: Date) -> bool {
    (1970..=2999).contains(&day.year())
}

/// Reads a day or says what is wrong with it.
pub(crate) fn day(text: &str) -> Result<Date, String> {
    let text = text.trim();
    let day: Date = text
        .parse()
        .map_err(|error| format!("{} is no day: {error}; expected one like 2024-06-25", shown(text)))?;
    plausible(day)
}

/// The day, or where it is not plausible what is wrong with it.
pub(crate) fn plausible(day: Date) -> Result<Date, String> {
    if is_plausible(day) {
        Ok(day)
    } else {
        Err(format!("{day} is no plausible day; expected one from 1970-01-01 to 2999-12-31"))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        instant(text.as_str()).map(Self).map_err(D::Error::custom)
    }
}

/// A day: `2024-06-25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(pub(crate) Date);

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        day(text.as_str()).map(Self).map_err(D::Error::custom)
    }
}
