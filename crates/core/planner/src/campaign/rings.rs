//! Hosts ring by ring: canaries and their soak, then the others of the ring, then the next ring.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::id::ElementId;
use underpin_model::plan::{Outcome, Reason};

use super::canaries::Risk;
use super::coupled::{self, Limits};
use super::drive::{Class, Drive, Fate, HostWave};
use super::search;
use super::soaks::{Role, Soaks};
use super::stage::{Candidate, Staged, StagedWave, lasting};
use super::timing::Work;

/// A host that a stage could not do, and why.
type Undone = (Candidate, Vec<Reason>);

impl Drive<'_, '_> {
    /// All changes of hosts at one level, ring by ring.
    pub(super) fn hosts(&mut self, changes: &[usize]) {
        let mut candidates = self.candidates(changes);
        let merged = self.merges;
        for it in &candidates {
            let cluster = &mut self.clusters[self.facts.hosts[it.host as usize].cluster as usize];
            let local = (it.host - cluster.rooms.hosts().start) as usize;
            cluster.due[local] = true;
            if it.coordinator {
                self.driven.coordinators.insert(it.host);
            }
        }
        self.blocked_coordinators(changes);
        let mut canaries = self.wanted_canaries(&candidates);
        let risks = self.risks(&candidates);
        self.driven.canaries.extend(canaries.iter().map(|(class, wanted)| (class.clone(), *wanted)));
        self.to_try = canaries.iter().filter(|it| *it.1 > 0).flat_map(|it| it.0.0.iter().copied()).collect();
        let of_coordinators = candidates.iter().filter(|it| it.coordinator);
        self.to_try.extend(of_coordinators.flat_map(|it| it.hops.iter().map(|hop| hop.change)));
        self.driven.soaking.extend(self.soaking(changes));
        self.out_of_service(&mut candidates);
        self.without_hopeless(&mut candidates, &canaries);
        let mut soaks = Soaks::default();
        let mut rest: Vec<Candidate> = Vec::new();
        let mut behind: Vec<(usize, Vec<Undone>)> = Vec::new();
        let mut begun = None;
        for (place, ring) in self.places(&candidates) {
            let (mut pending, later): (Vec<Candidate>, Vec<Candidate>) =
                candidates.into_iter().partition(|it| place.contains(&it.host));
            candidates = later;
            if begun.replace(ring).is_none_or(|it| it != ring) {
                self.soak_on(ring, &mut soaks);
            }
            // Where a canary cannot be done, the next of its class takes its place.
            loop {
                let (now, later) = self.take_canaries(pending, &canaries, &risks, &|it, hardware| {
                    soaks.until(Role::Canary, it, hardware)
                });
                pending = later;
                if now.is_empty() {
                    break;
                }
                let hosts: Vec<Candidate> = now.clone();
                let undone = self.stage(now, Some(ring), Role::Canary, &mut soaks);
                rest.extend(undone.into_iter().map(|it| it.0));
                self.count_down(&hosts, &mut canaries);
                self.without_coordinator(&mut pending);
                self.without_coordinator(&mut candidates);
            }
            rest.append(&mut pending);
            self.without_coordinator(&mut rest);
            if merged {
                let late = self.firsts(&mut rest, ring, &mut canaries, &risks, &mut soaks);
                behind.extend((!late.is_empty()).then_some((ring, late)));
            } else {
                let rest = std::mem::take(&mut rest);
                self.others(rest, (ring, Some(ring)), &mut canaries, &risks, &mut soaks);
                soaks.next_ring();
            }
        }
        if merged {
            self.stage(rest, None, Role::Rest, &mut soaks);
            for (ring, late) in behind {
                let late = late.into_iter().map(|it| it.0).collect();
                self.others(late, (ring, None), &mut canaries, &risks, &mut soaks);
            }
        }
        let untried: Vec<u32> = self.to_try.iter().copied().filter(|it| !self.is_tried(*it)).collect();
        self.driven.untried.extend(untried);
    }

    /// The rest of a ring. A class whose first ones find no room goes after all others, whose rollout moves guests; with the ring that they
    /// are of, and the one that their waves are told as.
    fn others(
        &mut self,
        mut rest: Vec<Candidate>,
        (ring, told): (usize, Option<usize>),
        canaries: &mut BTreeMap<Class, usize>,
        risks: &BTreeMap<Class, Risk>,
        soaks: &mut Soaks,
    ) {
        loop {
            let done = self.driven.by_host.len();
            let late = self.firsts(&mut rest, ring, canaries, risks, soaks);
            self.stage(std::mem::take(&mut rest), told, Role::Rest, soaks);
            if self.driven.by_host.len() == done {
                late.into_iter().for_each(|(it, reasons)| self.block_host(it.host, reasons));
                return;
            }
            if late.is_empty() {
                return;
            }
            rest = late.into_iter().map(|it| it.0).collect();
            self.without_coordinator(&mut rest);
        }
    }

