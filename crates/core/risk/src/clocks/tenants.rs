//! The clocks of each tenant.

use std::collections::BTreeMap;

use serde::Serialize;
use underpin_model::fleet::Fleet;
use underpin_model::id::TenantId;
use underpin_model::policy::Policy;

use super::places::Places;
use super::{Report, State};

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
}

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
