//! A portfolio in the order that judging it needs: hosts by class, sources of hits with their numbers at hand.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::falls::{self, Fall, Hosting, PlaneSources};
use super::tilt::Alike;
use crate::normal;
use crate::portfolio::{Cause, Gate, Holding, Impact, Portfolio, Response};

/// Confidentiality, integrity, availability.
pub(super) type PerDimension = [f64; DIMENSIONS];

/// Confidentiality, integrity, availability after a compromise, and the host being down.
pub(super) const DIMENSIONS: usize = 4;

/// The place of the last of them.
pub(super) const HOST_DOWN: usize = 3;

/// Probability of a response as a function of the factor `Z`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    /// It does not depend on `Z`.
    Always(f64),
    /// `left Phi(level - slope z)`: one-factor Gaussian (science: Vasicek), and what controls leave that fail host by host.
    Factor { level: f64, slope: f64, left: f64 },
}

impl Answer {
    /// Probability given the factor.
    pub(super) fn at(self, z: f64) -> f64 {
        match self {
            Self::Always(probability) => probability,
            Self::Factor { level, slope, left } => left * normal::cdf(level - slope * z),
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
    pub(super) impact: PerDimension,
}

/// What a gate leaves, by which shocks happen.
pub(super) fn multiplier(gate: Option<Gated>, happens: &[bool]) -> f64 {
    match gate {
        Some(gate) if !happens[gate.shock as usize] => gate.otherwise,
        _ => 1.0,
    }
}

pub(super) fn gated(gate: Option<Gate>) -> Option<Gated> {
    gate.map(|gate| Gated { shock: gate.shock, otherwise: gate.otherwise })
}

/// Falls that are brought about alike. There may be a plane a cluster: what they share is worked out once.
#[derive(Debug)]
pub(super) struct FallKind {
    /// Its stretch of [`Prepared::falls`].
    pub(super) falls: Range<usize>,
}

/// Classes that answer to shocks alike and differ in their planes alone.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) sources: Arc<[Source]>,
    /// Its stretch of [`Prepared::hosts`].
    pub(super) hosts: Range<usize>,
    /// Classes of it that have hosts.
    pub(super) classes: usize,
    /// What stands on all of its hosts, by dimension.
    pub(super) worth: PerDimension,
    pub(super) guests: u64,
}

impl Profile {
    pub(super) fn alike(&self) -> Alike<'_> {
        Alike { hosts: self.hosts.len(), worth: &self.worth, guests: self.guests }
    }
}

/// Profile, kinds of planes, and falls by the host.
pub(super) type AlikeClasses = (u32, Vec<u32>, Vec<u32>);

/// A class of hosts.
#[derive(Debug, Clone)]
pub(super) struct ClassSources {
    /// Index into [`Prepared::profiles`].
    pub(super) profile: u32,
    /// Those of the profile.
    pub(super) sources: Arc<[Source]>,
    /// Sorted.
    pub(super) planes: Vec<u32>,
    /// Of a host that planes run on: the falls that hit it for certain, whose sources the profile does not have.
    pub(super) falls: Vec<u32>,
    /// Its stretch of [`Prepared::hosts`].
    pub(super) hosts: Range<usize>,
    /// What stands on all of them, by dimension.
    pub(super) worth: PerDimension,
    pub(super) guests: u64,
}

impl ClassSources {
    pub(super) fn size(&self) -> usize {
        self.hosts.len()
    }

    pub(super) fn alike(&self) -> Alike<'_> {
        Alike { hosts: self.hosts.len(), worth: &self.worth, guests: self.guests }
    }
}

/// A host.
#[derive(Debug, Clone)]
pub(super) struct PreparedHost {
    pub(super) class: u32,
    pub(super) cluster: u32,
    pub(super) guests: u32,
    pub(super) worth: PerDimension,
    /// Its stretch of [`Prepared::holdings`].
    holdings: Range<u32>,
}

impl PreparedHost {
    /// Its stretch of [`Prepared::holdings`].
    pub(super) fn holdings(&self) -> Range<usize> {
        self.holdings.start as usize..self.holdings.end as usize
    }
}

/// All that one tenant has on one host.
#[derive(Debug, Clone, Copy)]
pub(super) struct PreparedHolding {
    pub(super) tenant: u32,
    pub(super) vms: u32,
    pub(super) worth: PerDimension,
}

