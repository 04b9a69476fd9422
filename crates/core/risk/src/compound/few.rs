//! Few hosts: every state that they may end in, with its probability, so that no figure of theirs is sampled.
//!
//! A host is untouched or has been hit with the greatest of some impacts. Given `Z` and which controls fail, shocks are independent: the
//! law of the states of all hosts and planes is carried from shock to shock, so that their number adds work instead of multiplying it.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::exact::ClassLaw;
use super::parts::Seats;
use super::prepared::{PerDimension, Prepared, PreparedHost, Source, multiplier};
use super::result::Options;
use super::rows::Recorder;
use super::sampling::Samples;
use super::shape::Table;

/// Most states of hosts and planes together.
const MOST_STATES: usize = 65_536;

/// Most multiplications.
const MOST_WORK: f64 = 1e9;

/// Most controls that may fail or not.
const MOST_GATES: usize = 8;

/// How a host may end: untouched first, then the impacts that it may have been hit with.
type Ends = Vec<Option<PerDimension>>;

/// The law of how all hosts end: of host 0 the ends run fastest.
#[derive(Debug)]
pub(super) struct States {
    ends: Vec<Ends>,
    probability: Vec<f64>,
}

impl States {
    /// As samples, of which each is a state and weighs what it is likely.
    pub(super) fn samples(&self, prepared: &Prepared, seats: &Seats, options: &Options) -> Samples {
        let mut recorder = Recorder::new(prepared, seats, options);
        let possible = || self.probability.iter().enumerate().filter(|it| *it.1 > 0.0);
        let count = possible().count() as f64;
        for (state, probability) in possible() {
            let mut rest = state;
            for (host, ends) in self.ends.iter().enumerate() {
                if let Some(impact) = ends[rest % ends.len()] {
                    recorder.host(host, &impact);
                }
                rest /= ends.len();
            }
            recorder.end_draw(probability * count, None);
        }
        Samples { batches: vec![recorder.into_batch()], tilts: Vec::new(), shares: vec![1.0] }
    }
}

/// Under the common causes; `None`: too much work.
pub(super) fn common(prepared: &Prepared) -> Option<States> {
    let course = Course::new(prepared)?;
    let table = Table::new(prepared, 0.125, prepared.hosts.len());
    if course.work() * table.nodes.len() as f64 > MOST_WORK {
        return None;
    }
    let nodes = (0..table.nodes.len()).into_par_iter();
    let given: Vec<Vec<f64>> = nodes.map(|node| course.at(&table, node)).collect();
    let mut probability = vec![0.0; course.states];
    for (one, &(_, weight)) in given.iter().zip(&table.nodes) {
        for (sum, one) in probability.iter_mut().zip(one) {
            *sum += weight * one;
        }
    }
    Some(States { ends: course.ends, probability })
}

/// Each host on its own by the law of its class; `None`: too much work. Its dimensions reach their levels together.
pub(super) fn alone(prepared: &Prepared, laws: &[ClassLaw]) -> Option<States> {
    let mut states = States { ends: Vec::new(), probability: vec![1.0] };
    for host in &prepared.hosts {
        let (ends, law): (Ends, Vec<f64>) = laws[host.class as usize].ends().into_iter().unzip();
        if states.probability.len() * law.len() > MOST_STATES {
            return None;
        }
        let before = &states.probability;
        states.probability = law.iter().flat_map(|one| before.iter().map(move |it| it * one)).collect();
        states.ends.push(ends);
    }
    Some(states)
}

/// A way to be hit, by what it does to the states of a host or a plane.
#[derive(Debug)]
struct Step {
    /// States between one end of the host and the next.
    stride: usize,
    /// For each of its ends that after the hit.
    to: Vec<usize>,
    /// Planes that fall with the host, as bits.
    planes: usize,
}

impl Step {
    /// Moves the share `hit` of all mass; `states` are those of all hosts.
    fn take(&self, hit: f64, mass: &mut [f64], states: usize) {
        if hit <= 0.0 {
            return;
        }
        if self.planes != 0 {
            return self.take_planes(hit, mass, states);
        }
        for block in mass.chunks_exact_mut(self.stride * self.to.len()) {
            // An end after the hit stays what it is: nothing is moved twice.
            for (from, &to) in self.to.iter().enumerate().filter(|(from, to)| from != *to) {
                for at in 0..self.stride {
                    let moved = hit * block[from * self.stride + at];
                    block[from * self.stride + at] -= moved;
                    block[to * self.stride + at] += moved;
                }
            }
        }
    }
}

