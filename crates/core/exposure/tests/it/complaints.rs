//! What users of scanners complain about (backports, metapackages, names, trains, architectures, stale feeds): each
//! complaint is a test.

use underpin_exposure::Status;
use underpin_exposure::report::{AssetKind, ReasonCode};
use underpin_model::facts::{
    Bound, DateKind, Family, Justification, NameKind, Range, ReleaseFact, Supersedence, Verdict,
};
use underpin_model::fleet::{Component, ComponentKind, Host, Install};
use underpin_model::version::Scheme;

use crate::build::*;

const CVE: &str = "CVE-2026-0001";

fn debian(version: &str) -> Status {
    let host = host(
        "h1",
        set(Family::Debian, "bookworm", vec![package("qemu-utils", version, Some(("qemu", None)))]),
    );
    let assessment = run(
        &fleet(vec![host], vec![]),
        vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, "1:7.2+dfsg-7+deb12u9")],
    );
    status(&assessment, "h1", "qemu-utils", CVE).unwrap()
}

#[test]
fn a_backported_fix_counts_though_the_upstream_version_is_old() {
    assert_eq!(debian("1:7.2+dfsg-7+deb12u9"), Status::Fixed);
    assert_eq!(debian("1:7.2+dfsg-7+deb12u8"), Status::Affected);
    assert_eq!(debian("1:7.2+dfsg-7+deb12u10"), Status::Fixed);
}

#[test]
fn an_epoch_decides_before_the_version_does() {
    assert_eq!(debian("7.2+dfsg-7+deb12u9"), Status::Affected, "epoch 0 is before epoch 1");
    assert_eq!(debian("2:1.0-1"), Status::Fixed);
}

#[test]
fn an_upstream_range_says_nothing_about_a_distribution_package() {
    let upstream = product(Family::Upstream, None, "qemu/qemu", NameKind::Product);
    let range = Range { introduced: None, until: Bound::Before("9.0.0".into()) };
    let feeds = vec![feed(
        "cve",
        vec![document("CVE-2026-0001", vec![claim(CVE, upstream, Verdict::Affected(range))])],
    )];
    let host = host(
        "h1",
        set(Family::Debian, "bookworm", vec![package("qemu-utils", "1:7.2-1", Some(("qemu", None)))]),
    );
    let assessment = run(&fleet(vec![host], vec![]), feeds);
    assert_eq!(
        statuses(&assessment, AssetKind::Host),
        [("qemu-utils".to_owned(), "-".to_owned(), Status::UnknownNoSource)]
    );
}

#[test]
fn a_component_that_nobody_makes_says_what_to_add() {
    let mut host = host("h1", set(Family::Debian, "bookworm", vec![package("mystery", "1.0", None)]));
    let said = |host: &Host| {
        let assessment = run(&fleet(vec![host.clone()], vec![]), Vec::new());
        assessment.findings[0].reasons[0].text.to_string()
    };
    assert_eq!(said(&host), "no feed covers debian bookworm mystery");
    host.components.as_mut().unwrap().family = None;
    assert!(said(&host).contains("nobody says who makes it; add `family`"), "{}", said(&host));
}

#[test]
fn a_binary_package_is_matched_by_its_source_package_and_the_source_version() {
    // The binary libxen-dev4.17 is built from xen; a binNMU adds +b1 to the binary only.
    let components = vec![
        package("libxenstore4", "4.17.1-2+b1", Some(("xen", None))),
        package("libxenmisc4.17", "99", Some(("xen", Some("4.17.1-2")))),
        package("xen-tools", "4.9.1-1", None),
    ];
    let host = host("h1", set(Family::Debian, "bookworm", components));
    let assessment =
        run(&fleet(vec![host], vec![]), vec![debian_fix("DSA-1", "bookworm", "xen", CVE, "4.17.1-2")]);
    assert_eq!(status(&assessment, "h1", "libxenstore4", CVE), Some(Status::Fixed));
    assert_eq!(
        status(&assessment, "h1", "libxenmisc4.17", CVE),
        Some(Status::Fixed),
        "the source's version counts"
    );
    assert_eq!(status(&assessment, "h1", "xen-tools", CVE), None, "another source that only sounds alike");
}

