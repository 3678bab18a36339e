//! Settings of one model behind the dialect.

use crate::{Secret, http::Timeouts};

/// Which model to call, where, and how.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// The address that `/chat/completions` is appended to, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name at the provider.
    pub model: String,
    /// Local servers often need none.
    pub api_key: Option<Secret>,
    /// How the key is sent.
    pub key_header: KeyHeader,
    /// More headers for every call, such as `OpenAI-Organization`.
    pub headers: Vec<(String, Secret)>,
    /// The name of the provider in labels and stored answers.
    pub provider: String,
    /// The model's context window, when known.
    pub context_tokens: Option<u32>,
    /// Whether the model can be offered tools.
    pub tools: bool,
    /// What the server is known to want. What it refuses is found out beside that.
    pub dialect: Dialect,
    /// Appended to the address of each question, such as `api-version=2024-10-21`.
    pub query: Option<String>,
    /// How [`check`](crate::chat::ChatModel::check) finds the model.
    pub listing: Listing,
    /// The model of OpenAI whose tokenizer counts, where [`model`](Self::model) is a name of one's own.
    pub tokenizer: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer`.
    #[default]
    Bearer,
    /// `api-key`, as Azure has it.
    ApiKey,
}

/// Where a server departs from what most of them take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// It does not know `stream_options`.
    pub no_stream_options: bool,
    /// It wants `max_completion_tokens` instead of `max_tokens`.
    pub max_completion_tokens: bool,
    /// It wants `random_seed` instead of `seed`.
    pub random_seed: bool,
}

impl Dialect {
    /// What the limit of tokens is called.
    pub(super) const fn limit_name(self) -> &'static str {
        if self.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" }
    }
}

/// What a server's list of models says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Listing {
    /// `GET /models` lists all names that can be asked for.
    #[default]
    Names,
    /// The list at this address has other names: that it is given is enough.
    Reachable(String),
}

impl OpenAiConfig {
    /// Settings without a key, for a provider called `openai`.
    #[must_use]
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            key_header: KeyHeader::default(),
            headers: Vec::new(),
            provider: "openai".into(),
            context_tokens: None,
            tools: true,
            dialect: Dialect::default(),
            query: None,
            listing: Listing::default(),
            tokenizer: None,
            timeouts: Timeouts::default(),
        }
    }
}
