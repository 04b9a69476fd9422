//! Why a plan has more waves than the static model needs: limits and stages by arithmetic, and for every wave that could have
//! been larger a trial of the hosts of the next one.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use underpin_model::change::Target;
use underpin_model::plan::{Forced, Reason, StaticWaves, WaveForce};
use underpin_model::policy::FailureSets;

use super::super::drive::HostWave;
use super::super::room::{Free, KINDS, RESOURCES, signed};
use super::super::rooms::Rooms;
use super::super::timing::Work;
use super::{Beside, changes, count};

/// Waves of a cluster that are looked into; the others are counted.
const MOST_SHOWN: usize = 12;
/// Hosts of the next wave that are tried.
const MOST_TRIED: usize = 4;
/// Moves that a reason names.
const MOST_MOVES: usize = 8;

/// Fills in what forces the difference between the static bound and the plan's own waves.
pub(super) fn explain(beside: &Beside<'_, '_>, report: &mut StaticWaves, numbers: &FxHashMap<&str, u32>) {
    if report.waves <= report.at_least {
        return;
    }
    let mut reached = report.at_least;
    let most = beside.driven.most;
    let alone = report.planned.div_ceil(count(most).max(1));
    if alone > reached {
        let what = Forced::MostAway { of: "cluster".to_owned(), most: count(most), at_least: alone };
        report.forced.push(WaveForce { what, proven: true });
        reached = alone;
    }
    let (stages, by_stages) = stages(beside);
    if stages > 1 && by_stages > reached {
        let what = Forced::Stages { stages, at_least: by_stages };
        report.forced.push(WaveForce { what, proven: true });
        reached = by_stages;
    }
    report.proven = reached >= report.waves;
    if !report.proven {
        Replay::new(beside, numbers).pairs(report);
    }
}

/// Hosts that are changed in a wave.
fn size(wave: &HostWave) -> usize {
    wave.staged.works.iter().filter(|it| changes(it)).count()
}

/// Stages with a wave in the cluster, and the waves that they need at least, each for its own hosts.
fn stages(beside: &Beside<'_, '_>) -> (u32, u32) {
    let mut stages: BTreeMap<usize, (usize, BTreeSet<u32>)> = BTreeMap::new();
    for wave in beside.waves.iter().filter(|it| size(it) > 0) {
        let stage = stages.entry(wave.stage).or_default();
        stage.0 += size(wave);
        let hosts = wave.staged.works.iter().map(|it| it.host);
        stage.1.extend(hosts.filter(|it| beside.emptied.contains(it)));
    }
    let least = |(all, emptied): &(usize, BTreeSet<u32>)| {
        count(all.div_ceil(beside.driven.most.max(1))).max(beside.by_sums(emptied)).max(1)
    };
    (count(stages.len()), stages.values().map(least).sum())
}

/// The plan of one cluster gone through again, to see at each wave what the next one lacked.
struct Replay<'b, 'f, 'a> {
    beside: &'b Beside<'f, 'a>,
    rooms: Rooms<'f, 'a>,
    numbers: &'b FxHashMap<&'b str, u32>,
}

impl<'b, 'f, 'a> Replay<'b, 'f, 'a> {
    fn new(beside: &'b Beside<'f, 'a>, numbers: &'b FxHashMap<&'b str, u32>) -> Self {
        let sets = if beside.reserve { beside.facts.policy.planning.failure_sets } else { FailureSets::None };
        Self { beside, rooms: Rooms::new(beside.facts, beside.cluster, sets), numbers }
    }

    /// Each wave with the next one of its stage, unless it was as large as the limit lets it be.
    fn pairs(&mut self, report: &mut StaticWaves) {
        let beside = self.beside;
        for (at, wave) in beside.waves.iter().enumerate() {
            self.depart(wave);
            // Guests may leave a host long before it is changed: that is no wave, and the host stays shut.
            if size(wave) == 0 {
                continue;
            }
            let next = beside.waves.iter().skip(at + 1).find(|it| size(it) > 0);
            let could_be_larger = size(wave) < beside.driven.most.max(1);
            if let Some(next) = next.filter(|it| could_be_larger && it.stage == wave.stage) {
                if report.forced.len() < MOST_SHOWN {
                    let (what, proven) = self.why(wave, next);
                    report.forced.push(WaveForce { what, proven });
                } else {
                    report.not_shown += 1;
                }
            }
            self.arrive(wave);
        }
    }

