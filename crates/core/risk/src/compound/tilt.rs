//! Which laws to sample from: the nominal one and some under which large losses are common (Glasserman and Li, two steps:
//! shift the factor, tilt what happens given it).
//!
//! A tilt by `theta` multiplies the odds of a shock by `e^(theta c)`, `c` being the mean loss that it brings, and those of a
//! plane's fall by `e^(theta d)`. The normalising sums give a bound on the tail: `P(L >= x | Z = z)` is about at most
//! `exp(psi(theta, z) - theta x)`. Each law is the one that makes this bound, with the density of `z`, greatest in `z` and
//! least in `theta`. Effects count up to `x` only: one cause that alone brings far more must not keep the tilt from those that
//! bring `x`. Where hosts differ in few ways their hits are tilted as well, given shocks, planes and `Z`: by `e^(theta v)`, `v`
//! being what one of those that answer alike brings on average and `theta` such that they bring `x` in the mean (0 where they bring
//! more). Elsewhere they are many and average out.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::falls::{Fall, PlaneSources};
use super::prepared::{PerDimension, Prepared, Source, loss};

/// Most that a tilt may add to the log odds of anything.
pub(super) const MOST_ODDS: f64 = 40.0;

/// Most ways of hosts to be hit, counted by profile, with which hits are tilted.
const MOST_WAYS: usize = 4_000;

/// Shocks that get a law of their own: at most so many,
const MOST_SHOCKS: usize = 5;
/// of more than this part of all squared losses,
const LEAST_WEIGHT: f64 = 0.01;
/// in fewer draws than this.
const FEW_DRAWS: f64 = 400.0;
/// How often such a shock happens under its own law.
const NEARLY_ALWAYS: f64 = 0.98;

/// What a law makes large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Loss,
    Hosts,
    Guests,
}

/// Hosts that answer alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alike<'a> {
    pub(super) hosts: usize,
    /// What stands on all of them.
    pub(super) worth: &'a PerDimension,
    pub(super) guests: u64,
}

impl Alike<'_> {
    /// What a hit of one of them brings on average.
    pub(super) fn of_one(&self, measure: Measure, impact: &PerDimension) -> f64 {
        let hosts = self.hosts.max(1) as f64;
        match measure {
            Measure::Loss => loss(self.worth, impact) / hosts,
            Measure::Hosts => 1.0,
            Measure::Guests => self.guests as f64 / hosts,
        }
    }
}

/// How a law tilts the hits of hosts, given what they have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HitTilt {
    pub(super) measure: Measure,
    /// What they bring in the mean at least.
    value: f64,
}

/// Halvings of the interval that `theta` is sought in. It need not be found closely, but everywhere alike.
const HALVINGS: u32 = 12;

impl HitTilt {
    /// `theta`, given those that may be hit.
    pub(super) fn theta(&self, all: &[Hits]) -> f64 {
        let sum = |of: &dyn Fn(&Hits) -> f64| all.iter().map(of).sum::<f64>();
        let most = sum(&|it| it.hosts * it.brings);
        let mean = sum(&|it| it.hosts * it.probability * it.brings);
        let value = self.value.min(0.999 * most);
        if mean <= 0.0 || mean >= value {
            return 0.0;
        }
        let squares = sum(&|it| it.hosts * it.probability * it.brings * it.brings);
        let (mut low, mut high) = (0.0, MOST_ODDS * mean / squares);
        for _ in 0..HALVINGS {
            let theta = 0.5 * (low + high);
            let tilted = sum(&|it| {
                let gain = (theta * it.brings).min(MOST_ODDS).exp_m1();
                it.hosts * it.brings * it.probability * (1.0 + gain) / (1.0 + it.probability * gain)
            });
            if tilted < value { low = theta } else { high = theta }
        }
        low
    }
}

/// A law to sample from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tilt {
    pub(super) theta: f64,
    /// Mean of the factor.
    pub(super) shift: f64,
    /// Probability of each shock.
    pub(super) shocks: Vec<f64>,
    /// What is added to the log odds of each shock.
    pub(super) shock_odds: Vec<f64>,
    /// Log of the normalising product over shocks.
    pub(super) log_norm: f64,
    /// What is added to the log odds of each fall.
    pub(super) fall_odds: Vec<f64>,
    /// `e^odds - 1` of each.
    pub(super) fall_gains: Vec<f64>,
    /// `None`: hosts are hit as by the nominal law.
    pub(super) hits: Option<HitTilt>,
}

