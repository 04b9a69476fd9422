//! The language of scripts: one command a line, `#` begins a comment. `help` lists the commands.
//!
//! A script is carried out line by line on a [`Session`]; it fails at the first line that is wrong, or whose expectation is not met,
//! with the line, what was found and what was expected.

mod build;
mod example;
mod expect;
mod facts;
mod faults;
mod help;
mod orders;
mod plan_run;
mod setting;
mod show;
mod words;

use std::fmt;

use underpin_model::fleet::{Fleet, Seen};

use self::words::{Arguments, Word, Wrong, clock, short};
use crate::datacentre::Datacentre;
use crate::history::History;

/// Most events that a command shows; the rest are counted.
const MOST_SHOWN: usize = 60;
/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 10_000;

/// Where scripts read fleets and plans from.
pub trait Files {
    /// The bytes of a file by the name that stands in the script.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, name: &str) -> Result<Vec<u8>, String>;
}

/// No files: `load` and `plan run` are refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        Err(format!("{name}: files cannot be read here"))
    }
}

/// How large a script may make the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Hosts.
    pub hosts: usize,
    /// Guests.
    pub guests: usize,
    /// Longest `run` and `wait`, in milliseconds.
    pub span_ms: u64,
}

impl Default for Limits {
    /// 10,000 hosts, 200,000 guests, a year.
    fn default() -> Self {
        Self { hosts: 10_000, guests: 200_000, span_ms: 366 * 86_400_000 }
    }
}

/// Why a script stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// The line itself, cut.
    pub text: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// The line was understood, and what it expects is not so.
    pub unmet: bool,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, text, found, expected, unmet } = self;
        let what = if *unmet { "not as expected" } else { "wrong" };
        write!(f, "line {line}: {what}: {text}\n  found {found}\n  expected {expected}")
    }
}

impl std::error::Error for ScriptError {}

/// Why a line stopped.
enum Stop {
    Wrong(Wrong),
    Unmet(Wrong),
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

/// A script under way.
#[derive(Debug, Clone)]
pub struct Session {
    datacentre: Datacentre,
    history: History,
    limits: Limits,
    /// What the last order or question was answered with.
    answer: orders::Answer,
    generation: u64,
    line: usize,
    shown_events: usize,
}

impl Session {
    /// A session on an empty datacentre with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let at = example::SEEN;
        let fleet = Fleet::new("empty", Seen { at, by: "simulation".to_owned() });
        Self::with(Datacentre::new(fleet, seed), Limits::default())
    }

    /// A session on a datacentre.
    #[must_use]
    pub fn with(datacentre: Datacentre, limits: Limits) -> Self {
        Self {
            history: History::new(datacentre.clone()),
            shown_events: datacentre.event_count(),
            datacentre,
            limits,
            answer: orders::Answer::default(),
            generation: 1,
            line: 0,
        }
    }

    /// The datacentre as it is now.
    #[must_use]
    pub fn datacentre(&self) -> &Datacentre {
        &self.datacentre
    }

    /// Carries out a script. What it printed, whole scripts and stopped ones alike, is in the first part.
    ///
    /// # Errors
    /// [`ScriptError`]: the line at which it stopped.
    pub fn script(&mut self, text: &str, files: &dyn Files) -> Result<String, ScriptError> {
        let mut out = String::new();
        self.carry_out(text, files, |line| {
            out.push_str(line);
            out.push('\n');
        })?;
        Ok(out)
    }

    /// Carries out a script, and tells each line that it prints: its own lines, and what they answer.
    ///
    /// # Errors
    /// [`ScriptError`]: the line at which it stopped.
    pub fn carry_out(
        &mut self,
        text: &str,
        files: &dyn Files,
        mut tell: impl FnMut(&str),
    ) -> Result<(), ScriptError> {
        for line in text.lines() {
            tell(line);
            self.line(line, files, |line| tell(&format!("  {line}")))?;
        }
        Ok(())
    }

    /// Carries out one line.
    ///
    /// # Errors
    /// [`ScriptError`]: the line is wrong, or what it expects is not so. Nothing has changed then.
    pub fn line(
        &mut self,
        line: &str,
        files: &dyn Files,
        mut tell: impl FnMut(&str),
    ) -> Result<(), ScriptError> {
        self.line += 1;
        let before = self.datacentre.clone();
        let result = self.command(line, files);
        match result {
            Ok(lines) => {
                for event in self.datacentre.events().skip(self.shown_events).take(MOST_SHOWN) {
                    tell(&format!("{} {}", clock(event.at_ms), event.text));
                }
                let more = self.datacentre.event_count().saturating_sub(self.shown_events + MOST_SHOWN);
                if more > 0 {
                    tell(&format!("... and {more} more events: `show events` lists all"));
                }
                self.shown_events = self.datacentre.event_count();
                lines.iter().for_each(|line| tell(line));
                Ok(())
            }
            Err(stop) => {
                self.datacentre = before;
                let (Stop::Wrong(wrong) | Stop::Unmet(wrong)) = &stop;
                Err(ScriptError {
                    line: self.line,
                    text: short(line.trim()),
                    found: wrong.found.clone(),
                    expected: wrong.expected.clone(),
                    unmet: matches!(stop, Stop::Unmet(_)),
                })
            }
        }
    }

