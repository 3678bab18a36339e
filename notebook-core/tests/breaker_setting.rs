//! C2: what is decided of breakers by hand, shared by processes: SQLite, PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;

use std::sync::Arc;

use cluster::Cluster;
use notebook_core::{
    breaker_setting::{BreakerSettings, conformance, sql::SqlBreakerSettings},
    postgres::PostgresConfig,
    sqlite::SqliteConfig,
    store::sql::SqlStore,
};

async fn sqlite(folder: &tempfile::TempDir) -> SqlStore {
    SqlStore::sqlite(SqliteConfig::new(folder.path().join("a.db"))).await.unwrap()
}

async fn suite(stores: [SqlStore; 2]) {
    let processes =
        stores.map(|store| Arc::new(SqlBreakerSettings::new(&store)) as Arc<dyn BreakerSettings>);
    conformance::run_all(&processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_sqlite_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    suite([sqlite(&folder).await, sqlite(&folder).await]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_postgres_keeps_every_promise() {
    let cluster = Cluster::start();
    let open = || async { SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap() };
    suite([open().await, open().await]).await;
}
