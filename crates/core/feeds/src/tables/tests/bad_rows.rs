//! One bad value refuses the table and is named with its place, column, value and expectation.

use underpin_model::facts::Format;

use super::super::{parse, recognise};
use crate::Position;

/// A small good table of each format.
pub(super) const GOOD: [(Format, &str); 12] = [
    (
        Format::DebianAdvisories,
        "date,id,source,cves,fixed\n2023-03-25,DSA-5378-1,xen,CVE-2022-23824 CVE-2022-42331,bullseye=4.14.5-1; buster=4.11.4-1\n",
    ),
    (
        Format::EsxiBuilds,
        "build,minor,release_date,name,bulletin,source\n24585383,8.0,2025-03-04,U3d,ESXi80U3d-24585383,table\n",
    ),
    (
        Format::VcenterReleases,
        "[{\"build\": \"14836122\", \"fullName\": \"vCenter Server 6.7 Update 3a\", \"releaseDate\": \"2019-10-24\"}]",
    ),
    (
        Format::VmsaFacts,
        "[{\"id\": \"VMSA-2013-0003\", \"issued\": null, \"updated\": null, \"no_later_than\": \"2013-02-21\", \"cves\": [\"CVE-2013-1405\"], \"cvss2\": [], \"fixed\": [{\"product\": \"ESXi\", \"version\": \"5.0.0\", \"build\": \"912577\"}]}]",
    ),
    (
        Format::XenAdvisories,
        "# numbers\n- xsa: 1\n  date: 2011-03-14\n  affected: no\n\n- xsa: 2\n  date: 2011-05-09\n  affected: yes\n",
    ),
    (
        Format::XenNotApplicable,
        "[{\"package_version\": \"4.8.0-1\", \"xsa\": 197, \"reason_class\": \"qemu\"}]",
    ),
    (
        Format::MsrcUpdates,
        "date,cve,kb,product,severity,impact,supersedes,exploits\n20110614,CVE-2011-1872,2525835,Windows Server 2008 R2,Important,Denial of Service,2345316,\n",
    ),
    (
        Format::ReleaseHistory,
        "{\"source_package\":\"xen\",\"platform\":\"debian\",\"version\":\"4.17.2-1\",\"distribution\":\"bookworm-security\",\"urgency\":\"medium\",\"date\":\"2023-08-10\",\"cves\":[\"CVE-2023-20593\"],\"xsas\":[433],\"security\":true}\n",
    ),
    (
        Format::EndOfLife,
        "{\"debian\": {\"cycles\": [{\"cycle\": \"12\", \"release\": \"2023-06-10\", \"eol\": false, \"codename\": \"Bookworm\", \"latest\": \"12.1\", \"latest_release\": \"2023-07-22\"}], \"version_dates\": {\"12.1\": \"2023-07-22\"}}}",
    ),
    (
        Format::MicrocodeHistory,
        "release,release_date,intel_sa,change,processor,stepping,signature_fms,platform_mask,old_rev,new_rev\n20250812,2025-08-12,INTEL-SA-01249,updated,SPR-SP,E4/S2,06-8f-07,87,2b000639,2b000643\n",
    ),
    (
        Format::CveIndex,
        "cve,tags,published,assigner,vendor_products,cvss31,cvss40,ssvc,kev\nCVE-2024-37085,ESXi,2024-06-25,vmware,n/a:n/a,CVSS:3.1/AV:N/AC:H/PR:H/UI:N/S:U/C:H/I:H/A:H,,active/no/total,2024-07-30\n",
    ),
    (
        Format::Conditions,
        "vulnerability,family,train,setting,value,effect,source,published,reviewed_by,reviewed_on\nCVE-2099-0001,esxi,8.0,slpd.enabled,false,closes,VMSA-2099-0001,2099-02-01,A. Reviewer,2099-02-03\nCVE-2099-0002,,,,,cold-start-guests,https://example.org/sa,2099-03-01,,\n",
    ),
];

fn good(format: Format) -> &'static str {
    GOOD.iter().find(|(of, _)| *of == format).unwrap().1
}

#[test]
fn every_good_table_is_recognised_and_read() {
    for (format, text) in GOOD {
        assert_eq!(recognise(text.as_bytes()), Some(format));
        let document = parse(text.as_bytes(), format).unwrap();
        assert_eq!((document.format, document.id.as_str()), (format, format.name()));
        assert_eq!(recognise(format!("\u{feff}{text}").as_bytes()), Some(format), "with a byte order mark");
        assert_eq!(parse(format!("\u{feff}{text}").as_bytes(), format), Ok(document));
    }
}

#[test]
fn other_documents_are_no_tables() {
    for other in [
        "",
        "cve,epss,percentile\nCVE-2024-0001,0.1,0.2\n",
        "{\"dataType\":\"CVE_RECORD\",\"cveMetadata\":{}}",
        "{\"id\":\"ALSA-2024:1\",\"affected\":[],\"published\":\"2024-01-01T00:00:00Z\"}",
        "{\"document\":{\"csaf_version\":\"2.0\"},\"product_tree\":{}}",
        "{\"vulnerabilities\":[{\"cveID\":\"CVE-2024-0001\"}],\"catalogVersion\":\"1\"}",
        "- name: no advisory\n",
        "[1, 2, 3]",
        "[[[[[[",
        "{\"a\\",
    ] {
        assert_eq!(recognise(other.as_bytes()), None, "{other}");
    }
    assert!(parse(b"{}", Format::Csaf).unwrap_err().reason.contains("no fact table"));
}

