//! A model provider that misbehaves as a test wants: OpenAI's dialect over a raw listener.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What the provider does with a chat request.
#[derive(Clone)]
pub struct Script {
    pub name: &'static str,
    head: String,
    frames: Vec<String>,
    pause: Duration,
    /// Said for ever.
    endless: Option<String>,
    finish: bool,
    /// Says first which request it answers.
    numbered: bool,
}

impl Script {
    fn streaming(name: &'static str, words: &[&str]) -> Self {
        Self {
            name,
            head: "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
                .into(),
            frames: words.iter().map(|word| frame(word)).collect(),
            pause: Duration::from_millis(10),
            endless: None,
            finish: false,
            numbered: false,
        }
    }

    /// The same, but no two answers are alike.
    pub fn numbered(self) -> Self {
        Self { name: "numbered", numbered: true, ..self }
    }

    /// A whole answer, slowly.
    pub fn paced(words: &[&str], millis: u64) -> Self {
        Self {
            pause: Duration::from_millis(millis),
            finish: true,
            ..Self::streaming("paced", words)
        }
    }

    /// An answer that never ends, with a number now and then: one that only repeated itself would be stopped.
    pub fn endless(word: &str) -> Self {
        Self { endless: Some(word.to_owned()), ..Self::streaming("endless", &[word]) }
    }

    /// An answer that breaks off.
    pub fn cut(words: &[&str]) -> Self {
        Self::streaming("cut", words)
    }

    /// An error in the middle of a stream with status 200.
    pub fn error_in_stream() -> Self {
        let mut script = Self::streaming("error in stream", &["The heron "]);
        script.frames.push(
            "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n".into(),
        );
        script
    }

    /// A web page instead of an answer.
    pub fn html() -> Self {
        let body = "<html><body>Welcome to the hotel's network</body></html>";
        Self::whole("html", 200, "text/html", body)
    }

    /// An error status.
    pub fn status(status: u16) -> Self {
        Self::whole("status", status, "application/json", "{\"error\":{\"message\":\"no\"}}")
    }

    fn whole(name: &'static str, status: u16, kind: &str, body: &str) -> Self {
        let length = body.len();
        Self {
            head: format!(
                "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            ),
            ..Self::streaming(name, &[])
        }
    }
}

fn frame(word: &str) -> String {
    let chunk = json!({ "id": "c1", "object": "chat.completion.chunk", "choices": [{ "index": 0, "delta": { "content": word }, "finish_reason": null }] });
    format!("data: {chunk}\n\n")
}

/// The running provider.
pub struct Provider {
    pub url: String,
    cut: Arc<Notify>,
}

impl Provider {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cut = Arc::new(Notify::new());
        let signal = cut.clone();
        let count = AtomicU64::new(0);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut script, cut) = (script.clone(), signal.clone());
                if script.numbered {
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    script.frames.insert(0, frame(&format!("This is answer {number}. ")));
                }
                tokio::spawn(async move {
                    if answer(stream, &script).await.is_err() {
                        cut.notify_one();
                    }
                });
            }
        });
        Self { url, cut }
    }

    /// Waits until the other side closed the connection in the middle of an answer.
    pub async fn wait_until_cut(&self) {
        tokio::time::timeout(Duration::from_secs(30), self.cut.notified())
            .await
            .expect("the connection is closed");
    }
}

/// Answers one request; an error when the client closed first.
async fn answer(mut stream: TcpStream, script: &Script) -> std::io::Result<()> {
    let request = read_request(&mut stream).await?;
    if request.starts_with("GET") {
        let body = json!({ "object": "list", "data": [{ "id": "test" }] }).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        return stream.write_all(format!("{head}{body}").as_bytes()).await;
    }
    stream.write_all(script.head.as_bytes()).await?;
    for frame in &script.frames {
        stream.write_all(frame.as_bytes()).await?;
        tokio::time::sleep(script.pause).await;
    }
    for number in (1_u64..).take_while(|_| script.endless.is_some()) {
        let word = script.endless.as_deref().unwrap_or_default();
        let counted = format!("{number} ");
        let said = if number.is_multiple_of(10) { &counted } else { word };
        stream.write_all(frame(said).as_bytes()).await?;
        tokio::time::sleep(script.pause).await;
    }
    if script.finish {
        let end = json!({ "id": "c1", "object": "chat.completion.chunk", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        stream.write_all(format!("data: {end}\n\ndata: [DONE]\n\n").as_bytes()).await?;
    }
    stream.shutdown().await
}

/// Reads head and body.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .trim()
                        .parse::<usize>()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return Ok(text);
            }
        }
    }
}
