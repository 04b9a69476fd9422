//! What the real tables state: numbers of rows as their description gives them, and facts that can be looked up.

use std::collections::BTreeSet;

use jiff::civil::date;
use underpin_model::facts::{
    Coverage, DateKind, Effect, Family, Format, Justification, LifecycleDate, NameKind, PatchClass, Period,
    Range, RemedyKind, Review, SettingValue, Supersedence, Verdict,
};
use underpin_model::ssvc::Exploitation;

use super::{FILES, read, recognise, table};

#[test]
fn every_table_is_recognised_from_its_first_kilobytes() {
    for (file, format) in FILES {
        let Some(bytes) = read(file) else { return };
        assert_eq!(recognise(&bytes), Some(format), "{file}");
        assert_eq!(recognise(&bytes[..bytes.len().min(8192)]), Some(format), "{file}");
    }
}

fn covers(coverage: &[Coverage], family: &Family, train: Option<&str>, component: &str) -> Option<Period> {
    coverage
        .iter()
        .find(|line| {
            line.family == *family
                && line.train.as_deref() == train
                && line.component.as_deref() == Some(component)
        })
        .map(|line| line.period)
}

#[test]
fn debian_advisories() {
    let Some(document) = table(Format::DebianAdvisories) else { return };
    assert_eq!(document.advisories.len(), 428);
    let xen = document.advisories.iter().find(|advisory| advisory.id.as_str() == "DSA-5378-1").unwrap();
    insta::assert_json_snapshot!(xen);
    // A regression update without CVEs claims nothing; a first issue without CVEs is its own vulnerability.
    let by_id = |id: &str| document.advisories.iter().find(|advisory| advisory.id.as_str() == id).unwrap();
    assert!(by_id("DSA-5257-2").claims.is_empty());
    assert_eq!(by_id("DSA-4566-1").claims[0].vulnerabilities[0].as_str(), "DSA-4566-1");
    let unsupported = by_id("DSA-3699-1");
    assert_eq!(unsupported.claims[0].verdict, Verdict::Affected(Range::all()));
    assert_eq!(unsupported.remedies[0].kind, RemedyKind::NoFixPlanned);
    let covered = |suite, source| covers(&document.coverage, &Family::Debian, Some(suite), source);
    assert_eq!(covered("buster", "xen").unwrap().to, date(2023, 4, 1));
    assert_eq!(covered("bullseye", "xen").unwrap().to, date(2023, 3, 25));
    assert!(covered("etch", "linux-2.6").unwrap().to < date(2011, 1, 1), "etch is long gone");
    assert_eq!(covered("bookworm", "xen"), None, "the table has no bookworm rows");
}

#[test]
fn esxi_builds() {
    let Some(document) = table(Format::EsxiBuilds) else { return };
    assert_eq!(document.releases.len(), 329);
    let by_build = |build: &str| document.releases.iter().find(|release| &*release.version == build).unwrap();
    for (build, train, class) in [
        ("24585383", "8.0U3", None),
        ("24674464", "8.0U3", None),
        ("24585300", "8.0U2", None),
        ("24569005", "8.0", None),
        ("20513097", "8.0", None),
        ("15820472", "6.7", None),
        ("208167", "4.0U1", None),
        ("5485776", "6.0U3", Some(PatchClass::Security)),
        ("608089", "5.0U1", Some(PatchClass::Security)),
        ("7504623", "5.5U3", None),
        ("1636597", "5.5", None),
    ] {
        let release = by_build(build);
        assert_eq!((release.train.as_deref(), release.class), (Some(train), class), "{build}");
        assert_eq!(release.date_kind, DateKind::Published);
    }
    assert_eq!(by_build("608089").bulletin.as_ref().unwrap().as_str(), "ESXi500-update1");
    let line = covers(&document.coverage, &Family::Esxi, Some("8.0"), "ESXi").unwrap();
    let train = covers(&document.coverage, &Family::Esxi, Some("8.0U3"), "ESXi").unwrap();
    assert_eq!((line.to, train.to), (date(2025, 4, 10), date(2025, 4, 10)));
    assert!(line.from < train.from);
    let older = covers(&document.coverage, &Family::Esxi, Some("8.0U2"), "ESXi").unwrap();
    assert_eq!(older.to, line.to, "silence about an update train counts as long as its line is listed");
}

