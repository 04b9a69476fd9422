//! What owners said: which consent allows an action on a guest, and when it may be done.
//!
//! A no is stronger than any yes, while it stands: what is refused from one day to another is planned before or after.

use std::cmp::Reverse;

use jiff::Timestamp;
use underpin_model::change::Consent;
use underpin_model::fleet::{Action, Vm};
use underpin_model::plan::Reason;

use super::calendar::{Seconds, Spans, less};
use super::facts::Facts;

/// Answers of owners, with the plan's start.
pub(super) struct Answers<'a> {
    pub(super) consents: &'a [Consent],
    /// Those of them that begin or end.
    timed: Vec<&'a Consent>,
    pub(super) starts_at: Timestamp,
    /// Nothing is planned after it.
    pub(super) horizon_s: Seconds,
}

impl<'a> Answers<'a> {
    pub(super) fn new(consents: &'a [Consent], starts_at: Timestamp, horizon_s: Seconds) -> Self {
        let timed = consents.iter().filter(|it| it.from.is_some() || it.until.is_some()).collect();
        Self { consents, timed, starts_at, horizon_s }
    }
}

impl Answers<'_> {
    /// The consent for an action: none needed, its position, or why not.
    pub(super) fn find(&self, facts: &Facts<'_>, guest: u32, action: Action) -> Result<Option<u32>, Reason> {
        let vm = facts.guests[guest as usize].it;
        let why = |refused| Reason::Consent { vm: vm.id.clone(), tenant: vm.tenant.clone(), action, refused };
        let refused = self.refused(vm, action);
        let last = |open: Spans| open.last().filter(|_| open.iter().any(|it| it.0 < self.horizon_s)).copied();
        if !facts.policy.planning.consent_needed.contains(&action) {
            let ever = refused.is_empty() || last(less(vec![ALWAYS], refused)).is_some();
            return if ever { Ok(None) } else { Err(why(true)) };
        }
        let granted = self.about(vm, action).filter(|(_, it)| it.granted).filter_map(|(at, it)| {
            let open = less(vec![self.span(it)], refused.clone());
            Some((last(open)?.1, Reverse(&it.id), at))
        });
        // The one that leaves most freedom: it holds longest. Of equals the first by its id, wherever it stands in the file.
        granted.max().map(|it| Some(it.2)).ok_or_else(|| why(!refused.is_empty()))
    }

    /// When an action on a guest is allowed by a consent, if it needs one, and not refused; `None`: always.
    pub(super) fn allowed(&self, vm: &Vm, action: Action, consent: Option<u32>) -> Option<Spans> {
        let granted = consent.map(|at| self.consents.get(at as usize).map_or((0, 0), |it| self.span(it)));
        let refused = self.refused(vm, action);
        if granted.is_none() && refused.is_empty() {
            return None;
        }
        Some(less(vec![granted.unwrap_or(ALWAYS)], refused))
    }

    /// Answers about an action on a guest that are not over when the plan starts, by position.
    fn about(&self, vm: &Vm, action: Action) -> impl Iterator<Item = (u32, &Consent)> {
        let live = |it: &Consent| it.until.is_none_or(|until| until > self.starts_at);
        (0..).zip(self.consents).filter(move |(_, it)| it.action == action && live(it) && it.speaks_of(vm))
    }

    /// Some answer about a guest begins or ends.
    pub(super) fn change(&self, vm: &Vm) -> bool {
        self.timed.iter().any(|it| it.speaks_of(vm))
    }

    /// When a lock ends that is known to end.
    pub(super) fn unlocked(&self, vm: &Vm) -> Seconds {
        let after = |at: Timestamp| at.as_second().saturating_sub(self.starts_at.as_second());
        let ends = vm.locks.iter().filter_map(|it| it.expires).map(after).max().unwrap_or(0);
        ends.clamp(0, i64::from(Seconds::MAX)) as Seconds
    }

    /// When an action on a guest is refused, in no order.
    fn refused(&self, vm: &Vm, action: Action) -> Spans {
        self.about(vm, action).filter(|(_, it)| !it.granted).map(|(_, it)| self.span(it)).collect()
    }

    /// The whole seconds in which a yes holds, or which a no touches.
    fn span(&self, answer: &Consent) -> (Seconds, Seconds) {
        let offset = |at: Timestamp, late: bool| {
            let second = at.as_second() + i64::from(late && at.subsec_nanosecond() > 0);
            second.saturating_sub(self.starts_at.as_second()).clamp(0, i64::from(u32::MAX)) as Seconds
        };
        let from = answer.from.map_or(0, |it| offset(it, answer.granted));
        (from, answer.until.map_or(Seconds::MAX, |it| offset(it, !answer.granted)))
    }
}

/// All of a plan.
const ALWAYS: (Seconds, Seconds) = (0, Seconds::MAX);
