//! The public suites over every adapter, with providers that are played.

use notebook_core::{
    Secret,
    chat::{
        conformance as chat,
        google::{GoogleChat, GoogleConfig},
        ollama::{OllamaChat, OllamaConfig},
        openai::{OpenAiChat, OpenAiConfig},
        scripted::{Script, ScriptedChat},
    },
    embed::{
        EmbedKind, Embedder, HashingEmbedder, conformance as embed,
        google::{GoogleEmbedConfig, GoogleEmbedder},
        ollama::{OllamaEmbedConfig, OllamaEmbedder},
        openai::{OpenAiEmbedConfig, OpenAiEmbedder},
    },
};
use serde_json::{Value, json};

use crate::{
    http,
    server::{Reply, Seen, Server, events},
};

const ALL: chat::Capabilities =
    chat::Capabilities { reports_usage: true, limits_tokens: true, exact_tokens: false };
const WORDS: [&str; 5] = ["Bees ", "make ", "honey ", "and ", "wax."];

/// The words up to the limit of the request, and whether it cut them.
fn words(limit: &Value) -> (&'static [&'static str], bool) {
    let limit = limit.as_u64().unwrap() as usize;
    (&WORDS[..limit.min(WORDS.len())], limit < WORDS.len())
}

fn openai(seen: &Seen) -> Reply {
    if seen.line.starts_with("GET") {
        return Reply::json(200, &json!({"data": [{"id": "m"}]}));
    }
    let (words, cut) = words(&seen.body["max_tokens"]);
    let mut data: Vec<String> = words
        .iter()
        .map(|word| json!({"choices": [{"index": 0, "delta": {"content": word}}]}).to_string())
        .collect();
    let reason = if cut { "length" } else { "stop" };
    data.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}).to_string());
    let usage = json!({"prompt_tokens": 9, "completion_tokens": words.len()});
    data.push(json!({"choices": [], "usage": usage}).to_string());
    data.push("[DONE]".into());
    Reply::sse().bytes(events(&data.iter().map(String::as_str).collect::<Vec<_>>())).end()
}

fn ollama(seen: &Seen) -> Reply {
    if seen.line.starts_with("GET") {
        return Reply::json(200, &json!({"models": [{"name": "m"}]}));
    }
    let (words, cut) = words(&seen.body["options"]["num_predict"]);
    let mut body: String = words
        .iter()
        .map(|word| {
            format!(
                "{}\n",
                json!({"message": {"role": "assistant", "content": word}, "done": false})
            )
        })
        .collect();
    let reason = if cut { "length" } else { "stop" };
    let last = json!({"done": true, "done_reason": reason, "prompt_eval_count": 9, "eval_count": words.len()});
    body.push_str(&last.to_string());
    Reply::ndjson().bytes(body).end()
}

fn google(seen: &Seen) -> Reply {
    if seen.line.starts_with("GET") {
        return Reply::json(200, &json!({"name": "models/m"}));
    }
    let (words, cut) = words(&seen.body["generationConfig"]["maxOutputTokens"]);
    let mut data: Vec<String> = words
        .iter()
        .map(|word| json!({"candidates": [{"content": {"parts": [{"text": word}]}}]}).to_string())
        .collect();
    let reason = if cut { "MAX_TOKENS" } else { "STOP" };
    let usage = json!({"promptTokenCount": 9, "candidatesTokenCount": words.len()});
    data.push(
        json!({"candidates": [{"finishReason": reason}], "usageMetadata": usage}).to_string(),
    );
    Reply::sse().bytes(events(&data.iter().map(String::as_str).collect::<Vec<_>>())).end()
}

