//! How the guests of a host get out of the way, and where they go.

use underpin_model::change::Method;
use underpin_model::fleet::{Action, Vm};
use underpin_model::plan::{Reason, Rule};
use underpin_model::policy::{MigrationPolicy, Placing};

use super::answers::Answers;
use super::facts::{Allowed, Facts};
use super::kept::Kept;
use super::room::{self, Free, KINDS, NOTHING, Room, signed};
use super::rooms::Rooms;
use super::spread::Queues;
use super::timing::abreast;
use crate::precopy::{MigrationLoad, Precopy, precopy};
use no_target::does_not_converge;

mod no_target;

/// What is done with a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It moves while it runs.
    Live,
    /// It moves while it is off.
    Cold,
    /// It is suspended where it is.
    Suspend,
    /// It is powered off where it is.
    Stop,
}

impl How {
    pub(super) fn action(self) -> Action {
        match self {
            Self::Live => Action::LiveMigrate,
            Self::Cold => Action::ColdMigrate,
            Self::Suspend => Action::Suspend,
            Self::Stop => Action::PowerOff,
        }
    }

    pub(super) fn moves(self) -> bool {
        matches!(self, Self::Live | Self::Cold)
    }
}

impl Allowed {
    /// What a guest allows lets it be dealt with in a way.
    pub(super) fn open(self, how: How) -> bool {
        match how {
            How::Live => self.live,
            How::Cold => self.cold,
            How::Suspend => self.suspend,
            How::Stop => self.power_off,
        }
    }
}

/// What becomes of one guest of a host that is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Departure {
    pub(super) guest: u32,
    pub(super) how: How,
    /// Where it stands: the host that is emptied, or one where it makes room for a guest of that host.
    pub(super) from: u32,
    /// The host that takes it; its own where it stays.
    pub(super) to: u32,
    /// Position of the consent that allows it.
    pub(super) consent: Option<u32>,
}

/// MiB/s of a rate in Mbit/s.
pub(super) fn mib_s(mbps: u32) -> f64 {
    f64::from(mbps) * 1e6 / 8.0 / 1_048_576.0
}

/// How a live migration at a rate goes; `None`: it cannot be computed (no memory known, rate 0).
pub(super) fn live(facts: &Facts<'_>, guest: u32, mbps: u32) -> Option<Precopy> {
    let it = &facts.guests[guest as usize];
    run(it.it.memory_mib?, it.dirty_mib_s, &facts.policy.planning.migration, mbps)
}

fn run(memory_mib: u64, dirty_mib_s: f64, rules: &MigrationPolicy, mbps: u32) -> Option<Precopy> {
    let rate = mib_s(mbps);
    let threshold = rate * f64::from(rules.longest_pause_ms) / 1000.0;
    precopy(&MigrationLoad::new(memory_mib as f64, rate, dirty_mib_s, threshold).ok()?).ok()
}

/// Whether a guest's migration at a rate comes to an end.
pub(super) fn converges(vm: &Vm, rules: &MigrationPolicy, mbps: u32) -> bool {
    let memory = vm.memory_mib.unwrap_or(0);
    let dirty = vm.dirty_rate_mib_s.unwrap_or(memory as f64 / 1024.0 * rules.dirty_mib_s_per_gib);
    run(memory, dirty, rules, mbps).is_some_and(|it| it.converged)
}

/// Ways for the guests of a host, in the order in which a method prefers them.
pub(super) fn preferred(method: Method) -> &'static [How] {
    match method {
        // A full reboot takes what is suspended in the host's memory.
        Method::EvacuateReboot => &[How::Live, How::Cold, How::Stop],
        Method::QuickBoot => &[How::Suspend, How::Live, How::Cold, How::Stop],
        Method::PowerOff => &[How::Stop],
        Method::LivePatch | Method::InPlace | Method::Defer => &[],
    }
}

/// Emptying one host after the other within a wave.
pub(super) struct Leaving<'r, 'f, 'a> {
    pub(super) rooms: &'r mut Rooms<'f, 'a>,
    pub(super) answers: &'r Answers<'r>,
    /// What the plan keeps of its parent.
    pub(super) kept: Option<&'r Kept>,
    /// Hosts of the wave so far: they take nobody.
    pub(super) wave: &'r [u32],
    /// By position in the cluster. 0: the host is done; otherwise a guest that goes there moves again, the later the lower.
    pub(super) due: &'r [u32],
    /// Guests that come home to hosts of the wave, whose release will soak.
    pub(super) returning: &'r [u32],
    /// By position in the cluster: the host's release soaks as a canary's.
    pub(super) soaking: &'r [bool],
    /// They take nobody, so that they have room for those of a failure.
    pub(super) spared: &'r [u32],
    /// Guests of other hosts may be moved to make room.
    pub(super) relocates: bool,
    /// Guests that move in the wave: nobody moves twice.
    pub(super) moved: Vec<u32>,
    /// Guests of the host that stay on it, stopped or suspended.
    pub(super) stay: Vec<u32>,
    /// A platform that places moves all guests of a host at the rate of the narrowest link: no target may have less than this.
    pub(super) link_mbps: u32,
    /// Moves of the wave so far, where targets that could have a guest soonest come before those that are fullest.
    pub(super) queues: Option<Queues>,
    /// A search looks for targets that nobody would choose: every other unit goes where these dice say.
    pub(super) scatter: Option<u64>,
}

