//! Room outside a group for what has no second copy, and for second copies.

use std::collections::BTreeSet;

use super::{GroupInstance, NonRedundant};
use crate::waves::Proof;

/// Hosts looked at for one VM before all of them are.
const LOOKED_AT: usize = 64;
/// Steps of the exhaustive search, for groups whose VMs do not fit at first.
const STEPS: u64 = 50_000;
/// Most VMs that are placed exhaustively.
const MAX_SEARCHED: usize = 64;

/// Where things go.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// VMs without a second copy.
    pub(super) moved: Vec<(usize, usize)>,
    /// Second copies.
    pub(super) copied: Vec<(usize, usize)>,
}

/// Whether a group finds room.
#[derive(Debug)]
pub(super) enum Evacuated {
    /// It does.
    Placed(Places),
    /// It cannot, for this reason.
    Impossible(String, Proof),
    /// None was found, and none is excluded.
    NotFound,
}

/// Something that needs a place.
struct Item {
    vm: usize,
    memory: i64,
    disk: i64,
    pool: usize,
    /// The host that holds the other copy.
    not_on: Option<usize>,
    copy: bool,
}

/// Finds a place outside the group for all that must leave it. As with the peer, something must be left over: memory and
/// disk of a host are never used up to the last MiB.
pub(super) fn evacuate(instance: &GroupInstance, group: &[usize]) -> Evacuated {
    let mut inside = vec![false; instance.hosts.len()];
    group.iter().for_each(|host| inside[*host] = true);
    let mut items = items(instance, &inside);
    items.sort_by_key(|it| (std::cmp::Reverse((it.disk, it.memory)), it.vm));
    let open: Vec<usize> =
        (0..instance.hosts.len()).filter(|host| !inside[*host] && !instance.hosts[*host].offline).collect();
    let mut free: Vec<(i64, i64)> =
        instance.hosts.iter().map(|host| (host.free_memory_mib, host.free_disk_mib)).collect();
    if let Some(placed) = greedy(instance, &items, &open, &mut free) {
        return Evacuated::Placed(places(&items, &placed));
    }
    if let Some(item) = items
        .iter()
        .find(|item| !open.iter().any(|host| goes(instance, item, *host, &start(instance, *host))))
    {
        let name = &instance.vms[item.vm].name;
        let what = if item.copy { "the second copy of VM" } else { "VM" };
        let reason = format!("{what} {name} fits on no other host while {} is away", names(instance, group));
        return Evacuated::Impossible(reason, Proof::Bound);
    }
    if items.len() > MAX_SEARCHED {
        return Evacuated::NotFound;
    }
    let mut search = Search {
        instance,
        items: &items,
        open: &open,
        free: instance.hosts.iter().map(|host| (host.free_memory_mib, host.free_disk_mib)).collect(),
        placed: Vec::new(),
        steps: STEPS,
    };
    match search.next() {
        Some(true) => Evacuated::Placed(places(&items, &search.placed)),
        Some(false) => {
            let what = if items.iter().any(|it| it.copy) { "copies and VMs" } else { "VMs" };
            let reason = format!(
                "while {} is away there is no place for its {} {what} on the others: all were tried",
                names(instance, group),
                items.len()
            );
            Evacuated::Impossible(reason, Proof::Exhausted)
        }
        None => Evacuated::NotFound,
    }
}

fn names(instance: &GroupInstance, group: &[usize]) -> String {
    let names: Vec<&str> = group.iter().take(3).map(|host| instance.hosts[*host].name.as_str()).collect();
    names.join(", ")
}

fn start(instance: &GroupInstance, host: usize) -> (i64, i64) {
    (instance.hosts[host].free_memory_mib, instance.hosts[host].free_disk_mib)
}

