//! D4, T1, G9: who may use an MCP server, which commands begin one, and what is sent to one as its token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod programs;
mod talker;

use std::{
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use common::{
    folder,
    people::{Person, with_accounts},
};
use notebook_core::model::Run;
use programs::{calls_noted, fake, notebook, obedient, offered, pids, setup, until};
use reqwest::Method;
use serde_json::{Value, json};
use talker::Talker;

const READS: &str = "read_only_tools = [\"*\"]";

/// Runs a command on a folder that no server has open.
async fn command(folder: &Path, talker: &Talker, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notebook"));
    command.args(args).arg("--data-dir").arg(folder.join("data"));
    command.current_dir(folder).env("NOTEBOOK_CONFIG", folder.join("mcp.toml"));
    for (name, value) in [
        ("CHAT__PROVIDER", "openai".to_owned()),
        ("CHAT__OPENAI__BASE_URL", format!("{}/v1", talker.url)),
        ("CHAT__OPENAI__MODEL", "test".to_owned()),
        ("EMBEDDING__PROVIDER", "none".to_owned()),
    ] {
        command.env(format!("NOTEBOOK__{name}"), value);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// D4: commands that open the data folder themselves begin no other programs: what they do needs none.
#[tokio::test]
async fn d4_commands_begin_no_programs() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let notes = folder.path().join("notes");
    let server = setup(folder.path(), &talker, &fake("fake", &notes, &[], READS)).start();
    until(&server, "fake", "connected").await;
    notebook(&server, json!({ "mcp_servers": ["fake"] })).await;
    assert!(server.terminate().success());
    let before = pids(&notes).len();
    assert_eq!(before, 1);
    command(folder.path(), &talker, &["ask", "How long is the Wensum?"]).await;
    let said = command(folder.path(), &talker, &["export", "--format", "archive"]).await;
    assert!(said.contains("Wrote"), "{said}");
    assert_eq!(pids(&notes).len(), before, "a program was begun");
}

/// What a workspace is told of everything that names a server, with what is its own taken out.
async fn told(person: &Person, name: &str, notebook: &str) -> Vec<(u16, String)> {
    let mut replies = Vec::new();
    let settings = json!({ "settings": { "mcp_servers": [name] } });
    for (method, path) in [
        (Method::POST, "/api/notebooks".to_owned()),
        (Method::PATCH, format!("/api/notebooks/{notebook}")),
    ] {
        let reply = person.request(method, &path).json(&settings).send().await.unwrap();
        let status = reply.status().as_u16();
        let mut body: Value = reply.json().await.unwrap();
        // Of each request alone.
        body.as_object_mut().unwrap().remove("request_id");
        body.as_object_mut().unwrap().remove("instance");
        replies.push((status, body.to_string()));
    }
    replies.push((200, person.json("/api/mcp/servers").await.to_string()));
    replies
}

async fn researched(person: &Person, notebook: &str, question: &str) -> Value {
    let path = format!("/api/notebooks/{notebook}/conversations");
    let conversation = person.made(&path, json!({ "title": "a" })).await;
    let path = format!("/api/conversations/{}/runs", conversation["id"].as_str().unwrap());
    let body = json!({ "question": question, "mode": "research" });
    let run: Run = serde_json::from_value(person.made(&path, body).await).unwrap();
    person.until(&format!("/api/runs/{}", run.id), |run| run["state"] == "completed").await
}

/// D4, T1: a server of one workspace is, for another, as one that there is not: in routes to the byte, and in runs, also where the notebook
/// had allowed it before.
#[tokio::test]
async fn t1_a_server_of_one_workspace_is_for_another_as_none() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let notes = folder.path().join("notes");
    let both = with_accounts(setup(folder.path(), &talker, &fake("fake", &notes, &[], READS)));
    let server = both.start();
    let (anna, bert) =
        (Person::register(&server, "anna").await, Person::register(&server, "bert").await);
    let mut notebooks = Vec::new();
    for person in [&anna, &bert] {
        person.until("/api/mcp/servers", |all| all["items"][0]["status"] == "connected").await;
        let body = json!({ "name": "n", "settings": { "mcp_servers": ["fake"] } });
        let notebook = person.made("/api/notebooks", body).await["id"].as_str().unwrap().to_owned();
        researched(person, &notebook, "fake__keep").await;
        notebooks.push(notebook);
    }
    assert_eq!(calls_noted(&notes), 2);
    drop(server);

    let id = anna.session["workspace"]["id"].as_str().unwrap();
    let only = format!("{READS}\nworkspaces = [{id:?}]");
    let one = with_accounts(setup(folder.path(), &talker, &fake("fake", &notes, &[], &only)));
    let server = one.start();
    let (anna, bert) =
        (Person::sign_in(&server, "anna").await, Person::sign_in(&server, "bert").await);
    anna.until("/api/mcp/servers", |all| all["items"][0]["status"] == "connected").await;
    let fresh = bert.made("/api/notebooks", json!({ "name": "fresh" })).await;
    let fresh = fresh["id"].as_str().unwrap();
    let there = told(&bert, "fake", fresh).await;
    assert_eq!(there, told(&bert, "none", fresh).await);
    assert_eq!((there[0].0, there[1].0, &*there[2].1), (422, 422, r#"{"items":[]}"#), "{there:?}");
    assert!(!there.iter().any(|(_, body)| body.contains("fake")), "{there:?}");

    let before = talker.requests().len();
    researched(&bert, &notebooks[1], "fake__keep").await;
    let names = offered(&talker, before);
    assert!(!names.is_empty() && !names.iter().any(|name| name.contains("__")), "{names:?}");
    assert_eq!(calls_noted(&notes), 2, "nothing reached the program");
    researched(&anna, &notebooks[0], "fake__keep").await;
    assert_eq!(calls_noted(&notes), 3);
}

/// The headers of each call.
type Seen = Arc<Mutex<Vec<Option<String>>>>;

async fn played(
    State(seen): State<Seen>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let header = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    seen.lock().unwrap().push(header);
    let id = &asked["id"];
    if id.is_null() {
        return (StatusCode::ACCEPTED, Json(Value::Null));
    }
    let said = match asked["method"].as_str().unwrap() {
        "initialize" => json!({ "jsonrpc": "2.0", "id": id, "result": {
            "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
            "serverInfo": { "name": "played", "version": "1" } } }),
        // It says what it was sent, as some do when they are called wrongly.
        "tools/list" => json!({ "jsonrpc": "2.0", "id": id,
            "error": { "code": -32000, "message": "no tools for the token hunter2-token" } }),
        _ => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no" } }),
    };
    (StatusCode::OK, Json(said))
}

/// D4, G9: a token is given as every secret is, sent as a bearer's, and told nowhere, also where the server repeats it.
#[tokio::test]
async fn g9_a_token_is_sent_and_told_nowhere() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let seen: Seen = Arc::default();
    let router = Router::new().route("/mcp", post(played)).with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (secret, log) = (folder.path().join("token"), folder.path().join("log"));
    std::fs::write(&secret, "hunter2-token\n").unwrap();
    let toml = format!("[mcp.servers.web]\nurl = {url:?}\ntoken = {{ file = {secret:?} }}\n");
    let setup = setup(folder.path(), &talker, &toml);
    let server = setup.with("RUST_LOG", "debug").logging_to(log.clone()).start();
    let known = until(&server, "web", "error").await;
    assert!(known["reason"].as_str().unwrap().contains("no tools for the token …"), "{known}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() >= 2, "{seen:?}");
    assert!(seen.iter().all(|sent| sent.as_deref() == Some("Bearer hunter2-token")), "{seen:?}");
    drop(server);
    let told = std::fs::read_to_string(log).unwrap();
    let mut ours = told.lines().filter(|line| !line.contains("\"target\":\"rmcp"));
    assert!(!ours.any(|line| line.contains("hunter2")), "{told}");
}
