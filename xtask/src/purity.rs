//! The core touches nothing outside itself. Clippy enforces it by `crates/core/clippy.toml`; here violations are planted
//! to see that it really does, and the ways around it are looked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cargo_metadata::diagnostic::DiagnosticLevel;
use cargo_metadata::{Message, Metadata};

use crate::{process, workspace};

/// One violation for each group of `crates/core/clippy.toml`, with the path that clippy must name.
const PLANTED: &[(&str, &str)] = &[
    ("std::fs::read_to_string", r#"let _ = std::fs::read_to_string("/etc/hostname");"#),
    ("std::fs::File::open", r#"let _ = std::fs::File::open("/etc/hostname");"#),
    ("std::path::Path::exists", r#"let _ = std::path::Path::new("/etc/hostname").exists();"#),
    ("std::env::var", r#"let _ = std::env::var("HOME");"#),
    ("std::env::temp_dir", "let _ = std::env::temp_dir();"),
    ("std::time::SystemTime::now", "let _ = std::time::SystemTime::now();"),
    ("std::time::Instant::now", "let _ = std::time::Instant::now();"),
    ("jiff::Timestamp::now", "let _ = jiff::Timestamp::now();"),
    ("jiff::Zoned::now", "let _ = jiff::Zoned::now();"),
    ("jiff::tz::TimeZone::system", "let _ = jiff::tz::TimeZone::system();"),
    ("std::hash::RandomState::new", "let _ = std::hash::RandomState::new();"),
    ("rand::random", "let _: u8 = rand::random();"),
    ("rand::rng", "let _ = rand::rng();"),
    ("std::net::TcpListener::bind", r#"let _ = std::net::TcpListener::bind("127.0.0.1:0");"#),
    (
        "std::os::unix::net::UnixStream::connect",
        r#"let _ = std::os::unix::net::UnixStream::connect("/run/s");"#,
    ),
    ("std::process::Command::new", r#"let _ = std::process::Command::new("true");"#),
    ("std::process::id", "let _ = std::process::id();"),
    ("std::thread::spawn", "let _ = std::thread::spawn(|| ());"),
    ("std::thread::sleep", "std::thread::sleep(std::time::Duration::ZERO);"),
    ("rayon::spawn", "rayon::spawn(|| ());"),
    ("std::io::stdin", "let _ = std::io::stdin();"),
    ("std::collections::HashMap", "let _: Option<std::collections::HashMap<u8, u8>> = None;"),
    ("std::collections::HashSet", "let _: Option<std::collections::HashSet<u8>> = None;"),
];

/// What the core does all day, and must be left to do.
const CLEAN: &str = r#"
//! A clean crate.
use std::collections::BTreeMap;
use rayon::prelude::*;

/// The given moment, a seeded generator, an ordered map, data parallelism.
pub fn answer(as_of: jiff::Timestamp, words: &[&str]) -> (i64, BTreeMap<String, usize>, usize) {
    let counts = words.iter().map(|word| ((*word).to_owned(), word.len())).collect();
    (as_of.as_second(), counts, words.par_iter().map(|word| word.len()).sum())
}
"#;

const MANIFEST: &str = r#"
[package]
name = "planted"
version = "0.0.0"
edition = "2024"

[dependencies]
jiff = { version = "0.2", default-features = false, features = ["std", "tzdb-bundle-always"] }
rand = { version = "0.10", default-features = false, features = ["std", "thread_rng"] }
rayon = "1"

[lints.clippy]
disallowed_methods = "deny"
disallowed_types = "deny"

[workspace]
"#;

/// Checks the rules on planted violations, and that every crate of the core stands under the rules.
///
/// # Errors
/// Names what clippy let through, or wrongly refused, or the crate that evades the rules.
pub(crate) fn check(metadata: &Metadata) -> Result<String> {
    let crates = core_crates(metadata);
    ensure!(!crates.is_empty(), "no crate lies in crates/core");
    let evasions = evasions(&crates)?;
    ensure!(evasions.is_empty(), "{}", evasions.join("\n"));

    let rules = fs_err::read_to_string(workspace::root().join("crates/core/clippy.toml"))?;
    let bench = Bench::build(metadata.target_directory.as_std_path(), &rules)?;
    let refused = bench.refused(CLEAN)?;
    ensure!(refused.is_empty(), "the clean crate was refused:\n{}", refused.join("\n"));

    let functions: Vec<String> = PLANTED
        .iter()
        .enumerate()
        .map(|(index, (_, code))| format!("pub fn planted_{index}() {{ {code} }}"))
        .collect();
    let refused = bench.refused(&functions.join("\n"))?;
    let missed: Vec<&str> = PLANTED
        .iter()
        .map(|(path, _)| *path)
        .filter(|path| !refused.iter().any(|message| message.contains(&format!("`{path}`"))))
        .collect();
    ensure!(
        missed.is_empty(),
        "clippy let through: {}. It refused:\n{}",
        missed.join(", "),
        refused.join("\n")
    );
    Ok(format!(
        "{} planted violations refused, {} crates of the core under the rules",
        PLANTED.len(),
        crates.len()
    ))
}

/// The folders of the crates of the core.
fn core_crates(metadata: &Metadata) -> Vec<PathBuf> {
    metadata
        .workspace_packages()
        .iter()
        .filter_map(|package| package.manifest_path.as_std_path().parent())
        .filter(|folder| folder.parent().is_some_and(|room| room.ends_with("crates/core")))
        .map(Path::to_path_buf)
        .collect()
}

/// Crates that do not take the workspace's lints, a clippy.toml of their own, and lint levels lowered outside tests.
fn evasions(crates: &[PathBuf]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for folder in crates {
        let manifest: toml::Table = toml::from_str(&fs_err::read_to_string(folder.join("Cargo.toml"))?)
            .with_context(|| format!("{}", folder.join("Cargo.toml").display()))?;
        let inherits =
            manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        if inherits != Some(true) {
            complaints
                .push(format!("{}/Cargo.toml does not have `[lints] workspace = true`", folder.display()));
        }
        if folder.join("clippy.toml").exists() || folder.join(".clippy.toml").exists() {
            complaints
                .push(format!("{} has a clippy.toml, which hides crates/core/clippy.toml", folder.display()));
        }
        lowered_levels(&folder.join("src"), &mut complaints)?;
    }
    Ok(complaints)
}

fn lowered_levels(folder: &Path, complaints: &mut Vec<String>) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        // Tests may read reference data; they live in `tests.rs`, `tests/`, or behind `#[cfg(test)]`.
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            lowered_levels(&path, complaints)?;
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && lowers_before_tests(&fs_err::read_to_string(&path)?)
        {
            complaints.push(format!(
                "{}: a level of `clippy::disallowed_*` is changed outside tests",
                path.display()
            ));
        }
    }
    Ok(())
}

fn lowers_before_tests(source: &str) -> bool {
    let product = source.split("#[cfg(test)]").next().unwrap_or_default();
    product.contains("clippy::disallowed_")
}

/// A throw-away crate under the rules of the core.
struct Bench {
    folder: PathBuf,
}

impl Bench {
    /// Its folder is kept below the target folder, so that its dependencies are built once.
    fn build(target: &Path, rules: &str) -> Result<Self> {
        let folder = target.join("purity");
        fs_err::create_dir_all(folder.join("src"))?;
        // The same releases as the product, and no look at the registry.
        fs_err::copy(workspace::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
        fs_err::write(folder.join("Cargo.toml"), MANIFEST)?;
        // Here every library is a dependency: a listed path that is not there is a slip of the pen.
        fs_err::write(folder.join("clippy.toml"), rules.replace(", allow-invalid = true", ""))?;
        Ok(Self { folder })
    }

    /// What clippy says about this source, rules that it cannot understand included.
    fn refused(&self, source: &str) -> Result<Vec<String>> {
        fs_err::write(self.folder.join("src/lib.rs"), source)?;
        let mut command = workspace::cargo_command(&["clippy", "--quiet", "--message-format", "json"]);
        command.current_dir(&self.folder).env("CLIPPY_CONF_DIR", &self.folder).env_remove("RUSTFLAGS");
        command.env("CARGO_TARGET_DIR", self.folder.join("target"));
        let finished = process::run(command)?;
        let mut refused = Vec::new();
        for line in finished.output.lines().filter(|line| line.starts_with('{')) {
            let Message::CompilerMessage(message) =
                serde_json::from_str(line).context("a message of cargo")?
            else {
                continue;
            };
            let of_config = message.message.spans.iter().any(|span| span.file_name.ends_with("clippy.toml"));
            if message.message.level == DiagnosticLevel::Error || of_config {
                refused.push(message.message.message);
            }
        }
        ensure!(finished.success || !refused.is_empty(), "clippy did not run:\n{}", finished.output);
        Ok(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowered_level_is_found_outside_tests_only() {
        assert!(lowers_before_tests("#![allow(clippy::disallowed_methods)]\nfn f() {}"));
        assert!(!lowers_before_tests(
            "fn f() {}\n#[cfg(test)]\n#[expect(clippy::disallowed_methods)]\nmod tests {}"
        ));
    }

    #[test]
    fn crate_of_the_core_that_evades_the_rules_is_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("loose");
        fs_err::create_dir_all(folder.join("src")).unwrap();
        fs_err::write(folder.join("Cargo.toml"), "[package]\nname = \"loose\"\n").unwrap();
        fs_err::write(folder.join("clippy.toml"), "").unwrap();
        fs_err::write(folder.join("src/lib.rs"), "#![allow(clippy::disallowed_types)]\n").unwrap();
        let found = evasions(&[folder]).unwrap();
        assert_eq!(found.len(), 3, "{found:#?}");
    }

    #[test]
    fn every_crate_of_the_core_stands_under_the_rules() {
        let crates = core_crates(&workspace::metadata(false).unwrap());
        assert!(crates.len() >= 3, "{crates:?}");
        assert_eq!(evasions(&crates).unwrap(), Vec::<String>::new());
    }
}
