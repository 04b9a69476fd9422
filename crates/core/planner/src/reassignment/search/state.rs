//! An assignment with everything that a change is judged by: what a move costs and whether it may be made is answered in
//! O(resources + balances), by counts of services in locations and neighbourhoods instead of their processes.

use super::layout::{Layout, NONE};

/// A row of a service in a neighbourhood.
#[derive(Debug, Clone, Copy, Default)]
struct Around {
    /// Its processes there.
    processes: u32,
    /// Services that it depends on and that have no process there.
    missing: u32,
    /// Services that depend on it and have a process there.
    dependants: u32,
}

/// A feasible assignment and its cost.
#[derive(Debug, Clone)]
pub(super) struct State<'a> {
    pub(super) layout: &'a Layout,
    pub(super) machine_of: Vec<u32>,
    /// By machine: use above safety capacity by resource, room by resource (what leaves still counts), and
    /// `target x left(first) - left(second)` by balance. One block, because they are read together.
    block: Vec<i64>,
    block_len: usize,
    /// Load and balance cost of each machine.
    pub(super) machine_cost: Vec<i64>,
    /// Processes on each machine, in no order.
    pub(super) on: Vec<Vec<u32>>,
    /// Position of a process in the list of its machine.
    position: Vec<u32>,
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
    /// The objective.
    pub(super) cost: i64,
}

