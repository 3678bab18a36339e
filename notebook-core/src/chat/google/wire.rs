//! The JSON of the dialect, as far as it is used.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{ChatMessage, ChatRequest, ChatRole, ToolCall, ToolChoice, calls};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    generation_config: GenerationConfig<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tools<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<SentPart<'a>>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct SentPart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<SentCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<SentResponse<'a>>,
    /// The model wants it back with its call.
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Serialize)]
struct SentCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    args: Map<String, Value>,
}

#[derive(Serialize)]
struct SentResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: ToolResult<'a>,
}

#[derive(Serialize)]
struct ToolResult<'a> {
    result: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    description: &'a str,
    parameters_json_schema: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: CallingConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallingConfig<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

/// What stands between the provider's id of a call and the signature that has to go back with it. The id is all that is
/// kept of a call between two questions.
const SIGNED: &str = "#signature=";

/// The id of a call as the rest of the program sees it.
pub(super) fn joined(id: &str, signature: &str) -> String {
    format!("{id}{SIGNED}{signature}")
}

/// The provider's own id, if it gave one, and the signature.
fn split(id: &str) -> (Option<&str>, Option<&str>) {
    let (id, signature) =
        id.split_once(SIGNED).map_or((id, None), |(id, signature)| (id, Some(signature)));
    (Some(id).filter(|id| !id.is_empty() && !calls::is_made(id)), signature)
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
            tools: tools(request),
            tool_config: tool_config(request),
        }
    }
}

fn system(messages: &[ChatMessage]) -> Option<Content<'_>> {
    let system = messages.iter().filter(|message| message.role == ChatRole::System);
    let parts: Vec<_> = system.map(|message| text(&message.content)).collect();
    (!parts.is_empty()).then_some(Content { role: None, parts })
}

/// Turns in order. Neighbours of one role become one turn, for turns have to alternate.
fn contents(messages: &[ChatMessage]) -> Vec<Content<'_>> {
    let mut turns: Vec<Content<'_>> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = match message.role {
            ChatRole::System => continue,
            ChatRole::User | ChatRole::Tool => "user",
            ChatRole::Assistant => "model",
        };
        let parts = parts(messages.get(..at).unwrap_or_default(), message);
        match turns.last_mut().filter(|turn| turn.role == Some(role)) {
            Some(turn) => turn.parts.extend(parts),
            None => turns.push(Content { role: Some(role), parts }),
        }
    }
    turns
}

fn parts<'a>(before: &'a [ChatMessage], message: &'a ChatMessage) -> Vec<SentPart<'a>> {
    if message.role == ChatRole::Tool {
        return vec![result(before, message)];
    }
    let only_calls = message.content.is_empty() && !message.tool_calls.is_empty();
    let text = (!only_calls).then(|| text(&message.content));
    text.into_iter().chain(message.tool_calls.iter().map(call)).collect()
}

fn text(text: &str) -> SentPart<'_> {
    SentPart { text: Some(text), ..SentPart::default() }
}

fn call(call: &ToolCall) -> SentPart<'_> {
    let (id, thought_signature) = split(&call.id);
    let args = calls::object(&call.arguments);
    let function_call = Some(SentCall { id, name: &call.name, args });
    SentPart { function_call, thought_signature, ..SentPart::default() }
}

fn result<'a>(before: &'a [ChatMessage], message: &'a ChatMessage) -> SentPart<'a> {
    let function_response = Some(SentResponse {
        id: message.tool_call_id.as_deref().and_then(|id| split(id).0),
        name: calls::tool_of(before, message),
        response: ToolResult { result: &message.content },
    });
    SentPart { function_response, ..SentPart::default() }
}

fn tools(request: &ChatRequest) -> Vec<Tools<'_>> {
    let declared = request.tools.iter().map(|tool| Declaration {
        name: &tool.name,
        description: &tool.description,
        parameters_json_schema: &tool.parameters,
    });
    let function_declarations: Vec<_> = declared.collect();
    let none = function_declarations.is_empty();
    Some(Tools { function_declarations }).filter(|_| !none).into_iter().collect()
}

fn tool_config(request: &ChatRequest) -> Option<ToolConfig<'_>> {
    let (mode, name) = match &request.tool_choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some([name.as_str()])),
    };
    let function_calling_config = CallingConfig { mode, allowed_function_names: name };
    (!request.tools.is_empty()).then_some(ToolConfig { function_calling_config })
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
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) thought: bool,
    #[serde(default)]
    pub(super) function_call: Option<Call>,
    #[serde(default)]
    pub(super) thought_signature: Option<String>,
}

/// A tool call, always whole.
#[derive(Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) args: Option<Map<String, Value>>,
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
