//! Hosts for which one decision is taken: the same platform release, the same hardware class, the same ring.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;
use underpin_model::fleet::{Fleet, HardwareClass, Host};

/// What makes a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct GroupKey {
    /// Hypervisor product as the fleet file spells it; `None`: unknown.
    pub platform: Option<String>,
    /// Train; `None`: unknown.
    pub train: Option<String>,
    /// Release; `None`: unknown.
    pub release: Option<String>,
    /// Hardware class.
    pub hardware: HardwareClass,
    /// Ring; `None`: not said.
    pub ring: Option<String>,
}

impl GroupKey {
    /// The group of a host.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        let platform = host.platform.as_ref();
        Self {
            platform: platform.map(|it| it.family.to_string()),
            train: platform.and_then(|it| it.train.clone()),
            release: platform.and_then(|it| it.release.clone()),
            hardware: HardwareClass::of(host),
            ring: host.ring.clone(),
        }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |it: &Option<String>| it.clone().unwrap_or_else(|| "?".to_owned());
        write!(
            f,
            "{} {} {}, {}, ring {}",
            part(&self.platform),
            part(&self.train),
            part(&self.release),
            self.hardware,
            part(&self.ring)
        )
    }
}

/// The groups of a fleet, each with the positions of its hosts in [`Fleet::hosts`].
#[must_use]
pub fn groups(fleet: &Fleet) -> BTreeMap<GroupKey, Vec<usize>> {
    let mut groups: BTreeMap<GroupKey, Vec<usize>> = BTreeMap::new();
    let keys: Vec<GroupKey> = fleet.hosts.par_iter().map(GroupKey::of).collect();
    for (at, key) in keys.into_iter().enumerate() {
        groups.entry(key).or_default().push(at);
    }
    groups
}
