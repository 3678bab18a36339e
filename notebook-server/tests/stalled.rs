//! S49: a thousand readers that read nothing cost bounded memory, and hold up nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod provider;

use std::net::SocketAddr;

use common::{PATIENCE, Server, Setup, folder, text_of};
use notebook_core::model::Run;
use provider::{Provider, Script};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

const READERS: usize = 1_000;
const MIB: u64 = 1 << 20;

/// Bytes of memory that the process has.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
}

/// A reader with little room, which asks and never reads.
async fn stalled(address: SocketAddr, run: &Run) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let request = format!("GET /api/runs/{}/events HTTP/1.1\r\nHost: {address}\r\n\r\n", run.id);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn s49_a_thousand_stalled_readers_cost_bounded_memory() {
    // Sockets of both sides; the server has its limit from here.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    // Some megabytes of events: more than the network takes from a server for one who reads nothing.
    let words: Vec<String> = (0..8_000).map(|n| format!("{n:05} heron heron heron ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let provider = Provider::start(Script::paced(&words, 0)).await;
    let folder = folder();
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__CHAT__PROVIDER", "openai")
        .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", provider.url))
        .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
        .start();
    let notebook = server.notebook().await;
    let text = b"The heron waits by the pond. It eats frogs.".to_vec();
    server.ready(notebook, "heron.txt", text).await;
    let conversation = server.conversation(notebook).await;
    // All that is made once is there before it is measured.
    let first = server.ask(conversation, "What does the heron eat?").await;
    server.events(&first, 0).await;
    let before = resident(&server);

    let run = server.ask(conversation, "What does the heron eat?").await;
    let address: SocketAddr = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut readers = Vec::new();
    for number in 0..READERS {
        // Half of them from the beginning, half to be shown what is past.
        if number == READERS / 2 {
            let events = server.events(&run, 0).await;
            assert_eq!(events.last().unwrap()["type"], "completed");
            assert!(text_of(&events).len() > 150_000);
        }
        readers.push(stalled(address, &run).await);
    }
    for reader in &readers {
        // Each was answered; none has taken anything.
        let mut head = [0; 12];
        tokio::time::timeout(PATIENCE, reader.peek(&mut head)).await.unwrap().unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
    }
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed", "others are not held up");
    let grown = resident(&server).saturating_sub(before);
    assert!(grown <= 100 * MIB, "{} MiB for {READERS} readers", grown / MIB);
    drop(readers);
}
