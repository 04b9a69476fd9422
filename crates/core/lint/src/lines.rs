//! Findings as lines for people: what helps most first, and one line for what one mistake makes many of.

use rustc_hash::FxHashMap;
use underpin_model::plan::Rule;

use crate::form::A_STEP_BEFORE;
use crate::report::{Finding, LintReport};

/// One line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'r> {
    /// The finding; of several alike the first.
    pub first: &'r Finding,
    /// How many others are like it.
    pub more: usize,
}

impl LintReport {
    /// The listed findings in the order in which they help: errors first; of one severity what happens to guests and hosts before the
    /// plan's own form and waits, which a step that was moved by hand breaks in many places. What such a step breaks is one line: what it
    /// does not wait for, who does not wait for it, and the steps behind it that start before it.
    #[must_use]
    pub fn lines(&self) -> Vec<Line<'_>> {
        let mut all: Vec<&Finding> = self.findings.iter().collect();
        // Findings stand by rule, time and place; the sort keeps that.
        all.sort_by_key(|it| (it.severity, is_of_paper(it.rule)));
        let mut lines: Vec<Line<'_>> = Vec::with_capacity(all.len());
        let mut seen = FxHashMap::default();
        for it in all {
            let marks = marks(it).map(|mark| mark.map(|mark| (it.severity, it.rule, mark)));
            let known = marks.iter().flatten().find_map(|mark| seen.get(mark).copied());
            let at = known.unwrap_or(lines.len());
            match lines.get_mut(at) {
                Some(line) => line.more += 1,
                None => lines.push(Line { first: it, more: 0 }),
            }
            for mark in marks.into_iter().flatten() {
                seen.entry(mark).or_insert(at);
            }
        }
        lines
    }
}

/// About the plan as it is written, and not about what it does.
fn is_of_paper(rule: Rule) -> bool {
    matches!(rule, Rule::WellFormed | Rule::Order)
}

/// What findings that come of one mistake have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mark<'r> {
    Step(u32),
    Text(&'r str),
}

fn marks(it: &Finding) -> [Option<Mark<'_>>; 2] {
    match (it.rule, it.step) {
        // All that stand behind a step and start before it expect its start.
        (Rule::WellFormed, Some(_)) if it.expected.ends_with(A_STEP_BEFORE) => {
            [Some(Mark::Text(&it.expected)), None]
        }
        // `starts at 5 s, step 3 ends at 7 s`: the step that others wait for.
        (Rule::Order, Some(step)) => {
            [Some(Mark::Step(step)), it.found.split_once(", ").map(|it| Mark::Text(it.1))]
        }
        _ => [None, None],
    }
}
