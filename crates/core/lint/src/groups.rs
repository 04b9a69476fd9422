//! Which pools must be replayed together: those that a step or a rule of placement joins. All others are independent.

use underpin_model::fleet::AffinityKind;

use crate::replay::Within;
use crate::state::Group;
use crate::timeline::{Doing, Timeline};
use crate::world::{NONE, World, ix};

/// Pools joined so far: each points to another of its group, or to itself.
struct Joined(Vec<u32>);

impl Joined {
    fn root(&mut self, mut pool: u32) -> u32 {
        while let Some(&up) = self.0.get(ix(pool))
            && up != pool
        {
            let above = self.0.get(ix(up)).copied().unwrap_or(up);
            if let Some(it) = self.0.get_mut(ix(pool)) {
                *it = above;
            }
            pool = above;
        }
        pool
    }

    fn join(&mut self, one: u32, other: u32) {
        if one == NONE || other == NONE {
            return;
        }
        let (one, other) = (self.root(one), self.root(other));
        if let Some(it) = self.0.get_mut(ix(one.max(other))) {
            *it = one.min(other);
        }
    }
}

/// The groups that the plan touches, with the group of each guest ([`NONE`]: of none of these).
pub(crate) fn groups(world: &World<'_>, timeline: &Timeline<'_>) -> (Vec<Group>, Vec<u32>, Within) {
    let pool_of = |host: u32| world.hosts.get(ix(host)).map_or(NONE, |it| it.pool);
    let pool_of_vm = |vm: u32| world.vms.get(ix(vm)).map_or(NONE, |it| pool_of(it.host));
    let mut joined = Joined((0..world.pools).collect());
    let mut touched = vec![false; ix(world.pools)];
    let mut pool_of_step = Vec::with_capacity(timeline.acts.len());
    for act in &timeline.acts {
        let mut first = NONE;
        let moved = match &act.doing {
            Doing::Evacuate { moves, .. } => moves.as_ref(),
            _ => &[],
        };
        let hosts = act.hosts().chain(moved.iter().map(|it| it.1)).map(pool_of);
        let guest = match act.doing {
            Doing::Migrate { vm, .. }
            | Doing::Stop { vm, .. }
            | Doing::Start { vm, .. }
            | Doing::Suspend { vm, .. }
            | Doing::Resume { vm, .. } => Some(vm),
            _ => None,
        };
        let guests = guest.into_iter().chain(moved.iter().map(|it| it.0)).map(pool_of_vm);
        for pool in hosts.chain(guests).filter(|it| *it != NONE) {
            joined.join(first, pool);
            first = if first == NONE { pool } else { first };
        }
        if act.touches
            && let Some(it) = touched.get_mut(ix(first))
        {
            *it = true;
        }
        pool_of_step.push(first);
    }
    let together =
        world.fleet.affinities.iter().filter(|it| it.kind == AffinityKind::Together).map(|it| &it.vms);
    let among = world.fleet.planning.iter().flat_map(|it| &it.among).map(|it| &it.vms);
    for vms in together.chain(among) {
        let pools = vms.iter().filter_map(|it| world.vm_at.get(it.as_str())).map(|it| pool_of_vm(*it));
        pools.filter(|it| *it != NONE).reduce(|first, pool| {
            joined.join(first, pool);
            first
        });
    }
    gather(world, &mut joined, &touched, &pool_of_step)
}

fn gather(
    world: &World<'_>,
    joined: &mut Joined,
    touched: &[bool],
    pool_of_step: &[u32],
) -> (Vec<Group>, Vec<u32>, Within) {
    let mut group_of_root = vec![NONE; ix(world.pools)];
    let mut groups: Vec<Group> = Vec::new();
    for (pool, _) in (0..world.pools).zip(touched).filter(|it| *it.1) {
        let root = joined.root(pool);
        if let Some(it) = group_of_root.get_mut(ix(root))
            && *it == NONE
        {
            *it = groups.len() as u32;
            groups.push(Group { hosts: Vec::new(), vms: Vec::new(), steps: Vec::new() });
        }
    }
    let mut group_of = |pool: u32| {
        if pool == NONE { NONE } else { group_of_root.get(ix(joined.root(pool))).copied().unwrap_or(NONE) }
    };
    let mut within = Within { host: vec![NONE; world.hosts.len()], vm: vec![NONE; world.vms.len()] };
    for ((row, number), local) in world.hosts.iter().zip(0u32..).zip(&mut within.host) {
        if let Some(group) = groups.get_mut(ix(group_of(row.pool))) {
            *local = group.hosts.len() as u32;
            group.hosts.push(number);
        }
    }
    let mut group_of_vm = vec![NONE; world.vms.len()];
    for (((row, number), local), of) in world.vms.iter().zip(0u32..).zip(&mut within.vm).zip(&mut group_of_vm)
    {
        let pool = world.hosts.get(ix(row.host)).map_or(NONE, |it| it.pool);
        *of = group_of(pool);
        if let Some(group) = groups.get_mut(ix(*of)) {
            *local = group.vms.len() as u32;
            group.vms.push(number);
        }
    }
    for (pool, step) in pool_of_step.iter().zip(0u32..) {
        if let Some(group) = groups.get_mut(ix(group_of(*pool))) {
            group.steps.push(step);
        }
    }
    (groups, group_of_vm, within)
}
