//! What leaves as a file and comes back: conversations, whole notebooks, forged archives, kill -9 in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    collections::{BTreeMap, HashMap},
    io::{Cursor, Read as _, Write as _},
};

use common::{Server, Setup, folder};
use notebook_core::{
    ConversationId, NotebookId,
    document::SourceKind,
    model::{Message, Stage},
};
use notebook_rag::parse::{Limits, parse_bytes};
use reqwest::{Response, multipart};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

type Entries = Vec<(String, Vec<u8>)>;

/// Asks for an export and gives the job, once it has ended, and its file.
async fn export(server: &Server, path: &str, body: Value) -> (Value, Response) {
    let response = server.post(path, body).await;
    assert_eq!(response.status(), 202, "{path}");
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let job = server.job_done(&place).await;
    let file = server.get(&format!("{place}/file")).await;
    assert_eq!(file.status(), 200);
    (job["result"].clone(), file)
}

async fn archive(server: &Server, notebook: NotebookId) -> Vec<u8> {
    let (_, file) = export(server, &format!("/api/notebooks/{notebook}/exports"), json!({})).await;
    file.bytes().await.unwrap().to_vec()
}

/// Uploads an archive and says where its job is.
async fn upload(server: &Server, bytes: Vec<u8>) -> String {
    let part = multipart::Part::bytes(bytes).file_name("birds.zip");
    let form = multipart::Form::new().part("file", part);
    let request = server.http.post(format!("{}/api/imports", server.url)).multipart(form);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 202);
    response.headers()["location"].to_str().unwrap().to_owned()
}

