//! What must hold besides a version: workarounds, settings that a fix needs, guests that must be started anew.

use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Family;
use crate::id::VulnerabilityId;

/// A setting of a host with the value that counts as "in force".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SettingValue {
    /// Name of the setting, as in the fleet file.
    pub setting: Arc<str>,
    /// The value that counts, as text (`true`, `false`, `off`); case does not matter.
    pub value: Arc<str>,
}

/// What a condition does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The setting in force closes the vulnerability without the fix (a workaround). Counts only when reviewed.
    Closes(SettingValue),
    /// The fix is delivered switched off: it counts only with the setting in force.
    NeededWithFix(SettingValue),
    /// The fix reaches a guest through CPU flags, which are set when the guest is cold-started.
    ColdStartGuests,
}

impl Effect {
    /// The name in the table: `closes`, `needed-with-fix`, `cold-start-guests`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Closes(_) => "closes",
            Self::NeededWithFix(_) => "needed-with-fix",
            Self::ColdStartGuests => "cold-start-guests",
        }
    }

    /// The setting that it is about, if any.
    #[must_use]
    pub fn setting(&self) -> Option<&SettingValue> {
        match self {
            Self::Closes(setting) | Self::NeededWithFix(setting) => Some(setting),
            Self::ColdStartGuests => None,
        }
    }
}

/// Who compared a fact with its source, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Review {
    /// Who.
    pub by: Arc<str>,
    /// When: from this day on the review counts.
    pub on: Date,
}

/// One condition: this vulnerability, in this product line, needs or is closed by this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Condition {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// The product line; `None`: any, which only [`Effect::ColdStartGuests`] can be about.
    pub family: Option<Family>,
    /// The train; `None`: any train of the family.
    pub train: Option<Arc<str>>,
    /// What it does.
    pub effect: Effect,
    /// The advisory that states it, as an id or an address.
    pub source: Arc<str>,
    /// When the source was published: before that the condition is not known.
    pub published: Date,
    /// Who compared it with its source; `None`: nobody.
    pub reviewed: Option<Review>,
}