/// The portfolio, prepared. Hosts stand profile by profile, in it class by class and within a class by id, so that nothing depends
/// on the order that they came in. Falls stand kind by kind.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) rho: f64,
    pub(super) shocks: Vec<f64>,
    pub(super) answers: Vec<Answer>,
    pub(super) planes: Vec<PlaneSources>,
    pub(super) falls: Vec<Fall>,
    pub(super) fall_kinds: Vec<FallKind>,
    pub(super) profiles: Vec<Profile>,
    pub(super) classes: Vec<ClassSources>,
    pub(super) hosts: Vec<PreparedHost>,
    pub(super) holdings: Vec<PreparedHolding>,
    /// For each shock the profiles that answer to it, with the position of the response.
    pub(super) profile_answers: Vec<Vec<(u32, u32)>>,
    /// For each shock the kinds of falls that it brings about, with the position of the source.
    pub(super) kind_answers: Vec<Vec<(u32, u32)>>,
    pub(super) clusters: usize,
    pub(super) tenants: usize,
    /// For each tenant whether it is known: guests of no known tenant are nobody's.
    pub(super) named: Vec<bool>,
}

/// The loss of a worth under an impact.
pub(super) fn loss(worth: &PerDimension, impact: &PerDimension) -> f64 {
    worth.iter().zip(impact).map(|(worth, impact)| worth * impact).sum()
}

pub(super) fn levels(impact: Impact) -> PerDimension {
    [impact.confidentiality, impact.integrity, impact.availability, impact.host_down]
}

/// The other way around.
pub(super) fn impact([confidentiality, integrity, availability, host_down]: PerDimension) -> Impact {
    Impact { confidentiality, integrity, availability, host_down }
}

/// Finds the place of each answer that occurs; many responses share few.
pub(super) struct Answers<'a> {
    portfolio: &'a Portfolio,
    places: FxHashMap<(u64, Option<u64>), u32>,
    found: Vec<Answer>,
}

impl Answers<'_> {
    pub(super) fn source(&mut self, response: &Response) -> Source {
        let exploit = self
            .portfolio
            .shocks
            .get(response.shock as usize)
            .is_some_and(|shock| matches!(shock.cause, Cause::Exploit { .. }));
        let (probability, left, rho) = (response.probability, response.left, self.portfolio.rho);
        // What the factor acts on. Rounding must not make it more than certain.
        let acted_on = if left > 0.0 { (probability / left).min(1.0) } else { 0.0 };
        let with_factor = exploit && rho > 0.0 && acted_on > 0.0 && acted_on < 1.0;
        let key = (probability.to_bits(), with_factor.then(|| left.to_bits()));
        let answer = *self.places.entry(key).or_insert_with(|| {
            self.found.push(if with_factor {
                let spread = (1.0 - rho).sqrt();
                Answer::Factor { level: normal::place(acted_on) / spread, slope: rho.sqrt() / spread, left }
            } else {
                Answer::Always(probability)
            });
            self.found.len() as u32 - 1
        });
        Source { shock: response.shock, answer, gate: gated(response.gate), impact: levels(response.impact) }
    }
}

/// All that decides what a source does, as bits.
pub(super) type SourceBits = (u32, u32, Option<(u32, u64)>, [u64; DIMENSIONS]);

impl Source {
    pub(super) fn bits(&self) -> SourceBits {
        (self.shock, self.answer, gate_bits(self.gate), self.impact.map(f64::to_bits))
    }
}

pub(super) fn gate_bits(gate: Option<Gated>) -> Option<(u32, u64)> {
    gate.map(|gate| (gate.shock, gate.otherwise.to_bits()))
}

