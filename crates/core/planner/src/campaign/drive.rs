//! Level by level, ring by ring: what is planned after what, over all clusters.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use underpin_model::change::{Change, Layer, Method, Target};
use underpin_model::fleet::Redundancy;
use underpin_model::id::{ClusterId, ElementId};
use underpin_model::plan::{Outcome, Profile, Reason, Rule};
use underpin_model::policy::Homing;

use super::calendar::{Calendar, Seconds, host_in};
use super::couplings::Couplings;
use super::elements::{self, ElementWork};
use super::facts::Facts;
use super::leave::Answers;
use super::order::{self, Concerned, Levels};
use super::rooms::Rooms;
use super::search;
use super::stage::{Candidate, Cluster, Shared, StagedWave, lasting, path_s};
use super::timing::Hop;
use super::{PlanError, Request};

/// A wave with where it belongs.
#[derive(Debug, Clone)]
pub(super) struct HostWave {
    pub(super) cluster: u32,
    /// Position among the stages.
    pub(super) stage: usize,
    /// Position among the policy's rings; `None`: rings were merged.
    pub(super) ring: Option<usize>,
    pub(super) canary: bool,
    pub(super) soak_until: Seconds,
    pub(super) staged: StagedWave,
}

/// What became of an element.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    pub(super) changes: Vec<u32>,
    pub(super) outcome: Option<Outcome>,
    pub(super) reasons: Vec<Reason>,
}

/// Everything that was decided.
pub(super) struct Driven {
    pub(super) waves: Vec<HostWave>,
    pub(super) elements: Vec<ElementWork>,
    pub(super) fates: BTreeMap<ElementId, Fate>,
    pub(super) homing: Homing,
    /// Exceptions of the policy that were used, by id.
    pub(super) exceptions: BTreeSet<String>,
    /// Soak after each stage, those without a wave among them.
    pub(super) stages: Vec<Seconds>,
    /// Most hosts of a cluster away.
    pub(super) most: usize,
    /// Position of each host's wave.
    pub(super) by_host: BTreeMap<u32, usize>,
    /// Hosts that come first of their pools.
    pub(super) coordinators: BTreeSet<u32>,
    /// Hosts that waited for a soak: whose, and until when.
    pub(super) waited: BTreeMap<u32, (Option<String>, Seconds)>,
}

/// Hosts that learn from one another: the same changes, the same hardware class.
type Class = (Vec<u32>, u32);

/// When the soak of a change ends so far, and in which ring.
type Soaked = (Seconds, Option<String>);

struct Drive<'f, 'a> {
    request: &'f Request<'a>,
    facts: &'f Facts<'a>,
    shared: Shared<'f, 'a>,
    levels: Levels,
    concerned: Vec<Concerned>,
    clusters: Vec<Cluster<'f, 'a>>,
    couplings: Couplings,
    /// Clusters that stand on each element that is not a host.
    near: BTreeMap<(Layer, ElementId), Vec<usize>>,
    /// When a change was complete on an element; `None`: it never is.
    complete: BTreeMap<(usize, ElementId), Option<Seconds>>,
    driven: Driven,
}

