//! The whole answer about the risk of a fleet, as the command line, the API and the pages give it.

mod groups;
mod ranking;
mod unplaced;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use underpin_exposure::{Assessment, FactBase, at_worst};
use underpin_model::fleet::Fleet;
use underpin_model::id::{HostId, ManagementPlaneId, TenantId};
use underpin_model::policy::{Control, Parameter, Policy, Setting};
use underpin_model::quantity::Days;

use self::groups::groups;
pub use self::groups::{DueRelease, GroupBy, GroupRisk};
pub use self::ranking::by_tail;
use self::unplaced::where_it_costs_most;
use crate::blast::{Blast, blast_radii, falls_by_itself, of_planes, of_shocks};
use crate::build::{self, BuildError, Built, ReleaseDates, ShockDerivation, Unpriced, build};
use crate::clear::{InClear, in_clear};
use crate::compound::{
    self, AnyHit, AtLeast, ClusterFigures, Contribution, Cvar, Figures, Judgement, PortfolioError, Sampling,
    TenantFigures, Thresholds,
};
use crate::deferral::{Deferral, deferral};
use crate::freshness;
use crate::portfolio::{Cause, Portfolio, Shock};
use crate::wait::curve::InvalidInput;
use crate::wait::running::contradictions;
use crate::wait::unmatched::{due, running, unmatched};
use crate::wait::{self, Evidence, GroupDecision};

/// Hosts whose blast radius is listed: those that lose most at once.
const WIDEST: usize = 20;

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// Its assessment.
    pub assessment: &'a Assessment,
    /// The facts that it was assessed by.
    pub base: &'a FactBase,
    /// The policy.
    pub policy: &'a Policy,
    /// Trials and canaries.
    pub evidence: &'a Evidence,
    /// Weighted samples.
    pub samples: u32,
    /// The naive figure instead: same probabilities of every host, nothing in common.
    pub independent: bool,
    /// How hosts are grouped.
    pub group_by: GroupBy,
    /// Days that a deferral is priced for.
    pub deferral_days: Days,
}

impl<'a> Request<'a> {
    /// With the usual number of samples, grouped by decision, deferrals of a week.
    #[must_use]
    pub fn new(
        fleet: &'a Fleet,
        assessment: &'a Assessment,
        base: &'a FactBase,
        policy: &'a Policy,
        evidence: &'a Evidence,
    ) -> Self {
        Self {
            fleet,
            assessment,
            base,
            policy,
            evidence,
            samples: compound::Options::default().samples,
            independent: false,
            group_by: GroupBy::Decision,
            deferral_days: Days::new(7.0).unwrap_or_default(),
        }
    }
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReportError {
    /// A fleet without hosts: its risk is not 0, there is none that could be judged.
    #[error(
        "the fleet {fleet:?} has no hosts; expected one at least: nothing can be hit, so there is nothing to judge"
    )]
    NothingToJudge {
        /// Name of the fleet.
        fleet: String,
    },
    /// The risk model cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It cannot be judged.
    #[error(transparent)]
    Judge(#[from] PortfolioError),
    /// Patch or wait cannot be decided.
    #[error(transparent)]
    Wait(#[from] InvalidInput),
}

/// The figures of the whole fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetRisk {
    /// Loss over the horizon.
    pub loss: Figures,
    /// The most that the CVaR can be if nothing is known of the dependence between clusters.
    pub cvar_at_most: Vec<Cvar>,
    /// Probability that any host is hit, its bounds, and the causes' shares.
    pub any_hit: AnyHit,
    /// Probability that so many hosts are hit at once.
    pub hosts_hit_at_least: Vec<AtLeast>,
    /// Guests.
    pub guests_hit_at_least: Vec<AtLeast>,
    /// Tenants.
    pub tenants_hit_at_least: Vec<AtLeast>,
}

impl FleetRisk {
    /// No host can be hit: not even the sum of all their chances is above 0. Any other 0 of an exact chance is rounding.
    #[must_use]
    pub fn is_never_hit(&self) -> bool {
        self.any_hit.frechet_high <= 0.0
    }
}

