//! `plan run`: carries a plan out step by step on the virtual clock, and compares what came of it with the plan.
//!
//! A step begins when its time has come and every step that it waits for has ended; it is over when the platform says so *and* the
//! datacentre shows it. This is a player of plans for stories and tests: it repeats an order that was not answered, and stops where a
//! step fails. Going on after a failure is the engine's business.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::id::{ElementId, VmId};
use underpin_model::plan::{Plan, Step, StepKind};
use underpin_platforms::platform::{Action, Evidence, FailureKind, HostFacts, Key, TaskId, TaskState};

use super::orders::{Answer, last_saved};
use super::words::{Arguments, Wrong, clock, shown_ms};
use super::{Files, Session, Stop};
use crate::datacentre::{EventKind, HostPower, PowerState};

/// After an unanswered call the same order is given again so much later, in milliseconds.
const AGAIN_MS: u64 = 10_000;
/// For so long, in milliseconds.
const ASKS_FOR_MS: u64 = 3_600_000;
/// A step that takes longer than so many times its planned span, and an hour more, is never over.
const NEVER: u64 = 4;
/// Differences that are listed; the rest are counted.
const MOST_LISTED: usize = 20;

/// A plan under way.
struct Run<'a> {
    plan: &'a Plan,
    began_ms: u64,
    /// How many steps each one still waits for.
    waits: Vec<usize>,
    followers: Vec<Vec<usize>>,
    /// Steps that wait for their time only: by that time, in milliseconds of the virtual clock.
    ready: BTreeSet<(u64, usize)>,
    running: BTreeMap<usize, Running>,
    /// When an order that was not answered yet was given first.
    asked: BTreeMap<usize, u64>,
    done: usize,
    /// Facts of hosts before anything was done to them.
    before: BTreeMap<ElementId, HostFacts>,
    late: Vec<String>,
    /// What each change installs on an element, hop by hop.
    hops: BTreeMap<(ElementId, String), Vec<String>>,
}

struct Running {
    task: TaskId,
    began_ms: u64,
    boots: u32,
}

impl Session {
    pub(super) fn plan_run(&mut self, rest: &mut Arguments, files: &dyn Files) -> Result<Vec<String>, Stop> {
        let verb = rest.name("plan run FILE")?;
        let name = rest.name("a plan file: plan run FILE")?;
        rest.end("nothing after the file")?;
        if verb != "run" {
            return Err(Wrong::new(verb, "plan run FILE").into());
        }
        let bytes = files.read(&name).map_err(|error| Wrong::new(error, "a plan file that can be read"))?;
        let plan = underpin_model::plan::read(&bytes).map_err(|mistakes| {
            let first = mistakes.first().map_or_else(String::new, ToString::to_string);
            Wrong::new(format!("{name}: {first}"), "a plan as `underpin plan` writes it")
        })?;
        let harms_before = self.harms();
        // A plan that begins later is waited for: locks and windows are instants.
        let ahead = plan.starts_at.as_millisecond().saturating_sub(self.datacentre.now().as_millisecond());
        if let Ok(ahead) = u64::try_from(ahead) {
            self.datacentre
                .run(ahead)
                .map_err(|error| Wrong::new(error.to_string(), "a plan that begins soon"))?;
        }
        let mut run = Run::new(&plan, self.datacentre.clock_ms());
        let stopped = self.carry(&mut run);
        let mut lines = Vec::new();
        let took_ms = self.datacentre.clock_ms().saturating_sub(run.began_ms);
        let planned_ms = u64::from(plan.end_s()) * 1000;
        let text = |ms: u64| shown_ms(i64::try_from(ms / 1000 * 1000).unwrap_or(i64::MAX));
        lines.push(format!(
            "{} of {} steps done in {}, planned {}",
            run.done,
            plan.steps.len(),
            text(took_ms),
            text(planned_ms)
        ));
        let mut differs = self.differences(&run);
        differs.extend(std::mem::take(&mut run.late));
        let harms = self.harms().saturating_sub(harms_before);
        if harms > 0 {
            differs.push(format!("{harms} times a guest came to harm"));
        }
        let kind = match &stopped {
            Err(why) => {
                lines.push(format!("stopped: {why}"));
                "stopped"
            }
            Ok(()) if differs.is_empty() => "done",
            Ok(()) => "differs",
        };
        let more = differs.len().saturating_sub(MOST_LISTED);
        lines.extend(differs.into_iter().take(MOST_LISTED).map(|it| format!("differs from the plan: {it}")));
        if more > 0 {
            lines.push(format!("... and {more} more differences"));
        }
        self.answer = Answer { kind, text: lines.first().cloned().unwrap_or_default() };
        Ok(lines)
    }

