//! The datacentre: its state, its clock, and what happens next.

mod act;
mod api;
mod build;
mod effect;
mod evacuate;
mod fit;
mod moves;
mod observe;
mod power;
mod state;
mod surroundings;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use underpin_model::fleet::Fleet;
use underpin_model::policy::Durations;
use underpin_platforms::platform::{Key, Observation};

use crate::chunks::Chunks;
use crate::dice::Dice;
use crate::fault::Fault;

pub use build::{AddError, NewGuest, NewHost};
pub use state::{
    Cluster, Event, EventKind, Guest, Health, Host, HostPower, Hung, Plane, Settings, Storage, Task,
    TaskPhase,
};

pub(crate) use moves::Move;
pub(crate) use state::{Happening, PowerState};

/// Most things that may happen in one [`Datacentre::run`]: a span that is too long ends with an error instead of never.
pub const MOST_HAPPENINGS: u64 = 2_000_000;

/// Most events that are kept, in all: a night that tells more is not read, but would fill the memory.
const MOST_EVENTS: usize = 1_000_000;

/// A run was not finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {MOST_HAPPENINGS} things happened before {until_ms} ms of the virtual clock; run a shorter span at a time"
)]
pub struct TooMuchHappened {
    /// Where the run was to end.
    pub until_ms: u64,
}

/// A simulated datacentre: an immutable value but for its methods that say so. Copies share what they have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Datacentre {
    /// What was loaded: everything that does not change by itself.
    pub(crate) base: Arc<Fleet>,
    pub(crate) index: Arc<build::Index>,
    /// The instant of clock 0.
    pub(crate) start: Timestamp,
    pub(crate) clock_ms: u64,
    pub(crate) hosts: Chunks<Host>,
    pub(crate) guests: Chunks<Guest>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) storage: Vec<Storage>,
    pub(crate) planes: Vec<Plane>,
    pub(crate) settings: Settings,
    /// What the changes of a drain declare that their steps take, while one of these is ordered.
    pub(crate) declared: Option<Durations>,
    /// What is to happen: by time, and by the order in which it was decided.
    queue: BTreeMap<(u64, u64), Happening>,
    serial: u64,
    pub(crate) tasks: Chunks<Task>,
    /// Tasks that go on.
    running: usize,
    keys: Arc<BTreeMap<Key, usize>>,
    generation: u64,
    /// Migrations in the order in which they were decided.
    pub(crate) moves: BTreeMap<u64, Move>,
    /// A migration began or ended, or a link changed: rates are to be shared anew.
    reshare: bool,
    pub(crate) faults: BTreeMap<u64, Fault>,
    /// What the inventory showed when it went stale.
    stale: Option<Arc<Observation>>,
    dice: Dice,
    log: Chunks<Event>,
}

impl Datacentre {
    /// The virtual clock, in milliseconds from the start.
    #[must_use]
    pub fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// The instant of the virtual clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.instant(i64::try_from(self.clock_ms).unwrap_or(i64::MAX))
    }

    fn instant(&self, ms: i64) -> Timestamp {
        self.start.checked_add(SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX)
    }

    /// What has happened, the oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.log.iter()
    }

    /// How many events there are.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.log.len()
    }

    /// Hosts in the order of the fleet.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter()
    }

    /// Guests in the order of the fleet.
    pub fn guests(&self) -> impl Iterator<Item = &Guest> {
        self.guests.iter()
    }

    /// Tasks in the order in which they were begun.
    pub fn tasks(&self) -> impl DoubleEndedIterator<Item = &Task> {
        self.tasks.iter()
    }

    /// How many tasks go on.
    #[must_use]
    pub fn running_tasks(&self) -> usize {
        self.running
    }

    /// Changes what was loaded, from outside: needs of guests, rules.
    pub(crate) fn change_base(&mut self, change: impl FnOnce(&mut Fleet)) {
        change(Arc::make_mut(&mut self.base));
    }

    /// Links were changed from outside.
    pub(crate) fn links_changed(&mut self) {
        self.reshare = true;
        self.share();
    }

    /// What the simulated platform does by itself, and how fast.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes what the simulated platform does by itself, and how fast.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// When the next thing happens, in milliseconds of the virtual clock; `None`: nothing is to come.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        let queued = self.queue.keys().next().map(|(at_ms, _)| *at_ms);
        let moves = self.moves.values().filter_map(|it| it.next_ms(self.clock_ms));
        queued.into_iter().chain(moves).min().map(|it| it.max(self.clock_ms))
    }

    /// Lets time pass up to a moment of the virtual clock.
    ///
    /// # Errors
    /// [`TooMuchHappened`]; the clock stands where that many things had happened.
    pub fn run_to(&mut self, until_ms: u64) -> Result<(), TooMuchHappened> {
        let mut left = MOST_HAPPENINGS;
        while self.next_ms().is_some_and(|it| it <= until_ms) {
            left = left.checked_sub(1).filter(|_| !self.is_full()).ok_or(TooMuchHappened { until_ms })?;
            self.step();
        }
        self.pass(until_ms.max(self.clock_ms));
        Ok(())
    }

    /// Lets a span of time pass.
    ///
    /// # Errors
    /// [`TooMuchHappened`].
    pub fn run(&mut self, span_ms: u64) -> Result<(), TooMuchHappened> {
        self.run_to(self.clock_ms.saturating_add(span_ms))
    }

    /// There is no room for more events.
    pub(crate) fn is_full(&self) -> bool {
        self.log.len() >= MOST_EVENTS
    }

    /// Goes to the next moment at which something happens, and lets it happen. False: nothing is to come.
    pub fn step(&mut self) -> bool {
        let Some(at_ms) = self.next_ms() else { return false };
        self.pass(at_ms);
        self.moves_happen();
        // What is decided now for now has a later serial: it happens in this step too, in that order.
        while let Some(entry) = self.queue.first_entry().filter(|it| it.key().0 <= at_ms) {
            let happening = entry.remove();
            self.happen(happening);
        }
        self.share();
        true
    }

    /// Lets time pass in which nothing happens.
    fn pass(&mut self, at_ms: u64) {
        let span_ms = at_ms.saturating_sub(self.clock_ms);
        for it in self.moves.values_mut() {
            it.pass(span_ms);
        }
        self.clock_ms = at_ms.max(self.clock_ms);
    }

    /// A number that no other has: the order in which things were decided.
    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn plan(&mut self, in_ms: u64, happening: Happening) {
        let key = (self.clock_ms.saturating_add(in_ms), self.serial());
        self.queue.insert(key, happening);
    }

    fn tell(&mut self, kind: EventKind, text: String) {
        self.log.push(Event { at_ms: self.clock_ms, kind, text });
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::TaskEnds(task) => self.task_ends(task),
            Happening::EvacuationLooks(task) => self.evacuation_looks(task),
            Happening::HostReturns { host, away, task } => self.host_returns(host, away, task),
            Happening::GuestBooted { guest, starts } => self.guest_booted(guest, starts),
            Happening::Restart { guest } => self.restart(guest),
            Happening::AutoStart { host, boots } => self.auto_start(host, boots),
            Happening::Balance { cluster } => self.balance(cluster),
            Happening::Resynced { storage, epoch } => self.resynced(storage, epoch),
            Happening::PlaneUp { plane, epoch } => self.plane_up(plane, epoch),
            Happening::FaultBegins(fault) => {
                self.fault_begins(fault);
            }
            Happening::FaultEnds(fault) => self.fault_ends(fault),
            Happening::Flaps { fault, host } => self.flaps(fault, host),
        }
    }
}
