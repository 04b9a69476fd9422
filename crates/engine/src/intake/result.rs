//! What reading gave: feeds with their documents, and everything that gave none, each with its reason.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use serde::Serialize;
use underpin_feeds::Position;
use underpin_model::facts::{Document, Format};
use underpin_model::id::FeedId;

use super::gather::Plan;
use super::{Outcome, SourcePath};
use crate::quarantine::Quarantined;

/// A document that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// Where it came from.
    pub source: SourcePath,
    /// What it states.
    pub document: Document,
    /// Its size, unpacked, in bytes.
    pub bytes: u64,
    /// Its bytes, where they were asked for ([`super::Options::keep_content`]); else empty.
    pub content: Vec<u8>,
}

/// What one file, one archive or one sub-folder of a named folder gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The name of that file or folder.
    pub id: FeedId,
    /// When it was brought here: the newest modification time of its files, or the last pull from its provider.
    pub fetched: Option<Timestamp>,
    /// Its documents, in reading order; no id twice in one format.
    pub documents: Vec<Accepted>,
    /// How many of its documents were quarantined. With no document accepted, the feed is known to exist and to say
    /// nothing.
    pub quarantined: usize,
}

impl Feed {
    /// The newest date that its documents carry: the world after it is unknown to this feed.
    #[must_use]
    pub fn updated(&self) -> Option<Timestamp> {
        self.documents.iter().filter_map(|accepted| accepted.document.updated).max()
    }
}

/// Read, and no advisory or fact table: nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// The file, with the entry inside an archive after `!`.
    pub file: String,
    /// What it is instead.
    pub reason: String,
}

/// Could not be read at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The file or folder.
    pub file: String,
    /// What the system said.
    pub reason: String,
}

/// An accepted document that another of the same id, in the same feed, replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Superseded {
    /// The file of the replaced document.
    pub file: String,
    /// The file of the document that counts.
    pub by: String,
    /// Their id.
    pub id: String,
}

/// Everything that reading gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Intake {
    /// Feeds with at least one document, good or bad, in reading order.
    pub feeds: Vec<Feed>,
    /// Documents that a later one of the same id replaced.
    pub superseded: Vec<Superseded>,
    /// What is no advisory.
    pub ignored: Vec<Ignored>,
    /// What is bad.
    pub quarantined: Vec<Quarantined>,
    /// The bytes of what is bad, one by one as in `quarantined`, where they were asked for; else empty.
    pub quarantined_content: Vec<Vec<u8>>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Bad documents whose bytes could not be kept, with the reason.
    pub not_kept: Vec<String>,
    by_format: BTreeMap<Format, usize>,
}

