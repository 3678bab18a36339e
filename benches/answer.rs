//! From the provider's first byte to the client's first event, with 100 answers streaming at once through
//! the real server; beside it the same client reading the same provider without a server between.
//!
//! `cargo bench --bench answer -- BINARY`, a release build of `notebook`. The provider is in this process, so
//! both ends are timed by one clock. Each stream asks again as soon as its answer ends, which has 50 pieces,
//! 20 ms apart: 5,000 events a second in all.

use std::{
    collections::HashMap,
    error::Error,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, future::join_all};
use notebook_core::sse::EventStream;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const STREAMS: usize = 100;
const PIECES: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);
/// Begins the name of a question.
const MARK: &str = "zqz";
const TIME: Duration = Duration::from_secs(20);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
/// When the provider sent the first byte of each question's answer.
type Sent = Arc<Mutex<HashMap<String, Instant>>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let binary = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let binary =
        binary.ok_or("say which binary: cargo bench --bench answer -- target/release/notebook")?;
    let sent = Sent::default();
    let provider = provide(Arc::clone(&sent)).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let direct = Bench { http: http.clone(), base: provider.clone(), sent: Arc::clone(&sent) };
    report("provider alone", direct.run(|bench, stream| bench.ask_provider(stream)).await?);
    let folder = tempfile::tempdir_in(".")?;
    let (_server, base) = serve(&binary, folder.path(), &provider)?;
    let bench = Bench { http, base, sent };
    let conversations = bench.conversations().await?;
    let asked = bench.run(|bench, stream| bench.ask(conversations[stream].clone(), stream)).await?;
    report("through the server", asked);
    Ok(())
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<20} {:>6} answers, first event after p50 {:.2} ms  p95 {:.2} ms  p99 {:.2} ms",
        times.len(),
        at(0.5),
        at(0.95),
        at(0.99)
    );
}

