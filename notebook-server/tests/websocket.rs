//! The chat over a WebSocket, and the form for `EventSource`: views of the same log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod provider;

use std::time::{Duration, Instant};

use common::{PATIENCE, Server, Setup, folder, text_of};
use futures::{SinkExt as _, StreamExt as _};
use notebook_core::{
    ConversationId, NotebookId, RunId, model::Message as Stored, sse::EventStream,
};
use provider::{Provider, Script};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

/// A client.
struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn open(server: &Server, conversation: ConversationId) -> Self {
        Self::try_open(server, conversation, None).await.unwrap()
    }

    async fn try_open(
        server: &Server,
        conversation: ConversationId,
        origin: Option<&str>,
    ) -> Result<Self, Error> {
        let address = server.url.strip_prefix("http://").unwrap();
        let url = format!("ws://{address}/ws/chat/{conversation}");
        let mut request = url.into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        let socket = TcpStream::connect(address).await.unwrap();
        Ok(Self(client_async(request, socket).await?.0))
    }

    /// One that has a place: those of connections that have just ended are free within a moment.
    async fn admitted(server: &Server, conversation: ConversationId) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut tab = Self::open(server, conversation).await;
            let asked = json!({ "type": "stop", "run": RunId::new() }).to_string();
            let sent = tab.0.send(Message::text(asked)).await;
            if sent.is_ok() && tab.hear().await.is_some_and(|reply| reply["code"] == "not_found") {
                return tab;
            }
            assert!(Instant::now() < deadline, "there is no place");
        }
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message; none when the connection is closed.
    async fn hear(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("in time")?;
            match message.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Messages up to one of this type.
    async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let message = self.hear().await.expect("more messages");
            let found = message["type"] == kind;
            all.push(message);
            if found {
                return all;
            }
        }
    }

    /// The code that the server closes with.
    async fn closed(&mut self) -> Option<u16> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("in time")? {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

fn chunks(messages: &[Value]) -> String {
    messages
        .iter()
        .filter(|message| message["type"] == "chunk")
        .map(|message| message["text"].as_str().unwrap())
        .collect()
}

async fn with_source(server: &Server) -> (NotebookId, ConversationId) {
    let notebook = server.notebook().await;
    let text = b"The heron waits by the pond. It eats frogs.".to_vec();
    server.ready(notebook, "heron.txt", text).await;
    (notebook, server.conversation(notebook).await)
}

fn with_provider(folder: &std::path::Path, provider: &Provider) -> Setup {
    Setup::new(folder)
        .with("NOTEBOOK__CHAT__PROVIDER", "openai")
        .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", provider.url))
        .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
}

/// E4: ask, follow, and see the same as by the event stream, from any number on, in a second tab.
#[tokio::test]
async fn e4_an_answer_over_a_websocket() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let (_, conversation) = with_source(&server).await;
    let mut client = Client::open(&server, conversation).await;
    client.say(json!({ "type": "ask", "question": "What does the heron eat?", "key": "k" })).await;
    let messages = client.until("completed").await;
    assert_eq!(messages[0]["type"], "task_queued");
    let run: RunId = serde_json::from_value(messages[0]["run"].clone()).unwrap();
    let end = messages.last().unwrap();
    assert_eq!((&end["state"], &end["abstained"]), (&json!("completed"), &json!(false)));
    let run = serde_json::from_value(server.json(&format!("/api/runs/{run}")).await).unwrap();
    let message = server.message(&run).await;
    assert_eq!(chunks(&messages), message.text);
    let citations = messages.iter().filter(|message| message["type"] == "citation").count();
    assert_eq!(citations, message.citations.len());
    assert!(messages[1..].iter().all(|message| message["run"] == json!(run.id)));
    let numbers: Vec<u64> = messages[1..].iter().map(|m| m["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    // A second tab, from the beginning and from the middle.
    let mut tab = Client::open(&server, conversation).await;
    for after in [0, numbers.len() / 2] {
        tab.say(json!({ "type": "resume", "run": run.id, "after": after })).await;
        assert_eq!(tab.until("completed").await, messages[1 + after..]);
    }
    // The same key again starts nothing: it follows the answer that there is.
    tab.say(json!({ "type": "ask", "question": "What does the heron eat?", "key": "k" })).await;
    assert_eq!(tab.until("completed").await, messages);
    tab.say(json!({ "type": "regenerate", "question": run.question })).await;
    let again = tab.until("completed").await;
    assert_ne!(again[0]["run"], messages[0]["run"]);
}

/// E4, S40: stop over the WebSocket; a connection that goes away stops nothing.
#[tokio::test]
async fn s40_stop_over_a_websocket_and_leaving_is_not_stopping() {
    let provider = Provider::start(Script::endless("word ")).await;
    let folder = folder();
    let server = with_provider(folder.path(), &provider).start();
    let (_, conversation) = with_source(&server).await;
    let mut client = Client::open(&server, conversation).await;
    client.say(json!({ "type": "ask", "question": "What does the heron eat?" })).await;
    let queued = client.until("chunk").await[0].clone();
    drop(client);
    let mut client = Client::open(&server, conversation).await;
    client.say(json!({ "type": "resume", "run": queued["run"], "after": 0 })).await;
    let first = client.until("chunk").await;
    client.say(json!({ "type": "stop", "run": queued["run"] })).await;
    let rest = client.until("completed").await;
    assert_eq!(rest.last().unwrap()["state"], "stopped");
    provider.wait_until_cut().await;
    let run = queued["run"].as_str().unwrap();
    let run = serde_json::from_value(server.json(&format!("/api/runs/{run}")).await).unwrap();
    assert_eq!(chunks(&first) + &chunks(&rest), server.message(&run).await.text);
}

/// E4: what is wrong is said, and the connection goes on; what breaks the rules ends it with its code.
#[tokio::test]
async fn e4_bad_messages_and_limits() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let (_, conversation) = with_source(&server).await;
    let mut client = Client::open(&server, conversation).await;
    for (message, code) in [
        ("{", "invalid_input"),
        ("[]", "invalid_input"),
        ("{\"type\":\"sing\"}", "invalid_input"),
        ("{\"type\":\"ask\",\"question\":\"a\",\"loud\":true}", "invalid_input"),
        ("{\"type\":\"ask\",\"question\":\" \"}", "invalid_input"),
    ] {
        client.0.send(Message::text(message)).await.unwrap();
        let error = client.hear().await.unwrap();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{message}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{error}");
    }
    for kind in ["stop", "resume"] {
        client.say(json!({ "type": kind, "run": RunId::new() })).await;
        assert_eq!(client.hear().await.unwrap()["code"], "not_found");
    }
    client.say(json!({ "type": "ask", "question": "x".repeat(40_000) })).await;
    assert_eq!(client.hear().await.unwrap()["code"], "too_large");
    // A run of another conversation is not this one's.
    let other = with_source(&server).await.1;
    let run = server.ask(other, "What does the heron eat?").await;
    client.say(json!({ "type": "resume", "run": run.id })).await;
    assert_eq!(client.hear().await.unwrap()["code"], "not_found");

    let _ = client.0.send(Message::text("x".repeat(2 << 20))).await;
    assert_eq!(client.closed().await, Some(1009));
    let mut client = Client::open(&server, conversation).await;
    client.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.closed().await, Some(1003));
    let mut stranger = Client::open(&server, ConversationId::new()).await;
    assert_eq!(stranger.closed().await, Some(4004));
    // Of six tabs the last is refused; when one is closed there is room.
    let mut tabs = Vec::new();
    for _ in 0..5 {
        tabs.push(Client::admitted(&server, conversation).await);
    }
    assert_eq!(Client::open(&server, conversation).await.closed().await, Some(4008));
    tabs.pop().unwrap().0.close(None).await.unwrap();
    tabs.push(Client::admitted(&server, conversation).await);
    drop(tabs);
    // A page of another origin is refused before there is a connection (S55).
    let foreign = Client::try_open(&server, conversation, Some("https://evil.example")).await;
    assert!(matches!(foreign, Err(Error::Http(response)) if response.status() == 403));
    let own = server.url.clone();
    assert!(Client::try_open(&server, conversation, Some(&own)).await.is_ok());
}

