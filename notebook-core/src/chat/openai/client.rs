//! The adapter itself.

use async_trait::async_trait;
use parking_lot::Mutex;

#[cfg(feature = "openai-tokens")]
use super::Encoding;
use super::{
    Dialect, KeyHeader, Listing, OpenAiConfig, error,
    stream::Answer,
    wire::{ModelList, Request},
};
use crate::{
    Error, Result,
    chat::{
        ChatEvent, ChatModel, ChatModelInfo, ChatRequest, ChatStream, FinishReason, TokenCount,
        calls::Calls,
        check_request,
        events::{self, DOCUMENT},
        remote::require_stream,
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
            tools: config.tools,
        };
        let model = Self {
            #[cfg(feature = "openai-tokens")]
            encoding: Encoding::of_config(base.host(), &config),
            http,
            base,
            dialect: Mutex::new(config.dialect),
            config,
            info,
        };
        // A key or header that cannot be sent is refused now, not with the first question.
        model.authorised(HttpRequest::get("configure model", "", model.config.timeouts))?;
        Ok(model)
    }

    fn authorised(&self, request: HttpRequest) -> Result<HttpRequest> {
        let key = self.config.api_key.as_ref();
        let request = match (self.config.key_header, key) {
            (KeyHeader::ApiKey, Some(key)) => request.secret_header("api_key", "api-key", key)?,
            _ => request.bearer(key)?,
        };
        self.config.headers.iter().try_fold(request, |request, (name, value)| {
            request.secret_header("headers", name, value)
        })
    }

    async fn post(&self, request: &ChatRequest, dialect: Dialect) -> Result<HttpResponse> {
        let body = Request::new(&self.config.model, request, dialect);
        let path = match &self.config.query {
            Some(query) => format!("chat/completions?{query}"),
            None => "chat/completions".to_owned(),
        };
        let url = self.base.join(&path);
        let call = HttpRequest::post_json(START, url, self.config.timeouts, &body)?.streamed();
        self.http.send(self.authorised(call)?).await
    }

    /// Sends the request, at most once more for each part of the dialect that the server refuses. None when a filter withheld the
    /// answer because of the prompt.
    async fn accepted(&self, request: &ChatRequest) -> Result<Option<HttpResponse>> {
        let mut dialect = *self.dialect.lock();
        let mut renamed = false;
        loop {
            let mut response = self.post(request, dialect).await?;
            if response.status().is_success() {
                *self.dialect.lock() = dialect;
                return Ok(Some(response));
            }
            let (status, body) = (response.status(), response.beginning().await);
            let refused =
                |field| matches!(status.as_u16(), 400 | 422) && error::names_field(&body, field);
            if !dialect.no_stream_options && refused("stream_options") {
                dialect.no_stream_options = true;
            } else if !renamed && request.max_tokens.is_some() && refused(dialect.limit_name()) {
                renamed = true;
                dialect.max_completion_tokens = !dialect.max_completion_tokens;
            } else {
                let refusal = error::of_body(&body);
                if refusal.as_ref().is_some_and(error::is_filtered) {
                    return Ok(None);
                }
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
        // An answer like one that is withheld later.
        let Some(response) = self.accepted(&request).await? else {
            let end = Ok(ChatEvent::Finish(FinishReason::ContentFilter));
            return Ok(Box::pin(futures::stream::iter([end])));
        };
        let redactor = response.redactor().clone();
        let response = require_stream(START, response, DOCUMENT)
            .await
            .map_err(|(error, body)| error::within(START, &body, &redactor).unwrap_or(error))?;
        Ok(events::events(response, Answer::new(redactor, Calls::new(&request))))
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
        let url = match &self.config.listing {
            Listing::Names => self.base.join("models"),
            Listing::Reachable(url) => url.clone(),
        };
        let call = HttpRequest::get(CHECK, url, self.config.timeouts);
        let response = self.http.send(self.authorised(call)?).await?;
        if matches!(response.status().as_u16(), 404 | 405 | 501) {
            return Ok(());
        }
        let mut response = success(CHECK, response, |_, body| error::of_body(body)).await?;
        if self.config.listing != Listing::Names {
            response.json::<serde::de::IgnoredAny>(8 * MAX_MESSAGE_BYTES).await?;
            return Ok(());
        }
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
