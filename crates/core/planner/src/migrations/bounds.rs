//! Moments before which no schedule ends.

use std::collections::BTreeMap;

use super::problem::{Problem, Task};

/// Lower bounds on the makespan in milliseconds, by name (see [`super::Schedule::lower_bound`]). `earliest` are moments
/// before which each task cannot start.
pub(super) fn bounds(problem: &Problem, earliest: &[u64]) -> BTreeMap<&'static str, u64> {
    let tails = tails(problem);
    let single = problem.tasks.iter().map(|it| it.release_ms + it.least_ms()).max().unwrap_or(0);
    let path = earliest.iter().zip(&tails).map(|(head, tail)| head + tail).max().unwrap_or(0);
    let mut loads = vec![Load::default(); problem.nodes.len() * 2 + 1];
    let mut slots = vec![Vec::new(); problem.nodes.len()];
    for (task, it) in problem.tasks.iter().enumerate() {
        let after_ms = tails[task] - it.least_ms();
        for place in [it.from * 2, it.to * 2 + 1, problem.nodes.len() * 2] {
            loads[place].add(it, earliest[task], after_ms);
        }
        for node in [it.from, it.to] {
            slots[node].push((it.least_ms(), earliest[task], after_ms));
        }
    }
    let mut link = 0;
    for (node, it) in problem.nodes.iter().enumerate() {
        link = link.max(loads[node * 2].over(it.out_mbps)).max(loads[node * 2 + 1].over(it.in_mbps));
    }
    if let (Some(core), Some(load)) = (problem.core_mbps, loads.last()) {
        link = link.max(load.over(core));
    }
    let in_slots = slots.iter_mut().zip(&problem.nodes).map(|(moves, node)| over_slots(moves, node.slots));
    let in_slots = in_slots.max().unwrap_or(0);
    BTreeMap::from([("move", single), ("path", path), ("link", link), ("slots", in_slots)])
}

/// For each task the time from its start to the end of the last one that must come after it.
pub(super) fn tails(problem: &Problem) -> Vec<u64> {
    let mut tails: Vec<u64> = problem.tasks.iter().map(Task::least_ms).collect();
    let mut open: Vec<usize> = problem.tasks.iter().map(|it| it.next.len()).collect();
    let mut free: Vec<usize> = (0..open.len()).filter(|it| open[*it] == 0).collect();
    while let Some(task) = free.pop() {
        for before in &problem.tasks[task].before {
            tails[*before] = tails[*before].max(problem.tasks[*before].least_ms() + tails[task]);
            open[*before] -= 1;
            if open[*before] == 0 {
                free.push(*before);
            }
        }
    }
    tails
}

/// What goes over one link: none of it begins sooner than the first can, and what follows the last is still to come.
#[derive(Clone, Default)]
struct Load {
    volume: u128,
    sum_ms: u64,
    slowest_mbps: u64,
    any: bool,
    begin_ms: u64,
    after_ms: u64,
}

impl Load {
    fn add(&mut self, task: &Task, earliest_ms: u64, after_ms: u64) {
        self.volume += task.least_volume();
        self.sum_ms += task.least_ms();
        let slowest = task.modes.last().map_or(0, |it| it.mbps);
        self.slowest_mbps = if self.any { self.slowest_mbps.min(slowest) } else { slowest };
        self.begin_ms = if self.any { self.begin_ms.min(earliest_ms) } else { earliest_ms };
        self.after_ms = if self.any { self.after_ms.min(after_ms) } else { after_ms };
        self.any = true;
    }

    /// The link carries no more than its rate, and no more moves at a time than have room side by side.
    fn over(&self, mbps: u64) -> u64 {
        let ms = self.volume.div_ceil(u128::from(mbps.max(1)));
        let beside = self.sum_ms.div_ceil((mbps / self.slowest_mbps.max(1)).max(1));
        self.begin_ms + u64::try_from(ms).unwrap_or(u64::MAX / 2).max(beside) + self.after_ms
    }
}

/// Moves in so many slots: their durations over all slots, and as many of the shortest as one slot gets at least.
fn over_slots(moves: &mut [(u64, u64, u64)], slots: u32) -> u64 {
    moves.sort_unstable();
    let count = usize::try_from(slots.max(1)).unwrap_or(usize::MAX);
    let sum: u64 = moves.iter().map(|it| it.0).sum();
    let rounds = moves.len().div_ceil(count);
    let shortest: u64 = moves.iter().take(rounds).map(|it| it.0).sum();
    let begin = moves.iter().map(|it| it.1).min().unwrap_or(0);
    let after = moves.iter().map(|it| it.2).min().unwrap_or(0);
    begin + sum.div_ceil(u64::from(slots.max(1))).max(shortest) + after
}
