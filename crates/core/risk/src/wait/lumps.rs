//! A situation whose holes are lumped: made once for the many variants of one decision.
//!
//! Most of a variant's work is the same for many holes and strata: the hazard of exploitation is one for each state of knowledge,
//! and how likely a host is hit one for each such state and answer. Strata are sums of these.
//!
//! The figures of a decision come of all strata. Its hundreds of variants, which say how much the figures move, are worked out
//! on at most about [`COARSE`] of them: neighbours in how likely they are hit become one, hit as likely as they are on average,
//! weighted with what they lose. What is lost is then the same but for the square of how far they are apart.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use underpin_model::policy::Parameter;

use super::course::hit;
use super::curve::{AgedHazard, Hazards, Inputs};
use super::situation::{Hole, Situation, Stratum, Worth};
use super::values::Values;
use crate::build::hole::Way;
use crate::hazard::{EPSS_DAYS, Exploited, Hazard, LARGEST_EPSS, rise};
use crate::portfolio::Impact;

/// Strata of variants.
const COARSE: usize = 8;

/// What is known about exploitation, and how hosts answer.
#[derive(Debug)]
struct Path {
    /// Place in the list of what is known.
    exploited: usize,
    /// Places in [`Situation::approaches`], each with its weight; the weights sum up to 1.
    approaches: Vec<(usize, f64)>,
}

impl Path {
    fn hit(&self, hits: &[f64]) -> f64 {
        let one = |(at, weight): &(usize, f64)| weight * hits.get(*at).copied().unwrap_or(0.0);
        self.approaches.iter().map(one).sum()
    }
}

/// The 30-day hit hazards of a path.
#[derive(Debug, Clone, Copy)]
struct PathHazard {
    /// Cumulative hit hazard of the next 30 days. EPSS, and the question how likely a campaign aims at this fleet, are
    /// both about 30 days: their product becomes a hazard in the exact form, with the profile of the exploitation hazard
    /// over time. Over 30 days this is the probability of compound risk, and beyond it does not saturate.
    thirty_days: f64,
    /// The same were it not listed as known exploited: constant, and a listing does not lower it.
    unlisted: f64,
}

/// Holes of a stratum that the hazard model cannot tell apart, as one.
#[derive(Debug, Clone, Copy)]
struct Lump {
    path: usize,
    holes: f64,
}

/// A part of what stands on a host, and the holes of which any hit takes it.
#[derive(Debug)]
struct Tier {
    /// The part, by dimension.
    taken: Impact,
    lumps: Vec<Lump>,
}

/// A stratum on which something is open, or several as one.
#[derive(Debug)]
struct LumpedStratum {
    share: f64,
    worth: Worth,
    tiers: Vec<Tier>,
}

/// A situation whose holes are lumped.
pub(super) struct Lumped<'s> {
    situation: &'s Situation,
    worth: Worth,
    exploited: Vec<Exploited>,
    paths: Vec<Path>,
    strata: Vec<LumpedStratum>,
}

/// Holes of one list that are alike but for how hosts answer.
struct Kind {
    /// Place in the list of what is known.
    exploited: usize,
    way: Way,
    impact: Impact,
    holes: f64,
}

/// Holes that are open together: their kinds, and the tiers of what stands on a host with the places of their kinds.
struct Together {
    kinds: Vec<Kind>,
    tiers: Vec<(Impact, Vec<usize>)>,
}

impl<'s> Lumped<'s> {
    /// Every stratum on its own.
    pub(super) fn of(situation: &'s Situation) -> Self {
        let mut lumped = Self::empty(situation);
        for run in runs(situation) {
            let together = lumped.together(run);
            for one in run {
                lumped.add(&together, &[(one, 1.0)]);
            }
        }
        lumped
    }

    /// Neighbours as one, where there are many strata; near these values, at which each approach's probability of a hit is known.
    pub(super) fn coarse(situation: &'s Situation, values: &Values, hits: &[f64]) -> Self {
        let count = situation.strata.len();
        if count <= COARSE {
            return Self::of(situation);
        }
        let all = Impact::COMPROMISED;
        let mut lumped = Self::empty(situation);
        for run in runs(situation) {
            let together = lumped.together(run);
            let hit = |it: &Stratum| -> f64 { it.answers.iter().filter_map(|at| hits.get(*at)).sum() };
            let weight = |it: &Stratum| it.share * it.worth.loss(all, values);
            let mut order: Vec<(&Stratum, f64)> = run.iter().map(|it| (it, weight(it))).collect();
            order.sort_by(|a, b| hit(a.0).total_cmp(&hit(b.0)));
            let bins = (COARSE * run.len()).div_ceil(count).max(1);
            for bin in order.chunks(run.len().div_ceil(bins).max(1)) {
                lumped.add(&together, bin);
            }
        }
        lumped
    }

