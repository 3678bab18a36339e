//! Settings of one embedding model behind the dialect.

use crate::{Secret, embed::RemoteEmbedOptions, http::Timeouts};

/// Which model to call, where, and how.
#[derive(Debug, Clone)]
pub struct OpenAiEmbedConfig {
    /// The address that `/embeddings` is appended to, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model's name at the provider.
    pub model: String,
    /// Sent as `Authorization: Bearer`; local servers often need none.
    pub api_key: Option<Secret>,
    /// More headers for every call.
    pub headers: Vec<(String, Secret)>,
    /// The name of the provider in the name of the vector space.
    pub provider: String,
    /// Ask the provider for vectors of `options.dimensions`, which only some models can shorten to.
    pub send_dimensions: bool,
    /// How texts are prepared.
    pub options: RemoteEmbedOptions,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl OpenAiEmbedConfig {
    /// Settings without a key, for a provider called `openai`. OpenAI's own models read 8,191 tokens
    /// a text, others are taken to read 512.
    #[must_use]
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        let model = model.into();
        let max_tokens = if model.starts_with("text-embedding-") { 8191 } else { 512 };
        Self {
            base_url: base_url.into(),
            model,
            api_key: None,
            headers: Vec::new(),
            provider: "openai".into(),
            send_dimensions: false,
            options: RemoteEmbedOptions { max_tokens, ..RemoteEmbedOptions::default() },
            timeouts: Timeouts::default(),
        }
    }
}
