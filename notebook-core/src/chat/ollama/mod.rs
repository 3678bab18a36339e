//! Ollama's own dialect: newline-delimited JSON under `/api`.
//!
//! Ollama cuts a prompt that is over its window without a word, at a window that is much smaller
//! than the model's. So the adapter always says how large the window must be (`num_ctx`) and that
//! a longer prompt is an error (`truncate: false`, which older servers do not know).

mod client;
mod config;
pub(crate) mod error;
mod stream;
mod wire;

pub use client::OllamaChat;
pub use config::OllamaConfig;
