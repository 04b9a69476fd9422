//! What would unblock: for every reason the least relaxation that would take it away, tried on the cluster where it stands, alone and, where
//! that is not enough, beside one other.

mod covered;
mod price;
mod ranked;
mod relax;
mod trial;
mod whole;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use underpin_model::fleet::{AffinityKind, Host};
use underpin_model::id::{ClusterId, ElementId, HostId, ManagementPlaneId, TenantId, VmId};
use underpin_model::plan::{Also, Counterfactual, Outcome, Reason, Relaxation, Rule, Trial, TrialCost};

pub use relax::{relax, with_consent, with_most_away, with_spare_hosts};

use self::price::price;
use self::trial::{Attempt, Found, Trials, alike};
use self::whole::Whole;
use super::leave::converges;
use super::{Planned, Request, room};

/// Relaxations that are tried; the others are named as necessary only.
const MOST_TRIED: usize = 24;
/// Others that are tried beside one that is not enough alone.
const MOST_PAIRS: usize = 4;

/// A window of every day is no longer than that.
const DAY_MINUTES: u32 = 24 * 60;

/// Hosts of unknown capacity that are named for one cluster.
const MOST_UNKNOWN: usize = 3;

/// A relaxation with the elements of which it is a reason.
type Named = (Relaxation, BTreeSet<ElementId>);

/// Every relaxation that a blocked element names, the ones that unblock most loss first, and of these the cheapest.
pub(super) fn counterfactuals(request: &Request<'_>, planned: &Planned) -> Vec<Counterfactual> {
    let mut named: Vec<Named> = Vec::new();
    let clusters: BTreeMap<&str, &ClusterId> =
        request.fleet.hosts.iter().filter_map(|it| Some((it.id.as_str(), it.cluster.as_ref()?))).collect();
    let blocked = planned.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked);
    for element in blocked {
        let cluster = clusters.get(element.element.as_str()).copied();
        for reason in &element.reasons {
            for relaxation in relaxations(request, reason, &element.element, cluster) {
                add(&mut named, relaxation, &element.element);
            }
        }
    }
    let loss = |elements: &BTreeSet<ElementId>| -> f64 {
        elements
            .iter()
            .filter_map(|it| HostId::new(it.as_str()).ok())
            .filter_map(|it| request.loss_per_day.get(&it))
            .fold(0.0, |sum, it| sum + it)
    };
    named.sort_by(|a, b| loss(&b.1).total_cmp(&loss(&a.1)).then(b.1.len().cmp(&a.1.len())));
    let blocked = planned.report.elements.iter().filter(|it| it.outcome == Outcome::Blocked);
    let blocked: BTreeSet<&ElementId> = blocked.map(|it| &it.element).collect();
    let whole = if named.is_empty() { None } else { Whole::new(request, planned) };
    let finder = Finder { request, named: &named, clusters: &clusters, blocked: &blocked, whole };
    let mut all: Vec<Counterfactual> = named
        .par_iter()
        .enumerate()
        .map(|(at, named)| {
            let mut it = finder.find(named, at < MOST_TRIED);
            it.loss_per_day = loss(&it.unblocks.iter().cloned().collect());
            it
        })
        .collect();
    let mut seen: Vec<(Relaxation, Relaxation)> = Vec::new();
    all.retain(|it| {
        let Some(also) = &it.also else { return true };
        let known = seen.iter().any(|(one, two)| alike(one, &also.relaxation) && alike(two, &it.relaxation));
        seen.push((it.relaxation.clone(), also.relaxation.clone()));
        !known
    });
    ranked::sort(&mut all);
    covered::mark(&mut all);
    all
}

/// What trials are made from.
struct Finder<'r, 'a> {
    request: &'r Request<'a>,
    named: &'r [Named],
    clusters: &'r BTreeMap<&'r str, &'r ClusterId>,
    /// What the plan does not have.
    blocked: &'r BTreeSet<&'r ElementId>,
    /// The fleet, where it is small enough to be planned whole with whatever is enough for its clusters.
    whole: Option<Whole<'r, 'a>>,
}

impl Finder<'_, '_> {
    fn find(&self, (relaxation, elements): &Named, may_try: bool) -> Counterfactual {
        let trials = may_try.then(|| Trials::new(self.request, elements)).flatten();
        let Some(mut trials) = trials else { return self.untried(relaxation, elements) };
        let Some(found) = trials.least(relaxation, None) else { return self.untried(relaxation, elements) };
        let found = trials.or_searched(found, relaxation);
        if let Some(it) = self.enough(&mut trials, &found, None) {
            return it;
        }
        for other in self.others(relaxation, elements, &found.attempt) {
            let Some(both) = trials.least(&other, Some(relaxation)) else { continue };
            // Whatever is enough without this one needs it no more.
            if !both.enough() || trials.alone(&both.relaxation, &both.attempt.unblocked) {
                continue;
            }
            let (first, both) = trials.both(relaxation, both);
            if let Some(it) = self.enough(&mut trials, &both, Some(&first)) {
                return it;
            }
        }
        // What the whole fleet makes of it may be more than its clusters alone do.
        if self.whole.as_ref().is_some_and(|it| it.has_any(&found.relaxation, elements)) {
            return self.untried(relaxation, elements);
        }
        self.without_offer(&found.relaxation, elements, Trial::NotEnough)
    }

