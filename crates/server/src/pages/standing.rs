//! Where confidentiality, integrity and availability stand: a section on the pages of assets, and clusters and planes.

use axum::extract::{Path, State};
use maud::{Markup, html};
use underpin_model::policy::AttackPath;
use underpin_risk::span::Span;
use underpin_risk::standing::{Answer, Dimension, Standing, Statement, Topic};

use super::parts::{encode, linked, number, scroll, shape, stale};
use super::risk::numbers::{amount, derived};
use super::{PageError, page};
use crate::standing::{Kind, standing};
use crate::state::{Shared, no_fleet};

/// Facts that are shown with a statement.
const FACTS: usize = 12;

fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::AvailabilityLevel => "Availability level",
        Topic::HostRestart => "Restart on another host",
        Topic::LoadBalancing => "Balancing with live migration",
        Topic::SharedStorage => "Shared storage",
        Topic::AllowedActions => "Allowed actions",
        Topic::WaysIn => "Ways in to management",
        Topic::ManagementPlane => "Management plane",
        Topic::SecondFactor => "Second factor",
        Topic::SplitBrainAccounts => "Local accounts beside a directory",
        Topic::MigrationEncrypted => "Migration encrypted",
        Topic::StorageTrafficEncrypted => "Storage traffic encrypted",
        Topic::DataAtRestEncrypted => "Data at rest encrypted",
        Topic::ChangeTracking => "Changes recorded",
        Topic::PatchMechanism => "Patch mechanism",
        Topic::Controls(AttackPath::Network) => "Controls on the network path",
        Topic::Controls(AttackPath::Guest) => "Controls on the way out of a guest",
        Topic::Controls(AttackPath::ManagementPlane) => "Controls on the management plane",
        Topic::Controls(AttackPath::Local) => "Controls on local access",
        Topic::Host => "Host",
    }
}

fn answer(answer: Answer) -> Markup {
    let (tone, words) = match answer {
        Answer::Yes => ("good", "yes"),
        Answer::Partly => ("pending", "partly"),
        Answer::No => ("open", "no"),
        Answer::Unknown => ("unknown", "unknown"),
    };
    html! { span class={"status s-" (tone)} { (shape(tone)) (words) } }
}

fn letters(statement: &Statement) -> String {
    let letter = |it: &Dimension| match it {
        Dimension::Confidentiality => "C",
        Dimension::Integrity => "I",
        Dimension::Availability => "A",
    };
    statement.dimensions.iter().map(letter).collect::<Vec<_>>().join(" ")
}

fn facts(statement: &Statement) -> Markup {
    let (evidence, missing) = (&statement.evidence, &statement.missing);
    html! {
        @if !evidence.is_empty() || !missing.is_empty() {
            details.derived {
                summary { (number(evidence.len() as u64)) " facts" @if !missing.is_empty() { ", " (number(missing.len() as u64)) " missing" } }
                ul.why {
                    @for fact in evidence.iter().take(FACTS) {
                        li { code { (fact.path) } " = " code { (fact.value) } @if let Some(at) = fact.at { ", seen " (super::parts::time(at)) } @if let Some(by) = &fact.by { " by " (by) } }
                    }
                    @for place in missing.iter().take(FACTS) { li { code { (place) } " is missing" } }
                    @if evidence.len() + missing.len() > FACTS { li.soft { "the API has all" } }
                }
            }
        }
    }
}

fn range(span: Span) -> String {
    if span.low == span.high {
        amount(span.low)
    } else {
        format!("{} to {}", amount(span.low), amount(span.high))
    }
}

/// What is lost through it over the horizon, where the compound model does not price it.
fn price(statement: &Statement) -> Markup {
    let how = html! { "How likely it is read (" a href="/policy#p-read_on_wire" { code { "read_on_wire" } } ", " a href="/policy#p-read_on_disk" { code { "read_on_disk" } } ") × what is open × the worth of the confidentiality of the guests." };
    html! { @if let Some(price) = statement.price { (derived(&range(price), &how)) } @else { span.soft { "–" } } }
}

