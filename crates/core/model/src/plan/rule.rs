//! What must hold in a plan at every moment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The plan must not be carried out.
    Error,
    /// It was so before the plan began, and the plan does not make it worse.
    Before,
    /// A fact is missing, so that nobody can tell.
    Unknown,
    /// A preference is not met.
    Worse,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A rule that a plan keeps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name in files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

rules! {
    /// Form: ids are positions, references lead somewhere, starts never fall, waves hold their steps, P50 is at most P95, the
    /// plan is made from this fleet.
    WellFormed = "well-formed",
    /// A step starts after the end of every step in its `after`.
    Order = "order",
    /// Guests on a host need no more than it can carry, in every resource; both ends count while a guest migrates. A host
    /// that is down carries nothing that runs.
    Capacity = "capacity",
    /// For each failure set of the policy a placement of its running guests exists on the hosts of the cluster that remain and
    /// are not away, within capacity, affinity, reach and features.
    Restartability = "restartability",
    /// No host is away while storage that it or its cluster uses is known to be degraded or rebuilding, or is itself being changed.
    StorageRedundancy = "storage-redundancy",
    /// Guests that must be apart are never on one host, moves included.
    Apart = "apart",
    /// Guests that must be together are on one host; during their own moves from one common host to another they may be on both.
    Together = "together",
    /// Guests bound to hosts are on these.
    OnHosts = "on-hosts",
    /// A group of guests stays in one of its parts.
    Among = "among",
    /// At most so many hosts away, per cluster, fault domain, ring and tenant.
    MostAway = "most-away",
    /// An application of two or more running guests is not wholly on the target release of a change whose canaries still soak,
    /// unless it was so at the start.
    ReleaseDiversity = "release-diversity",
    /// A host takes part in at most so many migrations at a time.
    MigrationSlots = "migration-slots",
    /// Bandwidth given to migrations over a host's link (each way) or a network is at most what it has.
    MigrationBandwidth = "migration-bandwidth",
    /// A migration converges, and its span is at least what its memory, dirty rate and bandwidth take; its pause is at most the
    /// policy's.
    MigrationTime = "migration-time",
    /// What a window speaks of is touched only within its openings: a step on a guest for its whole span, a host for its whole
    /// path with a rollback after it.
    Window = "window",
    /// What a freeze speaks of is not touched while it lasts.
    FreezeCalendar = "freeze-calendar",
    /// An action that needs consent has one that holds for the whole of it, and no answer that refuses it.
    Consent = "consent",
    /// Nothing is done to a guest that is not among its allowed actions.
    AllowedAction = "allowed-action",
    /// A guest is not moved, stopped or suspended while a lock holds it (for ever, if nobody knows when it ends).
    Lock = "lock",
    /// A host that takes a guest reaches its storage and networks, key providers and licence sets.
    Reach = "reach",
    /// A host that takes a guest has the CPU features that it needs.
    CpuFeatures = "cpu-features",
    /// A running guest never moves to a host of a lower release of the same product; a stopped one may.
    Direction = "direction",
    /// A host is patched or rebooted only when it holds no running guest, unless the method leaves guests running.
    OccupiedHost = "occupied-host",
    /// A ring's waves start after the soak of every earlier ring's waves of the same change, and the rest of a ring after the soak of its
    /// canaries.
    RingOrder = "ring-order",
    /// The soak after a wave is at least the policy's.
    Soak = "soak",
    /// Management planes before the hosts that they manage, changes after those that they name, coordinator first.
    ChangeOrder = "change-order",
    /// A method that the change allows; every hop; reboot, attestation and verification after the patch, in that order; a setting
    /// and a release share one drain.
    Method = "method",
    /// One change at a time on an element, and every element of a change once: in a wave or among those left out.
    Coverage = "coverage",
    /// Nothing that touches starts in a cluster that is known to be degraded, without an exception.
    Degraded = "degraded",
    /// What is frozen in a cluster is frozen before its first step that touches, and thawed after its last.
    FreezeThaw = "freeze-thaw",
    /// At the end every guest that ran runs, on a host that is not down.
    FinalState = "final-state",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_files_are_the_names_of_rules() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.name());
        }
    }
}
