//! A model that says what a test's function says: OpenAI's dialect with tools, over a raw listener.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// What the model does with a request.
pub enum Reply {
    /// It calls tools: names and arguments.
    Calls(Vec<(String, String)>),
    /// It answers.
    Says(String),
}

pub fn calls(calls: &[(&str, &str)]) -> Reply {
    let own = |(name, arguments): &(&str, &str)| ((*name).to_owned(), (*arguments).to_owned());
    Reply::Calls(calls.iter().map(own).collect())
}

pub fn says(text: impl Into<String>) -> Reply {
    Reply::Says(text.into())
}

/// What tools have answered so far, oldest first.
pub fn results(request: &Value) -> Vec<String> {
    let messages = request["messages"].as_array().unwrap().iter();
    let tools = messages.filter(|message| message["role"] == "tool");
    tools.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

type Says = dyn Fn(&Value) -> Reply + Send + Sync;

/// The running model.
pub struct Talker {
    pub url: String,
    requests: Arc<Mutex<Vec<Value>>>,
    /// How many more answers it gives; those that wait are counted.
    gate: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Talker {
    /// One that answers whoever asks.
    pub async fn start(says: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        Self::gated(Semaphore::MAX_PERMITS, says).await
    }

    /// One that answers so often, and then waits to be let on.
    pub async fn gated(
        answers: usize,
        says: impl Fn(&Value) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let talker = Self {
            url,
            requests: Arc::default(),
            gate: Arc::new(Semaphore::new(answers)),
            waiting: Arc::default(),
        };
        let says: Arc<Says> = Arc::new(says);
        let (requests, gate) = (talker.requests.clone(), talker.gate.clone());
        let waiting = talker.waiting.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (says, requests) = (says.clone(), requests.clone());
                let (gate, waiting) = (gate.clone(), waiting.clone());
                tokio::spawn(async move {
                    let _ = answer(stream, &*says, &requests, &gate, &waiting).await;
                });
            }
        });
        talker
    }

    /// What it was asked.
    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until somebody waits for an answer.
    pub async fn until_asked(&self) {
        while self.waiting.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Answers everybody from now on.
    pub fn open(&self) {
        self.gate.add_permits(1_000);
    }
}

async fn answer(
    mut stream: TcpStream,
    says: &Says,
    requests: &Mutex<Vec<Value>>,
    gate: &Semaphore,
    waiting: &AtomicUsize,
) -> std::io::Result<()> {
    let request = read_request(&mut stream).await?;
    let Some(body) = request.split_once("\r\n\r\n").map(|(_, body)| body) else { return Ok(()) };
    if request.starts_with("GET") {
        let body = json!({ "object": "list", "data": [{ "id": "test" }] }).to_string();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        return stream.write_all(format!("{head}{body}").as_bytes()).await;
    }
    let body: Value = serde_json::from_str(body).unwrap();
    requests.lock().unwrap().push(body.clone());
    waiting.fetch_add(1, Ordering::SeqCst);
    gate.acquire().await.unwrap().forget();
    waiting.fetch_sub(1, Ordering::SeqCst);
    let (delta, reason) = match says(&body) {
        Reply::Says(text) => (json!({ "content": text }), "stop"),
        Reply::Calls(calls) => {
            let call = |(index, (name, arguments)): (usize, (String, String))| {
                json!({ "index": index, "id": format!("call_{index}"), "type": "function",
                    "function": { "name": name, "arguments": arguments } })
            };
            let calls: Vec<Value> = calls.into_iter().enumerate().map(call).collect();
            (json!({ "tool_calls": calls }), "tool_calls")
        }
    };
    let frame = |delta: Value, reason: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        format!(
            "data: {}\n\n",
            json!({ "id": "c1", "object": "chat.completion.chunk", "choices": [choice] })
        )
    };
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{}{}data: [DONE]\n\n",
        frame(delta, Value::Null),
        frame(json!({}), json!(reason)),
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Reads head and body.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.trim().parse::<usize>().unwrap());
        if body.len() >= length {
            return Ok(text);
        }
    }
}