    /// A class that has no canary yet sends its first ones ahead, after the canaries of others have soaked. Without any canary they are the
    /// first of all, and what a canary must not do holds for them; where one of these cannot be done, the next takes its place.
    ///
    /// Gives back classes of which nobody could go ahead; another host of a class that has its first ones goes with the rest.
    fn firsts(
        &mut self,
        rest: &mut Vec<Candidate>,
        ring: usize,
        canaries: &mut BTreeMap<Class, usize>,
        risks: &BTreeMap<Class, Risk>,
        soaks: &mut Soaks,
    ) -> Vec<Undone> {
        let mut undone: Vec<Undone> = Vec::new();
        loop {
            let (now, later) = self.take_canaries(std::mem::take(rest), canaries, risks, &|it, hardware| {
                soaks.until(Role::First, it, hardware)
            });
            *rest = later;
            let (now, first): (Vec<Candidate>, Vec<Candidate>) =
                now.into_iter().partition(|it| self.has_canary(it));
            let is_over = first.is_empty();
            let hosts: Vec<Candidate> = first.clone();
            for (it, reasons) in self.stage(first, Some(ring), Role::Canary, soaks) {
                self.block_host(it.host, reasons);
            }
            self.count_down(&hosts, canaries);
            let hosts: Vec<Candidate> = now.clone();
            undone.extend(self.stage(now, Some(ring), Role::First, soaks));
            self.count_down(&hosts, canaries);
            if is_over && hosts.is_empty() {
                break;
            }
        }
        let has_first = |it: &Undone| canaries.get(&self.class(&it.0)).is_none_or(|wanted| *wanted == 0);
        let (others, late): (Vec<Undone>, Vec<Undone>) = undone.into_iter().partition(has_first);
        rest.extend(others.into_iter().map(|it| it.0));
        late
    }

    /// Hosts that are out of service come first, since they count as away until they are changed: nobody waits for their soak, and no canary is
    /// among them.
    fn out_of_service(&mut self, candidates: &mut Vec<Candidate>) {
        let facts = self.facts;
        let (now, later): (Vec<Candidate>, Vec<Candidate>) =
            std::mem::take(candidates).into_iter().partition(|it| facts.out_of_service(it.host));
        *candidates = later;
        let mut by_ring: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
        now.into_iter()
            .for_each(|it| by_ring.entry(facts.hosts[it.host as usize].ring).or_default().push(it));
        for (ring, hosts) in by_ring {
            self.stage(hosts, Some(ring), Role::Rest, &mut Soaks::default());
        }
    }

    /// Hosts that come at one place in the order, with the ring whose place it is. In a pool whose coordinator is in a later ring than
    /// others these come in that ring as well, after the coordinator and in the order of their own rings.
    fn places(&self, candidates: &[Candidate]) -> Vec<(BTreeSet<u32>, usize)> {
        let of = |it: &Candidate| &self.facts.hosts[it.host as usize];
        let mut first: BTreeMap<u32, usize> = BTreeMap::new();
        for it in candidates {
            let earliest = first.entry(of(it).cluster).or_insert(usize::MAX);
            *earliest = (*earliest).min(of(it).own_ring);
        }
        let rings = 0..self.request.policy.rings.len().max(1);
        let mut places: BTreeMap<(usize, usize), BTreeSet<u32>> =
            rings.map(|ring| ((ring, ring), BTreeSet::new())).collect();
        for it in candidates {
            let own = if it.coordinator { first.get(&of(it).cluster).copied() } else { None };
            let own = own.unwrap_or(of(it).own_ring);
            places.entry((of(it).ring, own.min(of(it).ring))).or_default().insert(it.host);
        }
        places.into_iter().map(|((ring, _), hosts)| (hosts, ring)).collect()
    }

    /// Somebody tried one of its changes as a canary.
    fn has_canary(&self, it: &Candidate) -> bool {
        it.hops.iter().any(|own| self.is_tried(own.change))
    }

    fn is_tried(&self, change: u32) -> bool {
        let canaries = self.driven.waves.iter().filter(|it| it.canary);
        canaries.flat_map(|it| &it.staged.works).any(|work| work.hops.iter().any(|it| it.change == change))
    }

