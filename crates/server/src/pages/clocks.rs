//! Promises of the policy as running clocks, and who breaches at the planned pace.

mod derive;

use std::collections::BTreeMap;

use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use underpin_model::id::VulnerabilityId;
use underpin_model::policy::PromiseKind;
use underpin_risk::clocks::{Clock, PromiseState, Report, State, TenantClocks};

use super::parts::{address, asset_address, encode, errors, kind_words, number, scroll, shape, warnings};
use super::{PageError, page};
use crate::charts;
use crate::clocks::{Answer, ClocksQuery, Only, answer};
use crate::index::Index;
use crate::problem::Code;
use crate::query::Query;
use crate::state::Shared;

const NONE: &str = "\u{2013}";
/// Rows of a table; the API has all.
const MOST: usize = 200;
/// Assets of a clock that are named.
const NAMED: usize = 3;

/// A policy with each kind of promise.
const EXAMPLE: &str = "# A fix is in force so many days after its publication;
# the score and the scope are optional.
[[promise]]
id = \"contract\"
kind = \"fix-within\"
days = 30
cvss_at_least = 7.0
scope = { tenants = [\"acme\"] }

# A release has left the fleet so many days after its end of life.
[[promise]]
id = \"support\"
kind = \"leave-end-of-life\"
days = 0

# A new release is in use somewhere so many days after it appeared.
[[promise]]
id = \"new releases\"
kind = \"release-supported-within\"
days = 548";

pub(super) async fn clocks(
    Extract(app): Extract<Shared>,
    Query(query): Query<ClocksQuery>,
) -> Result<Response, PageError> {
    let index = app.index();
    let (status, found) = match &index {
        None => (
            StatusCode::OK,
            html! { section { p { "No fleet yet: clocks run on what is in one. " a href="/fleets" { "Upload a fleet" } "." } } },
        ),
        Some(index) => match answer(&app, &query).await {
            Ok(answer) => match query.only(&answer.told.report) {
                Ok(only) => (
                    StatusCode::OK,
                    html! { (form(&query)) (all(&View { answer: &answer, query: &query, only, index })) },
                ),
                Err(problem) => (problem.status(), html! { (errors(&problem)) (form(&query)) }),
            },
            Err(problem) if problem.code == Code::NoPromise.with("").code => (StatusCode::OK, no_promise()),
            Err(problem) => (problem.status(), html! { (errors(&problem)) (form(&query)) }),
        },
    };
    let content = html! {
        h1 { "Promises as running clocks" }
        p.soft { "What the policy promises, since when each clock runs, when it is due, and who is too late at the planned pace." }
        (found)
    };
    Ok((status, page("Clocks", "/clocks", index.as_deref(), content)).into_response())
}

fn no_promise() -> Markup {
    html! {
        section aria-labelledby="none" {
            h2 id="none" { "The policy promises nothing" }
            p { "No clock runs. Promises stand in the policy file, one block each:" }
            div.scroll tabindex="0" role="region" aria-label="Promises in a policy file" { pre { (EXAMPLE) } }
            p { "By a command line: " code { "underpin clocks fleet.json --policy policy.toml" } "." }
        }
    }
}

fn form(query: &ClocksQuery) -> Markup {
    html! {
        form.find action="/clocks" {
            div { label for="plan_pace" { "Hosts per day" } input id="plan_pace" name="plan_pace" type="text" inputmode="decimal" value=[query.plan_pace.as_deref()] placeholder="as planned"; }
            div { label for="soon" { "Due soon, days" } input id="soon" name="soon" type="number" min="0" value=[query.soon.as_deref()] placeholder="7"; }
            div { label for="promise" { "Promise" } input id="promise" name="promise" type="text" value=[query.promise.as_deref()] placeholder="all"; }
            div { label for="tenant" { "Tenant" } input id="tenant" name="tenant" type="text" value=[query.tenant.as_deref()] placeholder="all"; }
            div { label for="state" { "State" } select id="state" name="state" {
                option value="" { "all that are open" }
                @for state in State::ALL { option value=(state.name()) selected[query.state.as_deref() == Some(state.name())] { (state.label()) } }
            } }
            button { "Show" }
        }
    }
}

/// What a page shows.
struct View<'a> {
    answer: &'a Answer,
    query: &'a ClocksQuery,
    only: Only<'a>,
    index: &'a Index,
}

impl View<'_> {
    /// The page, or the API, with the clocks of a promise in a state, at the same pace.
    fn listing(&self, path: &str, promise: Option<&str>, state: Option<State>) -> String {
        let asked = [
            ("plan_pace", self.query.plan_pace.as_deref()),
            ("soon", self.query.soon.as_deref()),
            ("tenant", self.query.tenant.as_deref()),
            ("promise", promise),
            ("state", state.map(State::name)),
        ];
        address(path, &asked)
    }
}