impl Tilt {
    /// The nominal law.
    pub(super) fn none(prepared: &Prepared) -> Self {
        Self {
            theta: 0.0,
            shift: 0.0,
            shocks: prepared.shocks.clone(),
            shock_odds: vec![0.0; prepared.shocks.len()],
            log_norm: 0.0,
            fall_odds: vec![0.0; prepared.falls.len()],
            fall_gains: vec![0.0; prepared.falls.len()],
            hits: None,
        }
    }

    /// Log of the normalising product over falls that each come with the probability `any` by the nominal law.
    pub(super) fn log_norm_of_falls(&self, falls: Range<usize>, any: f64) -> f64 {
        if self.theta == 0.0 { 0.0 } else { log_of_product(&self.fall_gains[falls], any) }
    }
}

/// Sum of `ln(1 + hit gain)` over all gains: one logarithm for sixteen of them, whose product is finite because none is
/// above `e^40` ([`MOST_ODDS`]).
fn log_of_product(gains: &[f64], hit: f64) -> f64 {
    let (whole, rest) = gains.as_chunks::<16>();
    let of_chunk = |chunk: &[f64; 16]| {
        // Side by side, so that the processor has not to wait for each product.
        let mut products = [1.0; 4];
        for four in chunk.as_chunks::<4>().0 {
            for (product, gain) in products.iter_mut().zip(four) {
                *product *= 1.0 + hit * gain;
            }
        }
        products.iter().product::<f64>().ln()
    };
    let of_rest: f64 = rest.iter().map(|gain| 1.0 + hit * gain).product();
    whole.iter().map(of_chunk).sum::<f64>() + of_rest.ln()
}

/// Mean effects given a value of the factor.
#[derive(Debug, Clone)]
struct Effects {
    z: f64,
    /// Of each shock as a failed control; and by its hits, where they are not counted singly.
    direct: Vec<f64>,
    /// Of each shock the hits that are counted singly.
    hits: Vec<Vec<Hits>>,
    /// For each shock the kinds of falls that it brings about, with the probability.
    kinds: Vec<Vec<(usize, f64)>>,
}

/// Hosts that are hit alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hits {
    pub(super) hosts: f64,
    /// Of each.
    pub(super) probability: f64,
    /// What each brings on average.
    pub(super) brings: f64,
}

impl Effects {
    /// Mean of what a shock brings.
    fn brings(&self, shock: usize, falls: &[f64]) -> f64 {
        let hits = self.hits[shock].iter().map(|it| it.hosts * it.probability * it.brings);
        let planes = self.kinds[shock].iter().map(|&(kind, hit)| hit * falls[kind]);
        self.direct[shock] + hits.sum::<f64>() + planes.sum::<f64>()
    }

    /// Probability that a shock brings anything; 1 where its hits are not counted singly.
    fn any(&self, shock: usize) -> f64 {
        if self.direct[shock] > 0.0 {
            return 1.0;
        }
        let hits = self.hits[shock].iter().map(|it| it.hosts * (-it.probability).ln_1p());
        let planes = self.kinds[shock].iter().map(|&(_, hit)| (-hit).ln_1p());
        -(hits.sum::<f64>() + planes.sum::<f64>()).exp_m1()
    }
}

/// All that the choice needs of one measure.
#[derive(Debug)]
pub(super) struct Chooser<'a> {
    prepared: &'a Prepared,
    measure: Measure,
    /// Hits are counted, and tilted, one by one.
    pub(super) singly: bool,
    /// What each fall brings.
    falls: Vec<f64>,
    /// What the falls of each kind bring together.
    falls_of_kind: Vec<f64>,
    effects: Vec<Effects>,
}

/// Tilts tried, as multiples of the greatest.
pub(super) const TILTS: i32 = 28;

impl<'a> Chooser<'a> {
    pub(super) fn new(prepared: &'a Prepared, measure: Measure) -> Self {
        let ways = prepared.profiles.iter().filter(|it| !it.hosts.is_empty()).map(|it| it.sources.len());
        let singly = ways.sum::<usize>() <= MOST_WAYS;
        let all = Falls::new(prepared, measure);
        let steps = if prepared.slope() > 0.0 { 14 } else { 0 };
        let effects = (0..=steps)
            .map(|step| {
                let z = -0.5 * f64::from(step);
                effects(prepared, z, (measure, singly), &all)
            })
            .collect();
        Self { prepared, measure, singly, falls: all.each, falls_of_kind: all.of_kind, effects }
    }

