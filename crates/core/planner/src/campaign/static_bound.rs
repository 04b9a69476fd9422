//! The static wave model of each cluster beside what the plan does there: how few waves would do if only the placement while a
//! wave is away had to hold, and what forces more.
//!
//! The model is built from what the plan itself reads, and each part of it is no stricter than the plan: guests that stay on their
//! host are left out, groups that are broken at the start do not bind, releases do not matter. So its bound holds for
//! every plan that changes all hosts of the cluster; where only some are changed, the bound is that of the sums.

mod forced;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use underpin_model::change::Method;
use underpin_model::id::ElementId;
use underpin_model::plan::{ElementOutcome, Outcome as Fate, Rule, StaticStatus, StaticWaves};
use underpin_model::policy::FailureSets;

use super::drive::{Driven, HostWave};
use super::facts::Facts;
use super::room::{self, KINDS, NAMES, NOTHING, Room, signed};
use super::timing::Work;
use crate::waves::{Among, HostSpec, Instance, Options, Outcome, VmSpec, solve};

/// Hosts tried for VMs by the static solver, over all clusters: a small part of what planning takes.
const EVALUATIONS: u64 = 20_000_000;
/// Least and most of it for one cluster. The most is enough to solve every instance of a few dozen hosts of the published vectors.
const SHARE: (u64, u64) = (50_000, 2_000_000);

/// The static model of every cluster in which hosts are changed.
pub(super) fn static_waves(
    facts: &Facts<'_>,
    driven: &Driven,
    elements: &[ElementOutcome],
) -> Vec<StaticWaves> {
    let mut by_cluster: BTreeMap<u32, Vec<&HostWave>> = BTreeMap::new();
    for wave in &driven.waves {
        by_cluster.entry(wave.cluster).or_default().push(wave);
    }
    let numbers: FxHashMap<&str, u32> =
        elements.iter().filter_map(|it| Some((it.element.as_str(), it.wave?))).collect();
    let due = elements.iter().filter(|it| it.outcome != Fate::NotNeeded).map(|it| it.element.as_str());
    let due: BTreeSet<&str> = due.collect();
    let share = (EVALUATIONS / by_cluster.len().max(1) as u64).clamp(SHARE.0, SHARE.1);
    let clusters: Vec<(u32, Vec<&HostWave>)> = by_cluster.into_iter().collect();
    clusters
        .into_par_iter()
        .filter_map(|(cluster, waves)| {
            Beside::new(facts, driven, cluster, waves, &due).report(share, &numbers)
        })
        .collect()
}

/// One cluster with its waves.
struct Beside<'f, 'a> {
    facts: &'f Facts<'a>,
    driven: &'f Driven,
    cluster: u32,
    waves: Vec<&'f HostWave>,
    /// Guests that are stopped or suspended where they are.
    stays: BTreeSet<u32>,
    /// Hosts that are emptied, or whose guests all stop; those in maintenance before are none.
    emptied: BTreeSet<u32>,
    /// The plan keeps a reserve for a failure here.
    reserve: bool,
    /// A change makes hosts larger or smaller.
    resized: bool,
    /// Hosts that need no change: the model takes them away all the same.
    untouched: u32,
}

impl<'f, 'a> Beside<'f, 'a> {
    fn new(
        facts: &'f Facts<'a>,
        driven: &'f Driven,
        cluster: u32,
        waves: Vec<&'f HostWave>,
        due: &BTreeSet<&str>,
    ) -> Self {
        let planning = &facts.policy.planning;
        let works = || waves.iter().flat_map(|it| &it.staged.works);
        let stays = works().flat_map(|it| &it.departures).filter(|it| !it.how.moves()).map(|it| it.guest);
        let away = |work: &&Work| {
            changes(work)
                && !matches!(work.method, Method::LivePatch | Method::InPlace | Method::Defer)
                && !facts.in_maintenance(work.host)
        };
        let excepted = planning
            .exception
            .iter()
            .any(|it| it.rule == Rule::Restartability && driven.exceptions.contains(&it.id));
        let all = facts.fleet.planning.as_ref().map(|it| it.changes.as_slice()).unwrap_or_default();
        let hosts = facts.clusters[cluster as usize].hosts.clone().filter(|&it| !facts.in_maintenance(it));
        let untouched = hosts.filter(|&it| !due.contains(facts.hosts[it as usize].it.id.as_str())).count();
        Self {
            facts,
            driven,
            cluster,
            stays: stays.collect(),
            emptied: works().filter(away).map(|it| it.host).collect(),
            reserve: planning.failure_sets != FailureSets::None && !excepted,
            resized: all.iter().any(|it| it.capacity_after.is_some()),
            untouched: count(untouched),
            waves,
        }
    }

