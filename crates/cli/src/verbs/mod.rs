//! One module per verb.

pub(crate) mod assess;
pub(crate) mod backtest;
pub(crate) mod cadence;
pub(crate) mod clocks;
pub(crate) mod collect;
pub(crate) mod explain;
pub(crate) mod feeds;
pub(crate) mod fleet;
pub(crate) mod lint;
pub(crate) mod migrations;
mod opening;
pub(crate) mod plan;
pub(crate) mod ripple;
pub(crate) mod risk;
pub(crate) mod roadef;
pub(crate) mod selfcheck;
pub(crate) mod serve;
pub(crate) mod sim;
pub(crate) mod tables;
pub(crate) mod wait;
