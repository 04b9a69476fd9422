//! The datacentre as a [`Platform`], shared by whoever acts on it and whoever lets time pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use underpin_platforms::platform::{
    Action, Capabilities, Key, Observation, Platform, PlatformError, TaskId, TaskState,
};

use crate::datacentre::{Datacentre, TooMuchHappened};

/// A simulated datacentre behind the contract of every platform. Clones are the same datacentre. Answers are there at once:
/// virtual time passes only by [`Simulated::run`].
#[derive(Debug, Clone)]
pub struct Simulated(Arc<Mutex<Datacentre>>);

impl Simulated {
    /// Shares a datacentre.
    #[must_use]
    pub fn new(datacentre: Datacentre) -> Self {
        Self(Arc::new(Mutex::new(datacentre)))
    }

    fn lock(&self) -> MutexGuard<'_, Datacentre> {
        // Nobody leaves the value half changed: a panic elsewhere does not make it wrong.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The datacentre as it is now: the truth, which the platform may not tell.
    #[must_use]
    pub fn snapshot(&self) -> Datacentre {
        self.lock().clone()
    }

    /// Looks at the datacentre, or changes it from outside: faults, settings, new guests.
    pub fn with<T>(&self, look: impl FnOnce(&mut Datacentre) -> T) -> T {
        look(&mut self.lock())
    }

    /// Lets virtual time pass, in milliseconds.
    ///
    /// # Errors
    /// [`TooMuchHappened`].
    pub fn run(&self, span_ms: u64) -> Result<(), TooMuchHappened> {
        self.lock().run(span_ms)
    }
}

impl Platform for Simulated {
    async fn capabilities(&self) -> Result<Capabilities, PlatformError> {
        self.lock().answers_call("capabilities")?;
        Ok(Datacentre::capabilities())
    }

    async fn observe(&self) -> Result<Observation, PlatformError> {
        self.lock().observe()
    }

    async fn begin(&self, key: &Key, generation: u64, action: &Action) -> Result<TaskId, PlatformError> {
        self.lock().begin(key, generation, action)
    }

    async fn task(&self, task: &TaskId) -> Result<TaskState, PlatformError> {
        self.lock().task_state(task)
    }

    async fn cancel(&self, task: &TaskId, generation: u64) -> Result<(), PlatformError> {
        self.lock().cancel(task, generation)
    }
}
