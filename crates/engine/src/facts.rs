//! Feeds for matching: the built-in facts, and what an intake accepted.

use std::collections::BTreeMap;

use underpin_exposure::Feed;
use underpin_feeds::{Defect, builtin};
use underpin_model::facts::Document;
use underpin_model::id::FeedId;

use crate::intake::Intake;

/// How the names of built-in feeds begin. No other feed may be called so.
pub const BUILTIN_PREFIX: &str = "built-in:";

/// A built-in file that cannot be read: a fault of the build.
#[derive(Debug, thiserror::Error)]
#[error("the built-in facts {file} are damaged: {defect}")]
pub struct DamagedBuiltin {
    /// The file.
    pub file: &'static str,
    /// What is wrong.
    pub defect: Defect,
}

/// The built-in facts, one feed per file: each is as old as its own newest fact.
///
/// # Errors
/// [`DamagedBuiltin`] when the binary was built from damaged files.
pub fn builtin() -> Result<Vec<Feed>, DamagedBuiltin> {
    let mut by_file: BTreeMap<&'static str, Vec<Document>> = BTreeMap::new();
    for (file, document) in builtin::documents() {
        let document = document.map_err(|defect| DamagedBuiltin { file, defect })?;
        by_file.entry(file).or_default().push(document);
    }
    let feeds = by_file.into_iter().filter_map(|(file, documents)| {
        let id = FeedId::new(format!("{BUILTIN_PREFIX}{file}")).ok()?;
        Some(Feed { id, fetched: None, documents })
    });
    Ok(feeds.collect())
}

/// The feeds that an intake accepted. What it refused stays behind.
#[must_use]
pub fn accepted(intake: Intake) -> Vec<Feed> {
    let feeds = intake.feeds.into_iter().filter(|feed| !feed.documents.is_empty()).map(|feed| Feed {
        id: feed.id,
        fetched: feed.fetched,
        documents: feed.documents.into_iter().map(|accepted| accepted.document).collect(),
    });
    feeds.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_facts_are_whole() {
        let feeds = builtin().unwrap();
        let ids: Vec<&str> = feeds.iter().map(|feed| feed.id.as_str()).collect();
        assert!(
            ids.contains(&"built-in:kev.json") && ids.contains(&"built-in:release-history.jsonl"),
            "{ids:?}"
        );
        assert!(feeds.iter().all(|feed| !feed.documents.is_empty()));
    }
}