    fn untried(&self, relaxation: &Relaxation, elements: &BTreeSet<ElementId>) -> Counterfactual {
        self.without_offer(relaxation, elements, Trial::NotTried)
    }

    fn without_offer(
        &self,
        relaxation: &Relaxation,
        elements: &BTreeSet<ElementId>,
        trial: Trial,
    ) -> Counterfactual {
        Counterfactual {
            relaxation: relaxation.clone(),
            price: price(self.request.policy, self.request.fleet, relaxation, None),
            also: None,
            trial,
            unblocks: elements.iter().cloned().collect(),
            covered_by: None,
            cost: None,
            loss_per_day: 0.0,
        }
    }

    /// It is enough, alone or beside the `first`, which then stands before it. `None`: it is not, for the plan without it has as much, or
    /// the plan of the whole fleet gains nothing by it.
    fn enough(
        &self,
        trials: &mut Trials<'_, '_>,
        found: &Found,
        first: Option<&Relaxation>,
    ) -> Option<Counterfactual> {
        if !found.enough() {
            return None;
        }
        let Found { relaxation, attempt } = found;
        let relaxed: Vec<&Relaxation> = first.into_iter().chain([relaxation]).collect();
        let (gain, cost) = trials.gain(attempt, &relaxed)?;
        let gain = match &self.whole {
            Some(whole) => whole.gain(&relaxed)?,
            None => gain,
        };
        let unblocks: BTreeSet<ElementId> = match &self.whole {
            Some(_) => gain.planned,
            None => gain.planned.into_iter().filter(|it| self.blocked.contains(it)).collect(),
        };
        if unblocks.is_disjoint(trials.elements) {
            return None;
        }
        if let (Some(first), Some(whole)) = (first, &self.whole)
            && [first, relaxation].into_iter().any(|it| whole.has_all(it, &unblocks))
        {
            return None;
        }
        let of = |it: &Relaxation| price(self.request.policy, self.request.fleet, it, Some(&attempt.plan));
        let price = of(relaxation);
        let (relaxation, price, also) = match first {
            None => (relaxation, price, None),
            Some(first) => (first, of(first), Some(Also { relaxation: relaxation.clone(), price })),
        };
        Some(Counterfactual {
            price,
            relaxation: relaxation.clone(),
            also,
            trial: Trial::Enough,
            unblocks: unblocks.into_iter().collect(),
            covered_by: None,
            cost: Some(TrialCost { loses: gain.lost.into_iter().collect(), ..cost }),
            loss_per_day: 0.0,
        })
    }

    /// What may have to change too: what still blocks with the relaxation, then what else the elements name.
    fn others(
        &self,
        relaxation: &Relaxation,
        elements: &BTreeSet<ElementId>,
        attempt: &Attempt,
    ) -> Vec<Relaxation> {
        let mut others: Vec<Named> = Vec::new();
        for (element, reasons) in &attempt.reasons {
            let cluster = self.clusters.get(element.as_str()).copied();
            for reason in reasons {
                for it in relaxations(self.request, reason, element, cluster) {
                    add(&mut others, it, element);
                }
            }
        }
        for (it, own) in self.named.iter().filter(|it| !it.1.is_disjoint(elements)) {
            if !others.iter().any(|(other, _)| alike(other, it)) {
                others.push((it.clone(), own.clone()));
            }
        }
        let others = others.into_iter().map(|it| it.0).filter(|it| !alike(it, relaxation));
        others.take(MOST_PAIRS).collect()
    }
}

