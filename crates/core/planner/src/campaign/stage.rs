//! One cluster, one stage of the roll-out: which hosts leave together, when, and what their guests do meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::Method;
use underpin_model::id::VmId;
use underpin_model::plan::Reason;
use underpin_model::policy::{Durations, Homing, Placing};

use super::answers::Answers;
use super::calendar::{Calendar, Seconds, earliest};
use super::couplings::Couplings;
use super::facts::{Facts, NONE};
use super::leave::{Departure, Leaving};
use super::rooms::{Rooms, Shortage};
use super::timing::{Hop, HostTimes, Work, layout};

/// Failures after the first host of a wave that are tolerated in looking for more.
const MOST_MISSES: usize = 8;

/// Freezing a cluster, before its first wave.
pub(super) const FREEZE_S: Seconds = 30;

/// A host with a change to come.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) host: u32,
    /// Not before then.
    pub(super) ready: Seconds,
    /// Ways to do it, the preferred first, with how long each takes.
    pub(super) methods: Vec<(Method, Durations)>,
    pub(super) hops: Vec<Hop>,
    /// Its release afterwards.
    pub(super) release: Option<u32>,
    /// Room that the change gives (or takes).
    pub(super) resize: [i64; 2],
    /// It comes before all others of its cluster, and alone.
    pub(super) coordinator: bool,
    /// Place among the others: low comes first.
    pub(super) priority: f64,
}

/// A wave that is laid out.
#[derive(Debug, Clone)]
pub(super) struct StagedWave {
    pub(super) start: Seconds,
    pub(super) end: Seconds,
    pub(super) works: Vec<Work>,
    /// Times of each work, from the wave's start.
    pub(super) times: Vec<HostTimes>,
    pub(super) reasons: Vec<Reason>,
    /// Free memory on hosts that take guests while it lasts, in MiB.
    pub(super) free_memory_mib: u64,
}

/// What a stage came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Staged {
    pub(super) waves: Vec<StagedWave>,
    pub(super) blocked: Vec<(u32, Vec<Reason>)>,
}

/// What all clusters share.
pub(super) struct Shared<'f, 'a> {
    pub(super) facts: &'f Facts<'a>,
    pub(super) calendar: &'f Calendar<'f>,
    pub(super) answers: &'f Answers<'f>,
    pub(super) homing: Homing,
}

/// A cluster between waves.
#[derive(Clone)]
pub(super) struct Cluster<'f, 'a> {
    pub(super) rooms: Rooms<'f, 'a>,
    /// Hosts with a change still to come, by position in the cluster.
    pub(super) due: Vec<bool>,
    /// Hosts on a release that soaks as a canary's, by position in the cluster.
    pub(super) soaking: Vec<bool>,
    /// End of the last wave.
    pub(super) free_at: Seconds,
    /// Most hosts away.
    pub(super) most: usize,
    /// The reserve for a failure must hold: no exception speaks of this cluster.
    pub(super) reserve: bool,
    /// An exception that it is planned under ends then.
    pub(super) excepted_until: Option<Seconds>,
    /// Hosts that were in maintenance before and are not changed yet, by position in the cluster: they are away.
    pub(super) maintenance: Vec<bool>,
    /// Number of its last wave, for reasons; 0: none.
    pub(super) waves: u32,
}

/// A wave in the making.
pub(super) struct Draft {
    pub(super) works: Vec<Work>,
    /// Position in the pending list of each work's candidate.
    from: Vec<usize>,
    times: Vec<HostTimes>,
    start: Seconds,
    reasons: Vec<Reason>,
    /// By position in the cluster, 0: nothing is to come; otherwise the later its turn, the lower.
    due: Vec<u32>,
}

impl<'f, 'a> Cluster<'f, 'a> {
    fn local(&self, host: u32) -> usize {
        (host - self.rooms.hosts().start) as usize
    }

