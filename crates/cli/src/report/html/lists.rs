//! Counts by tenant and platform, hosts, components without source, feeds, and how to read it all.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use maud::{Markup, html};
use underpin_exposure::report::{AssetKind, FeedState, Group, Status};
use underpin_exposure::{Assessment, SORT_KEY};
use underpin_model::facts::Coverage;
use underpin_model::fleet::{Fleet, Host};

use super::{cut, day, number, number_of, scroll, status};
use crate::report::sums::{Counts, Sum, Sums, platform};
use crate::report::unknown::{self, Uncovered};

/// Tenants and platforms that are shown.
const SUMS: usize = 50;
/// Hosts that are shown.
const HOSTS: usize = 500;
/// Open exposures of a host that are shown.
const EXPOSURES: usize = 40;
/// Components without source that are shown, of those that a feed covered once and of the others.
const COMPONENTS: usize = 100;
/// Feeds that are shown.
pub(super) const FEEDS: usize = 100;
/// Products of a feed that are shown.
const COVERS: usize = 30;

pub(super) fn by_tenant(sums: &Sums<'_>) -> Markup {
    let list = sums.by_tenant();
    html! {
        section aria-labelledby="tenants" {
            h2 id="tenants" { "By tenant" }
            (sums_table("Exposures of what each tenant stands on; small: its VMs", "Tenant", &list))
            @if list.len() > SUMS { (cut(list.len(), SUMS, "tenants")) }
        }
    }
}

pub(super) fn by_platform(sums: &Sums<'_>) -> Markup {
    let list = sums.by_platform();
    html! {
        section aria-labelledby="platforms" {
            h2 id="platforms" { "By platform" }
            (sums_table("Exposures of hosts and the VMs on them; small: hosts", "Platform", &list))
            @if list.len() > SUMS { (cut(list.len(), SUMS, "platforms")) }
        }
    }
}

