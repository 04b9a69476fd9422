//! When each of a given set of migrations starts, and with how much bandwidth: links shared, room at both ends, slots, order.
//!
//! The targets are given; only time and bandwidth are decided. A schedule is specific, so that other code can check it: each
//! move has one start, one rate in Mbit/s that it keeps until it ends, and the duration that its [`Load`] has at that rate.
//! Rates are not re-divided while moves run: what a max-min division would give depends on every other move's end, and
//! pre-copy is slower than proportionally at lower rates, so that moves one after the other at full rate beat the same
//! moves side by side. Where a link is faster than one stream ([`Move::most_mbps`]), moves run side by side; where a part of
//! a link is left over, a move may take one of [`Options::steps_mbps`].
//!
//! At every moment
//! - the rates of the moves that leave a node sum to at most its outgoing link, of those that arrive to its incoming one
//!   (full duplex), and all of them to at most [`Options::core_mbps`];
//! - a node takes part in at most [`Node::slots`] moves, arriving or leaving;
//! - a VM counts at its target from the start of its move, and at its source until the end. An amount that is overcommitted
//!   already takes no arrival that needs more of it.
//!
//! A move starts no sooner than its release and the end of all moves that it comes [`after`](Move::after). Several moves
//! of one VM are a chain in the order of the list. What else must hold at every moment (anti-affinity, restartability) is
//! the caller's, who orders moves by `after` or schedules them in several calls. At a moment where one move ends and
//! another starts, the one has ended.
//!
//! ```
//! use underpin_planner::migrations::{Load, Move, Node, Options, schedule};
//!
//! // Two full hosts of 10 Gbit/s are emptied onto a third: each VM is sent at full rate, one after the other.
//! let host = |free| Node { out_mbps: 10_000, in_mbps: 10_000, slots: 4, free: vec![free] };
//! let nodes = [host(0), host(0), host(64)];
//! let load = Load::Precopy { memory_mb: 32_000.0, dirty_mb_per_s: 100.0, threshold_mb: 50.0 };
//! let leaves = |vm, from| Move { vm, from, to: 2, demand: vec![32], load, ..Move::default() };
//! let plan = schedule(&nodes, &[leaves(0, 0), leaves(1, 1)], &Options::default())?;
//! assert_eq!(plan.moves[0].mbps, 10_000);
//! assert!(plan.optimal && plan.makespan_ms == 2 * plan.moves[0].duration_ms());
//! # Ok::<(), underpin_planner::migrations::Unschedulable>(())
//! ```

mod bounds;
mod exact;
mod improve;
mod instance;
mod list;
mod load;
mod order;
mod problem;
mod room;

pub use instance::{MOST_AMOUNT, MOST_RELEASE_MS, MOST_STEPS, Move, Node, Options};
pub use load::{Load, MOST_MBPS, MOST_MS, Timing};

use std::collections::BTreeMap;

use serde::Serialize;

use crate::waves::Proof;

/// When one move takes place, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scheduled {
    /// From the beginning of the schedule.
    pub start_ms: u64,
    /// When the guest runs at the target and its room at the source is free.
    pub end_ms: u64,
    /// The bandwidth that it has all the time.
    pub mbps: u64,
    /// Rounds of copying; `None`: the model has endlessly many.
    pub rounds: Option<u32>,
    /// How long the guest stands still; `None`: the model says nothing about it.
    pub blackout_ms: Option<u64>,
}

impl Scheduled {
    /// From start to end.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.end_ms - self.start_ms
    }
}

/// A schedule of all moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// In the order of the moves that were given.
    pub moves: Vec<Scheduled>,
    /// When the last move ends; 0 without moves.
    pub makespan_ms: u64,
    /// No schedule of these moves ends sooner, by name: `move` (the largest single move, its release included), `path`
    /// (chains of moves that must come after each other, by order or because room must be freed first), `link` (what a link
    /// or the core has to carry), `slots` (a node's moves over its slots), and where everything was tried `search`.
    pub lower_bound: BTreeMap<&'static str, u64>,
    /// No schedule ends sooner, with these models of duration and these steps of bandwidth.
    pub optimal: bool,
    /// Moves tried at a moment, in all.
    pub evaluations: u64,
}

impl Schedule {
    /// The largest lower bound in milliseconds; 0 without moves.
    #[must_use]
    pub fn best_bound_ms(&self) -> u64 {
        self.lower_bound.values().copied().max().unwrap_or(0)
    }
}

/// A move that does not converge at the best bandwidth that it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TooBusy {
    /// Position of the move.
    pub index: usize,
    /// The best bandwidth on its way.
    pub best_mbps: u64,
    /// The bandwidth that it needs; `None`: no link is fast enough.
    pub needed_mbps: Option<u64>,
}

