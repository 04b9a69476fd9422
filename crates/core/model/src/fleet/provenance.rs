//! Where and when facts were seen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where and when a fact was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// When (RFC 3339).
    pub at: Timestamp,
    /// By what: `collect local`, `rvtools:export.xlsx`, `hand`.
    pub by: String,
}

/// Per-fact overrides: field name to where and when that field was seen.
pub type Provenance = BTreeMap<String, Seen>;
