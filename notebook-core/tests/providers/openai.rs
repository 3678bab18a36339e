//! OpenAI's Chat Completions.

use notebook_core::{
    ErrorKind, Retry, Secret,
    chat::{
        ChatModel, FinishReason,
        openai::{OpenAiChat, OpenAiConfig},
    },
};
use serde_json::json;
use std::time::Duration;

use crate::{
    ask, full_request, hear, http,
    server::{Reply, Server, events},
    short,
};

const HELLO: &str = r#"{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}],"usage":null}"#;
const LO: &str = r#"{"choices":[{"index":0,"delta":{"content":"lo 🐝"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;

fn config(server: &Server) -> OpenAiConfig {
    let base = format!("{}/v1", server.base);
    OpenAiConfig { timeouts: short(), ..OpenAiConfig::new(base, "m1") }
}

fn model(server: &Server) -> OpenAiChat {
    OpenAiChat::new(http(), config(server)).unwrap()
}

#[tokio::test]
async fn the_request_is_as_documented() {
    let server = Server::always(Reply::sse().bytes(events(&[HELLO, STOP, "[DONE]"])).end()).await;
    let config = OpenAiConfig {
        api_key: Some(Secret::new("sk-test")),
        headers: vec![("x-title".into(), Secret::new("notebook"))],
        ..config(&server)
    };
    let model = OpenAiChat::new(http(), config).unwrap();
    hear(&model, full_request()).await.unwrap();
    hear(&model, ask("Hi")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(seen[0].header("authorization"), Some("Bearer sk-test"));
    assert_eq!(seen[0].header("x-title"), Some("notebook"));
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert!(seen[0].header("user-agent").unwrap().starts_with("notebook/"));
    assert_eq!(seen[0].header("connection"), Some("close"), "llama.cpp loses a second call");
    let expected = json!({
        "model": "m1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "What do bees make? 🐝"},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
        "temperature": 0.5, "top_p": 0.25, "max_tokens": 64, "stop": ["END"], "seed": 7,
    });
    assert_eq!(seen[0].body, expected);
    let least = json!({
        "model": "m1", "messages": [{"role": "user", "content": "Hi"}],
        "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(seen[1].body, least);
}

/// S10, S35: every chunking, and the variants of `[DONE]`, give the same answer.
#[tokio::test]
async fn answers_are_read_in_any_pieces() {
    for (done, size) in [
        ("data: [DONE]\n\n", 1),
        ("data:[DONE]\n\n", 2),
        ("data:  [done] \r\n\r\n", 3),
        (": keep-alive\n\ndata: [DONE]\n", 7),
        ("", 5000),
    ] {
        let body = format!(": ok\n\n{}{done}", events(&[HELLO, "", LO, STOP, USAGE]));
        let server = Server::always(Reply::sse().pieces(body, size).end()).await;
        let heard = hear(&model(&server), ask("Hi")).await.unwrap();
        assert_eq!(heard.text, "Hello 🐝", "{done:?} {:?}", heard.error);
        assert_eq!(heard.finish, Some(FinishReason::Stop), "{done:?}");
        assert_eq!(heard.tokens(), (9, 2), "{done:?}");
    }
}

#[tokio::test]
async fn reasons_are_mapped() {
    for (name, reason) in [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("eos", FinishReason::Stop),
    ] {
        let last = STOP.replace("stop", name);
        let server =
            Server::always(Reply::sse().bytes(events(&[HELLO, &last, "[DONE]"])).end()).await;
        assert_eq!(hear(&model(&server), ask("Hi")).await.unwrap().finish, Some(reason), "{name}");
    }
    let server =
        Server::always(Reply::sse().bytes(events(&[HELLO, &STOP.replace("stop", "error")])).end())
            .await;
    let heard = hear(&model(&server), ask("Hi")).await.unwrap();
    assert_eq!(heard.error.unwrap().kind(), ErrorKind::Unavailable);
}

/// S34: a stream without a reason to finish is never a whole answer, `[DONE]` or not.
#[tokio::test]
async fn a_cut_stream_is_an_error() {
    let cut = [
        Reply::sse().bytes(events(&[HELLO])),
        Reply::sse().bytes(events(&[HELLO])).end(),
        Reply::sse().bytes(events(&[HELLO, "[DONE]"])).end(),
        Reply::sse().bytes(format!("{}data: {{\"cho", events(&[HELLO]))).end(),
        Reply::sse().end(),
    ];
    for (at, reply) in cut.into_iter().enumerate() {
        let server = Server::always(reply).await;
        let error = hear(&model(&server), ask("Hi")).await.unwrap().error.unwrap();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Unavailable, true),
            "{at}: {error:?}"
        );
    }
}

/// The reason came, so the answer is whole, though the connection breaks before `[DONE]`.
#[tokio::test]
async fn a_break_after_the_reason_loses_nothing() {
    let server = Server::always(Reply::sse().bytes(events(&[HELLO, LO, STOP]))).await;
    let heard = hear(&model(&server), ask("Hi")).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.finish), ("Hello 🐝", Some(FinishReason::Stop)));
}