    /// Plans the candidates, wave by wave, until none is left or none can be done.
    pub(super) fn stage(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &mut Couplings,
        mut pending: Vec<Candidate>,
        canary: bool,
    ) -> Staged {
        // Who is away already comes before those who are not.
        let first = |it: &Candidate| (!it.coordinator, !self.maintenance[self.local(it.host)]);
        pending.sort_by(|a, b| first(a).cmp(&first(b)).then(a.priority.total_cmp(&b.priority)));
        let mut staged = Staged::default();
        let mut why: BTreeMap<u32, Vec<Reason>> = BTreeMap::new();
        while !pending.is_empty() {
            let now = pending.iter().map(|it| it.ready).min().unwrap_or(0).max(self.free_at);
            let draft = self.draft(shared, couplings, &pending, now, canary, &mut why);
            let made = !draft.works.is_empty();
            let taken: BTreeSet<u32> = draft.works.iter().map(|it| it.host).collect();
            if made {
                staged.waves.push(self.commit(couplings, draft, &pending, canary));
            }
            let before = pending.len();
            pending.retain(|it| {
                let never = why.get(&it.host).is_some_and(|it| it.iter().any(lasting));
                if never {
                    staged.blocked.push((it.host, why.remove(&it.host).unwrap_or_default()));
                }
                !never && !taken.contains(&it.host)
            });
            if pending.len() == before {
                // Nobody who is ready can be done; those who are ready later may be.
                match pending.iter().map(|it| it.ready).filter(|&it| it > now).min() {
                    Some(later) => self.free_at = later,
                    None => match self.any_early(shared, couplings, &mut pending, &mut why, canary) {
                        Some(waves) => staged.waves.extend(waves),
                        None => break,
                    },
                }
            }
        }
        for it in pending {
            staged.blocked.push((it.host, why.remove(&it.host).unwrap_or_default()));
        }
        staged
    }

    /// Gathers hosts for the next wave; none: nobody who is ready can be done, `why` says why.
    pub(super) fn draft(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &Couplings,
        pending: &[Candidate],
        now: Seconds,
        canary: bool,
        why: &mut BTreeMap<u32, Vec<Reason>>,
    ) -> Draft {
        let order = self.order(shared, pending, now);
        let mut draft = Draft {
            works: Vec::new(),
            from: Vec::new(),
            times: Vec::new(),
            start: now,
            reasons: Vec::new(),
            due: self.turns(pending),
        };
        let mut misses = 0;
        for at in order {
            if draft.works.len() >= self.most || (misses > MOST_MISSES && !draft.works.is_empty()) {
                break;
            }
            let candidate = pending[at].clone();
            let away = self.maintenance.iter().filter(|it| **it).count()
                - usize::from(self.maintenance[self.local(candidate.host)]);
            let inside = draft.works.iter().filter(|it| self.maintenance[self.local(it.host)]).count();
            if away - inside + draft.works.len() >= self.most {
                let most = u32::try_from(self.most).unwrap_or(u32::MAX);
                why.insert(candidate.host, vec![Reason::MostAway { of: "cluster".to_owned(), most }]);
                continue;
            }
            if candidate.coordinator && !draft.works.is_empty() {
                continue;
            }
            // A host that takes guests in this wave is emptied in a later one.
            let takes = |it: &Work| it.departures.iter().any(|it| it.how.moves() && it.to == candidate.host);
            if draft.works.iter().any(takes) {
                why.insert(candidate.host, vec![Reason::EarlierWave { wave: self.waves + 1 }]);
                continue;
            }
            match self.add(shared, couplings, &candidate, &mut draft, now, canary) {
                Ok(()) => {
                    draft.from.push(at);
                    if candidate.coordinator {
                        break;
                    }
                }
                Err(reasons) => {
                    misses += 1;
                    why.insert(candidate.host, reasons);
                    // The others of its cluster wait for the coordinator for ever.
                    if candidate.coordinator {
                        break;
                    }
                }
            }
        }
        draft
    }

    /// Guests go to hosts that come late, so that they move again late or never.
    fn turns(&self, pending: &[Candidate]) -> Vec<u32> {
        let mut turns: Vec<u32> = self.due.iter().map(|&due| u32::from(due)).collect();
        for (at, candidate) in pending.iter().enumerate() {
            let local = self.local(candidate.host);
            turns[local] = 1 + (pending.len() - at) as u32;
        }
        turns
    }

    /// Candidates that are ready: those whose windows open first, then by priority.
    fn order(&self, shared: &Shared<'f, 'a>, pending: &[Candidate], now: Seconds) -> Vec<usize> {
        let mut order: Vec<(Seconds, usize)> = pending
            .iter()
            .enumerate()
            .filter(|(_, it)| it.ready <= now)
            .map(|(at, it)| (self.opens(shared, it, now), at))
            .collect();
        let first = order.iter().map(|it| it.0).min().unwrap_or(now);
        // Whoever could start before the first would be done does not have to wait for it.
        let slack = pending.first().map_or(0, path_s);
        order.sort_by_key(|&(opens, at)| (opens.saturating_sub(first) / slack.max(1), at));
        order.into_iter().map(|it| it.1).collect()
    }

