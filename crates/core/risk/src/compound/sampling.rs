//! Weighted samples in batches: every batch is drawn on its own from its own stream, so that threads change nothing, and
//! is stratified within itself, so that the spread between batches is the error.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::counts::Known;
use super::draw::Draw;
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

/// Hosts that the draws of one batch may hit for each rare cause: in nearly all of its draws nearly every host is hit, and of
/// 100,000 hosts that takes more time and memory than all other draws. Few draws will do: what such a cause takes differs little.
const MOST_HITS: usize = 100_000;

/// Share of the batch that is for each rare cause where hosts are few.
const RARE_SHARE: f64 = 0.04;

/// Draws that show where the quantiles are: batches, and draws of each.
pub(super) const PILOT_BATCHES: usize = 8;
pub(super) const PILOT_DRAWS: usize = 250;

/// All samples.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) batches: Vec<Batch>,
    pub(super) tilts: Vec<Tilt>,
    pub(super) shares: Vec<f64>,
}

impl Samples {
    /// Each sample is a state, and none is missing.
    pub(super) fn is_exact(&self) -> bool {
        self.tilts.is_empty()
    }
}

/// Draws of a batch.
pub(super) fn batch_size(options: &Options) -> usize {
    (options.samples as usize).div_ceil(BATCHES)
}

pub(super) fn stream(seed: u64, batch: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(batch as u64);
    rng
}

/// The levels whose tails have laws of their own, the greatest first.
pub(super) fn levels(options: &Options) -> Vec<f64> {
    let mut levels: Vec<f64> = options.levels.iter().copied().chain([options.contribution_level]).collect();
    levels.retain(|&level| level >= 0.9);
    levels.sort_by(|a, b| b.total_cmp(a));
    levels.dedup();
    levels.truncate(4);
    levels
}

/// The laws to sample: the nominal one and one for each tail that is asked for and not exact already; and those of rare causes.
fn tilts(prepared: &Prepared, options: &Options, exact: &Known) -> (Vec<Tilt>, Vec<Tilt>) {
    let levels = levels(options);
    let losses = Chooser::new(prepared, Measure::Loss);
    let mut chosen: Vec<Tilt> = Vec::new();
    // Where hits are rare by themselves plain draws show hardly where the quantiles are: once more by the laws that these led to.
    for _ in 0..if losses.singly { 2 } else { 1 } {
        let mut laws: Vec<Tilt> = std::iter::once(Tilt::none(prepared)).chain(chosen).collect();
        if laws.len() > 1 {
            laws.extend(losses.for_shocks(&laws, f64::from(options.samples)));
        }
        let pilot = pilot(prepared, options.seed, &laws);
        let value = |level: f64| Some(pilot.at(1.0 - level)).filter(|it| *it > 0.0).unwrap_or(losses.usual());
        chosen = levels.iter().filter_map(|&it| losses.for_value(value(it), 0.9)).collect();
        chosen.dedup_by(|a, b| a == b);
    }
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
    let laws: Vec<Tilt> = std::iter::once(Tilt::none(prepared)).chain(chosen).collect();
    let rare = losses.for_shocks(&laws, f64::from(options.samples));
    (laws, rare)
}

/// Losses of a few draws, from the greatest down, each with the weight of all from it up.
#[derive(Debug)]
pub(super) struct Pilot(Vec<(f64, f64)>);

impl Pilot {
    /// Of losses with their weights.
    pub(super) fn of(mut losses: Vec<(f64, f64)>) -> Self {
        losses.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
        let draws = losses.len() as f64;
        let mut tail = 0.0;
        for (_, weight) in &mut losses {
            tail += *weight / draws;
            *weight = tail;
        }
        Self(losses)
    }

    /// The greatest loss that is reached with more than a probability.
    pub(super) fn at(&self, probability: f64) -> f64 {
        let at = self.0.partition_point(|it| it.1 <= probability * (1.0 + 1e-9));
        self.0.get(at).map_or(0.0, |it| it.0)
    }
}

