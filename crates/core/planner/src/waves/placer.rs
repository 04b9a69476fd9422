//! A placement that is changed step by step: what leaves the hosts of a wave is put where it fits best.
//!
//! Hosts are kept in order of what is left of the scarcest resource, by class, apart for those that were away already
//! and those that were not: a VM on a host that was away never has to move again. A search for a place looks at a few
//! hosts from the tightest fit on, so a wave costs little more than the VMs that move.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use super::problem::{NONE, Problem, index};

/// Hosts looked at in one order before the search for a place goes on elsewhere.
const LOOKED_AT: usize = 48;
/// Hosts looked at for a VM to be put out, when none has room.
const ASKED: usize = 400;

/// VMs up to which packing anew is tried in more than one way.
const SMALL: usize = 1_000;

/// Where all VMs are, and which hosts may take some.
#[derive(Debug, Clone)]
pub(super) struct Placer<'p, 'a> {
    problem: &'p Problem<'a>,
    /// Host by VM; [`NONE`]: none.
    pub(super) host_of: Vec<u32>,
    free: Vec<i64>,
    on: Vec<Vec<u32>>,
    /// (group, host) pairs with a member of the group.
    taken: FxHashSet<(u32, u32)>,
    /// The part of each group, once a member is placed.
    part: Vec<u32>,
    /// Hosts that were in a wave already.
    done: Vec<bool>,
    /// Hosts that take no VM now.
    away: Vec<bool>,
    /// Open hosts by (class, done): what is left of the scarcest resource, and the host.
    open: Vec<BTreeSet<(i64, u32)>>,
    /// The same for all classes.
    any: [BTreeSet<(i64, u32)>; 2],
    /// Hosts are filled evenly, not one after the other.
    even: bool,
    /// Hosts tried, in all.
    pub(super) evaluations: u64,
}

impl<'p, 'a> Placer<'p, 'a> {
    /// The placement at the start, without the VMs that a rule forbids where they are: they are placed in the first wave.
    pub(super) fn new(problem: &'p Problem<'a>) -> Self {
        let hosts = problem.hosts();
        let mut placer = Self {
            problem,
            host_of: vec![NONE; problem.vms()],
            free: problem.capacity.clone(),
            on: vec![Vec::new(); hosts],
            taken: FxHashSet::default(),
            part: vec![NONE; problem.instance.among.len()],
            done: vec![false; hosts],
            away: problem.instance.hosts.iter().map(|it| it.away).collect(),
            open: vec![BTreeSet::new(); problem.classes * 2],
            any: [BTreeSet::new(), BTreeSet::new()],
            even: false,
            evaluations: 0,
        };
        for host in &problem.alive {
            placer.show(*host);
        }
        let mut order: Vec<usize> = (0..problem.vms()).collect();
        order.sort_by_key(|vm| -problem.size[*vm]);
        placer.settle_parts();
        for vm in order {
            if let Some(host) = problem.instance.vms[vm].host
                && !placer.away[host]
                && placer.fits(vm, host)
            {
                placer.put(vm, host);
            }
        }
        placer
    }

