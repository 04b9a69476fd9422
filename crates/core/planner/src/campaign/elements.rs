//! Changes of elements that are not hosts: management planes, witnesses, storage.

use std::collections::BTreeSet;

use underpin_model::change::{Change, Layer};
use underpin_model::id::{ClusterId, ElementId};
use underpin_model::plan::Reason;
use underpin_model::policy::{Durations, Freeze, Scope, Spread};

use super::Request;
use super::calendar::{Seconds, Spans, earliest, less};
use super::facts::Facts;

/// Making sure of a backup.
pub(super) const BACKUP_CHECK: Spread = Spread::new(60, 300);

/// One element changed by itself.
#[derive(Debug, Clone)]
pub(super) struct ElementWork {
    pub(super) element: ElementId,
    pub(super) change: usize,
    pub(super) layer: Layer,
    pub(super) hops: Vec<String>,
    pub(super) units: u32,
    pub(super) durations: Durations,
    pub(super) start: Seconds,
    pub(super) end: Seconds,
    pub(super) reasons: Vec<Reason>,
}

/// Clusters that stand on an element, by position in [`Facts::clusters`].
pub(super) fn clusters_of(facts: &Facts<'_>, layer: Layer, element: &ElementId) -> Vec<usize> {
    let on = |at: usize| {
        let cluster = facts.fleet.clusters.get(facts.clusters[at].at as usize);
        let id = element.as_str();
        let hosts =
            &facts.hosts[facts.clusters[at].hosts.start as usize..facts.clusters[at].hosts.end as usize];
        match layer {
            Layer::Host => hosts.iter().any(|it| it.it.id.as_str() == id),
            Layer::ManagementPlane => {
                cluster.is_some_and(|it| it.managed_by.iter().any(|it| it.as_str() == id))
            }
            Layer::Witness => {
                cluster.is_some_and(|it| it.witness.as_ref().is_some_and(|it| it.as_str() == id))
            }
            Layer::Storage => {
                cluster.is_some_and(|it| it.storage.iter().any(|it| it.as_str() == id))
                    || hosts.iter().any(|it| it.it.reach.storage.iter().any(|it| it.as_str() == id))
            }
        }
    };
    (0..facts.clusters.len()).filter(|&at| on(at)).collect()
}

/// How long an element takes: staging and the check of its backup before, then its hops, unit by unit, then verifying.
pub(super) fn length(work: &ElementWork) -> Seconds {
    let patches = (work.hops.len() as u32).saturating_mul(work.units.max(1));
    work.durations
        .patch
        .p95_s
        .saturating_add(work.durations.reboot.p95_s)
        .saturating_add(work.durations.verify.p95_s)
        .saturating_mul(patches)
        .saturating_add(work.durations.attest.p95_s)
}

/// How long before its first patch something is done for an element: staging, and the check of a plane's backup.
pub(super) fn before(work: &ElementWork) -> Seconds {
    let check = if work.layer == Layer::ManagementPlane { BACKUP_CHECK.p95_s } else { 0 };
    work.durations.stage.p95_s.max(check)
}

/// When an element can be touched: how long it takes, and taking it back then, and what is done before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Takes {
    length: Seconds,
    rollback: Seconds,
    before: Seconds,
}

impl Takes {
    pub(super) fn of(work: &ElementWork) -> Self {
        Self { length: length(work), rollback: work.durations.rollback.p95_s, before: before(work) }
    }
}

