//! The binary as people and pipelines use it: what it prints, what it writes, how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may fail loudly, and say what they skip"
)]

mod answers;
mod assess;
mod backtest;
mod bad_input;
mod cadence;
mod clocks;
mod conditions;
mod days;
mod feeds;
mod fleets;
mod guide;
mod hostile;
mod lint;
mod pages;
mod plan;
mod plan_full;
mod risk;
mod roadef;
mod selfcheck;
mod serve;
mod sim;
mod statuses;
mod support;
mod tables;
mod terminal;
mod wait;
