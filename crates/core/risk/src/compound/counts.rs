//! How many are hit at once, exactly: sums of binomials (Poisson-binomial by convolution), given shocks, planes and `Z`.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::exact::ClassLaw;
use super::prepared::{Gated, Prepared, Source, multiplier};
use super::result::Thresholds;
use super::shape::Table;
use crate::binomial::{self, Odds};

/// Masses below this are dropped at the ends.
const NO_MASS: f64 = 1e-40;

/// Most shocks that may or may not happen, planes included, that are enumerated.
const MOST_UNCERTAIN: usize = 12;

/// Most multiplications spent on enumeration.
const MOST_WORK: f64 = 4e8;

/// The law of a count, as far as it has mass. Unlike [`mod@crate::poisson_binomial`], which keeps every mass and the digits of
/// far tails, it drops what is below 1e-40 and counts things that weigh more than one: guests of a host.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pmf {
    start: usize,
    mass: Vec<f64>,
}

impl Pmf {
    pub(super) fn zero() -> Self {
        Self { start: 0, mass: vec![1.0] }
    }

    fn trimmed(start: usize, mass: &[f64]) -> Self {
        let first = mass.iter().position(|&it| it >= NO_MASS).unwrap_or(0);
        let last = mass.iter().rposition(|&it| it >= NO_MASS).unwrap_or(0);
        Self { start: start + first, mass: mass.get(first..=last).unwrap_or(&[]).to_vec() }
    }

    /// `n` trials of probability `q`: from the mode outwards, each mass from its neighbour.
    pub(super) fn binomial(n: usize, q: f64) -> Self {
        if q <= 0.0 || n == 0 {
            return Self::zero();
        }
        if q >= 1.0 {
            return Self { start: n, mass: vec![1.0] };
        }
        let (size, odds) = (n as f64, q / (1.0 - q));
        let mode = (((size + 1.0) * q) as usize).min(n);
        let at_mode = binomial::mass(n as u64, Odds { p: q, q: 1.0 - q }, mode as u64);
        let (mut up, mut down) = (vec![at_mode], Vec::new());
        for k in mode..n {
            let next = up[up.len() - 1] * odds * (n - k) as f64 / (k + 1) as f64;
            if next < NO_MASS {
                break;
            }
            up.push(next);
        }
        let mut last = up[0];
        for k in (1..=mode).rev() {
            last *= k as f64 / (odds * (n - k + 1) as f64);
            if last < NO_MASS {
                break;
            }
            down.push(last);
        }
        let start = mode - down.len();
        down.reverse();
        down.append(&mut up);
        Self { start, mass: down }
    }

    /// The law of this count plus `stride` times the other.
    pub(super) fn plus(&self, other: &Self, stride: usize) -> Self {
        if other.mass.len() == 1 && other.start == 0 {
            return self.clone();
        }
        let mut mass = vec![0.0; self.mass.len() + (other.mass.len() - 1) * stride];
        for (at, &factor) in other.mass.iter().enumerate() {
            for (sum, &one) in mass[at * stride..].iter_mut().zip(&self.mass) {
                *sum += factor * one;
            }
        }
        Self::trimmed(self.start + other.start * stride, &mass)
    }

    pub(super) fn at_least(&self, m: u64) -> f64 {
        let from = usize::try_from(m).unwrap_or(usize::MAX).saturating_sub(self.start);
        self.mass.get(from..).map_or(0.0, |tail| tail.iter().rev().sum())
    }
}

/// Trials that count alike: of one class, each worth so many.
#[derive(Debug, Clone, Copy)]
struct Trials {
    class: usize,
    count: usize,
    worth: usize,
}

