//! Hosts of which neither kernel nor hypervisor is known: nothing is found to be due on them, because nobody looked.

use std::collections::BTreeMap;

use underpin_exposure::Unseen;
use underpin_exposure::report::AssetKind;
use underpin_model::fleet::Fleet;
use underpin_model::id::HostId;

use super::evidence::Tally;
use super::groups::{GroupDecision, Role};
use crate::build::hosts::Hosts;
use crate::groups::GroupKey;

/// What is not known of such hosts, in place of a component.
const OF: &str = "kernel and hypervisor";

/// Per group that has such hosts, that it cannot be decided for them.
pub(super) fn unseen(fleet: &Fleet, hosts: &Hosts<'_>) -> Vec<GroupDecision> {
    let unseen = Unseen::of(fleet);
    let mut groups: BTreeMap<GroupKey, Vec<&HostId>> = BTreeMap::new();
    for host in fleet.hosts.iter().filter(|it| unseen.has(AssetKind::Host, it.id.as_str())) {
        groups.entry(GroupKey::of(host)).or_default().push(&host.id);
    }
    groups.into_iter().map(|(group, ids)| decision(group, &ids, hosts)).collect()
}

fn decision(group: GroupKey, ids: &[&HostId], hosts: &Hosts<'_>) -> GroupDecision {
    let these = if ids.len() == 1 { "this host".to_owned() } else { format!("these {} hosts", ids.len()) };
    GroupDecision {
        group,
        hosts: ids.iter().copied().cloned().collect(),
        vms: ids.iter().flat_map(|it| hosts.stands_on(it)).map(|(_, vms, _)| vms).sum(),
        vms_perhaps: hosts.perhaps_on(ids.iter().copied()),
        component: OF.to_owned(),
        release: None,
        role: Role::Unknown,
        runs_withdrawn: Vec::new(),
        instead_of: None,
        better: None,
        released: None,
        released_basis: "unknown",
        closes: Vec::new(),
        exploited: 0,
        without_fix: 0,
        changes: 1,
        prior: None,
        tally: Tally::default(),
        ssvc: None,
        bod_26_04: None,
        promises: Vec::new(),
        earlier_ring: None,
        assumed: Vec::new(),
        wait: None,
        unknown: Some(format!("the {OF} of {these}: the fleet file lists neither")),
        recommendation: format!(
            "Unknown whether anything is due: neither kernel nor hypervisor of {these} is listed; list them under `components`."
        ),
    }
}
