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
    order: Vec<usize>,
    free: Vec<i64>,
    /// VMs on each host, in the order in which they came.
    on: Vec<Vec<u32>>,
    placed: Vec<u32>,
    part: Vec<u32>,
    left: u64,
}

/// Packs all VMs on the hosts that `away` does not name, or proves that this cannot be done. Takes from `budget` one for each
/// host tried for a VM.
pub(super) fn pack(problem: &Problem<'_>, away: &[usize], budget: &mut u64) -> Packed {
    let hosts: Vec<usize> = problem.alive.iter().copied().filter(|host| !away.contains(host)).collect();
    let mut order: Vec<usize> = (0..problem.vms()).collect();
    // Groups first among equals: they have the fewest places to go.
    order.sort_by_key(|vm| (-problem.size[*vm], -(problem.apart_of[*vm].len() as i64), *vm));
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
        for at in self.candidates(vm) {
            let host = self.hosts[at];
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
