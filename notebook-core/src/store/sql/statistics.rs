use serde::Serialize;

#[cfg(feature = "postgres")]
use crate::postgres::PoolStatistics;
use crate::sql::Database;
#[cfg(feature = "sqlite")]
use crate::sqlite::QueueStatistics;

/// How busy a store's database is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "engine", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistics {
    /// A file, with calls on their way to the thread that writes and those that read.
    #[cfg(feature = "sqlite")]
    Sqlite {
        /// To the thread that writes.
        writes: QueueStatistics,
        /// To those that read.
        reads: QueueStatistics,
    },
    /// A server.
    #[cfg(feature = "postgres")]
    Postgres {
        /// The connections of tenants' calls.
        pool: PoolStatistics,
        /// Those of calls that work for all tenants.
        installation: Box<PoolStatistics>,
        /// Those of heartbeats.
        reserved: PoolStatistics,
    },
}

pub(super) fn of(database: &Database) -> Statistics {
    match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite(client) => {
            let [writes, reads] = client.statistics();
            Statistics::Sqlite { writes, reads }
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(client) => {
            let [pool, installation, reserved] = client.statistics();
            Statistics::Postgres { pool, installation: Box::new(installation), reserved }
        }
    }
}
