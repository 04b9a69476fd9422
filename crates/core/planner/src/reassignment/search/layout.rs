//! An instance as flat arrays, in the order in which the search reads them.

use rustc_hash::FxHashMap;

use super::Unsearchable;
use crate::reassignment::instance::{Instance, Process};

/// No process, no service row, no count.
pub(super) const NONE: u32 = u32::MAX;

/// Cells of the tables of services by machine, location and neighbourhood together: what fits in some hundred megabytes.
const MAX_CELLS: u128 = 1 << 27;
/// Costs that the search counts in `i64` stay below this: a unit above capacity is priced up to
/// twenty thousand times as high.
const MAX_COST: i128 = 1 << 46;

/// Lists of indices, one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    start: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    pub(super) fn new<I: IntoIterator<Item = u32>>(lists: impl IntoIterator<Item = I>) -> Self {
        let mut all = Self { start: vec![0], items: Vec::new() };
        for list in lists {
            all.items.extend(list);
            all.start.push(u32::try_from(all.items.len()).unwrap_or(NONE));
        }
        all
    }

    pub(super) fn of(&self, at: u32) -> &[u32] {
        &self.items[self.start[at as usize] as usize..self.start[at as usize + 1] as usize]
    }
}

/// The balance of two resources.
#[derive(Debug, Clone, Copy)]
pub(super) struct Balance {
    pub(super) first: usize,
    pub(super) second: usize,
    pub(super) target: i64,
    pub(super) weight: i64,
}

/// The instance and where everything was at first.
#[derive(Debug)]
pub(super) struct Layout {
    /// Resources.
    pub(super) width: usize,
    pub(super) machines: usize,
    pub(super) processes: usize,
    pub(super) load_weight: Vec<i64>,
    pub(super) transient: Vec<bool>,
    pub(super) any_transient: bool,
    pub(super) balances: Vec<Balance>,
    /// By machine and resource.
    pub(super) capacity: Vec<i64>,
    /// By machine and resource.
    pub(super) safety: Vec<i64>,
    /// Dense numbers of location and neighbourhood by machine.
    pub(super) location: Vec<u32>,
    pub(super) locations: usize,
    pub(super) neighbourhood: Vec<u32>,
    pub(super) neighbourhoods: usize,
    /// By process and resource; one more row of zeros stands for no process.
    pub(super) requirement: Vec<i64>,
    /// Transient resources that a process uses where it was at first once it is away, in all.
    pub(super) left_behind: Vec<i64>,
    /// What a process costs, on the whole: mean load cost where nothing is safe, and the weights of a move. The scale of
    /// temperatures and prices.
    pub(super) scale: f64,
    /// Weighted, by process.
    pub(super) process_move: Vec<i64>,
    /// Not weighted, by machine and machine.
    machine_move: Vec<u32>,
    machine_move_weight: i64,
    pub(super) service_move_weight: i64,
    pub(super) service: Vec<u32>,
    pub(super) services: usize,
    /// Processes of each service.
    pub(super) members: Lists,
    /// Row in the table of machines of services with more than one process, else [`NONE`].
    pub(super) conflict_row: Vec<u32>,
    pub(super) conflict_rows: usize,
    /// Row in the table of locations of services that must be spread, else [`NONE`].
    pub(super) spread_row: Vec<u32>,
    pub(super) spread_rows: usize,
    pub(super) spread_min: Vec<u32>,
    /// Row in the table of neighbourhoods of services that depend or are depended on, else [`NONE`].
    pub(super) dependency_row: Vec<u32>,
    pub(super) dependency_rows: usize,
    /// Rows that a row depends on, itself left out.
    pub(super) needs: Lists,
    /// Rows that depend on a row.
    pub(super) needed_by: Lists,
    /// Machine by process at first; one more, [`NONE`], for no process.
    pub(super) origin: Vec<u32>,
}

