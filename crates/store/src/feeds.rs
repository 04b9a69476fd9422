//! Feeds: the bytes of every document, accepted or quarantined.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::content::pack;
use crate::{Result, Store, micros, sql, timestamp};

/// A document that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// Its path within the feed.
    pub path: String,
    /// The document's own id.
    pub document_id: String,
    /// Its format's name.
    pub format: String,
    /// When its issuer last changed it.
    pub updated: Option<Timestamp>,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A document that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewQuarantined {
    /// Its path within the feed.
    pub path: String,
    /// Where it is wrong: a JSON pointer, or `line N`; empty: as a whole.
    pub position: String,
    /// Why.
    pub reason: String,
    /// The format that it was taken for.
    pub format: Option<String>,
    /// Its bytes, so that a later version can try again.
    pub content: Vec<u8>,
}

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its id.
    pub id: String,
    /// When it was last read.
    pub fetched_at: Timestamp,
    /// When its issuer last changed it.
    pub updated_at: Option<Timestamp>,
    /// Documents accepted.
    pub documents: u64,
    /// Documents in quarantine.
    pub quarantined: u64,
}

/// An accepted document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// Its path within the feed.
    pub path: String,
    /// The document's own id.
    pub document_id: String,
    /// Its format's name.
    pub format: String,
    /// When its issuer last changed it.
    pub updated_at: Option<Timestamp>,
    /// Hash of its bytes: [`Store::content`] has them.
    pub sha256: String,
}

/// A document in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// Its feed.
    pub feed_id: String,
    /// Its path within the feed.
    pub path: String,
    /// Where it is wrong.
    pub position: String,
    /// Why.
    pub reason: String,
    /// The format that it was taken for.
    pub format: Option<String>,
    /// When it was put there.
    pub at: Timestamp,
    /// Hash of its bytes: [`Store::content`] has them.
    pub sha256: String,
}

fn count(row: &SqliteRow, column: &str) -> sqlx::Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
}

fn optional_time(row: &SqliteRow, column: &str) -> sqlx::Result<Option<Timestamp>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(timestamp))
}

impl Store {
    /// Adds what was read of a feed to what is known of it: a document replaces the one at its path and frees that
    /// path from quarantine; a bad document goes to quarantine and leaves an accepted older one at its path in force.
    /// Documents that are not mentioned stay: reading less than before must not make a fact disappear.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn put_feed(
        &self,
        id: &str,
        fetched: Timestamp,
        mut documents: Vec<NewDocument>,
        mut quarantined: Vec<NewQuarantined>,
    ) -> Result<()> {
        let write = self.write("a feed");
        let contents = documents.iter_mut().map(|d| std::mem::take(&mut d.content));
        let accepted = pack(contents.collect()).await?;
        let contents = quarantined.iter_mut().map(|d| std::mem::take(&mut d.content));
        let refused = pack(contents.collect()).await?;
        let updated = documents.iter().filter_map(|d| d.updated).max();

        let mut tx = self.begin("a feed").await?;
        sqlx::query(sql::PUT_FEED)
            .bind(id)
            .bind(micros(fetched))
            .bind(updated.map(micros))
            .execute(&mut *tx)
            .await
            .map_err(&write)?;
        for (document, packed) in documents.iter().zip(&accepted) {
            self.put(&mut tx, packed).await?;
            sqlx::query(sql::PUT_DOCUMENT)
                .bind(id)
                .bind(&document.path)
                .bind(&document.document_id)
                .bind(&document.format)
                .bind(document.updated.map(micros))
                .bind(&packed.sha256)
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
            sqlx::query(sql::RELEASE_QUARANTINED)
                .bind(id)
                .bind(&document.path)
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
        }
        for (document, packed) in quarantined.iter().zip(&refused) {
            self.put(&mut tx, packed).await?;
            sqlx::query(sql::PUT_QUARANTINED)
                .bind(id)
                .bind(&document.path)
                .bind(&document.position)
                .bind(&document.reason)
                .bind(document.format.as_deref())
                .bind(micros(fetched))
                .bind(&packed.sha256)
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
        }
        sqlx::query(sql::DROP_UNUSED_CONTENT).execute(&mut *tx).await.map_err(&write)?;
        tx.commit().await.map_err(write)
    }

    /// Forgets a feed with all its documents. True when there was one.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn remove_feed(&self, id: &str) -> Result<bool> {
        let write = self.write("the removal of a feed");
        let mut tx = self.begin("the removal of a feed").await?;
        for statement in [sql::DROP_DOCUMENTS, sql::DROP_QUARANTINED] {
            sqlx::query(statement).bind(id).execute(&mut *tx).await.map_err(&write)?;
        }
        let done = sqlx::query(sql::DROP_FEED).bind(id).execute(&mut *tx).await.map_err(&write)?;
        sqlx::query(sql::DROP_UNUSED_CONTENT).execute(&mut *tx).await.map_err(&write)?;
        tx.commit().await.map_err(&write)?;
        Ok(done.rows_affected() > 0)
    }

    /// Every feed, by id.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn feeds(&self) -> Result<Vec<FeedRow>> {
        let read = self.read("the feeds");
        let rows = sqlx::query(sql::FEEDS).fetch_all(&self.readers).await.map_err(&read)?;
        let feed = |row: &SqliteRow| -> sqlx::Result<FeedRow> {
            Ok(FeedRow {
                id: row.try_get("id")?,
                fetched_at: timestamp(row.try_get("fetched_at")?),
                updated_at: optional_time(row, "updated_at")?,
                documents: count(row, "documents")?,
                quarantined: count(row, "quarantined")?,
            })
        };
        rows.iter().map(feed).collect::<sqlx::Result<_>>().map_err(read)
    }

    /// The accepted documents of a feed, by path.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn documents(&self, feed: &str) -> Result<Vec<DocumentRow>> {
        let read = self.read("the documents of a feed");
        let rows = sqlx::query(sql::DOCUMENTS).bind(feed).fetch_all(&self.readers).await.map_err(&read)?;
        let document = |row: &SqliteRow| -> sqlx::Result<DocumentRow> {
            Ok(DocumentRow {
                path: row.try_get("path")?,
                document_id: row.try_get("document_id")?,
                format: row.try_get("format")?,
                updated_at: optional_time(row, "updated_at")?,
                sha256: row.try_get("sha256")?,
            })
        };
        rows.iter().map(document).collect::<sqlx::Result<_>>().map_err(read)
    }

    /// Everything in quarantine, by feed and path.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn quarantined(&self) -> Result<Vec<QuarantinedRow>> {
        let read = self.read("the quarantine");
        let rows = sqlx::query(sql::QUARANTINED).fetch_all(&self.readers).await.map_err(&read)?;
        let quarantined = |row: &SqliteRow| -> sqlx::Result<QuarantinedRow> {
            Ok(QuarantinedRow {
                feed_id: row.try_get("feed_id")?,
                path: row.try_get("path")?,
                position: row.try_get("position")?,
                reason: row.try_get("reason")?,
                format: row.try_get("format")?,
                at: timestamp(row.try_get("at")?),
                sha256: row.try_get("sha256")?,
            })
        };
        rows.iter().map(quarantined).collect::<sqlx::Result<_>>().map_err(read)
    }
}
