//! From facts to the risk model: a fleet, its assessment and a policy become a [`Portfolio`].
//!
//! ```
//! use underpin_exposure::{FactBase, Options as Asking, assess};
//! use underpin_model::fleet::{Fleet, Seen};
//! use underpin_model::policy::Policy;
//! use underpin_risk::build::{Options, ReleaseDates, build};
//!
//! let at: jiff::Timestamp = "2026-11-21T00:00:00Z".parse()?;
//! let fleet = Fleet::new("empty", Seen { at, by: "hand".to_owned() });
//! let assessment = assess(&fleet, &FactBase::new(Vec::new()), &Asking::at(at));
//! let built = build(&fleet, &assessment, &Policy::default(), &Options::new(&ReleaseDates::default()))?;
//! assert!(built.portfolio.hosts.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - An open hole (affected, or fixed and not running) of hosts or planes is one shock: `exploited in the wild` within the
//!   horizon, times `aimed at this fleet`: a hazard of its own over other spans than 30 days. A guest that still runs on an old VMM opens its host, as the assessment says.
//! - A host answers by the way that vector, area and scope tell ([`hole::Way`]): `reach`, times what the controls on
//!   that path leave. The strongest control is a [`Gate`](crate::portfolio::Gate) with a common failure of its own.
//! - Holes inside guests are no shocks: the parameter `guest_compromised` covers them.
//! - What is not known is priced as a range ([`Factor`](crate::portfolio::Factor)), or counted as [`Unpriced`].
//!
//! Work and memory grow with the number of *different* hosts: what is open is read once per group of the assessment, and hosts that
//! answer alike share a class. The order of hosts and VMs in the file changes nothing.

mod accepted;
mod anywhere;
mod bad_releases;
mod classes;
mod controls;
mod derivation;
pub mod hole;
pub mod hosts;
mod notes;
mod open;
mod planes;
pub mod reach;
mod regression;
mod release;
mod shocks;
mod survey;
mod unmanaged;

use jiff::tz::TimeZone;
use underpin_exposure::{Assessment, FactBase};
use underpin_model::fleet::Fleet;
use underpin_model::policy::{Parameter, Policy};

pub use derivation::{
    Acceptance, ClassDerivation, Derivations, PlaneDerivation, ShockDerivation, Statuses, Unpriced, Warning,
};
pub use release::ReleaseDates;
pub use shocks::MATURE_SHARE;

use crate::compound::MOST_LOSS;
use crate::names::unknown_names;
use crate::portfolio::{Holding, HostLine, Portfolio};
use crate::wait::evidence::Evidence;
use crate::ways::PublicReach;
use classes::{Answering, Classes};
use controls::Controls;
use open::Open;
use shocks::{Setting, Shocks};
use survey::Survey;

/// What becomes of components and statuses that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownAs {
    /// They are left out of the figure, and counted.
    #[default]
    LeftOut,
    /// The upper figure: each host and plane with any of them has one unlisted hole at the base rate, common to its platform,
    /// a release of unknown day is as new, hosts of no known management plane are under the worst one, planes of which
    /// it is not known where they run fall as the worst host does, and where it is not known from where a machine is reached, it is from the public
    /// Internet. Statuses and components that are not known are for [`underpin_exposure::at_worst`].
    BaseRate,
}

/// How a portfolio is built.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// When platform releases appeared.
    pub releases: &'a ReleaseDates,
    /// What becomes of the unknown.
    pub unknown: UnknownAs,
    /// What is known of the releases that hosts run; `None`: only how old they are.
    pub known: Option<Known<'a>>,
}

/// What is known of releases.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// How the releases of each line have fared.
    pub base: &'a FactBase,
    /// Runs on known hardware.
    pub evidence: &'a Evidence,
}

impl<'a> Options<'a> {
    /// The figure without what is not known.
    #[must_use]
    pub fn new(releases: &'a ReleaseDates) -> Self {
        Self { releases, unknown: UnknownAs::LeftOut, known: None }
    }

    /// The upper figure.
    #[must_use]
    pub fn upper(releases: &'a ReleaseDates) -> Self {
        Self { unknown: UnknownAs::BaseRate, ..Self::new(releases) }
    }

