//! `feeds check --keep` and `feeds retry`: what is bad is kept, and tried again.

use std::path::Path;

use crate::support::{file, run};

const GOOD: &str = include_str!("fixtures/feeds/ALSA-2024-0001.json");

/// The kept documents by their bytes, with the records beside them.
fn kept(data: &Path) -> Vec<(Vec<u8>, serde_json::Value)> {
    let entries = std::fs::read_dir(data.join("quarantine")).unwrap().map(|entry| entry.unwrap().path());
    let bytes = entries.filter(|path| path.extension().is_some_and(|extension| extension == "bin"));
    let read = |path: &Path| std::fs::read(path).unwrap();
    bytes
        .map(|path| (read(&path), serde_json::from_slice(&read(&path.with_extension("json"))).unwrap()))
        .collect()
}

#[test]
fn nothing_usable_is_a_failure_and_something_bad_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    let text = file(&dir, "text/readme.txt", "about these files");
    for path in [text.as_str(), dir.path().to_str().unwrap()] {
        let ran = run(&["feeds", "check", path, "--format", "json"]).ends(2);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("error[UP0004]"), "{}", ran.stderr);
        assert!(ran.stderr.contains("1 file is no advisory"), "{}", ran.stderr);
    }
    let bad = file(&dir, "bad.json", "{\"a\": 1}");
    run(&["feeds", "check", &bad, "--format", "json"]).ends(1);
}

#[test]
fn what_is_bad_is_kept_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let bad = GOOD.get(..120).unwrap();
    file(&dir, "in/bad.json", bad);
    file(&dir, "in/good.json", GOOD);
    let data = dir.path().join("data");
    let (path, data_text) = (dir.path().join("in"), data.to_str().unwrap());
    let check = |more: &[&str]| {
        run(&[&["feeds", "check", path.to_str().unwrap()], more].concat()).ends(1);
    };
    check(&[]);
    assert!(!data.exists(), "nothing is kept unasked");
    check(&["--keep", data_text]);
    let records = kept(&data);
    assert_eq!(records.len(), 1);
    let (bytes, record) = records.first().unwrap();
    assert_eq!(bytes, bad.as_bytes());
    assert!(record["file"].as_str().unwrap().ends_with("bad.json"), "{record}");

    // The same program refuses it again, and keeps it.
    let again = run(&["feeds", "retry", "--data", data_text]).ends(1);
    assert!(again.stdout.contains("0 released") && again.stdout.contains("1 still bad"), "{}", again.stdout);
    assert_eq!(kept(&data).len(), 1);

    // One that an earlier version refused and this one reads: it becomes a feed, and what is still bad stays.
    let hash = underpin_store::sha256_hex(GOOD.as_bytes());
    let mut earlier = record.clone();
    earlier["sha256"] = hash.as_str().into();
    file(&dir, &format!("data/quarantine/{hash}.bin"), GOOD);
    file(&dir, &format!("data/quarantine/{hash}.json"), earlier.to_string());
    let retried = run(&["feeds", "retry", "--data", data_text]).ends(1);
    assert!(
        retried.stdout.contains("1 released") && retried.stdout.contains("1 still bad"),
        "{}",
        retried.stdout
    );
    assert_eq!(std::fs::read(data.join("feeds/released").join(&hash)).unwrap(), GOOD.as_bytes());
    assert_eq!(kept(&data).len(), 1);
    let released = data.join("feeds");
    let read = run(&["feeds", "check", released.to_str().unwrap(), "--format", "json"]).ends(0);
    assert_eq!(read.json()["accepted"], 1);
}

#[test]
fn a_bad_line_of_epss_scores_is_left_out_and_told_and_the_rest_counts() {
    let dir = tempfile::tempdir().unwrap();
    let scores = "#model_version:v2025.03.14,score_date:2026-03-01T00:00:00+0000\ncve,epss,percentile\n\
                  CVE-2023-0001,0.5,0.9\nCVE-2023-0002,often,0.9\n";
    let scores = file(&dir, "epss.csv", scores);
    let said = "epss.csv: 1 line left out, the others count: line 4: epss of \"CVE-2023-0002\" is \"often\"; \
                expected a number from 0 to 1";
    let check = run(&["feeds", "check", &scores]).ends(1);
    assert!(check.stdout.contains(said), "{}", check.stdout);
    let ran = run(&[
        "risk",
        "fleet.json",
        "--no-builtin",
        "--feeds",
        "feeds",
        &scores,
        "--as-of",
        "2026-03-02",
        "--format",
        "json",
    ])
    .ends(0);
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let causes = ran.json()["causes"].to_string();
    assert!(causes.contains("\"unlisted\":0.5"), "the score of the good line counts: {causes}");
}
