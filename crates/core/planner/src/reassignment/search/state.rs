//! An assignment with everything that a change is judged by: what a move costs and whether it may be made is answered in
//! O(resources + balances), by counts of services in locations and neighbourhoods instead of their processes.

mod laws;

use super::layout::{Layout, NONE};
use laws::Around;

/// Highest price of a missing location or dependency: times what may be missing, it stays within `i64`.
const MAX_LAW_PRICE: i64 = 1 << 35;

/// An assignment, what it costs, and what its broken laws are priced at.
#[derive(Debug, Clone)]
pub(super) struct State<'a> {
    layout: &'a Layout,
    pub(super) machine_of: Vec<u32>,
    /// By machine: use above safety capacity by resource, room by resource (what leaves still counts), and
    /// `target x left(first) - left(second)` by balance. One block, because they are read together.
    block: Vec<i64>,
    block_len: usize,
    /// Load and balance cost of each machine, and what its use above capacity is priced at.
    machine_cost: Vec<i64>,
    /// What that use alone is priced at.
    machine_penalty: Vec<i64>,
    /// Price of a unit above capacity, by resource.
    over_price: Vec<i64>,
    /// Price of a dependency or a location that is missing.
    law_price: i64,
    /// Bits by conflict row and machine: whether the service has a process there.
    present: Vec<u64>,
    present_words: usize,
    /// Processes by spread row and location.
    in_location: Vec<u32>,
    /// Locations in use by spread row.
    used_locations: Vec<u32>,
    around: Vec<Around>,
    /// Moved processes by service, and services by number of moved processes.
    moved_of: Vec<u32>,
    with_moved: Vec<u32>,
    most_moved: usize,
    /// The objective and all prices.
    pub(super) cost: i64,
    /// The prices of broken laws in it: 0 if and only if all laws hold.
    penalty: i64,
    /// The price in it of what moved processes still use where they were at first.
    left_behind: i64,
    /// Price of a unit of it, in sixteenths.
    left_price: i64,
}

/// What a search pays on top of the objective, so that it can pass where a law is broken, and keeps room where it is scarce.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prices {
    /// Of a unit above capacity, as a multiple of the resource's load weight.
    pub(super) over: f64,
    /// Of a location or a dependency that is missing.
    pub(super) law: f64,
    /// Of a unit of transient resources that a process uses where it no longer is.
    pub(super) left: f64,
}

impl<'a> State<'a> {
    /// An assignment, by way of the initial one, which is known to be feasible.
    pub(super) fn new(layout: &'a Layout, assignment: &[u32], prices: Prices) -> Self {
        let block_len = 2 * layout.width + layout.balances.len();
        let present_words = layout.machines.div_ceil(64);
        let largest = (0..layout.services as u32).map(|it| layout.members.of(it).len()).max().unwrap_or(0);
        let mut with_moved = vec![0; largest + 1];
        with_moved[0] = layout.services as u32;
        let mut state = Self {
            layout,
            machine_of: layout.origin[..layout.processes].to_vec(),
            block: vec![0; block_len * layout.machines],
            block_len,
            machine_cost: vec![0; layout.machines],
            machine_penalty: vec![0; layout.machines],
            over_price: vec![0; layout.width],
            law_price: 0,
            present: vec![0; layout.conflict_rows * present_words],
            present_words,
            in_location: vec![0; layout.spread_rows * layout.locations],
            used_locations: vec![0; layout.spread_rows],
            around: vec![Around::default(); layout.dependency_rows * layout.neighbourhoods],
            moved_of: vec![0; layout.services],
            with_moved,
            most_moved: 0,
            cost: 0,
            penalty: 0,
            left_behind: 0,
            left_price: 0,
        };
        state.start();
        state.set_prices(prices);
        for (process, machine) in (0u32..).zip(assignment) {
            state.relocate(process, *machine);
        }
        // On the way two processes of a service may have met, and the one that left took the other's mark away.
        for (process, machine) in assignment.iter().enumerate() {
            state.mark(layout.service[process] as usize, *machine);
        }
        state
    }

