//! Short runs of the fuzz targets: enough to see that they build, start, and hold on their seeds.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::process::{self, Finished};
use crate::workspace;

/// The version that is installed where it is missing.
const CARGO_FUZZ: &str = "0.13.2";

/// How long each target runs, in seconds.
const SECONDS: u32 = 5;

/// The names of the targets: the files of `fuzz/fuzz_targets`.
pub(crate) fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Whether cargo-fuzz is there.
pub(crate) fn is_installed() -> bool {
    process::is_installed("cargo-fuzz")
}

/// Installs cargo-fuzz; takes a minute or two.
pub(crate) fn install() -> Result<()> {
    println!("    installing cargo-fuzz {CARGO_FUZZ}");
    let finished = process::run(workspace::cargo_command(&[
        "install",
        "cargo-fuzz",
        "--locked",
        "--version",
        CARGO_FUZZ,
    ]))?;
    ensure!(finished.success, "cannot install cargo-fuzz:\n{}", finished.output);
    Ok(())
}

/// Runs one target for [`SECONDS`].
pub(crate) fn run(target: &str) -> Result<Finished> {
    let root = workspace::root();
    let corpus = root.join("fuzz/corpus").join(target);
    fs_err::create_dir_all(&corpus)?;
    // Without a sanitizer: the parsers are safe Rust, so that what can go wrong are panics, overflows, hangs and memory, which
    // show without one; the build takes a good part less.
    let build = ["--sanitizer", "none", "--codegen-units", "16"];
    let mut command: Command = workspace::cargo_command(&[&["fuzz", "run"], &build[..], &[target]].concat());
    command.arg(corpus);
    // Seeds are committed, the corpus that grows from them is not.
    let seeds = root.join("fuzz/seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    command.args(["--", &format!("-max_total_time={SECONDS}"), "-rss_limit_mb=4096", "-timeout=20"]);
    // Coverage hides behind unstable flags; the stable compiler takes them with this, and no second toolchain is needed.
    command.env("RUSTC_BOOTSTRAP", "1");
    process::run(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_the_rust_files_in_order() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(targets(root.path()).unwrap(), Vec::<String>::new());
        let folder = root.path().join("fuzz/fuzz_targets");
        fs_err::create_dir_all(&folder).unwrap();
        for name in ["osv.rs", "csaf.rs", "notes.md"] {
            fs_err::write(folder.join(name), "").unwrap();
        }
        assert_eq!(targets(root.path()).unwrap(), ["csaf", "osv"]);
    }
}