/// Why there is no schedule. Moves and nodes are positions in the lists that were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Unschedulable {
    /// The moves cannot be meant.
    #[error("{place}: found {found}, expected {expected}")]
    Invalid {
        /// Where it is wrong.
        place: String,
        /// What is there.
        found: String,
        /// What was expected there.
        expected: String,
    },
    /// A move has no way: a link of nothing, or no slot.
    #[error("move {index}: node {node} has no {what}; give it some, or plan the move otherwise")]
    NoWay {
        /// The move.
        index: usize,
        /// The node.
        node: usize,
        /// What it does not have.
        what: &'static str,
    },
    /// Guests write to their memory faster than it can be sent. All of them are named.
    #[error("{}", too_busy(.moves))]
    DoesNotConverge {
        /// The moves.
        moves: Vec<TooBusy>,
    },
    /// More arrives at a node than it has room for when all that leaves has left.
    #[error(
        "node {node}: its arrivals need {needed} of resource {resource}, and it has {room} when all that leaves has left; \
         choose other targets"
    )]
    NoRoom {
        /// The node.
        node: usize,
        /// The resource.
        resource: usize,
        /// The sum of its arrivals.
        needed: i64,
        /// Its free amount and what leaves.
        room: i64,
    },
    /// Moves wait for each other. Proven; the way out is another set of moves, such as one VM passing through a third node.
    #[error("{}", deadlock(.cycle, .blocked, *.proof))]
    Deadlock {
        /// Moves that wait each for the next one, the last for the first; empty if there is no single such circle.
        cycle: Vec<usize>,
        /// All moves that cannot take place: by the bound those that no order ever lets start, otherwise those left where
        /// one of the attempts ended.
        blocked: Vec<usize>,
        /// How it is known.
        proof: Proof,
    },
    /// No order was found in which every move has room, and none is excluded.
    #[error(
        "no order of the moves was found within {evaluations} evaluations in which each has room at its target, and none is \
         excluded: {} moves were left, the first is move {}; allow more evaluations, or free some room",
        .blocked.len(), .blocked.first().copied().unwrap_or(0)
    )]
    OrderNotFound {
        /// Moves left where one of the attempts ended.
        blocked: Vec<usize>,
        /// How long was looked.
        evaluations: u64,
    },
}

fn too_busy(moves: &[TooBusy]) -> String {
    let Some(first) = moves.first() else { return String::new() };
    let needs =
        first.needed_mbps.map_or_else(|| "more than any link".to_owned(), |it| format!("{it} Mbit/s"));
    let more = match moves.len() {
        1 => String::new(),
        count => format!(" (and {} more moves)", count - 1),
    };
    format!(
        "move {}: does not converge at {} Mbit/s, it needs {needs}{more}; move it cold, or when it writes less",
        first.index, first.best_mbps
    )
}

fn deadlock(cycle: &[usize], blocked: &[usize], proof: Proof) -> String {
    let list = |all: &[usize]| {
        let shown: Vec<String> = all.iter().take(12).map(ToString::to_string).collect();
        format!("{}{}", shown.join(", "), if all.len() > 12 { ", ..." } else { "" })
    };
    let circle = match cycle.len() {
        0 => format!("moves {} are left", list(blocked)),
        1 => format!("move {} waits for itself", list(cycle)),
        _ => format!("moves {} wait each for the next and the last for the first", list(cycle)),
    };
    let known = match proof {
        Proof::Bound => "whatever else is done",
        Proof::Exhausted => "in one of the attempts, and no order is without such an end: all were tried",
    };
    format!("{circle}, {known}; another set of moves can do, such as one VM passing through a third node")
}

/// Schedules moves: a list by priorities at once, better ones while evaluations are left, and for few moves all of them.
///
/// Parts of the network that share no node and no order are scheduled each for itself. The same input gives the same
/// schedule.
///
/// # Errors
/// [`Unschedulable`] says which move or node is in the way, and how that is known.
pub fn schedule(nodes: &[Node], moves: &[Move], options: &Options) -> Result<Schedule, Unschedulable> {
    let parts = problem::parts(nodes, moves, options)?;
    let mut solved = Vec::with_capacity(parts.len());
    for part in &parts {
        let share = u128::from(options.evaluations) * part.tasks.len() as u128 / moves.len() as u128;
        solved.push(improve::Part::new(part, u64::try_from(share).unwrap_or(u64::MAX), options)?);
    }
    improve::improve(&mut solved, options);
    Ok(improve::merge(&solved, moves))
}
