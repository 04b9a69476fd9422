//! The tables of the risk page: groups, causes, tenants, clusters, blast radii, deferrals.

use std::collections::BTreeSet;

use maud::{Markup, html};
use underpin_risk::blast::Blast;
use underpin_risk::build::Acceptance;
use underpin_risk::clear::InClear;
use underpin_risk::compound::{AtLeast, Figures};
use underpin_risk::portfolio::Cause;
use underpin_risk::report::{CauseRisk, GroupRisk, Radius, RiskReport};
use underpin_risk::wait::groups::HORIZON_DAYS;
use underpin_risk::wait::{Decision, Verdict};

use super::fall::{Fall, mean_loss, rates, reach};
use super::group::{loss_heads, losses};
use super::numbers::{amount, cause_name, chance, derived, how_likely, lost, parameter, percent, product};
use super::{LEVEL, how_cvar};
use crate::pages::parts::{address, encode, number, scroll};

/// Rows of a table; the API has all.
const ROWS: usize = 50;

/// Says what a table leaves out.
fn rest(all: usize) -> Markup {
    html! { @if all > ROWS { p.soft { (ROWS) " of " (number(all as u64)) " are shown; " a href="/api/v1/risk" { "the API has all" } "." } } }
}

/// The page of a decision.
pub(super) fn group_address(group: &str) -> String {
    address("/risk/group", &[("name", Some(group))])
}

pub(super) fn verdict(decision: &Decision) -> String {
    let verdict = match decision.verdict {
        Verdict::PatchNow => "patch now".to_owned(),
        Verdict::Wait { days } => format!("wait {} days", amount(days)),
        Verdict::Mitigate => "mitigate".to_owned(),
    };
    match decision.doubt() {
        Some(doubt) => format!("{verdict} ({doubt})"),
        None => verdict,
    }
}

pub(super) fn groups(report: &RiskReport) -> Markup {
    let caption = format!(
        "Groups of hosts that one decision is about, the greatest mean loss first, in {}; never, now and best: what each choice loses over {} days",
        report.currency,
        amount(HORIZON_DAYS)
    );
    let row = |group: &GroupRisk| {
        html! { tr {
            th scope="row" { @if group.releases.is_empty() { (group.group) } @else { a.long href=(group_address(&group.group)) { (group.group) } } }
            td { @match &group.wait { Some(wait) => (verdict(wait)), None => { @if group.releases.is_empty() { span.soft { "nothing due" } } @else { span.status.s-unknown { "unknown" } } } } }
            td.num { (derived(&lost(report, group.mean_loss), &html! { "Sum over its hosts of the exact mean loss; one host of it is hit with up to " (percent(group.hit)) "." })) }
            (losses(group.wait.as_ref(), |value| lost(report, value)))
            td.num { (derived(&number(group.hosts), &html! { "Hosts that run one release of one product on one hardware class in one ring" @if !group.releases.is_empty() { ": the page of the group names them" } "." })) }
            td.num { (derived(&number(group.guests), &html! { "VMs that the fleet has on these hosts." })) }
            td.wide { @match group.recommendation.as_deref() { Some(text) => { details { summary { @if group.wait.is_none() { "What is missing" } @else { "In a sentence" } } (text) } } None => "–" } }
        } }
    };
    html! {
        section aria-labelledby="groups" {
            h2 id="groups" { "Patch or wait" }
            @if report.groups.is_empty() { p.soft { "There are no hosts." } } @else {
                (scroll(&caption, html! { table.dense {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Group" } th scope="col" { "Verdict" } th.num scope="col" { "Mean loss" } (loss_heads()) th.num scope="col" { "Hosts" } th.num scope="col" { "Guests" } th scope="col" { "Recommendation" } } }
                    tbody { @for group in report.groups.iter().take(ROWS) { (row(group)) } }
                } }))
                (rest(report.groups.len()))
            }
        }
    }
}

fn cause_cell(cause: &Cause) -> Markup {
    html! { @match cause {
        Cause::Exploit { vulnerability } => { a href={"/vulnerabilities/" (encode(vulnerability.as_str()))} { (vulnerability) } }
        other => (cause_name(other)),
    } }
}

/// Where a risk is accepted, in words, each once.
fn accepted(one: &CauseRisk) -> BTreeSet<String> {
    one.facts.accepted.iter().filter(|it| !it.expired).filter_map(Acceptance::words).collect()
}

