//! The adapters against llmock, which plays three providers and breaks off as it is told.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use notebook_core::{
    Error, ErrorKind, Retry, Secret,
    chat::{
        ChatModel, FinishReason,
        anthropic::{AnthropicChat, AnthropicConfig},
        conformance::{self, Capabilities},
        google::{GoogleChat, GoogleConfig},
        openai::{OpenAiChat, OpenAiConfig},
    },
    http::{HttpRequest, Timeouts},
};
use serde_json::{Value, json};

use crate::{ask, hear, http, short};

/// A running llmock; its process ends with the value.
struct Llmock {
    process: Child,
    base: String,
}

impl Drop for Llmock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn folder() -> PathBuf {
    let cache = std::env::var_os("NOTEBOOK_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/notebook")
    });
    let folder = cache.join("python/llmock");
    assert!(
        folder.exists(),
        "{} is not there: run scripts/fetch-models.py llmock",
        folder.display()
    );
    folder
}

impl Llmock {
    async fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new("python3")
            .env("PYTHONPATH", folder())
            .args(["-c", "from llmock.cli import app; app()", "serve", "--host", "127.0.0.1"])
            .args(["--port", &free.port().to_string(), "--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let llmock = Self { process, base: format!("http://{free}") };
        for _ in 0..600 {
            let call = HttpRequest::get("wait", format!("{}/health", llmock.base), short());
            if http().send(call).await.is_ok() {
                return llmock;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("llmock did not become ready within a minute");
    }

    /// What happens to the next request.
    async fn next(&self, behaviour: Value) {
        let url = format!("{}/_llmock/scenario", self.base);
        let body = json!({ "behaviors": [behaviour] });
        let call = HttpRequest::post_json("set", url, Timeouts::default(), &body).unwrap();
        assert_eq!(http().send(call).await.unwrap().status().as_u16(), 201);
    }

    fn models(&self) -> [Box<dyn ChatModel>; 3] {
        let timeouts =
            Timeouts { first_byte: Duration::from_secs(10), idle: Duration::from_millis(700) };
        let key = || Secret::new("sk-test");
        let openai = OpenAiConfig {
            timeouts,
            api_key: Some(key()),
            ..OpenAiConfig::new(format!("{}/v1", self.base), "gpt-4o")
        };
        let anthropic = AnthropicConfig {
            timeouts,
            base_url: format!("{}/anthropic/v1", self.base),
            ..AnthropicConfig::new("claude-3-opus-20240229", key())
        };
        let google = GoogleConfig {
            timeouts,
            base_url: format!("{}/gemini/v1beta", self.base),
            ..GoogleConfig::new("gemini-1.5-pro", key())
        };
        [
            Box::new(OpenAiChat::new(http(), openai).unwrap()),
            Box::new(AnthropicChat::new(http(), anthropic).unwrap()),
            Box::new(GoogleChat::new(http(), google).unwrap()),
        ]
    }
}

/// The error of a question, wherever it comes.
async fn error(model: &dyn ChatModel) -> Error {
    match hear(model, ask("What do bees make?")).await {
        Ok(heard) => heard.error.unwrap_or_else(|| panic!("{}: no error", model.info().label())),
        Err(error) => error,
    }
}

#[tokio::test]
async fn c1_a_played_provider_answers_and_calls_tools() {
    let llmock = Llmock::start().await;
    let promised = Capabilities {
        reports_usage: true,
        tools: true,
        chooses_tools: true,
        forces_tools: true,
        ..Capabilities::default()
    };
    for model in llmock.models() {
        let report = conformance::run_all(&*model, &promised).await;
        // It describes no single model, as only two of the three would be asked to.
        let failures: Vec<_> =
            report.failures.iter().filter(|line| !line.starts_with("the_check_passes")).collect();
        assert_eq!(failures, Vec::<&String>::new(), "{}", model.info().label());
    }
}

/// Z9: what is refused, cut, broken off or not of the dialect is an error of the right kind.
#[tokio::test]
async fn z9_a_played_provider_fails_as_it_is_told() {
    let llmock = Llmock::start().await;
    for model in llmock.models() {
        let label = model.info().label();
        for (status, kind, retryable) in [
            (400, ErrorKind::InvalidInput, false),
            (401, ErrorKind::Unauthorized, false),
            (500, ErrorKind::Unavailable, true),
            (503, ErrorKind::Unavailable, true),
        ] {
            llmock.next(json!({ "type": "fail", "status": status })).await;
            let error = error(&*model).await;
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (kind, retryable),
                "{label}: {error:?}"
            );
        }
        llmock.next(json!({ "type": "fail", "status": 429, "retry_after": 7 })).await;
        let limited = error(&*model).await;
        assert_eq!(limited.kind(), ErrorKind::RateLimited, "{label}");
        assert_eq!(limited.retry_status(), Retry::After(Duration::from_secs(7)), "{label}");
        for (fault, kinds) in [
            ("disconnect", &[ErrorKind::Unavailable][..]),
            ("truncate", &[ErrorKind::Unavailable, ErrorKind::Protocol]),
            ("malformed", &[ErrorKind::Protocol]),
            ("stall", &[ErrorKind::Timeout]),
        ] {
            let behaviour = json!({ "type": "stream_fault", "kind": fault, "after_chunks": 4 });
            llmock.next(behaviour).await;
            let error = error(&*model).await;
            assert!(kinds.contains(&error.kind()), "{label}, {fault}: {error:?}");
        }
        let heard = hear(&*model, ask("What do bees make?")).await.unwrap();
        assert_eq!(heard.finish, Some(FinishReason::Stop), "{label}: it goes on afterwards");
    }
}
