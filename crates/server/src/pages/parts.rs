//! Pieces that several pages share.

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};
use underpin_exposure::report::{AssetKind, Fix, Need, Reason, Status};
use underpin_model::fleet::{Provenance, Seen};

use crate::analyst::kind_name;
use crate::index::{AssetEntry, Counts, Index, slot};
use crate::problem::Problem;
use crate::query::Page;

/// A path segment or query value.
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// An address with its query, without the values that are absent.
pub(super) fn address(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let given = query.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs: Vec<_> =
        given.filter(|(_, v)| !v.is_empty()).map(|(n, v)| format!("{n}={}", encode(v))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// `2026-11-21 02:45 UTC`.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M")) " UTC" } }
}

/// A number with thin groups of three digits.
pub(super) fn number(value: u64) -> String {
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

/// The family of a status: colour and shape.
pub(super) fn tone(status: Status) -> &'static str {
    match status {
        Status::UnknownNoSource
        | Status::UnknownConflict
        | Status::UnknownVersion
        | Status::UnknownRunning
        | Status::UnderInvestigation => "unknown",
        Status::Affected => "open",
        Status::FixedNotRunning => "pending",
        Status::Fixed => "good",
        Status::NotAffected => "none",
    }
}

/// The shape of a tone, so that colour is never alone.
pub(super) fn shape(tone: &str) -> Markup {
    let path = match tone {
        "unknown" => "M8 0l8 8-8 8-8-8z",
        "open" => "M8 0l8 15H0z",
        "pending" => "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0zm0 3v10a5 5 0 0 1 0-10z",
        "good" => "M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0z",
        _ => "M1 6h14v4H1z",
    };
    html! { svg viewBox="0 0 16 16" aria-hidden="true" { path d=(path); } }
}

pub(super) fn status(status: Status) -> Markup {
    let tone = tone(status);
    html! { span class={"status s-" (tone)} { (shape(tone)) (status.label()) } }
}

/// The worst that is known of an asset: what is open, then what is unknown, then the rest.
pub(super) fn worst(counts: &Counts) -> Option<Status> {
    const ORDER: [Status; Status::ALL.len()] = [
        Status::Affected,
        Status::FixedNotRunning,
        Status::UnknownNoSource,
        Status::UnknownConflict,
        Status::UnknownVersion,
        Status::UnknownRunning,
        Status::UnderInvestigation,
        Status::Fixed,
        Status::NotAffected,
    ];
    ORDER.into_iter().find(|s| counts.get(slot(*s)).is_some_and(|count| *count > 0))
}

pub(super) fn count(counts: &Counts, status: Status) -> u64 {
    counts.get(slot(status)).copied().unwrap_or(0)
}

pub(super) fn unknown(counts: &Counts) -> u64 {
    counts.iter().take(slot(Status::Affected)).sum()
}

/// A bar of affected, fixed-not-running and unknown, in shares of all.
pub(super) fn bar(counts: &Counts) -> Markup {
    let total: u64 = counts.iter().sum();
    let shares = [
        ("open", "affected", count(counts, Status::Affected)),
        ("pending", "fixed, not running", count(counts, Status::FixedNotRunning)),
        ("unknown", "unknown", unknown(counts)),
        ("good", "fixed", count(counts, Status::Fixed)),
    ];
    let label = shares.iter().map(|(_, name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ");
    let mut end = 0.0;
    let pieces = shares.map(|(tone, _, n)| {
        let (x, width) = (end, if total == 0 { 0.0 } else { n as f64 * 100.0 / total as f64 });
        end += width;
        (tone, format!("{x:.2}"), format!("{width:.2}"))
    });
    html! {
        svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=(format!("{label} of {total}")) {
            @for (tone, x, width) in pieces {
                rect class={"f-" (tone)} x=(x) y="0" width=(width) height="10" {}
            }
        }
    }
}

/// Where an asset's page is.
pub(super) fn asset_address(kind: AssetKind, id: &str) -> String {
    match kind {
        AssetKind::Host => format!("/hosts/{}", encode(id)),
        AssetKind::Vm => format!("/vms/{}", encode(id)),
        AssetKind::Image => format!("/images/{}", encode(id)),
        _ => address("/exposures", &[("asset", Some(id)), ("kind", Some(kind_name(kind)))]),
    }
}

pub(super) fn asset_link(asset: &AssetEntry) -> Markup {
    html! { a href=(asset_address(asset.kind, &asset.id)) { (asset.id) } " " small { (kind_words(asset.kind)) } }
}

pub(super) fn kind_words(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Host => "host",
        AssetKind::Vm => "VM",
        AssetKind::Image => "image",
        AssetKind::ManagementPlane => "management plane",
        AssetKind::Witness => "witness",
        AssetKind::Storage => "storage",
    }
}

/// A number that leads to the list behind it.
pub(super) fn linked(value: u64, address: &str) -> Markup {
    html! { @if value == 0 { "0" } @else { a href=(address) { (number(value)) } } }
}

/// A reason chain with its sources.
pub(super) fn reasons(reasons: &[Reason]) -> Markup {
    html! {
        ol.why {
            @for reason in reasons {
                li {
                    (reason.text)
                    @if let Some(feed) = &reason.feed {
                        " " small { "[" (feed) @if let Some(document) = &reason.document { ", " (document) } "]" }
                    } @else { " " small { "[fleet]" } }
                }
            }
        }
    }
}

/// One condition of a fix, in words.
fn need(need: &Need) -> String {
    match need {
        Need::Install { component, version } => format!("install {component} {version} or later"),
        Need::RebootHost => "reboot the host (guests are moved away or stopped)".to_owned(),
        Need::RestartService { component } => format!("restart {component}"),
        Need::RecreateGuests => "move every live guest away and back, or restart it".to_owned(),
        Need::ColdStartGuests => "cold-start every guest".to_owned(),
        Need::Set { setting, value } => format!("set {setting} to {value}"),
        Need::LoadFirmware { revision } => format!("load firmware revision {revision}"),
        Need::Unknown { component } => {
            format!("put {component} in force; how is not known: restart what uses it, or reboot the host")
        }
    }
}

/// What closes an exposure, and everything that must hold before it counts.
pub(super) fn fix(fix: Option<&Fix>) -> Markup {
    let Some(fix) = fix else { return html! { span.soft { "none known" } } };
    html! {
        @if let Some(version) = &fix.version { span.mono { (version) } } @else { span.soft { "no release" } }
        @if let Some(advisory) = &fix.advisory {
            " " a href={"/advisories/" (encode(advisory.as_str()))} { (advisory) }
        }
        @if !fix.needs.is_empty() { ul.why { @for each in &fix.needs { li { (need(each)) } } } }
    }
}

/// Everything that is wrong, with its place.
pub(super) fn errors(problem: &Problem) -> Markup {
    html! {
        div.banner.bad role="alert" {
            strong { (problem.title) " " small { "(" (problem.code) ")" } }
            (problem.detail)
            @if !problem.errors.is_empty() {
                ul { @for error in &problem.errors { li { @if !error.pointer.is_empty() { code { (error.pointer) } ": " } (error.detail) } } }
            }
        }
    }
}

/// Feeds that are too old, at the top of every answer.
pub(super) fn stale(index: &Index) -> Markup {
    let stale: Vec<_> = index.assessment.feeds.iter().filter(|f| f.stale).collect();
    html! {
        @if !stale.is_empty() {
            div.banner role="status" { details {
                summary { strong { (stale.len()) @if stale.len() == 1 { " feed is stale" } @else { " feeds are stale" } ": newer advisories are not known here" } }
                ul {
                    @for feed in stale {
                        li {
                            a href="/feeds" { (feed.id) }
                            @match (feed.updated, feed.age_days) {
                                (Some(at), Some(days)) => { ": last updated " (time(at)) ", " (days) " days ago" }
                                _ => { ": the day of its last update is not known" }
                            }
                        }
                    }
                }
            } }
        }
    }
}

/// What a reader must know first: a few in full, the rest behind a line that says how many.
pub(super) fn warnings(list: &[String]) -> Markup {
    const SHOWN: usize = 3;
    let items = |list: &[String]| html! { ul { @for it in list { li { (it) } } } };
    let (first, rest) = list.split_at(list.len().min(SHOWN));
    html! {
        @if !first.is_empty() { (items(first)) }
        @if !rest.is_empty() { details { summary { "and " (rest.len()) " more" } (items(rest)) } }
    }
}

/// A wide table in a box of its own that scrolls.
pub(super) fn scroll(label: &str, table: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// The links after a list.
/// A field of a form that asks for something, with what was asked before.
pub(super) fn field(name: &str, label: &str, value: &Option<String>, kind: &str, hint: &str) -> Markup {
    html! { div { label for=(name) { (label) } input id=(name) name=(name) type=(kind) value=[value.as_deref()] placeholder=(hint); } }
}

pub(super) fn pager<T>(page: &Page<T>, next: &str, first: Option<&str>) -> Markup {
    html! {
        div.pager {
            span.soft { (number(page.total)) " in all, " (page.items.len()) " on this page" }
            span {
                @if let Some(first) = first { a href=(first) { "First page" } " " }
                @if page.next.is_some() { a href=(next) rel="next" { "Next page" } }
            }
        }
    }
}

/// Where and when an element was seen, with the facts that were seen elsewhere.
pub(super) fn seen(own: Option<&Seen>, fleet: &Seen, provenance: &Provenance) -> Markup {
    let seen = own.unwrap_or(fleet);
    html! {
        dt { "Seen" }
        dd { (time(seen.at)) " by " (seen.by) }
        @for (fact, seen) in provenance {
            dt { (fact) " seen" }
            dd { (time(seen.at)) " by " (seen.by) }
        }
    }
}
