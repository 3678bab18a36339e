//! Ollama's `/api/embed`.

mod client;
mod config;
mod wire;

pub use client::OllamaEmbedder;
pub use config::OllamaEmbedConfig;
