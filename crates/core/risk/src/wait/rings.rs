//! What an earlier ring will have shown of a release before the hosts of a later one take it.
//!
//! A staged roll-out stops a bad release before its later rings only if an earlier one has run it by then. So a later ring is
//! credited with it from a day: that on which hosts of its platform and hardware take the release in an earlier ring, by their
//! own decision, and the soak of that ring. Hosts that run it already count from their last boot, where it is known and loaded
//! what they run, else from now. An earlier ring that does not take the release, or of which it is not known when, protects nobody.
//!
//! What is known needs no finding out: where a failure on this hardware, or its maker, has told that a release is bad, the
//! ring has done its part, and those who take it all the same are not protected.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use underpin_model::fleet::{Fleet, HardwareClass};
use underpin_model::policy::{Policy, Ring};

use super::due::{self, LineKey};
use super::groups::GroupDecision;
use super::running::{self, Run};
use super::scene::{Case, Members, Situated};
use super::target::Releases;
use crate::groups::GroupKey;

/// The earlier ring that runs a release before a group takes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EarlierRing {
    /// Its name.
    pub ring: String,
    /// Hosts of it run the release already; otherwise it is to take it by its own decision.
    pub runs_it: bool,
    /// Days from now until it has run the release for its soak: before that day it protects nobody.
    pub from_days: f64,
}

/// Hosts for which rings stand in front of each other: product as the fleet spells it, and hardware.
type Kind = (Option<String>, HardwareClass);

/// A release that a ring is to take: kind of hosts, place of the ring, line, version.
type Taken = (Kind, usize, LineKey, String);

/// What earlier rings have decided, in days from now; `None`: not within the horizon.
#[derive(Debug, Default)]
pub(super) struct Decided(FxHashMap<Taken, Option<f64>>);

impl Decided {
    /// Adds a decision. Of several groups of a ring the first that takes a release counts. Of two releases that close the same the one
    /// that gains less is not taken.
    pub(super) fn tell(&mut self, rings: &Rings<'_>, line: &LineKey, decision: &GroupDecision) {
        let (Some(place), Some(release)) = (rings.place(&decision.group), &decision.release) else { return };
        let Some(wait) = decision.wait.as_ref().filter(|_| decision.better.is_none()) else { return };
        let key = (kind(&decision.group), place, line.clone(), release.clone());
        let known = self.0.entry(key).or_default();
        *known = match (*known, wait.optimum.days) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Versions that hosts run, each with the day since when, if that is known.
type Runs = BTreeMap<String, Option<Date>>;

/// The rings of a policy, and what hosts of earlier ones run.
pub(super) struct Rings<'a> {
    list: &'a [Ring],
    day: Date,
    horizon_days: f64,
    /// By kind of hosts: the rings in which it has some, by place, with what of each line they run.
    of: BTreeMap<Kind, BTreeMap<usize, FxHashMap<LineKey, Runs>>>,
}

impl<'a> Rings<'a> {
    pub(super) fn of(
        fleet: &Fleet,
        policy: &'a Policy,
        (day, horizon_days): (Date, f64),
        groups: &[Arc<Members>],
        cases: &[Case],
    ) -> Self {
        let mut rings = Self { list: &policy.rings, day, horizon_days, of: BTreeMap::new() };
        let lines: FxHashSet<&LineKey> = cases.iter().map(|it| &it.line).collect();
        let placed = groups.iter().filter_map(|it| Some((it, rings.place(&it.key)?)));
        let placed: Vec<(&Arc<Members>, usize)> =
            placed.filter(|it| !it.0.key.hardware.is_unknown()).collect();
        let last: BTreeMap<Kind, usize> = placed.iter().fold(BTreeMap::new(), |mut last, (group, place)| {
            let known = last.entry(kind(&group.key)).or_insert(*place);
            *known = (*known).max(*place);
            last
        });
        // Nobody asks what the last ring runs.
        let due: FxHashSet<(usize, &LineKey, usize)> = cases
            .iter()
            .flat_map(|it| it.due.restarts.keys().map(|bunch| (it.group_id(), &it.line, *bunch)))
            .collect();
        let runs = |(group, place): (&Arc<Members>, usize)| {
            let kind = kind(&group.key);
            let asked = last.get(&kind).is_some_and(|it| place < *it);
            let mut list: Vec<Run> = Vec::new();
            for (bunch, hosts) in group.bunches.iter().enumerate().filter(|_| asked) {
                // What is due is not run yet, whatever is installed: it may wait for a boot.
                let is_due = |it: &Run| due.contains(&(Arc::as_ptr(group).addr(), &it.line, bunch));
                list.extend(running::runs(fleet, hosts, &lines).into_iter().filter(|it| !is_due(it)));
            }
            (kind, place, list)
        };
        for (kind, place, runs) in placed.into_par_iter().map(runs).collect::<Vec<_>>() {
            let of_ring = rings.of.entry(kind).or_default().entry(place).or_default();
            for Run { line, version, since } in runs {
                let known = of_ring.entry(line).or_default().entry(version).or_default();
                *known = due::earlier(*known, since);
            }
        }
        rings
    }

