//! Small fleets for planning, made by hand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use underpin_lint::{Options, lint};
use underpin_model::change::{Change, Consent, Layer, Target};
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Action, Capacity, Cluster, Fleet, Host, Migration, Planning, PlatformRelease, Redundancy, Seen, Storage,
    Tenant, Vm,
};
use underpin_model::id::{ClusterId, HostId, StorageId, TenantId, VmId};
use underpin_model::plan::{ElementOutcome, Plan, Profile, Severity, StepKind};
use underpin_model::policy::{Policy, Ring};
use underpin_model::quantity::Days;
use underpin_planner::campaign::{Planned, Request, plan};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A Saturday, midnight.
pub fn start() -> Timestamp {
    at("2026-11-21T00:00:00Z")
}

/// One cluster `c` of hosts `h1`, `h2`, ... of 100 GiB and 64 vCPUs at release 8.0.1, ring production, all to reach 8.0.2.
pub fn fleet(hosts: usize) -> Fleet {
    let mut fleet = Fleet::new("small", Seen { at: start(), by: "test".to_owned() });
    fleet.clusters.push(Cluster::new(ClusterId::new("c").unwrap()));
    for number in 1..=hosts {
        fleet.hosts.push(host(&format!("h{number}"), "c"));
    }
    fleet.planning = Some(Planning { changes: vec![change("go", "8.0.2")], ..Planning::default() });
    fleet
}

pub fn host(id: &str, cluster: &str) -> Host {
    let mut host = Host::new(HostId::new(id).unwrap());
    host.cluster = Some(ClusterId::new(cluster).unwrap());
    host.ring = Some("production".to_owned());
    host.capacity = Some(Capacity { vcpus: Some(64), memory_mib: Some(102_400), ..Capacity::default() });
    host.migration = Some(Migration { bandwidth_mbps: Some(10_000), slots: Some(4), ..Migration::default() });
    host.platform = Some(PlatformRelease {
        family: Family::Proxmox,
        train: Some("8".to_owned()),
        release: Some("8.0.1".to_owned()),
    });
    host
}

pub fn change(id: &str, release: &str) -> Change {
    Change {
        id: id.to_owned(),
        layer: Layer::Host,
        elements: Vec::new(),
        clusters: Vec::new(),
        platforms: Vec::new(),
        to: Target::Release { release: release.to_owned(), via: Vec::new() },
        methods: Vec::new(),
        after: Vec::new(),
        units: 1,
        capacity_after: None,
        durations: None,
    }
}

/// An array that all hosts of the cluster stand on, with two controllers to change.
pub fn array_of_two_controllers(fleet: &mut Fleet) -> &mut Change {
    let id = StorageId::new("array").unwrap();
    let mut storage = Storage::new(id.clone());
    storage.redundancy = Some(Redundancy::Full);
    fleet.storage.push(storage);
    fleet.clusters[0].storage = vec![id];
    let mut array = change("array-firmware", "6.2");
    (array.layer, array.units) = (Layer::Storage, 2);
    let changes = &mut planning(fleet).changes;
    changes.push(array);
    changes.last_mut().unwrap()
}

/// Numbers below an end that look random and are the same everywhere.
pub fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |end| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    }
}

/// Adds a guest of so many GiB that may move live.
pub fn guest<'f>(fleet: &'f mut Fleet, host: &str, gib: u64) -> &'f mut Vm {
    let mut vm = Vm::new(VmId::new(format!("v{:03}", fleet.vms.len() + 1)).unwrap());
    vm.host = Some(HostId::new(host).unwrap());
    vm.vcpus = Some(2);
    vm.memory_mib = Some(gib * 1024);
    vm.dirty_rate_mib_s = Some(5.0);
    vm.allowed_actions = vec![Action::LiveMigrate];
    fleet.vms.push(vm);
    fleet.vms.last_mut().unwrap()
}

pub fn tenant(fleet: &mut Fleet, id: &str) -> TenantId {
    let id = TenantId::new(id).unwrap();
    if !fleet.tenants.iter().any(|it| it.id == id) {
        fleet.tenants.push(Tenant::new(id.clone()));
    }
    id
}

pub fn planning(fleet: &mut Fleet) -> &mut Planning {
    fleet.planning.get_or_insert_default()
}

pub fn consent(fleet: &mut Fleet, action: Action, granted: bool) {
    let consents = &mut planning(fleet).consents;
    let id = format!("answer-{}", consents.len() + 1);
    consents.push(Consent {
        id,
        tenants: Vec::new(),
        applications: Vec::new(),
        vms: Vec::new(),
        action,
        granted,
        from: None,
        until: None,
    });
}

/// One ring without soak: what most tests are not about.
pub fn policy() -> Policy {
    Policy {
        rings: vec![Ring { name: "production".to_owned(), soak: Days::new(0.0).unwrap() }],
        ..Policy::default()
    }
}

pub fn request<'a>(fleet: &'a Fleet, policy: &'a Policy, loss: &'a BTreeMap<HostId, f64>) -> Request<'a> {
    Request {
        fleet,
        policy,
        starts_at: start(),
        profile: Profile::Normal,
        homing: None,
        seed: 1,
        evaluations: 0,
        loss_per_day: loss,
        parent: None,
        fleet_sha256: None,
        policy_sha256: None,
    }
}

/// Plans, and lets the lint look at the plan: it must not find an error.
pub fn planned(fleet: &Fleet, policy: &Policy) -> Planned {
    let loss = BTreeMap::new();
    let planned = plan(&request(fleet, policy, &loss)).unwrap();
    clean(fleet, policy, &planned.plan);
    planned
}

pub fn clean(fleet: &Fleet, policy: &Policy, plan: &Plan) {
    let report = lint(fleet, policy, plan, &Options::default());
    let errors: Vec<_> = report.findings.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{} errors, the first {:#?}", errors.len(), &errors[..errors.len().min(3)]);
}

pub fn of<'p>(planned: &'p Planned, element: &str) -> &'p ElementOutcome {
    planned.report.elements.iter().find(|it| it.element.as_str() == element).unwrap()
}

/// Where guests end up.
pub fn finally(fleet: &Fleet, plan: &Plan) -> BTreeMap<String, String> {
    let standing = fleet.vms.iter().filter_map(|it| Some((it.id.to_string(), it.host.as_ref()?.to_string())));
    let mut standing: BTreeMap<_, _> = standing.collect();
    for step in &plan.steps {
        if let StepKind::Migrate { vm, to, .. } = &step.kind {
            standing.insert(vm.to_string(), to.to_string());
        }
    }
    standing
}

/// Names of the steps about an element, in order, without moves.
pub fn story(plan: &Plan, element: &str) -> Vec<String> {
    let about = plan.steps.iter().filter(|it| it.subject.as_ref().is_some_and(|it| it.as_str() == element));
    about
        .filter_map(|it| match &it.kind {
            StepKind::Migrate { .. } | StepKind::Evacuate { .. } => None,
            StepKind::Patch { to, unit, .. } => Some(format!("patch {unit} {to}")),
            other => serde_json::to_value(other).ok()?["kind"].as_str().map(str::to_owned),
        })
        .collect()
}
