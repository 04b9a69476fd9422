//! A simulated datacentre: hosts, guests, links, storage and management planes on a virtual clock, with faults.
//!
//! [`Datacentre`] is the state, which changes by orders ([`Datacentre::begin`]) and by time ([`Datacentre::run`]). [`Simulated`] puts it
//! behind the contract of every platform. [`script`] is a language for telling stories about it, with expectations.
//!
//! The same fleet, seed and orders give the same events on any machine: chance comes from a seeded generator, time from the
//! virtual clock, and nothing is iterated in an order that changes.
//!
//! ```
//! use underpin_sim::script::{NoFiles, Session};
//!
//! let mut session = Session::new(1);
//! let story = "load-example hosts=3 vms=6\n\
//!              do migrate vm-1 to host-2\n\
//!              wait\n\
//!              expect vm vm-1 host=host-2 moves=1 health=well\n";
//! session.script(story, &NoFiles).map_err(|error| error.to_string())?;
//! # Ok::<(), String>(())
//! ```

mod chunks;
mod datacentre;
mod dice;
mod fault;
mod history;
mod link;
mod platform;
pub mod script;

pub use datacentre::{
    AddError, Cluster, Datacentre, Event, EventKind, Guest, Health, Host, HostPower, Hung, MOST_HAPPENINGS,
    NewGuest, NewHost, Plane, Settings, Storage, Task, TaskPhase, TooMuchHappened,
};
pub use fault::{Changed, Fault, FaultKind, Often, Scope};
pub use history::History;
pub use platform::Simulated;
