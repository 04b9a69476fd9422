//! What can be expected and shown of everything: fields with values.

use underpin_model::fleet::{PowerState, Redundancy};
use underpin_platforms::platform::{GuestHealth, Observation};

use super::Session;
use super::words::{Wrong, duration_ms, shown_mib, shown_ms, size_mib};
use crate::datacentre::{EventKind, HostPower, TaskPhase};

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Count(i64),
    Span(i64),
    Size(i64),
}

impl Value {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn switch(on: bool) -> Self {
        Self::text(if on { "on" } else { "off" })
    }

    fn yes(yes: bool) -> Self {
        Self::text(if yes { "yes" } else { "no" })
    }

    fn count(count: impl TryInto<i64>) -> Self {
        Self::Count(count.try_into().unwrap_or(i64::MAX))
    }

    fn ms(ms: u64) -> Self {
        Self::Span(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    fn mib(mib: u64) -> Self {
        Self::Size(i64::try_from(mib).unwrap_or(i64::MAX))
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Span(ms) => shown_ms(*ms),
            Self::Size(mib) => shown_mib(*mib),
        }
    }

    /// How this value stands to a written one.
    pub(super) fn compare(&self, written: &str) -> Result<std::cmp::Ordering, Wrong> {
        let signed = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        Ok(match self {
            Self::Text(text) => text.as_str().cmp(written),
            Self::Count(count) => {
                count.cmp(&written.parse().map_err(|_| Wrong::new(written, "a whole number"))?)
            }
            Self::Span(ms) => ms.cmp(&signed(duration_ms(written)?)),
            Self::Size(mib) => mib.cmp(&signed(size_mib(written)?)),
        })
    }
}

pub(super) const HOST: &[&str] = &[
    "power",
    "answers",
    "maintenance",
    "release",
    "installed",
    "boots",
    "uplinks",
    "paths",
    "memory",
    "free",
    "vcpus",
    "guests",
    "evacuable",
];
pub(super) const VM: &[&str] =
    &["host", "power", "health", "moves", "killed", "restarts", "paused", "memory"];
pub(super) const TASK: &[&str] = &["state", "kind", "text", "percent", "took", "action"];
pub(super) const CLUSTER: &[&str] = &["ha", "balancing", "auto-start", "admission-control"];
pub(super) const TOTAL: &[&str] = &[
    "hosts",
    "guests",
    "hosts-up",
    "running",
    "off",
    "suspended",
    "hung",
    "killed",
    "restarts",
    "moves",
    "tasks",
    "harms",
    "unbalance",
];
pub(super) const OBSERVED_HOST: &[&str] =
    &["answers", "release", "installed", "boot", "uplinks", "paths", "memory", "maintenance"];
pub(super) const OBSERVED_VM: &[&str] = &["host", "power", "health"];

pub(super) const fn redundancy(redundancy: Option<Redundancy>) -> &'static str {
    match redundancy {
        Some(Redundancy::Full) => "full",
        Some(Redundancy::Degraded) => "degraded",
        Some(Redundancy::Rebuilding) => "rebuilding",
        Some(Redundancy::None) => "none",
        None => "unknown",
    }
}

impl Session {
    pub(super) fn host_fact(&self, at: usize, field: &str) -> Option<Value> {
        let it = self.datacentre.hosts.get(at)?;
        let release = |it: &Option<String>| Value::text(it.as_deref().unwrap_or("unknown"));
        Some(match field {
            "power" => Value::text(it.power.name()),
            "answers" => {
                Value::yes(it.power == HostPower::Up && !it.partitioned && self.datacentre.manages(at))
            }
            "maintenance" => Value::switch(it.maintenance),
            "release" => release(&it.running),
            "installed" => release(&it.installed),
            "boots" => Value::count(it.boots),
            "uplinks" => Value::count(it.uplinks),
            "paths" => Value::count(it.storage_paths),
            "memory" => Value::mib(it.memory_mib),
            "free" => Value::mib(self.datacentre.free_mib(at)),
            "vcpus" => Value::count(it.vcpus),
            "guests" => Value::count(self.datacentre.running_on(at)),
            "evacuable" => match self.datacentre.evacuable(at) {
                Ok(()) => Value::text("yes"),
                Err((kind, _)) => Value::text(kind.name()),
            },
            other => Value::text(
                it.settings.get(other.strip_prefix("setting.")?).map_or("unknown", String::as_str),
            ),
        })
    }

    pub(super) fn vm_fact(&self, at: usize, field: &str) -> Option<Value> {
        let it = self.datacentre.guests.get(at)?;
        Some(match field {
            "host" => {
                Value::text(it.host.map_or_else(|| "none".to_owned(), |it| self.datacentre.name_of(it)))
            }
            "power" => Value::text(power(it.power)),
            "health" => Value::text(if it.power == PowerState::On { it.health.name() } else { "none" }),
            "moves" => Value::count(it.moves),
            "killed" => Value::count(it.killed),
            "restarts" => Value::count(it.restarts),
            "paused" => Value::ms(it.paused_ms),
            "memory" => Value::mib(it.memory_mib),
            _ => return None,
        })
    }

