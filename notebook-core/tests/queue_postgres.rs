//! The queue in PostgreSQL, in a cluster of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cluster::Cluster;
use notebook_core::{
    ErrorKind, TenantId, TenantScope, Timestamp,
    clock::ManualClock,
    postgres::PostgresConfig,
    queue::{
        ClaimRequest, Finish, Heartbeat, JobId, JobState, KindRule, NewJob, Outcome, Pulse, Queue,
        QueuePolicy, WorkerId, Worklist,
        conformance::{self, outbox::Shared},
        outbox::{Outbox as _, SourceChange},
        sql::{QueueTime, SqlQueue},
    },
    store::{NotebookStore as _, SourceStore as _, conformance::samples, sql::SqlStore},
};
use serde_json::json;
use tokio::sync::Notify;

async fn open(cluster: &Cluster, time: QueueTime) -> SqlQueue {
    let config = PostgresConfig::new(cluster.url());
    let store = SqlStore::postgres(&config).await.unwrap();
    SqlQueue::new(&store, time, QueuePolicy::default())
}

#[allow(clippy::disallowed_methods)]
fn scope() -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(1))
}

fn request(max: usize) -> ClaimRequest {
    let rule = KindRule { payload_version: 1, limit: None, ..KindRule::default() };
    let kinds = BTreeMap::from([("x".into(), rule)]);
    ClaimRequest { worker: WorkerId::new(), kinds, per_tenant: None, max }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms() {
    let cluster = Cluster::start();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let queue = open(&cluster, QueueTime::Clock(clock.clone())).await;
    conformance::run_all(&queue, &|by| clock.advance(by)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_conforms() {
    let cluster = Cluster::start();
    let store = SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap();
    let queue = SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default());
    let shared =
        Shared { store: &store, log: &store, queue: &queue, worklist: &queue, outbox: &queue };
    conformance::outbox::run_all(shared).await;
}

/// Q12: the machine's clock does not matter; the database's does.
#[tokio::test(flavor = "multi_thread")]
async fn q12_time_is_the_database_s_and_two_processes_share_the_work() {
    let cluster = Cluster::start();
    // Both make the tables at once.
    let queues =
        tokio::join!(open(&cluster, QueueTime::Database), open(&cluster, QueueTime::Database));
    let queues = [queues.0, queues.1];
    let jobs = (0..200).map(|_| NewJob::new("x", json!(1))).collect();
    queues[0].insert(&scope(), jobs).await.unwrap();
    let claims = (0..40).map(|i| {
        let queue = queues[i % 2].clone();
        tokio::spawn(async move { queue.claim(&request(10)).await.unwrap() })
    });
    let claimed = futures::future::join_all(claims).await;
    let ids: Vec<JobId> =
        claimed.into_iter().flat_map(Result::unwrap).map(|claimed| claimed.job.id).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (200, 200));
    let job = queues[1].job(&scope(), ids[0]).await.unwrap();
    let lease = job.lease_until.unwrap().since(job.created_at);
    assert!((Duration::from_secs(60)..Duration::from_secs(120)).contains(&lease), "{lease:?}");
}

/// Q39, T8: callers that go away in the middle leave neither an open transaction nor a lost connection.
#[tokio::test(flavor = "multi_thread")]
async fn q39_calls_that_are_dropped_leave_nothing_open() {
    let cluster = Cluster::start();
    let mut config = PostgresConfig::new(cluster.url());
    config.connections = 3;
    config.acquire_timeout = Duration::from_secs(5);
    let store = SqlStore::postgres(&config).await.unwrap();
    let queue = SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default());
    let jobs = (0..300).map(|_| NewJob::new("x", json!(1))).collect();
    let ids = queue.insert(&scope(), jobs).await.unwrap();
    for round in 0..200_u64 {
        let request = request(2);
        let claim = queue.claim(&request);
        let _ = tokio::time::timeout(Duration::from_micros(round * 20), claim).await;
    }
    // All connections work, and none sees what was half done.
    let reads = ids.iter().map(|id| {
        let (queue, id) = (queue.clone(), *id);
        tokio::spawn(async move { queue.job(&scope(), id).await.unwrap() })
    });
    for job in futures::future::join_all(reads).await {
        let job = job.unwrap();
        let running = job.state == JobState::Running;
        assert_eq!((running, job.lease_until.is_some()), (job.fence.0 == 1, running), "{job:?}");
    }
}

/// A job that one process stores is heard of in another at once, again after the database was down; a lost ring
/// (Q37) costs a poll.
#[tokio::test(flavor = "multi_thread")]
async fn q37_new_jobs_are_heard_of_in_another_process() {
    let mut cluster = Cluster::start();
    let queues =
        [open(&cluster, QueueTime::Database).await, open(&cluster, QueueTime::Database).await];
    let bell = Arc::new(Notify::new());
    let (listening, rung) = (queues[1].clone(), bell.clone());
    let listener = tokio::spawn(async move { listening.listen(&rung).await });
    let patience = Duration::from_secs(20);
    // It rings once when it begins to listen.
    tokio::time::timeout(patience, bell.notified()).await.unwrap();
    let insert = async || queues[0].insert(&scope(), vec![NewJob::new("x", json!(1))]).await;
    for _ in 0..3 {
        insert().await.unwrap();
        tokio::time::timeout(patience, bell.notified()).await.unwrap();
    }
    cluster.crash();
    tokio::time::timeout(patience, bell.notified()).await.expect("it rings after a break");
    // However many rings the break made, one follows each job.
    for _ in 0..3 {
        while insert().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::timeout(patience, bell.notified()).await.unwrap();
    }
    listener.abort();
}