/// Hosts (worth one) or guests (worth what stands on the host), class by class.
fn trials(prepared: &Prepared, guests: bool) -> Vec<Trials> {
    let mut all = Vec::new();
    for (class, sources) in prepared.classes.iter().enumerate() {
        if guests {
            let mut worths: FxHashMap<usize, usize> = FxHashMap::default();
            for host in &prepared.hosts[sources.hosts.clone()] {
                *worths.entry(host.guests as usize).or_default() += 1;
            }
            let mut worths: Vec<(usize, usize)> =
                worths.into_iter().filter(|&(worth, _)| worth > 0).collect();
            worths.sort_unstable();
            all.extend(worths.into_iter().map(|(worth, count)| Trials { class, count, worth }));
        } else if sources.size() > 0 {
            all.push(Trials { class, count: sources.size(), worth: 1 });
        }
    }
    all
}

/// Multiplications of one convolution, at most.
fn work(trials: &[Trials]) -> f64 {
    let (mut length, mut work) = (1.0, 0.0);
    for one in trials {
        // The first is added to nothing: its length is one.
        work += length * (one.count + 1) as f64 + (one.count * one.worth) as f64;
        length += (one.count * one.worth) as f64;
    }
    work
}

fn law(trials: &[Trials], hit: &[f64]) -> Pmf {
    trials.iter().fold(Pmf::zero(), |sum, one| {
        if hit[one.class] > 0.0 {
            sum.plus(&Pmf::binomial(one.count, hit[one.class]), one.worth)
        } else {
            sum
        }
    })
}

/// The tenant of each host, where no host has guests of two; hosts of each tenant by class.
fn tenants_apart(prepared: &Prepared) -> Option<TenantHosts> {
    let mut hosts: Vec<FxHashMap<usize, usize>> = vec![FxHashMap::default(); prepared.tenants];
    for (at, class) in prepared.classes.iter().enumerate() {
        for host in &prepared.hosts[class.hosts.clone()] {
            let mut tenants = prepared.holdings_of(host).iter().filter(|it| it.vms > 0).map(|it| it.tenant);
            if let Some(first) = tenants.next() {
                if tenants.any(|other| other != first) {
                    return None;
                }
                *hosts[first as usize].entry(at).or_default() += 1;
            }
        }
    }
    Some(
        hosts
            .into_iter()
            .map(|classes| {
                let mut classes: Vec<(usize, usize)> = classes.into_iter().collect();
                classes.sort_unstable();
                classes
            })
            .collect(),
    )
}

/// Probabilities to reach each threshold; `None`: too large to enumerate, or tenants share hosts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) hosts: Option<Vec<f64>>,
    pub(super) guests: Option<Vec<f64>>,
    pub(super) tenants: Option<Vec<f64>>,
}

/// For each tenant the classes of its hosts and how many it has of each.
type TenantHosts = Vec<Vec<(usize, usize)>>;

