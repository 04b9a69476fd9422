//! Figures from weighted samples.

use std::ops::Range;

use rayon::prelude::*;

use super::result::{AtLeast, Cvar, Estimate, Figures, Method, Quantile};
use super::rows::{Batch, Sparse};
use super::sampling::Samples;

/// Standard deviations to the ends of a 95 % interval.
const Z95: f64 = 1.959_963_984_540_054;

/// A loss above zero and the draw that it is of, counted through all batches.
type Entry = (f64, u32);

/// What is known of the probability of any loss without a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnyLoss {
    /// The probability.
    pub(super) exactly: Option<f64>,
    /// It is at most this.
    pub(super) at_most: f64,
}

impl AnyLoss {
    /// The same, not more likely than what it implies.
    pub(super) fn within(self, at_most: f64) -> Self {
        Self { at_most: self.at_most.min(at_most), ..self }
    }

    /// Where nothing is lost with a probability of `level` at least, the quantile is zero and the tail has the whole mean: its
    /// mean is exact.
    pub(super) fn is_tail_known(&self, level: f64) -> bool {
        self.at_most <= 1.0 - level
    }

    /// The mean of the worst `1 - level`: at most as if all of the mean were there, and at least as of all losses.
    pub(super) fn cvar(&self, mean: f64, level: f64, sampled: Estimate) -> Estimate {
        let most = mean / (1.0 - level);
        if self.is_tail_known(level) {
            return Estimate { value: most, standard_error: 0.0 };
        }
        let least = (mean / self.at_most).min(most);
        let value = sampled.value.clamp(least, most);
        // Samples that are off by so much do not know their own error.
        let standard_error = sampled.standard_error.max((value - sampled.value).abs());
        Estimate { value, standard_error }
    }

    /// Puts what is known into sampled figures.
    pub(super) fn settle(&self, figures: &mut Figures) {
        let sampled = figures.any_loss;
        figures.any_loss = match self.exactly {
            Some(value) => Estimate { value, standard_error: 0.0 },
            None => Estimate { value: sampled.value.min(self.at_most), ..sampled },
        };
        for quantile in &mut figures.quantiles {
            // Markov: more would be more than the mean.
            let most =
                if self.is_tail_known(quantile.level) { 0.0 } else { figures.mean / (1.0 - quantile.level) };
            quantile.cut(most);
        }
        for cvar in &mut figures.cvar {
            let sampled = Estimate { value: cvar.value, standard_error: cvar.standard_error };
            let Estimate { value, standard_error } = self.cvar(figures.mean, cvar.level, sampled);
            *cvar = Cvar { value, standard_error, ..*cvar };
        }
    }
}

/// Weights of all draws, batch by batch of equal size.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) all: Vec<f64>,
    batch: usize,
    /// Greatest probability, with 95 % confidence, of what no sample saw.
    pub(super) unseen: f64,
}

impl Weights {
    pub(super) fn of(samples: &Samples) -> Self {
        let all: Vec<f64> = samples.batches.iter().flat_map(|batch| batch.weights.iter().copied()).collect();
        let batch = samples.batches.first().map_or(1, |batch| batch.weights.len().max(1));
        // Draws of the nominal law alone: with strata none sees it with a chance of at most that without.
        let nominal = samples.shares.first().copied().unwrap_or(1.0) * all.len() as f64;
        let unseen = if samples.is_exact() { 0.0 } else { (-f64::ln(0.05) / nominal.max(1.0)).min(1.0) };
        Self { all, batch, unseen }
    }

    pub(super) fn draws(&self) -> f64 {
        self.all.len() as f64
    }

    fn weight(&self, draw: u32) -> f64 {
        self.all[draw as usize]
    }

    /// Weighted mean of a value that is zero in all other draws, with the spread between batches as its error.
    pub(super) fn mean(&self, values: impl Iterator<Item = (f64, u32)>) -> Estimate {
        let mut sums = vec![0.0; self.all.len() / self.batch];
        for (value, draw) in values {
            sums[draw as usize / self.batch] += value * self.weight(draw);
        }
        self.of_sums(sums)
    }

    /// The mean of all draws from the sum of each batch.
    fn of_sums(&self, mut sums: Vec<f64>) -> Estimate {
        let count = sums.len() as f64;
        for sum in &mut sums {
            *sum /= self.batch as f64;
        }
        let mean = sums.iter().sum::<f64>() / count;
        let squares: f64 = sums.iter().map(|sum| (sum - mean) * (sum - mean)).sum();
        if squares <= 0.0 {
            // Also of one batch alone, which has all states.
            return Estimate { value: mean, standard_error: 0.0 };
        }
        Estimate { value: mean, standard_error: (squares / (count * (count - 1.0))).sqrt() }
    }

    /// Probability that a count reaches `m`, from the probability of each draw to.
    pub(super) fn reaches(&self, m: u64, reached: impl Iterator<Item = f64>, method: Method) -> AtLeast {
        self.found(m, self.mean(reached.zip(0..)), method)
    }

