//! Lints a made-up plan of any size and says what it found: `cargo run --release -p underpin-lint --example measure_lint -- HOSTS`. Time it
//! from outside (`/usr/bin/time -v`): the core has no clock.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for measuring")]
#![allow(clippy::disallowed_methods, reason = "a program for measuring reads its arguments")]

use underpin_lint::{Options, lint};
use underpin_model::change::{Change, Layer, Method, Target};
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Action, Affinity, AffinityKind, Capacity, Cluster, Fleet, Host, Planning, PlatformRelease, PowerState,
    Seen, Strength, Vm,
};
use underpin_model::id::{ClusterId, ElementId, HostId, VmId};
use underpin_model::plan::{FORMAT, MadeFrom, Plan, Profile, Severity, Step, StepKind, Wave};
use underpin_model::policy::{Homing, Placing, Policy, Ring};

/// Hosts of a cluster.
const CLUSTER: usize = 50;
/// Guests of a host.
const GUESTS: usize = 20;
const GUEST_MIB: u64 = 10 * 1024;
/// Room for two guests more than it has.
const HOST_MIB: u64 = 224 * 1024;

fn main() {
    let hosts: usize = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(10_000);
    let fleet = fleet(hosts);
    let plan = plan(&fleet, hosts);
    let mut policy = Policy {
        rings: vec![Ring { name: "production".into(), soak: Default::default() }],
        ..Policy::default()
    };
    policy.planning.canaries_per_class = 0;
    println!("{} hosts, {} guests, {} steps", fleet.hosts.len(), fleet.vms.len(), plan.steps.len());
    if std::env::args().nth(2).is_some_and(|it| it == "--build-only") {
        return;
    }
    let report = lint(&fleet, &policy, &plan, &Options::default());
    println!("{} events, {} errors", report.events, report.count(Severity::Error));
    for it in report.checked.iter().filter(|it| it.compared > 0) {
        println!(
            "{:22} {:>9} compared {:>6} errors {:>6} unknown",
            it.rule.name(),
            it.compared,
            it.errors,
            it.unknown
        );
    }
    for it in report.findings.iter().take(10) {
        println!("{it:?}");
    }
}

fn fleet(hosts: usize) -> Fleet {
    let mut fleet =
        Fleet::new("made-up", Seen { at: "2026-11-20T00:00:00Z".parse().unwrap(), by: "made up".into() });
    for cluster in 0..hosts.div_ceil(CLUSTER) {
        fleet.clusters.push(Cluster::new(ClusterId::new(format!("c{cluster:04}")).unwrap()));
    }
    for number in 0..hosts {
        let mut host = Host::new(HostId::new(format!("h{number:06}")).unwrap());
        host.cluster = Some(ClusterId::new(format!("c{:04}", number / CLUSTER)).unwrap());
        host.ring = Some("production".into());
        host.platform =
            Some(PlatformRelease { family: Family::Proxmox, train: None, release: Some("8.1".into()) });
        host.capacity =
            Some(Capacity { vcpus: Some(128), memory_mib: Some(HOST_MIB), ..Capacity::default() });
        for guest in 0..GUESTS {
            let mut vm = Vm::new(VmId::new(format!("v{:07}", number * GUESTS + guest)).unwrap());
            vm.host = Some(host.id.clone());
            vm.power = Some(PowerState::On);
            vm.memory_mib = Some(GUEST_MIB);
            vm.vcpus = Some(4);
            vm.allowed_actions = vec![Action::LiveMigrate];
            fleet.vms.push(vm);
        }
        fleet.hosts.push(host);
    }
    // Three in ten guests must be apart from two others: the same guests of three neighbours.
    for first in (0..hosts.saturating_sub(2)).step_by(3).filter(|it| it % CLUSTER + 2 < CLUSTER) {
        for guest in 0..GUESTS * 3 / 10 {
            let vms = (0..3).map(|it| fleet.vms[(first + it) * GUESTS + guest].id.clone()).collect();
            let (kind, strength) = (AffinityKind::Apart, Strength::Must);
            fleet.affinities.push(Affinity { kind, strength, vms, hosts: Vec::new() });
        }
    }
    fleet.planning = Some(Planning { changes: vec![change()], ..Planning::default() });
    fleet
}

fn change() -> Change {
    Change {
        id: "upgrade".into(),
        layer: Layer::Host,
        elements: Vec::new(),
        clusters: Vec::new(),
        platforms: Vec::new(),
        to: Target::Release { release: "8.2".into(), via: Vec::new() },
        methods: Vec::new(),
        after: Vec::new(),
        units: 1,
        capacity_after: None,
        durations: None,
    }
}