fn add(named: &mut Vec<Named>, relaxation: Relaxation, element: &ElementId) {
    for (known, elements) in named.iter_mut() {
        let joined = match (known, &relaxation) {
            (
                Relaxation::Consent { tenant, action, vms },
                Relaxation::Consent { tenant: other, action: same, vms: more },
            ) if tenant == other && action == same => {
                vms.extend(more.iter().filter(|it| !vms.contains(it)).cloned().collect::<Vec<_>>());
                true
            }
            (
                Relaxation::LongerWindow { tenant, minutes },
                Relaxation::LongerWindow { tenant: other, minutes: more },
            ) if tenant == other => {
                *minutes = (*minutes).max(*more);
                true
            }
            (
                Relaxation::OpenWindow { tenant, hosts, planes, minutes },
                Relaxation::OpenWindow { tenant: other, hosts: more, planes: same, minutes: longer },
            ) if tenant == other && planes == same => {
                hosts.extend(more.iter().filter(|it| !hosts.contains(it)).cloned().collect::<Vec<_>>());
                *minutes = (*minutes).max(*longer);
                true
            }
            (
                Relaxation::WithoutFreeze { freeze, tenant, hosts },
                Relaxation::WithoutFreeze { freeze: same, tenant: other, hosts: more },
            ) if freeze == same && tenant == other => {
                hosts.extend(more.iter().filter(|it| !hosts.contains(it)).cloned().collect::<Vec<_>>());
                true
            }
            (known, other) => known == other,
        };
        if joined {
            elements.insert(element.clone());
            return;
        }
    }
    named.push((relaxation, BTreeSet::from([element.clone()])));
}

fn relaxations(
    request: &Request<'_>,
    reason: &Reason,
    element: &ElementId,
    cluster: Option<&ClusterId>,
) -> Vec<Relaxation> {
    match reason {
        Reason::Consent { vm, tenant, action, .. } => {
            vec![Relaxation::Consent { tenant: tenant.clone(), action: *action, vms: vec![vm.clone()] }]
        }
        Reason::NoAllowedAction { vm, .. } => {
            vec![Relaxation::WithoutRule { rule: Rule::AllowedAction, vms: vec![vm.clone()] }]
        }
        Reason::RequiredAffinity { vm, rule } => {
            vec![Relaxation::WithoutRule { rule: *rule, vms: vec![vm.clone()] }]
        }
        Reason::Short { .. } | Reason::NoPlaceAfterFailure { .. } => {
            let reserve = !matches!(reason, Reason::Short { reserve: false, .. });
            let mut all: Vec<Relaxation> = cluster
                .map(|it| Relaxation::SpareHosts { cluster: it.clone(), hosts: 1 })
                .into_iter()
                .collect();
            all.extend(
                cluster.filter(|_| reserve).map(|it| Relaxation::WithoutReserve { cluster: it.clone() }),
            );
            all.extend(unknown_room(request, cluster));
            all
        }
        // However many there were, none of them would carry it.
        Reason::LargerThanAnyHost { vm, .. } if cluster.is_some_and(|it| exceeds(request, vm, it)) => {
            Vec::new()
        }
        Reason::Fragmented { .. } | Reason::LargerThanAnyHost { .. } => {
            cluster.map(|it| Relaxation::SpareHosts { cluster: it.clone(), hosts: 1 }).into_iter().collect()
        }
        Reason::OutsideWindow { tenant, needs_s, longest_s } => {
            let minutes = needs_s.saturating_sub(*longest_s).div_ceil(60);
            vec![Relaxation::LongerWindow { tenant: tenant.clone(), minutes: minutes.max(1) }]
        }
        Reason::NoWindow { tenant, needs_s } => {
            let minutes = needs_s.div_ceil(60).clamp(1, DAY_MINUTES);
            match tenant {
                Some(tenant) => vec![window_of(tenant, minutes)],
                None => own_window(request, element, minutes).into_iter().collect(),
            }
        }
        Reason::InFreeze { freeze, tenant, .. } => {
            let own = request.fleet.hosts.iter().filter(|it| it.id.as_str() == element.as_str());
            let hosts: Vec<HostId> = own.filter(|_| tenant.is_none()).map(|it| it.id.clone()).collect();
            let freeze = freeze.clone();
            // No exception speaks of planes, storage and witnesses.
            let speaks = tenant.is_some() || !hosts.is_empty();
            vec![match speaks {
                true => Relaxation::WithoutFreeze { freeze, tenant: tenant.clone(), hosts },
                false => Relaxation::LiftFreeze { freeze },
            }]
        }
        Reason::WindowsApart { tenant, needs_s } => {
            let minutes = needs_s.div_ceil(60).clamp(1, DAY_MINUTES);
            // Of a host that no window holds back, another one would.
            let held = request.policy.planning.window.iter().any(|it| it.scope.tenants.is_empty());
            let own = own_window(request, element, minutes).filter(|_| held);
            own.into_iter().chain(tenant.iter().map(|it| window_of(it, minutes))).collect()
        }
        Reason::Contradiction { vm, affinities } => {
            let kinds = affinities.iter().filter_map(|&it| request.fleet.affinities.get(it as usize));
            let mut rules: Vec<Rule> = kinds.map(|it| rule_of(it.kind)).collect();
            rules.sort_unstable();
            rules.dedup();
            let without = |rule| Relaxation::WithoutRule { rule, vms: vec![vm.clone()] };
            rules.into_iter().map(without).collect()
        }
        Reason::UnknownFact { element, fact } => {
            vec![Relaxation::Fact { element: element.clone(), fact: fact.clone() }]
        }
        Reason::DoesNotConverge { vm, best_mbps, .. } => {
            let host = HostId::new(element.as_str()).ok();
            let mbps = enough_mbps(request, vm, *best_mbps);
            host.zip(mbps).map(|(host, mbps)| Relaxation::Bandwidth { host, mbps }).into_iter().collect()
        }
        Reason::Locked { vm, .. } => vec![Relaxation::Unlock { vm: vm.clone() }],
        Reason::Degraded { cluster } => repair(cluster.as_str()),
        Reason::StorageRedundancy { storage } => repair(storage.as_str()),
        Reason::MostAway { of, most, .. } if of == "cluster" => cluster
            .map(|it| Relaxation::MostAway { cluster: it.clone(), most: most + 1 })
            .into_iter()
            .collect(),
        Reason::ReleaseDiversity { .. } => {
            // A host more does not soak: it is a place as well.
            let spare = cluster.map(|it| Relaxation::SpareHosts { cluster: it.clone(), hosts: 1 });
            let rule = Rule::ReleaseDiversity;
            [Relaxation::WithoutRule { rule, vms: Vec::new() }].into_iter().chain(spare).collect()
        }
        _ => Vec::new(),
    }
}

