//! What a step has to wait for by its own words. Whoever carries a plan out late follows `after` and no clock: an order that only the
//! starts of steps show is none then.

mod across;
mod gates;

use underpin_model::plan::{Plan, Rule, Severity, StepKind};

use crate::form::Ids;
use crate::report::{At, Log, Said};
use crate::timeline::{Doing, Path, Timeline};
use crate::world::{Elem, World, ix};

/// Visits of steps that all searches together may take, for each step and each wait of the plan: sound plans take none at all.
const VISITS: u64 = 16;
/// Beyond so many pairs of waits and needs a search is quicker than comparing each with each.
const MOST_COMPARED: usize = 4096;

/// Who waits for whom, directly or through others.
pub(crate) struct Waits {
    /// Steps that each step waits for, by position.
    after: Vec<Vec<u32>>,
    /// Steps that wait for one that the plan does not have: that is told as such, and whatever was lost with it is not told again.
    cut: Vec<bool>,
    /// Who was seen in which search.
    seen: Vec<u32>,
    search: u32,
    visits_left: u64,
    gave_up: bool,
}

impl Waits {
    fn new(plan: &Plan) -> Self {
        let ids = Ids::new(plan);
        let mut cut = vec![false; plan.steps.len()];
        let mut waits = 0;
        let positions = plan.steps.iter().zip(&mut cut).map(|(step, cut)| {
            let found: Vec<u32> = step.after.iter().filter_map(|it| ids.position(plan, *it)).collect();
            *cut = found.len() < step.after.len();
            waits += found.len() as u64;
            found
        });
        let after: Vec<Vec<u32>> = positions.collect();
        let steps = after.len();
        let visits_left = VISITS * (steps as u64 + waits);
        Self { after, cut, seen: vec![0; steps], search: 0, visits_left, gave_up: false }
    }

    /// Those of some steps that a step does not wait for.
    pub(crate) fn missing(&mut self, step: u32, needed: &[u32]) -> Vec<u32> {
        let Some(after) = self.after.get(ix(step)) else { return Vec::new() };
        // Of many needs of many steps each is looked at: that is bounded, too.
        let Some(left) = self.visits_left.checked_sub(needed.len() as u64) else {
            self.gave_up = true;
            return Vec::new();
        };
        self.visits_left = left;
        if after.len().saturating_mul(needed.len()) > MOST_COMPARED {
            return self.search(step, needed.to_vec());
        }
        let missing: Vec<u32> = needed.iter().filter(|it| !after.contains(it)).copied().collect();
        if missing.is_empty() { missing } else { self.search(step, missing) }
    }

    /// The same by a search that goes back as far as the first of the steps.
    fn search(&mut self, step: u32, mut missing: Vec<u32>) -> Vec<u32> {
        let Some(&first) = missing.iter().min() else { return missing };
        self.search += 1;
        let mut open = vec![step];
        while let Some(at) = open.pop() {
            if self.cut.get(ix(at)) == Some(&true) {
                return Vec::new();
            }
            for &before in self.after.get(ix(at)).into_iter().flatten() {
                if self.visits_left == 0 {
                    self.gave_up = true;
                    return Vec::new();
                }
                self.visits_left -= 1;
                if before >= first
                    && before < at
                    && let Some(seen) = self.seen.get_mut(ix(before))
                    && std::mem::replace(seen, self.search) != self.search
                {
                    open.push(before);
                }
            }
        }
        missing.retain(|it| self.seen.get(ix(*it)) != Some(&self.search));
        missing
    }
}

/// A step that does not wait for another, and how often the same happens where it does.
pub(crate) struct Told {
    pub(crate) step: u32,
    missing: u32,
    more: usize,
}

impl Told {
    pub(crate) fn add(told: &mut Option<Self>, step: u32, missing: &[u32]) {
        let Some(&first) = missing.first() else { return };
        match told {
            Some(it) => it.more += missing.len(),
            None => *told = Some(Self { step, missing: first, more: missing.len() - 1 }),
        }
    }
}

impl Told {
    pub(crate) fn say(&self, plan: &Plan, place: String) -> Said {
        let more = match self.more {
            0 => String::new(),
            more => format!(", and {more} more such waits are missing"),
        };
        let (step, missing) = (name(plan, self.step), name(plan, self.missing));
        let found = format!("{step} does not wait for step {}, {missing}{more}", self.missing);
        (place, found, "it in `after`, directly or through other steps".into())
    }
}

