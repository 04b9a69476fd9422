//! An instance in the form that the search works on: flat arrays, groups by VM, and classes of hosts.

use rustc_hash::FxHashMap;

use super::instance::Instance;

/// No host, no part.
pub(super) const NONE: u32 = u32::MAX;

/// A set of hosts as bits.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
}

/// An instance, prepared. Only hosts that are not away are in [`alive`](Self::alive).
#[derive(Debug)]
pub(super) struct Problem<'a> {
    pub(super) instance: &'a Instance,
    /// Number of resources.
    pub(super) width: usize,
    /// Capacities, host by host.
    pub(super) capacity: Vec<i64>,
    /// Demands, VM by VM.
    pub(super) demand: Vec<i64>,
    /// Hosts that are not away.
    pub(super) alive: Vec<usize>,
    /// Sum of the capacities of hosts that are not away, by resource.
    pub(super) total: Vec<i64>,
    /// Sum of the demands, by resource.
    pub(super) needed: Vec<i64>,
    /// Groups to keep apart, by VM, each once.
    pub(super) apart_of: Vec<Vec<u32>>,
    /// Groups to keep in one part, by VM.
    pub(super) among_of: Vec<Vec<u32>>,
    /// The hosts of each part.
    pub(super) parts: Vec<Bits>,
    /// Class of each host: hosts of one class are in the same parts.
    pub(super) class: Vec<u32>,
    /// Number of classes.
    pub(super) classes: usize,
    /// Classes that each part consists of.
    pub(super) classes_of_part: Vec<Vec<u32>>,
    /// Largest group to keep apart.
    pub(super) largest_apart: usize,
    /// Size of each VM: its largest share of the average host, in millionths.
    pub(super) size: Vec<i64>,
    /// The resource that is scarcest in sum.
    pub(super) scarce: usize,
}

impl<'a> Problem<'a> {
    pub(super) fn new(instance: &'a Instance) -> Self {
        let width = instance.resources.len();
        let capacity: Vec<i64> = instance.hosts.iter().flat_map(|it| it.capacity.iter().copied()).collect();
        let demand: Vec<i64> = instance.vms.iter().flat_map(|it| it.demand.iter().copied()).collect();
        let alive: Vec<usize> =
            (0..instance.hosts.len()).filter(|host| !instance.hosts[*host].away).collect();
        let total: Vec<i64> =
            (0..width).map(|at| alive.iter().map(|host| capacity[host * width + at]).sum()).collect();
        let needed: Vec<i64> =
            (0..width).map(|at| (0..instance.vms.len()).map(|vm| demand[vm * width + at]).sum()).collect();
        let (largest_apart, apart_of) = members(instance.apart.iter().map(Vec::as_slice), instance.vms.len());
        let (_, among_of) = members(instance.among.iter().map(|it| it.vms.as_slice()), instance.vms.len());
        let (class, classes, classes_of_part, parts) = classes(instance);
        let scarce = (0..width)
            .max_by(|a, b| {
                let (left, right) = (share(needed[*a], total[*a]), share(needed[*b], total[*b]));
                left.cmp(&right).then(b.cmp(a))
            })
            .unwrap_or(0);
        let mut problem = Self {
            instance,
            width,
            capacity,
            demand,
            alive,
            total,
            needed,
            largest_apart,
            apart_of,
            among_of,
            parts,
            class,
            classes,
            classes_of_part,
            size: Vec::new(),
            scarce,
        };
        problem.size = (0..problem.vms()).map(|vm| problem.size_of(vm)).collect();
        problem
    }

    fn size_of(&self, vm: usize) -> i64 {
        let hosts = i128::try_from(self.alive.len()).unwrap_or(1);
        let part = |at: usize| {
            let demand = i128::from(self.demand[vm * self.width + at]);
            demand * hosts * 1_000_000 / i128::from(self.total[at].max(1))
        };
        (0..self.width).map(part).max().and_then(|it| i64::try_from(it).ok()).unwrap_or(0)
    }

    pub(super) fn vms(&self) -> usize {
        self.instance.vms.len()
    }

    pub(super) fn hosts(&self) -> usize {
        self.instance.hosts.len()
    }

    pub(super) fn capacity(&self, host: usize) -> &[i64] {
        &self.capacity[host * self.width..(host + 1) * self.width]
    }

    pub(super) fn demand(&self, vm: usize) -> &[i64] {
        &self.demand[vm * self.width..(vm + 1) * self.width]
    }

    /// The VM is no larger than the empty host.
    pub(super) fn fits_empty(&self, vm: usize, host: usize) -> bool {
        self.demand(vm).iter().zip(self.capacity(host)).all(|(need, has)| need <= has)
    }

    /// Some choice of parts lets the VM stand on the host.
    pub(super) fn may_stand(&self, vm: usize, host: usize) -> bool {
        self.among_of[vm].iter().all(|group| {
            let parts = &self.instance.among[*group as usize].parts;
            parts.iter().any(|part| self.parts[*part].has(host))
        })
    }

    /// What a set of hosts may be without any VM being placed: its number, the sums, N+1 and the largest group.
    pub(super) fn admissible(&self, away: &[i64], largest_rest: &[i64], count: usize) -> bool {
        let rest = self.alive.len().saturating_sub(count);
        if self.instance.max_hosts_per_wave.is_some_and(|most| count > most) {
            return false;
        }
        if self.vms() > 0 && rest < self.largest_apart.max(1) {
            return false;
        }
        (0..self.width).all(|at| {
            let reserve = if self.instance.n_plus_one { largest_rest[at] } else { 0 };
            self.total[at] - away[at] - reserve >= self.needed[at]
        })
    }
}

/// Demand over capacity in millionths.
fn share(needed: i64, total: i64) -> i128 {
    i128::from(needed) * 1_000_000 / i128::from(total.max(1))
}

/// The size of the largest group, a repeated member counted once, and the groups of each VM.
fn members<'g>(groups: impl Iterator<Item = &'g [usize]>, vms: usize) -> (usize, Vec<Vec<u32>>) {
    let mut of_vm = vec![Vec::new(); vms];
    let mut largest = 0;
    for (at, group) in groups.enumerate() {
        let mut once = group.to_vec();
        once.sort_unstable();
        once.dedup();
        for vm in &once {
            of_vm[*vm].push(index(at));
        }
        largest = largest.max(once.len());
    }
    (largest, of_vm)
}

type Classes = (Vec<u32>, usize, Vec<Vec<u32>>, Vec<Bits>);

/// Hosts that are in the same parts are of one class.
fn classes(instance: &Instance) -> Classes {
    let hosts = instance.hosts.len();
    let mut signature: Vec<Vec<u32>> = vec![Vec::new(); hosts];
    let mut bits = Vec::new();
    for (at, part) in instance.parts.iter().enumerate() {
        let mut set = Bits::new(hosts);
        for host in part {
            if !set.has(*host) {
                set.set(*host);
                signature[*host].push(index(at));
            }
        }
        bits.push(set);
    }
    let mut numbers: FxHashMap<&[u32], u32> = FxHashMap::default();
    let mut class = Vec::with_capacity(hosts);
    let mut of_part = vec![Vec::new(); instance.parts.len()];
    for parts in &signature {
        let next = index(numbers.len());
        let number = *numbers.entry(parts.as_slice()).or_insert(next);
        if number == next {
            for part in parts {
                of_part[*part as usize].push(next);
            }
        }
        class.push(number);
    }
    let count = numbers.len();
    (class, count, of_part, bits)
}

/// An index as it is stored. [`Instance::check`] keeps all of them far below the limit.
pub(super) fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}
