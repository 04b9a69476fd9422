//! How many are hit at once, exactly: what is counted of the fleet, of a cluster and of a tenant, and its law once it is known
//! how likely each host is hit on its own.
//!
//! Hosts and guests are sums of binomials (Poisson-binomial by convolution). Tenants are not: who shares a host is hit
//! together. Tenants tied by shared hosts form an island, whose states, who of them is hit, are few while the island is small.

use rustc_hash::FxHashMap;

use super::parts::{GUESTS, HOSTS, TENANTS};
use super::pmf::Pmf;
use super::prepared::Prepared;
use super::result::Thresholds;

/// Most tenants tied to each other by shared hosts whose states are told apart.
const MOST_TIED: usize = 12;

/// For hosts, guests and tenants the probability to reach each threshold, as far as it is exact.
pub(super) type Known = [Vec<Option<f64>>; 3];

/// Trials that count alike: of one class, each worth so many.
#[derive(Debug, Clone, Copy)]
struct Trials {
    /// Position in [`Question::classes`].
    class: usize,
    count: usize,
    worth: usize,
}

/// Hosts by class position, so many of each.
type Hosts = Vec<(usize, usize)>;

/// Tenants that share hosts, directly or through others.
#[derive(Debug)]
struct Island {
    tenants: usize,
    /// Which of them, as bits, have guests on these hosts.
    hosts: Vec<(usize, Hosts)>,
}

/// Tenants of a set of hosts.
#[derive(Debug)]
enum Tenants {
    /// In islands that are small.
    Islands(Vec<Island>),
    /// Some are tied to too many. That two at least are hit is known still: any is, and not one alone.
    Tied {
        /// All hosts with guests of a known tenant.
        all: Hosts,
        /// For each tenant the hosts that it alone has guests on.
        alone: Vec<Hosts>,
    },
}

/// A set of hosts, and up to which numbers it is asked how many are hit.
pub(super) struct Question<'a> {
    /// Indices of the classes of its hosts.
    pub(super) classes: Vec<u32>,
    trials: [Vec<Trials>; 2],
    tenants: Option<Tenants>,
    asked: [&'a [u64]; 3],
}

/// A host of a set: index, class, guests that count.
pub(super) type Member = (u32, u32, u32);

impl<'a> Question<'a> {
    /// Of these hosts, sorted by class; tenants are counted only where whole hosts are members.
    pub(super) fn new(prepared: &Prepared, members: &[Member], asked: &'a Thresholds, whole: bool) -> Self {
        let mut classes: Vec<u32> = members.iter().map(|it| it.1).collect();
        classes.dedup();
        let mut trials = [Vec::new(), Vec::new()];
        for (class, alike) in members.chunk_by(|a, b| a.1 == b.1).enumerate() {
            trials[HOSTS].push(Trials { class, count: alike.len(), worth: 1 });
            let mut worths: Vec<usize> = alike.iter().map(|it| it.2 as usize).filter(|&it| it > 0).collect();
            worths.sort_unstable();
            let same = worths.chunk_by(|a, b| a == b);
            trials[GUESTS].extend(same.map(|same| Trials { class, count: same.len(), worth: same[0] }));
        }
        let tenants = whole && !asked.tenants.is_empty();
        let tenants = tenants.then(|| Tenants::of(prepared, members, &classes));
        Self {
            classes,
            trials,
            tenants,
            asked: [&asked.hosts, &asked.guests, if whole { &asked.tenants } else { &[] }],
        }
    }

    /// The greatest number that is asked for.
    fn most(&self, what: usize) -> usize {
        let most = self.asked.get(what).and_then(|list| list.iter().max());
        // Far from where sums of numbers would not fit.
        usize::try_from(most.copied().unwrap_or(0)).unwrap_or(usize::MAX).clamp(1, usize::MAX / 4)
    }

