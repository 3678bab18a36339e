//! Runs over the wire: resume, disconnect, stop, restart, broken providers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod provider;

use std::time::{Duration, Instant};

use common::{PATIENCE, Server, Setup, folder, text_of};
use futures::StreamExt;
use notebook_core::{ConversationId, model::Run};
use provider::{Provider, Script};
use serde_json::json;

async fn with_source(server: &Server) -> ConversationId {
    let notebook = server.notebook().await;
    server
        .ready(notebook, "heron.txt", b"The heron waits by the pond. It eats frogs.".to_vec())
        .await;
    server.conversation(notebook).await
}

fn with_provider(folder: &std::path::Path, provider: &Provider) -> Setup {
    Setup::new(folder)
        .with("NOTEBOOK__CHAT__PROVIDER", "openai")
        .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", provider.url))
        .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
}

/// Reads until the answer holds `wanted`, then closes the connection.
async fn read_until(server: &Server, run: &Run, wanted: &str) {
    let mut stream = Box::pin(server.stream(run, 0).await);
    let mut text = String::new();
    let reading = async {
        while !text.contains(wanted) {
            let event = stream.next().await.expect("more events");
            let event: serde_json::Value = serde_json::from_str(&event.data).unwrap();
            text.push_str(event["text"].as_str().unwrap_or_default());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
}

/// S43: from whatever event a reader resumes, the text is the same.
#[tokio::test]
async fn s43_resume_at_each_event() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    let all = server.events(&run, 0).await;
    assert!(all.len() > 3);
    for after in 0..=all.len() {
        assert_eq!(server.events(&run, after as u64).await, all[after..], "after {after}");
    }
    let seqs: Vec<_> = all.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=all.len() as u64).collect::<Vec<_>>());
}

/// S39: closing the connection does not stop the run; the whole answer is stored.
#[tokio::test]
async fn s39_disconnecting_is_not_stopping() {
    let provider =
        Provider::start(Script::paced(&["The heron ", "eats ", "frogs [1]."], 150)).await;
    let folder = folder();
    let server = with_provider(folder.path(), &provider).start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    read_until(&server, &run, "heron").await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed");
    let message = server.message(&run).await;
    assert_eq!(message.text, "The heron eats frogs.");
    assert_eq!(server.check_citations(&message).await, 1);
}

/// S40, E2: stop ends the run and the provider's connection within a second, and keeps the partial answer.
#[tokio::test]
async fn s40_stop_reaches_the_provider() {
    let provider = Provider::start(Script::endless("word ")).await;
    let folder = folder();
    let server = with_provider(folder.path(), &provider).start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    read_until(&server, &run, "word word").await;
    let since = Instant::now();
    let response = server.post(&format!("/api/runs/{}/stop", run.id), json!({})).await;
    assert_eq!(response.status(), 202);
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "stopped");
    provider.wait_until_cut().await;
    // The contract is one second; the rest is room for a loaded machine.
    assert!(since.elapsed() < Duration::from_secs(10));
    let message = server.message(&run).await;
    assert!(message.partial);
    assert_eq!(message.text, text_of(&events));
    let again = server.post(&format!("/api/runs/{}/stop", run.id), json!({})).await;
    assert_eq!(again.json::<serde_json::Value>().await.unwrap()["state"], "stopped");
}

/// S47: after kill -9 in the middle of an answer it is begun anew, and a reader that goes on is told so.
#[tokio::test]
async fn s47_an_answer_survives_kill_9() {
    let provider = Provider::start(Script::endless("word ")).await;
    let folder = folder();
    let setup = with_provider(folder.path(), &provider);
    let server = setup.start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    read_until(&server, &run, "word word word word word word word word").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    server.kill();
    let server = setup.start();
    // Whatever number the reader had seen: the lost process may have shown more than it stored.
    let mut stream = Box::pin(server.stream(&run, 500).await);
    let first = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().expect("an event");
    assert_eq!(first.event, "restarted");
    drop(stream);
    read_until_anew(&server, &run, "word word").await;
    server.post(&format!("/api/runs/{}/stop", run.id), json!({})).await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "stopped");
    let restarts = events.iter().filter(|event| event["type"] == "restarted").count();
    assert_eq!(restarts, 1);
    let message = server.message(&run).await;
    assert_eq!(message.text, text_of(&events));
    assert!(message.partial && message.text.contains("word word"));
}