#[test]
fn vcenter_releases() {
    let Some(document) = table(Format::VcenterReleases) else { return };
    // 241 rows; editions and languages repeat a build on the same day.
    assert_eq!(document.releases.len(), 202);
    let by_build = |build: &str| document.releases.iter().find(|release| &*release.version == build).unwrap();
    for (build, train) in
        [("14836122", "6.7U3"), ("9232925", "6.7"), ("8803876", "6.0U3"), ("84767", "2.5U1")]
    {
        assert_eq!(by_build(build).train.as_deref(), Some(train), "{build}");
    }
    let end = covers(&document.coverage, &Family::Vcenter, Some("6.7"), "vCenter Server").unwrap().to;
    assert_eq!(end, date(2019, 10, 24));
}

#[test]
fn vmsa_facts() {
    let Some(document) = table(Format::VmsaFacts) else { return };
    let advisories = &document.advisories;
    assert_eq!(advisories.len(), 77);
    assert_eq!(advisories.iter().filter(|advisory| advisory.published.is_some()).count(), 29);
    assert_eq!(advisories.iter().filter(|advisory| !advisory.claims.is_empty()).count(), 48);
    let by_id = |id: &str| advisories.iter().find(|advisory| advisory.id.as_str() == id).unwrap();
    // Another's day is no day of issue.
    assert_eq!(by_id("VMSA-2010-0007").published, None);
    assert!(by_id("VMSA-2010-0007").updated.is_some());
    let has = |id: &str, train: &str, component: &str, kind, version: &str| {
        by_id(id).claims.iter().any(|claim| {
            claim.product.train.as_deref() == Some(train)
                && &*claim.product.component == component
                && claim.product.name_kind == kind
                && claim.verdict == Verdict::FixedIn(version.into())
        })
    };
    assert!(has("VMSA-2013-0003", "5.0", "ESXi", NameKind::Product, "912577"), "a build");
    assert!(has("VMSA-2012-0005", "4.1", "ESXi", NameKind::Product, "ESXi410-201110202-UG"), "a bulletin");
    assert!(
        has("VMSA-2012-0018", "5.1", "ESXi", NameKind::Product, "911593"),
        "the build that esx-base carries"
    );
    assert!(
        has("VMSA-2011-0009", "5.0", "net-e1000", NameKind::Binary, "8.0.3.1-2vmw.500.0.3.515841"),
        "a package"
    );
    assert!(document.coverage.is_empty(), "a selection of advisories promises nothing");
}

#[test]
fn xen_tables() {
    let Some(document) = table(Format::XenAdvisories) else { return };
    assert_eq!(document.vulnerabilities.len(), 502);
    assert_eq!(document.vulnerabilities.iter().filter(|xsa| xsa.withdrawn).count(), 10);
    assert!(document.advisories.is_empty(), "a verdict on another product is no claim about Xen");
    let Some(document) = table(Format::XenNotApplicable) else { return };
    let claims: Vec<_> = document.advisories.iter().flat_map(|advisory| &advisory.claims).collect();
    assert_eq!(claims.len(), 46);
    let because = |wanted| {
        let reason = |claim: &&&underpin_model::facts::Claim| matches!(&claim.verdict, Verdict::NotAffected(_, reason) if *reason == wanted);
        claims.iter().filter(reason).count()
    };
    assert_eq!(because(Justification::ComponentNotPresent), 23 + 7 + 2 + 2 + 1);
    assert_eq!(because(Justification::VersionNotInRange), 9);
    assert_eq!(because(Justification::VulnerableCodeNotPresent), 2);
    insta::assert_json_snapshot!(document.advisories[0]);
    let unknown = super::parse(
        br#"[{"package_version": "4.8.0-1", "xsa": 1, "reason_class": "moon-phase"}]"#,
        Format::XenNotApplicable,
    );
    let unknown = unknown.unwrap();
    let verdict = &unknown.advisories[0].claims[0].verdict;
    assert_eq!(*verdict, Verdict::NotAffected(Range::exactly("4.8.0-1"), Justification::NotGiven));
}