/// Replaces `from` in the good table and expects a defect there that names all of `says`.
#[track_caller]
fn refused(format: Format, from: &str, to: &str, at: &Position, says: &[&str]) {
    let good = good(format);
    assert!(good.contains(from), "{from}");
    let defect = parse(good.replacen(from, to, 1).as_bytes(), format).unwrap_err();
    assert_eq!((&defect.at, defect.format), (at, Some(format)), "{}", defect.reason);
    for part in says {
        assert!(defect.reason.contains(part), "{part} not in {}", defect.reason);
    }
}

fn line(line: u64) -> Position {
    Position::Line { line }
}

fn pointer(pointer: &str) -> Position {
    Position::Pointer(pointer.to_owned())
}

#[test]
fn bad_csv_rows() {
    use Format::{CveIndex, DebianAdvisories, EsxiBuilds, MicrocodeHistory, MsrcUpdates};
    refused(DebianAdvisories, "2023-03-25", "2023-02-30", &line(2), &["date", "2023-02-30", "ISO date"]);
    refused(DebianAdvisories, "2023-03-25", "1969-12-31", &line(2), &["date", "1969-12-31", "1970"]);
    refused(DebianAdvisories, "CVE-2022-42331", "CVE-22-1", &line(2), &["cves", "CVE-22-1"]);
    refused(DebianAdvisories, "bullseye=4", "bullseye 4", &line(2), &["fixed", "suite=version"]);
    refused(DebianAdvisories, ",xen,", ",", &line(2), &["4 cells", "expected 5"]);
    refused(DebianAdvisories, "source", "origin", &line(1), &["no column \"source\""]);
    refused(EsxiBuilds, "24585383,8", "24585383x,8", &line(2), &["build", "24585383x"]);
    refused(EsxiBuilds, ",8.0,", ",eight,", &line(2), &["minor", "eight", "8.0"]);
    refused(MsrcUpdates, "20110614", "2011-06-14", &line(2), &["date", "eight digits"]);
    refused(MsrcUpdates, ",2525835", ",KB2525835", &line(2), &["kb", "KB2525835", "without prefix"]);
    refused(MsrcUpdates, ",2525835", ",", &line(2), &["kb", "supersedes"]);
    refused(MsrcUpdates, "2345316", "2525835", &line(2), &["supersedes", "another KB"]);
    refused(MsrcUpdates, "Important", "Dire", &line(2), &["severity", "Dire"]);
    refused(MicrocodeHistory, "06-8f-07", "06-8f", &line(2), &["signature_fms", "06-8f"]);
    refused(MicrocodeHistory, ",87,", ",8x,", &line(2), &["platform_mask", "8x", "hexadecimal"]);
    refused(MicrocodeHistory, "2b000643", "", &line(2), &["new_rev", "hexadecimal"]);
    refused(MicrocodeHistory, "updated", "changed", &line(2), &["change", "changed", "prior-disclosure"]);
    refused(CveIndex, "active/no/total", "active/no", &line(2), &["ssvc", "active/no"]);
    refused(CveIndex, "CVSS:3.1/", "AV:", &line(2), &["cvss31", "CVSS 3.0 or 3.1"]);
    let vector = "AV:N/AC:H/PR:H/UI:N/S:U/C:H/I:H/A:H";
    refused(
        CveIndex,
        vector,
        "hello",
        &line(2),
        &["cvss31", "CVSS:3.1/hello", "3.0 or 3.1", "no such metric"],
    );
    refused(CveIndex, vector, "AV:N", &line(2), &["cvss31", "CVSS:3.1/AV:N", "\"AC\"", "missing"]);
    refused(CveIndex, vector, "AV:X", &line(2), &["cvss31", "CVSS:3.1/AV:X", "expected one of N, A, L, P"]);
    let twice = format!("{vector}/C:N");
    refused(CveIndex, vector, &twice, &line(2), &["cvss31", "\"C:N\"", "stated twice"]);
}

#[test]
fn bad_vectors_of_advisories() {
    use Format::VmsaFacts;
    let at = pointer("/0/cvss2/0");
    refused(
        VmsaFacts,
        "\"cvss2\": []",
        "\"cvss2\": [\"AV:N/AC:L\"]",
        &at,
        &["AV:N/AC:L", "CVSS 2.0", "missing"],
    );
}

