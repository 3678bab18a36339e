//! The pool, and transactions in tasks of their own.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sqlx::{
    Connection as _, PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::{DatabaseClock, PostgresConfig, error::from_postgres, migrate::migrate};
use crate::{
    Error, ErrorKind, Result,
    sql::{Migration, Tx},
};

/// How often a transaction that lost against another is run again.
const REPEATS: usize = 5;
/// Connections beside the pool's: heartbeats are short.
const RESERVED: u32 = 2;
/// The least time between two rings.
const RING_PACE: Duration = Duration::from_millis(1);
/// How long to wait before a listener that failed is made anew.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);
const WRITE: &str = "BEGIN";
/// One snapshot for the statements of a read.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A handle to the database. Clones share the pool.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: PgPool,
    /// For calls that must get through when the pool is used up, or stands still with its runtime.
    reserved: PgPool,
    /// One connection that listens, made where it listens.
    listening: PgPool,
    /// Where rings for new jobs are heard.
    channel: Arc<str>,
    clock: Arc<DatabaseClock>,
    ringer: Arc<Ringer>,
}

/// Tells other processes that there are new jobs: after they are committed, for a notification in a transaction
/// makes commits wait for each other; and once for many.
#[derive(Debug)]
struct Ringer {
    wanted: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl Ringer {
    fn start(pool: PgPool, channel: Arc<str>) -> Self {
        let wanted = Arc::new(Notify::new());
        let heard = Arc::clone(&wanted);
        let task = tokio::spawn(async move {
            loop {
                heard.notified().await;
                // The schema's name was checked: letters, digits and _.
                let ring =
                    format!("BEGIN; SET LOCAL synchronous_commit = off; NOTIFY {channel}; COMMIT");
                let ring = sqlx::raw_sql(sqlx::AssertSqlSafe(ring)).execute(&pool).await;
                if let Err(error) = ring {
                    debug!(%error, "a ring for new jobs was lost; they are found by looking");
                }
                tokio::time::sleep(RING_PACE).await;
            }
        });
        Self { wanted, _task: AbortOnDropHandle::new(task) }
    }
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
        let listening = pool(1).connect_lazy_with(options.clone());
        let pool = pool(config.connections).connect_with(options).await;
        let pool = pool.map_err(|error| from_postgres(OPEN, error))?;
        let channel: Arc<str> = format!("{}_jobs", config.schema).into();
        let ringer = Arc::new(Ringer::start(pool.clone(), Arc::clone(&channel)));
        let client = Self { pool, reserved, listening, channel, clock: Arc::default(), ringer };
        migrate(&client.pool, &config.schema, steps).await?;
        Ok(client)
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

    /// Tells all processes that there is a new job.
    pub(crate) fn ring(&self) {
        self.ringer.wanted.notify_one();
    }

    /// Rings the bell whenever another process, or this one, has stored a job, and after each break of the
    /// connection, in which a ring may have been lost. Runs until it is dropped.
    pub(crate) async fn listen(&self, bell: &Notify) {
        loop {
            let listening = async {
                let mut listener = PgListener::connect_with(&self.listening).await?;
                listener.listen(&self.channel).await?;
                Ok::<_, sqlx::Error>(listener)
            };
            match listening.await {
                Ok(mut listener) => {
                    bell.notify_one();
                    // None: the connection was lost, and is made anew by the next call.
                    while listener.try_recv().await.is_ok() {
                        bell.notify_one();
                    }
                }
                Err(error) => {
                    warn!(%error, "new jobs are not heard of; they are found by looking");
                }
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    /// Closes the connections once they are idle. Later calls fail.
    pub(crate) async fn close(&self) {
        self.listening.close().await;
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
