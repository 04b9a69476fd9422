//! What a tenant's deferral costs: its hosts stay open for longer, and its neighbours stand on them too.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Serialize;
use underpin_model::id::{HostId, TenantId};
use underpin_model::policy::{Parameter, Parameters};
use underpin_model::quantity::{Days, Probability};

use crate::build::Built;
use crate::marginal::mean_greatest;
use crate::portfolio::{Cause, Impact};

/// The price of a deferral, for the operator: a tenant must see no more than [`Deferral::own_view`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deferral {
    /// Who defers.
    pub tenant: TenantId,
    /// By how many days.
    pub days: f64,
    /// Hosts that wait because of it: those with VMs of the tenant and an open hole whose fix is known.
    pub hosts: Vec<HostId>,
    /// Loss added to the tenant itself.
    pub own: f64,
    /// Loss added to each other tenant on these hosts; `None`: VMs of no known tenant.
    pub neighbours: Vec<(Option<TenantId>, f64)>,
    /// The sum over the neighbours.
    pub neighbours_sum: f64,
}

/// What one tenant may see of a deferral: no name, no number of any other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnView {
    /// By how many days.
    pub days: f64,
    /// Loss added to the tenant that looks.
    pub added_loss: f64,
}

impl Deferral {
    /// What a tenant may see: its own share, whether it defers or a neighbour does. `None`: the deferral does not touch it.
    #[must_use]
    pub fn own_view(&self, viewer: &TenantId) -> Option<OwnView> {
        let added_loss = if *viewer == self.tenant {
            Some(self.own)
        } else {
            self.neighbours.iter().find(|it| it.0.as_ref() == Some(viewer)).map(|it| it.1)
        };
        added_loss.map(|added_loss| OwnView { days: self.days, added_loss })
    }
}

/// Prices the deferral of a tenant: the mean loss over `days` from exploits of holes whose fix is known, on the hosts that hold
/// its VMs. `None`: the portfolio has no such tenant.
///
/// Only what the deferral keeps open counts: holes without a known fix stay open either way, and the saving of
/// waiting (a bad release that others find) belongs to the decision when to patch. Hits are taken as independent, an upper bound
/// under the model's dependence; losses through management planes are not the deferral's.
///
/// `parameters` are those that the portfolio was built with.
#[must_use]
pub fn deferral(built: &Built, tenant: &TenantId, days: Days, parameters: &Parameters) -> Option<Deferral> {
    let portfolio = &built.portfolio;
    let own = portfolio.tenants.iter().position(|it| it.as_ref() == Some(tenant))? as u32;
    let aimed = Probability::nearest(parameters.get(Parameter::Aimed));
    // Probability of each exploit within the days of the deferral; of other shocks nothing is added.
    let within: Vec<f64> = portfolio
        .shocks
        .iter()
        .zip(&built.derivations.shocks)
        .map(|(shock, derivation)| match (&shock.cause, derivation.hazard) {
            (Cause::Exploit { .. }, Some(hazard)) if derivation.fix_known => {
                hazard.followed_by(aimed).probability(days).get()
            }
            _ => 0.0,
        })
        .collect();
    let mut known: FxHashMap<usize, Impact> = FxHashMap::default();
    let mut added: BTreeMap<u32, f64> = BTreeMap::new();
    let mut hosts = Vec::new();
    for host in &portfolio.hosts {
        let holdings = portfolio.holdings_of(host);
        if !holdings.iter().any(|it| it.tenant == own) {
            continue;
        }
        let responses = portfolio.class_of(host.class).map_or(&[][..], |it| &it.responses);
        // Classes that share their answers have the same mean.
        let mean = *known.entry(responses.as_ptr().addr()).or_insert_with(|| {
            let hits = responses.iter().filter_map(|it| {
                let shock = within.get(it.shock as usize).copied().filter(|p| *p > 0.0)?;
                Some((shock * portfolio.given_shock(it), it.impact))
            });
            mean_greatest(&hits.collect::<Vec<_>>())
        });
        if mean == Impact::default() {
            continue;
        }
        hosts.push(host.id.clone());
        for holding in holdings {
            *added.entry(holding.tenant).or_default() += holding.loss(mean);
        }
    }
    let own_loss = added.remove(&own).unwrap_or(0.0);
    let neighbours: Vec<(Option<TenantId>, f64)> = added
        .into_iter()
        .map(|(at, loss)| (portfolio.tenants.get(at as usize).cloned().flatten(), loss))
        .collect();
    Some(Deferral {
        tenant: tenant.clone(),
        days: days.get(),
        hosts,
        own: own_loss,
        // The sum of nothing is -0.
        neighbours_sum: 0.0 + neighbours.iter().map(|it| it.1).sum::<f64>(),
        neighbours,
    })
}
