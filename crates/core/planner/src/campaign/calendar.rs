//! When things may be touched: windows less freezes, as spans of seconds from the start of the plan; and how much of what is
//! limited is in use when.

mod frozen;

use std::collections::BTreeSet;

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use underpin_model::fleet::Vm;
use underpin_model::plan::{Profile, Rule};
use underpin_model::policy::{Exception, Policy, Scope};

use super::drive::ends;
use super::facts::{Facts, NONE};
use super::{PlanError, Request};

pub(super) use self::frozen::name as name_freezes;

/// Seconds from the start of the plan.
pub(super) type Seconds = u32;

/// Spans in order that neither overlap nor touch; `None` in their place means: always.
pub(super) type Spans = Vec<(Seconds, Seconds)>;

/// First second at or after `from` from which a span of `length` fits.
pub(super) fn earliest(spans: &[(Seconds, Seconds)], from: Seconds, length: Seconds) -> Option<Seconds> {
    let first = spans.partition_point(|it| it.1 <= from);
    let fits = |it: &&(Seconds, Seconds)| it.0.max(from).checked_add(length).is_some_and(|end| end <= it.1);
    spans.get(first..)?.iter().find(fits).map(|it| it.0.max(from))
}

fn merged(mut spans: Spans) -> Spans {
    spans.sort_unstable();
    let mut out: Spans = Vec::with_capacity(spans.len());
    for (from, until) in spans.into_iter().filter(|it| it.0 < it.1) {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => out.push((from, until)),
        }
    }
    out
}

fn without(spans: &Spans, cut: &Spans) -> Spans {
    let mut out = Vec::new();
    for &(mut from, until) in spans {
        for &(start, end) in cut.iter().filter(|it| it.0 < until) {
            if end > from {
                out.push((from, start.max(from)));
                from = end.min(until);
            }
        }
        out.push((from, until));
    }
    merged(out)
}

/// Spans, in any order, less others, in any order.
pub(super) fn less(spans: Spans, cut: Spans) -> Spans {
    without(&merged(spans), &merged(cut))
}

/// Windows of tenants are waited for: always but in an emergency that goes outside them.
pub(super) fn tenants_wait(request: &Request<'_>) -> bool {
    let emergency = request.profile == Profile::Emergency;
    !(emergency && request.policy.planning.emergency.outside_windows)
}

/// Windows and freezes of a policy for one fleet.
pub(super) struct Calendar<'a> {
    facts: &'a Facts<'a>,
    /// Openings of each window.
    windows: Vec<Spans>,
    freezes: Vec<Spans>,
    horizon_s: Seconds,
    /// Windows of tenants are not waited for.
    tenants_wait: bool,
    by_signature: FxHashMap<[Vec<u32>; 4], u32>,
    /// Until when each exception of the policy holds; 0: it does not, or is from another rule than those of this calendar.
    leave: Vec<Seconds>,
    /// Exceptions that open something that is shut otherwise, by id.
    exceptions: BTreeSet<String>,
    /// Distinct calendars; guests and hosts refer to them.
    calendars: Vec<Spans>,
    /// Calendar of each host, `NONE`: always.
    hosts: Vec<u32>,
    /// The same by freezes alone.
    thawed: Vec<u32>,
    /// Calendar of each guest, `NONE`: always.
    guests: Vec<u32>,
}

impl<'a> Calendar<'a> {
    pub(super) fn new(
        facts: &'a Facts<'a>,
        starts_at: Timestamp,
        tenants_wait: bool,
    ) -> Result<Self, PlanError> {
        let planning = &facts.policy.planning;
        let horizon_s = planning.horizon_days.saturating_mul(86_400);
        let end = starts_at
            .checked_add(jiff::SignedDuration::from_secs(i64::from(horizon_s)))
            .map_err(|_| PlanError::Start { starts_at, horizon_days: planning.horizon_days })?;
        let offset = |at: Timestamp| {
            (at.as_second().saturating_sub(starts_at.as_second())).clamp(0, i64::from(horizon_s)) as Seconds
        };
        let mut windows = Vec::new();
        for window in &planning.window {
            let openings = window
                .openings(starts_at, end)
                .map_err(|zone| format!("window {}: the time zone {zone:?} is not known", window.id))
                .map_err(PlanError::Policy)?;
            windows.push(merged(openings.into_iter().map(|it| (offset(it.0), offset(it.1))).collect()));
        }
        let freezes =
            planning.freeze.iter().map(|it| merged(vec![(offset(it.from), offset(it.until))])).collect();
        let holds = |it: &Exception| {
            let live = planning.exceptions(it.rule, starts_at).any(|live| std::ptr::eq(live, it));
            if live { ends(it, starts_at).unwrap_or(horizon_s).min(horizon_s) } else { 0 }
        };
        let mut calendar = Self {
            leave: planning.exception.iter().map(holds).collect(),
            exceptions: BTreeSet::new(),
            facts,
            windows,
            freezes,
            horizon_s,
            tenants_wait,
            by_signature: FxHashMap::default(),
            calendars: Vec::new(),
            hosts: Vec::new(),
            thawed: Vec::new(),
            guests: Vec::new(),
        };
        calendar.assign();
        Ok(calendar)
    }

