//! Documents from files, folders, archives, uploads and standard input.
//!
//! One thread unpacks, in order, and hands batches over; the threads of the current rayon pool parse them. At most two
//! batches exist at a time (one being filled, one being parsed), and a batch is closed once it has
//! [`Limits::batch_bytes`]: memory is bounded by two documents of the largest size, not by the size of an archive.
//! The result does not depend on the number of threads.

mod gather;
mod limits;
mod result;
mod unpack;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use jiff::Timestamp;
use rayon::prelude::*;
use underpin_feeds::{Defect, Parsed};
use underpin_model::facts::Document;

use crate::progress::Progress;
use crate::quarantine::{Keeping, Quarantine, Quarantined};

pub use limits::Limits;
pub use result::{
    Accepted, Feed, Ignored, Intake, Partly, Summary, SummaryIgnored, SummaryQuarantined, Superseded,
    Unreadable,
};

/// Where to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, an archive or a folder.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// Bytes that are there already, such as an upload, under the name that they came with.
    Upload {
        /// Their name.
        name: String,
        /// The bytes.
        bytes: Arc<[u8]>,
    },
}

impl From<&str> for Source {
    /// A path; `-` is standard input, as everywhere on a command line.
    fn from(text: &str) -> Self {
        if text == "-" { Self::Stdin } else { Self::Path(PathBuf::from(text)) }
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::Path(path) }
    }
}

/// A file, and the entry within it when it is an archive (and the entry within that entry, ...).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePath {
    /// The file, as the caller would find it.
    pub file: String,
    /// Entries from the outermost archive inwards. Names as the archives state them: they are shown, never opened.
    pub entries: Vec<String>,
}

/// Longest entry name that is shown, in characters.
const MAX_SHOWN_NAME: usize = 512;

impl SourcePath {
    fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), entries: Vec::new() }
    }

    /// An entry of this archive. Control characters and endless names would break tables and terminals.
    fn entry(&self, name: &str) -> Self {
        let shown =
            name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(MAX_SHOWN_NAME).collect();
        let mut entries = self.entries.clone();
        entries.push(shown);
        Self { file: self.file.clone(), entries }
    }
}

impl std::fmt::Display for SourcePath {
    /// `folder/archive.tar.gz!entry.json`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        self.entries.iter().try_for_each(|entry| write!(f, "!{entry}"))
    }
}

/// How to read.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What a document, an archive and a compressed stream may amount to.
    pub limits: Limits,
    /// The present moment, for what has no modification time (standard input, uploads) and for quarantine records.
    pub now: Timestamp,
    /// Where the bytes of bad documents are kept; without one they are only reported.
    pub quarantine: Option<&'a Quarantine>,
    /// Hand the bytes of each document over with it. Only for small sources: all of them are in memory then.
    pub keep_content: bool,
}

impl Options<'_> {
    /// The default limits, and nothing kept.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { limits: Limits::default(), now, quarantine: None, keep_content: false }
    }
}

/// Reads everything under the sources. Never fails as a whole: what is bad, unreadable or no advisory is in the result.
#[must_use]
pub fn read(sources: &[Source], options: &Options<'_>, progress: &dyn Progress) -> Intake {
    read_with(sources, options, progress, underpin_feeds::parse)
}

/// [`read`] with another parser.
#[must_use]
pub fn read_with(
    sources: &[Source],
    options: &Options<'_>,
    progress: &dyn Progress,
    parse: impl Fn(&[u8]) -> Result<Parsed, Defect> + Sync,
) -> Intake {
    let mut plan = gather::gather(sources, options.now);
    progress.on_start(plan.bytes(), Some(plan.files.len() as u64));
    let mut intake = Intake::begin(&mut plan);
    let files = plan.files;
    // No buffer: the channel itself would be a third batch in memory.
    let (sender, receiver) = sync_channel::<Vec<Found>>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut batcher = Batcher::new(sender, options.limits.batch_bytes);
            for file in &files {
                unpack::unpack_file(file, &options.limits, progress, &mut |what| {
                    batcher.add(file.feed, what);
                });
                progress.on_item(&file.label);
            }
            batcher.flush();
        });
        for batch in &receiver {
            let outcomes: Vec<(usize, Outcome)> = batch
                .into_par_iter()
                .map(|found| (found.feed, settle(found.what, options, &parse)))
                .collect();
            for (feed, outcome) in outcomes {
                intake.add(feed, outcome);
            }
        }
    });
    intake.finish();
    progress.on_finish();
    intake
}

/// Something that was unpacked, and the feed that it belongs to.
struct Found {
    feed: usize,
    what: What,
}

/// What unpacking comes upon.
enum What {
    Document { source: SourcePath, bytes: Vec<u8> },
    Ignored { source: SourcePath, reason: String },
    Bad(Quarantined),
    Unreadable { file: String, reason: String },
}

/// What became of it.
enum Outcome {
    Accepted { source: SourcePath, document: Box<Document>, bytes: u64, content: Vec<u8> },
    Ignored { source: SourcePath, reason: String },
    Bad { quarantined: Quarantined, not_kept: Option<String>, content: Vec<u8> },
    Unreadable { file: String, reason: String },
}

fn settle(
    what: What,
    options: &Options<'_>,
    parse: &(impl Fn(&[u8]) -> Result<Parsed, Defect> + Sync),
) -> Outcome {
    match what {
        What::Ignored { source, reason } => Outcome::Ignored { source, reason },
        What::Bad(quarantined) => Outcome::Bad { quarantined, not_kept: None, content: Vec::new() },
        What::Unreadable { file, reason } => Outcome::Unreadable { file, reason },
        What::Document { source, bytes } => match parse(&bytes) {
            Ok(Parsed::Document(document)) => {
                let size = bytes.len() as u64;
                let content = if options.keep_content { bytes } else { Vec::new() };
                Outcome::Accepted { source, document, bytes: size, content }
            }
            Ok(Parsed::Ignored { reason }) => Outcome::Ignored { source, reason },
            Err(defect) => {
                let quarantined = Quarantined::defect(source.to_string(), defect);
                let not_kept = options.quarantine.and_then(|keeper| {
                    match keeper.keep(&quarantined, &bytes, options.now) {
                        Ok(Keeping::Kept(_) | Keeping::NotAllowed) => None,
                        Ok(Keeping::Full { capacity }) => {
                            Some(format!("{source}: not kept: the quarantine is full ({capacity} bytes)"))
                        }
                        Err(error) => Some(format!("{source}: not kept: {error}")),
                    }
                });
                let content = if options.keep_content { bytes } else { Vec::new() };
                Outcome::Bad { quarantined, not_kept, content }
            }
        },
    }
}

/// Collects what was unpacked until there is enough to parse in parallel.
struct Batcher {
    sender: SyncSender<Vec<Found>>,
    batch: Vec<Found>,
    bytes: usize,
    limit: usize,
}

impl Batcher {
    fn new(sender: SyncSender<Vec<Found>>, limit: usize) -> Self {
        Self { sender, batch: Vec::new(), bytes: 0, limit }
    }

    fn add(&mut self, feed: usize, what: What) {
        // A batch is also closed by its count: a million empty entries have no bytes.
        const MAX_ITEMS: usize = 4096;
        if let What::Document { bytes, .. } = &what {
            self.bytes += bytes.len();
        }
        self.batch.push(Found { feed, what });
        if self.bytes >= self.limit || self.batch.len() >= MAX_ITEMS {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        // The receiver goes first only when parsing panicked; the scope then passes that panic on.
        let _ = self.sender.send(batch);
    }
}
