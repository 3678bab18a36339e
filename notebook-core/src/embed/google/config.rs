//! Settings of one embedding model at Google.

use crate::{Secret, chat::google::GoogleConfig, embed::RemoteEmbedOptions, http::Timeouts};

/// Which model to call, where, and how.
#[derive(Debug, Clone)]
pub struct GoogleEmbedConfig {
    /// The address that `/models/…` is appended to.
    pub base_url: String,
    /// The model's name without `models/`, such as `gemini-embedding-001`.
    pub model: String,
    /// Sent as `x-goog-api-key`.
    pub api_key: Option<Secret>,
    /// Ask for vectors of `options.dimensions`, which newer models can shorten to.
    pub send_dimensions: bool,
    /// How texts are prepared. The API takes at most 100 texts a call.
    pub options: RemoteEmbedOptions,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl GoogleEmbedConfig {
    /// A model at the public address, with 2,048 tokens a text.
    #[must_use]
    pub fn new(model: impl Into<String>, api_key: Secret) -> Self {
        Self {
            base_url: GoogleConfig::DEFAULT_BASE_URL.into(),
            model: model.into(),
            api_key: Some(api_key),
            send_dimensions: false,
            options: RemoteEmbedOptions { max_tokens: 2048, ..RemoteEmbedOptions::default() },
            timeouts: Timeouts::default(),
        }
    }
}