    /// Mean of what one shock brings, given that it brings anything: a size to start from where no draw lost anything.
    pub(super) fn usual(&self) -> f64 {
        let Some(effects) = self.effects.first() else { return 0.0 };
        let (mut sum, mut of_all) = (0.0, 0.0);
        for (at, &probability) in self.prepared.shocks.iter().enumerate() {
            let brings = effects.brings(at, &self.falls_of_kind);
            if brings > 0.0 {
                sum += probability * brings;
                of_all += probability * effects.any(at);
            }
        }
        if of_all > 0.0 { sum / of_all } else { 0.0 }
    }

    /// Laws under which what one shock each brings is common: those of the shocks whose losses squared weigh most and which the laws
    /// there are bring about seldom in so many draws. Tilts follow what brings a loss easily; a cause that is rarer than others and takes
    /// more is left to chance by them.
    pub(super) fn for_shocks(&self, laws: &[Tilt], draws: f64) -> Vec<Tilt> {
        let Some(effects) = self.effects.first() else { return Vec::new() };
        let weight = |(at, probability): (usize, &f64)| {
            let (brings, any) = (effects.brings(at, &self.falls_of_kind), effects.any(at));
            if brings > 0.0 { probability * brings * brings / any } else { 0.0 }
        };
        let weights: Vec<f64> = self.prepared.shocks.iter().enumerate().map(weight).collect();
        let all: f64 = weights.iter().sum();
        let seen = |at: usize| {
            laws.iter().map(|it| it.shocks[at] * self.any(effects, at, it)).sum::<f64>() * draws
                / laws.len() as f64
        };
        let mut rare: Vec<usize> = (0..weights.len())
            .filter(|&at| weights[at] > LEAST_WEIGHT * all && seen(at) < FEW_DRAWS)
            .collect();
        rare.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
        rare.truncate(MOST_SHOCKS);
        rare.into_iter().map(|at| self.for_shock(at)).collect()
    }

    /// Probability that a shock brings anything by a law.
    fn any(&self, effects: &Effects, shock: usize, law: &Tilt) -> f64 {
        let none = |hit: f64, gain: f64| -(hit * (1.0 + gain) / (1.0 + hit * gain)).min(1.0);
        let of_hits = |it: &Hits| {
            let odds = law.hits.map_or(0.0, |hits| law.theta * it.brings.min(hits.value));
            it.hosts * none(it.probability, odds.exp_m1()).ln_1p()
        };
        let of_kind = |&(kind, hit): &(usize, f64)| {
            let gains = &law.fall_gains[self.prepared.fall_kinds[kind].falls.clone()];
            gains.iter().map(|&gain| none(hit, gain).ln_1p()).sum::<f64>()
        };
        if effects.direct[shock] > 0.0 {
            return 1.0;
        }
        let hits: f64 = effects.hits[shock].iter().map(of_hits).sum();
        -(hits + effects.kinds[shock].iter().map(of_kind).sum::<f64>()).exp_m1()
    }

    /// The law under which a shock happens nearly always and brings what it does where it brings anything; all other shocks happen as
    /// they do.
    fn for_shock(&self, shock: usize) -> Tilt {
        let mut tilt = Tilt::none(self.prepared);
        if let Some(effects) = self.effects.first() {
            let value = effects.brings(shock, &self.falls_of_kind) / effects.any(shock);
            let only = |effects: &Effects, of: (f64, &[f64])| self.odds(effects, of, value, shock);
            if let Some((_, effects, theta)) = self.best(value, only).filter(|it| it.2 > 0.0) {
                let gains = self.gains(theta, value);
                tilt = Tilt {
                    theta,
                    shift: effects.z,
                    fall_odds: self.falls.iter().map(|fall| theta * fall.min(value)).collect(),
                    fall_gains: gains,
                    hits: self.hits(theta, value),
                    ..tilt
                };
            }
        }
        let probability = self.prepared.shocks[shock];
        if probability < NEARLY_ALWAYS {
            let odds = NEARLY_ALWAYS / (1.0 - NEARLY_ALWAYS);
            tilt.shocks[shock] = NEARLY_ALWAYS;
            tilt.shock_odds[shock] = (odds * (1.0 - probability) / probability).ln();
            tilt.log_norm = ((1.0 - probability) / (1.0 - NEARLY_ALWAYS)).ln();
        }
        tilt
    }

    fn hits(&self, theta: f64, value: f64) -> Option<HitTilt> {
        (self.singly && theta > 0.0).then_some(HitTilt { measure: self.measure, value })
    }

