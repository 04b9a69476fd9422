//! Commands that order something of the platform, as whoever carries out a plan does.

use std::collections::BTreeSet;
use std::fmt;

use underpin_model::change::Method;
use underpin_model::id::{ClusterId, ElementId, HostId, InvalidId, VmId};
use underpin_model::plan::Frozen;
use underpin_platforms::platform::{Action, Evidence, Key, PlatformError, Saved, TaskId, TaskState};

use super::Session;
use super::words::{Arguments, Wrong, list, number, number_u32};
use crate::datacentre::{Datacentre, TaskPhase};

/// What a call was answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// `ok`, or the kind of error.
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn of(result: Result<String, PlatformError>) -> Self {
        match result {
            Ok(text) => Self { kind: "ok", text },
            Err(error) => Self { kind: kind(&error), text: error.to_string() },
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.text)
    }
}

const fn kind(error: &PlatformError) -> &'static str {
    match error {
        PlatformError::Timeout { .. } => "timeout",
        PlatformError::Unreachable { .. } => "unreachable",
        PlatformError::Refused { .. } => "refused",
        PlatformError::UnknownObject { .. } => "unknown-object",
        PlatformError::StaleGeneration { .. } => "stale-generation",
        PlatformError::KeyReused { .. } => "key-reused",
    }
}

fn id<T>(text: &str, make: impl FnOnce(String) -> Result<T, InvalidId>) -> Result<T, Wrong> {
    make(text.to_owned()).map_err(|error| Wrong::new(text, error.to_string()))
}

fn element(text: &str) -> Result<ElementId, Wrong> {
    id(text, ElementId::new)
}

/// A method by its name in plans.
pub(super) fn method(text: &str) -> Result<Method, Wrong> {
    let value = serde_json::Value::String(text.to_owned());
    let expected = "live-patch, quick-boot, evacuate-reboot, power-off, in-place or defer";
    serde_json::from_value(value).map_err(|_| Wrong::new(text, expected))
}

impl Session {
    pub(super) fn order(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let key = rest.value("key");
        let generation = rest.parsed("generation", |it| number(it, 0, u64::MAX))?.unwrap_or(self.generation);
        let verb = rest.name("an action; `help do` lists them")?;
        let action = self.action(&verb, rest)?;
        rest.end("key= or generation= after the action (`help do`)")?;
        let key = Key(key.unwrap_or_else(|| format!("order-{}", self.datacentre.tasks.len() + 1)));
        let answer = self.datacentre.begin(&key, generation, &action);
        self.answer = Answer::of(answer.map(|it| it.to_string()));
        Ok(if self.answer.kind == "ok" { Vec::new() } else { vec![self.answer.to_string()] })
    }

    fn action(&self, verb: &str, rest: &mut Arguments) -> Result<Action, Wrong> {
        Ok(match verb {
            "freeze" | "thaw" => return self.freezing(verb, rest),
            "migrate" => {
                let vm = rest.name("the guest: do migrate VM to HOST")?;
                rest.flag("to");
                let to = rest.name("the target: do migrate VM to HOST")?;
                let from = rest.value("from").or_else(|| self.host_of(&vm));
                let from = from.ok_or_else(|| Wrong::new(&vm, "a guest that exists, or from=HOST"))?;
                let mbps = rest.parsed("mbps", |it| number_u32(it, 1, 10_000_000))?;
                let live = !rest.flag("cold");
                Action::Migrate {
                    vm: id(&vm, VmId::new)?,
                    from: id(&from, HostId::new)?,
                    to: id(&to, HostId::new)?,
                    live,
                    mbps,
                }
            }
            "evacuate" => {
                let host = id(&rest.name("the host")?, HostId::new)?;
                let names = list(&rest.value("to").unwrap_or_default());
                let only_to =
                    names.iter().map(|it| id(it, HostId::new)).collect::<Result<BTreeSet<_>, _>>()?;
                Action::Evacuate {
                    host,
                    only_to,
                    mbps: rest.parsed("mbps", |it| number_u32(it, 1, 10_000_000))?,
                }
            }
            "stop" | "start" | "suspend" | "resume" => {
                let vm = rest.name("the guest")?;
                rest.flag("on");
                let host = rest.maybe_name().or_else(|| self.host_of(&vm));
                let host = host.ok_or_else(|| Wrong::new(&vm, "a guest that exists, or `on HOST`"))?;
                let (vm, host) = (id(&vm, VmId::new)?, id(&host, HostId::new)?);
                match verb {
                    "stop" => Action::Stop { vm, host },
                    "start" => Action::Start { vm, host },
                    "suspend" => Action::Suspend { vm, host },
                    _ => Action::Resume { vm, host },
                }
            }
            "stage" => {
                let of = element(&rest.name("the element: do stage HOST RELEASE")?)?;
                Action::Stage { element: of, to: list(&rest.name("the releases: do stage HOST RELEASE")?) }
            }
            "patch" => {
                let of = element(&rest.name("the element: do patch HOST to RELEASE")?)?;
                rest.flag("to");
                let to = rest.name("the release: do patch HOST to RELEASE")?;
                let method = rest.parsed("method", method)?.unwrap_or(Method::EvacuateReboot);
                let unit = rest.parsed("unit", |it| number_u32(it, 1, 1000))?.unwrap_or(1);
                Action::Patch { element: of, method, to, unit }
            }
            "reboot" => {
                let quick = rest.flag("quick");
                Action::Reboot { element: element(&rest.name("the element")?)?, quick }
            }
            "attest" => Action::Attest { element: element(&rest.name("the element")?)? },
            "verify" => Action::Verify { element: element(&rest.name("the element")?)? },
            "backup-check" => Action::BackupCheck { element: element(&rest.name("the element")?)? },
            "maintenance" => {
                let host = id(&rest.name("the host: do maintenance HOST on")?, HostId::new)?;
                match rest.name("on or off: do maintenance HOST on")?.as_str() {
                    "on" => Action::EnterMaintenance { host },
                    "off" => Action::ExitMaintenance { host },
                    other => return Err(Wrong::new(other, "on or off")),
                }
            }
            other => return Err(Wrong::new(other, "an action; `help do` lists them")),
        })
    }

