//! A fix is a conjunction: release running, setting in force, guest on the new VMM, guest cold-started, firmware loaded.

use std::collections::BTreeMap;

use underpin_exposure::Status;
use underpin_exposure::report::{Need, Needed, ReasonCode};
use underpin_model::facts::{Family, Hardware, NameKind, Verdict};
use underpin_model::fleet::{Component, ComponentKind, Cpu, Host, PowerState, RunningVmm, Setting, Vm};

use crate::build::*;

const CVE: &str = "CVE-2026-0002";
const NEW: &str = "1:7.2+dfsg-7+deb12u9";
const OLD: &str = "1:7.2+dfsg-7+deb12u5";

fn kvm_host() -> Host {
    host("h1", set(Family::Debian, "bookworm", vec![package("qemu-system-x86", NEW, Some(("qemu", None)))]))
}

fn guest(id: &str, running: Option<&str>) -> Vm {
    let mut vm = vm(id, "h1");
    vm.power = Some(PowerState::On);
    vm.vmm = running.map(|version| RunningVmm { component: "qemu".to_owned(), version: version.to_owned() });
    vm
}

#[test]
fn a_live_guest_keeps_the_old_vmm_until_it_moves_or_restarts() {
    let mut off = guest("off", Some(OLD));
    off.power = Some(PowerState::Off);
    let vms = vec![guest("new", Some(NEW)), guest("old", Some(OLD)), guest("dark", None), off];
    let feeds = vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, NEW)];
    let assessment = run(&fleet(vec![kvm_host()], vms), feeds);
    let of = |asset| status(&assessment, asset, "qemu-system-x86", CVE);
    assert_eq!(of("new"), Some(Status::Fixed));
    assert_eq!(of("old"), Some(Status::FixedNotRunning));
    assert_eq!(of("dark"), Some(Status::UnknownRunning));
    assert_eq!(of("off"), None, "it starts on what is installed");
    assert_eq!(of("h1"), Some(Status::FixedNotRunning), "one of its guests is on the old VMM");
    let old = assessment.exposures().find(|one| &*one.asset.id == "old").unwrap();
    assert_eq!(old.finding.reasons[0].code, ReasonCode::GuestOnOldVmm);
    assert!(old.finding.fix.as_ref().unwrap().needs.contains(&Need::RecreateGuests));
}

#[test]
fn without_guests_on_the_old_vmm_the_host_is_fixed() {
    let feeds = || vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, NEW)];
    let fixed = run(&fleet(vec![kvm_host()], vec![guest("new", Some(NEW))]), feeds());
    assert_eq!(status(&fixed, "h1", "qemu-system-x86", CVE), Some(Status::Fixed));
    let empty = run(&fleet(vec![kvm_host()], vec![]), feeds());
    assert_eq!(status(&empty, "h1", "qemu-system-x86", CVE), Some(Status::Fixed));
}

#[test]
fn what_was_fixed_before_the_train_was_made_runs_whichever_release_of_it_runs() {
    let feeds = vec![
        debian_fix("D-1", "unstable", "qemu", "CVE-2010-1", "0.9.0-2"),
        debian_fix("DSA-1", "bookworm", "qemu", CVE, NEW),
    ];
    let assessment = run(&fleet(vec![kvm_host()], vec![guest("dark", None)]), feeds);
    for asset in ["h1", "dark"] {
        assert_eq!(status(&assessment, asset, "qemu-system-x86", "CVE-2010-1"), Some(Status::Fixed));
        assert_eq!(status(&assessment, asset, "qemu-system-x86", CVE), Some(Status::UnknownRunning));
    }
}

fn esxi(version: &str, settings: &[(&str, serde_json::Value)]) -> Host {
    let mut host =
        host("h1", set(Family::Esxi, "7.0U1", vec![Component::new("esxi", version, ComponentKind::Product)]));
    host.settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Setting::Plain(value.clone())))
        .collect::<BTreeMap<_, _>>();
    host
}

fn esxi_status(cve: &str, host: Host) -> (Status, Vec<ReasonCode>) {
    let product = product(Family::Esxi, Some("7.0U1"), "esxi", NameKind::Product);
    let document =
        document("VMSA-1", vec![claim(cve, product, Verdict::FixedIn("ESXi70U1c-17325551".into()))]);
    let assessment = run(&fleet(vec![host], vec![]), vec![feed("vmsa", vec![document])]);
    let exposure = assessment.exposures().find(|one| one.finding.vulnerability.is_some()).unwrap();
    (exposure.finding.status, exposure.finding.reasons.iter().map(|reason| reason.code).collect())
}

