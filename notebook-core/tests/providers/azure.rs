//! Azure OpenAI: addresses, the header of the key, and what its filters say.

use notebook_core::{
    ErrorKind, Secret,
    chat::{
        ChatModel, ChatRequest, FinishReason,
        openai::{AzureConfig, OpenAiChat},
    },
};
use serde_json::json;

use crate::{
    ask, hear, http,
    server::{Reply, Server, events},
    short,
};

/// The first event tells of the prompt, the others of what was written; all as documented.
const PROMPT: &str = r#"{"id":"","object":"","created":0,"model":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}],"choices":[]}"#;
const TEXT: &str = r#"{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{"content":"Hello"},"finish_reason":null,"index":0,"logprobs":null}]}"#;
const OFFSETS: &str = r#"{"choices":[{"content_filter_offsets":{"check_offset":35,"start_offset":35,"end_offset":40},"content_filter_results":{},"finish_reason":null,"index":0}]}"#;
const STOP: &str =
    r#"{"choices":[{"content_filter_results":{},"delta":{},"finish_reason":"stop","index":0}]}"#;

fn config(server: &Server) -> AzureConfig {
    AzureConfig {
        timeouts: short(),
        ..AzureConfig::new(server.base.clone(), "our-gpt", Secret::new("az-key"))
    }
}

fn model(config: AzureConfig) -> OpenAiChat {
    OpenAiChat::new(http(), config.into_openai().unwrap()).unwrap()
}

#[tokio::test]
async fn c1_both_addresses_are_called_with_the_key() {
    let body = events(&[PROMPT, TEXT, OFFSETS, STOP, "[DONE]"]);
    let server = Server::always(Reply::sse().bytes(body).end()).await;
    let dated = AzureConfig { api_version: Some("2024-10-21".into()), ..config(&server) };
    let request = || ChatRequest { max_tokens: Some(5), ..ask("Hi") };
    for (config, line, limit) in [
        (
            dated,
            "POST /openai/deployments/our-gpt/chat/completions?api-version=2024-10-21 HTTP/1.1",
            "max_tokens",
        ),
        (config(&server), "POST /openai/v1/chat/completions HTTP/1.1", "max_completion_tokens"),
    ] {
        let model = model(config);
        let heard = hear(&model, request()).await.unwrap();
        assert_eq!((heard.text.as_str(), heard.finish), ("Hello", Some(FinishReason::Stop)));
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.line, line);
        assert_eq!((seen.header("api-key"), seen.header("authorization")), (Some("az-key"), None));
        assert_eq!((&seen.body["model"], &seen.body[limit]), (&json!("our-gpt"), &json!(5)));
        assert_eq!(model.info().label(), "azure/our-gpt");
    }
}

/// The name of the limit is found out in both directions, for not every model that is deployed there is of OpenAI.
#[tokio::test]
async fn c1_the_older_limit_is_found_too() {
    let server = Server::by(|seen, _| match seen.body.get("max_completion_tokens") {
        Some(_) => Reply::json(
            400,
            &json!({"error": {"message": "Unknown parameter: 'max_completion_tokens'.", "param": "max_completion_tokens"}}),
        ),
        None => Reply::sse().bytes(events(&[TEXT, STOP])).end(),
    })
    .await;
    let request = ChatRequest { max_tokens: Some(5), ..ask("Hi") };
    let model = model(config(&server));
    hear(&model, request.clone()).await.unwrap();
    hear(&model, request).await.unwrap();
    assert_eq!(server.seen().len(), 3);
    assert_eq!(server.seen()[2].body["max_tokens"], 5);
}

/// A prompt that is refused by a filter ends like an answer that is.
#[tokio::test]
async fn c1_what_filters_withhold_is_told() {
    let filtered = json!({"error": {"message": "The response was filtered due to the prompt", "type": null,
        "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"jailbreak": {"filtered": true, "detected": true}}}}});
    let cut = STOP.replace("stop", "content_filter");
    for reply in
        [Reply::json(400, &filtered), Reply::sse().bytes(events(&[PROMPT, &cut, "[DONE]"])).end()]
    {
        let server = Server::always(reply).await;
        let heard = hear(&model(config(&server)), ask("Hi")).await.unwrap();
        assert_eq!((heard.text.as_str(), heard.finish), ("", Some(FinishReason::ContentFilter)));
    }
    for (status, body, kind) in [
        (401, json!({"statusCode": 401, "message": "Access denied"}), ErrorKind::Unauthorized),
        (401, json!({"error": {"code": "401", "message": "wrong key"}}), ErrorKind::Unauthorized),
        (
            404,
            json!({"error": {"code": "DeploymentNotFound", "message": "no"}}),
            ErrorKind::InvalidInput,
        ),
        (429, json!({"error": {"code": "429", "message": "retry"}}), ErrorKind::RateLimited),
    ] {
        let server = Server::always(Reply::json(status, &body)).await;
        let refused = hear(&model(config(&server)), ask("Hi")).await.unwrap_err();
        assert_eq!(refused.kind(), kind);
    }
}

/// The list there has models, not deployments: that it is given shows that address and key are right.
#[tokio::test]
async fn c1_check_asks_for_the_list() {
    let server = Server::always(Reply::json(200, &json!({"data": [{"id": "gpt-4.1"}]}))).await;
    let dated = AzureConfig { api_version: Some("2024-10-21".into()), ..config(&server) };
    model(dated).check().await.unwrap();
    model(config(&server)).check().await.unwrap();
    let lines: Vec<String> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        ["GET /openai/models?api-version=2024-10-21 HTTP/1.1", "GET /openai/v1/models HTTP/1.1"]
    );
    let server = Server::always(Reply::json(401, &json!({"message": "Access denied"}))).await;
    let refused = model(config(&server)).check().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthorized);
    for (field, config) in [
        ("deployment", AzureConfig { deployment: "a/../b".into(), ..config(&server) }),
        ("api_version", AzureConfig { api_version: Some("1&x=2".into()), ..config(&server) }),
        ("base_url", AzureConfig { endpoint: "name".into(), ..config(&server) }),
    ] {
        assert_eq!(config.into_openai().unwrap_err().context("field"), Some(field));
    }
}
