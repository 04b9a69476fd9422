//! Where the guests of one cluster stand, what room is left, and whether any one failure would find room too.

use std::ops::Range;

use underpin_model::fleet::AffinityKind;
use underpin_model::policy::FailureSets;

use super::facts::{Facts, NONE, Room, Wish};
use super::leave::Departure;

/// Room that is set aside by host.
type Reserved = Vec<(u32, Room)>;

/// What a failure set needs on each of the hosts that would take its guests.
#[derive(Debug, Clone, Default)]
struct Witness {
    /// Host and reserved room.
    reserved: Reserved,
    /// Every guest with the host that would take it, by guest: the next search begins there.
    given: Vec<(u32, u32)>,
    /// Those of them that must be apart from others.
    apart: Vec<(u32, u32)>,
    /// The state of the set's guests that it was made for.
    stamp: u64,
    valid: bool,
}

/// Hosts that may fail together.
#[derive(Debug, Clone)]
struct FailureSet {
    hosts: Vec<u32>,
    /// Guests that had no place before the plan began.
    without_place: u32,
    witness: Witness,
}

/// One cluster's guests and rooms. Hosts and guests go by their numbers in [`Facts`].
#[derive(Clone)]
pub(super) struct Rooms<'f, 'a> {
    pub(super) facts: &'f Facts<'a>,
    hosts: Range<u32>,
    first_guest: u32,
    /// Free room by host; negative where more stands there than fits.
    free: Vec<[i64; 2]>,
    /// Host of each guest.
    at: Vec<u32>,
    /// Guests on each host.
    on: Vec<Vec<u32>>,
    /// Changes with every guest that a host takes.
    stamps: Vec<u64>,
    /// It takes no guests: away, or in maintenance.
    shut: Vec<bool>,
    /// Position of each host's release among those of its product.
    pub(super) release: Vec<Option<u32>>,
    sets: Vec<FailureSet>,
    /// Failure sets by host.
    sets_of: Vec<Vec<u32>>,
}

/// A failure that would leave guests without a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shortage {
    /// Resource, as a position in [`super::facts::RESOURCES`].
    pub(super) resource: usize,
    /// How much is missing at least.
    pub(super) short: u64,
}

impl<'f, 'a> Rooms<'f, 'a> {
    pub(super) fn new(facts: &'f Facts<'a>, cluster: u32, sets: FailureSets) -> Self {
        let cluster = &facts.clusters[cluster as usize];
        let (hosts, guests) = (cluster.hosts.clone(), cluster.guests.clone());
        let count = hosts.len();
        let slice = &facts.hosts[hosts.start as usize..hosts.end as usize];
        let mut rooms = Self {
            facts,
            first_guest: guests.start,
            free: slice
                .iter()
                .map(|it| {
                    it.capacity.map_or([0, 0], |room| room.map(|it| i64::try_from(it).unwrap_or(i64::MAX)))
                })
                .collect(),
            at: facts.home[guests.start as usize..guests.end as usize].to_vec(),
            on: vec![Vec::new(); count],
            stamps: vec![0; count],
            shut: slice.iter().map(|it| it.capacity.is_none() || it.it.maintenance == Some(true)).collect(),
            release: slice.iter().map(|it| it.release).collect(),
            sets: Vec::new(),
            sets_of: vec![Vec::new(); count],
            hosts,
        };
        for guest in guests {
            rooms.arrive(guest, facts.home[guest as usize]);
        }
        rooms.failure_sets(sets);
        rooms
    }

    fn failure_sets(&mut self, which: FailureSets) {
        let mut sets: Vec<Vec<u32>> = Vec::new();
        if which != FailureSets::None {
            sets.extend(self.hosts.clone().map(|it| vec![it]));
        }
        if which == FailureSets::FaultDomain {
            let mut domains = std::collections::BTreeMap::<&str, Vec<u32>>::new();
            for host in self.hosts.clone() {
                for domain in &self.facts.hosts[host as usize].it.fault_domains {
                    domains.entry(domain.as_str()).or_default().push(host);
                }
            }
            sets.extend(domains.into_values().filter(|it| it.len() > 1));
        }
        for (number, hosts) in sets.into_iter().enumerate() {
            for &host in &hosts {
                let at = self.local(host);
                self.sets_of[at].push(number as u32);
            }
            self.sets.push(FailureSet { hosts, without_place: 0, witness: Witness::default() });
        }
        for set in 0..self.sets.len() {
            let (witness, shortage) = self.search(set);
            self.sets[set].without_place = shortage.map_or(0, |it| it.0);
            self.sets[set].witness = witness;
        }
    }

