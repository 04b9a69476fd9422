//! The risk of the current fleet: what is expected, how bad it can get, what it comes from, and what to do.

pub(super) mod calibration;
mod fall;
pub(super) mod group;
mod how;
pub(super) mod numbers;
mod tables;

use std::collections::BTreeMap;

use axum::extract::State;
use maud::{Markup, html};
use underpin_risk::compound::{AtLeast, Figures, Method, Part};
use underpin_risk::portfolio::Cause;
use underpin_risk::report::{FleetRisk, RiskReport};

use self::how::{how_cvar, how_deviation, how_quantile};
use super::parts::{number, scroll, stale, warnings};
use super::{PageError, page};
use crate::charts;
use crate::query::Query;
use crate::risk::{Basis, Detail, RiskAnswer, RiskQuery, Tail, TailPoint};
use crate::state::Shared;
use numbers::{amount, cause_name, chance, derived, how_likely, lost, percent};

/// Rows of a picture of contributions.
const PARTS: usize = 12;
/// The level that is shown first: the worst one in a hundred.
const LEVEL: f64 = 0.99;

pub(super) async fn risk(
    State(app): State<Shared>,
    Query(query): Query<RiskQuery>,
) -> Result<Markup, PageError> {
    let answer = app.risk(query.read()?).await?;
    let detail = app.risk_detail().await?;
    let content = html! {
        h1 { "Risk" }
        p.when { (links(&answer.basis)) }
        (stale(&answer.basis.index))
        (body(&answer, &detail))
    };
    Ok(page("Risk", "/risk", Some(&answer.basis.index), content))
}

/// Where else to look, and what this rests on.
fn links(basis: &Basis) -> Markup {
    html! {
        "Policy " a href="/policy" { (basis.policy.id()) } ", evidence " a href="/evidence" { (basis.evidence.id()) } ". "
        a href="/risk/group" { "Patch or wait" } ", " a href="/clusters" { "clusters and management planes" } ", "
        a href="/risk/calibration" { "foretold and happened" } "."
    }
}

fn body(answer: &RiskAnswer, detail: &Detail) -> Markup {
    let report = &answer.report;
    html! {
        (unpriced(report))
        (headline(report))
        (tails(report, detail))
        (contributions(report))
        (tables::groups(report))
        (tables::causes(report))
        div.two { (tables::tenants(report)) (tables::clusters(report)) }
        (tables::in_clear(report))
        (tables::blast(report))
        (tables::deferrals(report))
        (trust(report))
    }
}

/// What is not in the figures stands before them.
fn unpriced(report: &RiskReport) -> Markup {
    let all = report.unpriced_words == "everything is priced";
    html! {
        @if !all || !report.warnings.is_empty() {
            div.banner role="status" {
                @if !all { strong { "Not all of it is in these figures" } (report.unpriced_words) }
                @else { strong { "Know before you read on" } }
                (warnings(&report.warnings))
            }
        }
    }
}

fn cvar(figures: &Figures) -> Option<(f64, f64)> {
    figures.cvar.iter().find(|it| it.level == LEVEL).map(|it| (it.value, it.standard_error))
}

fn headline(report: &RiskReport) -> Markup {
    let currency = &report.currency;
    let own = cvar(&report.fleet.loss).map_or(0.0, |it| it.0);
    html! {
        section aria-labelledby="headline" {
            h2 id="headline" { "In a sentence" }
                p.lead {
                    @if !report.losses_known {
                        "What this fleet is expected to lose over " (amount(report.horizon_days)) " days is " b { "unknown" } ": no guest is known on any host."
                    } @else {
                    "Over " (amount(report.horizon_days)) " days this fleet is expected to lose " b { (amount(report.fleet.loss.mean)) " " (currency) }
                    ", and in the worst one of a hundred cases " b { (amount(own)) " " (currency) } " (CVaR 99 %)"
                    @if let Some(naive) = report.naive.as_ref().and_then(|it| cvar(&it.loss)) {
                        ": " (compared(own, naive.0)) " the " (amount(naive.0)) " " (currency) " that independent hosts would suggest"
                    }
                    "."
                    }
                    @if report.mean_loss_with_stand_ins < report.fleet.loss.mean {
                        " If what may stand in for VMs when their host is down does, it is " b { (amount(report.mean_loss_with_stand_ins)) " " (currency) } "."
                    }
                    @if let Some(most) = report.mean_loss_with_unknown.filter(|it| *it > report.fleet.loss.mean) {
                        " With all that is not known at its worst the expectation is " b { (amount(most)) " " (currency) } "."
                    }
                }
                (figures(report))
        }
    }
}

