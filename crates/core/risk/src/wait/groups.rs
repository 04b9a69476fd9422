//! Patch or wait for every group of a fleet and every release that is due on it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use serde::Serialize;
use underpin_exposure::report::DueView;
use underpin_exposure::{Assessment, FactBase};
use underpin_model::fleet::Fleet;
use underpin_model::id::{HostId, TenantId, VulnerabilityId};
use underpin_model::policy::Policy;
use underpin_model::ssvc;

use super::curve::{FLAT, InvalidInput};
use super::decision::{DRAWS, Decision, Verdict, decide_under};
use super::drains;
use super::draws::Draws;
use super::evidence::{Evidence, Tally};
pub use super::installed::RunsNow;
use super::prior::Prior;
pub use super::promises::PromiseState;
use super::rings::{Decided, EarlierRing};
use super::scene::{Due, Scene};
use super::sentence;
use super::situation::Situation;
pub use super::target::Withdrawn;
use super::values::Assumptions;
use crate::build::reach::Rates;
use crate::groups::GroupKey;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// Its assessment.
    pub assessment: &'a Assessment,
    /// The facts that it was assessed with.
    pub base: &'a FactBase,
    /// The policy.
    pub policy: &'a Policy,
    /// Trials, canaries, known bugs.
    pub evidence: &'a Evidence,
    /// Span that losses are counted over, in days; [`HORIZON_DAYS`] where nobody says otherwise.
    pub horizon_days: f64,
}

/// The usual span: a quarter.
pub const HORIZON_DAYS: f64 = 90.0;

/// Which release of a line a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The smallest that closes everything that can be closed, or follows what is known to be bad, and the newest there is.
    OnlyOne,
    /// The smallest of these; there is a newer one.
    Smallest,
    /// The newest of the line.
    Newest,
    /// No release is known, or not which.
    Unknown,
}

impl Role {
    /// What people read.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::OnlyOne => "only",
            Self::Smallest => "smallest",
            Self::Newest => "newest",
            Self::Unknown => "unknown",
        }
    }
}

/// Patch or wait, for one group of hosts and one release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupDecision {
    /// The group.
    pub group: GroupKey,
    /// Hosts on which the release is due.
    pub hosts: Vec<HostId>,
    /// VMs on them that run, or of which it is not known.
    pub vms: u32,
    /// VMs of no known host that may stand on them, and are in no loss.
    pub vms_perhaps: u32,
    /// The component that is released as one: source package or product.
    pub component: String,
    /// The release; `None`: unknown.
    pub release: Option<String>,
    /// Which one it is.
    pub role: Role,
    /// Releases of the component that hosts run now, as far as anything is known of them.
    pub runs: Vec<RunsNow>,
    /// The first release that closes the same, where its maker has withdrawn it by now: it is never recommended.
    pub instead_of: Option<Withdrawn>,
    /// The other release of the same component that gains more; `None`: this one is as good or better.
    pub better: Option<Better>,
    /// The day that its maturity counts from.
    pub released: Option<Date>,
    /// What that day is.
    pub released_basis: &'static str,
    /// Vulnerabilities that it closes here.
    pub closes: Vec<VulnerabilityId>,
    /// Of them, known to be exploited.
    pub exploited: u32,
    /// Open vulnerabilities of the component that no known release closes.
    pub without_fix: u32,
    /// Changes that one drain of these hosts serves: this one and those that are decided for the same time.
    pub changes: u32,
    /// How likely a release of the line is bad.
    pub prior: Option<Prior>,
    /// What trials and canaries showed.
    pub tally: Tally,
    /// The worst SSVC outcome of what it closes.
    pub ssvc: Option<ssvc::Decision>,
    /// The strictest BOD 26-04 outcome of what it closes, by the earliest day of any.
    pub bod_26_04: Option<DueView>,
    /// Promises.
    pub promises: Vec<PromiseState>,
    /// The earlier ring that will have run it before these hosts take it; `None`: none protects them.
    pub earlier_ring: Option<EarlierRing>,
    /// What was assumed or not priced because a fact is missing.
    pub assumed: Vec<String>,
    /// The decision; `None`: it cannot be made.
    pub wait: Option<Decision>,
    /// The fact without which it cannot be made.
    pub unknown: Option<String>,
    /// What is recommended and why, in one sentence.
    pub recommendation: String,
}

/// A release that closes the same as another one and gains more against not patching.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Better {
    /// The release.
    pub release: String,
    /// What is best to do with it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What that loses.
    pub loss: f64,
}

/// A promise that is broken on hosts of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The promise.
    pub promise: String,
    /// Whom it is given to by name; empty: to everyone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<TenantId>,
    /// The first deadline that has passed.
    pub since: Date,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.promise)?;
        for (at, tenant) in self.tenants.iter().enumerate() {
            write!(f, "{}{tenant}", if at == 0 { " to " } else { ", " })?;
        }
        Ok(())
    }
}

impl GroupDecision {
    /// The day of BOD 26-04, where it has passed.
    #[must_use]
    pub fn overdue(&self, on: Date) -> Option<Date> {
        self.bod_26_04.as_ref()?.date.filter(|day| *day < on)
    }

