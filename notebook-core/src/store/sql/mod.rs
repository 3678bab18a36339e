//! The store and the run log in SQL: one SQLite file, or PostgreSQL.
//!
//! ```
//! use notebook_core::{sqlite::SqliteConfig, store::sql::SqlStore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let store = SqlStore::sqlite(SqliteConfig::new(folder.join("notebook.db"))).await?;
//! // … hand it out as `Arc<dyn Store>` and `Arc<dyn RunLog>` …
//! store.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Canonical texts lie in segments of 64 KiB, so that a quote is read without the rest. How calls are
//! grouped, cancelled and shared between processes stands in `notebook_core::sqlite` and `notebook_core::postgres`.
//! PostgreSQL refuses U+0000 in a text as `InvalidInput`; SQLite takes it.

mod approvals;
mod conversations;
mod layout;
mod notebooks;
mod recordings;
mod runs;
mod schema;
mod sources;
mod statement;
mod statistics;
mod tenants;
mod usage;
mod webhooks;

/// What others do in transactions of their own, together with more.
pub(crate) mod work {
    pub(crate) use super::{
        notebooks::hide as hide_notebook,
        runs::{close as close_run, open as open_run},
        sources::{
            apply as change_source, create as create_source, delete as remove_source,
            update as update_source,
        },
        webhooks::attempted,
    };
}

#[cfg(feature = "postgres")]
use crate::postgres::{self, PostgresConfig};
#[cfg(feature = "sqlite")]
use crate::pubsub::MemoryPubSub;
#[cfg(feature = "sqlite")]
use crate::sqlite::{self, SqliteConfig};
use crate::{Result, pubsub::PubSub, sql::Database};
use std::sync::Arc;

#[cfg(all(test, feature = "postgres"))]
pub(crate) use schema::postgres::MIGRATIONS as POSTGRES_MIGRATIONS;
pub use statistics::Statistics;

/// [`Store`](super::Store) and [`RunLog`](crate::run_log::RunLog) in a database.
#[derive(Clone)]
pub struct SqlStore {
    database: Database,
    pubsub: Arc<dyn PubSub>,
}

impl std::fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlStore").field("database", &self.database).finish_non_exhaustive()
    }
}

impl SqlStore {
    /// Opens an SQLite file, makes it if missing, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unsupported` when the file was written by a newer version, or the file system has no
    /// shared memory; `Conflict` or `InvalidInput` when it was written by another build or
    /// program; `Corrupt` when it is no database; `Unavailable` when it cannot be opened or
    /// another process holds it; `StorageFull`.
    #[cfg(feature = "sqlite")]
    pub async fn sqlite(config: SqliteConfig) -> Result<Self> {
        let client = sqlite::Client::open(config, schema::sqlite::MIGRATIONS).await?;
        // Who shares the file in another process looks now and then.
        let pubsub = Arc::new(MemoryPubSub::new());
        Ok(Self { database: Database::Sqlite(Arc::new(client)), pubsub })
    }

    /// Connects to PostgreSQL, makes the schema and its tables if missing, and brings them up to date.
    ///
    /// # Errors
    /// `InvalidInput` when the URL or the schema's name is none; `Unauthorized` when the URL's role is refused, the role
    /// that is wanted cannot be taken on, or row security must hold and does not; `Unavailable`; `Unsupported` when
    /// the tables were written by a newer version, `Conflict` by another build.
    #[cfg(feature = "postgres")]
    pub async fn postgres(config: &PostgresConfig) -> Result<Self> {
        let client = postgres::Client::open(config, schema::postgres::MIGRATIONS).await?;
        let pubsub = client.notifications();
        Ok(Self { database: Database::Postgres(client), pubsub })
    }

    /// The same, where processes tell each other by something else than PostgreSQL's notifications.
    ///
    /// # Errors
    /// As [`postgres`](Self::postgres).
    #[cfg(feature = "postgres")]
    pub async fn postgres_told_by(
        config: &PostgresConfig,
        pubsub: Arc<dyn PubSub>,
    ) -> Result<Self> {
        let client = postgres::Client::open(config, schema::postgres::MIGRATIONS).await?;
        Ok(Self { database: Database::Postgres(client), pubsub })
    }

    /// How the processes that share the store tell each other: PostgreSQL's notifications, or what was given instead;
    /// with SQLite only within this process.
    #[must_use]
    pub const fn pubsub(&self) -> &Arc<dyn PubSub> {
        &self.pubsub
    }

    /// How busy the database is, seen from this process.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        statistics::of(&self.database)
    }

    /// Who reads and writes the rows in PostgreSQL, and whether it keeps tenants apart for them; none in SQLite, where
    /// there are no roles.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn row_security(&self) -> Option<&crate::postgres::RowSecurity> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => None,
            Database::Postgres(client) => Some(client.row_security()),
        }
    }

    /// The database, for what lies beside the store.
    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// Finishes what is queued and closes the database. Later calls fail as `Unavailable`; closing
    /// again does nothing.
    ///
    /// A store that is dropped instead finishes what is queued too, but nobody can wait for it.
    ///
    /// # Errors
    /// Those of the storage itself. What was answered `Ok` is safe even then.
    pub async fn close(&self) -> Result<()> {
        self.database.close().await
    }
}
