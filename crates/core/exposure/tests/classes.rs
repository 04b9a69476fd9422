//! How well a patch is understood from facts: its class, the area that it changes, what must be restarted for it.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test reads files, says what it measured and fails by panicking"
)]

mod shared;

use std::collections::BTreeMap;
use std::io::Read;

use underpin_exposure::report::Area;
use underpin_exposure::{FactBase, Feed, Options, assess, classify};
use underpin_model::facts::{Document, Family, PatchClass, ReleaseFact, Restart};
use underpin_model::fleet::{Component, ComponentKind, ComponentSet, Fleet, Host, Seen};
use underpin_model::id::{FeedId, HostId, VulnerabilityId};

/// The documents of an archive of `shared/data/feeds`.
fn documents(data: &std::path::Path, name: &str) -> Vec<Document> {
    let bytes = shared::bytes(data, name);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    let mut list = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().extension().is_some_and(|extension| extension == "json") {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).unwrap();
            list.push(shared::document(&text));
        }
    }
    list
}

/// The issuer's word, from the id: this is what the prediction must not see.
fn told(id: &str) -> Option<PatchClass> {
    match id.get(..4)? {
        "ALSA" => Some(PatchClass::Security),
        "ALBA" => Some(PatchClass::BugFix),
        "ALEA" => Some(PatchClass::Feature),
        _ => None,
    }
}

/// Measured 96.2 %: most of what is missed are enhancements whose title reads as that of a repair, word for word.
#[test]
fn the_class_is_told_from_vulnerabilities_and_title() {
    let Some(data) = shared::data() else { return };
    let mut confusion: BTreeMap<(PatchClass, PatchClass), u32> = BTreeMap::new();
    for document in documents(&data, "osv-almalinux.tar.gz") {
        for advisory in &document.advisories {
            let truth = told(advisory.id.as_str()).unwrap();
            // An advisory without a CVE is entered under its own id, which would tell.
            let named = advisory.claims.iter().flat_map(|claim| claim.vulnerabilities.iter());
            let vulnerabilities: Vec<VulnerabilityId> =
                named.filter(|id| id.as_str() != advisory.id.as_str()).cloned().collect();
            let predicted = classify::class(&vulnerabilities, advisory.title.as_deref());
            *confusion.entry((truth, predicted)).or_default() += 1;
        }
    }
    let total: u32 = confusion.values().sum();
    let right: u32 =
        confusion.iter().filter(|((truth, said), _)| truth == said).map(|(_, count)| count).sum();
    let accuracy = f64::from(right) / f64::from(total);
    println!("patch class: {right} of {total} right, accuracy {accuracy:.4}");
    let classes = [PatchClass::Security, PatchClass::BugFix, PatchClass::Feature];
    println!("{:>12} | {}", "issuer", classes.map(|class| format!("{class:>12?}")).join(" "));
    for truth in classes {
        let row = classes.map(|said| confusion.get(&(truth, said)).copied().unwrap_or(0));
        println!("{:>12} | {}", format!("{truth:?}"), row.map(|count| format!("{count:>12}")).join(" "));
    }
    assert_eq!(total, 5_680);
    assert!(accuracy >= 0.96, "accuracy {accuracy:.4}");
    let missed = |truth| {
        let wrong = confusion.iter().filter(|((own, said), _)| *own == truth && said != own);
        wrong.map(|(_, count)| count).sum::<u32>()
    };
    assert_eq!(missed(PatchClass::Security), 0, "a security patch must never pass for another");
}

