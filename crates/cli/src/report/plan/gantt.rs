//! A Gantt chart in the terminal.

use std::fmt::Write as _;

use underpin_model::plan::Plan;

use super::axis::Axis;
use super::head;
use super::rows::{Phase, Row, rows};
use super::zones::short;
use crate::output::wrapped;

/// Elements that are shown unless all are asked for.
const FIRST: usize = 60;
/// Columns between the times of the axis.
const BETWEEN_TICKS: usize = 13;
/// Columns of a stretch of time at least: its date or its time, and a space.
const LEAST: f64 = 6.0;

/// What a chart is drawn with.
pub(crate) struct Glyphs {
    moves: char,
    changes: char,
    soaks: char,
    cut: char,
    shortened: char,
}

/// For terminals.
pub(crate) const UNICODE: Glyphs =
    Glyphs { moves: '▒', changes: '█', soaks: '·', cut: '┊', shortened: '…' };
/// For everything else.
pub(crate) const PLAIN: Glyphs = Glyphs { moves: '+', changes: '#', soaks: '.', cut: '|', shortened: '~' };

impl Glyphs {
    fn of(&self, phase: Phase) -> char {
        match phase {
            Phase::Soaks => self.soaks,
            Phase::Moves => self.moves,
            Phase::Changes => self.changes,
        }
    }
}

/// The chart, no wider than this many columns (60 at least).
pub(crate) fn chart(plan: &Plan, width: u16, glyphs: &Glyphs, all: bool) -> String {
    let width = usize::from(width.max(60));
    let mut text = head::asked(plan, u16::try_from(width).ok());
    text += &wrapped(
        &format!("{}; {}", head::counts(plan, None), head::eta(plan, None)),
        "",
        u16::try_from(width).ok(),
    );
    let (groups, more) = rows(plan, if all { usize::MAX } else { FIRST });
    if groups.is_empty() {
        return text;
    }
    let wave_digits = plan.waves.len().max(1).ilog10() as usize + 1;
    let longest = groups.iter().flat_map(|it| &it.rows).map(|it| it.name.chars().count()).max().unwrap_or(0);
    let names = longest.clamp(6, (width / 4).max(12));
    let left = wave_digits + 1 + names + 1;
    let columns = width.saturating_sub(left).max(20);
    let axis = Axis::new(plan, columns as f64, LEAST, 1.0);
    let _ = writeln!(
        text,
        "{} guests move  {} patch, reboot, verify  {} soaks  {} idle time cut out; UTC\n",
        glyphs.moves, glyphs.changes, glyphs.soaks, glyphs.cut
    );
    for line in times(plan, &axis, columns) {
        let _ = writeln!(text, "{}{}", " ".repeat(left), line.trim_end());
    }
    let empty = cuts(&axis, columns, glyphs);
    for group in &groups {
        let _ = writeln!(text, "{}", cell(&group.name, width, glyphs).trim_end());
        for row in &group.rows {
            let name = cell(&row.name, names, glyphs);
            let line = line(row, &axis, &empty, glyphs);
            let _ = writeln!(text, "{:>wave_digits$} {name} {}", row.wave, line.trim_end());
        }
    }
    if more > 0 {
        let _ = writeln!(text, "{more} more (--all shows them)");
    }
    text
}

/// A name in so many columns.
fn cell(name: &str, columns: usize, glyphs: &Glyphs) -> String {
    let count = name.chars().count();
    if count > columns {
        let first: String = name.chars().take(columns.saturating_sub(1)).collect();
        return format!("{first}{}", glyphs.shortened);
    }
    format!("{name}{}", " ".repeat(columns - count))
}

/// Dates and times above the chart: where a stretch begins, and on its way where it is long.
fn times(plan: &Plan, axis: &Axis, columns: usize) -> [String; 2] {
    let (mut dates, mut times) = (vec![' '; columns], vec![' '; columns]);
    let mut last_date = String::new();
    let mut free = 0;
    for stretch in axis.stretches() {
        let (start, end) = (stretch.left.round() as usize, (stretch.left + stretch.width).round() as usize);
        for column in (start..end).step_by(BETWEEN_TICKS) {
            // Five letters and a space.
            if column < free || column + 5 > columns || (column > start && column + 6 > end) {
                continue;
            }
            let at = short(plan.instant(stretch.moment(column as f64)));
            let (date, time) = at.split_once(' ').unwrap_or((&at, ""));
            if date != last_date {
                write_at(&mut dates, column, date);
                date.clone_into(&mut last_date);
            }
            write_at(&mut times, column, time);
            free = column + 6;
        }
    }
    [dates.into_iter().collect(), times.into_iter().collect()]
}

fn write_at(line: &mut [char], column: usize, text: &str) {
    for (cell, letter) in line.iter_mut().skip(column).zip(text.chars()) {
        *cell = letter;
    }
}

/// A line of nothing but marks where idle time is cut out.
fn cuts(axis: &Axis, columns: usize, glyphs: &Glyphs) -> Vec<char> {
    let mut line = vec![' '; columns];
    for pair in axis.stretches().windows(2) {
        if let [before, _] = pair
            && let Some(cell) = line.get_mut((before.left + before.width).floor() as usize)
        {
            *cell = glyphs.cut;
        }
    }
    line
}

/// Bars are sorted by what they show: a short change is not painted over.
fn line(row: &Row, axis: &Axis, empty: &[char], glyphs: &Glyphs) -> String {
    let mut line = empty.to_vec();
    for &(phase, from, to) in &row.bars {
        let (first, last) = (axis.place(from), axis.place(to));
        let first = (first.floor() as usize).min(line.len().saturating_sub(1));
        let count = (last.ceil() as usize).saturating_sub(first).max(1);
        line.iter_mut().skip(first).take(count).for_each(|cell| *cell = glyphs.of(phase));
    }
    line.into_iter().collect()
}
