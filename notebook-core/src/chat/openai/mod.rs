//! OpenAI's Chat Completions, as spoken by OpenAI and by many other servers: llama.cpp, vLLM,
//! LM Studio, Groq, OpenRouter, Mistral, DeepSeek and more.
//!
//! ```no_run
//! use notebook_core::{Secret, chat::openai::{OpenAiChat, OpenAiConfig}};
//! use notebook_core::http::{HttpClient, HttpConfig};
//!
//! let http = HttpClient::new(&HttpConfig::default())?;
//! let config = OpenAiConfig {
//!     api_key: Some(Secret::new("sk-…")),
//!     ..OpenAiConfig::new("https://api.openai.com/v1", "gpt-4.1-mini")
//! };
//! let model = OpenAiChat::new(http, config)?;
//! # Ok::<(), notebook_core::Error>(())
//! ```
//!
//! Two parts of the dialect are negotiated: a server that refuses `stream_options` is asked
//! without it (and then reports no usage), one that refuses `max_tokens` is asked by its later
//! name `max_completion_tokens`. What a server taught is remembered for its later calls. What is known of a server beforehand stands
//! in [`PRESETS`]; [`AzureConfig`] makes the settings for Azure OpenAI.

mod azure;
mod client;
mod config;
pub(crate) mod error;
mod presets;
mod stream;
#[cfg(feature = "openai-tokens")]
mod tokens;
mod wire;

pub use azure::AzureConfig;
pub use client::OpenAiChat;
pub use config::{Dialect, KeyHeader, Listing, OpenAiConfig};
pub use presets::{PRESETS, Preset};
#[cfg(feature = "openai-tokens")]
pub(crate) use tokens::Encoding;
