//! How often platforms ask for maintenance: timeline, gaps, side by side.

use axum::extract::State;
use maud::{Markup, html};
use underpin_exposure::cadence::{Cadence, Dated, Policy, Series, Split, Volume};

use super::parts::{address, field, scroll};
use super::{PageError, page};
use crate::cadence::{CadenceQuery, answer};
use crate::charts::{self, Tone};
use crate::query::Query;
use crate::state::Shared;

mod derive;

/// Series of which the gaps are drawn and the volume is told; the table side by side has all.
const DRAWN: usize = 8;
/// Components in the table of volume; the rest are summed up by the tables of area and class.
const VOLUMES: usize = 12;
const NONE: &str = "\u{2013}";

pub(super) async fn cadence(
    State(app): State<Shared>,
    Query(mut query): Query<CadenceQuery>,
) -> Result<Markup, PageError> {
    let index = app.index();
    let history = app.history().await?;
    let platforms = history.platforms();
    // A first look needs something to look at: the first platform that has any.
    if query.platform.as_deref().unwrap_or_default().is_empty() {
        query.platform = platforms.iter().find(|name| *name == "esxi").or(platforms.first()).cloned();
    }
    let content = html! {
        h1 { "How often maintenance is asked for" }
        p.soft { "What a host built on one day would have been put into maintenance for by another day, by the feeds that are known." }
        @if platforms.is_empty() {
            section { p { "No feed has a dated patch yet. " a href="/feeds" { "Upload feeds" } "." } }
        } @else {
            section aria-labelledby="choose" {
                h2 id="choose" { "Choose" }
                (form(&query))
                p.soft { "Platforms: " @for (at, name) in platforms.iter().enumerate() {
                    @if at > 0 { ", " } a href=(address("/cadence", &[("platform", Some(name))])) { (name) }
                } "." }
            }
            (report(&answer(&app, &query).await?))
        }
    };
    Ok(page("Cadence", "/cadence", index.as_deref(), content))
}

fn form(query: &CadenceQuery) -> Markup {
    let choice = |name: &str, label: &str, value: &Option<String>, all: &[(&str, &str)]| {
        html! { div { label for=(name) { (label) } select id=(name) name=(name) {
            @for (one, words) in all {
                option value=(one) selected[value.as_deref().unwrap_or_default() == *one] { (words) }
            }
        } } }
    };
    let mut kinds = vec![("", "first known")];
    kinds.extend(Dated::ALL.map(|one| (one.name(), one.name())));
    let splits = [
        ("nothing", "nothing"),
        ("line", "line"),
        ("component", "component"),
        ("area", "area"),
        ("class", "class"),
    ];
    // What is not understood is told below, and nothing is chosen here.
    let by = query.split().ok().map(|it| it.map_or("nothing", Split::name).to_owned());
    html! {
        form.find action="/cadence" {
            (field("platform", "Platforms", &query.platform, "text", "esxi,proxmox"))
            (field("line", "Lines", &query.line, "text", "7.0,8"))
            (field("component", "Components", &query.component, "text", "*kernel*"))
            (field("built", "Built on", &query.built, "date", ""))
            (field("until", "Until", &query.until, "date", ""))
            (field("batch_days", "Batch, days", &query.batch_days, "number", "0"))
            (choice("policy", "Policy", &query.policy, &Policy::ALL.map(|one| (one.name(), one.name()))))
            (choice("dated", "Days", &query.dated, &kinds))
            (choice("by", "Split by", &by, &splits))
            button { "Show" }
        }
    }
}

/// The pictures and tables of a cadence, for the page and for a file of its own.
#[must_use]
pub fn report(cadence: &Cadence) -> Markup {
    html! {
        section aria-labelledby="side" {
            h2 id="side" { "Side by side" }
            (side_by_side(cadence))
            (notes(cadence))
        }
        @if let Some(chart) = charts::cadence::timeline(cadence) {
            section aria-labelledby="timeline" {
                h2 id="timeline" { "Timeline" }
                (charts::figure(&chart, &batches(cadence)))
            }
        }
        @for (at, series) in cadence.series.iter().enumerate().take(DRAWN) {
            @if let Some(chart) = charts::cadence::gap_histogram(series, Tone::of_series(at)) {
                section aria-labelledby={"gaps-" (at)} {
                    h2 id={"gaps-" (at)} { "Gaps: " (series.name) }
                    (charts::figure(&chart, &quantiles(series)))
                }
            }
        }
        (volume(cadence))
    }
}

fn side_by_side(cadence: &Cadence) -> Markup {
    let caption = format!(
        "Policy {}; patches within {} days are one maintenance; gaps in days",
        cadence.policy.name(),
        cadence.batch_days
    );
    scroll(
        &caption,
        html! {
            table.cards {
                caption { (caption) }
                thead { tr {
                    th scope="col" { "Series" } @for head in HEADS { th.num.wrap scope="col" { (head) } }
                    th.wrap scope="col" { "Trend" } th.wrap scope="col" { "Security support" }
                } }
                tbody { @for one in &cadence.series { (row(one, cadence.batch_days)) } }
            }
        },
    )
}

