//! Guests that the parent plan has on their way home when this one begins: their hosts were emptied for it, and they are not back.
//!
//! They go home before anything else is done in their cluster where that is soon, else when all of it is done.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::{Layer, Method};
use underpin_model::plan::{Plan, Reason, Step, StepKind, element_of};
use underpin_model::policy::Homing;

use super::calendar::Seconds;
use super::couplings::Couplings;
use super::drive::{Drive, HostWave};
use super::early::NO_TIME;
use super::homing::StaysAway;
use super::leave::{Departure, How};
use super::room::KINDS;
use super::stage::{Cluster, Draft, Shared, StagedWave};
use super::timing::{Work, layout};

/// Nobody minds waiting so long for guests that go home: a judgement, an hour.
const SOON_S: Seconds = 3600;

/// Where a guest was on its way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Homeward {
    pub(super) home: u32,
    /// What keeps it away; `None`: it was brought home.
    pub(super) kept: Option<StaysAway>,
}

impl Drive<'_, '_> {
    /// Brings those home whom the parent plan would have brought home: at first where that is soon and nothing is to come for their home,
    /// at `last` all others.
    pub(super) fn bring_home(&mut self, last: bool) {
        if !last {
            self.driven.homeward = self.homeward();
        }
        let mut by_cluster: BTreeMap<u32, Vec<(u32, u32)>> = BTreeMap::new();
        for (&guest, it) in self.driven.homeward.iter().filter(|it| it.1.kept.is_some()) {
            if last || !self.is_due(it.home) {
                let cluster = self.facts.hosts[it.home as usize].cluster;
                by_cluster.entry(cluster).or_default().push((guest, it.home));
            }
        }
        for (at, guests) in by_cluster {
            let until = if last { Seconds::MAX } else { self.next(at).max(SOON_S) };
            let canaries = self.canary_hosts();
            let cluster = &mut self.clusters[at as usize];
            let (wave, kept) =
                cluster.bring_home(&self.shared, &mut self.couplings, &guests, &canaries, until);
            for (guest, _) in guests {
                let kept = kept.get(&guest).copied();
                self.driven.homeward.entry(guest).and_modify(|it| it.kept = kept);
            }
            self.driven.way_home.extend(wave.map(|staged| HostWave {
                cluster: at,
                stage: self.driven.stages,
                ring: None,
                canary: false,
                soak_until: staged.end,
                staged,
            }));
        }
    }

    /// Hosts that soak as canaries of this plan.
    fn canary_hosts(&self) -> BTreeSet<u32> {
        let canaries = self.driven.waves.iter().filter(|it| it.canary);
        canaries.flat_map(|it| &it.staged.works).map(|it| it.host).collect()
    }

    /// A change is to come for a host.
    fn is_due(&self, host: u32) -> bool {
        let changes = self.request.changes().iter().zip(&self.concerned);
        let of_hosts = changes.filter(|it| it.0.layer == Layer::Host).map(|it| it.1);
        element_of(&self.facts.hosts[host as usize].it.id)
            .is_some_and(|element| of_hosts.into_iter().any(|it| it.due.contains(&element)))
    }

    /// When the parent begins with the next host of a cluster that is due.
    fn next(&self, cluster: u32) -> Seconds {
        let starts = self.parent_starts();
        let hosts = self.facts.clusters[cluster as usize].hosts.clone().filter(|it| self.is_due(*it));
        let of = |it: u32| starts.get(self.facts.hosts[it as usize].it.id.as_str()).map(|it| it.0);
        hosts.filter_map(of).min().unwrap_or(Seconds::MAX)
    }

