//! Real releases of the platforms, by patch level, and the component sets made of them.

use std::collections::BTreeMap;

use super::super::{Component, ComponentKind, ComponentSet, Extra, SourcePackage};
use crate::facts::Family;
use crate::id::ComponentSetId;

/// Debian packages: name, source, architecture, two versions each with the source version where it differs.
const DEBIAN: &str = include_str!("debian.tsv");
/// AlmaLinux packages: name and four versions.
const ALMALINUX: &str = include_str!("almalinux.tsv");

/// One patch level of a platform: what a host that was last patched then has installed.
#[derive(Debug)]
pub(super) struct Level {
    /// Id of its component set; unique.
    pub(super) set: &'static str,
    /// Version of the emulator or hypervisor.
    pub(super) vmm: &'static str,
    /// Version of the kernel package; empty where it is not known or there is none.
    pub(super) kernel: &'static str,
    /// The release as the platform prints it.
    pub(super) release: &'static str,
    /// Other components of the hypervisor with their versions; the meaning is the platform's.
    other: &'static [&'static str],
}

/// A platform with its patch levels, oldest first.
#[derive(Debug)]
pub(super) struct Platform {
    /// Part of cluster and host names.
    pub(super) slug: &'static str,
    pub(super) train: &'static str,
    pub(super) family: fn() -> Family,
    /// Component that guests run on, as it is called on the host.
    pub(super) vmm: &'static str,
    /// Share of the clusters.
    pub(super) weight: u32,
    pub(super) levels: &'static [Level],
}

const fn level(
    set: &'static str,
    vmm: &'static str,
    kernel: &'static str,
    release: &'static str,
    other: &'static [&'static str],
) -> Level {
    Level { set, vmm, kernel, release, other }
}