#[test]
fn bad_conditions() {
    use Format::Conditions;
    refused(Conditions, ",closes,", ",closed,", &line(2), &["effect", "closed", "needed-with-fix"]);
    refused(Conditions, "esxi,8.0", ",", &line(2), &["family", "product line"]);
    refused(Conditions, "slpd.enabled", "", &line(2), &["setting", "name of 1"]);
    refused(Conditions, ",false,", ",,", &line(2), &["value", "name of 1"]);
    refused(Conditions, "VMSA-2099-0001", "", &line(2), &["source"]);
    refused(Conditions, "2099-02-01", "", &line(2), &["published", "ISO date"]);
    refused(Conditions, "A. Reviewer", "", &line(2), &["reviewed_by", "who reviewed"]);
    refused(Conditions, "2099-02-03", "", &line(2), &["reviewed_on", "ISO date"]);
    refused(Conditions, "2099-02-03", "2099-01-31", &line(2), &["reviewed_on", "on or after"]);
    refused(Conditions, "0002,,,,,", "0002,,,slpd.enabled,,", &line(3), &["setting", "no setting"]);
    refused(Conditions, "0002,,,", "0002,,8.0,", &line(3), &["train", "no family"]);
    refused(Conditions, "reviewed_on", "when", &line(1), &["no column \"reviewed_on\""]);
    let again = "CVE-2099-0001,esxi,8.0,slpd.enabled,false,closes,VMSA-2099-0009,2099-02-01,,\n";
    let twice = good(Conditions).to_owned() + again;
    let defect = parse(twice.as_bytes(), Conditions).unwrap_err();
    assert_eq!(defect.at, line(4));
    assert!(defect.reason.contains("one row per vulnerability"), "{}", defect.reason);
}

#[test]
fn bad_json_rows() {
    use Format::{EndOfLife, VcenterReleases, VmsaFacts, XenNotApplicable};
    refused(VcenterReleases, "2019-10-24", "24.10.2019", &pointer("/0/releaseDate"), &["24.10.2019"]);
    refused(VcenterReleases, "6.7 Update", "Update", &pointer("/0/fullName"), &["with its version"]);
    refused(VcenterReleases, "\"14836122\"", "14836122", &pointer("/0/build"), &["expected a string"]);
    refused(
        VmsaFacts,
        "\"ESXi\"",
        "\"Workstation\"",
        &pointer("/0/fixed/0/product"),
        &["Workstation", "ESXi"],
    );
    refused(VmsaFacts, "CVE-2013-1405", "1405", &pointer("/0/cves/0"), &["1405", "CVE id"]);
    refused(VmsaFacts, "\"build\"", "\"fix\"", &pointer("/0/fixed/0/version"), &["exactly one of"]);
    refused(VmsaFacts, "]}]", "]}", &pointer(""), &["EOF"]);
    refused(XenNotApplicable, "197", "-1", &pointer("/0/xsa"), &["-1"]);
    refused(XenNotApplicable, "4.8.0-1", "", &pointer("/0/package_version"), &["name of 1 to 512"]);
    refused(EndOfLife, "\"eol\": false", "\"eol\": \"soon\"", &pointer("/debian/cycles/0/eol"), &["soon"]);
    refused(EndOfLife, "\"eol\": false", "\"eol\": 7", &pointer("/debian/cycles/0/eol"), &["true or false"]);
    refused(
        EndOfLife,
        "\"12.1\": \"2023",
        "\"12.1\": \"23",
        &pointer("/debian/version_dates/12.1"),
        &["23-07-22"],
    );
}

#[test]
fn bad_lines() {
    use Format::{ReleaseHistory, XenAdvisories};
    refused(ReleaseHistory, "CVE-2023-20593", "XSA-433", &line(1), &["cves", "XSA-433"]);
    refused(ReleaseHistory, "\"security\":true", "\"security\":1", &line(1), &["expected a boolean"]);
    refused(XenAdvisories, "2011-05-09", "May 2011", &line(6), &["date", "May 2011"]);
    refused(
        XenAdvisories,
        "affected: yes",
        "affected: perhaps",
        &line(6),
        &["affected", "perhaps", "yes or no"],
    );
    refused(XenAdvisories, "xsa: 2", "xsa: two", &line(6), &["two"]);
    let twice = good(ReleaseHistory).repeat(2);
    let defect = parse(twice.as_bytes(), ReleaseHistory).unwrap_err();
    assert_eq!(defect.at, line(2));
    assert!(defect.reason.contains("debian/xen@4.17.2-1"), "{}", defect.reason);
}

/// YAML 1.1 readers turn `yes` into a boolean when they write the table again; both forms mean the same.
#[test]
fn yaml_booleans_and_words_mean_the_same() {
    let words = good(Format::XenAdvisories);
    let flags = words.replace("affected: no", "affected: false").replace("affected: yes", "affected: true");
    assert_eq!(
        parse(words.as_bytes(), Format::XenAdvisories),
        parse(flags.as_bytes(), Format::XenAdvisories)
    );
}

#[test]
fn a_long_value_is_shown_cut() {
    let long = "\u{e4}".repeat(1_000_000);
    let text = good(Format::DebianAdvisories).replace("2023-03-25", &long);
    let defect = parse(text.as_bytes(), Format::DebianAdvisories).unwrap_err();
    assert!(defect.reason.len() < 400, "{}", defect.reason.len());
}
