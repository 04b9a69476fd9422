//! Who waits for whose soak: a ring for the rings before it, the rest of a ring for its canaries, and the rest of a hardware
//! class for its first hosts. Nobody waits for more.

use std::collections::BTreeMap;

use underpin_model::plan::Profile;

use super::Request;
use super::calendar::Seconds;

/// When a soak ends, and in which ring it is.
pub(super) type Soaked = (Seconds, Option<String>);

/// What hosts are to a change in their ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// They try it.
    Canary,
    /// The first of their hardware class, after canaries of others.
    First,
    /// All others.
    Rest,
}

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// Everybody.
    All,
    /// Everybody but canaries.
    BehindCanaries,
    /// The rest of a hardware class.
    Class(u32),
    /// The rings that follow.
    LaterRings,
}

/// The soaks so far of each change.
#[derive(Debug, Default)]
pub(super) struct Soaks {
    until: BTreeMap<(u32, Who), Soaked>,
}

impl Soaks {
    /// A soak of canaries that everybody waits for who is none.
    pub(super) fn canary(&mut self, change: u32, soaked: &Soaked) {
        self.wait(change, Who::BehindCanaries, soaked);
    }

    /// A soak of hosts of a hardware class.
    pub(super) fn add(&mut self, role: Role, change: u32, hardware: u32, soaked: &Soaked) {
        self.wait(change, Who::LaterRings, soaked);
        match role {
            Role::Canary => self.wait(change, Who::BehindCanaries, soaked),
            Role::First => self.wait(change, Who::Class(hardware), soaked),
            Role::Rest => {}
        }
    }

    fn wait(&mut self, change: u32, who: Who, soaked: &Soaked) {
        let until = self.until.entry((change, who)).or_default();
        if soaked.0 > until.0 {
            until.clone_from(soaked);
        }
    }

    /// The soak that hosts of a hardware class wait for before they get a change.
    pub(super) fn until(&self, role: Role, change: u32, hardware: u32) -> Option<&Soaked> {
        let who: &[Who] = match role {
            Role::Canary => &[Who::All],
            Role::First => &[Who::All, Who::BehindCanaries],
            Role::Rest => &[Who::All, Who::BehindCanaries, Who::Class(hardware)],
        };
        who.iter().filter_map(|who| self.until.get(&(change, *who))).max_by_key(|it| it.0)
    }

    /// From here on everybody waits for all that soaks.
    pub(super) fn next_ring(&mut self) {
        for ((change, _), soaked) in std::mem::take(&mut self.until) {
            self.wait(change, Who::All, &soaked);
        }
    }
}

/// Days in whole seconds.
pub(super) fn days_s(days: f64) -> Seconds {
    (days * 86_400.0).ceil().clamp(0.0, f64::from(u32::MAX / 2)) as Seconds
}

impl Request<'_> {
    /// Soak of a ring in seconds.
    pub(super) fn soak_s(&self, ring: usize) -> Seconds {
        let days = self.policy.rings.get(ring).map_or(0.0, |it| it.soak.get());
        let factor = match self.profile {
            Profile::Normal => 1.0,
            Profile::Emergency => self.policy.planning.emergency.soak_factor,
        };
        days_s(days * factor)
    }

    /// Rings are planned as one: an emergency whose policy allows it.
    pub(super) fn merges_rings(&self) -> bool {
        self.profile == Profile::Emergency && self.policy.planning.emergency.merge_rings
    }
}
