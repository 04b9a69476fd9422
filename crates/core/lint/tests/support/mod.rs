//! A small fleet with a plan that keeps every rule.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a builder that fails is a test that fails")]

use std::collections::BTreeSet;

use underpin_lint::{LintReport, Options, lint};
use underpin_model::change::{Change, Consent, Layer, Method, Target};
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Action, Affinity, AffinityKind, Capacity, Cluster, Component, ComponentKind, ComponentSet, Cpu, Fleet,
    Host, ManagementPlane, Planning, PlatformRelease, PowerState, Redundancy, Seen, Storage, Strength,
    Tenant, Vm,
};
use underpin_model::id::{
    ApplicationId, ClusterId, ElementId, HostId, ManagementPlaneId, StorageId, TenantId, VmId,
};
use underpin_model::plan::{
    FORMAT, Frozen, LeftOut, MadeFrom, Plan, Profile, Rule, Severity, Step, StepKind, Wave,
};
use underpin_model::policy::{Durations, Exception, Homing, Placing, Policy, Ring, Scope, Spread};
use underpin_model::quantity::Days;

pub(crate) const SEEN: &str = "2026-11-20T00:00:00Z";
pub(crate) const STARTS: &str = "2026-11-21T00:00:00Z";
pub(crate) const GIB: u64 = 1024;

pub(crate) fn host(id: &str) -> HostId {
    HostId::new(id).unwrap()
}

pub(crate) fn vm(id: &str) -> VmId {
    VmId::new(id).unwrap()
}

pub(crate) fn element(id: &str) -> ElementId {
    ElementId::new(id).unwrap()
}

pub(crate) fn cluster() -> ClusterId {
    ClusterId::new("c1").unwrap()
}

/// A fleet, a policy and a plan.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) fleet: Fleet,
    pub(crate) policy: Policy,
    pub(crate) plan: Plan,
}

impl Case {
    /// A management plane, then a canary, the rest of its ring, and a host of the next ring; six guests, one of them powered off
    /// meanwhile with consent, two of them bound together.
    pub(crate) fn sound() -> Self {
        let fleet = fleet();
        let plan = plan(&fleet);
        let mut policy = Policy::default();
        policy.planning.controllers = vec![vm("v6")];
        let hour = 1.0 / 24.0;
        policy.rings = [("test", hour), ("production", 2.0 * hour)]
            .map(|(name, soak)| Ring { name: name.into(), soak: Days::new(soak).unwrap() })
            .to_vec();
        Self { fleet, policy, plan }
    }

    pub(crate) fn lint(&self) -> LintReport {
        lint(&self.fleet, &self.policy, &self.plan, &Options::default())
    }

    /// The rules with findings of a severity.
    pub(crate) fn rules(&self, severity: Severity) -> BTreeSet<Rule> {
        self.lint().findings.iter().filter(|it| it.severity == severity).map(|it| it.rule).collect()
    }

    pub(crate) fn host(&mut self, id: &str) -> &mut Host {
        self.fleet.hosts.iter_mut().find(|it| it.id.as_str() == id).unwrap()
    }

    pub(crate) fn vm(&mut self, id: &str) -> &mut Vm {
        self.fleet.vms.iter_mut().find(|it| it.id.as_str() == id).unwrap()
    }

    pub(crate) fn planning(&mut self) -> &mut Planning {
        self.fleet.planning.as_mut().unwrap()
    }

    pub(crate) fn change(&mut self, id: &str) -> &mut Change {
        self.planning().changes.iter_mut().find(|it| it.id == id).unwrap()
    }

    /// The first step for which something is true.
    pub(crate) fn step(&mut self, which: impl Fn(&StepKind) -> bool) -> &mut Step {
        self.plan.steps.iter_mut().find(|it| which(&it.kind)).unwrap()
    }

    /// The gate of a wave.
    pub(crate) fn gate(&mut self, wave: u32) -> &mut Step {
        let is_gate = |it: &&mut Step| it.wave == wave && matches!(it.kind, StepKind::Gate { .. });
        self.plan.steps.iter_mut().find(is_gate).unwrap()
    }

    pub(crate) fn migration(&mut self, guest: &str) -> &mut Step {
        self.step(|it| matches!(it, StepKind::Migrate { vm, .. } if vm.as_str() == guest))
    }

