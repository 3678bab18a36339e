//! Anthropic's Messages API, as spoken by Anthropic and by some other servers, llama.cpp among them.
//!
//! Instructions are sent as `system`. The model's thoughts are not part of the answer; their tokens count as generated. The API
//! wants a limit of tokens with every question: where none is given, it is [`AnthropicConfig::max_tokens`].

mod client;
mod config;
pub(crate) mod error;
mod stream;
mod wire;

pub use client::AnthropicChat;
pub use config::AnthropicConfig;
