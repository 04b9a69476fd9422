//! `fleet`, `collect`, `ripple` and `feeds check`.

use crate::support::{Ran, file, run, run_with, shared_data};

#[test]
fn ripple_of_a_host() {
    let ran = run(&["ripple", "fleet.json", "--at", "kvm-01", "--format", "json"]).ends(0);
    insta::assert_snapshot!(ran.stdout);
    insta::assert_snapshot!("ripple_table", run(&["ripple", "fleet.json", "--at", "kvm-01"]).ends(0).stdout);
    let ran = run(&["ripple", "fleet.json", "--at", "kvm-O1"]).ends(2);
    assert!(ran.stderr.contains("error[UP0006]") && ran.stderr.contains("kvm-01"), "{}", ran.stderr);
}

#[test]
fn a_long_ripple_is_cut_unless_all_is_asked_for() {
    let sample = run(&["fleet", "sample", "--hosts", "60"]).ends(0).stdout;
    let ripple = |more: &[&str]| {
        let arguments = [&["ripple", "-", "--at", "pve-manager"], more].concat();
        run_with(&arguments, sample.as_bytes()).ends(0).stdout
    };
    let (first, all) = (ripple(&[]), ripple(&["--all"]));
    assert!(first.contains("more (--all shows them)") && !all.contains("--all"));
    assert!(first.lines().count() < 130 && all.lines().count() > 200, "{}", all.lines().count());
}

#[test]
fn a_sample_is_the_same_for_the_same_seed() {
    let sample = |seed: &str| run(&["fleet", "sample", "--hosts", "9", "--seed", seed]).ends(0).stdout;
    assert_eq!(sample("7"), sample("7"));
    assert_ne!(sample("7"), sample("8"));
    let ran = run_with(&["fleet", "check", "-"], sample("7").as_bytes()).ends(0);
    assert!(ran.stdout.contains(" 9 hosts, "), "{}", ran.stdout);
    run(&["fleet", "sample", "--hosts", "0"]).ends(2);
}

