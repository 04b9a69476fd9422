//! Inventories: the local host and files of other tools become a fleet. And the contract of every platform that can be acted
//! on: [`platform`].
//!
//! Each collector turns what it can see into [`underpin_model::fleet::Fleet`] values and says in [`Note`]s what it
//! could not see. What was not seen is absent from the fleet: unknown is never written as fine.
//!
//! - [`local`]: the machine that it runs on (packages, running kernel and VMM, guests, listeners, settings);
//! - [`rvtools`]: an RVTools workbook of a vSphere estate;
//! - [`cyclonedx`]: a CycloneDX bill of materials of one host or one image;
//! - [`csv`]: a plain table of hosts, VMs and what they belong to.
//!
//! ```
//! let table = "kind,id,platform,release,host,vcpus\n\
//!              host,esx-1,esxi,VMware ESXi 8.0.3 build-24585383,,\n\
//!              vm,web-1,,,esx-1,4\n";
//! let at = "2026-08-22T00:00:00Z".parse()?;
//! let collected = underpin_platforms::csv::read(table.as_bytes(), "hosts.csv", at)?;
//! assert_eq!(collected.fleet.hosts.len(), 1);
//! assert_eq!(collected.fleet.vms[0].vcpus, Some(4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod csv;
pub mod cyclonedx;
mod kept;
pub mod local;
pub mod platform;
mod release;
pub mod rvtools;

use std::fmt;

use underpin_model::fleet::Fleet;

/// What a collector saw, and what it could not see.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// The facts.
    pub fleet: Fleet,
    /// What is missing from them, and why; in the order in which it was met.
    pub notes: Vec<Note>,
}

/// One thing that a collector could not read, or that it read and cannot vouch for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The path, command, tab, row or component that it is about.
    pub place: String,
    /// What is missing and why, in words for the operator.
    pub reason: String,
}

impl Note {
    /// A note about a place.
    #[must_use]
    pub fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Cuts a value for an error message: a value of a million characters helps nobody.
fn shown(value: &str) -> String {
    const LONGEST: usize = 80;
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}
