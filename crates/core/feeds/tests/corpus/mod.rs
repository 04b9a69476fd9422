//! The real documents that the tests read.

use std::io::Read;
use std::path::PathBuf;

/// The folder `shared/data`, or `None` (said aloud; a failure when `UNDERPIN_REQUIRE_ALL=1`).
pub(crate) fn shared_data() -> Option<PathBuf> {
    let named = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from);
    let found = named.filter(|path| path.is_dir()).or_else(|| {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|folder| folder.join("shared/data")).find(|path| path.is_dir())
    });
    if found.is_none() {
        println!("skipped: shared/data not found");
        assert_ne!(std::env::var("UNDERPIN_REQUIRE_ALL").as_deref(), Ok("1"), "shared/data not found");
    }
    found
}

/// Name and bytes of each file in an archive of `shared/data/feeds`.
pub(crate) fn archive(data: &std::path::Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let file = std::fs::File::open(data.join("feeds").join(name)).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.push((entry.path().unwrap().to_string_lossy().into_owned(), bytes));
        }
    }
    files
}
