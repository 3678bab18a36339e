//! The pool, and transactions in tasks of their own.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use super::{
    DatabaseClock, PostgresConfig,
    error::from_postgres,
    migrate::migrate,
    pool::{Pool, PoolStatistics},
    pubsub::PostgresPubSub,
    role::{RowSecurity, check, standing},
};
use crate::{
    Error, ErrorKind, Result, Retry,
    pubsub::PubSub,
    sql::{Migration, Reach, Tx, Work},
};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio_util::task::TaskTracker;

/// How often a transaction that lost against another is run again.
const REPEATS: usize = 5;
/// Connections beside the pool's: heartbeats are short.
const RESERVED: usize = 2;
/// One connection for all tenants' work goes with this many for tenants': its calls are few and short.
const PART: usize = 4;

const OPEN: &str = "open database";

/// How the statements of a call belong together.
#[derive(Debug, Clone, Copy)]
enum Around {
    /// All or none happen.
    Transaction,
    /// They see one state of the database, and change nothing.
    Snapshot,
    /// Each stands alone.
    Nothing,
}

impl Around {
    /// The words that begin it. They say for which tenant it is, so that this costs no way of its own to the server, and
    /// ends with the transaction, however it ends.
    fn begin(self, reach: Reach) -> Option<String> {
        let begin = match self {
            Self::Transaction => "BEGIN",
            Self::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Nothing => return None,
        };
        Some(match reach {
            Reach::Tenant(tenant) => {
                format!("{begin}; SET LOCAL notebook.tenant = '{:032x}'", tenant.as_u128())
            }
            Reach::Installation => begin.to_owned(),
        })
    }
}

/// A handle to the database. Clones share the pool.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// For tenants' calls.
    pool: Pool,
    /// For calls that reach all tenants. These connections say so from their beginning, so that no call of a tenant can
    /// come to it by a setting that stayed.
    installation: Pool,
    /// For calls that must get through when the pool is used up, or stands still with its runtime.
    reserved: Pool,
    /// A connection by which this process tells others; it listens by another.
    telling: PgPool,
    /// For connections by which processes tell each other.
    quick: Arc<PgConnectOptions>,
    schema: Arc<str>,
    row_security: Arc<RowSecurity>,
    clock: Arc<DatabaseClock>,
    /// The calls that are under way.
    calls: TaskTracker,
    /// How long a call may take: the database's machine, or the way to it, may be gone without a word.
    patience: Duration,
    /// The same for calls by the reserved connections, which are short.
    short: Duration,
}

impl Client {
    /// Connects, and brings the schema up to date.
    pub(crate) async fn open(config: &PostgresConfig, steps: &[Migration]) -> Result<Self> {
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
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ]);
        // Tables are made and owned by the URL's role, and used by another.
        let role = bring_up_to_date(&options, config, steps).await?;
        let options = match &role {
            Some(role) => options.options([("role", role)]),
            None => options,
        };
        let everywhere = options.clone().options([("notebook.reach", "installation")]);
        let connections = usize::try_from(config.connections).unwrap_or(usize::MAX);
        let pool = |options: &PgConnectOptions, most| {
            Pool::new(options.clone(), most, config.acquire_timeout)
        };
        let (reserved, pool, installation) = (
            pool(&everywhere, RESERVED)?,
            pool(&options, connections)?,
            pool(&everywhere, connections.div_ceil(PART).max(RESERVED))?,
        );
        let row_security = standing(&mut *pool.get(OPEN).await?, &config.schema).await?;
        check(&row_security, config.row_security)?;
        let row_security = Arc::new(row_security);
        // What is told is a hint: it need not be on the disk.
        let quick = Arc::new(options.options([("synchronous_commit", "off")]));
        let short = config.acquire_timeout;
        let telling = line(&quick, short);
        let schema = config.schema.as_str().into();
        let (clock, calls) = (Arc::default(), TaskTracker::new());
        let patience = config.transaction_timeout;
        Ok(Self {
            pool,
            installation,
            reserved,
            telling,
            quick,
            schema,
            row_security,
            clock,
            calls,
            patience,
            short,
        })
    }

    /// The same database by connections that only this handle's clones use, for calls that reach all tenants.
    pub(crate) fn reserved(&self) -> Self {
        Self { installation: self.reserved.clone(), patience: self.short, ..self.clone() }
    }

    /// Who reads and writes the rows.
    pub(crate) fn row_security(&self) -> &RowSecurity {
        &self.row_security
    }

    /// Runs `work` in a transaction; `Ok` when it is committed. An error undoes all of it. One that lost
    /// against another transaction is run again.
    pub(crate) async fn write<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        reach: Reach,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        self.spawned(reach, Around::Transaction, operation, input, work).await
    }

    /// Runs `work` without a transaction around its statements.
    pub(crate) async fn write_singly<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        self.spawned(Reach::Installation, Around::Nothing, operation, input, work).await
    }

    /// Runs `work` on one snapshot.
    pub(crate) async fn read<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        reach: Reach,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        self.spawned(reach, Around::Snapshot, operation, input, work).await
    }

    async fn spawned<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        reach: Reach,
        around: Around,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        let pool = match reach {
            Reach::Tenant(_) => self.pool.clone(),
            Reach::Installation => self.installation.clone(),
        };
        let (clock, patience, begin) =
            (Arc::clone(&self.clock), self.patience, around.begin(reach));
        // A task of its own: a caller that goes away leaves no transaction open.
        let task = self.calls.spawn(async move {
            let mut left = REPEATS;
            loop {
                let begin = begin.clone();
                let result = once(&pool, patience, &clock, begin, operation, &input, &work).await;
                match result {
                    Err(failed) if failed.repeat && left > 0 => left -= 1,
                    result => return result.map_err(|failed| failed.error),
                }
            }
        });
        task.await.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Internal, operation)
                .with("reason", "it panicked")
                .caused_by(error))
        })
    }

    /// How its connections are used: the pool's, those for all tenants, and those beside them.
    pub(crate) fn statistics(&self) -> [PoolStatistics; 3] {
        [self.pool.statistics(), self.installation.statistics(), self.reserved.statistics()]
    }

    /// Starts what processes that share the database tell each other by, where it is not by something else.
    pub(crate) fn notifications(&self) -> Arc<dyn PubSub> {
        let (quick, short) = (Arc::clone(&self.quick), self.short);
        let line = move || line(&quick, short);
        Arc::new(PostgresPubSub::start(&self.telling, line, &self.schema, short))
    }

    /// Closes the connections once what is under way has ended. Later calls fail.
    pub(crate) async fn close(&self) {
        // It waits for a connection that is on loan, whose database may be gone without a word.
        let _ = tokio::time::timeout(self.short, self.telling.close()).await;
        self.reserved.close();
        self.installation.close();
        self.pool.close();
        self.calls.close();
        self.calls.wait().await;
    }
}