#[tokio::test]
async fn chat_models_conform() {
    let server = Server::by(|seen, _| openai(seen)).await;
    let model = OpenAiChat::new(http(), OpenAiConfig::new(server.base.clone(), "m")).unwrap();
    assert_eq!(chat::run_all(&model, &ALL).await, chat::Report::default());

    let server = Server::by(|seen, _| ollama(seen)).await;
    let config = OllamaConfig { base_url: server.base.clone(), ..OllamaConfig::new("m") };
    let model = OllamaChat::new(http(), config).unwrap();
    assert_eq!(chat::run_all(&model, &ALL).await, chat::Report::default());

    let server = Server::by(|seen, _| google(seen)).await;
    let config =
        GoogleConfig { base_url: server.base.clone(), ..GoogleConfig::new("m", Secret::new("k")) };
    let model = GoogleChat::new(http(), config).unwrap();
    assert_eq!(chat::run_all(&model, &ALL).await, chat::Report::default());

    let model = ScriptedChat::new(Script::answer("Bees make honey."));
    let report = chat::run_all(&model, &chat::Capabilities { limits_tokens: false, ..ALL }).await;
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!(report.skipped, ["the_token_limit_is_kept"]);
}

/// The suite itself can fail.
#[tokio::test]
async fn a_model_that_does_not_conform_is_found() {
    let report = chat::run_all(&ScriptedChat::new(Script::new([])), &ALL).await;
    let failed = ["an_answer_has_one_end", "usage_is_reported", "the_token_limit_is_kept"];
    for name in failed {
        assert!(report.failures.iter().any(|line| line.starts_with(name)), "{name}: {report:?}");
    }
}

const WORDS_ONLY: embed::Capabilities =
    embed::Capabilities { knows_meaning: false, knows_words: true };

/// Hashed vectors of what a provider was sent.
async fn hashed(input: Vec<String>) -> Vec<Vec<f32>> {
    HashingEmbedder::new().embed(EmbedKind::Passage, &input).await.unwrap()
}

fn strings(values: &[Value]) -> Vec<String> {
    values.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn vectors(input: Vec<String>) -> Vec<Vec<f32>> {
    futures::FutureExt::now_or_never(hashed(input)).expect("hashing does not wait")
}

#[tokio::test]
async fn embedders_conform() {
    let hashing = HashingEmbedder::new();
    let report = embed::run_all(&hashing, &WORDS_ONLY).await;
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!(report.skipped, ["like_meanings_are_near"]);

    let server = Server::by(|seen, _| {
        let vectors = vectors(strings(seen.body["input"].as_array().unwrap()));
        let data: Vec<Value> =
            vectors.iter().enumerate().map(|(i, v)| json!({"index": i, "embedding": v})).collect();
        Reply::json(200, &json!({"data": data}))
    })
    .await;
    let config = OpenAiEmbedConfig::new(server.base.clone(), "e");
    let embedder = OpenAiEmbedder::connect(http(), config).await.unwrap();
    assert_eq!(embed::run_all(&embedder, &WORDS_ONLY).await.failures, Vec::<String>::new());

    let server = Server::by(|seen, _| {
        let vectors = vectors(strings(seen.body["input"].as_array().unwrap()));
        Reply::json(200, &json!({"embeddings": vectors}))
    })
    .await;
    let config = OllamaEmbedConfig { base_url: server.base.clone(), ..OllamaEmbedConfig::new("e") };
    let embedder = OllamaEmbedder::connect(http(), config).await.unwrap();
    assert_eq!(embed::run_all(&embedder, &WORDS_ONLY).await.failures, Vec::<String>::new());

    let server = Server::by(|seen, _| {
        let requests = seen.body["requests"].as_array().unwrap();
        let texts: Vec<Value> =
            requests.iter().map(|r| r["content"]["parts"][0]["text"].clone()).collect();
        let values: Vec<Value> =
            vectors(strings(&texts)).iter().map(|v| json!({"values": v})).collect();
        Reply::json(200, &json!({"embeddings": values}))
    })
    .await;
    let config = GoogleEmbedConfig {
        base_url: server.base.clone(),
        ..GoogleEmbedConfig::new("e", Secret::new("k"))
    };
    let embedder = GoogleEmbedder::connect(http(), config).await.unwrap();
    assert_eq!(embed::run_all(&embedder, &WORDS_ONLY).await.failures, Vec::<String>::new());
}
