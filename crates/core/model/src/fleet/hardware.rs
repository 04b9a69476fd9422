//! What makes hosts alike.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Host;

/// What a host's hardware is, as far as a bad release or the time that it takes can tell: maker, model and processor. Evidence
/// from one class says nothing about another.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HardwareClass {
    /// Maker; absent: unknown.
    pub vendor: Option<String>,
    /// Model; absent: unknown.
    pub model: Option<String>,
    /// Signature of the processor, else its model; absent: unknown.
    pub processor: Option<String>,
}

impl HardwareClass {
    /// The class of a host.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        let cpu = host.cpu.as_ref();
        Self {
            vendor: host.vendor.clone(),
            model: host.model.clone(),
            processor: cpu.and_then(|it| it.signature.clone().or_else(|| it.model.clone())),
        }
    }

    /// Nothing is known of it: hosts of such a class may differ in every way.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// What is known of one tells of the other: the same, and known.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        !self.is_unknown() && self == other
    }
}

impl fmt::Display for HardwareClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |it: &Option<String>| it.clone().unwrap_or_else(|| "?".to_owned());
        if self.is_unknown() {
            f.write_str("unknown hardware")
        } else {
            write!(f, "{} {} / {}", part(&self.vendor), part(&self.model), part(&self.processor))
        }
    }
}
