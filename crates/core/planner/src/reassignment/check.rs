//! The checker: whether a solution holds, what it costs, and what no solution can undercut. It evaluates everything from
//! the definitions, in `i128`, and shares no code with the search.

use std::collections::{BTreeMap, BTreeSet};

use super::instance::Instance;

/// Violations that are told; all of them are counted.
const TOLD: usize = 20;

/// The parts of a cost, weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Use above safety capacities.
    pub load: i128,
    /// What is left over unbalanced.
    pub balance: i128,
    /// Moved processes' own costs.
    pub process_move: i128,
    /// The service with the most moved processes.
    pub service_move: i128,
    /// Costs from machine to machine.
    pub machine_move: i128,
}

impl Cost {
    /// The sum of the parts: the objective of the challenge.
    #[must_use]
    pub fn total(&self) -> i128 {
        self.load + self.balance + self.process_move + self.service_move + self.machine_move
    }
}

/// What is wrong with a solution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It is no assignment of this instance.
    #[error("found {found} machines, expected {expected}, one for each process")]
    Length {
        /// Machines in the solution.
        found: usize,
        /// Processes of the instance.
        expected: usize,
    },
    /// A machine that does not exist.
    #[error("process {process}: found machine {machine}, expected one below {machines}")]
    Machine {
        /// The process.
        process: usize,
        /// Its machine.
        machine: u32,
        /// Machines of the instance.
        machines: usize,
    },
    /// A machine carries more than it has.
    #[error("capacity: machine {machine} uses {used} of resource {resource}, and has {capacity}")]
    Capacity {
        /// The machine.
        machine: usize,
        /// The resource.
        resource: usize,
        /// Used by what runs there.
        used: i128,
        /// What there is.
        capacity: i64,
    },
    /// A machine carries too much while what leaves it still counts there.
    #[error(
        "transient: machine {machine} uses {used} of resource {resource} during the moves, and has {capacity}"
    )]
    Transient {
        /// The machine.
        machine: usize,
        /// The resource.
        resource: usize,
        /// Used by what runs there and by what leaves.
        used: i128,
        /// What there is.
        capacity: i64,
    },
    /// Two processes of a service share a machine.
    #[error("conflict: service {service} has {processes} processes on machine {machine}, and may have one")]
    Conflict {
        /// The service.
        service: u32,
        /// The machine.
        machine: u32,
        /// How many there are.
        processes: usize,
    },
    /// A service is in too few locations.
    #[error("spread: service {service} is in {locations} locations, and needs {expected}")]
    Spread {
        /// The service.
        service: usize,
        /// How many it is in.
        locations: usize,
        /// How many it needs.
        expected: u32,
    },
    /// A service runs in a neighbourhood without one that it depends on.
    #[error(
        "dependency: service {service} runs in neighbourhood {neighbourhood}, and service {missing} does not"
    )]
    Dependency {
        /// The service.
        service: usize,
        /// The neighbourhood.
        neighbourhood: u32,
        /// The service that is missing there.
        missing: u32,
    },
}

/// What the checker says about a solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The cost by parts, of an infeasible solution too; all 0 if it is no assignment of the instance.
    pub cost: Cost,
    /// Processes on another machine than at first.
    pub moved: usize,
    /// How many laws are broken, and where.
    pub violation_count: usize,
    /// The first of them.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// Whether all laws hold.
    #[must_use]
    pub fn is_feasible(&self) -> bool {
        self.violation_count == 0
    }

    fn add(&mut self, violation: Violation) {
        self.violation_count += 1;
        if self.violations.len() < TOLD {
            self.violations.push(violation);
        }
    }
}

/// Checks a solution against the initial assignment, and prices it. The initial assignment, checked against itself, has
/// the initial cost.
#[must_use]
pub fn check(instance: &Instance, initial: &[u32], solution: &[u32]) -> Verdict {
    let mut verdict = Verdict { cost: Cost::default(), moved: 0, violation_count: 0, violations: Vec::new() };
    for assignment in [initial, solution] {
        if assignment.len() != instance.processes.len() {
            let expected = instance.processes.len();
            verdict.add(Violation::Length { found: assignment.len(), expected });
        }
        for (process, machine) in assignment.iter().enumerate() {
            if *machine as usize >= instance.machines.len() {
                let machines = instance.machines.len();
                verdict.add(Violation::Machine { process, machine: *machine, machines });
            }
        }
    }
    if verdict.is_feasible() {
        capacities(instance, initial, solution, &mut verdict);
        services(instance, solution, &mut verdict);
        moves(instance, initial, solution, &mut verdict);
    }
    verdict
}

