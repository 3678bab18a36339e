//! Deleting a workspace and an account, on SQLite and on PostgreSQL: at once closed, then nothing of it is left anywhere but
//! its audit log and a receipt, whatever is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../notebook-core/tests/support/postgres.rs"]
mod cluster;
mod common;
mod provider;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use cluster::Cluster;
use common::{
    PATIENCE, Server, Setup, folder,
    people::{PASSWORD, Person, with_accounts},
};
use notebook_core::TenantId;
use provider::{Provider, Script};
use reqwest::Method;
use rusqlite::{Connection, types::ValueRef};
use serde_json::{Value, json};

/// A word that only the workspace has which is deleted.
const CANARY: &str = "zyzzyva";
/// What may name a workspace that is gone: its own log, and the installation's.
const LOGS: [&str; 2] = ["audit_chains", "audit_entries"];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Where the rows are.
enum Rows {
    Sqlite,
    Postgres(Box<Cluster>),
}

impl Rows {
    fn setup(&self, folder: &Path, provider: &Provider) -> Setup {
        let setup = with_accounts(Setup::new(folder))
            .with("NOTEBOOK__JOBS__LEASE_SECONDS", 2)
            .with("NOTEBOOK__CHAT__PROVIDER", "openai")
            .with("NOTEBOOK__CHAT__OPENAI__BASE_URL", format!("{}/v1", provider.url))
            .with("NOTEBOOK__CHAT__OPENAI__MODEL", "test");
        match self {
            Self::Sqlite => setup,
            Self::Postgres(cluster) => setup
                .with("NOTEBOOK__STORAGE__POSTGRES", cluster.url())
                .with("NOTEBOOK__AUTH__SECRETS__1", "of these tests, and of nothing else"),
        }
    }

    /// Every row of every table, in small letters: bytes as hexadecimal digits.
    fn all(&self, folder: &Path) -> Vec<(String, String)> {
        match self {
            Self::Sqlite => sqlite_rows(&folder.join("notebook.db")),
            Self::Postgres(cluster) => {
                let tables = "SELECT table_name FROM information_schema.tables
                    WHERE table_schema = 'notebook' AND table_type = 'BASE TABLE'";
                let rows = cluster.query(tables).into_iter().flat_map(|table| {
                    let rows = cluster.query(&format!("SELECT t::text FROM notebook.{table} t"));
                    rows.into_iter().map(move |row| (table.clone(), row.to_lowercase()))
                });
                rows.collect()
            }
        }
    }
}

fn sqlite_rows(file: &Path) -> Vec<(String, String)> {
    let file = Connection::open(file).unwrap();
    let mut tables = file.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut all = Vec::new();
    for table in tables.map(Result::unwrap) {
        let mut rows = file.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells = (0..columns).map(|column| match row.get_ref(column).unwrap() {
                ValueRef::Blob(bytes) => notebook_core::hex(bytes),
                ValueRef::Text(text) => String::from_utf8_lossy(text).to_lowercase(),
                ValueRef::Integer(number) => number.to_string(),
                _ => String::new(),
            });
            all.push((table.clone(), cells.collect::<Vec<_>>().join("|")));
        }
    }
    all
}

/// All files under a folder but those of the database, each with its path.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            found.push((name, Vec::new()));
            files(&path, found);
        } else if !name.contains("notebook.db")
            // Nothing but zeros, and many.
            && !name.ends_with("/reserve")
            && let Ok(bytes) = std::fs::read(&path)
        {
            found.push((name, bytes));
        }
    }
}

/// How a workspace's id and the canary may be written.
fn forms(workspace: &str) -> [String; 3] {
    let id: TenantId = workspace.parse().unwrap();
    [workspace.to_owned(), notebook_core::hex(id.as_bytes()), CANARY.to_owned()]
}

