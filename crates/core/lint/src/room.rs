//! What hosts carry and guests need, resource by resource.

use underpin_model::fleet::{Capacity, Vm};

/// Number of resources.
pub(crate) const KINDS: usize = 3;
/// How the resources are called where something lacks.
pub(crate) const NAMES: [&str; KINDS] = ["MiB of memory", "vCPUs", "MiB of huge pages"];
/// No real machine has more, in MiB; sums of it stay far from the ends of the numbers.
pub(crate) const MOST: u64 = 1 << 40;

/// Needs of a guest.
pub(crate) type Need = [u64; KINDS];

/// What a host carries; `None`: nobody knows. Huge pages that nobody names are none.
pub(crate) type Room = [Option<u64>; KINDS];

pub(crate) fn of_host(capacity: Option<&Capacity>) -> Room {
    let Some(it) = capacity else { return [None; KINDS] };
    let most = |it: u64| it.min(MOST);
    [it.memory_mib.map(most), it.vcpus.map(u64::from), Some(it.hugepages_mib.map_or(0, most))]
}

/// What a host carries once a change says so: what this does not name stays.
pub(crate) fn changed(room: &mut Room, by: &Capacity) {
    let named = [by.memory_mib, by.vcpus.map(u64::from), by.hugepages_mib];
    for (room, named) in room.iter_mut().zip(named) {
        *room = named.or(*room);
    }
}

/// Memory in huge pages is taken from these alone. What is not known counts as nothing.
pub(crate) fn of_guest(vm: &Vm) -> Need {
    let vcpus = vm.vcpus.map_or(0, u64::from);
    let Some(memory) = vm.memory_mib else { return [0, vcpus, 0] };
    let (memory, huge) = (memory.min(MOST), vm.hugepages_mib.unwrap_or(0).min(MOST));
    [memory.saturating_sub(huge), vcpus, huge]
}

pub(crate) fn add(to: &mut Need, more: &Need) {
    to.iter_mut().zip(more).for_each(|(to, more)| *to = to.saturating_add(*more));
}

pub(crate) fn subtract(from: &mut Need, less: &Need) {
    from.iter_mut().zip(less).for_each(|(from, less)| *from = from.saturating_sub(*less));
}

/// What is used of a resource, by resource, where it is more than there is; else 0.
pub(crate) fn beyond(used: &Need, room: &Room) -> Need {
    let mut over = *used;
    for (over, room) in over.iter_mut().zip(room) {
        if room.is_none_or(|most| *over <= most) {
            *over = 0;
        }
    }
    over
}
