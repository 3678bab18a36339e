//! A process that writes is killed at random moments: what it was told is stored, is stored,
//! and nothing is half visible.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use notebook_core::{
    ErrorKind, NotebookId, RunId, SourceId, TenantId, TenantScope,
    document::{Block, BlockKind, Document, Span},
    model::{Notebook, PageRequest, Run, RunOutcome, RunState},
    run_log::RunLog,
    sqlite::SqliteConfig,
    store::{ConversationStore, NotebookStore, SourceStore, conformance::samples, sql::SqlStore},
};

const PATH: &str = "NOTEBOOK_CRASH_TEST_PATH";
const ROUNDS: u64 = 12;

fn scope() -> TenantScope {
    TenantScope::authenticated(TenantId::from_u128(7))
}

/// A document whose every line says its version.
fn versioned(version: u64) -> Document {
    let line = format!("version {version}\n");
    let text = line.repeat(9_000 + usize::try_from(version % 7).unwrap() * 1_000);
    let span = Span { start: 0, end: text.len() };
    let blocks = vec![Block { kind: BlockKind::Code, span }];
    Document { text, blocks, ..Document::default() }
}

/// Tells the parent that something was answered `Ok`.
fn acknowledge(what: &str, id: impl ToString, number: u64) {
    let line = format!("ack {what} {} {number}\n", id.to_string());
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

/// The child: does nothing unless the parent below starts it.
#[test]
fn child_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let config = SqliteConfig::new(PathBuf::from(path));
        let store = Arc::new(SqlStore::sqlite(config).await.unwrap());
        let writers: Vec<_> =
            (0..8).map(|_| tokio::spawn(write_forever(Arc::clone(&store)))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

async fn write_forever(store: Arc<SqlStore>) {
    let scope = scope();
    let notebook = store.create_notebook(&scope, samples::notebook()).await.unwrap();
    acknowledge("notebook", notebook.id, 0);
    let source = samples::source(notebook.id);
    store.create_source(&scope, source.clone()).await.unwrap();
    let conversation = samples::conversation(notebook.id);
    let conversation = store.create_conversation(&scope, conversation).await.unwrap();
    for round in 1.. {
        let new = samples::new_run(&conversation);
        let run = new.run.clone();
        store.open(&scope, new).await.unwrap();
        acknowledge("open", run.id, 0);
        store.append(&scope, run.id, &samples::deltas(1, 3)).await.unwrap();
        acknowledge("append", run.id, 3);
        store.append(&scope, run.id, &samples::deltas(4, 2)).await.unwrap();
        acknowledge("append", run.id, 5);
        close(&store, &scope, &run).await;
        acknowledge("close", run.id, 6);
        if round % 5 == 0 {
            store.put_document(&scope, source.id, versioned(round)).await.unwrap();
            acknowledge("document", source.id, round);
        }
    }
}

async fn close(store: &SqlStore, scope: &TenantScope, run: &Run) {
    let outcome = RunOutcome {
        state: RunState::Completed,
        events: vec![samples::completed(6)],
        answer: Some(samples::answer(run)),
        used: None,
    };
    RunLog::close(store, scope, run.id, outcome).await.unwrap();
}

fn start_child(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_writes_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the child said before it was killed: the highest number by what and whom.
fn run_and_kill(path: &Path, after: Duration) -> HashMap<(String, String), u64> {
    let mut child = start_child(path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = HashMap::new();
    let mut note = |line: &str| {
        // A kill may cut the last line short.
        let parts: Vec<_> = line.split(' ').collect();
        if let ["ack", what, id, number] = parts[..]
            && let Ok(number) = number.parse()
        {
            said.insert((what.to_owned(), id.to_owned()), number);
        }
    };
    while let Some(Ok(line)) = lines.next() {
        note(&line);
        if line.starts_with("ack") {
            break;
        }
    }
    let killer = std::thread::spawn(move || {
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap()
    });
    for line in lines {
        note(&line.unwrap());
    }
    let status = killer.join().unwrap();
    assert!(!status.success(), "the child ended by itself");
    said
}

async fn check_acknowledged(store: &SqlStore, said: &HashMap<(String, String), u64>) {
    let scope = scope();
    for ((what, id), number) in said {
        match what.as_str() {
            "notebook" => {
                let id: NotebookId = id.parse().unwrap();
                store.notebook(&scope, id).await.unwrap();
            }
            "open" | "append" | "close" => {
                let id: RunId = id.parse().unwrap();
                let run = store.run(&scope, id).await.unwrap();
                let events = store.events(&scope, id, 0, 100).await.unwrap();
                assert!(events.len() as u64 >= *number, "{what} {number}: {}", events.len());
                assert!(what != "close" || run.state == RunState::Completed);
            }
            "document" => {
                let id: SourceId = id.parse().unwrap();
                let stored = store.document(&scope, id).await.unwrap();
                assert!(version(&stored) >= *number);
            }
            _ => panic!("{what}"),
        }
    }
}

fn version(document: &Document) -> u64 {
    let first = document.text.lines().next().unwrap();
    first.strip_prefix("version ").unwrap().parse().unwrap()
}

async fn all_notebooks(store: &SqlStore) -> Vec<Notebook> {
    let mut all = Vec::new();
    let mut page = PageRequest::first(1000);
    loop {
        let got = store.notebooks(&scope(), true, page).await.unwrap();
        all.extend(got.items);
        let Some(next) = got.next else { return all };
        page = PageRequest { after: Some(next), limit: 1000 };
    }
}

/// Everything that is there is whole.
async fn check_whole(store: &SqlStore) {
    let scope = scope();
    for notebook in all_notebooks(store).await {
        for source in store.sources(&scope, notebook.id).await.unwrap() {
            match store.document(&scope, source.id).await {
                Ok(stored) => assert!(stored == versioned(version(&stored))),
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
            }
        }
        for conversation in store.conversations(&scope, notebook.id).await.unwrap() {
            for run in store.runs(&scope, conversation.id, usize::MAX).await.unwrap() {
                check_run(store, &run).await;
            }
        }
    }
}

async fn check_run(store: &SqlStore, run: &Run) {
    let scope = scope();
    store.message(&scope, run.question).await.unwrap();
    let events = store.events(&scope, run.id, 0, 100).await.unwrap();
    assert!([0, 3, 5, 6].contains(&events.len()), "{} events", events.len());
    assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    let ended = events.last().is_some_and(|event| event.body.terminal_state().is_some());
    assert_eq!(ended, run.state == RunState::Completed);
    assert_eq!(ended, run.ended_at.is_some());
    assert_eq!(ended, store.message(&scope, run.answer).await.is_ok());
}

/// Q10: killed while it writes, twelve times over the same file.
#[test]
fn q10_what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notebook.db");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        // Spread over the child's life, at other places of its loop each round.
        let after = Duration::from_micros(500 + round * 9_377 % 60_000 + round * 131);
        let said = run_and_kill(&path, after);
        acknowledged += said.len();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = SqlStore::sqlite(SqliteConfig::new(&path)).await.unwrap();
            check_acknowledged(&store, &said).await;
            check_whole(&store).await;
            // Every other round leaves the log as the kill left it, plus what was just read.
            if round % 2 == 0 {
                store.close().await.unwrap();
            }
        });
    }
    assert!(acknowledged > 100, "only {acknowledged} calls were acknowledged");
    let connection = rusqlite::Connection::open(&path).unwrap();
    let check: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
