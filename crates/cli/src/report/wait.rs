//! Patch or wait for people and spreadsheets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use underpin_exposure::report::DueView;
use underpin_model::policy::Parameter;
use underpin_model::ssvc::{self, Timeline};
use underpin_risk::wait::decision::CurvePoint;
use underpin_risk::wait::sentence::{percent, short};
use underpin_risk::wait::{Answer, Decision, GroupDecision, Verdict};

use super::csv::{cause, harmless};
use crate::output::{List, counted, wrapped};

/// Rows that are shown unless all are asked for.
const FIRST: usize = 20;
/// Bars of a tornado that are shown.
const BARS: usize = 8;
/// Size of the chart in characters.
const CHART: (usize, usize) = (64, 12);

/// The day of the assessment.
fn day(answer: &Answer<'_>) -> Date {
    answer.about.as_of.to_zoned(TimeZone::UTC).date()
}

/// What is at stake, most first; what cannot be decided last: it is counted and listed apart.
fn sorted<'a>(answer: &Answer<'a>) -> Vec<&'a GroupDecision> {
    let mut list: Vec<&GroupDecision> = answer.decisions().collect();
    let stake = |it: &GroupDecision| it.wait.as_ref().map_or(-1.0, |it| it.optimum.loss_never);
    list.sort_by(|a, b| stake(b).total_cmp(&stake(a)));
    list
}

fn verdict(one: &GroupDecision) -> String {
    let Some(wait) = &one.wait else { return "unknown".to_owned() };
    let verdict = match wait.verdict {
        Verdict::PatchNow => "patch now".to_owned(),
        Verdict::Wait { days } => format!("wait {} days", short(days)),
        Verdict::Mitigate => "do not patch, mitigate".to_owned(),
    };
    let verdict = match wait.doubt() {
        Some(doubt) => format!("{verdict} ({doubt})"),
        None => verdict,
    };
    match &one.better {
        Some(better) => format!("rather {}; else {verdict}", better.release),
        None => verdict,
    }
}

/// A share of the draws, rounded down: what a few contradict is not said by all.
fn whole_percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).floor())
}

fn release(one: &GroupDecision) -> String {
    format!("{} {}", one.component, one.release.as_deref().unwrap_or("?"))
}

fn hinge(decision: &Decision) -> &'static str {
    decision.hinge.map_or("none", |it: Parameter| it.fact().name)
}

/// One row a group and release.
pub(crate) fn table(answer: &Answer<'_>, all: bool, width: Option<u16>) -> String {
    let mut text = head(answer, width) + &missing(answer, width);
    let header = [
        "RECOMMENDATION",
        "RELEASE",
        "ROLE",
        "HOSTS",
        "NOW",
        "OPTIMUM",
        "NEVER",
        "BAND",
        "RIGHT",
        "HINGES ON",
        "SSVC",
        "DUE",
        "GROUP",
    ];
    let mut list = List::keyed(&header, &[1, 12], width);
    let sorted = sorted(answer);
    let most = if all { usize::MAX } else { FIRST };
    for one in sorted.iter().take(most) {
        let number = |of: &dyn Fn(&Decision) -> String| one.wait.as_ref().map_or_else(String::new, of);
        list.row([
            verdict(one),
            release(one),
            one.role.label().to_owned(),
            one.hosts.len().to_string(),
            number(&|it| short(it.optimum.loss_now)),
            number(&|it| short(it.optimum.loss)),
            number(&|it| short(it.optimum.loss_never)),
            number(&|it| format!("{} to {}", short(it.band.low), short(it.band.high))),
            number(&|it| whole_percent(it.right)),
            number(&|it| hinge(it).to_owned()),
            of_holes(one, ssvc(one.ssvc)),
            of_holes(one, due(one.bod_26_04.as_ref(), day(answer))),
            one.group.to_string(),
        ]);
    }
    let _ = write!(text, "{list}");
    text += &wrapped(DUE, "", width);
    text += &late(&sorted, width);
    if sorted.len() > most {
        let _ = writeln!(text, "... and {} more (--all shows them)", sorted.len() - most);
    }
    text.push('\n');
    for one in sorted.iter().take(if all { usize::MAX } else { 3 }) {
        text += &wrapped(&format!("{}: {}", one.group, one.recommendation), "  ", width);
    }
    text
}

