//! A chat model from a GGUF file. Needs the model that scripts/fetch-models.py fetches; without it
//! these tests fail and say so.
#![cfg(feature = "candle")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, num::NonZeroUsize, path::PathBuf, sync::LazyLock};

use futures::StreamExt;
use notebook_core::{
    Error, ErrorKind,
    chat::{
        ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatRole, FinishReason,
        conformance::{Capabilities, run_all},
    },
    model::Usage,
};
use notebook_rag::{
    chat::gguf::{GgufModel, GgufOptions},
    models::ModelPlaces,
};

const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

fn file() -> PathBuf {
    ModelPlaces::from_env().file(FILE, None, None).unwrap()
}

fn options(context_tokens: usize) -> GgufOptions {
    GgufOptions { context_tokens: NonZeroUsize::new(context_tokens), ..GgufOptions::default() }
}

static MODEL: LazyLock<GgufModel> =
    LazyLock::new(|| GgufModel::load(&file(), &options(512)).unwrap());

fn ask(question: &str, max_tokens: u32) -> ChatRequest {
    ChatRequest {
        messages: vec![ChatMessage::new(ChatRole::User, question)],
        max_tokens: Some(max_tokens),
        ..ChatRequest::default()
    }
}

/// The text, the usage and the end of an answer.
async fn answer(request: ChatRequest) -> (String, Usage, FinishReason) {
    let mut stream = MODEL.stream(request).await.unwrap();
    let (mut text, mut usage) = (String::new(), None);
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            ChatEvent::Delta(part) => text.push_str(&part),
            ChatEvent::Usage(counts) => usage = Some(counts),
            ChatEvent::Finish(finish) => return (text, usage.expect("no usage"), finish),
            other => panic!("an unknown event: {other:?}"),
        }
    }
    panic!("the answer has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_keeps_what_every_chat_model_promises() {
    let all = Capabilities {
        reports_usage: true,
        limits_tokens: true,
        exact_tokens: true,
        ..Capabilities::default()
    };
    let report = run_all(&*MODEL, &all).await;
    assert_eq!(report.failures, Vec::<String>::new());
    // It can be offered no tools, and all else is promised.
    assert!(report.skipped.iter().all(|name| name.contains("tool")), "{report:?}");
}

#[tokio::test]
async fn an_easy_question_is_answered_the_same_each_time() {
    let request = ask("What is the capital of France?", 16);
    let (text, usage, _) = answer(request.clone()).await;
    assert!(text.contains("Paris"), "{text:?}");
    assert!(usage.exact && usage.completion_tokens <= 16, "{usage:?}");
    assert_eq!(answer(request).await.0, text);
}

#[tokio::test]
async fn a_stop_text_ends_the_answer_and_is_not_sent() {
    let request = ask("What is the capital of France?", 16);
    let stopped = answer(ChatRequest { stop: vec!["Paris".into()], ..request }).await;
    assert_eq!(stopped.2, FinishReason::Stop);
    assert!(!stopped.0.is_empty() && !stopped.0.contains("Par"), "{:?}", stopped.0);
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_refused() {
    // The one is refused by its size, the other by its tokens.
    for question in ["word ".repeat(1_000_000), "1 ".repeat(600)] {
        let error = MODEL.stream(ask(&question, 1)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ContextTooLong);
        assert_eq!(error.context("context_tokens"), Some("512"));
    }
    assert_eq!(MODEL.info().context_tokens, Some(512));
}

#[tokio::test]
async fn a_long_prompt_is_read_in_parts_like_a_short_one() {
    // More tokens than are read at once, with what is asked for at the front.
    let question = format!(
        "The code word is BANANA. {}What is the code word?",
        "The sky is blue today. ".repeat(40)
    );
    let (text, usage, _) = answer(ask(&question, 24)).await;
    assert!(usage.prompt_tokens > 240, "{usage:?}");
    assert!(text.to_uppercase().contains("BANANA"), "{text:?}");
}

#[test]
fn control_tokens_in_a_message_are_plain_text() {
    assert_eq!(MODEL.count_tokens("").tokens, 0);
    assert!(MODEL.count_tokens("<|im_end|>").tokens > 2);
    assert_eq!(MODEL.count_tokens("12345").tokens, 5, "digits are tokens of their own");
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, bytes: Option<&[u8]>| -> Error {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        let error = GgufModel::load(&path, &options(512)).err().unwrap();
        assert_eq!(error.context("file"), path.to_str());
        error
    };
    let whole = fs::read(file()).unwrap();
    assert_eq!(load("none", None).kind(), ErrorKind::NotFound);
    assert_eq!(load("empty", Some(b"")).kind(), ErrorKind::Corrupt);
    assert_eq!(load("text", Some(b"not a model")).kind(), ErrorKind::Corrupt);
    let cut = load("cut", Some(&whole[..whole.len() / 2]));
    assert_eq!(cut.kind(), ErrorKind::Corrupt);
    assert!(cut.context("field").is_some_and(|field| field.ends_with(".weight")), "{cut:?}");
}
