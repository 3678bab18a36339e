//! The public suites over every adapter, with providers that are played.

use std::sync::Arc;

use notebook_core::{
    Secret,
    chat::{
        ChatModel,
        anthropic::{AnthropicChat, AnthropicConfig},
        conformance as chat,
        google::{GoogleChat, GoogleConfig},
        ollama::{OllamaChat, OllamaConfig},
        openai::{OpenAiChat, OpenAiConfig},
        priced::{Price, Priced},
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

const ALL: chat::Capabilities = chat::Capabilities {
    reports_usage: true,
    limits_tokens: true,
    exact_tokens: false,
    tools: true,
    chooses_tools: true,
    parallel_tools: true,
    forces_tools: true,
};
/// What an adapter that keeps all of it skips.
const SKIPPED: [&str; 1] = ["tools_are_refused_where_there_are_none"];
const WORDS: [&str; 5] = ["Bees ", "make ", "honey ", "and ", "wax."];

/// The words up to the limit of the request, and whether it cut them.
fn words(limit: &Value) -> (&'static [&'static str], bool) {
    let limit = limit.as_u64().unwrap() as usize;
    (&WORDS[..limit.min(WORDS.len())], limit < WORDS.len())
}

/// The cities that a model is to ask the tool about: none where it is not offered, or has been asked.
fn cities(seen: &Seen, tools: &Value, results: &str) -> Vec<&'static str> {
    let said = seen.body.to_string();
    let asks = tools.is_array() && !said.contains(results);
    let named = |city: &&'static str| asks && said.contains(*city);
    ["Paris", "Rome"].into_iter().filter(named).collect()
}

fn sse(data: &[Value]) -> Reply {
    let data: Vec<String> = data.iter().map(Value::to_string).collect();
    Reply::sse().bytes(events(&data.iter().map(String::as_str).collect::<Vec<_>>())).end()
}

/// Two pieces for each call, those of the calls mixed.
fn openai_calls(cities: &[&str]) -> Reply {
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    let begin = cities.iter().enumerate().map(|(at, city)| {
        let function = json!({"name": "get_weather", "arguments": "{\"city\":"});
        delta(json!({"tool_calls": [{"index": at, "id": format!("call_{city}"), "type": "function", "function": function}]}))
    });
    let rest = cities.iter().enumerate().map(|(at, city)| {
        let function = json!({"arguments": format!("\"{city}\"}}")});
        delta(json!({"tool_calls": [{"index": at, "function": function}]}))
    });
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]});
    sse(&begin.chain(rest).chain([end]).collect::<Vec<_>>())
}

fn ollama_calls(cities: &[&str]) -> Reply {
    let call = |city| json!({"function": {"name": "get_weather", "arguments": {"city": city}}});
    let calls: Vec<Value> = cities.iter().map(call).collect();
    let message = json!({"role": "assistant", "content": "", "tool_calls": calls});
    let body = format!(
        "{}\n{}\n",
        json!({"message": message, "done": false}),
        json!({"done": true, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 4})
    );
    Reply::ndjson().bytes(body).end()
}

fn google_calls(cities: &[&str]) -> Reply {
    let part = |city| json!({"functionCall": {"name": "get_weather", "args": {"city": city}}});
    let parts: Vec<Value> = cities.iter().map(part).collect();
    sse(&[json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})])
}

fn anthropic_calls(cities: &[&str]) -> Reply {
    let mut data =
        vec![json!({"type": "message_start", "message": {"usage": {"input_tokens": 9}}})];
    for (at, city) in cities.iter().enumerate() {
        let block = json!({"type": "tool_use", "id": format!("toolu_{city}"), "name": "get_weather", "input": {}});
        data.push(json!({"type": "content_block_start", "index": at, "content_block": block}));
        for piece in ["", "{\"city\": ", &format!("\"{city}\"}}")] {
            let delta = json!({"type": "input_json_delta", "partial_json": piece});
            data.push(json!({"type": "content_block_delta", "index": at, "delta": delta}));
        }
        data.push(json!({"type": "content_block_stop", "index": at}));
    }
    data.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}}));
    data.push(json!({"type": "message_stop"}));
    sse(&data)
}