/// First second at or after `from` at which windows and freezes let an element be touched and taken back, and freezes what is done for it
/// before; with what is waited for.
pub(super) fn opens(
    request: &Request<'_>,
    layer: Layer,
    element: &ElementId,
    clusters: &BTreeSet<ClusterId>,
    from: Seconds,
    takes: Takes,
) -> Result<(Seconds, Vec<Reason>), Reason> {
    let planning = &request.policy.planning;
    let horizon = planning.horizon_days.saturating_mul(86_400);
    let speaks = |scope: &Scope| {
        let plane =
            layer == Layer::ManagementPlane && scope.planes.iter().any(|it| it.as_str() == element.as_str());
        scope.tenants.is_empty()
            && scope.hosts.is_empty()
            && (scope.planes.is_empty() || plane)
            && (scope.clusters.is_empty() || scope.clusters.iter().any(|it| clusters.contains(it)))
            && (scope.platforms.is_empty() || plane)
    };
    let offset = |at: jiff::Timestamp| {
        at.as_second().saturating_sub(request.starts_at.as_second()).clamp(0, i64::from(horizon)) as Seconds
    };
    let end = request
        .starts_at
        .checked_add(jiff::SignedDuration::from_secs(i64::from(horizon)))
        .unwrap_or(jiff::Timestamp::MAX);
    let windows: Vec<_> = planning.window.iter().filter(|it| speaks(&it.scope)).collect();
    let open = if windows.is_empty() {
        // Only what is planned must end by the horizon, as that of hosts.
        vec![(0, horizon.saturating_add(takes.rollback))]
    } else {
        let openings = windows.iter().flat_map(|it| it.openings(request.starts_at, end).unwrap_or_default());
        less(openings.map(|it| (offset(it.0), offset(it.1))).collect(), Vec::new())
    };
    // What is staged and checked before must not lie in a freeze either.
    let frozen = |it: &'_ Freeze| {
        let (from, until) = (offset(it.from), offset(it.until));
        (from, if from < until { until.saturating_add(takes.before) } else { until })
    };
    let freezes: Vec<Shut<'_>> =
        planning.freeze.iter().filter(|it| speaks(&it.scope)).map(|it| (it, frozen(it))).collect();
    let spans = less(open.clone(), freezes.iter().map(|it| it.1).collect());
    let until_s = |it: &Freeze| Some(offset(it.until)).filter(|it| *it < horizon);
    // As a host's path, whatever is changed fits with its rollback.
    let length = takes.length.saturating_add(takes.rollback);
    match earliest(&spans, from, length) {
        Some(start) => Ok((start, waits(&open, &freezes, (from, start, length), until_s))),
        None => Err(missed(&open, &freezes, (from, length), until_s)),
    }
}

/// A freeze with what it shuts.
type Shut<'p> = (&'p Freeze, (Seconds, Seconds));

fn in_freeze(it: &Freeze, until_s: Option<Seconds>) -> Reason {
    Reason::InFreeze { freeze: it.id.clone(), reason: it.reason.clone(), tenant: None, until_s }
}

/// What an element waits for that could begin at one time and begins at another: a freeze, a window that opens, or one after the other.
fn waits(
    open: &Spans,
    freezes: &[Shut<'_>],
    (from, start, length): (Seconds, Seconds, Seconds),
    until_s: impl Fn(&Freeze) -> Option<Seconds>,
) -> Vec<Reason> {
    if start == from {
        return Vec::new();
    }
    let opens = Reason::WindowOpens { tenant: None, at_s: start };
    if earliest(open, from, length) == Some(start) {
        return vec![opens];
    }
    let over = freezes.iter().filter(|it| from < it.1.1 && it.1.1 <= start);
    match over.max_by_key(|it| it.1.1) {
        Some((it, shut)) if shut.1 == start => vec![in_freeze(it, until_s(it))],
        Some((it, _)) => vec![in_freeze(it, until_s(it)), opens],
        None => vec![opens],
    }
}

/// Why an element is never reached: a freeze, where the windows alone would do.
fn missed(
    open: &Spans,
    freezes: &[Shut<'_>],
    (from, needs_s): (Seconds, Seconds),
    until_s: impl Fn(&Freeze) -> Option<Seconds>,
) -> Reason {
    let longest = freezes.iter().rev().max_by_key(|it| it.1.1 - it.1.0);
    if let Some((it, _)) = longest.filter(|_| earliest(open, from, needs_s).is_some()) {
        return in_freeze(it, until_s(it));
    }
    match open.iter().map(|it| it.1 - it.0).max().unwrap_or(0) {
        0 => Reason::NoWindow { tenant: None, needs_s },
        longest_s if longest_s < needs_s => Reason::OutsideWindow { tenant: None, needs_s, longest_s },
        _ => Reason::WindowsApart { tenant: None, needs_s },
    }
}

/// An element's work, not yet placed in time.
pub(super) fn work(request: &Request<'_>, change: &Change, at: usize, element: &ElementId) -> ElementWork {
    let method =
        super::order::methods(change).first().copied().unwrap_or(underpin_model::change::Method::InPlace);
    ElementWork {
        element: element.clone(),
        change: at,
        layer: change.layer,
        hops: super::order::hops_of_element(request.fleet, change, element),
        units: change.units.max(1),
        durations: change.durations.unwrap_or_else(|| request.policy.planning.durations_of(method)),
        start: 0,
        end: 0,
        reasons: Vec::new(),
    }
}
