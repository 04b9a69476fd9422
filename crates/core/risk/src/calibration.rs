//! Predictions against what happened: Brier score with its decomposition, log score, reliability diagram.
//!
//! A prediction gives a probability that something happens within a span; when the span is over it has happened or not.
//! Brier score: the mean squared error, which splits (Murphy 1973) into *reliability* (how far stated probabilities are
//! from frequencies: 0 is best), *resolution* (how far frequencies of the bins are from the base rate: more is better) and
//! *uncertainty* (of the base rate itself), `Brier = reliability - resolution + uncertainty`, exactly where all predictions of
//! a bin state the same probability; what differs within bins is given apart.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use underpin_model::quantity::{Days, Probability};

use crate::evidence::interval_95;

/// The log score takes no probability nearer to 0 or 1 than this, so that one certain mistake is bad and not infinite.
pub const LOG_CAP: f64 = 1e-6;

/// Something foretold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Its id.
    pub id: String,
    /// The day on which it was made.
    pub made_on: Date,
    /// The span that it speaks of.
    pub horizon: Days,
    /// How likely it happens within the span.
    pub probability: Probability,
    /// What happens: `exploited`, `release-bad`, `host-hit`, ...
    pub kind: String,
    /// What it happens to: a vulnerability, a release, a group.
    pub subject: String,
}

/// What became of a prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The id of the prediction.
    pub id: String,
    /// It happened within the span.
    pub happened: bool,
}

/// Why predictions cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// Two predictions, or two outcomes, have one id.
    #[error("{what} {id:?} is there twice; give each its own id")]
    Twice {
        /// Prediction or outcome.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// An outcome belongs to no prediction.
    #[error("outcome {id:?} belongs to no prediction; remove it or add the prediction")]
    Stray {
        /// The id.
        id: String,
    },
    /// A diagram needs bins.
    #[error("found {found} bins, expected 1 to 100")]
    Bins {
        /// What was asked for.
        found: usize,
    },
}

/// Predictions whose stated probability lies in one interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Low end of the interval.
    pub from: f64,
    /// High end.
    pub to: f64,
    /// Predictions.
    pub count: u32,
    /// Of them, happened.
    pub happened: u32,
    /// Mean of the stated probabilities; `None`: no prediction.
    pub stated: Option<f64>,
    /// Frequency; `None`: no prediction.
    pub frequency: Option<f64>,
    /// 95 % Clopper-Pearson interval of the frequency; `None`: no prediction.
    pub interval: Option<(f64, f64)>,
}

/// How well predictions did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Predictions with an outcome.
    pub scored: u32,
    /// Predictions without one yet.
    pub open: u32,
    /// Share that happened.
    pub base_rate: f64,
    /// Brier score: 0 is best, 0.25 is always saying a half.
    pub brier: f64,
    /// Its part from stated probabilities that are off the frequencies.
    pub reliability: f64,
    /// Its part that telling cases apart saves.
    pub resolution: f64,
    /// Its part that the base rate makes unavoidable.
    pub uncertainty: f64,
    /// What remains because predictions of one bin state different probabilities.
    pub within_bins: f64,
    /// Mean negative logarithm of the probability given to what happened; 0 is best. Capped, see [`LOG_CAP`].
    pub log_score: f64,
    /// The reliability diagram.
    pub bins: Vec<Bin>,
}

/// Scores predictions; `None` where none has an outcome yet.
///
/// # Errors
/// [`CalibrationError`] names the id that is there twice or belongs to nothing.
pub fn score(
    predictions: &[Prediction],
    outcomes: &[Outcome],
    bins: usize,
) -> Result<Option<Calibration>, CalibrationError> {
    if !(1..=100).contains(&bins) {
        return Err(CalibrationError::Bins { found: bins });
    }
    let pairs = joined(predictions, outcomes)?;
    if pairs.is_empty() {
        return Ok(None);
    }
    let count = pairs.len() as f64;
    let mean = |of: &dyn Fn(f64, bool) -> f64| pairs.iter().map(|(p, it)| of(*p, *it)).sum::<f64>() / count;
    let base_rate = mean(&|_, happened| f64::from(u8::from(happened)));
    let brier = mean(&|p, happened| (p - f64::from(u8::from(happened))).powi(2));
    let log_score = mean(&|p, happened| {
        let given = if happened { p } else { 1.0 - p };
        -given.clamp(LOG_CAP, 1.0 - LOG_CAP).ln()
    });
    let bins = diagram(&pairs, bins);
    let weighted = |of: &dyn Fn(f64, f64) -> f64| {
        let one = |bin: &Bin| Some(f64::from(bin.count) * of(bin.stated?, bin.frequency?));
        bins.iter().filter_map(one).sum::<f64>() / count
    };
    let reliability = weighted(&|stated, frequency| (stated - frequency).powi(2));
    let resolution = weighted(&|_, frequency| (frequency - base_rate).powi(2));
    let uncertainty = base_rate * (1.0 - base_rate);
    let scored = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    Ok(Some(Calibration {
        scored,
        open: u32::try_from(predictions.len() - pairs.len()).unwrap_or(u32::MAX),
        base_rate,
        brier,
        reliability,
        resolution,
        uncertainty,
        within_bins: rounded(brier - (reliability - resolution + uncertainty)),
        log_score,
        bins,
    }))
}

/// A difference of sums of numbers up to 1 that is nothing but their rounding is 0.
fn rounded(difference: f64) -> f64 {
    if difference.abs() < 1e-12 { 0.0 } else { difference }
}

