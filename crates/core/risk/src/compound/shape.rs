//! Sets of hosts as [`Union`]s whose numbers follow the factor `Z`.

use rustc_hash::FxHashMap;

use super::falls::{ByHost, PlaneSources};
use super::prepared::{Gated, PerDimension, Prepared, Source};
use super::union::{Factor, LocalGate, LocalPlane, NONE, Scale, Term, Union};
use crate::quadrature::factor_nodes;

/// Below this the survival of a plane's hosts counts as none: no probability is wrong by more than this share of itself.
const NO_SURVIVAL: f64 = 1e-11;

/// Values of all answers at all nodes, or the means to work them out where that would be too large.
#[derive(Debug)]
pub(super) struct Table<'a> {
    prepared: &'a Prepared,
    /// Values of the factor and their weights.
    pub(super) nodes: Vec<(f64, f64)>,
    /// Each with the log of its complement.
    values: Vec<(f64, f64)>,
}

/// Most values kept, 64 MB.
const MOST_VALUES: usize = 4_000_000;

impl<'a> Table<'a> {
    /// Nodes that resolve what `hosts` hosts of the portfolio do together.
    pub(super) fn new(prepared: &'a Prepared, coarsest: f64, hosts: usize) -> Self {
        let slope = prepared.slope();
        let nodes = if slope > 0.0 {
            factor_nodes(coarsest.min(0.8 / (slope * (hosts.max(1) as f64).sqrt())))
        } else {
            vec![(0.0, 1.0)]
        };
        let mut values = Vec::new();
        if nodes.len() * prepared.answers.len() <= MOST_VALUES {
            values.reserve_exact(nodes.len() * prepared.answers.len());
            for &(z, _) in &nodes {
                values.extend(prepared.answers.iter().map(|answer| with_log(answer.at(z))));
            }
        }
        Self { prepared, nodes, values }
    }

    /// Nodes of the factor for one host. The product of the density with a few answers is a normal density of variance
    /// `1 / (1 + k slope^2)` or wider, `k` being about how many answers are large at once, on which a step of `h` errs by
    /// `exp(-2 pi^2 / (h^2 (1 + k slope^2)))`: with 3 for `k` by 1e-11.
    pub(super) fn for_one(prepared: &'a Prepared) -> Self {
        let slope = prepared.slope();
        Self::new(prepared, 0.88 / (1.0 + 3.0 * slope * slope).sqrt(), 1)
    }

    /// Probability of an answer at a node.
    pub(super) fn at(&self, node: usize, answer: u32) -> f64 {
        self.both(node, answer).0
    }

    /// Probability of an answer at a node, and the log of its complement.
    fn both(&self, node: usize, answer: u32) -> (f64, f64) {
        match self.values.get(node * self.prepared.answers.len() + answer as usize) {
            Some(&value) => value,
            None => with_log(self.prepared.answers[answer as usize].at(self.nodes[node].0)),
        }
    }
}

fn with_log(value: f64) -> (f64, f64) {
    (value, (-value).ln_1p())
}

/// One power in a survival: `(1 - q)^power`, closed `(1 - q otherwise)^power`.
#[derive(Debug, Clone, Copy)]
struct Power {
    answer: u32,
    otherwise: f64,
    power: f64,
}

/// A union with what its factors are made of.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) union: Union,
    powers: Vec<Power>,
    /// For each factor where its powers end; they begin where those of the factor before it do.
    ends: Vec<usize>,
}

/// What a source acts on: its shock, the gate before it and the set of planes, [`NONE`] for hosts.
type Acts = (u32, Option<u32>, usize);

/// Collects what acts on a set.
#[derive(Default)]
struct Collected {
    sources: Vec<(Acts, Power)>,
    planes: Vec<Plane>,
    planes_hit: Vec<Vec<usize>>,
}

/// A plane of the set.
struct Plane {
    gate: Option<u32>,
    /// Probability that its fall takes any of the set while the gate is open, and otherwise.
    open: f64,
    closed: f64,
}

impl Collected {
    fn add(&mut self, source: &Source, hits: usize, power: f64) {
        let gate = source.gate.map(|gate| gate.shock);
        let otherwise = source.gate.map_or(1.0, |Gated { otherwise, .. }| otherwise);
        self.sources.push(((source.shock, gate, hits), Power { answer: source.answer, otherwise, power }));
    }

