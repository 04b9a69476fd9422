//! The local collector on small trees of other machines, with canned answers of commands.
#![cfg(unix)]
// Helpers of tests may fail loudly, as tests do; the lint's own exception covers test functions alone.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use underpin_model::facts::Family;
use underpin_model::fleet::{Component, Host, Install, VirtualizationRole, Vm};
use underpin_platforms::Collected;
use underpin_platforms::local::{CollectError, CommandError, Commands, Root, collect};

const BOOT: u64 = 1_700_000_000;

struct Canned(BTreeMap<String, &'static str>);

impl Commands for Canned {
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, CommandError> {
        let line = format!("{program} {}", arguments.join(" "));
        let answer = self.0.iter().find(|(start, _)| line.starts_with(start.as_str()));
        answer.map(|(_, text)| (*text).to_owned()).ok_or(CommandError::Missing)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_symlink() => {
                std::os::unix::fs::symlink(fs::read_link(&source).unwrap(), target).unwrap();
            }
            kind if kind.is_dir() => copy(&source, &target),
            _ => drop(fs::copy(source, target).unwrap()),
        }
    }
}

/// Collects a fixture whose packages were unpacked so many seconds after the boot.
fn machine(name: &str, unpacked_s: u64, answers: &[(&str, &'static str)]) -> Collected {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name), folder.path());
    if let Ok(lists) = fs::read_dir(folder.path().join("var/lib/dpkg/info")) {
        for list in lists {
            let file = fs::File::options().write(true).open(list.unwrap().path()).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(BOOT + unpacked_s)).unwrap();
        }
    }
    let answers = answers.iter().map(|(line, text)| ((*line).to_owned(), *text)).collect();
    collect(
        &Root::new(folder.path(), Box::new(Canned(answers))),
        "2026-08-22T00:00:00Z".parse().unwrap(),
        "test",
    )
    .unwrap()
}

fn named<'a>(host: &'a Host, name: &str) -> Vec<&'a Component> {
    host.components.as_ref().unwrap().components.iter().filter(|c| c.name == name).collect()
}

fn vmm(vms: &[Vm], id: &str) -> Option<(String, String)> {
    let vm = vms.iter().find(|vm| vm.id.as_str() == id).unwrap();
    vm.vmm.clone().map(|vmm| (vmm.component.to_string(), vmm.version.to_string()))
}

fn pair(name: &str, version: &str) -> Option<(String, String)> {
    Some((name.to_owned(), version.to_owned()))
}

#[test]
fn debian() {
    let off = "<domain><uuid>u-off</uuid><name>off</name><vcpu>1</vcpu></domain>";
    let answers = [
        ("virsh -r -c qemu:///system list --all --uuid", "u-off\n\n"),
        ("virsh -r -c qemu:///system dumpxml u-off", off),
        ("virsh -r -c qemu:///system domstate u-off", "shut off\n"),
    ];
    let Collected { fleet, notes } = machine("debian", 2000, &answers);
    let host = &fleet.hosts[0];
    let set = host.components.as_ref().unwrap();
    assert_eq!((set.family.clone(), set.train.as_deref()), (Some(Family::Debian), Some("bookworm")));
    assert_eq!(host.role, Some(VirtualizationRole::Host));
    assert_eq!(host.booted_at.unwrap().as_second(), BOOT as i64);
    // Installed, and yet not what runs: the kernel was updated without a change of its ABI.
    assert_eq!(named(host, "linux-image-6.1.0-40-amd64")[0].version, "6.1.158-1");
    assert_eq!(host.running["linux"], "6.1.153-1");
    assert!(!host.running.contains_key("linux-signed-amd64"));
    assert_eq!(named(host, "libc6").len(), 2);
    assert_eq!(named(host, "nano")[0].install, Install::ConfigFiles);
    assert!(named(host, "gone").is_empty() && named(host, "broken").is_empty());
    assert_eq!(named(host, "base-files").len(), 1);
    let microcode = named(host, "intel-microcode")[0];
    assert_eq!((microcode.signature.as_deref(), microcode.platform_mask), (Some("06-55-04"), Some(0x80)));
    let cpu = host.cpu.as_ref().unwrap();
    assert_eq!((cpu.threads, cpu.cores, cpu.smt), (Some(4), Some(2), Some(true)));
    assert_eq!((host.model.as_deref(), host.firmware.as_deref()), (Some("PowerEdge R740"), Some("2.19.1")));
    assert_eq!(host.settings["kernel.mitigations"].value(), "auto,nosmt");
    assert_eq!(host.settings["kvm_intel.nested"].value(), true);
    assert_eq!(host.settings["sysctl.kernel.unprivileged_bpf_disabled"].value(), 2);
    assert_eq!(
        host.settings["cpu.vulnerabilities.mds"].value(),
        "Mitigation: Clear CPU buffers; SMT vulnerable"
    );
    // Of 16 GiB that are installed one lies in huge pages.
    let capacity = host.capacity.unwrap();
    assert_eq!((capacity.memory_mib, capacity.hugepages_mib), (Some(15 * 1024), Some(1024)));

    assert_eq!(fleet.vms.len(), 4);
    assert_eq!(vmm(&fleet.vms, "u-old"), None);
    assert_eq!(vmm(&fleet.vms, "u-new"), pair("qemu", "1:7.2+dfsg-7+deb12u18"));
    assert_eq!(vmm(&fleet.vms, "u-logged"), pair("qemu", "1:7.2+dfsg-7+deb12u2"));
    assert_eq!(host.running.get("qemu"), None);
    assert_eq!(host.running["libvirt"], "9.0.0-4+deb12u2");
    let find = |id: &str| fleet.vms.iter().find(|vm| vm.id.as_str() == id).unwrap();
    assert_eq!(find("u-old").cold_started_at.unwrap().as_second(), BOOT as i64 + 1000);
    assert_eq!(find("u-new").cold_started_at, None);
    assert_eq!((find("u-new").memory_mib, find("u-new").vcpus), (Some(2048), Some(2)));
    assert_eq!(
        (find("u-off").host.as_ref(), find("u-off").extra["registered_on"].as_str()),
        (None, Some("kvm1"))
    );
    let ways: Vec<_> = host.management_interfaces.iter().map(|m| (m.kind.as_str(), m.enabled)).collect();
    assert_eq!(ways, [("ssh", Some(true)), ("https", Some(true))]);
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|n| n.starts_with("guest old: ") && n.contains("replaced")), "{notes:#?}");
    assert!(notes.iter().any(|n| n.contains("broken has no Version")), "{notes:#?}");
    serde_json::from_str::<underpin_model::fleet::Fleet>(&serde_json::to_string(&fleet).unwrap()).unwrap();
}

