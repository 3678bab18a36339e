//! Starts the real binary on a free port in a temporary folder, and talks to it over HTTP.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

pub mod people;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use notebook_core::{
    ConversationId, NotebookId,
    model::{Message, Run, Source, Stage},
    sse::Event,
};
use reqwest::{Client, Response, multipart};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server process. Dropping it kills it.
pub struct Server {
    child: Child,
    pub url: String,
    pub http: Client,
}

/// A server to be started.
pub struct Setup {
    pub folder: PathBuf,
    environment: Vec<(String, String)>,
    log: Option<PathBuf>,
}

impl Setup {
    pub fn new(folder: &Path) -> Self {
        let environment = vec![
            ("NOTEBOOK__CHAT__PROVIDER".to_owned(), "extractive".to_owned()),
            ("NOTEBOOK__EMBEDDING__PROVIDER".to_owned(), "none".to_owned()),
            ("NOTEBOOK__TRANSCRIPTION__PROVIDER".to_owned(), "none".to_owned()),
            ("RUST_LOG".to_owned(), "warn".to_owned()),
        ];
        Self { folder: folder.to_owned(), environment, log: None }
    }

    /// Writes what the server logs to a file.
    pub fn logging_to(mut self, file: PathBuf) -> Self {
        self.log = Some(file);
        self
    }

    /// Sets an environment variable, such as `NOTEBOOK__CHAT__PROVIDER`.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn start(&self) -> Server {
        self.run(&["serve", "--port", "0"], "notebook is ready at ")
    }

    /// On a given port, as a server that is restarted.
    pub fn start_at(&self, port: u16) -> Server {
        self.run(&["serve", "--port", &port.to_string()], "notebook is ready at ")
    }

    /// A process that does jobs and listens nowhere.
    pub fn start_worker(&self) -> Server {
        self.run(&["worker"], "worker is ready")
    }

    fn run(&self, command: &[&str], ready: &str) -> Server {
        let mut child =
            Command::new(env!("CARGO_BIN_EXE_notebook"))
                .args(command)
                .arg("--data-dir")
                .arg(&self.folder)
                .envs(self.environment.iter().cloned())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(self.log.as_ref().map_or_else(Stdio::inherit, |file| {
                    std::fs::File::create(file).unwrap().into()
                }))
                .spawn()
                .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .find_map(|line| line.ok()?.strip_prefix(ready).map(str::to_owned))
            .expect("the process says that it is ready");
        // Keeps the pipe open and empty.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, url, http: http() }
    }
}

