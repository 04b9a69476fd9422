//! What a patch is: its class, the area of the platform that it changes, and what must be restarted for it.

use underpin_model::facts::{Family, PatchClass, Restart};
use underpin_model::fleet::ComponentKind;
use underpin_model::id::VulnerabilityId;

use crate::report::Area;

/// Whether [`area`] can call a package a kernel: a quick no for most.
pub(crate) fn may_be_kernel(name: &str, source: &str) -> bool {
    source == "linux" || KERNELS.iter().any(|it| name.starts_with(it) || source.starts_with(it))
}

/// What names of kernels, or of their sources, begin with.
const KERNELS: [&str; 5] = ["linux-image", "linux-signed", "kernel", "pve-kernel", "proxmox-kernel"];

/// Whether a package brings code that can run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carries {
    /// It does.
    Code,
    /// It only depends on the package that does.
    Metapackage,
    /// Documentation, headers, debug symbols, source.
    NoRunningCode,
}

/// Name prefixes of source or binary packages and the area that they belong to; the first match counts.
const AREAS: &[(&str, Area)] = &[
    ("xenserver-", Area::Management),
    ("xen-guest", Area::GuestTools),
    ("xe-guest", Area::GuestTools),
    ("xen-hypervisor", Area::VmmCore),
    ("pve-qemu", Area::DeviceEmulation),
    ("pve-edk2", Area::Firmware),
    ("pve-kernel", Area::Kernel),
    ("proxmox-kernel", Area::Kernel),
    ("pve-", Area::Management),
    ("proxmox-", Area::Management),
    ("qemu-server", Area::Management),
    ("qemu-guest-agent", Area::GuestTools),
    ("qemu", Area::DeviceEmulation),
    ("seabios", Area::Firmware),
    ("seavgabios", Area::Firmware),
    ("edk2", Area::Firmware),
    ("ovmf", Area::Firmware),
    ("aavmf", Area::Firmware),
    ("ipxe", Area::Firmware),
    ("swtpm", Area::DeviceEmulation),
    ("libtpms", Area::DeviceEmulation),
    ("vhostmd", Area::Management),
    ("virt-", Area::Management),
    ("cockpit-machines", Area::Management),
    ("virtiofsd", Area::DeviceEmulation),
    ("virtio-win", Area::GuestTools),
    ("libslirp", Area::DeviceEmulation),
    ("virglrenderer", Area::DeviceEmulation),
    ("libspice-server", Area::DeviceEmulation),
    ("spice-server", Area::DeviceEmulation),
    ("libvirt", Area::Management),
    ("xapi", Area::Management),
    ("xcp-", Area::Management),
    ("openvswitch", Area::Network),
    ("ovn", Area::Network),
    ("intel-microcode", Area::Firmware),
    ("amd64-microcode", Area::Firmware),
    ("microcode_ctl", Area::Firmware),
    ("linux-firmware", Area::Firmware),
    ("open-vm-tools", Area::GuestTools),
    ("hyperv-daemons", Area::GuestTools),
    ("linux-image", Area::Kernel),
    ("linux-signed", Area::Kernel),
    // Built with the kernel, and not it.
    ("kernel-headers", Area::Other),
    ("kernel-tools", Area::Other),
    ("kernel-devel", Area::Other),
    ("kernel-doc", Area::Other),
    ("kernel-abi-stablelists", Area::Other),
    ("kernel-srpm-macros", Area::Other),
    ("kernel", Area::Kernel),
];

/// The area of a component, from its family, kind and names.
#[must_use]
pub fn area(family: &Family, kind: ComponentKind, name: &str, source: &str) -> Area {
    match (kind, family) {
        (ComponentKind::Microcode | ComponentKind::Firmware, _) => return Area::Firmware,
        (ComponentKind::Product, Family::Vcenter) => return Area::Management,
        (ComponentKind::Product, Family::Esxi | Family::Windows | Family::Xen | Family::XenServer) => {
            return Area::VmmCore;
        }
        _ => {}
    }
    if name == "xen" {
        return Area::VmmCore;
    }
    if source == "linux" {
        // The source also builds tools, headers and documentation; only the images are the kernel.
        return if name.starts_with("linux-image") || name == "linux" { Area::Kernel } else { Area::Other };
    }
    // The source xen builds the hypervisor and the tools that manage it.
    if source == "xen" && !name.starts_with("xen-hypervisor") {
        return Area::Management;
    }
    let find = |text: &str| AREAS.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, area)| *area);
    find(name).or_else(|| find(source)).unwrap_or(Area::Other)
}

/// Whether a package brings code that can run here. Metapackages and headers share a source with the code and would
/// otherwise be reported beside it, with versions of their own (`linux-image-amd64`).
#[must_use]
pub fn carries(kind: ComponentKind, name: &str, source: &str) -> Carries {
    if kind != ComponentKind::Package {
        return Carries::Code;
    }
    let kernel_image = ["linux-image-", "proxmox-kernel-", "pve-kernel-", "proxmox-default-kernel"];
    if let Some(rest) = kernel_image.iter().find_map(|prefix| name.strip_prefix(prefix))
        && (source == "linux"
            || source.starts_with("linux-")
            || source.starts_with("proxmox-")
            || source == name)
    {
        // An image has its ABI in its name (`6.1.0-56-amd64`, `6.8.12-4-pve`); the metapackage has at most a series.
        let abi =
            rest.chars().filter(|c| *c == '-').count() >= 1 && rest.starts_with(|c: char| c.is_ascii_digit());
        return if abi { Carries::Code } else { Carries::Metapackage };
    }
    let suffixes = [
        "-doc",
        "-docs",
        "-dbg",
        "-dbgsym",
        "-debuginfo",
        "-debugsource",
        "-headers",
        "-source",
        "-dev",
        "-devel",
        "-devel-matched",
        "-abi-stablelists",
    ];
    let build_only =
        ["linux-headers-", "linux-kbuild-", "linux-compiler-", "linux-source-", "linux-libc-dev"];
    if build_only.iter().any(|prefix| name.starts_with(prefix))
        || suffixes.iter().any(|suffix| name.ends_with(suffix))
    {
        return Carries::NoRunningCode;
    }
    Carries::Code
}

