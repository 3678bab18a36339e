//! D4: connections to programs that say too much, and when programs are begun. What is played is `tests/programs/fake.py` of the server.
#![cfg(feature = "mcp")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use notebook_agent::{
    mcp::{
        Begin, Endpoint, Program, Reach, ServerSettings, Servers, Standing,
        offer::Taking,
        state::{Phase, Status},
    },
    tools::MoreTools as _,
};
use notebook_core::{Clock, Secret, TenantId, TenantScope, clock::SystemClock};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Longer than anything takes, also where others work on the same machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[allow(clippy::disallowed_methods, reason = "a workspace of this test alone")]
fn workspace(number: u128) -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(number))
}

fn taking() -> Taking {
    Taking {
        server: "fake".into(),
        read_only: BTreeSet::new(),
        tools: None,
        time: Duration::from_secs(5),
    }
}

/// A fake that notes in the folder what it does, and is how the words say.
fn settings(folder: &Path, words: &[&str]) -> ServerSettings {
    let program = "../notebook-server/tests/programs/fake.py";
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(program);
    let mut args = vec![program.display().to_string(), notes(folder).display().to_string()];
    args.extend(words.iter().map(ToString::to_string));
    let reach = Reach::Program(Program {
        command: "python3".to_owned(),
        args,
        env: BTreeMap::new(),
        folder: folder.join("work"),
        keeper: None,
    });
    ServerSettings { taking: taking(), reach, extra_roots: Vec::new(), workspaces: None }
}

fn notes(folder: &Path) -> PathBuf {
    folder.join("notes")
}

fn noted(folder: &Path, what: &str) -> usize {
    let notes = std::fs::read_to_string(notes(folder)).unwrap_or_default();
    notes.lines().filter(|line| line.starts_with(what)).count()
}

fn start(settings: ServerSettings, begin: Begin) -> Servers {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Servers::start(vec![settings], &clock, begin).unwrap()
}