/// One host of each cluster after the other; guests go to the emptiest host that is patched already, or else to the emptiest.
fn plan(fleet: &Fleet, hosts: usize) -> Plan {
    let mut on: Vec<Vec<usize>> = (0..hosts).map(|it| (it * GUESTS..(it + 1) * GUESTS).collect()).collect();
    let group = |guest: usize| {
        let (host, slot) = (guest / GUESTS, guest % GUESTS);
        (slot < GUESTS * 3 / 10 && (host / 3 * 3) % CLUSTER + 2 < CLUSTER).then_some((host / 3, slot))
    };
    let mut rows: Vec<(u32, usize, Vec<Step>)> = Vec::new();
    for first in (0..hosts).step_by(CLUSTER) {
        let cluster = first..hosts.min(first + CLUSTER);
        for host in cluster.clone() {
            let start = ((host - first) * 2500) as u32;
            let element = ElementId::new(fleet.hosts[host].id.as_str()).unwrap();
            let mut steps = Vec::new();
            let mut step = |kind, at: u32, p95_s: u32| {
                let (subject, after) = (Some(element.clone()), Vec::new());
                let start_s = start + at;
                steps.push(Step { id: 0, wave: 0, subject, kind, start_s, p50_s: p95_s / 2, p95_s, after });
            };
            for (turn, guest) in std::mem::take(&mut on[host]).into_iter().enumerate() {
                let free = |it: &usize| {
                    *it != host
                        && !on[*it].iter().any(|it| group(*it).is_some() && group(*it) == group(guest))
                };
                let target = cluster
                    .clone()
                    .filter(free)
                    .min_by_key(|it| (on[*it].len() >= 22, *it > host, on[*it].len()));
                let target = target.unwrap();
                on[target].push(guest);
                let kind = StepKind::Migrate {
                    vm: fleet.vms[guest].id.clone(),
                    from: fleet.hosts[host].id.clone(),
                    to: fleet.hosts[target].id.clone(),
                    live: true,
                    mbps: 2500,
                    pause_ms: 500,
                    consent: None,
                };
                step(kind, turn as u32 / 4 * 60, 60);
            }
            let (change, method, to) = ("upgrade".to_owned(), Method::EvacuateReboot, "8.2".to_owned());
            let drained = 420;
            step(StepKind::Patch { element: element.clone(), change, method, to, unit: 1 }, drained, 600);
            step(StepKind::Reboot { element: element.clone(), quick: false }, drained + 600, 1200);
            step(StepKind::Attest { element: element.clone() }, drained + 1800, 30);
            step(StepKind::Verify { element: element.clone() }, drained + 1830, 180);
            rows.push((start, host, steps));
        }
    }
    rows.sort_by_key(|it| (it.0, it.1));
    assemble(fleet, rows)
}

fn assemble(fleet: &Fleet, rows: Vec<(u32, usize, Vec<Step>)>) -> Plan {
    let mut waves = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    for ((start_s, host, own), number) in rows.into_iter().zip(1..) {
        let end_s = own.iter().map(Step::end_s).max().unwrap();
        waves.push(Wave {
            number,
            layer: Layer::Host,
            cluster: fleet.hosts[host].cluster.clone(),
            ring: Some("production".into()),
            canary: false,
            elements: vec![ElementId::new(fleet.hosts[host].id.as_str()).unwrap()],
            start_s,
            end_s,
            soak_until_s: end_s,
        });
        steps.extend(own.into_iter().map(|it| Step { wave: number, ..it }));
    }
    steps.sort_by_key(|it| it.start_s);
    for (step, id) in steps.iter_mut().zip(0..) {
        step.id = id;
    }
    let seen_at = fleet.seen.at;
    let fleet = fleet.name.clone();
    Plan {
        format: FORMAT.into(),
        parent: None,
        made_from: MadeFrom {
            fleet,
            seen_at,
            fleet_sha256: None,
            policy_sha256: None,
            seed: 1,
            evaluations: 0,
        },
        starts_at: "2026-11-21T00:00:00Z".parse().unwrap(),
        profile: Profile::Normal,
        placing: Placing::WePlace,
        homing: Homing::Drift,
        waves,
        steps,
        soaking: Vec::new(),
        left_out: Vec::new(),
    }
}
