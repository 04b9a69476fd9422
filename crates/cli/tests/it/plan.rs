//! `plan --waves-only` and `plan convert`.

use std::io::Write as _;

use crate::support::{file, run, run_with, shared_data};

/// Two hosts of room for both VMs, which must be apart, and a third host.
const INSTANCE: &str = r#"[{"id": "a", "host_cap": [[4,8],[4,8],[4,8]], "vm_dem": [[1,2],[1,2]], "vm_host": [0,1],
    "anti_affinity": [[0,1]], "n_plus": true, "max_hosts_per_wave": 1}]"#;

#[test]
fn a_converted_instance_is_solved_by_its_own_limits() {
    let dir = tempfile::tempdir().unwrap();
    let instance = file(&dir, "instances.json", INSTANCE);
    let fleet = dir.path().join("fleet.json");
    let fleet = fleet.to_str().unwrap();
    run(&["plan", "convert", "--from", "waves-json", &instance, "--instance", "a", "--out", fleet]).ends(0);
    let ran = run(&["plan", fleet, "--waves-only", "--format", "json"]).ends(0);
    let plan = ran.json();
    assert_eq!((&plan["waves"], &plan["infeasible"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!((&plan["lower_bound"]["best"], &plan["status"]), (&3.into(), &"optimal".into()));
    assert!(plan["moves"].as_u64().unwrap() >= 2);
    let waves = plan["schedule"].as_array().unwrap();
    for wave in waves {
        let (host, placement) = (&wave["hosts"][0], wave["placement"].as_array().unwrap());
        assert!(!placement.contains(host) && placement[0] != placement[1], "{wave}");
    }
    assert_eq!(ran.stdout, run(&["plan", fleet, "--waves-only", "--format", "json"]).ends(0).stdout);
    let table = run(&["plan", fleet, "--waves-only"]).ends(0).stdout;
    assert!(table.contains("Waves: 3 (optimal") && table.contains("Wave 3: 1 hosts: host-"), "{table}");
}

#[test]
fn an_infeasible_instance_is_an_answer_with_a_proof() {
    let dir = tempfile::tempdir().unwrap();
    let instance = file(
        &dir,
        "instances.json",
        INSTANCE.replace("[0,1]]", "[0,1]], \"vm_dem\": [[4,2],[4,2]]").replacen(
            "\"vm_dem\": [[1,2],[1,2]],",
            "",
            1,
        ),
    );
    let fleet = run(&["plan", "convert", "--from", "waves-json", &instance]).ends(0).stdout;
    let ran = run_with(&["plan", "-", "--waves-only", "--format", "json"], fleet.as_bytes()).ends(3);
    assert!(ran.stderr.contains("infeasible: no schedule"), "{}", ran.stderr);
    let plan = ran.json();
    assert!(plan["waves"].is_null() && plan["schedule"].as_array().unwrap().is_empty(), "{plan}");
    assert_eq!(plan["infeasible"]["proof"], "bound");
    assert!(plan["infeasible"]["reason"].as_str().unwrap().contains("host-0"), "{plan}");
    // Nothing that is not known is shown as a figure.
    let table = run_with(&["plan", "-", "--waves-only"], fleet.as_bytes()).ends(3).stdout;
    assert!(table.contains("Waves: none (infeasible") && table.contains("Infeasible (Bound)"), "{table}");
    assert!(!table.contains("Lower bounds: \n") && !table.contains("Moves: 0"), "{table}");
}

#[test]
fn static_waves_of_a_sample_are_of_its_clusters() {
    let sample = run(&["fleet", "sample", "--hosts", "20"]).ends(0).stdout;
    let plan = run_with(&["plan", "-", "--waves-only", "--format", "json"], sample.as_bytes()).ends(0).json();
    assert!(!plan["clusters"].as_array().unwrap().is_empty());
    let ran = run(&["plan", "--waves-only"]).ends(2);
    assert!(ran.stderr.contains("FLEET") || ran.stderr.contains("fleet"), "{}", ran.stderr);
}

#[test]
fn bad_instances_are_told_by_place_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let instance = file(&dir, "instances.json", INSTANCE.replace("\"vm_host\": [0,1]", "\"vm_host\": [0,7]"));
    let out = dir.path().join("fleet.json");
    let convert = |from: &str, file: &str, more: &[&str]| {
        let out = ["--out", out.to_str().unwrap()];
        let ran = run(&[&["plan", "convert", "--from", from, file], more, &out].concat()).ends(2);
        assert!(!out.as_slice().is_empty() && !std::path::Path::new(out[1]).exists());
        ran.stderr
    };
    let said = convert("waves-json", &instance, &[]);
    assert!(said.contains("error[UP0012]") && said.contains("/0/vm_host/1"), "{said}");
    let said = convert("hroller", &instance, &[]);
    assert!(said.contains("UP0012") && said.contains("line 1"), "{said}");
    let said = convert("hroller", &instance, &["--peer-flags", "--colour"]);
    assert!(said.contains("--colour"), "{said}");
    let said = convert("waves-json", &instance, &["--peer-flags", "-O x"]);
    assert!(said.contains("UP0001"), "{said}");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"{\"model\": 3}").unwrap();
    let packed = file(&dir, "cut.gz", packed.finish().unwrap());
    assert!(convert("btrplace", &packed, &[]).contains("UP0012"));
    let cut = file(&dir, "cut2.gz", &std::fs::read(&packed).unwrap()[..12]);
    assert!(convert("btrplace", &cut, &[]).contains("UP0012"));
}

#[test]
fn a_misspelt_limit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let instance = file(&dir, "instances.json", INSTANCE);
    let fleet = run(&["plan", "convert", "--from", "waves-json", &instance]).ends(0).stdout;
    for (right, wrong) in [
        ("max_hosts_per_wave", "max_host_per_wave"),
        ("\"max_hosts_per_wave\": 1", "\"max_hosts_per_wave\": 0"),
    ] {
        let bad = fleet.replace(right, wrong);
        assert_ne!(bad, fleet);
        let ran = run_with(&["plan", "-", "--waves-only"], bad.as_bytes()).ends(2);
        assert!(ran.stderr.contains("/planning"), "{}", ran.stderr);
    }
}