/// What is counted, and up to what.
struct Question<'a> {
    hosts: Option<(Vec<Trials>, &'a [u64])>,
    guests: Option<(Vec<Trials>, &'a [u64])>,
    tenants: Option<(TenantHosts, &'a [u64])>,
}

impl Question<'_> {
    fn answer(&self, hit: &[f64]) -> [Vec<f64>; 3] {
        let of = |law: &Pmf, thresholds: &[u64]| thresholds.iter().map(|&m| law.at_least(m)).collect();
        let counted = |asked: &Option<(Vec<Trials>, &[u64])>| {
            asked.as_ref().map_or_else(Vec::new, |(trials, thresholds)| of(&law(trials, hit), thresholds))
        };
        let tenants = self.tenants.as_ref().map_or_else(Vec::new, |(tenants, thresholds)| {
            let law = tenants.iter().fold(Pmf::zero(), |sum, classes| {
                let survival: f64 =
                    classes.iter().map(|&(at, count)| (1.0 - hit[at]).powf(count as f64)).product();
                sum.plus(&Pmf::binomial(1, 1.0 - survival), 1)
            });
            of(&law, thresholds)
        });
        [counted(&self.hosts), counted(&self.guests), tenants]
    }

    fn into_counts(self, sums: [Vec<f64>; 3]) -> Counts {
        let [hosts, guests, tenants] =
            sums.map(|list| list.iter().map(|it: &f64| it.clamp(0.0, 1.0)).collect());
        Counts {
            hosts: self.hosts.map(|_| hosts),
            guests: self.guests.map(|_| guests),
            tenants: self.tenants.map(|_| tenants),
        }
    }
}

/// Counts where every host answers on its own with its marginal probability.
pub(super) fn independent(prepared: &Prepared, laws: &[ClassLaw], thresholds: &Thresholds) -> Counts {
    let hit: Vec<f64> = laws.iter().map(|law| law.hit).collect();
    // Support of a binomial of small probability: some deviations about its mean.
    let support = |trials: &[Trials]| -> f64 {
        let (mut variance, mut work) = (0.0, 0.0);
        for one in trials {
            let of_one = one.count as f64 * hit[one.class];
            variance += of_one * (one.worth * one.worth) as f64;
            work += (28.0 * f64::sqrt(variance) + 60.0 * one.worth as f64)
                * (28.0 * of_one.sqrt() + 30.0).min(one.count as f64);
        }
        work
    };
    let allowed = |trials: Vec<Trials>| (support(&trials) < 4.0 * MOST_WORK).then_some(trials);
    let question = Question {
        hosts: allowed(trials(prepared, false)).map(|it| (it, thresholds.hosts.as_slice())),
        guests: allowed(trials(prepared, true)).map(|it| (it, thresholds.guests.as_slice())),
        tenants: tenants_apart(prepared).map(|it| (it, thresholds.tenants.as_slice())),
    };
    let sums = question.answer(&hit);
    question.into_counts(sums)
}

/// Counts by enumeration of shocks and planes, quadrature over `Z` and convolution.
pub(super) fn exact(prepared: &Prepared, thresholds: &Thresholds) -> Counts {
    let relevant: Vec<usize> = (0..prepared.shocks.len()).filter(|&shock| matters(prepared, shock)).collect();
    let uncertain: Vec<usize> = relevant
        .iter()
        .copied()
        .filter(|&shock| prepared.shocks[shock] > 0.0 && prepared.shocks[shock] < 1.0)
        .collect();
    let planes: Vec<usize> = (0..prepared.planes.len())
        .filter(|&plane| {
            let plane = &prepared.planes[plane];
            plane.takes_host > 0.0 && !plane.classes.is_empty() && !plane.sources.is_empty()
        })
        .collect();
    let bits = uncertain.len() + planes.len();
    if bits > MOST_UNCERTAIN {
        return Counts::default();
    }
    let table = Table::new(prepared, 0.125, prepared.hosts.len());
    let states = (bits as f64).exp2() * table.nodes.len() as f64;
    let allowed = |trials: Vec<Trials>| (states * work(&trials) < MOST_WORK).then_some(trials);
    let tenants = tenants_apart(prepared)
        .filter(|tenants| states * (tenants.len() * tenants.len()) as f64 * 2.0 < MOST_WORK);
    let question = Question {
        hosts: allowed(trials(prepared, false)).map(|it| (it, thresholds.hosts.as_slice())),
        guests: allowed(trials(prepared, true)).map(|it| (it, thresholds.guests.as_slice())),
        tenants: tenants.map(|it| (it, thresholds.tenants.as_slice())),
    };
    if question.hosts.is_none() && question.guests.is_none() && question.tenants.is_none() {
        return Counts::default();
    }
    let enumeration = Enumeration { prepared, table: &table, uncertain: &uncertain, planes: &planes };
    let parts: Vec<[Vec<f64>; 3]> =
        (0..table.nodes.len()).into_par_iter().map(|node| enumeration.at(node, &question)).collect();
    let mut sums = question.answer(&vec![0.0; prepared.classes.len()]).map(|list| vec![0.0; list.len()]);
    for part in &parts {
        add(&mut sums, part, 1.0);
    }
    question.into_counts(sums)
}

fn matters(prepared: &Prepared, shock: usize) -> bool {
    let is_gate = |gate: Option<Gated>| gate.is_some_and(|gate| gate.shock as usize == shock);
    let gates = |source: &Source| is_gate(source.gate);
    !prepared.profile_answers[shock].is_empty()
        || !prepared.kind_answers[shock].is_empty()
        || prepared.profiles.iter().any(|profile| profile.sources.iter().any(gates))
        || prepared.planes.iter().any(|plane| is_gate(plane.gate) || plane.sources.iter().any(gates))
}

fn add(sums: &mut [Vec<f64>; 3], part: &[Vec<f64>; 3], weight: f64) {
    for (sums, part) in sums.iter_mut().zip(part) {
        for (sum, one) in sums.iter_mut().zip(part) {
            *sum += weight * one;
        }
    }
}

struct Enumeration<'a> {
    prepared: &'a Prepared,
    table: &'a Table<'a>,
    uncertain: &'a [usize],
    planes: &'a [usize],
}