    /// About when the windows of a host and its guests are open together.
    fn opens(&self, shared: &Shared<'f, 'a>, candidate: &Candidate, now: Seconds) -> Seconds {
        let path = path_s(candidate);
        let mut opens = now;
        if let Some(spans) = shared.calendar.host(candidate.host) {
            opens = earliest(spans, opens, path).unwrap_or(Seconds::MAX);
        }
        let mut seen = Vec::new();
        for &guest in self.rooms.guests_on(candidate.host) {
            let number = shared.calendar.guest_number(guest);
            if number == NONE || seen.contains(&number) {
                continue;
            }
            seen.push(number);
            if let Some(spans) = shared.calendar.guest(guest) {
                opens = earliest(spans, opens, 60).unwrap_or(Seconds::MAX);
            }
        }
        opens
    }

    /// Adds a host to a wave, if it can be emptied, the reserve holds and it does not make the others wait. On failure
    /// everything is as before.
    fn add(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &Couplings,
        candidate: &Candidate,
        draft: &mut Draft,
        now: Seconds,
        canary: bool,
    ) -> Result<(), Vec<Reason>> {
        let mut reasons = Vec::new();
        for (method, durations) in &candidate.methods {
            if let Some(vm) = self.kept_in_memory(candidate, *method) {
                reasons.push(Reason::NoAllowedAction { vm, pinned_by: "suspended".to_owned() });
                continue;
            }
            match self.empty(shared, candidate, *method, draft, canary) {
                Err(why) => reasons.extend(why),
                Ok(departures) => {
                    let work = Work {
                        host: candidate.host,
                        method: *method,
                        hops: hops_by(candidate, *method),
                        durations: *durations,
                        come_home: Vec::new(),
                        departures,
                    };
                    match self.fit(shared, couplings, (work, candidate.resize), draft, now, canary) {
                        Ok(()) => return Ok(()),
                        Err(why) => reasons.extend(why),
                    }
                }
            }
        }
        reasons.dedup();
        Err(reasons)
    }

    /// A guest that was suspended before, and that a full reboot would take.
    fn kept_in_memory(&self, candidate: &Candidate, method: Method) -> Option<VmId> {
        let keeps = matches!(method, Method::QuickBoot | Method::LivePatch);
        let reboots = !keeps && candidate.hops.iter().any(|it| it.reboot);
        let asleep = self.rooms.facts.hosts[candidate.host as usize].asleep;
        asleep.filter(|_| reboots).map(|it| it.id.clone())
    }

    fn empty(
        &mut self,
        shared: &Shared<'f, 'a>,
        candidate: &Candidate,
        method: Method,
        draft: &Draft,
        canary: bool,
    ) -> Result<Vec<Departure>, Vec<Reason>> {
        let wave: Vec<u32> = draft.works.iter().map(|it| it.host).collect();
        let returning: Vec<u32> =
            draft.works.iter().filter(|_| canary).flat_map(|it| it.come_home.iter().copied()).collect();
        let mut leaving = Leaving {
            rooms: &mut self.rooms,
            answers: shared.answers,
            wave: &wave,
            due: &draft.due,
            soaking: &self.soaking,
            returning: &returning,
            moved: draft.works.iter().flat_map(|it| it.departures.iter().map(|it| it.guest)).collect(),
            stay: Vec::new(),
            relocates: shared.facts.policy.planning.placing == Placing::WePlace,
        };
        let departures = leaving.empty(candidate.host, method)?;
        if canary {
            // Guests that stay will run on the canary's release.
            let stays = |it: &&Departure| !it.how.moves();
            let broken = departures
                .iter()
                .filter(stays)
                .find_map(|it| self.undiverse(it.guest, candidate.host, &draft.works, &[]));
            if let Some(reason) = broken {
                self.rooms.undo(&departures);
                return Err(vec![reason]);
            }
        }
        Ok(departures)
    }