/// Makes all decisions.
pub(super) fn drive<'a>(request: &Request<'a>, facts: &Facts<'a>) -> Result<Driven, PlanError> {
    if request.changes().is_empty() {
        return Err(PlanError::NoChanges);
    }
    if let Some(id) = super::facts::twice(request.fleet) {
        return Err(PlanError::Fleet(format!(
            "the id {id:?} comes twice; give every element one of its own"
        )));
    }
    let emergency = request.profile == Profile::Emergency;
    let rules = &request.policy.planning;
    let calendar = Calendar::new(facts, request.starts_at, !(emergency && rules.emergency.outside_windows))
        .map_err(PlanError::Policy)?;
    let consents = request.fleet.planning.as_ref().map(|it| it.consents.as_slice()).unwrap_or_default();
    let answers = Answers { consents, starts_at: request.starts_at };
    let homing = request.homing.unwrap_or(rules.homing);
    let mut drive = Drive {
        request,
        facts,
        shared: Shared { facts, calendar: &calendar, answers: &answers, homing },
        levels: order::levels(request.changes()),
        concerned: request.changes().iter().map(|it| order::concerned(request.fleet, it)).collect(),
        clusters: Vec::new(),
        couplings: Couplings::new(facts),
        near: BTreeMap::new(),
        complete: BTreeMap::new(),
        driven: Driven {
            waves: Vec::new(),
            elements: Vec::new(),
            fates: BTreeMap::new(),
            homing,
            exceptions: BTreeSet::new(),
            stages: Vec::new(),
            most: 1,
            by_host: BTreeMap::new(),
            coordinators: BTreeSet::new(),
            waited: BTreeMap::new(),
        },
    };
    for (change, concerned) in request.changes().iter().zip(&drive.concerned) {
        for element in concerned.due.iter().filter(|_| change.layer != Layer::Host) {
            let near = elements::clusters_of(facts, change.layer, element);
            drive.near.insert((change.layer, element.clone()), near);
        }
    }
    drive.clusters();
    drive.fates();
    let last = drive.levels.of.iter().flatten().max().copied().unwrap_or(0);
    for level in 0..=last {
        drive.level(level);
    }
    Ok(drive.driven)
}

