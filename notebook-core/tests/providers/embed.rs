//! The remote embedders.

use notebook_core::{
    Error, ErrorKind, Secret,
    embed::{
        EmbedKind, Embedder, RemoteEmbedOptions,
        google::{GoogleEmbedConfig, GoogleEmbedder},
        ollama::{OllamaEmbedConfig, OllamaEmbedder},
        openai::{OpenAiEmbedConfig, OpenAiEmbedder},
    },
};
use serde_json::{Value, json};

use crate::{
    http,
    server::{Reply, Server},
    short,
};

fn options() -> RemoteEmbedOptions {
    RemoteEmbedOptions { dimensions: Some(2), batch_texts: 2, ..RemoteEmbedOptions::default() }
}

async fn openai(server: &Server, options: RemoteEmbedOptions) -> Result<OpenAiEmbedder, Error> {
    let config = OpenAiEmbedConfig {
        api_key: Some(Secret::new("k")),
        options,
        timeouts: short(),
        ..OpenAiEmbedConfig::new(format!("{}/v1", server.base), "e1")
    };
    OpenAiEmbedder::connect(http(), config).await
}

async fn ollama(server: &Server, options: RemoteEmbedOptions) -> Result<OllamaEmbedder, Error> {
    let base_url = server.base.clone();
    let config =
        OllamaEmbedConfig { base_url, options, timeouts: short(), ..OllamaEmbedConfig::new("e1") };
    OllamaEmbedder::connect(http(), config).await
}

async fn google(server: &Server, options: RemoteEmbedOptions) -> Result<GoogleEmbedder, Error> {
    let config = GoogleEmbedConfig {
        base_url: format!("{}/v1beta", server.base),
        options,
        timeouts: short(),
        ..GoogleEmbedConfig::new("e1", Secret::new("k"))
    };
    GoogleEmbedder::connect(http(), config).await
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Vectors that tell the length of the text, with the last one first where there is an index.
fn lengths(input: &[Value]) -> Vec<[f32; 2]> {
    input.iter().map(|text| [text.as_str().unwrap().len() as f32, 1.0]).collect()
}

fn expected(texts: &[&str]) -> Vec<Vec<f32>> {
    let unit = |text: &&str| {
        let length = text.len() as f32;
        let norm = length.hypot(1.0);
        vec![length / norm, 1.0 / norm]
    };
    texts.iter().map(unit).collect()
}

fn assert_near(got: &[Vec<f32>], want: &[Vec<f32>]) {
    assert_eq!(got.len(), want.len());
    for (a, b) in got.iter().flatten().zip(want.iter().flatten()) {
        assert!((a - b).abs() < 1e-6, "{got:?} {want:?}");
    }
}

const TEXTS: [&str; 3] = ["one", "three", "a longer one"];

#[tokio::test]
async fn openai_asks_in_batches_and_sorts_by_index() {
    let server = Server::by(|seen, _| {
        let vectors = lengths(seen.body["input"].as_array().unwrap());
        let entry = |(index, vector): (usize, &[f32; 2])| json!({"object": "embedding", "index": index, "embedding": vector});
        let data: Vec<Value> = vectors.iter().enumerate().map(entry).rev().collect();
        Reply::json(200, &json!({"object": "list", "data": data, "model": "e1", "usage": {"prompt_tokens": 1}}))
    })
    .await;
    let embedder = openai(&server, options()).await.unwrap();
    assert_eq!((embedder.space().model.as_str(), embedder.space().dimensions), ("openai/e1", 2));
    assert!(server.seen().is_empty(), "dimensions that are given are not asked for");
    let vectors = embedder.embed(EmbedKind::Passage, &texts(&TEXTS)).await.unwrap();
    assert_near(&vectors, &expected(&TEXTS));
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /v1/embeddings HTTP/1.1");
    assert_eq!(seen[0].header("authorization"), Some("Bearer k"));
    assert_eq!(
        seen[0].body,
        json!({"model": "e1", "input": ["one", "three"], "encoding_format": "float"})
    );
    assert_eq!(seen[1].body["input"], json!(["a longer one"]));
    assert_eq!(embedder.embed(EmbedKind::Query, &[]).await.unwrap(), Vec::<Vec<f32>>::new());
    assert_eq!(server.seen().len(), 2, "no text is no call");
}

#[tokio::test]
async fn ollama_sends_prefixes_cuts_texts_and_asks_for_dimensions() {
    let server = Server::by(|seen, _| {
        let vectors = lengths(seen.body["input"].as_array().unwrap());
        Reply::json(200, &json!({"model": "e1", "embeddings": vectors}))
    })
    .await;
    let options = RemoteEmbedOptions {
        max_tokens: 10,
        query_prefix: "q: ".into(),
        ..RemoteEmbedOptions::default()
    };
    let embedder = ollama(&server, options).await.unwrap();
    assert_eq!(embedder.space().dimensions, 2);
    assert!(embedder.space().model.starts_with("ollama/e1+prefix-"));
    let long = "x".repeat(500);
    embedder.embed(EmbedKind::Query, &texts(&["one", &long, ""])).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[1].line, "POST /api/embed HTTP/1.1");
    let cut = format!("q: {}", "x".repeat(27));
    assert_eq!(seen[1].body, json!({"model": "e1", "input": ["q: one", cut, "q:  "]}));
}

