//! One host, VM, image or tenant, and ripple.

use axum::extract::{Path, State};
use maud::{Markup, html};
use serde::Deserialize;
use underpin_exposure::report::{AssetKind, Status};

use super::lists::exposure_rows;
use super::parts::{address, bar, count, encode, linked, number, pager, scroll, seen, stale, unknown};
use super::{PageError, page, standing};
use crate::analyst::{RippleElement, kind_name};
use crate::api::assets::ripple_at;
use crate::index::Index;
use crate::problem::Code;
use crate::query::{self, ExposureQuery, Query};
use crate::standing::Kind;
use crate::state::{Shared, no_fleet};

/// Guests shown on a host's page; the list of VMs has all.
const GUESTS: usize = 100;

fn missing(what: &str, id: &str) -> PageError {
    PageError(Code::NotFound.with(format!("The fleet has no {what} {id:?}.")))
}

/// The exposures of one asset, open ones first.
fn exposures(
    index: &Index,
    kind: AssetKind,
    id: &str,
    title: &str,
    anchor: &str,
) -> Result<Markup, PageError> {
    let only = |status: &str| ExposureQuery {
        asset: Some(id.to_owned()),
        kind: Some(kind_name(kind).to_owned()),
        status: Some(status.to_owned()),
        limit: Some("50".to_owned()),
        ..Default::default()
    };
    let open = query::exposures(index, &only("open"))?;
    let unknown = query::exposures(index, &only("unknown"))?;
    let counts = index.counts_of(kind, id).copied();
    let to = |status, cursor| {
        address(
            "/exposures",
            &[
                ("asset", Some(id)),
                ("kind", Some(kind_name(kind))),
                ("status", Some(status)),
                ("limit", Some("50")),
                ("cursor", cursor),
            ],
        )
    };
    Ok(html! {
        section aria-labelledby=(anchor) {
            h2 id=(anchor) { (title) }
            @if let Some(counts) = counts {
                p { (linked(unknown.total, &to("unknown", None))) " unknown, " (linked(count(&counts, Status::Affected), &to("affected", None))) " affected, "
                    (linked(count(&counts, Status::FixedNotRunning), &to("fixed_not_running", None))) " fixed, not running, "
                    (linked(count(&counts, Status::Fixed), &to("fixed", None))) " fixed, " (linked(count(&counts, Status::NotAffected), &to("not_affected", None))) " not affected" }
                (bar(&counts))
                @if !open.items.is_empty() { (exposure_rows("Open", &open.items, false)) (pager(&open, &to("open", open.next.as_deref()), None)) }
                @if !unknown.items.is_empty() { (exposure_rows("Unknown", &unknown.items, false)) (pager(&unknown, &to("unknown", unknown.next.as_deref()), None)) }
            } @else { p { "Not assessed: nothing is known about its components." } }
        }
    })
}

fn fact(name: &str, value: Option<&str>) -> Markup {
    html! { dt { (name) } dd { @if let Some(value) = value { (value) } @else { span.soft { "not known" } } } }
}

fn ripple_link(id: &str) -> Markup {
    html! { p { a href=(address("/ripple", &[("at", Some(id))])) { "Who stands on it, and what it stands on" } } }
}

pub(super) async fn host(State(app): State<Shared>, Path(id): Path<String>) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    let host = index.host(&id).ok_or_else(|| missing("host", &id))?;
    let guests = index.guests(&id).count();
    let cpu = host.cpu.as_ref();
    let stands = standing::section(&app, Kind::Host, &id).await?;
    let content = html! {
        h1 { (host.name.as_deref().unwrap_or(&id)) } p.when { "Host " (id) }
        (stale(&index))
        section aria-labelledby="facts" {
            h2 id="facts" { "Facts" }
            dl {
                (fact("Platform", host.platform.as_ref().map(|p| p.family.name())))
                (fact("Release", host.platform.as_ref().and_then(|p| p.release.as_deref())))
                (fact("Cluster", host.cluster.as_ref().map(|c| c.as_str())))
                (fact("Ring", host.ring.as_deref()))
                (fact("Running kernel", host.kernel_release.as_deref()))
                @for (component, version) in &host.running { (fact(&format!("Running {component}"), Some(version))) }
                (fact("Machine", host.model.as_deref())) (fact("Firmware", host.firmware.as_deref()))
                (fact("Processor", cpu.and_then(|c| c.model.as_deref()))) (fact("Microcode", cpu.and_then(|c| c.microcode.as_deref())))
                dt { "Guests" } dd { (linked(guests as u64, "#guests")) }
                (seen(host.seen.as_deref(), &index.fleet.seen, &host.provenance))
            }
            (ripple_link(&id))
        }
        (exposures(&index, AssetKind::Host, &id, "Exposures of the host", "exposures")?)
        (stands)
        section aria-labelledby="guests" {
            h2 id="guests" { "Guests" }
            (guest_rows(&index, index.guests(&id).take(GUESTS), "VMs on this host"))
            @if guests > GUESTS { p.soft { (GUESTS) " of " (number(guests as u64)) " are shown; the API lists all." } }
        }
    };
    Ok(page(&id, "/hosts", Some(&index), content))
}

