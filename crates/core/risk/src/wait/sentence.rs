//! The recommendation in one sentence that names its reasons.

use jiff::civil::Date;
use underpin_model::policy::Parameter;

use super::curve::{Choice, Terms};
use super::decision::{Decision, Verdict};
use super::evidence::Tally;
use super::groups::GroupDecision;
use super::rings::EarlierRing;

/// A number with two or three digits that count, without an exponent unless it is below a millionth.
#[must_use]
pub fn short(value: f64) -> String {
    // A sum of nothing may be a negative zero, which no one should read.
    let value = value + 0.0;
    let size = value.abs();
    if size >= 100.0 || size == 0.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else if size >= 1e-6 {
        let digits = 1 - size.log10().floor() as i32;
        format!("{value:.*}", usize::try_from(digits).unwrap_or(3))
    } else {
        format!("{value:.1e}")
    }
}

/// A probability or share in percent, as every sentence and table has it: beside others in percent a bare fraction or a power of ten
/// would be misread.
#[must_use]
pub fn percent(share: f64) -> String {
    if share > 0.0 && share < LEAST_SHOWN {
        return "below 0.0001 %".to_owned();
    }
    format!("{} %", short(share * 100.0))
}

/// Shares below this are not told apart.
pub const LEAST_SHOWN: f64 = 1e-6;

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The recommendation for a decision.
#[must_use]
pub(super) fn recommend(
    about: &GroupDecision,
    decision: &Decision,
    (currency, horizon_days): (&str, f64),
    on: Date,
) -> String {
    let release = about.release.as_deref().unwrap_or("?");
    let optimum = &decision.optimum;
    let what = match decision.verdict {
        Verdict::PatchNow => format!("Patch {} {release} now", about.component),
        Verdict::Wait { days } => {
            format!("Wait {} days, then patch {} {release}", short(days), about.component)
        }
        Verdict::Mitigate => {
            format!("Do not take {} {release} within {horizon_days:.0} days, mitigate", about.component)
        }
    };
    let against = match optimum.choice {
        Choice::Now => format!(
            "waiting loses {} at its best time ({} days) and not patching {}",
            short(optimum.loss_wait),
            short(optimum.wait_days),
            short(optimum.loss_never)
        ),
        Choice::Wait => {
            format!(
                "patching now loses {} and not patching {}",
                short(optimum.loss_now),
                short(optimum.loss_never)
            )
        }
        Choice::Never => {
            format!(
                "patching now loses {} and waiting {} at its best time ({} days)",
                short(optimum.loss_now),
                short(optimum.loss_wait),
                short(optimum.wait_days)
            )
        }
    };
    let (what, weak) = if decision.weak { (lower(&what), weak(decision)) } else { (what, String::new()) };
    format!(
        "{weak}{what}{}: on {} with {} it loses {} {currency} over {horizon_days:.0} days ({} to {}), {against}{}; {}; {}, {}{}, and {}{}.",
        beside(about, on),
        count(about.hosts.len() as u64, "host", "hosts"),
        guests(about),
        short(optimum.loss),
        short(decision.band.low),
        short(decision.band.high),
        flat(decision),
        largest(&decision.best),
        closes(about),
        trust(about, decision),
        staged(about, decision),
        hinges(decision),
        over_longer(decision),
    )
}

/// Puts the release of the same component that gains more before what is said of this one.
pub(super) fn prefer(about: &mut GroupDecision, currency: &str) {
    let Some(it) = &about.better else { return };
    let best = match it.verdict {
        Verdict::PatchNow => "to patch now".to_owned(),
        Verdict::Wait { days } => format!("to wait {} days", short(days)),
        Verdict::Mitigate => "not to take it".to_owned(),
    };
    about.recommendation = format!(
        "Rather {} {}, which closes the same: with it, it is best {best} and loses {} {currency}. Of this one alone: {}",
        about.component,
        it.release,
        short(it.loss),
        lower(&about.recommendation)
    );
}

