//! The form of a plan: ids, references, order, and waves that hold their steps.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::Layer;
use underpin_model::id::ClusterId;
use underpin_model::plan::{FORMAT, Plan, Rule, Severity, Step, StepKind, Wave};
use underpin_model::policy::Placing;

use crate::Options;
use crate::report::{At, Log};
use crate::timeline::{Doing, Path, Timeline};
use crate::world::{Elem, Locus, NONE, Power, World, ix};

const RULE: Rule = Rule::WellFormed;
/// A plan may begin so many seconds before its fleet was seen: clocks differ.
const CLOCKS_DIFFER_S: i64 = 3600;
/// A fleet that was seen more seconds before its plan begins is another one by then: a judgement, a week.
const STALE_S: i64 = 7 * 86_400;

/// A finding of form: no exception excuses it anywhere in particular.
fn bad(
    log: &mut Log<'_>,
    at: At,
    place: impl Into<String>,
    found: impl Into<String>,
    expected: impl Into<String>,
) {
    log.error(RULE, at, &Locus::NOWHERE, || (place.into(), found.into(), expected.into()));
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, options: &Options, log: &mut Log<'_>) {
    let plan = timeline.plan;
    header(world, plan, options, log);
    let mut before = 0;
    let ids = Ids::new(plan);
    ids.check(plan, log);
    ids.missing(plan, log);
    for (step, number) in plan.steps.iter().zip(0u32..) {
        log.compared(RULE);
        numbers(plan, step, number, before, log);
        before = before.max(step.start_s);
        references(world, timeline, step, number, log);
        belongs(world, timeline, step, number, log);
        order(plan, &ids, step, number, log);
    }
    waves(world, timeline, log);
    nowhere(world, plan, log);
    for left in &plan.left_out {
        log.compared(RULE);
        let place = || format!("left_out, {}", left.element);
        if world.element(left.element.as_str()).is_none() {
            bad(log, At::NONE, place(), "an element that the fleet does not have", "an element of the fleet");
        }
        if !timeline.change_at.contains_key(left.change.as_str()) {
            let found = format!("change {:?}", left.change);
            bad(log, At::NONE, place(), found, "a change of the fleet's `planning.changes`");
        }
    }
}

/// A guest that may run nobody knows where may be on any host that is changed: who carries the plan out has to find it first.
fn nowhere(world: &World<'_>, plan: &Plan, log: &mut Log<'_>) {
    if !plan.waves.iter().any(|it| it.layer == Layer::Host) {
        return;
    }
    for it in world.vms.iter().filter(|it| it.power != Power::Off && it.host == NONE) {
        log.add(Rule::OccupiedHost, Severity::Unknown, At::NONE, || {
            let found = "it may run or be suspended, and nobody knows on which host: any host that is changed may hold it";
            (format!("VM {}", it.vm.id), found.into(), "its host".into())
        });
    }
}

/// The plan is of this format, and made from this fleet and policy.
fn header(world: &World<'_>, plan: &Plan, options: &Options, log: &mut Log<'_>) {
    log.compared(RULE);
    let mut same = |place: &str, found: &str, expected: &str| {
        if found != expected {
            bad(log, At::NONE, place, format!("{found:?}"), format!("{expected:?}"));
        }
    };
    same("format", &plan.format, FORMAT);
    same("made_from.fleet", &plan.made_from.fleet, &world.fleet.name);
    let placing = |it: Placing| match it {
        Placing::WePlace => "we-place",
        Placing::PlatformPlaces => "platform-places",
    };
    same("placing", placing(plan.placing), placing(world.policy.planning.placing));
    let (seen, planned) = (world.fleet.seen.at.to_string(), plan.made_from.seen_at.to_string());
    same("made_from.seen_at", &planned, &seen);
    stale(plan, log);
    let mut same = |place: &str, found: &str, expected: &str| {
        if found != expected {
            bad(log, At::NONE, place, format!("{found:?}"), format!("{expected:?}"));
        }
    };
    if let (Some(planned), Some(read)) = (&plan.made_from.fleet_sha256, &options.fleet_sha256) {
        same("made_from.fleet_sha256", planned, read);
    }
    if let (Some(planned), Some(read)) = (&plan.made_from.policy_sha256, &options.policy_sha256) {
        same("made_from.policy_sha256", planned, read);
    }
    // Not even by leaving the line out can a plan be held to another fleet than its own.
    if plan.made_from.fleet_sha256.is_none() && options.fleet_sha256.is_some() {
        let found = "no hash: the fleet that it was made from is unknown".to_owned();
        let expected = "the hash of the fleet that it is held to".to_owned();
        bad(log, At::NONE, "made_from.fleet_sha256", found, expected);
    }
    if plan.made_from.policy_sha256.is_some() != options.policy_sha256.is_some() {
        log.add(RULE, Severity::Unknown, At::NONE, || {
            let found = match plan.made_from.policy_sha256 {
                None => "no hash: a plan of the default policy, or of one that came from no file",
                Some(_) => "the hash of a policy file, and it is held to none",
            };
            (
                "made_from.policy_sha256".into(),
                found.into(),
                "the hash of the policy that it is held to".into(),
            )
        });
    }
}

