//! The reserve: whether the guests of any hosts that fail together would find room on those that remain, by a placement of every
//! guest. A placement that was found is kept; when guests have moved, only what no longer holds of it is placed anew, and all
//! of it only if that fails.

mod fewest;

use std::collections::BTreeMap;

use underpin_model::policy::FailureSets;

use super::room::{self, Free, KINDS, MEMORY, NO_ROOM, Room, fits, signed};
use super::rooms::Rooms;

/// Guests that restart as one, with what they need together.
type Unit = (Room, Vec<u32>);

/// Where the guests of a failure set would go.
#[derive(Debug, Clone, Default)]
struct Witness {
    /// Every guest with the host that would take it, by guest.
    given: Vec<(u32, u32)>,
    /// Those of them that must be apart from others.
    apart: Vec<(u32, u32)>,
    /// Room that they need, by host.
    reserved: Vec<(u32, Room)>,
    /// The state of the set's hosts that it was made for.
    stamp: u64,
    /// Everyone has a place.
    valid: bool,
}

/// A placement that was found.
struct Searched {
    witness: Witness,
    /// How many guests have no place, and what is missing.
    missing: Option<(u32, Shortage)>,
    /// So many have none in any placement: that is proven.
    least: u32,
}

/// Hosts that may fail together.
#[derive(Debug, Clone)]
struct FailureSet {
    hosts: Vec<u32>,
    /// Guests for which no place was found before the plan began, of those that some other host could take.
    without_place: u32,
    /// So many of them had none for certain, and may have none later: the search finds at most as many places as there are, so
    /// that whoever compares two searches may take for no worse what is worse.
    allowed: u32,
    /// Guests that no other host could take, were it empty.
    hopeless: u32,
    witness: Witness,
}

/// Failure sets of a cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures {
    sets: Vec<FailureSet>,
    /// The set that had no room last: it is the first to be asked.
    hardest: usize,
}

/// A failure that would leave guests without a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shortage {
    /// Resource, as a position in [`super::facts::RESOURCES`].
    pub(super) resource: usize,
    /// How much is missing at least; 0: of each resource some host has enough, but none has all that is needed.
    pub(super) short: u64,
    /// One of the first guests without a place, and what it needs with those that restart with it, where there would be room
    /// for the sum of all.
    pub(super) unit: Option<(u32, Room)>,
}

impl Rooms<'_, '_> {
    /// The failures to be ready for, each with a placement of its guests as they stand. Guests that no other host could ever take are
    /// out of the reckoning: they were lost with their host before the plan, and do not excuse that others are. Guests with a device of
    /// their host are such: no other host has it.
    pub(super) fn prepare(&mut self, which: FailureSets) {
        let mut sets: Vec<Vec<u32>> = Vec::new();
        if which != FailureSets::None {
            sets.extend(self.hosts().map(|it| vec![it]));
        }
        if which == FailureSets::FaultDomain {
            let mut domains = BTreeMap::<&str, Vec<u32>>::new();
            for host in self.hosts() {
                for domain in &self.facts.hosts[host as usize].it.fault_domains {
                    domains.entry(domain.as_str()).or_default().push(host);
                }
            }
            sets.extend(domains.into_values().filter(|it| it.len() > 1));
        }
        if !sets.is_empty() {
            let devices: Vec<u32> = self.hosts().flat_map(|it| self.guests_on(it)).copied().collect();
            self.hopeless
                .extend(devices.into_iter().filter(|&it| self.facts.guests[it as usize].has_device()));
        }
        let open = self.open_room();
        let mut searched = Vec::with_capacity(sets.len());
        for hosts in sets {
            let mut found = self.search(&hosts, &open, None);
            let before = self.hopeless.len();
            if found.missing.is_some() {
                let lost: Vec<u32> = self.failing(&hosts).filter(|&it| self.is_hopeless(it)).collect();
                self.hopeless.extend(lost);
            }
            if self.hopeless.len() > before {
                found = self.search(&hosts, &open, None);
            }
            searched.push((hosts, found));
        }
        let of = |(hosts, found): (Vec<u32>, Searched)| {
            // What holds a device says so itself.
            let told = |it: &&u32| !self.facts.guests[**it as usize].has_device();
            let lost = hosts.iter().flat_map(|&it| self.guests_on(it)).filter(told);
            let lost = lost.filter(|it| self.hopeless.contains(it));
            let (hopeless, without_place) = (lost.count() as u32, found.missing.map_or(0, |it| it.0));
            FailureSet { without_place, allowed: found.least, hopeless, hosts, witness: found.witness }
        };
        self.failures = Failures { sets: searched.into_iter().map(of).collect(), hardest: 0 };
    }

