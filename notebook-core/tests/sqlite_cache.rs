//! The cache in SQLite beyond its conformance suite.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use notebook_core::{
    ErrorKind,
    cache::{
        Cache, CacheKey,
        conformance::{self, Capabilities},
        sqlite::SqliteCache,
    },
    sqlite::SqliteConfig,
    store::{conformance::samples, sql::SqlStore},
};
use tempfile::TempDir;

const MAX: usize = 256 << 10;

async fn open(folder: &TempDir) -> SqliteCache {
    SqliteCache::open(SqliteConfig::new(folder.path().join("cache.db")), MAX).await.unwrap()
}

fn key(name: usize) -> CacheKey {
    CacheKey::of(&[&name.to_le_bytes()])
}

#[tokio::test]
async fn sqlite_keeps_every_promise_of_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(&folder).await;
    let capabilities = Capabilities { max_bytes: Some(MAX), least_recently_used: false };
    let skipped = conformance::run_all(&cache, &capabilities).await;
    assert_eq!(skipped, ["a_read_entry_outlives_others"]);
}

#[tokio::test]
async fn entries_are_there_after_reopening_and_the_file_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let scope = samples::tenant();
    let cache = open(&folder).await;
    for i in 0..2_000 {
        cache.put(&scope, vec![(key(i), vec![1; 1_000])]).await.unwrap();
    }
    cache.close().await.unwrap();
    let bytes = std::fs::metadata(folder.path().join("cache.db")).unwrap().len();
    assert!(bytes < 3 * MAX as u64, "{bytes} bytes");
    let cache = open(&folder).await;
    let got = cache.get(&scope, &[key(1_999), key(0)]).await.unwrap();
    assert_eq!(got, [Some(vec![1; 1_000]), None]);
}

#[tokio::test]
async fn an_entry_read_now_and_then_outlives_others() {
    let folder = tempfile::tempdir().unwrap();
    let scope = samples::tenant();
    let cache = open(&folder).await;
    for i in 0..2_000 {
        cache.put(&scope, vec![(key(i), vec![1; 1_000])]).await.unwrap();
        if i % 20 == 0 {
            assert!(cache.get(&scope, &[key(0)]).await.unwrap()[0].is_some(), "gone after {i}");
        }
    }
    assert_eq!(cache.get(&scope, &[key(1)]).await.unwrap(), [None]);
}

#[tokio::test]
async fn a_file_that_is_no_cache_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    std::fs::write(&path, b"broken".repeat(2_000)).unwrap();
    let error = SqliteCache::open(SqliteConfig::new(&path), MAX).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.context("cache").unwrap().contains("may be deleted"));
    // A store's file is no cache either.
    let path = folder.path().join("notebook.db");
    SqlStore::sqlite(SqliteConfig::new(&path)).await.unwrap().close().await.unwrap();
    let error = SqliteCache::open(SqliteConfig::new(&path), MAX).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}
