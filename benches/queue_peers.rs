//! Empty jobs a second beside other queues, in the same run: apalis and graphile_worker on the same PostgreSQL, BullMQ
//! on a Redis that writes its log each second. Four callers store jobs, then one worker does them, 4 or 20 at a time.
//! A job is done when its row, or its entry in Redis, says so. Ours, and nobody else's, stores a result, and checks by a
//! fence that the run still has its job.
//!
//! `cargo bench --bench queue_peers [jobs a round]`, after `npm install --no-package-lock` in `queue_peers/`; needs redis-server.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use apalis::{
    layers::WorkerBuilderExt as _,
    prelude::{BackendExt as _, BoxDynError, Data, Strategy, TaskSink as _, WorkerBuilder},
};
use apalis_postgres::{Config, PgPool, PostgresStorage};
use async_trait::async_trait;
use graphile_worker::{IntoTaskHandlerResult, JobSpec, TaskHandler, WorkerContext, WorkerOptions};
use notebook_core::{
    TenantId, TenantScope,
    postgres::PostgresConfig,
    queue::{
        NewJob, Outcome, Queue as _, QueuePolicy,
        runner::{Ended, Handler, HandlerRule, Handlers, Runner, RunnerConfig, Work},
        sql::{QueueTime, SqlQueue},
    },
    store::sql::SqlStore,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[path = "../notebook-core/tests/support/postgres.rs"]
mod cluster;

const ROUNDS: usize = 3;
/// Who stores jobs at the same time.
const CALLERS: usize = 4;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Jobs a second.
struct Rates {
    insert: f64,
    work: f64,
}

impl std::fmt::Display for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} stored and {:.0} done a second", self.insert, self.work)
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let jobs = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for round in 0..ROUNDS {
        for at_once in [4, 20] {
            let cluster = cluster::Cluster::start_durable(Path::new("/var/tmp"));
            let url = cluster.url();
            let ours = runtime.block_on(ours(&url, jobs, at_once))?;
            let apalis = runtime.block_on(apalis(&url, jobs, at_once))?;
            let graphile = runtime.block_on(graphile(&url, jobs, at_once))?;
            drop(cluster);
            let bullmq = bullmq(jobs, at_once)?;
            println!(
                "round {round}, {at_once} at a time: ours {ours}; apalis {apalis} ({:.2}x, {:.2}x); graphile_worker \
                 {graphile} ({:.2}x, {:.2}x); BullMQ {bullmq} ({:.2}x, {:.2}x)",
                ours.insert / apalis.insert,
                ours.work / apalis.work,
                ours.insert / graphile.insert,
                ours.work / graphile.work,
                ours.insert / bullmq.insert,
                ours.work / bullmq.work,
            );
        }
    }
    Ok(())
}

/// How many jobs go into one call.
const fn per_call(at_once: usize) -> usize {
    if at_once > CALLERS { at_once } else { 1 }
}

/// The time that `CALLERS` take to make all calls.
async fn stored<F>(jobs: usize, each: usize, call: impl Fn() -> F) -> Result<f64>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let started = Instant::now();
    let callers = (0..CALLERS).map(|_| async {
        for _ in 0..jobs / each / CALLERS {
            call().await?;
        }
        Result::Ok(())
    });
    for done in futures::future::join_all(callers).await {
        done?;
    }
    Ok(jobs as f64 / started.elapsed().as_secs_f64())
}