impl<'a> State<'a> {
    /// An assignment that is known to be feasible.
    pub(super) fn new(layout: &'a Layout, assignment: &[u32]) -> Self {
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
            on: vec![Vec::new(); layout.machines],
            position: vec![0; layout.processes],
            present: vec![0; layout.conflict_rows * present_words],
            present_words,
            in_location: vec![0; layout.spread_rows * layout.locations],
            used_locations: vec![0; layout.spread_rows],
            around: vec![Around::default(); layout.dependency_rows * layout.neighbourhoods],
            moved_of: vec![0; layout.services],
            with_moved,
            most_moved: 0,
            cost: 0,
        };
        state.start();
        for (process, machine) in (0u32..).zip(assignment) {
            state.relocate(process, *machine);
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
            self.list(process, machine);
            self.cost += layout.machine_move(machine, machine);
        }
        for machine in 0..layout.machines as u32 {
            let cost = self.price(machine);
            self.machine_cost[machine as usize] = cost;
            self.cost += cost;
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

    fn price(&self, machine: u32) -> i64 {
        let layout = self.layout;
        let block = &self.block[machine as usize * self.block_len..][..self.block_len];
        let load = block.iter().zip(&layout.load_weight).map(|(over, weight)| (*over).max(0) * weight);
        let missing = block[2 * layout.width..].iter().zip(&layout.balances);
        load.sum::<i64>() + missing.map(|(missing, it)| (*missing).max(0) * it.weight).sum::<i64>()
    }

    /// What a machine's load and balance cost change by when one process leaves and one arrives ([`NONE`]: none does);
    /// `None`: there is no room.
    fn exchange(&self, machine: u32, leaving: u32, arriving: u32) -> Option<i64> {
        let layout = self.layout;
        let width = layout.width;
        let block = &self.block[machine as usize * self.block_len..][..self.block_len];
        let row = |process: u32| {
            let process = (process as usize).min(layout.processes);
            &layout.requirement[process * width..][..width]
        };
        let (out, into) = (row(leaving), row(arriving));
        let (over, rest) = block.split_at(width);
        let (room, missing) = rest.split_at(width);
        if arriving != NONE {
            let home = |process: u32| {
                layout.any_transient && process != NONE && layout.origin[process as usize] == machine
            };
            let (out_home, in_home) = (home(leaving), home(arriving));
            if out_home || in_home {
                for (resource, room) in room.iter().enumerate() {
                    let kept = layout.transient[resource];
                    let given = if out_home && kept { 0 } else { out[resource] };
                    let taken = if in_home && kept { 0 } else { into[resource] };
                    if room + given < taken {
                        return None;
                    }
                }
            } else if room.iter().zip(out).zip(into).any(|((room, given), taken)| room + given < *taken) {
                return None;
            }
        }
        let mut cost = 0;
        for (((over, weight), given), taken) in over.iter().zip(&layout.load_weight).zip(out).zip(into) {
            cost += (over + taken - given).max(0) * weight;
        }
        for (missing, it) in missing.iter().zip(&layout.balances) {
            let change = it.target * (into[it.first] - out[it.first]) - (into[it.second] - out[it.second]);
            cost += (missing - change).max(0) * it.weight;
        }
        Some(cost - self.machine_cost[machine as usize])
    }

    fn is_present(&self, row: u32, machine: u32) -> bool {
        self.present[row as usize * self.present_words + machine as usize / 64] >> (machine % 64) & 1 == 1
    }

    fn around(&self, row: u32, neighbourhood: u32) -> Around {
        self.around[row as usize * self.layout.neighbourhoods + neighbourhood as usize]
    }

    /// Whether conflict, spread and dependency let a process go to another machine, all others staying.
    fn may_go(&self, process: u32, to: u32) -> bool {
        let layout = self.layout;
        let from = self.machine_of[process as usize];
        let service = layout.service[process as usize] as usize;
        let conflict = layout.conflict_row[service];
        if conflict != NONE && self.is_present(conflict, to) {
            return false;
        }
        let spread = layout.spread_row[service];
        if spread != NONE {
            let (old, new) = (layout.location[from as usize], layout.location[to as usize]);
            let count = |at: u32| self.in_location[spread as usize * layout.locations + at as usize];
            if old != new && count(old) == 1 && count(new) > 0 {
                let used = self.used_locations[spread as usize];
                if used <= layout.spread_min[service] {
                    return false;
                }
            }
        }
        let row = layout.dependency_row[service];
        if row != NONE {
            let (old, new) = (layout.neighbourhood[from as usize], layout.neighbourhood[to as usize]);
            if old != new {
                let there = self.around(row, old);
                if self.around(row, new).missing > 0 || (there.processes == 1 && there.dependants > 0) {
                    return false;
                }
            }
        }
        true
    }

    /// Whether a process that follows another into its neighbourhood needs it there: the last of a service that it depends on.
    fn follows_what_it_needs(&self, follower: u32, leader: u32) -> bool {
        let layout = self.layout;
        let row = |process: u32| layout.dependency_row[layout.service[process as usize] as usize];
        let (needs, needed) = (row(follower), row(leader));
        if needs == NONE || needed == NONE {
            return false;
        }
        let left = layout.neighbourhood[self.machine_of[leader as usize] as usize];
        let entered = layout.neighbourhood[self.machine_of[follower as usize] as usize];
        left != entered
            && self.around(needed, left).processes == 1
            && layout.needs.of(needs).binary_search(&needed).is_ok()
    }

    /// Change of what moving one process costs by itself.
    fn move_change(&self, process: u32, to: u32) -> i64 {
        let layout = self.layout;
        let (home, from) = (layout.origin[process as usize], self.machine_of[process as usize]);
        let own = i64::from(to != home) - i64::from(from != home);
        own * layout.process_move[process as usize] + layout.machine_move(home, to)
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
        while others > most && self.with_moved[others] as usize == changed.iter().filter(|it| **it == others).count()
        {
            others -= 1;
        }
        (others.max(most) as i64 - self.most_moved as i64) * self.layout.service_move_weight
    }

    /// What the cost changes by when a process goes to another machine than its own; `None`: it may not.
    pub(super) fn shift(&self, process: u32, to: u32) -> Option<i64> {
        if !self.may_go(process, to) {
            return None;
        }
        let arrival = self.exchange(to, NONE, process)?;
        let leave = self.exchange(self.machine_of[process as usize], process, NONE)?;
        let service = self.layout.service[process as usize];
        let moved = (service, self.moved_change(process, to));
        Some(arrival + leave + self.move_change(process, to) + self.service_change([moved, (service, 0)]))
    }

    /// What the cost changes by when two processes on different machines change places; `None`: they may not.
    pub(super) fn swap(&self, one: u32, other: u32) -> Option<i64> {
        let layout = self.layout;
        let (here, there) = (self.machine_of[one as usize], self.machine_of[other as usize]);
        let service = |process: u32| layout.service[process as usize];
        // Within a service nothing changes for its laws.
        if service(one) != service(other)
            && (!self.may_go(one, there)
                || !self.may_go(other, here)
                || self.follows_what_it_needs(one, other)
                || self.follows_what_it_needs(other, one))
        {
            return None;
        }
        let first = self.exchange(there, other, one)?;
        let second = self.exchange(here, one, other)?;
        let moved = [
            (service(one), self.moved_change(one, there)),
            (service(other), self.moved_change(other, here)),
        ];
        let moves = self.move_change(one, there) + self.move_change(other, here);
        Some(first + second + moves + self.service_change(moved))
    }

    fn list(&mut self, process: u32, machine: u32) {
        let list = &mut self.on[machine as usize];
        self.position[process as usize] = list.len() as u32;
        list.push(process);
    }

    fn unlist(&mut self, process: u32, machine: u32) {
        let at = self.position[process as usize];
        let list = &mut self.on[machine as usize];
        list.swap_remove(at as usize);
        if let Some(last) = list.get(at as usize) {
            self.position[*last as usize] = at;
        }
    }

    /// Notes that a service has a process on a machine.
    pub(super) fn mark(&mut self, service: usize, machine: u32) {
        let conflict = self.layout.conflict_row[service];
        if conflict != NONE {
            self.present[conflict as usize * self.present_words + machine as usize / 64] |= 1 << (machine % 64);
        }
    }

    fn enter_service(&mut self, process: u32, machine: u32) {
        let layout = self.layout;
        let service = layout.service[process as usize] as usize;
        self.mark(service, machine);
        let spread = layout.spread_row[service];
        if spread != NONE {
            let at = spread as usize * layout.locations + layout.location[machine as usize] as usize;
            self.used_locations[spread as usize] += u32::from(self.in_location[at] == 0);
            self.in_location[at] += 1;
        }
        let row = layout.dependency_row[service];
        if row != NONE {
            let at = layout.neighbourhood[machine as usize] as usize;
            let around = &mut self.around[row as usize * layout.neighbourhoods + at];
            around.processes += 1;
            if around.processes == 1 {
                self.appears(row, at, true);
            }
        }
    }

    fn leave_service(&mut self, process: u32, machine: u32) {
        let layout = self.layout;
        let service = layout.service[process as usize] as usize;
        let conflict = layout.conflict_row[service];
        if conflict != NONE {
            self.present[conflict as usize * self.present_words + machine as usize / 64] &=
                !(1 << (machine % 64));
        }
        let spread = layout.spread_row[service];
        if spread != NONE {
            let at = spread as usize * layout.locations + layout.location[machine as usize] as usize;
            self.in_location[at] -= 1;
            self.used_locations[spread as usize] -= u32::from(self.in_location[at] == 0);
        }
        let row = layout.dependency_row[service];
        if row != NONE {
            let at = layout.neighbourhood[machine as usize] as usize;
            let around = &mut self.around[row as usize * layout.neighbourhoods + at];
            around.processes -= 1;
            if around.processes == 0 {
                self.appears(row, at, false);
            }
        }
    }

    /// A service is now in a neighbourhood, or no more.
    fn appears(&mut self, row: u32, neighbourhood: usize, now: bool) {
        let layout = self.layout;
        for other in layout.needed_by.of(row) {
            let missing =
                &mut self.around[*other as usize * layout.neighbourhoods + neighbourhood].missing;
            *missing = if now { *missing - 1 } else { *missing + 1 };
        }
        for other in layout.needs.of(row) {
            let dependants =
                &mut self.around[*other as usize * layout.neighbourhoods + neighbourhood].dependants;
            *dependants = if now { *dependants + 1 } else { *dependants - 1 };
        }
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
        self.leave_service(process, from);
        self.unlist(process, from);
        self.account(from, process, -1);
        self.account(to, process, 1);
        self.list(process, to);
        self.enter_service(process, to);
        self.machine_of[process as usize] = to;
        for machine in [from, to] {
            let cost = self.price(machine);
            self.cost += cost - self.machine_cost[machine as usize];
            self.machine_cost[machine as usize] = cost;
        }
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