impl From<&Judgement> for FleetRisk {
    fn from(it: &Judgement) -> Self {
        Self {
            loss: it.fleet.clone(),
            cvar_at_most: it.cvar_at_most(),
            any_hit: it.any_hit.clone(),
            hosts_hit_at_least: it.hosts_hit_at_least.clone(),
            guests_hit_at_least: it.guests_hit_at_least.clone(),
            tenants_hit_at_least: it.tenants_hit_at_least.clone(),
        }
    }
}

/// One common cause with where its probability is from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseRisk {
    /// The cause, its probability and its factors.
    #[serde(flatten)]
    pub shock: Shock,
    /// The facts.
    pub facts: ShockDerivation,
    /// Its blast radius: what falls if it happens.
    pub blast: Blast,
}

/// Blast radii: who falls if one thing falls.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Radii {
    /// The hosts that take most with them, the widest first.
    pub hosts: Vec<Radius<HostId>>,
    /// Management planes.
    pub planes: Vec<Radius<ManagementPlaneId>>,
    /// Bad releases.
    pub releases: Vec<Radius<Cause>>,
    /// Underpin itself.
    pub underpin: Blast,
}

/// The blast radius of one thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Radius<T> {
    /// What falls.
    pub of: T,
    /// What falls with it.
    #[serde(flatten)]
    pub blast: Blast,
    /// Probability that it falls if what is not known of it is at its worst; left out where that is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability_at_most: Option<f64>,
}

/// What a compensating control is worth over the horizon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ControlWorth {
    /// The control.
    pub control: String,
    /// Mean loss that it saves: without it less with it. Negative: what its own code adds outweighs what it closes.
    pub saves: f64,
    /// What it costs.
    pub cost: f64,
}

/// A parameter as the answer used it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsedParameter {
    /// Name in the policy.
    pub name: Parameter,
    /// Value, range, source.
    #[serde(flatten)]
    pub setting: Setting,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RiskReport {
    /// The moment that it speaks about.
    pub as_of: Timestamp,
    /// Currency of every loss.
    pub currency: String,
    /// The policy states what a loss is worth; otherwise it is a judgement of ours.
    pub losses_stated: bool,
    /// `false`: no guest stands on a known host, and not because there is none, so that losses of 0 are unknown ones.
    pub losses_known: bool,
    /// Span that everything is over, in days.
    pub horizon_days: f64,
    /// Seed of the samples.
    pub seed: u64,
    /// These are the naive figures, without common causes.
    pub independent: bool,
    /// Hosts judged.
    pub hosts: u64,
    /// Guests on them.
    pub guests: u64,
    /// Those of no known tenant, who are left out where tenants are counted.
    pub guests_without_tenant: u64,
    /// The whole fleet.
    pub fleet: FleetRisk,
    /// The same with every host on its own: what the compound figure is compared with.
    pub naive: Option<FleetRisk>,
    /// Mean loss if all that is not known is at its worst: the upper end of the range. Statuses are open, machines of which no
    /// component is known have every hole stated of their platform, the public Internet reaches what it may reach, and components without a
    /// source have a hole at the base rate; a VM of no known host stands where it costs most. `None`: there is no upper end, for the
    /// fleet file lists no VM.
    pub mean_loss_with_unknown: Option<f64>,
    /// Mean loss if each level of availability holds of which it is not known: the lower end of the range.
    pub mean_loss_with_stand_ins: f64,
    /// What traffic and disks in the clear cost, beside all other figures and not in them.
    pub in_clear: Vec<InClear>,
    /// Clusters.
    pub clusters: Vec<ClusterFigures>,
    /// Tenants.
    pub tenants: Vec<TenantFigures>,
    /// How hosts are grouped.
    pub group_by: GroupBy,
    /// Groups of hosts, the greatest mean loss first.
    pub groups: Vec<GroupRisk>,
    /// Who and what the mean and the CVaR come from.
    pub contributions: Vec<Contribution>,
    /// Common causes with their factors, the likeliest first.
    pub causes: Vec<CauseRisk>,
    /// What each compensating control is worth, beside what it costs.
    pub controls: Vec<ControlWorth>,
    /// Blast radii.
    pub blast_radius: Radii,
    /// What the deferral of each tenant costs it and its neighbours.
    pub deferrals: Vec<Deferral>,
    /// What is not in the figures.
    pub unpriced: Unpriced,
    /// The same in words.
    pub unpriced_words: String,
    /// What a reader must know.
    pub warnings: Vec<String>,
    /// Evidence that counts for no host, each with its place; empty where hosts are grouped otherwise than by decision, for
    /// then evidence changes nothing.
    pub evidence_unmatched: Vec<String>,
    /// Parameters as used.
    pub parameters: Vec<UsedParameter>,
    /// How far the samples can be trusted.
    pub sampling: Sampling,
}

