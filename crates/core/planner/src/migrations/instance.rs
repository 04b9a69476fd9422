//! The nodes and moves of a migration schedule, and how they are refused when they cannot be meant.

use serde::{Deserialize, Serialize};

use super::{Load, MOST_MBPS, Unschedulable};

/// Most of a resource that a node has or a VM needs.
pub const MOST_AMOUNT: i64 = 1 << 40;
/// Latest release, in milliseconds (35 years).
pub const MOST_RELEASE_MS: u64 = 1 << 40;
/// Most steps of bandwidth.
pub const MOST_STEPS: usize = 16;
/// Most nodes, and most moves.
const MOST_ELEMENTS: usize = 1 << 22;
/// Most resources.
const MOST_RESOURCES: usize = 16;

/// One end of migrations: a host with its link, which is full duplex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it can send, in Mbit/s.
    pub out_mbps: u64,
    /// What it can receive, in Mbit/s.
    pub in_mbps: u64,
    /// Most moves that it takes part in at a time, arriving or leaving.
    pub slots: u32,
    /// What is free at the beginning, by resource; VMs that leave later still count as there. Below 0: overcommitted.
    pub free: Vec<i64>,
}

/// One VM to be moved from one node to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// The VM, by any number. Several moves of one VM are a chain in the order of the list.
    pub vm: usize,
    /// The node that it leaves.
    pub from: usize,
    /// The node that it goes to.
    pub to: usize,
    /// What it needs of each resource, at both ends while it moves. As many as [`Node::free`] has.
    pub demand: Vec<i64>,
    /// What is to be sent, and whether the guest runs meanwhile.
    pub load: Load,
    /// The fastest that one stream gets, in Mbit/s; `None`: the links alone limit it.
    pub most_mbps: Option<u64>,
    /// Milliseconds from the beginning before which it does not start.
    pub release_ms: u64,
    /// Positions of moves that have ended before it starts.
    pub after: Vec<usize>,
}

impl Default for Move {
    /// A VM that needs nothing and has nothing to send: for updates (`..Move::default()`).
    fn default() -> Self {
        Self {
            vm: 0,
            from: 0,
            to: 0,
            demand: Vec::new(),
            load: Load::Cold { memory_mb: 0.0 },
            most_mbps: None,
            release_ms: 0,
            after: Vec::new(),
        }
    }
}

/// How bandwidth may be allotted, how long to look, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Seed of the shuffled attempts.
    pub seed: u64,
    /// Moves that may be tried at a moment, in all, before the search ends with what it has. A first schedule is made
    /// however many that takes.
    pub evaluations: u64,
    /// What the network between the nodes carries in all, in Mbit/s; `None`: more than all links.
    pub core_mbps: Option<u64>,
    /// Rates in Mbit/s that a move may be allotted instead of its full rate (the slower of its two links, its stream and the
    /// core), where they are lower and it converges. Empty: always the full rate. A faster link then may lengthen even the
    /// best schedule, because the moves on it want more of the other links; with steps that have the rates of the slower
    /// network it does not.
    pub steps_mbps: Vec<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, evaluations: 4_000_000, core_mbps: None, steps_mbps: Vec::new() }
    }
}

fn unless(
    accepted: bool,
    place: impl FnOnce() -> String,
    found: &impl ToString,
    expected: impl FnOnce() -> String,
) -> Result<(), Unschedulable> {
    if accepted {
        return Ok(());
    }
    Err(Unschedulable::Invalid { place: place(), found: found.to_string(), expected: expected() })
}