/// Where one of them is still to be found.
fn left(rows: &Rows, folder: &Path, workspace: &str) -> Vec<String> {
    let forms = forms(workspace);
    let mut left = left_in(folder, workspace);
    for (table, row) in rows.all(folder) {
        // The receipt is the job's result too, as long as jobs are kept.
        let is_receipt = table == "jobs" && row.contains("workspace.delete");
        let says = forms.iter().any(|form| row.contains(form));
        if says && !is_receipt && !LOGS.contains(&&*table) {
            left.push(format!("{table}: {row}"));
        }
        assert!(!(LOGS.contains(&&*table) && row.contains(CANARY)), "the log says it: {row}");
    }
    left
}

/// In which files one of them is.
fn left_in(folder: &Path, workspace: &str) -> Vec<String> {
    let forms = forms(workspace);
    let mut all = Vec::new();
    files(folder, &mut all);
    let holds = |(path, bytes): &(String, Vec<u8>)| {
        forms.iter().any(|form| {
            path.contains(form.as_str())
                || bytes
                    .windows(form.len())
                    .any(|window| window.eq_ignore_ascii_case(form.as_bytes()))
        })
    };
    all.into_iter().filter(holds).map(|(path, _)| path).collect()
}

async fn until_nothing_is_left(rows: &Rows, folder: &Path, workspace: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = left(rows, folder, workspace);
        let receipt = receipt(rows, folder);
        if left.is_empty() && receipt.iter().any(|row| row.contains(workspace)) {
            return;
        }
        assert!(Instant::now() < deadline, "left: {left:#?}, receipts: {receipt:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What the installation's audit log says of workspaces that are gone.
fn receipt(rows: &Rows, folder: &Path) -> Vec<String> {
    let entries = rows
        .all(folder)
        .into_iter()
        .filter(|(table, row)| table == "audit_entries" && row.contains("workspace.deleted"));
    entries.map(|(_, row)| row).collect()
}

/// Acts in another of their workspaces.
async fn switched(person: &Person, workspace: &str) -> Person {
    let body = json!({ "workspace": workspace, "transport": "bearer" });
    let there = person.made("/api/auth/workspace", body).await;
    Person { access: text(&there["access_token"]), ..person.clone() }
}

/// One of each kind of thing, some of them in the making.
async fn furnish(person: &Person) {
    let notebook = text(&person.made("/api/notebooks", json!({ "name": CANARY })).await["id"]);
    let sources = format!("/api/notebooks/{notebook}/sources/text");
    for number in 0..3 {
        let words = format!("The {CANARY} number {number} lives in the reeds.\n\n").repeat(40);
        let source = json!({ "name": format!("{CANARY} {number}.md"), "text": words });
        let source = text(&person.made(&sources, source).await["id"]);
        person.until(&format!("/api/sources/{source}"), |source| source["stage"] == "ready").await;
    }
    let conversation = person
        .made(&format!("/api/notebooks/{notebook}/conversations"), json!({ "title": CANARY }))
        .await;
    let runs = format!("/api/conversations/{}/runs", text(&conversation["id"]));
    let ask = json!({ "question": format!("Where does the {CANARY} live?") });
    let run = text(&person.made(&runs, ask.clone()).await["id"]);
    person.until(&format!("/api/runs/{run}"), |run| run["state"] == "completed").await;
    let job = person.made(&format!("/api/notebooks/{notebook}/exports"), json!({})).await;
    let job = format!("/api/jobs/{}", text(&job["job"]));
    person.until(&job, |job| job["state"] == "completed").await;
    let hook = json!({ "url": "https://example.org/zyzzyva", "events": ["source.ready"] });
    person.made("/api/webhooks", hook).await;
    person.made("/api/keys", json!({ "name": CANARY, "scopes": ["notebook.read"] })).await;
    let invite = json!({ "email": "zyzzyva@example.org", "role": "viewer" });
    person.made("/api/invitations", invite).await;
    // What goes on: a long source that is read, an answer that is written.
    let words = format!("The {CANARY} waits. The pond is still.\n\n").repeat(20_000);
    person.made(&sources, json!({ "name": "long.md", "text": words })).await;
    person.made(&runs, ask).await;
}

async fn delete(person: &Person, workspace: &str, name: &str) -> u16 {
    let path = format!("/api/workspaces/{workspace}");
    let request = person.request(Method::DELETE, &path).json(&json!({ "name": name }));
    request.send().await.unwrap().status().as_u16()
}

/// That nobody acts in a workspace any more, by whatever they have.
async fn closed(server: &Server, people: &[&Person], workspace: &str) {
    for person in people {
        let person = Person { url: server.url.clone(), ..(*person).clone() };
        assert_eq!(person.get("/api/notebooks").await.status(), 401);
        let refresh = json!({ "refresh_token": person.refresh });
        let _ = server.post("/api/auth/refresh", refresh).await;
        assert_eq!(person.get("/api/notebooks").await.status(), 401);
    }
    let bob = Person::sign_in(server, "bob").await;
    let places = bob.json("/api/workspaces").await.to_string();
    assert!(!places.contains(workspace), "{places}");
    let there = bob.post("/api/auth/workspace", json!({ "workspace": workspace })).await;
    assert_eq!(there.status(), 404);
}

async fn is_deleted_whatever_is_killed(rows: Rows) {
    let words: Vec<String> = (0..30).map(|number| format!("word{number} ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let provider = Provider::start(Script::paced(&words, 100)).await;
    let folder = folder();
    let data = folder.path().join("data");
    let setup = rows.setup(&data, &provider);
    let mut server = setup.start();
    let ada = Person::register(&server, "ada").await;
    let bob = Person::register(&server, "bob").await;
    let kept = text(&bob.made("/api/notebooks", json!({ "name": "kept" })).await["id"]);
    let source = json!({ "name": "kept.md", "text": "The kingfisher dives." });
    let source = bob.made(&format!("/api/notebooks/{kept}/sources/text"), source).await;
    let source = format!("/api/sources/{}", text(&source["id"]));
    let source_is = bob.until(&source, |source| source["stage"] == "ready").await;

    let team = text(&ada.made("/api/workspaces", json!({ "name": "Team" })).await["id"]);
    let ada = switched(&ada, &team).await;
    let invite = json!({ "email": "bob@example.org", "role": "data_scientist" });
    let token = text(&ada.made("/api/invitations", invite).await["token"]);
    bob.made("/api/auth/invitation", json!({ "token": token })).await;
    let bob = Person::sign_in(&server, "bob").await;
    let inside = switched(&bob, &team).await;
    furnish(&ada).await;
    assert!(left(&rows, &data, &team).len() > 20, "the scan finds what there is");

    let eve = Person::register(&server, "eve").await;
    let home = text(&ada.json("/api/workspaces").await["items"][0]["id"]);
    assert_eq!(delete(&eve, &team, "Team").await, 404);
    assert_eq!(delete(&inside, &team, "Team").await, 403);
    assert_eq!(delete(&ada, &team, "team").await, 422);
    assert_eq!(delete(&ada, &home, "ada").await, 409, "it goes with the account");
    assert_eq!(delete(&ada, &team, "Team").await, 202);
    closed(&server, &[&ada, &inside], &team).await;
    for pause in [0, 30, 200] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        server.kill();
        server = setup.start();
        closed(&server, &[&ada, &inside], &team).await;
    }
    until_nothing_is_left(&rows, &data, &team).await;
    assert_eq!(receipt(&rows, &data).len(), 1, "one receipt");
    // What is another's is whole.
    let bob = Person::sign_in(&server, "bob").await;
    assert_eq!(bob.json(&source).await, source_is);
    let words = bob.get(&format!("{source}/text?start=0&end=14")).await.text().await.unwrap();
    assert!(words.contains("The kingfisher"), "{words}");
    assert!(server.terminate().success());
}

/// T27, T29, Q36: a workspace with work in hand is deleted, and the server is killed at any moment of it.
#[tokio::test]
async fn t27_a_workspace_is_deleted_whatever_is_killed_on_sqlite() {
    is_deleted_whatever_is_killed(Rows::Sqlite).await;
}

/// T27, T29, Q36: the same with rows in PostgreSQL.
#[tokio::test]
async fn t27_a_workspace_is_deleted_whatever_is_killed_on_postgres() {
    is_deleted_whatever_is_killed(Rows::Postgres(Box::new(Cluster::start()))).await;
}

/// T27, I7: every process forgets a workspace that is deleted at another, also one that is not there meanwhile.
#[tokio::test]
async fn t27_other_processes_forget_a_deleted_workspace() {
    let provider = Provider::start(Script::paced(&["word "], 1)).await;
    let rows = Rows::Postgres(Box::new(Cluster::start()));
    let folder = folder();
    let own = |name: &str| folder.path().join(name);
    let setup = |name: &str| {
        rows.setup(&own(name), &provider).with("NOTEBOOK__STORAGE__BLOBS", own("blobs").display())
    };
    let (one, away) = (setup("one").start(), setup("away").start());
    let also = setup("also").start();
    let ada = Person::register(&one, "ada").await;
    let team = text(&ada.made("/api/workspaces", json!({ "name": "Team" })).await["id"]);
    let ada = switched(&ada, &team).await;
    let notebook = text(&ada.made("/api/notebooks", json!({ "name": CANARY })).await["id"]);
    let words = format!("The {CANARY} lives in the reeds. ").repeat(30);
    let source = json!({ "name": "reeds.md", "text": words });
    let source = ada.made(&format!("/api/notebooks/{notebook}/sources/text"), source).await;
    let source = format!("/api/sources/{}", text(&source["id"]));
    ada.until(&source, |source| source["stage"] == "ready").await;
    // Each process has it in an index of its own.
    let names = ["one", "also", "away"];
    let holders = async || {
        let held = names.map(|name| !left_in(&own(name), &team).is_empty());
        tokio::time::sleep(Duration::from_millis(200)).await;
        held
    };
    let deadline = Instant::now() + PATIENCE;
    while holders().await != [true; 3] {
        assert!(Instant::now() < deadline, "a process does not follow");
    }

    away.kill();
    assert_eq!(delete(&ada, &team, "Team").await, 202);
    for name in ["one", "also", "blobs"] {
        until_nothing_is_left(&rows, &own(name), &team).await;
    }
    assert!(!left_in(&own("away"), &team).is_empty(), "what is not there forgets nothing");
    let back = setup("away").start();
    until_nothing_is_left(&rows, &own("away"), &team).await;
    assert_eq!(receipt(&rows, folder.path()).len(), 1, "one receipt");
    for server in [one, also, back] {
        assert!(server.terminate().success());
    }
}

/// T27: an account goes with what is only its own, and leaves what is shared.
#[tokio::test]
async fn t27_an_account_is_deleted_with_what_is_only_its_own() {
    let provider = Provider::start(Script::paced(&["word "], 1)).await;
    let folder = folder();
    let data = folder.path().join("data");
    let rows = Rows::Sqlite;
    let server = rows.setup(&data, &provider).start();
    let ada = Person::register(&server, "ada").await;
    let home = text(&ada.json("/api/workspaces").await["items"][0]["id"]);
    let made = ada.made("/api/notebooks", json!({ "name": CANARY })).await;
    let source = json!({ "name": "a.md", "text": format!("The {CANARY} waits.") });
    let path = format!("/api/notebooks/{}/sources/text", text(&made["id"]));
    ada.made(&path, source).await;
    let delete = async |password: &str| {
        let request = ada.request(Method::DELETE, "/api/auth/account");
        let response = request.json(&json!({ "password": password })).send().await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(delete("not the password").await, 422);
    assert_eq!(delete(PASSWORD).await, 204);
    assert_eq!(ada.get("/api/notebooks").await.status(), 401);
    let again = json!({ "email": "ada@example.org", "password": PASSWORD });
    assert_eq!(server.post("/api/auth/login", again).await.status(), 401);
    until_nothing_is_left(&rows, &data, &home).await;
    let users = rows.all(&data).into_iter().filter(|(_, row)| row.contains("ada@example.org"));
    assert_eq!(users.collect::<Vec<_>>(), [], "nor the address");
    assert!(server.terminate().success());
}
