//! `underpin backtest`.

use crate::support::{file, run, shared_data};

#[test]
fn backtest_table() {
    insta::assert_snapshot!(run(&["backtest", "--platform", "esxi", "--line", "5.5"]).ends(0).stdout);
}

#[test]
fn backtest_json_has_one_row_a_policy() {
    let report = run(&["backtest", "--platform", "esxi", "--line", "7.0", "--format", "json"]).ends(0).json();
    let rows = report["policies"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|it| it["policy"].as_str().unwrap()).collect();
    let expected = [
        "at once",
        "after 7 days",
        "after 14 days",
        "after 30 days",
        "after 90 days",
        "CVSS >= 7.0",
        "CVSS >= 9.0",
        "KEV only",
        "SSVC",
        "EPSS >= 0.1",
        "monthly window",
        "quarterly window",
        "underpin",
    ];
    assert_eq!(names, expected);
    assert!(
        rows.iter()
            .all(|it| it["evaluable"] == true || it["reason"].as_str().is_some_and(|it| !it.is_empty()))
    );
    assert_eq!(rows[0]["measures"]["withdrawn_taken"], 3);
    assert_eq!(report["fleet"]["assumed"], true);
    // The same, row by row, as a table for spreadsheets.
    let csv = run(&["backtest", "--format", "csv"]).ends(0).stdout;
    assert_eq!(csv.lines().count(), 1 + expected.len());
    assert!(csv.starts_with("policy,evaluable,from,until,exposure_days,exposure_days_low,"), "{csv}");
    let cells = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().nth(1).unwrap().split(',').count() == cells, "{csv}");
}

#[test]
fn backtest_csv_has_the_days_to_patch_and_who_never_did() {
    let Some(data) = shared_data() else { return };
    let feeds = data.join("feeds/cve5-hypervisors.tar.gz");
    let asked = ["backtest", "--line", "7.0", "--feeds", feeds.to_str().unwrap(), "--format"];
    let rows = run(&[&asked[..], &["json"]].concat()).ends(0).json()["policies"].clone();
    let text = run(&[&asked[..], &["csv"]].concat()).ends(0).stdout;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|it| it == name).unwrap();
    let (mut lines, mut never) = (0, 0.0);
    for (line, row) in reader.records().map(Result::unwrap).zip(rows.as_array().unwrap()) {
        let measures = &row["measures"];
        let same = |name: &str, value: &serde_json::Value| {
            let expected = value.as_f64().map_or_else(String::new, |it| it.to_string());
            assert_eq!(&line[column(name)], expected, "{} {name}", row["policy"]);
        };
        same("never_patched", &measures["never_patched"]);
        let days = &measures["restricted_mean_days_to_patch"];
        same("restricted_mean_days_to_patch", &days["value"]);
        same("restricted_mean_days_to_patch_low", &days["interval"][0]);
        same("restricted_mean_days_to_patch_high", &days["interval"][1]);
        never += measures["never_patched"].as_f64().unwrap_or(0.0);
        lines += 1;
    }
    assert_eq!(lines, rows.as_array().unwrap().len());
    assert!(never > 0.0, "somebody never patches");
}

#[test]
fn backtest_with_cve_records_measures_exploited_exposure() {
    let Some(data) = shared_data() else { return };
    let feeds = data.join("feeds/cve5-hypervisors.tar.gz");
    let report = run(&["backtest", "--line", "7.0", "--feeds", feeds.to_str().unwrap(), "--format", "json"])
        .ends(0)
        .json();
    assert!(report["vulnerabilities"].as_u64().unwrap() >= 6, "{}", report["vulnerabilities"]);
    let of = |policy: &str| {
        report["policies"].as_array().unwrap().iter().find(|it| it["policy"] == policy).unwrap().clone()
    };
    assert_eq!(of("KEV only")["measures"]["period"]["from"], "2021-11-03");
    assert_eq!(of("SSVC")["evaluable"], true);
    let days = |policy: &str| of(policy)["measures"]["exposure_days"]["value"].as_f64().unwrap();
    assert!(days("at once") < days("after 30 days") && days("after 30 days") < days("after 90 days"));
    assert!(of("at once")["measures"]["exploited_exposure_days"]["value"].as_f64().unwrap() > 0.0);
}

#[test]
fn backtest_takes_hosts_from_a_fleet() {
    let asked = ["backtest", "fleet.json", "--platform", "esxi", "--line", "6.7", "--format", "json"];
    let ran = run(&asked).ends(0);
    assert_eq!(ran.json()["fleet"], serde_json::json!({"hosts": 2, "vms_per_host": 1.0, "assumed": false}));
    let note = ran.json()["notes"][0].clone();
    assert!(
        note.as_str().unwrap().starts_with("no host of the fleet stands on esxi 6.7 ESXi: all 2 hosts"),
        "{note}"
    );
}

