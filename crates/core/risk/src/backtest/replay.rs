//! The replay of one policy over a history, day by day, and what it cost.

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::Serialize;
use underpin_model::facts::Period;

use super::history::{Event, Fact, History, Hole, Means, Why};
use super::rules::Economics;
use super::view::{Decision, DecisionRule, Known, View, days};
use crate::withdrawals;

/// Days of one block of the bootstrap: a quarter, longer than the roll-outs and most gaps within it.
pub const BLOCK_DAYS: i64 = 91;

/// The fleet of a replay: equal hosts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReplayFleet {
    /// Hosts.
    pub hosts: u32,
    /// VMs on each.
    pub vms_per_host: f64,
    /// No fleet was given: both are the defaults of the tool.
    pub assumed: bool,
}

/// What is counted, over a span. Sums, but for quotients that are made of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) exposure_days: f64,
    pub(super) exploited_days: f64,
    pub(super) lag_days: f64,
    pub(super) withdrawn: f64,
    pub(super) repaired: f64,
    pub(super) unclear: f64,
    pub(super) bad_hosts: f64,
    pub(super) maintenances: f64,
    pub(super) reboots: f64,
    /// Hosts x vulnerabilities for which a fix came, by the day from which they could have been patched.
    pub(super) patchable: f64,
    /// Days until they were, or to the end of the span.
    pub(super) days_to_patch: f64,
    /// Those that were not.
    pub(super) never_patched: f64,
    pub(super) loss_exposure: f64,
    pub(super) loss_bad: f64,
    pub(super) loss_unclear: f64,
    pub(super) loss_maintenance: f64,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.exposure_days += other.exposure_days;
        self.exploited_days += other.exploited_days;
        self.lag_days += other.lag_days;
        self.withdrawn += other.withdrawn;
        self.repaired += other.repaired;
        self.unclear += other.unclear;
        self.bad_hosts += other.bad_hosts;
        self.maintenances += other.maintenances;
        self.reboots += other.reboots;
        self.patchable += other.patchable;
        self.days_to_patch += other.days_to_patch;
        self.never_patched += other.never_patched;
        self.loss_exposure += other.loss_exposure;
        self.loss_bad += other.loss_bad;
        self.loss_unclear += other.loss_unclear;
        self.loss_maintenance += other.loss_maintenance;
    }

    pub(super) fn loss(&self) -> f64 {
        self.loss_exposure + self.loss_bad + self.loss_maintenance
    }
}

/// A decision that began a roll-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The day.
    pub day: Date,
    /// The release.
    pub version: String,
}

/// One replay.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Replayed {
    /// Sums of each block of [`BLOCK_DAYS`].
    pub(super) blocks: Vec<Sums>,
    pub(super) taken: Vec<Taken>,
    /// Hosts x vulnerabilities that were open at the end.
    pub(super) open_at_end: u64,
}

/// Replays a policy. The decision of a day sees the facts dated before it; hosts are counted as they stand after the
/// work of the day. At the start every host runs the newest release of the day before, or the first of the line.
pub(super) fn replay(
    history: &History,
    rule: &dyn DecisionRule,
    period: Period,
    fleet: ReplayFleet,
    hosts_per_day: f64,
    costs: &Economics,
) -> Replayed {
    let facts = history.facts();
    let mut told = facts.iter().peekable();
    let mut known = Known::default();
    let mut world = World::new(history, costs, period.from);
    let mut hosts = Hosts::new(history, fleet.hosts, period.from);
    let length = usize::try_from(days(period.from, period.to) / BLOCK_DAYS + 1).unwrap_or(0);
    let mut blocks = vec![Sums::default(); length];
    let mut taken = Vec::new();
    let mut waits = Vec::new();
    let (mut day, mut at) = (period.from, 0_usize);
    while day <= period.to {
        while let Some(fact) = told.next_if(|it| it.day < day) {
            known.tell(fact);
        }
        world.advance(&facts, day);
        let mut sums = Sums::default();
        let view = View::new(&known, day, hosts.oldest());
        if let Decision::Install(release) = rule.decide(&view)
            && hosts.begin(release.position())
        {
            world.begun(release.position(), &mut sums);
            taken.push(Taken { day, version: view.version(release).to_owned() });
        }
        if hosts.target.is_some_and(|it| known.is_bad(it)) {
            hosts.target = None;
        }
        for (from, to, count) in hosts.work(hosts_per_day) {
            world.patched(to, count, &mut sums);
            waits.extend(world.waits_ended(from, to, count, day));
        }
        world.stand(&hosts, day, &mut sums);
        if let Some(block) = blocks.get_mut(at / BLOCK_DAYS as usize) {
            block.add(&sums);
        }
        at += 1;
        let Ok(next) = day.checked_add(1.day()) else { break };
        day = next;
    }
    waits.extend(world.waits_not_ended(&hosts, period.to));
    for wait in waits {
        let at = usize::try_from(days(period.from, wait.since) / BLOCK_DAYS).ok();
        if let Some(block) = at.and_then(|at| blocks.get_mut(at)) {
            block.patchable += wait.hosts;
            block.days_to_patch += wait.hosts * wait.days;
            block.never_patched += if wait.ended { 0.0 } else { wait.hosts };
        }
    }
    Replayed { blocks, taken, open_at_end: world.open_hosts(&hosts) }
}

