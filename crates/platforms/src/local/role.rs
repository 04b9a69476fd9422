//! What the machine is to virtualization, from evidence; without evidence the role is unknown.

use underpin_model::fleet::{Cpu, VirtualizationRole};

use super::hardware::Machine;
use super::packages::Packages;
use super::probe::Probe;

/// Parts of DMI texts that only virtual machines carry.
const VIRTUAL: &[&str] = &[
    "QEMU",
    "KVM",
    "VMware",
    "VirtualBox",
    "innotek",
    "Virtual Machine",
    "HVM domU",
    "Xen",
    "Bochs",
    "OpenStack",
    "Google Compute Engine",
    "Parallels",
    "bhyve",
    "Standard PC",
    "Firecracker",
    "RHEV",
    "oVirt",
];

/// Packages that are there to run guests.
const VMM_PACKAGES: &[&str] = &[
    "pve-manager",
    "pve-qemu-kvm",
    "qemu-system-x86",
    "qemu-kvm",
    "qemu-kvm-core",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "xen-hypervisor",
];

/// Weighs the evidence.
pub(super) fn role(
    probe: &mut Probe<'_>,
    cpu: &Cpu,
    machine: &Machine,
    packages: &Packages,
    guests: usize,
) -> Option<VirtualizationRole> {
    let control_domain = probe.line("/proc/xen/capabilities").is_some_and(|text| text.contains("control_d"));
    if control_domain {
        // A control domain sees the hypervisor below it: the flag says nothing about a further one.
        return Some(VirtualizationRole::Host);
    }
    let is_guest = is_guest(cpu, machine);
    let carries = carries(probe, packages, guests);
    let role = match (is_guest, carries) {
        (Some(false), Some(true)) => Some(VirtualizationRole::Host),
        (Some(true), Some(true)) => Some(VirtualizationRole::NestedHost),
        (Some(true), Some(false)) => Some(VirtualizationRole::Guest),
        (Some(false), Some(false)) => Some(VirtualizationRole::BareMetal),
        _ => None,
    };
    if role.is_none() {
        let missing = if is_guest.is_none() { "whether it is a guest" } else { "whether it runs guests" };
        probe.note("virtualization role", format!("no evidence tells {missing}"));
    }
    role
}

fn is_guest(cpu: &Cpu, machine: &Machine) -> Option<bool> {
    let texts = [machine.vendor.as_deref(), machine.product.as_deref()];
    let virtual_machine = texts.iter().flatten().any(|text| VIRTUAL.iter().any(|part| text.contains(part)));
    if virtual_machine || cpu.features.iter().any(|flag| flag == "hypervisor") {
        return Some(true);
    }
    // Only x86 has the flag, so only there its absence means something.
    let x86 = matches!(cpu.vendor.as_deref(), Some("GenuineIntel" | "AuthenticAMD" | "HygonGenuine"));
    (x86 && !cpu.features.is_empty()).then_some(false)
}

fn carries(probe: &Probe<'_>, packages: &Packages, guests: usize) -> Option<bool> {
    if guests > 0 {
        return Some(true);
    }
    let modules = probe.root.has("/sys/module");
    let kvm = probe.root.has("/dev/kvm")
        || ["kvm_intel", "kvm_amd"].iter().any(|m| probe.root.has(&format!("/sys/module/{m}")));
    if !kvm {
        return modules.then_some(false);
    }
    packages.manager?;
    Some(VMM_PACKAGES.iter().any(|name| packages.installed(name).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_known_by_flag_or_firmware() {
        let cpu = |flags: &[&str]| Cpu {
            vendor: Some("GenuineIntel".into()),
            features: flags.iter().map(|f| (*f).to_owned()).collect(),
            ..Cpu::default()
        };
        let machine = |product: &str| Machine { product: Some(product.into()), ..Machine::default() };
        assert_eq!(is_guest(&cpu(&["vmx"]), &machine("PowerEdge R740")), Some(false));
        assert_eq!(is_guest(&cpu(&["vmx", "hypervisor"]), &Machine::default()), Some(true));
        assert_eq!(is_guest(&Cpu::default(), &machine("VMware Virtual Platform")), Some(true));
        assert_eq!(is_guest(&Cpu::default(), &machine("PowerEdge R740")), None);
    }
}
