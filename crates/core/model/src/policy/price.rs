//! What it costs to take away what blocks a plan, as far as only the operator can know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Loss;

/// Prices of relaxations, in the policy's currency. What is absent is not priced: the report of a plan then names the key. What an
/// interruption costs is no price of its own: it follows from `loss.vm_hour_down`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// One spare host for one day, begun days being whole ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spare_host_per_day: Option<Loss>,
    /// One minute that windows are open longer, however many of them are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_minute: Option<Loss>,
    /// One Gbit/s more for the migrations of one host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gbps_per_host: Option<Loss>,
    /// Repairing one cluster or storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<Loss>,
    /// Ending the locks of one guest early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlock: Option<Loss>,
    /// Finding out one fact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fact: Option<Loss>,
    /// An exception from a rule or limit, where the policy has none whose price tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Loss>,
}