    /// The application that would wholly be on a release that soaks, if a guest ran on its host after the wave: the wave's hosts
    /// have it then, and guests that come home run on it.
    fn undiverse(&self, guest: u32, host: u32, works: &[Work], home: &[u32]) -> Option<Reason> {
        let soaks = |other: u32| {
            let at = self.rooms.at(other);
            at == host
                || home.contains(&other)
                || self.soaking[self.local(at)]
                || works.iter().any(|it| it.host == at || it.come_home.contains(&other))
        };
        if self.rooms.diverse(guest, &soaks) {
            return None;
        }
        let application = self.rooms.facts.guests[guest as usize].it.application.clone()?;
        Some(Reason::ReleaseDiversity { application })
    }

    /// Whether an emptied host fits into the wave: limits, reserve, time.
    fn fit(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &Couplings,
        (mut work, resize): (Work, [i64; 2]),
        draft: &mut Draft,
        now: Seconds,
        canary: bool,
    ) -> Result<(), Vec<Reason>> {
        let host = work.host;
        let departures = work.departures.clone();
        let was_shut = self.rooms.is_shut(host);
        self.rooms.shut(host, true);
        let reserved = if self.reserve { self.reserved(&work, &draft.works) } else { Ok(()) };
        if let Err(shortage) = reserved {
            self.rooms.shut(host, was_shut);
            self.rooms.undo(&departures);
            let resource = super::facts::RESOURCES[shortage.resource].to_owned();
            return Err(vec![Reason::Short { resource, short: shortage.short, reserve: true }]);
        }
        work.come_home = self.comes_home(shared, &work, &draft.works, canary);
        if let Some(reason) = self.carries_less(resize, &mut work) {
            self.rooms.shut(host, was_shut);
            self.rooms.undo(&departures);
            return Err(vec![reason]);
        }
        draft.works.push(work);
        let times = layout(shared.facts, &draft.works, shared.homing);
        let timed = self.start(shared, couplings, &draft.works, &times, now);
        let fits = timed.and_then(|(start, why)| {
            let alone = draft.works.len() == 1;
            if alone || start <= draft.start { Ok((start, why)) } else { Err(Vec::new()) }
        });
        match fits {
            Ok((start, why)) => {
                (draft.start, draft.times) = (start, times);
                draft.reasons.extend(why);
                Ok(())
            }
            Err(reasons) => {
                draft.works.pop();
                self.rooms.shut(host, was_shut);
                self.rooms.undo(&departures);
                Err(reasons)
            }
        }
    }

    /// The reserve holds once the hosts of a wave are away, and while guests of others make room: these count twice then, and
    /// everyone else is where the wave found them.
    fn reserved(&mut self, work: &Work, works: &[Work]) -> Result<(), Shortage> {
        self.rooms.reserve()?;
        let moved = || works.iter().chain([work]);
        let makes = |work: &Work| work.departures.iter().any(|it| it.from != work.host);
        if !moved().any(makes) {
            return Ok(());
        }
        let mut then = self.rooms.clone();
        for it in moved().rev() {
            // From its first move on a host takes nobody.
            then.shut(it.host, true);
            then.undo(&it.departures);
        }
        for it in moved().flat_map(|work| work.departures.iter().filter(|it| it.from != work.host)) {
            let demand = then.facts.guests[it.guest as usize].demand.unwrap_or([0, 0]);
            then.resize(it.to, demand.map(|it| -i64::try_from(it).unwrap_or(i64::MAX)));
        }
        then.reserve()
    }

    /// Where a change takes room away, those that would no longer fit do not come home; what is short for those that stay.
    fn carries_less(&self, resize: [i64; 2], work: &mut Work) -> Option<Reason> {
        let free = self.rooms.free(work.host);
        let mut left = [free[0].saturating_add(resize[0]), free[1].saturating_add(resize[1])];
        let demand = |guest: u32| {
            let demand = self.rooms.facts.guests[guest as usize].demand.unwrap_or([0, 0]);
            demand.map(|it| i64::try_from(it).unwrap_or(i64::MAX))
        };
        for resource in 0..2 {
            if left[resource] < 0 && resize[resource] < 0 {
                let name = super::facts::RESOURCES[resource].to_owned();
                return Some(Reason::Short {
                    resource: name,
                    short: left[resource].unsigned_abs(),
                    reserve: false,
                });
            }
        }
        if resize.iter().any(|it| *it < 0) {
            work.come_home.retain(|&guest| {
                let after =
                    [left[0].saturating_sub(demand(guest)[0]), left[1].saturating_sub(demand(guest)[1])];
                let fits = after.iter().all(|it| *it >= 0);
                if fits {
                    left = after;
                }
                fits
            });
        }
        None
    }

