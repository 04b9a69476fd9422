//! From facts to the risk model: small fleets with numbers worked out by hand, laws, and the sample fleet.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what it found and fails by panicking"
)]

mod availability;
mod bad_input;
mod host_by_host;
mod laws;
mod make;
mod numbers;
mod radius;
mod releases;
mod sampled;
mod scopes;
mod unmanaged;
mod unplaced;
