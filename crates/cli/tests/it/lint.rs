//! `lint`: a plan that keeps every rule, the same broken by hand, and files that are no plan.

use sha2::{Digest as _, Sha256};

use crate::support::{file, run};

const PLAN: &str = include_str!("fixtures/lint/plan.json");
const FLEET: &[u8] = include_bytes!("fixtures/lint/fleet.json");

/// The hash of the fleet file.
fn hash() -> String {
    Sha256::digest(FLEET).iter().map(|it| format!("{it:02x}")).collect()
}

/// The plan, with the fleet file that it was made from.
fn sound() -> String {
    let named = format!("\"fleet\": \"small\", \"fleet_sha256\": \"{}\",", hash());
    PLAN.replacen("\"fleet\": \"small\",", &named, 1)
}

fn lint(plan: &str, more: &[&str]) -> crate::support::Ran {
    let fixed = ["lint", plan, "--fleet", "lint/fleet.json", "--policy", "lint/policy.toml"];
    run(&[&fixed[..], more].concat())
}

#[test]
fn a_plan_that_keeps_every_rule_ends_with_0() {
    let dir = tempfile::tempdir().unwrap();
    let plan = file(&dir, "plan.json", sound());
    let ran = lint(&plan, &["--format", "json"]).ends(0);
    let report = ran.json();
    assert!(report["checked"].as_array().unwrap().len() > 25 && report["ends_at_s"] == 15_010, "{report}");
    // That the plan names no hash of its policy is unknown, and fails only who asks for that.
    let severities: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|it| it["severity"].as_str().unwrap()).collect();
    assert_eq!(severities, ["unknown"]);
    lint(&plan, &["--fail-on", "before,worse"]).ends(0);
    lint(&plan, &["--fail-on", "unknown"]).ends(1);
    let table = lint(&plan, &[]).ends(0).stdout;
    assert!(table.contains("(+4 h 10 min 10 s): it keeps every rule"), "{table}");
    assert!(table.lines().any(|it| it.starts_with("freeze-calendar") && it.contains("nothing")), "{table}");
}

#[test]
fn a_plan_broken_by_hand_ends_with_1_and_names_time_host_and_rule() {
    let dir = tempfile::tempdir().unwrap();
    // Two lines: a guest goes to another host, and in less time than it takes.
    let broken =
        sound().replacen("\"to\": \"h4\"", "\"to\": \"h3\"", 1).replacen("\"end\": 700,", "\"end\": 800,", 1);
    assert_ne!(broken, sound());
    let broken = file(&dir, "plan.json", broken);
    let table = lint(&broken, &[]).ends(1).stdout;
    assert!(table.contains("it must not be carried out"), "{table}");
    let finding = table.lines().find(|it| it.starts_with("error") && it.contains("occupied-host")).unwrap();
    assert!(finding.contains("host h3") && finding.contains("+3 h 30 min"), "{finding}");
    assert!(finding.contains("2026-11-21T03:30:00Z"), "{finding}");
}

#[test]
fn a_plan_of_another_fleet_file_is_no_plan_for_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let other = sound().replace(&hash(), &"0".repeat(64));
    let other = file(&dir, "plan.json", other);
    let table = lint(&other, &[]).ends(1).stdout;
    assert!(table.contains("made_from.fleet_sha256"), "{table}");
    // Taking the line out is no way around it.
    let nameless = file(&dir, "plan.json", PLAN);
    let table = lint(&nameless, &[]).ends(1).stdout;
    assert!(table.contains("the fleet that it was made from is unknown"), "{table}");
}

#[test]
fn what_is_no_plan_ends_with_2_and_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&str, &str); 4] = [
        ("", "valid JSON"),
        ("{}", "missing field"),
        (&PLAN.replace("underpin/plan/1", "underpin/plan/9"), "/format"),
        (&PLAN.replacen("\"mbps\": 5000", "\"mbps\": \"fast\"", 1), "/steps/"),
    ];
    for (text, place) in cases {
        let bad = file(&dir, "plan.json", text);
        let ran = lint(&bad, &[]).ends(2);
        assert!(ran.stderr.contains("error[UP0013]") && ran.stderr.contains(place), "{}", ran.stderr);
    }
    assert!(run(&["explain", "UP0013"]).ends(0).stdout.contains("plan file"));
    assert!(run(&["lint", "-", "--fleet", "-"]).ends(2).stderr.contains("UP0001"));
}

#[test]
fn the_plan_of_the_default_sample_has_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (fleet, plan, report) = (path("fleet.json"), path("plan.json"), path("report.json"));
    run(&["fleet", "sample", "--out", &fleet]).ends(0);
    run(&["plan", &fleet, "--out", &plan, "--report", &report, "--evaluations", "4"]).ends(0);
    let ran =
        run(&["lint", &plan, "--fleet", &fleet, "--fail-on", "before,unknown,worse", "--format", "json"])
            .ends(0);
    assert_eq!(ran.json()["findings"], serde_json::json!([]));
}