    pub(crate) fn remove(&mut self, which: impl Fn(&StepKind) -> bool) {
        self.plan.steps.retain(|it| !which(&it.kind));
        self.tidy();
    }

    /// Adds a step; waves are stretched to hold it.
    pub(crate) fn add(&mut self, wave: u32, subject: &str, kind: StepKind, start_s: u32, p95_s: u32) {
        self.plan.steps.push(step(wave, Some(subject), kind, start_s, p95_s));
        self.tidy();
    }

    /// Takes the last wave out, and says so.
    pub(crate) fn leave_out(&mut self, id: &str, change: &str) {
        let last = self.plan.waves.pop().unwrap();
        assert_eq!(last.elements, [element(id)]);
        self.plan.steps.retain(|it| it.wave != last.number);
        self.tidy();
        self.plan.left_out.push(LeftOut { element: element(id), change: change.into(), deferred: false });
    }

    /// Moves all steps of a wave.
    pub(crate) fn shift(&mut self, wave: u32, by_s: i64) {
        for it in self.plan.steps.iter_mut().filter(|it| it.wave == wave) {
            it.start_s = u32::try_from(i64::from(it.start_s) + by_s).unwrap();
        }
        self.tidy();
    }

    /// Puts steps in order, numbers them, fits the waves to them, and lets them wait for each other anew.
    pub(crate) fn tidy(&mut self) {
        // A gate stands before what it opens.
        self.plan.steps.sort_by_key(|it| (it.start_s, !matches!(it.kind, StepKind::Gate { .. })));
        for (number, it) in self.plan.steps.iter_mut().enumerate() {
            it.id = u32::try_from(number).unwrap();
        }
        let waits: Vec<Vec<u32>> = self.plan.steps.iter().map(|it| waits(&self.plan, it)).collect();
        for (it, mut after) in self.plan.steps.iter_mut().zip(waits) {
            after.sort_unstable();
            it.after = after;
        }
        for wave in &mut self.plan.waves {
            let steps = || self.plan.steps.iter().filter(|it| it.wave == wave.number);
            let soak = wave.soak_until_s - wave.end_s;
            wave.start_s = steps().map(|it| it.start_s).min().unwrap_or(0);
            wave.end_s = steps().map(Step::end_s).max().unwrap_or(0);
            wave.soak_until_s = wave.end_s + soak;
        }
    }
}

/// Adds a storage whose two controllers are changed one after the other, when the hosts are done.
pub(crate) fn two_units(case: &mut Case) {
    let mut array = change("array", Layer::Storage, &["s1"], "6.5.1");
    (array.units, array.durations) = (2, Some(durations(Method::InPlace)));
    case.planning().changes.push(array);
    let storage = &mut case.fleet.storage[0];
    storage.redundancy = Some(Redundancy::Full);
    storage.components = Some(ComponentSet {
        family: Some(Family::Other("array".into())),
        train: None,
        components: vec![Component::new("array", "6.4.9", ComponentKind::Product)],
        extra: Default::default(),
    });
    case.plan.waves.push(wave(5, Layer::Storage, "s1", None, 0));
    let it = element("s1");
    let stage = StepKind::Stage { element: it.clone(), change: "array".into() };
    case.plan.steps.push(step(5, Some("s1"), stage, 15_900, 60));
    for (unit, at) in [(1, 16_000), (2, 17_000)] {
        let kind = StepKind::Patch {
            element: it.clone(),
            change: "array".into(),
            method: Method::InPlace,
            to: "6.5.1".into(),
            unit,
        };
        case.plan.steps.push(step(5, Some("s1"), kind, at, 600));
        case.plan.steps.push(step(5, Some("s1"), StepKind::Verify { element: it.clone() }, at + 630, 60));
    }
    // What the last one leaves is attested.
    case.add(5, "s1", StepKind::Attest { element: it }, 17_600, 30);
}

/// Where a step stands in the drain of its element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Prepares,
    Works,
    Returns,
}

fn turn(it: &Step) -> Option<Turn> {
    let of = it.subject.as_ref().map(|it| it.as_str());
    match &it.kind {
        StepKind::Migrate { to, .. } if Some(to.as_str()) == of => Some(Turn::Returns),
        StepKind::Start { .. } | StepKind::Resume { .. } => Some(Turn::Returns),
        StepKind::Freeze { .. } | StepKind::Thaw { .. } | StepKind::Gate { .. } => None,
        StepKind::Patch { .. }
        | StepKind::Reboot { .. }
        | StepKind::Attest { .. }
        | StepKind::Verify { .. } => Some(Turn::Works),
        _ => Some(Turn::Prepares),
    }
}

