//! Policies replayed over real history: what would each have cost on a fleet, had it decided on what was known then?
//!
//! A [`History`] holds the dated facts of one line of releases. The replay goes day by day; each [`Rule`] sees a
//! [`View`] of the facts dated before the day and nothing else (no look-ahead, by construction: see [`View`]). A rule that
//! needs a signal is replayed only over the days on which the signal was published.
//!
//! ```
//! use underpin_risk::backtest::{Decision, DecisionRule, View};
//!
//! /// Anyone can write a policy; all it gets is the view.
//! struct AfterAWeek;
//! impl DecisionRule for AfterAWeek {
//!     fn decide(&self, view: &View<'_>) -> Decision {
//!         view.newest(7).map_or(Decision::Stay, Decision::Install)
//!     }
//! }
//! ```

mod choice;
mod history;
mod replay;
mod report;
mod rules;
mod sources;
mod view;

use jiff::civil::Date;
use underpin_model::facts::{Family, Period};
use underpin_model::policy::Policy;

use crate::withdrawals::{self, Mark};

pub use choice::{Answer, Asked, as_if, choose, chosen, hosts_on};
pub use history::{Assessed, Bad, EARLY_DAYS, History, Hole, Means, Release, Signals, Why};
pub use replay::{BLOCK_DAYS, ReplayFleet, Taken};
pub use report::{Bootstrap, FEWEST_BLOCKS, Figure, LossParts, Measures, RESAMPLES, Report, Row};
pub use rules::{Economics, Rule};
pub use sources::{KEV_BEGAN, Line, line_of, lines, of_facts};
pub use view::{Decision, DecisionRule, KnownHole, ReleaseRef, View};

/// Hosts and VMs per host of a replay without a fleet.
pub const DEFAULT_FLEET: ReplayFleet = ReplayFleet { hosts: 100, vms_per_host: 20.0, assumed: true };

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// First day; the day after the line's first release, if not given.
    pub from: Option<Date>,
    /// Last day; the day of the line's last release, if not given.
    pub until: Option<Date>,
    /// The hosts.
    pub fleet: ReplayFleet,
    /// The least EPSS score on which that policy acts.
    pub epss_at_least: f64,
}

/// The least EPSS score of a question that names none.
pub const EPSS_AT_LEAST: f64 = 0.1;

/// Why a backtest cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BacktestError {
    /// No such line.
    #[error(
        "no history of {asked}; known are: {known}; for another one bring feeds that list its releases with their days"
    )]
    UnknownLine {
        /// What was asked for.
        asked: String,
        /// The lines that there are.
        known: String,
    },
    /// No line is named, and the fleet has none to choose.
    #[error("no line is given for {platform}; known are: {known}")]
    NoLine {
        /// The platform.
        platform: String,
        /// Its lines.
        known: String,
    },
    /// The line has several components, and none is named.
    #[error("{line} has several components, choose one of: {known}")]
    SeveralComponents {
        /// The line.
        line: String,
        /// Its components.
        known: String,
    },
    /// The line has fewer than two releases.
    #[error(
        "the history of {0} has fewer than two releases: nothing can be replayed; bring feeds that list more of them"
    )]
    EmptyHistory(String),
    /// The span is none, or outside of the history.
    #[error("from {from} until {until} is no span within the history of {line}, expected from {} until {}", .known.from, .known.to)]
    Span {
        /// The line.
        line: String,
        /// First day.
        from: Date,
        /// Last day.
        until: Date,
        /// The span of the history.
        known: Period,
    },
    /// A fleet without hosts, or with a number of VMs that is none.
    #[error(
        "found {hosts} hosts with {vms_per_host} VMs each, expected at least one host and a finite number of VMs"
    )]
    Fleet {
        /// Hosts.
        hosts: u32,
        /// VMs per host.
        vms_per_host: f64,
    },
    /// The rates of the policy are finite, their sums are not.
    #[error(
        "the loss of {0:?} is too large to be added up, expected smaller rates in the policy's loss and maintenance"
    )]
    Overflow(String),
    /// The threshold is no probability.
    #[error("found an EPSS threshold of {0}, expected a probability from 0 to 1")]
    Threshold(f64),
}

