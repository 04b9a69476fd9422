//! What would unblock: for every reason the relaxation that would take it away, tried on the cluster where it stands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use underpin_model::change::Consent;
use underpin_model::fleet::{Action, Affinity, Fleet, Host};
use underpin_model::id::{ApplicationId, ClusterId, ElementId, HostId, VmId};
use underpin_model::plan::{Counterfactual, Outcome, Reason, Relaxation, Rule};
use underpin_model::policy::{Exception, Policy, Scope};
use underpin_model::quantity::Loss;

use rayon::prelude::*;

use super::leave::converges;
use super::{Planned, Request, plan_only};

/// Relaxations that are tried; the others are named as necessary only.
const MOST_TRIED: usize = 24;
/// Most hosts of a cluster in which relaxations are tried.
const MOST_HOSTS: usize = 256;
/// Most spare hosts that are tried.
const MOST_SPARE: u32 = 4;

/// Every relaxation that a blocked element names, the ones that unblock most loss first.
pub(super) fn counterfactuals(request: &Request<'_>, planned: &Planned) -> Vec<Counterfactual> {
    let mut named: Vec<(Relaxation, BTreeSet<ElementId>)> = Vec::new();
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
    named
        .into_par_iter()
        .enumerate()
        .map(|(at, (relaxation, elements))| {
            let tried = if at < MOST_TRIED { tried(request, &relaxation, &elements) } else { None };
            let (relaxation, unblocks, tried) = match tried {
                Some((relaxation, unblocked)) => (relaxation, unblocked, true),
                None => (relaxation, elements, false),
            };
            Counterfactual {
                price: price(request, &relaxation),
                loss_per_day: loss(&unblocks),
                relaxation,
                unblocks: unblocks.into_iter().collect(),
                tried,
            }
        })
        .collect()
}

