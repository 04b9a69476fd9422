//! Lists with search and pages.

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use underpin_exposure::report::{AssetKind, Status};

use super::parts::{
    address, asset_link, bar, count, encode, fix, linked, number, pager, reasons, scroll, stale, status,
    unknown,
};
use super::{PageError, page};
use crate::analyst::kind_name;
use crate::index::Index;
use crate::priority::Priority;
use crate::query::{self, AssetQuery, Exposure, ExposureQuery, Page, Query};
use crate::state::{Shared, no_fleet};

/// Vulnerabilities with everything that decides their order.
pub(super) fn priority_rows<'a>(index: &Index, priorities: impl Iterator<Item = &'a Priority>) -> Markup {
    scroll(
        "Vulnerabilities",
        html! {
            table {
                caption { "Vulnerabilities with open exposures" }
                thead { tr {
                    th scope="col" { "Vulnerability" } th.num scope="col" { "CVSS" } th scope="col" { "Exploited" } th.num scope="col" { "EPSS" }
                    th scope="col" { "SSVC" } th scope="col" { "Due" } th scope="col" { "Fix" }
                    th.num scope="col" { "Hosts" } th.num scope="col" { "VMs" } th.num scope="col" { "Tenants" }
                } }
                tbody {
                    @for row in priorities {
                        @let view = index.assessment.vulnerabilities.get(&row.id);
                        @let home = format!("/vulnerabilities/{}", encode(row.id.as_str()));
                        tr {
                            th.tight scope="row" { a href=(home) { (row.id) } }
                            td.num { @if let Some(cvss) = view.and_then(|v| v.cvss.as_ref()) { (format!("{:.1}", cvss.score)) } @else { "–" } }
                            td.tight { @if let Some(day) = view.and_then(|v| v.kev) { span.tag.kev { "KEV" } " " (day) } @else { "–" } }
                            td.num { @if let Some(epss) = view.and_then(|v| v.epss) { (format!("{:.1} %", epss * 100.0)) } @else { "–" } }
                            td.tight { @if let Some(ssvc) = view.and_then(|v| v.ssvc.as_ref()) { (ssvc.decision) } @else { "–" } }
                            td { @if let Some(due) = view.and_then(|v| v.due.as_ref()) { @for (at, duty) in due.each().enumerate() { @if at > 0 { br; } (duty.timeline) @if let Some(day) = duty.date { br; (day) } } } @else { "–" } }
                            td { @if let Some(version) = row.fix.as_ref().and_then(|f| f.version.as_ref()) { span.mono { (version) } } @else { span.soft { "none known" } } }
                            td.num { (linked(row.hosts, &address("/hosts", &[("hit_by", Some(row.id.as_str()))]))) }
                            td.num { (linked(row.vms, &address("/vms", &[("hit_by", Some(row.id.as_str()))]))) }
                            td.num { (linked(row.tenants, &format!("{home}#tenants"))) }
                        }
                    }
                }
            }
        },
    )
}

