//! What a Gantt chart shows: elements by cluster, and what is done to each when.

use std::collections::BTreeMap;

use underpin_model::plan::{Plan, StepKind};

use crate::output::harmless;

/// What is done to an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It soaks: later rings wait.
    Soaks,
    /// Guests leave, stop, or come back.
    Moves,
    /// It is patched, rebooted, attested, verified.
    Changes,
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name, harmless and in one line.
    pub(super) name: String,
    /// Number of its first wave.
    pub(super) wave: u32,
    /// What is done to it from when to when, in seconds.
    pub(super) bars: Vec<(Phase, u32, u32)>,
}

/// Elements of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
}

/// The first `most` elements of a plan in the order of their waves, by cluster; and how many more there are.
pub(super) fn rows(plan: &Plan, most: usize) -> (Vec<Group>, usize) {
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut place_of: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut shown, mut more) = (0, 0);
    for wave in &plan.waves {
        for element in &wave.elements {
            let known = place_of.get(element.as_str()).copied();
            if known.is_none() && shown == most {
                more += 1;
                continue;
            }
            let (at, row) = known.unwrap_or_else(|| {
                let cluster = wave.cluster.as_ref().map(|it| it.as_str());
                let at = *group_of.entry(cluster).or_insert_with(|| {
                    let name =
                        cluster.map_or_else(|| "no single cluster".to_owned(), |it| format!("cluster {it}"));
                    groups.push(Group { name: in_line(&name), rows: Vec::new() });
                    groups.len() - 1
                });
                shown += 1;
                (at, groups.get(at).map_or(0, |it| it.rows.len()))
            });
            let Some(group) = groups.get_mut(at) else { continue };
            if known.is_none() {
                place_of.insert(element.as_str(), (at, row));
                group.rows.push(Row { name: in_line(element.as_str()), wave: wave.number, bars: Vec::new() });
            }
            if let Some(row) = group.rows.get_mut(row).filter(|_| wave.soak_until_s > wave.end_s) {
                row.bars.push((Phase::Soaks, wave.end_s, wave.soak_until_s));
            }
        }
    }
    for step in &plan.steps {
        let Some(phase) = phase(&step.kind) else { continue };
        let place = step.subject.as_ref().and_then(|it| place_of.get(it.as_str()));
        let row = place.and_then(|&(at, row)| groups.get_mut(at)?.rows.get_mut(row));
        let Some(row) = row else { continue };
        match row.bars.last_mut() {
            // Steps follow one another closely: one bar of a kind is enough.
            Some((last, from, to)) if *last == phase && step.start_s <= *to && step.start_s >= *from => {
                *to = (*to).max(step.end_s());
            }
            _ => row.bars.push((phase, step.start_s, step.end_s())),
        }
    }
    for row in groups.iter_mut().flat_map(|it| &mut it.rows) {
        row.bars.sort_unstable();
    }
    (groups, more)
}

fn phase(kind: &StepKind) -> Option<Phase> {
    match kind {
        StepKind::Migrate { .. }
        | StepKind::Evacuate { .. }
        | StepKind::Stop { .. }
        | StepKind::Start { .. }
        | StepKind::Suspend { .. }
        | StepKind::Resume { .. } => Some(Phase::Moves),
        StepKind::Patch { .. }
        | StepKind::Reboot { .. }
        | StepKind::Attest { .. }
        | StepKind::Verify { .. } => Some(Phase::Changes),
        StepKind::Freeze { .. }
        | StepKind::Thaw { .. }
        | StepKind::Gate { .. }
        | StepKind::Stage { .. }
        | StepKind::BackupCheck { .. } => None,
    }
}

/// A name can neither steer a terminal nor begin a line, nor is it forbidden in XML.
fn in_line(name: &str) -> String {
    let allowed = |it: char| !matches!(it, '\n' | '\t' | '\u{fffe}' | '\u{ffff}');
    harmless(name).chars().map(|it| if allowed(it) { it } else { char::REPLACEMENT_CHARACTER }).collect()
}
