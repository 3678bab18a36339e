//! Counts of keys' uses that processes share: SQLite, PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;

use std::sync::Arc;

use cluster::Cluster;
use notebook_core::{
    Secret, Timestamp,
    key_usage::{Day, KeyHash, KeyUsage, Use, conformance, sql::SqlKeyUsage},
    postgres::PostgresConfig,
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};

async fn sqlite(folder: &tempfile::TempDir) -> SqlStore {
    SqlStore::sqlite(SqliteConfig::new(folder.path().join("a.db"))).await.unwrap()
}

async fn postgres(cluster: &Cluster) -> SqlStore {
    SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap()
}

async fn suite(stores: [SqlStore; 2]) {
    let processes = stores.map(|store| Arc::new(SqlKeyUsage::new(&store)) as Arc<dyn KeyUsage>);
    conformance::run_all(&processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    suite([sqlite(&folder).await, sqlite(&folder).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_every_promise() {
    let cluster = Cluster::start();
    suite([postgres(&cluster).await, postgres(&cluster).await]).await;
}

/// C3: what was counted, and who rests, is there after a restart; the key itself is nowhere in the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_counts_survive_a_restart_and_keys_are_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let key = "sk-proj-4f7a1c9e5b2d8036";
    let (hash, now) = (KeyHash::of(&Secret::new(key)), Timestamp::from_millis(1_700_000_000_000));
    let until = Timestamp::from_millis(1_700_000_060_000);
    let store = sqlite(&folder).await;
    let usage = SqlKeyUsage::new(&store);
    for used in 1..=3 {
        let found = usage.take(hash, Day(19_675), Some(3), now).await.unwrap();
        assert_eq!(found, Use::Counted { used });
    }
    usage.rest(hash, until).await.unwrap();
    store.close().await.unwrap();
    let store = sqlite(&folder).await;
    let usage = SqlKeyUsage::new(&store);
    let found = usage.take(hash, Day(19_675), Some(3), now).await.unwrap();
    assert_eq!(found, Use::Resting { until });
    assert_eq!(usage.take(hash, Day(19_675), Some(3), until).await.unwrap(), Use::Spent);
    store.close().await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|part| part == key.as_bytes()));
    }
}