    fn harms(&self) -> usize {
        self.datacentre.events().filter(|it| it.kind == EventKind::Harm).count()
    }

    fn carry(&mut self, run: &mut Run<'_>) -> Result<(), String> {
        let mut left = crate::datacentre::MOST_HAPPENINGS;
        while run.done < run.plan.steps.len() {
            left = left.checked_sub(1).filter(|_| !self.datacentre.is_full()).ok_or("too much happened")?;
            self.begin_ready(run)?;
            let again_ms = self.look_at_running(run)?;
            // What ended now may have set others free for now.
            if run.ready.first().is_some_and(|it| it.0 <= self.datacentre.clock_ms()) {
                continue;
            }
            if run.done >= run.plan.steps.len() {
                break;
            }
            if run.running.is_empty() && run.ready.is_empty() {
                return Err("the steps that are left wait for each other".to_owned());
            }
            let next_ready = run.ready.first().map(|it| it.0);
            let polled = (!run.running.is_empty()).then(|| self.datacentre.next_ms()).flatten();
            let deadline = run.running.iter().map(|(at, it)| run.deadline_ms(*at, it)).min();
            let next = [next_ready, polled, deadline, again_ms].into_iter().flatten().min();
            let next = next.ok_or("nothing is to come, and steps are left")?;
            if self.datacentre.next_ms().is_some_and(|it| it <= next) {
                self.datacentre.step();
            } else {
                self.datacentre.run_to(next).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// Orders what is ready; what was not answered is ordered again later.
    fn begin_ready(&mut self, run: &mut Run<'_>) -> Result<(), String> {
        let now_ms = self.datacentre.clock_ms();
        let ready: Vec<(u64, usize)> = run.ready.range(..=(now_ms, usize::MAX)).copied().collect();
        for (at_ms, at) in ready {
            let Some(step) = run.plan.steps.get(at) else { continue };
            self.remember(run, step);
            let Some(action) = self.action_of(run, step) else {
                run.ready.remove(&(at_ms, at));
                run.end(at, now_ms);
                continue;
            };
            let boots = self.boots_of(step);
            match self.datacentre.begin(&Key(format!("plan/{at}")), self.generation, &action) {
                Ok(task) => {
                    run.ready.remove(&(at_ms, at));
                    run.asked.remove(&at);
                    run.running.insert(at, Running { task, began_ms: now_ms, boots });
                }
                Err(error) if error.may_have_happened() && run.may_ask_again(at, now_ms) => {
                    run.ready.remove(&(at_ms, at));
                    run.ready.insert((now_ms + AGAIN_MS, at));
                }
                Err(error) => return Err(format!("step {at} ({}): {error}", name(step))),
            }
        }
        Ok(())
    }

    /// Asks after what runs. Where a question was not answered, returns when to ask again.
    fn look_at_running(&mut self, run: &mut Run<'_>) -> Result<Option<u64>, String> {
        let mut again_ms = None;
        let now_ms = self.datacentre.clock_ms();
        let tasks: Vec<(usize, TaskId, u64, u32)> =
            run.running.iter().map(|(at, it)| (*at, it.task.clone(), it.began_ms, it.boots)).collect();
        for (at, task, began_ms, boots) in tasks {
            let Some(step) = run.plan.steps.get(at) else { continue };
            let fail = |why: String| Err(format!("step {at} ({}): {why}", name(step)));
            match self.datacentre.task_state(&task) {
                Ok(TaskState::Running { .. }) => {
                    let deadline = run.running.get(&at).map(|it| run.deadline_ms(at, it));
                    if deadline.is_some_and(|it| it <= now_ms) {
                        let took = shown_ms(i64::try_from(now_ms - began_ms).unwrap_or(i64::MAX));
                        return fail(format!(
                            "not slow but never: it runs since {took}, planned {} s",
                            step.p95_s
                        ));
                    }
                }
                Ok(TaskState::Done { evidence }) => {
                    if let Err(why) = self.holds(run, step, &evidence, boots) {
                        return fail(format!("reported done, and is not: {why}"));
                    }
                    run.running.remove(&at);
                    let took_ms = now_ms.saturating_sub(began_ms);
                    if took_ms > u64::from(step.p95_s) * 1000 {
                        let took = shown_ms(i64::try_from(took_ms / 1000 * 1000).unwrap_or(i64::MAX));
                        run.late.push(format!(
                            "step {at} ({}) took {took}, planned {} s",
                            name(step),
                            step.p95_s
                        ));
                    }
                    run.end(at, now_ms);
                    self.give_back(step, at);
                }
                Ok(TaskState::Failed { kind: FailureKind::Other(kind), text }) => {
                    return fail(format!("{kind}: {text}"));
                }
                Ok(TaskState::Failed { kind, text }) => return fail(format!("{kind}: {text}")),
                Ok(TaskState::Unknown { text }) => return fail(text),
                Err(error) if error.may_have_happened() && run.may_ask_again(at, now_ms) => {
                    again_ms = Some(now_ms + AGAIN_MS);
                }
                Err(error) => return fail(error.to_string()),
            }
        }
        Ok(again_ms)
    }

    /// A host that the platform emptied takes guests again once it was verified.
    fn give_back(&mut self, step: &Step, at: usize) {
        let StepKind::Verify { element } = &step.kind else { return };
        let host = self.datacentre.host_at(element.as_str()).and_then(|it| self.datacentre.hosts.get(it));
        if let Some(host) = host.filter(|it| it.maintenance).map(|it| it.id.clone()) {
            let key = Key(format!("plan/{at}/exit-maintenance"));
            // Not answered: the host stays in maintenance, which the next order on it shows.
            let _answer = self.datacentre.begin(&key, self.generation, &Action::ExitMaintenance { host });
        }
    }

    fn boots_of(&self, step: &Step) -> u32 {
        let host = step.kind.element().and_then(|it| self.datacentre.host_at(it.as_str()));
        host.and_then(|it| self.datacentre.hosts.get(it)).map_or(0, |it| it.boots)
    }

    /// Keeps what a host tells before the first thing is done to it.
    fn remember(&self, run: &mut Run<'_>, step: &Step) {
        let Some(subject) = &step.subject else { return };
        if !run.before.contains_key(subject)
            && let Some(facts) =
                self.datacentre.host_at(subject.as_str()).and_then(|it| self.datacentre.facts(it))
        {
            run.before.insert(subject.clone(), facts);
        }
    }

    /// What is asked of the platform; nothing at a gate.
    fn action_of(&self, run: &Run<'_>, step: &Step) -> Option<Action> {
        Some(match step.kind.clone() {
            StepKind::Gate { .. } => return None,
            StepKind::Freeze { cluster, what } => {
                Action::Freeze { cluster, what: what.into_iter().collect() }
            }
            StepKind::Thaw { cluster } => {
                Action::Thaw { saved: last_saved(&self.datacentre, &cluster).unwrap_or_default(), cluster }
            }
            StepKind::Stage { element, change } => Action::Stage {
                to: run.hops.get(&(element.clone(), change)).cloned().unwrap_or_default(),
                element,
            },
            StepKind::BackupCheck { element } => Action::BackupCheck { element },
            StepKind::Migrate { vm, from, to, live, mbps, .. } => {
                Action::Migrate { vm, from, to, live, mbps: (mbps > 0).then_some(mbps) }
            }
            StepKind::Evacuate { host, only_to, mbps, .. } => Action::Evacuate {
                host,
                only_to: only_to.into_iter().collect(),
                mbps: (mbps > 0).then_some(mbps),
            },
            StepKind::Stop { vm, host, .. } => Action::Stop { vm, host },
            StepKind::Start { vm, host } => Action::Start { vm, host },
            StepKind::Suspend { vm, host, .. } => Action::Suspend { vm, host },
            StepKind::Resume { vm, host } => Action::Resume { vm, host },
            StepKind::Patch { element, method, to, unit, .. } => Action::Patch { element, method, to, unit },
            StepKind::Reboot { element, quick } => Action::Reboot { element, quick },
            StepKind::Attest { element } => Action::Attest { element },
            StepKind::Verify { element } => Action::Verify { element },
        })
    }

    /// Whether the datacentre shows what the platform reported.
    fn holds(&self, run: &mut Run<'_>, step: &Step, evidence: &Evidence, boots: u32) -> Result<(), String> {
        let data = &self.datacentre;
        let host_of = |vm: &VmId| {
            let at = data.guest_at(vm.as_str()).and_then(|it| data.guests.get(it)?.host);
            at.map_or_else(|| "no host".to_owned(), |it| data.name_of(it))
        };
        let expect = |what: &str, found: &str, wanted: &str| {
            if found == wanted { Ok(()) } else { Err(format!("{what} is {found}, expected {wanted}")) }
        };
        match (&step.kind, evidence) {
            (StepKind::Migrate { vm, to, .. }, _) => {
                expect(&format!("the host of {vm}"), &host_of(vm), to.as_str())
            }
            (StepKind::Stop { vm, .. }, _) => self.powered(vm, PowerState::Off),
            (StepKind::Suspend { vm, .. }, _) => self.powered(vm, PowerState::Suspended),
            (StepKind::Start { vm, .. } | StepKind::Resume { vm, .. }, _) => self.powered(vm, PowerState::On),
            (StepKind::Evacuate { host, only_to, .. }, evidence) => {
                let left = data.host_at(host.as_str()).map_or(0, |it| data.running_on(it));
                expect("the number of guests left", &left.to_string(), "0")?;
                // Whoever an earlier evacuation brought elsewhere than expected was not on this host.
                let moved = match evidence {
                    Evidence::Emptied { moved, .. } => moved.as_slice(),
                    _ => &[],
                };
                let out = moved
                    .iter()
                    .map(|it| (&it.0, host_of(&it.0)))
                    .find(|(_, on)| on != host.as_str() && !only_to.iter().any(|it| it.as_str() == on));
                out.map_or(Ok(()), |(vm, on)| Err(format!("{vm} went to {on}, which may not take guests")))
            }
            (StepKind::Patch { element, to, .. }, _) => {
                let host = data.host_at(element.as_str()).and_then(|it| data.hosts.get(it));
                if let (Some((setting, value)), Some(before)) =
                    (to.split_once('='), run.before.get_mut(element))
                {
                    before.settings.insert(setting.to_owned(), value.to_owned());
                    return Ok(());
                }
                host.map_or(Ok(()), |it| {
                    expect("the installed release", it.installed.as_deref().unwrap_or("unknown"), to)
                })
            }
            (StepKind::Reboot { element, .. }, _) => {
                let host = data.host_at(element.as_str()).and_then(|it| data.hosts.get(it));
                match host {
                    Some(it) if it.boots <= boots => Err(format!("the boot id is {} as before", it.boot_id)),
                    Some(it) if it.power != HostPower::Up => Err(format!("the host is {}", it.power.name())),
                    _ => Ok(()),
                }
            }
            (StepKind::Attest { .. }, Evidence::Attested { compared, differ, .. }) => {
                if *compared == 0 {
                    return Err("no measurement was compared".to_owned());
                }
                if differ.is_empty() {
                    Ok(())
                } else {
                    Err(format!("measurements differ: {}", differ.join(", ")))
                }
            }
            (StepKind::Verify { element }, Evidence::Verified { facts, unwell, .. }) => {
                if let (Some(now), Some(before)) = (facts, run.before.get(element)) {
                    let worse = now.worse_than(before);
                    if !worse.is_empty() {
                        return Err(worse.join("; "));
                    }
                }
                let hung: Vec<&str> = unwell
                    .iter()
                    .filter(|it| it.1 != underpin_platforms::platform::GuestHealth::Booting)
                    .map(|it| it.0.as_str())
                    .collect();
                if hung.is_empty() {
                    Ok(())
                } else {
                    Err(format!("guests do not answer: {}", hung.join(", ")))
                }
            }
            (StepKind::Thaw { cluster }, _) => {
                let saved = last_saved(data, cluster).unwrap_or_default();
                let at = data.index.clusters.get(cluster.as_str()).copied();
                let other =
                    saved.iter().find(|(what, on)| at.is_some_and(|at| data.in_force(at, **what) != **on));
                other.map_or(Ok(()), |(what, on)| Err(format!("{what:?} is not back to {on}")))
            }
            _ => Ok(()),
        }
    }

    fn powered(&self, vm: &VmId, wanted: PowerState) -> Result<(), String> {
        let power = self
            .datacentre
            .guest_at(vm.as_str())
            .and_then(|it| self.datacentre.guests.get(it))
            .map(|it| it.power);
        if power == Some(wanted) {
            Ok(())
        } else {
            Err(format!("{vm} is {power:?}, expected {wanted:?}").to_lowercase())
        }
    }

    /// Where the plan would have guests and releases after the steps that were done, and they are not there.
    fn differences(&self, run: &Run<'_>) -> Vec<String> {
        let mut hosts: BTreeMap<&VmId, &str> = BTreeMap::new();
        let mut releases: BTreeMap<&ElementId, &str> = BTreeMap::new();
        let mut emptied: BTreeSet<&VmId> = BTreeSet::new();
        for (at, step) in run.plan.steps.iter().enumerate() {
            if run.waits.get(at) != Some(&usize::MAX) {
                continue;
            }
            match &step.kind {
                StepKind::Migrate { vm, to, .. } => {
                    hosts.insert(vm, to.as_str());
                }
                StepKind::Evacuate { expected, .. } => emptied.extend(expected.iter().map(|it| &it.0)),
                StepKind::Patch { element, to, .. } if !to.contains('=') => {
                    releases.insert(element, to);
                }
                _ => {}
            }
        }
        let mut lines = Vec::new();
        for (vm, planned) in hosts.iter().filter(|it| !emptied.contains(it.0)) {
            let guest = self.datacentre.guest_at(vm.as_str()).and_then(|it| self.datacentre.guests.get(it));
            let on = guest
                .and_then(|it| it.host)
                .map_or_else(|| "no host".to_owned(), |it| self.datacentre.name_of(it));
            if on != *planned {
                lines.push(format!("{vm} is on {on}, planned on {planned}"));
            }
        }
        for (element, planned) in releases {
            let host = self.datacentre.host_at(element.as_str()).and_then(|it| self.datacentre.hosts.get(it));
            if let Some(it) = host.filter(|it| it.running.as_deref() != Some(planned)) {
                let runs = it.running.as_deref().unwrap_or("an unknown release");
                lines.push(format!(
                    "{element} runs {runs}, planned {planned}, at {}",
                    clock(self.datacentre.clock_ms())
                ));
            }
        }
        lines
    }
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, began_ms: u64) -> Self {
        let count = plan.steps.len();
        let mut run = Self {
            plan,
            began_ms,
            waits: vec![0; count],
            followers: vec![Vec::new(); count],
            ready: BTreeSet::new(),
            running: BTreeMap::new(),
            asked: BTreeMap::new(),
            done: 0,
            before: BTreeMap::new(),
            late: Vec::new(),
            hops: BTreeMap::new(),
        };
        for (at, step) in plan.steps.iter().enumerate() {
            if let StepKind::Patch { element, change, to, .. } = &step.kind {
                run.hops.entry((element.clone(), change.clone())).or_default().push(to.clone());
            }
            for before in step.after.iter().filter_map(|it| usize::try_from(*it).ok()) {
                if let Some(it) = run.followers.get_mut(before) {
                    it.push(at);
                }
                if let Some(it) = run.waits.get_mut(at) {
                    *it += 1;
                }
            }
        }
        for at in 0..count {
            if run.waits.get(at) == Some(&0) {
                run.ready.insert((run.time_ms(at), at));
            }
        }
        run
    }

    /// When a step's time has come, in milliseconds of the virtual clock.
    fn time_ms(&self, at: usize) -> u64 {
        self.began_ms.saturating_add(self.plan.steps.get(at).map_or(0, |it| u64::from(it.start_s) * 1000))
    }

    /// Whether a call that was not answered is made again: for an hour.
    fn may_ask_again(&mut self, at: usize, now_ms: u64) -> bool {
        let first_ms = *self.asked.entry(at).or_insert(now_ms);
        now_ms.saturating_sub(first_ms) < ASKS_FOR_MS
    }

    fn deadline_ms(&self, at: usize, running: &Running) -> u64 {
        let planned_s = self.plan.steps.get(at).map_or(0, |it| u64::from(it.p95_s));
        running.began_ms.saturating_add((planned_s * NEVER + 3600) * 1000)
    }

    /// A step has ended: those that wait for nothing else any more are ready at their time.
    fn end(&mut self, at: usize, now_ms: u64) {
        self.done += 1;
        if let Some(it) = self.waits.get_mut(at) {
            *it = usize::MAX;
        }
        let followers = self.followers.get_mut(at).map(std::mem::take).unwrap_or_default();
        for follower in followers {
            let Some(left) = self.waits.get_mut(follower) else { continue };
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.ready.insert((self.time_ms(follower).max(now_ms), follower));
            }
        }
    }
}

/// A step in a word and its subject.
fn name(step: &Step) -> String {
    let kind = serde_json::to_value(&step.kind).ok();
    let word = kind.as_ref().and_then(|it| it.get("kind")?.as_str()).unwrap_or("step").to_owned();
    let about =
        step.kind.vm().map(ToString::to_string).or_else(|| step.kind.element().map(ToString::to_string));
    about.map_or(word.clone(), |it| format!("{word} {it}"))
}
