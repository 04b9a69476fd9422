//! Level by level, ring by ring: what is planned after what, over all clusters.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rayon::prelude::*;
use underpin_model::change::{Change, Layer, Method};
use underpin_model::fleet::Redundancy;
use underpin_model::id::{ClusterId, ElementId};
use underpin_model::plan::{Outcome, Profile, Reason, Rule};
use underpin_model::policy::{Exception, Homing};

use super::answers::Answers;
use super::calendar::{Calendar, Seconds, host_in, tenants_wait};
use super::couplings::Couplings;
use super::elements::{self, ElementWork, Takes};
use super::facts::Facts;
use super::homeward::Homeward;
use super::kept::Kept;
use super::order::{self, Concerned, Levels};
use super::rooms::Rooms;
use super::scatter::Salts;
use super::sequence::Sequence;
use super::soaking::SoaksStill;
use super::stage::{Cluster, Shared, StagedWave};
use super::{PlanError, Request};

/// A wave with where it belongs.
#[derive(Debug, Clone)]
pub(super) struct HostWave {
    pub(super) cluster: u32,
    /// Position among the stages.
    pub(super) stage: usize,
    /// Position among the policy's rings; `None`: rings were merged.
    pub(super) ring: Option<usize>,
    pub(super) canary: bool,
    pub(super) soak_until: Seconds,
    pub(super) staged: StagedWave,
}

/// What became of an element.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    pub(super) changes: Vec<u32>,
    pub(super) outcome: Option<Outcome>,
    pub(super) reasons: Vec<Reason>,
}

impl Fate {
    /// It will not be changed by this plan.
    pub(super) fn is_left_out(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Blocked | Outcome::Deferred))
    }
}

/// Everything that was decided.
pub(super) struct Driven {
    pub(super) waves: Vec<HostWave>,
    /// Waves in which guests go home that the parent plan had on their way there.
    pub(super) way_home: Vec<HostWave>,
    /// All such guests.
    pub(super) homeward: BTreeMap<u32, Homeward>,
    pub(super) elements: Vec<ElementWork>,
    pub(super) fates: BTreeMap<ElementId, Fate>,
    pub(super) homing: Homing,
    /// Exceptions of the policy that were used, by id.
    pub(super) exceptions: BTreeSet<String>,
    /// Stages so far, those without a wave among them.
    pub(super) stages: usize,
    /// Canaries that each class is to have, by its changes and hardware.
    pub(super) canaries: BTreeMap<Class, usize>,
    /// Changes that canaries were to try, and did not.
    pub(super) untried: BTreeSet<u32>,
    /// Most hosts of a cluster away.
    pub(super) most: usize,
    /// Position of each host's wave.
    pub(super) by_host: BTreeMap<u32, usize>,
    /// Hosts that come first of their pools.
    pub(super) coordinators: BTreeSet<u32>,
    /// Hosts whose failure found no place for so many guests before the plan.
    pub(super) short_before: Vec<(Vec<u32>, u32)>,
    /// Soaks that began before the plan.
    pub(super) soaking: Vec<SoaksStill>,
    /// Hosts that waited for a soak: whose, and until when.
    pub(super) waited: BTreeMap<u32, (Option<String>, Seconds)>,
    /// A cluster relied on another one to keep a guest of an application off a release.
    pub(super) relied: bool,
    /// In which order coupled clusters were planned, by stage.
    pub(super) orders: BTreeMap<usize, Vec<u32>>,
}

/// One of several ways to plan the same: which is best shows only when it is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'w> {
    /// Hosts that no guest goes to.
    pub(super) without: &'w [u32],
    /// Clusters rely on one another for the diversity of releases; otherwise each keeps it by itself.
    pub(super) relies: bool,
    /// The orders of coupled clusters; `None`: every stage looks for its own.
    pub(super) sequence: Option<Sequence<'w>>,
    /// Clusters that are planned by dice.
    pub(super) salts: Option<&'w Salts>,
    /// The parent's order and targets are kept, where there is one.
    pub(super) keeps: bool,
    /// Rings are planned as one where the profile allows it.
    pub(super) merges: bool,
}

