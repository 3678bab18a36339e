//! Which model has the last word on the order of passages.

use std::{path::PathBuf, time::Duration};

use notebook_core::Secret;
use serde::Deserialize;

use super::BreakerSettings;
use crate::models::RERANK_PROVIDERS;

/// Which model has the last word on the order of passages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rerank {
    /// `none`, or one of the providers compiled in. Nothing is chosen by itself: `http` sends questions and passages to
    /// another server.
    pub provider: String,
    /// Model name for `http`, or the name of a folder of model files for `candle`.
    pub model: Option<String>,
    /// Folder with `config.json`, `tokenizer.json` and `model.safetensors`, for `candle`; the usual places when absent.
    pub folder: Option<PathBuf>,
    /// For `http`, what `/rerank` is appended to.
    pub base_url: Option<String>,
    /// For `http`; not needed by most local servers.
    pub api_key: Option<Secret>,
    /// For `http`, how the server wants to be asked: `documents` or `texts`.
    pub dialect: String,
    /// The most tokens of question and passage together; what the model can read when absent.
    pub max_tokens: Option<usize>,
    /// How many of the passages that were found it judges.
    pub candidates: usize,
    /// How many milliseconds that may take before the passages stay as they were found.
    pub millis: u32,
    /// For `http`, when the server is left alone.
    pub breaker: BreakerSettings,
}

impl Default for Rerank {
    fn default() -> Self {
        Self {
            provider: "none".to_owned(),
            model: None,
            folder: None,
            base_url: None,
            api_key: None,
            dialect: "documents".to_owned(),
            max_tokens: None,
            candidates: 32,
            millis: 2_000,
            breaker: BreakerSettings::default(),
        }
    }
}

impl Rerank {
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        let mut need = |good: bool, error: &str| {
            if !good {
                errors.push(error.to_owned());
            }
        };
        let is_http = self.provider == "http";
        need(
            RERANK_PROVIDERS.contains(&self.provider.as_str()),
            &format!(
                "rerank.provider is {:?}; compiled in are: {}",
                self.provider,
                RERANK_PROVIDERS.join(", ")
            ),
        );
        need(
            self.provider != "candle" || self.model.is_some() || self.folder.is_some(),
            "rerank.model or rerank.folder is needed: name a cross-encoder on BERT, such as cross-encoder/ms-marco-MiniLM-L-6-v2",
        );
        need(
            !is_http || self.model.is_some(),
            "rerank.model is needed: name the model that the server at rerank.base_url should use",
        );
        let url = self.base_url.as_deref().unwrap_or_default();
        need(
            !is_http || url.starts_with("http://") || url.starts_with("https://"),
            "rerank.base_url is needed and must begin with http:// or https://, such as http://127.0.0.1:8080/v1",
        );
        need(
            matches!(self.dialect.as_str(), "documents" | "texts"),
            "rerank.dialect must be \"documents\" (llama.cpp, vLLM, Jina, Cohere) or \"texts\" (text-embeddings-inference)",
        );
        need((1..=100).contains(&self.candidates), "rerank.candidates must be from 1 to 100");
        need((1..=60_000).contains(&self.millis), "rerank.millis must be from 1 to 60000");
        errors.extend(self.breaker.errors("rerank.breaker"));
        errors
    }

    /// What is called with a secret, if anything is.
    pub(super) fn secret_call(&self) -> (String, Option<&str>, bool) {
        let is_called = self.provider == "http" && self.api_key.is_some();
        ("rerank.base_url".to_owned(), self.base_url.as_deref(), is_called)
    }

    pub(crate) fn limit(&self) -> Duration {
        Duration::from_millis(self.millis.into())
    }
}