/// Use, and what it costs on each machine.
fn capacities(instance: &Instance, initial: &[u32], solution: &[u32], verdict: &mut Verdict) {
    let width = instance.resources.len();
    let mut used = vec![vec![0i128; width]; instance.machines.len()];
    let mut leaving = used.clone();
    for ((process, from), to) in instance.processes.iter().zip(initial).zip(solution) {
        for (resource, amount) in process.requirement.iter().enumerate() {
            used[*to as usize][resource] += i128::from(*amount);
            if from != to && instance.resources[resource].transient {
                leaving[*from as usize][resource] += i128::from(*amount);
            }
        }
    }
    for (machine, it) in instance.machines.iter().enumerate() {
        for (resource, kind) in instance.resources.iter().enumerate() {
            let (capacity, now) = (it.capacity[resource], used[machine][resource]);
            let during = now + leaving[machine][resource];
            if now > i128::from(capacity) {
                verdict.add(Violation::Capacity { machine, resource, used: now, capacity });
            } else if during > i128::from(capacity) {
                verdict.add(Violation::Transient { machine, resource, used: during, capacity });
            }
            let over = (now - i128::from(it.safety_capacity[resource])).max(0);
            verdict.cost.load += over * i128::from(kind.load_weight);
        }
        for balance in &instance.balances {
            let left =
                |resource: u32| i128::from(it.capacity[resource as usize]) - used[machine][resource as usize];
            let missing = i128::from(balance.target) * left(balance.first) - left(balance.second);
            verdict.cost.balance += missing.max(0) * i128::from(balance.weight);
        }
    }
}

/// Conflict, spread and dependency.
fn services(instance: &Instance, solution: &[u32], verdict: &mut Verdict) {
    let none = BTreeSet::new();
    let mut machines: Vec<BTreeMap<u32, usize>> = vec![BTreeMap::new(); instance.services.len()];
    for (process, machine) in instance.processes.iter().zip(solution) {
        *machines[process.service as usize].entry(*machine).or_insert(0) += 1;
    }
    let neighbourhoods: Vec<BTreeSet<u32>> = machines
        .iter()
        .map(|on| on.keys().map(|it| instance.machines[*it as usize].neighbourhood).collect())
        .collect();
    for (service, it) in instance.services.iter().enumerate() {
        for (machine, processes) in &machines[service] {
            if *processes > 1 {
                let service = u32::try_from(service).unwrap_or(u32::MAX);
                verdict.add(Violation::Conflict { service, machine: *machine, processes: *processes });
            }
        }
        let locations: BTreeSet<u32> =
            machines[service].keys().map(|it| instance.machines[*it as usize].location).collect();
        if locations.len() < it.spread_min as usize {
            verdict.add(Violation::Spread { service, locations: locations.len(), expected: it.spread_min });
        }
        for missing in &it.depends_on {
            let there = neighbourhoods.get(*missing as usize).unwrap_or(&none);
            for neighbourhood in neighbourhoods[service].difference(there) {
                let (neighbourhood, missing) = (*neighbourhood, *missing);
                verdict.add(Violation::Dependency { service, neighbourhood, missing });
            }
        }
    }
}

/// What moving costs.
fn moves(instance: &Instance, initial: &[u32], solution: &[u32], verdict: &mut Verdict) {
    let (mut own, mut between) = (0i128, 0i128);
    let mut moved_of_service = vec![0i128; instance.services.len()];
    for ((process, from), to) in instance.processes.iter().zip(initial).zip(solution) {
        between += i128::from(instance.machines[*from as usize].move_cost[*to as usize]);
        if from != to {
            verdict.moved += 1;
            own += i128::from(process.move_cost);
            moved_of_service[process.service as usize] += 1;
        }
    }
    let weights = instance.move_weights;
    verdict.cost.process_move = own * i128::from(weights.process);
    verdict.cost.service_move = moved_of_service.into_iter().max().unwrap_or(0) * i128::from(weights.service);
    verdict.cost.machine_move = between * i128::from(weights.machine);
}

/// A cost that no solution undercuts: loads and balances as if all machines were one. From the challenge's notes:
/// `sum over r of w_r max(0, U_r - SC_r) + sum over b of w_b max(0, target A_first - A_second)` with sums over all machines.
#[must_use]
pub fn lower_bound(instance: &Instance) -> i128 {
    let sum = |amounts: &mut dyn Iterator<Item = i64>| amounts.map(i128::from).sum::<i128>();
    let used = |resource: usize| sum(&mut instance.processes.iter().map(|it| it.requirement[resource]));
    let load: i128 = instance
        .resources
        .iter()
        .enumerate()
        .map(|(resource, it)| {
            let safe = sum(&mut instance.machines.iter().map(|it| it.safety_capacity[resource]));
            (used(resource) - safe).max(0) * i128::from(it.load_weight)
        })
        .sum();
    let left = |resource: u32| {
        let resource = resource as usize;
        sum(&mut instance.machines.iter().map(|it| it.capacity[resource])) - used(resource)
    };
    let balance: i128 = instance
        .balances
        .iter()
        .map(|it| (i128::from(it.target) * left(it.first) - left(it.second)).max(0) * i128::from(it.weight))
        .sum();
    load + balance
}