    /// With the history of each line and what runs have shown.
    #[must_use]
    pub fn knowing(self, base: &'a FactBase, evidence: &'a Evidence) -> Self {
        Self { known: Some(Known { base, evidence }), ..self }
    }
}

/// A portfolio with where its numbers are from.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The risk model of the fleet.
    pub portfolio: Portfolio,
    /// Where its numbers are from.
    pub derivations: Derivations,
    /// What is not in it.
    pub unpriced: Unpriced,
    /// What VMs of no known host would lose; the portfolio does not have them.
    pub unplaced: Vec<Unplaced>,
    /// For each class of hosts what an outage of all of them would cost less, if each level of availability held of which it is not
    /// known.
    pub perhaps_spared: Vec<f64>,
    /// What a reader must know.
    pub warnings: Vec<Warning>,
}

/// What VMs of one tenant would lose of which no host is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unplaced {
    /// Index of the cluster on whose hosts they stand; `None`: it may be any host of the fleet.
    pub cluster: Option<u32>,
    /// What they are worth. Nothing is known to stand in for them when their host is down.
    pub holding: Holding,
}

/// Why no portfolio can be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BuildError {
    /// More elements than a portfolio can index.
    #[error("{what}: found {found}, expected at most {}; assess a part of the fleet at a time", u32::MAX)]
    TooMany {
        /// Where.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// Rates and counts multiply to more than can be computed with.
    #[error("{place}: found a loss of {found:e} on {on}, expected at most {most:e}; lower {lower}")]
    LossTooLarge {
        /// The rates.
        place: String,
        /// The loss.
        found: f64,
        /// The host on which it would be lost, in words.
        on: String,
        /// Limit.
        most: f64,
        /// The keys whose product it is.
        lower: String,
    },
}

/// Builds the risk model of a fleet.
///
/// Deterministic, and the same for every order of hosts and VMs in the file.
///
/// # Errors
/// [`BuildError`] where the policy's numbers cannot be priced, or the fleet is larger than a portfolio can index.
pub fn build(
    fleet: &Fleet,
    assessment: &Assessment,
    policy: &Policy,
    options: &Options<'_>,
) -> Result<Built, BuildError> {
    for (what, found) in [("hosts", fleet.hosts.len()), ("vms", fleet.vms.len())] {
        if u32::try_from(found).is_err() {
            return Err(BuildError::TooMany { what, found });
        }
    }
    let day = assessment.as_of.to_zoned(TimeZone::UTC).date();
    let mut unpriced = Unpriced::default();
    let mut warnings = warnings(fleet, policy);
    let mut survey = Survey::of(fleet);
    unpriced.machines_of_unknown_reach = survey.of_unknown_reach(fleet);
    if options.unknown == UnknownAs::BaseRate {
        survey.reach_at_worst();
        survey.guests_at_worst();
    }
    unpriced.hosts_of_unknown_plane = survey.hosts.iter().filter(|it| unmanaged::is(it)).count() as u64;
    if options.unknown == UnknownAs::BaseRate {
        unmanaged::under_unknown(&mut survey);
    }
    unpriced.planes_of_unknown_host = survey.planes.iter().filter(|it| anywhere::is(it)).count() as u64;
    unpriced.no_vms_listed = !survey.lists_vms && !survey.hosts.is_empty();
    unpriced.vms_without_host = survey.without_host();
    warnings.extend(of_fleet(fleet, &survey));
    unpriced.vms_of_unknown_level = survey.of_unknown_level;
    let mut open = Open::of(assessment, &survey, &mut unpriced);
    open.mark_not_assessed(&mut unpriced);
    let mut controls = Controls::of(policy, &survey);
    let nowhere = controls.list.iter().zip(controls.in_use()).filter(|(_, used)| !used);
    warnings.extend(nowhere.map(|(it, _)| Warning::ControlNowhere { control: it.control.id.clone() }));
    let Options { releases, unknown, known } = *options;
    let setting = Setting { fleet, policy, day, unknown, releases, known };
    let mut shocks = Shocks::of(&setting, assessment, &survey, &open, &mut controls, &mut unpriced);
    accepted::label(
        &policy.accepted,
        day,
        assessment,
        &survey,
        &open,
        &mut shocks.derivations,
        &mut warnings,
    );
    let answering = Answering { policy, survey: &survey, open: &open, controls: &controls, shocks: &shocks };
    let classes = answering.classes();
    let (mut planes, plane_derivations) = answering.planes(&PublicReach::of(fleet), options.unknown);
    if options.unknown == UnknownAs::BaseRate {
        let unlisted = unmanaged::unknown_plane(&survey, policy, &shocks, &planes);
        let any = anywhere::any_host(&classes.list, &classes.of_host, &shocks.list);
        let unknown = planes.iter_mut().zip(&survey.planes).filter(|(_, it)| anywhere::is(it));
        for plane in unknown.map(|it| it.0) {
            anywhere::fall_with(plane, &any);
        }
        planes.extend(unlisted);
        // What nobody listed says nothing of where it runs either.
        for plane in planes.iter_mut().skip(survey.planes.len()) {
            anywhere::fall_with(plane, &any);
        }
    }
    let (holdings, unplaced) = holdings(&survey, policy)?;
    let perhaps_spared = perhaps_spared(&survey, &classes, policy);
    let hosts = lines(&survey, &classes);
    warnings.sort();
    Ok(Built {
        portfolio: Portfolio {
            horizon_days: policy.horizon.get(),
            rho: policy.parameters.get(Parameter::Rho),
            shocks: shocks.list,
            planes,
            classes: classes.list,
            hosts,
            holdings,
            tenants: survey.tenants,
            clusters: survey.clusters,
        },
        derivations: Derivations {
            shocks: shocks.derivations,
            classes: classes.derivations,
            planes: plane_derivations,
        },
        unpriced,
        unplaced,
        perhaps_spared,
        warnings,
    })
}

