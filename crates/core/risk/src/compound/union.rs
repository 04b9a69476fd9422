//! The probability that any of a set of hosts is hit, given the factor `Z`, in closed form.
//!
//! Shocks are independent, so the mean over them of a product of survivals is a product over shocks. Two things stand in the
//! way. Controls: a gate's shock changes the factor of other shocks; gates are enumerated, but only together with those that
//! share a shock with them. Planes: a plane that is hit by several shocks takes a host once; the survival of `n` hosts of a
//! plane is `tau + (1 - tau) * [plane not hit]` with `tau = (1 - takes_host)^n`, and expanding this product over planes leaves
//! terms that factorise. A gate between a plane and its hosts makes it three cases: its fall takes none, takes one only while
//! the gate is open, or takes one in any case.
//!
//! Everything is kept as the probability of a hit, never as one less a survival: over a short horizon a survival is so near
//! to one that its complement has no digits left.

use std::iter::once;
use std::ops::Range;

/// "No gate", "no plane".
pub(super) const NONE: usize = usize::MAX;

/// Either of two independent events. Of small ones no digit is lost, as it would be in `1 - (1 - a)(1 - b)`.
pub(super) fn either(a: f64, b: f64) -> f64 {
    a + (1.0 - a) * b
}

/// What a shock that happens does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factor {
    /// Local index of the gate before it, or [`NONE`].
    pub(super) gate: usize,
    /// Index into [`Union::planes_hit`] of the planes that it hits, or [`NONE`]: hosts.
    pub(super) hits: usize,
    /// Probability that any is hit while the gate is open: its common-failure shock happens.
    pub(super) open: f64,
    /// Probability otherwise; at most as great.
    pub(super) closed: f64,
}

/// A shock that acts on the set.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// Index of the shock in the portfolio.
    pub(super) shock: usize,
    /// Probability of the shock.
    pub(super) probability: f64,
    /// It is itself the shock of this local gate, or [`NONE`].
    pub(super) as_gate: usize,
    /// Its stretch of [`Union::factors`].
    pub(super) factors: Range<usize>,
}

/// A gate of the set.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalGate {
    /// Index of its shock in the portfolio.
    pub(super) shock: usize,
    /// Probability of the shock.
    pub(super) probability: f64,
    /// Its shock hits something itself, here or elsewhere in the portfolio.
    pub(super) hits: bool,
}

impl LocalGate {
    fn is_scaled(&self, scale: Scale) -> bool {
        scale.of_gates || self.hits
    }

    fn open(&self, scale: Scale) -> f64 {
        if self.is_scaled(scale) { scale.by * self.probability } else { self.probability }
    }
}

/// A plane of the set.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalPlane {
    /// Local index of the gate between it and its hosts, or [`NONE`].
    pub(super) gate: usize,
    /// Probability `1 - tau` that its fall takes any of the set's hosts while the gate is open.
    pub(super) open: f64,
    /// Probability otherwise; at most as great, and the same without a gate.
    pub(super) closed: f64,
}

/// When the fall of a plane takes a host of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Never,
    /// Only while its gate is open.
    IfOpen,
    Always,
}

impl LocalPlane {
    /// How many cases can be.
    pub(super) fn count_of_cases(&self) -> usize {
        self.cases().len()
    }

    /// The cases that can be, each with its probability.
    fn cases(&self) -> Vec<(Takes, f64)> {
        let cases = [
            (Takes::Always, self.closed),
            (Takes::IfOpen, self.open - self.closed),
            (Takes::Never, 1.0 - self.open),
        ];
        cases.into_iter().filter(|case| case.1 > 0.0).collect()
    }
}

/// By what the probabilities of shocks are multiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) by: f64,
    /// Also those of shocks that only open gates and hit nothing themselves. Where not, these are a circumstance of a hit, and not
    /// one of its causes.
    pub(super) of_gates: bool,
}

impl Scale {
    /// All shocks alike.
    pub(super) fn of_all(by: f64) -> Self {
        Self { by, of_gates: true }
    }

    /// Only what hits.
    pub(super) fn of_hits(by: f64) -> Self {
        Self { by, of_gates: false }
    }
}

/// Gates and shocks that hang together.
#[derive(Debug, Clone, Default)]
struct Island {
    gates: Vec<usize>,
    terms: Vec<usize>,
    /// So many of the terms, the first ones, do the same in every case of gates and planes.
    plain: usize,
}

/// Sums of hits that are collected side by side: each addition to one waits for the last.
const LANES: usize = 4;

/// Most numbers that are kept of one island.
const MOST_KNOWN: usize = 1 << 16;

/// What each shock of an island does if it happens, state by state of its gates; nothing is kept where these are too many.
struct Given<'u> {
    island: &'u Island,
    taken: &'u [Takes],
    known: Vec<f64>,
}