/// The platforms of a sample. No source that is read names a release of XCP-ng 8.2: its hosts have Xen versions of the
/// changelog that led to 8.3, from days on which 8.2 was current. No feed covers 8.2, so their software is `unknown: no
/// source` in every report - as it would be on real hosts. Debian: qemu, linux, then libvirt, edk2. Proxmox: pve-qemu-kvm, kernel, then pve-manager,
/// qemu-server. XCP-ng: xen, kernel. AlmaLinux: qemu-kvm, kernel, then libvirt, edk2-ovmf. ESXi: version-build.
/// Windows: update.
pub(super) const PLATFORMS: &[Platform] = &[
    Platform {
        slug: "kvm",
        train: "bookworm",
        family: || Family::Debian,
        vmm: "qemu",
        weight: 22,
        levels: &[
            level("debian-12-2024-02", "1:7.2+dfsg-7+deb12u5", "6.1.76-1", "12.5", &["9.0.0-4", "2022.11-6"]),
            level(
                "debian-12-2024-11",
                "1:7.2+dfsg-7+deb12u8",
                "6.1.115-1",
                "12.8",
                &["9.0.0-4+deb12u2", "2022.11-6+deb12u1"],
            ),
            level(
                "debian-12-2025-05",
                "1:7.2+dfsg-7+deb12u13",
                "6.1.137-1",
                "12.11",
                &["9.0.0-4+deb12u2", "2022.11-6+deb12u2"],
            ),
            level(
                "debian-12-2025-08",
                "1:7.2+dfsg-7+deb12u15",
                "6.1.148-1",
                "12.11",
                &["9.0.0-4+deb12u2", "2022.11-6+deb12u2"],
            ),
            level(
                "debian-12-2025-09",
                "1:7.2+dfsg-7+deb12u17",
                "6.1.153-1",
                "12.12",
                &["9.0.0-4+deb12u2", "2022.11-6+deb12u2"],
            ),
            level(
                "debian-12-2026-02",
                "1:7.2+dfsg-7+deb12u18",
                "6.1.162-1",
                "12.13",
                &["9.0.0-4+deb12u2", "2022.11-6+deb12u2"],
            ),
        ],
    },
    Platform {
        slug: "pve",
        train: "8",
        family: || Family::Proxmox,
        vmm: "pve-qemu-kvm",
        weight: 18,
        levels: &[
            level("proxmox-8-2024-03", "8.1.5-4", "6.5.13-3", "8.1.5", &["8.1.5", "8.0.10"]),
            level("proxmox-8-2024-06", "8.2.2-1", "6.8.4-3", "8.2.3", &["8.2.3", "8.2.1"]),
            level("proxmox-8-2024-09", "9.0.2-3", "6.8.12-2", "8.2.7", &["8.2.7", "8.2.4"]),
            level("proxmox-8-2024-11", "9.0.2-4", "6.8.12-3", "8.3.0", &["8.3.0", "8.3.0"]),
            level("proxmox-8-2025-03", "9.2.0-2", "6.11.11-2", "8.3.5", &["8.3.5", "8.3.8"]),
            level("proxmox-8-2025-04", "9.2.0-5", "6.11.11-2", "8.4.1", &["8.4.1", "8.3.12"]),
        ],
    },
    Platform {
        slug: "xcp83",
        train: "8.3",
        family: || Family::XcpNg,
        vmm: "xen",
        weight: 9,
        levels: &[
            level("xcp-ng-8.3-2024-11", "4.17.5-4", "4.19.19-8.0.37.1", "8.3.0", &[]),
            level("xcp-ng-8.3-2025-05", "4.17.5-13.1", "4.19.19-8.0.38.2", "8.3.0", &[]),
            level("xcp-ng-8.3-2025-08", "4.17.5-15.3", "4.19.19-8.0.38.4", "8.3.0", &[]),
            level("xcp-ng-8.3-2026-01", "4.17.6-2.1", "4.19.19-8.0.38.4", "8.3.0", &[]),
        ],
    },
    Platform {
        slug: "xcp82",
        train: "8.2",
        family: || Family::XcpNg,
        vmm: "xen",
        weight: 4,
        levels: &[
            level("xcp-ng-8.2-2022-12", "4.13.4-10.36", "", "8.2.1", &[]),
            level("xcp-ng-8.2-2023-11", "4.13.5-10.57", "", "8.2.1", &[]),
            level("xcp-ng-8.2-2024-01", "4.13.5-10.60", "", "8.2.1", &[]),
        ],
    },
    Platform {
        slug: "esx70",
        train: "7.0U3",
        family: || Family::Esxi,
        vmm: "ESXi",
        weight: 6,
        levels: &[
            level("esxi-7.0U3-20842708", "7.0.3-20842708", "", "VMware ESXi 7.0.3 build-20842708", &[]),
            level("esxi-7.0U3-22348816", "7.0.3-22348816", "", "VMware ESXi 7.0.3 build-22348816", &[]),
            level("esxi-7.0U3-24411414", "7.0.3-24411414", "", "VMware ESXi 7.0.3 build-24411414", &[]),
            level("esxi-7.0U3-24585291", "7.0.3-24585291", "", "VMware ESXi 7.0.3 build-24585291", &[]),
        ],
    },
    Platform {
        slug: "esx80u2",
        train: "8.0U2",
        family: || Family::Esxi,
        vmm: "ESXi",
        weight: 7,
        levels: &[
            level("esxi-8.0U2-22380479", "8.0.2-22380479", "", "VMware ESXi 8.0.2 build-22380479", &[]),
            level("esxi-8.0U2-23305546", "8.0.2-23305546", "", "VMware ESXi 8.0.2 build-23305546", &[]),
            level("esxi-8.0U2-24585300", "8.0.2-24585300", "", "VMware ESXi 8.0.2 build-24585300", &[]),
        ],
    },
    Platform {
        slug: "esx80u3",
        train: "8.0U3",
        family: || Family::Esxi,
        vmm: "ESXi",
        weight: 12,
        levels: &[
            level("esxi-8.0U3-24022510", "8.0.3-24022510", "", "VMware ESXi 8.0.3 build-24022510", &[]),
            level("esxi-8.0U3-24280767", "8.0.3-24280767", "", "VMware ESXi 8.0.3 build-24280767", &[]),
            level("esxi-8.0U3-24585383", "8.0.3-24585383", "", "VMware ESXi 8.0.3 build-24585383", &[]),
            level("esxi-8.0U3-24674464", "8.0.3-24674464", "", "VMware ESXi 8.0.3 build-24674464", &[]),
        ],
    },
    Platform {
        slug: "alma",
        train: "9",
        family: || Family::AlmaLinux,
        vmm: "qemu-kvm",
        weight: 14,
        levels: &[
            level(
                "almalinux-9-2023-06",
                "17:7.2.0-14.el9_2",
                "5.14.0-284.18.1.el9_2",
                "9.2",
                &["9.0.0-10.2.el9_2", "20221207gitfff6d81270b5-9.el9_2"],
            ),
            level(
                "almalinux-9-2024-06",
                "17:8.2.0-11.el9_4",
                "5.14.0-427.20.1.el9_4",
                "9.4",
                &["10.0.0-6.2.el9_4.alma.1", "20231122-6.el9"],
            ),
            level(
                "almalinux-9-2025-07",
                "17:9.0.0-10.el9_5",
                "5.14.0-570.26.1.el9_6",
                "9.6",
                &["10.5.0-7.el9_5.alma.1", "20240524-6.el9_5.3"],
            ),
            level(
                "almalinux-9-2026-08",
                "17:10.1.0-17.el9_8.4.alma.1",
                "5.14.0-687.33.1.el9_8",
                "9.8",
                &["11.10.0-12.el9_8.alma.1", "20241117-4.el9_7.3"],
            ),
        ],
    },
    Platform {
        slug: "hv",
        train: "2022",
        family: || Family::Windows,
        vmm: "Windows Server 2022",
        weight: 8,
        levels: &[
            level("windows-2022-2024-05", "KB5037782", "", "10.0.20348", &[]),
            level("windows-2022-2025-03", "KB5053603", "", "10.0.20348", &[]),
            level("windows-2022-2025-10", "KB5066782", "", "10.0.20348", &[]),
            level("windows-2022-2026-06", "KB5094128", "", "10.0.20348", &[]),
        ],
    },
];