    /// No other host of the cluster could take a guest, were it empty; what a host has room for that nobody knows, it may have.
    fn is_hopeless(&self, guest: u32) -> bool {
        let (need, it) = (self.need(guest), &self.facts.guests[guest as usize]);
        let could = |&host: &u32| {
            let room = self.facts.hosts[host as usize].it.capacity.as_ref().and_then(room::of_host);
            room.is_none_or(|room| fits(room.map(signed), need))
                && it.is_bound_to(host)
                && self.facts.reaches(it, host)
        };
        !self.hosts().filter(|&it| it != self.at(guest)).any(|it| could(&it))
    }

    /// Guests that want a place when hosts fail.
    fn failing<'s>(&'s self, failed: &'s [u32]) -> impl Iterator<Item = u32> + 's {
        let all = failed.iter().flat_map(|&it| self.guests_on(it)).copied();
        all.filter(|it| !self.hopeless.contains(it))
    }

    /// Hosts whose failure finds no place for so many guests even before the plan.
    pub(super) fn short_before(&self) -> Vec<(Vec<u32>, u32)> {
        let all = self.failures.sets.iter().map(|it| (it.hosts.clone(), it.without_place + it.hopeless));
        all.filter(|it| it.1 > 0).collect()
    }

    /// Checks that every failure still finds places; one that does not, unless it is proven that it was as bad before.
    pub(super) fn reserve(&mut self) -> Result<(), Shortage> {
        let mut failures = std::mem::take(&mut self.failures);
        let kept = self.keep(&mut failures);
        self.failures = failures;
        kept
    }

    fn keep(&self, failures: &mut Failures) -> Result<(), Shortage> {
        let open = self.open_room();
        let hardest = failures.hardest;
        let others = (0..failures.sets.len()).filter(|it| *it != hardest);
        for at in (hardest..failures.sets.len()).take(1).chain(others) {
            let set = &mut failures.sets[at];
            if self.holds(set) {
                continue;
            }
            if let Some(witness) = self.mend(set, &open) {
                set.witness = witness;
                continue;
            }
            let lacks = self.lacks(&set.hosts, &open).filter(|_| set.allowed == 0);
            let shortage = lacks.map_or_else(
                || {
                    let found = self.search(&set.hosts, &open, Some(set.allowed));
                    let worse = found.missing.filter(|it| it.0 > set.allowed);
                    if worse.is_none() {
                        set.witness = found.witness;
                    }
                    worse.map(|it| it.1)
                },
                Some,
            );
            if let Some(shortage) = shortage {
                failures.hardest = at;
                return Err(shortage);
            }
        }
        Ok(())
    }

    /// Free room of hosts that take guests, by position.
    fn open_room(&self) -> Vec<Free> {
        self.hosts().map(|it| if self.is_shut(it) { NO_ROOM } else { self.free(it) }).collect()
    }

    /// The same without hosts that failed.
    fn remaining(&self, failed: &[u32], open: &[Free]) -> Vec<Free> {
        let mut left = open.to_vec();
        for &host in failed {
            left[self.local(host)] = NO_ROOM;
        }
        left
    }

    fn stamp(&self, hosts: &[u32]) -> u64 {
        hosts.iter().map(|&it| self.arrivals(it)).sum()
    }

    fn need(&self, guest: u32) -> Room {
        self.facts.guests[guest as usize].holds
    }

    fn holds(&self, set: &FailureSet) -> bool {
        let witness = &set.witness;
        witness.valid
            && witness.stamp == self.stamp(&set.hosts)
            && witness.reserved.iter().all(|&(host, room)| !self.is_shut(host) && fits(self.free(host), room))
            && witness.apart.iter().all(|&(guest, host)| self.stands_apart(guest, host))
    }

    /// Places anew what no longer holds of a placement, and who came since.
    fn mend(&self, set: &FailureSet, open: &[Free]) -> Option<Witness> {
        let (failed, before) = (&set.hosts, &set.witness);
        let mut left = self.remaining(failed, open);
        let mut given = Vec::with_capacity(before.given.len());
        let mut loose: Vec<u32> = Vec::new();
        for &(guest, host) in &before.given {
            if !failed.contains(&self.at(guest)) {
                continue;
            }
            let need = self.need(guest);
            let at = self.local(host);
            if fits(left[at], need) && self.stands_apart(guest, host) {
                take(&mut left[at], need);
                given.push((guest, host));
            } else {
                loose.push(guest);
            }
        }
        if !before.valid || before.stamp != self.stamp(failed) {
            let known = |guest: u32| before.given.binary_search_by_key(&guest, |it| it.0).is_ok();
            loose.extend(self.failing(failed).filter(|&it| !known(it)));
        }
        self.with_their_own(&mut loose, &mut given, &mut left);
        let missing = self.place(&self.units(loose.into_iter()), true, &mut left, &mut given);
        missing.is_none().then(|| self.witness(failed, given, true))
    }

