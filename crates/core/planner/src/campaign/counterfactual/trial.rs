//! Plans of the clusters concerned with something relaxed, and the least amount of it that is enough.

use std::collections::{BTreeMap, BTreeSet};

use underpin_model::fleet::{Action, Affinity, Fleet, Host};
use underpin_model::id::{ApplicationId, ClusterId, ElementId, HostId, VmId};
use underpin_model::plan::{Outcome, Plan, PlanFigures, Reason, Relaxation, StepKind, TrialCost};

use super::super::{Request, assemble, best, facts::Facts, report};
use super::price::reserve_hosts;
use super::relax::relax;

/// Most hosts of the clusters in which something is tried, and of fleets that are planned whole with what is enough.
pub(super) const MOST_HOSTS: usize = 256;
/// Plans for one relaxation: so many hosts are planned over all of them, at least [`FEWEST_PLANS`] and at most [`MOST_PLANS`] plans.
const HOSTS_PLANNED: usize = 1024;
const FEWEST_PLANS: usize = 4;
const MOST_PLANS: usize = 24;
/// Plans for one relaxation that are searched as the plan itself is: so many hosts over all of them, and at most so many plans.
const HOSTS_SEARCHED: usize = 256;
const MOST_SEARCHED: usize = 6;
/// Consents of one owner that are asked for one after the other, as each of its guests is found to need it.
const MOST_ASKED: usize = 8;

/// A plan that was tried.
pub(super) struct Attempt {
    pub(super) plan: Plan,
    /// Everything that it contains.
    pub(super) planned: BTreeSet<ElementId>,
    /// Elements in question that it contains.
    pub(super) unblocked: BTreeSet<ElementId>,
    /// Why it does not contain the others.
    pub(super) reasons: BTreeMap<ElementId, Vec<Reason>>,
    /// It was searched for as the plan itself is.
    searched: bool,
}

/// A relaxation that was tried, by the least amount that is enough; otherwise by the greatest that was tried.
pub(super) struct Found {
    pub(super) relaxation: Relaxation,
    pub(super) attempt: Attempt,
}

impl Found {
    pub(super) fn enough(&self) -> bool {
        !self.attempt.unblocked.is_empty()
    }
}

/// What one plan has and another one has not, both ways.
pub(super) struct Gain {
    pub(super) planned: BTreeSet<ElementId>,
    pub(super) lost: BTreeSet<ElementId>,
}

impl Gain {
    pub(super) fn between(before: &BTreeSet<ElementId>, after: &BTreeSet<ElementId>) -> Self {
        let less = |all: &BTreeSet<ElementId>, these: &BTreeSet<ElementId>| {
            all.difference(these).cloned().collect::<BTreeSet<_>>()
        };
        Self { planned: less(after, before), lost: less(before, after) }
    }
}

/// Trials for some elements.
pub(super) struct Trials<'r, 'a> {
    request: &'r Request<'a>,
    pub(super) elements: &'r BTreeSet<ElementId>,
    /// The fleet of their clusters.
    pub(super) part: Fleet,
    /// Plans that may still be made.
    left: usize,
    /// Of them so many may be searched for.
    searches: usize,
}

impl<'r, 'a> Trials<'r, 'a> {
    /// `None`: the elements are of no cluster, or of more hosts than are tried.
    pub(super) fn new(request: &'r Request<'a>, elements: &'r BTreeSet<ElementId>) -> Option<Self> {
        let fleet = request.fleet;
        let named = |id: &str| elements.contains(id);
        let own = fleet.hosts.iter().filter(|it| named(it.id.as_str())).filter_map(|it| it.cluster.as_ref());
        let on = fleet.clusters.iter().filter(|it| {
            it.storage.iter().any(|it| named(it.as_str()))
                || it.managed_by.iter().any(|it| named(it.as_str()))
                || it.witness.as_ref().is_some_and(|it| named(it.as_str()))
        });
        let clusters: BTreeSet<&ClusterId> = own.chain(on.map(|it| &it.id)).collect();
        let inside = |it: &&Host| it.cluster.as_ref().is_some_and(|it| clusters.contains(it));
        let hosts = fleet.hosts.iter().filter(inside).count();
        if hosts == 0 || hosts > MOST_HOSTS {
            return None;
        }
        let left = (HOSTS_PLANNED / hosts).clamp(FEWEST_PLANS, MOST_PLANS);
        let searches = (HOSTS_SEARCHED / hosts).min(MOST_SEARCHED);
        Some(Self { request, elements, part: part(fleet, &clusters), left, searches })
    }

    /// Plans with everything relaxed that is named; `None`: that cannot be acted out, or no plan is left to be made.
    fn attempt(&mut self, relaxed: &[&Relaxation]) -> Option<Attempt> {
        self.attempt_by(relaxed, false)
    }

