//! A portfolio in the order that judging it needs: hosts by class, sources of hits with their numbers at hand.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::normal;
use crate::portfolio::{Cause, Gate, Holding, Impact, Portfolio, Response};

/// Confidentiality, integrity, availability.
pub(super) type Triple = [f64; 3];

/// Probability of a response as a function of the factor `Z`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    /// It does not depend on `Z`.
    Always(f64),
    /// `Phi(level - slope z)`: one-factor Gaussian (science: Vasicek).
    Factor { level: f64, slope: f64 },
}

impl Answer {
    /// Probability given the factor.
    pub(super) fn at(self, z: f64) -> f64 {
        match self {
            Self::Always(probability) => probability,
            Self::Factor { level, slope } => normal::cdf(level - slope * z),
        }
    }
}

/// A control before a source, or between a plane and its hosts: its common-failure shock, and the multiplier while that does not happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gated {
    pub(super) shock: u32,
    pub(super) otherwise: f64,
}

/// A way to be hit by a shock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Source {
    pub(super) shock: u32,
    /// Index into [`Prepared::answers`].
    pub(super) answer: u32,
    pub(super) gate: Option<Gated>,
    pub(super) impact: Triple,
}

/// A management plane.
#[derive(Debug, Clone)]
pub(super) struct PlaneSources {
    pub(super) sources: Vec<Source>,
    pub(super) takes_host: f64,
    pub(super) gate: Option<Gated>,
    pub(super) impact: Triple,
    pub(super) classes: Vec<u32>,
}

impl PlaneSources {
    /// It can be hit, and its fall can take a host.
    pub(super) fn acts(&self) -> bool {
        self.takes_host > 0.0 && !self.sources.is_empty()
    }

    /// Probability that its fall takes one given host, by which shocks happen.
    pub(super) fn takes(&self, happens: &[bool]) -> f64 {
        self.takes_host * multiplier(self.gate, happens)
    }
}

/// What a gate leaves, by which shocks happen.
pub(super) fn multiplier(gate: Option<Gated>, happens: &[bool]) -> f64 {
    match gate {
        Some(gate) if !happens[gate.shock as usize] => gate.otherwise,
        _ => 1.0,
    }
}

fn gated(gate: Option<Gate>) -> Option<Gated> {
    gate.map(|gate| Gated { shock: gate.shock, otherwise: gate.otherwise })
}

/// A class of hosts.
#[derive(Debug, Clone)]
pub(super) struct ClassSources {
    pub(super) sources: Vec<Source>,
    pub(super) planes: Vec<u32>,
    /// Its stretch of [`Prepared::hosts`].
    pub(super) hosts: Range<usize>,
    /// What stands on all of them, by dimension.
    pub(super) worth: Triple,
    pub(super) guests: u64,
}

impl ClassSources {
    pub(super) fn size(&self) -> usize {
        self.hosts.len()
    }
}

/// A host.
#[derive(Debug, Clone)]
pub(super) struct PreparedHost {
    pub(super) cluster: u32,
    pub(super) guests: u32,
    pub(super) worth: Triple,
    /// Its stretch of [`Prepared::holdings`].
    pub(super) holdings: Range<usize>,
}

/// All that one tenant has on one host.
#[derive(Debug, Clone, Copy)]
pub(super) struct PreparedHolding {
    pub(super) tenant: u32,
    pub(super) vms: u32,
    pub(super) worth: Triple,
}

/// The portfolio, prepared. Hosts stand class by class and within a class by id, so that nothing depends on the order that
/// they came in.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) rho: f64,
    pub(super) shocks: Vec<f64>,
    pub(super) answers: Vec<Answer>,
    pub(super) planes: Vec<PlaneSources>,
    pub(super) classes: Vec<ClassSources>,
    pub(super) hosts: Vec<PreparedHost>,
    pub(super) holdings: Vec<PreparedHolding>,
    /// For each shock the classes that answer to it, with the position of the response.
    pub(super) class_answers: Vec<Vec<(u32, u32)>>,
    /// For each shock the planes that answer to it, with the position of the response.
    pub(super) plane_answers: Vec<Vec<(u32, u32)>>,
    pub(super) clusters: usize,
    pub(super) tenants: usize,
}

/// The loss of a worth under an impact.
pub(super) fn loss(worth: &Triple, impact: &Triple) -> f64 {
    worth[0] * impact[0] + worth[1] * impact[1] + worth[2] * impact[2]
}

fn triple(impact: Impact) -> Triple {
    [impact.confidentiality, impact.integrity, impact.availability]
}

/// Finds the place of each answer that occurs; many responses share few.
struct Answers<'a> {
    portfolio: &'a Portfolio,
    places: FxHashMap<(u64, bool), u32>,
    found: Vec<Answer>,
}

impl Answers<'_> {
    fn source(&mut self, response: &Response) -> Source {
        let exploit = self
            .portfolio
            .shocks
            .get(response.shock as usize)
            .is_some_and(|shock| matches!(shock.cause, Cause::Exploit { .. }));
        let (probability, rho) = (response.probability, self.portfolio.rho);
        let with_factor = exploit && rho > 0.0 && probability > 0.0 && probability < 1.0;
        let answer = *self.places.entry((probability.to_bits(), with_factor)).or_insert_with(|| {
            self.found.push(if with_factor {
                let spread = (1.0 - rho).sqrt();
                Answer::Factor { level: normal::place(probability) / spread, slope: rho.sqrt() / spread }
            } else {
                Answer::Always(probability)
            });
            self.found.len() as u32 - 1
        });
        Source { shock: response.shock, answer, gate: gated(response.gate), impact: triple(response.impact) }
    }
}