#[test]
fn backtest_refuses_what_cannot_be_meant_and_names_the_choices() {
    let dir = tempfile::tempdir().unwrap();
    let undated = file(&dir, "epss.csv", "cve,epss,percentile\nCVE-2024-22252,0.5,0.5\n");
    let kev = "feeds/kev.json";
    for (arguments, code, told) in [
        (
            &["--line", "3.5"][..],
            "UP0006",
            "no history of esxi 3.5 (any component); known are: lines of esxi 4.0 (ESXi), 4.1 (ESXi), 5.0 (ESXi), ",
        ),
        (&["--line", "9.9"], "UP0006", "8.0 (ESXi); for another one bring feeds that list its releases"),
        (
            &["--platform", "debian", "--line", "bookworm", "--component", "none"],
            "UP0006",
            "bookworm (debian, edk2, ",
        ),
        (&["--platform", "nowhere", "--line", "1"], "UP0006", "platforms "),
        (&["--platform", "nowhere"], "UP0006", "no history of nowhere; known are: platforms "),
        (&["--platform", "debian", "--line", "bookworm"], "UP0001", "(--component)"),
        (
            &["--from", "2024-01-01", "--until", "2023-01-01"],
            "UP0001",
            "expected from 2020-04-02 until 2025-05-20",
        ),
        (&["--epss-at-least", "1.5"], "UP0001", "probability from 0 to 1"),
        (&["--epss", &undated], "UP0005", "score_date"),
        (&["--epss", kev], "UP0005", "expected EPSS scores"),
        (&["--policy", &undated], "UP0011", "is not usable"),
    ] {
        let ran = run(&[&["backtest"][..], arguments].concat()).ends(2);
        assert!(ran.stderr.contains(code) && ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[test]
fn backtest_draws_its_frontier() {
    let line = ["backtest", "--platform", "esxi", "--line", "5.5"];
    let svg = run(&[&line[..], &["--format", "svg"]].concat()).ends(0).stdout;
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for words in ["maintenances", "exposure-days", "quarterly window", "another policy is better", "xmlns="] {
        assert!(svg.contains(words), "{words}: {svg}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backtest.html");
    run(&[&line[..], &["--format", "html", "--out", file.to_str().unwrap()]].concat()).ends(0);
    let page = std::fs::read_to_string(file).unwrap();
    assert!(page.contains("<svg") && page.contains("not evaluable") && !page.contains("<script"));
}

/// Who names nothing is shown something, also where the line of most hosts has several components.
#[test]
fn a_sample_fleet_is_replayed_without_a_choice() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = dir.path().join("fleet.json");
    let fleet = fleet.to_str().unwrap();
    run(&["fleet", "sample", "--hosts", "30", "--seed", "1", "--out", fleet]).ends(0);
    let answer = run(&["backtest", fleet, "--format", "json"]).ends(0).json();
    assert!(!answer["policies"].as_array().unwrap().is_empty());
    // Of a line that tells something, and it says which and what else there is.
    assert!(answer["vulnerabilities"].as_u64().unwrap() > 0, "{}", answer["line"]);
    let [platform, line, component] =
        ["platform", "line", "component"].map(|it| answer[it].as_str().unwrap());
    let notes: Vec<&str> =
        answer["notes"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let chosen = format!("nobody said what to replay: {platform} {line} {component} was chosen");
    assert!(
        notes.iter().any(|it| it.starts_with(&chosen) && it.contains("others of the fleet")),
        "{notes:?}"
    );
    let taken = |row: &serde_json::Value| row["policy"] == "underpin" && row["evaluable"] == true;
    assert!(answer["policies"].as_array().unwrap().iter().any(taken));
    // Who asks for less than one line is still asked for the rest.
    let asked = run(&["backtest", fleet, "--platform", "debian", "--line", "bookworm"]).ends(2);
    assert!(asked.stderr.contains("(--component)"), "{}", asked.stderr);
}

/// Of vulnerabilities that nobody knows, none is patched and none is left open.
#[test]
fn where_no_vulnerability_is_known_it_is_unknown_how_many_were_never_patched() {
    let asked = ["backtest", "--platform", "esxi", "--line", "7.0", "--format"];
    let of = |format: &str| run(&[&asked[..], &[format]].concat()).ends(0);
    let measures = of("json").json()["policies"][0]["measures"].clone();
    for name in ["never_patched", "open_at_end", "restricted_mean_days_to_patch", "exposure_days"] {
        assert!(measures.get(name).is_none(), "{name}: {measures}");
    }
    let table = of("table").stdout;
    let row = table.lines().find(|line| line.starts_with("at once")).unwrap();
    assert_eq!(row.split_whitespace().filter(|it| *it == "unknown").count(), 4, "{row}");
    let page = of("html").stdout;
    assert!(page.contains("No vulnerability of the line is known within the span, which is not none."));
    let text = of("csv").stdout;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let at = reader.headers().unwrap().iter().position(|it| it == "never_patched").unwrap();
    for row in reader.records().map(Result::unwrap) {
        assert_eq!(&row[at], "", "{row:?}");
    }
    // Without the built-in facts there is no line at all.
    let bare = run(&["backtest", "--platform", "esxi", "--line", "7.0", "--no-builtin"]);
    assert!(bare.code != 0 && bare.stderr.contains("7.0"), "{}", bare.stderr);
}