    /// The same with the search that the plan itself has; `None` too where no plan is left to be searched for.
    fn search(&mut self, relaxed: &[&Relaxation]) -> Option<Attempt> {
        if self.request.evaluations == 0 {
            return None;
        }
        self.searches = self.searches.checked_sub(1)?;
        // These have a number of their own.
        self.left += 1;
        self.attempt_by(relaxed, true)
    }

    fn attempt_by(&mut self, relaxed: &[&Relaxation], searched: bool) -> Option<Attempt> {
        self.left = self.left.checked_sub(1)?;
        let (mut fleet, mut policy) = (self.part.clone(), self.request.policy.clone());
        if !relaxed.iter().all(|it| relax(it, &mut fleet, &mut policy)) {
            return None;
        }
        let evaluations = if searched { self.request.evaluations } else { 0 };
        let request = Request { fleet: &fleet, policy: &policy, evaluations, parent: None, ..*self.request };
        let facts = Facts::new(&request);
        let mut driven = best::best(&request, &facts).ok()?;
        let plan = assemble::assemble(&request, &facts, &driven).plan;
        let planned = driven.fates.iter().filter(|it| it.1.outcome == Some(Outcome::Planned));
        let planned = planned.map(|it| it.0.clone()).collect();
        let (unblocked, reasons) = (BTreeSet::new(), BTreeMap::new());
        let mut attempt = Attempt { plan, planned, unblocked, reasons, searched };
        for element in self.elements {
            match driven.fates.remove(element) {
                Some(fate) if fate.outcome == Some(Outcome::Planned) => {
                    attempt.unblocked.insert(element.clone());
                }
                Some(fate) => {
                    attempt.reasons.insert(element.clone(), fate.reasons);
                }
                None => {}
            }
        }
        Some(attempt)
    }

    /// The least of a relaxation that unblocks anything, beside another one.
    pub(super) fn least(&mut self, from: &Relaxation, beside: Option<&Relaxation>) -> Option<Found> {
        let Some((first, steps)) = amount(from) else { return self.asked(from, beside) };
        let mut found: Option<(u32, Found)> = None;
        let mut failed = first.saturating_sub(1);
        for step in steps {
            let n = first.saturating_add(*step);
            let Some(tried) = self.at(from, n, beside) else { break };
            let enough = tried.enough();
            found = Some((n, tried));
            if enough {
                break;
            }
            failed = n;
        }
        let (mut enough, mut found) = found?;
        if !found.enough() {
            return Some(found);
        }
        // Between the last that was too little and the first that is enough.
        while enough - failed > 1 {
            let middle = failed + (enough - failed) / 2;
            let Some(tried) = self.at(from, middle, beside) else { break };
            if tried.attempt.unblocked.is_superset(&found.attempt.unblocked) {
                (enough, found) = (middle, tried);
            } else {
                failed = middle;
            }
        }
        // Whoever asks for less by hand gets a plan that is searched for, and that may do.
        failed = first.saturating_sub(1);
        while enough - failed > 1 {
            let middle = failed + (enough - failed) / 2;
            let relaxation = with_amount(from, middle);
            let relaxed: Vec<&Relaxation> = [&relaxation].into_iter().chain(beside).collect();
            let Some(attempt) = self.search(&relaxed) else { break };
            if attempt.unblocked.is_superset(&found.attempt.unblocked) {
                (enough, found) = (middle, Found { relaxation, attempt });
            } else {
                failed = middle;
            }
        }
        Some(found)
    }

    /// What was tried, or, where it is not enough, the same with a search; of what has an amount, the least.
    pub(super) fn or_searched(&mut self, found: Found, least: &Relaxation) -> Found {
        if found.enough() {
            return found;
        }
        let relaxation = if amount(least).is_some() { least } else { &found.relaxation };
        match self.search(&[relaxation]).filter(|it| !it.unblocked.is_empty()) {
            Some(attempt) => Found { relaxation: relaxation.clone(), attempt },
            None => found,
        }
    }

    fn at(&mut self, relaxation: &Relaxation, n: u32, beside: Option<&Relaxation>) -> Option<Found> {
        let relaxation = with_amount(relaxation, n);
        let attempt = self.attempt(&[&relaxation].into_iter().chain(beside).collect::<Vec<_>>())?;
        Some(Found { relaxation, attempt })
    }

