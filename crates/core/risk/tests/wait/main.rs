//! Patch or wait: published vectors, end points, directions of effect, sensitivity, and decisions about a fleet.

#![allow(clippy::disallowed_methods, reason = "tests read vectors")]
#![allow(clippy::print_stdout, reason = "a skip is said")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod additive;
mod components;
mod curve;
mod decision;
mod drains;
mod duties;
mod fleet;
mod preference;
mod promises;
mod rings;
mod withdrawn;
