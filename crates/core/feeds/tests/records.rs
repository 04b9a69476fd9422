//! What single shapes of CVE and OSV records become.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail by panicking"
)]

use underpin_feeds::{Parsed, parse};
use underpin_model::facts::{Bound, Document, Family, Justification, NameKind, PatchClass, Range, Verdict};

fn facts(text: &str) -> Document {
    match parse(text.as_bytes()) {
        Ok(Parsed::Document(document)) => *document,
        other => panic!("{text}: {other:?}"),
    }
}

/// A CVE record with this state and these `affected` entries.
fn cve(state: &str, affected: &str) -> Document {
    facts(&format!(
        r#"{{"dataType": "CVE_RECORD", "cveMetadata": {{"cveId": "CVE-2024-1", "state": "{state}"}},
        "containers": {{"cna": {{"affected": [{affected}]}}}}}}"#
    ))
}

fn verdicts(document: &Document) -> Vec<(Verdict, bool)> {
    let claims = document.advisories.iter().flat_map(|advisory| &advisory.claims);
    claims.map(|claim| (claim.verdict.clone(), claim.fallback)).collect()
}

fn range(from: Option<&str>, until: Bound) -> Range {
    Range { introduced: from.map(Into::into), until }
}

/// Facts of one vulnerability meet by its id: however a source spells it.
#[test]
fn cve_ids_are_written_in_capitals() {
    let osv = r#"{"id": "cve-2026-0001", "modified": "2026-02-20T00:00:00Z", "aliases": ["CVE-2026-0001"], "affected": []}"#;
    let advisory = r#"{"id": "ALSA-2026:0001", "modified": "2026-02-20T00:00:00Z", "related": ["cve-2026-0001"], "affected": []}"#;
    let cve5 = r#"{"dataType": "CVE_RECORD", "dataVersion": "5.1", "cveMetadata": {"cveId": "cve-2026-0001", "state": "PUBLISHED"},
        "containers": {"cna": {}}}"#;
    let kev = r#"{"title": "CISA Catalog of Known Exploited Vulnerabilities", "catalogVersion": "2026.11.20",
        "dateReleased": "2026-11-20T00:00:00.0000Z", "count": 1,
        "vulnerabilities": [{"cveID": "cve-2026-0001", "dateAdded": "2026-11-20"}]}"#;
    let epss = "cve,epss,percentile\ncve-2026-0001,0.1,0.5\n";
    let index = "cve,tags,published,assigner,vendor_products,cvss31,cvss40,ssvc,kev\ncve-2026-0001,,,,,,,,2026-11-20\n";
    for text in [osv, advisory, cve5, kev, epss, index] {
        let ids: Vec<String> = facts(text).vulnerabilities.iter().map(|it| it.id.to_string()).collect();
        assert_eq!(ids, ["CVE-2026-0001"], "{text}");
    }
    let csaf = include_str!("documents/csaf.json");
    let ids = |text: &str| facts(text).vulnerabilities.into_iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids(&csaf.replace("\"CVE-", "\"cve-")), ids(csaf));
    // Listed twice is listed twice.
    let entry = r#"{"cveID": "cve-2026-0001", "dateAdded": "2026-11-20"}"#;
    let twice = kev
        .replace("\"count\": 1", "\"count\": 2")
        .replace(entry, &format!("{entry}, {}", entry.replace("cve-", "CVE-")));
    assert!(parse(twice.as_bytes()).unwrap_err().reason.contains("listed twice"));
}

#[test]
fn red_hat_says_affected_except_from_a_build_on() {
    let document = cve(
        "PUBLISHED",
        r#"{"vendor": "Red Hat", "product": "Red Hat Enterprise Linux 8.6 Extended Update Support",
        "cpes": ["cpe:/a:redhat:rhel_eus:8.6::appstream", "cpe:/a:redhat:rhel_eus:8.6::crb"],
        "packageName": "virt:rhel", "defaultStatus": "affected", "versions": [{"version":
        "8060020240314161907.e155f54d", "status": "unaffected", "lessThan": "*", "versionType": "rpm"}]}"#,
    );
    let product = &document.advisories[0].claims[0].product;
    assert_eq!((&product.family, product.train.as_deref()), (&Family::RedHat, Some("8.6-eus")));
    assert_eq!(product.module.as_deref(), Some("virt:rhel"));
    assert_eq!(
        verdicts(&document),
        [
            (Verdict::FixedIn("8060020240314161907.e155f54d".into()), false),
            (Verdict::Affected(Range::all()), true)
        ]
    );
}

#[test]
fn changes_cut_a_range_and_commits_are_skipped() {
    let document = cve(
        "PUBLISHED",
        r#"{"vendor": "V", "product": "P", "versions": [
        {"version": "1.0", "status": "affected", "lessThan": "2.0", "versionType": "custom",
         "changes": [{"at": "1.5", "status": "unaffected"}]},
        {"version": "1da177e4c3f4", "status": "affected", "lessThan": "deadbeef", "versionType": "git"},
        {"version": "6.1.77", "status": "unaffected", "lessThanOrEqual": "6.1.*", "versionType": "semver"}]}"#,
    );
    let outside = |range| Verdict::NotAffected(range, Justification::VersionNotInRange);
    assert_eq!(
        verdicts(&document),
        [
            (Verdict::Affected(range(Some("1.0"), Bound::Before("1.5".into()))), false),
            (outside(range(Some("1.5"), Bound::Before("2.0".into()))), false),
            (outside(range(Some("6.1.77"), Bound::Before("6.2".into()))), false),
        ]
    );
    assert_eq!(document.advisories[0].claims[0].product.component.as_ref(), "v/p");
    // Commits alone: no claim, but the vulnerability is known.
    let commits = r#"{"vendor": "V", "product": "P", "versions": [
        {"version": "1da177e4c3f4", "status": "affected", "lessThan": "deadbeef", "versionType": "git"}]}"#;
    let document = cve("PUBLISHED", commits);
    assert_eq!((verdicts(&document).len(), document.vulnerabilities.len()), (0, 1));
}