    /// What has no amount; of a consent, whichever of the owner's guests turn out to need it too.
    fn asked(&mut self, from: &Relaxation, beside: Option<&Relaxation>) -> Option<Found> {
        let mut relaxation = from.clone();
        let mut found = None;
        for _ in 0..MOST_ASKED {
            let Some(attempt) = self.attempt(&[&relaxation].into_iter().chain(beside).collect::<Vec<_>>())
            else {
                break;
            };
            let more = if attempt.unblocked.is_empty() { needed(&relaxation, &attempt) } else { Vec::new() };
            let tried = Found { relaxation: relaxation.clone(), attempt };
            found = Some(self.without_needless(tried, beside));
            match &mut relaxation {
                Relaxation::Consent { vms, .. } if !more.is_empty() => vms.extend(more),
                _ => break,
            }
        }
        found
    }

    /// What was found beside a relaxation, with this one; of a consent, without what the plan makes no use of.
    pub(super) fn both(&mut self, first: &Relaxation, found: Found) -> (Relaxation, Found) {
        let Found { relaxation: second, attempt } = found;
        let first = Found { relaxation: first.clone(), attempt };
        let Found { relaxation, attempt } = self.without_needless(first, Some(&second));
        (relaxation, Found { relaxation: second, attempt })
    }

    /// Without the consents that the plan makes no use of, where a plan with the others alone has as much.
    fn without_needless(&mut self, found: Found, beside: Option<&Relaxation>) -> Found {
        let Relaxation::Consent { tenant, action, vms } = &found.relaxation else { return found };
        let used = interrupted(&found.attempt.plan, *action);
        let vms: Vec<VmId> = vms.iter().filter(|it| used.contains(it)).cloned().collect();
        let Relaxation::Consent { vms: all, .. } = &found.relaxation else { return found };
        if vms.is_empty() || vms.len() == all.len() || !found.enough() {
            return found;
        }
        let relaxation = Relaxation::Consent { tenant: tenant.clone(), action: *action, vms };
        let fewer = self.attempt(&[&relaxation].into_iter().chain(beside).collect::<Vec<_>>());
        match fewer.filter(|it| it.planned.is_superset(&found.attempt.planned)) {
            Some(attempt) => Found { relaxation, attempt },
            None => found,
        }
    }

    /// What the plan with it has and the one without has not, and what both come to.
    pub(super) fn gain(&mut self, attempt: &Attempt, relaxed: &[&Relaxation]) -> Option<(Gain, TrialCost)> {
        // The plan to compare with is made in any case.
        self.left += 1;
        let base = self.attempt_by(&[], attempt.searched)?;
        // Hosts that are only supposed are no gain.
        let mut gain = Gain::between(&base.planned, &attempt.planned);
        gain.planned.retain(|it| !supposed(&self.part, it));
        let reserve_hosts = reserve_hosts(self.request.policy, &self.part, relaxed);
        let (without, with) = (figures(&base.plan, &self.part), figures(&attempt.plan, &self.part));
        Some((gain, TrialCost { without, with, loses: Vec::new(), reserve_hosts }))
    }

    /// Whether a relaxation unblocks these elements by itself, if need be by a search.
    pub(super) fn alone(&mut self, relaxation: &Relaxation, elements: &BTreeSet<ElementId>) -> bool {
        let all = |it: Attempt| it.unblocked.is_superset(elements);
        self.attempt(&[relaxation]).is_some_and(all) || self.search(&[relaxation]).is_some_and(all)
    }
}

/// Guests to which a plan does what somebody has to agree to.
fn interrupted(plan: &Plan, action: Action) -> BTreeSet<&VmId> {
    let done = |kind: &StepKind| match kind {
        StepKind::Stop { .. } => action == Action::PowerOff,
        StepKind::Suspend { .. } => action == Action::Suspend,
        StepKind::Migrate { live, .. } => {
            action == if *live { Action::LiveMigrate } else { Action::ColdMigrate }
        }
        _ => false,
    };
    let alone = plan.steps.iter().filter(|it| done(&it.kind)).filter_map(|it| it.kind.vm());
    let emptied = plan.steps.iter().filter_map(|it| match &it.kind {
        StepKind::Evacuate { expected, .. } if action == Action::LiveMigrate => Some(expected),
        _ => None,
    });
    alone.chain(emptied.flatten().map(|it| &it.0)).collect()
}

/// Guests that the plan lacks the same consent of the same owner for.
fn needed(relaxation: &Relaxation, attempt: &Attempt) -> Vec<VmId> {
    let Relaxation::Consent { tenant, action, vms } = relaxation else { return Vec::new() };
    let mut more: Vec<VmId> = Vec::new();
    for reason in attempt.reasons.values().flatten() {
        if let Reason::Consent { vm, tenant: whose, action: wanted, .. } = reason
            && (whose, wanted) == (tenant, action)
            && !vms.contains(vm)
            && !more.contains(vm)
        {
            more.push(vm.clone());
        }
    }
    more
}