    fn report(&self, evaluations: u64, numbers: &FxHashMap<&str, u32>) -> Option<StaticWaves> {
        let cluster = ElementId::new(self.facts.cluster_name(self.cluster)).ok()?;
        let waves = count(self.waves.iter().filter(|it| it.staged.works.iter().any(changes)).count());
        let hosts = self.hosts().count();
        let planned = count(self.emptied.len());
        let file = self.facts.fleet.planning.as_ref();
        let most = file.and_then(|it| it.max_hosts_per_wave);
        let n_plus_one = file.is_some_and(|it| it.n_plus_one) && self.reserve && !self.resized;
        let whole = self.emptied.len() == hosts;
        let mut solved = self.solve(most, n_plus_one, evaluations);
        if whole && n_plus_one && solved.at_least > waves {
            // A failure that found no place before the plan may find none within it either, so that its sums bind nobody.
            solved = self.solve(most, false, evaluations);
        }
        let limit = most.map_or(0, |most| planned.div_ceil(most.max(1)));
        let by_sums = self.by_sums(&self.emptied).max(limit).max(u32::from(planned > 0));
        // Without a schedule the solver gives no bound: what the start breaks already, the plan makes no worse.
        let at_least = if whole { solved.at_least.max(by_sums) } else { by_sums };
        self.only_some(&mut solved, at_least);
        let mut report = StaticWaves {
            cluster,
            hosts: count(hosts),
            planned,
            status: solved.status,
            at_least,
            found: solved.found,
            why: solved.why,
            waves,
            proven: at_least >= waves,
            forced: Vec::new(),
            not_shown: 0,
        };
        forced::explain(self, &mut report, numbers);
        Some(report)
    }

    /// Where some hosts need no change, a schedule of the model is one for the others too, though maybe not the best; that it has none
    /// says nothing of them.
    fn only_some(&self, solved: &mut Solved, at_least: u32) {
        if self.untouched == 0 {
            return;
        }
        match solved.status {
            StaticStatus::Optimal if solved.found.is_some_and(|it| it > at_least) => {
                solved.status = StaticStatus::Feasible;
            }
            StaticStatus::Infeasible => {
                solved.status = StaticStatus::Unknown;
                let why = solved.why.take().unwrap_or_default();
                solved.why = Some(format!(
                    "no schedule takes every host away ({why}), but {} of them need no change",
                    self.untouched
                ));
            }
            _ => {}
        }
    }