fn sums_table(caption: &str, first: &str, list: &[Sum<'_>]) -> Markup {
    let table = html! {
        table {
            caption { (caption) }
            thead { tr { th scope="col" { (first) } (counts_header()) } }
            tbody { @for sum in list.iter().take(SUMS) {
                tr { th.tight scope="row" { (sum.name) " " small { (number(sum.members)) } } (counts_cells(sum.counts)) }
            } }
        }
    };
    scroll(caption, &table)
}

fn counts_header() -> Markup {
    html! { th.num scope="col" { "unknown" } th.num scope="col" { "affected" } th.num scope="col" { "not running" } }
}

fn counts_cells(counts: Counts) -> Markup {
    html! { td.num { (number(counts.unknown)) } td.num { (number(counts.affected)) } td.num { (number(counts.not_running)) } }
}

/// Every host with what is open on it; those with most open exposures first.
pub(super) fn hosts(fleet: &Fleet, assessment: &Assessment, sums: &Sums<'_>) -> Markup {
    let mut guests: BTreeMap<&str, u64> = BTreeMap::new();
    for host in fleet.vms.iter().filter_map(|vm| vm.host.as_ref()) {
        *guests.entry(host.as_str()).or_default() += 1;
    }
    let of = |host: &Host| sums.of(AssetKind::Host, host.id.as_str());
    let mut list: Vec<&Host> = fleet.hosts.iter().collect();
    // Not assessed comes first: nothing is known there.
    list.sort_by_key(|host| Reverse(of(host).map_or(u64::MAX, Counts::open)));
    let table = html! {
        table {
            caption { "Hosts, most open exposures first" }
            thead { tr {
                th scope="col" { "Host" } th scope="col" { "Platform" } th scope="col" { "Cluster" } th.num scope="col" { "VMs" }
                (counts_header()) th scope="col" { "Open on it" }
            } }
            tbody { @for host in list.iter().take(HOSTS) {
                @let id = host.id.as_str();
                tr {
                    th.tight scope="row" { (id) }
                    td.tight { (platform(host)) }
                    td { @if let Some(cluster) = &host.cluster { (cluster) } @else { span.soft { "none" } } }
                    td.num { (number(guests.get(id).copied().unwrap_or(0))) }
                    @if let Some(counts) = of(host) { (counts_cells(counts)) } @else { td colspan="3" { span.soft { "not assessed: no component is known" } } }
                    td { @if let Some(group) = sums.group(AssetKind::Host, id).and_then(|at| assessment.groups.get(at)) { (open(assessment, group)) } }
                }
            } }
        }
    };
    html! {
        section aria-labelledby="hosts" {
            h2 id="hosts" { "Hosts" }
            (scroll("Hosts", &table))
            @if list.len() > HOSTS { (cut(list.len(), HOSTS, "hosts")) }
        }
    }
}

fn open(assessment: &Assessment, group: &Group) -> Markup {
    let open: Vec<_> =
        group.findings_in(&assessment.findings).filter(|finding| finding.status.is_open()).collect();
    html! {
        @if open.is_empty() { span.soft { "nothing known" } } @else {
            details {
                summary { (open.len()) @if open.len() == 1 { " exposure" } @else { " exposures" } }
                ul.why { @for finding in open.iter().take(EXPOSURES) {
                    li {
                        @if let Some(id) = &finding.vulnerability { (id) ": " }
                        (finding.component) " " code { (finding.version) }
                        @if finding.status == Status::FixedNotRunning {
                            ", " (finding.status.label())
                            @if let Some(running) = &finding.running_version { " (runs " code { (running) } ")" }
                        }
                    }
                } }
                @if open.len() > EXPOSURES { p.soft { "and " (open.len() - EXPOSURES) " more" } }
            }
        }
    }
}

/// Components that no source covers, by component.
pub(super) fn unknown(assessment: &Assessment) -> Markup {
    let list = unknown::of(assessment);
    html! {
        section aria-labelledby="unknown" {
            h2 id="unknown" { "Unknown: no source" }
            p { "No feed says anything about these components, or not up to the day of this report. That is no sign of safety." }
            @if list.ended.is_empty() && list.never.is_empty() { p { "There are none." } }
            (components("Covered up to a day before", &list.ended))
            (components("Covered by no feed", &list.never))
        }
    }
}

fn components(title: &str, list: &[Uncovered<'_>]) -> Markup {
    let table = html! {
        table {
            caption { (title) ": " (number(list.len() as u64)) }
            thead { tr { th scope="col" { "Component" } th.num scope="col" { "Assets" } th scope="col" { "Why" } } }
            tbody { @for one in list.iter().take(COMPONENTS) {
                tr { th scope="row" { (one.component) } td.num { (number(one.assets)) } td { (one.reason) } }
            } }
        }
    };
    html! {
        @if !list.is_empty() {
            details open[list.len() <= 20] {
                summary { (title) ": " (number(list.len() as u64)) " components" }
                (scroll(title, &table))
                @if list.len() > COMPONENTS { (cut(list.len(), COMPONENTS, "components")) }
            }
        }
    }
}

/// What the report is known from, and how old that is.
pub(super) fn feeds(assessment: &Assessment) -> Markup {
    let table = html! {
        table {
            caption { "Feeds, how old they are, and what they cover" }
            thead { tr { th scope="col" { "Feed" } th scope="col" { "Updated" } th.num scope="col" { "Age" } th.num scope="col" { "Documents" } th scope="col" { "Covers" } } }
            tbody { @for feed in assessment.feeds.iter().take(FEEDS) { (feed_row(feed)) } }
        }
    };
    html! {
        section aria-labelledby="feeds" {
            h2 id="feeds" { "What this is known from" }
            (scroll("Feeds", &table))
            @if assessment.feeds.len() > FEEDS { (cut(assessment.feeds.len(), FEEDS, "feeds")) }
        }
    }
}

fn feed_row(feed: &FeedState) -> Markup {
    let cover = |one: &Coverage| {
        html! { li { (one.family) @if let Some(train) = &one.train { " " (train) } @if let Some(component) = &one.component { " " (component) } " " span.soft { (one.period.from) " to " (one.period.to) } } }
    };
    html! {
        tr {
            th scope="row" { (feed.id) }
            td.tight { @if let Some(at) = feed.updated { (day(at)) } @else { "not known" } }
            td.num { @if let Some(days) = feed.age_days { (number_of(days)) " days" } @else { "not known" } @if feed.stale { " " span.tag.kev { "stale" } } }
            td.num { (number(feed.documents as u64)) }
            td {
                @match feed.covers.as_slice() {
                    [] => { span.soft { "what its documents name" } }
                    few if few.len() <= 3 => { ul.why { @for one in few { (cover(one)) } } }
                    many => { details {
                        summary { (many.len()) " products" }
                        ul.why { @for one in many.iter().take(COVERS) { (cover(one)) } }
                        @if many.len() > COVERS { p.soft { "and " (many.len() - COVERS) " more" } }
                    } }
                }
            }
        }
    }
}

/// What each status means, for readers who did not make the report.
pub(super) fn how_to_read() -> Markup {
    const MEANINGS: [(Status, &str); 9] = [
        (
            Status::UnknownNoSource,
            "No feed covers the component up to the day of the report. Nobody looked, so nothing is known: neither vulnerable nor safe.",
        ),
        (Status::UnknownConflict, "Feeds contradict each other."),
        (
            Status::UnknownVersion,
            "The version is of another train than the fix, or is none, and cannot be compared.",
        ),
        (Status::UnknownRunning, "The fix is installed; it is not known what runs."),
        (Status::UnderInvestigation, "The issuer has not decided yet. Counted as unknown for other reasons."),
        (Status::Affected, "Vulnerable: the installed version is one that a feed calls affected."),
        (
            Status::FixedNotRunning,
            "The fix is on disk, but the old code still runs, or something else that the fix needs does not hold: as vulnerable as before.",
        ),
        (Status::Fixed, "The fix is installed and in force."),
        (Status::NotAffected, "Not vulnerable, for a reason that a feed or the fleet gives."),
    ];
    html! {
        section aria-labelledby="how" {
            h2 id="how" { "How to read this" }
            p { "An exposure is one vulnerability in one component of one asset. A status follows only from a feed that speaks about the component; each has its chain of reasons with the feed and document that state them." }
            dl { @for (each, meaning) in MEANINGS { dt { (status(each)) } dd { (meaning) } } }
            p { b { "Order. " } "What to do first is sorted so: " (SORT_KEY) "." }
            p { b { "Decisions. " } "SSVC decisions and BOD 26-04 deadlines are computed here. Points that no source gives are derived from the CVSS vector or taken with the cautious value, and listed as assumed. Where assets differ, the most urgent decision and the earliest deadline are shown." }
            p { b { "Tenants. " } "A tenant is hit by a vulnerability when a VM of it is open itself or stands on a host that is." }
        }
    }
}
