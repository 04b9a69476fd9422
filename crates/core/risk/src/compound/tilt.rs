//! Which laws to sample from: the nominal one and some under which large losses are common (Glasserman and Li, two steps:
//! shift the factor, tilt what happens given it).
//!
//! A tilt by `theta` multiplies the odds of a shock by `e^(theta c)`, `c` being the mean loss that it brings, and those of a
//! plane's fall by `e^(theta d)`. The normalising sums give a bound on the tail: `P(L >= x | Z = z)` is about at most
//! `exp(psi(theta, z) - theta x)`. Each law is the one that makes this bound, with the density of `z`, greatest in `z` and
//! least in `theta`. Effects count up to `x` only: one cause that alone brings far more must not keep the tilt from those that
//! bring `x`. Hosts are not tilted: given shocks, planes and `Z` they are many and average out.

use super::prepared::{Prepared, Source, Triple, loss};

/// Most that a tilt may add to the log odds of anything.
const MOST_ODDS: f64 = 40.0;

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
        }
    }
}

/// Mean effects given a value of the factor.
#[derive(Debug, Clone)]
struct Effects {
    z: f64,
    /// Of each shock, by its own hits and as a failed control.
    direct: Vec<f64>,
    /// For each shock the planes that it hits, with the probability.
    planes: Vec<Vec<(usize, f64)>>,
}

/// All that the choice needs of one measure.
#[derive(Debug)]
pub(super) struct Chooser<'a> {
    prepared: &'a Prepared,
    /// What the fall of each plane brings.
    falls: Vec<f64>,
    effects: Vec<Effects>,
}

/// Tilts tried, as multiples of the greatest.
const TILTS: i32 = 28;

impl<'a> Chooser<'a> {
    pub(super) fn new(prepared: &'a Prepared, measure: Measure) -> Self {
        let size = |class: usize, impact: &Triple| -> f64 {
            let class = &prepared.classes[class];
            match measure {
                Measure::Loss => loss(&class.worth, impact),
                Measure::Hosts => class.size() as f64,
                Measure::Guests => class.guests as f64,
            }
        };
        let (falls, opened): (Vec<f64>, Vec<f64>) = prepared
            .planes
            .iter()
            .map(|plane| {
                let classes = plane.classes.iter();
                let of_classes: f64 = classes.map(|&class| size(class as usize, &plane.impact)).sum();
                // With its gate on average; and what more, where the gate is open instead of closed.
                let brings = plane.takes_host * of_classes;
                let closed = plane.gate.map_or(0.0, |gate| 1.0 - gate.otherwise);
                let open = plane.gate.map_or(1.0, |gate| prepared.shocks[gate.shock as usize]);
                (brings * (1.0 - (1.0 - open) * closed), brings * closed)
            })
            .unzip();
        let steps = if prepared.slope() > 0.0 { 14 } else { 0 };
        let effects = (0..=steps)
            .map(|step| effects(prepared, -0.5 * f64::from(step), &size, &falls, &opened))
            .collect();
        Self { prepared, falls, effects }
    }

    /// Mean of what one shock brings, given that it happens: a size to start from where no draw lost anything.
    pub(super) fn usual(&self) -> f64 {
        let Some(effects) = self.effects.first() else { return 0.0 };
        let (mut sum, mut of_all) = (0.0, 0.0);
        for (at, &probability) in self.prepared.shocks.iter().enumerate() {
            let brings = effects.direct[at] + through_planes(effects, at, &self.falls);
            if brings > 0.0 {
                sum += probability * brings;
                of_all += probability;
            }
        }
        if of_all > 0.0 { sum / of_all } else { 0.0 }
    }

    /// The law under which `value` is common; `None` where it is so already, with a bound above `common`, or where it
    /// is nothing.
    pub(super) fn for_value(&self, value: f64, common: f64) -> Option<Tilt> {
        if !(value > 0.0 && value.is_finite()) {
            return None;
        }
        let mut best = (f64::NEG_INFINITY, 0.0, None);
        for effects in &self.effects {
            let thetas = (0..TILTS).map(|step| MOST_ODDS / value * 0.8f64.powi(step)).chain([0.0]);
            let mut least = (f64::INFINITY, 0.0);
            for theta in thetas {
                let bound = self.psi(effects, theta, value) - theta * value;
                if bound < least.0 {
                    least = (bound, theta);
                }
            }
            let bound = least.0 - 0.5 * effects.z * effects.z;
            if bound > best.0 {
                best = (bound, least.1, Some(effects));
            }
        }
        let (bound, theta, effects) = best;
        effects.filter(|_| bound < common.ln()).map(|effects| self.tilt(effects, theta, value))
    }

    fn odds(&self, effects: &Effects, theta: f64, most: f64, shock: usize) -> f64 {
        let brings =
            |&(plane, hit): &(usize, f64)| (hit * (theta * self.falls[plane].min(most)).exp_m1()).ln_1p();
        let of_planes: f64 = effects.planes[shock].iter().map(brings).sum();
        (theta * effects.direct[shock].min(most) + of_planes).min(MOST_ODDS)
    }

    fn psi(&self, effects: &Effects, theta: f64, most: f64) -> f64 {
        let shocks = self.prepared.shocks.iter().enumerate();
        shocks
            .map(|(at, probability)| (probability * self.odds(effects, theta, most, at).exp_m1()).ln_1p())
            .sum()
    }

    fn tilt(&self, effects: &Effects, theta: f64, most: f64) -> Tilt {
        let shocks = &self.prepared.shocks;
        let shock_odds: Vec<f64> = (0..shocks.len()).map(|at| self.odds(effects, theta, most, at)).collect();
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
        }
    }
}

fn through_planes(effects: &Effects, shock: usize, falls: &[f64]) -> f64 {
    effects.planes[shock].iter().map(|&(plane, hit)| hit * falls[plane]).sum()
}

/// Mean effects of each shock at `z`. A gate counts with its mean multiplier, and its own shock with what it opens.
fn effects(
    prepared: &Prepared,
    z: f64,
    size: &impl Fn(usize, &Triple) -> f64,
    falls: &[f64],
    opened: &[f64],
) -> Effects {
    let values: Vec<f64> = prepared.answers.iter().map(|answer| answer.at(z)).collect();
    let mut direct = vec![0.0; prepared.shocks.len()];
    let mut planes: Vec<Vec<(usize, f64)>> = vec![Vec::new(); prepared.shocks.len()];
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
    for (at, class) in prepared.classes.iter().enumerate().filter(|(_, class)| class.size() > 0) {
        for source in &class.sources {
            let brings = size(at, &source.impact);
            let hit = mean_hit(source, brings, &mut direct);
            direct[source.shock as usize] += hit * brings;
        }
    }
    for (at, plane) in prepared.planes.iter().enumerate().filter(|&(at, _)| falls[at] > 0.0) {
        for source in &plane.sources {
            let hit = mean_hit(source, falls[at], &mut direct);
            planes[source.shock as usize].push((at, hit));
            if let Some(gate) = plane.gate {
                direct[gate.shock as usize] += prepared.shocks[source.shock as usize] * hit * opened[at];
            }
        }
    }
    Effects { z, direct, planes }
}
