//! Which freeze of the calendar it is that holds a host back, by its name.
//!
//! The calendar knows when something may be touched, not why not. Here its windows and freezes are looked at apart: where the windows
//! alone would be open, a freeze is what is waited for.

use std::cmp::Reverse;

use underpin_model::id::{ElementId, TenantId};
use underpin_model::plan::Reason;
use underpin_model::policy::{Freeze, Scope};

use super::super::{Planned, Request};
use super::{Calendar, Facts, Rule, Seconds, Spans, earliest, host_in, less, merged, tenants_wait};

/// Names the freezes among the reasons of a report's hosts and waves.
pub(in super::super) fn name(request: &Request<'_>, facts: &Facts<'_>, planned: &mut Planned) {
    if request.policy.planning.freeze.is_empty() {
        return;
    }
    let Ok(calendar) = Calendar::new(facts, request.starts_at, tenants_wait(request)) else { return };
    for it in &mut planned.report.elements {
        calendar.rename(&it.element, &mut it.reasons);
    }
    for it in &mut planned.report.waves {
        let first = planned.plan.wave(it.wave).and_then(|it| it.elements.first());
        if let Some(first) = first {
            calendar.rename(first, &mut it.reasons);
        }
    }
}

/// A freeze with the spans that it shuts.
type Shut<'a> = (&'a Freeze, Spans);

/// What is said of a host, or of a tenant's guests on it.
#[derive(Clone, Copy)]
struct Whose<'t> {
    host: u32,
    tenant: Option<&'t TenantId>,
}

impl<'a> Calendar<'a> {
    fn rename(&self, element: &ElementId, reasons: &mut Vec<Reason>) {
        if let Some(host) = self.facts.host(element.as_str()) {
            *reasons = reasons.iter().flat_map(|it| self.named(host, it)).collect();
            reasons.dedup();
        }
    }

    /// A reason with the freeze before it or in its place, where one is to blame.
    fn named(&self, host: u32, reason: &Reason) -> Vec<Reason> {
        let (Reason::WindowOpens { tenant, .. }
        | Reason::NoWindow { tenant, .. }
        | Reason::OutsideWindow { tenant, .. }
        | Reason::WindowsApart { tenant, .. }) = reason
        else {
            return vec![reason.clone()];
        };
        let whose = Whose { host, tenant: tenant.as_ref() };
        let windows = self.openings(whose);
        let always = vec![(0, self.horizon_s)];
        let open = windows.as_ref().unwrap_or(&always);
        let found = match reason {
            Reason::WindowOpens { at_s, .. } => self.until(whose, open, *at_s),
            Reason::NoWindow { needs_s, .. } | Reason::OutsideWindow { needs_s, .. } => {
                earliest(open, 0, *needs_s).and_then(|_| self.longest(whose)).map(|it| (it, false))
            }
            // Nothing but freezes shuts what has no windows.
            _ => self.longest(whose).filter(|_| windows.is_none()).map(|it| (it, false)),
        };
        let Some(((freeze, shut), opens_later)) = found else { return vec![reason.clone()] };
        let until_s = shut.last().map(|it| it.1).filter(|it| *it < self.horizon_s);
        let of = Reason::InFreeze {
            freeze: freeze.id.clone(),
            reason: freeze.reason.clone(),
            tenant: tenant.clone(),
            until_s,
        };
        // What is left of the windows is too short as well.
        let too_short = windows.is_some() && matches!(reason, Reason::OutsideWindow { .. });
        let also = (too_short || opens_later).then(|| reason.clone());
        [of].into_iter().chain(also).collect()
    }

    /// The freeze that ends last until then, and whether a window that opens only after it is waited for besides.
    fn until(&self, whose: Whose<'_>, open: &Spans, at_s: Seconds) -> Option<(Shut<'a>, bool)> {
        let over = self.shut(whose).into_iter().filter_map(|it| Some((it.1.last()?.1, it)));
        let (until, it) = over.filter(|it| it.0 <= at_s).max_by_key(|it| it.0)?;
        let next = open.partition_point(|it| it.0 <= at_s).checked_sub(1)?;
        if open.get(next)?.0 < until {
            return Some((it, false));
        }
        let before = open.get(next.checked_sub(1)?)?;
        let cut = it.1.iter().any(|shut| shut.0 < before.1 && before.0 < shut.1);
        cut.then_some((it, true))
    }

    /// The freeze that shuts most.
    fn longest(&self, whose: Whose<'_>) -> Option<Shut<'a>> {
        let length = |it: &Spans| it.iter().map(|it| u64::from(it.1 - it.0)).sum::<u64>();
        let all = self.shut(whose).into_iter().enumerate();
        all.max_by_key(|(at, it)| (length(&it.1), Reverse(*at))).map(|it| it.1)
    }

    /// Freezes that speak of it, where no exception holds.
    fn shut(&self, whose: Whose<'_>) -> Vec<Shut<'a>> {
        let freezes = self.facts.policy.planning.freeze.iter().zip(&self.freezes);
        let own = freezes.filter(|it| self.speaks(whose, &it.0.scope));
        let excused = self.excused(whose, Rule::FreezeCalendar);
        let left = own.map(|(it, spans)| (it, less(spans.clone(), excused.clone())));
        left.filter(|it| !it.1.is_empty()).collect()
    }

    /// When windows alone are open; `None`: there are none.
    fn openings(&self, whose: Whose<'_>) -> Option<Spans> {
        let windows = self.facts.policy.planning.window.iter().zip(&self.windows);
        let mut own = windows
            .filter(|it| self.tenants_wait || it.0.scope.tenants.is_empty())
            .filter(|it| self.speaks(whose, &it.0.scope))
            .map(|it| it.1)
            .peekable();
        own.peek()?;
        let excused = self.excused(whose, Rule::Window);
        Some(merged(own.flatten().copied().chain(excused).collect()))
    }

    fn speaks(&self, whose: Whose<'_>, scope: &Scope) -> bool {
        let of = whose.tenant.map_or_else(|| scope.tenants.is_empty(), |it| scope.tenants.contains(it));
        of && host_in(self.facts, scope, whose.host)
    }

    /// When exceptions from a rule hold for it.
    fn excused(&self, whose: Whose<'_>, rule: Rule) -> Spans {
        let of = |scope: &Scope| match whose.tenant {
            None => scope.tenants.is_empty(),
            Some(it) => scope.hosts.is_empty() && (scope.tenants.is_empty() || scope.tenants.contains(it)),
        };
        let all = self.facts.policy.planning.exception.iter().zip(&self.leave);
        let own = all.filter(|it| {
            it.0.rule == rule && of(&it.0.scope) && host_in(self.facts, &it.0.scope, whose.host)
        });
        own.map(|it| (0, *it.1)).collect()
    }
}
