//! A made-up fleet with everything that binds: guests that must be apart or together, pinned ones, tenants with windows, little
//! room, slow links.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use underpin_lint::lint;
use underpin_model::change::{Change, Consent, Layer, Target};
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Action, Affinity, AffinityKind, Application, Capacity, Cluster, Fleet, Host, Migration, Planning,
    PlatformRelease, PowerState, Seen, Strength, Tenant, Vm,
};
use underpin_model::id::{ApplicationId, ClusterId, HostId, TenantId, VmId};
use underpin_model::plan::{Outcome, Profile, Severity};
use underpin_model::policy::{Policy, Ring, Scope, Window};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Request, plan};

type Fault = Box<dyn std::error::Error>;

/// Hosts of a cluster.
const CLUSTER: usize = 50;
/// Guests of a host.
const GUESTS: usize = 20;
/// Memory of the guests of every host, in GiB, in an order of its own: 420 in all.
const GIB: [u64; GUESTS] = [4, 4, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 24, 24, 32, 32, 32, 32, 54, 54];
/// Memory of a host in GiB. With four hosts of 50 away and one failed, 45 carry the 21,000 GiB of all: 97 of 100 are in use,
/// so that the reserve for a failure decides which hosts may leave together.
const HOST_GIB: u64 = 480;
/// Link of a host for migrations: emptying it takes about as long as changing it.
const LINK_MBPS: u32 = 2_500;

/// Plans `hosts` hosts with 20 guests each and lints the plan; one JSON object.
pub(crate) fn measure(hosts: usize) -> Result<(), Fault> {
    let at = "2026-11-20T12:00:00Z".parse()?;
    let (fleet, policy) = (fleet(hosts, at)?, policy(hosts)?);
    let loss = BTreeMap::new();
    let before = super::peak_bytes();
    let started = Instant::now();
    let request = Request {
        fleet: &fleet,
        policy: &policy,
        starts_at: at,
        profile: Profile::Normal,
        homing: None,
        seed: 1,
        evaluations: 0,
        loss_per_day: &loss,
        parent: None,
        fleet_sha256: None,
        policy_sha256: None,
    };
    let cpu_before = super::cpu_s();
    let planned = plan(&request)?;
    let plan_cpu_s = super::cpu_s().zip(cpu_before).map(|it| it.0 - it.1);
    let plan_s = started.elapsed().as_secs_f64();
    let peak_bytes = super::peak_bytes();
    let started = Instant::now();
    let report = lint(&fleet, &policy, &planned.plan, &underpin_lint::Options::default());
    let lint_s = started.elapsed().as_secs_f64();
    let errors: Vec<_> = report.findings.iter().filter(|it| it.severity == Severity::Error).collect();
    let bounds = &planned.report.bounds;
    println!(
        "{}",
        json!({
            "hosts": hosts,
            "vms": fleet.vms.len(),
            "clusters": fleet.clusters.len(),
            "plan_s": plan_s,
            "plan_cpu_s": plan_cpu_s,
            "fleet_bytes": before,
            "peak_bytes": peak_bytes,
            "lint_s": lint_s,
            "lint_errors": errors.len(),
            "first_error": errors.first().map(|it| format!("{it:?}")),
            "outcomes": count(planned.report.elements.iter().map(|it| name(&it.outcome))),
            "blocked_by": count(
                planned
                    .report
                    .elements
                    .iter()
                    .filter(|it| it.outcome == Outcome::Blocked)
                    .flat_map(|it| it.reasons.iter().map(|it| name_in(it, "why")))
            ),
            "steps": planned.plan.steps.len(),
            "waves": bounds.waves,
            "waves_bound": bounds.waves_at_least,
            "static": count(planned.report.static_waves.iter().map(|it| name(&it.status))),
            "static_bound": planned.report.static_waves.iter().map(|it| it.at_least).max(),
            "static_found": planned.report.static_waves.iter().filter_map(|it| it.found).max(),
            "forced_by": count(
                planned
                    .report
                    .static_waves
                    .iter()
                    .flat_map(|it| &it.forced)
                    .map(|it| format!("{} ({})", name_in(it, "by"), if it.proven { "proven" } else { "as placed" }))
            ),
            "moves": bounds.moves,
            "moves_bound": bounds.moves_at_least,
            "makespan_s": bounds.makespan_s,
            "bound": bounds.makespan_at_least_s,
            "bound_by": bounds.makespan_bound_by,
        })
    );
    Ok(())
}