/// What a step has to wait for, and no more than that: the last work before it on its element, or all that prepares the first one.
fn waits(plan: &Plan, it: &Step) -> Vec<u32> {
    let over = |other: &&Step| other.end_s() <= it.start_s;
    // Guests that are back, or else the verification before.
    let closes = |other: &&Step| {
        let returns =
            |wave: u32| plan.steps.iter().any(|it| it.wave == wave && turn(it) == Some(Turn::Returns));
        let verifies = matches!(other.kind, StepKind::Verify { .. }) && !returns(other.wave);
        over(other) && (verifies || turn(other) == Some(Turn::Returns))
    };
    let closing = |wave: Option<u32>| {
        plan.steps.iter().filter(closes).filter(move |it| Some(it.wave) == wave).map(|it| it.id)
    };
    let gate =
        |wave: u32| plan.steps.iter().find(|it| it.wave == wave && matches!(it.kind, StepKind::Gate { .. }));
    if let StepKind::Thaw { .. } = &it.kind {
        return closing(plan.steps.iter().filter(closes).map(|it| it.wave).max()).collect();
    }
    // The first touch of a drain comes after the wave before it, and that of the first wave of hosts after the freeze.
    let wave = plan.steps.iter().filter(closes).map(|it| it.wave).filter(|other| *other < it.wave).max();
    let hosts = it.subject.as_ref().is_none_or(|it| it.as_str() != "p1");
    let freeze = |other: &&Step| matches!(other.kind, StepKind::Freeze { .. }) && hosts && wave <= Some(1);
    let freeze = plan.steps.iter().filter(freeze).map(|it| it.id);
    let mut earlier: Vec<u32> = closing(wave).chain(freeze).collect();
    if let StepKind::Gate { .. } = &it.kind {
        return earlier;
    }
    if let Some(gate) = gate(it.wave) {
        earlier = vec![gate.id];
    }
    let Some(own) = turn(it) else { return Vec::new() };
    let before = |other: &&Step| {
        other.id < it.id && over(other) && (other.wave, &other.subject) == (it.wave, &it.subject)
    };
    let before: Vec<&Step> = plan.steps.iter().filter(before).collect();
    let last = before.iter().rev().find(|it| turn(it) == Some(Turn::Works)).map(|it| it.id);
    match last {
        Some(last) if own != Turn::Prepares => vec![last],
        None if own == Turn::Works && before.iter().all(|it| !it.kind.touches()) => {
            before.iter().map(|it| it.id).chain(earlier).collect()
        }
        _ if own != Turn::Works => {
            if it.kind.touches() && hosts {
                earlier
            } else {
                Vec::new()
            }
        }
        _ => before.iter().filter(|it| turn(it) == Some(Turn::Prepares)).map(|it| it.id).collect(),
    }
}

fn fleet() -> Fleet {
    let mut fleet = Fleet::new("small", Seen { at: SEEN.parse().unwrap(), by: "test".into() });
    let plane = ManagementPlaneId::new("p1").unwrap();
    let mut cluster = Cluster::new(cluster());
    cluster.managed_by = vec![plane.clone()];
    cluster.storage = vec![StorageId::new("s1").unwrap()];
    cluster.load_balancing = Some(true);
    fleet.clusters = vec![cluster];
    fleet.management_planes = vec![ManagementPlane::new(plane)];
    fleet.storage =
        vec![Storage::new(StorageId::new("s1").unwrap()), Storage::new(StorageId::new("s2").unwrap())];
    fleet.tenants = vec![Tenant::new(TenantId::new("t1").unwrap())];
    let application = ApplicationId::new("shop").unwrap();
    fleet.applications = vec![underpin_model::fleet::Application::new(application.clone())];
    for (id, release, ring) in [
        ("h1", "8.1", "test"),
        ("h2", "8.1", "test"),
        ("h3", "8.1", "production"),
        ("h4", "8.2", "production"),
    ] {
        let mut it = Host::new(host(id));
        it.cluster = Some(self::cluster());
        it.ring = Some(ring.into());
        it.platform =
            Some(PlatformRelease { family: Family::Proxmox, train: None, release: Some(release.into()) });
        it.capacity = Some(Capacity { vcpus: Some(64), memory_mib: Some(64 * GIB), ..Capacity::default() });
        it.cpu = Some(Cpu { features: vec!["sse4".into()], ..Cpu::default() });
        fleet.hosts.push(it);
    }
    for (id, on) in [("v1", "h1"), ("v2", "h2"), ("v3", "h3"), ("v4", "h4"), ("v5", "h2"), ("v6", "h1")] {
        let mut it = Vm::new(vm(id));
        it.host = Some(host(on));
        it.power = Some(PowerState::On);
        it.memory_mib = Some(8 * GIB);
        it.vcpus = Some(4);
        it.storage = vec![StorageId::new("s1").unwrap()];
        it.allowed_actions = vec![Action::LiveMigrate];
        it.tenant = Some(TenantId::new("t1").unwrap());
        if matches!(id, "v1" | "v2") {
            it.application = Some(application.clone());
        }
        if id == "v5" {
            it.allowed_actions = vec![Action::PowerOff];
        }
        fleet.vms.push(it);
    }
    fleet.affinities = vec![affinity(AffinityKind::Together, &["v1", "v6"], &[])];
    fleet.planning = Some(planning());
    fleet
}

