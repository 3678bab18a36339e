//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};

use crate::chat::{ChatMessage, ChatRequest};

/// What a server has been found to refuse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dialect {
    /// It does not know `stream_options`.
    pub(super) no_stream_options: bool,
    /// It wants `max_completion_tokens` instead of `max_tokens`.
    pub(super) max_completion_tokens: bool,
}

#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: &'a [ChatMessage],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Request<'a> {
    pub(super) fn new(model: &'a str, request: &'a ChatRequest, dialect: Dialect) -> Self {
        let late = dialect.max_completion_tokens;
        Self {
            model,
            messages: &request.messages,
            stream: true,
            stream_options: (!dialect.no_stream_options)
                .then_some(StreamOptions { include_usage: true }),
            temperature: request.temperature,
            top_p: request.top_p,
            max_tokens: request.max_tokens.filter(|_| !late),
            max_completion_tokens: request.max_tokens.filter(|_| late),
            stop: &request.stop,
            seed: request.seed,
        }
    }
}

/// One event of the stream.
#[derive(Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) choices: Option<Vec<Choice>>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default)]
    pub(super) delta: Option<Delta>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    pub(super) content: Option<String>,
    /// The model's words when it declines; they are the answer then.
    #[serde(default)]
    pub(super) refusal: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    pub(super) prompt_tokens: Option<u64>,
    #[serde(default)]
    pub(super) completion_tokens: Option<u64>,
}

/// The answer of `GET /models`.
#[derive(Deserialize)]
pub(super) struct ModelList {
    pub(super) data: Vec<ModelEntry>,
}

#[derive(Deserialize)]
pub(super) struct ModelEntry {
    pub(super) id: String,
    #[serde(default)]
    pub(super) owned_by: Option<String>,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
}
