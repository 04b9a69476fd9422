//! `--as-of`: what was known on a day, and how old it was then.

use serde_json::Value;

use crate::support::{file, run};

/// What a report on this day says with the fixtures and these feeds.
fn report(day: &str, feeds: &[&str]) -> Value {
    let mut arguments =
        vec!["assess", "fleet.json", "--no-builtin", "--as-of", day, "--format", "json", "--feeds"];
    arguments.push("feeds");
    arguments.extend(feeds);
    run(&arguments).ends(0).json()
}

/// The row of the one vulnerability of the fixtures on the first host.
fn row(report: &Value) -> &Value {
    let mut rows = report["exposures"].as_array().unwrap().iter();
    rows.find(|row| row["asset"] == "kvm-01" && row["vulnerability"] == "CVE-2023-0001").unwrap()
}

#[test]
fn a_feed_from_after_the_day_is_of_that_very_day() {
    // The advisory is of 2024-01-02, the list of exploited ones of 2024-02-01.
    for (day, ages) in [("2024-01-01", [0, 0]), ("2024-01-03", [1, 0]), ("2024-02-03", [32, 2])] {
        let report = report(day, &[]);
        let found = report["feeds"].as_array().unwrap().iter();
        let found: Vec<_> = found.map(|feed| feed["age_days"].as_i64().unwrap()).collect();
        assert_eq!(found, ages, "{day}: {report}");
    }
}

#[test]
fn a_score_counts_from_its_day_on() {
    let dir = tempfile::tempdir().unwrap();
    let scores = file(
        &dir,
        "epss.csv",
        "#model_version:v2023.03.01,score_date:2024-06-01T00:00:00+0000\ncve,epss,percentile\nCVE-2023-0001,0.5,0.9\n",
    );
    assert_eq!(row(&report("2024-05-31", &[&scores]))["epss"], Value::Null);
    assert_eq!(row(&report("2024-06-01", &[&scores]))["epss"], 0.5);
}

#[test]
fn a_decision_is_made_of_what_was_assessed_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let record = serde_json::json!({
        "dataType": "CVE_RECORD", "dataVersion": "5.1",
        "cveMetadata": {"cveId": "CVE-2023-0001", "state": "PUBLISHED", "assignerOrgId": "00000000-0000-4000-8000-000000000000",
            "datePublished": "2024-01-01T00:00:00Z", "dateUpdated": "2024-06-02T00:00:00Z"},
        "containers": {
            "cna": {"providerMetadata": {"orgId": "00000000-0000-4000-8000-000000000000"},
                "affected": [{"vendor": "QEMU", "product": "QEMU", "versions": [{"version": "1.0", "status": "affected"}]}],
                "descriptions": [{"lang": "en", "value": "made up"}], "references": [{"url": "https://www.example.org"}]},
            "adp": [{"providerMetadata": {"orgId": "00000000-0000-4000-8000-000000000000"},
                "metrics": [{"other": {"type": "ssvc", "content": {"timestamp": "2024-01-20T12:00:00Z", "id": "CVE-2023-0001",
                    "options": [{"Exploitation": "poc"}, {"Automatable": "no"}, {"Technical Impact": "partial"}]}}}]}]}});
    let record = file(&dir, "CVE-2023-0001.json", record.to_string());
    let assumed = |day: &str| row(&report(day, &[&record]))["ssvc"]["assumed"].to_string();
    // Before, what nobody had assessed is assumed, and told so.
    let before = assumed("2024-01-19");
    assert!(before.contains("exploitation=none") && before.contains("automatable="), "{before}");
    let after = assumed("2024-01-20");
    assert!(!after.contains("exploitation=") && !after.contains("automatable="), "{after}");
}

#[test]
fn a_day_beyond_the_facts_or_in_the_future_is_warned_of() {
    let said = |day: &str| {
        run(&["risk", "fleet.json", "--no-builtin", "--feeds", "feeds", "--samples", "1000", "--as-of", day])
            .ends(0)
            .stderr
    };
    let late = said("2026-03-02");
    assert!(late.contains("days after the newest facts ("), "{late}");
    assert!(!late.contains("in the future"), "{late}");
    assert!(said("2999-01-01").contains("--as-of 2999-01-01 is in the future (today is "));
}

/// Programs read no stderr.
#[test]
fn what_is_odd_about_the_day_is_among_the_warnings_of_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let promise = file(&dir, "p.toml", "[[promise]]\nid = \"fast\"\nkind = \"fix-within\"\ndays = 30\n");
    for (day, words) in [
        ("2999-12-31", &["is in the future (today is ", "days after the newest facts ("][..]),
        ("1970-01-01", &["days before the fleet was seen ("]),
    ] {
        for verb in ["wait", "risk", "clocks"] {
            let asked = [
                verb,
                "fleet.json",
                "--no-builtin",
                "--feeds",
                "feeds",
                "--policy",
                &promise,
                "--as-of",
                day,
            ];
            let ran = run(&[&asked[..], &["--format", "json"]].concat()).ends(0);
            let warnings = ran.json()["warnings"].to_string();
            let table = run(&asked).ends(0);
            for words in words {
                assert!(warnings.contains(words) && ran.stderr.contains(words), "{verb} {day}: {warnings}");
                let shown = table.stdout.matches(words).count() + table.stderr.matches(words).count();
                assert_eq!(shown, 1, "{verb} {day}: {} {}", table.stdout, table.stderr);
            }
        }
    }
}
