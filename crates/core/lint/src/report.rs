//! What the lint found, and how much it compared.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use serde::Serialize;
use underpin_model::plan::{Plan, Rule, Severity};
use underpin_model::policy::{Policy, Scope};

use crate::world::{Locus, World};

/// One place where a rule is broken, was broken before, or cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How bad.
    pub severity: Severity,
    /// When, in seconds from the plan's start; `None`: at no moment in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_s: Option<u32>,
    /// The step, by its position in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Where: an element, a wave, a field of the plan.
    pub place: String,
    /// What is there.
    pub found: String,
    /// What was expected there.
    pub expected: String,
}

/// What was done about one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The rule.
    pub rule: Rule,
    /// How often something was compared with it; 0: it was never tested, so that no finding says nothing.
    pub compared: u64,
    /// Findings of severity [`Severity::Error`], listed or not.
    pub errors: u64,
    /// Findings of severity [`Severity::Before`], listed or not.
    pub before: u64,
    /// Findings of severity [`Severity::Unknown`], listed or not.
    pub unknown: u64,
    /// Findings of severity [`Severity::Worse`], listed or not.
    pub worse: u64,
}

impl Checked {
    fn of(&mut self, severity: Severity) -> &mut u64 {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Before => &mut self.before,
            Severity::Unknown => &mut self.unknown,
            Severity::Worse => &mut self.worse,
        }
    }
}

/// An exception of the policy that the plan uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ExceptionUse {
    /// Its name.
    pub id: String,
    /// The rule.
    pub rule: Rule,
    /// Who answers for it.
    pub owner: String,
    /// Findings that it excuses.
    pub uses: u64,
    /// The first of them.
    pub first: Finding,
}

/// Everything that the lint has to say about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LintReport {
    /// Findings by rule, severity, time and place; at most [`crate::Options::most_findings`] of each rule and severity.
    pub findings: Vec<Finding>,
    /// Exceptions that the plan uses, by name.
    pub exceptions: Vec<ExceptionUse>,
    /// Every rule of [`Rule::ALL`], in that order.
    pub checked: Vec<Checked>,
    /// End of the last step, in seconds from the plan's start.
    pub ends_at_s: u32,
    /// Moments and steps that were replayed.
    pub events: u64,
}

impl LintReport {
    /// Nothing of severity [`Severity::Error`] was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.checked.iter().all(|it| it.errors == 0)
    }

    /// How many findings of a severity there are, listed or not.
    #[must_use]
    pub fn count(&self, severity: Severity) -> u64 {
        self.checked.iter().map(|it| *it.clone().of(severity)).sum()
    }

    /// What was done about a rule.
    #[must_use]
    pub fn of(&self, rule: Rule) -> Option<&Checked> {
        self.checked.iter().find(|it| it.rule == rule)
    }
}

/// What the exceptions of a policy excuse.
pub(crate) struct Leave<'a> {
    plan: &'a Plan,
    policy: &'a Policy,
    world: &'a World<'a>,
}

impl<'a> Leave<'a> {
    pub(crate) fn new(plan: &'a Plan, policy: &'a Policy, world: &'a World<'a>) -> Self {
        Self { plan, policy, world }
    }

    /// The first exception, in the order of the policy, that excuses a rule's breach at a place and moment.
    fn excuse(&self, rule: Rule, at: Option<u32>, locus: &Locus) -> Option<usize> {
        let all = &self.policy.planning.exception;
        if all.is_empty() {
            return None;
        }
        let at: Timestamp = self.plan.instant(at.unwrap_or(0));
        let counts = |scope: &Scope| self.world.within(scope, locus);
        let found = self.policy.planning.exceptions(rule, at).find(|it| counts(&it.scope))?;
        all.iter().position(|it| std::ptr::eq(it, found))
    }
}

/// Collects findings of one part of the work; parts are joined in a fixed order.
pub(crate) struct Log<'a> {
    leave: &'a Leave<'a>,
    most: usize,
    findings: Vec<Finding>,
    kept: FxHashMap<(Rule, Severity), usize>,
    uses: FxHashMap<usize, ExceptionUse>,
    checked: Vec<Checked>,
}

/// A place and moment that a finding is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct At {
    pub(crate) at_s: Option<u32>,
    pub(crate) step: Option<u32>,
}

impl At {
    pub(crate) const NONE: Self = Self { at_s: None, step: None };

    pub(crate) fn moment(at_s: u32) -> Self {
        Self { at_s: Some(at_s), step: None }
    }

    pub(crate) fn step(step: u32, at_s: u32) -> Self {
        Self { at_s: Some(at_s), step: Some(step) }
    }
}

/// What a finding says: place, what is there, what was expected.
pub(crate) type Said = (String, String, String);

