//! A fix is a conjunction: release running, setting in force, guest on the new VMM, guest cold-started, firmware loaded.

use std::collections::BTreeMap;

use underpin_exposure::report::{Finding, Need, Needed, ReasonCode};
use underpin_exposure::{Assessment, FactBase, Feed, Options, Status, assess, at_worst};
use underpin_model::facts::{
    Condition, Effect, Family, Hardware, NameKind, Remedy, RemedyKind, Restart, Verdict,
};
use underpin_model::fleet::{Component, ComponentKind, Cpu, Host, PowerState, RunningVmm, Setting, Vm};
use underpin_model::id::HostId;

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
    vm.vmm = running.map(|version| RunningVmm { component: "qemu".into(), version: version.into() });
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

const ESXI_CVE: &str = "CVE-2021-21974";
const OLD_ESXI: &str = "ESXi70U1-16850804";
const NEW_ESXI: &str = "ESXi70U1c-17325551";

fn esxi_feed() -> Feed {
    let product = product(Family::Esxi, Some("7.0U1"), "esxi", NameKind::Product);
    let claims = vec![claim(ESXI_CVE, product, Verdict::FixedIn(NEW_ESXI.into()))];
    feed("vmsa", vec![document("VMSA-1", claims)])
}

/// The finding of the vulnerability on an ESXi host as of a day, with a table of conditions beside the advisory.
fn esxi_finding(host: Host, rows: Vec<Condition>, as_of: &str) -> Finding {
    let mut feeds = vec![esxi_feed()];
    // An advisory of which it is not known since when it is known always counts.
    feeds[0].documents[0].advisories[0].published = None;
    feeds[0].documents[0].advisories[0].updated = None;
    feeds.push(conditions("conditions", rows));
    let options = Options::at(format!("{as_of}T12:00:00Z").parse().unwrap());
    let assessment = assess(&fleet(vec![host], vec![]), &FactBase::new(feeds), &options);
    let found = assessment.exposures().find(|one| one.finding.vulnerability.is_some());
    found.unwrap().finding.clone()
}

fn esxi_status(host: Host, rows: Vec<Condition>) -> (Status, ReasonCode) {
    let finding = esxi_finding(host, rows, "2026-11-21");
    (finding.status, finding.reasons[0].code)
}

fn slpd_off() -> Condition {
    condition(ESXI_CVE, Some(Family::Esxi), Effect::Closes(setting("slpd.enabled", "false")))
}

fn slpd(value: bool) -> Host {
    esxi(OLD_ESXI, &[("slpd.enabled", value.into())])
}

#[test]
fn a_reviewed_workaround_in_force_closes_it_without_the_fix() {
    let rows = || vec![reviewed(slpd_off(), "2026-01-01")];
    let (status, reason) = esxi_status(slpd(false), rows());
    assert_eq!((status, reason), (Status::Fixed, ReasonCode::SettingCloses));
    for host in [slpd(true), esxi(OLD_ESXI, &[])] {
        let finding = esxi_finding(host, rows(), "2026-11-21");
        assert_eq!(finding.status, Status::Affected);
        let hint = finding.reasons.iter().find(|one| one.code == ReasonCode::WorkaroundKnown).unwrap();
        assert!(
            hint.text.contains("false would close it") && hint.text.contains("R. Eviewer"),
            "{}",
            hint.text
        );
        assert_eq!(hint.feed.as_ref().unwrap().as_str(), "conditions");
    }
    assert_eq!(esxi_status(slpd(false), vec![]).0, Status::Affected, "no row, no workaround");
    let mut other = rows();
    other[0].vulnerability = vulnerability("CVE-2026-9");
    assert_eq!(esxi_status(slpd(false), other).0, Status::Affected, "about another vulnerability");
    let mut other = rows();
    other[0].family = Some(Family::Vcenter);
    assert_eq!(esxi_status(slpd(false), other).0, Status::Affected, "about another product");
}

