//! Empty jobs a second on SQLite, durable: 64 callers of the queue, against the least that any queue must
//! write: rusqlite with a transaction for each of insert, claim and finish.
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

use notebook_core::{
    TenantId, TenantScope,
    queue::{
        ClaimRequest, Finish, KindRule, NewJob, Outcome, Queue, QueuePolicy, WorkerId, Worklist,
        sql::{QueueTime, SqlQueue},
    },
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};
use rusqlite::{Connection, params};
use serde_json::json;

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
    for number in 0..ROUNDS {
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
    Ok(())
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

async fn run(
    queue: &Arc<SqlQueue>,
    callers: usize,
    batch: usize,
    round: Duration,
) -> Result<f64> {
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
                        outcome: Outcome::Completed { result: json!(null), follow_ups: Vec::new() },
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