    fn assign(&mut self) {
        let facts = self.facts;
        let policy = facts.policy;
        let (none, freezes) = (policy.planning.window.is_empty(), policy.planning.freeze.is_empty());
        if none && freezes {
            self.hosts = vec![NONE; facts.hosts.len()];
            self.thawed = vec![NONE; facts.hosts.len()];
            self.guests = vec![NONE; facts.guests.len()];
            return;
        }
        for at in 0..facts.hosts.len() as u32 {
            let speaks = |scope: &Scope| scope.tenants.is_empty() && host_in(facts, scope, at);
            let it = self.calendar_of(policy, true, speaks, speaks);
            self.hosts.push(it);
            let it = self.calendar_of(policy, false, speaks, speaks);
            self.thawed.push(it);
        }
        let scopes = || {
            let windows = policy.planning.window.iter().map(|it| &it.scope);
            windows.chain(policy.planning.freeze.iter().map(|it| &it.scope))
        };
        // Most tenants are named by none of many windows: that is asked once for each.
        let mut named: FxHashMap<u32, bool> = FxHashMap::default();
        let mut seen: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        for (at, guest) in facts.guests.iter().enumerate() {
            let names = |it: &Scope| guest.it.tenant.as_ref().is_some_and(|own| it.tenants.contains(own));
            let is_named = || guest.tenant != NONE && scopes().any(names);
            if !*named.entry(guest.tenant).or_insert_with(is_named) {
                self.guests.push(NONE);
                continue;
            }
            let host = facts.home[at];
            // What is said of tenants' guests depends on the tenant and the host only.
            let key = (guest.tenant, host);
            let it = match seen.get(&key) {
                Some(&it) => it,
                None => {
                    let excuses = |scope: &Scope| excuses_guest(facts, scope, guest.it, host);
                    let it = self.calendar_of(
                        policy,
                        true,
                        |scope| guest_in(facts, scope, guest.it, host),
                        excuses,
                    );
                    seen.insert(key, it);
                    it
                }
            };
            self.guests.push(it);
        }
    }

    fn calendar_of(
        &mut self,
        policy: &Policy,
        by_windows: bool,
        speaks: impl Fn(&Scope) -> bool,
        excuses: impl Fn(&Scope) -> bool,
    ) -> u32 {
        let planning = &policy.planning;
        let windows: Vec<u32> = (0..planning.window.len() as u32)
            .filter(|&it| by_windows && speaks(&planning.window[it as usize].scope))
            .filter(|&it| self.tenants_wait || planning.window[it as usize].scope.tenants.is_empty())
            .collect();
        let freezes: Vec<u32> = (0..planning.freeze.len() as u32)
            .filter(|&it| speaks(&planning.freeze[it as usize].scope))
            .collect();
        if windows.is_empty() && freezes.is_empty() {
            return NONE;
        }
        let excused = |rule: Rule, any: bool| -> Vec<u32> {
            let all = (0u32..).zip(&planning.exception).zip(&self.leave);
            let own =
                all.filter(|((_, it), until)| any && **until > 0 && it.rule == rule && excuses(&it.scope));
            own.map(|((at, _), _)| at).collect()
        };
        let (outside, within) =
            (excused(Rule::Window, !windows.is_empty()), excused(Rule::FreezeCalendar, !freezes.is_empty()));
        for it in outside.iter().chain(&within).filter_map(|&it| planning.exception.get(it as usize)) {
            self.exceptions.insert(it.id.clone());
        }
        // What an exception excuses is open to its end.
        let until = |all: &[u32]| -> Spans {
            all.iter().filter_map(|&it| Some((0, *self.leave.get(it as usize)?))).collect()
        };
        let (opened, thawed) = (until(&outside), until(&within));
        let key = [windows, freezes, outside, within];
        if let Some(&it) = self.by_signature.get(&key) {
            return it;
        }
        let open = if key[0].is_empty() {
            vec![(0, self.horizon_s)]
        } else {
            merged(
                key[0]
                    .iter()
                    .flat_map(|&it| self.windows[it as usize].iter().copied())
                    .chain(opened)
                    .collect(),
            )
        };
        let shut = key[1].iter().flat_map(|&it| self.freezes[it as usize].iter().copied()).collect();
        let shut = less(shut, thawed);
        let it = self.calendars.len() as u32;
        self.calendars.push(without(&open, &shut));
        self.by_signature.insert(key, it);
        it
    }

    /// When a host may be touched; `None`: always.
    pub(super) fn host(&self, host: u32) -> Option<&[(Seconds, Seconds)]> {
        self.spans(*self.hosts.get(host as usize)?)
    }

    /// When no freeze speaks of a host; `None`: always.
    pub(super) fn thawed(&self, host: u32) -> Option<&[(Seconds, Seconds)]> {
        self.spans(*self.thawed.get(host as usize)?)
    }

    /// When a guest may be touched; `None`: always.
    pub(super) fn guest(&self, guest: u32) -> Option<&[(Seconds, Seconds)]> {
        self.spans(*self.guests.get(guest as usize)?)
    }