    /// Each group stays in the part where most of it is.
    fn settle_parts(&mut self) {
        for (at, among) in self.problem.instance.among.iter().enumerate() {
            let here = |part: &usize| {
                let inside = |vm: &&usize| {
                    self.problem.instance.vms[**vm]
                        .host
                        .is_some_and(|host| self.problem.parts[*part].has(host) && !self.away[host])
                };
                among.vms.iter().filter(inside).count()
            };
            let best = among.parts.iter().map(|part| (here(part), *part)).filter(|it| it.0 > 0);
            if let Some((_, part)) = best.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))) {
                self.part[at] = index(part);
            }
        }
    }

    /// Takes the hosts of a wave away and puts every VM that has no host where it fits. The hosts of the wave before come
    /// back first. Returns how many VMs found no place.
    pub(super) fn wave(&mut self, before: &[usize], hosts: &[usize], most: u64) -> usize {
        for host in before {
            self.away[*host] = false;
            self.done[*host] = true;
            self.show(*host);
        }
        let mut queue: Vec<u32> = Vec::new();
        for host in hosts {
            self.hide(*host);
            self.away[*host] = true;
            for vm in self.on[*host].clone() {
                self.take(vm as usize);
            }
        }
        queue.extend((0..self.problem.vms()).filter(|vm| self.host_of[*vm] == NONE).map(index));
        let limit = self.evaluations.saturating_add(most);
        if self.place_all(queue, limit) == 0 {
            return 0;
        }
        // With a budget of its own: what could not be mended where it stood often fits when packed anew.
        // Both ways where that is cheap; on large instances filling evenly is the one that helps.
        let ways: &[bool] = if self.problem.vms() <= SMALL { &[false, true] } else { &[true] };
        let mut left = 0;
        for even in ways {
            left = self.repack(*even, self.evaluations.saturating_add(most));
            if left == 0 {
                break;
            }
        }
        left
    }

    /// Starts over: nothing stays where it was, the largest VMs first.
    fn repack(&mut self, even: bool, limit: u64) -> usize {
        for vm in 0..self.problem.vms() {
            if self.host_of[vm] != NONE {
                self.take(vm);
            }
        }
        self.part.fill(NONE);
        // Filling all hosts evenly leaves no host with one resource full and much of another.
        self.even = even;
        let left = self.place_all((0..self.problem.vms()).map(index).collect(), limit);
        self.even = false;
        left
    }

    /// Places these VMs, the largest first, putting smaller ones out where nothing else helps.
    fn place_all(&mut self, mut queue: Vec<u32>, limit: u64) -> usize {
        let problem = self.problem;
        let key = |vm: &u32| {
            let bound = !problem.among_of[*vm as usize].is_empty();
            (problem.size[*vm as usize], bound, problem.apart_of[*vm as usize].len(), u32::MAX - *vm)
        };
        queue.sort_by_key(key);
        let mut stuck: Vec<u32> = Vec::new();
        while let Some(vm) = queue.pop() {
            match self.best(vm as usize) {
                Some(host) => self.put(vm as usize, host),
                None => stuck.push(vm),
            }
        }
        // The largest of those without a place last in the list, so that it is tried first.
        stuck.sort_by_key(key);
        let mut asked_from = 0;
        while let Some(vm) = stuck.pop() {
            if self.evaluations >= limit {
                stuck.push(vm);
                break;
            }
            if let Some(host) = self.best(vm as usize) {
                self.put(vm as usize, host);
                continue;
            }
            asked_from += 1;
            match self.make_room(vm as usize, asked_from) {
                Some(None) => {}
                Some(Some(out)) => {
                    let at = stuck.partition_point(|other| key(other) < key(&out));
                    stuck.insert(at, out);
                }
                None => {
                    stuck.push(vm);
                    break;
                }
            }
        }
        stuck.len()
    }

    /// The tightest host that can take the VM: first of those that were away already, then of the others.
    fn best(&mut self, vm: usize) -> Option<usize> {
        self.choose_parts(vm);
        [1, 0].into_iter().find_map(|done| self.best_of(vm, done))
    }

    fn best_of(&mut self, vm: usize, done: usize) -> Option<usize> {
        let Some(part) = self.part_of(vm) else {
            let (found, tried) = self.tightest(vm, &self.any[done]);
            self.evaluations += tried;
            return found.map(|it| it.1);
        };
        let mut best: Option<(i64, usize)> = None;
        let mut tried = 0;
        for class in &self.problem.classes_of_part[part as usize] {
            let (found, cost) = self.tightest(vm, &self.open[*class as usize * 2 + done]);
            tried += cost;
            best = match (best, found) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        self.evaluations += tried;
        best.map(|it| it.1)
    }

    /// From the tightest on, then from the emptiest on.
    fn tightest(&self, vm: usize, hosts: &BTreeSet<(i64, u32)>) -> (Option<(i64, usize)>, u64) {
        let need = self.problem.demand(vm).get(self.problem.scarce).copied().unwrap_or(0);
        let mut tried = 0;
        if self.even {
            let last = hosts.iter().rev().take(LOOKED_AT);
            let fitting = last.inspect(|_| tried += 1).filter(|it| self.fits(vm, it.1 as usize));
            let best = fitting.max_by_key(|it| (self.left_after(vm, it.1 as usize), it.1));
            if let Some((left, host)) = best {
                return (Some((*left, *host as usize)), tried);
            }
        }
        let from = hosts.range((need, 0)..);
        let back = hosts.range((need, 0)..).rev();
        for (left, host) in from.take(LOOKED_AT).chain(back.take(LOOKED_AT)) {
            tried += 1;
            if self.fits(vm, *host as usize) {
                return (Some((*left, *host as usize)), tried);
            }
        }
        (None, tried)
    }

    /// What the VM would leave of the resource that is then scarcest on the host, as a share of the average host.
    fn left_after(&self, vm: usize, host: usize) -> i128 {
        let problem = self.problem;
        let room = &self.free[host * problem.width..(host + 1) * problem.width];
        let left = room.iter().zip(problem.demand(vm)).zip(&problem.total);
        left.map(|((has, need), all)| i128::from(has - need) * 1_000_000_000 / i128::from((*all).max(1)))
            .min()
            .unwrap_or(0)
    }

    /// A part for each group of the VM that has none: the one with the most room in sum.
    fn choose_parts(&mut self, vm: usize) {
        for at in 0..self.problem.among_of[vm].len() {
            let group = self.problem.among_of[vm][at] as usize;
            if self.part[group] != NONE {
                continue;
            }
            let room = |part: &usize| -> i64 {
                let classes = &self.problem.classes_of_part[*part];
                let sets = classes.iter().flat_map(|class| [*class as usize * 2, *class as usize * 2 + 1]);
                sets.map(|set| self.open[set].iter().map(|it| it.0).sum::<i64>()).sum()
            };
            let parts = &self.problem.instance.among[group].parts;
            let others: Vec<u32> = self.problem.among_of[vm]
                .iter()
                .map(|it| self.part[*it as usize])
                .filter(|it| *it != NONE)
                .collect();
            let meets = |part: &&usize| {
                let classes = &self.problem.classes_of_part[**part];
                others.iter().all(|other| {
                    self.problem.classes_of_part[*other as usize].iter().any(|it| classes.contains(it))
                })
            };
            let best = parts.iter().filter(meets).map(|part| (room(part), *part));
            if let Some((_, part)) = best.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))) {
                self.part[group] = index(part);
                self.evaluations += (self.problem.alive.len() / 8) as u64;
            }
        }
    }

    /// The smallest part that the VM must be in.
    fn part_of(&self, vm: usize) -> Option<u32> {
        let parts = self.problem.among_of[vm].iter().map(|group| self.part[*group as usize]);
        parts.filter(|it| *it != NONE).min_by_key(|part| self.problem.classes_of_part[*part as usize].len())
    }

    /// Puts smaller VMs out of a host to make room. `None`: no host helps. `Some(Some(vm))`: that one has no place now.
    fn make_room(&mut self, vm: usize, from: usize) -> Option<Option<u32>> {
        let problem = self.problem;
        let hosts = problem.alive.len();
        // A stride that meets every host, another one each time: the same few hosts would be asked again and again.
        let start = from.wrapping_mul(7919) % hosts.max(1);
        let mut fallback: Option<(i64, usize, u32)> = None;
        let mut asked = 0;
        for step in 0..hosts {
            let host = problem.alive[(start + step) % hosts];
            if self.away[host] || !self.allows(vm, host) || !problem.fits_empty(vm, host) {
                continue;
            }
            asked += 1;
            if asked > ASKED {
                break;
            }
            for at in 0..self.on[host].len() {
                let out = self.on[host][at];
                self.evaluations += 1;
                if !self.fits_instead(vm, host, out as usize) {
                    continue;
                }
                let size = problem.size[out as usize];
                // Going down in size ends; one of the same size is put out only where it finds a place at once.
                if size < problem.size[vm] && fallback.is_none_or(|it| size < it.0) {
                    fallback = Some((size, host, out));
                }
                self.take(out as usize);
                self.put(vm, host);
                if let Some(other) = self.best(out as usize) {
                    self.put(out as usize, other);
                    return Some(None);
                }
                self.take(vm);
                self.put(out as usize, host);
            }
        }
        let (_, host, out) = fallback?;
        self.take(out as usize);
        self.put(vm, host);
        Some(Some(out))
    }

    /// The VM would fit on the host if another one left it.
    fn fits_instead(&self, vm: usize, host: usize, out: usize) -> bool {
        let problem = self.problem;
        let room = &self.free[host * problem.width..(host + 1) * problem.width];
        let amounts = problem.demand(vm).iter().zip(room).zip(problem.demand(out));
        amounts.into_iter().all(|((need, has), back)| *need <= has + back)
            && problem.apart_of[vm].iter().all(|group| {
                !self.taken.contains(&(*group, index(host))) || problem.apart_of[out].contains(group)
            })
    }

    /// The parts of the VM's groups let it stand on the host.
    fn allows(&self, vm: usize, host: usize) -> bool {
        self.problem.among_of[vm].iter().all(|group| match self.part[*group as usize] {
            NONE => self.problem.instance.among[*group as usize]
                .parts
                .iter()
                .any(|part| self.problem.parts[*part].has(host)),
            part => self.problem.parts[part as usize].has(host),
        })
    }

    fn fits(&self, vm: usize, host: usize) -> bool {
        let problem = self.problem;
        let room = &self.free[host * problem.width..(host + 1) * problem.width];
        problem.demand(vm).iter().zip(room).all(|(need, has)| need <= has)
            && self.allows(vm, host)
            && problem.apart_of[vm].iter().all(|group| !self.taken.contains(&(*group, index(host))))
    }

    fn put(&mut self, vm: usize, host: usize) {
        self.change(vm, host, -1);
        self.on[host].push(index(vm));
        self.host_of[vm] = index(host);
        for group in &self.problem.apart_of[vm] {
            self.taken.insert((*group, index(host)));
        }
        for group in &self.problem.among_of[vm] {
            let group = *group as usize;
            if self.part[group] == NONE {
                let parts = &self.problem.instance.among[group].parts;
                let part = parts.iter().find(|part| self.problem.parts[**part].has(host));
                self.part[group] = part.map_or(NONE, |part| index(*part));
            }
        }
    }

    fn take(&mut self, vm: usize) {
        let host = self.host_of[vm] as usize;
        self.change(vm, host, 1);
        self.on[host].retain(|it| *it as usize != vm);
        self.host_of[vm] = NONE;
        for group in &self.problem.apart_of[vm] {
            self.taken.remove(&(*group, index(host)));
        }
    }

    fn change(&mut self, vm: usize, host: usize, sign: i64) {
        let shown = !self.away[host];
        if shown {
            self.hide(host);
        }
        let width = self.problem.width;
        for at in 0..width {
            self.free[host * width + at] += sign * self.problem.demand(vm)[at];
        }
        if shown {
            self.show(host);
        }
    }

    fn entry(&self, host: usize) -> ((i64, u32), usize, usize) {
        let at = host * self.problem.width + self.problem.scarce;
        let done = usize::from(self.done[host]);
        let left = self.free.get(at).copied().unwrap_or(0);
        ((left, index(host)), self.problem.class[host] as usize * 2 + done, done)
    }

    fn show(&mut self, host: usize) {
        let (entry, set, done) = self.entry(host);
        self.open[set].insert(entry);
        self.any[done].insert(entry);
    }

    fn hide(&mut self, host: usize) {
        let (entry, set, done) = self.entry(host);
        self.open[set].remove(&entry);
        self.any[done].remove(&entry);
    }
}