    /// Guests that stand where the parent put them while their home was changed, though it has begun with that: by guest.
    fn homeward(&self) -> BTreeMap<u32, Homeward> {
        let mut homeward = BTreeMap::new();
        let Some(parent) = self.request.parent.map(|it| it.plan) else { return homeward };
        if self.shared.homing == Homing::Drift {
            return homeward;
        }
        let since = self.request.starts_at.as_second().saturating_sub(parent.starts_at.as_second());
        let begun = |it: &&Step| i64::from(it.start_s) <= since;
        let waves: BTreeSet<u32> =
            parent.steps.iter().filter(begun).filter(|it| it.kind.touches()).map(|it| it.wave).collect();
        let moved = moved(parent.steps.iter().filter(begun));
        let guests: BTreeMap<&str, u32> =
            self.facts.guests.iter().map(|it| it.it.id.as_str()).zip(0..).collect();
        for step in parent.steps.iter().filter(|it| waves.contains(&it.wave)) {
            let StepKind::Migrate { vm, from, to, .. } = &step.kind else { continue };
            let goes_home = step.subject.as_ref().is_some_and(|it| it.as_str() == to.as_str());
            // Whoever was moved again since is where it was to be.
            let last = moved.get(vm.as_str()).is_none_or(|it| *it <= step.start_s);
            let (Some(&guest), Some(home)) = (guests.get(vm.as_str()), self.facts.host(to.as_str())) else {
                continue;
            };
            let at = self.facts.home[guest as usize];
            let stands = self.facts.hosts[at as usize].it.id.as_str();
            let put = stands == from.as_str() || may_be_put(parent, step.wave, to.as_str(), stands);
            let near = self.facts.hosts[at as usize].cluster == self.facts.hosts[home as usize].cluster;
            if goes_home && last && at != home && put && near {
                homeward.insert(guest, Homeward { home, kept: Some(StaysAway::Due) });
            }
        }
        homeward
    }
}

/// When guests began to be moved last.
fn moved<'s>(steps: impl Iterator<Item = &'s Step>) -> BTreeMap<&'s str, Seconds> {
    let mut moved = BTreeMap::new();
    for step in steps {
        match &step.kind {
            StepKind::Migrate { vm, .. } => drop(moved.insert(vm.as_str(), step.start_s)),
            StepKind::Evacuate { expected, .. } => {
                moved.extend(expected.iter().map(|it| (it.0.as_str(), step.start_s)));
            }
            _ => {}
        }
    }
    moved
}

/// A platform that empties a host in a wave may put guests there.
fn may_be_put(parent: &Plan, wave: u32, emptied: &str, on: &str) -> bool {
    let steps = parent.steps.iter().filter(|it| it.wave == wave);
    steps.map(|it| &it.kind).any(|it| match it {
        StepKind::Evacuate { host, only_to, .. } => {
            host.as_str() == emptied && only_to.iter().any(|it| it.as_str() == on)
        }
        _ => false,
    })
}

impl<'f, 'a> Cluster<'f, 'a> {
    /// Guests go to their homes in one wave that is over by `until`; who does not, with what keeps it.
    fn bring_home(
        &mut self,
        shared: &Shared<'f, 'a>,
        couplings: &mut Couplings,
        guests: &[(u32, u32)],
        canaries: &BTreeSet<u32>,
        until: Seconds,
    ) -> (Option<StagedWave>, BTreeMap<u32, StaysAway>) {
        let mut then = self.clone();
        let mut kept = BTreeMap::new();
        let mut works: BTreeMap<u32, Work> = BTreeMap::new();
        for unit in units(&then, guests) {
            let Some(&(_, home)) = unit.first() else { continue };
            match then.unit_home(shared, &unit, canaries.contains(&home)) {
                Ok(departures) if departures.is_empty() => {}
                Ok(departures) => {
                    let work = works.entry(home).or_insert_with(|| nothing(home));
                    work.departures.extend(departures);
                }
                Err(why) => kept.extend(unit.iter().map(|it| (it.0, why))),
            }
        }
        let works: Vec<Work> = works.into_values().collect();
        if works.is_empty() {
            return (None, kept);
        }
        let times = layout(shared.facts, &works, shared.homing);
        let lasts = times.iter().map(|it| it.end).max().unwrap_or(0);
        let start = self.start(shared, couplings, &works, &times, self.free_at);
        match start {
            Ok((start, _)) if start.saturating_add(lasts) <= until => {
                *self = then;
                (Some(self.take(couplings, start, works, times, vec![Reason::WayHome])), kept)
            }
            _ => {
                let guests = works.iter().flat_map(|it| &it.departures).map(|it| it.guest);
                kept.extend(guests.map(|it| (it, StaysAway::NoTime)));
                (None, kept)
            }
        }
    }

