//! Tenants, applications, images, guests and affinity rules of a sample.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::super::{
    Action, Affinity, AffinityKind, Application, Fleet, Image, Lock, LockKind, PowerState, RunningVmm,
    SealedKeys, Strength, Tenant, Vm, tenants_without_vms,
};
use super::catalogue::GUESTS;
use super::hosts::Standing;
use super::{Dice, id};
use crate::facts::Family;
use crate::id::{ApplicationId, ClusterId, ComponentSetId, HostId, ImageId, NetworkId, TenantId, VmId};
use crate::ssvc::HumanImpact;

/// Most images that a sample has; a small fleet has one per six hosts, and at least four.
const MAX_IMAGES: usize = 300;

/// vCPUs and memory in GiB by weight: most guests are small.
const SIZES: [(u32, (u32, u64)); 8] = [
    (22, (1, 2)),
    (26, (2, 4)),
    (20, (4, 8)),
    (12, (4, 16)),
    (10, (8, 32)),
    (6, (16, 64)),
    (3, (32, 128)),
    (1, (48, 256)),
];

/// Adds everything above the hosts.
pub(super) fn fill(fleet: &mut Fleet, standing: &[Standing], at: Timestamp, dice: &mut Dice) {
    tenants(fleet, standing.len(), dice);
    applications(fleet, standing.len(), dice);
    images(fleet, standing.len(), at, dice);
    for host in standing {
        // 14 to 26, twenty on average; nobody is left on a host in maintenance.
        let count = if host.maintenance { 0 } else { 14 + dice.below(13) };
        for _ in 0..count {
            if let Some(vm) = guest(fleet, host, at, dice) {
                fleet.vms.push(vm);
            }
        }
    }
    affinities(fleet, dice);
    without_guests(fleet);
}

/// Tenants that got no guest are taken out again, wherever they are named: a sample has nothing to be warned of.
fn without_guests(fleet: &mut Fleet) {
    let places: BTreeSet<usize> = tenants_without_vms(fleet).into_iter().collect();
    let ids = fleet.tenants.iter().enumerate().filter(|(at, _)| places.contains(at));
    let ids: BTreeSet<TenantId> = ids.map(|(_, it)| it.id.clone()).collect();
    fleet.tenants.retain(|it| !ids.contains(&it.id));
    let of_applications = fleet.applications.iter_mut().map(|it| &mut it.tenant);
    for tenant in of_applications.chain(fleet.images.iter_mut().map(|it| &mut it.tenant)) {
        *tenant = tenant.take().filter(|it| !ids.contains(it));
    }
}

fn tenants(fleet: &mut Fleet, hosts: usize, dice: &mut Dice) {
    for number in 1..=(hosts / 8 + 3).min(60) {
        let Some(id) = id!(TenantId, "tenant-{number:02}") else { continue };
        let mut tenant = Tenant::new(id);
        tenant.contact = dice.chance(90).then(|| "service desk".to_owned());
        fleet.tenants.push(tenant);
    }
}

/// Applications depend only on those before them, so there is no cycle.
fn applications(fleet: &mut Fleet, hosts: usize, dice: &mut Dice) {
    let impacts = [
        (55, Some(HumanImpact::Low)),
        (25, Some(HumanImpact::Medium)),
        (8, Some(HumanImpact::High)),
        (2, Some(HumanImpact::VeryHigh)),
        (10, None),
    ];
    for number in 0..(hosts * 2).clamp(4, 4000) {
        let Some(id) = id!(ApplicationId, "app-{:04}", number + 1) else { continue };
        let mut application = Application::new(id);
        application.tenant = skewed(&fleet.tenants, dice).map(|it| it.id.clone());
        application.human_impact = dice.weighted(&impacts).copied().flatten();
        for _ in 0..dice.below(3) {
            if let Some(other) = fleet.applications.get(dice.below(number))
                && !application.depends_on.contains(&other.id)
            {
                application.depends_on.push(other.id.clone());
            }
        }
        fleet.applications.push(application);
    }
}

