//! `expect`: a script fails where something is not so.

use super::facts::{CLUSTER, HOST, OBSERVED_HOST, OBSERVED_VM, TASK, TOTAL, VM, Value, redundancy};
use super::words::{Arguments, Word, Wrong};
use super::{Session, Stop};

/// What can be expected.
const SUBJECTS: &str =
    "host, vm, task, storage, cluster, plane, total, clock, answer, events, observed or same-as";

impl Session {
    pub(super) fn expect(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Stop> {
        let subject = match rest.0.first() {
            Some(Word::Plain(_)) => rest.name(SUBJECTS)?,
            // `clock<=10m` is a pair.
            Some(Word::Pair(key, ..)) if key == "clock" => String::new(),
            _ => return Err(Wrong::new(rest.rest_shown(), SUBJECTS).into()),
        };
        match subject.as_str() {
            "" => self.compare(rest, "the clock", &["clock"], |this, field| {
                (field == "clock")
                    .then(|| Value::Span(i64::try_from(this.datacentre.clock_ms()).unwrap_or(i64::MAX)))
            }),
            "host" => {
                let (id, at) = self.named(rest, "host", |this, id| this.datacentre.host_at(id))?;
                self.compare(rest, &id, HOST, |this, field| this.host_fact(at, field))
            }
            "vm" => {
                let (id, at) = self.named(rest, "guest", |this, id| this.datacentre.guest_at(id))?;
                self.compare(rest, &id, VM, |this, field| this.vm_fact(at, field))
            }
            "task" => {
                let name = rest.name("a task, or last")?;
                let task = self.task_named(&name)?;
                let at =
                    task.0.strip_prefix("task-").and_then(|it| it.parse::<usize>().ok()).unwrap_or(1) - 1;
                self.compare(rest, &task.0, TASK, |this, field| this.task_fact(at, field))
            }
            "storage" => {
                let (id, at) =
                    self.named(rest, "storage", |this, id| this.datacentre.index.storage.get(id).copied())?;
                self.compare(rest, &id, &["redundancy"], |this, field| {
                    let it = this.datacentre.storage.get(at).filter(|_| field == "redundancy")?;
                    Some(Value::Text(redundancy(it.redundancy).to_owned()))
                })
            }
            "cluster" => {
                let (id, at) =
                    self.named(rest, "cluster", |this, id| this.datacentre.index.clusters.get(id).copied())?;
                self.compare(rest, &id, CLUSTER, |this, field| this.cluster_fact(at, field))
            }
            "plane" => {
                let (id, at) =
                    self.named(rest, "plane", |this, id| this.datacentre.index.planes.get(id).copied())?;
                self.compare(rest, &id, &["answers"], |this, field| {
                    let it = this.datacentre.planes.get(at).filter(|_| field == "answers")?;
                    Some(Value::Text(if it.up { "yes" } else { "no" }.to_owned()))
                })
            }
            "total" => self.compare(rest, "the datacentre", TOTAL, |this, field| this.total_fact(field)),
            "answer" => self.expect_answer(rest),
            "events" => self.expect_events(rest),
            "observed" => self.expect_observed(rest),
            "same-as" => self.expect_same(rest),
            other => Err(Wrong::new(other, SUBJECTS).into()),
        }
    }

    fn named(
        &self,
        rest: &mut Arguments,
        kind: &'static str,
        find: impl Fn(&Self, &str) -> Option<usize>,
    ) -> Result<(String, usize), Wrong> {
        let id = rest.name(kind)?;
        match find(self, &id) {
            Some(at) => Ok((format!("{kind} {id}"), at)),
            None => Err(Wrong::new(id, format!("a {kind} that exists"))),
        }
    }

    /// Compares every pair that is left with the fact of that name.
    fn compare(
        &self,
        rest: &mut Arguments,
        who: &str,
        fields: &[&str],
        fact: impl Fn(&Self, &str) -> Option<Value>,
    ) -> Result<Vec<String>, Stop> {
        let known = || {
            format!(
                "a comparison like {}=VALUE; there are {}",
                fields.first().unwrap_or(&""),
                fields.join(", ")
            )
        };
        if rest.0.is_empty() {
            return Err(Wrong::new("nothing to compare", known()).into());
        }
        for word in std::mem::take(&mut rest.0) {
            let Word::Pair(field, is, written) = &word else {
                return Err(Wrong::new(word.to_string(), known()).into());
            };
            let found = fact(self, field).ok_or_else(|| Wrong::new(field, known()))?;
            if !is.holds(found.compare(written)?) {
                return Err(Stop::Unmet(Wrong::new(
                    format!("{who} {field}={}", found.shown()),
                    word.to_string(),
                )));
            }
        }
        Ok(Vec::new())
    }

    fn expect_answer(&self, rest: &mut Arguments) -> Result<Vec<String>, Stop> {
        let answer = self.answer.clone();
        self.compare(rest, "the answer", &["kind", "text"], |_, field| match field {
            "kind" => Some(Value::Text(answer.kind.to_owned())),
            "text" => Some(Value::Text(answer.text.clone())),
            _ => None,
        })
    }

    /// Events that contain a text: at least one, or as many as is said.
    fn expect_events(&self, rest: &mut Arguments) -> Result<Vec<String>, Stop> {
        let text = rest.name("a part of an event in quotes")?;
        let count = self.datacentre.events().filter(|it| it.text.contains(&text)).count();
        if rest.0.is_empty() {
            return if count > 0 {
                Ok(Vec::new())
            } else {
                Err(Stop::Unmet(Wrong::new("no such event", format!("an event with {text:?}"))))
            };
        }
        let count = Value::Count(i64::try_from(count).unwrap_or(i64::MAX));
        self.compare(rest, &format!("events with {text:?}:"), &["count"], |_, field| {
            (field == "count").then(|| count.clone())
        })
    }

    /// What the platform tells, as opposed to what is so. It is seen as by a call that is answered.
    fn expect_observed(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Stop> {
        let kind = rest.name("host, vm or age")?;
        let mut other = self.datacentre.clone();
        let seen =
            other.observe().map_err(|error| Stop::Unmet(Wrong::new(error.to_string(), "an observation")))?;
        match kind.as_str() {
            "host" => {
                let id = rest.name("a host")?;
                self.named(&mut Arguments(vec![Word::Plain(id.clone())]), "host", |this, id| {
                    this.datacentre.host_at(id)
                })?;
                self.compare(rest, &format!("observed host {id}"), OBSERVED_HOST, |_, field| {
                    Self::observed_host(&seen, &id, field)
                })
            }
            "vm" => {
                let (id, at) = self.named(rest, "guest", |this, id| this.datacentre.guest_at(id))?;
                self.compare(rest, &format!("observed {id}"), OBSERVED_VM, |_, field| {
                    Self::observed_vm(&seen, at, field)
                })
            }
            "inventory" => {
                let age = self.datacentre.now().duration_since(seen.seen_at).as_millis();
                let age = Value::Span(i64::try_from(age).unwrap_or(i64::MAX));
                let missing = Value::Count(i64::try_from(seen.missing.len()).unwrap_or(i64::MAX));
                self.compare(rest, "the inventory", &["age", "missing"], |_, field| match field {
                    "age" => Some(age.clone()),
                    "missing" => Some(missing.clone()),
                    _ => None,
                })
            }
            other => Err(Wrong::new(other, "host, vm or inventory").into()),
        }
    }

    fn expect_same(&self, rest: &mut Arguments) -> Result<Vec<String>, Stop> {
        let name = rest.name("the name of a saved state")?;
        rest.end("nothing after the name")?;
        let saved = self.history.named(&name).ok_or_else(|| Wrong::new(&name, "a state that was saved"))?;
        if *saved == self.datacentre {
            return Ok(Vec::new());
        }
        let differs = super::show::difference(saved, &self.datacentre);
        let first = differs.first().cloned().unwrap_or_else(|| "the log or the clock".to_owned());
        Err(Stop::Unmet(Wrong::new(format!("another state: {first}"), format!("the state saved as {name}"))))
    }
}
