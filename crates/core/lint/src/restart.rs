//! Whether the guests of hosts that fail find a place, at every moment: for each failure set a witness placement is kept, and looked for
//! again only when an event takes it away.

use underpin_model::plan::{Rule, Severity};
use underpin_model::policy::FailureSets;

use crate::affinity::Affinities;
use crate::needs::Offered;
use crate::packing::{Case, Packed, Packer};
use crate::replay::Within;
use crate::report::{At, Log};
use crate::room;
use crate::state::{Group, State};
use crate::world::{Locus, NONE, Power, World, ix};

/// Hosts that fail together.
struct FailureSet {
    hosts: Vec<u32>,
    pool: u32,
    /// The fault domain; [`NONE`]: a single host.
    domain: u32,
    witness: Vec<(u32, u32)>,
    unplaced: usize,
    at_start: usize,
    /// So many without a place were reported.
    told: usize,
    dirty: bool,
}

pub(crate) struct Restart<'r, 'a> {
    world: &'r World<'a>,
    packer: Packer<'r, 'a>,
    sets: Vec<FailureSet>,
    sets_of_host: Vec<Vec<u32>>,
    /// Sets whose witness may use a host.
    users: Vec<Vec<u32>>,
    /// Hosts of each pool of the group, by its number.
    pools: Vec<(u32, Vec<u32>)>,
    /// Guests that could not be restarted anywhere before the plan, and never will; those with a device of their host among them.
    hopeless: Vec<bool>,
    moved: Vec<(u32, u32)>,
    loaded: Vec<u32>,
    dirty: Vec<u32>,
    enabled: bool,
    /// Searches that may still be made for what the plan leaves out.
    asked_left: usize,
}

/// A device of a host is on no other.
fn has_device(world: &World<'_>, vm: u32) -> bool {
    world.vms.get(ix(vm)).is_some_and(|it| !it.vm.passthrough.is_empty())
}

/// Searches for what the plan leaves out, of each group: clusters of a hundred hosts may leave out all of them.
const MOST_ASKED: usize = 10_000;

impl<'r, 'a> Restart<'r, 'a> {
    pub(crate) fn new(world: &'r World<'a>, group: &Group, within: &Within, state: &State) -> Self {
        let mut pools: Vec<(u32, Vec<u32>)> = Vec::new();
        let mut by_pool: Vec<(u32, u32)> =
            state.stations.iter().zip(0u32..).map(|(it, number)| (it.pool, number)).collect();
        by_pool.sort_unstable();
        for (pool, host) in by_pool {
            match pools.last_mut() {
                Some((last, hosts)) if *last == pool => hosts.push(host),
                _ => pools.push((pool, vec![host])),
            }
        }
        let mut restart = Self {
            world,
            packer: Packer::new(world, state.stations.len()),
            sets: Vec::new(),
            sets_of_host: vec![Vec::new(); state.stations.len()],
            users: vec![Vec::new(); state.stations.len()],
            pools,
            hopeless: state.guests.iter().map(|it| has_device(world, it.vm)).collect(),
            moved: Vec::new(),
            loaded: Vec::new(),
            dirty: Vec::new(),
            asked_left: MOST_ASKED,
            enabled: world.policy.planning.failure_sets != FailureSets::None,
        };
        if restart.enabled {
            for (station, number) in state.stations.iter().zip(0u32..) {
                restart.add(vec![number], station.pool, NONE);
            }
        }
        if world.policy.planning.failure_sets == FailureSets::FaultDomain {
            restart.add_domains(group, within);
        }
        restart
    }

