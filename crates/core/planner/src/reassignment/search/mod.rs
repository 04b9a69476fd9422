//! The search: annealing over shifts and swaps, on islands of their own.
//!
//! Three rounds. In the first, each island tries a strategy; the second anneals at length under the better of them; the third
//! polishes the best assignment. Islands meet at the ends of rounds only, so that the result depends on the seed and the
//! evaluations, not on how many threads there are.

mod anneal;
mod layout;
mod state;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use super::check::check;
use super::instance::{Assignment, Instance};
use anneal::{Annealing, Schedule, anneal};
use layout::Layout;

/// How long to look, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seed of the random choices.
    pub seed: u64,
    /// Moves that may be tried, on all islands together; they end with the step of some thousand in which this is reached.
    pub evaluations: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, evaluations: 100_000_000 }
    }
}

/// A better assignment, or the initial one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The machine of each process.
    pub assignment: Assignment,
    /// Its cost as the search counts it; [`check`] has the last word.
    pub cost: i64,
    /// Moves that were tried.
    pub evaluations: u64,
}

/// Why nothing can be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsearchable {
    /// The initial assignment breaks a law.
    #[error(
        "the initial assignment: found {count} broken laws ({first}), expected none: correct it or its model"
    )]
    Infeasible {
        /// The first violation, in words.
        first: String,
        /// How many there are.
        count: usize,
    },
    /// Too large.
    #[error(
        "the model: found {cells} cells in the tables of services by machine, location and neighbourhood, expected at most {most}"
    )]
    Large {
        /// Cells.
        cells: u128,
        /// Most.
        most: u128,
    },
    /// Costs beyond what the search counts in.
    #[error("the model: found costs that may reach {cost}, expected at most {most}: divide its weights")]
    Costly {
        /// What may come up.
        cost: i128,
        /// Most.
        most: i128,
    },
}

/// Islands: fixed, so that the result does not depend on the machine.
const ISLANDS: usize = 2;
/// Shares of the budget at which the first and the second round end.
const ROUNDS: [f64; 2] = [0.15, 0.85];

/// Looks for a better assignment.
///
/// `spent` is asked every thousand moves or so which share of the budget is used up, from 0 to 1: the caller's clock. The search
/// ends when it or the evaluations reach their end. With `&|| 0.0` the same seed and evaluations give the same
/// assignment on every machine.
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
    let cost = i64::try_from(verdict.cost.total()).unwrap_or(i64::MAX);
    let start = Found { assignment: initial.to_vec(), cost, evaluations: 0 };
    if layout.machines < 2 || layout.processes == 0 {
        return Ok(start);
    }
    Ok(rounds(&layout, &start, options, spent))
}

fn rounds(layout: &Layout, start: &Found, options: &Options, spent: &(dyn Fn() -> f64 + Sync)) -> Found {
    let [first, second] = ROUNDS;
    let mut evaluations = 0;
    let mut round = |number: u64, from: f64, until: f64, tasks: [(Schedule, &Found); ISLANDS]| {
        let found: Vec<Found> = tasks
            .into_par_iter()
            .enumerate()
            .map(|(island, (schedule, start))| {
                anneal(
                    layout,
                    &start.assignment,
                    &Annealing {
                        schedule,
                        seed: options.seed,
                        stream: number * ISLANDS as u64 + island as u64,
                        evaluations: options.evaluations / ISLANDS as u64,
                        from,
                        until,
                    },
                    spent,
                )
            })
            .collect();
        evaluations += found.iter().map(|it| it.evaluations).sum::<u64>();
        found
    };
    let strategies = [Schedule::strict(layout.scale), Schedule::lenient(layout.scale)];
    let tried = round(0, 0.0, first, strategies.map(|it| (it, start)));
    let better = strategies.into_iter().zip(&tried).min_by_key(|(_, it)| it.cost);
    let (schedule, trial) = better.unwrap_or((strategies[0], start));
    let annealed = round(1, first, second, [(schedule, start); ISLANDS]);
    let best = annealed.iter().chain([trial]).min_by_key(|it| it.cost).unwrap_or(start);
    let polished = round(2, second, 1.0, [(schedule.warm(), best); ISLANDS]);
    let best = polished.iter().chain([best]).min_by_key(|it| it.cost).unwrap_or(start);
    Found { evaluations, ..best.clone() }
}
