//! What runs, as opposed to what is installed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use underpin_model::facts::Family;
use underpin_model::fleet::{Component, ComponentKind, Install, PowerState, RunningVmm, Vm};
use underpin_model::id::{HostId, VmId};

use super::libvirt;
use super::packages::Packages;
use super::probe::Probe;
use super::processes::Process;

/// The package version of the running kernel, under `linux` and under its source package's name.
pub(super) fn kernel(
    probe: &mut Probe<'_>,
    packages: &Packages,
    release: Option<&str>,
    booted_at: Option<Timestamp>,
    running: &mut BTreeMap<String, String>,
) {
    let Some(release) = release else { return };
    let banner = probe.required("/proc/version").unwrap_or_default();
    let image = packages.components.iter().position(|c| is_kernel(c, release));
    let version = from_banner(&banner).or_else(|| from_release(packages, release)).or_else(|| {
        let position = image.or_else(|| packages.components.iter().position(|c| c.name == "kernel"))?;
        packages.version_since(probe, position, booted_at?)
    });
    let Some(version) = version else {
        return probe.note(
            "running kernel",
            format!("{release} belongs to no known package: its package version is unknown"),
        );
    };
    // Debian signs kernels in a source package with a numbering of its own: the version is not one of that package.
    let numbered_alike = |c: &&Component| {
        c.source
            .as_ref()
            .and_then(|source| source.version.as_ref())
            .is_none_or(|version| *version == c.version)
    };
    if let Some(image) = image.and_then(|position| packages.components.get(position)).filter(numbered_alike) {
        running.insert(Packages::source_name(image).to_owned(), version.clone());
    }
    running.insert("linux".to_owned(), version);
}

fn is_kernel(component: &Component, release: &str) -> bool {
    if component.install != Install::Installed {
        return false;
    }
    let debian = ["linux-image-", "proxmox-kernel-", "pve-kernel-"]
        .iter()
        .filter_map(|prefix| component.name.strip_prefix(prefix))
        .any(|rest| rest.trim_end_matches("-signed").trim_start_matches("unsigned-") == release);
    let rpm = matches!(component.name.as_str(), "kernel" | "kernel-core" | "kernel-rt-core" | "kernel-uek")
        && Some(component.version.as_str()) == without_arch(component, release);
    debian || rpm
}

fn without_arch<'a>(component: &Component, release: &'a str) -> Option<&'a str> {
    let release = release.split('+').next().filter(|r| r.matches('-').count() > 0).unwrap_or(release);
    release.strip_suffix(component.arch.as_deref()?)?.strip_suffix('.')
}

