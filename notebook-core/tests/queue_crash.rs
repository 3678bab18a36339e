//! Workers as processes of their own that are killed and stopped at random, on one SQLite file and on
//! PostgreSQL, whose server crashes too: every accepted job ends once, and no run that was taken away counts.
//!
//! `NOTEBOOK_SOAK_SECONDS` makes it longer, `NOTEBOOK_SEED` repeats a run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

#[path = "support/postgres.rs"]
mod cluster;

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cluster::Cluster;
use notebook_core::{
    TenantId, TenantScope,
    postgres::PostgresConfig,
    queue::{
        JobId, JobState, NewJob, Outcome, Queue, QueuePolicy, Worklist,
        runner::{Ended, Handler, HandlerRule, Handlers, Runner, RunnerConfig, Work},
        sql::{QueueTime, SqlQueue},
    },
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};
use serde_json::json;
use tokio::sync::Notify;

const PLACE: &str = "NOTEBOOK_QUEUE_CRASH_PLACE";
const LEASE: Duration = Duration::from_millis(1_500);
const WORKERS: usize = 3;

fn policy() -> QueuePolicy {
    // Killed workers are no fault of their jobs here.
    QueuePolicy {
        lease: LEASE,
        backoff: Duration::from_millis(20),
        most_crashes: u32::MAX,
        ..QueuePolicy::default()
    }
}

/// A queue's two sides.
type Sides = (Arc<dyn Queue>, Arc<dyn Worklist>);

/// The queue at a place: a URL of PostgreSQL, else a file of SQLite.
async fn open(place: &str) -> Sides {
    if place.starts_with("postgres:") {
        let config = PostgresConfig::new(place);
        let store = SqlStore::postgres(&config).await.unwrap();
        let queue = Arc::new(SqlQueue::new(&store, QueueTime::Database, policy()));
        return (queue.clone(), queue);
    }
    let mut config = SqliteConfig::new(place);
    config.busy_timeout = Duration::from_secs(20);
    let store = SqlStore::sqlite(config).await.unwrap();
    let queue = Arc::new(SqlQueue::new(&store, QueueTime::Database, policy()));
    (queue.clone(), queue)
}

fn scope(tenant: u128) -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(tenant))
}

/// Takes a while, fails at its first attempt now and then, and says which run it was.
struct Busy;

#[async_trait]
impl Handler for Busy {
    async fn run(&self, work: Work) -> Ended {
        let number = work.job.payload["number"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_millis(number % 40)).await;
        if number.is_multiple_of(7) && work.job.attempt == 0 {
            let error =
                notebook_core::queue::JobError { code: "again".into(), message: "x".into() };
            return Outcome::Failed { error, not_before: Duration::ZERO }.into();
        }
        // What follows is stored with the result, or not at all.
        let follow_ups = if number.is_multiple_of(5) {
            let payload = json!({ "number": number + 1, "after": work.job.id });
            vec![NewJob { max_attempts: 50, ..NewJob::new("busy", payload) }]
        } else {
            Vec::new()
        };
        Outcome::Completed {
            result: json!({ "number": number, "fence": work.job.fence.0 }),
            follow_ups,
        }
        .into()
    }
}

/// The child: does nothing unless the parent below starts it.
#[test]
fn child_works_until_it_is_killed() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (_, queue) = open(&place).await;
        let config = RunnerConfig {
            slots: 4,
            poll: Duration::from_millis(50),
            lease: LEASE,
            heartbeat: LEASE / 3,
            safety: LEASE / 4,
            grace: Duration::from_millis(100),
            ..RunnerConfig::default()
        };
        let handlers = Handlers::new().with("busy", HandlerRule::default(), Busy);
        let _runner = Runner::start(queue, handlers, Arc::new(Notify::new()), config).unwrap();
        std::future::pending::<()>().await;
    });
}

/// A worker process, killed when it is dropped.
struct Worker(Child);

