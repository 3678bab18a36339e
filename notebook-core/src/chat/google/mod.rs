//! Google's Gemini API: `streamGenerateContent` as server-sent events.
//!
//! The key goes into a header, never into the address. Instructions are sent as
//! `systemInstruction`. The model's thoughts are not part of the answer; their tokens count as
//! generated. What a model signed of its thoughts before a tool call goes back with the call: it is a part of the call's id.

mod client;
mod config;
pub(crate) mod error;
mod stream;
mod wire;

pub use client::GoogleChat;
pub(crate) use client::{check_model_name, with_key};
pub use config::GoogleConfig;
