//! The full plan: every change of a fleet brought to its elements, in waves that keep every rule at every moment.
//!
//! How it is found: clusters are independent unless a limit couples them, so each is planned by itself, stage by stage (the
//! canaries of a ring, its other hosts, the next ring after the soak). Within a stage hosts are emptied one after the other,
//! the most urgent first, into hosts that are done, then into hosts that come late; a host joins a wave if the reserve for a
//! failure still holds with it away and it makes nobody wait. Then the order of hosts is varied within the budget
//! ([`Request::evaluations`]) and the best is kept: most hosts, least loss while open, earliest end,
//! fewest guests interrupted, fewest moves.

mod anchors;
mod answers;
mod assemble;
mod best;
mod bounds;
mod bounds_of_choice;
mod calendar;
mod canaries;
mod candidates;
mod counterfactual;
mod coupled;
mod couplings;
mod drive;
mod durations;
mod early;
mod elements;
mod emergency;
mod facts;
mod fit;
mod homeward;
mod homing;
mod kept;
mod leave;
mod order;
mod regroup;
mod relocate;
mod report;
mod reserve;
mod rings;
mod room;
mod rooms;
mod scatter;
mod search;
mod sequence;
mod soaking;
mod soaks;
mod spread;
mod stage;
mod standing;
mod start;
mod static_bound;
mod timing;
mod unfinished;
mod waits;

use std::collections::BTreeMap;

use jiff::Timestamp;
use underpin_model::change::Change;
use underpin_model::fleet::{Fleet, Planning};
use underpin_model::id::HostId;
use underpin_model::plan::{Plan, PlanReport, Profile};
use underpin_model::policy::{Homing, Policy};

pub use counterfactual::{relax, with_consent, with_most_away, with_spare_hosts};

/// What a plan is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The fleet as observed, with its changes and consents (`planning`).
    pub fleet: &'a Fleet,
    /// The policy.
    pub policy: &'a Policy,
    /// When the plan starts; fractions of a second are cut.
    pub starts_at: Timestamp,
    /// How cautious it is.
    pub profile: Profile,
    /// Where guests stay, if not as the policy says.
    pub homing: Option<Homing>,
    /// Seed of the search.
    pub seed: u64,
    /// Orders that are tried per cluster and stage beyond the first.
    pub evaluations: u64,
    /// Loss per day that the holes of each host stand for, in the policy's currency.
    pub loss_per_day: &'a BTreeMap<HostId, f64>,
    /// The plan that this one follows.
    pub parent: Option<Parent<'a>>,
    /// SHA-256 of the fleet file in hexadecimal.
    pub fleet_sha256: Option<&'a str>,
    /// SHA-256 of the policy file in hexadecimal.
    pub policy_sha256: Option<&'a str>,
}

/// The plan that a new one follows.
#[derive(Debug, Clone, Copy)]
pub struct Parent<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its SHA-256 in hexadecimal.
    pub sha256: &'a str,
}

impl<'a> Request<'a> {
    /// The changes that wait.
    #[must_use]
    pub fn changes(&self) -> &'a [Change] {
        self.fleet.planning.as_ref().map(|it| it.changes.as_slice()).unwrap_or_default()
    }
}

/// A plan with its report.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The report; `plan_sha256` is left for whoever writes the plan's bytes.
    pub report: PlanReport,
}

/// Why no plan can be made at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The fleet has no changes.
    #[error(
        "the fleet has no changes to plan; name them under `planning.changes`: a target and the elements that are to reach it"
    )]
    NoChanges,
    /// Its time would leave the calendar: no window or freeze could be said.
    #[error(
        "starts_at: found {starts_at}, expected a moment so early that the {horizon_days} days of `planning.horizon_days` after it end \
         before the year 10000"
    )]
    Start {
        /// When the plan was to start.
        starts_at: Timestamp,
        /// How far it may reach.
        horizon_days: u32,
    },
    /// The policy has a mistake that its reader lets through.
    #[error("{0}")]
    Policy(String),
    /// The fleet has a mistake that its reader lets through.
    #[error("{0}")]
    Fleet(String),
}

/// Plans every change of a fleet. In which order the fleet lists its changes makes no difference: `after` says which comes first.
///
/// # Errors
/// There is nothing to plan, or the input cannot be told apart ([`PlanError`]). What is merely impossible is in the report.
pub fn plan(request: &Request<'_>) -> Result<Planned, PlanError> {
    match by_id(request.fleet) {
        // An error names places of the file as it is.
        Some(fleet) => made(&Request { fleet: &fleet, ..*request }).or_else(|_| made(request)),
        None => made(request),
    }
}

fn made(request: &Request<'_>) -> Result<Planned, PlanError> {
    let facts = facts::Facts::new(request);
    let driven = best::best(request, &facts)?;
    let mut planned = assemble::assemble(request, &facts, &driven);
    report::finish(request, &facts, &driven, &mut planned);
    calendar::name_freezes(request, &facts, &mut planned);
    planned.report.counterfactuals = counterfactual::counterfactuals(request, &planned);
    Ok(planned)
}

/// The fleet with its changes in the order of their ids; `None`: it has them so.
fn by_id(fleet: &Fleet) -> Option<Fleet> {
    let in_order = |it: &Planning| it.changes.is_sorted_by(|a, b| a.id <= b.id);
    if fleet.planning.as_ref().is_none_or(in_order) {
        return None;
    }
    let mut fleet = fleet.clone();
    if let Some(it) = &mut fleet.planning {
        it.changes.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Some(fleet)
}

/// Plans without looking for what would unblock: for trying relaxations and alternatives.
fn plan_only(request: &Request<'_>) -> Result<Planned, PlanError> {
    let facts = facts::Facts::new(request);
    let driven = best::best(request, &facts)?;
    Ok(assemble::assemble(request, &facts, &driven))
}