    fn spans(&self, calendar: u32) -> Option<&[(Seconds, Seconds)]> {
        self.calendars.get(calendar as usize).map(Vec::as_slice)
    }

    /// Number of a guest's calendar, to look at equal ones once; `NONE`: always.
    pub(super) fn guest_number(&self, guest: u32) -> u32 {
        self.guests.get(guest as usize).copied().unwrap_or(NONE)
    }

    /// Exceptions that open something that is shut otherwise, by id.
    pub(super) fn exceptions(&self) -> &BTreeSet<String> {
        &self.exceptions
    }

    pub(super) fn horizon_s(&self) -> Seconds {
        self.horizon_s
    }
}

/// Whether a scope that names no tenants speaks of a host.
pub(super) fn host_in(facts: &Facts<'_>, scope: &Scope, at: u32) -> bool {
    let host = facts.hosts[at as usize].it;
    let cluster = host.cluster.as_ref();
    let planes = || {
        let cluster = facts.fleet.clusters.iter().find(|it| Some(&it.id) == cluster);
        cluster.is_some_and(|it| it.managed_by.iter().any(|plane| scope.planes.contains(plane)))
    };
    (scope.clusters.is_empty() || cluster.is_some_and(|it| scope.clusters.contains(it)))
        && (scope.hosts.is_empty() || scope.hosts.contains(&host.id))
        && (scope.platforms.is_empty()
            || host.platform.as_ref().is_some_and(|it| scope.platforms.contains(&it.family)))
        && (scope.planes.is_empty() || planes())
}

/// Whether a scope that names tenants speaks of a guest on a host.
fn guest_in(facts: &Facts<'_>, scope: &Scope, vm: &Vm, host: u32) -> bool {
    !scope.tenants.is_empty()
        && vm.tenant.as_ref().is_some_and(|it| scope.tenants.contains(it))
        && host_in(facts, scope, host)
}

/// Whether an exception excuses what is done to a guest that stood on a host: one that names hosts speaks of these alone, not of where
/// the guest is by then.
fn excuses_guest(facts: &Facts<'_>, scope: &Scope, vm: &Vm, host: u32) -> bool {
    let tenant = vm.tenant.as_ref();
    scope.hosts.is_empty()
        && (scope.tenants.is_empty() || tenant.is_some_and(|it| scope.tenants.contains(it)))
        && host_in(facts, scope, host)
}

/// How much of something is in use when: for limits that couple clusters.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    spans: Vec<(Seconds, Seconds, u64)>,
}

impl Usage {
    pub(super) fn add(&mut self, from: Seconds, until: Seconds, amount: u64) {
        self.spans.push((from, until, amount));
    }

    /// First second at or after `from` from which, for `length` seconds, at most `most - amount` is in use.
    pub(super) fn earliest(&self, from: Seconds, length: Seconds, amount: u64, most: u64) -> Option<Seconds> {
        if amount > most {
            return None;
        }
        // What never ends leaves no room behind.
        let ends = self.spans.iter().map(|it| it.1).filter(|&it| it > from && it != Seconds::MAX);
        let mut starts: Vec<Seconds> = ends.collect();
        starts.push(from);
        starts.sort_unstable();
        starts.into_iter().find(|&start| {
            let end = start.saturating_add(length);
            self.peak(start, end) + amount <= most
        })
    }

    /// The most that is in use at any moment of a span.
    pub(super) fn peak(&self, from: Seconds, until: Seconds) -> u64 {
        let over: Vec<_> = self.spans.iter().filter(|it| it.0 < until && it.1 > from).collect();
        let at =
            |moment: Seconds| over.iter().filter(|it| it.0 <= moment && moment < it.1).map(|it| it.2).sum();
        over.iter().map(|it| it.0.max(from)).map(at).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_starts_where_it_fits() {
        let spans = [(0, 10), (20, 50)];
        assert_eq!(earliest(&spans, 0, 10), Some(0));
        assert_eq!(earliest(&spans, 1, 10), Some(20));
        assert_eq!(earliest(&spans, 45, 10), None);
        assert_eq!(earliest(&spans, 45, 5), Some(45));
        assert_eq!(earliest(&[], 0, 0), None);
    }

    #[test]
    fn freezes_cut_windows() {
        assert_eq!(without(&vec![(0, 100)], &vec![(10, 20), (90, 120)]), [(0, 10), (20, 90)]);
        assert_eq!(without(&vec![(0, 5), (6, 9)], &vec![(0, 9)]), []);
        assert_eq!(merged(vec![(5, 9), (0, 5), (20, 20)]), [(0, 9)]);
    }

    #[test]
    fn what_is_limited_waits_for_room() {
        let mut usage = Usage::default();
        usage.add(0, 100, 2);
        usage.add(50, 200, 1);
        assert_eq!(usage.earliest(0, 10, 1, 3), Some(0));
        assert_eq!(usage.earliest(0, 60, 1, 3), Some(100));
        assert_eq!(usage.earliest(0, 10, 3, 3), Some(200));
        assert_eq!(usage.earliest(0, 10, 4, 3), None);
    }
}
