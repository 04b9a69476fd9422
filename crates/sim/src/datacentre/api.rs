//! Orders as the platform takes them: keys, generations, lost answers.

use std::sync::Arc;

use underpin_model::plan::Frozen;
use underpin_platforms::platform::{
    Action, Capabilities, Capability, FailureKind, Key, PlatformError, TaskId, TaskState,
};

use super::Datacentre;
use super::moves::{Origin, Phase};
use super::state::{EventKind, Task, TaskPhase};
use crate::fault::Subject;

const BEGIN: &str = "begin";

impl Datacentre {
    /// What the simulated platform can do.
    #[must_use]
    pub fn capabilities() -> Capabilities {
        use Capability as C;
        Capabilities {
            can: [
                C::LiveMigrate,
                C::ColdMigrate,
                C::MigrationBandwidth,
                C::Suspend,
                C::QuickBoot,
                C::LivePatch,
                C::Evacuate,
                C::Cancel,
                C::Attest,
            ]
            .into(),
            freezes: [Frozen::Balancing, Frozen::AutoStart, Frozen::AdmissionControl].into(),
        }
    }

    /// Takes an order, as [`underpin_platforms::platform::Platform::begin`] says.
    ///
    /// # Errors
    /// [`PlatformError`].
    pub fn begin(&mut self, key: &Key, generation: u64, action: &Action) -> Result<TaskId, PlatformError> {
        let (host, vm) = super::act::subject(action);
        let at = Subject { host: host.as_deref(), vm: vm.as_deref(), action: Some(action.name()) };
        let timeout = PlatformError::Timeout { call: BEGIN, after_s: self.settings.call_timeout_s };
        if self.strikes("api-timeout", &at).is_some() {
            return Err(timeout);
        }
        self.plane_for(action)?;
        if generation < self.generation {
            return Err(PlatformError::StaleGeneration { given: generation, current: self.generation });
        }
        self.generation = generation;
        if let Some(known) = self.keys.get(key).copied() {
            let same = self.tasks.get(known).is_some_and(|it| it.action == *action);
            return if same {
                Ok(task_id(known))
            } else {
                Err(PlatformError::KeyReused { key: key.0.clone() })
            };
        }
        self.known(action)?;
        let task = self.tasks.len();
        self.tasks.push(Task {
            key: key.clone(),
            action: action.clone(),
            began_ms: self.clock_ms,
            ended_ms: None,
            phase: TaskPhase::Running,
            lie: false,
            ends_ms: None,
            was_on: false,
            moved: Vec::new(),
            trouble: None,
        });
        self.running += 1;
        Arc::make_mut(&mut self.keys).insert(key.clone(), task);
        let about = vm.as_deref().or(host.as_deref()).map_or_else(String::new, |it| format!(" {it}"));
        self.tell(EventKind::Task, format!("task-{} {}{about}: begins", task + 1, action.name()));
        self.act(task);
        self.share();
        if self.strikes("lost-reply", &at).is_some() {
            return Err(timeout);
        }
        Ok(task_id(task))
    }

    /// How a task stands.
    ///
    /// # Errors
    /// [`PlatformError::Timeout`] and [`PlatformError::Unreachable`].
    pub fn task_state(&mut self, id: &TaskId) -> Result<TaskState, PlatformError> {
        self.answers_call("task")?;
        let Some(at) = position(id) else { return Ok(unknown(id)) };
        Ok(self.tasks.get(at).map_or_else(|| unknown(id), |task| self.state_of(at, task)))
    }

    /// Asks a task to stop.
    ///
    /// # Errors
    /// [`PlatformError`].
    pub fn cancel(&mut self, id: &TaskId, generation: u64) -> Result<(), PlatformError> {
        self.answers_call("cancel")?;
        if generation < self.generation {
            return Err(PlatformError::StaleGeneration { given: generation, current: self.generation });
        }
        self.generation = generation;
        let unknown = || PlatformError::UnknownObject { kind: "task", id: id.0.clone() };
        let at = position(id).ok_or_else(unknown)?;
        let task = self.tasks.get(at).ok_or_else(unknown)?;
        let refused = |reason: String| Err(PlatformError::Refused { reason });
        if task.phase != TaskPhase::Running {
            return refused(format!("{id} is over: {}", task.phase.name()));
        }
        let stopped = (FailureKind::Cancelled, "it was cancelled".to_owned());
        let of_task = self.moves.iter().find(|(_, it)| it.origin == Origin::Task(at));
        match (&task.action, of_task.map(|(serial, it)| (*serial, it.phase.clone()))) {
            (_, Some((_, Phase::Paused { .. }))) => {
                return refused(format!("{id} is past its last safe point: the guest is between two hosts"));
            }
            (_, Some((serial, _))) => self.end_move(serial, Err(stopped)),
            (Action::Patch { .. } | Action::Reboot { .. } | Action::Migrate { .. }, None) => {
                return refused(format!("{id} is past its last safe point; wait for its end"));
            }
            _ => self.fail(at, stopped.0, stopped.1),
        }
        self.share();
        Ok(())
    }

