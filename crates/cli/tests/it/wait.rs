//! `wait` in all its forms, and `risk elicit`.

use crate::support::{Ran, file, run, underpin};

const POLICY: &str = r#"
currency = "EUR"
[loss]
vm_hour_down = 100
system_corrupted = 4000
record_disclosed = 2
records_per_vm = 500
[[promise]]
id = "thirty-days"
kind = "fix-within"
days = 30
penalty = 5000
"#;

const EVIDENCE: &str = r#"
[[run]]
release = "qemu-kvm 17:8.2.0-11.el9_4"
hosts = 2000
kind = "others-run-it"
[[known_bug]]
release = "qemu-kvm 17:8.2.0-11.el9_4"
per_host_day = 0.001
hours_down = 2
source = "own tickets"
"#;

fn wait(day: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["wait", "fleet.json", "--no-builtin", "--as-of", day, "--feeds", "feeds"];
    arguments.extend_from_slice(more);
    run(&arguments)
}

#[test]
fn table_of_groups() {
    insta::assert_snapshot!(wait("2026-03-02", &["--all"]).ends(0).stdout);
}

#[test]
fn details_of_one_group() {
    let dir = tempfile::tempdir().unwrap();
    let (policy, evidence) = (file(&dir, "policy.toml", POLICY), file(&dir, "evidence.toml", EVIDENCE));
    let more = ["--policy", &policy, "--evidence", &evidence, "--group", "qemu-kvm"];
    insta::assert_snapshot!(wait("2024-01-05", &more).ends(0).stdout);
}

#[test]
fn wait_json_has_the_keys_that_others_read() {
    let answer = wait("2026-03-02", &["--format", "json"]).ends(0).json();
    let groups = answer["groups"].as_array().unwrap();
    assert!(!groups.is_empty() && answer["currency"] == "points" && answer["rates_stated"] == false);
    for group in groups {
        let wait = &group["wait"];
        assert!(wait["optimum_days"].is_number() || wait["optimum_days"] == "never", "{wait}");
        for key in ["loss_now", "loss_at_optimum", "loss_never"] {
            assert!(wait[key].is_number(), "{key}");
        }
        assert!(wait["band"]["low"].as_f64().unwrap() <= wait["band"]["high"].as_f64().unwrap());
        for key in ["verdict", "right", "hinge", "sensitivity", "information", "curve", "belief"] {
            assert!(wait.get(key).is_some(), "{key}");
        }
        assert!(group["recommendation"].as_str().unwrap().ends_with('.'));
    }
    let text = answer.to_string();
    assert!(!text.contains("NaN") && !text.contains("inf\""));
}

#[test]
fn csv_has_one_row_a_release() {
    let text = wait("2026-03-02", &["--format", "csv"]).ends(0).stdout;
    let groups = wait("2026-03-02", &["--format", "json"]).ends(0).json();
    assert_eq!(text.matches("\r\n").count(), groups["groups"].as_array().unwrap().len() + 1);
    assert!(text.starts_with("platform,train,platform_release,hardware,ring,component,release,"), "{text}");
}

/// Hosts of two rings that run different versions of one package, of which two releases are newer.
const RINGS: &str = r#"{"format": "underpin/fleet/1", "name": "rings", "seen": {"at": "2026-03-02T06:00:00Z", "by": "hand"},
    "clusters": [{"id": "a"}], "hosts": [HOSTS], "vms": [{"id": "v", "host": "production", "power": "on"}]}"#;

fn host_of(ring: &str, version: &str) -> String {
    format!(
        r#"{{"id": "{ring}", "cluster": "a", "ring": "{ring}", "vendor": "Maker", "model": "R1",
         "cpu": {{"signature": "06-55-07"}}, "platform": {{"family": "almalinux", "train": "9", "release": "9.4"}},
         "running": {{"qemu-kvm": "{version}"}},
         "components": {{"family": "almalinux", "train": "9", "components": [{{"name": "qemu-kvm-core",
         "version": "{version}", "arch": "x86_64", "source": {{"name": "qemu-kvm", "version": "{version}"}}}}]}}}}"#
    )
}

