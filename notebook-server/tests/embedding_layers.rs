//! Embedding models that fail, keys of them that are spent, breakers that are set by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use cluster::Cluster;
use common::{
    PATIENCE, Server, Setup, folder,
    people::{Person, with_accounts},
};
use notebook_core::{ConversationId, NotebookId};
use serde_json::{Value, json};

/// OpenAI's `/embeddings`, for tests that say how it fails. A server asks it while it starts, for which a test waits: they need
/// several threads.
#[derive(Clone, Default)]
struct Vectors(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// Calls by key.
    calls: BTreeMap<String, usize>,
    /// What all calls are answered with, in place of vectors.
    down: bool,
    /// Keys without credit.
    spent: Vec<&'static str>,
}

impl Vectors {
    async fn start() -> (Self, String) {
        let vectors = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let app = Router::new().route("/v1/embeddings", post(answer)).with_state(vectors.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (vectors, url)
    }

    fn down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls.values().sum()
    }

    fn calls_with(&self, key: &str) -> usize {
        self.0.lock().unwrap().calls.get(key).copied().unwrap_or_default()
    }
}

async fn answer(
    State(vectors): State<Vectors>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let key = headers.get(header::AUTHORIZATION).map_or("", |key| key.to_str().unwrap());
    let key = key.trim_start_matches("Bearer ").to_owned();
    let mut book = vectors.0.lock().unwrap();
    let spent = book.spent.contains(&key.as_str());
    *book.calls.entry(key).or_default() += 1;
    if book.down {
        return (StatusCode::SERVICE_UNAVAILABLE, "{\"error\":{\"message\":\"no\"}}")
            .into_response();
    }
    if spent {
        let body = "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"no\"}}";
        return (StatusCode::TOO_MANY_REQUESTS, body).into_response();
    }
    // Directions that differ with the text, so that something is nearest.
    let vector = |text: &str| {
        let sum = |of: usize| {
            text.bytes().skip(of).step_by(4).map(|byte| u32::from(byte % 31)).sum::<u32>()
        };
        (0..4).map(|of| f64::from(sum(of)) + 1.0).collect::<Vec<_>>()
    };
    let texts = body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    let data = texts.enumerate();
    let data: Vec<_> =
        data.map(|(index, text)| json!({ "index": index, "embedding": vector(text) })).collect();
    Json(json!({ "data": data })).into_response()
}

fn embedding(folder: &std::path::Path, url: &str) -> Setup {
    Setup::new(folder)
        .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", url)
        .with("NOTEBOOK__EMBEDDING__PROVIDER", "openai")
        .with("NOTEBOOK__EMBEDDING__MODEL", "test-vectors")
}

const TEXT: &[u8] = b"The heron waits by the pond. It eats frogs.";
const MODEL: &str = "openai/test-vectors";

async fn conversation(server: &Server) -> (NotebookId, ConversationId) {
    let notebook = server.notebook().await;
    server.ready(notebook, "heron.txt", TEXT.to_vec()).await;
    (notebook, server.conversation(notebook).await)
}

/// Asks, and gives what the answer says of its search.
async fn ask(server: &Server, conversation: ConversationId) -> Vec<Value> {
    let run = server.ask(conversation, "What does the heron eat?").await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed", "{events:?}");
    let message = server.message(&run).await;
    assert!(message.text.contains("heron") || message.text.contains("frogs"), "{}", message.text);
    events
}

fn warned(events: &[Value]) -> bool {
    events.iter().any(|event| event["code"] == "retrieval_partial")
}

fn state(status: &Value, route: &str) -> Value {
    let models = status["models"].as_array().unwrap();
    models.iter().find(|state| state["route"] == route).cloned().unwrap_or_default()
}

