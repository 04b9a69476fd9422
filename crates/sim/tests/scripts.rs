//! Every script of `scripts/` prints what stands beside it, and meets its own expectations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use underpin_model::fleet::{Fleet, Seen};
use underpin_sim::Datacentre;
use underpin_sim::script::{Files, Limits, NoFiles, Session};

struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        fs_err::read(self.0.join(name)).map_err(|error| error.to_string())
    }
}

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut found: Vec<PathBuf> = fs_err::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "sim"))
        .collect();
    found.sort();
    found
}

/// What a script prints; where it stops, the reason is the last line.
fn carried_out(path: &Path) -> (String, bool) {
    let text = fs_err::read_to_string(path).unwrap();
    let mut session = Session::new(1);
    let mut out = String::new();
    let files = Folder(path.parent().unwrap().to_owned());
    let result = session.carry_out(&text, &files, |line| {
        out.push_str(line);
        out.push('\n');
    });
    if let Err(error) = &result {
        out.push_str(&format!("{error}\n"));
    }
    (out, result.is_ok())
}

#[test]
fn every_script_prints_what_stands_beside_it() {
    let bless = std::env::var_os("UNDERPIN_BLESS").is_some();
    let mut wrong = Vec::new();
    for path in scripts() {
        let (out, whole) = carried_out(&path);
        let golden = path.with_extension("out");
        if bless {
            fs_err::write(&golden, &out).unwrap();
        }
        let expected = fs_err::read_to_string(&golden).unwrap_or_default();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !whole {
            wrong.push(format!("{name}: {}", out.lines().rev().take(3).collect::<Vec<_>>().join(" | ")));
        } else if out != expected {
            let line = out.lines().zip(expected.lines()).position(|(a, b)| a != b).unwrap_or(0);
            wrong.push(format!("{name}: differs from line {} on", line + 1));
        }
    }
    assert!(
        wrong.is_empty(),
        "run this test with UNDERPIN_BLESS=1 and read the difference:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn there_are_stories_with_an_address_and_expectations() {
    let all = scripts();
    assert!(all.len() >= 25, "{} scripts", all.len());
    for path in all {
        let text = fs_err::read_to_string(&path).unwrap();
        let name = path.display();
        assert!(text.starts_with("# "), "{name}: begins with its story");
        assert!(
            text.contains("https://") || text.contains("http://"),
            "{name}: names the thread that it tells"
        );
        assert!(text.lines().any(|it| it.starts_with("expect ")), "{name}: expects something");
    }
}

/// As the fuzz target has it: small, so that what a hostile script asks for ends soon.
fn small() -> Session {
    let at = "2026-01-15T09:00:00Z".parse().unwrap();
    let fleet = Fleet::new("small", Seen { at, by: "test".to_owned() });
    let limits = Limits { hosts: 12, guests: 60, span_ms: 3_600_000 };
    Session::with(Datacentre::new(fleet, 1), limits)
}

/// Carries out what it can, and goes on after what it cannot.
fn every_line(text: &str) {
    let mut session = small();
    for line in text.lines() {
        let before = session.datacentre().clone();
        if let Err(error) = session.line(line, &NoFiles, |_| {}) {
            assert!(*session.datacentre() == before, "a refused line changed something: {line}");
            assert!(!error.found.is_empty() && !error.expected.is_empty(), "{error}");
        }
    }
}

#[test]
fn seeds_of_the_fuzz_target_are_carried_out_without_a_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/sim_script");
    let seeds: Vec<PathBuf> = fs_err::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(seeds.len() >= 5);
    for path in seeds {
        every_line(&fs_err::read_to_string(path).unwrap());
    }
}

/// Every word of every script: what a hostile script is made of, if it is to reach the inside.
fn vocabulary() -> Vec<String> {
    let texts =
        scripts().into_iter().map(|it| fs_err::read_to_string(it).unwrap()).collect::<Vec<_>>().join("\n");
    let lines = texts.lines().filter(|it| !it.starts_with('#'));
    let mut words: Vec<String> = lines.flat_map(str::split_whitespace).map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn scripts_of_shuffled_words_and_lines_never_panic(
        picks in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<prop::sample::Index>(), 1..7), any::<bool>()), 1..40),
    ) {
        let words = vocabulary();
        let whole = scripts().into_iter().map(|it| fs_err::read_to_string(it).unwrap()).collect::<Vec<_>>().join("\n");
        let lines: Vec<&str> = whole.lines().filter(|it| !it.starts_with('#') && !it.is_empty()).collect();
        let mut text = "load-example hosts=4 vms=12 memory=8GiB\n".to_owned();
        for (line, shuffled, as_it_stands) in &picks {
            if *as_it_stands {
                text.push_str(lines[line.index(lines.len())]);
            } else {
                let made: Vec<&str> = shuffled.iter().map(|it| words[it.index(words.len())].as_str()).collect();
                text.push_str(&made.join(" "));
            }
            text.push('\n');
        }
        every_line(&text);
    }
}