/// Replays every policy.
///
/// # Errors
/// [`BacktestError`] for a span that is none, an empty history, an empty fleet, a threshold that is no probability.
pub fn run(history: &History, question: &Question, policy: &Policy) -> Result<Report, BacktestError> {
    let (period, fleet) = (checked(history, question)?, question.fleet);
    let costs = Economics::new(policy, fleet.vms_per_host);
    let pace = policy.maintenance.hosts_per_day;
    let rules = Rule::all(question.epss_at_least, &costs);
    let spans: Vec<Result<Signal, String>> = rules.iter().map(|it| signal(it, history, period)).collect();
    let common = spans
        .iter()
        .flatten()
        .map(|it| it.period)
        .reduce(|a, b| Period { from: a.from.max(b.from), to: a.to.min(b.to) });
    let common = common.filter(|it| it.from < it.to);
    let measure = |rule: &Rule, period| {
        let replayed = replay::replay(history, rule, period, fleet, pace, &costs);
        (Measures::of(period, &replayed, policy.seed, history), replayed.taken)
    };
    let row = |(rule, span): (&Rule, &Result<Signal, String>)| match span {
        Err(reason) => Row {
            policy: rule.to_string(),
            evaluable: false,
            reason: Some(reason.clone()),
            signal_for: None,
            measures: None,
            common: None,
            on_frontier: false,
            taken: Vec::new(),
        },
        Ok(signal) => {
            let (measures, taken) = measure(rule, signal.period);
            Row {
                policy: rule.to_string(),
                evaluable: true,
                reason: signal.limit.clone(),
                signal_for: signal.known_for,
                measures: Some(measures),
                common: common.map(|it| measure(rule, it).0),
                on_frontier: false,
                taken,
            }
        }
    };
    let mut rows: Vec<Row> = rules.iter().zip(&spans).map(row).collect();
    let measures = |it: &Row| it.measures.iter().chain(&it.common).all(Measures::is_finite);
    if let Some(row) = rows.iter().find(|it| !measures(it)) {
        return Err(BacktestError::Overflow(row.policy.clone()));
    }
    let frontier_axes = report::mark_frontier(&mut rows);
    let within = |day: Date| period.from <= day && day <= period.to;
    Ok(Report {
        platform: history.platform.clone(),
        line: history.line.clone(),
        component: history.component.clone(),
        fleet,
        currency: policy.currency.clone(),
        hosts_per_day: pace,
        period,
        common_period: common,
        dates: history.dates,
        releases: history.releases.iter().filter(|it| within(it.day)).count(),
        vulnerabilities: history.holes.len(),
        vulnerabilities_span: history.holes_span(),
        vulnerabilities_without_day: history.holes.iter().filter(|it| it.day_assumed).count(),
        bad_releases: history.bad.clone(),
        incidents: withdrawals::of_family(&Family::from_name(&history.platform)).collect(),
        frontier_axes,
        policies: rows,
        notes: notes(history, period, fleet),
        bootstrap: Bootstrap::with(policy.seed),
    })
}

/// Replays any policy, one of the tool's or another's, over the whole span of the question.
///
/// # Errors
/// As [`run`].
pub fn replay_rule(
    history: &History,
    rule: &dyn DecisionRule,
    question: &Question,
    policy: &Policy,
) -> Result<(Measures, Vec<Taken>), BacktestError> {
    let period = checked(history, question)?;
    let costs = Economics::new(policy, question.fleet.vms_per_host);
    let pace = policy.maintenance.hosts_per_day;
    let replayed = replay::replay(history, rule, period, question.fleet, pace, &costs);
    Ok((Measures::of(period, &replayed, policy.seed, history), replayed.taken))
}

fn checked(history: &History, question: &Question) -> Result<Period, BacktestError> {
    let line = format!("{} {} {}", history.platform, history.line, history.component);
    let known = history
        .span()
        .filter(|it| it.from < it.to)
        .ok_or_else(|| BacktestError::EmptyHistory(line.clone()))?;
    let period = Period { from: question.from.unwrap_or(known.from), to: question.until.unwrap_or(known.to) };
    if period.from >= period.to || period.from < known.from || period.to > known.to {
        return Err(BacktestError::Span { line, from: period.from, until: period.to, known });
    }
    let ReplayFleet { hosts, vms_per_host, .. } = question.fleet;
    if hosts == 0 || !vms_per_host.is_finite() || vms_per_host < 0.0 {
        return Err(BacktestError::Fleet { hosts, vms_per_host });
    }
    if !(0.0..=1.0).contains(&question.epss_at_least) {
        return Err(BacktestError::Threshold(question.epss_at_least));
    }
    Ok(period)
}

/// Where a policy can be replayed.
struct Signal {
    period: Period,
    known_for: Option<usize>,
    limit: Option<String>,
}

