//! What can go wrong with the store.

use std::path::PathBuf;

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a store operation failed: where, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened.
    #[error(
        "cannot open the store {path}: {source}; check that its folder exists and can be written, or name another one"
    )]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error(
        "cannot bring the store {path} up to date: {source}; if a newer Underpin wrote it, use that version, or restore a backup"
    )]
    Migrate {
        /// The database file.
        path: PathBuf,
        /// Which migration, and why.
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// Something cannot be read.
    #[error(
        "cannot read {what} from the store {path}: {source}; try again, and if it persists restore a backup"
    )]
    Read {
        /// The database file.
        path: PathBuf,
        /// What was read.
        what: &'static str,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// Something cannot be written; nothing of the change was kept.
    #[error(
        "cannot write {what} to the store {path}: {source}; nothing was changed: check free space and permissions, then try again"
    )]
    Write {
        /// The database file.
        path: PathBuf,
        /// What was written.
        what: &'static str,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// A stored content is not what was stored.
    #[error("content {sha256} in the store {path} is damaged: {reason}; restore a backup")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// The content's hash.
        sha256: String,
        /// What is wrong.
        reason: String,
    },
    /// An idempotency key came again with another request.
    #[error("the idempotency key was used for another request; send a new key")]
    KeyReused,
    /// The process is shutting down.
    #[error("the work was stopped before it was done: {0}; try again")]
    Stopped(tokio::task::JoinError),
}
