//! The hosts of a sample.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::super::{
    AuthenticationMethod, Capacity, Component, ComponentKind, ComponentSet, Cpu, Extra, Fleet, Host,
    Listener, ManagementInterface, Migration, PlatformRelease, Setting, VirtualizationRole,
};
use super::catalogue::{self, Platform};
use super::{Dice, id, surroundings};
use crate::facts::Family;
use crate::id::{ClusterId, ComponentSetId, FaultDomainId, HostId, NetworkId, SiteId};

/// What guests need to know of the host that they stand on.
pub(super) struct Standing {
    pub(super) host: HostId,
    pub(super) platform: &'static Platform,
    /// The patch level that new guests start on.
    pub(super) level: usize,
    /// The patch level that the hypervisor itself runs at: lower while a reboot is pending.
    pub(super) running: usize,
    pub(super) site: Option<SiteId>,
    /// It is empty, and takes no guests.
    pub(super) maintenance: bool,
}

/// A processor with the microcode revisions of its history, oldest first. Signature, mask and revisions are rows of the
/// vendor's history; the model is a name for people, from general knowledge, and decides nothing.
struct Processor {
    model: &'static str,
    signature: &'static str,
    mask: u32,
    cores: u32,
    revisions: &'static [&'static str],
}

const PROCESSORS: [(u32, Processor); 5] = [
    (
        8,
        Processor {
            model: "Intel(R) Xeon(R) CPU E5-2699 v4",
            signature: "06-4f-01",
            mask: 0xef,
            cores: 22,
            revisions: &["0xb000038", "0xb00003e", "0xb000040"],
        },
    ),
    (
        20,
        Processor {
            model: "Intel(R) Xeon(R) Gold 6148",
            signature: "06-55-04",
            mask: 0xb7,
            cores: 20,
            revisions: &["0x2006c0a", "0x2006e05", "0x2006f05", "0x2007006"],
        },
    ),
    (
        24,
        Processor {
            model: "Intel(R) Xeon(R) Gold 6248",
            signature: "06-55-07",
            mask: 0xbf,
            cores: 20,
            revisions: &["0x5003604", "0x5003605", "0x5003707", "0x5003901"],
        },
    ),
    (
        30,
        Processor {
            model: "Intel(R) Xeon(R) Gold 6338",
            signature: "06-6a-06",
            mask: 0x87,
            cores: 32,
            revisions: &["0xd0003b9", "0xd0003e7", "0xd000404", "0xd000410"],
        },
    ),
    (
        18,
        Processor {
            model: "Intel(R) Xeon(R) Gold 6430",
            signature: "06-8f-08",
            mask: 0x87,
            cores: 32,
            revisions: &["0x2b000590", "0x2b000603", "0x2b000639", "0x2b000650"],
        },
    ),
];

/// Memory that hosts come with, in GiB; a host that carries little has one of the first three.
const MEMORY_GIB: [u64; 8] = [384, 512, 768, 1024, 1536, 2048, 3072, 4096];

/// Adds the hosts, spread over the clusters.
pub(super) fn fill(fleet: &mut Fleet, count: u32, at: Timestamp, dice: &mut Dice) -> Vec<Standing> {
    let mut all = Vec::new();
    let clusters = fleet.clusters.len().max(1);
    for number in 0..count as usize {
        let Some(cluster) = fleet.clusters.get(number % clusters) else { break };
        let Some(platform) = surroundings::platform_of(&cluster.id) else { continue };
        let Some(id) = id!(HostId, "{}-h{:02}", cluster.id, number / clusters + 1) else { continue };
        let mut host = Host::new(id.clone());
        host.cluster = Some(cluster.id.clone());
        host.reach.storage.clone_from(&cluster.storage);
        host.reach.networks.clone_from(&cluster.networks);
        let site = cluster.site.clone();
        if let Some(site) = &site {
            host.fault_domains =
                id!(FaultDomainId, "{site}-rack-{}", number / clusters % 4 + 1).into_iter().collect();
            ways_in(&mut host, platform, site, dice);
        }
        let rings = [(5, "test"), (10, "development"), (85, "production")];
        host.ring = dice.weighted(&rings).map(|it| (*it).to_owned());
        let (level, running) = software(&mut host, platform, at, dice);
        hardware(&mut host, dice);
        // In maintenance is who waits for its update.
        host.maintenance = Some(dice.chance(1) && running + 1 < platform.levels.len());
        let maintenance = host.maintenance == Some(true);
        if maintenance {
            // It is empty already: nobody is better suited to go first, and until it is back no other host of its cluster can leave.
            host.ring = Some("test".to_owned());
        }
        all.push(Standing { host: id, platform, level, running, site, maintenance });
        fleet.hosts.push(host);
    }
    all
}

