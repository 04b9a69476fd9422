//! Patch or wait for one group of hosts: loss curve, terms, what the decision depends on, belief, value of information.

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use underpin_exposure::report::DueView;
use underpin_model::id::{HostId, VulnerabilityId};
use underpin_model::policy::Parameter;
use underpin_risk::wait::decision::DRAWS;
use underpin_risk::wait::groups::{HORIZON_DAYS, PromiseState};
use underpin_risk::wait::information::{InformationValue, Observation};
use underpin_risk::wait::sensitivity::Sensitivity;
use underpin_risk::wait::{Decision, GroupDecision, curve::Terms};

use super::numbers::{amount, derived, parameter, percent};
use super::tables::{group_address, verdict};
use crate::charts;
use crate::pages::parts::{encode, number, scroll, stale, warnings};
use crate::pages::{PageError, page};
use crate::query::Query;
use crate::risk::Decisions;
use crate::state::Shared;

/// Releases of a group that are shown with pictures; the others are listed.
const SHOWN: usize = 6;
/// Bars of a tornado.
const BARS: usize = 10;
/// Vulnerabilities that are named.
const NAMED: usize = 20;

/// Which group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pages) struct Name {
    /// The API calls it `group`.
    #[serde(alias = "group")]
    name: Option<String>,
}

pub(in crate::pages) async fn group(
    State(app): State<Shared>,
    Query(query): Query<Name>,
) -> Result<Markup, PageError> {
    let known = app.decisions().await?;
    let Some(name) = query.name.filter(|it| !it.is_empty()) else { return Ok(all(&known)) };
    let mut own = known.of_group(&name)?;
    own.sort_by(|a, b| stakes(b).total_cmp(&stakes(a)));
    let currency = &known.basis.policy.value.currency;
    let index = &known.basis.index;
    let content = html! {
        h1 { "Patch or wait" }
        p.when { (name) ". " a href="/risk/group" { "All groups" } ", " a href="/risk" { "risk" } }
        (stale(index))
        (warnings(&known.about.warnings))
        @for (at, one) in own.iter().enumerate().take(SHOWN) { (decision(one, currency, at, told(&own, at))) }
        @if own.len() > SHOWN {
            section aria-labelledby="more" { h2 id="more" { "Also due" } ul.why { @for one in own.iter().skip(SHOWN) { li { b { (title(one)) } ": " (one.recommendation) } } } }
        }
    };
    Ok(page("Patch or wait", "/risk", Some(index), content))
}

/// What not patching loses; what is not decided comes last.
fn stakes(one: &GroupDecision) -> f64 {
    one.wait.as_ref().map_or(-1.0, |it| it.optimum.loss_never)
}

/// A loss of a decision, and how it was worked out.
struct Lost {
    head: &'static str,
    of: fn(&Decision) -> f64,
    how: &'static str,
}

/// Those in the list of all groups, in the order of its columns.
const LOSSES: [Lost; 3] = [
    Lost {
        head: "Never",
        of: |it| it.optimum.loss_never,
        how: "The mean loss where this release is not taken within the span.",
    },
    Lost { head: "Now", of: |it| it.optimum.loss_now, how: "The mean loss where it is taken now." },
    Lost {
        head: "Best",
        of: |it| it.optimum.loss,
        how: "The mean loss of the best choice: now, after some days, or never.",
    },
];

/// The heads of their columns.
pub(super) fn loss_heads() -> Markup {
    html! { @for loss in LOSSES { th.num scope="col" { (loss.head) } } }
}

/// Their cells.
pub(super) fn losses(wait: Option<&Decision>, written: impl Fn(f64) -> String) -> Markup {
    html! { @for loss in LOSSES { td.num { @match wait { Some(wait) => { (derived(&written((loss.of)(wait)), &html! { (loss.how) })) } None => "–" } } } }
}

fn title(one: &GroupDecision) -> String {
    format!("{} {}", one.component, one.release.as_deref().unwrap_or("(release not known)"))
}

