//! The SQLite store beyond the conformance suites: what is kept, refused, and undone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{path::Path, sync::Arc, time::Duration};

use futures::{FutureExt, future::join_all};
use notebook_core::{
    ErrorKind, TenantScope, approval,
    document::Span,
    model::{Notebook, PageRequest},
    queue::{
        QueuePolicy,
        sql::{QueueTime, SqlQueue},
    },
    recording,
    run_log::{self, RunLog},
    sqlite::{Durability, SqliteConfig},
    store::{
        self, ConversationStore, NotebookStore, SourceStore, TenantStore, conformance::samples,
        sql::SqlStore,
    },
    usage,
};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn config(folder: &TempDir) -> SqliteConfig {
    SqliteConfig::new(folder.path().join("data/notebook.db"))
}

async fn open(folder: &TempDir) -> SqlStore {
    SqlStore::sqlite(config(folder)).await.unwrap()
}

async fn new_source(store: &SqlStore, scope: &TenantScope) -> notebook_core::model::Source {
    let notebook = store.create_notebook(scope, samples::notebook()).await.unwrap();
    let source = samples::source(notebook.id);
    store.create_source(scope, source.clone()).await.unwrap();
    source
}

/// What SQLite itself finds wrong with the file.
fn faults(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let check = |sql| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).filter(|line| line != "ok").collect()
    };
    [check("PRAGMA integrity_check"), check("PRAGMA foreign_key_check")].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise_of_the_ports() {
    let folder = folder();
    let store = open(&folder).await;
    store::conformance::run_all(&store).await;
    run_log::conformance::run_all(&store, &store).await;
    usage::conformance::run_all(&store, &store, &store).await;
    approval::conformance::run_all(&store, &store, &store).await;
    recording::conformance::run_all(&store, &store, &store).await;
    let queue = SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default());
    let asked = approval::conformance::Asked { store: &store, log: &store, approvals: &store };
    approval::conformance::an_answer_wakes_its_job(&asked, &queue).await;
    store.close().await.unwrap();
    assert_eq!(faults(&config(&folder).path), Vec::<String>::new());
}

