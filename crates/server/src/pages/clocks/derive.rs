//! How the figures of a clock come about.

use std::collections::BTreeMap;

use jiff::civil::Date;
use maud::{Markup, html};
use underpin_exposure::report::Asset;
use underpin_model::policy::PromiseKind;
use underpin_risk::clocks::{Clock, ForecastBreach, PromiseState, Report, State, TenantClocks, Turn};

use super::{NONE, kind, status};
use crate::pages::parts::{kind_words, number};
use crate::pages::risk::numbers::{amount, derived, opens};

/// Days from one day to another.
fn between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |it| it.get_days())
}

/// What a state means.
fn meaning(state: State, soon_days: u16) -> String {
    match state {
        State::Breached => "Not done, and the due day has passed.".to_owned(),
        State::Unknown => {
            "A fact is missing, so that the clock cannot be read; the evidence names it.".to_owned()
        }
        State::DueSoon => format!("Not done, and due within {soon_days} days."),
        State::Running => format!("Not done, and due in more than {soon_days} days."),
        State::Accepted => {
            "Not done, and the risk is accepted: the clock stands still until that expires.".to_owned()
        }
        State::NotStarted => {
            "What starts the clock has not happened: no fix is published, or the end of life lies ahead."
                .to_owned()
        }
        State::Done => {
            "Done; the due day has passed, and on which day it was done is not recorded.".to_owned()
        }
        State::Kept => "Done, and the due day is not past.".to_owned(),
    }
}

/// The head of a column of counts.
pub(super) fn head(state: State, soon_days: u16) -> Markup {
    derived(
        state.label(),
        &html! { (meaning(state, soon_days)) " Counted: each clock in this state × the assets on which it reads so." },
    )
}

/// The state of a clock, by its due day and the day of reading.
pub(super) fn state(it: &Clock, report: &Report) -> Markup {
    let days = it.due.map(|due| between(report.as_of, due));
    let how = html! {
        p { (meaning(it.state, report.soon_days)) }
        @match (it.state, it.due, days) {
            (State::Unknown | State::NotStarted, None, _) => { (it.evidence) "." }
            (_, Some(due), Some(days)) if days < 0 => { "Read on " (report.as_of) ", " (-days) " days after " (due) "." }
            (_, Some(due), Some(days)) => { "Read on " (report.as_of) ", " (days) " days before " (due) "." }
            _ => {}
        }
        @if let Some(accepted) = &it.accepted {
            " Accepted by " (accepted.owner) @if accepted.expired { " until " } @else { " up to and with " } (accepted.expires) ": " (accepted.reason) "."
        }
    };
    opens(&status(it.state), &how)
}

/// The due day: the day that started the clock and the days of the promise.
pub(super) fn due(it: &Clock, report: &Report) -> Markup {
    let Some(due) = it.due else { return html! { (NONE) } };
    let days = report.promises.iter().find(|of| of.promise == it.promise).map(|of| of.days);
    derived(
        &due.to_string(),
        &html! {
            @if let (Some(started), Some(days)) = (it.started, days) {
                p { (started) " + " (days) " days = " (due) }
                "Started by: " (it.evidence) ". Promise " (it.promise) ": " (kind(it.kind)) " within " (days) " days, by the " a href="/policy" { "policy" } "."
            }
            @if let Some(accepted) = it.accepted.as_ref().filter(|it| !it.expired && it.expires > due) {
                " Accepted until " (accepted.expires) ": it must be done by that day."
            }
        },
    )
}

/// The day by which a clock must be done.
fn latest(it: &Clock) -> Option<Date> {
    let accepted = it.accepted.as_ref().filter(|it| !it.expired).map(|it| it.expires);
    Some(it.due?.max(accepted.unwrap_or(Date::MIN)))
}

fn turn_words(place: usize, per_day: f64, as_of: Date, day: Date) -> Markup {
    html! { p {
        "\u{2308}" (number(place as u64)) " / " (per_day) " a day\u{2309} = " (number(u64::try_from(between(as_of, day)).unwrap_or(0))) " days from " (as_of) ": " (day)
    } }
}

