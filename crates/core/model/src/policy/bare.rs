//! Days and moments of a policy: in quotes, or bare as TOML writes its own.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde::de::{Deserialize, Deserializer, Error};
use toml::value::Datetime;

#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "expected a day or moment, such as \"2027-01-01\"")]
enum Written {
    Text(String),
    Bare(Datetime),
}

/// What can stand in a policy: a day, or a moment.
pub(super) trait Dated: FromStr<Err: Display> {
    /// What is expected, with an example.
    const EXPECTED: &'static str;
}

impl Dated for Date {
    const EXPECTED: &'static str = "a day without a time, such as 2027-01-01: it counts to its end";
}

impl Dated for Time {
    const EXPECTED: &'static str = "a time of the day, such as 22:00";
}

impl Dated for Timestamp {
    const EXPECTED: &'static str = "a moment with its zone, such as 2027-01-01T22:00:00Z";
}

/// Reads a day or a moment, whichever `T` is.
pub(super) fn moment<'de, D: Deserializer<'de>, T: Dated>(deserializer: D) -> Result<T, D::Error> {
    let text = match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Bare(bare) => bare.to_string(),
    };
    text.parse()
        .map_err(|_| D::Error::custom(format!("`{text}`, expected {}{}", T::EXPECTED, no_such_day(&text))))
}

/// What is wrong with a text that has the form of a day and is none; otherwise nothing.
fn no_such_day(text: &str) -> &'static str {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |it: &&str, most: usize| it.len() == most && it.bytes().all(|it| it.is_ascii_digit());
    match parts.as_slice() {
        [year, month, day]
            if digits(year, 4) && digits(month, 2) && digits(day, 2) && text.parse::<Date>().is_err() =>
        {
            " (the calendar has no such day)"
        }
        _ => "",
    }
}

/// The same where it may be left out.
pub(super) fn optional<'de, D: Deserializer<'de>, T: Dated>(deserializer: D) -> Result<Option<T>, D::Error> {
    moment(deserializer).map(Some)
}