/// The job once it has ended, well or not.
async fn ended(server: &Server, place: &str) -> Value {
    loop {
        let job = server.json(place).await;
        if ["completed", "dead", "cancelled"].contains(&job["state"].as_str().unwrap()) {
            return job;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn imported(server: &Server, bytes: Vec<u8>) -> NotebookId {
    let place = upload(server, bytes).await;
    let result = server.job_done(&place).await["result"].clone();
    let notebook: NotebookId = serde_json::from_value(result["notebook"].clone()).unwrap();
    for source in items(server, &format!("/api/notebooks/{notebook}/sources")).await {
        server.settled(source["id"].as_str().unwrap()).await;
    }
    notebook
}

async fn items(server: &Server, path: &str) -> Vec<Value> {
    server.json(path).await["items"].as_array().unwrap().clone()
}

async fn messages(server: &Server, conversation: &str) -> Vec<Message> {
    let items = items(server, &format!("/api/conversations/{conversation}/messages")).await;
    serde_json::from_value(json!(items)).unwrap()
}

fn unzip(bytes: &[u8]) -> Entries {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        entries.push((entry.name().unwrap().into_owned(), bytes));
    }
    entries
}

fn zipped(entries: &Entries) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A manifest that fits what the entries are now: what a forger would write.
fn with_manifest(mut entries: Entries) -> Entries {
    let (_, manifest) = entries.pop().unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let listed = entries.iter().map(|(name, bytes)| {
        let sha256 = notebook_core::hex(Sha256::digest(bytes));
        json!({ "name": name, "bytes": bytes.len(), "sha256": sha256 })
    });
    manifest["entries"] = listed.collect();
    entries.push(("manifest.json".to_owned(), manifest.to_string().into_bytes()));
    entries
}

/// What an archive holds, apart from ids, moments and how often a source was changed.
fn contents(bytes: &[u8]) -> Vec<(String, Value)> {
    let mut known = HashMap::new();
    let entries = unzip(bytes).into_iter().map(|(name, bytes)| {
        let name = name.split('/').map(|part| bare(json!(part), &mut known)).collect::<Vec<_>>();
        let name = name.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join("/");
        let text = || String::from_utf8(bytes.clone()).unwrap();
        let value = if name.ends_with(".json") {
            bare(serde_json::from_str(&text()).unwrap(), &mut known)
        } else if name.ends_with(".jsonl") {
            let lines = text()
                .lines()
                .map(|line| bare(serde_json::from_str(line).unwrap(), &mut known))
                .collect::<Vec<_>>();
            json!(lines)
        } else {
            json!(notebook_core::hex(Sha256::digest(&bytes)))
        };
        (name, value)
    });
    entries.filter(|(name, _)| name != "manifest.json").collect()
}

fn bare(value: Value, known: &mut HashMap<String, usize>) -> Value {
    match value {
        Value::String(text) if uuid::Uuid::try_parse(&text).is_ok() => {
            let next = known.len();
            json!(format!("id {}", known.entry(text).or_insert(next)))
        }
        Value::Array(all) => all.into_iter().map(|each| bare(each, known)).collect(),
        Value::Object(fields) => {
            let moments = ["created_at", "updated_at", "ended_at", "time", "revision"];
            let kept = fields.into_iter().filter(|(name, _)| !moments.contains(&name.as_str()));
            kept.map(|(name, value)| (name, bare(value, known))).collect()
        }
        other => other,
    }
}

const HERONS: &str = "# Herons\n\nThe grey heron stands 98 centimetres tall.\n\nIt waits — ganz still — for frogs 🐸.\n";

/// A notebook with sources of several kinds, one that failed and one that is gone, two conversations, branches.
async fn full(server: &Server) -> NotebookId {
    let notebook = server.notebook().await;
    server.ready(notebook, "heron \"1\".md", HERONS.into()).await;
    let pdf = common::shared().join("documents/good/tracemonkey.pdf");
    server.ready(notebook, "tracemonkey.pdf", std::fs::read(pdf).unwrap()).await;
    let gone = server.ready(notebook, "gone.txt", b"The owl sleeps by day.".to_vec()).await;
    let failed = server.add(notebook, "broken.pdf", b"%PDF-1.7 broken".to_vec()).await;
    assert_eq!(failed.stage, Stage::Failed);
    let conversation = server.conversation(notebook).await;
    let first = server.ask(conversation, "How tall is the grey heron?").await;
    server.events(&first, 0).await;
    let second = server.ask(conversation, "When does the owl sleep?").await;
    server.events(&second, 0).await;
    let path = format!("/api/conversations/{conversation}/runs");
    let again = server.post(&path, json!({ "regenerate": first.question })).await;
    let again = serde_json::from_value(again.json().await.unwrap()).unwrap();
    server.events(&again, 0).await;
    let other = server.conversation(notebook).await;
    let run = server.ask(other, "What does trace-based compilation record?").await;
    server.events(&run, 0).await;
    let path = format!("{}/api/conversations/{other}", server.url);
    let body = json!({ "title": "Traces", "excluded_sources": [gone.id] });
    assert!(server.http.patch(path).json(&body).send().await.unwrap().status().is_success());
    let path = format!("{}/api/sources/{}", server.url, gone.id);
    let deleted = server.http.delete(path).send().await.unwrap();
    server.job_done(deleted.headers()["location"].to_str().unwrap()).await;
    notebook
}

/// F2: a conversation as Markdown and PDF: title, question, answer, and the exact words of each citation.
#[tokio::test]
async fn f2_a_conversation_leaves_as_markdown_and_pdf() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    server.ready(notebook, "heron.md", HERONS.into()).await;
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, "How tall is the <b>grey</b> heron?").await;
    server.events(&run, 0).await;
    let message = server.message(&run).await;
    assert!(server.check_citations(&message).await > 0);
    let path = format!("{}/api/conversations/{conversation}", server.url);
    let body = json!({ "title": "Größe / \"Reiher\"" });
    assert!(server.http.patch(path).json(&body).send().await.unwrap().status().is_success());

    let path = format!("/api/conversations/{conversation}/exports");
    let (result, file) = export(&server, &path, json!({ "format": "markdown" })).await;
    let header = |name: &str| file.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/markdown; charset=utf-8");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20Reiher.md"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(result["file"]["name"], "Größe Reiher.md");
    let bytes = file.bytes().await.unwrap();
    assert_eq!(result["file"]["bytes"], bytes.len());
    assert_eq!(result["file"]["sha256"], notebook_core::hex(Sha256::digest(&bytes)));
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.starts_with("# Größe / \"Reiher\"\n"), "{text}");
    assert!(text.contains("How tall is the \\<b\\>grey\\</b\\> heron?"), "{text}");
    for citation in &message.citations {
        assert!(text.contains(&format!("heron.md: “{}”", citation.quote)), "{text}");
    }

    let through = json!({ "format": "pdf", "through": run.answer });
    let (result, file) = export(&server, &path, through).await;
    assert_eq!(file.headers()["content-type"], "application/pdf");
    assert_eq!(result["replaced_characters"], 0);
    let pdf = file.bytes().await.unwrap();
    let document = parse_bytes(&pdf, SourceKind::Pdf, &Limits::default()).unwrap();
    let read = document.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in
        ["Größe / \"Reiher\"", "How tall is the <b>grey</b> heron?", &message.citations[0].quote]
    {
        assert!(read.contains(words), "{words} is not in {read}");
    }

    assert_eq!(server.post(&path, json!({ "format": "docx" })).await.status(), 422);
    let elsewhere = json!({ "format": "pdf", "through": notebook_core::MessageId::new() });
    assert_eq!(server.post(&path, elsewhere).await.status(), 404);

    // With the conversation, its file is gone.
    let response = server.post(&path, json!({ "format": "markdown" })).await;
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    server.job_done(&place).await;
    assert_eq!(server.get(&format!("{place}/file")).await.status(), 200);
    let gone = format!("{}/api/conversations/{conversation}", server.url);
    assert_eq!(server.http.delete(gone).send().await.unwrap().status(), 204);
    assert_eq!(server.get(&format!("{place}/file")).await.status(), 404);

    let unknown = ConversationId::new();
    let strange = format!("/api/conversations/{unknown}/exports");
    assert_eq!(server.post(&strange, json!({ "format": "pdf" })).await.status(), 404);
    let job = notebook_core::JobId::new();
    assert_eq!(server.get(&format!("/api/jobs/{job}/file")).await.status(), 404);
}