impl Step {
    fn take_planes(&self, hit: f64, mass: &mut [f64], states: usize) {
        for from in 0..mass.len() {
            let (host, planes) = (from % states, from / states);
            let end = host / self.stride % self.to.len();
            let to = host - end * self.stride + self.to[end] * self.stride + (planes | self.planes) * states;
            // What is there already stays: nothing is moved twice.
            if to != from {
                let moved = hit * mass[from];
                mass[from] -= moved;
                mass[to] += moved;
            }
        }
    }
}

/// A source with what it does.
#[derive(Debug)]
struct Way<'a> {
    source: &'a Source,
    share: Share,
    step: Step,
}

/// What of a source's hits is meant.
#[derive(Debug, Clone, Copy)]
enum Share {
    All,
    /// This part of them.
    Control(f64),
    /// All but that part: what is hit so is told apart first.
    Rest(f64),
}

impl Share {
    fn of(self, hit: f64) -> f64 {
        match self {
            Self::All => hit,
            Self::Control(share) => hit * share,
            Self::Rest(share) if share < 1.0 => hit * (1.0 - share) / (1.0 - hit * share),
            Self::Rest(_) => 0.0,
        }
    }
}

/// What happens to the hosts one after the other.
#[derive(Debug)]
struct Course<'a> {
    prepared: &'a Prepared,
    ends: Vec<Ends>,
    /// States of all hosts.
    states: usize,
    /// Planes that matter; their states run slower than those of hosts.
    planes: Vec<usize>,
    /// Controls on which something depends.
    gates: Vec<u32>,
    /// For each shock what it does.
    shocks: Vec<Vec<Way<'a>>>,
    /// For each plane that matters what its fall does.
    falls: Vec<Vec<Step>>,
}

impl<'a> Course<'a> {
    fn new(prepared: &'a Prepared) -> Option<Self> {
        let mut course = Self {
            prepared,
            ends: Vec::with_capacity(prepared.hosts.len()),
            states: 1,
            planes: Vec::new(),
            gates: Vec::new(),
            shocks: prepared.shocks.iter().map(|_| Vec::new()).collect(),
            falls: Vec::new(),
        };
        let matters = |it: &usize| prepared.planes[*it].acts() && !prepared.planes[*it].classes.is_empty();
        course.planes = (0..prepared.planes.len()).filter(matters).collect();
        course.falls = course.planes.iter().map(|_| Vec::new()).collect();
        for host in &prepared.hosts {
            course.host(host)?;
        }
        let mut stride = course.states;
        for at in 0..course.planes.len() {
            let plane = &prepared.planes[course.planes[at]];
            let own =
                plane.falls.iter().map(|&it| &prepared.falls[it as usize]).filter(|it| it.by_host.is_none());
            let sources = own.flat_map(|it| &it.sources);
            for source in sources.filter(|it| prepared.shocks[it.shock as usize] > 0.0) {
                let step = Step { stride, to: vec![1, 1], planes: 0 };
                course.shocks[source.shock as usize].push(Way { source, share: Share::All, step });
            }
            stride *= 2;
            if stride > MOST_STATES {
                return None;
            }
        }
        let of_planes = course.planes.iter().filter_map(|&it| prepared.planes[it].gate);
        let of_sources = course.shocks.iter().flatten().filter_map(|it| it.source.gate);
        let gates: FxHashSet<u32> = of_planes.chain(of_sources).map(|gate| gate.shock).collect();
        course.gates = gates.into_iter().collect();
        course.gates.sort_unstable();
        (course.gates.len() <= MOST_GATES).then_some(course)
    }