pub(crate) fn affinity(kind: AffinityKind, vms: &[&str], hosts: &[&str]) -> Affinity {
    Affinity {
        kind,
        strength: Strength::Must,
        vms: vms.iter().map(|it| vm(it)).collect(),
        hosts: hosts.iter().map(|it| host(it)).collect(),
    }
}

pub(crate) fn change(id: &str, layer: Layer, elements: &[&str], release: &str) -> Change {
    Change {
        id: id.into(),
        layer,
        elements: elements.iter().map(|it| element(it)).collect(),
        clusters: Vec::new(),
        platforms: Vec::new(),
        to: Target::Release { release: release.into(), via: Vec::new() },
        methods: Vec::new(),
        after: Vec::new(),
        units: 1,
        capacity_after: None,
        durations: None,
    }
}

/// As little as the plan gives its steps.
pub(crate) fn durations(method: Method) -> Durations {
    let usual = Durations { stage: Spread::new(30, 60), ..Durations::of(method) };
    match method {
        Method::InPlace => Durations { patch: Spread::new(300, 600), verify: Spread::new(30, 60), ..usual },
        _ => usual,
    }
}

fn planning() -> Planning {
    let mut plane = change("plane", Layer::ManagementPlane, &["p1"], "3.0");
    plane.durations = Some(durations(Method::InPlace));
    let mut upgrade = change("upgrade", Layer::Host, &["h1", "h2", "h3"], "8.2");
    upgrade.durations = Some(durations(Method::EvacuateReboot));
    Planning {
        changes: vec![plane, upgrade],
        consents: vec![Consent {
            id: "yes".into(),
            tenants: Vec::new(),
            applications: Vec::new(),
            vms: vec![vm("v5")],
            action: Action::PowerOff,
            granted: true,
            from: None,
            until: None,
        }],
        ..Planning::default()
    }
}

pub(crate) fn step(wave: u32, subject: Option<&str>, kind: StepKind, start_s: u32, p95_s: u32) -> Step {
    Step {
        id: 0,
        wave,
        subject: subject.map(element),
        kind,
        start_s,
        p50_s: p95_s / 2,
        p95_s,
        after: Vec::new(),
    }
}

/// Leave to break a rule until the end of a day.
pub(crate) fn exception(rule: Rule, scope: Scope, expires: &str) -> Exception {
    Exception {
        id: "one-night".into(),
        rule,
        scope,
        owner: "operations".into(),
        expires: expires.parse().unwrap(),
        price: Default::default(),
        reason: "spare hosts come next week".into(),
    }
}

/// The gate of a wave of hosts.
pub(crate) fn gate(wave: u32, start_s: u32) -> Step {
    step(wave, None, StepKind::Gate { cluster: Some(cluster()) }, start_s, 0)
}

pub(crate) fn migrate(guest: &str, from: &str, to: &str) -> StepKind {
    StepKind::Migrate {
        vm: vm(guest),
        from: host(from),
        to: host(to),
        live: true,
        mbps: 5000,
        pause_ms: 400,
        consent: None,
    }
}

