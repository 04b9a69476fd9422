//! What is intended: the policy file. Losses and exchange rates, parameters of the risk model, compensating controls,
//! accepted risks with owner and expiry, promises, rings.
//!
//! ```
//! use underpin_model::policy::{self, Parameter};
//!
//! let policy = policy::read("currency = \"EUR\"\n[parameters]\nrho = { value = 0.1, source = \"workshop of 2026-03\" }\n").unwrap();
//! assert_eq!(policy.parameters.get(Parameter::Rho), 0.1);
//! assert!(policy.parameters.setting(Parameter::Aimed).judgement);
//!
//! let wrong = policy::read("[parameters]\nrho = 1.5\n").unwrap_err();
//! assert_eq!(wrong[0].to_string(), "parameters.rho.value (line 2): found 1.5, expected a correlation from 0 to 0.9999");
//! ```

mod bare;
mod check;
mod exception;
mod form;
mod meaning;
mod order;
mod parameter;
mod place;
mod planning;
mod price;
mod read;
mod window;

use std::collections::BTreeMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Family;
use crate::id::{ClusterId, HostId, ManagementPlaneId, TenantId, VulnerabilityId};
use crate::quantity::{Days, Loss, Probability};
use crate::ssvc::HumanImpact;

pub(crate) use check::MOST_SPAN_S;
pub use exception::Leave;
pub use meaning::{PACES, short};
pub use parameter::{Parameter, ParameterFact, Parameters, Setting, Unit};
pub use place::lines_of;
pub use planning::{
    COLD_MOVE, Durations, Emergency, Exception, FailureSets, Homing, MigrationPolicy, MostAway, Placing,
    PlanningPolicy, Spread,
};
pub use price::Prices;
pub use read::{PolicyError, read};
pub use window::{Day, Freeze, Window};

/// The policy of an operator. [`Policy::default`] is the policy of one who has not written any: every loss is in points,
/// every parameter at its default.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Policy {
    /// The currency of every loss: `EUR`, or `points` where none is stated. At most 16 characters, for it stands beside every loss.
    pub currency: String,
    /// The span that risk is computed over, in days.
    pub horizon: Days,
    /// Seed of the sampling.
    pub seed: u64,
    /// What a loss is worth.
    pub loss: Losses,
    /// Parameters of the risk model.
    pub parameters: Parameters,
    /// Compensating controls, at most 256: what each saves is found by pricing the fleet once more without it.
    pub controls: Vec<Control>,
    /// Risks that someone has accepted.
    pub accepted: Vec<AcceptedRisk>,
    /// Promises with a clock.
    pub promises: Vec<Promise>,
    /// What a maintenance costs.
    pub maintenance: Maintenance,
    /// Rings in their order.
    pub rings: Vec<Ring>,
    /// What plans must keep.
    pub planning: PlanningPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            currency: "points".to_owned(),
            horizon: Days::new(30.0).unwrap_or_default(),
            seed: 1,
            loss: Losses::default(),
            parameters: Parameters::default(),
            controls: Vec::new(),
            accepted: Vec::new(),
            promises: Vec::new(),
            maintenance: Maintenance::default(),
            rings: Ring::defaults(),
            planning: PlanningPolicy::default(),
        }
    }
}

/// Exchange rates from what happens to a VM into the policy's currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// One hour of one VM down.
    pub vm_hour_down: Loss,
    /// One record disclosed.
    pub record_disclosed: Loss,
    /// One system corrupted (a VM that must be rebuilt and whose data must be checked).
    pub system_corrupted: Loss,
    /// Records that one VM holds; the parameter `records_per_vm` where not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_per_vm: Option<f64>,
}

impl Default for Rates {
    /// Points: an hour down 1, a record 0.01, a corrupted system 50. A judgement, said so wherever it is used.
    fn default() -> Self {
        let loss = |it| Loss::new(it).unwrap_or_default();
        Self {
            vm_hour_down: loss(1.0),
            record_disclosed: loss(0.01),
            system_corrupted: loss(50.0),
            records_per_vm: None,
        }
    }
}

/// Exchange rates, with those of single tenants.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Losses {
    /// For every VM that no other rate speaks of.
    pub rates: Rates,
    /// The policy states the rates; otherwise they are the defaults, which are a judgement.
    pub stated: bool,
    /// For VMs of single tenants: what is not stated there is taken from `rates`.
    pub tenants: BTreeMap<TenantId, Rates>,
}

impl Losses {
    /// The rates for a VM of a tenant.
    #[must_use]
    pub fn of(&self, tenant: Option<&TenantId>) -> Rates {
        tenant.and_then(|it| self.tenants.get(it)).copied().unwrap_or(self.rates)
    }
}