/// Builds the risk model of a fleet, judges it, and decides patch or wait.
///
/// # Errors
/// [`ReportError`] with the place in the policy, the fleet or the evidence; a fleet without hosts is refused.
pub fn report(request: &Request<'_>) -> Result<RiskReport, ReportError> {
    report_with(request, &decisions(request)?)
}

/// The same with decisions of [`wait::groups()`] over [`wait::groups::HORIZON_DAYS`] that are known already. They are not asked
/// for where hosts are grouped otherwise than by decision.
///
/// # Errors
/// [`ReportError`] with the place in the policy or the fleet; a fleet without hosts is refused.
pub fn report_with(request: &Request<'_>, decisions: &[GroupDecision]) -> Result<RiskReport, ReportError> {
    if request.fleet.hosts.is_empty() {
        return Err(ReportError::NothingToJudge { fleet: request.fleet.name.clone() });
    }
    let day = request.assessment.as_of.to_zoned(TimeZone::UTC).date();
    let dates = ReleaseDates::from_facts(request.base.releases(), day);
    let built = build(request.fleet, request.assessment, request.policy, &as_known(request, &dates))?;
    let (mean_at_worst, blast_radius) = upper(request, &dates, &built.portfolio)?;
    let options = compound::Options {
        samples: request.samples,
        seed: request.policy.seed,
        independent: request.independent,
        at_least: Thresholds::of_fleet(&built.portfolio),
        ..compound::Options::default()
    };
    let basis = compound::Basis::new(&built.portfolio)?;
    let judgement = basis.judge(&options)?;
    let controls = controls(request, &dates, &built.portfolio)?;
    let naive = if request.independent {
        None
    } else {
        // Its clusters and tenants are not shown.
        let at_least_in_parts = Thresholds::none();
        let options = compound::Options { independent: true, at_least_in_parts, ..options };
        Some(basis.judge(&options)?)
    };
    Ok(RiskReport {
        as_of: request.assessment.as_of,
        currency: request.policy.currency.clone(),
        losses_stated: request.policy.loss.stated,
        losses_known: judgement.guests > 0
            || !(built.unpriced.no_vms_listed || built.unpriced.vms_without_host > 0),
        horizon_days: judgement.horizon_days,
        seed: request.policy.seed,
        independent: request.independent,
        hosts: judgement.hosts,
        guests: judgement.guests,
        guests_without_tenant: judgement.guests_without_tenant,
        fleet: FleetRisk::from(&judgement),
        naive: naive.as_ref().map(FleetRisk::from),
        mean_loss_with_unknown: (!built.unpriced.no_vms_listed)
            .then(|| mean_at_worst.max(judgement.fleet.mean)),
        mean_loss_with_stand_ins: with_stand_ins(&built, &judgement),
        in_clear: in_clear(request.fleet, request.policy),
        group_by: request.group_by,
        groups: groups(request, &built.portfolio, &judgement, decisions),
        causes: causes(&built),
        controls,
        blast_radius,
        deferrals: deferrals(request, &built),
        unpriced_words: built.unpriced.to_string(),
        unpriced: built.unpriced,
        warnings: warnings(request, &built, &judgement, naive.as_ref()),
        evidence_unmatched: match request.group_by {
            GroupBy::Decision => {
                let mut runs = running(decisions);
                runs.extend(built.derivations.shocks.iter().filter_map(|it| it.called.clone()));
                unmatched(request.evidence, request.fleet, &due(decisions), &runs)
            }
            _ => Vec::new(),
        },
        parameters: parameters(request.policy),
        clusters: judgement.clusters,
        tenants: judgement.tenants,
        contributions: judgement.contributions,
        sampling: judgement.sampling,
    })
}

