//! U53: a parser that was taken over, and one that breaks down.

use std::time::Duration;

use notebook_core::document::SourceKind;
use notebook_rag::parse::{ChildParser, FailureCode, Limits, ParseFailure};

use crate::support::{child_parser, file, in_child};

async fn hooked(hook: &str) -> ParseFailure {
    run(&child_parser(hook)).await
}

async fn run(parser: &ChildParser) -> ParseFailure {
    parser.parse(file(b"words"), SourceKind::Text).await.unwrap_err()
}

/// U53: whatever reaches outside ends the process.
#[tokio::test]
async fn u53_reaching_outside_is_deadly() {
    for hook in ["open", "create", "socket", "udp", "exec", "fork", "thread", "ptrace", "kill"] {
        let failure = hooked(hook).await;
        assert_eq!(failure.code, FailureCode::Forbidden, "{hook}: {failure:?}");
    }
    assert!(!std::path::Path::new("/tmp/notebook-parse-was-here").exists());
}

/// U53, Q25: 4 GiB of memory end the child, and nothing else.
#[tokio::test]
async fn u53_memory_is_limited() {
    let failure = hooked("allocate").await;
    assert_eq!(failure.code, FailureCode::MemoryLimit, "{failure:?}");
}

/// U53: processor time and wall time are limited apart.
#[tokio::test]
async fn u53_time_is_limited() {
    let mut parser = child_parser("loop");
    parser.limits.cpu_seconds = 1;
    assert_eq!(run(&parser).await.code, FailureCode::TimeLimit);
    let mut parser = child_parser("sleep");
    parser.limits.wall = Duration::from_millis(200);
    let failure = run(&parser).await;
    assert_eq!(failure.code, FailureCode::TimeLimit);
    assert!(failure.code.is_retryable());
}

/// U53: output without end, on either channel, and replies that are none.
#[tokio::test]
async fn u53_output_is_bounded_and_not_believed() {
    for hook in ["flood", "garbage", "huge", "liar", "abort", "overflow"] {
        let failure = hooked(hook).await;
        assert_eq!(failure.code, FailureCode::Crashed, "{hook}: {failure:?}");
    }
    let mut parser = child_parser("complain");
    parser.limits.wall = Duration::from_secs(1);
    let failure = run(&parser).await;
    assert_eq!(failure.code, FailureCode::TimeLimit, "{failure:?}");
}

/// U53: many broken children at once leave the healthy ones alone.
#[tokio::test]
async fn u53_neighbours_are_unharmed() {
    let broken = (0..8).map(|_| hooked("abort"));
    let healthy = (0..8).map(|_| in_child(b"# Bees\n\nThey dance.", "bees.md"));
    let (broken, healthy) =
        tokio::join!(futures::future::join_all(broken), futures::future::join_all(healthy));
    assert!(broken.iter().all(|failure| failure.code == FailureCode::Crashed));
    assert!(
        healthy
            .iter()
            .all(|parsed| parsed.as_ref().unwrap().document.text == "Bees\n\nThey dance.")
    );
}

/// A dropped future leaves no child behind, and the next file is read as ever.
#[tokio::test]
async fn a_cancelled_parse_ends_its_child() {
    let parser = child_parser("sleep");
    let run = parser.parse(file(b"words"), SourceKind::Text);
    assert!(tokio::time::timeout(Duration::from_millis(100), run).await.is_err());
    assert_eq!(in_child(b"words", "a.txt").await.unwrap().document.text, "words");
}

/// U53: nothing that was open where the child was forked is open in it.
#[tokio::test]
async fn u53_only_the_standard_streams_are_open() {
    let failure = hooked("descriptors").await;
    assert!(failure.detail.as_ref().unwrap().contains("exit status: 43"), "{failure:?}");
}

/// The processes that this one started and has not waited for.
fn children() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
    let lists = tasks.filter_map(|task| of(task.unwrap()).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

fn is_alive(id: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn one_process_forks_for_all_files_and_ends_with_the_parser() {
    let parser = child_parser("none");
    for _ in 0..3 {
        parser.parse(file(b"words"), SourceKind::Text).await.unwrap();
    }
    let [server] = children()[..] else { panic!("{:?}", children()) };
    drop(parser);
    assert!(!is_alive(server));
}

#[tokio::test]
async fn a_fork_server_that_was_killed_is_started_again() {
    let parser = child_parser("none");
    let text = async |words: &'static str| {
        parser.parse(file(words.as_bytes()), SourceKind::Text).await.unwrap().text
    };
    assert_eq!(text("one").await, "one");
    let [server] = children()[..] else { panic!("{:?}", children()) };
    let kill = std::process::Command::new("kill").args(["-9", &server.to_string()]).status();
    assert!(kill.unwrap().success());
    while is_alive(server) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(text("two").await, "two");
}

/// Killed while it works for someone: that file fails, and is not waited for.
#[tokio::test]
async fn a_fork_server_takes_its_children_along() {
    let parser = child_parser("sleep");
    let run = tokio::spawn({
        let parser = parser.clone();
        async move { run(&parser).await }
    });
    let server = loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let [server] = children()[..] {
            break server;
        }
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    let kill = std::process::Command::new("kill").args(["-9", &server.to_string()]).status();
    assert!(kill.unwrap().success());
    let failure = tokio::time::timeout(Duration::from_secs(10), run).await.unwrap().unwrap();
    assert_eq!(failure.code, FailureCode::Internal, "{failure:?}");
}

#[tokio::test]
async fn parses_what_it_is_told() {
    let parser = child_parser("none");
    let bytes = b"<p>one<p>two";
    let html = parser.parse(file(bytes), SourceKind::Html).await.unwrap();
    assert_eq!(html.text, "one\n\ntwo");
    let text = parser.parse(file(bytes), SourceKind::Text).await.unwrap();
    assert_eq!(text.text, "<p>one<p>two");
    let wrong = parser.parse(file(bytes), SourceKind::Pdf).await.unwrap_err();
    assert_eq!(wrong.code, FailureCode::Damaged);
}

#[tokio::test]
async fn too_large_a_file_is_refused_before_a_child_is_started() {
    let mut parser = ChildParser::new("/nonexistent/program", Vec::<String>::new());
    assert_eq!(run(&parser).await.code, FailureCode::Internal);
    parser.limits = Limits { input_bytes: 4, ..Limits::default() };
    assert_eq!(run(&parser).await.code, FailureCode::TooLarge);
}

/// A text over the limit is refused by the child itself.
#[tokio::test]
async fn text_is_bounded() {
    let mut parser = child_parser("none");
    parser.limits.text_bytes = 100;
    let bytes = "many words ".repeat(100);
    let failure = parser.parse(file(bytes.as_bytes()), SourceKind::Text).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::TooLarge);
}
