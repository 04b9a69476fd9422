//! Days and moments of a policy: in quotes, or bare as TOML writes its own.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use toml::value::Datetime;

#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "expected a day or moment, such as \"2027-01-01\"")]
enum Written {
    Text(String),
    Bare(Datetime),
}

/// Reads a day or a moment, whichever `T` is.
pub(super) fn moment<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Bare(bare) => bare.to_string(),
    };
    text.parse().map_err(|error| D::Error::custom(format!("`{text}`, expected a day or moment: {error}")))
}

/// The same where it may be left out.
pub(super) fn optional<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    moment(deserializer).map(Some)
}