    fn empty(situation: &'s Situation) -> Self {
        let worth = situation.worth();
        Self { situation, worth, exploited: Vec::new(), paths: Vec::new(), strata: Vec::new() }
    }

    /// Adds strata with the same holes as one, each with its weight.
    fn add(&mut self, together: &Together, strata: &[(&Stratum, f64)]) {
        let weights: f64 = strata.iter().map(|it| it.1).sum();
        let (mut share, mut sum) = (0.0, Worth::default());
        for (stratum, _) in strata {
            share += stratum.share;
            sum.add(stratum.share, &stratum.worth);
        }
        let mut worth = Worth::default();
        worth.add(if share > 0.0 { 1.0 / share } else { 0.0 }, &sum);
        // Where nothing is lost all weigh the same.
        let even = 1.0 / strata.len().max(1) as f64;
        let weight = |of: f64| if weights > 0.0 { of / weights } else { even };
        let mut places: FxHashMap<(usize, Way), usize> = FxHashMap::default();
        let mut lump = |kind: &Kind| {
            let path = *places.entry((kind.exploited, kind.way)).or_insert_with(|| {
                let answer = |stratum: &Stratum| {
                    let uses = |at: &&usize| {
                        self.situation.approaches.get(**at).is_some_and(|it| it.way == kind.way)
                    };
                    stratum.answers.iter().find(uses).copied()
                };
                let approaches =
                    strata.iter().filter_map(|(stratum, own)| Some((answer(stratum)?, weight(*own))));
                self.paths.push(Path { exploited: kind.exploited, approaches: approaches.collect() });
                self.paths.len() - 1
            });
            Lump { path, holes: kind.holes }
        };
        let lumps: Vec<Lump> = together.kinds.iter().map(&mut lump).collect();
        let tier = |(taken, kinds): &(Impact, Vec<usize>)| {
            let lumps = kinds.iter().filter_map(|at| lumps.get(*at).copied());
            Tier { taken: *taken, lumps: merged(lumps) }
        };
        let tiers = together.tiers.iter().map(tier).collect();
        self.strata.push(LumpedStratum { share, worth, tiers });
    }

    /// The holes that are open on strata of one run.
    fn together(&mut self, run: &[Stratum]) -> Together {
        let mut kinds: Vec<Kind> = Vec::new();
        let holes = run.first().map_or(&[][..], |it| &it.holes);
        for hole in holes.iter().filter_map(|it| self.situation.holes.get(*it)) {
            let (exploited, way, impact) =
                (place(&mut self.exploited, hole.exploited), hole.way, hole.impact);
            let alike = |it: &&mut Kind| it.exploited == exploited && it.way == way && it.impact == impact;
            match kinds.iter_mut().find(alike) {
                Some(kind) => kind.holes += 1.0,
                None => kinds.push(Kind { exploited, way, impact, holes: 1.0 }),
            }
        }
        let tiers = tiers(&kinds.iter().map(|it| it.impact).collect::<Vec<_>>());
        Together { kinds, tiers }
    }

    /// The inputs of the curve under parameters, of which each approach's probability of a hit is known.
    pub(super) fn inputs(&self, values: &Values, hits: &[f64]) -> Inputs {
        self.inputs_in(Inputs::default(), values, hits)
    }

