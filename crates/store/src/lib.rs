//! What Underpin remembers: one [`Store`] on an embedded SQLite.
//!
//! Fleets (every import is an immutable version), feeds (the bytes of every document, accepted or quarantined, so that
//! a later version can read them again), assessments, policies, evidence, dated EPSS scores, predictions with what became
//! of them, and the answers to idempotent requests.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use underpin_store::{Store, jiff::Timestamp};
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(&folder.path().join("underpin.sqlite")).await?;
//! let first = store.add_fleet("lab", b"{}", Timestamp::UNIX_EPOCH).await?;
//! let again = store.add_fleet("lab", b"{}", Timestamp::UNIX_EPOCH).await?;
//! assert!(first.new && !again.new && first.id == again.id);
//! # Ok(())
//! # }
//! ```
//!
//! One connection writes (each change is one `BEGIN IMMEDIATE` transaction: it happens whole or not at all), a pool of
//! others reads and is never blocked by the writer (write-ahead log). The SQL uses `$N` parameters, `ON CONFLICT` and
//! plain types, which PostgreSQL understands as well; only the migrations and the pragmas are SQLite's.

mod assessments;
mod content;
mod error;
mod feeds;
mod fleets;
mod idempotency;
mod in_force;
mod predictions;
mod scores;
mod sql;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use jiff;
use jiff::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{SqlSafeStr, Sqlite, Transaction};

pub use assessments::{AssessmentRow, NewAssessment};
pub use content::sha256_hex;
pub use error::{Error, Result};
pub use feeds::{DocumentRow, FeedRow, NewDocument, NewQuarantined, QuarantinedRow};
pub use fleets::FleetRow;
pub use idempotency::{Remembered, Replay};
pub use in_force::{KeptRow, Ruling};
pub use predictions::{OutcomeRow, PredictionRow};
pub use scores::{NewScores, ScoresRow};

/// How long a connection waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read. More would only wait for the disk.
const READERS: u32 = 8;

/// What became of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The id of the row, old or new.
    pub id: String,
    /// The bytes were not known before.
    pub new: bool,
}

/// The embedded store. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens the database file, creates it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error::Open`] when the file cannot be opened, [`Error::Migrate`] when it was written by a newer version or a
    /// migration fails.
    pub async fn open(path: &Path) -> Result<Self> {
        let open = |source| Error::Open { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone().create_if_missing(true))
            .await
            .map_err(open)?;
        migrator()
            .run(&writer)
            .await
            .map_err(|source| Error::Migrate { path: path.to_owned(), source: Box::new(source) })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(open)?;
        Ok(Self { path: path.to_owned(), writer, readers })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the work under way and closes all connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Reads one value: the cheapest proof that the database answers.
    ///
    /// # Errors
    /// [`Error::Read`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query(sql::PING).execute(&self.readers).await.map(drop).map_err(self.read("the database"))
    }

    /// A transaction that holds the write lock from its start; dropped without `commit` it leaves nothing.
    async fn begin(&self, what: &'static str) -> Result<Transaction<'static, Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(self.write(what))
    }

    fn read(&self, what: &'static str) -> impl Fn(sqlx::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::Read { path: path.clone(), what, source }
    }

    fn write(&self, what: &'static str) -> impl Fn(sqlx::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::Write { path: path.clone(), what, source }
    }
}

/// Every change of the schema, in order. A file once released is never edited: its checksum is in the database.
fn migrator() -> Migrator {
    let one = |version, name: &'static str, text: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        one(1, "initial", include_str!("../migrations/sqlite/0001_initial.sql")),
        one(
            2,
            "policy and predictions",
            include_str!("../migrations/sqlite/0002_policy_and_predictions.sql"),
        ),
        one(3, "evidence and scores", include_str!("../migrations/sqlite/0003_evidence_and_scores.sql")),
        one(4, "predictions once", include_str!("../migrations/sqlite/0004_predictions_once.sql")),
    ])
}

/// Microseconds since 1970, as times are stored.
fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The time of a stored number; numbers outside the calendar (a damaged row) become its nearest end.
fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests;
