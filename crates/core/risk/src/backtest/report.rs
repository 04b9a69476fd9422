//! The answer of a backtest: one row a policy.

use std::fmt;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use serde::Serialize;
use underpin_model::facts::{DateKind, Period};

use super::history::{Bad, History};
use super::replay::{BLOCK_DAYS, ReplayFleet, Replayed, Sums, Taken};
use super::view::days;
use crate::withdrawals::Withdrawal;

/// Resamples of the bootstrap.
pub const RESAMPLES: usize = 1000;
/// With fewer blocks than this an interval says nothing.
pub const FEWEST_BLOCKS: usize = 4;

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// What the replay gave.
    pub value: f64,
    /// 2.5 % and 97.5 % quantile of the block bootstrap; `None`: too short a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
}

/// What a policy cost over a span.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures {
    /// The span.
    pub period: Period,
    /// Days x hosts x published vulnerabilities that are open; `None`: none is known, which is not none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure_days: Option<Figure>,
    /// The same, for the days after the vulnerability was added to KEV; `None` where nobody can know: the span begins before KEV did and
    /// nothing of the line is listed, or no vulnerability of it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploited_exposure_days: Option<Figure>,
    /// Days x hosts on which a newer release was out.
    pub lag_days: Figure,
    /// Releases taken that were withdrawn or repaired early.
    pub bad_releases: Figure,
    /// Of these, withdrawn.
    pub withdrawn_taken: u64,
    /// Releases taken that were replaced early, by what the facts do not tell: not among the bad ones.
    pub unclear_taken: u64,
    /// Hosts that got a bad release.
    pub bad_release_hosts: u64,
    /// Roll-outs begun.
    pub maintenances: Figure,
    /// Hosts x reboots.
    pub host_reboots: Figure,
    /// Mean days from the day that a fix was there to the day that a host had it, or to the end of the span where it never did
    /// (restricted mean): at least so many. `None`: no vulnerability had a fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted_mean_days_to_patch: Option<Figure>,
    /// Hosts x vulnerabilities with a fix that were not patched within the span: of them the mean above counts the days until its end.
    /// `None`: no vulnerability is known on any day, which is not none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never_patched: Option<u64>,
    /// Hosts x vulnerabilities that were open at the end, whose days to patch are not known. `None`: no vulnerability is known
    /// on any day, which is not none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_at_end: Option<u64>,
    /// Days of the span on which no vulnerability of the line is known, which is not none: what stands open on them is in no
    /// figure.
    pub days_without_facts: u64,
    /// Days of the span before KEV began: what was exploited on them nobody listed, so that exploited exposure is at least what is
    /// stated.
    pub days_before_kev: u64,
    /// Loss under the policy's rates.
    pub loss: LossParts,
}

/// Loss in the policy's currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LossParts {
    /// All parts together; at least so much where [`Measures::days_without_facts`] is above 0. `None`: no vulnerability is
    /// known on any day, and so neither what exposure cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Figure>,
    /// Expected loss by compromise; `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<f64>,
    /// Expected loss by bad releases.
    pub bad_releases: f64,
    /// What would be added if every early replacement that is unclear had been a repair.
    pub if_unclear_are_bad: f64,
    /// Maintenances.
    pub maintenance: f64,
}

