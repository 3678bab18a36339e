//! Checkpoints that processes share: SQLite, PostgreSQL, Redis, and two tiers of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;
#[path = "support/redis.rs"]
mod server;

use std::{sync::Arc, time::Duration};

use cluster::Cluster;
use notebook_core::{
    ErrorKind, RunId, TenantId, TenantScope, Timestamp,
    checkpoint::{
        Checkpoint, Checkpoints,
        conformance::{self, Capabilities, Subject},
        memory::MemoryCheckpoints,
        redis::RedisCheckpoints,
        sql::SqlCheckpoints,
        tiered::Tiered,
    },
    clock::{ManualClock, SystemClock},
    postgres::PostgresConfig,
    queue::{
        Fence, QueuePolicy,
        outbox::Outbox as _,
        sql::{QueueTime, SqlQueue},
    },
    redis::{RedisConfig, RedisPubSub},
    run_log::RunLog as _,
    sqlite::SqliteConfig,
    store::{ConversationStore as _, NotebookStore as _, conformance::samples, sql::SqlStore},
};
use server::RedisServer;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)))
}

async fn sqlite(folder: &tempfile::TempDir) -> SqlStore {
    SqlStore::sqlite(SqliteConfig::new(folder.path().join("a.db"))).await.unwrap()
}

async fn postgres(cluster: &Cluster) -> SqlStore {
    let mut config = PostgresConfig::new(cluster.url());
    config.acquire_timeout = Duration::from_secs(60);
    SqlStore::postgres(&config).await.unwrap()
}

async fn redis(server: &RedisServer) -> Arc<RedisPubSub> {
    Arc::new(RedisPubSub::start(RedisConfig::new(server.url())).await.unwrap())
}

fn sql(store: &SqlStore, clock: &Arc<ManualClock>) -> Arc<dyn Checkpoints> {
    Arc::new(SqlCheckpoints::new(store, QueueTime::Clock(clock.clone())))
}

#[allow(clippy::disallowed_methods, reason = "a test acts for a tenant of its own")]
fn tenant() -> TenantScope {
    TenantScope::authenticated(TenantId::new())
}

