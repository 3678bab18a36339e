//! The commands, as a person types them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    path::Path,
    process::{Command, Output},
};

use common::{Setup, folder};

fn notebook(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_notebook"))
        .arg("--data-dir")
        .arg(folder)
        .args(arguments)
        .env("NOTEBOOK__CHAT__PROVIDER", "extractive")
        .env("NOTEBOOK__EMBEDDING__PROVIDER", "none")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// I1: ingest, then ask, with the server down and with the server up.
#[tokio::test]
async fn i1_ingest_and_ask() {
    let (data, files) = (folder(), folder());
    let file = files.path().join("heron.md");
    std::fs::write(&file, "# Herons\n\nThe grey heron stands 98 centimetres tall.\n").unwrap();
    let file = file.to_str().unwrap();
    stdout(&notebook(data.path(), &["ingest", file, "--notebook", "Birds"]));
    let answer = stdout(&notebook(
        data.path(),
        &["ask", "--notebook", "Birds", "How tall is the grey heron?"],
    ));
    assert!(answer.contains("98 centimetres tall. [1]"), "{answer}");
    assert!(
        answer.contains("[1] heron.md: \"The grey heron stands 98 centimetres tall.\""),
        "{answer}"
    );

    let _server = Setup::new(data.path()).start();
    let again = stdout(&notebook(data.path(), &["ask", "How tall is the grey heron?"]));
    assert_eq!(again, answer, "with a server the answer is the same");
}

#[test]
fn i1_errors_say_what_to_do() {
    let (data, empty) = (folder(), folder());
    let empty = empty.path().to_str().unwrap();
    for (arguments, wanted) in [
        (&["ask", "why?"][..], "there is no notebook yet"),
        (&["ask", "why?", "--notebook", "X"], "there is no notebook \"X\""),
        (&["ingest", "/no/such/file", "--notebook", "X"], "/no/such/file"),
        (&["ingest", empty, "--notebook", "X"], "there is no file in"),
        (&["eval", "/no/such/folder"], "/no/such/folder"),
    ] {
        let output = notebook(data.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}

#[test]
fn i1_doctor_says_what_works() {
    let data = folder();
    let said = stdout(&notebook(data.path(), &["doctor"]));
    for part in ["data", "parser", "answers", "search"] {
        assert!(said.contains(part), "{said}");
    }
}

/// I1, A7, F2: a conversation as Markdown and PDF, a notebook as an archive that another folder takes.
#[test]
fn i1_export_and_import() {
    let (data, other, files) = (folder(), folder(), folder());
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("heron.md"), "The grey heron stands 98 centimetres tall.\n").unwrap();
    stdout(&notebook(data.path(), &["ingest", &path("heron.md"), "--notebook", "Birds"]));
    let nothing = notebook(data.path(), &["export", "--format", "pdf"]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("no conversation in \"Birds\" yet"));
    stdout(&notebook(data.path(), &["ask", "How tall is the grey heron?"]));
    let said = stdout(&notebook(data.path(), &["export", "--format", "md", "-o", &path("a.md")]));
    assert_eq!(said, format!("Wrote {}\n", path("a.md")));
    let text = std::fs::read_to_string(path("a.md")).unwrap();
    assert!(
        text.contains("[^1]: heron.md: “The grey heron stands 98 centimetres tall.”"),
        "{text}"
    );
    stdout(&notebook(data.path(), &["export", "--format", "pdf", "-o", &path("a.pdf")]));
    assert!(std::fs::read(path("a.pdf")).unwrap().starts_with(b"%PDF-"));
    let archive = path("birds.zip");
    stdout(&notebook(data.path(), &["export", "--notebook", "Birds", "-o", &archive]));
    let said = stdout(&notebook(other.path(), &["import", &archive]));
    assert_eq!(said, "Imported \"Birds\": 1 sources, 1 conversations\n");
    let answer = stdout(&notebook(other.path(), &["ask", "How tall is the grey heron?"]));
    assert!(answer.contains("98 centimetres tall. [1]"), "{answer}");

    for (arguments, wanted) in [
        (&["export", "--notebook", "X"][..], "there is no notebook \"X\""),
        (&["export", "--conversation", "X"], "there is no conversation \"X\""),
        (&["export", "--conversation", "X", "--format", "archive"], "leave --conversation out"),
        (&["import", "/no/such/file"], "/no/such/file"),
        (&["import", &path("a.md")], "this is no notebook archive"),
    ] {
        let output = notebook(data.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    // A file that is there is not written over by a name that nobody gave.
    std::fs::write(path("Birds.zip"), "mine").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_notebook"))
        .args(["export", "--data-dir", data.path().to_str().unwrap()])
        .env("NOTEBOOK__CHAT__PROVIDER", "extractive")
        .env("NOTEBOOK__EMBEDDING__PROVIDER", "none")
        .current_dir(files.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("exists already"));
    assert_eq!(std::fs::read(path("Birds.zip")).unwrap(), b"mine");
}

/// D7: a recorded answer is done again, the events of its page too: from the server, and from a file where there is none; what was changed is told.
#[tokio::test]
async fn d7_a_recorded_answer_is_done_again() {
    let (data, other) = (folder(), folder());
    let server = Setup::new(data.path()).with("NOTEBOOK__CHAT__RECORD_RUNS", "true").start();
    let notebook_id = server.notebook().await;
    let text = b"The grey heron stands 98 centimetres tall.".to_vec();
    server.ready(notebook_id, "heron.txt", text).await;
    let conversation = server.conversation(notebook_id).await;
    let run = server.ask(conversation, "How tall is the grey heron?").await;
    let mut seen = server.events(&run, 0).await;
    assert_eq!(seen.last().unwrap()["type"], "completed");

    let id = run.id.to_string();
    let said = notebook(data.path(), &["replay", &id]);
    assert!(said.status.success() && said.stdout.is_empty());
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.starts_with("part 1: ") && said.contains("the same as recorded"), "{said}");
    let page = format!("part 1: {} events of the page, the same as recorded", seen.len());
    assert!(said.contains(&page), "{said}");

    let recording = server.get(&format!("/api/runs/{id}/recording")).await.text().await.unwrap();
    drop(server);
    let file = other.path().join("recording.json");
    let replay = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        notebook(&other.path().join("nothing"), &["replay", "--events", "--file", path])
    };
    let events = stdout(&replay(&recording));
    let events: Vec<serde_json::Value> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (engine, page) = events.split_at(events.len() - seen.len());
    assert_eq!(engine.last().unwrap()["body"]["event"], "ended");
    for event in &mut seen {
        let event = event.as_object_mut().unwrap();
        event.retain(|field, _| !["seq", "time"].contains(&field.as_str()));
    }
    assert_eq!(page, seen);
    let quoted = page.iter().find(|event| event["type"] == "citation").unwrap();
    assert!(quoted["quote"].as_str().unwrap().contains("98 centimetres"), "{quoted}");
    assert!(!other.path().join("nothing").exists(), "a file needs no data folder");
    for (text, wanted) in [
        (recording.replace("98 centimetres", "97 centimetres"), "differs from"),
        (recording.replace(r#""number":1,"#, r#""number":2,"#), "the page differs from its event"),
        (recording.replace(r#""abstained":false"#, r#""abstained":true"#), "the page differs from"),
        (recording.replace("\"graph\":\"chat\"", "\"graph\":\"c\""), "a recording of an answer"),
        ("[]".to_owned(), "is no recording"),
        (format!(r#"{{"run":"{id}","parts":[]}}"#), "chat.record_runs"),
    ] {
        assert_ne!(text, recording);
        let output = replay(&text);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(wanted), "{said}");
    }
}
