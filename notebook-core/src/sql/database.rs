//! A database, whichever it is.

use super::{Reach, Work};
use crate::Result;

/// A handle to a database. Clones are the same database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// A file.
    #[cfg(feature = "sqlite")]
    Sqlite(std::sync::Arc<crate::sqlite::Client>),
    /// A server.
    #[cfg(feature = "postgres")]
    Postgres(crate::postgres::Client),
}

impl Database {
    /// Runs `work` in a transaction; `Ok` when it is committed. An error undoes all of it. A call whose
    /// future is dropped happens wholly or not at all. What it sees and changes are the rows of its `reach`.
    pub(crate) async fn write<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        reach: impl Into<Reach> + Send,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(client) => {
                let _ = reach;
                client.write(operation, input, work).await
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(client) => client.write(reach.into(), operation, input, work).await,
        }
    }

    /// Runs `work`, each of whose statements stands alone: some may have happened when a later one fails. PostgreSQL
    /// needs no transaction for them, and is spared two ways to it and back. They reach the whole installation
    /// ([`Reach::Installation`]): there is no transaction that could carry a tenant.
    pub(crate) async fn write_singly<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(client) => client.write(operation, input, work).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(client) => client.write_singly(operation, input, work).await,
        }
    }

    /// Runs `work` on one snapshot of the rows of its `reach`.
    pub(crate) async fn read<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        reach: impl Into<Reach> + Send,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(client) => {
                let _ = reach;
                client.read(operation, input, work).await
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(client) => client.read(reach.into(), operation, input, work).await,
        }
    }

    /// Finishes what is queued and closes. Later calls fail; a second close does nothing.
    pub(crate) async fn close(&self) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(client) => client.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(client) => {
                client.close().await;
                Ok(())
            }
        }
    }

    /// The same, on connections that nothing else uses: for calls that must get through when all others wait.
    /// SQLite's calls are many to one thread: there is one line, and it moves.
    pub(crate) fn reserved(&self) -> Self {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(client) => Self::Sqlite(std::sync::Arc::clone(client)),
            #[cfg(feature = "postgres")]
            Self::Postgres(client) => Self::Postgres(client.reserved()),
        }
    }
}