fn compared(own: f64, naive: f64) -> String {
    if naive > 0.0 && own > naive * 1.05 {
        format!("{} times as much as", amount(own / naive))
    } else if own < naive * 0.95 {
        "less than".to_owned()
    } else {
        "not much more than".to_owned()
    }
}

fn figures(report: &RiskReport) -> Markup {
    let (own, naive) = (&report.fleet, report.naive.as_ref());
    let caption =
        format!("Compound against independent, in {}; open a number for its derivation", report.currency);
    let pair = |name: String,
                of: &dyn Fn(&FleetRisk) -> Option<f64>,
                how: &dyn Fn(&FleetRisk) -> Markup,
                share: bool| {
        let text = |it: f64| if share { percent(it) } else { lost(report, it) };
        let other = naive.and_then(|it| Some(derived(&text(of(it)?), &apart(&how(it)))));
        html! { @if let Some(value) = of(own) { tr {
            th scope="row" { (name) } td.num { (derived(&text(value), &how(own))) }
            td.num { (other.unwrap_or_else(|| html! { "–" })) }
        } } }
    };
    let at_least = |what: &str, list: &dyn Fn(&FleetRisk) -> Vec<AtLeast>| {
        let rows = list(own);
        let others = naive.map(list).unwrap_or_default();
        let other = |m: u64| {
            let it = others.iter().find(|other| other.m == m);
            let it = it.zip(naive);
            it.map_or_else(|| html! { "–" }, |(it, of)| derived(&chance(of, it), &apart(&how_likely(it))))
        };
        html! { @for one in &rows {
            tr {
                th scope="row" { (format!("At least {} {what}{} at once", number(one.m), if one.m == 1 { "" } else { "s" })) } td.num { (derived(&chance(own, one), &how_likely(one))) }
                td.num { (other(one.m)) }
            }
        } }
    };
    let sampled = |of_samples: String| {
        if report.sampling.enumerated {
            "Exact: all that may happen to so few hosts is enumerated.".to_owned()
        } else {
            of_samples
        }
    };
    let samples = number(report.sampling.samples.into());
    scroll(
        &caption,
        html! { table {
            caption { (caption) }
            thead { tr { th scope="col" { "Figure" } th.num scope="col" { "Compound" } th.num scope="col" { "Independent" } } }
            tbody {
                (pair("Expected loss".to_owned(), &|it| Some(it.loss.mean), &|_| html! { "In closed form: for each class of hosts, the probability of each cause × the hit given the cause, by the greatest impact, × what stands on the host (" a href="#causes" { "causes" } ", " a href="/policy" { "rates of the policy" } "). Both figures have the same mean: what is common changes the tail." }, false))
                (pair("Standard deviation".to_owned(), &|it| Some(it.loss.sd), &|it| html! { (sampled(how_deviation(&it.loss, &samples))) }, false))
                @for level in own.loss.quantiles.iter().map(|it| it.level) {
                    @let of = |it: &FleetRisk| it.loss.quantiles.iter().find(|one| one.level == level).cloned();
                    (pair(format!("Loss exceeded in at most {} of cases", percent(1.0 - level)), &|it| of(it).map(|one| one.value), &|it| html! { @if let Some(one) = of(it) { (sampled(how_quantile(&it.loss, &one, &samples, report.seed))) } }, false))
                }
                @for level in own.loss.cvar.iter().map(|it| it.level) {
                    @let of = |it: &FleetRisk| it.loss.cvar.iter().find(|one| one.level == level).cloned();
                    (pair(format!("Mean of the worst {}", percent(1.0 - level)), &|it| of(it).map(|one| one.value), &|it| html! { @if let Some(one) = of(it) { (sampled(how_cvar(&one))) } }, false))
                    (pair("… at most, whatever ties the clusters".to_owned(), &|it| it.cvar_at_most.iter().find(|one| one.level == level).map(|it| it.value), &|_| html! { "The sum of the clusters' own CVaR: what the fleet's would be if all of them had their worst together. How clusters depend on each other is a matter of the model; this bound is not." }, false))
                }
                (pair("Any host hit".to_owned(), &|it| Some(it.any_hit.probability), &|it| html! { (method(it.any_hit.method, it.any_hit.standard_error)) " Whatever the dependence, it lies between the greatest probability of one host, " (percent(it.any_hit.frechet_low)) ", and the sum over all hosts, " (percent(it.any_hit.frechet_high)) " (Fréchet)." }, true))
                (pair("… at least, by pairs of hosts".to_owned(), &|it| Some(it.any_hit.bonferroni_low), &|_| html! { "Bonferroni, within the class of hosts that tells most, or Dawson and Sankoff, between classes: from single hosts and the pairs that are hit both. It uses nothing of how three or more hosts go together." }, true))
                (pair("… at most, by pairs of hosts".to_owned(), &|it| Some(it.any_hit.hunter_worsley_high), &|_| html! { "Hunter, Worsley: single hosts less the pairs along a path through each class of hosts and a tree between classes. It uses nothing of how three or more hosts go together." }, true))
                (at_least("host", &|it| it.hosts_hit_at_least.clone()))
                (at_least("guest", &|it| it.guests_hit_at_least.clone()))
                (at_least("tenant", &|it| it.tenants_hit_at_least.clone()))
                @if report.guests_without_tenant > 0 {
                    tr { th scope="row" { "Guests of no known tenant, who count for none" } td.num { (number(report.guests_without_tenant)) } td.num { "–" } }
                }
            }
        } },
    )
}