impl Leaving<'_, '_, '_> {
    /// Moves every guest of a host that must leave it. On failure everything stands as before.
    pub(super) fn empty(&mut self, host: u32, method: Method) -> Result<Vec<Departure>, Vec<Reason>> {
        let ways = preferred(method);
        if ways.is_empty() {
            return Ok(Vec::new());
        }
        let mut units = self.units(host);
        let facts = self.rooms.facts;
        let size = |unit: &Vec<u32>| demand_of(facts, unit);
        // Those that stay come first: where the others go depends on them.
        let moves = |unit: &Vec<u32>| {
            let open = |how: &How| unit.iter().all(|&it| self.allows(host, it, *how).is_ok());
            ways.iter().any(|how| how.moves() && open(how))
        };
        units.sort_by_cached_key(|it| (moves(it), std::cmp::Reverse(size(it)), it.clone()));
        if facts.policy.planning.placing == Placing::PlatformPlaces {
            let live: Vec<u32> = units
                .iter()
                .flatten()
                .copied()
                .filter(|&it| self.allows(host, it, How::Live).is_ok())
                .collect();
            self.link_mbps = self.least_link(host, &live);
        }
        let mut done: Vec<Departure> = Vec::new();
        for unit in &units {
            match self.unit(host, unit, ways) {
                Ok(departures) => {
                    self.moved.extend(departures.iter().map(|it| it.guest));
                    for it in departures.iter().filter(|it| it.how.moves()) {
                        self.queues.iter_mut().for_each(|queues| queues.add(facts, it.guest, it.from, it.to));
                    }
                    let stay = departures.iter().filter(|it| !it.how.moves());
                    self.stay.extend(stay.map(|it| it.guest));
                    done.extend(departures);
                }
                Err(reasons) => {
                    self.rooms.undo(&done);
                    return Err(reasons);
                }
            }
        }
        Ok(done)
    }

    /// Moves those of a host's guests that can move and that are asked for, unit by unit; the others stay.
    pub(super) fn some(&mut self, host: u32, asked: &dyn Fn(&u32) -> bool) -> Vec<Vec<Departure>> {
        let units = self.units(host).into_iter().filter(|unit| unit.iter().any(asked));
        let mut done = Vec::new();
        for unit in units.collect::<Vec<_>>() {
            done.extend(self.unit(host, &unit, &[How::Live, How::Cold]));
        }
        done
    }

    pub(super) fn local(&self, host: u32) -> usize {
        (host - self.rooms.hosts().start) as usize
    }

    fn soaks(&self, host: u32) -> bool {
        self.soaking[self.local(host)]
    }

    /// After the wave a guest runs on a release that soaks: where it stands, where it stays, or where it comes home to.
    fn will_soak(&self, guest: u32) -> bool {
        let at = self.rooms.at(guest);
        self.returning.contains(&guest)
            || self.stay.contains(&guest)
            || self.wave.contains(&at)
            || self.soaks(at)
    }

    /// Guests that move as one.
    fn units(&self, host: u32) -> Vec<Vec<u32>> {
        let facts = self.rooms.facts;
        let mut units: Vec<Vec<u32>> = Vec::new();
        for &guest in self.rooms.guests_on(host) {
            let together = &facts.guests[guest as usize].together;
            if together.is_empty() {
                units.push(vec![guest]);
            } else if together.iter().filter(|&&it| self.rooms.at(it) == host).min() == Some(&guest) {
                units.push(together.iter().copied().filter(|&it| self.rooms.at(it) == host).collect());
            }
        }
        units
    }

    fn unit(&mut self, host: u32, unit: &[u32], ways: &[How]) -> Result<Vec<Departure>, Vec<Reason>> {
        let mut reasons = Vec::new();
        let stays = unit.iter().find_map(|&it| self.contradicted(it));
        let stuck = stays.is_some();
        reasons.extend(stays);
        for &how in ways.iter().filter(|how| !stuck || !how.moves()) {
            let mut consents = Vec::with_capacity(unit.len());
            let mut allowed = true;
            for &guest in unit {
                match self.allows(host, guest, how) {
                    Ok(consent) => consents.push(consent),
                    Err(reason) => {
                        allowed = false;
                        reasons.extend(reason);
                    }
                }
            }
            if !allowed {
                continue;
            }
            let mut departures = Vec::new();
            let to = if how.moves() {
                match self.target(host, unit) {
                    Ok(to) => to,
                    Err(reason) => match self.make_room(host, unit) {
                        Some((made, to)) => {
                            departures = made;
                            to
                        }
                        None => {
                            reasons.push(reason);
                            continue;
                        }
                    },
                }
            } else if let Some(&guest) = unit.iter().find(|&&it| !self.rooms.facts.may_be_bound(it, host)) {
                let vm = self.rooms.facts.guests[guest as usize].it.id.clone();
                reasons.push(Reason::RequiredAffinity { vm, rule: Rule::OnHosts });
                continue;
            } else {
                host
            };
            let own = unit.iter().zip(consents);
            departures.extend(own.map(|(&guest, consent)| Departure { guest, how, from: host, to, consent }));
            if how.moves() {
                unit.iter().for_each(|&guest| self.rooms.go(guest, to));
            }
            return Ok(departures);
        }
        if reasons.is_empty() {
            let vm = self.rooms.facts.guests[unit[0] as usize].it.id.clone();
            reasons.push(Reason::NoAllowedAction { vm, pinned_by: self.pinned_by(unit[0], ways).to_owned() });
        }
        reasons.dedup();
        Err(reasons)
    }

    /// The rules that leave a guest no place to move to.
    fn contradicted(&self, guest: u32) -> Option<Reason> {
        let facts = self.rooms.facts;
        let it = &facts.guests[guest as usize];
        let affinities = facts.contradictions.get(it.contradiction? as usize)?.affinities.clone();
        Some(Reason::Contradiction { vm: it.it.id.clone(), affinities })
    }

    fn pinned_by(&self, guest: u32, ways: &[How]) -> &'static str {
        let vm = self.rooms.facts.guests[guest as usize].it;
        let local = |id: &underpin_model::id::StorageId| {
            self.rooms.facts.fleet.storage.iter().any(|it| it.id == *id && it.shared == Some(false))
        };
        let facts = self.rooms.facts;
        let rests = |how: &How| !how.moves() && Allowed::of(&facts.guests[guest as usize]).open(*how);
        if facts.guests[guest as usize].controller {
            "controller"
        } else if facts.in_maintenance(self.rooms.at(guest)) && ways.iter().any(rests) {
            "maintenance"
        } else if !vm.passthrough.is_empty() {
            "passthrough"
        } else if vm.sealed_keys.as_ref().is_some_and(|it| it.vtpm == Some(true)) {
            "vtpm"
        } else if vm.storage.iter().any(local) {
            "local-disk"
        } else {
            "not-allowed"
        }
    }

    /// Whether a way is open for a guest: its consent, or why not (`None`: the way is not among its allowed actions, which is
    /// said once for all ways).
    pub(super) fn allows(&self, host: u32, guest: u32, how: How) -> Result<Option<u32>, Option<Reason>> {
        let facts = self.rooms.facts;
        let vm = facts.guests[guest as usize].it;
        let allowed = Allowed::of(&facts.guests[guest as usize]);
        if !allowed.open(how) || (facts.guests[guest as usize].controller && how != How::Live) {
            return Err(None);
        }
        // What rests there would have to run there again, and no guest goes to a host that was in maintenance.
        if !how.moves() && facts.in_maintenance(host) {
            return Err(None);
        }
        for lock in &vm.locks {
            // A lock that ends is waited for; the timeline knows when.
            if lock.expires.is_none() {
                return Err(Some(Reason::Locked { vm: vm.id.clone(), until_s: None }));
            }
        }
        let unknown = |element: &str, fact: &str| {
            underpin_model::id::ElementId::new(element)
                .ok()
                .map(|element| Reason::UnknownFact { element, fact: fact.to_owned() })
        };
        if how.moves() && facts.guests[guest as usize].demand.is_none() {
            let fact = if vm.memory_mib.is_none() { "memory_mib" } else { "vcpus" };
            return Err(unknown(vm.id.as_str(), fact));
        }
        if how.moves() && facts.hosts[host as usize].slots == 0 {
            return Err(Some(Reason::NoSlots { host: facts.hosts[host as usize].it.id.clone() }));
        }
        if how == How::Live {
            let own = &facts.hosts[host as usize];
            let link = own.link_mbps / abreast(self.beside(guest), &[own]);
            let converges = live(facts, guest, link).is_some_and(|it| it.converged);
            if !converges {
                return Err(Some(does_not_converge(facts, guest, link)));
            }
        }
        self.answers.find(facts, guest, how.action()).map_err(Some)
    }

    /// The host that takes guests that move as one: the parent plan's; where wishes about affinity are met, then one that is done before one that is not concerned before one that is still
    /// to come, the fullest that has room among equals (where targets' links hold a wave up, the one that could have them soonest).
    fn target(&self, host: u32, unit: &[u32]) -> Result<u32, Reason> {
        let need = self.need(unit);
        self.best(host, unit, need).ok_or_else(|| self.no_target(host, unit, need))
    }

    pub(super) fn need(&self, unit: &[u32]) -> Free {
        demand_of(self.rooms.facts, unit).map(signed)
    }

    pub(super) fn best(&self, host: u32, unit: &[u32], need: Free) -> Option<u32> {
        let mut best = None;
        let kept = unit.first().and_then(|&it| self.kept?.target(it, host));
        let dice = self.scatter.map(|it| mixed(it ^ u64::from(unit.first().copied().unwrap_or(0))));
        let dice = dice.filter(|it| it.is_multiple_of(2));
        for to in self.rooms.hosts() {
            let free = self.rooms.free(to);
            if (0..KINDS).any(|it| free[it] < need[it]) || !self.open(host, to) {
                continue;
            }
            let wishes = unit.iter().map(|&it| self.rooms.wishes_broken(it, to)).sum::<usize>();
            let arrives = |it: &Queues| it.arrives(self.rooms.facts, unit, host, to);
            let arrives = self.queues.as_ref().map_or(0, arrives);
            let thrown = dice.map_or(0, |it| mixed(it ^ u64::from(to)));
            let key = (
                kept.is_some_and(|it| it != to),
                wishes,
                thrown,
                self.due[self.local(to)],
                arrives,
                free[0] - need[0],
                to,
            );
            if best.is_none_or(|other| key < other) && unit.iter().all(|&it| self.takes(it, to)) {
                best = Some(key);
            }
        }
        best.map(|key| key.6)
    }

    pub(super) fn open(&self, host: u32, to: u32) -> bool {
        to != host && !self.spared.contains(&to) && !self.rooms.is_shut(to) && !self.wave.contains(&to)
    }

    pub(super) fn takes(&self, guest: u32, to: u32) -> bool {
        let facts = self.rooms.facts;
        facts.may_stand(guest, to)
            && self.rooms.stands_apart(guest, to)
            && self.rooms.direction(guest, to)
            && !(self.soaks(to) && facts.guests[guest as usize].controller)
            && (!self.soaks(to)
                || self.rooms.diverse(guest, &|it| self.will_soak(it) || self.comes_along(guest, it)))
            && self.carries(guest, to)
    }

    /// Another guest moves with one, as a part of the same unit.
    fn comes_along(&self, guest: u32, other: u32) -> bool {
        let together = &self.rooms.facts.guests[guest as usize].together;
        together.contains(&other) && self.rooms.at(other) == self.rooms.at(guest)
    }

    /// Guests that move as one with a guest, itself among them.
    fn beside(&self, guest: u32) -> u32 {
        self.rooms.facts.guests[guest as usize].together.len().max(1) as u32
    }

    /// The link of a target that has less than the source may be too little for guests that write much. Those that move as one share
    /// it, as many at once as both hosts have slots.
    fn carries(&self, guest: u32, to: u32) -> bool {
        let facts = self.rooms.facts;
        let (own, other) = (&facts.hosts[self.rooms.at(guest) as usize], &facts.hosts[to as usize]);
        let abreast = abreast(self.beside(guest), &[own, other]);
        other.slots > 0
            && other.link_mbps >= self.link_mbps
            && (other.link_mbps >= own.link_mbps
                || live(facts, guest, other.link_mbps / abreast).is_some_and(|it| it.converged))
    }

    /// The narrowest link of the cluster over which all of some guests converge.
    fn least_link(&self, host: u32, guests: &[u32]) -> u32 {
        let facts = self.rooms.facts;
        let own = facts.hosts[host as usize].link_mbps;
        let mut links: Vec<u32> = self.rooms.hosts().map(|it| facts.hosts[it as usize].link_mbps).collect();
        links.retain(|it| *it < own);
        links.sort_unstable();
        links.dedup();
        let converge =
            |mbps: u32| guests.iter().all(|&it| live(facts, it, mbps).is_some_and(|it| it.converged));
        // What converges over a link does so over a wider one.
        let first = links.partition_point(|&mbps| !converge(mbps));
        links.get(first).copied().unwrap_or(own)
    }
}

/// SplitMix64: a number that looks random, of any other.
pub(super) fn mixed(seed: u64) -> u64 {
    let mut it = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

fn demand_of(facts: &Facts<'_>, unit: &[u32]) -> Room {
    unit.iter().fold(NOTHING, |sum, &it| {
        let demand = facts.guests[it as usize].holds;
        room::sum(sum, demand)
    })
}
