//! The fleet as the risk model sees it: common shocks, classes of hosts that answer to them alike, and what stands on
//! each host.
//!
//! The model, over one horizon:
//! - A [`Shock`] happens or not, independently of the others: an exploit comes into use *and* aims at this fleet, a release
//!   turns out bad for a hardware class, a control fails everywhere at once.
//! - One standard normal factor `Z` says how strong the attacker of the day is. Given `Z = z`, a response of probability
//!   `r` to an exploit has `Phi((Phi^-1(r) - sqrt(rho) z) / sqrt(1 - rho))` (one-factor Gaussian, science: Vasicek), which
//!   keeps its mean at `r`. Responses to anything but exploits do not depend on `Z`, nor does what a control leaves of one.
//! - Given shocks and `Z`, planes and hosts answer independently: each [`Response`] of a class to a shock that happened hits
//!   with its probability. A plane that was hit takes each of its hosts with [`Plane::takes_host`], through its gate.
//! - A hit by which a host answers to a shock gives control of the planes that run on it, all of them at once, with
//!   [`Impact::control`]: they fall with the host and take what they manage, once, by whatever they fell. Planes of a host
//!   that a plane took do not fall with it: the way is followed one step.
//! - A host that was hit loses, per dimension, the greatest impact among its hits, times what its holdings are worth. An outage
//!   after a compromise and one because the host is down are dimensions of their own: they are different outages.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use underpin_model::id::{ClusterId, HostId, ManagementPlaneId, TenantId, VulnerabilityId};
use underpin_model::policy::Parameter;

use underpin_model::fleet::HardwareClass;

/// A fleet as the risk model sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Portfolio {
    /// Span that the probabilities are over, in days.
    pub horizon_days: f64,
    /// Correlation of attack success between hosts under one campaign, 0 to below 1.
    pub rho: f64,
    /// Common causes.
    pub shocks: Vec<Shock>,
    /// Management planes.
    pub planes: Vec<Plane>,
    /// Classes of hosts that answer alike.
    pub classes: Vec<HostClass>,
    /// Hosts.
    pub hosts: Vec<HostLine>,
    /// What stands on the hosts, host by host.
    pub holdings: Vec<Holding>,
    /// Tenants by index; `None`: VMs of no known tenant.
    pub tenants: Vec<Option<TenantId>>,
    /// Clusters by index; `None`: hosts of no known cluster.
    pub clusters: Vec<Option<ClusterId>>,
}

/// What a shock is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Cause {
    /// An exploit of a vulnerability comes into use and a campaign aims at this fleet.
    Exploit {
        /// The vulnerability.
        vulnerability: VulnerabilityId,
    },
    /// A release that hosts run or are about to run is bad for a hardware class.
    BadRelease {
        /// The release.
        release: String,
        /// The hardware class.
        hardware: HardwareClass,
    },
    /// A control fails for everything behind it at once.
    ControlFails {
        /// The control.
        control: String,
    },
    /// A control's own code is attacked.
    ControlAttacked {
        /// The control.
        control: String,
    },
    /// Underpin's own credentials are abused.
    Underpin,
}

/// One factor of a probability, with where it is from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Factor {
    /// What it is: `exploited in the wild`, `aimed at this fleet`, `reach`, `control fails`.
    pub name: &'static str,
    /// Value.
    pub value: f64,
    /// Low end of its range.
    pub low: f64,
    /// High end of its range.
    pub high: f64,
    /// The parameter that it is, or that bounds it.
    pub parameter: Option<Parameter>,
    /// The fact or source it is from; shared, for thousands of responses have the same.
    pub source: Arc<str>,
}

/// A common cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shock {
    /// What it is.
    #[serde(flatten)]
    pub cause: Cause,
    /// Probability that it happens within the horizon: the product of its factors.
    pub probability: f64,
    /// The factors.
    pub factors: Vec<Factor>,
}

/// What is lost of what stands on a host, by dimension, 0 to 1 (a level above 1 is refused by the builder).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize)]
pub struct Impact {
    /// Share of confidentiality lost.
    pub confidentiality: f64,
    /// Share of integrity lost.
    pub integrity: f64,
    /// Share of availability lost; 1 is the outage after a compromise.
    pub availability: f64,
    /// Share of the outage that is due when the host itself is down; what stands on it may be restarted elsewhere, or have a copy.
    pub host_down: f64,
}