    /// Hosts that would have to try a change and cannot are left out, for the reasons that were found.
    fn without_hopeless(&mut self, candidates: &mut Vec<Candidate>, canaries: &BTreeMap<Class, usize>) {
        let Some(before) = self.before else { return };
        let stays = |it: &Candidate| {
            let tries = canaries.get(&self.class(it)).is_some_and(|it| *it > 0);
            !(tries && it.hops.iter().any(|it| self.is_hopeless(it.change)))
        };
        let (kept, left): (Vec<Candidate>, Vec<Candidate>) =
            std::mem::take(candidates).into_iter().partition(stays);
        *candidates = kept;
        for it in left {
            let element = underpin_model::plan::element_of(&self.facts.hosts[it.host as usize].it.id);
            let Some((element, fate)) = element.and_then(|it| Some((it.clone(), before.fates.get(&it)?)))
            else {
                continue;
            };
            self.block(&element, fate.reasons.clone());
        }
    }

    /// Canaries that were done are no longer wanted.
    fn count_down(&self, hosts: &[Candidate], canaries: &mut BTreeMap<Class, usize>) {
        for it in hosts.iter().filter(|it| self.driven.by_host.contains_key(&it.host)) {
            let left = canaries.entry(self.class(it)).or_default();
            *left = left.saturating_sub(1);
        }
    }

