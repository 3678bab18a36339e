//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{ChatMessage, ChatRequest, ollama::OllamaConfig};

#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: &'a [ChatMessage],
    stream: bool,
    /// A prompt over the window is an error, not cut.
    truncate: bool,
    /// An answer that fills the window ends, instead of pushing out the prompt.
    shift: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<&'a str>,
    options: Options<'a>,
}

#[derive(Serialize)]
struct Options<'a> {
    num_ctx: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

impl<'a> Request<'a> {
    pub(super) fn new(config: &'a OllamaConfig, num_ctx: u32, request: &'a ChatRequest) -> Self {
        Self {
            model: &config.model,
            messages: &request.messages,
            stream: true,
            truncate: false,
            shift: false,
            keep_alive: config.keep_alive.as_deref(),
            options: Options {
                num_ctx,
                temperature: request.temperature,
                top_p: request.top_p,
                num_predict: request.max_tokens,
                stop: &request.stop,
                // The server reads a signed number.
                seed: request.seed.map(|seed| seed & (i64::MAX as u64)),
            },
        }
    }
}

/// One line of the stream.
#[derive(Deserialize)]
pub(super) struct Line {
    #[serde(default)]
    pub(super) message: Option<Message>,
    #[serde(default)]
    pub(super) done: bool,
    #[serde(default)]
    pub(super) done_reason: Option<String>,
    /// Absent when the whole prompt was in the server's cache.
    #[serde(default)]
    pub(super) prompt_eval_count: Option<u64>,
    #[serde(default)]
    pub(super) eval_count: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) content: String,
}

/// The answer of `GET /api/tags`.
#[derive(Deserialize)]
pub(super) struct Tags {
    pub(super) models: Vec<Tag>,
}

#[derive(Deserialize)]
pub(super) struct Tag {
    pub(super) name: String,
}

/// The answer of `POST /api/show`.
#[derive(Deserialize)]
pub(super) struct Show {
    #[serde(default)]
    model_info: Map<String, Value>,
}

impl Show {
    /// The most tokens that the model was trained to read, under `<architecture>.context_length`.
    pub(super) fn context_length(&self) -> Option<u32> {
        let (_, value) =
            self.model_info.iter().find(|(key, _)| key.ends_with(".context_length"))?;
        u32::try_from(value.as_u64()?).ok().filter(|tokens| *tokens > 0)
    }
}