#[test]
fn a_workaround_in_force_closes_it_without_the_fix() {
    let old = "ESXi70U1-16850804";
    assert_eq!(esxi_status("CVE-2021-21974", esxi(old, &[])).0, Status::Affected);
    assert_eq!(
        esxi_status("CVE-2021-21974", esxi(old, &[("slpd.enabled", true.into())])).0,
        Status::Affected
    );
    let (status, reasons) = esxi_status("CVE-2021-21974", esxi(old, &[("slpd.enabled", false.into())]));
    assert_eq!((status, reasons[0]), (Status::Fixed, ReasonCode::SettingCloses));
    assert_eq!(esxi_status("CVE-2026-9", esxi(old, &[("slpd.enabled", false.into())])).0, Status::Affected);
}

#[test]
fn a_fix_that_is_delivered_switched_off_needs_its_setting() {
    let new = "ESXi70U1c-17325551";
    let name = "VMkernel.Boot.hyperthreadingMitigation";
    assert_eq!(esxi_status("CVE-2018-3646", esxi(new, &[(name, true.into())])).0, Status::Fixed);
    assert_eq!(esxi_status("CVE-2018-3646", esxi(new, &[(name, false.into())])).0, Status::FixedNotRunning);
    assert_eq!(esxi_status("CVE-2018-3646", esxi(new, &[])).0, Status::UnknownRunning);
}

#[test]
fn cpu_flags_reach_a_guest_when_it_is_cold_started() {
    let mut host = host(
        "h1",
        set(
            Family::Debian,
            "bookworm",
            vec![package("linux-image-6.1.0-56-amd64", "6.1.192-2", Some(("linux", None)))],
        ),
    );
    host.kernel_release = Some("6.1.0-56-amd64".to_owned());
    host.booted_at = Some("2026-11-10T00:00:00Z".parse().unwrap());
    let started = |id: &str, at: Option<&str>| {
        let mut vm = guest(id, None);
        vm.cold_started_at = at.map(|at| at.parse().unwrap());
        vm
    };
    let vms = vec![
        started("since", Some("2026-11-11T00:00:00Z")),
        started("before", Some("2026-11-01T00:00:00Z")),
        started("unknown", None),
    ];
    let feeds = vec![debian_fix("DSA-1", "bookworm", "linux", "CVE-2018-12130", "6.1.100-1")];
    let assessment = run(&fleet(vec![host], vms), feeds);
    let of = |asset| status(&assessment, asset, "linux-image-6.1.0-56-amd64", "CVE-2018-12130");
    assert_eq!(of("h1"), Some(Status::Fixed));
    assert_eq!(of("since"), Some(Status::Fixed));
    assert_eq!(of("before"), Some(Status::FixedNotRunning));
    assert_eq!(of("unknown"), Some(Status::UnknownRunning));
}

#[test]
fn microcode_is_matched_by_processor_and_loaded_revision() {
    let mut product = product(Family::IntelMicrocode, None, "intel-microcode", NameKind::Product);
    product.hardware = Some(Hardware { signature: "06-55-04".into(), platform_mask: 0xb7 });
    let feeds = || {
        vec![feed(
            "intel",
            vec![document(
                "INTEL-SA-1",
                vec![claim("INTEL-SA-1", product.clone(), Verdict::FixedIn("02007108".into()))],
            )],
        )]
    };
    let of = |signature: &str, mask: u32, revision: &str| {
        let mut host = kvm_host();
        host.cpu = Some(Cpu {
            signature: Some(signature.to_owned()),
            platform_mask: Some(mask),
            microcode: Some(revision.to_owned()),
            ..Cpu::default()
        });
        status(&run(&fleet(vec![host], vec![]), feeds()), "h1", "microcode", "INTEL-SA-1")
    };
    assert_eq!(of("06-55-04", 0x1, "0x2007006"), Some(Status::Affected));
    assert_eq!(of("06-55-04", 0x1, "0x2007108"), Some(Status::Fixed));
    assert_eq!(of("06-55-04", 0x8, "0x2007006"), None, "another platform id");
    assert_eq!(of("06-55-07", 0x1, "0x2007006"), None, "another stepping");
}