#[test]
fn msrc_updates() {
    let Some(document) = table(Format::MsrcUpdates) else { return };
    assert_eq!((document.advisories.len(), document.vulnerabilities.len()), (227, 227));
    let by_id = |id: &str| document.advisories.iter().find(|advisory| advisory.id.as_str() == id).unwrap();
    let old = by_id("CVE-2010-0026");
    assert_eq!((old.severity.as_deref(), old.class), (Some("important"), Some(PatchClass::Security)));
    let link = Supersedence {
        component: "Windows Server 2008 R2 for x64-based Systems".into(),
        newer: "2525835".into(),
        older: "2345316".into(),
    };
    assert!(document.supersedences.contains(&link));
    // All 792 rows without a KB are about a product that other rows of the same CVE give no KB for.
    let unfixed: usize = document
        .advisories
        .iter()
        .flat_map(|advisory| &advisory.claims)
        .filter(|claim| claim.verdict == Verdict::Affected(Range::all()))
        .count();
    assert_eq!(unfixed, expected_unfixed());
    let products: BTreeSet<_> =
        document.coverage.iter().map(|line| line.component.as_deref().unwrap()).collect();
    assert!(
        products.contains("Windows Server, version 1803 (Server Core installation)"),
        "spelling is uniform"
    );
    assert!(
        !products.iter().any(|name| name.contains("(server core") || name.contains("Core Installation)"))
    );
    let end = covers(&document.coverage, &Family::Windows, None, "Windows Server 2025").unwrap().to;
    assert_eq!(document.updated, super::super::rows::midnight(end));
}

/// Pairs of CVE and product (in uniform spelling) without any KB, counted on the raw rows.
fn expected_unfixed() -> usize {
    let bytes = read("msrc-hyperv-2010-2026.csv").unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let (mut with, mut without) = (BTreeSet::new(), BTreeSet::new());
    for row in reader.records() {
        let row = row.unwrap();
        let pair = (row[1].to_owned(), row[3].to_ascii_lowercase());
        if row[2].is_empty() {
            without.insert(pair)
        } else {
            with.insert(pair)
        };
    }
    without.difference(&with).count()
}

#[test]
fn release_history() {
    let Some(document) = table(Format::ReleaseHistory) else { return };
    assert_eq!(document.releases.len(), 3501);
    let security =
        document.releases.iter().filter(|release| release.class == Some(PatchClass::Security)).count();
    assert_eq!(security, 530);
    assert!(document.releases.iter().all(|release| release.date_kind == DateKind::Built));
    assert!(document.advisories.iter().all(|advisory| advisory.published.is_none()));
    let train = |family: &Family, source: &str, version: &str| {
        let release = document
            .releases
            .iter()
            .find(|r| r.family == *family && &*r.component == source && &*r.version == version);
        release.unwrap().train.as_deref().map(str::to_owned)
    };
    let trains: BTreeSet<_> = document
        .releases
        .iter()
        .filter(|release| release.family == Family::Debian)
        .filter_map(|release| release.train.as_deref())
        .collect();
    assert!(trains.contains("bookworm") && !trains.contains("bookworm-security"));
    assert_eq!(train(&Family::Proxmox, "pve-qemu-kvm", "11.0.0-2").as_deref(), Some("9"));
    assert_eq!(train(&Family::Proxmox, "pve-manager", "4.1-32").as_deref(), Some("4"));
    assert_eq!(train(&Family::Proxmox, "qemu-server", "4.0-80"), None);
    assert_eq!(train(&Family::XcpNg, "xen", "4.17.6-2.1").as_deref(), Some("8.3"));
    assert_eq!(train(&Family::XcpNg, "kernel", "4.19.19-8.0.38.4").as_deref(), Some("8.3"));
    assert_eq!(train(&Family::XcpNg, "kernel", "4.4.52-4.1.0"), None);
    assert_eq!(train(&Family::XcpNg, "kernel", "4.19.19-7.0.7"), None);
    let newest = |source: &str, suite: &str| {
        let of_suite =
            document.releases.iter().filter(|r| &*r.component == source && r.train.as_deref() == Some(suite));
        of_suite.map(|r| r.date).max().unwrap()
    };
    for source in ["xen", "qemu", "linux", "edk2", "openvswitch"] {
        let covered = covers(&document.coverage, &Family::Debian, Some("bookworm"), source).unwrap();
        assert_eq!(covered.to, newest(source, "bookworm"), "{source}");
    }
    let promised = |train: &str| document.coverage.iter().any(|line| line.train.as_deref() == Some(train));
    assert!(!promised("UNRELEASED") && !promised("focal"));
    assert!(document.coverage.iter().all(|line| line.train.is_some()), "an unknown train promises nothing");
}

