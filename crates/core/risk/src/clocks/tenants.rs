//! The clocks of each tenant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Serialize;
use underpin_exposure::report::{Asset, AssetKind};
use underpin_model::fleet::Fleet;
use underpin_model::id::TenantId;
use underpin_model::policy::{Policy, Promise};

use super::forecast::Plan;
use super::places::Places;
use super::read::sum;
use super::{Clock, Report, State};

/// All clocks on a day, and the same by tenant, as the command line and the API give them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The clocks.
    #[serde(flatten)]
    pub report: Report,
    /// The clocks of each tenant by promise; those without a tenant last.
    pub tenants: Vec<TenantClocks>,
}

impl Answer {
    /// The clocks of a fleet, by tenant too.
    #[must_use]
    pub fn of(fleet: &Fleet, policy: &Policy, report: Report) -> Self {
        let tenants = by_tenant(fleet, policy, &report);
        Self { report, tenants }
    }

    /// What of it is one tenant's: the clocks of its VMs and of the hosts beneath them, without the assets of others. They wait in the queue
    /// of the whole fleet. A promise to other tenants is none to this one.
    #[must_use]
    pub fn of_tenant(&self, fleet: &Fleet, policy: &Policy, tenant: &TenantId) -> Self {
        let (places, all) = (Places::of(fleet), &self.report);
        let is_theirs = |asset: &Asset| places.tenants(asset).any(|it| it == tenant);
        let promises: Vec<&Promise> = policy
            .promises
            .iter()
            .filter(|it| it.scope.tenants.is_empty() || it.scope.tenants.contains(tenant))
            .collect();
        let own = |clock: &Clock| {
            let assets: Vec<Asset> = clock.assets.iter().filter(|it| is_theirs(it)).cloned().collect();
            let is_promised = promises.iter().any(|it| it.id == clock.promise);
            (is_promised && !assets.is_empty()).then(|| Clock {
                assets,
                will_breach: 0,
                forecast_unknown: 0,
                ..clock.clone()
            })
        };
        let mut clocks: Vec<Clock> = all.clocks.iter().filter_map(own).collect();
        let plan = Plan::of(all, &policy.maintenance);
        let (forecast, forecast_unknown) = plan.forecast(&mut clocks);
        let waits = |asset: &&Asset| asset.kind == AssetKind::Host && is_theirs(asset);
        let days: Vec<Date> =
            plan.turns.iter().filter(|(asset, _)| waits(asset)).map(|(_, turn)| turn.day).collect();
        let mut warnings = all.warnings.clone();
        if !places.has_any_of(tenant) {
            warnings.push(format!("tenant {tenant} has no guest in the fleet: no clock is theirs, and no promise to them is kept or broken"));
        }
        let report = Report {
            hosts_to_patch: days.len(),
            all_patched_on: days.into_iter().max(),
            warnings,
            promises: promises.into_iter().map(|it| sum(it, &clocks)).collect(),
            forecast,
            forecast_unknown,
            clocks,
            ..*all
        };
        let tenants = self.tenants.iter().filter(|it| it.tenant.as_ref() == Some(tenant)).cloned().collect();
        Self { report, tenants }
    }
}

/// The tenant of a fleet with this name.
///
/// # Errors
/// That the fleet has none of this name, with those that it has.
pub fn tenant_named(fleet: &Fleet, name: &str) -> Result<TenantId, String> {
    let stated =
        fleet.tenants.iter().map(|it| &it.id).chain(fleet.vms.iter().filter_map(|it| it.tenant.as_ref()));
    let known: BTreeSet<&TenantId> = stated.collect();
    if let Some(found) = known.iter().find(|it| it.as_str() == name) {
        return Ok((*found).clone());
    }
    let first: Vec<&str> = known.iter().take(NAMED).map(|it| it.as_str()).collect();
    let names = match (first.is_empty(), known.len() > NAMED) {
        (true, _) => "none".to_owned(),
        (false, more) => first.join(", ") + if more { " and others" } else { "" },
    };
    Err(format!("found tenant {name:?}, expected one of the fleet: it has {names}"))
}

/// Tenants that are named where one is not known.
const NAMED: usize = 10;

/// One promise for one tenant: the clocks of its VMs and of the hosts beneath them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantClocks {
    /// The tenant; `None`: assets on which nothing of a tenant stands.
    pub tenant: Option<TenantId>,
    /// The promise.
    pub promise: String,
    /// Clocks x assets by state; every state is there. A host beneath several tenants is counted for each of them.
    pub counts: BTreeMap<State, usize>,
}

/// The clocks of a report by tenant and promise, those without a tenant last. A promise to named tenants is not counted
/// for their neighbours on the same host.
#[must_use]
pub fn by_tenant(fleet: &Fleet, policy: &Policy, report: &Report) -> Vec<TenantClocks> {
    let places = Places::of(fleet);
    let mut all: BTreeMap<(bool, Option<&TenantId>, usize), BTreeMap<State, usize>> = BTreeMap::new();
    for clock in &report.clocks {
        let Some(at) = policy.promises.iter().position(|it| it.id == clock.promise) else { continue };
        let promised = |it: &&TenantId| {
            let named = policy.promises.get(at).map_or(&[][..], |it| &it.scope.tenants);
            named.is_empty() || named.contains(it)
        };
        let none_of_theirs = || vec![None];
        let of = |asset| {
            let tenants: Vec<Option<&TenantId>> = places.tenants(asset).filter(promised).map(Some).collect();
            if tenants.is_empty() { none_of_theirs() } else { tenants }
        };
        let mut tenants: Vec<Option<&TenantId>> = clock.assets.iter().flat_map(of).collect();
        if clock.assets.is_empty() {
            tenants = none_of_theirs();
        }
        for tenant in tenants {
            // Nothing comes after `true`: what has no tenant is read last.
            let key = (tenant.is_none(), tenant, at);
            *all.entry(key).or_insert_with(none).entry(clock.state).or_default() += 1;
        }
    }
    let promise = |at: usize| policy.promises.get(at).map(|it| it.id.clone()).unwrap_or_default();
    all.into_iter()
        .map(|((_, tenant, at), counts)| TenantClocks {
            tenant: tenant.cloned(),
            promise: promise(at),
            counts,
        })
        .collect()
}

fn none() -> BTreeMap<State, usize> {
    State::ALL.into_iter().map(|it| (it, 0)).collect()
}
