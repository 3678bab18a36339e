//! Servers of the Model Context Protocol for tests: a configuration that names them, and what is asked of them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use notebook_core::{ConversationId, NotebookId, model::Run};
use serde_json::{Value, json};

use crate::{
    common::{PATIENCE, Server, Setup},
    talker::{Reply, Talker, calls, results, says},
};

/// A package that the page's tests are installed with.
pub fn package(path: &str) -> String {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/node_modules").join(path);
    assert!(web.is_file(), "{} is missing: run `make web`", web.display());
    web.to_str().unwrap().to_owned()
}

/// The server that has one of everything, over its standard streams.
pub fn everything(name: &str) -> String {
    let program = package("@modelcontextprotocol/server-everything/dist/index.js");
    format!("[mcp.servers.{name}]\ncommand = \"node\"\nargs = [{program:?}, \"stdio\"]\n")
}

/// The one that does what no server should; `more` are lines of its settings.
pub fn fake(name: &str, notes: &Path, words: &[&str], more: &str) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/fake.py");
    let mut args = vec![program.to_str().unwrap(), notes.to_str().unwrap()];
    args.extend(words);
    format!("[mcp.servers.{name}]\ncommand = \"python3\"\nargs = {args:?}\n{more}\n")
}

/// A server with this configuration, and this model.
pub fn setup(folder: &Path, talker: &Talker, toml: &str) -> Setup {
    let file = folder.join("mcp.toml");
    std::fs::write(&file, toml).unwrap();
    Setup::new(&folder.join("data"))
        .with("NOTEBOOK_CONFIG", file.display())
        .with("NOTEBOOK__CHAT__PROVIDER", "openai")
        .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", talker.url))
        .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test")
}

/// What is known of a server, once it stands so.
pub async fn until(server: &Server, name: &str, status: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = server.json("/api/mcp/servers").await;
        let found = all["items"].as_array().unwrap().iter().find(|item| item["name"] == name);
        let found = found.cloned().unwrap_or_else(|| panic!("{name} is not in {all}"));
        if found["status"] == status {
            return found;
        }
        assert!(Instant::now() < deadline, "not {status}: {found:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A notebook with one source, and these settings.
pub async fn notebook(server: &Server, settings: Value) -> (NotebookId, ConversationId) {
    let notebook = server.notebook().await;
    server.ready(notebook, "a.txt", b"The Wensum is 78 kilometres long.".to_vec()).await;
    assert_eq!(set(server, notebook, settings).await, 200);
    (notebook, server.conversation(notebook).await)
}

pub async fn set(server: &Server, notebook: NotebookId, settings: Value) -> u16 {
    let path = format!("{}/api/notebooks/{notebook}", server.url);
    let body = json!({ "settings": settings });
    server.http.patch(path).json(&body).send().await.unwrap().status().as_u16()
}

pub async fn research(server: &Server, conversation: ConversationId, question: &str) -> Run {
    let path = format!("/api/conversations/{conversation}/runs");
    let body = json!({ "question": question, "mode": "research" });
    let response = server.post(&path, body).await;
    let status = response.status();
    let said: Value = response.json().await.unwrap();
    assert_eq!(status, 201, "{said}");
    serde_json::from_value(said).unwrap()
}

/// The question of a run, once it is asked.
pub async fn asked(server: &Server, run: &Run) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = server.json(&format!("/api/runs/{}/approvals", run.id)).await;
        if let [one] = all["items"].as_array().unwrap().as_slice() {
            return one.clone();
        }
        assert!(Instant::now() < deadline, "nobody is asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn decide(server: &Server, approval: &Value, verdict: &str) {
    let path = format!("/api/approvals/{}", approval["id"].as_str().unwrap());
    let body = json!({ "verdict": verdict, "digest": approval["digest"], "note": "" });
    assert_eq!(server.post(&path, body).await.status(), 200);
}

/// The names that the model was offered in its request of this number.
pub fn offered(talker: &Talker, place: usize) -> Vec<String> {
    let tools = talker.requests()[place]["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect()
}

/// What a fake has noted.
pub fn noted(notes: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(notes).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

pub fn calls_noted(notes: &Path) -> usize {
    noted(notes).iter().filter(|line| line.starts_with("called ")).count()
}

/// A model that calls the tools which the question names, one after another, and says what the last one answered.
pub fn obedient(request: &Value) -> Reply {
    let messages = request["messages"].as_array().unwrap();
    let question = messages.iter().rfind(|message| message["role"] == "user").unwrap();
    let question = question["content"].as_str().unwrap();
    let wanted: Vec<&str> = question
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        .filter(|word| word.contains("__") || *word == "search_sources")
        .collect();
    // Each answer of this run comes after the question.
    match wanted.get(results(request).len()) {
        Some(&"search_sources") => calls(&[("search_sources", r#"{"query": "Wensum"}"#)]),
        Some(tool) if tool.ends_with("__echo") => calls(&[(tool, r#"{"message": "a"}"#)]),
        Some(tool) if tool.contains("__list_") => calls(&[(tool, "{}")]),
        Some(tool) => calls(&[(tool, r#"{"text": "a"}"#)]),
        None => {
            says(results(request).last().map_or_else(String::new, |said| said.replace('\n', " ")))
        }
    }
}

/// The processes that a fake was, in their order.
pub fn pids(notes: &Path) -> Vec<u32> {
    let noted = noted(notes);
    noted.iter().filter_map(|line| line.strip_prefix("started ")?.parse().ok()).collect()
}

/// Waits until a process has ended.
pub async fn gone(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "{pid} still lives");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn failures(events: &[Value]) -> Vec<Value> {
    let answered = events.iter().filter(|event| event["type"] == "tool_answered");
    answered.map(|event| event["failure"].clone()).collect()
}

pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // One that nobody has waited for is no process any more.
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}