/// A7: out, in, and out again: everything is there but ids and moments; citations are the stored words; questions are
/// answered.
#[tokio::test]
async fn a7_a_round_trip_loses_nothing() {
    let (here, there) = (folder(), folder());
    let server = Setup::new(here.path()).start();
    let notebook = full(&server).await;
    let first = archive(&server, notebook).await;
    let target = Setup::new(there.path()).start();
    let copy = imported(&target, first.clone()).await;
    assert_ne!(copy, notebook);
    let second = archive(&target, copy).await;
    let (before, after) = (contents(&first), contents(&second));
    let names =
        |all: &[(String, Value)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before, after, "{name}");
    }
    let manifest: Value = serde_json::from_slice(&unzip(&first).pop().unwrap().1).unwrap();
    assert_eq!(
        (&manifest["format"], &manifest["version"]),
        (&json!("notebook-archive"), &json!(1))
    );
    let counts = json!({ "sources": 3, "conversations": 2, "messages": 7, "runs": 4,
        "citations": manifest["counts"]["citations"] });
    assert_eq!(manifest["counts"], counts);

    let sources = items(&target, &format!("/api/notebooks/{copy}/sources")).await;
    let known = |id: &str| sources.iter().any(|source| source["id"] == id);
    let (mut checked, mut all) = (0, 0);
    for conversation in items(&target, &format!("/api/notebooks/{copy}/conversations")).await {
        for mut message in messages(&target, conversation["id"].as_str().unwrap()).await {
            all += message.citations.len();
            message.citations.retain(|citation| known(&citation.source.to_string()));
            checked += target.check_citations(&message).await;
        }
    }
    assert!(checked >= 3, "{checked} citations");
    assert_eq!(json!(all), manifest["counts"]["citations"]);
    let conversation = target.conversation(copy).await;
    let run = target.ask(conversation, "How tall is the grey heron?").await;
    target.events(&run, 0).await;
    let message = target.message(&run).await;
    assert!(message.text.contains("98 centimetres"), "{}", message.text);
    assert!(target.check_citations(&message).await > 0);
    // The originals are the same, and deleting the copy removes them.
    for source in &sources {
        let path = format!("/api/sources/{}/original", source["id"].as_str().unwrap());
        let bytes = target.get(&path).await.bytes().await.unwrap();
        assert_eq!(source["sha256"], notebook_core::hex(Sha256::digest(&bytes)));
    }
    // The same archive comes in beside itself.
    let twin = imported(&server, first).await;
    assert_ne!(twin, notebook);
    let path = format!("{}/api/notebooks/{twin}", server.url);
    assert_eq!(server.http.delete(path).send().await.unwrap().status(), 202);
    assert_eq!(contents(&archive(&server, notebook).await), before);
}

