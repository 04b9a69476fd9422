//! The reference data and other programs, for tests that need them.
#![allow(dead_code, reason = "each test target uses its part")]

use std::path::PathBuf;

use underpin_exposure::Feed;
use underpin_model::facts::Document;
use underpin_model::id::FeedId;

/// The folder `shared/data`, or `None` (said aloud; a failure when `UNDERPIN_REQUIRE_ALL=1`).
#[allow(clippy::disallowed_methods, reason = "tests may look around")]
pub(crate) fn data() -> Option<PathBuf> {
    let told = std::env::var_os("UNDERPIN_SHARED_DATA").map(PathBuf::from);
    let found = told.or_else(|| {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|folder| folder.join("shared/data")).find(|data| data.is_dir())
    });
    if found.is_none() {
        skipped("shared/data not found");
    }
    found
}

/// Says that a test is skipped and why; a failure when `UNDERPIN_REQUIRE_ALL=1`.
#[allow(clippy::disallowed_methods, reason = "tests may look around")]
pub(crate) fn skipped(why: &str) {
    assert_ne!(std::env::var("UNDERPIN_REQUIRE_ALL").as_deref(), Ok("1"), "{why}");
    println!("skipped: {why}");
}

/// The bytes of a file of `shared/data/feeds`.
#[allow(clippy::disallowed_methods, reason = "tests may look around")]
pub(crate) fn bytes(data: &std::path::Path, name: &str) -> Vec<u8> {
    let path = data.join("feeds").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One document.
pub(crate) fn document(bytes: &[u8]) -> Document {
    match underpin_feeds::parse(bytes) {
        Ok(underpin_feeds::Parsed::Document(document)) => *document,
        other => panic!("no document: {other:?}"),
    }
}

/// A feed of one file of `shared/data/feeds`.
pub(crate) fn feed(data: &std::path::Path, name: &str) -> Feed {
    let id = name.split('.').next().unwrap_or(name);
    Feed { id: FeedId::new(id).unwrap(), fetched: None, documents: vec![document(&bytes(data, name))] }
}