impl Impact {
    /// All that a compromise can take.
    pub const COMPROMISED: Self =
        Self { confidentiality: 1.0, integrity: 1.0, availability: 1.0, host_down: 0.0 };
    /// So much of it.
    #[must_use]
    pub fn times(self, share: f64) -> Self {
        Self {
            confidentiality: share * self.confidentiality,
            integrity: share * self.integrity,
            availability: share * self.availability,
            host_down: share * self.host_down,
        }
    }

    /// How far a hit on a host gives control of what runs on it, as for a hole in a plane: as integrity is lost, half as much where
    /// only confidentiality is. A judgement.
    #[must_use]
    pub fn control(self) -> f64 {
        self.integrity.max(0.5 * self.confidentiality).clamp(0.0, 1.0)
    }

    /// The greater one, dimension by dimension.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            confidentiality: self.confidentiality.max(other.confidentiality),
            integrity: self.integrity.max(other.integrity),
            availability: self.availability.max(other.availability),
            host_down: self.host_down.max(other.host_down),
        }
    }
}

/// How a class of hosts, or a plane, answers to a shock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Response {
    /// Index of the shock.
    pub shock: u32,
    /// Probability of a hit, given the shock (and the gate open, where there is one).
    pub probability: f64,
    /// What of it controls leave that fail host by host: the factor `Z` acts on the probability before them. 1 without one.
    pub left: f64,
    /// A control that stands before it.
    pub gate: Option<Gate>,
    /// What a hit costs.
    pub impact: Impact,
    /// The factors of the probability: reach, control fails. Shared by all holes that are used by one way.
    pub factors: Arc<[Factor]>,
}

/// A control before a response, or between a plane and its hosts: while its common-failure shock does not happen, the
/// probability behind it is multiplied (after the factor `Z` has acted on it).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gate {
    /// Index of the shock [`Cause::ControlFails`].
    pub shock: u32,
    /// Multiplier while that shock does not happen: with failure probability `f` and common share `beta` it is
    /// `f (1 - beta) / (1 - beta f)`, so that the marginal stays `f`.
    pub otherwise: f64,
}

/// A management plane.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plane {
    /// Its id.
    pub id: ManagementPlaneId,
    /// Its own responses.
    pub responses: Vec<Response>,
    /// Probability that its fall takes one given host that it manages (while the gate is open, where there is one).
    pub takes_host: f64,
    /// A control between it and its hosts.
    pub gate: Option<Gate>,
    /// What the fall of a host to it costs.
    pub impact: Impact,
    /// Indices of the hosts that it runs on: a host that answers to a shock takes it with it, as far as the hit gives control
    /// ([`Impact::control`]). Each of these hosts has a class of its own.
    pub runs_on: Vec<u32>,
}

/// Hosts that answer to every shock alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostClass {
    /// What they have in common, for people.
    pub label: String,
    /// Their responses, at most one a shock, sorted by shock. Shared by classes that differ in their planes alone.
    pub responses: Arc<[Response]>,
    /// Indices of the planes that manage them.
    pub planes: Vec<u32>,
}

/// A host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostLine {
    /// Its id.
    pub id: HostId,
    /// Index of its class.
    pub class: u32,
    /// Index of its cluster.
    pub cluster: u32,
    /// Its stretch of [`Portfolio::holdings`].
    pub holdings: Range<u32>,
}

/// What one tenant has on one host.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Holding {
    /// Index of the tenant.
    pub tenant: u32,
    /// VMs.
    pub vms: u32,
    /// Loss if confidentiality is lost whole.
    pub confidentiality: f64,
    /// Loss if integrity is lost whole.
    pub integrity: f64,
    /// Loss of the outage after a compromise.
    pub availability: f64,
    /// Loss of the outage while the host is down, less what restarts and copies spare.
    pub host_down: f64,
}

impl Holding {
    /// The loss under an impact.
    #[must_use]
    pub fn loss(&self, impact: Impact) -> f64 {
        self.confidentiality * impact.confidentiality
            + self.integrity * impact.integrity
            + self.availability * impact.availability
            + self.host_down * impact.host_down
    }
}

impl Portfolio {
    /// What stands on a host.
    #[must_use]
    pub fn holdings_of(&self, host: &HostLine) -> &[Holding] {
        self.holdings.get(host.holdings.start as usize..host.holdings.end as usize).unwrap_or(&[])
    }
}