fn all(view: &View<'_>) -> Markup {
    let answer = view.answer;
    let report = &answer.told.report;
    html! {
        @if !report.warnings.is_empty() {
            div.banner role="status" {
                strong { "Know before you read on" }
                (warnings(&report.warnings))
            }
        }
        @if let Some(tenant) = view.query.tenant.as_deref().filter(|it| !it.is_empty()) {
            p { "Only what is of tenant " b { (tenant) } ": its VMs and the hosts beneath them, in the queue of the whole fleet. " a href="/clocks" { "All tenants" } }
        }
        section aria-labelledby="promises" {
            h2 id="promises" { "Promises on " (report.as_of) }
            (promises(view))
        }
        section aria-labelledby="forecast" {
            h2 id="forecast" { "Forecast" }
            (forecast(view))
        }
        section aria-labelledby="tenants" {
            h2 id="tenants" { "By tenant" }
            (tenants(view))
        }
        section aria-labelledby="clocks" {
            h2 id="clocks" { "Clocks" }
            (list(view))
        }
        (missing(view))
    }
}

fn tone(state: State) -> &'static str {
    match state {
        State::Breached => "open",
        State::Unknown => "unknown",
        State::DueSoon => "pending",
        State::Kept => "good",
        State::Running | State::Accepted | State::NotStarted | State::Done => "none",
    }
}

fn status(state: State) -> Markup {
    let tone = tone(state);
    html! { span class={"status s-" (tone)} { (shape(tone)) (state.label()) } }
}

fn kind(kind: PromiseKind) -> &'static str {
    match kind {
        PromiseKind::FixWithin => "a fix is in force",
        PromiseKind::LeaveEndOfLife => "left after end of life",
        PromiseKind::ReleaseSupportedWithin => "a new release is in use",
    }
}

fn count(counts: &BTreeMap<State, usize>, state: State) -> u64 {
    counts.get(&state).copied().unwrap_or(0) as u64
}

fn heads(report: &Report) -> Markup {
    html! { @for state in State::ALL { th.num.wrap scope="col" { (derive::head(state, report.soon_days)) } } }
}

fn promises(view: &View<'_>) -> Markup {
    let report = &view.answer.told.report;
    let caption = "Clocks x assets by state, the most pressing first; a number leads to its clocks";
    let cell = |it: &PromiseState, state| {
        let to = || view.listing("/clocks", Some(&it.promise), Some(state)) + "#clocks";
        html! { td.num { @match count(&it.counts, state) { 0 => (NONE), some => { a href=(to()) { (number(some)) } } } } }
    };
    scroll(
        caption,
        html! {
            table {
                caption { (caption) }
                thead { tr {
                    th scope="col" { "Promise" } th scope="col" { "It is" } (heads(report)) th.num scope="col" { "Penalty" } th scope="col" { "Within" }
                } }
                tbody { @for it in &report.promises {
                    tr {
                        th.tight scope="row" { (it.promise) }
                        td.tight { @if it.broken { (status(State::Breached)) } @else if count(&it.counts, State::Unknown) > 0 { (status(State::Unknown)) } @else { "not broken" } }
                        @for state in State::ALL { (cell(it, state)) }
                        td.num { (derive::penalty(it)) }
                        td { (it.days) " days: " (kind(it.kind)) }
                    }
                } }
            }
        },
    )
}

