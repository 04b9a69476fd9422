//! One host more in a wave: its guests find places, the reserve holds, and nobody else has to wait for it.

use underpin_model::change::Method;
use underpin_model::id::VmId;
use underpin_model::plan::Reason;
use underpin_model::policy::{Durations, Placing};

use super::calendar::Seconds;
use super::couplings::Couplings;
use super::homing::StaysAway;
use super::leave::{Departure, Leaving, mixed};
use super::reserve::Shortage;
use super::room::{Free, KINDS, RESOURCES, Room, fits, signed};
use super::spread::Queues;
use super::stage::{Candidate, Cluster, Draft, Shared, lasting, path_s};
use super::timing::{Hop, Work, layout};

/// Hosts that are left as they are for guests of others that may fail: attempts to empty one host.
const MOST_SPARED: usize = 3;

/// Guests under rules that keep others apart, of those that make room in a wave: of them every order is looked at.
const MOST_APART: usize = 4;

/// Why a host that can be emptied is not added to a wave.
struct Misfit {
    reasons: Vec<Reason>,
    /// Who would have no place, although there would be room for the sum of all.
    short: Option<Short>,
}

/// Guests that restart as one and would have no place, once the guests of a host have left it.
pub(super) struct Short {
    /// One of them, and what they need.
    pub(super) unit: (u32, Room),
    /// What the guests of the host did.
    pub(super) departures: Vec<Departure>,
}

impl<'f, 'a> Cluster<'f, 'a> {
    /// Adds a host to a wave, if it can be emptied, the reserve holds and it does not make the others wait. On failure
    /// everything is as before.
    pub(super) fn add(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &Couplings,
        candidate: &Candidate,
        draft: &mut Draft,
        now: Seconds,
        canary: bool,
    ) -> Result<(), Vec<Reason>> {
        let mut reasons: Vec<Reason> = Vec::new();
        let mut later = false;
        for (method, durations) in &candidate.methods {
            if let Some(vm) = self.kept_in_memory(candidate, *method) {
                reasons.push(Reason::NoAllowedAction { vm, pinned_by: "suspended".to_owned() });
                continue;
            }
            match self.try_method(shared, couplings, candidate, (*method, *durations), draft, now, canary) {
                Ok(()) => return Ok(()),
                Err(why) => {
                    later |= !why.iter().any(lasting);
                    reasons.extend(why);
                }
            }
        }
        // What no reserve and no room would help against is the reason, and nothing that might be otherwise by then.
        let shut = self.shut_out(shared, candidate).filter(|_| draft.works.is_empty());
        if let Some(shut) = shut {
            let known = |it: &Reason| matches!(it, Reason::OutsideWindow { .. } | Reason::NoWindow { .. });
            reasons.retain(|it| known(it) || lasting(it));
            if !reasons.iter().any(known) {
                reasons.insert(0, shut);
            }
        }
        // What is in the way of one method for ever stops nobody whom another one only lets wait.
        if later {
            reasons.retain(|it| !lasting(it));
        }
        let mut once: Vec<Reason> = Vec::new();
        for it in reasons {
            if !once.contains(&it) {
                once.push(it);
            }
        }
        Err(once)
    }

    /// Why a host can never be changed within its own windows, however empty it is.
    fn shut_out(&self, shared: &Shared<'f, 'a>, candidate: &Candidate) -> Option<Reason> {
        let spans = shared.calendar.host(candidate.host)?;
        let rollback = candidate.methods.iter().map(|it| it.1.rollback.p95_s).min().unwrap_or(0);
        let needs_s = path_s(candidate).saturating_add(rollback);
        let longest_s = spans.iter().map(|it| it.1 - it.0).max().unwrap_or(0);
        match longest_s {
            0 => Some(Reason::NoWindow { tenant: None, needs_s }),
            _ if longest_s < needs_s => Some(Reason::OutsideWindow { tenant: None, needs_s, longest_s }),
            _ => None,
        }
    }

