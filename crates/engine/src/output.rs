//! Files that a user names for an answer: whole or not at all, in the place that the name stands for.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::data::{DataError, parent, persist, temporary};

/// Writes an answer, which may be larger than memory: a file that is there keeps its permissions and is replaced only by the whole
/// answer, a link is followed, and what is no file (a pipe, a device) is written to and stays what it is.
///
/// # Errors
/// [`DataError`] with the path and the step; an old file is then still there.
pub fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), DataError> {
    let failed = || DataError::at(path, "write");
    match place(path)? {
        Place::Stream(file) => {
            let mut buffered = io::BufWriter::new(file);
            write(&mut buffered).and_then(|()| buffered.flush()).map_err(failed())
        }
        Place::File { at, permissions } => {
            let mut buffered = io::BufWriter::new(temporary(parent(&at), permissions.clone())?);
            write(&mut buffered).map_err(failed())?;
            let file = buffered.into_inner().map_err(|error| failed()(error.into_error()))?;
            // What a new file may not have by the user's mask, the old one had.
            if let Some(permissions) = permissions.filter(|_| at.exists()) {
                file.as_file().set_permissions(permissions).map_err(failed())?;
            }
            persist(file, &at)
        }
    }
}

/// Whether [`write()`] could write this file, found out by making a temporary one beside it. For what takes long to make.
///
/// # Errors
/// [`DataError`] with the path and the step that failed.
pub fn can_write(path: &Path) -> Result<(), DataError> {
    match place(path)? {
        Place::Stream(_) => Ok(()),
        Place::File { at, permissions } => temporary(parent(&at), permissions).map(drop),
    }
}

/// What a name stands for.
enum Place {
    /// A file, there or to be made.
    File { at: PathBuf, permissions: Option<Permissions> },
    /// Something else that can be written to.
    Stream(File),
}

fn place(path: &Path) -> Result<Place, DataError> {
    let at = followed(path);
    match fs::metadata(&at) {
        Ok(found) if found.is_dir() => Err(DataError::at(path, "write")(io::ErrorKind::IsADirectory.into())),
        Ok(found) if found.is_file() => Ok(Place::File { at, permissions: Some(found.permissions()) }),
        Ok(_) => {
            OpenOptions::new().write(true).open(&at).map(Place::Stream).map_err(DataError::at(path, "open"))
        }
        Err(_) => {
            folder_of(&at)?;
            Ok(Place::File { at, permissions: of_new_file() })
        }
    }
}

/// The folder of a new file is there: one that is mistyped must not be made, for the answer would be looked for elsewhere.
fn folder_of(file: &Path) -> Result<(), DataError> {
    let folder = parent(file);
    if folder.is_dir() {
        return Ok(());
    }
    let why = if folder.exists() {
        "it is no folder"
    } else {
        "there is no such folder; make it first, or correct the name"
    };
    Err(DataError::at(folder, "write into the folder")(io::Error::new(io::ErrorKind::NotFound, why)))
}

/// Where links lead, also to what is not there yet.
fn followed(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| {
        fs::read_link(path).map_or_else(|_| path.to_path_buf(), |to| parent(path).join(to))
    })
}

/// As any program makes a file: what the mask of the user leaves of it.
#[cfg(unix)]
fn of_new_file() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(Permissions::from_mode(0o666))
}

/// As any program makes a file.
#[cfg(not(unix))]
fn of_new_file() -> Option<Permissions> {
    None
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), DataError> {
        write(path, |out| out.write_all(text.as_bytes()))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_keeps_its_permissions_and_a_new_one_is_like_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new, usual) = (dir.path().join("old"), dir.path().join("new"), dir.path().join("usual"));
        fs::write(&old, "old").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o646)).unwrap();
        put(&old, "replaced").unwrap();
        assert_eq!((fs::read_to_string(&old).unwrap().as_str(), mode(&old)), ("replaced", 0o646));
        put(&new, "new").unwrap();
        fs::write(&usual, "").unwrap();
        assert_eq!(mode(&new), mode(&usual));
    }

    #[test]
    fn a_folder_that_is_missing_is_named_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("mistyped");
        let file = missing.join("deeper/x.json");
        for error in [put(&file, "text").unwrap_err(), can_write(&file).unwrap_err()] {
            assert_eq!(error.path, missing.join("deeper"), "{error}");
            assert!(error.to_string().contains("there is no such folder"), "{error}");
        }
        assert!(!missing.exists());
        // A file in the place of a folder is another mistake.
        fs::write(&missing, "").unwrap();
        assert!(put(&missing.join("x"), "text").unwrap_err().to_string().contains("it is no folder"));
        // A link into a folder that is missing makes none either.
        symlink(dir.path().join("gone/x"), dir.path().join("link")).unwrap();
        assert!(put(&dir.path().join("link"), "text").is_err() && !dir.path().join("gone").exists());
    }

    #[test]
    fn a_link_is_followed_also_to_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        for (link, target) in [("to-old", "old"), ("to-new", "new")] {
            symlink(target, dir.path().join(link)).unwrap();
        }
        fs::write(dir.path().join("old"), "old").unwrap();
        for (link, target) in [("to-old", "old"), ("to-new", "new")] {
            put(&dir.path().join(link), "text").unwrap();
            assert_eq!(fs::read_to_string(dir.path().join(target)).unwrap(), "text");
            assert!(fs::symlink_metadata(dir.path().join(link)).unwrap().is_symlink());
        }
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let from = pipe.clone();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            File::open(from).unwrap().read_to_string(&mut text).map(|_| text)
        });
        put(&pipe, "through").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), "through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        put(Path::new("/dev/null"), "nowhere").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_failed_answer_leaves_the_old_file_and_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "old").unwrap();
        let error = write(&path, |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(put(dir.path(), "x").is_err() && can_write(dir.path()).is_err());
    }
}