    /// The same from the sum of weights of each batch.
    pub(super) fn at_least(&self, m: u64, sums: Vec<f64>, method: Method) -> AtLeast {
        self.found(m, self.of_sums(sums), method)
    }

    fn found(&self, m: u64, found: Estimate, method: Method) -> AtLeast {
        AtLeast {
            m,
            probability: found.value.min(1.0),
            standard_error: found.standard_error,
            method,
            variance_reduction: reduction(found, self.draws()),
            at_most: None,
        }
    }
}

/// Most entries that are gathered at once, beside the rows that they are in: 64 MB.
const MOST_ENTRIES: usize = 4_000_000;

/// Figures of the loss of each key around its exact mean: gathered for some keys at a time.
pub(super) fn of_keys(
    samples: &Samples,
    of: impl Fn(&Batch) -> &Sparse,
    means: &[f64],
    weights: &Weights,
    levels: &[f64],
) -> Vec<Figures> {
    let mut counts = vec![0usize; means.len()];
    for key in samples.batches.iter().flat_map(|batch| &of(batch).keys) {
        counts[*key as usize] += 1;
    }
    let mut figures = Vec::with_capacity(means.len());
    while figures.len() < means.len() {
        let start = figures.len();
        let mut entries = 0;
        let fits = |count: &&usize| {
            entries += **count;
            entries <= MOST_ENTRIES
        };
        let keys = start..start + counts[start..].iter().take_while(fits).count().max(1);
        let columns = columns(samples, &of, keys.clone(), &counts);
        figures.par_extend(
            columns
                .into_par_iter()
                .zip(&means[keys])
                .map(|(mut column, &mean)| of_one(&mut column, mean, weights, levels)),
        );
    }
    figures
}

/// Entries of some keys, of which there are so many.
fn columns(
    samples: &Samples,
    of: impl Fn(&Batch) -> &Sparse,
    keys: Range<usize>,
    counts: &[usize],
) -> Vec<Vec<Entry>> {
    let mut columns: Vec<Vec<Entry>> =
        counts[keys.clone()].iter().map(|&count| Vec::with_capacity(count)).collect();
    let mut draw = 0;
    for batch in &samples.batches {
        for row in 0..batch.weights.len() {
            for (key, value) in of(batch).row(row) {
                if let Some(column) =
                    (key as usize).checked_sub(keys.start).and_then(|at| columns.get_mut(at))
                {
                    column.push((value, draw));
                }
            }
            draw += 1;
        }
    }
    columns
}

/// Entries of the whole fleet.
pub(super) fn fleet(samples: &Samples) -> Vec<Entry> {
    let losses = samples.batches.iter().flat_map(|batch| batch.fleet.iter().copied());
    (0..).zip(losses).filter(|(_, loss)| *loss > 0.0).map(|(draw, loss)| (loss, draw)).collect()
}

/// The fleet's quantile at a level.
pub(super) fn quantile(samples: &Samples, weights: &Weights, level: f64) -> f64 {
    let at_level = of_one(&mut fleet(samples), 0.0, weights, &[level]);
    at_level.quantiles.first().map_or(0.0, |quantile| quantile.value)
}

/// Figures of one loss around its exact mean.
pub(super) fn of_one(entries: &mut [Entry], mean: f64, weights: &Weights, levels: &[f64]) -> Figures {
    entries.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let draws = weights.draws();
    // Tail probability with each entry, from the greatest loss down.
    let mut tail = 0.0;
    let tails: Vec<f64> = entries
        .iter()
        .map(|&(_, draw)| {
            tail += weights.weight(draw) / draws;
            tail
        })
        .collect();
    let quantile_at = |probability: f64| -> f64 {
        let at = tails.partition_point(|&tail| tail <= probability);
        entries.get(at).map_or(0.0, |entry| entry.0)
    };
    let squares: f64 = entries
        .iter()
        .map(|&(loss, draw)| (loss - mean) * (loss - mean) * weights.weight(draw) / draws)
        .sum();
    let variance = squares + (1.0 - tail).max(0.0) * mean * mean;
    let sd = variance.sqrt();
    let sd_standard_error = if sd > 0.0 {
        // What no entry has is the square of the mean; over the variance, so that great losses stay finite.
        let squares = entries.iter().map(|&(loss, draw)| (loss / sd * ((loss - 2.0 * mean) / sd), draw));
        0.5 * sd * weights.mean(squares).standard_error
    } else {
        0.0
    };
    let mut figures = Figures { mean, sd, sd_standard_error, ..Figures::default() };
    for &level in levels {
        let beyond = 1.0 - level;
        let value = quantile_at(beyond);
        let over = &entries[..entries.partition_point(|entry| entry.0 > value)];
        let error = Z95 * weights.mean(over.iter().map(|&(_, draw)| (1.0, draw))).standard_error;
        // With none beyond, the sample says nothing of what is beyond but that it is rare.
        let (low, high) = (quantile_at(beyond + error), quantile_at((beyond - error).max(0.0)));
        figures.quantiles.push(Quantile { level, value, low: low.min(value), high: high.max(value) });
        let excess = weights.mean(over.iter().map(|&(loss, draw)| (loss - value, draw)));
        let (value, standard_error) = (value + excess.value / beyond, excess.standard_error / beyond);
        figures.cvar.push(Cvar { level, value, standard_error });
    }
    let any = weights.mean(entries.iter().map(|&(_, draw)| (1.0, draw)));
    figures.any_loss = Estimate { value: any.value.min(1.0), ..any };
    figures
}

