//! Answers to requests that carried an idempotency key.

use jiff::{SignedDuration, Timestamp};
use sqlx::Row;

use crate::{Error, Result, Store, micros, sql};

/// How long an answer is remembered.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// An answer to remember.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The client's key.
    pub key: String,
    /// Method and path that it was used on.
    pub route: String,
    /// Hash of the request body.
    pub request_sha256: String,
    /// The answer.
    pub replay: Replay,
}

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// HTTP status.
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Store {
    /// Remembers an answer for 24 hours and forgets older ones.
    ///
    /// # Errors
    /// [`Error::Write`]; nothing is changed then.
    pub async fn remember(&self, answer: &Remembered, at: Timestamp) -> Result<()> {
        let write = self.write("an answer");
        let mut tx = self.begin("an answer").await?;
        sqlx::query(sql::FORGET)
            .bind(micros(at.saturating_sub(KEPT).unwrap_or(Timestamp::MIN)))
            .execute(&mut *tx)
            .await
            .map_err(&write)?;
        sqlx::query(sql::REMEMBER)
            .bind(&answer.key)
            .bind(&answer.route)
            .bind(&answer.request_sha256)
            .bind(i64::from(answer.replay.status))
            .bind(answer.replay.location.as_deref())
            .bind(&answer.replay.body)
            .bind(micros(at))
            .execute(&mut *tx)
            .await
            .map_err(&write)?;
        tx.commit().await.map_err(write)
    }

    /// The answer that this key got on this route, if any.
    ///
    /// # Errors
    /// [`Error::KeyReused`] when the key came with another request; [`Error::Read`].
    pub async fn replay(
        &self,
        key: &str,
        route: &str,
        request_sha256: &str,
        now: Timestamp,
    ) -> Result<Option<Replay>> {
        let read = self.read("an answer");
        let row = sqlx::query(sql::REMEMBERED)
            .bind(key)
            .bind(route)
            .bind(micros(now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN)))
            .fetch_optional(&self.readers)
            .await
            .map_err(&read)?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get::<String, _>("request_sha256").map_err(&read)? != request_sha256 {
            return Err(Error::KeyReused);
        }
        Ok(Some(Replay {
            status: u16::try_from(row.try_get::<i64, _>("status").map_err(&read)?).unwrap_or(500),
            location: row.try_get("location").map_err(&read)?,
            body: row.try_get("body").map_err(read)?,
        }))
    }
}