fn all(known: &Decisions) -> Markup {
    let currency = &known.basis.policy.value.currency;
    let caption = format!(
        "Every group and every release that is due on it, the most that not patching loses first, in {currency}"
    );
    let mut list: Vec<&GroupDecision> = known.list.iter().collect();
    list.sort_by(|a, b| stakes(b).total_cmp(&stakes(a)));
    let content = html! {
        h1 { "Patch or wait" }
        p.when { "Losses over " (amount(HORIZON_DAYS)) " days. " a href="/evidence" { "Evidence" } ", " a href="/risk" { "risk" } }
        (stale(&known.basis.index))
        (warnings(&known.about.warnings))
        @if !known.about.evidence_unmatched.is_empty() {
            div.banner { strong { "Some " a href="/evidence" { "evidence" } " counts for no host" } ul { @for it in known.about.evidence_unmatched.iter().take(NAMED) { li { (it) } } } @if known.about.evidence_unmatched.len() > NAMED { "and " (known.about.evidence_unmatched.len() - NAMED) " more" } }
        }
        section aria-labelledby="groups" {
            h2 id="groups" { "Groups" }
            @if known.list.is_empty() { p.soft { "Nothing is due by what is known: no release is known that closes an open exposure of a host, and none runs that is known to be bad." } } @else {
                (scroll(&caption, html! { table.dense {
                    caption { (caption) }
                    thead { tr { th scope="col" { "Group" } (loss_heads()) th scope="col" { "Verdict" } th scope="col" { "Release" } th.num scope="col" { "Hosts" } th.num scope="col" { "Closes" } th scope="col" { "Recommendation" } } }
                    tbody { @for one in &list { tr {
                        th scope="row" { a.long href=(group_address(&one.group.to_string())) { (one.group) } }
                        (losses(one.wait.as_ref(), amount))
                        td { @match &one.wait { Some(wait) => { @if let Some(it) = &one.better { "rather " (it.release) "; else " } (verdict(wait)) br; small { (derived(&format!("right in {}", percent(wait.right)), &html! { "How often this kind of choice is the best one when all parameters are drawn from their ranges." })) } } None => { span.status.s-unknown { "unknown" } } } }
                        td { (title(one)) " " span.soft { "(" (one.role.label()) ")" } }
                        td.num { (hosts(one)) } td.num { (closes(one, &number(one.closes.len() as u64))) }
                        td.wide { details { summary { @if one.unknown.is_some() { "What is missing" } @else { "In a sentence" } } (one.recommendation) } }
                    } } }
                } }))
            }
        }
    };
    page("Patch or wait", "/risk", Some(&known.basis.index), content)
}

/// Where on the page the line of a release was told before, with the release.
type Before<'d> = Option<(usize, &'d GroupDecision)>;

/// The first release above that has the same line: what is known of the line is not said twice.
fn told<'d>(shown: &[&'d GroupDecision], at: usize) -> Before<'d> {
    let one = shown.get(at)?;
    let same =
        |it: &&GroupDecision| it.wait.is_some() && it.component == one.component && it.prior == one.prior;
    shown.iter().copied().enumerate().take(at).find(|(_, it)| same(it))
}

fn decision(one: &GroupDecision, currency: &str, at: usize, before: Before<'_>) -> Markup {
    let anchor = format!("d-{at}");
    let assumed = !one.assumed.is_empty() && before.is_none_or(|(_, it)| it.assumed != one.assumed);
    html! {
        section aria-labelledby=(anchor) {
            h2 id=(anchor) { (title(one)) }
            p.lead { @if one.unknown.is_some() { span.status.s-unknown { "unknown" } " " } (one.recommendation) }
            (facts(one, currency))
            @if let Some(wait) = &one.wait {
                h3 { "Loss by days waited" }
                (charts::figure(&charts::risk::loss_curve(wait, currency), &curve(wait, currency)))
                (terms(wait, currency))
                (sensitivity(wait, currency))
                (belief(one, wait, before))
                (information(wait, currency))
            }
            @if assumed { h3 { "Assumed, because a fact is missing" } ul.why { @for text in &one.assumed { li { (text) } } } }
        }
    }
}

