//! Where the workspace is, and what cargo knows about it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Metadata;

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The cargo that started this task, so that nested calls use the same toolchain.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A cargo command in the root of the workspace.
pub(crate) fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(root()).args(arguments);
    command
}

/// What cargo knows: of the members alone, or of every dependency with all features.
pub(crate) fn metadata(with_dependencies: bool) -> Result<Metadata> {
    let extra = if with_dependencies { "--all-features" } else { "--no-deps" };
    let output = cargo_command(&["metadata", "--format-version", "1", "--locked", extra])
        .output()
        .context("cannot start `cargo metadata`")?;
    ensure!(output.status.success(), "`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cannot read the answer of `cargo metadata`")
}

/// The reference data that tests read: `UNDERPIN_SHARED_DATA`, or `shared/data` beside a parent of the workspace.
pub(crate) fn shared_data() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("UNDERPIN_SHARED_DATA") {
        return Some(PathBuf::from(path)).filter(|path| path.is_dir());
    }
    root().ancestors().map(|parent| parent.join("shared/data")).find(|path| path.is_dir())
}
