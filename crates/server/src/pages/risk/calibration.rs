//! Foretold and happened.

use std::cmp::Reverse;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::Redirect;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;
use underpin_risk::calibration::Calibration;
use underpin_store::PredictionRow;

use super::numbers::{amount, derived, percent};
use crate::calibration::{ANY_HOST_HIT, EXPLOITED, due, is_over};
use crate::charts;
use crate::pages::parts::{encode, number, scroll};
use crate::pages::{PageError, page};
use crate::problem::Code;
use crate::state::Shared;

/// Predictions in the table, so many without an outcome and so many with one: however many are open, what was answered is
/// still there. The API has all.
const ROWS: usize = 200;

fn kind_words(kind: &str) -> &str {
    match kind {
        EXPLOITED => "exploitation seen",
        ANY_HOST_HIT => "any host hit",
        other => other,
    }
}

pub(in crate::pages) async fn calibration(State(app): State<Shared>) -> Result<Markup, PageError> {
    let record = app.record().await?;
    let open = record.predictions.iter().filter(|it| it.outcome.is_none()).count();
    let today = (app.config.clock)().to_zoned(TimeZone::UTC).date();
    let content = html! {
        h1 { "Foretold and happened" }
        p.when { (number(record.predictions.len() as u64)) " predictions, " (number(open as u64)) " of them without an outcome yet. " a href="/risk" { "Risk" } }
        section aria-labelledby="what" {
            h2 id="what" { "What is scored" }
            p { "With the first report of a day it is kept, for each open vulnerability that is not yet known to be exploited, how likely exploitation is seen anywhere within the horizon, and how likely any host of the fleet is hit. KEV tells the outcome of the first: listed in time, or not listed by a catalogue that is newer than the horizon. Without such a catalogue the outcome stays unknown. Whether a host was hit, someone must say." }
            p.soft { "KEV lists less than is exploited, so that probabilities look higher than what happened. Vulnerabilities that are known as exploited are not foretold. Predictions of one day depend on each other; the score takes them one by one." }
        }
        @if record.scores.is_empty() {
            section aria-labelledby="scores" { h2 id="scores" { "Scores" } p { "No prediction has an outcome yet: there is nothing to score." } }
        }
        @for (kind, score) in &record.scores { (scored(kind, score)) }
        (table(&record.predictions, today))
    };
    Ok(page("Foretold and happened", "/risk", app.index().as_deref(), content))
}

fn scored(kind: &str, score: &Calibration) -> Markup {
    let anchor = format!("score-{kind}");
    let caption = "Reliability by foretold probability";
    let bins = html! { table {
        caption { (caption) }
        thead { tr { th scope="col" { "Foretold" } th.num scope="col" { "Predictions" } th.num scope="col" { "Mean foretold" } th.num scope="col" { "Happened" } th.num scope="col" { "Frequency" } th.num scope="col" { "95 % interval" } } }
        tbody { @for bin in score.bins.iter().filter(|it| it.count > 0) { tr {
            th.tight scope="row" { (percent(bin.from)) " to " (percent(bin.to)) } td.num { (bin.count) } td.num { (bin.stated.map_or_else(|| "–".to_owned(), percent)) }
            td.num { (bin.happened) } td.num { (bin.frequency.map_or_else(|| "–".to_owned(), percent)) }
            td.num { @if let Some((low, high)) = bin.interval { (percent(low)) " to " (percent(high)) } }
        } } }
    } };
    html! {
        section aria-labelledby=(anchor) {
            h2 id=(anchor) { "Score: " (kind_words(kind)) }
            dl {
                dt { "Scored" } dd { (score.scored) ", " (score.open) " open" }
                dt { "Happened" } dd { (percent(score.base_rate)) }
                dt { "Brier score" } dd { (derived(&format!("{:.4}", score.brier), &html! {
                    "Mean of (foretold − happened)²; 0 is best, 0.25 is always saying a half. = reliability " (format!("{:.4}", score.reliability)) " − resolution " (format!("{:.4}", score.resolution)) " + uncertainty " (format!("{:.4}", score.uncertainty)) " + within bins " (format!("{:.4}", score.within_bins)) "." })) }
                dt { "Log score" } dd { (derived(&format!("{:.4}", score.log_score), &html! { "Mean of −ln of the probability given to what happened; 0 is best. Probabilities nearer than 10⁻⁶ to 0 or 1 count as that." })) }
            }
            h3 { "Reliability" }
            (charts::figure(&charts::risk::reliability(score), &scroll(caption, bins)))
        }
    }
}

