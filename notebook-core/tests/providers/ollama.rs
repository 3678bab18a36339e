//! Ollama's native dialect.

use notebook_core::{
    ErrorKind, Secret,
    chat::{
        ChatModel, FinishReason,
        ollama::{OllamaChat, OllamaConfig},
    },
};
use serde_json::json;

use crate::{
    ask, full_request, hear, http,
    server::{Reply, Server},
    short,
};

const BODY: &str = concat!(
    r#"{"model":"m:1b","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"Hel"},"done":false}"#,
    "\n",
    r#"{"model":"m:1b","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}"#,
    "\n",
    r#"{"model":"m:1b","message":{"role":"assistant","content":"lo 🐝"},"done":false}"#,
    "\n",
    r#"{"model":"m:1b","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":1,"prompt_eval_count":9,"eval_count":2}"#,
    "\n",
);

fn model(server: &Server) -> OllamaChat {
    let config = OllamaConfig {
        base_url: server.base.clone(),
        timeouts: short(),
        ..OllamaConfig::new("m:1b")
    };
    OllamaChat::new(http(), config).unwrap()
}

#[tokio::test]
async fn the_request_is_as_documented() {
    let server = Server::always(Reply::ndjson().bytes(BODY).end()).await;
    let config = OllamaConfig {
        base_url: server.base.clone(),
        keep_alive: Some("10m".into()),
        api_key: Some(Secret::new("k")),
        context_tokens: 4096,
        ..OllamaConfig::new("m:1b")
    };
    hear(&OllamaChat::new(http(), config).unwrap(), full_request()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /api/chat HTTP/1.1");
    assert_eq!(seen[0].header("authorization"), Some("Bearer k"));
    let expected = json!({
        "model": "m:1b",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "What do bees make? 🐝"},
        ],
        "stream": true, "truncate": false, "shift": false, "keep_alive": "10m",
        "options": {"num_ctx": 4096, "temperature": 0.5, "top_p": 0.25, "num_predict": 64, "stop": ["END"], "seed": 7},
    });
    assert_eq!(seen[0].body, expected);
}

#[tokio::test]
async fn answers_are_read_in_any_pieces() {
    for size in [1, 2, 3, 50, 5000] {
        let server = Server::always(Reply::ndjson().pieces(BODY, size).end()).await;
        let heard = hear(&model(&server), ask("Hi")).await.unwrap();
        assert_eq!((heard.text.as_str(), heard.finish), ("Hello 🐝", Some(FinishReason::Stop)));
        assert_eq!(heard.tokens(), (9, 2));
    }
    // Without the last line end, with the limit of tokens met.
    let body = BODY.trim_end().replace("\"done_reason\":\"stop\"", "\"done_reason\":\"length\"");
    let server = Server::always(Reply::ndjson().bytes(body).end()).await;
    assert_eq!(hear(&model(&server), ask("Hi")).await.unwrap().finish, Some(FinishReason::Length));
}

/// S33, S34: an error in the middle, and an answer that is cut.
#[tokio::test]
async fn broken_answers_are_errors() {
    let first = BODY.lines().next().unwrap();
    let all_but_last: String = BODY.lines().take(3).map(|line| format!("{line}\n")).collect();
    for (reply, kind) in [
        (
            Reply::ndjson().bytes(format!("{first}\n{{\"error\":\"runner crashed\"}}\n")).end(),
            ErrorKind::Unavailable,
        ),
        (
            Reply::ndjson()
                .bytes(format!(
                    "{first}\n{{\"error\":\"the input length exceeds the context length\"}}\n"
                ))
                .end(),
            ErrorKind::ContextTooLong,
        ),
        (Reply::ndjson().bytes(&all_but_last).end(), ErrorKind::Unavailable),
        (Reply::ndjson().bytes(&all_but_last), ErrorKind::Unavailable),
        (Reply::ndjson().bytes(format!("{first}\n{{\"mess")).end(), ErrorKind::Protocol),
        (Reply::ndjson().bytes(format!("{first}\n{{\"message\":7}}\n")).end(), ErrorKind::Protocol),
        (
            Reply::ndjson()
                .bytes([first.as_bytes(), b"\n{\"message\":{\"content\":\"\xff\"}}\n"].concat())
                .end(),
            ErrorKind::Protocol,
        ),
    ] {
        let server = Server::always(reply).await;
        let heard = hear(&model(&server), ask("Hi")).await.unwrap();
        assert!(heard.text.starts_with("Hel"));
        assert_eq!(heard.error.unwrap().kind(), kind);
    }
}

#[tokio::test]
async fn refusals_are_mapped() {
    for (status, message, kind) in [
        (404, "model 'm:1b' not found", ErrorKind::InvalidInput),
        (400, "the input length exceeds the context length", ErrorKind::ContextTooLong),
        (
            503,
            "server busy, please try again.  maximum pending requests exceeded",
            ErrorKind::RateLimited,
        ),
        (500, "llama runner process has terminated", ErrorKind::Unavailable),
    ] {
        let server = Server::always(Reply::json(status, &json!({"error": message}))).await;
        let error = hear(&model(&server), ask("Hi")).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.context("status")),
            (kind, Some(status.to_string().as_str()))
        );
        assert!(error.context("message").is_some());
    }
}

#[tokio::test]
async fn check_and_connect_ask_the_server() {
    let server = Server::by(|seen, _| match seen.line.as_str() {
        "GET /api/tags HTTP/1.1" => {
            Reply::json(200, &json!({"models": [{"name": "m:1b"}, {"name": "n:latest"}]}))
        }
        "POST /api/show HTTP/1.1" => Reply::json(
            200,
            &json!({"model_info": {"llama.context_length": 2048, "llama.block_count": 3}}),
        ),
        other => panic!("{other}"),
    })
    .await;
    let config =
        |name: &str| OllamaConfig { base_url: server.base.clone(), ..OllamaConfig::new(name) };
    for known in ["m:1b", "n", "n:latest"] {
        OllamaChat::new(http(), config(known)).unwrap().check().await.unwrap();
    }
    let error = OllamaChat::new(http(), config("other")).unwrap().check().await.unwrap_err();
    assert_eq!(
        error.context("fix"),
        Some("run `ollama pull other`, or name a model that is there")
    );
    let model = OllamaChat::connect(http(), config("m:1b")).await.unwrap();
    assert_eq!(model.info().context_tokens, Some(2048));
    assert!(model.info().local);
    assert_eq!(server.seen().last().unwrap().body, json!({"model": "m:1b"}));
}
