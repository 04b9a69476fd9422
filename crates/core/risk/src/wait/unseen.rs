//! Hosts of which kernel or hypervisor is not known: nothing of it is found to be due on them, because nobody looked.

use std::collections::BTreeMap;

use underpin_exposure::report::AssetKind;
use underpin_exposure::{Missing, Unseen};
use underpin_model::fleet::Fleet;
use underpin_model::id::HostId;

use super::evidence::Tally;
use super::groups::{GroupDecision, Role};
use crate::build::hosts::Hosts;
use crate::groups::GroupKey;

/// Per group that has such hosts, and per what is missing, that it cannot be decided for them.
pub(super) fn unseen(fleet: &Fleet, hosts: &Hosts<'_>) -> Vec<GroupDecision> {
    let unseen = Unseen::of(fleet);
    let mut groups: BTreeMap<(GroupKey, Missing), Vec<&HostId>> = BTreeMap::new();
    for host in &fleet.hosts {
        if let Some(missing) = unseen.of_machine(AssetKind::Host, host.id.as_str()) {
            groups.entry((GroupKey::of(host), missing)).or_default().push(&host.id);
        }
    }
    groups.into_iter().map(|((group, missing), ids)| decision(group, missing, &ids, hosts)).collect()
}

fn decision(group: GroupKey, missing: Missing, ids: &[&HostId], hosts: &Hosts<'_>) -> GroupDecision {
    let these = if ids.len() == 1 { "this host".to_owned() } else { format!("these {} hosts", ids.len()) };
    let of = missing.label();
    let (lists, is_not, them) = match missing {
        Missing::Both => {
            ("lists neither", format!("neither kernel nor hypervisor of {these} is listed"), "them")
        }
        _ => ("does not list it", format!("the {of} of {these} is not listed"), "it"),
    };
    GroupDecision {
        group,
        hosts: ids.iter().copied().cloned().collect(),
        vms: ids.iter().flat_map(|it| hosts.stands_on(it)).map(|(_, vms, _)| vms).sum(),
        vms_perhaps: hosts.perhaps_on(ids.iter().copied()),
        component: of.to_owned(),
        release: None,
        role: Role::Unknown,
        runs: Vec::new(),
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
        unknown: Some(format!("the {of} of {these}: the fleet file {lists}")),
        recommendation: format!("Unknown whether anything is due: {is_not}; list {them} under `components`."),
    }
}
