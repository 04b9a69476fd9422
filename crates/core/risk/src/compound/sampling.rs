//! Weighted samples in batches: every batch is drawn on its own from its own stream, so that threads change nothing, and
//! is stratified within itself, so that the spread between batches is the error.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::counts::Known;
use super::draw::{Draw, each_hit, exponential};
use super::exact::ClassLaw;
use super::parts::{GUESTS, HOSTS, Seats};
use super::prepared::{Prepared, loss};
use super::result::Options;
use super::rows::{Batch, Recorder, greatest};
use super::tilt::{Chooser, Measure, Tilt};
use crate::normal;

/// Batches; their spread gives each standard error to a ninth of itself.
pub(super) const BATCHES: usize = 40;

/// Least share of the nominal law: no weight is above its inverse.
const NOMINAL_SHARE: f64 = 0.25;

/// Laws beside the nominal one that are for numbers of hosts hit at once, and as many for guests.
const FOR_COUNTS: usize = 2;

/// Hosts up to which rare causes have laws of their own: in nearly all of their draws nearly every host is hit, and of 100,000 hosts that
/// alone takes more time and memory than all other draws.
const MOST_HOSTS: usize = 20_000;

/// Plain draws that show where the quantiles are: batches, and draws of each.
const PILOT_BATCHES: usize = 8;
const PILOT_DRAWS: usize = 250;

/// All samples.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) batches: Vec<Batch>,
    pub(super) tilts: Vec<Tilt>,
    pub(super) shares: Vec<f64>,
}

/// Draws of a batch.
fn batch_size(options: &Options) -> usize {
    (options.samples as usize).div_ceil(BATCHES)
}

fn stream(seed: u64, batch: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(batch as u64);
    rng
}

/// The laws to sample: one for each tail that is asked for and not exact already.
fn tilts(prepared: &Prepared, options: &Options, exact: &Known) -> Vec<Tilt> {
    let mut levels: Vec<f64> = options.levels.iter().copied().chain([options.contribution_level]).collect();
    levels.retain(|&level| level >= 0.9);
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let losses = Chooser::new(prepared, Measure::Loss);
    let pilot = pilot(prepared, options.seed);
    let value = |level: f64| {
        let at = ((1.0 - level) * pilot.len() as f64) as usize;
        let found = pilot.get(at).copied().unwrap_or(0.0);
        if found > 0.0 { found } else { losses.usual() }
    };
    let mut chosen: Vec<Tilt> =
        levels.iter().rev().take(4).filter_map(|&level| losses.for_value(value(level), 0.9)).collect();
    let counts = [
        (Measure::Hosts, &options.at_least.hosts, &exact[HOSTS], prepared.hosts.len() as f64),
        (Measure::Guests, &options.at_least.guests, &exact[GUESTS], guests(prepared) as f64),
    ];
    for (measure, thresholds, known, most) in counts {
        let is_known = |place: usize| known.get(place).is_some_and(Option::is_some);
        let unknown = thresholds
            .iter()
            .enumerate()
            .filter(|&(place, &m)| m > 1 && m as f64 <= most && !is_known(place));
        let mut thresholds: Vec<u64> = unknown.map(|(_, &m)| m).collect();
        if thresholds.is_empty() {
            continue;
        }
        thresholds.sort_unstable();
        thresholds.dedup();
        let chooser = Chooser::new(prepared, measure);
        let rare: Vec<Tilt> = thresholds.iter().filter_map(|&m| chooser.for_value(m as f64, 0.2)).collect();
        // Those that are rarest by little are asked for most, and each law serves its neighbours too: the first, and between it
        // and the whole fleet.
        let places: BTreeSet<usize> = (0..FOR_COUNTS).map(|at| at * rare.len() / FOR_COUNTS).collect();
        chosen.extend(rare.into_iter().enumerate().filter(|it| places.contains(&it.0)).map(|it| it.1));
    }
    chosen.dedup_by(|a, b| a == b);
    let mut laws: Vec<Tilt> = std::iter::once(Tilt::none(prepared)).chain(chosen).collect();
    if prepared.hosts.len() <= MOST_HOSTS {
        let rare = losses.for_shocks(&laws, f64::from(options.samples));
        laws.extend(rare);
    }
    laws
}

