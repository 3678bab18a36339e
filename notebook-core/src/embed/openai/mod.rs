//! `/embeddings` as OpenAI and many other servers speak it.

mod client;
mod config;
mod wire;

pub use client::OpenAiEmbedder;
pub use config::OpenAiEmbedConfig;