#[test]
fn an_unreviewed_workaround_closes_nothing_and_says_how_to_review_it() {
    let finding = esxi_finding(slpd(false), vec![slpd_off()], "2026-11-21");
    assert_eq!((finding.status, finding.reasons[0].code), (Status::Affected, ReasonCode::BelowFix));
    let hint = finding.reasons.iter().find(|one| one.code == ReasonCode::WorkaroundKnown).unwrap();
    for part in ["slpd.enabled is false", "SA-1", "reviewed: no", "closes nothing", "reviewed_by", "--feeds"]
    {
        assert!(hint.text.contains(part), "{part}: {}", hint.text);
    }
    // One reviewed row among others of the same content is enough, in whichever order they come.
    for rows in [
        vec![slpd_off(), reviewed(slpd_off(), "2026-01-01")],
        vec![reviewed(slpd_off(), "2026-01-01"), slpd_off()],
    ] {
        assert_eq!(esxi_status(slpd(false), rows).0, Status::Fixed);
    }
}

#[test]
fn conditions_and_reviews_count_from_their_day_on() {
    let rows = || vec![reviewed(slpd_off(), "2026-06-01")];
    assert_eq!(esxi_finding(slpd(false), rows(), "2026-06-01").status, Status::Fixed);
    let before_review = esxi_finding(slpd(false), rows(), "2026-05-31");
    assert_eq!(before_review.status, Status::Affected);
    assert!(before_review.reasons.iter().any(|one| one.code == ReasonCode::WorkaroundKnown));
    let unpublished = esxi_finding(slpd(false), rows(), "2019-12-31");
    assert!(unpublished.reasons.iter().all(|one| one.code != ReasonCode::WorkaroundKnown));
    let demand = Effect::NeededWithFix(setting("boot.flag", "true"));
    let demand = || vec![condition(ESXI_CVE, Some(Family::Esxi), demand.clone())];
    assert_eq!(esxi_finding(esxi(NEW_ESXI, &[]), demand(), "2020-01-01").status, Status::UnknownRunning);
    assert_eq!(esxi_finding(esxi(NEW_ESXI, &[]), demand(), "2019-12-31").status, Status::Fixed);
}

#[test]
fn a_workaround_of_another_or_an_unknown_train_closes_nothing_and_a_demand_still_demands() {
    let of_train = |mut row: Condition, train: &str| {
        row.train = Some(train.into());
        vec![row]
    };
    let workaround = || reviewed(slpd_off(), "2026-01-01");
    assert_eq!(esxi_status(slpd(false), of_train(workaround(), "7.0")).0, Status::Fixed, "the whole line");
    assert_eq!(esxi_status(slpd(false), of_train(workaround(), "8.0")).0, Status::Affected);
    let demand = condition(ESXI_CVE, Some(Family::Esxi), Effect::NeededWithFix(setting("flag", "true")));
    // `host` fills the train in; without it the version alone does not tell.
    let unknown = |version: &str| {
        let mut host = esxi(version, &[("slpd.enabled", false.into())]);
        let set = host.components.as_mut().unwrap();
        set.train = None;
        set.components[0].version = version.rsplit('-').next().unwrap().to_owned();
        host
    };
    let old = esxi_finding(unknown(OLD_ESXI), of_train(workaround(), "7.0"), "2026-11-21");
    assert_ne!(old.status, Status::Fixed, "{:?}", old.reasons);
    let new = esxi_finding(unknown(NEW_ESXI), of_train(demand, "7.0"), "2026-11-21");
    assert_ne!(new.status, Status::Fixed, "{:?}", new.reasons);
}