#[test]
fn windows_builds_and_rejected_records() {
    let windows = r#"{"vendor": "Microsoft", "product": "Windows Server 2019", "versions": [{"version": "10.0.0",
        "lessThan": "10.0.17763.6293", "status": "affected", "versionType": "custom"}]}"#;
    let document = cve("PUBLISHED", windows);
    let product = &document.advisories[0].claims[0].product;
    assert_eq!((&product.family, product.component.as_ref()), (&Family::Windows, "Windows Server 2019"));
    assert_eq!(product.scheme, underpin_model::version::Scheme::Generic);
    let rejected = cve("REJECTED", windows);
    assert!(rejected.vulnerabilities[0].withdrawn);
    assert!(rejected.advisories.is_empty());
}

/// An OSV record of this id, ecosystem, events and further fields.
fn osv(id: &str, ecosystem: &str, events: &str, more: &str) -> Document {
    facts(&format!(
        r#"{{"id": "{id}", "modified": "2024-01-02T00:00:00Z"{more}, "affected": [{{"package": {{
        "ecosystem": "{ecosystem}", "name": "xen"}}, "ranges": [{{"type": "ECOSYSTEM", "events": [{events}]}}]}}]}}"#
    ))
}

#[test]
fn ecosystems_are_families_and_trains() {
    let fixed = r#"{"introduced": "0"}, {"fixed": "2"}"#;
    for (ecosystem, family, train, kind) in [
        ("AlmaLinux:8", Family::AlmaLinux, Some("8"), NameKind::Binary),
        ("Debian:12", Family::Debian, Some("bookworm"), NameKind::Source),
        ("Ubuntu:22.04:LTS", Family::Ubuntu, Some("22.04"), NameKind::Source),
        ("Ubuntu:Pro:16.04:LTS", Family::Ubuntu, Some("Pro:16.04"), NameKind::Source),
        ("Rocky Linux:9", Family::Rocky, Some("9"), NameKind::Binary),
        ("Red Hat:rhel_eus:8.6::appstream", Family::RedHat, Some("8.6-eus"), NameKind::Binary),
        ("Alpine:v3.18", Family::Other("alpine".into()), Some("v3.18"), NameKind::Source),
        ("npm", Family::Other("npm".into()), None, NameKind::Product),
    ] {
        let document = osv("X-1", ecosystem, fixed, "");
        let product = &document.advisories[0].claims[0].product;
        assert_eq!(
            (&product.family, product.train.as_deref(), product.name_kind),
            (&family, train, kind),
            "{ecosystem}"
        );
    }
}

#[test]
fn all_kinds_of_events() {
    for (events, expected) in [
        (r#"{"introduced": "0"}, {"last_affected": "2"}"#, vec![range(None, Bound::Through("2".into()))]),
        (r#"{"introduced": "1"}, {"limit": "2"}"#, vec![range(Some("1"), Bound::Before("2".into()))]),
        (r#"{"introduced": "1"}"#, vec![range(Some("1"), Bound::Unbounded)]),
        (r#"{"fixed": "2"}, {"introduced": "1"}"#, vec![range(Some("1"), Bound::Before("2".into()))]),
        (
            r#"{"introduced": "1"}, {"fixed": "2"}, {"introduced": "3"}, {"fixed": "4"}"#,
            vec![range(Some("1"), Bound::Before("2".into())), range(Some("3"), Bound::Before("4".into()))],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|range| (Verdict::Affected(range), false)).collect();
        assert_eq!(verdicts(&osv("X-1", "npm", events, "")), expected, "{events}");
    }
}

#[test]
fn which_vulnerabilities_an_osv_record_is_about() {
    let fixed = r#"{"introduced": "0"}, {"fixed": "2"}"#;
    let ids = |document: &Document| -> Vec<String> {
        document.vulnerabilities.iter().map(|facts| facts.id.to_string()).collect()
    };
    let related = r#", "related": ["CVE-2024-1", "XSA-1"], "aliases": ["CVE-2024-2"]"#;
    let advisory = osv("ALSA-2024:1", "AlmaLinux:9", fixed, related);
    assert_eq!(ids(&advisory), ["CVE-2024-2", "CVE-2024-1"]);
    assert_eq!(advisory.advisories[0].class, Some(PatchClass::Security));
    let entry = osv("GHSA-1", "npm", fixed, related);
    assert_eq!(ids(&entry), ["CVE-2024-2"]);
    assert_eq!(entry.vulnerabilities[0].aliases[0].as_str(), "GHSA-1");
    assert_eq!(ids(&osv("ALSA-2024:1", "AlmaLinux:9", fixed, "")), ["ALSA-2024:1"]);
    let repair = osv("ALBA-2024:1", "AlmaLinux:9", fixed, "");
    assert_eq!((ids(&repair).len(), repair.advisories[0].class), (0, Some(PatchClass::BugFix)));
    let withdrawn = osv("GHSA-1", "npm", fixed, r#", "withdrawn": "2024-02-01T00:00:00Z""#);
    assert!(withdrawn.vulnerabilities[0].withdrawn && withdrawn.advisories[0].claims.is_empty());
}