/// Sets inside guests and images: id, family, train, patch level of the package table.
pub(super) const GUESTS: &[(&str, &str, usize)] = &[
    ("guest-debian-12-base", "debian", 0),
    ("guest-debian-12-updated", "debian", 1),
    ("guest-almalinux-9-2024-06", "almalinux", 1),
    ("guest-almalinux-9-2026-08", "almalinux", 3),
];

/// Packages that a guest set lists.
const GUEST_PACKAGES: usize = 40;

/// All component sets, with up to `count` components for a host whose package manager lists so many.
pub(super) fn sets(count: usize) -> BTreeMap<ComponentSetId, ComponentSet> {
    let hosts = PLATFORMS.iter().flat_map(|platform| {
        platform
            .levels
            .iter()
            .enumerate()
            .map(move |(at, level)| (level.set, host_set(platform, at, level, count)))
    });
    let guests = GUESTS.iter().map(|(id, family, level)| {
        let components = if *family == "debian" {
            debian(*level, GUEST_PACKAGES)
        } else {
            almalinux(*level, GUEST_PACKAGES)
        };
        let train = if *family == "debian" { "bookworm" } else { "9" };
        (*id, set(Family::from_name(family), train, components))
    });
    hosts.chain(guests).filter_map(|(id, set)| Some((ComponentSetId::new(id).ok()?, set))).collect()
}

fn set(family: Family, train: &str, components: Vec<Component>) -> ComponentSet {
    ComponentSet { family: Some(family), train: Some(train.to_owned()), components, extra: Extra::new() }
}

fn host_set(platform: &Platform, at: usize, level: &Level, count: usize) -> ComponentSet {
    let other = |index: usize| level.other.get(index).copied().unwrap_or_default();
    let mut components = match platform.slug {
        "kvm" => debian_hypervisor(level),
        "pve" => vec![
            package("pve-qemu-kvm", level.vmm, "amd64", "pve-qemu-kvm"),
            package("pve-manager", other(0), "all", "pve-manager"),
            package("qemu-server", other(1), "amd64", "qemu-server"),
            proxmox_kernel(level.kernel),
        ],
        "alma" => almalinux_hypervisor(level),
        "xcp83" | "xcp82" => ["xen-hypervisor", "xen-dom0-libs", "xen-dom0-tools", "xen-libs", "xen-tools"]
            .iter()
            .map(|name| rpm(name, level.vmm, "x86_64", "xen"))
            .chain((!level.kernel.is_empty()).then(|| rpm("kernel", level.kernel, "x86_64", "kernel")))
            .collect(),
        "hv" => vec![
            Component::new(platform.vmm, level.release, ComponentKind::Product),
            Component::new(level.vmm, level.vmm, ComponentKind::Update),
        ],
        _ => vec![Component::new(platform.vmm, level.vmm, ComponentKind::Product)],
    };
    let room = count.saturating_sub(components.len());
    match platform.slug {
        // The newest half of the levels has the newest packages, the rest those of the point release.
        "kvm" => components.extend(debian(usize::from(at * 2 >= platform.levels.len()), room)),
        // Debian packages on Proxmox are Debian's, with Debian's trains and advisories.
        "pve" => {
            components.extend(debian(usize::from(at * 2 >= platform.levels.len()), room).into_iter().map(
                |it| Component { family: Some(Family::Debian), train: Some("bookworm".to_owned()), ..it },
            ));
        }
        "alma" => components.extend(almalinux(at, room)),
        _ => {}
    }
    set((platform.family)(), platform.train, components)
}

