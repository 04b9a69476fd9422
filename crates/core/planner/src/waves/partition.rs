//! Partitions of the hosts into a given number of waves: candidates for the placer.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rustc_hash::FxHashMap;

use super::problem::Problem;
use super::subsets::{State, Subsets};

/// A wave that is being filled.
#[derive(Clone)]
struct Wave {
    hosts: Vec<usize>,
    sum: Vec<i64>,
}

/// Largest capacities of hosts outside a wave, by walking down the sorted hosts.
struct Largest {
    sorted: Vec<Vec<usize>>,
}

impl Largest {
    fn new(problem: &Problem<'_>) -> Self {
        let by = |at: usize| {
            let mut hosts = problem.alive.clone();
            hosts.sort_by_key(|host| (-problem.capacity(*host)[at], *host));
            hosts
        };
        Self { sorted: (0..problem.width).map(by).collect() }
    }

    fn outside(&self, problem: &Problem<'_>, wave_of: &[usize], wave: usize, extra: usize) -> Vec<i64> {
        let rest = |hosts: &Vec<usize>| hosts.iter().copied().find(|it| *it != extra && wave_of[*it] != wave);
        let capacity = |(at, hosts)| rest(hosts).map_or(0, |host| problem.capacity(host)[at]);
        self.sorted.iter().enumerate().map(capacity).collect()
    }
}

/// Waves of about equal capacity in every class of hosts, those with the fewest VMs first: what leaves the first wave has to
/// move twice. `attempt` 0 is the plain one, others are shuffled. `None`: no such partition was found.
pub(super) fn balanced(
    problem: &Problem<'_>,
    waves: usize,
    attempt: u64,
    seed: u64,
) -> Option<Vec<Vec<usize>>> {
    let mut order = problem.alive.clone();
    let vms = vms_on(problem);
    order.sort_by_key(|host| {
        let capacity: Vec<i64> = problem.capacity(*host).iter().map(|it| -it).collect();
        (capacity, problem.class[*host], vms[*host], *host)
    });
    if attempt > 0 {
        shuffle(&mut order, seed ^ attempt);
        if attempt % 2 == 1 {
            order.sort_by_key(|host| -problem.capacity(*host).get(problem.scarce).copied().unwrap_or(0));
        }
    }
    let largest = Largest::new(problem);
    let mut wave_of = vec![usize::MAX; problem.hosts()];
    let mut all = vec![Wave { hosts: Vec::new(), sum: vec![0; problem.width] }; waves];
    let mut in_class: FxHashMap<(u32, usize), usize> = FxHashMap::default();
    for host in order {
        let class = problem.class[host];
        let mut choice: Vec<usize> = (0..waves).collect();
        choice.sort_by_key(|wave| {
            let load = all[*wave].sum.get(problem.scarce).copied().unwrap_or(0);
            (in_class.get(&(class, *wave)).copied().unwrap_or(0), load, all[*wave].hosts.len(), *wave)
        });
        let fits = |wave: &usize| {
            let sum: Vec<i64> =
                all[*wave].sum.iter().zip(problem.capacity(host)).map(|(a, b)| a + b).collect();
            let rest = largest.outside(problem, &wave_of, *wave, host);
            problem.admissible(&sum, &rest, all[*wave].hosts.len() + 1)
        };
        let wave = choice.into_iter().find(fits)?;
        wave_of[host] = wave;
        *in_class.entry((class, wave)).or_default() += 1;
        all[wave].hosts.push(host);
        for (sum, capacity) in all[wave].sum.iter_mut().zip(problem.capacity(host)) {
            *sum += capacity;
        }
    }
    let mut hosts: Vec<Vec<usize>> = all.into_iter().map(|it| it.hosts).filter(|it| !it.is_empty()).collect();
    if attempt == 0 {
        swap_towards_the_front(problem, &vms, &mut hosts);
    }
    hosts.sort_by_key(|wave| wave.iter().map(|host| vms[*host]).sum::<usize>());
    Some(hosts)
}