    /// Empties a host by a method and adds it. Where a failure would leave guests without a place that is large enough, again
    /// with the roomiest host that could restart them left as it is; then, where nobody can be done otherwise, with guests of other hosts moved.
    #[allow(clippy::too_many_arguments, reason = "the parts of one trial")]
    fn try_method(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &Couplings,
        candidate: &Candidate,
        way: (Method, Durations),
        draft: &mut Draft,
        now: Seconds,
        canary: bool,
    ) -> Result<(), Vec<Reason>> {
        let mut spared = Vec::from_iter(self.avoids);
        let Err(first) = self.trial(shared, couplings, candidate, way, draft, now, canary, (&spared, &[]))
        else {
            return Ok(());
        };
        let mut shorts: Vec<Short> = first.short.into_iter().collect();
        while let Some(it) = shorts.last().and_then(|it| self.roomiest(candidate.host, draft, it.unit)) {
            if spared.len() >= MOST_SPARED || spared.contains(&it) {
                break;
            }
            spared.push(it);
            let tried = self.trial(shared, couplings, candidate, way, draft, now, canary, (&spared, &[]));
            let Err(misfit) = tried else { return Ok(()) };
            let Some(short) = misfit.short else { break };
            shorts.push(short);
        }
        if !self.regroups || !draft.works.is_empty() {
            return Err(first.reasons);
        }
        let avoids = Vec::from_iter(self.avoids);
        for made in self.arrangements(shared, candidate, draft, &shorts) {
            let tried = self.trial(shared, couplings, candidate, way, draft, now, canary, (&avoids, &made));
            if tried.is_ok() {
                return Ok(());
            }
        }
        Err(first.reasons)
    }

    /// The same once, with hosts that are left as they are, and after guests of other hosts were moved.
    #[allow(clippy::too_many_arguments, reason = "the parts of one trial")]
    fn trial(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &Couplings,
        candidate: &Candidate,
        (method, durations): (Method, Durations),
        draft: &mut Draft,
        now: Seconds,
        canary: bool,
        (spared, made): (&[u32], &[Departure]),
    ) -> Result<(), Misfit> {
        let emptied = self.empty(shared, candidate, method, draft, canary, (spared, made));
        let departures = emptied.map_err(|reasons| Misfit { reasons, short: None })?;
        let work = Work {
            host: candidate.host,
            method,
            hops: hops_by(candidate, method),
            durations,
            come_home: Vec::new(),
            stay_away: Vec::new(),
            also: Vec::new(),
            departures,
        };
        self.fit(shared, couplings, (work, candidate), draft, now, canary)
    }

    /// The roomiest host on which a unit could be restarted and that is neither emptied nor away.
    fn roomiest(&self, host: u32, draft: &Draft, (guest, unit): (u32, Room)) -> Option<u32> {
        let away =
            |it: u32| it == host || self.rooms.is_shut(it) || draft.works.iter().any(|work| work.host == it);
        let room = |it: &u32| self.rooms.free(*it);
        let takes = |it: u32| it != self.rooms.at(guest) && self.rooms.facts.may_stand(guest, it);
        let open = self.rooms.hosts().filter(|it| !away(*it) && takes(*it));
        open.filter(|it| fits(room(it), unit)).max_by_key(|it| (room(it)[0], std::cmp::Reverse(*it)))
    }

    /// A guest that was suspended before, and that a full reboot would take.
    fn kept_in_memory(&self, candidate: &Candidate, method: Method) -> Option<VmId> {
        let keeps = matches!(method, Method::QuickBoot | Method::LivePatch);
        let reboots = !keeps && candidate.hops.iter().any(|it| it.reboot);
        let asleep = self.rooms.facts.hosts[candidate.host as usize].asleep.first();
        asleep.filter(|_| reboots).map(|it| it.id.clone())
    }

