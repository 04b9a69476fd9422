//! How long steps take, held to what is declared. Who makes a step too short makes everything after it come too early: windows, consents
//! and limits are judged by the clock of the plan.
//!
//! Durations of work on an element are declared by the changes of its drain, else by the policy for its method. What the fleet watched may
//! have been quicker: of that only the quickest is a bound, since how a history becomes a duration is the planner's affair. For what
//! nobody declares (stopping a guest, freezing a cluster) a second is the least that a plan can say, and nothing is done in less.

use std::collections::BTreeMap;

use underpin_model::change::Method;
use underpin_model::fleet::TimedStep;
use underpin_model::plan::{Rule, Step, StepKind};
use underpin_model::policy::{Durations, Spread};

use crate::report::{At, Log};
use crate::timeline::{Doing, Path, Timeline};
use crate::world::{Elem, Locus, World, ix};

const RULE: Rule = Rule::StepTime;
/// Nothing that is done is over in the second in which it starts.
const LEAST: Spread = Spread::new(1, 1);

/// The least that is declared, and by whom.
#[derive(Clone, Copy)]
struct Least {
    spread: Spread,
    by: &'static str,
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let watched = watched(world);
    for path in &timeline.paths {
        let declared = declared(world, timeline, path);
        for &number in &path.steps {
            let (Some(act), Some(step)) = (timeline.acts.get(ix(number)), timeline.plan.step(number)) else {
                continue;
            };
            if act.named() != Some(path.element) {
                continue;
            }
            if let Some(timed) = timed(&act.doing) {
                let least = least(path, timed, &declared, &watched);
                compare(step, number, least, &world.locus_of(path.element), log);
            }
        }
    }
    for (step, number) in timeline.plan.steps.iter().zip(0u32..) {
        undeclared(step, number, log);
    }
}

fn timed(doing: &Doing<'_>) -> Option<TimedStep> {
    Some(match doing {
        Doing::Stage { .. } => TimedStep::Stage,
        Doing::Patch { .. } => TimedStep::Patch,
        Doing::Reboot { .. } => TimedStep::Reboot,
        Doing::Attest { .. } => TimedStep::Attest,
        Doing::Verify { .. } => TimedStep::Verify,
        _ => return None,
    })
}

/// What is declared for a drain: by its changes where one of them does, else by the policy for its methods.
fn declared(world: &World<'_>, timeline: &Timeline<'_>, path: &Path) -> Vec<(Option<Method>, Durations)> {
    let (mut own, mut general) = (Vec::new(), Vec::new());
    let acts = path.steps.iter().filter_map(|it| timeline.acts.get(ix(*it)));
    for act in acts.filter(|it| it.named() == Some(path.element)) {
        let Doing::Patch { change, method, .. } = act.doing else { continue };
        own.extend(timeline.changes.get(ix(change)).and_then(|it| it.durations).map(|it| (None, it)));
        let policy = (Some(method), world.policy.planning.durations_of(method));
        if !general.contains(&policy) {
            general.push(policy);
        }
    }
    if own.is_empty() { general } else { own }
}

/// The quickest step of each kind that was watched, in whole seconds.
fn watched(world: &World<'_>) -> BTreeMap<(Method, TimedStep), u32> {
    let mut quickest = BTreeMap::new();
    let history = world.fleet.planning.iter().flat_map(|it| &it.history);
    for it in history {
        // Seconds beyond a number's reach are no quick ones.
        let seconds = it.seconds.max(0.0) as u32;
        quickest
            .entry((it.method, it.step))
            .and_modify(|least: &mut u32| *least = (*least).min(seconds))
            .or_insert(seconds);
    }
    quickest
}

/// Of several declarations the least of each: which of the changes of a drain speaks for it is not told.
fn least(
    path: &Path,
    timed: TimedStep,
    declared: &[(Option<Method>, Durations)],
    watched: &BTreeMap<(Method, TimedStep), u32>,
) -> Least {
    let mut least: Option<Least> = None;
    for (method, durations) in declared {
        let mut it = Least { spread: timed.of(durations), by: "its change declares" };
        if let Some(method) = method {
            it.by = "the policy declares for its method";
            let quickest = watched.get(&(*method, timed)).filter(|_| matches!(path.element, Elem::Host(_)));
            if let Some(&quickest) = quickest {
                // Whatever a history makes of the policy's median, it lies between that and what was watched; and above it the slow case.
                let median_s = it.spread.p50_s.min(quickest);
                it.spread = Spread { p50_s: median_s, p95_s: median_s };
                it.by = "the policy declares, or the quickest that was watched took";
            }
        }
        let (p50_s, p95_s) = least.map_or((u32::MAX, u32::MAX), |it| (it.spread.p50_s, it.spread.p95_s));
        let spread = Spread { p50_s: it.spread.p50_s.min(p50_s), p95_s: it.spread.p95_s.min(p95_s) };
        least = Some(Least { spread, by: it.by });
    }
    let floor = Least { spread: LEAST, by: "anything that is done takes" };
    match least {
        // Methods without a reboot declare none; one that is there takes its time.
        Some(it) if timed == TimedStep::Reboot && it.spread.p95_s == 0 => floor,
        Some(it) => it,
        None => floor,
    }
}

fn undeclared(step: &Step, number: u32, log: &mut Log<'_>) {
    match step.kind {
        StepKind::Gate { .. } => {
            log.compared(RULE);
            if step.p95_s > 0 {
                log.error(RULE, At::step(number, step.start_s), &Locus::NOWHERE, || {
                    (
                        format!("step {number}"),
                        format!("a gate of {} s", step.p95_s),
                        "0 s: nothing is done".into(),
                    )
                });
            }
        }
        StepKind::Freeze { .. }
        | StepKind::Thaw { .. }
        | StepKind::BackupCheck { .. }
        | StepKind::Migrate { .. }
        | StepKind::Evacuate { .. }
        | StepKind::Stop { .. }
        | StepKind::Start { .. }
        | StepKind::Suspend { .. }
        | StepKind::Resume { .. } => {
            let least = Least { spread: LEAST, by: "anything that is done takes" };
            compare(step, number, least, &Locus::NOWHERE, log);
        }
        StepKind::Stage { .. }
        | StepKind::Patch { .. }
        | StepKind::Reboot { .. }
        | StepKind::Attest { .. }
        | StepKind::Verify { .. } => {}
    }
}

fn compare(step: &Step, number: u32, least: Least, locus: &Locus, log: &mut Log<'_>) {
    log.compared(RULE);
    let Least { spread, by } = least;
    if step.p50_s < spread.p50_s || step.p95_s < spread.p95_s {
        log.error(RULE, At::step(number, step.start_s), locus, || {
            let found = format!("a median of {} s and a 95th percentile of {} s", step.p50_s, step.p95_s);
            let expected = format!("at least {} and {} s, as {by}", spread.p50_s, spread.p95_s);
            (format!("step {number}"), found, expected)
        });
    }
}
