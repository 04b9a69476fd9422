//! What the plan makes of the clocks: what is patched when, and what is too late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use underpin_exposure::report::{Asset, AssetKind};
use underpin_model::policy::{Maintenance, PromiseKind};

use super::{Clock, ForecastBreach, ForecastUnknown, Report, State};

/// Assets patched per day, by kind; of a kind that is missing nobody planned a pace.
pub(super) struct Paces(BTreeMap<AssetKind, f64>);

impl Paces {
    pub(super) fn of(maintenance: &Maintenance, hosts_per_day: f64) -> Self {
        let known = [
            (AssetKind::Host, Some(hosts_per_day)),
            (AssetKind::ManagementPlane, maintenance.planes_per_day),
            (AssetKind::Vm, maintenance.vms_per_day),
            (AssetKind::Image, maintenance.images_per_day),
        ];
        Self(known.into_iter().filter_map(|(kind, pace)| Some((kind, pace?))).collect())
    }
}

/// When an asset that waits for a published fix has it, and why then: the queue of its kind, worked off at its pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// Its place in the queue, from 1.
    pub place: usize,
    /// Assets in the queue.
    pub of: usize,
    /// How many of them are patched per day.
    pub per_day: f64,
    /// The day on which it has its fix.
    pub day: Date,
}

/// The turns behind the forecast of a report, asset by asset; an asset of a kind without a pace has none. The pace of hosts is that of
/// the report, those of the other kinds are the policy's.
#[must_use]
pub fn turns(report: &Report, maintenance: &Maintenance) -> BTreeMap<Asset, Turn> {
    Plan::of(report, maintenance).turns
}

/// The plan: each asset that waits for a published fix with its turn.
pub(super) struct Plan {
    pub(super) turns: BTreeMap<Asset, Turn>,
    planned: BTreeSet<AssetKind>,
}

/// The day by which a clock must be done: the due day, or the last day of its acceptance, if that is later.
fn latest(clock: &Clock) -> Option<Date> {
    let accepted = clock.accepted.as_ref().filter(|it| !it.expired).map(|it| it.expires);
    Some(clock.due?.max(accepted.unwrap_or(Date::MIN)))
}

impl Plan {
    /// The plan behind the forecast of a report.
    pub(super) fn of(report: &Report, maintenance: &Maintenance) -> Self {
        Self::new(&report.clocks, report.as_of, &Paces::of(maintenance, report.hosts_per_day))
    }

    /// Kind by kind, in the order of their earliest due days, so many a day from the next day on. What has no due day comes
    /// last: its clock is unknown.
    pub(super) fn new(clocks: &[Clock], as_of: Date, paces: &Paces) -> Self {
        let mut due: BTreeMap<&Asset, Date> = BTreeMap::new();
        let open = |it: &&Clock| it.kind == PromiseKind::FixWithin && it.waits();
        for clock in clocks.iter().filter(open) {
            let by = latest(clock).unwrap_or(Date::MAX);
            for asset in &clock.assets {
                let day = due.entry(asset).or_insert(Date::MAX);
                *day = (*day).min(by);
            }
        }
        let mut turns = BTreeMap::new();
        for (kind, pace) in &paces.0 {
            let of_kind = due.iter().filter(|it| it.0.kind == *kind);
            let mut order: Vec<(Date, &Arc<str>)> = of_kind.map(|(asset, day)| (*day, &asset.id)).collect();
            order.sort();
            let of = order.len();
            for (at, (_, id)) in order.into_iter().enumerate() {
                // At most some thousand years: beyond the calendar it is the last day there is.
                let days = ((at + 1) as f64 / pace).ceil().clamp(1.0, 1e6) as i64;
                let day = as_of.checked_add(days.days()).unwrap_or(Date::MAX);
                let turn = Turn { place: at + 1, of, per_day: *pace, day };
                turns.insert(Asset { kind: *kind, id: Arc::clone(id) }, turn);
            }
        }
        Self { turns, planned: paces.0.keys().copied().collect() }
    }

    fn of_hosts(&self) -> impl Iterator<Item = Date> {
        self.turns.iter().filter(|it| it.0.kind == AssetKind::Host).map(|it| it.1.day)
    }

    /// Hosts that wait.
    pub(super) fn hosts(&self) -> usize {
        self.of_hosts().count()
    }

    /// The day on which the last of them has its fix.
    pub(super) fn last_day(&self) -> Option<Date> {
        self.of_hosts().max()
    }

    /// Marks the clocks that the plan breaks and those of which it knows nothing, and tells how many assets break which
    /// promise on which day. A clock that is breached already is not forecast once more.
    pub(super) fn forecast(&self, clocks: &mut [Clock]) -> (Vec<ForecastBreach>, Vec<ForecastUnknown>) {
        let mut late: BTreeMap<(Date, String, AssetKind), BTreeSet<Asset>> = BTreeMap::new();
        let mut unknown: BTreeMap<(String, AssetKind), BTreeSet<Asset>> = BTreeMap::new();
        let waits = |it: &&mut Clock| {
            it.kind == PromiseKind::FixWithin
                && matches!(it.state, State::DueSoon | State::Running | State::Accepted)
        };
        for clock in clocks.iter_mut().filter(waits) {
            let Some(by) = latest(clock) else { continue };
            let on = by.tomorrow().unwrap_or(by);
            for asset in &clock.assets {
                if !self.planned.contains(&asset.kind) {
                    clock.forecast_unknown += 1;
                    let key = (clock.promise.clone(), asset.kind);
                    unknown.entry(key).or_default().insert(asset.clone());
                } else if self.turns.get(asset).is_some_and(|turn| turn.day > by) {
                    clock.will_breach += 1;
                    let key = (on, clock.promise.clone(), asset.kind);
                    late.entry(key).or_default().insert(asset.clone());
                }
            }
        }
        let breach = |((on, promise, kind), assets): ((Date, String, AssetKind), BTreeSet<Asset>)| {
            let assets = assets.len();
            let verb = if assets == 1 { "breaches" } else { "breach" };
            let sentence =
                format!("at the planned pace {assets} {} {verb} \"{promise}\" on {on}", words(kind, assets));
            ForecastBreach { promise, on, kind, assets, sentence }
        };
        let without_pace = |((promise, kind), assets): ((String, AssetKind), BTreeSet<Asset>)| {
            let assets = assets.len();
            let (they, verb, breach) =
                if assets == 1 { ("it", "waits", "breaches") } else { ("they", "wait", "breach") };
            let sentence = format!(
                "{assets} {} {verb} for a fix under \"{promise}\"; no pace is planned for {}: whether {they} {breach} is unknown",
                words(kind, assets),
                words(kind, 2)
            );
            ForecastUnknown { promise, kind, assets, sentence }
        };
        (late.into_iter().map(breach).collect(), unknown.into_iter().map(without_pace).collect())
    }
}

fn words(kind: AssetKind, count: usize) -> &'static str {
    match (kind, count) {
        (AssetKind::Host, 1) => "host",
        (AssetKind::Host, _) => "hosts",
        (AssetKind::Vm, 1) => "VM",
        (AssetKind::Vm, _) => "VMs",
        (AssetKind::Image, 1) => "image",
        (AssetKind::Image, _) => "images",
        (AssetKind::ManagementPlane, 1) => "management plane",
        (AssetKind::ManagementPlane, _) => "management planes",
        (AssetKind::Witness, 1) => "witness",
        (AssetKind::Witness, _) => "witnesses",
        (AssetKind::Storage, 1) => "storage system",
        (AssetKind::Storage, _) => "storage systems",
    }
}