/// Brings the tables up to date by the URL's role, and returns the role to use them by, if it is another.
async fn bring_up_to_date(
    options: &PgConnectOptions,
    config: &PostgresConfig,
    steps: &[Migration],
) -> Result<Option<String>> {
    let owner = Pool::new(options.clone(), 1, config.acquire_timeout)?;
    let mut left = REPEATS;
    let done = loop {
        let mut lent = owner.get(OPEN).await?;
        match migrate(&mut lent, config, steps).await {
            // Others were at work with the tables.
            Err(error) if left > 0 && lost_to_another(&error) => left -= 1,
            done => break done,
        }
    };
    owner.close();
    done
}

/// A connection for itself, made when it is needed.
fn line(options: &PgConnectOptions, patience: Duration) -> PgPool {
    let one = PgPoolOptions::new().max_connections(1).acquire_timeout(patience);
    one.connect_lazy_with(options.clone())
}

/// Why a call failed, and whether it may be run again.
struct Failed {
    error: Error,
    repeat: bool,
}

async fn once<I, T>(
    pool: &Pool,
    patience: Duration,
    clock: &DatabaseClock,
    begin: Option<String>,
    operation: &'static str,
    input: &I,
    work: &impl Work<I, T>,
) -> std::result::Result<T, Failed> {
    let lent = pool.get(operation).await;
    let mut lent = lent.map_err(|error| Failed { error, repeat: false })?;
    let whole = async {
        match begin {
            None => {
                let done = work(&mut Tx::postgres(&mut lent, clock, operation), input).await;
                done.map_err(|error| (error, true))
            }
            Some(begin) => within(begin, &mut lent, clock, operation, input, work).await,
        }
    };
    let Ok(result) = tokio::time::timeout(patience, whole).await else {
        // Nobody gets the connection again; whether something was done nobody knows.
        pool.discard(lent);
        let error = Error::new(ErrorKind::Timeout, operation)
            .with("reason", "the database does not answer")
            .retry(Retry::Backoff);
        return Err(Failed { error, repeat: false });
    };
    result.map_err(|(error, undone)| {
        let broke = broke(&error);
        if broke {
            pool.discard(lent);
        }
        // One that was lent may have been broken all along, as after a restart of the server.
        let repeat = lost_to_another(&error) || broke && undone;
        Failed { error, repeat }
    })
}

/// Fails with the error, and whether nothing is left of what was done.
async fn within<I, T>(
    begin: String,
    connection: &mut PgConnection,
    clock: &DatabaseClock,
    operation: &'static str,
    input: &I,
    work: &impl Work<I, T>,
) -> std::result::Result<T, (Error, bool)> {
    let begun = connection.begin_with(AssertSqlSafe(begin)).await;
    let mut transaction = begun.map_err(|error| (from_postgres(operation, error), true))?;
    let mut tx = Tx::postgres(&mut transaction, clock, operation);
    match work(&mut tx, input).await {
        Ok(done) => match transaction.commit().await {
            Ok(()) => Ok(done),
            Err(error) => Err((from_postgres(operation, error), false)),
        },
        Err(error) => {
            // The reason for the rollback says more than its own failure.
            let _ = transaction.rollback().await;
            Err((error, true))
        }
    }
}

/// PostgreSQL's own error behind one of this crate, when it is.
fn answer(error: &Error) -> Option<&sqlx::Error> {
    std::error::Error::source(error).and_then(|source| source.downcast_ref())
}

/// Whether the connection may be the reason, and not what was asked of it.
fn broke(error: &Error) -> bool {
    answer(error).is_some_and(|error| match error.as_database_error() {
        None => true,
        // The server goes down, and says goodbye.
        Some(said) => said.code().is_some_and(|code| code.starts_with("57P0")),
    })
}

/// Whether another transaction was the reason: a deadlock, a conflict that PostgreSQL noticed, or a row that
/// came or went (a key that is taken, a parent that is gone) after this one had looked.
fn lost_to_another(error: &Error) -> bool {
    let code = answer(error).and_then(sqlx::Error::as_database_error).and_then(|e| e.code());
    matches!(code.as_deref(), Some("40001" | "40P01" | "23503" | "23505"))
}

#[cfg(test)]
mod tests;