/// Within 1 GiB and ten seconds of computing the largest fleet cannot be built: only a path that is looked at first is complained about.
#[cfg(target_os = "linux")]
#[test]
fn a_sample_that_cannot_be_written_is_not_built() {
    let dir = tempfile::tempdir().unwrap();
    let taken = file(&dir, "taken", "x");
    for out in [format!("{taken}/fleet.json"), dir.path().to_str().unwrap().to_owned()] {
        let mut shell = std::process::Command::new("sh");
        shell.args([
            "-c",
            "ulimit -v 1048576; ulimit -t 10; exec \"$0\" fleet sample --hosts 4000000000 --out \"$1\"",
        ]);
        let ran: Ran = shell.args([env!("CARGO_BIN_EXE_underpin"), &out]).output().unwrap().into();
        let ran = ran.ends(2);
        assert!(ran.stderr.starts_with("error[UP0002]: "), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn the_example_is_a_fleet_and_the_schema_is_json() {
    let example = run(&["fleet", "example"]).ends(0).stdout;
    run_with(&["fleet", "check", "-"], example.as_bytes()).ends(0);
    let schema = run(&["fleet", "schema"]).ends(0).json();
    assert!(schema["$schema"].is_string() && schema["properties"]["hosts"].is_object());
}

#[test]
fn a_host_that_names_two_releases_is_told_by_check() {
    let fleet = |stated: &str, listed: &str| {
        serde_json::json!({"format": "underpin/fleet/1", "name": "two", "seen": {"at": "2026-11-20T00:00:00Z", "by": "test"},
            "hosts": [{"id": "e", "platform": {"family": "esxi", "release": stated},
                "components": {"components": [{"name": "ESXi", "version": listed, "kind": "product", "family": "esxi"}]}}]})
    };
    let check = |stated: &str, listed: &str| {
        run_with(&["fleet", "check", "-"], fleet(stated, listed).to_string().as_bytes()).ends(0)
    };
    let two = check("7.0U3c-19193900", "7.0.3-18644231");
    assert!(
        two.stderr.contains("1 of 1 hosts name two releases of their platform (so host e:"),
        "{}",
        two.stderr
    );
    // Of names of withdrawn releases the build is known.
    for (stated, listed, warnings) in [
        ("7.0U3c-19193900", "7.0.3-18644231", 1),
        ("7.0U3c-19193900", "7.0.3-19193900", 0),
        ("7.0 U3a", "7.0.3-19193900", 1),
        ("7.0 U3c", "7.0.3-19193900", 0),
        ("7.0 U3", "7.0.3-19193900", 0),
    ] {
        let told = check(stated, listed);
        assert!(
            told.stdout.ends_with(&format!("{warnings} warnings\n")),
            "{stated} {listed}: {}",
            told.stdout
        );
    }
}

#[test]
fn a_bad_fleet_lists_everything_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bad = include_str!("fixtures/fleet.json")
        .replace("\"site\": \"north\"", "\"site\": \"nowhere\"")
        .replace("\"host\": \"kvm-02\"", "\"host\": \"kvm-99\"")
        .replace("\"tenant\": \"tenant-01\"", "\"tenant\": \"tenant-77\"");
    let fleet = file(&dir, "bad.json", bad);
    let ran = run(&["fleet", "check", &fleet]).ends(2);
    for wrong in ["nowhere", "kvm-99", "tenant-77"] {
        assert!(ran.stderr.contains(wrong), "{wrong}: {}", ran.stderr);
    }
    insta::assert_snapshot!(ran.stderr.replace(dir.path().to_str().unwrap(), "[dir]"));
    let out = dir.path().join("report.json");
    let ran = run(&["assess", &fleet, "--format", "json", "--out", out.to_str().unwrap()]).ends(2);
    assert!(ran.stdout.is_empty() && !out.exists());
    run(&["assess", "no-such-file.json"]).ends(2);
    run_with(&["fleet", "check", "-"], b"{").ends(2);
}

#[test]
fn feeds_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let advisory = include_str!("fixtures/feeds/ALSA-2024-0001.json");
    file(&dir, "good.json", advisory);
    let path = dir.path().to_str().unwrap();
    run(&["feeds", "check", path]).ends(0);
    file(&dir, "cut.json", &advisory[..200]);
    file(&dir, "note.json", r#"{"hello": "world"}"#);
    file(&dir, "readme.txt", "about these files");
    let json = run(&["feeds", "check", path, "--format", "json"]).ends(1);
    insta::assert_snapshot!(json.stdout.replace(path, "[dir]"));
    // The width of a column depends on where temporary folders are.
    let table = run(&["feeds", "check", path]).ends(1).stdout.replace(path, "[dir]");
    let lines: Vec<String> =
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    insta::assert_snapshot!("feeds_table", lines.join("\n"));
    let ran = run_with(&["feeds", "check", "-", "--format", "json"], advisory.as_bytes()).ends(0);
    assert_eq!(ran.json()["accepted"], 1);
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&["feeds", "check", empty.path().to_str().unwrap()]).ends(2);
    assert!(ran.stderr.contains("error[UP0004]"), "{}", ran.stderr);
    run(&["feeds", "check", "no-such-folder"]).ends(2);
    run(&["assess", "fleet.json", "--feeds", empty.path().to_str().unwrap()]).ends(2);
}

#[test]
fn this_machine_is_collected_and_assessed() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = dir.path().join("fleet.json");
    let fleet = fleet.to_str().unwrap();
    run(&["collect", "local", "--out", fleet]).ends(0);
    let Some(data) = shared_data() else { return };
    let feeds = data.join("feeds");
    let ran = run(&["assess", fleet, "--feeds", feeds.to_str().unwrap(), "--format", "json"]).ends(0);
    assert_eq!(ran.json()["summary"]["assets"], 1);
}

#[test]
fn other_inventories_become_fleets() {
    let dir = tempfile::tempdir().unwrap();
    let table = file(&dir, "fleet.csv", "kind,id,host,platform,release\nhost,h1,,esxi,8.0.3\nvm,v1,h1,,\n");
    let ran = run(&["collect", "csv", &table]).ends(0);
    assert_eq!((&ran.json()["hosts"][0]["id"], &ran.json()["vms"][0]["host"]), (&"h1".into(), &"h1".into()));
    run_with(&["fleet", "check", "-"], ran.stdout.as_bytes()).ends(0);
    let bom = r#"{"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": [
        {"type": "library", "name": "openssl", "version": "3.0.17-1~deb12u2",
         "purl": "pkg:deb/debian/openssl@3.0.17-1~deb12u2?arch=amd64&distro=debian-12"}]}"#;
    let bom = file(&dir, "bom.json", bom);
    let ran = run(&["collect", "cyclonedx", &bom, "--image", "web"]).ends(0);
    assert_eq!(ran.json()["images"][0]["id"], "web");
    run(&["collect", "cyclonedx", &bom]).ends(2);
    let ran = run(&["collect", "rvtools", &bom]).ends(2);
    assert!(ran.stderr.contains("error[UP0007]"), "{}", ran.stderr);
    let yaml = dir.path().join("fleet.yaml");
    run(&["collect", "csv", &table, "--out", yaml.to_str().unwrap()]).ends(0);
    run(&["fleet", "check", yaml.to_str().unwrap()]).ends(0);
}
