//! Compound risk against enumeration, vectors and its own laws.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "a test says that it is skipped")]
#![allow(clippy::disallowed_methods, reason = "tests read the reference data")]

mod against_enumeration;
mod alike;
mod any_hit;
mod at_once;
mod bad_input;
mod carried;
mod contributions;
mod enumeration;
mod few_hosts;
mod known_tails;
mod made;
mod metamorphic;
mod samples;
mod tenants;
mod vectors;