/// Hosts that learn from one another: the same changes, the same hardware class.
pub(super) type Class = (Vec<u32>, u32);

/// A plan in the making, over all clusters.
pub(super) struct Drive<'f, 'a> {
    pub(super) request: &'f Request<'a>,
    pub(super) facts: &'f Facts<'a>,
    pub(super) shared: Shared<'f, 'a>,
    pub(super) levels: Levels,
    pub(super) concerned: Vec<Concerned>,
    pub(super) clusters: Vec<Cluster<'f, 'a>>,
    pub(super) couplings: Couplings,
    /// Clusters that stand on each element that is not a host.
    pub(super) near: BTreeMap<(Layer, ElementId), Vec<usize>>,
    /// When a change was complete on an element; `None`: it never is.
    pub(super) complete: BTreeMap<(usize, ElementId), Option<Seconds>>,
    pub(super) driven: Driven,
    /// Changes that canaries are to try.
    pub(super) to_try: BTreeSet<u32>,
    /// What was decided before it was known of which changes no canary can be done.
    pub(super) before: Option<&'f Driven>,
    /// Rings are planned as one.
    pub(super) merges: bool,
    /// As in [`Way`].
    pub(super) relies: bool,
    pub(super) sequence: Option<Sequence<'f>>,
    salts: Option<&'f Salts>,
    /// End of the first exception to end of those that the cluster is planned under that is being set up.
    excepted_until: Option<Seconds>,
}

/// Makes all decisions, one way.
pub(super) fn drive<'a>(request: &Request<'a>, facts: &Facts<'a>, way: Way<'_>) -> Result<Driven, PlanError> {
    let driven = decide(request, facts, way, None)?;
    // Where no canary can be done nobody waits for one: what runs the release already has soaked.
    let waits = |it: &Reason| matches!(it, Reason::ReleaseDiversity { .. });
    if driven.untried.is_empty() || !driven.fates.values().any(|it| it.reasons.iter().any(waits)) {
        return Ok(driven);
    }
    decide(request, facts, way, Some(&driven))
}

/// The same; `before` found changes of which no canary can be done.
fn decide<'a>(
    request: &Request<'a>,
    facts: &Facts<'a>,
    way: Way<'_>,
    before: Option<&Driven>,
) -> Result<Driven, PlanError> {
    if request.changes().is_empty() {
        return Err(PlanError::NoChanges);
    }
    if let Some(id) = super::facts::twice(request.fleet) {
        return Err(PlanError::Fleet(format!(
            "the id {id:?} comes twice; give every element one of its own"
        )));
    }
    let rules = &request.policy.planning;
    let calendar = Calendar::new(facts, request.starts_at, tenants_wait(request))?;
    let consents = request.fleet.planning.as_ref().map(|it| it.consents.as_slice()).unwrap_or_default();
    let answers = Answers::new(consents, request.starts_at, calendar.horizon_s());
    let homing = request.homing.unwrap_or(rules.homing);
    let kept = if way.keeps { Kept::of(request, facts) } else { None };
    let mut drive = Drive {
        request,
        facts,
        shared: Shared { facts, calendar: &calendar, answers: &answers, homing, kept: kept.as_ref() },
        levels: order::levels(request.changes()),
        concerned: request.changes().iter().map(|it| order::concerned(request.fleet, it)).collect(),
        clusters: Vec::new(),
        couplings: Couplings::new(facts),
        near: BTreeMap::new(),
        complete: BTreeMap::new(),
        driven: Driven {
            waves: Vec::new(),
            way_home: Vec::new(),
            homeward: BTreeMap::new(),
            elements: Vec::new(),
            fates: BTreeMap::new(),
            homing,
            exceptions: calendar.exceptions().clone(),
            stages: 0,
            canaries: BTreeMap::new(),
            untried: BTreeSet::new(),
            most: 1,
            by_host: BTreeMap::new(),
            coordinators: BTreeSet::new(),
            short_before: Vec::new(),
            soaking: Vec::new(),
            waited: BTreeMap::new(),
            relied: false,
            orders: BTreeMap::new(),
        },
        to_try: BTreeSet::new(),
        before,
        relies: way.relies,
        merges: way.merges && request.merges_rings(),
        sequence: way.sequence,
        salts: way.salts,
        excepted_until: None,
    };
    if let Some(why) = order::contradiction(request.changes(), &drive.concerned, &drive.levels) {
        return Err(PlanError::Fleet(why));
    }
    for (change, concerned) in request.changes().iter().zip(&drive.concerned) {
        for element in concerned.due.iter().filter(|_| change.layer != Layer::Host) {
            let near = elements::clusters_of(facts, change.layer, element);
            drive.near.insert((change.layer, element.clone()), near);
        }
    }
    drive.clusters();
    for &host in way.without {
        drive.clusters[facts.hosts[host as usize].cluster as usize].rooms.shut(host, true);
    }
    drive.fates();
    drive.bring_home(false);
    let last = drive.levels.of.iter().flatten().max().copied().unwrap_or(0);
    for level in 0..=last {
        drive.level(level);
    }
    drive.bring_home(true);
    Ok(drive.driven)
}

