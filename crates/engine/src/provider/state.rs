//! What is known of a provider from earlier pulls, so that a pull resumes and fetches only what changed.
//!
//! `state.jsonl` is written whole at the end of a complete pull; `journal.jsonl` gets a line per document while a pull
//! runs. An interrupted pull loses the documents in flight and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fetch::Validators;
use super::{HashCheck, STATE_FILE, STATE_FOLDER, SignatureCheck};
use crate::data::{DataError, write_atomic};
use crate::quarantine::{Quarantined, hex};

/// One document as it was last fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fetched {
    pub(super) url: String,
    /// Below the pulled folder; absent when it was bad from the start.
    pub(super) path: Option<String>,
    /// What the list said of its last change.
    pub(super) listed: Option<Timestamp>,
    pub(super) validators: Validators,
    pub(super) sha256: String,
    pub(super) bytes: u64,
    pub(super) hash: HashCheck,
    pub(super) signature: SignatureCheck,
    /// Why this version is not used. A good earlier version stays in its place.
    pub(super) bad: Option<Quarantined>,
}

/// A list as it was last sent, for the answer that it is not modified.
#[derive(Debug, Serialize, Deserialize)]
struct CachedHead {
    url: String,
    validators: Validators,
}

/// The state folder, locked against a second pull into the same folder.
pub(super) struct State {
    folder: PathBuf,
    pub(super) documents: BTreeMap<String, Fetched>,
    journal: File,
    _lock: File,
}

impl State {
    pub(super) fn open(dir: &Path) -> Result<Self, DataError> {
        let folder = dir.join(STATE_FOLDER);
        let partial = folder.join("partial");
        fs::create_dir_all(&partial).map_err(DataError::at(&partial, "make the folder"))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(DataError::at(&lock_path, "make"))?;
        lock.try_lock()
            .map_err(|error| DataError::at(&lock_path, "lock (is another pull running?)")(error.into()))?;
        // Left behind by a pull that was killed. Under the lock nobody else writes here.
        for entry in fs::read_dir(&partial).map_err(DataError::at(&partial, "list"))? {
            let path = entry.map_err(DataError::at(&partial, "list"))?.path();
            fs::remove_file(&path).map_err(DataError::at(&path, "remove"))?;
        }
        let mut documents = BTreeMap::new();
        let journal_path = folder.join("journal.jsonl");
        for path in [folder.join(STATE_FILE), journal_path.clone()] {
            load(&path, &mut documents)?;
        }
        let mut journal = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&journal_path)
            .map_err(DataError::at(&journal_path, "open"))?;
        // A line that the last pull could not finish must not swallow the first of this one.
        journal.write_all(b"\n").map_err(DataError::at(&journal_path, "write"))?;
        Ok(Self { folder, documents, journal, _lock: lock })
    }

    pub(super) fn partial(&self) -> PathBuf {
        self.folder.join("partial")
    }

    /// Notes a document that is in its place (or known to be bad).
    pub(super) fn note(&mut self, fetched: Fetched) -> Result<(), DataError> {
        let mut line = json(&self.folder, &fetched)?;
        line.push(b'\n');
        self.journal.write_all(&line).map_err(DataError::at(&self.folder, "write the journal in"))?;
        self.documents.insert(fetched.url.clone(), fetched);
        Ok(())
    }

    /// Writes everything whole and empties the journal.
    pub(super) fn complete(&mut self) -> Result<(), DataError> {
        let mut text = Vec::new();
        for fetched in self.documents.values() {
            text.extend(json(&self.folder, fetched)?);
            text.push(b'\n');
        }
        write_atomic(&self.folder.join(STATE_FILE), &text)?;
        self.journal.set_len(0).map_err(DataError::at(&self.folder, "empty the journal in"))
    }

    /// The list as it was last kept. A damaged copy counts as none: the list is then fetched again.
    pub(super) fn cached(&self, url: &str) -> Option<(Validators, Vec<u8>)> {
        let text = fs::read(self.list_path(url)).ok()?;
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let head: CachedHead = serde_json::from_slice(text.get(..end)?).ok()?;
        (head.url == url).then(|| (head.validators, text.get(end + 1..).unwrap_or_default().to_vec()))
    }

    pub(super) fn cache(&self, url: &str, validators: &Validators, body: &[u8]) -> Result<(), DataError> {
        let head = CachedHead { url: url.to_owned(), validators: validators.clone() };
        let mut text = json(&self.folder, &head)?;
        text.push(b'\n');
        text.extend_from_slice(body);
        write_atomic(&self.list_path(url), &text)
    }

    fn list_path(&self, url: &str) -> PathBuf {
        self.folder.join("lists").join(hex(&Sha256::digest(url)))
    }
}

fn json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, DataError> {
    serde_json::to_vec(value).map_err(|error| DataError::at(path, "describe a document for")(error.into()))
}

/// Lines that do not parse were cut off by an interruption, or written by another version: those documents are fetched again.
fn load(path: &Path, into: &mut BTreeMap<String, Fetched>) -> Result<(), DataError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DataError::at(path, "open")(error)),
    };
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(DataError::at(path, "read"))?;
        if let Ok(fetched) = serde_json::from_slice::<Fetched>(&line) {
            into.insert(fetched.url.clone(), fetched);
        }
    }
    Ok(())
}