impl Prepared {
    /// Puts a checked portfolio in order.
    pub(super) fn new(portfolio: &Portfolio) -> Self {
        let mut answers = Answers { portfolio, places: FxHashMap::default(), found: Vec::new() };
        let mut planes: Vec<PlaneSources> = portfolio
            .planes
            .iter()
            .map(|plane| PlaneSources {
                sources: plane.responses.iter().map(|response| answers.source(response)).collect(),
                takes_host: plane.takes_host,
                gate: gated(plane.gate),
                impact: triple(plane.impact),
                classes: Vec::new(),
            })
            .collect();
        let mut classes: Vec<ClassSources> = portfolio
            .classes
            .iter()
            .map(|class| ClassSources {
                sources: class.responses.iter().map(|response| answers.source(response)).collect(),
                planes: class.planes.clone(),
                hosts: 0..0,
                worth: [0.0; 3],
                guests: 0,
            })
            .collect();
        let (hosts, holdings) = in_order(portfolio, &mut classes);
        let mut class_answers: Vec<Vec<(u32, u32)>> = vec![Vec::new(); portfolio.shocks.len()];
        for (at, class) in (0..).zip(&classes) {
            if class.size() > 0 {
                list_answers(&mut class_answers, at, &class.sources);
                for &plane in &class.planes {
                    planes[plane as usize].classes.push(at);
                }
            }
        }
        let mut plane_answers: Vec<Vec<(u32, u32)>> = vec![Vec::new(); portfolio.shocks.len()];
        for (at, plane) in (0..).zip(&planes) {
            if plane.takes_host > 0.0 && !plane.classes.is_empty() {
                list_answers(&mut plane_answers, at, &plane.sources);
            }
        }
        Self {
            rho: portfolio.rho,
            shocks: portfolio.shocks.iter().map(|shock| shock.probability).collect(),
            answers: answers.found,
            planes,
            classes,
            hosts,
            holdings,
            class_answers,
            plane_answers,
            clusters: portfolio.clusters.len(),
            tenants: portfolio.tenants.len(),
        }
    }

    /// How steep answers are in the factor; 0: none depends on it.
    pub(super) fn slope(&self) -> f64 {
        let any = self.answers.iter().any(|answer| matches!(answer, Answer::Factor { .. }));
        if any { (self.rho / (1.0 - self.rho)).sqrt() } else { 0.0 }
    }

    /// The holdings of a host.
    pub(super) fn holdings_of(&self, host: &PreparedHost) -> &[PreparedHolding] {
        &self.holdings[host.holdings.clone()]
    }
}

fn list_answers(lists: &mut [Vec<(u32, u32)>], at: u32, sources: &[Source]) {
    for (position, source) in (0..).zip(sources) {
        lists[source.shock as usize].push((at, position));
    }
}

fn add(sum: &mut Triple, one: &Triple) {
    for (sum, value) in sum.iter_mut().zip(one) {
        *sum += value;
    }
}

/// Hosts class by class and by id, each with its holdings beside it.
fn in_order(
    portfolio: &Portfolio,
    classes: &mut [ClassSources],
) -> (Vec<PreparedHost>, Vec<PreparedHolding>) {
    let mut order: Vec<usize> = (0..portfolio.hosts.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&portfolio.hosts[a], &portfolio.hosts[b]);
        a.class.cmp(&b.class).then_with(|| a.id.cmp(&b.id))
    });
    let mut hosts: Vec<PreparedHost> = Vec::with_capacity(order.len());
    let mut holdings: Vec<PreparedHolding> = Vec::with_capacity(portfolio.holdings.len());
    for at in order {
        let line = &portfolio.hosts[at];
        let (start, mut guests, mut worth) = (holdings.len(), 0u32, [0.0; 3]);
        // What a tenant has on a host is one holding here, also where it came in several.
        let mut of_host: Vec<&Holding> = portfolio.holdings_of(line).iter().collect();
        of_host.sort_by_key(|holding| holding.tenant);
        for of_tenant in of_host.chunk_by(|a, b| a.tenant == b.tenant) {
            let mut one = PreparedHolding { tenant: of_tenant[0].tenant, vms: 0, worth: [0.0; 3] };
            for holding in of_tenant {
                one.vms = one.vms.saturating_add(holding.vms);
                let of_holding = [holding.confidentiality, holding.integrity, holding.availability];
                add(&mut one.worth, &of_holding);
            }
            guests = guests.saturating_add(one.vms);
            add(&mut worth, &one.worth);
            holdings.push(one);
        }
        let class = &mut classes[line.class as usize];
        if class.hosts.is_empty() {
            class.hosts = hosts.len()..hosts.len();
        }
        class.hosts.end += 1;
        class.guests += u64::from(guests);
        add(&mut class.worth, &worth);
        hosts.push(PreparedHost { cluster: line.cluster, guests, worth, holdings: start..holdings.len() });
    }
    (hosts, holdings)
}
