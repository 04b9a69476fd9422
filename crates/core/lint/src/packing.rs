//! Finding places for the guests of hosts that fail, on the hosts of their pool that remain.
//!
//! What stood before is kept where it still fits; the rest goes to the first host with room, then everything is packed anew by best
//! fit, then guests in the way are moved aside, then, where the case is small, every placement is tried.

mod judge;

use rustc_hash::FxHashMap;

use crate::affinity::Affinities;
use crate::needs::Offered;
use crate::room::{KINDS, Need};
use crate::state::{Guest, State};
use crate::world::{NONE, Power, World, ix};

/// Placements of single items that one exhaustive search may try.
const MOST_NODES: u32 = 20_000;
/// Placements that all exhaustive searches of a group may try together.
const MOST_NODES_IN_ALL: u64 = 4_000_000;
/// Most items that an exhaustive search is begun for.
const MOST_ITEMS: usize = 24;

/// What is left of each resource, or taken.
type Free = [i64; KINDS];

/// Guests that go to one host together: one, or several that no rule lets apart.
#[derive(Debug, Clone)]
struct Item {
    first: usize,
    count: usize,
    need: Free,
    target: u32,
}

/// What is to be placed.
pub(crate) struct Case<'c> {
    /// Hosts that fail, sorted.
    pub(crate) failed: &'c [u32],
    pub(crate) pool: &'c [u32],
    /// Their guests, sorted.
    pub(crate) guests: &'c [u32],
    /// Places that they had.
    pub(crate) old: &'c [(u32, u32)],
    /// So many without a place are no more than may be; `None`: as few as can be.
    pub(crate) enough: Option<usize>,
}

/// How a search ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed {
    /// Guests with their new hosts, sorted by guest.
    pub(crate) places: Vec<(u32, u32)>,
    /// Guests without a place, sorted.
    pub(crate) unplaced: Vec<u32>,
    /// So many have none for certain, whatever the placement.
    pub(crate) least: usize,
    /// Memory that is missing in all, in MiB.
    pub(crate) short_mib: i64,
    /// Places were found only on hosts of which not everything is known.
    pub(crate) relaxed: bool,
    /// Guests that have no place but on such hosts, sorted.
    pub(crate) doubtful: Vec<u32>,
}

/// Scratch space for many searches on one group.
pub(crate) struct Packer<'r, 'a> {
    world: &'r World<'a>,
    fits: FxHashMap<(u32, u32), Offered>,
    /// What the items took and gave up, by host.
    taken: Vec<Free>,
    members: Vec<u32>,
    items: Vec<Item>,
    candidates: Vec<u32>,
    failed: Vec<u32>,
    relaxed: bool,
    nodes_left: u64,
    turn: usize,
}

impl<'r, 'a> Packer<'r, 'a> {
    pub(crate) fn new(world: &'r World<'a>, stations: usize) -> Self {
        Self {
            world,
            fits: FxHashMap::default(),
            taken: vec![[0; KINDS]; stations],
            members: Vec::new(),
            items: Vec::new(),
            candidates: Vec::new(),
            failed: Vec::new(),
            relaxed: false,
            nodes_left: MOST_NODES_IN_ALL,
            turn: 0,
        }
    }

    /// Whether what a host offers is what a guest needs, capacity aside.
    pub(crate) fn offered(&mut self, guest: &Guest, host: u32) -> Offered {
        let need = self.world.vms.get(ix(guest.vm)).map_or(NONE, |it| it.need);
        let offer = self.world.hosts.get(ix(host)).map_or(NONE, |it| it.offer);
        let needs = &self.world.needs;
        *self
            .fits
            .entry((need, offer))
            .or_insert_with(|| needs.reach(need, offer).0.max(needs.features(need, offer).0))
    }

    /// Finds places for guests of failed hosts on hosts of their pool, near to the places that they had.
    pub(crate) fn pack(&mut self, state: &State, affinities: &Affinities, case: &Case<'_>) -> Packed {
        let failed = case.failed;
        self.failed.clear();
        self.failed.extend_from_slice(failed);
        self.candidates.clear();
        self.candidates.extend(case.pool.iter().filter(|it| {
            failed.binary_search(it).is_err() && state.stations.get(ix(**it)).is_some_and(|it| it.away == 0)
        }));
        self.gather(state, affinities, case.guests);
        self.relaxed = false;
        self.clear(state);
        self.keep(state, affinities, case.old);
        let found = self.first_fit(state, affinities)
            || self.afresh(state, affinities)
            || self.push_aside(state, affinities);
        let mut packed = Packed::default();
        if !found {
            self.judge(state, affinities, case.enough, &mut packed);
        }
        for item in &self.items {
            for guest in self.members.get(item.first..item.first + item.count).unwrap_or_default() {
                if item.target == NONE {
                    packed.unplaced.push(*guest);
                } else {
                    packed.places.push((*guest, item.target));
                }
            }
        }
        packed.places.sort_unstable();
        packed.unplaced.sort_unstable();
        packed
    }

