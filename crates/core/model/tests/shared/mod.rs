//! The reference data beside the repository, for tests.

use std::path::{Path, PathBuf};

/// The text of a file of `shared/data`, or None (with a note) when the folder is not there.
///
/// Panics when it is missing although `UNDERPIN_REQUIRE_ALL=1` forbids to skip.
pub(crate) fn read(relative: &str) -> Option<String> {
    let Some(folder) = folder() else {
        assert_ne!(
            std::env::var("UNDERPIN_REQUIRE_ALL").as_deref(),
            Ok("1"),
            "shared/data not found: set UNDERPIN_SHARED_DATA to it"
        );
        eprintln!("skipped: shared/data not found");
        return None;
    };
    let path = folder.join(relative);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("UNDERPIN_SHARED_DATA") {
        return Some(PathBuf::from(folder));
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|ancestor| ancestor.join("shared/data"))
        .find(|folder| folder.is_dir())
}
