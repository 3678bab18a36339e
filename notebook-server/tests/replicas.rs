//! Several servers and a worker on one PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;
mod provider;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use cluster::Cluster;
use common::{PATIENCE, Server, Setup, folder, text_of};
use futures::StreamExt;
use notebook_core::{NotebookId, model::Run};
use provider::{Provider, Script};
use serde_json::json;

struct House {
    _cluster: Cluster,
    folder: tempfile::TempDir,
    url: String,
    provider: Provider,
}

impl House {
    async fn new(script: Script) -> Self {
        let cluster = Cluster::start();
        let url = cluster.url();
        Self { _cluster: cluster, folder: folder(), url, provider: Provider::start(script).await }
    }

    /// A process with a folder of its own; the originals are shared.
    fn setup(&self, name: &str) -> Setup {
        let own = self.folder.path().join(name);
        std::fs::create_dir_all(&own).unwrap();
        Setup::new(&own)
            .with("NOTEBOOK__STORAGE__POSTGRES", &self.url)
            .with("NOTEBOOK__STORAGE__BLOBS", self.folder.path().join("blobs").display())
            .with("NOTEBOOK__JOBS__LEASE_SECONDS", 3)
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", self.provider.url))
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
    }
}

/// Until a server knows a source as the others do.
async fn add(server: &Server, notebook: NotebookId) {
    server
        .ready(notebook, "heron.txt", b"The heron waits by the pond. It eats frogs.".to_vec())
        .await;
}

/// I7, E5, S46: sources are added here and asked about there; every server shows the same text, live.
#[tokio::test]
async fn e5_s46_any_server_shows_any_run() {
    let house = House::new(Script::paced(&["The heron ", "eats ", "frogs [1]."], 150)).await;
    let servers = [house.setup("a").start(), house.setup("b").start()];
    let _worker = house.setup("w").start_worker();
    let notebook = servers[0].notebook().await;
    let mut watch = servers[1].watch_sources(notebook).await;
    add(&servers[0], notebook).await;
    // The page at the other server sees it come.
    let seen = tokio::time::timeout(PATIENCE, async {
        loop {
            let event = watch.next().await.expect("the stream is open");
            if event.event == "source" && event.data.contains("\"ready\"") {
                return;
            }
        }
    });
    seen.await.unwrap();
    let conversation = servers[1].conversation(notebook).await;
    for asked in [0, 1, 0, 1] {
        let run = servers[asked].ask(conversation, "What does the heron eat?").await;
        let (one, two) = tokio::join!(servers[0].events(&run, 0), servers[1].events(&run, 0));
        assert_eq!(one, two);
        assert_eq!(one.last().unwrap()["type"], "completed");
        assert_eq!(text_of(&one), "The heron eats frogs.");
        let message = servers[1 - asked].message(&run).await;
        assert_eq!(message.text, text_of(&one));
        assert_eq!(servers[0].check_citations(&message).await, 1);
    }
}

/// S42: a stop that arrives at one server ends the answer in whichever process makes it, upstream included.
#[tokio::test]
async fn s42_a_stop_reaches_the_answer_wherever_it_is_made() {
    let house = House::new(Script::endless("word ")).await;
    let servers = [house.setup("a").start(), house.setup("b").start()];
    let notebook = servers[0].notebook().await;
    add(&servers[0], notebook).await;
    let conversation = servers[0].conversation(notebook).await;
    for round in 0..6 {
        let run = servers[round % 2].ask(conversation, "What does the heron eat?").await;
        until_word(&servers[1], &run).await;
        let since = Instant::now();
        // By the one, then by the other: sometimes it is not the one that makes the answer.
        let stopped = servers[usize::from(round < 3)]
            .post(&format!("/api/runs/{}/stop", run.id), json!({}))
            .await;
        assert_eq!(stopped.status(), 202);
        let events = servers[0].events(&run, 0).await;
        assert_eq!(events.last().unwrap()["type"], "stopped");
        // The contract is one second; the rest is room for a loaded machine.
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        assert_eq!(servers[1].message(&run).await.text, text_of(&events));
    }
    house.provider.wait_until_cut().await;
}

async fn until_word(server: &Server, run: &Run) {
    let mut stream = Box::pin(server.stream(run, 0).await);
    let reading = async {
        while let Some(event) = stream.next().await {
            if event.event == "delta" || event.event == "completed" {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
}

/// S47, Q1: the process that makes the answer is killed; another begins it anew, and a reader at a third follows.
#[tokio::test]
async fn s47_another_server_begins_anew_what_a_killed_one_left() {
    let words: Vec<&str> = std::iter::repeat_n("word ", 12).collect();
    let house = House::new(Script::paced(&words, 250)).await;
    let reading = house.setup("b").start();
    let notebook = reading.notebook().await;
    add(&reading, notebook).await;
    let conversation = reading.conversation(notebook).await;
    let mut restarted = 0;
    // Which of the two takes a job is chance.
    for round in 0..12 {
        if restarted > 1 {
            break;
        }
        let killed = house.setup(&format!("a{round}")).start();
        let run = killed.ask(conversation, "What does the heron eat?").await;
        let (reader, at) = (reading.stream(&run, 0).await, reading.url.clone());
        let follow = tokio::spawn(async move {
            let events = reader.map(|event| serde_json::from_str(&event.data).unwrap());
            (events.collect::<Vec<serde_json::Value>>().await, at)
        });
        until_word(&reading, &run).await;
        killed.kill();
        let (events, _) = tokio::time::timeout(PATIENCE, follow).await.unwrap().unwrap();
        assert_eq!(events.last().unwrap()["type"], "completed", "{events:?}");
        assert_eq!(text_of(&events), reading.message(&run).await.text);
        assert_eq!(text_of(&events).trim_end(), words.concat().trim_end());
        restarted += usize::from(events.iter().any(|event| event["type"] == "restarted"));
    }
    assert!(restarted > 0, "no run was made by the server that was asked and killed");
}

#[test]
fn a_worker_needs_a_shared_database() {
    let folder = folder();
    let output = worker_output(folder.path());
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("storage.postgres"), "{said}");
}

fn worker_output(folder: &Path) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_notebook"))
        .args(["worker", "--data-dir"])
        .arg(folder)
        .output()
        .unwrap()
}