    /// Makes items of the guests: those that must be together, as far as they fail together, are one.
    fn gather(&mut self, state: &State, affinities: &Affinities, guests: &[u32]) {
        self.members.clear();
        self.items.clear();
        let runs = |it: u32| state.guests.get(ix(it)).is_some_and(|it| it.power == Power::Runs);
        for &guest in guests {
            let first = self.members.len();
            let companions =
                if affinities.speaks_of(guest) { affinities.companions(guest, runs) } else { Vec::new() };
            let mut companions =
                companions.into_iter().filter(|it| guests.binary_search(it).is_ok()).peekable();
            match companions.peek() {
                // The first of a group brings the others.
                Some(leader) if *leader < guest => continue,
                Some(_) => self.members.extend(companions),
                None => self.members.push(guest),
            }
            let members = self.members.get(first..).unwrap_or_default();
            let mut need = [0; KINDS];
            for it in members.iter().filter_map(|it| state.guests.get(ix(*it))) {
                shift(&mut need, &signed(&it.need), 1);
            }
            let count = members.len();
            self.items.push(Item { first, count, need, target: NONE });
        }
    }

    /// Nobody has a place. What the guests hold elsewhere, on their way, they give up.
    fn clear(&mut self, state: &State) {
        self.taken.fill([0; KINDS]);
        for it in &mut self.items {
            it.target = NONE;
        }
        for guest in self.members.iter().filter_map(|it| state.guests.get(ix(*it))) {
            for end in [guest.host, guest.to] {
                if guest.to != NONE
                    && self.failed.binary_search(&end).is_err()
                    && let Some(taken) = self.taken.get_mut(ix(end))
                {
                    shift(taken, &signed(&guest.need), -1);
                }
            }
        }
    }

    fn keep(&mut self, state: &State, affinities: &Affinities, old: &[(u32, u32)]) {
        for item in 0..self.items.len() {
            let Some(first) = self.items.get(item).and_then(|it| self.members.get(it.first)) else {
                continue;
            };
            let target = old.binary_search_by_key(first, |it| it.0).ok().and_then(|at| old.get(at));
            if let Some((_, target)) = target.copied()
                && self.candidates.binary_search(&target).is_ok()
                && self.has_room(state, affinities, item, target)
            {
                self.put(item, target);
            }
        }
    }

    /// What a host has left; `None`: there is no such host.
    fn left(&self, state: &State, host: u32) -> Option<Free> {
        let it = state.stations.get(ix(host))?;
        let unknown = if self.relaxed { i64::MAX / 2 } else { i64::MIN / 2 };
        let mut left = [unknown; KINDS];
        for ((left, room), used) in left.iter_mut().zip(it.room).zip(it.used) {
            *left = room.map_or(unknown, |most| most as i64 - used as i64);
        }
        shift(&mut left, self.taken.get(ix(host))?, -1);
        Some(left)
    }

    fn has_room(&mut self, state: &State, affinities: &Affinities, item: usize, host: u32) -> bool {
        let Some(it) = self.items.get(item) else { return false };
        let Some(left) = self.left(state, host) else { return false };
        // Of what it needs nothing of, a host may have too little for others.
        let known = |at: usize| state.stations.get(ix(host)).is_some_and(|it| it.room[at].is_some());
        if (0..KINDS).any(|at| left[at] < it.need[at] && (it.need[at] > 0 || !known(at))) {
            return false;
        }
        let it = it.clone();
        self.is_allowed(state, affinities, &it, host)
    }

