//! The pictures of a cadence: a timeline with a row for each series, and histograms of the gaps.

use std::collections::BTreeSet;

use jiff::civil::Date;
use underpin_exposure::cadence::{Cadence, Series};

use super::{Axis, Chart, Mark, Shape, Tone, day};

/// Bars of a histogram at most; gaps beyond the last one are in it.
const BARS: usize = 24;
/// Widths of a bar in days, the smallest that fits is taken.
const WIDTHS: [f64; 9] = [1.0, 2.0, 7.0, 14.0, 30.0, 60.0, 90.0, 180.0, 365.0];

/// A stroke for each maintenance, a row for each series. `None`: there is no maintenance to show.
#[must_use]
pub fn timeline(cadence: &Cadence) -> Option<Chart> {
    let firsts = cadence.series.iter().flat_map(|one| one.batches.iter().map(|batch| batch.first));
    let ends = cadence.series.iter().flat_map(|one| one.built.into_iter().chain(one.until));
    let days: Vec<Date> = firsts.clone().chain(ends).collect();
    let (from, to) = (*days.iter().min()?, *days.iter().max()?);
    firsts.clone().next()?;
    let marks = cadence.series.iter().enumerate().map(|(row, one)| {
        let days = one.batches.iter().map(|batch| day(batch.first)).collect();
        Mark::new("", Tone::of_series(row), Shape::Strokes(row, days))
    });
    let counts = cadence.series.iter().map(|one| format!("{}: {}", one.name, one.count_in_words()));
    Some(Chart {
        title: "Maintenances over time".to_owned(),
        description: format!(
            "One stroke a maintenance, {from} to {to}. Maintenances: {}.",
            counts.collect::<Vec<_>>().join(", ")
        ),
        x: Axis::days("", from, to),
        y: Axis::names("", rows(cadence)),
        marks: marks.collect(),
    })
}

/// The names of the rows. What all of them begin with is left out: on a phone only that would be left of long names.
fn rows(cadence: &Cadence) -> Vec<String> {
    let platforms: BTreeSet<Option<&str>> =
        cadence.series.iter().map(|one| one.platform.as_deref()).collect();
    let same = if platforms.len() == 1 { platforms.first().copied().flatten() } else { None };
    let short = |one: &Series| {
        let rest = same.and_then(|platform| one.name.strip_prefix(platform)).map(str::trim_start);
        rest.filter(|rest| !rest.is_empty()).unwrap_or(&one.name).to_owned()
    };
    cadence.series.iter().map(short).collect()
}

/// How many gaps between maintenances are how long. `None`: fewer than two maintenances.
#[must_use]
pub fn gap_histogram(series: &Series, tone: Tone) -> Option<Chart> {
    let gaps = series.gaps.as_ref()?;
    let (width, counts) = histogram(&gaps.days);
    let columns = counts.iter().enumerate().map(|(at, count)| {
        let from = at as f64 * width;
        (from, from + width, *count as f64)
    });
    let deviation =
        gaps.sample_deviation_days.map_or(String::new(), |days| format!(", standard deviation {days:.2}"));
    let most = counts.iter().copied().max().unwrap_or(0);
    Some(Chart {
        title: format!("Gaps between maintenances: {}", series.name),
        description: format!(
            "{} gaps of {} to {} days in bars of {width} days; median {}, mean {:.2}{}.",
            gaps.count, gaps.min_days, gaps.max_days, gaps.median_days, gaps.mean_days, deviation
        ),
        x: Axis::linear("days between maintenances", 0.0, width * counts.len() as f64),
        y: Axis::counts("gaps", most),
        marks: vec![
            Mark::new("gaps", tone, Shape::Columns(columns.collect())),
            Mark::new(
                format!("median {}", gaps.median_days),
                Tone::Plain,
                Shape::UprightRule(gaps.median_days),
            ),
        ],
    })
}

/// The width of a bar in days, and how many gaps are in each bar; the first one holds gaps from 0 up to its width.
#[must_use]
pub fn histogram(days: &[f64]) -> (f64, Vec<usize>) {
    let longest = days.iter().copied().fold(0.0_f64, f64::max);
    let fits = |width: &f64| longest / width < BARS as f64;
    let width = WIDTHS.into_iter().find(fits).unwrap_or((longest / BARS as f64).ceil().max(1.0));
    let bar = |gap: f64| ((gap / width) as usize).min(BARS);
    let mut counts = vec![0; bar(longest) + 1];
    for gap in days {
        if let Some(count) = counts.get_mut(bar(*gap)) {
            *count += 1;
        }
    }
    (width, counts)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use jiff::civil::date;
    use underpin_exposure::cadence::{Interval, Policy, of_dates};

    use super::*;

    fn of(days: &[i32]) -> Series {
        let dates: Vec<Date> =
            days.iter().map(|day| date(2020, 1, 1).checked_add((*day).days()).unwrap()).collect();
        of_dates(&dates, Interval::default(), 0).unwrap()
    }

    #[test]
    fn every_gap_is_in_one_bar() {
        for days in [vec![1.0], vec![1.0, 23.0, 24.0], vec![0.5, 400.0], vec![1.0, 20_000.0, 7.0]] {
            let (width, counts) = histogram(&days);
            assert_eq!(counts.iter().sum::<usize>(), days.len(), "{days:?}");
            assert!(counts.len() <= BARS + 1 && *counts.last().unwrap() > 0, "{width} {counts:?}");
        }
        assert_eq!(histogram(&[1.0, 1.0, 3.0]), (1.0, vec![0, 2, 0, 1]));
        assert_eq!(
            histogram(&[10.0, 30.0, 40.0]),
            (2.0, {
                let mut bars = vec![0; 21];
                (bars[5], bars[15], bars[20]) = (1, 1, 1);
                bars
            })
        );
    }

    #[test]
    fn a_timeline_has_a_row_for_each_series_even_an_empty_one() {
        let cadence = |series| Cadence { policy: Policy::All, batch_days: 0, series, warnings: vec![] };
        let chart = timeline(&cadence(vec![of(&[0, 5, 9]), of(&[])])).unwrap();
        assert_eq!(chart.marks.len(), 2);
        assert!(chart.description.contains("2020-01-01 to 2020-01-10"), "{}", chart.description);
        assert_eq!(timeline(&cadence(vec![of(&[])])), None);
        assert_eq!(gap_histogram(&of(&[0]), Tone::First), None);
        let picture = crate::charts::standalone(&gap_histogram(&of(&[0, 5, 9]), Tone::First).unwrap());
        assert!(picture.contains("median 4.5") && !picture.contains("NaN"), "{picture}");
    }
}
