//! A plan as tables: waves, what is blocked, what would unblock it, room, alternatives.

use std::fmt::Write as _;

use underpin_model::change::Layer;
use underpin_model::plan::{
    DurationFrom, ElementOutcome, GivenUp, Outcome, PlanReport, Reason, Severity, Wave,
};
use underpin_risk::wait::sentence::short as number;

use super::words::{self, memory};
use super::zones::{short, span};
use super::{Shown, head};
use crate::output::{List, counted, wrapped};

/// Rows of each table that are shown unless all are asked for.
const FIRST: usize = 40;
/// From this width on a table has the columns that a narrow one leaves out.
const WIDE: u16 = 120;

impl Shown<'_> {
    /// Everything a person needs first.
    pub(crate) fn table(&self) -> String {
        let mut text = head::lines(self.plan, self.report, self.width);
        text += &self.durations();
        text += &self.given_up();
        text += &self.waves();
        text += &self.static_waves();
        text += &self.blocked();
        text += &self.unblock();
        text += &self.room();
        text += &self.alternatives();
        text += &self.notes();
        text
    }

    /// One sentence, for who has the files.
    pub(crate) fn in_short(&self) -> String {
        format!("{}; {}", head::counts(self.plan, self.report), head::eta(self.plan, self.report))
    }

    pub(super) fn most(&self) -> usize {
        if self.all { usize::MAX } else { FIRST }
    }

    pub(super) fn more(&self, all: usize) -> String {
        let more = all.saturating_sub(self.most());
        if more == 0 { String::new() } else { format!("{more} more (--all shows them)\n") }
    }

    fn narrow(&self) -> bool {
        self.width.is_some_and(|it| it < WIDE)
    }

    fn waves(&self) -> String {
        if self.plan.waves.is_empty() {
            return String::new();
        }
        let mut header = vec!["WAVE", "START", "CLUSTER", "HOSTS", "MOVES", "ENDS"];
        if !self.narrow() {
            if !self.zones.is_empty() {
                header.insert(2, "LOCAL");
            }
            header.extend(["TAKES", "SOAKS UNTIL", "RING"]);
        }
        header.push("WHICH, AND WHY THEN");
        let mut list = List::new(&header, self.width);
        for (wave, begins_s) in self.plan.waves.iter().zip(self.plan.waves_begin()).take(self.most()) {
            list.cells(self.wave(wave, begins_s));
        }
        let clocks = match (self.zones.is_empty(), self.narrow()) {
            (true, _) => "Times are UTC; ends are those of 19 of 20 cases.",
            (false, true) => "Times are those of the cluster's site; ends are those of 19 of 20 cases.",
            (false, false) => "START, ENDS and SOAKS UNTIL are UTC; ends are those of 19 of 20 cases.",
        };
        format!("\n{}{list}{}", wrapped(clocks, "", self.width), self.more(self.plan.waves.len()))
    }

    /// A wave starts when it touches something: what is staged before disturbs nobody, and may come before the window.
    fn wave(&self, wave: &Wave, begins_s: u32) -> Vec<String> {
        let report = self.report.and_then(|it| it.waves.iter().find(|it| it.wave == wave.number));
        let instant = |seconds: u32| self.plan.instant(seconds);
        let local = |seconds: u32| self.zones.local(wave.cluster.as_ref(), instant(seconds));
        let cluster = wave.cluster.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let moves = report.map_or_else(|| "-".to_owned(), |it| it.moves.to_string());
        let ring = match (&wave.ring, wave.canary) {
            (Some(ring), true) => format!("{ring}, canary"),
            (Some(ring), false) => ring.clone(),
            (None, true) => "canary".to_owned(),
            (None, false) => String::new(),
        };
        let mut why = words::elements(&wave.elements);
        // A plane, witness or storage has a wave of its own, and its windows are not those of the hosts.
        let own = wave.elements.first().filter(|_| wave.layer != Layer::Host);
        // A narrow table has no columns for these.
        let apart = [
            (self.narrow() && !ring.is_empty()).then(|| format!("ring {ring}")),
            report.map(|it| words::reasons(&it.reasons, self.plan, own)).filter(|it| !it.is_empty()),
        ];
        for part in apart.into_iter().flatten() {
            let _ = write!(why, "; {part}");
        }
        let length = span(wave.end_s.saturating_sub(begins_s));
        let (number, hosts) = (wave.number.to_string(), wave.elements.len().to_string());
        if self.narrow() {
            let start = if self.zones.is_empty() { short(instant(begins_s)) } else { local(begins_s) };
            return vec![number, start, cluster, hosts, moves, format!("in {length}"), why];
        }
        let soaks =
            if wave.soak_until_s > wave.end_s { short(instant(wave.soak_until_s)) } else { "-".to_owned() };
        let mut cells = vec![number, short(instant(begins_s))];
        if !self.zones.is_empty() {
            cells.push(local(begins_s));
        }
        cells.extend([cluster, hosts, moves, short(instant(wave.end_s)), length, soaks, ring, why]);
        cells
    }

    /// What cannot be changed, and what is left on purpose, with why.
    pub(crate) fn blocked(&self) -> String {
        let Some(report) = self.report else { return String::new() };
        let of = |outcome: Outcome| -> Vec<&ElementOutcome> {
            report.elements.iter().filter(|it| it.outcome == outcome).collect()
        };
        let mut text = String::new();
        for (name, all) in [("BLOCKED", of(Outcome::Blocked)), ("DEFERRED", of(Outcome::Deferred))] {
            if all.is_empty() {
                continue;
            }
            let mut list = List::new(&[name, "CHANGE", "WHY"], self.width);
            for it in all.iter().take(self.most()) {
                list.row([it.element.to_string(), words::names(&it.changes), self.why_not(it)]);
            }
            let _ = write!(text, "\n{list}{}", self.more(all.len()));
        }
        text
    }

    /// What keeps an element from being changed; how urgent it is, is no such reason.
    fn why_not(&self, element: &ElementOutcome) -> String {
        let keeps = |it: &&Reason| !matches!(it, Reason::MostUrgent { .. } | Reason::Canary { .. });
        let reasons: Vec<Reason> = element.reasons.iter().filter(keeps).cloned().collect();
        words::reasons(&reasons, self.plan, Some(&element.element))
    }

    fn room(&self) -> String {
        let Some(report) = self.report.filter(|it| !it.capacity_floors.is_empty()) else {
            return String::new();
        };
        let header = ["CLUSTER", "FREE MEMORY AT START", "AT WORST", "WHEN"];
        let mut list = List::new(&header, self.width);
        for it in report.capacity_floors.iter().take(self.most()) {
            list.row([
                it.cluster.to_string(),
                memory(it.at_start_mib),
                memory(it.free_memory_mib),
                short(self.plan.instant(it.at_s)),
            ]);
        }
        format!("\n{list}{}", self.more(report.capacity_floors.len()))
    }

    fn alternatives(&self) -> String {
        let Some(report) = self.report.filter(|it| it.alternatives.len() > 1) else { return String::new() };
        let mut list = List::new(&["HOMING", "ELEMENTS", "MOVES", "THEIR PRICE", "ENDS AFTER"], self.width);
        for it in &report.alternatives {
            list.row([
                head::homing(it.homing).to_owned(),
                it.planned.to_string(),
                it.moves.to_string(),
                number(it.move_price),
                span(it.makespan_s),
            ]);
        }
        format!("\n{list}")
    }

    /// Who says how long steps take, where that is not the policy alone.
    fn durations(&self) -> String {
        let Some(report) = self.report else { return String::new() };
        let mut list = List::new(&["STEP", "HALF", "19 OF 20", "FROM", "ELEMENTS"], self.width);
        let mut rows = 0;
        for source in &report.durations {
            let elements = words::elements(&source.elements);
            for it in source.steps.iter().filter(|it| it.from != DurationFrom::Policy) {
                rows += 1;
                if rows <= self.most() {
                    let step = format!("{}, {}", it.step.name(), words::method(source.method));
                    let (half, most) = (span(it.spread.p50_s), span(it.spread.p95_s));
                    list.row([step, half, most, words::duration_from(&it.from), elements.clone()]);
                }
            }
        }
        if rows == 0 {
            return String::new();
        }
        let what = "how long steps take where history or a change says so; all others as the policy says";
        format!("\n{}{list}{}", wrapped(what, "", self.width), self.more(rows))
    }

    fn given_up(&self) -> String {
        let Some(report) = self.report.filter(|it| !it.given_up.is_empty()) else { return String::new() };
        let mut text = "\n".to_owned();
        for it in &report.given_up {
            text += &wrapped(&given_up(it), "", self.width);
        }
        text
    }

    /// What was wrong before, what is used, what changed against the parent.
    fn notes(&self) -> String {
        let Some(report) = self.report else { return String::new() };
        let mut text = self.standing(report);
        if !report.exceptions_used.is_empty() {
            let line = format!("exceptions used: {}", report.exceptions_used.join(", "));
            text += &format!("\n{}", wrapped(&line, "", self.width));
        }
        if !report.changed.is_empty() {
            text += "\nAgainst the parent:\n";
            for line in report.changed.iter().take(self.most()) {
                text += &wrapped(line, "  ", self.width);
            }
            text += &self.more(report.changed.len());
        }
        text
    }

    fn standing(&self, report: &PlanReport) -> String {
        if report.standing.is_empty() {
            return String::new();
        }
        let mut list = List::new(&["BEFORE THE PLAN", "RULE", "WHERE", "WHAT"], self.width);
        for it in report.standing.iter().take(self.most()) {
            let severity = match it.severity {
                Severity::Error => "error",
                Severity::Before => "not kept",
                Severity::Unknown => "unknown",
                Severity::Worse => "preference",
            };
            list.row([severity.to_owned(), it.rule.name().to_owned(), it.place.clone(), it.text.clone()]);
        }
        format!("\n{list}{}", self.more(report.standing.len()))
    }
}

/// What an emergency gives up, with the numbers that the report has.
fn given_up(it: &GivenUp) -> String {
    let mut text = format!("gives up {}: {}", it.what.replace('-', " "), it.how);
    for soak in &it.soaks {
        let _ =
            write!(text, "; ring {} soaks {} instead of {}", soak.ring, span(soak.to_s), span(soak.from_s));
    }
    let _ = write!(text, " ({} with {}", counted(it.hosts, "host"), counted(it.guests, "guest"));
    if it.loss_per_day > 0.0 {
        let _ = write!(text, ", whose open holes cost {} a day", number(it.loss_per_day));
    }
    text += ")";
    if it.host_days > 0.0 {
        let _ = write!(
            text,
            "; they have the release {} host-days before it has soaked: a bad one that the soak would have stopped costs {} there, \
             its probability included",
            number(it.host_days),
            number(it.bad_release)
        );
    }
    text
}