/// Gives hosts the memory to carry their guests, with those of any host that fails while another is away for its update.
///
/// A host has room for its own guests, for its even share of the two fullest neighbours, and for one more of the largest guest. So a
/// guest that looks for a place is always taken: were there no host with room for it, each would have taken more than its share.
pub(super) fn carry(fleet: &mut Fleet) {
    let mut standing: BTreeMap<&HostId, u64> = BTreeMap::new();
    let mut largest_mib = 0;
    for vm in &fleet.vms {
        let memory_mib = vm.memory_mib.unwrap_or_default();
        largest_mib = largest_mib.max(memory_mib);
        if let Some(host) = &vm.host {
            *standing.entry(host).or_default() += memory_mib;
        }
    }
    let loads: Vec<u64> =
        fleet.hosts.iter().map(|it| standing.get(&it.id).copied().unwrap_or_default()).collect();
    let mut neighbours: BTreeMap<Option<ClusterId>, Vec<u64>> = BTreeMap::new();
    for (host, load) in fleet.hosts.iter().zip(&loads) {
        neighbours.entry(host.cluster.clone()).or_default().push(*load);
    }
    neighbours.values_mut().for_each(|it| it.sort_unstable_by(|a, b| b.cmp(a)));
    for (host, load) in fleet.hosts.iter_mut().zip(loads) {
        let Some(cluster) = neighbours.get(&host.cluster) else { continue };
        // Of two hosts only one can fail, and nothing is left of one.
        let fail = cluster.len().saturating_sub(1).min(2);
        let remain = cluster.len().saturating_sub(fail).max(1) as u64;
        let share = cluster.iter().take(fail).sum::<u64>().div_ceil(remain);
        let needed = load + share + largest_mib;
        let enough = MEMORY_GIB.iter().map(|it| it * 1024).find(|it| *it >= needed).unwrap_or(needed);
        if let Some(capacity) = &mut host.capacity {
            capacity.memory_mib = capacity.memory_mib.map(|it| it.max(enough));
        }
    }
}

/// Patch level, and what runs as opposed to what is installed.
fn software(host: &mut Host, platform: &'static Platform, at: Timestamp, dice: &mut Dice) -> (usize, usize) {
    let last = platform.levels.len().saturating_sub(1);
    // Half of the hosts are up to date, the others lag evenly.
    let level = if dice.chance(50) { last } else { dice.below(last + 1) };
    let Some(installed) = platform.levels.get(level) else { return (0, 0) };
    let booted = if level > 0 && dice.chance(25) { level - 1 } else { level };
    let old = platform.levels.get(booted).unwrap_or(installed);
    host.component_sets = ComponentSetId::new(installed.set).into_iter().collect();
    host.platform = Some(PlatformRelease {
        family: (platform.family)(),
        train: Some(platform.train.to_owned()),
        release: Some(installed.release.to_owned()),
    });
    host.role = Some(VirtualizationRole::Host);
    host.booted_at = Some(dice.before(at, 400));
    host.boot_id = Some(dice.uuid());
    // On a tenth of the hosts nobody looked at what runs.
    if dice.chance(90) {
        let mut running = BTreeMap::new();
        match (platform.family)() {
            Family::Esxi | Family::Windows => running.insert(platform.vmm.to_owned(), old.vmm.to_owned()),
            Family::XcpNg => running.insert("xen".to_owned(), old.vmm.to_owned()),
            _ => running.insert(platform.vmm.to_owned(), installed.vmm.to_owned()),
        };
        if !old.kernel.is_empty() {
            running.insert("linux".to_owned(), old.kernel.to_owned());
        }
        host.running = running;
        host.kernel_release = match (platform.family)() {
            Family::Proxmox => Some(format!("{}-pve", old.kernel)),
            Family::AlmaLinux => Some(format!("{}.x86_64", old.kernel)),
            Family::Debian => catalogue::debian_abi(old.kernel).map(|abi| format!("6.1.0-{abi}-amd64")),
            _ => None,
        };
    }
    (level, booted)
}

