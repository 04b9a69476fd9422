//! Relaxations acted out: the one way for what the planner tries and for what a person asks for.

use std::cmp::Reverse;

use underpin_model::change::Consent;
use underpin_model::facts::Family;
use underpin_model::fleet::{Action, AffinityKind, Fleet, Host, Redundancy, Strength};
use underpin_model::id::{ClusterId, HostId, ManagementPlaneId, TenantId, VmId};
use underpin_model::plan::{Relaxation, Rule};
use underpin_model::policy::{Exception, Policy, Scope, Window};
use underpin_model::quantity::Loss;

/// The name of answers and exceptions that are only supposed.
const SUPPOSED: &str = "what-if";

/// Adds hosts to a cluster, each like the largest of it (the first by id among equals): of its release too, so that it needs the same
/// changes, without guests, and in no fault domain: it stands where nothing fails with it. False: the cluster has no host that a new one could be
/// like.
#[must_use]
pub fn with_spare_hosts(fleet: &mut Fleet, cluster: &ClusterId, hosts: u32) -> bool {
    let own = fleet.hosts.iter().filter(|it| it.cluster.as_ref() == Some(cluster));
    let largest = own.max_by_key(|it| (it.capacity.and_then(|it| it.memory_mib), Reverse(&it.id)));
    let Some(largest) = largest.cloned() else { return false };
    for number in 1..=hosts {
        let Ok(id) = HostId::new(format!("new-{number} like {}", largest.id)) else { return false };
        fleet.hosts.push(Host { id, maintenance: None, fault_domains: Vec::new(), ..largest.clone() });
    }
    true
}

/// A tenant's yes to an action on some of its guests; without any, on all that it has. Every no to the action goes on for the guests that it
/// speaks of beside these.
pub fn with_consent(fleet: &mut Fleet, tenant: Option<&TenantId>, action: Action, vms: &[VmId]) {
    let meant = |it: &&underpin_model::fleet::Vm| {
        if vms.is_empty() { it.tenant.as_ref() == tenant } else { vms.contains(&it.id) }
    };
    let agreed: Vec<VmId> = fleet.vms.iter().filter(meant).map(|it| it.id.clone()).collect();
    if agreed.is_empty() {
        return;
    }
    let all = &fleet.vms;
    let answers = &mut fleet.planning.get_or_insert_default().consents;
    answers.retain_mut(|it| {
        let spoken = || all.iter().filter(|vm| it.speaks_of(vm));
        if it.granted || it.action != action || !spoken().any(|vm| agreed.contains(&vm.id)) {
            return true;
        }
        let left: Vec<VmId> = spoken().map(|vm| vm.id.clone()).filter(|id| !agreed.contains(id)).collect();
        it.vms = left;
        !it.vms.is_empty()
    });
    answers.push(Consent {
        id: SUPPOSED.to_owned(),
        tenants: Vec::new(),
        applications: Vec::new(),
        vms: agreed,
        action,
        granted: true,
        from: None,
        until: None,
    });
}

/// So many hosts of every cluster may be away. Where the fleet file has a limit, it takes the place of the policy's: both are set.
pub fn with_most_away(fleet: &mut Fleet, policy: &mut Policy, most: u32) {
    policy.planning.most_away.per_cluster = most;
    if let Some(limit) = fleet.planning.as_mut().and_then(|it| it.max_hosts_per_wave.as_mut()) {
        *limit = most;
    }
}

/// Acts a relaxation out, as the planner does where it says what would unblock. False: it cannot be.
#[must_use]
pub fn relax(relaxation: &Relaxation, fleet: &mut Fleet, policy: &mut Policy) -> bool {
    match relaxation {
        Relaxation::SpareHosts { cluster, hosts } => with_spare_hosts(fleet, cluster, *hosts),
        Relaxation::Consent { tenant, action, vms } => {
            with_consent(fleet, tenant.as_ref(), *action, vms);
            true
        }
        Relaxation::WithoutReserve { cluster } => {
            let scope = Scope { clusters: vec![cluster.clone()], ..Scope::default() };
            policy.planning.exception.push(supposed(Rule::Restartability, scope));
            true
        }
        Relaxation::WithoutFreeze { tenant, hosts, .. } => {
            let tenants = tenant.iter().cloned().collect();
            let scope = Scope { tenants, hosts: hosts.clone(), ..Scope::default() };
            policy.planning.exception.push(supposed(Rule::FreezeCalendar, scope));
            true
        }
        Relaxation::LiftFreeze { freeze } => {
            policy.planning.freeze.retain(|it| it.id != *freeze);
            true
        }
        Relaxation::WithoutRule { rule, vms } => without_rule(*rule, vms, fleet, policy),
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
        Relaxation::OpenWindow { tenant, hosts, planes, minutes } => {
            let of_others =
                Scope { tenants: tenant.iter().cloned().collect(), hosts: hosts.clone(), ..Scope::default() };
            let scopes = [of_others].into_iter().filter(|_| planes.is_empty() || !hosts.is_empty());
            let scopes = scopes.chain((!planes.is_empty()).then(|| of_planes(planes)));
            policy.planning.window.extend(scopes.map(|scope| open_window(scope, *minutes)));
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
            let clusters = fleet.clusters.iter_mut().filter(|it| it.id.as_str() == id);
            clusters.for_each(|it| it.degraded = Some(false));
            let storage = fleet.storage.iter_mut().filter(|it| it.id.as_str() == id);
            storage.for_each(|it| it.redundancy = Some(Redundancy::Full));
            true
        }
        Relaxation::MostAway { most, .. } => {
            with_most_away(fleet, policy, *most);
            true
        }
        Relaxation::Fact { .. } => false,
    }
}

/// A scope of planes alone: the platform beside them is that of no host.
fn of_planes(planes: &[ManagementPlaneId]) -> Scope {
    Scope { planes: planes.to_vec(), platforms: vec![Family::Vcenter], ..Scope::default() }
}

/// A window of so many minutes every day.
fn open_window(scope: Scope, minutes: u32) -> Window {
    Window {
        id: SUPPOSED.to_owned(),
        scope,
        days: Vec::new(),
        from: jiff::civil::Time::midnight(),
        minutes,
        time_zone: None,
        first: None,
        last: None,
    }
}

/// An exception that nobody made.
fn supposed(rule: Rule, scope: Scope) -> Exception {
    Exception {
        id: SUPPOSED.to_owned(),
        rule,
        scope,
        owner: "nobody".to_owned(),
        expires: jiff::civil::Date::MAX,
        price: Loss::default(),
        reason: "tried by the planner".to_owned(),
    }
}

fn without_rule(rule: Rule, vms: &[VmId], fleet: &mut Fleet, policy: &mut Policy) -> bool {
    let kind = match rule {
        Rule::AllowedAction => {
            let named = fleet.vms.iter_mut().filter(|it| vms.contains(&it.id));
            named.for_each(|it| it.allowed_actions = vec![Action::LiveMigrate]);
            return true;
        }
        Rule::ReleaseDiversity => {
            policy.planning.release_diversity = false;
            return true;
        }
        Rule::Apart => AffinityKind::Apart,
        Rule::Together => AffinityKind::Together,
        Rule::OnHosts => AffinityKind::OnHosts,
        _ => return false,
    };
    fleet.affinities.retain(|it| {
        it.kind != kind || it.strength != Strength::Must || !it.vms.iter().any(|it| vms.contains(it))
    });
    true
}