/// A client for loopback.
#[allow(clippy::disallowed_methods, reason = "a test's client talks to the test's own server")]
pub fn http() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then the exit status.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        let pid = i32::try_from(self.child.id()).unwrap();
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends SIGTERM twice, then gives the exit status.
    pub fn terminate_twice(mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        for _ in 0..2 {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            std::thread::sleep(Duration::from_millis(300));
        }
        self.child.wait().unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.http.post(format!("{}{path}", self.url)).json(&body).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    }

    /// The job at a path, once it has ended well.
    pub async fn job_done(&self, path: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.json(path).await;
            match job["state"].as_str().unwrap() {
                "completed" => return job,
                "dead" | "cancelled" => panic!("{job}"),
                _ => assert!(Instant::now() < deadline, "{job}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn notebook(&self) -> NotebookId {
        let id = NotebookId::new();
        let response = self.post("/api/notebooks", json!({ "id": id, "name": "Test" })).await;
        assert_eq!(response.status(), 201);
        id
    }

    pub async fn conversation(&self, notebook: NotebookId) -> ConversationId {
        let id = ConversationId::new();
        let path = format!("/api/notebooks/{notebook}/conversations");
        assert_eq!(self.post(&path, json!({ "id": id })).await.status(), 201);
        id
    }

    pub async fn upload(&self, notebook: NotebookId, name: &str, bytes: Vec<u8>) -> Response {
        let part = multipart::Part::bytes(bytes).file_name(name.to_owned());
        self.http
            .post(format!("{}/api/notebooks/{notebook}/sources", self.url))
            .multipart(multipart::Form::new().part("file", part))
            .send()
            .await
            .unwrap()
    }

    pub async fn add(&self, notebook: NotebookId, name: &str, bytes: Vec<u8>) -> Source {
        let response = self.upload(notebook, name, bytes).await;
        assert_eq!(response.status(), 202, "{name}");
        let source: Source = response.json().await.unwrap();
        self.settled(&source.id.to_string()).await
    }

    /// The source once it is ready or failed.
    pub async fn settled(&self, id: &str) -> Source {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let source: Source =
                serde_json::from_value(self.json(&format!("/api/sources/{id}")).await).unwrap();
            if !source.stage.is_unfinished() {
                return source;
            }
            assert!(Instant::now() < deadline, "{} stays in {:?}", source.name, source.stage);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub async fn ready(&self, notebook: NotebookId, name: &str, bytes: Vec<u8>) -> Source {
        let source = self.add(notebook, name, bytes).await;
        assert_eq!(source.stage, Stage::Ready, "{name}: {:?}", source.failure);
        source
    }

    pub async fn ask(&self, conversation: ConversationId, question: &str) -> Run {
        let path = format!("/api/conversations/{conversation}/runs");
        let response = self.post(&path, json!({ "question": question })).await;
        assert_eq!(response.status(), 201);
        response.json().await.unwrap()
    }

    /// The run's events from after `after` to its end.
    pub async fn events(&self, run: &Run, after: u64) -> Vec<Value> {
        let stream = self.stream(run, after).await;
        let all = stream.map(|event| serde_json::from_str(&event.data).unwrap()).collect();
        tokio::time::timeout(PATIENCE, all).await.expect("the run ends")
    }

    pub async fn stream(&self, run: &Run, after: u64) -> impl Stream<Item = Event> + use<> {
        let response = self
            .http
            .get(format!("{}/api/runs/{}/events", self.url, run.id))
            .header("last-event-id", format!("{}:{after}", run.id))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        notebook_core::sse::EventStream::new(response.bytes_stream())
            .take_while(|event| std::future::ready(event.is_ok()))
            .map(Result::unwrap)
    }

    /// The changes of a notebook's sources, from now on.
    pub async fn watch_sources(
        &self,
        notebook: NotebookId,
    ) -> impl Stream<Item = Event> + Unpin + use<> {
        let path = format!("{}/api/notebooks/{notebook}/events", self.url);
        let response = self.http.get(path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let events = notebook_core::sse::EventStream::new(response.bytes_stream());
        Box::pin(events.take_while(|event| std::future::ready(event.is_ok())).map(Result::unwrap))
    }

    pub async fn message(&self, run: &Run) -> Message {
        let path = format!("/api/conversations/{}/messages", run.conversation);
        let items = self.json(&path).await["items"].clone();
        let messages: Vec<Message> = serde_json::from_value(items).unwrap();
        messages.into_iter().find(|message| message.id == run.answer).expect("the answer is stored")
    }

    /// Every citation of the message, compared with the stored text at its span. Returns how many there were.
    pub async fn check_citations(&self, message: &Message) -> usize {
        for citation in &message.citations {
            let path = format!(
                "/api/sources/{}/passage?start={}&end={}",
                citation.source, citation.span.start, citation.span.end
            );
            let passage = self.json(&path).await;
            assert_eq!(passage["quote"], citation.quote.as_str());
            assert_eq!(passage["page"], json!(citation.page));
            let utf16 = message.text[..citation.at].encode_utf16().count();
            assert_eq!(utf16, citation.at_utf16);
        }
        message.citations.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text that a reader has at the end: a worker that begins anew makes it drop what came before.
pub fn text_of(events: &[Value]) -> String {
    let anew = events.iter().rposition(|event| event["type"] == "restarted").unwrap_or(0);
    events[anew..]
        .iter()
        .filter(|event| event["type"] == "delta")
        .map(|event| event["text"].as_str().unwrap())
        .collect()
}

pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The folder of shared documents and data: `NOTEBOOK_SHARED`, else `../shared` beside the repository.
pub fn shared() -> PathBuf {
    let folder = std::env::var_os("NOTEBOOK_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    assert!(
        folder.join("documents/good").is_dir(),
        "the shared documents are missing: set NOTEBOOK_SHARED to the folder that holds documents/ and data/"
    );
    folder
}
