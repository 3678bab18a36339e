//! Anthropic's Messages API.

use std::time::Duration;

use notebook_core::{
    ErrorKind, Retry, Secret,
    chat::{
        ChatModel, ChatRequest, ChatRole, FinishReason,
        anthropic::{AnthropicChat, AnthropicConfig},
    },
};
use serde_json::{Value, json};

use crate::{
    ask, full_request, hear, http, message,
    server::{Reply, Server, events},
    short,
};

/// An answer as the documentation shows one, its thoughts included.
const RECORDED: &str = r#"event: message_start
data: {"type": "message_start", "message": {"id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 5, "cache_creation_input_tokens": 1, "cache_read_input_tokens": 3, "output_tokens": 1}}}

event: content_block_start
data: {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "A greeting."}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQBCgIYAhIM"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 0}

event: content_block_start
data: {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}}

event: content_block_delta
data: {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "lo 🐝"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 1}

event: message_delta
data: {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 15}}

event: message_stop
data: {"type": "message_stop"}

"#;

fn model(server: &Server) -> AnthropicChat {
    let config = AnthropicConfig {
        base_url: format!("{}/v1", server.base),
        timeouts: short(),
        ..AnthropicConfig::new("claude-x", Secret::new("a-key"))
    };
    AnthropicChat::new(http(), config).unwrap()
}

fn error(code: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": code, "message": message}})
}

#[tokio::test]
async fn the_request_is_as_documented() {
    let server = Server::always(Reply::sse().bytes(RECORDED).end()).await;
    let mut request = full_request();
    request.messages.push(request.messages[3].clone());
    request.messages.push(message(ChatRole::System, "In English."));
    hear(&model(&server), request).await.unwrap();
    hear(&model(&server), ask("Hi")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /v1/messages HTTP/1.1");
    assert_eq!(seen[0].header("x-api-key"), Some("a-key"));
    assert_eq!(seen[0].header("anthropic-version"), Some("2023-06-01"));
    let text = |text: &str| json!({"type": "text", "text": text});
    let bees = text("What do bees make? 🐝");
    let expected = json!({
        "model": "claude-x",
        "max_tokens": 64,
        "system": "Be brief.\n\nIn English.",
        "messages": [
            {"role": "user", "content": [text("Hi")]},
            {"role": "assistant", "content": [text("Hello.")]},
            {"role": "user", "content": [bees.clone(), bees]},
        ],
        "stream": true, "temperature": 0.5, "top_p": 0.25, "stop_sequences": ["END"],
    });
    assert_eq!(seen[0].body, expected);
    let least = json!({
        "model": "claude-x", "max_tokens": 4096, "stream": true,
        "messages": [{"role": "user", "content": [text("Hi")]}],
    });
    assert_eq!(seen[1].body, least);
}

#[tokio::test]
async fn answers_are_read_in_any_pieces() {
    for size in [1, 2, 3, 50, 50_000] {
        let server = Server::always(Reply::sse().pieces(RECORDED, size).end()).await;
        let heard = hear(&model(&server), ask("Hi")).await.unwrap();
        assert_eq!((heard.text.as_str(), heard.finish), ("Hello 🐝", Some(FinishReason::Stop)));
        assert_eq!(heard.tokens(), (9, 15));
    }
    // The reason came: the answer is whole, though the connection breaks before the last event.
    let (most, _) = RECORDED.split_once("event: message_stop").unwrap();
    let server = Server::always(Reply::sse().bytes(most)).await;
    assert_eq!(hear(&model(&server), ask("Hi")).await.unwrap().finish, Some(FinishReason::Stop));
    // What may be added to the dialect is passed over.
    let added = RECORDED.replace("\"type\": \"ping\"", "\"type\": \"something_new\", \"x\": [1]");
    let server = Server::always(Reply::sse().bytes(added).end()).await;
    assert_eq!(hear(&model(&server), ask("Hi")).await.unwrap().text, "Hello 🐝");
}

#[tokio::test]
async fn reasons_are_mapped() {
    for (name, reason) in [
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("stop_sequence", FinishReason::Stop),
        ("refusal", FinishReason::ContentFilter),
    ] {
        let body = RECORDED.replace("end_turn", name);
        let server = Server::always(Reply::sse().bytes(body).end()).await;
        assert_eq!(hear(&model(&server), ask("Hi")).await.unwrap().finish, Some(reason), "{name}");
    }
}

/// S33, S34, Z9: errors in the middle, answers that are cut, and what is no answer.
#[tokio::test]
async fn broken_answers_are_errors() {
    let (begin, _) = RECORDED
        .split_once(
            "event: content_block_stop\ndata: {\"type\": \"content_block_stop\", \"index\": 1}",
        )
        .unwrap();
    let overloaded = error("overloaded_error", "Overloaded").to_string();
    let limited = error("rate_limit_error", "slow").to_string();
    let after = |data: &str| format!("{begin}{}", events(&[data]));
    for (body, kind) in [
        (begin.to_owned(), ErrorKind::Unavailable),
        (format!("{begin}data: {{\"ty"), ErrorKind::Unavailable),
        (after(&overloaded), ErrorKind::Unavailable),
        (after(&limited), ErrorKind::RateLimited),
        (after("{\"type\": \"message_stop\"}"), ErrorKind::Unavailable),
        (
            after("{\"type\": \"message_delta\", \"delta\": {\"stop_reason\": \"pause_turn\"}}"),
            ErrorKind::Unavailable,
        ),
        (
            after(
                "{\"type\": \"content_block_delta\", \"index\": 1, \"delta\": {\"type\": \"text_delta\", \"text\": 7}}",
            ),
            ErrorKind::Protocol,
        ),
        (after("{\"type\": \"message_st"), ErrorKind::Protocol),
        (after("<html>"), ErrorKind::Protocol),
    ] {
        let server = Server::always(Reply::sse().bytes(&body).end()).await;
        let heard = hear(&model(&server), ask("Hi")).await.unwrap();
        assert_eq!(heard.text, "Hello 🐝", "what came before is kept");
        assert_eq!(heard.error.unwrap().kind(), kind, "{body}");
    }
    // An error as a document, with status 200.
    let server = Server::always(Reply::json(200, &error("overloaded_error", "Overloaded"))).await;
    let refused = hear(&model(&server), ask("Hi")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Unavailable, true));
}