/// Variance of as many plain samples over that found.
pub(super) fn reduction(found: Estimate, draws: f64) -> Option<f64> {
    let plain = found.value * (1.0 - found.value) / draws;
    let factor = plain / (found.standard_error * found.standard_error);
    (factor.is_finite() && factor > 0.0).then_some(factor)
}

#[cfg(test)]
mod tests {
    use super::super::prepared::Prepared;
    use super::super::tilt::Tilt;
    use super::*;
    use crate::portfolio::Portfolio;

    /// 10 is lost with probability 0.2, and nothing otherwise: a mean of 2.
    const KNOWN: AnyLoss = AnyLoss { exactly: Some(0.2), at_most: 0.2 };
    const MEAN: f64 = 2.0;

    fn cvar(level: f64, sampled: f64) -> (f64, f64) {
        let found = KNOWN.cvar(MEAN, level, Estimate { value: sampled, standard_error: 0.5 });
        (found.value, found.standard_error)
    }

    #[test]
    fn the_mean_of_the_tail_stays_between_that_of_all_losses_and_the_whole_mean() {
        // Worst eighth: at least 2 / 0.2 as of all losses, at most 2 / 0.125 as if all were there.
        assert_eq!([3.0, 12.0, 25.0].map(|it| cvar(0.875, it)), [(10.0, 7.0), (12.0, 0.5), (16.0, 9.0)]);
        // The worst quarter has all of the mean, and so has more.
        assert_eq!(cvar(0.75, 3.0), (8.0, 0.0));
        assert_eq!(cvar(0.5, 3.0), (4.0, 0.0));
    }

    #[test]
    fn what_is_known_takes_the_place_of_what_was_sampled() {
        let sampled = |level: f64| Quantile { level, value: 30.0, low: 1.0, high: 90.0 };
        let mut figures = Figures {
            mean: MEAN,
            quantiles: vec![sampled(0.5), sampled(0.875)],
            cvar: vec![Cvar { level: 0.5, value: 9.0, standard_error: 0.5 }],
            any_loss: Estimate { value: 0.3, standard_error: 0.1 },
            ..Figures::default()
        };
        let mut unsure = figures.clone();
        KNOWN.settle(&mut figures);
        // Nothing in the middle; in one case of eight no more than 2 / 0.125.
        assert_eq!(figures.quantiles[0], Quantile { level: 0.5, value: 0.0, low: 0.0, high: 0.0 });
        assert_eq!(figures.quantiles[1], Quantile { level: 0.875, value: 16.0, low: 1.0, high: 16.0 });
        assert_eq!(figures.cvar[0], Cvar { level: 0.5, value: 4.0, standard_error: 0.0 });
        assert_eq!(figures.any_loss, Estimate { value: 0.2, standard_error: 0.0 });
        AnyLoss { exactly: None, ..KNOWN }.within(0.25).settle(&mut unsure);
        assert_eq!(unsure.any_loss, Estimate { value: 0.2, standard_error: 0.1 });
    }

    #[test]
    fn what_no_sample_of_the_nominal_law_saw_is_bounded_by_three_over_their_number() {
        let batch = || Batch { weights: vec![1.0; 25], ..Batch::default() };
        let mut samples = Samples {
            batches: (0..40).map(|_| batch()).collect(),
            tilts: Vec::new(),
            shares: vec![0.25, 0.75],
        };
        // All states: nothing is unseen.
        assert_eq!(Weights::of(&samples).unseen, 0.0);
        samples.tilts = vec![Tilt::none(&Prepared::new(&Portfolio::default()))];
        let weights = Weights::of(&samples);
        assert!((weights.unseen - 0.011_982_929_094).abs() < 1e-9, "{weights:?}");
        let none = weights.reaches(5, std::iter::empty(), Method::ImportanceSampling);
        let bounds = [1.0, 0.001].map(|most| none.within(most, weights.unseen).at_most);
        assert_eq!(bounds, [Some(weights.unseen), Some(0.001)]);
        assert_eq!(none.within(0.0, weights.unseen), AtLeast::exact(5, 0.0));
    }
}
