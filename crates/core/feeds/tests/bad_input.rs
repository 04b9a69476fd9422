//! Whatever the bytes are: facts, a reason to pass over them, or a defect with its place. Never a panic or a hang.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail by panicking"
)]

use proptest::prelude::*;
use underpin_feeds::{Defect, Parsed, Position, parse};

const CSAF: &str = include_str!("documents/csaf.json");
const CVE5: &str = include_str!("documents/CVE-2025-22224.json");
const OSV: &str = include_str!("documents/osv.json");
const KEV: &str = include_str!("documents/kev.json");
const EPSS: &str = include_str!("documents/epss.csv");

fn refused(bytes: &[u8]) -> Defect {
    match parse(bytes) {
        Err(defect) => defect,
        Ok(parsed) => panic!("accepted: {parsed:?}"),
    }
}

fn pointer(text: &str) -> String {
    match refused(text.as_bytes()).at {
        Position::Pointer(pointer) => pointer,
        Position::Line { line } => panic!("line {line} instead of a pointer"),
    }
}

fn ignored(text: &str) -> String {
    match parse(text.as_bytes()) {
        Ok(Parsed::Ignored { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn encodings() {
    let utf16: Vec<u8> = CSAF.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refused(&utf16).reason.contains("UTF-16"));
    let latin1 = b"{\n \"id\": \"\xe9\"}";
    let defect = refused(latin1);
    assert_eq!(defect.at, Position::Line { line: 2 });
    assert!(defect.reason.contains("0xe9"), "{defect}");
    let marked = [b"\xef\xbb\xbf".as_slice(), OSV.as_bytes()].concat();
    assert_eq!(parse(&marked), parse(OSV.as_bytes()));
}

#[test]
fn truncated_and_unknown_json() {
    for text in [CSAF, CVE5, OSV, KEV] {
        for share in [2, 4, 9] {
            refused(text.get(..text.len() * share / 10).unwrap().as_bytes());
        }
        refused(text.trim_end().strip_suffix('}').unwrap().as_bytes());
    }
    assert_eq!(pointer("{\"a\": 1}"), "");
    assert_eq!(pointer("[1, 2]"), "");
    for scalar in ["null", " \"a text\"\n", "true", "-1.5e3"] {
        assert!(refused(scalar.as_bytes()).reason.contains("no advisory"), "{scalar}");
    }
    assert_eq!(pointer("{\"document\": \"a text\"}"), "");
    assert!(refused(b"<html><body>404</body></html>").reason.contains("HTML"));
}

#[test]
fn companions_are_ignored() {
    assert_eq!(ignored(""), "empty");
    assert_eq!(ignored(" \n"), "empty");
    assert_eq!(ignored("just words"), "plain text");
    assert_eq!(ignored(&format!("{}  a.json\n", "0a".repeat(64))), "hashes");
    assert_eq!(ignored("2024/a.json\n2024/b.json\n"), "list of a provider's documents");
    assert_eq!(ignored("-----BEGIN PGP SIGNATURE-----\n"), "PGP signature or key");
    assert_eq!(ignored("{\"feed\": {}}"), "ROLIE feed");
}

#[test]
fn product_trees_that_lead_nowhere() {
    let swap = |from: &str, to: &str| {
        assert!(CSAF.contains(from), "{from}");
        pointer(&CSAF.replacen(from, to, 1))
    };
    let circle = r#""product_reference": "AppStream:qemu""#;
    assert_eq!(swap(r#""product_reference": "qemu""#, circle), "/product_tree/relationships/0");
    assert_eq!(
        swap(r#""product_reference": "qemu""#, r#""product_reference": "nothing""#),
        "/product_tree/relationships/0/product_reference"
    );
    assert_eq!(
        swap(r#""fixed": ["AppStream:qemu"]"#, r#""fixed": ["AppStream:qemu", "lost"]"#),
        "/vulnerabilities/0/product_status/fixed/1"
    );
    assert_eq!(
        swap(r#""known_affected": ["AppStream"]"#, r#""known_affected": ["AppStream:qemu"]"#),
        "/vulnerabilities/0/product_status/fixed/0"
    );
    assert_eq!(
        swap(r#""product_id": "AppStream""#, r#""product_id": "qemu""#),
        "/product_tree/branches/0/branches/1/product/product_id"
    );
    assert_eq!(swap("2024-05-01T", "2024-05-32T"), "/document/tracking/initial_release_date");
    let mut deep = r#"{"category": "vendor", "name": "v"}"#.to_owned();
    for _ in 0..200 {
        deep = format!(r#"{{"category": "vendor", "name": "v", "branches": [{deep}]}}"#);
    }
    let text = CSAF.replacen(r#""branches": ["#, &format!(r#""branches": [{deep}, "#), 1);
    assert!(refused(text.as_bytes()).reason.contains("recursion"));
}

#[test]
fn values_at_the_edge() {
    // Before 1970, and a million characters: both are fine.
    assert!(matches!(parse(CSAF.replace("2024-05-01T", "1903-05-01T").as_bytes()), Ok(Parsed::Document(_))));
    let long = OSV.replace("qemu-kvm", &"x".repeat(1_000_000));
    assert!(matches!(parse(long.as_bytes()), Ok(Parsed::Document(_))));
    assert_eq!(pointer(&OSV.replace("2024-01-02T", "2024-13-02T")), "/modified");
    assert_eq!(pointer(&OSV.replace("\"introduced\"", "\"begun\"")), "/affected/0/ranges/0/events/0");
    assert_eq!(pointer(&KEV.replace("\"count\": 1", "\"count\": 2")), "/count");
}

/// The zero day of a program would make an age of two thousand years.
#[test]
fn days_of_kev_and_scores_that_nobody_meant_are_refused() {
    let kev = |name: &str, to: &str| {
        let from = KEV.split(name).nth(1).unwrap().split('"').nth(2).unwrap();
        KEV.replace(&format!("{name}\": \"{from}"), &format!("{name}\": \"{to}"))
    };
    for day in ["0001-01-01", "1969-12-31", "3000-01-01"] {
        for name in ["dateAdded", "dueDate"] {
            let defect = parse(kev(name, day).as_bytes()).unwrap_err();
            assert_eq!(pointer(&kev(name, day)), format!("/vulnerabilities/0/{name}"), "{day}");
            assert!(defect.reason.contains(day) && defect.reason.contains("1970-01-01"), "{defect}");
        }
        assert_eq!(pointer(&kev("dateReleased", &format!("{day}T00:00:00Z"))), "/dateReleased", "{day}");
        let scores = format!(
            "#model_version:v1,score_date:{day}T00:00:00Z\ncve,epss,percentile\nCVE-2024-0001,0.1,0.5\n"
        );
        let defect = parse(scores.as_bytes()).unwrap_err();
        assert!(defect.reason.contains("score_date") && defect.reason.contains(day), "{defect}");
    }
    for day in ["1970-01-01", "2999-12-31"] {
        assert!(matches!(parse(kev("dateAdded", day).as_bytes()), Ok(Parsed::Document(_))), "{day}");
    }
}

/// Each score is a fact of its own: a bad line is told and left out, the others count. Without a good one it is no table of scores.
#[test]
fn a_bad_line_of_scores_costs_that_line() {
    let left_out = |text: String| {
        let Ok(Parsed::Document(document)) = parse(text.as_bytes()) else { panic!("{text}") };
        (document.vulnerabilities.len(), document.left_out)
    };
    let (all, none) = left_out(EPSS.to_owned());
    assert!(all > 1 && none.is_empty());
    for (text, line) in [
        (
            EPSS.replace("0.49269", "1.5"),
            "line 3: epss of \"CVE-2008-3431\" is \"1.5\"; expected a number from 0 to 1",
        ),
        (
            EPSS.replace("0.49269", "NaN"),
            "line 3: epss of \"CVE-2008-3431\" is \"NaN\"; expected a number from 0 to 1",
        ),
        (
            EPSS.replace("0.49269", "-0.1"),
            "line 3: epss of \"CVE-2008-3431\" is \"-0.1\"; expected a number from 0 to 1",
        ),
        (
            EPSS.replace("0.49269", "1.00000"),
            "line 3: epss of \"CVE-2008-3431\" is 1; expected less than 1: nothing is certain, and what is known to be exploited \
             belongs in a KEV list",
        ),
        (EPSS.replace("0.49269,", ""), "line 3: "),
        (EPSS.replace("2010-3904", "2008-3431"), "line 4: \"CVE-2008-3431\" is scored twice, "),
    ] {
        let (count, said) = left_out(text);
        assert_eq!(count, all - 1);
        assert!(said.len() == 1 && said[0].starts_with(line), "{said:?}");
    }
    let head: String = EPSS.lines().take(2).map(|it| format!("{it}\n")).collect();
    let defect = refused(format!("{head}CVE-2008-3431,2,0.5\n").as_bytes());
    assert_eq!(defect.at, Position::Line { line: 3 });
}

/// Whichever comes first: the lower one would make the vulnerability look harmless.
#[test]
fn of_two_scores_of_one_day_the_higher_counts_and_both_are_told() {
    for (first, second) in [("0.2", "0.9"), ("0.9", "0.2")] {
        let text = format!(
            "#model_version:v2025.03.14,score_date:2026-11-05T00:00:00+0000\ncve,epss,percentile\n\
             CVE-2026-0001,{first},{first}\nCVE-2026-0002,0.5,0.5\nCVE-2026-0001,{second},{second}\n"
        );
        let Ok(Parsed::Document(document)) = parse(text.as_bytes()) else { panic!("{text}") };
        let scores = document.vulnerabilities.iter().map(|it| {
            let epss = it.epss.as_ref().unwrap();
            (epss.probability, epss.percentile)
        });
        assert_eq!(scores.collect::<Vec<_>>(), [(0.9, 0.9), (0.5, 0.5)]);
        let told = format!(
            "line 5: \"CVE-2026-0001\" is scored twice, {first} and {second}; expected once, the higher counts"
        );
        assert_eq!(document.left_out, [told]);
    }
}

/// Read half, a vector would make its vulnerability look harmless.
#[test]
fn a_vector_that_is_none_is_left_out_and_told() {
    let cve5 = r#"{"dataType": "CVE_RECORD", "dataVersion": "5.1", "cveMetadata": {"cveId": "CVE-2026-0001", "state": "PUBLISHED"},
        "containers": {"cna": {"metrics": [{"cvssV3_1": {"version": "3.1", "vectorString": "VECTOR"}}]}}}"#;
    let osv = r#"{"id": "CVE-2026-0001", "modified": "2026-02-20T00:00:00Z", "affected": [],
        "severity": [{"type": "CVSS_V3", "score": "VECTOR"}]}"#;
    let csaf_vector = serde_json::from_str::<serde_json::Value>(CSAF).unwrap();
    let csaf_vector =
        csaf_vector.pointer("/vulnerabilities/0/scores/0/cvss_v3/vectorString").unwrap().clone();
    let csaf = CSAF.replace(csaf_vector.as_str().unwrap(), "VECTOR");
    for (text, place) in
        [(cve5, "/containers/cna/metrics/0: "), (osv, "/severity: "), (&csaf, "/vulnerabilities/0/scores: ")]
    {
        let with = |vector: &str| match parse(text.replace("VECTOR", vector).as_bytes()) {
            Ok(Parsed::Document(it)) => (it.vulnerabilities[0].cvss.len(), it.left_out),
            other => panic!("{other:?}"),
        };
        let good = with("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
        assert_eq!(good.1, Vec::<String>::new());
        assert!(good.0 > 0);
        let (count, said) = with("CVSS:3.1/AV:X");
        assert_eq!(count, good.0 - 1);
        assert!(said[0].starts_with(place), "{said:?}");
        assert!(said[0].contains("\"CVSS:3.1/AV:X\" is not a CVSS vector"), "{said:?}");
        assert!(said[0].contains("expected one of N, A, L, P"), "{said:?}");
        assert_eq!(with(""), (good.0 - 1, Vec::new()), "an empty one states nothing");
    }
}

#[test]
fn osv_lists_and_lines() {
    let compact = OSV.replace('\n', " ");
    let other = compact.replace("ALSA-2024:0001", "ALSA-2024:0002");
    for text in [format!("{compact}\n{other}\n"), format!("[{compact}, {other}]")] {
        let Ok(Parsed::Document(document)) = parse(text.as_bytes()) else { panic!("{text}") };
        assert_eq!(document.advisories.len(), 2);
    }
    let bad = other.replace("2024-01-02T", "2024-13-02T");
    assert_eq!(refused(format!("{compact}\n{bad}").as_bytes()).at, Position::Line { line: 2 });
    assert_eq!(pointer(&format!("[{compact}, {bad}]")), "/1/modified");
    assert_eq!(pointer(&format!("[{compact}, {compact}]")), "/1/id");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutations_never_panic(
        which in 0..5_usize,
        at in any::<prop::sample::Index>(),
        length in 0..40_usize,
        noise in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let mut bytes = [CSAF, CVE5, OSV, KEV, EPSS][which].as_bytes().to_vec();
        let from = at.index(bytes.len());
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, noise);
        let _ = parse(&bytes);
    }

    #[test]
    fn truncated_json_is_always_refused(which in 0..4_usize, at in any::<prop::sample::Index>()) {
        let bytes = [CSAF, CVE5, OSV, KEV][which].trim_end().as_bytes();
        let end = 1 + at.index(bytes.len() - 1);
        prop_assert!(parse(&bytes[..end]).is_err());
    }
}