/// One of the items, the first ones far more often: a few tenants have most of the guests.
fn skewed<'a, T>(items: &'a [T], dice: &mut Dice) -> Option<&'a T> {
    let end = dice.below(items.len()) + 1;
    let end = dice.below(end) + 1;
    items.get(dice.below(end))
}

fn images(fleet: &mut Fleet, hosts: usize, at: Timestamp, dice: &mut Dice) {
    for number in 0..(hosts / 6).clamp(4, MAX_IMAGES) {
        let Some((set, family, _)) = GUESTS.get(number % GUESTS.len()) else { continue };
        let Some(id) = id!(ImageId, "image-{family}-{:03}", number + 1) else { continue };
        let mut image = Image::new(id);
        // One in five is up to three years old and still used.
        let age = if dice.chance(20) { 1100 } else { 180 };
        image.built = dice.chance(95).then(|| dice.before(at, age).to_zoned(jiff::tz::TimeZone::UTC).date());
        image.tenant =
            if dice.chance(30) { skewed(&fleet.tenants, dice).map(|it| it.id.clone()) } else { None };
        image.component_sets = ComponentSetId::new(*set).into_iter().collect();
        fleet.images.push(image);
    }
}

fn guest(fleet: &Fleet, on: &Standing, at: Timestamp, dice: &mut Dice) -> Option<Vm> {
    let mut vm = Vm::new(id!(VmId, "vm-{:06}", fleet.vms.len() + 1)?);
    let states = [(95, Some(PowerState::On)), (3, Some(PowerState::Off)), (2, None)];
    vm.power = dice.weighted(&states).copied().flatten();
    if vm.id.as_str().ends_with("500") {
        vm.power = Some(PowerState::Suspended);
    }
    vm.host = Some(on.host.clone());
    let application = skewed(&fleet.applications, dice);
    vm.tenant = application.and_then(|it| it.tenant.clone());
    vm.application = application.filter(|_| dice.chance(92)).map(|it| it.id.clone());
    let roles = [(50, "worker"), (25, "frontend"), (15, "database"), (10, "broker")];
    vm.role = dice.weighted(&roles).filter(|_| dice.chance(80)).map(|it| (*it).into());
    let image = fleet.images.get(dice.below(fleet.images.len())).filter(|_| dice.chance(90));
    vm.image = image.map(|it| it.id.clone());
    vm.guest_os = image.map(|it| {
        if it.id.as_str().contains("debian") { "Debian GNU/Linux 12" } else { "AlmaLinux 9" }.into()
    });
    let (vcpus, memory_gib) = dice.weighted(&SIZES).copied()?;
    vm.vcpus = Some(vcpus);
    vm.memory_mib = Some(memory_gib * 1024);
    // Tenths of MiB/s; whole numbers of them keep the text short and the same everywhere.
    vm.dirty_rate_mib_s = dice.chance(70).then(|| dice.below(1 + memory_gib as usize * 20) as f64 / 10.0);
    vm.cold_started_at = Some(dice.before(at, 300));
    if vm.power == Some(PowerState::On) {
        vm.vmm = emulator(on, dice);
    }
    if let Some(site) = &on.site {
        vm.networks = id!(NetworkId, "{site}-guest").into_iter().collect();
    }
    restraints(&mut vm, at, dice);
    Some(vm)
}

/// A third of the guests of a host that was patched still run on the emulator of an earlier level. Xen is the
/// hypervisor that was booted, for all its guests; ESXi and Windows do not tell.
fn emulator(on: &Standing, dice: &mut Dice) -> Option<RunningVmm> {
    let level = match (on.platform.family)() {
        Family::Esxi | Family::Windows => return None,
        Family::XcpNg => on.running,
        _ if dice.chance(33) => dice.below(on.level + 1),
        _ => on.level,
    };
    let version = on.platform.levels.get(level).filter(|_| dice.chance(95))?.vmm;
    Some(RunningVmm { component: on.platform.vmm.into(), version: version.into() })
}