    /// The same in the place of inputs that are not needed any more.
    pub(super) fn inputs_in(&self, old: Inputs, values: &Values, hits: &[f64]) -> Inputs {
        let it = self.situation;
        let belief = it.belief(values);
        let host_hour_down = self.worth.host_hour_down(values);
        let exploited = self.exploited(values);
        let paths = self.path_hazards(&exploited, values, hits);
        let parts = self.strata.iter().flat_map(|stratum| stratum.tiers.iter().map(move |it| (stratum, it)));
        let mut hazards = old.hazards;
        hazards.resize_with(parts.clone().count(), Hazards::default);
        for ((of, tier), hazards) in parts.zip(&mut hazards) {
            self.put_hazards(hazards, of, tier, (&exploited, &paths), values);
        }
        Inputs {
            horizon_days: it.horizon_days,
            hosts: it.hosts,
            hazards,
            incomplete_fix: values.get(Parameter::IncompleteFix),
            bad: belief.now,
            theta: values.get(Parameter::Theta),
            hit: belief.hit.mean(),
            loss_per_bad_host: host_hour_down * values.get(Parameter::HoursAfterRegression),
            ring_stops: values.get(Parameter::RingStops),
            first_ring_share: it.first_ring_share,
            ring_from_days: it.ring_from_days,
            staying: it.staying(values),
            known_bugs_per_day: it
                .known_bugs
                .map_or(0.0, |bugs| bugs.per_host_day * bugs.hours_down * host_hour_down),
            maintenance: it.maintenance,
            shared_drain_saves: it.shared_drain_saves,
            penalties: Arc::clone(&it.penalties),
        }
    }

    /// Puts the hazards of a tier in a place.
    fn put_hazards(
        &self,
        hazards: &mut Hazards,
        of: &LumpedStratum,
        tier: &Tier,
        (exploited, paths): (&[Hazard], &[PathHazard]),
        values: &Values,
    ) {
        (hazards.share, hazards.loss) = (of.share, of.worth.loss(tier.taken, values));
        hazards.constant_per_day = 0.0;
        hazards.aged.clear();
        for lump in &tier.lumps {
            let (Some(path), Some(hit)) = (self.paths.get(lump.path), paths.get(lump.path)) else { continue };
            let Some(hazard) = exploited.get(path.exploited) else { continue };
            let thirty_days = hit.thirty_days * lump.holes;
            if hazard.shape < 1.0 {
                hazards.aged.push(AgedHazard {
                    thirty_days,
                    constant_thirty_days: hit.unlisted * lump.holes,
                    age_days: hazard.age.get(),
                    shape: hazard.shape,
                });
            } else {
                hazards.constant_per_day += thirty_days / EPSS_DAYS;
            }
        }
    }

    /// Compromise that may have happened already: see [`Situation::before_now`].
    pub(super) fn before_now(&self, values: &Values, hits: &[f64]) -> (f64, f64) {
        let it = self.situation;
        let exploited: Vec<Hazard> =
            it.holes.iter().map(|hole| hole.exploited.hazard(|it| values.get(it))).collect();
        let risen: Vec<Risen> = it.holes.iter().map(|hole| Risen::of(hole, values)).collect();
        let (mut probability, mut loss) = (0.0, 0.0);
        let mut answers: FxHashMap<Way, f64> = FxHashMap::default();
        for stratum in &it.strata {
            answers.clear();
            for (at, approach) in stratum.answers.iter().filter_map(|at| Some((at, it.approaches.get(*at)?)))
            {
                answers.insert(approach.way, hits.get(*at).copied().unwrap_or(0.0));
            }
            let open = stratum.holes.iter().filter_map(|at| {
                let (hole, exploited, risen) = (it.holes.get(*at)?, exploited.get(*at)?, risen.get(*at)?);
                let answer = answers.get(&hole.way).copied().unwrap_or(0.0);
                Some((hole.impact, risen.hazard(&path_hazard(exploited, values, answer))))
            });
            let mut hazards: Vec<(Impact, f64)> = Vec::new();
            for (impact, hazard) in open {
                match hazards.iter_mut().find(|it| it.0 == impact) {
                    Some(it) => it.1 += hazard,
                    None => hazards.push((impact, hazard)),
                }
            }
            let sum = |places: &mut dyn Iterator<Item = usize>| -> f64 {
                places.filter_map(|at| hazards.get(at)).map(|it| it.1).sum()
            };
            probability += stratum.share * hit(sum(&mut (0..hazards.len())));
            for (taken, places) in tiers(&hazards.iter().map(|it| it.0).collect::<Vec<_>>()) {
                let taken = stratum.worth.loss(taken, values);
                loss += stratum.share * taken * hit(sum(&mut places.into_iter()));
            }
        }
        (probability, loss * it.hosts)
    }

    fn exploited(&self, values: &Values) -> Vec<Hazard> {
        self.exploited.iter().map(|it| it.hazard(|parameter| values.get(parameter))).collect()
    }

