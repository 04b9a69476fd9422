//! What is left of links, slots and room at a moment.

use super::problem::{Mode, Problem, Task};

/// What stands in the way of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// Slots or outgoing link of its source.
    Source,
    /// Slots, incoming link or room of its target.
    Target,
    /// The core of the network.
    Core,
}

/// What is left.
#[derive(Debug, Clone)]
pub(super) struct Room {
    width: usize,
    /// By node, then resource.
    free: Vec<i64>,
    out_mbps: Vec<u64>,
    in_mbps: Vec<u64>,
    slots: Vec<u32>,
    core_mbps: u64,
}

impl Room {
    /// Before anything moves.
    pub(super) fn new(problem: &Problem) -> Self {
        Self {
            width: problem.width,
            free: problem.nodes.iter().flat_map(|it| it.free.iter().copied()).collect(),
            out_mbps: problem.nodes.iter().map(|it| it.out_mbps).collect(),
            in_mbps: problem.nodes.iter().map(|it| it.in_mbps).collect(),
            slots: problem.nodes.iter().map(|it| it.slots).collect(),
            core_mbps: problem.core_mbps.unwrap_or(u64::MAX),
        }
    }

    /// The target has room. What a VM needs nothing of is not looked at: it may be overcommitted.
    pub(super) fn holds(&self, task: &Task) -> bool {
        let free = &self.free[task.to * self.width..];
        task.demand.iter().zip(free).all(|(needed, free)| *needed == 0 || needed <= free)
    }

    /// The fastest of these modes that can be allotted now, by its position.
    pub(super) fn fits(&self, task: &Task, modes: &[Mode]) -> Result<usize, Blocked> {
        if self.slots[task.from] == 0 {
            return Err(Blocked::Source);
        }
        if self.slots[task.to] == 0 || !self.holds(task) {
            return Err(Blocked::Target);
        }
        let (source, target) = (self.out_mbps[task.from], self.in_mbps[task.to]);
        let left = source.min(target).min(self.core_mbps);
        modes.iter().position(|mode| mode.mbps <= left).ok_or({
            if left == source {
                Blocked::Source
            } else if left == target {
                Blocked::Target
            } else {
                Blocked::Core
            }
        })
    }

    /// Slots of a node that are left.
    pub(super) fn slots(&self, node: usize) -> u32 {
        self.slots[node]
    }

    /// What is left of a node's outgoing link.
    pub(super) fn out_mbps(&self, node: usize) -> u64 {
        self.out_mbps[node]
    }

    /// What is left of a node's incoming link.
    pub(super) fn in_mbps(&self, node: usize) -> u64 {
        self.in_mbps[node]
    }

    /// What is left of the core.
    pub(super) fn core_mbps(&self) -> u64 {
        self.core_mbps
    }

    /// Takes what a move needs, which [`Room::fits`] has found to be there.
    pub(super) fn start(&mut self, task: &Task, mode: Mode) {
        self.out_mbps[task.from] -= mode.mbps;
        self.in_mbps[task.to] -= mode.mbps;
        self.core_mbps -= mode.mbps;
        self.slots[task.from] -= 1;
        self.slots[task.to] -= 1;
        self.arrive(task);
    }

    /// Gives back what a move needed to run, and its room at the source.
    pub(super) fn end(&mut self, task: &Task, mode: Mode) {
        self.out_mbps[task.from] += mode.mbps;
        self.in_mbps[task.to] += mode.mbps;
        self.core_mbps += mode.mbps;
        self.slots[task.from] += 1;
        self.slots[task.to] += 1;
        self.leave(task);
    }

    /// The room at the target is taken.
    pub(super) fn arrive(&mut self, task: &Task) {
        for (free, needed) in self.free[task.to * self.width..].iter_mut().zip(&task.demand) {
            *free -= needed;
        }
    }

    /// The room at the source is free.
    pub(super) fn leave(&mut self, task: &Task) {
        for (free, needed) in self.free[task.from * self.width..].iter_mut().zip(&task.demand) {
            *free += needed;
        }
    }

    /// Takes back an arrival and a leaving.
    pub(super) fn undo(&mut self, task: &Task) {
        for (free, needed) in self.free[task.to * self.width..].iter_mut().zip(&task.demand) {
            *free += needed;
        }
        for (free, needed) in self.free[task.from * self.width..].iter_mut().zip(&task.demand) {
            *free -= needed;
        }
    }

    /// Takes back an [`Room::end`].
    pub(super) fn resume(&mut self, task: &Task, mode: Mode) {
        for (free, needed) in self.free[task.from * self.width..].iter_mut().zip(&task.demand) {
            *free -= needed;
        }
        self.out_mbps[task.from] -= mode.mbps;
        self.in_mbps[task.to] -= mode.mbps;
        self.core_mbps -= mode.mbps;
        self.slots[task.from] -= 1;
        self.slots[task.to] -= 1;
    }

    /// Takes back a [`Room::start`].
    pub(super) fn cancel(&mut self, task: &Task, mode: Mode) {
        for (free, needed) in self.free[task.to * self.width..].iter_mut().zip(&task.demand) {
            *free += needed;
        }
        self.out_mbps[task.from] += mode.mbps;
        self.in_mbps[task.to] += mode.mbps;
        self.core_mbps += mode.mbps;
        self.slots[task.from] += 1;
        self.slots[task.to] += 1;
    }

    /// What is free of a node, by resource.
    pub(super) fn free(&self, node: usize) -> &[i64] {
        &self.free[node * self.width..(node + 1) * self.width]
    }
}
