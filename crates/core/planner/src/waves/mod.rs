//! The static wave model: the least number of waves in which all hosts can be away once, with a placement of all VMs for
//! each wave, and a proof where there is one.
//!
//! Only the placement while a wave is away is looked at, not the way there: a plan that also holds every constraint
//! during each move may need more waves. The answer is exact where proofs are cheap, and says so where they are not:
//! [`Outcome::Optimal`] and [`Outcome::Infeasible`] are proven, [`Outcome::Feasible`] carries the best bound known,
//! [`Outcome::Unknown`] tells that the budget ended before anything was found or excluded.
//!
//! ```
//! use underpin_planner::waves::{HostSpec, Instance, Options, Outcome, VmSpec, solve};
//!
//! let host = HostSpec { capacity: vec![4], ..HostSpec::default() };
//! let vm = |host| VmSpec { demand: vec![1], host: Some(host), vms: 1, ..VmSpec::default() };
//! let instance = Instance {
//!     resources: vec!["vCPU".to_owned()],
//!     hosts: vec![host; 4],
//!     vms: (0..4).map(vm).collect(),
//!     apart: vec![vec![0, 1]],
//!     ..Instance::default()
//! };
//! let solution = solve(&instance, &Options::default())?;
//! assert_eq!(solution.schedule.len(), 2);
//! assert_eq!(solution.outcome, Outcome::Optimal);
//! # Ok::<(), underpin_planner::waves::BadInstance>(())
//! ```

mod bounds;
mod exact;
pub(crate) mod fleet;
mod instance;
mod moves;
mod packing;
mod partition;
mod placer;
mod problem;
pub(crate) mod report;
mod solve;
mod subsets;

use std::collections::BTreeMap;

pub use fleet::plan_waves;
pub use instance::{Among, HostSpec, Instance, MAX_AMOUNT, MAX_ELEMENTS, StartViolation, VmSpec};
pub use report::{ClusterReport, FleetWaves, LeftOut, Status, WaveReport};
pub use solve::solve;

use serde::Serialize;

/// An instance that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: expected {expected}")]
pub struct BadInstance {
    /// Where it is wrong.
    pub place: String,
    /// What was expected there.
    pub expected: String,
}

/// How long to look, and in which order. The same options give the same answer on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seed of the shuffled attempts.
    pub seed: u64,
    /// Hosts that may be tried for a VM, in all, before the search ends with what it has.
    pub evaluations: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, evaluations: 30_000_000 }
    }
}

/// How it is known that no number of waves works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// A sum, a count or a single VM excludes every schedule.
    Bound,
    /// Every placement was tried.
    Exhausted,
}

/// Why no number of waves works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Infeasible {
    /// In words, with indices of the instance.
    pub reason: String,
    /// How it is known.
    pub proof: Proof,
}

/// What is known about the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No schedule has fewer waves.
    Optimal,
    /// The schedule holds; fewer waves are neither found nor excluded.
    Feasible,
    /// There is no schedule.
    Infeasible(Infeasible),
    /// No schedule was found, and none is excluded.
    Unknown(String),
}

/// Hosts that are away together, and where all VMs are meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// Indices of hosts, ascending.
    pub hosts: Vec<usize>,
    /// Index of the host of each VM.
    pub placement: Vec<usize>,
}

/// The answer for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution {
    /// What is known.
    pub outcome: Outcome,
    /// The waves; empty without a schedule, or when there is no host to take away.
    pub schedule: Vec<Wave>,
    /// Lower bounds on the number of waves by name: `capacity`, `packing`, `anti_affinity`, `concurrency`, `hosts_per_wave`,
    /// `host_subsets`, `search`. Empty when infeasible: then every number is too small.
    pub lower_bound: BTreeMap<&'static str, usize>,
    /// VMs whose host differs from the one before, summed over the waves. Placing a VM that has no host is no move.
    pub moves: u64,
    /// No schedule that begins with the same wave has fewer moves: each VM leaves its host once, and those of the first wave
    /// land on hosts that are still to be emptied.
    pub moves_bound: u64,
}

impl Solution {
    /// The largest of the bounds; 0: none is known.
    #[must_use]
    pub fn best_bound(&self) -> usize {
        self.lower_bound.values().copied().max().unwrap_or(0)
    }
}
