//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{ChatMessage, ChatRequest, ChatRole, ToolChoice, calls, ollama::OllamaConfig};

#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: Vec<SentMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
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
            messages: sent(&request.messages),
            tools: tools(request),
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

#[derive(Serialize)]
struct SentMessage<'a> {
    role: ChatRole,
    content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<SentCall<'a>>,
    /// The tool that this is the result of: calls have no ids here.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
}

#[derive(Serialize)]
struct SentCall<'a> {
    function: SentFunction<'a>,
}

#[derive(Serialize)]
struct SentFunction<'a> {
    name: &'a str,
    arguments: Map<String, Value>,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: OfferedFunction<'a>,
}

#[derive(Serialize)]
struct OfferedFunction<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

fn sent(messages: &[ChatMessage]) -> Vec<SentMessage<'_>> {
    let sent = messages.iter().enumerate().map(|(at, message)| {
        let before = messages.get(..at).unwrap_or_default();
        let is_result = message.role == ChatRole::Tool;
        let calls = message.tool_calls.iter().map(|call| SentCall {
            function: SentFunction { name: &call.name, arguments: calls::object(&call.arguments) },
        });
        SentMessage {
            role: message.role,
            content: &message.content,
            tool_calls: calls.collect(),
            tool_name: is_result.then(|| calls::tool_of(before, message)),
        }
    });
    sent.collect()
}

/// The dialect has no choice: a model that must not ask is offered nothing.
fn tools(request: &ChatRequest) -> Vec<Tool<'_>> {
    if request.tool_choice == ToolChoice::None {
        return Vec::new();
    }
    let tools = request.tools.iter().map(|tool| Tool {
        r#type: "function",
        function: OfferedFunction {
            name: &tool.name,
            description: &tool.description,
            parameters: &tool.parameters,
        },
    });
    tools.collect()
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
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<Call>>,
}

/// A tool call, always whole.
#[derive(Deserialize)]
pub(super) struct Call {
    /// Of later versions.
    #[serde(default)]
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

#[derive(Deserialize)]
pub(super) struct Function {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Option<Map<String, Value>>,
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
    /// Absent from older versions.
    #[serde(default)]
    capabilities: Option<Vec<String>>,
}

impl Show {
    /// Whether the model can be offered tools; none when the server does not say.
    pub(super) fn tools(&self) -> Option<bool> {
        let capabilities = self.capabilities.as_ref()?;
        Some(capabilities.iter().any(|capability| capability == "tools"))
    }

    /// The most tokens that the model was trained to read, under `<architecture>.context_length`.
    pub(super) fn context_length(&self) -> Option<u32> {
        let (_, value) =
            self.model_info.iter().find(|(key, _)| key.ends_with(".context_length"))?;
        u32::try_from(value.as_u64()?).ok().filter(|tokens| *tokens > 0)
    }
}
