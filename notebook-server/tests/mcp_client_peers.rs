//! D4: public MCP servers of all revisions, over pipes and over HTTP; and what an address must not get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod programs;
mod talker;

use std::sync::{Arc, Mutex};

use common::{Server, Setup, folder};
use programs::{everything, failures, notebook, obedient, package, research, setup, until};
use serde_json::{Value, json};
use talker::Talker;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const READS: &str = "read_only_tools = [\"*\"]\n";

fn program(name: &str, package_path: &str, args: &[&str]) -> String {
    let program = package(package_path);
    let mut all = vec![program.as_str()];
    all.extend(args);
    format!("[mcp.servers.{name}]\ncommand = \"node\"\nargs = {all:?}\n{READS}")
}

async fn answer(server: &Server, name: &str, tool: &str) -> String {
    let (_, conversation) = notebook(server, json!({ "mcp_servers": [name] })).await;
    let run = research(server, conversation, &format!("{name}__{tool}")).await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["type"], "completed", "{events:#?}");
    assert_eq!(failures(&events), [Value::Null], "{name}");
    server.message(&run).await.text
}

/// D4: servers of the revisions of 2024 and 2025, as they were published, over their standard streams.
#[tokio::test]
async fn d4_public_servers_of_all_revisions_are_called() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let files = files.to_str().unwrap();
    let new = "@modelcontextprotocol/server-filesystem/dist/index.js";
    let toml = program("new", new, &[files])
        + &program("middle", "mcp-everything-2025/dist/index.js", &["stdio"])
        + &program("old", "mcp-filesystem-2024/dist/index.js", &[files]);
    let server = setup(folder.path(), &talker, &toml).start();
    for (name, revision, tool, said) in [
        ("new", "2025-11-25", "list_allowed_directories", "Allowed directories"),
        ("middle", "2025-06-18", "echo", "Echo: a"),
        ("old", "2024-11-05", "list_allowed_directories", "Allowed directories"),
    ] {
        let known = until(&server, name, "connected").await;
        assert_eq!(known["protocol"], revision, "{known}");
        let answer = answer(&server, name, tool).await;
        assert!(answer.contains(said), "{name}: {answer}");
    }
}

/// D4: the public server over streamable HTTP with sessions, and the revision of 2026 as this program speaks it itself.
#[tokio::test]
async fn d4_public_servers_are_called_over_http() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let everything = package("@modelcontextprotocol/server-everything/dist/index.js");
    let mut node = tokio::process::Command::new("node");
    node.args([&everything, "streamableHttp"]).env("PORT", port.to_string()).kill_on_drop(true);
    let mut running = node.spawn().unwrap();
    let own = Setup::new(&folder.path().join("own")).start();
    own.notebook().await;
    let toml = format!(
        "[mcp.servers.web]\nurl = \"http://127.0.0.1:{port}/mcp\"\n{READS}[mcp.servers.own]\nurl = \"{}/mcp\"\n{READS}",
        own.url
    );
    let server = setup(folder.path(), &talker, &toml).start();
    let web = until(&server, "web", "connected").await;
    assert_eq!(web["protocol"], "2025-11-25", "{web}");
    assert!(answer(&server, "web", "echo").await.contains("Echo: a"));
    let known = until(&server, "own", "connected").await;
    assert_eq!(known["protocol"], "2026-07-28", "{known}");
    let notebooks = answer(&server, "own", "list_notebooks").await;
    assert!(notebooks.contains(r#""name":"Test""#), "{notebooks}");
    // It goes.
    running.kill().await.unwrap();
    let (_, conversation) = notebook(&server, json!({ "mcp_servers": ["web"] })).await;
    let run = research(&server, conversation, "web__echo").await;
    let failed = failures(&server.events(&run, 0).await);
    assert!(failed[0] == "tool_failed" || failed[0] == "unavailable", "{failed:?}");
}

/// D4, G9: a server that sends elsewhere is not followed, and what was given as a secret is sent to its address alone and told nowhere.
#[tokio::test]
async fn d4_headers_stay_with_their_address() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let (here, there) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let (url, other) = (here.local_addr().unwrap(), there.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    for (listener, is_here) in [(here, true), (there, false)] {
        let asked = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 8 << 10];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                asked.lock().unwrap().push(format!("{is_here} {head}"));
                let said = format!(
                    "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{other}/mcp\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.write_all(said.as_bytes()).await;
            }
        });
    }
    let log = folder.path().join("log");
    let toml = format!(
        "[mcp.servers.web]\nurl = \"http://{url}/mcp\"\nheaders = {{ authorization = \"Bearer hunter2-token\" }}\n"
    );
    let setup = setup(folder.path(), &talker, &toml);
    let server = setup.with("RUST_LOG", "debug").logging_to(log.clone()).start();
    let known = until(&server, "web", "error").await;
    assert!(known["reason"].as_str().unwrap().contains("redirect"), "{known}");
    let asked = asked.lock().unwrap().clone();
    assert!(asked.iter().all(|head| head.starts_with("true ")), "{asked:?}");
    assert!(asked.iter().all(|head| head.contains("Bearer hunter2-token")), "{asked:?}");
    assert!(!known.to_string().contains("hunter2"));
    assert!(!std::fs::read_to_string(log).unwrap().contains("hunter2"));
}

/// D4: one server that is named twice is two, and no tool of the one is the other's.
#[tokio::test]
async fn d4_two_servers_with_the_same_tools_do_not_collide() {
    let (folder, talker) = (folder(), Talker::start(obedient).await);
    let toml = format!("{}{READS}{}tools = [\"echo\"]\n", everything("one"), everything("two"));
    let server = setup(folder.path(), &talker, &toml).start();
    until(&server, "one", "connected").await;
    let two = until(&server, "two", "connected").await;
    assert_eq!(two["tools"].as_array().unwrap().len(), 1);
    assert!(answer(&server, "one", "echo").await.contains("What the MCP server one answered"));
}