/// D7: what a process had recorded of an answer when it was killed is kept up to its last stored piece, is known not to be whole, and is done again up to
/// there; the process that comes after it records its own.
#[tokio::test]
async fn d7_a_killed_process_leaves_what_it_had_recorded() {
    let provider = Provider::start(Script::endless("word ")).await;
    let folder = folder();
    let setup = with_provider(folder.path(), &provider).with("NOTEBOOK__CHAT__RECORD_RUNS", "true");
    let server = setup.start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    let path = format!("/api/runs/{}/recording", run.id);
    let deadline = Instant::now() + PATIENCE;
    let stored = loop {
        let stored = server.json(&path).await;
        if stored.to_string().contains(r#""delta":"word "#) {
            break stored["parts"][0]["recording"].clone();
        }
        assert!(Instant::now() < deadline, "nothing is stored while the answer is made");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    server.kill();
    let server = setup.start();
    read_until_anew(&server, &run, "word word").await;
    server.post(&format!("/api/runs/{}/stop", run.id), json!({})).await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "stopped");

    let parts = server.json(&path).await["parts"].as_array().unwrap().clone();
    assert_eq!(parts.len(), 2);
    let again = |part: &serde_json::Value| {
        notebook_agent::chat::replay(part["recording"].to_string().as_bytes()).unwrap()
    };
    let (killed, whole) = (again(&parts[0]), again(&parts[1]));
    assert!(!killed.whole && whole.whole);
    let lines =
        |recording: &serde_json::Value| recording["page"]["lines"].as_array().unwrap().clone();
    let (before, after) = (lines(&stored), lines(&parts[0]["recording"]));
    assert_eq!(before, after[..before.len()], "what was stored is not lost");
    let shown = json!(killed.page.unwrap().events);
    let shown = shown.as_array().unwrap();
    assert!(text_of(shown).contains("word word"), "{shown:?}");
    assert_eq!(shown[0]["type"], "started");
    let shown = json!(whole.page.unwrap().events);
    assert_eq!(shown.as_array().unwrap().last().unwrap()["type"], "stopped");

    // Nothing of either is left when the conversation is gone.
    let gone = format!("{}/api/conversations/{conversation}", server.url);
    assert!(server.http.delete(gone).send().await.unwrap().status().is_success());
    assert_eq!(server.get(&path).await.status(), 404);
}