#[test]
fn an_rpm_sub_package_with_a_version_of_its_own_is_not_judged_by_the_source_version() {
    let source = product(Family::RedHat, Some("8"), "perl", NameKind::Source);
    let feeds = vec![feed(
        "rh",
        vec![document("RHSA-1", vec![claim(CVE, source, Verdict::FixedIn("4:5.26.3-419.el8".into()))])],
    )];
    let components = vec![package("perl-Errno", "1.28-416.el8", Some(("perl", None)))];
    let assessment = run(&fleet(vec![host("h1", set(Family::RedHat, "8", components))], vec![]), feeds);
    assert_eq!(status(&assessment, "h1", "perl-Errno", CVE), None);
}

#[test]
fn metapackages_and_headers_are_not_reported_as_vulnerable() {
    let components = vec![
        package(
            "linux-image-amd64",
            "6.12.9-1~bpo12+1",
            Some(("linux-signed-amd64", Some("6.12.9+1~bpo12+1"))),
        ),
        package("linux-headers-6.1.0-40-amd64", "6.1.100-1", Some(("linux", None))),
    ];
    let host = host("h1", set(Family::Debian, "bookworm", components));
    let assessment =
        run(&fleet(vec![host], vec![]), vec![debian_fix("DSA-1", "bookworm", "linux", CVE, "6.1.170-1")]);
    for (component, _, status) in statuses(&assessment, AssetKind::Host) {
        assert_eq!(status, Status::NotAffected, "{component}");
    }
    let reasons: Vec<ReasonCode> =
        assessment.findings.iter().flat_map(|one| &one.reasons).map(|reason| reason.code).collect();
    assert!(reasons.iter().all(|code| *code == ReasonCode::CarriesNoCode), "{reasons:?}");
}

#[test]
fn a_backports_package_is_not_judged_by_the_fixes_of_the_suite() {
    // 10.0 from backports is above every 7.2 fix of bookworm, and may lack them all the same.
    let components = vec![package("qemu-system-x86", "1:10.0.2+ds-2~bpo12+1", Some(("qemu", None)))];
    let host = host("h1", set(Family::Debian, "bookworm", components));
    let assessment = run(
        &fleet(vec![host], vec![]),
        vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, "1:7.2+dfsg-7+deb12u9")],
    );
    assert_eq!(
        statuses(&assessment, AssetKind::Host),
        [("qemu-system-x86".to_owned(), "-".to_owned(), Status::UnknownNoSource)]
    );
}

#[test]
fn a_clone_distribution_is_not_matched_by_its_parents_build_numbers() {
    let red_hat = product(Family::RedHat, Some("8"), "qemu-kvm", NameKind::Binary);
    let feeds = vec![feed(
        "rh",
        vec![document("RHSA-1", vec![claim(CVE, red_hat, Verdict::FixedIn("15:6.2.0-50.el8".into()))])],
    )];
    let components = vec![package("qemu-kvm", "15:6.2.0-40.el8", None)];
    let assessment = run(&fleet(vec![host("h1", set(Family::Rocky, "8", components))], vec![]), feeds);
    assert_eq!(status(&assessment, "h1", "qemu-kvm", CVE), None);
    assert_eq!(assessment.summary.unknown_no_source, 1);
}

#[test]
fn each_module_stream_has_its_own_fix() {
    let fix = |version: &str| {
        let product = product(Family::AlmaLinux, Some("8"), "qemu-kvm", NameKind::Binary);
        claim(CVE, product, Verdict::FixedIn(version.into()))
    };
    let feeds = || {
        let old = document("ALSA-1", vec![fix("15:4.2.0-59.module_el8.5.0+2608")]);
        let new = document("ALSA-2", vec![fix("15:6.2.0-12.module_el8.6.0+2880")]);
        vec![feed("alma", vec![old, new])]
    };
    let of = |version: &str| {
        let components = vec![package("qemu-kvm", version, None)];
        let assessment =
            run(&fleet(vec![host("h1", set(Family::AlmaLinux, "8", components))], vec![]), feeds());
        status(&assessment, "h1", "qemu-kvm", CVE).unwrap()
    };
    assert_eq!(of("15:4.2.0-60.module_el8.5.0+9999"), Status::Fixed, "the 6.2 stream's fix is not for it");
    assert_eq!(of("15:6.2.0-11.module_el8.6.0+2700"), Status::Affected, "the 4.2 stream's fix is not for it");
    assert_eq!(
        of("15:5.2.0-1.module_el8.4.0+1"),
        Status::Affected,
        "no fix for its stream: the careful answer"
    );
}

