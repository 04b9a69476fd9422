//! A Gantt chart as a picture.

use maud::{Markup, PreEscaped, html};
use underpin_model::plan::Plan;

use super::axis::Axis;
use super::head;
use super::rows::{Group, Phase, Row, rows};
use super::zones::{short, whole};
use crate::output::harmless;

/// Elements that are shown unless all are asked for.
const FIRST: usize = 400;
const WIDTH: f64 = 960.0;
const LEFT: f64 = 190.0;
const CHART: f64 = WIDTH - LEFT - 14.0;
const TOP: f64 = 78.0;
const ROW: f64 = 17.0;
/// Letters of a name that fit beside the chart.
const LETTERS: usize = 27;
/// Units of a stretch of time at least: its date and its time.
const LEAST: f64 = 44.0;
const GAP: f64 = 8.0;

/// Colours of both themes, those of the pages. Bars differ in height as well, because colour alone tells not everybody.
const STYLE: &str = "svg{font:12px system-ui,sans-serif;background:#fff;color:#1a2029;--soft:#515c6b;--line:#d6dbe2;\
--changes:#0b57b0;--moves:#8a5300;--soaks:#515c6b}\
@media (prefers-color-scheme:dark){svg{background:#1a2029;color:#e4e9f0;--soft:#a5b0be;--line:#323c4a;\
--changes:#86b7f7;--moves:#f2be6b;--soaks:#a5b0be}}\
text{fill:currentColor}.soft{fill:var(--soft)}.group{font-weight:600}.line{stroke:var(--line)}.cut{stroke:var(--soft);stroke-dasharray:2 3}\
.changes{fill:var(--changes)}.moves{fill:var(--moves)}.soaks{fill:var(--soaks);opacity:.45}";

/// A picture as a file of its own.
pub(crate) fn svg(plan: &Plan, all: bool) -> String {
    let (groups, more) = rows(plan, if all { usize::MAX } else { FIRST });
    let axis = Axis::new(plan, CHART, LEAST, GAP);
    let lines: usize = groups.iter().map(|it| it.rows.len() + 1).sum();
    let bottom = TOP + lines as f64 * ROW;
    let height = bottom + if more > 0 { ROW + 10.0 } else { 10.0 };
    let title = harmless(&format!("Plan of {} from {}", plan.made_from.fleet, whole(plan.starts_at)));
    let description = format!("{}; {}.", head::counts(plan, None), head::eta(plan, None));
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(title) viewBox=(format!("0 0 {WIDTH} {height}")) {
            title { (title) }
            desc { (description) }
            style { (PreEscaped(STYLE)) }
            text x="8" y="18" { (title) }
            text.soft x="8" y="36" { (description) }
            (legend())
            (times(plan, &axis, bottom))
            (groups_of(plan, &groups, &axis))
            @if more > 0 { text.soft x="8" y=(bottom + ROW) { (more) " more elements" } }
        }
    };
    picture.into_string() + "\n"
}

fn class(phase: Phase) -> &'static str {
    match phase {
        Phase::Soaks => "soaks",
        Phase::Moves => "moves",
        Phase::Changes => "changes",
    }
}

/// Half of a bar's height.
fn half(phase: Phase) -> f64 {
    match phase {
        Phase::Soaks => 1.5,
        Phase::Moves => 3.5,
        Phase::Changes => 6.0,
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Soaks => "soaks",
        Phase::Moves => "guests move",
        Phase::Changes => "patch, reboot, verify",
    }
}

fn legend() -> Markup {
    let places = [(Phase::Moves, 0.0), (Phase::Changes, 110.0), (Phase::Soaks, 260.0)];
    html! {
        @for (phase, x) in places {
            (bar(phase, 8.0 + x, 18.0, 50.0, ""))
            text.soft x=(32.0 + x) y="54" { (words(phase)) }
        }
        text.soft x=(8.0 + 340.0) y="54" { "times are UTC; dashed: idle time is cut out" }
    }
}

fn bar(phase: Phase, x: f64, width: f64, middle: f64, title: &str) -> Markup {
    let half = half(phase);
    html! {
        rect class=(class(phase)) x=(at(x)) y=(at(middle - half)) width=(at(width)) height=(at(half * 2.0)) {
            @if !title.is_empty() { title { (title) } }
        }
    }
}

/// Lines at the beginning of each stretch with date and time, and where idle time is cut out.
fn times(plan: &Plan, axis: &Axis, bottom: f64) -> Markup {
    let starts = axis.stretches().iter().map(|it| (LEFT + it.left, short(plan.instant(it.from))));
    let cuts = axis.stretches().windows(2).filter_map(|it| it.first());
    html! {
        @for (x, when) in starts {
            @let (date, time) = when.split_once(' ').unwrap_or((&when, ""));
            path.line d=(format!("M{} {TOP}V{}", at(x), at(bottom))) {}
            text.soft x=(at(x)) y=(TOP - 13.0) font-size="10" { (date) }
            text.soft x=(at(x)) y=(TOP - 2.0) font-size="10" { (time) }
        }
        @for it in cuts {
            path.cut d=(format!("M{} {TOP}V{}", at(LEFT + it.left + it.width + GAP / 2.0), at(bottom))) {}
        }
    }
}

fn groups_of(plan: &Plan, groups: &[Group], axis: &Axis) -> Markup {
    let mut y = TOP;
    let mut next = || {
        y += ROW;
        y - ROW / 2.0
    };
    html! {
        @for group in groups {
            text.group x="8" y=(at(next() + 4.0)) { (group.name) }
            @for row in &group.rows { (line(plan, row, axis, next())) }
        }
    }
}

fn line(plan: &Plan, row: &Row, axis: &Axis, middle: f64) -> Markup {
    let name: String = if row.name.chars().count() > LETTERS {
        row.name.chars().take(LETTERS - 1).chain(['…']).collect()
    } else {
        row.name.clone()
    };
    html! {
        text x="18" y=(at(middle + 4.0)) { (name) }
        @for &(phase, from, to) in &row.bars {
            @let (left, right) = (axis.place(from), axis.place(to));
            @let title = format!(
                "{}, wave {}: {} from {} to {}",
                row.name, row.wave, words(phase), short(plan.instant(from)), short(plan.instant(to))
            );
            (bar(phase, LEFT + left, (right - left).max(1.0), middle, &title))
        }
    }
}

/// A coordinate with one decimal at most.
fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
