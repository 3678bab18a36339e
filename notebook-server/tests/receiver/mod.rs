//! A receiver of webhooks on a free port: keeps what it gets, and answers as a test wants.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, Uri},
};
use serde_json::{Value, json};

/// What was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Message {
    pub fn id(&self) -> String {
        self.headers["webhook-id"].to_str().unwrap().to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether the public verifier of Standard Webhooks takes it, with this secret.
    pub fn is_verified_by(&self, secret: &str) -> bool {
        const SCRIPT: &str = "
import json, sys
import standardwebhooks
given = json.load(sys.stdin)
try:
    standardwebhooks.Webhook(given['secret']).verify(given['body'], given['headers'])
except standardwebhooks.WebhookVerificationError as error:
    sys.exit(f'refused: {error}')
print('verified')
";
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: serde_json::Map<String, Value> = names
            .iter()
            .map(|name| ((*name).to_owned(), self.headers[*name].to_str().unwrap().into()))
            .collect();
        let given = json!({ "secret": secret, "body": self.body, "headers": headers });
        let folder = cache().join("python");
        assert!(
            folder.join("standardwebhooks.py").is_file(),
            "the verifier is missing: scripts/need-test.sh fetches it"
        );
        let mut python = Command::new("python3")
            .args(["-c", SCRIPT])
            .env("PYTHONPATH", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        serde_json::to_writer(python.stdin.take().unwrap(), &given).unwrap();
        let output = python.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || said.starts_with("refused: "), "{said}");
        output.status.success()
    }
}

fn cache() -> PathBuf {
    std::env::var_os("NOTEBOOK_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache/notebook"),
        PathBuf::from,
    )
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    /// With one header.
    Header(u16, &'static str, String),
    /// Nothing, for ever.
    Stall,
    /// 200, and a body without end.
    Endless,
}

#[derive(Default)]
struct Inner {
    messages: Vec<Message>,
    answers: VecDeque<Answer>,
    otherwise: Option<Answer>,
}

/// A running receiver.
#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl Receiver {
    /// One that says 200.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let receiver = Self { address, inner: Arc::default() };
        let app = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// What it says to the next messages, in this order.
    pub fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.lock().unwrap().answers.extend(answers);
    }

    /// What it says to all others, from now on.
    pub fn otherwise(&self, answer: Answer) {
        self.inner.lock().unwrap().otherwise = Some(answer);
    }

    pub fn messages(&self) -> Vec<Message> {
        self.inner.lock().unwrap().messages.clone()
    }

    /// All messages, once there are so many.
    pub async fn received(&self, count: usize) -> Vec<Message> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let messages = self.messages();
            if messages.len() >= count {
                return messages;
            }
            assert!(Instant::now() < deadline, "{} of {count} messages came", messages.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let answer = {
        let mut inner = receiver.inner.lock().unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        inner.messages.push(Message { path: uri.path().to_owned(), headers, body });
        let next = inner.answers.pop_front();
        next.or_else(|| inner.otherwise.clone()).unwrap_or(Answer::Status(200))
    };
    let response = Response::builder();
    match answer {
        Answer::Status(status) => response.status(status).body(Body::from("said")).unwrap(),
        Answer::Header(status, name, value) => {
            response.status(status).header(name, value).body(Body::empty()).unwrap()
        }
        Answer::Stall => std::future::pending().await,
        Answer::Endless => {
            let piece = Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 4_096]));
            let endless = futures::stream::repeat_with(move || match &piece {
                Ok(bytes) => Ok::<_, std::io::Error>(bytes.clone()),
                Err(error) => Err(std::io::Error::other(error.to_string())),
            });
            response.body(Body::from_stream(endless)).unwrap()
        }
    }
}