    /// Who restarts together with somebody who has no place has none either.
    fn with_their_own(&self, loose: &mut Vec<u32>, given: &mut Vec<(u32, u32)>, left: &mut [Free]) {
        let tie = |guest: u32| self.facts.guests[guest as usize].together.first().copied();
        let tied: Vec<u32> = loose.iter().filter_map(|&it| tie(it)).collect();
        if tied.is_empty() {
            return;
        }
        given.retain(|&(guest, host)| {
            let stays = tie(guest).is_none_or(|it| !tied.contains(&it));
            if !stays {
                loose.push(guest);
                let need = self.need(guest);
                let room = &mut left[self.local(host)];
                (0..KINDS).for_each(|it| room[it] = room[it].saturating_add(signed(need[it])));
            }
            stays
        });
    }

    /// What the sums lack already: more guests than the remaining hosts have room for.
    fn lacks(&self, failed: &[u32], open: &[Free]) -> Option<Shortage> {
        let left = self.remaining(failed, open);
        (0..KINDS).find_map(|resource| {
            let free: u64 = left.iter().map(|it| u64::try_from(it[resource]).unwrap_or(0)).sum();
            let need = self.failing(failed).map(|it| self.need(it)[resource]).fold(0, u64::saturating_add);
            let short = need.checked_sub(free).filter(|it| *it > 0)?;
            Some(Shortage { resource, short, unit: None })
        })
    }

    fn witness(&self, failed: &[u32], mut given: Vec<(u32, u32)>, valid: bool) -> Witness {
        given.sort_unstable();
        let apart = |it: &&(u32, u32)| !self.facts.guests[it.0 as usize].apart.is_empty();
        let apart = given.iter().filter(apart).copied().collect();
        let mut reserved: Vec<(u32, Room)> = given.iter().map(|&(it, host)| (host, self.need(it))).collect();
        reserved.sort_unstable_by_key(|it| it.0);
        reserved.dedup_by(|it, into| {
            let same = it.0 == into.0;
            if same {
                (0..KINDS).for_each(|at| into.1[at] = into.1[at].saturating_add(it.1[at]));
            }
            same
        });
        Witness { given, apart, reserved, stamp: self.stamp(failed), valid }
    }

    /// Guests that restart as one, the largest first.
    fn units(&self, guests: impl Iterator<Item = u32>) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        let mut tied: BTreeMap<u32, usize> = BTreeMap::new();
        for guest in guests {
            let demand = self.need(guest);
            let together = &self.facts.guests[guest as usize].together;
            let first = together.first().copied().filter(|_| together.len() > 1);
            match first.and_then(|it| tied.get(&it)).and_then(|&at| units.get_mut(at)) {
                Some((room, members)) => {
                    (0..KINDS).for_each(|it| room[it] = room[it].saturating_add(demand[it]));
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
        units.iter_mut().for_each(|it| it.1.sort_unstable());
        units.sort_unstable_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        units
    }

    /// Gives each unit the host where least (or most) is left over; how many guests have no place, and what is missing.
    fn place(
        &self,
        units: &[Unit],
        tight: bool,
        left: &mut [Free],
        given: &mut Vec<(u32, u32)>,
    ) -> Option<(u32, Shortage)> {
        let first = self.hosts().start;
        let mut missing: Option<(u32, Shortage)> = None;
        for (need, members) in units {
            let mut best: Option<(i64, usize)> = None;
            for (at, &room) in left.iter().enumerate() {
                if !fits(room, *need) {
                    continue;
                }
                let over = room[0] - signed(need[0]);
                let better = best.is_none_or(|(other, _)| if tight { over < other } else { over > other });
                let host = first + at as u32;
                let takes = |it: &u32| self.facts.may_restart(*it, host) && self.apart_of(*it, host, given);
                if better && members.iter().all(takes) {
                    best = Some((over, at));
                }
            }
            if let Some((_, at)) = best {
                take(&mut left[at], *need);
                given.extend(members.iter().map(|&it| (it, first + at as u32)));
            } else {
                let short = short_of(left, *need, members[0]);
                let (count, all) = missing.unwrap_or((0, Shortage { short: 0, ..short }));
                let more = if short.resource == all.resource { short.short } else { 0 };
                let all = Shortage { short: all.short.saturating_add(more), ..all };
                missing = Some((count + members.len() as u32, all));
            }
        }
        missing
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
}

/// What the roomiest host lacks for a unit.
fn short_of(left: &[Free], need: Room, guest: u32) -> Shortage {
    // The first of which nobody has enough; or memory, where each resource alone would do.
    let enough = |resource: usize| left.iter().any(|it| it[resource] >= signed(need[resource]));
    let resource = (0..KINDS).find(|it| !enough(*it)).unwrap_or(MEMORY);
    let most = left.iter().map(|it| it[resource]).max().unwrap_or(0).max(0);
    let short = signed(need[resource]).saturating_sub(most).max(0) as u64;
    Shortage { resource, short, unit: Some((guest, need)) }
}

fn take(free: &mut Free, need: Room) {
    (0..KINDS).for_each(|it| free[it] -= signed(need[it]));
}