/// A set of hosts and all that acts on it.
#[derive(Debug, Clone)]
pub(super) struct Union {
    pub(super) terms: Vec<Term>,
    pub(super) factors: Vec<Factor>,
    pub(super) gates: Vec<LocalGate>,
    pub(super) planes: Vec<LocalPlane>,
    /// Sets of planes that something hits at once, as local indices.
    pub(super) planes_hit: Vec<Vec<usize>>,
    islands: Vec<Island>,
}

impl Union {
    /// Finds what hangs together.
    pub(super) fn new(
        terms: Vec<Term>,
        factors: Vec<Factor>,
        gates: Vec<LocalGate>,
        planes: Vec<LocalPlane>,
        planes_hit: Vec<Vec<usize>>,
    ) -> Self {
        let touched = |term: &Term| touched(term, &factors, &planes, &planes_hit);
        let mut root: Vec<usize> = (0..gates.len()).collect();
        for term in &terms {
            let mut first = NONE;
            for gate in touched(term) {
                let gate = find(&root, gate);
                if first == NONE {
                    first = gate;
                } else {
                    root[gate] = first;
                }
            }
        }
        // The last island has no gates: there every shock is on its own.
        let mut islands = vec![Island::default(); gates.len() + 1];
        for gate in 0..gates.len() {
            islands[find(&root, gate)].gates.push(gate);
        }
        for (at, term) in terms.iter().enumerate() {
            let island = touched(term).next().map_or(gates.len(), |gate| find(&root, gate));
            islands[island].terms.push(at);
        }
        islands.retain(|island| !island.gates.is_empty() || !island.terms.is_empty());
        let is_plain = |&term: &usize| is_plain(&terms[term], &factors);
        for island in &mut islands {
            island.terms.sort_by_key(|term| !is_plain(term));
            island.plain = island.terms.partition_point(is_plain);
        }
        Self { terms, factors, gates, planes, planes_hit, islands }
    }

    /// Most gates that hang together.
    pub(super) fn widest(&self) -> usize {
        self.islands.iter().map(|island| island.gates.len()).max().unwrap_or(0)
    }

    /// Multiplications that [`Union::any`] takes, about.
    pub(super) fn work(&self) -> f64 {
        let one: f64 =
            self.islands.iter().map(|it| (it.gates.len() as f64).exp2() * (it.terms.len() + 1) as f64).sum();
        self.cases() * one
    }

    /// Cases of all planes together.
    pub(super) fn cases(&self) -> f64 {
        self.planes.iter().map(|plane| plane.count_of_cases() as f64).product()
    }

    /// How steep [`Union::any`] is in `scale`, at most: the sum of all that each shock does with its gates open.
    pub(super) fn rate(&self) -> f64 {
        let of_term = |term: &Term| {
            let hit =
                self.factors[term.factors.clone()].iter().fold(0.0, |hit, factor| either(hit, factor.open));
            if term.as_gate == NONE { term.probability * hit } else { 0.0 }
        };
        let of_gates: f64 = self.gates.iter().map(|gate| gate.probability).sum();
        self.terms.iter().map(of_term).sum::<f64>() + of_gates
    }

    /// Probability that any is hit, with each shock's probability times `scale`.
    pub(super) fn any(&self, scale: Scale) -> f64 {
        let mut total = 0.0;
        let plain = |it: &Island| self.ungated(&it.terms[..it.plain], &[], scale);
        // What does the same in every case is worked out once for all of them.
        let plain = self.islands.iter().map(plain).fold(0.0, either);
        self.expand(|taken, weight| {
            let islands = self.islands.iter();
            total += weight * islands.fold(plain, |hit, one| either(hit, self.island(one, taken, scale)));
        });
        total
    }

    /// Probability of a hit by shocks that no gate has to do with, where so fell each set of [`Union::planes_hit`].
    fn ungated(&self, terms: &[usize], fell: &[bool], scale: Scale) -> f64 {
        let mut hits = [0.0; LANES];
        for some in terms.chunks(LANES) {
            for (hit, &term) in hits.iter_mut().zip(some) {
                let term = &self.terms[term];
                let of_hosts = |it: &&Factor| it.hits == NONE || fell.get(it.hits).is_some_and(|it| *it);
                let factors = self.factors[term.factors.clone()].iter().filter(of_hosts);
                let given = factors.fold(0.0, |hit, it| either(hit, it.open));
                *hit = either(*hit, scale.by * term.probability * given);
            }
        }
        hits.into_iter().fold(0.0, either)
    }