/// T27: whatever table has rows of tenants is emptied with a tenant, or is known to stay. Who makes another one says here
/// what becomes of it.
#[tokio::test]
async fn t27_every_table_of_tenants_is_emptied_with_them() {
    let folder = folder();
    let store = open(&folder).await;
    let connection = rusqlite::Connection::open(&config(&folder).path).unwrap();
    let sql = "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
        WHERE m.type = 'table' AND c.name = 'tenant_id' ORDER BY m.name";
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let names: Vec<String> = names.map(Result::unwrap).collect();
    // By the queue, and with the workspace's own row (`Closing::erase_workspace`); the audit log stays.
    let elsewhere = ["jobs", "workspaces", "memberships", "api_keys", "invitations", "sessions"];
    let stays = ["audit_chains", "audit_entries"];
    let scope = samples::tenant();
    for name in names {
        if elsewhere.contains(&&*name) || stays.contains(&&*name) {
            continue;
        }
        // A row of nothing but defaults, whatever hangs on it.
        let sql = format!("SELECT name, type FROM pragma_table_info('{name}')");
        let mut columns = connection.prepare(&sql).unwrap();
        let columns = columns.query_map([], |row| {
            let (column, kind) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
            let value = match (&*column, &*kind) {
                ("tenant_id", _) => {
                    format!("x'{}'", notebook_core::hex(scope.tenant().as_bytes()))
                }
                (_, "BLOB") => "x'00'".to_owned(),
                (_, "TEXT") => "'0'".to_owned(),
                _ => "0".to_owned(),
            };
            Ok((column, value))
        });
        let (columns, values): (Vec<_>, Vec<_>) = columns.unwrap().map(Result::unwrap).unzip();
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        let sql =
            format!("INSERT INTO {name} ({}) VALUES ({})", columns.join(", "), values.join(", "));
        connection.execute(&sql, []).unwrap();
        assert_eq!(store.remains(&scope).await.unwrap().remove(&*name), Some(1), "{name}");
        while store.erase(&scope, 10).await.unwrap() > 0 {}
        let count = format!("SELECT count(*) FROM {name}");
        let left: i64 = connection.query_row(&count, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{name}");
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let folder = folder();
    let scope = samples::tenant();
    let store = open(&folder).await;
    let source = new_source(&store, &scope).await;
    let document = samples::document(200_000);
    store.put_document(&scope, source.id, document.clone()).await.unwrap();
    store.close().await.unwrap();
    let log = config(&folder).path.with_extension("db-wal");
    assert!(!log.exists(), "closing leaves one file");
    let store = open(&folder).await;
    assert!(store.document(&scope, source.id).await.unwrap() == document);
    // Dropped, not closed: what was answered is kept all the same.
    drop(store);
    let store = open(&folder).await;
    assert_eq!(store.source(&scope, source.id).await.unwrap(), source);
    assert!(store.document(&scope, source.id).await.unwrap() == document);
}

#[tokio::test]
async fn closing_finishes_what_is_queued_and_refuses_the_rest() {
    let folder = folder();
    let scope = samples::tenant();
    let store = open(&folder).await;
    let new: Vec<_> = (0..50).map(|_| samples::notebook()).collect();
    let mut calls: Vec<_> =
        new.iter().map(|notebook| store.create_notebook(&scope, notebook.clone())).collect();
    for call in &mut calls {
        assert!(call.now_or_never().is_none());
    }
    store.close().await.unwrap();
    store.close().await.unwrap();
    let error = store.notebook(&scope, new[0].id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let error = store.create_notebook(&scope, samples::notebook()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    drop(calls);
    drop(store);
    let store = open(&folder).await;
    let page = store.notebooks(&scope, true, PageRequest::first(100)).await.unwrap();
    assert_eq!(page.items.len(), 50);
}

/// T8: a call that nobody waits for any more happens wholly or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_happens_wholly_or_not_at_all() {
    let folder = folder();
    let scope = samples::tenant();
    let store = open(&folder).await;
    let document = samples::document(300_000);
    let mut sources = Vec::new();
    for i in 0..30_u64 {
        let source = new_source(&store, &scope).await;
        let call = store.put_document(&scope, source.id, document.clone());
        let _ = tokio::time::timeout(Duration::from_micros(i * 40), call).await;
        sources.push(source.id);
    }
    for id in sources {
        match store.document(&scope, id).await {
            Ok(found) => assert!(found == document),
            Err(error) => assert_eq!(error.context("what"), Some("document"), "{error:?}"),
        }
    }
    assert_eq!(faults(&config(&folder).path), Vec::<String>::new());
}

/// Q11: a full disk is an error of the write that meets it, and passes when there is room.
#[tokio::test]
async fn a_full_disk_is_reported_and_recovered_from() {
    let folder = folder();
    let scope = samples::tenant();
    let small = SqliteConfig { max_bytes: Some(2 << 20), ..config(&folder) };
    let store = SqlStore::sqlite(small).await.unwrap();
    let source = new_source(&store, &scope).await;
    let fits = samples::document(500_000);
    store.put_document(&scope, source.id, fits.clone()).await.unwrap();
    let huge = samples::document(4 << 20);
    let error = store.put_document(&scope, source.id, huge.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error:?}");
    assert!(error.is_retryable());
    assert!(std::error::Error::source(&error).is_some());
    // The document before is whole, and what fits is still taken.
    assert!(store.document(&scope, source.id).await.unwrap() == fits);
    store.create_notebook(&scope, samples::notebook()).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(faults(&config(&folder).path), Vec::<String>::new());

    let store = open(&folder).await;
    store.put_document(&scope, source.id, huge.clone()).await.unwrap();
    assert!(store.document(&scope, source.id).await.unwrap() == huge);
}

#[tokio::test]
async fn a_call_that_does_not_fit_does_not_harm_those_beside_it() {
    let folder = folder();
    let scope = samples::tenant();
    let small = SqliteConfig { max_bytes: Some(2 << 20), ..config(&folder) };
    let store = SqlStore::sqlite(small).await.unwrap();
    let source = new_source(&store, &scope).await;
    let new: Vec<_> = (0..40).map(|_| samples::notebook()).collect();
    let huge = store.put_document(&scope, source.id, samples::document(4 << 20));
    let (before, after) = new.split_at(20);
    let create = |notebook: &Notebook| store.create_notebook(&scope, notebook.clone());
    let (before, huge, after) = futures::join!(
        join_all(before.iter().map(create)),
        huge,
        join_all(after.iter().map(create))
    );
    assert_eq!(huge.unwrap_err().kind(), ErrorKind::StorageFull);
    for (created, notebook) in before.into_iter().chain(after).zip(&new) {
        assert_eq!(created.unwrap(), *notebook);
        assert_eq!(store.notebook(&scope, notebook.id).await.unwrap(), *notebook);
    }
}

#[tokio::test]
async fn a_refused_call_does_not_harm_those_beside_it() {
    let folder = folder();
    let scope = samples::tenant();
    let store = open(&folder).await;
    let known = store.create_notebook(&scope, samples::notebook()).await.unwrap();
    let calls = (0..60).map(|i| {
        let (store, scope) = (&store, &scope);
        let notebook = known.id;
        async move {
            if i % 3 == 0 {
                let absent = samples::source(samples::notebook().id);
                let error = store.create_source(scope, absent).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound);
                return 0;
            }
            store.create_source(scope, samples::source(notebook)).await.unwrap();
            1
        }
    });
    let stored: usize = join_all(calls).await.into_iter().sum();
    assert_eq!(store.sources(&scope, known.id).await.unwrap().len(), stored);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let folder = folder();
    open(&folder).await.close().await.unwrap();
    let path = config(&folder).path;
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute("INSERT INTO schema_migrations VALUES (999, 'later', x'00', 0)", [])
        .unwrap();
    // A checksum is 32 bytes; the version is looked at in spite of a shorter one.
    connection
        .execute("UPDATE schema_migrations SET checksum = zeroblob(32) WHERE version = 999", [])
        .unwrap();
    drop(connection);
    let error = SqlStore::sqlite(config(&folder)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.context("schema"), Some("999"));
    assert!(error.context("fix").unwrap().contains("newer version"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = folder();
    let path = config(&folder).path;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let contents = b"This is a letter, not a database.".repeat(400);
    std::fs::write(&path, &contents).unwrap();
    let error = SqlStore::sqlite(config(&folder)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert_eq!(std::fs::read(&path).unwrap(), contents);
}

#[tokio::test]
async fn a_path_that_cannot_be_opened_is_named() {
    let folder = folder();
    let path = folder.path().join("folder");
    std::fs::create_dir(&path).unwrap();
    let error = SqlStore::sqlite(SqliteConfig::new(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.context("path"), Some(path.to_str().unwrap()));
    let none = SqliteConfig { readers: 0, ..config(&folder) };
    let error = SqlStore::sqlite(none).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn stored_bytes_that_make_no_sense_are_corrupt() {
    let folder = folder();
    let scope = samples::tenant();
    let store = open(&folder).await;
    let source = new_source(&store, &scope).await;
    let connection = rusqlite::Connection::open(config(&folder).path).unwrap();
    let break_it = |sql| connection.execute(sql, []).unwrap();
    store.put_document(&scope, source.id, samples::document(200_000)).await.unwrap();
    break_it("UPDATE documents SET blocks = '[]'");
    let error = store.document(&scope, source.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    break_it("DELETE FROM text_segments WHERE start_at BETWEEN 1 AND 100000");
    let all = Span { start: 0, end: 200_000 };
    let error = store.text(&scope, source.id, all).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    break_it("UPDATE sources SET stage = 'dreaming'");
    let error = store.source(&scope, source.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    break_it("UPDATE sources SET stage = 'ready', text_bytes = -1");
    let error = store.source(&scope, source.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
}

/// Q10: another process that writes is waited for, and reported when it does not end.
#[tokio::test]
async fn another_writer_is_waited_for() {
    let folder = folder();
    let scope = samples::tenant();
    let patient = open(&folder).await;
    let hasty = SqliteConfig { busy_timeout: Duration::from_millis(20), ..config(&folder) };
    let hasty = SqlStore::sqlite(hasty).await.unwrap();
    let other = rusqlite::Connection::open(config(&folder).path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = hasty.create_notebook(&scope, samples::notebook()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error:?}");
    let new = samples::notebook();
    let mut waiting = Box::pin(patient.create_notebook(&scope, new.clone()));
    assert!(waiting.as_mut().now_or_never().is_none());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(waiting.await.unwrap(), new);
    // And what one process writes, the other reads.
    assert_eq!(hasty.notebook(&scope, new.id).await.unwrap(), new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_write_side_by_side() {
    let folder = folder();
    let scope = Arc::new(samples::tenant());
    let stores = [Arc::new(open(&folder).await), Arc::new(open(&folder).await)];
    let tasks = (0..8).map(|i| {
        let (store, scope) = (Arc::clone(&stores[i % 2]), Arc::clone(&scope));
        tokio::spawn(async move {
            for _ in 0..20 {
                store.create_notebook(&scope, samples::notebook()).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let page = stores[0].notebooks(&scope, true, PageRequest::first(1000)).await.unwrap();
    assert_eq!(page.items.len(), 160);
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let store = open(&folder).await;
    store.create_notebook(&samples::tenant(), samples::notebook()).await.unwrap();
    for name in ["notebook.db", "notebook.db-wal"] {
        let path = folder.path().join("data").join(name);
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// The other durability is for caches; it keeps the promises of the port all the same.
#[tokio::test]
async fn relaxed_durability_keeps_the_promises() {
    let folder = folder();
    let relaxed = SqliteConfig { durability: Durability::Relaxed, ..config(&folder) };
    let store = SqlStore::sqlite(relaxed).await.unwrap();
    run_log::conformance::run_all(&store, &store).await;
    let conversation = samples::conversation(samples::notebook().id);
    let absent = store.conversation(&samples::tenant(), conversation.id).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert_eq!(RunLog::unfinished(&store, &samples::tenant()).await.unwrap(), []);
}
