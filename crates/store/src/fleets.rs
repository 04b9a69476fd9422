//! Fleets: every import is an immutable version, the newest is current.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::content::pack;
use crate::{Imported, Result, Store, micros, sql, timestamp};

/// One version of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRow {
    /// Its id, made from its bytes.
    pub id: String,
    /// The fleet's own name.
    pub name: String,
    /// When it was first imported.
    pub created_at: Timestamp,
    /// Hash of the document: [`Store::content`] has the bytes.
    pub sha256: String,
    /// Length of the document in bytes.
    pub bytes: u64,
}

fn row(row: &SqliteRow) -> sqlx::Result<FleetRow> {
    Ok(FleetRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_at: timestamp(row.try_get("created_at")?),
        sha256: row.try_get("sha256")?,
        bytes: u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or(0),
    })
}

impl Store {
    /// Keeps a fleet document and makes it current. The same bytes again make the version that has them current.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn add_fleet(&self, name: &str, document: &[u8], at: Timestamp) -> Result<Imported> {
        let write = self.write("a fleet");
        let packed = pack(vec![document.to_vec()]).await?;
        let mut tx = self.begin("a fleet").await?;
        let mut imported = None;
        for packed in &packed {
            self.put(&mut tx, packed).await?;
            let known = sqlx::query_scalar::<_, String>(sql::FLEET_OF_CONTENT)
                .bind(&packed.sha256)
                .fetch_optional(&mut *tx)
                .await
                .map_err(&write)?;
            imported = Some(if let Some(id) = known {
                sqlx::query(sql::RAISE_FLEET).bind(&packed.sha256).execute(&mut *tx).await.map_err(&write)?;
                Imported { id, new: false }
            } else {
                let id = short_id("f", &packed.sha256);
                sqlx::query(sql::ADD_FLEET)
                    .bind(&id)
                    .bind(name)
                    .bind(micros(at))
                    .bind(&packed.sha256)
                    .execute(&mut *tx)
                    .await
                    .map_err(&write)?;
                Imported { id, new: true }
            });
        }
        tx.commit().await.map_err(&write)?;
        imported.ok_or_else(|| write(sqlx::Error::RowNotFound))
    }

    /// Every version, the current one first.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn fleets(&self) -> Result<Vec<FleetRow>> {
        let read = self.read("the fleets");
        let rows = sqlx::query(sql::FLEETS).fetch_all(&self.readers).await.map_err(&read)?;
        rows.iter().map(row).collect::<sqlx::Result<_>>().map_err(read)
    }

    /// One version.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn fleet(&self, id: &str) -> Result<Option<FleetRow>> {
        let read = self.read("a fleet");
        let found = sqlx::query(sql::FLEET).bind(id).fetch_optional(&self.readers).await.map_err(&read)?;
        found.as_ref().map(row).transpose().map_err(read)
    }
}

/// An id that the content itself gives: the same bytes have the same one everywhere.
pub(crate) fn short_id(prefix: &str, sha256: &str) -> String {
    format!("{prefix}-{}", sha256.get(..20).unwrap_or(sha256))
}