/// The mean loss if each level of availability holds of which it is not known: exactly, for it is linear in what an outage costs.
fn with_stand_ins(built: &Built, judgement: &Judgement) -> f64 {
    let classes = built.perhaps_spared.iter().zip(&judgement.classes);
    let spared: f64 = classes.map(|(worth, class)| worth * class.mean_impact.host_down).sum();
    // Of what is nearly nothing, rounding may leave less.
    let mean = judgement.fleet.mean;
    (mean - spared).clamp(0.0, mean)
}

/// The mean loss if all that is not known is at its worst, and the blast radii with what they may be then. What is built for these is
/// much and gone before samples are drawn.
fn upper(
    request: &Request<'_>,
    dates: &ReleaseDates,
    portfolio: &Portfolio,
) -> Result<(f64, Radii), ReportError> {
    let worst = at_worst(request.fleet, request.base, request.assessment);
    let upper = build(
        request.fleet,
        &worst,
        request.policy,
        &build::Options::upper(dates).knowing(request.base, request.evidence),
    )?;
    let (mean, impacts) = compound::mean_loss_and_impacts(&upper.portfolio)?;
    Ok((mean + where_it_costs_most(&upper, &impacts), radii(portfolio, &upper.portfolio)))
}

/// With all that is known of the releases that hosts run.
fn as_known<'a>(request: &Request<'a>, dates: &'a ReleaseDates) -> build::Options<'a> {
    build::Options::new(dates).knowing(request.base, request.evidence)
}

fn decisions(request: &Request<'_>) -> Result<Vec<GroupDecision>, InvalidInput> {
    if request.group_by != GroupBy::Decision {
        return Ok(Vec::new());
    }
    wait::groups(&wait::Request {
        fleet: request.fleet,
        assessment: request.assessment,
        base: request.base,
        policy: request.policy,
        evidence: request.evidence,
        horizon_days: wait::groups::HORIZON_DAYS,
    })
}

/// Each control's worth: the fleet is priced once more without it.
fn controls(
    request: &Request<'_>,
    dates: &ReleaseDates,
    portfolio: &Portfolio,
) -> Result<Vec<ControlWorth>, ReportError> {
    if request.policy.controls.is_empty() {
        return Ok(Vec::new());
    }
    let months = request.policy.horizon.get() / crate::hazard::EPSS_DAYS;
    let with = compound::mean_loss(portfolio)?;
    let worth = |control: &Control| {
        let mut policy = request.policy.clone();
        policy.controls.retain(|it| it.id != control.id);
        let without = build(request.fleet, request.assessment, &policy, &as_known(request, dates))?;
        let without = compound::mean_loss(&without.portfolio)?;
        // Of what is only rounding nothing is saved.
        let saves = if (without - with).abs() <= 1e-12 * with { 0.0 } else { without - with };
        Ok(ControlWorth { control: control.id.clone(), saves, cost: control.cost.get() * months })
    };
    request.policy.controls.iter().map(worth).collect()
}

fn causes(built: &Built) -> Vec<CauseRisk> {
    let all: Vec<usize> = (0..built.portfolio.shocks.len()).collect();
    let blasts = of_shocks(&built.portfolio, &all);
    let shocks = built.portfolio.shocks.iter().zip(&built.derivations.shocks).zip(blasts);
    let cause = |((shock, facts), blast): ((&Shock, &ShockDerivation), Blast)| CauseRisk {
        shock: shock.clone(),
        facts: facts.clone(),
        blast,
    };
    let mut causes: Vec<CauseRisk> = shocks.map(cause).collect();
    causes.sort_by(|a, b| {
        b.shock.probability.total_cmp(&a.shock.probability).then_with(|| a.shock.cause.cmp(&b.shock.cause))
    });
    causes
}

fn radii(portfolio: &Portfolio, upper: &Portfolio) -> Radii {
    let mut all = blast_radii(portfolio);
    all.hosts.sort_by(|a, b| b.1.greatest_loss.total_cmp(&a.1.greatest_loss).then_with(|| a.0.cmp(&b.0)));
    all.hosts.truncate(WIDEST);
    let listed: BTreeSet<&HostId> = all.hosts.iter().map(|it| &it.0).collect();
    let hosts = || upper.hosts.iter().filter(|it| listed.contains(&it.id));
    let hosts: BTreeMap<HostId, f64> =
        hosts().map(|it| it.id.clone()).zip(falls_by_itself(upper, hosts())).collect();
    let planes = of_planes(upper).into_iter().map(|(of, blast)| (of, blast.probability)).collect();
    Radii {
        hosts: with_most(all.hosts, &hosts),
        planes: with_most(all.planes, &planes),
        // How likely a release is bad does not hang on what is not known of hosts.
        releases: with_most(all.releases, &BTreeMap::new()),
        underpin: all.underpin,
    }
}