#[test]
fn another_architecture_is_not_affected_by_it() {
    let mut product = product(Family::AlmaLinux, Some("9"), "kernel-core", NameKind::Binary);
    product.arch = Some("s390x".into());
    let feeds = vec![feed(
        "alma",
        vec![document("ALSA-1", vec![claim(CVE, product, Verdict::FixedIn("5.14.0-500.el9".into()))])],
    )];
    let mut component = package("kernel-core", "5.14.0-400.el9", None);
    component.arch = Some("x86_64".to_owned());
    let assessment =
        run(&fleet(vec![host("h1", set(Family::AlmaLinux, "9", vec![component]))], vec![]), feeds);
    assert_eq!(status(&assessment, "h1", "kernel-core", CVE), None);
}

#[test]
fn an_old_kernel_beside_the_running_new_one_is_no_exposure_and_a_new_one_that_does_not_run_is_no_fix() {
    let kernels = || {
        vec![
            package(
                "linux-image-6.1.0-40-amd64",
                "6.1.150-1",
                Some(("linux-signed-amd64", Some("6.1.150+1"))),
            ),
            package(
                "linux-image-6.1.0-56-amd64",
                "6.1.192-2",
                Some(("linux-signed-amd64", Some("6.1.192+2"))),
            ),
        ]
    };
    let of = |release: &str| {
        let mut host = host("h1", set(Family::Debian, "bookworm", kernels()));
        host.kernel_release = Some(release.to_owned());
        run(&fleet(vec![host], vec![]), vec![debian_fix("DSA-1", "bookworm", "linux", CVE, "6.1.170-1")])
    };
    let rebooted = of("6.1.0-56-amd64");
    assert_eq!(rebooted.findings.len(), 1, "{:?}", rebooted.findings);
    assert_eq!(status(&rebooted, "h1", "linux-image-6.1.0-56-amd64", CVE), Some(Status::Fixed));
    let pending = of("6.1.0-40-amd64");
    assert_eq!(status(&pending, "h1", "linux-image-6.1.0-56-amd64", CVE), Some(Status::FixedNotRunning));
    assert_eq!(pending.findings[0].reasons[0].code, ReasonCode::RunningDiffers);
    let unknown = of("5.0.0-foreign");
    assert_eq!(status(&unknown, "h1", "linux-image-6.1.0-56-amd64", CVE), Some(Status::UnknownRunning));
}

#[test]
fn a_removed_package_with_configuration_files_is_no_exposure() {
    let mut component = package("qemu-utils", "1:5.0-1", Some(("qemu", None)));
    component.install = Install::ConfigFiles;
    let host = host("h1", set(Family::Debian, "bookworm", vec![component]));
    let assessment =
        run(&fleet(vec![host], vec![]), vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, "1:7.2-9")]);
    assert!(assessment.findings.is_empty());
}

#[test]
fn esxi_builds_are_compared_within_their_update_train() {
    let fix = |train: &str, version: &str| {
        let product = product(Family::Esxi, Some(train), "esxi", NameKind::Product);
        claim(CVE, product, Verdict::FixedIn(version.into()))
    };
    let of = |train: &str, version: &str| {
        let claims = vec![fix("8.0U3", "ESXi80U3d-24585383"), fix("8.0U2", "ESXi80U2d-24585300")];
        let component = Component::new("esxi", version, ComponentKind::Product);
        let host = host("h1", set(Family::Esxi, train, vec![component]));
        let assessment =
            run(&fleet(vec![host], vec![]), vec![feed("vmsa", vec![document("VMSA-1", claims)])]);
        status(&assessment, "h1", "esxi", CVE).unwrap()
    };
    assert_eq!(of("8.0U3", "ESXi80U3d-24585383"), Status::Fixed);
    assert_eq!(of("8.0U3", "ESXi80U3c-24414501"), Status::Affected);
    assert_eq!(
        of("8.0U2", "ESXi80U2d-24585300"),
        Status::Fixed,
        "a lower build than U3d's, and fixed in its own train"
    );
    assert_eq!(
        of("8.0U1", "ESXi80U1e-99999999"),
        Status::Affected,
        "no fix for U1: a high build does not help"
    );
}

