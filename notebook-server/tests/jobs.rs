//! What is slow, as jobs: on SQLite and on PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;

use cluster::Cluster;
use common::{Server, Setup};
use notebook_core::model::Stage;
use serde_json::{Value, json};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A text that takes a while to cut.
fn long_text() -> Vec<u8> {
    "The heron waits. The pond is still.\n\n".repeat(200_000).into_bytes()
}

async fn id_of(response: reqwest::Response) -> String {
    response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}

/// A5: a source is cancelled in the middle of its work, at once, and goes on when it is told to.
#[tokio::test]
async fn a5_a_source_is_cancelled_and_tried_again() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    let id = id_of(server.upload(notebook, "long.txt", long_text()).await).await;
    let response = server.post(&format!("/api/sources/{id}/cancel"), json!({})).await;
    assert_eq!(response.status(), 202);
    let source = server.settled(&id).await;
    let failure = source.failure.unwrap();
    assert_eq!((source.stage, failure.code.as_str()), (Stage::Failed, "cancelled"));
    // What was cancelled stays so: nothing that still ran moved it on.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(server.settled(&id).await.stage, Stage::Failed);
    let response = server.post(&format!("/api/sources/{id}/retry"), json!({})).await;
    assert_eq!(response.status(), 202);
    let source = server.settled(&id).await;
    assert_eq!(source.stage, Stage::Ready, "{:?}", source.failure);
    assert!(source.chunks > 1_000);
}

/// A6, A5: a source that is deleted while it is read leaves nothing, and its receipt says so.
#[tokio::test]
async fn a6_a_source_is_deleted_while_it_is_read() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    let id = id_of(server.upload(notebook, "long.txt", long_text()).await).await;
    let response = server.http.delete(format!("{}/api/sources/{id}", server.url)).send();
    let place = response.await.unwrap().headers()["location"].to_str().unwrap().to_owned();
    // Asked for again it is the same job, or done already.
    let again =
        server.http.delete(format!("{}/api/sources/{id}", server.url)).send().await.unwrap();
    assert!([202, 404].contains(&again.status().as_u16()), "{}", again.status());
    let receipt = server.job_done(&place).await["result"].clone();
    assert_eq!((&receipt["source"], &receipt["left"]), (&json!(id), &json!([])));
    let sources = server.json(&format!("/api/notebooks/{notebook}/sources")).await;
    assert_eq!(sources["items"], json!([]));
    let blobs = std::fs::read_dir(folder.path().join("blobs")).unwrap();
    let files = blobs.flatten().map(|entry| std::fs::read_dir(entry.path()).unwrap().count());
    assert_eq!(files.sum::<usize>(), 0);
}

#[tokio::test]
async fn jobs_are_their_tenants_and_unknown_ones_are_not_found() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let unknown = notebook_core::JobId::new();
    assert_eq!(server.get(&format!("/api/jobs/{unknown}")).await.status(), 404);
    for what in ["cancel", "retry"] {
        let response = server.post(&format!("/api/jobs/{unknown}/{what}"), json!({})).await;
        assert_eq!(response.status(), 404);
    }
    assert_eq!(server.json("/api/jobs/dead").await["items"], json!([]));
}

async fn upload_many(server: &Server, notebook: notebook_core::NotebookId) -> Vec<String> {
    let mut ids = Vec::new();
    for i in 0..12 {
        let text = format!("Paragraph about heron number {i}.\n\n").repeat(400);
        ids.push(
            id_of(server.upload(notebook, &format!("{i}.txt"), text.into_bytes()).await).await,
        );
    }
    ids
}

/// B2, A5, E1: the whole path with rows in PostgreSQL, through a kill -9 of the server and a crash of the database.
#[tokio::test]
async fn a5_the_whole_path_on_postgres_survives_crashes() {
    let folder = folder();
    let mut cluster = Cluster::start();
    let setup = Setup::new(folder.path())
        .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
        .with("NOTEBOOK__JOBS__LEASE_SECONDS", 2);
    let server = setup.start();
    let notebook = server.notebook().await;
    let ids = upload_many(&server, notebook).await;
    server.kill();
    let server = setup.start();
    for id in &ids {
        let source = server.settled(id).await;
        assert_eq!(source.stage, Stage::Ready, "{:?}", source.failure);
        assert!(source.chunks > 0);
    }
    assert!(!folder.path().join("notebook.db").exists());
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, "Which heron is number 7?").await;
    let events = server.events(&run, 0).await;
    let message = server.message(&run).await;
    assert!(server.check_citations(&message).await > 0, "{}", message.text);
    cluster.crash();
    // The pool finds out and connects again; the log is as it was.
    assert_eq!(server.events(&run, 0).await, events);
    let response =
        server.http.delete(format!("{}/api/sources/{}", server.url, ids[0])).send().await;
    let place = response.unwrap().headers()["location"].to_str().unwrap().to_owned();
    let receipt = server.job_done(&place).await["result"].clone();
    assert_eq!(receipt["left"], json!([]));
    let rows = cluster.query("SELECT count(*) FROM notebook.sources");
    assert_eq!(rows, ["11"]);
    assert!(server.terminate().success());
}
