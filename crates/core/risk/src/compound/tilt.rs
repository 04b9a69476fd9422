//! Which laws to sample from: the nominal one and some under which large losses are common (Glasserman and Li, two steps:
//! shift the factor, tilt what happens given it).
//!
//! A tilt by `theta` multiplies the odds of a shock by `e^(theta c)`, `c` being the mean loss that it brings, and those of a
//! plane's fall by `e^(theta d)`. The normalising sums give a bound on the tail: `P(L >= x | Z = z)` is about at most
//! `exp(psi(theta, z) - theta x)`. Each law is the one that makes this bound, with the density of `z`, greatest in `z` and
//! least in `theta`. Effects count up to `x` only: one cause that alone brings far more must not keep the tilt from those that
//! bring `x`. Hosts are not tilted: given shocks, planes and `Z` they are many and average out.

use std::ops::Range;

use super::prepared::{ClassSources, Prepared, Profile, Source, Triple, loss};

/// Most that a tilt may add to the log odds of anything.
const MOST_ODDS: f64 = 40.0;

/// Shocks that get a law of their own: at most so many,
const MOST_SHOCKS: usize = 3;
/// of more than this part of all squared losses,
const LEAST_WEIGHT: f64 = 0.01;
/// in fewer draws than this.
const FEW_DRAWS: f64 = 400.0;

/// What a law makes large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Loss,
    Hosts,
    Guests,
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
    /// What is added to the log odds of each plane's fall.
    pub(super) plane_odds: Vec<f64>,
    /// `e^odds - 1` of each plane.
    pub(super) plane_gains: Vec<f64>,
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
            plane_odds: vec![0.0; prepared.planes.len()],
            plane_gains: vec![0.0; prepared.planes.len()],
        }
    }

    /// Log of the normalising product over planes that each fall with the probability `any` by the nominal law.
    pub(super) fn log_norm_of_planes(&self, planes: Range<usize>, any: f64) -> f64 {
        if self.theta == 0.0 { 0.0 } else { log_of_product(&self.plane_gains[planes], any) }
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
    /// Of each shock, by its own hits and as a failed control.
    direct: Vec<f64>,
    /// For each shock the kinds of planes that it hits, with the probability.
    kinds: Vec<Vec<(usize, f64)>>,
}

/// All that the choice needs of one measure.
#[derive(Debug)]
pub(super) struct Chooser<'a> {
    prepared: &'a Prepared,
    /// What the fall of each plane brings.
    falls: Vec<f64>,
    /// What the planes of each kind bring together.
    falls_of_kind: Vec<f64>,
    effects: Vec<Effects>,
}

/// Tilts tried, as multiples of the greatest.
const TILTS: i32 = 28;

impl<'a> Chooser<'a> {
    pub(super) fn new(prepared: &'a Prepared, measure: Measure) -> Self {
        let size = |worth: &Triple, hosts: usize, guests: u64, impact: &Triple| -> f64 {
            match measure {
                Measure::Loss => loss(worth, impact),
                Measure::Hosts => hosts as f64,
                Measure::Guests => guests as f64,
            }
        };
        let of_class =
            |class: &ClassSources, impact: &Triple| size(&class.worth, class.size(), class.guests, impact);
        let of_profile = |profile: &Profile, impact: &Triple| {
            size(&profile.worth, profile.hosts.len(), profile.guests, impact)
        };
        let (falls, opened): (Vec<f64>, Vec<f64>) = prepared
            .planes
            .iter()
            .map(|plane| {
                let classes = plane.classes.iter().map(|&class| &prepared.classes[class as usize]);
                let of_classes: f64 = classes.map(|class| of_class(class, &plane.impact)).sum();
                // With its gate on average; and what more, where the gate is open instead of closed.
                let brings = plane.takes_host * of_classes;
                let closed = plane.gate.map_or(0.0, |gate| 1.0 - gate.otherwise);
                let open = plane.gate.map_or(1.0, |gate| prepared.shocks[gate.shock as usize]);
                (brings * (1.0 - (1.0 - open) * closed), brings * closed)
            })
            .unzip();
        let steps = if prepared.slope() > 0.0 { 14 } else { 0 };
        let sum = |brings: &[f64]| {
            let kinds = prepared.plane_kinds.iter();
            kinds.map(|kind| brings[kind.planes.clone()].iter().sum()).collect::<Vec<f64>>()
        };
        let (falls_of_kind, opened) = (sum(&falls), sum(&opened));
        let effects = (0..=steps)
            .map(|step| effects(prepared, -0.5 * f64::from(step), &of_profile, &falls_of_kind, &opened))
            .collect();
        Self { prepared, falls, falls_of_kind, effects }
    }

    /// Mean of what one shock brings, given that it happens: a size to start from where no draw lost anything.
    pub(super) fn usual(&self) -> f64 {
        let Some(effects) = self.effects.first() else { return 0.0 };
        let (mut sum, mut of_all) = (0.0, 0.0);
        for (at, &probability) in self.prepared.shocks.iter().enumerate() {
            let brings = effects.direct[at] + through_planes(effects, at, &self.falls_of_kind);
            if brings > 0.0 {
                sum += probability * brings;
                of_all += probability;
            }
        }
        if of_all > 0.0 { sum / of_all } else { 0.0 }
    }