#[test]
fn a_newer_windows_update_contains_the_one_that_it_replaces() {
    let product = product(Family::Windows, None, "Windows Server 2022", NameKind::Product);
    let feeds = || {
        let mut document =
            document("MSRC-1", vec![claim(CVE, product.clone(), Verdict::FixedIn("5001".into()))]);
        for (newer, older) in [("5002", "5001"), ("5003", "5002"), ("5001", "5003")] {
            let component = "Windows Server 2022".into();
            document.supersedences.push(Supersedence { component, newer: newer.into(), older: older.into() });
        }
        vec![feed("msrc", vec![document])]
    };
    let of = |updates: &[&str]| {
        let mut components =
            vec![Component::new("Windows Server 2022", "10.0.20348", ComponentKind::Product)];
        components.extend(updates.iter().map(|kb| Component::new(*kb, "", ComponentKind::Update)));
        let host = host("h1", set(Family::Windows, "2022", components));
        let assessment = run(&fleet(vec![host], vec![]), feeds());
        status(&assessment, "h1", "Windows Server 2022", CVE).unwrap()
    };
    assert_eq!(of(&[]), Status::Affected);
    assert_eq!(of(&["KB5001"]), Status::Fixed);
    assert_eq!(of(&["KB5003"]), Status::Fixed, "over two steps, and the chain has a cycle");
    assert_eq!(of(&["KB4000"]), Status::Affected);
}

#[test]
fn what_an_update_train_of_esxi_never_got_is_no_hole_of_the_next() {
    let on = |train: &str, verdict| {
        claim(CVE, product(Family::Esxi, Some(train), "ESXi", NameKind::Product), verdict)
    };
    let of = |train: &str, version: &str| {
        let claims = vec![
            on("7.0U1", Verdict::Affected(Range::all())),
            on("7.0U2", Verdict::Affected(Range::all())),
            on("7.0U3", Verdict::FixedIn("ESXi70U3p-23307199".into())),
        ];
        let host = host(
            "h1",
            set(Family::Esxi, train, vec![Component::new("esxi", version, ComponentKind::Product)]),
        );
        let assessment = run(&fleet(vec![host], vec![]), vec![feed("cve5", vec![document("CVE-1", claims)])]);
        status(&assessment, "h1", "esxi", CVE)
    };
    assert_eq!(of("7.0U3", "VMware ESXi 7.0.3 build-24585291"), Some(Status::Fixed));
    assert_eq!(of("7.0U3", "7.0.3-20842708"), Some(Status::Affected));
    assert_eq!(of("7.0U2", "7.0.2-18426014"), Some(Status::Affected));
}

#[test]
fn a_line_of_esxi_called_affected_yields_to_the_fix_of_a_train() {
    let on = |train: &str, verdict| {
        claim(CVE, product(Family::Esxi, Some(train), "esxi", NameKind::Product), verdict)
    };
    let of = |train: &str, version: &str, claims: Vec<_>| {
        let components = vec![Component::new("esxi", version, ComponentKind::Product)];
        let feeds = vec![feed("cve5", vec![document("CVE-1", claims)])];
        let host = host("h1", set(Family::Esxi, train, components));
        status(&run(&fleet(vec![host], vec![]), feeds), "h1", "esxi", CVE)
    };
    let line = || on("8.0", Verdict::Affected(Range::all()));
    let fix = || on("8.0U2", Verdict::FixedIn("ESXi80U2sb-23305545".into()));
    assert_eq!(of("8.0U3", "8.0.3-24022510", vec![line(), fix()]), Some(Status::Fixed));
    assert_eq!(of("8.0U2", "8.0.2-23305546", vec![line(), fix()]), Some(Status::Fixed));
    assert_eq!(of("8.0U1", "8.0.1-21495797", vec![line(), fix()]), Some(Status::Affected));
    assert_eq!(of("8.0U3", "8.0.3-24022510", vec![line()]), Some(Status::Affected));
}

