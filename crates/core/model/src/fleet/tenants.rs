//! Tenants of whom nothing runs anywhere.

use rustc_hash::{FxHashMap, FxHashSet};

use super::finding::{Findings, quoted};
use super::{Fleet, FleetError};
use crate::id::{ApplicationId, TenantId};

/// Places in `tenants` of those that no VM belongs to, by itself or with its application: every figure of theirs is 0 and says nothing.
#[must_use]
pub fn tenants_without_vms(fleet: &Fleet) -> Vec<usize> {
    let of_application: FxHashMap<&ApplicationId, &TenantId> =
        fleet.applications.iter().filter_map(|it| Some((&it.id, it.tenant.as_ref()?))).collect();
    let owners = fleet.vms.iter().filter_map(|vm| {
        vm.tenant.as_ref().or_else(|| of_application.get(vm.application.as_ref()?).copied())
    });
    let owners: FxHashSet<&TenantId> = owners.collect();
    let without = fleet.tenants.iter().enumerate().filter(|(_, it)| !owners.contains(&it.id));
    without.map(|(at, _)| at).collect()
}

pub(super) fn check(fleet: &Fleet, findings: &mut Findings) {
    for at in tenants_without_vms(fleet) {
        let Some(tenant) = fleet.tenants.get(at) else { continue };
        findings.warning(|| {
            FleetError::new(
                format!("/tenants/{at}/id"),
                quoted(tenant.id.as_str()),
                "a tenant with a VM: none in `vms` has it as `tenant`, nor by its application",
            )
            .with_help("name it at its VMs, or take it out: every figure of it is 0 and says nothing")
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::fleet::{Application, Fleet, Seen, Tenant, Vm, validate};
    use crate::id::{ApplicationId, TenantId, VmId};

    #[test]
    fn a_tenant_without_vms_is_warned_of_at_its_place() {
        let at = "2026-11-21T00:00:00Z".parse().unwrap();
        let mut fleet = Fleet::new("one", Seen { at, by: "hand".to_owned() });
        let tenant = |id: &str| TenantId::new(id).unwrap();
        fleet.tenants = ["own", "none", "by-application"].map(|it| Tenant::new(tenant(it))).to_vec();
        let mut application = Application::new(ApplicationId::new("shop").unwrap());
        application.tenant = Some(tenant("by-application"));
        fleet.applications.push(application);
        let mut vm = Vm::new(VmId::new("vm-1").unwrap());
        vm.tenant = Some(tenant("own"));
        fleet.vms.push(vm);
        let mut vm = Vm::new(VmId::new("vm-2").unwrap());
        vm.application = Some(ApplicationId::new("shop").unwrap());
        fleet.vms.push(vm);
        let (errors, warnings) = validate(&fleet);
        assert!(errors.is_empty(), "{errors:?}");
        let words: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].starts_with("/tenants/1/id") && words[0].contains("\"none\""), "{words:?}");
    }
}