    fn add_domains(&mut self, group: &Group, within: &Within) {
        let mut members: Vec<(u32, u32, u32)> = Vec::new();
        for host in &group.hosts {
            let Some(row) = self.world.hosts.get(ix(*host)) else { continue };
            let local = within.host.get(ix(*host)).copied().unwrap_or(NONE);
            members.extend(row.domains.iter().map(|domain| (*domain, row.pool, local)));
        }
        members.sort_unstable();
        members.dedup();
        for same in members.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            if let [(domain, pool, _), _, ..] = same {
                self.add(same.iter().map(|it| it.2).collect(), *pool, *domain);
            }
        }
    }

    fn add(&mut self, hosts: Vec<u32>, pool: u32, domain: u32) {
        let number = self.sets.len() as u32;
        for host in &hosts {
            if let Some(of) = self.sets_of_host.get_mut(ix(*host)) {
                of.push(number);
            }
        }
        self.sets.push(FailureSet {
            hosts,
            pool,
            domain,
            witness: Vec::new(),
            unplaced: 0,
            at_start: 0,
            told: 0,
            dirty: false,
        });
    }

    fn mark(&mut self, set: u32) {
        if let Some(it) = self.sets.get_mut(ix(set))
            && !it.dirty
        {
            it.dirty = true;
            self.dirty.push(set);
        }
    }

    /// More rules bind from now on: every witness may be void.
    pub(crate) fn search_all(&mut self) {
        for set in 0..self.sets.len() as u32 {
            self.mark(set);
        }
    }

    /// A host can no longer take guests: witnesses that use it are void.
    pub(crate) fn gone(&mut self, host: u32) {
        let users = self.users.get_mut(ix(host)).map(std::mem::take).unwrap_or_default();
        for set in users {
            self.mark(set);
        }
    }

    /// A host can take guests again: whoever was short looks again.
    pub(crate) fn back(&mut self, host: u32) {
        let pool = self.sets_of_host.get(ix(host)).and_then(|it| it.first());
        let pool = pool.and_then(|it| self.sets.get(ix(*it))).map_or(NONE, |it| it.pool);
        let short: Vec<u32> = self
            .sets
            .iter()
            .zip(0u32..)
            .filter(|it| it.0.pool == pool && it.0.unplaced > 0)
            .map(|it| it.1)
            .collect();
        for set in short {
            self.mark(set);
        }
    }

    /// A guest came to a host, left it, or changed its power there.
    pub(crate) fn moved(&mut self, guest: u32, host: u32) {
        if self.enabled && host != NONE {
            self.moved.push((guest, host));
        }
    }

    /// The load of a host rose, or its capacity changed.
    pub(crate) fn loaded(&mut self, host: u32) {
        if self.enabled {
            self.loaded.push(host);
        }
    }

    /// Witnesses at the start; what has none was so before the plan.
    pub(crate) fn before(&mut self, state: &State, affinities: &Affinities, log: &mut Log<'_>) {
        self.tell_unknown(state, log);
        for set in 0..self.sets.len() as u32 {
            log.compared(Rule::Restartability);
            let mut packed = self.search(state, affinities, set, None);
            let alone = self.sets.get(ix(set)).is_some_and(|it| it.domain == NONE);
            let mut hopeless = 0;
            // What is only perhaps a place is none at the start: a plan that takes it away takes nothing that was known to be there.
            for guest in packed.unplaced.iter().chain(&packed.doubtful).copied().collect::<Vec<_>>() {
                let could = if alone { self.could_ever(state, affinities, set, guest) } else { Offered::Yes };
                if could == Offered::Yes {
                    continue;
                }
                hopeless += 1;
                if let Some(it) = self.hopeless.get_mut(ix(guest)) {
                    *it = true;
                }
                self.tell_hopeless(state, guest, could, log);
            }
            if hopeless > 0 {
                packed = self.search(state, affinities, set, None);
            }
            self.adopt(set, &packed);
            let short = packed.unplaced.len() + packed.doubtful.len();
            if let Some(it) = self.sets.get_mut(ix(set)) {
                it.at_start = short;
                it.told = short;
            }
            if short > 0 {
                let severity = if packed.least > 0 { Severity::Before } else { Severity::Unknown };
                log.add(Rule::Restartability, severity, At::moment(0), || match packed.relaxed {
                    true => self.say_relaxed(state, set, &packed),
                    false => self.say(state, set, &packed),
                });
            }
        }
    }

    /// A guest that was lost with its host before the plan, or that nobody can tell otherwise of.
    fn tell_hopeless(&self, state: &State, guest: u32, could: Offered, log: &mut Log<'_>) {
        let vm = state.guests.get(ix(guest)).map_or(NONE, |it| it.vm);
        let (severity, found) = match could {
            Offered::No => (Severity::Before, "no other host of its cluster could ever take it"),
            _ => (Severity::Unknown, "no other host of its cluster is known to have what it needs"),
        };
        log.add(Rule::Restartability, severity, At::moment(0), || {
            let place = format!("VM {}", self.world.vm_id(vm));
            (place, found.into(), "a second host that could restart it".into())
        });
    }

    /// Guests whose demand is not known are counted as needing nothing; that is said once for each pool.
    fn tell_unknown(&self, state: &State, log: &mut Log<'_>) {
        if !self.enabled {
            return;
        }
        for (_, hosts) in &self.pools {
            let running =
                hosts.iter().filter_map(|it| state.stations.get(ix(*it))).flat_map(|it| &it.running);
            let rows = running.filter_map(|it| state.guests.get(ix(*it)));
            let unknown = rows.filter_map(|it| self.world.vms.get(ix(it.vm)));
            let unknown = unknown.filter(|it| it.memory_mib.is_none() || it.vcpus.is_none()).count();
            if unknown > 0 {
                let host =
                    hosts.first().and_then(|it| state.stations.get(ix(*it))).map_or(NONE, |it| it.host);
                log.add(Rule::Restartability, Severity::Unknown, At::moment(0), || {
                    let place = format!("cluster {}", self.world.cluster_id(self.world.locus(host).cluster));
                    let found = format!("{unknown} running guests of unknown memory or vCPUs");
                    (place, found, "both known: they are counted as needing nothing".into())
                });
            }
        }
    }

    /// Whether some other host of the pool could take the guest, were it empty.
    fn could_ever(&mut self, state: &State, affinities: &Affinities, set: u32, guest: u32) -> Offered {
        let Some(set) = self.sets.get(ix(set)) else { return Offered::Yes };
        let Some(it) = state.guests.get(ix(guest)) else { return Offered::Yes };
        let pool = self.pools.iter().find(|it| it.0 == set.pool).map_or(&[][..], |it| &it.1);
        let others = pool.iter().filter(|it| !set.hosts.contains(it));
        let could = others.filter_map(|&host| {
            let station = state.stations.get(ix(host))?;
            let large =
                station.room.iter().zip(it.need).all(|(most, need)| most.is_none_or(|most| most >= need));
            let may = large && affinities.may_stand(guest, host, |_| false);
            may.then(|| self.packer.offered(it, station.host))
        });
        could.min().unwrap_or(Offered::No)
    }

    fn search(&mut self, state: &State, affinities: &Affinities, set: u32, enough: Option<usize>) -> Packed {
        let Some(it) = self.sets.get(ix(set)) else { return Packed::default() };
        let stations = it.hosts.iter().filter_map(|host| state.stations.get(ix(*host)));
        let mut guests: Vec<u32> = stations.flat_map(|it| &it.running).copied().collect();
        guests.retain(|it| !self.hopeless.get(ix(*it)).copied().unwrap_or(true));
        guests.sort_unstable();
        guests.dedup();
        let pool = self.pools.binary_search_by_key(&it.pool, |it| it.0).ok();
        let pool = pool.and_then(|it| self.pools.get(it)).map_or(&[][..], |it| &it.1);
        let case = Case { failed: &it.hosts, pool, guests: &guests, old: &it.witness, enough };
        self.packer.pack(state, affinities, &case)
    }

    fn adopt(&mut self, set: u32, packed: &Packed) {
        for (_, host) in &packed.places {
            if let Some(users) = self.users.get_mut(ix(*host))
                && !users.contains(&set)
            {
                users.push(set);
            }
        }
        if let Some(it) = self.sets.get_mut(ix(set)) {
            it.witness.clone_from(&packed.places);
            it.unplaced = packed.unplaced.len();
        }
    }

    /// Whether all that runs on a host finds places on the others of its pool, and still does should one more of these fail; `None`: too many
    /// were asked.
    pub(crate) fn could_leave(&mut self, state: &State, affinities: &Affinities, host: u32) -> Option<bool> {
        let pool = state.stations.get(ix(host)).map_or(NONE, |it| it.pool);
        let hosts = self.pools.iter().find(|it| it.0 == pool).map_or(&[][..], |it| &it.1);
        let others: Vec<u32> = if self.enabled { hosts.to_vec() } else { vec![host] };
        self.asked_left = self.asked_left.checked_sub(others.len())?;
        Some(others.into_iter().all(|other| {
            // Who leaves the host must find a place; who is on the one that fails may be lost with it in any case.
            let may_start = |it: u32| {
                state.guests.get(ix(it)).is_some_and(|it| it.host == host) || !self.hopeless[ix(it)]
            };
            let mut failed = vec![host, other];
            failed.sort_unstable();
            failed.dedup();
            let running =
                failed.iter().filter_map(|it| state.stations.get(ix(*it))).flat_map(|it| &it.running);
            let mut guests: Vec<u32> = running.copied().filter(|it| may_start(*it)).collect();
            guests.sort_unstable();
            guests.dedup();
            let case = Case { failed: &failed, pool: hosts, guests: &guests, old: &[], enough: Some(0) };
            let packed = self.packer.pack(state, affinities, &case);
            packed.unplaced.is_empty() && !packed.relaxed
        }))
    }

    /// The end of a second: witnesses that what happened may have taken away.
    pub(crate) fn settle(&mut self, state: &State, affinities: &Affinities, now: u32, log: &mut Log<'_>) {
        if !self.enabled {
            return;
        }
        for (guest, host) in std::mem::take(&mut self.moved) {
            self.follow(state, affinities, guest, host);
        }
        let mut loaded = std::mem::take(&mut self.loaded);
        loaded.sort_unstable();
        loaded.dedup();
        for host in loaded {
            self.recheck(state, host);
        }
        for set in std::mem::take(&mut self.dirty) {
            log.compared(Rule::Restartability);
            if let Some(it) = self.sets.get_mut(ix(set)) {
                it.dirty = false;
            }
            let enough = self.sets.get(ix(set)).map_or(0, |it| it.at_start);
            let packed = self.search(state, affinities, set, Some(enough));
            self.adopt(set, &packed);
            self.report(state, set, &packed, now, log);
        }
    }

    /// Guests of a set that are new want a place; those that are gone give theirs up.
    fn follow(&mut self, state: &State, affinities: &Affinities, guest: u32, host: u32) {
        let runs_on = |host: u32| {
            let it = state.guests.get(ix(guest));
            it.is_some_and(|it| it.power == Power::Runs && (it.host == host || it.to == host))
        };
        for set in self.sets_of_host.get(ix(host)).cloned().unwrap_or_default() {
            let Some(it) = self.sets.get_mut(ix(set)) else { continue };
            let here = it.hosts.iter().any(|it| runs_on(*it));
            let at = it.witness.binary_search_by_key(&guest, |it| it.0);
            match (here, at) {
                (true, Err(_)) => self.mark(set),
                (false, Ok(at)) => {
                    it.witness.remove(at);
                    // Where it stands now it stays: what others were promised in its place is void.
                    let stands = state.guests.get(ix(guest)).map_or(NONE, |it| it.host);
                    if it.unplaced > 0 || it.witness.iter().any(|it| it.1 == stands) {
                        self.mark(set);
                    }
                }
                (false, Err(_)) if it.unplaced > 0 => self.mark(set),
                _ => {}
            }
        }
        if runs_on(host) && affinities.speaks_of(guest) {
            for set in self.users.get(ix(host)).cloned().unwrap_or_default() {
                let Some(it) = self.sets.get(ix(set)) else { continue };
                if it.witness.iter().any(|it| it.1 == host && affinities.apart(guest, it.0)) {
                    self.mark(set);
                }
            }
        }
    }

    /// Whether the witnesses that use a host still have room there. What their guests would give up is looked at by the search.
    fn recheck(&mut self, state: &State, host: u32) {
        let Some(station) = state.stations.get(ix(host)) else { return };
        let mut users = self.users.get_mut(ix(host)).map(std::mem::take).unwrap_or_default();
        let mut void = Vec::new();
        users.retain(|set| {
            let Some(it) = self.sets.get(ix(*set)) else { return false };
            let (mut uses, mut used) = (false, station.used);
            for guest in
                it.witness.iter().filter(|it| it.1 == host).filter_map(|it| state.guests.get(ix(it.0)))
            {
                uses = true;
                room::add(&mut used, &guest.need);
            }
            let before = room::beyond(&station.used, &station.room);
            if room::beyond(&used, &station.room).iter().zip(before).any(|it| *it.0 > it.1) {
                void.push(*set);
            }
            uses
        });
        if let Some(of) = self.users.get_mut(ix(host)) {
            *of = users;
        }
        for set in void {
            self.mark(set);
        }
    }

    fn report(&mut self, state: &State, set: u32, packed: &Packed, now: u32, log: &mut Log<'_>) {
        let Some(it) = self.sets.get_mut(ix(set)) else { return };
        let short = packed.unplaced.len();
        if short <= it.at_start {
            it.told = it.at_start;
            if packed.relaxed {
                log.add(Rule::Restartability, Severity::Unknown, At::moment(now), || {
                    self.say_relaxed(state, set, packed)
                });
            }
            return;
        }
        if short <= it.told {
            return;
        }
        it.told = short;
        // Fewer than were lost at the start may be what had to be: so it is an error only where more must be now.
        let worse = packed.least > it.at_start;
        let locus = match it.hosts.first().and_then(|it| state.stations.get(ix(*it))) {
            Some(first) if it.domain == NONE => self.world.locus(first.host),
            Some(first) => Locus { host: NONE, ..self.world.locus(first.host) },
            None => Locus::NOWHERE,
        };
        if worse {
            log.error(Rule::Restartability, At::moment(now), &locus, || self.say(state, set, packed));
        } else {
            log.add(Rule::Restartability, Severity::Unknown, At::moment(now), || {
                let (place, found, expected) = self.say(state, set, packed);
                (place, format!("not proven: {found}"), expected)
            });
        }
    }

    fn say_relaxed(&self, state: &State, set: u32, packed: &Packed) -> (String, String, String) {
        let (place, _, expected) = self.say(state, set, packed);
        (place, "places only on hosts of which not everything is known".into(), expected)
    }

    fn say(&self, state: &State, set: u32, packed: &Packed) -> (String, String, String) {
        let world = self.world;
        let set = self.sets.get(ix(set));
        let place = match set {
            Some(it) if it.domain != NONE => {
                let domain = world.domain_at.iter().find(|at| *at.1 == it.domain).map_or("?", |at| at.0);
                format!("failure of fault domain {domain}")
            }
            _ => {
                let first = set.and_then(|it| it.hosts.first()).and_then(|it| state.stations.get(ix(*it)));
                format!("failure of host {}", first.map_or("?", |it| world.host_id(it.host)))
            }
        };
        let names = packed.unplaced.iter().take(3).filter_map(|it| state.guests.get(ix(*it)));
        let names: Vec<&str> = names.map(|it| world.vm_id(it.vm)).collect();
        let missing = match packed.short_mib {
            0 => String::new(),
            short => format!(", {short} MiB are missing"),
        };
        let found =
            format!("{} guests without a place ({}{missing})", packed.unplaced.len(), names.join(", "));
        (place, found, "a place for each on the hosts that remain and are not away".into())
    }
}
