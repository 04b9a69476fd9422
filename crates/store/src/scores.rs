//! Dated EPSS scores: one file a day, so that a replay finds the scores as they were then.

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::content::pack;
use crate::{Result, Store, micros, sql, timestamp};

/// Scores of a day, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewScores {
    /// The day that the file says it is of.
    pub day: Date,
    /// Vulnerabilities that have a score in it.
    pub scores: u64,
    /// The file.
    pub content: Vec<u8>,
}

/// Scores of a day that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoresRow {
    /// The day that the file says it is of.
    pub day: Date,
    /// Vulnerabilities that have a score in it.
    pub scores: u64,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// Hash of the file: [`Store::content`] has the bytes.
    pub sha256: String,
}

fn row(row: &SqliteRow) -> sqlx::Result<ScoresRow> {
    let day: String = row.try_get("day")?;
    Ok(ScoresRow {
        day: day.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        scores: u64::try_from(row.try_get::<i64, _>("scores")?).unwrap_or(0),
        created_at: timestamp(row.try_get("created_at")?),
        sha256: row.try_get("sha256")?,
    })
}

impl Store {
    /// Keeps scores, all of them or none; those of a day take the place of what was kept for it. For each whether it
    /// changed anything: the same bytes for the same day do not.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn put_scores(&self, days: Vec<NewScores>, at: Timestamp) -> Result<Vec<bool>> {
        let write = self.write("EPSS scores");
        let (heads, contents): (Vec<_>, Vec<_>) =
            days.into_iter().map(|it| ((it.day, it.scores), it.content)).unzip();
        let packed = pack(contents).await?;
        let mut tx = self.begin("EPSS scores").await?;
        let mut changed = Vec::with_capacity(heads.len());
        for ((day, scores), packed) in heads.iter().zip(&packed) {
            self.put(&mut tx, packed).await?;
            let done = sqlx::query(sql::PUT_SCORES)
                .bind(day.to_string())
                .bind(i64::try_from(*scores).unwrap_or(i64::MAX))
                .bind(micros(at))
                .bind(&packed.sha256)
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
            changed.push(done.rows_affected() > 0);
        }
        sqlx::query(sql::DROP_UNUSED_CONTENT).execute(&mut *tx).await.map_err(&write)?;
        tx.commit().await.map_err(&write)?;
        Ok(changed)
    }

    /// The days that have scores, the newest first.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn scores(&self) -> Result<Vec<ScoresRow>> {
        let read = self.read("EPSS scores");
        let rows = sqlx::query(sql::SCORES).fetch_all(&self.readers).await.map_err(&read)?;
        rows.iter().map(row).collect::<sqlx::Result<_>>().map_err(read)
    }

    /// Takes the scores of a day away; whether there were any.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn remove_scores(&self, day: Date) -> Result<bool> {
        let write = self.write("EPSS scores");
        let mut tx = self.begin("EPSS scores").await?;
        let drop = sqlx::query(sql::DROP_SCORES).bind(day.to_string());
        let done = drop.execute(&mut *tx).await.map_err(&write)?;
        sqlx::query(sql::DROP_UNUSED_CONTENT).execute(&mut *tx).await.map_err(&write)?;
        tx.commit().await.map_err(&write)?;
        Ok(done.rows_affected() > 0)
    }
}
