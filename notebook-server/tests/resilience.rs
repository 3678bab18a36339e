//! Models that fail, keys that are spent: what people see of it, and operators.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod provider;

use std::process::Command;

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use common::{Server, Setup, folder};
use notebook_core::ConversationId;
use provider::{Provider, Script};
use serde_json::Value;

async fn with_source(server: &Server) -> ConversationId {
    let notebook = server.notebook().await;
    server
        .ready(notebook, "heron.txt", b"The heron waits by the pond. It eats frogs.".to_vec())
        .await;
    server.conversation(notebook).await
}

fn asking(folder: &std::path::Path, url: &str) -> Setup {
    Setup::new(folder)
        .with("NOTEBOOK__CHAT__PROVIDER", "openai")
        .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{url}/v1"))
        .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
}

/// Z21, Z5: a provider that is down is replaced by the next model, which the reader is told; after some failures it is left alone,
/// which operators see, and the server is as ready as before.
#[tokio::test]
async fn z5_z21_another_model_answers_and_says_so() {
    let provider = Provider::start(Script::status(503)).await;
    let folder = folder();
    let server = asking(folder.path(), &provider.url)
        .with("NOTEBOOK__CHAT__FALLBACK", "[\"extractive\"]")
        .start();
    let conversation = with_source(&server).await;
    let ready = server.get("/ready").await;
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["checks"]["models"]["status"], "ok");
    for _ in 0..5 {
        let run = server.ask(conversation, "What does the heron eat?").await;
        let events = server.events(&run, 0).await;
        let told =
            events.iter().find(|event| event["code"] == "model_replaced").expect("a warning");
        let told = told["message"].as_str().unwrap();
        assert!(told.contains("openai/test") && told.contains("extractive/"), "{told}");
        let message = server.message(&run).await;
        assert!(
            message.model.as_deref().unwrap().starts_with("extractive/"),
            "{:?}",
            message.model
        );
        assert!(server.check_citations(&message).await > 0);
    }
    let status = server.json("/api/status").await;
    let state = &status["models"][0];
    assert_eq!(
        (&state["model"], &state["state"]),
        (&"openai/test".into(), &"open".into()),
        "{status}"
    );
    assert!(state["open_millis"].as_u64().unwrap() > 30_000);
    assert_eq!(status["load"]["providers"][0]["calling"], 0);
    let ready = server.get("/ready").await;
    assert_eq!(ready.status(), 200);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["status"], "degraded");
    assert_eq!(ready["checks"]["models"]["breakers"]["open"], 1);
}

/// OpenAI's dialect for one key, and no more calls for another.
async fn two_keys() -> String {
    async fn answer(headers: HeaderMap) -> Response {
        if headers[header::AUTHORIZATION] != "Bearer sk-second-6d0c1f" {
            return (
                StatusCode::TOO_MANY_REQUESTS,
                "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"no\"}}",
            )
                .into_response();
        }
        let chunk = |delta: &str, finish: &str| {
            format!(
                "data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
            )
        };
        let said = chunk("{\"content\":\"It eats frogs [1].\"}", "null");
        let body = format!("{said}{}data: [DONE]\n\n", chunk("{}", "\"stop\""));
        ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/chat/completions", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

/// C3: a key without credit rests, the next one answers; counts are there after a restart, for operators at the console too, and no
/// key is shown anywhere.
#[tokio::test]
async fn c3_the_next_key_answers_and_counts_are_kept() {
    let (folder, url) = (folder(), two_keys().await);
    let setup = asking(folder.path(), &url)
        .logging_to(folder.path().join("log"))
        .with("NOTEBOOK__CHAT__OPENAI__API_KEYS__A", "sk-first-93b7e2")
        .with("NOTEBOOK__CHAT__OPENAI__API_KEYS__B", "sk-second-6d0c1f")
        .with("NOTEBOOK__CHAT__OPENAI__KEYS__DAILY_CALLS", 2);
    let check = |status: &Value, second: u64| {
        let keys = &status["load"]["keys"];
        let of = |i: usize| (keys[i]["name"].clone(), keys[i]["used"].clone());
        assert_eq!(of(0), ("a".into(), 1.into()), "{keys}");
        assert_eq!(of(1), ("b".into(), second.into()), "{keys}");
        assert!(keys[0]["resting_millis"].as_u64().unwrap() > 0, "{keys}");
        assert!(!status.to_string().contains("sk-"));
    };
    let server = setup.start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    server.events(&run, 0).await;
    assert_eq!(server.message(&run).await.text, "It eats frogs.");
    check(&server.json("/api/status").await, 1);
    server.kill();

    let server = setup.start();
    check(&server.json("/api/status").await, 1);
    let run = server.ask(conversation, "What does the heron eat?").await;
    server.events(&run, 0).await;
    // The second key's day is over too.
    let run = server.ask(conversation, "What does the heron eat?").await;
    let events = server.events(&run, 0).await;
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["code"]),
        (&"failed".into(), &"rate_limited".into()),
        "{last}"
    );
    check(&server.json("/api/status").await, 2);
    drop(server);

    let shown = Command::new(env!("CARGO_BIN_EXE_notebook"))
        .args(["--data-dir", folder.path().to_str().unwrap(), "models", "keys"])
        .env("NOTEBOOK__CHAT__OPENAI__API_KEYS__A", "sk-first-93b7e2")
        .env("NOTEBOOK__CHAT__OPENAI__API_KEYS__B", "sk-second-6d0c1f")
        .env("NOTEBOOK__CHAT__OPENAI__KEYS__DAILY_CALLS", "2")
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("openai a: 1 of 2 calls today, rests for"), "{shown}");
    assert!(shown.contains("openai b: 2 of 2 calls today\n"), "{shown}");
    for file in ["log", "notebook.db", "notebook.db-wal"] {
        let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("sk-"), "{file}");
    }
}

/// C2: the same prompt of the same person again is answered from memory, and the answer says that it used nothing.
#[tokio::test]
async fn c2_an_identical_prompt_is_answered_from_memory() {
    let words = ["The heron ", "eats frogs [1]."];
    let provider = Provider::start(Script::paced(&words, 1).numbered()).await;
    let folder = folder();
    let server = asking(folder.path(), &provider.url)
        .with("NOTEBOOK__CHAT__TEMPERATURE", 0)
        .with("NOTEBOOK__CHAT__RESILIENCE__CACHE__BYTES", 1 << 20)
        .start();
    let notebook = server.notebook().await;
    server.ready(notebook, "heron.txt", b"The heron eats frogs.".to_vec()).await;
    let mut texts = Vec::new();
    for _ in 0..2 {
        let conversation = server.conversation(notebook).await;
        let run = server.ask(conversation, "What does the heron eat?").await;
        server.events(&run, 0).await;
        let message = server.message(&run).await;
        let usage = message.usage.unwrap();
        texts.push((message.text, message.citations.len(), usage.completion_tokens > 0));
    }
    assert!(texts[0].0.contains("answer 0"), "{texts:?}");
    assert_eq!((&texts[0].0, texts[0].1), (&texts[1].0, texts[1].1));
    assert!(texts[0].2 && !texts[1].2, "{texts:?}");
}