/// C2, Z5: an embedding model that is down costs no answer: it goes by keywords and says so. After some failures the model is left
/// alone, which operators see; somebody who runs the server opens and closes its breaker by hand, which is logged, and may leave it
/// to itself again.
#[tokio::test(flavor = "multi_thread")]
async fn c2_z5_a_model_that_makes_no_vectors_is_left_alone() {
    let (vectors, url) = Vectors::start().await;
    let folder = folder();
    let server = embedding(folder.path(), &url).start();
    let (_, conversation) = conversation(&server).await;
    assert!(!warned(&ask(&server, conversation).await));
    let status = server.json("/api/status").await;
    let closed = state(&status, "embeddings");
    assert_eq!((&closed["model"], &closed["state"]), (&json!(MODEL), &json!("closed")));
    let load: Vec<_> = status["load"]["providers"].as_array().unwrap().clone();
    let purposes: Vec<_> = load.iter().map(|load| load["purpose"].as_str().unwrap()).collect();
    assert_eq!(purposes, ["answers", "questions", "sources"], "{load:?}");

    vectors.down(true);
    for _ in 0..6 {
        assert!(warned(&ask(&server, conversation).await), "keywords alone are told as such");
    }
    let before = vectors.calls();
    assert!(warned(&ask(&server, conversation).await));
    assert_eq!(vectors.calls(), before, "it is left alone");
    let status = server.json("/api/status").await;
    assert_eq!(state(&status, "embeddings")["state"], "open", "{status}");
    let ready = server.get("/ready").await;
    assert_eq!(ready.status(), 200);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["checks"]["embedding"]["status"], "degraded", "{ready}");

    vectors.down(false);
    let set = |state: &str| {
        let body = json!({ "route": "embeddings", "model": MODEL, "state": state });
        server.http.put(format!("{}/api/breakers", server.url)).json(&body).send()
    };
    let closed: Value = set("closed").await.unwrap().json().await.unwrap();
    assert_eq!((&closed["state"], &closed["forced"]), (&json!("closed"), &json!(true)));
    assert!(!warned(&ask(&server, conversation).await));
    let open: Value = set("open").await.unwrap().json().await.unwrap();
    assert_eq!((&open["state"], &open["forced"]), (&json!("open"), &json!(true)));
    assert!(warned(&ask(&server, conversation).await));
    let auto: Value = set("auto").await.unwrap().json().await.unwrap();
    assert_eq!((&auto["state"], &auto["forced"]), (&json!("closed"), &json!(false)));
    assert!(!warned(&ask(&server, conversation).await));

    let log = server.json("/api/audit").await;
    let entries = log["items"].as_array().unwrap().iter();
    let entries: Vec<_> = entries.filter(|entry| entry["action"] == "breaker.set").collect();
    let states: Vec<_> =
        entries.iter().map(|entry| entry["detail"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["auto", "open", "closed"]);
    assert!(entries.iter().all(|entry| entry["target"] == MODEL), "{log}");
}

/// C2: wrong breakers are told as such, and nothing is logged of them.
#[tokio::test]
async fn c2_only_breakers_that_are_there_are_set() {
    let folder = folder();
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__CHAT__PROVIDER", "openai")
        .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
        .start();
    for (body, expected) in [
        (json!({ "route": "answers", "model": "openai/other", "state": "open" }), 404),
        (json!({ "route": "rerank", "model": "openai/test", "state": "open" }), 404),
        (json!({ "route": "answers", "model": "openai/test", "state": "ajar" }), 422),
        // Though nobody has asked it yet.
        (json!({ "route": "answers", "model": "openai/test", "state": "open" }), 200),
    ] {
        let url = format!("{}/api/breakers", server.url);
        let response = server.http.put(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), expected, "{body}");
    }
    let listed = server.json("/api/breakers").await;
    assert_eq!(listed["items"][0]["state"], "open", "{listed}");
    let log = server.json("/api/audit").await;
    let entries = log["items"].as_array().unwrap().iter();
    assert_eq!(entries.filter(|entry| entry["action"] == "breaker.set").count(), 1);
}