    /// The log of the bound on reaching a value, at the `z` where it is greatest and the `theta` where it is least, with both; `psi` gives
    /// the log of the mean of `e^(theta L)`.
    fn best(&self, value: f64, psi: impl Fn(&Effects, (f64, &[f64])) -> f64) -> Option<(f64, &Effects, f64)> {
        let thetas = (0..TILTS).map(|step| MOST_ODDS / value * 0.8f64.powi(step)).chain([0.0]);
        let all: Vec<(f64, Vec<f64>)> = thetas.map(|theta| (theta, self.gains(theta, value))).collect();
        let mut best = None;
        let mut most = f64::NEG_INFINITY;
        for effects in &self.effects {
            let mut least = (f64::INFINITY, 0.0);
            for (theta, gains) in &all {
                let bound = psi(effects, (*theta, gains)) - theta * value;
                if bound < least.0 {
                    least = (bound, *theta);
                }
            }
            let bound = least.0 - 0.5 * effects.z * effects.z;
            if bound > most {
                most = bound;
                best = Some((bound, effects, least.1));
            }
        }
        best
    }

    /// The law under which `value` is common; `None` where it is so already, with a bound above `common`, or where it
    /// is nothing.
    pub(super) fn for_value(&self, value: f64, common: f64) -> Option<Tilt> {
        if !(value > 0.0 && value.is_finite()) {
            return None;
        }
        let all = |effects: &Effects, tilt: (f64, &[f64])| self.psi(effects, tilt, value);
        let (_, effects, theta) = self.best(value, all).filter(|it| it.0 < common.ln())?;
        Some(self.tilt(effects, (theta, &self.gains(theta, value)), value))
    }

    /// `e^odds - 1` of each fall under a tilt.
    fn gains(&self, theta: f64, most: f64) -> Vec<f64> {
        self.falls.iter().map(|fall| (theta * fall.min(most)).exp_m1()).collect()
    }

    fn odds(&self, effects: &Effects, (theta, gains): (f64, &[f64]), most: f64, shock: usize) -> f64 {
        let mut odds = theta * effects.direct[shock];
        for it in &effects.hits[shock] {
            odds += it.hosts * (it.probability * (theta * it.brings.min(most)).exp_m1()).ln_1p();
        }
        odds = odds.min(theta * most);
        for &(kind, hit) in &effects.kinds[shock] {
            if odds >= MOST_ODDS || theta == 0.0 {
                break;
            }
            odds += log_of_product(&gains[self.prepared.fall_kinds[kind].falls.clone()], hit);
        }
        odds.min(MOST_ODDS)
    }

    fn psi(&self, effects: &Effects, tilt: (f64, &[f64]), most: f64) -> f64 {
        let shocks = self.prepared.shocks.iter().enumerate();
        shocks
            .map(|(at, probability)| (probability * self.odds(effects, tilt, most, at).exp_m1()).ln_1p())
            .sum()
    }

    fn tilt(&self, effects: &Effects, (theta, gains): (f64, &[f64]), most: f64) -> Tilt {
        let shocks = &self.prepared.shocks;
        let odds = |shock: usize| self.odds(effects, (theta, gains), most, shock);
        let shock_odds: Vec<f64> = (0..shocks.len()).map(odds).collect();
        let tilted = |(probability, odds): (&f64, &f64)| {
            let weight = probability * odds.exp();
            weight / (1.0 - probability + weight)
        };
        Tilt {
            theta,
            shift: effects.z,
            shocks: shocks.iter().zip(&shock_odds).map(tilted).collect(),
            log_norm: shocks.iter().zip(&shock_odds).map(|(p, odds)| (p * odds.exp_m1()).ln_1p()).sum(),
            shock_odds,
            fall_odds: self.falls.iter().map(|fall| theta * fall.min(most)).collect(),
            fall_gains: gains.to_vec(),
            hits: self.hits(theta, most),
        }
    }
}

/// What falls bring, with gates on average.
struct Falls {
    each: Vec<f64>,
    of_kind: Vec<f64>,
    /// For each kind what more it brings where a gate is open instead of closed, by the gate's shock.
    opened: Vec<FxHashMap<u32, f64>>,
}