pub(crate) fn check(world: &World<'_>, timeline: &Timeline<'_>, log: &mut Log<'_>) {
    let mut waits = Waits::new(timeline.plan);
    let mut first = Vec::with_capacity(timeline.paths.len());
    for path in &timeline.paths {
        let mut told = None;
        first.push(drain(timeline, path, &mut waits, &mut told, log));
        if let Some(told) = told {
            tell(world, timeline, path, &told, log);
        }
    }
    let gates = gates::check(world, timeline, &first, &mut waits, log);
    across::check(world, timeline, &across::Ways { first, gates }, &mut waits, log);
    if waits.gave_up {
        log.add(Rule::Order, Severity::Unknown, At::NONE, || {
            let found = "waits of steps for each other that are too many to follow: not proven".to_owned();
            ("steps".into(), found, "steps that name what they wait for".into())
        });
    }
}

/// An element is worked on after its guests have left or rest and what it needs is there, one work after the other; guests come back
/// and are started after it was verified. Returns the steps that touch and need not wait for another that does: all that touches in the
/// drain follows them.
fn drain(
    timeline: &Timeline<'_>,
    path: &Path,
    waits: &mut Waits,
    told: &mut Option<Told>,
    log: &mut Log<'_>,
) -> Vec<u32> {
    let mut first: Vec<u32> = Vec::new();
    // What nothing waits for so far: what prepares the element, and the work on it that came last.
    let mut prepared: Vec<u32> = Vec::new();
    // Guests that no evacuation takes along: it waits for them to be at rest.
    let mut rest: Vec<u32> = Vec::new();
    let mut last: Option<u32> = None;
    for &step in &path.steps {
        let Some(act) = timeline.acts.get(ix(step)) else { continue };
        let own = act.named() == Some(path.element);
        let here = |host: u32| path.element == Elem::Host(host);
        let mut needed = Vec::new();
        match act.doing {
            Doing::Stage { .. } | Doing::BackupCheck { .. } if own => prepared.push(step),
            Doing::Stop { host, .. } | Doing::Suspend { host, .. } if here(host) => {
                prepared.push(step);
                rest.push(step);
            }
            Doing::Migrate { from, live, .. } if here(from) => {
                prepared.push(step);
                rest.extend(Some(step).filter(|_| !live));
            }
            Doing::Evacuate { host, .. } if here(host) => {
                prepared.push(step);
                needed.append(&mut rest);
            }
            Doing::Patch { .. } | Doing::Reboot { .. } if own => {
                needed.append(&mut prepared);
                needed.extend(last.replace(step));
            }
            Doing::Attest { .. } | Doing::Verify { .. } if own => needed.extend(last.replace(step)),
            Doing::Start { host, .. } | Doing::Resume { host, .. } | Doing::Migrate { to: host, .. }
                if here(host) =>
            {
                needed.extend(last);
            }
            _ => {}
        }
        log.compared_many(Rule::Order, needed.len() as u64);
        // What the clock does not even order is a breach of another rule.
        needed.retain(|it| timeline.acts.get(ix(*it)).is_some_and(|it| it.end <= act.start));
        let touches = |it: &u32| timeline.acts.get(ix(*it)).is_some_and(|it| it.touches);
        if act.touches && !needed.iter().any(touches) {
            first.push(step);
        }
        if !needed.is_empty() {
            Told::add(told, step, &waits.missing(step, &needed));
        }
    }
    first
}

fn tell(world: &World<'_>, timeline: &Timeline<'_>, path: &Path, told: &Told, log: &mut Log<'_>) {
    let start = timeline.acts.get(ix(told.step)).map_or(0, |it| it.start);
    log.error(Rule::Order, At::step(told.step, start), &world.locus_of(path.element), || {
        told.say(timeline.plan, world.id(path.element))
    });
}

/// A step in a word, with what it is about.
fn name(plan: &Plan, step: u32) -> String {
    let Some(kind) = plan.step(step).map(|it| &it.kind) else { return "nothing".to_owned() };
    match kind {
        StepKind::Freeze { cluster, .. } => format!("freeze of {cluster}"),
        StepKind::Gate { .. } => "gate".to_owned(),
        StepKind::Thaw { cluster } => format!("thaw of {cluster}"),
        StepKind::Stage { element, .. } => format!("staging on {element}"),
        StepKind::BackupCheck { element } => format!("check of the backup of {element}"),
        StepKind::Migrate { vm, .. } => format!("migration of {vm}"),
        StepKind::Evacuate { host, .. } => format!("evacuation of {host}"),
        StepKind::Stop { vm, .. } => format!("stop of {vm}"),
        StepKind::Start { vm, .. } => format!("start of {vm}"),
        StepKind::Suspend { vm, .. } => format!("suspension of {vm}"),
        StepKind::Resume { vm, .. } => format!("resumption of {vm}"),
        StepKind::Patch { element, .. } => format!("patch of {element}"),
        StepKind::Reboot { element, .. } => format!("reboot of {element}"),
        StepKind::Attest { element } => format!("attestation of {element}"),
        StepKind::Verify { element } => format!("verification of {element}"),
    }
}
