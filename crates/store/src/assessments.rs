//! Assessments: what was said about a fleet, and when.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::content::pack;
use crate::fleets::short_id;
use crate::{Imported, Result, Store, micros, sql, timestamp};

/// An assessment to keep.
#[derive(Debug, Clone)]
pub struct NewAssessment {
    /// The fleet version that it is about.
    pub fleet_id: String,
    /// The moment that it speaks about.
    pub as_of: Timestamp,
    /// Its counts as JSON, to be shown without unpacking the whole.
    pub summary: String,
    /// The whole of it as JSON.
    pub document: Vec<u8>,
}

/// A kept assessment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssessmentRow {
    /// Its id, made from its bytes and its fleet.
    pub id: String,
    /// The fleet version that it is about.
    pub fleet_id: String,
    /// The moment that it speaks about.
    pub as_of: Timestamp,
    /// Its counts as JSON.
    pub summary: String,
    /// Hash of the whole: [`Store::content`] has the bytes.
    pub sha256: String,
}

fn row(row: &SqliteRow) -> sqlx::Result<AssessmentRow> {
    Ok(AssessmentRow {
        id: row.try_get("id")?,
        fleet_id: row.try_get("fleet_id")?,
        as_of: timestamp(row.try_get("as_of")?),
        summary: row.try_get("summary")?,
        sha256: row.try_get("sha256")?,
    })
}

impl Store {
    /// Keeps an assessment. The same bytes for the same fleet are kept once.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn add_assessment(&self, new: NewAssessment) -> Result<Imported> {
        let write = self.write("an assessment");
        let packed = pack(vec![new.document]).await?;
        let mut tx = self.begin("an assessment").await?;
        let mut imported = None;
        for packed in &packed {
            self.put(&mut tx, packed).await?;
            let known = sqlx::query_scalar::<_, String>(sql::ASSESSMENT_OF_CONTENT)
                .bind(&new.fleet_id)
                .bind(&packed.sha256)
                .fetch_optional(&mut *tx)
                .await
                .map_err(&write)?;
            if let Some(id) = known {
                imported = Some(Imported { id, new: false });
                continue;
            }
            let named = crate::sha256_hex(format!("{}\n{}", new.fleet_id, packed.sha256).as_bytes());
            let id = short_id("a", &named);
            sqlx::query(sql::ADD_ASSESSMENT)
                .bind(&id)
                .bind(&new.fleet_id)
                .bind(micros(new.as_of))
                .bind(&new.summary)
                .bind(&packed.sha256)
                .execute(&mut *tx)
                .await
                .map_err(&write)?;
            imported = Some(Imported { id, new: true });
        }
        tx.commit().await.map_err(&write)?;
        imported.ok_or_else(|| write(sqlx::Error::RowNotFound))
    }

    /// Every assessment, newest first.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn assessments(&self) -> Result<Vec<AssessmentRow>> {
        let read = self.read("the assessments");
        let rows = sqlx::query(sql::ASSESSMENTS).fetch_all(&self.readers).await.map_err(&read)?;
        rows.iter().map(row).collect::<sqlx::Result<_>>().map_err(read)
    }

    /// The newest assessment of a fleet version.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn latest_assessment(&self, fleet_id: &str) -> Result<Option<AssessmentRow>> {
        let read = self.read("an assessment");
        let found = sqlx::query(sql::LATEST_ASSESSMENT)
            .bind(fleet_id)
            .fetch_optional(&self.readers)
            .await
            .map_err(&read)?;
        found.as_ref().map(row).transpose().map_err(read)
    }
}
