//! Exact packing of all VMs on the hosts that are not away: depth first, largest VM first, within a budget.

use super::problem::{NONE, Problem, index};

/// What an exact search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packed {
    /// A host for each VM.
    Placement(Vec<u32>),
    /// There is none: everything was tried.
    Impossible,
    /// The budget ended before that.
    BudgetEnded,
}

struct Search<'p, 'a> {
    problem: &'p Problem<'a>,
    hosts: Vec<usize>,
    order: &'p [usize],
    free: Vec<i64>,
    /// VMs on each host, in the order in which they came.
    on: Vec<Vec<u32>>,
    placed: Vec<u32>,
    part: Vec<u32>,
    left: u64,
}

/// Packs all VMs on the hosts that `away` does not name, or proves that this cannot be done. Takes from `budget` one for each
/// host tried for a VM. An order of the VMs that leads nowhere is left for another one: which suits is not known before.
pub(super) fn pack(problem: &Problem<'_>, away: &[usize], budget: &mut u64) -> Packed {
    let orders = orders(problem);
    let many = orders.len() as u64;
    let rounds = [*budget / (many * 40), *budget / (many * 2)];
    for most in rounds {
        for order in &orders {
            let mut left = most.min(*budget);
            let before = left;
            let found = pack_in_order(problem, away, order, &mut left);
            *budget -= before - left;
            if found != Packed::BudgetEnded {
                return found;
            }
        }
    }
    Packed::BudgetEnded
}

/// VMs by size, each resource in turn deciding what size is; equal ones beside each other.
fn orders(problem: &Problem<'_>) -> Vec<Vec<usize>> {
    let share = |vm: usize, at: usize| {
        i128::from(problem.demand(vm)[at]) * 1_000_000 / i128::from(problem.total[at].max(1))
    };
    let largest = |vm: usize| i128::from(problem.size[vm]);
    let sum = |vm: usize| (0..problem.width).map(|at| share(vm, at)).sum::<i128>();
    let mut keys: Vec<Vec<i128>> =
        vec![(0..problem.vms()).map(sum).collect(), (0..problem.vms()).map(largest).collect()];
    keys.extend((0..problem.width).map(|at| (0..problem.vms()).map(|vm| share(vm, at)).collect()));
    let by = |key: Vec<i128>| {
        let mut order: Vec<usize> = (0..problem.vms()).collect();
        // Groups first among equals: they have the fewest places to go.
        order.sort_by_key(|vm| {
            let groups = problem.apart_of[*vm].len() + problem.among_of[*vm].len();
            (-key[*vm], problem.demand(*vm), std::cmp::Reverse(groups), *vm)
        });
        order
    };
    let mut orders: Vec<Vec<usize>> = keys.into_iter().map(by).collect();
    orders.dedup();
    orders
}

fn pack_in_order(problem: &Problem<'_>, away: &[usize], order: &[usize], budget: &mut u64) -> Packed {
    let hosts: Vec<usize> = problem.alive.iter().copied().filter(|host| !away.contains(host)).collect();
    let mut search = Search {
        problem,
        hosts,
        order,
        free: problem.capacity.clone(),
        on: vec![Vec::new(); problem.hosts()],
        placed: vec![NONE; problem.vms()],
        part: vec![NONE; problem.instance.among.len()],
        left: *budget,
    };
    let found = search.next(0);
    *budget = search.left;
    match found {
        Some(true) => Packed::Placement(search.placed),
        Some(false) => Packed::Impossible,
        None => Packed::BudgetEnded,
    }
}

impl Search<'_, '_> {
    /// Places the VMs from `depth` on; `None`: the budget ended.
    fn next(&mut self, depth: usize) -> Option<bool> {
        let Some(vm) = self.order.get(depth).copied() else { return Some(true) };
        if self.too_much_lost(depth) {
            return Some(false);
        }
        let least = self.twin_before(depth);
        for at in self.candidates(vm) {
            let host = self.hosts[at];
            if host < least {
                continue;
            }
            let chosen = self.choices(vm, host);
            for parts in chosen {
                self.left = self.left.checked_sub(1)?;
                self.put(vm, host, &parts);
                let found = self.next(depth + 1);
                if found != Some(false) {
                    return found;
                }
                self.take_back(vm, host, &parts);
            }
        }
        Some(false)
    }

