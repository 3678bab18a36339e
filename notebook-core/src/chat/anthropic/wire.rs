//! The JSON of the dialect, as far as it is used.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::AnthropicConfig;
use crate::chat::{ChatMessage, ChatRequest, ChatRole, ToolChoice, calls};

#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    messages: Vec<Turn<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text { text: &'a str },
    ToolUse { id: Cow<'a, str>, name: &'a str, input: Map<String, Value> },
    ToolResult { tool_use_id: Cow<'a, str>, content: &'a str },
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Value,
}

impl<'a> Request<'a> {
    pub(super) fn new(config: &'a AnthropicConfig, request: &'a ChatRequest) -> Self {
        Self {
            model: &config.model,
            max_tokens: request.max_tokens.unwrap_or(config.max_tokens),
            system: system(&request.messages),
            messages: turns(&request.messages),
            stream: true,
            temperature: request.temperature,
            top_p: request.top_p,
            stop_sequences: &request.stop,
            tools: tools(request),
            tool_choice: tool_choice(request),
        }
    }
}

fn system(messages: &[ChatMessage]) -> Option<String> {
    let system = messages.iter().filter(|message| message.role == ChatRole::System);
    let texts: Vec<&str> = system.map(|message| message.content.as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

/// Turns in order. Neighbours of one role become one turn: results of tools have to stand in the turn after their calls.
fn turns(messages: &[ChatMessage]) -> Vec<Turn<'_>> {
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for message in messages {
        let role = match message.role {
            ChatRole::System => continue,
            ChatRole::User | ChatRole::Tool => "user",
            ChatRole::Assistant => "assistant",
        };
        let blocks = blocks(message);
        match turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.content.extend(blocks),
            None => turns.push(Turn { role, content: blocks }),
        }
    }
    // A turn of blank text alone has no block.
    turns.retain(|turn| !turn.content.is_empty());
    turns
}

fn blocks(message: &ChatMessage) -> Vec<Block<'_>> {
    if let Some(id) = &message.tool_call_id {
        return vec![Block::ToolResult { tool_use_id: plain(id), content: &message.content }];
    }
    // Blank text is refused.
    let text = Some(message.content.as_str()).filter(|text| !text.trim().is_empty());
    let text = text.map(|text| Block::Text { text });
    let calls = message.tool_calls.iter().map(|call| Block::ToolUse {
        id: plain(&call.id),
        name: &call.name,
        input: calls::object(&call.arguments),
    });
    text.into_iter().chain(calls).collect()
}

/// Ids of another provider may have characters that are refused here.
fn plain(id: &str) -> Cow<'_, str> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if id.chars().all(known) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().map(|c| if known(c) { c } else { '_' }).collect())
}

fn tools(request: &ChatRequest) -> Vec<Tool<'_>> {
    let tools = request.tools.iter().map(|tool| Tool {
        name: &tool.name,
        description: &tool.description,
        input_schema: &tool.parameters,
    });
    tools.collect()
}

fn tool_choice(request: &ChatRequest) -> Option<Value> {
    let choice = match &request.tool_choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => json!({ "type": "none" }),
        ToolChoice::Required => json!({ "type": "any" }),
        ToolChoice::Named(name) => json!({ "type": "tool", "name": name }),
    };
    (!request.tools.is_empty()).then_some(choice)
}

/// One event of the stream.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        index: u64,
        content_block: StartedBlock,
    },
    ContentBlockDelta {
        index: u64,
        delta: Delta,
    },
    ContentBlockStop {
        index: u64,
    },
    MessageDelta {
        delta: Ended,
        #[serde(default)]
        usage: Option<WireUsage>,
    },
    MessageStop,
    /// Pings, and what may be added.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(super) struct Started {
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum StartedBlock {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        #[serde(default)]
        id: String,
        #[serde(default)]
        name: String,
        /// Empty in streams, for the pieces follow; whole from servers that do not cut.
        #[serde(default)]
        input: Map<String, Value>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
pub(super) enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    /// Thoughts, signatures, and what may be added.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(super) struct Ended {
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
}

/// Tokens so far. Those that were read from or written to the provider's cache are counted apart.
#[derive(Deserialize, Clone, Copy)]
pub(super) struct WireUsage {
    #[serde(default)]
    pub(super) input_tokens: Option<u64>,
    #[serde(default)]
    pub(super) cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    pub(super) cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    pub(super) output_tokens: Option<u64>,
}

impl WireUsage {
    pub(super) fn prompt(self) -> Option<u64> {
        let cached = [self.cache_creation_input_tokens, self.cache_read_input_tokens];
        let cached = cached.into_iter().flatten().fold(0_u64, u64::saturating_add);
        self.input_tokens.map(|tokens| tokens.saturating_add(cached))
    }
}