#[test]
fn csv_says_which_release_of_a_line_a_row_is_about_and_which_ring_runs_it_before() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = [host_of("test", "17:8.2.0-11.el9_4"), host_of("production", "17:8.2.0-10.el9")].join(",");
    let fleet = file(&dir, "rings.json", RINGS.replace("HOSTS", &hosts));
    let rings = "[[ring]]\nname = \"test\"\nsoak = 4.0\n[[ring]]\nname = \"production\"\nsoak = 7.0\n";
    let policy = file(&dir, "policy.toml", rings);
    let ask = |format: &str| {
        let common = ["--no-builtin", "--as-of", "2026-03-02", "--feeds", "feeds", "--policy", &policy];
        run(&[&["wait", &fleet, "--format", format][..], &common].concat()).ends(0)
    };
    let (text, groups) = (ask("csv").stdout, ask("json").json());
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|it| it == name).unwrap();
    let groups = groups["groups"].as_array().unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), groups.len());
    for (row, group) in rows.iter().zip(groups) {
        let role = match group["role"].as_str().unwrap() {
            "only-one" => "only",
            other => other,
        };
        assert_eq!(&row[column("role")], role);
        let earlier = &group["earlier_ring"];
        assert_eq!(&row[column("earlier_ring")], earlier["ring"].as_str().unwrap_or_default());
        let from = earlier["from_days"].as_f64().map_or_else(String::new, |it| it.to_string());
        assert_eq!(&row[column("earlier_ring_from_days")], from);
    }
    let production = rows.iter().find(|it| &it[column("ring")] == "production").unwrap();
    assert_eq!(
        (&production[column("earlier_ring")], &production[column("earlier_ring_from_days")]),
        ("test", "4")
    );
}

/// What `risk` refuses `wait` does not answer: a policy is judged where it is read.
#[test]
fn wait_and_risk_refuse_the_same_policies() {
    let dir = tempfile::tempdir().unwrap();
    for text in [
        "[parameters]\nhours_after_compromise = 0\nhours_after_regression = 5\n",
        "[loss]\nvm_hour_down = 1e200\n",
        "[loss]\nsystem_corrupted = inf\n",
    ] {
        let policy = file(&dir, "policy.toml", text);
        let waits = wait("2026-03-02", &["--policy", &policy]).ends(2);
        let risks =
            run(&["risk", "fleet.json", "--no-builtin", "--feeds", "feeds", "--policy", &policy]).ends(2);
        let mistake = |ran: &Ran| ran.stderr.lines().find(|it| it.contains(": found ")).map(str::to_owned);
        assert!(mistake(&waits).is_some_and(|it| it.contains("(line ")), "{}", waits.stderr);
        assert_eq!(mistake(&waits), mistake(&risks), "{text}");
    }
}

#[test]
fn bad_files_and_unknown_groups_are_refused_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let policy = file(&dir, "policy.toml", "[parameters]\nrho = 1.5\n");
    let ran = wait("2026-03-02", &["--policy", &policy]).ends(2);
    assert!(
        ran.stderr.contains("error[UP0011]")
            && ran.stderr.contains("parameters.rho.value (line 2): found 1.5"),
        "{}",
        ran.stderr
    );
    let evidence = file(
        &dir,
        "evidence.toml",
        "[[run]]\nrelease = \"x 1\"\nhosts = 1\nfailures = 2\nkind = \"trial\"\n",
    );
    let ran = wait("2026-03-02", &["--evidence", &evidence]).ends(2);
    assert!(ran.stderr.contains("run.0.failures: found 2 of 1 hosts"), "{}", ran.stderr);
    let ran = wait("2026-03-02", &["--group", "no such"]).ends(2);
    assert!(ran.stderr.contains("error[UP0006]"), "{}", ran.stderr);
    wait("2026-03-02", &["--horizon", "0"]).ends(2);
}

#[test]
fn the_elicitation_sheet_asks_for_every_parameter() {
    let table = run(&["risk", "elicit"]).ends(0).stdout;
    let sheet = run(&["risk", "elicit", "--format", "toml"]).ends(0).stdout;
    for name in ["kev_floor", "rho", "beta", "theta", "q", "regression_prior"] {
        assert!(table.contains(&format!("\n{name} ")), "{name}");
        assert!(sheet.contains(&format!("\n{name} = {{ value = ")), "{name}");
    }
    assert!(table.contains("judgement") && table.contains("CCS'17"));
    // What was filled in is what the next sheet shows.
    let dir = tempfile::tempdir().unwrap();
    let filled =
        file(&dir, "policy.toml", sheet.replace("theta = { value = 0.024", "theta = { value = 0.05"));
    let again = run(&["risk", "elicit", "--policy", &filled]).ends(0).stdout;
    let line = again.lines().find(|line| line.starts_with("theta ")).unwrap();
    assert!(line.contains(" 0.05 ") && line.contains("stated"), "{line}");
    assert!(!underpin().args(["risk"]).output().unwrap().status.success());
}