/// A window every day for the guests of a tenant.
fn window_of(tenant: &TenantId, minutes: u32) -> Relaxation {
    Relaxation::OpenWindow { tenant: Some(tenant.clone()), hosts: Vec::new(), planes: Vec::new(), minutes }
}

/// One for a host or a management plane; no window speaks of a single storage or witness.
fn own_window(request: &Request<'_>, element: &ElementId, minutes: u32) -> Option<Relaxation> {
    let id = element.as_str();
    let hosts: Vec<HostId> =
        request.fleet.hosts.iter().map(|it| &it.id).filter(|it| it.as_str() == id).cloned().collect();
    let planes: Vec<ManagementPlaneId> = request
        .fleet
        .management_planes
        .iter()
        .map(|it| &it.id)
        .filter(|it| it.as_str() == id)
        .cloned()
        .collect();
    let there = !hosts.is_empty() || !planes.is_empty();
    there.then_some(Relaxation::OpenWindow { tenant: None, hosts, planes, minutes })
}

/// A guest needs more of a resource than any host of a cluster has.
fn exceeds(request: &Request<'_>, vm: &VmId, cluster: &ClusterId) -> bool {
    let vm = request.fleet.vms.iter().find(|it| it.id == *vm);
    let own = || request.fleet.hosts.iter().filter(|it| it.cluster.as_ref() == Some(cluster));
    let most = |at: usize| own().map(move |it| Some(it.capacity.as_ref().and_then(room::of_host)?[at]));
    vm.and_then(room::of_guest).is_some_and(|need| {
        (0..room::KINDS).any(|at| most(at).all(|has| has.is_some_and(|has| has < need[at])))
    })
}

/// Hosts of a cluster of which it is not known what they carry: they take nobody.
fn unknown_room<'r>(
    request: &'r Request<'_>,
    cluster: Option<&'r ClusterId>,
) -> impl Iterator<Item = Relaxation> + use<'r> {
    let unknown =
        |it: &&Host| it.capacity.as_ref().is_none_or(|it| it.memory_mib.is_none() || it.vcpus.is_none());
    let own =
        request.fleet.hosts.iter().filter(move |it| cluster.is_some() && it.cluster.as_ref() == cluster);
    let elements = own.filter(unknown).filter_map(|it| ElementId::new(it.id.as_str()).ok());
    elements.take(MOST_UNKNOWN).map(|element| Relaxation::Fact { element, fact: "capacity".to_owned() })
}

/// The rule that an affinity says.
pub(super) fn rule_of(kind: AffinityKind) -> Rule {
    match kind {
        AffinityKind::Apart => Rule::Apart,
        AffinityKind::Together => Rule::Together,
        AffinityKind::OnHosts => Rule::OnHosts,
    }
}

/// The least bandwidth, in whole Gbit/s, over which a guest converges; `None`: not at 1 Tbit/s.
fn enough_mbps(request: &Request<'_>, vm: &VmId, best_mbps: u32) -> Option<u32> {
    let vm = request.fleet.vms.iter().find(|it| it.id == *vm)?;
    let rules = &request.policy.planning.migration;
    (best_mbps / 1000 + 1..=1000).map(|it| it * 1000).find(|&mbps| converges(vm, rules, mbps))
}

fn repair(id: &str) -> Vec<Relaxation> {
    ElementId::new(id).map(|element| Relaxation::Repair { element }).into_iter().collect()
}