/// C2, T11: with accounts, breakers are for users whom the configuration names, and not for admins of workspaces or keys of
/// operators.
#[tokio::test]
async fn c2_breakers_are_for_operators() {
    let folder = folder();
    let setup = || {
        with_accounts(Setup::new(folder.path()))
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
    };
    let server = setup().start();
    let ada = Person::register(&server, "ada").await;
    Person::register(&server, "bob").await;
    let id = ada.session["user"]["id"].as_str().unwrap().to_owned();
    server.terminate();
    let server = setup().with("NOTEBOOK__AUTH__OPERATORS", format!("[\"{id}\"]")).start();
    let (ada, bob) = (Person::sign_in(&server, "ada").await, Person::sign_in(&server, "bob").await);
    let scopes = ["notebook.read", "workspace.manage", "audit.read"];
    let key = ada.made("/api/keys", json!({ "name": "all", "scopes": scopes })).await;
    let key = Person { access: key["secret"].as_str().unwrap().to_owned(), ..ada.clone() };
    let body = json!({ "route": "answers", "model": "openai/test", "state": "open" });
    for (person, expected) in [(&bob, 403), (&key, 403), (&ada, 200)] {
        assert_eq!(person.get("/api/breakers").await.status(), expected);
        let set = person.request(reqwest::Method::PUT, "/api/breakers").json(&body);
        assert_eq!(set.send().await.unwrap().status(), expected);
    }
    let response = server.get("/api/breakers").await;
    assert_eq!(response.status(), 401);
    // It is the installation's affair, and not her workspace's.
    let log = ada.json("/api/audit").await;
    let entries = log["items"].as_array().unwrap().iter();
    assert_eq!(entries.filter(|entry| entry["action"] == "breaker.set").count(), 0);
    let rows = rusqlite::Connection::open(folder.path().join("notebook.db")).unwrap();
    let count = "SELECT count(*) FROM audit_entries WHERE action = 'breaker.set'";
    assert_eq!(rows.query_row(count, (), |row| row.get::<_, i64>(0)).unwrap(), 1);
}

