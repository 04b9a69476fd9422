//! Machine reassignment (ROADEF/EURO challenge 2012): the placement engine alone, measured on public instances.
//!
//! Processes with requirements run on machines with capacities. A better assignment is looked for under the challenge's laws
//! (capacity, conflict, spread, dependency, transient use) and its objective: load above safety capacities, balance of
//! what is left, and costs of moves. All moves happen at once.
//!
//! ```
//! use underpin_planner::reassignment::{Options, check, improve, lower_bound, read_assignment, read_model};
//!
//! // One resource of weight 10; two machines that have 10 and may use 4 freely; two processes that use 4 each, both on the first.
//! let model = "1  0 10   2  0 0 10 4 0 1  0 1 10 4 1 0   2  0 0  0 0   2  0 4 1  1 4 1   0   1 1 1";
//! let instance = read_model(model)?;
//! let initial = read_assignment("0 0", &instance)?;
//! assert_eq!(check(&instance, &initial, &initial).cost.total(), 40);
//!
//! let found = improve(&instance, &initial, &Options { seed: 1, evaluations: 10_000 }, &|| 0.0)?;
//! let verdict = check(&instance, &initial, &found.assignment);
//! // One process moves: its own cost, one process of a service, one machine to another.
//! assert!(verdict.is_feasible() && verdict.cost.total() == 3 && lower_bound(&instance) == 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod instance;
mod read;
mod search;

pub use check::{Cost, Verdict, Violation, check, lower_bound};
pub use instance::{Assignment, Instance, MAX_NUMBER};
pub use read::{read_assignment, read_model, write_assignment};
pub use search::{Found, Options, Unsearchable, improve};