impl Intake {
    pub(super) fn begin(plan: &mut Plan) -> Self {
        let feeds = std::mem::take(&mut plan.feeds);
        let empty = |feed: super::gather::PlannedFeed| Feed {
            id: feed.id,
            fetched: feed.fetched,
            documents: Vec::new(),
            quarantined: 0,
        };
        Self {
            feeds: feeds.into_iter().map(empty).collect(),
            ignored: std::mem::take(&mut plan.ignored),
            unreadable: std::mem::take(&mut plan.unreadable),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, feed: usize, outcome: Outcome) {
        match outcome {
            Outcome::Accepted { source, document, bytes, content } => {
                *self.by_format.entry(document.format).or_default() += 1;
                if let Some(feed) = self.feeds.get_mut(feed) {
                    feed.documents.push(Accepted { source, document: *document, bytes, content });
                }
            }
            Outcome::Ignored { source, reason } => {
                self.ignored.push(Ignored { file: source.to_string(), reason });
            }
            Outcome::Bad { quarantined, not_kept, content } => {
                if let Some(feed) = self.feeds.get_mut(feed) {
                    feed.quarantined += 1;
                }
                self.quarantined.push(quarantined);
                self.quarantined_content.push(content);
                self.not_kept.extend(not_kept);
            }
            Outcome::Unreadable { file, reason } => self.unreadable.push(Unreadable { file, reason }),
        }
    }

    /// Of each id in a feed one document stays: the one updated last, and of equals the one read first.
    pub(super) fn finish(&mut self) {
        for feed in &mut self.feeds {
            let mut best: FxHashMap<(Format, String), usize> = FxHashMap::default();
            for (at, accepted) in feed.documents.iter().enumerate() {
                let key = (accepted.document.format, accepted.document.id.clone());
                let winner = best.entry(key).or_insert(at);
                let reigning = feed.documents.get(*winner).and_then(|other| other.document.updated);
                if accepted.document.updated > reigning {
                    *winner = at;
                }
            }
            let names: Vec<Option<String>> = feed
                .documents
                .iter()
                .enumerate()
                .map(|(at, accepted)| {
                    let winner = *best.get(&(accepted.document.format, accepted.document.id.clone()))?;
                    if winner == at { None } else { Some(feed.documents.get(winner)?.source.to_string()) }
                })
                .collect();
            let documents = std::mem::take(&mut feed.documents);
            for (accepted, by) in documents.into_iter().zip(names) {
                match by {
                    None => feed.documents.push(accepted),
                    Some(by) => self.superseded.push(Superseded {
                        file: accepted.source.to_string(),
                        by,
                        id: accepted.document.id,
                    }),
                }
            }
        }
        self.feeds.retain(|feed| !feed.documents.is_empty() || feed.quarantined > 0);
    }

    /// The documents that count, over all feeds, in reading order.
    pub fn documents(&self) -> impl Iterator<Item = &Accepted> {
        self.feeds.iter().flat_map(|feed| &feed.documents)
    }

    /// Whether no document, good, bad or foreign, was read at all: paths missing, folders empty, access refused.
    #[must_use]
    pub fn nothing_read(&self) -> bool {
        let summary_documents = self.by_format.values().sum::<usize>() + self.quarantined.len();
        summary_documents == 0 && self.ignored.is_empty()
    }

    /// The counts and reasons as `underpin feeds check` prints them.
    #[must_use]
    pub fn summary(&self) -> Summary<'_> {
        let accepted = self.by_format.values().sum();
        Summary {
            documents: accepted + self.quarantined.len(),
            accepted,
            by_format: self.by_format.iter().map(|(format, count)| (format.name(), *count)).collect(),
            ignored: self
                .ignored
                .iter()
                .map(|one| SummaryIgnored { file: &one.file, reason: &one.reason })
                .collect(),
            quarantined: self
                .quarantined
                .iter()
                .map(|bad| SummaryQuarantined { file: &bad.file, at: &bad.at, reason: &bad.reason })
                .collect(),
            superseded: &self.superseded,
            unreadable: &self.unreadable,
            partly: self.partly().collect(),
        }
    }

    /// Accepted tables of which lines could not be used.
    pub fn partly(&self) -> impl Iterator<Item = Partly<'_>> {
        let all = self.documents().filter(|it| !it.document.left_out.is_empty());
        all.map(|it| Partly { file: it.source.to_string(), left_out: &it.document.left_out })
    }
}

/// An accepted table of which lines could not be used: the others count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partly<'a> {
    /// The file.
    pub file: String,
    /// The lines, each with its place, value and expectation.
    pub left_out: &'a [String],
}

/// What was read, in numbers and reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary<'a> {
    /// Accepted and quarantined documents together; what is ignored is no document.
    pub documents: usize,
    /// Accepted documents, superseded ones included.
    pub accepted: usize,
    /// Accepted documents by format.
    pub by_format: BTreeMap<&'static str, usize>,
    /// What is no advisory.
    pub ignored: Vec<SummaryIgnored<'a>>,
    /// What is bad.
    pub quarantined: Vec<SummaryQuarantined<'a>>,
    /// What was replaced; absent when empty.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub superseded: &'a [Superseded],
    /// What could not be read; absent when empty.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub unreadable: &'a [Unreadable],
    /// Accepted tables of which lines were left out; absent when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partly: Vec<Partly<'a>>,
}

/// One ignored file of a [`Summary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SummaryIgnored<'a> {
    /// The file.
    pub file: &'a str,
    /// What it is instead.
    pub reason: &'a str,
}

/// One bad document of a [`Summary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SummaryQuarantined<'a> {
    /// The file.
    pub file: &'a str,
    /// Where in it.
    pub at: &'a Position,
    /// Why.
    pub reason: &'a str,
}