/// Numbers rows for which a condition holds.
fn rows(services: usize, holds: impl Fn(usize) -> bool) -> (Vec<u32>, usize) {
    let mut count = 0;
    let row = (0..services)
        .map(|service| {
            if !holds(service) {
                return NONE;
            }
            count += 1;
            count - 1
        })
        .collect();
    (row, count as usize)
}

/// Dense numbers for arbitrary ones, in order of appearance.
fn dense(numbers: impl Iterator<Item = u32>) -> (Vec<u32>, usize) {
    let mut known = FxHashMap::default();
    let dense = numbers
        .map(|number| {
            let next = u32::try_from(known.len()).unwrap_or(NONE);
            *known.entry(number).or_insert(next)
        })
        .collect();
    (dense, known.len())
}

impl Layout {
    pub(super) fn new(instance: &Instance, initial: &[u32]) -> Result<Self, Unsearchable> {
        let services = instance.services.len();
        let mut members = vec![Vec::new(); services];
        for (process, it) in (0u32..).zip(&instance.processes) {
            members[it.service as usize].push(process);
        }
        let mut in_dependency = vec![false; services];
        for (service, it) in instance.services.iter().enumerate() {
            for other in it.depends_on.iter().filter(|other| **other as usize != service) {
                in_dependency[service] = true;
                in_dependency[*other as usize] = true;
            }
        }
        let (conflict_row, conflict_rows) = rows(services, |service| members[service].len() > 1);
        let (spread_row, spread_rows) = rows(services, |service| instance.services[service].spread_min > 1);
        let (dependency_row, dependency_rows) = rows(services, |service| in_dependency[service]);
        let (needs, needed_by) = dependencies(instance, &dependency_row, dependency_rows);
        let (location, locations) = dense(instance.machines.iter().map(|it| it.location));
        let (neighbourhood, neighbourhoods) = dense(instance.machines.iter().map(|it| it.neighbourhood));
        let weights = instance.move_weights;
        let mut requirement: Vec<i64> =
            instance.processes.iter().flat_map(|it| it.requirement.iter().copied()).collect();
        requirement.extend(instance.resources.iter().map(|_| 0));
        let layout = Self {
            width: instance.resources.len(),
            machines: instance.machines.len(),
            processes: instance.processes.len(),
            load_weight: instance.resources.iter().map(|it| it.load_weight).collect(),
            transient: instance.resources.iter().map(|it| it.transient).collect(),
            any_transient: instance.resources.iter().any(|it| it.transient),
            balances: balances(instance),
            capacity: instance.machines.iter().flat_map(|it| it.capacity.iter().copied()).collect(),
            safety: instance.machines.iter().flat_map(|it| it.safety_capacity.iter().copied()).collect(),
            location,
            locations,
            neighbourhood,
            neighbourhoods,
            requirement,
            left_behind: instance.processes.iter().map(|it| left_behind(instance, it)).collect(),
            scale: scale(instance),
            process_move: instance.processes.iter().map(|it| it.move_cost * weights.process).collect(),
            machine_move: instance.machines.iter().flat_map(|it| it.move_cost.iter().copied()).collect(),
            machine_move_weight: weights.machine,
            service_move_weight: weights.service,
            service: instance.processes.iter().map(|it| it.service).collect(),
            services,
            members: Lists::new(members),
            conflict_row,
            conflict_rows,
            spread_row,
            spread_rows,
            spread_min: instance.services.iter().map(|it| it.spread_min).collect(),
            dependency_row,
            dependency_rows,
            needs,
            needed_by,
            origin: initial.iter().copied().chain([NONE]).collect(),
        };
        layout.fits(instance)?;
        Ok(layout)
    }

