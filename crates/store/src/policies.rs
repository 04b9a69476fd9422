//! Policies: every upload is kept, the newest is in force.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::content::pack;
use crate::fleets::short_id;
use crate::{Imported, Result, Store, micros, sql, timestamp};

/// One kept policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its id, made from its bytes.
    pub id: String,
    /// When it was first uploaded.
    pub created_at: Timestamp,
    /// Hash of the text: [`Store::content`] has the bytes.
    pub sha256: String,
}

fn row(row: &SqliteRow) -> sqlx::Result<PolicyRow> {
    Ok(PolicyRow {
        id: row.try_get("id")?,
        created_at: timestamp(row.try_get("created_at")?),
        sha256: row.try_get("sha256")?,
    })
}

impl Store {
    /// Keeps a policy and puts it in force. The same bytes again put the policy that has them in force.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn add_policy(&self, text: &[u8], at: Timestamp) -> Result<Imported> {
        let write = self.write("a policy");
        let packed = pack(vec![text.to_vec()]).await?;
        let mut tx = self.begin("a policy").await?;
        let mut imported = None;
        for packed in &packed {
            self.put(&mut tx, packed).await?;
            let id = short_id("p", &packed.sha256);
            let raised = sqlx::query(sql::RAISE_POLICY).bind(&id).execute(&mut *tx).await.map_err(&write)?;
            if raised.rows_affected() == 0 {
                sqlx::query(sql::ADD_POLICY)
                    .bind(&id)
                    .bind(micros(at))
                    .bind(&packed.sha256)
                    .execute(&mut *tx)
                    .await
                    .map_err(&write)?;
            }
            imported = Some(Imported { id, new: raised.rows_affected() == 0 });
        }
        tx.commit().await.map_err(&write)?;
        imported.ok_or_else(|| write(sqlx::Error::RowNotFound))
    }

    /// Every policy, the one in force first.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn policies(&self) -> Result<Vec<PolicyRow>> {
        let read = self.read("the policies");
        let rows = sqlx::query(sql::POLICIES).fetch_all(&self.readers).await.map_err(&read)?;
        rows.iter().map(row).collect::<sqlx::Result<_>>().map_err(read)
    }
}
