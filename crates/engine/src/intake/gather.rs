//! Which files there are to read, in a fixed order, and to which feed each belongs.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use underpin_model::id::{FeedId, InvalidId, MAX_ID_BYTES};

use super::{Ignored, Source, Unreadable};

/// Folders nest no deeper than this. The system's limit on path lengths comes first nearly everywhere.
const MAX_FOLDER_DEPTH: usize = 128;

/// Where the bytes of a planned file are.
pub(super) enum Origin {
    File(PathBuf),
    Stdin,
    Upload(Arc<[u8]>),
}

/// A file to read.
pub(super) struct PlannedFile {
    pub(super) feed: usize,
    pub(super) label: String,
    pub(super) origin: Origin,
    bytes: Option<u64>,
}

/// A feed to fill.
pub(super) struct PlannedFeed {
    pub(super) id: FeedId,
    pub(super) fetched: Option<Timestamp>,
}

/// Everything that will be read.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) feeds: Vec<PlannedFeed>,
    pub(super) files: Vec<PlannedFile>,
    pub(super) ignored: Vec<Ignored>,
    pub(super) unreadable: Vec<Unreadable>,
    taken: BTreeSet<FeedId>,
}

impl Plan {
    /// Bytes of all files together, unless one of them is a stream.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// A new feed. Two sources may hold files of one name: the later feed then gets the path that the caller gave, and
    /// a number if that is taken as well. Without a usable name there is no feed, and the source counts as unreadable.
    fn feed(&mut self, name: &str, label: &str, fetched: Option<Timestamp>) -> Option<usize> {
        let numbered = (2..).map(|number| format!("#{number} {label}"));
        for candidate in [name.to_owned(), label.to_owned()].into_iter().chain(numbered) {
            match feed_id(&candidate) {
                Ok(id) if self.taken.contains(&id) => {}
                Ok(id) => {
                    self.taken.insert(id.clone());
                    self.feeds.push(PlannedFeed { id, fetched });
                    return Some(self.feeds.len() - 1);
                }
                Err(error) => {
                    self.unreadable.push(Unreadable { file: label.to_owned(), reason: error.to_string() });
                    return None;
                }
            }
        }
        None
    }

    fn file(&mut self, feed: usize, path: PathBuf, metadata: &Metadata) {
        if let Some(feed) = self.feeds.get_mut(feed) {
            feed.fetched = feed.fetched.max(modified(metadata));
        }
        let bytes = metadata.is_file().then_some(metadata.len());
        self.files.push(PlannedFile { feed, label: shown(&path), origin: Origin::File(path), bytes });
    }

    fn ignore(&mut self, path: &Path, reason: impl Into<String>) {
        self.ignored.push(Ignored { file: shown(path), reason: reason.into() });
    }

    fn cannot(&mut self, path: &Path, reason: &dyn std::fmt::Display) {
        self.unreadable.push(Unreadable { file: shown(path), reason: reason.to_string() });
    }
}

/// Lists what the sources hold. A source that is missing, empty or closed to us is in `unreadable`.
pub(super) fn gather(sources: &[Source], now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for source in sources {
        match source {
            Source::Stdin => {
                let Some(feed) = plan.feed("stdin", "stdin", Some(now)) else { continue };
                plan.files.push(PlannedFile {
                    feed,
                    label: "stdin".to_owned(),
                    origin: Origin::Stdin,
                    bytes: None,
                });
            }
            Source::Upload { name, bytes } => {
                let Some(feed) = plan.feed(name, name, Some(now)) else { continue };
                let origin = Origin::Upload(Arc::clone(bytes));
                plan.files.push(PlannedFile {
                    feed,
                    label: name.clone(),
                    origin,
                    bytes: Some(bytes.len() as u64),
                });
            }
            Source::Path(path) => given(&mut plan, path),
        }
    }
    plan
}

/// A path that the caller named. A link is followed here: it was named on purpose.
fn given(plan: &mut Plan, path: &Path) {
    match fs::metadata(path) {
        Err(error) => plan.cannot(path, &error),
        Ok(metadata) if metadata.is_dir() => {
            let before = plan.files.len() + plan.unreadable.len();
            match fs::canonicalize(path) {
                Ok(root) => Folder { root, links: Vec::new(), regular: BTreeSet::new() }.read(plan, path),
                Err(error) => plan.cannot(path, &error),
            }
            if plan.files.len() + plan.unreadable.len() == before {
                plan.cannot(path, &"there is no file in the folder");
            }
        }
        Ok(metadata) => {
            let name =
                path.file_name().map_or_else(|| shown(path), |name| name.to_string_lossy().into_owned());
            if let Some(feed) = plan.feed(&name, &shown(path), None) {
                plan.file(feed, path.to_owned(), &metadata);
            }
        }
    }
}

