//! What nodes ask for, and what comes back.

use notebook_core::{
    Error,
    chat::{self, ChatMessage, FinishReason, ToolChoice, ToolSpec},
    model::Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a node asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    /// A model's answer.
    Model(ModelCall),
    /// A tool's.
    Tool(ToolCall),
    /// A person's.
    Approval(Approval),
}

impl Call {
    /// What is asked: `model`, `approval`, or the tool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Model(_) => "model",
            Self::Tool(call) => &call.name,
            Self::Approval(_) => "approval",
        }
    }
}

/// What a model is to answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelCall {
    /// Which model; the driver's own choice when `None`.
    pub model: Option<String>,
    /// The prompt, in order.
    pub messages: Vec<ChatMessage>,
    /// 0 to 2; the provider's default when `None`.
    pub temperature: Option<f32>,
    /// Over 0, up to 1; the provider's default when `None`.
    pub top_p: Option<f32>,
    /// The most tokens to generate. The engine lowers it to what the budget leaves.
    pub max_tokens: Option<u32>,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Makes sampling repeatable where the provider can.
    pub seed: Option<u64>,
    /// What the model may ask for. Whether a tool is called is the graph's to decide, and it must be of the run's set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// Whether it is to.
    #[serde(default)]
    pub tool_choice: ToolChoice,
    /// What whoever makes the call is given besides. The model does not see it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub attached: Value,
}

impl ModelCall {
    /// A call with these messages and the provider's defaults.
    #[must_use]
    pub fn new(messages: Vec<ChatMessage>) -> Self {
        Self { messages, ..Self::default() }
    }
}

/// A tool and its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The tool; one that is not of the run's set is a failed call.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// What stands for its definition, where it is another program's, which may change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

impl ToolCall {
    /// A call of a tool.
    #[must_use]
    pub fn new(name: impl Into<String>, arguments: Value) -> Self {
        Self { name: name.into(), arguments, definition: None }
    }
}

/// What a person is to allow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// What is to be done, with its exact arguments.
    pub action: ToolCall,
    /// Why, for the person.
    pub reason: String,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReply {
    /// Its text.
    pub text: String,
    /// The tools that it asks for, as it wrote them.
    pub tool_calls: Vec<chat::ToolCall>,
    /// What it used.
    pub usage: Usage,
    /// Why it stopped.
    pub finish: FinishReason,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolReply {
    /// Its result.
    pub output: Value,
    /// What it cost, in millionths of a US dollar.
    pub cost_micros: u64,
}

impl From<Value> for ToolReply {
    fn from(output: Value) -> Self {
        Self { output, cost_micros: 0 }
    }
}

/// What a person answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It may be done, as shown.
    Approved,
    /// It may not.
    Refused {
        /// What the person said about it.
        reason: String,
    },
    /// Nobody answered within [`Budget::approval_time`](super::Budget::approval_time).
    Expired,
}

/// What came back from a call that did not fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// From a model.
    Model(ModelReply),
    /// From a tool.
    Tool(ToolReply),
    /// From a person.
    Approval(Verdict),
}

/// What came back from a call. A failed call is for the node to see; too many one after the other end the run.
pub type Answer = Result<Reply, Failure>;

/// Why a call or a node failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable snake-case code: `unknown_tool`, `timeout`, `panicked`, `too_large`, … or a kind of
    /// [`Error`].
    pub code: String,
    /// For the model, or a person.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

impl Failure {
    /// A failure that will happen again.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retryable: false }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (code, retryable) = (error.kind().code().to_owned(), error.is_retryable());
        Self { code, message: error.to_string(), retryable }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}
