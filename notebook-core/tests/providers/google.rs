//! Google's Gemini API.

use std::time::Duration;

use notebook_core::{
    ErrorKind, Retry, Secret,
    chat::{
        ChatModel, FinishReason,
        google::{GoogleChat, GoogleConfig},
    },
};
use serde_json::json;

use crate::{
    ask, full_request, hear, http,
    server::{Reply, Server, events},
    short,
};

const HEL: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9},"modelVersion":"g"}"#;
const THOUGHT: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}]}}]}"#;
const LO: &str = r#"{"candidates":[{"content":{"parts":[{"text":"lo 🐝"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2,"thoughtsTokenCount":3}}"#;

fn model(server: &Server) -> GoogleChat {
    let config = GoogleConfig {
        base_url: format!("{}/v1beta", server.base),
        timeouts: short(),
        ..GoogleConfig::new("gemini-x", Secret::new("g-key"))
    };
    GoogleChat::new(http(), config).unwrap()
}

#[tokio::test]
async fn the_request_is_as_documented() {
    let server = Server::always(Reply::sse().bytes(events(&[HEL, LO])).end()).await;
    let mut request = full_request();
    request.messages.push(request.messages[3].clone());
    hear(&model(&server), request).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /v1beta/models/gemini-x:streamGenerateContent?alt=sse HTTP/1.1");
    assert_eq!(seen[0].header("x-goog-api-key"), Some("g-key"));
    let bees = json!({"text": "What do bees make? 🐝"});
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hello."}]},
            {"role": "user", "parts": [bees.clone(), bees]},
        ],
        "generationConfig": {"temperature": 0.5, "topP": 0.25, "maxOutputTokens": 64, "stopSequences": ["END"], "seed": 7},
    });
    assert_eq!(seen[0].body, expected);
}

#[tokio::test]
async fn answers_are_read_in_any_pieces() {
    for size in [1, 2, 3, 50, 5000] {
        let server =
            Server::always(Reply::sse().pieces(events(&[HEL, THOUGHT, LO]), size).end()).await;
        let heard = hear(&model(&server), ask("Hi")).await.unwrap();
        assert_eq!((heard.text.as_str(), heard.finish), ("Hello 🐝", Some(FinishReason::Stop)));
        assert_eq!(heard.tokens(), (9, 5));
    }
}

#[tokio::test]
async fn reasons_are_mapped() {
    for (name, reason) in [
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
    ] {
        let last = LO.replace("STOP", name);
        let server = Server::always(Reply::sse().bytes(events(&[HEL, &last])).end()).await;
        assert_eq!(hear(&model(&server), ask("Hi")).await.unwrap().finish, Some(reason));
    }
    let blocked =
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#;
    let server = Server::always(Reply::sse().bytes(events(&[blocked])).end()).await;
    let heard = hear(&model(&server), ask("Hi")).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.finish), ("", Some(FinishReason::ContentFilter)));
    let server =
        Server::always(Reply::sse().bytes(events(&[&LO.replace("STOP", "OTHER")])).end()).await;
    assert_eq!(
        hear(&model(&server), ask("Hi")).await.unwrap().error.unwrap().kind(),
        ErrorKind::Unavailable
    );
}

/// S33, S34: an error in the middle, and answers that are cut. A reason does not end the dialect's
/// stream, so a connection that breaks after one is an error too.
#[tokio::test]
async fn broken_answers_are_errors() {
    let error =
        r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    for (reply, kind) in [
        (Reply::sse().bytes(events(&[HEL, error])).end(), ErrorKind::Unavailable),
        (Reply::sse().bytes(events(&[HEL])).end(), ErrorKind::Unavailable),
        (Reply::sse().bytes(events(&[HEL, LO])), ErrorKind::Unavailable),
        (Reply::sse().bytes(events(&[HEL, "{\"candidates\": 7}"])).end(), ErrorKind::Protocol),
        (Reply::sse().bytes(events(&[HEL, "<html>"])).end(), ErrorKind::Protocol),
    ] {
        let server = Server::always(reply).await;
        assert_eq!(hear(&model(&server), ask("Hi")).await.unwrap().error.unwrap().kind(), kind);
    }
}

#[tokio::test]
async fn refusals_are_mapped() {
    let refused = async |status, body| {
        let server = Server::always(Reply::json(status, &body)).await;
        hear(&model(&server), ask("Hi")).await.unwrap_err()
    };
    let quota = refused(
        429,
        json!([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]}}]),
    )
    .await;
    assert_eq!(quota.kind(), ErrorKind::RateLimited);
    assert_eq!(quota.retry_status(), Retry::After(Duration::from_secs(34)));
    assert_eq!(quota.context("provider_code"), Some("RESOURCE_EXHAUSTED"));
    let key = refused(400, json!({"error": {"code": 400, "message": "API key not valid: g-key", "status": "INVALID_ARGUMENT",
        "details": [{"reason": "API_KEY_INVALID"}]}})).await;
    assert_eq!(key.kind(), ErrorKind::Unauthorized);
    assert!(!format!("{key:?}").contains("g-key"));
    let long = refused(
        400,
        json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."}}),
    )
    .await;
    assert_eq!(long.kind(), ErrorKind::ContextTooLong);
}

#[tokio::test]
async fn check_asks_for_the_model_and_names_cannot_change_the_path() {
    let server = Server::always(Reply::json(200, &json!({"name": "models/gemini-x"}))).await;
    model(&server).check().await.unwrap();
    assert_eq!(server.seen()[0].line, "GET /v1beta/models/gemini-x HTTP/1.1");
    for name in ["", "models/x", "../x", "x?key=1", "x:y", ".."] {
        let config = GoogleConfig::new(name, Secret::new("k"));
        assert_eq!(
            GoogleChat::new(http(), config).err().unwrap().context("field"),
            Some("model"),
            "{name}"
        );
    }
}
