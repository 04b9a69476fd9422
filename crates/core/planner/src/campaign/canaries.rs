//! Canaries: how many each hardware class needs, and which hosts they are.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::Seconds;
use super::couplings::Couplings;
use super::drive::{Class, Drive};
use super::facts::NONE;
use super::leave::mixed;
use super::soaks::Soaked;
use super::stage::{Candidate, Cluster, Shared, path_s};

/// Hosts of a class, beyond those wanted, of which it is planned out when they could be done: the first by when windows open.
const MOST_PROBED: usize = 8;

/// What stands behind a hardware class: the loss per day, the guests and the hosts of all that wait for its canary.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Risk {
    loss_per_day: f64,
    guests: usize,
    hosts: usize,
}

/// The soak that hosts of a hardware class wait for before they get a change.
type Soaks<'s> = &'s dyn Fn(u32, u32) -> Option<&'s Soaked>;

impl Drive<'_, '_> {
    pub(super) fn class(&self, it: &Candidate) -> Class {
        let mut changes: Vec<u32> = it.hops.iter().map(|it| it.change).collect();
        changes.dedup();
        (changes, self.facts.hosts[it.host as usize].hardware)
    }

    /// Canaries that each class needs: as many as the policy demands of its hardware, less the hosts that have the changes already.
    pub(super) fn wanted_canaries(&self, candidates: &[Candidate]) -> BTreeMap<Class, usize> {
        let planning = &self.request.policy.planning;
        // Of each change and hardware: hosts that it is about, and those of them that have it.
        let mut hosts: BTreeMap<(u32, u32), (u32, u32)> = BTreeMap::new();
        for (change, concerned) in (0..).zip(&self.concerned) {
            let there =
                concerned.there.iter().map(|it| (it, 1)).chain(concerned.due.iter().map(|it| (it, 0)));
            for (host, there) in there.filter_map(|(it, there)| Some((self.facts.host(it.as_str())?, there)))
            {
                let count = hosts.entry((change, self.facts.hosts[host as usize].hardware)).or_default();
                *count = (count.0 + 1, count.1 + there);
            }
        }
        let wanted = |class: &Class| {
            let of = class.0.iter().filter_map(|it| hosts.get(&(*it, class.1)));
            of.map(|(all, there)| planning.canaries_of(*all).saturating_sub(*there)).max().unwrap_or(0)
        };
        candidates
            .iter()
            .map(|it| self.class(it))
            .map(|it| (wanted(&it) as usize, it))
            .map(|(n, it)| (it, n))
            .collect()
    }

    /// What stands behind each class.
    pub(super) fn risks(&self, candidates: &[Candidate]) -> BTreeMap<Class, Risk> {
        let mut risks: BTreeMap<Class, Risk> = BTreeMap::new();
        for it in candidates {
            let host = &self.facts.hosts[it.host as usize];
            let guests = self.clusters[host.cluster as usize].rooms.guests_on(it.host).len();
            let risk = risks.entry(self.class(it)).or_default();
            risk.loss_per_day += host.loss_per_day;
            (risk.guests, risk.hosts) = (risk.guests + guests, risk.hosts + 1);
        }
        risks
    }

    /// The canaries among the hosts of a ring: coordinators, and of each class that still needs some those that can be done soonest,
    /// since all others wait for them; among equals those with the fewest guests. Hosts behind a coordinator that is still to come
    /// are none. The class with most behind it goes first.
    pub(super) fn take_canaries(
        &self,
        hosts: Vec<Candidate>,
        wanted: &BTreeMap<Class, usize>,
        risks: &BTreeMap<Class, Risk>,
        soaked: Soaks<'_>,
    ) -> (Vec<Candidate>, Vec<Candidate>) {
        let cluster = |it: &Candidate| self.facts.hosts[it.host as usize].cluster;
        let undone = self.driven.coordinators.iter().filter(|it| !self.driven.by_host.contains_key(it));
        let behind: BTreeSet<u32> = undone.map(|&it| self.facts.hosts[it as usize].cluster).collect();
        let mut left = wanted.clone();
        let mut chosen: BTreeSet<u32> = BTreeSet::new();
        let mut classes: BTreeMap<Class, Vec<&Candidate>> = BTreeMap::new();
        for it in &hosts {
            let class = self.class(it);
            if it.coordinator {
                left.entry(class).and_modify(|left| *left = left.saturating_sub(1));
                chosen.insert(it.host);
            } else if !behind.contains(&cluster(it)) && !self.facts.out_of_service(it.host) {
                classes.entry(class).or_default().push(it);
            }
        }
        for (class, hosts) in classes {
            let left = left.get(&class).copied().unwrap_or(0);
            chosen.extend(self.soonest(hosts, left, soaked));
        }
        self.make_way(&hosts, &behind, &mut chosen);
        let (mut now, later): (Vec<Candidate>, Vec<Candidate>) =
            hosts.into_iter().partition(|it| chosen.contains(&it.host));
        let risk = |it: &Candidate| risks.get(&self.class(it)).copied().unwrap_or_default();
        now.sort_by(|a, b| {
            let (one, two) = (risk(a), risk(b));
            (a.ready.cmp(&b.ready))
                .then(two.loss_per_day.total_cmp(&one.loss_per_day))
                .then((two.guests, two.hosts).cmp(&(one.guests, one.hosts)))
                .then(a.priority.total_cmp(&b.priority))
        });
        // Their turns among all are kept: one that cannot go ahead goes with the others.
        let mut turns: Vec<f64> = now.iter().map(|it| it.priority).collect();
        turns.sort_by(f64::total_cmp);
        now.iter_mut().zip(turns).for_each(|(it, turn)| it.priority = turn);
        (now, later)
    }

