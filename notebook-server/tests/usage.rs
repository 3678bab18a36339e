//! What answers used, over REST.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::{PATIENCE, Server, Setup, folder};
use serde_json::{Value, json};

/// F4, F2: answers are counted by a job, by day, model and notebook; asking wrongly says what to ask.
#[tokio::test]
async fn f4_usage_is_counted_and_told() {
    let folder = folder();
    let setup = Setup::new(folder.path());
    let server = setup.start();
    let notebook = server.notebook().await;
    let text = b"The heron waits by the pond. It eats frogs.".to_vec();
    server.ready(notebook, "heron.txt", text).await;
    let conversation = server.conversation(notebook).await;
    for _ in 0..3 {
        let run = server.ask(conversation, "What does the heron eat?").await;
        assert_eq!(server.events(&run, 0).await.last().unwrap()["type"], "completed");
    }
    let server = count_again(&setup, server);
    let deadline = Instant::now() + PATIENCE;
    let by_model = loop {
        let usage = server.json("/api/usage?group=model").await;
        if usage["items"].as_array().is_some_and(|items| !items.is_empty()) {
            break usage;
        }
        assert!(Instant::now() < deadline, "{usage}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let item = &by_model["items"][0];
    assert_eq!((&item["key"], &item["answers"]), (&json!("extractive/quotes"), &json!(3)));
    let outcomes = json!({ "completed": 3, "stopped": 0, "failed": 0, "abandoned": 0 });
    assert_eq!(item["outcomes"], outcomes);
    assert!(item["tokens"]["prompt"].as_u64().unwrap() > 0, "{item}");
    assert!(item["tokens"]["completion"].as_u64().unwrap() > 0, "{item}");
    assert_eq!(item["total_ms"]["count"], 3);
    assert!(item["total_ms"]["p50"].as_f64().unwrap() > 0.0, "{item}");
    // Three answers, on one day or, at midnight, on two.
    let days = server.json("/api/usage").await;
    let sum = |items: &Value| {
        items.as_array().unwrap().iter().map(|item| item["answers"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum(&days["items"]), &days["open_from"]), (3, &days["items"][0]["key"]));
    let notebooks = server.json("/api/usage?group=notebook").await;
    assert_eq!(notebooks["items"][0]["key"], json!(notebook));
    assert_eq!(server.json("/api/usage?from=2020-01-01&to=2020-12-31").await["items"], json!([]));

    for (query, field) in [
        ("from=yesterday", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("from=2025-01-01&to=2026-01-02", "from"),
    ] {
        let response = server.get(&format!("/api/usage?{query}")).await;
        assert_eq!(response.status(), 422, "{query}");
        assert_eq!(response.json::<Value>().await.unwrap()["field"], field, "{query}");
    }
    assert_eq!(server.get("/api/usage?group=planet").await.status(), 400);
}

/// Starts the server again, without the counting jobs that there were: the last tick's is made up for, as after a time in
/// which no server ran.
fn count_again(setup: &Setup, server: Server) -> Server {
    assert!(server.terminate().success());
    let file = rusqlite::Connection::open(setup.folder.join("notebook.db")).unwrap();
    file.execute("DELETE FROM jobs WHERE kind = 'usage.count'", []).unwrap();
    drop(file);
    setup.start()
}