    fn local(&self, host: u32) -> usize {
        (host - self.hosts.start) as usize
    }

    pub(super) fn hosts(&self) -> Range<u32> {
        self.hosts.clone()
    }

    pub(super) fn guests_on(&self, host: u32) -> &[u32] {
        &self.on[self.local(host)]
    }

    pub(super) fn at(&self, guest: u32) -> u32 {
        self.at[(guest - self.first_guest) as usize]
    }

    pub(super) fn free(&self, host: u32) -> [i64; 2] {
        self.free[self.local(host)]
    }

    pub(super) fn is_shut(&self, host: u32) -> bool {
        self.shut[self.local(host)]
    }

    pub(super) fn shut(&mut self, host: u32, shut: bool) {
        let at = self.local(host);
        self.shut[at] = shut;
    }

    pub(super) fn release_of(&self, host: u32) -> Option<u32> {
        self.release[self.local(host)]
    }

    pub(super) fn set_release(&mut self, host: u32, release: Option<u32>) {
        let at = self.local(host);
        self.release[at] = release;
    }

    /// Room that a change takes away from a host, or gives it.
    pub(super) fn resize(&mut self, host: u32, by: [i64; 2]) {
        let at = self.local(host);
        for (free, by) in self.free[at].iter_mut().zip(by) {
            *free = free.saturating_add(by);
        }
        self.stamps[at] += 1;
    }

    fn arrive(&mut self, guest: u32, host: u32) {
        let at = self.local(host);
        let demand = self.facts.guests[guest as usize].demand.unwrap_or([0, 0]);
        for (free, demand) in self.free[at].iter_mut().zip(demand) {
            *free = free.saturating_sub(i64::try_from(demand).unwrap_or(i64::MAX));
        }
        self.on[at].push(guest);
        self.stamps[at] += 1;
        self.at[(guest - self.first_guest) as usize] = host;
    }

    fn leave(&mut self, guest: u32, host: u32) {
        let at = self.local(host);
        let demand = self.facts.guests[guest as usize].demand.unwrap_or([0, 0]);
        for (free, demand) in self.free[at].iter_mut().zip(demand) {
            *free = free.saturating_add(i64::try_from(demand).unwrap_or(i64::MAX));
        }
        self.on[at].retain(|&it| it != guest);
    }

    /// Moves a guest.
    pub(super) fn go(&mut self, guest: u32, to: u32) {
        let from = self.at(guest);
        self.leave(guest, from);
        self.arrive(guest, to);
    }

    /// Takes moves back.
    pub(super) fn undo(&mut self, departures: &[Departure]) {
        for it in departures.iter().rev().filter(|it| it.how.moves()) {
            self.go(it.guest, it.from);
        }
    }

    /// Rules about affinity that should hold and would not, for a guest on a host: others that should be elsewhere, others that
    /// should be here, hosts that it should be on.
    pub(super) fn wishes_broken(&self, guest: u32, host: u32) -> usize {
        let wishes = &self.facts.guests[guest as usize].wishes;
        wishes.iter().filter(|&&it| !self.wish_holds(guest, host, &self.facts.wishes[it as usize])).count()
    }

    fn wish_holds(&self, guest: u32, host: u32, wish: &Wish) -> bool {
        let here = |other: &u32| {
            let known = *other >= self.first_guest && ((*other - self.first_guest) as usize) < self.at.len();
            known && self.at(*other) == host
        };
        let mut others = wish.members.iter().filter(|it| **it != guest);
        match wish.kind {
            AffinityKind::Apart => !others.any(here),
            AffinityKind::Together => others.all(here),
            AffinityKind::OnHosts => wish.hosts.contains(&host),
        }
    }