impl Measures {
    pub(super) fn of(period: Period, replayed: &Replayed, seed: u64, history: &History) -> Self {
        let days_without_facts = without_facts(period, history.holes_span());
        let holes_known = days_without_facts < length(period);
        let blocks = &replayed.blocks;
        let mut all = Sums::default();
        blocks.iter().for_each(|it| all.add(it));
        // Nothing listed is no sign that nothing was exploited, unless the list was there all the time.
        let kev = history.signals.kev.filter(|it| it.from <= period.to);
        let days_before_kev =
            kev.map_or(length(period), |it| u64::try_from(days(period.from, it.from)).unwrap_or(0));
        let kev_known = holes_known && kev.is_some() && (days_before_kev == 0 || all.exploited_days > 0.0);
        let samples = resample(blocks, seed);
        let figure = |of: fn(&Sums) -> f64| Figure { value: of(&all), interval: interval(&samples, of) };
        let mean = |it: &Sums| if it.patchable > 0.0 { it.days_to_patch / it.patchable } else { f64::NAN };
        Self {
            period,
            exposure_days: holes_known.then(|| figure(|it| it.exposure_days)),
            exploited_exposure_days: kev_known.then(|| figure(|it| it.exploited_days)),
            lag_days: figure(|it| it.lag_days),
            bad_releases: figure(|it| it.withdrawn + it.repaired),
            withdrawn_taken: all.withdrawn as u64,
            unclear_taken: all.unclear as u64,
            bad_release_hosts: all.bad_hosts as u64,
            maintenances: figure(|it| it.maintenances),
            host_reboots: figure(|it| it.reboots),
            restricted_mean_days_to_patch: (all.patchable > 0.0)
                .then(|| Figure { value: mean(&all), interval: interval(&samples, mean) }),
            never_patched: holes_known.then_some(all.never_patched as u64),
            open_at_end: holes_known.then_some(replayed.open_at_end),
            days_without_facts,
            days_before_kev,
            loss: LossParts {
                total: holes_known.then(|| figure(Sums::loss)),
                exposure: holes_known.then_some(all.loss_exposure),
                bad_releases: all.loss_bad,
                if_unclear_are_bad: all.loss_unclear,
                maintenance: all.loss_maintenance,
            },
        }
    }
}

impl Measures {
    /// Whether every sum is a number: finite rates may add up beyond what a number holds.
    pub(super) fn is_finite(&self) -> bool {
        let parts = &self.loss;
        let ends = parts.total.and_then(|it| it.interval).into_iter().flatten();
        let sums = [parts.bad_releases, parts.if_unclear_are_bad, parts.maintenance].into_iter();
        sums.chain(parts.total.map(|it| it.value)).chain(parts.exposure).chain(ends).all(f64::is_finite)
    }
}

/// Days of a span, both ends counted.
fn length(span: Period) -> u64 {
    u64::try_from(days(span.from, span.to) + 1).unwrap_or(0)
}

/// Days of a span outside of the days on which vulnerabilities were published.
fn without_facts(span: Period, known: Option<Period>) -> u64 {
    let within = known
        .map(|it| Period { from: it.from.max(span.from), to: it.to.min(span.to) })
        .filter(|it| it.from <= it.to);
    length(span) - within.map_or(0, length)
}

/// Block bootstrap: as many blocks as there are, drawn with replacement. The draws depend on the seed and the number of
/// blocks alone, so that policies over the same span meet the same resampled years.
fn resample(blocks: &[Sums], seed: u64) -> Vec<Sums> {
    if blocks.len() < FEWEST_BLOCKS {
        return Vec::new();
    }
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let draw = |_| {
        let mut sums = Sums::default();
        for _ in 0..blocks.len() {
            if let Some(block) = blocks.get(rng.random_range(0..blocks.len())) {
                sums.add(block);
            }
        }
        sums
    };
    (0..RESAMPLES).map(draw).collect()
}

fn interval(samples: &[Sums], of: impl Fn(&Sums) -> f64) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = samples.iter().map(of).filter(|it| it.is_finite()).collect();
    // A quotient of samples in which nothing had a fix is no value; too many of them, and there is no interval.
    if values.len() < RESAMPLES / 2 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() - 1) as f64 * share).round() as usize).copied();
    Some([at(0.025)?, at(0.975)?])
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub policy: String,
    /// It could be replayed.
    pub evaluable: bool,
    /// Why not, or what its span or coverage leaves out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Vulnerabilities of the line for which its signal exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_for: Option<usize>,
    /// Over all the days on which its signal existed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measures: Option<Measures>,
    /// Over the days that all evaluable policies have in common: what the frontier compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common: Option<Measures>,
    /// No other policy is better in one measure of the frontier and as good in the others.
    pub on_frontier: bool,
    /// The roll-outs that it began.
    pub taken: Vec<Taken>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Product or distribution.
    pub platform: String,
    /// Line.
    pub line: String,
    /// What is released.
    pub component: String,
    /// The hosts.
    pub fleet: ReplayFleet,
    /// Currency of the losses.
    pub currency: String,
    /// Hosts patched per day.
    pub hosts_per_day: f64,
    /// The span asked for.
    pub period: Period,
    /// The span that all evaluable policies have in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_period: Option<Period>,
    /// What the days of releases mean.
    pub dates: DateKind,
    /// Releases within the span.
    pub releases: usize,
    /// Vulnerabilities with a release that closes them, or known to be open.
    pub vulnerabilities: usize,
    /// The days on which those were published: outside it exposure is not counted, because none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerabilities_span: Option<Period>,
    /// Those whose day of publication no source tells.
    pub vulnerabilities_without_day: usize,
    /// Bad releases of the line.
    pub bad_releases: Vec<Bad>,
    /// Known incidents of the product, of other lines too.
    pub incidents: Vec<&'static Withdrawal>,
    /// The measures that the frontier compares.
    pub frontier_axes: [&'static str; 3],
    /// One row a policy.
    pub policies: Vec<Row>,
    /// What the figures leave out.
    pub notes: Vec<String>,
    /// Days of one block of the bootstrap, its resamples and its seed.
    pub bootstrap: Bootstrap,
}

