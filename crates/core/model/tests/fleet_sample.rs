//! Sample fleets: always valid, always the same, and of the shape that they promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of a test fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use underpin_model::facts::Family;
use underpin_model::fleet::{AffinityKind, Fleet, Host, SampleSpec, read, sample};

fn at() -> Timestamp {
    "2026-09-01T06:00:00Z".parse().unwrap()
}

fn make(hosts: u32, seed: u64) -> Fleet {
    sample(&SampleSpec { hosts, seed, ..SampleSpec::default() }, at())
}

#[test]
fn samples_of_any_size_are_valid() {
    for (hosts, seed) in [(0, 1), (1, 1), (1, 7), (2, 3), (17, 4), (60, 5), (250, 6)] {
        let fleet = make(hosts, seed);
        let bytes = serde_json::to_vec(&fleet).unwrap();
        let checked = read(&bytes).unwrap_or_else(|it| panic!("{hosts} {seed}: {it:#?}"));
        assert_eq!(checked.fleet, fleet, "{hosts} {seed}");
        assert_eq!(checked.warnings, [], "{hosts} {seed}");
        assert_eq!(fleet.hosts.len(), hosts as usize);
    }
}

/// A host carries its guests, and its cluster those of any one that fails: in sum, and the largest of them on each.
#[test]
fn hosts_of_a_sample_carry_their_guests_and_those_of_one_that_fails() {
    for (hosts, seed) in [(2, 1), (3, 7), (17, 4), (60, 5), (250, 6)] {
        let fleet = make(hosts, seed);
        let mut used: BTreeMap<&str, u64> = BTreeMap::new();
        for vm in &fleet.vms {
            *used.entry(vm.host.as_ref().unwrap().as_str()).or_default() += vm.memory_mib.unwrap();
        }
        let used_of = |id: &str| used.get(id).copied().unwrap_or(0);
        for cluster in &fleet.clusters {
            let own: Vec<_> =
                fleet.hosts.iter().filter(|it| it.cluster.as_ref() == Some(&cluster.id)).collect();
            let memory = |it: &Host| it.capacity.unwrap().memory_mib.unwrap();
            for failed in &own {
                let others = || own.iter().filter(|it| it.id != failed.id);
                assert!(memory(failed) >= used_of(failed.id.as_str()), "{}", failed.id);
                let free: u64 = others().map(|it| memory(it) - used_of(it.id.as_str())).sum();
                assert!(free >= used_of(failed.id.as_str()), "{hosts} {seed}: {}", failed.id);
            }
        }
        for rule in fleet.affinities.iter().filter(|it| it.kind == AffinityKind::OnHosts) {
            assert!(rule.hosts.len() >= 2, "{rule:?}");
        }
    }
}

