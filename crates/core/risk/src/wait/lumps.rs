//! A situation whose holes are lumped: made once for the many variants of one decision.
//!
//! Most of a variant's work is the same for many holes and strata: the hazard of exploitation is one for each state of knowledge,
//! and how likely a host is hit one for each such state and answer. Strata are sums of these.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use underpin_model::policy::Parameter;

use super::curve::{AgedHazard, Hazards, Inputs};
use super::situation::{Hole, Situation, Stratum, Worth};
use super::values::Values;
use crate::build::hole::Way;
use crate::hazard::{EPSS_DAYS, Exploited, Hazard, LARGEST_EPSS, rise};
use crate::portfolio::Impact;

/// What is known about exploitation, and how hosts answer.
#[derive(Debug, Clone, Copy)]
struct Path {
    /// Place in the list of what is known.
    exploited: usize,
    /// Place in [`Situation::approaches`].
    approach: usize,
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
    /// Place in the list of impacts.
    impact: usize,
    holes: f64,
}

/// A stratum on which something is open.
#[derive(Debug)]
struct LumpedStratum<'s> {
    of: &'s Stratum,
    lumps: Vec<Lump>,
}

/// A situation whose holes are lumped.
pub(super) struct Lumped<'s> {
    situation: &'s Situation,
    worth: Worth,
    exploited: Vec<Exploited>,
    impacts: Vec<Impact>,
    paths: Vec<Path>,
    strata: Vec<LumpedStratum<'s>>,
}

/// Holes of one list that are alike but for how hosts answer: what is known, way, impact, and how many.
type Kind = (usize, Way, usize, f64);

impl<'s> Lumped<'s> {
    pub(super) fn of(situation: &'s Situation) -> Self {
        let mut lumped = Self {
            situation,
            worth: situation.worth(),
            exploited: Vec::new(),
            impacts: Vec::new(),
            paths: Vec::new(),
            strata: Vec::new(),
        };
        let mut places: FxHashMap<(usize, usize), usize> = FxHashMap::default();
        let mut known: Option<(&Arc<[usize]>, Vec<Kind>)> = None;
        for of in situation.strata.iter().filter(|it| !it.holes.is_empty()) {
            // Strata that differ in their answers alone follow each other, and share the list of their holes.
            let kinds = match known.take() {
                Some((holes, kinds)) if Arc::ptr_eq(holes, &of.holes) => kinds,
                _ => lumped.kinds(&of.holes),
            };
            let mut lumps = Vec::with_capacity(kinds.len());
            for (exploited, way, impact, holes) in &kinds {
                let answers = |at: &&usize| situation.approaches.get(**at).is_some_and(|it| it.way == *way);
                let Some(approach) = of.answers.iter().find(answers).copied() else { continue };
                let path = *places.entry((*exploited, approach)).or_insert_with(|| {
                    lumped.paths.push(Path { exploited: *exploited, approach });
                    lumped.paths.len() - 1
                });
                lumps.push(Lump { path, impact: *impact, holes: *holes });
            }
            lumped.strata.push(LumpedStratum { of, lumps });
            known = Some((&of.holes, kinds));
        }
        lumped
    }

    fn kinds(&mut self, holes: &[usize]) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = Vec::new();
        for hole in holes.iter().filter_map(|it| self.situation.holes.get(*it)) {
            let exploited = place(&mut self.exploited, hole.exploited);
            let impact = place(&mut self.impacts, hole.impact);
            let alike = |it: &&mut Kind| (it.0, it.1, it.2) == (exploited, hole.way, impact);
            match kinds.iter_mut().find(alike) {
                Some(kind) => kind.3 += 1.0,
                None => kinds.push((exploited, hole.way, impact, 1.0)),
            }
        }
        kinds
    }

    /// The inputs of the curve under parameters, of which each approach's probability of a hit is known.
    pub(super) fn inputs(&self, values: &Values, hits: &[f64]) -> Inputs {
        let it = self.situation;
        let belief = it.belief(values);
        let exploited = self.exploited(values);
        let paths = self.path_hazards(&exploited, values, hits);
        let hazards = |stratum: &LumpedStratum<'_>| self.hazards(stratum, &exploited, &paths, values);
        Inputs {
            horizon_days: it.horizon_days,
            hosts: it.hosts,
            hazards: self.strata.iter().map(hazards).collect(),
            incomplete_fix: values.get(Parameter::IncompleteFix),
            bad: belief.now,
            theta: values.get(Parameter::Theta),
            hit: belief.hit.mean(),
            loss_per_bad_host: self.worth.hour_down * values.get(Parameter::HoursAfterRegression),
            ring_stops: values.get(Parameter::RingStops),
            first_ring_share: it.first_ring_share,
            known_bugs_per_day: it
                .known_bugs
                .map_or(0.0, |bugs| bugs.per_host_day * bugs.hours_down * self.worth.hour_down),
            maintenance: it.maintenance,
            shared_drain_saves: it.shared_drain_saves,
            penalties: Arc::clone(&it.penalties),
        }
    }

    /// The hazards of a stratum.
    fn hazards(
        &self,
        LumpedStratum { of, lumps }: &LumpedStratum<'_>,
        exploited: &[Hazard],
        paths: &[PathHazard],
        values: &Values,
    ) -> Hazards {
        let mut hazards = Hazards { share: of.share, ..Hazards::default() };
        for lump in lumps {
            let (Some(path), Some(hit), Some(impact)) =
                (self.paths.get(lump.path), paths.get(lump.path), self.impacts.get(lump.impact))
            else {
                continue;
            };
            let Some(hazard) = exploited.get(path.exploited) else { continue };
            let thirty_days = hit.thirty_days * lump.holes;
            let loss = of.worth.loss(*impact, values);
            if hazard.shape < 1.0 {
                hazards.aged.push(AgedHazard {
                    thirty_days,
                    constant_thirty_days: hit.unlisted * lump.holes,
                    age_days: hazard.age.get(),
                    shape: hazard.shape,
                    loss,
                });
            } else {
                hazards.constant_per_day += thirty_days / EPSS_DAYS;
                hazards.constant_loss_per_day += thirty_days / EPSS_DAYS * loss;
            }
        }
        hazards
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
            let (mut hazard, mut weighted) = (0.0, 0.0);
            for at in stratum.holes.iter().copied() {
                let (Some(hole), Some(exploited), Some(risen)) =
                    (it.holes.get(at), exploited.get(at), risen.get(at))
                else {
                    continue;
                };
                let hit = answers.get(&hole.way).copied().unwrap_or(0.0);
                let own = risen.hazard(&path_hazard(exploited, values, hit));
                hazard += own;
                weighted += own * stratum.worth.loss(hole.impact, values);
            }
            let hit = -(-hazard).exp_m1();
            probability += stratum.share * hit;
            if hazard > 0.0 {
                loss += stratum.share * weighted / hazard * hit;
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
            let hit = hits.get(it.approach).copied().unwrap_or(0.0);
            exploited.get(it.exploited).map_or(none, |hazard| path_hazard(hazard, values, hit))
        };
        self.paths.iter().map(one).collect()
    }
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

/// The place of an item in a short list, to which it is added where it is new.
fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|it| *it == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}