#[test]
fn a_package_newer_than_its_process_tells_nothing() {
    let fleet = machine("debian", 9000, &[]).fleet;
    assert_eq!(vmm(&fleet.vms, "u-new"), None);
    assert_eq!(fleet.hosts[0].running.get("libvirt"), None);
}

#[test]
fn proxmox() {
    let fleet = machine("proxmox", 2000, &[]).fleet;
    let host = &fleet.hosts[0];
    let platform = host.platform.as_ref().unwrap();
    assert_eq!(
        (&platform.family, platform.train.as_deref(), platform.release.as_deref()),
        (&Family::Proxmox, Some("8"), Some("8.2.4"))
    );
    assert_eq!(host.components.as_ref().unwrap().family, Some(Family::Debian));
    for name in ["pve-qemu-kvm", "corosync"] {
        let component = named(host, name)[0];
        assert_eq!(
            (component.family.clone(), component.train.as_deref()),
            (Some(Family::Proxmox), Some("8"))
        );
    }
    assert_eq!(named(host, "bash")[0].family, None);
    assert_eq!(host.running["linux"], "6.8.12-4");
    assert_eq!(host.running["proxmox-kernel-signed-6.8"], "6.8.12-4");
    assert_eq!(host.running["pve-qemu-kvm"], "9.0.2-4");
    assert_eq!(vmm(&fleet.vms, "u-100"), pair("pve-qemu-kvm", "9.0.2-4"));
    assert_eq!(
        (fleet.vms[0].machine_type.as_deref(), fleet.vms[0].name.as_deref()),
        (Some("q35+pve0"), Some("web"))
    );
    assert_eq!(host.role, Some(VirtualizationRole::NestedHost));
    // A guest sees the revision that its hypervisor shows.
    assert!(named(host, "intel-microcode").is_empty());
    assert!(host.management_interfaces.iter().any(|m| m.listen.as_deref() == Some("0.0.0.0:8006")));
    assert!(host.listeners.iter().any(|l| l.program.as_deref() == Some("pveproxy")));
}

#[test]
fn almalinux() {
    let list = "kernel-core\t(none)\t5.14.0\t427.13.1.el9_4\tx86_64\tkernel-5.14.0-427.13.1.el9_4.src.rpm\t1699000000\tAlmaLinux\t(none)\n\
                kernel-core\t(none)\t5.14.0\t503.11.1.el9_5\tx86_64\tkernel-5.14.0-503.11.1.el9_5.src.rpm\t1700009000\tAlmaLinux\t(none)\n\
                qemu-kvm-core\t17\t8.2.0\t11.el9_4\tx86_64\tqemu-kvm-8.2.0-11.el9_4.src.rpm\t1699000000\tAlmaLinux\t(none)\n";
    let collected = machine("almalinux", 0, &[("rpm -qa", list)]);
    let host = &collected.fleet.hosts[0];
    let set = host.components.as_ref().unwrap();
    assert_eq!((set.family.clone(), set.train.as_deref()), (Some(Family::AlmaLinux), Some("9")));
    assert_eq!(named(host, "kernel-core").len(), 2);
    assert_eq!(host.running["linux"], "5.14.0-427.13.1.el9_4");
    assert_eq!(host.running["kernel"], "5.14.0-427.13.1.el9_4");
    assert_eq!(named(host, "qemu-kvm-core")[0].version, "17:8.2.0-11.el9_4");
    // Without rpm the rest is collected, and the gap is named.
    let Collected { fleet, notes } = machine("almalinux", 0, &[]);
    assert!(fleet.hosts[0].boot_id.is_some());
    assert!(notes.iter().any(|note| note.place == "rpm -qa"), "{notes:?}");
}

#[test]
fn an_empty_folder_is_no_machine() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path(), Box::new(Canned(BTreeMap::new())));
    let outcome = collect(&root, "2026-08-22T00:00:00Z".parse().unwrap(), "test");
    assert!(matches!(outcome, Err(CollectError::NotAMachine(_))));
}
