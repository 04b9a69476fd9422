//! CVSS scores against reference scores, and vectors that are none.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test reads files and fails by panicking"
)]

mod shared;

use proptest::prelude::*;
use underpin_model::cvss::{AttackVector, Severity, Version, attack_vector, score, table};

#[test]
fn every_reference_vector_scores_exactly() {
    let Some(text) = shared::read("vectors/cvss.tsv") else { return };
    let outcome = table::check(&text).unwrap();
    let shown: Vec<String> = outcome.mismatches.iter().take(20).map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{} mismatches:\n{}", outcome.mismatches.len(), shown.join("\n"));
    assert_eq!(outcome.rows, 7_622);
    // Where the table leaves a score out, the vector has none.
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let score = score(cells[1]).unwrap();
        assert_eq!(score.temporal.is_none(), cells[3].is_empty(), "{line}");
        assert_eq!(score.environmental.is_none(), cells[4].is_empty(), "{line}");
        assert_eq!(serde_json::to_value(score.version).unwrap(), cells[0], "{line}");
    }
}

#[test]
fn every_macrovector_scores_exactly() {
    let Some(text) = shared::read("vectors/cvss4-macrovectors.tsv") else { return };
    let mut rows = 0;
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let found = score(cells[2]).unwrap().base;
        for expected in [cells[1], cells[3]] {
            assert_eq!(found, expected.parse::<f64>().unwrap(), "{line}");
        }
        rows += 1;
    }
    assert_eq!(rows, 270);
}

#[test]
fn version_2_in_every_spelling() {
    let bare = "AV:L/AC:M/Au:S/C:N/I:P/A:C/E:U/RL:OF/RC:UR/CDP:N/TD:L/CR:H/IR:H/AR:H";
    for vector in
        [bare.to_owned(), format!("({bare})"), format!("CVSS:2.0/{bare}"), format!("(CVSS:2.0/{bare})")]
    {
        let score = score(&vector).unwrap();
        assert_eq!(score.version, Version::V2, "{vector}");
        assert_eq!(
            (score.base, score.temporal, score.environmental),
            (5.0, Some(3.5), Some(1.2)),
            "{vector}"
        );
        assert_eq!(score.overall(), 1.2);
    }
}