/// How many hosts it has, and which.
fn hosts(one: &GroupDecision) -> Markup {
    named(&number(one.hosts.len() as u64), "/hosts/", one.hosts.iter().map(HostId::as_str))
}

/// What the release closes, and which vulnerabilities these are.
fn closes(one: &GroupDecision, text: &str) -> Markup {
    named(text, "/vulnerabilities/", one.closes.iter().map(VulnerabilityId::as_str))
}

fn named<'n>(text: &str, page: &str, mut all: impl ExactSizeIterator<Item = &'n str>) -> Markup {
    let more = all.len() > NAMED;
    let first = html! { @for (at, id) in all.by_ref().take(NAMED).enumerate() { @if at > 0 { ", " } a href={(page) (encode(id))} { (id) } } };
    derived(text, &html! { (first) @if more { " and more" } })
}

/// What a promise still costs: the penalty of a broken one is lost whatever is decided.
fn kept(promise: &PromiseState, currency: &str) -> String {
    let days = match promise.days_left.unsigned_abs() {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    let penalty = format!("{} {currency}", amount(promise.penalty));
    if promise.days_left < 0 {
        return format!(
            "broken for {days}: the penalty of {penalty} is lost whatever is decided, and no part of the loss here"
        );
    }
    format!("{days} left, penalty {penalty} if these hosts break it")
}

fn promise(it: &PromiseState, currency: &str) -> Markup {
    let text = format!("{}: by {}, {}", it.id, it.deadline, kept(it, currency));
    html! {
        (derived(&text, &html! {
            "The penalty that the " a href="/policy" { "policy" } " states for " (it.id) ", of which " (number(it.hosts.into())) " hosts with this deadline bear their share: it is spread evenly over all hosts that the promise covers, and on each host over the releases that may break it there. The deadline is so many days after the first of the fixes was announced, by the " a href="/clocks" { "clocks" }
            @if let Some(it) = &it.accepted { ", or when the risk that " (it.owner) " accepted expires" } "."
        }))
    }
}

/// What a release that closes nothing asks for, and one of which that is not known.
fn no_duty(one: &GroupDecision) -> &'static str {
    if one.closes.is_empty() { "none: it closes nothing" } else { "unknown" }
}

/// The day of the release, and what that day is.
fn released(one: &GroupDecision) -> Markup {
    let Some(day) = one.released else { return html! { span.status.s-unknown { "unknown" } } };
    derived(
        &day.to_string(),
        &html! { "The " (one.released_basis) ", as the " a href="/feeds" { "facts" } " state it. The age that the belief below counts with begins on this day." },
    )
}

fn how_ssvc() -> Markup {
    html! { "The most urgent outcome of what it closes on these hosts, by the SSVC tree for deployers: exploitation, exposure of the system, whether an attack can be automated, human impact. The page of each vulnerability that it closes has its points." }
}

/// Each outcome of BOD 26-04 that holds, with the day that it counts from.
fn how_due(due: &DueView) -> Markup {
    html! {
        "The strictest outcome of what it closes on these hosts, by the table of BOD 26-04: known to be exploited, publicly exposed, automatable, technical impact."
        ul.why {
            @for duty in due.each() { li { @match (duty.since, duty.timeline.days(), duty.date) {
                (Some(since), Some(days), Some(day)) => { (since) " + " (days) " days = " (day) }
                (None, Some(days), _) => { (days) " days from the day on which it was published or listed, which is not known" }
                _ => (duty.timeline),
            } } }
            @for text in &due.assumed { li { (text) } }
        }
    }
}

