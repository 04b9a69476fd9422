//! What the plan comes to: outcomes, times, moves, room, exposure, what is given up.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::Method;
use underpin_model::id::ElementId;
use underpin_model::plan::{
    Alternative, CapacityFloor, ElementOutcome, ExposurePoint, Moves, Outcome, Plan, PlanReport, Reason,
    StepKind, WaveReport, element_of,
};
use underpin_model::policy::Homing;

use super::calendar::Seconds;
use super::drive::Driven;
use super::facts::Facts;
use super::{Planned, Request, bounds, emergency, plan_only, standing, static_bound, waits};

/// Fills in everything but what would unblock.
pub(super) fn finish(request: &Request<'_>, facts: &Facts<'_>, driven: &Driven, planned: &mut Planned) {
    let plan = &planned.plan;
    let report = &mut planned.report;
    report.moves = moves(plan);
    soaks(facts, driven, plan, &mut report.waves);
    waits::waits(request, facts, driven, plan, &mut report.waves);
    // Until here they stand in the order in which they begin to disturb.
    report.waves.sort_by_key(|it| it.wave);
    report.elements = elements(facts, driven, plan);
    (report.bounds, report.static_waves) = rayon::join(
        || bounds::bounds(request, facts, driven, plan, report.moves.moves),
        || static_bound::static_waves(facts, driven, &report.elements),
    );
    report.eta.p50_s = median(facts, driven);
    report.capacity_floors = floors(facts, driven);
    report.exposure = exposure(facts, &report.elements);
    report.standing = standing::standing(request, facts, driven, plan);
    report.durations = facts.durations.sources(request, &done(facts, driven), &report.elements);
    report.given_up = emergency::given_up(request, facts, driven);
    report.alternatives = alternatives(request, driven, report, plan);
    if let Some(parent) = request.parent {
        report.changed = changed(parent.plan, plan, driven);
    }
}

/// Moves of guests in a plan.
pub(super) fn moves(plan: &Plan) -> Moves {
    let mut moves = Moves::default();
    let mut guests: BTreeSet<&str> = BTreeSet::new();
    for step in &plan.steps {
        match &step.kind {
            StepKind::Migrate { vm, pause_ms, live, .. } => {
                moves.moves += 1;
                // A cold one is off for its whole span.
                moves.interrupted += u64::from(!live);
                moves.pause_ms += u64::from(*pause_ms);
                guests.insert(vm.as_str());
            }
            StepKind::Evacuate { expected, .. } => {
                moves.moves += expected.len() as u64;
                guests.extend(expected.iter().map(|it| it.0.as_str()));
            }
            StepKind::Stop { .. } | StepKind::Suspend { .. } => moves.interrupted += 1,
            _ => {}
        }
    }
    moves.guests = guests.len() as u64;
    moves.again = moves.moves - moves.guests;
    moves
}

fn elements(facts: &Facts<'_>, driven: &Driven, plan: &Plan) -> Vec<ElementOutcome> {
    struct Times {
        wave: u32,
        start: Seconds,
        end: Seconds,
        method: Option<Method>,
    }
    let mut times: BTreeMap<&ElementId, Times> = BTreeMap::new();
    for step in plan.steps.iter().filter(|it| it.kind.touches()) {
        let Some(subject) = &step.subject else { continue };
        let it = times.entry(subject).or_insert(Times {
            wave: step.wave,
            start: step.start_s,
            end: step.end_s(),
            method: None,
        });
        it.start = it.start.min(step.start_s);
        it.end = it.end.max(step.end_s());
        if let StepKind::Patch { method, .. } = &step.kind {
            (it.method, it.wave) = (Some(*method), step.wave);
        }
    }
    let changes = facts.fleet.planning.as_ref().map(|it| it.changes.as_slice()).unwrap_or_default();
    driven
        .fates
        .iter()
        .map(|(element, fate)| {
            let at = times.get(element);
            let mut reasons = fate.reasons.clone();
            reasons.extend(why_then(facts, driven, element));
            reasons.dedup();
            ElementOutcome {
                element: element.clone(),
                changes: fate
                    .changes
                    .iter()
                    .filter_map(|&it| changes.get(it as usize))
                    .map(|it| it.id.clone())
                    .collect(),
                outcome: fate.outcome.unwrap_or(Outcome::Blocked),
                method: at.and_then(|it| it.method),
                wave: at.map(|it| it.wave),
                start_s: at.map(|it| it.start),
                end_s: at.map(|it| it.end),
                reasons,
            }
        })
        .collect()
}

