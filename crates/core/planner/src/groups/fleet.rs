//! Reboot groups of a fleet file.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use underpin_model::fleet::{Fleet, RebootGroups};

use super::{Group, GroupHost, GroupInstance, GroupVm, NonRedundant, solve};
use crate::waves::{ClusterReport, Status, WaveReport, fleet::Members, report::Answer};

/// Solves the fleet's reboot groups and puts them in the form of waves.
pub(crate) fn answer(fleet: &Fleet, model: &RebootGroups, all: &Members) -> Answer {
    let instance = instance(fleet, model);
    let groups = solve(&instance);
    let status = match (&groups.infeasible, &groups.unknown) {
        (Some(_), _) => Status::Infeasible,
        (None, Some(_)) => Status::Unknown,
        // With the first group alone the number is one, and the bound is about all of them.
        (None, None) if groups.groups.len() <= groups.clique.max(1) => Status::Optimal,
        (None, None) => Status::Feasible,
    };
    let found = matches!(status, Status::Optimal | Status::Feasible);
    let mut lower_bound = BTreeMap::new();
    if found {
        let clique = if instance.first_group_only { groups.clique.min(1) } else { groups.clique };
        lower_bound.insert("clique".to_owned(), clique);
        lower_bound.insert("best".to_owned(), clique);
    }
    let schedule: Vec<WaveReport> = groups.groups.iter().map(|it| wave(&instance, it)).collect();
    // Away and home again, and each new second copy.
    let moves = groups.groups.iter().map(|it| 2 * it.moved.len() + it.copied.len()).sum::<usize>() as u64;
    let report = ClusterReport {
        cluster: all.name.clone(),
        hosts: groups.groups.iter().map(|it| it.hosts.len()).sum(),
        vms: all.vms.len(),
        status,
        waves: found.then_some(schedule.len()),
        lower_bound,
        moves,
        moves_bound: 0,
        infeasible: groups.infeasible,
        unknown: groups.unknown,
        start: Vec::new(),
    };
    Answer { report, schedule }
}

/// Hosts and VMs in the order of the fleet file.
fn instance(fleet: &Fleet, model: &RebootGroups) -> GroupInstance {
    let position: FxHashMap<&str, usize> =
        fleet.hosts.iter().enumerate().map(|(at, host)| (host.id.as_str(), at)).collect();
    let mut pools: FxHashMap<&str, usize> = FxHashMap::default();
    let size = |it: u64| i64::try_from(it).unwrap_or(i64::MAX / 4);
    let facts: FxHashMap<&str, _> = model.hosts.iter().map(|it| (it.id.as_str(), it)).collect();
    let hosts = fleet.hosts.iter().map(|host| {
        let next = pools.len();
        let pool = *pools.entry(host.cluster.as_ref().map_or("", |it| it.as_str())).or_insert(next);
        let fact = facts.get(host.id.as_str());
        GroupHost {
            name: host.id.to_string(),
            free_memory_mib: fact.map_or(0, |it| size(it.free_memory_mib)),
            free_disk_mib: fact.map_or(0, |it| size(it.free_disk_mib)),
            offline: host.maintenance == Some(true),
            left_out: fact.is_none_or(|it| it.left_out),
            last: fact.is_some_and(|it| it.last),
            pool,
        }
    });
    let hosts = hosts.collect();
    let facts: FxHashMap<&str, _> = model.vms.iter().map(|it| (it.id.as_str(), it)).collect();
    let vms = fleet.vms.iter().map(|vm| {
        let fact = facts.get(vm.id.as_str());
        GroupVm {
            name: vm.id.to_string(),
            memory_mib: fact.map_or(0, |it| size(it.memory_mib)),
            disk_mib: fact.map_or(0, |it| size(it.disk_mib)),
            primary: vm.host.as_ref().and_then(|it| position.get(it.as_str()).copied()),
            secondary: fact
                .and_then(|it| it.secondary.as_ref())
                .and_then(|it| position.get(it.as_str()).copied()),
        }
    });
    GroupInstance {
        vms: vms.collect(),
        hosts,
        offline_maintenance: model.offline_maintenance,
        full_evacuation: model.full_evacuation,
        first_group_only: model.first_group_only,
        non_redundant: model.non_redundant,
    }
}

/// Where each VM is while the group is away: at its second copy, where it was moved to, or nowhere (it is shut down).
fn wave(instance: &GroupInstance, group: &Group) -> WaveReport {
    let moved: FxHashMap<usize, usize> = group.moved.iter().copied().collect();
    let place = |(at, vm): (usize, &GroupVm)| {
        let primary = vm.primary?;
        if group.hosts.binary_search(&primary).is_err() {
            return Some(primary);
        }
        let alone = vm.secondary.is_none();
        if instance.offline_maintenance || (alone && instance.non_redundant != NonRedundant::Move) {
            return moved.get(&at).copied();
        }
        vm.secondary.or_else(|| moved.get(&at).copied())
    };
    WaveReport { hosts: group.hosts.clone(), placement: instance.vms.iter().enumerate().map(place).collect() }
}