/// Stated probabilities with what happened, in the order of the predictions.
fn joined(predictions: &[Prediction], outcomes: &[Outcome]) -> Result<Vec<(f64, bool)>, CalibrationError> {
    let mut by_id = rustc_hash::FxHashMap::default();
    for outcome in outcomes {
        if by_id.insert(outcome.id.as_str(), outcome.happened).is_some() {
            return Err(CalibrationError::Twice { what: "outcome", id: outcome.id.clone() });
        }
    }
    let mut seen = rustc_hash::FxHashSet::default();
    let mut pairs = Vec::new();
    for prediction in predictions {
        if !seen.insert(prediction.id.as_str()) {
            return Err(CalibrationError::Twice { what: "prediction", id: prediction.id.clone() });
        }
        pairs.extend(by_id.get(prediction.id.as_str()).map(|it| (prediction.probability.get(), *it)));
    }
    match outcomes.iter().find(|it| !seen.contains(it.id.as_str())) {
        Some(stray) => Err(CalibrationError::Stray { id: stray.id.clone() }),
        None => Ok(pairs),
    }
}

fn diagram(pairs: &[(f64, bool)], bins: usize) -> Vec<Bin> {
    let width = 1.0 / bins as f64;
    let bin_of = |p: f64| ((p / width) as usize).min(bins - 1);
    let one = |at: usize| {
        let own: Vec<_> = pairs.iter().filter(|(p, _)| bin_of(*p) == at).collect();
        let happened = own.iter().filter(|(_, happened)| *happened).count();
        let some = !own.is_empty();
        let count = own.len() as f64;
        Bin {
            from: at as f64 * width,
            to: (at + 1) as f64 * width,
            count: u32::try_from(own.len()).unwrap_or(u32::MAX),
            happened: u32::try_from(happened).unwrap_or(u32::MAX),
            stated: some.then(|| own.iter().map(|(p, _)| p).sum::<f64>() / count),
            frequency: some.then(|| happened as f64 / count),
            interval: some.then(|| interval_95(happened as u64, own.len() as u64)),
        }
    };
    (0..bins).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(list: &[(f64, bool)]) -> (Vec<Prediction>, Vec<Outcome>) {
        let predictions = list.iter().enumerate().map(|(at, (p, _))| Prediction {
            id: at.to_string(),
            made_on: "2026-01-01".parse().unwrap(),
            horizon: Days::new(30.0).unwrap(),
            probability: Probability::new(*p).unwrap(),
            kind: "exploited".to_owned(),
            subject: "CVE-2026-0001".to_owned(),
        });
        let outcomes =
            list.iter().enumerate().map(|(at, (_, it))| Outcome { id: at.to_string(), happened: *it });
        (predictions.collect(), outcomes.collect())
    }

    fn scored(list: &[(f64, bool)]) -> Calibration {
        let (predictions, outcomes) = cases(list);
        score(&predictions, &outcomes, 10).unwrap().unwrap()
    }

    #[test]
    fn the_parts_of_the_brier_score_sum_up() {
        let list =
            [(0.1, false), (0.1, false), (0.1, true), (0.8, true), (0.8, true), (0.8, false), (0.35, true)];
        let it = scored(&list);
        // By hand: 2(0.01) + 0.81 + 2(0.04) + 0.64 + 0.4225, over 7.
        assert!((it.brier - 1.9725 / 7.0).abs() < 1e-12, "{}", it.brier);
        assert_eq!(it.within_bins, 0.0, "one probability a bin, and no rounding shows");
        assert!((it.reliability - it.resolution + it.uncertainty - it.brier).abs() < 1e-12);
        assert_eq!(it.bins.iter().map(|bin| bin.count).sum::<u32>(), 7);
        let mixed = scored(&[(0.11, false), (0.19, true)]);
        assert!(mixed.within_bins.abs() > 1e-3);
    }

    #[test]
    fn an_honest_forecaster_is_reliable_and_a_boastful_one_is_not() {
        let honest: Vec<_> = (0..100).map(|at| (0.25, at % 4 == 0)).collect();
        let boastful: Vec<_> = (0..100).map(|at| (0.95, at % 4 == 0)).collect();
        assert!(scored(&honest).reliability < 1e-12);
        assert!(scored(&boastful).reliability > 0.4);
        let bin = scored(&honest).bins[2];
        let (low, high) = bin.interval.unwrap();
        assert!(low < 0.25 && 0.25 < high && bin.count == 100);
    }

    #[test]
    fn a_certain_mistake_is_bad_and_not_infinite() {
        let it = scored(&[(0.0, true), (1.0, false), (1.0, true)]);
        assert!(it.log_score.is_finite() && it.log_score > 9.0);
        assert_eq!(it.bins[9].count, 2);
        assert!(scored(&[(1.0, true)]).log_score < 1e-5);
    }

    #[test]
    fn without_outcomes_there_is_no_score_and_strays_are_named() {
        let (predictions, outcomes) = cases(&[(0.5, true)]);
        assert_eq!(score(&predictions, &[], 10), Ok(None));
        assert_eq!(score(&[], &outcomes, 10), Err(CalibrationError::Stray { id: "0".to_owned() }));
        let twice = [outcomes[0].clone(), outcomes[0].clone()];
        assert!(score(&predictions, &twice, 10).unwrap_err().to_string().contains("\"0\" is there twice"));
        assert!(score(&predictions, &outcomes, 0).is_err());
    }
}