    /// Everything where it was at first.
    fn start(&mut self) {
        let layout = self.layout;
        for machine in 0..layout.machines {
            for resource in 0..layout.width {
                let at = machine * layout.width + resource;
                self.block[machine * self.block_len + resource] = -layout.safety[at];
                self.block[machine * self.block_len + layout.width + resource] = layout.capacity[at];
            }
            for (at, it) in layout.balances.iter().enumerate() {
                let has = |resource: usize| layout.capacity[machine * layout.width + resource];
                self.block[machine * self.block_len + 2 * layout.width + at] =
                    it.target * has(it.first) - has(it.second);
            }
        }
        for row in 0..layout.dependency_rows as u32 {
            let missing = layout.needs.of(row).len() as u32;
            for at in 0..layout.neighbourhoods {
                self.around[row as usize * layout.neighbourhoods + at].missing = missing;
            }
        }
        for process in 0..layout.processes as u32 {
            let machine = self.machine_of[process as usize];
            self.account(machine, process, 1);
            for resource in (0..layout.width).filter(|it| layout.transient[*it]) {
                let room = machine as usize * self.block_len + layout.width + resource;
                self.block[room] -= layout.requirement(process)[resource];
            }
            self.enter_service(process, machine);
            self.cost += layout.machine_move(machine, machine);
        }
        for machine in 0..layout.machines as u32 {
            self.reprice(machine);
        }
    }

    /// Adds (1) or takes away (-1) what a process uses on a machine. The room of transient resources on its first machine does not
    /// change: there it counts wherever it is.
    fn account(&mut self, machine: u32, process: u32, sign: i64) {
        let layout = self.layout;
        let at_home = layout.origin[process as usize] == machine;
        let block = &mut self.block[machine as usize * self.block_len..][..self.block_len];
        let requirement = &layout.requirement[process as usize * layout.width..][..layout.width];
        for (resource, amount) in requirement.iter().enumerate() {
            block[resource] += sign * amount;
            if !(at_home && layout.transient[resource]) {
                block[layout.width + resource] -= sign * amount;
            }
        }
        for (at, it) in layout.balances.iter().enumerate() {
            block[2 * layout.width + at] -=
                sign * (it.target * requirement[it.first] - requirement[it.second]);
        }
    }

    /// Prices a machine anew.
    fn reprice(&mut self, machine: u32) {
        let layout = self.layout;
        let block = &self.block[machine as usize * self.block_len..][..self.block_len];
        let (over, rest) = block.split_at(layout.width);
        let (room, missing) = rest.split_at(layout.width);
        let load = over.iter().zip(&layout.load_weight).map(|(over, weight)| (*over).max(0) * weight);
        let unbalanced =
            missing.iter().zip(&layout.balances).map(|(missing, it)| (*missing).max(0) * it.weight);
        let without_room = room.iter().zip(&self.over_price).map(|(room, price)| (-*room).max(0) * price);
        let penalty = without_room.sum::<i64>();
        let cost = load.sum::<i64>() + unbalanced.sum::<i64>() + penalty;
        let at = machine as usize;
        self.penalty += penalty - self.machine_penalty[at];
        self.cost += cost - self.machine_cost[at];
        (self.machine_cost[at], self.machine_penalty[at]) = (cost, penalty);
    }