#[test]
fn a_windows_version_without_its_revision_does_not_contradict_the_installed_update() {
    let windows = || product(Family::Windows, None, "Windows Server 2022", NameKind::Product);
    let mut by_build = windows();
    by_build.scheme = Scheme::Generic;
    let before = |fix: &str| Range { introduced: None, until: Bound::Before(fix.into()) };
    let of = |version: &str, updates: &[&str]| {
        let kb = document("MSRC-1", vec![claim(CVE, windows(), Verdict::FixedIn("5001".into()))]);
        let range = Verdict::Affected(before("10.0.20348.2762"));
        let build = document("CVE-1", vec![claim(CVE, by_build.clone(), range)]);
        let mut components = vec![Component::new("Windows Server 2022", version, ComponentKind::Product)];
        components.extend(updates.iter().map(|kb| Component::new(*kb, "", ComponentKind::Update)));
        let host = host("h1", set(Family::Windows, "2022", components));
        let feeds = vec![feed("msrc", vec![kb]), feed("cve5", vec![build])];
        status(&run(&fleet(vec![host], vec![]), feeds), "h1", "Windows Server 2022", CVE)
    };
    assert_eq!(of("10.0.20348", &["KB5001"]), Some(Status::Fixed));
    assert_eq!(of("10.0.20348", &[]), Some(Status::Affected));
    assert_eq!(of("10.0.20348.2700", &[]), Some(Status::Affected));
    assert_eq!(of("10.0.20348.2700", &["KB5001"]), Some(Status::UnknownConflict));
}

/// An issuer's chain has gaps; what is known of each update is its day.
#[test]
fn a_later_windows_update_contains_the_earlier_ones_where_updates_are_cumulative() {
    let of = |product_name: &str, running: Option<&str>| {
        let windows = product(Family::Windows, None, product_name, NameKind::Product);
        let mut document = document("MSRC-1", vec![claim(CVE, windows, Verdict::FixedIn("5001".into()))]);
        for (kb, date) in [("5000", "2024-01-09"), ("5001", "2024-02-13"), ("5002", "2024-03-12")] {
            document.releases.push(ReleaseFact {
                family: Family::Windows,
                train: None,
                component: product_name.into(),
                version: kb.into(),
                date: date.parse().unwrap(),
                date_kind: DateKind::Published,
                bulletin: None,
                class: None,
                fixes: Vec::new(),
            });
        }
        let installed = Component::new("KB5002", "", ComponentKind::Update);
        let system = Component::new(product_name, "10.0", ComponentKind::Product);
        let mut host = host("h1", set(Family::Windows, "any", vec![system, installed]));
        host.running.extend(running.map(|kb| (product_name.to_owned(), kb.to_owned())));
        let assessment = run(&fleet(vec![host], vec![]), vec![feed("msrc", vec![document])]);
        status(&assessment, "h1", product_name, CVE).unwrap()
    };
    assert_eq!(of("Windows Server 2022", None), Status::Fixed);
    assert_eq!(of("Windows Server 2022", Some("KB5002")), Status::Fixed);
    assert_eq!(of("Windows Server 2022", Some("KB5001")), Status::Fixed);
    assert_eq!(of("Windows Server 2022", Some("KB5000")), Status::FixedNotRunning, "it was not booted since");
    assert_eq!(of("Windows Server, version 23H2", None), Status::Fixed);
    assert_eq!(of("Windows 11 Version 24H2 for x64-based Systems", None), Status::Fixed);
    // There an update of March may be for one hole only.
    assert_eq!(of("Windows Server 2012 R2", None), Status::Affected);
    assert_eq!(of("Windows Server 2008 for x64-based Systems", None), Status::Affected);
}

#[test]
fn a_vex_statement_of_the_supplier_beats_a_range() {
    let xen = || product(Family::Debian, Some("bookworm"), "xen", NameKind::Source);
    let vex = Verdict::NotAffected(Range::all(), Justification::ComponentNotPresent);
    let feeds = vec![
        debian_fix("DSA-1", "bookworm", "xen", CVE, "4.17.9-1"),
        feed("vex", vec![document("VEX-1", vec![claim(CVE, xen(), vex)])]),
    ];
    let host = host(
        "h1",
        set(Family::Debian, "bookworm", vec![package("xen-utils-4.17", "4.17.1-1", Some(("xen", None)))]),
    );
    let assessment = run(&fleet(vec![host], vec![]), feeds);
    assert_eq!(status(&assessment, "h1", "xen-utils-4.17", CVE), Some(Status::NotAffected));
    let reason = &assessment.findings[0].reasons[0];
    assert_eq!(
        (reason.code, &*reason.text),
        (
            ReasonCode::VexNotAffected,
            "VEX-1 states that xen-utils-4.17 is not affected: the component is not present"
        )
    );
}