/// One folder that the caller named.
struct Folder {
    /// Its real path: links may not lead out of it.
    root: PathBuf,
    /// Links to files within, judged at the end.
    links: Vec<(Option<usize>, PathBuf, PathBuf)>,
    /// Real paths of the files that are read anyway.
    regular: BTreeSet<PathBuf>,
}

impl Folder {
    fn read(mut self, plan: &mut Plan, path: &Path) {
        self.walk(plan, path, None, 0);
        for (feed, link, target) in std::mem::take(&mut self.links) {
            // A link to a file that is read under its own name would count its document twice.
            if !self.regular.insert(target) {
                plan.ignore(&link, "a link to a file that is read under its own name");
                continue;
            }
            match fs::metadata(&link) {
                Ok(metadata) => {
                    if let Some(feed) = feed.or_else(|| plan.feed(&name_of(&link), &shown(&link), None)) {
                        plan.file(feed, link, &metadata);
                    }
                }
                Err(error) => plan.cannot(&link, &error),
            }
        }
    }

    /// `feed` is that of the sub-folder of the named folder that we are in; in the named folder itself each entry has one.
    fn walk(&mut self, plan: &mut Plan, folder: &Path, feed: Option<usize>, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            return plan.cannot(folder, &format!("folders are nested deeper than {MAX_FOLDER_DEPTH}"));
        }
        let listed = fs::read_dir(folder).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
        });
        let mut paths = match listed {
            Ok(paths) => paths,
            Err(error) => return plan.cannot(folder, &error),
        };
        paths.sort();
        for path in paths {
            // A provider's tree keeps its metadata in `.well-known`; every other hidden name is a tool's own.
            let name = name_of(&path);
            if name.starts_with('.') && name != ".well-known" {
                continue;
            }
            match fs::symlink_metadata(&path) {
                Err(error) => plan.cannot(&path, &error),
                Ok(metadata) if metadata.is_symlink() => self.link(plan, feed, path),
                Ok(metadata) if metadata.is_dir() => {
                    let inner = feed.or_else(|| plan.feed(&name, &shown(&path), pulled_at(&path)));
                    if inner.is_some() {
                        self.walk(plan, &path, inner, depth + 1);
                    }
                }
                Ok(metadata) if metadata.is_file() => {
                    self.regular.extend(fs::canonicalize(&path));
                    if let Some(inner) = feed.or_else(|| plan.feed(&name, &shown(&path), None)) {
                        plan.file(inner, path, &metadata);
                    }
                }
                Ok(_) => plan.ignore(&path, "neither a file nor a folder"),
            }
        }
    }

    fn link(&mut self, plan: &mut Plan, feed: Option<usize>, path: PathBuf) {
        match fs::canonicalize(&path) {
            Err(error) => plan.ignore(&path, format!("a link that leads nowhere: {error}")),
            Ok(target) if !target.starts_with(&self.root) => {
                plan.ignore(&path, "a link that leads out of the folder is not followed");
            }
            // What it leads to is within the folder and read there; following it could go round for ever.
            Ok(target) if target.is_dir() => plan.ignore(&path, "a link to a folder is not followed"),
            Ok(target) if target.is_file() => self.links.push((feed, path, target)),
            Ok(_) => plan.ignore(&path, "neither a file nor a folder"),
        }
    }
}

/// When a folder that [`crate::provider`] filled was last compared with its provider: also when nothing had changed.
fn pulled_at(folder: &Path) -> Option<Timestamp> {
    modified(
        &fs::metadata(folder.join(crate::provider::STATE_FOLDER).join(crate::provider::STATE_FILE)).ok()?,
    )
}

fn modified(metadata: &Metadata) -> Option<Timestamp> {
    Timestamp::try_from(metadata.modified().ok()?).ok()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A file name as an id: what an id may not have is replaced, what is too long is cut, what has no name is `unnamed`.
fn feed_id(name: &str) -> Result<FeedId, InvalidId> {
    let mut text: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    text.truncate(text.floor_char_boundary(MAX_ID_BYTES));
    FeedId::new(if text.is_empty() { "unnamed".to_owned() } else { text })
}