    /// Whether a guest with others that come along could stand on a host beside those that stand there: apart rules.
    pub(super) fn stands_apart(&self, guest: u32, host: u32) -> bool {
        self.facts.guests[guest as usize].apart.iter().all(|&group| {
            self.facts.apart[group as usize].iter().all(|&other| {
                let here = other >= self.first_guest && ((other - self.first_guest) as usize) < self.at.len();
                other == guest || !here || self.at(other) != host
            })
        })
    }

    /// Whether a running guest may move from where it is to a host by the releases of the two.
    pub(super) fn direction(&self, guest: u32, host: u32) -> bool {
        let from = self.at(guest);
        if self.facts.hosts[from as usize].it.platform.as_ref().map(|it| &it.family)
            != self.facts.hosts[host as usize].it.platform.as_ref().map(|it| &it.family)
        {
            return false;
        }
        match (self.release_of(from), self.release_of(host)) {
            (Some(from), Some(to)) => from <= to,
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// Checks that every failure still finds places; the first that does not, unless it was as bad before.
    pub(super) fn reserve(&mut self) -> Result<(), Shortage> {
        for set in 0..self.sets.len() {
            if self.holds(set) {
                continue;
            }
            let (witness, shortage) = self.search(set);
            match shortage {
                Some((without, shortage)) if without > self.sets[set].without_place => return Err(shortage),
                _ => self.sets[set].witness = witness,
            }
        }
        Ok(())
    }

    fn stamp(&self, set: usize) -> u64 {
        self.sets[set].hosts.iter().map(|&it| self.stamps[self.local(it)]).sum()
    }

    fn holds(&self, set: usize) -> bool {
        let witness = &self.sets[set].witness;
        witness.valid
            && witness.stamp == self.stamp(set)
            && witness.reserved.iter().all(|&(host, room)| {
                let free = self.free(host);
                !self.is_shut(host) && (0..2).all(|it| free[it] >= 0 && free[it] as u64 >= room[it])
            })
            && witness.apart.iter().all(|&(guest, host)| self.stands_apart(guest, host))
    }

    /// Places the guests of a failure set on what remains: the largest first, each where it found a place before or else where least is
    /// left over; then without what was before, then where most is left over.
    fn search(&self, set: usize) -> (Witness, Option<(u32, Shortage)>) {
        let failed = &self.sets[set].hosts;
        let units = self.units(failed);
        let kept = &self.sets[set].witness.given;
        let (mut witness, mut shortage) = self.place(failed, &units, true, kept);
        for tight in [true, false] {
            let Some(first) = shortage else { break };
            let (other, second) = self.place(failed, &units, tight, &[]);
            if second.is_none_or(|it| it.0 < first.0) {
                (witness, shortage) = (other, second);
            }
        }
        (Witness { stamp: self.stamp(set), valid: shortage.is_none(), ..witness }, shortage)
    }

    /// Guests of failed hosts that restart as one, the largest first.
    fn units(&self, failed: &[u32]) -> Vec<(Room, Vec<u32>)> {
        let mut units: Vec<(Room, Vec<u32>)> = Vec::new();
        let mut tied: std::collections::BTreeMap<u32, usize> = std::collections::BTreeMap::new();
        for &guest in failed.iter().flat_map(|&it| self.guests_on(it)) {
            let facts = &self.facts.guests[guest as usize];
            let demand = facts.demand.unwrap_or([0, 0]);
            let first = facts.together.first().copied().filter(|_| facts.together.len() > 1);
            match first.and_then(|it| tied.get(&it)).and_then(|&at| units.get_mut(at)) {
                Some((room, members)) => {
                    (0..2).for_each(|it| room[it] = room[it].saturating_add(demand[it]));
                    members.push(guest);
                }
                None => {
                    if let Some(first) = first {
                        tied.insert(first, units.len());
                    }
                    units.push((demand, vec![guest]));
                }
            }
        }
        units.sort_unstable_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        units
    }

    fn place(
        &self,
        failed: &[u32],
        units: &[(Room, Vec<u32>)],
        tight: bool,
        kept: &[(u32, u32)],
    ) -> (Witness, Option<(u32, Shortage)>) {
        let remaining: Vec<u32> =
            self.hosts.clone().filter(|&it| !self.is_shut(it) && !failed.contains(&it)).collect();
        let mut free: Vec<[i64; 2]> = remaining.iter().map(|&it| self.free(it)).collect();
        let mut given: Vec<(u32, u32)> = Vec::new();
        let mut reserved: Reserved = Vec::new();
        let mut missing: Option<(u32, Shortage)> = None;
        for (demand, members) in units {
            let need = demand.map(|it| i64::try_from(it).unwrap_or(i64::MAX));
            let takes = |guest: &u32, host: u32| {
                self.facts.may_stand(*guest, host) && self.apart_of(*guest, host, &given)
            };
            let before = kept.binary_search_by_key(&members[0], |it| it.0).ok().map(|at| kept[at].1);
            let mut best: Option<(i64, usize)> = before
                .and_then(|host| remaining.binary_search(&host).ok())
                .filter(|&at| free[at][0] >= need[0] && free[at][1] >= need[1])
                .filter(|&at| members.iter().all(|it| takes(it, remaining[at])))
                .map(|at| (0, at));
            let known = best.is_some();
            for (at, &host) in remaining.iter().enumerate().filter(|_| !known) {
                let room = free[at];
                if room[0] < need[0] || room[1] < need[1] {
                    continue;
                }
                let left = room[0].saturating_sub(need[0]);
                let better = best.is_none_or(|(other, _)| if tight { left < other } else { left > other });
                if better && members.iter().all(|it| takes(it, host)) {
                    best = Some((left, at));
                }
            }
            if let Some((_, at)) = best {
                (0..2).for_each(|it| free[at][it] -= need[it]);
                given.extend(members.iter().map(|&it| (it, remaining[at])));
                match reserved.iter_mut().find(|it| it.0 == remaining[at]) {
                    Some((_, room)) => (0..2).for_each(|it| room[it] += demand[it]),
                    None => reserved.push((remaining[at], *demand)),
                }
            } else {
                let resource = usize::from(free.iter().any(|it| it[0] >= need[0]) && need[1] > 0);
                let most = free.iter().map(|it| it[resource]).max().unwrap_or(0).max(0);
                let short = need[resource].saturating_sub(most).max(1) as u64;
                let (count, so_far) = missing.unwrap_or((0, Shortage { resource, short: 0 }));
                let short = if so_far.resource == resource {
                    so_far.short.saturating_add(short)
                } else {
                    so_far.short
                };
                missing = Some((count + members.len() as u32, Shortage { resource: so_far.resource, short }));
            }
        }
        given.sort_unstable();
        let apart = |it: &&(u32, u32)| !self.facts.guests[it.0 as usize].apart.is_empty();
        let apart = given.iter().filter(apart).copied().collect();
        (Witness { reserved, given, apart, ..Witness::default() }, missing)
    }

    /// Apart from those that stand on a host and from those that a failure would bring there.
    fn apart_of(&self, guest: u32, host: u32, given: &[(u32, u32)]) -> bool {
        let groups = &self.facts.guests[guest as usize].apart;
        groups.is_empty()
            || (self.stands_apart(guest, host)
                && given.iter().filter(|it| it.1 == host).all(|(other, _)| {
                    !self.facts.guests[*other as usize].apart.iter().any(|it| groups.contains(it))
                }))
    }

    /// Free memory in MiB on hosts that take guests.
    pub(super) fn free_memory(&self) -> u64 {
        self.hosts
            .clone()
            .filter(|&it| !self.is_shut(it))
            .map(|it| u64::try_from(self.free(it)[0]).unwrap_or(0))
            .sum()
    }

    /// Another guest of the application, in this cluster, is not on a release that soaks.
    pub(super) fn diverse(&self, guest: u32, soaks: &dyn Fn(u32) -> bool) -> bool {
        let application = self.facts.guests[guest as usize].application;
        if application == NONE {
            return true;
        }
        let members = &self.facts.applications[application as usize];
        members.len() < 2
            || members.iter().any(|&other| {
                let here = other >= self.first_guest && ((other - self.first_guest) as usize) < self.at.len();
                other != guest && here && !soaks(other)
            })
    }
}