impl Prepared {
    /// Puts a checked portfolio in order.
    pub(super) fn new(portfolio: &Portfolio) -> Self {
        let mut answers = Answers { portfolio, places: FxHashMap::default(), found: Vec::new() };
        let hosting = falls::of(portfolio);
        let (mut planes, falls) = falls::planes(portfolio, &hosting, &mut answers);
        let (mut profiles, mut classes) = classes(portfolio, &hosting, &mut answers);
        let (hosts, holdings) = in_order(portfolio, &mut profiles, &mut classes);
        for (at, class) in (0..).zip(&classes) {
            if class.size() > 0 {
                profiles[class.profile as usize].classes += 1;
                for &plane in &class.planes {
                    planes[plane as usize].classes.push(at);
                }
            }
        }
        for (at, fall) in (0..).zip(&falls) {
            if let Some(host) = &fall.by_host {
                classes[host.class as usize].falls.push(at);
            }
        }
        let mut profile_answers: Vec<Vec<(u32, u32)>> = vec![Vec::new(); portfolio.shocks.len()];
        for (at, profile) in (0..).zip(&profiles).filter(|(_, profile)| !profile.hosts.is_empty()) {
            list_answers(&mut profile_answers, at, &profile.sources);
        }
        let fall_kinds = fall_kinds(&falls);
        let mut kind_answers: Vec<Vec<(u32, u32)>> = vec![Vec::new(); portfolio.shocks.len()];
        for (at, kind) in (0..).zip(&fall_kinds) {
            // Alike in what decides this, too.
            let first = falls[kind.falls.clone()].first();
            list_answers(&mut kind_answers, at, first.map_or(&[][..], |it| &it.sources));
        }
        Self {
            rho: portfolio.rho,
            shocks: portfolio.shocks.iter().map(|shock| shock.probability).collect(),
            answers: answers.found,
            planes,
            falls,
            fall_kinds,
            profiles,
            classes,
            hosts,
            holdings,
            profile_answers,
            kind_answers,
            clusters: portfolio.clusters.len(),
            tenants: portfolio.tenants.len(),
            named: portfolio.tenants.iter().map(Option::is_some).collect(),
        }
    }

    /// How steep answers are in the factor; 0: none depends on it.
    pub(super) fn slope(&self) -> f64 {
        let any = self.answers.iter().any(|answer| matches!(answer, Answer::Factor { .. }));
        if any { (self.rho / (1.0 - self.rho)).sqrt() } else { 0.0 }
    }

    /// Anything answers to a shock; a control's failure may only open the way for others.
    pub(super) fn is_answered(&self, shock: u32) -> bool {
        let answers = [&self.profile_answers[shock as usize], &self.kind_answers[shock as usize]];
        answers.iter().any(|it| !it.is_empty())
    }

    /// What classes of one law have in common.
    pub(super) fn alike(&self, class: &ClassSources) -> AlikeClasses {
        let kinds = class.planes.iter().map(|&plane| self.planes[plane as usize].kind).collect();
        (class.profile, kinds, class.falls.clone())
    }

    /// The impacts of all that hits a host of a class: its sources, falls by it, and planes.
    pub(super) fn impacts_of<'a>(&'a self, class: &'a ClassSources) -> Vec<&'a PerDimension> {
        let falls = class.falls.iter().filter_map(|&it| self.falls[it as usize].by_host.as_ref());
        let planes = class.planes.iter().map(|&it| &self.planes[it as usize].impact);
        let own = class.sources.iter().map(|it| &it.impact);
        own.chain(falls.map(|it| &it.impact)).chain(planes).collect()
    }

    /// The holding is of a known tenant with guests.
    pub(super) fn counts_tenant(&self, holding: &PreparedHolding) -> bool {
        holding.vms > 0 && self.named[holding.tenant as usize]
    }

    /// The holdings of a host.
    pub(super) fn holdings_of(&self, host: &PreparedHost) -> &[PreparedHolding] {
        &self.holdings[host.holdings()]
    }
}

fn list_answers(lists: &mut [Vec<(u32, u32)>], at: u32, sources: &[Source]) {
    for (position, source) in (0..).zip(sources) {
        lists[source.shock as usize].push((at, position));
    }
}

fn fall_kinds(falls: &[Fall]) -> Vec<FallKind> {
    let mut start = 0;
    let kinds = falls.chunk_by(|a, b| a.kind == b.kind).map(|alike| {
        start += alike.len();
        FallKind { falls: start - alike.len()..start }
    });
    kinds.collect()
}