    /// Whether tables and costs stay within what the search counts in.
    fn fits(&self, instance: &Instance) -> Result<(), Unsearchable> {
        let table = |rows: usize, columns: usize| rows as u128 * columns as u128;
        let cells = table(self.conflict_rows, 2 * self.machines.div_ceil(64))
            + table(self.spread_rows, self.locations)
            + 3 * table(self.dependency_rows, self.neighbourhoods);
        if cells > MAX_CELLS {
            return Err(Unsearchable::Large { cells, most: MAX_CELLS });
        }
        let cost = most_cost(instance);
        if cost > MAX_COST {
            return Err(Unsearchable::Costly { cost, most: MAX_COST });
        }
        Ok(())
    }

    /// Weighted cost of moving from a machine to another.
    pub(super) fn machine_move(&self, from: u32, to: u32) -> i64 {
        i64::from(self.machine_move[from as usize * self.machines + to as usize]) * self.machine_move_weight
    }

    pub(super) fn requirement(&self, process: u32) -> &[i64] {
        &self.requirement[process as usize * self.width..][..self.width]
    }
}

fn left_behind(instance: &Instance, process: &Process) -> i64 {
    let transient = process.requirement.iter().zip(&instance.resources).filter(|(_, it)| it.transient);
    transient.map(|(amount, _)| amount).sum()
}

fn scale(instance: &Instance) -> f64 {
    let load = |process: &Process| {
        let amounts = process.requirement.iter().zip(&instance.resources);
        amounts.map(|(amount, it)| *amount as f64 * it.load_weight as f64).sum::<f64>()
    };
    let sum: f64 = instance.processes.iter().map(load).sum();
    let weights = instance.move_weights;
    let moved = weights.process + weights.service + weights.machine;
    (sum / instance.processes.len().max(1) as f64 + moved as f64).max(1.0)
}

fn balances(instance: &Instance) -> Vec<Balance> {
    let of = |it: &crate::reassignment::instance::Balance| Balance {
        first: it.first as usize,
        second: it.second as usize,
        target: it.target,
        weight: it.weight,
    };
    instance.balances.iter().map(of).collect()
}

fn dependencies(instance: &Instance, row: &[u32], rows: usize) -> (Lists, Lists) {
    let mut needs = vec![Vec::new(); rows];
    let mut needed_by = vec![Vec::new(); rows];
    for (service, it) in instance.services.iter().enumerate() {
        let own = row[service];
        if own == NONE {
            continue;
        }
        // A service is always where it is itself, and a dependency that is named twice is one.
        let mut others: Vec<u32> = it.depends_on.iter().map(|other| row[*other as usize]).collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|other| *other != own);
        for other in &others {
            needed_by[*other as usize].push(own);
        }
        needs[own as usize] = others;
    }
    (Lists::new(needs), Lists::new(needed_by))
}

/// More than any assignment costs, and more than any sum on the way.
fn most_cost(instance: &Instance) -> i128 {
    let wide = i128::from;
    let most = |amounts: &mut dyn Iterator<Item = i64>| amounts.max().unwrap_or(0);
    let mut cost = 0;
    for (resource, it) in instance.resources.iter().enumerate() {
        let used: i128 = instance.processes.iter().map(|it| wide(it.requirement[resource])).sum();
        let has: i128 = instance.machines.iter().map(|it| wide(it.capacity[resource])).sum();
        let safe: i128 = instance.machines.iter().map(|it| wide(it.safety_capacity[resource])).sum();
        cost += (used + has + safe) * wide(it.load_weight.max(1));
        for balance in &instance.balances {
            if balance.first as usize == resource || balance.second as usize == resource {
                cost += (used + has) * wide(balance.target.max(1)) * wide(balance.weight);
            }
        }
    }
    let weights = instance.move_weights;
    let own: i128 = instance.processes.iter().map(|it| wide(it.move_cost)).sum();
    let farthest =
        most(&mut instance.machines.iter().flat_map(|it| it.move_cost.iter().map(|it| i64::from(*it))));
    let processes = instance.processes.len() as i128;
    cost + own * wide(weights.process)
        + processes * wide(weights.service)
        + processes * wide(farthest) * wide(weights.machine)
}
