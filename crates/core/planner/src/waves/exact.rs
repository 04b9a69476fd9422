//! Exhaustive search over partitions of a small instance, each wave checked by exact packing.

use rustc_hash::{FxHashMap, FxHashSet};

use super::packing::{Packed, pack};
use super::problem::{Problem, index};
use super::subsets::{State, Subsets};

/// Most VMs of an instance that is searched exhaustively: the search goes as deep as there are VMs.
const MAX_VMS: usize = 400;
/// Most groups that one VM shares a part in: the ways to choose parts multiply.
const MAX_AMONG: usize = 2;

/// What the search over partitions found.
#[derive(Debug)]
pub(super) enum Searched {
    /// Waves by counts of interchangeable hosts, each with a placement.
    Waves(Vec<State>),
    /// No partition into so many waves has placements.
    Exhausted,
    /// The budget ended before that.
    BudgetEnded,
}

/// Exact answers about one instance, remembered.
pub(super) struct Exact<'p, 'a> {
    problem: &'p Problem<'a>,
    subsets: &'p Subsets,
    packed: FxHashMap<State, Packed>,
    hopeless: FxHashSet<(State, usize)>,
    /// Hosts that may still be tried for a VM.
    pub(super) budget: u64,
    /// Hosts that may be tried for one packing.
    each: u64,
}

impl<'p, 'a> Exact<'p, 'a> {
    /// `None` when the instance is too large for it.
    pub(super) fn new(problem: &'p Problem<'a>, subsets: &'p Subsets, budget: u64) -> Option<Self> {
        let shared = problem.among_of.iter().map(Vec::len).max().unwrap_or(0);
        (problem.vms() <= MAX_VMS && shared <= MAX_AMONG).then(|| Self {
            problem,
            subsets,
            packed: FxHashMap::default(),
            hopeless: FxHashSet::default(),
            budget,
            each: budget / 8,
        })
    }

    /// A host that can be in no wave, because everything was tried: the smallest subsets decide, since a part of
    /// what can be away can be away.
    pub(super) fn host_that_must_stay(&mut self) -> Option<usize> {
        for of in 0..self.subsets.types.len() {
            let host = self.subsets.types[of].first().copied()?;
            let mut budget = self.each.min(self.budget);
            let before = budget;
            let found = pack(self.problem, &[host], &mut budget);
            self.budget -= before - budget;
            if found == Packed::Impossible {
                return Some(host);
            }
        }
        None
    }

    /// Looks for a partition into at most `waves`.
    pub(super) fn search(&mut self, waves: usize) -> Searched {
        let mut path = Vec::new();
        match self.next(self.subsets.all(), waves, &mut path) {
            Some(true) => Searched::Waves(path),
            Some(false) => Searched::Exhausted,
            None => Searched::BudgetEnded,
        }
    }

    /// `None`: not excluded, since some packing ran out of budget.
    fn next(&mut self, left: State, waves: usize, path: &mut Vec<State>) -> Option<bool> {
        if left == 0 {
            return Some(true);
        }
        if self.subsets.least(left) > waves || self.hopeless.contains(&(left, waves)) {
            return Some(false);
        }
        let subsets = self.subsets;
        let mut parts = Vec::new();
        subsets.parts(left, &mut |part| {
            if subsets.allowed(part) && subsets.least(left - part) < waves {
                parts.push(part);
            }
        });
        let mut sure = true;
        for part in parts {
            match self.pack(part) {
                Packed::Placement(_) => {
                    path.push(part);
                    match self.next(left - part, waves - 1, path) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => sure = false,
                    }
                    path.pop();
                }
                Packed::Impossible => {}
                Packed::BudgetEnded => sure = false,
            }
            if self.budget == 0 {
                return None;
            }
        }
        if sure {
            self.hopeless.insert((left, waves));
        }
        sure.then_some(false)
    }

    fn pack(&mut self, state: State) -> Packed {
        if let Some(known) = self.packed.get(&state) {
            return known.clone();
        }
        let mut budget = self.each.min(self.budget);
        let before = budget;
        let found = pack(self.problem, &self.subsets.hosts(state), &mut budget);
        // A packing that cost nothing must not make the search endless.
        self.budget = self.budget.saturating_sub((before - budget).max(1));
        self.packed.insert(state, found.clone());
        found
    }

    /// The placement of a state, for a wave of other hosts of the same types.
    pub(super) fn placement(&mut self, state: State, hosts: &[usize]) -> Option<Vec<u32>> {
        let Packed::Placement(placement) = self.pack(state) else { return None };
        let mut other: Vec<u32> = (0..self.problem.hosts()).map(index).collect();
        for of in 0..self.subsets.types.len() {
            let members = &self.subsets.types[of];
            let (away, rest): (Vec<usize>, Vec<usize>) = members.iter().partition(|it| hosts.contains(it));
            for (from, to) in members.iter().zip(away.into_iter().chain(rest)) {
                other[*from] = index(to);
            }
        }
        placement.iter().map(|host| other.get(*host as usize).copied()).collect()
    }
}