/// Exposures with their reasons.
pub(super) fn exposure_rows(caption: &str, rows: &[Exposure<'_>], with_asset: bool) -> Markup {
    scroll(
        caption,
        html! {
            table {
                caption { (caption) }
                thead { tr {
                    @if with_asset { th scope="col" { "Asset" } }
                    th scope="col" { "Vulnerability" } th scope="col" { "Status" } th scope="col" { "Component" } th scope="col" { "Why" } th scope="col" { "What closes it" }
                } }
                tbody {
                    @for Exposure { asset, finding } in rows {
                        tr {
                            @if with_asset { td { (asset_link(asset)) } }
                            th.tight scope="row" {
                                @if let Some(id) = &finding.vulnerability { a href={"/vulnerabilities/" (encode(id.as_str()))} { (id) } } @else { span.soft { "any" } }
                            }
                            td { (status(finding.status)) }
                            td { (finding.component) br; small.mono { (finding.version) }
                                @if let Some(running) = &finding.running_version { br; small { "runs " span.mono { (running) } } } }
                            td { (reasons(&finding.reasons)) }
                            td { @if finding.status.is_open() { (fix(finding.fix.as_ref())) } }
                        }
                    }
                }
            }
        },
    )
}

fn query_address(query: &ExposureQuery, cursor: Option<&str>) -> String {
    address(
        "/exposures",
        &[
            ("asset", query.asset.as_deref()),
            ("kind", query.kind.as_deref()),
            ("vulnerability", query.vulnerability.as_deref()),
            ("status", query.status.as_deref()),
            ("tenant", query.tenant.as_deref()),
            ("platform", query.platform.as_deref()),
            ("limit", query.limit.as_deref()),
            ("cursor", cursor),
        ],
    )
}

fn field(name: &str, label: &str, value: Option<&str>) -> Markup {
    html! { div { label for=(name) { (label) } input id=(name) name=(name) value=(value.unwrap_or_default()) size="16"; } }
}

fn choice(name: &str, label: &str, value: Option<&str>, options: &[(&str, &str)]) -> Markup {
    html! { div { label for=(name) { (label) } select id=(name) name=(name) {
        @for (option, words) in options { option value=(option) selected[Some(*option) == value] { (words) } }
    } } }
}

fn status_choice(value: Option<&str>) -> Markup {
    let mut options = vec![
        ("", "any"),
        ("open", "open"),
        ("unknown", "unknown"),
        ("unknown_other", "unknown: other reasons"),
    ];
    options.extend(Status::ALL.map(|s| (s.name(), s.label())));
    choice("status", "Status", value, &options)
}

pub(super) async fn exposures(
    State(app): State<Shared>,
    Query(filter): Query<ExposureQuery>,
) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    let found = query::exposures(&index, &filter)?;
    let kinds = [
        ("", "any"),
        ("host", "host"),
        ("vm", "VM"),
        ("image", "image"),
        ("management_plane", "management plane"),
        ("witness", "witness"),
        ("storage", "storage"),
    ];
    let next = query_address(&filter, found.next.as_deref());
    let first = filter.cursor.is_some().then(|| query_address(&filter, None));
    let content = html! {
        h1 { "Exposures" }
        p.when { strong id="total" data-total=(found.total) { (number(found.total)) } " of asset × component × vulnerability" }
        (stale(&index))
        section aria-label="List" {
            form.find method="get" {
                (status_choice(filter.status.as_deref())) (choice("kind", "Kind", filter.kind.as_deref(), &kinds))
                (field("asset", "Asset", filter.asset.as_deref())) (field("vulnerability", "Vulnerability", filter.vulnerability.as_deref()))
                (field("tenant", "Tenant", filter.tenant.as_deref())) (field("platform", "Platform", filter.platform.as_deref()))
                button type="submit" { "Filter" }
            }
            (exposure_rows("Exposures", &found.items, true))
            (pager(&found, &next, first.as_deref()))
        }
    };
    Ok(page("Exposures", "/exposures", Some(&index), content))
}

pub(super) async fn hosts(
    State(app): State<Shared>,
    Query(filter): Query<AssetQuery>,
) -> Result<Markup, PageError> {
    assets(&app, filter, AssetKind::Host, "/hosts", "Hosts")
}

pub(super) async fn vms(
    State(app): State<Shared>,
    Query(filter): Query<AssetQuery>,
) -> Result<Markup, PageError> {
    assets(&app, filter, AssetKind::Vm, "/vms", "VMs")
}

fn assets(
    app: &Shared,
    mut filter: AssetQuery,
    kind: AssetKind,
    home: &str,
    title: &str,
) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    filter.kind = Some(kind_name(kind).to_owned());
    let found = query::assets(&index, &filter)?;
    let to = |cursor: Option<&str>| {
        address(
            home,
            &[
                ("q", filter.q.as_deref()),
                ("hit_by", filter.hit_by.as_deref()),
                ("status", filter.status.as_deref()),
                ("tenant", filter.tenant.as_deref()),
                ("platform", filter.platform.as_deref()),
                ("limit", filter.limit.as_deref()),
                ("cursor", cursor),
            ],
        )
    };
    let content = html! {
        h1 { (title) }
        p.when { strong id="total" data-total=(found.total) { (number(found.total)) } " in the list" }
        (stale(&index))
        section aria-label="List" {
            form.find method="get" {
                (field("q", "Name contains", filter.q.as_deref())) (status_choice(filter.status.as_deref()))
                (field("tenant", "Tenant", filter.tenant.as_deref())) (field("platform", "Platform", filter.platform.as_deref()))
                (field("hit_by", "Hit by", filter.hit_by.as_deref()))
                button type="submit" { "Search" }
            }
            (scroll(title, asset_rows(&index, &found, kind, title)))
            (pager(&found, &to(found.next.as_deref()), filter.cursor.is_some().then(|| to(None)).as_deref()))
        }
    };
    Ok(page(title, home, Some(&index), content))
}

