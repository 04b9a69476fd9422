//! The report as one self-contained page: no script, no other file, readable on a phone and on paper.

mod first;
mod lists;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use underpin_exposure::Assessment;
use underpin_exposure::report::{FeedState, Status};
use underpin_model::fleet::Fleet;

use self::lists::{by_platform, by_tenant, feeds, hosts, how_to_read, unknown};
use super::hits::Hits;
use super::left_out::LeftOut;
use super::sums::Sums;
use crate::verbs::assess::counts;

/// What the page has beyond the pages of the server, and how it prints.
const STYLE: &str = "
.numbers a{cursor:default}details summary{cursor:pointer;color:var(--link)}details[open] summary{margin-bottom:.3rem}
.tight,summary{white-space:nowrap}.banner details{margin-top:.2rem}
tbody td.facts{min-width:13rem}td .why{min-width:13rem}td.who{min-width:9rem}td small.soft{display:block}
@media (max-width:620px){table.cards,table.cards caption,table.cards tbody,table.cards tr,table.cards th,table.cards td{display:block}table.cards thead{display:none}
table.cards tr{padding:.5rem 0;border-bottom:1px solid var(--line)}table.cards tr:last-child{border-bottom:0}
table.cards tr>*{border-bottom:0;padding:.12rem 0}table.cards th{font-weight:650}table.cards td .why{min-width:0}
table.cards td::before{content:attr(data-label) ': ';color:var(--soft);font-size:.84rem}}
@media print{:root{color-scheme:light}body{background:#fff;font-size:10pt}main{max-width:none;padding:0}header.top{display:none}
section{break-inside:auto;border:0;padding:0}h2{break-after:avoid}tr{break-inside:avoid}thead{display:table-header-group}
.scroll{overflow:visible}.numbers{grid-template-columns:repeat(6,1fr)}a{color:inherit;text-decoration:none}}
";

/// The whole page. Lists are cut where a browser would suffer, and say so.
pub(crate) fn render(fleet: &Fleet, assessment: &Assessment, left_out: &LeftOut) -> Markup {
    let sums = Sums::new(fleet, assessment);
    let hits = Hits::new(fleet, assessment);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content={"underpin " (env!("CARGO_PKG_VERSION"))};
                title { "Exposure of " (fleet.name) " · Underpin" }
                style { (PreEscaped(underpin_server::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top { span.brand { "Underpin" } span { "Exposure report" } }
                main id="content" tabindex="-1" {
                    h1 { "What stands on vulnerable layers: " (fleet.name) }
                    p.when {
                        "As of " (time(assessment.as_of)) ": " (number(assessment.summary.assets)) " assets ("
                        (number(fleet.hosts.len() as u64)) " hosts, " (number(fleet.vms.len() as u64)) " VMs, "
                        (number(fleet.images.len() as u64)) " images)"
                    }
                    (stale(assessment))
                    (headline(assessment))
                    @if let Some(sentence) = left_out.sentence() { p.soft { (sentence) ". The tables below count what is left." } }
                    (first::section(assessment, left_out, &hits))
                    div.two { (by_tenant(&sums)) (by_platform(&sums)) }
                    (hosts(fleet, assessment, &sums))
                    (unknown(assessment))
                    (feeds(assessment))
                    (how_to_read())
                }
            }
        }
    }
}

fn stale(assessment: &Assessment) -> Markup {
    let stale: Vec<_> = assessment.feeds.iter().filter(|feed| feed.stale).collect();
    html! {
        @if !stale.is_empty() {
            div.banner role="status" {
                strong {
                    (stale.len()) " of " (assessment.feeds.len()) " feeds "
                    @if stale.len() == 1 { "is" } @else { "are" } " stale: newer advisories are not known here"
                }
                details open[stale.len() <= 3] {
                    summary { "which" }
                    ul { @for feed in stale.iter().take(lists::FEEDS) { (stale_feed(feed)) } }
                    @if stale.len() > lists::FEEDS { (cut(stale.len(), lists::FEEDS, "stale feeds")) }
                }
            }
        }
    }
}

fn stale_feed(feed: &FeedState) -> Markup {
    html! {
        li {
            (feed.id) ": "
            @match (feed.updated, feed.age_days) {
                (Some(at), Some(days)) => { "last updated " (day(at)) ", " (number_of(days)) " days before" }
                _ => { "the day of its last update is not known" }
            }
        }
    }
}

fn headline(assessment: &Assessment) -> Markup {
    const TONES: [(&str, &str); 6] = [
        ("s-unknown", "#unknown"),
        ("s-unknown", "#how"),
        ("s-open", "#first"),
        ("s-pending", "#first"),
        ("s-good", "#how"),
        ("s-none", "#how"),
    ];
    html! {
        ul.numbers aria-label="Exposures by status" {
            @for ((label, count), (tone, target)) in counts(assessment).into_iter().zip(TONES) {
                li { a class=(tone) href=(target) { b { (number(count)) } span { (label) } } }
            }
        }
    }
}

/// `2026-11-21 02:45 UTC`.
fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M")) " UTC" } }
}

/// `2026-11-21`.
fn day(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.to_zoned(TimeZone::UTC).date()) } }
}

/// A number with thin groups of three digits.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// As [`number`], for days that may lie in the future.
fn number_of(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", number(value.unsigned_abs()))
}

/// A status as a word in its colour.
fn status(status: Status) -> Markup {
    let tone = match status {
        Status::Affected => "s-open",
        Status::FixedNotRunning => "s-pending",
        Status::Fixed => "s-good",
        Status::NotAffected => "s-none",
        _ => "s-unknown",
    };
    html! { span class={"status " (tone)} { (status.label()) } }
}

/// A wide table in a box of its own that scrolls.
fn scroll(label: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// What a list leaves out, and where all of it is.
fn cut(all: usize, shown: usize, what: &str) -> Markup {
    html! {
        p.soft { "The first " (number(shown as u64)) " of " (number(all as u64)) " " (what) "; " code { "--format json" } " and " code { "--format csv" } " give all." }
    }
}