/// Entries without a release in their version belong to a train only where the days of releases and entries say so.
#[test]
fn the_days_support_the_trains_of_xcp_ng() {
    let Some(history) = table(Format::ReleaseHistory) else { return };
    let Some(periods) = table(Format::EndOfLife) else { return };
    let period = |train: &str| {
        let mut all = periods.lifecycles.iter().filter(|one| one.family == Family::XcpNg);
        all.find(|one| &*one.train == train).unwrap()
    };
    let LifecycleDate::On(end_of_8_2) = period("8.2").end_of_life else { panic!("8.2 has ended") };
    let entries: Vec<_> = history.releases.iter().filter(|one| one.family == Family::XcpNg).collect();
    let days = |train: Option<&str>, source: &str, version: &str| {
        let entries = entries.iter().filter(|one| &*one.component == source && one.train.as_deref() == train);
        let days = entries.filter(|one| one.version.starts_with(version)).map(|one| one.date);
        (days.clone().min().unwrap(), days.max().unwrap())
    };
    for (source, version) in [("xen", "4."), ("kernel", "4.19.19-8.")] {
        let (_, last) = days(Some("8.3"), source, version);
        assert!(last > end_of_8_2 && last > period("8.3").released.unwrap(), "{source} {last}");
    }
    let (first, last) = days(None, "kernel", "4.19.19-7.");
    let (released_8_1, released_8_2) = (period("8.1").released.unwrap(), period("8.2").released.unwrap());
    assert!(first < released_8_1 && last > released_8_1 && last < released_8_2, "{first} {last}");
    assert!(entries.iter().all(|one| one.train.as_deref() != Some("8.2")), "nothing is known to be 8.2's");
    assert!(!history.coverage.iter().any(|one| one.train.as_deref() == Some("8.2")));
}

#[test]
fn trains_by_suite_and_suffix() {
    let entry = |platform: &str, version: &str, distribution: &str| {
        format!(
            r#"{{"source_package":"qemu","platform":"{platform}","version":"{version}","distribution":{distribution},"date":"2024-01-02","cves":["CVE-2024-0001"],"xsas":[],"security":true}}"#
        )
    };
    for (platform, version, distribution, train) in [
        ("debian", "1", "\"bookworm-security\"", Some("bookworm")),
        ("debian", "1", "\"bookworm-updates\"", Some("bookworm")),
        ("debian", "1", "\"bookworm-proposed-updates\"", Some("bookworm")),
        ("debian", "1", "\"bookworm-backports\"", Some("bookworm-backports")),
        ("debian", "1", "\"experimental\"", Some("experimental")),
        ("debian", "1", "null", None),
        ("proxmox", "9.0.2-1", "\"bookworm\"", Some("8")),
        ("proxmox", "9.0.2-1", "\"pve pmg\"", None),
        ("xcp-ng", "10.2-3.1.xcpng8.2", "null", Some("8.2")),
        ("xcp-ng", "10.2-3.1", "null", None),
    ] {
        let line = entry(platform, version, distribution);
        let document = super::parse(line.as_bytes(), Format::ReleaseHistory).unwrap();
        assert_eq!(document.releases[0].train.as_deref(), train, "{line}");
        assert_eq!(document.advisories[0].claims[0].product.train.as_deref(), train, "{line}");
        assert_eq!(document.coverage.len(), usize::from(train.is_some()), "{line}");
    }
}