/// Waves that begin where a soak ends, and not where the wave before them in their cluster does.
fn soaks(facts: &Facts<'_>, driven: &Driven, plan: &Plan, waves: &mut [WaveReport]) {
    let mut ends: BTreeMap<u32, Seconds> = BTreeMap::new();
    for it in waves {
        let Some(wave) = plan.wave(it.wave) else { continue };
        let hosts: Vec<u32> = wave.elements.iter().filter_map(|it| facts.host(it.as_str())).collect();
        let Some(&first) = hosts.first() else { continue };
        let before = ends.insert(facts.hosts[first as usize].cluster, wave.end_s).unwrap_or(0);
        let last = hosts.iter().filter_map(|it| driven.waited.get(it)).max_by_key(|it| it.1);
        if let Some((ring, until_s)) = last.filter(|it| it.1 > before) {
            it.reasons.retain(|it| !matches!(it, Reason::EarlierWave { .. }));
            it.reasons.insert(0, Reason::Soak { ring: ring.clone(), until_s: *until_s });
        }
    }
}

/// The changes that each element gets.
fn done<'f>(facts: &'f Facts<'_>, driven: &'f Driven) -> BTreeMap<&'f str, BTreeSet<u32>> {
    let mut all: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for work in driven.waves.iter().flat_map(|it| &it.staged.works).filter(|it| !it.hops.is_empty()) {
        let id = facts.hosts[work.host as usize].it.id.as_str();
        all.entry(id).or_default().extend(work.hops.iter().map(|it| it.change));
    }
    for work in &driven.elements {
        all.entry(work.element.as_str()).or_default().insert(work.change as u32);
    }
    all
}

/// Why a host is where it is in the order.
fn why_then(facts: &Facts<'_>, driven: &Driven, element: &ElementId) -> Vec<Reason> {
    let mut why = Vec::new();
    let Some(host) = facts.host(element.as_str()) else { return why };
    let Some(wave) = driven.by_host.get(&host).and_then(|&at| driven.waves.get(at)) else { return why };
    if wave.canary {
        let class =
            facts.hardware.get(facts.hosts[host as usize].hardware as usize).cloned().unwrap_or_default();
        why.push(Reason::Canary { class });
    }
    if driven.coordinators.contains(&host) {
        why.push(Reason::Coordinator);
    }
    why.extend(behind(facts, driven, host));
    if let Some((ring, until_s)) = driven.waited.get(&host) {
        why.push(Reason::Soak { ring: ring.clone(), until_s: *until_s });
    }
    why.extend(wave.staged.reasons.iter().filter(|it| !matches!(it, Reason::EarlierWave { .. })).cloned());
    let loss_per_day = facts.hosts[host as usize].loss_per_day;
    if loss_per_day > 0.0 {
        why.push(Reason::MostUrgent { loss_per_day });
    }
    why
}

/// A host whose own ring would be earlier waits for the coordinator of its pool, and comes in that one's ring.
fn behind(facts: &Facts<'_>, driven: &Driven, host: u32) -> Option<Reason> {
    let it = &facts.hosts[host as usize];
    let first = driven.coordinators.iter().find(|&&other| facts.hosts[other as usize].cluster == it.cluster);
    let element = element_of(&facts.hosts[*first.filter(|_| it.own_ring < it.ring)? as usize].it.id)?;
    let changes = facts.fleet.planning.as_ref()?;
    let change = driven.fates.get(&element)?.changes.first()?;
    Some(Reason::EarlierChange { change: changes.changes.get(*change as usize)?.id.clone(), element })
}

/// The end of the last wave with medians within it: waves keep their planned starts.
fn median(facts: &Facts<'_>, driven: &Driven) -> Seconds {
    let factor = facts.policy.planning.migration.p95_factor.max(1.0);
    let hosts = driven.waves.iter().chain(&driven.way_home).map(|wave| {
        let longest = wave.staged.works.iter().zip(&wave.staged.times).map(|(work, times)| {
            let moved = |list: &[super::timing::Move], from: Seconds| {
                let end = list.iter().map(super::timing::Move::end).max().unwrap_or(from);
                (f64::from(end.saturating_sub(from)) / factor).ceil() as Seconds
            };
            let spans = &work.durations;
            let hops = work.hops.len() as Seconds * spans.patch.p50_s
                + work.hops.iter().filter(|it| it.reboot).count() as Seconds * spans.reboot.p50_s;
            let stays = times.end.saturating_sub(times.start).min(60);
            moved(&times.out, 0)
                + hops
                + spans.attest.p50_s
                + spans.verify.p50_s
                + stays
                + moved(&times.home, times.start)
        });
        wave.staged.start.saturating_add(longest.max().unwrap_or(0))
    });
    let elements = driven.elements.iter().map(|it| {
        let spans = &it.durations;
        let hops = it.hops.len() as Seconds * it.units;
        it.start + hops * (spans.patch.p50_s + spans.reboot.p50_s + spans.verify.p50_s) + spans.attest.p50_s
    });
    hosts.chain(elements).max().unwrap_or(0)
}