    fn path_hazards(&self, exploited: &[Hazard], values: &Values, hits: &[f64]) -> Vec<PathHazard> {
        let none = PathHazard { thirty_days: 0.0, unlisted: 0.0 };
        let one = |it: &Path| {
            exploited.get(it.exploited).map_or(none, |hazard| path_hazard(hazard, values, it.hit(hits)))
        };
        self.paths.iter().map(one).collect()
    }
}

/// Strata that differ in their answers alone follow each other, and share the list of their holes.
fn runs(situation: &Situation) -> impl Iterator<Item = &[Stratum]> {
    let same = |a: &Stratum, b: &Stratum| Arc::ptr_eq(&a.holes, &b.holes);
    situation.strata.chunk_by(same).filter(|it| it.first().is_some_and(|it| !it.holes.is_empty()))
}

/// The hazards of a path on which a campaign hits a host with this probability.
fn path_hazard(exploited: &Hazard, values: &Values, hit: f64) -> PathHazard {
    let of = |exploited: f64| {
        let probability = exploited * values.get(Parameter::Aimed) * hit;
        -(-probability.min(LARGEST_EPSS)).ln_1p()
    };
    let unlisted = exploited.unlisted.get();
    PathHazard {
        thirty_days: of(exploited.thirty_days.get()),
        // Of most holes there is none.
        unlisted: if unlisted > 0.0 { of(unlisted) } else { 0.0 },
    }
}

/// How far the hazard of a hole has risen from the day on which it became public until now, were it open all the time: in
/// units of its next 30 days.
struct Risen {
    hazard: f64,
    /// The constant one under a falling one.
    unlisted: f64,
}

impl Risen {
    fn of(hole: &Hole, values: &Values) -> Self {
        let days = hole.public_days.unwrap_or(0.0).max(0.0);
        match hole.exploited {
            Exploited::Listed { days_ago, .. } => {
                let shape = values.get(Parameter::Shape);
                let hazard = rise(0.0, shape, days.min(days_ago)) / rise(days_ago, shape, EPSS_DAYS);
                Self { hazard, unlisted: days / EPSS_DAYS }
            }
            Exploited::Scored { .. } | Exploited::Unscored => {
                Self { hazard: days / EPSS_DAYS, unlisted: 0.0 }
            }
        }
    }

    fn hazard(&self, path: &PathHazard) -> f64 {
        (self.hazard * path.thirty_days).max(self.unlisted * path.unlisted)
    }
}

/// What stands on a host, in parts: of each dimension what the worst hit takes is lost, so that each level of it is lost to any hit
/// that takes at least so much. Each part comes with the places of the impacts of such hits.
fn tiers(impacts: &[Impact]) -> Vec<(Impact, Vec<usize>)> {
    let mut tiers: Vec<([f64; 3], Vec<usize>)> = Vec::new();
    for dimension in 0..3 {
        let takes: Vec<f64> = impacts
            .iter()
            .filter_map(|it| [it.confidentiality, it.integrity, it.availability].get(dimension).copied())
            .collect();
        let mut levels: Vec<f64> = takes.iter().copied().filter(|it| *it > 0.0).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        let mut below = 0.0;
        for level in levels {
            let places: Vec<usize> =
                takes.iter().enumerate().filter(|it| *it.1 >= level).map(|it| it.0).collect();
            let at = tiers.iter().position(|it| it.1 == places).unwrap_or_else(|| {
                tiers.push(([0.0; 3], places));
                tiers.len() - 1
            });
            if let Some(taken) = tiers.get_mut(at).and_then(|it| it.0.get_mut(dimension)) {
                *taken += level - below;
            }
            below = level;
        }
    }
    let impact = |[confidentiality, integrity, availability]: [f64; 3]| Impact {
        confidentiality,
        integrity,
        availability,
        host_down: 0.0,
    };
    tiers.into_iter().map(|(taken, places)| (impact(taken), places)).collect()
}

/// Lumps of one path as one.
fn merged(lumps: impl Iterator<Item = Lump>) -> Vec<Lump> {
    let mut all: Vec<Lump> = Vec::new();
    for one in lumps {
        match all.iter_mut().find(|it| it.path == one.path) {
            Some(it) => it.holes += one.holes,
            None => all.push(one),
        }
    }
    all
}

/// The place of an item in a short list, to which it is added where it is new.
fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|it| *it == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}