/// The plan begins before its fleet was seen, or so long after that guests have moved since.
fn stale(plan: &Plan, log: &mut Log<'_>) {
    let (seen, starts_at) = (plan.made_from.seen_at, plan.starts_at);
    let age_s = starts_at.as_second().saturating_sub(seen.as_second());
    let found = if age_s < -CLOCKS_DIFFER_S {
        format!(
            "the fleet was seen {} h after the plan starts, at {starts_at}",
            age_s.saturating_neg() / 3600
        )
    } else if age_s > STALE_S {
        format!("the fleet was seen {} days before the plan starts, at {starts_at}", age_s / 86_400)
    } else {
        return;
    };
    log.add(RULE, Severity::Unknown, At::NONE, || {
        (
            "seen.at".into(),
            found,
            "a fleet as it is when the plan starts: what stands where may differ".into(),
        )
    });
}

/// Who has which id. Where ids rise they still tell which step is meant, though a line was taken out before it: what was taken out
/// is one finding, and not one of every step after it.
pub(crate) struct Ids {
    rise: bool,
}

impl Ids {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { rise: plan.steps.array_windows().all(|[a, b]| a.id < b.id) }
    }

    /// Ids are positions; those that are off by as much as the one before are counted.
    fn check(&self, plan: &Plan, log: &mut Log<'_>) {
        let off = |at: usize| plan.steps.get(at).map_or(0, |it| i64::from(it.id) - at as i64);
        let mut at = 0;
        while at < plan.steps.len() {
            let same = if self.rise {
                (at..plan.steps.len()).take_while(|it| off(*it) == off(at)).count()
            } else {
                1
            };
            if let Some(step) = plan.steps.get(at).filter(|_| off(at) != 0) {
                let more = if same > 1 {
                    format!(", and {} ids after it are off by as much", same - 1)
                } else {
                    String::new()
                };
                let found = format!("id {}{more}", step.id);
                bad(
                    log,
                    At::step(at as u32, step.start_s),
                    format!("step {at}"),
                    found,
                    format!("its position, {at}"),
                );
            }
            at += same;
        }
    }

    /// Steps that wait for one that the plan does not have, the first for each that is missing; the others are counted.
    fn missing(&self, plan: &Plan, log: &mut Log<'_>) {
        let mut missing: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (step, number) in plan.steps.iter().zip(0u32..) {
            for &id in step.after.iter().filter(|it| self.position(plan, **it).is_none()) {
                missing.entry(id).or_insert((number, 0)).1 += 1;
            }
        }
        for (id, (first, times)) in missing {
            let more = if times > 1 { format!(", as {} steps more do", times - 1) } else { String::new() };
            let start_s = plan.step(first).map_or(0, |it| it.start_s);
            let found = format!("after step {id}{more}");
            bad(log, At::step(first, start_s), format!("step {first}"), found, "a step of the plan");
        }
    }

    /// The position of the step that an id means.
    pub(crate) fn position(&self, plan: &Plan, id: u32) -> Option<u32> {
        let there = plan.step(id);
        if !self.rise || there.is_some_and(|it| it.id == id) {
            return there.map(|_| id);
        }
        plan.steps.binary_search_by_key(&id, |it| it.id).ok().map(|it| it as u32)
    }
}

