//! What the policy demands of a plan: limits, reserves, durations, windows, exceptions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Freeze, Prices, Scope, Window};
use crate::change::Method;
use crate::fleet::Action;
use crate::id::{FaultDomainId, VmId};
use crate::plan::Rule;
use crate::quantity::Loss;

/// Who chooses the hosts that guests go to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Placing {
    /// The plan fixes every target.
    #[default]
    WePlace,
    /// The platform's maintenance mode or scheduler; the plan fixes bounds, which are verified.
    PlatformPlaces,
}

/// Where guests stay after their host was patched.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Homing {
    /// Where they went. Fewest moves; guests end up on the hosts that were patched first.
    #[default]
    Drift,
    /// They go back to the host that they came from, at the end of its wave. Twice the moves, the old placement.
    Home,
}

/// Which hosts may fail together without leaving a guest without a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureSets {
    /// No reserve is demanded.
    None,
    /// Any one host.
    #[default]
    Host,
    /// Any one host, and any one fault domain.
    FaultDomain,
}

/// Most hosts that are away at a time. A host is away from the moment at which it can no longer take guests (its first step
/// that touches it) until its last step has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MostAway {
    /// Of one cluster. A limit in the fleet file (`planning.max_hosts_per_wave`) takes its place.
    pub per_cluster: u32,
    /// Of one fault domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_fault_domain: Option<u32>,
    /// Of single fault domains, instead of the number for all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fault_domains: BTreeMap<FaultDomainId, u32>,
    /// Of one ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_ring: Option<u32>,
    /// Hosts with guests of one tenant (as they stand when the plan is made).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_tenant: Option<u32>,
}

impl Default for MostAway {
    /// One host of a cluster at a time: what every platform does by itself.
    fn default() -> Self {
        Self {
            per_cluster: 1,
            per_fault_domain: None,
            fault_domains: BTreeMap::new(),
            per_ring: None,
            per_tenant: None,
        }
    }
}

/// A duration as a distribution: seconds by which it is over in half and in 19 of 20 cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Median, in seconds.
    pub p50_s: u32,
    /// 95th percentile, in seconds.
    pub p95_s: u32,
}

impl Spread {
    /// The later of both medians and the later of both slow cases: what takes at least either takes no less.
    #[must_use]
    pub fn longer(self, other: Self) -> Self {
        Self { p50_s: self.p50_s.max(other.p50_s), p95_s: self.p95_s.max(other.p95_s) }
    }

    /// A spread; the percentiles are put in order.
    #[must_use]
    pub const fn new(p50_s: u32, p95_s: u32) -> Self {
        Self { p50_s, p95_s: if p95_s < p50_s { p50_s } else { p95_s } }
    }
}

/// How long a guest is off at least that moves cold: it is shut down, registered on another host and started there. A judgement, since no published figures
/// cover all platforms. Nothing of it is copied: its memory is gone by then, and both hosts reach its storage.
pub const COLD_MOVE: Spread = Spread::new(60, 180);

/// How long the steps of one method take on one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Durations {
    /// Bringing the packages to the element; done before its guests are touched.
    pub stage: Spread,
    /// Installing, each hop of a release.
    pub patch: Spread,
    /// Rebooting, each hop; of no effect for methods without one.
    pub reboot: Spread,
    /// Attesting, after the last reboot.
    pub attest: Spread,
    /// Verifying: own before/after comparison, health of guests.
    pub verify: Spread,
    /// Taking it all back, if verifying fails. Not in the timeline, but a host starts only where it still fits.
    pub rollback: Spread,
}

impl Durations {
    /// Of each step the later median and the later slow case: what a drain with several changes takes.
    #[must_use]
    pub fn longest(self, other: Self) -> Self {
        Self {
            stage: self.stage.longer(other.stage),
            patch: self.patch.longer(other.patch),
            reboot: self.reboot.longer(other.reboot),
            attest: self.attest.longer(other.attest),
            verify: self.verify.longer(other.verify),
            rollback: self.rollback.longer(other.rollback),
        }
    }

    /// What a method takes where nobody knows better: judgements, in the range of published figures (8 to 10 minutes for a host
    /// image and reboot by Omicron's operators' guide, 45 minutes for an ESXi host by OVH's).
    #[must_use]
    pub const fn of(method: Method) -> Self {
        const NONE: Spread = Spread::new(0, 0);
        let base = Self {
            stage: Spread::new(120, 300),
            patch: Spread::new(300, 600),
            reboot: Spread::new(600, 1200),
            attest: Spread::new(10, 30),
            verify: Spread::new(60, 180),
            rollback: Spread::new(900, 1800),
        };
        match method {
            Method::EvacuateReboot | Method::PowerOff => base,
            Method::QuickBoot => Self { reboot: Spread::new(120, 300), ..base },
            Method::LivePatch => {
                Self { patch: Spread::new(30, 120), reboot: NONE, rollback: Spread::new(60, 180), ..base }
            }
            Method::InPlace => Self { reboot: NONE, patch: Spread::new(900, 2400), ..base },
            Method::Defer => {
                Self { stage: NONE, patch: NONE, reboot: NONE, attest: NONE, verify: NONE, rollback: NONE }
            }
        }
    }
}