#[test]
fn public_instances_are_converted_and_planned() {
    let Some(data) = shared_data() else { return };
    let planning = data.join("planning");
    let plan = |from: &str, name: &str, more: &[&str]| {
        let path = planning.join(name);
        let fleet =
            run(&[&["plan", "convert", "--from", from, path.to_str().unwrap()], more].concat()).ends(0);
        run_with(&["plan", "-", "--waves-only", "--format", "json"], fleet.stdout.as_bytes()).ends(0).json()
    };
    assert_eq!(plan("waves-json", "waves-proven.json", &["--instance", "w01"])["waves"], 4);
    assert_eq!(plan("waves-json", "waves-proven.json", &["--instance", "0"])["waves"], 2);
    assert_eq!(
        plan("hroller", "hroller/hroller-full.data", &["--peer-flags", "--full-evacuation"])["waves"],
        4
    );
    let large = plan("btrplace", "btrplace-tdsc.tar.gz", &["--instance", "li_r3_p5000_c33"]);
    assert_eq!(
        (&large["waves"], large["schedule"][0]["placement"].as_array().unwrap().len()),
        (&2.into(), 15_000)
    );
}

/// Two VMs that change places: the second goes first, because the first has no room before.
const MIGRATIONS: &str = r#"{"origin": {"mapping": {"onlineNodes": {"0": {"runningVMs": [4]}, "1": {"runningVMs": [5]}}},
    "attributes": {"vms": {"4": {"maxDirtySize": 96, "maxDirtyDuration": 2, "memUsed": 2000, "dirtyRate": 2.0},
        "5": {"maxDirtySize": 96, "maxDirtyDuration": 2, "memUsed": 3000, "dirtyRate": 2.0}}},
    "views": [{"id": "shareableResource", "rcId": "mem", "nodes": {"0": 5, "1": 3}, "vms": {"4": 2, "5": 3}}]},
    "actions": [{"id": "migrateVM", "vm": 4, "from": 0, "to": 1, "start": 90, "end": 141, "bw": 500},
        {"id": "migrateVM", "vm": 5, "from": 1, "to": 0, "start": 10, "end": 80, "bw": 500}]}"#;

#[test]
fn migrations_of_a_public_plan_are_scheduled_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let file_of = file(&dir, "plan.json", MIGRATIONS);
    let links = ["--link-mbps", "500,500"];
    let plan = |more: &[&str]| run(&[&["plan", &file_of, "--migrations-only"], more].concat());
    let json = plan(&[links.as_slice(), &["--format", "json"]].concat()).ends(0).json();
    assert_eq!((&json["makespan_ms"], &json["their_makespan_ms"]), (&121_000.into(), &141_000.into()));
    assert_eq!((&json["optimal"], &json["lower_bound"]["path"]), (&true.into(), &121_000.into()));
    let first = &json["moves"][0];
    assert_eq!((&first["vm"], &first["from"], &first["to"]), (&4.into(), &0.into(), &1.into()));
    assert_eq!(
        (&first["start_ms"], &first["mbps"], &first["their_start_ms"]),
        (&70_000.into(), &500.into(), &90_000.into())
    );
    assert!(first["blackout_ms"].is_null());
    let table = plan(&links).ends(0).stdout;
    assert!(table.contains("Makespan: 121 s (optimal") && table.contains("Theirs: 141 s"), "{table}");
    assert!(table.contains("90 s to 141 s"), "{table}");

    let said = plan(&[]).ends(2).stderr;
    assert!(said.contains("UP0012") && said.contains("links: found 4 links"), "{said}");
    let full = file(&dir, "full.json", MIGRATIONS.replace("\"0\": 5", "\"0\": 4"));
    let said = run(&["plan", &full, "--migrations-only", "--link-mbps", "500,500"]).ends(2).stderr;
    assert!(said.contains("UP0012") && said.contains("moves 0, 1 wait each for the next"), "{said}");
    assert!(run(&["plan", &file_of, "--waves-only", "--migrations-only"]).ends(2).stdout.is_empty());
    assert!(run(&["plan", &file_of, "--waves-only", "--instance", "a"]).ends(2).stdout.is_empty());
}

#[test]
fn a_published_migration_plan_is_taken_out_of_its_archive_by_its_name() {
    let Some(data) = shared_data() else { return };
    let archive = data.join("planning/migrations-ucc15.tar.gz");
    let plan =
        |more: &[&str]| run(&[&["plan", archive.to_str().unwrap(), "--migrations-only"], more].concat());
    // The archive has random_random.10 to .19 too.
    let one = plan(&["--instance", "random_random.1", "--format", "json"]).ends(0).json();
    assert_eq!((&one["instance"], &one["makespan_ms"]), (&"random_random.1.json".into(), &191_000.into()));
    let part = plan(&["--instance", "random.12", "--format", "json"]).ends(0).json();
    assert_eq!((&part["makespan_ms"], &part["their_makespan_ms"]), (&242_000.into(), &332_000.into()));
    let said = plan(&[]).ends(2).stderr;
    assert!(said.contains("random_random.50.json") && said.contains("--instance"), "{said}");
}