fn warnings(fleet: &Fleet, policy: &Policy) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !policy.loss.stated {
        warnings.push(Warning::LossesNotStated);
    }
    if policy.parameters.get(Parameter::HoursAfterCompromise) <= 0.0 {
        warnings.push(Warning::NoOutage);
    }
    warnings.extend(unknown_names(fleet, policy).into_iter().map(Warning::UnknownNames));
    warnings
}

/// What the figures leave out, or cannot show, of the fleet.
fn of_fleet(fleet: &Fleet, survey: &Survey<'_>) -> impl Iterator<Item = Warning> {
    let told = [no_guest_known(survey), notes::without_guests(fleet), notes::planes_on_planes(survey)];
    told.into_iter().flatten()
}

/// That no guest stands on a known host, so that every loss is 0 and nobody knows it.
fn no_guest_known(survey: &Survey<'_>) -> Option<Warning> {
    match survey.without_host() {
        _ if survey.hosts.is_empty() || !survey.stands.is_empty() => None,
        0 => (!survey.lists_vms).then_some(Warning::NoVms),
        vms => Some(Warning::NoVmPlaced { vms }),
    }
}

fn lines(survey: &Survey<'_>, classes: &Classes) -> Vec<HostLine> {
    let lines = survey.hosts.iter().zip(&classes.of_host).map(|(facts, class)| HostLine {
        id: facts.host.id.clone(),
        class: *class,
        cluster: facts.cluster,
        holdings: facts.stands.clone(),
    });
    lines.collect()
}

