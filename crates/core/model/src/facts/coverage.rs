//! What a feed speaks about, and for which dates: outside of it, silence means nothing.

use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Family;

/// A closed stretch of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

/// What a feed lists for a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Vulnerabilities with their fixes: silence means that none was published.
    Vulnerabilities,
    /// Releases only: silence says nothing about vulnerabilities.
    Releases,
}

/// A feed's promise: what it lists for this product, published in this period, is complete.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Coverage {
    /// What is listed.
    pub of: Subject,
    /// The product line.
    pub family: Family,
    /// The train; `None`: all trains of the family.
    pub train: Option<Arc<str>>,
    /// The component; `None`: all components of the train.
    pub component: Option<Arc<str>>,
    /// The days.
    pub period: Period,
}