    fn freezing(&self, verb: &str, rest: &mut Arguments) -> Result<Action, Wrong> {
        let cluster = id(&rest.name("the cluster")?, ClusterId::new)?;
        if verb == "thaw" {
            let saved = last_saved(&self.datacentre, &cluster);
            let expected = "a cluster that was frozen before: what it had is put back";
            return Ok(Action::Thaw {
                saved: saved.ok_or_else(|| Wrong::new(cluster.as_str(), expected))?,
                cluster,
            });
        }
        let mut what = BTreeSet::new();
        while let Some(name) = rest.maybe_name() {
            what.insert(match name.as_str() {
                "balancing" => Frozen::Balancing,
                "auto-start" => Frozen::AutoStart,
                "admission-control" => Frozen::AdmissionControl,
                other => {
                    return Err(Wrong::new(
                        other,
                        "balancing, auto-start or admission-control; the restart of guests after a failure cannot be frozen",
                    ));
                }
            });
        }
        if what.is_empty() {
            what = [Frozen::Balancing, Frozen::AutoStart, Frozen::AdmissionControl].into();
        }
        Ok(Action::Freeze { cluster, what })
    }

    /// The host that a guest is on.
    pub(super) fn host_of(&self, vm: &str) -> Option<String> {
        let guest = self.datacentre.guest_at(vm)?;
        self.datacentre.guests.get(guest)?.host.map(|it| self.datacentre.name_of(it))
    }

    pub(super) fn cancel(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let task = self.task_named(&rest.name("a task")?)?;
        let generation = rest.parsed("generation", |it| number(it, 0, u64::MAX))?.unwrap_or(self.generation);
        rest.end("generation=")?;
        let answer = self.datacentre.cancel(&task, generation);
        self.answer = Answer::of(answer.map(|()| format!("{task} is to stop")));
        Ok(vec![self.answer.to_string()])
    }

    /// Asks the platform after a task: what it says, not what is so.
    pub(super) fn ask(&mut self, rest: &mut Arguments) -> Result<Vec<String>, Wrong> {
        let task = self.task_named(&rest.name("a task")?)?;
        rest.end("nothing after the task")?;
        let answer = self.datacentre.task_state(&task).map(|it| match it {
            TaskState::Running { percent: Some(percent) } => format!("{task} is running, {percent} %"),
            TaskState::Running { percent: None } => format!("{task} is running"),
            TaskState::Done { evidence } => format!("{task} is done: {}", shown(&evidence)),
            TaskState::Failed { kind, text } => format!("{task} failed: {kind}: {text}"),
            TaskState::Unknown { text } => text,
        });
        self.answer = Answer::of(answer);
        Ok(vec![self.answer.to_string()])
    }

    pub(super) fn task_named(&self, name: &str) -> Result<TaskId, Wrong> {
        let count = self.datacentre.tasks.len();
        let at = if name == "last" {
            count
        } else {
            name.strip_prefix("task-").and_then(|it| it.parse().ok()).unwrap_or(0)
        };
        if at == 0 || at > count {
            return Err(Wrong::new(name, format!("last, or task-1 to task-{count}")));
        }
        Ok(TaskId(format!("task-{at}")))
    }
}

/// Evidence as JSON: every field of it.
pub(super) fn shown(evidence: &Evidence) -> String {
    serde_json::to_string(evidence).unwrap_or_default()
}

/// What was in force when a cluster was frozen last.
pub(super) fn last_saved(datacentre: &Datacentre, cluster: &ClusterId) -> Option<Saved> {
    datacentre.tasks().rev().find_map(|it| match (&it.action, &it.phase) {
        (Action::Freeze { cluster: of, .. }, TaskPhase::Done(Evidence::Frozen { saved }))
            if of == cluster =>
        {
            Some(saved.clone())
        }
        _ => None,
    })
}
