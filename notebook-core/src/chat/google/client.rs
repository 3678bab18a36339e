//! The adapter itself.

use async_trait::async_trait;

use super::{GoogleConfig, error, stream::Answer, wire::Request};
use crate::{
    Error, Result, Secret,
    chat::{
        ChatModel, ChatModelInfo, ChatRequest, ChatRole, ChatStream, TokenCount,
        calls::Calls,
        check_request,
        events::{self, DOCUMENT},
        remote,
    },
    http::{BaseUrl, HttpClient, HttpRequest, HttpResponse, success},
};

const START: &str = "start answer";
const CHECK: &str = "check model";
const KEY_HEADER: &str = "x-goog-api-key";

/// A Gemini model.
pub struct GoogleChat {
    http: HttpClient,
    base: BaseUrl,
    config: GoogleConfig,
    info: ChatModelInfo,
}

impl GoogleChat {
    /// A model with these settings. Does not call the provider.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(http: HttpClient, config: GoogleConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        check_model_name(&config.model)?;
        let info = ChatModelInfo {
            provider: "google".into(),
            model: config.model.clone(),
            context_tokens: config.context_tokens,
            local: base.is_loopback(),
            tools: true,
        };
        let model = Self { http, base, config, info };
        model.authorised(HttpRequest::get("configure model", "", model.config.timeouts))?;
        Ok(model)
    }

    fn authorised(&self, request: HttpRequest) -> Result<HttpRequest> {
        with_key(request, self.config.api_key.as_ref())
    }

    async fn send(&self, call: HttpRequest) -> Result<HttpResponse> {
        self.http.send(self.authorised(call)?).await
    }
}

/// Adds the key, if there is one.
pub(crate) fn with_key(request: HttpRequest, key: Option<&Secret>) -> Result<HttpRequest> {
    match key {
        Some(key) => request.secret_header("api_key", KEY_HEADER, key),
        None => Ok(request),
    }
}

/// The name becomes part of the path, so it must not be able to change it.
pub(crate) fn check_model_name(model: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if model.is_empty() || model.starts_with('.') || !model.chars().all(plain) {
        let fix = "give the name without models/, such as gemini-2.5-flash";
        return Err(Error::invalid("configure model", "model", fix));
    }
    Ok(())
}

#[async_trait]
impl ChatModel for GoogleChat {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_request(&self.info, &request)?;
        if request.messages.iter().all(|message| message.role == ChatRole::System) {
            return Err(Error::invalid(START, "messages", "give at least one message of the user"));
        }
        let path = format!("models/{}:streamGenerateContent?alt=sse", self.config.model);
        let body = Request::new(&request);
        let url = self.base.join(&path);
        let call = HttpRequest::post_json(START, url, self.config.timeouts, &body)?.streamed();
        let response = self.send(call).await?;
        let response = remote::accepted(START, response, error::of_body, DOCUMENT).await?;
        let answer = Answer::new(response.redactor().clone(), Calls::new(&request));
        Ok(events::events(response, answer))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        TokenCount::estimate(text)
    }

    /// Asks for the description of the model.
    async fn check(&self) -> Result<()> {
        let url = self.base.join(&format!("models/{}", self.config.model));
        let call = HttpRequest::get(CHECK, url, self.config.timeouts);
        let mut response =
            success(CHECK, self.send(call).await?, |_, body| error::of_body(body)).await?;
        response.json::<serde::de::IgnoredAny>(crate::http::MAX_MESSAGE_BYTES).await?;
        Ok(())
    }
}