/// The same fleet as Ganeti's tools read it: every disk on shared storage, node groups for clusters.
pub(crate) fn as_ganeti(hosts: usize) -> Result<(), Fault> {
    let fleet = fleet(hosts, "2026-11-20T12:00:00Z".parse()?)?;
    let group = |id: &str| id.trim_start_matches('c').to_owned();
    for cluster in &fleet.clusters {
        let group = group(cluster.id.as_str());
        println!("group-{group}|uuid-{group}|preferred||");
    }
    println!();
    let used = GIB.iter().sum::<u64>() * 1024;
    for (at, host) in fleet.hosts.iter().enumerate() {
        let group = host.cluster.as_ref().map_or_else(String::new, |it| group(it.as_str()));
        let (memory, role) = (HOST_GIB * 1024, if at == 0 { 'M' } else { 'N' });
        println!("{}|{memory}|0|{}|9000000|9000000|256|{role}|uuid-{group}|1", host.id, memory - used);
    }
    println!();
    for vm in &fleet.vms {
        let on = vm.host.as_ref().map_or("", |it| it.as_str());
        println!("{}|{}|0|4|running|Y|{on}||ext||1", vm.id, vm.memory_mib.unwrap_or(0));
    }
    println!("\n\n|128,1,1024,1,1,1|128,1,1024,1,1,1;65536,64,9048576,16,8,12|ext|64.0|32.0");
    Ok(())
}

fn count(names: impl Iterator<Item = String>) -> BTreeMap<String, u32> {
    names.fold(BTreeMap::new(), |mut all, it| {
        *all.entry(it).or_default() += 1;
        all
    })
}

/// A variant as it is written.
fn name<T: serde::Serialize>(of: &T) -> String {
    serde_json::to_value(of).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The tag of a variant.
fn name_in<T: serde::Serialize>(of: &T, tag: &str) -> String {
    serde_json::to_value(of).ok().and_then(|it| it[tag].as_str().map(str::to_owned)).unwrap_or_default()
}

/// Numbers that look random and are the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn fleet(hosts: usize, at: jiff::Timestamp) -> Result<Fleet, Fault> {
    let mut dice = Dice(1);
    let mut fleet = Fleet::new("bench", Seen { at, by: "bench".to_owned() });
    let tenants = tenants(hosts);
    for number in 0..tenants {
        fleet.tenants.push(Tenant::new(TenantId::new(format!("t{number:04}"))?));
    }
    for number in 0..hosts {
        if number % CLUSTER == 0 {
            fleet.clusters.push(Cluster::new(ClusterId::new(format!("c{:04}", number / CLUSTER))?));
        }
        let mut host = Host::new(HostId::new(format!("h{number:05}"))?);
        host.cluster = Some(ClusterId::new(format!("c{:04}", number / CLUSTER))?);
        host.ring = Some(
            ["test", "development", "production"][[0, 1, 1, 2][dice.below(4).max(dice.below(4))]].to_owned(),
        );
        host.capacity =
            Some(Capacity { vcpus: Some(256), memory_mib: Some(HOST_GIB * 1024), ..Capacity::default() });
        host.migration =
            Some(Migration { bandwidth_mbps: Some(LINK_MBPS), slots: Some(4), ..Migration::default() });
        host.model = Some(format!("R{}", number % 3));
        host.platform = Some(PlatformRelease {
            family: Family::Proxmox,
            train: Some("8".to_owned()),
            release: Some(["8.3.5", "8.4.0"][dice.below(2)].to_owned()),
        });
        fleet.hosts.push(host);
        let mut sizes = GIB;
        for at in (1..GUESTS).rev() {
            sizes.swap(at, dice.below(at + 1));
        }
        for gib in sizes {
            guest(&mut fleet, number, gib, tenants, &mut dice)?;
        }
    }
    rules(&mut fleet)?;
    let go = Change {
        id: "go".to_owned(),
        layer: Layer::Host,
        elements: Vec::new(),
        clusters: Vec::new(),
        platforms: Vec::new(),
        to: Target::Release { release: "8.4.1".to_owned(), via: Vec::new() },
        methods: Vec::new(),
        after: Vec::new(),
        units: 1,
        capacity_after: None,
        durations: None,
    };
    let yes = |action| Consent {
        id: name(&action),
        tenants: Vec::new(),
        applications: Vec::new(),
        vms: Vec::new(),
        action,
        granted: true,
        from: None,
        until: None,
    };
    let consents = [Action::PowerOff, Action::Suspend, Action::ColdMigrate].map(yes).to_vec();
    fleet.planning = Some(Planning { changes: vec![go], consents, ..Planning::default() });
    Ok(fleet)
}

