//! B3: the reranker behind `/rerank`: recorded shapes of several servers, and servers that lie.

use std::time::Duration;

use notebook_core::{
    Error, ErrorKind, Secret,
    rerank::{
        OverlapReranker, Reranker, conformance,
        remote::{Dialect, RemoteRerankConfig, RemoteReranker},
    },
};
use serde_json::{Value, json};

use crate::{
    http,
    server::{Reply, Server},
    short,
};

fn config(server: &Server, dialect: Dialect) -> RemoteRerankConfig {
    RemoteRerankConfig {
        dialect,
        api_key: Some(Secret::new("k-secret")),
        timeouts: short(),
        ..RemoteRerankConfig::new(format!("{}/v1", server.base), "r1")
    }
}

fn reranker(server: &Server, dialect: Dialect) -> RemoteReranker {
    RemoteReranker::new(http(), config(server, dialect)).unwrap()
}

fn passages(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn asked(server: &Server, dialect: Dialect) -> Result<Vec<f32>, Error> {
    let passages = passages(&["Ants follow trails.", "Bees dance.", ""]);
    reranker(server, dialect).scores("Why do bees dance?", &passages).await
}

/// What servers were seen to answer, best first or in the order of the passages.
const RECORDED: [(&str, Dialect, &str); 6] = [
    (
        "llama.cpp",
        Dialect::Documents,
        r#"{"model":"r1","object":"list","usage":{"prompt_tokens":57,"total_tokens":57},"results":[
            {"index":0,"relevance_score":-7.5},{"index":1,"relevance_score":4.25},{"index":2,"relevance_score":-9}]}"#,
    ),
    (
        "vLLM",
        Dialect::Documents,
        r#"{"id":"rerank-8f6","model":"r1","usage":{"total_tokens":57},"results":[
            {"index":1,"document":{"text":"Bees dance."},"relevance_score":4.25},
            {"index":0,"document":{"text":"Ants follow trails."},"relevance_score":-7.5},
            {"index":2,"document":{"text":" "},"relevance_score":-9.0}]}"#,
    ),
    (
        "Cohere",
        Dialect::Documents,
        r#"{"id":"07734bd2","meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}},"results":[
            {"index":1,"relevance_score":4.25},{"index":0,"relevance_score":-7.5},{"index":2,"relevance_score":-9}]}"#,
    ),
    (
        "Jina",
        Dialect::Documents,
        r#"{"model":"r1","object":"list","usage":{"total_tokens":57},"results":[
            {"index":1,"relevance_score":4.25,"document":{"text":"Bees dance."}},
            {"index":0,"relevance_score":-7.5},{"index":2,"relevance_score":-9}]}"#,
    ),
    (
        "Voyage",
        Dialect::Documents,
        r#"{"object":"list","data":[{"relevance_score":4.25,"index":1},{"relevance_score":-7.5,"index":0},
            {"relevance_score":-9.0,"index":2}],"model":"r1","usage":{"total_tokens":57}}"#,
    ),
    (
        "text-embeddings-inference",
        Dialect::Texts,
        r#"[{"index":1,"score":4.25},{"index":0,"score":-7.5},{"index":2,"score":-9.0}]"#,
    ),
];

#[tokio::test]
async fn b3_recorded_answers_are_put_in_order() {
    for (name, dialect, answer) in RECORDED {
        let server = Server::always(Reply::whole(200, "application/json", "", answer)).await;
        assert_eq!(asked(&server, dialect).await.unwrap(), [-7.5, 4.25, -9.0], "{name}");
        let seen = server.seen();
        assert_eq!(seen[0].line, "POST /v1/rerank HTTP/1.1");
        assert_eq!(seen[0].header("authorization"), Some("Bearer k-secret"));
        let (query, texts) = ("Why do bees dance?", ["Ants follow trails.", "Bees dance.", " "]);
        let body = match dialect {
            Dialect::Documents => {
                json!({"model": "r1", "query": query, "documents": texts, "top_n": 3})
            }
            Dialect::Texts => json!({"query": query, "texts": texts, "truncate": true}),
        };
        assert_eq!(seen[0].body, body, "{name}");
    }
}

/// A wrong number, index or value of scores is never believed.
#[tokio::test]
async fn b3_wrong_answers_are_protocol_errors() {
    let entry = |index: Value, score: Value| json!({"index": index, "relevance_score": score});
    let results = |entries: &[Value]| json!({ "results": entries }).to_string();
    let good = |index: u64| entry(json!(index), json!(0.5));
    let many: Vec<Value> = (0..20_000).map(good).collect();
    let wrong = [
        results(&[]),
        results(&[good(0), good(1)]),
        results(&[good(0), good(1), good(2), good(3)]),
        results(&[good(0), good(1), good(1)]),
        results(&[good(0), good(1), good(3)]),
        results(&[good(0), good(1), entry(json!(-1), json!(0.5))]),
        results(&[good(0), good(1), entry(json!(2), json!(null))]),
        results(&[good(0), good(1), entry(json!(2), json!("0.5"))]),
        results(&[good(0), good(1), entry(json!(2), json!(1e300))]),
        results(&[good(0), good(1), json!({"index": 2})]),
        r#"{"results":[{"index":0,"relevance_score":NaN},{"index":1,"relevance_score":1},{"index":2,"relevance_score":1}]}"#.to_owned(),
        r#"{"results":[{"index":0,"relevance_score":1e999},{"index":1,"relevance_score":1},{"index":2,"relevance_score":1}]}"#.to_owned(),
results(&many),
        json!({"error": {"message": "no model"}}).to_string(),
        json!({"data": {"0": 1.0}}).to_string(),
        "{\"results\": [{\"index\": 0, \"relev".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
    ];
    for body in wrong {
        let server = Server::always(Reply::whole(200, "application/json", "", &body)).await;
        let error = asked(&server, Dialect::Documents).await.unwrap_err();
        let shown: String = body.chars().take(200).collect();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{shown}: {error:?}");
    }
}

