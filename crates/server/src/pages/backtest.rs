//! What each patch policy would have cost: one row a policy, the frontier, and what is not covered.

mod rows;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use underpin_risk::backtest::{Line, Measures, Report};
use underpin_risk::withdrawals::Withdrawal;
use underpin_store::ScoresRow;

use super::parts::{address, errors, field, number, scroll, time};
use super::risk::numbers::amount;
use super::uploads::upload_form;
use super::{PageError, page};
use crate::backtest::{BacktestQuery, answer};
use crate::charts;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::Shared;
use crate::upload::files;

pub(super) async fn backtest(
    State(app): State<Shared>,
    Query(query): Query<BacktestQuery>,
) -> Result<Response, PageError> {
    let lines = app.lines().await?;
    let answer = answer(&app, &query).await;
    let (status, found) = match &answer {
        // Nothing to replay at all is no mistake of the reader.
        Err(_) if lines.is_empty() => (StatusCode::OK, html! {}),
        Err(problem) => (problem.status(), errors(problem)),
        Ok(answer) => (StatusCode::OK, report(&answer.report)),
    };
    let scores = app.store.scores().await?;
    let content = html! {
        h1 { "What each patch policy would have cost" }
        p.soft { "Policies replayed day by day over real history. A decision sees the facts dated before its day, and nothing else." }
        @if lines.is_empty() {
            section { p { "No feed has the releases of any line yet. " a href="/feeds" { "Upload feeds" } "." } }
        } @else {
            section aria-labelledby="choose" {
                h2 id="choose" { "Choose" }
                (form(&query, answer.as_ref().ok().map(|it| &it.report)))
                (known(&lines))
            }
            (found)
        }
        (dated_scores(&scores))
    };
    Ok((status, page("Backtest", "/backtest", app.index().as_deref(), content)).into_response())
}

/// Takes in the EPSS files of a form, and says what became of them. The replay is not shown again: it may take long.
pub(super) async fn add_scores(State(app): State<Shared>, request: Request) -> Result<Response, PageError> {
    let outcome = match files(request).await {
        Ok(files) => app.import_scores(files).await,
        Err(problem) => Err(problem),
    };
    let status = outcome.as_ref().err().map(Problem::status).unwrap_or_default();
    let content = html! {
        h1 { "EPSS scores of the past" }
        @match &outcome {
            Ok(imported) => { div.banner.good role="status" {
                strong { (imported.len()) @if imported.len() == 1 { " day" } @else { " days" } " of scores, " (imported.iter().filter(|it| it.new).count()) " new" }
                a href="/backtest" { "To the backtest" }
            } }
            Err(problem) => { (errors(problem)) }
        }
        (dated_scores(&app.store.scores().await?))
    };
    Ok((status, page("Backtest", "/backtest", app.index().as_deref(), content)).into_response())
}

/// Takes the scores of a day away, as its button in the list asks.
pub(super) async fn remove_scores(
    State(app): State<Shared>,
    Path(day): Path<String>,
) -> Result<Redirect, PageError> {
    app.remove_scores(&day).await?;
    Ok(Redirect::to("/backtest#scores"))
}

/// The days that have scores, and a form for more.
fn dated_scores(rows: &[ScoresRow]) -> Markup {
    let caption = "Days with EPSS scores, the newest first";
    html! {
        section aria-labelledby="scores" {
            h2 id="scores" { "EPSS scores of the past" }
            p.soft { "A policy that acts on EPSS is replayed over the days that have scores as they were then: one file a day, with the day on its first line; compressed files and archives are fine. They count for backtests only." }
            (upload_form("/backtest", "EPSS files", true))
            @if rows.is_empty() { p.soft { "None yet." } } @else {
                details {
                    summary { (rows.len()) @if rows.len() == 1 { " day" } @else { " days" } }
                    (scroll(caption, html! { table {
                        caption { (caption) }
                        thead { tr { th scope="col" { "Day" } th.num scope="col" { "Scores" } th scope="col" { "Uploaded" } th scope="col" { "Take away" } } }
                        tbody { @for row in rows { tr {
                            th.tight scope="row" { (row.day) } td.num { (number(row.scores)) } td.tight { (time(row.created_at)) }
                            td { form method="post" action={"/backtest/scores/" (row.day)} { button type="submit" aria-label={"Take the scores of " (row.day) " away"} { "Take away" } } }
                        } } }
                    } }))
                }
            }
        }
    }
}

/// What is not asked for shows what was taken instead.
fn form(query: &BacktestQuery, report: Option<&Report>) -> Markup {
    let taken = |of: fn(&Report) -> String| report.map(of).unwrap_or_default();
    html! {
        form.find action="/backtest" {
            (field("platform", "Platform", &query.platform, "text", &taken(|it| it.platform.to_string())))
            (field("line", "Line", &query.line, "text", &taken(|it| it.line.to_string())))
            (field("component", "Component", &query.component, "text", &taken(|it| it.component.to_string())))
            (field("from", "From", &query.from, "date", ""))
            (field("until", "Until", &query.until, "date", ""))
            (field("epss_at_least", "EPSS at least", &query.epss_at_least, "text", "0.1"))
            button { "Replay" }
        }
    }
}

