//! The search.

mod anneal;
mod layout;
mod state;

use super::check::check;
use super::instance::{Assignment, Instance};
use layout::Layout;

/// How long to look, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seed of the random choices.
    pub seed: u64,
    /// Moves that may be tried.
    pub evaluations: u64,
}

/// A better assignment, or the initial one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The machine of each process.
    pub assignment: Assignment,
    /// Its cost as the search counts it; the checker has the last word.
    pub cost: i64,
    /// Moves that were tried.
    pub evaluations: u64,
}

/// Why nothing can be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsearchable {
    /// The initial assignment breaks a law.
    #[error("the initial assignment: found {first} ({count} in all), expected one that holds: correct it or its model")]
    Infeasible {
        /// The first violation, in words.
        first: String,
        /// How many there are.
        count: usize,
    },
    /// Too large.
    #[error("the model: found {cells} cells in the tables of services by machine, location and neighbourhood, expected at most {most}")]
    Large {
        /// Cells.
        cells: u128,
        /// Most.
        most: u128,
    },
    /// Costs beyond what the search counts in.
    #[error("the model: found costs up to {cost}, expected at most {most}: divide its weights")]
    Costly {
        /// What may come up.
        cost: i128,
        /// Most.
        most: i128,
    },
}

/// Looks for a better assignment.
///
/// # Errors
/// The initial assignment is infeasible, or the instance is beyond what tables and costs can hold.
pub fn improve(
    instance: &Instance,
    initial: &[u32],
    options: &Options,
    spent: &(dyn Fn() -> f64 + Sync),
) -> Result<Found, Unsearchable> {
    let verdict = check(instance, initial, initial);
    if let Some(first) = verdict.violations.first() {
        return Err(Unsearchable::Infeasible { first: first.to_string(), count: verdict.violation_count });
    }
    let layout = Layout::new(instance, initial)?;
    Ok(anneal::anneal(&layout, initial, options, spent))
}
