//! Predictions and what became of them, to be scored.

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Result, Store, micros, sql, timestamp};

/// Something foretold.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionRow {
    /// Its id: the caller's name for "this, foretold on this day". There is one for each day, kind and subject.
    pub id: String,
    /// The day on which it was made.
    pub made_on: Date,
    /// The span that it speaks of, in days.
    pub horizon_days: f64,
    /// How likely it happens within the span, 0 to 1.
    pub probability: f64,
    /// What happens: `exploited`, ...
    pub kind: String,
    /// What it happens to.
    pub subject: String,
    /// What became of it; `None`: not known yet.
    pub outcome: Option<OutcomeRow>,
}

/// What became of a prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRow {
    /// It happened within the span.
    pub happened: bool,
    /// When that became known here.
    pub at: Timestamp,
    /// Who or what says so.
    pub by: String,
}

fn row(row: &SqliteRow) -> sqlx::Result<PredictionRow> {
    let happened: Option<bool> = row.try_get("happened")?;
    let at: Option<i64> = row.try_get("resolved_at")?;
    let by: Option<String> = row.try_get("resolved_by")?;
    let made_on: String = row.try_get("made_on")?;
    Ok(PredictionRow {
        id: row.try_get("id")?,
        made_on: made_on.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        horizon_days: row.try_get("horizon_days")?,
        probability: row.try_get("probability")?,
        kind: row.try_get("kind")?,
        subject: row.try_get("subject")?,
        outcome: happened.map(|happened| OutcomeRow {
            happened,
            at: at.map_or(Timestamp::UNIX_EPOCH, timestamp),
            by: by.unwrap_or_default(),
        }),
    })
}

impl Store {
    /// Keeps predictions; of a day, a kind and a subject the first stays as it is, and so does one whose id is known. How many are
    /// new.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn add_predictions(&self, predictions: &[PredictionRow]) -> Result<u64> {
        let write = self.write("predictions");
        let mut tx = self.begin("predictions").await?;
        let mut new = 0;
        for one in predictions {
            let done = sqlx::query(sql::ADD_PREDICTION)
                .bind(&one.id)
                .bind(one.made_on.to_string())
                .bind(one.horizon_days)
                .bind(one.probability)
                .bind(&one.kind)
                .bind(&one.subject)
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
            new += done.rows_affected();
        }
        tx.commit().await.map_err(&write)?;
        Ok(new)
    }

    /// States what became of predictions: by id. One that has an outcome keeps it. How many were changed.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn settle_predictions(&self, outcomes: &[(String, OutcomeRow)]) -> Result<u64> {
        let write = self.write("outcomes");
        let mut tx = self.begin("outcomes").await?;
        let mut settled = 0;
        for (id, outcome) in outcomes {
            let done = sqlx::query(sql::SETTLE_PREDICTION)
                .bind(id)
                .bind(outcome.happened)
                .bind(micros(outcome.at))
                .bind(&outcome.by)
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
            settled += done.rows_affected();
        }
        tx.commit().await.map_err(&write)?;
        Ok(settled)
    }

    /// Every prediction, the newest first.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn predictions(&self) -> Result<Vec<PredictionRow>> {
        let read = self.read("the predictions");
        let rows = sqlx::query(sql::PREDICTIONS).fetch_all(&self.readers).await.map_err(&read)?;
        rows.iter().map(row).collect::<sqlx::Result<_>>().map_err(read)
    }

    /// One prediction.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn prediction(&self, id: &str) -> Result<Option<PredictionRow>> {
        let read = self.read("a prediction");
        let found =
            sqlx::query(sql::PREDICTION).bind(id).fetch_optional(&self.readers).await.map_err(&read)?;
        found.as_ref().map(row).transpose().map_err(read)
    }
}