/// How a figure of independent hosts was worked out: as the compound one, from another law.
fn apart(how: &Markup) -> Markup {
    html! { p { "As if nothing were common: each host is hit with the same probability and loses the same, but by itself." } p { (how) } }
}

pub(super) fn method(method: Method, standard_error: f64) -> Markup {
    html! { @match method {
        Method::Exact => "Exact: in closed form or by enumeration of the common causes, and by quadrature over the strength of the attacker.",
        Method::ImportanceSampling => { "Weighted samples; standard error " (percent(standard_error)) "." }
        Method::Sampling => { "Plain samples; standard error " (percent(standard_error)) "." }
    } }
}

fn points(caption: &str, unit: &str, compound: &[(f64, f64)], independent: &[(f64, f64)]) -> Markup {
    scroll(
        caption,
        html! { table {
            caption { (caption) }
            thead { tr { th scope="col" { "Law" } th.num scope="col" { "At least, " (unit) } th.num scope="col" { "Probability" } } }
            tbody {
                @for (law, list) in [("compound", compound), ("independent", independent)] {
                    @for (x, p) in list { tr { th scope="row" { (law) } td.num { (amount(*x)) } td.num { (percent(*p)) } } }
                }
            }
        } },
    )
}

/// Where the pictures of tails end, and why.
const LOSS_ENDS: &str = "The lines end at the loss that is exceeded once in 100 000 cases: of what is rarer, samples show too little to draw.";
const HOSTS_END: &str = "A line goes from number to number of the table and ends at the last of them, or where the chance falls below one in a million, which is not drawn.";

fn tails(report: &RiskReport, detail: &Detail) -> Markup {
    let pick = |of: fn(&Tail) -> &Vec<TailPoint>| (of(&detail.compound), of(&detail.independent));
    let one =
        |title: &str, unit: &str, ends: &str, (compound, independent): (&Vec<TailPoint>, &Vec<TailPoint>)| {
            let chart = charts::risk::tail((title, unit, ends), compound, independent)?;
            Some(charts::figure(&chart, &points(title, unit, compound, independent)))
        };
    let loss = one("Loss at least so great", &report.currency, LOSS_ENDS, pick(|it| &it.loss));
    let hosts = one("So many hosts hit at once", "hosts", HOSTS_END, pick(|it| &it.hosts));
    html! {
        @if loss.is_some() || hosts.is_some() {
            section aria-labelledby="tail" {
                h2 id="tail" { "How bad it can get" }
                p.soft { "Hosts fall together, because causes are shared. Drawn from as many samples as the figures above, at more levels; the samples differ a little." }
                @if let Some(figure) = loss { h3 { "Loss" } (figure) }
                @if let Some(figure) = hosts { h3 { "Hosts at once" } (figure) }
            }
        }
    }
}