/// S55: a peer that answers no pings is closed; one that does stays.
#[tokio::test]
async fn s55_silence_is_ended_and_answers_are_not() {
    let folder = folder();
    let server = Setup::new(folder.path()).with("NOTEBOOK__LIMITS__PING_SECONDS", 1).start();
    let (_, conversation) = with_source(&server).await;
    // One that never reads answers no pings.
    let silent = Client::open(&server, conversation).await;
    let mut lively = Client::open(&server, conversation).await;
    let listening = tokio::time::timeout(Duration::from_secs(5), async {
        let mut pings = 0;
        while let Some(Ok(message)) = lively.0.next().await {
            pings += usize::from(message.is_ping());
        }
        pings
    });
    assert!(listening.await.is_err(), "the one that answers is not closed");
    let mut silent = silent;
    assert_eq!(silent.closed().await, Some(1008));
    lively.say(json!({ "type": "stop", "run": RunId::new() })).await;
    assert_eq!(lively.hear().await.unwrap()["code"], "not_found");
}

/// I5: a server that goes down says goodbye.
#[tokio::test]
async fn i5_a_server_that_ends_closes_websockets() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let (_, conversation) = with_source(&server).await;
    let mut client = Client::open(&server, conversation).await;
    client.say(json!({ "type": "stop", "run": RunId::new() })).await;
    client.hear().await.unwrap();
    let ending = tokio::task::spawn_blocking(move || server.terminate());
    assert_eq!(client.closed().await, Some(1001));
    assert!(ending.await.unwrap().success());
}