/// The statements about one element.
pub(super) fn table(standing: &Standing) -> Markup {
    let caption = "C, I and A: whose confidentiality, integrity or availability is at stake. Open: 0 nothing, 1 all; a range where facts are missing. Price: mean loss over the horizon, in the policy's currency, where the figures of /risk do not have it";
    html! {
        section aria-labelledby="standing" {
            h2 id="standing" { "Confidentiality, integrity, availability" }
            @if standing.statements.is_empty() { p.soft { "There is nothing to state: no VM is known." } } @else {
                @let unknown = standing.unknown().count();
                @if unknown > 0 { p { span.status.s-unknown { (shape("unknown")) (unknown) " of " (standing.statements.len()) } " statements lack facts: what is not known is not taken for fine." } }
                (scroll("Confidentiality, integrity, availability", html! { table {
                    caption { (caption) }
                    thead { tr { th scope="col" { "About" } th scope="col" { "At stake" } th scope="col" { "In place" } th.num scope="col" { "Open" } th.num scope="col" { "Price" } th scope="col" { "Why" } } }
                    tbody { @for one in &standing.statements { tr {
                        th scope="row" { (topic(one.topic)) } td.tight { (letters(one)) } td { (answer(one.answer)) } td.num { (range(one.open)) } td.num { (price(one)) }
                        td.wide { (one.text) (facts(one)) }
                    } } }
                } }))
            }
        }
    }
}

/// The section on the page of an asset.
pub(super) async fn section(app: &Shared, kind: Kind, id: &str) -> Result<Markup, PageError> {
    Ok(table(&*standing(app, kind, id).await?))
}

pub(super) async fn clusters(State(app): State<Shared>) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    let fleet = &index.fleet;
    let mut hosts = std::collections::BTreeMap::<&str, u64>::new();
    for cluster in fleet.hosts.iter().filter_map(|it| it.cluster.as_ref()) {
        *hosts.entry(cluster.as_str()).or_default() += 1;
    }
    let content = html! {
        h1 { "Clusters and management planes" }
        (stale(&index))
        section aria-labelledby="clusters" {
            h2 id="clusters" { "Clusters" }
            @if fleet.clusters.is_empty() { p.soft { "The fleet file describes none." } } @else {
                (scroll("Clusters", html! { table {
                    caption { "Clusters that the fleet file describes" }
                    thead { tr { th scope="col" { "Cluster" } th.num scope="col" { "Hosts" } } }
                    tbody { @for it in &fleet.clusters { tr {
                        @let page = format!("/clusters/{}", encode(it.id.as_str()));
                        th scope="row" { a href=(page) { (it.id) } } td.num { (linked(hosts.get(it.id.as_str()).copied().unwrap_or(0), &page)) }
                    } } }
                } }))
            }
        }
        section aria-labelledby="planes" {
            h2 id="planes" { "Management planes" }
            @if fleet.management_planes.is_empty() { p.soft { "The fleet file describes none." } }
            ul.why { @for it in &fleet.management_planes { li { a href={"/planes/" (encode(it.id.as_str()))} { (it.id) } } } }
        }
    };
    Ok(page("Clusters", "", Some(&index), content))
}

async fn element(app: &Shared, kind: Kind, what: &str, id: &str) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    let section = section(app, kind, id).await?;
    let content = html! {
        h1 { (id) } p.when { (what) ". " a href="/clusters" { "All clusters and management planes" } }
        (stale(&index))
        (section)
    };
    Ok(page(id, "", Some(&index), content))
}

pub(super) async fn cluster(State(app): State<Shared>, Path(id): Path<String>) -> Result<Markup, PageError> {
    element(&app, Kind::Cluster, "Cluster", &id).await
}

pub(super) async fn plane(State(app): State<Shared>, Path(id): Path<String>) -> Result<Markup, PageError> {
    element(&app, Kind::ManagementPlane, "Management plane", &id).await
}
