//! What a host has room for and what a guest needs, resource by resource.

use underpin_model::fleet::{Capacity, Vm};

/// Number of resources.
pub(super) const KINDS: usize = 3;
/// Names of the resources, as in the fleet file.
pub(super) const RESOURCES: [&str; KINDS] = ["memory_mib", "vcpus", "hugepages_mib"];
/// The same for people.
pub(super) const NAMES: [&str; KINDS] = ["MiB of memory", "vCPUs", "MiB of huge pages"];
/// Memory among the resources: that of guests which lie in huge pages is none of it.
pub(super) const MEMORY: usize = 0;

/// An amount of each.
pub(super) type Room = [u64; KINDS];
/// What is left of each; negative: overdrawn.
pub(super) type Free = [i64; KINDS];

pub(super) const NOTHING: Room = [0; KINDS];

pub(super) fn signed(room: u64) -> i64 {
    i64::try_from(room).unwrap_or(i64::MAX)
}

/// What no guest fits in: a host that takes none.
pub(super) const NO_ROOM: Free = [i64::MIN / 2; KINDS];

/// Of what it needs nothing of, a host may have too little for others.
pub(super) fn fits(free: Free, need: Room) -> bool {
    (0..KINDS).all(|it| free[it] >= signed(need[it]) || (need[it] == 0 && free[it] > NO_ROOM[it]))
}

/// Both together.
pub(super) fn sum(a: Room, b: Room) -> Room {
    std::array::from_fn(|it| a[it].saturating_add(b[it]))
}

/// What a host carries; `None`: its memory or its vCPUs are not known. Huge pages that nobody names are none.
pub(super) fn of_host(capacity: &Capacity) -> Option<Room> {
    Some([capacity.memory_mib?, u64::from(capacity.vcpus?), capacity.hugepages_mib.unwrap_or(0)])
}

/// What a host carries after a change: what this does not name stays.
pub(super) fn after(change: &Capacity, before: Room) -> Room {
    [
        change.memory_mib.unwrap_or(before[0]),
        change.vcpus.map_or(before[1], u64::from),
        change.hugepages_mib.unwrap_or(before[2]),
    ]
}

/// What a guest needs; `None`: its memory or its vCPUs are not known.
pub(super) fn of_guest(vm: &Vm) -> Option<Room> {
    let (memory, huge) = (vm.memory_mib?, vm.hugepages_mib.unwrap_or(0));
    Some([memory.saturating_sub(huge), u64::from(vm.vcpus?), huge])
}

/// What is known of a guest's needs.
pub(super) fn known(vm: &Vm) -> Room {
    let [memory, _, huge] = asleep(vm);
    [memory, vm.vcpus.map_or(0, u64::from), huge]
}

/// What a guest keeps where it is suspended.
pub(super) fn asleep(vm: &Vm) -> Room {
    let Some(memory) = vm.memory_mib else { return NOTHING };
    let huge = vm.hugepages_mib.unwrap_or(0);
    [memory.saturating_sub(huge), 0, huge]
}
