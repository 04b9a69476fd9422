//! One cluster, one stage of the roll-out: which hosts leave together, when, and what their guests do meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::Method;
use underpin_model::id::HostId;
use underpin_model::plan::Reason;
use underpin_model::policy::{Durations, Homing};

use super::answers::Answers;
use super::calendar::{Calendar, Seconds, earliest};
use super::couplings::Couplings;
use super::facts::{Allowed, Facts, NONE};
use super::kept::Kept;
use super::leave::preferred;
use super::room::Free;
use super::rooms::Rooms;
use super::timing::{Hop, HostTimes, Work};

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
    /// The same, but for the time at which the parent plan has it.
    pub(super) waits: Seconds,
    /// Ways to do it, the preferred first, with how long each takes.
    pub(super) methods: Vec<(Method, Durations)>,
    pub(super) hops: Vec<Hop>,
    /// Its release afterwards.
    pub(super) release: Option<u32>,
    /// Room that the change gives (or takes).
    pub(super) resize: Free,
    /// It comes before all others of its cluster, and alone.
    pub(super) coordinator: bool,
    /// Place among the others: low comes first.
    pub(super) priority: f64,
}

impl Candidate {
    /// The release that the host gets, if it is another one: a component or setting leaves the release what it is.
    pub(super) fn becomes(&self, from: Option<u32>) -> Option<u32> {
        self.release.filter(|_| self.release != from)
    }
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
    /// Free memory on hosts that are not away while it lasts, in MiB.
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
    /// What the plan keeps of its parent.
    pub(super) kept: Option<&'f Kept>,
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
    /// Guests go to the targets that could have them soonest, before those that are fullest.
    pub(super) spreads: bool,
    /// Guests do not go there while a search tries what that is worth.
    pub(super) avoids: Option<u32>,
    /// Dice that say where guests go while a search tries what that is worth.
    pub(super) scatters: Option<u64>,
    /// The first order and the first targets of every stage are by these dice.
    pub(super) salt: Option<u64>,
    /// Nobody can be done otherwise: guests of other hosts move for the reserve.
    pub(super) regroups: bool,
}

/// A wave in the making.
pub(super) struct Draft {
    pub(super) works: Vec<Work>,
    /// Position in the pending list of each work's candidate.
    pub(super) from: Vec<usize>,
    pub(super) times: Vec<HostTimes>,
    pub(super) start: Seconds,
    pub(super) reasons: Vec<Reason>,
    /// By position in the cluster, 0: nothing is to come; otherwise the later its turn, the lower.
    pub(super) due: Vec<u32>,
}