/// S33: errors with HTTP 200, within the stream and instead of it.
#[tokio::test]
async fn errors_with_status_200() {
    let within = |error: &str| Reply::sse().bytes(events(&[HELLO, error, STOP, "[DONE]"])).end();
    for (error, kind) in [
        (r#"{"error":{"message":"overloaded","type":"server_error"}}"#, ErrorKind::Unavailable),
        (r#"{"error":{"message":"slow down","code":429}}"#, ErrorKind::RateLimited),
        (
            r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#,
            ErrorKind::ContextTooLong,
        ),
        (r#"{"object":"error","message":"bad field","code":400}"#, ErrorKind::InvalidInput),
        (r#"{"error":"backend gone"}"#, ErrorKind::Unavailable),
    ] {
        let server = Server::always(within(error)).await;
        let heard = hear(&model(&server), ask("Hi")).await.unwrap();
        assert_eq!(heard.text, "Hel", "what came before is kept");
        assert_eq!(heard.error.unwrap().kind(), kind, "{error}");

        let server = Server::always(Reply::whole(200, "application/json", "", error)).await;
        assert_eq!(hear(&model(&server), ask("Hi")).await.unwrap_err().kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn refusals_keep_what_the_provider_said() {
    let body = json!({"error": {"message": "slow down sk-test", "type": "requests", "code": "rate_limit_exceeded"}});
    let extra = "retry-after: 7\r\nx-request-id: req_42\r\n";
    let server =
        Server::always(Reply::whole(429, "application/json", extra, &body.to_string())).await;
    let config = OpenAiConfig { api_key: Some(Secret::new("sk-test")), ..config(&server) };
    let error = hear(&OpenAiChat::new(http(), config).unwrap(), ask("Hi")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_status(), Retry::After(Duration::from_secs(7)));
    assert_eq!(error.context("status"), Some("429"));
    assert_eq!(error.context("request_id"), Some("req_42"));
    assert_eq!(error.context("provider_code"), Some("rate_limit_exceeded"));
    assert_eq!(error.context("message"), Some("slow down …"));
    assert!(!format!("{error} {error:?}").contains("sk-test"));

    let quota = json!({"error": {"message": "no credit", "type": "insufficient_quota", "code": "insufficient_quota"}});
    let server = Server::always(Reply::json(429, &quota)).await;
    let error = hear(&model(&server), ask("Hi")).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::RateLimited, false));
}

/// A server that refuses `stream_options` and `max_tokens` is asked in its own dialect, and that is remembered.
#[tokio::test]
async fn the_dialect_is_negotiated_once() {
    let server = Server::by(|seen, _| {
        let refuse = |param: &str| {
            Reply::json(400, &json!({"error": {"message": format!("Unsupported parameter: '{param}'"), "param": param}}))
        };
        if seen.body.get("stream_options").is_some() {
            refuse("stream_options")
        } else if seen.body.get("max_tokens").is_some() {
            refuse("max_tokens")
        } else {
            Reply::sse().bytes(events(&[HELLO, STOP, "[DONE]"])).end()
        }
    })
    .await;
    let model = model(&server);
    assert_eq!(hear(&model, full_request()).await.unwrap().text, "Hel");
    hear(&model, full_request()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 4, "three tries, then one");
    assert_eq!(seen[3].body["max_completion_tokens"], json!(64));
    assert!(
        seen[3].body.get("max_tokens").is_none() && seen[3].body.get("stream_options").is_none()
    );
}

/// A server that refuses everything is not asked for ever.
#[tokio::test]
async fn negotiation_ends() {
    let body = json!({"error": {"message": "stream_options max_tokens"}});
    let server = Server::always(Reply::json(400, &body)).await;
    let error = hear(&model(&server), full_request()).await.unwrap_err();
    assert_eq!((error.kind(), server.seen().len()), (ErrorKind::InvalidInput, 3));
}

/// S38: dropping the stream, or the call before it is accepted, closes the connection.
#[tokio::test]
async fn dropping_closes_the_connection() {
    use futures::StreamExt;
    let server = Server::always(Reply::sse().bytes(events(&[HELLO])).hang()).await;
    let config = OpenAiConfig { timeouts: Default::default(), ..config(&server) };
    let model = OpenAiChat::new(http(), config).unwrap();
    let mut stream = model.stream(ask("Hi")).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    server.hung_up(1).await;

    let silent = Server::always(Reply::raw("").hang()).await;
    let config = OpenAiConfig::new(silent.base.clone(), "m");
    let model = OpenAiChat::new(http(), config).unwrap();
    let call = tokio::spawn(async move { model.stream(ask("Hi")).await.map(drop) });
    while silent.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    call.abort();
    silent.hung_up(1).await;
}

#[tokio::test]
async fn check_finds_the_model() {
    let list =
        |entry: serde_json::Value| Reply::json(200, &json!({"object": "list", "data": [entry]}));
    let check = async |reply: Reply| {
        let server = Server::always(reply).await;
        let result = model(&server).check().await;
        assert_eq!(server.seen()[0].line, "GET /v1/models HTTP/1.1");
        result
    };
    check(list(json!({"id": "m1"}))).await.unwrap();
    check(list(json!({"id": "x.gguf", "owned_by": "llamacpp"}))).await.unwrap();
    check(Reply::json(404, &json!({"error": "no such path"}))).await.unwrap();
    let error = check(list(json!({"id": "m2"}))).await.unwrap_err();
    assert_eq!((error.kind(), error.context("offered")), (ErrorKind::InvalidInput, Some("m2")));
    let error = check(Reply::json(401, &json!({"error": {"message": "no"}}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
}

#[test]
fn wrong_settings_are_named() {
    let new = |config| OpenAiChat::new(http(), config).err().unwrap();
    let good = || OpenAiConfig::new("http://127.0.0.1:1/v1", "m");
    let key = OpenAiConfig { api_key: Some(Secret::new("sk\nsecret")), ..good() };
    let header = OpenAiConfig { headers: vec![("a b".into(), Secret::new("v"))], ..good() };
    for (field, config) in [
        ("base_url", OpenAiConfig::new("localhost", "m")),
        ("model", OpenAiConfig::new("http://localhost", " ")),
        ("api_key", key),
        ("headers", header),
    ] {
        assert!(!format!("{config:?}").contains("secret"));
        let error = new(config);
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
        assert!(!format!("{error:?}").contains("secret"));
    }
}