/// Every line that can be replayed, as links, a platform a row.
fn known(lines: &[Line]) -> Markup {
    let of_platform = lines.chunk_by(|one, next| one.platform == next.platform);
    html! {
        details {
            summary { "The " (lines.len()) " lines that can be replayed" }
            dl.lines {
                @for chunk in of_platform {
                    @if let Some(first) = chunk.first() { dt { (first.platform) } }
                    dd { @for (at, one) in chunk.iter().enumerate() {
                        @if at > 0 { ", " }
                        @let query = [("platform", Some(one.platform.name())), ("line", Some(&*one.line)), ("component", Some(&*one.component))];
                        a href=(address("/backtest", &query)) { (one.line) " " (one.component) }
                    } }
                }
            }
        }
    }
}

/// The table, the picture and the notes of a backtest, for the page and for a file of its own.
#[must_use]
pub fn report(report: &Report) -> Markup {
    html! {
        section aria-labelledby="side" {
            h2 id="side" { (report.platform) " " (report.line) " " (report.component) }
            p { (sentence(report)) }
            (rows::side_by_side(report))
        }
        @if let Some(chart) = charts::backtest::frontier(report) {
            section aria-labelledby="frontier" {
                h2 id="frontier" { "Frontier" }
                (charts::figure(&chart, &compared(report)))
            }
        }
        section aria-labelledby="covered" {
            h2 id="covered" { "What is covered, and what is not" }
            ul.why {
                @for note in &report.notes { li { (note) } }
                @for row in report.policies.iter().filter(|it| it.evaluable) {
                    @if let Some(reason) = &row.reason { li { b { (row.policy) } ": " (reason) } }
                }
                @if report.vulnerabilities_without_day > 0 {
                    li { (report.vulnerabilities_without_day) " vulnerabilities have no day of publication in any source: the day of their first fix stands in" }
                }
                li { "intervals: 95 %, " (report.bootstrap.resamples) " resamples of blocks of " (report.bootstrap.block_days) " days, seed " (report.bootstrap.seed) "; they know nothing of quarters that have not been" }
            }
        }
        (bad_releases(report))
        (taken(report))
    }
}

fn sentence(report: &Report) -> String {
    format!(
        "{} with {:.1} VMs each{}, {} hosts a day, {} to {}: {} releases, {} vulnerabilities. Losses in {}.",
        if report.fleet.hosts == 1 { "1 host".to_owned() } else { format!("{} hosts", report.fleet.hosts) },
        report.fleet.vms_per_host,
        if report.fleet.assumed { " (assumed)" } else { "" },
        report.hosts_per_day,
        report.period.from,
        report.period.to,
        report.releases,
        report.vulnerabilities,
        report.currency,
    )
}

/// What the picture shows, in words.
fn compared(report: &Report) -> Markup {
    let (words, value) = charts::backtest::compared(report);
    let caption = format!("Policies over the days that all have in common: maintenances against {words}");
    let shown = |it: &Measures| value(it).map_or_else(|| "unknown".to_owned(), |it| amount(it.round()));
    scroll(
        &caption,
        html! {
            table {
                caption { (caption) }
                thead { tr {
                    th scope="col" { "Policy" } th.num scope="col" { "Maintenances" } th.num scope="col" { (words) }
                    th.num scope="col" { "Bad releases" } th scope="col" { "On the frontier" }
                } }
                tbody {
                    @for row in &report.policies { @if let Some(it) = &row.common {
                        tr {
                            th.tight scope="row" { (row.policy) }
                            td.num { (amount(it.maintenances.value)) } td.num { (shown(it)) } td.num { (amount(it.bad_releases.value)) }
                            td { @if row.on_frontier { "yes" } @else { "no" } }
                        }
                    } }
                }
            }
        },
    )
}

/// The name of a variant, as it is written everywhere.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

fn bad_releases(report: &Report) -> Markup {
    let caption = "Releases of the line that turned out bad, or may have";
    html! {
        @if !report.bad_releases.is_empty() {
            section aria-labelledby="bad" {
                h2 id="bad" { "Bad releases" }
                (scroll(caption, html! {
                    table {
                        caption { (caption) }
                        thead { tr { th scope="col" { "Release" } th scope="col" { "Why" } th scope="col" { "Known since" } th scope="col" { "The day is" } } }
                        tbody { @for it in &report.bad_releases {
                            tr { th.tight scope="row" { (it.version) } td { (name(&it.why)) } td.tight { (it.known) } td { (name(&it.mark)) } }
                        } }
                    }
                }))
                @if !report.incidents.is_empty() {
                    h3 { "Known incidents of the product" }
                    ul.why { @for it in &report.incidents {
                        li { b { (it.release) } ": " (it.what) "; released " (it.released) " (" (name(&it.released_mark)) "), known to be bad since " (it.known) " (" (name(&it.known_mark)) "), " (hosts_hit(it)) ". " small { (it.source) } }
                    } }
                }
            }
        }
    }
}

/// The roll-outs behind the maintenances of each policy.
fn taken(report: &Report) -> Markup {
    html! {
        section aria-labelledby="taken" {
            h2 id="taken" { "Roll-outs" }
            @for row in report.policies.iter().filter(|it| it.evaluable) {
                details {
                    summary { (row.policy) ": " (row.taken.len()) @if row.taken.len() == 1 { " roll-out" } @else { " roll-outs" } }
                    p { @for (at, it) in row.taken.iter().enumerate() { @if at > 0 { ", " } (it.day) " " span.mono { (it.version) } } }
                }
            }
        }
    }
}

fn hosts_hit(incident: &Withdrawal) -> String {
    match incident.hit {
        Some(hit) => format!("{:.0} % of the hosts hit ({})", hit * 100.0, name(&incident.hit_mark)),
        None => "which share of the hosts was hit is not known".to_owned(),
    }
}
