//! One module per verb.

pub(crate) mod assess;
pub(crate) mod collect;
pub(crate) mod explain;
pub(crate) mod feeds;
pub(crate) mod fleet;
pub(crate) mod plan;
pub(crate) mod ripple;
pub(crate) mod serve;
pub(crate) mod tables;