    fn command(&mut self, line: &str, files: &dyn Files) -> Result<Vec<String>, Stop> {
        if line.len() > LONGEST_LINE {
            let found = format!("a line of {} bytes", line.len());
            return Err(Wrong::new(found, format!("at most {LONGEST_LINE} bytes in a line")).into());
        }
        let mut words = words::words(line);
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let verb = match words.remove(0) {
            Word::Plain(verb) => verb,
            pair @ Word::Pair(..) => {
                return Err(Wrong::new(pair.to_string(), "a command; `help` lists them").into());
            }
        };
        let mut rest = Arguments(words);
        match verb.as_str() {
            "expect" => return self.expect(&mut rest),
            "show" => return Ok(self.show(&mut rest)?),
            "help" => return Ok(help::lines(rest.maybe_name().as_deref())),
            "undo" | "save" | "branch" => return Ok(self.travel(&verb, &mut rest)?),
            "observe" => {
                rest.end("nothing after observe")?;
                self.answer = orders::Answer::of(self.datacentre.observe().map(|_| "observation".to_owned()));
                return Ok(vec![self.answer.to_string()]);
            }
            _ => {}
        }
        let lines = self.changes(&verb, &mut rest, files)?;
        self.history.push(&short(line.trim()), self.datacentre.clone());
        Ok(lines)
    }

    /// Commands that change the datacentre: each adds a state to the history.
    fn changes(&mut self, verb: &str, rest: &mut Arguments, files: &dyn Files) -> Result<Vec<String>, Stop> {
        let lines = match verb {
            "load-example" => self.load_example(rest)?,
            "load" => self.load(rest, files)?,
            "host" => self.host(rest)?,
            "vm" => self.vm(rest)?,
            "cluster" => self.cluster(rest)?,
            "storage" => self.storage(rest)?,
            "plane" => self.plane(rest)?,
            "rule" => self.rule(rest)?,
            "set" => self.set(rest)?,
            "fault" => self.fault(rest)?,
            "mend" => self.mend(rest)?,
            "power-on" => self.power_on(rest)?,
            "do" => self.order(rest)?,
            "cancel" => self.cancel(rest)?,
            "ask" => self.ask(rest)?,
            "generation" => {
                let text = rest.name("a generation")?;
                rest.end("nothing after the generation")?;
                self.generation = words::number(&text, 0, u64::MAX)?;
                Vec::new()
            }
            "run" => {
                let span = rest.name("how long: run 10m")?;
                rest.end("nothing after the duration")?;
                self.run(words::duration_ms(&span)?)?
            }
            "wait" => self.wait(rest)?,
            "plan" => return self.plan_run(rest, files),
            other => return Err(Wrong::new(other, "a command; `help` lists them").into()),
        };
        Ok(lines)
    }

    fn run(&mut self, span_ms: u64) -> Result<Vec<String>, Wrong> {
        if span_ms > self.limits.span_ms {
            let most = words::shown_ms(i64::try_from(self.limits.span_ms).unwrap_or(i64::MAX));
            return Err(Wrong::new(
                words::shown_ms(i64::try_from(span_ms).unwrap_or(i64::MAX)),
                format!("at most {most} at a time"),
            ));
        }
        self.datacentre.run(span_ms).map_err(|error| Wrong::new(error.to_string(), "a shorter span"))?;
        Ok(Vec::new())
    }

    /// Runs until every task has ended, at most for a while. A task that goes on is no error: `expect` tells.
    fn wait(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        const A_DAY_MS: u64 = 86_400_000;
        let most_ms = rest.maybe_name().map(|it| words::duration_ms(&it)).transpose()?.unwrap_or(A_DAY_MS);
        rest.end("nothing after the duration")?;
        let until_ms = self.datacentre.clock_ms().saturating_add(most_ms.min(self.limits.span_ms));
        let mut left = crate::datacentre::MOST_HAPPENINGS;
        while self.running_tasks() > 0 && self.datacentre.next_ms().is_some_and(|it| it <= until_ms) {
            let full = self.datacentre.is_full();
            left = left
                .checked_sub(1)
                .filter(|_| !full)
                .ok_or_else(|| Wrong::new("too many events", "a shorter wait"))?;
            self.datacentre.step();
        }
        match self.running_tasks() {
            0 => Ok(Vec::new()),
            running => {
                self.datacentre
                    .run_to(until_ms)
                    .map_err(|error| Wrong::new(error.to_string(), "a shorter wait"))?;
                Ok(vec![format!(
                    "{running} tasks are still running at {}",
                    clock(self.datacentre.clock_ms())
                )])
            }
        }
    }

    fn running_tasks(&self) -> usize {
        self.datacentre.running_tasks()
    }

    /// Commands that go through the tree of states.
    fn travel(&mut self, verb: &str, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let word = rest.maybe_name();
        rest.end("one word at most")?;
        let found = match (verb, word) {
            ("save", Some(name)) => {
                self.history.save(&name);
                return Ok(vec![format!("saved as {name}")]);
            }
            ("branch", Some(name)) => self.history.branch(&name).cloned().ok_or_else(|| {
                let names: Vec<&str> = self.history.names().map(|it| it.0).collect();
                let names = if names.is_empty() {
                    "`save NAME` first".to_owned()
                } else {
                    format!("one of {}", names.join(", "))
                };
                Wrong::new(name, names)
            })?,
            ("undo", steps) => {
                let steps = steps.map(|it| words::number(&it, 1, 1_000_000)).transpose()?.unwrap_or(1);
                let steps = usize::try_from(steps).unwrap_or(usize::MAX);
                let none = || Wrong::new("the first state", "fewer steps: there is nothing before it");
                self.history.undo(steps).cloned().ok_or_else(none)?
            }
            (verb, _) => return Err(Wrong::new("the end of the line", format!("{verb} NAME"))),
        };
        self.datacentre = found;
        self.shown_events = self.datacentre.event_count();
        Ok(vec![format!("back at {}, state {}", clock(self.datacentre.clock_ms()), self.history.at())])
    }
}
