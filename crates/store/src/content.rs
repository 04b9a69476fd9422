//! Bytes by their hash: the same bytes are kept once, compressed.

use sha2::{Digest, Sha256};
use sqlx::{Row, Sqlite, Transaction};

use crate::{Error, Result, Store, sql};

/// zstd's default: three times faster than level 9 for 10 % more bytes on advisories.
const LEVEL: i32 = 3;

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes made ready for storing, outside of the write lock.
pub(crate) struct Packed {
    pub(crate) sha256: String,
    bytes: i64,
    zstd: Vec<u8>,
}

/// Hashes and compresses on a thread that may block.
pub(crate) async fn pack(contents: Vec<Vec<u8>>) -> Result<Vec<Packed>> {
    let work = move || -> std::io::Result<Vec<Packed>> {
        contents
            .into_iter()
            .map(|bytes| {
                Ok(Packed {
                    sha256: sha256_hex(&bytes),
                    bytes: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
                    zstd: zstd::bulk::compress(&bytes, LEVEL)?,
                })
            })
            .collect()
    };
    let packed = tokio::task::spawn_blocking(work).await.map_err(Error::Stopped)?;
    packed.map_err(|source| Error::Write {
        path: Default::default(),
        what: "compressed content",
        source: sqlx::Error::Io(source),
    })
}

impl Store {
    /// The bytes with this hash, if they are kept.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Damaged`] when the bytes no longer have their hash.
    pub async fn content(&self, sha256: &str) -> Result<Option<Vec<u8>>> {
        let read = self.read("a content");
        let row =
            sqlx::query(sql::CONTENT).bind(sha256).fetch_optional(&self.readers).await.map_err(&read)?;
        let Some(row) = row else { return Ok(None) };
        let bytes: i64 = row.try_get("bytes").map_err(&read)?;
        let packed: Vec<u8> = row.try_get("zstd").map_err(&read)?;
        let expected = sha256.to_owned();
        let unpack = move || -> std::result::Result<Vec<u8>, String> {
            let capacity = usize::try_from(bytes).map_err(|e| e.to_string())?;
            let content = zstd::bulk::decompress(&packed, capacity).map_err(|e| e.to_string())?;
            let found = sha256_hex(&content);
            if found == expected { Ok(content) } else { Err(format!("its hash is {found}")) }
        };
        let content = tokio::task::spawn_blocking(unpack).await.map_err(Error::Stopped)?;
        content.map(Some).map_err(|reason| Error::Damaged {
            path: self.path.clone(),
            sha256: sha256.to_owned(),
            reason,
        })
    }

    pub(crate) async fn put(&self, tx: &mut Transaction<'static, Sqlite>, packed: &Packed) -> Result<()> {
        sqlx::query(sql::ADD_CONTENT)
            .bind(&packed.sha256)
            .bind(packed.bytes)
            .bind(&packed.zstd)
            .execute(&mut **tx)
            .await
            .map(drop)
            .map_err(self.write("a content"))
    }
}
