//! The policy in force, with every parameter, its range and its source: the elicitation sheet as a page.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use underpin_model::policy::{Parameter, Policy, Rates, Scope, Unit};
use underpin_risk::names::{UnknownNames, unknown_names};
use underpin_store::Ruling;

use super::in_force::{as_uploaded, kept, put_in_force};
use super::parts::{scroll, time};
use super::risk::numbers::{amount, percent};
use super::uploads::upload_form;
use super::{PageError, page};
use crate::state::Shared;

/// Places with names that the fleet does not have that are written out.
const MOST_UNKNOWN: usize = 20;

pub(super) async fn policy(State(app): State<Shared>) -> Result<Markup, PageError> {
    policy_page(&app, html! {}).await
}

pub(super) async fn add_policy(State(app): State<Shared>, request: Request) -> Result<Response, PageError> {
    let (status, notice) = put_in_force::<Policy>(&app, request).await;
    Ok((status, policy_page(&app, notice).await?).into_response())
}

async fn policy_page(app: &Shared, notice: Markup) -> Result<Markup, PageError> {
    let known = app.policy();
    let policy = &known.value;
    let content = html! {
        h1 { "Policy" }
        p.when { "In force: " (known.id()) @if let Some(at) = known.since { ", first uploaded " (time(at)) } @else { ", of one who has not uploaded any" } ". " a href="/risk" { "Risk" } }
        (notice)
        section aria-labelledby="upload" {
            h2 id="upload" { "Upload" }
            p.soft { "A policy file (TOML). It is in force when all of it is valid; otherwise every mistake is shown and nothing changes. The ones before are kept." }
            (upload_form("/policy", "Policy file", false))
        }
        @if let Some(index) = app.index() { (unknown(&unknown_names(&index.fleet, policy))) }
        (parameters(policy))
        (losses(policy))
        (rest(policy))
        (as_uploaded(known.text.as_deref()))
        (kept(&app.store.kept(Ruling::Policy).await?))
    };
    Ok(page("Policy", "/policy", app.index().as_deref(), content))
}

/// Rates and scopes that do nothing, because the fleet does not have what they name.
fn unknown(names: &[UnknownNames]) -> Markup {
    html! { @if !names.is_empty() {
        div.banner role="status" {
            strong { "The fleet does not have all that this policy names" }
            ul { @for one in names.iter().take(MOST_UNKNOWN) { li { (one) } } }
            @if names.len() > MOST_UNKNOWN { p { "and " (names.len() - MOST_UNKNOWN) " more places" } }
        }
    } }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Probability => "probability",
        Unit::Correlation => "correlation",
        Unit::Shape => "Weibull shape",
        Unit::PerDay => "per day",
        Unit::Hours => "hours",
        Unit::Count => "count",
    }
}

fn parameters(policy: &Policy) -> Markup {
    let caption = "Parameters of the risk model, each with its range and where it is from";
    html! {
        section aria-labelledby="parameters" {
            h2 id="parameters" { "Parameters" }
            p.soft { "Answer the questions with those who know the fleet, and state the answers under [parameters]. What is marked as a judgement no study gives for a fleet like this." }
            (scroll(caption, html! { table.sheet {
                caption { (caption) }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Question" } th.num scope="col" { "Value" } th.num scope="col" { "Range" } th scope="col" { "Unit" } th scope="col" { "Source" } } }
                tbody { @for it in Parameter::ALL {
                    @let (fact, setting) = (it.fact(), policy.parameters.setting(*it));
                    tr id={"p-" (fact.name)} {
                        th.tight scope="row" { code { (fact.name) } } td.wide { (fact.question) } td.num { (exact(setting.value)) }
                        td.num { (exact(setting.low)) " to " (exact(setting.high)) } td { (unit(fact.unit)) }
                        td.wide { @if setting.judgement { span.tag { "judgement" } " " } @if setting.stated { span.tag { "stated" } " " } (beside_its_mark(&setting.source)) }
                    }
                } }
            } }))
        }
    }
}