pub(crate) fn patch(id: &str, change: &str, method: Method, to: &str) -> StepKind {
    StepKind::Patch { element: element(id), change: change.into(), method, to: to.into(), unit: 1 }
}

/// Patch, reboot, attestation and verification of a host, from a moment on; over 2,010 s later.
pub(crate) fn reboot_path(steps: &mut Vec<Step>, wave: u32, id: &str, at: u32) {
    let it = element(id);
    let all = [
        (patch(id, "upgrade", Method::EvacuateReboot, "8.2"), 0, 600),
        (StepKind::Reboot { element: it.clone(), quick: false }, 600, 1200),
        (StepKind::Attest { element: it.clone() }, 1800, 30),
        (StepKind::Verify { element: it }, 1830, 180),
    ];
    steps.extend(all.map(|(kind, after, p95_s)| step(wave, Some(id), kind, at + after, p95_s)));
}

fn wave(number: u32, layer: Layer, id: &str, ring: Option<&str>, soak_s: u32) -> Wave {
    Wave {
        number,
        layer,
        cluster: (layer == Layer::Host).then(cluster),
        ring: ring.map(Into::into),
        canary: number == 2,
        elements: vec![element(id)],
        start_s: 0,
        end_s: 0,
        soak_until_s: soak_s,
    }
}

fn plan(fleet: &Fleet) -> Plan {
    let mut steps = vec![
        step(
            0,
            None,
            StepKind::Freeze { cluster: cluster(), what: vec![Frozen::Balancing, Frozen::AutoStart] },
            0,
            10,
        ),
        step(0, None, StepKind::Thaw { cluster: cluster() }, 15_000, 10),
        step(1, Some("p1"), StepKind::Stage { element: element("p1"), change: "plane".into() }, 0, 60),
        step(1, Some("p1"), StepKind::BackupCheck { element: element("p1") }, 60, 10),
        step(1, Some("p1"), patch("p1", "plane", Method::InPlace, "3.0"), 100, 600),
        step(1, Some("p1"), StepKind::Attest { element: element("p1") }, 700, 30),
        step(1, Some("p1"), StepKind::Verify { element: element("p1") }, 730, 60),
        step(2, Some("h1"), StepKind::Stage { element: element("h1"), change: "upgrade".into() }, 800, 60),
        gate(2, 860),
        step(2, Some("h1"), migrate("v1", "h1", "h4"), 860, 60),
        step(2, Some("h1"), migrate("v6", "h1", "h4"), 860, 60),
        step(3, Some("h2"), StepKind::Stage { element: element("h2"), change: "upgrade".into() }, 6630, 60),
        gate(3, 6700),
        step(3, Some("h2"), migrate("v2", "h2", "h1"), 6700, 60),
        step(
            3,
            Some("h2"),
            StepKind::Stop { vm: vm("v5"), host: host("h2"), consent: Some("yes".into()) },
            6700,
            30,
        ),
        step(3, Some("h2"), StepKind::Start { vm: vm("v5"), host: host("h2") }, 8810, 30),
        step(4, Some("h3"), StepKind::Stage { element: element("h3"), change: "upgrade".into() }, 12_430, 60),
        gate(4, 12_500),
        step(4, Some("h3"), migrate("v3", "h3", "h2"), 12_500, 60),
    ];
    reboot_path(&mut steps, 2, "h1", 1000);
    reboot_path(&mut steps, 3, "h2", 6800);
    reboot_path(&mut steps, 4, "h3", 12_600);
    let plan = Plan {
        format: FORMAT.into(),
        parent: None,
        made_from: MadeFrom {
            fleet: fleet.name.clone(),
            seen_at: fleet.seen.at,
            fleet_sha256: None,
            policy_sha256: None,
            seed: 1,
            evaluations: 1,
        },
        starts_at: STARTS.parse().unwrap(),
        profile: Profile::Normal,
        placing: Placing::WePlace,
        homing: Homing::Drift,
        waves: vec![
            wave(1, Layer::ManagementPlane, "p1", None, 0),
            wave(2, Layer::Host, "h1", Some("test"), 3600),
            wave(3, Layer::Host, "h2", Some("test"), 3600),
            wave(4, Layer::Host, "h3", Some("production"), 7200),
        ],
        steps,
        soaking: Vec::new(),
        left_out: Vec::new(),
    };
    let mut case = Case { fleet: fleet.clone(), policy: Policy::default(), plan };
    case.tidy();
    case.plan
}
