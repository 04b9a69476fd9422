//! `plan run`: carries a plan out step by step on the virtual clock, and compares what came of it with the plan.
//!
//! A step begins when its time has come and every step that it waits for has ended; it is over when the platform says so *and* the
//! datacentre shows it. This is a player of plans for stories and tests: it repeats an order that was not answered, and stops where a
//! step fails. Going on after a failure is the engine's business.

mod choice;
mod occupied;
mod run;
mod shown;

use underpin_model::plan::{Step, StepKind};
use underpin_platforms::platform::{Action, FailureKind, Key, TaskId, TaskState};

use self::run::{Run, Running};
use super::orders::Answer;
use super::words::{Arguments, Wrong, shown_ms};
use super::{Files, Session, Stop};
use crate::datacentre::EventKind;

/// After an unanswered call the same order is given again so much later, in milliseconds.
const AGAIN_MS: u64 = 10_000;
/// Differences that are listed; the rest are counted.
const MOST_LISTED: usize = 20;

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
        let changes = self.datacentre.base.planning.as_ref().map(|it| it.changes.as_slice());
        let mut run = Run::new(&plan, changes.unwrap_or_default(), self.datacentre.clock_ms());
        run.placed = run.chooses().then(|| self.places().into_iter().collect());
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
            Ok(()) if run.done < plan.steps.len() => {
                let why = run.held.take().unwrap_or_default();
                lines.push(format!("held {why}; plan again from what is there, with --parent"));
                "again"
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
                if run.held.is_some() {
                    return self.thaw_what_is_frozen(run);
                }
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
            if let Some(why) = self.elsewhere(run, step) {
                run.hold(why);
            }
            if !run.begins(step) {
                run.ready.remove(&(at_ms, at));
                continue;
            }
            self.remember(run, step);
            let Some(action) = self.action_of(run, step) else {
                run.ready.remove(&(at_ms, at));
                run.end(at, now_ms);
                continue;
            };
            if let Some(why) = self.still_occupied(run, step) {
                return Err(format!("step {at} ({}): {why}", name(step)));
            }
            let boots = self.boots_of(step);
            self.datacentre.declared = run.durations(step);
            let begun = self.datacentre.begin(&Key(format!("{}/{at}", run.key)), self.generation, &action);
            self.datacentre.declared = None;
            match begun {
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
                            "not slow but never: it runs since {took}, planned {}",
                            shown_ms(i64::from(step.p95_s) * 1000)
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
                            "step {at} ({}) took {took}, planned {}",
                            name(step),
                            shown_ms(i64::from(step.p95_s) * 1000)
                        ));
                    }
                    run.end(at, now_ms);
                    self.give_back(run, step, at);
                }
                Ok(TaskState::Failed { kind: FailureKind::Other(kind), text }) => {
                    return fail(format!("{kind}: {text}"));
                }
                Ok(TaskState::Failed { kind, text }) if self.left_by_choice(run, at, &kind, &text) => {}
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
    fn give_back(&mut self, run: &Run<'_>, step: &Step, at: usize) {
        let StepKind::Verify { element } = &step.kind else { return };
        let host = self.datacentre.host_at(element.as_str()).and_then(|it| self.datacentre.hosts.get(it));
        if let Some(host) = host.filter(|it| it.maintenance).map(|it| it.id.clone()) {
            let key = Key(format!("{}/{at}/exit-maintenance", run.key));
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
}

/// A step in a word and its subject.
fn name(step: &Step) -> String {
    let kind = serde_json::to_value(&step.kind).ok();
    let word = kind.as_ref().and_then(|it| it.get("kind")?.as_str()).unwrap_or("step").to_owned();
    let about =
        step.kind.vm().map(ToString::to_string).or_else(|| step.kind.element().map(ToString::to_string));
    about.map_or(word.clone(), |it| format!("{word} {it}"))
}