impl<'a> Log<'a> {
    pub(crate) fn new(leave: &'a Leave<'a>, most: usize) -> Self {
        let checked = Rule::ALL
            .iter()
            .map(|rule| Checked { rule: *rule, compared: 0, errors: 0, before: 0, unknown: 0, worse: 0 })
            .collect();
        Self {
            leave,
            most,
            findings: Vec::new(),
            kept: FxHashMap::default(),
            uses: FxHashMap::default(),
            checked,
        }
    }

    fn row(&mut self, rule: Rule) -> Option<&mut Checked> {
        // The rows stand in the order of the rules, which is that of the variants.
        self.checked.get_mut(rule as usize)
    }

    /// Something was compared with a rule.
    pub(crate) fn compared(&mut self, rule: Rule) {
        self.compared_many(rule, 1);
    }

    pub(crate) fn compared_many(&mut self, rule: Rule, times: u64) {
        if let Some(row) = self.row(rule) {
            row.compared += times;
        }
    }

    /// An error, unless an exception of the policy excuses it at that place.
    pub(crate) fn error(&mut self, rule: Rule, at: At, locus: &Locus, say: impl FnOnce() -> Said) {
        if let Some(which) = self.excused(rule, at, locus) {
            if let Some(used) = self.uses.get_mut(&which) {
                used.uses += 1;
            } else if let Some(exception) = self.leave.policy.planning.exception.get(which) {
                let first = finding(rule, Severity::Error, at, say());
                let (id, owner) = (exception.id.clone(), exception.owner.clone());
                self.uses.insert(which, ExceptionUse { id, rule, owner, uses: 1, first });
            }
            return;
        }
        self.add(rule, Severity::Error, at, say);
    }

    /// The exception of the policy that excuses a finding.
    pub(crate) fn excused(&self, rule: Rule, at: At, locus: &Locus) -> Option<usize> {
        self.leave.excuse(rule, at.at_s, locus)
    }

    /// A finding that no exception speaks of. Its text is made only while there is room for it.
    pub(crate) fn add(&mut self, rule: Rule, severity: Severity, at: At, say: impl FnOnce() -> Said) {
        if let Some(row) = self.row(rule) {
            *row.of(severity) += 1;
        }
        let kept = self.kept.entry((rule, severity)).or_default();
        if *kept < self.most {
            *kept += 1;
            self.findings.push(finding(rule, severity, at, say()));
        }
    }

    /// Adds what would be an error in the normal profile and is none in an emergency.
    pub(crate) fn excused_by_emergency(&mut self, normal: &Log<'_>) {
        let what = |it: &Finding| (it.rule, it.at_s, it.step, it.place.clone());
        let is_error = |it: &&Finding| it.severity == Severity::Error;
        let stay: BTreeSet<_> = self.findings.iter().filter(is_error).map(what).collect();
        for (row, of_normal) in self.checked.iter_mut().zip(&normal.checked) {
            row.worse += of_normal.errors.saturating_sub(row.errors);
        }
        for it in normal.findings.iter().filter(is_error).filter(|it| !stay.contains(&what(it))) {
            let expected = format!("{}; only an emergency is excused", it.expected);
            self.keep(Finding { severity: Severity::Worse, expected, ..it.clone() });
        }
    }

    /// Lists a finding while there is room for it.
    fn keep(&mut self, it: Finding) {
        let kept = self.kept.entry((it.rule, it.severity)).or_default();
        if *kept < self.most {
            *kept += 1;
            self.findings.push(it);
        }
    }

    /// Adds what another part found.
    pub(crate) fn join(&mut self, other: Self) {
        self.findings.extend(other.findings);
        for (mine, theirs) in self.checked.iter_mut().zip(other.checked) {
            mine.compared += theirs.compared;
            mine.errors += theirs.errors;
            mine.before += theirs.before;
            mine.unknown += theirs.unknown;
            mine.worse += theirs.worse;
        }
        for (which, theirs) in other.uses {
            match self.uses.get_mut(&which) {
                Some(mine) => {
                    mine.uses += theirs.uses;
                    mine.first = mine.first.clone().min(theirs.first);
                }
                None => {
                    self.uses.insert(which, theirs);
                }
            }
        }
    }

    pub(crate) fn finish(mut self, ends_at_s: u32, events: u64) -> LintReport {
        self.findings.sort_unstable();
        self.findings.dedup();
        let mut kept: FxHashMap<(Rule, Severity), usize> = FxHashMap::default();
        let most = self.most;
        self.findings.retain(|it| {
            let kept = kept.entry((it.rule, it.severity)).or_default();
            *kept += 1;
            *kept <= most
        });
        let mut exceptions: Vec<ExceptionUse> = self.uses.into_values().collect();
        exceptions.sort_unstable();
        LintReport { findings: self.findings, exceptions, checked: self.checked, ends_at_s, events }
    }
}

fn finding(rule: Rule, severity: Severity, at: At, (place, found, expected): Said) -> Finding {
    Finding { rule, severity, at_s: at.at_s, step: at.step, place, found, expected }
}