impl<'a> Drive<'_, 'a> {
    fn clusters(&mut self) {
        let facts = self.facts;
        let planning = &self.request.policy.planning;
        let own = self.request.fleet.planning.as_ref().and_then(|it| it.max_hosts_per_wave);
        let emergency = self.request.profile == Profile::Emergency;
        let most = own
            .or(planning.emergency.per_cluster.filter(|_| emergency))
            .unwrap_or(planning.most_away.per_cluster)
            .max(1) as usize;
        self.driven.most = most;
        let sets = planning.failure_sets;
        let mut rooms: Vec<Rooms<'_, 'a>> =
            (0..facts.clusters.len() as u32).into_par_iter().map(|at| Rooms::new(facts, at, sets)).collect();
        for (at, rooms) in rooms.drain(..).enumerate() {
            let reserve = !self.excepted(Rule::Restartability, at);
            let range = facts.clusters[at].hosts.clone();
            let hosts = range.len();
            self.clusters.push(Cluster {
                rooms,
                due: vec![false; hosts],
                soaking: vec![false; hosts],
                free_at: 0,
                maintenance: facts.hosts[range.start as usize..range.end as usize]
                    .iter()
                    .map(|it| it.it.maintenance == Some(true))
                    .collect(),
                most,
                reserve,
                waves: 0,
            });
        }
    }

    /// Whether an exception from a rule speaks of a cluster; it counts as used.
    fn excepted(&mut self, rule: Rule, cluster: usize) -> bool {
        let facts = self.facts;
        let first = facts.clusters[cluster].hosts.start;
        let planning = &self.request.policy.planning;
        let mut speaks =
            planning.exceptions(rule, self.request.starts_at).filter(|it| host_in(facts, &it.scope, first));
        let Some(it) = speaks.next() else { return false };
        self.driven.exceptions.insert(it.id.clone());
        true
    }

    /// Every element of every change, with what is known before any planning.
    fn fates(&mut self) {
        for (at, concerned) in self.concerned.iter().enumerate() {
            for element in &concerned.there {
                let fate = self.driven.fates.entry(element.clone()).or_default();
                fate.changes.push(at as u32);
            }
            for element in &concerned.due {
                let fate = self.driven.fates.entry(element.clone()).or_default();
                fate.changes.push(at as u32);
            }
            for element in &concerned.unknown {
                let fate = self.driven.fates.entry(element.clone()).or_default();
                fate.changes.push(at as u32);
                fate.outcome = Some(Outcome::Blocked);
                fate.reasons.push(Reason::UnknownFact { element: element.clone(), fact: "id".to_owned() });
            }
        }
        let due: BTreeSet<&ElementId> = self.concerned.iter().flat_map(|it| &it.due).collect();
        for (element, fate) in &mut self.driven.fates {
            if fate.outcome.is_none() && !due.contains(element) {
                fate.outcome = Some(Outcome::NotNeeded);
                fate.reasons.push(Reason::AlreadyThere);
            }
        }
        for (at, concerned) in self.concerned.iter().enumerate() {
            for element in &concerned.there {
                self.complete.insert((at, element.clone()), Some(0));
            }
        }
        let changes = self.request.changes();
        for at in self.levels.cycle.clone() {
            let names = self.levels.cycle.iter().map(|&it| changes[it].id.clone()).collect();
            self.block_change(at, &Reason::Cycle { changes: names });
        }
        for (at, name) in &self.levels.unknown.clone() {
            for element in self.concerned[*at].due.clone() {
                self.block(
                    &element,
                    vec![Reason::EarlierChange { change: name.clone(), element: element.clone() }],
                );
            }
        }
    }

    fn block_change(&mut self, change: usize, reason: &Reason) {
        for element in &self.concerned[change].due {
            self.complete.insert((change, element.clone()), None);
            let fate = self.driven.fates.entry(element.clone()).or_default();
            fate.outcome = Some(Outcome::Blocked);
            fate.reasons.push(reason.clone());
        }
    }

    fn block(&mut self, element: &ElementId, reasons: Vec<Reason>) {
        let fate = self.driven.fates.entry(element.clone()).or_default();
        let deferred = reasons == [Reason::Deferred];
        fate.outcome = Some(if deferred { Outcome::Deferred } else { Outcome::Blocked });
        fate.reasons.extend(reasons);
        for &change in &fate.changes {
            self.complete.entry((change as usize, element.clone())).or_insert(None);
        }
    }

    fn level(&mut self, level: u32) {
        let changes = self.request.changes();
        let at_level: Vec<usize> =
            (0..changes.len()).filter(|&at| self.levels.of[at] == Some(level)).collect();
        for &at in at_level.iter().filter(|&&at| changes[at].layer != Layer::Host) {
            for element in self.concerned[at].due.clone() {
                self.element(at, &changes[at], &element);
            }
        }
        let hosts: Vec<usize> = at_level.into_iter().filter(|&at| changes[at].layer == Layer::Host).collect();
        if !hosts.is_empty() {
            self.hosts(&hosts);
        }
    }

    /// Clusters that stand on an element.
    fn near(&self, layer: Layer, element: &ElementId) -> std::borrow::Cow<'_, [usize]> {
        match self.near.get(&(layer, element.clone())) {
            Some(it) => it.as_slice().into(),
            None => {
                let host = self.facts.host(element.as_str());
                host.map(|it| vec![self.facts.hosts[it as usize].cluster as usize]).unwrap_or_default().into()
            }
        }
    }

    /// When everything is complete that must come before a change of an element; the first that never is.
    fn ready(
        &self,
        change: usize,
        layer: Layer,
        element: &ElementId,
    ) -> Result<(Seconds, Option<Reason>), Reason> {
        let own = self.near(layer, element);
        let (mut ready, mut why) = (0, None);
        for &before in &self.levels.before[change] {
            let other = &self.request.changes()[before];
            let reason =
                |it: &ElementId| Reason::EarlierChange { change: other.id.clone(), element: it.clone() };
            let concerned = &self.concerned[before];
            let same = other.layer == layer;
            let itself = concerned.due.get(element).filter(|_| same);
            let around = concerned
                .due
                .iter()
                .filter(|it| !same && self.near(other.layer, it).iter().any(|it| own.contains(it)));
            for it in itself.into_iter().chain(around) {
                match self.complete.get(&(before, it.clone())) {
                    Some(Some(at)) if *at > ready => (ready, why) = (*at, Some(reason(it))),
                    Some(Some(_)) => {}
                    // Both in one drain.
                    None if same => {}
                    Some(None) | None => return Err(reason(it)),
                }
            }
        }
        Ok((ready, why))
    }

    fn element(&mut self, at: usize, change: &Change, element: &ElementId) {
        if self.driven.fates.get(element).is_some_and(|it| it.outcome.is_some()) {
            return;
        }
        if order::methods(change).first() == Some(&Method::Defer) {
            return self.block(element, vec![Reason::Deferred]);
        }
        let mut work = elements::work(self.request, change, at, element);
        let near = self.near(change.layer, element).into_owned();
        let ids: BTreeSet<ClusterId> = near
            .iter()
            .filter_map(|&it| self.facts.fleet.clusters.get(self.facts.clusters[it].at as usize))
            .map(|it| it.id.clone())
            .collect();
        let (mut from, why) = match self.ready(at, change.layer, element) {
            Ok(it) => it,
            Err(reason) => return self.block(element, vec![reason]),
        };
        work.reasons.extend(why);
        // Nothing else happens in its clusters meanwhile.
        from = near.iter().map(|&it| self.clusters[it].free_at).max().unwrap_or(0).max(from);
        from = from.max(work.durations.stage.p95_s);
        let length = elements::length(&work);
        match elements::opens(self.request, change.layer, element, &ids, from, length) {
            Err(reason) => self.block(element, vec![reason]),
            Ok(start) => {
                if start > from {
                    work.reasons.push(Reason::WindowOpens { tenant: None, at_s: start });
                }
                (work.start, work.end) = (start, start.saturating_add(length));
                for it in near {
                    self.clusters[it].free_at = work.end;
                }
                self.complete.insert((at, element.clone()), Some(work.end));
                let fate = self.driven.fates.entry(element.clone()).or_default();
                fate.outcome = Some(Outcome::Planned);
                fate.reasons.extend(work.reasons.iter().cloned());
                self.driven.elements.push(work);
            }
        }
    }

    /// All changes of hosts at one level, ring by ring.
    fn hosts(&mut self, changes: &[usize]) {
        let mut candidates = self.candidates(changes);
        let rings = self.request.policy.rings.len().max(1);
        let emergency = self.request.profile == Profile::Emergency;
        let rules = self.request.policy.planning.emergency;
        let merged = emergency && rules.merge_rings;
        for it in &candidates {
            let cluster = &mut self.clusters[self.facts.hosts[it.host as usize].cluster as usize];
            let local = (it.host - cluster.rooms.hosts().start) as usize;
            cluster.due[local] = true;
            if it.coordinator {
                self.driven.coordinators.insert(it.host);
            }
        }
        let mut canaries = self.wanted_canaries(&candidates);
        let mut clock: BTreeMap<u32, Soaked> = BTreeMap::new();
        let mut rest: Vec<Candidate> = Vec::new();
        for ring in 0..rings {
            let of_ring = |it: &Candidate| self.facts.hosts[it.host as usize].ring == ring;
            let (mut pending, later): (Vec<Candidate>, Vec<Candidate>) =
                candidates.into_iter().partition(of_ring);
            candidates = later;
            // Where a canary cannot be done, the next of its class takes its place.
            loop {
                let (now, later) = self.take_canaries(pending, &canaries);
                pending = later;
                if now.is_empty() {
                    break;
                }
                let hosts: Vec<Candidate> = now.clone();
                rest.extend(self.stage(now, Some(ring), true, &mut clock));
                for it in hosts.iter().filter(|it| self.driven.by_host.contains_key(&it.host)) {
                    let left = canaries.entry(self.class(it)).or_default();
                    *left = left.saturating_sub(1);
                }
                self.without_coordinator(&mut pending);
                self.without_coordinator(&mut candidates);
            }
            rest.append(&mut pending);
            self.without_coordinator(&mut rest);
            // A class that has none yet sends its first ones ahead; they soak like canaries.
            let (now, later) = self.take_canaries(std::mem::take(&mut rest), &canaries);
            rest = later;
            for it in &now {
                let left = canaries.entry(self.class(it)).or_default();
                *left = left.saturating_sub(1);
            }
            self.stage(now, Some(ring), false, &mut clock);
            if !merged {
                self.stage(std::mem::take(&mut rest), Some(ring), false, &mut clock);
            }
        }
        if merged {
            self.stage(rest, None, false, &mut clock);
        }
    }

    /// Hosts whose coordinator cannot be done cannot be done either.
    fn without_coordinator(&mut self, hosts: &mut Vec<Candidate>) {
        let blocked: BTreeMap<u32, ElementId> = self
            .driven
            .coordinators
            .iter()
            .filter(|it| !self.driven.by_host.contains_key(it))
            .filter_map(|&it| {
                Some((it, underpin_model::plan::element_of(&self.facts.hosts[it as usize].it.id)?))
            })
            .filter(|(_, it)| {
                self.driven.fates.get(it).is_some_and(|it| it.outcome == Some(Outcome::Blocked))
            })
            .map(|(host, it)| (self.facts.hosts[host as usize].cluster, it))
            .collect();
        let cluster = |it: &Candidate| self.facts.hosts[it.host as usize].cluster;
        let (lost, kept) =
            std::mem::take(hosts).into_iter().partition(|it| blocked.contains_key(&cluster(it)));
        *hosts = kept;
        for it in lost as Vec<Candidate> {
            let change = it.hops.first().and_then(|it| self.request.changes().get(it.change as usize));
            let coordinator = blocked.get(&cluster(&it)).cloned();
            let own = underpin_model::plan::element_of(&self.facts.hosts[it.host as usize].it.id);
            if let (Some(change), Some(element), Some(own)) = (change, coordinator, own) {
                self.block(&own, vec![Reason::EarlierChange { change: change.id.clone(), element }]);
            }
        }
    }

    fn class(&self, it: &Candidate) -> Class {
        let mut changes: Vec<u32> = it.hops.iter().map(|it| it.change).collect();
        changes.dedup();
        (changes, self.facts.hosts[it.host as usize].hardware)
    }

    /// Canaries that each class needs: as many as the policy demands, less the hosts of its hardware that have the changes
    /// already.
    fn wanted_canaries(&self, candidates: &[Candidate]) -> BTreeMap<Class, usize> {
        let per_class = self.request.policy.planning.canaries_per_class as usize;
        let mut there: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for (change, concerned) in self.concerned.iter().enumerate() {
            for host in concerned.there.iter().filter_map(|it| self.facts.host(it.as_str())) {
                *there.entry((change as u32, self.facts.hosts[host as usize].hardware)).or_default() += 1;
            }
        }
        let known = |class: &Class| {
            class.0.iter().map(|it| there.get(&(*it, class.1)).copied().unwrap_or(0)).min().unwrap_or(0)
        };
        candidates
            .iter()
            .map(|it| self.class(it))
            .map(|it| (per_class.saturating_sub(known(&it)), it))
            .map(|(n, it)| (it, n))
            .collect()
    }

    /// The canaries among the hosts of a ring: coordinators, and of each class that still needs some those with the fewest
    /// guests. Hosts behind a coordinator that is still to come are none.
    fn take_canaries(
        &self,
        hosts: Vec<Candidate>,
        wanted: &BTreeMap<Class, usize>,
    ) -> (Vec<Candidate>, Vec<Candidate>) {
        let cluster = |it: &Candidate| self.facts.hosts[it.host as usize].cluster;
        let behind: BTreeSet<u32> = hosts.iter().filter(|it| it.coordinator).map(cluster).collect();
        let guests = |it: &Candidate| self.clusters[cluster(it) as usize].rooms.guests_on(it.host).len();
        let mut order: Vec<usize> = (0..hosts.len()).collect();
        order.sort_by_key(|&at| (!hosts[at].coordinator, guests(&hosts[at]), hosts[at].host));
        let mut left = wanted.clone();
        let mut chosen: BTreeSet<usize> = BTreeSet::new();
        for at in order {
            let it = &hosts[at];
            let Some(left) = left.get_mut(&self.class(it)) else { continue };
            if it.coordinator || (*left > 0 && !behind.contains(&cluster(it))) {
                *left = left.saturating_sub(1);
                chosen.insert(at);
            }
        }
        let mut parts = (Vec::new(), Vec::new());
        for (at, it) in hosts.into_iter().enumerate() {
            if chosen.contains(&at) { parts.0.push(it) } else { parts.1.push(it) }
        }
        parts
    }

    fn candidates(&mut self, changes: &[usize]) -> Vec<Candidate> {
        let facts = self.facts;
        let mut candidates = Vec::new();
        for host in 0..facts.hosts.len() as u32 {
            let Some(element) = underpin_model::plan::element_of(&facts.hosts[host as usize].it.id) else {
                continue;
            };
            let own: Vec<usize> =
                changes.iter().copied().filter(|&it| self.concerned[it].due.contains(&element)).collect();
            if own.is_empty() || self.driven.fates.get(&element).is_some_and(|it| it.outcome.is_some()) {
                continue;
            }
            match self.candidate(host, &element, &own) {
                Ok(candidate) => candidates.push(candidate),
                Err(reasons) => self.block(&element, reasons),
            }
        }
        self.by_urgency(&mut candidates);
        candidates
    }

    fn candidate(&mut self, host: u32, element: &ElementId, own: &[usize]) -> Result<Candidate, Vec<Reason>> {
        let facts = self.facts;
        let all = self.request.changes();
        let it = &facts.hosts[host as usize];
        let mut own = own.to_vec();
        // Changes that come after one another keep that order within the drain.
        own.sort_by_key(|&at| (own_depth(&self.levels, at), at));
        let mut ready = 0;
        for &change in &own {
            ready = ready.max(self.ready(change, Layer::Host, element).map_err(|it| vec![it])?.0);
        }
        self.standing(it.cluster as usize, host)?;
        let mut hops = Vec::new();
        let mut release = it.release;
        let mut resize = [0, 0];
        for &change in &own {
            let target = &all[change].to;
            let running = it.it.platform.as_ref().and_then(|it| it.release.as_deref());
            let reboot = !matches!(target, Target::Setting { reboot: false, .. });
            let names = order::hops(&all[change], running);
            hops.extend((0..names.len() as u32).map(|hop| Hop { change: change as u32, hop, reboot }));
            if let (Target::Release { release: to, .. }, Some(platform)) = (target, &it.it.platform) {
                release = facts.rank(&platform.family, to);
            }
            if let (Some(after), Some(before)) = (all[change].capacity_after, it.capacity) {
                let memory = after.memory_mib.unwrap_or(before[0]);
                let vcpus = after.vcpus.map_or(before[1], u64::from);
                let by = |after: u64, before: u64| {
                    i64::try_from(after).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(i64::MAX)
                };
                resize = [by(memory, before[0]), by(vcpus, before[1])];
            }
        }
        let methods = self.methods(host, &own, &mut hops)?;
        Ok(Candidate {
            host,
            ready,
            methods,
            hops,
            release,
            resize,
            coordinator: it.coordinator,
            priority: 0.0,
        })
    }

    /// Ways that every change of a host allows, in the first one's order of preference.
    fn methods(
        &self,
        host: u32,
        own: &[usize],
        hops: &mut [Hop],
    ) -> Result<Vec<(Method, underpin_model::policy::Durations)>, Vec<Reason>> {
        let all = self.request.changes();
        let lists: Vec<Vec<Method>> = own.iter().map(|&it| order::methods(&all[it])).collect();
        let first = lists.first().cloned().unwrap_or_default();
        let common: Vec<Method> =
            first.into_iter().filter(|it| lists.iter().all(|list| list.contains(it))).collect();
        // Without a method that all allow, the one that can do everything.
        let common = if common.is_empty() { vec![Method::EvacuateReboot] } else { common };
        if common.first() == Some(&Method::Defer) {
            return Err(vec![Reason::Deferred]);
        }
        if common.first() == Some(&Method::LivePatch) {
            hops.iter_mut().for_each(|it| it.reboot = false);
        }
        let durations = |method: Method| {
            let own = own.iter().find_map(|&it| all[it].durations);
            own.unwrap_or_else(|| self.facts.durations.of(self.facts.hosts[host as usize].it, method))
        };
        Ok(common.into_iter().filter(|it| *it != Method::Defer).map(|it| (it, durations(it))).collect())
    }

    /// The cluster and its storage can lose a host as they stand.
    fn standing(&mut self, cluster: usize, host: u32) -> Result<(), Vec<Reason>> {
        let facts = self.facts;
        let own = facts.fleet.clusters.get(facts.clusters[cluster].at as usize);
        if let Some(it) = own.filter(|it| it.degraded == Some(true))
            && !self.excepted(Rule::Degraded, cluster)
        {
            return Err(vec![Reason::Degraded { cluster: it.id.clone() }]);
        }
        let reached = &facts.hosts[host as usize].it.reach.storage;
        let used = |id: &underpin_model::id::StorageId| {
            reached.contains(id) || own.is_some_and(|it| it.storage.contains(id))
        };
        let bad = |it: &&underpin_model::fleet::Storage| {
            matches!(it.redundancy, Some(Redundancy::Degraded | Redundancy::Rebuilding)) && used(&it.id)
        };
        match facts.fleet.storage.iter().find(bad) {
            Some(it) if !self.excepted(Rule::StorageRedundancy, cluster) => {
                Err(vec![Reason::StorageRedundancy { storage: it.id.clone() }])
            }
            _ => Ok(()),
        }
    }

    /// The parent's order where there is one; then most loss per hour of work; then fewest guests, since those of the first wave
    /// move twice.
    fn by_urgency(&self, candidates: &mut [Candidate]) {
        let parent = self.parent_starts();
        for it in candidates.iter_mut() {
            let facts = &self.facts.hosts[it.host as usize];
            if let Some(&start) = parent.get(facts.it.id.as_str()) {
                it.ready = it.ready.max(start);
            }
        }
        let key = |it: &Candidate| {
            let facts = &self.facts.hosts[it.host as usize];
            let start = parent.get(facts.it.id.as_str()).copied().unwrap_or(Seconds::MAX);
            let gain = facts.loss_per_day / f64::from(path_s(it).max(1));
            let guests = self.clusters[facts.cluster as usize].rooms.guests_on(it.host).len();
            (start, gain, guests, it.host)
        };
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (key(&candidates[a]), key(&candidates[b]));
            a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)).then(a.3.cmp(&b.3))
        });
        for (rank, at) in order.into_iter().enumerate() {
            candidates[at].priority = rank as f64;
        }
    }

    /// When the parent plan touches each host first, in seconds of this plan; hosts that it has begun already are at once.
    fn parent_starts(&self) -> BTreeMap<&str, Seconds> {
        let mut starts = BTreeMap::new();
        let Some(parent) = &self.request.parent else { return starts };
        let shift = self.request.starts_at.as_second() - parent.plan.starts_at.as_second();
        for step in parent.plan.steps.iter().filter(|it| it.kind.touches()) {
            let Some(subject) = &step.subject else { continue };
            let at = (i64::from(step.start_s) - shift).clamp(0, i64::from(Seconds::MAX)) as Seconds;
            let entry = starts.entry(subject.as_str()).or_insert(at);
            *entry = (*entry).min(at);
        }
        starts
    }

    fn stage(
        &mut self,
        candidates: Vec<Candidate>,
        ring: Option<usize>,
        canary: bool,
        clock: &mut BTreeMap<u32, Soaked>,
    ) -> Vec<Candidate> {
        if candidates.is_empty() {
            return Vec::new();
        }
        if canary {
            self.on_target(&candidates);
        }
        let mut by_cluster: BTreeMap<u32, Vec<Candidate>> = BTreeMap::new();
        for mut it in candidates {
            let soaked =
                it.hops.iter().filter_map(|hop| clock.get(&hop.change)).max_by_key(|it| it.0).cloned();
            if let Some((until, ring)) = soaked.filter(|(until, _)| *until > it.ready) {
                it.ready = until;
                self.driven.waited.insert(it.host, (ring, until));
            }
            by_cluster.entry(self.facts.hosts[it.host as usize].cluster).or_default().push(it);
        }
        let stage = self.driven.stages.len();
        // Where rings were merged nothing comes after.
        self.driven.stages.push(ring.map_or(0, |it| self.soak(it)));
        let mut by_host: BTreeMap<u32, Candidate> = if canary {
            by_cluster.values().flatten().map(|it| (it.host, it.clone())).collect()
        } else {
            BTreeMap::new()
        };
        let results = search::stages(
            self.request,
            &self.shared,
            &mut self.clusters,
            &mut self.couplings,
            by_cluster,
            canary,
        );
        let mut next = clock.clone();
        let mut again = Vec::new();
        for (cluster, staged) in results {
            for (host, reasons) in staged.blocked {
                // What only a canary cannot do, it may do with the rest of its ring.
                if canary && !reasons.iter().any(lasting) {
                    again.extend(by_host.remove(&host));
                    continue;
                }
                if let Some(element) =
                    underpin_model::plan::element_of(&self.facts.hosts[host as usize].it.id)
                {
                    self.block(&element, reasons);
                }
            }
            for wave in staged.waves {
                let soak =
                    wave.works.iter().map(|it| self.soak(self.facts.hosts[it.host as usize].ring)).max();
                let soak_until = wave.end.saturating_add(soak.unwrap_or(0));
                let name =
                    ring.and_then(|ring| self.request.policy.rings.get(ring)).map(|it| it.name.clone());
                self.planned(&wave, &(soak_until, name), &mut next);
                self.driven.waves.push(HostWave { cluster, stage, ring, canary, soak_until, staged: wave });
            }
        }
        *clock = next;
        for it in &mut self.clusters {
            it.soaking.fill(false);
        }
        again
    }

    /// While canaries soak, hosts that had their release before count like them: an application is to have a guest elsewhere.
    fn on_target(&mut self, candidates: &[Candidate]) {
        for it in candidates {
            let cluster = &mut self.clusters[self.facts.hosts[it.host as usize].cluster as usize];
            for (local, host) in cluster.rooms.hosts().enumerate() {
                if it.release.is_some() && cluster.rooms.release_of(host) == it.release {
                    cluster.soaking[local] = true;
                }
            }
        }
    }

    fn planned(&mut self, wave: &StagedWave, soaked: &Soaked, clock: &mut BTreeMap<u32, Soaked>) {
        for (work, times) in wave.works.iter().zip(&wave.times) {
            let Some(element) = underpin_model::plan::element_of(&self.facts.hosts[work.host as usize].it.id)
            else {
                continue;
            };
            let end = wave.start.saturating_add(times.end);
            for hop in &work.hops {
                self.complete.insert((hop.change as usize, element.clone()), Some(end));
                let until = clock.entry(hop.change).or_insert_with(|| soaked.clone());
                if soaked.0 > until.0 {
                    until.clone_from(soaked);
                }
            }
            self.driven.by_host.insert(work.host, self.driven.waves.len());
            let fate = self.driven.fates.entry(element).or_default();
            fate.outcome = Some(Outcome::Planned);
        }
    }

    /// Soak of a ring in seconds.
    fn soak(&self, ring: usize) -> Seconds {
        let days = self.request.policy.rings.get(ring).map_or(0.0, |it| it.soak.get());
        let factor = match self.request.profile {
            Profile::Normal => 1.0,
            Profile::Emergency => self.request.policy.planning.emergency.soak_factor,
        };
        (days * factor * 86_400.0).ceil().clamp(0.0, f64::from(u32::MAX / 2)) as Seconds
    }
}

/// How many changes of hosts come before a change, one after the other.
fn own_depth(levels: &Levels, at: usize) -> usize {
    fn depth(levels: &Levels, at: usize, left: usize) -> usize {
        if left == 0 {
            return 0;
        }
        levels.before[at].iter().map(|&it| 1 + depth(levels, it, left - 1)).max().unwrap_or(0)
    }
    depth(levels, at, levels.before.len())
}