fn forecast(view: &View<'_>) -> Markup {
    let report = &view.answer.told.report;
    let clocks = |promise: &str| view.listing("/clocks", Some(promise), None) + "#clocks";
    html! {
        @match report.all_patched_on {
            Some(day) => (derive::all_patched(report, day)),
            None => { p { "No host waits for a published fix." } }
        }
        @if report.forecast.is_empty() {
            p { "The plan breaks no promise that is not broken yet." }
        } @else {
            ul.why { @for it in report.forecast.iter().take(NAMED) { li { (it.sentence) ": " a href=(clocks(&it.promise)) { "the clocks" } } } }
            @if report.forecast.len() > NAMED { p.soft { "and " (report.forecast.len() - NAMED) " more, below" } }
        }
        @if !report.forecast_unknown.is_empty() {
            ul.why { @for it in &report.forecast_unknown { li { span.status.s-unknown { "unknown" } " " (it.sentence) ": " a href=(clocks(&it.promise)) { "the clocks" } } } }
        }
        @if let Some(chart) = charts::clocks::breaches(report) { (charts::figure(&chart, &breaches(report, &clocks))) }
    }
}

fn breaches(report: &Report, clocks: &dyn Fn(&str) -> String) -> Markup {
    let caption = "What breaches at the planned pace";
    scroll(
        caption,
        html! {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { "Day" } th scope="col" { "Promise" } th scope="col" { "Kind" } th.num scope="col" { "How many" } } }
                tbody { @for it in &report.forecast { tr { td.tight { (it.on) } td { (it.promise) } td.tight { (kind_words(it.kind)) } td.num { (derive::breach(it, &clocks(&it.promise))) } } } }
            }
        },
    )
}

fn tenants(view: &View<'_>) -> Markup {
    let (rows, report) = (&view.answer.told.tenants, &view.answer.told.report);
    let caption = "Clocks x assets of each tenant: its VMs and the hosts beneath them";
    let pressing = |it: &&TenantClocks| {
        let of = |state| std::cmp::Reverse(count(&it.counts, state));
        (of(State::Breached), of(State::Unknown), of(State::DueSoon))
    };
    let mut ordered: Vec<&TenantClocks> = rows.iter().collect();
    ordered.sort_by_key(pressing);
    html! {
        (scroll(caption, html! {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { "Tenant" } th scope="col" { "Promise" } (heads(report)) } }
                tbody { @for it in ordered.iter().take(MOST) {
                    tr {
                        th.tight scope="row" { @match &it.tenant { Some(id) => { a href={"/tenants/" (encode(id.as_str()))} { (id) } } None => "no tenant" } }
                        td.tight { (it.promise) }
                        @for state in State::ALL { td.num { @match count(&it.counts, state) {
                            0 => (NONE),
                            some => (derive::of_tenant(it, some, state, &(view.listing("/clocks", Some(&it.promise), Some(state)) + "#clocks"))),
                        } } }
                    }
                } }
            }
        }))
        (more(ordered.len(), "/api/v1/clocks"))
    }
}

fn more(rows: usize, all: &str) -> Markup {
    html! { @if rows > MOST { p.soft { "and " (number((rows - MOST) as u64)) " more: " a href=(all) { "all of them" } } } }
}

/// Clocks x assets, as the promises count them.
fn times_assets<'a>(clocks: impl Iterator<Item = &'a Clock>) -> u64 {
    clocks.map(|it| it.assets.len().max(1) as u64).sum()
}