    /// Planes of so many hosts each, those of which the impact `counts`, and all falls of theirs and of the hosts of the set. A fall by
    /// one of these hosts hits it whatever its planes take; by another one it hits planes alone.
    fn add_planes(&mut self, prepared: &Prepared, set: &OfSet, counts: impl Fn(&PerDimension) -> bool) {
        let acts = |plane: &PlaneSources| counts(&plane.impact) && plane.acts();
        let mut local: FxHashMap<u32, usize> = FxHashMap::default();
        let mut falls: Vec<u32> = set.falls.clone();
        for (plane, hosts) in set.managed_in_order() {
            let sources = &prepared.planes[plane as usize];
            if acts(sources) {
                local.insert(plane, self.planes.len());
                self.planes.push(Plane::of(sources, hosts));
                falls.extend(&sources.falls);
            }
        }
        falls.sort_unstable();
        falls.dedup();
        for at in falls {
            let fall = &prepared.falls[at as usize];
            let of_set = |it: &&ByHost| counts(&it.impact) && set.falls.contains(&at);
            let hits = match fall.by_host.as_ref().filter(of_set) {
                Some(_) => NONE,
                None => {
                    let planes = fall.planes.iter().filter_map(|it| local.get(it).copied()).collect();
                    match self.hits(planes) {
                        Some(hits) => hits,
                        None => continue,
                    }
                }
            };
            let sources = match &fall.by_host {
                Some(host) if hits != NONE => &host.controlling,
                _ => &fall.sources,
            };
            sources.iter().for_each(|source| self.add(source, hits, 1.0));
        }
    }

    /// The place of a set of planes; `None`: it is empty.
    fn hits(&mut self, planes: Vec<usize>) -> Option<usize> {
        if planes.is_empty() {
            return None;
        }
        let place = self.planes_hit.iter().position(|it| *it == planes);
        Some(place.unwrap_or_else(|| {
            self.planes_hit.push(planes);
            self.planes_hit.len() - 1
        }))
    }
}

impl Plane {
    /// Of so many hosts.
    fn of(sources: &PlaneSources, hosts: f64) -> Self {
        let any = |takes: f64| {
            let log = hosts * (-takes).ln_1p();
            if log < NO_SURVIVAL.ln() { 1.0 } else { -log.exp_m1() }
        };
        Self {
            gate: sources.gate.map(|gate| gate.shock),
            open: any(sources.takes_host),
            closed: any(sources.takes_host * sources.gate.map_or(1.0, |gate| gate.otherwise)),
        }
    }
}

/// Cases that the planes of a set make together: what a shape of them comes to, known before it is made.
pub(super) fn cases(prepared: &Prepared, set: &OfSet) -> f64 {
    let planes = set.managed.iter().map(|(&plane, &hosts)| (&prepared.planes[plane as usize], hosts));
    let of_plane = |(plane, hosts): (&PlaneSources, f64)| {
        let Plane { open, closed, .. } = Plane::of(plane, hosts);
        LocalPlane { gate: NONE, open, closed }.count_of_cases() as f64
    };
    planes.filter(|(plane, _)| plane.acts()).map(of_plane).product()
}

impl Shape {
    /// What acts on so many hosts of each class with an impact that `counts`.
    pub(super) fn new(
        prepared: &Prepared,
        members: impl Iterator<Item = (usize, f64)>,
        counts: impl Fn(&PerDimension) -> bool,
    ) -> Self {
        let members: Vec<(usize, f64)> = members.collect();
        let sources = members.iter().flat_map(|&(class, count)| {
            prepared.classes[class].sources.iter().map(move |source| (source, count))
        });
        Self::of_sources(prepared, sources, &OfSet::of(prepared, members.iter().copied()), counts)
    }

    /// What these sources, each so many times, and what else acts on a set of hosts do with an impact that `counts`.
    pub(super) fn of_sources<'s>(
        prepared: &'s Prepared,
        sources: impl Iterator<Item = (&'s Source, f64)>,
        set: &OfSet,
        counts: impl Fn(&PerDimension) -> bool,
    ) -> Self {
        let mut collected = Collected::default();
        for (source, count) in sources.filter(|(source, _)| counts(&source.impact)) {
            collected.add(source, NONE, count);
        }
        collected.add_planes(prepared, set, counts);
        collected.into_shape(prepared)
    }

    /// Probability of any of it, over the nodes of a table; rounding may take it a little outside of 0 and 1.
    pub(super) fn any(&mut self, table: &Table<'_>) -> f64 {
        let mut any = 0.0;
        for (node, &(_, weight)) in table.nodes.iter().enumerate() {
            self.fill(table, node);
            any += weight * self.union.any(Scale::of_all(1.0));
        }
        any
    }

