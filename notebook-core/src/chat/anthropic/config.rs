//! Settings of one Claude model.

use crate::{Secret, http::Timeouts};

/// Which model to call, where, and how.
#[derive(Debug, Clone)]
pub struct AnthropicConfig {
    /// The address that `/messages` is appended to.
    pub base_url: String,
    /// The model's name, such as `claude-sonnet-4-5`.
    pub model: String,
    /// Sent as `x-api-key`; local servers often need none.
    pub api_key: Option<Secret>,
    /// The most tokens to generate where a question does not say.
    pub max_tokens: u32,
    /// The model's context window, when known.
    pub context_tokens: Option<u32>,
    /// Whether the model can be offered tools.
    pub tools: bool,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl AnthropicConfig {
    /// The public address of the API.
    pub const DEFAULT_BASE_URL: &str = "https://api.anthropic.com/v1";

    /// A model at the public address.
    #[must_use]
    pub fn new(model: impl Into<String>, api_key: Secret) -> Self {
        Self {
            base_url: Self::DEFAULT_BASE_URL.into(),
            model: model.into(),
            api_key: Some(api_key),
            max_tokens: 4096,
            context_tokens: None,
            tools: true,
            timeouts: Timeouts::default(),
        }
    }
}