    /// Of VMs that nothing tells apart, the later one goes to no earlier host.
    fn twin_before(&self, depth: usize) -> usize {
        let Some(before) = depth.checked_sub(1).and_then(|at| self.order.get(at)).copied() else { return 0 };
        let vm = self.order[depth];
        let alone = |vm: usize| self.problem.apart_of[vm].is_empty() && self.problem.among_of[vm].is_empty();
        let same = alone(vm) && alone(before) && self.problem.demand(vm) == self.problem.demand(before);
        if same { self.placed[before] as usize } else { 0 }
    }

    /// Hosts that can take none of the VMs to come are lost; what is left on the others must be enough in sum.
    fn too_much_lost(&self, depth: usize) -> bool {
        let width = self.problem.width;
        let coming = &self.order[depth..];
        let mut room = vec![0i64; width];
        for host in &self.hosts {
            let has = self.room(*host);
            if coming.iter().any(|vm| self.problem.demand(*vm).iter().zip(has).all(|(need, has)| need <= has))
            {
                room.iter_mut().zip(has).for_each(|(sum, has)| *sum += has);
            }
        }
        (0..width).any(|at| coming.iter().map(|vm| self.problem.demand(*vm)[at]).sum::<i64>() > room[at])
    }

    /// Hosts that can take the VM, the fullest first; of hosts that no rule tells apart only the first.
    fn candidates(&self, vm: usize) -> Vec<usize> {
        let problem = self.problem;
        let mut found: Vec<usize> = Vec::new();
        for at in 0..self.hosts.len() {
            let host = self.hosts[at];
            let fits = problem.demand(vm).iter().zip(self.room(host)).all(|(need, has)| need <= has);
            let clash = self.on[host].iter().any(|other| {
                problem.apart_of[*other as usize].iter().any(|group| problem.apart_of[vm].contains(group))
            });
            let twin = |other: &usize| {
                let other = self.hosts[*other];
                self.on[host].is_empty()
                    && self.on[other].is_empty()
                    && problem.class[host] == problem.class[other]
                    && problem.capacity(host) == problem.capacity(other)
            };
            if fits && !clash && problem.may_stand(vm, host) && !found.iter().any(twin) {
                found.push(at);
            }
        }
        let scarce = problem.scarce;
        found.sort_by_key(|at| (self.room(self.hosts[*at]).get(scarce).copied().unwrap_or(0), *at));
        found
    }

    fn room(&self, host: usize) -> &[i64] {
        &self.free[host * self.problem.width..(host + 1) * self.problem.width]
    }

    /// Every way to settle the parts of the VM's groups, given that it stands on the host: (group, part) pairs that are new.
    fn choices(&self, vm: usize, host: usize) -> Vec<Vec<(u32, u32)>> {
        let mut ways: Vec<Vec<(u32, u32)>> = vec![Vec::new()];
        for group in &self.problem.among_of[vm] {
            let settled = self.part[*group as usize];
            if settled != NONE {
                if !self.problem.parts[settled as usize].has(host) {
                    return Vec::new();
                }
                continue;
            }
            let parts = &self.problem.instance.among[*group as usize].parts;
            let open = parts.iter().filter(|part| self.problem.parts[**part].has(host));
            let open: Vec<u32> = open.map(|part| index(*part)).collect();
            ways = ways
                .iter()
                .flat_map(|way| open.iter().map(|part| [way.as_slice(), &[(*group, *part)]].concat()))
                .collect();
        }
        ways
    }

    fn put(&mut self, vm: usize, host: usize, parts: &[(u32, u32)]) {
        let width = self.problem.width;
        for at in 0..width {
            self.free[host * width + at] -= self.problem.demand(vm)[at];
        }
        self.on[host].push(index(vm));
        self.placed[vm] = index(host);
        for (group, part) in parts {
            self.part[*group as usize] = *part;
        }
    }

    fn take_back(&mut self, vm: usize, host: usize, parts: &[(u32, u32)]) {
        let width = self.problem.width;
        for at in 0..width {
            self.free[host * width + at] += self.problem.demand(vm)[at];
        }
        self.on[host].pop();
        self.placed[vm] = NONE;
        for (group, _) in parts {
            self.part[*group as usize] = NONE;
        }
    }
}
