//! Settings of one model at Ollama.

use crate::{Secret, http::Timeouts};

/// Which model to call, where, and how.
#[derive(Debug, Clone)]
pub struct OllamaConfig {
    /// The server's address, to which `/api/chat` is appended.
    pub base_url: String,
    /// The model with its tag, such as `llama3.2:3b`.
    pub model: String,
    /// Sent as `Authorization: Bearer`, for servers behind a proxy and for Ollama's cloud.
    pub api_key: Option<Secret>,
    /// The context window to load the model with. A larger one takes more memory.
    pub context_tokens: u32,
    /// How long the model stays loaded after an answer, such as `10m`; the server's own default
    /// when `None`.
    pub keep_alive: Option<String>,
    /// How long to wait. The first answer waits for the model to be loaded.
    pub timeouts: Timeouts,
}

impl OllamaConfig {
    /// The address of a server on this machine with default settings.
    pub const DEFAULT_BASE_URL: &str = "http://127.0.0.1:11434";

    /// A model of the server on this machine, with a window of 8,192 tokens.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            base_url: Self::DEFAULT_BASE_URL.into(),
            model: model.into(),
            api_key: None,
            context_tokens: 8192,
            keep_alive: None,
            timeouts: Timeouts::default(),
        }
    }
}
