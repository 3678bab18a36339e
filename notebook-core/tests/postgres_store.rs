//! The store and the run log in PostgreSQL, in a cluster of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;

use std::time::Duration;

use cluster::Cluster;
use futures::future::join_all;
use notebook_core::{
    ErrorKind, approval,
    model::PageRequest,
    postgres::PostgresConfig,
    queue::{
        QueuePolicy,
        sql::{QueueTime, SqlQueue},
    },
    recording,
    run_log::{self, RunLog as _},
    store::{
        self, ConversationStore as _, NotebookStore as _, SourceStore as _,
        conformance::samples,
        sql::{self, SqlStore},
    },
    usage,
};

async fn open(cluster: &Cluster) -> SqlStore {
    SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_every_promise_of_the_ports() {
    let cluster = Cluster::start();
    let store = open(&cluster).await;
    store::conformance::run_all(&store).await;
    run_log::conformance::run_all(&store, &store).await;
    usage::conformance::run_all(&store, &store, &store).await;
    approval::conformance::run_all(&store, &store, &store).await;
    recording::conformance::run_all(&store, &store, &store).await;
    let queue = SqlQueue::new(&store, QueueTime::Database, QueuePolicy::default());
    let asked = approval::conformance::Asked { store: &store, log: &store, approvals: &store };
    approval::conformance::an_answer_wakes_its_job(&asked, &queue).await;
    store.close().await.unwrap();
    let scope = samples::tenant();
    let list = store.notebooks(&scope, true, PageRequest::first(1)).await;
    assert_eq!(list.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// Two processes: what hangs on a notebook is stored with it or not at all, and nothing else is told than that it
/// is not there.
#[tokio::test(flavor = "multi_thread")]
async fn deleting_at_the_same_time_leaves_nothing_behind() {
    let cluster = Cluster::start();
    let stores = [open(&cluster).await, open(&cluster).await];
    let scope = samples::tenant();
    for _ in 0..30 {
        let notebook = stores[0].create_notebook(&scope, samples::notebook()).await.unwrap();
        let mut source = samples::source(notebook.id);
        source.notebook = notebook.id;
        stores[0].create_source(&scope, source.clone()).await.unwrap();
        let new = samples::conversation(notebook.id);
        let conversation = stores[0].create_conversation(&scope, new).await.unwrap();
        let run = samples::new_run(&conversation);
        let (deleted, added, opened, stored) = tokio::join!(
            stores[1].delete_notebook(&scope, notebook.id),
            stores[0].create_source(&scope, samples::source(notebook.id)),
            stores[0].open(&scope, run),
            stores[0].put_document(&scope, source.id, samples::document(100_000)),
        );
        deleted.unwrap();
        let gone = [added.err(), opened.map(drop).err(), stored.err()];
        for error in gone.into_iter().flatten() {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        }
    }
    for table in ["sources", "documents", "text_segments", "conversations", "messages", "runs"] {
        let left = cluster.query(&format!("SELECT count(*) FROM notebook.{table}"));
        assert_eq!(left, ["0"], "{table}");
    }
}

/// Of many who make the same thing in two processes, all get the one that was first.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_make_one_thing() {
    let cluster = Cluster::start();
    let stores = [open(&cluster).await, open(&cluster).await];
    let (scope, new) = (samples::tenant(), samples::notebook());
    let made = join_all((0..10).map(|i| {
        let notebook = notebook_core::model::Notebook { name: format!("{i}"), ..new.clone() };
        stores[i % 2].create_notebook(&scope, notebook)
    }));
    let made: Vec<_> = made.await.into_iter().map(Result::unwrap).collect();
    assert!(made.iter().all(|notebook| *notebook == made[0]), "{made:?}");
    let run = samples::new_run(&{
        let conversation = samples::conversation(new.id);
        stores[0].create_conversation(&scope, conversation).await.unwrap()
    });
    stores[0].open(&scope, run.clone()).await.unwrap();
    let events = samples::deltas(1, 3);
    let appended = join_all((0..10).map(|i| stores[i % 2].append(&scope, run.run.id, &events)));
    let appended = appended.await;
    assert_eq!(appended.iter().filter(|result| result.is_ok()).count(), 1, "{appended:?}");
    for error in appended.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    }
    assert_eq!(stores[1].events(&scope, run.run.id, 0, 10).await.unwrap(), events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_character_that_postgres_cannot_store_is_named() {
    let cluster = Cluster::start();
    let store = open(&cluster).await;
    let mut notebook = samples::notebook();
    notebook.name = "a\0b".into();
    let error = store.create_notebook(&samples::tenant(), notebook).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.context("fix").unwrap().contains("U+0000"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_version_are_refused_and_left_alone() {
    let cluster = Cluster::start();
    open(&cluster).await.close().await.unwrap();
    let refused = async |sql: &str| {
        cluster.query(sql);
        SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap_err()
    };
    let newer = "INSERT INTO notebook.schema_migrations (version, name, checksum)
        VALUES (1000, 'later', '\\x00')";
    let error = refused(newer).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt, "a checksum has 32 bytes: {error:?}");
    let newer = "UPDATE notebook.schema_migrations SET checksum = sha256('') WHERE version = 1000";
    let error = refused(newer).await;
    assert_eq!((error.kind(), error.context("schema")), (ErrorKind::Unsupported, Some("1000")));
    let other = "UPDATE notebook.schema_migrations SET checksum = sha256('') WHERE version = 1";
    assert_eq!(refused(other).await.kind(), ErrorKind::Conflict);
}

/// What cannot be reached is told with the reason and what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_told_with_the_fix() {
    let cluster = Cluster::start();
    let open = async |url: String| SqlStore::postgres(&PostgresConfig::new(url)).await.unwrap_err();
    let error = open(cluster.url().replace("/postgres?", "/nothing?")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.context("fix").unwrap().contains("create the database"), "{error}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [
        format!("postgres://test:hunter2@{free}/postgres"),
        "postgres://test:hunter2@localhost/postgres?host=/nowhere".to_owned(),
    ] {
        let error = open(url).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        let fix = error.context("fix").unwrap();
        assert!(fix.contains("PostgreSQL runs") && fix.contains("host and port"), "{error}");
        assert!(error.context("reason").is_some_and(|reason| !reason.is_empty()), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

/// What the pool did is counted, and what waits is seen.
#[tokio::test(flavor = "multi_thread")]
async fn the_use_of_connections_is_told() {
    let cluster = Cluster::start();
    let config = PostgresConfig { connections: 2, ..PostgresConfig::new(cluster.url()) };
    let store = SqlStore::postgres(&config).await.unwrap();
    let scope = samples::tenant();
    let reads = (0..40).map(|_| store.notebooks(&scope, false, PageRequest::first(1)));
    join_all(reads).await.into_iter().for_each(|read| drop(read.unwrap()));
    let sql::Statistics::Postgres { pool, reserved, .. } = store.statistics() else { panic!() };
    assert_eq!((pool.most, pool.open, pool.failed), (2, 2, 0));
    assert_eq!((pool.idle + pool.in_use, pool.waiting), (2, 0));
    // One more to ask how the role stands.
    assert_eq!((pool.lent, reserved.lent), (41, 0));
    assert!(pool.wait_p99_micros.unwrap() <= pool.wait_max_micros * 11 / 10 + 1);
    store.close().await.unwrap();
    store.notebooks(&scope, false, PageRequest::first(1)).await.unwrap_err();
    let sql::Statistics::Postgres { pool, .. } = store.statistics() else { panic!() };
    assert_eq!(pool.failed, 1);
}

/// E5, Q37: what one process publishes, the other hears; after a break of the connections both know that they may
/// have missed something.
#[tokio::test(flavor = "multi_thread")]
async fn processes_tell_each_other() {
    let cluster = Cluster::start();
    let stores = [open(&cluster).await, open(&cluster).await];
    let [here, there] = &stores;
    notebook_core::pubsub::conformance::run_all(&**here.pubsub(), &**there.pubsub()).await;
    let mut heard = there.pubsub().subscribe("anything");
    cluster.query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE application_name = 'notebook' AND pid <> pg_backend_pid()",
    );
    let told = tokio::time::timeout(Duration::from_secs(10), heard.next()).await;
    assert_eq!(told.unwrap(), Some(notebook_core::pubsub::Heard::Missed));
    notebook_core::pubsub::conformance::run_all(&**here.pubsub(), &**there.pubsub()).await;
}