/// A question's name, by which both ends know it: one word, so that the rest is still most of it.
fn name(stream: usize) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{MARK}{stream}x{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

struct Bench {
    http: reqwest::Client,
    base: String,
    sent: Sent,
}

impl Bench {
    /// All streams, each asking again and again; what each first event took.
    async fn run<'b, F: Future<Output = Outcome<Duration>> + 'b>(
        &'b self,
        ask: impl Fn(&'b Self, usize) -> F + Copy,
    ) -> Outcome<Vec<Duration>> {
        let end = Instant::now() + TIME;
        let streams = (0..STREAMS).map(|stream| async move {
            // Spread over the length of an answer, as people are.
            tokio::time::sleep(PAUSE * (PIECES * stream / STREAMS) as u32).await;
            let mut times = Vec::new();
            while Instant::now() < end {
                times.push(ask(self, stream).await?);
            }
            Ok(times)
        });
        let times: Outcome<Vec<Vec<Duration>>> = join_all(streams).await.into_iter().collect();
        Ok(times?.concat())
    }

    async fn ask_provider(&self, stream: usize) -> Outcome<Duration> {
        let name = name(stream);
        let body = json!({ "messages": [{ "role": "user", "content": name }] });
        let response = self.http.post(&self.base).json(&body).send().await?;
        self.first(&name, response.bytes_stream(), |_, data| data.contains("content")).await
    }

    async fn ask(&self, conversation: String, stream: usize) -> Outcome<Duration> {
        let name = name(stream);
        let path = format!("/api/conversations/{conversation}/runs");
        let run = self
            .post(&path, json!({ "question": format!("Where do grey herons wait? {name}") }))
            .await?;
        let id = run["id"].as_str().ok_or("a run has an id")?;
        let url = format!("{}/api/runs/{id}/events", self.base);
        let response = self.http.get(url).send().await?.error_for_status()?;
        self.first(&name, response.bytes_stream(), |name, _| name == "delta").await
    }

    /// Reads a stream to its end; how long after it was sent its first piece came.
    async fn first(
        &self,
        name: &str,
        body: impl Stream<Item = reqwest::Result<Bytes>> + Send,
        is_piece: impl Fn(&str, &str) -> bool,
    ) -> Outcome<Duration> {
        let mut events = EventStream::new(body);
        let mut came = None;
        while let Some(event) = events.next().await {
            let event = event?;
            if came.is_none() && is_piece(&event.event, &event.data) {
                came = Some(Instant::now());
            }
        }
        let sent = self.sent.lock().map_err(|_| "poisoned")?.remove(name);
        Ok(came.ok_or("no answer")? - sent.ok_or("the provider was not asked")?)
    }

    /// A notebook about herons, and a conversation for each stream.
    async fn conversations(&self) -> Outcome<Vec<String>> {
        let notebook = uuid::Uuid::new_v4();
        self.post("/api/notebooks", json!({ "id": notebook, "name": "Birds" })).await?;
        let text =
            "Grey herons stand in shallow water and wait. Herons nest in trees, in colonies.";
        let path = format!("/api/notebooks/{notebook}/sources/text");
        let source = self.post(&path, json!({ "name": "herons", "text": text })).await?;
        let url =
            format!("{}/api/sources/{}", self.base, source["id"].as_str().unwrap_or_default());
        while self.http.get(&url).send().await?.json::<Value>().await?["stage"] != "ready" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut conversations = Vec::new();
        for _ in 0..STREAMS {
            let id = uuid::Uuid::new_v4().to_string();
            let path = format!("/api/notebooks/{notebook}/conversations");
            self.post(&path, json!({ "id": id })).await?;
            conversations.push(id);
        }
        Ok(conversations)
    }

    async fn post(&self, path: &str, body: Value) -> Outcome<Value> {
        let response = self.http.post(format!("{}{path}", self.base)).json(&body).send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status.is_success() { Ok(serde_json::from_str(&text)?) } else { Err(text.into()) }
    }
}

/// A server process, killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(binary: &str, folder: &std::path::Path, provider: &str) -> Outcome<(Server, String)> {
    let mut child = Command::new(binary)
        .args(["serve", "--port", "0", "--data-dir"])
        .arg(folder)
        .env("NOTEBOOK__CHAT__PROVIDER", "openai")
        .env("NOTEBOOK__CHAT__OPENAI__BASE_URL", provider)
        .env("NOTEBOOK__CHAT__OPENAI__MODEL", "paced")
        .env("NOTEBOOK__EMBEDDING__PROVIDER", "none")
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let server = Server(child);
    let url =
        lines.find_map(|line| line.ok()?.strip_prefix("notebook is ready at ").map(str::to_owned));
    std::thread::spawn(move || lines.for_each(drop));
    Ok((server, url.ok_or("the server did not start")?))
}

async fn provide(sent: Sent) -> Outcome<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/v1", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                // A client that leaves ends its own connection only.
                let _ = answer(socket, sent).await;
            });
        }
    });
    Ok(address)
}

async fn answer(mut socket: TcpStream, sent: Sent) -> Outcome<()> {
    socket.set_nodelay(true)?;
    let question = read_question(&mut socket).await?;
    socket
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
        )
        .await?;
    let mut ticks = tokio::time::interval(PAUSE);
    for piece in 0..PIECES {
        ticks.tick().await;
        // Told apart: a model that repeats itself is stopped.
        let word = if piece == 0 { "Herons".to_owned() } else { format!(" wait {piece}") };
        let frame = json!({ "choices": [{ "index": 0, "delta": { "content": word }, "finish_reason": null }] });
        if piece == 0 {
            sent.lock().map_err(|_| "poisoned")?.insert(question.clone(), Instant::now());
        }
        socket.write_all(format!("data: {frame}\n\n").as_bytes()).await?;
    }
    let end = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    socket.write_all(format!("{end}\n\ndata: [DONE]\n\n").as_bytes()).await?;
    Ok(())
}

/// Reads a request; returns the name of its question.
async fn read_question(socket: &mut TcpStream) -> Outcome<String> {
    let mut request = Vec::new();
    loop {
        if socket.read_buf(&mut request).await? == 0 {
            return Err("no request".into());
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.ok_or("no length")?.trim().parse()?;
        if body.len() >= length {
            let at = body.rfind(MARK).ok_or("no question")?;
            return Ok(body[at..]
                .chars()
                .take_while(|c| !c.is_whitespace() && *c != '"' && *c != '\\')
                .collect());
        }
    }
}
