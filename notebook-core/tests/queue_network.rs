//! Q8: workers whose way to PostgreSQL is gone without a word, or stands still for longer than a lease.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

#[path = "support/postgres.rs"]
mod cluster;
#[path = "support/proxy.rs"]
mod proxy;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cluster::Cluster;
use notebook_core::{
    TenantId, TenantScope,
    postgres::PostgresConfig,
    queue::{
        ClaimRequest, Fence, Finish, Heartbeat, Job, JobId, JobState, KindRule, NewJob, Outcome,
        Pulse, Queue as _, QueuePolicy, WorkerId, Worklist as _,
        runner::{Ended, Handler, HandlerRule, Handlers, Runner, RunnerConfig, Work},
        sql::{QueueTime, SqlQueue},
    },
    store::sql::SqlStore,
};
use proxy::Proxy;
use serde_json::json;
use tokio::sync::Notify;

const PATIENCE: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(2);

fn scope() -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(1))
}

fn policy() -> QueuePolicy {
    QueuePolicy { lease: LEASE, ..QueuePolicy::default() }
}

async fn open(url: String, acquire_timeout: Duration) -> SqlQueue {
    let mut config = PostgresConfig::new(url);
    config.acquire_timeout = acquire_timeout;
    config.transaction_timeout = acquire_timeout * 2;
    let store = SqlStore::postgres(&config).await.unwrap();
    SqlQueue::new(&store, QueueTime::Database, policy())
}

async fn until(queue: &SqlQueue, id: JobId, good: impl Fn(&Job) -> bool) -> Job {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let job = queue.job(&scope(), id).await.unwrap();
        if good(&job) {
            return job;
        }
        assert!(Instant::now() < deadline, "{job:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Says who did it, at once or never.
struct Does {
    by: &'static str,
    never: bool,
    runs: Arc<Runs>,
}

/// What became of the run that never ends.
#[derive(Default)]
struct Runs {
    begun: AtomicBool,
    dropped: AtomicBool,
}

impl Runs {
    fn forget(&self) {
        self.begun.store(false, Ordering::SeqCst);
        self.dropped.store(false, Ordering::SeqCst);
    }
}

struct Flag(Arc<Runs>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::SeqCst);
    }
}

async fn until_set(flag: &AtomicBool, otherwise: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !flag.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "{otherwise}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[async_trait]
impl Handler for Does {
    async fn run(&self, _: Work) -> Ended {
        if self.never {
            let _flag = Flag(Arc::clone(&self.runs));
            self.runs.begun.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        Outcome::completed(json!(self.by)).into()
    }
}

fn handlers(kinds: [(&str, bool); 2], by: &'static str, runs: &Arc<Runs>) -> Handlers {
    kinds.into_iter().fold(Handlers::new(), |handlers, (kind, never)| {
        let does = Does { by, never, runs: Arc::clone(runs) };
        handlers.with(kind, HandlerRule::default(), does)
    })
}

fn start(queue: &SqlQueue, handlers: Handlers) -> Runner {
    let config = RunnerConfig { poll: Duration::from_millis(100), ..RunnerConfig::of(&policy()) };
    Runner::start(Arc::new(queue.clone()), handlers, Arc::new(Notify::new()), config).unwrap()
}

/// Connections that are dead without a word, of which none is ever answered or closed: the worker ends its run before
/// the lease does, another does the job, and the first comes back by new connections.
#[tokio::test(flavor = "multi_thread")]
async fn q8_a_worker_whose_connections_are_lost_without_a_word_comes_back() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(cluster.socket()).await;
    let near = open(cluster.url(), PATIENCE).await;
    let far = open(proxy.url(), Duration::from_secs(1)).await;
    let (runs, unused) = (Arc::<Runs>::default(), Arc::default());
    let _far_runner = start(&far, handlers([("shared", true), ("far", false)], "far", &runs));
    for round in 0..2_u64 {
        runs.forget();
        let job =
            near.insert(&scope(), vec![NewJob::new("shared", json!(round))]).await.unwrap()[0];
        until(&near, job, |job| job.state == JobState::Running).await;
        // It is running in the database before its worker has read that it has it.
        until_set(&runs.begun, "the run does not begin").await;
        // All of them: the pool's, those of heartbeats, and those that tell and listen. New ones get nowhere for now.
        proxy.lose();
        proxy.hold();
        let near_runner =
            start(&near, handlers([("shared", false), ("near", false)], "near", &unused));
        let done = until(&near, job, |job| job.state.is_final()).await;
        assert_eq!((done.state, done.result), (JobState::Completed, Some(json!("near"))));
        assert_eq!((done.fence, done.crash_count), (Fence(2), 1));
        near_runner.shutdown(Duration::ZERO).await;
        until_set(&runs.dropped, "the run that lost its lease goes on").await;
        // The lost ones stay lost.
        proxy.pass();
        let job = near.insert(&scope(), vec![NewJob::new("far", json!(round))]).await.unwrap()[0];
        let done = until(&near, job, |job| job.state.is_final()).await;
        assert_eq!(done.result, Some(json!("far")));
    }
}

/// What a worker sends arrives only after its lease: it counts for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn q8_what_arrives_after_the_lease_counts_for_nothing() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(cluster.socket()).await;
    let (near, far) = (open(cluster.url(), PATIENCE).await, open(proxy.url(), PATIENCE).await);
    let id = near.insert(&scope(), vec![NewJob::new("x", json!(1))]).await.unwrap()[0];
    let request = ClaimRequest {
        worker: WorkerId::new(),
        kinds: BTreeMap::from([("x".into(), KindRule::default())]),
        per_tenant: None,
        max: 1,
    };
    let first = far.claim(&request).await.unwrap().remove(0).job;
    proxy.hold();
    let end = |job: &Job, by: &str| Finish {
        id,
        fence: job.fence,
        outcome: Outcome::completed(json!(by)),
    };
    let (late, end_of_first) = (far.clone(), end(&first, "far"));
    let late = tokio::spawn(async move { late.finish(vec![end_of_first]).await });
    let (beating, beat) = (far.clone(), Heartbeat { id, fence: first.fence, progress: None });
    let beating = tokio::spawn(async move { beating.heartbeat(vec![beat]).await });
    let deadline = Instant::now() + PATIENCE;
    while near.rescue(10).await.unwrap() == 0 {
        assert!(Instant::now() < deadline, "the lease does not run out");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = near.claim(&request).await.unwrap().remove(0).job;
    assert!(!late.is_finished() && !beating.is_finished(), "something came through");
    proxy.pass();
    assert_eq!(beating.await.unwrap().unwrap(), [Pulse::Lost]);
    assert_eq!(late.await.unwrap().unwrap(), [false]);
    assert_eq!(near.finish(vec![end(&second, "near")]).await.unwrap(), [true]);
    let job = near.job(&scope(), id).await.unwrap();
    assert_eq!((job.fence, job.result), (Fence(2), Some(json!("near"))));
}
