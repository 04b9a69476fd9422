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
    /// plan is made from this fleet. Freezes and thaws are of no wave, rings and canaries are hosts, no soak ends before its wave. A step
    /// finds its guest on the host that it names, in a state that it can work on and in no other step's hands; only what the plan stopped or
    /// suspended is started or resumed; only a plan in which the platform places evacuates.
    WellFormed = "well-formed",
    /// A step starts after the end of every step in its `after`, all of which stand before it in the plan. Whoever is late follows
    /// `after`: a host is patched or rebooted after all of its guests that leave or rest for it have done so, and after what is staged and
    /// checked for it; one work on it comes after the other; guests come back and are started after it was verified. A wave that touches
    /// hosts or their guests has one gate; whatever touches in it waits for the gate, and the gate for all that is over by then in its
    /// cluster.
    Order = "order",
    /// Guests on a host need no more than it can carry, in every resource; both ends count while a guest migrates. A host
    /// that is down carries nothing that runs; one that is away takes no guest but its own coming home after it was verified, and one that was in maintenance
    /// when the plan begins takes none in all of it. A host that carried too much at the start may go on carrying so much, and no more.
    Capacity = "capacity",
    /// For each failure set of the policy a placement of its running guests exists on the hosts of the cluster that remain and
    /// are not away, within capacity, affinity (apart, together as far as they were at the start, on hosts), reach and features. Its running guests are those that run on it
    /// and those on their way from or to it; what these hold elsewhere they give up. A guest that no other host of its cluster could take
    /// even before the plan, and sets that were short then, count only where the plan makes it worse.
    Restartability = "restartability",
    /// Storage is changed only while it is known to have its full redundancy. No host is away while storage that it or its cluster uses is known to be degraded or rebuilding, or is itself being changed.
    StorageRedundancy = "storage-redundancy",
    /// Guests that must be apart are never on one host, moves included. Here and for those together and among, a guest that is off is
    /// nowhere.
    Apart = "apart",
    /// Guests that must be together are on one host; while at least one of them is on its way from one common host to another they may be
    /// on both.
    Together = "together",
    /// Guests bound to hosts are on these; no step leads one to another host, even if it is off.
    OnHosts = "on-hosts",
    /// A group of guests stays in one of its parts.
    Among = "among",
    /// At most so many hosts away, per cluster, fault domain, ring and tenant. A host that is in maintenance when the plan begins is away
    /// until the plan has verified it, or for good.
    MostAway = "most-away",
    /// An application of two or more running guests is not wholly on the target release of a change while its first canaries (those of its
    /// first ring, whether the plan calls them so or they are the first of their hardware) still soak, unless it was so at the start. Of a change
    /// of a component or setting: one whose guests all run in one cluster is not taken there as a whole, by a guest that moves; who stays is asked
    /// nothing.
    ReleaseDiversity = "release-diversity",
    /// A host takes part in at most so many migrations at a time. In an evacuation the platform keeps to its own number.
    MigrationSlots = "migration-slots",
    /// Bandwidth given to migrations over a host's link (each way) or a network is at most what it has. An evacuation holds all of its
    /// bandwidth out of its host and into each expected target; hosts of a cluster that name no network share one.
    MigrationBandwidth = "migration-bandwidth",
    /// A live migration converges within 30 rounds of copying to the pause that it names, and its span (at the 95th percentile) is at least
    /// what its memory, dirty rate and bandwidth take, times the policy's factor; its pause is at most the policy's. An evacuation
    /// takes at least as long as its guests one after the other. A cold migration has neither bandwidth nor pause, and takes at least as
    /// long as a guest is off that moves so. Who runs and may move live rather moves live.
    MigrationTime = "migration-time",
    /// A step takes at least what is declared for it, median and 95th percentile: by the change, else by the policy for its method. Where
    /// the fleet has a history of such steps, no less than the quickest that was watched, if that is less. Nothing that is done takes no
    /// time unless that is declared; a gate takes none.
    StepTime = "step-time",
    /// What a window speaks of is touched only within its openings: a step on a guest for its whole span, a host for its whole
    /// path with a rollback after it. Openings that touch or overlap are one.
    Window = "window",
    /// What a freeze speaks of is not touched while it lasts.
    FreezeCalendar = "freeze-calendar",
    /// An action that needs consent has one that holds for the whole of it (until a guest that was stopped or suspended is back), and
    /// stopping, suspending and moving cold name it. No action is done that its owner refuses at the time, consent needed or not.
    Consent = "consent",
    /// Nothing is done to a guest that is not among its allowed actions.
    AllowedAction = "allowed-action",
    /// A guest that the roll-out itself needs (Underpin's own, a management plane's) is never stopped, suspended or moved cold.
    Controller = "controller",
    /// A guest is not moved, stopped or suspended while a lock holds it (for ever, if nobody knows when it ends).
    Lock = "lock",
    /// A host that takes a guest is of its cluster, and reaches its storage and networks, key providers and licence sets. What a guest uses
    /// of these two no fact says: it needs the licence sets of the host that it stands on, and a vTPM its key providers.
    Reach = "reach",
    /// A host that takes a guest has the CPU features that it needs.
    CpuFeatures = "cpu-features",
    /// A running guest never moves to a host of a lower release (`platform.release`) of the same product, whatever the versions of components; a
    /// stopped one may. No element is taken to a lower
    /// release of its product, nor a component of it to a lower version; each hop counts from the one before it.
    Direction = "direction",
    /// A host is patched or rebooted only when it holds no running guest, unless the method leaves guests running; a reboot that is not
    /// a quick one takes suspended guests with it, so that it must hold none of these either.
    OccupiedHost = "occupied-host",
    /// A ring's waves start after the soak of every earlier ring's waves of the same change, and the rest of a ring after the soak of its
    /// canaries. A wave starts with its first step that touches. A host whose ring is not among the policy's counts as in the last; in a pool
    /// with a coordinator nobody's ring is earlier than the coordinator's. Of each hardware
    /// class (maker, model, processor) as many hosts as the policy demands canaries, less those that had the change before, have soaked
    /// before any other goes that is no canary.
    RingOrder = "ring-order",
    /// The soak after a wave of hosts is at least the policy's for their ring, in an emergency times its factor.
    Soak = "soak",
    /// Management planes are verified before the hosts that they manage are touched (one that is left out holds them back, unless it is
    /// deferred on purpose, or its change names one of hosts), changes come after those that they name, and in a pool of XCP-ng or XenServer the hosts that its plane
    /// runs on get a release first.
    ChangeOrder = "change-order",
    /// A method that the change allows; every hop; reboot, attestation and verification after the patch, in that order; a setting
    /// and a release share one drain: a host goes down in one wave only. A quick boot reboots without the firmware, all others with it. Something
    /// is staged before the first patch, for changes that the element gets in that wave and for no other, and of a management plane its backup
    /// is checked. Where one unit of an element follows another (the controllers of a storage), the first is verified before the next begins,
    /// and so is each hop of whatever is no host.
    Method = "method",
    /// One change at a time on an element, and every element of a change once: in a wave or among those left out. A
    /// wave lists nothing that it does nothing to. Whoever is beyond the target of a change needs it no more than whoever is there.
    Coverage = "coverage",
    /// Nothing that touches starts in a cluster that is known to be degraded, without an exception.
    Degraded = "degraded",
    /// A cluster is frozen before a step that touches its hosts begins, and thawed after it has ended. A freeze leaves out no balancing that
    /// is known to be on where the plan places, and no admission control that is known to be on.
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