fn facts(one: &GroupDecision, currency: &str) -> Markup {
    html! { dl {
        dt { "Hosts" } dd { (hosts(one)) }
        dt { "VMs on them" } dd { (derived(&number(one.vms.into()), &html! { "VMs that the fleet has on these hosts and that run, or of which it is not known." })) }
        @if one.wait.is_some() || !one.closes.is_empty() {
            dt { "Closes" } dd { (closes(one, &format!("{} vulnerabilities, {} of them known to be exploited", one.closes.len(), one.exploited))) }
            @if one.without_fix > 0 { dt { "Without a fix" } dd { (derived(&format!("{} open vulnerabilities that no known release closes", one.without_fix), &html! { "Open vulnerabilities of " (one.component) " on these hosts of which no fact names a release that repairs them." })) } }
            dt { "Released" } dd { (released(one)) }
            dt { "SSVC" } dd { @match one.ssvc { Some(it) => (derived(&it.to_string(), &how_ssvc())), None => (no_duty(one)) } }
            dt { "BOD 26-04" } dd { @match &one.bod_26_04 { Some(due) => (derived(&due.to_string(), &how_due(due))), None => (no_duty(one)) } }
            dt { "Promises" } dd { @if one.promises.is_empty() { "none" } @for it in &one.promises { (promise(it, currency)) } }
            @if let Some(it) = &one.earlier_ring { dt { "Earlier ring" } dd { (it.ring) @if it.runs_it { " runs it already" } @else { " is to take it first" } ": it protects these hosts from day " (amount(it.from_days)) } }
            dt { "Changes that share the drain" } dd { (derived(&number(one.changes.into()), &html! { "Changes that are due on one of these hosts and need it emptied, this one among them; the most that any host has." })) }
        }
    } }
}

/// How a band of losses was worked out.
fn how_band() -> Markup {
    html! { "The quantiles of this loss over " (DRAWS) " draws of all " a href="/policy#parameters" { "parameters" } " from their ranges: nine of ten draws lie between the two." }
}

fn curve(wait: &Decision, currency: &str) -> Markup {
    let caption = format!("Loss by days waited, in {currency}");
    scroll(
        &caption,
        html! { table {
            caption { (caption) }
            thead { tr { th.num scope="col" { "Days" } th.num scope="col" { (derived("Loss", &html! { "The sum of the terms below when the patch comes after so many days, every parameter at its value." })) } th.num scope="col" { (derived("5 %", &how_band())) } th.num scope="col" { (derived("95 %", &how_band())) } } }
            tbody { @for it in &wait.curve { tr { td.num { (amount(it.days)) } td.num { (amount(it.loss)) } td.num { (amount(it.band.low)) } td.num { (amount(it.band.high)) } } } }
        } },
    )
}

fn terms(wait: &Decision, currency: &str) -> Markup {
    let caption = format!("Terms of the loss, in {currency}, over {} days", amount(HORIZON_DAYS));
    let rows = wait.now.named().into_iter().zip(wait.best.named()).zip(wait.never.named());
    let interval = &wait.optimum_interval;
    let days = |it: Option<f64>| match it {
        None => "never".to_owned(),
        Some(0.0) => "now".to_owned(),
        Some(it) => format!("{} days", amount(it)),
    };
    let (low, high) = (days(interval.low_days), days(interval.high_days));
    let best = if low == high { low } else { format!("between {low} and {high}") };
    html! {
        h3 { "Terms" }
        (scroll(&caption, html! { table {
            caption { (caption) }
            thead { tr { th scope="col" { "Term" } th.num scope="col" { "Patch now" } th.num scope="col" { "Best: " (days(wait.optimum.days)) } th.num scope="col" { "Never" } } }
            tbody {
                @for ((((name, now), (_, best)), (_, never)), formula) in rows.zip(Terms::FORMULAS) { tr { th scope="row" { (derived(name, &html! { (formula) ". " a href="/policy#parameters" { "Parameters" } })) } td.num { (amount(now)) } td.num { (amount(best)) } td.num { (amount(never)) } } }
                tr { th scope="row" { (derived("sum", &html! { "The terms above it added up, every parameter at its value: the loss of the choice over all hosts." })) } td.num { b { (amount(wait.now.total())) } } td.num { b { (amount(wait.best.total())) } } td.num { b { (amount(wait.never.total())) } } }
                tr { th scope="row" { (derived("5 % to 95 % over the parameters", &how_band())) } @for band in [wait.band_now, wait.band, wait.band_never] { td.num { (amount(band.low)) " to " (amount(band.high)) } } }
            }
        } }))
        dl {
            dt { "Best time" } dd { (derived(&best, &html! { "The 5 % and the 95 % quantile of the best time over " (DRAWS) " draws of all parameters." })) }
            dt { "The verdict is right in" } dd { (derived(&percent(wait.right), &html! { "Share of the draws in which this kind of choice is the best one." })) }
            dt { "It loses too much by" } dd { (derived(&format!("{} {currency}", amount(wait.regret)), &html! { "What the choice loses more than the best one of each draw, on average over the draws." })) }
            dt { "Compromised already" } dd { (derived(&format!("a host with {}, {} {currency} over all", percent(wait.compromised_before), amount(wait.loss_before)), &html! { "The chance that a host was hit through what the release closes between the day on which that became public and today, by the same hazards; times what stands on the hosts. Whatever is decided, this is lost: it is no part of the loss." })) }
        }
    }
}

