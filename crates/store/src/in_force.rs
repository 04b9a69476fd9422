//! Policies and evidence: every upload is kept, the newest of its kind is in force.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::content::pack;
use crate::fleets::short_id;
use crate::{Imported, Result, Store, micros, sql, timestamp};

/// What is in force one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// What losses are worth, parameters, promises, controls, rings.
    Policy,
    /// Trials, canaries, known bugs.
    Evidence,
}

/// The statements of one kind.
struct Statements {
    what: &'static str,
    id_prefix: &'static str,
    raise: &'static str,
    add: &'static str,
    list: &'static str,
}

impl Ruling {
    fn statements(self) -> Statements {
        match self {
            Self::Policy => Statements {
                what: "policies",
                id_prefix: "p",
                raise: sql::RAISE_POLICY,
                add: sql::ADD_POLICY,
                list: sql::POLICIES,
            },
            Self::Evidence => Statements {
                what: "evidence",
                id_prefix: "e",
                raise: sql::RAISE_EVIDENCE,
                add: sql::ADD_EVIDENCE,
                list: sql::EVIDENCE,
            },
        }
    }
}

/// One kept policy, or one kept evidence file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// Its id, made from its bytes.
    pub id: String,
    /// When it was first uploaded.
    pub created_at: Timestamp,
    /// Hash of the text: [`Store::content`] has the bytes.
    pub sha256: String,
}

fn row(row: &SqliteRow) -> sqlx::Result<KeptRow> {
    Ok(KeptRow {
        id: row.try_get("id")?,
        created_at: timestamp(row.try_get("created_at")?),
        sha256: row.try_get("sha256")?,
    })
}

impl Store {
    /// Keeps a text and puts it in force. The same bytes again put the one that has them in force.
    ///
    /// # Errors
    /// [`crate::Error::Write`]; nothing is changed then.
    pub async fn put_in_force(&self, ruling: Ruling, text: &[u8], at: Timestamp) -> Result<Imported> {
        let Statements { what, id_prefix, raise, add, .. } = ruling.statements();
        let write = self.write(what);
        let packed = pack(vec![text.to_vec()]).await?;
        let mut tx = self.begin(what).await?;
        let mut imported = None;
        for packed in &packed {
            self.put(&mut tx, packed).await?;
            let id = short_id(id_prefix, &packed.sha256);
            let raised = sqlx::query(raise).bind(&id).execute(&mut *tx).await.map_err(&write)?;
            if raised.rows_affected() == 0 {
                sqlx::query(add)
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

    /// Everything of a kind that is kept, the one in force first.
    ///
    /// # Errors
    /// [`crate::Error::Read`].
    pub async fn kept(&self, ruling: Ruling) -> Result<Vec<KeptRow>> {
        let Statements { what, list, .. } = ruling.statements();
        let read = self.read(what);
        let rows = sqlx::query(list).fetch_all(&self.readers).await.map_err(&read)?;
        rows.iter().map(row).collect::<sqlx::Result<_>>().map_err(read)
    }
}