#[tokio::test]
async fn b3_servers_that_refuse_are_slow_or_none() {
    let refusal = |status: u16, message: &str| {
        Reply::json(status, &json!({"error": {"message": message, "type": "server_error"}}))
    };
    let page = "<!doctype html><title>Bad gateway k-secret</title>";
    let half = Reply::stream("application/json").bytes("{\"results\":[").hang();
    for (kind, reply) in [
        (ErrorKind::Protocol, Reply::whole(200, "text/html", "", page)),
        (ErrorKind::Unauthorized, refusal(401, "wrong key k-secret")),
        (ErrorKind::RateLimited, refusal(429, "slower")),
        (ErrorKind::InvalidInput, Reply::json(422, &json!({"detail": "no such model"}))),
        (
            ErrorKind::ContextTooLong,
            refusal(500, "input (700 tokens) is too large to process. increase the physical batch"),
        ),
        (ErrorKind::Unavailable, Reply::whole(503, "text/html", "", page)),
        (ErrorKind::Timeout, Reply::raw("").hang()),
        (ErrorKind::Timeout, half),
        (ErrorKind::TooLarge, Reply::whole(200, "application/json", "", &" ".repeat(2 << 20))),
    ] {
        let server = Server::always(reply).await;
        let error = asked(&server, Dialect::Documents).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(!format!("{error} {error:?}").contains("k-secret"), "{error:?}");
    }
    let server = Server::always(Reply::raw("")).await;
    let gone = RemoteRerankConfig {
        base_url: "http://127.0.0.1:1".into(),
        ..config(&server, Dialect::Documents)
    };
    let error = RemoteReranker::new(http(), gone).unwrap().scores("q", &passages(&["p"])).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// What is dropped lets the server know.
#[tokio::test]
async fn b3_a_dropped_call_closes_its_connection() {
    let server = Server::always(Reply::raw("").hang()).await;
    let patient = RemoteRerankConfig {
        timeouts: RemoteRerankConfig::new("", "").timeouts,
        ..config(&server, Dialect::Documents)
    };
    let reranker = RemoteReranker::new(http(), patient).unwrap();
    let texts = passages(&["p"]);
    let call = tokio::time::timeout(Duration::from_millis(100), reranker.scores("q", &texts));
    assert!(call.await.is_err());
    server.hung_up(1).await;
}

/// What a small model cannot read is not sent.
#[tokio::test]
async fn b3_long_texts_are_cut_to_the_models_tokens() {
    let server = Server::by(|_, _| {
        Reply::json(200, &json!({"results": [{"index": 0, "relevance_score": 1}]}))
    })
    .await;
    let small = RemoteRerankConfig { max_tokens: 32, ..config(&server, Dialect::Documents) };
    let reranker = RemoteReranker::new(http(), small).unwrap();
    reranker.scores("short?", &["x".repeat(500)]).await.unwrap();
    reranker.scores(&"y".repeat(500), &["x".repeat(500)]).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].body["query"], "short?");
    assert_eq!(seen[0].body["documents"], json!(["x".repeat(90)]));
    assert_eq!(seen[1].body["query"], "y".repeat(48));
    assert_eq!(seen[1].body["documents"], json!(["x".repeat(48)]));
}

#[tokio::test]
async fn b3_wrong_settings_are_named() {
    let server = Server::always(Reply::json(500, &json!({}))).await;
    let usual = || config(&server, Dialect::Documents);
    for (field, config) in [
        ("base_url", RemoteRerankConfig { base_url: "ftp://there".into(), ..usual() }),
        ("model", RemoteRerankConfig { model: " ".into(), ..usual() }),
        ("max_tokens", RemoteRerankConfig { max_tokens: 1, ..usual() }),
    ] {
        let error = RemoteReranker::new(http(), config).err().unwrap();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
    }
    assert!(server.seen().is_empty());
}

/// The public suite over a server that is played.
#[tokio::test]
async fn b3_the_remote_reranker_keeps_the_port() {
    let server = Server::by(|seen, _| {
        let texts = seen.body.get("documents").or(seen.body.get("texts")).unwrap();
        let texts: Vec<String> = serde_json::from_value(texts.clone()).unwrap();
        let query = seen.body["query"].as_str().unwrap();
        let scores = futures::executor::block_on(OverlapReranker.scores(query, &texts)).unwrap();
        let mut entries: Vec<(usize, f32)> = scores.into_iter().enumerate().collect();
        entries.sort_by(|a, b| b.1.total_cmp(&a.1));
        let named = seen.body.get("documents").is_some();
        let key = if named { "relevance_score" } else { "score" };
        let entries: Vec<Value> =
            entries.iter().map(|(index, score)| json!({"index": index, key: score})).collect();
        Reply::json(200, &if named { json!({ "results": entries }) } else { json!(entries) })
    })
    .await;
    for dialect in [Dialect::Documents, Dialect::Texts] {
        let patient = RemoteRerankConfig {
            timeouts: RemoteRerankConfig::new("", "").timeouts,
            ..config(&server, dialect)
        };
        conformance::run_all(&RemoteReranker::new(http(), patient).unwrap()).await;
    }
}