fn table(predictions: &[PredictionRow], today: Date) -> Markup {
    let caption = "Predictions: first those whose span is over and that somebody must answer, then the others without an outcome, then those with one; of each the newest first, of one day what people must say, then the likeliest";
    let waits =
        |one: &PredictionRow| one.kind == ANY_HOST_HIT && one.outcome.is_none() && is_over(one, today);
    let mut in_turn: Vec<&PredictionRow> = predictions.iter().collect();
    in_turn.sort_by(|a, b| {
        let key = |one: &PredictionRow| (!waits(one), Reverse(one.made_on), one.kind != ANY_HOST_HIT);
        key(a).cmp(&key(b)).then_with(|| b.probability.total_cmp(&a.probability))
    });
    let (answered, open): (Vec<&PredictionRow>, Vec<_>) =
        in_turn.into_iter().partition(|one| one.outcome.is_some());
    let shown: Vec<&PredictionRow> =
        open.into_iter().take(ROWS).chain(answered.into_iter().take(ROWS)).collect();
    html! {
        section aria-labelledby="predictions" {
            h2 id="predictions" { "Foretold against what happened" }
            @if predictions.is_empty() { p.soft { "None yet: they are kept when " a href="/risk" { "the risk" } " is worked out." } } @else {
                (scroll(caption, html! { table {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Made on" } th scope="col" { "What" } th scope="col" { "Of" } th.num scope="col" { "Foretold" } th scope="col" { "Until" } th scope="col" { "Happened" } } }
                    tbody { @for one in &shown { tr {
                        td.tight { (one.made_on) } td.tight { (kind_words(&one.kind)) }
                        th scope="row" { @if one.kind == EXPLOITED { a href={"/vulnerabilities/" (encode(&one.subject))} { (one.subject) } } @else { (one.subject) } }
                        td.num { (derived(&percent(one.probability), &html! { @if one.kind == EXPLOITED { "1 − exp(−hazard): EPSS, or the base rate without a score, over " (amount(one.horizon_days)) " days." } @else { "From the risk report of that day, over " (amount(one.horizon_days)) " days." } })) }
                        td.tight { @if let Some(day) = due(one) { (day) } }
                        td { (happened(one, today)) }
                    } } }
                } }))
                @if predictions.len() > shown.len() { p.soft { (shown.len()) " of " (number(predictions.len() as u64)) " are shown; " a href="/api/v1/predictions" { "the API has all" } "." } }
            }
        }
    }
}

fn happened(one: &PredictionRow, today: Date) -> Markup {
    html! { @match &one.outcome {
        Some(outcome) => { @if outcome.happened { "yes" } @else { "no" } br; small { (outcome.by) } }
        None => {
            span.status.s-unknown { "not known yet" }
            @if one.kind == ANY_HOST_HIT {
                form.outcome method="post" action={"/risk/calibration/" (encode(&one.id))} {
                    button name="happened" value="true" aria-label={"It happened: foretold on " (one.made_on)} { "It happened" }
                    @if is_over(one, today) { button name="happened" value="false" aria-label={"It did not happen: foretold on " (one.made_on)} { "It did not" } }
                }
                @if !is_over(one, today) && let Some(last) = due(one) { small { "that it did not can be said after " (last) } }
            }
        }
    } }
}

/// What became of a prediction, by form.
#[derive(Debug, Deserialize)]
pub(in crate::pages) struct Said {
    happened: bool,
}

pub(in crate::pages) async fn settle(
    State(app): State<Shared>,
    Path(id): Path<String>,
    form: Result<Form<Said>, FormRejection>,
) -> Result<Redirect, PageError> {
    let Form(said) = form.map_err(|error| PageError(Code::BadBody.with(error.body_text())))?;
    app.settle(&id, said.happened).await?;
    Ok(Redirect::to("/risk/calibration"))
}