#[test]
fn after_the_end_of_its_coverage_a_component_is_unknown() {
    let product = product(Family::Debian, Some("bullseye"), "xen", NameKind::Source);
    let ended = document("DSA-1", vec![claim(CVE, product, Verdict::FixedIn("4.14.5-1".into()))]);
    let feeds =
        vec![feed("dsa", vec![covering(ended, Family::Debian, Some("bullseye"), Some("xen"), "2023-04-01")])];
    let host = host(
        "h1",
        set(Family::Debian, "bullseye", vec![package("xen-utils-4.14", "4.14.6-1", Some(("xen", None)))]),
    );
    let assessment = run(&fleet(vec![host], vec![]), feeds);
    assert_eq!(assessment.summary.unknown_no_source, 1);
    let reason = &assessment.findings[0].reasons[0];
    assert_eq!(reason.code, ReasonCode::CoverageEnded);
    assert_eq!(
        &*reason.text,
        "what was published after 2023-04-01 is unknown: dsa covers it up to that day only"
    );
}

#[test]
fn a_version_that_is_none_is_unknown_and_named() {
    let host = host(
        "h1",
        set(Family::Debian, "bookworm", vec![package("qemu-utils", "not a version!", Some(("qemu", None)))]),
    );
    let assessment =
        run(&fleet(vec![host], vec![]), vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, "1:7.2-9")]);
    assert_eq!(status(&assessment, "h1", "qemu-utils", CVE), Some(Status::UnknownVersion));
}

#[test]
fn a_package_rebuilt_for_a_suite_has_the_fixes_of_what_it_was_rebuilt_from() {
    let xen = |version| package("xen-utils-4.17", version, Some(("xen", None)));
    let judged = |version, train| {
        let host = host("h", set(Family::Debian, "bookworm", vec![xen(version)]));
        let feeds = vec![debian_fix("upload", train, "xen", "CVE-1", "4.17.3+10-1")];
        status(&run(&fleet(vec![host], vec![]), feeds), "h", "xen-utils-4.17", "CVE-1")
    };
    // It sorts before 4.17.3+10-1 so that an upgrade to the next suite replaces it.
    assert_eq!(judged("4.17.3+10-1~deb12u1", "unstable"), Some(Status::Fixed));
    assert_eq!(judged("4.17.2+76-1~deb12u1", "unstable"), Some(Status::Affected));
    // Within the suite it is not the same as the upload without the mark.
    assert_eq!(judged("4.17.3+10-1~deb12u1", "bookworm"), Some(Status::Affected));
    // A suite that took the package from experimental has what was fixed there.
    assert_eq!(judged("4.17.4-1", "experimental"), Some(Status::Fixed));
}

#[test]
fn what_was_published_after_the_day_of_the_report_is_not_known_on_it() {
    let host = host(
        "h1",
        set(Family::Debian, "bookworm", vec![package("qemu-utils", "1:7.2-1", Some(("qemu", None)))]),
    );
    let fleet = fleet(vec![host], vec![]);
    let base =
        underpin_exposure::FactBase::new(vec![debian_fix("DSA-1", "bookworm", "qemu", CVE, "1:7.2-9")]);
    let on = |moment: &str| {
        let options = underpin_exposure::Options::at(moment.parse().unwrap());
        status(&underpin_exposure::assess(&fleet, &base, &options), "h1", "qemu-utils", CVE)
    };
    assert_eq!(on("2026-11-21T12:00:00Z"), Some(Status::Affected), "published at that very moment");
    assert_eq!(on("2026-11-21T11:59:59Z"), None);
}

#[test]
fn the_fix_names_the_advisory_that_announces_it() {
    let product = || product(Family::Debian, Some("bookworm"), "qemu", NameKind::Source);
    let fixed = |version: &str| claim(CVE, product(), Verdict::FixedIn(version.into()));
    let documents = vec![
        document("DSA-1", vec![fixed("1:7.2-5")]),
        document("DSA-2", vec![fixed("1:7.2-9")]),
        document("DSA-3", vec![fixed("1:7.2-7")]),
    ];
    let host = host(
        "h1",
        set(Family::Debian, "bookworm", vec![package("qemu-utils", "1:7.2-1", Some(("qemu", None)))]),
    );
    let assessment = run(&fleet(vec![host], vec![]), vec![feed("dsa", documents)]);
    let fix = assessment.findings.iter().find_map(|one| one.fix.as_ref()).unwrap();
    assert_eq!((fix.version.as_deref(), fix.advisory.as_ref().unwrap().as_str()), (Some("1:7.2-9"), "DSA-2"));
}