/// The amount of a relaxation that has one, with what is tried beyond it.
fn amount(relaxation: &Relaxation) -> Option<(u32, &'static [u32])> {
    match relaxation {
        Relaxation::SpareHosts { hosts, .. } => Some((*hosts, &[0, 1, 3, 7, 15, 31])),
        Relaxation::MostAway { most, .. } => Some((*most, &[0, 1, 2, 4])),
        Relaxation::LongerWindow { minutes, .. } | Relaxation::OpenWindow { minutes, .. } => {
            Some((*minutes, &[0, 2, 8, 32, 128, 512]))
        }
        Relaxation::Bandwidth { mbps, .. } => Some((*mbps / 1000, &[0, 1, 3, 9, 27, 81])),
        _ => None,
    }
}

fn with_amount(relaxation: &Relaxation, n: u32) -> Relaxation {
    let mut it = relaxation.clone();
    match &mut it {
        Relaxation::SpareHosts { hosts, .. } => *hosts = n,
        Relaxation::MostAway { most, .. } => *most = n,
        Relaxation::LongerWindow { minutes, .. } | Relaxation::OpenWindow { minutes, .. } => *minutes = n,
        Relaxation::Bandwidth { mbps, .. } => *mbps = n.saturating_mul(1000),
        _ => {}
    }
    it
}

/// Both change the same, by whatever amount.
pub(super) fn alike(one: &Relaxation, other: &Relaxation) -> bool {
    match (one, other) {
        (
            Relaxation::Consent { tenant, action, .. },
            Relaxation::Consent { tenant: whose, action: wanted, .. },
        ) => tenant == whose && action == wanted,
        _ => match (amount(one), amount(other)) {
            (Some(_), Some((n, _))) => with_amount(one, n) == *other,
            _ => one == other,
        },
    }
}

/// Whether a wave's element is no element of a fleet: a spare host that was added to try it.
fn supposed(fleet: &Fleet, element: &ElementId) -> bool {
    let id = element.as_str();
    !(fleet.hosts.iter().any(|it| it.id.as_str() == id)
        || fleet.management_planes.iter().any(|it| it.id.as_str() == id)
        || fleet.witnesses.iter().any(|it| it.id.as_str() == id)
        || fleet.storage.iter().any(|it| it.id.as_str() == id))
}

/// What a plan for a fleet comes to, perhaps with hosts that it does not have: they count among what is planned no more than in its gain.
fn figures(plan: &Plan, fleet: &Fleet) -> PlanFigures {
    let moves = report::moves(plan);
    let own = plan.waves.iter().flat_map(|it| &it.elements).filter(|it| !supposed(fleet, it));
    PlanFigures {
        planned: own.count() as u32,
        ends_s: plan.end_s(),
        moves: moves.moves,
        interrupted: moves.interrupted,
    }
}

/// The fleet without other clusters' hosts and guests, and without what is about these alone.
fn part(fleet: &Fleet, clusters: &BTreeSet<&ClusterId>) -> Fleet {
    let mut part = Fleet::new(fleet.name.clone(), fleet.seen.clone());
    let hosts: Vec<Host> = fleet
        .hosts
        .iter()
        .filter(|it| it.cluster.as_ref().is_some_and(|it| clusters.contains(it)))
        .cloned()
        .collect();
    let ids: BTreeSet<&HostId> = hosts.iter().map(|it| &it.id).collect();
    part.vms =
        fleet.vms.iter().filter(|it| it.host.as_ref().is_some_and(|it| ids.contains(it))).cloned().collect();
    part.clusters = fleet.clusters.iter().filter(|it| clusters.contains(&it.id)).cloned().collect();
    part.sites.clone_from(&fleet.sites);
    part.fault_domains.clone_from(&fleet.fault_domains);
    part.management_planes.clone_from(&fleet.management_planes);
    part.witnesses.clone_from(&fleet.witnesses);
    part.storage.clone_from(&fleet.storage);
    part.networks.clone_from(&fleet.networks);
    part.tenants.clone_from(&fleet.tenants);
    let used: BTreeSet<&ApplicationId> = part.vms.iter().filter_map(|it| it.application.as_ref()).collect();
    part.applications = fleet.applications.iter().filter(|it| used.contains(&it.id)).cloned().collect();
    let guests: BTreeSet<&VmId> = part.vms.iter().map(|it| &it.id).collect();
    let about = |it: &&Affinity| it.vms.iter().any(|it| guests.contains(it));
    part.affinities = fleet.affinities.iter().filter(about).cloned().collect();
    part.planning.clone_from(&fleet.planning);
    part.hosts = hosts;
    part
}