impl Worker {
    fn start(place: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_works_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(PLACE, place)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// Stops it, and wakes it up again from elsewhere: one that is stopped in the middle of a transaction
    /// holds up everybody who writes to the file, this test too.
    fn stop_for(&self, time: Duration) {
        let id = self.0.id().to_string();
        let signal = |name: &str, id: &str| Command::new("kill").args([name, id]).status().unwrap();
        assert!(signal("-STOP", &id).success());
        std::thread::spawn(move || {
            std::thread::sleep(time);
            // It may have been killed meanwhile.
            let _ = signal("-CONT", &id);
        });
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SIGKILL ends a stopped process too.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Numbers from a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What stands in the table: number, the job that it follows, tenant.
type Row = (u64, Option<String>, u128);

/// Q1, Q2, Q3, Q20: workers are killed (-9) or stopped for longer than a lease and woken up again.
#[tokio::test(flavor = "multi_thread")]
async fn q1_q2_on_sqlite_every_job_ends_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("notebook.db");
    let accepted = torment(place.to_str().unwrap(), |_| {}).await;
    check_follow_ups(&sqlite_rows(&place), &accepted);
}

/// The same, and Q6, Q7: the database's server and single connections of it crash too.
#[tokio::test(flavor = "multi_thread")]
async fn q6_q7_on_postgres_every_job_ends_once() {
    let mut cluster = Cluster::start();
    let (url, mut crashes) = (cluster.url(), 0);
    let accepted = torment(&url, |side| {
        crashes += usize::from(side % 30 < 2);
        match side % 30 {
            0 => cluster.crash(),
            1 => cluster.kill_a_backend(),
            _ => {}
        }
    })
    .await;
    println!("{crashes} crashes of the database");
    assert!(crashes > 0, "the database never crashed");
    let rows = cluster.query(
        "SELECT payload::json ->> 'number', payload::json ->> 'after', encode(tenant_id, 'hex')
         FROM notebook.jobs",
    );
    let row = |line: &String| -> Row {
        let [number, after, tenant] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let after = (!after.is_empty()).then(|| after.to_owned());
        (number.parse().unwrap(), after, u128::from_str_radix(tenant, 16).unwrap())
    };
    check_follow_ups(&rows.iter().map(row).collect::<Vec<_>>(), &accepted);
}

/// Stores jobs while workers die, and what else `shake` does with a die of its own; returns what was accepted, once
/// all of it has ended.
async fn torment(place: &str, mut shake: impl FnMut(u64)) -> BTreeMap<JobId, u128> {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = variable("NOTEBOOK_SOAK_SECONDS").unwrap_or(8);
    let seed = variable("NOTEBOOK_SEED")
        .unwrap_or_else(|| u64::try_from(JobId::new().as_u128() & 0xffff_ffff).unwrap());
    println!("seed {seed}, {seconds} s");
    let mut dice = Dice(seed);
    let (queue, _) = open(place).await;
    let mut workers: Vec<Worker> = (0..WORKERS).map(|_| Worker::start(place)).collect();
    let mut stopped: Vec<(Instant, Worker)> = Vec::new();
    let mut accepted = BTreeMap::new();
    let (mut kills, mut stops) = (0, 0);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        let number = accepted.len() as u64;
        let tenant = u128::from(dice.roll(3)) + 1;
        let jobs = (0..dice.roll(8)).map(|i| NewJob {
            max_attempts: 50,
            ..NewJob::new("busy", json!({ "number": number * 8 + i }))
        });
        for id in insert(&*queue, tenant, jobs.collect()).await {
            accepted.insert(id, tenant);
        }
        tokio::time::sleep(Duration::from_millis(dice.roll(60))).await;
        shake(dice.roll(1 << 20));
        let index = usize::try_from(dice.roll(WORKERS as u64)).unwrap();
        match dice.roll(12) {
            0 => {
                workers[index] = Worker::start(place);
                kills += 1;
            }
            1 if stopped.len() < 2 => {
                let zombie = std::mem::replace(&mut workers[index], Worker::start(place));
                zombie.stop_for(LEASE * 2);
                stopped.push((Instant::now(), zombie));
                stops += 1;
            }
            _ => {}
        }
        let (awake, asleep): (Vec<_>, Vec<_>) =
            stopped.into_iter().partition(|(since, _)| since.elapsed() > LEASE * 3);
        stopped = asleep;
        // They work on as more workers, with what they still believe to have.
        workers.extend(awake.into_iter().map(|(_, zombie)| zombie));
        workers.truncate(WORKERS + 2);
        replace_the_ended(&mut workers, place);
    }
    let reruns = until_all_have_ended(&*queue, &accepted, &mut workers, place).await;
    let count = accepted.len();
    println!(
        "{count} jobs, {kills} workers killed, {stops} stopped, {reruns} jobs taken from a worker"
    );
    assert!(count > 50 && kills + stops > 3, "too little happened to prove anything");
    accepted
}

/// Q29: whoever does not know whether his jobs were stored stores them again.
async fn insert(queue: &dyn Queue, tenant: u128, jobs: Vec<NewJob>) -> Vec<JobId> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match queue.insert(&scope(tenant), jobs.clone()).await {
            Ok(ids) => return ids,
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A worker that found no database at its start has ended.
fn replace_the_ended(workers: &mut [Worker], place: &str) {
    for worker in workers {
        if worker.0.try_wait().unwrap().is_some() {
            *worker = Worker::start(place);
        }
    }
}

/// Waits, and returns how many jobs were taken from a worker.
async fn until_all_have_ended(
    queue: &dyn Queue,
    accepted: &BTreeMap<JobId, u128>,
    workers: &mut [Worker],
    place: &str,
) -> usize {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut reruns = 0;
    for (id, tenant) in accepted {
        loop {
            replace_the_ended(workers, place);
            let job = match queue.job(&scope(*tenant), *id).await {
                Ok(job) => job,
                // The database is still getting up from the last blow.
                Err(error) => {
                    assert!(Instant::now() < deadline, "{error:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            if job.state == JobState::Completed {
                let result = job.result.unwrap();
                assert_eq!(result["number"], job.payload["number"]);
                assert_eq!(
                    result["fence"],
                    json!(job.fence.0),
                    "the last run is the one that counts"
                );
                reruns += usize::from(job.crash_count > 0);
                break;
            }
            assert!(!job.state.is_final(), "{job:?}");
            assert!(Instant::now() < deadline, "never ended: {job:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    reruns
}

fn sqlite_rows(path: &Path) -> Vec<Row> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT payload ->> 'number', payload ->> 'after', tenant_id FROM jobs")
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Row> {
        let number: u32 = row.get(0)?;
        Ok((number.into(), row.get(1)?, u128::from_be_bytes(row.get(2)?)))
    };
    statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Each fifth job left exactly one follow-up, however many workers began it.
fn check_follow_ups(rows: &[Row], accepted: &BTreeMap<JobId, u128>) {
    let (mut parents, mut children) = (0, BTreeMap::<&str, u32>::new());
    for (number, after, tenant) in rows {
        if let Some(after) = after {
            assert_eq!(accepted[&after.parse::<JobId>().unwrap()], *tenant);
            *children.entry(after).or_default() += 1;
        } else {
            parents += usize::from(number.is_multiple_of(5));
        }
    }
    assert!(parents > 5, "{parents}");
    assert_eq!(children.len(), parents);
    assert!(children.values().all(|count| *count == 1), "{children:?}");
}