/// C2: a breaker that is set at one server is set at the others too.
#[tokio::test]
async fn c2_breakers_are_set_everywhere() {
    let (cluster, folders) = (Cluster::start(), [folder(), folder()]);
    let blobs = folder();
    let servers = folders.each_ref().map(|folder| {
        Setup::new(folder.path())
            .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
            .with("NOTEBOOK__STORAGE__BLOBS", blobs.path().display())
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
            .start()
    });
    for state in ["open", "closed", "open"] {
        let body = json!({ "route": "answers", "model": "openai/test", "state": state });
        let url = format!("{}/api/breakers", servers[0].url);
        assert_eq!(servers[0].http.put(url).json(&body).send().await.unwrap().status(), 200);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let there = servers[1].json("/api/breakers").await;
            if there["items"][0]["state"] == state && there["items"][0]["forced"] == true {
                break;
            }
            assert!(Instant::now() < deadline, "{there}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How the first breaker stands, and by whom, since when and until when it was set.
async fn first_breaker(server: &Server) -> Value {
    server.json("/api/breakers").await["items"][0].clone()
}

async fn decide(server: &Server, body: Value) -> u16 {
    let url = format!("{}/api/breakers", server.url);
    server.http.put(url).json(&body).send().await.unwrap().status().as_u16()
}

/// C2: what was decided of a breaker is known after a restart, with who, when and until when; a decision that was taken back, or is
/// over, is not.
#[tokio::test]
async fn c2_what_is_set_by_hand_survives_a_restart() {
    let folder = folder();
    let setup = Setup::new(folder.path())
        .with("NOTEBOOK__CHAT__PROVIDER", "openai")
        .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test");
    let body = |more: Value| {
        let mut body = json!({ "route": "answers", "model": "openai/test" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let now = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(now.as_millis()).unwrap()
    };
    let server = setup.start();
    let long = now() + 3_600_000;
    for (until, state) in [(now() - 1, "open"), (long, "auto")] {
        assert_eq!(decide(&server, body(json!({ "state": state, "until": until }))).await, 422);
    }
    assert_eq!(decide(&server, body(json!({ "state": "open", "until": long }))).await, 200);
    let before = first_breaker(&server).await;
    server.kill();

    let server = setup.start();
    let after = first_breaker(&server).await;
    assert_eq!((&after["state"], &after["forced"]), (&json!("open"), &json!(true)), "{after}");
    assert_eq!(after["decided"], before["decided"]);
    assert_eq!(after["decided"]["until"], long);
    assert_eq!(after["decided"]["by"]["kind"], "user", "{after}");
    let left = after["open_millis"].as_i64().unwrap();
    assert!((3_000_000..=3_600_000).contains(&left), "{after}");
    assert_eq!(decide(&server, body(json!({ "state": "auto" }))).await, 200);
    server.terminate();

    let server = setup.start();
    assert_eq!(server.json("/api/breakers").await["items"], json!([]));
    let soon = now() + 1_500;
    assert_eq!(decide(&server, body(json!({ "state": "open", "until": soon }))).await, 200);
    let deadline = Instant::now() + PATIENCE;
    while first_breaker(&server).await["forced"] == true {
        assert!(Instant::now() < deadline, "it does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(now() >= soon);
    let over = first_breaker(&server).await;
    assert_eq!((&over["state"], &over["decided"]), (&json!("closed"), &Value::Null));
    server.terminate();
    let server = setup.start();
    assert_eq!(server.json("/api/breakers").await["items"], json!([]));
}

/// C2: a server that starts later finds what was decided at another, and hears what is decided then.
#[tokio::test]
async fn c2_a_server_that_starts_later_knows_what_was_set() {
    let (cluster, folders, blobs) = (Cluster::start(), [folder(), folder()], folder());
    let start = |at: usize| {
        Setup::new(folders[at].path())
            .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
            .with("NOTEBOOK__STORAGE__BLOBS", blobs.path().display())
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
            .start()
    };
    let first = start(0);
    let body = |state: &str| json!({ "route": "answers", "model": "openai/test", "state": state });
    assert_eq!(decide(&first, body("open")).await, 200);
    let second = start(1);
    let found = first_breaker(&second).await;
    assert_eq!((&found["state"], &found["forced"]), (&json!("open"), &json!(true)), "{found}");
    assert_eq!(found["decided"], first_breaker(&first).await["decided"]);
    // It may take it back, though nobody asked the model there.
    assert_eq!(decide(&second, body("auto")).await, 200);
    let deadline = Instant::now() + PATIENCE;
    while first_breaker(&first).await["forced"] == true {
        assert!(Instant::now() < deadline, "the first does not hear of it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// C3: sources and questions are embedded with the next key when one has no credit, at the start too, where the model is asked for its
/// dimensions; counts are there after a restart, and no key is shown.
#[tokio::test(flavor = "multi_thread")]
async fn c3_vectors_are_made_with_the_next_key() {
    let (vectors, url) = Vectors::start().await;
    vectors.0.lock().unwrap().spent.push("sk-first-5ad02c");
    let folder = folder();
    let setup = embedding(folder.path(), &url)
        .logging_to(folder.path().join("log"))
        .with("NOTEBOOK__CHAT__OPENAI__API_KEYS__A", "sk-first-5ad02c")
        .with("NOTEBOOK__CHAT__OPENAI__API_KEYS__B", "sk-second-e81b99");
    let server = setup.start();
    let (_, conversation) = conversation(&server).await;
    assert!(!warned(&ask(&server, conversation).await));
    let check = |status: &Value| {
        let keys = &status["load"]["keys"];
        let of = |i: usize| (keys[i]["name"].as_str().unwrap(), keys[i]["used"].as_u64().unwrap());
        assert_eq!(of(0), ("a", 1), "{keys}");
        // Its call for the dimensions was made before there was anything to count in.
        assert_eq!(of(1), ("b", vectors.calls_with("sk-second-e81b99") as u64 - 1), "{keys}");
        assert!(keys[0]["resting_millis"].as_u64().unwrap() > 0, "{keys}");
        assert!(!status.to_string().contains("sk-"));
    };
    check(&server.json("/api/status").await);
    assert_eq!(vectors.calls_with("sk-first-5ad02c"), 2, "at the start, and once");
    server.kill();
    let server = setup.with("NOTEBOOK__EMBEDDING__DIMENSIONS", 4).start();
    check(&server.json("/api/status").await);
    assert!(!warned(&ask(&server, conversation).await));
    assert_eq!(vectors.calls_with("sk-first-5ad02c"), 2, "it still rests");
    for file in ["log", "notebook.db", "notebook.db-wal"] {
        let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("sk-"), "{file}");
    }
}

/// C2: a source whose vectors cannot be made now waits until they can: its job comes back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn c2_a_source_gets_its_vectors_later() {
    let (vectors, url) = Vectors::start().await;
    let folder = folder();
    let server = embedding(folder.path(), &url)
        .with("NOTEBOOK__EMBEDDING__RESILIENCE__BREAKER__OPEN_SECONDS", 1)
        .with("NOTEBOOK__EMBEDDING__RESILIENCE__BREAKER__LONGEST_SECONDS", 1)
        .start();
    let notebook = server.notebook().await;
    vectors.down(true);
    let before = vectors.calls();
    let source: Value =
        server.upload(notebook, "heron.txt", TEXT.to_vec()).await.json().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while vectors.calls() == before {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    vectors.down(false);
    let source = server.settled(source["id"].as_str().unwrap()).await;
    assert!(source.vectors_ready, "{source:?}");
}