/// Refuses what cannot be meant.
pub(super) fn check(nodes: &[Node], moves: &[Move], options: &Options) -> Result<(), Unschedulable> {
    for (name, count) in [("nodes", nodes.len()), ("moves", moves.len())] {
        let expected = || format!("at most {MOST_ELEMENTS} of them");
        unless(count <= MOST_ELEMENTS, || name.to_owned(), &count, expected)?;
    }
    check_options(options)?;
    let width = nodes.first().map_or(0, |it| it.free.len());
    let expected = || format!("at most {MOST_RESOURCES} resources");
    unless(width <= MOST_RESOURCES, || "nodes[0].free".to_owned(), &width, expected)?;
    for (at, node) in nodes.iter().enumerate() {
        check_node(at, node, width)?;
    }
    for (at, it) in moves.iter().enumerate() {
        check_move(at, it, nodes.len(), width, moves.len())?;
    }
    Ok(())
}

fn check_options(options: &Options) -> Result<(), Unschedulable> {
    let rate = || format!("between 1 and {MOST_MBPS} Mbit/s");
    let core = options.core_mbps.unwrap_or(1);
    unless((1..=MOST_MBPS).contains(&core), || "options.core_mbps".to_owned(), &core, rate)?;
    let (steps, place) = (&options.steps_mbps, || "options.steps_mbps".to_owned());
    unless(steps.len() <= MOST_STEPS, place, &steps.len(), || format!("at most {MOST_STEPS} of them"))?;
    for step in steps {
        unless((1..=MOST_MBPS).contains(step), place, step, rate)?;
    }
    Ok(())
}

fn check_node(at: usize, node: &Node, width: usize) -> Result<(), Unschedulable> {
    let link = || format!("at most {MOST_MBPS} Mbit/s");
    unless(node.out_mbps <= MOST_MBPS, || format!("nodes[{at}].out_mbps"), &node.out_mbps, link)?;
    unless(node.in_mbps <= MOST_MBPS, || format!("nodes[{at}].in_mbps"), &node.in_mbps, link)?;
    let place = || format!("nodes[{at}].free");
    let expected = || format!("{width} resources, as the first node has");
    unless(node.free.len() == width, place, &node.free.len(), expected)?;
    for amount in &node.free {
        let expected = || format!("an amount between -{MOST_AMOUNT} and {MOST_AMOUNT}");
        unless((-MOST_AMOUNT..=MOST_AMOUNT).contains(amount), place, amount, expected)?;
    }
    Ok(())
}

fn check_move(at: usize, it: &Move, nodes: usize, width: usize, moves: usize) -> Result<(), Unschedulable> {
    let node = || format!("one of the {nodes} nodes");
    unless(it.from < nodes, || format!("moves[{at}].from"), &it.from, node)?;
    unless(it.to < nodes, || format!("moves[{at}].to"), &it.to, node)?;
    let expected = || "another node than it leaves".to_owned();
    unless(it.from != it.to, || format!("moves[{at}].to"), &it.to, expected)?;
    let place = || format!("moves[{at}].demand");
    let expected = || format!("{width} resources, as the nodes have");
    unless(it.demand.len() == width, place, &it.demand.len(), expected)?;
    for found in &it.demand {
        let expected = || format!("an amount between 0 and {MOST_AMOUNT}");
        unless((0..=MOST_AMOUNT).contains(found), place, found, expected)?;
    }
    if let Some((name, found, expected)) = it.load.wrong() {
        unless(false, || format!("moves[{at}].load.{name}"), &found, || expected.to_owned())?;
    }
    let (most, rate) = (it.most_mbps.unwrap_or(1), || format!("between 1 and {MOST_MBPS} Mbit/s"));
    unless((1..=MOST_MBPS).contains(&most), || format!("moves[{at}].most_mbps"), &most, rate)?;
    let expected = || format!("at most {MOST_RELEASE_MS} ms");
    let released = it.release_ms <= MOST_RELEASE_MS;
    unless(released, || format!("moves[{at}].release_ms"), &it.release_ms, expected)?;
    for other in &it.after {
        let expected = || format!("another one of the {moves} moves");
        unless(*other < moves && *other != at, || format!("moves[{at}].after"), other, expected)?;
    }
    Ok(())
}
