//! Every script of `scripts/` prints what stands beside it, and meets its own expectations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use underpin_sim::script::{Files, Session};

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
