//! What was bad, why, and its bytes kept for a later version to try again.
//!
//! A folder of pairs `<sha256>.bin` (the bytes) and `<sha256>.json` (the [`Record`]). The bytes are written first: a
//! record without bytes cannot exist, whatever interrupts the writing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use underpin_feeds::{Defect, Parsed, Position};
use underpin_model::facts::{Document, Format};

use crate::data::{DataError, write_atomic};

/// Bytes that a quarantine folder keeps unless told otherwise: 1 GiB.
pub const DEFAULT_CAPACITY_BYTES: u64 = 1 << 30;

/// What kind of thing was wrong. Decides whether trying again without a new copy can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The document itself: a later version of the parser may accept the same bytes.
    Defect,
    /// An archive or a compressed file that cannot be unpacked, or not within the limits.
    Unpacking,
    /// It could not be fetched whole: missing, cut off, too slow, refused.
    Transfer,
    /// Its hash is not the one that the provider states. Such bytes are never released, however well they parse.
    Integrity,
    /// Its TLP label does not permit its use here. Its bytes are never kept.
    Restricted,
}

/// A document (or an archive) that was not accepted. Nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The file, with the entry inside an archive after `!`; or the URL.
    pub file: String,
    /// Where in the document.
    pub at: Position,
    /// What is wrong, and the way out.
    pub reason: String,
    /// What it was taken for, if it was recognised.
    pub format: Option<Format>,
    /// What kind of thing was wrong.
    pub cause: Cause,
}

impl Quarantined {
    /// A fault of the whole file rather than of a place in it.
    pub(crate) fn whole(file: impl Into<String>, cause: Cause, reason: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            at: Position::Pointer(String::new()),
            reason: reason.into(),
            format: None,
            cause,
        }
    }

    /// A defect that the parser found.
    pub(crate) fn defect(file: impl Into<String>, defect: Defect) -> Self {
        let Defect { at, reason, format } = defect;
        Self { file: file.into(), at, reason, format, cause: Cause::Defect }
    }
}

/// What is written beside the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was wrong.
    #[serde(flatten)]
    pub quarantined: Quarantined,
    /// SHA-256 of the bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// How many bytes.
    pub bytes: u64,
    /// When it was kept.
    pub kept_at: Timestamp,
}

/// What became of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// They are kept (or were already).
    Kept(PathBuf),
    /// They would pass the capacity; nothing was written.
    Full {
        /// The capacity, in bytes.
        capacity: u64,
    },
    /// The cause forbids it ([`Cause::Restricted`]).
    NotAllowed,
}

/// What a retry found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Retried {
    /// Parsed now, handed over and no longer kept.
    pub released: Vec<Record>,
    /// Recognised now as no advisory; no longer kept.
    pub ignored: Vec<Record>,
    /// Still bad, with the reason of today.
    pub still_bad: Vec<Record>,
    /// Kept for a cause that parsing again cannot mend.
    pub not_retried: usize,
    /// Files of the quarantine folder that are damaged themselves, with what is wrong.
    pub damaged: Vec<String>,
}

/// A quarantine folder with a bounded total size.
#[derive(Debug)]
pub struct Quarantine {
    dir: PathBuf,
    capacity: u64,
    used: Mutex<u64>,
}

