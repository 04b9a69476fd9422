//! Feeds and fleets: what is there, and uploads by form.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use underpin_exposure::report::FeedState;

use super::parts::{errors, number, scroll, time};
use super::{PageError, page};
use crate::problem::Problem;
use crate::state::{ImportedFeed, Shared};
use crate::upload::files;

/// Feeds with age and coverage.
pub(super) fn feed_table(feeds: &[FeedState]) -> Markup {
    scroll(
        "Feeds",
        html! {
            table {
                caption { "Feeds, how old they are, and what they cover" }
                thead { tr { th scope="col" { "Feed" } th scope="col" { "Updated" } th.num scope="col" { "Age" } th.num scope="col" { "Documents" } th scope="col" { "Covers" } } }
                tbody { @for feed in feeds {
                    tr {
                        th scope="row" { a href="/feeds" { (feed.id) } }
                        td.tight { @if let Some(at) = feed.updated { (time(at)) } @else { "not known" } }
                        td.num { @if let Some(days) = feed.age_days { (days) " days" } @else { "–" } @if feed.stale { " " span.tag.kev { "stale" } } }
                        td.num { (number(feed.documents as u64)) }
                        td {
                            @if feed.covers.is_empty() { span.soft { "only its own products" } }
                            ul.why { @for cover in feed.covers.iter().take(6) {
                                li { (cover.family) @if let Some(train) = &cover.train { " " (train) } @if let Some(component) = &cover.component { " " (component) } " " span.soft { (cover.period.from) " to " (cover.period.to) } }
                            } }
                            @if feed.covers.len() > 6 { details { summary { "and " (feed.covers.len() - 6) " more" } ul.why { @for cover in feed.covers.iter().skip(6) {
                                li { (cover.family) @if let Some(train) = &cover.train { " " (train) } @if let Some(component) = &cover.component { " " (component) } " " span.soft { (cover.period.from) " to " (cover.period.to) } }
                            } } } }
                        }
                    }
                } }
            }
        },
    )
}

/// A form that sends files; it needs no script.
pub(super) fn upload_form(action: &str, label: &str, many: bool) -> Markup {
    html! {
        form.find method="post" action=(action) enctype="multipart/form-data" {
            div { label for="file" { (label) } input type="file" id="file" name="file" required multiple[many]; }
            button type="submit" { "Upload" }
        }
    }
}

pub(super) async fn feeds(State(app): State<Shared>) -> Result<Markup, PageError> {
    feeds_page(&app, html! {}).await
}

async fn feeds_page(app: &Shared, notice: Markup) -> Result<Markup, PageError> {
    let stored = app.store.feeds().await?;
    let quarantine = app.store.quarantined().await?;
    let index = app.index();
    let content = html! {
        h1 { "Feeds" }
        (notice)
        section aria-labelledby="upload" {
            h2 id="upload" { "Upload" }
            p.soft { "An advisory, a table of facts, a compressed file or an archive of them. What cannot be read goes to quarantine; the rest counts." }
            (upload_form("/feeds", "Feed files", true))
        }
        @if let Some(index) = &index {
            section aria-labelledby="known" { h2 id="known" { "In the assessment" } (feed_table(&index.assessment.feeds)) }
        }
        section aria-labelledby="stored" {
            h2 id="stored" { "Kept" }
            (scroll("Kept feeds", html! { table {
                caption { "Uploaded feeds" }
                thead { tr { th scope="col" { "Feed" } th scope="col" { "Read" } th scope="col" { "Updated" } th.num scope="col" { "Documents" } th.num scope="col" { "Quarantined" } } }
                tbody { @for feed in &stored { tr {
                    th scope="row" { (feed.id) } td.tight { (time(feed.fetched_at)) } td.tight { @if let Some(at) = feed.updated_at { (time(at)) } @else { "not known" } }
                    td.num { (number(feed.documents)) } td.num { @if feed.quarantined == 0 { "0" } @else { a href="#quarantine" { (number(feed.quarantined)) } } }
                } } }
            } }))
        }
        section aria-labelledby="quarantine" {
            h2 id="quarantine" { "Quarantine" }
            @if quarantine.is_empty() { p.soft { "Empty: every document was accepted." } } @else {
                (scroll("Quarantine", html! { table {
                    caption { "Documents that could not be read, kept so that a later version can try again" }
                    thead { tr { th scope="col" { "Feed" } th scope="col" { "Document" } th scope="col" { "Where" } th scope="col" { "Why" } th scope="col" { "Since" } } }
                    tbody { @for row in &quarantine { tr {
                        td { (row.feed_id) } th scope="row" { (row.path) } td { code { (row.position) } } td { (row.reason) } td.tight { (time(row.at)) }
                    } } }
                } }))
            }
        }
    };
    Ok(page("Feeds", "/feeds", index.as_deref(), content))
}