/// The same until the text after a new beginning holds `wanted`.
async fn read_until_anew(server: &Server, run: &Run, wanted: &str) {
    let mut stream = Box::pin(server.stream(run, 0).await);
    let mut text: Option<String> = None;
    let reading = async {
        while !text.as_ref().is_some_and(|text| text.contains(wanted)) {
            let event = stream.next().await.expect("more events");
            let event: serde_json::Value = serde_json::from_str(&event.data).unwrap();
            if event["type"] == "restarted" {
                text = Some(String::new());
            } else if let Some(text) = &mut text {
                text.push_str(event["text"].as_str().unwrap_or_default());
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
}

/// S38: with nobody left to watch, an answer ends as the setting says, upstream included.
#[tokio::test]
async fn s38_an_answer_that_nobody_watches_ends_when_the_setting_says_so() {
    let provider = Provider::start(Script::endless("word ")).await;
    let folder = folder();
    let setup =
        with_provider(folder.path(), &provider).with("NOTEBOOK__CHAT__UNWATCHED_SECONDS", "0");
    let server = setup.start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    read_until(&server, &run, "word word").await;
    provider.wait_until_cut().await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "abandoned");
    assert_eq!(server.message(&run).await.text, text_of(&events));
}

/// SIGTERM: readers get an end, the process exits cleanly and soon.
#[tokio::test]
async fn i5_shutdown_ends_streams_and_runs() {
    let provider = Provider::start(Script::endless("word ")).await;
    let folder = folder();
    let setup = with_provider(folder.path(), &provider);
    let server = setup.start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    read_until(&server, &run, "word").await;
    let mut stream = Box::pin(server.stream(&run, 0).await);
    let reader = tokio::spawn(async move { while stream.next().await.is_some() {} });
    let status = tokio::task::spawn_blocking(move || server.terminate()).await.unwrap();
    assert!(status.success(), "{status}");
    tokio::time::timeout(PATIENCE, reader).await.expect("the stream ended").unwrap();
    // What could not be finished in time is not lost: the next start begins it anew.
    let server = setup.start();
    read_until_anew(&server, &run, "word").await;
    server.post(&format!("/api/runs/{}/stop", run.id), json!({})).await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "stopped");
}

/// Q34, Z19: a second signal does not wait; what was going on is begun anew at the next start.
#[tokio::test]
async fn q34_a_second_signal_exits_at_once() {
    let provider = Provider::start(Script::endless("word ")).await;
    let folder = folder();
    let setup = with_provider(folder.path(), &provider);
    let server = setup.start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    read_until(&server, &run, "word").await;
    let since = Instant::now();
    let status = tokio::task::spawn_blocking(move || server.terminate_twice()).await.unwrap();
    assert_eq!(status.code(), Some(130));
    // The first alone would wait some seconds for the answer.
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    let server = setup.start();
    read_until_anew(&server, &run, "word").await;
}

/// S50: a reader of a few bytes at a time gets the whole, and holds up nobody.
#[tokio::test]
async fn s50_a_slow_reader_gets_the_whole() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let words: Vec<String> = (0..200).map(|number| format!("heron-{number} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let provider = Provider::start(Script::paced(&words, 5)).await;
    let folder = folder();
    let server = with_provider(folder.path(), &provider).start();
    let conversation = with_source(&server).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    let address = server.url.strip_prefix("http://").unwrap();
    let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /api/runs/{}/events HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n",
        run.id
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    for _ in 0..400 {
        bytes.push(slow.read_u8().await.unwrap());
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    // Meanwhile another has seen it to its end.
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed");
    tokio::time::timeout(PATIENCE, slow.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for word in &words {
        assert!(text.contains(word.trim_end()), "{word}");
    }
    assert!(text.contains("event: completed"));
}

/// A provider that answers with HTML, half a stream, an error in the stream, or nothing: the run fails with a
/// reason, never completes, and the server goes on.
#[tokio::test]
async fn s33_s34_broken_providers_fail_the_run() {
    for (script, code) in [
        (Script::html(), "protocol"),
        (Script::cut(&["The heron "]), "unavailable"),
        (Script::error_in_stream(), "unavailable"),
        (Script::status(401), "unauthorized"),
        (Script::status(429), "rate_limited"),
    ] {
        let name = script.name;
        let provider = Provider::start(script).await;
        let folder = folder();
        let server = with_provider(folder.path(), &provider).start();
        let conversation = with_source(&server).await;
        let run = server.ask(conversation, "What does the heron eat?").await;
        let events = server.events(&run, 0).await;
        let last = events.last().unwrap();
        assert_eq!(last["type"], "failed", "{name}: {last}");
        let got = last["code"].as_str().unwrap();
        assert!(
            got == code
                || (name == "error in stream" && got != "internal")
                || (name == "cut" && got == "protocol"),
            "{name}: {last}"
        );
        assert!(last["message"].as_str().unwrap().len() > 20, "{name}: {last}");
    }
}

/// A parent that is null begins the conversation anew; one that is absent follows the newest message.
#[tokio::test]
async fn a_question_follows_the_newest_message_or_nothing() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let conversation = with_source(&server).await;
    let first = server.ask(conversation, "What does the heron eat?").await;
    server.events(&first, 0).await;
    let path = format!("/api/conversations/{conversation}/runs");
    let mut parents = Vec::new();
    for body in
        [json!({ "question": "And where?" }), json!({ "question": "And where?", "parent": null })]
    {
        let run: Run = server.post(&path, body).await.json().await.unwrap();
        server.events(&run, 0).await;
        let messages = server.json(&format!("/api/conversations/{conversation}/messages")).await;
        let question = messages["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|m| m["id"] == json!(run.question))
            .unwrap();
        parents.push(question["parent"].clone());
    }
    assert_eq!(parents, [json!(first.answer), json!(null)]);
}
