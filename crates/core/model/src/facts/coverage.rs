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

/// A feed's promise: fixes for this product, published in this period, are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Coverage {
    /// The product line.
    pub family: Family,
    /// The train; `None`: all trains of the family.
    pub train: Option<Arc<str>>,
    /// The component; `None`: all components of the train.
    pub component: Option<Arc<str>>,
    /// The days.
    pub period: Period,
}
