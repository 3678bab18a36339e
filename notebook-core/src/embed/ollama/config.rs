//! Settings of one embedding model at Ollama.

use crate::{Secret, chat::ollama::OllamaConfig, embed::RemoteEmbedOptions, http::Timeouts};

/// Which model to call, where, and how.
#[derive(Debug, Clone)]
pub struct OllamaEmbedConfig {
    /// The server's address, to which `/api/embed` is appended.
    pub base_url: String,
    /// The model with its tag, such as `all-minilm:22m`.
    pub model: String,
    /// Sent as `Authorization: Bearer`, for servers behind a proxy.
    pub api_key: Option<Secret>,
    /// How long the model stays loaded, such as `10m`; the server's own default when `None`.
    pub keep_alive: Option<String>,
    /// How texts are prepared.
    pub options: RemoteEmbedOptions,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl OllamaEmbedConfig {
    /// A model of the server on this machine.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            base_url: OllamaConfig::DEFAULT_BASE_URL.into(),
            model: model.into(),
            api_key: None,
            keep_alive: None,
            options: RemoteEmbedOptions::default(),
            timeouts: Timeouts::default(),
        }
    }
}
