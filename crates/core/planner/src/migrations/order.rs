//! Whether the moves can take place in any order at all, and in which.
//!
//! Links and slots only delay; room and order decide. If a schedule exists, then the moves one by one in the order of their
//! starts are one too, because each then finds what all earlier ones have freed. So it is enough to look for an order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashSet;

use super::Unschedulable;
use super::problem::{Problem, circle};
use super::room::Room;
use crate::waves::Proof;

/// For each task a moment before which it cannot start.
///
/// Found as if nothing but room and order mattered, and arrivals took no room for good: room that a task waits for comes
/// from those that leave its target, and the earliest that these can end is known before it is needed.
///
/// # Errors
/// A node is too small for what arrives, or tasks wait for each other even so.
pub(super) fn earliest(problem: &Problem) -> Result<Vec<u64>, Unschedulable> {
    enough_room(problem)?;
    let count = problem.tasks.len();
    let mut room = Room::new(problem);
    let mut open: Vec<usize> = problem.tasks.iter().map(|it| it.before.len()).collect();
    let mut earliest = vec![0; count];
    let mut known = vec![false; count];
    let mut arrivals = vec![Vec::new(); problem.nodes.len()];
    let mut ends = BinaryHeap::new();
    // Taken as started at a moment when its order and its target allow it.
    let mut look = |task: usize, now_ms: u64, open: &[usize], room: &Room, ends: &mut BinaryHeap<_>| {
        let it = &problem.tasks[task];
        if known[task] || open[task] > 0 || !room.holds(it) {
            return false;
        }
        known[task] = true;
        earliest[task] = now_ms.max(it.release_ms);
        ends.push(Reverse((earliest[task] + it.least_ms(), task)));
        true
    };
    for task in 0..count {
        if !look(task, 0, &open, &room, &mut ends) {
            arrivals[problem.tasks[task].to].push(task);
        }
    }
    while let Some(Reverse((now_ms, task))) = ends.pop() {
        let it = &problem.tasks[task];
        for next in &it.next {
            open[*next] -= 1;
            look(*next, now_ms, &open, &room, &mut ends);
        }
        if !it.arrived {
            room.leave(it);
            arrivals[it.from].retain(|waits| !look(*waits, now_ms, &open, &room, &mut ends));
        }
    }
    let stuck: Vec<usize> = (0..count).filter(|it| !known[*it]).collect();
    if stuck.is_empty() {
        return Ok(earliest);
    }
    Err(deadlock(problem, &stuck, Proof::Bound))
}

/// Every amount that arrives at a node has room when all that leaves has left.
fn enough_room(problem: &Problem) -> Result<(), Unschedulable> {
    let (mut needed, mut room) = (vec![0_i64; problem.nodes.len() * problem.width], Room::new(problem));
    for task in &problem.tasks {
        room.leave(task);
        for (needed, amount) in needed[task.to * problem.width..].iter_mut().zip(&task.demand) {
            *needed += amount;
        }
    }
    for (node, given) in problem.given_nodes.iter().enumerate() {
        for (resource, room) in room.free(node).iter().copied().enumerate() {
            let needed = needed[node * problem.width + resource];
            if needed > 0 && needed > room {
                return Err(Unschedulable::NoRoom { node: *given, resource, needed, room });
            }
        }
    }
    Ok(())
}

/// The error that names tasks left waiting, and a circle among them if there is one.
fn deadlock(problem: &Problem, stuck: &[usize], proof: Proof) -> Unschedulable {
    let waits = waits(problem, stuck);
    let given = |tasks: Vec<usize>| tasks.into_iter().map(|it| problem.given[it]).collect();
    let cycle = stuck.first().map_or_else(Vec::new, |first| circle(*first, waits));
    Unschedulable::Deadlock { cycle: given(cycle), blocked: given(stuck.to_vec()), proof }
}

/// For each stuck task one that it waits for: one before it, or one that leaves its target.
fn waits(problem: &Problem, stuck: &[usize]) -> impl Fn(usize) -> Option<usize> {
    let mut is_stuck = vec![false; problem.tasks.len()];
    let mut leaves = vec![None; problem.nodes.len()];
    for task in stuck.iter().rev() {
        is_stuck[*task] = true;
        leaves[problem.tasks[*task].from] = Some(*task);
    }
    let first: Vec<Option<usize>> = problem
        .tasks
        .iter()
        .map(|it| it.before.iter().copied().find(|it| is_stuck[*it]).or(leaves[it.to]))
        .collect();
    move |task| first[task]
}

/// What was found about orders.
pub(super) enum Ordered {
    /// One by one in this order, each has room.
    Order(Vec<usize>),
    /// There is none, and no budget ends.
    None(Unschedulable),
    /// The budget ended with these left.
    BudgetEnded(Vec<usize>),
}