    /// Adds to `slopes`, one a shock of the portfolio, the sum over `places`, each `t` with its part: `weight` times the part times
    /// the derivative of [`Union::any`] by that shock's probability at the scale of `t`; nothing for shocks that are not scaled.
    /// What a shock that happens does is the same at all scales and is worked out once.
    pub(super) fn add_slopes(
        &self,
        places: &[(f64, f64)],
        scaled: impl Fn(f64) -> Scale,
        weight: f64,
        slopes: &mut [f64],
    ) {
        self.expand(|taken, share| {
            let islands: Vec<Given<'_>> =
                self.islands.iter().map(|island| self.given_all(island, taken)).collect();
            for &(t, part) in places {
                let scale = scaled(t);
                let survivals: Vec<f64> = islands.iter().map(|it| self.survives(it, scale)).collect();
                for (island, rest) in islands.iter().zip(others(&survivals)) {
                    self.slopes_given(island, scale, weight * share * part * rest, slopes);
                }
            }
        });
    }

    fn given_all<'u>(&self, island: &'u Island, taken: &'u [Takes]) -> Given<'u> {
        let states = 0u64..1 << island.gates.len();
        let one = |state| island.terms.iter().map(move |&term| self.given(term, island, state, taken));
        let known = if island.terms.len() << island.gates.len() <= MOST_KNOWN {
            states.flat_map(one).collect()
        } else {
            Vec::new()
        };
        Given { island, taken, known }
    }

    /// Calls for each state of an island's gates with what each of its shocks does in it, if it happens.
    fn each_state(&self, of: &Given<'_>, mut call: impl FnMut(u64, &[f64])) {
        let Given { island, taken, known } = of;
        let count = island.terms.len();
        for (state, at) in (0..1u64 << island.gates.len()).zip((0..).step_by(count.max(1))) {
            match known.get(at..at + count) {
                Some(given) => call(state, given),
                None => {
                    let given = island.terms.iter().map(|&term| self.given(term, island, state, taken));
                    call(state, &given.collect::<Vec<f64>>());
                }
            }
        }
    }

