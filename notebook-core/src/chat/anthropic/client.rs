//! The adapter itself.

use async_trait::async_trait;

use super::{AnthropicConfig, error, stream::Answer, wire::Request};
use crate::{
    Error, Result,
    chat::{
        ChatModel, ChatModelInfo, ChatRequest, ChatRole, ChatStream, TokenCount,
        calls::Calls,
        check_request,
        events::{self, DOCUMENT},
        remote,
    },
    http::{BaseUrl, HttpClient, HttpRequest, HttpResponse, MAX_MESSAGE_BYTES, failure, success},
};

const START: &str = "start answer";
const CHECK: &str = "check model";
/// The version of the interface that is spoken here.
const VERSION: &str = "2023-06-01";

/// A model behind Anthropic's Messages API.
pub struct AnthropicChat {
    http: HttpClient,
    base: BaseUrl,
    config: AnthropicConfig,
    info: ChatModelInfo,
}

impl AnthropicChat {
    /// A model with these settings. Does not call the provider.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(http: HttpClient, config: AnthropicConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        let invalid = |field, fix: &str| Err(Error::invalid("configure model", field, fix));
        // The name becomes part of a path, so it must not be able to change it.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
        let name = &config.model;
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return invalid("model", "name the model to use, such as claude-sonnet-4-5");
        }
        if config.max_tokens == 0 {
            return invalid("max_tokens", "give a number over 0");
        }
        let info = ChatModelInfo {
            provider: "anthropic".into(),
            model: config.model.clone(),
            context_tokens: config.context_tokens,
            local: base.is_loopback(),
            tools: config.tools,
        };
        let model = Self { http, base, config, info };
        model.authorised(HttpRequest::get("configure model", "", model.config.timeouts))?;
        Ok(model)
    }

    fn authorised(&self, request: HttpRequest) -> Result<HttpRequest> {
        let request = request.plain_header("anthropic-version", VERSION)?;
        match &self.config.api_key {
            Some(key) => request.secret_header("api_key", "x-api-key", key),
            None => Ok(request),
        }
    }

    async fn send(&self, call: HttpRequest) -> Result<HttpResponse> {
        self.http.send(self.authorised(call)?).await
    }
}

/// What this provider asks beyond [`check_request`].
fn check(request: &ChatRequest) -> Result<()> {
    let invalid = |field, fix: &str| Err(Error::invalid(START, field, fix));
    let speaks = |role| matches!(role, ChatRole::User | ChatRole::Tool);
    if !request.messages.iter().any(|message| speaks(message.role)) {
        return invalid("messages", "give at least one message of the user");
    }
    if request.temperature.is_some_and(|temperature| temperature > 1.0) {
        return invalid("temperature", "give a number from 0 to 1: this provider takes no more");
    }
    if request.stop.iter().any(|text| text.trim().is_empty()) {
        return invalid("stop", "this provider stops at words only: remove the blank text");
    }
    Ok(())
}

#[async_trait]
impl ChatModel for AnthropicChat {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_request(&self.info, &request)?;
        check(&request)?;
        let body = Request::new(&self.config, &request);
        let url = self.base.join("messages");
        let call = HttpRequest::post_json(START, url, self.config.timeouts, &body)?.streamed();
        let response = self.send(call).await?;
        let response = remote::accepted(START, response, error::of_body, DOCUMENT).await?;
        let answer = Answer::new(response.redactor().clone(), Calls::new(&request));
        Ok(events::events(response, answer))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        TokenCount::estimate(text)
    }

    /// Asks for the description of the model. A server without descriptions passes, as does llama.cpp.
    async fn check(&self) -> Result<()> {
        let url = self.base.join(&format!("models/{}", self.config.model));
        let call = HttpRequest::get(CHECK, url, self.config.timeouts);
        let mut response = self.send(call).await?;
        let status = response.status();
        if !matches!(status.as_u16(), 404 | 405 | 501) {
            let mut response = success(CHECK, response, |_, body| error::of_body(body)).await?;
            response.json::<serde::de::IgnoredAny>(MAX_MESSAGE_BYTES).await?;
            return Ok(());
        }
        let body = response.beginning().await;
        if !error::is_their_own(&body) {
            return Ok(());
        }
        let refusal = error::of_body(&body);
        Err(failure(CHECK, status, response.headers(), &body, refusal, response.redactor()))
    }
}