async fn suite(processes: [Arc<dyn Checkpoints>; 2], clock: Arc<ManualClock>, prunes: bool) {
    let capabilities = Capabilities { prunes };
    let skipped = conformance::run_all(&Subject { processes, clock, capabilities }).await;
    assert_eq!(skipped.is_empty(), prunes, "{skipped:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_sqlite_keeps_every_promise() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let stores = [sqlite(&folder).await, sqlite(&folder).await];
    suite(stores.map(|store| sql(&store, &clock)), clock, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_postgres_keeps_every_promise() {
    let (cluster, clock) = (Cluster::start(), clock());
    let stores = [postgres(&cluster).await, postgres(&cluster).await];
    suite(stores.map(|store| sql(&store, &clock)), clock, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_redis_keeps_every_promise() {
    let server = RedisServer::start();
    let links = [redis(&server).await, redis(&server).await];
    let processes =
        links.map(|link| -> Arc<dyn Checkpoints> { Arc::new(RedisCheckpoints::new(link)) });
    suite(processes, clock(), false).await;
}

/// Redis before PostgreSQL, at two processes. What Redis has goes by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_two_tiers_keep_every_promise() {
    let (cluster, server, clock) = (Cluster::start(), RedisServer::start(), clock());
    let mut processes = Vec::new();
    for _ in 0..2 {
        let hot = Arc::new(RedisCheckpoints::new(redis(&server).await));
        let cold = sql(&postgres(&cluster).await, &clock);
        let patience = Duration::from_secs(60);
        let tiered = Tiered::new(hot, cold, Arc::new(SystemClock), patience);
        processes.push(Arc::new(tiered) as Arc<dyn Checkpoints>);
    }
    let processes: [_; 2] = processes.try_into().ok().unwrap();
    suite(processes, clock, false).await;
}

/// D2: what is in the file survives the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_checkpoints_are_in_the_file() {
    let (folder, clock, scope) = (tempfile::tempdir().unwrap(), clock(), tenant());
    let checkpoint =
        Checkpoint { run: RunId::new(), fence: Fence(3), version: 8, schema: 2, body: vec![1, 0] };
    let store = sqlite(&folder).await;
    sql(&store, &clock).save(&scope, &checkpoint).await.unwrap();
    store.close().await.unwrap();
    let store = sqlite(&folder).await;
    let checkpoints = sql(&store, &clock);
    let lost = checkpoints.take(&scope, checkpoint.run, Fence(2)).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Conflict);
    let found = checkpoints.take(&scope, checkpoint.run, Fence(4)).await.unwrap();
    assert_eq!(found, Some(checkpoint));
}

/// A5: with a conversation, or all of a hidden notebook, go the places where its runs stand, and nobody else's.
async fn a5_checkpoints_go_with_their_runs(store: &SqlStore) {
    let (clock, scope, other) = (clock(), tenant(), tenant());
    let checkpoints = sql(store, &clock);
    for whole in [false, true] {
        let notebook = store.create_notebook(&scope, samples::notebook()).await.unwrap();
        let mut kept = Vec::new();
        for _ in 0..2 {
            let new = samples::conversation(notebook.id);
            let conversation = store.create_conversation(&scope, new).await.unwrap();
            let run = store.open(&scope, samples::new_run(&conversation)).await.unwrap().run().id;
            let checkpoint =
                Checkpoint { run, fence: Fence(1), version: 1, schema: 1, body: vec![] };
            checkpoints.save(&scope, &checkpoint).await.unwrap();
            checkpoints.save(&other, &checkpoint).await.unwrap();
            kept.push((conversation.id, run));
        }
        if whole {
            assert_eq!(
                store.empty_notebook(&scope, notebook.id, 10).await.unwrap(),
                0,
                "it is not hidden"
            );
            assert!(checkpoints.read(&scope, kept[0].1).await.unwrap().is_some());
            let time = QueueTime::Clock(clock.clone());
            let queue = SqlQueue::new(store, time, QueuePolicy::default());
            queue.hide_notebook(&scope, notebook.id, vec![]).await.unwrap();
            assert_eq!(store.empty_notebook(&scope, notebook.id, 10).await.unwrap(), 2);
        } else {
            store.delete_conversation(&scope, kept[0].0).await.unwrap();
        }
        let there = |scope: TenantScope, run| {
            let checkpoints = checkpoints.clone();
            async move { checkpoints.read(&scope, run).await.unwrap().is_some() }
        };
        assert!(!there(scope.clone(), kept[0].1).await);
        assert_eq!(there(scope.clone(), kept[1].1).await, !whole);
        assert!(there(other.clone(), kept[0].1).await && there(other.clone(), kept[1].1).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_checkpoints_go_with_their_runs_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    a5_checkpoints_go_with_their_runs(&sqlite(&folder).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_checkpoints_go_with_their_runs_in_postgres() {
    let cluster = Cluster::start();
    a5_checkpoints_go_with_their_runs(&postgres(&cluster).await).await;
}

/// D2: keys in Redis go by themselves, and each use prolongs them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_keys_in_redis_live_as_long_as_they_are_used() {
    let server = RedisServer::start();
    let checkpoints = RedisCheckpoints::kept_for(redis(&server).await, Duration::from_secs(100));
    let (scope, run) = (tenant(), RunId::new());
    let at = |version| Checkpoint { run, fence: Fence(1), version, schema: 1, body: vec![] };
    let key = format!("notebook:checkpoint:{}:{run}", scope.tenant());
    let left = || server.cli(&["PTTL", &key]).trim().parse::<i64>().unwrap();
    let age = || server.cli(&["PEXPIRE", &key, "5000"]);
    checkpoints.save(&scope, &at(1)).await.unwrap();
    assert!((90_000..=100_000).contains(&left()), "{}", left());
    age();
    assert!(checkpoints.read(&scope, run).await.unwrap().is_some());
    assert!(left() > 90_000, "reading prolongs");
    age();
    assert!(checkpoints.take(&scope, run, Fence(1)).await.unwrap().is_some());
    assert!(left() > 90_000, "taking prolongs");
    age();
    checkpoints.save(&scope, &at(2)).await.unwrap();
    assert!(left() > 90_000, "writing prolongs");
}

/// D2: PostgreSQL is killed in the middle of a run: it goes on from memory, says so, and PostgreSQL has all of it when it is back. Then
/// Redis is killed, and PostgreSQL does all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_a_store_that_dies_in_the_middle_of_a_run() {
    let (mut cluster, mut server) = (Cluster::start(), RedisServer::start());
    let store = postgres(&cluster).await;
    let cold = Arc::new(SqlCheckpoints::new(&store, QueueTime::Database));
    let memory = Arc::new(MemoryCheckpoints::new(Arc::new(SystemClock)));
    let in_redis = Arc::new(RedisCheckpoints::new(redis(&server).await));
    let tiers = [memory as Arc<dyn Checkpoints>, in_redis]
        .map(|hot| Tiered::new(hot, cold.clone(), Arc::new(SystemClock), Duration::from_secs(2)));
    let (scope, runs) = (tenant(), [RunId::new(), RunId::new()]);
    let at = |run, version| Checkpoint { run, fence: Fence(1), version, schema: 1, body: vec![9] };
    for (tiered, run) in tiers.iter().zip(runs) {
        tiered.save(&scope, &at(run, 1)).await.unwrap();
        assert!(!tiered.is_degraded());
    }
    cluster.die();
    for (tiered, run) in tiers.iter().zip(runs) {
        for version in 2..6 {
            tiered.save(&scope, &at(run, version)).await.unwrap();
        }
        assert!(tiered.is_degraded());
        let taken = tiered.take(&scope, run, Fence(1)).await.unwrap();
        assert_eq!(taken.map(|taken| taken.version), Some(5));
    }
    cluster.rise();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    for (tiered, run) in tiers.iter().zip(runs) {
        while tiered.catch_up().await > 0 {
            assert!(tokio::time::Instant::now() < deadline, "{tiered:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let found = cold.read(&scope, run).await.unwrap();
        assert_eq!(found.map(|found| found.version), Some(5));
    }
    server.kill();
    let [_, tiered] = &tiers;
    tiered.save(&scope, &at(runs[1], 6)).await.unwrap();
    assert!(tiered.is_degraded());
    let found = tiered.read(&scope, runs[1]).await.unwrap();
    assert_eq!(found.map(|found| found.version), Some(6));
}