fn anthropic(seen: &Seen) -> Reply {
    if seen.line.starts_with("GET") {
        return Reply::json(200, &json!({"type": "model", "id": "m"}));
    }
    if seen.body["tool_choice"]["type"] != "none" {
        let cities = cities(seen, &seen.body["tools"], "tool_result");
        if !cities.is_empty() {
            return anthropic_calls(&cities);
        }
    }
    let (words, cut) = words(&seen.body["max_tokens"]);
    let mut data = vec![
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
    ];
    for word in words {
        let delta = json!({"type": "text_delta", "text": word});
        data.push(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    }
    let reason = if cut { "max_tokens" } else { "end_turn" };
    data.push(json!({"type": "content_block_stop", "index": 0}));
    data.push(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": words.len()}}));
    data.push(json!({"type": "message_stop"}));
    sse(&data)
}

fn openai(seen: &Seen) -> Reply {
    if seen.line.starts_with("GET") {
        return Reply::json(200, &json!({"data": [{"id": "m"}]}));
    }
    if seen.body["tool_choice"] != "none" {
        let cities = cities(seen, &seen.body["tools"], "\"tool\"");
        if !cities.is_empty() {
            return openai_calls(&cities);
        }
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
    let cities = cities(seen, &seen.body["tools"], "tool_name");
    if !cities.is_empty() {
        return ollama_calls(&cities);
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
    if seen.body["toolConfig"]["functionCallingConfig"]["mode"] != "NONE" {
        let cities = cities(seen, &seen.body["tools"], "functionResponse");
        if !cities.is_empty() {
            return google_calls(&cities);
        }
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

async fn conforms(model: &dyn ChatModel, capabilities: &chat::Capabilities, skipped: &[&str]) {
    let report = chat::run_all(model, capabilities).await;
    assert_eq!(report.failures, Vec::<String>::new(), "{}", model.info().label());
    assert_eq!(report.skipped, skipped, "{}", model.info().label());
}

#[tokio::test]
async fn chat_models_conform() {
    let server = Server::by(|seen, _| openai(seen)).await;
    let config = || OpenAiConfig::new(server.base.clone(), "m");
    conforms(&OpenAiChat::new(http(), config()).unwrap(), &ALL, &SKIPPED).await;
    let without = OpenAiConfig { tools: false, ..config() };
    let none = chat::Capabilities {
        tools: false,
        chooses_tools: false,
        parallel_tools: false,
        forces_tools: false,
        ..ALL
    };
    let skipped = [
        "offered_tools_are_accepted",
        "wrong_tools_are_refused",
        "results_of_tools_are_read",
        "a_tool_is_asked_for",
        "several_tools_are_asked_for",
        "a_tool_can_be_forced",
    ];
    conforms(&OpenAiChat::new(http(), without).unwrap(), &none, &skipped).await;

    let server = Server::by(|seen, _| ollama(seen)).await;
    let config = OllamaConfig { base_url: server.base.clone(), ..OllamaConfig::new("m") };
    let free = chat::Capabilities { forces_tools: false, ..ALL };
    let skipped = [SKIPPED[0], "a_tool_can_be_forced"];
    conforms(&OllamaChat::new(http(), config).unwrap(), &free, &skipped).await;

    let server = Server::by(|seen, _| google(seen)).await;
    let config =
        GoogleConfig { base_url: server.base.clone(), ..GoogleConfig::new("m", Secret::new("k")) };
    conforms(&GoogleChat::new(http(), config).unwrap(), &ALL, &SKIPPED).await;

    let server = Server::by(|seen, _| anthropic(seen)).await;
    let config = AnthropicConfig {
        base_url: server.base.clone(),
        ..AnthropicConfig::new("m", Secret::new("k"))
    };
    let model = AnthropicChat::new(http(), config).unwrap();
    conforms(&model, &ALL, &SKIPPED).await;
    // The layer of prices changes nothing of it.
    let price = Price { prompt: 1.0, completion: 2.0 };
    conforms(&Priced::new(Arc::new(model), price), &ALL, &SKIPPED).await;

    let model = ScriptedChat::new(Script::answer("Bees make honey."));
    let plays = chat::Capabilities {
        limits_tokens: false,
        chooses_tools: false,
        parallel_tools: false,
        forces_tools: false,
        ..ALL
    };
    let skipped = [
        "the_token_limit_is_kept",
        SKIPPED[0],
        "a_tool_is_asked_for",
        "several_tools_are_asked_for",
        "a_tool_can_be_forced",
    ];
    conforms(&model, &plays, &skipped).await;
}

/// The suite itself can fail.
#[tokio::test]
async fn a_model_that_does_not_conform_is_found() {
    let report = chat::run_all(&ScriptedChat::new(Script::new([])), &ALL).await;
    let failed = [
        "an_answer_has_one_end",
        "usage_is_reported",
        "the_token_limit_is_kept",
        "offered_tools_are_accepted",
        "a_tool_is_asked_for",
        "a_tool_can_be_forced",
    ];
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