/// Looks for an order in which each task has room. A task that leaves enough for all further arrivals at its target harms
/// none and is taken at once; among the others every choice is tried, sets of tasks that lead nowhere only once.
pub(super) fn order(problem: &Problem, preferred: &[usize], budget: &mut u64) -> Ordered {
    let mut search = Search::new(problem, preferred);
    let mut hopeless: FxHashSet<Vec<u64>> = FxHashSet::default();
    let mut stuck: Option<Vec<usize>> = None;
    // Choices made, with how many tasks were done before each, and which choice is next.
    let mut choices: Vec<(usize, Vec<usize>)> = Vec::new();
    loop {
        search.take_harmless(budget);
        if search.done.len() == problem.tasks.len() {
            return Ordered::Order(search.done);
        }
        let mut next = if hopeless.contains(&search.key) { Vec::new() } else { search.choices(budget) };
        if next.is_empty() && stuck.is_none() {
            stuck = Some(search.left());
        }
        if *budget == 0 {
            return Ordered::BudgetEnded(stuck.unwrap_or_else(|| search.left()));
        }
        // They are taken from the end.
        next.reverse();
        choices.push((search.done.len(), next));
        loop {
            let Some((done, next)) = choices.last_mut() else {
                let stuck = stuck.unwrap_or_default();
                return Ordered::None(deadlock(problem, &stuck, Proof::Exhausted));
            };
            search.back_to(*done);
            if let Some(task) = next.pop() {
                search.take(task);
                break;
            }
            hopeless.insert(search.key.clone());
            choices.pop();
        }
    }
}

struct Search<'p> {
    problem: &'p Problem,
    room: Room,
    preferred: &'p [usize],
    done: Vec<usize>,
    /// Done tasks, a bit for each.
    key: Vec<u64>,
    open: Vec<usize>,
    /// Arrivals that are not done, by node and resource.
    arrives: Vec<i64>,
}

impl<'p> Search<'p> {
    fn new(problem: &'p Problem, preferred: &'p [usize]) -> Self {
        let mut arrives = vec![0; problem.nodes.len() * problem.width];
        for task in &problem.tasks {
            for (arrives, needed) in arrives[task.to * problem.width..].iter_mut().zip(&task.demand) {
                *arrives += needed;
            }
        }
        Self {
            problem,
            room: Room::new(problem),
            preferred,
            done: Vec::new(),
            key: vec![0; problem.tasks.len().div_ceil(64)],
            open: problem.tasks.iter().map(|it| it.before.len()).collect(),
            arrives,
        }
    }

    fn is_done(&self, task: usize) -> bool {
        self.key[task / 64] >> (task % 64) & 1 == 1
    }

    fn left(&self) -> Vec<usize> {
        (0..self.problem.tasks.len()).filter(|it| !self.is_done(*it)).collect()
    }

    fn can(&self, task: usize) -> bool {
        !self.is_done(task) && self.open[task] == 0 && self.room.holds(&self.problem.tasks[task])
    }

    fn take(&mut self, task: usize) {
        let it = &self.problem.tasks[task];
        self.room.arrive(it);
        self.room.leave(it);
        self.key[task / 64] |= 1 << (task % 64);
        for next in &it.next {
            self.open[*next] -= 1;
        }
        for (arrives, needed) in self.arrives[it.to * self.problem.width..].iter_mut().zip(&it.demand) {
            *arrives -= needed;
        }
        self.done.push(task);
    }

    fn back_to(&mut self, done: usize) {
        while self.done.len() > done {
            let Some(task) = self.done.pop() else { return };
            let it = &self.problem.tasks[task];
            self.room.undo(it);
            self.key[task / 64] &= !(1 << (task % 64));
            for next in &it.next {
                self.open[*next] += 1;
            }
            for (arrives, needed) in self.arrives[it.to * self.problem.width..].iter_mut().zip(&it.demand) {
                *arrives += needed;
            }
        }
    }

    /// Takes tasks whose target has room for all further arrivals, until there is none.
    fn take_harmless(&mut self, budget: &mut u64) {
        loop {
            let before = self.done.len();
            for at in 0..self.preferred.len() {
                let task = self.preferred[at];
                if !self.is_done(task) && self.open[task] == 0 && self.roomy(self.problem.tasks[task].to) {
                    self.take(task);
                }
            }
            *budget = budget.saturating_sub(self.preferred.len() as u64);
            if self.done.len() == before {
                return;
            }
        }
    }

    fn roomy(&self, node: usize) -> bool {
        let arrives = &self.arrives[node * self.problem.width..];
        arrives.iter().zip(self.room.free(node)).all(|(arrives, free)| *arrives == 0 || arrives <= free)
    }

    /// Tasks that can be next, the preferred ones first.
    fn choices(&self, budget: &mut u64) -> Vec<usize> {
        *budget = budget.saturating_sub(self.preferred.len() as u64);
        self.preferred.iter().copied().filter(|it| self.can(*it)).collect()
    }
}