/// What the columns of duties mean.
pub(super) const DUE: &str = "SSVC: the worst outcome of what the release closes; DUE: the day of BOD 26-04";

/// A duty of a release that closes nothing is none, not one that nobody knows.
fn of_holes(one: &GroupDecision, duty: String) -> String {
    if one.wait.is_some() && one.closes.is_empty() { "none".to_owned() } else { duty }
}

pub(super) fn ssvc(outcome: Option<ssvc::Decision>) -> String {
    outcome.map_or_else(|| "unknown".to_owned(), |it| it.name().to_owned())
}

/// The day of BOD 26-04, marked where it has passed; without one, the outcome of its table.
pub(super) fn due(view: Option<&DueView>, on: Date) -> String {
    let Some(view) = view else { return "unknown".to_owned() };
    match (view.date, view.timeline) {
        (Some(day), _) if day < on => format!("{day} passed"),
        (Some(day), _) => day.to_string(),
        (None, Timeline::OnUpgrade) => "on upgrade".to_owned(),
        (None, timeline) => format!("{timeline} from ?"),
    }
}

/// The promises that are broken, each with the number of groups, whatever part of the table is shown.
fn late(list: &[&GroupDecision], width: Option<u16>) -> String {
    let mut broken: BTreeMap<String, (Date, BTreeSet<String>)> = BTreeMap::new();
    for one in list {
        for it in one.broken() {
            let (since, groups) = broken.entry(it.to_string()).or_insert_with(|| (it.since, BTreeSet::new()));
            *since = (*since).min(it.since);
            groups.insert(one.group.to_string());
        }
    }
    let line = |(promise, (since, groups)): (&String, &(Date, BTreeSet<String>))| {
        let groups = counted(groups.len(), "group");
        wrapped(&format!("broken since {since} in {groups}: promise {promise}"), "", width)
    };
    broken.iter().map(line).collect()
}

/// The missing facts, each with the number of groups that wait for it.
fn missing(answer: &Answer<'_>, width: Option<u16>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for fact in answer.decisions().filter_map(|it| it.unknown.as_deref()) {
        *counts.entry(fact).or_default() += 1;
    }
    let line = |fact: &str, count: usize| format!("unknown in {}, missing: {fact}", counted(count, "group"));
    let text: String = counts.iter().map(|(fact, count)| wrapped(&line(fact, *count), "  ", width)).collect();
    if text.is_empty() { text } else { text + "\n" }
}

fn head(answer: &Answer<'_>, width: Option<u16>) -> String {
    let unknown = answer.decisions().filter(|it| it.unknown.is_some()).count();
    let rates = if answer.about.rates_stated { "" } else { ", at default rates, which are a judgement" };
    let sentence = format!(
        "{} unknown, {} decided; losses in {}{rates}, over {}",
        counted(unknown, "decision"),
        answer.groups.len() - unknown,
        answer.about.currency,
        counted(answer.about.horizon_days, "day")
    );
    wrapped(&sentence, "", width) + "\n"
}

/// Everything about each: the sentence, the curve, its terms, the tornado, the belief, the value of information.
pub(crate) fn details(answer: &Answer<'_>, width: Option<u16>) -> String {
    let mut text = head(answer, width);
    for one in sorted(answer) {
        text += &wrapped(&format!("{}: {}", one.group, release(one)), "", width);
        text += &wrapped(&one.recommendation, "  ", width);
        if let Some(decision) = &one.wait {
            text.push('\n');
            text += &chart(decision, width);
            text += &terms(decision, width);
            text += &belief(one, decision, width);
            text += &tornado(decision, width);
            text += &information(decision, width);
        }
        text += &beside(one, width);
        text.push('\n');
    }
    text
}