fn guest_rows<'a>(
    index: &Index,
    vms: impl Iterator<Item = &'a underpin_model::fleet::Vm>,
    caption: &str,
) -> Markup {
    scroll(
        caption,
        html! {
            table {
                caption { (caption) }
                thead { tr { th scope="col" { "VM" } th scope="col" { "Tenant" } th scope="col" { "Host" } th scope="col" { "Runs on" } th.num scope="col" { "unknown" } th.num scope="col" { "affected" } th.num scope="col" { "not running" } } }
                tbody { @for vm in vms {
                    @let assessed = index.counts_of(AssetKind::Vm, vm.id.as_str()).copied();
                    @let counts = assessed.unwrap_or_default();
                    @let to = |status| address("/exposures", &[("asset", Some(vm.id.as_str())), ("kind", Some("vm")), ("status", Some(status))]);
                    tr {
                        th scope="row" { a href={"/vms/" (encode(vm.id.as_str()))} { (vm.id) } }
                        td { @if let Some(tenant) = &vm.tenant { a href={"/tenants/" (encode(tenant.as_str()))} { (tenant) } } }
                        td { @if let Some(host) = &vm.host { a href={"/hosts/" (encode(host.as_str()))} { (host) } } }
                        td { @if let Some(vmm) = &vm.vmm { (vmm.component) " " span.mono { (vmm.version) } } @else { span.soft { "not known" } } }
                        @if assessed.is_some() {
                            td.num { (linked(unknown(&counts), &to("unknown"))) }
                            td.num { (linked(count(&counts, Status::Affected), &to("affected"))) }
                            td.num { (linked(count(&counts, Status::FixedNotRunning), &to("fixed_not_running"))) }
                        } @else { td.soft colspan="3" { "not assessed" } }
                    }
                } }
            }
        },
    )
}

pub(super) async fn vm(State(app): State<Shared>, Path(id): Path<String>) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    let vm = index.vm(&id).ok_or_else(|| missing("VM", &id))?;
    let below = match &vm.host {
        Some(host) => exposures(
            &index,
            AssetKind::Host,
            host.as_str(),
            "Exposures of the host that it stands on",
            "below",
        )?,
        None => {
            html! { section { h2 { "The host that it stands on" } p { "Not known, or the VM is off." } } }
        }
    };
    let stands = standing::section(&app, Kind::Vm, &id).await?;
    let content = html! {
        h1 { (vm.name.as_deref().unwrap_or(&id)) } p.when { "VM " (id) }
        (stale(&index))
        section aria-labelledby="facts" {
            h2 id="facts" { "Facts" }
            dl {
                dt { "Host" } dd { @if let Some(host) = &vm.host { a href={"/hosts/" (encode(host.as_str()))} { (host) } } @else { span.soft { "not known" } } }
                dt { "Tenant" } dd { @if let Some(tenant) = &vm.tenant { a href={"/tenants/" (encode(tenant.as_str()))} { (tenant) } } @else { span.soft { "not known" } } }
                dt { "Image" } dd { @if let Some(image) = &vm.image { a href={"/images/" (encode(image.as_str()))} { (image) } } @else { span.soft { "not known" } } }
                (fact("Application", vm.application.as_ref().map(|a| a.as_str())))
                (fact("Guest system", vm.guest_os.as_deref())) (fact("Guest tools", vm.guest_tools.as_deref()))
                (fact("Runs on", vm.vmm.as_ref().map(|v| format!("{} {}", v.component, v.version)).as_deref()))
                (fact("Machine type", vm.machine_type.as_deref()))
                (fact("Cold-started", vm.cold_started_at.map(|t| t.to_string()).as_deref()))
                (seen(vm.seen.as_deref(), &index.fleet.seen, &vm.provenance))
            }
            (ripple_link(&id))
        }
        (exposures(&index, AssetKind::Vm, &id, "Exposures of the VM", "exposures")?)
        (below)
        (stands)
    };
    Ok(page(&id, "/vms", Some(&index), content))
}

pub(super) async fn image(State(app): State<Shared>, Path(id): Path<String>) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    let image = index.image(&id).ok_or_else(|| missing("image", &id))?;
    let made = || index.fleet.vms.iter().filter(|v| v.image.as_ref() == Some(&image.id));
    let content = html! {
        h1 { (image.name.as_deref().unwrap_or(&id)) } p.when { "Image " (id) }
        (stale(&index))
        section aria-labelledby="facts" {
            h2 id="facts" { "Facts" }
            dl {
                (fact("Tenant", image.tenant.as_ref().map(|t| t.as_str()))) (fact("Built", image.built.map(|d| d.to_string()).as_deref()))
                dt { "VMs made from it" } dd { (linked(made().count() as u64, "#made")) }
                (seen(image.seen.as_deref(), &index.fleet.seen, &image.provenance))
            }
            (ripple_link(&id))
        }
        (exposures(&index, AssetKind::Image, &id, "Exposures of the image", "exposures")?)
        section aria-labelledby="made" { h2 id="made" { "VMs made from it" } (guest_rows(&index, made().take(GUESTS), "VMs made from this image")) }
    };
    Ok(page(&id, "", Some(&index), content))
}

