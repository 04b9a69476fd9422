//! A cadence as table with plain pictures, JSON, CSV and page.

use std::fmt::Write as _;
use std::io::{self, Write};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use underpin_exposure::cadence::{Answer, Cadence, Series};
use underpin_server::charts::cadence::histogram;

use super::csv::{cause, harmless};
use crate::output::{List, wrapped};

/// Letters of a picture on a terminal.
const PICTURE: usize = 60;
/// Signs for the number of maintenances in one letter's time, from none to many.
const SIGNS: [char; 5] = ['.', '|', 'H', '#', '@'];

pub(crate) fn json(cadence: &Cadence, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Answer::of(cadence))?;
    out.write_all(b"\n")
}

/// A row a maintenance.
pub(crate) fn csv(cadence: &Cadence, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(out);
    let header =
        ["series", "platform", "line", "dated", "first_day", "last_day", "dates", "patches", "gap_days"];
    writer.write_record(header).map_err(cause)?;
    for series in &cadence.series {
        // The gap of a maintenance is the one before it; the first has none.
        let gaps = series.gaps.iter().flat_map(|gaps| gaps.days.iter().map(ToString::to_string));
        let gaps = std::iter::once(String::new()).chain(gaps);
        for (batch, gap) in series.batches.iter().zip(gaps) {
            let row = [
                harmless(&series.name),
                harmless(series.platform.as_deref().unwrap_or_default()),
                harmless(series.line.as_deref().unwrap_or_default()),
                series.dated.map_or("", |dated| dated.name()).to_owned(),
                batch.first.to_string(),
                batch.last.to_string(),
                batch.dates.to_string(),
                batch.patches.to_string(),
                gap,
            ];
            writer.write_record(row).map_err(cause)?;
        }
    }
    writer.flush()
}

pub(crate) fn table(cadence: &Cadence, width: Option<u16>) -> String {
    let mut text = String::new();
    let header = [
        "SERIES",
        "DAYS",
        "MAINTENANCES",
        "EVERY",
        "DATES",
        "PATCHES",
        "GAP MEAN",
        "MEDIAN",
        "MIN",
        "MAX",
        "CV",
        "TREND",
        "SUPPORT",
        "FACTS UNTIL",
    ];
    let mut list = List::keyed(&header, &[0], width);
    for one in &cadence.series {
        let gap = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        let count = |value: Option<usize>| value.map_or("unknown".to_owned(), |value| value.to_string());
        let at_most = if one.patches_untold > 0 { "<= " } else { "" };
        let gaps = one.gaps.as_ref();
        list.row([
            one.name.clone(),
            one.dated.map_or("-", |dated| dated.name()).to_owned(),
            one.count_in_words(),
            one.mean_interval_days.map_or("-".to_owned(), |days| format!("{at_most}{days:.2} d")),
            count(one.distinct_dates),
            count(one.patches),
            gap(one.mean_gap_days),
            gap(gaps.map(|gaps| gaps.median_days)),
            gap(gaps.map(|gaps| gaps.min_days)),
            gap(gaps.map(|gaps| gaps.max_days)),
            gap(gaps.and_then(|gaps| gaps.coefficient_of_variation)),
            one.trend.map_or("-", |trend| trend.direction.label()).to_owned(),
            one.maturity.map_or_else(|| "-".to_owned(), |maturity| maturity.support()),
            one.covered_until.map_or("unknown".to_owned(), |day| day.to_string()),
        ]);
    }
    let _ = write!(text, "{list}");
    let policy = format!(
        "Policy: {}; patches within {} days are one maintenance; gaps in days",
        cadence.policy.name(),
        cadence.batch_days
    );
    text += "\n";
    text += &wrapped(&policy, "", width);
    for warning in &cadence.warnings {
        text += &wrapped(warning, "", width);
    }
    for one in &cadence.series {
        text += &sentence(one, width);
    }
    text += &timeline(cadence);
    for one in &cadence.series {
        text += &gaps(one);
    }
    text
}

/// The sentence that a series is about, and what must be known before it is compared.
fn sentence(one: &Series, width: Option<u16>) -> String {
    let mut text = String::new();
    if let (Some(built), Some(until)) = (one.built, one.until) {
        let or_less = if one.patches_untold > 0 { " or less" } else { "" };
        let every = one
            .mean_interval_days
            .map_or(String::new(), |days| format!(", one every {days:.2} days{or_less}"));
        let count = one.count_in_words();
        let built = format!("{}: built on {built}, by {until}: {count} maintenances{every}", one.name);
        text += "\n";
        text += &wrapped(&built, "", width);
    } else if !one.notes.is_empty() {
        text += "\n";
        text += &wrapped(&format!("{}:", one.name), "", width);
    }
    for note in &one.notes {
        text += &wrapped(note, "  ", width);
    }
    text
}

fn timeline(cadence: &Cadence) -> String {
    let firsts = || cadence.series.iter().flat_map(|one| &one.batches).map(|batch| batch.first);
    let (Some(from), Some(to)) = (firsts().min(), firsts().max()) else { return String::new() };
    let place = |day: jiff::civil::Date| {
        let days = |to: jiff::civil::Date| from.until(to).map_or(0, |span| span.get_days()) as f64;
        (days(day) / (days(to) + 1.0) * PICTURE as f64) as usize
    };
    let widest = cadence.series.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("\nTimeline, {from} to {to} ({})\n", legend());
    for one in &cadence.series {
        let mut counts = [0_usize; PICTURE];
        for batch in &one.batches {
            if let Some(count) = counts.get_mut(place(batch.first)) {
                *count += 1;
            }
        }
        let signs: String = counts.iter().map(|count| sign(*count)).collect();
        let _ = writeln!(text, "{:widest$}  {signs}", one.name);
    }
    text
}

fn sign(count: usize) -> char {
    let at = match count {
        0..=2 => count,
        3..=5 => 3,
        _ => 4,
    };
    SIGNS.get(at).copied().unwrap_or('@')
}

fn legend() -> String {
    let names = ["none", "1", "2", "3 to 5", "more"];
    SIGNS.iter().zip(names).map(|(sign, name)| format!("{sign} {name}")).collect::<Vec<_>>().join(", ")
}

fn gaps(one: &Series) -> String {
    let Some(gaps) = &one.gaps else { return String::new() };
    let (width, counts) = histogram(&gaps.days);
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let mut text = format!("\nGaps of {} in days\n", one.name);
    for (at, count) in counts.iter().enumerate() {
        let bar = "#".repeat((count * 50).div_ceil(most));
        let from = at as f64 * width;
        let _ = writeln!(text, "{:>11}  {count:>4}  {bar}", format!("{from}..{}", from + width).as_str());
    }
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A page of its own: the same pictures as on the server's page.
pub(crate) fn html(cadence: &Cadence) -> Markup {
    page("Cadence", "How often maintenance is asked for", &underpin_server::cadence_report(cadence))
}

/// A page that needs no other file, with the style of the server's pages.
pub(crate) fn page(name: &str, title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={"underpin " (env!("CARGO_PKG_VERSION"))};
                title { (name) " · Underpin" }
                style { (PreEscaped(underpin_server::STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top { span.brand { "Underpin" } span { (name) } }
                main id="content" tabindex="-1" {
                    h1 { (title) }
                    (content)
                }
            }
        }
    }
}
