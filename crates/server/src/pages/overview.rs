//! The first page: what stands on vulnerable layers, and what to do first.

use std::collections::BTreeMap;

use axum::extract::State;
use maud::{Markup, html};
use underpin_exposure::report::{AssetKind, Status};

use super::lists::priority_rows;
use super::parts::{
    address, asset_address, bar, count, encode, kind_words, linked, number, scroll, shape, stale, time, tone,
    unknown, worst,
};
use super::{PageError, page};
use crate::index::Index;
use crate::state::Shared;
use crate::sums::Sum;

/// How many vulnerabilities and tenants the overview shows; the lists have all.
const FIRST: usize = 12;
/// Hosts of a cluster that are drawn one by one.
const CELLS: usize = 200;
/// Clusters that are drawn.
const CLUSTERS: usize = 24;

pub(super) async fn overview(State(app): State<Shared>) -> Result<Markup, PageError> {
    let Some(index) = app.index() else {
        return Ok(page(
            "Overview",
            "/",
            None,
            html! {
                h1 { "No fleet yet" }
                section {
                    p { "Underpin shows which of your hosts, guests and tenants stand on a vulnerable platform, why, and how old that knowledge is." }
                    p { a href="/fleets" { "Upload a fleet" } ", then " a href="/feeds" { "upload feeds" } "." }
                }
            },
        ));
    };
    let content = html! {
        h1 { "What stands on vulnerable layers" }
        p.when { "Fleet " (index.fleet.name) ", as of " (time(index.assessment.as_of)) }
        p.soft { "On: " a href="/risk" { "risk" } ", " a href="/risk/group" { "patch or wait" } ", " a href="/clocks" { "promises as clocks" } ", " a href="/cadence" { "cadence" } ", " a href="/backtest" { "backtest" } "." }
        (stale(&index))
        @if index.fleet.hosts.is_empty() && index.fleet.vms.is_empty() {
            div.banner { strong { "The fleet has no hosts and no VMs" } "There is nothing to judge: zeros below do not mean that all is well. " a href="/fleets" { "Upload a fleet" } }
        }
        (headline(&index))
        @if index.unassessed > 0 {
            div.banner { strong { (number(index.unassessed)) " hosts, VMs and images were not assessed" } "Nothing is known about their components." }
        }
        section aria-labelledby="first" {
            h2 id="first" { "What to do first" }
            p.soft { "Order: " (underpin_exposure::SORT_KEY) "." }
            (priority_rows(&index, index.priorities.iter().take(FIRST)))
            @if index.priorities.len() > FIRST {
                p { a href="/vulnerabilities" { "All " (number(index.priorities.len() as u64)) " vulnerabilities" } }
            }
        }
        div.two { (by_tenant(&index)) (by_platform(&index)) }
        (heat_map(&index))
        (feeds(&index))
    };
    Ok(page("Overview", "/", Some(&index), content))
}

fn headline(index: &Index) -> Markup {
    let total = index.total();
    let other = unknown(&total) - count(&total, Status::UnknownNoSource);
    let tiles = [
        ("unknown", "unknown: no source", count(&total, Status::UnknownNoSource), "unknown_no_source"),
        ("unknown", "unknown: other reasons", other, "unknown_other"),
        ("open", "affected", count(&total, Status::Affected), "affected"),
        ("pending", "fixed, not running", count(&total, Status::FixedNotRunning), "fixed_not_running"),
        ("good", "fixed", count(&total, Status::Fixed), "fixed"),
        ("none", "not affected", count(&total, Status::NotAffected), "not_affected"),
    ];
    html! {
        ul.numbers aria-label="Exposures by status" {
            @for (tone, label, value, status) in tiles {
                li { a class={"s-" (tone)} href=(address("/exposures", &[("status", Some(status))])) { b { (number(value)) } span { (label) } } }
            }
        }
    }
}