    /// Multiplications that each answer takes, at most; with what is known of hits beforehand, fewer.
    pub(super) fn work(&self, hit: Option<&[f64]>) -> [f64; 3] {
        let of_trials = |what: usize| {
            let most = self.most(what) as f64;
            let (mut length, mut variance, mut widest, mut work) = (1.0f64, 0.0, 0.0f64, 0.0);
            for one in self.trials.get(what).into_iter().flatten() {
                let (count, worth) = (one.count as f64, one.worth as f64);
                let mut terms = (count + 1.0).min(most / worth + 1.0);
                let mut support = length;
                length += count * worth;
                if let Some(hit) = hit {
                    // Support of a binomial of small probability: some deviations about its mean.
                    let of_one = count * hit.get(one.class).copied().unwrap_or(1.0);
                    variance += of_one * worth * worth;
                    widest = widest.max(worth);
                    terms = terms.min(28.0 * of_one.sqrt() + 30.0);
                    support = support.min(28.0 * variance.sqrt() + 60.0 * widest);
                }
                work += support.min(most + 1.0) * terms + count;
            }
            work
        };
        let of_tenants = match &self.tenants {
            None => 0.0,
            Some(Tenants::Tied { all, alone }) => {
                (all.len() + alone.iter().map(Vec::len).sum::<usize>()) as f64
            }
            Some(Tenants::Islands(islands)) => {
                let length = (islands.len() * MOST_TIED).min(self.most(TENANTS)) as f64;
                let states = |it: &Island| (it.tenants as f64).exp2() * it.hosts.len() as f64;
                islands.iter().map(|it| states(it) + length * (it.tenants + 1) as f64).sum()
            }
        };
        [of_trials(HOSTS), of_trials(GUESTS), of_tenants]
    }

    /// Stops asking for what is too much work: the last numbers first, which are the greatest where they rise.
    pub(super) fn only(&mut self, worth: impl Fn(f64) -> bool, hit: Option<&[f64]>) {
        for what in [HOSTS, GUESTS, TENANTS] {
            while let [fewer @ .., _] = self.asked[what]
                && !worth(self.work(hit)[what])
            {
                self.asked[what] = fewer;
            }
        }
    }

    /// Something is asked still.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.iter().any(|list| !list.is_empty())
    }

    /// Probabilities to reach each threshold, where each host answers on its own with that of its class (by position); NaN
    /// where it is not known.
    pub(super) fn answer(&self, hit: &[f64]) -> [Vec<f64>; 3] {
        let of_law = |what: usize, law: &dyn Fn(usize) -> Pmf| -> Vec<f64> {
            if self.asked[what].is_empty() {
                return Vec::new();
            }
            let law = law(self.most(what));
            self.asked[what].iter().map(|&m| law.at_least(m)).collect()
        };
        let of_trials = |what: usize| {
            of_law(what, &|most| {
                let mut sum = Pmf::zero();
                for one in &self.trials[what] {
                    sum.add_trials(one.count, hit[one.class], one.worth, most);
                }
                sum
            })
        };
        let tenants = match &self.tenants {
            None => Vec::new(),
            Some(Tenants::Islands(islands)) => of_law(TENANTS, &|most| {
                islands.iter().fold(Pmf::zero(), |sum, island| sum.plus(&island.law(hit), 1, most))
            }),
            Some(Tenants::Tied { all, alone }) => {
                let up_to_two = tied(all, alone, hit);
                let of = |m: &u64| usize::try_from(*m).ok().and_then(|m| up_to_two.get(m).copied());
                self.asked[TENANTS].iter().map(|m| of(m).unwrap_or(f64::NAN)).collect()
            }
        };
        [of_trials(HOSTS), of_trials(GUESTS), tenants]
    }

    /// What is known, from the sums of answers over all that may happen.
    pub(super) fn known(sums: [Vec<f64>; 3]) -> Known {
        let one = |it: f64| (!it.is_nan()).then(|| it.clamp(0.0, 1.0));
        sums.map(|list| list.into_iter().map(one).collect())
    }
}

/// Log of the probability that none of these is hit, but for those that are certain to be; how many are.
fn survival(hosts: &Hosts, hit: &[f64]) -> (f64, usize) {
    let (mut log, mut certain) = (0.0, 0);
    for &(class, count) in hosts {
        if hit[class] < 1.0 {
            log += count as f64 * (-hit[class]).ln_1p();
        } else {
            certain += count;
        }
    }
    (log, certain)
}

/// Probability that any of these is hit.
fn any(hosts: &Hosts, hit: &[f64]) -> f64 {
    let (log, certain) = survival(hosts, hit);
    if certain > 0 { 1.0 } else { -log.exp_m1() }
}

/// Probability that 0, 1, 2 tenants at least are hit. One alone is: its own hosts are hit and no other host with tenants.
fn tied(all: &Hosts, alone: &[Hosts], hit: &[f64]) -> [f64; 3] {
    let any_hit = any(all, hit);
    let (log, certain) = survival(all, hit);
    let one_alone = |own: &Hosts| {
        let (own_log, own_certain) = survival(own, hit);
        let others = if certain > own_certain { 0.0 } else { (log - own_log).exp() };
        others * if own_certain > 0 { 1.0 } else { -own_log.exp_m1() }
    };
    [1.0, any_hit, (any_hit - alone.iter().map(one_alone).sum::<f64>()).max(0.0)]
}

