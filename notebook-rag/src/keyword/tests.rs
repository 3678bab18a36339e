use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::FutureExt;
use notebook_core::{
    ErrorKind, NotebookId, SourceId, TenantId, TenantScope,
    keyword::{KeywordIndex, KeywordRecord, conformance},
    vector::ChunkFilter,
};

use super::{KeywordConfig, TantivyIndex};

fn scope(tenant: u128) -> TenantScope {
    #[allow(clippy::disallowed_methods, reason = "a test")]
    TenantScope::authenticated(TenantId::from_u128(tenant))
}

fn record(ordinal: u32, text: &str) -> KeywordRecord {
    KeywordRecord { ordinal, headings: String::new(), text: text.to_owned() }
}

fn index(folder: &Path) -> TantivyIndex {
    TantivyIndex::new(KeywordConfig::in_folder(folder)).unwrap()
}

async fn found(index: &TantivyIndex, scope: &TenantScope, text: &str) -> Vec<u128> {
    let hits = index.search(scope, text, 10, &ChunkFilter::default()).await.unwrap();
    hits.iter().map(|hit| hit.key.source.as_u128()).collect()
}

async fn store(index: &TantivyIndex, scope: &TenantScope, source: u128, text: &str) {
    let source = SourceId::from_u128(source);
    index.add(scope, NotebookId::from_u128(1), source, vec![record(0, text)]).await.unwrap();
    index.commit(scope).await.unwrap();
}

#[tokio::test]
async fn tantivy_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let index: Arc<dyn KeywordIndex> = Arc::new(index(folder.path()));
        async move { Ok(index) }.boxed()
    };
    assert_eq!(conformance::run_all(&open).await, Vec::<String>::new());
}

/// With one open tenant at most, every call opens another.
#[tokio::test]
async fn tantivy_conforms_with_one_open_tenant_and_no_idle_writer() {
    let folder = tempfile::tempdir().unwrap();
    let config = KeywordConfig {
        open_tenants: 1,
        writer_idle: Duration::from_millis(1),
        ..KeywordConfig::in_folder(folder.path())
    };
    let open = || {
        let index: Arc<dyn KeywordIndex> = Arc::new(TantivyIndex::new(config.clone()).unwrap());
        async move { Ok(index) }.boxed()
    };
    assert_eq!(conformance::run_all(&open).await, Vec::<String>::new());
}

/// A copy of the folder is what a kill -9 at that moment leaves behind.
fn crash(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for tenant in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let target = copy.path().join(tenant.file_name());
        std::fs::create_dir(&target).unwrap();
        for file in std::fs::read_dir(tenant.path()).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
        }
    }
    copy
}

#[tokio::test]
async fn after_a_crash_the_committed_is_there_and_the_rest_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (before, scope) = (index(folder.path()), scope(1));
    store(&before, &scope, 1, "a bee").await;
    store(&before, &scope, 2, "a bee").await;
    let (notebook, half) = (NotebookId::from_u128(1), SourceId::from_u128(3));
    before.add(&scope, notebook, half, vec![record(0, "a bee")]).await.unwrap();
    // The delete makes the engine commit what is only half added.
    before.delete_source(&scope, SourceId::from_u128(1)).await.unwrap();
    let copy = crash(folder.path());

    let after = index(copy.path());
    assert_eq!(found(&after, &scope, "bee").await, [2]);
    assert_eq!(after.count(&scope, &ChunkFilter::default()).await.unwrap(), 1);
    after.commit(&scope).await.unwrap();
    assert_eq!(found(&after, &scope, "bee").await, [2]);
    store(&after, &scope, 3, "a bee").await;
    assert_eq!(found(&after, &scope, "bee").await, [2, 3]);

    // The process that did not crash goes on as if nothing had happened.
    before.commit(&scope).await.unwrap();
    assert_eq!(found(&before, &scope, "bee").await, [2, 3]);
}