/// How guests migrate where the fleet does not say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MigrationPolicy {
    /// Bandwidth of a host for migrations, each way, in Mbit/s.
    pub bandwidth_mbps: u32,
    /// Migrations at a time that one host takes part in.
    pub slots: u32,
    /// All migrations over one network together, in Mbit/s; absent: the hosts' links bind first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mbps: Option<u32>,
    /// Dirty rate of a running guest per GiB of its memory, in MiB/s, where none was seen.
    pub dirty_mib_s_per_gib: f64,
    /// Longest pause of a guest at the end of its migration, in milliseconds: the copying goes on until what is left can be sent
    /// in that time.
    pub longest_pause_ms: u32,
    /// The 95th percentile of a migration's duration as a multiple of the computed one.
    pub p95_factor: f64,
}

impl Default for MigrationPolicy {
    /// 10 GbE with 8 slots (the limit of vMotion on it), 1 MiB/s per GiB, 500 ms, 1.5: judgements but for the slots.
    fn default() -> Self {
        Self {
            bandwidth_mbps: 10_000,
            slots: 8,
            network_mbps: None,
            dirty_mib_s_per_gib: 1.0,
            longest_pause_ms: 500,
            p95_factor: 1.5,
        }
    }
}

/// What an emergency may give up. Everything else holds as ever.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Emergency {
    /// Soak is multiplied with it: from 0 (none) to 1 (as ever).
    pub soak_factor: f64,
    /// Rings are not waited for: all of them follow the canaries' soak at once.
    pub merge_rings: bool,
    /// Windows of tenants are not waited for, where policy or contract allows that.
    pub outside_windows: bool,
    /// Most hosts of a cluster away at a time; absent: as ever. Capacity and restartability hold all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_cluster: Option<u32>,
}

impl Default for Emergency {
    fn default() -> Self {
        Self { soak_factor: 0.1, merge_rings: false, outside_windows: false, per_cluster: None }
    }
}

/// A named person's leave to break one rule somewhere, for a while, at a price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Its name.
    pub id: String,
    /// The rule.
    pub rule: Rule,
    /// Where.
    #[serde(default)]
    pub scope: Scope,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it counts.
    #[serde(deserialize_with = "super::bare::moment")]
    pub expires: Date,
    /// What it costs, if a plan uses it.
    #[serde(default)]
    pub price: Loss,
    /// Why.
    pub reason: String,
}

/// Everything that a policy says to planning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlanningPolicy {
    /// Who places.
    pub placing: Placing,
    /// Where guests stay.
    pub homing: Homing,
    /// Most hosts away.
    pub most_away: MostAway,
    /// What may fail meanwhile.
    pub failure_sets: FailureSets,
    /// Canaries of each hardware class, before the rest of its first ring: at most half of the class's hosts, since the others are those
    /// that canaries are for; the only host of a class is one.
    pub canaries_per_class: u32,
    /// An application of two or more guests is never wholly on a release whose canaries still soak.
    pub release_diversity: bool,
    /// How guests migrate.
    pub migration: MigrationPolicy,
    /// How long methods take, where that differs from [`Durations::of`].
    pub durations: BTreeMap<Method, Durations>,
    /// Actions on guests that need their owner's consent.
    pub consent_needed: Vec<Action>,
    /// Guests that the roll-out itself runs in or needs, Underpin's own and those of management planes: they run at every moment,
    /// and keep off releases that soak as a canary's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<VmId>,
    /// What an emergency gives up.
    pub emergency: Emergency,
    /// How far ahead a plan may reach, in days: a window that opens later never opens.
    pub horizon_days: u32,
    /// Price of one move of a guest, in the policy's currency.
    pub move_price: Loss,
    /// What relaxations cost.
    pub price: Prices,
    /// When what may be touched. What no window speaks of may be touched at any time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub window: Vec<Window>,
    /// When nothing may be touched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<Freeze>,
    /// Leave to break rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exception: Vec<Exception>,
}

impl Default for PlanningPolicy {
    fn default() -> Self {
        Self {
            placing: Placing::default(),
            homing: Homing::default(),
            most_away: MostAway::default(),
            failure_sets: FailureSets::default(),
            canaries_per_class: 1,
            release_diversity: true,
            migration: MigrationPolicy::default(),
            durations: BTreeMap::new(),
            consent_needed: vec![Action::ColdMigrate, Action::Suspend, Action::PowerOff],
            controllers: Vec::new(),
            emergency: Emergency::default(),
            horizon_days: 90,
            move_price: Loss::new(0.01).unwrap_or_default(),
            price: Prices::default(),
            window: Vec::new(),
            freeze: Vec::new(),
            exception: Vec::new(),
        }
    }
}

impl PlanningPolicy {
    /// How long a method takes under this policy.
    #[must_use]
    pub fn durations_of(&self, method: Method) -> Durations {
        self.durations.get(&method).copied().unwrap_or_else(|| Durations::of(method))
    }

    /// Canaries of a hardware class of so many hosts that one change is about ([`Self::canaries_per_class`]).
    #[must_use]
    pub fn canaries_of(&self, hosts: u32) -> u32 {
        self.canaries_per_class.min((hosts / 2).max(1))
    }

    /// The exceptions from a rule that count at an instant (to the end of their last day, in UTC).
    pub fn exceptions(&self, rule: Rule, at: Timestamp) -> impl Iterator<Item = &Exception> {
        let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        self.exception.iter().filter(move |it| it.rule == rule && day <= it.expires)
    }
}