    fn depart(&mut self, wave: &HostWave) {
        for work in &wave.staged.works {
            for it in work.departures.iter().filter(|it| it.how.moves()) {
                self.rooms.go(it.guest, it.to);
            }
            self.rooms.shut(work.host, true);
        }
    }

    fn arrive(&mut self, wave: &HostWave) {
        for work in &wave.staged.works {
            let kept = self.beside.facts.in_maintenance(work.host);
            self.rooms.shut(work.host, kept);
            self.rooms.set_release(work.host, self.release(work));
            for &guest in &work.come_home {
                self.rooms.go(guest, work.host);
            }
        }
    }

    /// Position of the release that a host has afterwards.
    fn release(&self, work: &Work) -> Option<u32> {
        let facts = self.beside.facts;
        let family = &facts.hosts[work.host as usize].it.platform.as_ref()?.family;
        let changes = facts.fleet.planning.as_ref().map(|it| it.changes.as_slice()).unwrap_or_default();
        let targets = work.hops.iter().rev().filter_map(|it| changes.get(it.change as usize));
        let to = targets.filter_map(|it| match &it.to {
            Target::Release { release, .. } => facts.rank(family, release),
            Target::Setting { .. } | Target::Component { .. } => None,
        });
        to.into_iter().next().or(self.rooms.release_of(work.host))
    }

    /// Why no host of the next wave joined this one; whether nothing can escape that.
    fn why(&self, wave: &HostWave, next: &HostWave) -> (Forced, bool) {
        let number = self.number(next);
        let first = |of: &HostWave| of.staged.works.first().map(|it| it.host);
        let coordinator = [wave, next].into_iter().filter_map(first);
        let coordinator = coordinator.into_iter().find(|it| self.beside.driven.coordinators.contains(it));
        if let Some(host) = coordinator {
            let host = self.beside.facts.hosts[host as usize].it.id.clone();
            return (Forced::Coordinator { host }, true);
        }
        let away: Vec<u32> = wave.staged.works.iter().map(|it| it.host).collect();
        let mut first = None;
        for work in next.staged.works.iter().filter(|it| changes(it)).take(MOST_TRIED) {
            match self.joins(&away, work, number) {
                Some(why) => first = first.or(Some(why)),
                None => return (self.in_time(next, number), false),
            }
        }
        first.unwrap_or((Forced::NotFound { wave: number }, false))
    }

    fn number(&self, wave: &HostWave) -> u32 {
        let host = wave.staged.works.first().map(|it| it.host);
        let id = host.map(|it| self.beside.facts.hosts[it as usize].it.id.as_str());
        id.and_then(|it| self.numbers.get(it)).copied().unwrap_or(0)
    }

    /// There would be places: limits over several clusters and windows, as far as they are known to be waited for.
    fn in_time(&self, next: &HostWave, wave: u32) -> Forced {
        for reason in &next.staged.reasons {
            match reason {
                Reason::MostAway { of, most, .. } => {
                    return Forced::MostAway { of: of.clone(), most: *most, at_least: 0 };
                }
                Reason::WindowOpens { tenant, .. } | Reason::ConsentBegins { tenant, .. } => {
                    return Forced::Window { wave, tenant: tenant.clone() };
                }
                Reason::Locked { vm, .. } => {
                    let vm = self.beside.facts.guests.iter().find(|it| it.it.id == *vm);
                    return Forced::Window { wave, tenant: vm.and_then(|it| it.it.tenant.clone()) };
                }
                _ => {}
            }
        }
        let planning = &self.beside.facts.policy.planning;
        let waits = |guest: &u32| {
            let tenant = self.beside.facts.guests[*guest as usize].it.tenant.clone()?;
            planning.window.iter().any(|it| it.scope.tenants.contains(&tenant)).then_some(tenant)
        };
        // What moves within a window of its own may not be moved at the time of the wave before.
        let moved = next.staged.works.iter().flat_map(|it| &it.departures).map(|it| it.guest);
        match moved.into_iter().find_map(|it| waits(&it)) {
            Some(tenant) => Forced::Window { wave, tenant: Some(tenant) },
            None => Forced::NotFound { wave },
        }
    }

