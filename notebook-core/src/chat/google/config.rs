//! Settings of one Gemini model.

use crate::{Secret, http::Timeouts};

/// Which model to call, where, and how.
#[derive(Debug, Clone)]
pub struct GoogleConfig {
    /// The address that `/models/…` is appended to.
    pub base_url: String,
    /// The model's name without `models/`, such as `gemini-2.5-flash`.
    pub model: String,
    /// Sent as `x-goog-api-key`.
    pub api_key: Option<Secret>,
    /// The model's context window, when known.
    pub context_tokens: Option<u32>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl GoogleConfig {
    /// The public address of the API.
    pub const DEFAULT_BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";

    /// A model at the public address.
    #[must_use]
    pub fn new(model: impl Into<String>, api_key: Secret) -> Self {
        Self {
            base_url: Self::DEFAULT_BASE_URL.into(),
            model: model.into(),
            api_key: Some(api_key),
            context_tokens: None,
            timeouts: Timeouts::default(),
        }
    }
}
