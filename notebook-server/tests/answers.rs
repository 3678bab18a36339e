//! The main path through the real server: sources in, cited answers out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Setup, folder, shared, text_of};
use notebook_core::model::Stage;
use serde_json::json;

/// A2, B4: the four kinds that the product promises first, each answered from with verified citations.
#[tokio::test]
async fn a2_b4_documents_of_each_kind_are_answered_from() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let good = shared().join("documents/good");
    for (file, question, wanted) in [
        ("tracemonkey.pdf", "What do trace trees record in a dynamic language?", "trace"),
        ("simple.docx", "What is in the document?", ""),
        ("winter-sports.epub", "Which winter sports use skates?", "skat"),
        ("ideas-page.html", "What ideas are there?", ""),
        ("norwich-city.txt", "Where was Iwan Roberts born?", "wales"),
    ] {
        let notebook = server.notebook().await;
        let conversation = server.conversation(notebook).await;
        server.ready(notebook, file, std::fs::read(good.join(file)).unwrap()).await;
        let run = server.ask(conversation, question).await;
        let events = server.events(&run, 0).await;
        assert_eq!(events.last().unwrap()["type"], "completed", "{file}: {events:?}");
        let message = server.message(&run).await;
        assert_eq!(message.text, text_of(&events), "{file}");
        let citations = server.check_citations(&message).await;
        if !wanted.is_empty() {
            assert!(citations > 0, "{file}: {}", message.text);
            assert!(message.text.to_lowercase().contains(wanted), "{file}: {}", message.text);
        }
    }
}

/// A3: a broken or hostile file fails alone, with a reason that a person understands.
#[tokio::test]
async fn a3_hostile_files_fail_alone() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    let mut failed = 0;
    for entry in std::fs::read_dir(shared().join("documents/hostile")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let response = server.upload(notebook, &name, std::fs::read(&path).unwrap()).await;
        if response.status() != 202 {
            let problem: serde_json::Value = response.json().await.unwrap();
            assert!(problem["detail"].as_str().unwrap().len() > 15, "{name}: {problem}");
            failed += 1;
            continue;
        }
        let id =
            response.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
        let source = server.settled(&id).await;
        if source.stage == Stage::Failed {
            let failure = source.failure.unwrap();
            assert!(
                failure.message.len() > 15 && !failure.message.contains("panicked"),
                "{name}: {failure:?}"
            );
            failed += 1;
        }
    }
    assert!(failed >= 5, "only {failed} of the hostile files failed");
    let text = b"The heron waits by the pond.".to_vec();
    server.ready(notebook, "heron.txt", text).await;
    assert_eq!(server.get("/live").await.status(), 200);
}

/// A5: after kill -9 in the middle of ingestion everything is taken up again and ends.
#[tokio::test]
async fn a5_ingestion_survives_kill_9() {
    let folder = folder();
    let setup = Setup::new(folder.path());
    let server = setup.start();
    let notebook = server.notebook().await;
    let mut ids = Vec::new();
    for i in 0..12 {
        let text = format!("Paragraph about heron number {i}.\n\n").repeat(400);
        let response = server.upload(notebook, &format!("{i}.txt"), text.into_bytes()).await;
        ids.push(
            response.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned(),
        );
    }
    server.kill();
    let server = setup.start();
    for id in &ids {
        let source = server.settled(id).await;
        assert_eq!(source.stage, Stage::Ready, "{:?}", source.failure);
        assert!(source.chunks > 0);
    }
    let conversation = server.conversation(notebook).await;
    let run = server.ask(conversation, "Which heron is number 7?").await;
    server.events(&run, 0).await;
    let message = server.message(&run).await;
    assert!(server.check_citations(&message).await > 0, "{}", message.text);
    let spool = std::fs::read_dir(folder.path().join("spool")).unwrap().count();
    assert_eq!(spool, 0, "nothing is left in the spool");
}

