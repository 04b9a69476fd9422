//! `assess --status`: a part of the report that says of what it is a part.

use std::collections::BTreeSet;

use crate::support::{Ran, run};

fn assess(more: &[&str]) -> Ran {
    let arguments = ["assess", "fleet.json", "--no-builtin", "--as-of", "2026-03-02", "--feeds", "feeds"];
    run(&[&arguments[..], more].concat())
}

#[test]
fn json_lists_the_wanted_statuses_counts_all_and_says_what_was_left_out() {
    let whole = assess(&["--format", "json"]).ends(0).json();
    assert!(whole.get("left_out").is_none());
    let part = assess(&["--format", "json", "--status", "affected,fixed-not-running"]).ends(0).json();
    assert_eq!(part["summary"], whole["summary"]);
    let wanted = |status: &serde_json::Value| ["affected", "fixed_not_running"].iter().any(|it| status == it);
    let rows = |report: &serde_json::Value| report["exposures"].as_array().unwrap().clone();
    let expected: Vec<_> = rows(&whole).into_iter().filter(|row| wanted(&row["status"])).collect();
    assert_eq!(rows(&part), expected);
    assert!(!expected.is_empty() && expected.len() < rows(&whole).len());
    let left: u64 = part["left_out"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(left as usize, rows(&whole).len() - expected.len());
    assert_eq!(part["left_out"]["unknown_no_source"], whole["summary"]["unknown_no_source"]);
    let repeated = ["--format", "json", "--status", "affected", "--status", "fixed_not_running"];
    assert_eq!(
        assess(&repeated).ends(0).stdout,
        assess(&[&repeated[..3], &["affected,fixed_not_running"]].concat()).stdout
    );
}

#[test]
fn csv_lists_the_wanted_statuses_and_says_what_was_left_out_beside_it() {
    let ran = assess(&["--format", "csv", "--status", "fixed_not_running"]).ends(0);
    let statuses: BTreeSet<&str> = ran
        .stdout
        .lines()
        .skip(1)
        .filter_map(|line| {
            ["affected", "fixed_not_running", "unknown_no_source"]
                .into_iter()
                .find(|it| line.contains(&format!(",{it},")))
        })
        .collect();
    assert_eq!(statuses, BTreeSet::from(["fixed_not_running"]));
    assert!(ran.stderr.contains("2 affected") && ran.stderr.contains("--status"), "{}", ran.stderr);
}

#[test]
fn tables_and_pages_never_call_nothing_open_what_was_left_out() {
    for format in ["table", "html"] {
        let ran = assess(&["--format", format, "--status", "unknown_no_source"]).ends(0);
        assert!(
            ran.stdout.contains("left out of the lists by --status: 2 affected; 2 fixed, not running"),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains("What is open is left out."), "{}", ran.stdout);
        assert!(
            !ran.stdout.contains("is known to be open") && !ran.stdout.contains("CVE-2023-0001"),
            "{format}"
        );
        let open = assess(&["--format", format, "--status", "affected"]).ends(0).stdout;
        assert!(open.contains("CVE-2023-0001") && open.contains("3 unknown: no source"), "{open}");
    }
    let all = assess(&[]).ends(0).stdout;
    assert!(!all.contains("--status"));
}

#[test]
fn what_is_left_out_fails_a_pipeline_all_the_same() {
    assess(&["--status", "fixed", "--fail-on", "affected"]).ends(1);
    let ran = assess(&["--status", "open"]).ends(2);
    assert!(
        ran.stderr.contains("there is no such status") && ran.stderr.contains("fixed_not_running"),
        "{}",
        ran.stderr
    );
}
