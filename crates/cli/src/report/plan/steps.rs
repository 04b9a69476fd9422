//! The steps of one element.

use underpin_model::plan::{Plan, Step, StepKind};

use super::words;
use super::zones::{short, span, whole};
use crate::output::{List, wrapped};

/// Whether a step is about an element: it is its subject, or guests leave or come to it.
pub(crate) fn concerns(step: &Step, id: &str) -> bool {
    let subject = step.subject.as_ref().is_some_and(|it| it.as_str() == id);
    subject
        || match &step.kind {
            StepKind::Migrate { from, to, .. } => from.as_str() == id || to.as_str() == id,
            StepKind::Evacuate { host, expected, .. } => {
                host.as_str() == id || expected.iter().any(|it| it.1.as_str() == id)
            }
            StepKind::Stop { host, .. }
            | StepKind::Start { host, .. }
            | StepKind::Suspend { host, .. }
            | StepKind::Resume { host, .. } => host.as_str() == id,
            _ => false,
        }
}

/// A table of these steps.
pub(crate) fn steps(plan: &Plan, id: &str, own: &[&Step], width: Option<u16>) -> String {
    let head = format!(
        "{id}: {} steps; times are UTC, counted from {}; a step may take as long as P95",
        own.len(),
        whole(plan.starts_at)
    );
    let mut list = List::new(&["STEP", "WAVE", "AT", "P50", "P95", "DOES", "WHAT"], width);
    for step in own {
        let (does, mut what) = words::step(&step.kind);
        // A guest that comes because another host is emptied.
        if let Some(subject) = step.subject.as_ref().filter(|it| it.as_str() != id) {
            what = format!("{what} (for {subject})");
        }
        list.row([
            step.id.to_string(),
            step.wave.to_string(),
            short(plan.instant(step.start_s)),
            span(step.p50_s),
            span(step.p95_s),
            does.to_owned(),
            what,
        ]);
    }
    format!("{}\n{list}", wrapped(&head, "", width))
}
