//! List scheduling: at each moment whatever can start does, in the order of priority.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::problem::{Mode, Problem, Task};
use super::room::{Blocked, Room};

/// Moves waiting at one place that are tried at one moment: a queue of thousands is not gone through at every end of a move.
/// Where nothing runs any more, all are tried.
const LOOK: usize = 64;

/// What list scheduling goes by.
#[derive(Debug, Clone)]
pub(super) struct Priorities {
    /// Tasks, the first ones first.
    pub(super) order: Vec<usize>,
    /// For each task, how many of its modes may be used, from the fastest on; at least 1.
    pub(super) modes: Vec<usize>,
    /// Arrivals at a node where not all have room from the beginning take place in the order: who comes later does not take
    /// the room that an earlier one waits for.
    pub(super) in_order: bool,
}

/// When a task takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Placed {
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    pub(super) mbps: u64,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    /// When each task takes place.
    All(Vec<Placed>),
    /// Nothing runs, and none of these tasks can start.
    Stuck(Vec<usize>),
}

/// Where a candidate comes from: it is new, or it waits at a place.
const NEW: usize = usize::MAX;

/// Schedules all tasks of a problem. `tried` counts every attempt to start one.
pub(super) fn list(problem: &Problem, by: &Priorities, tried: &mut u64) -> Listed {
    let mut run = Run::new(problem, by);
    let ready = (0..problem.tasks.len()).filter(|it| run.open[*it] == 0);
    let (now, later): (Vec<usize>, Vec<usize>) = ready.partition(|it| problem.tasks[*it].release_ms == 0);
    run.events.extend(later.into_iter().map(|it| Reverse((problem.tasks[it].release_ms, it, false))));
    run.start_what_can(now, &[], LOOK);
    loop {
        let Some(Reverse((now_ms, ..))) = run.events.peek().copied() else {
            // A look that was cut short may have missed some.
            let waiting = run.waiting.iter().filter(|it| !it.is_empty()).count();
            if waiting == 0 {
                break;
            }
            let places: Vec<usize> = (0..run.waiting.len()).collect();
            run.start_what_can(Vec::new(), &places, usize::MAX);
            if run.events.is_empty() {
                break;
            }
            continue;
        };
        run.now_ms = now_ms;
        let (mut ready, mut places) = (Vec::new(), Vec::new());
        while let Some(Reverse((at_ms, task, ends))) = run.events.peek().copied() {
            if at_ms > now_ms {
                break;
            }
            run.events.pop();
            if ends {
                run.end(task, &mut ready, &mut places);
            } else {
                ready.push(task);
            }
        }
        places.sort_unstable();
        places.dedup();
        run.start_what_can(ready, &places, LOOK);
    }
    *tried += run.tried;
    let stuck: Vec<usize> = (0..problem.tasks.len()).filter(|it| !run.started[*it]).collect();
    if stuck.is_empty() { Listed::All(run.placed) } else { Listed::Stuck(stuck) }
}

struct Run<'p> {
    problem: &'p Problem,
    by: &'p Priorities,
    rank: Vec<usize>,
    room: Room,
    now_ms: u64,
    /// Ends of running tasks (`true`), releases of others.
    events: BinaryHeap<Reverse<(u64, usize, bool)>>,
    /// Ready tasks by place and rank: two places per node, for leaving and arriving, and the core.
    waiting: Vec<BTreeSet<(usize, usize)>>,
    /// The slowest rate that any task may be allotted, by place.
    least_mbps: Vec<u64>,
    /// How many of the tasks before it have not ended.
    open: Vec<usize>,
    /// At nodes where arrivals take turns: those that have not started, the first one last.
    turns: Vec<Vec<usize>>,
    started: Vec<bool>,
    placed: Vec<Placed>,
    tried: u64,
}

impl<'p> Run<'p> {
    fn new(problem: &'p Problem, by: &'p Priorities) -> Self {
        let count = problem.tasks.len();
        let mut rank = vec![0; count];
        for (at, task) in by.order.iter().enumerate() {
            rank[*task] = at;
        }
        let mut least_mbps = vec![u64::MAX; problem.nodes.len() * 2 + 1];
        for (it, modes) in problem.tasks.iter().zip(&by.modes) {
            let slowest = it.modes.iter().take(*modes).map(|it| it.mbps).min().unwrap_or(0);
            for place in [it.from * 2, it.to * 2 + 1, problem.nodes.len() * 2] {
                least_mbps[place] = least_mbps[place].min(slowest);
            }
        }
        Self {
            problem,
            by,
            rank,
            least_mbps,
            room: Room::new(problem),
            now_ms: 0,
            events: BinaryHeap::new(),
            waiting: vec![BTreeSet::new(); problem.nodes.len() * 2 + 1],
            open: problem.tasks.iter().map(|it| it.before.len()).collect(),
            turns: if by.in_order { turns(problem, &by.order) } else { Vec::new() },
            started: vec![false; count],
            placed: vec![Placed::default(); count],
            tried: 0,
        }
    }

