//! CVSS scores computed from their vectors: versions 2.0, 3.0, 3.1 and 4.0, by the equations of FIRST's specifications.
//!
//! ```
//! use underpin_model::cvss::{Severity, score};
//!
//! let score = score("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:H/A:H")?;
//! assert_eq!((score.base, score.severity()), (8.2, Severity::High));
//! # Ok::<(), underpin_model::cvss::InvalidVector>(())
//! ```

mod effects;
mod macrovectors;
pub mod table;
mod v2;
mod v3;
mod v4;
mod vector;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use effects::{Effects, Loss, effects};
use vector::Vector;

/// The version of the scoring system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Version {
    /// 2.0.
    #[serde(rename = "2.0")]
    V2,
    /// 3.0.
    #[serde(rename = "3.0")]
    V3_0,
    /// 3.1.
    #[serde(rename = "3.1")]
    V3_1,
    /// 4.0.
    #[serde(rename = "4.0")]
    V4_0,
}

/// What a vector scores: numbers from 0 to 10 with one decimal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// The version of the vector.
    pub version: Version,
    /// The base score. For 4.0 the one score that the whole vector has, threat and environment included.
    pub base: f64,
    /// The temporal score: always for 3.x, for 2.0 when the vector states a temporal metric, never for 4.0.
    pub temporal: Option<f64>,
    /// The environmental score: always for 3.x, for 2.0 when the vector states an environmental metric, never for 4.0.
    pub environmental: Option<f64>,
}

impl Score {
    /// The most specific score that the vector gives: environmental, else temporal, else base.
    #[must_use]
    pub fn overall(&self) -> f64 {
        self.environmental.or(self.temporal).unwrap_or(self.base)
    }

    /// The word for the base score.
    #[must_use]
    pub fn severity(&self) -> Severity {
        Severity::of(self.version, self.base)
    }
}

/// The qualitative word for a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// 0.0.
    None,
    /// 0.1 to 3.9.
    Low,
    /// 4.0 to 6.9.
    Medium,
    /// 7.0 to 8.9.
    High,
    /// 9.0 to 10.0.
    Critical,
}

impl Severity {
    /// The word for a score, by the rating scale of the 3.x and 4.0 specifications. Version 2.0 defines no words; the
    /// scale in use for it (NVD's) has only low, medium and high, so 0.0 is low and 10.0 is high.
    #[must_use]
    pub fn of(version: Version, score: f64) -> Self {
        match score {
            score if score < 0.1 && version != Version::V2 => Self::None,
            score if score < 4.0 => Self::Low,
            score if score < 7.0 => Self::Medium,
            score if score < 9.0 || version == Version::V2 => Self::High,
            _ => Self::Critical,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// From where the vulnerability can be reached (the base metric AV).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttackVector {
    /// By touching the machine (not in 2.0).
    Physical,
    /// From the machine itself, a guest on it included.
    Local,
    /// From the same link, segment or administrative domain.
    Adjacent,
    /// From anywhere that routes to it.
    Network,
}

/// A text that is not a vector, or lacks a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{vector:?} is not a CVSS vector: {part:?}: {reason}")]
pub struct InvalidVector {
    /// The text, cut to 200 characters.
    pub vector: String,
    /// The part of it that is wrong or missing, cut to 40 characters.
    pub part: String,
    /// The expectation that it breaks.
    pub reason: String,
}

impl InvalidVector {
    fn new(vector: &str, part: &str, reason: String) -> Self {
        Self { vector: vector.chars().take(200).collect(), part: part.chars().take(40).collect(), reason }
    }
}

/// Scores a vector. Metrics may be in any order; version 2 vectors may be bare, in parentheses, or start with `CVSS:2.0/`.
///
/// # Errors
/// [`InvalidVector`] naming the metric that is unknown, stated twice, missing, or has a value that it cannot have.
pub fn score(vector: &str) -> Result<Score, InvalidVector> {
    let vector = Vector::read(vector)?;
    Ok(match vector.version {
        Version::V2 => v2::score(&vector),
        Version::V3_0 | Version::V3_1 => v3::score(&vector),
        Version::V4_0 => {
            Score { version: Version::V4_0, base: v4::score(&vector), temporal: None, environmental: None }
        }
    })
}

/// The attack vector that a vector states as its base metric.
///
/// # Errors
/// As [`score`].
pub fn attack_vector(vector: &str) -> Result<AttackVector, InvalidVector> {
    let vector = Vector::read(vector)?;
    let order = match vector.version {
        Version::V2 => {
            [AttackVector::Local, AttackVector::Adjacent, AttackVector::Network, AttackVector::Network]
        }
        _ => [AttackVector::Network, AttackVector::Adjacent, AttackVector::Local, AttackVector::Physical],
    };
    Ok(pick(&order, vector.get(0)))
}

/// The entry of a metric's value. [`Vector`] only holds indices of its lists, and every table here is as long as its list.
fn pick<T: Copy, const N: usize>(table: &[T; N], index: usize) -> T {
    table[index.min(N - 1)]
}

/// To one decimal, halves up. The slack of a millionth undoes binary fractions that fall just short of a half.
fn round(value: f64) -> f64 {
    ((value + 1e-6) * 10.0).round() / 10.0
}