#[tokio::test]
async fn stems_and_accents_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let (index, scope) = (index(folder.path()), scope(1));
    store(&index, &scope, 1, "Connections between Café owners").await;
    for text in ["connected", "cafe", "OWNING"] {
        let expected: &[u128] = if text == "OWNING" { &[] } else { &[1] };
        assert_eq!(found(&index, &scope, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn an_unknown_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let scope = scope(1);
    store(&index(folder.path()), &scope, 1, "a bee").await;
    let file = folder.path().join(TenantId::from_u128(1).to_string()).join("keyword-index.json");
    std::fs::write(&file, r#"{"version":99}"#).unwrap();
    let error =
        index(folder.path()).search(&scope, "bee", 1, &ChunkFilter::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(error.context("found"), Some("version 99"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), r#"{"version":99}"#);
}

#[tokio::test]
async fn searching_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (index, scope) = (index(&folder.path().join("terms")), scope(1));
    assert!(found(&index, &scope, "bee").await.is_empty());
    index.delete_source(&scope, SourceId::from_u128(1)).await.unwrap();
    index.commit(&scope).await.unwrap();
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn another_process_at_the_same_folder_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let (first, scope) = (index(folder.path()), scope(1));
    store(&first, &scope, 1, "a bee").await;
    let second = index(folder.path());
    assert_eq!(found(&second, &scope, "bee").await, [1]);
    let added = second
        .add(&scope, NotebookId::from_u128(1), SourceId::from_u128(2), vec![record(0, "bee")])
        .await;
    assert_eq!(added.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn an_idle_writer_is_closed_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = KeywordConfig {
        writer_idle: Duration::from_millis(20),
        ..KeywordConfig::in_folder(folder.path())
    };
    let (index, scope) = (TantivyIndex::new(config).unwrap(), scope(1));
    for source in 1..4 {
        store(&index, &scope, source, "a bee").await;
        let slot = index.shared.slot(scope.tenant());
        while !slot.tenant.lock().as_ref().unwrap().is_idle() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(found(&index, &scope, "bee").await.len(), source as usize);
    }
}

#[tokio::test]
async fn added_chunks_keep_the_writer_open() {
    let folder = tempfile::tempdir().unwrap();
    let config = KeywordConfig {
        writer_idle: Duration::from_millis(1),
        ..KeywordConfig::in_folder(folder.path())
    };
    let (index, scope) = (TantivyIndex::new(config).unwrap(), scope(1));
    let (notebook, source) = (NotebookId::from_u128(1), SourceId::from_u128(1));
    index.add(&scope, notebook, source, vec![record(0, "a bee")]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    index.commit(&scope).await.unwrap();
    assert_eq!(found(&index, &scope, "bee").await, [1]);
}

/// T5: writers of many tenants are not all open at once, and those beyond the limit let go of their tenants.
#[tokio::test]
async fn writers_beyond_the_limit_are_closed_with_their_commit() {
    let folder = tempfile::tempdir().unwrap();
    let config = KeywordConfig {
        open_tenants: 3,
        open_writers: 2,
        writer_idle: Duration::from_secs(3_600),
        ..KeywordConfig::in_folder(folder.path())
    };
    let index = TantivyIndex::new(config).unwrap();
    let writers = || index.shared.room.writers.load(Ordering::Relaxed);
    let (notebook, source) = (NotebookId::from_u128(1), SourceId::from_u128(9));
    for tenant in 1..10 {
        let scope = scope(tenant);
        store(&index, &scope, 1, "a bee").await;
        assert!(writers() <= 2, "{} writers", writers());
        // What is not committed is not given up for a place.
        index.add(&scope, notebook, source, vec![record(0, "a wasp")]).await.unwrap();
        index.delete_source(&scope, SourceId::from_u128(1)).await.unwrap();
        index.commit(&scope).await.unwrap();
        assert_eq!(found(&index, &scope, "wasp").await, [9]);
        assert!(writers() <= 2, "{} writers", writers());
    }
    assert!(index.shared.open() <= 3, "{} tenants", index.shared.open());
    for tenant in 1..10 {
        assert_eq!(found(&index, &scope(tenant), "wasp bee").await, [9]);
    }
}

#[test]
fn limits_out_of_range_are_refused_by_name() {
    let base = KeywordConfig::in_folder("x");
    for (config, field) in [
        (KeywordConfig { writer_bytes: 14_999_999, ..base.clone() }, "writer_bytes"),
        (KeywordConfig { open_tenants: 0, ..base }, "open_tenants"),
    ] {
        let error = TantivyIndex::new(config).unwrap_err();
        assert_eq!(error.context("field"), Some(field));
    }
}
