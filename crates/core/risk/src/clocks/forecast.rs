//! What the plan makes of the clocks: who is patched when, and who is too late.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use underpin_exposure::report::AssetKind;
use underpin_model::policy::PromiseKind;

use super::{Clock, ForecastBreach, State};

/// The plan: each host that waits for a published fix with the day on which it has it.
pub(super) struct Plan(BTreeMap<Arc<str>, Date>);

impl Plan {
    /// Hosts in the order of their earliest due day, so many a day from the next day on. A host without a due day comes
    /// last: its clock is unknown.
    pub(super) fn new(clocks: &[Clock], as_of: Date, hosts_per_day: f64) -> Self {
        let mut due: BTreeMap<&Arc<str>, Date> = BTreeMap::new();
        let open = |it: &&Clock| it.kind == PromiseKind::FixWithin && it.fix.is_some();
        for clock in clocks.iter().filter(open) {
            for host in clock.assets.iter().filter(|it| it.kind == AssetKind::Host) {
                let day = due.entry(&host.id).or_insert(Date::MAX);
                *day = (*day).min(clock.due.unwrap_or(Date::MAX));
            }
        }
        let mut order: Vec<(Date, &Arc<str>)> = due.into_iter().map(|(id, day)| (day, id)).collect();
        order.sort();
        let turn = |at: usize| {
            // At most some thousand years: beyond the calendar it is the last day there is.
            let days = ((at + 1) as f64 / hosts_per_day).ceil().clamp(1.0, 1e6) as i64;
            as_of.checked_add(days.days()).unwrap_or(Date::MAX)
        };
        Self(order.into_iter().enumerate().map(|(at, (_, id))| (Arc::clone(id), turn(at))).collect())
    }

    pub(super) fn hosts(&self) -> usize {
        self.0.len()
    }

    pub(super) fn last_day(&self) -> Option<Date> {
        self.0.values().max().copied()
    }

    /// Marks the clocks that the plan breaks, and tells how many hosts break which promise on which day. A clock that is
    /// breached already is not forecast once more.
    pub(super) fn forecast(&self, clocks: &mut [Clock]) -> Vec<ForecastBreach> {
        let mut late: BTreeMap<(Date, String), std::collections::BTreeSet<Arc<str>>> = BTreeMap::new();
        let waits = |it: &&mut Clock| {
            it.kind == PromiseKind::FixWithin && matches!(it.state, State::DueSoon | State::Running)
        };
        for clock in clocks.iter_mut().filter(waits) {
            let Some(due) = clock.due else { continue };
            let too_late = clock.assets.iter().filter(|it| it.kind == AssetKind::Host);
            let too_late = too_late.filter(|it| self.0.get(&it.id).is_some_and(|day| *day > due));
            let on = due.tomorrow().unwrap_or(due);
            for host in too_late {
                clock.will_breach += 1;
                late.entry((on, clock.promise.clone())).or_default().insert(Arc::clone(&host.id));
            }
        }
        let breach = |((on, promise), hosts): ((Date, String), std::collections::BTreeSet<Arc<str>>)| {
            let hosts = hosts.len();
            let verb = if hosts == 1 { "host breaches" } else { "hosts breach" };
            let sentence = format!("at the planned pace {hosts} {verb} \"{promise}\" on {on}");
            ForecastBreach { promise, on, hosts, sentence }
        };
        late.into_iter().map(breach).collect()
    }
}
