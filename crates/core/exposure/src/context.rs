//! What surrounds an asset and weighs in SSVC and BOD 26-04: public reach and human impact.

use rustc_hash::FxHashMap;
use underpin_model::fleet::{Fleet, Host, Vm};
use underpin_model::id::{ApplicationId, HostId};
use underpin_model::ssvc::HumanImpact;

use crate::reach::PublicReach;
use crate::report::Context;

pub(crate) struct Contexts<'a> {
    reach: PublicReach<'a>,
    impact: FxHashMap<&'a ApplicationId, HumanImpact>,
    impact_on_host: FxHashMap<&'a HostId, HumanImpact>,
}

impl<'a> Contexts<'a> {
    pub(crate) fn new(fleet: &'a Fleet) -> Self {
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
        Self { reach: PublicReach::of(fleet), impact, impact_on_host }
    }

    pub(crate) fn of_host(&self, host: &Host) -> Context {
        Context {
            publicly_exposed: self.reach.of_machine(&host.management_interfaces),
            human_impact: self.impact_on_host.get(&host.id).copied(),
        }
    }

    pub(crate) fn of_vm(&self, vm: &Vm) -> Context {
        Context {
            publicly_exposed: self.reach.of_networks(&vm.networks),
            human_impact: vm.application.as_ref().and_then(|id| self.impact.get(id)).copied(),
        }
    }
}
