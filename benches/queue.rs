//! Empty jobs a second, durable, against the least that any queue must write: a transaction for each of insert,
//! claim and finish. On SQLite that is rusqlite called singly, on PostgreSQL `pgbench` with as many clients.
//! Then, on PostgreSQL, the time from a job's insert to its claim in another process that hears of it.
//!
//! `cargo bench --bench queue [seconds a round] [folder]`. The folder must be on the disk to be measured, not on a
//! memory file system.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use notebook_core::{
    TenantId, TenantScope,
    queue::{
        ClaimRequest, Finish, KindRule, NewJob, Outcome, Queue, QueuePolicy, WorkerId, Worklist,
        runner::{Ended, Handler, HandlerRule, Handlers, Runner, RunnerConfig, Work},
        sql::{QueueTime, SqlQueue},
    },
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};
use rusqlite::{Connection, params};
use serde_json::json;
use tokio::sync::Notify;

#[path = "../notebook-core/tests/support/postgres.rs"]
mod cluster;

/// Workers on PostgreSQL.
const WORKERS: usize = 4;
/// Jobs whose way from insert to claim is timed.
const HEARD: usize = 1_000;
const CALLERS: usize = 64;
const ROUNDS: usize = 3;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let seconds = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    let round = Duration::from_secs_f64(seconds);
    let folder = match arguments.next() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir_in(".")?,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let sqlite = std::env::var_os("BENCH_POSTGRES_ONLY").is_none();
    for number in (0..ROUNDS).filter(|_| sqlite) {
        let path = |name: &str| folder.path().join(format!("{name}-{number}"));
        let least = least(&path("least"), round)?;
        let one = runtime.block_on(cycle(&path("one"), 1, 1, round))?;
        let many = runtime.block_on(cycle(&path("many"), CALLERS, 1, round))?;
        let batched = runtime.block_on(cycle(&path("batched"), CALLERS, 20, round))?;
        let behind = runtime.block_on(backlog(&path("backlog"), round))?;
        println!(
            "round {number}: rusqlite singly {least:.0} jobs/s; 1 caller {one:.0}/s; {CALLERS} callers {many:.0}/s \
             ({:.1}x), in batches of 20 {batched:.0}/s; behind 100,000 waiting jobs {behind:.0}/s",
            many / least
        );
    }
    for number in 0..ROUNDS {
        on_postgres(&runtime, folder.path(), number, round)?;
    }
    Ok(())
}

fn on_postgres(
    runtime: &tokio::runtime::Runtime,
    folder: &Path,
    number: usize,
    round: Duration,
) -> Result<()> {
    // The server's own user must reach its folder.
    let _ = folder;
    let cluster = cluster::Cluster::start_durable(Path::new("/var/tmp"));
    cluster.query(
        "CREATE TABLE q (id BIGSERIAL PRIMARY KEY, state TEXT NOT NULL DEFAULT 'available',
            payload TEXT NOT NULL DEFAULT '{}', worker BIGINT)",
    );
    cluster.query("CREATE INDEX ON q (id) WHERE state = 'available'");
    cluster.query("CREATE INDEX ON q (worker) WHERE state = 'running'");
    let script = "INSERT INTO q DEFAULT VALUES;
UPDATE q SET state = 'running', worker = :client_id WHERE id = (SELECT id FROM q WHERE state = 'available' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
UPDATE q SET state = 'completed' WHERE id = (SELECT id FROM q WHERE state = 'running' AND worker = :client_id LIMIT 1);
";
    let least = cluster.pgbench(script, WORKERS, round.as_secs().max(1));
    // What row security costs: the same tables, used by a role that it does not hold for.
    cluster.query("CREATE ROLE exempt_app NOLOGIN BYPASSRLS");
    let open = async |schema: &str| {
        let mut config = notebook_core::postgres::PostgresConfig::new(cluster.url());
        config.schema = schema.to_owned();
        let store = SqlStore::postgres(&config).await?;
        Ok::<_, notebook_core::Error>(Arc::new(SqlQueue::new(
            &store,
            QueueTime::Database,
            QueuePolicy::default(),
        )))
    };
    runtime.block_on(async {
        let (queue, exempt) = (open("notebook").await?, open("exempt").await?);
        let one = run(&queue, WORKERS, 1, round).await?;
        let one_exempt = run(&exempt, WORKERS, 1, round).await?;
        let batched = run(&queue, WORKERS, 20, round).await?;
        let batched_exempt = run(&exempt, WORKERS, 20, round).await?;
        println!(
            "PostgreSQL round {number}: with row security {one:.0} jobs/s one at a time and {batched:.0}/s in batches, without \
             {one_exempt:.0}/s and {batched_exempt:.0}/s: {:.2}x and {:.2}x",
            one / one_exempt,
            batched / batched_exempt
        );
        let runner = runner(&queue, round).await?;
        let other = open("notebook").await?;
        let mut waits = heard(&queue, &other).await?;
        waits.sort();
        println!(
            "PostgreSQL round {number}: pgbench {least:.0} jobs/s; {WORKERS} callers insert, claim and finish one at a \
             time {one:.0}/s ({:.2}x), in batches of 20 {batched:.0}/s; {WORKERS} insert one at a time, a runner \
             does {WORKERS} at once {runner:.0}/s ({:.2}x); insert to claim p50 {:.2} ms, p99 {:.2} ms",
            one / least,
            runner / least,
            waits[waits.len() / 2].as_secs_f64() * 1e3,
            waits[waits.len() * 99 / 100].as_secs_f64() * 1e3,
        );
        Ok(())
    })
}

struct Empty(Arc<AtomicU64>);