    fn end(&mut self, task: usize, ready: &mut Vec<usize>, places: &mut Vec<usize>) {
        let it = &self.problem.tasks[task];
        let Placed { start_ms, end_ms, mbps } = self.placed[task];
        self.room.end(it, Mode { mbps, ms: end_ms - start_ms });
        for node in [it.from, it.to] {
            places.extend([node * 2, node * 2 + 1]);
        }
        places.push(self.core());
        for next in &it.next {
            self.open[*next] -= 1;
            if self.open[*next] > 0 {
                continue;
            }
            let release_ms = self.problem.tasks[*next].release_ms;
            if release_ms > self.now_ms {
                self.events.push(Reverse((release_ms, *next, false)));
            } else {
                ready.push(*next);
            }
        }
    }

    fn core(&self) -> usize {
        self.waiting.len() - 1
    }

    /// Tries new tasks and those that wait at these places, in the order of priority. Starting only takes, so that one pass
    /// finds all; except where arrivals take turns, when a start calls the next one.
    fn start_what_can(&mut self, ready: Vec<usize>, places: &[usize], look: usize) {
        let mut candidates: BinaryHeap<Reverse<(usize, usize, usize, usize)>> =
            ready.into_iter().map(|it| Reverse((self.rank[it], it, NEW, look))).collect();
        for place in places {
            if let Some((rank, task)) = self.waiting[*place].first().copied() {
                candidates.push(Reverse((rank, task, *place, look)));
            }
        }
        while let Some(Reverse((rank, task, place, look))) = candidates.pop() {
            if place != NEW {
                if self.nothing_starts(place) {
                    continue;
                }
                // Its place may have been called twice: by an end and by a turn.
                if self.waiting[place].contains(&(rank, task)) {
                    self.attempt(task, place, &mut candidates);
                }
                let after = (rank, task + 1)..;
                if let Some((rank, task)) = self.waiting[place].range(after).next().copied()
                    && look > 1
                {
                    candidates.push(Reverse((rank, task, place, look - 1)));
                }
            } else {
                self.attempt(task, NEW, &mut candidates);
            }
        }
    }

    /// Not even the slowest of those that wait here can start.
    fn nothing_starts(&self, place: usize) -> bool {
        let (node, least_mbps) = (place / 2, self.least_mbps[place]);
        if place == self.core() {
            return self.room.core_mbps() < least_mbps;
        }
        self.room.slots(node) == 0
            || least_mbps
                > if place.is_multiple_of(2) { self.room.out_mbps(node) } else { self.room.in_mbps(node) }
    }

    fn attempt(
        &mut self,
        task: usize,
        place: usize,
        candidates: &mut BinaryHeap<Reverse<(usize, usize, usize, usize)>>,
    ) {
        self.tried += 1;
        let it = &self.problem.tasks[task];
        let modes = &it.modes[..self.by.modes[task].min(it.modes.len())];
        let turn = self.turns.get(it.to).and_then(|turns| turns.last().copied());
        let fits = if turn.is_some_and(|turn| turn != task) {
            Err(Blocked::Target)
        } else {
            self.room.fits(it, modes)
        };
        let held = match fits {
            Ok(mode) => {
                self.start(task, it, modes[mode]);
                if turn.is_some() {
                    self.turns[it.to].pop();
                    let at = it.to * 2 + 1;
                    if let Some((rank, task)) = self.waiting[at].first().copied() {
                        candidates.push(Reverse((rank, task, at, LOOK)));
                    }
                }
                NEW
            }
            Err(Blocked::Source) => it.from * 2,
            Err(Blocked::Target) => it.to * 2 + 1,
            Err(Blocked::Core) => self.core(),
        };
        if held != place {
            let entry = (self.rank[task], task);
            if place != NEW {
                self.waiting[place].remove(&entry);
            }
            if held != NEW {
                self.waiting[held].insert(entry);
            }
        }
    }

    fn start(&mut self, task: usize, it: &Task, mode: Mode) {
        self.room.start(it, mode);
        self.started[task] = true;
        let (start_ms, end_ms) = (self.now_ms, self.now_ms + mode.ms);
        self.placed[task] = Placed { start_ms, end_ms, mbps: mode.mbps };
        self.events.push(Reverse((end_ms, task, true)));
    }
}

/// Arrivals at each node in the reverse of the order; none where all have room from the beginning.
fn turns(problem: &Problem, order: &[usize]) -> Vec<Vec<usize>> {
    let mut turns = vec![Vec::new(); problem.nodes.len()];
    let tight = tight(problem);
    for task in order.iter().rev() {
        let to = problem.tasks[*task].to;
        if tight[to] {
            turns[to].push(*task);
        }
    }
    turns
}

/// Nodes where not all arrivals have room before anything leaves.
pub(super) fn tight(problem: &Problem) -> Vec<bool> {
    let mut room = Room::new(problem);
    for task in &problem.tasks {
        room.arrive(task);
    }
    (0..problem.nodes.len()).map(|node| room.free(node).iter().any(|free| *free < 0)).collect()
}