/// Rows of counts, each number with the list behind it.
fn counts_table(
    caption: &str,
    first: &str,
    filter: &str,
    rows: &[Sum],
    home: impl Fn(&str) -> String,
) -> Markup {
    let cell =
        |name: &str, status: &str| address("/exposures", &[(filter, Some(name)), ("status", Some(status))]);
    scroll(
        caption,
        html! {
            table {
                caption { (caption) }
                thead { tr {
                    th scope="col" { (first) } th.num scope="col" { "unknown" } th.num scope="col" { "affected" }
                    th.num scope="col" { "not running" } th scope="col" { "share" }
                } }
                tbody {
                    @for Sum { name, members, counts } in rows {
                        tr {
                            th scope="row" { a href=(home(name)) { (name) } " " small.soft { (number(*members)) } }
                            td.num { (linked(unknown(counts), &cell(name, "unknown"))) }
                            td.num { (linked(count(counts, Status::Affected), &cell(name, "affected"))) }
                            td.num { (linked(count(counts, Status::FixedNotRunning), &cell(name, "fixed_not_running"))) }
                            td { (bar(counts)) }
                        }
                    }
                }
            }
        },
    )
}

fn by_tenant(index: &Index) -> Markup {
    let all = index.by_tenant.len();
    let rows = index.by_tenant.get(..all.min(FIRST)).unwrap_or_default();
    let caption = "Exposures of what each tenant stands on; small: its VMs";
    html! {
        section aria-labelledby="tenants" {
            h2 id="tenants" { "By tenant" }
            (counts_table(caption, "Tenant", "tenant", rows, |id| format!("/tenants/{}", encode(id))))
            @if all > FIRST { p.soft { "The " (FIRST) " of " (all) " tenants with most open exposures." } }
        }
    }
}

fn by_platform(index: &Index) -> Markup {
    let caption = "Exposures of hosts and the VMs on them; small: hosts";
    let home = |name: &str| address("/hosts", &[("platform", Some(name))]);
    html! {
        section aria-labelledby="platforms" {
            h2 id="platforms" { "By platform" }
            (counts_table(caption, "Platform", "platform", &index.by_platform, home))
        }
    }
}

/// A host on the map: its id, the worst that is known of it, and its open exposures.
type Cell<'a> = (&'a str, Option<Status>, u64);

fn heat_map(index: &Index) -> Markup {
    let mut clusters: BTreeMap<&str, Vec<Cell>> = BTreeMap::new();
    for host in &index.fleet.hosts {
        let counts = index.counts_of(AssetKind::Host, host.id.as_str());
        let open = counts.map_or(0, |c| count(c, Status::Affected) + count(c, Status::FixedNotRunning));
        let cluster = host.cluster.as_ref().map_or("no cluster", |c| c.as_str());
        clusters.entry(cluster).or_default().push((host.id.as_str(), counts.and_then(worst), open));
    }
    html! {
        section aria-labelledby="map" {
            h2 id="map" { "Hosts by cluster" }
            ul.legend aria-label="Legend" {
                @for status in [Status::Affected, Status::FixedNotRunning, Status::UnknownNoSource, Status::Fixed, Status::NotAffected] {
                    li { (super::parts::status(status)) }
                }
            }
            @for (cluster, hosts) in clusters.iter().take(CLUSTERS) {
                div.cluster {
                    h3 { (cluster) " " span.soft { (hosts.len()) " hosts" } }
                    ul.map {
                        @for (host, worst, open) in hosts.iter().take(CELLS) {
                            @let tone = worst.map_or("unknown", tone);
                            @let label = format!("{host}: {}, {open} open", worst.map_or("not assessed", Status::label));
                            li { a class={"s-" (tone)} href=(asset_address(AssetKind::Host, host)) title=(label) aria-label=(label) { (shape(tone)) } }
                        }
                    }
                    @if hosts.len() > CELLS { p.soft { "and " (hosts.len() - CELLS) " more " (kind_words(AssetKind::Host)) "s: " a href="/hosts" { "all hosts" } } }
                }
            }
            @if clusters.len() > CLUSTERS { p.soft { "and " (clusters.len() - CLUSTERS) " more clusters: " a href="/hosts" { "all hosts" } } }
        }
    }
}

fn feeds(index: &Index) -> Markup {
    html! {
        section aria-labelledby="feeds" {
            h2 id="feeds" { "What this is known from" }
            (super::uploads::feed_table(&index.assessment.feeds))
            form method="post" action="/assessments" { button type="submit" { "Assess again as of now" } }
        }
    }
}