#[test]
fn end_of_life() {
    let Some(document) = table(Format::EndOfLife) else { return };
    assert_eq!(document.lifecycles.len(), 129);
    let of = |family: &Family, train: &str| {
        let mut cycles = document.lifecycles.iter();
        cycles.find(|cycle| cycle.family == *family && &*cycle.train == train).unwrap()
    };
    assert_eq!(of(&Family::Proxmox, "9").end_of_life, LifecycleDate::NotYet);
    assert_eq!(of(&Family::Esxi, "8.0").end_of_life, LifecycleDate::On(date(2027, 10, 11)));
    assert_eq!(of(&Family::Debian, "trixie").end_of_life, LifecycleDate::On(date(2028, 8, 9)));
    assert_eq!(of(&Family::Windows, "2012-r2").family, Family::Windows);
    assert_eq!(of(&Family::RedHat, "9").family, Family::RedHat);
    let point =
        document.releases.iter().find(|r| r.family == Family::Debian && &*r.version == "12.15").unwrap();
    assert_eq!((point.train.as_deref(), point.date), (Some("bookworm"), date(2026, 7, 11)));
    let ended = br#"{"x": {"cycles": [{"cycle": "1", "release": "2001-01-01", "eol": true}]}}"#;
    assert_eq!(recognise(ended), Some(Format::EndOfLife));
    let ended = super::parse(ended, Format::EndOfLife).unwrap();
    assert_eq!(ended.lifecycles[0].end_of_life, LifecycleDate::Ended);
}

#[test]
fn microcode_history() {
    let Some(document) = table(Format::MicrocodeHistory) else { return };
    assert_eq!((document.releases.len(), document.advisories.len()), (38, 38));
    let advisory =
        document.advisories.iter().find(|advisory| advisory.id.as_str() == "microcode-20250812").unwrap();
    let claim = advisory
        .claims
        .iter()
        .find(|claim| claim.product.hardware.as_ref().is_some_and(|cpu| &*cpu.signature == "06-8f-07"))
        .unwrap();
    insta::assert_json_snapshot!(claim);
    // Nothing is claimed for what a release removed, and nothing by a release that names no advisory.
    let claims = document.advisories.iter().flat_map(|advisory| &advisory.claims);
    assert!(claims.clone().all(|claim| !claim.vulnerabilities.is_empty()));
    assert!(claims.count() < 840);
    let newest =
        document.advisories.iter().find(|advisory| advisory.id.as_str() == "microcode-20251111").unwrap();
    assert!(newest.claims.is_empty() && newest.class.is_none());
    let period = covers(&document.coverage, &Family::IntelMicrocode, None, "intel-microcode").unwrap();
    assert_eq!(period, Period { from: date(2019, 3, 12), to: date(2025, 11, 11) });
}

#[test]
fn cve_index() {
    let Some(document) = table(Format::CveIndex) else { return };
    assert_eq!(document.vulnerabilities.len(), 974);
    let with = |of: fn(&underpin_model::facts::VulnerabilityFacts) -> bool| {
        document.vulnerabilities.iter().filter(|facts| of(facts)).count()
    };
    assert_eq!(with(|facts| facts.kev.is_some()), 4);
    assert_eq!(with(|facts| facts.cvss.iter().any(|cvss| cvss.vector.starts_with("CVSS:3."))), 452);
    assert_eq!(with(|facts| facts.ssvc.is_some()), 974);
    assert_eq!(with(|facts| facts.ssvc.is_some_and(|ssvc| ssvc.exploitation == Exploitation::Active)), 4);
}

/// Rows in any order: the earliest day counts, whatever stands first.
#[test]
fn msrc_days_do_not_depend_on_the_order_of_rows() {
    let header = "date,cve,kb,product,severity,impact,supersedes,exploits\n";
    let late = "20240213,CVE-2024-0001,5034770,Windows Server 2022,Important,Denial of Service,,\n";
    let early = "20240109,CVE-2024-0001,5034770,Windows Server 2022,Critical,Denial of Service,,\n";
    let read =
        |rows: [&str; 2]| super::parse([header, rows[0], rows[1]].concat().as_bytes(), Format::MsrcUpdates);
    let document = read([late, early]).unwrap();
    assert_eq!(Ok(&document), read([early, late]).as_ref());
    assert_eq!(document.releases[0].date, date(2024, 1, 9));
    assert_eq!(document.vulnerabilities[0].published, super::super::rows::midnight(date(2024, 1, 9)));
    assert_eq!(document.updated, super::super::rows::midnight(date(2024, 2, 13)));
    assert_eq!(document.advisories[0].severity.as_deref(), Some("critical"), "the worst of its rows");
}