    /// Moves guests that go as one to their home, where nothing speaks against it.
    fn unit_home(
        &mut self,
        shared: &Shared<'f, 'a>,
        unit: &[(u32, u32)],
        canary: bool,
    ) -> Result<Vec<Departure>, StaysAway> {
        let mut made: Vec<Departure> = Vec::new();
        let found = unit.iter().try_for_each(|&(guest, home)| {
            let from = self.rooms.at(guest);
            if from != home {
                let it = self.comes_home(shared, guest, home, canary)?;
                self.rooms.go(guest, home);
                made.push(it);
            }
            Ok(())
        });
        // While they are on their way they take room at either end.
        let holds = found.and_then(|()| {
            let ready = !self.reserve || (self.rooms.reserve().is_ok() && self.holds_meanwhile(&made));
            if ready { Ok(()) } else { Err(StaysAway::Reserve) }
        });
        match holds {
            Ok(()) => Ok(made),
            Err(why) => {
                self.rooms.undo(&made);
                Err(why)
            }
        }
    }

    fn holds_meanwhile(&self, made: &[Departure]) -> bool {
        let mut then = self.rooms.clone();
        then.undo(made);
        made.iter().for_each(|it| then.come(it.guest, it.to));
        then.reserve().is_ok()
    }

    fn comes_home(
        &mut self,
        shared: &Shared<'f, 'a>,
        guest: u32,
        home: u32,
        canary: bool,
    ) -> Result<Departure, StaysAway> {
        if self.rooms.is_shut(home) {
            return Err(StaysAway::Shut);
        }
        if let Some(why) = self.kept_away(guest, home, &[], &[], canary) {
            return Err(why);
        }
        let from = self.rooms.at(guest);
        let need = self.rooms.facts.guests[guest as usize].holds.map(super::room::signed);
        let free = self.rooms.free(home);
        if (0..KINDS).any(|it| free[it] < need[it]) {
            return Err(StaysAway::NoRoom);
        }
        let due = self.due.iter().map(|&due| u32::from(due)).collect();
        let (works, times) = (Vec::new(), Vec::new());
        let draft = Draft { works, from: Vec::new(), times, start: 0, reasons: Vec::new(), due };
        let leaving = self.leaving(shared, &draft, (&[], &[]), &[]);
        let way = [How::Live, How::Cold]
            .into_iter()
            .find_map(|how| Some((how, leaving.allows(from, guest, how).ok()?)));
        let (how, consent) = way.ok_or(StaysAway::NotAllowed)?;
        if !leaving.takes(guest, home) {
            return Err(StaysAway::NoWay);
        }
        Ok(Departure { guest, how, from, to: home, consent })
    }
}

/// Guests that must be together, and are to go to one home.
fn units(cluster: &Cluster<'_, '_>, guests: &[(u32, u32)]) -> Vec<Vec<(u32, u32)>> {
    let together = |it: u32| cluster.rooms.facts.guests[it as usize].together.first().copied().unwrap_or(it);
    let mut units: BTreeMap<(u32, u32), Vec<(u32, u32)>> = BTreeMap::new();
    for &(guest, home) in guests {
        units.entry((home, together(guest))).or_default().push((guest, home));
    }
    units.into_values().collect()
}

/// Nothing is done on a host but that guests come to it.
fn nothing(host: u32) -> Work {
    Work {
        host,
        method: Method::InPlace,
        hops: Vec::new(),
        durations: NO_TIME,
        departures: Vec::new(),
        come_home: Vec::new(),
        stay_away: Vec::new(),
        also: Vec::new(),
    }
}
