//! Stakeholder-Specific Vulnerability Categorization: decision points and the decision tables.

use serde::{Deserialize, Serialize};

/// Exploitation v1.1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exploitation {
    /// No evidence.
    None,
    /// A public proof of concept exists.
    #[serde(alias = "public poc", alias = "public_poc")]
    Poc,
    /// Exploited in the wild.
    Active,
}

/// Automatable v2.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Automatable {
    /// Steps 1 to 4 of the kill chain cannot be automated.
    No,
    /// They can.
    Yes,
}

/// Technical Impact v1.0.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TechnicalImpact {
    /// Limited control.
    Partial,
    /// Total control.
    Total,
}

/// Human Impact v2.0.2.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum HumanImpact {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Very high.
    VeryHigh,
}