/// Where the probability of a cause is from: its factors, then the facts.
fn cause_facts(one: &CauseRisk) -> Markup {
    let facts = &one.facts;
    let open = facts.open_on;
    html! {
        (product(one.shock.probability, &one.shock.factors))
        ul.why {
            @if !facts.components.is_empty() { li { "in " (facts.components.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")) } }
            @if let Some(vector) = &facts.vector { li { code { (vector) } } } @else if matches!(one.shock.cause, Cause::Exploit { .. }) { li { "no CVSS vector is known: way and impact are a range" } }
            @if matches!(one.shock.cause, Cause::Exploit { .. }) {
                li { "open on " (number(open.hosts_affected)) " hosts, fixed and not running on " (number(open.hosts_fixed_not_running)) ", on " (number(open.planes)) " management planes" }
                li { @if facts.fix_known { "a release that fixes it is known" } @else { "no release that fixes it is known" } }
            }
            @if let Some(day) = facts.released { li { "released on " (day) } }
            @for one in &facts.accepted { li { (one.words().unwrap_or_else(|| "accepted on none of them".to_owned())) " by " (one.owner) " until " (one.expires) @if one.expired { ", which has passed" } ": " (one.reason) } }
        }
    }
}

pub(super) fn causes(report: &RiskReport) -> Markup {
    let caption = format!("Common causes within {} days, the likeliest first", amount(report.horizon_days));
    html! {
        section aria-labelledby="causes" {
            h2 id="causes" { "Common causes" }
            @if report.causes.is_empty() { p.soft { "None is known here." } } @else {
                (scroll(&caption, html! { table {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Cause" } th.num scope="col" { "Probability" } th.num scope="col" { "Hosts within reach" } th.num scope="col" { "Tenants" } th.num scope="col" { "Mean loss if it happens" } } }
                    tbody { @for one in report.causes.iter().take(ROWS) { tr {
                        th scope="row" { (cause_cell(&one.shock.cause)) @for words in accepted(one) { " " span.tag { (words) } } }
                        td.num { (derived(&percent(one.shock.probability), &cause_facts(one))) }
                        td.num { (reach(number(one.blast.hosts), Fall::Shock)) } td.num { (number(one.blast.tenants)) }
                        td.num { (mean_loss(report, &one.blast, Fall::Shock)) }
                    } } }
                } }))
                (rest(report.causes.len()))
            }
        }
    }
}

struct Row<'a> {
    name: Markup,
    count: u64,
    figures: &'a Figures,
    /// Hit at once: what is counted, with its list.
    at_once: Vec<(&'static str, &'a [AtLeast])>,
}

/// The probability that at least so many of its hosts are hit at once; opens to show all that is known of that.
fn at_once(report: &RiskReport, row: &Row<'_>, m: u64) -> Markup {
    let hosts = row.at_once.first().map_or(&[][..], |it| it.1);
    let Some(one) = hosts.iter().find(|it| it.m == m) else { return html! { "–" } };
    if m != 1 {
        return derived(&chance(&report.fleet, one), &how_likely(one));
    }
    derived(
        &chance(&report.fleet, one),
        &html! { ul.why { @for (what, list) in &row.at_once { @for it in *list {
            li { "at least " (number(it.m)) " " (what) ": " (chance(&report.fleet, it)) ". " (how_likely(it)) }
        } } } },
    )
}

/// The mean of the worst cases of a part by itself.
fn worst(report: &RiskReport, figures: &Figures) -> Markup {
    let Some(one) = figures.cvar.iter().find(|it| it.level == LEVEL) else { return html! { "–" } };
    derived(
        &lost(report, one.value),
        &html! { "The mean loss of the worst " (percent(1.0 - LEVEL)) " of its own cases, which need not be those of the fleet. " (how_cvar(one)) },
    )
}

fn any_loss(report: &RiskReport, figures: &Figures) -> Markup {
    let it = figures.any_loss;
    if !report.losses_known {
        return html! { "unknown" };
    }
    let how = html! {
        "The share of cases in which it loses anything. "
        @if it.standard_error > 0.0 { "From the weighted samples; standard error " (percent(it.standard_error)) "." } @else { "Exact." }
    };
    derived(&percent(it.value), &how)
}

fn figure_rows(report: &RiskReport, title: &str, anchor: &str, counted: &str, rows: &[Row<'_>]) -> Markup {
    let caption = format!("{title}: figures of each by itself, in {}", report.currency);
    html! {
        section aria-labelledby=(anchor) {
            h2 id=(anchor) { (title) }
            @if rows.is_empty() { p.soft { "None." } } @else {
                (scroll(&caption, html! { table {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Name" } th.num scope="col" { (counted) } th.num scope="col" { "Mean loss" } th.num scope="col" { "CVaR 99 %" } th.num scope="col" { "Any loss" } th.num scope="col" { "Any host hit" } th.num scope="col" { "2 hosts at once" } } }
                    tbody { @for row in rows.iter().take(ROWS) { tr {
                        th scope="row" { (row.name) } td.num { (number(row.count)) }
                        td.num { (derived(&lost(report, row.figures.mean), &html! { "In closed form, as the mean of the fleet, over what is its own: for each host, the mean impact × what of it stands there." })) }
                        td.num { (worst(report, row.figures)) } td.num { (any_loss(report, row.figures)) }
                        td.num { (at_once(report, row, 1)) } td.num { (at_once(report, row, 2)) }
                    } } }
                } }))
                (rest(rows.len()))
            }
        }
    }
}

pub(super) fn tenants(report: &RiskReport) -> Markup {
    let mut rows: Vec<Row<'_>> = report.tenants.iter().map(|it| Row {
        name: html! { @match &it.tenant { Some(id) => { a href={"/tenants/" (encode(id.as_str()))} { (id) } } None => { "no known tenant" } } },
        count: it.guests,
        figures: &it.figures,
        at_once: vec![("hosts with its guests", &it.hosts_hit_at_least), ("of its guests", &it.guests_hit_at_least)],
    }).collect();
    rows.sort_by(|a, b| b.figures.mean.total_cmp(&a.figures.mean));
    figure_rows(report, "Tenants", "tenants", "Guests", &rows)
}

pub(super) fn clusters(report: &RiskReport) -> Markup {
    let mut rows: Vec<Row<'_>> = report.clusters.iter().map(|it| Row {
        name: html! { @match &it.cluster { Some(id) => { a href={"/clusters/" (encode(id.as_str()))} { (id) } } None => { "no known cluster" } } },
        count: it.hosts,
        figures: &it.figures,
        at_once: vec![("hosts", &it.hosts_hit_at_least), ("guests", &it.guests_hit_at_least), ("tenants", &it.tenants_hit_at_least)],
    }).collect();
    rows.sort_by(|a, b| b.figures.mean.total_cmp(&a.figures.mean));
    figure_rows(report, "Clusters", "clusters", "Hosts", &rows)
}

