//! What can go wrong, where, and how often.

use underpin_model::fleet::Capacity;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// A migration breaks off half way.
    MigrationFails,
    /// A migration copies no more, and does not end.
    MigrationStalls,
    /// A host that reboots does not come back.
    NoReturn,
    /// A reboot is reported done although the host never went down.
    NoReboot,
    /// A host takes so many times as long to come back.
    SlowReturn(f64),
    /// A host comes back with other hardware or settings than before.
    ReturnsWith(Changed),
    /// Everything that reads or writes storage takes so many times as long.
    SlowStorage(f64),
    /// A call has no answer, and nothing happened.
    ApiTimeout,
    /// A call has no answer, and happened.
    LostReply,
    /// The inventory is as old as the beginning of the fault.
    StaleInventory,
    /// A guest that lands on a host with this release (any, if absent) runs and does not answer.
    Hangs {
        /// The release.
        on: Option<String>,
    },
    /// The platform reports an action done that it did not do.
    Lies,
    /// Measurements of a boot differ from what was predicted.
    AttestationDiffers,
    /// A host's management cannot be reached; its guests run on.
    Partition,
    /// The platform's clock is ahead by so many milliseconds (behind, if negative).
    ClockSkew(i64),
    /// A host loses its power.
    PowerLoss,
    /// A host's management comes and goes: away and back for so many milliseconds each.
    Flapping {
        /// Away.
        away_ms: u64,
        /// Back.
        back_ms: u64,
    },
    /// The host's links for migrations have this bandwidth in Mbit/s.
    SlowLink(u32),
}

impl FaultKind {
    /// Its word in scripts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MigrationFails => "migration-fails",
            Self::MigrationStalls => "migration-stalls",
            Self::NoReturn => "no-return",
            Self::NoReboot => "no-reboot",
            Self::SlowReturn(_) => "slow-return",
            Self::ReturnsWith(_) => "returns-with",
            Self::SlowStorage(_) => "slow-storage",
            Self::ApiTimeout => "api-timeout",
            Self::LostReply => "lost-reply",
            Self::StaleInventory => "stale-inventory",
            Self::Hangs { .. } => "hangs",
            Self::Lies => "lies",
            Self::AttestationDiffers => "attestation-differs",
            Self::Partition => "partition",
            Self::ClockSkew(_) => "clock-skew",
            Self::PowerLoss => "power-loss",
            Self::Flapping { .. } => "flapping",
            Self::SlowLink(_) => "slow-link",
        }
    }
}

/// What is different on a host that comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Network uplinks that are up.
    pub uplinks: Option<u32>,
    /// Paths to storage that are up.
    pub storage_paths: Option<u32>,
    /// What it can carry: those resources that are given.
    pub capacity: Capacity,
    /// Settings.
    pub settings: Vec<(String, String)>,
}

/// What a fault is about; every part that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The host (the source of a migration).
    pub host: Option<String>,
    /// The guest.
    pub vm: Option<String>,
    /// The action by its name.
    pub action: Option<String>,
}

/// How often a fault strikes where its scope matches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Often {
    /// Each time.
    Always,
    /// So many times more.
    Times(u32),
    /// With this probability.
    Rate(f64),
}

/// A fault that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Where.
    pub scope: Scope,
    /// How often.
    pub often: Often,
    /// It is over then, in milliseconds of the virtual clock; `None`: it stays.
    pub until_ms: Option<u64>,
}

impl Fault {
    /// Whether it speaks of a subject.
    pub(crate) fn is_about(&self, at: &Subject<'_>) -> bool {
        fn within(wanted: Option<&String>, found: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| found == Some(wanted.as_str()))
        }
        within(self.scope.host.as_ref(), at.host)
            && within(self.scope.vm.as_ref(), at.vm)
            && within(self.scope.action.as_ref(), at.action)
    }
}

/// Where a fault may strike.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) host: Option<&'a str>,
    pub(crate) vm: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
}
