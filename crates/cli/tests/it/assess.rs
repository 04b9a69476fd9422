//! `assess` in all its forms, and what makes it fail.

use std::io::Read as _;
use std::process::Stdio;

use crate::support::{Ran, file, run, run_with, underpin};

const DAY: &str = "2026-03-02";

fn assess(more: &[&str]) -> Ran {
    let mut arguments = vec!["assess", "fleet.json", "--no-builtin", "--as-of", DAY, "--feeds", "feeds"];
    arguments.extend_from_slice(more);
    run(&arguments)
}

#[test]
fn table() {
    insta::assert_snapshot!(assess(&[]).ends(0).stdout);
}

#[test]
fn csv_is_rfc_4180_and_holds_no_formula() {
    let text = assess(&["--format", "csv"]).ends(0).stdout;
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "lines end with CR LF");
    assert!(text.contains(",'=cmd|calc,") && !text.contains(",=cmd"), "{text}");
    insta::assert_snapshot!(text.replace("\r\n", "\n"));
}

#[test]
fn json_has_the_keys_that_others_read() {
    let report = assess(&["--format", "json"]).ends(0).json();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&report), ["as_of", "exposures", "feeds", "summary"]);
    for key in ["id", "updated", "age_days", "covers"] {
        assert!(report["feeds"][0].get(key).is_some(), "{key}");
    }
    for key in ["assets", "affected", "fixed", "fixed_not_running", "not_affected", "unknown_no_source"] {
        assert!(report["summary"][key].is_u64(), "{key}");
    }
    let wanted =
        "asset component version running_version vulnerability status reasons kev epss cvss ssvc due fix";
    for exposure in report["exposures"].as_array().unwrap() {
        for key in wanted.split(' ') {
            assert!(exposure.get(key).is_some(), "{key}");
        }
        assert!(!exposure["reasons"].as_array().unwrap().is_empty());
    }
    let rows = report["exposures"].as_array().unwrap().len() as u64;
    let counted: u64 =
        ["affected", "fixed", "fixed_not_running", "not_affected", "unknown_no_source", "unknown_other"]
            .iter()
            .map(|key| report["summary"][key].as_u64().unwrap())
            .sum();
    assert_eq!(rows, counted);
    assert!(report["as_of"].as_str().unwrap().starts_with(DAY));
}

#[test]
fn statuses_of_the_two_hosts() {
    let report = assess(&["--format", "json"]).ends(0).json();
    let status = |asset: &str| {
        let rows = report["exposures"].as_array().unwrap();
        let hit = rows.iter().find(|row| row["asset"] == asset && row["vulnerability"] == "CVE-2023-0001");
        hit.map(|row| row["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(status("kvm-01").as_deref(), Some("affected"));
    assert_eq!(status("kvm-02").as_deref(), Some("fixed_not_running"));
}

#[test]
fn what_was_published_after_the_day_does_not_count() {
    let early = [
        "assess",
        "fleet.json",
        "--no-builtin",
        "--as-of",
        "2024-01-15",
        "--format",
        "json",
        "--feeds",
        "feeds",
    ];
    let report = run(&early).ends(0).json();
    assert!(report["exposures"].as_array().unwrap().iter().all(|row| row["kev"].is_null()));
    for day in ["15.1.2024", "9999-12-31", "99999-01-01", "3000-01-01", "1969-12-31"] {
        for verb in ["assess", "risk", "wait", "clocks"] {
            let told = run(&[verb, "fleet.json", "--as-of", day]).ends(2).stderr;
            let words = "expected a day such as 2026-11-21, from 1970-01-01 to 2999-12-31";
            assert!(told.contains(words) && told.contains(day), "{verb} {day}: {told}");
        }
    }
}

#[test]
fn each_rule_of_fail_on() {
    for rule in ["affected", "fixed-not-running", "kev", "overdue", "unknown", "stale"] {
        let ran = assess(&["--fail-on", rule]).ends(1);
        assert!(ran.stdout.contains("CVE-2023-0001"), "the report is written all the same");
    }
    assess(&["--fail-on", "kev,stale"]).ends(1);
    assess(&["--fail-on", "nothing"]).ends(2);
    // Before it was listed it was neither exploited nor due; nothing is stale for those who wait long enough.
    let early = ["assess", "fleet.json", "--no-builtin", "--as-of", "2024-01-03", "--feeds", "feeds"];
    for rule in ["kev", "overdue", "stale"] {
        let mut arguments = early.to_vec();
        arguments.extend(["--stale-after", "60000", "--fail-on", rule]);
        run(&arguments).ends(0);
    }
    let fixed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/fleet.json"))
        .unwrap()
        .replace("8.2.0-10.el9", "8.2.0-12.el9");
    let arguments = ["assess", "-", "--no-builtin", "--as-of", DAY, "--feeds", "feeds", "--fail-on"];
    for rule in ["affected", "fixed-not-running", "kev", "overdue"] {
        run_with(&[&arguments[..], &[rule]].concat(), fixed.as_bytes()).ends(0);
    }
}

#[test]
fn a_file_is_written_whole_and_stdout_stays_empty() {
    let dir = tempfile::tempdir().unwrap();
    for format in ["table", "json", "csv", "html"] {
        let path = dir.path().join(format);
        let ran = assess(&["--format", format, "--out", path.to_str().unwrap()]).ends(0);
        assert_eq!(ran.stdout, "");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), assess(&["--format", format]).stdout, "{format}");
    }
    let taken = file(&dir, "taken", "x");
    let ran = assess(&["--format", "json", "--out", &format!("{taken}/below/report.json")]).ends(2);
    assert!(ran.stderr.starts_with("error[UP0002]: ") && ran.stderr.contains("taken"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let sample = run(&["fleet", "sample", "--hosts", "60"]).ends(0).stdout;
    for format in ["table", "json", "csv", "html"] {
        let dir = tempfile::tempdir().unwrap();
        let fleet = file(&dir, "fleet.json", &sample);
        let mut child = underpin()
            .args(["assess", &fleet, "--as-of", DAY, "--format", format, "--all"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 8];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        Ran::from(child.wait_with_output().unwrap()).ends(0);
    }
}