fn tenants(hosts: usize) -> usize {
    (hosts / 10).max(10)
}

fn guest(fleet: &mut Fleet, host: usize, gib: u64, tenants: usize, dice: &mut Dice) -> Result<(), Fault> {
    let number = fleet.vms.len();
    let mut vm = Vm::new(VmId::new(format!("v{number:06}"))?);
    vm.host = fleet.hosts.get(host).map(|it| it.id.clone());
    vm.power = Some(PowerState::On);
    let tenant = dice.below(tenants);
    vm.tenant = Some(TenantId::new(format!("t{tenant:04}"))?);
    vm.memory_mib = Some(gib * 1024);
    vm.vcpus = Some(4);
    // One in two hundred writes faster than the link carries: it moves cold.
    let writes_much = dice.below(200) == 0;
    vm.dirty_rate_mib_s = Some(if writes_much { 400.0 } else { dice.below(40) as f64 });
    vm.allowed_actions = vec![Action::LiveMigrate];
    if writes_much {
        vm.allowed_actions.push(Action::ColdMigrate);
    }
    // One in twenty is pinned: by a device of the host, or by its owner's word.
    match dice.below(60) {
        0 | 1 => {
            vm.passthrough = vec!["0000:3b:00.0".to_owned()];
            vm.allowed_actions = vec![Action::PowerOff];
        }
        2 => vm.allowed_actions = vec![Action::ColdMigrate],
        _ => {}
    }
    fleet.vms.push(vm);
    Ok(())
}

/// Three in ten guests are in a rule: groups of three apart, and pairs together, within their cluster. Those apart are an
/// application.
fn rules(fleet: &mut Fleet) -> Result<(), Fault> {
    let id = |at: usize| VmId::new(format!("v{at:06}"));
    for first in (0..fleet.vms.len()).step_by(GUESTS * 10) {
        // Ten hosts: twelve groups of three hosts apart, twelve pairs on one.
        for group in 0..12 {
            let vms = [0, 3, 6].map(|host| first + (host + group % 3) * GUESTS + group);
            if vms.iter().any(|&it| it >= fleet.vms.len()) {
                continue;
            }
            let application = ApplicationId::new(format!("a{:06}", fleet.applications.len()))?;
            for it in vms {
                if let Some(vm) = fleet.vms.get_mut(it) {
                    vm.application = Some(application.clone());
                }
            }
            fleet.applications.push(Application::new(application));
            let vms = vms.into_iter().map(id).collect::<Result<Vec<_>, _>>()?;
            let kind = AffinityKind::Apart;
            fleet.affinities.push(Affinity { kind, strength: Strength::Must, vms, hosts: Vec::new() });
        }
        for pair in 0..12 {
            let at = first + pair % 10 * GUESTS + 14 + pair / 10 * 2;
            let moves = |it: &Vm| it.allowed_actions.as_slice() == [Action::LiveMigrate];
            let vms = [at, at + 1];
            if vms.iter().all(|&it| fleet.vms.get(it).is_some_and(moves)) {
                let vms = vms.into_iter().map(id).collect::<Result<Vec<_>, _>>()?;
                let kind = AffinityKind::Together;
                fleet.affinities.push(Affinity { kind, strength: Strength::Must, vms, hosts: Vec::new() });
            }
        }
    }
    Ok(())
}

/// Four hosts of a cluster away; a fifth of the tenants has a nightly window, at one of three times.
fn policy(hosts: usize) -> Result<Policy, Fault> {
    let ring = |name: &str, days| Days::new(days).map(|soak| Ring { name: name.to_owned(), soak });
    let mut policy = Policy {
        rings: vec![ring("test", 1.0)?, ring("development", 1.0)?, ring("production", 1.0)?],
        ..Policy::default()
    };
    policy.planning.most_away.per_cluster = 4;
    for (number, from) in ["20:00:00", "21:00:00", "22:00:00"].into_iter().enumerate() {
        let of = (0..tenants(hosts)).filter(|it| it % 15 == number);
        let tenants = of.map(|it| TenantId::new(format!("t{it:04}"))).collect::<Result<Vec<_>, _>>()?;
        policy.planning.window.push(Window {
            id: format!("night-{number}"),
            scope: Scope { tenants, ..Scope::default() },
            days: Vec::new(),
            from: from.parse()?,
            minutes: 600,
            time_zone: Some("Europe/Berlin".to_owned()),
            first: None,
            last: None,
        });
    }
    Ok(policy)
}
