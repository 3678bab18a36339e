//! I7, S48, S51: two servers and a worker behind nginx, restarted one after the other under load: no request fails, and
//! every answer arrives whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;
mod provider;

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cluster::Cluster;
use common::{PATIENCE, Setup, folder, http, text_of};
use futures::StreamExt as _;
use notebook_core::{ConversationId, model::Run, sse::EventStream};
use provider::{Provider, Script};
use reqwest::Client;
use serde_json::{Value, json};

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// nginx with the sample configuration, for other ports.
struct Nginx {
    child: Child,
    url: String,
}

impl Nginx {
    fn start(folder: &Path, servers: [u16; 2]) -> Self {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nginx.conf");
        let own = port();
        let sample = std::fs::read_to_string(sample).unwrap();
        let config = sample
            .replace("127.0.0.1:8081", &format!("127.0.0.1:{}", servers[0]))
            .replace("127.0.0.1:8082", &format!("127.0.0.1:{}", servers[1]))
            .replace("127.0.0.1:8080", &format!("127.0.0.1:{own}"));
        assert!(!config.contains(":808"), "the sample names its ports");
        let at = folder.display();
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|part| format!("{part}_temp_path {at}/{part};\n"))
            .collect();
        let whole = format!(
            "daemon off;\nmaster_process off;\npid {at}/nginx.pid;\nerror_log stderr warn;\nevents {{}}\n\
             http {{\naccess_log off;\n{paths}{config}}}\n"
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, whole).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed: scripts/need-test.sh does it");
        Self { child, url: format!("http://127.0.0.1:{own}") }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a person's browser does: it asks, reads, and comes back when it is cut off.
struct Person {
    http: Client,
    url: String,
    conversation: ConversationId,
    requests: Arc<AtomicUsize>,
}

impl Person {
    async fn ok(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let response = request.send().await.expect("a reply");
        let (status, url) = (response.status(), response.url().clone());
        if !status.is_success() {
            panic!("{status} from {url}: {}", response.text().await.unwrap_or_default());
        }
        response
    }

    /// Asks once and reads the answer to its end; gives the number of times that it was cut off.
    async fn ask(&self) -> usize {
        let path = format!("{}/api/conversations/{}/runs", self.url, self.conversation);
        let question = json!({ "question": "What does the heron eat?", "parent": null });
        let run: Run = self.ok(self.http.post(path).json(&question)).await.json().await.unwrap();
        let mut events: Vec<Value> = Vec::new();
        let mut cuts = 0;
        loop {
            let after = events.last().map_or(0, |event| event["seq"].as_u64().unwrap());
            let path = format!("{}/api/runs/{}/events", self.url, run.id);
            let request =
                self.http.get(path).header("last-event-id", format!("{}:{after}", run.id));
            let mut stream = EventStream::new(self.ok(request).await.bytes_stream());
            while let Some(Ok(event)) = stream.next().await {
                if let Ok(data) = serde_json::from_str(&event.data) {
                    events.push(data);
                }
            }
            let last = events.last().map_or("", |event| event["type"].as_str().unwrap());
            if ["completed", "failed", "stopped", "abandoned"].contains(&last) {
                assert_eq!(last, "completed", "{events:?}");
                break;
            }
            cuts += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(text_of(&events), "The heron eats frogs.");
        let path =
            format!("{}/api/conversations/{}/messages?limit=100", self.url, self.conversation);
        let messages: Value = self.ok(self.http.get(path)).await.json().await.unwrap();
        let items = messages["items"].as_array().unwrap();
        let stored = items.iter().find(|message| message["id"] == json!(run.answer)).unwrap();
        assert_eq!(stored["text"], "The heron eats frogs.");
        cuts
    }
}

/// Z18: each server is ended by a signal while it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_s48_a_rolling_restart_fails_no_request() {
    let cluster = Cluster::start();
    let script = Script::paced(&["The heron ", "eats ", "frogs [1]."], 100);
    let provider = Provider::start(script).await;
    let folder = folder();
    let setup = |name: &str| {
        let own = folder.path().join(name);
        std::fs::create_dir_all(&own).unwrap();
        Setup::new(&own)
            .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
            .with("NOTEBOOK__STORAGE__BLOBS", folder.path().join("blobs").display())
            .with("NOTEBOOK__STORAGE__CONNECTIONS", 8)
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", provider.url))
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
    };
    let ports = [port(), port()];
    let mut servers = [
        Some(setup("a").start_at(ports[0])),
        Some(setup("b").start_at(ports[1])),
        Some(setup("w").start_worker()),
    ];
    let nginx = Nginx::start(folder.path(), ports);
    let first = servers[0].as_ref().unwrap();
    let notebook = first.notebook().await;
    let text = b"The heron waits by the pond. It eats frogs.".to_vec();
    first.ready(notebook, "heron.txt", text).await;

    // S51: a proxy in front buffers nothing: the first words are there long before the last.
    let conversation = first.conversation(notebook).await;
    let run = first.ask(conversation, "What does the heron eat?").await;
    let path = format!("{}/api/runs/{}/events", nginx.url, run.id);
    let response = http().get(path).send().await.unwrap();
    let mut stream = EventStream::new(response.bytes_stream());
    let mut arrived = Vec::new();
    while let Some(Ok(event)) = stream.next().await {
        if ["delta", "completed"].contains(&&*event.event) {
            arrived.push(Instant::now());
        }
    }
    let spread = arrived.last().unwrap().duration_since(arrived[0]);
    assert!(spread > Duration::from_millis(150), "all came at once: {spread:?}");

    let (done, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut people = Vec::new();
    for _ in 0..6 {
        let conversation = first.conversation(notebook).await;
        let person = Person {
            http: http(),
            url: nginx.url.clone(),
            conversation,
            requests: Arc::clone(&requests),
        };
        let done = Arc::clone(&done);
        people.push(tokio::spawn(async move {
            let (mut answers, mut cuts) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                cuts += tokio::time::timeout(PATIENCE, person.ask()).await.expect("an end");
                answers += 1;
            }
            (answers, cuts)
        }));
    }
    for place in [0, 1, 2, 0, 1] {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let server = servers[place].take().unwrap();
        let since = Instant::now();
        let status = tokio::task::spawn_blocking(move || server.terminate()).await.unwrap();
        assert!(status.success(), "{status}");
        // S48: it drains within 30 seconds, of which it needs few.
        assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
        servers[place] = Some(match place {
            0 => setup("a").start_at(ports[0]),
            1 => setup("b").start_at(ports[1]),
            _ => setup("w").start_worker(),
        });
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    done.store(true, Ordering::Relaxed);
    let (mut answers, mut cuts) = (0, 0);
    for person in people {
        let (own, cut) = person.await.expect("no request fails");
        answers += own;
        cuts += cut;
    }
    let requests = requests.load(Ordering::Relaxed);
    assert!(answers > 30, "{answers} answers, {requests} requests");
    assert!(cuts > 0, "no stream was ended by a restart: {answers} answers, {requests} requests");
}
