//! The whole answer about patch or wait, as the command line and the API give it.

use jiff::Timestamp;
use serde::Serialize;

use super::running::contradictions;
use super::unmatched::{due, running, unmatched};
use super::{GroupDecision, Request};
use crate::freshness;

/// What a reader must know beside the decisions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct About {
    /// The moment that they speak about.
    pub as_of: Timestamp,
    /// Currency of every loss.
    pub currency: String,
    /// The policy states what losses are worth; otherwise they are points, a judgement.
    pub rates_stated: bool,
    /// Span that losses are counted over, in days.
    pub horizon_days: f64,
    /// Seed of the draws.
    pub seed: u64,
    /// What a reader must know of the fleet and of the facts.
    pub warnings: Vec<String>,
    /// Evidence that counts for no host: a release that is due nowhere, hardware that no host has; each with its place.
    pub evidence_unmatched: Vec<String>,
}

impl About {
    /// What is to be said beside all the decisions that a request led to.
    #[must_use]
    pub fn of(request: &Request<'_>, decisions: &[GroupDecision]) -> Self {
        Self {
            as_of: request.assessment.as_of,
            currency: request.policy.currency.clone(),
            rates_stated: request.policy.loss.stated,
            horizon_days: request.horizon_days,
            seed: request.policy.seed,
            warnings: warnings(request),
            evidence_unmatched: unmatched(
                request.evidence,
                request.fleet,
                &due(decisions),
                &running(decisions),
            ),
        }
    }
}

/// What a reader must know of the fleet and of the facts.
fn warnings(request: &Request<'_>) -> Vec<String> {
    let of_facts = freshness::warnings(request.fleet, request.base, request.assessment);
    contradictions(request.fleet).into_iter().chain(of_facts).collect()
}

/// Decisions with what a reader must know beside them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer<'a> {
    /// What a reader must know.
    #[serde(flatten)]
    pub about: &'a About,
    /// Of each group of hosts and each release that is due on it, or of those that were asked for.
    pub groups: Vec<Named<'a>>,
}

/// A decision with the name of its group as one text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named<'a> {
    /// Platform, train, release, hardware class and ring, as reports write them.
    pub name: String,
    /// The decision.
    #[serde(flatten)]
    pub decision: &'a GroupDecision,
}

impl<'a> Answer<'a> {
    /// With these decisions.
    pub fn of(about: &'a About, decisions: impl IntoIterator<Item = &'a GroupDecision>) -> Self {
        let named = |decision: &'a GroupDecision| Named { name: decision.group.to_string(), decision };
        Self { about, groups: decisions.into_iter().map(named).collect() }
    }

    /// The decisions.
    pub fn decisions(&self) -> impl Iterator<Item = &'a GroupDecision> {
        self.groups.iter().map(|it| it.decision)
    }
}