/// Seconds from the start of the plan to the end of an exception's last day in UTC; `None`: beyond any plan.
pub(super) fn ends(exception: &Exception, starts_at: Timestamp) -> Option<Seconds> {
    let after = exception.expires.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
    u32::try_from(after.timestamp().as_second().saturating_sub(starts_at.as_second())).ok()
}

impl<'a> Drive<'_, 'a> {
    fn clusters(&mut self) {
        let facts = self.facts;
        let planning = &self.request.policy.planning;
        let own = self.request.fleet.planning.as_ref().and_then(|it| it.max_hosts_per_wave);
        let emergency = self.request.profile == Profile::Emergency;
        let most = own
            .or(planning.emergency.per_cluster.filter(|_| emergency))
            .unwrap_or(planning.most_away.per_cluster)
            .max(1) as usize;
        self.driven.most = most;
        let sets = planning.failure_sets;
        let mut rooms: Vec<Rooms<'_, 'a>> =
            (0..facts.clusters.len() as u32).into_par_iter().map(|at| Rooms::new(facts, at, sets)).collect();
        for (at, rooms) in rooms.drain(..).enumerate() {
            self.driven.short_before.extend(rooms.short_before());
            self.excepted_until = None;
            let reserve = !self.excepted(Rule::Restartability, at);
            for (_, it) in facts.excepted.iter().filter(|it| it.0 as usize == at) {
                self.driven.exceptions.insert(it.id.clone());
                let until = ends(it, self.request.starts_at);
                self.excepted_until = self.excepted_until.into_iter().chain(until).min();
            }
            let range = facts.clusters[at].hosts.clone();
            let hosts = range.len();
            self.clusters.push(Cluster {
                rooms,
                due: vec![false; hosts],
                soaking: vec![false; hosts],
                free_at: 0,
                maintenance: range.map(|it| facts.in_maintenance(it)).collect(),
                most,
                reserve,
                excepted_until: self.excepted_until,
                waves: 0,
                spreads: false,
                avoids: None,
                scatters: None,
                salt: self.salts.and_then(|it| it.get(&(at as u32)).copied()),
                regroups: false,
            });
        }
    }

    /// Whether an exception from a rule speaks of a cluster; it counts as used.
    pub(super) fn excepted(&mut self, rule: Rule, cluster: usize) -> bool {
        let facts = self.facts;
        let first = facts.clusters[cluster].hosts.start;
        let planning = &self.request.policy.planning;
        let speaks =
            planning.exceptions(rule, self.request.starts_at).filter(|it| host_in(facts, &it.scope, first));
        // The one that holds longest.
        let Some(it) = speaks.max_by_key(|it| it.expires) else { return false };
        self.driven.exceptions.insert(it.id.clone());
        let until = ends(it, self.request.starts_at);
        if let Some(cluster) = self.clusters.get_mut(cluster) {
            cluster.excepted_until = cluster.excepted_until.into_iter().chain(until).min();
        } else {
            self.excepted_until = self.excepted_until.into_iter().chain(until).min();
        }
        true
    }

    /// Every element of every change, with what is known before any planning.
    fn fates(&mut self) {
        for (at, concerned) in self.concerned.iter().enumerate() {
            for element in &concerned.there {
                let fate = self.driven.fates.entry(element.clone()).or_default();
                fate.changes.push(at as u32);
            }
            for element in &concerned.due {
                let fate = self.driven.fates.entry(element.clone()).or_default();
                fate.changes.push(at as u32);
            }
            for element in &concerned.unknown {
                let fate = self.driven.fates.entry(element.clone()).or_default();
                fate.changes.push(at as u32);
                fate.outcome = Some(Outcome::Blocked);
                fate.reasons.push(Reason::UnknownFact { element: element.clone(), fact: "id".to_owned() });
            }
        }
        let due: BTreeSet<&ElementId> = self.concerned.iter().flat_map(|it| &it.due).collect();
        for (element, fate) in &mut self.driven.fates {
            if fate.outcome.is_none() && !due.contains(element) {
                fate.outcome = Some(Outcome::NotNeeded);
                fate.reasons.push(Reason::AlreadyThere);
            }
        }
        for (at, concerned) in self.concerned.iter().enumerate() {
            for element in &concerned.there {
                self.complete.insert((at, element.clone()), Some(0));
            }
        }
        let changes = self.request.changes();
        for at in self.levels.cycle.clone() {
            let names = self.levels.cycle.iter().map(|&it| changes[it].id.clone()).collect();
            self.block_change(at, &Reason::Cycle { changes: names });
        }
        for (at, name) in &self.levels.unknown.clone() {
            for element in self.concerned[*at].due.clone() {
                self.block(
                    &element,
                    vec![Reason::EarlierChange { change: name.clone(), element: element.clone() }],
                );
            }
        }
    }

    fn block_change(&mut self, change: usize, reason: &Reason) {
        for element in &self.concerned[change].due {
            self.complete.insert((change, element.clone()), None);
            let fate = self.driven.fates.entry(element.clone()).or_default();
            fate.outcome = Some(Outcome::Blocked);
            fate.reasons.push(reason.clone());
        }
    }

    pub(super) fn block(&mut self, element: &ElementId, reasons: Vec<Reason>) {
        let fate = self.driven.fates.entry(element.clone()).or_default();
        let deferred = reasons == [Reason::Deferred];
        fate.outcome = Some(if deferred { Outcome::Deferred } else { Outcome::Blocked });
        fate.reasons.extend(reasons);
        for &change in &fate.changes {
            self.complete.entry((change as usize, element.clone())).or_insert(None);
        }
    }

    fn level(&mut self, level: u32) {
        let changes = self.request.changes();
        let at_level: Vec<usize> =
            (0..changes.len()).filter(|&at| self.levels.of[at] == Some(level)).collect();
        for &at in at_level.iter().filter(|&&at| changes[at].layer != Layer::Host) {
            for element in self.concerned[at].due.clone() {
                self.element(at, &changes[at], &element);
            }
        }
        let hosts: Vec<usize> = at_level.into_iter().filter(|&at| changes[at].layer == Layer::Host).collect();
        if !hosts.is_empty() {
            self.hosts(&hosts);
        }
    }

    /// Storage is worked on only while it is known to be whole, and no cluster on an element is degraded.
    fn element_stands(&mut self, layer: Layer, element: &ElementId) -> Result<(), Vec<Reason>> {
        for cluster in self.near(layer, element).into_owned() {
            let own = self.facts.fleet.clusters.get(self.facts.clusters[cluster].at as usize);
            if let Some(it) = own.filter(|it| it.degraded == Some(true))
                && !self.excepted(Rule::Degraded, cluster)
            {
                return Err(vec![Reason::Degraded { cluster: it.id.clone() }]);
            }
        }
        if layer != Layer::Storage {
            return Ok(());
        }
        let storage = self.facts.fleet.storage.iter().find(|it| it.id.as_str() == element.as_str());
        match storage.map(|it| (it.redundancy, &it.id)) {
            Some((Some(Redundancy::Full), _)) => Ok(()),
            Some((Some(_), id)) => Err(vec![Reason::StorageRedundancy { storage: id.clone() }]),
            _ => Err(vec![Reason::UnknownFact { element: element.clone(), fact: "redundancy".to_owned() }]),
        }
    }

    /// Clusters that stand on an element.
    fn near(&self, layer: Layer, element: &ElementId) -> std::borrow::Cow<'_, [usize]> {
        match self.near.get(&(layer, element.clone())) {
            Some(it) => it.as_slice().into(),
            None => {
                let host = self.facts.host(element.as_str());
                host.map(|it| vec![self.facts.hosts[it as usize].cluster as usize]).unwrap_or_default().into()
            }
        }
    }

    /// When everything is complete that must come before a change of an element; the first that never is.
    pub(super) fn ready(
        &self,
        change: usize,
        layer: Layer,
        element: &ElementId,
    ) -> Result<(Seconds, Option<Reason>), Reason> {
        let own = self.near(layer, element);
        let (mut ready, mut why) = (0, None);
        for &before in &self.levels.before[change] {
            let other = &self.request.changes()[before];
            let reason =
                |it: &ElementId| Reason::EarlierChange { change: other.id.clone(), element: it.clone() };
            let concerned = &self.concerned[before];
            let same = other.layer == layer;
            let itself = concerned.due.get(element).filter(|_| same);
            let around = concerned
                .due
                .iter()
                .filter(|it| !same && self.near(other.layer, it).iter().any(|it| own.contains(it)));
            for it in itself.into_iter().chain(around) {
                match self.complete.get(&(before, it.clone())) {
                    Some(Some(at)) if *at > ready => (ready, why) = (*at, Some(reason(it))),
                    Some(Some(_)) => {}
                    // Both in one drain.
                    None if same => {}
                    // A plane that is deferred on purpose holds back only who names its change.
                    Some(None) | None
                        if other.layer == Layer::ManagementPlane
                            && self.is_deferred(it)
                            && !self.request.changes()[change].after.contains(&other.id) => {}
                    Some(None) | None => return Err(reason(it)),
                }
            }
        }
        Ok((ready, why))
    }

    fn is_deferred(&self, element: &ElementId) -> bool {
        self.driven.fates.get(element).is_some_and(|it| it.outcome == Some(Outcome::Deferred))
    }

    fn element(&mut self, at: usize, change: &Change, element: &ElementId) {
        if self.driven.fates.get(element).is_some_and(|it| it.outcome.is_some()) {
            return;
        }
        if order::methods(change).first() == Some(&Method::Defer) {
            return self.block(element, vec![Reason::Deferred]);
        }
        if let Err(reasons) = self.element_stands(change.layer, element) {
            return self.block(element, reasons);
        }
        let mut work = elements::work(self.request, change, at, element);
        let near = self.near(change.layer, element).into_owned();
        let ids: BTreeSet<ClusterId> = near
            .iter()
            .filter_map(|&it| self.facts.fleet.clusters.get(self.facts.clusters[it].at as usize))
            .map(|it| it.id.clone())
            .collect();
        let (mut from, why) = match self.ready(at, change.layer, element) {
            Ok(it) => it,
            Err(reason) => return self.block(element, vec![reason]),
        };
        work.reasons.extend(why);
        // Nothing else happens in its clusters meanwhile.
        from = near.iter().map(|&it| self.clusters[it].free_at).max().unwrap_or(0).max(from);
        // What is staged and checked before takes time of the plan.
        from = from.max(elements::before(&work));
        let length = elements::length(&work);
        match elements::opens(self.request, change.layer, element, &ids, from, Takes::of(&work)) {
            Err(reason) => self.block(element, vec![reason]),
            Ok((start, why)) => {
                work.reasons.extend(why);
                (work.start, work.end) = (start, start.saturating_add(length));
                for it in near {
                    self.clusters[it].free_at = work.end;
                }
                self.complete.insert((at, element.clone()), Some(work.end));
                let fate = self.driven.fates.entry(element.clone()).or_default();
                fate.outcome = Some(Outcome::Planned);
                fate.reasons.extend(work.reasons.iter().cloned());
                self.driven.elements.push(work);
            }
        }
    }
}
