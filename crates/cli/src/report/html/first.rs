//! What to do first.

use std::collections::BTreeMap;

use maud::{Markup, html};
use underpin_exposure::report::{AssetKind, Finding, Fix, Reason};
use underpin_exposure::{Assessment, Priority, SORT_KEY};

use super::{cut, number, scroll, status};
use crate::report::csv::{needed, needs, used};
use crate::report::hits::Hits;
use crate::report::left_out::LeftOut;
use crate::report::table::kind_name;

/// Vulnerabilities that are shown.
const VULNERABILITIES: usize = 200;

pub(super) fn section(assessment: &Assessment, left_out: &LeftOut, hits: &Hits<'_>) -> Markup {
    let list = assessment.priorities();
    html! {
        section aria-labelledby="first" {
            h2 id="first" { "What to do first" }
            @if list.is_empty() && left_out.hides_open() {
                p { "What is open is left out." }
            } @else if list.is_empty() {
                p { "Nothing is known to be open. What is unknown is counted above." }
            } @else {
                p.soft { "Order: " (SORT_KEY) "." }
                (scroll("Open vulnerabilities", &table(&list, hits)))
                @if list.len() > VULNERABILITIES { (cut(list.len(), VULNERABILITIES, "open vulnerabilities")) }
            }
        }
    }
}

fn table(list: &[Priority<'_>], hits: &Hits<'_>) -> Markup {
    html! {
        table.cards {
            caption { "Open vulnerabilities with who is hit and what closes them" }
            thead { tr {
                th scope="col" { "Vulnerability" } th scope="col" { "Known about it" } th scope="col" { "Decision" }
                th scope="col" { "Due" } th scope="col" { "Who is hit" } th scope="col" { "Fix and why" }
            } }
            tbody { @for one in list.iter().take(VULNERABILITIES) { (row(one, hits)) } }
        }
    }
}

fn row(one: &Priority<'_>, hits: &Hits<'_>) -> Markup {
    let view = one.vulnerability;
    let tenants = hits.tenants(&view.id) as u64;
    html! {
        tr {
            th.tight scope="row" { (view.id) @if let Some(day) = view.kev { " " span.tag.kev title={"listed on " (day)} { "KEV" } } }
            td.facts data-label="Known" {
                @if let Some(cvss) = &view.cvss { "CVSS " b { (format!("{:.1}", cvss.score)) } small.soft { code { (cvss.vector) } } } @else { span.soft { "no CVSS score" } }
                @if let Some(day) = view.kev { div { "exploited, in KEV since " (day) } }
                @if let Some(epss) = view.epss { div { "EPSS " (format!("{:.1} %", epss * 100.0)) } }
            }
            td data-label="Decision" {
                @if let Some(ssvc) = &view.ssvc {
                    span.tight { (ssvc.decision) }
                    @if !ssvc.assumed.is_empty() { details { summary { "assumed" } ul.why { @for point in &ssvc.assumed { li { (point) } } } } }
                } @else { span.soft { "not decided" } }
            }
            td data-label="Due" {
                @if let Some(due) = &view.due {
                    @for (at, duty) in due.each().enumerate() {
                        @if at > 0 { br; }
                        @if let Some(day) = duty.date { span.tight { (day) } " " small.soft { (duty.timeline) } } @else { (duty.timeline) }
                    }
                } @else { span.soft { "no deadline" } }
            }
            td.who data-label="Hit" {
                (kinds("affected", &one.affected))
                (kinds("fixed, not running", &one.fixed_not_running))
                small.soft { (number(tenants)) @if tenants == 1 { " tenant" } @else { " tenants" } }
            }
            td data-label="Fix" { (fix(one.example.fix.as_ref())) small.soft { (used(one.used)) } (why(one.example)) }
        }
    }
}

/// `affected: 12 hosts, 3 VMs`.
fn kinds(label: &str, counts: &BTreeMap<AssetKind, u64>) -> Markup {
    let words = counts.iter().map(|(kind, count)| {
        let name = if *kind == AssetKind::Vm { "VM" } else { kind_name(*kind) };
        format!("{} {name}{}", number(*count), if *count == 1 { "" } else { "s" })
    });
    let words = words.collect::<Vec<_>>().join(", ");
    html! { @if !counts.is_empty() { div { (label) ": " (words) } } }
}

fn fix(fix: Option<&Fix>) -> Markup {
    let Some(fix) = fix else { return html! { span.soft { "no fix known" } } };
    html! {
        @if let Some(version) = &fix.version { code { (version) } } @else { span.soft { "no release" } }
        @if let Some(advisory) = &fix.advisory { ", " (advisory) }
        @if !fix.needs.is_empty() { div { (needs(&fix.needs)) } }
    }
}

/// The reason chain of the finding that stands for a vulnerability.
fn why(example: &Finding) -> Markup {
    html! {
        details {
            summary { "Why, for example" }
            p { (example.component) " " code { (example.version) } " " (status(example.status)) }
            @if let Some(fix) = &example.fix { p { "Used: " (needed(&fix.needed)) ": " (fix.needed.why()) } }
            (reasons(&example.reasons))
        }
    }
}

fn reasons(reasons: &[Reason]) -> Markup {
    html! {
        ol.why {
            @for reason in reasons {
                li {
                    (reason.text) " "
                    small.soft {
                        @if let Some(feed) = &reason.feed {
                            "[" (feed) @if let Some(document) = &reason.document { ", " (document) } "]"
                        } @else { "[fleet]" }
                    }
                }
            }
        }
    }
}