#[async_trait]
impl Handler for Empty {
    async fn run(&self, _work: Work) -> Ended {
        self.0.fetch_add(1, Ordering::Relaxed);
        Outcome::completed(json!(null)).into()
    }
}

/// As in earnest: callers store jobs one at a time, and a runner with as many slots does them.
async fn runner(queue: &Arc<SqlQueue>, round: Duration) -> Result<f64> {
    let done = Arc::new(AtomicU64::new(0));
    let handlers = Handlers::new().with("run", HandlerRule::default(), Empty(Arc::clone(&done)));
    let config = RunnerConfig { slots: WORKERS, ..RunnerConfig::default() };
    let bell = Arc::new(Notify::new());
    let runner = Runner::start(queue.clone(), handlers, Arc::clone(&bell), config)?;
    let started = Instant::now();
    let callers = (0..WORKERS).map(|_| {
        let (queue, bell) = (Arc::clone(queue), Arc::clone(&bell));
        tokio::spawn(async move {
            while started.elapsed() < round {
                queue.insert(&scope(1), vec![NewJob::new("run", json!({}))]).await?;
                bell.notify_one();
            }
            Result::Ok(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    // Then all that ran is stored, and nothing else has run.
    runner.shutdown(Duration::from_secs(10)).await;
    Ok(done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}

/// Stores jobs in one queue now and then; says how long each took to be claimed in the other.
async fn heard(queue: &Arc<SqlQueue>, other: &Arc<SqlQueue>) -> Result<Vec<Duration>> {
    let bell = Arc::new(Notify::new());
    let (listening, rung) = (Arc::clone(other), Arc::clone(&bell));
    let listener = tokio::spawn(async move { listening.listen(&rung).await });
    bell.notified().await;
    let kinds = BTreeMap::from([("heard".to_owned(), KindRule::default())]);
    let request = ClaimRequest { worker: WorkerId::new(), kinds, per_tenant: None, max: 10 };
    let mut waits = Vec::with_capacity(HEARD);
    for _ in 0..HEARD {
        let started = Instant::now();
        queue.insert(&scope(1), vec![NewJob::new("heard", json!({}))]).await?;
        let stored = Instant::now();
        loop {
            bell.notified().await;
            if !other.claim(&request).await?.is_empty() {
                break;
            }
        }
        // The time to store it is not that of the hint.
        waits.push(started.elapsed().saturating_sub(stored - started));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    listener.abort();
    Ok(waits)
}

/// Insert, claim and finish, each a transaction of its own.
fn least(path: &Path, round: Duration) -> Result<f64> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT NOT NULL, payload TEXT NOT NULL) STRICT;
         CREATE INDEX waiting ON jobs (id) WHERE state = 'available';",
    )?;
    let started = Instant::now();
    let mut done = 0_u64;
    while started.elapsed() < round {
        connection
            .prepare_cached("INSERT INTO jobs (state, payload) VALUES ('available', '{}')")?
            .execute([])?;
        let id: i64 = connection
            .prepare_cached(
                "UPDATE jobs SET state = 'running' WHERE id = (SELECT id FROM jobs WHERE state = 'available' LIMIT 1)
                 RETURNING id",
            )?
            .query_row([], |row| row.get(0))?;
        connection
            .prepare_cached("UPDATE jobs SET state = 'completed' WHERE id = ?")?
            .execute(params![id])?;
        done += 1;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

async fn open(path: &Path) -> Result<Arc<SqlQueue>> {
    let store = SqlStore::sqlite(SqliteConfig::new(path)).await?;
    Ok(Arc::new(SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default())))
}

/// Each caller inserts, claims and finishes `batch` jobs at a time.
async fn cycle(path: &Path, callers: usize, batch: usize, round: Duration) -> Result<f64> {
    let queue = open(path).await?;
    run(&queue, callers, batch, round).await
}

/// The same, with many jobs of another tenant waiting.
async fn backlog(path: &Path, round: Duration) -> Result<f64> {
    let queue = open(path).await?;
    for _ in 0..100 {
        let jobs = (0..1_000).map(|_| NewJob::new("other", json!({}))).collect();
        queue.insert(&scope(2), jobs).await?;
    }
    run(&queue, CALLERS, 1, round).await
}

async fn run(queue: &Arc<SqlQueue>, callers: usize, batch: usize, round: Duration) -> Result<f64> {
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (queue, done) = (Arc::clone(queue), Arc::clone(&done));
            tokio::spawn(async move {
                let rule = KindRule { payload_version: 1, limit: None, ..KindRule::default() };
                let request = ClaimRequest {
                    worker: WorkerId::new(),
                    kinds: BTreeMap::from([("empty".to_owned(), rule)]),
                    per_tenant: None,
                    max: batch,
                };
                while started.elapsed() < round {
                    let jobs = (0..batch).map(|_| NewJob::new("empty", json!({}))).collect();
                    queue.insert(&scope(1), jobs).await?;
                    let claimed = queue.claim(&request).await?;
                    let ends = claimed.into_iter().map(|claimed| Finish {
                        id: claimed.job.id,
                        fence: claimed.job.fence,
                        outcome: Outcome::completed(json!(null)),
                    });
                    let counted = queue.finish(ends.collect()).await?;
                    done.fetch_add(
                        counted.iter().filter(|c| **c).count() as u64,
                        Ordering::Relaxed,
                    );
                }
                Result::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}

fn scope(tenant: u128) -> TenantScope {
    #[allow(clippy::disallowed_methods, reason = "the bench makes its own tenants")]
    TenantScope::authenticated(TenantId::from_u128(tenant))
}
