//! How the figures of a cadence come about.

use jiff::civil::Date;
use maud::{Markup, html};
use underpin_exposure::cadence::{Gaps, Maturity, Series, Trend};

use super::NONE;
use crate::pages::parts::number;
use crate::pages::risk::numbers::derived;

/// Gaps that a derivation spells out; more are a number.
const SPELLED: usize = 24;

fn exact(value: f64) -> String {
    format!("{value:.2}")
}

pub(super) fn maintenances(one: &Series, batch_days: u16) -> Markup {
    let Some(days) = one.distinct_dates else { return unknown(one) };
    derived(
        &one.count_in_words(),
        &html! {
            (number(days as u64)) @if days == 1 { " day" } @else { " different days" } " with a patch; "
            @if batch_days == 0 { "each is one maintenance." }
            @else { "each maintenance takes in the patches of up to " (batch_days) " days after its first one." }
            @if one.patches_untold > 0 { " " (untold(one)) }
        },
    )
}

fn untold(one: &Series) -> Markup {
    html! {
        @if one.patches_untold == 1 { "Of 1 patch" } @else { "Of " (number(one.patches_untold as u64)) " patches" }
        " more the facts do not state whether to count them"
        @if let Some(most) = one.maintenances_at_most { "; with all of them there would be " (number(most as u64)) " maintenances" }
        "."
    }
}

/// A number that nobody knows, and why.
fn unknown(one: &Series) -> Markup {
    if one.patches_untold == 0 {
        return html! { (NONE) };
    }
    derived("unknown", &untold(one))
}

/// The days from the one typed, or the first that the facts have, to the one typed or the last.
fn span(one: &Series) -> Option<(Date, Date, f64)> {
    let (from, to) = (one.built.or(one.covered_from)?, one.until.or(one.covered_until)?);
    let days = from.until(to).ok()?.get_days();
    (days > 0).then(|| (from, to, f64::from(days)))
}

/// How often there is one: by the days that were typed, else by those that the facts have. As with a day that was typed, patches
/// of the first day are in the host.
pub(super) fn interval(one: &Series) -> Markup {
    let Some((from, to, days)) = span(one) else { return html! { (NONE) } };
    let count = one.batches.iter().filter(|it| it.first > from).count();
    if count == 0 {
        return html! { (NONE) };
    }
    let every = days / count as f64;
    let end = |typed: bool, of_facts: &'static str| if typed { "as typed" } else { of_facts };
    let typed_end = one.until.is_some() && one.until != one.covered_until;
    let at_most = if one.patches_untold > 0 { "at most " } else { "" };
    derived(
        &format!("{at_most}{every:.2} d"),
        &html! {
            p { (number(days as u64)) " days / " (number(count as u64)) " maintenances = " (exact(every)) " days" }
            "From " (from) " (" (end(one.built.is_some(), "the first day in the facts")) "; its patches are in the host) to " (to) " (" (end(typed_end, "the last day in the facts")) ")."
            @if one.built.is_none() || one.until.is_none() { " Type two dates for a host of your own." }
        },
    )
}

pub(super) fn per_maintenance(one: &Series) -> Markup {
    let (Some(it), Some(patches), Some(count)) = (one.patches_per_maintenance, one.patches, one.maintenances)
    else {
        return html! { (NONE) };
    };
    derived(
        &exact(it.mean),
        &html! {
            p { (number(patches as u64)) " patches / " (number(count as u64)) " maintenances = " (exact(it.mean)) }
            "At most " (number(it.max as u64)) " in one."
        },
    )
}

pub(super) fn patches(one: &Series) -> Markup {
    let (Some(patches), Some(days)) = (one.patches, one.distinct_dates) else { return unknown(one) };
    derived(
        &number(patches as u64),
        &html! { "By their bulletins or versions, on " (number(days as u64)) " different days." },
    )
}

pub(super) fn mean(gaps: &Gaps) -> Markup {
    let sum: f64 = gaps.days.iter().sum();
    derived(
        &exact(gaps.mean_days),
        &html! {
            p { (number(sum as u64)) " days / " (number(gaps.count as u64)) " gaps = " (exact(gaps.mean_days)) " days" }
            "A gap: days from the first day of a maintenance to that of the next."
            @if gaps.days.len() <= SPELLED { " In order of time: " (gaps.days.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")) "." }
        },
    )
}

pub(super) fn median(gaps: &Gaps) -> Markup {
    derived(
        &exact(gaps.median_days),
        &html! {
            "Half of the " (number(gaps.count as u64)) " gaps are at most so long. Quantiles (linear between the gaps in order of length):"
            ul.why { @for it in &gaps.quantiles { li { (format!("{:.0} %", it.share * 100.0)) " of the gaps: at most " (format!("{:.1}", it.days)) " days" } } }
        },
    )
}

/// The longest gap, between which days.
pub(super) fn longest(one: &Series, gaps: &Gaps) -> Markup {
    let at = gaps.days.iter().position(|it| *it == gaps.max_days);
    let days = at.and_then(|at| Some((one.batches.get(at)?.first, one.batches.get(at + 1)?.first)));
    derived(
        &exact(gaps.max_days),
        &html! {
            @if let Some((from, to)) = days { "From " (from) " to " (to) ". " }
            "The shortest: " (exact(gaps.min_days)) " days."
        },
    )
}

pub(super) fn dispersion(gaps: &Gaps) -> Markup {
    let (Some(cv), Some(deviation)) = (gaps.coefficient_of_variation, gaps.sample_deviation_days) else {
        return html! { (NONE) };
    };
    derived(
        &exact(cv),
        &html! {
            p { "standard deviation " (exact(deviation)) " / mean " (exact(gaps.mean_days)) " = " (exact(cv)) }
            "0: a clockwork, 1: pure chance, more: bursts. The deviation is that of a sample (divisor " (gaps.count.saturating_sub(1)) ")."
            @if let Some(index) = gaps.dispersion_index_days { " Index of dispersion, variance / mean: " (exact(index)) " days." }
        },
    )
}

pub(super) fn trend(trend: Trend) -> Markup {
    derived(
        trend.direction.label(),
        &html! {
            "Laplace test over the time from the first to the last maintenance: (mean day of those between − middle of the time) / (length × √(1 / 12 n)) = " (exact(trend.laplace))
            "; beyond ±1.96 there is a trend at the level of 5 %."
        },
    )
}

/// How long there is support, and how old the line was on the last day of its facts.
pub(super) fn support(maturity: Maturity) -> Markup {
    derived(
        &maturity.support(),
        &html! {
            @match maturity.end_of_life {
                Some(end) => { "Security support ends or ended on " (end) ", by the lifecycle facts. " }
                None => { "No day on which security support ends is in the lifecycle facts. " }
            }
            @if let (Some(days), Some(released)) = (maturity.age_days, maturity.released) {
                "Age: " (number(u64::try_from(days).unwrap_or(0))) " days, from the first release, " (released) ", to " (maturity.at) "."
            }
        },
    )
}
