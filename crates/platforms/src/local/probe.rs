//! Reading with notes: what cannot be read becomes a note, never a failure.

use std::io::{ErrorKind, Read};
use std::time::SystemTime;

use fs_err as fs;
use jiff::Timestamp;

use super::root::{CommandError, Root};
use crate::Note;

/// The largest file that is read. The package database of a large host has some 20 MiB.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Reads the machine and remembers what it could not read.
pub(super) struct Probe<'a> {
    pub(super) root: &'a Root,
    pub(super) notes: Vec<Note>,
}

impl<'a> Probe<'a> {
    pub(super) fn new(root: &'a Root) -> Self {
        Self { root, notes: Vec::new() }
    }

    pub(super) fn note(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        let note = Note::new(place, reason);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The text of a file. A file that does not exist is no note: most machines lack most files.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        match read(self.root, path) {
            Ok(text) => text,
            Err(reason) => {
                self.note(path, reason);
                None
            }
        }
    }

    /// The text of a file that every Linux machine has; its absence is a note.
    pub(super) fn required(&mut self, path: &str) -> Option<String> {
        let before = self.notes.len();
        let text = self.text(path);
        if text.is_none() && self.notes.len() == before {
            self.note(path, "does not exist");
        }
        text
    }

    /// The trimmed first line of a file, if it is not empty.
    pub(super) fn line(&mut self, path: &str) -> Option<String> {
        let text = self.text(path)?;
        let line = text.lines().next().unwrap_or_default().trim_matches(['\0', ' ', '\t', '\r']);
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Names in a folder, sorted; `None` with a note if it exists and cannot be read.
    pub(super) fn names(&mut self, path: &str) -> Option<Vec<String>> {
        match list(self.root, path) {
            Ok(names) => names,
            Err(reason) => {
                self.note(path, reason);
                None
            }
        }
    }

    /// The output of a command; a note if it has none. A missing command is a note only if the caller writes it.
    pub(super) fn command(&mut self, program: &str, arguments: &[&str]) -> Result<String, CommandError> {
        let outcome = self.root.commands().run(program, arguments);
        if let Err(error) = &outcome
            && !matches!(error, CommandError::Missing)
        {
            let first = arguments.iter().take(4).copied().collect::<Vec<_>>().join(" ");
            self.note(format!("command {program} {}", crate::shown(&first)), error.to_string());
        }
        outcome
    }

    /// When a file was last written.
    pub(super) fn modified(&self, path: &str) -> Option<Timestamp> {
        let time: SystemTime = fs::metadata(self.root.at(path)).ok()?.modified().ok()?;
        Timestamp::try_from(time).ok()
    }
}

fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "no permission to read it".to_owned(),
        kind => kind.to_string(),
    }
}

/// `Ok(None)`: it does not exist (a process that has ended answers the same way).
fn read(root: &Root, path: &str) -> Result<Option<String>, String> {
    let file = match fs::File::open(root.at(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cause(&error)),
    };
    let mut bytes = Vec::new();
    // ESRCH: the process ended between opening and reading.
    const NO_SUCH_PROCESS: i32 = 3;
    match file.into_file().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.raw_os_error() == Some(NO_SUCH_PROCESS) => return Ok(None),
        Err(error) => return Err(cause(&error)),
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("larger than {MAX_FILE_BYTES} bytes; it was not read"));
    }
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

fn list(root: &Root, path: &str) -> Result<Option<Vec<String>>, String> {
    let entries = match fs::read_dir(root.at(path)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cause(&error)),
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort_unstable();
    Ok(Some(names))
}