async fn until(servers: &Servers, done: impl Fn(&Standing) -> bool) -> Standing {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let standing = servers.standing(&workspace(1)).remove("fake").unwrap();
        if done(&standing) {
            return standing;
        }
        assert!(Instant::now() < deadline, "{:?}", standing.connection);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn is(status: Status) -> impl Fn(&Standing) -> bool {
    move |standing| standing.connection.status() == status
}

/// The most memory that this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// D4: whatever a program says without end: it is cut off, its status says why, its process ends, it is begun anew, and memory stays bounded.
#[tokio::test(flavor = "multi_thread")]
async fn d4_a_flood_is_cut_off_with_its_reason() {
    for (word, why) in [
        ("notices", "messages without end"),
        ("progress", "messages without end"),
        ("changes", "messages without end"),
        // Of which limit it comes to first, the machine decides.
        ("questions", "cut off"),
        ("noise", "messages without end"),
        ("blank", "messages without end"),
        ("fat", "64 MiB at once"),
        ("mumbles", "standard error without end"),
        ("mutters", "standard error without end"),
    ] {
        let folder = TempDir::new().unwrap();
        let servers = start(settings(folder.path(), &[word]), Begin::AtOnce);
        until(&servers, is(Status::Connected)).await;
        let before = peak();
        let standing = until(&servers, is(Status::Error)).await;
        let reason = standing.connection.reason().unwrap();
        assert!(reason.starts_with("it was cut off") && reason.contains(why), "{word}: {reason}");
        let grown = peak().saturating_sub(before);
        assert!(grown < 100 << 20, "{word}: {} MiB", grown >> 20);
        until(&servers, is(Status::Connected)).await;
        assert_eq!(noted(folder.path(), "started"), 2, "{word}");
        servers.close().await;
    }
}

/// D4: fifty changes a second are no flood, and no reason to list the tools fifty times.
#[tokio::test]
async fn d4_who_tells_of_changes_without_end_is_listed_less_and_less() {
    let folder = TempDir::new().unwrap();
    let servers = start(settings(folder.path(), &["restless"]), Begin::AtOnce);
    until(&servers, is(Status::Connected)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    until(&servers, is(Status::Connected)).await;
    // The first, and those after one, two and four seconds.
    let listed = noted(folder.path(), "listed");
    assert!((2..=4).contains(&listed), "{listed}");
    servers.close().await;
}

/// D4: where nobody needs tools, no program is started; who wants them starts it.
#[tokio::test]
async fn d4_a_program_is_begun_when_somebody_wants_it() {
    let folder = TempDir::new().unwrap();
    let servers = start(settings(folder.path(), &[]), Begin::WhenWanted);
    let name = ["fake".to_owned()];
    tokio::time::sleep(Duration::from_millis(500)).await;
    // A program that was started may not have said so yet.
    let phase = servers.standing(&workspace(1)).remove("fake").unwrap().connection.phase;
    assert_eq!((phase, noted(folder.path(), "started")), (Phase::New, 0));
    assert_eq!(servers.away(&workspace(1), &name), name);
    servers.settled(&workspace(1), &name, PATIENCE).await;
    assert_eq!(servers.away(&workspace(1), &name), [""; 0]);
    assert_eq!(noted(folder.path(), "started"), 1);
    servers.close().await;
    // One that nobody wanted ends as well.
    let servers = start(settings(folder.path(), &[]), Begin::WhenWanted);
    tokio::time::timeout(Duration::from_secs(3), servers.close()).await.unwrap();
    assert_eq!(noted(folder.path(), "started"), 1);
}

/// D4, T1: for another workspace there is no such server, whatever is asked; and it is not begun for it.
#[tokio::test]
async fn t1_a_server_of_one_workspace_is_none_for_another() {
    let folder = TempDir::new().unwrap();
    let settings = ServerSettings {
        workspaces: Some(BTreeSet::from([TenantId::from_u128(1)])),
        ..settings(folder.path(), &[])
    };
    let servers = start(settings, Begin::WhenWanted);
    let (mine, other) = (workspace(1), workspace(2));
    for name in [["fake".to_owned()], ["nothing".to_owned()]] {
        servers.settled(&other, &name, PATIENCE).await;
        assert!(servers.offered(&other, &name).names().is_empty());
        assert_eq!(servers.away(&other, &name), name);
        assert!(!servers.knows(&other, &name[0]));
    }
    assert_eq!(noted(folder.path(), "started"), 0);
    assert!(servers.standing(&other).is_empty() && servers.names(&other).is_empty());
    let name = ["fake".to_owned()];
    servers.settled(&mine, &name, PATIENCE).await;
    assert!(servers.offered(&mine, &name).names().contains("fake__keep"));
    assert!(servers.away(&mine, &name).is_empty() && servers.knows(&mine, "fake"));
    assert!(servers.offered(&other, &name).names().is_empty());
    servers.close().await;
}

/// What an address does with the stream that it is asked for.
#[derive(Debug, Clone, Copy)]
enum Streams {
    /// Events without end.
    Events,
    /// Comments without end, which are no events.
    Comments,
    /// Ends at once, and wants to be asked again at once.
    Ends,
}

async fn reply(mut stream: TcpStream, streams: Streams, gets: &AtomicUsize) -> std::io::Result<()> {
    let mut request = Vec::new();
    let text = loop {
        let mut buffer = vec![0; 64 << 10];
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.trim().parse::<usize>().unwrap()) {
            break text;
        }
    };
    if text.starts_with("GET") {
        gets.fetch_add(1, Ordering::SeqCst);
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        let event = r#"data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
        let piece = match streams {
            Streams::Events => format!("{event}\n\n"),
            Streams::Comments => format!(":{}\n", "c".repeat(60 << 10)),
            Streams::Ends => return stream.write_all(b"id: 1\nretry: 0\ndata: \n\n").await,
        };
        loop {
            stream.write_all(piece.as_bytes()).await?;
        }
    }
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let asked: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let result = match asked["method"].as_str().unwrap_or_default() {
        "initialize" => serde_json::json!({ "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} }, "serverInfo": { "name": "f", "version": "1" } }),
        "tools/list" => serde_json::json!({ "tools": [] }),
        _ => serde_json::Value::Null,
    };
    let said = match (&asked["id"], result.is_null()) {
        (serde_json::Value::Null, _) => String::new(),
        (id, true) => serde_json::json!({ "jsonrpc": "2.0", "id": id,
            "error": { "code": -32601, "message": "none" } })
        .to_string(),
        (id, false) => {
            serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
        }
    };
    let status = if said.is_empty() { "202 Accepted" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nmcp-session-id: s\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
        said.len()
    );
    stream.write_all(head.as_bytes()).await
}

/// An address that does this, and how often it was asked for its stream.
async fn address(streams: Streams) -> (ServerSettings, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let gets = Arc::new(AtomicUsize::new(0));
    let counted = gets.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let _ = reply(stream, streams, &counted).await;
            });
        }
    });
    let token = Some(Secret::new("hunter2"));
    let reach = Reach::Http(Endpoint { url, headers: BTreeMap::new(), token });
    let settings =
        ServerSettings { taking: taking(), reach, extra_roots: Vec::new(), workspaces: None };
    (settings, gets)
}

/// D4: the same over HTTP: events, or bytes that are none, without end.
#[tokio::test(flavor = "multi_thread")]
async fn d4_a_flood_over_http_is_cut_off() {
    for (streams, why) in
        [(Streams::Events, "messages without end"), (Streams::Comments, "64 MiB at once")]
    {
        let (settings, _) = address(streams).await;
        let servers = start(settings, Begin::AtOnce);
        let standing = until(&servers, is(Status::Error)).await;
        let reason = standing.connection.reason().unwrap();
        assert!(reason.starts_with("it was cut off") && reason.contains(why), "{reason}");
        servers.close().await;
    }
}

/// D4: who ends its stream and wants to be asked again at once is not asked in a loop.
#[tokio::test]
async fn d4_a_stream_that_ends_again_and_again_is_no_loop() {
    let (settings, gets) = address(Streams::Ends).await;
    let servers = start(settings, Begin::AtOnce);
    until(&servers, is(Status::Connected)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let gets = gets.load(Ordering::SeqCst);
    assert!((1..=5).contains(&gets), "{gets}");
    servers.close().await;
}