fn in_clear_row(report: &RiskReport, one: &InClear) -> Markup {
    let loss = if one.loss.low == one.loss.high {
        lost(report, one.loss.low)
    } else {
        format!("{} to {}", amount(one.loss.low), amount(one.loss.high))
    };
    let hosts = |count: u64, which: &str| {
        derived(
            &number(count),
            &html! { "Hosts of which " (which) ". Each host's own page names its facts." },
        )
    };
    html! { tr {
        th scope="row" { (one.medium.words()) }
        td.num { (hosts(one.hosts_in_clear, "some of it is known to go in clear")) }
        td.num { (hosts(one.hosts_unknown, "nothing says that it does, and not all is known")) }
        td.num { (hosts(one.hosts_encrypted, "all of it is encrypted")) }
        td.num { (derived(&percent(one.read), &html! { "Parameter " (parameter(one.parameter)) " of 30 days, over the horizon: how likely it is read on a given host." })) }
        td.num { (derived(&loss, &html! { "Sum over the hosts of that probability × the share that goes in clear × the worth of the confidentiality of the guests on them; from what is known to that and all that is not known." })) }
    } }
}

pub(super) fn in_clear(report: &RiskReport) -> Markup {
    let caption = format!(
        "What is lost within {} days to who reads along, in {}",
        amount(report.horizon_days),
        report.currency
    );
    html! {
        section aria-labelledby="in-clear" {
            h2 id="in-clear" { "Read in the clear" }
            p.soft { "Beside the figures above and not in them: no patch changes it." }
            (scroll(&caption, html! { table {
                caption { (caption) }
                thead { tr { th scope="col" { "What" } th.num scope="col" { "Hosts in clear" } th.num scope="col" { "Not known" } th.num scope="col" { "Encrypted" } th.num scope="col" { "Read" } th.num scope="col" { "Mean loss" } } }
                tbody { @for one in &report.in_clear { (in_clear_row(report, one)) } }
            } }))
        }
    }
}