    /// Hosts that are not in maintenance.
    fn hosts(&self) -> impl Iterator<Item = u32> + '_ {
        let hosts = self.facts.clusters[self.cluster as usize].hosts.clone();
        hosts.filter(|&it| !self.facts.in_maintenance(it))
    }

    /// Guests that must be somewhere else while their host is away.
    fn guests(&self) -> impl Iterator<Item = u32> + '_ {
        let facts = self.facts;
        facts.clusters[self.cluster as usize].guests.clone().filter(move |it| {
            !self.stays.contains(it)
                && facts.guests[*it as usize].demand.is_some()
                && !facts.in_maintenance(facts.home[*it as usize])
        })
    }

    /// What a host can carry, at its largest.
    fn capacity(&self, host: u32) -> Room {
        let it = &self.facts.hosts[host as usize];
        let mut capacity = it.capacity.unwrap_or(NOTHING);
        let changes = self.facts.fleet.planning.as_ref().map(|it| it.changes.as_slice()).unwrap_or_default();
        for after in changes.iter().filter_map(|it| it.capacity_after) {
            let after = room::after(&after, capacity);
            capacity = std::array::from_fn(|it| capacity[it].max(after[it]));
        }
        capacity
    }

    /// What guests take of each host at the start.
    fn used(&self) -> BTreeMap<u32, Room> {
        let mut used: BTreeMap<u32, Room> = BTreeMap::new();
        for guest in self.guests() {
            let demand = self.facts.guests[guest as usize].holds;
            let used = used.entry(self.facts.home[guest as usize]).or_default();
            (0..KINDS).for_each(|it| used[it] = used[it].saturating_add(demand[it]));
        }
        used
    }

    /// Waves by the sums alone: while hosts of capacity A are away the others carry all guests, so that A is at most the room that
    /// is free, and all of them take at least `A(all) / (C - D)` waves.
    fn by_sums(&self, hosts: &BTreeSet<u32>) -> u32 {
        let used = self.used();
        let bound = |resource: usize| {
            let capacity = |host: u32| self.capacity(host)[resource];
            let all: u64 = self.hosts().map(capacity).sum();
            // A host that carries too much at the start makes no other one smaller.
            let demand: u64 = used.iter().map(|(&host, used)| used[resource].min(capacity(host))).sum();
            let free = all.saturating_sub(demand);
            let away: u64 = hosts.iter().map(|&it| capacity(it)).sum();
            if free == 0 { 0 } else { away.div_ceil(free) }
        };
        (0..KINDS).map(bound).max().map_or(0, |it| u32::try_from(it).unwrap_or(u32::MAX))
    }

    fn solve(&self, most: Option<u32>, n_plus_one: bool, evaluations: u64) -> Solved {
        let instance = self.instance(most, n_plus_one);
        match solve(&instance, &Options { evaluations, ..Options::default() }) {
            Err(error) => Solved {
                status: StaticStatus::Unknown,
                at_least: 0,
                found: None,
                why: Some(error.to_string()),
            },
            Ok(solution) => {
                let at_least = count(solution.best_bound());
                let found = Some(count(solution.schedule.len())).filter(|it| *it > 0);
                let (status, why) = match solution.outcome {
                    Outcome::Optimal => (StaticStatus::Optimal, None),
                    Outcome::Feasible => (StaticStatus::Feasible, None),
                    Outcome::Infeasible(it) => (StaticStatus::Infeasible, Some(it.reason)),
                    Outcome::Unknown(why) => (StaticStatus::Unknown, Some(why)),
                };
                Solved { status, at_least, found, why }
            }
        }
    }

    /// The cluster as an instance of the static model.
    fn instance(&self, most: Option<u32>, n_plus_one: bool) -> Instance {
        let facts = self.facts;
        let range = facts.clusters[self.cluster as usize].hosts.clone();
        let used = self.used();
        let mut over = false;
        let hosts = range.clone().map(|host| {
            let (capacity, used) = (self.capacity(host), used.get(&host).copied().unwrap_or(NOTHING));
            over |= (0..KINDS).any(|it| used[it] > capacity[it]);
            HostSpec {
                name: facts.hosts[host as usize].it.id.as_str().to_owned(),
                // What stands on it at the start may go on standing there.
                capacity: (0..KINDS).map(|it| signed(capacity[it].max(used[it]))).collect(),
                away: facts.in_maintenance(host),
            }
        });
        let hosts: Vec<HostSpec> = hosts.collect();
        let mut instance = Instance {
            resources: NAMES.map(str::to_owned).to_vec(),
            hosts,
            n_plus_one: n_plus_one && !over,
            max_hosts_per_wave: most.map(|it| it as usize),
            ..Instance::default()
        };
        self.add_guests(&mut instance, range.start);
        instance
    }

    fn add_guests(&self, instance: &mut Instance, first: u32) {
        let facts = self.facts;
        let mut unit_of: BTreeMap<u32, usize> = BTreeMap::new();
        let mut groups: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
        let mut broken: BTreeSet<u32> = BTreeSet::new();
        let mut standing: BTreeSet<(u32, u32)> = BTreeSet::new();
        let mut may: Vec<Vec<u32>> = Vec::new();
        for guest in self.guests() {
            let it = &facts.guests[guest as usize];
            let home = facts.home[guest as usize];
            let with = it.together.first().and_then(|it| unit_of.get(it)).copied();
            let unit = with.unwrap_or(instance.vms.len());
            unit_of.insert(it.together.first().copied().unwrap_or(guest), unit);
            let demand = it.holds.map(signed);
            match instance.vms.get_mut(unit) {
                Some(spec) => {
                    spec.demand.iter_mut().zip(demand).for_each(|(sum, it)| *sum = sum.saturating_add(it));
                    spec.vms += 1;
                    may[unit].retain(|&host| host == home || facts.may_stand(guest, host));
                }
                None => {
                    instance.vms.push(VmSpec {
                        name: it.it.id.as_str().to_owned(),
                        demand: demand.to_vec(),
                        host: Some((home - first) as usize),
                        vms: 1,
                    });
                    let hosts = facts.clusters[self.cluster as usize].hosts.clone();
                    may.push(hosts.filter(|&host| host == home || facts.may_stand(guest, host)).collect());
                }
            }
            for &group in &it.apart {
                groups.entry(group).or_default().insert(unit);
                if !standing.insert((group, home)) {
                    broken.insert(group);
                }
            }
        }
        // A group that is not apart at the start binds only those that move.
        let apart = groups.into_iter().filter(|(group, units)| units.len() > 1 && !broken.contains(group));
        instance.apart = apart.map(|(_, units)| units.into_iter().collect()).collect();
        let mut bound: BTreeMap<Vec<u32>, Vec<usize>> = BTreeMap::new();
        for (unit, hosts) in may.into_iter().enumerate().filter(|it| it.1.len() < instance.hosts.len()) {
            bound.entry(hosts).or_default().push(unit);
        }
        for (hosts, vms) in bound {
            let part = instance.parts.len();
            instance.parts.push(hosts.into_iter().map(|it| (it - first) as usize).collect());
            instance.among.push(Among { vms, parts: vec![part] });
        }
    }
}

/// What the static solver said.
struct Solved {
    status: StaticStatus,
    at_least: u32,
    found: Option<u32>,
    why: Option<String>,
}

/// Its host is changed, as opposed to only left by guests.
fn changes(work: &Work) -> bool {
    !work.hops.is_empty()
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}
