//! Every command of the guides about risk, as written there.

use std::path::Path;

use crate::support::{Ran, file, run, shared_data, underpin};

/// Guides whose commands are run.
const GUIDES: [&str; 6] = ["backtest", "cadence", "clocks", "patch-or-wait", "risk", "waves"];

/// One wave instance, two hosts of room for both VMs, and a third host.
const INSTANCES: &str =
    r#"[{"id": "w01", "host_cap": [[4,8],[4,8],[4,8]], "vm_dem": [[1,2],[1,2]], "vm_host": [0,1]}]"#;

fn guide(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/guide/{name}.md"));
    std::fs::read_to_string(path).unwrap()
}

/// The first block of a guide in this language.
fn block(guide: &str, language: &str) -> String {
    let start = format!("```{language}\n");
    guide.split(&start).nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// The commands of all blocks for a shell: lines that go on are joined, comments are left out.
fn commands(guide: &str) -> Vec<String> {
    let blocks = guide.split("```sh\n").skip(1).map(|it| it.split("```").next().unwrap());
    let lines = blocks.flat_map(|it| {
        let joined = it.replace("\\\n", " ");
        joined.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let plain = lines.map(|line| line.split(" #").next().unwrap().trim().to_owned());
    plain.filter(|line| !line.is_empty()).collect()
}

/// The words of a command as a shell splits them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quote, mut within) = (vec![String::new()], None, false);
    for c in command.chars() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (None, '"' | '\'') => (quote, within) = (Some(c), true),
            (None, ' ') => {
                if within || words.last().is_some_and(|it| !it.is_empty()) {
                    words.push(String::new());
                }
                within = false;
            }
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|it| !it.is_empty());
    words
}

#[test]
fn every_command_of_the_guides_about_risk_works_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let sample = run(&["fleet", "sample", "--hosts", "12", "--seed", "1"]).ends(0).stdout;
    for name in ["fleet.json", "fleet.yaml"] {
        file(&dir, name, &sample);
    }
    file(&dir, "policy.toml", block(&guide("clocks"), "toml").replace("acme", "tenant-01"));
    file(&dir, "evidence.toml", block(&guide("patch-or-wait"), "toml"));
    file(&dir, "dates.txt", "2007-07-10\n2007-09-01\n");
    file(&dir, "instances.json", INSTANCES);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/feeds");
    for folder in ["feeds", "cve-records"] {
        for entry in std::fs::read_dir(&fixtures).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            file(&dir, &name, std::fs::read(entry.path()).unwrap());
        }
    }
    let planning = shared_data().map(|it| it.join("planning"));
    for (from, to) in [("btrplace-tdsc.tar.gz", "tdsc.tar.gz"), ("hroller/hroller-full.data", "cluster.data")]
    {
        if let Some(planning) = &planning {
            std::fs::copy(planning.join(from), dir.path().join(to)).unwrap();
        }
    }
    let mut ran = 0;
    for name in GUIDES {
        let all = commands(&guide(name));
        assert!(!all.is_empty(), "{name} shows how the verb is called");
        for command in all {
            if planning.is_none() && (command.contains("tdsc.tar.gz") || command.contains("cluster.data")) {
                continue;
            }
            let words = words(&command);
            assert_eq!(words[0], "underpin", "{command}");
            let done: Ran = underpin().current_dir(dir.path()).args(&words[1..]).output().unwrap().into();
            // With --check, 1 says that a promise is broken.
            let fine = done.code == 0 || (done.code == 1 && command.contains("--check"));
            assert!(fine, "{name}: {command}: {} {}", done.code, done.stderr);
            let written = words.iter().any(|it| it == "--out");
            assert!(written || done.stdout.len() > 20, "{name}: {command} says nothing");
            ran += 1;
        }
    }
    assert!(ran > 20, "{ran} commands");
}