impl Falls {
    fn new(prepared: &Prepared, measure: Measure) -> Self {
        let of_class = |class: u32, impact: &PerDimension| {
            let alike = prepared.classes[class as usize].alike();
            alike.hosts as f64 * alike.of_one(measure, impact)
        };
        let of_plane = |plane: &PlaneSources| {
            let of_classes: f64 = plane.classes.iter().map(|&it| of_class(it, &plane.impact)).sum();
            let brings = plane.takes_host * of_classes;
            let closed = plane.gate.map_or(0.0, |gate| 1.0 - gate.otherwise);
            let open = plane.gate.map_or(1.0, |gate| prepared.shocks[gate.shock as usize]);
            (brings * (1.0 - (1.0 - open) * closed), brings * closed)
        };
        let planes: Vec<(f64, f64)> = prepared.planes.iter().map(of_plane).collect();
        let of_fall = |fall: &Fall| {
            let share = fall.by_host.as_ref().map_or(1.0, |it| it.control);
            let of_host = fall.by_host.as_ref().map_or(0.0, |it| of_class(it.class, &it.impact));
            of_host + share * fall.planes.iter().map(|&it| planes[it as usize].0).sum::<f64>()
        };
        let each: Vec<f64> = prepared.falls.iter().map(of_fall).collect();
        let of_kind = prepared.fall_kinds.iter().map(|it| each[it.falls.clone()].iter().sum()).collect();
        let opened = prepared.fall_kinds.iter().map(|kind| {
            let mut opened: FxHashMap<u32, f64> = FxHashMap::default();
            for fall in &prepared.falls[kind.falls.clone()] {
                let share = fall.by_host.as_ref().map_or(1.0, |it| it.control);
                for &plane in &fall.planes {
                    if let Some(gate) = prepared.planes[plane as usize].gate {
                        *opened.entry(gate.shock).or_default() += share * planes[plane as usize].1;
                    }
                }
            }
            opened
        });
        Self { opened: opened.collect(), each, of_kind }
    }
}

/// Mean effects of each shock at `z`, by what kinds of falls bring together. A gate counts with its mean multiplier, and its own shock with what it opens.
fn effects(prepared: &Prepared, z: f64, (measure, singly): (Measure, bool), falls: &Falls) -> Effects {
    let values: Vec<f64> = prepared.answers.iter().map(|answer| answer.at(z)).collect();
    let mut direct = vec![0.0; prepared.shocks.len()];
    let mut hits: Vec<Vec<Hits>> = vec![Vec::new(); prepared.shocks.len()];
    let mut kinds: Vec<Vec<(usize, f64)>> = vec![Vec::new(); prepared.shocks.len()];
    let mean_hit = |source: &Source, brings: f64, direct: &mut Vec<f64>| {
        let hit = values[source.answer as usize];
        match source.gate {
            None => hit,
            Some(gate) => {
                let open = prepared.shocks[gate.shock as usize];
                let closed = 1.0 - gate.otherwise;
                direct[gate.shock as usize] += prepared.shocks[source.shock as usize] * hit * closed * brings;
                hit * (open + (1.0 - open) * gate.otherwise)
            }
        }
    };
    for profile in prepared.profiles.iter().filter(|profile| !profile.hosts.is_empty()) {
        for source in profile.sources.iter() {
            let alike = profile.alike();
            let (hosts, brings) = (alike.hosts as f64, alike.of_one(measure, &source.impact));
            let probability = mean_hit(source, hosts * brings, &mut direct);
            if singly {
                hits[source.shock as usize].push(Hits { hosts, probability, brings });
            } else {
                direct[source.shock as usize] += hosts * probability * brings;
            }
        }
    }
    for (at, kind) in prepared.fall_kinds.iter().enumerate().filter(|&(at, _)| falls.of_kind[at] > 0.0) {
        let Some(fall) = prepared.falls.get(kind.falls.start) else { continue };
        for source in &fall.sources {
            let hit = mean_hit(source, falls.of_kind[at], &mut direct);
            kinds[source.shock as usize].push((at, hit));
            for (&gate, opened) in &falls.opened[at] {
                direct[gate as usize] += prepared.shocks[source.shock as usize] * hit * opened;
            }
        }
    }
    Effects { z, direct, hits, kinds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_a_product_is_the_sum_of_logs_also_where_the_product_is_not_finite() {
        for (count, most) in [(0, 1.0), (7, 1.0), (16, 1e-9), (100, 5.0), (1000, MOST_ODDS.exp_m1())] {
            let gains: Vec<f64> = (0..count).map(|at| most * f64::from(at + 1) / f64::from(count)).collect();
            for hit in [0.0, 1e-3, 1.0] {
                let expected: f64 = gains.iter().map(|gain| (hit * gain).ln_1p()).sum();
                let found = log_of_product(&gains, hit);
                assert!(
                    (found - expected).abs() <= 1e-12 * (1.0 + expected),
                    "{count}, {hit}: {found}, {expected}"
                );
            }
        }
    }
}