/// A6: a deleted source is gone from answers, from the interface and from the blob store.
#[tokio::test]
async fn a6_a_deleted_source_is_gone() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let notebook = server.notebook().await;
    let conversation = server.conversation(notebook).await;
    let source =
        server.ready(notebook, "heron.txt", b"The heron waits by the pond at dawn.".to_vec()).await;
    let path = format!("{}/api/sources/{}", server.url, source.id);
    let response = server.http.delete(&path).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let receipt = server.job_done(&place).await["result"].clone();
    assert_eq!(receipt["source"], source.id.to_string());
    assert_eq!((&receipt["chunks"], &receipt["keywords"]), (&json!(1), &json!(1)));
    assert_eq!((&receipt["original_bytes"], &receipt["left"]), (&json!(36), &json!([])));
    assert_eq!(server.http.get(&path).send().await.unwrap().status(), 404);
    let run = server.ask(conversation, "Where does the heron wait?").await;
    let events = server.events(&run, 0).await;
    assert_eq!(events.last().unwrap()["abstained"], true);
    let blobs: Vec<_> = walk(&folder.path().join("blobs"));
    assert!(blobs.is_empty(), "{blobs:?}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

/// B4: in a hundred answers, every citation equals the stored text at its span.
#[tokio::test]
async fn b4_a_hundred_answers_cite_the_exact_words() {
    let folder = folder();
    let server = Setup::new(folder.path()).start();
    let (paragraphs, questions) = squad();
    let notebook = server.notebook().await;
    for (i, part) in paragraphs.chunks(100).enumerate() {
        server.ready(notebook, &format!("part {i}.txt"), part.join("\n\n").into_bytes()).await;
    }
    let (mut answered, mut citations) = (0, 0);
    for question in questions.iter().step_by(15).take(100) {
        let conversation = server.conversation(notebook).await;
        let run = server.ask(conversation, question).await;
        let events = server.events(&run, 0).await;
        assert_eq!(events.last().unwrap()["type"], "completed");
        let message = server.message(&run).await;
        assert_eq!(message.text, text_of(&events));
        assert_eq!(message.dropped_citations, 0, "a quote is always found: {}", message.text);
        let found = server.check_citations(&message).await;
        answered += usize::from(found > 0);
        citations += found;
    }
    assert!(answered >= 90, "{answered} of 100 were answered, with {citations} citations");
}

/// SQuAD's paragraphs, and its questions.
fn squad() -> (Vec<String>, Vec<String>) {
    let texts = |file: &str| {
        let text = std::fs::read_to_string(shared().join("data/squad2-dev").join(file)).unwrap();
        let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        text.lines().map(|line| row(line)["text"].as_str().unwrap().to_owned()).collect()
    };
    (texts("corpus.jsonl"), texts("queries.jsonl"))
}

/// B4, C1: with a small model on this machine, too, every citation equals the stored text.
#[tokio::test]
async fn b4_a_local_model_cites_the_exact_words() {
    let folder = folder();
    let server = Setup::new(folder.path())
        .with("NOTEBOOK__CHAT__PROVIDER", "gguf")
        .with("NOTEBOOK__CHAT__TEMPERATURE", 0)
        .with("NOTEBOOK__CHAT__ANSWER_TOKENS", 48)
        .with("NOTEBOOK__CHAT__CONTEXT_TOKENS", 700)
        .start();
    let notebook = server.notebook().await;
    let (paragraphs, questions) = squad();
    for (i, part) in paragraphs.chunks(100).enumerate() {
        server.ready(notebook, &format!("part {i}.txt"), part.join("\n\n").into_bytes()).await;
    }
    let (mut cited, mut citations) = (0, 0);
    for question in questions.iter().step_by(61).take(20) {
        let conversation = server.conversation(notebook).await;
        let run = server.ask(conversation, question).await;
        let events = server.events(&run, 0).await;
        assert_eq!(events.last().unwrap()["type"], "completed", "{events:?}");
        let message = server.message(&run).await;
        assert_eq!(message.text, text_of(&events));
        assert!(!message.text.is_empty());
        if events.last().unwrap()["abstained"] == false {
            assert!(message.usage.is_some_and(|usage| usage.completion_tokens > 0));
        }
        let found = server.check_citations(&message).await;
        cited += usize::from(found > 0);
        citations += found;
    }
    // So small a model cites little; but what is never cited proves nothing.
    assert!(cited >= 3, "{cited} of 20 answers have citations, {citations} in all");
}
