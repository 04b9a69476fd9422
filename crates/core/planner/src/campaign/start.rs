//! When a wave can start: windows, consents, locks that expire, and limits that couple clusters.

use underpin_model::fleet::Action;
use underpin_model::plan::Reason;
use underpin_model::policy::Placing;

use super::calendar::{Seconds, earliest};
use super::couplings::{Couplings, Key, traffic};
use super::facts::{Facts, NONE};
use super::leave::How;
use super::stage::{Cluster, FREEZE_S, Shared};
use super::timing::{HostTimes, Move, Work};

impl<'f, 'a> Cluster<'f, 'a> {
    /// First start at which windows, consents, locks and limits allow everything in a wave.
    pub(super) fn start(
        &self,
        shared: &Shared<'f, 'a>,
        couplings: &Couplings,
        works: &[Work],
        times: &[HostTimes],
        now: Seconds,
    ) -> Result<(Seconds, Vec<Reason>), Vec<Reason>> {
        let needs = needs(shared, works, times);
        let end = times.iter().map(|it| it.end).max().unwrap_or(0);
        let staged =
            works.iter().map(|it| it.durations.stage.p95_s).max().unwrap_or(0).saturating_add(FREEZE_S);
        let keys = self.keys(couplings, works, times);
        let mut start = now.max(staged);
        let mut why = Vec::new();
        loop {
            let before = start;
            for need in &needs {
                let from = start.saturating_add(need.offset).saturating_sub(need.before);
                let Some(at) = earliest(&need.spans, from, need.length) else {
                    return Err(vec![need.missed(shared.facts)]);
                };
                let moved = at.saturating_add(need.before) - need.offset;
                if moved > start {
                    start = moved;
                    why = vec![need.waits(shared.facts, start)];
                }
            }
            for (key, amount, most) in &keys {
                let most_reason = || Reason::MostAway {
                    of: key.of().to_owned(),
                    name: limited(shared.facts, key),
                    most: u32::try_from(*most).unwrap_or(u32::MAX),
                    away: couplings.away(shared.facts, key),
                };
                let Some(at) = couplings.earliest(key, start, end, *amount, *most) else {
                    return Err(vec![most_reason()]);
                };
                if at > start {
                    start = at;
                    why = vec![most_reason()];
                }
            }
            if start == before {
                break;
            }
        }
        // What an exception allows is over when it ends.
        let last = shared.calendar.horizon_s().min(self.excepted_until.unwrap_or(Seconds::MAX));
        if start.saturating_add(end) > last {
            return Err(vec![Reason::PastHorizon { ends_s: start.saturating_add(end), horizon_s: last }]);
        }
        Ok((start, why))
    }

    /// What a wave takes of limits that couple clusters, with the limit.
    pub(super) fn keys(
        &self,
        couplings: &Couplings,
        works: &[Work],
        times: &[HostTimes],
    ) -> Vec<(Key, u64, u64)> {
        let mut keys: Vec<(Key, u64, u64)> = Vec::new();
        if !couplings.bind {
            return keys;
        }
        let mut add = |key: Key, amount: u64, most: u64| match keys.iter_mut().find(|it| it.0 == key) {
            Some(it) => it.1 += amount,
            None => keys.push((key, amount, most)),
        };
        let facts = self.rooms.facts;
        let network_mbps = facts.policy.planning.migration.network_mbps.map(u64::from);
        for (work, times) in works.iter().zip(times) {
            let away = Some(work.host).filter(|_| !work.only_takes());
            for (key, most) in away.into_iter().flat_map(|it| couplings.keys(self.rooms.facts, it)) {
                add(key, 1, most);
            }
            if let Some(most) = network_mbps {
                let moves = times.out.iter().chain(&times.home);
                traffic(facts, moves).into_iter().for_each(|(key, mbps)| add(key, mbps, most));
            }
        }
        keys
    }
}

/// What a limit is about, by name.
fn limited(facts: &Facts<'_>, key: &Key) -> String {
    let name = match key {
        Key::FaultDomain(it) | Key::Network(it) => Some(it.as_str()),
        Key::Ring(at) => facts.policy.rings.get(*at).map(|it| it.name.as_str()),
        Key::Tenant(at) => facts.fleet.tenants.get(*at as usize).map(|it| it.id.as_str()),
        Key::Unnamed(cluster) => return facts.cluster_name(*cluster),
    };
    name.unwrap_or_default().to_owned()
}

/// A span of a wave that must lie within something.
struct Need {
    of: Within,
    spans: Vec<(Seconds, Seconds)>,
    offset: Seconds,
    /// It begins so long before the wave does.
    before: Seconds,
    length: Seconds,
    /// Whose it is; `NONE`: the host's own.
    guest: u32,
}

/// What a span of a wave must lie within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Window,
    /// What an owner agrees to, and when.
    Consent(Action),
    /// After a lock ends, then.
    Lock(Seconds),
}

impl Need {
    /// Why it is never so, from the earliest start on.
    fn missed(&self, facts: &Facts<'_>) -> Reason {
        let vm = facts.guests.get(self.guest as usize).map(|it| it.it);
        let tenant = self.tenant(facts);
        match (self.of, vm) {
            (Within::Consent(action), Some(vm)) => {
                Reason::Consent { vm: vm.id.clone(), tenant, action, refused: false }
            }
            (Within::Lock(until_s), Some(vm)) => Reason::Locked { vm: vm.id.clone(), until_s: Some(until_s) },
            _ => {
                let longest_s = self.spans.iter().map(|it| it.1 - it.0).max().unwrap_or(0);
                if longest_s == 0 {
                    Reason::NoWindow { tenant, needs_s: self.length }
                } else if longest_s < self.length {
                    Reason::OutsideWindow { tenant, needs_s: self.length, longest_s }
                } else {
                    Reason::WindowsApart { tenant, needs_s: self.length }
                }
            }
        }
    }