    /// What a machine's cost changes by when one process leaves and one arrives ([`NONE`]: none does).
    fn exchange(&self, machine: u32, leaving: u32, arriving: u32) -> i64 {
        let layout = self.layout;
        let width = layout.width;
        let block = &self.block[machine as usize * self.block_len..][..self.block_len];
        let row = |process: u32| {
            let process = (process as usize).min(layout.processes);
            &layout.requirement[process * width..][..width]
        };
        let home = |process: u32| {
            layout.any_transient && process != NONE && layout.origin[process as usize] == machine
        };
        let (out, into) = (row(leaving), row(arriving));
        let (over, rest) = block.split_at(width);
        let (room, missing) = rest.split_at(width);
        let mut cost = 0;
        let (out_home, in_home) = (home(leaving), home(arriving));
        if out_home || in_home {
            for (resource, room) in room.iter().enumerate() {
                let kept = layout.transient[resource];
                let given = if out_home && kept { 0 } else { out[resource] };
                let taken = if in_home && kept { 0 } else { into[resource] };
                cost += (taken - given - room).max(0) * self.over_price[resource];
            }
        } else {
            for (((room, price), given), taken) in room.iter().zip(&self.over_price).zip(out).zip(into) {
                cost += (taken - given - room).max(0) * price;
            }
        }
        for (((over, weight), given), taken) in over.iter().zip(&layout.load_weight).zip(out).zip(into) {
            cost += (over + taken - given).max(0) * weight;
        }
        for (missing, it) in missing.iter().zip(&layout.balances) {
            let change = it.target * (into[it.first] - out[it.first]) - (into[it.second] - out[it.second]);
            cost += (missing - change).max(0) * it.weight;
        }
        cost - self.machine_cost[machine as usize]
    }

    /// What is paid while a process is away from its first machine.
    fn left_by(&self, process: u32) -> i64 {
        (self.layout.left_behind[process as usize] * self.left_price) >> 4
    }

    /// Change of what moving one process costs by itself.
    fn move_change(&self, process: u32, to: u32) -> i64 {
        let layout = self.layout;
        let (home, from) = (layout.origin[process as usize], self.machine_of[process as usize]);
        let own = i64::from(to != home) - i64::from(from != home);
        own * (layout.process_move[process as usize] + self.left_by(process)) + layout.machine_move(home, to)
            - layout.machine_move(home, from)
    }

    /// By how much the number of moved processes of its service changes.
    fn moved_change(&self, process: u32, to: u32) -> i32 {
        let home = self.layout.origin[process as usize];
        i32::from(to != home) - i32::from(self.machine_of[process as usize] != home)
    }

    /// Change of the cost of the service with the most moved processes, when these services' numbers change by that much.
    fn service_change(&self, changes: [(u32, i32); 2]) -> i64 {
        let [(first, by), (second, by_second)] = changes;
        let changes = if first == second { [(first, by + by_second), (second, 0)] } else { changes };
        if changes.iter().all(|it| it.1 == 0) {
            return 0;
        }
        let mut most = 0;
        let mut changed = [usize::MAX; 2];
        for ((service, by), old) in changes.into_iter().zip(&mut changed) {
            if by != 0 {
                let now = self.moved_of[service as usize];
                *old = now as usize;
                most = most.max(now.saturating_add_signed(by) as usize);
            }
        }
        // The most of the services that do not change; below `most` it does not matter.
        let mut others = self.most_moved;
        while others > most
            && self.with_moved[others] as usize == changed.iter().filter(|it| **it == others).count()
        {
            others -= 1;
        }
        (others.max(most) as i64 - self.most_moved as i64) * self.layout.service_move_weight
    }

    /// What the cost changes by when a process goes to another machine than its own; `None`: one of its service is there.
    pub(super) fn shift(&self, process: u32, to: u32) -> Option<i64> {
        if self.conflicts(process, to) {
            return None;
        }
        let from = self.machine_of[process as usize];
        let service = self.layout.service[process as usize];
        let moved = (service, self.moved_change(process, to));
        Some(
            self.exchange(to, NONE, process)
                + self.exchange(from, process, NONE)
                + self.law_change(process, to) * self.law_price
                + self.move_change(process, to)
                + self.service_change([moved, (service, 0)]),
        )
    }