fn sensitivity(wait: &Decision, currency: &str) -> Markup {
    let caption = "Parameters, their ranges and where the decision turns";
    let flip = |it: &Sensitivity| match &it.flip {
        Some(flip) => format!(
            "at {} to {}{}",
            amount(flip.at),
            choice(flip.to),
            if flip.plausible { "" } else { ", outside the range" }
        ),
        None => "never".to_owned(),
    };
    let rows = html! { table {
        caption { (caption) }
        thead { tr { th scope="col" { "Parameter" } th.num scope="col" { "Value" } th.num scope="col" { "Low" } th.num scope="col" { "High" } th scope="col" { (derived("Turns", &html! { "The value from which on another choice is the best, every other parameter at its own." })) } th scope="col" { "Source" } } }
        tbody { @for it in &wait.sensitivity { tr {
            th scope="row" { (parameter(it.span.parameter)) } td.num { (amount(it.span.value)) } td.num { (amount(it.span.low)) } td.num { (amount(it.span.high)) }
            td.tight { (flip(it)) } td { @if it.span.judgement { span.tag { "judgement" } " " } (it.span.source) }
        } } }
    } };
    html! {
        h3 { "What the decision depends on" }
        p { @match wait.hinge { Some(it) => { "It hinges on " (parameter(it)) ": within its plausible range the decision turns." } None => "No parameter turns it within its plausible range." } }
        @if let Some(chart) = charts::risk::tornado(wait, currency, BARS) { (charts::figure(&chart, &scroll(caption, rows))) }
    }
}

fn choice(it: underpin_risk::wait::curve::Choice) -> &'static str {
    use underpin_risk::wait::curve::Choice;
    match it {
        Choice::Now => "patching now",
        Choice::Wait => "waiting",
        Choice::Never => "not patching",
    }
}