/// What a step that starts too early is compared with.
pub(crate) const A_STEP_BEFORE: &str = "the start of a step before it";

fn numbers(plan: &Plan, step: &Step, number: u32, before: u32, log: &mut Log<'_>) {
    let at = At::step(number, step.start_s);
    let place = || format!("step {number}");
    if step.start_s < before {
        let expected = format!("at least {before} s, {A_STEP_BEFORE}");
        bad(log, at, place(), format!("start {} s", step.start_s), expected);
    }
    if step.p50_s > step.p95_s {
        let expected = format!("at most {} s, the 95th percentile", step.p95_s);
        bad(log, at, place(), format!("median {} s", step.p50_s), expected);
    }
    if step.start_s.checked_add(step.p95_s).is_none() {
        let found = format!("start {} s and span {} s", step.start_s, step.p95_s);
        bad(log, at, place(), found, format!("an end of at most {} s", u32::MAX));
    }
    if matches!(step.kind, StepKind::Evacuate { .. }) && plan.placing == Placing::WePlace {
        bad(log, at, place(), "the platform places", "a target for every guest, as the plan says `we-place`");
    }
}

/// Everything that the step names exists, and fits together.
fn references(world: &World<'_>, timeline: &Timeline<'_>, step: &Step, number: u32, log: &mut Log<'_>) {
    let at = At::step(number, step.start_s);
    let place = || format!("step {number}");
    match timeline.acts.get(ix(number)).map(|it| &it.doing) {
        Some(Doing::Nothing) => {
            let found = format!("an id that is not known: {}", ids(&step.kind));
            bad(log, at, place(), found, "elements, guests and changes of the fleet");
        }
        Some(Doing::Migrate { from, to, .. }) if from == to => {
            bad(log, at, place(), format!("from and to {}", world.host_id(*to)), "two hosts");
        }
        _ => {}
    }
    if let StepKind::Evacuate { host, expected, only_to, .. } = &step.kind {
        let mut allowed: Vec<&str> = only_to.iter().map(|it| it.as_str()).collect();
        allowed.sort_unstable();
        for (vm, to) in expected {
            if allowed.binary_search(&to.as_str()).is_err() {
                let found = format!("{to} is expected to take {vm}");
                bad(log, at, place(), found, "a host of `only_to`");
            }
        }
        let cluster_of = |id: &str| {
            world.host_at.get(id).and_then(|it| world.hosts.get(ix(*it))).map_or(NONE, |it| it.cluster)
        };
        log.compared(Rule::Reach);
        if let Some(far) = only_to.iter().find(|it| cluster_of(it.as_str()) != cluster_of(host.as_str())) {
            log.error(Rule::Reach, at, &Locus::NOWHERE, || {
                let found = format!("{far} may take guests of {host}, and is of another cluster");
                (place(), found, "hosts of its own cluster".into())
            });
        }
        if only_to.contains(host) {
            bad(log, at, place(), format!("{host} may take its own guests"), "other hosts");
        }
    }
}

/// The ids of a step, for a message.
fn ids(kind: &StepKind) -> String {
    match kind {
        StepKind::Freeze { cluster, .. } | StepKind::Thaw { cluster } => cluster.to_string(),
        StepKind::Gate { cluster } => cluster.as_ref().map(ToString::to_string).unwrap_or_default(),
        StepKind::Migrate { vm, from, to, .. } => format!("{vm}, {from} or {to}"),
        StepKind::Evacuate { host, .. } => format!("{host}, a guest or a target of it"),
        StepKind::Stop { vm, host, .. }
        | StepKind::Start { vm, host }
        | StepKind::Suspend { vm, host, .. }
        | StepKind::Resume { vm, host } => format!("{vm} or {host}"),
        StepKind::Stage { element, change } | StepKind::Patch { element, change, .. } => {
            format!("{element} or {change:?}")
        }
        StepKind::BackupCheck { element }
        | StepKind::Reboot { element, .. }
        | StepKind::Attest { element }
        | StepKind::Verify { element } => element.to_string(),
    }
}

