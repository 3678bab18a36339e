//! The adapter itself.

use async_trait::async_trait;
use parking_lot::Mutex;

#[cfg(feature = "openai-tokens")]
use super::Encoding;
use super::{
    OpenAiConfig, error,
    stream::Decoder,
    wire::{Dialect, ModelList, Request},
};
use crate::{
    Error, Result,
    chat::{
        ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount, check_request,
        remote::{self, require_stream},
    },
    http::{BaseUrl, HttpClient, HttpRequest, HttpResponse, MAX_MESSAGE_BYTES, failure, success},
};

const START: &str = "start answer";
const CHECK: &str = "check model";

/// A model behind OpenAI's Chat Completions.
pub struct OpenAiChat {
    http: HttpClient,
    base: BaseUrl,
    config: OpenAiConfig,
    info: ChatModelInfo,
    #[cfg(feature = "openai-tokens")]
    encoding: Option<Encoding>,
    dialect: Mutex<Dialect>,
}

impl OpenAiChat {
    /// A model with these settings. Does not call the provider.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(http: HttpClient, config: OpenAiConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        if config.model.trim().is_empty() {
            return Err(Error::invalid("configure model", "model", "name the model to use"));
        }
        let info = ChatModelInfo {
            provider: config.provider.clone(),
            model: config.model.clone(),
            context_tokens: config.context_tokens,
            local: base.is_loopback(),
            tools: false,
        };
        let model = Self {
            #[cfg(feature = "openai-tokens")]
            encoding: Encoding::of(base.host(), &config.model),
            http,
            base,
            config,
            info,
            dialect: Mutex::default(),
        };
        // A key or header that cannot be sent is refused now, not with the first question.
        model.authorised(HttpRequest::get("configure model", "", model.config.timeouts))?;
        Ok(model)
    }

    fn authorised(&self, request: HttpRequest) -> Result<HttpRequest> {
        let request = request.bearer(self.config.api_key.as_ref())?;
        self.config.headers.iter().try_fold(request, |request, (name, value)| {
            request.secret_header("headers", name, value)
        })
    }

    async fn post(&self, request: &ChatRequest, dialect: Dialect) -> Result<HttpResponse> {
        let body = Request::new(&self.config.model, request, dialect);
        let url = self.base.join("chat/completions");
        let call = HttpRequest::post_json(START, url, self.config.timeouts, &body)?.streamed();
        self.http.send(self.authorised(call)?).await
    }

    /// Sends the request, at most once more for each part of the dialect that the server refuses.
    async fn accepted(&self, request: &ChatRequest) -> Result<HttpResponse> {
        let mut dialect = *self.dialect.lock();
        loop {
            let mut response = self.post(request, dialect).await?;
            if response.status().is_success() {
                *self.dialect.lock() = dialect;
                return Ok(response);
            }
            let (status, body) = (response.status(), response.beginning().await);
            let refused =
                |field| matches!(status.as_u16(), 400 | 422) && error::names_field(&body, field);
            if !dialect.no_stream_options && refused("stream_options") {
                dialect.no_stream_options = true;
            } else if !dialect.max_completion_tokens
                && request.max_tokens.is_some()
                && refused("max_tokens")
            {
                dialect.max_completion_tokens = true;
            } else {
                let refusal = error::of_body(&body);
                return Err(failure(
                    START,
                    status,
                    response.headers(),
                    &body,
                    refusal,
                    response.redactor(),
                ));
            }
            tracing::debug!(?dialect, model = %self.info.label(), "the provider speaks another dialect");
        }
    }
}

#[async_trait]
impl ChatModel for OpenAiChat {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_request(&self.info, &request)?;
        let response = self.accepted(&request).await?;
        let redactor = response.redactor().clone();
        let response = require_stream(START, response, Some("application/json"))
            .await
            .map_err(|(error, body)| error::within(START, &body, &redactor).unwrap_or(error))?;
        Ok(remote::events(response, Decoder::new(redactor)))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        #[cfg(feature = "openai-tokens")]
        if let Some(encoding) = self.encoding {
            return TokenCount { tokens: encoding.count(text), exact: true };
        }
        TokenCount::estimate(text)
    }

    /// Asks for the list of models. A server without such a list passes, as does llama.cpp, which
    /// serves its one model under every name.
    async fn check(&self) -> Result<()> {
        let call = HttpRequest::get(CHECK, self.base.join("models"), self.config.timeouts);
        let response = self.http.send(self.authorised(call)?).await?;
        if matches!(response.status().as_u16(), 404 | 405 | 501) {
            return Ok(());
        }
        let mut response = success(CHECK, response, |_, body| error::of_body(body)).await?;
        let models: ModelList = response.json(8 * MAX_MESSAGE_BYTES).await?;
        let wanted = &self.config.model;
        let known = models.data.iter().any(|entry| {
            entry.id == *wanted
                || entry.aliases.contains(wanted)
                || entry.owned_by.as_deref() == Some("llamacpp")
        });
        if known {
            return Ok(());
        }
        let some: Vec<&str> = models.data.iter().take(5).map(|entry| entry.id.as_str()).collect();
        Err(Error::invalid(CHECK, "model", "name a model that the provider offers")
            .with("model", wanted)
            .with("offered", if some.is_empty() { "none".to_owned() } else { some.join(", ") }))
    }
}