/// The figures of a series, in order.
const HEADS: [&str; 8] = [
    "Maintenances",
    "One every",
    "Patches",
    "Patches in one",
    "Mean gap",
    "Median gap",
    "Longest gap",
    "CV of gaps",
];

/// A series: a row, and a card where there is no room for one.
fn row(one: &Series, batch_days: u16) -> Markup {
    let figures: [Markup; 8] = [
        derive::maintenances(one, batch_days),
        derive::interval(one),
        derive::patches(one),
        derive::per_maintenance(one),
        one.gaps.as_ref().map_or_else(|| html! { (NONE) }, derive::mean),
        one.gaps.as_ref().map_or_else(|| html! { (NONE) }, derive::median),
        one.gaps.as_ref().map_or_else(|| html! { (NONE) }, |gaps| derive::longest(one, gaps)),
        one.gaps.as_ref().map_or_else(|| html! { (NONE) }, derive::dispersion),
    ];
    html! {
        tr {
            th scope="row" {
                (one.name) br;
                small {
                    @if let Some(dated) = one.dated { (dated.name()) ", " }
                    @match one.covered_until { Some(day) => { "facts until " span.tight { (day) } } None => { span.status.s-unknown { "unknown" } } }
                }
            }
            @for (head, figure) in HEADS.iter().zip(&figures) { td.num data-head=(head) { (figure) } }
            td.tight data-head="Trend" { @match one.trend { Some(trend) => (derive::trend(trend)), None => (NONE) } }
            td.tight data-head="Security support" { @match one.maturity { Some(maturity) => (derive::support(maturity)), None => (NONE) } }
        }
    }
}

/// One list of notes: what holds for several series is said once.
fn notes(cadence: &Cadence) -> Markup {
    let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in &cadence.series {
        for note in &one.notes {
            match notes.iter_mut().find(|(text, _)| text == note) {
                Some((_, of)) => of.push(&one.name),
                None => notes.push((note, vec![&one.name])),
            }
        }
    }
    html! {
        @if !notes.is_empty() || !cadence.warnings.is_empty() {
            ul.why { @for warning in &cadence.warnings { li { (warning) } } @for (note, of) in notes { li { b { (of.join(", ")) } ": " (note) } } }
        }
    }
}

fn batches(cadence: &Cadence) -> Markup {
    let caption = "Every maintenance, the newest first";
    scroll(
        caption,
        html! {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { "Series" } th scope="col" { "Day" } th.num scope="col" { "Dates" } th.num scope="col" { "Patches" } } }
                tbody {
                    @for one in &cadence.series {
                        @for batch in one.batches.iter().rev() {
                            tr {
                                td.tight { (one.name) }
                                td.tight { (batch.first) @if batch.last != batch.first { " to " (batch.last) } }
                                td.num { (batch.dates) } td.num { (batch.patches) }
                            }
                        }
                    }
                }
            }
        },
    )
}

fn quantiles(series: &Series) -> Markup {
    let caption = format!("Quantiles of the gaps of {} in days", series.name);
    scroll(
        &caption,
        html! {
            table {
                caption { (caption) }
                thead { tr { th.num scope="col" { "Share of gaps" } th.num scope="col" { "At most, days" } } }
                tbody {
                    @for quantile in series.gaps.iter().flat_map(|gaps| &gaps.quantiles) {
                        tr { td.num { (format!("{:.0} %", quantile.share * 100.0)) } td.num { (format!("{:.1}", quantile.days)) } }
                    }
                }
            }
        },
    )
}

fn volume(cadence: &Cadence) -> Markup {
    let caption = "Patches, and maintenances that hold at least one of them";
    let rows = |what: &'static str,
                of: &dyn Fn(&Series) -> Vec<Volume>|
     -> Vec<(String, &'static str, Volume)> {
        cadence
            .series
            .iter()
            .take(DRAWN)
            .flat_map(|one| of(one).into_iter().take(VOLUMES).map(|volume| (one.name.clone(), what, volume)))
            .collect()
    };
    let mut all = rows("class", &|one| one.by_class.clone());
    all.extend(rows("area", &|one| one.by_area.clone()));
    all.extend(rows("component", &|one| one.by_component.clone()));
    if all.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="volume" {
            h2 id="volume" { "Volume" }
            (scroll(caption, html! {
                table {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Series" } th scope="col" { "By" } th scope="col" { "Name" } th.num scope="col" { "Patches" } th.num scope="col" { "Maintenances" } } }
                    tbody {
                        @for (series, what, volume) in all {
                            tr {
                                td.tight { (series) } td { (what) } td.tight { (volume.name) }
                                td.num { (volume.patches) } td.num { (volume.maintenances) }
                            }
                        }
                    }
                }
            }))
        }
    }
}