/// Losses of plain draws, from the greatest down: where about the quantiles are.
fn pilot(prepared: &Prepared, seed: u64) -> Vec<f64> {
    let nominal = [Tilt::none(prepared)];
    let mut losses: Vec<f64> = (0..PILOT_BATCHES)
        .into_par_iter()
        .flat_map_iter(|batch| {
            let mut rng = stream(seed, BATCHES + batch);
            let mut draw = Draw::new(prepared, &nominal, &[1.0]);
            let mut losses = Vec::with_capacity(PILOT_DRAWS);
            for at in 0..PILOT_DRAWS {
                let place = (at as f64 + rng.random::<f64>().max(1e-12)) / PILOT_DRAWS as f64;
                draw.common_causes(0, normal::place(place.min(1.0 - 1e-15)), &mut rng);
                let mut sum = 0.0;
                draw.hosts(&mut rng, |host, hits| {
                    sum += loss(&prepared.hosts[host].worth, &greatest(hits));
                });
                losses.push(sum);
            }
            losses
        })
        .collect();
    losses.sort_unstable_by(|a, b| b.total_cmp(a));
    losses
}

fn guests(prepared: &Prepared) -> u64 {
    prepared.classes.iter().map(|class| class.guests).sum()
}

/// Draws from a batch of each law: a quarter at least from the nominal one, the rest alike.
fn shares(size: usize, laws: usize) -> Vec<usize> {
    if laws == 1 {
        return vec![size];
    }
    let nominal = (size as f64 * NOMINAL_SHARE).ceil() as usize;
    let (rest, others) = (size - nominal, laws - 1);
    std::iter::once(nominal)
        .chain((0..others).map(|at| rest / others + usize::from(at < rest % others)))
        .collect()
}

/// Samples under the common causes.
pub(super) fn weighted(prepared: &Prepared, seats: &Seats, options: &Options, exact: &Known) -> Samples {
    let tilts = tilts(prepared, options, exact);
    let size = batch_size(options);
    let draws = shares(size, tilts.len());
    let shares: Vec<f64> = draws.iter().map(|&count| count as f64 / size as f64).collect();
    let batches = (0..BATCHES)
        .into_par_iter()
        .map(|batch| {
            let mut rng = stream(options.seed, batch);
            let mut draw = Draw::new(prepared, &tilts, &shares);
            let mut recorder = Recorder::new(prepared, seats, options);
            for (law, &count) in draws.iter().enumerate() {
                for stratum in 0..count {
                    // Strata of equal probability; an edge of the unit interval would be infinite.
                    let within: f64 = rng.random::<f64>().max(1e-12);
                    let place = ((stratum as f64 + within) / count as f64).min(1.0 - 1e-15);
                    let z = tilts[law].shift + normal::place(place);
                    let weight = draw.common_causes(law, z, &mut rng);
                    draw.hosts(&mut rng, |host, hits| recorder.host_by(host, hits, &draw));
                    recorder.end_draw(weight, draw.count_law().as_ref());
                }
            }
            recorder.into_batch()
        })
        .collect();
    Samples { batches, tilts, shares }
}

/// Samples where each host answers on its own. Its three dimensions reach their levels together, the higher ones
/// within the lower ones, so that each keeps its law and the mean is the same.
pub(super) fn independent(
    prepared: &Prepared,
    seats: &Seats,
    options: &Options,
    laws: &[ClassLaw],
) -> Samples {
    let batches = (0..BATCHES)
        .into_par_iter()
        .map(|batch| {
            let mut rng = stream(options.seed, batch);
            let mut recorder = Recorder::new(prepared, seats, options);
            for _ in 0..batch_size(options) {
                let mut wait = exponential(&mut rng);
                for (class, law) in prepared.classes.iter().zip(laws) {
                    wait = each_hit(class.hosts.clone(), -(-law.hit).ln_1p(), wait, &mut rng, |host, rng| {
                        let place = rng.random::<f64>() * law.hit;
                        let level = |levels: &Vec<(f64, f64)>| {
                            levels.iter().rev().find(|level| place < level.1).map_or(0.0, |level| level.0)
                        };
                        recorder.host(host, &law.at_least.each_ref().map(level));
                    });
                }
                recorder.end_draw(1.0, None);
            }
            recorder.into_batch()
        })
        .collect();
    Samples { batches, tilts: vec![Tilt::none(prepared)], shares: vec![1.0] }
}
