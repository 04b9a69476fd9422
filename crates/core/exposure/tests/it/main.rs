//! Matching, as its users meet it.

mod build;
mod complaints;
mod conditions;
mod grouping;
mod laws;
mod threads;
