//! Hosts with a change to come: what is done to each, in which ways, from when on, and whose turn is first.

use std::collections::BTreeMap;

use underpin_model::change::{Change, Layer, Method, Target};
use underpin_model::fleet::Redundancy;
use underpin_model::id::ElementId;
use underpin_model::plan::{Reason, Rule};

use super::calendar::Seconds;
use super::drive::Drive;
use super::order::{self, Levels};
use super::room::{self, KINDS, signed};
use super::stage::{Candidate, path_s};
use super::timing::Hop;

impl<'a> Drive<'_, 'a> {
    pub(super) fn candidates(&mut self, changes: &[usize]) -> Vec<Candidate> {
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
        let mut resize = [0; KINDS];
        for &change in &own {
            let target = &all[change].to;
            let reboot = order::takes_reboot(&all[change]);
            let names = order::hops(&all[change], it.it.platform.as_ref());
            hops.extend((0..names.len() as u32).map(|hop| Hop { change: change as u32, hop, reboot }));
            if let (Target::Release { release: to, .. }, Some(platform)) = (target, &it.it.platform) {
                release = facts.rank(&platform.family, to);
            }
            // What a host has in all, that of its suspended guests as well: they keep what they have.
            let whole = it.it.capacity.as_ref().and_then(room::of_host);
            if let (Some(after), Some(before)) = (all[change].capacity_after, whole) {
                let after = room::after(&after, before);
                resize = std::array::from_fn(|it| signed(after[it]) - signed(before[it]));
            }
        }
        let methods = self.methods(host, &own)?;
        let hops = order::one_reboot(&self.levels, hops);
        Ok(Candidate {
            host,
            ready,
            waits: ready,
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
    ) -> Result<Vec<(Method, underpin_model::policy::Durations)>, Vec<Reason>> {
        let all = self.request.changes();
        let changes = || own.iter().map(|&it| &all[it]);
        let ids =
            |which: &dyn Fn(&&Change) -> bool| changes().filter(which).map(|it| it.id.clone()).collect();
        let mut common = order::common_methods(changes());
        if common.is_empty() {
            return Err(vec![Reason::NoCommonMethod { changes: ids(&|_| true) }]);
        }
        common.retain(|&it| changes().all(|change| order::can(change, it)));
        match common.first() {
            None => return Err(vec![Reason::TakesReboot { changes: ids(&|it| order::takes_reboot(it)) }]),
            Some(Method::Defer) => return Err(vec![Reason::Deferred]),
            Some(_) => common.retain(|it| *it != Method::Defer),
        }
        let durations = |method: Method| {
            self.facts.durations.of_drain(self.facts.hosts[host as usize].it, method, changes())
        };
        Ok(common.into_iter().map(|it| (it, durations(it))).collect())
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

    /// The parent's order of waves and within them where there is one; then most loss per hour of work; then fewest guests, since those of the first wave
    /// move twice.
    fn by_urgency(&self, candidates: &mut [Candidate]) {
        let parent = if self.shared.kept.is_some() { self.parent_starts() } else { BTreeMap::new() };
        for it in candidates.iter_mut() {
            let facts = &self.facts.hosts[it.host as usize];
            if let Some(turn) = parent.get(facts.it.id.as_str()) {
                it.ready = it.ready.max(turn.0);
            }
        }
        let key = |it: &Candidate| {
            let facts = &self.facts.hosts[it.host as usize];
            let start = parent.get(facts.it.id.as_str()).copied().unwrap_or((Seconds::MAX, 0));
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

    /// When the parent plan begins with each host, in seconds of this plan, and its place in that wave: the hosts of a wave begin together,
    /// at once where it has begun already.
    pub(super) fn parent_starts(&self) -> BTreeMap<&str, (Seconds, usize)> {
        let mut starts = BTreeMap::new();
        let Some(parent) = &self.request.parent else { return starts };
        let shift = self.request.starts_at.as_second() - parent.plan.starts_at.as_second();
        let mut begins: BTreeMap<u32, Seconds> = BTreeMap::new();
        for step in parent.plan.steps.iter().filter(|it| it.kind.touches()) {
            let at = (i64::from(step.start_s) - shift).clamp(0, i64::from(Seconds::MAX)) as Seconds;
            let first = begins.entry(step.wave).or_insert(at);
            *first = (*first).min(at);
        }
        for wave in &parent.plan.waves {
            let Some(&at) = begins.get(&wave.number) else { continue };
            for (place, element) in wave.elements.iter().enumerate() {
                let turn = starts.entry(element.as_str()).or_insert((at, place));
                *turn = (*turn).min((at, place));
            }
        }
        starts
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
