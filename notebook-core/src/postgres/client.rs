//! The pool, and transactions in tasks of their own.

use std::str::FromStr as _;

use futures::future::BoxFuture;
use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{Migration, PostgresConfig, error::from_postgres, migrate::migrate};
use crate::{Error, ErrorKind, Result};

/// How often a transaction that lost against another is run again.
const REPEATS: usize = 5;

/// A transaction, with errors that name what it is for.
pub(crate) struct Tx {
    inner: Transaction<'static, Postgres>,
    /// What the call is doing, for errors.
    pub(crate) operation: &'static str,
}

impl Tx {
    /// Where statements are run.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// An error of a statement in this transaction.
    pub(crate) fn failed(&self, error: sqlx::Error) -> Error {
        from_postgres(self.operation, error)
    }
}

/// A handle to the database. Clones share the pool.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: PgPool,
}

impl Client {
    /// Connects, and brings the schema up to date.
    pub(crate) async fn open(config: &PostgresConfig, steps: &'static [Migration]) -> Result<Self> {
        const OPEN: &str = "open database";
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if config.schema.is_empty() || config.schema.len() > 60 || !config.schema.chars().all(plain)
        {
            return Err(Error::invalid(OPEN, "schema", "use lower-case letters, digits and _"));
        }
        let options = PgConnectOptions::from_str(config.url.expose()).map_err(|error| {
            Error::invalid(OPEN, "url", "give postgres://user:password@host/database")
                .caused_by(error)
        })?;
        let options = options.application_name("notebook").options([
            ("search_path", config.schema.as_str()),
            ("statement_timeout", &config.statement_timeout.as_millis().to_string()),
            // A client that is gone must not hold what others wait for.
            ("idle_in_transaction_session_timeout", "60000"),
            ("timezone", "UTC"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(config.acquire_timeout)
            // A connection that comes back inside a transaction has met a defect: nobody gets it again.
            .after_release(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
            .connect_with(options)
            .await
            .map_err(|error| from_postgres(OPEN, error))?;
        let client = Self { pool };
        migrate(&client, &config.schema, steps).await?;
        Ok(client)
    }

    /// Runs `work` in a transaction; `Ok` when it is committed. An error undoes all of it. One that lost
    /// against another transaction is run again.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    ) -> Result<T> {
        let pool = self.pool.clone();
        // A task of its own: a caller that goes away leaves no transaction open.
        let task = tokio::spawn(async move {
            let mut left = REPEATS;
            loop {
                let result = once(&pool, operation, &work).await;
                let lost = result.as_ref().is_err_and(lost_to_another);
                if !lost || left == 0 {
                    return result;
                }
                left -= 1;
            }
        });
        task.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, operation)
                .with("reason", "it panicked")
                .caused_by(error))
        })
    }

    /// Closes the connections once they are idle. Later calls fail.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

async fn once<T>(
    pool: &PgPool,
    operation: &'static str,
    work: &(impl for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + Sync),
) -> Result<T> {
    let inner = pool.begin().await.map_err(|error| from_postgres(operation, error))?;
    let mut tx = Tx { inner, operation };
    let result = work(&mut tx).await;
    let ended = match &result {
        Ok(_) => tx.inner.commit().await,
        Err(_) => tx.inner.rollback().await,
    };
    match (result, ended) {
        (Ok(_), Err(error)) => Err(from_postgres(operation, error)),
        // The reason for the rollback says more than its own failure.
        (result, _) => result,
    }
}

/// Whether another transaction was the reason: a deadlock, or a conflict that PostgreSQL noticed.
fn lost_to_another(error: &Error) -> bool {
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<sqlx::Error>());
    let code = source.and_then(sqlx::Error::as_database_error).and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}