    fn empty(
        &mut self,
        shared: &Shared<'f, 'a>,
        candidate: &Candidate,
        method: Method,
        draft: &Draft,
        canary: bool,
        (spared, made): (&[u32], &[Departure]),
    ) -> Result<Vec<Departure>, Vec<Reason>> {
        let wave: Vec<u32> = draft.works.iter().map(|it| it.host).collect();
        let returning: Vec<u32> =
            draft.works.iter().filter(|_| canary).flat_map(|it| it.come_home.iter().copied()).collect();
        made.iter().for_each(|it| self.rooms.go(it.guest, it.to));
        let mut leaving = self.leaving(shared, draft, (&wave, &returning), spared);
        leaving.moved.extend(made.iter().map(|it| it.guest));
        let departures = match leaving.empty(candidate.host, method) {
            Ok(own) => made.iter().copied().chain(own).collect::<Vec<_>>(),
            Err(why) => {
                self.rooms.undo(made);
                return Err(why);
            }
        };
        if canary {
            // Guests that stay will run on the canary's release.
            let stay: &[u32] = if candidate.becomes(self.rooms.release_of(candidate.host)).is_some() {
                self.rooms.guests_on(candidate.host)
            } else {
                &[]
            };
            let broken = stay.iter().find_map(|&it| self.undiverse(it, candidate.host, &draft.works, &[]));
            if let Some(reason) = broken {
                self.rooms.undo(&departures);
                return Err(vec![reason]);
            }
        }
        Ok(departures)
    }