    /// The place of the ring of a group; `None`: the policy does not name it.
    pub(super) fn place(&self, key: &GroupKey) -> Option<usize> {
        self.list.iter().position(|it| Some(it.name.as_str()) == key.ring.as_deref())
    }

    /// The earlier ring that is the first to have run a release; what is assumed because there is none is told.
    pub(super) fn before(
        &self,
        decided: &Decided,
        releases: &Releases<'_>,
        (about, case): (&GroupDecision, &Situated),
    ) -> Result<Option<EarlierRing>, String> {
        let Some(own) = self.place(&about.group) else {
            return Err("the ring of these hosts is not known to the policy: no earlier ring protects them"
                .to_owned());
        };
        if own == 0 {
            return Ok(None);
        }
        let kind = kind(&about.group);
        let mut earlier = self.of.get(&kind).into_iter().flat_map(|it| it.range(..own)).peekable();
        if earlier.peek().is_none() {
            return Err(
                "no host of an earlier ring has this hardware: no earlier ring protects these".to_owned()
            );
        }
        if case.situation.is_known_to_be_bad() {
            return Err(
                "that this release is bad for this hardware is known: an earlier ring that would find it out protects nobody"
                    .to_owned(),
            );
        }
        let release = about.release.as_deref().unwrap_or_default();
        let first = earlier.filter_map(|(place, runs)| {
            let ring = self.list.get(*place)?;
            let soak = ring.soak.get();
            let running = runs.get(&case.line).and_then(|it| self.running(it, releases, &case.line, release));
            let taken = (kind.clone(), *place, case.line.clone(), release.to_owned());
            let to_take = decided.0.get(&taken).copied().flatten();
            let running = running.map(|ago| ((soak - ago).max(0.0), true));
            let ways = running.into_iter().chain(to_take.map(|days| (days + soak, false)));
            let (from_days, runs_it) = ways.min_by(|a, b| a.0.total_cmp(&b.0))?;
            Some(EarlierRing { ring: ring.name.clone(), runs_it, from_days })
        });
        match first.min_by(|a, b| a.from_days.total_cmp(&b.from_days)) {
            Some(it) if it.from_days < self.horizon_days => Ok(Some(it)),
            Some(it) => Err(format!(
                "ring {} has run this release only after {:.0} days: within {:.0} days no earlier ring protects these",
                it.ring, it.from_days, self.horizon_days
            )),
            None => {
                Err("no earlier ring takes this release, or it is not known when: none protects these"
                    .to_owned())
            }
        }
    }

    /// The most days since hosts run a version that is at least this one; 0 where nobody knows since when, `None`: none does.
    fn running(&self, runs: &Runs, releases: &Releases<'_>, line: &LineKey, release: &str) -> Option<f64> {
        let at_least = |version: &str| {
            matches!(releases.order(line, version, release), Some(Ordering::Equal | Ordering::Greater))
        };
        let ago = |since: Option<Date>| since.map_or(0.0, |it| f64::from((self.day - it).get_days().max(0)));
        let running = runs.iter().filter(|(version, _)| at_least(version));
        running.map(|(_, since)| ago(*since)).max_by(f64::total_cmp)
    }
}

fn kind(key: &GroupKey) -> Kind {
    (key.platform.clone(), key.hardware.clone())
}