/// A7, U1, U8, U9, U10: an archive that was changed is refused, with the entry's name, and leaves nothing.
#[tokio::test]
async fn a7_a_tampered_archive_is_refused_with_its_entry() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    server.ready(notebook, "heron.md", HERONS.into()).await;
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, "How tall is the grey heron?").await;
    server.events(&run, 0).await;
    let good = unzip(&archive(&server, notebook).await);
    let mut bad: BTreeMap<String, (Vec<u8>, String)> = BTreeMap::new();
    let mut add =
        |what: String, bytes: Vec<u8>, named: &str| bad.insert(what, (bytes, named.to_owned()));
    for (index, (name, _)) in good.iter().enumerate() {
        let mut changed = good.clone();
        let bytes = &mut changed[index].1;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        // A changed manifest no longer fits one of the others.
        let named = if name == "manifest.json" { "entry `" } else { name };
        add(format!("changed {name}"), zipped(&changed), named);
        let mut missing = good.clone();
        missing.remove(index);
        add(format!("without {name}"), zipped(&missing), name);
    }
    let at = |end: &str| good.iter().position(|(name, _)| name.ends_with(end)).unwrap();
    let mut forge = |what: &str, change: &dyn Fn(&mut Entries), named: &str| {
        let mut entries = good.clone();
        change(&mut entries);
        add(what.to_owned(), zipped(&with_manifest(entries)), named);
    };
    let replace = |entries: &mut Entries, end: &str, from: &str, to: &str| {
        let bytes = &mut entries[at(end)].1;
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        *bytes = text.replace(from, to).into_bytes();
    };
    forge("other words", &|all| replace(all, "text.txt", "98 centi", "89 centi"), "runs.jsonl");
    forge("a shorter text", &|all| replace(all, "text.txt", "centimetres", "cm"), "layout.json");
    forge("bad json", &|all| replace(all, "layout.json", "[", "{"), "layout.json");
    forge("another role", &|all| replace(all, "runs.jsonl", "assistant", "user"), "runs.jsonl");
    forge("no original's hash", &|all| replace(all, "original", "98", "97"), "original");
    forge(
        "a long name",
        &|all| replace(all, "notebook.json", "Test", &"x".repeat(300)),
        "notebook.json",
    );
    forge(
        "a system prompt that is too long",
        &|all| {
            let prompt = format!("\"system_prompt\": \"{}\"", "x".repeat(17 << 10));
            replace(all, "notebook.json", "\"system_prompt\": null", &prompt);
        },
        "notebook.json",
    );
    forge(
        "a large row",
        &|all| all[at("source.json")].1.extend(vec![b' '; 1 << 20]),
        "source.json",
    );
    forge(
        "a forged failure",
        &|all| {
            let failure = r#""failure": {"code": "importing", "message": "", "stage": "deleting"}"#;
            replace(all, "source.json", "\"failure\": null", failure);
        },
        "source.json",
    );
    forge("a bomb", &|all| all[at("text.txt")].1 = vec![b'a'; 65 << 20], "text.txt");
    for name in
        ["../evil", "/etc/passwd", "C:\\x", "sources/x/original", "a\u{202e}b", "manifest.json/"]
    {
        forge(name, &|all| all.insert(0, (name.to_owned(), b"x".to_vec())), "entry `");
    }
    let mut newer = good.clone();
    let manifest = &mut newer.last_mut().unwrap().1;
    *manifest = String::from_utf8(manifest.clone())
        .unwrap()
        .replace("\"version\": 1", "\"version\": 9")
        .into_bytes();
    add("newer".to_owned(), zipped(&newer), "version 9");
    let mut extra = good.clone();
    extra.insert(0, ("extra.txt".to_owned(), b"x".to_vec()));
    add("an extra entry".to_owned(), zipped(&extra), "extra.txt");
    add("no zip".to_owned(), b"PK\x03\x04 no".to_vec(), "no notebook archive");
    let mut linked = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in &good {
        if name.ends_with("text.txt") {
            linked.add_symlink(name, "/etc/passwd", SimpleFileOptions::default()).unwrap();
        } else {
            linked.start_file(name, SimpleFileOptions::default()).unwrap();
            linked.write_all(bytes).unwrap();
        }
    }
    add("a link".to_owned(), linked.finish().unwrap().into_inner(), "text.txt");
    // Two entries of one name: as many bytes, so that no place moves.
    let text = zipped(&good);
    let name = good.iter().find(|(name, _)| name.ends_with("original")).unwrap().0.clone();
    let twin = name.replace("original", "text.txt");
    let mut twice = text;
    for at in 0..twice.len() - twin.len() {
        if twice[at..].starts_with(twin.as_bytes()) {
            twice[at..at + name.len()].copy_from_slice(name.as_bytes());
        }
    }
    add("a name twice".to_owned(), twice, "damaged or forged");

    for (what, (bytes, named)) in bad {
        let place = upload(&server, bytes).await;
        let job = ended(&server, &place).await;
        assert_eq!(job["state"], "dead", "{what}: {job}");
        let message = job["error"]["message"].as_str().unwrap();
        assert!(message.contains(&named), "{what}: {named} is not in {message}");
        let notebooks = items(&server, "/api/notebooks?archived=true").await;
        assert_eq!(notebooks.len(), 1, "{what}");
    }
    // Nothing of them is left: the one source's original is there, and the file of the first export.
    let tenant = std::fs::read_dir(folder.path().join("blobs")).unwrap().next().unwrap().unwrap();
    let left: Vec<_> = std::fs::read_dir(tenant.path()).unwrap().flatten().collect();
    let files = left.iter().filter(|entry| entry.path().is_file()).count();
    let uploads = tenant.path().join("imports");
    let uploads = std::fs::read_dir(uploads).map_or(0, |entries| entries.count());
    assert_eq!((files, uploads), (1, 0));
    // One that is good is taken, and its upload goes when the job has ended. What it boasts of is not repeated.
    let mut boasting = good.clone();
    let (_, manifest) = boasting.iter_mut().find(|(name, _)| name == "manifest.json").unwrap();
    let mut told: Value = serde_json::from_slice(manifest).unwrap();
    let counts = std::mem::replace(&mut told["counts"]["sources"], json!(99));
    *manifest = serde_json::to_vec(&told).unwrap();
    let place = upload(&server, zipped(&boasting)).await;
    let job = ended(&server, &place).await;
    assert_eq!((&job["state"], &counts), (&json!("completed"), &json!(1)), "{job}");
    let held = json!({ "sources": 1, "conversations": 1, "messages": 2, "runs": 1,
        "citations": told["counts"]["citations"] });
    assert_eq!(job["result"]["counts"], held);
    let uploads =
        || std::fs::read_dir(tenant.path().join("imports")).map_or(0, |entries| entries.count());
    while uploads() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// A7, A5: kill -9 in the middle of an import: nothing half done is seen, and the next start ends it.