/// A source without the word that stands before it as a mark.
fn beside_its_mark(source: &str) -> &str {
    if source == "judgement" { "" } else { source.strip_prefix("judgement: ").unwrap_or(source) }
}

/// A parameter as it is, without rounding.
fn exact(value: f64) -> String {
    format!("{value}")
}

fn rates_row(name: &str, rates: &Rates) -> Markup {
    html! { tr {
        th scope="row" { (name) } td.num { (amount(rates.vm_hour_down.get())) } td.num { (amount(rates.record_disclosed.get())) } td.num { (amount(rates.system_corrupted.get())) }
        td.num { @match rates.records_per_vm { Some(records) => (amount(records)), None => { span.soft { "parameter" } } } }
    } }
}

fn losses(policy: &Policy) -> Markup {
    let caption = format!("What a loss is worth, in {}", policy.currency);
    html! {
        section aria-labelledby="losses" {
            h2 id="losses" { "Losses" }
            @if !policy.loss.stated { p { span.tag { "judgement" } " The policy states no losses: these are points, and no money." } }
            (scroll(&caption, html! { table {
                caption { (caption) }
                thead { tr { th scope="col" { "VMs of" } th.num scope="col" { "An hour down" } th.num scope="col" { "A record disclosed" } th.num scope="col" { "A system corrupted" } th.num scope="col" { "Records in a VM" } } }
                tbody { (rates_row("everyone else", &policy.loss.rates)) @for (tenant, rates) in &policy.loss.tenants { (rates_row(tenant.as_str(), rates)) } }
            } }))
            dl {
                dt { "Horizon" } dd { (amount(policy.horizon.get())) " days" } dt { "Seed" } dd { (policy.seed) }
                dt { "Maintenance" } dd { (amount(policy.maintenance.per_host.get())) " a host, " (percent(policy.maintenance.shared_drain_saves.get())) " saved by each change that shares the drain, " (amount(policy.maintenance.hosts_per_day)) " hosts a day" }
                dt { "Rings" } dd { @for (at, ring) in policy.rings.iter().enumerate() { @if at > 0 { ", then " } (ring.name) " (" (amount(ring.soak.get())) " days)" } }
            }
        }
    }
}

fn scope(scope: &Scope) -> String {
    let names =
        |what: &str, list: Vec<String>| (!list.is_empty()).then(|| format!("{what} {}", list.join(", ")));
    let parts = [
        names("clusters", scope.clusters.iter().map(ToString::to_string).collect()),
        names("hosts", scope.hosts.iter().map(ToString::to_string).collect()),
        names("planes", scope.planes.iter().map(ToString::to_string).collect()),
        names("tenants", scope.tenants.iter().map(ToString::to_string).collect()),
        names("platforms", scope.platforms.iter().map(ToString::to_string).collect()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "everywhere".to_owned() } else { parts.join("; ") }
}

fn rest(policy: &Policy) -> Markup {
    html! {
        section aria-labelledby="rules" {
            h2 id="rules" { "Controls, accepted risks, promises" }
            h3 { "Controls" }
            @if policy.controls.is_empty() { p.soft { "None." } }
            ul.why { @for it in &policy.controls { li { b { (it.id) } ": fails with " (percent(it.fails.get())) ", " (scope(&it.scope)) @if let Some(adds) = it.adds { ", adds " (percent(adds.get())) " in 30 days of its own" } ". " span.soft { (it.source) } } } }
            h3 { "Accepted risks" }
            @if policy.accepted.is_empty() { p.soft { "None." } }
            ul.why { @for it in &policy.accepted { li { b { (it.vulnerability) } ": by " (it.owner) " until " (it.expires) ", " (scope(&it.scope)) ". " span.soft { (it.reason) } } } }
            h3 { "Promises" }
            @if policy.promises.is_empty() { p.soft { "None." } }
            ul.why { @for it in &policy.promises { li { b { (it.id) } ": within " (it.days) " days, " (scope(&it.scope)) ", penalty " (amount(it.penalty.get())) } } }
        }
    }
}