    /// How a task stands, without asking the platform.
    #[must_use]
    pub fn state_of_task(&self, id: &TaskId) -> TaskState {
        let found = position(id).and_then(|at| Some((at, self.tasks.get(at)?)));
        found.map_or_else(|| unknown(id), |(at, task)| self.state_of(at, task))
    }

    fn state_of(&self, at: usize, task: &Task) -> TaskState {
        match &task.phase {
            TaskPhase::Running => TaskState::Running { percent: self.percent(at, task) },
            TaskPhase::Done(evidence) => TaskState::Done { evidence: evidence.clone() },
            TaskPhase::Failed(kind, text) => TaskState::Failed { kind: kind.clone(), text: text.clone() },
        }
    }

    fn percent(&self, at: usize, task: &Task) -> Option<u8> {
        if let Some(it) = self.moves.values().find(|it| it.origin == Origin::Task(at)) {
            return Some(it.percent());
        }
        let ends_ms = task.ends_ms?;
        let (passed, whole) =
            (self.clock_ms.saturating_sub(task.began_ms), ends_ms.saturating_sub(task.began_ms));
        // A task that is late stays at 99.
        u8::try_from((passed.saturating_mul(100) / whole.max(1)).min(99)).ok()
    }

    /// The plane of what the action is about answers.
    fn plane_for(&self, action: &Action) -> Result<(), PlatformError> {
        let (host, _) = super::act::subject(action);
        let cluster = match action {
            Action::Freeze { cluster, .. } | Action::Thaw { cluster, .. } => {
                self.index.clusters.get(cluster.as_str()).copied()
            }
            _ => host.and_then(|it| self.host_at(&it)).and_then(|it| self.hosts.get(it)?.cluster),
        };
        let planes =
            cluster.and_then(|it| self.clusters.get(it)).map(|it| it.planes.as_slice()).unwrap_or_default();
        match planes.iter().filter_map(|at| self.planes.get(*at)).find(|it| !it.up) {
            Some(down) => Err(PlatformError::Unreachable { call: BEGIN, what: down.id.to_string() }),
            None => Ok(()),
        }
    }

    /// Everything that the action names exists.
    fn known(&self, action: &Action) -> Result<(), PlatformError> {
        let no = |kind: &'static str, id: &str| Err(PlatformError::UnknownObject { kind, id: id.to_owned() });
        let (host, vm) = super::act::subject(action);
        if let Some(vm) = vm.filter(|it| self.guest_at(it).is_none()) {
            return no("guest", &vm);
        }
        match action {
            Action::Freeze { cluster, .. } | Action::Thaw { cluster, .. }
                if !self.index.clusters.contains_key(cluster.as_str()) =>
            {
                return no("cluster", cluster.as_str());
            }
            Action::Migrate { to, .. } if self.host_at(to.as_str()).is_none() => {
                return no("host", to.as_str());
            }
            Action::Evacuate { only_to, .. } => {
                if let Some(id) = only_to.iter().find(|it| self.host_at(it.as_str()).is_none()) {
                    return no("host", id.as_str());
                }
            }
            _ => {}
        }
        let Some(id) = host else { return Ok(()) };
        let is_element = self.index.planes.contains_key(&id) || self.index.storage.contains_key(&id);
        let of_element = matches!(
            action,
            Action::Stage { .. }
                | Action::BackupCheck { .. }
                | Action::Patch { .. }
                | Action::Reboot { .. }
                | Action::Attest { .. }
                | Action::Verify { .. }
        );
        let is_witness = self.base.witnesses.iter().any(|it| it.id.as_str() == id);
        match self.host_at(&id) {
            Some(_) => Ok(()),
            None if of_element && (is_element || is_witness) => Ok(()),
            None => no(if of_element { "element" } else { "host" }, &id),
        }
    }
}

fn task_id(at: usize) -> TaskId {
    TaskId(format!("task-{}", at + 1))
}

/// The position of a task by its id.
pub(crate) fn position(id: &TaskId) -> Option<usize> {
    id.0.strip_prefix("task-")?.parse::<usize>().ok()?.checked_sub(1)
}

fn unknown(id: &TaskId) -> TaskState {
    TaskState::Unknown { text: format!("there is no {id}") }
}