impl<'f, 'a> Cluster<'f, 'a> {
    pub(super) fn local(&self, host: u32) -> usize {
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
                self.regroups = false;
                staged.waves.push(self.commit(couplings, draft, &pending, canary));
            }
            let before = pending.len();
            let waits = pending.iter().any(|it| it.coordinator && !taken.contains(&it.host));
            pending.retain(|it| {
                let never = why.get(&it.host).is_some_and(|it| it.iter().any(lasting));
                if never {
                    staged.blocked.push((it.host, why.remove(&it.host).unwrap_or_default()));
                }
                !never && !taken.contains(&it.host)
            });
            // The others of its cluster wait for the coordinator for ever.
            if waits && !pending.iter().any(|it| it.coordinator) {
                break;
            }
            if pending.len() == before {
                // Nobody who is ready can be done; those who are ready later may be.
                match pending.iter().map(|it| it.ready).filter(|&it| it > now).min() {
                    Some(later) => self.free_at = later,
                    None => match self.any_early(shared, couplings, &mut pending, &mut why, canary) {
                        Some(waves) => staged.waves.extend(waves),
                        None if self.regroups => break,
                        None => self.regroups = true,
                    },
                }
            }
        }
        self.regroups = false;
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
            if let Some(reason) = self.too_many_away(shared, &candidate, &draft) {
                why.insert(candidate.host, vec![reason]);
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
                }
            }
        }
        draft
    }

    /// Why the limit of hosts away keeps a host out of a wave. One that is in maintenance is away as it is: its change adds no absence,
    /// whoever else is away.
    fn too_many_away(&self, shared: &Shared<'f, 'a>, candidate: &Candidate, draft: &Draft) -> Option<Reason> {
        let before = |host: u32| self.maintenance[self.local(host)];
        let others = self.maintenance.iter().filter(|it| **it).count();
        let inside = draft.works.iter().filter(|it| before(it.host)).count();
        let away = others.saturating_sub(inside).saturating_add(draft.works.len());
        if before(candidate.host) || away < self.most {
            return None;
        }
        Some(Reason::MostAway {
            of: "cluster".to_owned(),
            name: shared.facts.cluster_name(shared.facts.hosts[candidate.host as usize].cluster),
            most: u32::try_from(self.most).unwrap_or(u32::MAX),
            away: self.in_maintenance(&|it| it != candidate.host),
        })
    }

    /// Those of the hosts in maintenance that are meant.
    pub(super) fn in_maintenance(&self, meant: &dyn Fn(u32) -> bool) -> Vec<HostId> {
        let hosts = self.rooms.hosts().zip(&self.maintenance).filter(|it| *it.1 && meant(it.0));
        hosts.map(|it| self.rooms.facts.hosts[it.0 as usize].it.id.clone()).collect()
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

    /// Candidates that are ready: those whose windows open first, then by priority. While a coordinator is to come nobody else is.
    fn order(&self, shared: &Shared<'f, 'a>, pending: &[Candidate], now: Seconds) -> Vec<usize> {
        let pool = pending.iter().any(|it| it.coordinator);
        let mut order: Vec<(Seconds, usize)> = pending
            .iter()
            .enumerate()
            .filter(|(_, it)| it.ready <= now && (it.coordinator || !pool))
            .map(|(at, it)| (self.opens(shared, it, now), at))
            .collect();
        let first = order.iter().map(|it| it.0).min().unwrap_or(now);
        // Whoever could start before the first would be done does not have to wait for it.
        let slack = pending.first().map_or(0, path_s);
        order.sort_by_key(|&(opens, at)| (opens.saturating_sub(first) / slack.max(1), at));
        order.into_iter().map(|it| it.1).collect()
    }

    /// About when the windows of a host and its guests are open together, and owners and locks let go.
    pub(super) fn opens(&self, shared: &Shared<'f, 'a>, candidate: &Candidate, now: Seconds) -> Seconds {
        let path = path_s(candidate);
        let mut opens = now;
        if let Some(spans) = shared.calendar.host(candidate.host) {
            opens = earliest(spans, opens, path).unwrap_or(Seconds::MAX);
        }
        let mut seen = Vec::new();
        for &guest in self.rooms.guests_on(candidate.host) {
            opens = opens.max(self.let_go(shared, candidate, guest, opens));
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

    /// When no lock holds a guest any more and its owner lets it go, by the way that is preferred; the moment itself where that is not
    /// about time.
    fn let_go(&self, shared: &Shared<'f, 'a>, candidate: &Candidate, guest: u32, now: Seconds) -> Seconds {
        let facts = self.rooms.facts;
        let vm = facts.guests[guest as usize].it;
        if vm.locks.is_empty() && !shared.answers.change(vm) {
            return now;
        }
        let ways = candidate.methods.first().map_or(&[][..], |it| preferred(it.0));
        if ways.is_empty() {
            return now;
        }
        let now = now.max(shared.answers.unlocked(vm));
        let open = ways.iter().find_map(|how| {
            let allowed = Allowed::of(&facts.guests[guest as usize]).open(*how);
            let consent = shared.answers.find(facts, guest, how.action()).ok().filter(|_| allowed)?;
            Some(shared.answers.allowed(vm, how.action(), consent))
        });
        open.flatten().map_or(now, |spans| earliest(&spans, now, 60).unwrap_or(Seconds::MAX))
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
            // Who put it into maintenance takes it out: no guest goes there, but the roll-out does not have it away any more.
            self.maintenance[local] = false;
            self.rooms.shut(work.host, self.rooms.facts.in_maintenance(work.host));
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
        let gone = |host: u32| works.iter().any(|it| it.host == host && !it.hops.is_empty());
        let away = |host: u32| self.maintenance[self.local(host)] || gone(host);
        let free_memory_mib = self.rooms.free_memory(away);
        StagedWave { start, end: self.free_at, works, times, reasons, free_memory_mib }
    }
}

/// Reasons that no later wave changes.
pub(super) fn lasting(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::NoAllowedAction { .. }
            | Reason::NoSlots { .. }
            | Reason::Consent { .. }
            | Reason::Locked { until_s: None, .. }
            | Reason::DoesNotConverge { .. }
            | Reason::UnknownFact { .. }
    )
}

/// Reasons that other targets of guests that moved before may take away.
pub(super) fn placed_out(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Short { .. }
            | Reason::Fragmented { .. }
            | Reason::NoPlaceAfterFailure { .. }
            | Reason::RequiredAffinity { .. }
            | Reason::ReleaseDiversity { .. }
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
