//! Reboot groups for clusters whose VMs have a second copy on one other host: the model of Ganeti's `hroller`.
//!
//! Two hosts may not be away together when one holds the second copy of a VM of the other, or, unless VMs are shut
//! down, when VMs of both have their second copy on the same host. A group is a colour class of this graph. A VM
//! without a second copy must find memory and disk outside the group, and moves home afterwards; a full evacuation also finds
//! a new place for every second copy. Nothing is checked for VMs that change over to their second copy: neither
//! memory nor N+1. This is the peer's model as it is, for comparison; [`crate::waves`] is the one to trust hosts to.

mod colouring;
mod evacuation;
pub(crate) mod fleet;

use crate::waves::{Infeasible, Proof};
use colouring::{Conflicts, classes};
use evacuation::{Evacuated, evacuate};
pub use underpin_model::fleet::NonRedundant;

/// A host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupHost {
    /// What people call it.
    pub name: String,
    /// Free memory in MiB.
    pub free_memory_mib: i64,
    /// Free disk in MiB.
    pub free_disk_mib: i64,
    /// It is off: in no group, and nothing moves to it.
    pub offline: bool,
    /// It is in no group, but VMs may move to it.
    pub left_out: bool,
    /// Its group comes last.
    pub last: bool,
    /// VMs move between hosts of the same pool only.
    pub pool: usize,
}

/// A VM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupVm {
    /// What people call it.
    pub name: String,
    /// Memory in MiB.
    pub memory_mib: i64,
    /// Local disk in MiB.
    pub disk_mib: i64,
    /// The host that it runs on.
    pub primary: Option<usize>,
    /// The host of its second copy.
    pub secondary: Option<usize>,
}

/// A cluster with the peer's options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupInstance {
    /// The hosts.
    pub hosts: Vec<GroupHost>,
    /// The VMs.
    pub vms: Vec<GroupVm>,
    /// VMs are shut down meanwhile.
    pub offline_maintenance: bool,
    /// Second copies leave the group too.
    pub full_evacuation: bool,
    /// Only the first group is wanted.
    pub first_group_only: bool,
    /// What happens to VMs without a second copy.
    pub non_redundant: NonRedundant,
}

/// Hosts that reboot together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Indices of hosts, ascending.
    pub hosts: Vec<usize>,
    /// Where VMs without a second copy are meanwhile: (VM, host).
    pub moved: Vec<(usize, usize)>,
    /// New hosts of second copies: (VM, host).
    pub copied: Vec<(usize, usize)>,
}

/// The groups, largest first, that of the last host last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The groups.
    pub groups: Vec<Group>,
    /// No fewer groups exist: hosts of which each two conflict.
    pub clique: usize,
    /// Why there are none.
    pub infeasible: Option<Infeasible>,
    /// Neither groups nor a proof that there are none.
    pub unknown: Option<String>,
}

/// Finds few groups. Deterministic; indices in the instance that lead nowhere are taken as absent.
#[must_use]
pub fn solve(instance: &GroupInstance) -> Groups {
    let mut answer = Groups { groups: Vec::new(), clique: 0, infeasible: None, unknown: None };
    let hosts = wanted(instance);
    if hosts.is_empty() {
        if !instance.hosts.is_empty() {
            let reason = "no host is left to group: each is off, not asked for, or skipped".to_owned();
            answer.infeasible = Some(Infeasible { reason, proof: Proof::Bound });
        }
        return answer;
    }
    for host in &hosts {
        match evacuate(instance, &[*host]) {
            Evacuated::Placed(_) => {}
            Evacuated::Impossible(reason, proof) => {
                answer.infeasible = Some(Infeasible { reason, proof });
                return answer;
            }
            Evacuated::NotFound => {
                answer.unknown = Some(format!(
                    "budget ended: no way was found to empty host {}, and none is excluded",
                    instance.hosts[*host].name
                ));
                return answer;
            }
        }
    }
    let conflicts = Conflicts::new(instance, &hosts);
    answer.clique = conflicts.clique(&hosts);
    let groups = if needs_room(instance) {
        with_room(instance, &conflicts, &hosts)
    } else {
        classes(&conflicts, &hosts)
    };
    answer.groups = finish(instance, groups);
    answer
}

/// Hosts that are to be in a group.
fn wanted(instance: &GroupInstance) -> Vec<usize> {
    let mut skipped = vec![false; instance.hosts.len()];
    if instance.non_redundant == NonRedundant::Skip {
        let alone = instance.vms.iter().filter(|vm| vm.secondary.is_none());
        for host in alone.filter_map(|vm| vm.primary) {
            if let Some(skip) = skipped.get_mut(host) {
                *skip = true;
            }
        }
    }
    let open =
        |host: &usize| !instance.hosts[*host].offline && !instance.hosts[*host].left_out && !skipped[*host];
    (0..instance.hosts.len()).filter(open).collect()
}

