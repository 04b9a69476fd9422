//! Who waits for whom: whoever carries a plan out late follows `after` and no clock, and must not have more away than planned.

use std::collections::BTreeMap;

use underpin_model::fleet::Cluster;
use underpin_model::id::ClusterId;
use underpin_model::plan::{Frozen, StepKind};
use underpin_model::policy::Spread;

use super::super::calendar::Seconds;
use super::super::stage::FREEZE_S;
use super::{Assembly, Draft};

/// Waves of a cluster that are further apart than this are frozen and thawed one by one: balancing is not off for days.
const THAW_AFTER_S: Seconds = 1800;
/// Freezing or thawing a cluster.
const FREEZE: Spread = Spread::new(10, FREEZE_S);
/// Nothing is done at a gate.
const GATE: Spread = Spread::new(0, 0);

/// A wave of hosts, or the change of an element that its cluster stands on: steps that wait for others or that others wait for, by draft.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn {
    pub(super) start: Seconds,
    pub(super) end: Seconds,
    /// The gate of a wave of hosts.
    pub(super) gate: Option<u32>,
    /// What disturbs first.
    pub(super) first: Vec<u32>,
    /// Of these, guests of other hosts that make room.
    pub(super) made_room: Vec<u32>,
    /// Hosts and elements are verified, guests run again or are home, or else have left early.
    pub(super) over: Vec<u32>,
}

impl Assembly<'_, '_> {
    /// The gate that opens a wave of hosts.
    pub(super) fn gate(&mut self, wave: u32, start: Seconds, cluster: Option<ClusterId>) -> u32 {
        self.push(wave, None, StepKind::Gate { cluster }, start, GATE, Vec::new())
    }

    /// The turns of each cluster wait for each other: each gate for everything before it, and what disturbs for the gate.
    pub(super) fn wait(&mut self, turns: &BTreeMap<u32, Vec<Turn>>) {
        for turns in turns.values() {
            let mut before = &[][..];
            for turn in turns {
                let over = |draft: &Draft| draft.step.start_s.saturating_add(draft.step.p95_s);
                let made: Vec<(u32, Seconds)> = turn
                    .made_room
                    .iter()
                    .filter_map(|it| Some((*it, over(self.drafts.get(*it as usize)?))))
                    .collect();
                for it in &turn.first {
                    let Some(Draft { step }) = self.drafts.get_mut(*it as usize) else { continue };
                    let start_s = step.start_s;
                    step.after.extend(made.iter().filter(|it| it.1 <= start_s).map(|it| it.0));
                    step.after.extend(turn.gate.as_slice());
                }
                let waits = if turn.gate.is_some() { turn.gate.as_slice() } else { &turn.first };
                for it in waits {
                    if let Some(Draft { step }) = self.drafts.get_mut(*it as usize) {
                        step.after.extend(before);
                    }
                }
                before = &turn.over;
            }
        }
    }

    /// Freezes each cluster around its waves: nothing in them starts before, and all of it is over when it is thawed.
    pub(super) fn freeze(&mut self, turns: &BTreeMap<u32, Vec<Turn>>) {
        for (cluster, turns) in turns {
            let at = self.facts.clusters[*cluster as usize].at as usize;
            let Some(it) = self.facts.fleet.clusters.get(at) else { continue };
            let waves: Vec<(&Turn, u32)> = turns.iter().filter_map(|it| Some((it, it.gate?))).collect();
            let near = |a: &(&Turn, u32), b: &(&Turn, u32)| b.0.start <= a.0.end.saturating_add(THAW_AFTER_S);
            let mut thawed: Vec<u32> = Vec::new();
            for busy in waves.chunk_by(near) {
                let ([(first, gate), ..], [.., (last, _)]) = (busy, busy) else { continue };
                let freeze = StepKind::Freeze { cluster: it.id.clone(), what: frozen(it) };
                let from = first.start.saturating_sub(FREEZE_S);
                let freeze = self.push(0, None, freeze, from, FREEZE, std::mem::take(&mut thawed));
                if let Some(draft) = self.drafts.get_mut(*gate as usize) {
                    draft.step.after.push(freeze);
                }
                let thaw = StepKind::Thaw { cluster: it.id.clone() };
                thawed = vec![self.push(0, None, thaw, last.end, FREEZE, last.over.clone())];
            }
        }
    }
}

/// What would fight the plan, as far as it is not known to be off.
fn frozen(cluster: &Cluster) -> Vec<Frozen> {
    let mut what = Vec::new();
    if cluster.load_balancing != Some(false) {
        what.push(Frozen::Balancing);
    }
    what.push(Frozen::AutoStart);
    if cluster.admission_control != Some(false) {
        what.push(Frozen::AdmissionControl);
    }
    what
}