/// What the VMs of each tenant on each host are worth: `records x rate`, `systems x rate`, `hours down x rate`, the last once for a
/// compromise, and once for a host that is down, of which restarts and copies spare a part. Then those of no known host.
fn holdings(survey: &Survey<'_>, policy: &Policy) -> Result<(Vec<Holding>, Vec<Unplaced>), BuildError> {
    let parameter = |it| policy.parameters.get(it);
    let hours = parameter(Parameter::HoursAfterCompromise);
    let per_vm: Vec<Holding> = survey
        .tenants
        .iter()
        .map(|tenant| {
            let rates = policy.loss.of(tenant.as_ref());
            let records = rates.records_per_vm.unwrap_or(parameter(Parameter::RecordsPerVm));
            Holding {
                confidentiality: records * rates.record_disclosed.get(),
                integrity: rates.system_corrupted.get(),
                availability: hours * rates.vm_hour_down.get(),
                host_down: parameter(Parameter::HoursAfterRegression) * rates.vm_hour_down.get(),
                ..Holding::default()
            }
        })
        .collect();
    let all_of = |tenant: u32, count: u32, down: f64| {
        let one = per_vm.get(tenant as usize).copied().unwrap_or_default();
        let vms = f64::from(count);
        Holding {
            tenant,
            vms: count,
            confidentiality: vms * one.confidentiality,
            integrity: vms * one.integrity,
            availability: vms * one.availability,
            host_down: down * one.host_down,
        }
    };
    let mut holdings = Vec::with_capacity(survey.stands.len());
    for stand in &survey.stands {
        let holding = all_of(stand.tenant, stand.vms, stand.at_worst.down(stand.vms, parameter));
        too_large(&holding, Some(stand.host), survey, policy)?;
        holdings.push(holding);
    }
    let mut unplaced = Vec::with_capacity(survey.unplaced.len());
    for it in &survey.unplaced {
        let holding = all_of(it.tenant, it.vms, f64::from(it.vms));
        too_large(&holding, None, survey, policy)?;
        unplaced.push(Unplaced { cluster: it.cluster, holding });
    }
    Ok((holdings, unplaced))
}

/// For each class what the outages of its hosts would cost less at best than at worst.
fn perhaps_spared(survey: &Survey<'_>, classes: &Classes, policy: &Policy) -> Vec<f64> {
    let parameter = |it| policy.parameters.get(it);
    let hours = parameter(Parameter::HoursAfterRegression);
    let mut spared = vec![0.0; classes.list.len()];
    for stand in survey.stands.iter().filter(|it| it.at_worst != it.at_best) {
        let tenant = survey.tenants.get(stand.tenant as usize).and_then(Option::as_ref);
        let vms = stand.at_worst.down(stand.vms, parameter) - stand.at_best.down(stand.vms, parameter);
        let class = classes.of_host.get(stand.host as usize).and_then(|it| spared.get_mut(*it as usize));
        if let Some(sum) = class {
            *sum += vms * hours * policy.loss.of(tenant).vm_hour_down.get();
        }
    }
    spared
}

/// Refuses what is beyond [`MOST_LOSS`], with the keys of the policy that it is the product of.
fn too_large(
    holding: &Holding,
    host: Option<u32>,
    survey: &Survey<'_>,
    policy: &Policy,
) -> Result<(), BuildError> {
    let tenant = survey.tenants.get(holding.tenant as usize).and_then(Option::as_ref);
    let own = tenant.filter(|it| policy.loss.tenants.contains_key(*it));
    let place = own.map_or_else(|| "loss".to_owned(), |it| format!("loss.tenant.{it}"));
    let records = if policy.loss.of(tenant).records_per_vm.is_some() {
        format!("{place}.records_per_vm")
    } else {
        "parameters.records_per_vm".to_owned()
    };
    for (found, key, times) in [
        (holding.confidentiality, "record_disclosed", Some(records)),
        (holding.integrity, "system_corrupted", None),
        (holding.availability, "vm_hour_down", Some("parameters.hours_after_compromise".to_owned())),
        (holding.host_down, "vm_hour_down", Some("parameters.hours_after_regression".to_owned())),
    ] {
        // Written so that NaN is refused.
        if !(0.0..=MOST_LOSS).contains(&found) {
            let place = format!("{place}.{key}");
            let lower = times.map_or_else(|| place.clone(), |times| format!("{place} or {times}"));
            let host = host.and_then(|it| survey.hosts.get(it as usize));
            let on =
                host.map_or_else(|| "VMs of no known host".to_owned(), |it| format!("host {}", it.host.id));
            return Err(BuildError::LossTooLarge { place, found, on, most: MOST_LOSS, lower });
        }
    }
    Ok(())
}