/// A part with its shares of the mean and of the CVaR, in per cent.
type Share = (String, f64, f64);

/// What the parts of one kind share.
struct Shares {
    rows: Vec<Share>,
    errors: Vec<Option<f64>>,
    /// Of the last row, where it is the rest: how many parts it sums up, and the greatest share of the mean among them.
    rest: Option<(usize, f64)>,
}

/// Shares of the mean and of the CVaR by one kind of part, the greatest first, the rest summed up; and the standard errors of
/// the latter, in percentage points: of the rest none is known, for the errors of its parts are not independent.
fn shares(report: &RiskReport, name: PartName<'_>) -> Shares {
    // Parts of one name are one row; of several together no error is known.
    let mut by_name: BTreeMap<String, (f64, f64, Option<f64>)> = BTreeMap::new();
    for it in &report.contributions {
        let Some(name) = name(&it.of) else { continue };
        let new = (it.mean, it.cvar_share, Some(it.cvar_share_standard_error));
        let sum = |own: &mut (f64, f64, Option<f64>)| *own = (own.0 + new.0, own.1 + new.1, None);
        by_name.entry(name).and_modify(sum).or_insert(new);
    }
    let mut rows: Vec<(String, f64, f64, Option<f64>)> =
        by_name.into_iter().map(|(name, it)| (name, it.0, it.1, it.2)).collect();
    let (mean, cvar) = rows.iter().fold((0.0, 0.0), |(a, b), it| (a + it.1, b + it.2));
    let share = |part: f64, of: f64| if of > 0.0 { part / of * 100.0 } else { 0.0 };
    for row in &mut rows {
        *row = (
            std::mem::take(&mut row.0),
            share(row.1, mean),
            share(row.2, cvar),
            row.3.map(|it| share(it, cvar)),
        );
    }
    rows.retain(|it| it.1 > 0.0 || it.2 > 0.0);
    rows.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rest = if rows.len() > PARTS { rows.split_off(PARTS - 1) } else { Vec::new() };
    let mut errors: Vec<Option<f64>> = rows.iter().map(|it| it.3).collect();
    let mut rows: Vec<Share> = rows.into_iter().map(|it| (it.0, it.1, it.2)).collect();
    if !rest.is_empty() {
        let (mean, cvar) = rest.iter().fold((0.0, 0.0), |(a, b), it| (a + it.1, b + it.2));
        rows.push((format!("{} others together", number(rest.len() as u64)), mean, cvar));
        errors.push(None);
    }
    let rest = (!rest.is_empty()).then(|| (rest.len(), rest.iter().map(|it| it.1).fold(0.0, f64::max)));
    Shares { rows, errors, rest }
}

/// The name of a part, if it is of one kind.
type PartName<'n> = &'n dyn Fn(&Part) -> Option<String>;

/// Below this share of the mean and of the CVaR, in per cent, a vulnerability stands in the row of its component.
const ALONE: f64 = 1.0;

/// The name of each cause. A bar of nearly nothing for each of thousands of vulnerabilities says nothing: those with a small
/// share are named by the first component that has them, so that their shares add up.
fn cause_names(report: &RiskReport) -> BTreeMap<String, String> {
    let (mut mean, mut cvar) = (0.0, 0.0);
    let causes = report.contributions.iter().filter_map(|it| match &it.of {
        Part::Cause { cause } => Some((it, cause)),
        _ => None,
    });
    causes.clone().for_each(|(it, _)| {
        mean += it.mean;
        cvar += it.cvar_share;
    });
    let of_component: BTreeMap<String, &str> = report
        .causes
        .iter()
        .filter_map(|it| Some((cause_name(&it.shock.cause), it.facts.components.first()?.0.as_str())))
        .collect();
    let small = |part: f64, of: f64| of <= 0.0 || part / of * 100.0 < ALONE;
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut members: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (it, cause) in causes {
        let name = cause_name(cause);
        let component = of_component.get(&name).copied().unwrap_or("no known component");
        if matches!(cause, Cause::Exploit { .. }) && small(it.mean, mean) && small(it.cvar_share, cvar) {
            members.entry(component).or_default().push(name.clone());
        }
        names.insert(name.clone(), name);
    }
    for (component, list) in members.into_iter().filter(|it| it.1.len() > 1) {
        let together = format!("{} holes of {component}", number(list.len() as u64));
        for name in list {
            names.insert(name, together.clone());
        }
    }
    names
}