    /// What the cost changes by when two processes on different machines change places; `None`: one of their service is
    /// there already.
    pub(super) fn swap(&self, one: u32, other: u32) -> Option<i64> {
        let layout = self.layout;
        let (here, there) = (self.machine_of[one as usize], self.machine_of[other as usize]);
        let service = |process: u32| layout.service[process as usize];
        let mut laws = 0;
        // Within a service nothing changes for its laws.
        if service(one) != service(other) {
            if self.conflicts(one, there) || self.conflicts(other, here) {
                return None;
            }
            laws = self.law_change(one, there)
                + self.law_change(other, here)
                + self.law_change_between(one, other);
        }
        let moved =
            [(service(one), self.moved_change(one, there)), (service(other), self.moved_change(other, here))];
        Some(
            self.exchange(there, other, one)
                + self.exchange(here, one, other)
                + laws * self.law_price
                + self.move_change(one, there)
                + self.move_change(other, here)
                + self.service_change(moved),
        )
    }

    /// The objective alone.
    pub(super) fn objective(&self) -> i64 {
        self.cost - self.penalty - self.left_behind
    }

    /// Whether all laws hold.
    pub(super) fn is_feasible(&self) -> bool {
        self.penalty == 0
    }

    /// The price of all broken laws.
    pub(super) fn penalty(&self) -> i64 {
        self.penalty
    }

    /// The part of the prices that is for use above capacity.
    pub(super) fn over_penalty(&self) -> i64 {
        self.machine_penalty.iter().sum()
    }

    /// Sets all prices anew.
    pub(super) fn set_prices(&mut self, prices: Prices) {
        let layout = self.layout;
        let laws = self.penalty - self.over_penalty();
        let missing = if self.law_price > 0 { laws / self.law_price } else { 0 };
        // Never free: what is broken is known by its price.
        self.law_price = (prices.law as i64).clamp(1, MAX_LAW_PRICE);
        let change = missing * self.law_price - laws;
        self.cost += change;
        self.penalty += change;
        for (price, weight) in self.over_price.iter_mut().zip(&layout.load_weight) {
            *price = (((*weight).max(1) as f64 * prices.over) as i64).max(1);
        }
        for machine in 0..layout.machines as u32 {
            self.reprice(machine);
        }
        self.left_price = (prices.left * 16.0) as i64;
        let away = |process: &u32| self.machine_of[*process as usize] != layout.origin[*process as usize];
        let left: i64 = (0..layout.processes as u32).filter(away).map(|it| self.left_by(it)).sum();
        self.cost += left - self.left_behind;
        self.left_behind = left;
    }

    /// Puts a process on another machine without asking whether it may.
    pub(super) fn relocate(&mut self, process: u32, to: u32) {
        let from = self.machine_of[process as usize];
        if from == to {
            return;
        }
        self.cost += self.move_change(process, to);
        let by = self.moved_change(process, to);
        if by != 0 {
            self.left_behind += i64::from(by) * self.left_by(process);
            let service = self.layout.service[process as usize];
            self.cost += self.service_change([(service, by), (service, 0)]);
            let moved = &mut self.moved_of[service as usize];
            self.with_moved[*moved as usize] -= 1;
            *moved = moved.saturating_add_signed(by);
            self.with_moved[*moved as usize] += 1;
            self.most_moved = self.most_moved.max(*moved as usize);
            while self.most_moved > 0 && self.with_moved[self.most_moved] == 0 {
                self.most_moved -= 1;
            }
        }
        let laws = self.law_change(process, to) * self.law_price;
        self.cost += laws;
        self.penalty += laws;
        self.leave_service(process, from);
        self.account(from, process, -1);
        self.account(to, process, 1);
        self.enter_service(process, to);
        self.machine_of[process as usize] = to;
        self.reprice(from);
        self.reprice(to);
    }

    /// Lets two processes change places without asking whether they may.
    pub(super) fn exchange_places(&mut self, one: u32, other: u32) {
        let (here, there) = (self.machine_of[one as usize], self.machine_of[other as usize]);
        self.relocate(one, there);
        self.relocate(other, here);
        // Of one service, the second that leaves takes the first one's mark away.
        self.mark(self.layout.service[one as usize] as usize, there);
    }
}