/// Radii with the probability that each has at worst.
fn with_most<T: Ord>(all: Vec<(T, Blast)>, most: &BTreeMap<T, f64>) -> Vec<Radius<T>> {
    let radius = |(of, blast): (T, Blast)| {
        let probability_at_most = most.get(&of).copied().filter(|it| *it > blast.probability);
        Radius { of, blast, probability_at_most }
    };
    all.into_iter().map(radius).collect()
}

fn deferrals(request: &Request<'_>, built: &Built) -> Vec<Deferral> {
    let tenants: Vec<&TenantId> = built.portfolio.tenants.iter().flatten().collect();
    let price = |tenant| deferral(built, tenant, request.deferral_days, &request.policy.parameters);
    let mut deferrals: Vec<Deferral> = tenants.into_iter().filter_map(price).collect();
    deferrals
        .sort_by(|a, b| b.neighbours_sum.total_cmp(&a.neighbours_sum).then_with(|| a.tenant.cmp(&b.tenant)));
    deferrals
}

/// Standard errors by which samples that are sound miss the exact mean in one case of 15,000.
const FAR_OFF: f64 = 4.0;

/// What a reader must know, also of the samples: plain ones may have seen none of a loss that is possible.
fn warnings(
    request: &Request<'_>,
    built: &Built,
    judgement: &Judgement,
    naive: Option<&Judgement>,
) -> Vec<String> {
    let mut warnings: Vec<String> = built.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(contradictions(request.fleet));
    warnings.extend(freshness::warnings(request.fleet, request.base, request.assessment));
    let all = std::iter::once(judgement).chain(naive);
    warnings.extend(all.filter_map(|it| of_samples(&it.sampling, it.independent, it.fleet.mean)));
    warnings
}

/// What must be known of samples that miss the exact mean, or all losses.
fn of_samples(sampling: &Sampling, independent: bool, mean: f64) -> Option<String> {
    let which = if independent { "independent" } else { "compound" };
    if sampling.enumerated || mean <= 0.0 {
        return None;
    }
    if sampling.mean.value == 0.0 {
        return Some(format!(
            "none of {} samples of the {which} figures saw a loss: what of their deviation, quantiles and CVaR is sampled is not \
             known; take more samples",
            sampling.samples
        ));
    }
    (sampling.deviation.abs() > FAR_OFF).then(|| {
        format!(
            "the samples of the {which} figures miss the exact mean by {:.0} standard errors: something that is rare and takes much is \
             hardly among them, so that deviation, quantiles and CVaR, where they are not exact, are off by more than their errors say; \
             take more samples",
            sampling.deviation.abs()
        )
    })
}

fn parameters(policy: &Policy) -> Vec<UsedParameter> {
    policy.parameters.iter().map(|(name, setting)| UsedParameter { name, setting: setting.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compound::Estimate;

    #[test]
    fn samples_that_miss_the_exact_mean_or_all_losses_are_warned_of() {
        let mean = Estimate { value: 90.0, standard_error: 2.0 };
        let off = Sampling { samples: 10_000, mean, deviation: 5.0, ..Sampling::default() };
        let words = of_samples(&off, false, 100.0).unwrap_or_default();
        assert!(
            words.contains("of the compound figures miss the exact mean by 5 standard errors"),
            "{words}"
        );
        let none = Sampling { samples: 10_000, ..Sampling::default() };
        let words = of_samples(&none, true, 100.0).unwrap_or_default();
        assert!(words.contains("none of 10000 samples of the independent figures saw a loss"), "{words}");
        let sound = Sampling { deviation: 3.9, ..off.clone() };
        let enumerated = Sampling { enumerated: true, ..off };
        assert_eq!([of_samples(&sound, false, 100.0), of_samples(&enumerated, false, 100.0)], [None, None]);
        assert_eq!(of_samples(&none, true, 0.0), None);
    }
}
