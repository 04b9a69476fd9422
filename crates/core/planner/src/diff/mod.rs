//! What one plan does otherwise than another.

mod otherwise;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use underpin_model::id::{ElementId, HostId, VmId};
use underpin_model::plan::{Plan, StepKind};

pub use otherwise::Otherwise;

/// An element that both plans change, at another time or in another wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The element.
    pub element: ElementId,
    /// Wave before and now.
    pub wave: (u32, u32),
    /// First touched before and now, as instants.
    pub start: (jiff::Timestamp, jiff::Timestamp),
}

/// A guest that goes elsewhere when an element is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirected {
    /// The guest.
    pub vm: VmId,
    /// The element for whose change it moves.
    pub element: ElementId,
    /// Where it goes before and now.
    pub to: (HostId, HostId),
}

/// The differences of two plans.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDiff {
    /// Elements that only the new plan changes.
    pub added: Vec<ElementId>,
    /// Elements that only the old plan changes.
    pub removed: Vec<ElementId>,
    /// Elements that both change, at another time.
    pub moved: Vec<Moved>,
    /// Those of `removed` that have what was to come: they soak with it, or facts say so.
    #[serde(default)]
    pub done: Vec<ElementId>,
    /// Those of `removed` for which no change waits any more, as far as the plans say: they have it, or are not meant any more.
    #[serde(default)]
    pub needless: Vec<ElementId>,
    /// Guests that go elsewhere.
    pub redirected: Vec<Redirected>,
    /// Elements that both change at the same time.
    pub same: usize,
    /// What else is done otherwise: methods, consents, rates, spans, waits, steps that only one has, and the plan as a whole.
    #[serde(default)]
    pub otherwise: Vec<Otherwise>,
}

struct Summary<'a> {
    elements: BTreeMap<&'a ElementId, (u32, jiff::Timestamp)>,
    targets: BTreeMap<(&'a ElementId, &'a VmId), &'a HostId>,
}

fn summary(plan: &Plan) -> Summary<'_> {
    let mut summary = Summary { elements: BTreeMap::new(), targets: BTreeMap::new() };
    for step in plan.steps.iter().filter(|it| it.kind.touches()) {
        let Some(element) = &step.subject else { continue };
        let start = plan.instant(step.start_s);
        let entry = summary.elements.entry(element).or_insert((step.wave, start));
        entry.1 = entry.1.min(start);
        match &step.kind {
            StepKind::Migrate { vm, to, .. } => {
                summary.targets.entry((element, vm)).or_insert(to);
            }
            StepKind::Evacuate { expected, .. } => {
                for (vm, to) in expected {
                    summary.targets.entry((element, vm)).or_insert(to);
                }
            }
            _ => {}
        }
    }
    summary
}

/// Compares two plans by all that they do; numbers of steps, and what they were made from, do not matter.
#[must_use]
pub fn diff(old: &Plan, new: &Plan) -> PlanDiff {
    let (before, now) = (summary(old), summary(new));
    let mut diff = PlanDiff::default();
    for (element, &(wave, start)) in &now.elements {
        match before.elements.get(element) {
            None => diff.added.push((*element).clone()),
            Some(&(other, then)) if then != start => diff.moved.push(Moved {
                element: (*element).clone(),
                wave: (other, wave),
                start: (then, start),
            }),
            Some(_) => diff.same += 1,
        }
    }
    diff.removed =
        before.elements.keys().filter(|it| !now.elements.contains_key(*it)).map(|it| (*it).clone()).collect();
    // Whoever has a change to come is in a wave or left out.
    let waits: BTreeSet<&ElementId> = new.left_out.iter().map(|it| &it.element).collect();
    let soaks: BTreeSet<&ElementId> = new.soaking.iter().map(|it| &it.element).collect();
    let free = diff.removed.iter().filter(|it| !waits.contains(it)).cloned();
    (diff.done, diff.needless) = free.partition(|it| soaks.contains(it));
    for ((element, vm), to) in &now.targets {
        if let Some(other) = before.targets.get(&(*element, *vm))
            && other != to
        {
            diff.redirected.push(Redirected {
                vm: (*vm).clone(),
                element: (*element).clone(),
                to: ((*other).clone(), (*to).clone()),
            });
        }
    }
    let moved: BTreeSet<&ElementId> = diff.moved.iter().map(|it| &it.element).collect();
    // What one of them never touches comes in or goes as a whole; what neither touches is in both.
    let both = |it: &ElementId| before.elements.contains_key(it) == now.elements.contains_key(it);
    let told = moved.iter().copied().chain(&diff.added).chain(&diff.removed).collect();
    diff.otherwise = otherwise::otherwise(old, new, &both, &moved, &told);
    diff
}

impl PlanDiff {
    /// Facts say of some elements that no change waits for them.
    pub fn settle(&mut self, is_done: impl Fn(&ElementId) -> bool) {
        let (done, needless) = std::mem::take(&mut self.needless).into_iter().partition(is_done);
        self.needless = needless;
        self.done.extend::<Vec<ElementId>>(done);
        self.done.sort();
    }

    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.moved.is_empty()
            && self.redirected.is_empty()
            && self.otherwise.is_empty()
    }

    /// One line for each difference in what is changed when, and one for all that is done otherwise.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.added.iter().map(|it| format!("{it}: comes in")).collect();
        lines.extend(self.removed.iter().map(|it| {
            if self.done.contains(it) {
                format!("{it}: is done")
            } else if self.needless.contains(it) {
                format!("{it}: is not in it any more: it is done, or not meant any more")
            } else {
                format!("{it}: is not in it any more")
            }
        }));
        lines.extend(self.moved.iter().map(|it| {
            format!(
                "{}: wave {} at {} instead of wave {} at {}",
                it.element, it.wave.1, it.start.1, it.wave.0, it.start.0
            )
        }));
        lines.extend(self.redirected.iter().map(|it| {
            format!("{}: goes to {} instead of {} when {} is changed", it.vm, it.to.1, it.to.0, it.element)
        }));
        lines.extend(otherwise::line(&self.otherwise));
        lines
    }
}