    /// Laws under which one shock each is common: those of the shocks whose losses squared weigh most and which the laws there are
    /// bring about seldom in so many draws. Tilts follow what brings a loss easily; a cause that is rarer than others and takes more is
    /// left to chance by them.
    pub(super) fn for_shocks(&self, laws: &[Tilt], draws: f64) -> Vec<Tilt> {
        let Some(effects) = self.effects.first() else { return Vec::new() };
        let weight = |(at, probability): (usize, &f64)| {
            let brings = effects.direct[at] + through_planes(effects, at, &self.falls_of_kind);
            probability * brings * brings
        };
        let weights: Vec<f64> = self.prepared.shocks.iter().enumerate().map(weight).collect();
        let all: f64 = weights.iter().sum();
        let seen = |at: usize| laws.iter().map(|it| it.shocks[at]).sum::<f64>() * draws / laws.len() as f64;
        let mut rare: Vec<usize> = (0..weights.len())
            .filter(|&at| {
                weights[at] > LEAST_WEIGHT * all && self.prepared.shocks[at] < 0.5 && seen(at) < FEW_DRAWS
            })
            .collect();
        rare.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
        rare.truncate(MOST_SHOCKS);
        rare.into_iter().map(|at| self.for_shock(at)).collect()
    }

    /// The law under which a shock happens every second time, and everything else as it does.
    fn for_shock(&self, shock: usize) -> Tilt {
        let mut tilt = Tilt::none(self.prepared);
        let probability = self.prepared.shocks[shock];
        tilt.shocks[shock] = 0.5;
        tilt.shock_odds[shock] = ((1.0 - probability) / probability).ln();
        tilt.log_norm = (2.0 * (1.0 - probability)).ln();
        tilt
    }

    /// The law under which `value` is common; `None` where it is so already, with a bound above `common`, or where it
    /// is nothing.
    pub(super) fn for_value(&self, value: f64, common: f64) -> Option<Tilt> {
        if !(value > 0.0 && value.is_finite()) {
            return None;
        }
        let thetas = (0..TILTS).map(|step| MOST_ODDS / value * 0.8f64.powi(step)).chain([0.0]);
        let all: Vec<(f64, Vec<f64>)> = thetas.map(|theta| (theta, self.gains(theta, value))).collect();
        let mut best = (f64::NEG_INFINITY, None);
        for effects in &self.effects {
            let mut least = (f64::INFINITY, None);
            for (theta, gains) in &all {
                let bound = self.psi(effects, (*theta, gains), value) - theta * value;
                if bound < least.0 {
                    least = (bound, Some((*theta, gains)));
                }
            }
            let bound = least.0 - 0.5 * effects.z * effects.z;
            if bound > best.0 {
                best = (bound, least.1.map(|it| (effects, it)));
            }
        }
        let (bound, chosen) = best;
        let (effects, (theta, gains)) = chosen.filter(|_| bound < common.ln())?;
        Some(self.tilt(effects, (theta, gains), value))
    }

    /// `e^odds - 1` of each plane's fall under a tilt.
    fn gains(&self, theta: f64, most: f64) -> Vec<f64> {
        self.falls.iter().map(|fall| (theta * fall.min(most)).exp_m1()).collect()
    }

    fn odds(&self, effects: &Effects, (theta, gains): (f64, &[f64]), most: f64, shock: usize) -> f64 {
        let mut odds = theta * effects.direct[shock].min(most);
        for &(kind, hit) in &effects.kinds[shock] {
            if odds >= MOST_ODDS || theta == 0.0 {
                break;
            }
            odds += log_of_product(&gains[self.prepared.plane_kinds[kind].planes.clone()], hit);
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
            plane_odds: self.falls.iter().map(|fall| theta * fall.min(most)).collect(),
            plane_gains: gains.to_vec(),
        }
    }
}

fn through_planes(effects: &Effects, shock: usize, falls: &[f64]) -> f64 {
    effects.kinds[shock].iter().map(|&(kind, hit)| hit * falls[kind]).sum()
}

/// Mean effects of each shock at `z`, by what kinds of planes bring together. A gate counts with its mean multiplier, and its own shock with what it opens.
fn effects(
    prepared: &Prepared,
    z: f64,
    size: &impl Fn(&Profile, &Triple) -> f64,
    falls: &[f64],
    opened: &[f64],
) -> Effects {
    let values: Vec<f64> = prepared.answers.iter().map(|answer| answer.at(z)).collect();
    let mut direct = vec![0.0; prepared.shocks.len()];
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
            let brings = size(profile, &source.impact);
            let hit = mean_hit(source, brings, &mut direct);
            direct[source.shock as usize] += hit * brings;
        }
    }
    for (at, kind) in prepared.plane_kinds.iter().enumerate().filter(|&(at, _)| falls[at] > 0.0) {
        let Some(plane) = prepared.planes.get(kind.planes.start) else { continue };
        for source in &plane.sources {
            let hit = mean_hit(source, falls[at], &mut direct);
            kinds[source.shock as usize].push((at, hit));
            if let Some(gate) = plane.gate {
                direct[gate.shock as usize] += prepared.shocks[source.shock as usize] * hit * opened[at];
            }
        }
    }
    Effects { z, direct, kinds }
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
