//! The moves of one part of the network, densely numbered, with what each can be allotted.

use rustc_hash::FxHashMap;

use super::{Load, Move, Node, Options, TooBusy, Unschedulable, instance};

/// One way to carry a move out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) mbps: u64,
    pub(super) ms: u64,
}

/// A move of one part.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) demand: Vec<i64>,
    pub(super) release_ms: u64,
    /// The fastest first; never empty.
    pub(super) modes: Vec<Mode>,
    /// Tasks that have ended before it starts.
    pub(super) before: Vec<usize>,
    /// Tasks that it comes before.
    pub(super) next: Vec<usize>,
    /// Its VM comes to its source by an earlier task: what it frees there was taken only then.
    pub(super) arrived: bool,
}

impl Task {
    /// The shortest duration.
    pub(super) fn least_ms(&self) -> u64 {
        self.modes.first().map_or(0, |it| it.ms)
    }

    /// The least that a link has to carry for it, in Mbit/s times milliseconds.
    pub(super) fn least_volume(&self) -> u128 {
        self.modes.iter().map(|it| u128::from(it.mbps) * u128::from(it.ms)).min().unwrap_or(0)
    }
}

/// Moves and nodes that share nothing with the rest.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) width: usize,
    pub(super) tasks: Vec<Task>,
    /// Position of each task among the moves that were given.
    pub(super) given: Vec<usize>,
    pub(super) nodes: Vec<Node>,
    /// Positions of the nodes among those that were given.
    pub(super) given_nodes: Vec<usize>,
    pub(super) core_mbps: Option<u64>,
}

/// Divides moves into parts that share no node and no order; one part when the core is limited.
///
/// # Errors
/// The input cannot be meant, a move has no way, moves do not converge, or orders are a circle.
pub(super) fn parts(
    nodes: &[Node],
    moves: &[Move],
    options: &Options,
) -> Result<Vec<Problem>, Unschedulable> {
    instance::check(nodes, moves, options)?;
    let before = orders(moves)?;
    let modes = modes(nodes, moves, options)?;
    let mut sets = Sets((0..nodes.len()).collect());
    for (it, before) in moves.iter().zip(&before) {
        sets.join(it.from, it.to);
        for other in before {
            sets.join(it.from, moves[*other].from);
        }
    }
    let mut number: FxHashMap<usize, usize> = FxHashMap::default();
    let mut parts: Vec<Problem> = Vec::new();
    let mut local_node = vec![usize::MAX; nodes.len()];
    let mut local_task = Vec::with_capacity(moves.len());
    let width = nodes.first().map_or(0, |it| it.free.len());
    for (index, ((it, modes), before)) in moves.iter().zip(modes).zip(&before).enumerate() {
        let root = if options.core_mbps.is_some() { 0 } else { sets.root(it.from) };
        let part = *number.entry(root).or_insert(parts.len());
        if part == parts.len() {
            parts.push(Problem {
                width,
                tasks: Vec::new(),
                given: Vec::new(),
                nodes: Vec::new(),
                given_nodes: Vec::new(),
                core_mbps: options.core_mbps,
            });
        }
        let problem = &mut parts[part];
        let mut local = |node: usize| {
            if local_node[node] == usize::MAX {
                local_node[node] = problem.nodes.len();
                problem.nodes.push(nodes[node].clone());
                problem.given_nodes.push(node);
            }
            local_node[node]
        };
        let (from, to) = (local(it.from), local(it.to));
        let arrived = before.iter().any(|other| moves[*other].vm == it.vm);
        local_task.push((part, problem.tasks.len()));
        problem.given.push(index);
        let (demand, release_ms) = (it.demand.clone(), it.release_ms);
        let (before, next) = (Vec::new(), Vec::new());
        problem.tasks.push(Task { from, to, demand, release_ms, modes, before, next, arrived });
    }
    for (index, before) in before.iter().enumerate() {
        let (part, task) = local_task[index];
        for other in before {
            let other = local_task[*other].1;
            parts[part].tasks[task].before.push(other);
            parts[part].tasks[other].next.push(task);
        }
    }
    Ok(parts)
}