    /// What is waited for, when it is over.
    fn waits(&self, facts: &Facts<'_>, at_s: Seconds) -> Reason {
        let tenant = self.tenant(facts);
        match (self.of, facts.guests.get(self.guest as usize)) {
            (Within::Consent(action), _) => Reason::ConsentBegins { tenant, action, at_s },
            (Within::Lock(until_s), Some(guest)) => {
                Reason::Locked { vm: guest.it.id.clone(), until_s: Some(until_s) }
            }
            _ => Reason::WindowOpens { tenant, at_s },
        }
    }

    fn tenant(&self, facts: &Facts<'_>) -> Option<underpin_model::id::TenantId> {
        facts.guests.get(self.guest as usize).and_then(|it| it.it.tenant.clone())
    }
}

/// What owners say to a guest's way home, which goes as its way out did.
fn back(shared: &Shared<'_, '_>, work: &Work, home: &Move) -> Option<Need> {
    let action = if home.live { How::Live } else { How::Cold }.action();
    let out = work.departures.iter().find(|it| it.guest == home.guest && it.how.action() == action);
    let vm = shared.facts.guests.get(home.guest as usize)?.it;
    let spans = shared.answers.allowed(vm, action, out.and_then(|it| it.consent))?;
    let of = Within::Consent(action);
    Some(Need {
        of,
        spans,
        offset: home.start,
        before: 0,
        length: home.end().saturating_sub(home.start),
        guest: home.guest,
    })
}

/// Staging and freezing the cluster before a wave, and thawing it afterwards, may lie outside windows, and never in a freeze.
fn thawed(shared: &Shared<'_, '_>, work: &Work, lasts: Seconds) -> Option<Need> {
    let spans = shared.calendar.thawed(work.host)?.to_vec();
    let stage = if work.hops.is_empty() { 0 } else { work.durations.stage.p95_s };
    let before = stage.max(FREEZE_S);
    let length = before.saturating_add(lasts).saturating_add(FREEZE_S);
    Some(Need { of: Within::Window, spans, offset: 0, before, length, guest: NONE })
}

fn needs(shared: &Shared<'_, '_>, works: &[Work], times: &[HostTimes]) -> Vec<Need> {
    let mut needs = Vec::new();
    let platform = shared.facts.policy.planning.placing == Placing::PlatformPlaces;
    let lasts = times.iter().map(|it| it.end).max().unwrap_or(0);
    for (work, times) in works.iter().zip(times) {
        if let Some(spans) = shared.calendar.host(work.host) {
            let length = times.end.saturating_add(work.durations.rollback.p95_s);
            let spans = spans.to_vec();
            needs.push(Need { of: Within::Window, spans, offset: 0, before: 0, length, guest: NONE });
        }
        needs.extend(thawed(shared, work, lasts));
        let mut hulls: Vec<(u32, bool, Seconds, Seconds, u32)> = Vec::new();
        let mut touch = |guest: u32, phase: bool, from: Seconds, until: Seconds| {
            let number = shared.calendar.guest_number(guest);
            if number == NONE {
                return;
            }
            match hulls.iter_mut().find(|it| it.0 == number && it.1 == phase) {
                Some(hull) => (hull.2, hull.3) = (hull.2.min(from), hull.3.max(until)),
                None => hulls.push((number, phase, from, until, guest)),
            }
        };
        // What the platform empties by itself it may move at any moment of that step.
        let theirs = |it: &&Move| platform && it.live;
        let from = times.out.iter().filter(theirs).map(|it| it.start).min().unwrap_or(0);
        let until = times.out.iter().filter(theirs).map(Move::end).max().unwrap_or(0);
        for it in &times.out {
            let (from, until) = if theirs(&it) { (from, until) } else { (it.start, it.end()) };
            touch(it.guest, false, from, until);
        }
        for it in &times.home {
            touch(it.guest, true, it.start, it.end());
        }
        needs.extend(times.home.iter().filter_map(|it| back(shared, work, it)));
        for it in &work.departures {
            let (from, until) = match it.how {
                How::Live | How::Cold => {
                    let out = times.out.iter().find(|m| m.guest == it.guest);
                    out.map_or((0, 0), |it| if theirs(&it) { (from, until) } else { (it.start, it.end()) })
                }
                How::Suspend | How::Stop => {
                    touch(it.guest, true, times.stop, times.end);
                    (times.stop, times.end)
                }
            };
            let length = until.saturating_sub(from);
            let vm = shared.facts.guests[it.guest as usize].it;
            if let Some(spans) = shared.answers.allowed(vm, it.how.action(), it.consent) {
                let of = Within::Consent(it.how.action());
                needs.push(Need { of, spans, offset: from, before: 0, length, guest: it.guest });
            }
            for expires in shared.facts.guests[it.guest as usize].it.locks.iter().filter_map(|it| it.expires)
            {
                let since = expires.as_second().saturating_sub(shared.answers.starts_at.as_second());
                let since = since.clamp(0, i64::from(Seconds::MAX)) as Seconds;
                if since > 0 {
                    needs.push(Need {
                        of: Within::Lock(since),
                        spans: vec![(since, Seconds::MAX)],
                        offset: from,
                        before: 0,
                        length,
                        guest: it.guest,
                    });
                }
            }
        }
        for (_, _, from, until, guest) in hulls {
            if let Some(spans) = shared.calendar.guest(guest) {
                let (of, spans) = (Within::Window, spans.to_vec());
                needs.push(Need { of, spans, offset: from, before: 0, length: until - from, guest });
            }
        }
    }
    needs
}