/// The facts that unknown clocks miss: what has to be found out, and for how many.
fn missing(view: &View<'_>) -> Markup {
    let mut facts: BTreeMap<(&str, &str), Vec<&Clock>> = BTreeMap::new();
    let is_unknown = |it: &&Clock| {
        it.state == State::Unknown && view.only.promise.is_none_or(|promise| promise == it.promise)
    };
    for clock in view.answer.told.report.clocks.iter().filter(is_unknown) {
        facts.entry((&clock.promise, &clock.evidence)).or_default().push(clock);
    }
    let mut rows: Vec<(&str, &str, usize, u64)> = facts
        .into_iter()
        .map(|((promise, fact), of)| (promise, fact, of.len(), times_assets(of.into_iter())))
        .collect();
    rows.sort_by_key(|it| std::cmp::Reverse(it.3));
    let caption = "Unknown clocks by the fact that is missing, the most first";
    html! { @if !rows.is_empty() {
        section aria-labelledby="missing" {
            h2 id="missing" { "What is not known" }
            (scroll(caption, html! {
                table {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Promise" } th scope="col" { "Fact" } th.num scope="col" { "Clocks" } th.num scope="col" { "Clocks x assets" } } }
                    tbody { @for (promise, fact, clocks, assets) in rows.iter().take(MOST) { tr {
                        td.tight { (promise) } td.wide { (fact) } td.num { a href={(view.listing("/clocks", Some(promise), Some(State::Unknown))) "#clocks"} { (number(*clocks as u64)) } } td.num { (number(*assets)) }
                    } } }
                }
            }))
            (more(rows.len(), &view.listing("/api/v1/clocks", view.only.promise, Some(State::Unknown))))
        }
    } }
}

fn list(view: &View<'_>) -> Markup {
    let (report, only) = (&view.answer.told.report, view.only);
    // A state that is asked for is shown, whichever it is.
    let settled = |it: &Clock| only.state.is_none() && matches!(it.state, State::Kept | State::Done);
    let open: Vec<&Clock> = report.clocks.iter().filter(|it| only.lists(it) && !settled(it)).collect();
    let caption = match only.state {
        Some(state) => format!("Clocks that are {}", state.label()),
        None => "Clocks that are not kept, the most pressing first".to_owned(),
    };
    html! {
        @if only != Only::default() {
            p {
                (number(open.len() as u64)) " clocks, " (number(times_assets(open.iter().copied()))) " clocks x assets"
                @if let Some(state) = only.state { ", " (state.label()) } @if let Some(promise) = only.promise { ", of " (promise) }
                ". " a href={(view.listing("/clocks", None, None)) "#clocks"} { "All that are open" }
            }
        }
        @if open.is_empty() { p { @if only == Only::default() { "Every clock is kept or done." } @else { "There is none." } } } @else {
            (scroll(&caption, html! {
                table.breaks {
                    caption { (caption) }
                    thead { tr {
                        th scope="col" { "State" } th scope="col" { "Due" } th scope="col" { "Promise" } th scope="col" { "About" }
                        th scope="col" { "Assets" } th.num.wrap scope="col" { "Will breach" } th scope="col" { "Evidence" }
                    } }
                    tbody { @for it in open.iter().take(MOST) { (clock(it, view)) } }
                }
            }))
            (more(open.len(), &view.listing("/api/v1/clocks", only.promise, only.state)))
        }
    }
}

fn clock(it: &Clock, view: &View<'_>) -> Markup {
    let (report, index) = (&view.answer.told.report, view.index);
    // A clock of a component that no source covers is about no vulnerability in particular.
    let has_page = VulnerabilityId::new(&*it.subject).is_ok_and(|id| index.found.contains_key(&id));
    html! {
        tr {
            td.tight { (derive::state(it, report)) @if let Some(accepted) = it.accepted.as_ref().filter(|it| !it.expired) { " until " (accepted.expires) } }
            td.tight { (derive::due(it, report)) }
            td.tight { (it.promise) }
            td {
                @if has_page { a href={"/vulnerabilities/" (encode(&it.subject))} { (it.subject) } } @else { (it.subject) }
                @if let Some(component) = &it.component { " in " span.mono { (component) } }
                @if let Some(fix) = &it.fix { " \u{2192} " span.mono { (fix) } }
                @for (at, need) in it.needs.iter().enumerate() { @if at == 0 { "; installed, not in force: " } @else { ", " } (need) }
            }
            td {
                @for (at, asset) in it.assets.iter().take(NAMED).enumerate() {
                    @if at > 0 { ", " }
                    a href=(asset_address(asset.kind, &asset.id)) { (asset.id) } " " small { (kind_words(asset.kind)) }
                }
                @if it.assets.is_empty() { (NONE) }
                @if it.assets.len() > NAMED { " and " (number((it.assets.len() - NAMED) as u64)) " more" }
            }
            td.num { (derive::forecast(it, report, &view.answer.turns)) }
            td.reason { (it.evidence) }
        }
    }
}