pub(super) async fn tenant(State(app): State<Shared>, Path(id): Path<String>) -> Result<Markup, PageError> {
    let index = app.index().ok_or_else(no_fleet)?;
    let tenant =
        index.fleet.tenants.iter().find(|t| t.id.as_str() == id).ok_or_else(|| missing("tenant", &id))?;
    let counts = index.sum(index.beneath(&id));
    let vms = index.tenant_vms(&id).count() as u64;
    let to = |status| address("/exposures", &[("tenant", Some(&id)), ("status", Some(status))]);
    let stands = standing::section(&app, Kind::Tenant, &id).await?;
    let content = html! {
        h1 { (tenant.name.as_deref().unwrap_or(&id)) } p.when { "Tenant " (id) }
        (stale(&index))
        section aria-labelledby="facts" {
            h2 id="facts" { "What it stands on" }
            dl {
                (fact("Contact", tenant.contact.as_deref()))
                dt { "VMs" } dd { (linked(vms, &address("/vms", &[("tenant", Some(&id))]))) }
                dt { "Unknown" } dd { (linked(unknown(&counts), &to("unknown"))) }
                dt { "Affected" } dd { (linked(count(&counts, Status::Affected), &to("affected"))) }
                dt { "Fixed, not running" } dd { (linked(count(&counts, Status::FixedNotRunning), &to("fixed_not_running"))) }
                dt { "Share" } dd { (bar(&counts)) }
                (seen(tenant.seen.as_deref(), &index.fleet.seen, &tenant.provenance))
            }
            p.soft { "Exposures of its VMs and images, and of the hosts beneath its VMs." }
            (ripple_link(&id))
        }
        (stands)
        section aria-labelledby="vms" { h2 id="vms" { "VMs" } (guest_rows(&index, index.tenant_vms(&id).take(GUESTS), "VMs of this tenant")) }
    };
    Ok(page(&id, "", Some(&index), content))
}

/// Where the change is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct At {
    at: Option<String>,
}

fn element_address(element: &RippleElement) -> Option<String> {
    match element.kind.as_str() {
        "host" => Some(format!("/hosts/{}", encode(&element.id))),
        "vm" => Some(format!("/vms/{}", encode(&element.id))),
        "image" => Some(format!("/images/{}", encode(&element.id))),
        "tenant" => Some(format!("/tenants/{}", encode(&element.id))),
        _ => None,
    }
}

/// Elements by kind, as many of each as a page can show.
fn elements(title: &str, anchor: &str, list: &[RippleElement]) -> Markup {
    let mut kinds: std::collections::BTreeMap<&str, Vec<&RippleElement>> = std::collections::BTreeMap::new();
    for element in list {
        kinds.entry(&element.kind).or_default().push(element);
    }
    html! {
        section aria-labelledby=(anchor) {
            h2 id=(anchor) { (title) " " span.soft { (number(list.len() as u64)) } }
            @if list.is_empty() { p.soft { "Nothing that the fleet knows of." } }
            @for (kind, members) in kinds {
                h3 { (kind) " " span.soft { (number(members.len() as u64)) } }
                ul.why {
                    @for element in members.iter().take(GUESTS) {
                        li { @if let Some(address) = element_address(element) { a href=(address) { (element.id) } } @else { (element.id) } }
                    }
                    @if members.len() > GUESTS { li.soft { "and " (number((members.len() - GUESTS) as u64)) " more" } }
                }
            }
        }
    }
}

pub(super) async fn ripple(State(app): State<Shared>, Query(query): Query<At>) -> Result<Markup, PageError> {
    let at = query.at.unwrap_or_default();
    let found = if at.is_empty() { None } else { Some(ripple_at(&app, at.clone()).await?) };
    let index = app.index().ok_or_else(no_fleet)?;
    let content = html! {
        h1 { "Ripple" @if !at.is_empty() { " of " (at) } }
        section aria-label="Where" {
            form.find method="get" { div { label for="at" { "Element or component" } input id="at" name="at" value=(at) required; } button type="submit" { "Show" } }
        }
        @if let Some(found) = &found {
            section aria-labelledby="tenants" {
                h2 id="tenants" { "Tenants above" }
                (scroll("Tenants above", html! { table {
                    caption { "VMs above, by tenant" }
                    thead { tr { th scope="col" { "Tenant" } th.num scope="col" { "VMs" } } }
                    tbody { @for row in &found.tenants { tr {
                        th scope="row" { @if let Some(tenant) = &row.tenant { a href={"/tenants/" (encode(tenant.as_str()))} { (tenant) } } @else { "no tenant" } }
                        td.num { (number(row.vms)) }
                    } } }
                } }))
            }
            div.two { (elements("What stands on it", "above", &found.above)) (elements("What it stands on", "below", &found.below)) }
        }
    };
    Ok(page("Ripple", "", Some(&index), content))
}