    /// Why a host cannot be away with others; `None`: nothing was found.
    fn joins(&self, away: &[u32], work: &Work, wave: u32) -> Option<(Forced, bool)> {
        let facts = self.beside.facts;
        if let Some(short) = self.sums(away, work.host, wave) {
            return Some(short);
        }
        let mut rooms = self.rooms.clone();
        rooms.shut(work.host, true);
        if let Err((guest, rules)) = self.empty(&mut rooms, work) {
            let came = self.came(away, work.host);
            let vm = facts.guests[guest as usize].it.id.clone();
            let from = facts.hosts[work.host as usize].it.id.clone();
            let what = if came.is_empty() {
                Forced::NoTarget { wave, vm, from, rules }
            } else {
                let moves = came.iter().take(MOST_MOVES);
                let moves =
                    moves.map(|&it| (facts.guests[it as usize].it.id.clone(), from.clone())).collect();
                Forced::Moves { wave, moves, count: count(came.len()) }
            };
            return Some((what, false));
        }
        let shortage = rooms.reserve().err()?;
        let resource = RESOURCES[shortage.resource].to_owned();
        Some((Forced::Restartability { wave, resource, short: shortage.short }, false))
    }

    /// Guests on a host that came from others.
    fn came(&self, from: &[u32], on: u32) -> Vec<u32> {
        let moved = self.beside.waves.iter().flat_map(|it| &it.staged.works);
        let moved = moved.filter(|it| from.contains(&it.host)).flat_map(|it| &it.departures);
        let moved = moved.filter(|it| it.how.moves() && it.to == on).map(|it| it.guest);
        moved.filter(|&it| self.rooms.at(it) == on).collect()
    }

    /// What is missing in sum without a host and others.
    fn sums(&self, away: &[u32], host: u32, wave: u32) -> Option<(Forced, bool)> {
        let beside = self.beside;
        let used = beside.used();
        let gone = |it: &u32| away.contains(it) || *it == host;
        for (resource, name) in RESOURCES.iter().enumerate() {
            let capacity = |host: u32| beside.capacity(host)[resource];
            let needed: u64 = used.iter().map(|(&host, used)| used[resource].min(capacity(host))).sum();
            // All that the hosts can carry, less the largest where a reserve is kept.
            let carries = |hosts: &mut dyn Iterator<Item = u32>| {
                let each: Vec<u64> = hosts.map(capacity).collect();
                let held = if beside.reserve { each.iter().max().copied().unwrap_or(0) } else { 0 };
                (each.iter().sum::<u64>(), held)
            };
            let (sum, held) = carries(&mut beside.hosts().filter(|it| !gone(it)));
            if needed > sum.saturating_sub(held) {
                let (short, reserve) = (needed - sum.saturating_sub(held), needed <= sum);
                // A failure that found no place before the plan may find none within it.
                let (all, held) = carries(&mut beside.hosts());
                let proven = !beside.resized && (!reserve || needed <= all.saturating_sub(held));
                let resource = (*name).to_owned();
                return Some((Forced::Room { wave, resource, short, reserve }, proven));
            }
        }
        None
    }

    /// Moves everything off a host that has to move, the largest first, each to the fullest host that takes it; on failure
    /// the guest that finds no place, and whether rules are what excludes the hosts with room.
    fn empty(&self, rooms: &mut Rooms<'f, 'a>, work: &Work) -> Result<(), (u32, bool)> {
        let facts = self.beside.facts;
        let mut units: BTreeMap<u32, (Free, Vec<u32>)> = BTreeMap::new();
        for &guest in rooms.guests_on(work.host) {
            let it = &facts.guests[guest as usize];
            let Some(demand) = it.demand.filter(|_| !self.beside.stays.contains(&guest)) else { continue };
            let unit = units.entry(it.together.first().copied().unwrap_or(guest)).or_default();
            let demand = demand.map(signed);
            (0..KINDS).for_each(|it| unit.0[it] = unit.0[it].saturating_add(demand[it]));
            unit.1.push(guest);
        }
        let mut units: Vec<(Free, Vec<u32>)> = units.into_values().collect();
        units.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (need, members) in units {
            let has_room = |&to: &u32| {
                let free = rooms.free(to);
                !rooms.is_shut(to) && (0..KINDS).all(|it| free[it] >= need[it])
            };
            let takes = |&to: &u32| {
                members.iter().all(|&it| {
                    facts.may_stand(it, to) && rooms.stands_apart(it, to) && rooms.direction(it, to)
                })
            };
            let open: Vec<u32> = rooms.hosts().filter(has_room).collect();
            let best = open.iter().copied().filter(takes).min_by_key(|&it| (rooms.free(it)[0], it));
            match (best, members.first()) {
                (Some(to), _) => members.iter().for_each(|&it| rooms.go(it, to)),
                (None, Some(&guest)) => return Err((guest, !open.is_empty())),
                (None, None) => {}
            }
        }
        Ok(())
    }
}
