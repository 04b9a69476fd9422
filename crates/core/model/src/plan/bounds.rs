//! How good a plan is: its end, lower bounds, and the static wave model with what forces more waves than it has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ElementId, HostId, TenantId, VmId};

/// When the plan is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Eta {
    /// If every step takes its median and starts at its planned time or after what it waits for, in seconds.
    pub p50_s: u32,
    /// As planned: every step at its 95th percentile, in seconds.
    pub p95_s: u32,
}

/// Lower bounds that no plan can beat, with what the plan reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// Waves of the cluster that needs most, at least: capacity, limits on hosts away, anti-affinity.
    pub waves_at_least: u32,
    /// Waves of that cluster in this plan.
    pub waves: u32,
    /// Moves, at least.
    pub moves_at_least: u64,
    /// Moves in this plan.
    pub moves: u64,
    /// Time to the end of the last step, at least, in seconds, at the 95th percentile of each step.
    pub makespan_at_least_s: u32,
    /// In this plan.
    pub makespan_s: u32,
    /// The term that gives the bound on time: `longest-host`, `hosts-away`, `link`, `soak`, `window`.
    pub makespan_bound_by: String,
}

/// How much is known about the static wave model of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StaticStatus {
    /// A schedule was found, and no schedule has fewer waves.
    Optimal,
    /// A schedule was found; fewer waves are neither found nor excluded.
    Feasible,
    /// It is proven that there is no schedule of all hosts of the cluster.
    Infeasible,
    /// Neither a schedule nor a proof that there is none was found within the budget.
    Unknown,
}

/// What forces waves beyond those of the static model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Forced {
    /// Rings, canaries and soak: hosts of different stages are never away together.
    Stages {
        /// Stages in which hosts of the cluster are changed.
        stages: u32,
        /// Waves that these stages need at least, each by its own hosts.
        at_least: u32,
    },
    /// A limit on hosts away.
    MostAway {
        /// What it limits: `cluster`, or as in [`Reason::MostAway`](super::Reason::MostAway).
        of: String,
        /// The number.
        most: u32,
        /// Waves that it alone demands; 0: it was met at a single wave.
        at_least: u32,
    },
    /// A host speaks for its pool: it comes first, and alone.
    Coordinator {
        /// The host.
        host: HostId,
    },
    /// A wave waits for a window, a consent or the end of a lock.
    Window {
        /// The wave.
        wave: u32,
        /// The tenant whose window it is; absent: the hosts' own.
        tenant: Option<TenantId>,
    },
    /// Without the hosts of two waves that follow each other the cluster has not enough capacity, in sum.
    Room {
        /// The later of the two waves.
        wave: u32,
        /// The resource.
        resource: String,
        /// How much is missing at least.
        short: u64,
        /// With as much held back as the largest of the remaining hosts has: the reserve for a failure.
        reserve: bool,
    },
    /// Both waves' hosts could be empty, but then some failure would leave guests without a place, although the sums
    /// would do.
    Restartability {
        /// The later of the two waves.
        wave: u32,
        /// The resource.
        resource: String,
        /// How much is missing at least.
        short: u64,
    },
    /// A guest of the later wave finds no room (counted where it comes from and where it goes to, while no guest of another host
    /// moves out of its way), or its rules leave no host while it moves.
    NoTarget {
        /// The later of the two waves.
        wave: u32,
        /// The guest.
        vm: VmId,
        /// Its host.
        from: HostId,
        /// Hosts would have room: rules (affinity, reach, releases) exclude them.
        rules: bool,
    },
    /// Guests of the earlier wave stand on a host of the later one meanwhile.
    Moves {
        /// The later of the two waves.
        wave: u32,
        /// Some of these guests, with the host that takes them.
        moves: Vec<(VmId, HostId)>,
        /// How many there are.
        count: u32,
    },
    /// Nothing was found that forces it: a better search may join the waves.
    NotFound {
        /// The later of the two waves.
        wave: u32,
    },
}

/// A reason for waves beyond the static bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveForce {
    /// What it is.
    #[serde(flatten)]
    pub what: Forced,
    /// By arithmetic: no plan with these stages and limits has fewer waves than it says, or these hosts are never away together
    /// whatever the placement (others may be). Otherwise it holds as guests stand in this plan: the search found no better one.
    pub proven: bool,
}

/// The static wave model of one cluster beside the plan's own waves: how few waves would do if only the placement while each
/// wave is away had to hold (capacity, affinity that must hold, `planning.max_hosts_per_wave`, `planning.n_plus_one` in sum),
/// and not the way there. Guests that are stopped or suspended on their host are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StaticWaves {
    /// The cluster, or the host that is in none.
    pub cluster: ElementId,
    /// Its hosts that are not in maintenance: the model takes each of them away once, those that need no change too.
    pub hosts: u32,
    /// Hosts of it that the plan changes.
    pub planned: u32,
    /// What is known about the model; where some hosts need no change, about a schedule for the others.
    pub status: StaticStatus,
    /// Waves for the hosts that the plan changes, at least: the model's bound where these are all hosts, else that of the sums.
    pub at_least: u32,
    /// Waves of the best schedule of the model, where one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u32>,
    /// Why the model has no schedule, or why nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Waves of this plan.
    pub waves: u32,
    /// Fewer waves are excluded: by the static bound, or by limits and stages. Otherwise a better search may find some.
    pub proven: bool,
    /// What forces the difference; empty where there is none.
    pub forced: Vec<WaveForce>,
    /// Pairs of waves that were not looked at, beyond those in `forced`.
    pub not_shown: u32,
}
