//! Whether the public Internet reaches a machine, judged once for decisions and for risk.

use rustc_hash::FxHashMap;
use underpin_model::fleet::{Fleet, ManagementInterface};
use underpin_model::id::NetworkId;

/// Which networks the public Internet reaches, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct PublicReach<'f>(FxHashMap<&'f NetworkId, Option<bool>>);

impl<'f> PublicReach<'f> {
    /// The networks of a fleet.
    #[must_use]
    pub fn of(fleet: &'f Fleet) -> Self {
        Self(fleet.networks.iter().map(|it| (&it.id, it.publicly_exposed)).collect())
    }

    /// Exposed if any network is; not exposed only if every one is known not to be; else unknown, and so without any.
    #[must_use]
    pub fn of_interface(&self, interface: &ManagementInterface) -> Option<bool> {
        self.of_networks(&interface.networks)
    }

    /// The same of what stands in some networks.
    #[must_use]
    pub fn of_networks(&self, networks: &[NetworkId]) -> Option<bool> {
        any(networks.iter().map(|it| self.0.get(it).copied().flatten())).flatten()
    }

    /// Whether the public Internet reaches a machine by any way in that is not off. Known not to be reached is one whose ways in
    /// all are known to be off or inside; without any listed way in to its software it is unknown. What leads to its management
    /// controller counts where it is listed.
    #[must_use]
    pub fn of_machine(&self, interfaces: &[ManagementInterface]) -> Option<bool> {
        let open = interfaces.iter().filter(|it| Door::of(it).is_some() && !is_off(it));
        let reached = any(open.map(|it| self.of_interface(it)));
        let listed = interfaces.iter().any(|it| Door::of(it) == Some(Door::Software));
        // Nothing is open: what is listed is off.
        reached.unwrap_or(Some(false)).filter(|reached| *reached || listed)
    }
}

/// Reached if any is; not reached only if every one is known not to be; else unknown. `None`: there is none.
fn any(all: impl Iterator<Item = Option<bool>>) -> Option<Option<bool>> {
    all.reduce(|one, other| match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    })
}

/// What a way in leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The machine's software.
    Software,
    /// Its management controller, which is a computer of its own.
    Controller,
}

impl Door {
    /// What an interface leads to; `None`: a console, which no network reaches.
    #[must_use]
    pub fn of(interface: &ManagementInterface) -> Option<Self> {
        match interface.kind.as_str() {
            "console" => None,
            "bmc" => Some(Self::Controller),
            _ => Some(Self::Software),
        }
    }
}

/// Known to be off, or reached from the machine itself only.
#[must_use]
pub fn is_off(interface: &ManagementInterface) -> bool {
    interface.enabled == Some(false) || is_loopback(interface)
}

fn is_loopback(interface: &ManagementInterface) -> bool {
    let listen = interface.listen.as_deref().unwrap_or_default();
    listen.starts_with("127.")
        || listen.starts_with("[::1]")
        || listen == "::1"
        || listen.starts_with("localhost")
}