/// That the end of the span decides, and not the release.
fn over_longer(decision: &Decision) -> String {
    let Some(it) = &decision.over_longer else { return String::new() };
    let when =
        if it.optimum_days > 0.0 { format!("in {} days", short(it.optimum_days)) } else { "now".to_owned() };
    format!("; the span decides: over {} days it is best to patch {when}", short(it.horizon_days))
}

/// The duties that are late already, which no recommendation lifts, and releases that were withdrawn: one that would do, and what runs.
fn beside(about: &GroupDecision, on: Date) -> String {
    let asked = about.overdue(on).map(|day| format!("BOD 26-04 asked for it by {day}"));
    let broken = about.broken();
    let broken = broken.iter().map(|it| format!("the promise {it} has been broken since {}", it.since));
    let withdrawn = about.instead_of.as_ref();
    let withdrawn = withdrawn
        .map(|it| format!("{}, which closes the same, was {}", it.release, it.withdrawal.known_by()));
    let runs = about.runs.iter();
    let runs = runs.filter_map(|it| Some(format!("{}, which runs here, {}", it.release, it.known_bad()?)));
    let late: Vec<String> = asked.into_iter().chain(broken).chain(withdrawn).chain(runs).collect();
    if late.is_empty() { String::new() } else { format!(" ({})", late.join("; ")) }
}

/// What comes before a recommendation that most draws contradict.
fn weak(decision: &Decision) -> String {
    let interval = &decision.optimum_interval;
    let others = [
        (Choice::Now, interval.now, "patch now"),
        (Choice::Wait, interval.wait, "wait"),
        (Choice::Never, interval.never, "do not take it"),
    ];
    let others = others.iter().filter(|it| it.0 != decision.optimum.choice && it.1 > 0.0);
    let others: Vec<String> = others.map(|it| format!("{} say {}", percent(it.1), it.2)).collect();
    format!(
        "Weak, only {} of the draws of the parameters agree ({}): ",
        percent(decision.right),
        others.join(", ")
    )
}

