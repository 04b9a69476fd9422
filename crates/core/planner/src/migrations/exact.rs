//! Exhaustive search for few moves: at each moment every choice of what starts and what waits, in every mode.
//!
//! It is enough that moves start at a release or at the end of another: one that starts between can start sooner. For the
//! same reason a move that could have started at the last such moment, beside all that did, is not started now: what holds
//! now is what was freed since, and it needs none of it.

use rustc_hash::FxHashMap;

use super::bounds::tails;
use super::list::Placed;
use super::problem::{Mode, Problem, Task};
use super::room::Room;

/// Most moves that are searched exhaustively.
pub(super) const MOST_TASKS: usize = 12;

/// What the search found.
pub(super) struct Searched {
    /// A schedule that ends before the one that was known, if one was found.
    pub(super) better: Option<Vec<Placed>>,
    /// Everything was tried: nothing ends sooner.
    pub(super) exhausted: bool,
}

/// Looks for schedules that end before `known_ms`, in the order of `preferred`. Ends when one ends by `enough_ms`.
pub(super) fn search(
    problem: &Problem,
    preferred: &[usize],
    known_ms: u64,
    enough_ms: u64,
    budget: &mut u64,
) -> Searched {
    let count = problem.tasks.len();
    let mut search = Search {
        problem,
        preferred,
        tails: tails(problem),
        twins: twins(problem),
        room: Room::new(problem),
        started: vec![false; count],
        open: problem.tasks.iter().map(|it| it.before.len()).collect(),
        barred: vec![0; count],
        running: Vec::new(),
        placed: vec![Placed::default(); count],
        seen: FxHashMap::default(),
        best_ms: known_ms,
        enough_ms,
        better: None,
        budget: *budget,
    };
    search.at(0);
    let exhausted = search.budget > 0 || search.best_ms <= enough_ms;
    *budget = search.budget;
    Searched { better: search.better, exhausted }
}

struct Search<'p> {
    problem: &'p Problem,
    preferred: &'p [usize],
    /// From a task's start to the end of all that must follow it.
    tails: Vec<u64>,
    /// A task that is the same, and starts first.
    twins: Vec<Option<usize>>,
    room: Room,
    started: Vec<bool>,
    /// How many of the tasks before it have not ended.
    open: Vec<usize>,
    /// Modes, a bit for each, in which a task could have started at the last moment.
    barred: Vec<u32>,
    /// End, task, mode.
    running: Vec<(u64, usize, usize)>,
    placed: Vec<Placed>,
    /// The earliest moment at which a state was reached.
    seen: FxHashMap<Vec<u64>, u64>,
    best_ms: u64,
    enough_ms: u64,
    better: Option<Vec<Placed>>,
    budget: u64,
}