    /// Coordinators that were to get one of the changes, and cannot.
    fn blocked_coordinators(&mut self, changes: &[usize]) {
        for (host, it) in (0..).zip(&self.facts.hosts).filter(|it| it.1.coordinator) {
            let Some(element) = underpin_model::plan::element_of(&it.it.id) else { continue };
            let due =
                changes.iter().filter_map(|&it| self.concerned.get(it)).any(|it| it.due.contains(&element));
            if due && self.driven.fates.get(&element).is_some_and(Fate::is_left_out) {
                self.driven.coordinators.insert(host);
            }
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
            .filter(|(_, it)| self.driven.fates.get(it).is_some_and(Fate::is_left_out))
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

    fn stage(
        &mut self,
        mut candidates: Vec<Candidate>,
        ring: Option<usize>,
        role: Role,
        soaks: &mut Soaks,
    ) -> Vec<Undone> {
        self.without_coordinator(&mut candidates);
        if candidates.is_empty() {
            return Vec::new();
        }
        let canary = role == Role::Canary;
        let cluster = |it: &Candidate| self.facts.hosts[it.host as usize].cluster;
        // What a canary must not do, nobody of its cluster does before one has tried the change.
        let untried = |it: &&Candidate| canary || it.hops.iter().any(|hop| self.is_untried(hop.change));
        let tries: BTreeSet<u32> = candidates.iter().filter(untried).map(cluster).collect();
        self.on_target(candidates.iter().filter(|it| tries.contains(&cluster(it))));
        let mut by_cluster: BTreeMap<u32, Vec<Candidate>> = BTreeMap::new();
        for mut it in candidates {
            let hardware = self.facts.hosts[it.host as usize].hardware;
            let soaked = it.hops.iter().filter_map(|hop| soaks.until(role, hop.change, hardware));
            if let Some((until, ring)) = soaked.max_by_key(|it| it.0).filter(|soaked| soaked.0 > it.waits) {
                it.ready = it.ready.max(*until);
                self.driven.waited.insert(it.host, (ring.clone(), *until));
            }
            by_cluster.entry(self.facts.hosts[it.host as usize].cluster).or_default().push(it);
        }
        self.anchor(&by_cluster, &tries);
        let stage = self.driven.stages;
        self.driven.stages += 1;
        let mut by_host: BTreeMap<u32, Candidate> =
            by_cluster.values().flatten().map(|it| (it.host, it.clone())).collect();
        let results = self.searched(stage, by_cluster, &tries);
        let (mut again, mut behind) = (Vec::new(), Vec::new());
        for (cluster, staged) in results {
            for (host, reasons) in staged.blocked {
                // It was not even tried: its coordinator could not be done.
                if reasons.is_empty() && !canary {
                    behind.extend(by_host.remove(&host));
                    continue;
                }
                // What only a canary cannot do, it may do with the rest of its ring; first ones of a class, after the others.
                if role != Role::Rest && !reasons.iter().any(lasting) {
                    again.extend(by_host.remove(&host).map(|it| (it, reasons)));
                    continue;
                }
                self.block_host(host, reasons);
            }
            for wave in staged.waves {
                let changed = || wave.works.iter().filter(|it| !it.hops.is_empty());
                let soak =
                    changed().map(|it| self.request.soak_s(self.facts.hosts[it.host as usize].ring)).max();
                let canary = canary && changed().next().is_some();
                let soak_until = wave.end.saturating_add(soak.unwrap_or(0));
                let name =
                    ring.and_then(|ring| self.request.policy.rings.get(ring)).map(|it| it.name.clone());
                self.planned(&wave);
                for work in &wave.works {
                    let hardware = self.facts.hosts[work.host as usize].hardware;
                    for hop in &work.hops {
                        soaks.add(role, hop.change, hardware, &(soak_until, name.clone()));
                    }
                }
                self.driven.waves.push(HostWave { cluster, stage, ring, canary, soak_until, staged: wave });
            }
        }
        for it in &mut self.clusters {
            it.soaking.fill(false);
        }
        self.without_coordinator(&mut behind);
        behind.into_iter().for_each(|it| self.block_host(it.host, Vec::new()));
        again
    }

    fn block_host(&mut self, host: u32, reasons: Vec<Reason>) {
        if let Some(element) = underpin_model::plan::element_of(&self.facts.hosts[host as usize].it.id) {
            self.block(&element, reasons);
        }
    }

    /// Plans one stage of every cluster that has candidates.
    fn searched(
        &mut self,
        stage: usize,
        candidates: BTreeMap<u32, Vec<Candidate>>,
        tries: &BTreeSet<u32>,
    ) -> Vec<(u32, Staged)> {
        if !self.couplings.bind {
            return search::stages(self.request, &self.shared, &mut self.clusters, candidates, tries);
        }
        let given = self.sequence.map(|it| it.at(stage));
        let limits = Limits { clusters: &mut self.clusters, couplings: &mut self.couplings };
        let (order, results) =
            coupled::stages(self.request, &self.shared, limits, &candidates, tries, given.as_ref());
        self.driven.orders.insert(stage, order);
        results
    }

    /// No canary of a change can be done.
    fn is_hopeless(&self, change: u32) -> bool {
        self.before.is_some_and(|it| it.untried.contains(&change))
    }

    /// A canary is to come for a change.
    fn is_untried(&self, change: u32) -> bool {
        self.to_try.contains(&change) && !self.is_hopeless(change) && !self.is_tried(change)
    }

    /// While canaries soak, hosts that had their release before count like them: an application is to have a guest elsewhere.
    fn on_target<'c>(&mut self, candidates: impl Iterator<Item = &'c Candidate>) {
        let mut by_cluster: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for it in candidates {
            let number = self.facts.hosts[it.host as usize].cluster;
            by_cluster.entry(number).or_default().extend(it.hops.iter().map(|it| it.change));
            let cluster = &mut self.clusters[number as usize];
            let becomes = it.becomes(cluster.rooms.release_of(it.host));
            for (local, host) in cluster.rooms.hosts().enumerate() {
                if becomes.is_some() && cluster.rooms.release_of(host) == becomes {
                    cluster.soaking[local] = true;
                }
            }
        }
        self.on_canaries(&by_cluster);
    }

    /// The same of a component or setting, which no release tells: hosts that tried it.
    fn on_canaries(&mut self, tried: &BTreeMap<u32, BTreeSet<u32>>) {
        for wave in self.driven.waves.iter().filter(|it| it.canary) {
            let (Some(changes), Some(cluster)) =
                (tried.get(&wave.cluster), self.clusters.get_mut(wave.cluster as usize))
            else {
                continue;
            };
            let has = |it: &&Work| it.hops.iter().any(|hop| changes.contains(&hop.change));
            for work in wave.staged.works.iter().filter(has) {
                let local = cluster.local(work.host);
                cluster.soaking[local] = true;
            }
        }
    }

    fn planned(&mut self, wave: &StagedWave) {
        for (work, times) in wave.works.iter().zip(&wave.times) {
            let Some(element) = underpin_model::plan::element_of(&self.facts.hosts[work.host as usize].it.id)
            else {
                continue;
            };
            let end = wave.start.saturating_add(times.end);
            for hop in &work.hops {
                self.complete.insert((hop.change as usize, element.clone()), Some(end));
            }
            self.driven.by_host.insert(work.host, self.driven.waves.len());
            let fate = self.driven.fates.entry(element).or_default();
            fate.outcome = Some(Outcome::Planned);
        }
    }
}