/// Debian and Proxmox write the package version into the kernel: `... SMP Debian 6.1.192-2 (date)`, `... PMX 6.8.12-4`.
/// The release alone would not do: an update that keeps the ABI keeps the release.
fn from_banner(banner: &str) -> Option<String> {
    let (_, build) = banner.split_once(" #")?;
    let mut words = build.split_whitespace();
    words.find(|word| matches!(*word, "Debian" | "PMX" | "PVE"))?;
    words.next().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

/// RPM kernels carry version and release in their name.
fn from_release(packages: &Packages, release: &str) -> Option<String> {
    packages
        .components
        .iter()
        .find(|c| c.arch.is_some() && c.name.starts_with("kernel") && is_kernel(c, release))
        .map(|c| c.version.clone())
}

/// Adds `xen` when the machine is a control domain.
pub(super) fn xen(
    probe: &mut Probe<'_>,
    packages: &Packages,
    booted_at: Option<Timestamp>,
    running: &mut BTreeMap<String, String>,
) {
    if !probe.line("/proc/xen/capabilities").is_some_and(|text| text.contains("control_d")) {
        return;
    }
    probe.note("xen", "guests of Xen are not read: only the hypervisor and the control domain are");
    let hypervisor = packages.components.iter().position(|c| {
        c.install == Install::Installed
            && (c.name.starts_with("xen-hypervisor-") && c.name.contains('.') || c.name == "xen-hypervisor")
    });
    let known =
        hypervisor.zip(booted_at).and_then(|(position, at)| packages.version_since(probe, position, at));
    match known {
        Some(version) => {
            running.insert("xen".to_owned(), version);
        }
        None => probe.note("xen", "the package of the running hypervisor was replaced since boot or is not known: its version is unknown"),
    }
}

/// The version of the libvirt daemon that runs.
pub(super) fn libvirtd(
    probe: &mut Probe<'_>,
    packages: &Packages,
    processes: &[Process],
    running: &mut BTreeMap<String, String>,
) {
    for process in processes.iter().filter(|p| matches!(p.program(), "libvirtd" | "virtqemud")) {
        match package_version(probe, packages, process) {
            Some((name, version)) => {
                running.insert(name, version);
            }
            None => probe.note(
                process.program(),
                "was replaced since it was started, or belongs to no package: its running version is unknown",
            ),
        }
    }
}

/// Name (of the source package) and version of what a process runs on, if its package was not touched since.
fn package_version(
    probe: &mut Probe<'_>,
    packages: &Packages,
    process: &Process,
) -> Option<(String, String)> {
    let position = packages.owner(probe, process.exe.as_deref()?)?;
    let name = Packages::source_name(packages.components.get(position)?).to_owned();
    if process.replaced {
        return None;
    }
    Some((name, packages.version_since(probe, position, process.started?)?))
}

/// Tells each live guest its VMM, adds guests that only their process shows, and the host's running QEMU if all agree.
pub(super) fn qemu(
    probe: &mut Probe<'_>,
    packages: &Packages,
    processes: &[Process],
    host: &HostId,
    vms: &mut Vec<Vm>,
    running: &mut BTreeMap<String, String>,
) {
    let mut seen: BTreeSet<Option<(String, String)>> = BTreeSet::new();
    for process in processes.iter().filter(|process| process.is_qemu()) {
        let vmm = guest_vmm(probe, packages, process);
        if vmm.is_none() {
            let why = if process.replaced {
                "its program was replaced since it was started"
            } else {
                "its package is newer than the process, or unknown"
            };
            probe.note(
                format!("guest {}", guest_name(process).unwrap_or("?")),
                format!("the QEMU that it runs on is unknown: {why}"),
            );
        }
        seen.insert(vmm.clone());
        let Some(vm) = guest(vms, process, host) else {
            probe.note(format!("process {}", process.pid), "a QEMU without uuid and name: left out");
            continue;
        };
        vm.vmm = vmm
            .map(|(component, version)| RunningVmm { component: component.into(), version: version.into() });
        // A guest that came by migration was started elsewhere.
        if process.option("-incoming").is_none() {
            vm.cold_started_at = process.started;
        }
    }
    let mut seen = seen.into_iter();
    if let (Some(Some((name, version))), None) = (seen.next(), seen.next()) {
        running.insert(name, version);
    }
}

fn guest_vmm(probe: &mut Probe<'_>, packages: &Packages, process: &Process) -> Option<(String, String)> {
    let logged = match (guest_name(process), process.started) {
        (Some(name), Some(since)) if !name.contains('/') => libvirt::logged_version(probe, name, since),
        _ => None,
    };
    let Some(version) = logged else { return package_version(probe, packages, process) };
    let owner = process.exe.as_deref().and_then(|exe| packages.owner(probe, exe));
    let owner = owner.and_then(|position| packages.components.get(position));
    // RPM's text ends with the architecture-free release and lacks the epoch, which facts have.
    let epoch = owner.and_then(|c| c.version.split_once(':')).map(|(epoch, _)| epoch);
    let version = match epoch {
        Some(epoch) if !version.contains(':') => format!("{epoch}:{version}"),
        _ => version,
    };
    Some((owner.map_or("qemu", Packages::source_name).to_owned(), version))
}

/// `-name guest=web,debug-threads=on` or `-name web`.
fn guest_name(process: &Process) -> Option<&str> {
    let first = process.option("-name")?.split(',').next()?;
    Some(first.strip_prefix("guest=").unwrap_or(first)).filter(|name| !name.is_empty())
}

fn guest_uuid(process: &Process) -> Option<&str> {
    process
        .option("-uuid")
        .or_else(|| process.option("-smbios")?.split(',').find_map(|part| part.strip_prefix("uuid=")))
}

fn guest<'a>(vms: &'a mut Vec<Vm>, process: &Process, host: &HostId) -> Option<&'a mut Vm> {
    let id = match guest_uuid(process) {
        Some(uuid) => uuid.to_owned(),
        None => format!("{host}/{}", process.option("-id").or(guest_name(process))?),
    };
    if let Some(at) = vms.iter().position(|vm| vm.id.as_str() == id) {
        return vms.get_mut(at);
    }
    let mut vm = Vm::new(VmId::new(id).ok()?);
    vm.name = guest_name(process).map(str::to_owned);
    vm.host = Some(host.clone());
    vm.power = Some(PowerState::On);
    vm.machine_type = process.option("-machine").or(process.option("-M")).and_then(|text| {
        let typed = text.split(',').find_map(|part| part.strip_prefix("type="));
        typed.or_else(|| text.split(',').next().filter(|part| !part.contains('='))).map(Into::into)
    });
    vm.vcpus = process
        .option("-smp")
        .and_then(|text| text.split(',').next()?.trim_start_matches("cpus=").parse().ok());
    vm.memory_mib = process.option("-m").and_then(|text| {
        text.split(',').next()?.trim_start_matches("size=").trim_end_matches('M').parse().ok()
    });
    vms.push(vm);
    vms.last_mut()
}

/// A QEMU that no package brought: its own word is all there is.
pub(super) fn foreign_qemu(probe: &mut Probe<'_>, packages: &Packages) -> Option<Component> {
    if packages
        .components
        .iter()
        .any(|c| ["qemu-system", "qemu-kvm", "pve-qemu"].iter().any(|p| c.name.starts_with(p)))
    {
        return None;
    }
    let answer = probe.command("qemu-system-x86_64", &["--version"]).ok()?;
    let version = answer.split("version ").nth(1)?.split([' ', '\n', '(']).next()?.to_owned();
    let mut component = Component::new("qemu", version, ComponentKind::Product);
    component.family = Some(Family::Upstream);
    Some(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_versions_in_banners() {
        let debian = "Linux version 6.1.0-40-amd64 (d@l.o) (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-01-01)";
        assert_eq!(from_banner(debian).as_deref(), Some("6.1.192-2"));
        let proxmox = "Linux version 6.8.12-4-pve (build@proxmox) (gcc) #1 SMP PREEMPT_DYNAMIC PMX 6.8.12-4 (2024-11-06T15:04Z)";
        assert_eq!(from_banner(proxmox).as_deref(), Some("6.8.12-4"));
        assert_eq!(from_banner("Linux version 6.18 (b@s) (gcc (Debian 12.2.0-14)) #1 SMP @0"), None);
    }
}