fn items(instance: &GroupInstance, inside: &[bool]) -> Vec<Item> {
    let within = |host: Option<usize>| host.is_some_and(|it| inside.get(it).copied().unwrap_or(false));
    let mut items = Vec::new();
    for (at, vm) in instance.vms.iter().enumerate() {
        let (primary, secondary) = (vm.primary, vm.secondary);
        let alone = secondary.is_none();
        let moves = alone && within(primary) && instance.non_redundant == NonRedundant::Move;
        let copies = !alone && instance.full_evacuation && (within(primary) || within(secondary));
        if !moves && !copies {
            continue;
        }
        let pool = primary.and_then(|it| instance.hosts.get(it)).map_or(0, |it| it.pool);
        let not_on = if within(primary) { secondary } else { primary };
        items.push(Item { vm: at, memory: vm.memory_mib, disk: vm.disk_mib, pool, not_on, copy: copies });
    }
    items
}

fn goes(instance: &GroupInstance, item: &Item, host: usize, free: &(i64, i64)) -> bool {
    let disk = item.disk == 0 || item.disk < free.1;
    instance.hosts[host].pool == item.pool && item.not_on != Some(host) && item.memory < free.0 && disk
}

fn places(items: &[Item], placed: &[usize]) -> Places {
    let mut places = Places::default();
    for (item, host) in items.iter().zip(placed) {
        let list = if item.copy { &mut places.copied } else { &mut places.moved };
        list.push((item.vm, *host));
    }
    places
}

/// Each where it fits tightest, on the resource that is scarcer in sum.
fn greedy(
    instance: &GroupInstance,
    items: &[Item],
    open: &[usize],
    free: &mut [(i64, i64)],
) -> Option<Vec<usize>> {
    let sum = |amount: &dyn Fn(&Item) -> i64| items.iter().map(|it| i128::from(amount(it))).sum::<i128>();
    let room = |amount: &dyn Fn(&(i64, i64)) -> i64| {
        open.iter().map(|host| i128::from(amount(&free[*host]).max(0))).sum::<i128>().max(1)
    };
    let (memory, disk) = (sum(&|it| it.memory), sum(&|it| it.disk));
    let by_disk = disk.saturating_mul(room(&|it| it.0)) > memory.saturating_mul(room(&|it| it.1));
    let key = |free: &(i64, i64)| if by_disk { free.1 } else { free.0 };
    let pools = instance.hosts.iter().map(|it| it.pool).max().unwrap_or(0) + 1;
    let mut hosts: Vec<BTreeSet<(i64, usize)>> = vec![BTreeSet::new(); pools];
    for host in open {
        hosts[instance.hosts[*host].pool].insert((key(&free[*host]), *host));
    }
    let mut placed = Vec::with_capacity(items.len());
    for item in items {
        let need = if by_disk { item.disk } else { item.memory };
        let pool = &hosts[item.pool];
        let fits = |it: &&(i64, usize)| goes(instance, item, it.1, &free[it.1]);
        let mut near = pool.range((need, 0)..).take(LOOKED_AT);
        let found = near.find(fits).or_else(|| pool.range((need, 0)..).rev().find(fits));
        let (left, host) = *found?;
        hosts[item.pool].remove(&(left, host));
        free[host].0 -= item.memory;
        free[host].1 -= item.disk;
        hosts[item.pool].insert((key(&free[host]), host));
        placed.push(host);
    }
    Some(placed)
}

struct Search<'i> {
    instance: &'i GroupInstance,
    items: &'i [Item],
    open: &'i [usize],
    free: Vec<(i64, i64)>,
    placed: Vec<usize>,
    steps: u64,
}

impl Search<'_> {
    /// Places the items after those placed; `None`: the steps ended.
    fn next(&mut self) -> Option<bool> {
        let Some(item) = self.items.get(self.placed.len()) else { return Some(true) };
        for host in self.open {
            if !goes(self.instance, item, *host, &self.free[*host]) {
                continue;
            }
            self.steps = self.steps.checked_sub(1)?;
            self.free[*host].0 -= item.memory;
            self.free[*host].1 -= item.disk;
            self.placed.push(*host);
            let found = self.next();
            if found != Some(false) {
                return found;
            }
            self.placed.pop();
            self.free[*host].0 += item.memory;
            self.free[*host].1 += item.disk;
        }
        Some(false)
    }
}