/// A way to a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttackPath {
    /// Over a network to a management interface or service of the host.
    Network,
    /// From inside a guest of the host.
    Guest,
    /// Through the management plane that manages the host.
    ManagementPlane,
    /// By someone who already has an account on the host or at its console.
    Local,
}

/// Which assets a control, promise or accepted risk is about: all of them where every list is empty; otherwise those that
/// match every list that is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterId>,
    /// Hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostId>,
    /// Management planes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub planes: Vec<ManagementPlaneId>,
    /// Tenants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<TenantId>,
    /// Hypervisor products.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Family>,
}

/// A compensating control: the part of a path that it closes, and the path that it may add.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Its name.
    pub id: String,
    /// The paths that it stands on.
    pub closes: Vec<AttackPath>,
    /// How likely it fails to stop an attack on such a path.
    pub fails: Probability,
    /// Where it is in force.
    #[serde(default)]
    pub scope: Scope,
    /// A path that it adds: its own code can be attacked. Probability of a compromise by it, per asset and 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adds: Option<Probability>,
    /// What it costs per 30 days.
    #[serde(default)]
    pub cost: Loss,
    /// Who says that it works, or the word `judgement`.
    pub source: String,
}

/// A risk that someone has accepted, until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedRisk {
    /// The vulnerability.
    #[serde(deserialize_with = "vulnerability")]
    pub vulnerability: VulnerabilityId,
    /// Where it is accepted.
    #[serde(default)]
    pub scope: Scope,
    /// Who answers for it.
    pub owner: String,
    /// The day after which it counts as not accepted.
    #[serde(deserialize_with = "bare::moment")]
    pub expires: Date,
    /// Why.
    pub reason: String,
}

/// As feeds name it, however it is written.
fn vulnerability<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<VulnerabilityId, D::Error> {
    let written = VulnerabilityId::deserialize(deserializer)?;
    VulnerabilityId::of_text(written.as_str()).map_err(serde::de::Error::custom)
}

/// What a promise demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromiseKind {
    /// A fix is in force so many days after the vendor published it.
    FixWithin,
    /// A release that has reached its end of life has left the fleet so many days after that day.
    LeaveEndOfLife,
    /// A new platform or guest operating system release is in use somewhere so many days after it appeared.
    ReleaseSupportedWithin,
}

/// A promise: policy, law or contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Its name.
    pub id: String,
    /// What it demands.
    pub kind: PromiseKind,
    /// Within so many days.
    pub days: u32,
    /// For which assets.
    #[serde(default)]
    pub scope: Scope,
    /// Only vulnerabilities of at least this CVSS base score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss_at_least: Option<f64>,
    /// Only vulnerabilities that are known to be exploited.
    #[serde(default)]
    pub exploited_only: bool,
    /// Only assets whose applications have at least this human impact: how critical they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human_impact_at_least: Option<HumanImpact>,
    /// What it costs to break it, once.
    #[serde(default)]
    pub penalty: Loss,
}

/// What a maintenance costs, whatever it brings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Maintenance {
    /// Loss of draining, rebooting and checking one host.
    pub per_host: Loss,
    /// Share of it that is saved by every further change that shares the drain.
    pub shared_drain_saves: Probability,
    /// Hosts that are patched per day: the pace that forecasts use.
    pub hosts_per_day: f64,
    /// Management planes that are patched per day; without it, no forecast is made for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planes_per_day: Option<f64>,
    /// VMs that are patched per day; without it, no forecast is made for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vms_per_day: Option<f64>,
    /// Images that are rebuilt per day; without it, no forecast is made for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_per_day: Option<f64>,
}

impl Default for Maintenance {
    /// Half a point a host, half of it saved by sharing, ten hosts a day: a judgement. No other pace is known.
    fn default() -> Self {
        Self {
            per_host: Loss::new(0.5).unwrap_or_default(),
            shared_drain_saves: Probability::nearest(0.5),
            hosts_per_day: 10.0,
            planes_per_day: None,
            vms_per_day: None,
            images_per_day: None,
        }
    }
}

/// A ring: hosts that get a release at the same stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Its name, as in `ring` of the fleet's hosts.
    pub name: String,
    /// How long a release stays in it before the next ring.
    pub soak: Days,
}

impl Ring {
    fn defaults() -> Vec<Self> {
        [("test", 3.0), ("development", 4.0), ("production", 7.0)]
            .into_iter()
            .map(|(name, soak)| Self { name: name.to_owned(), soak: Days::new(soak).unwrap_or_default() })
            .collect()
    }
}