/// Q38: when every connection of the pool waits, leases are kept all the same.
#[tokio::test(flavor = "multi_thread")]
async fn q38_heartbeats_get_through_when_the_pool_is_used_up() {
    let cluster = Arc::new(Cluster::start());
    let mut config = PostgresConfig::new(cluster.url());
    config.connections = 2;
    let store = SqlStore::postgres(&config).await.unwrap();
    let queue = SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default());
    queue.insert(&scope(), vec![NewJob::new("x", json!(1))]).await.unwrap();
    let job = queue.claim(&request(1)).await.unwrap().remove(0).job;
    let (held, holder) = (Arc::new(AtomicBool::new(true)), Arc::clone(&cluster));
    let lock = "BEGIN; LOCK TABLE notebook.notebooks; SELECT pg_sleep(4); COMMIT";
    let own = Arc::clone(&held);
    let holder = tokio::task::spawn_blocking(move || {
        holder.query(lock);
        own.store(false, Ordering::SeqCst);
    });
    let is_locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
        AND relation = 'notebook.notebooks'::regclass";
    while cluster.query(is_locked) != ["1"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let calls = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.create_notebook(&scope(), samples::notebook()).await })
    });
    let calls: Vec<_> = calls.collect();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while cluster.query(waiting) != ["2"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let beat = Heartbeat { id: job.id, fence: job.fence, progress: None };
    assert_eq!(queue.heartbeat(vec![beat]).await.unwrap(), [Pulse::Kept]);
    assert!(held.load(Ordering::SeqCst), "the pool was free again: this showed nothing");
    holder.await.unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

/// Q38: an end that takes long to be stored holds up no other lease, and loses none: its own, whose fence is checked, is
/// left as it is.
#[tokio::test(flavor = "multi_thread")]
async fn q38_a_slow_end_holds_up_no_heartbeat() {
    let cluster = Arc::new(Cluster::start());
    let store = SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap();
    let queue = SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default());
    let notebook = store.create_notebook(&scope(), samples::notebook()).await.unwrap();
    let source = samples::source(notebook.id);
    store.create_source(&scope(), source.clone()).await.unwrap();
    queue.insert(&scope(), (0..2).map(|_| NewJob::new("x", json!(1))).collect()).await.unwrap();
    let claimed = queue.claim(&request(2)).await.unwrap();
    let [slow, other] = [&claimed[0].job, &claimed[1].job];
    let (held, holder) = (Arc::new(AtomicBool::new(true)), Arc::clone(&cluster));
    let own = Arc::clone(&held);
    let holder = tokio::task::spawn_blocking(move || {
        holder
            .query("BEGIN; SELECT 1 FROM notebook.sources FOR UPDATE; SELECT pg_sleep(4); COMMIT");
        own.store(false, Ordering::SeqCst);
    });
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while cluster.query(sleeps) != ["1"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ending = {
        let outcome = Outcome::completed(json!("slow"));
        let end = Finish { id: slow.id, fence: slow.fence, outcome };
        let (queue, made) = (queue.clone(), SourceChange { source, text: None });
        tokio::spawn(async move { queue.finish_source(&scope(), end, made).await })
    };
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while cluster.query(waits) != ["1"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let beat = |job: &notebook_core::queue::Job, back| Heartbeat {
        id: job.id,
        fence: notebook_core::queue::Fence(job.fence.0 - back),
        progress: None,
    };
    let beats = vec![beat(slow, 0), beat(other, 0), beat(slow, 1)];
    assert_eq!(
        queue.heartbeat(beats).await.unwrap(),
        [Pulse::Busy, Pulse::Kept, Pulse::Lost],
        "a run that lost its job is told so whatever holds the row"
    );
    assert!(held.load(Ordering::SeqCst), "the row was free again: this showed nothing");
    assert_eq!(queue.rescue(10).await.unwrap(), 0);
    holder.await.unwrap();
    assert!(ending.await.unwrap().unwrap());
    assert_eq!(queue.job(&scope(), slow.id).await.unwrap().result, Some(json!("slow")));
    let beats = vec![beat(slow, 0), beat(other, 0)];
    assert_eq!(queue.heartbeat(beats).await.unwrap(), [Pulse::Lost, Pulse::Kept]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_says_why() {
    let cluster = Cluster::start();
    let open = async |change: &dyn Fn(&mut PostgresConfig)| {
        let mut config = PostgresConfig::new(cluster.url());
        config.acquire_timeout = Duration::from_secs(2);
        change(&mut config);
        SqlStore::postgres(&config).await.expect_err("it must not open")
    };
    let error = open(&|config| config.schema = "a; DROP TABLE jobs".into()).await;
    assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("schema")));
    let error = open(&|config| config.url = notebook_core::Secret::new("no url".to_owned())).await;
    assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some("url")));
    let nowhere = "postgres://test@localhost/postgres?host=/nowhere";
    let error = open(&|config| config.url = notebook_core::Secret::new(nowhere.to_owned())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}