/// The class of a patch from what it says: a vulnerability makes it a security patch; else its title's words.
/// Used where the issuer's id does not tell (and measured against issuers whose ids do).
#[must_use]
pub fn class(vulnerabilities: &[VulnerabilityId], title: Option<&str>) -> PatchClass {
    if vulnerabilities.iter().any(|id| id.as_str().starts_with("CVE-") || id.as_str().starts_with("XSA-")) {
        return PatchClass::Security;
    }
    let title = title.unwrap_or_default().to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| title.contains(word));
    // RPM distributions give a severity to security advisories only: `Important: kernel update`.
    let rated = title
        .split_once(':')
        .is_some_and(|(first, _)| matches!(first.trim(), "low" | "moderate" | "important" | "critical"));
    if rated || has(&["security", "vulnerabilit"]) {
        PatchClass::Security
    } else if has(&["new hardware", "hardware enablement"]) {
        PatchClass::HardwareEnablement
    } else if has(&["bug fix", "bugfix", "fixes"]) {
        // `bug fix and enhancement` is first of all a repair.
        PatchClass::BugFix
    } else if has(&["enhancement", "new package", "new module", "module matrix", "feature"]) {
        PatchClass::Feature
    } else {
        PatchClass::BugFix
    }
}

/// What must be restarted for a fix in an area, where the advisory does not say more.
#[must_use]
pub fn restart(area: Area, advised: Restart) -> Restart {
    let usual = match area {
        Area::VmmCore | Area::Kernel | Area::Firmware => Restart::Machine,
        Area::DeviceEmulation | Area::Management | Area::Network => Restart::Service,
        Area::GuestTools | Area::Other => Restart::None,
    };
    match advised {
        Restart::Unknown => usual,
        told => told.max(usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_area_of_kernels_may_be_one() {
        let kernels = AREAS.iter().filter(|it| it.1 == Area::Kernel);
        for (prefix, _) in kernels {
            assert!(may_be_kernel(prefix, "x") && may_be_kernel("x", prefix), "{prefix}");
        }
        assert!(may_be_kernel("x", "linux") && !may_be_kernel("qemu-server", "qemu-server"));
    }

    #[test]
    fn packages_have_areas() {
        let of = |name, source| area(&Family::Debian, ComponentKind::Package, name, source);
        assert_eq!(of("qemu-system-x86", "qemu"), Area::DeviceEmulation);
        assert_eq!(of("qemu-guest-agent", "qemu"), Area::GuestTools);
        assert_eq!(of("libvirt-daemon", "libvirt"), Area::Management);
        assert_eq!(of("xen-hypervisor-4.17-amd64", "xen"), Area::VmmCore);
        assert_eq!(of("libxenstore4", "xen"), Area::Management);
        assert_eq!(of("linux-image-6.1.0-56-amd64", "linux"), Area::Kernel);
        assert_eq!(of("linux-libc-dev", "linux"), Area::Other);
        assert_eq!(of("bash", "bash"), Area::Other);
        let product = |family| area(&family, ComponentKind::Product, "p", "p");
        assert_eq!(product(Family::Esxi), Area::VmmCore);
        assert_eq!(product(Family::Vcenter), Area::Management);
    }

    #[test]
    fn metapackages_carry_no_code() {
        let of = |name, source| carries(ComponentKind::Package, name, source);
        assert_eq!(of("linux-image-amd64", "linux"), Carries::Metapackage);
        assert_eq!(of("linux-image-cloud-amd64", "linux"), Carries::Metapackage);
        assert_eq!(of("linux-image-6.1.0-56-amd64", "linux"), Carries::Code);
        assert_eq!(of("proxmox-kernel-6.8", "proxmox-kernel-6.8"), Carries::Metapackage);
        assert_eq!(of("proxmox-kernel-6.8.12-4-pve", "proxmox-kernel-6.8"), Carries::Code);
        assert_eq!(of("linux-headers-6.1.0-56-amd64", "linux"), Carries::NoRunningCode);
        assert_eq!(of("linux-libc-dev", "linux"), Carries::NoRunningCode);
        assert_eq!(of("libxen-dev", "xen"), Carries::NoRunningCode);
        assert_eq!(of("qemu-system-x86", "qemu"), Carries::Code);
        // On RPM distributions `kernel` and `qemu-kvm` are said to only pull in `kernel-core` and `qemu-kvm-core`. They
        // are judged all the same: ALSA-2025:21926 names CVE-2025-39843 for `kernel` and not for `kernel-core`, so
        // to pass over the one would hide it.
        assert_eq!(of("kernel", "kernel"), Carries::Code);
        assert_eq!(of("qemu-kvm", "qemu-kvm"), Carries::Code);
    }

    #[test]
    fn an_advisory_can_ask_for_more_than_usual_never_less() {
        assert_eq!(restart(Area::Management, Restart::Machine), Restart::Machine);
        assert_eq!(restart(Area::Kernel, Restart::None), Restart::Machine);
        assert_eq!(restart(Area::Other, Restart::Unknown), Restart::None);
    }
}
