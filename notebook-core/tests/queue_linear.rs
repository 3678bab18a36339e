//! Q42: eight processes claim, end, forget and give back jobs, and write down what they asked and when they were
//! answered; the histories must be those of one queue that does one thing after the other.
//!
//! 20,000 claims; with `NOTEBOOK_SOAK_SECONDS` set, 100,000.
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
    collections::{BTreeMap, HashMap},
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cluster::Cluster;
use notebook_core::{
    TenantId, TenantScope,
    postgres::PostgresConfig,
    queue::{
        ClaimRequest, Finish, Job, JobId, JobState, KindRule, NewJob, Outcome, Queue, QueuePolicy,
        WorkerId, Worklist,
        sql::{QueueTime, SqlQueue},
    },
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

const PLACE: &str = "NOTEBOOK_QUEUE_LINEAR_PLACE";
const LOG: &str = "NOTEBOOK_QUEUE_LINEAR_LOG";
const PROCESSES: usize = 8;
/// Jobs in one call.
const TOGETHER: usize = 50;
/// How often each job is claimed, about: two of three runs give it back.
const CLAIMS_A_JOB: usize = 3;
/// One run in so many is forgotten, and ended only after its lease.
const FORGOTTEN: u64 = 97;

/// What was asked of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Did {
    Claimed,
    GaveBack(bool),
    Ended(bool),
}

/// One line of a process's log: all of one machine, whose clock is one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    job: JobId,
    fence: u64,
    did: Did,
    asked: u64,
    answered: u64,
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn scope() -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(1))
}

async fn open(place: &str) -> SqlQueue {
    let policy = QueuePolicy {
        lease: Duration::from_millis(1_500),
        most_crashes: u32::MAX,
        ..QueuePolicy::default()
    };
    let store = if place.starts_with("postgres:") {
        let mut config = PostgresConfig::new(place);
        config.connections = 4;
        SqlStore::postgres(&config).await.unwrap()
    } else {
        let mut config = SqliteConfig::new(place);
        config.busy_timeout = Duration::from_secs(20);
        SqlStore::sqlite(config).await.unwrap()
    };
    SqlQueue::new(&store, QueueTime::Database, policy)
}

/// The child: does nothing unless the parent below starts it.
#[test]
fn child_claims_until_there_is_nothing_left() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let log = std::fs::File::create(std::env::var(LOG).unwrap()).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { Claimer::new(open(&place).await, log).work().await });
}

struct Claimer {
    queue: SqlQueue,
    log: BufWriter<std::fs::File>,
    /// Runs that look like those of a process that stood still.
    forgotten: Vec<(u64, Finish)>,
}

impl Claimer {
    fn new(queue: SqlQueue, log: std::fs::File) -> Self {
        Self { queue, log: BufWriter::new(log), forgotten: Vec::new() }
    }

    fn note(&mut self, job: JobId, fence: u64, did: Did, asked: u64, answered: u64) {
        let entry = Entry { job, fence, did, asked, answered };
        writeln!(self.log, "{}", serde_json::to_string(&entry).unwrap()).unwrap();
    }