/// The step has a wave that is about its subject.
fn belongs(world: &World<'_>, timeline: &Timeline<'_>, step: &Step, number: u32, log: &mut Log<'_>) {
    let at = At::step(number, step.start_s);
    let place = || format!("step {number}");
    if matches!(step.kind, StepKind::Freeze { .. } | StepKind::Thaw { .. }) {
        if step.wave != 0 {
            let found = format!("wave {}", step.wave);
            bad(log, at, place(), found, "no wave (0), as freezing and thawing serve several");
        }
        return;
    }
    if timeline.plan.wave(step.wave).is_none() {
        let found = format!("wave {}", step.wave);
        bad(log, at, place(), found, format!("a wave from 1 to {}", timeline.plan.waves.len()));
        return;
    }
    if let StepKind::Gate { cluster } = &step.kind {
        let of = timeline.plan.wave(step.wave).and_then(|it| it.cluster.as_ref());
        if cluster.as_ref() != of {
            let name = |it: Option<&ClusterId>| it.map_or("none".to_owned(), ToString::to_string);
            let expected = format!("cluster {}, that of wave {}", name(of), step.wave);
            bad(log, at, place(), format!("a gate of cluster {}", name(cluster.as_ref())), expected);
        }
        return;
    }
    let Some(subject) = &step.subject else {
        return bad(log, at, place(), "no subject", "the element for whose change it is done");
    };
    let Some(element) = world.element(subject.as_str()) else {
        return bad(log, at, place(), format!("subject {subject}"), "an element of the fleet");
    };
    if timeline.acts.get(ix(number)).and_then(|it| it.named()).is_some_and(|it| it != element) {
        bad(log, at, place(), format!("subject {subject}"), "the element that the step is about");
    }
}

/// `after` leads to steps before this one that have ended.
fn order(plan: &Plan, ids: &Ids, step: &Step, number: u32, log: &mut Log<'_>) {
    let at = At::step(number, step.start_s);
    for &earlier in &step.after {
        log.compared(Rule::Order);
        let place = || format!("step {number}");
        let found = ids.position(plan, earlier).and_then(|it| Some((it, plan.step(it)?)));
        match found {
            None => {}
            Some((it, _)) if it >= number => log.error(Rule::Order, at, &Locus::NOWHERE, || {
                (place(), format!("waits for step {earlier}"), "steps that stand before it".into())
            }),
            Some((_, it)) if it.end_s() > step.start_s => log.error(Rule::Order, at, &Locus::NOWHERE, || {
                let found = format!("starts at {} s, step {earlier} ends at {} s", step.start_s, it.end_s());
                (place(), found, "a start after the end of what it waits for".into())
            }),
            Some(_) => {}
        }
    }
}

/// Waves are numbered in the order of their starts and span their steps.
fn waves(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let waves = &timeline.plan.waves;
    let mut spans = vec![(NONE, 0u32); waves.len()];
    for act in &timeline.acts {
        if let Some(span) = act.wave.checked_sub(1).and_then(|it| spans.get_mut(ix(it))) {
            *span = (span.0.min(act.start), span.1.max(act.end));
        }
    }
    let mut before = 0;
    for ((wave, number), span) in waves.iter().zip(1u32..).zip(spans) {
        log.compared(RULE);
        let place = || format!("wave {number}");
        let at = At::moment(wave.start_s);
        if wave.number != number {
            bad(log, at, place(), format!("number {}", wave.number), format!("its position, {number}"));
        }
        if wave.start_s < before {
            let expected = format!("at least {before} s, the start of the wave before");
            bad(log, at, place(), format!("start {} s", wave.start_s), expected);
        }
        before = before.max(wave.start_s);
        if span.0 == NONE {
            bad(log, at, place(), "no step", "at least one");
        } else if span != (wave.start_s, wave.end_s) {
            let found = format!("from {} to {} s", wave.start_s, wave.end_s);
            bad(log, at, place(), found, format!("the span of its steps, from {} to {} s", span.0, span.1));
        }
        if wave.soak_until_s < wave.end_s {
            let expected = format!("at least {} s, its end", wave.end_s);
            bad(log, at, place(), format!("soak until {} s", wave.soak_until_s), expected);
        }
        if wave.layer != Layer::Host && (wave.ring.is_some() || wave.canary) {
            let found = format!("a ring or canaries in the layer {}", wave.layer.name());
            bad(log, at, place(), found, "rings and canaries of hosts only");
        }
        elements(world, wave, number, log);
    }
    // A path that no wave lists is one of a step whose subject is not in its wave: fine where guests leave it early, or come home that a plan
    // before had on their way.
    let follows = timeline.plan.parent.is_some();
    for path in &timeline.paths {
        let is_fine = || leaves_early(timeline, path) || (follows && timeline.only_takes(path));
        if !path.listed && path.wave != 0 && !is_fine() {
            let found = format!("steps for {}", world.id(path.element));
            bad(log, At::NONE, format!("wave {}", path.wave), found, "steps for its elements only");
        }
    }
}