fn floors(facts: &Facts<'_>, driven: &Driven) -> Vec<CapacityFloor> {
    let mut floors: BTreeMap<u32, (u64, Seconds)> = BTreeMap::new();
    for wave in &driven.waves {
        let floor = floors.entry(wave.cluster).or_insert((u64::MAX, 0));
        *floor = (*floor).min((wave.staged.free_memory_mib, wave.staged.start));
    }
    let known = floors.into_iter().filter_map(|(at, (free_memory_mib, at_s))| {
        let cluster = &facts.clusters[at as usize];
        let it = facts.fleet.clusters.get(cluster.at as usize)?;
        let capacity: u64 =
            cluster.hosts.clone().filter_map(|it| facts.hosts[it as usize].capacity).map(|it| it[0]).sum();
        let demand: u64 = cluster.guests.clone().map(|it| facts.guests[it as usize].holds[0]).sum();
        let at_start_mib = capacity.saturating_sub(demand);
        Some(CapacityFloor { cluster: it.id.clone(), free_memory_mib, at_s, at_start_mib })
    });
    known.collect()
}

fn exposure(facts: &Facts<'_>, elements: &[ElementOutcome]) -> Vec<ExposurePoint> {
    let loss = |element: &ElementId| {
        facts.host(element.as_str()).map_or(0.0, |it| facts.hosts[it as usize].loss_per_day)
    };
    let open = |it: &&ElementOutcome| it.outcome != Outcome::NotNeeded;
    let mut point = ExposurePoint {
        at_s: 0,
        open: elements.iter().filter(open).count() as u32,
        loss_per_day: elements.iter().filter(open).map(|it| loss(&it.element)).sum(),
    };
    let mut closed: Vec<(Seconds, &ElementId)> = elements
        .iter()
        .filter(|it| it.outcome == Outcome::Planned)
        .filter_map(|it| Some((it.end_s?, &it.element)))
        .collect();
    closed.sort_unstable();
    let mut points = vec![point];
    for (at_s, element) in closed {
        point = ExposurePoint {
            at_s,
            open: point.open.saturating_sub(1),
            loss_per_day: (point.loss_per_day - loss(element)).max(0.0),
        };
        match points.last_mut() {
            Some(last) if last.at_s == at_s => *last = point,
            _ => points.push(point),
        }
    }
    points
}

/// The other homing, priced. Only where the budget allows a second look.
fn alternatives(
    request: &Request<'_>,
    driven: &Driven,
    report: &PlanReport,
    plan: &Plan,
) -> Vec<Alternative> {
    let price = request.policy.planning.move_price.get();
    let of = |homing, moves: u64, plan: &Plan, planned: u32| Alternative {
        homing,
        moves,
        makespan_s: plan.end_s(),
        move_price: moves as f64 * price,
        planned,
    };
    let planned = report.elements.iter().filter(|it| it.outcome == Outcome::Planned).count() as u32;
    let mut all = vec![of(driven.homing, report.moves.moves, plan, planned)];
    if request.evaluations == 0 {
        return all;
    }
    let other = match driven.homing {
        Homing::Drift => Homing::Home,
        Homing::Home => Homing::Drift,
    };
    if let Ok(it) = plan_only(&Request { homing: Some(other), evaluations: 0, ..*request }) {
        let waves = it.plan.waves.iter().map(|it| it.elements.len() as u32).sum();
        all.push(of(other, moves(&it.plan).moves, &it.plan, waves));
    }
    all
}

/// What differs from the parent: hosts that are done, came, went or moved in time, and what is done otherwise.
fn changed(parent: &Plan, plan: &Plan, driven: &Driven) -> Vec<String> {
    let mut diff = super::super::diff::diff(parent, plan);
    diff.settle(|it| driven.fates.get(it).is_some_and(|it| it.outcome == Some(Outcome::NotNeeded)));
    diff.lines()
}