/// How many of its assets breach at the planned pace: the queue against the due day.
pub(super) fn forecast(it: &Clock, report: &Report, turns: &BTreeMap<Asset, Turn>) -> Markup {
    let runs = matches!(it.state, State::DueSoon | State::Running | State::Accepted);
    let Some(by) = latest(it).filter(|_| runs && it.kind == PromiseKind::FixWithin) else {
        return html! { (NONE) };
    };
    let last = it
        .assets
        .iter()
        .filter_map(|asset| Some((asset, turns.get(asset)?)))
        .max_by_key(|(_, turn)| turn.day);
    let late = number(it.will_breach as u64);
    let text = match (it.will_breach, it.forecast_unknown) {
        (_, 0) => late,
        (0, _) => "unknown".to_owned(),
        _ => format!("{late}, others unknown"),
    };
    let how = html! {
        @if let Some((asset, turn)) = last {
            (turn_words(turn.place, turn.per_day, report.as_of, turn.day))
            "The last of its assets, " (asset.id) ", is number " (number(turn.place as u64)) " of " (number(turn.of as u64)) " in the queue of its kind (" (kind_words(asset.kind)) "), in the order of due days. "
        }
        "To be done by " (by) "; " (number(it.will_breach as u64)) " of " (number(it.assets.len() as u64)) " have their turn later."
        @if it.forecast_unknown > 0 {
            " Of " (number(it.forecast_unknown as u64)) " it is not known: for their kind the " a href="/policy" { "policy" } " plans no pace (planes_per_day, vms_per_day, images_per_day)."
        }
    };
    derived(&text, &how)
}

/// Hosts that wait, and the day on which the last of them has its fix.
pub(super) fn all_patched(report: &Report, day: Date) -> Markup {
    let hosts = report.hosts_to_patch;
    html! { dl {
        dt { "Hosts that wait for a published fix" }
        dd { (derived(&number(hosts as u64), &html! { "Hosts with a clock of a fix that is published and not in force; each counts once." })) }
        dt { "Hosts a day" }
        dd { (derived(&report.hosts_per_day.to_string(), &html! {
            "The pace that the " a href="/policy" { "policy" } " plans (hosts_per_day of [maintenance]; without it that of the default policy), or the one typed above. In the order of due days so many hosts have their turn each day."
        })) }
        dt { "The last one has it on" }
        dd { (derived(&day.to_string(), &html! { (turn_words(hosts, report.hosts_per_day, report.as_of, day)) "The pace is the policy's (hosts_per_day), or the one typed above." })) }
    } }
}

/// How many breach a promise on a day.
pub(super) fn breach(it: &ForecastBreach, clocks: &str) -> Markup {
    derived(
        &number(it.assets as u64),
        &html! { "Assets of this kind whose turn in the queue (place / pace) comes after " (it.on.yesterday().unwrap_or(it.on)) ", the last day of a clock of theirs; each counts once. The " a href=(clocks) { "clocks of the promise" } " show place and pace." },
    )
}

/// The clocks of a promise to a tenant in a state.
pub(super) fn of_tenant(it: &TenantClocks, count: u64, state: State, clocks: &str) -> Markup {
    let whose = it.tenant.as_ref().map_or_else(
        || "assets on which nothing of a tenant stands".to_owned(),
        |tenant| format!("VMs of {tenant} and hosts beneath them"),
    );
    derived(
        &number(count),
        &html! {
            "Clocks of " (it.promise) " that are " (state.label()) " × the " (whose) " on which they read so; a host beneath several tenants counts for each. "
            a href=(clocks) { "The same clocks for everyone" } "."
        },
    )
}

/// What a broken promise costs.
pub(super) fn penalty(it: &PromiseState) -> Markup {
    if it.penalty.get() <= 0.0 {
        return html! { (NONE) };
    }
    derived(
        &amount(it.penalty.get()),
        &html! { "Stated by the " a href="/policy" { "policy" } "; once, when any clock of the promise is breached: " @if it.broken { "it is." } @else { "none is." } },
    )
}
