//! The values of a machine reassignment instance, as the challenge defines them. All numbers are whole, from 0 to
//! [`MAX_NUMBER`], so that sums fit `i64` wherever they are taken.

/// Largest number of an instance: the challenge's files hold signed numbers of 32 bits.
pub const MAX_NUMBER: i64 = i32::MAX as i64;

/// A resource, such as memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resource {
    /// A process that moves also uses it on the machine that it leaves.
    pub(super) transient: bool,
    /// Cost of each unit above a machine's safety capacity.
    pub(super) load_weight: i64,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// Services that depend on each other meet in a neighbourhood.
    pub(super) neighbourhood: u32,
    /// Services are spread over locations.
    pub(super) location: u32,
    /// What it has, by resource.
    pub(super) capacity: Vec<i64>,
    /// What may be used free of load cost, by resource.
    pub(super) safety_capacity: Vec<i64>,
    /// Cost of a move from here to each machine.
    pub(super) move_cost: Vec<u32>,
}

/// Processes that belong together; no two of them share a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// Least number of locations that have a process of it.
    pub(super) spread_min: u32,
    /// Indices of services: each process of this one has a process of each of them in its neighbourhood.
    pub(super) depends_on: Vec<u32>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Index of its service.
    pub(super) service: u32,
    /// What it uses, by resource.
    pub(super) requirement: Vec<i64>,
    /// Cost of moving it anywhere.
    pub(super) move_cost: i64,
}

/// A balance between what is left of two resources on each machine: `weight x max(0, target x left(first) - left(second))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Balance {
    /// Index of the resource that must not be left over alone.
    pub(super) first: u32,
    /// Index of the resource that should be left with it.
    pub(super) second: u32,
    /// Units of the second per unit of the first.
    pub(super) target: i64,
    /// Cost of each unit that is missing.
    pub(super) weight: i64,
}

/// Weights of the three costs of moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MoveWeights {
    /// Of the sum of the moved processes' own costs.
    pub(super) process: i64,
    /// Of the largest number of moved processes in one service.
    pub(super) service: i64,
    /// Of the sum of the costs from machine to machine.
    pub(super) machine: i64,
}

/// An instance, without its initial assignment. It comes from [`read_model`](super::read_model) alone, so that every index in it leads
/// somewhere and every list has its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The resources.
    pub(super) resources: Vec<Resource>,
    /// The machines.
    pub(super) machines: Vec<Machine>,
    /// The services.
    pub(super) services: Vec<Service>,
    /// The processes.
    pub(super) processes: Vec<Process>,
    /// The balances.
    pub(super) balances: Vec<Balance>,
    /// The weights of moves.
    pub(super) move_weights: MoveWeights,
}

impl Instance {
    /// Number of machines.
    #[must_use]
    pub fn machine_count(&self) -> usize {
        self.machines.len()
    }

    /// Number of processes.
    #[must_use]
    pub fn process_count(&self) -> usize {
        self.processes.len()
    }

    /// Number of resources.
    #[must_use]
    pub fn resource_count(&self) -> usize {
        self.resources.len()
    }
}

/// The index of the machine of each process.
pub type Assignment = Vec<u32>;
