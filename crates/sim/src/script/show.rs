//! `show`: tables of what is there.

use super::Session;
use super::facts::{Value, redundancy};
use super::words::{Arguments, Wrong, clock, number};
use crate::datacentre::{Datacentre, Guest};

/// Rows that a table shows; the rest are counted.
const MOST_ROWS: usize = 60;

impl Session {
    pub(super) fn show(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        const WHAT: &str = "hosts, guests, clusters, storage, planes, tasks, events, faults, history or diff";
        let what = rest.name(WHAT)?;
        let lines = match what.as_str() {
            "hosts" => self.table(
                &["power", "release", "guests", "free", "maintenance"],
                self.datacentre.hosts.len(),
                "host",
            ),
            "guests" => self.table(
                &["host", "power", "health", "moves", "killed"],
                self.datacentre.guests.len(),
                "guest",
            ),
            "tasks" => self.table(&["action", "state", "kind", "took"], self.datacentre.tasks.len(), "task"),
            "clusters" => self.table(
                &["ha", "balancing", "auto-start", "admission-control"],
                self.datacentre.clusters.len(),
                "cluster",
            ),
            "storage" => self
                .datacentre
                .storage
                .iter()
                .map(|it| format!("{} redundancy={}", it.id, redundancy(it.redundancy)))
                .collect(),
            "planes" => {
                let state = |up: bool| if up { "answers" } else { "does not answer" };
                self.datacentre.planes.iter().map(|it| format!("{} {}", it.id, state(it.up))).collect()
            }
            "events" => {
                let most =
                    rest.maybe_name().map(|it| number(&it, 1, 1_000_000)).transpose()?.unwrap_or(u64::MAX);
                let count = self.datacentre.event_count();
                let skip = count.saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
                let of = |it: &crate::datacentre::Event| {
                    format!("{} {:<7} {}", clock(it.at_ms), it.kind.name(), it.text)
                };
                self.datacentre.events().skip(skip).map(of).collect()
            }
            "faults" => self
                .datacentre
                .faults()
                .map(|(number, it)| format!("{number} {} {:?}", it.kind.name(), it.often))
                .collect(),
            "history" => self.tree(),
            "diff" => {
                let name = rest.maybe_name();
                let other = match &name {
                    Some(name) => {
                        self.history.named(name).ok_or_else(|| Wrong::new(name, "a state that was saved"))?
                    }
                    None => self
                        .history
                        .before()
                        .ok_or_else(|| Wrong::new("the first state", "a state with one before it"))?,
                };
                difference(other, &self.datacentre)
            }
            other => return Err(Wrong::new(other, WHAT)),
        };
        rest.end("nothing more")?;
        Ok(if lines.is_empty() { vec!["none".to_owned()] } else { lines })
    }

    fn table(&self, fields: &[&str], rows: usize, kind: &str) -> Vec<String> {
        let mut lines: Vec<String> = (0..rows.min(MOST_ROWS)).map(|at| self.row(fields, kind, at)).collect();
        if rows > MOST_ROWS {
            lines.push(format!("... and {} more", rows - MOST_ROWS));
        }
        lines
    }

    fn row(&self, fields: &[&str], kind: &str, at: usize) -> String {
        let data = &self.datacentre;
        let id = match kind {
            "host" => data.name_of(at),
            "guest" => data.guest_name(at),
            "cluster" => data.clusters.get(at).map_or_else(String::new, |it| it.id.to_string()),
            _ => format!("task-{}", at + 1),
        };
        let value = |field: &str| match kind {
            "host" => self.host_fact(at, field),
            "guest" => self.vm_fact(at, field),
            "cluster" => self.cluster_fact(at, field),
            _ => self.task_fact(at, field),
        };
        let shown = fields
            .iter()
            .map(|it| format!("{it}={}", value(it).map_or_else(String::new, |it: Value| it.shown())));
        let shown: Vec<String> = shown.collect();
        format!("{id} {}", shown.join(" "))
    }

    fn tree(&self) -> Vec<String> {
        let at = self.history.at();
        let name = |number: usize| {
            self.history
                .names()
                .find(|it| it.1 == number)
                .map_or_else(String::new, |it| format!(" ({})", it.0))
        };
        self.history
            .states()
            .map(|(number, parent, command)| {
                let here = if number == at { "*" } else { " " };
                let parent = parent.map_or_else(|| "-".to_owned(), |it| it.to_string());
                format!("{here} {number} after {parent}: {command}{}", name(number))
            })
            .collect()
    }
}

/// What differs between two states, in words: hosts, guests, storage, clusters.
pub(super) fn difference(before: &Datacentre, after: &Datacentre) -> Vec<String> {
    let mut lines = Vec::new();
    let mut note = |id: &str, what: &str, old: String, new: String| {
        if old != new {
            lines.push(format!("{id}: {what} {old} -> {new}"));
        }
    };
    for (old, new) in before.hosts().zip(after.hosts()) {
        let id = format!("host {}", new.id);
        note(&id, "power", old.power.name().to_owned(), new.power.name().to_owned());
        note(&id, "release", format!("{:?}", old.running), format!("{:?}", new.running));
        note(&id, "installed", format!("{:?}", old.installed), format!("{:?}", new.installed));
        note(&id, "boots", old.boots.to_string(), new.boots.to_string());
        note(&id, "maintenance", old.maintenance.to_string(), new.maintenance.to_string());
        note(&id, "uplinks", old.uplinks.to_string(), new.uplinks.to_string());
        note(&id, "paths", old.storage_paths.to_string(), new.storage_paths.to_string());
        note(&id, "memory in MiB", old.memory_mib.to_string(), new.memory_mib.to_string());
    }
    for (old, new) in before.guests().zip(after.guests()) {
        let on =
            |data: &Datacentre, it: &Guest| it.host.map_or_else(|| "none".to_owned(), |at| data.name_of(at));
        let id = new.id.to_string();
        note(&id, "host", on(before, old), on(after, new));
        note(
            &id,
            "power",
            format!("{:?}", old.power).to_lowercase(),
            format!("{:?}", new.power).to_lowercase(),
        );
        note(&id, "health", old.health.name().to_owned(), new.health.name().to_owned());
    }
    for (old, new) in before.storage.iter().zip(&after.storage) {
        note(
            new.id.as_str(),
            "redundancy",
            redundancy(old.redundancy).to_owned(),
            redundancy(new.redundancy).to_owned(),
        );
    }
    for (what, old, new) in [
        ("hosts", before.hosts.len(), after.hosts.len()),
        ("guests", before.guests.len(), after.guests.len()),
        ("tasks", before.tasks.len(), after.tasks.len()),
    ] {
        note("the datacentre", what, old.to_string(), new.to_string());
    }
    lines
}