/// FNV-1a: enough to notice that the bytes changed.
fn fingerprint(fleet: &Fleet) -> u64 {
    serde_json::to_vec(fleet)
        .unwrap()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_same_spec_gives_the_same_bytes() {
    assert_eq!(fingerprint(&make(9, 42)), fingerprint(&make(9, 42)));
    assert_ne!(fingerprint(&make(9, 42)), fingerprint(&make(9, 43)));
    assert_eq!(
        format!("{:016x}", fingerprint(&make(9, 42))),
        "cf3665dd9952269a",
        "the sample changed; say so in the change log"
    );
}

#[test]
fn a_large_sample_has_the_shape_it_promises() {
    let fleet = make(400, 1);
    let per_host = fleet.vms.len() as f64 / fleet.hosts.len() as f64;
    assert!((19.0..21.0).contains(&per_host), "{per_host}");
    assert!((36..=46).contains(&fleet.component_sets.len()), "{}", fleet.component_sets.len());
    let families: BTreeSet<&str> =
        fleet.hosts.iter().filter_map(|it| it.platform.as_ref()).map(|it| it.family.name()).collect();
    assert_eq!(families, BTreeSet::from(["almalinux", "debian", "esxi", "proxmox", "windows", "xcp-ng"]));
    let used: BTreeSet<&str> =
        fleet.hosts.iter().flat_map(|it| &it.component_sets).map(|it| it.as_str()).collect();
    assert!(used.len() > 30, "{}", used.len());
    let debian = &fleet.component_sets["debian-12-2025-08"];
    assert_eq!(debian.components.len(), 60);
    for count in [600, 620] {
        let rich = sample(&SampleSpec { hosts: 1, seed: 1, components_per_host: count }, at());
        for (id, set) in &rich.component_sets {
            let listed = ["debian-12", "proxmox-8", "almalinux-9"];
            if listed.iter().any(|prefix| id.as_str().starts_with(prefix)) {
                assert_eq!(set.components.len(), count as usize, "{id}");
                let names: BTreeSet<&str> = set.components.iter().map(|it| it.name.as_str()).collect();
                assert_eq!(names.len(), count as usize, "{id}: each package once");
            }
        }
    }
    let mut tenants: BTreeMap<&str, usize> = BTreeMap::new();
    for vm in &fleet.vms {
        *tenants.entry(vm.tenant.as_ref().unwrap().as_str()).or_default() += 1;
    }
    let (least, most) = (tenants.values().min().unwrap(), tenants.values().max().unwrap());
    assert!(most > &(least * 5), "{tenants:?}");
    assert!(fleet.applications.iter().any(|it| !it.depends_on.is_empty()));
    assert!(
        fleet.vms.iter().any(|it| !it.passthrough.is_empty()) && fleet.vms.iter().any(|it| it.vmm.is_none())
    );
    assert!(!fleet.witnesses.is_empty() && !fleet.affinities.is_empty());
    assert!(fleet.hosts.iter().any(|it| it.cpu.as_ref().is_some_and(|cpu| cpu.microcode.is_none())));
    assert!(fleet.hosts.iter().any(|it| it.settings.contains_key("slpd.enabled")));
}

#[test]
fn some_hosts_wait_for_a_reboot_and_some_guests_for_a_move() {
    let fleet = make(400, 1);
    let installed: BTreeMap<&str, BTreeSet<&str>> = fleet
        .hosts
        .iter()
        .map(|host| {
            let sets = host.component_sets.iter().filter_map(|id| fleet.component_sets.get(id));
            (host.id.as_str(), sets.flat_map(|it| &it.components).map(|it| it.version.as_str()).collect())
        })
        .collect();
    let pending = fleet.hosts.iter().filter(|host| {
        host.running.get("linux").is_some_and(|it| !installed[host.id.as_str()].contains(it.as_str()))
    });
    assert!(pending.count() > 10);
    let old = fleet.vms.iter().filter(|vm| {
        vm.vmm
            .as_ref()
            .is_some_and(|it| !installed[vm.host.as_ref().unwrap().as_str()].contains(it.version.as_str()))
    });
    assert!(old.count() > 100);
}

/// A guest's VMM goes by a name that its host's components have: a source name on Debian, a package elsewhere.
#[test]
fn emulators_are_named_as_on_their_hosts() {
    let fleet = make(150, 2);
    let hosts: BTreeMap<&str, _> = fleet.hosts.iter().map(|it| (it.id.as_str(), it)).collect();
    let mut families = BTreeSet::new();
    for vm in &fleet.vms {
        let Some(vmm) = &vm.vmm else { continue };
        let host = hosts[vm.host.as_ref().unwrap().as_str()];
        let set = &fleet.component_sets[&host.component_sets[0]];
        let found = set.components.iter().any(|it| {
            it.name == *vmm.component
                || it.source.as_ref().is_some_and(|source| source.name == *vmm.component)
        });
        assert!(found, "{} on {}", vmm.component, host.id);
        families.insert(host.platform.as_ref().unwrap().family.clone());
    }
    assert_eq!(
        families.into_iter().collect::<Vec<_>>(),
        [Family::Debian, Family::Proxmox, Family::AlmaLinux, Family::XcpNg]
    );
}