/// Name, source, kind of component, area, and what is restarted when the advisory does not say.
const AREAS: &str = "
qemu-system-x86            qemu                package   device-emulation service
qemu-system-xen            qemu                package   device-emulation service
qemu-utils                 qemu                package   device-emulation service
qemu-kvm                   qemu-kvm            package   device-emulation service
qemu-kvm-core              qemu-kvm            package   device-emulation service
qemu-guest-agent           qemu                package   guest-tools      none
pve-qemu-kvm               pve-qemu-kvm        package   device-emulation service
virtiofsd                  virtiofsd           package   device-emulation service
swtpm                      swtpm               package   device-emulation service
libtpms0                   libtpms             package   device-emulation service
libslirp0                  libslirp            package   device-emulation service
libvirglrenderer1          virglrenderer       package   device-emulation service
libspice-server1           spice               package   device-emulation service
seabios                    seabios             package   firmware         machine
ovmf                       edk2                package   firmware         machine
edk2-ovmf                  edk2                package   firmware         machine
pve-edk2-firmware          pve-edk2-firmware   package   firmware         machine
ipxe-roms-qemu             ipxe                package   firmware         machine
intel-microcode            intel-microcode     package   firmware         machine
amd64-microcode            amd64-microcode     package   firmware         machine
microcode_ctl              microcode_ctl       package   firmware         machine
linux-firmware             linux-firmware      package   firmware         machine
libvirt-daemon             libvirt             package   management       service
libvirt-daemon-driver-qemu libvirt             package   management       service
libvirt0                   libvirt             package   management       service
python3-libvirt            libvirt-python      package   management       service
xapi-core                  xapi                package   management       service
xcp-networkd               xapi                package   management       service
xenserver-release          xenserver-release   package   management       service
pve-manager                pve-manager         package   management       service
qemu-server                qemu-server         package   management       service
proxmox-backup-client      proxmox-backup      package   management       service
xen-utils-4.17             xen                 package   management       service
libxenstore4               xen                 package   management       service
xen-dom0-tools             xen                 package   management       service
cockpit-machines           cockpit-machines    package   management       service
virt-manager               virt-manager        package   management       service
xen-hypervisor-4.17-amd64  xen                 package   vmm-core         machine
xen-hypervisor             xen                 package   vmm-core         machine
linux-image-6.1.0-40-amd64 linux               package   kernel           machine
linux-image-6.1.0-40-amd64 linux-signed-amd64  package   kernel           machine
proxmox-kernel-6.8.12-4-pve proxmox-kernel-6.8 package   kernel           machine
pve-kernel-5.15.158-2-pve  pve-kernel-5.15     package   kernel           machine
kernel                     kernel              package   kernel           machine
kernel-core                kernel              package   kernel           machine
kernel-rt                  kernel-rt           package   kernel           machine
kernel-headers             kernel              package   other            none
kernel-tools               kernel              package   other            none
linux-libc-dev             linux               package   other            none
bpftool                    linux               package   other            none
openvswitch-switch         openvswitch         package   network          service
openvswitch3.3             openvswitch3.3      package   network          service
ovn-host                   ovn                 package   network          service
open-vm-tools              open-vm-tools       package   guest-tools      none
hyperv-daemons             hyperv-daemons      package   guest-tools      none
xe-guest-utilities         xe-guest-utilities  package   guest-tools      none
virtio-win                 virtio-win          package   guest-tools      none
bash                       bash                package   other            none
openssl                    openssl             package   other            none
libc6                      glibc               package   other            none
ESXi                       -                   esxi      vmm-core         machine
vCenter                    -                   vcenter   management       service
Windows                    -                   windows   vmm-core         machine
microcode                  -                   microcode firmware         machine
";