impl Search<'_> {
    fn over(&self) -> bool {
        self.budget == 0 || self.best_ms <= self.enough_ms
    }

    /// All that ends at this moment has ended.
    fn at(&mut self, now_ms: u64) {
        self.budget = self.budget.saturating_sub(1);
        if self.over() || self.bound(now_ms) >= self.best_ms || self.seen_before(now_ms) {
            return;
        }
        let ready = |it: &usize| self.ready(*it, now_ms);
        let candidates: Vec<usize> = self.preferred.iter().copied().filter(ready).collect();
        self.choose(now_ms, &candidates);
    }

    fn ready(&self, task: usize, now_ms: u64) -> bool {
        !self.started[task] && self.open[task] == 0 && self.problem.tasks[task].release_ms <= now_ms
    }

    /// No schedule that goes on from here ends sooner.
    fn bound(&self, now_ms: u64) -> u64 {
        let (tasks, nodes) = (&self.problem.tasks, &self.problem.nodes);
        let mut bound = self.running.iter().map(|it| it.0).max().unwrap_or(now_ms);
        let mut volume = vec![0_u128; nodes.len() * 2 + 1];
        let mut slots = vec![0_u64; nodes.len()];
        let mut carry = |task: &Task, carried: u128, ms: u64| {
            for place in [task.from * 2, task.to * 2 + 1, nodes.len() * 2] {
                volume[place] += carried;
            }
            slots[task.from] += ms;
            slots[task.to] += ms;
        };
        for (end_ms, task, mode) in &self.running {
            let (it, left_ms) = (&tasks[*task], end_ms - now_ms);
            carry(it, u128::from(it.modes[*mode].mbps) * u128::from(left_ms), left_ms);
        }
        for (task, it) in tasks.iter().enumerate().filter(|(task, _)| !self.started[*task]) {
            bound = bound.max(now_ms.max(it.release_ms) + self.tails[task]);
            carry(it, it.least_volume(), it.least_ms());
        }
        let over = |volume: u128, mbps: u64| {
            now_ms + u64::try_from(volume.div_ceil(u128::from(mbps.max(1)))).unwrap_or(u64::MAX / 2)
        };
        for (at, node) in nodes.iter().enumerate() {
            bound = bound.max(over(volume[at * 2], node.out_mbps));
            bound = bound.max(over(volume[at * 2 + 1], node.in_mbps));
            bound = bound.max(now_ms + slots[at].div_ceil(u64::from(node.slots.max(1))));
        }
        self.problem.core_mbps.map_or(bound, |core| bound.max(over(volume[nodes.len() * 2], core)))
    }

    /// The same state was reached no later than now. What is free follows from what has started and what runs.
    fn seen_before(&mut self, now_ms: u64) -> bool {
        let tasks = &self.problem.tasks;
        let mut key = vec![0_u64];
        for (task, started) in self.started.iter().enumerate() {
            key[0] |= u64::from(*started) << task;
            key.push(u64::from(self.barred[task]));
        }
        let mut running = self.running.clone();
        running.sort_unstable_by_key(|it| it.1);
        for (end_ms, task, mode) in running {
            key.extend([task as u64, mode as u64, end_ms - now_ms]);
        }
        // Where a release is still to come, the same state later is another one.
        if tasks.iter().zip(&self.started).any(|(it, started)| !started && it.release_ms > now_ms) {
            key.push(now_ms);
        }
        let first = self.seen.entry(key).or_insert(u64::MAX);
        if *first <= now_ms {
            return true;
        }
        *first = now_ms;
        false
    }

    fn choose(&mut self, now_ms: u64, candidates: &[usize]) {
        let Some((task, rest)) = candidates.split_first() else {
            self.advance(now_ms);
            return;
        };
        let (task, it) = (*task, &self.problem.tasks[*task]);
        if self.twins[task].is_none_or(|twin| self.started[twin]) {
            for (mode, how) in it.modes.iter().enumerate() {
                self.budget = self.budget.saturating_sub(1);
                if self.over() {
                    return;
                }
                if self.barred[task] >> mode & 1 == 1 || self.room.fits(it, &[*how]).is_err() {
                    continue;
                }
                self.start(task, it, mode, *how, now_ms);
                self.choose(now_ms, rest);
                self.running.pop();
                self.started[task] = false;
                self.room.cancel(it, *how);
            }
        }
        self.choose(now_ms, rest);
    }

    fn start(&mut self, task: usize, it: &Task, mode: usize, how: Mode, now_ms: u64) {
        self.room.start(it, how);
        self.started[task] = true;
        let end_ms = now_ms + how.ms;
        self.running.push((end_ms, task, mode));
        self.placed[task] = Placed { start_ms: now_ms, end_ms, mbps: how.mbps };
    }

    /// Goes to the next moment at which something ends or is released.
    fn advance(&mut self, now_ms: u64) {
        if self.started.iter().all(|it| *it) {
            let end_ms = self.placed.iter().map(|it| it.end_ms).max().unwrap_or(0);
            if end_ms < self.best_ms {
                self.best_ms = end_ms;
                self.better = Some(self.placed.clone());
            }
            return;
        }
        let releases = self.problem.tasks.iter().enumerate().filter_map(|(task, it)| {
            (!self.started[task] && self.open[task] == 0 && it.release_ms > now_ms).then_some(it.release_ms)
        });
        let Some(next_ms) = self.running.iter().map(|it| it.0).chain(releases).min() else { return };
        let could: Vec<u32> = (0..self.started.len()).map(|task| self.could_start(task, now_ms)).collect();
        let barred = std::mem::replace(&mut self.barred, could);
        let (ended, running): (Vec<_>, Vec<_>) = self.running.iter().partition(|it| it.0 == next_ms);
        let before = std::mem::replace(&mut self.running, running);
        for (_, task, mode) in &ended {
            let it = &self.problem.tasks[*task];
            self.room.end(it, it.modes[*mode]);
            for next in &it.next {
                self.open[*next] -= 1;
            }
        }
        self.at(next_ms);
        for (_, task, mode) in &ended {
            let it = &self.problem.tasks[*task];
            self.room.resume(it, it.modes[*mode]);
            for next in &it.next {
                self.open[*next] += 1;
            }
        }
        self.running = before;
        self.barred = barred;
    }

    /// The modes in which a task could start now, beside all that has.
    fn could_start(&self, task: usize, now_ms: u64) -> u32 {
        if !self.ready(task, now_ms) {
            return 0;
        }
        let it = &self.problem.tasks[task];
        let fits = |(_, mode): &(usize, &Mode)| self.room.fits(it, &[**mode]).is_ok();
        it.modes.iter().enumerate().filter(fits).map(|(mode, _)| 1 << mode).sum()
    }
}

/// For each task an earlier one that differs in nothing: of these the first starts first.
fn twins(problem: &Problem) -> Vec<Option<usize>> {
    let tasks = &problem.tasks;
    let same = |one: &Task, other: &Task| {
        let alone = |it: &Task| it.before.is_empty() && it.next.is_empty();
        let at = |it: &Task| (it.from, it.to, it.release_ms);
        alone(one)
            && alone(other)
            && at(one) == at(other)
            && one.demand == other.demand
            && one.modes == other.modes
    };
    (0..tasks.len()).map(|task| (0..task).rev().find(|other| same(&tasks[*other], &tasks[task]))).collect()
}