/// Hosts that waited for a patch of one vulnerability. They count in the block in which they began to: those that wait to the
/// end are of any block, not all of the last one.
struct Wait {
    since: Date,
    days: f64,
    hosts: f64,
    ended: bool,
}

/// Which hosts run what.
struct Hosts {
    /// Hosts by position of the release that they run.
    by_release: Vec<u32>,
    target: Option<usize>,
    /// Work of a day that is less than a host is saved up.
    credit: f64,
}

impl Hosts {
    fn new(history: &History, hosts: u32, from: Date) -> Self {
        let bad = |at: usize| {
            history.bad.iter().any(|it| it.release == at && it.why != Why::Unclear && it.known < from)
        };
        let newest = history
            .releases
            .iter()
            .enumerate()
            .rev()
            .find(|(at, it)| it.day < from && !bad(*at))
            .map(|it| it.0);
        let first =
            history.releases.iter().enumerate().min_by_key(|(at, it)| (it.day, *at)).map_or(0, |it| it.0);
        let mut by_release = vec![0; history.releases.len()];
        if let Some(count) = by_release.get_mut(newest.unwrap_or(first)) {
            *count = hosts;
        }
        Self { by_release, target: None, credit: 0.0 }
    }

    /// The oldest release that is left once the running roll-out is through.
    fn oldest(&self) -> usize {
        let oldest = self.by_release.iter().position(|it| *it > 0).unwrap_or(0);
        self.target.map_or(oldest, |it| it.max(oldest))
    }

    fn begin(&mut self, release: usize) -> bool {
        let new = release > self.oldest() && release < self.by_release.len();
        if new {
            self.target = Some(release);
        }
        new
    }

    /// The work of a day: the hosts with the oldest release first.
    fn work(&mut self, hosts_per_day: f64) -> Vec<(usize, usize, u32)> {
        let Some(target) = self.target else {
            self.credit = 0.0;
            return Vec::new();
        };
        self.credit += hosts_per_day;
        let mut left = self.credit.floor().clamp(0.0, f64::from(u32::MAX)) as u32;
        self.credit -= f64::from(left);
        let mut moved = Vec::new();
        let mut arrived = 0;
        for (at, count) in self.by_release.iter_mut().enumerate().take(target) {
            let now = (*count).min(left);
            if now > 0 {
                *count -= now;
                left -= now;
                arrived += now;
                moved.push((at, target, now));
            }
        }
        if let Some(count) = self.by_release.get_mut(target) {
            *count += arrived;
        }
        if self.by_release.iter().take(target).all(|it| *it == 0) {
            self.target = None;
            self.credit = 0.0;
        }
        moved
    }
}

/// What a hole does, whether or not a day says since when that is known.
fn means(hole: &Hole) -> Means {
    hole.means.map_or_else(Means::unknown, |it| it.1)
}

/// What is so, whether anybody knows it or not: for counting, never for deciding.
struct World<'h> {
    history: &'h History,
    costs: &'h Economics,
    from: Date,
    next: usize,
    /// By hole: what a day of it costs a host while it is not listed.
    unlisted: Vec<f64>,
    /// Published vulnerabilities that are open on a release.
    open: Vec<u32>,
    /// What a day of them costs a host, as if none were listed.
    loss: Vec<f64>,
    /// Positions of vulnerabilities that KEV lists, with their day.
    listed: Vec<(usize, Date)>,
    published: Vec<usize>,
    closes: Vec<Vec<bool>>,
}

impl<'h> World<'h> {
    fn new(history: &'h History, costs: &'h Economics, from: Date) -> Self {
        let releases = history.releases.len();
        let mut closes = vec![vec![false; releases]; history.holes.len()];
        for (row, hole) in closes.iter_mut().zip(&history.holes) {
            for &by in &hole.closed_by {
                if let Some(cell) = row.get_mut(by) {
                    *cell = true;
                }
            }
        }
        Self {
            history,
            costs,
            from,
            next: 0,
            unlisted: history.holes.iter().map(|it| costs.daily_loss(means(it), None)).collect(),
            open: vec![0; releases],
            loss: vec![0.0; releases],
            listed: Vec::new(),
            published: Vec::new(),
            closes,
        }
    }

    fn is_closed(&self, hole: usize, by: usize) -> bool {
        self.closes.get(hole).and_then(|row| row.get(by)).copied().unwrap_or(false)
    }

