//! Deleting a whole notebook, on SQLite and on PostgreSQL: at once invisible, then gone, whatever is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;
mod provider;

use std::{path::Path, time::Duration};

use cluster::Cluster;
use common::{PATIENCE, Server, Setup, folder};
use futures::StreamExt;
use notebook_core::{ConversationId, NotebookId, model::Run};
use provider::{Provider, Script};
use serde_json::{Value, json};

/// The tables whose rows belong to notebooks.
const TABLES: [&str; 10] = [
    "notebooks",
    "sources",
    "documents",
    "text_segments",
    "chunks",
    "embeddings",
    "conversations",
    "messages",
    "runs",
    "run_events",
];

/// Where the rows are.
enum Rows {
    Sqlite,
    Postgres(Box<Cluster>),
}

impl Rows {
    fn setup(&self, folder: &Path, provider: &Provider) -> Setup {
        let setup = Setup::new(folder)
            .with("NOTEBOOK__JOBS__LEASE_SECONDS", 2)
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", provider.url))
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test");
        match self {
            Self::Sqlite => setup,
            Self::Postgres(cluster) => setup.with("NOTEBOOK__STORAGE__POSTGRES", cluster.url()),
        }
    }

    /// How many rows there are in each table.
    fn count(&self, folder: &Path) -> Vec<i64> {
        let sqlite = matches!(self, Self::Sqlite)
            .then(|| rusqlite::Connection::open(folder.join("notebook.db")).unwrap());
        let count = |table: &&str| match (self, &sqlite) {
            (Self::Postgres(cluster), _) => {
                cluster.query(&format!("SELECT count(*) FROM notebook.{table}"))[0].parse().unwrap()
            }
            (_, Some(file)) => {
                let sql = format!("SELECT count(*) FROM {table}");
                file.query_row(&sql, [], |row| row.get(0)).unwrap()
            }
            _ => unreachable!(),
        };
        TABLES.iter().map(count).collect()
    }
}

fn blobs(folder: &Path) -> usize {
    let tenants = std::fs::read_dir(folder.join("blobs")).unwrap().flatten();
    tenants.map(|entry| std::fs::read_dir(entry.path()).unwrap().count()).sum()
}

/// A notebook with read sources, an answered question, a source that is being read and an answer that goes on.
async fn fill(server: &Server) -> (NotebookId, ConversationId, [Run; 2], String) {
    let notebook = server.notebook().await;
    for number in 0..6 {
        let text = format!("Heron number {number} eats frogs.\n\n").repeat(60);
        server.ready(notebook, &format!("{number}.txt"), text.into_bytes()).await;
    }
    let conversation = server.conversation(notebook).await;
    let first = server.ask(conversation, "What does the heron eat?").await;
    assert_eq!(server.events(&first, 0).await.last().unwrap()["type"], "completed");
    for _ in 0..30 {
        server.conversation(notebook).await;
    }
    let long = "The heron waits. The pond is still.\n\n".repeat(100_000).into_bytes();
    let response = server.upload(notebook, "long.txt", long).await;
    let reading = response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    let second = server.ask(conversation, "And where does it wait?").await;
    let mut stream = Box::pin(server.stream(&second, 0).await);
    let begun = async { while stream.next().await.expect("it begins").event != "delta" {} };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    (notebook, conversation, [first, second], reading)
}

async fn delete(server: &Server, notebook: NotebookId) -> String {
    let path = format!("{}/api/notebooks/{notebook}", server.url);
    let response = server.http.delete(path).send().await.unwrap();
    assert_eq!(response.status(), 202);
    response.headers()["location"].to_str().unwrap().to_owned()
}

/// That nobody finds a notebook that was just deleted, nor what is in it.
async fn gone(server: &Server, notebook: NotebookId, conversation: ConversationId, runs: &[Run]) {
    let mut paths = vec![
        format!("/api/notebooks/{notebook}"),
        format!("/api/notebooks/{notebook}/sources"),
        format!("/api/notebooks/{notebook}/conversations"),
        format!("/api/conversations/{conversation}/messages"),
        format!("/api/conversations/{conversation}/runs"),
    ];
    paths.extend(runs.iter().map(|run| format!("/api/runs/{}", run.id)));
    for path in paths {
        assert_eq!(server.get(&path).await.status(), 404, "{path}");
    }
    let listed = server.json("/api/notebooks?archived=true").await;
    let ids = listed["items"].as_array().unwrap().iter().map(|item| item["id"].clone());
    assert!(!ids.collect::<Vec<_>>().contains(&json!(notebook)));
}

async fn is_deleted_whatever_is_killed(rows: Rows) {
    let words: Vec<String> = (0..24).map(|number| format!("word{number} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let provider = Provider::start(Script::paced(&words, 100)).await;
    let folder = folder();
    let setup = rows.setup(folder.path(), &provider);
    let mut server = setup.start();
    let kept = server.notebook().await;
    let text = b"The kingfisher dives into the pond.".to_vec();
    let source = server.ready(kept, "kept.txt", text).await;
    let conversation = server.conversation(kept).await;
    let run = server.ask(conversation, "What does the kingfisher do?").await;
    server.events(&run, 0).await;
    let before = (rows.count(folder.path()), blobs(folder.path()));

    for pause in [0, 20, 150] {
        let (notebook, conversation, runs, reading) = fill(&server).await;
        let job = delete(&server, notebook).await;
        gone(&server, notebook, conversation, &runs).await;
        // Asked for again it is the same job, or done already.
        let again = server.http.delete(format!("{}/api/notebooks/{notebook}", server.url));
        let again = again.send().await.unwrap().status().as_u16();
        assert!([202, 404].contains(&again), "{again}");
        // Killed again and again, at other moments.
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            server.kill();
            server = setup.start();
            gone(&server, notebook, conversation, &runs).await;
        }
        let done = server.job_done(&job).await;
        assert_eq!(done["kind"], "notebook.delete");
        let receipt = &done["result"];
        assert_eq!((&receipt["notebook"], &receipt["left"]), (&json!(notebook), &json!([])));
        assert_eq!((&receipt["sources"], &receipt["conversations"]), (&json!(7), &json!(31)));
        assert_eq!(server.get(&format!("/api/sources/{reading}")).await.status(), 404);
        assert_eq!((rows.count(folder.path()), blobs(folder.path())), before);
    }
    // What nobody deleted is whole, and answers.
    assert_eq!(server.settled(&source.id.to_string()).await, source);
    let run = server.ask(conversation, "Where does the kingfisher dive?").await;
    assert_eq!(server.events(&run, 0).await.last().unwrap()["type"], "completed");
    assert!(server.terminate().success());
}

/// A6, Q1: a notebook with work in hand is deleted, and the server is killed at any moment of it.
#[tokio::test]
async fn a6_a_notebook_is_deleted_whatever_is_killed_on_sqlite() {
    is_deleted_whatever_is_killed(Rows::Sqlite).await;
}

/// A6, Q1: the same with rows in PostgreSQL.
#[tokio::test]
async fn a6_a_notebook_is_deleted_whatever_is_killed_on_postgres() {
    is_deleted_whatever_is_killed(Rows::Postgres(Box::new(Cluster::start()))).await;
}
