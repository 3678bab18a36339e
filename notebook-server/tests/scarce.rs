//! Z14, Z16, Z17: no connections of the database, no file descriptors, little memory. The server says so, does not end, and is well
//! again afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, reason = "what was measured")]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cluster::Cluster;
use common::{PATIENCE, Server, Setup, folder};
use notebook_core::NotebookId;
use reqwest::StatusCode;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const TEXT: &[u8] = b"The heron waits by the pond. It eats frogs.";
const MIB: u64 = 1 << 20;

fn address(server: &Server) -> SocketAddr {
    server.url.strip_prefix("http://").unwrap().parse().unwrap()
}

fn limit(server: &Server, resource: Resource, current: u64) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    let maximum = getrlimit(resource).maximum;
    prlimit(pid, resource, Rlimit { current: Some(current), maximum }).unwrap();
}

/// All that a server does, from one end to the other.
async fn is_well(server: &Server, notebook: NotebookId, name: &str) {
    server.ready(notebook, name, TEXT.to_vec()).await;
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, "What does the heron eat?").await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed", "{events:?}");
}

/// Somebody who holds a table, so that whoever wants to read it waits with a connection of theirs.
struct Holder(Child);

impl Holder {
    fn of(cluster: &Cluster, table: &str) -> Self {
        let socket = cluster.socket();
        let mut child = Command::new("psql")
            .args(["-q", "-U", "test", "-d", "postgres", "-h"])
            .arg(socket.parent().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("psql is installed: scripts/need-test.sh does it");
        let lock = format!("BEGIN; LOCK TABLE notebook.{table} IN ACCESS EXCLUSIVE MODE;\n");
        child.stdin.as_mut().unwrap().write_all(lock.as_bytes()).unwrap();
        let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted";
        let deadline = Instant::now() + PATIENCE;
        while cluster.query(held) == ["0"] {
            assert!(Instant::now() < deadline, "the table is not held");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Z14: all connections of the pool are taken by statements that wait. The server lives and says so at once; those who want something of
/// the database are told in bounded time that it is not there, and when to come back; then all is well without a restart.
#[tokio::test]
async fn z14_a_pool_that_is_taken_whole() {
    let (cluster, folder) = (Cluster::start(), folder());
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
        .with("NOTEBOOK__STORAGE__CONNECTIONS", 2)
        // Longer than anybody waits for a connection.
        .with("NOTEBOOK__STORAGE__STATEMENT_SECONDS", 20)
        .start();
    let notebook = server.notebook().await;
    is_well(&server, notebook, "before.txt").await;

    let holder = Holder::of(&cluster, "notebooks");
    let asking: Vec<_> = (0..24)
        .map(|_| {
            let ask = server.http.get(format!("{}/api/notebooks/{notebook}", server.url)).send();
            tokio::spawn(async move {
                let response = timeout(PATIENCE, ask).await.expect("in bounded time").unwrap();
                (response.status(), response.json::<Value>().await.unwrap())
            })
        })
        .collect();
    let taken = async {
        loop {
            let ready: Value = server.get("/ready").await.json().await.unwrap();
            let pool = &ready["checks"]["database"]["statistics"]["pool"];
            if pool["in_use"] == 2 && pool["waiting"].as_u64().unwrap() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, taken).await.expect("the pool is taken whole");
    for _ in 0..5 {
        let live = timeout(Duration::from_secs(5), server.get("/live")).await.expect("at once");
        assert_eq!(live.status(), StatusCode::OK);
    }
    let mut refused = 0;
    for asked in asking {
        let (status, problem) = asked.await.unwrap();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                assert_eq!(problem["code"], "unavailable", "{problem}");
                refused += 1;
            }
            // Those who had a connection, and waited for the table.
            _ => assert_eq!(
                (status, &problem["code"]),
                (StatusCode::GATEWAY_TIMEOUT, &json!("timeout"))
            ),
        }
    }
    assert!(refused >= 20, "{refused} of 24");
    drop(holder);
    // What waited with the lock ends by itself; nobody starts anything again.
    let well = async {
        while server.get(&format!("/api/notebooks/{notebook}")).await.status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, well).await.expect("it is well again");
    is_well(&server, notebook, "after.txt").await;
}

/// One connection that is kept: it needs no further file descriptor.
struct Kept(TcpStream);

impl Kept {
    async fn open(server: &Server) -> Self {
        Self(TcpStream::connect(address(server)).await.unwrap())
    }

    /// The status and the body of an answer.
    async fn ask(&mut self, method: &str, path: &str, body: &str) -> (u16, String) {
        let kind = "content-type: application/json";
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let answered = async {
            self.0.write_all(request.as_bytes()).await.unwrap();
            let mut bytes = Vec::new();
            loop {
                let mut part = [0; 4_096];
                let read = self.0.read(&mut part).await.unwrap();
                assert!(read > 0, "the connection is kept: {}", String::from_utf8_lossy(&bytes));
                bytes.extend_from_slice(&part[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then_some(value)
                });
                let length: usize = length.expect("a length").trim().parse().unwrap();
                if body.len() >= length {
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return (status, body.to_owned());
                }
            }
        };
        timeout(PATIENCE, answered).await.expect("an answer")
    }
}

fn open_files(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

/// Z16: no file descriptor is left. Who is connected is answered; what needs one is refused with 503; new connections wait. When there are
/// some again all goes on.
#[tokio::test]
async fn z16_no_file_descriptor_is_left() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    is_well(&server, notebook, "before.txt").await;
    let mut kept = Kept::open(&server).await;
    assert_eq!(kept.ask("GET", "/live", "").await.0, 200);

    let most = open_files(&server) + 4;
    limit(&server, Resource::Nofile, most as u64);
    let mut others = Vec::new();
    for _ in 0..32 {
        // The system takes them; the server cannot.
        others.push(TcpStream::connect(address(&server)).await.unwrap());
    }
    let deadline = Instant::now() + PATIENCE;
    while open_files(&server) < most {
        assert!(Instant::now() < deadline, "{} of {most}", open_files(&server));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for round in 0..5 {
        assert_eq!(kept.ask("GET", "/live", "").await.0, 200);
        let path = format!("/api/notebooks/{notebook}");
        assert_eq!(kept.ask("GET", &path, "").await.0, 200, "what is open is read");
        let body = json!({ "name": format!("{round}.md"), "text": "A text" }).to_string();
        let path = format!("/api/notebooks/{notebook}/sources/text");
        let (status, said) = kept.ask("POST", &path, &body).await;
        assert_eq!(status, 503, "{said}");
        let (status, said) = kept.ask("GET", "/ready", "").await;
        assert_eq!(status, 503, "{said}");
    }
    drop(others);
    // The server closes its sides as it reads that they are over; the limit stays.
    let deadline = Instant::now() + PATIENCE;
    while kept.ask("GET", "/ready", "").await.0 != 200 {
        assert!(Instant::now() < deadline, "it is ready again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    limit(&server, Resource::Nofile, most as u64 + 200);
    is_well(&server, notebook, "after.txt").await;
}

/// A number of bytes of the server's, by its name in /proc.
fn bytes(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
}

/// Reads from a stream until a text has come.
async fn read_until(stream: &mut TcpStream, text: &str) {
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(text) {
            let mut part = [0; 4_096];
            let read = stream.read(&mut part).await.unwrap();
            assert!(read > 0, "the stream ended: {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&part[..read]);
        }
    };
    timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{text:?} does not come"));
}

/// Z17: under a limit of memory, which the kernel holds, 2,000 (`NOTEBOOK_STREAMS`) streams stay open, some of which never read;
/// the others hear what happens, and work goes on.
#[tokio::test]
async fn z17_many_streams_within_a_limit_of_memory() {
    /// What a stream may cost, and all else together.
    const ONE: u64 = 48 << 10;
    const REST: u64 = 160 * MIB;
    let count = std::env::var("NOTEBOOK_STREAMS").map_or(2_000, |count| count.parse().unwrap());
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    is_well(&server, notebook, "before.txt").await;

    let before = bytes(&server, "VmData");
    let allowed = before + ONE * count as u64 + REST;
    limit(&server, Resource::Data, allowed);
    let request =
        format!("GET /api/notebooks/{notebook}/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(address(&server)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        read_until(stream, "\r\n\r\n").await;
    }
    let grown = bytes(&server, "VmData").saturating_sub(before);
    is_well(&server, notebook, "during.txt").await;
    // Every second one reads nothing of it.
    for stream in streams.iter_mut().step_by(2) {
        read_until(stream, "during.txt").await;
    }
    is_well(&server, notebook, "more.txt").await;
    let at_most = bytes(&server, "VmPeak") / MIB;
    println!(
        "{count} streams: {} KiB each, at most {at_most} MiB of addresses",
        grown / 1_024 / count as u64
    );
    drop(streams);
    is_well(&server, notebook, "after.txt").await;
}