/// The rate at which `done` comes to `jobs` and `left`, a statement that counts the jobs whose rows do not say so, to
/// none: what a handler saw is not yet stored.
async fn drained(
    (pool, left): (&PgPool, &'static str),
    jobs: usize,
    done: &AtomicU64,
    started: Instant,
) -> Result<f64> {
    let late = |what: String| match started.elapsed() > Duration::from_secs(120) {
        true => Err(what),
        false => Ok(()),
    };
    while done.load(Ordering::Relaxed) < jobs as u64 {
        late(format!("only {} of {jobs} jobs were done", done.load(Ordering::Relaxed)))?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    loop {
        let left: i64 = sqlx::query_scalar(left).fetch_one(pool).await?;
        if left == 0 {
            return Ok(jobs as f64 / started.elapsed().as_secs_f64());
        }
        late(format!("{left} of {jobs} jobs are not stored as done"))?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

struct Empty(Arc<AtomicU64>);

#[async_trait]
impl Handler for Empty {
    async fn run(&self, _work: Work) -> Ended {
        self.0.fetch_add(1, Ordering::Relaxed);
        Outcome::completed(json!(null)).into()
    }
}

async fn ours(url: &str, jobs: usize, at_once: usize) -> Result<Rates> {
    let store = SqlStore::postgres(&PostgresConfig::new(url)).await?;
    let queue = Arc::new(SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default()));
    let each = per_call(at_once);
    let insert = stored(jobs, each, || {
        let queue = Arc::clone(&queue);
        async move {
            let jobs = (0..each).map(|_| NewJob::new("empty", json!({}))).collect();
            queue.insert(&scope(), jobs).await?;
            Ok(())
        }
    });
    let insert = insert.await?;
    let done = Arc::new(AtomicU64::new(0));
    let handlers = Handlers::new().with("empty", HandlerRule::default(), Empty(Arc::clone(&done)));
    let config = RunnerConfig { slots: at_once, ..RunnerConfig::default() };
    let pool = PgPool::connect(url).await?;
    let started = Instant::now();
    let runner = Runner::start(queue, handlers, Arc::default(), config)?;
    let left = (&pool, "SELECT count(*) FROM notebook.jobs WHERE state <> 'completed'");
    let work = drained(left, jobs, &done, started).await?;
    runner.shutdown(Duration::from_secs(5)).await;
    pool.close().await;
    store.close().await?;
    Ok(Rates { insert, work })
}

async fn apalis(url: &str, jobs: usize, at_once: usize) -> Result<Rates> {
    let pool = PgPool::connect(url).await?;
    PostgresStorage::setup(&pool).await?;
    // With batches as small as the slots its worker sleeps between them: it does most with large ones.
    let config = Config::default().queue("empty").batch_size(500);
    let storage = PostgresStorage::<usize>::new(&pool).with_config(config);
    let each = per_call(at_once);
    let insert = stored(jobs, each, || {
        let mut storage = storage.clone();
        async move {
            if each == 1 {
                storage.push(1).await?;
            } else {
                storage.push_bulk(vec![1; each]).await?;
            }
            Ok(())
        }
    });
    let insert = insert.await?;
    async fn work(_: usize, done: Data<Arc<AtomicU64>>) -> std::result::Result<(), BoxDynError> {
        done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    let done = Arc::new(AtomicU64::new(0));
    let worker = WorkerBuilder::new(format!("worker-{at_once}"))
        // As fast as it can poll: its own pace is for idle queues.
        .backend(storage.poll_with_strategy(Strategy::new().interval(Duration::from_millis(1))))
        .data(Arc::clone(&done))
        .concurrency(at_once)
        .build(work);
    let started = Instant::now();
    let running = tokio::spawn(async move { worker.run().await });
    let left = (&pool, "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'");
    let work = drained(left, jobs, &done, started).await;
    running.abort();
    pool.close().await;
    Ok(Rates { insert, work: work? })
}

#[derive(Clone, Serialize, Deserialize)]
struct EmptyTask {}

#[derive(Clone, Debug)]
struct Done(Arc<AtomicU64>);

impl TaskHandler for EmptyTask {
    const IDENTIFIER: &'static str = "empty";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(done) = context.get_ext::<Done>() {
            done.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<(), String>(())
    }
}

async fn graphile(url: &str, jobs: usize, at_once: usize) -> Result<Rates> {
    let done = Arc::new(AtomicU64::new(0));
    let worker = WorkerOptions::default()
        .database_url(url)
        .schema("graphile")
        .concurrency(at_once)
        .add_extension(Done(Arc::clone(&done)))
        .define_job::<EmptyTask>()
        .init()
        .await?;
    let utils = Arc::new(worker.create_utils());
    let each = per_call(at_once);
    let insert = stored(jobs, each, || {
        let utils = Arc::clone(&utils);
        async move {
            if each == 1 {
                utils.add_job(EmptyTask {}, JobSpec::default()).await?;
            } else {
                let spec = JobSpec::default();
                utils.add_jobs(&vec![(EmptyTask {}, &spec); each]).await?;
            }
            Ok(())
        }
    });
    let insert = insert.await?;
    let pool = PgPool::connect(url).await?;
    let worker = Arc::new(worker);
    let running = Arc::clone(&worker);
    let started = Instant::now();
    // All that is there: `run` takes as many as it has slots each second when nothing new is stored.
    let running = tokio::spawn(async move { running.run_once().await });
    let left = (&pool, "SELECT count(*) FROM graphile._private_jobs");
    let work = drained(left, jobs, &done, started).await;
    pool.close().await;
    worker.request_shutdown();
    running.await??;
    Ok(Rates { insert, work: work? })
}

/// A Redis that ends with this value.
struct Redis {
    server: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Redis {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir_in("/var/tmp")?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let redis = Self { server, port, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err("redis-server does not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(redis)
    }
}

fn bullmq(jobs: usize, at_once: usize) -> Result<Rates> {
    let redis = Redis::start()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("queue_peers/bullmq.mjs");
    let output = Command::new("node")
        .arg(script)
        .args([redis.port.to_string(), jobs.to_string(), at_once.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    let rates: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let rate = |name: &str| rates[name].as_f64().ok_or("BullMQ says no rate");
    Ok(Rates { insert: rate("insert")?, work: rate("work")? })
}

fn scope() -> TenantScope {
    #[allow(clippy::disallowed_methods, reason = "the bench makes its own tenant")]
    TenantScope::authenticated(TenantId::from_u128(1))
}