/// Profiles and classes, as yet without hosts. Responses that classes share are read once; what gives control of the planes on a host
/// is none of its profile, but of its falls.
fn classes(
    portfolio: &Portfolio,
    hosting: &Hosting,
    answers: &mut Answers<'_>,
) -> (Vec<Profile>, Vec<ClassSources>) {
    let mut by_list: FxHashMap<(*const Response, usize), u32> = FxHashMap::default();
    let mut by_content: FxHashMap<Vec<SourceBits>, u32> = FxHashMap::default();
    let mut profiles: Vec<Profile> = Vec::new();
    let mut profile_of = |responses: &[Response], without_control: bool| {
        let meant = responses.iter().filter(|it| !without_control || it.impact.control() <= 0.0);
        let sources: Arc<[Source]> = meant.map(|response| answers.source(response)).collect();
        let bits: Vec<SourceBits> = sources.iter().map(Source::bits).collect();
        *by_content.entry(bits).or_insert_with(|| {
            profiles.push(Profile { sources, hosts: 0..0, classes: 0, worth: [0.0; DIMENSIONS], guests: 0 });
            profiles.len() as u32 - 1
        })
    };
    let mut numbers: Vec<u32> = Vec::with_capacity(portfolio.classes.len());
    for (at, class) in (0..).zip(&portfolio.classes) {
        let list = (class.responses.as_ptr(), class.responses.len());
        numbers.push(if hosting.contains_key(&at) {
            profile_of(&class.responses, true)
        } else {
            *by_list.entry(list).or_insert_with(|| profile_of(&class.responses, false))
        });
    }
    let classes = portfolio.classes.iter().zip(numbers).map(|(class, profile)| {
        let mut planes = class.planes.clone();
        planes.sort_unstable();
        let sources = Arc::clone(&profiles[profile as usize].sources);
        let (falls, worth) = (Vec::new(), [0.0; DIMENSIONS]);
        ClassSources { profile, sources, planes, falls, hosts: 0..0, worth, guests: 0 }
    });
    let classes = classes.collect();
    (profiles, classes)
}

fn add(sum: &mut PerDimension, one: &PerDimension) {
    for (sum, value) in sum.iter_mut().zip(one) {
        *sum += value;
    }
}

/// Hosts profile by profile, class by class and by id, each with its holdings beside it.
fn in_order(
    portfolio: &Portfolio,
    profiles: &mut [Profile],
    classes: &mut [ClassSources],
) -> (Vec<PreparedHost>, Vec<PreparedHolding>) {
    let mut order: Vec<usize> = (0..portfolio.hosts.len()).collect();
    let profile = |class: u32| classes[class as usize].profile;
    order.sort_by(|&a, &b| {
        let (a, b) = (&portfolio.hosts[a], &portfolio.hosts[b]);
        let place = |class: u32| (profile(class), class);
        place(a.class).cmp(&place(b.class)).then_with(|| a.id.cmp(&b.id))
    });
    let mut hosts: Vec<PreparedHost> = Vec::with_capacity(order.len());
    let mut holdings: Vec<PreparedHolding> = Vec::with_capacity(portfolio.holdings.len());
    for at in order {
        let line = &portfolio.hosts[at];
        let (start, mut guests, mut worth) = (holdings.len(), 0u32, [0.0; DIMENSIONS]);
        // What a tenant has on a host is one holding here, also where it came in several.
        let mut of_host: Vec<&Holding> = portfolio.holdings_of(line).iter().collect();
        of_host.sort_by_key(|holding| holding.tenant);
        for of_tenant in of_host.chunk_by(|a, b| a.tenant == b.tenant) {
            let mut one = PreparedHolding { tenant: of_tenant[0].tenant, vms: 0, worth: [0.0; DIMENSIONS] };
            for holding in of_tenant {
                one.vms = one.vms.saturating_add(holding.vms);
                let of_holding =
                    [holding.confidentiality, holding.integrity, holding.availability, holding.host_down];
                add(&mut one.worth, &of_holding);
            }
            guests = guests.saturating_add(one.vms);
            add(&mut worth, &one.worth);
            holdings.push(one);
        }
        let class = &mut classes[line.class as usize];
        let profile = &mut profiles[class.profile as usize];
        for stretch in [&mut class.hosts, &mut profile.hosts] {
            let start = if stretch.end == 0 { hosts.len() } else { stretch.start };
            *stretch = start..hosts.len() + 1;
        }
        class.guests += u64::from(guests);
        profile.guests += u64::from(guests);
        add(&mut class.worth, &worth);
        add(&mut profile.worth, &worth);
        let holdings = start as u32..holdings.len() as u32;
        hosts.push(PreparedHost { class: line.class, cluster: line.cluster, guests, worth, holdings });
    }
    (hosts, holdings)
}