#[test]
fn area_and_restart_are_told_from_names() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in AREAS.lines().filter(|line| !line.is_empty()) {
        let [name, source, kind, area, restart] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("not five columns: {line}")
        };
        let (family, kind) = match kind {
            "package" => (Family::Debian, ComponentKind::Package),
            "microcode" => (Family::IntelMicrocode, ComponentKind::Microcode),
            product => (Family::from_name(product), ComponentKind::Product),
        };
        let found: Area = classify::area(&family, kind, name, source);
        let needed: Restart = classify::restart(found, Restart::Unknown);
        let text = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let said = (text(serde_json::to_value(found).unwrap()), text(serde_json::to_value(needed).unwrap()));
        count += 1;
        if said != (area.to_owned(), restart.to_owned()) {
            wrong.push(format!("{name} ({source}): {said:?}, expected {area} {restart}"));
        }
    }
    println!("area and restart: {} of {count} names right", count - wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn classes_that_the_tables_state_come_through() {
    let mut advisories: BTreeMap<(&str, Option<PatchClass>), u32> = BTreeMap::new();
    let mut security_only = 0;
    for (file, document) in underpin_feeds::builtin::documents() {
        let document = document.unwrap();
        for advisory in &document.advisories {
            *advisories.entry((file, advisory.class)).or_default() += 1;
        }
        if file == "esxi-builds.csv" {
            let security = |one: &&ReleaseFact| one.class == Some(PatchClass::Security);
            security_only = document.releases.iter().filter(security).count();
        }
    }
    println!(
        "advisories by file and class: {advisories:?}; {security_only} builds of ESXi are security only"
    );
    assert!(security_only > 0);
    // Each issuer's word for a security patch: Debian's table, Microsoft's, VMware's, a suite's security pocket.
    for file in ["debian-advisories.csv", "msrc-updates.csv", "vmsa-facts.json", "release-history.jsonl"] {
        assert!(advisories.contains_key(&(file, Some(PatchClass::Security))), "{file}: {advisories:?}");
    }
    for class in [PatchClass::Security, PatchClass::BugFix, PatchClass::Feature] {
        assert!(advisories.contains_key(&("almalinux.jsonl", Some(class))), "{class:?}: {advisories:?}");
    }
    // An update of the microcode that closes nothing is no security patch.
    assert!(advisories.contains_key(&("microcode-history.csv", None)));
}

#[test]
fn the_suffix_of_an_esxi_bulletin_is_its_class() {
    let table = "build,minor,release_date,name,bulletin\n\
                 3,8.0,2024-03-01,ESXi 8.0 U1,ESXi80U1-202403101-SG\n\
                 2,8.0,2024-02-01,ESXi 8.0 U1,ESXi80U1-202402201-BG\n\
                 1,8.0,2024-01-01,ESXi 8.0 U1,ESXi80U1-202401001\n";
    let document = shared::document(table.as_bytes());
    let classes: BTreeMap<&str, Option<PatchClass>> =
        document.releases.iter().map(|release| (&*release.version, release.class)).collect();
    let expected = [("1", None), ("2", Some(PatchClass::BugFix)), ("3", Some(PatchClass::Security))];
    assert_eq!(classes, expected.into());
}

#[test]
fn the_class_of_an_advisory_reaches_its_fix() {
    let debian =
        "date,id,source,cves,fixed\n2023-01-13,DSA-5319-1,openvswitch,CVE-2022-4337,bullseye=2.15.0-2\n";
    let alma = r#"{"id":"ALEA-2024:1","modified":"2024-01-01T00:00:00Z","related":["CVE-2024-1"],
        "summary":"x bug fix and enhancement update",
        "affected":[{"package":{"ecosystem":"AlmaLinux:9","name":"x"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2-1"}]}]}]}"#;
    for (text, family, train, name, expected) in [
        (debian, Family::Debian, "bullseye", "openvswitch", PatchClass::Security),
        (alma, Family::AlmaLinux, "9", "x", PatchClass::Feature),
    ] {
        let at = "2024-06-01T00:00:00Z".parse().unwrap();
        let mut host = Host::new(HostId::new("h").unwrap());
        host.components = Some(ComponentSet {
            family: Some(family),
            train: Some(train.to_owned()),
            components: vec![Component::new(name, "1-1", ComponentKind::Package)],
            extra: Default::default(),
        });
        let mut fleet = Fleet::new("f", Seen { at, by: "test".to_owned() });
        fleet.hosts.push(host);
        let documents = vec![shared::document(text.as_bytes())];
        let feed = Feed { id: FeedId::new("feed").unwrap(), fetched: None, documents };
        let assessment = assess(&fleet, &FactBase::new(vec![feed]), &Options::at(at));
        let classes: Vec<PatchClass> =
            assessment.findings.iter().filter_map(|one| Some(one.fix.as_ref()?.class)).collect();
        assert_eq!(classes, [expected]);
    }
}
