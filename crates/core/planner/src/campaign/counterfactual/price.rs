//! What a relaxation costs: by the policy's own figures where it has them, otherwise by the name of the key that would say.

use underpin_model::fleet::Fleet;
use underpin_model::id::{TenantId, VmId};
use underpin_model::plan::{Plan, Price, Relaxation, Rule, StepKind};
use underpin_model::policy::{FailureSets, Policy};
use underpin_model::quantity::Loss;

/// The price of a relaxation; the plan with it tells for how long guests are down and hosts are lent.
pub(super) fn price(policy: &Policy, fleet: &Fleet, relaxation: &Relaxation, plan: Option<&Plan>) -> Price {
    let prices = &policy.planning.price;
    match relaxation {
        Relaxation::SpareHosts { hosts, .. } => {
            let days = plan.map(|it| it.end_s().div_ceil(86_400).max(1));
            let units = days.map(|it| f64::from(*hosts) * f64::from(it));
            listed("spare_host_per_day", prices.spare_host_per_day, units, "host-days")
        }
        Relaxation::Consent { tenant, vms, .. } => consent(policy, tenant.as_ref(), vms, plan),
        Relaxation::LongerWindow { minutes, .. } | Relaxation::OpenWindow { minutes, .. } => {
            listed("window_minute", prices.window_minute, Some(f64::from(*minutes)), "minutes")
        }
        Relaxation::Bandwidth { host, mbps } => {
            let cluster = fleet.hosts.iter().find(|it| it.id == *host).and_then(|it| it.cluster.as_ref());
            let more = fleet.hosts.iter().filter(|it| it.cluster.as_ref() == cluster).map(|it| {
                let own = it.migration.as_ref().and_then(|it| it.bandwidth_mbps);
                let has = own.unwrap_or(policy.planning.migration.bandwidth_mbps);
                f64::from(mbps.saturating_sub(has)) / 1000.0
            });
            listed("gbps_per_host", prices.gbps_per_host, Some(more.sum()), "gbps-hosts")
        }
        Relaxation::Repair { .. } => listed("repair", prices.repair, Some(1.0), "repairs"),
        Relaxation::Unlock { .. } => listed("unlock", prices.unlock, Some(1.0), "unlocks"),
        Relaxation::Fact { .. } => listed("fact", prices.fact, Some(1.0), "facts"),
        Relaxation::WithoutReserve { .. } => exception(policy, Rule::Restartability),
        Relaxation::WithoutFreeze { .. } | Relaxation::LiftFreeze { .. } => {
            exception(policy, Rule::FreezeCalendar)
        }
        Relaxation::WithoutRule { rule, .. } => exception(policy, *rule),
        Relaxation::MostAway { .. } => exception(policy, Rule::MostAway),
    }
}

fn listed(key: &str, each: Option<Loss>, units: Option<f64>, unit: &str) -> Price {
    Price {
        amount: each.zip(units).and_then(|(each, units)| Loss::new(each.get() * units).ok()),
        key: format!("planning.price.{key}"),
        units,
        unit: unit.to_owned(),
        judgement: false,
    }
}

/// That of an exception that the policy has from the rule, though not for this place or day; otherwise what any exception costs.
fn exception(policy: &Policy, rule: Rule) -> Price {
    let planning = &policy.planning;
    let known = planning.exception.iter().find(|it| it.rule == rule && it.price.get() > 0.0);
    let Some(known) = known else {
        return listed("exception", planning.price.exception, Some(1.0), "exceptions");
    };
    Price {
        amount: Some(known.price),
        key: format!("planning.exception {}.price", known.id),
        units: Some(1.0),
        unit: "exceptions".to_owned(),
        judgement: false,
    }
}

/// The hours that the guests are down in the plan, each at what an hour of its tenant's costs.
fn consent(policy: &Policy, tenant: Option<&TenantId>, vms: &[VmId], plan: Option<&Plan>) -> Price {
    let own = tenant.filter(|it| policy.loss.tenants.contains_key(*it));
    let each = policy.loss.of(tenant).vm_hour_down;
    let units = plan.map(|plan| vms.iter().map(|vm| down_s(plan, vm)).sum::<f64>() / 3600.0);
    Price {
        amount: units.and_then(|it| Loss::new(each.get() * it).ok()),
        key: own
            .map_or_else(|| "loss.vm_hour_down".to_owned(), |it| format!("loss.tenant.{it}.vm_hour_down")),
        units,
        unit: "vm-hours".to_owned(),
        judgement: !policy.loss.stated,
    }
}

/// Seconds that a guest does not run in a plan: from its stop or suspension until it is back, a whole cold move, the pause of a live one.
fn down_s(plan: &Plan, vm: &VmId) -> f64 {
    let mut sum = 0.0;
    let mut since = None;
    for step in plan.steps.iter().filter(|it| it.kind.vm() == Some(vm)) {
        match &step.kind {
            StepKind::Stop { .. } | StepKind::Suspend { .. } => since = Some(step.start_s),
            StepKind::Start { .. } | StepKind::Resume { .. } => {
                sum += since.take().map_or(0.0, |it| f64::from(step.end_s().saturating_sub(it)));
            }
            StepKind::Migrate { live: true, pause_ms, .. } => sum += f64::from(*pause_ms) / 1000.0,
            StepKind::Migrate { .. } => sum += f64::from(step.end_s().saturating_sub(step.start_s)),
            _ => {}
        }
    }
    sum + since.map_or(0.0, |it| f64::from(plan.end_s().saturating_sub(it)))
}

/// Hosts whose failure would no longer be sure to find room: those of the largest failure set of the policy.
pub(super) fn reserve_hosts(policy: &Policy, fleet: &Fleet, relaxed: &[&Relaxation]) -> u32 {
    let of = |it: &&Relaxation| match it {
        Relaxation::WithoutReserve { cluster } => {
            let own = || fleet.hosts.iter().filter(|it| it.cluster.as_ref() == Some(cluster));
            let domain = fleet
                .fault_domains
                .iter()
                .map(|domain| own().filter(|it| it.fault_domains.contains(&domain.id)).count() as u32);
            match policy.planning.failure_sets {
                FailureSets::None => 0,
                FailureSets::Host => 1,
                FailureSets::FaultDomain => domain.max().unwrap_or(0).max(1),
            }
        }
        _ => 0,
    };
    relaxed.iter().map(of).sum()
}
