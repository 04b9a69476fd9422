//! The rows of a backtest: one a policy, each number with how it was counted.

use maud::{Markup, html};
use underpin_risk::backtest::{Figure, Measures, Report, Row, Taken, Why};

use crate::pages::parts::{address, number, scroll};
use crate::pages::risk::numbers::{amount, derived};

const NONE: &str = "\u{2013}";

/// The columns of figures with an interval, and what each of them counts.
const COLUMNS: [(&str, &str); 7] = [
    (
        "Exposure-days",
        "Each day, each host: the published vulnerabilities of the line that are open in the release it runs; summed.",
    ),
    (
        "Exploited",
        "The same, of vulnerabilities listed by KEV, from the day on which each was listed. \u{201c}At least\u{201d}: the span begins before the list did.",
    ),
    (
        "Bad releases",
        "Roll-outs of a release that was withdrawn, or replaced early by a repair: those under \u{201c}Bad releases\u{201d} below.",
    ),
    ("Maintenances", "Roll-outs begun, each listed under \u{201c}Roll-outs\u{201d} below."),
    ("Host reboots", "Each roll-out, each host that it reached within the span, at the hosts a day above."),
    (
        "Host-days behind",
        "Each day, each host on which a newer release was out than the one it runs; summed.",
    ),
    (
        "Days to patch, at least",
        "Mean over hosts × vulnerabilities with a fix: from the day on which the fix was out to the day on which the host had it, or to the end of the span where it never did (restricted mean).",
    ),
];

/// Where the interval below a figure is from.
fn interval_words(report: &Report) -> Markup {
    let it = &report.bootstrap;
    html! {
        "Below it, the 95 % interval of a block bootstrap: the span is cut into blocks of " (it.block_days) " days, as many are drawn with replacement " (number(it.resamples as u64)) " times (seed " (it.seed) "), and the middle 95 % of the sums are shown; none where there are too few blocks."
    }
}

fn policy_words(report: &Report) -> Markup {
    html! {
        "\u{25c6}: on the frontier. Over the days that all policies have in common, no other policy is better in one of these and at least as good in the others: " (report.frontier_axes.map(|it| it.replace('_', " ")).join(", ")) ". "
        "Below the name, the days on which the signal that the policy acts on existed: its figures are over these."
    }
}

fn loss_words(report: &Report) -> Markup {
    html! {
        "In " (report.currency) ": exposure (each day and host, the chance that an open vulnerability is used × what stands on a host) + bad releases (hosts that got one × the share hit × what stands there) + maintenance (roll-outs and reboots), by "
        a href="/policy" { "rates and parameters of the policy" } ". The parts are in " a href=(address("/api/v1/backtest", &[("platform", Some(&*report.platform)), ("line", Some(&*report.line)), ("component", Some(&*report.component))])) { "the API" } ". "
        "\u{201c}At least\u{201d}: on some days no vulnerability of the line is known, which is not none. " (interval_words(report))
    }
}

pub(super) fn side_by_side(report: &Report) -> Markup {
    let caption = "Each policy over the days on which its signal existed; 95 % interval below a figure; each number opens how it was counted";
    scroll(
        caption,
        html! {
            table.dense {
                caption { (caption) }
                thead { tr {
                    th scope="col" { (derived("Policy", &policy_words(report))) }
                    @for (name, how) in COLUMNS { th.num.wrap scope="col" { (derived(name, &html! { (how) " " (interval_words(report)) })) } }
                    th.num.wrap scope="col" { (derived("Never patched", &html! { "Hosts × vulnerabilities with a fix that the policy did not bring within the span: of each, the days until the end of the span count in the column before." })) }
                    th.num.wrap scope="col" { (derived("Loss", &loss_words(report))) }
                } }
                tbody { @for row in &report.policies { (one_policy(report, row)) } }
            }
        },
    )
}

