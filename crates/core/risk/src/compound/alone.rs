//! Samples where each host answers on its own: the naive figure.
//!
//! Laws beside the nominal one multiply the odds of each host's hit by `e^(theta v)`, `v` being what a hit of one of its class brings on
//! average; each is the one that makes the bound `exp(psi(theta) - theta x)` on reaching a loss of `x` least.

use rand::RngExt;
use rayon::prelude::*;

use super::draw::{each_hit, exponential};
use super::exact::ClassLaw;
use super::parts::Seats;
use super::prepared::{PerDimension, Prepared, loss};
use super::result::Options;
use super::rows::Recorder;
use super::sampling::{
    BATCHES, PILOT_BATCHES, PILOT_DRAWS, Pilot, Samples, batch_size, levels, shares, stream,
};
use super::tilt::{MOST_ODDS, TILTS, Tilt};

/// Standard deviations of the losses of hosts that answer each on its own: in closed form.
#[derive(Debug)]
pub(super) struct Deviations {
    pub(super) fleet: f64,
    pub(super) clusters: Vec<f64>,
    pub(super) tenants: Vec<f64>,
}

impl Deviations {
    pub(super) fn new(prepared: &Prepared, laws: &[ClassLaw]) -> Self {
        let (mut fleet, mut clusters) = (0.0, vec![0.0; prepared.clusters]);
        let mut tenants = vec![0.0; prepared.tenants];
        for (class, law) in prepared.classes.iter().zip(laws) {
            let ends = law.ends();
            for host in &prepared.hosts[class.hosts.clone()] {
                let of_host = variance(&host.worth, &ends);
                fleet += of_host;
                clusters[host.cluster as usize] += of_host;
                for holding in prepared.holdings_of(host) {
                    tenants[holding.tenant as usize] += variance(&holding.worth, &ends);
                }
            }
        }
        let sd = |variances: Vec<f64>| variances.into_iter().map(f64::sqrt).collect();
        Self { fleet: fleet.sqrt(), clusters: sd(clusters), tenants: sd(tenants) }
    }
}

/// Variance of what is lost of a worth. Around the mean, so that nothing cancels.
fn variance(worth: &PerDimension, ends: &[(Option<PerDimension>, f64)]) -> f64 {
    let losses = || ends.iter().map(|(impact, p)| (impact.map_or(0.0, |it| loss(worth, &it)), p));
    let mean: f64 = losses().map(|(loss, p)| loss * p).sum();
    losses().map(|(loss, p)| p * (loss - mean) * (loss - mean)).sum()
}

/// A class that can be hit.
#[derive(Debug)]
struct Class<'a> {
    hosts: std::ops::Range<usize>,
    law: &'a ClassLaw,
    /// What a hit of one of it brings on average.
    brings: f64,
}

/// A law: for each class what is added to the log odds of each hit, and the log of its density where nothing is hit over the nominal one.
#[derive(Debug)]
struct Law {
    theta: f64,
    odds: Vec<f64>,
    norm: f64,
}

