//! Waves that wait for what is done in their clusters at another layer: planes, witnesses, storage.

use std::collections::BTreeMap;

use underpin_model::change::Layer;
use underpin_model::id::ElementId;
use underpin_model::plan::{Plan, Reason, StepKind, Wave, WaveReport};

use super::Request;
use super::calendar::Seconds;
use super::drive::Driven;
use super::elements::clusters_of;
use super::facts::Facts;

/// What was last in a cluster: when it was over, and why whoever comes next waits for it.
type Last = (Seconds, Reason);

/// Waves that begin when another layer is done say so, and storage and planes which hosts they wait for.
pub(super) fn waits(
    request: &Request<'_>,
    facts: &Facts<'_>,
    driven: &Driven,
    plan: &Plan,
    waves: &mut [WaveReport],
) {
    let starts = starts(plan);
    let mut last: BTreeMap<usize, Last> = BTreeMap::new();
    for report in waves {
        let Some(wave) = plan.wave(report.wave) else { continue };
        let (near, own) = place(request, facts, driven, wave);
        let before = near.iter().filter_map(|it| last.get(it)).max_by_key(|it| it.0).cloned();
        let start = starts.get(&wave.number).copied().unwrap_or(wave.start_s);
        let said = report.reasons.iter().any(|it| matches!(it, Reason::EarlierChange { .. }));
        if let Some((end, reason)) = before.filter(|_| !said) {
            // Whoever begins later waits for something else as well, which is said already.
            let other_layer = wave.layer != Layer::Host || matches!(reason, Reason::EarlierChange { .. });
            if other_layer && (start == end || report.reasons.is_empty()) {
                report.reasons.retain(|it| !matches!(it, Reason::EarlierWave { .. }));
                report.reasons.insert(0, reason);
            }
        }
        let reason = own.unwrap_or(Reason::EarlierWave { wave: wave.number });
        for it in near {
            last.insert(it, (wave.end_s, reason.clone()));
        }
    }
}

/// Where a wave is, and what others wait for when they wait for an element in it that is no host.
fn place(
    request: &Request<'_>,
    facts: &Facts<'_>,
    driven: &Driven,
    wave: &Wave,
) -> (Vec<usize>, Option<Reason>) {
    let element: Option<&ElementId> = wave.elements.first();
    if wave.layer == Layer::Host {
        let at = element.and_then(|it| facts.host(it.as_str()));
        let by_id = |id| facts.fleet.clusters.iter().position(|it| Some(&it.id) == id);
        let early = || {
            let at = by_id(wave.cluster.as_ref())?;
            facts.clusters.iter().position(|it| it.at as usize == at)
        };
        let cluster = at.map(|it| facts.hosts[it as usize].cluster as usize).or_else(early);
        return (cluster.into_iter().collect(), None);
    }
    let Some(element) = element else { return (Vec::new(), None) };
    let work = driven.elements.iter().find(|it| it.element == *element && it.end == wave.end_s);
    let change = work.and_then(|it| request.changes().get(it.change));
    let reason = change.map(|it| Reason::EarlierChange { change: it.id.clone(), element: element.clone() });
    (clusters_of(facts, wave.layer, element), reason)
}

/// When each wave begins, what is staged before left out.
fn starts(plan: &Plan) -> BTreeMap<u32, Seconds> {
    let mut starts: BTreeMap<u32, Seconds> = BTreeMap::new();
    for step in &plan.steps {
        if step.kind.touches() || matches!(step.kind, StepKind::Gate { .. }) {
            let start = starts.entry(step.wave).or_insert(step.start_s);
            *start = (*start).min(step.start_s);
        }
    }
    starts
}