fn belief(one: &GroupDecision, wait: &Decision, before: Before<'_>) -> Markup {
    let (belief, tally) = (&wait.belief, one.tally);
    let range = |it: &underpin_risk::wait::values::Span| {
        format!("{} ({} to {})", percent(it.value), percent(it.low), percent(it.high))
    };
    html! {
        h3 { "Is the release bad?" }
        dl {
            @if let Some((at, it)) = before {
                dt { "Line" } dd { "what is published and what the line has shown: as for " a href={"#d-" (at)} { (title(it)) } }
            } @else if let Some(prior) = &one.prior {
                dt { "Published" } dd { (range(&prior.published)) ": " (prior.published.source) }
                dt { "Line" } dd { @match prior.history.unusable {
                    Some(why) => (why),
                    None => { (prior.history.early) " of " (prior.history.gaps) " releases were replaced within 21 days: " (prior.history.early_security) " by security fixes, " (prior.history.early_repairs) " by repairs, "
                        (prior.history.early_unknown) " for a reason that is not known; " (prior.history.withdrawn.len()) " known withdrawals"
                        @if let Some((low, high)) = prior.line_alone { "; the line alone says " (percent(low)) " to " (percent(high)) } "." br;
                        span.soft { "An early replacement is not always a bad release, and withdrawn releases vanish from lists." } }
                } }
                dt { "Together" } dd { (derived(&range(&prior.together), &html! { "What is published, as a Beta distribution, updated by the early replacements and withdrawals of the line." })) }
            }
            dt { "On its first day" } dd { (derived(&percent(belief.at_release), &html! { "p, " (parameter(Parameter::RegressionPrior)) ", as a Beta distribution with its range, updated by what the line has shown" })) }
            dt { "After its age" } dd { (derived(&percent(belief.by_age), &html! { "p e / (1 - p + p e) with e = exp(-" (parameter(Parameter::Theta)) " × days since its release): Bayes" })) " " span.soft { "it was not withdrawn since" } }
            dt { "After others on this hardware" } dd { (derived(&percent(belief.by_others), &html! { "Beta-binomial: a bad release would have left so many hosts clean with the probability that its share of hosts hit gives; one hit settles it" })) " " span.soft { (tally.others_same_hardware.hosts) " hosts, " (tally.others_same_hardware.failures) " hit" } }
            dt { "After own trials and canaries" } dd { (derived(&percent(belief.now), &html! { "The same, with own hosts of this hardware" })) " " span.soft { (tally.own.hosts) " hosts, " (tally.own.failures) " hit; " (tally.own_other_hardware.hosts) " on other hardware teach nothing about this" } }
            dt { "Hosts hit if it is bad" } dd { (derived(&percent(belief.hit.mean()), &html! { "The mean of a Beta distribution: " (parameter(Parameter::RegressionHit)) " with its range, updated by the same hosts" })) }
        }
    }
}

fn information(wait: &Decision, currency: &str) -> Markup {
    let caption = format!("What one more observation is worth, in {currency}");
    let name = |it: &InformationValue| match it.observation {
        Observation::Trial => "one more trial host of this hardware",
        Observation::CanaryHost => "one more canary host",
        Observation::SoakDay => "one more day of soaking",
        Observation::Certainty => "knowing for certain (an upper bound)",
    };
    let how = |it: &InformationValue| match it.observation {
        Observation::Trial | Observation::CanaryHost => {
            "The least loss now, less what it is on average once one host was hit or stayed clean. It costs the exposure of these hosts while the host is watched, and what a bad release does to that host."
        }
        Observation::SoakDay => {
            "The least loss now, less what it is on average after a day in which others find a bad release with the rate theta. It costs a day of exposure."
        }
        Observation::Certainty => {
            "The least loss now, less what it is on average once it is known whether the release is bad and which share of hosts it hits."
        }
    };
    html! {
        h3 { "Value of information" }
        (scroll(&caption, html! { table {
            caption { (caption) }
            thead { tr { th scope="col" { "Observation" } th.num scope="col" { "Worth" } th.num scope="col" { "Costs" } th.num scope="col" { "Days" } th scope="col" { "Pays" } } }
            tbody { @for it in &wait.information { tr { th scope="row" { (derived(name(it), &html! { (how(it)) })) } td.num { (amount(it.value)) } td.num { (amount(it.cost)) } td.num { (amount(it.days)) } td { @if it.pays() { "yes" } @else { "no" } } } } }
        } }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_penalty_of_a_broken_promise_is_lost_whatever_is_decided() {
        let of = |days_left| {
            let deadline = "2026-03-01".parse().unwrap();
            let (id, tenants, accepted) = ("p".to_owned(), Vec::new(), None);
            kept(
                &PromiseState { id, tenants, deadline, days_left, hosts: 2, penalty: 312.0, accepted },
                "EUR",
            )
        };
        assert_eq!(of(1), "1 day left, penalty 312 EUR if these hosts break it");
        let lost = "broken for 348 days: the penalty of 312 EUR is lost whatever is decided, and no part of the loss here";
        assert_eq!(of(-348), lost);
    }
}
