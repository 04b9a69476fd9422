//! Batches of dates, and statistics of the gaps between them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its first day.
    pub first: Date,
    /// Its last day.
    pub last: Date,
    /// Different days in it.
    pub dates: usize,
    /// Patches in it.
    pub patches: usize,
}

/// Days between the first days of neighbouring maintenances.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gaps {
    /// Number of gaps.
    pub count: usize,
    /// Mean, in days.
    pub mean_days: f64,
    /// Median, in days.
    pub median_days: f64,
    /// Shortest, in days.
    pub min_days: f64,
    /// Longest, in days.
    pub max_days: f64,
    /// Quantiles: linear between order statistics (type 7 of Hyndman and Fan, 1996).
    pub quantiles: Vec<Quantile>,
    /// Sample standard deviation (divisor n - 1), in days; `None` for a single gap.
    pub sample_deviation_days: Option<f64>,
    /// Deviation / mean: 0 for a clockwork, 1 for pure chance (exponential gaps), more for bursts.
    pub coefficient_of_variation: Option<f64>,
    /// Variance / mean, in days (index of dispersion of the gaps).
    pub dispersion_index_days: Option<f64>,
    /// Every gap in days, in order of time.
    pub days: Vec<f64>,
}

/// A quantile of the gaps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantile {
    /// Share of the gaps that are not longer.
    pub share: f64,
    /// Days.
    pub days: f64,
}

/// Whether maintenances become more frequent: the Laplace test for a trend in a series of events (Cox and Lewis, 1966).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trend {
    /// The statistic, standard normal where there is no trend; negative: less frequent towards the end.
    pub laplace: f64,
    /// What it says at the level of 5 % (beyond 1.96).
    pub direction: TrendDirection,
}

/// What a trend test says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrendDirection {
    /// Maintenances become more frequent.
    MoreFrequent,
    /// No trend can be told from chance.
    None,
    /// Maintenances become less frequent.
    LessFrequent,
}

impl TrendDirection {
    /// The words for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::MoreFrequent => "more frequent",
            Self::None => "no trend",
            Self::LessFrequent => "less frequent",
        }
    }
}

const SHARES: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95];
/// Quantile of the standard normal distribution at 97.5 %.
const TWO_SIDED: f64 = 1.96;

/// Days from one date to another.
pub(super) fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

/// Joins sorted, distinct dates with their numbers of patches into batches: each starts with the first date that is not
/// within the window of the one before. No other way to cut them needs fewer batches.
pub(super) fn batches(dates: impl Iterator<Item = (Date, usize)>, window_days: u16) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for (date, patches) in dates {
        match batches.last_mut() {
            Some(batch) if days_between(batch.first, date) <= i32::from(window_days) => {
                batch.last = date;
                batch.dates += 1;
                batch.patches += patches;
            }
            _ => batches.push(Batch { first: date, last: date, dates: 1, patches }),
        }
    }
    batches
}

/// Statistics of the gaps; `None` for fewer than two batches.
pub(super) fn gaps(batches: &[Batch]) -> Option<Gaps> {
    let days: Vec<f64> = batches
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => Some(f64::from(days_between(a.first, b.first))),
            _ => None,
        })
        .collect();
    let mut sorted = days.clone();
    sorted.sort_by(f64::total_cmp);
    let (min_days, max_days) = (*sorted.first()?, *sorted.last()?);
    let count = days.len();
    let mean = days.iter().sum::<f64>() / count as f64;
    let squares: f64 = days.iter().map(|gap| (gap - mean).powi(2)).sum();
    let variance = (count > 1).then(|| squares / (count as f64 - 1.0));
    Some(Gaps {
        count,
        mean_days: mean,
        median_days: quantile(&sorted, 0.5)?,
        min_days,
        max_days,
        quantiles: SHARES
            .into_iter()
            .filter_map(|share| Some(Quantile { share, days: quantile(&sorted, share)? }))
            .collect(),
        sample_deviation_days: variance.map(f64::sqrt),
        // Batches are of different days, so a gap is at least one day and the mean is never 0.
        coefficient_of_variation: variance.map(|variance| variance.sqrt() / mean),
        dispersion_index_days: variance.map(|variance| variance / mean),
        days,
    })
}

fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * (sorted.len().checked_sub(1)? as f64);
    let (low, high) = (sorted.get(at.floor() as usize)?, sorted.get(at.ceil() as usize)?);
    Some(low + (high - low) * at.fract())
}

/// The Laplace test over the time from the first to the last maintenance; the events between them are tested. `None` for
/// fewer than two events between: the normal approximation says nothing about them.
pub(super) fn trend(batches: &[Batch]) -> Option<Trend> {
    let (first, last) = (batches.first()?.first, batches.last()?.first);
    let between = batches.get(1..batches.len().checked_sub(1)?).filter(|between| between.len() >= 2)?;
    let (count, span) = (between.len() as f64, f64::from(days_between(first, last)));
    let mean = between.iter().map(|batch| f64::from(days_between(first, batch.first))).sum::<f64>() / count;
    let laplace = (mean - span / 2.0) / (span * (1.0 / (12.0 * count)).sqrt());
    let direction = if laplace > TWO_SIDED {
        TrendDirection::MoreFrequent
    } else if laplace < -TWO_SIDED {
        TrendDirection::LessFrequent
    } else {
        TrendDirection::None
    };
    Some(Trend { laplace, direction })
}