impl Law {
    fn new(classes: &[Class<'_>], theta: f64, most: f64) -> Self {
        let odds: Vec<f64> = classes.iter().map(|class| theta * class.brings.min(most)).collect();
        let of_class = |(class, odds): (&Class<'_>, &f64)| {
            class.hosts.len() as f64 * (class.law.hit * odds.exp_m1()).ln_1p()
        };
        let norm = classes.iter().zip(&odds).map(of_class).sum();
        Self { theta, odds, norm }
    }

    /// Under which a loss is common; `None` where it is so already.
    fn for_value(classes: &[Class<'_>], value: f64) -> Option<Self> {
        if !(value > 0.0 && value.is_finite()) {
            return None;
        }
        let bound = |law: &Self| law.norm - law.theta * value;
        let all = (0..TILTS).map(|step| Self::new(classes, MOST_ODDS / value * 0.8f64.powi(step), value));
        let best = all.min_by(|a, b| bound(a).total_cmp(&bound(b)))?;
        (bound(&best) < 0.9f64.ln()).then_some(best)
    }
}

/// Samples of hosts that answer each on its own.
pub(super) fn samples(prepared: &Prepared, seats: &Seats, options: &Options, laws: &[ClassLaw]) -> Samples {
    let all = prepared.classes.iter().zip(laws).filter(|(class, law)| class.size() > 0 && law.hit > 0.0);
    let classes = all.map(|(class, law)| {
        let given_hit = law.mean_impact().map(|impact| impact / law.hit);
        let brings = loss(&class.worth, &given_hit) / class.size() as f64;
        Class { hosts: class.hosts.clone(), law, brings }
    });
    let classes: Vec<Class<'_>> = classes.collect();
    let laws = choose(prepared, &classes, options);
    let draws = shares(batch_size(options), laws.len(), (0, 0));
    let shares: Vec<f64> = draws.iter().map(|&count| count as f64 / batch_size(options) as f64).collect();
    let batches = (0..BATCHES).into_par_iter().map(|batch| {
        let mut rng = stream(options.seed, batch);
        let mut recorder = Recorder::new(prepared, seats, options);
        for (law, &count) in draws.iter().enumerate() {
            for _ in 0..count {
                let weight = draw(&classes, &laws, &shares, law, &mut rng, |host, impact| {
                    recorder.host(host, impact);
                });
                recorder.end_draw(weight, None);
            }
        }
        recorder.into_batch()
    });
    let batches = batches.collect();
    let tilts = laws.iter().map(|law| Tilt { theta: law.theta, ..Tilt::none(prepared) }).collect();
    Samples { batches, tilts, shares }
}

/// The nominal law, and one for each tail: where about it begins plain draws show, and once more draws of the laws that these led to.
fn choose(prepared: &Prepared, classes: &[Class<'_>], options: &Options) -> Vec<Law> {
    let size = |class: &Class<'_>| class.hosts.len() as f64;
    let mean: f64 = classes.iter().map(|it| size(it) * it.law.hit * it.brings).sum();
    let none: f64 = classes.iter().map(|it| size(it) * (-it.law.hit).ln_1p()).sum();
    let usual = mean / -none.exp_m1();
    let mut laws = vec![Law::new(classes, 0.0, 0.0)];
    for _ in 0..2 {
        let pilot = pilot(prepared, classes, options.seed, &laws);
        let value = |level: f64| Some(pilot.at(1.0 - level)).filter(|it| *it > 0.0).unwrap_or(usual);
        laws.truncate(1);
        laws.extend(levels(options).into_iter().filter_map(|it| Law::for_value(classes, value(it))));
        laws.dedup_by(|a, b| a.theta == b.theta);
    }
    laws
}

fn pilot(prepared: &Prepared, classes: &[Class<'_>], seed: u64, laws: &[Law]) -> Pilot {
    let draws = shares(PILOT_DRAWS, laws.len(), (0, 0));
    let shares: Vec<f64> = draws.iter().map(|&count| count as f64 / PILOT_DRAWS as f64).collect();
    let of_batch = |batch: usize| {
        let mut rng = stream(seed, BATCHES + batch);
        let mut losses = Vec::with_capacity(PILOT_DRAWS);
        for (law, &count) in draws.iter().enumerate() {
            for _ in 0..count {
                let mut sum = 0.0;
                let weight = draw(classes, laws, &shares, law, &mut rng, |host, impact| {
                    sum += loss(&prepared.hosts[host].worth, impact);
                });
                losses.push((sum, weight));
            }
        }
        losses
    };
    Pilot::of((0..PILOT_BATCHES).into_par_iter().flat_map_iter(of_batch).collect())
}

/// Draws the hosts that are hit by one of the laws, with the impact on each; gives the weight of the draw (balance heuristic).
fn draw(
    classes: &[Class<'_>],
    laws: &[Law],
    shares: &[f64],
    law: usize,
    rng: &mut rand_chacha::ChaCha8Rng,
    mut call: impl FnMut(usize, &PerDimension),
) -> f64 {
    let mut wait = exponential(rng);
    let mut logs: Vec<f64> = laws.iter().map(|law| -law.norm).collect();
    for (at, class) in classes.iter().enumerate() {
        // Minus the log of the survival under this law.
        let hit = class.law.hit;
        let rate = (hit * laws[law].odds[at].exp_m1()).ln_1p() - (-hit).ln_1p();
        let mut count = 0.0;
        wait = each_hit(class.hosts.clone(), rate, wait, rng, |host, rng| {
            count += 1.0;
            call(host, &class.law.impact(rng.random::<f64>() * hit));
        });
        if count > 0.0 {
            logs.iter_mut().zip(laws).for_each(|(log, law)| *log += count * law.odds[at]);
        }
    }
    1.0 / shares.iter().zip(&logs).map(|(share, log)| share * log.exp()).sum::<f64>()
}