    /// Probabilities of a hit by each shock of an island in one state, from what each does if it happens.
    fn hits<'u>(
        &'u self,
        island: &'u Island,
        state: u64,
        given: &'u [f64],
        scale: Scale,
    ) -> impl Iterator<Item = f64> + 'u {
        island
            .terms
            .iter()
            .zip(given)
            .map(move |(&term, given)| given * self.happens(&self.terms[term], island, state, scale))
    }

    fn survives(&self, of: &Given<'_>, scale: Scale) -> f64 {
        let mut sum = 0.0;
        self.each_state(of, |state, given| {
            let hits = self.hits(of.island, state, given, scale);
            let survival: f64 = hits.map(|hit| 1.0 - hit).product();
            sum += self.weight_of(of.island, state, scale) * survival;
        });
        sum
    }

    fn slopes_given(&self, of: &Given<'_>, scale: Scale, weight: f64, slopes: &mut [f64]) {
        let island = of.island;
        self.each_state(of, |state, given| {
            let survivals: Vec<f64> = self.hits(island, state, given, scale).map(|hit| 1.0 - hit).collect();
            let all: f64 = survivals.iter().product();
            let of_state = weight * self.weight_of(island, state, scale);
            // A product of many may be no number above 0, and what a gate's own shock does may be certain.
            let rest = if all > 0.0 { Vec::new() } else { others(&survivals) };
            let terms = island.terms.iter().zip(given).zip(&survivals).enumerate();
            for (at, ((&term, given), survival)) in terms {
                if self.terms[term].as_gate == NONE {
                    let rest = rest.get(at).copied().unwrap_or_else(|| all / survival);
                    slopes[self.terms[term].shock] += of_state * rest * given;
                }
            }
            let any = || self.hits(island, state, given, scale).fold(0.0, either);
            self.gate_slopes(island, state, (scale, weight), any, slopes);
        });
    }

    /// Calls for each case of all planes together, with its probability.
    fn expand(&self, mut call: impl FnMut(&[Takes], f64)) {
        let cases: Vec<Vec<(Takes, f64)>> = self.planes.iter().map(LocalPlane::cases).collect();
        let mut places = vec![0; cases.len()];
        let mut taken = vec![Takes::Never; cases.len()];
        loop {
            let mut weight = 1.0;
            for ((taken, cases), &place) in taken.iter_mut().zip(&cases).zip(&places) {
                *taken = cases[place].0;
                weight *= cases[place].1;
            }
            call(&taken, weight);
            // The next one, counting with the first plane as the lowest digit.
            let Some(turn) = places.iter().zip(&cases).position(|(&place, cases)| place + 1 < cases.len())
            else {
                return;
            };
            places[..turn].fill(0);
            places[turn] += 1;
        }
    }

    /// Probability of a hit by an island, without what does the same in every case.
    fn island(&self, island: &Island, taken: &[Takes], scale: Scale) -> f64 {
        if island.gates.is_empty() {
            let fell = |planes: &Vec<usize>| planes.iter().any(|&plane| taken[plane] == Takes::Always);
            let fell: Vec<bool> = self.planes_hit.iter().map(fell).collect();
            return self.ungated(&island.terms[island.plain..], &fell, scale);
        }
        let mut total = 0.0;
        for state in 0u64..1 << island.gates.len() {
            let terms = island.terms.iter();
            let hit = terms.fold(0.0, |hit, &term| either(hit, self.hit(term, island, state, taken, scale)));
            total += self.weight_of(island, state, scale) * hit;
        }
        total
    }

    fn weight_of(&self, island: &Island, state: u64, scale: Scale) -> f64 {
        let mut weight = 1.0;
        for (bit, &gate) in island.gates.iter().enumerate() {
            let open = self.gates[gate].open(scale);
            weight *= if state >> bit & 1 == 1 { open } else { 1.0 - open };
        }
        weight
    }

    /// Probability of a hit by one shock that happens.
    fn given(&self, term: usize, island: &Island, state: u64, taken: &[Takes]) -> f64 {
        let mut hit = 0.0;
        for factor in &self.factors[self.terms[term].factors.clone()] {
            let takes = |&plane: &usize| match taken[plane] {
                Takes::Always => true,
                Takes::Never => false,
                Takes::IfOpen => is_open(island, state, self.planes[plane].gate),
            };
            if self.planes_hit.get(factor.hits).is_none_or(|planes| planes.iter().any(takes)) {
                let open = factor.gate == NONE || is_open(island, state, factor.gate);
                hit = either(hit, if open { factor.open } else { factor.closed });
            }
        }
        hit
    }

    /// Probability of a hit by one shock that may happen.
    fn hit(&self, term: usize, island: &Island, state: u64, taken: &[Takes], scale: Scale) -> f64 {
        self.happens(&self.terms[term], island, state, scale) * self.given(term, island, state, taken)
    }

    /// Probability that a shock happens.
    fn happens(&self, term: &Term, island: &Island, state: u64, scale: Scale) -> f64 {
        match term.as_gate {
            NONE => scale.by * term.probability,
            gate if is_open(island, state, gate) => 1.0,
            _ => 0.0,
        }
    }

    /// Adds the slopes by the shocks of gates in one state, in which `any` is the probability of a hit.
    fn gate_slopes(
        &self,
        island: &Island,
        state: u64,
        (scale, weight): (Scale, f64),
        any: impl Fn() -> f64,
        slopes: &mut [f64],
    ) {
        let is_scaled = |it: &(usize, &usize)| self.gates[*it.1].is_scaled(scale);
        for (bit, &gate) in island.gates.iter().enumerate().filter(is_scaled) {
            let mut of_others = weight;
            for (other, &one) in island.gates.iter().enumerate() {
                if other != bit {
                    let open = self.gates[one].open(scale);
                    of_others *= if state >> other & 1 == 1 { open } else { 1.0 - open };
                }
            }
            let sign = if state >> bit & 1 == 1 { 1.0 } else { -1.0 };
            slopes[self.gates[gate].shock] += sign * of_others * any();
        }
    }
}

fn is_open(island: &Island, state: u64, gate: usize) -> bool {
    island.gates.iter().position(|&one| one == gate).is_some_and(|bit| state >> bit & 1 == 1)
}

/// It hits hosts, whatever else happens: no gate is before it, and it is none itself.
fn is_plain(term: &Term, factors: &[Factor]) -> bool {
    let mut factors = factors[term.factors.clone()].iter();
    term.as_gate == NONE && factors.all(|it| it.gate == NONE && it.hits == NONE)
}

/// Gates that decide what a shock does: that it is itself, and those before what it hits and behind the planes that it hits.
fn touched<'u>(
    term: &Term,
    factors: &'u [Factor],
    planes: &'u [LocalPlane],
    planes_hit: &'u [Vec<usize>],
) -> impl Iterator<Item = usize> + use<'u> {
    let of_factor = move |factor: &Factor| {
        let hit = planes_hit.get(factor.hits).into_iter().flatten();
        once(factor.gate).chain(hit.map(|&plane| planes[plane].gate))
    };
    let factors = factors[term.factors.clone()].iter();
    once(term.as_gate).chain(factors.flat_map(of_factor)).filter(|&gate| gate != NONE)
}

fn find(root: &[usize], mut at: usize) -> usize {
    while root[at] != at {
        at = root[at];
    }
    at
}

/// For each value the product of all others.
fn others(values: &[f64]) -> Vec<f64> {
    let mut products = vec![1.0; values.len()];
    let mut left = 1.0;
    for (product, value) in products.iter_mut().zip(values) {
        *product = left;
        left *= value;
    }
    let mut right = 1.0;
    for (product, value) in products.iter_mut().zip(values).rev() {
        *product *= right;
        right *= value;
    }
    products
}
