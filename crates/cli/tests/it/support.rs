//! Runs the binary.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run gave back.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Fails with everything that was said unless the exit code is this one.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", short(&self.stdout), short(&self.stderr));
        assert!(!self.stderr.contains("panicked"), "{}", short(&self.stderr));
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

fn short(text: &str) -> String {
    text.chars().take(2000).collect()
}

/// The binary, away from the settings of whoever runs the tests.
pub(crate) fn underpin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_underpin"));
    for name in ["UNDERPIN_LOG", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures"));
    command.stdin(Stdio::null());
    command
}

/// Runs it in the folder of the fixtures.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    underpin().args(arguments).output().unwrap().into()
}

/// Runs it with this on standard input.
pub(crate) fn run_with(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = underpin()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.into()
}

/// A file in a folder of its own, as text for a command line.
pub(crate) fn file(dir: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The folder with real feeds and vectors, where it is there.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let named = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = named
        .or_else(|| here.ancestors().map(|folder| folder.join("shared/data")).find(|path| path.is_dir()));
    if found.is_none() {
        assert!(
            std::env::var_os("UNDERPIN_REQUIRE_ALL").is_none_or(|value| value != "1"),
            "shared/data not found"
        );
        println!("skipped: shared/data not found");
    }
    found
}
