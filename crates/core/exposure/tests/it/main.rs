//! Matching, as its users meet it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking"
)]

mod build;
mod complaints;
mod conditions;
mod deadlines;
mod grouping;
mod laws;
mod threads;