/// How the intervals were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bootstrap {
    /// Days of a block.
    pub block_days: i64,
    /// Resamples.
    pub resamples: usize,
    /// Seed.
    pub seed: u64,
}

impl Bootstrap {
    pub(super) fn with(seed: u64) -> Self {
        Self { block_days: BLOCK_DAYS, resamples: RESAMPLES, seed }
    }
}

/// A measure of the frontier with its name.
type Axis = (&'static str, fn(&Measures) -> f64);

/// Marks the rows that no other row dominates; gives the names of the measures compared. Where nothing of the line was
/// listed in KEV, exposure stands in for exploited exposure, and where no vulnerability is known either, the days behind
/// the newest release do: or else never patching would win by what nobody knows.
pub(super) fn mark_frontier(rows: &mut [Row]) -> [&'static str; 3] {
    let axes: [Axis; 3] = [
        ("exploited_exposure_days", |it| it.exploited_exposure_days.map_or(0.0, |it| it.value)),
        ("exposure_days", |it| it.exposure_days.map_or(0.0, |it| it.value)),
        ("lag_days", |it| it.lag_days.value),
    ];
    let common = || rows.iter().filter_map(|it| it.common.as_ref());
    let [_, _, last] = axes;
    let (name, first) = axes.into_iter().find(|(_, of)| common().any(|it| of(it) > 0.0)).unwrap_or(last);
    let point = |it: &Measures| [first(it), it.maintenances.value, it.bad_releases.value];
    let points: Vec<Option<[f64; 3]>> = rows.iter().map(|it| it.common.as_ref().map(point)).collect();
    for (row, own) in rows.iter_mut().zip(&points) {
        let Some(own) = own else { continue };
        row.on_frontier = !points.iter().flatten().any(|other| dominates(other, own));
    }
    [name, "maintenances", "bad_releases"]
}

fn dominates(one: &[f64; 3], other: &[f64; 3]) -> bool {
    one.iter().zip(other).all(|(a, b)| a <= b) && one.iter().zip(other).any(|(a, b)| a < b)
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = usize::from(self.value.fract() != 0.0 && self.value.abs() < 1000.0);
        write!(f, "{:.places$}", self.value)?;
        match self.interval {
            Some([low, high]) => write!(f, " ({low:.places$}-{high:.places$})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_dominated_only_by_one_that_is_nowhere_worse_and_somewhere_better() {
        let own = [10.0, 5.0, 1.0];
        assert!(dominates(&[10.0, 4.0, 1.0], &own));
        assert!(!dominates(&own, &own), "equal points are both on the frontier");
        assert!(!dominates(&[0.0, 0.0, 2.0], &own) && !dominates(&[11.0, 0.0, 0.0], &own));
    }

    #[test]
    fn an_interval_is_made_of_whole_blocks() {
        let block = |exposure_days| Sums { exposure_days, ..Sums::default() };
        // One of ten blocks holds everything: the number of its draws is binomial with mean 1, 0 to 3 at 95 %.
        let mut blocks = vec![block(0.0); 9];
        blocks.push(block(100.0));
        let samples = resample(&blocks, 7);
        assert_eq!(samples.len(), RESAMPLES);
        assert_eq!(interval(&samples, |it| it.exposure_days), Some([0.0, 300.0]));
        assert_eq!(interval(&samples, |_| f64::NAN), None);
        assert!(resample(&blocks[..FEWEST_BLOCKS - 1], 7).is_empty());
    }
}
