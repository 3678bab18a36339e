//! The adapter itself.

use async_trait::async_trait;
use serde_json::json;

use super::{
    OllamaConfig, error,
    stream::Decoder,
    wire::{Request, Show, Tags},
};
use crate::{
    Error, ErrorKind, Result,
    chat::{
        ChatModel, ChatModelInfo, ChatRequest, ChatStream, TokenCount, ToolChoice, calls::Calls,
        check_request, remote,
    },
    http::{BaseUrl, HttpClient, HttpRequest, HttpResponse, MAX_MESSAGE_BYTES, success},
};

const START: &str = "start answer";
const CHECK: &str = "check model";

/// A model at Ollama.
pub struct OllamaChat {
    http: HttpClient,
    base: BaseUrl,
    config: OllamaConfig,
    info: ChatModelInfo,
    window: u32,
}

impl OllamaChat {
    /// A model with these settings. Does not call the server.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn new(http: HttpClient, config: OllamaConfig) -> Result<Self> {
        let base = BaseUrl::parse(&config.base_url)?;
        let invalid = |field, fix: &str| Err(Error::invalid("configure model", field, fix));
        if config.model.trim().is_empty() {
            return invalid("model", "name the model to use, such as llama3.2:3b");
        }
        if config.context_tokens == 0 {
            return invalid("context_tokens", "give a number over 0");
        }
        HttpRequest::get("configure model", "", config.timeouts).bearer(config.api_key.as_ref())?;
        let info = ChatModelInfo {
            provider: "ollama".into(),
            model: config.model.clone(),
            context_tokens: Some(config.context_tokens),
            local: base.is_loopback(),
            tools: true,
        };
        let window = config.context_tokens;
        Ok(Self { http, base, config, info, window })
    }

    /// As [`new`](Self::new), and asks the server for the model's own window, which the configured
    /// one is lowered to, and whether it can be offered tools.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`ChatModel::check`].
    pub async fn connect(http: HttpClient, config: OllamaConfig) -> Result<Self> {
        let mut model = Self::new(http, config)?;
        let body = json!({"model": model.config.model});
        let url = model.base.join("api/show");
        let call = HttpRequest::post_json("read model", url, model.config.timeouts, &body)?;
        let response = model.send(call).await?;
        let mut response = success("read model", response, |_, body| error::of_body(body)).await?;
        let show: Show = response.json(64 * MAX_MESSAGE_BYTES).await?;
        if let Some(tokens) = show.context_length() {
            model.window = model.window.min(tokens);
            model.info.context_tokens = Some(model.window);
        }
        model.info.tools = show.tools().unwrap_or(true);
        Ok(model)
    }

    async fn send(&self, call: HttpRequest) -> Result<HttpResponse> {
        self.http.send(call.bearer(self.config.api_key.as_ref())?).await
    }
}

#[async_trait]
impl ChatModel for OllamaChat {
    fn info(&self) -> &ChatModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        check_request(&self.info, &request)?;
        if matches!(request.tool_choice, ToolChoice::Required | ToolChoice::Named(_)) {
            return Err(Error::new(ErrorKind::Unsupported, START)
                .with("field", "tool_choice")
                .with("fix", "leave the choice to the model: Ollama cannot force it"));
        }
        let body = Request::new(&self.config, self.window, &request);
        let url = self.base.join("api/chat");
        let call = HttpRequest::post_json(START, url, self.config.timeouts, &body)?.streamed();
        // A stream has its own media type here, and one JSON document is a stream of one line.
        let response =
            remote::accepted(START, self.send(call).await?, error::of_body, None).await?;
        let redactor = response.redactor().clone();
        Ok(remote::events(response, Decoder::new(redactor, Calls::new(&request))))
    }

    fn count_tokens(&self, text: &str) -> TokenCount {
        TokenCount::estimate(text)
    }

    /// Asks for the list of models that are on the server.
    async fn check(&self) -> Result<()> {
        let call = HttpRequest::get(CHECK, self.base.join("api/tags"), self.config.timeouts);
        let mut response =
            success(CHECK, self.send(call).await?, |_, body| error::of_body(body)).await?;
        let tags: Tags = response.json(8 * MAX_MESSAGE_BYTES).await?;
        let wanted = &self.config.model;
        // Without a tag, Ollama means `latest`.
        let latest = format!("{wanted}:latest");
        if tags.models.iter().any(|tag| tag.name == *wanted || tag.name == latest) {
            return Ok(());
        }
        let some: Vec<&str> = tags.models.iter().take(5).map(|tag| tag.name.as_str()).collect();
        Err(Error::invalid(
            CHECK,
            "model",
            format!("run `ollama pull {wanted}`, or name a model that is there"),
        )
        .with("model", wanted)
        .with("offered", if some.is_empty() { "none".to_owned() } else { some.join(", ") }))
    }
}