/// An `EventSource`: the blocks of one connection.
async fn read(
    server: &Server,
    path: &str,
    last: Option<&str>,
) -> (u16, Vec<(String, String, Value)>) {
    let mut request = server.http.get(format!("{}{path}", server.url));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let events = EventStream::new(response.bytes_stream()).map(|event| {
        let event = event.unwrap();
        let data = serde_json::from_str(&event.data).unwrap_or(Value::Null);
        (event.event.to_string(), event.id.unwrap_or_default().to_string(), data)
    });
    let all = tokio::time::timeout(PATIENCE, events.collect());
    (status, if status == 200 { all.await.unwrap() } else { Vec::new() })
}

/// E3: one GET asks and streams; whoever comes back goes on, asks nothing twice, and stays away after the end.
#[tokio::test]
async fn e3_event_source_asks_and_reads() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let (notebook, conversation) = with_source(&server).await;
    let path =
        format!("/api/projects/{notebook}/messages/stream?content=What+does+the+heron+eat%3F");
    let (status, events) = read(&server, &path, None).await;
    assert_eq!(status, 200);
    let (name, last, end) = events.last().unwrap();
    assert_eq!(name, "end");
    let deltas: String = events.iter().filter_map(|(_, _, data)| data["delta"].as_str()).collect();
    assert_eq!(deltas, end["answer"]["text"].as_str().unwrap());
    assert!(deltas.contains("heron"), "{deltas}");
    assert_eq!((&end["run"]["state"], &end["error"]), (&json!("completed"), &Value::Null));
    assert_eq!(end["run"]["conversation"], json!(conversation), "the newest conversation");
    let answer: Stored = serde_json::from_value(end["answer"].clone()).unwrap();
    assert!(server.check_citations(&answer).await > 0);
    let middle = &events[0].1;
    let (_, rest) = read(&server, &path, Some(middle)).await;
    assert_eq!(rest, events[1..]);
    assert_eq!(read(&server, &path, Some(last)).await.0, 204);
    let messages = server.json(&format!("/api/conversations/{conversation}/messages")).await;
    assert_eq!(messages["items"].as_array().unwrap().len(), 2, "nothing was asked twice");

    let other = server.notebook().await;
    let (status, events) =
        read(&server, &path.replace(&notebook.to_string(), &other.to_string()), None).await;
    assert_eq!((status, events.last().unwrap().0.as_str()), (200, "end"), "its first conversation");
    for (path, expected) in [
        (format!("/api/projects/{}/messages/stream?content=a", NotebookId::new()), 404),
        (
            format!("/api/projects/{other}/messages/stream?content=a&conversation={conversation}"),
            404,
        ),
        (format!("/api/projects/{notebook}/messages/stream?content=+"), 422),
        (format!("/api/projects/{notebook}/messages/stream"), 400),
    ] {
        assert_eq!(read(&server, &path, None).await.0, expected, "{path}");
    }
    assert_eq!(read(&server, &path, Some("nonsense")).await.0, 422);
    let foreign = path.replace(&notebook.to_string(), &other.to_string());
    assert_eq!(read(&server, &foreign, Some(last)).await.0, 404);
}

/// E3: what was written before a failure is kept, and the end says why.
#[tokio::test]
async fn e3_a_failure_is_told_at_the_end() {
    let provider = Provider::start(Script::cut(&["The heron "])).await;
    let folder = folder();
    let server = with_provider(folder.path(), &provider).start();
    let (notebook, _) = with_source(&server).await;
    let path =
        format!("/api/projects/{notebook}/messages/stream?content=What+does+the+heron+eat%3F");
    let (_, events) = read(&server, &path, None).await;
    let (name, _, end) = events.last().unwrap();
    assert_eq!((name.as_str(), &end["run"]["state"]), ("end", &json!("failed")));
    assert!(end["error"].as_str().unwrap().contains("cannot be reached, or broke off"), "{end}");
    let deltas: Vec<Value> = events
        .iter()
        .filter(|(_, _, data)| data["delta"].is_string())
        .map(|(_, _, data)| json!({ "type": "delta", "text": data["delta"] }))
        .collect();
    assert_eq!(text_of(&deltas).trim(), "The heron");
}
