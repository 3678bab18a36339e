//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};

use crate::chat::{ChatMessage, ChatRequest, ChatRole};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    generation_config: GenerationConfig<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Text<'a>>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
}

impl<'a> Request<'a> {
    pub(super) fn new(request: &'a ChatRequest) -> Self {
        Self {
            contents: contents(&request.messages),
            system_instruction: system(&request.messages),
            generation_config: GenerationConfig {
                temperature: request.temperature,
                top_p: request.top_p,
                max_output_tokens: request.max_tokens,
                stop_sequences: &request.stop,
                // The API reads a signed 32-bit number.
                seed: request.seed.map(|seed| (seed & 0x7fff_ffff) as u32),
            },
        }
    }
}

fn system(messages: &[ChatMessage]) -> Option<Content<'_>> {
    let system = messages.iter().filter(|message| message.role == ChatRole::System);
    let parts: Vec<_> = system.map(|message| Text { text: &message.content }).collect();
    (!parts.is_empty()).then_some(Content { role: None, parts })
}

/// Turns in order. Neighbours of one role become one turn, for turns have to alternate.
fn contents(messages: &[ChatMessage]) -> Vec<Content<'_>> {
    let mut turns: Vec<Content<'_>> = Vec::new();
    for message in messages {
        let role = match message.role {
            ChatRole::System => continue,
            ChatRole::User | ChatRole::Tool => "user",
            ChatRole::Assistant => "model",
        };
        let part = Text { text: &message.content };
        match turns.last_mut().filter(|turn| turn.role == Some(role)) {
            Some(turn) => turn.parts.push(part),
            None => turns.push(Content { role: Some(role), parts: vec![part] }),
        }
    }
    turns
}

/// One event of the stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) candidates: Vec<Candidate>,
    #[serde(default)]
    pub(super) prompt_feedback: Option<PromptFeedback>,
    #[serde(default)]
    pub(super) usage_metadata: Option<UsageMetadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    #[serde(default)]
    pub(super) index: u32,
    #[serde(default)]
    pub(super) content: Option<Answer>,
    #[serde(default)]
    pub(super) finish_reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) parts: Vec<Part>,
}

#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) thought: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    #[serde(default)]
    pub(super) block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    #[serde(default)]
    pub(super) prompt_token_count: Option<u64>,
    #[serde(default)]
    pub(super) candidates_token_count: Option<u64>,
    #[serde(default)]
    pub(super) thoughts_token_count: Option<u64>,
}
