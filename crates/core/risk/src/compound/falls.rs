//! Management planes, and what makes them fall: their own sources, and the hosts that they run on.
//!
//! A hit on a host gives control of the planes on it with the share that its impact says ([`Impact::control`]): host and planes are
//! hit by one event, which a [`Fall`] by a host is. What takes a host through another plane is not followed further.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::by_itself::controlling;
use super::prepared::{
    Answers, DIMENSIONS, Gated, PerDimension, Source, SourceBits, gate_bits, gated, levels, multiplier,
};
use crate::portfolio::{Plane, Portfolio, Response};

/// For the class of each host that planes run on these planes, as far as their fall can take a host.
pub(super) type Hosting = BTreeMap<u32, Vec<u32>>;

/// A management plane: what its fall takes.
#[derive(Debug, Clone)]
pub(super) struct PlaneSources {
    pub(super) takes_host: f64,
    pub(super) gate: Option<Gated>,
    pub(super) impact: PerDimension,
    /// By what it falls: its own sources, and the hosts that it runs on. Indices into [`Prepared::falls`].
    pub(super) falls: Vec<u32>,
    /// Planes of one number fall alike and take hosts alike; one that runs on hosts is alike to none.
    pub(super) kind: u32,
    pub(super) classes: Vec<u32>,
}

/// What makes planes fall: a plane's own sources, or those of a host that planes run on.
#[derive(Debug, Clone)]
pub(super) struct Fall {
    pub(super) sources: Vec<Source>,
    /// The planes that fall.
    pub(super) planes: Vec<u32>,
    /// `None`: a plane's own sources.
    pub(super) by_host: Option<ByHost>,
    /// Index into [`Prepared::fall_kinds`].
    pub(super) kind: u32,
}

/// A host that planes run on, hit by those of its sources that have one impact: they hit the host, and with a given share the planes.
#[derive(Debug, Clone)]
pub(super) struct ByHost {
    /// The host's class, which is its own.
    pub(super) class: u32,
    pub(super) impact: PerDimension,
    /// Share of the hits that give control of the planes on the host.
    pub(super) control: f64,
    /// The sources with what gives control alone.
    pub(super) controlling: Vec<Source>,
}

impl PlaneSources {
    /// It can be hit, and its fall can take a host.
    pub(super) fn acts(&self) -> bool {
        self.takes_host > 0.0 && !self.falls.is_empty()
    }

    /// Probability that its fall takes one given host, by which shocks happen.
    pub(super) fn takes(&self, happens: &[bool]) -> f64 {
        self.takes_host * multiplier(self.gate, happens)
    }
}

/// Finds the hosts that planes run on.
pub(super) fn of(portfolio: &Portfolio) -> Hosting {
    let manages = manages(portfolio);
    let mut hosting = Hosting::new();
    for (at, plane) in (0u32..).zip(&portfolio.planes) {
        for host in plane.runs_on.iter().filter(|_| manages[at as usize] && plane.takes_host > 0.0) {
            let planes = hosting.entry(portfolio.hosts[*host as usize].class).or_default();
            if planes.last() != Some(&at) {
                planes.push(at);
            }
        }
    }
    hosting
}

/// For each plane whether it manages any host.
fn manages(portfolio: &Portfolio) -> Vec<bool> {
    let mut manages = vec![false; portfolio.planes.len()];
    for class in portfolio.hosts.iter().map(|host| &portfolio.classes[host.class as usize]) {
        class.planes.iter().for_each(|&plane| manages[plane as usize] = true);
    }
    manages
}

/// All planes, and the falls of those that can take a host: first those by their own sources, kind by kind, then those by hosts.
pub(super) fn planes(
    portfolio: &Portfolio,
    hosting: &Hosting,
    answers: &mut Answers<'_>,
) -> (Vec<PlaneSources>, Vec<Fall>) {
    let mut falls = own_falls(portfolio, answers);
    for (&class, planes) in hosting {
        of_host(portfolio, (class, planes), answers, &mut falls);
    }
    let sources = |plane: &Plane| PlaneSources {
        takes_host: plane.takes_host,
        gate: gated(plane.gate),
        impact: levels(plane.impact),
        falls: Vec::new(),
        kind: 0,
        classes: Vec::new(),
    };
    let mut all: Vec<PlaneSources> = portfolio.planes.iter().map(sources).collect();
    for (at, fall) in (0..).zip(&falls) {
        fall.planes.iter().for_each(|&plane| all[plane as usize].falls.push(at));
    }
    let mut known = FxHashMap::default();
    for plane in &mut all {
        // Alike whatever their number: falls of one kind by themselves. By a host: the very same.
        let by = |&it: &u32| {
            falls[it as usize].by_host.as_ref().map_or((falls[it as usize].kind, None), |_| (0, Some(it)))
        };
        let by: Vec<(u32, Option<u32>)> = plane.falls.iter().map(by).collect();
        let key = (by, plane.takes_host.to_bits(), gate_bits(plane.gate), plane.impact.map(f64::to_bits));
        let next = known.len() as u32;
        plane.kind = *known.entry(key).or_insert(next);
    }
    (all, falls)
}

/// What each plane that can take a host falls by itself, kind by kind.
fn own_falls(portfolio: &Portfolio, answers: &mut Answers<'_>) -> Vec<Fall> {
    let manages = manages(portfolio);
    let mut known: FxHashMap<_, u32> = FxHashMap::default();
    let mut falls: Vec<Fall> = Vec::with_capacity(portfolio.planes.len());
    for (at, plane) in (0u32..).zip(&portfolio.planes) {
        if !manages[at as usize] || plane.takes_host <= 0.0 || plane.responses.is_empty() {
            continue;
        }
        let sources: Vec<Source> = plane.responses.iter().map(|response| answers.source(response)).collect();
        let bits: Vec<SourceBits> = sources.iter().map(Source::bits).collect();
        let next = known.len() as u32;
        let kind = *known.entry(bits).or_insert(next);
        falls.push(Fall { sources, planes: vec![at], by_host: None, kind });
    }
    falls.sort_by_key(|it| it.kind);
    falls
}

/// Adds the falls by one host: one for each impact that gives control.
fn of_host(
    portfolio: &Portfolio,
    (class, planes): (u32, &[u32]),
    answers: &mut Answers<'_>,
    falls: &mut Vec<Fall>,
) {
    let mut by_impact: BTreeMap<[u64; DIMENSIONS], Vec<&Response>> = BTreeMap::new();
    for response in portfolio.classes[class as usize].responses.iter().filter(|it| it.impact.control() > 0.0)
    {
        by_impact.entry(levels(response.impact).map(f64::to_bits)).or_default().push(response);
    }
    for responses in by_impact.into_values() {
        let impact = responses[0].impact;
        let control = impact.control();
        let by_host = ByHost {
            class,
            impact: levels(impact),
            control,
            controlling: responses.iter().map(|it| answers.source(&controlling(it))).collect(),
        };
        let sources = responses.iter().map(|it| answers.source(it)).collect();
        let kind = falls.last().map_or(0, |it| it.kind + 1);
        falls.push(Fall { sources, planes: planes.to_vec(), by_host: Some(by_host), kind });
    }
}