impl Enumeration<'_> {
    /// All states of shocks and planes at one node.
    fn at(&self, node: usize, question: &Question<'_>) -> [Vec<f64>; 3] {
        let mut sums: [Vec<f64>; 3] =
            question.answer(&vec![0.0; self.prepared.classes.len()]).map(|it| vec![0.0; it.len()]);
        let mut happens: Vec<bool> =
            self.prepared.shocks.iter().map(|&probability| probability >= 1.0).collect();
        for state in 0u32..1 << self.uncertain.len() {
            let mut weight = self.table.nodes[node].1;
            for (bit, &shock) in self.uncertain.iter().enumerate() {
                happens[shock] = state >> bit & 1 == 1;
                let probability = self.prepared.shocks[shock];
                weight *= if happens[shock] { probability } else { 1.0 - probability };
            }
            self.planes_given(node, &happens, weight, question, &mut sums);
        }
        sums
    }

    fn planes_given(
        &self,
        node: usize,
        happens: &[bool],
        weight: f64,
        question: &Question<'_>,
        sums: &mut [Vec<f64>; 3],
    ) {
        let survival = |sources: &[Source]| -> f64 {
            let happened = sources.iter().filter(|source| happens[source.shock as usize]);
            happened.map(|source| 1.0 - self.hit(node, source, happens)).product()
        };
        let stand: Vec<f64> =
            self.planes.iter().map(|&plane| survival(&self.prepared.planes[plane].sources)).collect();
        let direct: Vec<f64> = self.prepared.classes.iter().map(|class| survival(&class.sources)).collect();
        let mut fallen = vec![false; self.prepared.planes.len()];
        for state in 0u32..1 << self.planes.len() {
            let mut of_state = weight;
            for (bit, (&plane, stand)) in self.planes.iter().zip(&stand).enumerate() {
                fallen[plane] = state >> bit & 1 == 1;
                of_state *= if fallen[plane] { 1.0 - stand } else { *stand };
            }
            if of_state <= 0.0 {
                continue;
            }
            let hit: Vec<f64> = self
                .prepared
                .classes
                .iter()
                .zip(&direct)
                .map(|(class, direct)| {
                    let fallen = class.planes.iter().filter(|&&plane| fallen[plane as usize]);
                    let takes =
                        fallen.map(|&plane| 1.0 - self.prepared.planes[plane as usize].takes(happens));
                    1.0 - direct * takes.product::<f64>()
                })
                .collect();
            add(sums, &question.answer(&hit), of_state);
        }
    }

    fn hit(&self, node: usize, source: &Source, happens: &[bool]) -> f64 {
        multiplier(source.gate, happens) * self.table.at(node, source.answer)
    }
}
