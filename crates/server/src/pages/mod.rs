//! The pages: plain HTML, one style sheet, no script.

#![allow(clippy::needless_pass_by_value, reason = "markup is handed over where it is made")]

mod asset;
mod backtest;
mod cadence;
mod clocks;
mod evidence;
mod in_force;
mod lists;
mod overview;
mod parts;
mod policy;
mod risk;
mod standing;
mod uploads;
mod vulnerability;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::index::Index;
use crate::problem::Problem;
use crate::state::Shared;

pub use backtest::report as backtest_report;
pub use cadence::report as cadence_report;
pub(crate) use risk::numbers::{amount, percent};

/// The style sheet of the pages, for reports that shall look like them.
pub const STYLE: &str = concat!(include_str!("style.css"), include_str!("../charts/marks.css"));
const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><path fill=\"#0b57b0\" d=\"M2 2h12v4H2zM3 7h3v5H3zM10 7h3v5h-3zM1 13h14v2H1z\"/></svg>";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/exposures", get(lists::exposures))
        .route("/hosts", get(lists::hosts))
        .route("/vms", get(lists::vms))
        .route("/vulnerabilities", get(lists::vulnerabilities))
        .route("/vulnerabilities/{id}", get(vulnerability::vulnerability))
        .route("/advisories/{id}", get(vulnerability::advisory))
        .route("/hosts/{id}", get(asset::host))
        .route("/vms/{id}", get(asset::vm))
        .route("/images/{id}", get(asset::image))
        .route("/tenants/{id}", get(asset::tenant))
        .route("/backtest", get(backtest::backtest).post(backtest::add_scores))
        .route("/backtest/scores/{day}", post(backtest::remove_scores))
        .route("/cadence", get(cadence::cadence))
        .route("/clusters", get(standing::clusters))
        .route("/clusters/{id}", get(standing::cluster))
        .route("/planes/{id}", get(standing::plane))
        .route("/evidence", get(evidence::evidence).post(evidence::add_evidence))
        .route("/policy", get(policy::policy).post(policy::add_policy))
        .route("/risk", get(risk::risk))
        .route("/risk/group", get(risk::group::group))
        .route("/risk/calibration", get(risk::calibration::calibration))
        .route("/risk/calibration/{id}", post(risk::calibration::settle))
        .route("/clocks", get(clocks::clocks))
        .route("/ripple", get(asset::ripple))
        .route("/feeds", get(uploads::feeds).post(uploads::add_feed))
        .route("/fleets", get(uploads::fleets).post(uploads::add_fleet))
        .route("/assessments", post(uploads::assess))
        .route(
            "/assets/style.css",
            get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }),
        )
        .route("/assets/icon.svg", get(|| async { ([(header::CONTENT_TYPE, "image/svg+xml")], ICON) }))
}

/// A problem, as a page.
pub(crate) struct PageError(pub(crate) Problem);

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<underpin_store::Error> for PageError {
    fn from(error: underpin_store::Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let problem = self.0;
        let status = problem.status();
        let page = page(
            problem.title,
            "",
            None,
            html! {
                h1 { (problem.title) }
                (parts::errors(&problem))
                p { a href="/" { "To the overview" } }
            },
        );
        (status, page).into_response()
    }
}

const NAVIGATION: [(&str, &str); 11] = [
    ("/", "Overview"),
    ("/vulnerabilities", "Vulnerabilities"),
    ("/hosts", "Hosts"),
    ("/vms", "VMs"),
    ("/exposures", "Exposures"),
    ("/risk", "Risk"),
    ("/clocks", "Clocks"),
    ("/cadence", "Cadence"),
    ("/feeds", "Feeds"),
    ("/fleets", "Fleets"),
    ("/policy", "Policy"),
];

/// Pages that belong together. Those without an entry of their own stand under another one of the navigation, which stays
/// short enough for a phone.
const GROUP: [(&str, &str); 3] = [("/cadence", "Cadence"), ("/backtest", "Backtest"), ("/clocks", "Clocks")];

/// What marks an entry of the navigation on the page `here`.
fn current(entry: &str, here: &str) -> Option<&'static str> {
    let has = |list: &[(&str, &str)], address: &str| list.iter().any(|(it, _)| *it == address);
    match entry == here {
        true => Some("page"),
        false => (entry == GROUP[0].0 && has(&GROUP, here) && !has(&NAVIGATION, here)).then_some("true"),
    }
}

/// The way between the pages of the group.
fn beside(here: &str) -> Markup {
    html! {
        @if GROUP.iter().any(|(it, _)| *it == here) {
            nav.beside aria-label="Maintenance over time" { ul {
                @for (address, name) in GROUP { li { a href=(address) aria-current=[(address == here).then_some("page")] { (name) } } }
            } }
        }
    }
}

/// Names come from other people's files: what would turn the direction of writing, so that a name reads as another one or
/// a sentence backwards, is shown as replaced, and so are control characters, which HTML does not have.
fn harmless(page: Markup) -> Markup {
    let steers = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let PreEscaped(text) = page;
    PreEscaped(if text.contains(steers) { text.replace(steers, "\u{fffd}") } else { text })
}

/// A page with its frame.
fn page(title: &str, here: &str, index: Option<&Index>, content: Markup) -> Markup {
    harmless(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Underpin" }
                link rel="stylesheet" href="/assets/style.css";
                link rel="icon" href="/assets/icon.svg";
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    a.brand href="/" { "Underpin" }
                    nav aria-label="Main" {
                        ul {
                            @for (address, name) in NAVIGATION {
                                li { a href=(address) aria-current=[current(address, here)] { (name) } }
                            }
                        }
                    }
                }
                main id="content" tabindex="-1" { (beside(here)) (content) }
                footer {
                    @if let Some(index) = index {
                        "Fleet " a href="/fleets" { (index.fleet.name) } ", assessed as of " (parts::time(index.assessment.as_of)) ". "
                    }
                    a href="/api/v1/openapi.json" { "API description" }
                }
            }
        }
    })
}