/// Interchangeable hosts are dealt out anew: those with the fewest VMs to the first wave.
fn swap_towards_the_front(problem: &Problem<'_>, vms: &[usize], waves: &mut [Vec<usize>]) {
    let mut kinds: FxHashMap<(u32, &[i64]), Vec<usize>> = FxHashMap::default();
    for host in waves.iter().flatten() {
        kinds.entry((problem.class[*host], problem.capacity(*host))).or_default().push(*host);
    }
    for hosts in kinds.values_mut() {
        // The last is taken first.
        hosts.sort_by_key(|host| std::cmp::Reverse((vms[*host], *host)));
    }
    for host in waves.iter_mut().flatten() {
        let kind = kinds.get_mut(&(problem.class[*host], problem.capacity(*host)));
        if let Some(next) = kind.and_then(Vec::pop) {
            *host = next;
        }
    }
}

/// Partitions by counts of interchangeable hosts, up to `most` of them, made concrete in an order by seed.
pub(super) fn by_count(
    problem: &Problem<'_>,
    subsets: &Subsets,
    waves: usize,
    most: usize,
    seed: u64,
) -> Vec<Vec<Vec<usize>>> {
    let mut found: Vec<Vec<State>> = Vec::new();
    walk(subsets, subsets.all(), waves, &mut Vec::new(), most, &mut found);
    let vms = vms_on(problem);
    let mut concrete = Vec::new();
    for (at, states) in found.into_iter().enumerate() {
        for turn in 0..states.len() {
            let mut order = states.clone();
            order.rotate_left(turn);
            let salt = seed ^ ((at as u64) << 8) ^ turn as u64;
            concrete.push(hosts_of(subsets, &order, &vms, salt));
        }
    }
    concrete
}

fn walk(
    subsets: &Subsets,
    left: State,
    waves: usize,
    path: &mut Vec<State>,
    most: usize,
    found: &mut Vec<Vec<State>>,
) {
    if left == 0 {
        found.push(path.clone());
        return;
    }
    if waves == 0 || found.len() >= most {
        return;
    }
    let mut parts = Vec::new();
    subsets.parts(left, &mut |part| {
        if subsets.allowed(part) && subsets.least(left - part) < waves {
            parts.push(part);
        }
    });
    for part in parts {
        path.push(part);
        walk(subsets, left - part, waves - 1, path, most, found);
        path.pop();
    }
}

/// Which host of a type goes into which wave: those with the fewest VMs first, or at random.
pub(super) fn hosts_of(subsets: &Subsets, states: &[State], vms: &[usize], salt: u64) -> Vec<Vec<usize>> {
    let mut pools: Vec<Vec<usize>> = subsets.types.clone();
    for pool in &mut pools {
        if salt % 3 == 2 {
            shuffle(pool, salt);
        } else {
            pool.sort_by_key(|host| std::cmp::Reverse((vms[*host], *host)));
        }
    }
    states
        .iter()
        .map(|state| {
            let take =
                |(of, pool): (usize, &mut Vec<usize>)| pool.split_off(pool.len() - subsets.count(*state, of));
            pools.iter_mut().enumerate().flat_map(take).collect()
        })
        .collect()
}

/// Number of VMs on each host at the start.
pub(super) fn vms_on(problem: &Problem<'_>) -> Vec<usize> {
    let mut vms = vec![0; problem.hosts()];
    for vm in &problem.instance.vms {
        if let Some(host) = vm.host {
            vms[host] += vm.vms as usize;
        }
    }
    vms
}

fn shuffle(list: &mut [usize], seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for at in (1..list.len()).rev() {
        let bound = at as u64 + 1;
        let other = usize::try_from(random.next_u64() % bound).unwrap_or(0);
        list.swap(at, other);
    }
}
