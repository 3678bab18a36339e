//! The pool, and transactions in tasks of their own.

use std::{str::FromStr as _, sync::Arc};

use super::{
    DatabaseClock, PostgresConfig, error::from_postgres, migrate::migrate, pubsub::PostgresPubSub,
};
use crate::{
    Error, ErrorKind, Result,
    pubsub::PubSub,
    sql::{Migration, Tx},
};
use futures::future::BoxFuture;
use sqlx::{
    Connection as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How often a transaction that lost against another is run again.
const REPEATS: usize = 5;
/// Connections beside the pool's: heartbeats are short.
const RESERVED: u32 = 2;
const WRITE: &str = "BEGIN";
/// One snapshot for the statements of a read.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A handle to the database. Clones share the pool.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: PgPool,
    /// For calls that must get through when the pool is used up, or stands still with its runtime.
    reserved: PgPool,
    /// Two connections by which processes tell each other.
    telling: PgPool,
    clock: Arc<DatabaseClock>,
    pubsub: Arc<PostgresPubSub>,
}

impl Client {
    /// Connects, and brings the schema up to date.
    pub(crate) async fn open(config: &PostgresConfig, steps: &[Migration]) -> Result<Self> {
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
            // Every statement goes by an index, whatever the statistics of a young table say, and is planned once.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("jit", "off"),
        ]);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(config.acquire_timeout)
                // A connection that comes back inside a transaction has met a defect: nobody gets it again.
                .after_release(|connection, _| {
                    Box::pin(async move { Ok(!connection.is_in_transaction()) })
                })
        };
        let reserved = pool(RESERVED).connect_lazy_with(options.clone());
        // What is told is a hint: it need not be on the disk.
        let quick = options.clone().options([("synchronous_commit", "off")]);
        let telling = pool(2).connect_lazy_with(quick);
        let pool = pool(config.connections).connect_with(options).await;
        let pool = pool.map_err(|error| from_postgres(OPEN, error))?;
        migrate(&pool, &config.schema, steps).await?;
        let pubsub = Arc::new(PostgresPubSub::start(&telling, &config.schema));
        Ok(Self { pool, reserved, telling, clock: Arc::default(), pubsub })
    }

    /// The same database by connections that only this handle's clones use.
    pub(crate) fn reserved(&self) -> Self {
        Self { pool: self.reserved.clone(), ..self.clone() }
    }

    /// Runs `work` in a transaction; `Ok` when it is committed. An error undoes all of it. One that lost
    /// against another transaction is run again.
    pub(crate) async fn write<I, T>(
        &self,
        operation: &'static str,
        input: I,
        work: impl for<'t> Fn(&'t mut Tx<'_>, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    ) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.spawned(WRITE, operation, input, work).await
    }

    /// Runs `work` on one snapshot.
    pub(crate) async fn read<I, T>(
        &self,
        operation: &'static str,
        input: I,
        work: impl for<'t> Fn(&'t mut Tx<'_>, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    ) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.spawned(READ, operation, input, work).await
    }

    async fn spawned<I, T>(
        &self,
        begin: &'static str,
        operation: &'static str,
        input: I,
        work: impl for<'t> Fn(&'t mut Tx<'_>, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    ) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (pool, clock) = (self.pool.clone(), Arc::clone(&self.clock));
        // A task of its own: a caller that goes away leaves no transaction open.
        let task = tokio::spawn(async move {
            let mut left = REPEATS;
            loop {
                let result = once(&pool, &clock, begin, operation, &input, &work).await;
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

    /// How processes that share the database tell each other.
    pub(crate) fn pubsub(&self) -> Arc<dyn PubSub> {
        self.pubsub.clone()
    }

    /// Closes the connections once they are idle. Later calls fail.
    pub(crate) async fn close(&self) {
        self.telling.close().await;
        self.reserved.close().await;
        self.pool.close().await;
    }
}

async fn once<I, T>(
    pool: &PgPool,
    clock: &DatabaseClock,
    begin: &'static str,
    operation: &'static str,
    input: &I,
    work: &(impl for<'t> Fn(&'t mut Tx<'_>, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync),
) -> Result<T> {
    let begun = pool.begin_with(begin).await;
    let mut transaction = begun.map_err(|error| from_postgres(operation, error))?;
    let mut tx = Tx::postgres(&mut transaction, clock, operation);
    let result = work(&mut tx, input).await;
    let ended = match &result {
        Ok(_) => transaction.commit().await,
        Err(_) => transaction.rollback().await,
    };
    match (result, ended) {
        (Ok(_), Err(error)) => Err(from_postgres(operation, error)),
        // The reason for the rollback says more than its own failure.
        (result, _) => result,
    }
}

/// Whether another transaction was the reason: a deadlock, a conflict that PostgreSQL noticed, or a row that
/// came or went (a key that is taken, a parent that is gone) after this one had looked.
fn lost_to_another(error: &Error) -> bool {
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<sqlx::Error>());
    let code = source.and_then(sqlx::Error::as_database_error).and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01" | "23503" | "23505"))
}
