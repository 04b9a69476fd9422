//! Tables of conditions as feeds: a workaround counts once somebody has signed for it.

use crate::support::{file, run};

const HEADER: &str =
    "vulnerability,family,train,setting,value,effect,source,published,reviewed_by,reviewed_on\n";
const ROW: &str = "CVE-2023-0001,almalinux,9,vnc.enabled,false,closes,ALSA-2024:0001,2024-01-02,";

/// Status and reasons of the vulnerability on the host that has the setting, with this table among the feeds.
fn assessed(table: &str) -> (String, String) {
    let fleet = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/fleet.json"))
        .unwrap()
        .replace("\"id\": \"kvm-01\",", "\"id\": \"kvm-01\", \"settings\": {\"vnc.enabled\": false},");
    let dir = tempfile::tempdir().unwrap();
    let (fleet, table) = (file(&dir, "fleet.json", &fleet), file(&dir, "any-name", table));
    let arguments = ["assess", &fleet, "--no-builtin", "--as-of", "2026-03-02", "--format", "json"];
    let report = run(&[&arguments[..], &["--feeds", "feeds", &table]].concat()).ends(0).json();
    let rows = report["exposures"].as_array().unwrap();
    let row = rows.iter().find(|row| row["asset"] == "kvm-01" && row["vulnerability"] == "CVE-2023-0001");
    let row = row.unwrap();
    (row["status"].as_str().unwrap().to_owned(), row["reasons"].to_string())
}

#[test]
fn a_workaround_closes_once_somebody_has_reviewed_it() {
    let (status, reasons) = assessed(&format!("{HEADER}{ROW},\n"));
    assert_eq!(status, "affected");
    assert!(reasons.contains("workaround-known") && reasons.contains("reviewed_by"), "{reasons}");
    let (status, reasons) = assessed(&format!("{HEADER}{ROW}A. Reviewer,2026-03-01\n"));
    assert_eq!(status, "fixed");
    assert!(reasons.contains("setting-closes") && reasons.contains("A. Reviewer on 2026-03-01"), "{reasons}");
    let (status, _) = assessed(&format!("{HEADER}{ROW}A. Reviewer,2026-03-03\n"));
    assert_eq!(status, "affected", "reviewed after the day of the report");
}

#[test]
fn a_bad_row_of_conditions_is_quarantined_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let bad = file(&dir, "conditions", format!("{HEADER}{ROW},\n{}\n", ROW.replace("closes", "shuts") + ","));
    let check = run(&["feeds", "check", &bad, "--format", "json"]).ends(1).json();
    let quarantined = &check["quarantined"][0];
    assert_eq!(quarantined["at"]["line"], 3);
    let reason = quarantined["reason"].as_str().unwrap();
    assert!(reason.contains("shuts") && reason.contains("cold-start-guests"), "{reason}");
}

#[test]
fn the_example_of_the_guide_is_read_and_the_guide_shows_its_header() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide");
    let example = format!("{guide}/examples/conditions.csv");
    let check = run(&["feeds", "check", &example, "--format", "json"]).ends(0).json();
    assert_eq!((&check["accepted"], &check["by_format"]["conditions"]), (&1.into(), &1.into()));
    let text = std::fs::read_to_string(&example).unwrap();
    assert_eq!(text.lines().next().unwrap(), HEADER.trim_end());
    let page = std::fs::read_to_string(format!("{guide}/feeds.md")).unwrap();
    assert!(text.lines().all(|line| page.contains(line)), "feeds.md shows the example as it is");
}