fn one_policy(report: &Report, row: &Row) -> Markup {
    let Some(it) = &row.measures else {
        return html! { tr {
            th scope="row" { (row.policy) br; span.status.s-unknown { "not evaluable" } }
            td.reason colspan="9" { (row.reason.as_deref().map_or(NONE, |it| it.trim_start_matches("not evaluable: "))) }
        } };
    };
    let of = Counted { report, row, it };
    let exploited_from = it.days_before_kev > 0 && it.exploited_exposure_days.is_some();
    html! { tr {
        th scope="row" {
            (row.policy) @if row.on_frontier { " " span title="on the frontier" { "\u{25c6}" } }
            br; small { (it.period.from) " to " (it.period.to) }
        }
        td.num { (figure(it.exposure_days, "unknown", false, &of.exposure(it.exposure_days))) }
        td.num { (figure(it.exploited_exposure_days, "unknown", exploited_from, &of.exploited())) }
        td.num { (figure(Some(it.bad_releases), NONE, false, &of.bad())) }
        td.num { (figure(Some(it.maintenances), NONE, false, &of.maintenances())) }
        td.num { (figure(Some(it.host_reboots), NONE, false, &of.reboots())) }
        td.num { (figure(Some(it.lag_days), NONE, false, &of.behind())) }
        td.num { (figure(it.restricted_mean_days_to_patch, NONE, false, &of.to_patch())) }
        td.num { (derived(&it.never_patched.map_or_else(|| "unknown".to_owned(), number), &of.never_patched())) }
        td.num { (figure(it.loss.total, "unknown", it.days_without_facts > 0 && it.loss.total.is_some(), &of.loss())) }
    } }
}

/// A figure over its interval, that opens to show how it was counted.
fn figure(figure: Option<Figure>, none: &str, at_least: bool, how: &Markup) -> Markup {
    let Some(it) = figure else { return derived(none, how) };
    let whole = it.to_string();
    let interval = whole.split_once(' ').map(|(_, interval)| interval);
    html! {
        @if at_least { small { "at least" } br; }
        (derived(&plain(it), how))
        @if let Some(interval) = interval { small { (interval.trim_matches(['(', ')'])) } }
    }
}

/// A figure without its interval.
fn plain(it: Figure) -> String {
    Figure { interval: None, ..it }.to_string()
}

/// A row with what its numbers were counted from.
struct Counted<'r> {
    report: &'r Report,
    row: &'r Row,
    it: &'r Measures,
}