/// What holds a guest where it is, and what may be done to it.
fn restraints(vm: &mut Vm, at: Timestamp, dice: &mut Dice) {
    let pinned = dice.chance(2);
    if pinned {
        vm.passthrough = vec![format!("0000:{:02x}:00.0", 16 + dice.below(200))];
    }
    if dice.chance(6) {
        vm.sealed_keys = Some(Box::new(SealedKeys {
            vtpm: Some(true),
            pcrs: if dice.chance(50) { vec![0, 2, 7] } else { vec![] },
        }));
    }
    let at_rest = vm.id.as_str().ends_with("07");
    vm.allowed_actions = match dice.below(20) {
        // Nobody has said anything about one guest in two thousand.
        0 if at_rest => vec![],
        0..=2 => vec![Action::PowerOff],
        _ if pinned => vec![Action::PowerOff],
        3..6 => vec![Action::LiveMigrate, Action::Suspend],
        _ => vec![Action::LiveMigrate, Action::ColdMigrate, Action::PowerOff],
    };
    if dice.chance(1) {
        let expires = at.checked_add(SignedDuration::from_hours(2)).ok().filter(|_| dice.chance(95));
        vm.locks = vec![Lock { kind: LockKind::Backup, expires }];
    }
}

/// Replicas that must not share a host, pairs that should, and guests bound to the licences of four hosts. Every rule is kept, and can
/// still be kept when a host fails while another is away.
fn affinities(fleet: &mut Fleet, dice: &mut Dice) {
    let mut clusters: BTreeMap<Option<&ClusterId>, Vec<&HostId>> = BTreeMap::new();
    for host in &fleet.hosts {
        clusters.entry(host.cluster.as_ref()).or_default().push(&host.id);
    }
    let cluster_of: BTreeMap<&HostId, Option<&ClusterId>> =
        fleet.hosts.iter().map(|it| (&it.id, it.cluster.as_ref())).collect();
    let peers =
        |host: &HostId| cluster_of.get(host).and_then(|it| clusters.get(it)).map_or(&[][..], Vec::as_slice);
    let mut rules = Vec::new();
    // Each rule draws from a stretch of its own: rules never contradict each other.
    for stretch in fleet.vms.chunks_exact(60) {
        let strength = if dice.chance(80) { Strength::Must } else { Strength::Should };
        let rule = |kind, vms, hosts| Affinity { kind, strength, vms, hosts };
        let mut hosts: Vec<&HostId> = stretch.iter().filter_map(|it| it.host.as_ref()).collect();
        hosts.dedup();
        // Two hosts of the cluster stay free of replicas: for those of a host that is away and of one that fails.
        let most = hosts.first().map_or(0, |it| peers(it).len().saturating_sub(2)).min(3);
        let first = |host: &&HostId| stretch.iter().find(|it| it.host.as_ref() == Some(*host));
        let apart: Vec<VmId> = hosts.iter().take(most).filter_map(first).map(|it| it.id.clone()).collect();
        if apart.len() > 1 {
            rules.push(rule(AffinityKind::Apart, apart, vec![]));
        } else if let Some([one, other]) = stretch.array_windows().find(|[a, b]| a.host == b.host) {
            rules.push(rule(AffinityKind::Together, vec![one.id.clone(), other.id.clone()], vec![]));
        }
        if dice.chance(20)
            && let Some(last) = stretch.last()
            && let Some(own) = last.host.as_ref()
            && let Some(at) = peers(own).iter().position(|it| *it == own)
            && let all = peers(own)
            && all.len() > 3
        {
            let licensed = all.iter().cycle().skip(at).take(4).map(|it| (*it).clone()).collect();
            rules.push(rule(AffinityKind::OnHosts, vec![last.id.clone()], licensed));
        }
    }
    fleet.affinities = rules;
}
