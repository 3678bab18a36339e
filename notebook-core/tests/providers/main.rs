//! The remote adapters against recorded and hand-written exchanges, and against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod anthropic;
mod azure;
mod bad;
mod conformance;
mod embed;
mod google;
mod llama_server;
mod llmock;
mod ollama;
mod openai;
mod rerank;
mod server;
mod tools;

use std::time::Duration;

use futures::StreamExt;
use notebook_core::{
    Error,
    chat::{ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatRole, FinishReason, ToolCall},
    http::{HttpClient, HttpConfig, Timeouts},
    model::Usage,
};

fn http() -> HttpClient {
    HttpClient::new(&HttpConfig::default()).unwrap()
}

/// Long enough for a loaded machine, short enough for tests that wait for it.
fn short() -> Timeouts {
    Timeouts { first_byte: Duration::from_millis(300), idle: Duration::from_millis(300) }
}

fn message(role: ChatRole, content: &str) -> ChatMessage {
    ChatMessage::new(role, content)
}

fn ask(question: &str) -> ChatRequest {
    ChatRequest { messages: vec![message(ChatRole::User, question)], ..ChatRequest::default() }
}

/// A request that uses every field.
fn full_request() -> ChatRequest {
    ChatRequest {
        messages: vec![
            message(ChatRole::System, "Be brief."),
            message(ChatRole::User, "Hi"),
            message(ChatRole::Assistant, "Hello."),
            message(ChatRole::User, "What do bees make? 🐝"),
        ],
        temperature: Some(0.5),
        top_p: Some(0.25),
        max_tokens: Some(64),
        stop: vec!["END".into()],
        seed: Some(7),
        ..ChatRequest::default()
    }
}

/// What a whole stream said.
#[derive(Debug, Default)]
struct Heard {
    text: String,
    calls: Vec<ToolCall>,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    error: Option<Error>,
}

impl Heard {
    fn tokens(&self) -> (u64, u64) {
        self.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens)).unwrap()
    }
}

/// Reads a stream to its end and checks the contract of the port on the way.
async fn hear(model: &dyn ChatModel, request: ChatRequest) -> Result<Heard, Error> {
    let mut stream = model.stream(request).await?;
    let mut heard = Heard::default();
    while let Some(event) = stream.next().await {
        assert!(heard.finish.is_none() && heard.error.is_none(), "something came after the end");
        match event {
            Ok(ChatEvent::Delta(text)) => {
                assert!(!text.is_empty());
                heard.text.push_str(&text);
            }
            Ok(ChatEvent::Usage(usage)) => heard.usage = Some(usage),
            Ok(ChatEvent::Finish(reason)) => heard.finish = Some(reason),
            Ok(ChatEvent::ToolCall(call)) => heard.calls.push(call),
            Ok(other) => panic!("unexpected {other:?}"),
            Err(error) => heard.error = Some(error),
        }
    }
    assert!(heard.finish.is_some() != heard.error.is_some(), "neither an end nor an error");
    Ok(heard)
}