fn debian_hypervisor(level: &Level) -> Vec<Component> {
    let other = |index: usize| level.other.get(index).copied().unwrap_or_default();
    let qemu =
        ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "qemu-utils", "qemu-block-extra"];
    let libvirt = [
        "libvirt-daemon",
        "libvirt-daemon-system",
        "libvirt-daemon-driver-qemu",
        "libvirt-clients",
        "libvirt0",
    ];
    let mut components: Vec<Component> = Vec::new();
    components.extend(qemu.iter().map(|it| package(it, level.vmm, "amd64", "qemu")));
    components.extend(libvirt.iter().map(|it| package(it, other(0), "amd64", "libvirt")));
    components.push(package("ovmf", other(1), "all", "edk2"));
    components.push(package("openvswitch-switch", "3.1.0-2+deb12u1", "amd64", "openvswitch"));
    // Signed kernels are built again from a source of their own; advisories speak of the one that they repeat.
    if let Some(abi) = debian_abi(level.kernel) {
        components.push(package(&format!("linux-image-6.1.0-{abi}-amd64"), level.kernel, "amd64", "linux"));
    }
    components.push(package("linux-image-amd64", level.kernel, "amd64", "linux"));
    components
}

/// The ABI number that Debian gave a kernel; it is part of the package's name and of what `uname -r` prints.
pub(super) fn debian_abi(version: &str) -> Option<u32> {
    let known = [
        ("6.1.76-1", 18),
        ("6.1.115-1", 27),
        ("6.1.137-1", 35),
        ("6.1.148-1", 39),
        ("6.1.153-1", 40),
        ("6.1.162-1", 43),
    ];
    known.iter().find(|(kernel, _)| *kernel == version).map(|(_, abi)| *abi)
}

/// The kernel's own version is part of the package's name: `proxmox-kernel-6.8.12-2-pve-signed`.
fn proxmox_kernel(version: &str) -> Component {
    let series = version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    package(
        &format!("proxmox-kernel-{version}-pve-signed"),
        version,
        "amd64",
        &format!("proxmox-kernel-{series}"),
    )
}

fn almalinux_hypervisor(level: &Level) -> Vec<Component> {
    let other = |index: usize| level.other.get(index).copied().unwrap_or_default();
    let mut components: Vec<Component> =
        ["qemu-kvm", "qemu-kvm-core", "qemu-kvm-common", "qemu-kvm-block-rbd", "qemu-kvm-tools"]
            .iter()
            .map(|it| rpm(it, level.vmm, "x86_64", "qemu-kvm"))
            .collect();
    let libvirt =
        ["libvirt", "libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-daemon-kvm", "libvirt-libs"];
    components.extend(libvirt.iter().map(|it| rpm(it, other(0), "x86_64", "libvirt")));
    components.push(rpm("edk2-ovmf", other(1), "noarch", "edk2"));
    let kernel = ["kernel", "kernel-core", "kernel-modules", "kernel-modules-core"];
    components.extend(kernel.iter().map(|it| rpm(it, level.kernel, "x86_64", "kernel")));
    components
}

fn package(name: &str, version: &str, arch: &str, source: &str) -> Component {
    let mut component = Component::new(name, version, ComponentKind::Package);
    component.arch = Some(arch.to_owned());
    component.source = Some(SourcePackage { name: source.to_owned(), version: None });
    component
}

/// An RPM names its source package with its version, though without the epoch.
fn rpm(name: &str, version: &str, arch: &str, source: &str) -> Component {
    let mut component = package(name, version, arch, source);
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    component.source = Some(SourcePackage { name: source.to_owned(), version: Some(version.to_owned()) });
    component
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|it| !it.starts_with('#')).map(|it| it.split('\t').collect())
}

/// Debian's packages: level 0 of the point release, any other the newest.
fn debian(level: usize, count: usize) -> Vec<Component> {
    rows(DEBIAN)
        .filter_map(|row| {
            let [name, source, arch, base, base_source, newest, newest_source] = row.as_slice() else {
                return None;
            };
            let (version, source_version) =
                if level == 0 { (base, base_source) } else { (newest, newest_source) };
            let mut component = package(name, version, arch, source);
            if let Some(source) = component.source.as_mut().filter(|_| !source_version.is_empty()) {
                source.version = Some((*source_version).to_owned());
            }
            Some(component)
        })
        .take(count)
        .collect()
}

/// AlmaLinux's packages at one of the four levels of the table.
fn almalinux(level: usize, count: usize) -> Vec<Component> {
    rows(ALMALINUX)
        .filter_map(|row| {
            let (name, versions) = row.split_first()?;
            let mut component = Component::new(*name, *versions.get(level)?, ComponentKind::Package);
            component.arch = Some("x86_64".to_owned());
            Some(component)
        })
        .take(count)
        .collect()
}
