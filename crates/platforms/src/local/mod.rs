//! The machine that the collector runs on.
//!
//! Nothing is changed: files are read, and of the commands only queries are asked (`rpm -qa`, `virsh -r`). What cannot
//! be read is a [`crate::Note`]. Values that only hold for what runs *now* are kept apart from what is installed.

mod dpkg;
mod hardware;
mod libvirt;
mod listeners;
mod os;
mod packages;
mod probe;
mod processes;
mod role;
mod root;
mod rpm;
mod running;

use std::collections::BTreeMap;

use jiff::Timestamp;
use underpin_model::facts::Family;
use underpin_model::fleet::{
    Capacity, Component, ComponentKind, ComponentSet, Cpu, Extra, Fleet, Host, Seen, VirtualizationRole,
};
use underpin_model::id::HostId;

pub use root::{COMMAND_TIMEOUT, CommandError, Commands, Root, SystemCommands};

use crate::Collected;
use packages::Packages;
use probe::Probe;

/// Why nothing could be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Neither processes nor packages nor the operating system's name can be read.
    #[error(
        "{0}: no /proc, no os-release and no package database can be read; expected the root of a Linux machine"
    )]
    NotAMachine(String),
}

/// Collects one host with its guests.
///
/// `at` is when it is seen and `by` names the collector in the provenance.
///
/// # Errors
/// [`CollectError::NotAMachine`] if the root holds none of the sources. A single source that is missing is a note.
pub fn collect(root: &Root, at: Timestamp, by: &str) -> Result<Collected, CollectError> {
    let mut probe = Probe::new(root);
    let os = os::read(&mut probe);
    let packages = packages::read(&mut probe, &os);
    if packages.manager.is_none() && os.family.is_none() && !root.has("/proc/version") {
        return Err(CollectError::NotAMachine(root.path().display().to_string()));
    }
    let name = hostname(&mut probe);
    let id = HostId::new(name.as_str()).or_else(|_| HostId::new("localhost"));
    let Ok(id) = id else { return Err(CollectError::NotAMachine(name)) };
    let mut host = Host::new(id.clone());
    host.platform = os::platform(&os, &packages);
    host.kernel_release = probe.line("/proc/sys/kernel/osrelease");
    host.boot_id = probe.line("/proc/sys/kernel/random/boot_id");
    host.booted_at = booted_at(&mut probe);
    let machine = hardware::machine(&mut probe);
    let cpu = hardware::cpu(&mut probe);
    host.settings = hardware::settings(&mut probe);
    host.capacity = memory(&mut probe);

    let processes = processes::read(&mut probe, host.booted_at).unwrap_or_default();
    let owners = processes::socket_owners(&mut probe, &processes);
    host.listeners = listeners::read(&mut probe, &owners);
    host.management_interfaces = listeners::management(&host.listeners);

    let mut vms = libvirt::read(&mut probe, &id);
    let mut running = BTreeMap::new();
    let release = host.kernel_release.as_deref();
    running::kernel(&mut probe, &packages, release, host.booted_at, &mut running);
    running::xen(&mut probe, &packages, host.booted_at, &mut running);
    running::libvirtd(&mut probe, &packages, &processes, &mut running);
    running::qemu(&mut probe, &packages, &processes, &id, &mut vms, &mut running);
    host.running = running;
    host.role = role::role(&mut probe, &cpu, &machine, &packages, vms.len());

    let foreign = running::foreign_qemu(&mut probe, &packages);
    host.components = Some(components(&mut probe, os, packages, foreign, &cpu, host.role));
    host.cpu = Some(cpu);
    (host.vendor, host.model, host.firmware) = (machine.vendor, machine.product, machine.firmware);

    let mut fleet = Fleet::new(name, Seen { at, by: by.to_owned() });
    fleet.hosts.push(host);
    fleet.vms = vms;
    Ok(Collected { fleet, notes: probe.notes })
}

fn hostname(probe: &mut Probe<'_>) -> String {
    let name = probe.line("/proc/sys/kernel/hostname").filter(|name| name != "(none)");
    name.or_else(|| probe.line("/etc/hostname")).unwrap_or_else(|| {
        probe.note("/proc/sys/kernel/hostname", "not readable: the host is called localhost");
        "localhost".to_owned()
    })
}

fn booted_at(probe: &mut Probe<'_>) -> Option<Timestamp> {
    let text = probe.required("/proc/stat")?;
    let second = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())?;
    Timestamp::from_second(second).ok()
}

/// Installed memory and huge pages. How much of it guests may have is a matter of policy and not known here.
fn memory(probe: &mut Probe<'_>) -> Option<Capacity> {
    let text = probe.required("/proc/meminfo")?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let hugepages = field("HugePages_Total").zip(field("Hugepagesize"));
    let hugepages_kib = hugepages.and_then(|(pages, kib)| pages.checked_mul(kib));
    Some(Capacity {
        // All that is installed has the huge pages in it; what is counted beside them has not.
        memory_mib: field("MemTotal").map(|kib| kib.saturating_sub(hugepages_kib.unwrap_or(0)) / 1024),
        hugepages_mib: hugepages_kib.map(|kib| kib / 1024),
        ..Capacity::default()
    })
}

fn components(
    probe: &mut Probe<'_>,
    os: os::OperatingSystem,
    packages: Packages,
    foreign: Option<Component>,
    cpu: &Cpu,
    role: Option<VirtualizationRole>,
) -> ComponentSet {
    let mut components = packages.components;
    components.extend(foreign);
    let intel = cpu.vendor.as_deref() == Some("GenuineIntel");
    match (&cpu.microcode, role) {
        // A guest sees whatever revision its hypervisor shows it.
        (Some(_), Some(VirtualizationRole::Guest | VirtualizationRole::NestedHost)) => {
            probe.note(
                "microcode",
                "the machine is a guest: the revision that it sees is not the processor's",
            );
        }
        (Some(revision), _) if intel => {
            let mut microcode =
                Component::new("intel-microcode", revision.as_str(), ComponentKind::Microcode);
            microcode.family = Some(Family::IntelMicrocode);
            microcode.running_version = Some(revision.clone());
            microcode.signature.clone_from(&cpu.signature);
            microcode.platform_mask = cpu.platform_mask;
            components.push(microcode);
        }
        _ => {}
    }
    ComponentSet { family: os.family, train: os.train, components, extra: Extra::new() }
}