#[test]
fn removed_microcode_claims_nothing() {
    let header = "release,release_date,intel_sa,change,processor,stepping,signature_fms,platform_mask,old_rev,new_rev\n";
    for (change, claims) in [("new", 1), ("updated", 1), ("removed", 0), ("prior-disclosure", 0)] {
        let row =
            format!("20220207,2022-02-07,INTEL-SA-00528,{change},SNR,B0,06-86-04,01,0b00000f,0b000010\n");
        let document = super::parse([header, &row].concat().as_bytes(), Format::MicrocodeHistory).unwrap();
        assert_eq!(document.advisories[0].claims.len(), claims, "{change}");
    }
}

/// An advisory with several CVEs does not say which of them a vector is for.
#[test]
fn vmsa_vectors_are_kept_only_where_there_is_no_choice() {
    let advisory = |cves: &str, vectors: &str| {
        let text = format!(
            r#"[{{"id": "VMSA-2017-0001", "issued": null, "updated": null, "no_later_than": "2017-01-30", "cves": [{cves}], "cvss2": [{vectors}], "fixed": []}}]"#
        );
        super::parse(text.as_bytes(), Format::VmsaFacts).unwrap().vulnerabilities.len()
    };
    let (one, two) = ("\"CVE-2017-0001\"", "\"CVE-2017-0001\", \"CVE-2017-0002\"");
    assert_eq!(advisory(one, "\"AV:N/AC:L/Au:N/C:C/I:C/A:C\""), 1);
    assert_eq!(advisory(two, "\"AV:N/AC:L/Au:N/C:C/I:C/A:C\""), 0);
    assert_eq!(advisory(one, "\"AV:N/AC:L/Au:N/C:C/I:C/A:C\", \"AV:L/AC:L/Au:N/C:C/I:C/A:C\""), 0);
}

/// `1.2.3` is a point release of cycle `1.2`, not of `1`, and `12` is none of cycle `1`.
#[test]
fn point_releases_find_their_cycle() {
    let text = br#"{"x": {"cycles": [{"cycle": "1", "eol": false}, {"cycle": "1.2", "release": "2001-01-01", "eol": false}],
        "version_dates": {"1.2.3": "2001-01-01", "1.9": "2001-01-02", "12": "2001-01-03"}}}"#;
    let document = super::parse(text, Format::EndOfLife).unwrap();
    let trains: Vec<_> =
        document.releases.iter().map(|release| (&*release.version, release.train.as_deref())).collect();
    assert_eq!(trains, [("1.2.3", Some("1.2")), ("1.9", Some("1")), ("12", None)]);
}

#[test]
fn conditions_state_what_their_columns_say() {
    let (_, text) =
        super::bad_rows::GOOD.into_iter().find(|(format, _)| *format == Format::Conditions).unwrap();
    let document = super::parse(text.as_bytes(), Format::Conditions).unwrap();
    let [workaround, cold_start] = &document.conditions[..] else { panic!("{document:?}") };
    let setting = SettingValue { setting: "slpd.enabled".into(), value: "false".into() };
    assert_eq!(workaround.effect, Effect::Closes(setting));
    assert_eq!((&workaround.family, workaround.train.as_deref()), (&Some(Family::Esxi), Some("8.0")));
    assert_eq!(workaround.reviewed, Some(Review { by: "A. Reviewer".into(), on: date(2099, 2, 3) }));
    assert_eq!((cold_start.family.as_ref(), &cold_start.effect), (None, &Effect::ColdStartGuests));
    assert_eq!((&*cold_start.source, &cold_start.reviewed), ("https://example.org/sa", &None));
    assert_eq!(document.updated.unwrap().to_string(), "2099-03-01T00:00:00Z");
    assert!(document.coverage.is_empty() && document.advisories.is_empty());
}