#[test]
fn a_fix_that_is_delivered_switched_off_needs_its_setting() {
    let name = "VMkernel.Boot.hyperthreadingMitigation";
    let demand = || condition(ESXI_CVE, Some(Family::Esxi), Effect::NeededWithFix(setting(name, "true")));
    let of = |settings: &[(&str, serde_json::Value)]| esxi_status(esxi(NEW_ESXI, settings), vec![demand()]);
    assert_eq!(of(&[(name, true.into())]).0, Status::Fixed);
    assert_eq!(of(&[(name, false.into())]), (Status::FixedNotRunning, ReasonCode::SettingMissing));
    assert_eq!(of(&[]), (Status::UnknownRunning, ReasonCode::SettingMissing));
    let unreviewed = esxi_finding(esxi(NEW_ESXI, &[]), vec![demand()], "2026-11-21");
    let text = &unreviewed.reasons[0].text;
    assert!(text.contains("reviewed: no, from general knowledge") && text.contains("SA-1"), "{text}");
    assert!(unreviewed.fix.unwrap().needs.iter().any(|need| matches!(need, Need::Set { .. })));
    // All settings must be in force, and what is known to be missing weighs more than what is not known.
    let second = condition(ESXI_CVE, Some(Family::Esxi), Effect::NeededWithFix(setting("second", "on")));
    let both = |settings: &[(&str, serde_json::Value)]| {
        esxi_status(esxi(NEW_ESXI, settings), vec![demand(), second.clone()]).0
    };
    assert_eq!(both(&[(name, true.into())]), Status::UnknownRunning);
    assert_eq!(both(&[("second", "off".into())]), Status::FixedNotRunning);
    assert_eq!(both(&[(name, true.into()), ("second", "ON".into())]), Status::Fixed);
}

#[test]
fn conditions_are_about_packages_as_well_as_products() {
    let rows = vec![reviewed(
        condition(CVE, Some(Family::Debian), Effect::Closes(setting("usb.passthrough", "off"))),
        "2026-01-01",
    )];
    let of = |value: &str| {
        let old = package("qemu-system-x86", OLD, Some(("qemu", None)));
        let mut host = host("h1", set(Family::Debian, "bookworm", vec![old]));
        host.settings.insert("usb.passthrough".to_owned(), Setting::Plain(value.into()));
        let feeds = vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, NEW), conditions("mine", rows.clone())];
        status(&run(&fleet(vec![host], vec![]), feeds), "h1", "qemu-system-x86", CVE)
    };
    assert_eq!((of("off"), of("on")), (Some(Status::Fixed), Some(Status::Affected)));
}

#[test]
fn workarounds_in_prose_are_hints_and_close_nothing() {
    let remedy = |kind, url: Option<&str>| Remedy {
        vulnerabilities: [vulnerability(ESXI_CVE)].into(),
        kind,
        restart: Restart::Unknown,
        url: url.map(str::to_owned),
    };
    let hints = |remedies: Vec<Remedy>, version: &str| {
        let mut feed = esxi_feed();
        feed.documents[0].advisories[0].remedies = remedies;
        let assessment = run(&fleet(vec![esxi(version, &[])], vec![]), vec![feed]);
        let exposure = assessment.exposures().find(|one| one.finding.vulnerability.is_some()).unwrap();
        let reasons = exposure.finding.reasons.iter().filter(|one| one.code == ReasonCode::WorkaroundKnown);
        (exposure.finding.status, reasons.map(|one| one.text.to_string()).collect::<Vec<_>>())
    };
    let url = "https://example.org/workaround";
    let (status, texts) = hints(vec![remedy(RemedyKind::Workaround, Some(url))], OLD_ESXI);
    assert_eq!(status, Status::Affected);
    assert!(texts[0].contains("VMSA-1 describes a workaround") && texts[0].contains(url), "{texts:?}");
    let (status, texts) = hints(vec![remedy(RemedyKind::Mitigation, None)], OLD_ESXI);
    assert!(status == Status::Affected && texts[0].contains("a mitigation;"), "{texts:?}");
    assert_eq!(hints(vec![remedy(RemedyKind::VendorFix, None)], OLD_ESXI).1, [""; 0]);
    assert_eq!(hints(vec![remedy(RemedyKind::Workaround, None)], NEW_ESXI), (Status::Fixed, vec![]));
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
    let fix = || debian_fix("DSA-1", "bookworm", "linux", "CVE-2018-12130", "6.1.100-1");
    let without = run(&fleet(vec![host.clone()], vms.clone()), vec![fix()]);
    let kernel = "linux-image-6.1.0-56-amd64";
    assert_eq!(status(&without, "before", kernel, "CVE-2018-12130"), None, "nobody says that flags matter");
    let feeds =
        vec![fix(), conditions("mine", vec![condition("CVE-2018-12130", None, Effect::ColdStartGuests)])];
    let assessment = run(&fleet(vec![host], vms), feeds);
    let of = |asset| status(&assessment, asset, "linux-image-6.1.0-56-amd64", "CVE-2018-12130");
    assert_eq!(of("h1"), Some(Status::Fixed));
    assert_eq!(of("since"), Some(Status::Fixed));
    assert_eq!(of("before"), Some(Status::FixedNotRunning));
    assert_eq!(of("unknown"), Some(Status::UnknownRunning));
    let before = assessment.exposures().find(|one| &*one.asset.id == "before").unwrap();
    assert!(before.finding.reasons[0].text.contains("(SA-1; reviewed: no, from general knowledge)"));
}