/// For each move those that come before it, its VM's earlier moves among them; no circles.
fn orders(moves: &[Move]) -> Result<Vec<Vec<usize>>, Unschedulable> {
    let invalid = |place: String, found: String, expected: &str| Unschedulable::Invalid {
        place,
        found,
        expected: expected.to_owned(),
    };
    let mut last: FxHashMap<usize, usize> = FxHashMap::default();
    let mut all = Vec::with_capacity(moves.len());
    for (index, it) in moves.iter().enumerate() {
        let mut before = it.after.clone();
        if let Some(earlier) = last.insert(it.vm, index) {
            if moves[earlier].to != it.from || moves[earlier].demand != it.demand {
                let found = format!("node {} after move {earlier} to node {}", it.from, moves[earlier].to);
                let expected = "where the VM's earlier move ends, with the same demand";
                return Err(invalid(format!("moves[{index}].from"), found, expected));
            }
            before.push(earlier);
        }
        before.sort_unstable();
        before.dedup();
        all.push(before);
    }
    // What is left when those without an open order are taken away again and again is a circle, or waits for one.
    let mut open: Vec<usize> = all.iter().map(Vec::len).collect();
    let mut next = vec![Vec::new(); moves.len()];
    for (index, before) in all.iter().enumerate() {
        for other in before {
            next[*other].push(index);
        }
    }
    let mut free: Vec<usize> = (0..moves.len()).filter(|it| open[*it] == 0).collect();
    while let Some(index) = free.pop() {
        for other in &next[index] {
            open[*other] -= 1;
            if open[*other] == 0 {
                free.push(*other);
            }
        }
    }
    match open.iter().position(|it| *it > 0) {
        None => Ok(all),
        Some(stuck) => {
            let waits = |at: usize| all[at].iter().copied().find(|it| open[*it] > 0);
            let found = format!("the circle {:?}", circle(stuck, waits));
            Err(invalid(format!("moves[{stuck}].after"), found, "orders without circles"))
        }
    }
}

/// The circle that one comes to from here by following who waits for whom; empty where that ends.
pub(super) fn circle(from: usize, waits: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut way = vec![from];
    let mut at: FxHashMap<usize, usize> = FxHashMap::default();
    at.insert(from, 0);
    let mut here = from;
    while let Some(next) = waits(here) {
        if let Some(begin) = at.get(&next) {
            return way.split_off(*begin);
        }
        at.insert(next, way.len());
        way.push(next);
        here = next;
    }
    Vec::new()
}

/// For each move its full rate, and the steps below it at which it converges and takes longer.
fn modes(nodes: &[Node], moves: &[Move], options: &Options) -> Result<Vec<Vec<Mode>>, Unschedulable> {
    let mut steps = options.steps_mbps.clone();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    steps.dedup();
    let mode = |load: &Load, mbps| load.timing(mbps).map(|it| Mode { mbps, ms: it.duration_ms });
    let mut busy = Vec::new();
    let mut all = Vec::with_capacity(moves.len());
    for (index, it) in moves.iter().enumerate() {
        let (from, to) = (&nodes[it.from], &nodes[it.to]);
        let needs = [
            (from.out_mbps, it.from, "outgoing link"),
            (to.in_mbps, it.to, "incoming link"),
            (u64::from(from.slots), it.from, "migration slot"),
            (u64::from(to.slots), it.to, "migration slot"),
        ];
        if let Some((_, node, what)) = needs.into_iter().find(|(has, ..)| *has == 0) {
            return Err(Unschedulable::NoWay { index, node, what });
        }
        let limits = [Some(from.out_mbps), Some(to.in_mbps), it.most_mbps, options.core_mbps];
        let best_mbps = limits.into_iter().flatten().min().unwrap_or(0);
        let Some(full) = mode(&it.load, best_mbps) else {
            busy.push(TooBusy { index, best_mbps, needed_mbps: it.load.needed_mbps() });
            continue;
        };
        let mut modes = vec![full];
        for step in steps.iter().filter(|step| **step < best_mbps) {
            let Some(slower) = mode(&it.load, *step) else { break };
            modes.push(slower);
        }
        all.push(modes);
    }
    if busy.is_empty() { Ok(all) } else { Err(Unschedulable::DoesNotConverge { moves: busy }) }
}

/// Disjoint sets of nodes.
struct Sets(Vec<usize>);

impl Sets {
    fn root(&mut self, mut node: usize) -> usize {
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    /// The smaller root stays, so that the result does not depend on the order of joining.
    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        let (keep, give) = (one.min(other), one.max(other));
        self.0[give] = keep;
    }
}
