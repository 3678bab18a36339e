//! The chat model port: messages in, a stream of text out.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::Stream;
use serde::{Deserialize, Serialize};

use crate::{ErrorKind, Result, model::Usage};

#[cfg(feature = "anthropic")]
pub mod anthropic;
#[cfg(any(feature = "anthropic", feature = "google", feature = "ollama", feature = "openai"))]
mod calls;
mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
mod events;
#[cfg(feature = "google")]
pub mod google;
pub mod layers;
#[cfg(feature = "ollama")]
pub mod ollama;
#[cfg(feature = "openai")]
pub mod openai;
pub mod priced;
#[cfg(any(feature = "anthropic", feature = "google", feature = "ollama", feature = "openai"))]
mod remote;
pub mod scripted;
mod table;
mod tally;
mod tool;

pub use check::{check_request, check_tools};
pub use table::ModelTable;
pub use tally::Tally;
pub use tool::{ToolCall, ToolChoice, ToolSpec};

/// What a chat model is called and how much it can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatModelInfo {
    /// The provider, such as `ollama`.
    pub provider: String,
    /// The model as the provider knows it.
    pub model: String,
    /// The most tokens of prompt and answer together, when known.
    pub context_tokens: Option<u32>,
    /// Whether the text stays on this machine.
    pub local: bool,
    /// Whether the model can be offered tools.
    pub tools: bool,
}

impl ChatModelInfo {
    /// `provider/model`, as shown to people and stored with answers.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }
}

/// Who speaks in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// The system's own instructions. Never holds text from sources or users.
    System,
    /// The person asking, and quoted data.
    User,
    /// The model's earlier answers.
    Assistant,
    /// What came of a tool that the model asked for. Untrusted text.
    Tool,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What is said.
    pub content: String,
    /// The tools that the model asked for: only of the assistant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which [`ToolCall`] this is the result of: only of a tool, and always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl ChatMessage {
    /// A message of text alone.
    #[must_use]
    pub fn new(role: ChatRole, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None }
    }

    /// What came of a tool.
    #[must_use]
    pub fn tool(call: &ToolCall, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call.id.clone()), ..Self::new(ChatRole::Tool, content) }
    }

    /// The model's answer with the tools that it asked for.
    #[must_use]
    pub fn assistant(content: impl Into<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::new(ChatRole::Assistant, content) }
    }
}

/// The question and the passages behind a prompt, for models that work on them directly
/// (extractive answering) rather than on the rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grounding {
    /// The question as asked.
    pub question: String,
    /// The texts of the passages; passage `i` is called `[i + 1]` in the prompt and in answers.
    pub passages: Vec<String>,
}

/// What to generate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatRequest {
    /// The prompt, in order.
    pub messages: Vec<ChatMessage>,
    /// 0 to 2; the provider's default when `None`.
    pub temperature: Option<f32>,
    /// Over 0, up to 1; the provider's default when `None`.
    pub top_p: Option<f32>,
    /// The most tokens to generate; the provider's default when `None`.
    pub max_tokens: Option<u32>,
    /// Texts that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Makes sampling repeatable where the provider can.
    pub seed: Option<u64>,
    /// The question and passages that the prompt was made from.
    pub grounding: Option<Grounding>,
    /// What the model may ask for.
    pub tools: Vec<ToolSpec>,
    /// Whether it is to. Means nothing without tools.
    pub tool_choice: ToolChoice,
    /// How the call is to be made.
    pub call: CallOptions,
}

/// How a call is to be made: for the [`layers`] around a model. None of it reaches the provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallOptions {
    /// When nobody waits for the answer any more. No try is begun that cannot end before.
    pub deadline: Option<Instant>,
    /// Somebody above makes the call again where that helps, and counts how often: nobody below does.
    pub repeated_above: bool,
    /// The random text by which the prompt marks what is data, another in each request: prompts that differ in it alone
    /// are the same prompt.
    pub marker: Option<String>,
    /// Where it is noted what the call used, if it ends before its answer is whole.
    pub tally: Option<Tally>,
}

impl CallOptions {
    /// A call that nobody waits for after this time.
    #[must_use]
    pub fn ending_in(time: Duration) -> Self {
        // The runtime's clock, which tests hold.
        let now = tokio::time::Instant::now().into_std();
        Self { deadline: now.checked_add(time), ..Self::default() }
    }
}

/// A model failed before it said anything, and another answers in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The [label](ChatModelInfo::label) of the one that failed.
    pub failed: String,
    /// Why.
    pub reason: ErrorKind,
    /// The label of the one that answers.
    pub answers: String,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It was done, or met a stop text.
    Stop,
    /// It met the limit of tokens.
    Length,
    /// The provider withheld the rest.
    ContentFilter,
    /// It waits for what comes of the tools that it asked for.
    ToolCalls,
}

/// A piece of a model's answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// More text: never empty, never part of a character.
    Delta(String),
    /// The model asks for a tool: whole, however it came in pieces. Any number of them, before the end.
    ToolCall(ToolCall),
    /// Another model answers: before all text, once for each that failed.
    Replaced(Replaced),
    /// The provider's own token counts. May come more than once; the last one counts.
    Usage(Usage),
    /// The answer is whole. Nothing follows but the end of the stream.
    Finish(FinishReason),
}

/// A model's answer. Dropping it ends the generation and closes the connection.
///
/// It yields exactly one [`ChatEvent::Finish`], as its last item, or an `Err` as its last item.
/// A provider that breaks off without saying so is an `Err`, never a silent end.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<ChatEvent>> + Send>>;

/// A number of tokens, and whether it was counted or estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCount {
    /// The number.
    pub tokens: usize,
    /// Counted with the model's own tokenizer. An estimate errs on the high side.
    pub exact: bool,
}

impl TokenCount {
    /// The estimate for a text whose tokenizer is not public: a token for every three bytes of
    /// Latin text, and one for each character elsewhere.
    #[must_use]
    pub fn estimate(text: &str) -> Self {
        let (ascii, other) = text.chars().fold((0_usize, 0_usize), |(ascii, other), c| {
            if c.is_ascii() { (ascii + 1, other) } else { (ascii, other + 1) }
        });
        Self { tokens: ascii.div_ceil(3) + other, exact: false }
    }
}

/// Generates text.
#[async_trait]
pub trait ChatModel: Send + Sync + 'static {
    /// What the model is.
    fn info(&self) -> &ChatModelInfo;

    /// Starts generating. Returns when the provider has accepted the request.
    ///
    /// - Cancelled (future or stream dropped): the connection is closed, generation ends.
    ///
    /// # Errors
    /// `Unsupported` when tools are offered to a model that has none ([`ChatModelInfo::tools`]); `ContextTooLong`, `Unauthorized`, `RateLimited` (with the provider's delay), `Timeout`,
    /// `Unavailable`, `Protocol` (an answer outside the provider's dialect), `InvalidInput`. The context holds
    /// `status`, `provider_code`, `request_id` where the provider gave them.
    async fn stream(&self, request: ChatRequest) -> Result<ChatStream>;

    /// How many tokens `text` is, without the overhead of a message.
    fn count_tokens(&self, text: &str) -> TokenCount;

    /// Asks the provider whether it is there and knows the model, without generating.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    async fn check(&self) -> Result<()>;
}
