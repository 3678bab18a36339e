//! Rate limits that processes share: SQLite, PostgreSQL, Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;
#[path = "support/redis.rs"]
mod server;

use std::{sync::Arc, time::Duration};

use cluster::Cluster;
use futures::future::join_all;
use notebook_core::{
    Timestamp, UserId,
    clock::{ManualClock, SystemClock},
    postgres::PostgresConfig,
    queue::sql::QueueTime,
    rate_limit::{
        Decision, Key, Policy, RateLimits, Subject as Whose, Want,
        ahead::Ahead,
        conformance::{self, Subject},
        fallback::Fallback,
        memory::MemoryRateLimits,
        redis::RedisRateLimits,
        sql::SqlRateLimits,
    },
    redis::{RedisConfig, RedisPubSub},
    sqlite::SqliteConfig,
    store::sql::SqlStore,
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
    config.connections = 8;
    config.acquire_timeout = Duration::from_secs(60);
    SqlStore::postgres(&config).await.unwrap()
}

async fn redis(server: &RedisServer) -> Arc<RedisPubSub> {
    Arc::new(RedisPubSub::start(RedisConfig::new(server.url())).await.unwrap())
}

async fn suite(processes: [impl RateLimits; 2], clock: Arc<ManualClock>) {
    let processes = processes.map(|process| Arc::new(process) as Arc<dyn RateLimits>);
    conformance::run_all(&Subject { processes, clock }).await;
}

fn key() -> Key {
    Key::new("ask", &Whose::User(UserId::new()))
}

async fn one(limits: &dyn RateLimits, key: Key, policy: &Policy) -> Decision {
    limits.take(key, policy, Want::of(1)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let stores = [sqlite(&folder).await, sqlite(&folder).await];
    suite(stores.map(|s| SqlRateLimits::new(&s, QueueTime::Clock(clock.clone()))), clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_every_promise() {
    let (cluster, clock) = (Cluster::start(), clock());
    let stores = [postgres(&cluster).await, postgres(&cluster).await];
    suite(stores.map(|s| SqlRateLimits::new(&s, QueueTime::Clock(clock.clone()))), clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_every_promise() {
    let (server, clock) = (RedisServer::start(), clock());
    let links = [redis(&server).await, redis(&server).await];
    suite(links.map(|link| RedisRateLimits::with_clock(link, clock.clone())), clock).await;
}

/// With the layer for a store that is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fallback_keeps_every_promise() {
    let (cluster, clock) = (Cluster::start(), clock());
    let stores = [postgres(&cluster).await, postgres(&cluster).await];
    let layered = stores.map(|store| {
        let shared = Arc::new(SqlRateLimits::new(&store, QueueTime::Clock(clock.clone())));
        let local = Arc::new(MemoryRateLimits::new(clock.clone()));
        Fallback::new(shared, local, clock.clone(), Duration::from_secs(60))
    });
    suite(layered, clock).await;
}

/// The store's own time: what comes back comes back, and 200 at once at two processes with layers meet the limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_storage_own_time_exactly_the_limit_passes() {
    let (folder, cluster, server) =
        (tempfile::tempdir().unwrap(), Cluster::start(), RedisServer::start());
    let by_database = |store: SqlStore| -> Arc<dyn RateLimits> {
        Arc::new(SqlRateLimits::new(&store, QueueTime::Database))
    };
    let by_redis = |link| -> Arc<dyn RateLimits> { Arc::new(RedisRateLimits::new(link)) };
    let pairs = [
        [sqlite(&folder).await, sqlite(&folder).await].map(by_database),
        [postgres(&cluster).await, postgres(&cluster).await].map(by_database),
        [redis(&server).await, redis(&server).await].map(by_redis),
    ];
    for pair in pairs {
        let layered = pair.map(|shared| {
            let clock = Arc::new(SystemClock);
            let local = Arc::new(MemoryRateLimits::new(clock.clone()));
            let ahead = Arc::new(Ahead::new(shared, clock.clone()));
            Fallback::new(ahead, local, clock, Duration::from_secs(60))
        });
        // So slow that nothing comes back during the test.
        for limit in [50, 150] {
            let (key, policy) =
                (key(), Policy::new(limit, Duration::from_secs(864_000), None).unwrap());
            let calls = (0..200).map(|i| one(&layered[i % 2], key, &policy));
            let allowed = join_all(calls).await.iter().filter(|found| found.allowed).count();
            assert_eq!(allowed, limit as usize);
        }
        // And so quick that something does.
        let (key, policy) = (key(), Policy::new(5, Duration::from_millis(100), Some(1)).unwrap());
        assert!(one(&layered[0], key, &policy).await.allowed);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while !one(&layered[1], key, &policy).await.allowed {
            assert!(tokio::time::Instant::now() < deadline, "it never comes back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for limits in &layered {
            assert!(!limits.is_alone());
            limits.prune(1_000).await.unwrap();
        }
    }
}

/// PostgreSQL and Redis are killed: requests go on by limits of their own process, and are counted together again when
/// they are back. What Redis and an unlogged table knew is forgotten then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_dies_leaves_local_limits() {
    let (mut cluster, mut server) = (Cluster::start(), RedisServer::start());
    let stores: [Arc<dyn RateLimits>; 2] = [
        Arc::new(SqlRateLimits::new(&postgres(&cluster).await, QueueTime::Database)),
        Arc::new(RedisRateLimits::new(redis(&server).await)),
    ];
    let clock = Arc::new(SystemClock);
    let layered = stores.map(|shared| {
        let local = Arc::new(MemoryRateLimits::new(clock.clone()));
        let ahead = Arc::new(Ahead::new(shared, clock.clone()));
        Fallback::new(ahead, local, clock.clone(), Duration::from_secs(10))
    });
    let policy = Policy::new(10, Duration::from_secs(864_000), None).unwrap();
    for limits in &layered {
        assert_eq!(one(limits, key(), &policy).await.remaining, 9);
        assert!(!limits.is_alone());
    }
    cluster.die();
    server.kill();
    for limits in &layered {
        let key = key();
        let mut allowed = 0;
        for _ in 0..30 {
            allowed += u32::from(one(limits, key, &policy).await.allowed);
        }
        assert_eq!(allowed, 10, "a limit, and no more");
        assert!(limits.is_alone());
    }
    cluster.rise();
    server.restart();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    for limits in &layered {
        let key = key();
        while limits.is_alone() {
            assert!(tokio::time::Instant::now() < deadline, "{limits:?}");
            one(limits, key, &policy).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Keys do not stay in Redis, and are those of the deployment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_redis_go_by_themselves() {
    let server = RedisServer::start();
    let mut config = RedisConfig::new(server.url());
    config.channel = "staging".to_owned();
    let link = Arc::new(RedisPubSub::start(config).await.unwrap());
    let limits = RedisRateLimits::new(link);
    let policy = Policy::new(10, Duration::from_secs(100), None).unwrap();
    limits.take(key(), &policy, Want::of(3)).await.unwrap();
    let keys = server.cli(&["KEYS", "staging:limit:*"]);
    let left: u64 = server.cli(&["PTTL", keys.trim()]).trim().parse().unwrap();
    assert!((1..=30_000).contains(&left), "{keys}: {left} ms");
}
