//! The evidence in force: trials, canaries, others that run a release, known bugs.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use underpin_model::fleet::HardwareClass;
use underpin_risk::wait::Evidence;
use underpin_risk::wait::evidence::{EvidenceKind, EvidenceRecord, KnownBug};
use underpin_store::Ruling;

use super::in_force::{as_uploaded, kept, put_in_force};
use super::parts::{number, scroll, time};
use super::risk::numbers::amount;
use super::uploads::upload_form;
use super::{PageError, page};
use crate::state::Shared;

/// Rows of a table; the API has all.
const MOST: usize = 200;

/// A file with every kind of entry.
const EXAMPLE: &str = "format = \"underpin-evidence/1\"

# Ten canaries of this hardware, watched in production.
[[run]]
release = \"pve-qemu-kvm 8.1.5-6\"
hardware = { vendor = \"Maker\", model = \"R1\", processor = \"06-55-07\" }
hosts = 10
failures = 0
kind = \"canary\"          # or \"trial\", \"others-run-it\"
source = \"canary ring, week 34\"

# What the release repairs, if this fleet can hit it.
[[known_bug]]
release = \"pve-qemu-kvm 8.1.5-6\"
per_host_day = 0.0005
hours_down = 0.5
source = \"tracker 4711\"
";

pub(super) async fn evidence(State(app): State<Shared>) -> Result<Markup, PageError> {
    evidence_page(&app, html! {}).await
}

pub(super) async fn add_evidence(State(app): State<Shared>, request: Request) -> Result<Response, PageError> {
    let (status, notice) = put_in_force::<Evidence>(&app, request).await;
    Ok((status, evidence_page(&app, notice).await?).into_response())
}

async fn evidence_page(app: &Shared, notice: Markup) -> Result<Markup, PageError> {
    let known = app.in_force::<Evidence>();
    let content = html! {
        h1 { "Evidence" }
        p.when { "In force: " (known.id()) @if let Some(at) = known.since { ", first uploaded " (time(at)) } @else { ": nobody has uploaded any" } ". " a href="/risk/group" { "Patch or wait" } ", " a href="/risk" { "risk" } }
        (notice)
        section aria-labelledby="upload" {
            h2 id="upload" { "Upload" }
            p.soft { "Trials and canaries of releases, others that run them, and bugs that they repair (TOML or JSON). It takes the place of what is in force when all of it is valid; otherwise every mistake is shown and nothing changes." }
            (upload_form("/evidence", "Evidence file", false))
            details { summary { "What such a file looks like" } div.scroll tabindex="0" role="region" aria-label="Example of an evidence file" { pre { (EXAMPLE) } } }
        }
        (runs(&known.value.runs))
        (bugs(&known.value.known_bugs))
        (as_uploaded(known.text.as_deref()))
        (kept(&app.store.kept(Ruling::Evidence).await?))
    };
    Ok(page("Evidence", "/risk", app.index().as_deref(), content))
}

fn kind(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Trial => "trial",
        EvidenceKind::Canary => "canary",
        EvidenceKind::OthersRunIt => "others run it",
    }
}

fn hardware(it: Option<&HardwareClass>) -> String {
    let parts = it.map(|it| [&it.vendor, &it.model, &it.processor]).into_iter().flatten().flatten();
    parts.map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn runs(list: &[EvidenceRecord]) -> Markup {
    let caption = "Runs; they count for hosts of the same hardware";
    html! {
        section aria-labelledby="runs" {
            h2 id="runs" { "Runs" }
            @if list.is_empty() { p.soft { "None: what is believed of a release is its history alone." } } @else {
                (scroll(caption, html! { table {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Release" } th scope="col" { "Hardware" } th scope="col" { "Kind" } th.num scope="col" { "Hosts" } th.num scope="col" { "Hit" } th scope="col" { "Source" } } }
                    tbody { @for it in list.iter().take(MOST) {
                        @let hardware = hardware(it.hardware.as_ref());
                        tr {
                            th scope="row" { (it.release) } td { @if hardware.is_empty() { span.status.s-unknown { "unknown" } } @else { (hardware) } }
                            td.tight { (kind(it.kind)) } td.num { (number(it.hosts.into())) } td.num { (number(it.failures.into())) } td { (it.source.as_deref().unwrap_or("–")) }
                        }
                    } }
                } }))
                (more(list.len()))
            }
        }
    }
}

fn bugs(list: &[KnownBug]) -> Markup {
    let caption = "Bugs that a release repairs";
    html! { @if !list.is_empty() {
        section aria-labelledby="bugs" {
            h2 id="bugs" { "Known bugs" }
            (scroll(caption, html! { table {
                caption { (caption) }
                thead { tr { th scope="col" { "Repaired by" } th.num scope="col" { "Hits of a host a day" } th.num scope="col" { "Hours down" } th scope="col" { "Source" } } }
                tbody { @for it in list.iter().take(MOST) { tr { th scope="row" { (it.release) } td.num { (amount(it.per_host_day)) } td.num { (amount(it.hours_down)) } td { (it.source) } } } }
            } }))
            (more(list.len()))
        }
    } }
}

fn more(rows: usize) -> Markup {
    html! { @if rows > MOST { p.soft { "and " (number((rows - MOST) as u64)) " more: " a href="/api/v1/evidence" { "all of them" } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evidence_that_the_page_shows_can_be_used_as_it_is() {
        let read = underpin_risk::wait::evidence::read(EXAMPLE).unwrap();
        assert_eq!((read.runs.len(), read.known_bugs.len()), (1, 1));
    }
}
