//! What is wrong with other people's files, through the command line: a bad document never harms the good ones.

use std::io::{BufWriter, Write as _};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{file, run};

const GOOD: &str = include_str!("fixtures/feeds/ALSA-2024-0001.json");

/// A folder with a good advisory and this; what `feeds check` says about it.
fn checked(name: &str, content: &[u8], code: i32) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "good.json", GOOD);
    file(&dir, name, content);
    let report = run(&["feeds", "check", dir.path().to_str().unwrap(), "--format", "json"]).ends(code).json();
    assert!(report["accepted"].as_u64().unwrap() >= 1, "the good one arrives: {report}");
    for one in report["quarantined"].as_array().unwrap() {
        assert!(one["file"].as_str().unwrap().contains(name), "{one}");
        assert!(!one["reason"].as_str().unwrap().is_empty(), "{one}");
        // Whatever the document held, a report line stays a line.
        assert!(one["reason"].as_str().unwrap().len() < 2000, "{}", one["reason"].as_str().unwrap().len());
    }
    report
}

fn quarantined(name: &str, content: &[u8]) -> String {
    let report = checked(name, content, 1);
    assert_eq!(report["quarantined"].as_array().unwrap().len(), 1, "{report}");
    report["quarantined"][0].to_string()
}

#[test]
fn truncated_json_and_wrong_encoding_are_quarantined() {
    quarantined("cut.json", &GOOD.as_bytes()[..GOOD.len() / 2]);
    let latin = GOOD.replace("Important", "Wichtig f\u{fc}r").chars().map(|c| c as u8).collect::<Vec<u8>>();
    quarantined("latin1.json", &latin);
}

#[test]
fn valid_json_that_is_no_advisory_is_quarantined_and_plain_text_ignored() {
    for content in [r#"{"a": 1}"#, "[]", "[1, 2, 3]", "null", "\"text\"", " true\n", "-1.5e3"] {
        let reason = quarantined("other.json", content.as_bytes());
        assert!(reason.contains("no advisory: expected CSAF"), "{reason}");
    }
    for content in ["nullify", "\"quoted\" and more", "1.2.3", ""] {
        let report = checked("other.json", content.as_bytes(), 0);
        assert_eq!(report["ignored"].as_array().unwrap().len(), 1, "{content}: {report}");
    }
}

#[test]
fn duplicate_ids_are_counted_and_do_no_harm() {
    let report = checked("again.json", GOOD.as_bytes(), 0);
    assert_eq!(report["documents"], 2, "{report}");
}

#[test]
fn a_zip_bomb_is_refused() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(b"{\"id\": \"ALSA-2024:0002\", \"details\": \"").unwrap();
    for _ in 0..64 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let reason = quarantined("bomb.json.gz", &bomb);
    assert!(reason.contains("200"), "names the limit: {reason}");
}

#[test]
fn a_million_characters_in_one_string_are_only_long() {
    let long = "a".repeat(1_000_000);
    checked("details.json", GOOD.replace("Important: qemu-kvm security update", &long).as_bytes(), 0);
    for place in ["ALSA-2024:0001", "17:8.2.0-11.el9_4", "AlmaLinux:9", "2024-01-02T00:00:00Z"] {
        let dir = tempfile::tempdir().unwrap();
        file(&dir, "good.json", GOOD);
        file(&dir, "long.json", GOOD.replace(place, &long));
        let ran = run(&["feeds", "check", dir.path().to_str().unwrap(), "--format", "json"]);
        assert!([0, 1].contains(&ran.code) && !ran.stderr.contains("panicked"), "{place}");
        assert!(ran.json()["accepted"].as_u64().unwrap() >= 1);
        assert!(ran.stdout.len() < 20_000, "{place}: {} bytes", ran.stdout.len());
    }
}

#[test]
fn a_document_of_200_mb_stays_quick() {
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "good.json", GOOD);
    let mut big = BufWriter::new(std::fs::File::create(dir.path().join("big.json")).unwrap());
    let (head, tail) = GOOD.split_once("\"summary\"").unwrap();
    write!(big, "{}\"references\": [", head.replace("2024:0001", "2024:0002")).unwrap();
    let reference =
        r#"{"type": "WEB", "url": "https://www.example.org/advisories/a-rather-long-name-of-a-page"},"#;
    for _ in 0..(200_000_000 / reference.len()) {
        big.write_all(reference.as_bytes()).unwrap();
    }
    write!(big, "{}], \"summary\"{tail}", reference.trim_end_matches(',')).unwrap();
    drop(big.into_inner().unwrap());
    let start = Instant::now();
    let report = run(&["feeds", "check", dir.path().to_str().unwrap(), "--format", "json"]).ends(0).json();
    assert_eq!(report["accepted"], 2, "{report}");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn dates_before_1970_and_versions_that_are_none() {
    let old = GOOD.replace("2024-01-02", "1955-01-02");
    checked("old.json", old.as_bytes(), 0);
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "odd.json", GOOD.replace("17:8.2.0-11.el9_4", "\u{2620} not a version \\u0000"));
    let feeds = dir.path().to_str().unwrap();
    let ran = run(&["assess", "fleet.json", "--no-builtin", "--feeds", feeds, "--format", "json"]);
    assert!([0, 2].contains(&ran.code), "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    if ran.code == 0 {
        // What cannot be compared is never called fixed.
        assert_eq!(ran.json()["summary"]["fixed"], 0, "{}", ran.stdout);
    }
    let fleet = include_str!("fixtures/fleet.json").replace("17:8.2.0-10.el9", "\u{2620}");
    let fleet = file(&dir, "fleet/fleet.json", fleet);
    let ran = run(&["assess", &fleet, "--no-builtin", "--feeds", "feeds", "--format", "json"]).ends(0);
    let rows = ran.json()["exposures"].as_array().unwrap().clone();
    let odd = rows.iter().filter(|row| row["asset"] == "kvm-01" && row["vulnerability"].is_string());
    assert!(odd.clone().count() >= 1 && odd.clone().all(|row| row["status"] != "fixed"), "{rows:?}");
}