/// The days of a span on which the signal of a policy was published, or why there are none.
fn signal(rule: &Rule, history: &History, period: Period) -> Result<Signal, String> {
    let count = |has: fn(&Hole) -> bool| history.holes.iter().filter(|it| has(it)).count();
    let (name, published, known_for) = match rule {
        Rule::AtOnce | Rule::Delay(_) | Rule::Window(_) | Rule::Own(_) => {
            return Ok(Signal { period, known_for: None, limit: None });
        }
        Rule::Cvss(_) => ("CVSS scores with a day", history.signals.cvss, count(|it| it.score.is_some())),
        Rule::Kev => ("KEV entries", history.signals.kev, count(|it| it.listed.is_some())),
        Rule::Ssvc => {
            ("SSVC decision points with a day", history.signals.ssvc, count(|it| it.assessed.is_some()))
        }
        Rule::Epss(_) => ("EPSS history", history.signals.epss, count(|it| !it.predicted.is_empty())),
    };
    // Scores of whatever day say nothing of a line whose vulnerabilities are not known.
    if history.holes.is_empty() {
        return Err("not evaluable: no vulnerability is mapped to the releases of this line; bring advisories that name \
                    its releases"
            .to_owned());
    }
    let Some(published) = published else {
        let way_out = match rule {
            Rule::Epss(_) => "bring dated EPSS files",
            _ => "bring feeds that have them",
        };
        return Err(format!("not evaluable: the facts hold no {name}; {way_out}"));
    };
    // KEV lists what is exploited, so silence is a signal; a score that is not there is none.
    if known_for == 0 && *rule != Rule::Kev {
        let count = history.holes.len();
        return Err(format!(
            "not evaluable: none of the {count} vulnerabilities of this line has {name} among those given, which are from {} to \
             {}; give some that name them",
            published.from, published.to
        ));
    }
    let cut = Period { from: period.from.max(published.from), to: period.to.min(published.to) };
    if cut.from == cut.to {
        return Err(format!(
            "not evaluable: of {} to {} the facts hold {name} of {} alone, and one day is no span to replay; bring feeds of more days",
            period.from, period.to, cut.from
        ));
    }
    if cut.from > cut.to {
        return Err(format!(
            "not evaluable: {name} are from {} to {}, outside of {} to {}",
            published.from, published.to, period.from, period.to
        ));
    }
    let limit = (cut != period).then(|| format!("only {} to {}, when its signal existed", cut.from, cut.to));
    Ok(Signal { period: cut, known_for: Some(known_for), limit })
}

/// What the figures leave out, in sentences.
fn notes(history: &History, period: Period, fleet: ReplayFleet) -> Vec<String> {
    let mut notes = Vec::new();
    if fleet.vms_per_host == 0.0 {
        notes.push("no VM stands on the hosts: nothing but maintenances is lost, and Underpin's own policy never hurries".to_owned());
    }
    match history.holes_span() {
        None => notes.push(
            "no vulnerability is mapped to the releases of this line: exposure is not counted, only maintenances and bad \
             releases are"
                .to_owned(),
        ),
        Some(it) => notes.push(format!(
            "vulnerabilities of this line are known from {} to {}; before and after none is known, which is not none",
            it.from, it.to
        )),
    }
    if let Some(kev) = history.signals.kev.filter(|it| it.from > period.from && !history.holes.is_empty()) {
        notes.push(format!(
            "KEV begins on {}: what was exploited from {} to the day before nobody listed, so that exploited exposure is at least what is \
             stated, and unknown where nothing of this line is listed",
            kev.from, period.from
        ));
    } else if history.signals.kev.is_none() && !history.holes.is_empty() {
        notes.push(
            "the facts hold no KEV entries: exploited exposure is unknown; bring a KEV catalogue".to_owned(),
        );
    }
    let silent = |(at, it): &(usize, &Release)| {
        it.security.is_none() && !history.holes.iter().any(|hole| hole.closed_by.first() == Some(at))
    };
    let silent = history.releases.iter().enumerate().filter(silent).count();
    if silent > 0 {
        notes.push(format!(
            "of {silent} of {} releases no fact tells what they close: exposure that they ended is unknown and in no figure",
            history.releases.len()
        ));
    }
    if history.dates == underpin_model::facts::DateKind::Built {
        notes.push(
            "days of releases are those of their changelogs, some days before users could get them"
                .to_owned(),
        );
    }
    let unclear = history.bad.iter().filter(|it| it.why == Why::Unclear).count();
    if unclear > 0 {
        notes.push(format!(
            "{unclear} early replacements are neither known repairs nor known security releases: counted apart"
        ));
    }
    let recalled = |it: &&Bad| it.mark == Mark::Recalled;
    let recalled: Vec<&str> = history.bad.iter().filter(recalled).map(|it| &*it.version).collect();
    if !recalled.is_empty() {
        notes.push(format!(
            "the days of the withdrawn releases {} are recalled, not sourced",
            recalled.join(", ")
        ));
    }
    if !history.holes.is_empty() {
        let all = history.holes.len();
        let without = history.holes.iter().filter(|it| it.means.is_none()).count();
        notes.push(format!(
            "each vulnerability is reached and takes what its CVSS vector says, on a host of {} guests with one way in from inside \
             (`reach_internal`); {without} of {all} have no vector: any way counts for them, and half of what stands there is lost. From where the \
             hosts of a fleet are reached, controls, copies and restarts, and the rates of single tenants are in no figure, but in those of \
             `wait`: rates are those of `[loss]`",
            rules::guests(fleet.vms_per_host)
        ));
    }
    notes.push(
        "losses are those of Underpin's own model, which its own policy minimises over 90 days at a time; what a release keeps \
         closed after those days is not in its decision, so where few holes are known it installs later than the loss of all \
         years would ask: compare the counts too"
            .to_owned(),
    );
    notes.push(format!(
        "hosts start {} on the newest release of the day before, or on the first one of the line",
        period.from
    ));
    notes
}