#[tokio::test]
async fn a7_an_import_survives_kill_9() {
    let (here, there) = (folder(), folder());
    let server = Setup::new(here.path()).start();
    let notebook = server.notebook().await;
    let mut ids = Vec::new();
    for i in 0..60 {
        let text = format!("Paragraph about heron number {i}.\n\n").repeat(300);
        let source: Value = server
            .upload(notebook, &format!("{i}.txt"), text.into_bytes())
            .await
            .json()
            .await
            .unwrap();
        ids.push(source["id"].as_str().unwrap().to_owned());
    }
    for id in &ids {
        assert_eq!(server.settled(id).await.stage, Stage::Ready);
    }
    let conversation = server.conversation(notebook).await;
    for i in 0..5 {
        let run = server.ask(conversation, &format!("Which heron is number {i}?")).await;
        server.events(&run, 0).await;
    }
    let first = archive(&server, notebook).await;
    let setup = Setup::new(there.path());
    let mut target = setup.start();
    let place = upload(&target, first.clone()).await;
    let mut kills = 0;
    // A job that takes more workers down with it is not tried again.
    for wanted in [10, 150] {
        // As soon as so many parts are in.
        loop {
            let job = target.json(&place).await;
            let rows = sources_stored(there.path());
            assert_ne!(job["state"], "dead", "{job}");
            if job["state"] == "completed" || rows * 4 >= wanted {
                kills += usize::from(job["state"] != "completed");
                break;
            }
        }
        let job = target.json(&place).await;
        if job["state"] != "completed" {
            assert_eq!(target.json("/api/notebooks?archived=true").await["items"], json!([]));
        }
        target.kill();
        target = setup.start();
    }
    assert_eq!(kills, 2, "it was killed in the middle");
    let result = target.job_done(&place).await["result"].clone();
    let copy: NotebookId = serde_json::from_value(result["notebook"].clone()).unwrap();
    assert_eq!(items(&target, "/api/notebooks").await.len(), 1);
    for source in items(&target, &format!("/api/notebooks/{copy}/sources")).await {
        let source = target.settled(source["id"].as_str().unwrap()).await;
        assert_eq!(source.stage, Stage::Ready, "{:?}", source.failure);
    }
    let second = archive(&target, copy).await;
    assert_eq!(contents(&second), contents(&first));
    let conversations = items(&target, &format!("/api/notebooks/{copy}/conversations")).await;
    for message in messages(&target, conversations[0]["id"].as_str().unwrap()).await {
        target.check_citations(&message).await;
    }
}

/// How many sources are stored, whether they are shown or not.
fn sources_stored(folder: &std::path::Path) -> usize {
    let Ok(tenants) = std::fs::read_dir(folder.join("blobs")) else { return 0 };
    let files = |path: std::path::PathBuf| {
        std::fs::read_dir(path).map_or(0, |entries| {
            entries
                .flatten()
                .filter(|entry| entry.path().is_file() && entry.file_name().len() == 36)
                .count()
        })
    };
    tenants.flatten().map(|tenant| files(tenant.path())).sum()
}