fn hardware(host: &mut Host, dice: &mut Dice) {
    let Some(processor) = dice.weighted(&PROCESSORS) else { return };
    let newest = processor.revisions.len().saturating_sub(1);
    let at = if dice.chance(60) { newest } else { dice.below(newest + 1) };
    let revision = processor.revisions.get(at).filter(|_| dice.chance(95)).map(|it| (*it).to_owned());
    let cores = processor.cores * 2;
    host.vendor = Some("Example Systems".to_owned());
    host.model = Some(format!("R{}", 1 + dice.below(3)));
    host.firmware = dice.chance(80).then(|| format!("2.{}.{}", 10 + dice.below(12), dice.below(4)));
    if let Some(revision) = &revision {
        let mut microcode = Component::new("intel-microcode", revision.as_str(), ComponentKind::Microcode);
        microcode.family = Some(Family::IntelMicrocode);
        microcode.running_version = Some(revision.clone());
        microcode.signature = Some(processor.signature.to_owned());
        microcode.platform_mask = Some(processor.mask);
        host.components = Some(ComponentSet {
            family: None,
            train: None,
            components: vec![microcode],
            extra: Extra::new(),
        });
    }
    host.cpu = Some(Cpu {
        vendor: Some("GenuineIntel".to_owned()),
        model: Some(processor.model.to_owned()),
        signature: Some(processor.signature.to_owned()),
        platform_mask: Some(processor.mask),
        microcode: revision,
        threads: Some(cores * 2),
        cores: Some(cores),
        smt: dice.chance(90).then_some(true),
        features: ["avx2", "avx512f", "vmx"].iter().map(|it| (*it).to_owned()).collect(),
    });
    host.capacity = Some(Capacity {
        vcpus: Some(cores * 8),
        memory_mib: MEMORY_GIB.get(dice.below(3)).map(|it| it * 1024),
        hugepages_mib: None,
        local_storage_gib: dice.chance(50).then_some(1788),
    });
}

/// Migration, management interfaces, settings and listeners.
fn ways_in(host: &mut Host, platform: &Platform, site: &SiteId, dice: &mut Dice) {
    host.migration = Some(Migration {
        bandwidth_mbps: Some(if dice.chance(70) { 25_000 } else { 10_000 }),
        slots: Some(if dice.chance(50) { 2 } else { 4 }),
        network: id!(NetworkId, "{site}-migration"),
        encrypted: dice.chance(80).then_some(dice.chance(40)),
    });
    let interface = |kind: &str, method: &str, enabled: Option<bool>| ManagementInterface {
        kind: kind.to_owned(),
        listen: None,
        networks: id!(NetworkId, "{site}-management").into_iter().collect(),
        enabled,
        authentication: vec![AuthenticationMethod { method: method.to_owned(), second_factor: None }],
    };
    let windows = (platform.family)() == Family::Windows;
    let esxi = (platform.family)() == Family::Esxi;
    let ssh = !esxi || dice.chance(20);
    if !windows {
        host.management_interfaces.push(interface("ssh", "key", Some(ssh)));
    }
    host.management_interfaces.push(interface("bmc", "password", dice.chance(70).then_some(true)));
    if esxi {
        let slpd = dice.chance(15);
        host.settings.insert("esxi.ssh".to_owned(), Setting::Plain(Value::Bool(ssh)));
        if dice.chance(85) {
            host.settings.insert("slpd.enabled".to_owned(), Setting::Plain(Value::Bool(slpd)));
        }
        if slpd {
            host.listeners.push(listener(427, "slpd"));
        }
        host.listeners.push(listener(443, "hostd"));
    } else if !windows {
        let mitigations = if dice.chance(95) { "auto" } else { "off" };
        host.settings.insert("kernel.mitigations".to_owned(), Setting::Plain(Value::from(mitigations)));
        host.listeners.push(listener(22, "sshd"));
    }
}

fn listener(port: u16, program: &str) -> Listener {
    Listener {
        protocol: "tcp".to_owned(),
        address: "0.0.0.0".to_owned(),
        port: Some(port),
        program: Some(program.to_owned()),
    }
}