fn imported(feeds: &[ImportedFeed]) -> Markup {
    html! {
        @for feed in feeds {
            div class=(if feed.quarantined.is_empty() { "banner good" } else { "banner" }) role="status" {
                strong { (feed.id) ": " (feed.accepted) " accepted, " (feed.quarantined.len()) " quarantined, " (feed.ignored.len()) " ignored" }
                @if !feed.quarantined.is_empty() { ul { @for bad in &feed.quarantined { li { (bad.path) " " code { (bad.at) } ": " (bad.reason) } } } }
            }
        }
    }
}

pub(super) async fn add_feed(State(app): State<Shared>, request: Request) -> Result<Response, PageError> {
    let mut done = Vec::new();
    let mut failed: Vec<Problem> = Vec::new();
    match files(request).await {
        Err(problem) => failed.push(problem),
        Ok(files) => {
            for file in files {
                match app.import_feed(file.feed_name(), file.bytes.to_vec()).await {
                    Ok(feed) => done.push(feed),
                    Err(problem) => failed.push(problem),
                }
            }
        }
    }
    let status = failed.first().map(Problem::status).unwrap_or_default();
    let notice = html! { @for problem in &failed { (errors(problem)) } (imported(&done)) };
    Ok((status, feeds_page(&app, notice).await?).into_response())
}

pub(super) async fn fleets(State(app): State<Shared>) -> Result<Markup, PageError> {
    fleets_page(&app, html! {}).await
}

async fn fleets_page(app: &Shared, notice: Markup) -> Result<Markup, PageError> {
    let rows = app.store.fleets().await?;
    let index = app.index();
    let current = index.as_ref().map(|i| i.fleet_id.as_str());
    let content = html! {
        h1 { "Fleets" }
        (notice)
        section aria-labelledby="upload" {
            h2 id="upload" { "Upload" }
            p.soft { "A fleet file, JSON or YAML. It becomes current when all of it is valid; otherwise every error is shown and nothing changes." }
            (upload_form("/fleets", "Fleet file", false))
        }
        section aria-labelledby="versions" {
            h2 id="versions" { "Versions" }
            @if rows.is_empty() { p.soft { "None yet." } } @else {
                (scroll("Versions", html! { table {
                    caption { "Imported versions, the current one first" }
                    thead { tr { th scope="col" { "Version" } th scope="col" { "Name" } th scope="col" { "Imported" } th.num scope="col" { "Bytes" } th scope="col" { "Current" } } }
                    tbody { @for row in &rows { tr {
                        th.tight scope="row" { a href={"/api/v1/fleets/" (row.id)} { (row.id) } } td { (row.name) } td.tight { (time(row.created_at)) } td.num { (number(row.bytes)) }
                        td { @if current == Some(row.id.as_str()) { span.tag { "current" } } }
                    } } }
                } }))
            }
        }
    };
    Ok(page("Fleets", "/fleets", index.as_deref(), content))
}

pub(super) async fn add_fleet(State(app): State<Shared>, request: Request) -> Result<Response, PageError> {
    let outcome = match files(request).await {
        Ok(files) => match files.into_iter().next() {
            Some(file) => app.import_fleet(file.bytes.to_vec()).await,
            None => return Ok(Redirect::to("/fleets").into_response()),
        },
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(fleet) => {
            let notice = html! { div.banner.good role="status" {
                strong { "Fleet " (fleet.name) " is current" }
                @if !fleet.warnings.is_empty() { ul { @for w in &fleet.warnings { li { code { (w.pointer) } ": " (w.detail) } } } }
                a href="/" { "To the overview" }
            } };
            Ok(fleets_page(&app, notice).await?.into_response())
        }
        Err(problem) => {
            let status = problem.status();
            Ok((status, fleets_page(&app, errors(&problem)).await?).into_response())
        }
    }
}

pub(super) async fn assess(State(app): State<Shared>) -> Result<Redirect, PageError> {
    app.reassess().await?;
    Ok(Redirect::to("/"))
}