    /// The guests of a host that joins a wave, about to leave.
    pub(super) fn leaving<'s>(
        &'s mut self,
        shared: &'s Shared<'f, 'a>,
        draft: &'s Draft,
        (wave, returning): (&'s [u32], &'s [u32]),
        spared: &'s [u32],
    ) -> Leaving<'s, 'f, 'a> {
        Leaving {
            queues: self.spreads.then(|| Queues::of(shared.facts, &draft.works)),
            // Who is asked again in a later wave is asked otherwise.
            scatter: self.scatters.map(|it| mixed(it ^ (u64::from(self.waves) << 32))),
            rooms: &mut self.rooms,
            answers: shared.answers,
            kept: shared.kept,
            wave,
            due: &draft.due,
            soaking: &self.soaking,
            returning,
            spared,
            moved: draft.works.iter().flat_map(|it| it.departures.iter().map(|it| it.guest)).collect(),
            stay: Vec::new(),
            link_mbps: 0,
            relocates: shared.facts.policy.planning.placing == Placing::WePlace,
        }
    }

    /// The application that would wholly be on a release that soaks, if a guest ran on its host after the wave: the wave's hosts
    /// have it then, and guests that come home run on it.
    pub(super) fn undiverse(&self, guest: u32, host: u32, works: &[Work], home: &[u32]) -> Option<Reason> {
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
        (mut work, candidate): (Work, &Candidate),
        draft: &mut Draft,
        now: Seconds,
        canary: bool,
    ) -> Result<(), Misfit> {
        let host = work.host;
        let departures = work.departures.clone();
        let was_shut = self.rooms.is_shut(host);
        self.rooms.shut(host, true);
        let reserved = if self.reserve { self.reserved(&work, &draft.works) } else { Ok(()) };
        if let Err(shortage) = reserved {
            let outside = self.outside(shared, couplings, &work, now).filter(|_| draft.works.is_empty());
            self.rooms.shut(host, was_shut);
            self.rooms.undo(&departures);
            let reason = match shortage.unit {
                Some((guest, _)) if shortage.short == 0 => {
                    Reason::NoPlaceAfterFailure { vm: shared.facts.guests[guest as usize].it.id.clone() }
                }
                _ => Reason::Short {
                    resource: RESOURCES[shortage.resource].to_owned(),
                    short: shortage.short,
                    reserve: true,
                },
            };
            let unit = shortage.unit.filter(|_| outside.is_none());
            let short = unit.map(|unit| Short { unit, departures });
            return Err(Misfit { reasons: vec![outside.unwrap_or(reason)], short });
        }
        self.send_home(shared, candidate.release, &mut work, &draft.works, canary);
        if let Some(reason) = self.carries_less(candidate.resize, &mut work) {
            self.rooms.shut(host, was_shut);
            self.rooms.undo(&departures);
            return Err(Misfit { reasons: vec![reason], short: None });
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
                let also = draft.works.last().map(|it| self.also(shared, it)).unwrap_or_default();
                draft.works.iter_mut().last().into_iter().for_each(|it| it.also.clone_from(&also));
                draft.reasons.extend(why);
                Ok(())
            }
            Err(reasons) => {
                draft.works.pop();
                self.rooms.shut(host, was_shut);
                self.rooms.undo(&departures);
                Err(Misfit { reasons, short: None })
            }
        }
    }

    /// Why no window lets a host be changed as it is emptied, whatever else is in the way.
    fn outside(
        &self,
        shared: &Shared<'f, 'a>,
        couplings: &Couplings,
        work: &Work,
        now: Seconds,
    ) -> Option<Reason> {
        let timed = |it: &Departure| shared.calendar.guest(it.guest).is_some();
        if shared.calendar.host(work.host).is_none() && !work.departures.iter().any(timed) {
            return None;
        }
        let works = std::slice::from_ref(work);
        let why =
            self.start(shared, couplings, works, &layout(shared.facts, works, shared.homing), now).err()?;
        let never = |it: &Reason| matches!(it, Reason::OutsideWindow { .. } | Reason::NoWindow { .. });
        why.into_iter().find(never)
    }

    /// The reserve holds once the hosts of a wave are away, and while guests of others make room, in whatever order these arrive: who has
    /// not counts twice then, and everyone else is where the wave found them.
    fn reserved(&mut self, work: &Work, works: &[Work]) -> Result<(), Shortage> {
        self.rooms.reserve()?;
        let moved = || works.iter().chain([work]);
        let making: Vec<Departure> = moved()
            .flat_map(|work| work.departures.iter().filter(|it| it.from != work.host))
            .copied()
            .collect();
        if making.is_empty() {
            return Ok(());
        }
        let mut then = self.rooms.clone();
        for it in moved().rev() {
            // From its first move on a host takes nobody.
            then.shut(it.host, true);
            then.undo(&it.departures);
        }
        // Who counts twice holds room enough for who has arrived; only rules that keep others apart may be met at either end alone.
        let bound = |it: &&Departure| !then.facts.guests[it.guest as usize].apart.is_empty();
        let apart: Vec<u32> = making.iter().filter(bound).map(|it| it.guest).take(MOST_APART).collect();
        for arrived in 0..1_u32 << apart.len() {
            let has = |guest: u32| {
                apart.iter().position(|&it| it == guest).is_some_and(|at| (arrived >> at) & 1 == 1)
            };
            // Everyone has arrived: nobody leaves before, and nothing is worse than afterwards.
            if making.iter().all(|it| has(it.guest)) {
                continue;
            }
            let mut then = then.clone();
            for it in &making {
                if has(it.guest) {
                    then.go(it.guest, it.to);
                } else {
                    then.come(it.guest, it.to);
                }
            }
            then.reserve()?;
        }
        Ok(())
    }

    /// Where a change takes room away, those that would no longer fit do not come home; what is short for those that stay.
    fn carries_less(&self, resize: Free, work: &mut Work) -> Option<Reason> {
        let free = self.rooms.free(work.host);
        let mut left: Free = std::array::from_fn(|it| free[it].saturating_add(resize[it]));
        let demand = |guest: u32| {
            let demand = self.rooms.facts.guests[guest as usize].holds;
            demand.map(signed)
        };
        for resource in 0..KINDS {
            if left[resource] < 0 && resize[resource] < 0 {
                let name = RESOURCES[resource].to_owned();
                return Some(Reason::Short {
                    resource: name,
                    short: left[resource].unsigned_abs(),
                    reserve: false,
                });
            }
        }
        if resize.iter().any(|it| *it < 0) {
            self.hold_back(work, StaysAway::LessRoom, |guest| {
                let after: Free = std::array::from_fn(|it| left[it].saturating_sub(demand(guest)[it]));
                let fits = after.iter().all(|it| *it >= 0);
                if fits {
                    left = after;
                }
                fits
            });
            self.hold_back_with_others(work);
        }
        None
    }
}

/// What is done by a method: a live patch reboots nothing.
fn hops_by(candidate: &Candidate, method: Method) -> Vec<Hop> {
    let reboots = method != Method::LivePatch;
    candidate.hops.iter().map(|it| Hop { reboot: it.reboot && reboots, ..*it }).collect()
}