fn contributions(report: &RiskReport) -> Markup {
    let names = cause_names(report);
    let by_cause = |it: &Part| match it {
        Part::Cause { cause } => names.get(&cause_name(cause)).cloned(),
        _ => None,
    };
    let kinds: [(&str, PartName<'_>); 3] = [
        ("By cause", &by_cause),
        ("By tenant", &|it| match it {
            Part::Tenant { tenant } => {
                Some(tenant.as_ref().map_or_else(|| "no known tenant".to_owned(), ToString::to_string))
            }
            _ => None,
        }),
        ("By cluster", &|it| match it {
            Part::Cluster { cluster } => {
                Some(cluster.as_ref().map_or_else(|| "no known cluster".to_owned(), ToString::to_string))
            }
            _ => None,
        }),
    ];
    let figures: Vec<Markup> = kinds
        .into_iter()
        .filter_map(|(title, name)| {
            let shares = shares(report, name);
            let chart = charts::risk::contributions(title, &shares.rows, shares.rest.is_some())?;
            Some(html! { h3 { (title) } (charts::figure(&chart, &share_rows(title, &shares))) })
        })
        .collect();
    html! {
        @if !figures.is_empty() {
            section aria-labelledby="contributions" {
                h2 id="contributions" { "What it comes from" }
                p.soft { "Shares sum to the whole: of the mean exactly, of the CVaR by Euler allocation from the samples. Where several causes do the greatest harm to a host, each has an equal share. Vulnerabilities with less than " (percent(ALONE / 100.0)) " each stand together, by component." }
                @for figure in figures { (figure) }
            }
        }
    }
}

fn share_rows(caption: &str, shares: &Shares) -> Markup {
    let last = shares.rows.len().saturating_sub(1);
    let of_mean = |at: usize, mean: f64| {
        let text = format!("{mean:.1} %");
        match shares.rest.filter(|_| at == last) {
            Some((count, greatest)) => derived(
                &text,
                &html! { "The sum of " (number(count as u64)) " shares, none of which is above " (format!("{greatest:.2} %")) ". " a href="/api/v1/risk" { "The API has each" } "." },
            ),
            None => html! { (text) },
        }
    };
    scroll(
        caption,
        html! { table {
            caption { (caption) }
            thead { tr { th scope="col" { "Part" } th.num scope="col" { "Of the mean" } th.num scope="col" { "Of the CVaR 99 %" } th.num scope="col" { "Standard error" } } }
            tbody { @for (at, ((name, mean, cvar), error)) in shares.rows.iter().zip(&shares.errors).enumerate() { tr { th scope="row" { (name) } td.num { (of_mean(at, *mean)) } td.num { (format!("{cvar:.1} %")) } td.num { @match error { Some(it) => (format!("{it:.1} %")), None => "–" } } } } }
        } },
    )
}

/// How far to trust it: judgements among the parameters, and the samples.
fn trust(report: &RiskReport) -> Markup {
    let judged: Vec<_> = report.parameters.iter().filter(|it| it.setting.judgement).collect();
    html! {
        section aria-labelledby="trust" {
            h2 id="trust" { "How far to trust it" }
            dl {
                dt { "Judgements" }
                dd { (judged.len()) " of " (report.parameters.len()) " parameters are judgements, not measurements: "
                    @for (at, one) in judged.iter().enumerate() { @if at > 0 { ", " } (numbers::parameter(one.name)) } }
                dt { "Losses" }
                dd { @if report.losses_stated { "In " (report.currency) ", at the rates of the policy." } @else { "In points: the policy states no losses." } }
                dt { "Samples" }
                dd { (number(report.sampling.samples.into())) ", effective size " (amount(report.sampling.ess)) ", seed " (report.seed) "; their mean is "
                    (amount(report.sampling.deviation)) " standard errors from the exact one"
                    @for one in &report.sampling.variance_reduction { "; at " (percent(one.level)) " worth " (amount(one.factor)) " plain samples each" } }
            }
        }
    }
}