impl Island {
    /// How many of its tenants are hit: who of them is, host by host.
    fn law(&self, hit: &[f64]) -> Pmf {
        let mut states = vec![0.0; 1 << self.tenants];
        states[0] = 1.0;
        for (tenants, hosts) in &self.hosts {
            let any = any(hosts, hit);
            // Upwards: who is moved has all of these tenants and is not moved again.
            for state in 0..states.len() {
                if state | tenants != state {
                    let moved = states[state] * any;
                    states[state] -= moved;
                    states[state | tenants] += moved;
                }
            }
        }
        let mut mass = vec![0.0; self.tenants + 1];
        for (state, probability) in states.iter().enumerate() {
            mass[state.count_ones() as usize] += probability;
        }
        Pmf::of(&mass)
    }
}

impl Tenants {
    fn of(prepared: &Prepared, members: &[Member], classes: &[u32]) -> Self {
        // Hosts alike in class and tenants are one.
        let mut alike: FxHashMap<(Vec<u32>, usize), usize> = FxHashMap::default();
        let mut position = 0;
        for &(host, class, _) in members {
            while classes.get(position).is_some_and(|&it| it != class) {
                position += 1;
            }
            let holdings =
                prepared.hosts.get(host as usize).map_or(&[][..], |host| prepared.holdings_of(host));
            let holdings = holdings.iter().filter(|it| prepared.counts_tenant(it));
            let tenants: Vec<u32> = holdings.map(|it| it.tenant).collect();
            if !tenants.is_empty() {
                *alike.entry((tenants, position)).or_default() += 1;
            }
        }
        let mut alike: Vec<((Vec<u32>, usize), usize)> = alike.into_iter().collect();
        alike.sort_unstable();
        Self::islands(&alike).map_or_else(|| Self::tied(&alike), Self::Islands)
    }

    fn islands(alike: &[((Vec<u32>, usize), usize)]) -> Option<Vec<Island>> {
        // Root of each tenant's island; a host ties all of its tenants to the first.
        let mut root: FxHashMap<u32, u32> = FxHashMap::default();
        for ((tenants, _), _) in alike {
            let first = find(&mut root, tenants[0]);
            for &tenant in tenants {
                let other = find(&mut root, tenant);
                root.insert(other, first);
            }
        }
        let mut all: Vec<u32> = root.keys().copied().collect();
        all.sort_unstable();
        // Island and bit of each tenant.
        let mut places: FxHashMap<u32, (usize, usize)> = FxHashMap::default();
        let mut of_root: FxHashMap<u32, usize> = FxHashMap::default();
        let mut islands: Vec<Island> = Vec::new();
        for tenant in all {
            let next = islands.len();
            let at = *of_root.entry(find(&mut root, tenant)).or_insert(next);
            if at == next {
                islands.push(Island { tenants: 0, hosts: Vec::new() });
            }
            places.insert(tenant, (at, islands[at].tenants));
            islands[at].tenants += 1;
            if islands[at].tenants > MOST_TIED {
                return None;
            }
        }
        for ((tenants, class), count) in alike {
            let bits = tenants.iter().map(|tenant| 1 << places[tenant].1).sum();
            let hosts = &mut islands[places[&tenants[0]].0].hosts;
            match hosts.iter_mut().find(|it| it.0 == bits) {
                Some(same) => same.1.push((*class, *count)),
                None => hosts.push((bits, vec![(*class, *count)])),
            }
        }
        Some(islands)
    }

    fn tied(alike: &[((Vec<u32>, usize), usize)]) -> Self {
        let (mut all, mut alone): (FxHashMap<usize, usize>, FxHashMap<u32, Hosts>) = Default::default();
        for ((tenants, class), count) in alike {
            *all.entry(*class).or_default() += count;
            if let [only] = tenants.as_slice() {
                alone.entry(*only).or_default().push((*class, *count));
            }
        }
        let mut all: Hosts = all.into_iter().collect();
        all.sort_unstable();
        let mut alone: Vec<(u32, Hosts)> = alone.into_iter().collect();
        alone.sort_unstable();
        Self::Tied { all, alone: alone.into_iter().map(|it| it.1).collect() }
    }
}

fn find(root: &mut FxHashMap<u32, u32>, tenant: u32) -> u32 {
    let mut at = tenant;
    while let Some(&up) = root.get(&at).filter(|&&up| up != at) {
        at = up;
    }
    root.insert(tenant, at);
    at
}
