//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Dialect;
use crate::chat::{ChatMessage, ChatRequest, ChatRole, ToolChoice};

#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    random_seed: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: ChatRole,
    /// Null where the model only asked for tools.
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: OfferedFunction<'a>,
}

#[derive(Serialize)]
struct OfferedFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a Value,
}

const FUNCTION: &str = "function";

impl<'a> Message<'a> {
    fn new(message: &'a ChatMessage) -> Self {
        let calls = message.tool_calls.iter().map(|call| Call {
            id: &call.id,
            r#type: FUNCTION,
            function: CalledFunction { name: &call.name, arguments: &call.arguments },
        });
        let only_calls = !message.tool_calls.is_empty() && message.content.is_empty();
        Self {
            role: message.role,
            content: (!only_calls).then_some(&message.content),
            tool_calls: calls.collect(),
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

fn tools(request: &ChatRequest) -> Vec<Tool<'_>> {
    let tools = request.tools.iter().map(|tool| Tool {
        r#type: FUNCTION,
        function: OfferedFunction {
            name: &tool.name,
            description: &tool.description,
            parameters: &tool.parameters,
        },
    });
    tools.collect()
}

/// Left out where it says nothing: not every server knows the field.
fn tool_choice(request: &ChatRequest) -> Option<Value> {
    let choice = match &request.tool_choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({ "type": FUNCTION, "function": { "name": name } }),
    };
    (!request.tools.is_empty()).then_some(choice)
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
            messages: request.messages.iter().map(Message::new).collect(),
            stream: true,
            stream_options: (!dialect.no_stream_options)
                .then_some(StreamOptions { include_usage: true }),
            temperature: request.temperature,
            top_p: request.top_p,
            max_tokens: request.max_tokens.filter(|_| !late),
            max_completion_tokens: request.max_tokens.filter(|_| late),
            stop: &request.stop,
            seed: request.seed.filter(|_| !dialect.random_seed),
            random_seed: request.seed.filter(|_| dialect.random_seed),
            tools: tools(request),
            tool_choice: tool_choice(request),
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
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<CallDelta>>,
}

/// A piece of a tool call.
#[derive(Deserialize)]
pub(super) struct CallDelta {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Option<FunctionDelta>,
}

#[derive(Deserialize)]
pub(super) struct FunctionDelta {
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Text in pieces; an object from servers that parse what the model wrote.
    #[serde(default)]
    pub(super) arguments: Option<Value>,
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