    /// Guests that return after the wave: all that moved, but those whose return would leave their application wholly on a
    /// release that soaks.
    fn comes_home(&self, shared: &Shared<'f, 'a>, work: &Work, works: &[Work], canary: bool) -> Vec<u32> {
        if shared.homing == Homing::Drift {
            return Vec::new();
        }
        let facts = self.rooms.facts;
        let mut home: Vec<u32> = Vec::new();
        // Those that made room stay: where they came from is on an older release by then, or taken.
        let own = work.departures.iter().filter(|it| it.how.moves() && it.from == work.host);
        for guest in own.map(|it| it.guest) {
            let groups = &facts.guests[guest as usize].apart;
            // Guests that should never have been on one host do not come back to it together.
            let meets =
                |other: &u32| facts.guests[*other as usize].apart.iter().any(|it| groups.contains(it));
            let diverse = !canary
                || !facts.guests[guest as usize].controller
                    && self.undiverse(guest, work.host, works, &home).is_none();
            let bound = facts.may_be_bound(guest, work.host);
            if diverse && bound && !home.iter().any(meets) && self.rooms.stands_apart(guest, work.host) {
                home.push(guest);
            }
        }
        home
    }

    /// Makes a wave real.
    pub(super) fn commit(
        &mut self,
        couplings: &mut Couplings,
        draft: Draft,
        pending: &[Candidate],
        canary: bool,
    ) -> StagedWave {
        let waited = draft.reasons.is_empty() && self.waves > 0 && draft.start == self.free_at;
        let mut reasons = draft.reasons;
        if waited {
            reasons.push(Reason::EarlierWave { wave: self.waves });
        }
        let wave = self.take(couplings, draft.start, draft.works, draft.times, reasons);
        for (work, at) in wave.works.iter().zip(&draft.from) {
            let local = self.local(work.host);
            let Some(candidate) = pending.get(*at) else { continue };
            // Who put it into maintenance takes it out.
            let kept = std::mem::take(&mut self.maintenance[local]);
            self.rooms.shut(work.host, kept);
            self.rooms.set_release(work.host, candidate.release);
            self.rooms.resize(work.host, candidate.resize);
            self.due[local] = false;
            self.soaking[local] = canary;
            for &guest in &work.come_home {
                self.rooms.go(guest, work.host);
            }
        }
        wave
    }

    /// Time and limits that a wave takes.
    pub(super) fn take(
        &mut self,
        couplings: &mut Couplings,
        start: Seconds,
        works: Vec<Work>,
        times: Vec<HostTimes>,
        reasons: Vec<Reason>,
    ) -> StagedWave {
        let lasts = times.iter().map(|it| it.end).max().unwrap_or(0);
        for (key, amount, _) in self.keys(couplings, &works, &times) {
            couplings.take(&key, start, start.saturating_add(lasts), amount);
        }
        self.free_at = start.saturating_add(lasts);
        self.waves += 1;
        let free_memory_mib = self.rooms.free_memory();
        StagedWave { start, end: self.free_at, works, times, reasons, free_memory_mib }
    }
}

/// What is done by a method: a live patch reboots nothing.
fn hops_by(candidate: &Candidate, method: Method) -> Vec<Hop> {
    let reboots = method != Method::LivePatch;
    candidate.hops.iter().map(|it| Hop { reboot: it.reboot && reboots, ..*it }).collect()
}

/// Reasons that no later wave changes.
pub(super) fn lasting(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::NoAllowedAction { .. }
            | Reason::Consent { .. }
            | Reason::Locked { until_s: None, .. }
            | Reason::DoesNotConverge { .. }
            | Reason::UnknownFact { .. }
    )
}

/// Seconds that a host is away at least, its evacuation left out.
pub(super) fn path_s(candidate: &Candidate) -> Seconds {
    let of = |(_, durations): &(Method, Durations)| {
        let reboots = candidate.hops.iter().filter(|it| it.reboot).count() as u32;
        (durations.patch.p95_s.saturating_mul(candidate.hops.len() as u32))
            .saturating_add(durations.reboot.p95_s.saturating_mul(reboots))
            .saturating_add(durations.attest.p95_s)
            .saturating_add(durations.verify.p95_s)
    };
    candidate.methods.iter().map(of).min().unwrap_or(0)
}