#[tokio::test]
async fn refusals_are_mapped() {
    for (status, code, message, kind, retryable) in [
        (529, "overloaded_error", "Overloaded", ErrorKind::Unavailable, true),
        (500, "api_error", "Internal server error", ErrorKind::Unavailable, true),
        (504, "timeout_error", "too slow", ErrorKind::Timeout, true),
        (401, "authentication_error", "invalid x-api-key a-key", ErrorKind::Unauthorized, false),
        (403, "permission_error", "no", ErrorKind::Unauthorized, false),
        (400, "invalid_request_error", "max_tokens: wrong", ErrorKind::InvalidInput, false),
        (413, "request_too_large", "too large", ErrorKind::TooLarge, false),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 208310 tokens > 200000 maximum",
            ErrorKind::ContextTooLong,
            false,
        ),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low",
            ErrorKind::RateLimited,
            false,
        ),
    ] {
        let server = Server::always(Reply::json(status, &error(code, message))).await;
        let refused = hear(&model(&server), ask("Hi")).await.unwrap_err();
        assert_eq!((refused.kind(), refused.is_retryable()), (kind, retryable), "{message}");
        assert_eq!(refused.context("provider_code"), Some(code));
        assert!(!format!("{refused:?}").contains("a-key"));
    }
    let body = error("rate_limit_error", "slow down").to_string();
    let extra = "retry-after: 7\r\nrequest-id: req_42\r\n";
    let server = Server::always(Reply::whole(429, "application/json", extra, &body)).await;
    let refused = hear(&model(&server), ask("Hi")).await.unwrap_err();
    assert_eq!(refused.retry_status(), Retry::After(Duration::from_secs(7)));
    assert_eq!(refused.context("request_id"), Some("req_42"));
}

#[tokio::test]
async fn what_this_provider_cannot_do_is_refused_by_field() {
    let server = Server::always(Reply::sse().bytes(RECORDED).end()).await;
    let system = vec![message(ChatRole::System, "Be brief.")];
    for (field, request) in [
        ("temperature", ChatRequest { temperature: Some(1.5), ..ask("Hi") }),
        ("stop", ChatRequest { stop: vec!["\n\n".into()], ..ask("Hi") }),
        ("messages", ChatRequest { messages: system, ..ChatRequest::default() }),
    ] {
        let refused = hear(&model(&server), request).await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.context("field")),
            (ErrorKind::InvalidInput, Some(field))
        );
    }
    assert!(server.seen().is_empty());
    let good = || AnthropicConfig::new("m", Secret::new("k"));
    for (field, config) in [
        ("model", AnthropicConfig { model: "../m".into(), ..good() }),
        ("model", AnthropicConfig { model: String::new(), ..good() }),
        ("max_tokens", AnthropicConfig { max_tokens: 0, ..good() }),
        ("base_url", AnthropicConfig { base_url: "api".into(), ..good() }),
        ("api_key", AnthropicConfig { api_key: Some(Secret::new("a\nb")), ..good() }),
    ] {
        let refused = AnthropicChat::new(http(), config).err().unwrap();
        assert_eq!(refused.context("field"), Some(field));
    }
}

#[tokio::test]
async fn check_finds_the_model() {
    let check = async |reply: Reply| {
        let server = Server::always(reply).await;
        let checked = model(&server).check().await;
        assert_eq!(server.seen()[0].line, "GET /v1/models/claude-x HTTP/1.1");
        checked
    };
    check(Reply::json(200, &json!({"type": "model", "id": "claude-x"}))).await.unwrap();
    // A server that only lacks the path, as llama.cpp does.
    check(Reply::json(404, &json!({"error": {"code": 404, "type": "not_found_error"}})))
        .await
        .unwrap();
    let unknown = check(Reply::json(404, &error("not_found_error", "model: claude-x"))).await;
    assert_eq!(unknown.unwrap_err().kind(), ErrorKind::InvalidInput);
    let key = check(Reply::json(401, &error("authentication_error", "invalid"))).await;
    assert_eq!(key.unwrap_err().kind(), ErrorKind::Unauthorized);
}