fn asset_rows(
    index: &Index,
    found: &Page<&crate::index::AssetEntry>,
    kind: AssetKind,
    caption: &str,
) -> Markup {
    let place = |id: &str| match kind {
        AssetKind::Host => index
            .host(id)
            .map(|h| (Index::platform(h).to_owned(), h.cluster.as_ref().map(ToString::to_string), None)),
        _ => index.vm(id).map(|v| {
            let tenant = v.tenant.as_ref().map(ToString::to_string);
            (tenant.unwrap_or_default(), v.host.as_ref().map(ToString::to_string), v.host.clone())
        }),
    };
    let host = kind == AssetKind::Host;
    html! {
        table {
            caption { (caption) " with the numbers of their own exposures" }
            thead { tr {
                th scope="col" { "Name" } th scope="col" { @if host { "Platform" } @else { "Tenant" } } th scope="col" { @if host { "Cluster" } @else { "Host" } }
                th.num scope="col" { "unknown" } th.num scope="col" { "affected" } th.num scope="col" { "not running" } th.num scope="col" { "fixed" } th scope="col" { "share" }
                @if host { th.num scope="col" { "VMs" } }
            } }
            tbody {
                @for asset in &found.items {
                    @let assessed = index.counts_of(kind, &asset.id).copied();
                    @let counts = assessed.unwrap_or_default();
                    @let (one, two, on) = place(&asset.id).unwrap_or_default();
                    @let to = |status| address("/exposures", &[("asset", Some(&*asset.id)), ("kind", Some(kind_name(kind))), ("status", Some(status))]);
                    tr {
                        th scope="row" { a href=(super::parts::asset_address(kind, &asset.id)) { (asset.id) } }
                        td { @if host { (one) } @else if !one.is_empty() { a href={"/tenants/" (encode(&one))} { (one) } } }
                        td { @if let Some(on) = on { a href={"/hosts/" (encode(on.as_str()))} { (on) } } @else { (two.unwrap_or_default()) } }
                        @if assessed.is_some() {
                            td.num { (linked(unknown(&counts), &to("unknown"))) }
                            td.num { (linked(count(&counts, Status::Affected), &to("affected"))) }
                            td.num { (linked(count(&counts, Status::FixedNotRunning), &to("fixed_not_running"))) }
                            td.num { (linked(count(&counts, Status::Fixed), &to("fixed"))) }
                            td { (bar(&counts)) }
                        } @else { td.soft colspan="5" { "not assessed" } }
                        @if host { td.num { (linked(index.guests(&asset.id).count() as u64, &format!("/hosts/{}#guests", encode(&asset.id)))) } }
                    }
                }
            }
        }
    }
}

/// Which page of the vulnerabilities.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    cursor: Option<usize>,
}

pub(super) async fn vulnerabilities(
    State(app): State<Shared>,
    Query(start): Query<Start>,
) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    let start = start.cursor.unwrap_or(0);
    let end = start.saturating_add(query::PAGE);
    let items: Vec<&Priority> = index.priorities.iter().skip(start).take(query::PAGE).collect();
    let total = index.priorities.len();
    let next = (end < total).then(|| end.to_string());
    let to = address("/vulnerabilities", &[("cursor", next.as_deref())]);
    let rows = priority_rows(&index, items.iter().copied());
    let listed = Page { items, total: total as u64, next };
    let content = html! {
        h1 { "Vulnerabilities" }
        p.when { "Those with open exposures. Order: " (underpin_exposure::SORT_KEY) "." }
        (stale(&index))
        section aria-label="List" { (rows) (pager(&listed, &to, (start > 0).then_some("/vulnerabilities"))) }
    };
    Ok(page("Vulnerabilities", "/vulnerabilities", Some(&index), content))
}
