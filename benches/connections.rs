//! What an idle connection costs the real server: resident memory, before and after many are opened.
//!
//! `cargo bench --bench connections -- BINARY [COUNT]`, a release build of `notebook`. Event streams of a notebook, as each
//! open page holds one, then WebSockets of a chat. Both processes need as many open files: `ulimit -n`.

use std::{
    error::Error,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let binary = arguments.next().ok_or("say which binary: target/release/notebook")?;
    let count: usize = arguments.next().map_or(Ok(5_000), |count| count.parse())?;
    for (kind, target) in [(Kind::Stream, 12_000), (Kind::Socket, 6_000)] {
        // A server of its own each: what one kind leaves in the allocator would carry the next.
        let folder = tempfile::tempdir_in(".")?;
        let (server, base) = serve(&binary, folder.path())?;
        let address = base.strip_prefix("http://").ok_or("a URL")?;
        let (request, status) = request(kind, &base, address).await?;
        // Neither is what a first round makes for good the connections'.
        drop(open(address, &request, count / 20, status).await?);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = resident(&server)?;
        let connections = open(address, &request, count, status).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let each = resident(&server)?.saturating_sub(before) / connections.len();
        println!("{kind:?} {count:>6} idle: {each:>6} bytes each (target {target})");
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Stream,
    Socket,
}

/// What opens a connection, and the status that it is answered with.
async fn request(kind: Kind, base: &str, address: &str) -> Outcome<(String, &'static str)> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let notebook = json!({ "id": uuid::Uuid::new_v4(), "name": "idle" });
    let made = http.post(format!("{base}/api/notebooks")).json(&notebook).send().await?;
    let notebook: Value = made.error_for_status()?.json().await?;
    let id = notebook["id"].as_str().ok_or("a notebook has an id")?;
    let path = format!("{base}/api/notebooks/{id}/conversations");
    let conversation = json!({ "id": uuid::Uuid::new_v4() });
    let made = http.post(path).json(&conversation).send().await?;
    let made: Value = made.error_for_status()?.json().await?;
    let conversation = made["id"].as_str().ok_or("a conversation has an id")?;
    Ok(match kind {
        Kind::Stream => {
            let head = format!("GET /api/notebooks/{id}/events HTTP/1.1\r\nHost: {address}");
            (format!("{head}\r\nAccept: text/event-stream\r\n\r\n"), "200")
        }
        Kind::Socket => {
            let head = format!("GET /ws/chat/{conversation} HTTP/1.1\r\nHost: {address}");
            let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
            (format!("{head}\r\n{upgrade}\r\n\r\n"), "101")
        }
    })
}

/// Opens connections and reads their heads.
async fn open(address: &str, request: &str, count: usize, status: &str) -> Outcome<Vec<TcpStream>> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let mut socket = TcpStream::connect(address).await?;
        socket.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        socket.read_exact(&mut head).await?;
        if !head.ends_with(status.as_bytes()) {
            return Err(String::from_utf8_lossy(&head).into_owned().into());
        }
        all.push(socket);
    }
    Ok(all)
}

/// Resident bytes of the server.
fn resident(server: &Process) -> Outcome<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes = line.split_whitespace().nth(1).ok_or("no number")?;
    Ok(kilobytes.parse::<usize>()? * 1024)
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(binary: &str, folder: &std::path::Path) -> Outcome<(Process, String)> {
    let mut child = Command::new(binary)
        .args(["serve", "--port", "0", "--data-dir"])
        .arg(folder)
        .env("NOTEBOOK__CHAT__PROVIDER", "extractive")
        .env("NOTEBOOK__EMBEDDING__PROVIDER", "none")
        .env("NOTEBOOK__LIMITS__SOCKETS_PER_USER", "1000000")
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let ready =
        lines.find_map(|line| line.ok()?.strip_prefix("notebook is ready at ").map(str::to_owned));
    std::thread::spawn(move || lines.for_each(drop));
    Ok((Process(child), ready.ok_or("the server did not start")?))
}