    /// Until hosts in maintenance that use up the limit of hosts away are changed no canary of their cluster can be. They go with the
    /// canaries that wait for them, and where one of these is of their class, in its place; `behind`: pools whose coordinator is to come.
    fn make_way(&self, hosts: &[Candidate], behind: &BTreeSet<u32>, chosen: &mut BTreeSet<u32>) {
        let cluster = |it: &Candidate| self.facts.hosts[it.host as usize].cluster;
        let runs = |it: &&Candidate| !self.facts.in_maintenance(it.host);
        let waiting: BTreeSet<u32> =
            hosts.iter().filter(|it| chosen.contains(&it.host)).filter(runs).map(cluster).collect();
        for it in hosts.iter().filter(|it| waiting.contains(&cluster(it)) && !behind.contains(&cluster(it))) {
            let of = &self.clusters[cluster(it) as usize];
            let away = of.maintenance.iter().filter(|it| **it).count();
            if away < of.most || !of.maintenance[of.local(it.host)] || !chosen.insert(it.host) {
                continue;
            }
            let class = self.class(it);
            let alike =
                |it: &&Candidate| chosen.contains(&it.host) && !it.coordinator && self.class(it) == class;
            let spared = hosts.iter().rev().filter(runs).find(alike).map(|it| it.host);
            spared.map(|it| chosen.remove(&it));
        }
    }

    /// So many hosts of one class that can be done soonest: what starts within a path of the first is as soon. A host that carries
    /// what steers the roll-out is the last choice.
    fn soonest(&self, hosts: Vec<&Candidate>, wanted: usize, soaked: Soaks<'_>) -> Vec<u32> {
        if wanted == 0 {
            return Vec::new();
        }
        let cluster = |it: &Candidate| &self.clusters[self.facts.hosts[it.host as usize].cluster as usize];
        let slack = hosts.iter().map(|it| path_s(it)).max().unwrap_or(0).max(1);
        let key = |it: &Candidate, at: Seconds| {
            let guests = cluster(it).rooms.guests_on(it.host);
            let steers = guests.iter().any(|&it| self.facts.guests[it as usize].controller);
            // By dice whoever is as soon: who goes first decides where others find room.
            let thrown = cluster(it).salt.filter(|salt| salt.is_multiple_of(2));
            let thrown = thrown.map_or(0, |salt| mixed(salt ^ u64::from(it.host)));
            (steers, at / slack, thrown, guests.len(), it.host)
        };
        // When each may go: its change is to soak elsewhere first.
        let waits = |it: &Candidate| {
            let hardware = self.facts.hosts[it.host as usize].hardware;
            let soaks = it.hops.iter().filter_map(|hop| Some(soaked(hop.change, hardware)?.0));
            Candidate { ready: soaks.max().unwrap_or(0).max(it.ready), ..it.clone() }
        };
        let mut hosts: Vec<Candidate> = hosts.into_iter().map(waits).collect();
        hosts.sort_by_cached_key(|it| key(it, cluster(it).opens(&self.shared, it, cluster(it).ready(it))));
        hosts.truncate(wanted.saturating_add(MOST_PROBED));
        let probed = hosts.iter().map(|it| (it, cluster(it).probe(&self.shared, &self.couplings, it)));
        let mut probed: Vec<(&Candidate, Seconds)> = probed.collect();
        let first = probed.iter().map(|it| it.1).min().unwrap_or(0);
        probed.sort_by_cached_key(|&(it, at)| key(it, at - first));
        probed.into_iter().take(wanted).map(|it| it.0.host).collect()
    }
}

impl<'f, 'a> Cluster<'f, 'a> {
    fn ready(&self, candidate: &Candidate) -> Seconds {
        candidate.ready.max(self.free_at)
    }

    /// When a host could be done as a canary if it were the next of its cluster; the end of time: not by itself.
    fn probe(&self, shared: &Shared<'f, 'a>, couplings: &Couplings, candidate: &Candidate) -> Seconds {
        let now = self.ready(candidate);
        if !self.is_timed(shared, candidate) {
            return now;
        }
        let mut then = self.clone();
        let draft =
            then.draft(shared, couplings, std::slice::from_ref(candidate), now, true, &mut BTreeMap::new());
        if draft.works.is_empty() { Seconds::MAX } else { draft.start }
    }

    /// Windows, consents or locks may hold a host back.
    fn is_timed(&self, shared: &Shared<'f, 'a>, candidate: &Candidate) -> bool {
        let timed = |&guest: &u32| {
            let vm = self.rooms.facts.guests[guest as usize].it;
            shared.calendar.guest_number(guest) != NONE || !vm.locks.is_empty() || shared.answers.change(vm)
        };
        shared.calendar.host(candidate.host).is_some()
            || self.rooms.guests_on(candidate.host).iter().any(timed)
    }
}
