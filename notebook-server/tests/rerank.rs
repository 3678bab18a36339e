//! B3: the last stage of retrieval in the real server, with a reranker behind `/rerank` that is played.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, http::HeaderMap, response::Response, routing::post};
use common::{Server, Setup, folder};
use notebook_core::{NotebookId, SourceId};
use serde_json::{Value, json};

const QUESTION: &str = "How tall is the grey heron of the pond?";
const TEXTS: [(&str, &str); 3] = [
    ("anna.txt", "The grey heron of the pond is tall, says Anna."),
    ("bert.txt", "The grey heron of the pond is tall, says Bert."),
    ("carl.txt", "The grey heron of the pond is tall, says Carl."),
];

/// What the service does.
#[derive(Clone, Copy)]
enum Mood {
    /// Passages with this word are best.
    Likes(&'static str),
    Hanging,
    Lying,
}

/// What it was asked, with which key.
type Seen = Arc<Mutex<Vec<(Option<String>, Value)>>>;

/// A reranker on a free port.
struct Service {
    base_url: String,
    mood: Arc<Mutex<Mood>>,
    seen: Seen,
}

type Shared = (Arc<Mutex<Mood>>, Seen);

impl Service {
    async fn start() -> Self {
        let (mood, seen) = (Arc::new(Mutex::new(Mood::Hanging)), Arc::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let shared: Shared = (Arc::clone(&mood), Arc::clone(&seen));
        let router = Router::new().route("/v1/rerank", post(rerank)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, mood, seen }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn setup(&self, folder: &Path) -> Setup {
        Setup::new(folder)
            .with("NOTEBOOK__RERANK__PROVIDER", "http")
            .with("NOTEBOOK__RERANK__BASE_URL", &self.base_url)
            .with("NOTEBOOK__RERANK__MODEL", "played")
            .with("NOTEBOOK__RERANK__API_KEY", "rr-key")
            .with("NOTEBOOK__RERANK__MILLIS", 700)
    }
}

async fn rerank(
    State((mood, seen)): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response<String> {
    let key = headers.get("authorization").map(|key| key.to_str().unwrap().to_owned());
    seen.lock().unwrap().push((key, body.clone()));
    let mood = *mood.lock().unwrap();
    let liked = match mood {
        Mood::Hanging => std::future::pending().await,
        Mood::Lying => return Response::new("<html>Good evening</html>".to_owned()),
        Mood::Likes(word) => word,
    };
    let documents = body["documents"].as_array().unwrap().iter().enumerate();
    let entry = |(index, text): (usize, &Value)| {
        let score = f32::from(u8::from(text.as_str().unwrap().contains(liked)));
        json!({ "index": index, "relevance_score": score })
    };
    let results: Vec<Value> = documents.map(entry).collect();
    Response::new(json!({ "results": results }).to_string())
}

/// A notebook with sources that say the same in other people's names.
async fn furnished(server: &Server) -> (NotebookId, Vec<SourceId>) {
    let notebook = server.notebook().await;
    let mut sources = Vec::new();
    for (name, text) in TEXTS {
        sources.push(server.ready(notebook, name, text.as_bytes().to_vec()).await.id);
    }
    (notebook, sources)
}

/// The sources in the order in which the answer cites them, and the run's events.
async fn asked(server: &Server, notebook: NotebookId) -> (Vec<SourceId>, Vec<Value>, Value) {
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, QUESTION).await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed", "{events:?}");
    let message = server.message(&run).await;
    assert_eq!(server.check_citations(&message).await, TEXTS.len(), "{}", message.text);
    let cited = message.citations.iter().map(|citation| citation.source).collect();
    (cited, events, serde_json::to_value(&message).unwrap())
}

fn retrieved(events: &[Value]) -> &Value {
    events.iter().find(|event| event["type"] == "retrieved").unwrap()
}

/// Whether the stage ended in time; none where it did not run.
fn stage(timings: &Value) -> Option<bool> {
    let mut stages = timings.as_array().unwrap().iter();
    stages.find(|timing| timing["stage"] == "rerank").map(|timing| timing["finished"] == true)
}

#[tokio::test]
async fn b3_a_reranker_changes_the_order_and_a_late_one_only_costs_its_limit() {
    let folder = folder();
    let service = Service::start().await;
    let server = Setup::new(folder.path()).start();
    let (notebook, sources) = furnished(&server).await;
    let (fused, events, _) = asked(&server, notebook).await;
    assert_eq!(stage(&retrieved(&events)["timings"]), None);
    assert_eq!(server.json("/api/status").await["rerank"], Value::Null);
    assert!(service.seen.lock().unwrap().is_empty(), "nothing leaves that nobody has configured");
    assert!(server.terminate().success());

    let server = service.setup(folder.path()).start();
    let status = server.json("/api/status").await["rerank"].clone();
    let known =
        json!({ "model": "played", "place": service.base_url, "candidates": 32, "check": null });
    assert_eq!(status, known, "nobody has asked it yet");
    for (source, name) in sources.iter().zip(["Anna", "Bert", "Carl"]) {
        service.is(Mood::Likes(name));
        let (cited, events, message) = asked(&server, notebook).await;
        // The best first, the others as before.
        let others = fused.iter().filter(|other| *other != source).copied();
        let wanted: Vec<SourceId> = [*source].into_iter().chain(others).collect();
        assert_eq!(cited, wanted, "{name}");
        assert_eq!(retrieved(&events)["partial"], false);
        assert_eq!(stage(&retrieved(&events)["timings"]), Some(true));
        assert_eq!(stage(&message["timings"]), Some(true));
    }
    assert_eq!(server.json("/api/status").await["rerank"]["check"], "ok");
    let seen = service.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3);
    for (key, body) in seen {
        assert_eq!(key.as_deref(), Some("Bearer rr-key"));
        assert_eq!((&body["model"], &body["query"]), (&json!("played"), &json!(QUESTION)));
        let mut texts: Vec<&str> =
            body["documents"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        texts.sort_unstable();
        assert_eq!(texts, TEXTS.map(|(_, text)| text), "what was found, and nothing else");
    }

    for (mood, finished) in [(Mood::Hanging, false), (Mood::Lying, true)] {
        service.is(mood);
        let (cited, events, message) = asked(&server, notebook).await;
        assert_eq!(cited, fused, "as if there were none");
        assert_eq!(retrieved(&events)["partial"], true);
        assert_eq!(stage(&retrieved(&events)["timings"]), Some(finished));
        assert_eq!(stage(&message["timings"]), Some(finished));
        let warned =
            |event: &&Value| event["type"] == "warning" && event["code"] == "retrieval_partial";
        let warnings: Vec<&Value> = events.iter().filter(warned).collect();
        assert_eq!(warnings.len(), 1, "{events:?}");
        assert!(!warnings[0].to_string().contains("rr-key"));
        let check = if finished { "protocol" } else { "timeout" };
        assert_eq!(server.json("/api/status").await["rerank"]["check"], check);
    }
}

/// What is wrong with it is told by name, and a server does not start without the model that it was told to use.
#[tokio::test]
async fn b3_doctor_tries_the_reranker() {
    let (folder, service) = (folder(), Service::start().await);
    let doctor = async |more: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notebook"));
        command.args(["doctor", "--data-dir"]).arg(folder.path());
        command.env("NOTEBOOK__CHAT__PROVIDER", "extractive");
        command.env("NOTEBOOK__EMBEDDING__PROVIDER", "none");
        command.envs(more.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find(|line| line.contains(" rerank ")).map(str::to_owned);
        line.unwrap_or_default()
    };
    assert_eq!(doctor(&[]).await, "");
    let http = [
        ("NOTEBOOK__RERANK__PROVIDER", "http"),
        ("NOTEBOOK__RERANK__BASE_URL", service.base_url.as_str()),
        ("NOTEBOOK__RERANK__MODEL", "played"),
    ];
    service.is(Mood::Likes("Bees"));
    let said = doctor(&http).await;
    assert!(said.starts_with("✓") && said.contains("played"), "{said}");
    service.is(Mood::Lying);
    let said = doctor(&http).await;
    assert!(said.starts_with("✗") && said.contains("JSON"), "{said}");
    let missing = folder.path().join("nowhere");
    let said = doctor(&[
        ("NOTEBOOK__RERANK__PROVIDER", "candle"),
        ("NOTEBOOK__RERANK__FOLDER", missing.to_str().unwrap()),
    ])
    .await;
    assert!(said.starts_with("✗") && said.contains("config.json"), "{said}");
}