#[test]
fn severity_words() {
    for (tenths, word) in [
        (0, "none"),
        (1, "low"),
        (39, "low"),
        (40, "medium"),
        (69, "medium"),
        (70, "high"),
        (89, "high"),
        (90, "critical"),
        (100, "critical"),
    ] {
        assert_eq!(Severity::of(Version::V3_1, f64::from(tenths) / 10.0).to_string(), word, "{tenths}");
    }
    assert_eq!(Severity::of(Version::V2, 0.0), Severity::Low);
    assert_eq!(Severity::of(Version::V2, 10.0), Severity::High);
    assert_eq!(score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H").unwrap().severity(), Severity::Critical);
}

#[test]
fn attack_vectors_of_each_version() {
    for (start, rest) in [
        ("", "/AC:L/Au:N/C:C/I:C/A:C"),
        ("CVSS:3.1/", "/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),
        ("CVSS:4.0/", "/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"),
    ] {
        for (letter, expected) in [
            ("N", AttackVector::Network),
            ("A", AttackVector::Adjacent),
            ("L", AttackVector::Local),
            ("P", AttackVector::Physical),
        ] {
            let found = attack_vector(&format!("{start}AV:{letter}{rest}")).ok();
            let expected = (!(start.is_empty() && letter == "P")).then_some(expected);
            assert_eq!(found, expected, "{start}AV:{letter}");
        }
    }
    assert!(AttackVector::Network > AttackVector::Adjacent && AttackVector::Local > AttackVector::Physical);
}

#[test]
fn an_error_names_the_metric_and_what_it_takes() {
    for (vector, part, reason) in [
        ("", "", "no such metric"),
        ("CVSS:5.0/AV:N", "CVSS:5.0", "expected CVSS:2.0"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H", "A", "missing; state it as one of N, L, H"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:X", "A:X", "expected one of N, L, H"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/AV:N", "AV:N", "stated twice"),
        ("CVSS:3.1/AV:N/AC:L/Au:N", "Au:N", "no such metric in this version"),
        ("CVSS:4.0/AV:N/", "", "no such metric"),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:c", "A:c", "expected one of N, P, C"),
        ("(AV:N/AC:L/Au:N/C:C/I:C/A:C", "(AV:N", "no such metric"),
    ] {
        let error = score(vector).unwrap_err();
        assert_eq!(error.part, part, "{vector}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(score(&"é".repeat(1_000_000)).unwrap_err().vector.chars().count(), 200);
}

#[test]
fn tables_with_and_without_header() {
    let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    let found = |text: &str| -> Vec<String> {
        table::check(text).unwrap().mismatches.iter().map(ToString::to_string).collect()
    };
    let none: [String; 0] = [];
    assert_eq!(found(&format!("{vector}\t9.8\n")), none);
    assert_eq!(found(&format!("3.1\t{vector}\t9.8\t9.8\t9.8\n")), none);
    assert_eq!(found(&format!("vektor\twert\n{vector}\t9.8\n")), none);
    assert_eq!(found(&format!("base_score\tvector\r\n9.8\t{vector}\r\n")), none);
    let wrong = [format!("line 2: {vector}: expected base score 9.7, found 9.8")];
    assert_eq!(found(&format!("vector\texpected\n{vector}\t9.7\n")), wrong);
    assert_eq!(found(&format!("{vector}\t9.8\n{vector}\t9.7\n")), wrong);
    assert_eq!(found(&format!("{vector}\t9.8\t9.7\n")).len(), 1);
    assert_eq!(found("AV:N/AC:L/Au:N/C:C/I:C/A:C\t10.0\t10.0\n")[0].split("found ").last(), Some("none"));
    assert_eq!(found("x/y\t1.0\n").len(), 1);
    for (text, line) in [
        (String::new(), 1),
        ("vector\tbase_score\n".to_owned(), 1),
        (format!("{vector}\t9.8\n{vector}\n"), 2),
        (format!("{vector}\t9.8\n{vector}\t11\n"), 2),
        (format!("{vector}\t9.8\n{vector}\tNaN\n"), 2),
    ] {
        assert_eq!(table::check(&text).unwrap_err().line, line, "{text:?}");
    }
}

fn any_vector() -> impl Strategy<Value = String> {
    let metrics = "AV|AC|AT|PR|UI|S|C|I|A|Au|E|RL|RC|CDP|TD|VC|VI|VA|SC|SI|SA|CR|IR|AR|MAV|MSI|MS|MC|U";
    let metric = format!("({metrics}):(N|A|L|P|H|M|C|U|X|S|F|ND)");
    let v3 = "CVSS:3[.][01]/AV:[NALP]/AC:[LH]/PR:[NLH]/UI:[NR]/S:[UC]/C:[NLH]/I:[NLH]/A:[NLH](/E:[XUPFH])?(/RC:[XURC])?(/CR:[XLMH])?(/MAV:[XNALP])?(/MS:[XUC])?(/MC:[XNLH])?";
    let v4 = "CVSS:4[.]0/AV:[NALP]/AC:[LH]/AT:[NP]/PR:[NLH]/UI:[NPA]/VC:[HLN]/VI:[HLN]/VA:[HLN]/SC:[HLN]/SI:[HLN]/SA:[HLN](/E:[XAPU])?(/CR:[XHML])?(/IR:[XHML])?(/MAV:[XNALP])?(/MVC:[XHLN])?(/MSI:[XSHLN])?(/MSC:[XHLN])?";
    let v2 = "AV:[LAN]/AC:[HML]/Au:[MSN]/C:[NPC]/I:[NPC]/A:[NPC](/E:(ND|U|POC|F|H))?(/CDP:(ND|N|L|LM|MH|H))?(/TD:(ND|N|L|M|H))?(/AR:[LMH])?";
    let jumbled =
        proptest::string::string_regex(&format!("(CVSS:[234][.]0/)?({metric}/){{0,12}}{metric}")).unwrap();
    prop_oneof![v3, v4, v2, jumbled, any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_score_is_from_0_to_10_with_one_decimal(vector in any_vector()) {
        if let Ok(score) = score(&vector) {
            for value in [Some(score.base), score.temporal, score.environmental].into_iter().flatten() {
                prop_assert!((0.0..=10.0).contains(&value), "{} {}", vector, value);
                prop_assert!(((value * 10.0).round() / 10.0 - value).abs() < 1e-12, "{} {}", vector, value);
            }
        }
        prop_assert_eq!(score(&vector).is_ok(), attack_vector(&vector).is_ok());
    }

    #[test]
    fn more_exploitation_never_lowers_a_score(vector in "CVSS:4[.]0/AV:[NALP]/AC:[LH]/AT:[NP]/PR:[NLH]/UI:[NPA]/VC:[HLN]/VI:[HLN]/VA:[HLN]/SC:[HLN]/SI:[HLN]/SA:[HLN]") {
        let scores = ["U", "P", "A"].map(|exploit| score(&format!("{vector}/E:{exploit}")).unwrap().base);
        prop_assert!(scores.is_sorted(), "{} {:?}", vector, scores);
        prop_assert_eq!(score(&vector).unwrap().base, scores[2]);
    }
}

#[test]
fn low_requirements_do_not_take_a_version_2_score_below_zero() {
    let score = score("AV:L/AC:H/Au:M/C:N/I:N/A:P/AR:L").unwrap();
    assert_eq!(score.environmental, Some(0.0));
}
