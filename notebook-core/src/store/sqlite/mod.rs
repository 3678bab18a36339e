//! The store and the run log in one SQLite file.
//!
//! ```
//! use notebook_core::{sqlite::SqliteConfig, store::sqlite::SqliteStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let store = SqliteStore::open(SqliteConfig::new(folder.join("notebook.db"))).await?;
//! // … hand it out as `Arc<dyn Store>` and `Arc<dyn RunLog>` …
//! store.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Canonical texts lie in segments of 64 KiB, so that a quote is read without the rest. How
//! calls are grouped, cancelled and shared between processes stands in [`crate::sqlite`].

mod conversations;
mod notebooks;
mod runs;
mod schema;
mod sources;

use crate::{
    Result,
    sqlite::{Client, SqliteConfig},
};

/// [`Store`](super::Store) and [`RunLog`](crate::run_log::RunLog) in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    client: Client,
}

impl SqliteStore {
    /// Opens the file, makes it if missing, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unsupported` when the file was written by a newer version, or the file system has no
    /// shared memory; `Conflict` or `InvalidInput` when it was written by another build or
    /// program; `Corrupt` when it is no database; `Unavailable` when it cannot be opened or
    /// another process holds it; `StorageFull`.
    pub async fn open(config: SqliteConfig) -> Result<Self> {
        Ok(Self { client: Client::open(config, schema::MIGRATIONS).await? })
    }

    /// The threads that work on the file, for what lies beside the store.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Finishes what is queued, copies the write-ahead log into the file and closes it. Later
    /// calls fail as `Unavailable`; closing again does nothing.
    ///
    /// A store that is dropped instead finishes what is queued too, but nobody can wait for it.
    ///
    /// # Errors
    /// Those of the storage itself. What was answered `Ok` is safe even then.
    pub async fn close(&self) -> Result<()> {
        self.client.close().await
    }
}