fn needs_room(instance: &GroupInstance) -> bool {
    instance.full_evacuation || instance.non_redundant == NonRedundant::Move
}

fn fits(instance: &GroupInstance, group: &[usize]) -> bool {
    matches!(evacuate(instance, group), Evacuated::Placed(_))
}

/// Colour classes, cut down to what finds room; what is cut off joins another group where it can.
fn with_room(instance: &GroupInstance, conflicts: &Conflicts, hosts: &[usize]) -> Vec<Vec<usize>> {
    let mut best = split(instance, conflicts, classes(conflicts, hosts));
    // On few hosts other orders are cheap; on many the classes are cut once.
    if hosts.len() <= 64 {
        let mut order = hosts.to_vec();
        for turn in 0..hosts.len().min(24) {
            order.rotate_left(1);
            if turn % 2 == 1 {
                order.reverse();
            }
            let other = first_fit(instance, conflicts, &order, Vec::new());
            if other.len() < best.len() {
                best = other;
            }
        }
        best = dissolve(instance, conflicts, best);
    }
    best
}

/// Keeps the longest part of each class that finds room, and goes on with the rest.
fn split(instance: &GroupInstance, conflicts: &Conflicts, classes: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut rest: Vec<usize> = Vec::new();
    for class in classes {
        let most = longest(instance, &class);
        groups.push(class.iter().take(most).copied().collect());
        rest.extend(class.iter().skip(most));
    }
    if rest.len() <= 64 {
        return first_fit(instance, conflicts, &rest, groups);
    }
    while !rest.is_empty() {
        // Hosts of the rest that do not conflict with its first one, as many as find room.
        let mut class: Vec<usize> = Vec::new();
        for host in &rest {
            if class.iter().all(|other| !conflicts.between(*host, *other)) {
                class.push(*host);
            }
        }
        class.truncate(longest(instance, &class));
        rest.retain(|host| !class.contains(host));
        groups.push(class);
    }
    groups
}

/// How many hosts of the list, from its start, find room together: at least one, since each does alone.
fn longest(instance: &GroupInstance, class: &[usize]) -> usize {
    if fits(instance, class) {
        return class.len();
    }
    let (mut holds, mut fails) = (1, class.len());
    while holds + 1 < fails {
        let middle = usize::midpoint(holds, fails);
        if class.get(..middle).is_some_and(|part| fits(instance, part)) {
            holds = middle;
        } else {
            fails = middle;
        }
    }
    holds
}

fn first_fit(
    instance: &GroupInstance,
    conflicts: &Conflicts,
    order: &[usize],
    mut groups: Vec<Vec<usize>>,
) -> Vec<Vec<usize>> {
    for host in order {
        let home = groups.iter_mut().find(|group| joins(instance, conflicts, group, *host));
        match home {
            Some(group) => group.push(*host),
            None => groups.push(vec![*host]),
        }
    }
    groups
}

fn joins(instance: &GroupInstance, conflicts: &Conflicts, group: &[usize], host: usize) -> bool {
    group.iter().all(|other| !conflicts.between(host, *other)) && fits(instance, &[group, &[host]].concat())
}

/// Gives up the smallest group where all its hosts find another one, again and again.
fn dissolve(instance: &GroupInstance, conflicts: &Conflicts, mut groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    loop {
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        let Some((last, others)) = groups.split_last() else { return groups };
        let fewer = first_fit(instance, conflicts, last, others.to_vec());
        if fewer.len() >= groups.len() {
            return groups;
        }
        groups = fewer;
    }
}

fn finish(instance: &GroupInstance, mut groups: Vec<Vec<usize>>) -> Vec<Group> {
    for group in &mut groups {
        group.sort_unstable();
    }
    let last = |group: &[usize]| group.iter().any(|host| instance.hosts[*host].last);
    groups.sort_by_key(|group| (last(group), std::cmp::Reverse(group.len()), group.first().copied()));
    if instance.first_group_only {
        groups.truncate(1);
    }
    groups
        .into_iter()
        .map(|hosts| match evacuate(instance, &hosts) {
            Evacuated::Placed(found) => Group { hosts, moved: found.moved, copied: found.copied },
            _ => Group { hosts, moved: Vec::new(), copied: Vec::new() },
        })
        .collect()
}