    async fn work(&mut self) {
        let request = ClaimRequest {
            worker: WorkerId::new(),
            kinds: BTreeMap::from([("x".into(), KindRule::default())]),
            per_tenant: None,
            max: TOGETHER,
        };
        let mut idle = 0;
        while idle < 60 || !self.forgotten.is_empty() {
            let asked = now();
            let claimed = self.queue.claim(&request).await.unwrap();
            let answered = now();
            idle = if claimed.is_empty() { idle + 1 } else { 0 };
            let mut ends = Vec::new();
            for job in claimed.into_iter().map(|claimed| claimed.job) {
                self.note(job.id, job.fence.0, Did::Claimed, asked, answered);
                let end = Finish { id: job.id, fence: job.fence, outcome: outcome(&job) };
                match chance(&job) % FORGOTTEN {
                    0 => self.forgotten.push((now() + 3_000_000, end)),
                    _ => ends.push(end),
                }
            }
            let late = std::mem::take(&mut self.forgotten);
            let (due, waiting) = late.into_iter().partition(|(at, _)| *at < now());
            self.forgotten = waiting;
            ends.extend(due.into_iter().map(|(_, end): (u64, Finish)| end));
            if ends.is_empty() {
                self.queue.rescue(100).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            let asked = now();
            let counted = self.queue.finish(ends.clone()).await.unwrap();
            let answered = now();
            for (end, counted) in ends.into_iter().zip(counted) {
                let did = match end.outcome {
                    Outcome::Released => Did::GaveBack(counted),
                    _ => Did::Ended(counted),
                };
                self.note(end.id, end.fence.0, did, asked, answered);
            }
        }
        self.log.flush().unwrap();
    }
}

/// A number that is random enough and the same for one run of one job.
fn chance(job: &Job) -> u64 {
    let mixed = job.id.as_u128() ^ (u128::from(job.fence.0) << 7);
    u64::try_from(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 64 & 0xffff_ffff).unwrap()
}

fn outcome(job: &Job) -> Outcome {
    if (chance(job) >> 8).is_multiple_of(CLAIMS_A_JOB as u64) {
        return Outcome::completed(json!(job.fence));
    }
    Outcome::Released
}

#[tokio::test(flavor = "multi_thread")]
async fn q42_claims_of_eight_processes_on_postgres_are_linearizable() {
    let cluster = Cluster::start();
    claims_are_linearizable(&cluster.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q42_claims_of_eight_processes_on_sqlite_are_linearizable() {
    let folder = tempfile::tempdir().unwrap();
    claims_are_linearizable(folder.path().join("notebook.db").to_str().unwrap()).await;
}

async fn claims_are_linearizable(place: &str) {
    let claims = if std::env::var_os("NOTEBOOK_SOAK_SECONDS").is_some() { 100_000 } else { 20_000 };
    let queue = open(place).await;
    let mut ids = Vec::new();
    while ids.len() * CLAIMS_A_JOB < claims + claims / 20 {
        let jobs = (0..500).map(|_| NewJob::new("x", json!(1))).collect();
        ids.extend(queue.insert(&scope(), jobs).await.unwrap());
    }
    let logs = tempfile::tempdir().unwrap();
    let log = |number: usize| logs.path().join(number.to_string());
    let mut children: Vec<Child> =
        (0..PROCESSES).map(|number| child(place, &log(number))).collect();
    let ended = tokio::task::spawn_blocking(move || {
        children.iter_mut().all(|child| child.wait().unwrap().success())
    });
    assert!(ended.await.unwrap(), "a process failed");
    let mut histories: HashMap<JobId, Vec<Entry>> = HashMap::new();
    let mut count = 0;
    for number in 0..PROCESSES {
        let lines = BufReader::new(std::fs::File::open(log(number)).unwrap()).lines();
        let entries = lines.map(|line| serde_json::from_str::<Entry>(&line.unwrap()).unwrap());
        for entry in entries {
            count += usize::from(entry.did == Did::Claimed);
            histories.entry(entry.job).or_default().push(entry);
        }
    }
    let (mut late, mut refused) = (0, 0);
    for id in &ids {
        let job = queue.job(&scope(), *id).await.unwrap();
        let counts = check(&job, histories.remove(id).unwrap_or_default());
        late += counts.0;
        refused += counts.1;
    }
    assert!(histories.is_empty(), "jobs that nobody stored");
    println!("{count} claims of {} jobs, {late} runs lost, {refused} late ends refused", ids.len());
    assert!(count >= claims, "{count} claims");
    assert!(late > 10 && refused > 10, "{late} runs lost, {refused} late ends refused");
}

fn child(place: &str, log: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_claims_until_there_is_nothing_left", "--test-threads=1"])
        .env(PLACE, place)
        .env(LOG, log)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// One job's history: there is an order of what counted, each at a moment between its question and its answer, in which
/// a queue that does one thing after the other would say the same. The fences give the order. Jobs do not touch each
/// other, so the whole is linearizable when each job's part is. Returns how many runs were lost, and how many ends
/// came too late.
fn check(job: &Job, mut history: Vec<Entry>) -> (usize, usize) {
    assert_eq!(job.state, JobState::Completed, "{job:?}");
    assert_eq!(job.result, Some(json!(job.fence)), "{job:?}");
    // A claim comes before the end of its run.
    history.sort_by_key(|entry| (entry.fence, entry.did != Did::Claimed));
    let (mut fence, mut ended, mut latest) = (0, true, 0);
    let (mut lost, mut refused) = (0, 0);
    for entry in &history {
        match entry.did {
            Did::Claimed => {
                assert_eq!(entry.fence, fence + 1, "fences count claims: {history:#?}");
                // A run that nothing ended was taken away when its lease had run out.
                lost += usize::from(!ended);
                (fence, ended) = (entry.fence, false);
            }
            Did::GaveBack(false) | Did::Ended(false) => {
                refused += 1;
                assert!(!ended, "refused although nothing else ended the run: {history:#?}");
                continue;
            }
            Did::GaveBack(true) | Did::Ended(true) => {
                assert!(!ended && entry.fence == fence, "a second end of a run: {history:#?}");
                ended = true;
                if entry.did == Did::Ended(true) {
                    assert_eq!(
                        entry.fence, job.fence.0,
                        "something followed the end: {history:#?}"
                    );
                }
            }
        }
        // The moment of each is not before those of all that came before it.
        latest = latest.max(entry.asked);
        assert!(
            entry.answered >= latest,
            "answered before what it follows was asked: {history:#?}"
        );
    }
    assert!(ended && fence == job.fence.0, "{history:#?}");
    (lost, refused)
}