    /// Sets the numbers to those at a node.
    pub(super) fn fill(&mut self, table: &Table<'_>, node: usize) {
        let mut start = 0;
        for (factor, &end) in self.union.factors.iter_mut().zip(&self.ends) {
            let powers = &self.powers[start..end];
            start = end;
            // Most are of one way and one host or two, where there is no power to work out.
            if let (&[Power { answer, power: power @ (1.0 | 2.0), .. }], NONE) = (powers, factor.gate) {
                let hit = table.at(node, answer);
                factor.open = if power == 1.0 { hit } else { hit * (2.0 - hit) };
                factor.closed = factor.open;
                continue;
            }
            let (mut open, mut closed) = (0.0, 0.0);
            for &Power { answer, otherwise, power } in powers {
                let (hit, log) = table.both(node, answer);
                open += power * log;
                if factor.gate != NONE {
                    closed += power * (-hit * otherwise).ln_1p();
                }
            }
            factor.open = -open.exp_m1();
            factor.closed = if factor.gate == NONE { factor.open } else { -closed.exp_m1() };
        }
    }
}

/// What acts on a set of hosts besides the sources of each.
#[derive(Debug, Default)]
pub(super) struct OfSet {
    /// The planes, each with how many of the hosts it manages.
    managed: FxHashMap<u32, f64>,
    /// Falls by hosts of the set.
    falls: Vec<u32>,
}

impl OfSet {
    /// Of so many hosts of each class.
    pub(super) fn of(prepared: &Prepared, members: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut set = Self::default();
        for (class, count) in members {
            let class = &prepared.classes[class];
            for &plane in &class.planes {
                *set.managed.entry(plane).or_default() += count;
            }
            set.falls.extend(&class.falls);
        }
        set
    }

    fn managed_in_order(&self) -> Vec<(u32, f64)> {
        let mut managed: Vec<(u32, f64)> =
            self.managed.iter().map(|(&plane, &hosts)| (plane, hosts)).collect();
        managed.sort_by_key(|&(plane, _)| plane);
        managed
    }
}

impl Collected {
    fn into_shape(mut self, prepared: &Prepared) -> Shape {
        let order = |power: &Power| (power.answer, power.otherwise.to_bits());
        self.sources.sort_by_key(|(acts, power)| (*acts, order(power)));
        let before = self.sources.iter().filter_map(|((_, gate, _), _)| *gate);
        let mut gates: Vec<u32> = before.chain(self.planes.iter().filter_map(|plane| plane.gate)).collect();
        gates.sort_unstable();
        gates.dedup();
        let local = |gate: Option<u32>| gate.and_then(|it| gates.binary_search(&it).ok()).unwrap_or(NONE);
        let (mut terms, mut factors): (Vec<Term>, Vec<Factor>) = (Vec::new(), Vec::new());
        let (mut powers, mut ends): (Vec<Power>, Vec<usize>) = (Vec::new(), Vec::new());
        for of_shock in self.sources.chunk_by(|a, b| a.0.0 == b.0.0) {
            let (shock, first) = (of_shock[0].0.0, factors.len());
            for of_factor in of_shock.chunk_by(|a, b| a.0 == b.0) {
                let (_, gate, hits) = of_factor[0].0;
                for alike in of_factor.chunk_by(|a, b| order(&a.1) == order(&b.1)) {
                    let power = alike.iter().map(|it| it.1.power).sum();
                    powers.push(Power { power, ..alike[0].1 });
                }
                ends.push(powers.len());
                factors.push(Factor { gate: local(gate), hits, open: 0.0, closed: 0.0 });
            }
            terms.push(Term {
                shock: shock as usize,
                probability: prepared.shocks[shock as usize],
                as_gate: local(Some(shock)),
                factors: first..factors.len(),
            });
        }
        let local_gates = gates
            .iter()
            .map(|&shock| LocalGate {
                shock: shock as usize,
                probability: prepared.shocks[shock as usize],
                hits: prepared.is_answered(shock),
            })
            .collect();
        let planes = self.planes.iter();
        let planes =
            planes.map(|it| LocalPlane { gate: local(it.gate), open: it.open, closed: it.closed }).collect();
        Shape { union: Union::new(terms, factors, local_gates, planes, self.planes_hit), powers, ends }
    }
}
