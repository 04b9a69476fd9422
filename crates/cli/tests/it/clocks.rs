//! `underpin clocks`.

use crate::support::{file, run};

const POLICY: &str = include_str!("fixtures/promises.toml");

#[test]
fn clocks_table() {
    let dir = tempfile::tempdir().unwrap();
    let policy = file(&dir, "policy.toml", POLICY);
    let asked = ["clocks", "fleet.json", "--feeds", "feeds", "--policy", &policy, "--as-of", "2024-01-30"];
    insta::assert_snapshot!(run(&asked).ends(0).stdout);
    let late = [&asked[..], &["--plan-pace", "0.1", "--format", "json"]].concat();
    let report = run(&late).ends(0).json();
    assert!(
        report["forecast"][0]["sentence"].as_str().unwrap().contains("at the planned pace 2 hosts breach")
    );
    let csv = run(&[&asked[..], &["--format", "csv"]].concat()).ends(0).stdout;
    assert!(
        csv.starts_with("promise,state,started,due,about,component,fix,needs,asset_kind,asset,evidence\r\n"),
        "{csv}"
    );
    // A package of the fleet is named like a formula.
    assert!(csv.lines().flat_map(|it| it.split(',')).all(|it| !it.starts_with('=')), "{csv}");
}

#[test]
fn clocks_end_a_pipeline_when_asked_to_check() {
    let dir = tempfile::tempdir().unwrap();
    let policy = file(&dir, "policy.toml", POLICY);
    run(&[
        "clocks",
        "fleet.json",
        "--feeds",
        "feeds",
        "--policy",
        &policy,
        "--as-of",
        "2024-03-30",
        "--check",
    ])
    .ends(1);
}

#[test]
fn clocks_of_a_tenant_that_the_fleet_does_not_have_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let policy = file(&dir, "policy.toml", POLICY);
    let asked = ["clocks", "fleet.json", "--feeds", "feeds", "--policy", &policy, "--tenant"];
    let said = run(&[&asked[..], &["nobody"]].concat()).ends(2).stderr;
    assert!(said.contains("--tenant: found tenant \"nobody\", expected one of the fleet"), "{said}");
}

#[test]
fn clocks_refuse_what_cannot_be_meant() {
    let dir = tempfile::tempdir().unwrap();
    let (policy, empty) = (file(&dir, "policy.toml", POLICY), file(&dir, "empty.toml", ""));
    let ran = run(&["clocks", "fleet.json", "--policy", &empty]).ends(2);
    assert!(ran.stderr.contains("[[promise]]"), "{}", ran.stderr);
    for pace in ["0", "-1", "nan"] {
        let ran = run(&["clocks", "fleet.json", "--policy", &policy, &format!("--plan-pace={pace}")]).ends(2);
        assert!(ran.stderr.contains("from 0.001 to 1000000"), "{}", ran.stderr);
    }
    run(&["clocks", "fleet.json"]).ends(2);
}
