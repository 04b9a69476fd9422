//! What surrounds an asset and weighs in SSVC and BOD 26-04: public reach and human impact.

use rustc_hash::FxHashMap;
use underpin_model::fleet::{Fleet, Host, Vm};
use underpin_model::id::{ApplicationId, HostId, NetworkId};
use underpin_model::ssvc::HumanImpact;

use crate::report::Context;

pub(crate) struct Contexts<'a> {
    exposed: FxHashMap<&'a NetworkId, Option<bool>>,
    impact: FxHashMap<&'a ApplicationId, HumanImpact>,
    impact_on_host: FxHashMap<&'a HostId, HumanImpact>,
}

impl<'a> Contexts<'a> {
    pub(crate) fn new(fleet: &'a Fleet) -> Self {
        let exposed = fleet.networks.iter().map(|network| (&network.id, network.publicly_exposed)).collect();
        let impact: FxHashMap<_, _> =
            fleet.applications.iter().filter_map(|app| Some((&app.id, app.human_impact?))).collect();
        let mut impact_on_host: FxHashMap<&HostId, HumanImpact> = FxHashMap::default();
        for vm in &fleet.vms {
            let impact = vm.application.as_ref().and_then(|id| impact.get(id));
            if let (Some(host), Some(impact)) = (&vm.host, impact) {
                let worst = impact_on_host.entry(host).or_insert(*impact);
                *worst = (*worst).max(*impact);
            }
        }
        Self { exposed, impact, impact_on_host }
    }

    pub(crate) fn of_host(&self, host: &Host) -> Context {
        let networks = host.management_interfaces.iter().filter(|way| way.enabled != Some(false));
        Context {
            publicly_exposed: self.any_exposed(networks.flat_map(|way| &way.networks)),
            human_impact: self.impact_on_host.get(&host.id).copied(),
        }
    }

    pub(crate) fn of_vm(&self, vm: &Vm) -> Context {
        Context {
            publicly_exposed: self.any_exposed(vm.networks.iter()),
            human_impact: vm.application.as_ref().and_then(|id| self.impact.get(id)).copied(),
        }
    }

    /// Exposed if any network is; not exposed only if every network is known not to be; else unknown.
    fn any_exposed<'n>(&self, networks: impl Iterator<Item = &'n NetworkId>) -> Option<bool> {
        let mut all_known = None;
        for network in networks {
            match self.exposed.get(network).copied().flatten() {
                Some(true) => return Some(true),
                Some(false) => all_known = all_known.or(Some(true)),
                None => all_known = Some(false),
            }
        }
        (all_known == Some(true)).then_some(false)
    }
}