    /// The rules that are not about room.
    fn is_allowed(&mut self, state: &State, affinities: &Affinities, item: &Item, host: u32) -> bool {
        let Some(number) = state.stations.get(ix(host)).map(|it| it.host) else { return false };
        let worst = if self.relaxed { Offered::Unknown } else { Offered::Yes };
        for at in item.first..item.first + item.count {
            let Some(&member) = self.members.get(at) else { return false };
            let Some(guest) = state.guests.get(ix(member)) else { return false };
            if self.offered(guest, number) > worst {
                return false;
            }
            if !affinities.speaks_of(member) {
                continue;
            }
            let failed = &self.failed;
            let stays = |other: u32| {
                state.guests.get(ix(other)).is_some_and(|it| {
                    let on = it.stands() && (it.host == host || it.to == host);
                    on && [it.host, it.to].iter().all(|end| failed.binary_search(end).is_err())
                })
            };
            if !affinities.may_stand(member, host, stays) {
                return false;
            }
            let mut beside = self.items.iter().filter(|it| it.target == host);
            if beside.any(|it| {
                let others = self.members.get(it.first..it.first + it.count).unwrap_or_default();
                others.iter().any(|other| *other != member && affinities.apart(member, *other))
            }) {
                return false;
            }
        }
        true
    }

    fn put(&mut self, item: usize, host: u32) {
        let Some(it) = self.items.get_mut(item) else { return };
        it.target = host;
        if let Some(taken) = self.taken.get_mut(ix(host)) {
            shift(taken, &it.need, 1);
        }
    }

    fn take(&mut self, item: usize) {
        let Some(it) = self.items.get_mut(item) else { return };
        let host = std::mem::replace(&mut it.target, NONE);
        if let Some(taken) = self.taken.get_mut(ix(host)) {
            shift(taken, &it.need, -1);
        }
    }

    /// Items without a place, the largest first.
    fn open(&self) -> Vec<usize> {
        let mut open: Vec<usize> = (0..self.items.len()).collect();
        open.retain(|it| self.items.get(*it).is_some_and(|it| it.target == NONE));
        open.sort_by_key(|it| self.items.get(*it).map(|it| (std::cmp::Reverse(it.need), it.first)));
        open
    }

    /// The next host with room, going on where the last search ended, so that places are spread.
    fn first_fit(&mut self, state: &State, affinities: &Affinities) -> bool {
        let hosts = self.candidates.len();
        let mut all = true;
        for item in self.open() {
            let mut placed = false;
            for _ in 0..hosts {
                self.turn = (self.turn + 1) % hosts;
                let Some(&host) = self.candidates.get(self.turn) else { break };
                if self.has_room(state, affinities, item, host) {
                    self.put(item, host);
                    placed = true;
                    break;
                }
            }
            all &= placed;
        }
        all
    }

    /// Everything anew, the largest first, each item to the host that it fills best.
    fn afresh(&mut self, state: &State, affinities: &Affinities) -> bool {
        self.clear(state);
        let order = self.open();
        self.best_fit(state, affinities, order)
    }

    fn best_fit(&mut self, state: &State, affinities: &Affinities, order: Vec<usize>) -> bool {
        let mut all = true;
        for item in order {
            let mut best: Option<(Free, u32)> = None;
            for at in 0..self.candidates.len() {
                let Some(&host) = self.candidates.get(at) else { break };
                let Some(left) = self.left(state, host) else { continue };
                if best.is_none_or(|it| left < it.0) && self.has_room(state, affinities, item, host) {
                    best = Some((left, host));
                }
            }
            match best {
                Some((_, host)) => self.put(item, host),
                None => all = false,
            }
        }
        all
    }

    /// For each item without a place: another one makes way for it.
    fn push_aside(&mut self, state: &State, affinities: &Affinities) -> bool {
        let open = self.open();
        // Many without a place are short of room, not of order.
        if open.len() > MOST_ITEMS || self.items.len() > 1000 {
            return false;
        }
        open.into_iter().all(|item| self.make_way(state, affinities, item))
    }

    fn make_way(&mut self, state: &State, affinities: &Affinities, item: usize) -> bool {
        for other in 0..self.items.len() {
            let Some(from) = self.items.get(other).map(|it| it.target).filter(|it| *it != NONE) else {
                continue;
            };
            self.take(other);
            if self.has_room(state, affinities, item, from) {
                self.put(item, from);
                for at in 0..self.candidates.len() {
                    let Some(&host) = self.candidates.get(at) else { break };
                    if host != from && self.has_room(state, affinities, other, host) {
                        self.put(other, host);
                        return true;
                    }
                }
                self.take(item);
            }
            self.put(other, from);
        }
        false
    }
}

fn signed(need: &Need) -> Free {
    need.map(|it| it as i64)
}

/// Adds an amount so many times; sums stay within the numbers.
fn shift(of: &mut Free, by: &Free, times: i64) {
    of.iter_mut().zip(by).for_each(|(of, by)| *of = of.saturating_add(by.saturating_mul(times)));
}
