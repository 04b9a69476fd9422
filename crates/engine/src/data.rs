//! The data folder: where things lie, and how a file gets there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use underpin_feeds::{Defect, Parsed};

use crate::quarantine::{Quarantine, Retried};

/// Temporary files begin so. The leading dot keeps [`crate::intake`] from reading a file that is still being written.
pub const TEMPORARY_PREFIX: &str = ".underpin-tmp-";

/// Why the data folder could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: cannot {action}: {source}", path = path.display())]
pub struct DataError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was attempted.
    pub action: &'static str,
    /// What the system said.
    pub source: io::Error,
}

impl DataError {
    pub(crate) fn at(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, action, source }
    }
}

/// An open data folder: `feeds/`, `quarantine/` and `underpin.sqlite`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// Opens the folder and makes it, with its sub-folders, where it is missing.
    ///
    /// # Errors
    /// [`DataError`] when a folder cannot be made, or a file stands in its place.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DataError> {
        let folder = Self { root: root.into() };
        for path in [folder.feeds(), folder.quarantine()] {
            fs::create_dir_all(&path).map_err(DataError::at(&path, "make the folder"))?;
        }
        Ok(folder)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where feeds lie: each entry is one feed.
    #[must_use]
    pub fn feeds(&self) -> PathBuf {
        self.root.join("feeds")
    }

    /// Where the bytes of bad documents lie (see [`crate::quarantine`]).
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// Tries the quarantined documents again and puts those that parse now into the feed `released` below [`Self::feeds`],
    /// each under the hash of its bytes.
    ///
    /// # Errors
    /// [`DataError`] when a folder cannot be read or written; what was released before that stays so.
    pub fn retry_quarantine(
        &self,
        quarantine: &Quarantine,
        parse: impl Fn(&[u8]) -> Result<Parsed, Defect>,
        now: Timestamp,
    ) -> Result<Retried, DataError> {
        let released = self.feeds().join("released");
        quarantine.retry(parse, now, |record, bytes, _| write_atomic(&released.join(&record.sha256), bytes))
    }

    /// The database file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("underpin.sqlite")
    }
}

/// Writes a file so that a reader, or the next start after a power cut, sees the old content or the new, never a part:
/// a temporary file beside it, synced, then renamed over it, then the folder synced.
///
/// # Errors
/// [`DataError`] with the path and the step; the old file is then still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let mut file = temporary(parent(path), None)?;
    file.write_all(bytes).map_err(DataError::at(path, "write"))?;
    persist(file, path)
}

/// A temporary file in a folder, which is made where it is missing. Without permissions only its owner reads it.
pub(crate) fn temporary(
    folder: &Path,
    permissions: Option<fs::Permissions>,
) -> Result<tempfile::NamedTempFile, DataError> {
    fs::create_dir_all(folder).map_err(DataError::at(folder, "make the folder"))?;
    let mut builder = tempfile::Builder::new();
    if let Some(permissions) = permissions {
        builder.permissions(permissions);
    }
    let made = builder.prefix(TEMPORARY_PREFIX).tempfile_in(folder);
    made.map_err(DataError::at(folder, "make a temporary file in the folder"))
}

/// Puts a finished temporary file in its place, durably.
///
/// # Errors
/// [`DataError`] with the path and the step; the temporary file is then removed.
pub(crate) fn persist(file: tempfile::NamedTempFile, path: &Path) -> Result<(), DataError> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(DataError::at(folder, "make the folder"))?;
    file.as_file().sync_all().map_err(DataError::at(path, "sync"))?;
    file.persist(path).map_err(|error| DataError::at(path, "rename a temporary file to")(error.error))?;
    sync_folder(folder)
}

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// A rename is durable only once the folder is synced. Only Unix lets one open a folder for that.
fn sync_folder(folder: &Path) -> Result<(), DataError> {
    if cfg!(unix) {
        File::open(folder).and_then(|open| open.sync_all()).map_err(DataError::at(folder, "sync"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_twice_keeps_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(dir.path().join("new/data")).unwrap();
        fs::write(folder.feeds().join("kept"), b"x").unwrap();
        assert_eq!(DataFolder::open(folder.root()).unwrap(), folder);
        assert!(folder.feeds().join("kept").exists());
        assert!(folder.quarantine().is_dir());
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("feeds");
        fs::write(&file, b"x").unwrap();
        let error = DataFolder::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("feeds: cannot make the folder"), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomic(&path, b"old").unwrap();
        // A folder cannot be replaced by a file: the rename, the last step, fails.
        let blocked = dir.path().join("folder");
        fs::create_dir_all(blocked.join("inside")).unwrap();
        assert!(write_atomic(&blocked, b"new").is_err());
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "folder"]);
    }

    #[test]
    fn what_parses_now_becomes_a_feed() {
        use crate::intake::{Options, Source, read_with};
        use crate::progress::Silent;
        use underpin_model::facts::{Document, Format};
        let now = Timestamp::UNIX_EPOCH;
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(dir.path()).unwrap();
        let quarantine = Quarantine::open(folder.quarantine(), 1 << 20).unwrap();
        let options = Options { quarantine: Some(&quarantine), ..Options::new(now) };
        let source = Source::Upload { name: "u".to_owned(), bytes: b"new format".as_slice().into() };
        let today = |_: &[u8]| {
            let at = underpin_feeds::Position::Line { line: 1 };
            Err(Defect { at, reason: "not known".to_owned(), format: None })
        };
        assert_eq!(read_with(&[source], &options, &Silent, today).quarantined.len(), 1);
        let later = |_: &[u8]| Ok(Parsed::Document(Box::new(Document::new("id", Format::Csaf))));
        assert_eq!(folder.retry_quarantine(&quarantine, later, now).unwrap().released.len(), 1);
        let intake = read_with(&[Source::from(folder.feeds())], &options, &Silent, later);
        assert_eq!(intake.feeds[0].id.as_str(), "released");
        assert_eq!(intake.documents().count(), 1);
        assert!(quarantine.records(&mut Vec::new()).unwrap().is_empty());
    }
}