impl Quarantine {
    /// Opens the folder, making it where it is missing. `capacity` bounds the bytes of all documents in it together.
    ///
    /// # Errors
    /// [`DataError`] when it cannot be made or listed.
    pub fn open(dir: impl Into<PathBuf>, capacity: u64) -> Result<Self, DataError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(DataError::at(&dir, "make the folder"))?;
        let mut used = 0_u64;
        for entry in fs::read_dir(&dir).map_err(DataError::at(&dir, "list"))? {
            let entry = entry.map_err(DataError::at(&dir, "list"))?;
            used = used.saturating_add(entry.metadata().map_or(0, |metadata| metadata.len()));
        }
        Ok(Self { dir, capacity, used: Mutex::new(used) })
    }

    /// Keeps the bytes of a bad document and why it is bad. The same bytes are kept once, with the latest reason.
    ///
    /// # Errors
    /// [`DataError`] when they cannot be written; then no part of them is.
    pub fn keep(&self, bad: &Quarantined, bytes: &[u8], now: Timestamp) -> Result<Keeping, DataError> {
        if bad.cause == Cause::Restricted {
            return Ok(Keeping::NotAllowed);
        }
        let sha256 = hex(&Sha256::digest(bytes));
        let record = Record { quarantined: bad.clone(), sha256, bytes: bytes.len() as u64, kept_at: now };
        let text = serde_json::to_vec_pretty(&record).map_err(|error| DataError {
            path: self.dir.clone(),
            action: "describe a document for",
            source: error.into(),
        })?;
        let path = self.bytes_path(&record.sha256);
        // Held while writing: two threads with the same bytes must not both count them.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !path.exists() {
            let grown = used.saturating_add(bytes.len() as u64).saturating_add(text.len() as u64);
            if grown > self.capacity {
                return Ok(Keeping::Full { capacity: self.capacity });
            }
            write_atomic(&path, bytes)?;
            *used = grown;
        }
        write_atomic(&self.record_path(&record.sha256), &text)?;
        Ok(Keeping::Kept(path))
    }

    /// Parses again what the parser had refused. `release` gets each document that now parses, with its bytes, and must
    /// have put it in its place when it returns: only then is it removed here.
    ///
    /// # Errors
    /// [`DataError`] of `release`, or when the folder cannot be listed or changed. What was released before stays so.
    pub fn retry(
        &self,
        parse: impl Fn(&[u8]) -> Result<Parsed, Defect>,
        now: Timestamp,
        mut release: impl FnMut(&Record, &[u8], Document) -> Result<(), DataError>,
    ) -> Result<Retried, DataError> {
        let mut retried = Retried::default();
        for record in self.records(&mut retried.damaged)? {
            if record.quarantined.cause != Cause::Defect {
                retried.not_retried += 1;
                continue;
            }
            let Some(bytes) = self.intact_bytes(&record, &mut retried.damaged) else { continue };
            match parse(&bytes) {
                Ok(Parsed::Document(document)) => {
                    release(&record, &bytes, *document)?;
                    self.forget(&record)?;
                    retried.released.push(record);
                }
                Ok(Parsed::Ignored { .. }) => {
                    self.forget(&record)?;
                    retried.ignored.push(record);
                }
                Err(defect) => {
                    let bad = Quarantined::defect(record.quarantined.file.clone(), defect);
                    self.keep(&bad, &bytes, now)?;
                    retried.still_bad.push(Record { quarantined: bad, ..record });
                }
            }
        }
        Ok(retried)
    }

    /// Everything that is kept, ordered by hash. What cannot be read goes to `damaged`.
    ///
    /// # Errors
    /// [`DataError`] when the folder cannot be listed.
    pub fn records(&self, damaged: &mut Vec<String>) -> Result<Vec<Record>, DataError> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(DataError::at(&self.dir, "list"))? {
            let path = entry.map_err(DataError::at(&self.dir, "list"))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read = fs::read(&path).map_err(|error| error.to_string());
            match read.and_then(|text| serde_json::from_slice::<Record>(&text).map_err(|e| e.to_string())) {
                // The hash becomes a file name: one that differs from the record's own name is not followed.
                Ok(record) if path == self.record_path(&record.sha256) => records.push(record),
                Ok(_) => damaged.push(format!("{}: it names the bytes of another record", path.display())),
                Err(error) => damaged.push(format!("{}: {error}", path.display())),
            }
        }
        records.sort_by(|a, b| a.sha256.cmp(&b.sha256));
        damaged.sort();
        Ok(records)
    }

    fn intact_bytes(&self, record: &Record, damaged: &mut Vec<String>) -> Option<Vec<u8>> {
        let path = self.bytes_path(&record.sha256);
        match fs::read(&path) {
            Ok(bytes) if hex(&Sha256::digest(&bytes)) == record.sha256 => return Some(bytes),
            Ok(_) => {
                damaged.push(format!("{}: the bytes do not have the hash of their name", path.display()));
            }
            Err(error) => damaged.push(format!("{}: {error}", path.display())),
        }
        None
    }

    /// The record goes first: bytes without a record are harmless, a record without bytes is not.
    fn forget(&self, record: &Record) -> Result<(), DataError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for path in [self.record_path(&record.sha256), self.bytes_path(&record.sha256)] {
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            fs::remove_file(&path).map_err(DataError::at(&path, "remove"))?;
            *used = used.saturating_sub(bytes);
        }
        Ok(())
    }

    fn bytes_path(&self, sha256: &str) -> PathBuf {
        self.dir.join(format!("{sha256}.bin"))
    }

    fn record_path(&self, sha256: &str) -> PathBuf {
        self.dir.join(format!("{sha256}.json"))
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Lower-case hexadecimal, as hash files have it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn bad(file: &str, cause: Cause) -> Quarantined {
        Quarantined { format: Some(Format::Csaf), ..Quarantined::whole(file, cause, "no id") }
    }

    /// A parser of a later version: it accepts all that does not begin with `!`.
    fn later(bytes: &[u8]) -> Result<Parsed, Defect> {
        match bytes {
            [b'!', ..] => {
                Err(Defect { at: Position::Line { line: 1 }, reason: "still".to_owned(), format: None })
            }
            b"licence" => Ok(Parsed::Ignored { reason: "text".to_owned() }),
            _ => Ok(Parsed::Document(Box::new(Document::new("id", Format::Csaf)))),
        }
    }

    #[test]
    fn only_defects_are_released_and_only_when_they_parse() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::open(dir.path(), 1 << 20).unwrap();
        quarantine.keep(&bad("good", Cause::Defect), b"good", NOW).unwrap();
        quarantine.keep(&bad("bad", Cause::Defect), b"!bad", NOW).unwrap();
        quarantine.keep(&bad("text", Cause::Defect), b"licence", NOW).unwrap();
        quarantine.keep(&bad("forged", Cause::Integrity), b"forged", NOW).unwrap();
        let mut released = Vec::new();
        let retried = quarantine
            .retry(later, NOW, |record, bytes, document| {
                released.push((record.quarantined.file.clone(), bytes.to_vec(), document.id));
                Ok(())
            })
            .unwrap();
        assert_eq!(released, [("good".to_owned(), b"good".to_vec(), "id".to_owned())]);
        assert_eq!(retried.released.len(), 1);
        assert_eq!(retried.ignored.len(), 1);
        assert_eq!(retried.not_retried, 1);
        assert_eq!(retried.still_bad[0].quarantined.reason, "still");
        // What was released is gone; what is still bad carries the reason of today.
        let records = Quarantine::open(dir.path(), 1 << 20).unwrap().records(&mut Vec::new()).unwrap();
        let mut reasons: Vec<_> = records.iter().map(|record| record.quarantined.reason.as_str()).collect();
        reasons.sort_unstable();
        assert_eq!(reasons, ["no id", "still"]);
    }

    #[test]
    fn a_release_that_fails_keeps_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::open(dir.path(), 1 << 20).unwrap();
        quarantine.keep(&bad("good", Cause::Defect), b"good", NOW).unwrap();
        let full = || DataError::at(Path::new("x"), "write")(std::io::Error::other("disk full"));
        let failed = quarantine.retry(later, NOW, |_, _, _| Err(full()));
        assert!(failed.is_err());
        assert_eq!(quarantine.records(&mut Vec::new()).unwrap().len(), 1);
    }

    #[test]
    fn the_capacity_holds_over_restarts_and_removal_gives_room() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::open(dir.path(), 2000).unwrap();
        assert!(matches!(
            quarantine.keep(&bad("a", Cause::Defect), &[b'a'; 1000], NOW),
            Ok(Keeping::Kept(_))
        ));
        let again = Quarantine::open(dir.path(), 2000).unwrap();
        let full = again.keep(&bad("b", Cause::Defect), &[b'b'; 1000], NOW).unwrap();
        assert_eq!(full, Keeping::Full { capacity: 2000 });
        assert_eq!(again.records(&mut Vec::new()).unwrap().len(), 1);
        // The same bytes take no more room.
        assert!(matches!(again.keep(&bad("c", Cause::Defect), &[b'a'; 1000], NOW), Ok(Keeping::Kept(_))));
        again.retry(later, NOW, |_, _, _| Ok(())).unwrap();
        assert!(matches!(again.keep(&bad("b", Cause::Defect), &[b'b'; 1000], NOW), Ok(Keeping::Kept(_))));
    }

    #[test]
    fn restricted_bytes_are_never_written() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::open(dir.path(), 2000).unwrap();
        let kept = quarantine.keep(&bad("a", Cause::Restricted), b"secret", NOW).unwrap();
        assert_eq!(kept, Keeping::NotAllowed);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn damage_in_the_folder_is_named_and_nothing_of_it_released() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = Quarantine::open(dir.path(), 1 << 20).unwrap();
        let Ok(Keeping::Kept(path)) = quarantine.keep(&bad("good", Cause::Defect), b"good", NOW) else {
            panic!()
        };
        fs::write(&path, b"gooD").unwrap();
        fs::write(dir.path().join("x.json"), b"{").unwrap();
        let retried = quarantine.retry(later, NOW, |_, _, _| panic!("released")).unwrap();
        assert_eq!(retried.damaged.len(), 2, "{:?}", retried.damaged);
    }
}