fn blast_row(report: &RiskReport, fall: Fall, name: &Markup, blast: &Blast, most: Option<f64>) -> Markup {
    let probability = match most {
        None => percent(blast.probability),
        Some(most) if blast.probability == 0.0 => format!("unknown, up to {}", percent(most)),
        Some(most) => format!("{} to {}", percent(blast.probability), percent(most)),
    };
    html! { tr {
        td { (fall.name()) } th scope="row" { (name) }
        td.num { (reach(number(blast.hosts), fall)) } td.num { (reach(number(blast.guests), fall)) } td.num { (reach(number(blast.tenants), fall)) }
        td.num { (derived(&lost(report, blast.greatest_loss), &html! { (fall.greatest()) " " (rates()) })) }
        td.num { (mean_loss(report, blast, fall)) }
        td.num { (derived(&probability, &html! { (fall.probability()) @if most.is_some() { " The upper end: what is not known of it at its worst." } })) }
    } }
}

pub(super) fn blast(report: &RiskReport) -> Markup {
    let caption = format!("What falls if one thing falls, in {}", report.currency);
    let radii = &report.blast_radius;
    html! {
        section aria-labelledby="blast" {
            h2 id="blast" { "Blast radius" }
            p.soft { "Greatest loss: everything within reach is lost. Mean loss: given that it falls. Probability: by its own causes within the horizon; where something of it is not known, up to what it would be at worst. Of hosts the widest are listed." }
            (scroll(&caption, html! { table {
                caption { (caption) }
                thead { tr { th scope="col" { "What" } th scope="col" { "Name" } th.num scope="col" { "Hosts" } th.num scope="col" { "Guests" } th.num scope="col" { "Tenants" } th.num scope="col" { "Greatest loss" } th.num scope="col" { "Mean loss" } th.num scope="col" { "Probability" } } }
                tbody {
                    @for Radius { of, blast, probability_at_most } in &radii.planes { (blast_row(report, Fall::Plane, &html! { a href={"/planes/" (encode(of.as_str()))} { (of) } }, blast, *probability_at_most)) }
                    @for Radius { of, blast, probability_at_most } in radii.releases.iter().take(ROWS) { (blast_row(report, Fall::Release, &html! { (cause_name(of)) }, blast, *probability_at_most)) }
                    (blast_row(report, Fall::Underpin, &html! { "its own credentials" }, &radii.underpin, None))
                    @for Radius { of, blast, probability_at_most } in &radii.hosts { (blast_row(report, Fall::Host, &html! { a href={"/hosts/" (encode(of.as_str()))} { (of) } }, blast, *probability_at_most)) }
                }
            } }))
        }
    }
}

pub(super) fn deferrals(report: &RiskReport) -> Markup {
    let days = report.deferrals.first().map_or(0.0, |it| it.days);
    let caption = format!("Loss added by a deferral of {} days, in {}", amount(days), report.currency);
    html! {
        section aria-labelledby="deferrals" {
            h2 id="deferrals" { "If a tenant defers" }
            p.soft { "For the operator: a tenant is shown its own share and nothing of its neighbours." }
            @if report.deferrals.is_empty() { p.soft { "There is no tenant." } } @else {
                (scroll(&caption, html! { table {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Tenant" } th.num scope="col" { "Hosts that wait" } th.num scope="col" { "Its own loss" } th.num scope="col" { "Its neighbours' loss" } } }
                    tbody { @for one in report.deferrals.iter().take(ROWS) { tr {
                        th scope="row" { a href={"/tenants/" (encode(one.tenant.as_str()))} { (one.tenant) } }
                        td.num { (derived(&number(one.hosts.len() as u64), &html! { "Hosts with VMs of the tenant and an open hole whose fix is known." })) }
                        td.num { (derived(&lost(report, one.own), &html! { "Mean loss over these days from those holes, of what the tenant has on these hosts; hits taken as independent, an upper bound." })) }
                        td.num { (derived(&lost(report, one.neighbours_sum), &html! {
                            p { "Mean loss over these days from holes whose fix is known, on hosts with its VMs; hits taken as independent, an upper bound." }
                            ul.why { @for (tenant, loss) in one.neighbours.iter().take(ROWS) { li { @match tenant { Some(id) => (id), None => "no known tenant" } ": " (amount(*loss)) } } }
                        })) }
                    } } }
                } }))
                (rest(report.deferrals.len()))
            }
        }
    }
}
