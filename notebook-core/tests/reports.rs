//! Reports of wrong refusals: memory, SQLite, PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;

use cluster::Cluster;
use notebook_core::{
    ErrorKind, TenantId, TenantScope, Timestamp,
    model::PageRequest,
    postgres::PostgresConfig,
    report::{NewReport, Reports as _, conformance, memory::MemoryReports, sql::SqlReports},
    sqlite::SqliteConfig,
    store::{TenantStore as _, sql::SqlStore},
};

#[tokio::test]
async fn d6_reports_in_memory() {
    conformance::run_all(&MemoryReports::default()).await;
}

#[tokio::test]
async fn d6_reports_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqlStore::sqlite(SqliteConfig::new(folder.path().join("a.db"))).await.unwrap();
    conformance::run_all(&SqlReports::new(&store)).await;
    go_with_their_tenant(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_reports_in_postgres() {
    let cluster = Cluster::start();
    let store = SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap();
    conformance::run_all(&SqlReports::new(&store)).await;
    go_with_their_tenant(&store).await;
}

#[allow(clippy::disallowed_methods, reason = "a test acts for a tenant of its own")]
async fn go_with_their_tenant(store: &SqlStore) {
    let scope = TenantScope::authenticated(TenantId::new());
    let reports = SqlReports::new(store);
    let new = NewReport { question: "Why?".into(), ..NewReport::default() };
    reports.add(&scope, new.report(Timestamp::from_millis(1)).unwrap()).await.unwrap();
    assert_eq!(store.remains(&scope).await.unwrap().get("guard_reports"), Some(&1));
    assert_eq!(store.erase(&scope, 10).await.unwrap(), 1);
    assert!(reports.list(&scope, PageRequest::first(1)).await.unwrap().items.is_empty());
}

#[test]
fn d6_reports_are_checked() {
    let now = Timestamp::from_millis(1);
    let good =
        NewReport { question: "Why?".into(), labels: vec!["a_b1".into()], ..NewReport::default() };
    assert!(good.clone().report(now).is_ok());
    for (report, field) in [
        (NewReport { question: " ".into(), ..good.clone() }, "question"),
        (NewReport { labels: vec!["<b>".into()], ..good.clone() }, "labels"),
        (NewReport { labels: vec![String::new()], ..good.clone() }, "labels"),
        (NewReport { question: "x".repeat(100_000), ..good.clone() }, "question"),
        (NewReport { remark: Some("x".repeat(3_000)), ..good.clone() }, "remark"),
    ] {
        let error = report.report(now).unwrap_err();
        assert_eq!(error.context("field"), Some(field));
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::TooLarge));
    }
}
