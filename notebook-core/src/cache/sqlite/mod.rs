//! The cache in an SQLite file of its own, which may be deleted while nobody has it open.

mod entries;
mod schema;
#[cfg(test)]
pub(crate) mod tests;

use async_trait::async_trait;

use super::{Cache, CacheKey};
use crate::{
    Error, ErrorKind, Result, TenantScope,
    sqlite::{Client, Durability, SqliteConfig},
};

/// What an entry costs besides its value, in bytes: keys, order, and the tables' own overhead.
pub const ENTRY_OVERHEAD: usize = 128;

/// A cache in an SQLite file, bounded in bytes.
///
/// When full, it forgets the entry of the largest tenant that was written, or read after a
/// while, longest ago. Reading an entry that was written or read not long ago leaves its place
/// alone, so that most reads write nothing.
#[derive(Debug)]
pub struct SqliteCache {
    client: Client,
    max_bytes: i64,
}

impl SqliteCache {
    /// Opens the file, or makes it if missing, for at most `max_bytes` of values, each counted
    /// with [`ENTRY_OVERHEAD`]. The file itself takes a little more. A loss of power may lose
    /// the newest entries, whatever the configured durability.
    ///
    /// # Errors
    /// As [`SqlStore::sqlite`](crate::store::sql::SqlStore::sqlite).
    pub async fn open(config: SqliteConfig, max_bytes: usize) -> Result<Self> {
        let config = SqliteConfig { durability: Durability::Relaxed, ..config };
        let client = Client::open(config, schema::MIGRATIONS).await.map_err(say_what_to_do)?;
        Ok(Self { client, max_bytes: i64::try_from(max_bytes).unwrap_or(i64::MAX) })
    }

    /// Finishes what is queued and closes the file.
    ///
    /// # Errors
    /// Those of the storage itself.
    pub async fn close(&self) -> Result<()> {
        self.client.close().await
    }
}

fn say_what_to_do(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Conflict | ErrorKind::Unsupported => {
            error.with("cache", "the file may be deleted: it is made anew, empty")
        }
        _ => error,
    }
}

#[async_trait]
impl Cache for SqliteCache {
    async fn get(&self, scope: &TenantScope, keys: &[CacheKey]) -> Result<Vec<Option<Vec<u8>>>> {
        let input = (scope.tenant(), keys.to_vec());
        let found = self.client.read("read cache", input, |tx, (tenant, keys)| {
            Box::pin(entries::get(tx, *tenant, keys))
        });
        let entries::Found { values, fading } = found.await?;
        if !fading.is_empty() {
            // Nobody waits for it, and a full queue only means a worse guess later.
            self.client.offer("use cache", (scope.tenant(), fading), |tx, (tenant, keys)| {
                Box::pin(entries::touch(tx, *tenant, keys))
            });
        }
        Ok(values)
    }

    async fn put(&self, scope: &TenantScope, entries: Vec<(CacheKey, Vec<u8>)>) -> Result<()> {
        let input = (scope.tenant(), entries, self.max_bytes);
        self.client
            .write("write cache", input, |tx, (tenant, entries, max_bytes)| {
                Box::pin(entries::put(tx, *tenant, entries, *max_bytes))
            })
            .await
    }

    async fn remove(&self, scope: &TenantScope, keys: &[CacheKey]) -> Result<()> {
        let input = (scope.tenant(), keys.to_vec());
        self.client
            .write("remove from cache", input, |tx, (tenant, keys)| {
                Box::pin(entries::remove_all(tx, *tenant, keys))
            })
            .await
    }

    async fn clear(&self, scope: &TenantScope) -> Result<()> {
        self.client
            .write("clear cache", scope.tenant(), |tx, tenant| {
                Box::pin(entries::clear(tx, *tenant))
            })
            .await
    }
}