#[test]
fn microcode_listed_as_a_component_is_not_judged_twice() {
    let mut product = product(Family::IntelMicrocode, None, "intel-microcode", NameKind::Product);
    product.hardware = Some(Hardware { signature: "06-55-04".into(), platform_mask: 0xb7 });
    let claims = vec![claim("INTEL-SA-1", product, Verdict::FixedIn("02007108".into()))];
    let mut loaded = Component::new("intel-microcode", "0x2007006", ComponentKind::Microcode);
    loaded.family = Some(Family::IntelMicrocode);
    loaded.signature = Some("06-55-04".to_owned());
    loaded.platform_mask = Some(0x1);
    let mut host = host("h1", set(Family::Debian, "bookworm", vec![loaded]));
    host.cpu = Some(Cpu {
        signature: Some("06-55-04".to_owned()),
        platform_mask: Some(0x1),
        microcode: Some("0x2007006".to_owned()),
        ..Cpu::default()
    });
    let assessment =
        run(&fleet(vec![host], vec![]), vec![feed("intel", vec![document("INTEL-SA-1", claims)])]);
    assert_eq!(assessment.summary.affected, 1);
    assert_eq!(status(&assessment, "h1", "intel-microcode", "INTEL-SA-1"), Some(Status::Affected));
}

#[test]
fn a_guest_does_not_keep_tools_that_run_when_they_are_called() {
    let mut host = kvm_host();
    host.components.as_mut().unwrap().components.push(package("qemu-utils", NEW, Some(("qemu", None))));
    let feeds = vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, NEW)];
    let assessment = run(&fleet(vec![host], vec![guest("old", Some(OLD)), guest("dark", None)]), feeds);
    assert_eq!(status(&assessment, "h1", "qemu-utils", CVE), Some(Status::Fixed));
    assert_eq!(status(&assessment, "h1", "qemu-system-x86", CVE), Some(Status::FixedNotRunning));
}

#[test]
fn a_fix_says_whether_it_is_needed_here() {
    let needed = |vms: Vec<Vm>| {
        let mut idle = kvm_host();
        idle.id = underpin_model::id::HostId::new("idle").unwrap();
        let feeds = vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, "1:7.2+dfsg-7+deb12u10")];
        let assessment = run(&fleet(vec![kvm_host(), idle], vms), feeds);
        let of = |asset: &str| {
            let found =
                assessment.exposures().find(|one| &*one.asset.id == asset && one.finding.fix.is_some());
            found.and_then(|one| Some(one.finding.fix.as_ref()?.needed.clone()))
        };
        (of("h1"), of("idle"), of("vm"))
    };
    let (busy, idle, vm) = needed(vec![guest("vm", None)]);
    assert!(matches!(busy, Some(Needed::Yes { .. })), "{busy:?}");
    assert!(matches!(idle, Some(Needed::No { .. })), "{idle:?}");
    assert!(matches!(vm, Some(Needed::Yes { .. })), "{vm:?}");
    let (_, idle, _) = needed(vec![]);
    assert!(matches!(idle, Some(Needed::Unknown { .. })), "nobody listed guests: {idle:?}");
    let json = serde_json::to_value(idle.unwrap()).unwrap();
    assert_eq!(json["answer"], "unknown");
}

#[test]
fn an_rpm_guest_is_told_by_its_source_package_though_the_sources_version_is_not_known() {
    let core = package("qemu-kvm-core", "17:9.0.0-10.el9_5", Some(("qemu-kvm", None)));
    let host = host("h1", set(Family::AlmaLinux, "9", vec![core]));
    let running = |id: &str, version: &str| {
        let mut vm = guest(id, None);
        vm.vmm = Some(RunningVmm { component: "qemu-kvm".to_owned(), version: version.to_owned() });
        vm
    };
    let vms = vec![running("new", "17:9.0.0-10.el9_5"), running("old", "17:8.2.0-11.el9_4")];
    let product = product(Family::AlmaLinux, Some("9"), "qemu-kvm-core", NameKind::Binary);
    let document =
        document("ALSA-1", vec![claim(CVE, product, Verdict::FixedIn("17:9.0.0-10.el9_5".into()))]);
    let assessment = run(&fleet(vec![host], vms), vec![feed("alma", vec![document])]);
    let of = |asset| status(&assessment, asset, "qemu-kvm-core", CVE);
    assert_eq!(
        (of("new"), of("old"), of("h1")),
        (Some(Status::Fixed), Some(Status::FixedNotRunning), Some(Status::FixedNotRunning))
    );
}