#[tokio::test]
async fn google_tells_questions_from_passages() {
    let server = Server::by(|seen, _| {
        let requests = seen.body["requests"].as_array().unwrap();
        let input: Vec<Value> =
            requests.iter().map(|r| r["content"]["parts"][0]["text"].clone()).collect();
        let values: Vec<Value> = lengths(&input).iter().map(|v| json!({"values": v})).collect();
        Reply::json(200, &json!({"embeddings": values}))
    })
    .await;
    let embedder = google(&server, options()).await.unwrap();
    let vectors = embedder.embed(EmbedKind::Passage, &texts(&TEXTS)).await.unwrap();
    assert_near(&vectors, &expected(&TEXTS));
    embedder.embed(EmbedKind::Query, &texts(&["one"])).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /v1beta/models/e1:batchEmbedContents HTTP/1.1");
    assert_eq!(seen[0].header("x-goog-api-key"), Some("k"));
    let entry = |text: &str, task: &str| json!({"model": "models/e1", "content": {"parts": [{"text": text}]}, "taskType": task});
    let passages = [entry("one", "RETRIEVAL_DOCUMENT"), entry("three", "RETRIEVAL_DOCUMENT")];
    assert_eq!(seen[0].body, json!({"requests": passages}));
    assert_eq!(seen[2].body, json!({"requests": [entry("one", "RETRIEVAL_QUERY")]}));
}

/// A wrong number, length, index or value of vectors is never stored.
#[tokio::test]
async fn wrong_answers_are_protocol_errors() {
    let entry = |index: usize, embedding: Value| json!({"index": index, "embedding": embedding});
    let wrong = [
        json!({"data": []}),
        json!({"data": [entry(0, json!([1, 0]))]}),
        json!({"data": [entry(0, json!([1, 0])), entry(0, json!([1, 0]))]}),
        json!({"data": [entry(0, json!([1, 0])), entry(2, json!([1, 0]))]}),
        json!({"data": [entry(0, json!([1, 0])), entry(1, json!([1]))]}),
        json!({"data": [entry(0, json!([1, 0])), entry(1, json!([0, 0]))]}),
        json!({"data": [entry(0, json!([1, 0])), entry(1, json!([null, 0]))]}),
        json!({"data": [entry(0, json!([1, 0])), entry(1, json!([1e300, 0]))]}),
        json!({"data": [entry(0, json!([1, 0])), entry(1, json!("AAAA"))]}),
        json!({"object": "list"}),
    ];
    for body in wrong {
        let server = Server::always(Reply::json(200, &body)).await;
        let error = openai(&server, options())
            .await
            .unwrap()
            .embed(EmbedKind::Query, &texts(&["a", "b"]))
            .await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Protocol, "{body}");
    }
    for (kind, reply) in [
        (
            ErrorKind::Protocol,
            Reply::whole(200, "application/json", "", "{\"data\": [{\"index\": 0, \"emb"),
        ),
        (ErrorKind::Protocol, Reply::whole(200, "text/html", "", "<html>hello</html>")),
        (ErrorKind::Unauthorized, Reply::json(401, &json!({"error": {"message": "no"}}))),
        (
            ErrorKind::ContextTooLong,
            Reply::json(
                500,
                &json!({"error": {"code": 500, "type": "server_error",
            "message": "input (3001 tokens) is too large to process. increase the physical batch size"}}),
            ),
        ),
        (ErrorKind::Timeout, Reply::raw("").hang()),
    ] {
        let server = Server::always(reply).await;
        let asked = texts(&["a"]);
        let (a, b, c) = futures::join!(
            openai(&server, options()),
            ollama(&server, options()),
            google(&server, options())
        );
        let embedders: [Box<dyn Embedder>; 3] =
            [Box::new(a.unwrap()), Box::new(b.unwrap()), Box::new(c.unwrap())];
        for embedder in embedders {
            let error = embedder.embed(EmbedKind::Query, &asked).await.unwrap_err();
            if kind != ErrorKind::ContextTooLong || embedder.space().model.starts_with("openai") {
                assert_eq!(error.kind(), kind, "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let server = Server::always(Reply::json(500, &json!({}))).await;
    for (field, options) in [
        ("dimensions", RemoteEmbedOptions { dimensions: Some(0), ..options() }),
        ("max_tokens", RemoteEmbedOptions { max_tokens: 0, ..options() }),
        ("batch_texts", RemoteEmbedOptions { batch_texts: 0, ..options() }),
        (
            "query_prefix",
            RemoteEmbedOptions { max_tokens: 2, passage_prefix: "passage: ".into(), ..options() },
        ),
    ] {
        let error = openai(&server, options).await.err().unwrap();
        assert_eq!((error.kind(), error.context("field")), (ErrorKind::InvalidInput, Some(field)));
    }
    assert!(server.seen().is_empty());
}