impl Counted<'_> {
    fn days(&self) -> f64 {
        f64::from((self.it.period.to - self.it.period.from).get_days() + 1)
    }

    fn hosts(&self) -> f64 {
        f64::from(self.report.fleet.hosts)
    }

    /// `365 days × 100 hosts`.
    fn span(&self) -> Markup {
        html! { (amount(self.days())) " days (" (self.it.period.from) " to " (self.it.period.to) ") × " (amount(self.hosts())) @if self.report.fleet.hosts == 1 { " host" } @else { " hosts" } }
    }

    /// How much of something a host had on a day, in the mean.
    fn a_day(&self, value: f64) -> String {
        let all = self.days() * self.hosts();
        amount(if all > 0.0 { value / all } else { 0.0 })
    }

    fn exposure(&self, figure: Option<Figure>) -> Markup {
        html! { @match figure {
            Some(it) => {
                p { (self.span()) " × " (self.a_day(it.value)) " open vulnerabilities in the mean = " (plain(it)) }
                p { "Counted day by day and host by host over the " (self.report.vulnerabilities) " vulnerabilities of the line, from the day on which each is public to the day on which the host has a release that closes it."
                    @if self.it.days_without_facts > 0 { " On " (self.it.days_without_facts) " of the days no vulnerability of the line is known, and none is counted." } }
            }
            None => { "No vulnerability of the line is known within the span, which is not none." }
        } }
    }

    fn exploited(&self) -> Markup {
        let before = self.it.days_before_kev;
        html! {
            @match self.it.exploited_exposure_days {
                Some(it) => { p { (self.span()) " × " (self.a_day(it.value)) " open vulnerabilities that KEV lists, in the mean = " (plain(it)) } }
                None => { p { "Nobody can know: the span begins before KEV did and nothing of the line is listed, or no vulnerability of it is known." } }
            }
            @if before > 0 { p { (before) " of the days are from before KEV began: what was exploited on them nobody listed." } }
        }
    }

    fn bad(&self) -> Markup {
        let found = self.row.taken.iter().filter_map(|taken| Some((taken, self.why(taken)?)));
        let (counted, unclear): (Vec<_>, Vec<_>) = found.partition(|it| it.1 != Why::Unclear);
        let list = |all: &[(&Taken, Why)]| {
            let all = all.iter().map(|(it, why)| match why {
                Why::Withdrawn => format!("{} on {} (withdrawn)", it.version, it.day),
                Why::Repaired => format!("{} on {} (repaired early)", it.version, it.day),
                Why::Unclear => format!("{} on {}", it.version, it.day),
            });
            all.collect::<Vec<_>>().join(", ")
        };
        html! {
            p { "Of " (self.row.taken.len()) " roll-outs: " @if counted.is_empty() { "none of a bad release" } @else { (list(&counted)) } ". " (number(self.it.bad_release_hosts)) " hosts got one." }
            @if !unclear.is_empty() { p { "Not among them, because the facts do not tell a repair from a security release: " (list(&unclear)) "." } }
        }
    }

    fn why(&self, taken: &Taken) -> Option<Why> {
        let bad = self.report.bad_releases.iter().find(|it| *it.version == *taken.version);
        bad.map(|it| it.why)
    }

    fn maintenances(&self) -> Markup {
        html! { "Roll-outs begun from " (self.it.period.from) " to " (self.it.period.to) ": "
            @if self.row.taken.is_empty() { "none" }
            @for (at, it) in self.row.taken.iter().enumerate() { @if at > 0 { ", " } (it.version) " on " (it.day) } "."
        }
    }

    fn reboots(&self) -> Markup {
        html! { (self.row.taken.len()) " roll-outs × " (amount(self.hosts())) " hosts at " (amount(self.report.hosts_per_day)) " hosts a day; a host that one did not reach before the next began or the span ended is left out: " (plain(self.it.host_reboots)) }
    }

    fn behind(&self) -> Markup {
        let it = self.it.lag_days;
        html! { (self.span()) " × " (self.a_day(it.value)) " of them behind the newest release = " (plain(it)) }
    }

    fn to_patch(&self) -> Markup {
        html! { @match self.it.restricted_mean_days_to_patch {
            Some(it) => {
                "Mean of days to patch over all pairs of host and vulnerability with a fix = " (amount(it.value)) " days. "
                @if let Some(never) = self.it.never_patched { (number(never)) " of the pairs were never patched: of these the days to " (self.it.period.to) " count." }
            }
            None => { "No vulnerability had a fix within the span." }
        } }
    }

    fn never_patched(&self) -> Markup {
        let Some(open) = self.it.open_at_end else {
            return html! { "No vulnerability of the line is known within the span, which is not none." };
        };
        html! { "Pairs of host and vulnerability whose fix was out by " (self.it.period.to) " and that the host did not have then. Open at the end, with a fix or without: " (number(open)) "." }
    }

    fn loss(&self) -> Markup {
        let parts = &self.it.loss;
        html! {
            p { "Exposure " (parts.exposure.map_or_else(|| "unknown".to_owned(), amount)) " + bad releases " (amount(parts.bad_releases)) " + maintenance " (amount(parts.maintenance)) @if let Some(total) = parts.total { " = " (amount(total.value)) } " " (self.report.currency) }
            @if parts.if_unclear_are_bad > 0.0 { p { "If every early replacement that is unclear had been a repair: " (amount(parts.if_unclear_are_bad)) " more." } }
            p { "By " a href="/policy" { "rates and parameters of the policy" } "." @if self.it.days_without_facts > 0 { " At least, because no vulnerability of the line is known on " (self.it.days_without_facts) " of the days." } }
        }
    }
}