    pub(super) fn task_fact(&self, at: usize, field: &str) -> Option<Value> {
        let it = self.datacentre.tasks.get(at)?;
        Some(match (field, &it.phase) {
            ("state", phase) => Value::text(phase.name()),
            ("kind", TaskPhase::Failed(kind, _)) => Value::text(kind.name()),
            ("text", TaskPhase::Failed(_, text)) => Value::text(text.as_str()),
            ("text", TaskPhase::Done(evidence)) => Value::text(super::orders::shown(evidence)),
            ("kind" | "text", _) => Value::text("none"),
            ("percent", _) => {
                let id = underpin_platforms::platform::TaskId(format!("task-{}", at + 1));
                match self.datacentre.state_of_task(&id) {
                    underpin_platforms::platform::TaskState::Running { percent } => {
                        percent.map_or_else(|| Value::text("unknown"), Value::count)
                    }
                    _ => Value::count(100),
                }
            }
            ("took", _) => {
                Value::ms(it.ended_ms.unwrap_or(self.datacentre.clock_ms()).saturating_sub(it.began_ms))
            }
            ("action", _) => Value::text(it.action.name()),
            _ => return None,
        })
    }

    pub(super) fn cluster_fact(&self, at: usize, field: &str) -> Option<Value> {
        let it = self.datacentre.clusters.get(at)?;
        Some(Value::switch(match field {
            "ha" => it.ha_restart,
            "balancing" => it.balancing,
            "auto-start" => it.auto_start,
            "admission-control" => it.admission_control,
            _ => return None,
        }))
    }

    pub(super) fn total_fact(&self, field: &str) -> Option<Value> {
        let data = &self.datacentre;
        let in_power = |power: PowerState| data.guests().filter(|it| it.power == power).count();
        let sum =
            |of: fn(&crate::datacentre::Guest) -> u32| data.guests().map(|it| u64::from(of(it))).sum::<u64>();
        Some(match field {
            "hosts" => Value::count(data.hosts.len()),
            "guests" => Value::count(data.guests.len()),
            "hosts-up" => Value::count(data.hosts().filter(|it| it.power == HostPower::Up).count()),
            "running" => Value::count(in_power(PowerState::On)),
            "off" => Value::count(in_power(PowerState::Off)),
            "suspended" => Value::count(in_power(PowerState::Suspended)),
            "hung" => Value::count(
                data.guests().filter(|it| it.power == PowerState::On && it.health.name() == "hung").count(),
            ),
            "killed" => Value::count(sum(|it| it.killed)),
            "restarts" => Value::count(sum(|it| it.restarts)),
            "moves" => Value::count(sum(|it| it.moves)),
            "tasks" => Value::count(data.running_tasks()),
            "harms" => Value::count(data.events().filter(|it| it.kind == EventKind::Harm).count()),
            "unbalance" => {
                let running = (0..data.hosts.len()).map(|at| data.running_on(at));
                let (least, most) =
                    running.fold((usize::MAX, 0), |(low, high), it| (low.min(it), high.max(it)));
                Value::count(most.saturating_sub(least))
            }
            _ => return None,
        })
    }

    /// What an observation says of a host.
    pub(super) fn observed_host(seen: &Observation, id: &str, field: &str) -> Option<Value> {
        let facts = seen.hosts.get(id);
        let number = |it: Option<u32>| it.map_or_else(|| Value::text("unknown"), Value::count);
        let text = |it: Option<&String>| Value::text(it.map_or("unknown", String::as_str));
        Some(match field {
            "answers" => Value::yes(facts.is_some()),
            "release" => text(facts.and_then(|it| it.running.as_ref())),
            "installed" => text(facts.and_then(|it| it.installed.as_ref())),
            "boot" => text(facts.and_then(|it| it.boot_id.as_ref())),
            "uplinks" => number(facts.and_then(|it| it.uplinks)),
            "paths" => number(facts.and_then(|it| it.storage_paths)),
            "memory" => {
                facts.and_then(|it| it.capacity.memory_mib).map_or_else(|| Value::text("unknown"), Value::mib)
            }
            "maintenance" => {
                facts.and_then(|it| it.maintenance).map_or_else(|| Value::text("unknown"), Value::switch)
            }
            _ => return None,
        })
    }

    /// What an observation says of a guest.
    pub(super) fn observed_vm(seen: &Observation, at: usize, field: &str) -> Option<Value> {
        let it = seen.fleet.vms.get(at)?;
        Some(Value::text(match field {
            "host" => it.host.as_ref().map_or("none", |it| it.as_str()),
            "power" => it.power.map_or("unknown", power),
            "health" => match seen.health.get(&it.id) {
                Some(GuestHealth::Well) => "well",
                Some(GuestHealth::Booting) => "booting",
                Some(GuestHealth::Hung) => "hung",
                Some(GuestHealth::Unknown(text)) => text,
                None => "unknown",
            },
            _ => return None,
        }))
    }
}

const fn power(power: PowerState) -> &'static str {
    match power {
        PowerState::On => "on",
        PowerState::Off => "off",
        PowerState::Suspended => "suspended",
    }
}