/// A few draws of these laws.
fn pilot(prepared: &Prepared, seed: u64, laws: &[Tilt]) -> Pilot {
    let draws = shares(PILOT_DRAWS, laws.len(), (0, 0));
    let shares: Vec<f64> = draws.iter().map(|&count| count as f64 / PILOT_DRAWS as f64).collect();
    let losses: Vec<(f64, f64)> = (0..PILOT_BATCHES)
        .into_par_iter()
        .flat_map_iter(|batch| {
            let mut rng = stream(seed, BATCHES + batch);
            let mut draw = Draw::new(prepared, laws, &shares);
            let mut losses = Vec::with_capacity(PILOT_DRAWS);
            for (law, &count) in draws.iter().enumerate() {
                for at in 0..count {
                    let z = laws[law].shift + stratified(at, count, &mut rng);
                    draw.common_causes(law, z, &mut rng);
                    let mut sum = 0.0;
                    let weight = draw.hosts(&mut rng, |host, hits| {
                        sum += loss(&prepared.hosts[host].worth, &greatest(hits));
                    });
                    losses.push((sum, weight));
                }
            }
            losses
        })
        .collect();
    Pilot::of(losses)
}

/// A value of the factor from a stratum of so many, which are equally likely.
fn stratified(stratum: usize, of: usize, rng: &mut ChaCha8Rng) -> f64 {
    // An edge of the unit interval would be infinite.
    let within: f64 = rng.random::<f64>().max(1e-12);
    normal::place(((stratum as f64 + within) / of as f64).min(1.0 - 1e-15))
}

fn guests(prepared: &Prepared) -> u64 {
    prepared.classes.iter().map(|class| class.guests).sum()
}

/// Draws from a batch of each law: so many of each rare cause, a quarter at least from the nominal law, the rest alike.
pub(super) fn shares(size: usize, laws: usize, (rare, of_rare): (usize, usize)) -> Vec<usize> {
    let others = laws - 1;
    let size_of_rare = rare * of_rare;
    let nominal =
        if others == 0 { size - size_of_rare } else { (size as f64 * NOMINAL_SHARE).ceil() as usize };
    let rest = size - nominal - size_of_rare;
    std::iter::once(nominal)
        .chain((0..others).map(|at| rest / others + usize::from(at < rest % others)))
        .chain(std::iter::repeat_n(of_rare, rare))
        .collect()
}

/// Samples under the common causes.
pub(super) fn weighted(prepared: &Prepared, seats: &Seats, options: &Options, exact: &Known) -> Samples {
    let (mut tilts, mut rare) = tilts(prepared, options, exact);
    let size = batch_size(options);
    let of_rare = MOST_HITS / prepared.hosts.len().max(1);
    let of_rare = of_rare.clamp(1, (size as f64 * RARE_SHARE).ceil() as usize);
    // Of few samples at most a quarter, and no more hits than of two; but one.
    let of_hits = 2 * MOST_HITS / (of_rare * prepared.hosts.len().max(1));
    rare.truncate((size / 4 / of_rare).min(of_hits.max(1)));
    let draws = shares(size, tilts.len(), (rare.len(), of_rare));
    tilts.extend(rare);
    let shares: Vec<f64> = draws.iter().map(|&count| count as f64 / size as f64).collect();
    let batches = (0..BATCHES)
        .into_par_iter()
        .map(|batch| {
            let mut rng = stream(options.seed, batch);
            let mut draw = Draw::new(prepared, &tilts, &shares);
            let mut recorder = Recorder::new(prepared, seats, options);
            for (law, &count) in draws.iter().enumerate() {
                for stratum in 0..count {
                    let z = tilts[law].shift + stratified(stratum, count, &mut rng);
                    let of_causes = draw.common_causes(law, z, &mut rng);
                    let weight = draw.hosts(&mut rng, |host, hits| recorder.host_by(host, hits, &draw));
                    let law = draw.count_law();
                    recorder.end_draw(weight, law.as_ref().map(|law| (law, of_causes)));
                }
            }
            recorder.into_batch()
        })
        .collect();
    Samples { batches, tilts, shares }
}