    /// Everything up to and with a day has happened.
    fn advance(&mut self, facts: &[Fact<'_>], day: Date) {
        while let Some(fact) = facts.get(self.next).filter(|it| it.day <= day) {
            self.next += 1;
            match fact.event {
                Event::Published { hole, .. } => {
                    self.published.push(hole);
                    let unlisted = self.unlisted.get(hole).copied().unwrap_or(0.0);
                    let open = self.open.iter_mut().zip(&mut self.loss);
                    for (closed, (open, loss)) in self.closes.get(hole).into_iter().flatten().zip(open) {
                        if !closed {
                            *open += 1;
                            *loss += unlisted;
                        }
                    }
                }
                Event::Listed { hole } => self.listed.push((hole, fact.day)),
                _ => {}
            }
        }
    }

    fn begun(&self, release: usize, sums: &mut Sums) {
        sums.maintenances += 1.0;
        match self.history.bad.iter().find(|it| it.release == release).map(|it| it.why) {
            Some(Why::Withdrawn) => sums.withdrawn += 1.0,
            Some(Why::Repaired) => sums.repaired += 1.0,
            Some(Why::Unclear) => sums.unclear += 1.0,
            None => {}
        }
    }

    /// Hosts went from one release to another.
    fn patched(&self, to: usize, count: u32, sums: &mut Sums) {
        let count = f64::from(count);
        sums.reboots += count;
        sums.loss_maintenance += count * self.costs.maintenance();
        if let Some(bad) = self.history.bad.iter().find(|it| it.release == to) {
            let incident = withdrawals::TABLE.iter().find(|it| it.version == &*bad.version);
            let hit = incident.and_then(|it| it.hit).unwrap_or_else(|| self.costs.hit());
            let loss = count * hit * self.costs.regression();
            if bad.why == Why::Unclear {
                sums.loss_unclear += loss;
            } else {
                sums.bad_hosts += count;
                sums.loss_bad += loss;
            }
        }
    }

    /// Since when a host could have been patched: the hole is public, a fix is out, and the replay has begun. `None`: no fix.
    fn patchable_since(&self, hole: usize) -> Option<Date> {
        let hole = self.history.holes.get(hole)?;
        let fixes = hole.closed_by.iter().filter_map(|at| self.history.releases.get(*at)).map(|it| it.day);
        Some(fixes.min()?.max(hole.published).max(self.from))
    }

    /// Hosts went from one release to another, which closes what they waited for.
    fn waits_ended(&self, from: usize, to: usize, count: u32, day: Date) -> impl Iterator<Item = Wait> {
        let closed = move |hole: &usize| !self.is_closed(*hole, from) && self.is_closed(*hole, to);
        self.published.iter().copied().filter(closed).map(move |hole| {
            let since = self.patchable_since(hole).unwrap_or(day);
            Wait { since, days: days(since, day) as f64, hosts: f64::from(count), ended: true }
        })
    }

    /// Hosts wait for what is fixed somewhere when the span ends.
    fn waits_not_ended(&self, hosts: &Hosts, end: Date) -> Vec<Wait> {
        let stand = || hosts.by_release.iter().enumerate().filter(|it| *it.1 > 0);
        let open = |hole: usize| {
            let open = stand().filter(|(release, _)| !self.is_closed(hole, *release));
            open.map(|(_, count)| f64::from(*count)).sum::<f64>()
        };
        let wait = |hole: usize| {
            let since = self.patchable_since(hole).filter(|it| *it <= end)?;
            let hosts = open(hole);
            // The last day counts as every other on which a host stands open: to the day after it.
            (hosts > 0.0).then(|| Wait { since, days: (days(since, end) + 1) as f64, hosts, ended: false })
        };
        self.published.iter().filter_map(|hole| wait(*hole)).collect()
    }

    /// The newest release that is out and not yet known to be bad.
    fn newest(&self, day: Date) -> Option<usize> {
        let bad = |at: usize| {
            self.history.bad.iter().any(|it| it.release == at && it.why != Why::Unclear && it.known <= day)
        };
        self.history
            .releases
            .iter()
            .enumerate()
            .rev()
            .find(|(at, it)| it.day <= day && !bad(*at))
            .map(|it| it.0)
    }

    /// One day of standing as the hosts stand.
    fn stand(&self, hosts: &Hosts, day: Date, sums: &mut Sums) {
        let newest = self.newest(day);
        for (release, count) in hosts.by_release.iter().enumerate().filter(|it| *it.1 > 0) {
            let count = f64::from(*count);
            let open = f64::from(self.open.get(release).copied().unwrap_or(0));
            let mut loss = self.loss.get(release).copied().unwrap_or(0.0);
            for (hole, listed) in self.listed.iter().filter(|it| !self.is_closed(it.0, release)) {
                if let (Some(it), Some(unlisted)) = (self.history.holes.get(*hole), self.unlisted.get(*hole))
                {
                    loss += self.costs.daily_loss(means(it), Some(days(*listed, day))) - unlisted;
                }
                sums.exploited_days += count;
            }
            if newest.is_some_and(|it| it > release) {
                sums.lag_days += count;
            }
            sums.exposure_days += count * open;
            sums.loss_exposure += count * loss;
        }
    }

    fn open_hosts(&self, hosts: &Hosts) -> u64 {
        let open = hosts.by_release.iter().zip(&self.open);
        open.map(|(count, open)| u64::from(*count) * u64::from(*open)).sum()
    }
}