/// Losses from the bottom of a chart to its top.
struct Scale {
    low: f64,
    high: f64,
    /// Equal steps are equal factors: what lies far apart is told apart, and no band presses the curve flat.
    log: bool,
}

impl Scale {
    fn of(curve: &[CurvePoint]) -> Option<Self> {
        let ends = curve.iter().flat_map(|it| [it.loss, it.band.low, it.band.high]);
        let high = ends.clone().fold(0.0, f64::max);
        let low = ends.filter(|it| *it > 0.0).fold(high, f64::min);
        let log = high > 10.0 * low;
        (high > 0.0).then_some(Self { low: if log { low } else { 0.0 }, high, log })
    }

    /// Share of the height at which a loss stands.
    fn share(&self, loss: f64) -> f64 {
        if self.log {
            (loss.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            loss / self.high
        }
    }

    /// The loss at a share of the height.
    fn at(&self, share: f64) -> f64 {
        if self.log { self.low * (self.high / self.low).powf(share) } else { self.high * share }
    }
}

/// The loss of waiting: `*` the curve, `.` its band, `^` the best time.
fn chart(decision: &Decision, width: Option<u16>) -> String {
    let (columns, rows) = CHART;
    let Some((scale, last)) = Scale::of(&decision.curve).zip(decision.curve.last()) else {
        return String::new();
    };
    let mut grid = vec![vec![' '; columns]; rows];
    let row_of =
        |loss: f64| rows - 1 - ((scale.share(loss) * (rows - 1) as f64).round() as usize).min(rows - 1);
    let column_of = |days: f64| ((days / last.days * (columns - 1) as f64).round() as usize).min(columns - 1);
    let mut set = |row: usize, column: usize, mark: char| {
        if let Some(cell) = grid.get_mut(row).and_then(|line| line.get_mut(column)) {
            *cell = mark;
        }
    };
    for column in 0..columns {
        let days = column as f64 / (columns - 1) as f64 * last.days;
        let near = |it: &&CurvePoint| (it.days - days).abs();
        let Some(point) = decision.curve.iter().min_by(|a, b| near(a).total_cmp(&near(b))) else { continue };
        for row in row_of(point.band.high)..=row_of(point.band.low) {
            set(row, column, '.');
        }
        set(row_of(point.loss), column, '*');
    }
    let mut text = String::new();
    for (at, line) in grid.iter().enumerate() {
        let share = (rows - 1 - at) as f64 / (rows - 1) as f64;
        let label = if at % 4 == 0 || at == rows - 1 { short(scale.at(share)) } else { String::new() };
        let row = format!("  {label:>8} {}", line.iter().collect::<String>());
        let _ = writeln!(text, "{}", row.trim_end());
    }
    if let Some(days) = decision.optimum.days {
        let _ = writeln!(text, "  {:>8} {:>width$}", "", '^', width = column_of(days) + 1);
    }
    let _ = writeln!(text, "  {:>8} now{:>width$.0} days", "", last.days, width = columns - 8);
    let steps = if scale.log { "; equal heights are equal factors" } else { "" };
    let legend = format!(
        "* loss of waiting so long and patching then, . 5 % to 95 % of the draws, ^ the best time{steps}"
    );
    text += &wrapped(&legend, "  ", width);
    text.push('\n');
    text
}

fn terms(decision: &Decision, width: Option<u16>) -> String {
    let mut list = List::keyed(&["  TERM", "NOW", "OPTIMUM", "NEVER"], &[0], width);
    let columns = [decision.now.named(), decision.best.named(), decision.never.named()];
    for ((now, best), never) in columns[0].iter().zip(&columns[1]).zip(&columns[2]) {
        list.row([format!("  {}", now.0), short(now.1), short(best.1), short(never.1)]);
    }
    list.row([
        "  sum".to_owned(),
        short(decision.now.total()),
        short(decision.best.total()),
        short(decision.never.total()),
    ]);
    let before = format!(
        "beside it, whatever is decided: a host was compromised before now with {} (loss {})",
        percent(decision.compromised_before),
        short(decision.loss_before)
    );
    let draws = format!(
        "over the draws of the parameters: the recommendation is best in {} of them, and loses {} more than the best \
         choice of each on average (regret)",
        whole_percent(decision.right),
        short(decision.regret)
    );
    format!("{list}{}{}\n", wrapped(&before, "  ", width), wrapped(&draws, "  ", width))
}

fn belief(one: &GroupDecision, decision: &Decision, width: Option<u16>) -> String {
    let it = &decision.belief;
    let mut text = wrapped(
        &format!(
            "bad release: {} on its first day, {} as it was not withdrawn, {} after others ran this hardware, {} after own \
             trials and canaries; then {} of the hosts",
            percent(it.at_release),
            percent(it.by_age),
            percent(it.by_others),
            percent(it.now),
            percent(it.hit.mean())
        ),
        "  ",
        width,
    );
    if let Some(prior) = &one.prior {
        let says = match (prior.line_alone, prior.history.unusable) {
            (Some((low, high)), _) => format!(
                "its line alone: {} to {} (95 %, from only the withdrawn to every early replacement; {} of {} gaps are early)",
                percent(low),
                percent(high),
                prior.history.early,
                prior.history.gaps
            ),
            (None, why) => format!("its line says nothing: {}", why.unwrap_or("no history")),
        };
        text += &wrapped(&says, "  ", width);
    }
    let tally = &one.tally;
    let counts = |it: &underpin_risk::wait::evidence::Count| format!("{} hit of {}", it.failures, it.hosts);
    let evidence = format!(
        "evidence: own on this hardware {}, others on this hardware {}; not counted: own on other hardware {}, others at all {}",
        counts(&tally.own),
        counts(&tally.others_same_hardware),
        counts(&tally.own_other_hardware),
        counts(&tally.others_at_all)
    );
    text + &wrapped(&evidence, "  ", width) + "\n"
}

fn tornado(decision: &Decision, width: Option<u16>) -> String {
    let header =
        ["  PARAMETER", "VALUE", "LOW", "HIGH", "NOW - LATER AT LOW", "AT HIGH", "TURNS AT", "SOURCE"];
    let mut list = List::keyed(&header, &[0], width);
    for it in decision.sensitivity.iter().take(BARS) {
        list.row([
            format!("  {}", it.span.parameter.fact().name),
            short(it.span.value),
            short(it.span.low),
            short(it.span.high),
            short(it.low.now_over_later),
            short(it.high.now_over_later),
            it.flip.map_or("never".to_owned(), |flip| {
                format!("{}{}", short(flip.at), if flip.plausible { "" } else { " (beyond its range)" })
            }),
            it.span.source.clone(),
        ]);
    }
    format!("{list}\n")
}

fn information(decision: &Decision, width: Option<u16>) -> String {
    let mut list = List::keyed(&["  ONE MORE", "IS WORTH", "COSTS", "DAYS", ""], &[0], width);
    for it in &decision.information {
        let name = serde_json::to_value(it.observation).ok();
        let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or("?").replace('-', " ");
        let pays = if it.pays() { "pays" } else { "does not pay" };
        list.row([format!("  {name}"), short(it.value), short(it.cost), short(it.days), pays.to_owned()]);
    }
    format!("{list}\n")
}

fn beside(one: &GroupDecision, width: Option<u16>) -> String {
    let ssvc = of_holes(one, ssvc(one.ssvc));
    let due = one.bod_26_04.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let due = of_holes(one, due);
    let mut text = wrapped(
        &format!(
            "{} release; SSVC: {ssvc}; BOD 26-04: {due}; released: {} ({})",
            one.role.label(),
            one.released.map_or_else(|| "unknown".to_owned(), |it| it.to_string()),
            one.released_basis
        ),
        "  ",
        width,
    );
    for promise in &one.promises {
        let broken = promise.days_left < 0;
        let state = if broken { "broken since" } else { "until" };
        let lost = if broken && promise.penalty > 0.0 { ", lost whatever is decided" } else { "" };
        text += &wrapped(
            &format!(
                "promise {}: {state} {} (hosts {}, penalty {}{lost}){}",
                promise.id,
                promise.deadline,
                promise.hosts,
                short(promise.penalty),
                promise.accepted.as_ref().map_or_else(String::new, |it| {
                    format!(", when the risk that {} accepted expires", it.owner)
                })
            ),
            "  ",
            width,
        );
    }
    for assumed in &one.assumed {
        text += &wrapped(&format!("assumed: {assumed}"), "  ", width);
    }
    text
}

const HEADER: [&str; 29] = [
    "platform",
    "train",
    "platform_release",
    "hardware",
    "ring",
    "component",
    "release",
    "role",
    "released",
    "hosts",
    "vms",
    "closes",
    "known_exploited",
    "recommendation",
    "optimum_days",
    "loss_now",
    "loss_at_optimum",
    "loss_never",
    "band_low",
    "band_high",
    "right",
    "hinge",
    "earlier_ring",
    "earlier_ring_from_days",
    "ssvc",
    "bod_26_04",
    "bod_26_04_due",
    "contract",
    "why",
];

/// One row a group and release.
pub(crate) fn csv(answer: &Answer<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(HEADER).map_err(cause)?;
    for one in answer.decisions() {
        writer.write_record(record(one).map(|cell| harmless(&cell))).map_err(cause)?;
    }
    writer.flush()
}

fn record(one: &GroupDecision) -> [String; HEADER.len()] {
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    let number = |of: &dyn Fn(&Decision) -> String| one.wait.as_ref().map_or_else(String::new, of);
    let bod = one.bod_26_04.as_ref();
    let broken: Vec<String> =
        one.broken().iter().map(|it| format!("{it} broken since {}", it.since)).collect();
    let days = |it: &Decision| it.optimum.days.map_or("never".to_owned(), |days| days.to_string());
    [
        text(&one.group.platform),
        text(&one.group.train),
        text(&one.group.release),
        one.group.hardware.to_string(),
        text(&one.group.ring),
        one.component.clone(),
        text(&one.release),
        one.role.label().to_owned(),
        one.released.map(|it| it.to_string()).unwrap_or_default(),
        one.hosts.len().to_string(),
        one.vms.to_string(),
        one.closes.len().to_string(),
        one.exploited.to_string(),
        verdict(one),
        number(&days),
        number(&|it| it.optimum.loss_now.to_string()),
        number(&|it| it.optimum.loss.to_string()),
        number(&|it| it.optimum.loss_never.to_string()),
        number(&|it| it.band.low.to_string()),
        number(&|it| it.band.high.to_string()),
        number(&|it| it.right.to_string()),
        number(&|it| hinge(it).to_owned()),
        one.earlier_ring.as_ref().map(|it| it.ring.clone()).unwrap_or_default(),
        one.earlier_ring.as_ref().map(|it| it.from_days.to_string()).unwrap_or_default(),
        one.ssvc.map(|it| it.name().to_owned()).unwrap_or_default(),
        bod.map(|it| it.timeline.to_string()).unwrap_or_default(),
        bod.and_then(|it| it.date).map(|it| it.to_string()).unwrap_or_default(),
        broken.join("; "),
        one.recommendation.clone(),
    ]
}