fn add(named: &mut Vec<(Relaxation, BTreeSet<ElementId>)>, relaxation: Relaxation, element: &ElementId) {
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
            all
        }
        Reason::Fragmented { .. } | Reason::LargerThanAnyHost { .. } => {
            cluster.map(|it| Relaxation::SpareHosts { cluster: it.clone(), hosts: 1 }).into_iter().collect()
        }
        Reason::OutsideWindow { tenant, needs_s, longest_s } => {
            let minutes = needs_s.saturating_sub(*longest_s).div_ceil(60);
            vec![Relaxation::LongerWindow { tenant: tenant.clone(), minutes: minutes.max(1) }]
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
        Reason::MostAway { of, most } if of == "cluster" => cluster
            .map(|it| Relaxation::MostAway { cluster: it.clone(), most: most + 1 })
            .into_iter()
            .collect(),
        Reason::ReleaseDiversity { .. } => {
            vec![Relaxation::WithoutRule { rule: Rule::ReleaseDiversity, vms: Vec::new() }]
        }
        _ => Vec::new(),
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

/// The price that the policy puts on a relaxation: that of an exception it has, though not for this place or day.
fn price(request: &Request<'_>, relaxation: &Relaxation) -> Option<Loss> {
    let rule = match relaxation {
        Relaxation::WithoutReserve { .. } => Rule::Restartability,
        Relaxation::Repair { .. } => Rule::Degraded,
        _ => return None,
    };
    request.policy.planning.exception.iter().find(|it| it.rule == rule).map(|it| it.price)
}

/// Plans the clusters of the elements with a relaxation; which of them are planned then. `None`: none, or it was not tried.
fn tried(
    request: &Request<'_>,
    relaxation: &Relaxation,
    elements: &BTreeSet<ElementId>,
) -> Option<(Relaxation, BTreeSet<ElementId>)> {
    let clusters: BTreeSet<&ClusterId> = request
        .fleet
        .hosts
        .iter()
        .filter(|it| elements.iter().any(|element| element.as_str() == it.id.as_str()))
        .filter_map(|it| it.cluster.as_ref())
        .collect();
    let hosts =
        request.fleet.hosts.iter().filter(|it| it.cluster.as_ref().is_some_and(|it| clusters.contains(it)));
    if clusters.is_empty() || hosts.count() > MOST_HOSTS {
        return None;
    }
    let part = part(request.fleet, &clusters);
    let trials: Vec<Relaxation> = match relaxation {
        Relaxation::SpareHosts { cluster, .. } => {
            (1..=MOST_SPARE).map(|hosts| Relaxation::SpareHosts { cluster: cluster.clone(), hosts }).collect()
        }
        other => vec![other.clone()],
    };
    for trial in trials {
        let (mut fleet, mut policy) = (part.clone(), request.policy.clone());
        if !relax(&trial, &mut fleet, &mut policy) {
            return None;
        }
        let request = Request { fleet: &fleet, policy: &policy, evaluations: 0, parent: None, ..*request };
        let plan = plan_only(&request).ok()?.plan;
        let planned: BTreeSet<&ElementId> = plan.waves.iter().flat_map(|it| &it.elements).collect();
        let unblocked: BTreeSet<ElementId> =
            elements.iter().filter(|it| planned.contains(it)).cloned().collect();
        if !unblocked.is_empty() {
            return Some((trial, unblocked));
        }
    }
    None
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

/// Adds hosts to a cluster, each like the largest of it (the first by id among equals): of its release too, so that it needs the same
/// changes, and without guests. False: the cluster has no host that a new one could be like.
#[must_use]
pub fn with_spare_hosts(fleet: &mut Fleet, cluster: &ClusterId, hosts: u32) -> bool {
    let own = fleet.hosts.iter().filter(|it| it.cluster.as_ref() == Some(cluster));
    let largest = own.max_by_key(|it| (it.capacity.and_then(|it| it.memory_mib), Reverse(&it.id)));
    let Some(largest) = largest.cloned() else { return false };
    for number in 1..=hosts {
        let Ok(id) = HostId::new(format!("new-{number} like {}", largest.id)) else { return false };
        fleet.hosts.push(Host { id, maintenance: None, ..largest.clone() });
    }
    true
}

/// Applies a relaxation; false: it cannot be acted out.
fn relax(relaxation: &Relaxation, fleet: &mut Fleet, policy: &mut Policy) -> bool {
    match relaxation {
        Relaxation::SpareHosts { cluster, hosts } => with_spare_hosts(fleet, cluster, *hosts),
        Relaxation::Consent { action, vms, .. } => grant(fleet, *action, vms),
        Relaxation::WithoutReserve { cluster } => {
            policy.planning.exception.push(Exception {
                id: "what-if".to_owned(),
                rule: Rule::Restartability,
                scope: Scope { clusters: vec![cluster.clone()], ..Scope::default() },
                owner: "nobody".to_owned(),
                expires: jiff::civil::Date::MAX,
                price: Loss::default(),
                reason: "tried by the planner".to_owned(),
            });
            true
        }
        Relaxation::WithoutRule { rule: Rule::AllowedAction, vms } => {
            let named = fleet.vms.iter_mut().filter(|it| vms.contains(&it.id));
            named.for_each(|it| it.allowed_actions = vec![Action::LiveMigrate]);
            true
        }
        Relaxation::WithoutRule { rule: Rule::ReleaseDiversity, .. } => {
            policy.planning.release_diversity = false;
            true
        }
        Relaxation::WithoutRule { vms, .. } => {
            fleet.affinities.retain(|rule| !rule.vms.iter().any(|it| vms.contains(it)));
            true
        }
        Relaxation::LongerWindow { tenant, minutes } => {
            for window in &mut policy.planning.window {
                let same = tenant
                    .as_ref()
                    .map_or_else(|| window.scope.tenants.is_empty(), |it| window.scope.tenants.contains(it));
                if same {
                    window.minutes = window.minutes.saturating_add(*minutes);
                }
            }
            true
        }
        Relaxation::Bandwidth { host, mbps } => {
            let cluster = fleet.hosts.iter().find(|it| it.id == *host).and_then(|it| it.cluster.clone());
            for it in fleet.hosts.iter_mut().filter(|it| it.cluster == cluster) {
                let mut migration = it.migration.clone().unwrap_or_default();
                migration.bandwidth_mbps = Some(migration.bandwidth_mbps.unwrap_or(0).max(*mbps));
                it.migration = Some(migration);
            }
            true
        }
        Relaxation::Unlock { vm } => {
            fleet.vms.iter_mut().filter(|it| it.id == *vm).for_each(|it| it.locks.clear());
            true
        }
        Relaxation::Repair { element } => {
            let id = element.as_str();
            fleet
                .clusters
                .iter_mut()
                .filter(|it| it.id.as_str() == id)
                .for_each(|it| it.degraded = Some(false));
            let storage = fleet.storage.iter_mut().filter(|it| it.id.as_str() == id);
            storage.for_each(|it| it.redundancy = Some(underpin_model::fleet::Redundancy::Full));
            true
        }
        Relaxation::MostAway { most, .. } => {
            policy.planning.most_away.per_cluster = *most;
            true
        }
        Relaxation::Fact { .. } => false,
    }
}

fn grant(fleet: &mut Fleet, action: Action, vms: &[VmId]) -> bool {
    let Some(planning) = &mut fleet.planning else { return false };
    planning.consents.retain(|it| it.granted || it.action != action);
    planning.consents.push(Consent {
        id: "what-if".to_owned(),
        tenants: Vec::new(),
        applications: Vec::new(),
        vms: vms.to_vec(),
        action,
        granted: true,
        from: None,
        until: None,
    });
    true
}
