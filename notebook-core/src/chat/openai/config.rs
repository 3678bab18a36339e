//! Settings of one model behind the dialect.

use crate::{Secret, http::Timeouts};

/// Which model to call, where, and how.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// The address that `/chat/completions` is appended to, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name at the provider.
    pub model: String,
    /// Sent as `Authorization: Bearer`; local servers often need none.
    pub api_key: Option<Secret>,
    /// More headers for every call, such as `OpenAI-Organization`.
    pub headers: Vec<(String, Secret)>,
    /// The name of the provider in labels and stored answers.
    pub provider: String,
    /// The model's context window, when known.
    pub context_tokens: Option<u32>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl OpenAiConfig {
    /// Settings without a key, for a provider called `openai`.
    #[must_use]
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            headers: Vec::new(),
            provider: "openai".into(),
            context_tokens: None,
            timeouts: Timeouts::default(),
        }
    }
}