/// That something else would lose a little less than patching now, and how little.
fn flat(decision: &Decision) -> String {
    let optimum = &decision.optimum;
    if !decision.flat {
        return String::new();
    }
    let other = if optimum.loss_wait <= optimum.loss_never {
        format!("waiting {} days", short(optimum.wait_days))
    } else {
        "not patching".to_owned()
    };
    let saved = optimum.now_over_later() / optimum.loss_now;
    format!(" (the curve is flat: {other} would save {} of it, which is no reason to wait)", percent(saved))
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The VMs that the loss is about, and those that may be there and are not in it.
fn guests(about: &GroupDecision) -> String {
    let known = count(about.vms.into(), "VM", "VMs");
    if about.vms_perhaps == 0 {
        return known;
    }
    format!("{known} (and up to {} of no known host, not counted)", about.vms_perhaps)
}

/// The term that weighs most in what is recommended. What sharing a drain saves is no part of a loss: a term may be more than
/// the sum, and is no *most of it* then.
fn largest(terms: &Terms) -> String {
    let named = terms.named();
    let most = named.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let saved = -terms.shared_drain;
    match most {
        Some((name, loss)) if *loss > 0.0 && saved > 0.0 => format!(
            "the largest term is {name} ({}), and {} are saved by sharing the drain",
            short(*loss),
            short(saved)
        ),
        Some((name, loss)) if *loss > 0.0 => format!("most of it is {name} ({})", short(*loss)),
        _ => "nothing of it is of weight".to_owned(),
    }
}

/// What it is due for: what it closes, or else what runs.
fn closes(about: &GroupDecision) -> String {
    if about.closes.is_empty() {
        let open = match about.without_fix {
            0 => String::new(),
            some => format!(" ({some} stay open, which no known release closes)"),
        };
        return format!("it closes nothing that is known to be open here{open}, and is due for what runs");
    }
    let exploited = match about.exploited {
        0 => String::new(),
        some => format!(" ({some} known exploited)"),
    };
    format!("it closes {}{exploited}", count(about.closes.len() as u64, "vulnerability", "vulnerabilities"))
}

fn trust(about: &GroupDecision, decision: &Decision) -> String {
    let Tally { own, others_same_hardware: others, .. } = about.tally;
    let failed = [(own, "of own trials and canaries"), (others, "of others")].into_iter();
    let failed = failed.filter(|(it, _)| it.failures > 0);
    let failed =
        failed.map(|(it, whose)| format!("it failed on {} of {} hosts {whose}", it.failures, it.hosts));
    let failed: Vec<String> = failed.collect();
    format!(
        "the release is bad for this hardware with {}{} and then hits {} of the hosts",
        percent(decision.belief.now),
        if failed.is_empty() { String::new() } else { format!(" ({})", failed.join(", ")) },
        percent(decision.belief.hit.mean())
    )
}

/// From when on an earlier ring stands in front of these hosts.
fn staged(about: &GroupDecision, decision: &Decision) -> String {
    let Some(EarlierRing { ring, from_days, .. }) = &about.earlier_ring else { return String::new() };
    let stops = decision.sensitivity.iter().find(|it| it.span.parameter == Parameter::RingStops);
    let stops = stops.map_or_else(String::new, |it| format!(" with {}", percent(it.span.value)));
    let when = if *from_days > 0.0 { format!(", from day {} on,", short(*from_days)) } else { String::new() };
    format!(", after ring {ring} has run it{when} a bad one is stopped before these hosts{stops}")
}

fn hinges(decision: &Decision) -> String {
    let right = percent(decision.right);
    let of = |parameter: Parameter| decision.sensitivity.iter().find(|it| it.span.parameter == parameter);
    match decision.hinge.and_then(of).and_then(|it| Some((it, it.flip?))) {
        Some((it, flip)) => format!(
            "it is right with {right} under uncertainty and hinges on {} ({}{}; it turns to {} at {})",
            it.span.parameter.fact().name,
            short(it.span.value),
            if it.span.judgement { ", a judgement" } else { "" },
            match flip.to {
                Choice::Now => "patching now",
                Choice::Wait => "waiting",
                Choice::Never => "not patching",
            },
            short(flip.at)
        ),
        None => format!(
            "it is right with {right} under uncertainty, and no single parameter turns it within its range"
        ),
    }
}

/// The sentence where nothing can be decided.
#[must_use]
pub(super) fn unknown(about: &GroupDecision, missing: &str, on: Date) -> String {
    let release = about.release.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
    let open = match (about.closes.len() + about.without_fix as usize) as u64 {
        0 => "no vulnerability is known to be".to_owned(),
        some => count(some, "vulnerability stands", "vulnerabilities stand"),
    };
    format!(
        "Unknown whether to patch {}{release} or wait{}: {missing} is missing; {open} open on {}.",
        about.component,
        beside(about, on),
        count(about.hosts.len() as u64, "host", "hosts"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_that_exceeds_the_sum_is_not_most_of_it() {
        let plain = Terms { maintenance: 20.0, exposure: 1.0, ..Terms::default() };
        assert_eq!(largest(&plain), "most of it is maintenance (20.0)");
        let shared = Terms { shared_drain: -5.0, ..plain };
        let said = "the largest term is maintenance (20.0), and 5.0 are saved by sharing the drain";
        assert_eq!(largest(&shared), said);
    }

    #[test]
    fn probabilities_are_in_percent_however_small() {
        let said: Vec<String> =
            [0.0, 1.0, 0.08, 0.0003, 0.000_093, 1e-6, 9.9e-7, 1e-300].map(percent).to_vec();
        let least = "below 0.0001 %";
        assert_eq!(said, ["0 %", "100 %", "8.0 %", "0.030 %", "0.0093 %", "0.00010 %", least, least]);
    }

    #[test]
    fn numbers_are_short_and_never_in_exponents() {
        let said: Vec<String> = [0.0, 1234.5, 99.94, 1.26, 0.5, 0.0234, 0.000_01].map(short).to_vec();
        assert_eq!(said, ["0", "1234", "99.9", "1.3", "0.50", "0.023", "0.000010"]);
    }
}