/// Guests leave a host that a later wave changes, and nothing else is done.
fn leaves_early(timeline: &Timeline<'_>, path: &Path) -> bool {
    let leaves = |step: &u32| {
        let doing = timeline.acts.get(ix(*step)).map(|it| &it.doing);
        match doing {
            Some(Doing::Migrate { from, .. }) => path.element == Elem::Host(*from),
            Some(Doing::Evacuate { host, .. }) => path.element == Elem::Host(*host),
            _ => false,
        }
    };
    let later = |it: &Path| it.element == path.element && it.listed && it.wave > path.wave;
    path.steps.iter().all(leaves) && timeline.paths.iter().any(later)
}

fn elements(world: &World<'_>, wave: &Wave, number: u32, log: &mut Log<'_>) {
    let at = At::moment(wave.start_s);
    let place = || format!("wave {number}");
    let mut seen: Vec<&str> = wave.elements.iter().map(|it| it.as_str()).collect();
    seen.sort_unstable();
    if let Some([twice, _]) = seen.array_windows::<2>().find(|[a, b]| a == b) {
        bad(log, at, place(), format!("{twice} twice"), "every element once");
    }
    let cluster = wave.cluster.as_ref().map(|it| it.as_str());
    if let Some(id) = cluster
        && !world.cluster_at.contains_key(id)
    {
        bad(log, at, place(), format!("cluster {id}"), "a cluster of the fleet");
    }
    let has = |ring: &String| world.fleet.hosts.iter().any(|it| it.ring.as_ref() == Some(ring));
    if let Some(ring) = wave.ring.as_ref().filter(|it| !has(it)) {
        bad(log, at, place(), format!("ring {ring:?}"), "a ring of the fleet's hosts");
    }
    // Where an emergency merges rings, a wave of several has none.
    let rings: BTreeSet<Option<&str>> = wave
        .elements
        .iter()
        .filter_map(|id| world.element(id.as_str())?.host())
        .filter_map(|it| world.hosts.get(ix(it)))
        .map(|it| it.host.ring.as_deref())
        .collect();
    let mixed = rings.len() > 1 && wave.ring.is_none();
    for id in &wave.elements {
        let Some(element) = world.element(id.as_str()) else {
            bad(log, at, place(), id.to_string(), "an element of the fleet");
            continue;
        };
        if element.layer() != wave.layer {
            let found = format!("{id}, of the layer {}", element.layer().name());
            bad(log, at, place(), found, format!("elements of the layer {}", wave.layer.name()));
        }
        let Elem::Host(host) = element else { continue };
        let Some(row) = world.hosts.get(ix(host)) else { continue };
        if wave.layer == Layer::Host && row.host.ring != wave.ring && !mixed {
            let found = format!("{id} of ring {}", named(row.host.ring.as_deref()));
            bad(log, at, place(), found, format!("hosts of ring {}", named(wave.ring.as_deref())));
        }
        if cluster.is_some_and(|it| Some(it) != row.host.cluster.as_ref().map(|it| it.as_str())) {
            let found = format!("{id} of another cluster");
            bad(log, at, place(), found, format!("hosts of cluster {}", named(cluster)));
        }
    }
}

fn named(text: Option<&str>) -> String {
    text.map_or_else(|| "none".to_owned(), |it| format!("{it:?}"))
}
