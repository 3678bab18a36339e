//! Webhooks in SQLite and PostgreSQL, beside the store and the queue that they hear of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/postgres.rs"]
mod cluster;

use cluster::Cluster;
use notebook_core::{
    TenantScope,
    checkpoint::sql::SqlCheckpoints,
    conformance::twins::{self, Whole},
    model::{Source, Stage},
    postgres::PostgresConfig,
    queue::{
        QueuePolicy,
        conformance::outbox::Shared,
        sql::{QueueTime, SqlQueue},
    },
    report::sql::SqlReports,
    sqlite::SqliteConfig,
    store::{NotebookStore as _, SourceStore as _, conformance::samples, sql::SqlStore},
    webhook::{
        EventType, SigningSecret, Webhook, WebhookStore as _,
        conformance::{self, Parts},
    },
};

async fn conforms(store: &SqlStore) {
    let queue = SqlQueue::new(store, QueueTime::Database, QueuePolicy::default());
    let shared = Shared { store, log: store, queue: &queue, worklist: &queue, outbox: &queue };
    let parts = Parts { shared, webhooks: store };
    conformance::run_all(parts).await;
    let checkpoints = SqlCheckpoints::new(store, QueueTime::Database);
    let reports = SqlReports::new(store);
    let whole = Whole {
        parts,
        usage: store,
        approvals: store,
        checkpoints: &checkpoints,
        recordings: store,
        reports: &reports,
    };
    twins::run_all(whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notebook.db");
    let store = SqlStore::sqlite(SqliteConfig::new(path)).await.unwrap();
    conforms(&store).await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_every_promise() {
    let cluster = Cluster::start();
    let store = SqlStore::postgres(&PostgresConfig::new(cluster.url())).await.unwrap();
    conforms(&store).await;
    store.close().await.unwrap();
}

async fn hook(store: &SqlStore, scope: &TenantScope) -> Webhook {
    let webhook = Webhook {
        id: notebook_core::WebhookId::new(),
        url: "https://example.org/".into(),
        description: String::new(),
        events: EventType::ALL.into_iter().collect(),
        enabled: true,
        disabled: None,
        failing_since: None,
        created_at: samples::at(0),
        updated_at: samples::at(0),
    };
    let secret = SigningSecret::generate().unwrap();
    store.create_webhook(scope, webhook.clone(), secret).await.unwrap();
    webhook
}

/// Two processes: a webhook that is deleted while sources end leaves no delivery behind, and no source fails to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_goes_while_it_is_told() {
    let cluster = Cluster::start();
    let config = PostgresConfig::new(cluster.url());
    let stores =
        [SqlStore::postgres(&config).await.unwrap(), SqlStore::postgres(&config).await.unwrap()];
    let scope = samples::tenant();
    let notebook = stores[0].create_notebook(&scope, samples::notebook()).await.unwrap();
    for _ in 0..30 {
        let hook = hook(&stores[0], &scope).await;
        let source = Source { revision: 0, ..samples::source(notebook.id) };
        stores[0].create_source(&scope, source.clone()).await.unwrap();
        let ready = Source { stage: Stage::Ready, ..source };
        let (told, gone) = tokio::join!(
            stores[0].update_source(&scope, ready),
            stores[1].delete_webhook(&scope, hook.id),
        );
        told.unwrap();
        gone.unwrap();
    }
    let left = cluster.query("SELECT count(*) FROM notebook.webhook_deliveries");
    assert_eq!(left, ["0"]);
}