/// Which host it stands on is not known: it has its holes all the same, and at worst they are open on each host that it may stand on.
#[test]
fn a_guest_of_no_known_host_keeps_its_vmm_too() {
    let base = FactBase::new(vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, NEW)]);
    let of = |host: Option<&str>, vmm: Option<&str>| {
        let mut one = guest("one", vmm);
        one.host = host.map(|it| HostId::new(it).unwrap());
        let fleet = fleet(vec![kvm_host()], vec![one]);
        let assessment = assess(&fleet, &base, &Options::at(now()));
        let worst = at_worst(&fleet, &base, &assessment);
        let of = |of: &Assessment, asset| status(of, asset, "qemu-system-x86", CVE);
        (of(&assessment, "one"), of(&assessment, "h1"), of(&worst, "h1"))
    };
    let open = Some(Status::FixedNotRunning);
    assert_eq!(of(Some("h1"), Some(OLD)), (open, open, open));
    assert_eq!(of(None, Some(OLD)), (open, Some(Status::Fixed), open));
    assert_eq!(of(None, Some(NEW)), (Some(Status::Fixed), Some(Status::Fixed), Some(Status::Fixed)));
    assert_eq!(of(None, None), (None, Some(Status::Fixed), Some(Status::Affected)), "nor is its VMM");
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
    let with = |signature: &str, mask: u32, revision: Option<&str>| {
        let mut host = kvm_host();
        host.cpu = Some(Cpu {
            signature: Some(signature.to_owned()),
            platform_mask: Some(mask),
            microcode: revision.map(str::to_owned),
            ..Cpu::default()
        });
        status(&run(&fleet(vec![host], vec![]), feeds()), "h1", "microcode", "INTEL-SA-1")
    };
    let of = |signature: &str, mask: u32, revision: &str| with(signature, mask, Some(revision));
    assert_eq!(of("06-55-04", 0x1, "0x2007006"), Some(Status::Affected));
    assert_eq!(of("06-55-04", 0x1, "0x2007108"), Some(Status::Fixed));
    assert_eq!(of("06-55-04", 0x8, "0x2007006"), None, "another platform id");
    assert_eq!(of("06-55-07", 0x1, "0x2007006"), None, "another stepping");
    assert_eq!(with("06-55-04", 0x1, None), Some(Status::UnknownVersion), "nobody has listed the revision");
    assert_eq!(with("06-55-07", 0x1, None), None, "whatever it is");
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
        idle.id = HostId::new("idle").unwrap();
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
        vm.vmm = Some(RunningVmm { component: "qemu-kvm".into(), version: version.into() });
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