    /// The promises that are broken, each since its first deadline.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        let mut list: Vec<Broken> = Vec::new();
        for state in self.promises.iter().filter(|it| it.days_left < 0) {
            match list.iter_mut().find(|it| it.promise == state.id) {
                Some(known) => known.since = known.since.min(state.deadline),
                None => list.push(Broken {
                    promise: state.id.clone(),
                    tenants: state.tenants.clone(),
                    since: state.deadline,
                }),
            }
        }
        list
    }
}

/// Decides for every group and every release that is due, in the order of the groups. Of hosts of which kernel or hypervisor is not
/// known it says that it cannot for what is missing.
///
/// What groups share is worked out once: which releases are due on hosts that are alike, the draws of the parameters, and the
/// reach of each kind of machine under each draw.
///
/// # Errors
/// [`InvalidInput`] where a number of the policy, the evidence or the request is outside its domain.
pub fn groups(request: &Request<'_>) -> Result<Vec<GroupDecision>, InvalidInput> {
    if !(request.horizon_days.is_finite() && request.horizon_days > 0.0) {
        let expected = "a finite number of days above 0";
        return Err(InvalidInput { place: "horizon_days".to_owned(), found: request.horizon_days, expected });
    }
    let policy = request.policy;
    let scene = Scene::of(request);
    let due: Vec<Due> = scene.cases().par_iter().flat_map_iter(|case| scene.due(case)).collect();
    let situations = || due.iter().filter_map(|it| it.case.as_ref()).map(|it| &it.situation);
    let draws = Draws::of(
        &Assumptions::of(&policy.parameters),
        (DRAWS, policy.seed),
        Rates::of(&policy.parameters),
        situations().flat_map(|it: &Situation| it.approaches.iter()),
    );
    // What a ring decides is what later ones may build on. A ring that the policy does not know protects nobody.
    let mut stages: BTreeMap<Option<usize>, Vec<(usize, Due)>> = BTreeMap::new();
    for (at, due) in due.into_iter().enumerate() {
        stages.entry(scene.rings.place(&due.decision.group)).or_default().push((at, due));
    }
    let (mut before, mut list) = (Decided::default(), Vec::new());
    for mut stage in stages.into_values() {
        stage.par_iter_mut().for_each(|it| scene.stand_behind(&mut it.1, &before));
        drains::settle(&mut stage, &policy.maintenance)?;
        let one = |(at, due): (usize, Due)| {
            let line = due.case.as_ref().map(|it| it.line.clone());
            Ok((at, line, decided(due, request, &draws)?))
        };
        let mut stage = stage.into_par_iter().map(one).collect::<Result<Vec<_>, InvalidInput>>()?;
        prefer(stage.iter_mut().map(|it| &mut it.2), request);
        for (_, line, decision) in &stage {
            line.iter().for_each(|it| before.tell(&scene.rings, it, decision));
        }
        list.extend(stage);
    }
    list.sort_unstable_by_key(|it| it.0);
    let mut list: Vec<GroupDecision> = list.into_iter().map(|it| it.2).collect();
    list.extend(scene.unseen());
    // What is due on a group stays in its order.
    list.sort_by(|a, b| a.group.cmp(&b.group));
    Ok(list)
}

/// Says of two releases of one component which gains more: the smallest that closes everything is followed by the newest.
fn prefer<'d>(list: impl Iterator<Item = &'d mut GroupDecision>, request: &Request<'_>) {
    let mut before: Option<&mut GroupDecision> = None;
    for one in list {
        if let Some(smallest) = before.take_if(|it| it.role == Role::Smallest && one.role == Role::Newest) {
            (smallest.better, one.better) = (better(smallest, one), better(one, smallest));
            let currency = &request.policy.currency;
            sentence::prefer(smallest, currency);
            sentence::prefer(one, currency);
        }
        before = Some(one);
    }
}

/// The other release of a component, if it gains more against not patching. Against that and not by itself, because bugs are known
/// of one release that the other may repair too. What is within [`FLAT`] of it is no reason to take the other.
fn better(one: &GroupDecision, other: &GroupDecision) -> Option<Better> {
    let (own, others) = (one.wait.as_ref()?, other.wait.as_ref()?);
    let gains = |it: &Decision| it.optimum.loss_never - it.optimum.loss;
    let (verdict, loss) = (others.verdict, others.optimum.loss);
    let release = other.release.clone()?;
    (gains(others) > gains(own) + FLAT * own.optimum.loss).then_some(Better { release, verdict, loss })
}

/// Decides what can be decided.
fn decided(due: Due, request: &Request<'_>, draws: &Draws) -> Result<GroupDecision, InvalidInput> {
    let Due { mut decision, case } = due;
    let Some(case) = case else { return Ok(decision) };
    let soak = request.policy.rings.first().map_or(3.0, |it| it.soak.get());
    let wait = decide_under(&case.situation, &case.assumptions, soak, draws)?;
    let (currency, days) = (&request.policy.currency, request.horizon_days);
    let on = request.assessment.as_of.to_zoned(TimeZone::UTC).date();
    decision.recommendation = sentence::recommend(&decision, &wait, (currency, days), on);
    decision.wait = Some(wait);
    Ok(decision)
}