    /// Adds a host. Impacts differ only where something stands on it.
    fn host(&mut self, host: &PreparedHost) -> Option<()> {
        let prepared = self.prepared;
        let class = &prepared.classes[host.class as usize];
        let felt = |impact: &PerDimension| {
            std::array::from_fn(|it| if host.worth[it] > 0.0 { impact[it] } else { 0.0 })
        };
        let sources = || class.sources.iter().filter(|it| prepared.shocks[it.shock as usize] > 0.0);
        let of_class = |plane: &usize| class.planes.contains(&(*plane as u32));
        let planes = || self.planes.iter().enumerate().filter(|it| of_class(it.1));
        let of_planes = planes().map(|(_, &plane)| felt(&prepared.planes[plane].impact));
        let by_host = || {
            let falls = class.falls.iter().map(|&it| &prepared.falls[it as usize]);
            falls.filter_map(|it| Some((it, it.by_host.as_ref()?)))
        };
        let of_falls = by_host().map(|(_, host)| felt(&host.impact));
        let own = sources().map(|it| felt(&it.impact)).chain(of_falls);
        let ends = ends(own.chain(of_planes), MOST_STATES / self.states)?;
        let step = |impact: &PerDimension| {
            let impact = felt(impact);
            let after = |end: &Option<PerDimension>| Some(end.map_or(impact, |end| greater(&end, &impact)));
            let place = |end| ends.iter().position(|it| *it == after(end)).unwrap_or(0);
            Step { stride: self.states, to: ends.iter().map(place).collect(), planes: 0 }
        };
        let falls: Vec<(usize, Step)> =
            planes().map(|(at, &plane)| (at, step(&prepared.planes[plane].impact))).collect();
        let all = |source: &'a Source| (source, Share::All, step(&source.impact));
        let mut ways: Vec<(&'a Source, Share, Step)> = sources().map(all).collect();
        for (fall, host) in by_host() {
            let place = |plane: &u32| self.planes.iter().position(|it| *it == *plane as usize);
            let planes = fall.planes.iter().filter_map(place).fold(0, |bits, place| bits | 1 << place);
            for source in fall.sources.iter().filter(|it| prepared.shocks[it.shock as usize] > 0.0) {
                let step = || step(&host.impact);
                ways.push((source, Share::Control(host.control), Step { planes, ..step() }));
                ways.push((source, Share::Rest(host.control), step()));
            }
        }
        for (source, share, step) in ways {
            self.shocks[source.shock as usize].push(Way { source, share, step });
        }
        falls.into_iter().for_each(|(at, step)| self.falls[at].push(step));
        self.states *= ends.len();
        self.ends.push(ends);
        Some(())
    }

    /// Multiplications at one value of the factor.
    fn work(&self) -> f64 {
        let steps: usize = self.shocks.iter().filter(|it| !it.is_empty()).map(|it| it.len() + 2).sum();
        let all = (self.states << self.planes.len()) as f64;
        (self.gates.len() as f64).exp2()
            * all
            * (steps + self.falls.iter().map(Vec::len).sum::<usize>()) as f64
    }

    /// The law at one value of the factor.
    fn at(&self, table: &Table<'_>, node: usize) -> Vec<f64> {
        let mut sums = vec![0.0; self.states];
        let mut happens = vec![false; self.prepared.shocks.len()];
        for failed in 0u32..1 << self.gates.len() {
            let mut weight = 1.0;
            for (bit, &gate) in self.gates.iter().enumerate() {
                let (probability, fails) = (self.prepared.shocks[gate as usize], failed >> bit & 1 == 1);
                happens[gate as usize] = fails;
                weight *= if fails { probability } else { 1.0 - probability };
            }
            if weight > 0.0 {
                self.given(&happens, |source| table.at(node, source.answer), weight, &mut sums);
            }
        }
        sums
    }

    /// The law given which controls fail, from shock to shock; added to the sums.
    fn given(&self, happens: &[bool], answer: impl Fn(&Source) -> f64, weight: f64, sums: &mut [f64]) {
        let mut mass = vec![0.0; self.states << self.planes.len()];
        mass[0] = weight;
        for (shock, ways) in self.shocks.iter().enumerate().filter(|it| !it.1.is_empty()) {
            let probability = match self.gates.binary_search(&(shock as u32)) {
                Ok(_) => f64::from(u8::from(happens[shock])),
                Err(_) => self.prepared.shocks[shock],
            };
            if probability <= 0.0 {
                continue;
            }
            let before = mass.clone();
            for Way { source, share, step } in ways {
                let hit = share.of(answer(source) * multiplier(source.gate, happens));
                step.take(hit, &mut mass, self.states);
            }
            for (after, before) in mass.iter_mut().zip(before) {
                *after = probability * *after + (1.0 - probability) * before;
            }
        }
        for (state, mass) in mass.chunks_exact_mut(self.states).enumerate() {
            for (at, &plane) in self.planes.iter().enumerate().filter(|it| state >> it.0 & 1 == 1) {
                let takes = self.prepared.planes[plane].takes(happens);
                self.falls[at].iter().for_each(|step| step.take(takes, mass, self.states));
            }
            for (sum, mass) in sums.iter_mut().zip(mass) {
                *sum += *mass;
            }
        }
    }
}

fn greater(a: &PerDimension, b: &PerDimension) -> PerDimension {
    std::array::from_fn(|it| a[it].max(b[it]))
}

/// All that hits with these impacts may end in; `None`: more than `most`.
fn ends(impacts: impl Iterator<Item = PerDimension>, most: usize) -> Option<Ends> {
    let mut ends: Ends = vec![None];
    for impact in impacts {
        // With what was there before it, and alone.
        for at in 0..ends.len() {
            let end = Some(ends[at].map_or(impact, |end| greater(&end, &impact)));
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
        if ends.len() > most {
            return None;
        }
    }
    Some(ends)
}
